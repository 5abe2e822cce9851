/* The tables of a report: what is in them. How they are written is in tables_write.c. */
#include "compiler/study/report/tables.h"

#include <math.h>
#include <string.h>

/* ---- making tables ---- */

static ReportTable *table_add(const Results *r, Tables *tables, ReportTable table) {
  PUSH(r->arena, tables->table, tables->count, tables->capacity, table);
  return &tables->table[tables->count - 1];
}

static void column_add(const Results *r, ReportTable *table, const char *name, const char *title,
                       ColumnKind kind) {
  Column *columns = NEW_ARRAY(r->arena, Column, table->column_count + 1);
  if (table->columns) memcpy(columns, table->columns, table->column_count * sizeof *columns);
  columns[table->column_count++] = (Column){name, title, kind};
  table->columns = columns;
}

static void rows_make(const Results *r, ReportTable *table, size_t rows) {
  table->row_count = rows;
  table->cells = NEW_ARRAY(r->arena, Cell, rows * table->column_count);
}

static void set_text(const ReportTable *table, size_t row, size_t column, const char *text) {
  table_cell(table, row, column)->text = text;
}

static void set_number(const ReportTable *table, size_t row, size_t column, double value) {
  table_cell(table, row, column)->estimate = (StatsEstimate){value, NAN, NAN, 0, 0, NULL};
}

/* A statistic of the scores of a row's point. */
static void set_aggregate(const Results *r, const ReportTable *table, size_t row,
                          const BoldColumn *of) {
  StatsScores scores = results_scores(r, r->shown[row], &of->of);
  Cell *cell = table_cell(table, row, of->column);
  cell->estimate = stats_aggregate(of->kind, &scores, &r->options);
  cell->failed = of->of.field == FIELD_SCORE && !isnan(cell->estimate.value) &&
                 results_failed(r, r->shown[row], of->of.env) > 0;
}

/* The same of all rows, and which of them stand in bold. */
static void fill_aggregate(const Results *r, ReportTable *table, const BoldColumn *of, Bold *bold) {
  for (size_t i = 0; i < r->shown_count; i++) set_aggregate(r, table, i, of);
  bold_column(r, table, of, bold);
}

const char *env_title(const char *env) { return strcmp(env, "-") == 0 ? "score" : env; }

static const char *point_name(const Results *r, size_t point) {
  return r->study->points[point].name;
}

/* ---- scores by environment ---- */

static const char *runs_text(const Results *r, size_t point) {
  size_t of[STUDY_FAILED + 1] = {0}, all = 0;
  for (size_t e = 0; e < r->study->env_count; e++)
    for (size_t s = 0; s < r->study->seed_count; s++) {
      size_t run = results_run(r, point, e, s);
      if (run != NO_RUN) of[r->study->runs[run].state]++, all++;
    }
  size_t ended = of[STUDY_DONE] + of[STUDY_FAILED];
  const char *text = ended == all ? arena_printf(r->arena, "%zu", all)
                                  : arena_printf(r->arena, "%zu of %zu", ended, all);
  return of[STUDY_FAILED] ? arena_printf(r->arena, "%s, %zu failed", text, of[STUDY_FAILED]) : text;
}

static const char *score_words(const Results *r) {
  const StudyScore *score = &r->study->score;
  const char *of = score->last == 1
                       ? "the last value"
                       : arena_printf(r->arena, "the mean of the last %u values", score->last);
  const char *failed = score->failed_worst
                           ? "the worst score of those of its environment that did not fail"
                           : arena_printf(r->arena, "%g", score->failed);
  return arena_printf(r->arena,
                      "A run's score is %s of %s; %s is better. A failed run counts as %s, or as "
                      "its own last score where that is worse.",
                      of, score->metric, score->lower ? "less" : "more", failed);
}

/* What the mark of cells with failed runs means. */
static const char *failed_words(const Results *r, const char *area) {
  if (!r->of[STUDY_FAILED]) return "";
  return arena_printf(r->arena,
                      "†: failed runs count in it, and intervals take what they count as for what "
                      "was measured; where all count as one number there is no interval.%s ",
                      area);
}

static bool has_intervals(const ReportTable *table) {
  for (size_t row = 0; row < table->row_count; row++)
    for (size_t c = 0; c < table->column_count; c++)
      if (table->columns[c].kind == COLUMN_ESTIMATE &&
          isfinite(table_cell(table, row, c)->estimate.low))
        return true;
  return false;
}

/* The figures are those of tests/stats_sure_test.c (intervals_of_few_runs_cover_less). */
static const char *interval_words(const Results *r, const ReportTable *table) {
  if (r->study->seed_count == 1) return "One seed: there are no intervals.";
  if (!has_intervals(table)) return "";
  const char *few =
      " So few seeds make them too narrow: 95 % intervals of 3 normal scores hold the "
      "mean in 75 % of studies, of 5 in 83 %, of 10 in 89 %.";
  return arena_printf(
      r->arena, "Brackets: %g %% intervals of a stratified bootstrap over seeds, %u resamples.%s",
      100 * r->study->ci, r->study->resamples, r->study->seed_count <= 10 ? few : "");
}

static void scores_table(const Results *r, Tables *tables) {
  const Study *study = r->study;
  ReportTable *table = table_add(r, tables, (ReportTable){.name = "scores", .title = "Scores"});
  column_add(r, table, "variant", "Variant", COLUMN_TEXT);
  column_add(r, table, "runs", "Runs in all", COLUMN_TEXT);
  for (size_t e = 0; e < study->env_count; e++)
    column_add(r, table, env_title(study->envs[e]), env_title(study->envs[e]), COLUMN_ESTIMATE);
  rows_make(r, table, r->shown_count);
  for (size_t i = 0; i < r->shown_count; i++) {
    set_text(table, i, 0, point_name(r, r->shown[i]));
    set_text(table, i, 1, runs_text(r, r->shown[i]));
  }
  Bold bold = {0};
  for (size_t e = 0; e < study->env_count; e++) {
    BoldColumn column = {2 + e, STATS_MEAN, {e, FIELD_SCORE, SCALE_RAW, false}};
    fill_aggregate(r, table, &column, &bold);
  }
  table->caption =
      arena_printf(r->arena, "Mean over seeds. %s %s%s %s", score_words(r), failed_words(r, ""),
                   interval_words(r, table), bold_words(r, &bold));
}

/* ---- aggregates ---- */

static bool kind_named(const char *name, StatsKind *kind) {
  for (size_t k = 0; k < STATS_KINDS; k++)
    if (strcmp(stats_names[k], name) == 0) return *kind = (StatsKind)k, true;
  return false;
}

/* A gap to 1 means something where 1 does, and a median where there is more than one mean. */
static bool is_shown(const Results *r, size_t aggregate, StatsKind *kind) {
  return kind_named(r->study->aggregates[aggregate], kind) &&
         (*kind != STATS_GAP || r->normalised) &&
         (*kind != STATS_MEDIAN || r->study->env_count > 1);
}

/* The most runs that a shown point has: of fewer than four nothing is trimmed. */
static const char *iqm_words(const Results *r, const ReportTable *table) {
  size_t most = 0;
  bool iqm = false;
  for (size_t c = 0; c < table->column_count; c++)
    iqm |= strcmp(table->columns[c].name, stats_names[STATS_IQM]) == 0;
  for (size_t i = 0; i < table->row_count; i++) {
    size_t runs = table_cell(table, i, 2)->estimate.runs;
    if (runs > most) most = runs;
  }
  if (!iqm || most >= 4 || most == 0) return "";
  return arena_printf(r->arena,
                      "iqm leaves out a quarter of the runs at each end, rounded down: of %zu "
                      "none, so that it is their mean here. ",
                      most);
}

static const char *aggregate_words(const Results *r, const ReportTable *table, const Bold *bold) {
  const char *over = r->study->env_count > 1 ? "Over all runs of all environments. " : "";
  const char *scale = r->normalised ? "0 and 1 are what the study names. " : "";
  return arena_printf(
      r->arena, "%s%s%s %sarea: mean height of the score's curve over training. %s%s %s", over,
      scale, score_words(r), iqm_words(r, table), failed_words(r, " area leaves failed runs out."),
      interval_words(r, table), bold_words(r, bold));
}

enum { AGGREGATE_FIRST = 2 }; /* column */

static size_t aggregates_columns(const Results *r, ReportTable *table, StatsKind *kinds) {
  size_t count = 0;
  column_add(r, table, "variant", "Variant", COLUMN_TEXT);
  column_add(r, table, "runs", "Runs", COLUMN_TEXT);
  for (size_t a = 0; a < r->study->aggregate_count && count < STATS_KINDS; a++) {
    if (!is_shown(r, a, &kinds[count])) continue;
    const char *name = stats_names[kinds[count++]];
    column_add(r, table, name, strcmp(name, "optimality_gap") == 0 ? "optimality gap" : name,
               COLUMN_ESTIMATE);
  }
  column_add(r, table, "area", "area", COLUMN_ESTIMATE);
  return count;
}

static void aggregates_table(const Results *r, Tables *tables) {
  StatsKind kinds[STATS_KINDS];
  ReportTable *table = table_add(r, tables, (ReportTable){.name = "aggregates"});
  table->title = r->study->env_count > 1 ? "Aggregates" : "Scores";
  size_t count = aggregates_columns(r, table, kinds);
  rows_make(r, table, r->shown_count);
  for (size_t i = 0; i < r->shown_count; i++) {
    set_text(table, i, 0, point_name(r, r->shown[i]));
    set_text(table, i, 1, runs_text(r, r->shown[i]));
  }
  Bold bold = {0};
  for (size_t k = 0; k <= count; k++) {
    ScoresOf of = {ALL_ENVS, k < count ? FIELD_SCORE : FIELD_AREA, SCALE_NORMAL, false};
    BoldColumn column = {AGGREGATE_FIRST + k, k < count ? kinds[k] : STATS_MEAN, of};
    fill_aggregate(r, table, &column, &bold);
  }
  table->caption = aggregate_words(r, table, &bold);
}

/* ---- comparisons ---- */

enum {
  BY_VARIANT,
  BY_ENV,
  BY_DIFFERENCE,
  BY_P,
  BY_HOLM,
  BY_BETTER,
  BY_PAIRS,
  BY_LEAST,
  BY_AGAINST
};

/* What a point is compared with: a point with runs of its own; itself where it is a baseline. */
static size_t point_base(const Results *r, size_t point) {
  const StudyPoint *points = r->study->points;
  return points[points[point].against].same_as;
}

static void comparison_row(const Results *r, ReportTable *table, size_t row, size_t point,
                           size_t env, double *p) {
  size_t base = point_base(r, point);
  ScoresOf of = {env, FIELD_SCORE, SCALE_NORMAL, false};
  StatsScores of_x, of_y, x, y;
  results_pairs(r, point, base, &of, &of_x, &of_y);
  of.gains = true;
  x = results_scores(r, point, &of), y = results_scores(r, base, &of);
  StatsContrast contrast = stats_contrast(&of_x, &of_y, &r->options);
  *p = contrast.p;
  set_text(table, row, BY_VARIANT, point_name(r, point));
  set_text(table, row, BY_ENV, env == ALL_ENVS ? "all" : env_title(r->study->envs[env]));
  table_cell(table, row, BY_DIFFERENCE)->estimate = contrast.difference;
  table_cell(table, row, BY_BETTER)->estimate = stats_improvement(&x, &y, &r->options);
  set_number(table, row, BY_P, contrast.p);
  set_number(table, row, BY_PAIRS, (double)contrast.difference.runs);
  set_number(table, row, BY_LEAST, stats_least_p(contrast.difference.runs));
}

/* How many shown points are compared with another, and whether not all with the same one. */
static size_t compared_points(const Results *r, bool *several) {
  size_t count = 0, first = SIZE_MAX;
  *several = false;
  for (size_t i = 0; i < r->shown_count; i++) {
    size_t base = point_base(r, r->shown[i]);
    if (base == r->shown[i]) continue;
    *several = *several || (count && base != first);
    first = count ? first : base;
    count++;
  }
  return count;
}

/* What the title of comparisons names: a point, or a variant whose points are each for some. */
static const char *compared_with(const Results *r, bool several) {
  return several ? r->study->points[r->study->compare].variant : point_name(r, r->study->compare);
}

static const char *comparisons_caption(const Results *r, const ReportTable *table,
                                       const char *base) {
  bool less = results_less(r, SCALE_NORMAL);
  return arena_printf(
      r->arena,
      "difference: mean over pairs of runs with the same seed of variant minus %s; %s is better. "
      "p: how often chance signs would give as much (two-sided); Holm: corrected for %zu "
      "comparisons; least p: what so many pairs can reach before that, however large the "
      "difference. P(better): how likely a run of the variant beats one of %s, ties half. %s",
      base, less ? "less" : "more", table->row_count, base, interval_words(r, table));
}

static ReportTable *comparisons_make(const Results *r, Tables *tables, size_t rows, bool several) {
  ReportTable *table = table_add(r, tables, (ReportTable){.name = "comparisons"});
  table->title = arena_printf(r->arena, "Compared with %s", compared_with(r, several));
  column_add(r, table, "variant", "Variant", COLUMN_TEXT);
  column_add(r, table, "environment", "Environment", COLUMN_TEXT);
  column_add(r, table, "difference", "difference", COLUMN_ESTIMATE);
  column_add(r, table, "p", "p", COLUMN_NUMBER);
  column_add(r, table, "p_holm", "p (Holm)", COLUMN_NUMBER);
  column_add(r, table, "probability_of_improvement", "P(better)", COLUMN_ESTIMATE);
  column_add(r, table, "pairs", "pairs", COLUMN_NUMBER);
  column_add(r, table, "p_least", "least p", COLUMN_NUMBER);
  if (several) column_add(r, table, "against", "Against", COLUMN_TEXT);
  rows_make(r, table, rows);
  return table;
}

static void comparisons_table(const Results *r, Tables *tables) {
  bool several;
  size_t envs = r->together ? 1 : r->study->env_count, row = 0;
  size_t rows = compared_points(r, &several) * envs;
  ReportTable *table = comparisons_make(r, tables, rows, several);
  double *p = NEW_ARRAY(r->arena, double, rows + 1), *holm = NEW_ARRAY(r->arena, double, rows + 1);
  for (size_t i = 0; i < r->shown_count; i++) {
    size_t base = point_base(r, r->shown[i]);
    for (size_t e = 0; e < envs && base != r->shown[i]; e++, row++) {
      comparison_row(r, table, row, r->shown[i], r->together ? ALL_ENVS : e, &p[row]);
      if (several) set_text(table, row, BY_AGAINST, point_name(r, base));
    }
  }
  stats_holm(p, rows, holm);
  for (size_t i = 0; i < rows; i++) set_number(table, i, BY_HOLM, holm[i]);
  table->caption = comparisons_caption(r, table, compared_with(r, several));
}

/* ---- every run ---- */

static const char *state_word(StudyState state) {
  static const char *const words[] = {
      [STUDY_WAITING] = "waiting", [STUDY_PARTIAL] = "interrupted", [STUDY_RUNNING] = "running",
      [STUDY_DONE] = "done",       [STUDY_FOREIGN] = "another run", [STUDY_FAILED] = "failed"};
  return words[state];
}

static void run_row(const Results *r, const ReportTable *table, size_t row) {
  const StudyRun *run = &r->study->runs[row];
  const StudyJob *job = &r->study->jobs[run->job];
  const RunResult *result = &r->runs[row];
  bool ended = run->state == STUDY_DONE || run->state == STUDY_FAILED;
  set_text(table, row, 0, point_name(r, job->point));
  set_text(table, row, 1, r->study->envs[job->env]);
  set_number(table, row, 2, (double)run->seed);
  set_text(table, row, 3, state_word(run->state));
  set_number(table, row, 4, result->step);
  set_number(table, row, 5, ended ? result->score : NAN);
  set_number(table, row, 6, result->area);
  set_text(table, row, 7, run->failure ? run->failure : result->problem ? result->problem : "");
}

static void runs_table(const Results *r, Tables *tables) {
  ReportTable *table = table_add(r, tables, (ReportTable){.name = "runs", .title = "Every run"});
  table->caption = score_words(r);
  column_add(r, table, "variant", "Variant", COLUMN_TEXT);
  column_add(r, table, "environment", "Environment", COLUMN_TEXT);
  column_add(r, table, "seed", "seed", COLUMN_NUMBER);
  column_add(r, table, "state", "State", COLUMN_TEXT);
  column_add(r, table, "step", "step", COLUMN_NUMBER);
  column_add(r, table, "score", "score", COLUMN_NUMBER);
  column_add(r, table, "area", "area", COLUMN_NUMBER);
  column_add(r, table, "note", "What it said", COLUMN_TEXT);
  rows_make(r, table, r->study->run_count);
  for (size_t i = 0; i < r->study->run_count; i++) run_row(r, table, i);
}

/* ---- the numbers behind figures ---- */

static size_t curve_rows(const Results *r, ReportTable *table, size_t row, bool fill) {
  const Study *study = r->study;
  for (size_t m = 0; m < study->curve_count; m++)
    for (size_t e = 0; e <= study->env_count; e++)
      for (size_t i = 0; i < r->shown_count; i++) {
        bool all = e == study->env_count;
        const Curve *curve = results_curve(r, m, r->shown[i], all ? ALL_ENVS : e);
        for (size_t k = 0; k < curve->count; k++, row++) {
          if (!fill) continue;
          set_text(table, row, 0, study->curves[m].name);
          set_text(table, row, 1, all ? "all" : study->envs[e]);
          set_text(table, row, 2, point_name(r, r->shown[i]));
          set_number(table, row, 3, curve->step[k]);
          table_cell(table, row, 4)->estimate = curve->value[k];
          set_number(table, row, 5, (double)curve->value[k].runs);
        }
      }
  return row;
}

static void curves_table(const Results *r, Tables *tables) {
  ReportTable *table =
      table_add(r, tables, (ReportTable){.name = "curves", .title = "Curves", .data = true});
  table->caption = "";
  column_add(r, table, "metric", "metric", COLUMN_TEXT);
  column_add(r, table, "environment", "environment", COLUMN_TEXT);
  column_add(r, table, "variant", "variant", COLUMN_TEXT);
  column_add(r, table, "step", "step", COLUMN_NUMBER);
  column_add(r, table, stats_names[r->headline], stats_names[r->headline], COLUMN_ESTIMATE);
  column_add(r, table, "runs", "runs", COLUMN_NUMBER);
  rows_make(r, table, curve_rows(r, NULL, 0, false));
  curve_rows(r, table, 0, true);
}

static void arrow_row(const ReportTable *table, size_t row, const Arrow *arrow, size_t runs) {
  const double numbers[] = {arrow->x, arrow->y, arrow->dx, arrow->dy, (double)runs};
  for (size_t c = 0; c < COUNTOF(numbers); c++) set_number(table, row, 2 + c, numbers[c]);
}

static size_t arrow_rows(const Results *r, const StudyArrows *arrows, ReportTable *table) {
  size_t row = 0;
  for (size_t i = 0; i < r->shown_count; i++)
    for (size_t e = 0; e < r->study->env_count; e++) {
      const ArrowField *field = results_arrows(r, arrows, r->shown[i], e);
      for (size_t k = 0; k < field->count; k++, row++) {
        if (!table) continue;
        set_text(table, row, 0, point_name(r, r->shown[i]));
        set_text(table, row, 1, r->study->envs[e]);
        arrow_row(table, row, &field->arrow[k], field->runs);
      }
    }
  return row;
}

static void arrows_table(const Results *r, Tables *tables, const StudyArrows *arrows) {
  ReportTable *table = table_add(r, tables, (ReportTable){.title = "Arrows", .data = true});
  table->name = arena_printf(r->arena, "arrows_%s", study_folder(r->arena, arrows->name));
  table->caption = "";
  column_add(r, table, "variant", "variant", COLUMN_TEXT);
  column_add(r, table, "environment", "environment", COLUMN_TEXT);
  static const char *const names[] = {"x", "y", "dx", "dy", "runs"};
  for (size_t c = 0; c < COUNTOF(names); c++)
    column_add(r, table, names[c], names[c], COLUMN_NUMBER);
  rows_make(r, table, arrow_rows(r, arrows, NULL));
  arrow_rows(r, arrows, table);
}

const ReportTable *table_named(const Tables *tables, const char *name) {
  for (size_t i = 0; i < tables->count; i++)
    if (strcmp(tables->table[i].name, name) == 0) return &tables->table[i];
  return NULL;
}

Tables tables_make(const Results *r) {
  Tables tables = {0};
  if (r->study->env_count > 1) scores_table(r, &tables);
  if (r->together) aggregates_table(r, &tables);
  if (r->shown_count > 1) comparisons_table(r, &tables);
  runs_table(r, &tables);
  curves_table(r, &tables);
  for (size_t a = 0; a < r->study->arrow_count; a++) arrows_table(r, &tables, &r->study->arrows[a]);
  return tables;
}
