/* Reverse mode on whole expressions: what grad binds, second derivatives, selections, and the
 * passes after it leave values alone. */
#include "tests/derivative_fixture.h"
#include "tests/graph_random.h"

#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Derivatives *d;
static Graph *graph;

static void setup(void) {
  arena = arena_make();
  d = derivatives_make(arena, 3);
  d->loud = true;
  graph = d->graph;
}

static void teardown(void) { arena_free(arena); }

static Node *constant(double value) { return node_const(graph, value); }
static Node *times(Node *x, Node *y) { return node2(graph, OP_mul, x, y); }
static Node *plus(Node *x, Node *y) { return node2(graph, OP_add, x, y); }

/* The value of a program's single scalar output after expansion, with the variables at given
 * numbers. */
static double expanded_value(Node *node, const double *at) {
  fixture_result(d->module, 0, node);
  grad_expand(d->module, arena, op_table);
  Interp *interp = interp_make(arena, d->module, 0, false);
  for (int i = 0; i < d->count; i++)
    interp_set(interp, (uint32_t)d->variables[i].input->attr.key, &at[i]);
  interp_run(interp);
  return *interp_value(interp, d->module->programs[0].outputs[0].node);
}

/* ---- what grad binds ---- */

/* Equal values are one node: without a mark, d/dq (p p q) at q = p would be 3 p^2. */
START_TEST(grad_binds_a_fresh_mark) {
  Node *p = derivatives_variable(d, axes_none(), 0, 1);
  Node *q = node_mark(graph, p);
  Node *e = times(times(p, p), q);
  ck_assert_double_eq(expanded_value(node_grad(graph, e, q), (double[]){3}), 9);
}
END_TEST

START_TEST(grad_with_respect_to_an_inner_value) {
  Node *p = derivatives_variable(d, axes_none(), 0, 1);
  Node *y = node_mark(graph, node1(graph, OP_exp, p));
  Node *e = times(y, times(y, p));
  double p0 = 0.7;
  ck_assert(fixture_near(expanded_value(node_grad(graph, e, y), &p0), 2 * exp(p0) * p0, 1e-15));
}
END_TEST

START_TEST(grad_of_what_it_does_not_depend_on_is_zero) {
  Node *p = derivatives_variable(d, axes_none(), 0, 1), *q = node_mark(graph, p);
  ck_assert_double_eq(expanded_value(node_grad(graph, times(p, p), q), (double[]){3}), 0);
  ck_assert(!node_reaches(graph, arena, times(p, p), q));
  ck_assert(node_reaches(graph, arena, times(p, q), q));
  ck_assert(!node_reaches(graph, arena, node1(graph, OP_stop, q), q));
}
END_TEST

START_TEST(stop_is_constant) {
  Node *p = derivatives_variable(d, axes_none(), 0, 1);
  Node *e = times(node1(graph, OP_stop, times(p, p)), p);
  ck_assert_double_eq(expanded_value(node_grad(graph, e, p), (double[]){3}), 9);
}
END_TEST

START_TEST(grads_nest) {
  Node *p = derivatives_variable(d, axes_none(), 0, 1);
  Node *inner = node_mark(graph, p);
  Node *first = node_grad(graph, times(inner, times(inner, inner)), inner); /* 3 p^2 */
  Node *second = node_grad(graph, times(first, first), p);                  /* 36 p^3 */
  ck_assert_double_eq(expanded_value(second, (double[]){2}), 288);
}
END_TEST

/* ---- second derivatives ---- */

/* A smooth loss of op over arguments of different axes; its squared gradient is differentiated
 * again. */
static void check_second(OpCode op) {
  teardown();
  setup();
  d->what = op_table[op].name;
  Axes axes[3] = {AXES(d->a, d->b), AXES(d->b), AXES(d->a)};
  Node *outer[3], *inner[3] = {NULL, NULL, NULL}, *total = constant(0);
  for (int i = 0; i < op_table[op].arity; i++) {
    outer[i] = derivatives_variable(d, axes[i], 0.4, 1.6);
    inner[i] = node_mark(graph, outer[i]);
  }
  Node *e = derivatives_loss(d, node_make(graph, op, (Attr){0}, inner[0], inner[1], inner[2]),
                             LOSS_CURVED);
  for (int i = 0; i < op_table[op].arity; i++) {
    Node *g = node_grad(graph, e, inner[i]);
    total = plus(total, node_sum(graph, times(g, g), axes[i]));
  }
  ck_assert_int_eq(derivatives_check(d, total, op_table), 0);
  ck_assert_int_gt(d->checks, 0);
}

START_TEST(second_derivatives_of_smooth_ops) {
  static const OpCode smooth[] = {OP_neg, OP_exp, OP_log, OP_sqrt, OP_tanh, OP_sin, OP_cos,
                                  OP_erf, OP_add, OP_sub, OP_mul,  OP_div,  OP_pow, OP_guard};
  for (size_t i = 0; i < COUNTOF(smooth); i++) check_second(smooth[i]);
}
END_TEST

/* The penalty on the gradient of a small network with respect to its input, differentiated by the
 * weights. */
START_TEST(gradient_penalty) {
  Node *x = node_mark(graph, derivatives_variable(d, AXES(d->a, d->b), -1, 1));
  Node *w = derivatives_variable(d, AXES(d->b, d->c), -1, 1),
       *v = derivatives_variable(d, AXES(d->c), -1, 1);
  Node *h = node1(graph, OP_tanh, node_sum(graph, times(x, w), AXES(d->b)));
  Node *q = node_sum(graph, times(h, v), AXES(d->c, d->a));
  Node *g = node_grad(graph, q, x);
  Node *norm = node1(graph, OP_sqrt, node_sum(graph, times(g, g), AXES(d->b)));
  Node *gap = node2(graph, OP_sub, norm, constant(1));
  ck_assert_int_eq(derivatives_check(d, node_sum(graph, times(gap, gap), AXES(d->a)), op_table), 0);
}
END_TEST

/* ---- selections ---- */

/* -mean[batch](best_of[try](min[twin](q))): order statistics over tries of the smaller of two
 * critics, by the actions' weights. */
START_TEST(best_of_through_the_smaller_twin) {
  AxisId twin = fixture_axis(graph, "twin", 2, AXIS_COPY),
         ranks = fixture_axis(graph, "ranks", 3, AXIS_DRAW);
  static const double weights[] = {0, 1.0 / 3, 2.0 / 3};
  Node *w = derivatives_variable(d, AXES(d->c), -1, 1);
  Node *noise = derivatives_variable(d, AXES(d->a, d->b, d->c), -1, 1);
  Node *v = derivatives_variable(d, AXES(twin, d->c), -2, 2);
  Node *action = node1(graph, OP_tanh, plus(w, noise));
  Node *q = node1(graph, OP_sin, node_sum(graph, times(action, v), AXES(d->c)));
  Node *least = node_gather(graph, q, node_argmin(graph, q, twin), twin);
  Node *sorted = node_gather(graph, least, node_order(graph, least, d->b, ranks), d->b);
  Node *best = node_sum(graph, times(sorted, node_table(graph, ranks, weights)), AXES(ranks));
  Node *loss = times(constant(-0.5), node_sum(graph, best, AXES(d->a)));
  ck_assert_int_eq(derivatives_check(d, loss, op_table), 0);
  ck_assert_int_eq(d->checks, 4 + 24 + 8);
}
END_TEST

/* PPO's clipped surrogate with elementwise min, max and where. */
START_TEST(clipped_surrogate) {
  Node *logit = derivatives_variable(d, AXES(d->a, d->c), -1, 1),
       *advantage = derivatives_variable(d, AXES(d->a, d->b), -1, 1);
  Node *ratio = node1(graph, OP_exp, node_sum(graph, logit, AXES(d->c)));
  Node *clipped = node2(graph, OP_min, node2(graph, OP_max, ratio, constant(0.8)), constant(1.2));
  Node *surrogate = node2(graph, OP_min, times(ratio, advantage), times(clipped, advantage));
  Node *huber =
      node3(graph, OP_where, node2(graph, OP_lt, node1(graph, OP_abs, surrogate), constant(0.5)),
            times(surrogate, surrogate), node1(graph, OP_abs, surrogate));
  ck_assert_int_eq(derivatives_check(d, node_sum(graph, huber, AXES(d->a, d->b)), op_table), 0);
}
END_TEST

/* ---- the passes after it ---- */

/* The values of a program's outputs, each over its slot's axes. */
static double **values_of(const Module *module, uint64_t seed, const RandomGraph *g) {
  Interp *interp = interp_make(arena, module, 0, false);
  uint64_t state = seed;
  for (uint32_t i = 0; i < g->input_count; i++)
    fixture_fill(interp, g->graph, g->inputs[i], &state, -1, 1);
  interp_run(interp);
  interp_store(interp);
  const Program *program = &module->programs[0];
  double **values = NEW_ARRAY(arena, double *, program->output_count);
  for (size_t i = 0; i < program->output_count; i++) {
    uint32_t slot = program->outputs[i].slot;
    values[i] = NEW_ARRAY(arena, double, axes_extent(g->graph, g->graph->slots[slot].axes));
    interp_get(interp, slot, values[i]);
  }
  return values;
}

static void check_same_values(const RandomGraph *g, uint64_t seed, double **before,
                              const char *pass) {
  double **after = values_of(g->module, seed, g);
  for (size_t i = 0; i < g->module->programs[0].output_count; i++) {
    uint32_t slot = g->module->programs[0].outputs[i].slot;
    uint64_t count = axes_extent(g->graph, g->graph->slots[slot].axes);
    for (uint64_t k = 0; k < count; k++)
      ck_assert_msg(fixture_near(before[i][k], after[i][k], 1e-9),
                    "seed %u, after %s: output %u at %u is %.17g, was %.17g", (unsigned)seed, pass,
                    (unsigned)i, (unsigned)k, after[i][k], before[i][k]);
  }
}

/* A random loss with its gradients, through all passes. Only finite values are promised. */
static void check_passes(uint64_t seed) {
  RandomGraph *g = random_graph(arena, seed, 15 + seed % 60, 1);
  g->module->programs[0].output_count = 0;
  Node *loss = node_const(g->graph, 0);
  for (uint32_t i = 0; i < g->count; i++) {
    Node *x = g->nodes[i];
    if (!x->integer && x->op != OP_table && axes_extent(g->graph, x->axes) < 3000)
      loss =
          node2(g->graph, OP_add, loss, node_sum(g->graph, node1(g->graph, OP_tanh, x), x->axes));
  }
  fixture_result(g->module, 0, loss);
  for (uint32_t i = 0; i < g->count; i++)
    if (g->nodes[i]->op == OP_mark)
      fixture_result(g->module, 0, node_grad(g->graph, loss, g->nodes[i]));
  grad_expand(g->module, arena, op_table);
  double **before = values_of(g->module, seed, g);
  static const struct {
    const char *name;
    void (*run)(Module *module, Arena *scratch);
  } passes[] = {{"erase", pass_erase}, {"simplify", pass_simplify}, {"contract", pass_contract}};
  for (size_t i = 0; i < COUNTOF(passes); i++) {
    passes[i].run(g->module, arena);
    const char *wrong = ir_verify(g->module, arena, passes[i].name);
    ck_assert_msg(!wrong, "seed %u, after %s: %s", (unsigned)seed, passes[i].name, wrong);
    check_same_values(g, seed, before, passes[i].name);
  }
}

START_TEST(passes_keep_values_of_random_graphs) {
  for (uint64_t seed = 1; seed <= 150; seed++) {
    teardown();
    setup();
    check_passes(seed);
  }
}
END_TEST

/* An entry that is not selected may have an infinite derivative: d sqrt(p) / dp at 0. */
START_TEST(selection_guards_infinities) {
  AxisId t = fixture_axis(graph, "t", 2, AXIS_DRAW);
  Node *input = fixture_input(graph, "p", axes_one(t)), *p = node_mark(graph, input);
  Node *root = node1(graph, OP_sqrt, p);
  Node *most = node_gather(graph, root, node_argmax(graph, root, t), t);
  fixture_result(d->module, 0, node_grad(graph, most, p));
  grad_expand(d->module, arena, op_table);
  pass_erase(d->module, arena);
  pass_simplify(d->module, arena);
  Interp *interp = interp_make(arena, d->module, 0, false);
  interp_set(interp, (uint32_t)input->attr.key, (double[]){0, 4});
  interp_run(interp);
  const double *gradient = interp_value(interp, d->module->programs[0].outputs[0].node);
  ck_assert_double_eq(gradient[0], 0);
  ck_assert_double_eq(gradient[1], 0.25);
}
END_TEST

/* More factors than contract looks at: what does not fit stays together, and the value stays. */
START_TEST(long_products_contract) {
  AxisId i = fixture_axis(graph, "i", 2, AXIS_DRAW), j = fixture_axis(graph, "j", 3, AXIS_DRAW);
  Node *product = fixture_input(graph, "w", axes_union(axes_one(i), axes_one(j)));
  double expected = 6;
  for (int k = 0; k < 40; k++) {
    Node *factor = fixture_input(graph, arena_printf(arena, "f%d", k), axes_one(i));
    product = k % 2 ? times(product, factor) : times(factor, product);
    expected *= k % 2 ? 0.5 : 2;
  }
  fixture_result(d->module, 0, node_sum(graph, product, axes_union(axes_one(i), axes_one(j))));
  pass_contract(d->module, arena);
  Interp *interp = interp_make(arena, d->module, 0, false);
  double *ones = NEW_ARRAY(arena, double, 6);
  for (uint32_t slot = 0; slot < graph->slot_count; slot++) {
    const char *name = graph->slots[slot].name;
    double value = name[0] == 'f' ? (atoi(name + 1) % 2 ? 0.5 : 2) : 1;
    for (int k = 0; k < 6; k++) ones[k] = value;
    if (axes_count(graph->slots[slot].axes)) interp_set(interp, slot, ones);
  }
  interp_run(interp);
  ck_assert_double_eq(*interp_value(interp, d->module->programs[0].outputs[0].node), expected);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("autodiff");
  TCase *tests = tcase_create("autodiff");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, grad_binds_a_fresh_mark);
  tcase_add_test(tests, grad_with_respect_to_an_inner_value);
  tcase_add_test(tests, grad_of_what_it_does_not_depend_on_is_zero);
  tcase_add_test(tests, stop_is_constant);
  tcase_add_test(tests, grads_nest);
  tcase_add_test(tests, second_derivatives_of_smooth_ops);
  tcase_add_test(tests, gradient_penalty);
  tcase_add_test(tests, best_of_through_the_smaller_twin);
  tcase_add_test(tests, clipped_surrogate);
  tcase_add_test(tests, selection_guards_infinities);
  tcase_add_test(tests, long_products_contract);
  tcase_add_test(tests, passes_keep_values_of_random_graphs);
  return suite_run(suite);
}
