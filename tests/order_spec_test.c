/* The specs of order statistics that draw tries, through their own programs on the oracle: every
 * try's weight against brute force over subsets, the objective that follows the path, and, over all
 * batches of a few outcomes, that the score functions are unbiased. */
#include "tests/order_fixture.h"

enum { MOST = 8, OUTCOMES = 3, ITEMS = 4, BATCHES = 81 };

/* ---- a spec with more in its log ---- */

typedef struct Text {
  char text[16384];
  size_t length;
} Text;

__attribute__((format(printf, 2, 3))) static void add(Text *t, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  t->length +=
      (size_t)vsnprintf(t->text + t->length, sizeof t->text - t->length, format, arguments);
  va_end(arguments);
  ck_assert_uint_lt(t->length, sizeof t->text);
}

/* One update of the text's spec at a plausible point. */
static Run run_text(const Text *t) {
  Run run = run_open(spec_text(t->text, ""), "update");
  spec_run(run.interp);
  return run;
}

static void same(double found, double exact, const char *what) { near(found, exact, 1e-11, what); }

/* ---- statistics by enumeration ---- */

/* sum alpha_j X_(j), alpha from the lowest rank. */
static double statistic(int K, const double *alpha, const double *x) {
  double sorted[MOST], total = 0;
  memcpy(sorted, x, (size_t)K * sizeof *x);
  qsort(sorted, (size_t)K, sizeof *sorted, by_value);
  for (int j = 0; j < K; j++) total += alpha[j] * sorted[j];
  return total;
}

/* Its mean over the subsets of K of n values with all of `with` and none of `without` (bits). */
static double subset_mean(int n, const double *x, int K, const double *alpha, unsigned with,
                          unsigned without) {
  double total = 0, count = 0;
  for (unsigned set = 0; set < 1u << n; set++) {
    if (__builtin_popcount(set) != K || (set & with) != with || (set & without)) continue;
    double values[MOST];
    int kept = 0;
    for (int i = 0; i < n; i++)
      if (set >> i & 1) values[kept++] = x[i];
    total += statistic(K, alpha, values);
    count++;
  }
  return total / count;
}

static const double best[MOST][MOST] = {{0}, {1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}, {0, 0, 0, 0, 1}};

static double best_mean(int n, const double *x, int K, unsigned with, unsigned without) {
  return subset_mean(n, x, K, best[K], with, without);
}

/* ---- max@K: the weights of PKPO's estimators, as their definitions say ---- */

typedef double Weight(int n, const double *x, int K, int i);

/* The sum over subsets that hold i of their best, over the number of all subsets. */
static double plain(int n, const double *x, int K, int i) {
  return (double)K / n * best_mean(n, x, K, 1u << i, 0);
}

static double leave_one_out(int n, const double *x, int K, int i) {
  return plain(n, x, K, i) - (double)K / (n - 1) * best_mean(n, x, K, 0, 1u << i);
}

/* The best of a subset with i less the best of its others, on average, in the set without `other`.
 */
static double improvement(int n, const double *x, int K, int i, unsigned other) {
  double total = 0, count = 0;
  for (unsigned set = 0; set < 1u << n; set++) {
    if (__builtin_popcount(set) != K || !(set >> i & 1) || (set & other)) continue;
    double with = -INFINITY, without = -INFINITY;
    for (int j = 0; j < n; j++) {
      if (!(set >> j & 1)) continue;
      with = fmax(with, x[j]);
      if (j != i) without = fmax(without, x[j]);
    }
    total += with - without;
    count++;
  }
  return total / count;
}

static double gain(int n, const double *x, int K, int i) {
  return (double)K / n * improvement(n, x, K, i, 0);
}

static double leave_two_out(int n, const double *x, int K, int i) {
  double usual = 0;
  for (int j = 0; j < n; j++)
    if (j != i) usual += improvement(n, x, K, j, 1u << i) / (n - 1);
  return gain(n, x, K, i) - (double)K / n * usual;
}

static double difference(int n, const double *x, int K, int i) {
  return best_mean(n, x, K, 0, 0) - best_mean(n, x, K, 0, 1u << i);
}

static const struct {
  const char *path;
  Weight *weight;
} estimators[] = {
    {"remac_lr/plain", plain},
    {"remac_lr/pass", plain},
    {"remac_lr/gain", gain},
    {"remac_lr", leave_two_out},
    {"remac_lr/difference", difference},
    {"remac_lr/leave_one_out", leave_one_out},
};
static const int sizes[][2] = {{6, 2}, {6, 3}, {7, 4}};

/* `critic` is tried M times in one state: values, densities and weights of the tries, for the log.
 */
static Text tries(const char *path, int M, int K, const char *credit) {
  Text t = {0};
  add(&t,
      "extends: " RLC_ROOT "/specs/%s.yaml\nenv: Pendulum-v1\n"
      "constants: {hidden: 3, batch_size: 1, M: %d, K: %d}\nlosses:\n  actor:\n    log:\n",
      path, M, K);
  for (int i = 0; i < M; i++) {
    add(&t, "      q%d: mean[batch](index[try=%d](q))\n", i, i);
    if (!credit) continue;
    add(&t, "      density%d: mean[batch](index[try=%d](density))\n", i, i);
    add(&t, "      credit%d: mean[batch](index[try=%d](%s))\n", i, i, credit);
  }
  return t;
}

START_TEST(tries_have_their_weights) {
  int e = _i % (int)COUNTOF(estimators), n = sizes[_i / (int)COUNTOF(estimators)][0],
      K = sizes[_i / (int)COUNTOF(estimators)][1];
  Text t = tries(estimators[e].path, n, K, "credit[try](q)");
  Run run = run_text(&t);
  double q[MOST], loss = 0, total = 0;
  for (int i = 0; i < n; i++) q[i] = logged(&run, "actor/q%d", i);
  ck_assert_double_ne(subset_mean(n, q, 1, best[1], 0, 0), q[0]); /* they differ */
  for (int i = 0; i < n; i++) {
    double weight = estimators[e].weight(n, q, K, i), found = logged(&run, "actor/credit%d", i);
    same(found, weight, estimators[e].path);
    loss -= weight * logged(&run, "actor/density%d", i);
    total += found;
  }
  same(logged(&run, "losses/actor"), loss, "loss");
  same(logged(&run, "actor/best"), best_mean(n, q, K, 0, 0), "best");
  if (estimators[e].weight == plain) same(total, K * best_mean(n, q, K, 0, 0), "sum of weights");
  if (estimators[e].weight == difference) ck_assert_double_lt(fabs(total), 1e-12);
  run_close(&run);
}
END_TEST

/* ---- OrderGrad's statistics ---- */

static const struct {
  const char *text;
  double alpha[4]; /* of K = 4, from the lowest rank */
} presets[] = {
    {"top_rank[k](1)", {0, 0, 0, 1}},
    {"top_rank[k](extent[k])", {1, 0, 0, 0}},
    {"top_rank[k](2)", {0, 0, 1, 0}},
    {"top_mean[k](3)", {0, 1. / 3, 1. / 3, 1. / 3}},
    {"bottom_mean[k](2)", {0.5, 0.5, 0, 0}},
    {"top_bottom_mean[k](1)", {0.5, 0, 0, 0.5}},
    {"top_bottom_mean[k](3)", {1. / 6, 1. / 3, 1. / 3, 1. / 6}},
    {"upper_tail_mean[k](0.2)", {0, 0, 0, 1}},
    {"lower_tail_mean[k](0.3)", {0.5, 0.5, 0, 0}}, /* a finite K's tail: two of four */
    {"upper_range_mean[k](0.25, 0.75)", {0, 0.5, 0.5, 0}},
    {"lower_range_mean[k](0.5, 1)", {0, 0, 0.5, 0.5}},
    {"trimmed_range_mean[k](0.25, 1)", {1. / 3, 1. / 3, 1. / 3, 0}}, /* 0.25 off the top */
    {"median[k]()", {0, 0.5, 0.5, 0}},
    {"trimmed_mean[k](1)", {0, 0.5, 0.5, 0}},
    {"winsorized_mean[k](1)", {0, 0.5, 0.5, 0}},
    {"quantile[k](0.25)", {0.5, 0.5, 0, 0}},
    {"quantile[k](0.25, a=0)", {0.75, 0.25, 0, 0}},
    {"quantile[k](0.25, a=0.375)", {0.5625, 0.4375, 0, 0}},
    {"quantile[k](1 - 0.25)", {0, 0, 0.5, 0.5}},
    {"harrell_davis[k](0.3)",
     {0.45738233480323654, 0.38214821045947351, 0.14415023627148705, 0.016319218465802905}},
    {"mean_difference[k]()", {-0.5, -1. / 6, 1. / 6, 0.5}},
    {"l_moment[k](2)", {-0.25, -1. / 12, 1. / 12, 0.25}}, /* half of the mean difference */
    {"l_moment[k](3)", {0.25, -0.25, -0.25, 0.25}},
    {"concat[k](0.1, -0.2, 0.3, 0.8)", {0.1, -0.2, 0.3, 0.8}}, /* written out, lowest first */
};

static void add_statistic(Text *t, const char *text) {
  add(t, "define:\n  statistic[k](): %s\n", text);
}

START_TEST(presets_follow_the_path) {
  enum { M = 6, K = 4 };
  const double *alpha = presets[_i].alpha;
  Text t = tries("ordergrad", M, K, NULL);
  for (int j = 0; j < K; j++) add(&t, "      alpha%d: index[rank=%d](alpha)\n", j, j);
  add_statistic(&t, presets[_i].text);
  Run run = run_text(&t);
  double q[M];
  for (int i = 0; i < M; i++) q[i] = logged(&run, "actor/q%d", i);
  for (int j = 0; j < K; j++) same(logged(&run, "actor/alpha%d", j), alpha[j], presets[_i].text);
  same(logged(&run, "losses/actor"), -subset_mean(M, q, K, alpha, 0, 0), presets[_i].text);
  run_close(&run);
}
END_TEST

/* K / M times (with i less without i) is the whole less without i, and so are the losses. */
START_TEST(one_sort_is_include_one) {
  enum { M = 6, K = 4 };
  static const char *const paths[] = {"ordergrad/score", "ordergrad/include_one"};
  const double *alpha = presets[_i].alpha;
  double loss[2];
  for (int p = 0; p < 2; p++) {
    Text t = tries(paths[p], M, K, "credit");
    add_statistic(&t, presets[_i].text);
    Run run = run_text(&t);
    double q[M], total = 0;
    for (int i = 0; i < M; i++) q[i] = logged(&run, "actor/q%d", i);
    for (int i = 0; i < M; i++) {
      double without = subset_mean(M, q, K, alpha, 0, 1u << i);
      double weight = p ? subset_mean(M, q, K, alpha, 1u << i, 0) - without
                        : subset_mean(M, q, K, alpha, 0, 0) - without;
      same(logged(&run, "actor/credit%d", i), weight, presets[_i].text);
      total += weight;
    }
    ck_assert_double_lt(fabs(total), 1e-12);
    same(logged(&run, "actor/value"), subset_mean(M, q, K, alpha, 0, 0), "value");
    loss[p] = logged(&run, "losses/actor");
    run_close(&run);
  }
  same(loss[1], loss[0], presets[_i].text);
}
END_TEST

/* ---- unbiased: the mean gradient over all batches of four draws from three outcomes ---- */

static const double chances[OUTCOMES] = {0.5, 0.3, 0.2}, rewards[OUTCOMES] = {0.1, 1.4, -0.7},
                    successes[OUTCOMES] = {0, 1, 0};

/* The derivative of the mean statistic of K draws by each logit. */
static void exact_gradient(int K, const double *alpha, const double *reward, double *gradient) {
  memset(gradient, 0, OUTCOMES * sizeof *gradient);
  int tuples = (int)pow(OUTCOMES, K);
  for (int tuple = 0; tuple < tuples; tuple++) {
    double values[MOST], chance = 1;
    int counts[OUTCOMES] = {0}, left = tuple;
    for (int k = 0; k < K; k++, left /= OUTCOMES) {
      values[k] = reward[left % OUTCOMES];
      chance *= chances[left % OUTCOMES];
      counts[left % OUTCOMES]++;
    }
    for (int o = 0; o < OUTCOMES; o++)
      gradient[o] += chance * statistic(K, alpha, values) * (counts[o] - K * chances[o]);
  }
}

/* Adds all batches as constants along `combo`, and what `credit` makes of them. */
static void add_batches(Text *t, const char *path, int K, const double *r, const char *credit) {
  add(t,
      "extends: " RLC_ROOT "/specs/%s.yaml\nenv: Pendulum-v1\n"
      "constants: {hidden: 3, batch_size: 1, M: 5, K: %d}\nlosses:\n  actor:\n    let:\n"
      "      outcome: mod(floor(iota[combo=%d] / %d ^ iota[item=%d]), %d)\n"
      "      r: where(outcome == 0, %g, where(outcome == 1, %g, %g))\n"
      "      pick: where(outcome == 0, %g, where(outcome == 1, %g, %g))\n"
      "      chance: exp(sum[item](log(pick)))\n    log:\n",
      path, K, BATCHES, OUTCOMES, ITEMS, OUTCOMES, r[0], r[1], r[2], chances[0], chances[1],
      chances[2]);
  for (int o = 0; o < OUTCOMES; o++)
    add(t, "      slope%d: sum[combo](chance * sum[item](%s * ((outcome == %d) - %g)))\n", o,
        credit, o, chances[o]);
}

static void expect_unbiased(const Text *t, int K, const double *alpha, const double *reward,
                            const char *what) {
  double exact[OUTCOMES];
  exact_gradient(K, alpha, reward, exact);
  Run run = run_text(t);
  for (int o = 0; o < OUTCOMES; o++) same(logged(&run, "actor/slope%d", o), exact[o], what);
  run_close(&run);
}

START_TEST(max_at_k_is_unbiased) {
  int e = _i % (int)COUNTOF(estimators), K = 2 + _i / (int)COUNTOF(estimators);
  bool binary = strstr(estimators[e].path, "pass") != NULL;
  const double *reward = binary ? successes : rewards;
  Text t = {0};
  add_batches(&t, estimators[e].path, K, reward, "credit[item](r)");
  expect_unbiased(&t, K, best[K], reward, estimators[e].path);
}
END_TEST

/* A literal statistic and one that is no mean. */
START_TEST(any_statistic_is_unbiased) {
  static const struct {
    const char *text;
    double alpha[3];
  } some[] = {{"concat[k](0.4, -0.3, 0.7)", {0.4, -0.3, 0.7}},
              {"mean_difference[k]()", {-2. / 3, 0, 2. / 3}},
              {"median[k]()", {0, 1, 0}}};
  static const char *const credits[] = {
      "order_advantage[item, rank](r, alpha)",
      "K / 4 * (include_one[item, rank](r, alpha) - leave_one_out[item, rank](r, alpha))"};
  Text t = {0};
  add_batches(&t, "ordergrad/include_one", 3, rewards, credits[_i / 3]);
  add_statistic(&t, some[_i % 3].text);
  expect_unbiased(&t, 3, some[_i % 3].alpha, rewards, some[_i % 3].text);
}
END_TEST

/* What a try is worth in a batch is on average what its outcome is worth exactly (OrderGrad's
 * theorem of the two regimes). */
START_TEST(batches_are_exact_on_average) {
  static const double alpha[3] = {0.4, -0.3, 0.7};
  Text t = {0};
  add_batches(&t, "ordergrad/include_one", 3, rewards, "order_advantage[item, rank](r, alpha)");
  for (int o = 0; o < OUTCOMES; o++) {
    add(&t, "      exact%d: index[arm=%d](expected_order_advantage[arm, rank](", o, o);
    add(&t, "stack[arm](%g, %g, %g), stack[arm](%g, %g, %g), alpha))\n", rewards[0], rewards[1],
        rewards[2], chances[0], chances[1], chances[2]);
    add(&t,
        "      mean%d: sum[combo](chance * (index[item=0](outcome) == %d) / %g * index[item=0](", o,
        o, chances[o]);
    add(&t, "include_one[item, rank](r, alpha) - leave_one_out[item, rank](r, alpha)))\n");
  }
  add_statistic(&t, "concat[k](0.4, -0.3, 0.7)");
  Run run = run_text(&t);
  double value = 0;
  for (int tuple = 0; tuple < 27; tuple++) {
    int draws[3] = {tuple % 3, tuple / 3 % 3, tuple / 9};
    double x[3], chance = 1;
    for (int k = 0; k < 3; k++) {
      x[k] = rewards[draws[k]];
      chance *= chances[draws[k]];
    }
    value += chance * statistic(3, alpha, x);
  }
  for (int o = 0; o < OUTCOMES; o++) {
    double with = 0;
    for (int pair = 0; pair < 9; pair++) {
      double x[3] = {rewards[o], rewards[pair % 3], rewards[pair / 3]};
      with += chances[pair % 3] * chances[pair / 3] * statistic(3, alpha, x);
    }
    same(logged(&run, "actor/exact%d", o), with - value, "exact");
    same(logged(&run, "actor/mean%d", o), with - value, "mean over batches");
  }
  run_close(&run);
}
END_TEST

/* K = 1 is the mean, and its score function leave-one-out REINFORCE. */
START_TEST(one_draw_is_leave_one_out) {
  enum { M = 5 };
  Text t = tries("ordergrad/score", M, 1, "credit");
  add_statistic(&t, "top_mean[k](1)");
  Run run = run_text(&t);
  double q[M], sum = 0;
  for (int i = 0; i < M; i++) sum += q[i] = logged(&run, "actor/q%d", i);
  for (int i = 0; i < M; i++)
    same(logged(&run, "actor/credit%d", i), (q[i] - (sum - q[i]) / (M - 1)) / M, "credit");
  run_close(&run);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("order specs");
  TCase *tests = tcase_create("order specs");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, tries_have_their_weights, 0,
                      (int)(COUNTOF(estimators) * COUNTOF(sizes)));
  tcase_add_loop_test(tests, presets_follow_the_path, 0, (int)COUNTOF(presets));
  tcase_add_loop_test(tests, one_sort_is_include_one, 0, (int)COUNTOF(presets));
  tcase_add_loop_test(tests, max_at_k_is_unbiased, 0, (int)COUNTOF(estimators) * 2);
  tcase_add_loop_test(tests, any_statistic_is_unbiased, 0, 6);
  tcase_add_test(tests, batches_are_exact_on_average);
  tcase_add_test(tests, one_draw_is_leave_one_out);
  return suite_run(suite);
}
