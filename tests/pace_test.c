/* Which of two ways is taken, by made-up times; and that a program that is run by a team is shared
 * evenly. */
#include "tests/spec_code.h"

#include "runtime/team.h"

/* Runs that take what `seconds` says of each way, for so many of them; returns how many took the
 * second way. */
static uint32_t paced(Pace *pace, const double seconds[2], uint32_t runs) {
  uint32_t second = 0;
  for (uint32_t i = 0; i < runs; i++) {
    bool way = pace_second(pace);
    second += way;
    pace_note(pace, seconds[way]);
  }
  return second;
}

START_TEST(the_faster_way_is_taken) {
  static const double ways[][2] = {{1e-3, 2e-3}, {2e-3, 1e-3}, {1e-6, 2e-6}, {2e-6, 1e-6},
                                   {1e-3, 0.1},  {0.1, 1e-3},  {1, 2},       {2, 1}};
  const double *seconds = ways[_i];
  bool faster = seconds[1] < seconds[0];
  Pace pace = {0};
  paced(&pace, seconds, 4000); /* short runs are tried many times */
  double lost = 0, all = 0;
  for (uint32_t i = 0; i < 200000; i++) {
    bool way = pace_second(&pace);
    pace_note(&pace, seconds[way]);
    all += seconds[way];
    if (way != faster) lost += seconds[way] - seconds[faster];
  }
  ck_assert_double_lt(lost, 0.06 * all);
}
END_TEST

/* Somebody takes a core: the team becomes slow, and is left soon. When it is quiet again the team
 * is found again. */
START_TEST(changes_are_noticed) {
  static const double quiet[2] = {1e-4, 2e-4}, busy[2] = {5e-3, 2e-4};
  Pace pace = {0};
  paced(&pace, quiet, 1000);
  ck_assert(!pace_second(&pace));
  paced(&pace, busy, 200);
  ck_assert_uint_gt(paced(&pace, busy, 5000), 4800);
  paced(&pace, quiet, 20000);
  ck_assert_uint_lt(paced(&pace, quiet, 10000), 1000);
}
END_TEST

/* The way taken becomes slower than the other one was, though not by much, after it has been good
 * for long. */
START_TEST(the_other_way_is_remembered) {
  static const double near[2] = {5e-5, 8e-5}, far[2] = {9e-5, 8e-5};
  Pace pace = {0};
  paced(&pace, near, 400000);
  ck_assert(!pace_second(&pace));
  ck_assert_uint_gt(paced(&pace, far, 4000), 3000);
}
END_TEST

/* ---- shares ---- */

typedef struct Shared {
  const RlcModule *module;
  uint32_t program;
  RlcCall call;
} Shared;

static void shared_part(void *arg, uint32_t thread, uint32_t threads) {
  Shared *shared = arg;
  RlcCall call = shared->call;
  call.thread = thread, call.threads = threads;
  call.context = shared->module->programs[shared->program].context;
  shared->module->programs[shared->program].run(&call);
}

START_TEST(a_team_shares_the_work) {
  Spec spec = spec_open("specs/sac.yaml", "env=Pendulum-v1 hidden=128 batch_size=256");
  spec_passes(&spec, NULL);
  Loaded *loaded = spec_load(&spec);
  const RlcModule *module = load_module(loaded);
  RunError error;
  uint64_t done[2] = {0};
  Team *team = team_make(2, &error);
  Shared shared = {module,
                   (uint32_t)spec_program(&spec, "update"),
                   {.memory = guarded_alloc(module->memory_bytes, 0),
                    .work = guarded_alloc(work_size(module), 0),
                    .barrier = team_barrier,
                    .team = team,
                    .done = done}};
  for (int i = 0; i < 20; i++) team_run(team, shared_part, &shared);
  double share = (double)done[0] / (double)(done[0] + done[1]);
  ck_assert_msg(share > 0.4 && share < 0.6, "the first thread did %.3f of it", share);
  team_free(team);
  free(shared.call.memory);
  free(shared.call.work);
  load_close(loaded);
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pace");
  TCase *tcase = tcase_create("pace");
  tcase_add_loop_test(tcase, the_faster_way_is_taken, 0, 8);
  tcase_add_test(tcase, changes_are_noticed);
  tcase_add_test(tcase, the_other_way_is_remembered);
  tcase_add_test(tcase, a_team_shares_the_work);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
