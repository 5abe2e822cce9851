/* The figures of a report: which panels, which lines in them, which colours. Drawing is plot.c. */
#include "compiler/study/report/figures_parts.h"

#include <math.h>
#include <string.h>

const char *const figure_colours[FIGURE_COLOURS] = {"#0072b2", "#d55e00", "#009e73",
                                                    "#cc79a7", "#e69f00", "#56b4e9"};
enum { MOST_LINES = FIGURE_COLOURS + 1 };

/* ---- parts ---- */

Figure *figure_add(const Results *r, ReportFigures *figures, Figure figure) {
  PUSH(r->arena, figures->figure, figures->count, figures->capacity, figure);
  return &figures->figure[figures->count - 1];
}

Panel *panel_add(const Results *r, Figure *figure, size_t most) {
  if (!figure->panels) figure->panels = NEW_ARRAY(r->arena, Panel, most);
  Panel *panel = &figure->panels[figure->count++];
  *panel = (Panel){.title = "", .reference = NAN, .low = NAN, .high = NAN};
  panel->floor = -INFINITY, panel->ceiling = INFINITY;
  return panel;
}

void panel_end(Panel *panel, const Reach *reach) {
  if (reach->below) panel->floor = reach->low;
  if (reach->above) panel->ceiling = reach->high;
}

const char *figure_file(const Results *r, const char *begin, const char *of) {
  char *name = arena_printf(r->arena, "%s%s", begin, study_folder(r->arena, of));
  for (char *at = name; *at; at++)
    if (*at == '=' || *at == '+') *at = '_';
  return name;
}

const char *env_words(const Results *r, size_t env) {
  const char *name = env == ALL_ENVS ? "all environments" : r->study->envs[env];
  return strcmp(name, "-") == 0 ? "" : name;
}

/* ---- what lies outside ---- */

/* The value furthest beyond the ends of a panel's axis; NAN: none is. */
static double furthest(const Panel *panel, const StatsEstimate *values, size_t count) {
  double found = NAN, most = 0;
  for (size_t k = 0; k < count; k++) {
    double value = values[k].value;
    double by = value < panel->floor     ? panel->floor - value
                : value > panel->ceiling ? value - panel->ceiling
                                         : 0;
    if (by > most) most = by, found = value;
  }
  return found;
}

typedef struct Outside {
  const char *text;
  size_t count;
} Outside;

enum { MOST_OUTSIDE = 8 };

static void outside_add(const Results *r, const Panel *panel, const char *label, double value,
                        Outside *outside) {
  if (isnan(value) || ++outside->count > MOST_OUTSIDE) return;
  outside->text = arena_printf(r->arena, "%s%s%s%s%s (%s to %.3g)", outside->text,
                               outside->count > 1 ? ", " : "", label, *panel->title ? " in " : "",
                               panel->title, value > panel->ceiling ? "up" : "down", value);
}

const char *outside_words(const Results *r, const Figure *figure) {
  Outside outside = {"", 0};
  for (size_t p = 0; p < figure->count; p++) {
    const Panel *panel = &figure->panels[p];
    for (size_t i = 0; i < panel->count && panel->lines; i++)
      if (!panel->lines[i].faint)
        outside_add(r, panel, panel->lines[i].label,
                    furthest(panel, panel->lines[i].curve.value, panel->lines[i].curve.count),
                    &outside);
    for (size_t i = 0; i < panel->count && panel->bars; i++)
      outside_add(r, panel, panel->bars[i].label, furthest(panel, &panel->bars[i].value, 1),
                  &outside);
  }
  if (!outside.count) return "";
  const char *more = outside.count > MOST_OUTSIDE
                         ? arena_printf(r->arena, " and %zu more", outside.count - MOST_OUTSIDE)
                         : "";
  return arena_printf(r->arena, " Outside the axes, whose range leaves out what is far off: %s%s.",
                      outside.text, more);
}

/* ---- how many lines are spread over panels ---- */

/* Points by panel. Where there are more than eyes can follow, each value of a key of the grid gets
 * a panel; failing that, each point, with all others behind it in grey. */
typedef struct Facets {
  size_t count;
  const char **title; /* NULL: one panel needs none */
  size_t *of;         /* by shown point */
  const char **label, **colour;
  bool alone;
} Facets;

static size_t index_of(const char *const *texts, size_t count, const char *text) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(texts[i], text) == 0) return i;
  return count;
}

static Facets facets_room(const Results *r) {
  return (Facets){.title = NEW_ARRAY(r->arena, const char *, r->shown_count),
                  .of = NEW_ARRAY(r->arena, size_t, r->shown_count),
                  .label = NEW_ARRAY(r->arena, const char *, r->shown_count),
                  .colour = NEW_ARRAY(r->arena, const char *, r->shown_count)};
}

/* A panel for each value of a key. False when that leaves too many lines in one, or a point without
 * the key. */
static bool facets_by_key(const Results *r, const char *key, Facets *facets) {
  *facets = facets_room(r);
  const char **values = NEW_ARRAY(r->arena, const char *, r->shown_count);
  const char **labels = NEW_ARRAY(r->arena, const char *, r->shown_count);
  size_t label_count = 0;
  for (size_t i = 0; i < r->shown_count; i++) {
    const StudyPoint *point = &r->study->points[r->shown[i]];
    const char *value = study_point_value(point, key);
    if (!value) return false;
    facets->of[i] = index_of(values, facets->count, value);
    facets->title[facets->of[i]] = arena_printf(r->arena, "%s = %s", key, value);
    if (facets->of[i] == facets->count) values[facets->count++] = value;
    facets->label[i] = study_point_name(r->arena, point, key);
    size_t label = index_of(labels, label_count, facets->label[i]);
    if (label == label_count) labels[label_count++] = facets->label[i];
    if (label_count > FIGURE_COLOURS) return false;
    facets->colour[i] = figure_colours[label];
  }
  return facets->count > 1;
}

/* The key that needs fewest panels. */
static bool facets_by_grid(const Results *r, Facets *best) {
  const StudyPoint *point = &r->study->points[r->shown[0]];
  best->count = 0;
  for (size_t i = 0; i < point->value_count; i++) {
    Facets facets;
    if (facets_by_key(r, point->values[i].key, &facets) &&
        (!best->count || facets.count < best->count))
      *best = facets;
  }
  return best->count > 0;
}

static Facets facets_make(const Results *r) {
  Facets facets;
  bool few = r->shown_count <= MOST_LINES;
  if (!few && facets_by_grid(r, &facets)) return facets;
  facets = facets_room(r);
  facets.alone = !few;
  facets.count = few ? 1 : r->shown_count;
  size_t next = 0;
  for (size_t i = 0; i < r->shown_count; i++) {
    bool base = r->shown[i] == r->study->compare;
    facets.label[i] = r->study->points[r->shown[i]].name;
    facets.of[i] = few ? 0 : i;
    if (!few) facets.title[i] = facets.label[i];
    facets.colour[i] = base  ? BASE_COLOUR
                       : few ? figure_colours[next++ % FIGURE_COLOURS]
                             : figure_colours[0];
  }
  return facets;
}

/* ---- curves ---- */

static void line_add(Panel *panel, const Facets *facets, size_t shown, bool faint,
                     const Curve *curve) {
  if (!curve->count) return;
  panel->lines[panel->count++] = (Line){
      facets->label[shown], faint ? FAINT_COLOUR : facets->colour[shown], faint, false, *curve};
}

/* The lines of one facet, those of others behind them where each point has its own. */
static void facet_lines(const Results *r, Panel *panel, const Facets *facets, size_t facet,
                        const Curve *(*curve_of)(const void *, size_t), const void *what) {
  panel->lines = NEW_ARRAY(r->arena, Line, r->shown_count);
  for (size_t i = 0; facets->alone && i < r->shown_count; i++)
    if (facets->of[i] != facet) line_add(panel, facets, i, true, curve_of(what, i));
  for (size_t i = 0; i < r->shown_count; i++)
    if (facets->of[i] == facet) line_add(panel, facets, i, false, curve_of(what, i));
}

/* Whether a panel's own variant has no line, as it does not log the curve. */
static bool others_alone(const Panel *panel) {
  for (size_t i = 0; i < panel->count; i++)
    if (!panel->lines[i].faint) return false;
  return panel->count > 0;
}

static void keys_make(const Results *r, Figure *figure, const Facets *facets) {
  if (r->shown_count == 1) return;
  figure->keys = NEW_ARRAY(r->arena, Key, r->shown_count + 1);
  if (facets->alone) {
    figure->keys[figure->key_count++] = (Key){"the panel's variant", figure_colours[0], false};
    figure->keys[figure->key_count++] = (Key){"all others", FAINT_COLOUR, false};
    return;
  }
  for (size_t i = 0; i < r->shown_count; i++) {
    bool known = false;
    for (size_t k = 0; k < figure->key_count; k++)
      known |= strcmp(figure->keys[k].label, facets->label[i]) == 0;
    if (!known)
      figure->keys[figure->key_count++] = (Key){facets->label[i], facets->colour[i], false};
  }
}

typedef struct CurveAt {
  const Results *results;
  size_t metric, env;
} CurveAt;

static const Curve *curve_at(const void *what, size_t shown) {
  const CurveAt *at = what;
  return results_curve(at->results, at->metric, at->results->shown[shown], at->env);
}

static const char *panel_title(const Results *r, const Facets *facets, size_t facet, size_t env) {
  if (!facets->title[facet]) return env_words(r, env);
  if (r->study->env_count == 1) return facets->title[facet];
  return arena_printf(r->arena, "%s, %s", env_words(r, env), facets->title[facet]);
}

static const char *band_words(const Results *r) {
  if (r->study->seed_count == 1) return "One seed: a line is one run, and there are no bands.";
  return arena_printf(
      r->arena,
      "Lines: %s over seeds; bands: its %g %% bootstrap interval at each step for "
      "itself, cut off where it leaves the lines far behind. Each step is of the runs that "
      "have a value there.",
      r->headline == STATS_IQM ? "interquartile mean" : "mean", 100 * r->study->ci);
}

/* Curves are in their own units but where all environments are together; a logarithmic axis has
 * room for everything. */
static Reach curve_reach(const Results *r, size_t metric, size_t env) {
  const char *column = r->study->curves[metric].column;
  if (env != ALL_ENVS && results_log(r, column)) return (Reach){0};
  return results_reach(r, column, env, env_scale(env));
}

static void curves_figure(const Results *r, ReportFigures *figures, const Facets *facets,
                          size_t metric) {
  const Study *study = r->study;
  const StudyCurve *curve = &study->curves[metric];
  bool all = r->normalised && study->env_count > 1 && results_is_score(r, curve->column);
  Figure *figure = figure_add(r, figures, (Figure){.columns = 3});
  figure->name = figure_file(r, "curve_", curve->name);
  figure->title = curve->name;
  for (size_t e = 0; e < study->env_count + all; e++) {
    CurveAt at = {r, metric, e == study->env_count ? ALL_ENVS : e};
    Reach reach = curve_reach(r, metric, at.env);
    for (size_t f = 0; f < facets->count; f++) {
      Panel *panel = panel_add(r, figure, (study->env_count + 1) * facets->count);
      panel->title = panel_title(r, facets, f, at.env);
      panel->group = e;
      panel->x_label = strcmp(study->envs[0], "-") == 0 ? "steps" : "environment steps";
      panel->y_label = at.env == ALL_ENVS ? "normalised score" : curve->name;
      panel->y_log = at.env != ALL_ENVS && results_log(r, curve->column);
      panel_end(panel, &reach);
      facet_lines(r, panel, facets, f, curve_at, &at);
      if (others_alone(panel)) figure->count--;
    }
  }
  figure->caption = arena_printf(r->arena, "%s%s", band_words(r), outside_words(r, figure));
  keys_make(r, figure, facets);
}

/* ---- profiles ---- */

static const Curve *profile_at(const void *what, size_t shown) {
  return &((const Curve *)what)[shown];
}

static void profile_figure(const Results *r, ReportFigures *figures, const Facets *facets) {
  Curve *profiles = NEW_ARRAY(r->arena, Curve, r->shown_count);
  bool less = results_less(r, SCALE_NORMAL), any = false;
  for (size_t i = 0; i < r->shown_count; i++) {
    profiles[i] = results_profile(r, r->shown[i]);
    any |= profiles[i].count > 0;
  }
  if (!any) return;
  Figure *figure = figure_add(r, figures, (Figure){.name = "profile", .columns = 3});
  figure->title = "Performance profiles";
  figure->caption = arena_printf(
      r->arena,
      "The share of runs whose score is %s a threshold, averaged over environments. A curve above "
      "another everywhere is better whatever summary is chosen. %s",
      less ? "below" : "above",
      r->study->seed_count == 1
          ? "One seed: there are no bands."
          : arena_printf(r->arena, "Bands: %g %% bootstrap intervals.", 100 * r->study->ci));
  for (size_t f = 0; f < facets->count; f++) {
    Panel *panel = panel_add(r, figure, facets->count);
    panel->title = facets->title[f] ? facets->title[f] : "";
    panel->x_label = r->normalised ? "normalised score" : r->study->score.metric;
    panel->y_label = less ? "share of runs below" : "share of runs above";
    panel->low = 0, panel->high = 1;
    facet_lines(r, panel, facets, f, profile_at, profiles);
  }
  keys_make(r, figure, facets);
}

ReportFigures figures_make(const Results *r, const Tables *tables) {
  ReportFigures figures = {0};
  Facets facets = facets_make(r);
  const ReportTable *aggregates = table_named(tables, "aggregates");
  const ReportTable *comparisons = table_named(tables, "comparisons");
  for (size_t m = 0; m < r->study->curve_count; m++) curves_figure(r, &figures, &facets, m);
  for (size_t a = 0; a < r->study->axis_count; a++)
    if (r->study->axes[a].path) sweep_figure(r, &figures, a);
  for (size_t a = 0; a < r->study->arrow_count; a++)
    arrows_figure(r, &figures, &r->study->arrows[a]);
  if (r->study->env_count > 1)
    intervals_figure(r, &figures, table_named(tables, "scores"), "Scores by environment");
  if (aggregates) intervals_figure(r, &figures, aggregates, aggregates->title);
  if (r->together) profile_figure(r, &figures, &facets);
  if (comparisons) comparisons_figure(r, &figures, comparisons);
  return figures;
}
