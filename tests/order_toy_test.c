/* The toys of retries and of gradient estimators: where one of two arms pays, the best mixtures in
 * closed form; the paths of Adam and of gradient ascent against a table made by another program;
 * the estimators on the camel function against its expectation under a normal in closed form. */
#include "tests/order_fixture.h"
#include "tests/spec_code.h"

/* ---- one of two ---- */

START_TEST(mixtures_are_the_best) {
  static const double mixture[4] = {0.9, 0.75, 0.63397, 0.56823}; /* of 1.5, 2, 3 and 5 tries */
  Run run = run_open(spec_open("specs/toy/one_of_two.yaml", ""), "update");
  run_set(&run, "logit", (const double[4]){0});
  for (int i = 0; i < 2000; i++) {
    interp_draws(run.interp, ORDER_SEED, (uint64_t)i);
    spec_run(run.interp);
  }
  const double *logit = run_get(&run, "logit");
  for (int m = 0; m < 4; m++) near(1 / (1 + exp(-logit[m])), mixture[m], 1e-5, "mixture");
  run_close(&run);
}
END_TEST

/* ---- paths of Adam ---- */

enum { PATHS = 20, MARKS = 4 };
static const int marks[MARKS] = {100, 200, 400, 600};

/* Geometric means over 20 seeds of the distance to the optimum after so many steps. */
static const struct {
  const char *path, *overrides;
  double distance[MARKS];
} paths[] = {
    {"specs/toy/adam_eps/sgd.yaml", "K=4", {1.31, 0.998, 0.598, 0.362}},
    {"specs/toy/adam_eps.yaml", "K=4", {1.05, 0.409, 0.024, 3.6e-4}},
    {"specs/toy/adam_eps.yaml", "K=4 eps=0.1", {1.18, 0.612, 0.108, 0.012}},
    {"specs/toy/adam_eps.yaml", "K=4 eps=1", {1.51, 1.25, 0.835, 0.55}},
    {"specs/toy/adam_eps.yaml", "K=1", {0.684, 0.186, 0.0039, 1e-4}},
};

static double distance_of(const Built *built, uint32_t mu, uint32_t sigma) {
  double x[PATHS], y[PATHS], total = 0;
  rlc_slot_export(&built->rlc->slots[mu], built->memory, x);
  rlc_slot_export(&built->rlc->slots[sigma], built->memory, y);
  for (int i = 0; i < PATHS; i++) total += 0.5 * log(x[i] * x[i] + y[i] * y[i]);
  return exp(total / PATHS);
}

/* Both means are of 20 paths; theirs are printed to two or three digits. Where paths spread (below
 * 0.03 they differ by tens of per cent) the bound is wide. */
START_TEST(adam_goes_its_way) {
  Spec spec = spec_open(paths[_i].path, paths[_i].overrides);
  spec_passes(&spec, NULL);
  Built built = build_module(spec.arena, spec.module, RLC_F64, 8);
  uint32_t mu = spec_slot(&spec, "mu"), sigma = spec_slot(&spec, "sigma");
  memset(built.memory, 0, built.rlc->memory_bytes);
  built_call(built.rlc, built.memory, built.work, (uint32_t)spec_program(&spec, "init"), 1, 0);
  near(distance_of(&built, mu, sigma), sqrt(1.5 * 1.5 + 1), 1e-12, "start");
  for (int m = 0, step = 0; m < MARKS; m++) {
    for (; step < marks[m]; step++)
      built_call(built.rlc, built.memory, built.work, (uint32_t)spec_program(&spec, "update"), 1,
                 (uint64_t)step);
    double found = distance_of(&built, mu, sigma), exact = paths[_i].distance[m];
    double bound = exact > 0.03 ? 0.04 : 0.2;
    ck_assert_msg(fabs(found / exact - 1) < bound, "%s %s after %d steps: %.4g, not %.3g",
                  paths[_i].path, paths[_i].overrides, step, found, exact);
  }
  built_free(&built);
  spec_close(&spec);
}
END_TEST

/* ---- the camel ---- */

enum { RUNS = 4000 };

/* E[g] where x and y are normal: moments of a polynomial. */
static double expected_reward(const double *mu, const double *log_std) {
  double a = mu[0], b = mu[1], s = exp(2 * log_std[0]), t = exp(2 * log_std[1]);
  double x2 = a * a + s, y2 = b * b + t;
  double x4 = pow(a, 4) + 6 * a * a * s + 3 * s * s, y4 = pow(b, 4) + 6 * b * b * t + 3 * t * t;
  double x6 = pow(a, 6) + 15 * pow(a, 4) * s + 45 * a * a * s * s + 15 * pow(s, 3);
  return -(4 * x2 - 2.1 * x4 + x6 / 3 + a * b + 4 * y4 - 4 * y2);
}

/* The slope by mu and log_std, by central differences of a polynomial. */
static void expected_slope(double *slope) {
  double point[4] = {0.6, -0.3, -1.2, -1.2};
  for (int i = 0; i < 4; i++) {
    double side[2], middle = point[i];
    for (int s = 0; s < 2; s++) {
      point[i] = middle + (s ? -1e-5 : 1e-5);
      side[s] = expected_reward(point, point + 2);
    }
    slope[i] = (side[0] - side[1]) / 2e-5;
    point[i] = middle;
  }
}

static const struct {
  const char *path;
  double spread; /* of one estimate of the slope by mu: at most, or if negative at least */
} estimators[] = {{"specs/toy/camel.yaml", -1.7},
                  {"specs/toy/camel/baseline.yaml", -1.4},
                  {"specs/toy/camel/pathwise.yaml", 1.1}};

/* sgd(1) makes steps of estimates; each run is one. */
START_TEST(estimators_are_unbiased) {
  char overrides[64];
  double slope[4], widest = 0;
  snprintf(overrides, sizeof overrides, "runs=%d lr=1", RUNS);
  Run run = run_open(spec_open(estimators[_i].path, overrides), "update");
  double *mu = NEW_ARRAY(run.spec.arena, double, 2 * RUNS);
  double *log_std = NEW_ARRAY(run.spec.arena, double, 2 * RUNS);
  for (int i = 0; i < 2 * RUNS; i++) {
    mu[i] = i % 2 ? -0.3 : 0.6;
    log_std[i] = -1.2;
  }
  run_set(&run, "mu", mu);
  run_set(&run, "log_std", log_std);
  if (strstr(estimators[_i].path, "baseline")) { /* any constant */
    double *usual = NEW_ARRAY(run.spec.arena, double, RUNS);
    for (int i = 0; i < RUNS; i++) usual[i] = -0.8;
    run_set(&run, "usual", usual);
  }
  spec_run(run.interp);
  expected_slope(slope);
  for (int i = 0; i < 4; i++) {
    const double *after = run_get(&run, i < 2 ? "mu" : "log_std");
    double sum = 0, squares = 0;
    for (int r = 0; r < RUNS; r++) {
      double step = after[2 * r + i % 2] - (i < 2 ? mu : log_std)[i % 2];
      sum += step;
      squares += step * step;
    }
    double found = sum / RUNS, deviation = sqrt(squares / RUNS - found * found);
    ck_assert_msg(fabs(found - slope[i]) < 4 * deviation / sqrt(RUNS),
                  "%s: slope %d is %.4f, not %.4f, deviation %.3f", estimators[_i].path, i, found,
                  slope[i], deviation);
    if (i < 2) widest = fmax(widest, deviation);
  }
  double bound = estimators[_i].spread;
  ck_assert_msg(bound < 0 ? widest > -bound : widest < bound, "deviation %.3f", widest);
  run_close(&run);
}
END_TEST

START_TEST(the_camel_has_its_heights) {
  Spec spec = spec_text("extends: " RLC_ROOT "/specs/toy/camel.yaml\nlosses:\n  policy:\n    log:\n"
                        "      top: reward(stack[dim](0.0898, -0.7126))\n"
                        "      other: reward(stack[dim](-0.0898, 0.7126))\n"
                        "      lower: reward(stack[dim](1.7036, -0.7961))\n",
                        "runs=1");
  Run run = run_open(spec, "update");
  spec_run(run.interp);
  near(logged(&run, "policy/top"), 1.031628, 1e-6, "top");
  near(logged(&run, "policy/other"), 1.031628, 1e-6, "the other top");
  near(logged(&run, "policy/lower"), 0.215464, 1e-6, "a local top");
  run_close(&run);
}
END_TEST

/* Before `fit` passes only the network moves, afterwards only the policy. */
START_TEST(surrogates_come_first) {
  for (int program = 0; program < 2; program++) {
    Run run = run_open(spec_open("specs/toy/camel/surrogate.yaml", "runs=1 points=8"),
                       program ? "update2" : "update");
    const double *mu = run_get(&run, "mu"), *w = run_get(&run, "surrogate.dense1.w");
    spec_run(run.interp);
    ck_assert_int_eq(memcmp(run_get(&run, "mu"), mu, 2 * sizeof *mu) == 0, !program);
    ck_assert_int_eq(memcmp(run_get(&run, "surrogate.dense1.w"), w, sizeof *w) == 0, program);
    run_close(&run);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("order toys");
  TCase *tests = tcase_create("order toys");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 240);
  tcase_add_test(tests, mixtures_are_the_best);
  tcase_add_loop_test(tests, adam_goes_its_way, 0, (int)COUNTOF(paths));
  tcase_add_test(tests, the_camel_has_its_heights);
  tcase_add_loop_test(tests, estimators_are_unbiased, 0, (int)COUNTOF(estimators));
  tcase_add_test(tests, surrogates_come_first);
  return suite_run(suite);
}
