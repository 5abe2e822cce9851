/* Real trainers, compiled from specs into a temporary folder and run as processes: the same bits
 * for any number of threads, with or without evaluation, and after a kill and --resume; no
 * allocation once it runs; and what it says and does when something is wrong. */
#include "tests/trainer_fixture.h"

enum { SEED = 20261121 };

static char *folder;
static bool mujoco; /* the second trainer can run here */

#define SMALL "sac --quiet --log-every 500 "

/* ---- the same bits ---- */

START_TEST(threads_do_not_matter) {
  trainer_good(folder, SMALL "--steps 3000 --out threads1");
  trainer_good(folder, SMALL "--steps 3000 --out threads2 --threads 2");
  same_end(folder, "threads1", "threads2", 3000);
  trainer_good(folder, SMALL "--steps 3000 --out seed2 --seed 2");
  Bytes one = final_tensors(folder, "threads1", 3000), other = final_tensors(folder, "seed2", 3000);
  ck_assert_msg(memcmp(one.data, other.data, one.size) != 0, "another seed changes nothing");
  free(one.data);
  free(other.data);
}
END_TEST

/* Batches that are large enough to share: both take part, at least while that is tried (pace.h).
 * That they get equal shares is told by pace_test. */
START_TEST(threads_share_the_work) {
  trainer_good(folder, "large --quiet --steps 700 --out large1");
  trainer_good(folder, "large --quiet --steps 700 --out large2 --threads 2");
  same_end(folder, "large1", "large2", 700);
  double a = result_number(folder, "large2", "work_share/0");
  double b = result_number(folder, "large2", "work_share/1");
  printf("sac, hidden 128, batch 256: shares of the work %.3f and %.3f\n", a, b);
  ck_assert(a > 0 && b > 0);
  ck_assert(fabs(a + b - 1) < 1e-9);
}
END_TEST

START_TEST(evaluation_does_not_matter) {
  trainer_good(folder, SMALL "--steps 3000 --out rare --eval-every 0");
  trainer_good(folder, SMALL "--steps 3000 --out often --eval-every 300 --eval-episodes 3");
  trainer_good(folder, SMALL "--steps 3000 --out saved --checkpoint-every 700");
  same_end(folder, "rare", "often", 3000);
  same_end(folder, "rare", "saved", 3000);
}
END_TEST

START_TEST(paper_settings_keep_bits) {
  if (!mujoco) {
    printf("SKIP: remac_paper on HalfCheetah-v5: MuJoCo is not here\n");
    return;
  }
  trainer_good(folder, "paper --quiet --steps 320 --out paper1 --eval-every 0 --eval-episodes 1");
  trainer_good(folder, "paper --quiet --steps 320 --out paper2 --threads 2 --eval-every 160 "
                       "--eval-episodes 1");
  same_end(folder, "paper1", "paper2", 320);
  ck_assert(result_number(folder, "paper1", "updates") >= 128);
  printf("remac_paper: shares of the work %.3f and %.3f, of the environments %.3f and %.3f\n",
         result_number(folder, "paper2", "work_share/0"),
         result_number(folder, "paper2", "work_share/1"),
         result_number(folder, "paper2", "env_share/0"),
         result_number(folder, "paper2", "env_share/1"));
}
END_TEST

/* ---- killed and resumed ---- */

enum { LENGTH = 20000, KILLS = 6 };

/* Starts or resumes `run`, kills it after `ms`; whether it was still running. */
static bool killed_after(const char *run, bool resume, double ms) {
  char command[200];
  snprintf(command, sizeof command, SMALL "--steps %d --checkpoint-every 1000 --%s %s", LENGTH,
           resume ? "resume" : "out", run);
  pid_t child = trainer_start(folder, command);
  sleep_ms((unsigned)ms);
  kill(child, SIGKILL);
  Ended ended = trainer_wait(folder, child);
  ck_assert_msg(ended.status == 0 || ended.status == 128 + SIGKILL, "%d: %s", ended.status,
                ended.said);
  return ended.status != 0;
}

static bool has_checkpoint(const char *run) {
  Path checkpoints = path_in(path_in(folder, run).text, "checkpoints");
  return access(path_in(checkpoints.text, "latest.json").text, F_OK) == 0;
}

static void resume_to_end(const char *run) {
  char command[200];
  snprintf(command, sizeof command, SMALL "--steps %d --checkpoint-every 1000 --resume %s", LENGTH,
           run);
  trainer_good(folder, command);
}

/* Kills at random moments of a run, whose length is learnt from the kills: it was shorter where the
 * run was over before, and longer where it had no checkpoint yet. */
START_TEST(kills_leave_no_trace) {
  char command[200], run[20];
  snprintf(command, sizeof command, SMALL "--steps %d --checkpoint-every 1000 --out whole", LENGTH);
  trainer_good(folder, command);
  uint64_t state = SEED;
  double ms = 500;
  int tries = 0, over = 0, before = 0;
  for (int resumed = 0; resumed < KILLS; tries++) {
    ck_assert_int_lt(tries, 200);
    snprintf(run, sizeof run, "killed%d", tries);
    double moment = random_between(&state, 0, ms);
    bool dead = killed_after(run, false, moment), begun = has_checkpoint(run);
    if (!dead) over++, ms *= 0.7;
    if (dead && !begun) before++, ms *= 1.2;
    if (!dead || !begun) continue;
    if (++resumed % 2) killed_after(run, true, moment / 3);
    resume_to_end(run);
    same_end(folder, "whole", run, LENGTH);
  }
  printf("seed %d: killed %d times, %d of them before the first checkpoint; %d runs were over\n",
         SEED, tries - over, before, over);
}
END_TEST

/* ---- a trainer is small ---- */

/* The whole file, symbols included; libmujoco is found when it runs. */
START_TEST(trainers_are_small) {
#ifdef SANITIZED
  printf("SKIP: sizes mean nothing under a sanitizer\n");
#else
  static const char *const specs[] = {"specs/sac.yaml", "specs/remac.yaml"};
  for (size_t i = 0; i < COUNTOF(specs); i++) {
    struct stat file;
    trainer_build(folder, "whole_size", specs[i], "");
    ck_assert_int_eq(stat(path_in(folder, "whole_size").text, &file), 0);
    ck_assert_msg(file.st_size < 2000000, "%s: %lld bytes", specs[i], (long long)file.st_size);
  }
#endif
}
END_TEST

/* ---- nothing is allocated once it runs ---- */

#ifndef SANITIZED
/* Allocations of a whole run of so many steps, with two updates or thousands of them. */
static unsigned long allocations_of(const char *run, int steps) {
  char command[200];
  snprintf(command, sizeof command, SMALL "--steps %d --eval-every 300 --eval-episodes 2 --out %s",
           steps, run);
  setenv("LD_PRELOAD", path_in(folder, "count.so").text, 1);
  setenv("COUNT_ALLOCATIONS", path_in(folder, "count").text, 1);
  pid_t child = trainer_start(folder, command);
  unsetenv("LD_PRELOAD");
  Ended ended = trainer_wait(folder, child);
  ck_assert_msg(ended.status == 0, "%s", ended.said);
  Bytes count = file_read(path_in(folder, "count").text);
  ck_assert_msg(count.data != NULL, "nothing was counted");
  unsigned long value = strtoul(count.data, NULL, 10);
  free(count.data);
  return value;
}
#endif

START_TEST(nothing_is_allocated_from_the_second_update_on) {
#ifdef SANITIZED
  printf("SKIP: allocations are not counted under a sanitizer\n");
#else
  char command[8192 + 200];
  snprintf(command, sizeof command, "gcc -shared -fPIC -O1 -o '%s' '%s/tests/count_allocations.c'",
           path_in(folder, "count.so").text, RLC_ROOT);
  ck_assert_int_eq(system(command), 0);
  unsigned long few = allocations_of("few", 201), many = allocations_of("many", 4201);
  printf("allocations of a run with 2 updates: %lu; with 4002, 14 evaluations, 8 lines: %lu\n", few,
         many);
  ck_assert_uint_gt(few, 10);
  ck_assert_uint_eq(few, many);
#endif
}
END_TEST

/* ---- elsewhere, and when something is wrong ---- */

START_TEST(trainers_can_be_moved) {
  Path other = path_in(folder, "elsewhere");
  ck_assert_int_eq(mkdir(other.text, 0777), 0);
  Bytes trainer = file_read(path_in(folder, "sac").text);
  file_write(path_in(other.text, "moved").text, trainer.data, trainer.size);
  chmod(path_in(other.text, "moved").text, 0755);
  free(trainer.data);
  trainer_good(folder, SMALL "--steps 1000 --out here");
  setenv("RLC_HOME", "/nowhere", 1);
  trainer_good(other.text, "moved --quiet --log-every 500 --steps 1000 --out ../there");
  same_end(folder, "here", "there", 1000);
}
END_TEST

/* A run that must fail with status 1 and say all of `parts`. */
static void check_failure(const char *command, const char *const *parts) {
  Ended ended = trainer_run(folder, command);
  ck_assert_msg(ended.status == 1 || ended.status == 2, "%s: status %d", command, ended.status);
  for (; *parts; parts++)
    ck_assert_msg(strstr(ended.said, *parts) != NULL, "%s: says '%s', not '%s'", command,
                  ended.said, *parts);
}
#define FAILS(command, ...) check_failure(command, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(wrong_options_are_refused) {
  FAILS("sac --stepz 10", "error:", "--stepz", "did you mean", "--steps");
  FAILS("sac --steps many", "error:", "--steps", "many");
  FAILS("sac --quiet --steps 10 --out sac/below", "error:", "sac/below");
  FAILS("sac --quiet --steps 10 --resume nothing", "error:", "nothing");
}
END_TEST

START_TEST(nan_stops_the_run) {
  FAILS("wild --quiet --steps 3000 --out wild1", "error:", "losses/", "step");
  ck_assert(access(path_in(folder, "wild1/result.json").text, F_OK) != 0);
}
END_TEST

START_TEST(damaged_checkpoints_are_refused) {
  static const char *const ends[] = {".safetensors", ".blobs", ".json"};
  for (size_t i = 0; i < COUNTOF(ends); i++) {
    char command[200], run[20];
    snprintf(run, sizeof run, "damaged%zu", i);
    snprintf(command, sizeof command, SMALL "--steps 600 --out %s", run);
    trainer_good(folder, command);
    Path checkpoints = path_in(path_in(folder, run).text, "checkpoints");
    Path file = file_find(checkpoints.text, "0", ends[i]);
    Bytes bytes = file_read(file.text);
    ck_assert(bytes.size > 100);
    bytes.data[bytes.size / 2] ^= 0x11;
    file_write(file.text, bytes.data, bytes.size);
    free(bytes.data);
    snprintf(command, sizeof command, SMALL "--steps 900 --resume %s", run);
    FAILS(command, "error:", "checkpoint");
  }
}
END_TEST

START_TEST(signals_stop_cleanly) {
  static const int signals[] = {SIGINT, SIGTERM};
  static const char *const names[] = {"SIGINT", "SIGTERM"};
  for (int i = 0; i < 2; i++) {
    char command[200];
    snprintf(command, sizeof command, "sac --quiet --log-every 500 --steps 1e9 --out stopped%d", i);
    pid_t child = trainer_start(folder, command);
    snprintf(command, sizeof command, "stopped%d", i);
    wait_text(path_in(path_in(folder, command).text, "progress.csv"), "\n500,");
    kill(child, signals[i]);
    Ended ended = trainer_wait(folder, child);
    ck_assert_msg(ended.status == 128 + signals[i], "status %d: %s", ended.status, ended.said);
    ck_assert_msg(strstr(ended.said, names[i]) && strstr(ended.said, "checkpoint"), "%s",
                  ended.said);
    ck_assert(has_checkpoint(command));
    unsigned step = (unsigned)result_number(folder, command, "step");
    snprintf(command, sizeof command, SMALL "--steps %u --resume stopped%d", step + 500, i);
    trainer_good(folder, command);
    snprintf(command, sizeof command, SMALL "--steps %u --out unbroken%d", step + 500, i);
    trainer_good(folder, command);
    char stopped[20], unbroken[20];
    snprintf(stopped, sizeof stopped, "stopped%d", i);
    snprintf(unbroken, sizeof unbroken, "unbroken%d", i);
    same_end(folder, stopped, unbroken, step + 500);
  }
}
END_TEST

static void build_all(void) {
  folder = directory_make();
  bench_home(folder);
  trainer_build(folder, "sac", "specs/sac.yaml",
                "env=Pendulum-v1 hidden=32 batch_size=32 warmup=200");
  trainer_build(folder, "wild", "specs/sac.yaml",
                "env=Pendulum-v1 hidden=8 batch_size=8 warmup=200 lr=1e30");
  trainer_build(folder, "large", "specs/sac.yaml",
                "env=Pendulum-v1 hidden=128 batch_size=256 warmup=200");
  trainer_build(folder, "paper", "specs/paper/remac_halfcheetah.yaml",
                "env.count=8 batch_size=64 fill=200");
  Ended ended = trainer_run(folder, "paper --quiet --steps 8 --eval-episodes 1 --out probe");
  mujoco = ended.status == 0;
  if (!mujoco) printf("MuJoCo: %s", ended.said);
}

static void remove_all(void) { directory_remove(folder); }

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("trainer");
  TCase *tests = tcase_create("trainer");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 400); /* on a crowded machine */
  tcase_add_unchecked_fixture(tests, build_all, remove_all);
  tcase_add_test(tests, threads_do_not_matter);
  tcase_add_test(tests, threads_share_the_work);
  tcase_add_test(tests, evaluation_does_not_matter);
  tcase_add_test(tests, paper_settings_keep_bits);
  tcase_add_test(tests, kills_leave_no_trace);
  tcase_add_test(tests, trainers_are_small);
  tcase_add_test(tests, nothing_is_allocated_from_the_second_update_on);
  tcase_add_test(tests, trainers_can_be_moved);
  tcase_add_test(tests, wrong_options_are_refused);
  tcase_add_test(tests, nan_stops_the_run);
  tcase_add_test(tests, damaged_checkpoints_are_refused);
  tcase_add_test(tests, signals_stop_cleanly);
  return suite_run(suite);
}
