/* Commands and workers that share a study's folder, and what trainers are told: every run is made
 * by one of them, and only what was prepared. */
#include "tests/study_fixture.h"
#include "tests/suite.h"

/* ---- commands ---- */

START_TEST(two_commands_share_the_work) {
  Asked asked = {.name = "shared", .steps = LONG_STEPS, .seeds = 3, .jobs = 1};
  Asked other = asked;
  other.said = "other";
  pid_t first = study_start(&asked), second = study_start(&other);
  Ended one = study_wait(&asked, first), two = study_wait(&other, second);
  ck_assert_int_eq(one.status, 0);
  ck_assert_int_eq(two.status, 0);
  ck_assert_uint_eq(study_count(&asked, STUDY_DONE), 6);
  ck_assert_uint_eq(count_of(one.said, ": begins") + count_of(two.said, ": begins"), 6);
  ck_assert_uint_eq(count_of(one.said, ": goes on") + count_of(two.said, ": goes on"), 0);
}
END_TEST

START_TEST(a_run_that_is_held_is_left_alone) {
  Asked asked = {.name = "held", .points = 1}, worker = asked;
  study_good(&asked);
  folder_remove(run_file(&asked, 0, 1, "").text);
  int lock = claim_take(run_file(&asked, 0, 1, ".lock").text, false);
  ck_assert_int_ge(lock, 0);
  ck_assert_uint_eq(study_count(&asked, STUDY_RUNNING), 1);
  worker.worker = true;
  study_good(&worker); /* which does not wait */
  ck_assert(access(run_file(&asked, 0, 1, "").text, F_OK) != 0);
  close(lock);
  study_good(&worker);
  ck_assert_uint_eq(study_count(&asked, STUDY_DONE), 2);
}
END_TEST

/* A process that holds the first run, as another command would. */
static pid_t holder_start(const Asked *asked) {
  pid_t holder = fork();
  if (holder == 0)
    while (claim_take(run_file(asked, 0, 1, ".lock").text, true) >= 0) pause();
  for (int times = 0; !study_count(asked, STUDY_RUNNING) && wait_more(&times);) {
  }
  ck_assert_uint_eq(study_count(asked, STUDY_RUNNING), 1);
  return holder;
}

static void holder_end(pid_t holder) {
  kill(holder, SIGKILL);
  ck_assert_int_eq(waitpid(holder, NULL, 0), holder);
}

/* Whoever waits for a run makes it when it is given back: a command waits as long as it takes, a
 * worker for some seconds. */
START_TEST(a_run_that_is_given_back_is_made) {
  for (int worker = 0; worker < 2; worker++) {
    Asked asked = {.name = worker ? "worker" : "waiting", .points = 1};
    study_good(&asked);
    folder_remove(run_file(&asked, 0, 1, "").text);
    pid_t holder = holder_start(&asked);
    asked.worker = worker;
    pid_t command = study_start(&asked);
    sleep_ms(1000); /* of the worker's five seconds */
    ck_assert_int_eq(waitpid(command, NULL, WNOHANG), 0);
    holder_end(holder);
    Ended ended = study_wait(&asked, command);
    ck_assert_msg(ended.status == 0 && count_of(ended.said, "seed 1: begins") == 1, "%d: %s",
                  ended.status, ended.said);
    ck_assert_uint_eq(study_count(&asked, STUDY_DONE), 2);
  }
}
END_TEST

/* ---- workers ---- */

/* A folder that is prepared and of which no run is begun. */
static void prepared_only(const Asked *asked) {
  study_good(asked);
  for (size_t point = 0; point < 2; point++) {
    folder_remove(run_file(asked, point, 1, "").text);
    ck_assert_int_eq(unlink(run_file(asked, point, 1, ".json").text), 0);
  }
}

/* The study's file may change while workers wait for their turn. */
START_TEST(workers_make_what_was_prepared) {
  Asked asked = {.name = "prepared", .seeds = 1}, worker = asked;
  prepared_only(&asked);
  worker.worker = true;
  Asked longer = worker, more = worker, other = worker;
  longer.steps = SMALL_STEPS + 300, more.seeds = 2, other.rate = "7e-4";
  SAYS(&longer, 1, "rates.yaml' is not what '", "its runs have the options '--steps 1800 ",
       "and had '--steps 1500 ", "nothing is begun");
  SAYS(&more, 1, "it asks for 4 runs, and asked for 2");
  SAYS(&other, 1, "'runs/sac_rate=1/Pendulum-v1/seed-1' is another program");
  ck_assert_uint_eq(study_count(&asked, STUDY_WAITING), 2);
  for (size_t point = 0; point < 2; point++)
    ck_assert(access(run_file(&asked, point, 1, ".json").text, F_OK) != 0);
  study_good(&worker);
  ck_assert_uint_eq(study_count(&asked, STUDY_DONE), 2);
}
END_TEST

/* ---- trainers ---- */

/* Takes the place of the trainer: says its options and how often it is asked to stop, and ends when
 * it is asked twice. */
static const char stubborn[] =
    "#!/bin/sh\n"
    "count=0\n"
    "trap 'count=$((count + 1)); echo \"asked $count\"; [ $count = 2 ] && exit 143' TERM\n"
    "echo \"options: $*\"\n"
    "while :; do sleep 0.05; done\n";

/* Checkpoints go by the clock, and what the study's file says stands behind what we say. */
START_TEST(a_second_wish_reaches_the_trainers) {
  Asked asked = {.name = "stubborn", .points = 1, .seeds = 1, .jobs = 1};
  study_good(&asked);
  Path trainer = trainer_file(&asked), log = run_file(&asked, 0, 2, ".log");
  ck_assert_int_eq(unlink(trainer.text), 0);
  file_write(trainer.text, stubborn, sizeof stubborn - 1);
  chmod(trainer.text, 0755);
  asked.seeds = 2;
  pid_t command = study_start(&asked);
  wait_text(log,
            "options: --quiet --threads 1 --checkpoint-every 0 --checkpoint-minutes 1 --seed 2 "
            "--steps 1500 --eval-every 600 --eval-episodes 2 --checkpoint-every 600 "
            "--log-every 300 --out ");
  kill(command, SIGINT);
  wait_text(log, "asked 1\n");
  ck_assert_int_eq(waitpid(command, NULL, WNOHANG), 0);
  kill(command, SIGINT);
  Ended ended = study_wait(&asked, command);
  wait_text(log, "asked 2\n");
  ck_assert_msg(ended.status == 130 && strstr(ended.said, "seed 2: interrupted"), "%d: %s",
                ended.status, ended.said);
  ck_assert_uint_eq(count_of(ended.said, "stopping: trainers write their checkpoints"), 1);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("study_share");
  TCase *tests = tcase_create("study_share");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, fixture_open, fixture_close);
  tcase_add_test(tests, two_commands_share_the_work);
  tcase_add_test(tests, a_run_that_is_held_is_left_alone);
  tcase_add_test(tests, a_run_that_is_given_back_is_made);
  tcase_add_test(tests, workers_make_what_was_prepared);
  tcase_add_test(tests, a_second_wish_reaches_the_trainers);
  return suite_run(suite);
}
