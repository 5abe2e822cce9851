/* A study's folder is one study's: runs that it no longer asks for are told and kept, another study
 * is refused, a run's directory that is another run does not count; and what was interrupted gives
 * the same report, byte for byte. */
#include "tests/study_fixture.h"
#include "tests/suite.h"

#include "compiler/study/plan/estimate.h"
#include "compiler/study/report/report.h"
#include "runtime/output.h"

/* ---- what the folder holds ---- */

static Bytes file_of(const Asked *asked, const char *name) {
  Bytes file = file_read(path_in(path_in(folder, asked->name).text, name).text);
  ck_assert_msg(file.data != NULL, "%s: there is no %s", asked->name, name);
  return file;
}

static void file_has(const Asked *asked, const char *name, const char *part, bool has) {
  Bytes file = file_of(asked, name);
  ck_assert_msg((strstr(file.data, part) != NULL) == has, "%s/%s: '%s' in %s", asked->name, name,
                part, file.data);
  free(file.data);
}

static void report_of(const Asked *asked) {
  Session session = session_made(asked);
  ck_assert(report_make(&session, session.output, false));
  arena_free(session.arena);
}

/* ---- runs that are not asked for ---- */

START_TEST(what_is_not_asked_for_is_told_and_kept) {
  Asked asked = {.name = "fewer"}, fewer = {.name = "fewer", .points = 1, .seeds = 1};
  study_good(&asked);
  file_has(&asked, "study.json", "\"dropped\"", false);
  SAYS(&fewer, 0, "note: the study does not ask for 3 runs that lie in '",
       "fewer': they stay there",
       "  runs/sac/Pendulum-v1/seed-2\n  runs/sac_rate=1/Pendulum-v1/seed-1\n"
       "  runs/sac_rate=1/Pendulum-v1/seed-2\n",
       "1 of 1 runs done");
  file_has(&fewer, "study.json",
           "\"dropped\": [\n    \"runs/sac/Pendulum-v1/seed-2\",\n"
           "    \"runs/sac_rate=1/Pendulum-v1/seed-1\",\n",
           true);
  report_of(&fewer);
  file_has(&fewer, "report/report.html", "3 runs in its folder are left out", true);
  Ended again = study_ask(&asked);
  ck_assert_ptr_null(strstr(again.said, "note:"));
  ck_assert_ptr_null(strstr(again.said, "begins"));
  ck_assert_ptr_nonnull(strstr(again.said, "4 of 4 runs done"));
}
END_TEST

/* ---- how long it takes ---- */

/* What is finished says what the rest takes; the other point is timed, or counts like this one. */
START_TEST(finished_runs_say_how_long_others_take) {
  Asked asked = {.name = "timed", .points = 1, .seeds = 3}, more = {.name = "timed", .seeds = 4};
  study_good(&asked);
  folder_remove(run_file(&asked, 0, 3, "").text);
  Session session = session_made(&more);
  Study *study = study_made(&session, &more);
  Runner runner = {&session, study, session.arena, session.output};
  StudyEstimate estimate = study_estimate(&session, study); /* in no time: nothing else is timed */
  ck_assert_uint_eq(estimate.finished, 2);
  ck_assert_uint_eq(estimate.measured, 0);
  ck_assert_uint_eq(estimate.left, 6);
  double taken = 0;
  for (size_t i = 0; i < study->run_count; i++)
    if (study->runs[i].state == STUDY_DONE)
      taken += run_result(&runner, &study->runs[i], "seconds");
  ck_assert_double_gt(taken, 0);
  ck_assert_double_eq_tol(estimate.core_seconds, 6 * taken / 2, 1e-9);
  for (size_t i = 0; i < study->job_count; i++) study->jobs[i].hash = "of another program";
  session.seconds = 600;
  if (!session.target) session.target = "native";
  estimate = study_estimate(&session, study);
  ck_assert_uint_eq(estimate.finished, 0);
  ck_assert_uint_eq(estimate.measured, 2);
  arena_free(session.arena);
}
END_TEST

/* ---- another study ---- */

START_TEST(a_folder_that_is_a_file_is_refused) {
  RunError error;
  Path file = path_in(folder, "file"), below = path_in(folder, "file/below");
  Path deep = path_in(folder, "new/and/deep");
  file_write(file.text, "x", 1);
  SAYS(&(Asked){.name = "file"}, 1, "/file' is a file, and a study needs a folder");
  ck_assert(!directories_make(file.text, &error));
  ck_assert_msg(strstr(error.text, "/file' is no directory") != NULL, "%s", error.text);
  ck_assert(!directories_make(below.text, &error));
  ck_assert_msg(strstr(error.text, "cannot make the directory '") != NULL, "%s", error.text);
  ck_assert(directories_make(deep.text, &error) && directories_make(deep.text, &error));
  ck_assert(access(deep.text, W_OK) == 0);
}
END_TEST

START_TEST(the_folder_of_another_study_is_refused) {
  Asked asked = {.name = "taken", .points = 1, .seeds = 1}, other = asked, worker;
  study_good(&asked);
  Bytes before = file_of(&asked, "study.json");
  other.study = "speeds";
  worker = other, worker.worker = true;
  SAYS(&other, 1, "taken' is the folder of the study 'rates', and '",
       "rates.yaml' is called 'speeds': give it another folder with -o");
  SAYS(&worker, 1, "is the folder of the study 'rates'");
  Bytes after = file_of(&asked, "study.json");
  ck_assert_str_eq(before.data, after.data);
  free(before.data);
  free(after.data);
  study_good(&asked);
}
END_TEST

/* ---- another run ---- */

static void exchange(Path a, Path b) {
  Path aside = path_in(folder, "aside");
  ck_assert(rename(a.text, aside.text) == 0 && rename(b.text, a.text) == 0 &&
            rename(aside.text, b.text) == 0);
}

/* So many of the runs are others, the command says `part` and touches nothing; the report counts
 * none of them. */
static void refused_as(const Asked *asked, size_t count, const char *part) {
  ck_assert_uint_eq(study_count(asked, STUDY_FOREIGN), count);
  ck_assert_uint_eq(study_count(asked, STUDY_DONE), 4 - count);
  SAYS(asked, 1, "/seed-", "' is another run: ", part, "put back what was there");
  ck_assert_uint_eq(study_count(asked, STUDY_FOREIGN), count);
  report_of(asked);
  file_has(asked, "report/tables/runs.csv", "another run,0,,,", true);
  file_has(asked, "report/report.html", "nothing of it counts", true);
}

START_TEST(runs_that_were_exchanged_do_not_count) {
  Asked asked = {.name = "exchanged"};
  study_good(&asked);
  Path first = run_file(&asked, 0, 1, ""), second = run_file(&asked, 0, 2, "");
  Path other = run_file(&asked, 1, 1, "");
  exchange(first, second);
  refused_as(&asked, 2, "its provenance.json is of seed 2");
  exchange(first, second);
  exchange(first, other);
  refused_as(&asked, 2, "its provenance.json is of the program ");
  exchange(first, other);
  study_good(&asked);
}
END_TEST

START_TEST(a_run_of_other_options_does_not_count) {
  Asked asked = {.name = "options"}, longer = {.name = "longer", .steps = SMALL_STEPS + 300};
  Asked hand = {.name = "hand"};
  study_good(&asked);
  study_good(&longer);
  exchange(run_file(&asked, 0, 1, ""), run_file(&longer, 0, 1, ""));
  refused_as(&asked, 1, "its provenance.json has the options '--steps 1800 ");
  study_good(&hand);
  file_replace(run_file(&hand, 1, 2, "/provenance.json"), "\"seed\": 2", "\"seed\": 3");
  refused_as(&hand, 1, "its provenance.json is of seed 3");
  file_replace(run_file(&hand, 1, 2, "/provenance.json"), "{", "");
  refused_as(&hand, 1, "its provenance.json is damaged");
}
END_TEST

/* ---- what a run left ---- */

/* What is done is done, but a table that is not as it was left gives no score. */
START_TEST(damaged_tables_give_no_score) {
  Asked asked = {.name = "damaged", .points = 1};
  study_good(&asked);
  report_of(&asked);
  file_has(&asked, "report/tables/runs.csv", "sac,Pendulum-v1,1,done,1500,-", true);
  Path table = run_file(&asked, 0, 1, "/evaluations.csv");
  Bytes whole = file_read(table.text);
  ck_assert_int_eq(truncate(table.text, (off_t)whole.size - 7), 0);
  report_of(&asked);
  file_has(&asked, "report/tables/runs.csv",
           "sac,Pendulum-v1,1,done,0,,,its evaluations.csv is not as the trainer left it\n", true);
  file_has(&asked, "report/tables/runs.csv", "sac,Pendulum-v1,2,done,1500,-", true);
  unlink(table.text);
  report_of(&asked);
  file_has(&asked, "report/tables/runs.csv", ",,,its evaluations.csv cannot be read: ", true);
  file_write(table.text, whole.data, whole.size);
  unlink(run_file(&asked, 0, 1, "/progress.csv").text);
  report_of(&asked);
  file_has(&asked, "report/tables/runs.csv", ",,,its progress.csv cannot be read: ", true);
  free(whole.data);
}
END_TEST

/* Updates begin after 200 steps. */
START_TEST(runs_that_never_learnt_are_told) {
  Asked asked = {.name = "idle", .points = 1, .steps = 100};
  SAYS(&asked, 0, "2 of 2 runs done", "warning: 2 of 2 runs made no update in 100 steps, as sac, ");
  report_of(&asked);
  file_has(&asked, "report/tables/runs.csv", ",no update was made\n", true);
}
END_TEST

/* ---- data files ---- */

/* A file that changes while a study goes on is read by no run that begins later. */
START_TEST(a_data_file_that_changes_stops_the_study) {
  Path data = path_in(folder, "data.safetensors");
  file_write(data.text, "one", 3);
  Asked asked = {.name = "data", .points = 1, .seeds = 3, .jobs = 1, .held = 1};
  asked.data = data.text;
  pid_t command = study_start(&asked);
  wait_checkpoint(&asked, 0);
  file_write(data.text, "other", 5);
  release(&asked, 1);
  Ended ended = study_wait(&asked, command);
  ck_assert_msg(ended.status == 1 && strstr(ended.said, "data.safetensors' has changed since"),
                "%d: %s", ended.status, ended.said);
  ck_assert_ptr_nonnull(strstr(ended.said, "1 of 3 runs done"));
  asked.held = 0;
  study_good(&asked);
}
END_TEST

/* ---- interruptions ---- */

static uint64_t random_next(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return *state >> 33;
}

/* Kills a command, and its trainers too before they can write anything, if they are to go. */
static void kill_command(const Asked *asked, pid_t command, bool both) {
  pid_t trainers[8];
  size_t count = trainers_of(command, trainers, COUNTOF(trainers));
  kill(command, SIGKILL);
  for (size_t i = 0; i < count && both; i++) kill(trainers[i], SIGKILL);
  Ended ended = study_wait(asked, command);
  printf("  killed with %zu trainers (%d)\n", count, ended.status);
}

/* Kills a command at a random moment. */
static void kill_once(const Asked *asked, bool both, uint64_t *state) {
  pid_t command = study_start(asked);
  sleep_ms(30 + (unsigned)(random_next(state) % 600));
  kill_command(asked, command, both);
}

/* The reports' tables and raw scores have the same bytes. Nothing in them is of the wall clock. */
static void same_reports(const Asked *a, const Asked *b) {
  static const char *const files[] = {"tables/aggregates.csv",  "tables/aggregates.tex",
                                      "tables/comparisons.csv", "tables/comparisons.tex",
                                      "tables/runs.csv",        "tables/runs.tex",
                                      "tables/curves.csv",      "scores.json"};
  report_of(a);
  report_of(b);
  for (size_t i = 0; i < COUNTOF(files); i++) {
    Path name = path_in("report", files[i]);
    Bytes x = file_of(a, name.text), y = file_of(b, name.text);
    ck_assert_msg(x.size == y.size && memcmp(x.data, y.data, x.size) == 0, "%s differs", files[i]);
    ck_assert_uint_gt(x.size, 20);
    free(x.data);
    free(y.data);
  }
  ck_assert_uint_eq(directory_files(path_in(folder, "whole/report/tables").text),
                    COUNTOF(files) - 1);
}

START_TEST(kills_leave_no_trace) {
  int kills = getenv("RLC_LONG") ? 10 : 3;
  Asked whole = {.name = "whole", .steps = LONG_STEPS}, broken = {.name = "broken"};
  broken.steps = LONG_STEPS, broken.held = 1;
  study_good(&whole);
  pid_t command = study_start(&broken);
  wait_checkpoint(&broken, 0); /* something to go on from */
  kill_command(&broken, command, true);
  broken.held = 0;
  uint64_t state = 20261121;
  if (kills < 10) printf("SKIP: kills 4 to 10 of a study: RLC_LONG=1\n");
  for (int i = 0; i < kills; i++) kill_once(&broken, i % 2, &state);
  study_good(&broken);
  ck_assert_uint_eq(study_count(&broken, STUDY_DONE), 4);
  size_t resumed = 0;
  for (size_t run = 0; run < 4; run++)
    resumed +=
        access(run_file(&broken, run / 2, 1 + run % 2, "/provenance-2.json").text, F_OK) == 0;
  printf("  %zu of 4 runs went on from a checkpoint\n", resumed);
  ck_assert_uint_ge(resumed, 1);
  same_tables(&whole, &broken);
  same_reports(&whole, &broken);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("study_folder");
  TCase *tests = tcase_create("study_folder");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fixture_open, fixture_close);
  tcase_add_test(tests, what_is_not_asked_for_is_told_and_kept);
  tcase_add_test(tests, finished_runs_say_how_long_others_take);
  tcase_add_test(tests, a_folder_that_is_a_file_is_refused);
  tcase_add_test(tests, the_folder_of_another_study_is_refused);
  tcase_add_test(tests, runs_that_were_exchanged_do_not_count);
  tcase_add_test(tests, a_run_of_other_options_does_not_count);
  tcase_add_test(tests, damaged_tables_give_no_score);
  tcase_add_test(tests, runs_that_never_learnt_are_told);
  tcase_add_test(tests, a_data_file_that_changes_stops_the_study);
  tcase_add_test(tests, kills_leave_no_trace);
  return suite_run(suite);
}
