/* Whole runs of the hand-written module through rlc_main: the same bits for any number of threads,
 * with or without evaluation and after a resume; clean stops; errors that say what went wrong; and
 * no allocation once training goes. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "tests/run_fixture.h"
#include "tests/suite.h"
#include <sched.h>

#include <sys/wait.h>

/* ---- tests ---- */

START_TEST(run_writes_its_files) {
  Run run;
  run_begin(&run);
  run_new(&run, "--steps 3000 --eval-every 1000");
  ck_assert_msg(run.status == 0, "status %d: %s", run.status, run.text);
  ck_assert_uint_eq(csv_lines(&run, "progress.csv"), 1 + 10);
  ck_assert_uint_eq(csv_lines(&run, "evaluations.csv"), 1 + 4); /* 0, 1000, 2000, 3000 */
  /* 1000 vector steps; the first 22 store fewer than 64 rows... the 22nd makes 66. */
  ck_assert_uint_eq(run.fake.probe.updates, 1000 - 21);
  size_t size = 0;
  char *result = run_file(&run, "result.json", &size);
  ck_assert_ptr_nonnull(result);
  ck_assert_ptr_nonnull(strstr(result, "\"step\""));
  ck_assert_ptr_nonnull(strstr(result, "work_share/0"));
  free(result);
  run_end(&run);
}
END_TEST

START_TEST(run_without_updates_is_told) {
  Run run[2];
  for (int i = 0; i < 2; i++) {
    run_begin(&run[i]);
    run_new(&run[i], i ? "--steps 66" : "--steps 60"); /* updates begin with 64 rows */
    ck_assert_int_eq(run[i].status, 0);
    ck_assert_uint_eq(run[i].fake.probe.updates, i);
  }
  ck_assert_str_eq(run[0].text, "note: no update was made in 60 steps\n");
  ck_assert_str_eq(run[1].text, "");
  for (int i = 0; i < 2; i++) run_end(&run[i]);
}
END_TEST

START_TEST(threads_do_not_matter) {
  Run run[3];
  for (int i = 0; i < 3; i++) {
    char options[64];
    snprintf(options, sizeof options, "--steps 1500 --eval-every 600 --threads %d", i + 1);
    run_begin(&run[i]);
    run_new(&run[i], options);
    ck_assert_msg(run[i].status == 0, "status %d: %s", run[i].status, run[i].text);
  }
  check_equal(&run[0], &run[1]);
  check_equal(&run[0], &run[2]);
  for (int i = 0; i < 3; i++) run_end(&run[i]);
}
END_TEST

START_TEST(seeds_matter) {
  Run a, b;
  run_begin(&a);
  run_begin(&b);
  run_new(&a, "--steps 600 --seed 1");
  run_new(&b, "--steps 600 --seed 2");
  size_t n = 0, m = 0;
  char *x = run_checkpoint(&a, ".safetensors", &n), *y = run_checkpoint(&b, ".safetensors", &m);
  ck_assert_uint_eq(n, m);
  ck_assert_int_ne(memcmp(x, y, n), 0);
  free(x);
  free(y);
  run_end(&a);
  run_end(&b);
}
END_TEST

START_TEST(evaluation_does_not_disturb) {
  Run often, seldom;
  run_begin(&often);
  run_begin(&seldom);
  run_new(&often, "--steps 1500 --eval-every 9");
  run_new(&seldom, "--steps 1500 --eval-every 0");
  ck_assert_int_eq(often.status + seldom.status, 0);
  ck_assert_uint_eq(csv_lines(&often, "evaluations.csv"), 1 + 1 + 1500 / 9 + 1);
  ck_assert_uint_eq(csv_lines(&seldom, "evaluations.csv"), 1 + 2);
  check_csv(&often, &seldom, "progress.csv");
  check_checkpoint(&often, &seldom, ".safetensors");
  run_end(&often);
  run_end(&seldom);
}
END_TEST

/* Stopped by a signal in the middle, between log lines and past the replay's wrap-around, then
 * resumed with another number of threads: every file is that of the unbroken run. */
START_TEST(resume_equals_unbroken) {
  Run whole, broken;
  run_begin(&whole);
  run_begin(&broken);
  const char *options = "--steps 2400 --eval-every 700 --seed 7";
  run_new(&whole, options);
  broken.fake.probe.kill_at = 401;
  broken.fake.probe.kill_signal = SIGTERM;
  broken.fake.probe.kills = 1;
  run_new(&broken, options);
  ck_assert_int_eq(broken.status, 128 + SIGTERM);
  ck_assert_msg(strstr(broken.text, "stopped by SIGTERM at step "), "%s", broken.text);
  char again[200];
  snprintf(again, sizeof again, "; a checkpoint was written; resume with: fake --resume %s\n",
           broken.directory);
  ck_assert_msg(strstr(broken.text, again), "%s", broken.text);
  ck_assert_uint_lt(broken.fake.probe.updates, whole.fake.probe.updates);
  broken.fake.probe.kill_at = UINT64_MAX;
  run_resume(&broken, "--steps 2400 --eval-every 700 --threads 2");
  ck_assert_msg(broken.status == 0, "status %d: %s", broken.status, broken.text);
  ck_assert_uint_eq(broken.fake.probe.updates, whole.fake.probe.updates);
  check_equal(&whole, &broken);
  run_end(&whole);
  run_end(&broken);
}
END_TEST

/* After a crash the run goes on from its last checkpoint, and what it had logged since is written
 * again. */
START_TEST(resume_after_crash) {
  Run whole, broken;
  run_begin(&whole);
  run_begin(&broken);
  run_new(&whole, "--steps 2100");
  broken.fake.probe.nan_at = 500;
  run_new(&broken, "--steps 2100");
  ck_assert_int_eq(broken.status, 1);
  broken.fake.probe.nan_at = UINT64_MAX;
  run_resume(&broken, "--steps 2100");
  ck_assert_msg(broken.status == 0, "status %d: %s", broken.status, broken.text);
  check_equal(&whole, &broken);
  run_end(&whole);
  run_end(&broken);
}
END_TEST

/* A run that breaks off has a checkpoint by the clock where there is none by its steps. */
START_TEST(checkpoints_by_the_clock) {
  Run whole, broken;
  size_t size = 0;
  run_begin(&whole);
  run_new(&whole, "--steps 2100 --checkpoint-every 0");
  for (int timed = 0; timed < 2; timed++) {
    run_begin(&broken);
    broken.fake.probe.nan_at = 500;
    run_new(&broken, timed ? "--steps 2100 --checkpoint-every 0 --checkpoint-minutes 1e-9"
                           : "--steps 2100 --checkpoint-every 0 --checkpoint-minutes 1000");
    ck_assert_int_eq(broken.status, 1);
    char *tensors = run_checkpoint(&broken, ".safetensors", &size);
    ck_assert_int_eq(tensors != NULL, timed);
    free(tensors);
    broken.fake.probe.nan_at = UINT64_MAX;
    run_resume(&broken, "--steps 2100 --checkpoint-every 0");
    ck_assert_int_eq(broken.status, !timed);
    if (timed) check_equal(&whole, &broken);
    run_end(&broken);
  }
  run_end(&whole);
}
END_TEST

/* An evaluation that a signal cuts off, in the second wave of the second evaluator, is made again:
 * the first one, one in the middle, the last one. The unbroken run makes evaluations at steps 0,
 * 702, 1401, 2100 and 2400. */
START_TEST(evaluations_cut_off_are_made_again) {
  static const uint64_t evaluations[] = {0, 2, 4}, steps[] = {0, 1401, 2400};
  const char *options = "--steps 2400 --eval-every 700 --seed 7";
  char said[64];
  Run whole, broken;
  run_begin(&whole);
  run_begin(&broken);
  run_new(&whole, options);
  ck_assert_uint_eq(csv_lines(&whole, "evaluations.csv"), 1 + 5);
  broken.fake.probe.eval_kill_at = evaluations[_i] << 32 | 250;
  broken.fake.probe.kill_signal = SIGINT;
  run_new(&broken, options);
  ck_assert_int_eq(broken.status, 128 + SIGINT);
  snprintf(said, sizeof said, "stopped by SIGINT at step %llu;", (unsigned long long)steps[_i]);
  ck_assert_msg(strstr(broken.text, said), "%s", broken.text);
  ck_assert_uint_eq(csv_lines(&broken, "evaluations.csv"), 1 + evaluations[_i]);
  broken.fake.probe.eval_kill_at = UINT64_MAX;
  run_resume(&broken, "--steps 2400 --eval-every 700");
  ck_assert_msg(broken.status == 0, "status %d: %s", broken.status, broken.text);
  check_equal(&whole, &broken);
  run_end(&whole);
  run_end(&broken);
}
END_TEST

/* The time limit ends an evaluation as it ends training, and one that takes long is seen. */
START_TEST(long_evaluations_are_shown_and_limited) {
  Run whole, broken;
  run_begin(&whole);
  run_begin(&broken);
  run_new(&whole, "--steps 600");
  broken.loud = true;
  broken.fake.probe.eval_pause = 20000;
  run_new(&broken, "--steps 600 --minutes 0.1");
  ck_assert_msg(broken.status == 0, "status %d: %s", broken.status, broken.text);
  ck_assert_msg(strstr(broken.text, "evaluating at step 0: ") &&
                    strstr(broken.text, " of 800 steps\n") &&
                    strstr(broken.text, "stopped at step 0;"),
                "%s", broken.text);
  ck_assert_uint_eq(csv_lines(&broken, "evaluations.csv"), 1);
  broken.fake.probe.eval_pause = 0;
  run_resume(&broken, "");
  ck_assert_msg(broken.status == 0, "status %d: %s", broken.status, broken.text);
  ck_assert_msg(!strstr(broken.text, "evaluating"), "%s", broken.text);
  check_equal(&whole, &broken);
  run_end(&whole);
  run_end(&broken);
}
END_TEST

START_TEST(resume_wants_the_same_seed) {
  Run run;
  run_begin(&run);
  run_new(&run, "--steps 300 --seed 3");
  run_resume(&run, "--steps 600 --seed 4");
  ck_assert_int_eq(run.status, 1);
  ck_assert_msg(strstr(run.text, "was started with --seed 3, not 4"), "%s", run.text);
  run_end(&run);
}
END_TEST

/* A run that has all its steps says so. */
START_TEST(resume_of_a_finished_run_is_noted) {
  static const char note[] = "note: it is at step 600 already; more than --steps 450 goes on\n";
  Run run;
  run_begin(&run);
  run_new(&run, "--steps 600");
  ck_assert_msg(!strstr(run.text, "note:"), "%s", run.text);
  run_resume(&run, "--steps 450");
  ck_assert_int_eq(run.status, 0);
  ck_assert_msg(strstr(run.text, note), "%s", run.text);
  run_resume(&run, "--steps 900");
  ck_assert_int_eq(run.status, 0);
  ck_assert_msg(!strstr(run.text, "note:"), "%s", run.text);
  run_end(&run);
}
END_TEST

START_TEST(more_threads_than_processors_are_warned_of) {
  static const char warning[] = "warning: 2 threads on 1 processor: slower than 1\n";
  Run run;
  cpu_set_t set, one;
  run_begin(&run);
  ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
    if (CPU_ISSET(i, &set)) CPU_SET(i, &one);
  ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
  run_new(&run, "--steps 300 --threads 2");
  ck_assert_int_eq(run.status, 0);
  ck_assert_msg(strstr(run.text, warning), "%s", run.text);
  run_resume(&run, "--steps 600 --threads 1");
  ck_assert_msg(!strstr(run.text, "warning:"), "%s", run.text);
  ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
  run_end(&run);
}
END_TEST

/* Without its replay a resumed run fills it anew before it updates again. */
START_TEST(resume_without_replay) {
  Run run;
  run_begin(&run);
  run_new(&run, "--steps 900 --no-replay");
  uint64_t before = run.fake.probe.updates;
  run_resume(&run, "--steps 1200 --no-replay");
  ck_assert_msg(run.status == 0, "status %d: %s", run.status, run.text);
  ck_assert_uint_eq(run.fake.probe.updates - before, 100 - 21);
  run_end(&run);
}
END_TEST

START_TEST(bad_loss_is_named) {
  Run run;
  size_t size = 0;
  run_begin(&run);
  run.fake.probe.nan_at = 300;
  run_new(&run, "--steps 3000");
  ck_assert_int_eq(run.status, 1);
  /* Update 301 comes in vector step 322. */
  ck_assert_msg(strstr(run.text, "error: metric 'losses/linear' is nan at step 966, update 301; "
                                 "every parameter is still finite\n"),
                "%s", run.text);
  char *tensors = run_checkpoint(&run, ".safetensors", &size);
  ck_assert_msg(tensors, "the checkpoint of step 900 is still there");
  free(tensors);
  run_end(&run);
}
END_TEST

START_TEST(bad_parameter_is_named) {
  Run run;
  size_t size = 0;
  run_begin(&run);
  run.fake.probe.weight_nan_at = 10;
  run_new(&run, "--steps 3000");
  ck_assert_int_eq(run.status, 1);
  ck_assert_msg(strstr(run.text, "error: metric 'losses/linear' is nan at step 96, update 11; "
                                 "parameter 'actor.w' is not finite at element 0\n"),
                "%s", run.text);
  ck_assert_msg(!run_checkpoint(&run, ".safetensors", &size), "no checkpoint of a broken state");
  run_end(&run);
}
END_TEST

START_TEST(bad_action_is_named) {
  Run run;
  run_begin(&run);
  run.fake.probe.action_nan_at = 40;
  run_new(&run, "--steps 3000");
  ck_assert_int_eq(run.status, 1);
  ck_assert_msg(
      strstr(run.text,
             "error: program 'explore' gave a non-finite action to environment 1 at step 120\n"),
      "%s", run.text);
  run_end(&run);
}
END_TEST

START_TEST(nothing_is_allocated) {
  Run run;
  if (!allocations_counted()) return;
  run_begin(&run);
  run.fake.probe.allocations = allocations;
  run_new(&run, "--steps 3000 --eval-every 500 --threads 2");
  ck_assert_msg(run.status == 0, "status %d: %s", run.status, run.text);
  ck_assert_uint_gt(run.fake.probe.first_allocations, 0);
  ck_assert_uint_eq(run.fake.probe.last_allocations, run.fake.probe.first_allocations);
  run_end(&run);
}
END_TEST

/* What `timeout` sends comes twice at once; it is one wish. */
START_TEST(signals_at_once_are_one) {
  Run run;
  size_t size = 0;
  run_begin(&run);
  run.fake.probe.kill_at = 5;
  run.fake.probe.kill_signal = SIGINT;
  run.fake.probe.kills = 4;
  run.fake.probe.kill_pause = 50000;
  run_new(&run, "--steps 3000");
  ck_assert_int_eq(run.status, 128 + SIGINT);
  const char *told = strstr(run.text, "stopping after this pass; again to quit at once\n");
  ck_assert_msg(told && strstr(told, "stopped by SIGINT at step "), "%s", run.text);
  ck_assert_msg(!strstr(told + 1, "stopping"), "told once: %s", run.text);
  char *tensors = run_checkpoint(&run, ".safetensors", &size);
  ck_assert_msg(tensors, "a checkpoint was written");
  free(tensors);
  run_end(&run);
}
END_TEST

/* A second wish within one update: the process must not wait for it. */
START_TEST(second_signal_ends_at_once) {
  Run run;
  run_begin(&run);
  run.fake.probe.kill_at = 5;
  run.fake.probe.kill_signal = SIGINT;
  run.fake.probe.kills = 200;
  run.fake.probe.kill_pause = 50000;
  fflush(NULL);
  pid_t child = fork();
  if (!child) {
    run_new(&run, "--steps 3000");
    _exit(99);
  }
  int status = 0;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 128 + SIGINT);
  size_t size = 0;
  ck_assert_msg(!run_checkpoint(&run, ".safetensors", &size), "it did not wait for a checkpoint");
  run_end(&run);
}
END_TEST

START_TEST(missing_cpu_feature_is_named) {
  static const char *const features[] = {"quantum", NULL};
  Run run;
  run_begin(&run);
  run.fake.module.cpu = features;
  run_new(&run, "--steps 300");
  ck_assert_int_eq(run.status, 1);
  ck_assert_msg(
      strstr(run.text, "error: this CPU has no 'quantum', which this trainer was compiled for; "),
      "%s", run.text);
  size_t size = 0;
  ck_assert_msg(!run_file(&run, "config.yaml", &size), "no run directory is left behind");
  run_end(&run);
}
END_TEST

START_TEST(time_limit_stops_cleanly) {
  Run run;
  run_begin(&run);
  run_new(&run, "--steps 1000000000 --minutes 0.002");
  ck_assert_msg(run.status == 0, "status %d: %s", run.status, run.text);
  ck_assert_msg(strstr(run.text, "stopped at step "), "%s", run.text);
  run_end(&run);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("training");
  TCase *tests = tcase_create("runs");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, run_writes_its_files);
  tcase_add_test(tests, run_without_updates_is_told);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, seeds_matter);
  tcase_add_test(tests, evaluation_does_not_disturb);
  tcase_add_test(tests, resume_equals_unbroken);
  tcase_add_test(tests, resume_after_crash);
  tcase_add_test(tests, checkpoints_by_the_clock);
  tcase_add_loop_test(tests, evaluations_cut_off_are_made_again, 0, 3);
  tcase_add_test(tests, long_evaluations_are_shown_and_limited);
  tcase_add_test(tests, resume_wants_the_same_seed);
  tcase_add_test(tests, resume_of_a_finished_run_is_noted);
  tcase_add_test(tests, more_threads_than_processors_are_warned_of);
  tcase_add_test(tests, resume_without_replay);
  tcase_add_test(tests, bad_loss_is_named);
  tcase_add_test(tests, bad_parameter_is_named);
  tcase_add_test(tests, bad_action_is_named);
  tcase_add_test(tests, nothing_is_allocated);
  tcase_add_test(tests, signals_at_once_are_one);
  tcase_add_test(tests, second_signal_ends_at_once);
  tcase_add_test(tests, missing_cpu_feature_is_named);
  tcase_add_test(tests, time_limit_stops_cleanly);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
