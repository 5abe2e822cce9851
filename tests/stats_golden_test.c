/* The statistics against rliable, scipy and statsmodels: tests/golden/rliable.json, which
 * tests/oracles/rliable_golden.py writes. Equal where the draws are the same; where each has its
 * own, as near as so many draws let them be. */
#include "tests/stats_fixture.h"
#include "tests/files_support.h"

#include "runtime/json.h"

enum { NUMBERS = 600, DRAWS = 16384 };

/* Agreement of numbers that are written with 12 digits and summed in another order. */
#define EQUAL 1e-9
/* How many standard deviations two estimates may be apart. The file has about 150 comparisons of
 * independent random numbers: one of them goes beyond by chance with a probability below 1e-3. */
#define DEVIATIONS 4.5

typedef struct Numbers {
  size_t count;
  double value[NUMBERS];
} Numbers;

typedef struct Golden {
  Bytes bytes;
  JsonReader json;
  double level;
  uint32_t near, far, signs; /* resamples; random choices of signs */
  Numbers taus;
} Golden;

/* Enters the next entry of an object, which must have this name. */
static void enter(JsonReader *json, const char *name) {
  char found[64];
  ck_assert_msg(json_next(json, found, sizeof found), "no '%s': %s", name, json->problem);
  ck_assert_str_eq(found, name);
}

/* Leaves an object, which must have no further entry. */
static void leave(JsonReader *json) {
  char found[64];
  ck_assert(!json_next(json, found, sizeof found));
}

static double read_number(JsonReader *json, const char *name) {
  enter(json, name);
  return json_read_double(json);
}

static void read_text(JsonReader *json, const char *name, char *text, size_t size) {
  enter(json, name);
  json_read_string(json, text, size);
}

static void read_numbers(JsonReader *json, const char *name, Numbers *numbers) {
  enter(json, name);
  json_enter(json, '[');
  for (numbers->count = 0; json_next(json, NULL, 0);) {
    ck_assert_uint_lt(numbers->count, NUMBERS);
    numbers->value[numbers->count++] = json_read_double(json);
  }
}

static void golden_open(Golden *g) {
  g->bytes = file_read(RLC_ROOT "/tests/golden/rliable.json");
  g->json = json_reader(g->bytes.data, g->bytes.size);
  json_enter(&g->json, '{');
  enter(&g->json, "versions");
  json_skip(&g->json);
  g->level = read_number(&g->json, "level");
  g->near = (uint32_t)read_number(&g->json, "short");
  g->far = (uint32_t)read_number(&g->json, "long");
  enter(&g->json, "seed");
  json_skip(&g->json);
  g->signs = (uint32_t)read_number(&g->json, "signs");
  read_numbers(&g->json, "taus", &g->taus);
}

static void golden_close(Golden *g, size_t seen) {
  ck_assert_msg(g->json.problem == NULL, "%s", g->json.problem);
  ck_assert_uint_gt(seen, 0);
  free(g->bytes.data);
}

static void assert_equal(double ours, double theirs, const char *what) {
  ck_assert_msg(fabs(ours - theirs) <= EQUAL * (1 + fabs(theirs)), "%s: %.12g, not %.12g", what,
                ours, theirs);
}

/* ---- rliable ---- */

typedef struct Case {
  char name[64], statistic[64];
  size_t tasks, runs[2]; /* of a task of x, of y */
  RunTable x, y;
  char draws[DRAWS];
  Numbers value, low, high, far_low, far_high; /* of the statistic */
} Case;

static void read_table(JsonReader *json, const char *name, RunTable *table, size_t tasks,
                       size_t runs) {
  static Numbers numbers;
  size_t of[TASKS];
  for (size_t i = 0; i < TASKS; i++) of[i] = runs;
  read_numbers(json, name, &numbers);
  ck_assert_uint_eq(numbers.count, tasks * runs);
  memcpy(table->values, numbers.value, numbers.count * sizeof(double));
  table_shape(table, tasks, of);
}

static void read_case(JsonReader *json, Case *c) {
  json_enter(json, '{');
  read_text(json, "name", c->name, sizeof c->name);
  c->tasks = (size_t)read_number(json, "tasks");
  c->runs[0] = (size_t)read_number(json, "x_runs");
  c->runs[1] = (size_t)read_number(json, "y_runs");
  read_table(json, "x", &c->x, c->tasks, c->runs[0]);
  read_table(json, "y", &c->y, c->tasks, c->runs[1]);
  read_text(json, "draws", c->draws, sizeof c->draws);
  enter(json, "results");
  json_enter(json, '[');
}

static bool read_result(JsonReader *json, Case *c) {
  if (!json_next(json, NULL, 0)) return false;
  json_enter(json, '{');
  read_text(json, "statistic", c->statistic, sizeof c->statistic);
  read_numbers(json, "value", &c->value);
  read_numbers(json, "low", &c->low);
  read_numbers(json, "high", &c->high);
  read_numbers(json, "far_low", &c->far_low);
  read_numbers(json, "far_high", &c->far_high);
  leave(json);
  return true;
}

/* rliable's draws, as a StatsDraws. */
typedef struct Recorded {
  StatsDraws draws;
  const Case *of;
} Recorded;

static void recorded_draw(const StatsDraws *draws, uint32_t resample, uint32_t sample, size_t task,
                          size_t runs, uint32_t *index) {
  const Case *c = ((const Recorded *)draws)->of;
  ck_assert_uint_eq(runs, c->runs[sample]);
  size_t at = resample * (c->runs[0] + c->runs[1]) + (sample ? c->runs[0] : 0);
  const char *digits = c->draws + at * c->tasks;
  for (size_t run = 0; run < runs; run++) {
    char digit = digits[run * c->tasks + task];
    index[run] = (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
  }
}

/* The case's statistic, by its name. */
static void compute(const Golden *g, const Case *c, const StatsOptions *options,
                    StatsEstimate *out) {
  if (strcmp(c->statistic, "improvement") == 0) {
    out[0] = stats_improvement(&c->x.scores, &c->y.scores, options);
    return;
  }
  if (strcmp(c->statistic, "profile") == 0) {
    stats_profile(&c->x.scores, g->taus.value, g->taus.count, options, out);
    return;
  }
  StatsKind kind = 0;
  while (kind < STATS_KINDS && strcmp(stats_names[kind], c->statistic) != 0) kind++;
  ck_assert_msg(kind < STATS_KINDS, "statistic '%s'", c->statistic);
  out[0] = stats_aggregate(kind, &c->x.scores, options);
}

static void check_same_draws(const Golden *g, const Case *c) {
  Recorded recorded = {{recorded_draw}, c};
  StatsOptions options = {g->near, g->level, &recorded.draws};
  StatsEstimate out[64];
  compute(g, c, &options, out);
  for (size_t i = 0; i < c->value.count; i++) {
    ck_assert_ptr_null(out[i].missing);
    char what[160];
    snprintf(what, sizeof what, "%s, %s [%zu]", c->name, c->statistic, i);
    assert_equal(out[i].value, c->value.value[i], what);
    assert_equal(out[i].low, c->low.value[i], what);
    assert_equal(out[i].high, c->high.value[i], what);
  }
}

/* An end of an interval is the quantile p of n random values. The share of values below what it
 * should be is binomial, so n values of ours lie below n values' quantile of theirs in a share of
 * p +- d, d = DEVIATIONS sqrt(2 p (1 - p) / n), whatever the values' distribution. That is: theirs
 * lies between our quantiles p - d and p + d, which are ends of intervals of another level. A share
 * moves in steps of 1/n. */
static void check_own_draws(const Golden *g, const Case *c) {
  double p = 0.5 * (1 - g->level), n = g->far;
  double d = DEVIATIONS * sqrt(2 * p * (1 - p) / n) + 1 / n;
  StatsOptions wider = {g->far, g->level + 2 * d, NULL},
               narrower = {g->far, g->level - 2 * d, NULL};
  StatsEstimate wide[64], narrow[64];
  compute(g, c, &wider, wide);
  compute(g, c, &narrower, narrow);
  for (size_t i = 0; i < c->value.count; i++) {
    double low = c->far_low.value[i], high = c->far_high.value[i];
    double slack = EQUAL * (1 + fabs(low) + fabs(high));
    ck_assert_msg(wide[i].low - slack <= low && low <= narrow[i].low + slack &&
                      narrow[i].high - slack <= high && high <= wide[i].high + slack,
                  "%s, %s [%zu]: %g..%g is not in %g..%g, %g..%g", c->name, c->statistic, i, low,
                  high, wide[i].low, narrow[i].low, narrow[i].high, wide[i].high);
  }
}

static void each_result(void (*check)(const Golden *, const Case *)) {
  static Golden g;
  static Case c;
  size_t seen = 0;
  golden_open(&g);
  enter(&g.json, "cases");
  for (json_enter(&g.json, '['); json_next(&g.json, NULL, 0);) {
    for (read_case(&g.json, &c); read_result(&g.json, &c); seen++) check(&g, &c);
    leave(&g.json);
  }
  golden_close(&g, seen);
}

START_TEST(rliable_given_its_draws) { each_result(check_same_draws); }
END_TEST

START_TEST(rliable_with_our_draws) { each_result(check_own_draws); }
END_TEST

/* ---- scipy and statsmodels ---- */

static void check_pairs(const Golden *g, const char *name, const Numbers *pairs,
                        const Numbers *differences, double value, double p, bool exact) {
  static RunTable x, y;
  size_t runs[TASKS];
  for (size_t i = 0; i < pairs->count; i++) runs[i] = (size_t)pairs->value[i];
  table_shape(&x, pairs->count, runs);
  table_shape(&y, pairs->count, runs);
  memcpy(x.values, differences->value, differences->count * sizeof(double));
  memset(y.values, 0, sizeof y.values);
  StatsContrast out = stats_contrast(&x.scores, &y.scores, &(StatsOptions){0, g->level, NULL});
  assert_equal(out.difference.value, value, name);
  ck_assert_int_eq(out.exact, exact);
  /* Both are shares of random choices. */
  double error = DEVIATIONS * sqrt(p * (1 - p) * (1.0 / STATS_FLIPS + 1.0 / g->signs));
  ck_assert_msg(fabs(out.p - p) <= (exact ? EQUAL : error), "%s: p %g, not %g", name, out.p, p);
}

static void skip_to(JsonReader *json, const char *name) {
  char found[64];
  while (json_next(json, found, sizeof found) && strcmp(found, name) != 0) json_skip(json);
  ck_assert_str_eq(found, name);
  json_enter(json, '[');
}

START_TEST(scipy_signs) {
  static Golden g;
  static Numbers pairs, differences;
  size_t seen = 0;
  golden_open(&g);
  for (skip_to(&g.json, "pairs"); json_next(&g.json, NULL, 0); seen++) {
    char name[64];
    json_enter(&g.json, '{');
    read_text(&g.json, "name", name, sizeof name);
    read_numbers(&g.json, "pairs", &pairs);
    read_numbers(&g.json, "differences", &differences);
    double value = read_number(&g.json, "value"), p = read_number(&g.json, "p");
    enter(&g.json, "exact");
    bool exact = g.json.at[strspn(g.json.at, " ")] == 't';
    json_skip(&g.json);
    check_pairs(&g, name, &pairs, &differences, value, p, exact);
    leave(&g.json);
  }
  golden_close(&g, seen);
}
END_TEST

START_TEST(statsmodels_holm) {
  static Golden g;
  static Numbers p, adjusted;
  size_t seen = 0;
  golden_open(&g);
  for (skip_to(&g.json, "holm"); json_next(&g.json, NULL, 0); seen++) {
    double out[NUMBERS];
    json_enter(&g.json, '{');
    read_numbers(&g.json, "p", &p);
    read_numbers(&g.json, "adjusted", &adjusted);
    stats_holm(p.value, p.count, out);
    ck_assert_uint_eq(p.count, adjusted.count);
    for (size_t i = 0; i < p.count; i++) assert_equal(out[i], adjusted.value[i], "Holm");
    leave(&g.json);
  }
  golden_close(&g, seen);
}
END_TEST

int main(void) {
  const StatsTest tests[] = {{rliable_given_its_draws, 1},
                             {rliable_with_our_draws, 1},
                             {scipy_signs, 1},
                             {statsmodels_holm, 1}};
  return stats_run("stats_golden", tests, sizeof tests / sizeof tests[0]);
}
