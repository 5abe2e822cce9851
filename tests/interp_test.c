/* The oracle against loops written out here: every shaped operation, sums of products, draws,
 * holding, and as a target. */
#include "compiler/oracle/interp.h"
#include "runtime/rng.h"
#include "tests/graph_random.h"

#include <string.h>

static Arena *arena;
static Module *module;
static Graph *graph;
static size_t program;
static uint64_t state; /* of the seeded numbers */

static void setup(void) {
  arena = arena_make();
  module = fixture_module(arena);
  graph = module->graph;
  program = fixture_program(module, "test");
  state = 7;
}

static void teardown(void) { arena_free(arena); }

static AxisId axis_of(const char *label, uint32_t extent, AxisClass order) {
  return fixture_axis(graph, label, extent, order);
}

/* Evaluates one node whose inputs `fill` sets. */
static Interp *interp_of(Node *node) {
  fixture_result(module, program, node);
  return interp_make(arena, module, program, false);
}

/* ---- products ---- */

/* [twin][m][k] x [twin][k][n] against three loops, at sizes around the tiles. */
static void check_product(uint32_t twins, uint32_t m, uint32_t n, uint32_t k, OpCode op) {
  setup();
  AxisId w = axis_of("twin", twins, AXIS_COPY), b = axis_of("batch", m, AXIS_ROW);
  AxisId i = axis_of("in", k, AXIS_FEATURE), o = axis_of("out", n, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(w, b, i)), *y = fixture_input(graph, "y", AXES(w, i, o));
  Node *sum = op == OP_contract
                  ? node_make(graph, OP_contract, (Attr){.axes = axes_one(i)}, x, y, NULL)
                  : node_sum(graph, node2(graph, op, x, y), axes_one(i));
  Interp *interp = interp_of(sum);
  const double *xs = fixture_fill(interp, graph, x, &state, -1, 1);
  const double *ys = fixture_fill(interp, graph, y, &state, -1, 1);
  interp_run(interp);
  const double *got = interp_value(interp, sum);
  for (uint32_t t = 0; t < twins; t++)
    for (uint32_t r = 0; r < m; r++)
      for (uint32_t c = 0; c < n; c++) {
        double want = 0;
        for (uint32_t j = 0; j < k; j++) want += xs[(t * m + r) * k + j] * ys[(t * k + j) * n + c];
        double value = got[(t * m + r) * n + c];
        ck_assert_msg(fixture_near(value, want, 1e-13), "%ux%ux%ux%u at %u %u %u: %g, not %g",
                      twins, m, n, k, t, r, c, value, want);
      }
  teardown();
}

START_TEST(products_agree_with_loops) {
  static const uint32_t sizes[] = {1, 3, 4, 5, 8, 17};
  teardown();
  for (size_t a = 0; a < COUNTOF(sizes); a++)
    for (size_t b = 0; b < COUNTOF(sizes); b++)
      for (size_t c = 0; c < COUNTOF(sizes); c++)
        check_product(1 + (uint32_t)a % 3, sizes[a], sizes[b], sizes[c], OP_mul);
  check_product(2, 6, 9, 600, OP_mul);
  check_product(2, 6, 9, 600, OP_contract);
  check_product(2, 6, 9, 33, OP_guard);
  setup();
}
END_TEST

/* sum[b, k](x[b, k] * y[k, n]): b is in x alone. */
START_TEST(product_sums_an_axis_of_one_factor) {
  AxisId b = axis_of("b", 5, AXIS_ROW), k = axis_of("k", 6, AXIS_FEATURE),
         n = axis_of("n", 19, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, k)), *y = fixture_input(graph, "y", AXES(k, n));
  Node *sum = node_sum(graph, node2(graph, OP_mul, x, y), AXES(b, k));
  Interp *interp = interp_of(sum);
  const double *xs = fixture_fill(interp, graph, x, &state, -1, 1);
  const double *ys = fixture_fill(interp, graph, y, &state, -1, 1);
  interp_run(interp);
  for (uint32_t c = 0; c < 19; c++) {
    double want = 0;
    for (uint32_t r = 0; r < 5; r++)
      for (uint32_t j = 0; j < 6; j++) want += xs[r * 6 + j] * ys[j * 19 + c];
    ck_assert(fixture_near(interp_value(interp, sum)[c], want, 1e-14));
  }
}
END_TEST

START_TEST(guarded_product_skips_what_is_not_finite) {
  AxisId b = axis_of("b", 8, AXIS_ROW), k = axis_of("k", 3, AXIS_FEATURE),
         n = axis_of("n", 8, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, k)), *y = fixture_input(graph, "y", AXES(k, n));
  Node *guarded = node_sum(graph, node2(graph, OP_guard, x, y), axes_one(k));
  Node *plain = node_sum(graph, node2(graph, OP_mul, x, y), axes_one(k));
  fixture_result(module, program, plain);
  Interp *interp = interp_of(guarded);
  double xs[24], ys[24];
  for (int i = 0; i < 24; i++) xs[i] = i % 3 == 1 ? 0 : 1, ys[i] = i / 8 == 1 ? INFINITY : 2;
  interp_set(interp, (uint32_t)x->attr.key, xs);
  interp_set(interp, (uint32_t)y->attr.key, ys);
  interp_run(interp);
  for (int i = 0; i < 64; i++) {
    ck_assert_double_eq(interp_value(interp, guarded)[i], 4);
    ck_assert_double_nan(interp_value(interp, plain)[i]);
  }
}
END_TEST

START_TEST(product_is_never_materialised) {
  AxisId b = axis_of("b", 64, AXIS_ROW), k = axis_of("k", 64, AXIS_FEATURE),
         n = axis_of("n", 64, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, k)), *y = fixture_input(graph, "y", AXES(k, n));
  fixture_result(module, program, node_sum(graph, node2(graph, OP_mul, x, y), axes_one(k)));
  const RlcModule *target = oracle_module(arena, module);
  ck_assert_uint_lt(target->programs[0].work_bytes, 8 * 64 * 64 * 8);
}
END_TEST

/* ---- shaped operations ---- */

START_TEST(sum_removes_axes_and_multiplies_by_lacking_ones) {
  AxisId a = axis_of("a", 3, AXIS_ROW), b = axis_of("b", 4, AXIS_DRAW),
         c = axis_of("c", 5, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(a, b));
  Node *over_a = node_sum(graph, x, AXES(a)), *over_b = node_sum(graph, x, AXES(b));
  Node *all = node_sum(graph, x, AXES(a, b, c));
  fixture_result(module, program, over_a);
  fixture_result(module, program, over_b);
  Interp *interp = interp_of(all);
  const double *xs = fixture_fill(interp, graph, x, &state, -1, 1);
  interp_run(interp);
  double total = 0;
  for (int j = 0; j < 4; j++) {
    double want = xs[j] + xs[4 + j] + xs[8 + j];
    total += want;
    ck_assert(fixture_near(interp_value(interp, over_a)[j], want, 1e-15));
  }
  for (int i = 0; i < 3; i++)
    ck_assert(fixture_near(interp_value(interp, over_b)[i],
                           xs[4 * i] + xs[4 * i + 1] + xs[4 * i + 2] + xs[4 * i + 3], 1e-15));
  ck_assert(fixture_near(*interp_value(interp, all), 5 * total, 1e-14));
}
END_TEST

START_TEST(positions_at_ties) {
  AxisId b = axis_of("b", 2, AXIS_ROW), x = axis_of("x", 5, AXIS_DRAW),
         top = axis_of("top", 3, AXIS_DRAW), full = axis_of("full", 5, AXIS_DRAW);
  Node *q = fixture_input(graph, "q", AXES(x, b));
  Node *low = node_argmin(graph, q, x), *high = node_argmax(graph, q, x);
  Node *three = node_order(graph, q, x, top), *five = node_order(graph, q, x, full);
  Node *all[] = {low, high, three, five};
  for (int i = 0; i < 4; i++) fixture_result(module, program, all[i]);
  Interp *interp = interp_make(arena, module, program, false);
  /* rows first: b outermost by class */
  static const double qs[] = {2, 1, 3, 1, 3, 7, 7, 7, 7, 7};
  interp_set(interp, (uint32_t)q->attr.key, qs);
  interp_run(interp);
  static const double lows[] = {1, 0}, highs[] = {2, 0};
  static const double threes[] = {0, 4, 2, 2, 1, 0}, fives[] = {3, 1, 0, 4, 2, 4, 3, 2, 1, 0};
  ck_assert_mem_eq(interp_value(interp, low), lows, sizeof lows);
  ck_assert_mem_eq(interp_value(interp, high), highs, sizeof highs);
  ck_assert_mem_eq(interp_value(interp, three), threes, sizeof threes);
  ck_assert_mem_eq(interp_value(interp, five), fives, sizeof fives);
  ck_assert(low->integer && high->integer && three->integer);
}
END_TEST

START_TEST(gather_and_scatter_agree_with_loops) {
  AxisId b = axis_of("b", 3, AXIS_ROW), x = axis_of("x", 4, AXIS_FEATURE),
         t = axis_of("t", 5, AXIS_DRAW);
  Node *v = fixture_input(graph, "v", AXES(b, x));
  Node *u = fixture_input(graph, "u", AXES(b, t));
  Node *i = node_input(graph, fixture_slot(graph, "i", RLC_I32, AXES(b, t)));
  Node *picked = node_gather(graph, v, i, x);
  Node *spread = node_scatter(graph, u, i, x, AXES(t));
  Node *spread_all = node_scatter(graph, u, i, x, AXES(b, t));
  Node *hot = node_scatter(graph, u, i, x, axes_none());
  Node *all[] = {picked, spread, spread_all, hot};
  for (int k = 0; k < 4; k++) fixture_result(module, program, all[k]);
  Interp *interp = interp_make(arena, module, program, false);
  const double *vs = fixture_fill(interp, graph, v, &state, -1, 1);
  const double *us = fixture_fill(interp, graph, u, &state, -1, 1);
  double positions[15], sums[12] = {0}, totals[4] = {0};
  for (int k = 0; k < 15; k++) positions[k] = random_below(&state, 4);
  interp_set(interp, (uint32_t)i->attr.key, positions);
  interp_run(interp);
  for (int r = 0; r < 3; r++)
    for (int k = 0; k < 5; k++) {
      int at = 5 * r + k, p = (int)positions[at];
      ck_assert_double_eq(interp_value(interp, picked)[at], vs[4 * r + p]);
      sums[4 * r + p] += us[at];
      totals[p] += us[at];
      for (int c = 0; c < 4; c++)
        ck_assert_double_eq(interp_value(interp, hot)[4 * at + c], c == p ? us[at] : 0);
    }
  for (int k = 0; k < 12; k++)
    ck_assert(fixture_near(interp_value(interp, spread)[k], sums[k], 1e-15));
  for (int k = 0; k < 4; k++)
    ck_assert(fixture_near(interp_value(interp, spread_all)[k], totals[k], 1e-15));
}
END_TEST

/* Running values in both directions, with a coefficient for all rows. */
START_TEST(scans_run_along_their_axis) {
  AxisId b = axis_of("b", 2, AXIS_ROW), t = axis_of("t", 4, AXIS_ROW);
  Node *x = fixture_input(graph, "x", AXES(b, t)), *a = fixture_input(graph, "a", AXES(t));
  Node *on = node_scan(graph, a, x, t, false), *back = node_scan(graph, a, x, t, true);
  Node *counted = node_scan(graph, node_const(graph, 1), node_const(graph, 2), t, false);
  fixture_result(module, program, on);
  fixture_result(module, program, back);
  fixture_result(module, program, counted);
  Interp *interp = interp_make(arena, module, program, false);
  interp_set(interp, (uint32_t)x->attr.key, (double[]){1, 2, 3, 4, -1, 0, 5, 0});
  interp_set(interp, (uint32_t)a->attr.key, (double[]){7, 0.5, 0, 2});
  interp_run(interp);
  static const double onward[] = {1, 2.5, 3, 10, -1, -0.5, 5, 10};
  static const double backward[] = {1 + 7 * 3.5, 2 + 0.5 * 3, 3, 4, -1 + 7 * 2.5, 2.5, 5, 0};
  static const double twos[] = {2, 4, 6, 8};
  ck_assert_mem_eq(interp_value(interp, on), onward, sizeof onward);
  ck_assert_mem_eq(interp_value(interp, back), backward, sizeof backward);
  ck_assert_mem_eq(interp_value(interp, counted), twos, sizeof twos);
}
END_TEST

/* Constant positions, along another axis and along the same; what has no such axis stays. */
START_TEST(takes_read_constant_positions) {
  AxisId b = axis_of("b", 2, AXIS_ROW), f = axis_of("f", 3, AXIS_FEATURE),
         g = axis_of("g", 5, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, f));
  Node *other = node_take(graph, x, f, g, (double[]){2, 2, 0, 1, 0});
  Node *same = node_take(graph, x, f, f, (double[]){2, 1, 0});
  Node *next = node_shift(graph, x, f, -1),
       *put =
           node_scatter(graph, other, node_table(graph, g, (double[]){0, 2, 2, 2, 0}), f, AXES(g));
  ck_assert_ptr_eq(node_take(graph, x, f, f, (double[]){0, 1, 2}), x);
  ck_assert_ptr_eq(node_take(graph, x, g, g, (double[]){0, 0, 0, 0, 0}), x);
  ck_assert_int_eq(
      node_take(graph, node_table(graph, f, (double[]){5, 6, 7}), f, g, (double[]){2, 2, 0, 1, 0})
          ->op,
      OP_table);
  ck_assert(axes_equal(node_shift(graph, x, b, 1)->axes, AXES(f))); /* one row everywhere */
  Node *all[] = {other, same, next, put};
  for (int i = 0; i < 4; i++) fixture_result(module, program, all[i]);
  Interp *interp = interp_make(arena, module, program, false);
  interp_set(interp, (uint32_t)x->attr.key, (double[]){1, 2, 3, 4, 5, 6});
  interp_run(interp);
  static const double others[] = {3, 3, 1, 2, 1, 6, 6, 4, 5, 4}, sames[] = {3, 2, 1, 6, 5, 4};
  static const double nexts[] = {1, 1, 2, 4, 4, 5}, puts[] = {4, 0, 6, 10, 0, 15};
  ck_assert_mem_eq(interp_value(interp, other), others, sizeof others);
  ck_assert_mem_eq(interp_value(interp, same), sames, sizeof sames);
  ck_assert_mem_eq(interp_value(interp, next), nexts, sizeof nexts);
  ck_assert_mem_eq(interp_value(interp, put), puts, sizeof puts);
}
END_TEST

/* result[b][f] = value[b][index[b][f]] */
START_TEST(gathers_along_the_axis_of_their_positions) {
  AxisId b = axis_of("b", 2, AXIS_ROW), f = axis_of("f", 3, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, f));
  Node *i = node_input(graph, fixture_slot(graph, "i", RLC_I32, AXES(b, f)));
  Node *got = node_gather(graph, x, i, f);
  ck_assert(axes_equal(got->axes, x->axes));
  Interp *interp = interp_of(got);
  interp_set(interp, (uint32_t)x->attr.key, (double[]){1, 2, 3, 4, 5, 6});
  interp_set(interp, (uint32_t)i->attr.key, (double[]){2, 0, 0, 1, 1, 2});
  interp_run(interp);
  static const double want[] = {3, 1, 1, 5, 5, 6};
  ck_assert_mem_eq(interp_value(interp, got), want, sizeof want);
}
END_TEST

/* The new axis may stand elsewhere in the order of axes. */
START_TEST(rename_moves_the_axis_to_its_place) {
  AxisId b = axis_of("b", 2, AXIS_ROW), f = axis_of("f", 3, AXIS_FEATURE),
         w = axis_of("w", 3, AXIS_COPY);
  Node *x = fixture_input(graph, "x", AXES(b, f)), *y = node_rename(graph, x, f, w);
  Interp *interp = interp_of(y);
  static const double xs[] = {1, 2, 3, 4, 5, 6}, want[] = {1, 4, 2, 5, 3, 6};
  interp_set(interp, (uint32_t)x->attr.key, xs);
  interp_run(interp);
  ck_assert_mem_eq(interp_value(interp, y), want, sizeof want);
}
END_TEST

START_TEST(maps_broadcast_by_name) {
  AxisId b = axis_of("b", 2, AXIS_ROW), t = axis_of("t", 3, AXIS_DRAW),
         f = axis_of("f", 4, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(b, f)), *y = fixture_input(graph, "y", AXES(t)),
       *z = fixture_input(graph, "z", axes_none());
  Node *r = node3(graph, OP_where, node2(graph, OP_lt, x, y), z, node2(graph, OP_sub, x, y));
  Interp *interp = interp_of(r);
  const double *xs = fixture_fill(interp, graph, x, &state, -1, 1);
  const double *ys = fixture_fill(interp, graph, y, &state, -1, 1);
  const double *zs = fixture_fill(interp, graph, z, &state, -1, 1);
  interp_run(interp);
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 4; k++)
        ck_assert_double_eq(interp_value(interp, r)[(i * 3 + j) * 4 + k],
                            xs[i * 4 + k] < ys[j] ? zs[0] : xs[i * 4 + k] - ys[j]);
}
END_TEST

/* ---- draws ---- */

/* Element n of a draw is numbered with the tries outside the rows, so more tries leave the first
 * ones alone. */
START_TEST(draws_are_philox_and_keep_their_first_tries) {
  AxisId b = axis_of("b", 3, AXIS_ROW), few = axis_of("few", 2, AXIS_DRAW),
         many = axis_of("many", 5, AXIS_DRAW);
  uint64_t stream = 0x123456789abcdef0u;
  Node *u2 = node_uniform(graph, stream, AXES(b, few), 1);
  Node *u5 = node_uniform(graph, stream, AXES(b, many), 1);
  fixture_result(module, program, u2);
  fixture_result(module, program, u5);
  Interp *interp = interp_make(arena, module, program, false);
  interp_draws(interp, 42, 9);
  interp_run(interp);
  for (uint32_t r = 0; r < 3; r++)
    for (uint32_t t = 0; t < 5; t++) {
      double want = rng_uniform(philox(42, 0x12345678u ^ 0x9abcdef0u, 9, t * 3 + r).word[1]);
      ck_assert_double_eq(interp_value(interp, u5)[r * 5 + t], want);
      if (t < 2) ck_assert_double_eq(interp_value(interp, u2)[r * 2 + t], want);
    }
}
END_TEST

/* ---- slots ---- */

START_TEST(inputs_are_from_before_the_program) {
  AxisId b = axis_of("b", 3, AXIS_ROW);
  Node *x = fixture_input(graph, "x", AXES(b)), *y = fixture_input(graph, "y", AXES(b));
  Node *n = node_input(graph, fixture_slot(graph, "n", RLC_I32, AXES(b)));
  fixture_output(module, program, 0, y);
  fixture_output(module, program, 1, x);
  fixture_output(module, program, 2, node_const(graph, 3)); /* repeats along b */
  Interp *interp = interp_make(arena, module, program, false);
  double ones[] = {1, 2, 3}, twos[] = {4, 5, 6}, got[3];
  interp_set(interp, 0, ones);
  interp_set(interp, 1, twos);
  interp_run(interp);
  interp_get(interp, 0, got);
  ck_assert_mem_eq(got, ones, sizeof got); /* nothing stored yet */
  interp_store(interp);
  interp_get(interp, 0, got);
  ck_assert_mem_eq(got, twos, sizeof got);
  interp_get(interp, 1, got);
  ck_assert_mem_eq(got, ones, sizeof got);
  interp_get(interp, 2, got);
  ck_assert_double_eq(got[0] + got[1] + got[2], 9);
  ck_assert(n->integer);
}
END_TEST

START_TEST(dead_values_are_dropped) {
  AxisId b = axis_of("b", 1000, AXIS_ROW);
  Node *x = fixture_input(graph, "x", AXES(b)), *y = x;
  for (int i = 0; i < 50; i++) y = node1(graph, i % 2 ? OP_tanh : OP_sin, y);
  fixture_result(module, program, y);
  const RlcModule *target = oracle_module(arena, module);
  ck_assert_uint_le(target->programs[0].work_bytes, 3 * 8000);
}
END_TEST

START_TEST(held_values_replace_and_reruns_follow) {
  AxisId b = axis_of("b", 4, AXIS_ROW);
  Node *x = fixture_input(graph, "x", AXES(b)), *mark = node_mark(graph, x);
  Node *stop = node1(graph, OP_stop, mark);
  Node *e = node_sum(graph, node2(graph, OP_mul, mark, stop), AXES(b));
  fixture_result(module, program, e);
  Interp *interp = interp_make(arena, module, program, true);
  double xs[] = {1, 2, 3, 4}, held[] = {1, 2, 3, 5}, base[4];
  interp_set(interp, 0, xs);
  interp_run(interp);
  ck_assert_double_eq(*interp_value(interp, e), 30);
  memcpy(base, interp_value(interp, stop), sizeof base);
  interp_hold(interp, mark, held);
  interp_rerun(interp, mark);
  ck_assert_double_eq(*interp_value(interp, e), 39);
  interp_hold(interp, stop, base);
  interp_run(interp);
  ck_assert_double_eq(*interp_value(interp, e), 34);
  interp_hold(interp, mark, NULL);
  interp_rerun(interp, mark);
  ck_assert_double_eq(*interp_value(interp, e), 30);
}
END_TEST

/* Evaluating only what depends on an input gives what evaluating everything gives. */
START_TEST(reruns_agree_with_runs) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    teardown();
    setup();
    RandomGraph *g = random_graph(arena, seed, 120, 6);
    Interp *again = interp_make(arena, g->module, 0, true);
    Interp *whole = interp_make(arena, g->module, 0, false);
    for (uint32_t i = 0; i < g->input_count; i++) {
      uint64_t numbers = seed;
      fixture_fill(again, g->graph, g->inputs[i], &numbers, -1, 1);
      numbers = seed;
      fixture_fill(whole, g->graph, g->inputs[i], &numbers, -1, 1);
    }
    interp_run(again);
    for (uint32_t i = 0; i < g->input_count; i++) {
      uint64_t numbers = seed + 1000;
      fixture_fill(again, g->graph, g->inputs[i], &numbers, -1, 1);
      numbers = seed + 1000;
      fixture_fill(whole, g->graph, g->inputs[i], &numbers, -1, 1);
      interp_rerun(again, g->inputs[i]);
      interp_run(whole);
      for (size_t k = 0; k < g->module->programs[0].output_count; k++) {
        const Node *node = g->module->programs[0].outputs[k].node;
        ck_assert_mem_eq(interp_value(again, node), interp_value(whole, node),
                         axes_extent(g->graph, node->axes) * sizeof(double));
      }
    }
  }
}
END_TEST

/* ---- as a target ---- */

START_TEST(target_runs_programs_in_the_callers_memory) {
  AxisId b = axis_of("batch", 3, AXIS_ROW), f = axis_of("f", 2, AXIS_FEATURE);
  uint32_t w = graph_slot(graph, "w", RLC_PARAMETER, RLC_F32, AXES(b, f), NOWHERE);
  uint32_t n = graph_slot(graph, "n", RLC_COLUMN, RLC_I32, AXES(b), NOWHERE);
  fixture_output(module, program, w,
                 node2(graph, OP_add, node_input(graph, w), node_input(graph, n)));
  size_t second = fixture_program(module, "second");
  fixture_output(module, second, n, node_argmax(graph, node_input(graph, w), f));
  const RlcModule *target = oracle_module(arena, module);
  ck_assert_uint_eq(target->slots[w].type, RLC_F64);
  ck_assert_uint_eq(target->slots[n].type, RLC_I32);
  ck_assert_uint_eq(target->slots[w].rank, 2);
  ck_assert_str_eq(target->slots[w].dims[0].axis, "batch");
  ck_assert_uint_eq(target->slots[w].offset % 64, 0);
  ck_assert_uint_eq(target->slots[n].offset % 64, 0);
  ck_assert_str_eq(target->target, "oracle");
  char *memory = arena_alloc(arena, target->memory_bytes);
  double *ws = (double *)(void *)(memory + target->slots[w].offset);
  int32_t *ns = (int32_t *)(void *)(memory + target->slots[n].offset);
  for (int i = 0; i < 3; i++) ns[i] = 10 * i, ws[2 * i + 1] = i - 1;
  uint64_t done[2] = {0, 0};
  for (uint32_t p = 0; p < 2; p++)
    for (uint32_t thread = 0; thread < 2; thread++) {
      RlcCall call = {.memory = memory, .thread = thread, .threads = 2, .done = done};
      call.work = arena_alloc(arena, target->programs[p].work_bytes + 1);
      call.context = target->programs[p].context;
      target->programs[p].run(&call);
    }
  static const double want[] = {0, -1, 10, 10, 20, 21};
  ck_assert_mem_eq(ws, want, sizeof want);
  ck_assert(ns[0] == 0 && ns[1] == 0 && ns[2] == 1);
  ck_assert(done[0] > 0 && done[1] == 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("interp");
  TCase *tests = tcase_create("interp");
  suite_add_tcase(suite, tests);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, products_agree_with_loops);
  tcase_add_test(tests, product_sums_an_axis_of_one_factor);
  tcase_add_test(tests, guarded_product_skips_what_is_not_finite);
  tcase_add_test(tests, product_is_never_materialised);
  tcase_add_test(tests, sum_removes_axes_and_multiplies_by_lacking_ones);
  tcase_add_test(tests, positions_at_ties);
  tcase_add_test(tests, gather_and_scatter_agree_with_loops);
  tcase_add_test(tests, scans_run_along_their_axis);
  tcase_add_test(tests, takes_read_constant_positions);
  tcase_add_test(tests, gathers_along_the_axis_of_their_positions);
  tcase_add_test(tests, rename_moves_the_axis_to_its_place);
  tcase_add_test(tests, maps_broadcast_by_name);
  tcase_add_test(tests, draws_are_philox_and_keep_their_first_tries);
  tcase_add_test(tests, inputs_are_from_before_the_program);
  tcase_add_test(tests, dead_values_are_dropped);
  tcase_add_test(tests, held_values_replace_and_reruns_follow);
  tcase_add_test(tests, reruns_agree_with_runs);
  tcase_add_test(tests, target_runs_programs_in_the_callers_memory);
  return suite_run(suite);
}
