/* What a run logged, as numbers: the tables of its folder, a column of them as a series, the score
 * that a study makes of it. A run may still be going on: a line without its end is left out. */
#ifndef RLC_COMPILER_STUDY_FOLDER_LOGS_H
#define RLC_COMPILER_STUDY_FOLDER_LOGS_H

#include "compiler/study/study.h"

/* A file of comma-separated numbers whose first column is the environment step. */
typedef struct LogTable {
  const char **names; /* of the columns behind the step */
  size_t columns, rows;
  double *step;   /* [row] */
  double *values; /* [row][column]; NAN where nothing was written */
} LogTable;

typedef struct RunLogs {
  LogTable evaluations, progress; /* no columns where there is no file yet */
  const char *cut; /* the file whose last line has no end, which is left out; NULL: none */
} RunLogs;

/* Reads evaluations.csv and progress.csv of a run's folder. False with a reason that names file and
 * line when one is not such a table. */
bool logs_read(Arena *arena, const char *folder, RunLogs *logs, const char **error);

/* The full name of the column that a study means: a full name, `return` for eval/mean_reward, or
 * NAME for the only column .../NAME. `other` gets a second one that it may be. NULL: none. */
const char *logs_find(const RunLogs *logs, const char *name, const char **other);
/* A hint to the nearest of all names, or NULL. */
const char *logs_hint(Arena *arena, const RunLogs *logs, const char *name);
/* Whether a column by its full name is there. */
bool logs_have(const RunLogs *logs, const char *column);

/* The values of a column where it has some, by rising step. */
typedef struct Series {
  size_t count;
  double *step, *value;
} Series;

/* Of a column by its full name; empty when there is none. */
Series logs_series(Arena *arena, const RunLogs *logs, const char *column);

/* The mean of the last `last` values, of all where there are fewer; NAN without any. */
double series_score(const Series *series, uint32_t last);

/* Gives failed runs of an environment their score: the number of the study, or the worst of those
 * that did not fail; NAN where all did. None counts as better than its own last value own[i], where
 * that is a finite number. score[i] is NAN where there is no run yet, which stays. */
void scores_failed(const StudyScore *rule, const bool *failed, const double *own, size_t count,
                   double *score);

#endif
