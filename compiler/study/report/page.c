/* report.html: one file that needs nothing else, neither a network nor a script. */
#include "compiler/study/report/page.h"

#include <math.h>
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "compiler/notation/notation.h"

extern const char page_style[];

static const char *plural(Arena *arena, size_t count, const char *word) {
  return arena_printf(arena, "%zu %s%s", count, word, count == 1 ? "" : "s");
}

/* ---- head ---- */

static void write_state(const Page *page, FILE *out) {
  const Results *r = page->results;
  size_t all = r->study->run_count, done = r->of[STUDY_DONE], failed = r->of[STUDY_FAILED];
  if (!results_complete(r))
    fprintf(
        out,
        "<div class=\"state\"><strong>Unfinished:</strong> %zu of %zu runs done, %zu failed, %zu "
        "running, %zu waiting or interrupted. What follows is of what is there; scores are of "
        "runs that ended.<progress max=\"%zu\" value=\"%zu\"></progress></div>\n",
        done, all, failed, r->of[STUDY_RUNNING], r->of[STUDY_WAITING] + r->of[STUDY_PARTIAL], all,
        done + failed);
  if (r->of[STUDY_FOREIGN])
    fprintf(
        out,
        "<p class=\"state bad\">In the folders of %zu of %zu runs lies <a href=\"#runs\">another "
        "run</a>: nothing of it counts.</p>\n",
        r->of[STUDY_FOREIGN], all);
  if (r->study->dropped_count)
    fprintf(out,
            "<p class=\"state\">%zu runs in its folder are left out: the study does not ask for "
            "them.</p>\n",
            r->study->dropped_count);
  if (failed)
    fprintf(out,
            "<p class=\"state bad\">%zu of %zu runs failed; <a href=\"#runs\">they are listed "
            "below</a> and count as the study says.</p>\n",
            failed, all);
  if (r->study->seed_count == 1)
    fputs(
        "<p class=\"state\">One seed: there are no intervals, and differences may be chance.</p>\n",
        out);
}

/* Runs of two builds or simulators may differ for that alone. */
static void write_versions(const Page *page, FILE *out) {
  const struct {
    const char *name;
    const Words *words;
  } rows[] = {{"versions of rlc", &page->facts.compilers}, {"simulators", &page->facts.simulators}};
  for (size_t i = 0; i < COUNTOF(rows); i++) {
    if (rows[i].words->count < 2) continue;
    fprintf(out, "<p class=\"state\">Runs were made by %zu %s, so that differences may be theirs: ",
            rows[i].words->count, rows[i].name);
    for (size_t k = 0; k < rows[i].words->count; k++)
      page_put(out, k ? ", " : "", rows[i].words->text[k], "");
    fputs(". <code>provenance.json</code> of each run, and <code>provenance-2.json</code> ... of "
          "one that was gone on with, say which.</p>\n",
          out);
  }
}

static void write_facts(const Page *page, FILE *out) {
  const Results *r = page->results;
  const Study *study = r->study;
  fprintf(out, "<p class=\"facts\">%s · ", plural(r->arena, r->shown_count, "variant"));
  for (size_t e = 0; e < study->env_count; e++)
    if (strcmp(study->envs[e], "-") != 0) page_put(out, e ? ", " : "", study->envs[e], "");
  if (strcmp(study->envs[0], "-") != 0) fputs(" · ", out);
  fprintf(out, "%s", plural(r->arena, study->seed_count, "seed"));
  if (study->steps) fprintf(out, " · %llu steps", (unsigned long long)study->steps);
  fprintf(out, " · %s</p>\n", plural(r->arena, study->run_count, "run"));
}

static void write_head(const Page *page, FILE *out) {
  const Study *study = page->results->study;
  fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
        "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
        "name=\"color-scheme\" content=\"light dark\">\n",
        out);
  page_put(out, "<title>", study->name, "</title>\n<style>\n");
  fputs(page_style, out);
  page_put(out, "</style>\n</head>\n<body>\n<header>\n<h1>", study->name, "</h1>\n");
  if (study->doc) page_put(out, "<p class=\"question\">", study->doc, "</p>\n");
  write_facts(page, out);
  if (study->cite) page_put(out, "<p class=\"facts\">", study->cite, "</p>\n");
  fprintf(out,
          "<nav><a href=\"#asked\">What was asked</a>%s<a href=\"#curves\">Curves</a><a "
          "href=\"#scores\">Scores</a><a href=\"#comparisons\">Comparisons</a><a "
          "href=\"#runs\">Runs</a><a href=\"#provenance\">Provenance</a></nav>\n",
          study->arrow_count ? "<a href=\"#arrows\">Arrows</a>" : "");
  write_state(page, out);
  write_versions(page, out);
  fputs("</header>\n", out);
}

/* ---- figures ---- */

static void write_keys(const Figure *figure, FILE *out) {
  if (!figure->key_count) return;
  fputs("<ul class=\"keys\">", out);
  for (size_t i = 0; i < figure->key_count; i++) {
    fprintf(out,
            "<li><svg viewBox=\"0 0 24 10\"><path stroke=\"%s\" stroke-width=\"3\"%s d=\"M0,5 "
            "h24\"/></svg>",
            figure->keys[i].colour, figure->keys[i].dashed ? " stroke-dasharray=\"6 3\"" : "");
    page_text(figure->keys[i].label, out);
    fputs("</li>", out);
  }
  fputs("</ul>\n", out);
}

static void write_figure(const Figure *figure, FILE *out) {
  if (!figure->inlined) return;
  if (*figure->title) page_put(out, "<h3>", figure->title, "</h3>\n");
  write_keys(figure, out);
  bool pairs = figure->count == 2 || figure->count == 4;
  fprintf(out, "<figure>\n<div class=\"panels%s\">\n",
          figure->count == 1 ? " one"
          : pairs            ? " pairs"
                             : "");
  for (size_t i = 0; i < figure->count; i++) fputs(figure->inlined[i], out);
  page_put(out, "</div>\n<figcaption class=\"caption\">", figure->caption, "");
  fprintf(out,
          " <a href=\"figures/%s.svg\">SVG</a> <a href=\"figures/%s.pdf\">PDF</a></figcaption>\n"
          "</figure>\n",
          figure->name, figure->name);
}

static void write_named(const Page *page, const char *name, FILE *out) {
  for (size_t i = 0; i < page->figures->count; i++)
    if (strcmp(page->figures->figure[i].name, name) == 0 && page->figures->figure[i].inlined)
      write_figure(&page->figures->figure[i], out);
}

static void write_table(const Page *page, const char *name, FILE *out) {
  const ReportTable *table = table_named(page->tables, name);
  if (!table) return;
  page_put(out, "<h3>", table->title, "</h3>\n");
  table_html(table, out);
}

static bool starts_with(const char *text, const char *start) {
  return strncmp(text, start, strlen(start)) == 0;
}

/* Figures whose name begins so. */
static void write_all(const Page *page, const char *start, FILE *out) {
  for (size_t i = 0; i < page->figures->count; i++)
    if (starts_with(page->figures->figure[i].name, start))
      write_figure(&page->figures->figure[i], out);
}

static void write_arrows(const Page *page, FILE *out) {
  const Study *study = page->results->study;
  if (!study->arrow_count) return;
  fputs("<section id=\"arrows\">\n<h2>Arrows</h2>\n", out);
  write_all(page, "arrows_", out);
  fputs("<p class=\"caption\">The numbers:", out);
  for (size_t i = 0; i < study->arrow_count; i++) {
    const char *file = study_folder(page->results->arena, study->arrows[i].name);
    page_put(out, " <a href=\"tables/arrows_", file, ".csv\">CSV</a>");
  }
  fputs("</p>\n</section>\n", out);
}

static void write_curves(const Page *page, FILE *out) {
  fputs("<section id=\"curves\">\n<h2>Curves</h2>\n", out);
  if (page->figures->missing)
    page_put(out, "<p class=\"state\">There are no pictures: ", page->figures->missing,
             ". The numbers are in <a href=\"tables/curves.csv\">tables/curves.csv</a>.</p>\n");
  write_all(page, "curve_", out);
  fputs("<p class=\"caption\">The numbers: <a href=\"tables/curves.csv\">CSV</a></p>\n</section>\n",
        out);
}

static void write_scores(const Page *page, FILE *out) {
  fputs("<section id=\"scores\">\n<h2>Scores</h2>\n", out);
  write_table(page, "scores", out);
  write_named(page, "scores", out);
  if (!page->results->together)
    fputs("<p class=\"note\">Environments have scales of their own and the study does not "
          "normalise them, so scores are not put together.</p>\n",
          out);
  write_table(page, "aggregates", out);
  write_named(page, "aggregates", out);
  write_all(page, "over_", out);
  write_named(page, "profile", out);
  fputs("<p class=\"caption\">Scores for rliable: <a href=\"scores.json\">scores.json</a></p>\n"
        "</section>\n<section id=\"comparisons\">\n<h2>Comparisons</h2>\n",
        out);
  write_table(page, "comparisons", out);
  if (!table_named(page->tables, "comparisons"))
    fputs("<p>There is nothing to compare with.</p>\n", out);
  write_named(page, "comparisons", out);
  fputs("</section>\n", out);
}

/* ---- what policies do ---- */

static void write_pictures(const Page *page, FILE *out) {
  const Pictures *pictures = &page->pictures;
  if (!pictures->count && !pictures->missing) return;
  fputs("<section id=\"behaviour\">\n<h2>Behaviour</h2>\n", out);
  if (pictures->count)
    fputs("<p>The first episode of each policy at the end of its training, at its quarters; "
          "<code>rlc play</code> shows more.</p>\n<div class=\"thumbnails\">\n",
          out);
  for (size_t i = 0; i < pictures->count; i++) {
    fprintf(out, "<figure><img alt=\"\" src=\"data:image/jpeg;base64,%s\">",
            pictures->picture[i].data);
    page_put(out, "<figcaption class=\"caption\">", pictures->picture[i].caption,
             "</figcaption></figure>\n");
  }
  if (pictures->count) fputs("</div>\n", out);
  if (pictures->missing)
    page_put(out, "<p class=\"note\">Not drawn: ", pictures->missing, ".</p>\n");
  fputs("</section>\n", out);
}

/* ---- runs ---- */

static void write_failures(const Page *page, FILE *out) {
  const Results *r = page->results;
  if (!r->of[STUDY_FAILED]) return;
  fputs("<h3>Failed</h3>\n<ul>\n", out);
  for (size_t i = 0; i < r->study->run_count; i++) {
    const StudyRun *run = &r->study->runs[i];
    const StudyJob *job = &r->study->jobs[run->job];
    if (run->state != STUDY_FAILED) continue;
    page_put(out, "<li>", r->study->points[job->point].name, ", ");
    page_text(r->study->envs[job->env], out);
    fprintf(out, ", seed %llu, after %.0f steps: ", (unsigned long long)run->seed, r->runs[i].step);
    page_put(out, "<code>", run->failure ? run->failure : "it said nothing", "</code>");
    page_put(out, " (<code>", run->folder, ".log</code>)</li>\n");
  }
  fputs("</ul>\n", out);
}

static void write_runs(const Page *page, FILE *out) {
  const Results *r = page->results;
  fputs("<section id=\"runs\">\n<h2>Runs</h2>\n", out);
  fprintf(out, "<p>%zu done, %zu failed, %zu running, %zu interrupted, %zu waiting.</p>\n",
          r->of[STUDY_DONE], r->of[STUDY_FAILED], r->of[STUDY_RUNNING], r->of[STUDY_PARTIAL],
          r->of[STUDY_WAITING]);
  write_failures(page, out);
  fprintf(out, "<details%s><summary>every run</summary>\n",
          results_complete(r) && r->study->run_count > 12 ? "" : " open");
  table_html(table_named(page->tables, "runs"), out);
  fputs("</details>\n</section>\n", out);
}

/* ---- provenance ---- */

static void write_terms(const char *title, const Words *words, FILE *out) {
  if (!words->count) return;
  page_put(out, "<dt>", title, "</dt><dd>");
  for (size_t i = 0; i < words->count; i++) page_put(out, i ? "<br>" : "", words->text[i], "");
  fputs("</dd>\n", out);
}

static void write_hashes(const Page *page, FILE *out) {
  const Study *study = page->results->study;
  fputs("<details><summary>hashes of the programs</summary>\n<div class=\"scroll\"><table>\n"
        "<thead><tr><th>Variant</th><th>Environment</th><th>Optimised program</th></tr></thead>\n"
        "<tbody>\n",
        out);
  for (size_t i = 0; i < study->job_count; i++) {
    page_put(out, "<tr><td>", study->points[study->jobs[i].point].name, "</td>");
    page_put(out, "<td>", study->envs[study->jobs[i].env], "</td>");
    page_put(out, "<td><code>", study->jobs[i].hash, "</code></td></tr>\n");
  }
  fputs("</tbody>\n</table></div>\n</details>\n", out);
}

static void write_study_file(const Page *page, FILE *out) {
  const char *path = arena_printf(page->results->arena, "%s/study.yaml", page->results->folder);
  const char *reason = NULL;
  Source *source =
      access(path, R_OK) == 0 ? source_read(page->results->arena, path, &reason) : NULL;
  if (source)
    page_put(out, "<details><summary>the study's file</summary>\n<pre>", source->text,
             "</pre></details>\n");
}

static void write_repeating(const Study *study, const Facts *facts, FILE *out) {
  const Words *targets = &facts->targets;
  page_put(out, "<h3>To repeat it</h3>\n<pre>rlc ablate ", study->path ? study->path : "study.yaml",
           "");
  if (targets->count == 1 && strcmp(targets->text[0], "native") != 0)
    page_put(out, " --target ", targets->text[0], "");
  fprintf(out,
          "</pre>\n<p>with the rlc named above, on any number of cores: a run gives the same "
          "numbers on the same kind of CPU%s.</p>\n",
          facts->gpus.count ? " and of GPU, by code of the same NVRTC" : "");
}

static void write_provenance(const Page *page, FILE *out) {
  const Study *study = page->results->study;
  const Facts *facts = &page->facts;
  fputs("<section id=\"provenance\">\n<h2>Provenance</h2>\n<dl>\n", out);
  write_terms("Compiler", &facts->compilers, out);
  write_terms("Target", &facts->targets, out);
  write_terms("CPU", &facts->cpus, out);
  write_terms("GPU", &facts->gpus, out);
  write_terms("Code of the GPU", &facts->gpu_codes, out);
  write_terms("Kernel", &facts->kernels, out);
  write_terms("Simulator", &facts->simulators, out);
  if (facts->first) {
    page_put(out, "<dt>Runs were begun or gone on with</dt><dd>", facts->first, "");
    if (strcmp(facts->first, facts->latest) != 0) page_put(out, " to ", facts->latest, "");
    fputs("</dd>\n", out);
  }
  fputs("<dt>Seeds</dt><dd>", out);
  for (size_t i = 0; i < study->seed_count; i++)
    fprintf(out, i ? ", %llu" : "%llu", (unsigned long long)study->seeds[i]);
  fputs("</dd>\n</dl>\n", out);
  write_repeating(study, facts, out);
  write_study_file(page, out);
  write_hashes(page, out);
  fputs("</section>\n", out);
}

void page_write(const Page *page, FILE *out) {
  write_head(page, out);
  fputs("<main>\n", out);
  asked_write(page, out);
  write_arrows(page, out);
  write_curves(page, out);
  write_scores(page, out);
  write_pictures(page, out);
  write_runs(page, out);
  write_provenance(page, out);
  fputs("</main>\n</body>\n</html>\n", out);
}
