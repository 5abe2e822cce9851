/* Figures of scores over a constant's values, and of arrows. */
#include "compiler/study/report/figures_parts.h"

#include <math.h>
#include <string.h>

/* ---- scores over a constant ---- */

/* A point without a value has one score whatever the constant is: a line from side to side. */
static Curve level(const Results *r, const Curve *of, double low, double high) {
  Curve curve = {2, NEW_ARRAY(r->arena, double, 2), NEW_ARRAY(r->arena, StatsEstimate, 2)};
  curve.step[0] = low, curve.step[1] = high;
  curve.value[0] = curve.value[1] = of->value[0];
  return curve;
}

static void sweeps_range(const Sweep *sweeps, size_t count, double *low, double *high) {
  *low = INFINITY, *high = -INFINITY;
  for (size_t i = 0; i < count; i++)
    for (size_t k = 0; k < sweeps[i].curve.count; k++) {
      *low = fmin(*low, sweeps[i].curve.step[k]);
      *high = fmax(*high, sweeps[i].curve.step[k]);
    }
}

/* The colour of a line by its label, so that it has one in every panel; those of dashed lines are
 * dealt again from the first. */
static const char *key_colour(const Results *r, Figure *figure, const char *label, bool dashed,
                              size_t most) {
  if (!figure->keys) figure->keys = NEW_ARRAY(r->arena, Key, most);
  size_t alike = 0;
  for (size_t k = 0; k < figure->key_count; k++) {
    if (strcmp(figure->keys[k].label, label) == 0) return figure->keys[k].colour;
    alike += figure->keys[k].dashed == dashed;
  }
  const char *colour = figure_colours[alike % FIGURE_COLOURS];
  figure->keys[figure->key_count++] = (Key){label, colour, dashed};
  return colour;
}

static void sweep_panel(const Results *r, Figure *figure, size_t axis, size_t env) {
  const Study *study = r->study;
  Sweep *sweeps;
  double low, high;
  size_t count = results_sweeps(r, axis, env, &sweeps);
  Panel *panel = panel_add(r, figure, study->env_count);
  Reach reach = results_reach(r, study->score.column, env, SCALE_NORMAL);
  panel->title = env_words(r, env);
  if (env == ALL_ENVS && study->env_count == 1) panel->title = env_words(r, 0);
  panel->x_label = study->axes[axis].name;
  panel->y_label = r->normalised ? "normalised score" : study->score.metric;
  panel->x_log = study->axes[axis].log;
  panel->y_log = !r->normalised && results_log(r, study->score.column);
  panel->marked = true;
  panel->group = figure->count;
  if (!panel->y_log) panel_end(panel, &reach);
  panel->lines = NEW_ARRAY(r->arena, Line, count + 1);
  sweeps_range(sweeps, count, &low, &high);
  for (size_t i = 0; i < count; i++) {
    Curve *curve = &sweeps[i].curve;
    bool flat = curve->count == 1 && isnan(curve->step[0]);
    if (!curve->count) continue;
    const char *colour = key_colour(r, figure, sweeps[i].label, flat, study->point_count);
    panel->lines[panel->count++] =
        (Line){sweeps[i].label, colour, false, flat, flat ? level(r, curve, low, high) : *curve};
  }
}

void sweep_figure(const Results *r, ReportFigures *figures, size_t axis) {
  const StudyAxis *of = &r->study->axes[axis];
  Figure *figure = figure_add(r, figures, (Figure){.columns = 3});
  figure->name = figure_file(r, "over_", of->name);
  figure->title = arena_printf(r->arena, "Scores over %s", of->name);
  for (size_t e = 0; e < (r->together ? 1 : r->study->env_count); e++)
    sweep_panel(r, figure, axis, r->together ? ALL_ENVS : e);
  bool flat = false;
  for (size_t k = 0; k < figure->key_count; k++) flat |= figure->keys[k].dashed;
  if (figure->key_count == 1) figure->key_count = 0;
  figure->caption = arena_printf(
      r->arena, "Marks: %s over seeds%s; a line joins points that differ in nothing else.%s%s",
      r->headline == STATS_IQM ? "interquartile mean" : "mean",
      r->study->seed_count == 1
          ? ""
          : arena_printf(r->arena, "; bands: its %g %% bootstrap interval", 100 * r->study->ci),
      flat ? arena_printf(r->arena, " Dashed: points without '%s'.", of->name) : "",
      outside_words(r, figure));
}

/* ---- arrows ---- */

void arrows_figure(const Results *r, ReportFigures *figures, const StudyArrows *arrows) {
  const Study *study = r->study;
  Figure *figure = figure_add(r, figures, (Figure){.columns = 3});
  const char *problem = "";
  size_t fewest = SIZE_MAX;
  figure->name = figure_file(r, "arrows_", arrows->name);
  figure->title = arrows->name;
  for (size_t i = 0; i < r->shown_count; i++)
    for (size_t e = 0; e < study->env_count; e++) {
      Panel *panel = panel_add(r, figure, r->shown_count * study->env_count);
      const ArrowField *field = results_arrows(r, arrows, r->shown[i], e);
      panel->arrows = field->arrow ? field->arrow : NEW_ARRAY(r->arena, Arrow, 1);
      panel->count = field->count;
      panel->x_label = arrows->to[0], panel->y_label = arrows->to[1];
      panel->title = study->points[r->shown[i]].name;
      if (study->env_count > 1)
        panel->title = arena_printf(r->arena, "%s, %s", panel->title, study->envs[e]);
      if (field->runs < fewest) fewest = field->runs;
      if (field->problem) problem = arena_printf(r->arena, " Left out: %s.", field->problem);
    }
  figure->caption = arena_printf(
      r->arena,
      "From (%s, %s) to (%s, %s) at the end of runs: arrows have one length and show the "
      "direction; colours, on one scale for all panels, how far it is. Means over the runs that "
      "are done, %zu at least.%s",
      arrows->from[0], arrows->from[1], arrows->to[0], arrows->to[1], fewest, problem);
}
