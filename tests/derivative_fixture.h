/* Derivatives of small losses against central differences, for the tests of ops and of reverse
 * mode. */
#ifndef RLC_TESTS_DERIVATIVE_FIXTURE_H
#define RLC_TESTS_DERIVATIVE_FIXTURE_H

#include "compiler/passes/passes.h"
#include "tests/graph_fixture.h"

enum { MAX_VARIABLES = 4 };

/* An input of a small loss. With `mark` it is differentiated; without, it is data: whole numbers
 * below `high` when its slot is int32. */
typedef struct Variable {
  Node *input, *mark;
  double low, high;
  double *values;
} Variable;

typedef struct Derivatives {
  Arena *arena;
  Module *module;
  Graph *graph;
  AxisId a, b, c; /* extents 2, 3, 4 */
  Variable variables[MAX_VARIABLES];
  int count;
  uint64_t state;
  int checks, mistakes; /* components compared, components wrong */
  bool loud;            /* print mistakes */
  const char *what;
} Derivatives;

static inline Derivatives *derivatives_make(Arena *arena, uint64_t seed) {
  Derivatives *d = NEW(arena, Derivatives);
  *d = (Derivatives){.arena = arena, .module = fixture_module(arena), .state = seed, .what = ""};
  d->graph = d->module->graph;
  d->a = fixture_axis(d->graph, "a", 2, AXIS_ROW);
  d->b = fixture_axis(d->graph, "b", 3, AXIS_DRAW);
  d->c = fixture_axis(d->graph, "c", 4, AXIS_FEATURE);
  fixture_program(d->module, "test");
  return d;
}

/* A differentiated input; returns its mark. */
static inline Node *derivatives_variable(Derivatives *d, Axes axes, double low, double high) {
  const char *name = arena_printf(d->arena, "x%d", d->count);
  Node *input = fixture_input(d->graph, name, axes);
  Variable v = {input, node_mark(d->graph, input), low, high, NULL};
  d->variables[d->count++] = v;
  return v.mark;
}

/* Whole numbers below `limit`. */
static inline Node *derivatives_index(Derivatives *d, Axes axes, uint32_t limit) {
  const char *name = arena_printf(d->arena, "i%d", d->count);
  Node *input = node_input(d->graph, fixture_slot(d->graph, name, RLC_I32, axes));
  d->variables[d->count++] = (Variable){input, NULL, 0, limit, NULL};
  return input;
}

static inline void derivatives_fill(Derivatives *d, Interp *interp) {
  for (int i = 0; i < d->count; i++) {
    Variable *v = &d->variables[i];
    v->values = fixture_fill(interp, d->graph, v->input, &d->state, v->low, v->high);
    uint64_t count = axes_extent(d->graph, v->input->axes);
    for (uint64_t k = 0; k < count && v->input->integer; k++) v->values[k] = floor(v->values[k]);
    interp_set(interp, (uint32_t)v->input->attr.key, v->values);
  }
}

static inline double derivatives_value(Interp *interp, const Variable *v, uint64_t at, double h,
                                       const Node *loss) {
  double base = v->values[at];
  v->values[at] = base + h;
  interp_set(interp, (uint32_t)v->input->attr.key, v->values);
  interp_run(interp);
  v->values[at] = base;
  interp_set(interp, (uint32_t)v->input->attr.key, v->values);
  return *interp_value(interp, loss);
}

/* Compares every component of one variable; `analytic` is its gradient, which may lack axes. */
static inline void derivatives_compare(Derivatives *d, Interp *interp, const Node *loss,
                                       const Variable *v, const double *analytic) {
  uint64_t count = axes_extent(d->graph, v->input->axes);
  double largest = 1e-6;
  for (uint64_t i = 0; i < count; i++) largest = fmax(largest, fabs(analytic[i]));
  for (uint64_t i = 0; i < count; i++) {
    double h = 1e-5, a = analytic[i];
    double f =
        (derivatives_value(interp, v, i, h, loss) - derivatives_value(interp, v, i, -h, loss)) /
        (2 * h);
    bool good = fabs(a - f) <= 1e-6 * fmax(fmax(fabs(a), fabs(f)), largest);
    d->checks++;
    d->mistakes += !good;
    if (!good && d->loud)
      fprintf(stderr, "%s: variable %d component %u: %.9g, by differences %.9g\n", d->what,
              (int)(v - d->variables), (unsigned)i, a, f);
  }
}

/* Differentiates `loss` by every marked variable with the derivatives of `table` and compares.
 * Returns the mistakes so far. */
static inline int derivatives_check(Derivatives *d, Node *loss, const OpInfo *table) {
  uint32_t slots[MAX_VARIABLES];
  size_t first = d->module->programs[0].output_count;
  fixture_result(d->module, 0, loss);
  for (int i = 0; i < d->count; i++) {
    const Variable *v = &d->variables[i];
    if (!v->mark) continue;
    slots[i] = fixture_slot(d->graph, arena_printf(d->arena, "g%zu", d->graph->slot_count), RLC_F64,
                            v->input->axes);
    fixture_output(d->module, 0, slots[i], node_grad(d->graph, loss, v->mark));
  }
  grad_expand(d->module, d->arena, table);
  Interp *interp = interp_make(d->arena, d->module, 0, false);
  derivatives_fill(d, interp);
  interp_run(interp);
  interp_store(interp);
  const Node *value = d->module->programs[0].outputs[first].node;
  for (int i = 0; i < d->count; i++) {
    if (!d->variables[i].mark) continue;
    double *gradient =
        NEW_ARRAY(d->arena, double, axes_extent(d->graph, d->variables[i].input->axes));
    interp_get(interp, slots[i], gradient);
    derivatives_compare(d, interp, value, &d->variables[i], gradient);
  }
  return d->mistakes;
}

/* Losses of a result r, over all of the axes a, b, c: linear; weighted; curved. */
enum { LOSS_LINEAR, LOSS_WEIGHTED, LOSS_CURVED, LOSS_KINDS };
static inline Node *derivatives_loss(Derivatives *d, Node *r, int kind) {
  Graph *g = d->graph;
  Axes all = axes_union(r->axes, AXES(d->a, d->b, d->c));
  static const double weights[] = {0.3, -1.2, 0.8, 1.7};
  if (kind == LOSS_WEIGHTED)
    r = node2(g, OP_mul, r,
              node2(g, OP_add, node_table(g, d->b, weights), node_table(g, d->c, weights)));
  if (kind == LOSS_CURVED)
    r = node2(g, OP_add, node1(g, OP_sin, r),
              node2(g, OP_mul, node_const(g, 0.5), node2(g, OP_mul, r, r)));
  return node_sum(g, r, all);
}

#endif
