/* --seeds: every run of several in one process is, bit for bit, the run that has its seed alone,
 * for any number of threads, after a resume and beside one that fails; what is said of them. */
#include "tests/run_fixture.h"
#include "tests/spec_code.h"
#include "tests/suite.h"

#include "runtime/json.h"
#include "runtime/play.h"

/* ---- runs of several seeds ---- */

enum { FIRST = 4, SEEDS = 3 };
static const char steps[] = "--steps 1500 --eval-every 600";

static void check_status(const Run *run, int status) {
  ck_assert_msg(run->status == status, "status %d: %s", run->status, run->text);
}

static void check_said(const Run *run, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  ck_assert_msg(strstr(run->text, text) != NULL, "not said: %s\nbut: %s", text, run->text);
}

/* Seeds 4, 5 and 6. */
static void seeds_new(Run *run, const char *options, unsigned threads) {
  char all[256];
  snprintf(all, sizeof all, "%s --seed %d --seeds %d --threads %u", options, FIRST, SEEDS, threads);
  run_new(run, all);
}

static void seeds_resume(Run *run, unsigned threads) {
  char all[64];
  snprintf(all, sizeof all, "--threads %u", threads);
  run_resume(run, all);
}

/* The run of one of them, to look at. */
static Run seed_of(const Run *all, unsigned seed) {
  Run one = *all;
  int length = snprintf(one.directory, sizeof one.directory, "%s/seed-%u", all->directory, seed);
  ck_assert_int_lt(length, (int)sizeof one.directory);
  return one;
}

/* The same seed by itself, without resuming. */
static Run *alone_make(const RlcModule *module, unsigned seed, const char *options) {
  char all[256];
  Run *run = calloc(1, sizeof *run);
  run_begin(run);
  if (module) run->module = module;
  snprintf(all, sizeof all, "%s --seed %u", options, seed);
  run_new(run, all);
  check_status(run, 0);
  return run;
}

static void alone_free(Run *run) {
  run_end(run);
  free(run);
}

static void check_alone(const Run *all, const RlcModule *module, unsigned seed,
                        const char *options) {
  Run one = seed_of(all, seed), *alone = alone_make(module, seed, options);
  check_equal(alone, &one);
  alone_free(alone);
}

static void check_all_alone(const Run *all, const RlcModule *module, const char *options) {
  for (unsigned seed = FIRST; seed < FIRST + SEEDS; seed++) check_alone(all, module, seed, options);
}

static bool exists(const Run *run, const char *name) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", run->directory, name);
  return access(path, F_OK) == 0;
}

/* A number that stands behind PLACE": in a file of the directory, after `after`. */
static double number_in(const Run *run, const char *file, const char *after, const char *place) {
  size_t size = 0;
  char *text = run_file(run, file, &size), quoted[80];
  ck_assert_msg(text != NULL, "no %s", file);
  snprintf(quoted, sizeof quoted, "\"%s\": ", place);
  const char *from = strstr(text, after), *at = from ? strstr(from, quoted) : NULL;
  ck_assert_msg(at != NULL, "no '%s' after '%s' in %s", quoted, after, text);
  double value = strtod(at + strlen(quoted), NULL);
  free(text);
  return value;
}

/* ---- equality ---- */

START_TEST(each_is_the_run_alone) {
  unsigned threads = (unsigned)_i;
  Run run;
  run_begin(&run);
  seeds_new(&run, steps, threads);
  check_status(&run, 0);
  if (threads <= team_processors()) ck_assert_str_eq(run.text, "");
  check_all_alone(&run, NULL, steps);
  ck_assert_uint_le(run.fake.probe.most, threads < SEEDS ? threads : SEEDS);
  /* With more threads than runs, the first have more of them. */
  for (unsigned i = 0; i < SEEDS; i++) {
    Run one = seed_of(&run, FIRST + i);
    unsigned dealt = threads > SEEDS ? threads / SEEDS + (i < threads % SEEDS) : 1;
    ck_assert_double_eq(number_in(&one, "provenance.json", "options", "threads"), dealt);
    ck_assert_double_eq(number_in(&one, "provenance.json", "options", "seeds"), 1);
  }
  run_end(&run);
}
END_TEST

/* Code that was generated, with environments of the three kinds: in C, declared, a simulator's. */
static const struct Case {
  const char *spec, *overrides, *simulated;
} cases[] = {
    {"specs/sac.yaml", "env=Pendulum-v1 hidden=16 batch_size=16 warmup=200", NULL},
    {"specs/ppo_rltools.yaml", "env.count=4 steps=16 minibatches=2 hidden=8", NULL},
    {"specs/td3.yaml", "env=Hopper-v5 hidden=16 batch_size=16 warmup=200", "Hopper-v5"},
};

START_TEST(generated_code) {
  static const char options[] = "--steps 1200 --eval-every 600 --eval-episodes 1";
  const struct Case *this = &cases[_i];
  const EnvSpec *env = this->simulated ? env_find(this->simulated) : NULL;
  char reason[1024];
  Env *made = env ? env_make(env, reason, sizeof reason) : NULL;
  if (env && !made) {
    printf("SKIP: several seeds of %s: %s\n", this->spec, reason);
    return;
  }
  if (made) env_free(made);
  Spec spec = spec_open(this->spec, this->overrides);
  spec_passes(&spec, NULL);
  Loaded *loaded = spec_load(&spec);
  const RlcModule *module = load_module(loaded);
  Run *alone[SEEDS];
  for (unsigned i = 0; i < SEEDS; i++) alone[i] = alone_make(module, FIRST + i, options);
  for (unsigned threads = 1; threads <= 4; threads++) {
    Run run;
    run_begin(&run);
    run.module = module;
    seeds_new(&run, options, threads);
    check_status(&run, 0);
    for (unsigned i = 0; i < SEEDS; i++) {
      Run one = seed_of(&run, FIRST + i);
      check_equal(alone[i], &one);
    }
    run_end(&run);
  }
  for (unsigned i = 0; i < SEEDS; i++) alone_free(alone[i]);
  load_close(loaded);
  spec_close(&spec);
}
END_TEST

/* ---- going on ---- */

/* A signal at an update of whichever run: with one thread in the second run, with two before any
 * of the first two ends, so that the third has not begun. */
START_TEST(resume_equals_unbroken) {
  unsigned threads = (unsigned)_i;
  Run run;
  run_begin(&run);
  run.fake.probe.kill_at = threads == 1 ? 700 : 300;
  run.fake.probe.kill_signal = SIGTERM;
  run.fake.probe.kills = 1;
  seeds_new(&run, steps, threads);
  check_status(&run, 128 + SIGTERM);
  check_said(&run, "stopped by SIGTERM; checkpoints were written; resume with: fake --resume %s\n",
             run.directory);
  ck_assert(exists(&run, "seed-4") && !exists(&run, "seed-6"));
  ck_assert_double_ge(number_in(&run, "summary.json", "", "waiting"), 1);
  ck_assert_double_eq(number_in(&run, "summary.json", "", "finished"), threads == 1);
  run.fake.probe.kill_at = UINT64_MAX;
  seeds_resume(&run, 4 - threads);
  check_status(&run, 0);
  check_all_alone(&run, NULL, steps);
  ck_assert_double_eq(number_in(&run, "summary.json", "", "finished"), SEEDS);
  uint64_t updates = run.fake.probe.updates;
  seeds_resume(&run, 2); /* nothing is left to do */
  check_status(&run, 0);
  ck_assert_uint_eq(run.fake.probe.updates, updates);
  check_all_alone(&run, NULL, steps);
  run_resume(&run, "--steps 1800"); /* more steps: all go on */
  check_status(&run, 0);
  ck_assert_uint_eq(run.fake.probe.updates, updates + SEEDS * 100);
  run_end(&run);
}
END_TEST

/* The time limit is that of all: what it leaves no time for is not begun. */
START_TEST(minutes_are_for_all) {
  Run run;
  run_begin(&run);
  run.fake.probe.eval_pause = 20000;
  run.loud = true;
  char limited[128];
  snprintf(limited, sizeof limited, "%s --minutes 0.03", steps);
  seeds_new(&run, limited, 2);
  check_status(&run, 0);
  check_said(&run, "\n0 of 3 seeds done  step 0 (");
  check_said(&run, "stopped; checkpoints were written; resume with: fake --resume %s\n",
             run.directory);
  ck_assert(exists(&run, "seed-4") && !exists(&run, "seed-6"));
  ck_assert_double_ge(number_in(&run, "summary.json", "", "stopped"), 1);
  ck_assert_double_eq(number_in(&run, "summary.json", "", "finished"), 0);
  run.fake.probe.eval_pause = 0;
  run.loud = false;
  seeds_resume(&run, 1);
  check_status(&run, 0);
  check_all_alone(&run, NULL, steps);
  run_end(&run);
}
END_TEST

/* A seed's directory is a run directory like others. */
START_TEST(one_of_them_goes_on_alone) {
  Run run, *alone = alone_make(NULL, 5, steps);
  run_begin(&run);
  seeds_new(&run, steps, 2);
  check_status(&run, 0);
  Run one = seed_of(&run, 5);
  run_resume(&one, "--steps 2100");
  check_status(&one, 0);
  run_resume(alone, "--steps 2100");
  check_status(alone, 0);
  check_equal(alone, &one);
  check_alone(&run, NULL, 6, steps);
  alone_free(alone);
  run_end(&run);
}
END_TEST

/* ---- one that fails ---- */

START_TEST(others_go_on_beside_one_that_fails) {
  Run run;
  run_begin(&run);
  run.fake.probe.bad_seed = 5;
  run.fake.probe.bad_update = 350; /* behind its checkpoint of step 900 */
  seeds_new(&run, steps, (unsigned)_i);
  check_status(&run, 1);
  check_said(&run, "error: seed 5: metric 'losses/linear' is ");
  ck_assert_ptr_null(strstr(run.text, "stopped"));
  check_alone(&run, NULL, 4, steps);
  check_alone(&run, NULL, 6, steps);
  ck_assert_double_eq(number_in(&run, "summary.json", "", "failed"), 1);
  ck_assert_double_eq(number_in(&run, "summary.json", "eval/mean_reward", "seeds"), 2);
  run.fake.probe.bad_seed = UINT64_MAX;
  seeds_resume(&run, 2);
  check_status(&run, 0);
  check_all_alone(&run, NULL, steps);
  run_end(&run);
}
END_TEST

/* Without a checkpoint there is nothing to go on from: it begins anew, and nothing is deleted. */
START_TEST(without_checkpoint_it_begins_anew) {
  Run run;
  char note[512];
  run_begin(&run);
  run.fake.probe.bad_seed = 5;
  seeds_new(&run, steps, 2);
  check_status(&run, 1);
  run.fake.probe.bad_seed = UINT64_MAX;
  seeds_resume(&run, 2);
  check_status(&run, 0);
  snprintf(note, sizeof note,
           "note: seed 5: there is no checkpoint yet; it begins anew, and '%s/broken-1-seed-5' has "
           "what it left\n",
           run.directory);
  ck_assert_pstr_eq(strstr(run.text, "note:"), note); /* one processor is warned of before it */
  ck_assert(exists(&run, "broken-1-seed-5/progress.csv"));
  check_all_alone(&run, NULL, steps);
  run_end(&run);
}
END_TEST

/* ---- mistakes ---- */

static void check_refused(Run *run, const char *options, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  run_main(run, options);
  check_status(run, 1);
  ck_assert_str_eq(run->text, text);
}

START_TEST(mistakes_are_told) {
  Run run;
  char line[256];
  const char *where = run.directory;
  run_begin(&run);
  check_refused(&run, "--seeds 0",
                "error: --seeds wants a whole number from 1 to 65535, not '0'\n");
  check_refused(&run, "--seeds 4097",
                "error: --seeds 4097: there can be 4096 runs in a process at most\n");
  check_refused(&run, "--seed 18446744073709551614 --seeds 3",
                "error: --seed 18446744073709551614 --seeds 3: the last seed would be above "
                "18446744073709551615\n");
  seeds_new(&run, "--steps 60", 2);
  check_status(&run, 0);
  snprintf(line, sizeof line, "--steps 60 --out %s", where);
  check_refused(&run, line,
                "error: '%s' holds the runs of 3 seeds: choose another with --out, or go on with "
                "them with --resume %s\n",
                where, where);
  snprintf(line, sizeof line, "--resume %s --seeds 2", where);
  check_refused(&run, line, "error: '%s' holds the runs of 3 seeds, not of 2\n", where);
  snprintf(line, sizeof line, "--resume %s --seed 5", where);
  check_refused(&run, line, "error: the seeds in '%s' begin with 4, not with 5\n", where);
  snprintf(line, sizeof line, "--resume %s/seed-5 --seeds 3", where);
  check_refused(&run, line,
                "error: --seeds 3 cannot be given: '%s/seed-5' holds no runs of several seeds\n",
                where);
  RunError error;
  int lock = -1;
  ck_assert(rundir_lock(where, &lock, &error));
  snprintf(line, sizeof line, "--resume %s", where);
  check_refused(&run, line, "error: the run directory '%s' is in use by another process\n", where);
  close(lock);
  run_main(&run, line);
  check_status(&run, 0);
  run_end(&run);
}
END_TEST

/* Two directories that were swapped are not taken for each other. */
START_TEST(a_directory_of_another_seed_is_refused) {
  Run run;
  char line[512];
  run_begin(&run);
  seeds_new(&run, "--steps 60", 2);
  snprintf(line, sizeof line, "cd %s && mv seed-4 x && mv seed-5 seed-4 && mv x seed-5",
           run.directory);
  ck_assert_int_eq(system(line), 0);
  seeds_resume(&run, 2);
  check_status(&run, 1);
  check_said(&run, "error: seed 4: %s/seed-4 was started with --seed 5, not 4\n", run.directory);
  check_said(&run, "error: seed 5: %s/seed-5 was started with --seed 4, not 5\n", run.directory);
  run_end(&run);
}
END_TEST

START_TEST(playing_names_the_seeds) {
  Run run;
  char said[256], expected[256], *argv[] = {"x", NULL};
  run_begin(&run);
  seeds_new(&run, "--steps 60", 2);
  const PlayRequest request = {.run = run.directory};
  fflush(stderr);
  int kept = dup(2), file = open(run.messages, O_CREAT | O_TRUNC | O_RDWR, 0600);
  dup2(file, 2);
  int status = rlc_play(run.module, &request, 1, argv);
  fflush(stderr);
  dup2(kept, 2);
  ssize_t length = pread(file, said, sizeof said - 1, 0);
  ck_assert_int_eq(status, 1);
  ck_assert_int_gt(length, 0);
  said[length] = 0;
  snprintf(expected, sizeof expected,
           "error: '%s' holds the runs of 3 seeds: name one, as %s/seed-4\n", run.directory,
           run.directory);
  ck_assert_str_eq(said, expected);
  close(kept), close(file);
  run_end(&run);
}
END_TEST

/* ---- what is said ---- */

START_TEST(the_end_is_told) {
  Run run;
  run_begin(&run);
  run.loud = true;
  seeds_new(&run, steps, 2);
  check_status(&run, 0);
  check_said(&run,
             "run directory: %s, of the seeds 4 to 6\n3 of 3 seeds done  step 4500 (100.0 %%)",
             run.directory);
  double value[SEEDS], mean = 0, squares = 0;
  for (unsigned i = 0; i < SEEDS; i++) {
    Run one = seed_of(&run, FIRST + i);
    value[i] = number_in(&one, "result.json", "", "eval/mean_reward");
    mean += value[i] / SEEDS;
  }
  for (unsigned i = 0; i < SEEDS; i++) squares += (value[i] - mean) * (value[i] - mean);
  double std = sqrt(squares / (SEEDS - 1));
  ck_assert_double_gt(std, 0);
  check_said(&run,
             "3 seeds: 3 finished\neval/mean_reward %.6g, standard deviation %.4g over 3 seeds\n",
             mean, std);
  ck_assert_double_eq_tol(number_in(&run, "summary.json", "eval/mean_reward", "mean"), mean, 1e-9);
  ck_assert_double_eq_tol(number_in(&run, "summary.json", "eval/mean_reward", "std"), std, 1e-9);
  ck_assert_double_eq(number_in(&run, "summary.json", "\"seed\": 5", "eval/mean_reward"), value[1]);
  run_end(&run);
}
END_TEST

/* One line for all, whichever run comes: sums of steps, means and ranges of returns. */
START_TEST(progress_of_several_is_one_line) {
  char text[512] = "";
  RunError error;
  Board *board = board_make(4, 0, &error);
  ck_assert_ptr_nonnull(board);
  Progress progress[2];
  for (uint32_t i = 0; i < 2; i++)
    progress[i] = (Progress){.step = 100 + 100 * i,
                             .steps = 400,
                             .seconds = 1,
                             .episode_return = -10.5 * (i + 1),
                             .eval_return = i ? 7 : NAN,
                             .board = board,
                             .run = i + 1};
  Progress broken = {.step = 40,
                     .steps = 400,
                     .seconds = 1,
                     .episode_return = NAN,
                     .eval_return = NAN,
                     .board = board,
                     .run = 0};
  FILE *file = tmpfile();
  fflush(stderr);
  int kept = dup(2);
  dup2(fileno(file), 2);
  for (int i = 0; i < 2; i++) progress_show(&progress[i], false); /* too early for a line */
  progress_show(&broken, false);
  board_leave(board, 0, true);
  board_leave(board, 3, false);
  board_close(board);
  fflush(stderr);
  dup2(kept, 2);
  ssize_t length = pread(fileno(file), text, sizeof text - 1, 0);
  ck_assert_int_gt(length, 0);
  /* (1/10 + 1/4 + 1/2 + 1) / 4 */
  static const char head[] = "1 of 4 seeds done, 1 failed  step 340 (46.2 %)  return -15.75 "
                             "(-21 to -10.5)  eval 7 (7 to 7)  ";
  ck_assert_msg(strncmp(text, head, sizeof head - 1) == 0, "%s", text);
  ck_assert_ptr_eq(strchr(text, '\n'), text + length - 1);
  fclose(file);
  close(kept);
  board_free(board);
}
END_TEST

int main(void) {
  TCase *bits = tcase_create("bits"), *resume = tcase_create("resume"),
        *said = tcase_create("said");
  tcase_add_loop_test(bits, each_is_the_run_alone, 1, 6);
  tcase_add_loop_test(bits, generated_code, 0, sizeof cases / sizeof *cases);
  tcase_add_loop_test(resume, resume_equals_unbroken, 1, 3);
  tcase_add_test(resume, minutes_are_for_all);
  tcase_add_test(resume, one_of_them_goes_on_alone);
  tcase_add_loop_test(resume, others_go_on_beside_one_that_fails, 1, 4);
  tcase_add_test(resume, without_checkpoint_it_begins_anew);
  tcase_add_test(said, mistakes_are_told);
  tcase_add_test(said, a_directory_of_another_seed_is_refused);
  tcase_add_test(said, playing_names_the_seeds);
  tcase_add_test(said, the_end_is_told);
  tcase_add_test(said, progress_of_several_is_one_line);
  Suite *suite = suite_create("seeds");
  suite_add_tcase(suite, bits);
  suite_add_tcase(suite, resume);
  suite_add_tcase(suite, said);
  return suite_run(suite);
}
