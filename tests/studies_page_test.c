/* docs/studies/README.md says what the files beside it say: the tables of the page and the numbers
 * that no table of a report shows are made again from runs.csv, curves.csv and aggregates.csv.
 * study.json of every study there, an older rlc's, can be read. */
#include "compiler/study/folder/stored.h"
#include "tests/suite.h"

#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a table ---- */

enum { COLUMNS = 16 };

typedef struct Row {
  const char *cell[COLUMNS];
} Row;

typedef struct Csv {
  Row *rows; /* the header first */
  size_t count;
} Csv;

static const char *text_read(Arena *arena, const char *path) {
  const char *reason = NULL;
  Source *source = source_read(arena, path, &reason);
  ck_assert_msg(source != NULL, "%s: %s", path, reason);
  return source->text;
}

/* One cell, which may stand in quotes; `at` is moved behind it. */
static const char *cell_read(Arena *arena, const char **at) {
  bool quoted = **at == '"';
  const char *begin = *at + quoted;
  size_t length = strcspn(begin, quoted ? "\"" : ",\n");
  *at = begin + length + quoted;
  return arena_copy(arena, begin, length);
}

static Csv csv_read(Arena *arena, const char *study, const char *name) {
  Csv csv = {0};
  size_t capacity = 0;
  const char *at = text_read(arena, arena_printf(arena, "docs/studies/%s/%s.csv", study, name));
  while (*at) {
    Row row = {0};
    for (size_t i = 0; *at && *at != '\n'; i++) {
      ck_assert_uint_lt(i, COLUMNS);
      row.cell[i] = cell_read(arena, &at);
      at += *at == ',';
    }
    at += *at == '\n';
    PUSH(arena, csv.rows, csv.count, capacity, row);
  }
  ck_assert_uint_gt(csv.count, 1);
  return csv;
}

static const char *cell(const Csv *csv, size_t row, const char *column) {
  for (size_t i = 0; i < COLUMNS && csv->rows[0].cell[i]; i++)
    if (strcmp(csv->rows[0].cell[i], column) == 0) return csv->rows[row].cell[i];
  ck_abort_msg("there is no column '%s'", column);
  return NULL;
}

static bool is(const Csv *csv, size_t row, const char *column, const char *text) {
  return strcmp(cell(csv, row, column), text) == 0;
}

/* ---- numbers ---- */

static int compare_numbers(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

typedef struct Scores {
  double score[64], mean;
  size_t count;
} Scores;

/* Rising. */
static Scores scores_of(const Csv *runs, const char *variant, const char *env) {
  Scores scores = {0};
  for (size_t i = 1; i < runs->count; i++) {
    if (!is(runs, i, "variant", variant) || (env && !is(runs, i, "environment", env))) continue;
    double score = strtod(cell(runs, i, "score"), NULL);
    scores.score[scores.count++] = score, scores.mean += score;
  }
  ck_assert_uint_gt(scores.count, 0);
  scores.mean /= (double)scores.count;
  qsort(scores.score, scores.count, sizeof scores.score[0], compare_numbers);
  return scores;
}

/* The last value of a curve, or its highest; of its values or of an end of its intervals. */
static double curve_end(const Csv *curves, const char *metric, const char *variant,
                        const char *column, bool highest) {
  double value = NAN;
  for (size_t i = 1; i < curves->count; i++)
    if (is(curves, i, "metric", metric) && is(curves, i, "variant", variant)) {
      double at = strtod(cell(curves, i, column), NULL);
      value = highest ? fmax(value, at) : at;
    }
  ck_assert_msg(!isnan(value), "no curve of %s of %s", metric, variant);
  return value;
}

static double curve_value(const Csv *curves, const char *metric, const char *variant,
                          bool highest) {
  return curve_end(curves, metric, variant, "iqm", highest);
}

/* "-24 (-29, -21)" */
static const char *curve_last(Arena *arena, const Csv *curves, const char *metric,
                              const char *variant, int digits, const char *format) {
  return arena_printf(arena, format, digits, curve_end(curves, metric, variant, "iqm", false),
                      digits, curve_end(curves, metric, variant, "iqm low", false), digits,
                      curve_end(curves, metric, variant, "iqm high", false));
}

static double aggregate_value(const Csv *aggregates, const char *variant) {
  for (size_t i = 1; i < aggregates->count; i++)
    if (is(aggregates, i, "variant", variant)) return strtod(cell(aggregates, i, "iqm"), NULL);
  ck_abort_msg("no '%s'", variant);
  return NAN;
}

/* ---- the page ---- */

/* What the page says of a study, in one line with single blanks. */
static const char *section_of(Arena *arena, const char *study) {
  const char *page = text_read(arena, "docs/studies/README.md");
  const char *link = strstr(page, arena_printf(arena, "](%s), [study]", study));
  ck_assert_msg(link != NULL, "the page has no section of %s", study);
  const char *end = strstr(link, "\n## ");
  char *text = arena_copy(arena, link, end ? (size_t)(end - link) : strlen(link)), *to = text;
  for (const char *at = text; *at; at++) {
    char c = *at == '\n' ? ' ' : *at;
    if (c != ' ' || (to > text && to[-1] != ' ')) *to++ = c;
  }
  *to = '\0';
  return text;
}

typedef struct Said {
  Arena *arena;
  const char *study, *text;
} Said;

static Said said_of(const char *study) {
  Arena *arena = arena_make();
  return (Said){arena, study, section_of(arena, study)};
}

static void says(const Said *said, const char *text) {
  ck_assert_msg(strstr(said->text, text) != NULL, "of %s the page does not say: %s", said->study,
                text);
}

/* ---- tables ---- */

/* "| 4494 | 1557, 1635, ... |" behind the variant's name. */
START_TEST(returns_of_five_seeds) {
  static const char *const studies[] = {"reppo_data", "reppo_components"};
  for (size_t s = 0; s < COUNTOF(studies); s++) {
    Said said = said_of(studies[s]);
    Csv runs = csv_read(said.arena, studies[s], "runs"),
        all = csv_read(said.arena, studies[s], "aggregates");
    for (size_t i = 1; i < all.count; i++) {
      const char *variant = cell(&all, i, "variant"), *list = "";
      Scores scores = scores_of(&runs, variant, NULL);
      for (size_t k = 0; k < scores.count; k++)
        list = arena_printf(said.arena, "%s%s%.0f", list, k ? ", " : "", scores.score[k]);
      bool sets = strcmp(studies[s], "reppo_data") == 0;
      says(&said, arena_printf(said.arena, "`%s`%s | %.0f | %s |", variant, sets ? ")" : "",
                               scores.mean, list));
    }
    arena_free(said.arena);
  }
}
END_TEST

START_TEST(returns_with_and_without_a_predictor) {
  static const struct {
    const char *env;
    int digits;
  } rows[] = {{"Pendulum-v1", 0}, {"Reacher-v5", 1}, {"HalfCheetah-v5", 0}};
  Said said = said_of("qmle_amortisation");
  Csv runs = csv_read(said.arena, said.study, "runs");
  for (size_t i = 0; i < COUNTOF(rows); i++) {
    const char *row = arena_printf(said.arena, "| %s |", rows[i].env);
    for (int without = 0; without < 2; without++) {
      Scores s = scores_of(&runs, without ? "no amortisation" : "qmle_delta_only", rows[i].env);
      row = arena_printf(said.arena, "%s %.*f (%.*f, %.*f) |", row, rows[i].digits, s.mean,
                         rows[i].digits, s.score[0], rows[i].digits, s.score[s.count - 1]);
    }
    says(&said, row);
  }
  arena_free(said.arena);
}
END_TEST

START_TEST(means_of_budgets) {
  Said said = said_of("qmle_budget");
  Csv runs = csv_read(said.arena, said.study, "runs");
  static const char *const between[] = {"The means are ", ", ", ", ", " and "};
  const char *text = "";
  for (int i = 0; i < 4; i++) {
    const char *variant = arena_printf(said.arena, "qmle_pendulum m_target=%d m_greedy=%d",
                                       i < 2 ? 20 : 100, i % 2 ? 100 : 20);
    text = arena_printf(said.arena, "%s%s%.1f", text, between[i],
                        scores_of(&runs, variant, NULL).mean);
  }
  says(&said, text);
  arena_free(said.arena);
}
END_TEST

START_TEST(estimators_at_their_end) {
  static const char *const rows[][2] = {
      {"score function (`camel`)", "camel"},
      {"with a running baseline", "baseline"},
      {"clipped importance sampling", "clipped importance"},
      {"pathwise", "pathwise"},
      {"pathwise through a surrogate of 1,024 points", "surrogate"},
      {"of 32 points", "weak surrogate"}};
  static const char *const metrics[] = {"log/reward", "log/spread", "log/lowest"};
  Said said = said_of("estimators");
  Csv curves = csv_read(said.arena, said.study, "curves");
  for (size_t i = 0; i < COUNTOF(rows); i++) {
    const char *row = arena_printf(said.arena, "| %s |", rows[i][0]);
    for (size_t m = 0; m < COUNTOF(metrics); m++)
      row = arena_printf(said.arena, "%s %.3f |", row,
                         curve_value(&curves, metrics[m], rows[i][1], false));
    says(&said, row);
  }
  arena_free(said.arena);
}
END_TEST

START_TEST(how_far_policies_move) {
  Said said = said_of("reppo_components");
  Csv curves = csv_read(said.arena, said.study, "curves");
  says(&said, arena_printf(said.arena, "goes up to %.1f, with the bound to %.2f",
                           curve_value(&curves, "actor/kl", "no kl", true),
                           curve_value(&curves, "actor/kl", "reppo", true)));
  arena_free(said.arena);
}
END_TEST

START_TEST(distances_of_gradient_ascent) {
  Said said = said_of("remac_adam_eps");
  Csv all = csv_read(said.arena, said.study, "aggregates");
  says(&said, arena_printf(said.arena, "then %.4f, %.3f and %.3f for K = 2, 4, 8",
                           aggregate_value(&all, "gradient ascent K=2"),
                           aggregate_value(&all, "gradient ascent K=4"),
                           aggregate_value(&all, "gradient ascent K=8")));
  says(&said, arena_printf(said.arena, "with 1 the distance is %.3f for K = 4 and %.3f for K = 8",
                           aggregate_value(&all, "adam_eps K=4 eps=1"),
                           aggregate_value(&all, "adam_eps K=8 eps=1")));
  arena_free(said.arena);
}
END_TEST

/* "| 2717 | 2547, 2715, 2889 | -58 (-74, -49) |" behind the variant's name. */
START_TEST(returns_and_entropies_of_three_seeds) {
  static const char *const studies[] = {"remac_samples", "remac_rate"};
  Said said = said_of(studies[_i]);
  Csv runs = csv_read(said.arena, said.study, "runs"),
      curves = csv_read(said.arena, said.study, "curves"),
      all = csv_read(said.arena, said.study, "aggregates");
  ck_assert_uint_eq(all.count, 9);
  for (size_t i = 1; i < all.count; i++) {
    const char *variant = cell(&all, i, "variant");
    Scores s = scores_of(&runs, variant, NULL);
    ck_assert_uint_eq(s.count, 3);
    says(&said, arena_printf(said.arena, "| `%s` | %.0f | %.0f, %.0f, %.0f | %s |", variant, s.mean,
                             s.score[0], s.score[1], s.score[2],
                             curve_last(said.arena, &curves, "actor/entropy", variant, 0,
                                        "%.*f (%.*f, %.*f)")));
  }
  arena_free(said.arena);
}
END_TEST

/* Entropies at the end, "-70 (intervals of 95 % from -81 to -62)" the first. */
START_TEST(entropies_of_retries) {
  static const char *const variants[][4] = {
      {"remac_paper_halfcheetah K=1", "remac_paper_halfcheetah K=2", "remac_paper_halfcheetah K=4",
       "K=8 M=16"},
      {"remac_paper_halfcheetah eps=1", "remac_paper_halfcheetah eps=1e-1",
       "remac_paper_halfcheetah eps=1e-2", "remac_paper_halfcheetah eps=1e-8"}};
  static const char *const studies[] = {"remac_tries", "remac_eps"};
  for (size_t s = 0; s < COUNTOF(studies); s++) {
    Said said = said_of(studies[s]);
    Csv curves = csv_read(said.arena, studies[s], "curves");
    for (size_t v = 0; v < 4; v++)
      says(&said, curve_last(said.arena, &curves, "actor/entropy", variants[s][v], s == 1 && v == 0,
                             v ? "%.*f (%.*f, %.*f) for"
                               : "%.*f (intervals of 95 %% from %.*f to %.*f) for"));
    arena_free(said.arena);
  }
}
END_TEST

START_TEST(returns_of_retries) {
  Said said = said_of("remac_tries");
  Csv all = csv_read(said.arena, said.study, "aggregates");
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 1; i < all.count; i++) {
    double mean = strtod(cell(&all, i, "mean"), NULL);
    low = fmin(low, mean), high = fmax(high, mean);
  }
  says(&said, arena_printf(said.arena, "between %.0f and %.0f in the mean", low, high));
  arena_free(said.arena);
  said = said_of("remac_eps");
  all = csv_read(said.arena, said.study, "aggregates");
  says(&said, arena_printf(said.arena, "(%.0f and %.0f for 1 and 0.1, %.0f for 1e-8)",
                           aggregate_value(&all, "remac_paper_halfcheetah eps=1"),
                           aggregate_value(&all, "remac_paper_halfcheetah eps=1e-1"),
                           aggregate_value(&all, "remac_paper_halfcheetah eps=1e-8")));
  arena_free(said.arena);
}
END_TEST

/* ---- studies ---- */

START_TEST(studies_can_be_read) {
  glob_t found;
  ck_assert_int_eq(glob("docs/studies/*/runs.csv", 0, NULL, &found), 0);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    Arena *arena = arena_make();
    Session session = {.program = "rlc", .arena = arena, .diag = diag_make(arena)};
    const char *name = found.gl_pathv[i] + strlen("docs/studies/");
    name = arena_copy(arena, name, strcspn(name, "/"));
    const Study *study = study_open(&session, arena_printf(arena, "docs/studies/%s", name));
    ck_assert_msg(study != NULL, "%s", name);
    ck_assert_uint_eq(study->run_count, csv_read(arena, name, "runs").count - 1);
    section_of(arena, name);
    arena_free(arena);
  }
  ck_assert_uint_ge(found.gl_pathc, 8);
  globfree(&found);
}
END_TEST

int main(void) {
  if (chdir(RLC_ROOT) != 0) return 1;
  Suite *suite = suite_create("studies_page");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, returns_of_five_seeds);
  tcase_add_test(tcase, returns_with_and_without_a_predictor);
  tcase_add_test(tcase, means_of_budgets);
  tcase_add_test(tcase, estimators_at_their_end);
  tcase_add_test(tcase, how_far_policies_move);
  tcase_add_test(tcase, distances_of_gradient_ascent);
  tcase_add_loop_test(tcase, returns_and_entropies_of_three_seeds, 0, 2);
  tcase_add_test(tcase, entropies_of_retries);
  tcase_add_test(tcase, returns_of_retries);
  tcase_add_test(tcase, studies_can_be_read);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
