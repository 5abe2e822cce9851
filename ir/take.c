/* Values at positions: gathers and scatters, and what becomes of them where positions are constant.
 *
 * A scatter to constant positions is taken back from them: for every place the sources are known,
 * so nothing is compared and nothing summed. */
#include "ir/ir.h"

#include <math.h>
#include <string.h>

enum { MAX_SOURCES = 4 }; /* more sources of one place than this stay a sum */

static bool is_constant(const Node *n) { return n->op == OP_const || n->op == OP_table; }

static uint32_t position_at(const Graph *graph, const Node *index, uint32_t i, AxisId axis) {
  double value =
      index->op == OP_const ? index->attr.value : graph->tables[index->attr.key].values[i];
  if (!(value >= 0 && value < graph->axes[axis].extent && value == floor(value)))
    bug("position %g on axis %s of extent %u", value, graph->axes[axis].label,
        graph->axes[axis].extent);
  return (uint32_t)value;
}

/* ---- gather ---- */

/* Another axis like this one, which none of `taken` is. */
static AxisId axis_aside(Graph *graph, AxisId axis, Axes taken) {
  Axis like = graph->axes[axis];
  AxisId aside = axis;
  while (axes_has(taken, aside)) {
    like.scope = arena_printf(graph->arena, "%s'", like.scope);
    aside = graph_axis(graph, like.label, like.scope, like.extent, like.order, like.span);
  }
  return aside;
}

/* A constant vector at constant positions. */
static Node *gather_constants(Graph *graph, const Node *value, const Node *index, AxisId axis) {
  const double *from = graph->tables[value->attr.key].values;
  if (index->op == OP_const) return node_const(graph, from[position_at(graph, index, 0, axis)]);
  uint32_t extent = graph->axes[index->attr.axis].extent;
  double *values = NEW_ARRAY(graph->arena, double, extent);
  for (uint32_t i = 0; i < extent; i++) values[i] = from[position_at(graph, index, i, axis)];
  return node_table(graph, index->attr.axis, values);
}

Node *node_gather(Graph *graph, Node *value, Node *index, AxisId axis) {
  if (!axes_has(value->axes, axis)) return value;
  if (value->op == OP_table && is_constant(index))
    return gather_constants(graph, value, index, axis);
  if (axes_has(index->axes, axis)) {
    AxisId aside = axis_aside(graph, axis, axes_union(value->axes, index->axes));
    value = node_rename(graph, value, axis, aside);
    axis = aside;
  }
  return node_make(graph, OP_gather, (Attr){.axis = axis}, value, index, NULL);
}

Node *node_take(Graph *graph, Node *x, AxisId from, AxisId to, const double *positions) {
  uint32_t extent = graph->axes[to].extent;
  bool all = extent == graph->axes[from].extent;
  for (uint32_t i = 0; i < extent; i++) {
    Node at = {.op = OP_const, .attr = {.value = positions[i]}};
    all = position_at(graph, &at, i, from) == i && all;
  }
  if (!axes_has(x->axes, from) || (all && from == to)) return x;
  if (all && !axes_has(x->axes, to)) return node_rename(graph, x, from, to);
  return node_gather(graph, x, node_table(graph, to, positions), from);
}

Node *node_shift(Graph *graph, Node *x, AxisId axis, int step) {
  int64_t extent = graph->axes[axis].extent;
  double *positions = NEW_ARRAY(graph->arena, double, extent);
  for (int64_t i = 0; i < extent; i++) {
    int64_t at = i + step;
    positions[i] = (double)(at < 0 ? 0 : at >= extent ? extent - 1 : at);
  }
  return node_take(graph, x, axis, axis, positions);
}

/* ---- scatter ---- */

/* One number per place of `axis` says how many go there. */
static Node *scatter_constant(Graph *graph, Node *value, AxisId axis, const double *times) {
  Node *table = node_table(graph, axis, times);
  return node3(graph, OP_where, table, node2(graph, OP_mul, value, table), node_const(graph, 0));
}

/* The k-th source of every place, 0 where there is none. */
static Node *scatter_source(Graph *graph, Node *value, const Node *index, AxisId axis, uint32_t k) {
  uint32_t extent = graph->axes[axis].extent, count = graph->axes[index->attr.axis].extent;
  double *from = NEW_ARRAY(graph->arena, double, extent);
  double *seen = NEW_ARRAY(graph->arena, double, extent);
  double *has = NEW_ARRAY(graph->arena, double, extent);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t place = position_at(graph, index, i, axis);
    if (seen[place]++ != k) continue;
    from[place] = i;
    has[place] = 1;
  }
  Node *taken = node_take(graph, value, index->attr.axis, axis, from);
  return node3(graph, OP_where, node_table(graph, axis, has), taken, node_const(graph, 0));
}

/* A scatter to constant positions without a scatter, or NULL. */
static Node *scatter_back(Graph *graph, Node *value, const Node *index, AxisId axis, Axes bound) {
  uint32_t count = index->op == OP_table ? graph->axes[index->attr.axis].extent : 1, most = 0;
  double *times = NEW_ARRAY(graph->arena, double, graph->axes[axis].extent);
  if (!axes_equal(bound, index->axes)) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    double *at = &times[position_at(graph, index, i, axis)];
    if (++*at > most) most = (uint32_t)*at;
  }
  if (index->op == OP_const || !axes_has(value->axes, index->attr.axis))
    return scatter_constant(graph, value, axis, times);
  if (most > MAX_SOURCES) return NULL;
  Node *sum = scatter_source(graph, value, index, axis, 0);
  for (uint32_t k = 1; k < most; k++)
    sum = node2(graph, OP_add, sum, scatter_source(graph, value, index, axis, k));
  return sum;
}

Node *node_scatter(Graph *graph, Node *value, Node *index, AxisId axis, Axes bound) {
  Node *back = is_constant(index) ? scatter_back(graph, value, index, axis, bound) : NULL;
  if (back) return back;
  return node_make(graph, OP_scatter, (Attr){.axis = axis, .axes = bound}, value, index, NULL);
}
