/* Tables as CSV, as LaTeX with booktabs, and as HTML; scores as JSON for rliable. */
#include "compiler/study/report/tables.h"

#include <math.h>
#include <string.h>

#include "compiler/notation/notation.h"

/* ---- CSV ---- */

static void csv_text(const char *text, FILE *out) {
  if (!strpbrk(text, ",\"\n\r")) {
    fputs(text, out);
    return;
  }
  fputc('"', out);
  for (; *text; text++) *text == '"' ? fputs("\"\"", out) : fputc(*text, out);
  fputc('"', out);
}

static void csv_number(double value, FILE *out) {
  if (!isnan(value)) fprintf(out, "%.12g", value);
}

static void csv_cell(const Cell *cell, ColumnKind kind, FILE *out) {
  if (kind == COLUMN_TEXT) {
    csv_text(cell->text, out);
    return;
  }
  csv_number(cell->estimate.value, out);
  if (kind != COLUMN_ESTIMATE) return;
  fputc(',', out);
  csv_number(cell->estimate.low, out);
  fputc(',', out);
  csv_number(cell->estimate.high, out);
}

void table_csv(const ReportTable *table, FILE *out) {
  for (size_t c = 0; c < table->column_count; c++) {
    const Column *column = &table->columns[c];
    if (c) fputc(',', out);
    csv_text(column->name, out);
    if (column->kind == COLUMN_ESTIMATE)
      fprintf(out, ",%s low,%s high", column->name, column->name);
  }
  fputc('\n', out);
  for (size_t i = 0; i < table->row_count; i++)
    for (size_t c = 0; c < table->column_count; c++) {
      csv_cell(table_cell(table, i, c), table->columns[c].kind, out);
      fputc(c + 1 < table->column_count ? ',' : '\n', out);
    }
}

/* ---- numbers for readers ---- */

/* Four digits, or all before the point. `minus` stands for the sign. */
static void number_write(double value, const char *minus, const char *none, FILE *out) {
  double size = fabs(value);
  if (isnan(value)) {
    fputs(none, out);
    return;
  }
  if (value < 0) fputs(minus, out);
  fprintf(out, size >= 1e3 && size < 1e7 ? "%.0f" : "%.4g", size);
}

/* ---- LaTeX ---- */

static void latex_cell(const Cell *cell, ColumnKind kind, FILE *out) {
  const StatsEstimate *estimate = &cell->estimate;
  if (kind == COLUMN_TEXT) {
    notation_latex_text(cell->text, out);
    return;
  }
  if (cell->bold) fputs("\\textbf{", out);
  number_write(estimate->value, "$-$", "--", out);
  if (cell->bold) fputc('}', out);
  if (cell->failed) fputs("$^\\dagger$", out);
  if (kind != COLUMN_ESTIMATE || isnan(estimate->low)) return;
  fputs(" {\\scriptsize [", out);
  number_write(estimate->low, "$-$", "", out);
  fputs(", ", out);
  number_write(estimate->high, "$-$", "", out);
  fputs("]}", out);
}

void table_latex(const ReportTable *table, FILE *out) {
  fputs("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n\\caption{", out);
  notation_latex_text(table->title, out);
  fputs(". ", out);
  notation_latex_text(table->caption, out);
  fputs("}\n\\begin{tabular}{", out);
  for (size_t c = 0; c < table->column_count; c++)
    fputc(table->columns[c].kind == COLUMN_TEXT ? 'l' : 'r', out);
  fputs("}\n\\toprule\n", out);
  for (size_t c = 0; c < table->column_count; c++) {
    notation_latex_text(table->columns[c].title, out);
    fputs(c + 1 < table->column_count ? " & " : " \\\\\n\\midrule\n", out);
  }
  for (size_t i = 0; i < table->row_count; i++)
    for (size_t c = 0; c < table->column_count; c++) {
      latex_cell(table_cell(table, i, c), table->columns[c].kind, out);
      fputs(c + 1 < table->column_count ? " & " : " \\\\\n", out);
    }
  fputs("\\bottomrule\n\\end{tabular}\n\\end{table}\n", out);
}

/* ---- HTML ---- */

static void html_cell(const Cell *cell, ColumnKind kind, FILE *out) {
  const StatsEstimate *estimate = &cell->estimate;
  if (kind == COLUMN_TEXT) {
    fputs("<td>", out);
    notation_html_text(cell->text, out);
    fputs("</td>", out);
    return;
  }
  fputs(cell->bold ? "<td class=\"n\"><b>" : "<td class=\"n\">", out);
  number_write(estimate->value, "−", "–", out);
  if (cell->bold) fputs("</b>", out);
  if (cell->failed) fputs("†", out);
  if (kind == COLUMN_ESTIMATE && !isnan(estimate->low)) {
    fputs(" <small>[", out);
    number_write(estimate->low, "−", "", out);
    fputs(", ", out);
    number_write(estimate->high, "−", "", out);
    fputs("]</small>", out);
  }
  fputs("</td>", out);
}

void table_html(const ReportTable *table, FILE *out) {
  fputs("<div class=\"scroll\"><table>\n<thead><tr>", out);
  for (size_t c = 0; c < table->column_count; c++) {
    fputs(table->columns[c].kind == COLUMN_TEXT ? "<th>" : "<th class=\"n\">", out);
    notation_html_text(table->columns[c].title, out);
    fputs("</th>", out);
  }
  fputs("</tr></thead>\n<tbody>\n", out);
  for (size_t i = 0; i < table->row_count; i++) {
    fputs("<tr>", out);
    for (size_t c = 0; c < table->column_count; c++)
      html_cell(table_cell(table, i, c), table->columns[c].kind, out);
    fputs("</tr>\n", out);
  }
  fputs("</tbody>\n</table></div>\n<p class=\"caption\">", out);
  notation_html_text(table->caption, out);
  fprintf(out, " <a href=\"tables/%s.csv\">CSV</a> <a href=\"tables/%s.tex\">LaTeX</a></p>\n",
          table->name, table->name);
}

/* ---- scores for rliable ---- */

/* The runs of a seed in every environment; false when one has no score. */
static bool seed_runs(const Results *r, size_t point, size_t seed, size_t *run) {
  for (size_t e = 0; e < r->study->env_count; e++) {
    run[e] = results_run(r, point, e, seed);
    if (run[e] == NO_RUN || isnan(r->runs[run[e]].score)) return false;
  }
  return true;
}

static void score_out(const Results *r, size_t run, size_t env, ScoresKind kind, FILE *out) {
  const RunResult *result = &r->runs[run];
  if (kind == SCORES_FAILED)
    fputs(r->study->runs[run].state == STUDY_FAILED ? "true" : "false", out);
  else
    fprintf(
        out, "%.17g",
        results_scaled(r, kind == SCORES_SCALED ? SCALE_NORMAL : SCALE_RAW, env, result->score));
}

void scores_json(const Results *r, ScoresKind kind, FILE *out) {
  size_t *run = NEW_ARRAY(r->arena, size_t, r->study->env_count);
  fputs("{", out);
  for (size_t i = 0; i < r->shown_count; i++) {
    const char *between = "";
    fputs(i ? ",\n " : "\n ", out);
    text_quote(r->study->points[r->shown[i]].name, out);
    fputs(": [", out);
    for (size_t s = 0; s < r->study->seed_count; s++) {
      if (!seed_runs(r, r->shown[i], s, run)) continue;
      fprintf(out, "%s[", between);
      for (size_t e = 0; e < r->study->env_count; e++) {
        fputs(e ? ", " : "", out);
        score_out(r, run[e], e, kind, out);
      }
      fputs("]", out);
      between = ", ";
    }
    fputs("]", out);
  }
  fputs("\n}\n", out);
}
