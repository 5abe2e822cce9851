/* Windows, priorities and values written back, from a spec's text to whole passes: generated code
 * beside the oracle, and on two threads. */
#include "tests/spec_code.h"

#include "runtime/slot.h"
#include "runtime/training.h"
#include "tests/suite.h"

enum { PASSES = 8 };

static const char text[] = "name: written\n"
                           "env: {id: Pendulum-v1, count: 2}\n"
                           "networks:\n"
                           "  critic:\n"
                           "    input: obs, action\n"
                           "    layers: dense(8), tanh, dense()\n"
                           "replay:\n"
                           "  capacity: 24\n"
                           "  batch: 16\n"
                           "  window: 3\n"
                           "  priority: {exponent: 0.6, weight_exponent: 0.4}\n"
                           "  extra: {best: action}\n"
                           "act:\n"
                           "  explore: sample(box)\n"
                           "  evaluate: 0 * sample(box)\n"
                           "losses:\n"
                           "  critic:\n"
                           "    over: critic\n"
                           "    let:\n"
                           "      off: critic(obs, action) + critic(obs, best) - reward\n"
                           "      td: sum[ahead](valid * off) / sum[ahead](valid)\n"
                           "    minimize: mean[batch](weight * square(td))\n"
                           "    write:\n"
                           "      priority: abs(td) + 0.01\n"
                           "      best: mean[ahead](0.5 * best - 0.5 * action)\n"
                           "optimizers:\n"
                           "  default: adam(1e-2)\n"
                           "loop:\n"
                           "  - collect: 3\n"
                           "  - repeat: 3\n"
                           "    do:\n"
                           "      - sample: replay\n"
                           "      - descend: critic\n";

static Trainer *train(const RlcModule *module, uint32_t threads) {
  Trainer *trainer = calloc(1, sizeof *trainer);
  Options options = {
      .steps = 1000000, .seed = 7, .threads = threads, .eval_episodes = 1, .quiet = true};
  ck_assert_msg(trainer_make(trainer, module, &options), "%s", trainer->error.text);
  for (int i = 0; i < PASSES; i++) ck_assert_msg(trainer_pass(trainer), "%s", trainer->error.text);
  return trainer;
}

static uint32_t slot_of(const RlcModule *module, const char *name) {
  for (uint32_t s = 0; s < module->slot_count; s++)
    if (strcmp(module->slots[s].name, name) == 0) return s;
  ck_abort_msg("no slot '%s'", name);
}

/* All that outlives a pass, and the whole last batch. */
static void compare(const Trainer *a, const Trainer *b, double bar) {
  const RlcModule *module = b->module;
  for (uint32_t s = 0; s < module->slot_count; s++) {
    const RlcSlot *slot = &module->slots[s];
    const RlcSlot *other = &a->module->slots[slot_of(a->module, slot->name)];
    if (slot->kind == RLC_COUNTER || slot->kind == RLC_METRIC) continue;
    for (uint64_t i = 0; i < rlc_slot_elements(slot); i++) {
      double x = rlc_slot_get(other, a->memory, i), y = rlc_slot_get(slot, b->memory, i);
      if (!(fabs(x - y) <= bar * (1 + fabs(y))))
        ck_abort_msg("%s[%llu] is %g, not %g", slot->name, (unsigned long long)i, x, y);
    }
  }
}

/* The last sample saw values that were written: what was stored is an action of the box's. */
static void check_written(const Trainer *trainer) {
  const RlcSlot *best = &trainer->module->slots[slot_of(trainer->module, "replay.best")],
                *action = &trainer->module->slots[slot_of(trainer->module, "replay.action")],
                *weight = &trainer->module->slots[slot_of(trainer->module, "replay.weight")],
                *valid = &trainer->module->slots[slot_of(trainer->module, "replay.valid")];
  uint32_t written = 0, kept = 0, lighter = 0;
  ck_assert_uint_eq(rlc_slot_elements(valid), 16 * 3);
  for (uint64_t i = 0; i < rlc_slot_elements(best); i++) {
    bool same = rlc_slot_get(best, trainer->memory, i) == rlc_slot_get(action, trainer->memory, i);
    written += !same;
    kept += same;
  }
  for (uint64_t i = 0; i < rlc_slot_elements(weight); i++) {
    double value = rlc_slot_get(weight, trainer->memory, i);
    ck_assert(value > 0 && value <= 1);
    lighter += value < 1;
  }
  ck_assert_msg(written > 8 && kept > 0 && lighter > 4, "%u written, %u kept, %u weights below 1",
                written, kept, lighter);
}

START_TEST(code_and_oracle_agree) {
  Spec plain = spec_text(text, "");
  ck_assert_uint_eq(diag_warnings(plain.session.diag), 0);
  spec_passes(&plain, "grad");
  Trainer *oracle = train(oracle_module(plain.arena, plain.module), 1);
  ck_assert_uint_eq(oracle->state.updates, 3 * PASSES);
  check_written(oracle);
  Spec spec = spec_text(text, "");
  spec_passes(&spec, NULL);
  Runner runner = runner_code(spec, RLC_F64);
  Trainer *one = train(runner.rlc, 1), *two = train(runner.rlc, 2);
  compare(one, oracle, 1e-7);
  compare(two, one, 0);
  Trainer *all[] = {oracle, one, two};
  for (int i = 0; i < 3; i++) {
    trainer_free(all[i]);
    free(all[i]);
  }
  runner_close(&runner);
  spec_close(&plain);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_spec");
  TCase *tests = tcase_create("replay_spec");
  tcase_set_timeout(tests, 300);
  tcase_add_test(tests, code_and_oracle_agree);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
