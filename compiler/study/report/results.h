/* What the runs of a study gave, as a report counts it. */
#ifndef RLC_COMPILER_STUDY_REPORT_RESULTS_H
#define RLC_COMPILER_STUDY_REPORT_RESULTS_H

#include "compiler/study/folder/logs.h"
#include "compiler/study/statistics/stats.h"

typedef struct RunResult {
  RunLogs logs;
  Series score_series; /* of the score's metric */
  double last;         /* the score of what it has logged so far; NAN: none */
  double score;        /* NAN: it does not count: not ended, or its metric is not there */
  double area;         /* under score_series; NAN as above, and for failed runs */
  double step;         /* the last that was logged; 0: none */
  const char *problem; /* its logs, its metric: why there is no score though it is done; or that it
                          did not learn */
} RunResult;

#define NO_RUN   SIZE_MAX
#define ALL_ENVS SIZE_MAX

typedef struct Results {
  Arena *arena;
  const Study *study;
  const char *folder;
  RunResult *runs; /* of each of the study's runs */
  size_t *shown;   /* the points with runs of their own */
  size_t shown_count;
  size_t *run_of;  /* [point][env][seed]: a run, or NO_RUN */
  bool normalised; /* every environment has its scale, so scores are put on it */
  bool together;   /* scores of different environments may be put together */
  StatsOptions options;
  StatsKind headline;          /* the statistic that curves show */
  struct Curve *curves;        /* [metric][point][env, and then all together] */
  struct ArrowField *arrows;   /* [arrows of the study][point][env] */
  size_t of[STUDY_FAILED + 1]; /* runs by state */
} Results;

/* Reads all runs. The runs' states are known. */
Results *results_read(Arena *arena, const Study *study, const char *folder);

size_t results_run(const Results *results, size_t point, size_t env, size_t seed);
/* Whether all runs are done or have failed. */
bool results_complete(const Results *results);
/* The units of scores: as runs logged them, or on the scale of `normalize:` where every environment
 * has one. */
typedef enum Scale { SCALE_RAW, SCALE_NORMAL } Scale;
/* Whether less is better: of raw scores where the study says so; on the scale of `normalize:` 1 is
 * the better end. */
bool results_less(const Results *results, Scale scale);
/* The units of curves: an environment's own, or those in which all are put together. */
static inline Scale env_scale(size_t env) { return env == ALL_ENVS ? SCALE_NORMAL : SCALE_RAW; }
/* A value that a run logged in an environment, in other units. */
double results_scaled(const Results *results, Scale scale, size_t env, double value);

typedef enum ScoreField { FIELD_SCORE, FIELD_AREA } ScoreField;
/* What scores are asked for. */
typedef struct ScoresOf {
  size_t env; /* or ALL_ENVS */
  ScoreField field;
  Scale scale;
  bool gains; /* turned so that more is better */
} ScoresOf;
StatsScores results_scores(const Results *results, size_t point, const ScoresOf *of);
/* Those of two points for the seeds that both have, in the same order. */
void results_pairs(const Results *results, size_t x, size_t y, const ScoresOf *of,
                   StatsScores *of_x, StatsScores *of_y);
/* How many runs of a point failed, in an environment or in all. */
size_t results_failed(const Results *results, size_t point, size_t env);

/* A number over environment steps, with its interval. */
typedef struct Curve {
  size_t count;
  double *step;
  StatsEstimate *value;
} Curve;
/* A metric of `report.curves` of a point over steps; ALL_ENVS: the score's metric of all
 * environments together, scaled; empty for others. Each step is of the runs that have a value
 * there. */
const Curve *results_curve(const Results *results, size_t metric, size_t point, size_t env);
/* Whether a column is the one that scores are made of. */
bool results_is_score(const Results *results, const char *column);

/* ---- reach.c ---- */

/* The range of the values of a metric over all runs but those that are far out; whether there are
 * such. Empty (low > high) where there are no values. */
typedef struct Reach {
  double low, high;
  bool below, above;
} Reach;
/* Of a column in an environment, or in all. Of the score's only runs that are far behind are left
 * out, never what is better than others. */
Reach results_reach(const Results *results, const char *column, size_t env, Scale scale);

/* ---- arrows.c ---- */

typedef struct Arrow {
  double x, y, dx, dy;
} Arrow;
/* Arrows of a point in an environment: each the mean over its runs that are done. */
typedef struct ArrowField {
  Arrow *arrow;
  size_t count, runs;
  const char *problem; /* why runs are not in it; NULL: all are */
} ArrowField;
/* `arrows` are some of the study's. */
const ArrowField *results_arrows(const Results *results, const StudyArrows *arrows, size_t point,
                                 size_t env);
/* Reads all of them, each checkpoint once: the last part of results_read. */
void arrows_make(Results *results);

/* ---- sweep.c ---- */

/* The value of a point at an axis of the study; NAN: none. */
double results_at(const Results *results, size_t point, size_t axis);
/* The scale of a column's axis. */
bool results_log(const Results *results, const char *column);
/* Scores over the values of an axis: of all points that differ in nothing else. */
typedef struct Sweep {
  const char *label;
  Curve curve; /* over the axis' values; of points without one a value alone, at NAN */
} Sweep;
/* Of an environment or of all; how many. */
size_t results_sweeps(const Results *results, size_t axis, size_t env, Sweep **sweeps);

/* The share of runs of a point whose score is beyond each threshold, as a curve over thresholds.
 */
Curve results_profile(const Results *results, size_t point);

#endif
