/* What stands in bold: the best of a column and all that its own statistic does not tell apart from
 * it. Afterwards no row without bold is one that chance could have put behind the best, as far as
 * the level of the study goes; where that says nothing, nothing is bold. */
#include "compiler/study/report/tables.h"

#include <math.h>

static bool is_better(const Results *r, const BoldColumn *of, double a, double b) {
  return of->kind == STATS_GAP || results_less(r, of->of.scale) ? a < b : a > b;
}

static size_t best_row(const Results *r, const ReportTable *table, const BoldColumn *of,
                       size_t *rows) {
  size_t best = SIZE_MAX;
  *rows = 0;
  for (size_t i = 0; i < table->row_count; i++) {
    double value = table_cell(table, i, of->column)->estimate.value;
    if (isnan(value)) continue;
    ++*rows;
    if (best == SIZE_MAX ||
        is_better(r, of, value, table_cell(table, best, of->column)->estimate.value))
      best = i;
  }
  return best;
}

/* How likely chance puts each row so far from the best; NAN where that is nothing that could be
 * told: the best itself, no pairs, or pairs in which it is not behind. Rows are the shown points.
 */
static void rows_told(const Results *r, const ReportTable *table, const BoldColumn *of, size_t best,
                      Bold *bold, double *p) {
  for (size_t i = 0; i < table->row_count; i++) {
    StatsScores of_best, of_row;
    p[i] = NAN;
    if (i == best || isnan(table_cell(table, i, of->column)->estimate.value)) continue;
    results_pairs(r, r->shown[best], r->shown[i], &of->of, &of_best, &of_row);
    StatsSwap swap = stats_swap(of->kind, &of_best, &of_row);
    if (swap.pairs > bold->pairs) bold->pairs = swap.pairs;
    p[i] = swap.difference == 0 || is_better(r, of, swap.difference, 0) ? swap.p : 1;
  }
}

void bold_column(const Results *r, ReportTable *table, const BoldColumn *of, Bold *bold) {
  size_t rows, best = best_row(r, table, of, &rows), told = 0;
  if (best == SIZE_MAX || r->study->seed_count == 1) return;
  double *p = NEW_ARRAY(r->arena, double, table->row_count);
  double *holm = NEW_ARRAY(r->arena, double, table->row_count);
  if (rows - 1 > bold->comparisons) bold->comparisons = rows - 1;
  rows_told(r, table, of, best, bold, p);
  stats_holm(p, table->row_count, holm);
  for (size_t i = 0; i < table->row_count; i++) told += holm[i] <= bold_level(r);
  for (size_t i = 0; told && i < table->row_count; i++)
    table_cell(table, i, of->column)->bold =
        !isnan(table_cell(table, i, of->column)->estimate.value) && !(holm[i] <= bold_level(r));
  bold->any |= told > 0;
}

/* The study's level, without the last digits that 1 - 0.95 has. */
double bold_level(const Results *r) { return round(1e12 * (1 - r->study->ci)) / 1e12; }

static const char *corrected(const Results *r, const Bold *bold, double p) {
  if (bold->comparisons == 1) return "";
  return arena_printf(r->arena, ", and %.2g with Holm's correction for %zu comparisons",
                      fmin(1, p * (double)bold->comparisons), bold->comparisons);
}

const char *bold_words(const Results *r, const Bold *bold) {
  double level = bold_level(r), least = stats_least_p(bold->pairs);
  if (bold->comparisons == 0 || r->study->seed_count == 1) return "Nothing is bold.";
  if (bold->pairs == 0) return "Nothing is bold: no two variants have a run of one seed.";
  if (least * (double)bold->comparisons > level)
    return arena_printf(r->arena,
                        "Nothing is bold, for nothing could be told apart: %zu pair%s can reach "
                        "p = %.2g at least%s; %g is asked.",
                        bold->pairs, bold->pairs == 1 ? "" : "s", least, corrected(r, bold, least),
                        level);
  return arena_printf(
      r->arena,
      "Bold: the best of a column and all that it is not told apart from, by the column's own "
      "statistic: p > %g when the two runs of a seed change places by chance (two-sided%s).%s",
      level,
      bold->comparisons == 1
          ? ""
          : arena_printf(r->arena, ", Holm's correction for %zu comparisons", bold->comparisons),
      bold->any ? "" : " That is every row, so none is bold.");
}
