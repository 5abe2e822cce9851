/* Figures of bars: the columns of estimates of tables. */
#include "compiler/study/report/figures_parts.h"

#include <math.h>
#include <string.h>

/* Bars of a column of estimates of a table. */
static Panel *column_panel(const Results *r, Figure *figure, const ReportTable *table,
                           size_t column, double reference) {
  Panel *panel = panel_add(r, figure, table->column_count * (r->study->env_count + 1));
  panel->title = table->columns[column].title;
  panel->reference = reference;
  panel->bars = NEW_ARRAY(r->arena, Bar, table->row_count);
  for (size_t i = 0; i < table->row_count; i++) {
    const Cell *cell = &table->cells[i * table->column_count + column];
    const char *name = table->cells[i * table->column_count].text;
    bool base = strcmp(name, r->study->points[r->study->compare].name) == 0;
    panel->bars[panel->count++] =
        (Bar){name, base ? BASE_COLOUR : figure_colours[0], cell->estimate};
  }
  return panel;
}

/* Where the scores in a column of a table end: those of an environment, or of all. A gap to 1 grows
 * as scores fall. */
static Reach column_reach(const Results *r, const ReportTable *table, size_t column) {
  const char *score = r->study->score.column, *name = table->columns[column].name;
  for (size_t e = 0; strcmp(table->name, "scores") == 0 && e < r->study->env_count; e++)
    if (strcmp(name, env_title(r->study->envs[e])) == 0)
      return results_reach(r, score, e, SCALE_RAW);
  Reach reach = results_reach(r, score, ALL_ENVS, SCALE_NORMAL);
  if (strcmp(name, stats_names[STATS_GAP]) != 0) return reach;
  return (Reach){1 - reach.high, 1 - reach.low, false, reach.below};
}

/* A difference of two scores is at most as large as their range. */
static Reach difference_reach(const Results *r, size_t env) {
  Reach reach = results_reach(r, r->study->score.column, env, SCALE_NORMAL);
  double width = reach.high - reach.low;
  bool ends = reach.below || reach.above;
  return (Reach){-width, width, ends, ends};
}

static size_t env_named(const Results *r, const char *name) {
  for (size_t e = 0; e < r->study->env_count; e++)
    if (strcmp(name, env_title(r->study->envs[e])) == 0) return e;
  return ALL_ENVS;
}

void intervals_figure(const Results *r, ReportFigures *figures, const ReportTable *table,
                      const char *title) {
  Figure *figure =
      figure_add(r, figures, (Figure){.name = table->name, .title = title, .columns = 3});
  for (size_t c = 0; c < table->column_count; c++) {
    if (table->columns[c].kind != COLUMN_ESTIMATE) continue;
    Reach reach = column_reach(r, table, c);
    Panel *panel = column_panel(r, figure, table, c, NAN);
    panel->x_log = !r->normalised && results_log(r, r->study->score.column);
    if (!panel->x_log) panel_end(panel, &reach);
  }
  figure->caption = arena_printf(r->arena, "%s%s",
                                 r->study->seed_count == 1
                                     ? "One seed: there are no intervals."
                                     : "Ticks: values; bars: their intervals. Grey: the variant "
                                       "that others are compared with.",
                                 outside_words(r, figure));
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

static size_t column_named(const ReportTable *table, const char *name) {
  size_t column = 0;
  while (column < table->column_count && strcmp(table->columns[column].name, name)) column++;
  if (column == table->column_count) bug("no column '%s' in the table '%s'", name, table->name);
  return column;
}

void comparisons_figure(const Results *r, ReportFigures *figures, const ReportTable *table) {
  size_t difference = column_named(table, "difference"),
         better = column_named(table, "probability_of_improvement");
  Figure *figure = figure_add(r, figures, (Figure){.name = table->name, .columns = 2});
  figure->title = table->title;
  for (size_t i = 0; i < table->row_count; i++) {
    const char *env = table->cells[i * table->column_count + 1].text;
    if (i && strcmp(env, table->cells[1].text) == 0) break;
    ReportTable part = rows_of(r, table, env);
    const char *in = strcmp(env, "all") == 0 ? "" : arena_printf(r->arena, ", %s", env);
    Panel *panel = column_panel(r, figure, &part, difference, 0);
    Reach reach = difference_reach(r, env_named(r, env));
    panel->title = arena_printf(r->arena, "difference%s", in);
    panel_end(panel, &reach);
    panel = column_panel(r, figure, &part, better, 0.5);
    panel->title = arena_printf(r->arena, "P(better)%s", in);
    panel->low = 0, panel->high = 1;
  }
  figure->caption =
      arena_printf(r->arena,
                   "Left: mean difference of runs with the same seed, %s is better. Right: "
                   "probability that a run is better. Vertical lines: no difference.%s",
                   results_less(r, SCALE_NORMAL) ? "less" : "more", outside_words(r, figure));
}
