/* Checks generated from ops.def: known points, derivatives by differences over all broadcasts,
 * values outside the reals, ties; then the checks themselves, on tables with seeded mistakes. */
#include "tests/derivative_fixture.h"

#include <string.h>

static Arena *arena;

static void setup(void) { arena = arena_make(); }
static void teardown(void) { arena_free(arena); }

/* ---- known points ---- */

/* The value of an op at numbers: evaluated over tensors, not folded. */
static double value_of(OpCode op, const double at[3]) {
  Module *module = fixture_module(arena);
  size_t program = fixture_program(module, "p");
  Node *src[3] = {NULL, NULL, NULL};
  AxisId axis = fixture_axis(module->graph, "a", 2, AXIS_ROW);
  for (int i = 0; i < op_table[op].arity; i++)
    src[i] = fixture_input(module->graph, arena_printf(arena, "x%d", i), axes_one(axis));
  Node *node = op == OP_mark ? node_mark(module->graph, src[0])
                             : node3(module->graph, op, src[0], src[1], src[2]);
  fixture_result(module, program, node);
  Interp *interp = interp_make(arena, module, program, false);
  for (int i = 0; i < op_table[op].arity; i++)
    interp_set(interp, (uint32_t)i, (double[]){at[i], at[i]});
  interp_run(interp);
  return interp_value(interp, node)[1];
}

static int known_point_mistakes(const OpInfo *table) {
  int mistakes = 0;
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &table[op];
    if (info->shaped) continue;
    double got = info->eval(info->at[0], info->at[1], info->at[2]);
    mistakes += !fixture_near(got, info->at[3], 1e-15);
  }
  return mistakes;
}

START_TEST(known_points) {
  ck_assert_int_eq(known_point_mistakes(op_table), 0);
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &op_table[op];
    ck_assert_msg(info->doc && *info->doc, "%s has no doc line", info->name);
    ck_assert_uint_eq(op_find(info->name), op);
    if (info->shaped) continue;
    double got = value_of((OpCode)op, info->at);
    ck_assert_msg(fixture_near(got, info->at[3], 1e-15), "%s is %g", info->name, got);
  }
}
END_TEST

/* ---- derivatives of elementwise ops ---- */

/* Where arguments stay so that an op is smooth; others take [-2, 2]. */
static const struct {
  OpCode op;
  int argument;
  double low, high;
} domains[] = {{OP_log, 0, 0.3, 2},
               {OP_sqrt, 0, 0.3, 2},
               {OP_pow, 0, 0.3, 2},
               {OP_div, 1, 0.4, 2},
               {OP_guard, 0, 0.2, 2}};

static Node *argument_of(Derivatives *d, OpCode op, int i, Axes axes) {
  double low = -2, high = 2;
  for (size_t k = 0; k < COUNTOF(domains); k++)
    if (domains[k].op == op && domains[k].argument == i)
      low = domains[k].low, high = domains[k].high;
  return derivatives_variable(d, axes, low, high);
}

typedef struct Tally {
  int checks, mistakes;
} Tally;

/* One op, one choice of axes per argument, one loss. */
static void check_broadcast(const OpInfo *table, OpCode op, unsigned shapes, int kind, bool loud,
                            Tally *tally) {
  Arena *own = arena_make();
  Derivatives *d = derivatives_make(own, 1000 * (uint64_t)op + shapes);
  Axes subsets[4] = {axes_none(), AXES(d->a), AXES(d->b), AXES(d->a, d->b)};
  Node *src[3] = {NULL, NULL, NULL};
  for (int i = 0; i < table[op].arity; i++)
    src[i] = argument_of(d, op, i, subsets[shapes >> (2 * i) & 3]);
  d->what = table[op].name;
  d->loud = loud;
  Node *r = op == OP_mark ? node_mark(d->graph, src[0])
                          : node_make(d->graph, op, (Attr){0}, src[0], src[1], src[2]);
  derivatives_check(d, derivatives_loss(d, r, kind), table);
  tally->checks += d->checks;
  tally->mistakes += d->mistakes;
  arena_free(own);
}

static Tally check_elementwise(const OpInfo *table, OpCode op, bool loud) {
  Tally tally = {0, 0};
  for (unsigned shapes = 0; shapes < 1u << (2 * table[op].arity); shapes++)
    for (int kind = 0; kind < LOSS_KINDS; kind++)
      check_broadcast(table, op, shapes, kind, loud, &tally);
  return tally;
}

/* stop is the one op whose derivative is not that of its value. */
static Tally check_all_elementwise(const OpInfo *table, bool loud) {
  Tally all = {0, 0};
  for (int op = 0; op < OP_COUNT; op++) {
    if (table[op].shaped || op == OP_stop) continue;
    Tally tally = check_elementwise(table, (OpCode)op, loud);
    all.checks += tally.checks;
    all.mistakes += tally.mistakes;
  }
  return all;
}

START_TEST(derivatives_over_all_broadcasts) {
  Tally all = check_all_elementwise(op_table, true);
  printf("ops: %d components of elementwise derivatives compared\n", all.checks);
  ck_assert_int_gt(all.checks, 5000);
  ck_assert_int_eq(all.mistakes, 0);
}
END_TEST

/* ---- shaped ops ---- */

typedef Node *ShapedFn(Derivatives *d);

static Node *shaped_sum_first(Derivatives *d) {
  return node_sum(d->graph, derivatives_variable(d, AXES(d->a, d->b), -1, 1), AXES(d->a));
}
static Node *shaped_sum_all(Derivatives *d) {
  return node_sum(d->graph, derivatives_variable(d, AXES(d->a, d->b), -1, 1), AXES(d->a, d->b));
}
static Node *shaped_sum_lacking(Derivatives *d) {
  return node_sum(d->graph, derivatives_variable(d, AXES(d->a), -1, 1), AXES(d->a, d->c));
}
/* x lacks the summed axis, y has it: the first trap of the nominal axes. */
static Node *shaped_sum_of_broadcast(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a), -1, 1);
  Node *y = derivatives_variable(d, AXES(d->b), -1, 1);
  return node_sum(d->graph, node2(d->graph, OP_add, x, y), AXES(d->b));
}
static Node *shaped_product(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = derivatives_variable(d, AXES(d->c, d->b), -1, 1);
  return node_sum(d->graph, node2(d->graph, OP_mul, x, y), AXES(d->c));
}
static Node *shaped_gather(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_gather(d->graph, x, derivatives_index(d, AXES(d->a), 4), d->c);
}
/* The positions have an axis that the value lacks: the second trap of the nominal axes. */
static Node *shaped_gather_binding(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_gather(d->graph, x, derivatives_index(d, AXES(d->a, d->b), 4), d->c);
}
static Node *shaped_gather_alone(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->c), -1, 1);
  return node_gather(d->graph, x, derivatives_index(d, axes_none(), 4), d->c);
}
static Node *shaped_scatter(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->b), -1, 1);
  return node_scatter(d->graph, x, derivatives_index(d, AXES(d->b), 4), d->c, AXES(d->b));
}
static Node *shaped_scatter_unbound(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a), -1, 1);
  return node_scatter(d->graph, x, derivatives_index(d, AXES(d->b), 4), d->c, axes_none());
}
static Node *shaped_scatter_lacking(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a), -1, 1);
  Node *i = derivatives_index(d, AXES(d->a, d->b), 4);
  return node_scatter(d->graph, x, i, d->c, AXES(d->a, d->b));
}
static Node *shaped_rename(Derivatives *d) {
  AxisId other = fixture_axis(d->graph, "other", 4, AXIS_FEATURE);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = node_rename(d->graph, x, d->c, other);
  return node2(d->graph, OP_mul, y, derivatives_variable(d, AXES(other, d->b), -1, 1));
}
/* A Gram matrix: the same value under two names. */
static Node *shaped_gram(Derivatives *d) {
  AxisId other = fixture_axis(d->graph, "other", 4, AXIS_FEATURE);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = node_rename(d->graph, x, d->c, other);
  return node_sum(d->graph, node2(d->graph, OP_mul, x, y), AXES(d->a));
}
static Node *shaped_minimum(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_gather(d->graph, x, node_argmin(d->graph, x, d->c), d->c);
}
static Node *shaped_maximum(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_gather(d->graph, x, node_argmax(d->graph, x, d->c), d->c);
}
static Node *shaped_sort(Derivatives *d) {
  static const double weights[] = {0.1, 0.2, 0.3, 0.4};
  AxisId ranks = fixture_axis(d->graph, "ranks", 4, AXIS_DRAW);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *sorted = node_gather(d->graph, x, node_order(d->graph, x, d->c, ranks), d->c);
  return node_sum(d->graph, node2(d->graph, OP_mul, sorted, node_table(d->graph, ranks, weights)),
                  AXES(ranks));
}
static Node *shaped_top(Derivatives *d) {
  AxisId ranks = fixture_axis(d->graph, "ranks", 2, AXIS_DRAW);
  Node *x = derivatives_variable(d, AXES(d->a, d->b, d->c), -1, 1);
  return node_gather(d->graph, x, node_order(d->graph, x, d->c, ranks), d->c);
}

static Node *shaped_scan(Derivatives *d) {
  Node *a = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *b = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_scan(d->graph, a, b, d->c, false);
}
static Node *shaped_scan_backward(Derivatives *d) {
  Node *a = derivatives_variable(d, AXES(d->b), -1, 1);
  Node *b = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_scan(d->graph, a, b, d->c, true);
}
static Node *shaped_scan_broadcast(Derivatives *d) {
  Node *a = derivatives_variable(d, AXES(d->a, d->b), -1, 1);
  Node *b = derivatives_variable(d, axes_none(), -1, 1);
  return node_scan(d->graph, a, b, d->a, false);
}
/* A scan of the derivative of a scan: the second order. */
static Node *shaped_scan_twice(Derivatives *d) {
  Node *a = derivatives_variable(d, AXES(d->c), -1, 1);
  Node *b = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *r = node_scan(d->graph, a, node1(d->graph, OP_sin, b), d->c, true);
  Node *loss = node_sum(d->graph, node2(d->graph, OP_mul, r, r), r->axes);
  return node2(d->graph, OP_add, node_grad(d->graph, loss, a), node_grad(d->graph, loss, b));
}
static Node *shaped_take(Derivatives *d) {
  AxisId more = fixture_axis(d->graph, "more", 6, AXIS_DRAW);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  return node_take(d->graph, x, d->c, more, (double[]){3, 0, 0, 1, 3, 0});
}
/* One place of six sources: its gradient stays a scatter. */
static Node *shaped_take_often(Derivatives *d) {
  AxisId more = fixture_axis(d->graph, "more", 6, AXIS_DRAW);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = node_take(d->graph, x, d->c, more, (double[]){2, 2, 2, 1, 2, 2});
  return node2(d->graph, OP_mul, y, node_table(d->graph, more, (double[]){1, 2, 3, 4, 5, 6}));
}
static Node *shaped_take_in_place(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->b, d->c), -1, 1);
  Node *y = node_take(d->graph, x, d->c, d->c, (double[]){3, 2, 1, 0});
  return node2(d->graph, OP_mul, y, node_shift(d->graph, x, d->b, 1));
}
/* Positions that have the very axis they choose on. */
static Node *shaped_gather_along(Derivatives *d) {
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = node_gather(d->graph, x, derivatives_index(d, AXES(d->b, d->c), 4), d->c);
  return node2(d->graph, OP_mul, x, y);
}
/* Two vectors behind each other. */
static Node *shaped_concat(Derivatives *d) {
  AxisId all = fixture_axis(d->graph, "all", 7, AXIS_FEATURE);
  Node *x = derivatives_variable(d, AXES(d->a, d->c), -1, 1);
  Node *y = derivatives_variable(d, AXES(d->b), -1, 1);
  Node *first = node_take(d->graph, x, d->c, all, (double[]){0, 1, 2, 3, 3, 3, 3});
  Node *rest = node_take(d->graph, y, d->b, all, (double[]){0, 0, 0, 0, 0, 1, 2});
  return node3(d->graph, OP_where, node_table(d->graph, all, (double[]){1, 1, 1, 1, 0, 0, 0}),
               first, rest);
}

static const struct {
  const char *name;
  ShapedFn *fn;
} shaped_cases[] = {{"sum", shaped_sum_first},
                    {"sum of all", shaped_sum_all},
                    {"sum over a lacking axis", shaped_sum_lacking},
                    {"sum of a broadcast", shaped_sum_of_broadcast},
                    {"product", shaped_product},
                    {"gather", shaped_gather},
                    {"gather with binding positions", shaped_gather_binding},
                    {"gather at one position", shaped_gather_alone},
                    {"scatter", shaped_scatter},
                    {"scatter with nothing bound", shaped_scatter_unbound},
                    {"scatter of a value lacking bound axes", shaped_scatter_lacking},
                    {"rename", shaped_rename},
                    {"gram matrix", shaped_gram},
                    {"minimum", shaped_minimum},
                    {"maximum", shaped_maximum},
                    {"sort", shaped_sort},
                    {"top", shaped_top},
                    {"scan", shaped_scan},
                    {"scan backward", shaped_scan_backward},
                    {"scan along an axis of the coefficient alone", shaped_scan_broadcast},
                    {"second order of a scan", shaped_scan_twice},
                    {"take", shaped_take},
                    {"take of one place often", shaped_take_often},
                    {"take in place", shaped_take_in_place},
                    {"gather along the axis of its positions", shaped_gather_along},
                    {"concat", shaped_concat}};

static Tally check_shaped(const OpInfo *table, bool loud) {
  Tally tally = {0, 0};
  for (size_t i = 0; i < COUNTOF(shaped_cases); i++)
    for (int kind = 0; kind < LOSS_KINDS; kind++) {
      Arena *own = arena_make();
      Derivatives *d = derivatives_make(own, 77 + i);
      d->what = shaped_cases[i].name;
      d->loud = loud;
      Node *loss = derivatives_loss(d, shaped_cases[i].fn(d), kind);
      derivatives_check(d, loss, table);
      tally.checks += d->checks;
      tally.mistakes += d->mistakes;
      arena_free(own);
    }
  return tally;
}

START_TEST(derivatives_of_shaped_ops) {
  Tally tally = check_shaped(op_table, true);
  ck_assert_int_gt(tally.checks, 400);
  ck_assert_int_eq(tally.mistakes, 0);
}
END_TEST

/* ---- outside the reals, ties ---- */

START_TEST(values_outside_the_reals) {
  static const struct {
    OpCode op;
    double at[3], value;
  } cases[] = {
      {OP_exp, {INFINITY}, INFINITY},
      {OP_exp, {-INFINITY}, 0},
      {OP_log, {0}, -INFINITY},
      {OP_log, {-1}, NAN},
      {OP_sqrt, {-1}, NAN},
      {OP_tanh, {INFINITY}, 1},
      {OP_tanh, {-INFINITY}, -1},
      {OP_erf, {-INFINITY}, -1},
      {OP_abs, {-INFINITY}, INFINITY},
      {OP_sign, {-INFINITY}, -1},
      {OP_sign, {0}, 0},
      {OP_floor, {-0.5}, -1},
      {OP_add, {INFINITY, -INFINITY}, NAN},
      {OP_mul, {0, INFINITY}, NAN},
      {OP_div, {1, 0}, INFINITY},
      {OP_div, {0, 0}, NAN},
      {OP_pow, {0, 0}, 1},
      {OP_pow, {-2, 3}, -8},
      {OP_lt, {NAN, 1}, 0},
      {OP_le, {INFINITY, INFINITY}, 1},
      {OP_eq, {NAN, NAN}, 0},
      {OP_min, {-INFINITY, 1}, -INFINITY},
      {OP_max, {1, NAN}, NAN},
      {OP_guard, {0, NAN}, 0},
      {OP_guard, {0, INFINITY}, 0},
      {OP_guard, {INFINITY, 0}, NAN},
      {OP_where, {0, NAN, 7}, 7},
      {OP_where, {1, 5, INFINITY}, 5},
  };
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    double got = value_of(cases[i].op, cases[i].at);
    ck_assert_msg(fixture_near(got, cases[i].value, 0), "%s, case %zu: %g",
                  op_table[cases[i].op].name, i, got);
  }
}
END_TEST

/* The gradients of r = op(x, y) at numbers. */
static void gradient_at(OpCode op, double x, double y, double gradient[2]) {
  Derivatives *d = derivatives_make(arena, 1);
  Node *a = derivatives_variable(d, axes_none(), x, x),
       *b = derivatives_variable(d, axes_none(), y, y);
  Node *r = node2(d->graph, OP_add,
                  node_make(d->graph, op, (Attr){0}, a, op_table[op].arity > 1 ? b : NULL, NULL),
                  node2(d->graph, OP_mul, node_const(d->graph, 0), b));
  uint32_t slots[2];
  for (int i = 0; i < 2; i++) {
    slots[i] = fixture_slot(d->graph, i ? "gb" : "ga", RLC_F64, axes_none());
    fixture_output(d->module, 0, slots[i], node_grad(d->graph, r, i ? b : a));
  }
  grad_expand(d->module, arena, op_table);
  Interp *interp = interp_make(arena, d->module, 0, false);
  derivatives_fill(d, interp);
  interp_run(interp);
  interp_store(interp);
  for (int i = 0; i < 2; i++) interp_get(interp, slots[i], &gradient[i]);
}

START_TEST(gradients_at_ties) {
  double g[2];
  gradient_at(OP_min, 2, 2, g);
  ck_assert(g[0] == 1 && g[1] == 0);
  gradient_at(OP_max, 2, 2, g);
  ck_assert(g[0] == 1 && g[1] == 0);
  gradient_at(OP_max, 0, 0, g); /* relu is max(0, x): nothing for x at 0 */
  ck_assert(g[1] == 0);
  gradient_at(OP_abs, 0, 1, g);
  ck_assert(g[0] == 0);
  gradient_at(OP_stop, 3, 1, g);
  ck_assert(g[0] == 0);
}
END_TEST

/* where(x > 0, log(x), 0) at x <= 0: the branch not taken must not poison the gradient. */
START_TEST(gradients_below_selections_are_guarded) {
  static const OpCode inner[] = {OP_log, OP_sqrt};
  for (size_t i = 0; i < COUNTOF(inner); i++) {
    Derivatives *d = derivatives_make(arena, 1);
    Node *x = derivatives_variable(d, AXES(d->c), -1, 1), *zero = node_const(d->graph, 0);
    Node *r = node3(d->graph, OP_where, node2(d->graph, OP_lt, zero, x),
                    node1(d->graph, inner[i], x), zero);
    uint32_t slot = fixture_slot(d->graph, "g", RLC_F64, AXES(d->c));
    fixture_output(d->module, 0, slot, node_grad(d->graph, node_sum(d->graph, r, AXES(d->c)), x));
    grad_expand(d->module, arena, op_table);
    Interp *interp = interp_make(arena, d->module, 0, false);
    interp_set(interp, 0, (double[]){-1, 0, 4, 0.25});
    interp_run(interp);
    interp_store(interp);
    double g[4];
    interp_get(interp, slot, g);
    ck_assert(g[0] == 0 && g[1] == 0);
    ck_assert(fixture_near(g[2], inner[i] == OP_log ? 0.25 : 0.25, 1e-15));
    ck_assert(fixture_near(g[3], inner[i] == OP_log ? 4 : 1, 1e-15));
  }
}
END_TEST

/* ---- the checks are checked ---- */

/* Counts the summed elements once more. */
static Node *wrong_adjoint_sum(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)arg;
  *nominal = r->src[0]->axes;
  return node_sum(graph, g, r->attr.axes);
}

static Node *wrong_adjoint_gather(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  Node *c = op_table[OP_gather].adjoint(graph, r, g, arg, nominal);
  if (arg == 0) *nominal = axes_union(r->axes, axes_one(r->attr.axis)); /* the bound axes left in */
  return c;
}

static Node *wrong_adjoint_scatter(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)arg;
  *nominal = r->src[0]->axes; /* forgets the axes of the positions */
  return node_gather(graph, g, r->src[1], r->attr.axis);
}

/* Forgets that the coefficient of the next element carries the gradient. */
static Node *wrong_adjoint_scan(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)op_table[OP_scan].adjoint(graph, r, g, arg, nominal);
  return node2(graph, OP_mul, node_scan(graph, r->src[0], g, r->attr.axis, !r->attr.word),
               arg == 0 ? r : node_const(graph, 1));
}

static double wrong_erf(double x, double y, double z) {
  (void)y, (void)z;
  return 1 - erf(x);
}

START_TEST(wrong_derivatives_are_caught) {
  static const struct {
    OpCode op;
    int argument;
    const char *wrong;
  } mistakes[] = {
      {OP_tanh, 0, "g * (1 - r)"},
      {OP_mul, 1, "g * y"},
      {OP_div, 1, "g * r / y"},
      {OP_exp, 0, "g * x"},
      {OP_sub, 1, "g"},
      {OP_min, 0, "where(x <= y, 0, g)"},
      {OP_where, 2, "g"},
      {OP_sqrt, 0, "g / r"},
      {OP_erf, 0, "g * exp(-x * x)"},
      {OP_pow, 0, "g * x ^ (y - 1)"},
      {OP_cos, 0, "g * sin(x)"},
      {OP_abs, 0, "g"},
      {OP_guard, 0, "0"},
      {OP_max, 1, "g"},
      {OP_log, 0, "g * x"},
  };
  for (size_t i = 0; i < COUNTOF(mistakes); i++) {
    OpInfo table[OP_COUNT];
    memcpy(table, op_table, sizeof table);
    table[mistakes[i].op].grad[mistakes[i].argument] = mistakes[i].wrong;
    ck_assert_msg(check_elementwise(table, mistakes[i].op, false).mistakes > 0, "d %s = %s passes",
                  table[mistakes[i].op].name, mistakes[i].wrong);
  }
}
END_TEST

START_TEST(wrong_values_and_adjoints_are_caught) {
  OpInfo table[OP_COUNT];
  memcpy(table, op_table, sizeof table);
  table[OP_erf].eval = wrong_erf;
  ck_assert_int_eq(known_point_mistakes(table), 1);
  memcpy(table, op_table, sizeof table);
  table[OP_sum].adjoint = wrong_adjoint_sum;
  ck_assert_int_gt(check_shaped(table, false).mistakes, 0);
  memcpy(table, op_table, sizeof table);
  table[OP_gather].adjoint = wrong_adjoint_gather;
  ck_assert_int_gt(check_shaped(table, false).mistakes, 0);
  memcpy(table, op_table, sizeof table);
  table[OP_scatter].adjoint = wrong_adjoint_scatter;
  ck_assert_int_gt(check_shaped(table, false).mistakes, 0);
  memcpy(table, op_table, sizeof table);
  table[OP_scan].adjoint = wrong_adjoint_scan;
  ck_assert_int_gt(check_shaped(table, false).mistakes, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ops");
  TCase *tests = tcase_create("ops");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, known_points);
  tcase_add_test(tests, derivatives_over_all_broadcasts);
  tcase_add_test(tests, derivatives_of_shaped_ops);
  tcase_add_test(tests, values_outside_the_reals);
  tcase_add_test(tests, gradients_at_ties);
  tcase_add_test(tests, gradients_below_selections_are_guarded);
  tcase_add_test(tests, wrong_derivatives_are_caught);
  tcase_add_test(tests, wrong_values_and_adjoints_are_caught);
  return suite_run(suite);
}
