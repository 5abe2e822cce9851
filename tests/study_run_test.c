/* Running a study: every run is made once, whatever interrupts it and however many commands make
 * them; what failed is told and kept; nothing of another program or other options is mixed in. */
#include "tests/study_fixture.h"
#include "tests/suite.h"

#include <math.h>
#include <sys/mount.h>

/* ---- from nothing to the end ---- */

static size_t file_size(const char *path) {
  struct stat status;
  return stat(path, &status) == 0 ? (size_t)status.st_size : 0;
}

static struct timespec file_time(const char *path) {
  struct stat status;
  ck_assert_msg(stat(path, &status) == 0, "there is no '%s'", path);
  return status.st_mtim;
}

static void same_time(const char *path, struct timespec before) {
  struct timespec now = file_time(path);
  ck_assert_msg(now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec, "'%s' was touched",
                path);
}

START_TEST(every_run_is_made_once) {
  Asked asked = {.name = "once"};
  SAYS(&asked, 0, "compiling 2 trainers", "sac, Pendulum-v1, seed 1: begins",
       "sac rate=1, Pendulum-v1, seed 2: done", "4 of 4 runs done, 0 failed");
  ck_assert_uint_eq(study_count(&asked, STUDY_DONE), 4);
  ck_assert_uint_eq(directory_files(path_in(folder, "once/trainers").text), 2);
  ck_assert_double_eq(csv_last(run_file(&asked, 0, 1, "/progress.csv").text, "step"), SMALL_STEPS);
  Path result = run_file(&asked, 1, 2, "/result.json");
  struct timespec before = file_time(result.text);
  Ended again = study_ask(&asked);
  ck_assert_int_eq(again.status, 0);
  ck_assert_ptr_null(strstr(again.said, "compiling"));
  ck_assert_ptr_null(strstr(again.said, "begins"));
  same_time(result.text, before);
}
END_TEST

START_TEST(seeds_and_points_can_be_added) {
  Asked asked = {.name = "more", .points = 1, .seeds = 1};
  study_good(&asked);
  Path result = run_file(&asked, 0, 1, "/result.json");
  struct timespec before = file_time(result.text);
  Asked more = {.name = "more", .points = 2, .seeds = 2};
  SAYS(&more, 0, "compiling 1 trainer\n", "4 of 4 runs done");
  same_time(result.text, before);
}
END_TEST

START_TEST(a_study_is_told_in_its_folder) {
  Asked asked = {.name = "told", .points = 1, .seeds = 1};
  study_good(&asked);
  assert_file(folder, "told/study.yaml", "study: rates\nbase: sac.yaml\n");
  Bytes json = file_read(path_in(folder, "told/study.json").text);
  static const char *const parts[] = {"\"study\": \"rates\"",
                                      "\"steps\": 1500",
                                      "\"seeds\": [\n    1\n  ]",
                                      "\"Pendulum-v1\"",
                                      "\"options\": [\n    \"--eval-every\",\n    \"600\"",
                                      "\"folder\": \"runs/sac/Pendulum-v1/seed-1\""};
  ck_assert_ptr_nonnull(json.data);
  for (size_t i = 0; i < COUNTOF(parts); i++)
    ck_assert_msg(strstr(json.data, parts[i]) != NULL, "no %s in %s", parts[i], json.data);
  free(json.data);
}
END_TEST

/* ---- interruptions ---- */

START_TEST(signals_are_passed_on) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  static const char *const names[] = {"SIGINT", "SIGTERM", "SIGHUP"};
  for (int i = 0; i < 3; i++) {
    Asked asked = {.name = names[i], .held = 1};
    pid_t command = study_start(&asked);
    for (size_t point = 0; point < 2; point++) wait_checkpoint(&asked, point); /* both have begun */
    kill(command, signals[i]);
    Ended ended = study_wait(&asked, command);
    ck_assert_msg(ended.status == 128 + signals[i], "status %d: %s", ended.status, ended.said);
    ck_assert_msg(strstr(ended.said, "4 runs are left; go on with: rlc ablate "), "%s", ended.said);
    ck_assert_msg(strstr(strstr(ended.said, "stopped by "), names[i]), "%s", ended.said);
    for (size_t point = 0; point < 2; point++)
      wait_text(run_file(&asked, point, 1, ".log"), "a checkpoint was written");
    ck_assert_uint_eq(study_count(&asked, STUDY_PARTIAL), 2);
    ck_assert_uint_eq(study_count(&asked, STUDY_WAITING), 2);
  }
}
END_TEST

/* They write their checkpoints and end: the lock is free before the run would be done. */
START_TEST(trainers_end_with_their_command) {
  Asked asked = {.name = "orphans", .steps = 200000000, .points = 1, .seeds = 1};
  pid_t command = study_start(&asked);
  wait_checkpoint(&asked, 0);
  kill(command, SIGKILL);
  study_wait(&asked, command);
  for (int times = 0; study_count(&asked, STUDY_RUNNING) && wait_more(&times);) {
  }
  ck_assert_uint_eq(study_count(&asked, STUDY_PARTIAL), 1);
  Bytes said = file_read(run_file(&asked, 0, 1, ".log").text);
  ck_assert_msg(said.data && strstr(said.data, "a checkpoint was written"), "%s", said.data);
  free(said.data);
}
END_TEST

START_TEST(a_killed_trainer_is_no_failure) {
  Asked asked = {.name = "lost", .points = 1, .seeds = 1, .held = 1};
  pid_t command = study_start(&asked), trainer;
  wait_checkpoint(&asked, 0);
  ck_assert_uint_eq(trainers_of(command, &trainer, 1), 1);
  kill(trainer, SIGKILL);
  Ended ended = study_wait(&asked, command);
  ck_assert_msg(ended.status == 1 && strstr(ended.said, "interrupted by signal 9 (Killed)\n"),
                "%d: %s", ended.status, ended.said);
  ck_assert_uint_eq(study_count(&asked, STUDY_PARTIAL), 1);
  asked.held = 0;
  SAYS(&asked, 0, "goes on", "1 of 1 runs done, 0 failed");
}
END_TEST

/* What was damaged since is no failure of a run; what to remove is said. */
START_TEST(damaged_runs_are_no_failures) {
  Asked asked = {.name = "hurt", .points = 1, .seeds = 1, .held = 1};
  pid_t command = study_start(&asked), trainer;
  wait_checkpoint(&asked, 0);
  ck_assert_uint_eq(trainers_of(command, &trainer, 1), 1);
  kill(trainer, SIGKILL);
  study_wait(&asked, command);
  asked.held = 0;
  Path table = run_file(&asked, 0, 1, "/progress.csv"), program = trainer_file(&asked);
  Bytes whole = file_read(table.text);
  file_write(table.text, "", 0);
  for (int i = 0; i < 2; i++)
    SAYS(&asked, 1, "could not begin: cannot go on with '", "progress.csv': it has 0 bytes",
         "if what is there is damaged, remove '", "/seed-1' to make that run anew",
         "1 run is left");
  ck_assert(access(run_file(&asked, 0, 1, "/provenance-2.json").text, F_OK) != 0);
  file_write(table.text, whole.data, whole.size);
  free(whole.data);
  file_write(program.text, "#!/bin/sh\nkill -SEGV $$\n", 24);
  chmod(program.text, 0755);
  SAYS(&asked, 1, "could not begin: ended by signal 11", "if its trainer is damaged, remove '",
       "to have it made again");
  unlink(program.text);
  SAYS(&asked, 0, "compiling 1 trainer", "1 of 1 runs done, 0 failed");
}
END_TEST

/* Nothing is told of how a child ended where SIGCHLD is ignored: what its files say counts. */
START_TEST(ends_that_nobody_tells) {
  Asked asked = {.name = "deaf", .points = 1, .seeds = 1}, more = asked, fresh = asked;
  study_good(&asked);
  more.deaf = true, more.seeds = 3;
  SAYS(&more, 0, "seed 3: done", "3 of 3 runs done, 0 failed");
  fresh.name = "fresh", fresh.deaf = true;
  SAYS(&fresh, 1, "error: cannot wait for a compilation: ");
}
END_TEST

/* ---- failures ---- */

START_TEST(a_failure_is_kept_and_told) {
  Asked asked = {.name = "failing", .rate = "1e30"};
  SAYS(&asked, 0, "2 of 4 runs done, 2 failed",
       "sac rate=1, Pendulum-v1, seed 2: failed: ", "not finite", "--retry");
  ck_assert_uint_eq(study_count(&asked, STUDY_FAILED), 2);
  size_t said = file_size(run_file(&asked, 1, 1, ".log").text);
  ck_assert_uint_gt(said, 0);
  SAYS(&asked, 0, "2 of 4 runs done, 2 failed");
  ck_assert_uint_eq(file_size(run_file(&asked, 1, 1, ".log").text), said);
  asked.retry = true;
  SAYS(&asked, 0, "2 of 4 runs done, 2 failed");
  ck_assert_uint_gt(file_size(run_file(&asked, 1, 1, ".log").text), said);
}
END_TEST

/* A record that cannot be replaced, as on a full disk, is no leave to remove what the run did. */
START_TEST(a_retry_keeps_checkpoints) {
  Asked asked = {.name = "retried", .points = 1, .seeds = 1, .held = 1};
  pid_t command = study_start(&asked);
  wait_checkpoint(&asked, 0);
  kill(command, SIGINT);
  study_wait(&asked, command);
  asked.held = 0;
  Path latest = run_file(&asked, 0, 1, "/checkpoints/latest.json");
  Path half = run_file(&asked, 0, 1, ".json.tmp");
  file_replace(run_file(&asked, 0, 1, ".json"), "{", "{\"status\": 1, \"failure\": \"of ours\",");
  ck_assert_uint_eq(study_count(&asked, STUDY_FAILED), 1);
  ck_assert_int_eq(mkdir(half.text, 0777), 0); /* where the next record is written */
  asked.retry = true;
  SAYS(&asked, 1, "seed-1.json': Is a directory");
  ck_assert(access(latest.text, F_OK) == 0);
  ck_assert_uint_eq(study_count(&asked, STUDY_FAILED), 1);
  ck_assert_int_eq(rmdir(half.text), 0);
  SAYS(&asked, 0, "seed 1: goes on", "1 of 1 runs done, 0 failed");
}
END_TEST

/* A trainer that does not start says nothing about its run. */
START_TEST(what_cannot_begin_is_no_failure) {
  static const char script[] = "#!/bin/sh\necho 'error: this machine lacks avx1024' >&2\nexit 1\n";
  Asked asked = {.name = "lacking", .points = 1, .seeds = 5, .jobs = 1}, one = asked;
  one.seeds = 1;
  study_good(&one);
  Path trainer = trainer_file(&asked), kept = path_in(folder, "kept");
  ck_assert_int_eq(rename(trainer.text, kept.text), 0);
  file_write(trainer.text, script, sizeof script - 1);
  chmod(trainer.text, 0755);
  Ended ended = study_ask(&asked);
  ck_assert_msg(ended.status == 1 && strstr(ended.said, "4 runs are left"), "%d: %s", ended.status,
                ended.said);
  ck_assert_uint_eq(count_of(ended.said, "could not begin: this machine lacks avx1024"), 3);
  ck_assert_uint_eq(count_of(ended.said, ": begins"), 3); /* three in a row end the command */
  ck_assert_uint_eq(study_count(&asked, STUDY_FAILED), 0);
  ck_assert_int_eq(rename(kept.text, trainer.text), 0);
  study_good(&asked);
}
END_TEST

/* ---- nothing is mixed ---- */

START_TEST(other_programs_and_options_are_refused) {
  Asked asked = {.name = "mixed"}, program = asked, options = asked;
  study_good(&asked);
  Path result = run_file(&asked, 1, 1, "/result.json");
  struct timespec before = file_time(result.text);
  program.rate = "7e-4";
  SAYS(&program, 1, "'sac rate=1' on Pendulum-v1 is another program now", "another folder with -o");
  options.steps = SMALL_STEPS + 300;
  SAYS(&options, 1, "'sac' on Pendulum-v1 has runs", "'--steps 1500 ", "not '--steps 1800 ");
  same_time(result.text, before);
  study_good(&asked);
}
END_TEST

/* Makes a run one that another build began: its record and its trainer have another name. */
static Path as_other_build(const Asked *asked) {
  Path own = trainer_file(asked), other = own, record = run_file(asked, 0, 1, ".json");
  Path provenance = run_file(asked, 0, 1, "/provenance.json");
  memcpy(other.text + strlen(other.text) - 8, "01234567", 8);
  ck_assert_int_eq(rename(own.text, other.text), 0);
  Bytes json = file_read(record.text);
  char *at = strstr(json.data, "-" RLC_ENGINE "\""), *compiler = strstr(json.data, "rlc ");
  ck_assert(at && compiler);
  memcpy(at + 1, "01234567", 8);
  memcpy(compiler, "old", 3);
  file_write(record.text, json.data, json.size);
  free(json.data);
  json = file_read(provenance.text);
  at = strstr(json.data, "-" RLC_ENGINE "\"");
  ck_assert_ptr_nonnull(at);
  memcpy(at + 1, "01234567", 8);
  file_write(provenance.text, json.data, json.size);
  free(json.data);
  return other;
}

START_TEST(what_another_build_did_is_kept_and_told) {
  Asked asked = {.name = "builds", .points = 1, .seeds = 1}, more = asked;
  study_good(&asked);
  Path result = run_file(&asked, 0, 1, "/result.json");
  struct timespec before = file_time(result.text);
  as_other_build(&asked);
  more.seeds = 2;
  SAYS(&more, 0, "compiling 1 trainer\n", "1 of 2 runs were begun by another build of rlc (old ",
       "seed 2: begins", "2 of 2 runs done");
  same_time(result.text, before);
  ck_assert_uint_eq(directory_files(path_in(folder, "builds/trainers").text), 2);
}
END_TEST

/* A run goes on with the trainer that began it; where that is gone it begins anew. */
START_TEST(a_run_is_of_one_build) {
  for (int gone = 0; gone < 2; gone++) {
    Asked asked = {.name = gone ? "gone" : "there", .points = 1, .seeds = 1, .held = 1};
    pid_t command = study_start(&asked);
    wait_checkpoint(&asked, 0);
    kill(command, SIGINT);
    study_wait(&asked, command);
    asked.held = 0;
    Path other = as_other_build(&asked);
    if (gone) ck_assert_int_eq(unlink(other.text), 0);
    ck_assert_uint_eq(study_count(&asked, gone ? STUDY_WAITING : STUDY_PARTIAL), 1);
    SAYS(&asked, 0, "by another build of rlc (old ", gone ? "; 1 of them begin anew" : "goes on",
         "1 of 1 runs done");
    bool resumed = access(run_file(&asked, 0, 1, "/provenance-2.json").text, F_OK) == 0;
    ck_assert(resumed == !gone);
    Bytes json = file_read(run_file(&asked, 0, 1, ".json").text);
    const char *trainer = gone ? "-" RLC_ENGINE "\"" : "-01234567\"";
    ck_assert_msg(strstr(json.data, trainer) != NULL, "%s", json.data);
    free(json.data);
  }
}
END_TEST

START_TEST(other_folders_are_refused) {
  Asked asked = {.name = "photos"}, file = {.name = "file"};
  ck_assert_int_eq(mkdir(path_in(folder, "photos").text, 0777), 0);
  file_write(path_in(folder, "photos/cat.jpg").text, "cat", 3);
  SAYS(&asked, 1, "photos' is not empty and no study's folder");
  ck_assert_uint_eq(directory_files(path_in(folder, "photos").text), 1);
  file_write(path_in(folder, "file").text, "", 0);
  SAYS(&file, 1, "error: ", "/file'");
}
END_TEST

START_TEST(damaged_records_are_named) {
  Asked asked = {.name = "damaged", .points = 1, .seeds = 1};
  study_good(&asked);
  Path record = run_file(&asked, 0, 1, ".json");
  file_write(record.text, "{\"hash\": \"12", 12);
  SAYS(&asked, 1, "seed-1.json' is damaged", "remove it together with");
}
END_TEST

/* Also when it happens while the command waits for someone else's run, which is so when it begins
 * the one behind it. */
START_TEST(records_damaged_later_stop_the_command) {
  Asked asked = {.name = "spoilt", .points = 1};
  study_good(&asked);
  asked.said = "spoilt later";
  for (size_t seed = 1; seed <= 2; seed++) folder_remove(run_file(&asked, 0, seed, "").text);
  int lock = claim_take(run_file(&asked, 0, 1, ".lock").text, false);
  ck_assert_int_ge(lock, 0);
  pid_t command = study_start(&asked);
  wait_text(path_in(folder, "spoilt later.said"), "seed 2: begins");
  file_write(run_file(&asked, 0, 1, ".json").text, "{\"hash\": \"12", 12);
  Ended ended = study_wait(&asked, command);
  close(lock);
  ck_assert_int_eq(ended.status, 1);
  ck_assert_msg(strstr(ended.said, "seed-1.json' is damaged"), "%s", ended.said);
  ck_assert_msg(strstr(ended.said, "1 of 2 runs done"), "%s", ended.said); /* it had begun */
}
END_TEST

START_TEST(unknown_launchers_are_refused) {
  Asked asked = {.name = "launched", .launcher = "slrum"};
  SAYS(&asked, 1, "there is no launcher 'slrum'; did you mean 'slurm'?");
}
END_TEST

/* Slurm would end a word of the script at a blank, and replace %j. */
START_TEST(any_folder_may_be_submitted) {
  static const char script[] = "#!/bin/sh\nprintf '<%s>' \"$@\"\n";
  static const char *rest[] = {"--partition=long"};
  Asked asked = {.name = "a b%j", .launcher = "slurm", .rest = rest, .rest_count = 1, .jobs = 3};
  Path program = path_in(folder, "bin/sbatch");
  ck_assert_int_eq(mkdir(path_in(folder, "bin").text, 0777), 0);
  file_write(program.text, script, sizeof script - 1);
  ck_assert_int_eq(chmod(program.text, 0755), 0);
  char path[8192], said[8192];
  snprintf(path, sizeof path, "%s/bin:%s", folder, getenv("PATH"));
  ck_assert_int_eq(setenv("PATH", path, 1), 0);
  snprintf(said, sizeof said,
           "<--job-name=a b%%j><--output=%s/a b%%%%j/slurm/%%a.log><--partition=long>"
           "<%s/a b%%j/slurm.sh>",
           folder, folder);
  SAYS(&asked, 0, said, "3 tasks for 4 runs submitted");
}
END_TEST

/* ---- a full disk ---- */

START_TEST(a_full_disk_stops_the_study) {
#ifdef __SANITIZE_ADDRESS__
  printf("SKIP: an instrumented trainer alone fills the small file system\n");
  return;
#endif
  Asked asked = {.name = "full", .points = 1, .steps = 4 * LONG_STEPS};
  Path place = path_in(folder, "full");
  ck_assert_int_eq(mkdir(place.text, 0777), 0);
  if (mount("none", place.text, "tmpfs", 0, "size=3m") != 0) {
    printf("SKIP: no file system of 3 MB can be mounted here\n");
    return;
  }
  Ended ended = study_ask(&asked);
  ck_assert_int_eq(umount(place.text), 0);
  ck_assert_msg(ended.status == 1 && strstr(ended.said, "there is no room: No space left"),
                "%d: %s", ended.status, ended.said);
  ck_assert_uint_eq(count_of(ended.said, ": begins"), 2); /* it was a run that found no room, */
  ck_assert_msg(strstr(ended.said, "0 of 2 runs done, 0 failed"), "%s", ended.said); /* no fault */
}
END_TEST

/* A file system without a limit says that nothing is free. */
START_TEST(room_that_is_not_told_is_no_full_disk) {
  Asked asked = {.name = "endless", .rate = "1e30", .seeds = 1};
  Path place = path_in(folder, "endless");
  ck_assert_int_eq(mkdir(place.text, 0777), 0);
  if (mount("none", place.text, "tmpfs", 0, "size=0") != 0) {
    printf("SKIP: no file system without a limit can be mounted here\n");
    return;
  }
  Ended ended = study_ask(&asked);
  ck_assert_int_eq(umount(place.text), 0);
  ck_assert_msg(ended.status == 0 && strstr(ended.said, "1 of 2 runs done, 1 failed"), "%d: %s",
                ended.status, ended.said);
}
END_TEST

/* As many words as options ask for: the last of them hold. */
START_TEST(many_options_reach_the_trainer) {
  Asked asked = {.name = "wordy", .points = 1, .seeds = 1, .wordy = true};
  study_good(&asked);
  Bytes table = file_read(run_file(&asked, 0, 1, "/evaluations.csv").text);
  size_t lines = 0;
  for (const char *at = table.data; at && *at; at++) lines += *at == '\n';
  ck_assert_uint_eq(lines, 2 + SMALL_STEPS / 300); /* the names, and an evaluation at first */
  free(table.data);
}
END_TEST

/* ---- reading tables ---- */

START_TEST(last_values_of_columns) {
  static const char text[] = "step,losses/critic,a/b,critic,x/y\n10,1.5,,2,7\n20,2.5,,3,8\n";
  Path path = path_in(folder, "t.csv");
  file_write(path.text, text, sizeof text - 1);
  ck_assert_double_eq(csv_last(path.text, "step"), 20);
  ck_assert_double_eq(csv_last(path.text, "losses/critic"), 2.5);
  ck_assert_double_eq(csv_last(path.text, "critic"), 3);
  ck_assert_double_eq(csv_last(path.text, "x/y"), 8);
  ck_assert_double_nan(csv_last(path.text, "y"));
  ck_assert_double_nan(csv_last(path.text, "b"));
  ck_assert_double_nan(csv_last(path.text, "nothing"));
  file_write(path.text, text, strcspn(text, "\n") + 1);
  ck_assert_double_nan(csv_last(path.text, "step"));
  ck_assert_double_nan(csv_last("nowhere", "step"));
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("study_run");
  TCase *tests = tcase_create("study_run");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fixture_open, fixture_close);
  tcase_add_test(tests, every_run_is_made_once);
  tcase_add_test(tests, seeds_and_points_can_be_added);
  tcase_add_test(tests, a_study_is_told_in_its_folder);
  tcase_add_test(tests, signals_are_passed_on);
  tcase_add_test(tests, trainers_end_with_their_command);
  tcase_add_test(tests, a_killed_trainer_is_no_failure);
  tcase_add_test(tests, damaged_runs_are_no_failures);
  tcase_add_test(tests, ends_that_nobody_tells);
  tcase_add_test(tests, a_failure_is_kept_and_told);
  tcase_add_test(tests, a_retry_keeps_checkpoints);
  tcase_add_test(tests, what_cannot_begin_is_no_failure);
  tcase_add_test(tests, other_programs_and_options_are_refused);
  tcase_add_test(tests, other_folders_are_refused);
  tcase_add_test(tests, what_another_build_did_is_kept_and_told);
  tcase_add_test(tests, a_run_is_of_one_build);
  tcase_add_test(tests, damaged_records_are_named);
  tcase_add_test(tests, records_damaged_later_stop_the_command);
  tcase_add_test(tests, unknown_launchers_are_refused);
  tcase_add_test(tests, any_folder_may_be_submitted);
  tcase_add_test(tests, a_full_disk_stops_the_study);
  tcase_add_test(tests, room_that_is_not_told_is_no_full_disk);
  tcase_add_test(tests, many_options_reach_the_trainer);
  tcase_add_test(tests, last_values_of_columns);
  return suite_run(suite);
}
