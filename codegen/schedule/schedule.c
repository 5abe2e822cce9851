/* Groups the nodes of a program into kernels.
 *
 * A node is kept (has memory or registers of its own, computed by exactly one kernel) when it is an
 * output, a reduction, used by more than one kernel, or read at coordinates other than the
 * reader's; every other node is inlined in its reader. Kernels stand in an order in which each
 * reads only what former ones computed. */
#include "codegen/schedule/kernel.h"

#include <string.h>

/* ---- facts about nodes ---- */

bool op_is_expensive(OpCode op) {
  switch (op) {
  case OP_exp:
  case OP_log:
  case OP_tanh:
  case OP_sin:
  case OP_cos:
  case OP_erf:
  case OP_pow:
  case OP_uniform:
    return true;
  default:
    return false;
  }
}

/* Computed element by element from other elements: always kept, by a kernel of its own kind. */
static bool node_is_reduction(const Node *node) {
  switch ((OpCode)node->op) {
  case OP_sum:
  case OP_argmin:
  case OP_argmax:
  case OP_order:
  case OP_contract:
  case OP_scan:
  case OP_orthonormal:
    return true;
  case OP_scatter:
    return !axes_empty(node->attr.axes);
  default:
    return false;
  }
}

static bool node_is_leaf(const Node *node) {
  return node->op == OP_const || node->op == OP_table || node->op == OP_input;
}

bool node_is_addressable(const Schedule *s, const Node *node) {
  if (s->kept[node->id] || node->op == OP_input || node->op == OP_table) return true;
  bool through = node->op == OP_rename || s->in_place[node->id];
  return through && node_is_addressable(s, node->src[0]);
}

static Buffer *table_buffer(Code *code, const Node *node) {
  Buffer **buffer = &code->tables[node->attr.key];
  if (!*buffer) {
    *buffer = NEW(code->arena, Buffer);
    (*buffer)->space = SPACE_TABLE;
    (*buffer)->type = code->real;
    (*buffer)->layout = layout_make(code->module->graph, node->axes, code->options.lanes);
    (*buffer)->name = arena_printf(code->arena, "table%u", (unsigned)node->attr.key);
    (*buffer)->key = node->attr.key;
  }
  return *buffer;
}

View node_view(const Schedule *s, const Node *node) {
  if (s->kept[node->id]) {
    Buffer *buffer = s->buffer[node->id];
    return (View){buffer, buffer->layout};
  }
  if (node->op == OP_input) {
    Buffer *buffer = s->code->slots[node->attr.key];
    return (View){buffer, buffer->layout};
  }
  if (node->op == OP_table) {
    View view = {table_buffer(s->code, node), {0}};
    view.layout = view.buffer->layout;
    view.layout.axis[0] = node->attr.axis;
    return view;
  }
  if (s->in_place[node->id]) return node_view(s, node->src[0]);
  if (node->op != OP_rename) bug("%s has no memory", op_of(node)->name);
  View view = node_view(s, node->src[0]);
  view.layout.axis[layout_find(&view.layout, node->attr.axis)] = node->attr.to;
  return view;
}

bool output_is_direct(const Schedule *s, const Output *output) {
  const Slot *slot = &s->code->module->graph->slots[output->slot];
  const Node *node = output->node;
  return !node_is_leaf(node) && node->op != OP_rename && axes_equal(slot->axes, node->axes) &&
         s->code->slots[output->slot]->type == node_value_type(s->code, node);
}

/* ---- what an expression reads ---- */

enum { ALL_AXES = -1 };

/* One walk over reads. */
typedef struct Walk {
  const Schedule *s;
  int along; /* the axis that `same` is about, or ALL_AXES */
  ReadFn *fn;
  void *user;
} Walk;

static Walk walk_start(const Schedule *s, int along, ReadFn *fn, void *user) {
  ++*s->walk;
  return (Walk){s, along, fn, user};
}

/* Is argument i read at another coordinate than `node` is computed at? */
static bool moves(const Walk *walk, const Node *node, int i) {
  bool gather = node->op == OP_gather && i == 0, rename = node->op == OP_rename;
  if (walk->along == ALL_AXES) return gather || rename;
  return (gather || rename) &&
         ((int)node->attr.axis == walk->along || (rename && (int)node->attr.to == walk->along));
}

static void visit_arguments(const Walk *walk, Node *node, bool same);

/* Shared parts of an expression are visited once in a walk: by paths there may be exponentially
 * many. */
static void visit(const Walk *walk, Node *node, bool same) {
  const Schedule *s = walk->s;
  uint32_t *visited = &s->visited[2 * node->id + same];
  if (*visited == *s->walk) return;
  *visited = *s->walk;
  if (s->kept[node->id])
    walk->fn(walk->user, node, true, same);
  else if (node->op == OP_input || node->op == OP_table)
    walk->fn(walk->user, node, false, same);
  else
    visit_arguments(walk, node, same);
}

static void visit_arguments(const Walk *walk, Node *node, bool same) {
  for (int i = 0; i < 3 && node->src[i]; i++)
    visit(walk, node->src[i], same && !moves(walk, node, i));
}

void walk_reads(const Schedule *s, Node *node, bool same, ReadFn *fn, void *user) {
  Walk walk = walk_start(s, ALL_AXES, fn, user);
  visit(&walk, node, same);
}

static void walk_arguments(const Schedule *s, Node *node, bool same, ReadFn *fn, void *user) {
  Walk walk = walk_start(s, ALL_AXES, fn, user);
  visit_arguments(&walk, node, same);
}

static void root_reads(Walk walk, const Kernel *kernel, const Root *root) {
  Node *node = root->node;
  ++*walk.s->walk;
  if (root->from) return;
  if (root->copy) {
    visit(&walk, node, true);
  } else if (node_is_leaf(node)) {
    walk.fn(walk.user, node, false, true);
  } else if (node == kernel->contraction && kernel->repacked) {
    int vector = contract_vector(node, kernel->lane_axis);
    visit(&walk, node->src[1 - vector], walk.along != ALL_AXES);
  } else {
    bool same = walk.along != ALL_AXES || !(node_is_reduction(node) || walk.s->paired[node->id]);
    visit_arguments(&walk, node, same);
  }
}

void kernel_reads(const Schedule *s, const Kernel *kernel, ReadFn *fn, void *user) {
  for (size_t i = 0; i < kernel->root_count; i++)
    root_reads((Walk){s, ALL_AXES, fn, user}, kernel, &kernel->roots[i]);
}

void kernel_reads_along(const Schedule *s, const Kernel *kernel, AxisId axis, ReadFn *fn,
                        void *user) {
  for (size_t i = 0; i < kernel->root_count; i++)
    root_reads((Walk){s, (int)axis, fn, user}, kernel, &kernel->roots[i]);
}

/* ---- weights chosen by row ---- */

/* Marks the gathers that contractions read in place: those which nothing reads otherwise. */
static void find_chosen(Schedule *s) {
  const Graph *graph = s->code->module->graph;
  bool *value = NEW_ARRAY(s->arena, bool, graph->node_count);
  for (size_t i = 0; i < s->node_count; i++) {
    const Node *node = s->nodes[i];
    int chosen = node->op == OP_contract ? contract_chosen(graph, node) : -1;
    for (int k = 0; k < 3 && node->src[k]; k++)
      (k == chosen ? s->chosen : value)[node->src[k]->id] = true;
  }
  for (size_t i = 0; i < s->out->program->output_count; i++)
    value[s->out->program->outputs[i].node->id] = true;
  for (size_t i = 0; i < graph->node_count; i++) s->chosen[i] = s->chosen[i] && !value[i];
}

/* What lies in memory of an operand of a contraction. */
static Node *operand(const Schedule *s, const Node *contract, int k) {
  Node *node = contract->src[k];
  return s->chosen[node->id] ? node->src[0] : node;
}

/* ---- what must be kept from the start ---- */

static void keep_addressable(Schedule *s, const Node *node) {
  if (!node_is_addressable(s, node)) s->kept[node->id] = true;
}

/* What a gather reads lies in memory, or is a gather of such whose positions do not depend on the
 * axis: then one access follows both. */
static void keep_gathered(Schedule *s, const Node *gather) {
  const Node *from = gather->src[0];
  bool through = from->op == OP_gather && !axes_has(from->src[1]->axes, gather->attr.axis) &&
                 node_is_addressable(s, from->src[0]);
  if (!through) keep_addressable(s, from);
}

static void keep_required(Schedule *s) {
  for (size_t i = 0; i < s->node_count; i++)
    if (node_is_reduction(s->nodes[i])) s->kept[s->nodes[i]->id] = true;
  for (size_t i = 0; i < s->out->program->output_count; i++) {
    const Output *output = &s->out->program->outputs[i];
    if (output_is_direct(s, output)) s->kept[output->node->id] = true;
  }
  for (size_t i = 0; i < s->node_count; i++) {
    const Node *node = s->nodes[i];
    if (node->op == OP_gather) keep_gathered(s, node);
    if (node->op == OP_rename || node->op == OP_order || node->op == OP_orthonormal ||
        s->paired[node->id] || s->in_place[node->id])
      keep_addressable(s, node->src[0]);
    for (int k = 0; k < 2 && node->op == OP_contract; k++) {
      keep_addressable(s, operand(s, node, k));
      if (s->chosen[node->src[k]->id]) keep_addressable(s, node->src[k]->src[1]);
    }
  }
}

/* ---- kernels ---- */

Kernel *kernel_add(Schedule *s, KernelKind kind, const char *what, Axes iteration) {
  Kernel *kernel = NEW(s->arena, Kernel);
  kernel->kind = kind;
  kernel->what = what;
  kernel->iteration = iteration;
  kernel->position = (int)s->out->kernel_count;
  PUSH(s->arena, s->out->kernels, s->out->kernel_count, s->out->kernel_capacity, kernel);
  return kernel;
}

void root_add(Schedule *s, Kernel *kernel, Root root) {
  PUSH(s->arena, kernel->roots, kernel->root_count, kernel->root_capacity, root);
}

Buffer *buffer_make(Schedule *s, Layout layout, ValueType type, const char *name,
                    const char *spec) {
  Buffer *buffer = NEW(s->arena, Buffer);
  *buffer =
      (Buffer){.space = SPACE_WORK, .type = type, .layout = layout, .name = name, .spec = spec};
  buffer->bytes = bytes_in_lines(layout.elements * value_type_size(type));
  buffer->first = buffer->last = -1;
  return buffer;
}

static void node_assign(Schedule *s, Kernel *kernel, Node *node) {
  bool pairs = s->paired[node->id];
  Layout layout = pairs ? paired_layout(s, node)
                        : layout_make(s->code->module->graph, node->axes, s->code->options.lanes);
  s->kernel[node->id] = kernel;
  s->buffer[node->id] = buffer_make(s, layout, pairs ? VALUE_PAIR : node_value_type(s->code, node),
                                    arena_printf(s->arena, "t%u", node->id), NULL);
  root_add(s, kernel, (Root){.node = node, .buffer = s->buffer[node->id]});
}

/* The test whether a value can be computed in `kernel`, fed with the value's reads. */
typedef struct Fit {
  const Schedule *s;
  const Kernel *kernel;
  bool elementwise; /* may read roots of the very kernel */
  bool fits, reads_kernel, reads_state;
} Fit;

static void fit_read(void *user, Node *node, bool kept, bool same) {
  Fit *fit = user;
  bool equal = axes_equal(node->axes, fit->kernel->iteration);
  if (!kept) {
    if (node->op != OP_input) return;
    RlcSlotKind kind = fit->s->code->module->graph->slots[node->attr.key].kind;
    bool state = kind == RLC_PARAMETER || kind == RLC_TARGET || kind == RLC_OPTIMIZER;
    fit->reads_state = fit->reads_state || (equal && state);
    return;
  }
  const Kernel *at = fit->s->kernel[node->id];
  bool here = at == fit->kernel;
  fit->reads_kernel = fit->reads_kernel || here;
  if (here ? !(fit->elementwise && same && equal) : at->position > fit->kernel->position)
    fit->fits = false;
}

static Fit kernel_fit(const Schedule *s, const Kernel *kernel, Node *node, bool elementwise) {
  Fit fit = {s, kernel, elementwise, true, false, false};
  if (s->kept[node->id] && !s->kernel[node->id])
    walk_arguments(s, node, true, fit_read, &fit);
  else
    walk_reads(s, node, true, fit_read, &fit);
  return fit;
}

bool contract_fetches_ahead(const Schedule *s, const Kernel *kernel) {
  enum { LEAST_STEPS = 32 };
  return !kernel->buckets && !kernel->narrow &&
         axes_extent(s->code->module->graph, kernel->reduced) >= LEAST_STEPS;
}

static bool may_change_state(const Schedule *s, const Kernel *kernel) {
  return !s->plain[kernel->contraction->id] && contract_fetches_ahead(s, kernel);
}

enum { MAP_ROOTS = 128 }; /* of a map: compilers take longer than in proportion for more */

/* A map kernel over `iteration` that may compute `node`: the epilogue of a contraction that it
 * needs, the latest map, a new one. An epilogue reads a parameter of the result's size only where
 * that is fetched ahead: it misses the cache at the end of every tile otherwise. */
static Kernel *map_kernel(Schedule *s, Node *node, Axes iteration) {
  Kernel *map = NULL;
  for (size_t i = s->out->kernel_count; i-- > 0;) {
    Kernel *kernel = s->out->kernels[i];
    bool contract = kernel->kind == KERNEL_CONTRACT;
    if (!contract && kernel->kind != KERNEL_MAP) continue;
    if (!axes_equal(kernel->iteration, iteration) || kernel->root_count >= MAP_ROOTS) continue;
    Fit fit = kernel_fit(s, kernel, node, true);
    if (!fit.fits) continue;
    if (contract && fit.reads_kernel && (!fit.reads_state || may_change_state(s, kernel)))
      return kernel;
    if (!contract && !map) map = kernel;
  }
  return map ? map : kernel_add(s, KERNEL_MAP, "map", iteration);
}

static Axes reduce_iteration(const Node *node) {
  Axes axes = node->src[0]->axes;
  if (node->src[1]) axes = axes_union(axes, node->src[1]->axes);
  return node->op == OP_scatter ? axes_union(axes, axes_one(node->attr.axis)) : axes;
}

static Axes reduce_axes(const Node *node) {
  bool pick = node->op == OP_argmin || node->op == OP_argmax;
  return pick ? axes_one(node->attr.axis) : node->attr.axes;
}

static Kernel *reduce_kernel(Schedule *s, Node *node) {
  Axes iteration = reduce_iteration(node), reduced = reduce_axes(node);
  for (size_t i = s->out->kernel_count; i-- > 0 && node->op == OP_sum;) {
    Kernel *kernel = s->out->kernels[i];
    if (kernel->kind == KERNEL_REDUCE && axes_equal(kernel->iteration, iteration) &&
        axes_equal(kernel->reduced, reduced) && kernel->roots[0].node->op == OP_sum &&
        kernel_fit(s, kernel, node, false).fits)
      return kernel;
  }
  Kernel *kernel = kernel_add(s, KERNEL_REDUCE, "reduce", iteration);
  kernel->reduced = reduced;
  return kernel;
}

/* ---- contractions ---- */

int contract_vector(const Node *contract, AxisId lane) {
  return axes_has(contract->src[0]->axes, lane) ? 0 : 1;
}

/* The axis for the vectors is the result's last, owned by one operand. When that operand does not
 * have it innermost and the other one brings no rows to pay for a repacked copy, or there is no
 * such axis, the product becomes a plain reduction. */
static bool contract_is_tiled(const Schedule *s, const Node *node, AxisId *lane, int *vector) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, node->axes, order);
  if (!rank) return false;
  *lane = order[rank - 1];
  *vector = contract_vector(node, *lane);
  const Node *b = operand(s, node, *vector), *a = operand(s, node, 1 - *vector);
  if (axes_has(a->axes, *lane) || !panel_width(graph->axes[*lane].extent, s->code->options.lanes))
    return false;
  Layout layout = node_view(s, b).layout;
  Axes rows = axes_minus(a->axes, axes_union(b->axes, node->attr.axes));
  return layout.axis[layout.rank - 1] == *lane || axes_extent(graph, rows) >= ROWS_WORTH_A_COPY;
}

static bool same_order(const Layout *a, const Layout *b) {
  return a->rank == b->rank && memcmp(a->axis, b->axis, sizeof a->axis[0] * (size_t)a->rank) == 0;
}

/* The copy of `node` in the working precision, or in the pairs that it is, with `lane` innermost,
 * made once per program. */
static Buffer *repack(Schedule *s, Node *node, AxisId lane) {
  const Graph *graph = s->code->module->graph;
  Layout from = node_view(s, node).layout;
  uint32_t lanes = s->code->options.lanes;
  Layout layout =
      from.pairs ? layout_of_pairs(graph, node->axes, (AxisId)layout_paired(&from), lane, lanes)
                 : layout_with_last(graph, node->axes, lane, lanes);
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    const Kernel *kernel = s->out->kernels[i];
    if (kernel->kind == KERNEL_REPACK && kernel->roots[0].node == node &&
        same_order(&kernel->roots[0].buffer->layout, &layout))
      return kernel->roots[0].buffer;
  }
  Kernel *kernel = kernel_add(s, KERNEL_REPACK, "repack", node->axes);
  const char *name = arena_printf(s->arena, "t%u_repacked%u", node->id, lane);
  Buffer *buffer = buffer_make(s, layout, from.pairs ? VALUE_PAIR : s->code->real, name, NULL);
  root_add(s, kernel, (Root){.node = node, .buffer = buffer, .copy = true});
  return buffer;
}

/* The order in which rows choose the vector operand, made once per program; NULL where they do not.
 */
static Buffer *buckets(Schedule *s, const Node *node, int vector) {
  const Node *gather = node->src[vector];
  if (!s->chosen[gather->id]) return NULL;
  Node *positions = gather->src[1];
  AxisId picked = gather->attr.axis;
  Axes rows = contract_rows(node, vector);
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    const Kernel *kernel = s->out->kernels[i];
    if (kernel->kind == KERNEL_BUCKET && kernel->roots[0].node == positions &&
        axes_equal(kernel->iteration, rows) && kernel->picked == picked)
      return kernel->roots[0].buffer;
  }
  Kernel *kernel = kernel_add(s, KERNEL_BUCKET, "bucket", rows);
  kernel->picked = picked;
  root_add(s, kernel, (Root){.node = positions, .copy = true});
  return kernel->roots[0].buffer = bucket_buffer(s, kernel);
}

static Kernel *contract_kernel(Schedule *s, Node *node) {
  AxisId lane;
  int vector;
  if (!contract_is_tiled(s, node, &lane, &vector)) {
    Kernel *kernel = reduce_kernel(s, node);
    kernel->what = "contract";
    return kernel;
  }
  Node *b = operand(s, node, vector);
  View view = node_view(s, b);
  bool type = view.layout.pairs || view.buffer->type == s->code->real;
  View a = node_view(s, operand(s, node, 1 - vector));
  AxisId along = 0;
  NumberFormat matrix = contract_matrix(s, node, &along);
  bool narrow = !matrix && !view.layout.pairs && type && a.buffer->type == s->code->real &&
                contract_is_narrow(s, node, lane, &a.layout, &view.layout);
  AxisId inner = view.layout.axis[view.layout.rank - 1];
  bool both = matrix && inner == along && a.layout.axis[a.layout.rank - 1] == along;
  bool fits = narrow || both || (type && inner == lane);
  Buffer *repacked = fits ? NULL : repack(s, b, lane), *rows = buckets(s, node, vector);
  Kernel *kernel = kernel_add(s, KERNEL_CONTRACT, "contract", node->axes);
  kernel->contraction = node;
  kernel->reduced = node->attr.axes;
  kernel->lane_axis = lane;
  kernel->narrow = narrow;
  kernel->matrix = matrix;
  kernel->along = along;
  kernel->repacked = repacked;
  kernel->buckets = rows;
  kernel->picked = rows ? node->src[vector]->attr.axis : 0;
  return kernel;
}

static Kernel *node_kernel(Schedule *s, Node *node) {
  if (node->op == OP_contract) return contract_kernel(s, node);
  if (node->op == OP_order) return kernel_add(s, KERNEL_ORDER, "order", node->src[0]->axes);
  if (node->op == OP_scan) return kernel_add(s, KERNEL_SCAN, "scan", node->axes);
  if (node->op == OP_orthonormal)
    return kernel_add(s, KERNEL_ORTHONORMAL, "orthonormal", node->axes);
  if (s->paired[node->id]) return kernel_add(s, KERNEL_PAIRS, "pairs", node->axes);
  if (node_is_reduction(node)) return reduce_kernel(s, node);
  return map_kernel(s, node, node->axes);
}

static void group(Schedule *s) {
  s->out->kernel_count = 0;
  for (size_t i = 0; i < s->node_count; i++) {
    Node *node = s->nodes[i];
    if (s->kept[node->id]) node_assign(s, node_kernel(s, node), node);
  }
  const Program *program = s->out->program;
  for (size_t i = 0; i < program->output_count; i++) {
    const Output *output = &program->outputs[i];
    if (output_is_direct(s, output)) continue;
    Buffer *slot = s->code->slots[output->slot];
    Axes axes = s->code->module->graph->slots[output->slot].axes;
    root_add(s, map_kernel(s, output->node, axes), (Root){output->node, slot, NULL, true});
  }
}

/* ---- what turns out to be kept as well ---- */

typedef struct Uses {
  Schedule *s;
  const Kernel *kernel;
  uint32_t *count, *seen; /* by id: kernels that inline the node; the last of them + 1 */
  bool changed;
} Uses;

static void use(Uses *uses, Node *node) {
  Schedule *s = uses->s;
  if (s->kept[node->id] || node_is_leaf(node)) return;
  if (uses->seen[node->id] == (uint32_t)uses->kernel->position + 1) return;
  uses->seen[node->id] = (uint32_t)uses->kernel->position + 1;
  uses->count[node->id] += !s->chosen[node->id] && !s->in_place[node->id];
  if (op_is_expensive((OpCode)node->op) && !axes_equal(node->axes, uses->kernel->iteration)) {
    s->kept[node->id] = uses->changed = true;
    return;
  }
  for (int i = 0; i < 3 && node->src[i]; i++) use(uses, node->src[i]);
}

static void use_roots(Uses *uses) {
  for (size_t i = 0; i < uses->kernel->root_count; i++) {
    Node *node = uses->kernel->roots[i].node;
    if (uses->kernel->roots[i].copy)
      use(uses, node);
    else
      for (int k = 0; k < 3 && node->src[k]; k++) use(uses, node->src[k]);
  }
}

/* Keeps values that several kernels would compute; only the topmost ones, for what is below may
 * then have one reader. */
static bool keep_more(Schedule *s) {
  Graph *graph = s->code->module->graph;
  Uses uses = {s, NULL, NEW_ARRAY(s->arena, uint32_t, graph->node_count),
               NEW_ARRAY(s->arena, uint32_t, graph->node_count), false};
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    uses.kernel = s->out->kernels[i];
    use_roots(&uses);
  }
  bool *covered = NEW_ARRAY(s->arena, bool, graph->node_count);
  for (size_t i = s->node_count; i-- > 0;) {
    Node *node = s->nodes[i];
    uint32_t count = uses.count[node->id];
    if (s->kept[node->id] || count < 2) continue;
    for (int k = 0; k < 3 && node->src[k]; k++)
      if (uses.count[node->src[k]->id] == count) covered[node->src[k]->id] = true;
    if (covered[node->id] || node->op == OP_rename) continue;
    s->kept[node->id] = uses.changed = true;
  }
  return uses.changed;
}

void schedule_program(Schedule *s) {
  size_t n = s->code->module->graph->node_count;
  s->node_count = module_reach(s->code->module, s->out->program, s->arena, &s->nodes);
  s->kept = NEW_ARRAY(s->arena, bool, n);
  s->chosen = NEW_ARRAY(s->arena, bool, n);
  s->paired = NEW_ARRAY(s->arena, bool, n);
  s->in_place = NEW_ARRAY(s->arena, bool, n);
  s->plain = NEW_ARRAY(s->arena, bool, n);
  s->visited = NEW_ARRAY(s->arena, uint32_t, 2 * n);
  s->walk = NEW(s->arena, uint32_t);
  s->kernel = NEW_ARRAY(s->arena, Kernel *, n);
  s->buffer = NEW_ARRAY(s->arena, Buffer *, n);
  find_chosen(s);
  find_rounded(s);
  keep_required(s);
  do {
    memset(s->kernel, 0, n * sizeof *s->kernel);
    group(s);
  } while (keep_more(s) || bind_late(s));
  schedule_chunks(s);
  schedule_bind(s);
}
