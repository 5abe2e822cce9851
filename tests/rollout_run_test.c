/* Whole runs with rollouts, shuffled parts and declared environments: the same bits for any number
 * of threads, with or without evaluation and after a resume; no allocation; evaluations that depend
 * on their number only; loops that never act. */
#include "tests/rollout_world.h"
#include "tests/suite.h"

/* ---- whole runs ---- */

typedef struct RollRun {
  Run run;
  Roll roll;
} RollRun;

static RollRun *roll_run(bool declared, const char *options) {
  RollRun *run = calloc(1, sizeof *run);
  run_begin(&run->run);
  roll_make(&run->roll, declared);
  run->run.module = &run->roll.module;
  if (options) run_new(&run->run, options);
  return run;
}

static void roll_run_end(RollRun *run) {
  run_end(&run->run);
  free(run);
}

static void check_status(const RollRun *run, int status) {
  ck_assert_msg(run->run.status == status, "status %d: %s", run->run.status, run->run.text);
}

/* Counter `which` of a checkpoint's facts, as trainer.h lists them. */
static uint64_t told_counter(const RollRun *run, int which) {
  size_t size;
  char *text = run_checkpoint(&run->run, ".json", &size);
  ck_assert_ptr_nonnull(text);
  text = realloc(text, size + 1);
  text[size] = '\0';
  const char *at = strstr(text, "\"counters\"");
  ck_assert_ptr_nonnull(at);
  for (int i = 0; i <= which; i++) {
    at += strcspn(at, "0123456789");
    if (i < which) at += strspn(at, "0123456789");
  }
  uint64_t value = strtoull(at, NULL, 10);
  free(text);
  return value;
}

/* Of both kinds of environments (_i). */
START_TEST(threads_do_not_matter) {
  RollRun *run[3];
  for (int i = 0; i < 3; i++) {
    char options[64];
    snprintf(options, sizeof options, "--steps 1500 --eval-every 600 --threads %d", i + 1);
    run[i] = roll_run(_i == 0, options);
    check_status(run[i], 0);
    /* 125 passes of four vector steps, in each two shuffles of two parts */
    ck_assert_uint_eq(run[i]->roll.updates, 125 * 4);
  }
  check_equal(&run[0]->run, &run[1]->run);
  check_equal(&run[0]->run, &run[2]->run);
  ck_assert_uint_eq(told_counter(run[0], 0), 125 * 4);
  ck_assert_uint_eq(told_counter(run[0], 4), 125 * 2);
  for (int i = 0; i < 3; i++) roll_run_end(run[i]);
}
END_TEST

START_TEST(evaluation_does_not_disturb) {
  RollRun *often = roll_run(_i == 0, "--steps 1500 --eval-every 12"),
          *seldom = roll_run(_i == 0, "--steps 1500 --eval-every 0");
  check_status(often, 0);
  check_status(seldom, 0);
  check_csv(&often->run, &seldom->run, "progress.csv");
  check_checkpoint(&often->run, &seldom->run, ".safetensors");
  roll_run_end(often);
  roll_run_end(seldom);
}
END_TEST

/* Stopped within a pass whose rollout began in the middle (4 of 6 rows a pass), resumed with other
 * threads: every file is that of the unbroken run. */
START_TEST(resume_equals_unbroken) {
  const char *options = "--steps 2400 --eval-every 700 --seed 7";
  RollRun *whole = roll_run(_i == 0, options), *broken = roll_run(_i == 0, NULL);
  check_status(whole, 0);
  broken->roll.kill_at = 241;
  run_new(&broken->run, options);
  check_status(broken, 128 + SIGTERM);
  ck_assert_uint_eq(broken->roll.updates, 244); /* the pass is finished, another not begun */
  broken->roll.kill_at = UINT64_MAX;
  run_resume(&broken->run, "--threads 2");
  check_status(broken, 0);
  ck_assert_uint_eq(broken->roll.updates, whole->roll.updates);
  check_equal(&whole->run, &broken->run);
  roll_run_end(whole);
  roll_run_end(broken);
}
END_TEST

START_TEST(nothing_is_allocated) {
  if (!allocations_counted()) return;
  RollRun *run = roll_run(_i == 0, "--steps 3000 --eval-every 500 --threads 2");
  check_status(run, 0);
  ck_assert_uint_gt(run->roll.first_allocations, 0);
  ck_assert_uint_eq(run->roll.last_allocations, run->roll.first_allocations);
  roll_run_end(run);
}
END_TEST

/* The mean return of evaluation `number`, three episodes in two waves, of an untrained policy. */
static double world_evaluation(uint64_t number) {
  World world = world_make(true, 1);
  uint64_t draw = number << 32;
  double sum = 0;
  world.seed = 1 ^ EVALUATION_SEED;
  world.envs = ROLL_EVAL;
  for (uint32_t wave = 0; wave < 2; wave++) {
    uint32_t wanted = wave ? 1 : 2, ended = 0;
    bool done[ROLL_EVAL] = {false};
    world_start(&world, UINT64_C(1) << 63 | number << 32 | wave);
    while (ended < wanted) {
      world_step(&world, draw++);
      for (uint32_t e = 0; e < wanted; e++) {
        if (!done[e]) sum += (double)world.row[e].reward;
        if (!done[e] && world.first[e]) done[e] = true, ended++;
      }
    }
  }
  return sum / 3;
}

/* Which episodes an evaluation sees is a matter of its number and the wave only. */
START_TEST(declared_evaluations_are_known) {
  RollRun *run = roll_run(true, NULL);
  run->roll.steps[4].index = Q_TICK; /* the policy stays as it was */
  run->roll.steps[4].flags = 0;
  run->roll.steps[5].count = 9;
  run_new(&run->run, "--steps 600 --eval-every 300");
  check_status(run, 0);
  size_t size;
  char *text = run_file(&run->run, "evaluations.csv", &size), *line = strchr(text, '\n');
  double mean[3];
  for (uint64_t number = 0; number < 3; number++) {
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(sscanf(line + 1, "%*[^,],%lf", &mean[number]), 1);
    ck_assert_double_eq_tol(mean[number], world_evaluation(number), 1e-9);
    line = strchr(line + 1, '\n');
  }
  ck_assert_double_ne(mean[0], mean[1]);
  ck_assert_double_ne(mean[1], mean[2]);
  free(text);
  roll_run_end(run);
}
END_TEST

/* A loop that never acts: every pass is one step, and evaluation goes on. */
START_TEST(offline_loops_are_evaluated) {
  RollRun *run = roll_run(_i == 0, NULL);
  RlcModule *module = &run->roll.module;
  module->rollout.steps = module->view_count = 0;
  module->steps = (const RlcStep[]){{RLC_DO_RUN, .index = Q_UPDATE, .flags = RLC_IS_UPDATE}};
  module->step_count = 1;
  run_new(&run->run, "--steps 40 --eval-every 10");
  check_status(run, 0);
  ck_assert_uint_eq(run->roll.updates, 40);
  ck_assert_uint_eq(csv_lines(&run->run, "evaluations.csv"), 1 + 5); /* 0, 10 .. 40 */
  size_t size;
  double mean;
  char *text = run_file(&run->run, "evaluations.csv", &size), *line = strstr(text, "\n40,");
  ck_assert_ptr_nonnull(line);
  ck_assert_int_eq(sscanf(line, "\n40,%lf", &mean), 1);
  ck_assert(isfinite(mean));
  free(text);
  roll_run_end(run);
}
END_TEST

/* Unless it is an early end of a repetition, which may come or not. */
START_TEST(repetitions_may_end_early) {
  RollRun *run = roll_run(true, NULL);
  run->roll.steps[5].count = 2;
  run->roll.steps[5].flags = RLC_AT_MOST;
  run_new(&run->run, "--steps 48");
  check_status(run, 0);
  /* Four passes: ticks 1 and 2, 3 which ends it, 4 and 5, 6. */
  ck_assert_str_eq(run->roll.ticks, "|12|3|45|6");
  roll_run_end(run);
}
END_TEST

START_TEST(endless_until_is_named) {
  RollRun *run = roll_run(true, NULL);
  run->roll.steps[5].count = 2;
  run_new(&run->run, "--steps 300");
  check_status(run, 1);
  ck_assert_str_eq(run->run.text, "error: the condition 'enough' of the loop does not hold after 2 "
                                  "times at step 12\n");
  roll_run_end(run);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rollout runs");
  TCase *tests = tcase_create("runs");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, threads_do_not_matter, 0, 2);
  tcase_add_loop_test(tests, evaluation_does_not_disturb, 0, 2);
  tcase_add_loop_test(tests, resume_equals_unbroken, 0, 2);
  tcase_add_loop_test(tests, nothing_is_allocated, 0, 2);
  tcase_add_test(tests, declared_evaluations_are_known);
  tcase_add_loop_test(tests, offline_loops_are_evaluated, 0, 2);
  tcase_add_test(tests, repetitions_may_end_early);
  tcase_add_test(tests, endless_until_is_named);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
