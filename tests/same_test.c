/* Optimiser states that always hold the same are read as one, and no others are. */
#include "tests/spec_code.h"

#include "compiler/passes/passes.h"

/* Which of the optimiser's counts the programs read; `reads` counts them. */
static bool count_is_read(const Spec *spec, const char *part, size_t *reads) {
  Node **nodes;
  size_t count = module_reach(spec->module, NULL, spec->arena, &nodes);
  bool found = false;
  *reads = 0;
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_input) continue;
    const Slot *slot = &spec->graph->slots[nodes[i]->attr.key];
    if (slot->kind != RLC_OPTIMIZER || !strstr(slot->name, ".count")) continue;
    found = found || strstr(slot->name, part);
    ++*reads;
  }
  return found;
}

START_TEST(counts_that_grow_together_are_one) {
  Spec spec = spec_open("specs/sac.yaml", "env=Pendulum-v1 hidden=8 batch_size=8");
  size_t before, after;
  count_is_read(&spec, "", &before);
  spec_passes(&spec, "same");
  count_is_read(&spec, "", &after);
  ck_assert_uint_gt(before, 10);
  ck_assert_uint_eq(after, 1);
  spec_close(&spec);
}
END_TEST

static const char delayed[] = "name: delayed\n"
                              "parameters: {fast: 1, slow: 1, late: 1}\n"
                              "losses:\n"
                              "  often: {over: fast, minimize: square(fast)}\n"
                              "  both: {over: late, minimize: square(late)}\n"
                              "  seldom: {over: slow, minimize: square(slow)}\n"
                              "optimizers: {default: adam(0.1), both: 'adam_from_two(0.1)'}\n"
                              "define:\n"
                              "  adam_from_two(lr):\n"
                              "    state: {count: {axes: none, init: 2}}\n"
                              "    set: {count: count + 1}\n"
                              "    step: parameter - lr / count * gradient\n"
                              "loop:\n"
                              "  - descend: [often, both]\n"
                              "  - every: {iteration: 2}\n"
                              "    do:\n"
                              "      - descend: seldom\n";

/* Another first value and another rhythm are other states. */
START_TEST(others_stay_apart) {
  Spec spec = spec_text(delayed, "");
  size_t reads;
  spec_passes(&spec, "same");
  ck_assert(count_is_read(&spec, "fast", &reads) && count_is_read(&spec, "slow", &reads) &&
            count_is_read(&spec, "late", &reads));
  ck_assert_uint_eq(reads, 3);
  spec_close(&spec);
}
END_TEST

/* Each slot is written as before. */
START_TEST(every_count_is_kept) {
  Spec spec = spec_open("specs/sac.yaml", "env=Pendulum-v1 hidden=8 batch_size=8");
  spec_passes(&spec, NULL);
  Runner runner = runner_code(spec, RLC_F32);
  size_t counts = 0;
  runner_run(&runner, "init", 1, 0);
  for (uint64_t step = 0; step < 3; step++) runner_run(&runner, "update", 1, step);
  for (uint32_t s = 0; s < runner.rlc->slot_count; s++) {
    const RlcSlot *slot = &runner.rlc->slots[s];
    if (slot->kind != RLC_OPTIMIZER || !strstr(slot->name, ".count")) continue;
    ck_assert_double_eq(rlc_slot_get(slot, runner.memory, 0), 3);
    counts++;
  }
  ck_assert_uint_gt(counts, 10);
  runner_close(&runner);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("same");
  TCase *tests = tcase_create("same");
  tcase_add_test(tests, counts_that_grow_together_are_one);
  tcase_add_test(tests, others_stay_apart);
  tcase_add_test(tests, every_count_is_kept);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
