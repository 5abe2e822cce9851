/* The figures of a report: panels of curves, bars or arrows. What is in them is made first, and
 * drawn by gnuplot then. */
#ifndef RLC_COMPILER_STUDY_REPORT_FIGURES_H
#define RLC_COMPILER_STUDY_REPORT_FIGURES_H

#include "compiler/study/report/tables.h"

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
  Line *lines; /* one of the three */
  Bar *bars;
  Arrow *arrows;
  size_t count;
  double reference;      /* a line to compare with: x of bars; NAN: none */
  size_t group;          /* panels of lines or arrows in one group have one range */
  double low, high;      /* range of y of curves, of x of bars, of arrows' lengths; NAN: found */
  double floor, ceiling; /* of a range that is found: values beyond do not widen it */
  bool x_log, y_log;
  bool marked; /* a mark at each point of the lines */
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

typedef struct ReportFigures {
  Figure *figure;
  size_t count, capacity;
  const char *missing; /* why there are no pictures; NULL: there are */
} ReportFigures;

ReportFigures figures_make(const Results *results, const Tables *tables);
/* plot.c: draws them into `folder`/figures as SVG and PDF, dated `date` (14 digits), and fills
 * `inlined`. What stands in the way goes to `missing`. */
void figures_draw(Arena *arena, ReportFigures *figures, const char *folder, const char *date);

#endif
