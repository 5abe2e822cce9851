/* What the tests of the intermediate representation share: seeded numbers, small modules, slots
 * with values. */
#ifndef RLC_TESTS_GRAPH_FIXTURE_H
#define RLC_TESTS_GRAPH_FIXTURE_H

#include "compiler/oracle/interp.h"
#include "ir/ir.h"
#include "tests/suite.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define NOWHERE ((Span){0})

/* ---- seeded numbers ---- */

static inline uint64_t random_bits(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

static inline uint32_t random_below(uint64_t *state, uint32_t n) {
  return (uint32_t)(random_bits(state) >> 32) % n;
}

static inline double random_between(uint64_t *state, double low, double high) {
  return low + (high - low) * ((double)(random_bits(state) >> 11) * 0x1p-53);
}

/* ---- modules ---- */

static inline Module *fixture_module(Arena *arena) {
  Module *module = NEW(arena, Module);
  module->graph = graph_make(arena);
  return module;
}

static inline size_t fixture_program(Module *module, const char *name) {
  PUSH(module->graph->arena, module->programs, module->program_count, module->program_capacity,
       ((Program){.name = name}));
  return module->program_count - 1;
}

static inline void fixture_output(Module *module, size_t program, uint32_t slot, Node *node) {
  Program *p = &module->programs[program];
  PUSH(module->graph->arena, p->outputs, p->output_count, p->output_capacity,
       ((Output){slot, node}));
}

/* An output to a fresh result slot of the node's own axes, of type `real` unless it is integer. */
static inline uint32_t fixture_result_of(Module *module, size_t program, Node *node, RlcType real) {
  Graph *graph = module->graph;
  const char *name = arena_printf(graph->arena, "result%zu", graph->slot_count);
  RlcType type = node->integer ? RLC_I32 : real;
  uint32_t slot = graph_slot(graph, name, RLC_RESULT, type, node->axes, NOWHERE);
  fixture_output(module, program, slot, node);
  return slot;
}

static inline uint32_t fixture_result(Module *module, size_t program, Node *node) {
  return fixture_result_of(module, program, node, RLC_F64);
}

static inline AxisId fixture_axis(Graph *graph, const char *label, uint32_t extent,
                                  AxisClass order) {
  return graph_axis(graph, label, "test", extent, order, NOWHERE);
}

static inline Axes fixture_axes(int count, const AxisId *axes) {
  Axes all = axes_none();
  for (int i = 0; i < count; i++) all = axes_union(all, axes_one(axes[i]));
  return all;
}
#define AXES(...)                                                                                  \
  fixture_axes((int)COUNTOF(((AxisId[]){__VA_ARGS__})), (const AxisId[]){__VA_ARGS__})

static inline uint32_t fixture_slot(Graph *graph, const char *name, RlcType type, Axes axes) {
  return graph_slot(graph, name, RLC_COLUMN, type, axes, NOWHERE);
}

/* An input of these axes; its slot is attr.key. */
static inline Node *fixture_input(Graph *graph, const char *name, Axes axes) {
  return node_input(graph, fixture_slot(graph, name, RLC_F64, axes));
}

/* Fills the slot of an input with seeded values in [low, high) and returns them: whole numbers
 * where it is integer, below 3 unless the bounds are not negative. */
static inline double *fixture_fill(Interp *interp, const Graph *graph, const Node *input,
                                   uint64_t *state, double low, double high) {
  uint64_t count = axes_extent(graph, input->axes);
  double *values = NEW_ARRAY(graph->arena, double, count);
  if (input->integer && low < 0) low = 0, high = 3;
  for (uint64_t i = 0; i < count; i++) {
    values[i] = random_between(state, low, high);
    if (input->integer) values[i] = floor(values[i]);
  }
  interp_set(interp, (uint32_t)input->attr.key, values);
  return values;
}

/* |a - b| within `tolerance` of the larger, or absolutely below it. */
static inline bool fixture_near(double a, double b, double tolerance) {
  if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
  if (isinf(a) || isinf(b)) return a == b;
  return fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

#endif
