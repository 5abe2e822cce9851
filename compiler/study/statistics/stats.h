/* The statistics of a study: what scores of runs say, and how sure that is. Pure functions of
 * doubles; the same numbers give the same bytes, always.
 *
 * They are those of Agarwal et al., "Deep reinforcement learning at the edge of the statistical
 * precipice" (NeurIPS 2021, arXiv:2108.13264), and of its library rliable: given the same draws
 * they are equal to it (tests/stats_golden_test.c). A task is an environment; a run is a seed in
 * it. Runs are resampled within each task. Intervals are those of the percentile method.
 *
 * The number of runs may differ between tasks, as it does while a study goes on, and a task may
 * have none: then it is left out, and `tasks` says so. Numbers that are not finite are refused:
 * what a failed run counts as is for the caller to say.
 *
 * Working memory is taken and given back inside; results go where the caller says. */
#ifndef RLC_COMPILER_STUDY_STATISTICS_STATS_H
#define RLC_COMPILER_STUDY_STATISTICS_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The scores of one way of training. More is better; normalised where tasks are put together. */
typedef struct StatsScores {
  size_t tasks;
  const size_t *runs;         /* by task */
  const double *const *score; /* by task: [run] */
  const bool *assumed;        /* by task: the scores are a number that failed runs were given, so
                                 that there is no interval; NULL: none are */
} StatsScores;

/* A number and its interval. */
typedef struct StatsEstimate {
  double value, low, high;
  size_t runs, tasks;  /* that it rests on: runs of all tasks; tasks with a run */
  const char *missing; /* NULL; or why there is no interval (low and high are NAN), or no value
                          either (NAN) */
} StatsEstimate;

/* Where the resampled runs come from. The bootstrap's own draws are Philox numbers keyed by
 * STATS_SEED and the name of the statistic, so that every table is the same each time it is made.
 * Others are put in its place by tests. */
typedef struct StatsDraws StatsDraws;
struct StatsDraws {
  /* The runs that resample number `resample` takes of a task: `runs` numbers below `runs`.
   * `sample` is 0; 1 for the second where two ways of training are compared. */
  void (*draw)(const StatsDraws *draws, uint32_t resample, uint32_t sample, size_t task,
               size_t runs, uint32_t *index);
};

#define STATS_SEED 210813264u

typedef struct StatsOptions {
  uint32_t resamples;      /* 0: no intervals */
  double level;            /* of the intervals, in (0, 1) */
  const StatsDraws *draws; /* NULL: its own */
} StatsOptions;

/* ---- one way of training ---- */

typedef enum StatsKind {
#define AGGREGATE(kind, name, function) STATS_##kind,
#include "compiler/study/statistics/stats.def"
  STATS_KINDS
} StatsKind;

extern const char *const stats_names[STATS_KINDS];

/* The statistic of all runs of all tasks. Of the values that runs have at each step this is a
 * sample-efficiency curve, and its intervals hold at each step for itself. */
StatsEstimate stats_aggregate(StatsKind kind, const StatsScores *scores,
                              const StatsOptions *options);

/* The share of runs whose score is above each threshold, averaged over tasks, into out[taus]: a
 * performance profile. Thresholds rise. */
void stats_profile(const StatsScores *scores, const double *tau, size_t taus,
                   const StatsOptions *options, StatsEstimate *out);

/* The area under a curve by trapezoids, over the range of its steps, which rise: the mean height.
 * Of a single point its value. A score of a run like any other. */
double stats_area(const double *step, const double *value, size_t count);

/* ---- two ways of training ---- */

/* The probability that a run of x scores more than one of y in the same task, ties half, averaged
 * over the tasks in which both have runs. */
StatsEstimate stats_improvement(const StatsScores *x, const StatsScores *y,
                                const StatsOptions *options);

/* x - y where runs are paired: run i of a task of x and of y have the same seed, and their numbers
 * are equal. */
typedef struct StatsContrast {
  StatsEstimate difference; /* mean over tasks of the mean over pairs */
  double p;   /* two-sided, of the hypothesis that the signs of the differences are chance; NAN
                 without pairs */
  bool exact; /* every choice of signs was counted; else STATS_FLIPS random ones */
} StatsContrast;

#define STATS_FLIPS       99999u
#define STATS_EXACT_PAIRS 40u /* with a difference: so many or fewer are counted out */

StatsContrast stats_contrast(const StatsScores *x, const StatsScores *y,
                             const StatsOptions *options);

/* The least p that so many pairs can give, whatever their differences: two of all choices of signs.
 * NAN without pairs. */
double stats_least_p(size_t pairs);

/* kind(x) - kind(y) of paired runs, and whether it could be chance: if the two are the same, the
 * runs of a pair may change places. For the mean this is the contrast's p, for it is then a matter
 * of signs. Of all other kinds every choice is made up to STATS_SWAP_PAIRS pairs, and STATS_SWAPS
 * random ones beyond; choices that are equal go by their means. */
typedef struct StatsSwap {
  double difference, p; /* NAN without pairs; p is two-sided */
  size_t pairs;
} StatsSwap;

#define STATS_SWAPS      9999u
#define STATS_SWAP_PAIRS 14u

StatsSwap stats_swap(StatsKind kind, const StatsScores *x, const StatsScores *y);

/* Holm's correction of the p-values of a family of comparisons. NAN is no comparison and stays. */
void stats_holm(const double *p, size_t count, double *adjusted);

#endif
