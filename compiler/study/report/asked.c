/* What was asked: all that the study's file says, with what it left to the defaults; each variant
 * with its differences to the base; and the losses in mathematical notation. */
#include "compiler/study/report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/notation/notation.h"

void page_text(const char *text, FILE *out) { notation_html_text(text, out); }

void page_put(FILE *out, const char *before, const char *text, const char *behind) {
  fputs(before, out);
  page_text(text, out);
  fputs(behind, out);
}

/* ---- variants ---- */

/* A point's resolved spec, from the first run that has begun; NULL: none has. */
static const Tree *point_spec(const Page *page, size_t point) {
  const Results *r = page->results;
  for (size_t i = 0; i < r->study->run_count; i++) {
    const StudyRun *run = &r->study->runs[i];
    if (r->study->jobs[run->job].point != point) continue;
    const char *path = arena_printf(r->arena, "%s/%s/config.yaml", r->folder, run->folder);
    if (access(path, R_OK) != 0) continue;
    Tree *spec = tree_read(r->arena, diag_make(r->arena), path, "a spec", (Span){0});
    if (spec) return spec;
  }
  return NULL;
}

/* Two short values stand on one line. */
static bool is_short(const StudyChange *change) {
  return (change->before ? strlen(change->before) : 0) +
             (change->after ? strlen(change->after) : 0) <
         30;
}

static void write_change(const StudyChange *change, FILE *out) {
  if (change->before && change->after && strcmp(change->before, change->after) == 0) {
    page_put(out, "<div>", change->path, " ");
    page_put(out, "", change->after, ", as in its file</div>");
    return;
  }
  if (is_short(change)) {
    page_put(out, "<div>", change->path, " ");
    if (change->before) page_put(out, "<del>", change->before, "</del>");
    fputs(change->before && change->after ? " → " : "", out);
    if (change->after) page_put(out, "<ins>", change->after, "</ins>");
    fputs(change->after ? "</div>" : " removed</div>", out);
    return;
  }
  page_put(out, "<div class=\"key\">", change->path, "</div>");
  if (change->before) page_put(out, "<div class=\"gone\">", change->before, "</div>");
  if (change->after) page_put(out, "<div class=\"new\">", change->after, "</div>");
}

static void write_changes(const StudyChange *changes, size_t count, FILE *out) {
  if (!count) return;
  fputs("<div class=\"diff\">", out);
  for (size_t i = 0; i < count; i++) write_change(&changes[i], out);
  fputs("</div>", out);
}

/* The losses of a point that the base does not have. */
static void write_losses(const Page *page, size_t point, const Tree *base, FILE *out) {
  const Tree *spec = point ? point_spec(page, point) : NULL;
  char *text = NULL;
  size_t size = 0;
  FILE *losses = spec && base ? open_memstream(&text, &size) : NULL;
  if (!losses) return;
  size_t count = notation_html_new(page->results->arena, spec, base, losses);
  fclose(losses);
  if (count)
    fprintf(out, "<details><summary>%s</summary>\n%s</details>\n",
            count == 1 ? "its loss" : "its losses", text);
  free(text);
}

static void write_point(const Page *page, size_t at, const Tree *base, FILE *out) {
  const Study *study = page->results->study;
  const StudyPoint *point = &study->points[at];
  page_put(out, "<li><span class=\"name\">", point->name, "</span>");
  if (at == study->compare) fputs("<span class=\"tag\">compared with</span>", out);
  if (point->same_as != at)
    page_put(out, "<p class=\"crossed\">is the same program as ",
             study->points[point->same_as].name, "</p>");
  else if (!point->change_count)
    fputs("<p class=\"crossed\">the base as it is</p>", out);
  write_changes(point->changes, point->change_count, out);
  for (size_t i = 0; i < point->crossed_count; i++) {
    page_put(out, "<p class=\"crossed\"><s><code>", point->crossed[i].path, "</code></s> ");
    page_put(out, "", point->crossed[i].why, "</p>");
  }
  for (size_t i = 0; i < point->lack_count; i++)
    page_put(out, "<p class=\"crossed\"><s><code>", point->lacks[i],
             "</code></s> its runs log no such number, so that the curve is without it</p>");
  if (point->same_as == at) write_losses(page, at, base, out);
  fputs("</li>\n", out);
}

/* ---- what the study's file says besides ---- */

static void write_term(const char *title, FILE *out) { page_put(out, "<dt>", title, "</dt><dd>"); }

static void write_codes(const char *const *texts, size_t count, FILE *out) {
  for (size_t i = 0; i < count; i++) page_put(out, i ? ", <code>" : "<code>", texts[i], "</code>");
}

static void write_base(const Study *study, FILE *out) {
  write_term("Base", out);
  if (study->base)
    page_put(out, "<code>", study->base, "</code></dd>\n");
  else
    fputs("an older rlc wrote this folder, which does not tell it nor what <code>with</code> lays "
          "on it: <a href=\"#provenance\">the study's file</a> does</dd>\n",
          out);
  if (!study->with_count) return;
  write_term("Laid on it and on other specifications", out);
  write_changes(study->with, study->with_count, out);
  fputs("</dd>\n", out);
}

static void write_grid(const Study *study, FILE *out) {
  if (!study->grid_count) return;
  write_term("Combined", out);
  for (size_t i = 0; i < study->grid_count; i++) {
    page_put(out, i ? "<br><code>" : "<code>", study->grid[i].path, "</code>: ");
    write_codes(study->grid[i].values, study->grid[i].count, out);
  }
  fputs("</dd>\n", out);
}

static void write_envs(const Study *study, FILE *out) {
  bool none = study->env_count == 1 && strcmp(study->envs[0], "-") == 0;
  write_term("Environments", out);
  if (none) fputs("none: programs without one", out);
  for (size_t e = 0; e < study->env_count && !none; e++) {
    page_put(out, e ? "<br>" : "", study->envs[e], "");
    if (study->normal[e].given)
      fprintf(out, ": a score of %g counts as 0 and %g as 1", study->normal[e].zero,
              study->normal[e].one);
  }
  fputs("</dd>\n", out);
}

static void write_seeds(const Study *study, FILE *out) {
  size_t count = study->seed_count;
  bool row = count > 2 && study->seeds[count - 1] - study->seeds[0] == count - 1;
  for (size_t i = 1; i < count; i++) row = row && study->seeds[i] == study->seeds[i - 1] + 1;
  write_term("Seeds", out);
  if (row)
    fprintf(out, "%llu to %llu", (unsigned long long)study->seeds[0],
            (unsigned long long)study->seeds[count - 1]);
  for (size_t i = 0; i < count && !row; i++)
    fprintf(out, i ? ", %llu" : "%llu", (unsigned long long)study->seeds[i]);
  fputs("</dd>\n", out);
}

static void write_score(const Study *study, FILE *out) {
  const StudyScore *score = &study->score;
  write_term("Score of a run", out);
  if (score->last == 1)
    fputs("the last value of ", out);
  else
    fprintf(out, "the mean of the last %u values of ", score->last);
  page_put(out, "<code>", score->metric, "</code>; ");
  fprintf(out, "%s is better; a failed run counts as ", score->lower ? "lower" : "higher");
  if (score->failed_worst)
    fputs("the worst of its environment</dd>\n", out);
  else
    fprintf(out, "%g</dd>\n", score->failed);
}

static void write_report(const Study *study, FILE *out) {
  write_term("Curves", out);
  for (size_t i = 0; i < study->curve_count; i++)
    page_put(out, i ? ", <code>" : "<code>", study->curves[i].name, "</code>");
  fputs("</dd>\n", out);
  write_term("Statistics", out);
  write_codes(study->aggregates, study->aggregate_count, out);
  fprintf(out, "; intervals of %g %%, %u resamples</dd>\n", 100 * study->ci, study->resamples);
  write_term("Compared with", out);
  page_put(out, "", study->points[study->compare].name, "</dd>\n");
  if (study->axis_count) write_term("Axes", out);
  for (size_t i = 0; i < study->axis_count; i++) {
    const StudyAxis *axis = &study->axes[i];
    page_put(out, i ? ", <code>" : "<code>", axis->path ? axis->path : axis->name, "</code>: ");
    fputs(axis->log ? "logarithmic" : "linear", out);
  }
  if (study->axis_count) fputs("</dd>\n", out);
  if (study->arrow_count) write_term("Arrows", out);
  for (size_t i = 0; i < study->arrow_count; i++) {
    const StudyArrows *arrows = &study->arrows[i];
    page_put(out, i ? "<br>" : "", arrows->name, " from (");
    write_codes(arrows->from, 2, out);
    fputs(") to (", out);
    write_codes(arrows->to, 2, out);
    fputs(")", out);
  }
  if (study->arrow_count) fputs("</dd>\n", out);
}

static void write_settings(const Study *study, const char *options, FILE *out) {
  fputs("<dl class=\"settings\">\n", out);
  write_base(study, out);
  write_grid(study, out);
  write_envs(study, out);
  write_seeds(study, out);
  write_term("Options of every trainer", out);
  page_put(out, "<code>", options, "</code></dd>\n");
  write_score(study, out);
  write_report(study, out);
  fputs("</dl>\n", out);
}

/* ---- all ---- */

void asked_write(const Page *page, FILE *out) {
  const Study *study = page->results->study;
  const Tree *base = point_spec(page, study->points[0].same_as);
  fputs("<section id=\"asked\">\n<h2>What was asked</h2>\n", out);
  write_settings(study, study_options(page->results->arena, study), out);
  fprintf(out,
          "<h3>Variants</h3>\n<p>Each with what it changes in the base%s.</p>\n<ul "
          "class=\"variants\">\n",
          study->with_count ? ", on which the above is laid" : "");
  for (size_t i = 0; i < study->point_count; i++) write_point(page, i, base, out);
  page_put(out, "</ul>\n<h3>The losses of ", study->points[0].name, "</h3>\n");
  if (base)
    notation_html(page->results->arena, base, out);
  else
    fputs("<p class=\"note\">None of its runs has begun: its losses are not in this folder "
          "yet.</p>\n",
          out);
  fputs("</section>\n", out);
}
