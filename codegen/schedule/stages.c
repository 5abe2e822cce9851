/* The order of a program's kernels on a GPU: in stages, with a barrier of the grid between two.
 *
 * At such a barrier all blocks wait for the last one, and a small kernel leaves most of the card
 * idle. So a kernel moves to the first stage in which all that it needs is there: behind whatever
 * writes what it touches, and whatever touches what it writes. Chains of those that are hardly any
 * work are one block's, the same in a stage, and need no more of each other than that its warps
 * meet: such a chain is within one stage. Afterwards kernels of a stage need nothing of each other
 * but for that, those of one block last, else in the order that they had. On a CPU, where barriers
 * cost little and what was just written lies in the cache, the order of the graph is the better
 * one. */
#include "codegen/schedule/kernel.h"

#include <string.h>

/* A warp for each item, and less to read than other blocks could bring any sooner. */
static bool is_alone(const Kernel *kernel) {
  enum { ITEMS = 8, BYTES = 32 * 1024, WORK = 64 * 1024 };
  return kernel->kind != KERNEL_CONTRACT && kernel->items <= ITEMS && kernel->bytes <= BYTES &&
         kernel->work <= WORK;
}

/* Does a kernel touch what the other writes, or write what it touches? Before memory is planned
 * each buffer is itself alone. */
static bool needs(const Kernel *later, const Kernel *before) {
  for (size_t i = 0; i < later->place_count; i++)
    for (size_t j = 0; j < before->place_count; j++) {
      const Place *a = &later->places[i], *b = &before->places[j];
      if (a->buffer == b->buffer && a->buffer->space != SPACE_TABLE && (a->writes || b->writes))
        return true;
    }
  return false;
}

bool one_block_runs(const Kernel *before, const Kernel *kernel) {
  return (kernel->alone && before->alone) || rows_are_own(kernel, before);
}

/* Returns the number of stages. */
static int stages_find(const ProgramCode *program) {
  int stages = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    Kernel *kernel = program->kernels[k];
    kernel->alone = is_alone(kernel);
    if (kernel->chunks && kernel->items % kernel->chunks->count)
      bug("kernel %s has %llu items of %u chunks", kernel->name, (unsigned long long)kernel->items,
          kernel->chunks->count);
    kernel->stage = 0;
    for (size_t i = 0; i < k; i++) {
      const Kernel *before = program->kernels[i];
      int first = before->stage + !one_block_runs(before, kernel);
      if (first > kernel->stage && needs(kernel, before)) kernel->stage = first;
    }
    if (kernel->stage >= stages) stages = kernel->stage + 1;
  }
  return stages;
}

/* Small kernels that have nothing to do with another one of their stage go to different blocks, as
 * others do. */
static void let_go(const ProgramCode *program) {
  for (size_t k = 0; k < program->kernel_count; k++) {
    Kernel *kernel = program->kernels[k];
    bool linked = false;
    for (size_t i = 0; i < program->kernel_count && kernel->alone && !linked; i++) {
      const Kernel *other = program->kernels[i];
      linked = i != k && other->alone && other->stage == kernel->stage && needs(kernel, other);
    }
    kernel->alone = linked;
  }
}

void stages_order(const Code *code, ProgramCode *program) {
  size_t count = 0;
  Kernel **ordered = NEW_ARRAY(code->arena, Kernel *, program->kernel_count + 1);
  int stages = stages_find(program);
  let_go(program);
  for (int i = 0; i < 2 * stages; i++)
    for (size_t k = 0; k < program->kernel_count; k++) {
      Kernel *kernel = program->kernels[k];
      if (2 * kernel->stage + kernel->alone == i) ordered[count++] = kernel;
    }
  memcpy(program->kernels, ordered, count * sizeof *ordered);
}
