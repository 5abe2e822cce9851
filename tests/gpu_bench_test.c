/* `make gpu-bench` from end to end in the smallest sizes, with the driver, NVRTC and cuBLAS of
 * tests/toolkit: programs are packed, run and told in a table; what is missing is told as missing,
 * and a card that is played leaves no record. */
#include "tests/files_support.h"
#include "tests/suite.h"

#include <sys/wait.h>

#define TOOLKIT RLC_BUILD "/tests/toolkit/lib64/"

static char *folder;

#ifdef SANITIZED
static const bool instrumented = true;
#else
static const bool instrumented = false;
#endif

enum { TEXT = 1 << 16 };

/* Runs a command of the shell in rlc's own folder. The exit status; `text`, of TEXT bytes, gets
 * what it prints. */
static int said(const char *command, char *text) {
  char line[4096];
  snprintf(line, sizeof line, "cd '%s' && %s", RLC_ROOT, command);
  FILE *out = popen(line, "r");
  ck_assert_ptr_nonnull(out);
  text[fread(text, 1, TEXT - 1, out)] = '\0';
  int status = pclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The figure of a row, in updates a second; fails where there is none. */
static double rate_of(const char *text, const char *system, const char *name) {
  char head[128];
  double time = 0, rate = 0;
  snprintf(head, sizeof head, "\n| %s | %s | ", system, name);
  const char *row = strstr(text, head);
  ck_assert_msg(row && sscanf(row + strlen(head), "%lf | %lf |", &time, &rate) == 2,
                "no figure of %s, %s in: %s", system, name, text);
  return rate;
}

/* By what was packed, from a folder that is not rlc's. */
#define BENCH                                                                                      \
  "cd \"$PACK/..\" && PYTHON=/nonexistent/python SECONDS_EACH=0.1 RESULTS=home sh run.sh "

START_TEST(a_card_is_measured) {
  char text[TEXT];
  ck_assert_msg(said(BENCH "bench", text) == 0, "%s", text);
  static const char *const names[] = {"sac", "remac", "reppo"};
  for (int i = 0; i < 3; i++) {
    ck_assert(rate_of(text, "rlc", names[i]) > 0);
    ck_assert(rate_of(text, "cublas", names[i]) > 0);
  }
  ck_assert(rate_of(text, "rlc", "sac x3 seeds") > 0);
  ck_assert_msg(strstr(text, "rows: 7 measured, 8 not found, 0 not measured"), "%s", text);
  ck_assert_msg(strstr(text, "| jax | sac x100 seeds | not found |"), "%s", text);
  ck_assert_msg(strstr(text, "| jax | reppo | not found |"), "%s", text);
  ck_assert_msg(strstr(text, "| jax | sac | not found | | | | | sac-unrolled: "), "%s", text);
  ck_assert_msg(strstr(text, "| torch | sac | not found | | | | | compile: "), "%s", text);
  ck_assert_msg(strstr(text, "card, sm_90, CUDA driver 13.0; code of sm_90 by NVRTC 13.0"), "%s",
                text);
  ck_assert_msg(strstr(text, "| SAC over JAX, one seed | at least 5 | not measured |"), "%s", text);
  Bytes kept = file_read(path_in(folder, "gpu/home/bench.txt").text);
  ck_assert(kept.data && strncmp(text, kept.data, strlen(kept.data)) == 0);
  ck_assert(strncmp(text + strlen(kept.data), "to bring home: ", 15) == 0);
  const char *last = strrchr(kept.data, '\n');
  while (last > kept.data && last[-1] != '\n') last--;
  ck_assert_msg(strncmp(last, "| torch", 7) == 0, "the table is not last: %s", text);
  free(kept.data);
  ck_assert_ptr_null(strstr(text, "written to"));
  ck_assert_str_eq(file_find(path_in(folder, "gpu/home").text, "gpu-", ".md").text, "");
}
END_TEST

START_TEST(no_card_is_told) {
  char text[TEXT];
  ck_assert_int_eq(said("export FAKE_CARD=none; " BENCH "bench", text), 1);
  ck_assert_msg(strstr(text, "| rlc | sac | not measured |") && strstr(text, "there is no GPU"),
                "%s", text);
  ck_assert_int_eq(said("export RLC_CUBLAS=/nonexistent/cublas; " BENCH "bench", text), 0);
  ck_assert_msg(strstr(text, "| cublas | sac | not found | | | | | /nonexistent/cublas |"), "%s",
                text);
}
END_TEST

START_TEST(there_are_two_parts) {
  char text[TEXT];
  ck_assert_int_eq(said(BENCH "bend 2>&1", text), 2);
  ck_assert_msg(strstr(text, "'bend' is neither check nor bench"), "%s", text);
}
END_TEST

/* Nothing is lost: neither a folder of something else, nor the pack before one that fails. */
START_TEST(folders_are_kept) {
  char text[TEXT];
  ck_assert_int_eq(said("mkdir \"$PACK/../mine\" && echo x >\"$PACK/../mine/made\"", text), 0);
  ck_assert_int_eq(said("PACK=\"$PACK/../mine\" tools/gpu_pack.sh 2>&1", text), 1);
  ck_assert_msg(strstr(text, "/mine is not what"), "%s", text);
  ck_assert_int_ne(said("MARCH=bogus tools/gpu_pack.sh 2>&1", text), 0);
  ck_assert_msg(strstr(text, "there is no GPU architecture 'bogus'"), "%s", text);
  ck_assert_int_eq(said("cd \"$PACK/..\" && [ -f mine/made ] && [ -x bench/sac ] && "
                        "[ \"$(ls -d bench*)\" = bench ]",
                        text),
                   0);
}
END_TEST

static void setup(void) {
  char text[TEXT];
  folder = directory_make();
  setenv("CUDA_PATH", RLC_BUILD "/tests/toolkit", 1);
  setenv("RLC_CUDA_DRIVER", TOOLKIT "libcuda.so.1", 1);
  setenv("RLC_CUBLAS", TOOLKIT "libcublas.so", 1);
  setenv("BUILD", RLC_BUILD, 1);
  setenv("TINY", "1", 1);
  setenv("PACK", path_in(folder, "gpu/bench").text, 1);
  ck_assert_msg(said("tools/gpu_pack.sh 2>&1 && grep -qx 'needs: a driver of CUDA >= 13.0' "
                     "\"$PACK/made\" && cp tools/gpu_run.sh \"$PACK/../run.sh\"",
                     text) == 0,
                "%s", text);
}

static void teardown(void) { directory_remove(folder); }

int main(void) {
  Suite *suite = suite_create("gpu_bench");
  TCase *tests = tcase_create("gpu_bench");
  tcase_set_timeout(tests, 600);
  if (instrumented) {
    printf("SKIP: packed programs are not instrumented\n");
  } else {
    tcase_add_unchecked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_card_is_measured);
    tcase_add_test(tests, no_card_is_told);
    tcase_add_test(tests, there_are_two_parts);
    tcase_add_test(tests, folders_are_kept);
  }
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
