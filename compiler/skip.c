/* Work that zeros make needless: ranks of a sort whose weight is zero are never gone back through.
 *
 * The gradient of a weighted sum over sorted values is a scatter: values of n ranks put at their
 * places along the sorted axis. Three rewrites make use of it, on the finished gradient:
 *   1. ranks below the first weight that is not zero are left out (`shorten`);
 *   2. what is computed from such a scatter is computed from its values before they are put at
 *      their places (`push`), until a sum over the axis takes the scatter away;
 *   3. what is gathered at these places is computed there alone, unless all of it is needed
 *      anyhow (`sink`).
 * Only scatters along fewer ranks than the axis has places are pushed: the others would only
 * permute. Values change by rounding: sums have fewer terms. They must be finite, for zeros are no
 * longer multiplied. */
#include "compiler/compiler.h"

#include <string.h>

/* ---- what ranks are ---- */

/* The order that positions come from, and the axis of its ranks. */
static const Node *order_of(const Node *index) {
  while (index->op == OP_gather) index = index->src[0];
  return index->op == OP_order ? index : NULL;
}

/* A scatter of some ranks, which differ in place, to their places. */
static bool is_short(const Graph *graph, const Node *node) {
  if (node->op != OP_scatter) return false;
  const Node *order = order_of(node->src[1]);
  return order && axes_equal(node->attr.axes, axes_one(order->attr.to)) &&
         graph->axes[order->attr.to].extent < graph->axes[node->attr.axis].extent;
}

/* ---- 1: fewer ranks ---- */

typedef struct Shorten {
  Graph *graph;
  AxisId from, to; /* all ranks; those that are left */
  uint32_t skipped;
  uint32_t *zeros; /* by id: leading zeros + 1, once known */
  Node **by;       /* by id: the same value for the last ranks, once made */
  bool failed;
} Shorten;

static uint32_t smaller(uint32_t x, uint32_t y) { return x < y ? x : y; }

static uint32_t zeros(Shorten *s, const Node *node);

static uint32_t zeros_new(Shorten *s, const Node *node) {
  const Graph *graph = s->graph;
  AxisId axis = s->from;
  uint32_t all = graph->axes[axis].extent, n = 0, x, y;
  switch ((OpCode)node->op) {
  case OP_const:
    return node->attr.value == 0 ? all : 0;
  case OP_table:
    if (node->attr.axis != axis) return 0;
    while (n < all && graph->tables[node->attr.key].values[n] == 0) n++;
    return n;
  case OP_neg:
    return zeros(s, node->src[0]);
  case OP_mul:
  case OP_guard:
    x = zeros(s, node->src[0]), y = zeros(s, node->src[1]);
    return x > y ? x : y;
  case OP_add:
  case OP_sub:
    return smaller(zeros(s, node->src[0]), zeros(s, node->src[1]));
  case OP_where:
    return smaller(zeros(s, node->src[1]), zeros(s, node->src[2]));
  case OP_sum:
    return axes_has(node->attr.axes, axis) ? 0 : zeros(s, node->src[0]);
  default:
    return 0;
  }
}

/* How many of the first elements along the ranks are zero whatever the data. */
static uint32_t zeros(Shorten *s, const Node *node) {
  if (!s->zeros[node->id]) s->zeros[node->id] = zeros_new(s, node) + 1;
  return s->zeros[node->id] - 1;
}

static Node *shortened(Shorten *s, Node *node);

static Node *shortened_leaf(Shorten *s, Node *node) {
  Graph *graph = s->graph;
  if (node->op == OP_order && node->attr.to == s->from)
    return node_order(graph, node->src[0], node->attr.axis, s->to);
  if (node->op == OP_table)
    return node_table(graph, s->to, graph->tables[node->attr.key].values + s->skipped);
  s->failed = true;
  return node;
}

/* The same value for the last ranks. Only what has the ranks changes; what would bind or make them
 * in between is left alone. */
static Node *shortened_new(Shorten *s, Node *node) {
  const OpInfo *info = op_of(node);
  bool leaf = info->arity == 0 || (node->op == OP_order && node->attr.to == s->from);
  if (leaf) return shortened_leaf(s, node);
  bool plain = !info->shaped || node->op == OP_sum || node->op == OP_gather ||
               (node->op == OP_scatter && node->attr.axis != s->from);
  if (!plain || (node->op == OP_gather && node->attr.axis == s->from)) {
    s->failed = true;
    return node;
  }
  Node *src[3] = {NULL, NULL, NULL};
  for (int i = 0; i < 3 && node->src[i]; i++) src[i] = shortened(s, node->src[i]);
  return node_with(s->graph, node, src[0], src[1], src[2]);
}

static Node *shortened(Shorten *s, Node *node) {
  if (!axes_has(node->axes, s->from) || s->failed) return node;
  if (!s->by[node->id]) s->by[node->id] = shortened_new(s, node);
  return s->by[node->id];
}

/* Another axis for the last ranks, the same one whenever so many are left. */
static AxisId last_ranks(Graph *graph, AxisId axis, uint32_t left) {
  Axis ranks = graph->axes[axis];
  const char *scope = arena_printf(graph->arena, "last %u of %s", left, ranks.scope);
  return graph_axis(graph, ranks.label, scope, left, ranks.order, ranks.span);
}

/* A sum or scatter over all ranks as one over the last. */
static Node *shorten_over(Graph *graph, Arena *scratch, Node *node, AxisId axis) {
  uint32_t all = graph->axes[axis].extent;
  Shorten s = {.graph = graph, .from = axis};
  s.zeros = NEW_ARRAY(scratch, uint32_t, graph->node_count);
  s.skipped = zeros(&s, node->src[0]);
  if (s.skipped == 0 || s.skipped >= all) return node;
  s.to = last_ranks(graph, axis, all - s.skipped);
  s.by = NEW_ARRAY(scratch, Node *, graph->node_count);
  Node *value = shortened(&s, node->src[0]);
  Node *index = node->src[1] ? shortened(&s, node->src[1]) : NULL;
  if (s.failed) return node;
  Attr attr = node->attr;
  attr.axes = axes_union(axes_minus(attr.axes, axes_one(axis)), axes_one(s.to));
  if (node->op == OP_sum) return node_sum(graph, value, attr.axes);
  return node_scatter(graph, value, index, attr.axis, attr.axes);
}

static Node *shorten_node(Graph *graph, Node *node, void *user) {
  if (node->op != OP_sum && node->op != OP_scatter) return node;
  unsigned cursor = 0;
  for (AxisId axis; axes_next(node->attr.axes, &cursor, &axis);)
    if (strcmp(graph->axes[axis].scope, "rank") == 0) {
      Node *result = shorten_over(graph, user, node, axis);
      if (result != node) return result;
    }
  return node;
}

/* ---- 2: scatters towards the sums over their axis ---- */

static Node *put(Graph *graph, const Node *scatter, Node *value) {
  return node_scatter(graph, value, scatter->src[1], scatter->attr.axis, scatter->attr.axes);
}

/* The value at the places of a scatter: what was put there, where it is the same scatter's. */
static Node *at_places(Graph *graph, const Node *scatter, Node *value) {
  bool same = value->op == OP_scatter && value->src[1] == scatter->src[1] &&
              value->attr.axis == scatter->attr.axis &&
              axes_equal(value->attr.axes, scatter->attr.axes);
  if (same) return value->src[0];
  return node_gather(graph, value, scatter->src[1], scatter->attr.axis);
}

static bool meets_ranks(const Node *scatter, const Node *other) {
  return !axes_empty(axes_common(other->axes, scatter->attr.axes));
}

/* A product: everything but the places is zero. */
static Node *push_product(Graph *graph, Node *node) {
  for (int i = 0; i < 2; i++) {
    Node *scatter = node->src[i], *other = node->src[1 - i];
    if (!is_short(graph, scatter) || meets_ranks(scatter, other)) continue;
    Node *args[2];
    args[i] = scatter->src[0];
    args[1 - i] = at_places(graph, scatter, other);
    return put(graph, scatter, node2(graph, (OpCode)node->op, args[0], args[1]));
  }
  return node;
}

static Node *push_where(Graph *graph, Node *node) {
  for (int i = 1; i < 3; i++) {
    Node *scatter = node->src[i];
    if (!is_short(graph, scatter) || !node_is_const(node->src[3 - i], 0)) continue;
    if (meets_ranks(scatter, node->src[0])) continue;
    Node *when = at_places(graph, scatter, node->src[0]), *zero = node_const(graph, 0);
    Node *value = scatter->src[0];
    return put(graph, scatter,
               node3(graph, OP_where, when, i == 1 ? value : zero, i == 1 ? zero : value));
  }
  return node;
}

/* Two values at the same places. */
static Node *push_sum_of_two(Graph *graph, Node *node) {
  Node *x = node->src[0], *y = node->src[1];
  bool same = is_short(graph, x) && y->op == OP_scatter && x->src[1] == y->src[1] &&
              x->attr.axis == y->attr.axis && axes_equal(x->attr.axes, y->attr.axes);
  return same ? put(graph, x, node2(graph, (OpCode)node->op, x->src[0], y->src[0])) : node;
}

/* A sum over the axis needs no places. One over others is done before, and where the places depend
 * on them, by the scatter. */
static Node *push_sum(Graph *graph, Node *node) {
  Node *x = node->src[0];
  if (!is_short(graph, x)) return node;
  Axes axes = node->attr.axes, along = axes_one(x->attr.axis);
  if (axes_has(axes, x->attr.axis))
    return node_sum(graph, node_sum(graph, x->src[0], x->attr.axes), axes_minus(axes, along));
  Axes by_index = axes_common(axes, x->src[1]->axes);
  if (!axes_empty(by_index)) return node; /* a sum by segments: no contraction has that yet */
  return put(graph, x, node_sum(graph, x->src[0], axes));
}

/* A scatter of single places around one of ranks: the ranks go outside. */
static Node *push_scatter(Graph *graph, Node *node) {
  Node *inner = node->src[0], *index = node->src[1];
  if (!is_short(graph, inner) || !axes_empty(node->attr.axes)) return node;
  bool fits = axes_has(index->axes, inner->attr.axis) &&
              !axes_has(inner->src[1]->axes, node->attr.axis) &&
              axes_empty(axes_common(inner->attr.axes, index->axes));
  if (!fits) return node;
  Node *places = at_places(graph, inner, index);
  return put(graph, inner,
             node_scatter(graph, inner->src[0], places, node->attr.axis, node->attr.axes));
}

static Node *push_node(Graph *graph, Node *node, void *user) {
  (void)user;
  switch ((OpCode)node->op) {
  case OP_mul:
  case OP_guard:
    return push_product(graph, node);
  case OP_where:
    return push_where(graph, node);
  case OP_neg:
    if (!is_short(graph, node->src[0])) return node;
    return put(graph, node->src[0], node1(graph, OP_neg, node->src[0]->src[0]));
  case OP_add:
  case OP_sub:
    return push_sum_of_two(graph, node);
  case OP_sum:
    return push_sum(graph, node);
  case OP_scatter:
    return push_scatter(graph, node);
  default:
    return node;
  }
}

/* ---- 3: gathers towards what is there anyhow ---- */

typedef struct Sink {
  bool *whole; /* by id: needed at all places */
  size_t size;
  Node **by;         /* by id: the value at the places of one gather, once made */
  const Node *index; /* of that gather */
  AxisId axis;
} Sink;

/* Whether a gather picks ranks that were not all kept. */
static bool picks_ranks(const Graph *graph, const Node *node) {
  const Node *order = node->op == OP_gather ? order_of(node->src[1]) : NULL;
  return order && graph->axes[order->attr.to].extent < graph->axes[node->attr.axis].extent;
}

/* Everything that is needed at all places. Arguments are older than what reads them, so one way
 * down the list reaches all. */
static void mark_whole(const Module *module, Sink *sink) {
  const Graph *graph = module->graph;
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++)
      sink->whole[module->programs[p].outputs[i].node->id] = true;
  for (size_t id = sink->size; id-- > 0;) {
    const Node *node = graph->nodes[id];
    int first = picks_ranks(graph, node) ? 1 : 0; /* of the values, some places */
    for (int i = first; sink->whole[id] && i < 3 && node->src[i]; i++)
      sink->whole[node->src[i]->id] = true;
  }
}

static Node *sunk(Graph *graph, Sink *sink, Node *value, Node *index, AxisId axis);

static Node *sunk_new(Graph *graph, Sink *sink, Node *value, Node *index, AxisId axis) {
  if (sink->whole[value->id] || op_of(value)->shaped) return node_gather(graph, value, index, axis);
  Node *src[3] = {NULL, NULL, NULL};
  for (int i = 0; i < 3 && value->src[i]; i++)
    src[i] = sunk(graph, sink, value->src[i], index, axis);
  return node_with(graph, value, src[0], src[1], src[2]);
}

/* What was made in this pass is taken as needed whole: it is made of gathers already. */
static Node *sunk(Graph *graph, Sink *sink, Node *value, Node *index, AxisId axis) {
  if (!axes_has(value->axes, axis)) return value;
  if (value->id >= sink->size) return node_gather(graph, value, index, axis);
  if (!sink->by[value->id]) sink->by[value->id] = sunk_new(graph, sink, value, index, axis);
  return sink->by[value->id];
}

static Node *sink_node(Graph *graph, Node *node, void *user) {
  Sink *sink = user;
  if (!picks_ranks(graph, node)) return node;
  if (sink->index != node->src[1] || sink->axis != node->attr.axis) {
    memset(sink->by, 0, sink->size * sizeof *sink->by);
    sink->index = node->src[1];
    sink->axis = node->attr.axis;
  }
  return sunk(graph, sink, node->src[0], node->src[1], node->attr.axis);
}

void pass_skip(Module *module, Arena *scratch) {
  Graph *graph = module->graph;
  size_t before = graph->node_count;
  module_rewrite(module, scratch, shorten_node, scratch);
  module_rewrite(module, scratch, push_node, NULL);
  Sink sink = {.size = graph->node_count};
  sink.whole = NEW_ARRAY(scratch, bool, sink.size);
  sink.by = NEW_ARRAY(scratch, Node *, sink.size);
  mark_whole(module, &sink);
  module_rewrite(module, scratch, sink_node, &sink);
  skip_notes(module, scratch, before);
}
