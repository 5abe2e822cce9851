/* The hash-consing constructor: axes, constant folding, identity.
 *
 * Every node of a graph comes from node_make, which returns the existing node for an equal request.
 * Folding touches constants only (numbers and constant vectors); algebra is the business of
 * rules.def. */
#include "ir/ir.h"

#include <math.h>
#include <string.h>

Graph *graph_make(Arena *arena) {
  Graph *graph = NEW(arena, Graph);
  graph->arena = arena;
  graph->hash_size = 4096;
  graph->hash = NEW_ARRAY(arena, Node *, graph->hash_size);
  return graph;
}

AxisId graph_axis(Graph *graph, const char *label, const char *scope, uint32_t extent,
                  AxisClass order, Span span) {
  for (uint32_t i = 0; i < graph->axis_count; i++) {
    const Axis *axis = &graph->axes[i];
    if (axis->extent == extent && axis->order == order && strcmp(axis->label, label) == 0 &&
        strcmp(axis->scope, scope) == 0)
      return (AxisId)i;
  }
  if (graph->axis_count == MAX_AXES) bug("more than %d axes", MAX_AXES);
  graph->axes[graph->axis_count] = (Axis){label, scope, extent, order, span};
  return (AxisId)graph->axis_count++;
}

uint32_t graph_slot(Graph *graph, const char *name, RlcSlotKind kind, RlcType type, Axes axes,
                    Span span) {
  Slot slot = {name, kind, type, axes, span, NULL};
  PUSH(graph->arena, graph->slots, graph->slot_count, graph->slot_capacity, slot);
  return (uint32_t)graph->slot_count - 1;
}

/* ---- identity ---- */

static uint64_t node_hash(const Node *n) {
  uint64_t h = hash_bytes(HASH_SEED, &n->op, sizeof n->op);
  h = hash_bytes(h, &n->attr.value, sizeof n->attr.value);
  h = hash_bytes(h, &n->attr.key, sizeof n->attr.key);
  h = hash_bytes(h, &n->attr.axes, sizeof n->attr.axes);
  uint8_t small[3] = {n->attr.axis, n->attr.to, n->attr.word};
  h = hash_bytes(h, small, sizeof small);
  return hash_bytes(h, n->src, sizeof n->src);
}

static bool node_equal(const Node *a, const Node *b) {
  return a->op == b->op && memcmp(&a->attr.value, &b->attr.value, sizeof(double)) == 0 &&
         a->attr.key == b->attr.key && axes_equal(a->attr.axes, b->attr.axes) &&
         a->attr.axis == b->attr.axis && a->attr.to == b->attr.to && a->attr.word == b->attr.word &&
         memcmp(a->src, b->src, sizeof a->src) == 0;
}

static void hash_insert(Node **hash, size_t size, Node *node) {
  size_t i = node_hash(node) & (size - 1);
  while (hash[i]) i = (i + 1) & (size - 1);
  hash[i] = node;
}

static void hash_grow(Graph *graph) {
  size_t size = graph->hash_size * 2;
  Node **hash = NEW_ARRAY(graph->arena, Node *, size);
  for (size_t i = 0; i < graph->node_count; i++) hash_insert(hash, size, graph->nodes[i]);
  graph->hash = hash;
  graph->hash_size = size;
}

static Node *node_intern(Graph *graph, Node probe) {
  size_t i = node_hash(&probe) & (graph->hash_size - 1);
  for (; graph->hash[i]; i = (i + 1) & (graph->hash_size - 1))
    if (node_equal(graph->hash[i], &probe)) return graph->hash[i];
  Node *node = NEW(graph->arena, Node);
  *node = probe;
  node->id = (uint32_t)graph->node_count;
  node->span = graph->span;
  graph->hash[i] = node;
  PUSH(graph->arena, graph->nodes, graph->node_count, graph->node_capacity, node);
  if (2 * graph->node_count > graph->hash_size) hash_grow(graph);
  return node;
}

Span graph_span(Graph *graph, Span span) {
  Span former = graph->span;
  graph->span = span;
  return former;
}

/* ---- axes of a result ---- */

static Axes union_of_arguments(const Node *n) {
  Axes axes = axes_none();
  for (int i = 0; i < 3; i++)
    if (n->src[i]) axes = axes_union(axes, n->src[i]->axes);
  return axes;
}

static Axes result_axes(const Graph *graph, const Node *n) {
  const Attr *a = &n->attr;
  Axes all = union_of_arguments(n);
  switch ((OpCode)n->op) {
  case OP_table:
    return axes_one(a->axis);
  case OP_input:
    return graph->slots[a->key].axes;
  case OP_uniform:
    return a->axes;
  case OP_sum:
  case OP_contract:
    return axes_minus(all, a->axes);
  case OP_argmin:
  case OP_argmax:
    return axes_minus(all, axes_one(a->axis));
  case OP_order:
  case OP_rename:
    return axes_union(axes_minus(all, axes_one(a->axis)), axes_one(a->to));
  case OP_gather:
    return axes_union(axes_minus(n->src[0]->axes, axes_one(a->axis)), n->src[1]->axes);
  case OP_scatter:
    return axes_union(axes_minus(all, a->axes), axes_one(a->axis));
  case OP_scan:
    return axes_union(all, axes_one(a->axis));
  case OP_grad:
    return n->src[1]->axes;
  default:
    return all;
  }
}

static bool is_constant(const Node *n) { return n->op == OP_const || n->op == OP_table; }

/* One of two values, one of them integer and the other too or a constant that is whole. */
static bool is_integer_choice(const Graph *graph, const Node *x, const Node *y) {
  if (x->integer && y->integer) return true;
  const Node *other = x->integer ? y : x;
  return (x->integer || y->integer) && is_constant(other) && node_is_whole(graph, other);
}

static bool result_is_integer(const Graph *graph, const Node *n) {
  if (n->op == OP_input) return graph->slots[n->attr.key].type == RLC_I32;
  switch ((OpCode)n->op) {
  case OP_gather:
  case OP_rename:
  case OP_stop:
  case OP_mark:
    return n->src[0]->integer;
  case OP_min:
  case OP_max:
    return is_integer_choice(graph, n->src[0], n->src[1]);
  case OP_where:
    return is_integer_choice(graph, n->src[1], n->src[2]);
  default:
    return op_table[n->op].integer;
  }
}

/* ---- folding of numbers and constant vectors ---- */

static double constant_at(const Graph *graph, const Node *n, uint32_t i) {
  if (!n) return 0;
  return n->op == OP_const ? n->attr.value : graph->tables[n->attr.key].values[i];
}

/* An elementwise op over constants on at most one axis, or NULL. */
static Node *fold(Graph *graph, OpCode op, Node *src[3]) {
  const OpInfo *info = &op_table[op];
  Axes axes = axes_none();
  for (int i = 0; i < info->arity; i++) {
    if (!is_constant(src[i])) return NULL;
    axes = axes_union(axes, src[i]->axes);
  }
  if (axes_empty(axes))
    return node_const(graph,
                      info->eval(constant_at(graph, src[0], 0), constant_at(graph, src[1], 0),
                                 constant_at(graph, src[2], 0)));
  if (axes_count(axes) > 1) return NULL;
  unsigned cursor = 0;
  AxisId axis = 0;
  axes_next(axes, &cursor, &axis);
  uint32_t n = graph->axes[axis].extent;
  double *values = NEW_ARRAY(graph->arena, double, n);
  for (uint32_t i = 0; i < n; i++)
    values[i] = info->eval(constant_at(graph, src[0], i), constant_at(graph, src[1], i),
                           constant_at(graph, src[2], i));
  return node_table(graph, axis, values);
}

/* ---- the constructor ---- */

static void check_rules(const Node *n) {
  const OpInfo *info = &op_table[n->op];
  for (int i = 0; i < 3; i++)
    if ((n->src[i] != NULL) != (i < info->arity))
      bug("op %s: wrong number of arguments", info->name);
  Axes x = n->src[0] ? n->src[0]->axes : axes_none();
  Axes y = n->src[1] ? n->src[1]->axes : axes_none();
  const Attr *a = &n->attr;
  bool good = true;
  if (n->op == OP_sum) good = axes_within(a->axes, x) && !axes_empty(a->axes);
  if (n->op == OP_argmin || n->op == OP_argmax || format_of(n->op)) good = axes_has(x, a->axis);
  if (n->op == OP_order || n->op == OP_rename) good = axes_has(x, a->axis) && !axes_has(x, a->to);
  if (n->op == OP_gather) good = axes_has(x, a->axis) && !axes_has(y, a->axis);
  if (n->op == OP_scatter) good = !axes_has(axes_union(x, y), a->axis) && axes_within(a->axes, y);
  if (n->op == OP_orthonormal) good = axes_has(x, a->axis) && axes_has(x, a->to);
  if (n->op == OP_contract) good = axes_within(a->axes, axes_common(x, y));
  if (!good) bug("op %s: axes do not fit", info->name);
}

Node *node_make(Graph *graph, OpCode op, Attr attr, Node *x, Node *y, Node *z) {
  if ((op == OP_add || op == OP_mul) && x->id > y->id) {
    Node *t = x;
    x = y, y = t;
  }
  Node probe = {.op = (uint16_t)op, .attr = attr, .src = {x, y, z}};
  check_rules(&probe);
  if (!op_table[op].shaped && op != OP_mark) {
    Node *folded = fold(graph, op, probe.src);
    if (folded) return folded;
  }
  probe.axes = result_axes(graph, &probe);
  probe.integer = result_is_integer(graph, &probe);
  return node_intern(graph, probe);
}

Node *node_const(Graph *graph, double value) {
  Node probe = {.op = OP_const, .attr = {.value = value == 0 ? 0 : value}};
  return node_intern(graph, probe);
}

Node *node_table(Graph *graph, AxisId axis, const double *values) {
  uint32_t n = graph->axes[axis].extent;
  bool equal = !graph->keep_axes;
  for (uint32_t i = 1; i < n; i++) equal = equal && values[i] == values[0];
  if (equal) return node_const(graph, values[0]);
  size_t key = 0;
  while (key < graph->table_count &&
         !(graph->tables[key].count == n &&
           memcmp(graph->tables[key].values, values, n * sizeof *values) == 0))
    key++;
  if (key == graph->table_count) {
    double *copy = NEW_ARRAY(graph->arena, double, n);
    memcpy(copy, values, n * sizeof *values);
    Table table = {copy, n};
    PUSH(graph->arena, graph->tables, graph->table_count, graph->table_capacity, table);
  }
  return node_make(graph, OP_table, (Attr){.key = key, .axis = axis}, NULL, NULL, NULL);
}

Node *node_input(Graph *graph, uint32_t slot) {
  return node_make(graph, OP_input, (Attr){.key = slot}, NULL, NULL, NULL);
}

Node *node_uniform(Graph *graph, uint64_t stream, Axes axes, int word) {
  Attr attr = {.key = stream, .axes = axes, .word = (uint8_t)word};
  return node_make(graph, OP_uniform, attr, NULL, NULL, NULL);
}

Node *node1(Graph *graph, OpCode op, Node *x) {
  return node_make(graph, op, (Attr){0}, x, NULL, NULL);
}

Node *node2(Graph *graph, OpCode op, Node *x, Node *y) {
  return node_make(graph, op, (Attr){0}, x, y, NULL);
}

Node *node3(Graph *graph, OpCode op, Node *x, Node *y, Node *z) {
  return node_make(graph, op, (Attr){0}, x, y, z);
}

static Node *sum_of_table(Graph *graph, const Node *x) {
  double total = 0;
  const Table *table = &graph->tables[x->attr.key];
  for (uint32_t i = 0; i < table->count; i++) total += table->values[i];
  return node_const(graph, total);
}

Node *node_sum(Graph *graph, Node *x, Axes axes) {
  uint64_t times = axes_extent(graph, axes_minus(axes, x->axes));
  Axes removed = axes_common(axes, x->axes);
  if (!axes_empty(removed))
    x = x->op == OP_table ? sum_of_table(graph, x)
                          : node_make(graph, OP_sum, (Attr){.axes = removed}, x, NULL, NULL);
  return times == 1 ? x : node2(graph, OP_mul, node_const(graph, (double)times), x);
}

static Node *pick(Graph *graph, OpCode op, Node *x, AxisId axis) {
  return node_make(graph, op, (Attr){.axis = axis}, x, NULL, NULL);
}

Node *node_argmin(Graph *graph, Node *x, AxisId axis) { return pick(graph, OP_argmin, x, axis); }

Node *node_argmax(Graph *graph, Node *x, AxisId axis) { return pick(graph, OP_argmax, x, axis); }

Node *node_order(Graph *graph, Node *x, AxisId axis, AxisId to) {
  return node_make(graph, OP_order, (Attr){.axis = axis, .to = to}, x, NULL, NULL);
}

Node *node_scan(Graph *graph, Node *a, Node *b, AxisId axis, bool backward) {
  return node_make(graph, OP_scan, (Attr){.axis = axis, .word = backward}, a, b, NULL);
}

Node *node_round(Graph *graph, NumberFormat format, Node *x, AxisId axis) {
  return node_make(graph, format_table[format].op, (Attr){.axis = axis}, x, NULL, NULL);
}

Node *node_orthonormal(Graph *graph, Node *x, AxisId axis, AxisId to) {
  return node_make(graph, OP_orthonormal, (Attr){.axis = axis, .to = to}, x, NULL, NULL);
}

Node *node_rename(Graph *graph, Node *x, AxisId from, AxisId to) {
  if (x->op == OP_table) return node_table(graph, to, graph->tables[x->attr.key].values);
  return node_make(graph, OP_rename, (Attr){.axis = from, .to = to}, x, NULL, NULL);
}

Node *node_mark(Graph *graph, Node *x) {
  return node_make(graph, OP_mark, (Attr){.key = ++graph->marks}, x, NULL, NULL);
}

Node *node_grad(Graph *graph, Node *e, Node *x) {
  return node_make(graph, OP_grad, (Attr){0}, e, x, NULL);
}

/* Choices between whole values, their sums and products are looked into a few levels deep. */
static bool is_whole(const Graph *graph, const Node *node, int depth) {
  if (node->integer) return true;
  if (node->op == OP_const) return node->attr.value == floor(node->attr.value);
  if (depth == 0) return false;
  switch ((OpCode)node->op) {
  case OP_table: {
    const Table *table = &graph->tables[node->attr.key];
    bool whole = true;
    for (uint32_t i = 0; i < table->count; i++)
      whole = whole && table->values[i] == floor(table->values[i]);
    return whole;
  }
  case OP_floor:
    return true;
  case OP_neg:
  case OP_abs:
  case OP_stop:
  case OP_mark:
  case OP_gather:
  case OP_rename:
    return is_whole(graph, node->src[0], depth - 1);
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_min:
  case OP_max:
    return is_whole(graph, node->src[0], depth - 1) && is_whole(graph, node->src[1], depth - 1);
  case OP_where:
    return is_whole(graph, node->src[1], depth - 1) && is_whole(graph, node->src[2], depth - 1);
  default:
    return false;
  }
}

bool node_is_whole(const Graph *graph, const Node *node) { return is_whole(graph, node, 12); }

bool node_is_const(const Node *node, double value) {
  return node->op == OP_const && node->attr.value == value;
}

/* All values equal: ascending ranks hold positions in descending order. */
static Node *order_of_equals(Graph *graph, AxisId to) {
  uint32_t n = graph->axes[to].extent;
  double *positions = NEW_ARRAY(graph->arena, double, n);
  for (uint32_t rank = 0; rank < n; rank++) positions[rank] = n - 1 - rank;
  return node_table(graph, to, positions);
}

/* Arguments may have lost axes (0 * x folds to 0): reductions then go through the forgiving
 * builders. */
Node *node_with(Graph *graph, const Node *node, Node *x, Node *y, Node *z) {
  if (x == node->src[0] && y == node->src[1] && z == node->src[2]) return (Node *)node;
  const Attr *a = &node->attr;
  switch ((OpCode)node->op) {
  case OP_sum:
    return node_sum(graph, x, a->axes);
  case OP_gather:
    return node_gather(graph, x, y, a->axis);
  case OP_scatter: /* bound axes that the positions have lost: every element goes to the same place
                    */
    x = node_sum(graph, x, axes_minus(a->axes, y->axes));
    return node_scatter(graph, x, y, a->axis, axes_common(a->axes, y->axes));
  case OP_orthonormal:
    return axes_has(x->axes, a->axis) && axes_has(x->axes, a->to)
               ? node_orthonormal(graph, x, a->axis, a->to)
               : x;
  case OP_argmin:
  case OP_argmax:
    if (!axes_has(x->axes, a->axis)) return node_const(graph, 0);
    return pick(graph, (OpCode)node->op, x, a->axis);
  case OP_order:
    if (!axes_has(x->axes, a->axis)) return order_of_equals(graph, a->to);
    return node_order(graph, x, a->axis, a->to);
  case OP_bf16:
  case OP_tf32:
    return axes_has(x->axes, a->axis) ? node_round(graph, format_of(node->op), x, a->axis) : x;
  case OP_rename:
    if (!axes_has(x->axes, a->axis)) return x;
    return node_rename(graph, x, a->axis, a->to);
  default:
    return node_make(graph, (OpCode)node->op, *a, x, y, z);
  }
}
