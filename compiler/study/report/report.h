/* The report of a study: what its folder holds, as statistics, tables, figures and a page.
 *
 *   DIR --study_open--> study --results_read--> runs, series, scores
 *       --tables.c, figures.c--> tables and figures --page.c--> DIR/report/report.html
 *
 * The folder is all that is read; the same runs give the same bytes. */
#ifndef RLC_COMPILER_STUDY_REPORT_REPORT_H
#define RLC_COMPILER_STUDY_REPORT_REPORT_H

#include "compiler/study/report/collect.h"
#include "compiler/study/run/run.h"
#include "compiler/study/statistics/stats.h"

/* ---- open.c ---- */

/* The study that a folder holds, as its study.json says. NULL after a message. Jobs have no spec:
 * the folder may lie far from the files it was made from. */
Study *study_open(Session *session, const char *folder);

/* ---- results.c: what the runs gave ---- */

typedef struct RunResult {
  RunLogs logs;
  Series score_series; /* of the score's metric */
  double last;         /* the score of what it has logged so far; NAN: none */
  double score;        /* NAN: it does not count: not ended, or its metric is not there */
  double area;         /* under score_series; NAN as above, and for failed runs */
  double step;         /* the last that was logged; 0: none */
  const char *problem; /* its logs, its metric: why there is no score though it is done */
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
  size_t of[STUDY_FAILED + 1]; /* runs by state */
} Results;

/* Reads all runs. The runs' states are known. */
Results *results_read(Arena *arena, const Study *study, const char *folder);

size_t results_run(const Results *results, size_t point, size_t env, size_t seed);
/* Whether all runs are done or have failed. */
bool results_complete(const Results *results);
/* Whether less of what is shown is better: of raw scores where the study says so; on the scale of
 * `normalize:` 1 is the better end. */
bool results_less(const Results *results);
/* A raw value of an environment on the scale of `normalize:`, where that is in use. */
double results_scaled(const Results *results, size_t env, double value);

typedef enum ScoreField { FIELD_SCORE, FIELD_AREA } ScoreField;
/* The scores of a point in an environment, or in all. gains: turned so that more is better. */
StatsScores results_scores(const Results *results, size_t point, size_t env, ScoreField field,
                           bool gains);
/* Those of two points for the seeds that both have, in the same order. */
void results_pairs(const Results *results, size_t x, size_t y, size_t env, ScoreField field,
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
/* Whether a metric of `report.curves` is the one that scores are made of. */
bool results_is_score(const Results *results, size_t metric);

/* The share of runs of a point whose score is beyond each threshold, as a curve over thresholds.
 */
Curve results_profile(const Results *results, size_t point);

/* ---- tables.c ---- */

typedef struct Cell {
  const char *text;       /* NULL: a number */
  StatsEstimate estimate; /* low and high are used in columns with an interval */
  bool bold;
  bool failed; /* runs count in it that failed */
} Cell;

typedef enum ColumnKind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_ESTIMATE } ColumnKind;
typedef struct Column {
  const char *name;  /* of the CSV file */
  const char *title; /* for readers */
  ColumnKind kind;
} Column;

typedef struct ReportTable {
  const char *name; /* of its files */
  const char *title, *caption;
  Column *columns;
  size_t column_count, row_count;
  Cell *cells; /* [row][column] */
  bool data;   /* the numbers behind figures: a CSV file only */
} ReportTable;

typedef struct Tables {
  ReportTable *table;
  size_t count, capacity;
} Tables;

Tables tables_make(const Results *results);

/* ---- bold.c ---- */

/* A column of estimates whose rows are the shown points, and what its numbers are. */
typedef struct BoldColumn {
  size_t column;
  StatsKind kind;
  size_t env;
  ScoreField field;
} BoldColumn;

/* What the columns of a table had to go by. */
typedef struct Bold {
  size_t pairs, comparisons; /* with the best of a column, at most */
  bool any;                  /* some row was told apart */
} Bold;

void bold_column(const Results *results, ReportTable *table, const BoldColumn *of, Bold *bold);
/* The rule for the table's caption, or why nothing is bold. */
const char *bold_words(const Results *results, const Bold *bold);
/* The p at which variants count as told apart: what the study's intervals leave out. */
double bold_level(const Results *results);

/* ---- tables_write.c ---- */

void table_csv(const ReportTable *table, FILE *out);
void table_latex(const ReportTable *table, FILE *out);
void table_html(const ReportTable *table, FILE *out);
/* {"variant": [[score of each environment] of each seed]}: what rliable reads through np.array.
 * Seeds that lack a score in some environment are left out. In the same places: whether the run
 * failed, so that its score is what the study says. */
typedef enum ScoresKind { SCORES_RAW, SCORES_SCALED, SCORES_FAILED } ScoresKind;
void scores_json(const Results *results, ScoresKind kind, FILE *out);

/* ---- figures.c ---- */

typedef struct Line {
  const char *label, *colour;
  bool faint, dashed;
  Curve curve;
} Line;

/* A row of an interval plot. */
typedef struct Bar {
  const char *label, *colour;
  StatsEstimate value;
} Bar;

typedef struct Panel {
  const char *title, *x_label, *y_label;
  Line *lines; /* curves; or NULL, and bars */
  Bar *bars;
  size_t count;
  double reference; /* a line to compare with: x of bars; NAN: none */
  size_t group;     /* panels of lines in one group have one range */
  double low, high; /* range of y of curves, of x of bars; NAN: found */
} Panel;

typedef struct Key {
  const char *label, *colour;
  bool dashed;
} Key;

typedef struct Figure {
  const char *name; /* of its files */
  const char *title, *caption;
  Panel *panels;
  size_t count, columns;
  Key *keys;
  size_t key_count;
  const char **inlined; /* by panel: an <svg> for the page; NULL: gnuplot was not there */
} Figure;

typedef struct Figures {
  Figure *figure;
  size_t count, capacity;
  const char *missing; /* why there are no pictures; NULL: there are */
} Figures;

Figures figures_make(const Results *results, const Tables *tables);
/* plot.c: draws them into `folder`/figures as SVG and PDF, dated `date` (14 digits), and fills
 * `inlined`. What stands in the way goes to `missing`. */
void figures_draw(Arena *arena, Figures *figures, const char *folder, const char *date);

/* ---- facts.c ---- */

typedef struct Words {
  const char **text;
  size_t count, capacity;
} Words;

/* What the runs' provenance.json say; each once. */
typedef struct Facts {
  Words compilers, targets, cpus, kernels, simulators;
  const char *first, *latest; /* when runs were begun; NULL: none was */
  const char *date;           /* the latest in 14 digits */
} Facts;

Facts page_facts(const Results *results);

/* ---- pictures.c ---- */

typedef struct Picture {
  const char *caption, *data; /* of a JPEG, in base64 */
} Picture;

/* What trained policies do. */
typedef struct Pictures {
  Picture *picture;
  size_t count, capacity;
  const char *missing; /* NULL; or which environments could not be drawn, and why */
} Pictures;

/* Those that are there; `make`: draws what is not there yet. */
Pictures pictures_make(const Results *results, bool make);

/* ---- page.c ---- */

typedef struct Page {
  Session *session;
  const Results *results;
  const Tables *tables;
  const Figures *figures;
  Facts facts;
  Pictures pictures;
} Page;

void page_write(const Page *page, FILE *out);

/* ---- report.c ---- */

/* Makes DIR/report anew from what is in the study's folder. play: with thumbnails of what policies
 * do, which are drawn where they are missing; else with those that are there. False after a
 * message. */
bool report_make(Session *session, const char *folder, bool play);

#endif
