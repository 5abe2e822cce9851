/* Runs a program that is a list of kernels. What generated C has as a function of calls is a table
 * here, so that no code has to be made for it. */
#include "runtime/rlc.h"

static void run_items(const RlcCall *call, const RlcKernel *kernel, char *const *at, uint64_t lo,
                      uint64_t hi) {
  kernel->run(call, at, (int64_t)lo, (int64_t)hi);
  if (call->done) call->done[call->thread] += (hi - lo) * kernel->weight;
}

static void run_kernel(const RlcCall *call, const RlcKernel *kernel, char *const *at) {
  uint64_t thread = call->thread, threads = call->threads;
  if (!kernel->alone)
    run_items(call, kernel, at, thread * kernel->items / threads,
              (thread + 1) * kernel->items / threads);
  else if (!thread)
    run_items(call, kernel, at, 0, kernel->items);
}

static void run_kernels(const RlcCall *call, const RlcKernels *all, const RlcMarks *marks) {
  char *const spaces[RLC_SPACES] = {call->memory, call->work, (char *)all->tables};
  if (marks) marks->mark(call, 0);
  for (uint32_t k = 0; k < all->count; k++) {
    const RlcKernel *kernel = &all->kernels[k];
    char *at[kernel->place_count + 1];
    if (kernel->barrier && call->threads > 1) call->barrier(call->team);
    for (uint32_t i = 0; i < kernel->place_count; i++)
      at[i] = spaces[kernel->places[i].space] + kernel->places[i].offset;
    run_kernel(call, kernel, at);
    if (marks) marks->mark(call, k + 1);
  }
}

void rlc_run_kernels(const RlcCall *call) { run_kernels(call, call->context, NULL); }

void rlc_run_marked_kernels(const RlcCall *call) {
  const RlcMarks *marks = call->context;
  run_kernels(call, marks->context, marks);
}
