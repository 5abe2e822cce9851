/* Scores over the values of a constant: points that differ in nothing else make a line. */
#include "compiler/study/report/results.h"

#include <math.h>
#include <string.h>

double results_at(const Results *r, size_t point, size_t axis) {
  const StudyPoint *p = &r->study->points[point];
  return axis < p->at_count ? p->at[axis] : NAN;
}

bool results_log(const Results *r, const char *column) {
  for (size_t i = 0; i < r->study->axis_count; i++) {
    const StudyAxis *axis = &r->study->axes[i];
    if (axis->column && strcmp(axis->column, column) == 0) return axis->log;
  }
  return false;
}

/* Whether each change of a point, but for one path, is a change of another. */
static bool changes_within(const StudyPoint *a, const StudyPoint *b, const char *but) {
  for (size_t i = 0; i < a->change_count; i++) {
    const StudyChange *change = &a->changes[i];
    bool found = strcmp(change->path, but) == 0;
    for (size_t k = 0; k < b->change_count && !found; k++)
      found = strcmp(change->path, b->changes[k].path) == 0 &&
              text_same(change->after, b->changes[k].after);
    if (!found) return false;
  }
  return true;
}

/* Whether points differ in nothing but what stands at a path. */
static bool same_but(const StudyPoint *a, const StudyPoint *b, const char *path) {
  return changes_within(a, b, path) && changes_within(b, a, path);
}

/* Puts a value at its place of a rising curve; the same step twice is the same program. */
static void curve_put(Curve *curve, double step, StatsEstimate value) {
  size_t at = curve->count;
  while (at > 0 && curve->step[at - 1] > step) at--;
  if (at > 0 && curve->step[at - 1] == step) return;
  memmove(&curve->step[at + 1], &curve->step[at], (curve->count - at) * sizeof *curve->step);
  memmove(&curve->value[at + 1], &curve->value[at], (curve->count - at) * sizeof *curve->value);
  curve->step[at] = step;
  curve->value[at] = value;
  curve->count++;
}

static StatsEstimate score_of(const Results *r, size_t point, size_t env) {
  StatsScores scores = results_scores(r, r->study->points[point].same_as,
                                      &(ScoresOf){env, FIELD_SCORE, SCALE_NORMAL, false});
  return stats_aggregate(r->headline, &scores, &r->options);
}

static Curve sweep_make(const Results *r, size_t first, size_t axis, size_t env, bool *taken) {
  const Study *study = r->study;
  Curve curve = {.step = NEW_ARRAY(r->arena, double, study->point_count),
                 .value = NEW_ARRAY(r->arena, StatsEstimate, study->point_count)};
  bool lacks = isnan(results_at(r, first, axis));
  for (size_t p = first; p < study->point_count; p++) {
    bool of_it =
        p == first || (!lacks && !isnan(results_at(r, p, axis)) &&
                       same_but(&study->points[first], &study->points[p], study->axes[axis].path));
    if (taken[p] || !of_it) continue;
    taken[p] = true;
    StatsEstimate value = score_of(r, p, env);
    if (!isnan(value.value)) curve_put(&curve, results_at(r, p, axis), value);
  }
  return curve;
}

/* A point that is the same program as one with a value at the axis is on that one's line. */
static bool stands_elsewhere(const Results *r, size_t point, size_t axis) {
  size_t same = r->study->points[point].same_as;
  return same != point && isnan(results_at(r, point, axis));
}

size_t results_sweeps(const Results *r, size_t axis, size_t env, Sweep **sweeps) {
  const Study *study = r->study;
  bool *taken = NEW_ARRAY(r->arena, bool, study->point_count);
  size_t count = 0;
  *sweeps = NEW_ARRAY(r->arena, Sweep, study->point_count);
  for (size_t p = 0; p < study->point_count; p++) {
    if (taken[p] || stands_elsewhere(r, p, axis)) continue;
    const char *label = study_point_name(r->arena, &study->points[p], study->axes[axis].key);
    (*sweeps)[count++] = (Sweep){label, sweep_make(r, p, axis, env, taken)};
  }
  return count;
}
