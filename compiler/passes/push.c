/* Scatters to picked places towards the sums over their axis, and gathers at such places towards
 * what is there anyhow.
 *
 * A scatter moves one node nearer to the outputs with every step, through what is linear in it and
 * 0 where it is 0; inner scatters move out of outer ones. Where nothing fits it stays, which is
 * always right. A product whose sum turns out to be one by segments is given back as it was: of
 * that a contraction can be made, of a sum by segments none. */
#include "compiler/passes/skip.h"

#include <string.h>

/* ---- what is pushed ---- */

static bool is_taken(const Skip *skip, const Node *picker) {
  return picker->op != OP_order && picker->id < skip->size && skip->taken[picker->id];
}

static bool has_fewer_ranks(const Graph *graph, const Node *order, AxisId axis) {
  return order->op == OP_order && graph->axes[order->attr.to].extent < graph->axes[axis].extent;
}

/* A scatter whose places differ along what it binds and are fewer than the axis has: of some ranks,
 * or of a choice. */
static bool is_picked(const Skip *skip, const Node *node) {
  const Node *picker = node->op == OP_scatter ? node_picker(node->src[1]) : NULL;
  if (!picker) return false;
  if (axes_empty(node->attr.axes)) return is_taken(skip, picker);
  return has_fewer_ranks(skip->module->graph, picker, node->attr.axis) &&
         axes_equal(node->attr.axes, axes_one(picker->attr.to));
}

/* Whether a gather picks some places only. */
static bool picks_some(const Skip *skip, const Node *node) {
  const Node *picker = node->op == OP_gather ? node_picker(node->src[1]) : NULL;
  return picker &&
         (is_taken(skip, picker) || has_fewer_ranks(skip->module->graph, picker, node->attr.axis));
}

/* ---- scatters towards the sums over their axis ---- */

/* A product that became a scatter. */
typedef struct Pushed {
  const Node *scatter;
  Node *product;
} Pushed;

typedef struct Push {
  const Skip *skip;
  Graph *graph;
  Pushed *pushed;
  size_t count, capacity;
} Push;

static Node *push_node(Graph *graph, Node *node, void *user);

/* What is made on the way may be pushed in turn. */
static Node *again(Push *push, Node *node) { return push_node(push->graph, node, push); }

static Node *put_at(Push *push, const Node *scatter, Node *value, Node *index) {
  return again(push,
               node_scatter(push->graph, value, index, scatter->attr.axis, scatter->attr.axes));
}

static Node *put(Push *push, const Node *scatter, Node *value) {
  return put_at(push, scatter, value, scatter->src[1]);
}

static bool same_places(const Node *scatter, const Node *node) {
  return node->op == OP_scatter && node->src[1] == scatter->src[1] &&
         node->attr.axis == scatter->attr.axis && axes_equal(node->attr.axes, scatter->attr.axes);
}

/* The value at the places of a scatter: what was put there, where it is the same scatter's. */
static Node *at_places(Push *push, const Node *scatter, Node *value) {
  if (same_places(scatter, value)) return value->src[0];
  return again(push, node_gather(push->graph, value, scatter->src[1], scatter->attr.axis));
}

static bool meets_ranks(const Node *scatter, const Node *other) {
  return !axes_empty(axes_common(other->axes, scatter->attr.axes));
}

/* Linear in argument i, which is a scatter; the other argument is read at its places. */
static Node *push_factor(Push *push, Node *node, int i) {
  Node *scatter = node->src[i], *other = node->src[1 - i], *args[2];
  if (!is_picked(push->skip, scatter) || meets_ranks(scatter, other)) return node;
  args[i] = scatter->src[0];
  args[1 - i] = at_places(push, scatter, other);
  Node *value = again(push, node2(push->graph, (OpCode)node->op, args[0], args[1]));
  Node *result = put(push, scatter, value);
  if (node->op == OP_mul)
    PUSH(push->skip->scratch, push->pushed, push->count, push->capacity, ((Pushed){result, node}));
  return result;
}

/* A product: everything but the places is zero. */
static Node *push_product(Push *push, Node *node) {
  Node *result = push_factor(push, node, 0);
  return result == node ? push_factor(push, node, 1) : result;
}

static Node *push_where(Push *push, Node *node) {
  for (int i = 1; i < 3; i++) {
    Node *scatter = node->src[i];
    if (!is_picked(push->skip, scatter) || !node_is_const(node->src[3 - i], 0)) continue;
    if (meets_ranks(scatter, node->src[0])) continue;
    Node *when = at_places(push, scatter, node->src[0]), *zero = node_const(push->graph, 0);
    Node *value = scatter->src[0];
    value = node3(push->graph, OP_where, when, i == 1 ? value : zero, i == 1 ? zero : value);
    return put(push, scatter, again(push, value));
  }
  return node;
}

static Node *push_negated(Push *push, Node *node) {
  Node *x = node->src[0];
  if (!is_picked(push->skip, x)) return node;
  return put(push, x, again(push, node1(push->graph, OP_neg, x->src[0])));
}

/* Two values at the same places. */
static Node *push_sum_of_two(Push *push, Node *node) {
  Node *x = node->src[0], *y = node->src[1];
  if (!is_picked(push->skip, x) || !same_places(x, y)) return node;
  return put(push, x, again(push, node2(push->graph, (OpCode)node->op, x->src[0], y->src[0])));
}

/* The product that a scatter was made of, with its factors as they are now. */
static Node *unpushed(const Push *push, Node *node) {
  size_t i = push->count;
  while (i > 0 && push->pushed[i - 1].scatter != node) i--;
  if (!i) return node;
  const Node *product = push->pushed[i - 1].product;
  Node *src[2];
  for (int k = 0; k < 2; k++) {
    bool whole = axes_equal(product->src[k]->axes, product->axes);
    src[k] = whole ? unpushed(push, product->src[k]) : product->src[k];
  }
  return node2(push->graph, OP_mul, src[0], src[1]);
}

/* A sum over the axis needs no places. One over others is done before; where the places depend on
 * them it would be a sum by segments. */
static Node *push_sum(Push *push, Node *node) {
  Node *x = node->src[0];
  if (!is_picked(push->skip, x)) return node;
  Axes axes = node->attr.axes, along = axes_one(x->attr.axis);
  if (axes_has(axes, x->attr.axis)) {
    Node *sum = again(push, node_sum(push->graph, x->src[0], x->attr.axes));
    return again(push, node_sum(push->graph, sum, axes_minus(axes, along)));
  }
  if (!axes_empty(axes_common(axes, x->src[1]->axes)))
    return node_sum(push->graph, unpushed(push, x), axes);
  return put(push, x, again(push, node_sum(push->graph, x->src[0], axes)));
}

/* A scatter of single places around a picked one: the inner goes outside when the outer places
 * depend on its axis; of two that are independent the one whose axis is older. */
static Node *push_scatter(Push *push, Node *node) {
  Node *inner = node->src[0], *index = node->src[1];
  if (!is_picked(push->skip, inner) || !axes_empty(node->attr.axes)) return node;
  bool depends = axes_has(index->axes, inner->attr.axis);
  bool fits = (depends || inner->attr.axis < node->attr.axis) &&
              !axes_has(inner->src[1]->axes, node->attr.axis) &&
              axes_empty(axes_common(inner->attr.axes, index->axes));
  if (!fits) return node;
  return put(push, inner, put_at(push, node, inner->src[0], at_places(push, inner, index)));
}

/* What only moves elements along another axis moves the values and their places. */
static Node *push_moved(Push *push, Node *node) {
  Node *x = node->src[0];
  AxisId axis = node->attr.axis;
  if (!is_picked(push->skip, x) || axis == x->attr.axis || axes_has(x->attr.axes, axis))
    return node;
  Axes added = node->op == OP_rename ? axes_one(node->attr.to) : node->src[1]->axes;
  if (!axes_empty(axes_common(added, axes_union(x->attr.axes, axes_one(x->attr.axis)))))
    return node;
  Node *value = node_with(push->graph, node, x->src[0], node->src[1], NULL);
  Node *index = x->src[1];
  if (axes_has(index->axes, axis)) index = node_with(push->graph, node, index, node->src[1], NULL);
  return put_at(push, x, again(push, value), index);
}

static Node *push_node(Graph *graph, Node *node, void *user) {
  (void)graph;
  switch ((OpCode)node->op) {
  case OP_mul:
  case OP_guard:
    return push_product(user, node);
  case OP_div:
    return push_factor(user, node, 0);
  case OP_where:
    return push_where(user, node);
  case OP_neg:
    return push_negated(user, node);
  case OP_add:
  case OP_sub:
    return push_sum_of_two(user, node);
  case OP_sum:
    return push_sum(user, node);
  case OP_scatter:
    return push_scatter(user, node);
  case OP_gather:
  case OP_rename:
    return push_moved(user, node);
  default:
    return node;
  }
}

/* ---- gathers towards what is there anyhow ---- */

typedef struct Sink {
  const Skip *skip;
  bool *whole; /* by id: needed at all places */
  size_t size;
  Node **by;         /* by id: the value at the places of one gather, once made */
  const Node *index; /* of that gather */
  AxisId axis;
} Sink;

/* Everything that is needed at all places. Arguments are older than what reads them, so one way
 * down the list reaches all. */
static void mark_whole(Sink *sink) {
  const Module *module = sink->skip->module;
  const Graph *graph = module->graph;
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++)
      sink->whole[module->programs[p].outputs[i].node->id] = true;
  for (size_t id = sink->size; id-- > 0;) {
    const Node *node = graph->nodes[id];
    int first = picks_some(sink->skip, node) ? 1 : 0; /* of the values, some places */
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

/* What was made in this round is left for the next. */
static Node *sunk(Graph *graph, Sink *sink, Node *value, Node *index, AxisId axis) {
  if (!axes_has(value->axes, axis)) return value;
  if (value->id >= sink->size) return node_gather(graph, value, index, axis);
  if (!sink->by[value->id]) sink->by[value->id] = sunk_new(graph, sink, value, index, axis);
  return sink->by[value->id];
}

static Node *sink_node(Graph *graph, Node *node, void *user) {
  Sink *sink = user;
  if (!picks_some(sink->skip, node)) return node;
  if (sink->index != node->src[1] || sink->axis != node->attr.axis) {
    memset(sink->by, 0, sink->size * sizeof *sink->by);
    sink->index = node->src[1];
    sink->axis = node->attr.axis;
  }
  return sunk(graph, sink, node->src[0], node->src[1], node->attr.axis);
}

static bool sink_round(const Skip *skip) {
  Sink sink = {.skip = skip, .size = skip->module->graph->node_count};
  sink.whole = NEW_ARRAY(skip->scratch, bool, sink.size);
  sink.by = NEW_ARRAY(skip->scratch, Node *, sink.size);
  mark_whole(&sink);
  return module_rewrite(skip->module, skip->scratch, sink_node, &sink);
}

void skip_push(const Skip *skip) {
  Push push = {.skip = skip, .graph = skip->module->graph};
  module_rewrite(skip->module, skip->scratch, push_node, &push);
  for (int round = 0; sink_round(skip); round++)
    if (round == 20) bug("gathers do not settle");
}
