/* The stratified bootstrap that all statistics share: a statistic is a function of how often each
 * run counts, once each for its value, as often as drawn for its interval. */
#ifndef RLC_COMPILER_STUDY_STATISTICS_BOOTSTRAP_H
#define RLC_COMPILER_STUDY_STATISTICS_BOOTSTRAP_H

#include "compiler/study/statistics/stats.h"
#include "ir/base.h"

/* The runs of one or two samples, task by task; runs are numbered through all strata. Tasks that
 * lack runs of a sample are left out. */
typedef struct Strata {
  size_t count, tasks; /* count: tasks x samples, sample by sample */
  size_t *runs, *task; /* by stratum; task: its number among those of the caller */
  size_t *first;       /* by stratum: the number of its first run; [count]: all runs */
  bool assumed;        /* the scores of one of them were not measured */
} Strata;

/* Strata of x, and of y if there is one. */
Strata strata_make(Arena *arena, const StatsScores *x, const StatsScores *y);

/* Why there is no value of these scores; NULL when there is one. */
const char *strata_missing(const Strata *strata, const StatsScores *x, const StatsScores *y);

/* The scores in the order of the strata: [run]. */
double *strata_scores(Arena *arena, const Strata *strata, const StatsScores *x,
                      const StatsScores *y);

/* Numbers of runs in rising order of their scores, `count` of them from `first` on. */
uint32_t *strata_order(Arena *arena, const double *score, size_t first, size_t count);

typedef struct Statistic {
  const char *name; /* of its draws */
  const Strata *strata;
  size_t values;
  /* The values when run i counts times[i] times; each stratum counts as often as it has runs. */
  void (*compute)(const void *what, const uint32_t *times, double *values);
  const void *what;
} Statistic;

/* Values and intervals of a statistic into out[values]. */
void bootstrap(const Statistic *statistic, const StatsOptions *options, StatsEstimate *out);

/* Scores as an aggregate takes them. Of a stratum as many count as it has `runs`;
 * where `first` leaves room for more, `times` says which. */
typedef struct Sample {
  const Strata *strata;
  const double *score;   /* [run] */
  const uint32_t *order; /* [run], by rising score */
  double *means;         /* [task], to work with */
} Sample;

Sample sample_make(Arena *arena, const Strata *strata, const double *score);
typedef double Aggregate(const Sample *sample, const uint32_t *times);
Aggregate *aggregate_function(StatsKind kind);

/* What is said of a statistic without a value. */
StatsEstimate estimate_missing(const Strata *strata, const char *missing);

#endif
