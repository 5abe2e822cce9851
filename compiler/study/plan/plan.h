/* What the files that make a plan of a study share; everybody else includes study.h. */
#ifndef RLC_COMPILER_STUDY_PLAN_PLAN_H
#define RLC_COMPILER_STUDY_PLAN_PLAN_H

#include "compiler/study/folder/logs.h"

enum {
  POINT_LIMIT = 500,  /* points of a study; more are an oversight */
  SEED_LIMIT = 1000,  /* of each job */
  FOLDER_LIMIT = 200, /* bytes of a folder's name */
};

/* A key of the grid. */
typedef struct GridKey {
  const TreeEntry *entry; /* as written */
  const char *label;      /* its shortest tail that no other key has */
  Tree **values;
  size_t count;
} GridKey;

/* What a key of the grid is to a variant. */
typedef struct GridUse {
  bool crossed;
  const char *why; /* crossed */
  TreePath path;   /* not crossed */
} GridUse;

/* A tensor that is in a run's checkpoints. */
typedef struct Kept {
  const char *name;
  uint64_t size; /* numbers in it */
} Kept;

/* One specification in one environment, to be compiled. */
typedef struct Cell {
  Tree *tree; /* NULL: what was wrong with it has been said */
  size_t env;
  bool good;
  uint64_t hash, spec_hash;
  Arena *arena; /* holds the two below until they are collected */
  const char *env_name;
  RunLogs logs;         /* what its runs will log: names without rows */
  uint64_t filled;      /* bit i: evaluations have values in their column i */
  uint64_t evaluations; /* that a run makes; 0: none */
  Kept *kept;           /* what its runs keep */
  size_t kept_count;
  Diag *diag; /* what was said about it */
} Cell;

/* A variant at a point of the grid. */
typedef struct Place {
  StudyPoint point;
  Cell *cells; /* one each environment of the study, or one alone */
  bool good;   /* all cells are */
} Place;

/* The base, an overlay of it, or (hidden) a spec without the overlay that a variant lays on it. */
typedef struct Variant {
  const char *name;
  Span span;
  const TreeEntry *entry; /* in the study's file; NULL: the base */
  const Tree *overlay;    /* without `spec`; NULL where there is nothing besides */
  size_t below;           /* the variant that the overlay is laid on */
  bool hidden;
  Tree *tree;            /* before the grid; NULL: what was wrong has been said */
  GridUse *uses;         /* by grid key */
  StudyCrossed *without; /* keys of `with` that its spec has no place for */
  size_t without_count;
  Place *places; /* each value of the keys that are not crossed out with each, in order */
  size_t place_count;
} Variant;

typedef struct Plan {
  Session *session;
  Study *study;
  Arena *arena;
  Diag *diag;
  Tree *prelude;
  Variant *variants; /* the base first */
  size_t variant_count, variant_capacity;
  GridKey *grid;
  size_t grid_count;
  Tree **env_names;     /* as written, by environment of the study; NULL: each spec's own */
  Tree **curve_names;   /* as written, by curve; NULL: the score's metric stands for all */
  TreePath *axis_paths; /* by axis of the study; count 0: it is a logged number */
} Plan;

/* load.c: study_load without printing what was said. */
Study *plan_load(Session *session);

/* read.c: what a study says besides its points. */
void plan_read(Plan *plan);
/* What counts as 0 and as 1; the study's environments are known. */
void plan_normalize(Plan *plan);
/* A scalar's text, or NULL where it is none (which tree_check_keys has said). */
const char *plan_text(const Tree *tree);
/* Whether a name fits into a line: it has no control characters. */
bool plan_one_line(const char *name);
/* The values of a list, or of a scalar with commas between them. */
size_t plan_items(Plan *plan, const Tree *tree, Tree ***items);
/* The same as texts, none twice and none empty; `what` each names, for messages. `written` (may be
 * NULL) gets where each that is kept stands. */
size_t plan_names(Plan *plan, const Tree *tree, const char *what, const char ***names,
                  Tree ***written);

/* options.c: `options:` as the trainer's command line. */
void plan_options(Plan *plan, const Tree *map);

/* variants.c: the base, the variants and the grid, and what each key of the grid is to each. */
void plan_variants(Plan *plan);

/* figures.c: `report.axes` and `report.arrows`; the base and the curves are known. */
void plan_axes(Plan *plan);
/* The values of a point along the axes, of its specification (NULL: none). */
const double *axes_at(Plan *plan, const Tree *spec);
/* What axes are of and whether they have several values, and whether every point keeps what arrows
 * are between; the columns are known. */
void plan_figures(Plan *plan);

/* points.c: every variant at every point of the grid, with its name. False after reporting that
 * they are too many: then there are none. */
bool plan_points(Plan *plan);
/* How many cells a place has: the study's environments, or the one of its own. */
size_t cell_count(const Plan *plan);
size_t place_count_of(const Plan *plan, const Variant *variant);
/* The digit of key k in a number whose last digit belongs to the last key; keys that are crossed
 * out for `variant` (NULL: none) have none. */
size_t grid_digit(const Plan *plan, const Variant *variant, size_t number, size_t k);
/* The place of a variant at a point of the whole grid, a number in mixed radix. */
Place *place_at(const Plan *plan, const Variant *variant, size_t whole);

/* hash.c: compiles every cell, on all cores. */
void plan_compile(Plan *plan);

/* jobs.c: equal points, overlays that change nothing, jobs and runs. */
void plan_jobs(Plan *plan);

/* All places of variants that are not hidden, in the order of the study's points. */
Place **plan_places(Plan *plan, size_t *count);

/* columns.c: the columns of the score and of curves, and the curves that points lack. */
void plan_columns(Plan *plan);
/* The column that runs log under a name; NULL: none do. */
const char *column_of(const Plan *plan, Place **places, const char *name);
/* What the runs of an optimised module log and keep, into cell->arena. */
void cell_columns(const Study *study, Cell *cell, const Module *module);
void cell_columns_copy(Arena *arena, Cell *cell);

/* changes.c: the differences between two resolved specifications, in the order of the first; name,
 * doc and cite do not count. Returns how many. */
size_t changes_find(Arena *arena, const Tree *before, const Tree *after, StudyChange **changes);
/* "constants.lr" */
const char *path_text(Arena *arena, const TreePath *path);
/* What stands at a path of a spec, which may be an argument of a call, on one line; NULL: nothing.
 */
const char *value_at(Arena *arena, const Tree *spec, const TreePath *path);
/* A value on one line, as in a file. */
const char *value_text(Arena *arena, const Tree *value);

#endif
