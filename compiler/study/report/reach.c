/* How far axes reach: the range of all runs, but for those that are so far out that nothing else
 * could be seen beside them, as a policy that diverges to -1e13. */
#include "compiler/study/report/results.h"

#include <math.h>
#include <stdlib.h>

enum {
  FAR_BEHIND = 10, /* times as far behind the best value as the middle run at its worst */
  FAR_OUT = 1000,  /* times as far from the middle as the middle run */
};

/* The lowest and the highest value of a run, more being better of scores. */
typedef struct Extent {
  double low, high;
} Extent;

static Extent extent_of(const Results *r, const Series *series, Scale scale, size_t env,
                        double sign) {
  Extent extent = {INFINITY, -INFINITY};
  for (size_t i = 0; i < series->count; i++) {
    double value = sign * results_scaled(r, scale, env, series->value[i]);
    if (!isfinite(value)) continue;
    extent.low = fmin(extent.low, value);
    extent.high = fmax(extent.high, value);
  }
  return extent;
}

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The number at a place of the sorted ones. */
static double sorted_at(double *numbers, size_t count, size_t place) {
  qsort(numbers, count, sizeof *numbers, compare_numbers);
  return numbers[place];
}

/* What is measured from, and how far from it is too far: of scores behind the best of all, else on
 * either side of the middle. */
static double far_find(const Extent *extents, size_t count, bool score, double *from,
                       double *sorted) {
  double best = -INFINITY;
  for (size_t i = 0; i < count; i++) {
    best = fmax(best, extents[i].high);
    sorted[i] = extents[i].low / 2 + extents[i].high / 2;
  }
  *from = score ? best : sorted_at(sorted, count, count / 2);
  for (size_t i = 0; i < count; i++)
    sorted[i] = fmax(*from - extents[i].low, extents[i].high - *from);
  /* of scores the lower of two in the middle: half of all may be far behind */
  double usual = sorted_at(sorted, count, score ? (count - 1) / 2 : count / 2);
  return (score ? FAR_BEHIND : FAR_OUT) * usual;
}

static Reach reach_of(Arena *arena, const Extent *extents, size_t count, bool score) {
  Reach reach = {INFINITY, -INFINITY, false, false};
  double from = 0, *sorted = NEW_ARRAY(arena, double, count + 1);
  double far = count ? far_find(extents, count, score, &from, sorted) : 0;
  for (size_t i = 0; i < count; i++) {
    bool low = far == 0 || from - extents[i].low <= far;
    bool high = far == 0 || extents[i].high - from <= far;
    if (low) reach.low = fmin(reach.low, extents[i].low);
    if (high) reach.high = fmax(reach.high, extents[i].high);
    reach.below |= !low, reach.above |= !high;
  }
  return reach;
}

Reach results_reach(const Results *r, const char *column, size_t env, Scale scale) {
  const Study *study = r->study;
  bool score = results_is_score(r, column);
  double sign = score && results_less(r, scale) ? -1 : 1;
  Extent *extents = NEW_ARRAY(r->arena, Extent, study->run_count + 1);
  size_t count = 0;
  for (size_t i = 0; i < study->run_count; i++) {
    size_t of = study->jobs[study->runs[i].job].env;
    if (env != ALL_ENVS && of != env) continue;
    Series series = logs_series(r->arena, &r->runs[i].logs, column);
    extents[count] = extent_of(r, &series, scale, of, sign);
    count += extents[count].low <= extents[count].high;
  }
  Reach reach = reach_of(r->arena, extents, count, score);
  if (sign < 0) return (Reach){-reach.high, -reach.low, reach.above, reach.below};
  return reach;
}
