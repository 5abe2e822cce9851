/* study.json: what is written is what is read, field by field; a file that is cut or changed is
 * refused or read, and never crashes. */
#include "compiler/study/folder/stored.h"
#include "tests/files_support.h"
#include "tests/suite.h"

static char *folder; /* of the test */

static void folder_open(void) { folder = directory_make(); }
static void folder_close(void) { directory_remove(folder); }

static Study *opened(Arena *arena) {
  Session session = {.program = "rlc", .arena = arena, .diag = diag_make(arena)};
  return study_open(&session, folder);
}

static void stored(Arena *arena, const Study *study, const char *name) {
  RunError error;
  ck_assert_msg(study_store(arena, study, path_in(folder, name).text, &error), "%s", error.text);
}

/* ---- a study in which no field has the value it has by itself ---- */

static void points_fill(Study *study) {
  static StudyChange changes[] = {{"constants.lr", NULL, "1"}};
  static const char *lacks[] = {"entropy"};
  static StudyValue value[] = {{"lr", "gamma * v"}};
  static StudyCrossed crossed[] = {{"K", "base has no 'K'"}};
  static const double at[] = {0.5, NAN};
  static StudyPoint points[3];
  points[0] = (StudyPoint){.name = "base", .folder = "base", .variant = "base", .against = 1};
  points[1] = (StudyPoint){.name = "base lr=gamma * v", .folder = "f", .variant = "base"};
  points[1].values = value, points[1].value_count = 1;
  points[1].changes = changes, points[1].change_count = 1;
  points[1].crossed = crossed, points[1].crossed_count = 1;
  points[1].lacks = lacks, points[1].lack_count = 1;
  points[1].at = at, points[1].at_count = 2;
  points[1].same_as = 1, points[1].against = 1;
  points[2] = (StudyPoint){.name = "twin", .folder = "twin", .variant = "twin", .same_as = 1};
  study->points = points, study->point_count = 3, study->compare = 1;
}

static void runs_fill(Study *study) {
  static StudyJob jobs[] = {{.point = 0, .env = 1, .hash = "00aa"},
                            {.point = 1, .env = 0, .hash = "00bb"}};
  static StudyRun runs[] = {{.job = 0, .seed = 7, .folder = "runs/base/B-v1/seed-7"},
                            {.job = 1, .seed = 7, .folder = "runs/f/A-v1/seed-7"},
                            {.job = 0, .seed = 1ull << 60, .folder = "runs/base/B-v1/seed-1"}};
  static const char *dropped[] = {"runs/x/A-v1/seed-3"};
  study->jobs = jobs, study->job_count = 2;
  study->runs = runs, study->run_count = 3;
  study->dropped = dropped, study->dropped_count = 1;
}

static void report_fill(Study *study) {
  static const char *aggregates[] = {"iqm", "median"};
  static StudyCurve curves[] = {{"return", "eval/mean_reward"}, {"entropy", "actor/entropy"}};
  static StudyAxis axes[] = {{"lr", "constants.lr", "lr", NULL, true},
                             {"entropy", NULL, NULL, "actor/entropy", false}};
  static StudyArrows arrows[] = {{"field", {"a", "b"}, {"c", "d"}}};
  study->curves = curves, study->curve_count = 2;
  study->aggregates = aggregates, study->aggregate_count = 2;
  study->axes = axes, study->axis_count = 2;
  study->arrows = arrows, study->arrow_count = 1;
  study->ci = 0.9, study->resamples = 77;
}

static Study full(void) {
  static StudyChange with[] = {{"env.count", "4", "64"}, {"gone", "a \"b\"", NULL}};
  static const char *values[] = {"1", "gamma * v"}, *envs[] = {"A-v1", "B-v1"},
                    *options[] = {"--data", "/a b", "--quiet"};
  static StudyKey grid[] = {{"constants.lr", "lr", values, 2}};
  static uint64_t seeds[] = {7, 1ull << 60};
  static StudyNormal normal[] = {{0}, {true, 3.25, -1}};
  Study study = {.name = "all <of> it",
                 .doc = "Why?",
                 .cite = "nobody",
                 .path = "s.yaml",
                 .base = "../b.yaml",
                 .with = with,
                 .with_count = 2,
                 .grid = grid,
                 .grid_count = 1,
                 .steps = 500,
                 .seeds = seeds,
                 .seed_count = 2,
                 .envs = envs,
                 .env_count = 2,
                 .normal = normal,
                 .options = options,
                 .option_count = 3,
                 .score = {"return", "eval/mean_reward", 5, true, false, -3.5}};
  points_fill(&study);
  runs_fill(&study);
  report_fill(&study);
  return study;
}

/* ---- the same ---- */

static void same_changes(const StudyChange *a, const StudyChange *b, size_t count) {
  for (size_t i = 0; i < count; i++) {
    ck_assert_str_eq(a[i].path, b[i].path);
    ck_assert_pstr_eq(a[i].before, b[i].before);
    ck_assert_pstr_eq(a[i].after, b[i].after);
  }
}

static void same_texts(const char *const *a, size_t count_a, const char *const *b, size_t count_b) {
  ck_assert_uint_eq(count_a, count_b);
  for (size_t i = 0; i < count_a; i++) ck_assert_str_eq(a[i], b[i]);
}

static void same_point(const StudyPoint *a, const StudyPoint *b) {
  ck_assert_str_eq(a->name, b->name);
  ck_assert_str_eq(a->folder, b->folder);
  ck_assert_str_eq(a->variant, b->variant);
  ck_assert_uint_eq(a->value_count, b->value_count);
  for (size_t i = 0; i < a->value_count; i++) {
    ck_assert_str_eq(a->values[i].key, b->values[i].key);
    ck_assert_str_eq(a->values[i].value, b->values[i].value);
  }
  ck_assert_uint_eq(a->change_count, b->change_count);
  same_changes(a->changes, b->changes, a->change_count);
  ck_assert_uint_eq(a->crossed_count, b->crossed_count);
  for (size_t i = 0; i < a->crossed_count; i++) {
    ck_assert_str_eq(a->crossed[i].path, b->crossed[i].path);
    ck_assert_str_eq(a->crossed[i].why, b->crossed[i].why);
  }
  same_texts(a->lacks, a->lack_count, b->lacks, b->lack_count);
  ck_assert_uint_eq(a->at_count, b->at_count);
  for (size_t i = 0; i < a->at_count; i++)
    ck_assert(a->at[i] == b->at[i] || (isnan(a->at[i]) && isnan(b->at[i])));
  ck_assert_uint_eq(a->same_as, b->same_as);
  ck_assert_uint_eq(a->against, b->against);
}

static void same_runs(const Study *a, const Study *b) {
  ck_assert_uint_eq(a->job_count, b->job_count);
  for (size_t i = 0; i < a->job_count; i++) {
    ck_assert_uint_eq(a->jobs[i].point, b->jobs[i].point);
    ck_assert_uint_eq(a->jobs[i].env, b->jobs[i].env);
    ck_assert_str_eq(a->jobs[i].hash, b->jobs[i].hash);
  }
  ck_assert_uint_eq(a->run_count, b->run_count);
  for (size_t i = 0; i < a->run_count; i++) {
    ck_assert_uint_eq(a->runs[i].job, b->runs[i].job);
    ck_assert_uint_eq(a->runs[i].seed, b->runs[i].seed);
    ck_assert_str_eq(a->runs[i].folder, b->runs[i].folder);
  }
  same_texts(a->dropped, a->dropped_count, b->dropped, b->dropped_count);
}

static void same_report(const Study *a, const Study *b) {
  ck_assert_uint_eq(a->curve_count, b->curve_count);
  for (size_t i = 0; i < a->curve_count; i++) {
    ck_assert_str_eq(a->curves[i].name, b->curves[i].name);
    ck_assert_str_eq(a->curves[i].column, b->curves[i].column);
  }
  same_texts(a->aggregates, a->aggregate_count, b->aggregates, b->aggregate_count);
  ck_assert_uint_eq(a->axis_count, b->axis_count);
  for (size_t i = 0; i < a->axis_count; i++) {
    const StudyAxis *x = &a->axes[i], *y = &b->axes[i];
    ck_assert_str_eq(x->name, y->name);
    ck_assert_pstr_eq(x->path, y->path);
    ck_assert_pstr_eq(x->key, y->key);
    ck_assert_pstr_eq(x->column, y->column);
    ck_assert(x->log == y->log);
  }
  ck_assert_uint_eq(a->arrow_count, b->arrow_count);
  for (size_t i = 0; i < a->arrow_count; i++) {
    ck_assert_str_eq(a->arrows[i].name, b->arrows[i].name);
    same_texts(a->arrows[i].from, 2, b->arrows[i].from, 2);
    same_texts(a->arrows[i].to, 2, b->arrows[i].to, 2);
  }
  ck_assert(a->ci == b->ci && a->resamples == b->resamples && a->compare == b->compare);
}

static void same_asked(const Study *a, const Study *b) {
  ck_assert_str_eq(a->name, b->name);
  ck_assert_pstr_eq(a->doc, b->doc);
  ck_assert_pstr_eq(a->cite, b->cite);
  ck_assert_pstr_eq(a->path, b->path);
  ck_assert_pstr_eq(a->base, b->base);
  ck_assert_uint_eq(a->with_count, b->with_count);
  same_changes(a->with, b->with, a->with_count);
  ck_assert_uint_eq(a->grid_count, b->grid_count);
  for (size_t i = 0; i < a->grid_count; i++) {
    ck_assert_str_eq(a->grid[i].path, b->grid[i].path);
    ck_assert_str_eq(a->grid[i].label, b->grid[i].label);
    same_texts(a->grid[i].values, a->grid[i].count, b->grid[i].values, b->grid[i].count);
  }
  ck_assert_uint_eq(a->steps, b->steps);
  ck_assert_uint_eq(a->seed_count, b->seed_count);
  for (size_t i = 0; i < a->seed_count; i++) ck_assert_uint_eq(a->seeds[i], b->seeds[i]);
  same_texts(a->envs, a->env_count, b->envs, b->env_count);
  same_texts(a->options, a->option_count, b->options, b->option_count);
  for (size_t i = 0; i < a->env_count; i++) {
    ck_assert(a->normal[i].given == b->normal[i].given);
    ck_assert(a->normal[i].zero == b->normal[i].zero && a->normal[i].one == b->normal[i].one);
  }
}

static void same_score(const StudyScore *a, const StudyScore *b) {
  ck_assert_str_eq(a->metric, b->metric);
  ck_assert_str_eq(a->column, b->column);
  ck_assert(a->last == b->last && a->lower == b->lower && a->failed_worst == b->failed_worst);
  ck_assert(a->failed_worst || a->failed == b->failed);
}

START_TEST(what_is_written_is_read) {
  Arena *arena = arena_make();
  Study study = full();
  for (int worst = 0; worst < 2; worst++) {
    study.score.failed_worst = worst;
    stored(arena, &study, "study.json");
    const Study *again = opened(arena);
    ck_assert_ptr_nonnull(again);
    same_asked(&study, again);
    same_score(&study.score, &again->score);
    same_report(&study, again);
    ck_assert_uint_eq(again->point_count, study.point_count);
    for (size_t i = 0; i < study.point_count; i++) same_point(&study.points[i], &again->points[i]);
    same_runs(&study, again);
    stored(arena, again, "again.json");
    Bytes one = file_read(path_in(folder, "study.json").text);
    assert_file(folder, "again.json", one.data);
    free(one.data);
  }
  arena_free(arena);
}
END_TEST

/* Cut at many bytes, and many bytes another: refused with a reason, or some study. */
START_TEST(a_damaged_file_is_refused) {
  static const char odd[] = "\"{}[],:0a\\\n";
  Arena *arena = arena_make();
  Study study = full();
  char said[4096];
  stored(arena, &study, "study.json");
  Bytes whole = file_read(path_in(folder, "study.json").text);
  for (size_t i = 0; i + 2 < whole.size; i += 7) {
    Arena *own = arena_make();
    char *text = arena_copy(own, whole.data, whole.size);
    text[i] = odd[i % (sizeof odd - 1)];
    Capture capture = capture_begin(STDERR_FILENO);
    file_write(path_in(folder, "study.json").text, text, whole.size);
    const Study *changed = opened(own);
    file_write(path_in(folder, "study.json").text, whole.data, i);
    const Study *cut = opened(own);
    capture_end(&capture, said, sizeof said);
    ck_assert_msg(!cut && strstr(said, "is damaged"), "%zu: %s", i, said);
    ck_assert(!changed || changed->point_count == study.point_count);
    arena_free(own);
  }
  free(whole.data);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stored");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, folder_open, folder_close);
  tcase_add_test(tcase, what_is_written_is_read);
  tcase_add_test(tcase, a_damaged_file_is_refused);
  tcase_set_timeout(tcase, 120);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
