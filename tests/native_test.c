/* The LLVM back end by itself: IR as text, trainers in memory without a C compiler, remainders of
 * vectors of every length, and the tables of the module as the C emitter has them. */
#include "tests/spec_code.h"

#include <sys/wait.h>

/* Runs `build/rlc arguments` with nothing on PATH; the exit status. */
static int rlc_alone(const char *arguments) {
  char command[1024];
  snprintf(command, sizeof command, "env PATH=/nonexistent CC=/nonexistent %s/rlc %s >/dev/null",
           RLC_BUILD, arguments);
  int status = system(command);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(training_needs_no_c_compiler) {
  char folder[] = P_tmpdir "/rlc-native-XXXXXX", arguments[512];
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(arguments, sizeof arguments,
           "train %s/specs/sac.yaml env.id=Pendulum-v1 hidden=16 batch_size=16 warmup=32 -- "
           "--steps 64 --quiet --out %s/run",
           RLC_ROOT, folder);
  ck_assert_int_eq(rlc_alone(arguments), 0);
  snprintf(arguments, sizeof arguments, "rm -rf %s", folder);
  ck_assert_int_eq(system(arguments), 0);
}
END_TEST

START_TEST(ir_can_be_read) {
  char command[512], line[256];
  size_t kernels = 0, modules = 0;
  snprintf(command, sizeof command, "%s/rlc emit %s/specs/sac.yaml --stage llvm hidden=16",
           RLC_BUILD, RLC_ROOT);
  FILE *in = popen(command, "r");
  ck_assert_ptr_nonnull(in);
  while (fgets(line, sizeof line, in)) {
    kernels += strncmp(line, "define void @", 13) == 0;
    modules += strncmp(line, "@rlc_module = ", 14) == 0;
  }
  ck_assert_int_eq(pclose(in), 0);
  ck_assert_uint_gt(kernels, 40);
  ck_assert_uint_eq(modules, 1);
}
END_TEST

/* Sums, gathers, draws and choices along axes of 1 to 40 elements: whole vectors, remainders and
 * both, in single and double precision against the oracle. */
static const char text[] = "name: t\n"
                           "constants: {n: 3}\n"
                           "parameters:\n"
                           "  w: {axes: [row=5, k=n], init: 'sin(3 * iota[row=5] + iota[k=n])'}\n"
                           "  v: {axes: [k=n], init: 'cos(iota[k=n])'}\n"
                           "losses:\n"
                           "  a:\n"
                           "    over: [w, v]\n"
                           "    let:\n"
                           "      best: gather[k](w, argmax[k](w * v))\n"
                           "      moved: shift[k=1](w) + where(w > 0, tanh(w), exp(w))\n"
                           "    minimize: sum[row, k](moved * v) + sum[row](best * max[k](w)) + "
                           "mean[k](v * cumsum[k](v))\n"
                           "optimizers: {default: adam(0.1)}\n"
                           "loop: [{descend: a}]\n";

START_TEST(remainders) {
  char overrides[32];
  snprintf(overrides, sizeof overrides, "n=%d", _i);
  for (int precision = 0; precision < 2; precision++) {
    Spec whole = spec_text(text, overrides), code = spec_text(text, overrides);
    spec_passes(&whole, "grad");
    spec_passes(&code, NULL);
    Runner oracle = runner_oracle(whole);
    Runner native = runner_code(code, precision ? RLC_F64 : RLC_F32);
    const char *where;
    for (int step = 0; step < 3; step++)
      for (int k = 0; k < 2; k++) {
        const char *program = step ? "update" : k ? "update" : "init";
        runner_run(&oracle, program, 7, (uint64_t)step);
        runner_run(&native, program, 7, (uint64_t)step);
      }
    double apart = runner_disagreement(&native, &oracle, "update", true, &where);
    ck_assert_msg(apart <= (precision ? 1e-12 : 1e-4), "n=%d: %s differs by %.2g", _i, where,
                  apart);
    runner_close(&oracle);
    runner_close(&native);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("native");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, training_needs_no_c_compiler);
  tcase_add_test(tcase, ir_can_be_read);
  tcase_add_loop_test(tcase, remainders, 1, 41);
  suite_add_tcase(suite, tcase);
  return fixture_run(suite);
}
