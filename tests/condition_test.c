/* Conditions of the loop: those of counters alone become terms that the runtime works out, with
 * ops.def's meaning; all others stay programs. */
#include "tests/spec_fixture.h"

#include "runtime/training.h"
#include "tests/suite.h"

static const double counters[RLC_COUNTERS] = {[RLC_STEP] = 1000,
                                              [RLC_ITERATION] = 10,
                                              [RLC_UPDATES] = 20,
                                              [RLC_STORED] = 500,
                                              [RLC_PROGRESS] = 0.25};

/* The compiler and the runtime number the rows alike, and mean the same by them. */
START_TEST(every_operation_has_its_meaning) {
  int known = 0;
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &op_table[op];
    RlcTerm terms[4] = {{.op = OP_const, .value = info->at[0]},
                        {.op = OP_const, .value = info->at[1]},
                        {.op = OP_const, .value = info->at[2]},
                        {.op = (uint8_t)op, .src = {0, 1, 2}}};
    bool good = terms_check(terms, 4);
    ck_assert_msg(good == (!info->shaped || op == OP_const || op == OP_input), "%s", info->name);
    if (info->shaped) continue;
    double value = terms_value(terms, 4, counters);
    ck_assert_msg(value == info->at[3], "%s is %g", info->name, value);
    known++;
  }
  ck_assert_int_gt(known, 20);
}
END_TEST

START_TEST(terms_that_make_no_sense_are_refused) {
  const RlcTerm one = {.op = OP_const}, unknown = {.op = OP_COUNT},
                far = {.op = OP_input, .counter = RLC_COUNTERS},
                itself[2] = {{.op = OP_const}, {.op = OP_add, .src = {0, 1}}};
  RlcTerm many[RLC_TERMS + 1] = {{.op = OP_const}};
  for (int i = 0; i <= RLC_TERMS; i++) many[i] = one;
  ck_assert(terms_check(&one, 1));
  ck_assert(terms_check(many, RLC_TERMS));
  ck_assert(!terms_check(many, RLC_TERMS + 1));
  ck_assert(!terms_check(NULL, 0));
  ck_assert(!terms_check(&unknown, 1));
  ck_assert(!terms_check(&far, 1));
  ck_assert(!terms_check(itself, 2));
}
END_TEST

/* ---- of specs ---- */

static Spec spec_when(const char *condition) {
  char text[1024];
  snprintf(text, sizeof text,
           "extends: " RLC_ROOT "/specs/toy/bandit_dpg.yaml\nname: conditional\nloop:\n"
           "  - collect: 1\n  - when: %s\n    do:\n      - sample: replay\n      - descend: all\n",
           condition);
  return spec_text(text, "");
}

static const struct {
  const char *text;
  double value; /* at the counters above */
} counted[] = {{"stored >= 500", 1},
               {"stored > warmup + 436", 0},
               {"min(step, 4 * iteration) - updates", 20},
               {"where(progress < 0.3, iteration, 7) / 4", 2.5},
               {"progress", 0.25},
               {"step > 999.9999999999", 1},
               {"true", 1}};

START_TEST(counters_alone_need_no_program) {
  Spec spec = spec_when(counted[_i].text);
  const RlcModule *shell = &spec.module->shell;
  const RlcStep *step = &shell->steps[1];
  ck_assert_int_eq(step->op, RLC_DO_WHEN);
  ck_assert_uint_eq(step->index, RLC_NONE);
  ck_assert(terms_check(step->terms, step->term_count));
  double value = terms_value(step->terms, step->term_count, counters);
  ck_assert_msg(value == counted[_i].value, "%s is %g", counted[_i].text, value);
  for (size_t p = 0; p < spec.module->program_count; p++)
    ck_assert(strncmp(spec.module->programs[p].name, "when", 4) != 0);
  for (int c = 0; c < RLC_COUNTERS; c++) ck_assert_uint_eq(shell->counters[c], RLC_NONE);
  spec_close(&spec);
}
END_TEST

START_TEST(other_conditions_stay_programs) {
  Spec spec = spec_when("mean[act](mu) < stored");
  const RlcModule *shell = &spec.module->shell;
  const RlcStep *step = &shell->steps[1];
  ck_assert_int_eq(step->op, RLC_DO_WHEN);
  ck_assert_uint_eq(step->index, spec_program(&spec, "when1"));
  ck_assert_uint_eq(step->term_count, 0);
  ck_assert_uint_eq(shell->counters[RLC_STORED], spec_slot(&spec, "counter.stored"));
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("condition");
  TCase *tests = tcase_create("condition");
  tcase_add_test(tests, every_operation_has_its_meaning);
  tcase_add_test(tests, terms_that_make_no_sense_are_refused);
  tcase_add_loop_test(tests, counters_alone_need_no_program, 0, COUNTOF(counted));
  tcase_add_test(tests, other_conditions_stay_programs);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
