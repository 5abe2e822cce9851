/* What drawing panels and drawing figures share. */
#ifndef RLC_COMPILER_STUDY_REPORT_PLOT_H
#define RLC_COMPILER_STUDY_REPORT_PLOT_H

#include "compiler/study/report/figures.h"

enum { PANEL_WIDTH = 360 };
#define INK    "#333333"
#define LETTER 6.6 /* width of one, about */

/* Where a figure's parts are written to gnuplot; panels have numbers, their data too. */
typedef struct Plotter {
  Arena *arena;
  FILE *out;
  size_t data;  /* names of data blocks are $dN */
  size_t edges; /* labels of the panel's edges, from EDGE_LABEL on */
} Plotter;

/* In single quotes, where only a quote means anything. */
void plot_quoted(const char *text, FILE *out);

/* ---- plot_axis.c ---- */

typedef struct PlotRange {
  double low, high;
} PlotRange;
PlotRange range_none(void);
void range_add(PlotRange *range, double value);
/* Never empty, and a little wider than what is in it: by a share of its width, on a logarithmic
 * scale of its decades. */
PlotRange range_padded(PlotRange range, double share, bool log);
/* 20000 -> 20k, 1500000 -> 1.5M, 1e-08 -> 1e-8. */
const char *tic_text(Arena *arena, double value);
/* At most `most`, and so few tics of a linear axis that their texts stand apart in `room` pixels.
 */
double tics_fit(Arena *arena, PlotRange range, double most, double room);
/* An axis of `room` pixels along its texts (INFINITY: they stand below each other). Tics at
 * `points`, in ascending order, where there are some, else about `most`. */
typedef struct AxisScale {
  PlotRange range;
  double most, room;
  bool log;
  const double *points;
  size_t count;
} AxisScale;
/* Range, scale and tics of an axis ("x", "y", "cb"). */
void axis_write(const Plotter *plotter, const char *axis, const AxisScale *scale);

/* ---- plot_panel.c ---- */

void panel_write(Plotter *plotter, const Panel *panel);
size_t panel_height(const Panel *panel);
/* Panels of a group are compared by eye, so that they have one range. */
void ranges_share(Figure *figure);

#endif
