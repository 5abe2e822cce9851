/* What specs mean, against numbers computed another way: the retry weights and their estimator,
 * distributions, optimisers, and sizes. tests/losses_test.c does the same for whole losses. */
#include "tests/files_support.h"
#include "tests/spec_fixture.h"

#include "dsl/tree.h"

#include <ftw.h>

enum { SEED = 20261121 };

/* ---- retry weights (section 3 of the paper) ---- */

static const char best[] = "name: best\n"
                           "constants: {K: 4, M: 8}\n"
                           "parameters:\n"
                           "  q: {axes: [try=M], init: 0}\n"
                           "losses:\n"
                           "  best: {over: q, maximize: \"best_of[try](q, K)\"}\n"
                           "optimizers: {default: sgd(1)}\n"
                           "loop: [descend: best]\n";

static Spec best_spec(int k, int m) {
  char overrides[40];
  snprintf(overrides, sizeof overrides, "K=%d M=%d", k, m);
  Spec spec = spec_text(best, overrides);
  spec_passes(&spec, "grad");
  return spec;
}

/* The weights of ascending ranks, read off as the gradient at q = 0: among equals the top rank has
 * the lowest index, so they come in descending order. */
static void weights_of(int k, int m, double *weights) {
  Spec spec = best_spec(k, m);
  Interp *interp = spec_interp(&spec, "update");
  spec_run(interp);
  double *q = spec_get(&spec, interp, "q");
  for (int i = 0; i < m; i++) weights[i] = q[m - 1 - i];
  spec_close(&spec);
}

static double choose(int n, int k) {
  double c = n < k ? 0 : 1;
  for (int i = 1; i <= k && n >= k; i++) c = c * (n - k + i) / i; /* whole at every step */
  return c;
}

static const struct {
  int k, m, denominator;
  int numerator[16];
} tables[] = {
    {1, 8, 8, {1, 1, 1, 1, 1, 1, 1, 1}},
    {2, 8, 28, {0, 1, 2, 3, 4, 5, 6, 7}},
    {4, 8, 70, {0, 0, 0, 1, 4, 10, 20, 35}},
    {8, 8, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {2, 16, 120, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
    {4, 16, 1820, {0, 0, 0, 1, 4, 10, 20, 35, 56, 84, 120, 165, 220, 286, 364, 455}},
    {8, 16, 12870, {0, 0, 0, 0, 0, 0, 0, 1, 8, 36, 120, 330, 792, 1716, 3432, 6435}},
};

/* Relative to the exact rational; 0 must be 0. */
static double weight_error(double found, double exact) {
  return exact == 0 ? (found == 0 ? 0 : INFINITY) : fabs(found / exact - 1);
}

/* The weights are products of K rounded factors: two units in the last place are 4.4e-16. */
static const double weight_bar = 1e-15;

START_TEST(weights_are_the_listed_rationals) {
  for (size_t t = 0; t < COUNTOF(tables); t++) {
    double w[16];
    weights_of(tables[t].k, tables[t].m, w);
    for (int i = 0; i < tables[t].m; i++) {
      double exact = (double)tables[t].numerator[i] / tables[t].denominator;
      ck_assert_msg(weight_error(w[i], exact) <= weight_bar, "K=%d M=%d rank %d: %.17g, not %.17g",
                    tables[t].k, tables[t].m, i + 1, w[i], exact);
    }
  }
}
END_TEST

START_TEST(weights_are_right_for_every_budget) {
  double worst = 0;
  for (int m = 1; m <= 16; m++)
    for (int k = 1; k <= m; k++) {
      double w[16], sum = 0;
      weights_of(k, m, w);
      for (int i = 0; i < m; i++) {
        worst = fmax(worst, weight_error(w[i], choose(i, k - 1) / choose(m, k)));
        ck_assert_msg(i == 0 || w[i] >= w[i - 1], "K=%d M=%d: weights fall", k, m);
        if (i < k - 1) ck_assert_double_eq(w[i], 0);
        if (k == 1) ck_assert_double_eq(w[i], 1.0 / m);
        if (k == m) ck_assert_double_eq(w[i], i == m - 1);
        sum += w[i];
      }
      ck_assert_msg(fabs(sum - 1) < 1e-14, "K=%d M=%d: the sum is %.17g", k, m, sum);
    }
  printf("weights of 136 budgets: at most %.2g from the rationals\n", worst);
  ck_assert_double_le(worst, weight_bar);
}
END_TEST

/* The mean, over all subsets of K of the n values, of their largest. */
static double mean_of_best(const double *q, int n, int k) {
  double sum = 0, count = 0;
  for (unsigned set = 0; set < 1u << n; set++) {
    if (__builtin_popcount(set) != k) continue;
    double largest = -INFINITY;
    for (int i = 0; i < n; i++)
      if (set >> i & 1) largest = fmax(largest, q[i]);
    sum += largest;
    count++;
  }
  return sum / count;
}

START_TEST(best_of_is_the_mean_over_subsets) {
  uint64_t state = SEED;
  for (int m = 1; m <= 9; m += 2)
    for (int k = 1; k <= m; k++) {
      Spec spec = best_spec(k, m);
      Interp *interp = spec_interp(&spec, "update");
      for (int round = 0; round < 20; round++) {
        double q[16];
        for (int i = 0; i < m; i++)
          q[i] = round % 2 ? random_below(&state, 4) : random_between(&state, -3, 3); /* ties */
        spec_set(&spec, interp, "q", q);
        spec_run(interp);
        double found = spec_scalar(&spec, interp, "metric.losses/best");
        double exact = mean_of_best(q, m, k);
        ck_assert_msg(fixture_near(found, exact, 1e-14), "K=%d M=%d: %.17g, not %.17g", k, m, found,
                      exact);
      }
      spec_close(&spec);
    }
}
END_TEST

/* ---- distributions ---- */

static const char densities[] = "name: densities\n"
                                "env: Pendulum-v1\n" /* its box is [-2, 2] */
                                "constants: {n: 40}\n"
                                "parameters:\n"
                                "  m: {axes: [k=n, e=1], init: 0}\n"
                                "  s: {axes: [k=n, e=1], init: 1}\n"
                                "  z: {axes: [k=n, e=1], init: 0}\n"
                                "  x: {axes: [k=n, e=1], init: 0}\n"
                                "  drawn: {axes: [k=n, e=1], init: 0}\n"
                                "  drawn_log_prob: {axes: [k=n], init: 0}\n"
                                "  given_log_prob: {axes: [k=n], init: 0}\n"
                                "  normal_log_prob: {axes: [k=n], init: 0}\n"
                                "  normal_entropy: {axes: [k=n], init: 0}\n"
                                "  uniform_log_prob: {axes: [k=n], init: 0}\n"
                                "  unused: {init: 0}\n"
                                "define:\n"
                                "  squashed: tanh_normal[e](m, s)\n"
                                "  plain: normal[e](m, s)\n"
                                "  flat: uniform[e](m, m + s)\n"
                                "replay: {capacity: 10, batch: 2}\n"
                                "act: {explore: sample(box), evaluate: sample(box)}\n"
                                "losses:\n"
                                "  none: {over: unused, minimize: unused * unused}\n"
                                "optimizers: {default: sgd(1)}\n"
                                "loop:\n"
                                "  - collect: 1\n"
                                "  - sample: replay\n"
                                "  - descend: none\n"
                                "  - set:\n"
                                "      drawn: sample(squashed, noise=z)\n"
                                "      drawn_log_prob: sample(squashed, noise=z).log_prob\n"
                                "      given_log_prob: log_prob(squashed, x)\n"
                                "      normal_log_prob: log_prob(plain, x)\n"
                                "      normal_entropy: entropy(plain)\n"
                                "      uniform_log_prob: log_prob(flat, x)\n";

enum { DENSITIES = 40 };

typedef struct Densities {
  Spec spec;
  Interp *interp;
  double m[DENSITIES], s[DENSITIES], z[DENSITIES], x[DENSITIES];
} Densities;

static void densities_run(Densities *d) {
  spec_set(&d->spec, d->interp, "m", d->m);
  spec_set(&d->spec, d->interp, "s", d->s);
  spec_set(&d->spec, d->interp, "z", d->z);
  spec_set(&d->spec, d->interp, "x", d->x);
  spec_run(d->interp);
}

static Densities densities_open(void) {
  Densities d = {.spec = spec_text(densities, "")};
  uint64_t state = SEED;
  spec_passes(&d.spec, "grad");
  d.interp = spec_interp(&d.spec, "update");
  for (int i = 0; i < DENSITIES; i++) {
    d.m[i] = random_between(&state, -1, 1);
    d.s[i] = random_between(&state, 0.1, 1.5);
    d.z[i] = random_between(&state, -2, 2);
    d.x[i] = random_between(&state, -1.9, 1.9);
  }
  return d;
}

/* log(1 - tanh(x)^2) = -2 log cosh x, from exponentials of both signs. */
static double log_slope(double x) {
  double a = fabs(x);
  return -2 * (a + log1p(exp(-2 * a)) - log(2));
}

static double log_normal(double x, double m, double s) {
  return -0.5 * pow((x - m) / s, 2) - log(s * sqrt(2 * M_PI));
}

START_TEST(tanh_normal_of_draws) {
  Densities d = densities_open();
  for (int i = 0; i < 8; i++) { /* far out: |x| up to 60, where 1 - tanh(x)^2 is 0 in double */
    d.m[i] = (i % 2 ? 1 : -1) * (5.0 + 8 * i);
    d.s[i] = 0.5;
  }
  densities_run(&d);
  double *drawn = spec_get(&d.spec, d.interp, "drawn");
  double *found = spec_get(&d.spec, d.interp, "drawn_log_prob");
  for (int i = 0; i < DENSITIES; i++) {
    double x = d.m[i] + d.s[i] * d.z[i];
    double exact = log_normal(x, d.m[i], d.s[i]) - log_slope(x) - log(2);
    ck_assert_msg(fixture_near(found[i], exact, 1e-13), "x=%g: %.17g, not %.17g", x, found[i],
                  exact);
    ck_assert(fixture_near(drawn[i], 2 * tanh(x), 1e-15));
  }
  spec_close(&d.spec);
}
END_TEST

START_TEST(tanh_normal_of_given_actions) {
  Densities d = densities_open();
  static const double edge[] = {2, -2, 2 - 1e-7, -2 + 1e-7, 2.5, 2 - 1e-5, 0, 1.999};
  memcpy(d.x, edge, sizeof edge);
  densities_run(&d);
  double *found = spec_get(&d.spec, d.interp, "given_log_prob");
  for (int i = 0; i < DENSITIES; i++) {
    double inside = fmin(fmax(d.x[i] / 2, -1 + 1e-6), 1 - 1e-6), x = atanh(inside);
    double exact = log_normal(x, d.m[i], d.s[i]) - log1p(-inside * inside) - log(2);
    ck_assert_msg(fixture_near(found[i], exact, 1e-9), "action %.9g: %.17g, not %.17g", d.x[i],
                  found[i], exact);
  }
  spec_close(&d.spec);
}
END_TEST

START_TEST(normal_and_uniform) {
  Densities d = densities_open();
  densities_run(&d);
  double *normal = spec_get(&d.spec, d.interp, "normal_log_prob");
  double *entropy = spec_get(&d.spec, d.interp, "normal_entropy");
  double *uniform = spec_get(&d.spec, d.interp, "uniform_log_prob");
  int inside = 0;
  for (int i = 0; i < DENSITIES; i++) {
    ck_assert(fixture_near(normal[i], log_normal(d.x[i], d.m[i], d.s[i]), 1e-14));
    ck_assert(fixture_near(entropy[i], 0.5 * log(2 * M_PI * exp(1) * d.s[i] * d.s[i]), 1e-14));
    bool in = d.x[i] >= d.m[i] && d.x[i] <= d.m[i] + d.s[i];
    ck_assert(fixture_near(uniform[i], in ? -log(d.s[i]) : -INFINITY, 1e-14));
    inside += in;
  }
  ck_assert(inside > 3 && inside < DENSITIES - 3);
  spec_close(&d.spec);
}
END_TEST

/* ---- optimisers ---- */

static const char steps[] = "name: steps\n"
                            "parameters: {theta: 1.5, slow: 1}\n"
                            "losses:\n"
                            "  quartic: {over: theta, minimize: 0.25 * theta^4}\n"
                            "optimizers:\n"
                            "  default: \"adam(0.1, beta1=0.8, beta2=0.95, eps=1e-3)\"\n"
                            "loop:\n"
                            "  - descend: quartic\n"
                            "  - set: {slow: \"blend(slow, theta, 0.125)\"}\n";

START_TEST(adam_and_blend_step_as_published) {
  Spec spec = spec_text(steps, "");
  spec_passes(&spec, "grad");
  Interp *interp = spec_interp(&spec, "update");
  double theta = 1.5, slow = 1, m = 0, v = 0;
  spec_set(&spec, interp, "theta", &theta);
  spec_set(&spec, interp, "slow", &slow);
  for (int t = 1; t <= 5; t++) {
    double g = theta * theta * theta;
    m = 0.8 * m + 0.2 * g;
    v = 0.95 * v + 0.05 * g * g;
    double loss = 0.25 * pow(theta, 4);
    theta -= 0.1 * (m / (1 - pow(0.8, t))) / (sqrt(v / (1 - pow(0.95, t))) + 1e-3);
    slow = 0.875 * slow + 0.125 * theta;
    spec_run(interp);
    ck_assert(fixture_near(spec_scalar(&spec, interp, "metric.losses/quartic"), loss, 1e-14));
    ck_assert_msg(fixture_near(spec_scalar(&spec, interp, "theta"), theta, 1e-14),
                  "step %d: %.17g, not %.17g", t, spec_scalar(&spec, interp, "theta"), theta);
    ck_assert(fixture_near(spec_scalar(&spec, interp, "slow"), slow, 1e-14));
  }
  spec_close(&spec);
}
END_TEST

/* ---- sizes ---- */

/* What `rlc check --json` prints. */
static double check_parameters(const char *path, const char *overrides) {
  char text[32768];
  Spec spec = spec_open(path, overrides);
  spec.session.json = true;
  Capture capture = capture_begin(STDOUT_FILENO);
  int status = command_check(&spec.session);
  capture_end(&capture, text, sizeof text);
  spec_close(&spec);
  ck_assert_int_eq(status, 0);
  const char *at = strstr(text, "\"parameters\":");
  ck_assert_msg(at != NULL, "%s", text);
  return strtod(at + strlen("\"parameters\":"), NULL);
}

START_TEST(check_counts_parameters) {
  static const struct {
    const char *env;
    double obs, act;
  } tasks[] = {{"Pendulum-v1", 3, 1}, {"HalfCheetah-v5", 17, 6}, {"Ant-v5", 105, 8}};
  for (size_t i = 0; i < COUNTOF(tasks); i++)
    for (double h = 32; h <= 256; h *= 8) {
      char overrides[80];
      snprintf(overrides, sizeof overrides, "env=%s hidden=%g", tasks[i].env, h);
      double o = tasks[i].obs, a = tasks[i].act;
      double actor = o * h + h + h * h + h + 2 * (h * a + a);
      double critics = 2 * ((o + a) * h + h + h * h + h + h + 1);
      ck_assert_double_eq(check_parameters("specs/sac.yaml", overrides), actor + critics + 1);
      ck_assert_double_eq(check_parameters("specs/remac.yaml", overrides), actor + critics);
    }
}
END_TEST

static int specs_seen;

/* Elaborates a spec and runs every pass; the pipeline verifies after each. */
static int spec_compiles(const char *path, const struct stat *status, int kind) {
  (void)status;
  size_t length = strlen(path);
  if (kind != FTW_F || length < 5 || strcmp(path + length - 5, ".yaml") != 0) return 0;
  Arena *arena = arena_make();
  Diag *diag = diag_make(arena);
  const char *error;
  Source *source = source_read(arena, path, &error);
  ck_assert_msg(source != NULL, "%s: %s", path, error);
  Tree *tree = tree_parse(arena, diag, source);
  ck_assert_msg(tree != NULL, "%s does not parse", path);
  bool other = tree_get(tree, "study") || tree_get(tree, "environment");
  arena_free(arena);
  if (other) return 0;
  Spec spec = spec_open(path, "");
  spec_passes(&spec, NULL);
  const char *wrong = ir_verify(spec.module, spec.arena, "contract");
  ck_assert_msg(wrong == NULL, "%s: %s", path, wrong);
  spec_close(&spec);
  specs_seen++;
  return 0;
}

START_TEST(every_spec_compiles) {
  ck_assert_int_eq(ftw(RLC_ROOT "/specs", spec_compiles, 8), 0);
  printf("%d specs elaborate and verify\n", specs_seen);
  ck_assert_int_ge(specs_seen, 10);
}
END_TEST

static size_t contractions(const char *path, const char *overrides) {
  Spec spec = spec_open(path, overrides);
  spec_passes(&spec, NULL);
  Node **nodes;
  const Program *update = &spec.module->programs[spec_program(&spec, "update")];
  size_t all = module_reach(spec.module, update, spec.arena, &nodes), count = 0;
  for (size_t i = 0; i < all; i++) count += nodes[i]->op == OP_contract;
  spec_close(&spec);
  return count;
}

/* Counted by hand for SAC. Forward 20: five calls of networks, each of four weight blocks. Critic's
 * gradients 5: four blocks, and through dense2 (through dense3, which has one unit, it is an outer
 * product). Actor's 9: through the critic's dense2 and action block, through both heads and dense2,
 * and four blocks. ReMAC has the weighted sum over ranks besides, unless it is one rank of
 * weight 1. A change here is a change of what the compiler finds; it must be meant. */
START_TEST(contractions_are_pinned) {
  ck_assert_uint_eq(contractions("specs/sac.yaml", ""), 34);
  ck_assert_uint_eq(contractions("specs/remac.yaml", "K=4 M=8"), 35);
  ck_assert_uint_eq(contractions("specs/remac.yaml", "K=1 M=1"), 34);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("spec");
  TCase *tests = tcase_create("spec");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, weights_are_the_listed_rationals);
  tcase_add_test(tests, weights_are_right_for_every_budget);
  tcase_add_test(tests, best_of_is_the_mean_over_subsets);
  tcase_add_test(tests, tanh_normal_of_draws);
  tcase_add_test(tests, tanh_normal_of_given_actions);
  tcase_add_test(tests, normal_and_uniform);
  tcase_add_test(tests, adam_and_blend_step_as_published);
  tcase_add_test(tests, check_counts_parameters);
  tcase_add_test(tests, every_spec_compiles);
  tcase_add_test(tests, contractions_are_pinned);
  return suite_run(suite);
}
