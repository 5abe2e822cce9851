/* Statistics that sum up one way of training: the interquartile mean and its like, and areas under
 * curves. Agarwal et al. 2021, section 4. */
#include <math.h>
#include <stdlib.h>

#include "compiler/study/statistics/bootstrap.h"

const char *const stats_names[STATS_KINDS] = {
#define AGGREGATE(kind, name, function) [STATS_##kind] = name,
#include "compiler/study/statistics/stats.def"
};

/* The mean of what is left without the lowest and the highest quarter of all runs, each rounded
 * down. */
static double aggregate_iqm(const Sample *c, const uint32_t *times) {
  size_t runs = 0, before = 0;
  for (size_t task = 0; task < c->strata->tasks; task++) runs += c->strata->runs[task];
  size_t cut = runs / 4, end = runs - cut;
  double sum = 0;
  for (const uint32_t *run = c->order; before < end; run++) {
    size_t after = before + times[*run];
    if (after > cut) {
      size_t from = before > cut ? before : cut, to = after < end ? after : end;
      sum += (double)(to - from) * c->score[*run];
    }
    before = after;
  }
  return sum / (double)(end - cut);
}

static double task_mean(const Sample *c, size_t task, const uint32_t *times, double most) {
  double sum = 0;
  for (size_t i = c->strata->first[task]; i < c->strata->first[task + 1]; i++)
    sum += times[i] * (c->score[i] < most ? c->score[i] : most);
  return sum / (double)c->strata->runs[task];
}

static double capped_mean(const Sample *c, const uint32_t *times, double most) {
  double sum = 0;
  for (size_t task = 0; task < c->strata->tasks; task++) sum += task_mean(c, task, times, most);
  return sum / (double)c->strata->tasks;
}

static double aggregate_mean(const Sample *c, const uint32_t *times) {
  return capped_mean(c, times, INFINITY);
}

static double aggregate_gap(const Sample *c, const uint32_t *times) {
  return 1 - capped_mean(c, times, 1);
}

static void sort_in_place(double *value, size_t count) {
  for (size_t i = 1; i < count; i++) {
    double x = value[i];
    size_t k = i;
    for (; k > 0 && value[k - 1] > x; k--) value[k] = value[k - 1];
    value[k] = x;
  }
}

static double aggregate_median(const Sample *c, const uint32_t *times) {
  size_t tasks = c->strata->tasks;
  for (size_t task = 0; task < tasks; task++) c->means[task] = task_mean(c, task, times, INFINITY);
  sort_in_place(c->means, tasks);
  return 0.5 * (c->means[(tasks - 1) / 2] + c->means[tasks / 2]);
}

static Aggregate *const functions[STATS_KINDS] = {
#define AGGREGATE(kind, name, function) [STATS_##kind] = function,
#include "compiler/study/statistics/stats.def"
};

Aggregate *aggregate_function(StatsKind kind) { return functions[kind]; }

Sample sample_make(Arena *arena, const Strata *strata, const double *score) {
  return (Sample){strata, score, strata_order(arena, score, 0, strata->first[strata->count]),
                  NEW_ARRAY(arena, double, strata->tasks)};
}

typedef struct Aggregated {
  Aggregate *of;
  Sample sample;
} Aggregated;

static void aggregate_compute(const void *what, const uint32_t *times, double *values) {
  const Aggregated *aggregated = what;
  values[0] = aggregated->of(&aggregated->sample, times);
}

StatsEstimate stats_aggregate(StatsKind kind, const StatsScores *scores,
                              const StatsOptions *options) {
  Arena *arena = arena_make();
  Strata strata = strata_make(arena, scores, NULL);
  const char *missing = strata_missing(&strata, scores, NULL);
  StatsEstimate out = estimate_missing(&strata, missing);
  if (!missing) {
    Aggregated aggregated = {
        functions[kind], sample_make(arena, &strata, strata_scores(arena, &strata, scores, NULL))};
    Statistic statistic = {stats_names[kind], &strata, 1, aggregate_compute, &aggregated};
    bootstrap(&statistic, options, &out);
  }
  arena_free(arena);
  return out;
}

double stats_area(const double *step, const double *value, size_t count) {
  if (count == 0) return NAN;
  if (count == 1) return value[0];
  double area = 0;
  for (size_t i = 1; i < count; i++) {
    if (!(step[i] > step[i - 1])) return NAN;
    area += 0.5 * (value[i] + value[i - 1]) * (step[i] - step[i - 1]);
  }
  return area / (step[count - 1] - step[0]);
}
