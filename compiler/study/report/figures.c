/* The figures of a report: which panels, which lines in them, which colours. Drawing is plot.c. */
#include "compiler/study/report/report.h"

#include <math.h>
#include <string.h>

/* Told apart without red and green (Okabe and Ito). */
static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73",
                                      "#cc79a7", "#e69f00", "#56b4e9"};
#define BASE_COLOUR  "#555555" /* of what others are compared with */
#define FAINT_COLOUR "#cccccc"
enum { MOST_LINES = COUNTOF(colours) + 1 };

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

/* " key=value" in what a name has behind its variant: where its value stands, or NULL. */
static const char *token_value(const StudyPoint *point, const char *key, size_t length) {
  size_t variant = strlen(point->variant);
  const char *at = strncmp(point->name, point->variant, variant) == 0 ? point->name + variant : "";
  for (; (at = strchr(at, ' ')); at++)
    if (strncmp(at + 1, key, length) == 0 && at[1 + length] == '=') return at + 2 + length;
  return NULL;
}

static const char *facet_value(const Results *r, size_t shown, const char *key, size_t length) {
  const char *value = token_value(&r->study->points[r->shown[shown]], key, length);
  return value ? arena_copy(r->arena, value, strcspn(value, " ")) : "";
}

/* A name without one " key=value". */
static const char *name_without(const Results *r, const char *name, const char *key,
                                size_t length) {
  for (const char *at = name; (at = strchr(at, ' ')); at++)
    if (strncmp(at + 1, key, length) == 0 && at[1 + length] == '=')
      return arena_printf(r->arena, "%.*s%s", (int)(at - name), name,
                          at + 1 + strcspn(at + 1, " "));
  return name;
}

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
static bool facets_by_key(const Results *r, const char *key, size_t length, Facets *facets) {
  *facets = facets_room(r);
  const char **values = NEW_ARRAY(r->arena, const char *, r->shown_count);
  const char **labels = NEW_ARRAY(r->arena, const char *, r->shown_count);
  size_t label_count = 0;
  for (size_t i = 0; i < r->shown_count; i++) {
    const char *name = r->study->points[r->shown[i]].name, *value = facet_value(r, i, key, length);
    if (!*value) return false;
    facets->of[i] = index_of(values, facets->count, value);
    facets->title[facets->of[i]] = arena_printf(r->arena, "%.*s = %s", (int)length, key, value);
    if (facets->of[i] == facets->count) values[facets->count++] = value;
    facets->label[i] = name_without(r, name, key, length);
    size_t label = index_of(labels, label_count, facets->label[i]);
    if (label == label_count) labels[label_count++] = facets->label[i];
    if (label_count > COUNTOF(colours)) return false;
    facets->colour[i] = colours[label];
  }
  return facets->count > 1;
}

/* The key that needs fewest panels. */
static bool facets_by_grid(const Results *r, Facets *best) {
  const StudyPoint *point = &r->study->points[r->shown[0]];
  const char *at = strncmp(point->name, point->variant, strlen(point->variant)) == 0
                       ? point->name + strlen(point->variant)
                       : "";
  best->count = 0;
  for (; (at = strchr(at, ' ')); at++) {
    Facets facets;
    size_t length = strcspn(at + 1, "= ");
    if (facets_by_key(r, at + 1, length, &facets) && (!best->count || facets.count < best->count))
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
    facets.colour[i] = base ? BASE_COLOUR : few ? colours[next++ % COUNTOF(colours)] : colours[0];
  }
  return facets;
}

/* ---- curves ---- */

static Figure *figure_add(const Results *r, Figures *figures, Figure figure) {
  PUSH(r->arena, figures->figure, figures->count, figures->capacity, figure);
  return &figures->figure[figures->count - 1];
}

static Panel *panel_add(const Results *r, Figure *figure, size_t most) {
  if (!figure->panels) figure->panels = NEW_ARRAY(r->arena, Panel, most);
  Panel *panel = &figure->panels[figure->count++];
  *panel = (Panel){.title = "", .reference = NAN, .low = NAN, .high = NAN};
  return panel;
}

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

static void keys_make(const Results *r, Figure *figure, const Facets *facets) {
  if (r->shown_count == 1) return;
  figure->keys = NEW_ARRAY(r->arena, Key, r->shown_count + 1);
  if (facets->alone) {
    figure->keys[figure->key_count++] = (Key){"the panel's variant", colours[0], false};
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
  const char *name = env == ALL_ENVS ? "all environments" : r->study->envs[env];
  bool one = r->study->env_count == 1;
  if (!facets->title[facet]) return strcmp(name, "-") == 0 ? "" : name;
  return one ? facets->title[facet] : arena_printf(r->arena, "%s, %s", name, facets->title[facet]);
}

static const char *name_of_file(const Results *r, const char *begin, const char *metric) {
  char *name = arena_printf(r->arena, "%s%s", begin, study_folder(r->arena, metric));
  for (char *at = name; *at; at++)
    if (*at == '=' || *at == '+') *at = '_';
  return name;
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

static void curves_figure(const Results *r, Figures *figures, const Facets *facets, size_t metric) {
  const Study *study = r->study;
  bool all = r->normalised && study->env_count > 1 && results_is_score(r, metric);
  Figure *figure = figure_add(r, figures, (Figure){.columns = 3});
  figure->name = name_of_file(r, "curve_", study->curves[metric]);
  figure->title = study->curves[metric];
  figure->caption = band_words(r);
  for (size_t e = 0; e < study->env_count + all; e++)
    for (size_t f = 0; f < facets->count; f++) {
      CurveAt at = {r, metric, e == study->env_count ? ALL_ENVS : e};
      Panel *panel = panel_add(r, figure, (study->env_count + 1) * facets->count);
      panel->title = panel_title(r, facets, f, at.env);
      panel->group = e;
      panel->x_label = strcmp(study->envs[0], "-") == 0 ? "steps" : "environment steps";
      panel->y_label = at.env == ALL_ENVS ? "normalised score" : study->curves[metric];
      facet_lines(r, panel, facets, f, curve_at, &at);
    }
  keys_make(r, figure, facets);
}

/* ---- profiles ---- */

static const Curve *profile_at(const void *what, size_t shown) {
  return &((const Curve *)what)[shown];
}

static void profile_figure(const Results *r, Figures *figures, const Facets *facets) {
  Curve *profiles = NEW_ARRAY(r->arena, Curve, r->shown_count);
  bool less = results_less(r), any = false;
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

/* ---- intervals ---- */

/* Bars of a column of estimates of a table. */
static void column_panel(const Results *r, Figure *figure, const ReportTable *table, size_t column,
                         double reference) {
  Panel *panel = panel_add(r, figure, table->column_count * (r->study->env_count + 1));
  panel->title = table->columns[column].title;
  panel->reference = reference;
  panel->bars = NEW_ARRAY(r->arena, Bar, table->row_count);
  for (size_t i = 0; i < table->row_count; i++) {
    const Cell *cell = &table->cells[i * table->column_count + column];
    const char *name = table->cells[i * table->column_count].text;
    bool base = strcmp(name, r->study->points[r->study->compare].name) == 0;
    panel->bars[panel->count++] = (Bar){name, base ? BASE_COLOUR : colours[0], cell->estimate};
  }
}

static const ReportTable *table_named(const Tables *tables, const char *name) {
  for (size_t i = 0; i < tables->count; i++)
    if (strcmp(tables->table[i].name, name) == 0) return &tables->table[i];
  return NULL;
}

static void intervals_figure(const Results *r, Figures *figures, const ReportTable *table,
                             const char *title) {
  Figure *figure =
      figure_add(r, figures, (Figure){.name = table->name, .title = title, .columns = 3});
  figure->caption = r->study->seed_count == 1 ? "One seed: there are no intervals."
                                              : "Ticks: values; bars: their intervals. Grey: the "
                                                "variant that others are compared with.";
  for (size_t c = 0; c < table->column_count; c++)
    if (table->columns[c].kind == COLUMN_ESTIMATE) column_panel(r, figure, table, c, NAN);
}

/* Rows of one environment, as a table of its own. */
static ReportTable rows_of(const Results *r, const ReportTable *table, const char *env) {
  ReportTable part = *table;
  part.cells = NEW_ARRAY(r->arena, Cell, table->row_count * table->column_count);
  part.row_count = 0;
  for (size_t i = 0; i < table->row_count; i++) {
    const Cell *row = &table->cells[i * table->column_count];
    if (strcmp(row[1].text, env) != 0) continue;
    memcpy(&part.cells[part.row_count++ * table->column_count], row,
           table->column_count * sizeof *row);
  }
  return part;
}

static void comparisons_figure(const Results *r, Figures *figures, const ReportTable *table) {
  enum { DIFFERENCE = 2, BETTER = 5 };
  Figure *figure = figure_add(r, figures, (Figure){.name = table->name, .columns = 2});
  figure->title = table->title;
  figure->caption =
      arena_printf(r->arena,
                   "Left: mean difference of runs with the same seed, %s is better. Right: "
                   "probability that a run is better. Vertical lines: no difference.",
                   results_less(r) ? "less" : "more");
  for (size_t i = 0; i < table->row_count; i++) {
    const char *env = table->cells[i * table->column_count + 1].text;
    if (i && strcmp(env, table->cells[1].text) == 0) break;
    ReportTable part = rows_of(r, table, env);
    const char *in = strcmp(env, "all") == 0 ? "" : arena_printf(r->arena, ", %s", env);
    column_panel(r, figure, &part, DIFFERENCE, 0);
    figure->panels[figure->count - 1].title = arena_printf(r->arena, "difference%s", in);
    column_panel(r, figure, &part, BETTER, 0.5);
    Panel *panel = &figure->panels[figure->count - 1];
    panel->title = arena_printf(r->arena, "P(better)%s", in);
    panel->low = 0, panel->high = 1;
  }
}

Figures figures_make(const Results *r, const Tables *tables) {
  Figures figures = {0};
  Facets facets = facets_make(r);
  const ReportTable *aggregates = table_named(tables, "aggregates");
  const ReportTable *comparisons = table_named(tables, "comparisons");
  for (size_t m = 0; m < r->study->curve_count; m++) curves_figure(r, &figures, &facets, m);
  if (r->study->env_count > 1)
    intervals_figure(r, &figures, table_named(tables, "scores"), "Scores by environment");
  if (aggregates) intervals_figure(r, &figures, aggregates, aggregates->title);
  if (r->together) profile_figure(r, &figures, &facets);
  if (comparisons) comparisons_figure(r, &figures, comparisons);
  return figures;
}
