/* Axis tools, scans and the prelude's functions by their values: golden numbers of the papers'
 * sheets, brute force over subsets, and equalities between two ways of saying one thing. Every case
 * is an expression over parameters (not folded) in one spec, run on the oracle and as generated C.
 */
#include "tests/spec_code.h"

#include <math.h>

enum { MAX_CASES = 160, MAX_VALUES = 8 };

typedef struct Case {
  const char *expr, *axis; /* NULL: a scalar */
  int count;
  double values[MAX_VALUES], tolerance;
} Case;

static Case cases[MAX_CASES];
static size_t case_count;

static void expect_values(const char *expr, const char *axis, int count, const double *values,
                          double tolerance) {
  ck_assert_uint_lt(case_count, MAX_CASES);
  Case *c = &cases[case_count++];
  *c = (Case){.expr = expr, .axis = axis, .count = count, .tolerance = tolerance};
  memcpy(c->values, values, (size_t)count * sizeof *values);
}

#define VALUES(expr, axis, ...)                                                                    \
  do {                                                                                             \
    double values_[] = {__VA_ARGS__};                                                              \
    expect_values(expr, axis, COUNTOF(values_), values_, 1e-12);                                   \
  } while (0)
/* Numbers as a sheet prints them, to so many digits. */
#define PRINTED(digits, expr, axis, ...)                                                           \
  do {                                                                                             \
    double values_[] = {__VA_ARGS__};                                                              \
    expect_values(expr, axis, COUNTOF(values_), values_, 0.5 * pow(10, -(digits)) + 1e-12);        \
  } while (0)
#define SCALAR(expr, value) VALUES(expr, NULL, value)

/* ---- one spec of all cases ---- */

/* The parameters that cases speak of. */
static const char head[] = "name: tools\n"
                           "parameters:\n"
                           "  p: {axes: [k=3], init: 'stack[k](3, 1, 2)'}\n"
                           "  m: {axes: [i=2, j=3], init: '10 * iota[i=2] + iota[j=3]'}\n"
                           "  one: {axes: [e=1], init: 5}\n"
                           "  c: {init: 2}\n"
                           "  x: {axes: [step_=4], init: 'stack[step_](1, 0.5, -0.2, 0.3)'}\n"
                           "  v: {axes: [step_=4], init: 'stack[step_](2, 1.5, 1, 0.7)'}\n"
                           "  q: {axes: [a=4], init: 'stack[a](0.1, 0.5, -0.2, 0.3)'}\n"
                           "  w: {axes: [a=4], init: 'stack[a](0.4, 0.3, 0.2, 0.1)'}\n"
                           "  g: {axes: [n=6], init: 'stack[n](0.3, -1.2, 2.5, 0.8, -0.4, 1.1)'}\n"
                           "  b: {axes: [n=6], init: 'stack[n](0, 1, 0, 1, 0, 0)'}\n"
                           "  d: {axes: [bin=5], init: 'stack[bin](0.1, 0.2, 0.4, 0.2, 0.1)'}\n"
                           "losses:\n"
                           "  fit:\n"
                           "    over: p\n";

static const char *spec_of_cases(Arena *arena) {
  const char *lets = "    let:\n", *logs = "    log:\n";
  for (size_t i = 0; i < case_count; i++) {
    const Case *c = &cases[i];
    lets = arena_printf(arena, "%s      e%zu: %s\n", lets, i, c->expr);
    for (int k = 0; k < c->count; k++)
      logs = c->axis ? arena_printf(arena, "%s      e%zu_%d: index[%s=%d](e%zu)\n", logs, i, k,
                                    c->axis, k, i)
                     : arena_printf(arena, "%s      e%zu_%d: e%zu\n", logs, i, k, i);
  }
  return arena_printf(arena,
                      "%s%s    minimize: sum[k](p)\n%soptimizers: {default: sgd(0.1)}\nloop:\n  - "
                      "descend: fit\n",
                      head, lets, logs);
}

static void check_runner(const Runner *runner, const char *kind) {
  for (size_t i = 0; i < case_count; i++)
    for (int k = 0; k < cases[i].count; k++) {
      const Case *c = &cases[i];
      char name[64];
      snprintf(name, sizeof name, "metric.fit/e%zu_%d", i, k);
      double value =
          rlc_slot_get(&runner->rlc->slots[spec_slot(&runner->spec, name)], runner->memory, 0);
      ck_assert_msg(fabs(value - c->values[k]) <= c->tolerance,
                    "%s: %s at %s=%d is %.15g and should be %.15g", kind, c->expr,
                    c->axis ? c->axis : "-", k, value, c->values[k]);
    }
}

/* Runs what was expected since the last time. */
static void check_cases(void) {
  Arena *arena = arena_make();
  const char *text = spec_of_cases(arena);
  Spec spec = spec_text(text, "");
  spec_passes(&spec, "grad");
  Runner oracle = runner_oracle(spec);
  Spec other = spec_text(text, "");
  spec_passes(&other, NULL);
  Runner code = runner_code(other, RLC_F64);
  runner_run(&oracle, "init", 1, 0);
  runner_copy(&code, &oracle);
  runner_run(&oracle, "update", 1, 0);
  runner_run(&code, "update", 1, 0);
  check_runner(&oracle, "oracle");
  check_runner(&code, "code");
  runner_close(&oracle);
  runner_close(&code);
  arena_free(arena);
  case_count = 0;
}

/* ---- axis tools ---- */

START_TEST(axis_tools) {
  VALUES("concat[k](p, 7, 2 * p)", "k", 3, 1, 2, 7, 6, 2, 4);
  VALUES("concat[k](c, p)", "k", 2, 3, 1, 2);
  VALUES("concat[k](take[k=2](iota[k=3]), iota[k=3])", "k", 0, 1, 0, 1, 2);
  VALUES("concat[z](c)", "z", 2);
  VALUES("concat[k](sort[k](p), 0)", "k", 1, 2, 3, 0);
  VALUES("index[i=1](concat[j](m, 5, index[i=0](m)))", "j", 10, 11, 12, 5, 0, 1, 2);
  VALUES("stack[z](c, 1, index[k=0](p))", "z", 2, 1, 3);
  VALUES("index[i=1](stack[z](sum[j](m), index[j=1](m)))", "z", 33, 11);
  VALUES("stack[z](c)", "z", 2);
  VALUES("take[k=2](p)", "k", 3, 1);
  VALUES("take[k=3](p)", "k", 3, 1, 2);
  VALUES("take[k=2](sort[k](p))", "k", 1, 2);
  VALUES("rename[k, z](p)", "z", 3, 1, 2);
  VALUES("sum[k](where(p < rename[k, z](p), 1, 0))", "z", 2, 0, 1);
  VALUES("rename[z, k](rename[k, z](sort[k](p))) - p", "k", -2, 1, 1);
  VALUES("join[r](m, i, j)", "r", 0, 1, 2, 10, 11, 12);
  VALUES("join[r](m, j, i)", "r", 0, 10, 1, 11, 2, 12);
  VALUES("join[r](p, k)", "r", 3, 1, 2);
  VALUES("join[k](p * one, e, k)", "k", 15, 5, 10);
  VALUES("rank[k](p)", "k", 2, 0, 1);
  VALUES("rank[k](0 * p)", "k", 2, 1, 0);
  VALUES("gather[k](sort[k](p), rank[k](p))", "k", 3, 1, 2);
  VALUES("sort[k](10 * iota[k=3] + 0 * p, by=p)", "k", 10, 20, 0);
  VALUES("bucket[k, cell=2](p, floor(0.5 * p))", "cell", 1, 5);
  VALUES("bucket[k, cell=3](1, rank[k](p))", "cell", 1, 1, 1);
  VALUES("sum[j](bucket[i, cell=2](m, 1 - iota[i=2]))", "cell", 33, 3);
  VALUES("gather[cell](bucket[k, cell=3](10 * p, rank[k](p)), rank[k](p))", "k", 30, 10, 20);
  VALUES("index[i=1](sort[j](m, by=-m))", "j", 12, 11, 10);
  VALUES("gather[k](p, stack[z](2, 0, 2, 1))", "z", 2, 3, 2, 1);
  VALUES("shift[k=1](p)", "k", 0, 3, 1);
  VALUES("shift[k=-1](p, fill=9)", "k", 1, 2, 9);
  VALUES("shift[k=5](p)", "k", 0, 0, 0);
  VALUES("shift[k=-1](sort[k](p)) - sort[k](p)", "k", 1, 1, -3);
  VALUES("cumsum[k](p)", "k", 3, 4, 6);
  VALUES("cumsum[k](p, reverse=true)", "k", 6, 3, 2);
  VALUES("cumsum[k](sort[k](p))", "k", 1, 3, 6);
  VALUES("index[i=1](cumsum[j](m))", "j", 10, 21, 33);
  SCALAR("sum[z](0 * iota[z=1]) + sum[z](2 + 0 * iota[z=4])", 8);
  check_cases();
}
END_TEST

/* Whole numbers remain positions through concat, stack, take and rename. */
START_TEST(positions_stay_whole) {
  VALUES("gather[k](p, concat[z](argmax[k](p), stack[z](2, argmin[k](p))))", "z", 3, 2, 1);
  VALUES("gather[k](p, stack[z](argmin[k](p), argmax[k](p)))", "z", 1, 3);
  VALUES("gather[k](p, rename[k, z](rank[k](p)))", "z", 2, 3, 1);
  check_cases();
}
END_TEST

START_TEST(scans_and_unrolls) {
  VALUES("linear_scan[k](0.5, p)", "k", 3 + 0.5 * (1 + 0.5 * 2), 1 + 0.5 * 2, 2);
  VALUES("linear_scan[k](0.5, p, reverse=false)", "k", 3, 2.5, 3.25);
  VALUES("linear_scan[k](p, 1)", "k", 1 + 3 * (1 + 1 * 1), 1 + 1 * 1, 1);
  VALUES("scan[k](h = 0, p + 0.5 * h)", "k", 4, 2, 2);
  VALUES("scan[k](h = c, p + 0.5 * h)", "k", 4.25, 2.5, 3);
  VALUES("scan[k](h = c, p - h * 0.5 + h, reverse=false)", "k", 4, 3, 3.5);
  VALUES("scan[k](h = 1, where(p > 1.5, -(h - p) / c, p))", "k", 1, 1, 0.5);
  VALUES("index[i=1](scan[j](h = sum[j](m), h + m))", "j", 66, 56, 45);
  VALUES("scan[k](h = 3, p)", "k", 3, 1, 2);
  SCALAR("unroll[j=3](r = record(low = c, high = 1), record(low = r.low - r.high, high = 2 * "
         "r.high)).low",
         2 - 1 - 2 - 4);
  SCALAR("unroll[j=0](r = record(low = c), record(low = 0)).low", 2);
  SCALAR("record(a = c, b = 2 * c).b", 4);
  SCALAR("sum[k](unroll[j=2](s = c, s * p))", 2 * (9 + 1 + 4));
  check_cases();
}
END_TEST

/* ---- returns ---- */

START_TEST(returns) {
  VALUES("discounted[step_](x, stack[step_](0, 1, 0, 0), 0.5)", "step_", 1.25, 0.5, -0.05, 0.3);
  /* The sheet's rollout ends at its second step: once by time, once for good. */
  PRINTED(6, "td_lambda[step_](x, v, 0, stack[step_](0, 1, 0, 0), 0.99, 0.95)", "step_", 2.965892,
          1.985, 0.783416, 0.993);
  PRINTED(6, "td_lambda[step_](x, v, stack[step_](0, 1, 0, 1), 0, 0.99, 0.95)", "step_", 1.56925,
          0.5, 0.13165, 0.3);
  PRINTED(6,
          "td_lambda[step_](stack[step_](1, 0, 2, 0.5), stack[step_](2.5, 2, 1.5, 1), 0, 0, 0.99, "
          "0.65)",
          "step_", 3.752642, 2.931457, 3.478565, 1.49);
  VALUES("td_lambda[step_](x, v, stack[step_](0, 1, 0, 0), stack[step_](0, 1, 0, 0), 1, 0)",
         "step_", 3, 0.5, 0.8, 1);
  double delta[4], advantage[5] = {0}, terminated[] = {0, 1, 0, 0}, truncated[] = {0, 0, 1, 0};
  double x[] = {1, 0.5, -0.2, 0.3}, v[] = {2, 1.5, 1, 0.7};
  for (int t = 3; t >= 0; t--) {
    delta[t] = x[t] + 0.9 * (1 - terminated[t]) * 2 * v[t] - v[t];
    advantage[t] = delta[t] + (terminated[t] || truncated[t] ? 0 : 0.9 * 0.8 * advantage[t + 1]);
  }
  expect_values(
      "gae[step_](x, v, 2 * v, stack[step_](0, 1, 0, 0), stack[step_](0, 0, 1, 0), 0.9, 0.8)",
      "step_", 4, advantage, 1e-12);
  SCALAR("n_step[step_](x, stack[step_](1, 1, 1, 0), stack[step_](0, 0, 0, 1), 0.9).total",
         1 + 0.9 * 0.5 - 0.81 * 0.2);
  SCALAR("n_step[step_](x, stack[step_](1, 1, 1, 0), stack[step_](0, 0, 0, 1), 0.9).discount",
         0.9 * 0.9 * 0.9);
  SCALAR("n_step[step_](x, stack[step_](1, 1, 1, 0), stack[step_](0, 0, 1, 0), 0.9).discount", 0);
  SCALAR("last_valid[step_](v, stack[step_](1, 1, 1, 0))", 1);
  SCALAR("last_valid[step_](v, stack[step_](1, 1, 1, 1))", 0.7);
  check_cases();
}
END_TEST

/* ---- losses and supports ---- */

START_TEST(functions) {
  VALUES("huber(p - 2.5)", "k", 0.125, 1, 0.125);
  VALUES("huber(p, delta=2)", "k", 4, 0.5, 2);
  VALUES("expectile(p - 2, 0.9)", "k", 0.9, 0.1 * 1, 0);
  VALUES("quantile_huber(p - 2, 0.75, delta=0.5)", "k", 0.75 * 0.75, 0.25 * 0.75, 0);
  VALUES("leaky_relu(p - 2)", "k", 1, -0.01, 0);
  VALUES("swish(p) - silu(p)", "k", 0, 0, 0);
  SCALAR("mish(c)", 2 * tanh(log(1 + exp(2))));
  SCALAR("symlog(symexp(-c))", -2);
  VALUES("ceil(p / 2)", "k", 2, 1, 1);
  /* a comparison below the rectifier's own constant is not read off the rectified value */
  VALUES("max(0, x) + 10 * le(x, -0.1)", "step_", 1, 0.5, 10, 0.3);
  SCALAR("linear(3, 1, over=0.25 * c)", 2);
  SCALAR("linear(3, 1, c)", 1);
  SCALAR("cosine(3, 1, over=0.25 * c)", 2);
  SCALAR("cosine(3, 1, over=c / 8)", 2 + cos(M_PI / 4));
  VALUES("l2_normalize[k](p)", "k", 3 / sqrt(14), 1 / sqrt(14), 2 / sqrt(14));
  SCALAR("log_sum_exp[k](700 * p)", 2100);
  SCALAR("var[k](p)", 2.0 / 3);
  SCALAR("std[k](p, ddof=1)", 1);
  SCALAR("explained_variance[k](p - 0.5 * iota[k=3], p)", 1 - (1.0 / 6) / (2.0 / 3));
  SCALAR("cross_entropy[k](one_hot[k](argmax[k](p)), p)", log(1 + exp(-2) + exp(-1)));
  VALUES("one_hot[k](argmin[k](p))", "k", 0, 1, 0);
  VALUES("linspace[bin=5](c, 4)", "bin", 2, 2.5, 3, 3.5, 4);
  VALUES("linspace[z=1](c, 4)", "z", 2);
  SCALAR("nearest[bin](linspace[bin=5](-1, 1), 0.3)", 3);
  SCALAR("expected[k](log(p), p)", (9.0 + 1 + 4) / 6);
  VALUES("two_hot[bin](c + 0.25, linspace[bin=5](0, 4))", "bin", 0, 0, 0.75, 0.25, 0);
  VALUES("two_hot[bin](9, linspace[bin=5](0, 4))", "bin", 0, 0, 0, 0, 1);
  VALUES("two_hot[bin](-9, linspace[bin=5](0, 4))", "bin", 1, 0, 0, 0, 0);
  VALUES("two_hot[bin](c, square(linspace[bin=5](0, 4)))", "bin", 0, 2.0 / 3, 1.0 / 3, 0, 0);
  PRINTED(6, "hl_gauss[bin=5](1.3 * c / 2, 0, 4)", "bin", 0.135980, 0.465900, 0.342878, 0.053562,
          0.001681);
  PRINTED(6, "hl_gauss[bin=5](-7 * c, 0, 4)", "bin", 0.662221, 0.307345, 0.029861, 0.000572,
          0.000002);
  PRINTED(5, "sum[z](hl_gauss[z=151](0 * c, 0, 150) * linspace[z=151](0, 150))", NULL, 0.36879);
  VALUES("project[bin](d, 0.5 + 0.9 * linspace[bin=5](-2, 2), -2, 2)", "bin", 0.03, 0.15, 0.32,
         0.32, 0.18);
  VALUES("project[bin](d, 2 + 0 * linspace[bin=5](-2, 2), -2, 2)", "bin", 0, 0, 0, 0, 1);
  PRINTED(6, "dpo_drift(0.75 * c, c)", NULL, 0.075766);
  PRINTED(6, "dpo_drift(0.3 * c, c)", NULL, 0);
  PRINTED(6, "dpo_drift(0.75 * c, -c)", NULL, 0);
  PRINTED(6, "dpo_drift(0.3 * c, -c)", NULL, 0.460200);
  PRINTED(6, "dpo_drift(1.5 * c, c / 2)", NULL, 0.476812);
  check_cases();
}
END_TEST

/* ---- the best of several draws from finitely many options ---- */

/* The mean of f(best of n draws from w over q), by enumeration. */
static double mean_over_draws(int n, double best, double value, bool improvement) {
  static const double q[] = {0.1, 0.5, -0.2, 0.3}, w[] = {0.4, 0.3, 0.2, 0.1};
  if (n == 0) return improvement ? fmax(value - best, 0) : best;
  double mean = 0;
  for (int i = 0; i < 4; i++)
    mean += w[i] * mean_over_draws(n - 1, fmax(best, q[i]), value, improvement);
  return mean;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* sum alpha_j X_(j) of n draws from w over q, on average, by enumeration; `fixed`: the first draw,
 * or -1. */
static double order_over_draws(int n, const double *alpha, int fixed) {
  static const double q[] = {0.1, 0.5, -0.2, 0.3}, w[] = {0.4, 0.3, 0.2, 0.1};
  double mean = 0;
  for (int draws = 0; draws < 1 << (2 * n); draws++) {
    double values[MAX_VALUES], chance = 1;
    if (fixed >= 0 && (draws & 3) != fixed) continue;
    for (int i = 0; i < n; i++) {
      values[i] = q[draws >> (2 * i) & 3];
      if (i > 0 || fixed < 0) chance *= w[draws >> (2 * i) & 3];
    }
    qsort(values, (size_t)n, sizeof *values, by_value);
    for (int j = 0; j < n; j++) mean += chance * alpha[j] * values[j];
  }
  return mean;
}

/* Any weights of ranks, of 1 to 4 draws: the statistic and what it is more where one draw is each.
 */
START_TEST(orders_of_draws) {
  static const double alpha[4] = {0.7, -0.4, 1.5, 0.2};
  static const char *const weights[] = {"stack[z](0.7)", "stack[z](0.7, -0.4)",
                                        "stack[z](0.7, -0.4, 1.5)",
                                        "stack[z](0.7, -0.4, 1.5, 0.2)"};
  static char texts[2][4][100];
  for (int n = 1; n <= 4; n++) {
    double value = order_over_draws(n, alpha, -1), advantage[4];
    for (int b = 0; b < 4; b++) advantage[b] = order_over_draws(n, alpha, b) - value;
    snprintf(texts[0][n - 1], 100, "expected_order[a, z](q, w, %s)", weights[n - 1]);
    snprintf(texts[1][n - 1], 100, "expected_order_advantage[a, z](q, w, %s)", weights[n - 1]);
    SCALAR(texts[0][n - 1], value);
    expect_values(texts[1][n - 1], "a", 4, advantage, 1e-13);
  }
  SCALAR("expected_order[a, z](q, w, top_rank[z=5](1)) - expected_best[a](q, w, 5)", 0);
  VALUES("expected_order_advantage[a, z](q, w, top_rank[z=3](1)) - "
         "rename[o, a](expected_improvement[a](rename[a, o](q), q, w, 2)) + "
         "mean_improvement[a](q, q, w, 2)",
         "a", 0, 0, 0, 0);
  check_cases();
}
END_TEST

START_TEST(draws_from_finitely_many) {
  SCALAR("expected_best[a](q, w, 1)", mean_over_draws(1, -INFINITY, 0, false));
  SCALAR("expected_best[a](q, w, 3)", mean_over_draws(3, -INFINITY, 0, false));
  SCALAR("expected_improvement[a](0.2, q, w, 2)", mean_over_draws(2, -INFINITY, 0.2, true));
  SCALAR("expected_improvement[a](0.4, q, w, 0)", 0.4 + 0.2);
  /* The sheet's advantages: a return of 1, -1 or 0.2 in place of q[a=0], for three retry budgets.
   */
  static const char *const gains[] = {"1", "-1", "0.2"};
  static const double advantages[3][3] = {
      {0.82, 0.69194, 0.378}, {-1.18, -1.01083, -0.554}, {0.02, -0.00501, -0.042}};
  static const double budgets[] = {1, 1.2, 2};
  static char texts[9][300];
  for (int g = 0; g < 3; g++)
    for (int m = 0; m < 3; m++) {
      char *text = texts[3 * g + m];
      snprintf(
          text, sizeof *texts,
          "expected_improvement[a](%s, where(iota[a] == 0, %s, q), w, %g) - mean_improvement[a](q, "
          "where(iota[a] == 0, %s, q), w, %g)",
          gains[g], gains[g], budgets[m] - 1, gains[g], budgets[m] - 1);
      PRINTED(5, text, NULL, advantages[g][m]);
    }
  check_cases();
}
END_TEST

/* ---- statistics of order, by brute force over subsets ---- */

enum { N = 6 };
static const double scores[N] = {0.3, -1.2, 2.5, 0.8, -0.4, 1.1};

/* sum alpha_j X_(j) averaged over the subsets of K of the scores: those with all of `with` and none
 * of `without` (bits). */
static double subset_mean(int K, const double *alpha, unsigned with, unsigned without) {
  double total = 0, count = 0;
  for (unsigned set = 0; set < 1u << N; set++) {
    if (__builtin_popcount(set) != K || (set & with) != with || (set & without)) continue;
    double values[N];
    int n = 0;
    for (int i = 0; i < N; i++)
      if (set >> i & 1) values[n++] = scores[i];
    qsort(values, (size_t)n, sizeof *values, by_value);
    for (int j = 0; j < K; j++) total += alpha[j] * values[j];
    count++;
  }
  return total / count;
}

/* A preset, its weights as written in the sheet, and the two estimators that follow. */
static void expect_preset(const char *preset, int K, const double *alpha) {
  static char texts[2][64][128];
  static int next;
  double without[N], value = subset_mean(K, alpha, 0, 0);
  for (int i = 0; i < N; i++) without[i] = K < N ? value - subset_mean(K, alpha, 0, 1u << i) : 0;
  ck_assert_int_lt(next, 64);
  snprintf(texts[0][next], sizeof *texts[0], "order_value[n, k](g, %s)", preset);
  snprintf(texts[1][next], sizeof *texts[1], "order_advantage[n, k](g, %s)", preset);
  expect_values(preset, "k", K, alpha, 1e-15);
  SCALAR(texts[0][next], value);
  if (K < N) expect_values(texts[1][next], "n", N, without, 1e-13);
  next++;
}
#define PRESET(preset, ...)                                                                        \
  do {                                                                                             \
    double alpha_[] = {__VA_ARGS__};                                                               \
    expect_preset(preset, COUNTOF(alpha_), alpha_);                                                \
  } while (0)

START_TEST(statistics_of_order) {
  /* a rank that has no weight but is read by its number is not cut off: where the number is one for
   * all ranks, and where each rank with a weight reads one without */
  SCALAR("sum[step_](where(ranks[step_] < 2, 1, 0) * sort[step_](v) * "
         "gather[step_](sort[step_](v), 3))",
         3.4);
  SCALAR("sum[step_](where(ranks[step_] < 2, 0, 1) * shift[step_=2](sort[step_](v)))", 1.7);
  PRESET("top_rank[k=4](1)", 0, 0, 0, 1);
  PRESET("top_rank[k=4](4)", 1, 0, 0, 0);
  PRESET("top_rank[k=6](2)", 0, 0, 0, 0, 1, 0);
  PRESET("top_mean[k=4](2)", 0, 0, 0.5, 0.5);
  PRESET("bottom_mean[k=4](2)", 0.5, 0.5, 0, 0);
  PRESET("top_mean[k=1](1)", 1);
  PRESET("top_bottom_mean[k=3](2)", 0.25, 0.5, 0.25);
  PRESET("upper_tail_mean[k=4](0.3)", 0, 0, 0.5, 0.5);
  PRESET("lower_tail_mean[k=4](0.3)", 0.5, 0.5, 0, 0);
  PRESET("upper_range_mean[k=4](0.25, 0.6)", 0, 0.5, 0.5, 0);
  PRESET("lower_range_mean[k=4](0.25, 0.6)", 0, 0.5, 0.5, 0);
  PRESET("trimmed_range_mean[k=5](0.2, 0.6)", 0, 0, 0.5, 0.5, 0);
  PRESET("median[k=4]()", 0, 0.5, 0.5, 0);
  PRESET("median[k=5]()", 0, 0, 1, 0, 0);
  PRESET("trimmed_mean[k=5](1)", 0, 1.0 / 3, 1.0 / 3, 1.0 / 3, 0);
  PRESET("winsorized_mean[k=5](1)", 0, 0.4, 0.2, 0.4, 0);
  PRESET("winsorized_mean[k=5](2)", 0, 0, 1, 0, 0);
  PRESET("quantile[k=4](0.25)", 0.5, 0.5, 0, 0);
  PRESET("quantile[k=4](0.25, a=0)", 0.75, 0.25, 0, 0);
  PRESET("quantile[k=4](0.01)", 1, 0, 0, 0);
  PRESET("mean_difference[k=4]()", -0.5, -1.0 / 6, 1.0 / 6, 0.5);
  PRESET("l_moment[k=4](1)", 0.25, 0.25, 0.25, 0.25);
  PRESET("l_moment[k=4](2)", -0.25, -1.0 / 12, 1.0 / 12, 0.25); /* half of Gini's */
  PRESET("l_moment[k=4](3)", 0.25, -0.25, -0.25, 0.25);
  VALUES("order_advantage[k, z](0 * p, top_mean[z=2](1))", "k", 0, 0, 0);
  VALUES("choose(iota[z=7], 3)", "z", 0, 0, 0, 1, 4, 10, 20);
  SCALAR("choose(50, 25) - 126410606437752", 0);
  VALUES("choose(iota[z=3], -1)", "z", 0, 0, 0);
  /* Harrell and Davis: the beta integrals from another library, to 17 digits */
  VALUES("harrell_davis[z=4](0.3)", "z", 0.45738233480323654, 0.38214821045947351,
         0.14415023627148705, 0.016319218465802905);
  VALUES("harrell_davis[z=5](0.5)", "z", 0.05792, 0.25952, 0.36512, 0.25952, 0.05792);
  VALUES("harrell_davis[z=6](0.01)", "z", 0.98766267340915217, 0.010677526706779318,
         0.0014914308643921856, 0.00016022930172064419, 8.0837218919251249e-6,
         5.5996063757980834e-8);
  VALUES("harrell_davis[z=3](0) + 2 * harrell_davis[z=3](1)", "z", 1, 0, 2);
  VALUES("harrell_davis[z=1](0.2)", "z", 1);
  SCALAR("incomplete_beta(0.2 * c, 30.5, 70.25)", 0.9798751409539263);
  SCALAR("incomplete_beta(0.45 * c, 0.3, c)", 0.99795274603318127);
  SCALAR("incomplete_beta(0.25 * c, 200, 200.5)", 0.50997666837984831);
  SCALAR("incomplete_beta(0 * c, 3, 4) + 10 * incomplete_beta(c / 2, 3, 4)", 10);
  check_cases();
}
END_TEST

/* ---- score-function weights ---- */

static double best_of_set(unsigned set) {
  double best = -INFINITY;
  for (int i = 0; i < N; i++)
    if (set >> i & 1) best = fmax(best, scores[i]);
  return best;
}

/* The sum over subsets of K with i and without `other` of their best, less (gain) that of the rest;
 * *count of them. */
static double sum_with(int K, int i, unsigned other, bool gain, double *count) {
  double total = 0;
  *count = 0;
  for (unsigned set = 0; set < 1u << N; set++) {
    if (__builtin_popcount(set) != K || !(set >> i & 1) || (set & other)) continue;
    total += best_of_set(set) - (gain ? best_of_set(set & ~(1u << i)) : 0);
    ++*count;
  }
  return total;
}

static double choose(int n, int k) {
  double c = 1;
  for (int i = 1; i <= k; i++) c = c * (n - k + i) / i;
  return c;
}

START_TEST(score_weights) {
  static char texts[4][4][64];
  for (int K = 1; K <= 4; K++) {
    double plain[N], left_out[N], gain[N], centred[N], count;
    for (int i = 0; i < N; i++) {
      left_out[i] = plain[i] = sum_with(K, i, 0, false, &count) / choose(N, K);
      for (int j = 0; j < N; j++)
        if (j != i)
          left_out[i] -= sum_with(K, j, 1u << i, false, &count) / choose(N - 1, K) / (N - 1);
      if (K < 2) continue;
      gain[i] = (double)K / N * sum_with(K, i, 0, true, &count) / count;
      centred[i] = gain[i];
      for (int j = 0; j < N; j++)
        if (j != i) {
          double sum = sum_with(K, j, 1u << i, true, &count);
          centred[i] -= (double)K / N * sum / count / (N - 1);
        }
    }
    snprintf(texts[0][K - 1], 64, "best_score[n](g, %d)", K);
    snprintf(texts[1][K - 1], 64, "gain_score[n](g, %d)", K);
    snprintf(texts[2][K - 1], 64, "centred_gain_score[n](g, %d)", K);
    snprintf(texts[3][K - 1], 64, "left_out_score[n](g, %d)", K);
    expect_values(texts[0][K - 1], "n", N, plain, 1e-13);
    expect_values(texts[3][K - 1], "n", N, left_out, 1e-13);
    if (K > 1) expect_values(texts[1][K - 1], "n", N, gain, 1e-13);
    if (K > 1) expect_values(texts[2][K - 1], "n", N, centred, 1e-13);
  }
  SCALAR("pass_at[n](b, 3)", 1 - 4.0 / 20);
  VALUES("pass_score[n](b, 3) - best_score[n](b, 3)", "n", 0, 0, 0, 0, 0, 0);
  SCALAR("sum[n](best_score[n](g, 3)) - 3 * best_of[n](g, 3)", 0);
  check_cases();
}
END_TEST

/* ---- derivatives ---- */

/* Every differentiable tool in one loss: the derivative of its value by the parameters agrees with
 * differences, on the oracle and on generated C (rlc gradcheck). */
static const char derivatives[] =
    "name: derivatives\n"
    "parameters:\n"
    "  p: {axes: [k=3], init: 'stack[k](0.3, 0.1, 0.2)'}\n"
    "  m: {axes: [i=2, j=3], init: '0.4 * iota[i=2] - 0.3 * iota[j=3]'}\n"
    "  c: {init: 0.7}\n"
    "losses:\n"
    "  fit:\n"
    "    over: p, m, c\n"
    "    let:\n"
    "      tools: sum[k](square(concat[k](p, c, p * p)) * iota[k=7]) + sum[z](exp(stack[z](c, "
    "sum[k](p))) * iota[z=2])\n"
    "      moves: sum[k](take[k=2](exp(p))) + sum[r](exp(join[r](m, j, i)) * iota[r=6]) + "
    "sum[z](iota[z=3] * exp(rename[k, z](p)))\n"
    "      orders: sum[k](ranks[k=3] * exp(sort[k](p))) + sum[k](ranks[k=3] * sort[k](exp(c * p), "
    "by=-p)) + sum[k](p * shift[k=1](p))\n"
    "      scans: sum[k](iota[k=3] * square(cumsum[k](p))) + sum[i, j](exp(linear_scan[j](m, c * "
    "m)))\n"
    "      affine: sum[k](square(scan[k](h = c, c * h + p))) + sum[i, j](exp(scan[j](h = c, "
    "where(iota[j] == 1, m, h * m), reverse=false)))\n"
    "      returns: sum[k](square(gae[k](p, exp(p), c * p, 0, iota[k=3] == 1, 0.9, c)) + "
    "exp(td_lambda[k](p, c * p, 0, iota[k=3] == 0, 0.9, c)))\n"
    "      supports: cross_entropy[bin](hl_gauss[bin=5](c, 0, 1), linspace[bin=5](c, 1)) + "
    "sum[k](square(project[k](p, p, 0, 1)))\n"
    "      best: expected_best[k](p, softmax[k](p), 3) + order_value[k, z](exp(p), "
    "top_mean[z=2](1)) + dpo_drift(1 + c, 1) + dpo_drift(c, -1)\n"
    "      rest: huber(c) + sum[k](quantile_huber(p - c, 0.3)) + expectile(c, 0.2) + std[k](p) + "
    "mish(c) + log_sum_exp[k](p) + symlog(symexp(c)) + sum[k](iota[k=3] * l2_normalize[k](p))\n"
    "    minimize: tools + moves + orders + scans + affine + returns + supports + best + rest\n"
    "optimizers: {default: sgd(0.1)}\n"
    "loop:\n"
    "  - descend: fit\n";

START_TEST(derivatives_agree) {
  char path[] = P_tmpdir "/rlc-tools-XXXXXX", command[256], line[512], last[512] = "";
  int file = mkstemp(path);
  ck_assert(file >= 0 && write(file, derivatives, strlen(derivatives)) > 0);
  close(file);
  snprintf(command, sizeof command, "%s/rlc gradcheck %s 2>&1", RLC_BUILD, path);
  FILE *output = popen(command, "r");
  while (fgets(line, sizeof line, output)) strcpy(last, line);
  int status = pclose(output);
  unlink(path);
  ck_assert_msg(status == 0 && strstr(last, ": passed"), "%s", last);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tools");
  TCase *tests = tcase_create("tools");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, axis_tools);
  tcase_add_test(tests, positions_stay_whole);
  tcase_add_test(tests, scans_and_unrolls);
  tcase_add_test(tests, returns);
  tcase_add_test(tests, functions);
  tcase_add_test(tests, draws_from_finitely_many);
  tcase_add_test(tests, orders_of_draws);
  tcase_add_test(tests, statistics_of_order);
  tcase_add_test(tests, score_weights);
  tcase_add_test(tests, derivatives_agree);
  return suite_run(suite);
}
