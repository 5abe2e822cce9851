/* One panel: curves with bands, bars with intervals, or arrows. */
#include "compiler/study/report/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  LINES_HEIGHT = 230,
  ARROWS_HEIGHT = 280,
  BARS_HEIGHT = 76,
  BAR_HEIGHT = 20,
  EDGE_LABEL = 200,
  MOST_STEPS = 400, /* drawn of one line: more are finer than the paper */
};
#define AXIS    "#999999"
#define GRID    "#e5e5e5"
#define PALETTE "0 '#e3b94f', 0.5 '#d5602a', 1 '#7d3fb0'" /* seen on white and on black */

void plot_quoted(const char *text, FILE *out) {
  fputc('\'', out);
  for (; *text; text++)
    if (*text == '\'')
      fputs("''", out);
    else if ((unsigned char)*text >= ' ')
      fputc(*text, out);
  fputc('\'', out);
}

/* ---- ranges ---- */

static PlotRange lines_x(const Panel *panel) {
  PlotRange range = range_none();
  for (size_t i = 0; i < panel->count; i++)
    for (size_t k = 0; k < panel->lines[i].curve.count; k++)
      range_add(&range, panel->lines[i].curve.step[k]);
  if (!panel->x_log && range.low > 0 && range.low < 0.2 * range.high) range.low = 0;
  return range_padded(range, panel->marked ? 0.05 : 0, panel->x_log);
}

static void range_add_scaled(PlotRange *range, double value, bool log) {
  if (!log || value > 0) range_add(range, value);
}

/* All lines, and of their bands what lies not too far from them: the interval of two runs of which
 * one diverged would leave no room for anything else. No more than the panel's floor and ceiling.
 */
static PlotRange lines_y(const Panel *panel) {
  PlotRange lines = range_none(), bands = lines;
  for (size_t i = 0; i < panel->count; i++)
    for (size_t k = 0; k < panel->lines[i].curve.count; k++) {
      const StatsEstimate *value = &panel->lines[i].curve.value[k];
      range_add_scaled(&lines, value->value, panel->y_log);
      if (panel->lines[i].faint) continue;
      range_add_scaled(&bands, value->low, panel->y_log);
      range_add_scaled(&bands, value->high, panel->y_log);
    }
  lines.low = fmax(lines.low, panel->floor), lines.high = fmin(lines.high, panel->ceiling);
  double room = 0.4 * (lines.high - lines.low);
  if (room > 0 && bands.low <= bands.high && !panel->y_log) {
    lines.low = fmin(lines.low, fmax(bands.low, lines.low - room));
    lines.high = fmax(lines.high, fmin(bands.high, lines.high + room));
  }
  return lines;
}

/* The lengths of arrows, which their colours show. */
static PlotRange lengths(const Panel *panel) {
  PlotRange range = range_none();
  for (size_t i = 0; i < panel->count; i++) {
    double length = hypot(panel->arrows[i].dx, panel->arrows[i].dy);
    if (length > 0) range_add(&range, length);
  }
  return range;
}

void ranges_share(Figure *figure) {
  for (size_t i = 0; i < figure->count; i++) {
    Panel *panel = &figure->panels[i];
    if (panel->bars || !isnan(panel->low)) continue;
    PlotRange range = range_none();
    for (size_t k = i; k < figure->count; k++)
      if (figure->panels[k].group == panel->group) {
        const Panel *other = &figure->panels[k];
        PlotRange one = other->arrows ? lengths(other) : lines_y(other);
        range_add(&range, one.low);
        range_add(&range, one.high);
      }
    for (size_t k = figure->count; k-- > i;)
      if (figure->panels[k].group == panel->group)
        figure->panels[k].low = range.low, figure->panels[k].high = range.high;
  }
}

/* ---- what lies outside ---- */

/* A word at an edge of the panel, for what goes on beyond it. */
static void edge_write(Plotter *plotter, const char *text, const char *where, const char *colour) {
  fprintf(plotter->out, "set label %zu ", EDGE_LABEL + plotter->edges++);
  plot_quoted(text, plotter->out);
  fprintf(plotter->out, " at %s tc rgb '%s'\n", where, colour);
}

/* The last value of a line beyond an end of the axis; NAN: it has none. */
static double beyond(const Line *line, const Panel *panel) {
  for (size_t k = line->curve.count; k-- > 0;) {
    double value = line->curve.value[k].value;
    if (value < panel->floor || value > panel->ceiling) return value;
  }
  return NAN;
}

static void lines_edges(Plotter *plotter, const Panel *panel) {
  double lines[2] = {1, 1};
  for (size_t i = 0; i < panel->count; i++) {
    const Line *line = &panel->lines[i];
    double value = line->faint ? NAN : beyond(line, panel);
    if (isnan(value)) continue;
    bool up = value > panel->ceiling;
    const char *where = arena_printf(plotter->arena, "graph 0.98, graph %d offset 0, %s%g right",
                                     up, up ? "-" : "", lines[up] - 0.4);
    edge_write(
        plotter,
        arena_printf(plotter->arena, "%s %s", up ? "↑" : "↓", tic_text(plotter->arena, value)),
        where, line->colour);
    lines[up]++;
  }
}

enum { MOST_POINTS = 8 };

static int in_order(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Where the points of a grid lie, if they are few; 0: they are many, or no grid's. */
static size_t grid_points(const Panel *panel, double *points) {
  size_t count = 0;
  for (size_t i = 0; panel->marked && i < panel->count; i++)
    for (size_t k = 0; k < panel->lines[i].curve.count; k++) {
      double x = panel->lines[i].curve.step[k];
      size_t same = 0;
      while (same < count && points[same] != x) same++;
      if (same == MOST_POINTS) return 0;
      if (same == count) points[count++] = x;
    }
  qsort(points, count, sizeof *points, in_order);
  return count;
}

static void x_write(const Plotter *plotter, AxisScale scale) {
  if (!scale.log) scale.most = tics_fit(plotter->arena, scale.range, scale.most, scale.room);
  axis_write(plotter, "x", &scale);
}

static void y_write(const Plotter *plotter, PlotRange range, bool log) {
  axis_write(plotter, "y", &(AxisScale){.range = range, .most = 5, .room = INFINITY, .log = log});
}

/* ---- lines ---- */

/* On a logarithmic scale a band that goes below 0 goes down to the axis. */
static double band_low(const Panel *panel, PlotRange range, double low) {
  return panel->y_log && low < range.low ? range.low : low;
}

static void curve_data(Plotter *plotter, const Panel *panel, const Line *line, PlotRange range) {
  const Curve *curve = &line->curve;
  size_t every = curve->count / MOST_STEPS + 1;
  fprintf(plotter->out, "$d%zu << EOD\n", plotter->data++);
  for (size_t k = 0; k < curve->count; k++) {
    const StatsEstimate *value = &curve->value[k];
    if (k % every && k + 1 < curve->count) continue;
    fprintf(plotter->out, "%.9g %.7g %.7g %.7g\n", curve->step[k], value->value,
            band_low(panel, range, value->low), value->high);
  }
  fprintf(plotter->out, "EOD\n");
}

static void line_plot(const Plotter *plotter, const Panel *panel, size_t i, size_t data) {
  const Line *line = &panel->lines[i];
  bool marks = (panel->marked && !line->dashed) || line->curve.count == 1;
  fprintf(plotter->out, ", \\\n  $d%zu using 1:2 with %s lw %d dt %d%s lc rgb '%s'", data,
          marks ? "linespoints" : "lines", line->faint ? 1 : 2, line->dashed ? 2 : 1,
          marks ? " pt 7 ps 0.45" : "", line->colour);
}

static void plot_lines(Plotter *plotter, const Panel *panel) {
  size_t first = plotter->data;
  PlotRange range = range_padded((PlotRange){panel->low, panel->high}, 0.04, panel->y_log);
  for (size_t i = 0; i < panel->count; i++) curve_data(plotter, panel, &panel->lines[i], range);
  double points[MOST_POINTS];
  x_write(plotter, (AxisScale){.range = lines_x(panel),
                               .most = 5,
                               .room = PANEL_WIDTH - 70,
                               .log = panel->x_log,
                               .points = points,
                               .count = grid_points(panel, points)});
  y_write(plotter, range, panel->y_log);
  lines_edges(plotter, panel);
  fprintf(plotter->out, "plot NaN");
  for (size_t i = 0; i < panel->count; i++)
    if (panel->lines[i].faint) line_plot(plotter, panel, i, first + i);
  for (size_t i = 0; i < panel->count; i++)
    if (!panel->lines[i].faint)
      fprintf(plotter->out,
              ", \\\n  $d%zu using 1:3:4 with filledcurves lc rgb '%s' fs transparent solid %s "
              "noborder",
              first + i, panel->lines[i].colour, panel->lines[i].dashed ? "0.07" : "0.18");
  for (size_t i = 0; i < panel->count; i++)
    if (!panel->lines[i].faint) line_plot(plotter, panel, i, first + i);
  fprintf(plotter->out, "\n");
}

/* ---- bars ---- */

static PlotRange bars_x(const Panel *panel) {
  PlotRange range = range_none();
  if (!isnan(panel->low)) return range_padded((PlotRange){panel->low, panel->high}, 0.02, false);
  range_add(&range, panel->reference);
  for (size_t i = 0; i < panel->count; i++) {
    range_add_scaled(&range, panel->bars[i].value.value, panel->x_log);
    range_add_scaled(&range, panel->bars[i].value.low, panel->x_log);
    range_add_scaled(&range, panel->bars[i].value.high, panel->x_log);
  }
  range.low = fmax(range.low, panel->floor), range.high = fmin(range.high, panel->ceiling);
  return range_padded(range, 0.06, panel->x_log);
}

/* gnuplot takes the text of a tic as the format of its number. */
static const char *tic_label(Arena *arena, const char *text) {
  char *label = NEW_ARRAY(arena, char, 2 * strlen(text) + 1), *to = label;
  for (; *text; text++) {
    if (*text == '%') *to++ = '%';
    *to++ = *text;
  }
  *to = '\0';
  return label;
}

static void bars_data(Plotter *plotter, const Panel *panel) {
  fprintf(plotter->out, "$d%zu << EOD\n", plotter->data);
  for (size_t i = 0; i < panel->count; i++) {
    const StatsEstimate *value = &panel->bars[i].value;
    fprintf(plotter->out, "%zu %.7g %.7g %.7g 0x%s\n", i + 1, value->value, value->low, value->high,
            panel->bars[i].colour + 1);
  }
  fprintf(plotter->out, "EOD\nset ytics (");
  for (size_t i = 0; i < panel->count; i++) {
    fprintf(plotter->out, i ? ", " : "");
    plot_quoted(tic_label(plotter->arena, panel->bars[i].label), plotter->out);
    fprintf(plotter->out, " %zu", i + 1);
  }
  fprintf(plotter->out, ")\nunset logscale y\nset yrange [%zu.6:0.4]\n", panel->count);
}

static void bars_edges(Plotter *plotter, const Panel *panel) {
  for (size_t i = 0; i < panel->count; i++) {
    double value = panel->bars[i].value.value;
    bool right = value > panel->ceiling;
    if (!right && !(value < panel->floor)) continue;
    const char *number = tic_text(plotter->arena, value);
    edge_write(plotter, arena_printf(plotter->arena, right ? "%s →" : "← %s", number),
               arena_printf(plotter->arena, "graph %s, first %zu %s", right ? "0.99" : "0.01",
                            i + 1, right ? "right" : "left"),
               panel->bars[i].colour);
  }
}

static void plot_bars(Plotter *plotter, const Panel *panel) {
  size_t longest = 0;
  for (size_t i = 0; i < panel->count; i++)
    if (strlen(panel->bars[i].label) > longest) longest = strlen(panel->bars[i].label);
  bars_data(plotter, panel);
  x_write(plotter, (AxisScale){.range = bars_x(panel),
                               .most = 4,
                               .room = PANEL_WIDTH - 40 - LETTER * (double)longest,
                               .log = panel->x_log});
  bars_edges(plotter, panel);
  fprintf(plotter->out, "set grid xtics lc rgb '" GRID "' lt 1 lw 0.8\nunset grid\n"
                        "set grid xtics lc rgb '" GRID "' lt 1 lw 0.8\nset ytics scale 0\n");
  if (!isnan(panel->reference))
    fprintf(plotter->out,
            "set arrow 1 from %.9g, graph 0 to %.9g, graph 1 nohead lc rgb '" AXIS "' lw 1\n",
            panel->reference, panel->reference);
  fprintf(
      plotter->out,
      "plot $d%zu using 2:1:3:4:($1-0.28):($1+0.28):5 with boxxyerror fs transparent solid 0.4 "
      "noborder lc rgb variable, \\\n  $d%zu using 2:($1-0.36):(0):(0.72):5 with vectors nohead "
      "lw 2.2 lc rgb variable\n",
      plotter->data, plotter->data);
  plotter->data++;
}

/* ---- arrows ---- */

static void arrows_ranges(const Panel *panel, PlotRange *x, PlotRange *y) {
  *x = *y = range_none();
  for (size_t i = 0; i < panel->count; i++) {
    range_add(x, panel->arrows[i].x);
    range_add(y, panel->arrows[i].y);
  }
  *x = range_padded(*x, 0.08, false);
  *y = range_padded(*y, 0.08, false);
}

/* Arrows of one length on the paper, where they lead in the plane of the panel. */
static void arrows_data(Plotter *plotter, const Panel *panel, PlotRange x, PlotRange y) {
  double cell = 0.75 / sqrt((double)panel->count + 1);
  fprintf(plotter->out, "$d%zu << EOD\n", plotter->data);
  for (size_t i = 0; i < panel->count; i++) {
    const Arrow *arrow = &panel->arrows[i];
    double on = hypot(arrow->dx / (x.high - x.low), arrow->dy / (y.high - y.low));
    if (!(on > 0)) continue;
    fprintf(plotter->out, "%.9g %.9g %.9g %.9g %.9g\n", arrow->x, arrow->y, arrow->dx / on * cell,
            arrow->dy / on * cell, hypot(arrow->dx, arrow->dy));
  }
  fprintf(plotter->out, "EOD\n");
}

static void plot_arrows(Plotter *plotter, const Panel *panel) {
  PlotRange x, y, colours = range_padded((PlotRange){panel->low, panel->high}, 0, true);
  arrows_ranges(panel, &x, &y);
  arrows_data(plotter, panel, x, y);
  x_write(plotter, (AxisScale){.range = x, .most = 5, .room = PANEL_WIDTH - 130});
  y_write(plotter, y, false);
  fprintf(plotter->out, "set palette defined (" PALETTE ")\nset colorbox\n");
  fprintf(plotter->out, "set cbtics tc rgb '" INK "'\n");
  axis_write(plotter, "cb",
             &(AxisScale){.range = colours, .most = 4, .room = INFINITY, .log = true});
  if (colours.low < colours.high && panel->count)
    fprintf(plotter->out,
            "plot $d%zu using 1:2:3:4:5 with vectors head filled size graph 0.018,22 lw 1.3 lc "
            "palette\n",
            plotter->data);
  else
    fprintf(plotter->out, "plot NaN\n");
  fprintf(plotter->out, "unset logscale cb\nunset colorbox\n");
  plotter->data++;
}

/* ---- a panel ---- */

static void texts_write(const Plotter *plotter, const Panel *panel) {
  fprintf(plotter->out, "set label 1 ");
  plot_quoted(panel->title, plotter->out);
  fprintf(plotter->out,
          " at graph 0, graph 1 offset 0, 0.8 left tc rgb '" INK "'\nset tmargin %s\n",
          panel->title[0] ? "2" : "1");
  fprintf(plotter->out, "set xlabel ");
  plot_quoted(panel->x_label ? panel->x_label : "", plotter->out);
  fprintf(plotter->out, " tc rgb '" INK "'\nset ylabel ");
  plot_quoted(panel->y_label ? panel->y_label : "", plotter->out);
  fprintf(plotter->out, " tc rgb '" INK "'\n");
}

void panel_write(Plotter *plotter, const Panel *panel) {
  fprintf(plotter->out,
          "set border %d lw 0.8 lc rgb '" AXIS "'\nunset arrow 1\nunset grid\n"
          "set xtics nomirror out scale 0.4 tc rgb '" INK "'\n"
          "set ytics nomirror out scale 0.4 tc rgb '" INK "'\n",
          panel->bars ? 1 : 3);
  texts_write(plotter, panel);
  plotter->edges = 0;
  if (panel->lines) fprintf(plotter->out, "set grid ytics lc rgb '" GRID "' lt 1 lw 0.8\n");
  if (panel->bars)
    plot_bars(plotter, panel);
  else if (panel->arrows)
    plot_arrows(plotter, panel);
  else
    plot_lines(plotter, panel);
  for (size_t i = 0; i < plotter->edges; i++)
    fprintf(plotter->out, "unset label %zu\n", EDGE_LABEL + i);
}

size_t panel_height(const Panel *panel) {
  return panel->bars     ? BARS_HEIGHT + BAR_HEIGHT * panel->count
         : panel->arrows ? ARROWS_HEIGHT
                         : LINES_HEIGHT;
}
