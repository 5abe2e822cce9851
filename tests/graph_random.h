/* Random graphs over every operation, from a seed: valid by construction, with finite values. */
#ifndef RLC_TESTS_GRAPH_RANDOM_H
#define RLC_TESTS_GRAPH_RANDOM_H

#include "tests/graph_fixture.h"

enum { RANDOM_AXES = 8, RANDOM_NODES = 200, RANDOM_EXTENT = 250 /* no axis is longer */ };

/* Axes 0 to 3 and the last come with the inputs; ranks and the new name come from operations. */
typedef struct RandomGraph {
  Module *module;
  Graph *graph;
  uint64_t state;
  AxisId axes[RANDOM_AXES]; /* copy, batch, try, feature; top, ranks; feature renamed; time */
  Node *nodes[RANDOM_NODES];
  uint32_t count;
  Node *inputs[8];
  uint32_t input_count;
  uint64_t most; /* elements of what is made from others */
} RandomGraph;

enum { AXIS_TOP = 4, AXIS_RANKS = 5, AXIS_RENAMED = 6, AXIS_TIME = 7 };

static inline Node *random_add(RandomGraph *g, Node *node) {
  if (g->count < RANDOM_NODES) g->nodes[g->count++] = node;
  return node;
}

static inline Node *random_node(RandomGraph *g) {
  return g->nodes[random_below(&g->state, g->count)];
}

/* A node that is no position, kept small. */
static inline Node *random_value(RandomGraph *g) {
  Node *node = random_node(g);
  for (int i = 0; i < 20 && (node->integer || axes_extent(g->graph, node->axes) > g->most); i++)
    node = random_node(g);
  return node->integer ? g->nodes[0] : node;
}

/* Whole numbers are inputs 5 and 6: below 3, so positions on every axis but two. */
static inline void random_add_input(RandomGraph *g, const char *name, RlcType type, Axes axes) {
  Node *input = node_input(g->graph, fixture_slot(g->graph, name, type, axes));
  g->inputs[g->input_count++] = random_add(g, input);
}

/* Axes of these extents, shared with other graphs of the module, and inputs whose names begin with
 * `prefix`. Axes 1 to 3 have room for every whole number of an input; ranks are as many as tries,
 * renamed features as features. `real` is the type of inputs that are not whole. */
static inline void random_begin(RandomGraph *g, Module *module, uint64_t seed, const char *prefix,
                                RlcType real, const uint32_t extents[RANDOM_AXES]) {
  static const struct {
    const char *label, *scope;
    AxisClass order;
  } kinds[RANDOM_AXES] = {{"twin", "test", AXIS_COPY},    {"batch", "test", AXIS_ROW},
                          {"try", "test", AXIS_DRAW},     {"f", "test", AXIS_FEATURE},
                          {"top", "test", AXIS_DRAW},     {"try", "rank", AXIS_DRAW},
                          {"f", "renamed", AXIS_FEATURE}, {"time", "test", AXIS_ROW}};
  *g = (RandomGraph){.module = module, .graph = module->graph, .state = seed, .most = 3000};
  for (int i = 0; i < RANDOM_AXES; i++)
    g->axes[i] =
        graph_axis(g->graph, kinds[i].label, kinds[i].scope, extents[i], kinds[i].order, NOWHERE);
  for (uint32_t i = 0; i < 7; i++) {
    Axes axes = random_below(&g->state, 3) ? axes_none() : axes_one(g->axes[AXIS_TIME]);
    for (int a = 0; a < 4; a++)
      if (random_below(&g->state, 2)) axes = axes_union(axes, axes_one(g->axes[a]));
    const char *name = arena_printf(g->graph->arena, "%s%u", prefix, i);
    random_add_input(g, name, i < 5 ? real : RLC_I32, axes);
  }
}

static inline void random_start(RandomGraph *g, Arena *arena, uint64_t seed) {
  static const uint32_t extents[RANDOM_AXES] = {2, 3, 4, 5, 2, 4, 5, 6};
  random_begin(g, fixture_module(arena), seed, "input \"", RLC_F64, extents);
}

static inline Node *random_elementwise(RandomGraph *g) {
  static const OpCode ones[] = {OP_neg, OP_abs,   OP_tanh, OP_sin,  OP_cos,
                                OP_erf, OP_floor, OP_sign, OP_stop, OP_mark};
  static const OpCode twos[] = {OP_add, OP_sub, OP_mul, OP_min,  OP_max,
                                OP_lt,  OP_le,  OP_eq,  OP_guard};
  uint32_t kind = random_below(&g->state, 8);
  Node *x = random_value(g), *y = random_value(g), *z = random_value(g);
  if (kind == 0) return node3(g->graph, OP_where, node2(g->graph, OP_lt, x, y), y, z);
  if (kind == 1) return node1(g->graph, OP_exp, node1(g->graph, OP_tanh, x));
  if (kind == 2)
    return node2(g->graph, OP_mul, x, node_const(g->graph, random_between(&g->state, -2, 2)));
  if (kind < 5) {
    OpCode op = ones[random_below(&g->state, COUNTOF(ones))];
    return op == OP_mark ? node_mark(g->graph, x) : node1(g->graph, op, x);
  }
  return node2(g->graph, twos[random_below(&g->state, COUNTOF(twos))], node1(g->graph, OP_tanh, x),
               y);
}

static inline Node *random_table(RandomGraph *g) {
  AxisId axis = g->axes[random_below(&g->state, 4)];
  double values[RANDOM_EXTENT];
  for (uint32_t i = 0; i < 8 || i < g->graph->axes[axis].extent; i++)
    values[i] = random_between(&g->state, -1, 1);
  return node_table(g->graph, axis, values);
}

/* A gather or scatter by positions found along the try or feature axis. */
static inline Node *random_by_position(RandomGraph *g, Node *x) {
  AxisId axis = g->axes[2 + random_below(&g->state, 2)];
  if (!axes_has(x->axes, axis)) return x;
  Node *index =
      random_below(&g->state, 2) ? node_argmin(g->graph, x, axis) : node_argmax(g->graph, x, axis);
  if (axis == g->axes[2] && !axes_has(x->axes, g->axes[AXIS_RANKS]) &&
      !axes_has(x->axes, g->axes[AXIS_TOP]))
    index = node_order(g->graph, x, axis, g->axes[AXIS_TOP + random_below(&g->state, 2)]);
  random_add(g, index);
  Node *value = random_value(g);
  if (random_below(&g->state, 2)) return node_gather(g->graph, value, index, axis);
  if (axes_has(value->axes, axis)) value = node_sum(g->graph, value, axes_one(axis));
  Axes bound = random_below(&g->state, 2) ? index->axes : axes_none();
  return node_scatter(g->graph, value, index, axis, bound);
}

/* One of the whole inputs, a choice between whole numbers, or the positions of a take. */
static inline Node *random_positions(RandomGraph *g) {
  Node *whole = g->inputs[5 + random_below(&g->state, 2)], *other = g->inputs[5];
  uint32_t kind = random_below(&g->state, 4);
  if (kind == 0) return node2(g->graph, OP_min, whole, other);
  if (kind == 1) return node3(g->graph, OP_where, random_value(g), whole, node_const(g->graph, 1));
  return whole;
}

static inline Node *random_take(RandomGraph *g, Node *x) {
  AxisId from = g->axes[1 + random_below(&g->state, 3)];
  AxisId to = g->axes[1 + random_below(&g->state, RANDOM_AXES - 1)];
  double positions[RANDOM_EXTENT];
  if (from != to && axes_has(x->axes, to)) return x;
  for (uint32_t i = 0; i < g->graph->axes[to].extent; i++)
    positions[i] = random_below(&g->state, g->graph->axes[from].extent);
  if (random_below(&g->state, 2)) return node_take(g->graph, x, from, to, positions);
  Node *index = node_table(g->graph, to, positions);
  if (axes_has(x->axes, from) || from == to) return x;
  return node_scatter(g->graph, x, index, from, index->axes);
}

/* A scan of coefficients below one along the time or the batch. */
static inline Node *random_scan(RandomGraph *g, Node *x) {
  AxisId axis = g->axes[random_below(&g->state, 2) ? AXIS_TIME : random_below(&g->state, 4)];
  Node *a = node1(g->graph, OP_tanh, random_value(g));
  if (axes_extent(g->graph, axes_union(axes_union(a->axes, x->axes), axes_one(axis))) > g->most)
    return x;
  return node_scan(g->graph, a, x, axis, random_below(&g->state, 2));
}

static inline Node *random_shaped(RandomGraph *g) {
  Node *x = random_value(g);
  uint32_t kind = random_below(&g->state, 8);
  if (kind == 5) return random_take(g, x);
  if (kind == 6) return random_scan(g, x);
  if (kind == 7) {
    Node *index = random_positions(g);
    AxisId row = g->axes[1 + random_below(&g->state, 3)];
    if (axes_extent(g->graph, axes_union(x->axes, index->axes)) > g->most) return x;
    return node_gather(g->graph, x, index, row);
  }
  AxisId axis = g->axes[random_below(&g->state, RANDOM_AXES)];
  if (kind == 0) return random_table(g);
  if (kind == 1) {
    uint64_t stream = random_bits(&g->state);
    return node_uniform(g->graph, stream, axes_one(axis), (int)random_below(&g->state, 4));
  }
  if (kind == 2 && axes_has(x->axes, g->axes[3]) && !axes_has(x->axes, g->axes[AXIS_RENAMED]))
    return node_rename(g->graph, x, g->axes[3], g->axes[AXIS_RENAMED]);
  if (kind == 3) return random_by_position(g, x);
  if (axes_extent(g->graph, axes_union(x->axes, axes_one(axis))) > g->most) return x;
  return node_sum(g->graph, node2(g->graph, OP_mul, x, random_value(g)), axes_one(axis));
}

/* A module with one program of `outputs` results over about `size` nodes. */
static inline RandomGraph *random_graph(Arena *arena, uint64_t seed, uint32_t size,
                                        uint32_t outputs) {
  RandomGraph *g = NEW(arena, RandomGraph);
  random_start(g, arena, seed);
  while (g->count < size && g->count < RANDOM_NODES - 2)
    random_add(g, random_below(&g->state, 3) ? random_elementwise(g) : random_shaped(g));
  size_t program = fixture_program(g->module, "random");
  for (uint32_t i = 0; i < outputs; i++)
    fixture_result(g->module, program, g->nodes[g->count - 1 - i % g->count]);
  return g;
}

#endif
