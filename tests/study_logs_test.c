/* What a run logged, read back as series and scores; columns by their names; logs that are still
 * being written, and logs that are none. */
#include "compiler/study/folder/logs.h"
#include "tests/files_support.h"
#include "tests/suite.h"

#include <math.h>

static const char evaluations[] = "step,eval/mean_reward,eval/std_reward\n"
                                  "0,-5,1\n1000,1.5,\n2000,2.5,2\n3000,4,";
static const char progress[] = "step,losses/critic,train/critic_loss,actor/entropy\n"
                               "500,1e-3,1e-3,\n1000,,,-0.25\n";

typedef struct Folder {
  Arena *arena;
  char *path;
  RunLogs logs;
  const char *error;
} Folder;

static void put(const Folder *folder, const char *name, const char *text) {
  Path path = path_in(folder->path, name);
  FILE *file = fopen(path.text, "w");
  ck_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static Folder folder_open(const char *eval, const char *train) {
  Folder folder = {arena_make(), directory_make(), {.cut = NULL}, NULL};
  if (eval) put(&folder, "evaluations.csv", eval);
  if (train) put(&folder, "progress.csv", train);
  return folder;
}

static void folder_close(Folder *folder) {
  directory_remove(folder->path);
  arena_free(folder->arena);
}

static Folder good(const char *eval, const char *train) {
  Folder folder = folder_open(eval, train);
  ck_assert_msg(logs_read(folder.arena, folder.path, &folder.logs, &folder.error), "%s",
                folder.error);
  return folder;
}

START_TEST(series_of_columns) {
  Folder f = good(evaluations, progress);
  Series s = logs_series(f.arena, &f.logs, "eval/mean_reward");
  ck_assert_uint_eq(s.count, 3); /* the last line has no end yet */
  ck_assert(s.step[0] == 0 && s.step[2] == 2000 && s.value[0] == -5 && s.value[2] == 2.5);
  s = logs_series(f.arena, &f.logs, "eval/std_reward");
  ck_assert(s.count == 2 && s.step[1] == 2000 && s.value[1] == 2);
  s = logs_series(f.arena, &f.logs, "actor/entropy");
  ck_assert(s.count == 1 && s.step[0] == 1000 && s.value[0] == -0.25);
  ck_assert_uint_eq(logs_series(f.arena, &f.logs, "nothing").count, 0);
  folder_close(&f);
}
END_TEST

START_TEST(scores_of_a_run) {
  Series s = {4, (double[]){0, 1, 2, 3}, (double[]){1, 2, 4, 9}};
  ck_assert_double_eq(series_score(&s, 1), 9);
  ck_assert_double_eq(series_score(&s, 2), 6.5);
  ck_assert_double_eq(series_score(&s, 4), 4);
  ck_assert_double_eq(series_score(&s, 10), 4);
  ck_assert(isnan(series_score(&(Series){0}, 3)));
}
END_TEST

START_TEST(failed_runs_count) {
  const bool failed[] = {false, true, false, true, false};
  const double own[] = {NAN, 50, NAN, -7, NAN}, none_own[] = {-INFINITY, NAN};
  double score[] = {3, 99, -1, NAN, NAN};
  scores_failed(&(StudyScore){.failed_worst = true}, failed, own, 5, score);
  ck_assert(score[0] == 3 && score[1] == -1 && score[2] == -1 && score[3] == -7);
  ck_assert(isnan(score[4]));
  scores_failed(&(StudyScore){.failed_worst = true, .lower = true}, failed, own, 5, score);
  ck_assert(score[1] == 50 && score[3] == 3);
  scores_failed(&(StudyScore){.failed = -5}, failed, own, 5, score);
  ck_assert(score[0] == 3 && score[1] == -5 && score[3] == -7);
  const bool all[] = {true, true};
  double none[] = {1, 2};
  scores_failed(&(StudyScore){.failed = -20}, all, none_own, 2, none);
  ck_assert(none[0] == -20 && none[1] == -20);
  scores_failed(&(StudyScore){.failed_worst = true}, all, own, 2, none);
  ck_assert(isnan(none[0]) && isnan(none[1]));
}
END_TEST

START_TEST(columns_by_name) {
  static const struct {
    const char *name, *column, *hint;
  } cases[] = {
      {"return", "eval/mean_reward", NULL},
      {"actor/entropy", "actor/entropy", NULL},
      {"entropy", "actor/entropy", NULL},
      {"std_reward", "eval/std_reward", NULL},
      {"entrpy", NULL, "did you mean 'entropy'?"},
      {"critc", NULL, "did you mean 'critic'?"},
      {"temperature", NULL, NULL},
      {"step", NULL, NULL},
  };
  Folder f = good(evaluations, progress);
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    const char *other, *column = logs_find(&f.logs, cases[i].name, &other);
    ck_assert_pstr_eq(column, cases[i].column);
    ck_assert_ptr_null(other);
    if (!column) ck_assert_pstr_eq(logs_hint(f.arena, &f.logs, cases[i].name), cases[i].hint);
    ck_assert(!logs_have(&f.logs, cases[i].name) == !(column && strchr(cases[i].name, '/')));
  }
  folder_close(&f);
  f = good(evaluations, "step,actor/loss,critic/loss\n");
  const char *other;
  ck_assert_str_eq(logs_find(&f.logs, "loss", &other), "actor/loss");
  ck_assert_str_eq(other, "critic/loss");
  folder_close(&f);
}
END_TEST

START_TEST(logs_not_yet_there) {
  static const char *const early[] = {NULL, "", "step,eval/mean_re", "step,eval/mean_reward\n"};
  for (size_t i = 0; i < COUNTOF(early); i++) {
    Folder f = good(early[i], NULL);
    ck_assert_uint_eq(f.logs.progress.columns, 0);
    ck_assert_uint_eq(f.logs.evaluations.columns, i == 3);
    ck_assert_uint_eq(logs_series(f.arena, &f.logs, "eval/mean_reward").count, 0);
    folder_close(&f);
  }
}
END_TEST

START_TEST(logs_that_are_none) {
  static const struct {
    const char *text, *error;
  } cases[] = {
      {"time,a\n1,2\n", ":1: the first column is not 'step'"},
      {"steps,a\n1,2\n", ":1: the first column is not 'step'"},
      {"step,a,b\n1,2,3\n2,3\n", ":3: fewer values than columns"},
      {"step,a\n1,2,3\n", ":2: more values than columns"},
      {"step,a\n1,2x\n", ":2: what is not a number"},
      {"step,a\n,2\n", ":2: a line without a step"},
  };
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    Folder f = folder_open(NULL, cases[i].text);
    ck_assert(!logs_read(f.arena, f.path, &f.logs, &f.error));
    ck_assert_str_eq(f.error, arena_printf(f.arena, "%s/progress.csv%s", f.path, cases[i].error));
    folder_close(&f);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {series_of_columns, scores_of_a_run,    failed_runs_count,
                                columns_by_name,   logs_not_yet_there, logs_that_are_none};
  Suite *suite = suite_create("study_logs");
  TCase *cases = tcase_create("study_logs");
  for (size_t i = 0; i < COUNTOF(tests); i++) tcase_add_test(cases, tests[i]);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
