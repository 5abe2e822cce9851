/* Axes of panels: ranges, scales and where their tics are. */
#include "compiler/study/report/plot.h"

#include <math.h>
#include <string.h>

PlotRange range_none(void) { return (PlotRange){INFINITY, -INFINITY}; }

void range_add(PlotRange *range, double value) {
  if (!isfinite(value)) return;
  range->low = fmin(range->low, value);
  range->high = fmax(range->high, value);
}

PlotRange range_padded(PlotRange range, double share, bool log) {
  if (log) {
    if (!(range.low > 0 && range.low <= range.high)) return (PlotRange){1, 10};
    PlotRange decades =
        range_padded((PlotRange){log10(range.low), log10(range.high)}, share, false);
    return (PlotRange){pow(10, decades.low), pow(10, decades.high)};
  }
  if (!(range.low <= range.high)) return (PlotRange){0, 1};
  double width = range.high - range.low;
  if (width == 0) width = range.low == 0 ? 1 : fabs(range.low), share = fmax(share, 0.05);
  return (PlotRange){range.low - share * width, range.high + share * width};
}

/* 1, 2 or 5 times a power of ten, so that `most` of them span the range. */
static double tic_step(PlotRange range, double most) {
  double least = (range.high - range.low) / most, power = pow(10, floor(log10(least)));
  double times = least / power;
  return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* 2.5e-5: without the zeros that C puts into an exponent. */
static const char *with_exponent(Arena *arena, double value) {
  int exponent = (int)floor(log10(fabs(value)) + 1e-9);
  return arena_printf(arena, "%.4ge%d", value / pow(10, exponent), exponent);
}

const char *tic_text(Arena *arena, double value) {
  double size = fabs(value);
  if (size == 0) return "0"; /* and not -0 */
  if (size >= 1e4 && size < 1e6) return arena_printf(arena, "%.4gk", value / 1e3);
  if (size >= 1e6 && size < 1e12) return arena_printf(arena, "%.4gM", value / 1e6);
  if (size >= 1e-3 && size < 1e12) return arena_printf(arena, "%.4g", value);
  return with_exponent(arena, value);
}

static void tic_write(const Plotter *plotter, const char *text, double value,
                      const char **between) {
  fprintf(plotter->out, "%s'%s' %.9g", *between, text, value);
  *between = ", ";
}

static bool tics_apart(Arena *arena, PlotRange range, double step, double room) {
  size_t longest = 0;
  for (double i = ceil(range.low / step - 1e-9); i * step <= range.high + 1e-9 * step; i++) {
    size_t length = strlen(tic_text(arena, i * step));
    if (length > longest) longest = length;
  }
  return LETTER * (double)(longest + 1) <= room * step / (range.high - range.low);
}

double tics_fit(Arena *arena, PlotRange range, double most, double room) {
  while (most > 1 && !tics_apart(arena, range, tic_step(range, most), room)) most--;
  return most;
}

static void tics_linear(const Plotter *plotter, PlotRange range, double most) {
  double step = tic_step(range, most);
  const char *between = "";
  for (double i = ceil(range.low / step - 1e-9); i * step <= range.high + 1e-9 * step; i++)
    tic_write(plotter, tic_text(plotter->arena, i * step), i * step, &between);
}

/* How far along the axis, 0 to 1. */
static double along(PlotRange range, double value, bool log) {
  return log ? log10(value / range.low) / log10(range.high / range.low)
             : (value - range.low) / (range.high - range.low);
}

/* Do the texts of two tics stand apart on an axis of `room` pixels? */
static bool texts_apart(Arena *arena, const AxisScale *scale, double x, double y) {
  double letters = (double)(strlen(tic_text(arena, x)) + strlen(tic_text(arena, y))) / 2 + 1;
  double way = along(scale->range, x, scale->log) - along(scale->range, y, scale->log);
  return LETTER * letters <= scale->room * fabs(way);
}

/* Powers of ten, all or every other one, 1 among them; within few decades, and where there is room,
 * also 2 and 5 times them. */
static void tics_log(const Plotter *plotter, const AxisScale *scale) {
  PlotRange range = scale->range;
  double first = floor(log10(range.low)), last = ceil(log10(range.high));
  bool few = log10(range.high / range.low) < 0.6 * scale->most;
  for (double decade = first; decade <= last; decade++)
    few = few && texts_apart(plotter->arena, scale, pow(10, decade), 2 * pow(10, decade));
  double every = fmax(1, ceil((last - first) / (scale->most + 1)));
  const char *between = "";
  for (double decade = every * floor(first / every); decade <= last; decade += every)
    for (int times = 1; times <= (few ? 5 : 1); times = times == 1 ? 2 : 2 * times + 1) {
      double value = times * pow(10, decade);
      if (value >= range.low * (1 - 1e-9) && value <= range.high * (1 + 1e-9))
        tic_write(plotter, tic_text(plotter->arena, value), value, &between);
    }
}

/* At a grid's points, with a text where there is room for it. */
static void tics_points(const Plotter *plotter, const AxisScale *scale) {
  const char *between = "";
  double last = NAN;
  for (size_t i = 0; i < scale->count; i++) {
    double value = scale->points[i];
    bool told = isnan(last) || texts_apart(plotter->arena, scale, value, last);
    tic_write(plotter, told ? tic_text(plotter->arena, value) : "", value, &between);
    if (told) last = value;
  }
}

void axis_write(const Plotter *plotter, const char *axis, const AxisScale *scale) {
  fprintf(plotter->out, "%s logscale %s\nset %srange [%.9g:%.9g]\nset %stics (",
          scale->log ? "set" : "unset", axis, axis, scale->range.low, scale->range.high, axis);
  if (scale->count)
    tics_points(plotter, scale);
  else
    scale->log ? tics_log(plotter, scale) : tics_linear(plotter, scale->range, scale->most);
  fprintf(plotter->out, ")\n");
}
