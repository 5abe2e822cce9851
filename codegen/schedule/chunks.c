/* Which kernels go over their rows together.
 *
 * What kernels with many rows hand each other is larger than the caches: every kernel then fetches
 * all of it anew, a contraction once for each panel of its result. Where each kernel reads of the
 * others only the rows that it computes, a chunk of rows can go through all of them before the next
 * one. No value changes: each is computed from the same operands in the same order.
 *
 * From the first kernel on that is large enough, everything along the same axis of rows that needs
 * nothing which must come after is put behind it, what is needed from other kernels before it, the
 * rest after it, where the search goes on. */
#include "codegen/schedule/kernel.h"

enum {
  LEAST_ROWS =
      32 /* of a product in a chunk: below, reading the other operand again takes over 5 % */
};

/* Rows that no cache near the core holds. */
static double large(const Schedule *s) { return 2 * (double)cache_bytes(s->code); }

/* ---- facts about kernels ---- */

static bool is_output(const Schedule *s, const Node *node) {
  const Program *program = s->out->program;
  for (size_t i = 0; i < program->output_count; i++)
    if (program->outputs[i].node == node) return true;
  return false;
}

/* The lanes and the panels that A is read in stay whole. */
static bool product_fits(const Schedule *s, const Kernel *kernel, AxisId axis) {
  int vector = contract_vector(kernel->contraction, kernel->lane_axis);
  Layout a = node_view(s, kernel->contraction->src[1 - vector]).layout;
  return kernel->lane_axis != axis && (!a.rank || a.axis[a.rank - 1] != axis);
}

bool kernel_is_by_rows(const Schedule *s, const Kernel *kernel, AxisId axis) {
  bool kind = kernel->kind == KERNEL_MAP || kernel->kind == KERNEL_REDUCE ||
              kernel->kind == KERNEL_ORDER || kernel->kind == KERNEL_CONTRACT ||
              kernel->kind == KERNEL_BUCKET || kernel->kind == KERNEL_PAIRS;
  if (!kind || !axes_has(kernel->iteration, axis) || axes_has(kernel->reduced, axis)) return false;
  for (size_t i = 0; i < kernel->root_count; i++)
    if ((kernel->roots[i].copy && kernel->kind != KERNEL_BUCKET) ||
        is_output(s, kernel->roots[i].node))
      return false;
  if (kernel->kind == KERNEL_PAIRS && kernel->roots[0].node->attr.axis == axis) return false;
  return kernel->kind != KERNEL_CONTRACT || product_fits(s, kernel, axis);
}

/* ---- sizes ---- */

typedef enum Part { PART_BEFORE, PART_TOGETHER, PART_AFTER } Part;

/* What is looked at along one axis. */
typedef struct Search {
  Schedule *s;
  bool *handed; /* by node: some other kernel reads it */
  Part *part;   /* by position */
  AxisId axis;
  uint32_t rows;        /* of a chunk; 0: not known yet */
  const Kernel *kernel; /* that is looked at */
  double bytes;         /* of the rows that it reads and hands on */
  bool whole_buckets;   /* orders of rows are not of chunks */
  bool depends, fits;   /* on a kernel of PART_TOGETHER; row by row */
} Search;

static void size_add(Search *search, const Node *node) {
  if (!axes_has(node->axes, search->axis)) return;
  uint32_t size = value_type_size(node_value_type(search->s->code, node));
  search->bytes += (double)axes_extent(search->s->code->module->graph, node->axes) * size;
}

static void size_read(void *user, Node *node, bool kept, bool same) {
  Search *search = user;
  (void)same;
  if (kept && search->s->kernel[node->id] != search->kernel) size_add(search, node);
}

static double row_bytes(Search *search, const Kernel *kernel) {
  search->kernel = kernel;
  search->bytes = 0;
  kernel_reads_along(search->s, kernel, search->axis, size_read, search);
  for (size_t i = 0; i < kernel->root_count; i++)
    if (search->handed[kernel->roots[i].node->id]) size_add(search, kernel->roots[i].node);
  return search->bytes;
}

static void handed_read(void *user, Node *node, bool kept, bool same) {
  Search *search = user;
  (void)same;
  if (kept && search->s->kernel[node->id] != search->kernel) search->handed[node->id] = true;
}

static void find_handed(Search *search) {
  for (size_t k = 0; k < search->s->out->kernel_count; k++) {
    search->kernel = search->s->out->kernels[k];
    kernel_reads(search->s, search->kernel, handed_read, search);
  }
}

/* ---- order ---- */

static void search_kernel(Search *search, const Kernel *from, bool same) {
  if (from == search->kernel) return;
  Part part = search->part[from->position];
  if (part == PART_BEFORE) return;
  search->depends = true;
  if (part == PART_AFTER || !same) search->fits = false;
}

static void search_read(void *user, Node *node, bool kept, bool same) {
  Search *search = user;
  if (kept) search_kernel(search, search->s->kernel[node->id], same);
}

static const Kernel *maker_of(const Schedule *s, const Kernel *kernel, const Buffer *buffer) {
  for (int i = kernel->position - 1; i >= 0; i--)
    if (s->out->kernels[i]->roots[0].buffer == buffer) return s->out->kernels[i];
  bug("an operand is made nowhere");
}

/* What a contraction needs made before it: a repacked operand; the order of its rows, which is of a
 * chunk exactly where its own rows are. */
static void search_made(Search *search, const Kernel *kernel) {
  if (kernel->repacked) search_kernel(search, maker_of(search->s, kernel, kernel->repacked), false);
  if (!kernel->buckets) return;
  const Kernel *bucket = maker_of(search->s, kernel, kernel->buckets);
  search_kernel(search, bucket, true);
  if (search->part[bucket->position] != PART_TOGETHER) search->fits = false;
}

/* Rows of one copy that a step along the axis brings. */
static double rows_per_step(const Search *search, const Kernel *kernel) {
  const Graph *graph = search->s->code->module->graph;
  AxisId order[MAX_AXES];
  double rows = 1;
  int rank = axes_order(graph, axes_minus(kernel->iteration, axes_one(search->axis)), order);
  for (int i = 0; i < rank - 1; i++)
    if (graph->axes[order[i]].order != AXIS_COPY) rows *= graph->axes[order[i]].extent;
  return rows;
}

static bool rows_pay(const Search *search, const Kernel *kernel) {
  return kernel->kind != KERNEL_CONTRACT || !search->rows ||
         rows_per_step(search, kernel) * search->rows >= LEAST_ROWS;
}

/* Where a kernel belongs that stands behind the first of those that go together. */
static Part part_of(Search *search, const Kernel *kernel) {
  const Schedule *s = search->s;
  search->kernel = kernel;
  search->depends = false;
  search->fits = kernel_is_by_rows(s, kernel, search->axis) && rows_pay(search, kernel);
  if (kernel->kind == KERNEL_BUCKET && search->whole_buckets) search->fits = false;
  kernel_reads_along(s, kernel, search->axis, search_read, search);
  search_made(search, kernel);
  if (search->fits && (search->depends || row_bytes(search, kernel) >= large(s)))
    return PART_TOGETHER;
  return search->depends ? PART_AFTER : PART_BEFORE;
}

static void arrange(Schedule *s, const Part *part, size_t first) {
  size_t count = s->out->kernel_count, to = first;
  Kernel **kernels = NEW_ARRAY(s->arena, Kernel *, count);
  for (size_t i = 0; i < first; i++) kernels[i] = s->out->kernels[i];
  for (int p = PART_BEFORE; p <= PART_AFTER; p++)
    for (size_t i = first; i < count; i++)
      if (part[i] == (Part)p) kernels[to++] = s->out->kernels[i];
  for (size_t i = 0; i < count; i++) {
    s->out->kernels[i] = kernels[i];
    kernels[i]->position = (int)i;
  }
}

/* ---- chunks ---- */

/* Rows per chunk: the most that divide the axis and leave 3/8 of the cache to the other operand and
 * to what is not rows. 0: none. */
static uint32_t chunk_rows(const Schedule *s, uint32_t extent, double bytes, double least) {
  double most = extent * 0.625 * (double)cache_bytes(s->code) / bytes;
  for (uint32_t rows = extent / 2; rows >= 1 && rows >= least; rows--)
    if (extent % rows == 0 && rows <= most) return rows;
  return 0;
}

/* Chooses an axis of rows along which the kernel is large. */
static bool is_seed(Search *search, const Kernel *kernel) {
  const Graph *graph = search->s->code->module->graph;
  AxisId order[MAX_AXES];
  if (kernel->kind != KERNEL_CONTRACT || kernel->buckets) return false; /* its order is whole */
  int rank = axes_order(graph, kernel->iteration, order);
  for (int i = 0; i < rank; i++) {
    search->axis = order[i];
    if (graph->axes[order[i]].order == AXIS_ROW && kernel_is_by_rows(search->s, kernel, order[i]) &&
        row_bytes(search, kernel) >= large(search->s))
      return true;
  }
  return false;
}

/* Says of every kernel from `first` on where it belongs, and of the largest one that goes together
 * with others how long its chunks are. */
static uint32_t find_parts(Search *search, size_t first) {
  const Schedule *s = search->s;
  double largest = 0, rows = 1;
  for (size_t k = 0; k < first; k++) search->part[k] = PART_BEFORE;
  for (size_t k = first; k < s->out->kernel_count; k++) {
    const Kernel *kernel = s->out->kernels[k];
    search->part[k] = k == first ? PART_TOGETHER : part_of(search, kernel);
    if (search->part[k] != PART_TOGETHER || row_bytes(search, kernel) <= largest) continue;
    largest = row_bytes(search, kernel);
    rows = rows_per_step(search, kernel);
  }
  uint32_t extent = s->code->module->graph->axes[search->axis].extent;
  return chunk_rows(s, extent, largest, LEAST_ROWS / rows);
}

/* Does a kernel that comes after need the order of rows which is made for each chunk? */
static bool bucket_leaves(const Search *search, size_t first) {
  const Schedule *s = search->s;
  for (size_t k = first; k < s->out->kernel_count; k++) {
    const Kernel *kernel = s->out->kernels[k];
    if (kernel->buckets && search->part[k] != PART_TOGETHER &&
        search->part[maker_of(s, kernel, kernel->buckets)->position] == PART_TOGETHER)
      return true;
  }
  return false;
}

/* The parts, with chunks of so many rows; 0: nothing goes together. */
static uint32_t settle_parts(Search *search, size_t first) {
  search->rows = 0;
  search->whole_buckets = false;
  uint32_t rows = find_parts(search, first);
  if (!rows) return 0;
  search->rows = rows;
  find_parts(search, first);
  search->whole_buckets = bucket_leaves(search, first);
  if (search->whole_buckets) find_parts(search, first);
  return rows;
}

/* Returns the position at which the search goes on. */
static size_t go_together(Search *search, size_t first) {
  Schedule *s = search->s;
  uint32_t rows = settle_parts(search, first);
  if (!rows) return first + 1;
  uint32_t extent = s->code->module->graph->axes[search->axis].extent;
  Chunks *chunks = NEW(s->arena, Chunks);
  *chunks = (Chunks){search->axis, extent / rows, rows, false};
  size_t end = first;
  for (size_t k = first; k < s->out->kernel_count; k++) {
    if (search->part[k] == PART_TOGETHER) s->out->kernels[k]->chunks = chunks;
    if (search->part[k] != PART_AFTER) end++;
  }
  arrange(s, search->part, first);
  return end;
}

void schedule_chunks(Schedule *s) {
  if (s->code->device) { /* its blocks share one cache */
    schedule_rows(s);
    return;
  }
  Search search = {.s = s};
  search.part = NEW_ARRAY(s->arena, Part, s->out->kernel_count + 1);
  search.handed = NEW_ARRAY(s->arena, bool, s->code->module->graph->node_count);
  find_handed(&search);
  for (size_t k = 0; k < s->out->kernel_count;)
    k = is_seed(&search, s->out->kernels[k]) ? go_together(&search, k) : k + 1;
}

/* ---- memory ---- */

/* A value that others read: does it stay inside of its chunk? */
typedef struct Shrink {
  const Schedule *s;
  const Kernel *kernel;
  bool *leaves; /* by node */
} Shrink;

static void shrink_read(void *user, Node *node, bool kept, bool same) {
  const Shrink *shrink = user;
  (void)same;
  if (kept && shrink->s->kernel[node->id]->chunks != shrink->kernel->chunks)
    shrink->leaves[node->id] = true;
}

/* Panels along the rows themselves stay whole. */
static void buffer_shrink(const Schedule *s, const Kernel *kernel, Buffer *buffer) {
  const Layout *layout = &buffer->layout;
  const Chunks *chunks = kernel->chunks;
  bool last = layout->rank && layout->axis[layout->rank - 1] == chunks->axis;
  if (last && layout->panel && chunks->rows % layout->panel) return;
  buffer->space = SPACE_CHUNK;
  if (kernel->kind == KERNEL_BUCKET)
    buffer->layout.elements = bucket_elements(s->code, kernel);
  else
    buffer->layout = layout_chunk(buffer->layout, chunks->axis, chunks->rows);
  buffer->bytes = bytes_in_lines(buffer->layout.elements * value_type_size(buffer->type));
}

void chunks_shrink(Schedule *s) {
  if (s->code->device) return;
  Shrink shrink = {s, NULL, NEW_ARRAY(s->arena, bool, s->code->module->graph->node_count)};
  for (size_t k = 0; k < s->out->kernel_count; k++) {
    const Kernel *kernel = shrink.kernel = s->out->kernels[k];
    kernel_reads(s, kernel, shrink_read, &shrink);
    for (size_t i = 0; i < kernel->root_count; i++)
      if (kernel->roots[i].from) shrink.leaves[kernel->roots[i].node->id] = true;
  }
  for (size_t k = 0; k < s->out->kernel_count; k++) {
    const Kernel *kernel = s->out->kernels[k];
    for (size_t i = 0; kernel->chunks && i < kernel->root_count; i++) {
      Buffer *buffer = kernel->roots[i].buffer;
      bool leaves = shrink.leaves[kernel->roots[i].node->id] && kernel->kind != KERNEL_BUCKET;
      if (buffer && buffer->space == SPACE_WORK && !leaves) buffer_shrink(s, kernel, buffer);
    }
  }
}
