/* Which kernels of a GPU go over their rows alike.
 *
 * Elementwise kernels and sums along a row, as a normalised layer has three behind each other, read
 * of each other only the rows that they compute. Where each gives the same rows to the same block,
 * none has to wait for other blocks before the next (stages.c). So the rows are cut in some times
 * as many chunks as a large card has blocks, and a block takes chunks that stand beside each other.
 * Afterwards such kernels have their chunks, and know of which kernels with the same they read
 * other rows than their own. Contractions have their own way of sharing rows out. */
#include "codegen/schedule/kernel.h"

enum { MOST_CHUNKS = 1024, LEAST_CHUNKS = 32 };

/* Chunks along an axis; NULL where it does not divide into enough of them. */
static Chunks *chunks_along(const Schedule *s, AxisId axis) {
  uint32_t extent = s->code->module->graph->axes[axis].extent;
  uint32_t rows = (extent + MOST_CHUNKS - 1) / MOST_CHUNKS;
  while (rows < extent && extent % rows) rows++;
  if (extent / rows < LEAST_CHUNKS) return NULL;
  Chunks *chunks = NEW(s->arena, Chunks);
  *chunks = (Chunks){axis, extent / rows, rows, true};
  return chunks;
}

/* The first axis of rows that a kernel can go along. */
static int rows_of(const Schedule *s, const Kernel *kernel) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, kernel->iteration, order);
  bool kind = kernel->kind == KERNEL_MAP || kernel->kind == KERNEL_REDUCE;
  for (int i = 0; i < rank && kind; i++)
    if (graph->axes[order[i]].order == AXIS_ROW && kernel_is_by_rows(s, kernel, order[i]))
      return (int)order[i];
  return -1;
}

/* What a kernel reads of others with the same chunks. */
typedef struct Reading {
  const Schedule *s;
  Kernel *kernel;
} Reading;

static void rows_read(void *user, Node *node, bool kept, bool same) {
  const Reading *reading = user;
  Kernel *kernel = reading->kernel;
  Kernel *from = kept ? reading->s->kernel[node->id] : kernel;
  if (from == kernel || from->chunks != kernel->chunks) return;
  if (same)
    kernel->follows = from->followed = true;
  else
    PUSH(reading->s->arena, kernel->across, kernel->across_count, kernel->across_capacity, from);
}

void schedule_rows(Schedule *s) {
  const ProgramCode *out = s->out;
  Chunks **along = NEW_ARRAY(s->arena, Chunks *, s->code->module->graph->axis_count);
  for (size_t k = 0; k < out->kernel_count; k++) {
    int axis = rows_of(s, out->kernels[k]);
    if (axis >= 0 && !along[axis]) along[axis] = chunks_along(s, (AxisId)axis);
    if (axis >= 0) out->kernels[k]->chunks = along[axis];
  }
  for (size_t k = 0; k < out->kernel_count; k++) {
    Kernel *kernel = out->kernels[k];
    Reading reading = {s, kernel};
    if (kernel->chunks) kernel_reads_along(s, kernel, kernel->chunks->axis, rows_read, &reading);
  }
  for (size_t k = 0; k < out->kernel_count; k++) {
    Kernel *kernel = out->kernels[k];
    if (!kernel->follows && !kernel->followed) kernel->chunks = NULL;
  }
}

bool rows_are_own(const Kernel *kernel, const Kernel *of) {
  if (!kernel->chunks || kernel->chunks != of->chunks) return false;
  for (size_t i = 0; i < kernel->across_count; i++)
    if (kernel->across[i] == of) return false;
  return true;
}
