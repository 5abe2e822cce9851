/* A density of a draw that is differentiated through the draw is not the score function: which
 * losses get that warning. */
#include "tests/spec_fixture.h"

static const char pathwise[] =
    "extends: " RLC_ROOT "/tests/diag/base/small.yaml\n"
    "constants: {K: null}\n"
    "losses:\n"
    "  actor:\n"
    "    let:\n"
    "      p: policy(obs)\n"
    "      a: sample[try=M](p)\n"
    "      fixed: log_prob(p, stop(a))\n"
    "    minimize: mean[batch, try](%s)\n"
    "    log: {q: 'mean[batch, try](q)', fixed: 'mean[batch, try](fixed)'}\n";

/* Losses that a score-function warning must not come of, and such that it must. */
static const struct {
  const char *value;
  size_t warnings;
} weighted_losses[] = {
    {"stop(min[twin](critic(obs, a))) * fixed", 0},
    {"stop(exp(log_alpha)) * a.log_prob - min[twin](critic(obs, a))", 0},
    {"where(stop(a.log_prob) < 1, stop(exp(log_alpha)) * a.log_prob - q, 0.1 * a.log_prob)", 0},
    {"0.1 * a.log_prob", 0},
    {"stop(reward) * a.log_prob", 0},
    {"stop(q) * a.log_prob - q", 0},
    {"stop(q) * log_prob(p, action)", 0},
    {"stop(q) * a.log_prob", 1},
    {"a.log_prob / stop(q)", 1},
    {"stop(q) * log_prob(p, a)", 1},
    {"stop(q) * (a.log_prob - 3)", 1},
    {"min(exp(a.log_prob - stop(a.log_prob)) * stop(q), 5)", 1},
};

START_TEST(the_score_function_trap) {
  char text[1024];
  snprintf(text, sizeof text, pathwise, weighted_losses[_i].value);
  Spec spec = spec_text(text, "");
  ck_assert_msg(diag_warnings(spec.session.diag) == weighted_losses[_i].warnings,
                "%s: %zu warnings", weighted_losses[_i].value, diag_warnings(spec.session.diag));
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("score trap");
  TCase *tests = tcase_create("score trap");
  suite_add_tcase(suite, tests);
  tcase_add_loop_test(tests, the_score_function_trap, 0, (int)COUNTOF(weighted_losses));
  return suite_run(suite);
}
