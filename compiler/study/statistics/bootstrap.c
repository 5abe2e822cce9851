/* Strata, draws and percentiles: how the intervals of all statistics come about.
 *
 * A resample takes of every task as many runs as it has, with replacement. What it took is kept as
 * how often each run counts, so that whatever needs an order of scores sorts them once. */
#include "compiler/study/statistics/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/rng.h"

/* ---- strata ---- */

Strata strata_make(Arena *arena, const StatsScores *x, const StatsScores *y) {
  size_t most = x->tasks * (y ? 2 : 1);
  Strata s = {.runs = NEW_ARRAY(arena, size_t, most),
              .task = NEW_ARRAY(arena, size_t, most),
              .first = NEW_ARRAY(arena, size_t, most + 1)};
  if (y && x->tasks != y->tasks) bug("scores of unlike shapes");
  for (size_t i = 0; i < most; i++) {
    size_t task = i % x->tasks;
    const StatsScores *of = i < x->tasks ? x : y;
    if (x->runs[task] == 0 || (y && y->runs[task] == 0)) continue;
    s.assumed |= of->assumed && of->assumed[task];
    s.runs[s.count] = of->runs[task];
    s.task[s.count] = task;
    s.first[s.count + 1] = s.first[s.count] + s.runs[s.count];
    s.count++;
  }
  if (s.first[s.count] > UINT32_MAX) bug("%zu runs", s.first[s.count]);
  s.tasks = s.count / (y ? 2 : 1);
  return s;
}

/* The scores behind a stratum: [run]. */
static const double *stratum_scores(const Strata *s, size_t i, const StatsScores *x,
                                    const StatsScores *y) {
  return (i < s->tasks ? x : y)->score[s->task[i]];
}

const char *strata_missing(const Strata *s, const StatsScores *x, const StatsScores *y) {
  if (s->count == 0) return y ? "no environment in which both have runs" : "no runs";
  for (size_t i = 0; i < s->count; i++) {
    const double *score = stratum_scores(s, i, x, y);
    for (size_t k = 0; k < s->runs[i]; k++)
      if (!isfinite(score[k])) return "a score is not a finite number";
  }
  return NULL;
}

double *strata_scores(Arena *arena, const Strata *s, const StatsScores *x, const StatsScores *y) {
  double *scores = NEW_ARRAY(arena, double, s->first[s->count]), *to = scores;
  for (size_t i = 0; i < s->count; i++) {
    const double *score = stratum_scores(s, i, x, y);
    for (size_t run = 0; run < s->runs[i]; run++) *to++ = score[run];
  }
  return scores;
}

typedef struct Ranked {
  double score;
  uint32_t run;
} Ranked;

static int compare_ranked(const void *a, const void *b) {
  const Ranked *x = a, *y = b;
  if (x->score != y->score) return x->score < y->score ? -1 : 1;
  return x->run < y->run ? -1 : x->run > y->run;
}

uint32_t *strata_order(Arena *arena, const double *score, size_t first, size_t count) {
  Ranked *ranked = NEW_ARRAY(arena, Ranked, count);
  uint32_t *order = NEW_ARRAY(arena, uint32_t, count);
  for (size_t i = 0; i < count; i++) ranked[i] = (Ranked){score[first + i], (uint32_t)(first + i)};
  qsort(ranked, count, sizeof *ranked, compare_ranked);
  for (size_t i = 0; i < count; i++) order[i] = ranked[i].run;
  return order;
}

/* ---- draws ---- */

typedef struct PhiloxDraws {
  StatsDraws draws;
  uint64_t name;
} PhiloxDraws;

/* A number of Philox is two of ours. Each task of each sample has a stream. */
static void philox_draw(const StatsDraws *draws, uint32_t resample, uint32_t sample, size_t task,
                        size_t runs, uint32_t *index) {
  uint64_t of[] = {sample, task};
  uint32_t stream = rng_stream(hash_bytes(((const PhiloxDraws *)draws)->name, of, sizeof of));
  for (size_t i = 0; i < runs; i += 2) {
    Philox bits = philox(STATS_SEED, stream, resample, (uint32_t)(i / 2));
    for (size_t k = 0; k < 2 && i + k < runs; k++)
      index[i + k] =
          (uint32_t)rng_below((uint64_t)bits.word[2 * k] << 32 | bits.word[2 * k + 1], runs);
  }
}

/* How often each run counts in a resample. `index` has room for all runs. */
static void resample(const Strata *s, const StatsDraws *draws, uint32_t number, uint32_t *index,
                     uint32_t *times) {
  memset(times, 0, s->first[s->count] * sizeof *times);
  for (size_t i = 0; i < s->count; i++) {
    draws->draw(draws, number, i >= s->tasks, s->task[i], s->runs[i], index);
    for (size_t k = 0; k < s->runs[i]; k++) {
      if (index[k] >= s->runs[i]) bug("draw %u of %zu runs", index[k], s->runs[i]);
      times[s->first[i] + index[k]]++;
    }
  }
}

/* ---- percentiles ---- */

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The value that a share p of a sorted sample lies below, linear between two of it. */
static double percentile(const double *sorted, size_t count, double p) {
  double at = p * (double)(count - 1);
  size_t below = (size_t)at;
  if (below + 1 >= count) return sorted[count - 1];
  double rest = at - (double)below;
  return sorted[below] + rest * (sorted[below + 1] - sorted[below]);
}

static bool single_run(const Strata *s) {
  for (size_t i = 0; i < s->count; i++)
    if (s->runs[i] == 1) return true;
  return false;
}

/* [value][resample] */
static double *bootstrap_values(Arena *arena, const Statistic *st, const StatsOptions *options) {
  PhiloxDraws own = {{philox_draw}, hash_text(HASH_SEED, st->name)};
  const StatsDraws *draws = options->draws ? options->draws : &own.draws;
  size_t runs = st->strata->first[st->strata->count], n = options->resamples;
  uint32_t *index = NEW_ARRAY(arena, uint32_t, runs), *times = NEW_ARRAY(arena, uint32_t, runs);
  double *row = NEW_ARRAY(arena, double, st->values);
  double *all = NEW_ARRAY(arena, double, st->values *n);
  for (uint32_t b = 0; b < n; b++) {
    resample(st->strata, draws, b, index, times);
    st->compute(st->what, times, row);
    for (size_t v = 0; v < st->values; v++) all[v * n + b] = row[v];
  }
  return all;
}

StatsEstimate estimate_missing(const Strata *s, const char *missing) {
  return (StatsEstimate){NAN, NAN, NAN, s->first[s->count], s->tasks, missing};
}

void bootstrap(const Statistic *st, const StatsOptions *options, StatsEstimate *out) {
  Arena *arena = arena_make();
  size_t runs = st->strata->first[st->strata->count], n = options->resamples;
  const char *missing = single_run(st->strata) ? "a single run of an environment"
                        : st->strata->assumed  ? "failed runs that all count as one number"
                        : n == 0               ? "no resamples"
                                               : NULL;
  uint32_t *times = NEW_ARRAY(arena, uint32_t, runs);
  for (size_t i = 0; i < runs; i++) times[i] = 1;
  double *value = NEW_ARRAY(arena, double, st->values), half = 0.5 * (1 - options->level);
  st->compute(st->what, times, value);
  double *all = missing ? NULL : bootstrap_values(arena, st, options);
  for (size_t v = 0; v < st->values; v++) {
    out[v] = estimate_missing(st->strata, missing);
    out[v].value = value[v];
    if (missing) continue;
    double *sorted = all + v * n;
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    out[v].low = percentile(sorted, n, half);
    out[v].high = percentile(sorted, n, 1 - half);
  }
  arena_free(arena);
}
