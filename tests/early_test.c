/* What a step keeps and needs only its action is computed by the acting program: the same values,
 * and nothing that came of the step moves. */
#include "tests/spec_code.h"

#include "compiler/passes/passes.h"

static bool has_output(const Spec *spec, uint32_t program, const char *slot) {
  const Module *module = spec->module;
  if (program == RLC_NONE) return false;
  const Program *of = &module->programs[program];
  for (size_t i = 0; i < of->output_count; i++)
    if (strcmp(module->graph->slots[of->outputs[i].slot].name, slot) == 0) return true;
  return false;
}

#define PENDULUM "env.id=Pendulum-v1 env.count=5 steps=16 minibatches=4 hidden=8"

/* The log-probability and the value of what was seen go to the action, the value of what came of it
 * stays. */
START_TEST(what_came_of_the_step_stays) {
  Spec spec = spec_open("specs/ppo.yaml", PENDULUM);
  spec_passes(&spec, "early");
  const RlcActing *explore = &spec.module->shell.explore;
  ck_assert(has_output(&spec, explore->program, "act.old_log_prob"));
  ck_assert(has_output(&spec, explore->program, "act.value"));
  ck_assert(!has_output(&spec, explore->program, "act.next_value"));
  ck_assert(has_output(&spec, explore->store, "act.next_value"));
  ck_assert(!has_output(&spec, explore->store, "act.old_log_prob"));
  spec_close(&spec);
}
END_TEST

static const char counting[] = "name: counting\n"
                               "extends: " RLC_ROOT "/specs/ppo.yaml\n"
                               "env: {id: Pendulum-v1, count: 4}\n"
                               "constants: {steps: 16, minibatches: 4, hidden: 8}\n"
                               "state:\n  seen: {axes: env, init: 0}\n"
                               "act:\n  set: {seen: seen + 1}\n"
                               "store: {value: seen + critic(obs)}\n";

/* A program of its own is left out where it has become empty; a state that acting sets has moved
 * on, so that its readers stay. */
START_TEST(states_that_acting_sets_stay) {
  Spec spec = spec_open("specs/ppo_rltools.yaml", "env.count=4 steps=16 minibatches=2 hidden=8");
  spec_passes(&spec, "early");
  ck_assert_uint_eq(spec.module->shell.explore.store, RLC_NONE);
  spec_close(&spec);
  spec = spec_text(counting, "");
  spec_passes(&spec, "early");
  ck_assert(has_output(&spec, spec.module->shell.explore.store, "act.value"));
  ck_assert(!has_output(&spec, spec.module->shell.explore.program, "act.value"));
  ck_assert(has_output(&spec, spec.module->shell.explore.program, "act.old_log_prob"));
  spec_close(&spec);
}
END_TEST

static void fill_acting(const Runner *runner) {
  runner_run(runner, "init", 3, 0);
  for (uint32_t s = 0; s < runner->rlc->slot_count; s++) {
    const RlcSlot *slot = &runner->rlc->slots[s];
    if (strcmp(slot->name, "act.obs") != 0 && strcmp(slot->name, "act.next_obs") != 0) continue;
    double values[64];
    uint64_t state = 7 + s;
    for (uint64_t i = 0; i < rlc_slot_elements(slot); i++)
      values[i] = random_between(&state, -1, 1);
    runner_set(runner, s, values);
  }
}

/* Acting, then keeping, in both forms. */
START_TEST(values_are_the_same) {
  Spec late = spec_open("specs/ppo.yaml", PENDULUM), soon = spec_open("specs/ppo.yaml", PENDULUM);
  spec_passes(&late, "erase");
  spec_passes(&soon, "early");
  Runner a = runner_oracle(late), b = runner_oracle(soon);
  static const char *const kept[] = {"act.action", "act.old_log_prob", "act.value",
                                     "act.next_value"};
  const Runner *both[] = {&a, &b};
  for (int i = 0; i < 2; i++) {
    fill_acting(both[i]);
    runner_run(both[i], "explore", 3, 41);
    runner_run(both[i], "store", 3, 41);
  }
  for (size_t i = 0; i < COUNTOF(kept); i++) {
    uint32_t slot = rlc_slot_find(a.rlc, kept[i]);
    ck_assert_uint_eq(slot, rlc_slot_find(b.rlc, kept[i]));
    ck_assert_msg(runner_distance(&a, &b, slot) < 1e-6, "%s differs", kept[i]);
    double *values = runner_get(&b, slot);
    ck_assert_double_gt(fabs(values[0]), 0);
    free(values);
  }
  runner_close(&a);
  runner_close(&b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("early");
  TCase *tests = tcase_create("early");
  tcase_add_test(tests, what_came_of_the_step_stays);
  tcase_add_test(tests, states_that_acting_sets_stay);
  tcase_add_test(tests, values_are_the_same);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
