/* A study: one file names a base spec, a grid, named overlays, environments, seeds and steps; rlc
 * makes every variant of it, runs all, and says what came out.
 *
 *   study.yaml --study_load--> points x environments = jobs, x seeds = runs
 *              --study_run--> a folder of run directories --study_open--> points, runs, logs
 *              --report--> tables, figures, a page
 *
 * The folder is the only state: whoever has it can go on, count and report. Nothing in it depends
 * on the order in which runs were made, on how many ran at once, or on what was interrupted. */
#ifndef RLC_COMPILER_STUDY_H
#define RLC_COMPILER_STUDY_H

#include "compiler/commands/session.h"

#include <time.h>

/* One difference of a point to the base, as a reader wants it: a dotted path and both values as
 * they stand in the resolved specs; NULL for what is not there. */
typedef struct StudyChange {
  const char *path, *before, *after;
} StudyChange;

/* A key of the grid or of `with` that has no meaning for a variant, and why: it lacks it, or sets
 * it itself. */
typedef struct StudyCrossed {
  const char *path, *why;
} StudyCrossed;

/* The value of a point for a key of the grid. */
typedef struct StudyValue {
  const char *key; /* its label */
  const char *value;
} StudyValue;

/* A way of training: a variant at a point of the grid. */
typedef struct StudyPoint {
  const char *name;    /* for readers: "remac", "remac K=4", "one_critic K=4" */
  const char *folder;  /* the same in letters, digits and "._=-+" */
  const char *variant; /* the base's name, or the variant's */
  StudyValue *values;  /* in the order of the grid, for the keys that are not crossed out */
  size_t value_count;
  StudyChange *changes;
  size_t change_count;
  StudyCrossed *crossed;
  size_t crossed_count;
  const char **lacks; /* curves of the report that its runs do not log */
  size_t lack_count;
  const double *at; /* by axis of the study: its value there; NAN: it has none, or no number */
  size_t at_count;  /* as many as axes */
  size_t against;   /* the point that it is compared with; itself: it is one that others are */
  size_t same_as; /* the first point with the same programs in every environment; itself if none */
  Span span;      /* where the study's file has its variant, for messages */
} StudyPoint;

/* A point in an environment: one program, one trainer. Points that are the same as another have no
 * jobs. */
typedef struct StudyJob {
  size_t point, env;
  Tree *spec;         /* resolved; who elaborates it does so on a copy (tree_copy) */
  uint64_t spec_hash; /* as in a run's provenance.json */
  const char *hash; /* of the optimised IR, the environment and the target: 16 hexadecimal digits */
} StudyJob;

/* How a run ended, or where it is. */
typedef enum StudyState {
  STUDY_WAITING, /* not begun, or interrupted before its first checkpoint */
  STUDY_PARTIAL, /* interrupted; has a checkpoint */
  STUDY_RUNNING,
  STUDY_DONE,
  STUDY_FOREIGN, /* what lies in its folder is another run: `failure` says how; nothing of it counts
                  */
  STUDY_FAILED,  /* ended by itself with another status than 0: `failure` says what it said last */
} StudyState;

typedef struct StudyRun {
  size_t job;
  uint64_t seed;
  const char *folder; /* below the study's folder: runs/POINT/ENVIRONMENT/seed-N */
  StudyState state;
  const char *failure;
} StudyRun;

/* What counts as the score of a run. */
typedef struct StudyScore {
  const char *metric; /* as written: a column of evaluations.csv or progress.csv by its full name
                         or its last part, "return" for the evaluation's */
  const char *column; /* its full name, one in all runs */
  uint32_t last;      /* the mean of its last so many values */
  bool lower;         /* less is better */
  bool failed_worst;  /* a failed run counts as the worst of its environment; else `failed` */
  double failed;
} StudyScore;

typedef struct StudyNormal {
  bool given;
  double zero, one; /* scores that count as 0 and as 1, which is the better one */
} StudyNormal;

/* Whether 1 is better than 0, so that on the scale more is always better. */
static inline bool normal_good(const StudyNormal *normal, bool lower) {
  return lower ? normal->one < normal->zero : normal->one > normal->zero;
}

/* A key of the grid, as the study's file has it. */
typedef struct StudyKey {
  const char *path;
  const char *label; /* its shortest last parts that no other key has */
  const char **values;
  size_t count;
} StudyKey;

/* A logged number that is drawn over the steps. */
typedef struct StudyCurve {
  const char *name;   /* as written */
  const char *column; /* its full name, one in all runs that log it */
} StudyCurve;

/* The scale of an axis of the figures: of a logged number, or of what scores are drawn over. */
typedef struct StudyAxis {
  const char *name;   /* as written */
  const char *path;   /* what scores are drawn over, as a dotted path; NULL: a logged number */
  const char *key;    /* the label of the key of the grid that has this path; NULL: none has */
  const char *column; /* the full name of a logged number; NULL: it is none */
  bool log;
} StudyAxis;

/* A picture of arrows between tensors that runs keep: each name is of x or y. */
typedef struct StudyArrows {
  const char *name, *from[2], *to[2];
} StudyArrows;

/* A data file of some program, when it was read whole. */
typedef struct StudyFile {
  const char *path;
  long size; /* bytes */
  struct timespec changed;
} StudyFile;

typedef struct Study {
  const char *name, *doc, *cite; /* doc, cite: NULL where not given */
  const char *path;              /* of its file */
  const char *base;              /* the file of the base, as written; NULL: not known */
  StudyChange *with;             /* what is laid on the base: each with its value there */
  size_t with_count;
  StudyKey *grid;
  size_t grid_count;
  const char *folder; /* the name in letters, digits and "._=-+" */
  uint64_t steps;
  uint64_t *seeds;
  size_t seed_count;
  const char **envs;
  size_t env_count;
  StudyNormal *normal;  /* by environment */
  const char **options; /* of the trainer: "--eval-every", "1000", ... */
  size_t option_count;
  StudyScore score;
  StudyCurve *curves; /* report: */
  size_t curve_count;
  const char **aggregates;
  size_t aggregate_count;
  StudyAxis *axes;
  size_t axis_count;
  StudyArrows *arrows;
  size_t arrow_count;
  double ci;          /* level of intervals, in (0, 1) */
  uint32_t resamples; /* of the bootstrap */
  size_t compare;     /* the first point that others are compared with; if none is named the one
                         without a difference to the base, else the first */
  StudyPoint *points; /* the base first, then in the order of the file */
  size_t point_count;
  StudyJob *jobs;
  size_t job_count;
  StudyRun *runs; /* seed by seed, so that every point has a first seed early */
  size_t run_count;
  const char **dropped; /* folders of runs that are there and that the study does not ask for */
  size_t dropped_count;
  StudyFile *files;
  size_t file_count;
  Tree *tree; /* the study's file */
} Study;

/* A study that was read back from its folder (study_open) is the same without what only the study's
 * file can tell: jobs have no spec and no spec_hash, points no span, and `folder`, `files` and
 * `tree` are empty. */

/* A name in letters of any script, digits and "._=-+", as folders are called: all other ASCII is
 * '_'. */
const char *study_folder(Arena *arena, const char *name);
/* The variant and the values of the grid, as in "remac K=4 lr=1", without one key (NULL: with all,
 * which is the point's name). */
const char *study_point_name(Arena *arena, const StudyPoint *point, const char *but);
/* The value of a point for a key of the grid by its label; NULL: it has none. */
const char *study_point_value(const StudyPoint *point, const char *key);
/* Whether two texts are equal, either of which may be NULL. */
bool text_same(const char *a, const char *b);
/* A text as JSON. */
void text_quote(const char *text, FILE *out);
/* Steps and options as on a trainer's command line. */
const char *study_options(Arena *arena, const Study *study);

/* Reads a study and makes every point of it: resolves, checks and elaborates each, runs the passes,
 * merges those with equal programs. NULL after reporting what is wrong, at its place: an unknown
 * key, a hand-written overlay that changes nothing, a variant that does not compile, an environment
 * that it cannot run in. Nothing is written. Points are compiled on all cores. */
Study *study_load(Session *session);

#endif
