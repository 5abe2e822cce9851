/* What the tests of statistics share: scores of several tasks from one array, and made-up ones. */
#ifndef RLC_TESTS_STATS_FIXTURE_H
#define RLC_TESTS_STATS_FIXTURE_H

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/study/statistics/stats.h"
#include "runtime/rng.h"
#include "tests/suite.h"

enum { TASKS = 8, VALUES = 4096 };

typedef struct RunTable {
  size_t runs[TASKS];
  double values[VALUES]; /* task by task: [run] */
  const double *score[TASKS];
  StatsScores scores; /* points into the table: tables are not copied */
} RunTable;

/* Sets up a table of values that are filled in before or after. */
static inline void table_shape(RunTable *table, size_t tasks, const size_t *runs) {
  double *at = table->values;
  ck_assert_uint_le(tasks, TASKS);
  for (size_t task = 0; task < tasks; task++) {
    table->runs[task] = runs[task];
    table->score[task] = at;
    at += runs[task];
    ck_assert(at <= table->values + VALUES);
  }
  table->scores = (StatsScores){tasks, table->runs, table->score, NULL};
}

/* Uniform in (0, 1), by its number. */
static inline double made_up(uint64_t seed, uint32_t i) {
  return rng_uniform(philox(seed, 0, 0, i).word[0]);
}

/* Scores between -0.2 and about 3, the low ones more often. */
static inline void table_fill(RunTable *table, uint64_t seed) {
  for (uint32_t i = 0; i < VALUES; i++) {
    double u = made_up(seed, i);
    table->values[i] = 3.2 * u * u - 0.2;
  }
}

typedef struct StatsTest {
  const TTest *test;
  int times; /* it is run with _i from 0 on */
} StatsTest;

static inline int stats_run(const char *name, const StatsTest *tests, size_t count) {
  Suite *suite = suite_create(name);
  TCase *cases = tcase_create(name);
  for (size_t i = 0; i < count; i++) tcase_add_loop_test(cases, tests[i].test, 0, tests[i].times);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}

#endif
