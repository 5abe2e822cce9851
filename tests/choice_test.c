/* Choices that are gone back through at the chosen places alone: what that saves on published
 * updates, that values stay whatever stands around a minimum, and when it is left. */
#include "tests/spec_code.h"

#include "compiler/passes/passes.h"

/* ---- what it saves ---- */

/* Contractions of one update (256x256, batch 256, HalfCheetah) in MFLOP, counted by an independent
 * prototype, which had 1 to 2 MFLOP more at the head. */
typedef struct Saving {
  const char *path, *overrides;
  double all, chosen;
} Saving;

static const Saving savings[] = {{"specs/sac.yaml", "", 577.1, 542.5},
                                 {"specs/remac.yaml", "M=8 K=1", 1542.3, 1265.5},
                                 {"specs/remac.yaml", "M=8 K=4", 1542.3, 1163.1},
                                 {"specs/remac.yaml", "M=8 K=8", 1542.3, 1025.1},
                                 {"specs/remac.yaml", "M=16 K=1", 2645.4, 2091.8},
                                 {"specs/remac.yaml", "M=16 K=4", 2645.4, 1990.5},
                                 {"specs/remac.yaml", "M=16 K=8", 2645.4, 1852.6}};

static double contraction_mflop(const Spec *spec, const Program *program) {
  Node **nodes;
  double flops = 0;
  size_t count = module_reach(spec->module, program, spec->arena, &nodes);
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_contract) flops += contract_flops(spec->graph, nodes[i]);
  return flops / 1e6;
}

static size_t chosen_weights(const Spec *spec) {
  Node **nodes;
  size_t found = 0, count = module_reach(spec->module, NULL, spec->arena, &nodes);
  for (size_t i = 0; i < count; i++)
    found += nodes[i]->op == OP_contract && contract_chosen(spec->graph, nodes[i]) >= 0;
  return found;
}

START_TEST(one_critic_goes_back) {
  const Saving *saving = &savings[_i];
  Spec spec = spec_open(saving->path, saving->overrides);
  spec_passes(&spec, NULL);
  const Program *update = &spec.module->programs[spec_program(&spec, "update")];
  ck_assert_double_eq_tol(update->minimal_flops / 1e6, saving->all, 4.5);
  ck_assert_double_eq_tol(contraction_mflop(&spec, update), saving->chosen, 2.5);
  ck_assert_uint_eq(chosen_weights(&spec), 2);
  spec_close(&spec);
}
END_TEST

/* Too few rows to fill buckets: the spec as tests have it. */
START_TEST(few_rows_go_back_through_all) {
  Spec spec = spec_open("specs/sac.yaml", "env=Pendulum-v1 hidden=16 batch_size=8");
  spec_passes(&spec, NULL);
  ck_assert_uint_eq(chosen_weights(&spec), 0);
  ck_assert_uint_eq(spec.module->note_count, 1);
  ck_assert(strstr(spec.module->notes[0].text, "of a choice along twin of 2 all go back"));
  spec_close(&spec);
}
END_TEST

/* ---- that values stay ---- */

/* Scores of tries by an ensemble of small networks with an input of their own making. `N` critics,
 * of which two pairs may be alike. */
#define SCORES                                                                                     \
  "name: t\n"                                                                                      \
  "constants: {N: 2, R: 40, same: 0}\n"                                                            \
  "parameters:\n"                                                                                  \
  "  x: {axes: [row=R, try=6, in=3], init: 'sin(iota[row=R] + 2 * iota[try=6] + 5 * "              \
  "iota[in=3])'}\n"                                                                                \
  "  a: {axes: [twin=N, in=3, h=64], init: 'cos(where(same, 1, iota[twin=N]) + 3 * iota[in=3] * "  \
  "iota[h=64])'}\n"                                                                                \
  "  b: {axes: [twin=N, h=64, k=48], init: 'sin(where(same, 1, iota[twin=N]) - iota[h=64] * "      \
  "iota[k=48]) * 0.2'}\n"                                                                          \
  "  c: {axes: [twin=N, k=48, atom=3], init: 'cos(where(same, 1, iota[twin=N]) + iota[k=48] - "    \
  "iota[atom=3])'}\n"                                                                              \
  "optimizers: {default: sgd(0.1)}\n"                                                              \
  "loop: [{descend: fit}]\n"                                                                       \
  "losses:\n"                                                                                      \
  "  fit:\n"                                                                                       \
  "    over: OVER\n"                                                                               \
  "    let:\n"                                                                                     \
  "      l: 'relu(sum[in](x * a))'\n"                                                              \
  "      m: 'tanh(sum[h](l * b))'\n"                                                               \
  "      z: 'sum[k](m * c)'\n"                                                                     \
  "      q: 'sum[atom](z)'\n"                                                                      \
  "    minimize: "

typedef struct Loss {
  const char *over, *overrides, *minimized;
  bool chosen; /* some weight is chosen by row */
} Loss;

static const Loss losses[] = {
    {"x", "", "'sum[row, try](min[twin](q))'", true},
    {"x", "N=3", "'sum[row, try](min[twin](q))'", true},
    {"x", "N=10", "'sum[row, try](min[twin](q))'", true},
    {"x", "N=3", "'sum[row, try](square(max[twin](q)))'", true},
    {"x", "same=1", "'sum[row, try](min[twin](q))'", true},
    {"[x, a, b, c]", "", "'sum[row, try](min[twin](q))'", true},
    {"[x, a, b, c]", "N=3", "'sum[row, try](square(min[twin](q)) + 0.1 * sum[in](square(x)))'",
     true},
    {"x", "", "'sum[row, try](min[twin](q) - log(1 + sum[in](square(x))))'", true},
    {"x", "", "'sum[row, try](min[twin](q) + 0.1 * sum[twin](square(q)))'", false},
    {"x", "", "'sum[row](best_of[try](min[twin](q), 1))'", true},
    {"x", "", "'sum[row](best_of[try](min[twin](q), 3))'", true},
    {"x", "", "'sum[row](best_of[try](min[twin](q), 6))'", true},
    {"[x, a, b, c]", "", "'sum[row](best_of[try](min[twin](q), 4))'", true},
    {"x", "", "'sum[row](max[try](min[twin](q)))'", true},
    {"x", "N=3", "'sum[row](min[twin](max[try](q)))'", true},
    {"x", "", "'sum[row, try, atom](min[twin](z))'", false},
    {"x", "", "'sum[row, try](min[atom](min[twin](z)))'", true},
    {"x", "", "'sum[row, try](min[twin](min[atom](z)))'", true},
    {"x", "N=3", "'sum[row, try](min[twin](q) + max[twin](q))'", false},
    {"x", "", "'sum[row, try](tanh(min[twin](q)) * min[twin](tanh(0.1 * q)))'", false},
    {"x", "", "'sum[row, try](min[twin](q)) * sum[row, try, twin](q)'", false},
    {"x", "N=1", "'sum[row, try](min[twin](q))'", false},
    {"x", "R=6", "'sum[row, try](min[twin](square(q) + sum[h](square(l))))'", true},
    {"x", "", "'sum[row, try, in](square(grad(sum[row, try](min[twin](q)), x)))'", false},
    {"[x, a]", "", "'sum[row, try](min[twin](q / sqrt(1 + sum[k](square(m)))))'", true},
    {"x", "", "'sum[row, try](min[twin](q) * abs(stop(min[twin](q))))'", true}};

static const char *loss_text(Arena *arena, const Loss *loss) {
  const char *at = strstr(SCORES, "OVER");
  return arena_printf(arena, "%.*s%s%s%s\n", (int)(at - SCORES), SCORES, loss->over,
                      at + strlen("OVER"), loss->minimized);
}

static Runner run_once(Runner runner) {
  runner_run(&runner, "init", 1, 0);
  runner_run(&runner, "update", 1, 0);
  return runner;
}

static Spec after(const Loss *loss, const char *pass) {
  Arena *arena = arena_make();
  Spec spec = spec_text(loss_text(arena, loss), loss->overrides);
  spec_passes(&spec, pass);
  arena_free(arena);
  return spec;
}

static void check_apart(const Runner *x, const Runner *y, double most, const char *what) {
  const char *where;
  double apart = runner_disagreement(x, y, "update", true, &where);
  ck_assert_msg(apart < most, "%s: %s differs by %.2g", what, where, apart);
}

START_TEST(values_stay) {
  const Loss *loss = &losses[_i];
  Runner whole = run_once(runner_oracle(after(loss, "grad")));
  Runner chosen = run_once(runner_oracle(after(loss, "contract")));
  if (loss->chosen) ck_assert_msg(chosen_weights(&chosen.spec) > 0, "%s", loss->minimized);
  check_apart(&chosen, &whole, 1e-12, loss->minimized);
  Runner code = run_once(runner_code(after(loss, NULL), RLC_F64));
  check_apart(&code, &whole, 1e-12, loss->minimized);
  runner_close(&whole);
  runner_close(&chosen);
  runner_close(&code);
}
END_TEST

/* No value is as large as a weight for every row. */
START_TEST(no_value_is_a_weight_by_row) {
  const Loss *loss = &losses[_i];
  Spec spec = after(loss, NULL);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  const Code *code = code_make(spec.arena, spec.module, &options);
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t i = 0; i < code->programs[p].buffer_count; i++) {
      const Buffer *buffer = code->programs[p].buffers[i];
      ck_assert_msg(buffer->layout.elements <= 10 * 40 * 6 * 64, "%s: %s has %llu elements",
                    loss->minimized, buffer->name, (unsigned long long)buffer->layout.elements);
    }
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("choice");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 240);
  tcase_add_loop_test(tcase, one_critic_goes_back, 0, COUNTOF(savings));
  tcase_add_test(tcase, few_rows_go_back_through_all);
  tcase_add_loop_test(tcase, values_stay, 0, COUNTOF(losses));
  tcase_add_loop_test(tcase, no_value_is_a_weight_by_row, 0, COUNTOF(losses));
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
