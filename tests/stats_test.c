/* The statistics of studies: what must hold of any scores, whatever is odd about them, and a naive
 * bootstrap beside ours. Other people's numbers are in stats_golden_test.c. */
#include "tests/stats_fixture.h"

#define CLOSE 1e-12 /* the same sums in another order */

static const size_t unequal[] = {5, 2, 9, 4, 7, 3}; /* runs of six tasks */
static const StatsOptions usual = {500, 0.95, NULL};

static void assert_close(double ours, double theirs) {
  ck_assert_msg(fabs(ours - theirs) <= CLOSE * (1 + fabs(theirs)), "%.17g, not %.17g", ours,
                theirs);
}

static void assert_estimate(StatsEstimate ours, double value, double low, double high) {
  ck_assert_ptr_null(ours.missing);
  assert_close(ours.value, value);
  assert_close(ours.low, low);
  assert_close(ours.high, high);
}

/* ---- a naive bootstrap: every resample written out ---- */

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double naive_iqm(const RunTable *t) {
  double all[VALUES], sum = 0;
  size_t n = 0;
  for (size_t task = 0; task < t->scores.tasks; task++)
    for (size_t i = 0; i < t->runs[task]; i++) all[n++] = t->score[task][i];
  qsort(all, n, sizeof *all, rising);
  for (size_t i = n / 4; i < n - n / 4; i++) sum += all[i];
  return sum / (double)(n - 2 * (n / 4));
}

static double naive_task(const RunTable *t, size_t task, double most) {
  double sum = 0;
  for (size_t i = 0; i < t->runs[task]; i++) sum += fmin(t->score[task][i], most);
  return sum / (double)t->runs[task];
}

static double naive(StatsKind kind, const RunTable *t) {
  double mean[TASKS], sum = 0;
  size_t n = t->scores.tasks;
  if (kind == STATS_IQM) return naive_iqm(t);
  for (size_t i = 0; i < n; i++) sum += mean[i] = naive_task(t, i, kind == STATS_GAP ? 1 : 1e300);
  qsort(mean, n, sizeof *mean, rising);
  if (kind == STATS_MEDIAN) return (mean[n / 2] + mean[(n - 1) / 2]) / 2;
  return kind == STATS_GAP ? 1 - sum / (double)n : sum / (double)n;
}

/* Draws that anybody can make again. */
static void simple_draw(const StatsDraws *draws, uint32_t resample, uint32_t sample, size_t task,
                        size_t runs, uint32_t *index) {
  (void)draws;
  for (size_t i = 0; i < runs; i++)
    index[i] =
        philox(99, (uint32_t)(2 * task + sample), resample, (uint32_t)i).word[0] % (uint32_t)runs;
}

static const StatsDraws simple = {simple_draw};

static void naive_resample(const RunTable *t, uint32_t number, uint32_t sample, RunTable *out) {
  table_shape(out, t->scores.tasks, t->runs);
  for (size_t task = 0, at = 0; task < t->scores.tasks; task++) {
    uint32_t index[VALUES];
    simple_draw(NULL, number, sample, task, t->runs[task], index);
    for (size_t i = 0; i < t->runs[task]; i++) out->values[at++] = t->score[task][index[i]];
  }
}

/* 101 resamples make the ends of a 90 % interval the 6th and the 96th value. */
enum { NAIVE = 101 };
static const StatsOptions written_out = {NAIVE, 0.9, &simple};

static void assert_naive(StatsEstimate ours, double value, double *resampled) {
  qsort(resampled, NAIVE, sizeof *resampled, rising);
  assert_estimate(ours, value, resampled[5], resampled[95]);
}

START_TEST(aggregates_written_out) {
  static RunTable t, drawn;
  table_fill(&t, 3);
  table_shape(&t, 6, unequal);
  for (StatsKind kind = 0; kind < STATS_KINDS; kind++) {
    StatsEstimate out;
    double resampled[NAIVE];
    out = stats_aggregate(kind, &t.scores, &written_out);
    for (uint32_t b = 0; b < NAIVE; b++) {
      naive_resample(&t, b, 0, &drawn);
      resampled[b] = naive(kind, &drawn);
    }
    assert_naive(out, naive(kind, &t), resampled);
    ck_assert_uint_eq(out.runs, 30);
    ck_assert_uint_eq(out.tasks, 6);
  }
}
END_TEST

static double naive_improvement(const RunTable *x, const RunTable *y) {
  double sum = 0;
  for (size_t task = 0; task < x->scores.tasks; task++) {
    double wins = 0;
    for (size_t i = 0; i < x->runs[task]; i++)
      for (size_t k = 0; k < y->runs[task]; k++) {
        double a = x->score[task][i], b = y->score[task][k];
        wins += a > b ? 1 : a == b ? 0.5 : 0;
      }
    sum += wins / (double)(x->runs[task] * y->runs[task]);
  }
  return sum / (double)x->scores.tasks;
}

START_TEST(improvement_written_out) {
  static RunTable x, y, drawn_x, drawn_y;
  static const size_t of_x[] = {4, 6, 2}, of_y[] = {7, 3, 5};
  double resampled[NAIVE];
  table_fill(&x, 4);
  table_fill(&y, 5);
  for (size_t i = 0; i < 20; i++) /* many ties */
    x.values[i] = round(2 * x.values[i]), y.values[i] = round(2 * y.values[i]);
  table_shape(&x, 3, of_x);
  table_shape(&y, 3, of_y);
  for (uint32_t b = 0; b < NAIVE; b++) {
    naive_resample(&x, b, 0, &drawn_x);
    naive_resample(&y, b, 1, &drawn_y);
    resampled[b] = naive_improvement(&drawn_x, &drawn_y);
  }
  assert_naive(stats_improvement(&x.scores, &y.scores, &written_out), naive_improvement(&x, &y),
               resampled);
}
END_TEST

/* The share of runs above tau; each task counts the same. */
static double naive_profile(const RunTable *t, double tau) {
  double sum = 0;
  for (size_t task = 0; task < t->scores.tasks; task++) {
    double above = 0;
    for (size_t i = 0; i < t->runs[task]; i++) above += t->score[task][i] > tau;
    sum += above / (double)t->runs[task];
  }
  return sum / (double)t->scores.tasks;
}

START_TEST(profiles_written_out) {
  enum { TAUS = 7 };
  static const double tau[TAUS] = {-1, 0, 0.25, 0.5, 1, 2, 4};
  static RunTable t, drawn;
  table_fill(&t, 6);
  for (size_t i = 0; i < 30; i++) t.values[i] = round(4 * t.values[i]) / 4; /* some at thresholds */
  table_shape(&t, 6, unequal);
  StatsEstimate out[TAUS];
  stats_profile(&t.scores, tau, TAUS, &written_out, out);
  for (size_t k = 0; k < TAUS; k++) {
    double resampled[NAIVE];
    for (uint32_t b = 0; b < NAIVE; b++) {
      naive_resample(&t, b, 0, &drawn);
      resampled[b] = naive_profile(&drawn, tau[k]);
    }
    assert_naive(out[k], naive_profile(&t, tau[k]), resampled);
    if (k > 0) ck_assert_double_le(out[k].value, out[k - 1].value);
  }
  ck_assert_double_eq(out[0].low, 1);
  ck_assert_double_eq(out[TAUS - 1].high, 0);
}
END_TEST

/* ---- what holds of all scores ---- */

static StatsEstimate aggregate(StatsKind kind, const RunTable *t, StatsOptions options) {
  return stats_aggregate(kind, &t->scores, &options);
}

/* Runs and tasks in the opposite order. */
static void turned(const RunTable *t, RunTable *out) {
  size_t runs[TASKS], n = t->scores.tasks, at = 0;
  for (size_t task = 0; task < n; task++) runs[task] = t->runs[n - 1 - task];
  for (size_t task = n; task-- > 0;)
    for (size_t i = t->runs[task]; i-- > 0;) out->values[at++] = t->score[task][i];
  table_shape(out, n, runs);
}

START_TEST(order_does_not_matter) {
  static RunTable x, y, x_turned, y_turned;
  static const double tau[] = {0.1, 0.7};
  StatsEstimate one[2], other[2];
  table_fill(&x, 8);
  table_fill(&y, 9);
  table_shape(&x, 6, unequal);
  table_shape(&y, 6, unequal);
  turned(&x, &x_turned);
  turned(&y, &y_turned);
  for (StatsKind kind = 0; kind < STATS_KINDS; kind++)
    assert_close(aggregate(kind, &x_turned, usual).value, aggregate(kind, &x, usual).value);
  assert_close(stats_improvement(&x_turned.scores, &y_turned.scores, &usual).value,
               stats_improvement(&x.scores, &y.scores, &usual).value);
  assert_close(stats_contrast(&x_turned.scores, &y_turned.scores, &usual).difference.value,
               stats_contrast(&x.scores, &y.scores, &usual).difference.value);
  stats_profile(&x.scores, tau, 2, &usual, one);
  stats_profile(&x_turned.scores, tau, 2, &usual, other);
  for (size_t i = 0; i < 2; i++) assert_close(one[i].value, other[i].value);
}
END_TEST

/* In other units the numbers are the same in those units; order alone is the same in any. */
START_TEST(units_do_not_matter) {
  static RunTable x, y, scaled_x, scaled_y;
  table_fill(&x, 10);
  table_fill(&y, 11);
  table_shape(&x, 6, unequal);
  table_shape(&y, 6, unequal);
  for (size_t i = 0; i < 30; i++)
    scaled_x.values[i] = 250 * x.values[i] - 40, scaled_y.values[i] = 250 * y.values[i] - 40;
  table_shape(&scaled_x, 6, unequal);
  table_shape(&scaled_y, 6, unequal);
  for (StatsKind kind = STATS_IQM; kind <= STATS_MEDIAN; kind++) {
    StatsEstimate e = aggregate(kind, &x, usual);
    assert_estimate(aggregate(kind, &scaled_x, usual), 250 * e.value - 40, 250 * e.low - 40,
                    250 * e.high - 40);
  }
  StatsEstimate wins = stats_improvement(&x.scores, &y.scores, &usual);
  assert_estimate(stats_improvement(&scaled_x.scores, &scaled_y.scores, &usual), wins.value,
                  wins.low, wins.high);
  assert_close(stats_improvement(&y.scores, &x.scores, &usual).value, 1 - wins.value);
  StatsContrast c = stats_contrast(&x.scores, &y.scores, &usual);
  StatsContrast scaled = stats_contrast(&scaled_x.scores, &scaled_y.scores, &usual);
  StatsContrast back = stats_contrast(&y.scores, &x.scores, &usual);
  assert_estimate(scaled.difference, 250 * c.difference.value, 250 * c.difference.low,
                  250 * c.difference.high);
  assert_estimate(back.difference, -c.difference.value, -c.difference.high, -c.difference.low);
  assert_close(scaled.p, c.p);
  assert_close(back.p, c.p);
}
END_TEST

/* A higher level has the wider interval, and the mean lies in its own. */
START_TEST(intervals_are_nested) {
  static RunTable t;
  table_fill(&t, 100 + (uint64_t)_i);
  table_shape(&t, 6, unequal);
  for (StatsKind kind = 0; kind < STATS_KINDS; kind++) {
    StatsEstimate wide = aggregate(kind, &t, (StatsOptions){500, 0.95, NULL});
    StatsEstimate narrow = aggregate(kind, &t, (StatsOptions){500, 0.5, NULL});
    ck_assert_double_lt(wide.low, narrow.low);
    ck_assert_double_lt(narrow.low, narrow.high);
    ck_assert_double_lt(narrow.high, wide.high);
    if (kind == STATS_MEAN) ck_assert(wide.low < wide.value && wide.value < wide.high);
  }
}
END_TEST

/* The numbers of a table that is made again are the same bytes. */
START_TEST(draws_are_pinned) {
  static RunTable t;
  static const size_t runs[] = {4, 4};
  for (uint32_t i = 0; i < 8; i++) t.values[i] = i * i;
  table_shape(&t, 2, runs);
  StatsEstimate e = aggregate(STATS_MEAN, &t, (StatsOptions){7, 0.9, NULL});
  char text[128];
  snprintf(text, sizeof text, "%.17g %.17g %.17g", e.value, e.low, e.high);
  ck_assert_str_eq(text, "17.5 12.75 23.287499999999998");
}
END_TEST

/* ---- odd scores ---- */

START_TEST(equal_scores) {
  static RunTable t;
  for (size_t i = 0; i < 30; i++) t.values[i] = 0.25;
  table_shape(&t, 6, unequal);
  for (StatsKind kind = STATS_IQM; kind <= STATS_MEDIAN; kind++)
    assert_estimate(aggregate(kind, &t, usual), 0.25, 0.25, 0.25);
  assert_estimate(aggregate(STATS_GAP, &t, usual), 0.75, 0.75, 0.75);
  assert_estimate(stats_improvement(&t.scores, &t.scores, &usual), 0.5, 0.5, 0.5);
  StatsContrast c = stats_contrast(&t.scores, &t.scores, &usual);
  assert_estimate(c.difference, 0, 0, 0);
  ck_assert(c.p == 1 && c.exact);
}
END_TEST

static void assert_no_interval(StatsEstimate e, double value, const char *missing) {
  ck_assert_str_eq(e.missing, missing);
  assert_close(e.value, value);
  ck_assert(isnan(e.low) && isnan(e.high));
}

static void assert_nothing(StatsEstimate e, const char *missing) {
  ck_assert_str_eq(e.missing, missing);
  ck_assert(isnan(e.value) && isnan(e.low) && isnan(e.high));
}

START_TEST(single_runs_have_no_interval) {
  static RunTable t;
  const char *single = "a single run of an environment";
  static const double tau[] = {1};
  StatsEstimate out;
  for (uint32_t i = 0; i < 8; i++) t.values[i] = i;
  table_shape(&t, 1, (size_t[]){1});
  for (StatsKind kind = STATS_IQM; kind <= STATS_MEDIAN; kind++)
    assert_no_interval(aggregate(kind, &t, usual), 0, single);
  table_shape(&t, 3, (size_t[]){3, 1, 2}); /* means 1, 3, 4.5 */
  assert_no_interval(aggregate(STATS_MEDIAN, &t, usual), 3, single);
  assert_no_interval(stats_improvement(&t.scores, &t.scores, &usual), 0.5, single);
  assert_no_interval(stats_contrast(&t.scores, &t.scores, &usual).difference, 0, single);
  stats_profile(&t.scores, tau, 1, &usual, &out);
  assert_no_interval(out, (1.0 / 3 + 1 + 1) / 3, single);
  table_shape(&t, 1, (size_t[]){4});
  assert_no_interval(aggregate(STATS_IQM, &t, (StatsOptions){0, 0.95, NULL}), 1.5, "no resamples");
}
END_TEST

START_TEST(tasks_without_runs_are_left_out) {
  static RunTable t, full, y;
  table_fill(&t, 12);
  table_fill(&full, 12);
  table_fill(&y, 13);
  table_shape(&t, 4, (size_t[]){3, 4, 0, 0});
  table_shape(&full, 2, (size_t[]){3, 4});
  for (StatsKind kind = 0; kind < STATS_KINDS; kind++) {
    StatsEstimate with = aggregate(kind, &t, usual), without = aggregate(kind, &full, usual);
    ck_assert_mem_eq(&with, &without, sizeof with);
    ck_assert_uint_eq(with.tasks, 2);
  }
  table_shape(&y, 4, (size_t[]){0, 4, 3, 0}); /* only the second is in both */
  StatsEstimate wins = stats_improvement(&t.scores, &y.scores, &usual);
  ck_assert_uint_eq(wins.tasks, 1);
  ck_assert_uint_eq(wins.runs, 8);
  table_shape(&y, 4, (size_t[]){0, 0, 3, 2});
  assert_nothing(stats_improvement(&t.scores, &y.scores, &usual),
                 "no environment in which both have runs");
  table_shape(&t, 2, (size_t[]){0, 0});
  assert_nothing(aggregate(STATS_IQM, &t, usual), "no runs");
  StatsContrast none = stats_contrast(&t.scores, &t.scores, &usual);
  assert_nothing(none.difference, "no runs");
  ck_assert(isnan(none.p));
}
END_TEST

START_TEST(not_finite_is_refused) {
  static RunTable t, good;
  static const double bad[] = {NAN, INFINITY, -INFINITY}, tau[] = {0.5};
  const char *why = "a score is not a finite number";
  table_fill(&t, 14);
  table_fill(&good, 14);
  table_shape(&t, 2, (size_t[]){3, 3});
  table_shape(&good, 2, (size_t[]){3, 3});
  t.values[5] = bad[_i];
  StatsEstimate out;
  for (StatsKind kind = 0; kind < STATS_KINDS; kind++)
    assert_nothing(aggregate(kind, &t, usual), why);
  assert_nothing(stats_improvement(&good.scores, &t.scores, &usual), why);
  assert_nothing(stats_improvement(&t.scores, &good.scores, &usual), why);
  StatsContrast c = stats_contrast(&t.scores, &good.scores, &usual);
  assert_nothing(c.difference, why);
  ck_assert(isnan(c.p));
  stats_profile(&t.scores, tau, 1, &usual, &out);
  assert_nothing(out, why);
}
END_TEST

START_TEST(areas) {
  static const double step[] = {0, 1, 4}, value[] = {2, 4, 1}, stuck[] = {0, 1, 1};
  ck_assert_double_eq(stats_area(step, value, 3), (3 + 7.5) / 4);
  ck_assert_double_eq(stats_area(step, (double[]){7, 7, 7}, 3), 7);
  ck_assert_double_eq(stats_area(step + 2, value + 2, 1), 1);
  ck_assert(isnan(stats_area(stuck, value, 3)));
  ck_assert(isnan(stats_area(step, value, 0)));
}
END_TEST

/* ---- swaps ---- */

/* Every choice of places written out. */
static double naive_swaps(StatsKind kind, const RunTable *x, const RunTable *y) {
  static RunTable a, b;
  size_t tasks = x->scores.tasks, n = 0;
  for (size_t task = 0; task < tasks; task++) n += x->runs[task];
  double seen = fabs(naive(kind, x) - naive(kind, y)), reached = 0;
  double mean = fabs(naive(STATS_MEAN, x) - naive(STATS_MEAN, y));
  if (seen < 1e-9) return 1;
  for (uint32_t choice = 0; choice < 1u << n; choice++) {
    for (size_t i = 0; i < n; i++) {
      bool swap = choice >> i & 1;
      a.values[i] = (swap ? y : x)->values[i], b.values[i] = (swap ? x : y)->values[i];
    }
    table_shape(&a, tasks, x->runs);
    table_shape(&b, tasks, x->runs);
    double far = fabs(naive(kind, &a) - naive(kind, &b));
    bool tied = fabs(far - seen) < 1e-9;
    reached +=
        tied ? fabs(naive(STATS_MEAN, &a) - naive(STATS_MEAN, &b)) >= mean - 1e-9 : far > seen;
  }
  return reached / (double)(1u << n);
}

/* Each statistic has the p of its own difference; that of the mean is the contrast's. */
START_TEST(swaps_written_out) {
  static const size_t runs[][3] = {{2}, {5}, {8}, {3, 4}, {2, 3, 4}};
  static RunTable x, y;
  for (uint64_t seed = 0; seed < 6; seed++)
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
      size_t tasks = runs[i][1] == 0 ? 1 : runs[i][2] == 0 ? 2 : 3;
      table_fill(&x, 2 * seed);
      table_fill(&y, 2 * seed + 1);
      for (size_t k = 0; k < 9; k++) {
        x.values[k] += 0.4;
        if (seed % 2) x.values[k] = round(x.values[k]), y.values[k] = round(y.values[k]);
      }
      table_shape(&x, tasks, runs[i]);
      table_shape(&y, tasks, runs[i]);
      for (StatsKind kind = 0; kind < STATS_KINDS; kind++) {
        StatsSwap swap = stats_swap(kind, &x.scores, &y.scores);
        assert_close(swap.difference, naive(kind, &x) - naive(kind, &y));
        assert_close(swap.p, naive_swaps(kind, &x, &y));
        ck_assert_uint_eq(swap.pairs, runs[i][0] + runs[i][1] + runs[i][2]);
      }
    }
}
END_TEST

/* With capped scores all below 1 the gap is a mean, so that its random choices can be held against
 * all signs. */
START_TEST(random_swaps_are_near) {
  enum { COUNT = 30 };
  static RunTable x, y;
  for (uint32_t i = 0; i < COUNT; i++)
    x.values[i] = 0.9 * made_up(8, i), y.values[i] = 0.6 * made_up(9, i);
  table_shape(&x, 2, (size_t[]){20, 10});
  table_shape(&y, 2, x.runs);
  double exact = stats_contrast(&x.scores, &y.scores, &usual).p;
  StatsSwap swap = stats_swap(STATS_GAP, &x.scores, &y.scores);
  ck_assert_double_gt(exact, 0.001);
  ck_assert_double_lt(exact, 0.9);
  ck_assert_double_lt(fabs(swap.p - exact), 5 * sqrt(exact * (1 - exact) / STATS_SWAPS));
  ck_assert_double_ne(swap.p, exact);
  for (uint32_t i = 0; i < COUNT; i++) y.values[i] = -5; /* as far as it goes */
  ck_assert_double_eq(stats_swap(STATS_GAP, &x.scores, &y.scores).p, 1 / (STATS_SWAPS + 1.0));
}
END_TEST

/* What so many pairs can reach is what they give when all differences have one sign. */
START_TEST(least_p_is_reached) {
  static RunTable x, y;
  for (uint32_t i = 0; i < 50; i++) x.values[i] = 1 + i, y.values[i] = 0;
  for (size_t n = 1; n <= 45; n++) {
    table_shape(&x, 1, &n);
    table_shape(&y, 1, &n);
    ck_assert_double_eq(stats_least_p(n), stats_contrast(&x.scores, &y.scores, &usual).p);
    if (n > STATS_SWAP_PAIRS) continue;
    for (StatsKind kind = 0; kind < STATS_GAP; kind++)
      ck_assert_double_eq(stats_least_p(n), stats_swap(kind, &x.scores, &y.scores).p);
  }
  ck_assert_double_eq(stats_least_p(5), 0.0625);
  ck_assert(isnan(stats_least_p(0)));
  table_shape(&x, 1, (size_t[]){0});
  ck_assert(isnan(stats_swap(STATS_IQM, &x.scores, &x.scores).p));
}
END_TEST

/* A number that failed runs were given has no interval, nor has what is made of it. */
START_TEST(assumed_scores_have_no_interval) {
  static RunTable x, y;
  const char *why = "failed runs that all count as one number";
  static const bool assumed[] = {false, true};
  table_fill(&y, 15);
  table_fill(&x, 16);
  for (size_t i = 3; i < 6; i++) x.values[i] = 0;
  table_shape(&x, 2, (size_t[]){3, 3});
  table_shape(&y, 2, x.runs);
  x.scores.assumed = assumed;
  double mean = aggregate(STATS_MEAN, &y, usual).value;
  ck_assert(isfinite(mean));
  assert_no_interval(aggregate(STATS_MEAN, &x, usual), naive(STATS_MEAN, &x), why);
  assert_no_interval(stats_contrast(&y.scores, &x.scores, &usual).difference,
                     mean - naive(STATS_MEAN, &x), why);
  assert_no_interval(stats_improvement(&x.scores, &y.scores, &usual), naive_improvement(&x, &y),
                     why);
}
END_TEST

int main(void) {
  const StatsTest tests[] = {
      {aggregates_written_out, 1},
      {improvement_written_out, 1},
      {profiles_written_out, 1},
      {order_does_not_matter, 1},
      {units_do_not_matter, 1},
      {intervals_are_nested, 20},
      {draws_are_pinned, 1},
      {equal_scores, 1},
      {single_runs_have_no_interval, 1},
      {tasks_without_runs_are_left_out, 1},
      {not_finite_is_refused, 3},
      {swaps_written_out, 1},
      {random_swaps_are_near, 1},
      {least_p_is_reached, 1},
      {assumed_scores_have_no_interval, 1},
      {areas, 1},
  };
  return stats_run("stats", tests, sizeof tests / sizeof tests[0]);
}
