/* What the runs of a study gave: scores by point, environment and seed, and curves over steps. */
#include "compiler/study/report/results.h"

#include <math.h>
#include <string.h>

#include "compiler/study/folder/folder.h"
#include "runtime/crc32c.h"

enum { CURVE_RESAMPLES = 2000 }; /* at most: a band needs no third digit */

size_t results_run(const Results *r, size_t point, size_t env, size_t seed) {
  return r->run_of[(point * r->study->env_count + env) * r->study->seed_count + seed];
}

bool results_complete(const Results *r) {
  return r->of[STUDY_DONE] + r->of[STUDY_FAILED] == r->study->run_count;
}

static bool is_raw(const Results *r, Scale scale) { return !r->normalised || scale == SCALE_RAW; }

double results_scaled(const Results *r, Scale scale, size_t env, double value) {
  const StudyNormal *normal = &r->study->normal[env];
  if (is_raw(r, scale)) return value;
  return (value - normal->zero) / (normal->one - normal->zero) + 0.0; /* and not -0 */
}

bool results_less(const Results *r, Scale scale) {
  return r->study->score.lower && is_raw(r, scale);
}

/* ---- reading ---- */

static double last_step(const LogTable *table) {
  return table->rows ? table->step[table->rows - 1] : 0;
}

/* How a table of a run that is done is not what its trainer left; NULL: it is, or is by a trainer
 * that did not say. */
static const char *table_damaged(const Results *r, const StudyRun *run, const char *name) {
  const Runner runner = {.study = (Study *)r->study, .arena = r->arena, .folder = r->folder};
  double sum = run_result(&runner, run, arena_printf(r->arena, "crc32c/%s", name));
  const char *path = arena_printf(r->arena, "%s/%s/%s", r->folder, run->folder, name), *reason;
  if (isnan(sum)) return NULL;
  const Source *source = source_read(r->arena, path, &reason);
  if (!source) return arena_printf(r->arena, "its %s cannot be read: %s", name, reason);
  if (crc32c(0, source->text, source->size) == sum) return NULL;
  return arena_printf(r->arena, "its %s is not as the trainer left it", name);
}

/* Its tables, as far as they can be trusted: a run that goes on may be writing a line. False with a
 * problem where they cannot. */
static bool tables_read(const Results *r, const StudyRun *run, RunResult *result) {
  static const char *const names[] = {"evaluations.csv", "progress.csv"};
  const char *path = arena_printf(r->arena, "%s/%s", r->folder, run->folder);
  bool done = run->state == STUDY_DONE;
  for (size_t i = 0; done && !result->problem && i < COUNTOF(names); i++)
    result->problem = table_damaged(r, run, names[i]);
  if (result->problem || !logs_read(r->arena, path, &result->logs, &result->problem)) return false;
  result->step = fmax(last_step(&result->logs.evaluations), last_step(&result->logs.progress));
  if (done && result->logs.cut)
    result->problem = arena_printf(r->arena, "its %s ends within a line", result->logs.cut);
  else if (done && result->step == 0)
    result->problem = "it is done and has logged nothing";
  return !result->problem && result->step > 0;
}

static bool is_idle(const Results *r, const StudyRun *run) {
  const Runner runner = {.study = (Study *)r->study, .arena = r->arena, .folder = r->folder};
  return run_result(&runner, run, "idle") == 1;
}

static void read_run(Results *r, size_t run) {
  const Study *study = r->study;
  RunResult *result = &r->runs[run];
  *result = (RunResult){.score = NAN, .area = NAN, .last = NAN};
  if (study->runs[run].state == STUDY_FOREIGN) return;
  if (!tables_read(r, &study->runs[run], result)) return;
  const char *column = study->score.column;
  if (!logs_have(&result->logs, column)) {
    result->problem = arena_printf(r->arena, "it has not logged '%s'", column);
    return;
  }
  result->score_series = logs_series(r->arena, &result->logs, column);
  result->last = series_score(&result->score_series, study->score.last);
  if (study->runs[run].state != STUDY_DONE) return;
  result->score = result->last;
  result->area =
      stats_area(result->score_series.step, result->score_series.value, result->score_series.count);
  if (is_idle(r, &study->runs[run])) result->problem = "no update was made";
  if (isnan(result->score)) result->problem = arena_printf(r->arena, "'%s' has no value", column);
  if (!isfinite(result->score)) result->score = NAN;
}

/* Failed runs count as what the study says, which is a matter of their environment. */
static void score_failed(Results *r, size_t env) {
  const Study *study = r->study;
  size_t count = 0;
  size_t *runs = NEW_ARRAY(r->arena, size_t, study->run_count);
  bool *failed = NEW_ARRAY(r->arena, bool, study->run_count);
  double *score = NEW_ARRAY(r->arena, double, study->run_count);
  double *own = NEW_ARRAY(r->arena, double, study->run_count);
  for (size_t i = 0; i < study->run_count; i++) {
    if (study->jobs[study->runs[i].job].env != env) continue;
    failed[count] = study->runs[i].state == STUDY_FAILED;
    score[count] = r->runs[i].score;
    own[count] = r->runs[i].last;
    runs[count++] = i;
  }
  scores_failed(&study->score, failed, own, count, score);
  for (size_t i = 0; i < count; i++) r->runs[runs[i]].score = score[i];
}

static void place_runs(Results *r) {
  const Study *study = r->study;
  size_t cells = study->point_count * study->env_count * study->seed_count;
  r->run_of = NEW_ARRAY(r->arena, size_t, cells);
  for (size_t i = 0; i < cells; i++) r->run_of[i] = NO_RUN;
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyJob *job = &study->jobs[study->runs[i].job];
    for (size_t s = 0; s < study->seed_count; s++)
      if (study->seeds[s] == study->runs[i].seed)
        r->run_of[(job->point * study->env_count + job->env) * study->seed_count + s] = i;
  }
}

/* iqm where the study asks for it, which it does by itself; else the mean. */
static StatsKind headline(const Study *study) {
  for (size_t i = 0; i < study->aggregate_count; i++)
    if (strcmp(study->aggregates[i], stats_names[STATS_IQM]) == 0) return STATS_IQM;
  return STATS_MEAN;
}

/* ---- scores ---- */

static double field_of(const Results *r, size_t run, size_t env, const ScoresOf *of) {
  if (run == NO_RUN) return NAN;
  double value = of->field == FIELD_SCORE ? r->runs[run].score : r->runs[run].area;
  value = results_scaled(r, of->scale, env, value);
  return of->gains && results_less(r, of->scale) ? -value : value;
}

/* Room for scores of one environment or of all. */
static StatsScores scores_room(const Results *r, size_t env, size_t **runs, double ***score) {
  size_t tasks = env == ALL_ENVS ? r->study->env_count : 1;
  *runs = NEW_ARRAY(r->arena, size_t, tasks);
  *score = NEW_ARRAY(r->arena, double *, tasks);
  for (size_t t = 0; t < tasks; t++)
    (*score)[t] = NEW_ARRAY(r->arena, double, r->study->seed_count);
  return (StatsScores){tasks, *runs, (const double *const *)*score, NULL};
}

/* Where runs of a point failed and all its runs of an environment count as one number: that is
 * what the study says, and nothing that was measured. */
static const bool *assumed_make(const Results *r, const StatsScores *scores, size_t point,
                                size_t env) {
  bool *assumed = NEW_ARRAY(r->arena, bool, scores->tasks);
  for (size_t t = 0; t < scores->tasks; t++) {
    assumed[t] = results_failed(r, point, env == ALL_ENVS ? t : env) > 0;
    for (size_t i = 1; i < scores->runs[t]; i++)
      assumed[t] &= scores->score[t][i] == scores->score[t][0];
  }
  return assumed;
}

size_t results_failed(const Results *r, size_t point, size_t env) {
  size_t failed = 0;
  for (size_t e = 0; e < r->study->env_count; e++)
    for (size_t s = 0; s < r->study->seed_count && (env == ALL_ENVS || e == env); s++) {
      size_t run = results_run(r, point, e, s);
      failed += run != NO_RUN && r->study->runs[run].state == STUDY_FAILED;
    }
  return failed;
}

StatsScores results_scores(const Results *r, size_t point, const ScoresOf *of) {
  size_t *runs;
  double **score;
  StatsScores scores = scores_room(r, of->env, &runs, &score);
  for (size_t t = 0; t < scores.tasks; t++) {
    size_t e = of->env == ALL_ENVS ? t : of->env;
    for (size_t s = 0; s < r->study->seed_count; s++) {
      double value = field_of(r, results_run(r, point, e, s), e, of);
      if (!isnan(value)) score[t][runs[t]++] = value;
    }
  }
  if (of->field == FIELD_SCORE) scores.assumed = assumed_make(r, &scores, point, of->env);
  return scores;
}

void results_pairs(const Results *r, size_t x, size_t y, const ScoresOf *of, StatsScores *of_x,
                   StatsScores *of_y) {
  size_t *runs_x, *runs_y;
  double **score_x, **score_y;
  *of_x = scores_room(r, of->env, &runs_x, &score_x);
  *of_y = scores_room(r, of->env, &runs_y, &score_y);
  for (size_t t = 0; t < of_x->tasks; t++) {
    size_t e = of->env == ALL_ENVS ? t : of->env;
    for (size_t s = 0; s < r->study->seed_count; s++) {
      double a = field_of(r, results_run(r, x, e, s), e, of);
      double b = field_of(r, results_run(r, y, e, s), e, of);
      if (isnan(a) || isnan(b)) continue;
      score_x[t][runs_x[t]++] = a;
      score_y[t][runs_y[t]++] = b;
    }
  }
  if (of->field == FIELD_AREA) return;
  of_x->assumed = assumed_make(r, of_x, x, of->env);
  of_y->assumed = assumed_make(r, of_y, y, of->env);
}

/* ---- curves ---- */

/* The series of a curve, and where each is read. */
typedef struct Strands {
  Series *series;
  size_t *env, *at;
  size_t count, tasks, first; /* first: environment that is task 0 */
} Strands;

static void strand_add(const Results *r, Strands *strands, const char *column, size_t run,
                       size_t env) {
  if (run == NO_RUN) return;
  const RunLogs *logs = &r->runs[run].logs;
  strands->env[strands->count] = env;
  strands->series[strands->count++] = logs_series(r->arena, logs, column);
}

static Strands strands_make(const Results *r, const char *column, size_t point, size_t env) {
  const Study *study = r->study;
  size_t most = study->env_count * study->seed_count;
  Strands strands = {.tasks = env == ALL_ENVS ? study->env_count : 1,
                     .first = env == ALL_ENVS ? 0 : env};
  strands.series = NEW_ARRAY(r->arena, Series, most);
  strands.env = NEW_ARRAY(r->arena, size_t, most);
  strands.at = NEW_ARRAY(r->arena, size_t, most);
  for (size_t t = 0; t < strands.tasks; t++)
    for (size_t s = 0; s < study->seed_count; s++)
      strand_add(r, &strands, column, results_run(r, point, strands.first + t, s),
                 strands.first + t);
  return strands;
}

/* The next step that some run has, or NAN. */
static double next_step(const Strands *strands) {
  double next = NAN;
  for (size_t i = 0; i < strands->count; i++)
    if (strands->at[i] < strands->series[i].count)
      next = fmin(next, strands->series[i].step[strands->at[i]]);
  return next;
}

static bool stands_at(const Strands *strands, size_t i, double step) {
  return strands->at[i] < strands->series[i].count &&
         strands->series[i].step[strands->at[i]] == step;
}

/* Values of one step. False when an environment has none: the statistic would be of others. */
static bool step_scores(const Results *r, Strands *strands, double step, Scale scale, size_t *runs,
                        double **score) {
  memset(runs, 0, strands->tasks * sizeof *runs);
  for (size_t i = 0; i < strands->count; i++) {
    if (!stands_at(strands, i, step)) continue;
    double value = strands->series[i].value[strands->at[i]++];
    size_t env = strands->env[i], task = env - strands->first;
    value = results_scaled(r, scale, env, value);
    if (isfinite(value)) score[task][runs[task]++] = value;
  }
  for (size_t t = 0; t < strands->tasks; t++)
    if (!runs[t]) return false;
  return true;
}

static Curve curve_make(const Results *r, const char *column, size_t point, size_t env) {
  Strands strands = strands_make(r, column, point, env);
  StatsOptions options = r->options;
  size_t *runs, total = 0;
  double **score, step;
  StatsScores scores = scores_room(r, env, &runs, &score);
  for (size_t i = 0; i < strands.count; i++) total += strands.series[i].count;
  Curve curve = {.step = NEW_ARRAY(r->arena, double, total),
                 .value = NEW_ARRAY(r->arena, StatsEstimate, total)};
  if (options.resamples > CURVE_RESAMPLES) options.resamples = CURVE_RESAMPLES;
  while (!isnan(step = next_step(&strands))) {
    if (!step_scores(r, &strands, step, env_scale(env), runs, score)) continue;
    curve.value[curve.count] = stats_aggregate(r->headline, &scores, &options);
    curve.step[curve.count++] = step;
  }
  return curve;
}

static Curve *curve_place(const Results *r, size_t metric, size_t point, size_t env) {
  const Study *study = r->study;
  return &r->curves[(metric * study->point_count + point) * (study->env_count + 1) +
                    (env == ALL_ENVS ? study->env_count : env)];
}

const Curve *results_curve(const Results *r, size_t metric, size_t point, size_t env) {
  return curve_place(r, metric, point, env);
}

bool results_is_score(const Results *r, const char *column) {
  return strcmp(column, r->study->score.column) == 0;
}

static void curves_make(Results *r) {
  const Study *study = r->study;
  r->curves =
      NEW_ARRAY(r->arena, Curve, study->curve_count * study->point_count * (study->env_count + 1));
  for (size_t m = 0; m < study->curve_count; m++) {
    const char *column = study->curves[m].column;
    bool all = r->normalised && study->env_count > 1 && results_is_score(r, column);
    for (size_t i = 0; i < r->shown_count; i++) {
      size_t point = r->shown[i];
      for (size_t e = 0; e < study->env_count; e++)
        *curve_place(r, m, point, e) = curve_make(r, column, point, e);
      if (all) *curve_place(r, m, point, ALL_ENVS) = curve_make(r, column, point, ALL_ENVS);
    }
  }
}

/* ---- performance profiles ---- */

enum { THRESHOLDS = 101 };

static const ScoresOf shown_gains = {ALL_ENVS, FIELD_SCORE, SCALE_NORMAL, true};

/* The range of all scores, put on their scale. */
static void score_range(const Results *r, double *low, double *high) {
  *low = INFINITY, *high = -INFINITY;
  for (size_t i = 0; i < r->study->run_count; i++) {
    double score = field_of(r, i, r->study->jobs[r->study->runs[i].job].env, &shown_gains);
    if (isnan(score)) continue;
    *low = fmin(*low, score), *high = fmax(*high, score);
  }
}

Curve results_profile(const Results *r, size_t point) {
  StatsScores scores = results_scores(r, point, &shown_gains);
  StatsOptions options = r->options;
  double low, high, sign = results_less(r, SCALE_NORMAL) ? -1 : 1;
  Curve profile = {0};
  score_range(r, &low, &high);
  if (!(high > low) || !r->together) return profile;
  profile = (Curve){THRESHOLDS, NEW_ARRAY(r->arena, double, THRESHOLDS),
                    NEW_ARRAY(r->arena, StatsEstimate, THRESHOLDS)};
  for (size_t i = 0; i < THRESHOLDS; i++)
    profile.step[i] = low + (high - low) * (double)i / (THRESHOLDS - 1);
  if (options.resamples > CURVE_RESAMPLES) options.resamples = CURVE_RESAMPLES;
  stats_profile(&scores, profile.step, THRESHOLDS, &options, profile.value);
  for (size_t i = 0; i < THRESHOLDS; i++) profile.step[i] *= sign;
  return profile;
}

Results *results_read(Arena *arena, const Study *study, const char *folder) {
  Results *r = NEW(arena, Results);
  *r = (Results){.arena = arena, .study = study, .folder = folder, .normalised = true};
  r->options = (StatsOptions){.resamples = study->resamples, .level = study->ci};
  r->headline = headline(study);
  for (size_t e = 0; e < study->env_count; e++) r->normalised &= study->normal[e].given;
  r->together = r->normalised || study->env_count == 1;
  r->runs = NEW_ARRAY(arena, RunResult, study->run_count);
  for (size_t i = 0; i < study->run_count; i++) read_run(r, i), r->of[study->runs[i].state]++;
  for (size_t e = 0; e < study->env_count; e++) score_failed(r, e);
  r->shown = NEW_ARRAY(arena, size_t, study->point_count);
  for (size_t p = 0; p < study->point_count; p++)
    if (study->points[p].same_as == p) r->shown[r->shown_count++] = p;
  place_runs(r);
  curves_make(r);
  arrows_make(r);
  return r;
}
