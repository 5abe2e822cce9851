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
  if (threads == 1 || (kernel->alone && !thread)) /* without dividing: many kernels are short */
    run_items(call, kernel, at, 0, kernel->items);
  else if (!kernel->alone)
    run_items(call, kernel, at, thread * kernel->items / threads,
              (thread + 1) * kernel->items / threads);
}

/* One run of a list. */
typedef struct Run {
  const RlcCall *call;
  const RlcKernels *all;
  const RlcMarks *marks;
  char *spaces[RLC_SPACES];
} Run;

static void mark(const Run *run, uint32_t done) {
  if (run->marks) run->marks->mark(run->call, done);
}

/* Kernel k, whole or its part of one chunk. */
static void run_one(const Run *run, uint32_t k, const uint64_t *chunk) {
  const RlcKernel *kernel = &run->all->kernels[k];
  char *at[kernel->place_count + 1];
  for (uint32_t i = 0; i < kernel->place_count; i++)
    at[i] = run->spaces[kernel->places[i].space] + kernel->places[i].offset;
  if (chunk) {
    uint64_t items = kernel->items / kernel->chunks;
    run_items(run->call, kernel, at, *chunk * items, (*chunk + 1) * items);
  } else {
    run_kernel(run->call, kernel, at);
  }
  mark(run, k + 1);
}

static void run_chunks(const Run *run, uint32_t first) {
  const RlcKernel *kernel = &run->all->kernels[first];
  uint64_t thread = run->call->thread, threads = run->call->threads;
  uint64_t end = (thread + 1) * kernel->chunks / threads;
  for (uint64_t chunk = thread * kernel->chunks / threads; chunk < end; chunk++)
    for (uint32_t k = first; k < first + kernel->together; k++) run_one(run, k, &chunk);
}

static void run_kernels(const RlcCall *call, const RlcKernels *all, const RlcMarks *marks) {
  char *own = call->work + all->work_bytes + call->thread * all->thread_bytes;
  Run run = {call, all, marks, {call->memory, call->work, own, (char *)all->tables}};
  mark(&run, 0);
  for (uint32_t k = 0; k < all->count; k += all->kernels[k].together) {
    const RlcKernel *kernel = &all->kernels[k];
    if (kernel->barrier && call->threads > 1) call->barrier(call->team);
    if (kernel->chunks)
      run_chunks(&run, k);
    else
      run_one(&run, k, NULL);
  }
  mark(&run, all->count + 1);
}

void rlc_run_kernels(const RlcCall *call) { run_kernels(call, call->context, NULL); }

void rlc_run_marked_kernels(const RlcCall *call) {
  const RlcMarks *marks = call->context;
  run_kernels(call, marks->context, marks);
}
