/* The tables of a report: what is in them, what of it is bold, how they are written. */
#ifndef RLC_COMPILER_STUDY_REPORT_TABLES_H
#define RLC_COMPILER_STUDY_REPORT_TABLES_H

#include "compiler/study/report/results.h"

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

static inline Cell *table_cell(const ReportTable *table, size_t row, size_t column) {
  return &table->cells[row * table->column_count + column];
}
/* The table of a name; NULL: the report has none. */
const ReportTable *table_named(const Tables *tables, const char *name);

/* How tables name an environment: "score" where there is none. */
const char *env_title(const char *env);

Tables tables_make(const Results *results);

/* ---- bold.c ---- */

/* A column of estimates whose rows are the shown points, and what its numbers are. */
typedef struct BoldColumn {
  size_t column;
  StatsKind kind;
  ScoresOf of;
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

#endif
