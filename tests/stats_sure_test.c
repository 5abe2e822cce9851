/* How sure a study's numbers are: how often intervals of few runs hold what they are about, and
 * p-values of pairs. */
#include "tests/stats_fixture.h"

static const StatsOptions usual = {500, 0.95, NULL};

static void assert_close(double ours, double theirs) {
  ck_assert_msg(fabs(ours - theirs) <= 1e-12 * (1 + fabs(theirs)), "%.17g, not %.17g", ours,
                theirs);
}

/* ---- how often an interval holds what it is about ---- */

/* The share of `studies` in which the interval of the mean of `runs` scores holds the true mean,
 * which is 0: normal scores, or skewed ones (an exponential's, less 1). */
static double coverage(size_t runs, bool skewed, uint32_t studies) {
  static RunTable t;
  uint32_t held = 0;
  for (uint32_t study = 0; study < studies; study++) {
    for (uint32_t i = 0; i < runs; i++) {
      double u = made_up(1000 + study, 2 * i), v = made_up(1000 + study, 2 * i + 1);
      t.values[i] = skewed ? -log(u) - 1 : sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v);
    }
    table_shape(&t, 1, &runs);
    StatsEstimate e;
    e = stats_aggregate(STATS_MEAN, &t.scores, &(StatsOptions){400, 0.95, NULL});
    held += e.low <= 0 && 0 <= e.high;
  }
  return held / (double)studies;
}

/* What docs/studies.md says of few seeds; a share of so many studies is off by less than four of
 * its standard deviations. Of three normal runs the interval is their range, which misses the mean
 * when all lie on one side: 1 - 2/8. */
START_TEST(intervals_of_few_runs_cover_less) {
  enum { STUDIES = 2000 };
  static const struct {
    size_t runs;
    double normal, skewed;
  } known[] = {{3, 0.75, 0.71}, {5, 0.83, 0.77}, {10, 0.90, 0.86}, {20, 0.93, 0.91}};
  double normal = coverage(known[_i].runs, false, STUDIES);
  double skewed = coverage(known[_i].runs, true, STUDIES);
  printf("95 %% intervals of %zu runs hold the mean in %.1f %%, of skewed scores in %.1f %%\n",
         known[_i].runs, 100 * normal, 100 * skewed);
  double error = 0.005 + 4 * sqrt(0.25 * 0.75 / STUDIES);
  ck_assert_double_eq_tol(normal, known[_i].normal, error);
  ck_assert_double_eq_tol(skewed, known[_i].skewed, error);
}
END_TEST

/* ---- p-values ---- */

/* By counting out every choice of signs, one after the other. */
static double naive_p(const RunTable *t) {
  double term[16], seen = 0, size = 0, reached = 0;
  uint32_t n = 0;
  for (size_t task = 0; task < t->scores.tasks; task++)
    for (size_t i = 0; i < t->runs[task]; i++)
      term[n++] = t->score[task][i] / (double)t->runs[task];
  for (uint32_t i = 0; i < n; i++) seen += term[i], size += fabs(term[i]);
  for (uint32_t signs = 0; signs < 1u << n; signs++) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += signs >> i & 1 ? -term[i] : term[i];
    reached += fabs(sum) >= fabs(seen) - 1e-9 * size;
  }
  return reached / (double)(1u << n);
}

START_TEST(signs_counted_out) {
  static RunTable x, zero;
  static const size_t runs[][3] = {{1}, {2}, {5}, {12}, {3, 4}, {2, 2, 2}, {5, 1, 6}};
  for (uint64_t seed = 0; seed < 40; seed++)
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
      size_t tasks = runs[i][1] == 0 ? 1 : runs[i][2] == 0 ? 2 : 3;
      table_fill(&x, seed);
      for (size_t k = 0; k < 16; k++) {
        x.values[k] -= 0.3;
        if (seed % 2) x.values[k] = round(x.values[k]); /* zeros and ties */
      }
      table_shape(&x, tasks, runs[i]);
      table_shape(&zero, tasks, runs[i]);
      StatsContrast c = stats_contrast(&x.scores, &zero.scores, &usual);
      ck_assert(c.exact);
      assert_close(c.p, naive_p(&x));
    }
}
END_TEST

/* The most pairs that are counted out, and one more: nearly the same p. The random one is off by
 * less than five of its standard deviations. */
START_TEST(random_signs_are_near) {
  static RunTable x, zero;
  for (uint32_t i = 0; i <= STATS_EXACT_PAIRS; i++) x.values[i] = made_up(5, i) - 0.42;
  table_shape(&x, 1, (size_t[]){STATS_EXACT_PAIRS});
  table_shape(&zero, 1, x.runs);
  StatsContrast exact = stats_contrast(&x.scores, &zero.scores, &usual);
  ck_assert(exact.exact);
  /* A difference that is next to nothing makes one pair more and changes no sum that matters. */
  x.values[STATS_EXACT_PAIRS] = 1e-9;
  for (uint32_t i = 0; i < STATS_EXACT_PAIRS; i++) x.values[i] *= STATS_EXACT_PAIRS + 1.0;
  table_shape(&x, 1, (size_t[]){STATS_EXACT_PAIRS + 1});
  table_shape(&zero, 1, x.runs);
  StatsContrast random = stats_contrast(&x.scores, &zero.scores, &usual);
  ck_assert(!random.exact);
  ck_assert_double_gt(exact.p, 0.001);
  ck_assert_double_lt(exact.p, 0.9);
  double error = 5 * sqrt(exact.p * (1 - exact.p) / STATS_FLIPS);
  ck_assert_double_lt(fabs(random.p - exact.p), error);
  ck_assert_double_ne(random.p, exact.p);
}
END_TEST

/* Every pair has a sign of its own: of three that matter, wherever they stand, a quarter of the
 * choices have one sign. The others make what was seen the nearest to zero of these. */
START_TEST(random_signs_are_independent) {
  enum { COUNT = 300 };
  static const size_t place[][3] = {{0, 1, 2}, {0, 32, 64}, {31, 128, 256}, {5, 37, 165}};
  static RunTable x, zero;
  for (size_t i = 0; i < COUNT; i++) x.values[i] = -1e-6;
  for (size_t i = 0; i < 3; i++) x.values[place[_i][i]] = 1;
  table_shape(&x, 1, (size_t[]){COUNT});
  table_shape(&zero, 1, x.runs);
  StatsContrast c = stats_contrast(&x.scores, &zero.scores, &usual);
  ck_assert_double_lt(fabs(c.p - 0.25), 5 * sqrt(0.25 * 0.75 / STATS_FLIPS));
}
END_TEST

/* What was seen is one of the choices. */
START_TEST(random_p_is_not_zero) {
  static RunTable x, zero;
  for (size_t i = 0; i < 60; i++) x.values[i] = 1 + (double)i;
  table_shape(&x, 1, (size_t[]){60});
  table_shape(&zero, 1, x.runs);
  ck_assert_double_eq(stats_contrast(&x.scores, &zero.scores, &usual).p, 1.0 / (STATS_FLIPS + 1));
}
END_TEST

START_TEST(holm_properties) {
  enum { COUNT = 9 };
  double p[COUNT], turned_p[COUNT], out[COUNT], turned_out[COUNT];
  for (uint32_t i = 0; i < COUNT; i++) p[i] = pow(made_up((uint64_t)_i, i), 3);
  p[4] = p[2];
  p[6] = NAN;
  for (size_t i = 0; i < COUNT; i++) turned_p[i] = p[COUNT - 1 - i];
  stats_holm(p, COUNT, out);
  stats_holm(turned_p, COUNT, turned_out);
  ck_assert(isnan(out[6]));
  double smallest = 1;
  for (size_t i = 0; i < COUNT; i++) {
    if (i == 6) continue;
    ck_assert(out[i] == turned_out[COUNT - 1 - i]);
    ck_assert(out[i] >= p[i] && out[i] <= 1);
    for (size_t k = 0; k < COUNT; k++) ck_assert(!(p[i] <= p[k] && out[i] > out[k]));
    smallest = fmin(smallest, p[i]);
  }
  for (size_t i = 0; i < COUNT; i++)
    if (p[i] == smallest) ck_assert_double_eq(out[i], fmin(1, (COUNT - 1) * smallest));
}
END_TEST

int main(void) {
  const StatsTest tests[] = {
      {intervals_of_few_runs_cover_less, 4}, {signs_counted_out, 1},    {random_signs_are_near, 1},
      {random_signs_are_independent, 4},     {random_p_is_not_zero, 1}, {holm_properties, 10},
  };
  return stats_run("stats_sure", tests, sizeof tests / sizeof tests[0]);
}
