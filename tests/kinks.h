/* Where the oracle itself chose by less than rounding: the smallest distance between values that an
 * update compares. There, code in single precision may choose otherwise. */
#ifndef RLC_TESTS_KINKS_H
#define RLC_TESTS_KINKS_H

#include "tests/spec_code.h"

/* The update's oracle with all values kept. */
static inline Interp *kept_interp(const Runner *oracle) {
  return interp_make(oracle->spec.arena, oracle->spec.module, spec_program(&oracle->spec, "update"),
                     true);
}

static inline void interp_copy(Interp *interp, const Runner *from) {
  for (uint32_t s = 0; s < from->rlc->slot_count; s++) {
    double *values = runner_get(from, s);
    interp_set(interp, s, values);
    free(values);
  }
}

/* Coordinates, by axis, of element `number` of a tensor over `axes`. */
static inline void coordinates_of(const Graph *graph, Axes axes, uint64_t number,
                                  uint32_t *coordinate) {
  AxisId order[MAX_AXES];
  for (int i = axes_order(graph, axes, order); i-- > 0;) {
    coordinate[order[i]] = (uint32_t)(number % graph->axes[order[i]].extent);
    number /= graph->axes[order[i]].extent;
  }
}

/* The element of `node` at these coordinates. */
static inline uint64_t place_of(const Graph *graph, const Node *node, const uint32_t *coordinate) {
  AxisId order[MAX_AXES];
  uint64_t place = 0;
  int rank = axes_order(graph, node->axes, order);
  for (int i = 0; i < rank; i++)
    place = place * graph->axes[order[i]].extent + coordinate[order[i]];
  return place;
}

/* The smallest distance between what a comparison or an elementwise choice compares. */
static inline double compared_margin(const Interp *interp, const Graph *graph, const Node *node) {
  const double *x = interp_value(interp, node->src[0]), *y = interp_value(interp, node->src[1]);
  double margin = INFINITY;
  if (!x || !y) return margin;
  for (uint64_t i = 0; i < axes_extent(graph, node->axes); i++) {
    uint32_t at[MAX_AXES];
    coordinates_of(graph, node->axes, i, at);
    double gap = x[place_of(graph, node->src[0], at)] - y[place_of(graph, node->src[1], at)];
    margin = fmin(margin, fabs(gap));
  }
  return margin;
}

/* The smallest distance between two values along the axis in which positions are sought. */
static inline double position_margin(const Interp *interp, const Graph *graph, const Node *node) {
  const Node *of = node->src[0];
  const double *values = interp_value(interp, of);
  double margin = INFINITY;
  for (uint64_t i = 0; values && i < axes_extent(graph, of->axes); i++) {
    uint32_t at[MAX_AXES];
    coordinates_of(graph, of->axes, i, at);
    for (uint32_t other = at[node->attr.axis]; other-- > 0;) {
      at[node->attr.axis] = other;
      margin = fmin(margin, fabs(values[i] - values[place_of(graph, of, at)]));
    }
  }
  return margin;
}

static inline double smallest_margin(const Interp *interp, const Runner *oracle) {
  const Graph *graph = oracle->spec.graph;
  Node **nodes;
  const Module *module = oracle->spec.module;
  size_t count = module_reach(module, &module->programs[spec_program(&oracle->spec, "update")],
                              oracle->spec.arena, &nodes);
  double margin = INFINITY;
  for (size_t i = 0; i < count; i++) {
    OpCode op = nodes[i]->op;
    if (op == OP_max || op == OP_min || op == OP_lt || op == OP_le)
      margin = fmin(margin, compared_margin(interp, graph, nodes[i]));
    if (op == OP_argmin || op == OP_argmax || op == OP_order)
      margin = fmin(margin, position_margin(interp, graph, nodes[i]));
  }
  return margin;
}

#endif
