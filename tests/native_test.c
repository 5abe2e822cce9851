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

/* ---- other CPUs ---- */

static const char tiny[] = "name: t\n"
                           "parameters: {w: {axes: [k=40], init: 'sin(iota[k=40])'}}\n"
                           "losses: {a: {over: w, minimize: 'sum[k](exp(w) * square(w))'}}\n"
                           "optimizers: {default: sgd(0.1)}\n"
                           "loop: [{descend: a}]\n";

/* What `rlc arguments` says on both outputs; its exit status in *status. Free the text. */
static char *rlc_says(const char *arguments, int *status) {
  char command[1024], *text;
  size_t size;
  snprintf(command, sizeof command, "%s/rlc %s 2>&1", RLC_BUILD, arguments);
  FILE *in = popen(command, "r"), *out = open_memstream(&text, &size);
  ck_assert(in && out);
  for (int c; (c = fgetc(in)) != EOF;) fputc(c, out);
  int result = pclose(in);
  *status = WIFEXITED(result) ? WEXITSTATUS(result) : -1;
  ck_assert_int_eq(fclose(out), 0);
  return text;
}

static void write_tiny(const char *path) {
  FILE *out = fopen(path, "w");
  ck_assert(out && fputs(tiny, out) != EOF && fclose(out) == 0);
}

/* LLVM only warns of a CPU that it does not know. */
START_TEST(llvm_knows_every_cpu) {
  char path[] = P_tmpdir "/rlc-march-XXXXXX", arguments[256];
  const char *const *names;
  size_t count = cpu_names(&names);
  int file = mkstemp(path), status;
  ck_assert(file >= 0 && close(file) == 0);
  write_tiny(path);
  setenv("RLC_CACHE", "off", 1);
  for (size_t i = 0; i < count; i++) {
    snprintf(arguments, sizeof arguments, "emit %s --stage object --march %s -o %s.a", path,
             names[i], path);
    char *said = rlc_says(arguments, &status);
    ck_assert_msg(status == 0 && !*said, "--march %s: %s", names[i], said);
    free(said);
  }
  unlink(path);
  snprintf(arguments, sizeof arguments, "%s.a", path);
  unlink(arguments);
}
END_TEST

/* Vectors of 64-bit ARM have four floats. */
START_TEST(neon_compiles) {
  int status;
  char *said = rlc_says(
      "emit " RLC_ROOT "/specs/sac.yaml hidden=32 --stage llvm --march neoverse-n1", &status);
  ck_assert_int_eq(status, 0);
  ck_assert_ptr_nonnull(strstr(said, "<4 x float>"));
  ck_assert_ptr_null(strstr(said, "<8 x float>"));
  ck_assert_ptr_null(strstr(said, "_ZGV"));
  free(said);
}
END_TEST

static const struct {
  const char *arguments, *says;
} refusals[] = {
    {"emit specs/sac.yaml --march znver6", "did you mean 'znver"},
    {"train specs/sac.yaml --march x86-64-v5", "did you mean 'x86-64-v"},
    {"compile specs/sac.yaml --march nothing", "there are native x86-64-v2"},
#if defined __x86_64__
    {"train specs/sac.yaml --march aarch64", "is for aarch64, which this machine is not"},
    {"compile specs/sac.yaml --march apple-m1", "rlc emit --stage llvm"},
    {"bench specs/sac.yaml --march aarch64", "is for aarch64"},
    {"emit specs/sac.yaml --stage llvm --march x86-64-v4 precision=bf16",
     "needs the instructions AVX512-BF16 (vdpbf16ps), which --march x86-64-v4 lacks"},
    {"compile specs/sac.yaml --march skylake-avx512 precision=bf16",
     "--march skylake-avx512 lacks"},
#endif
    {"check specs/sac.yaml --march native", "has no option '--march'"}};

START_TEST(what_cannot_be_is_refused) {
  int status;
  char *said = rlc_says(refusals[_i].arguments, &status);
  ck_assert_int_eq(status, 1);
  ck_assert_msg(strstr(said, refusals[_i].says) != NULL, "%s", said);
  free(said);
}
END_TEST

#if defined __x86_64__
/* Lower levels run here too, and say what they are. */
START_TEST(lower_levels_train) {
  static const char *const levels[] = {"x86-64-v2", "nehalem"};
  char folder[] = P_tmpdir "/rlc-level-XXXXXX", arguments[512], line[8192] = "";
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(
      arguments, sizeof arguments,
      "train %s/specs/sac.yaml env.id=Pendulum-v1 hidden=16 batch_size=16 warmup=32 --march %s "
      "-- --steps 64 --quiet --out %s/run",
      RLC_ROOT, levels[_i], folder);
  ck_assert_int_eq(rlc_alone(arguments), 0);
  snprintf(arguments, sizeof arguments, "grep -h compiler %s/run/provenance.json", folder);
  FILE *in = popen(arguments, "r");
  ck_assert_ptr_nonnull(in);
  ck_assert_ptr_nonnull(fgets(line, sizeof line, in));
  pclose(in);
  ck_assert_msg(strstr(line, _i ? "for x86-64-v2 tuned for nehalem" : "for x86-64-v2"), "%s", line);
  snprintf(arguments, sizeof arguments, "rm -rf %s", folder);
  ck_assert_int_eq(system(arguments), 0);
}
END_TEST
#endif

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
  tcase_add_test(tcase, llvm_knows_every_cpu);
  tcase_add_test(tcase, neon_compiles);
  tcase_add_loop_test(tcase, what_cannot_be_is_refused, 0, (int)COUNTOF(refusals));
#if defined __x86_64__
  tcase_add_loop_test(tcase, lower_levels_train, 0, 2);
#endif
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
