/* What commands say of a GPU before they take long: which architecture code is for and what makes
 * it, what is missing, and how a study on one is gone on with. The driver and NVRTC are those of
 * tests/toolkit. */
#include "ir/base.h"
#include "tests/files_support.h"
#include "tests/suite.h"

#include <stdarg.h>
#include <sys/wait.h>

#define TOOLKIT RLC_BUILD "/tests/toolkit"
#define DRIVER  TOOLKIT "/lib64/libcuda.so.1"
#define TOY     "specs/toy/bandit_dpg.yaml --target cuda "

static char folder[] = P_tmpdir "/rlc-gpu-command-XXXXXX";

enum { TEXT = 1 << 16 };

typedef struct Said {
  int status;
  char text[TEXT]; /* both streams */
} Said;

/* `before` stands before the command, as an assignment; FOLDER is a folder of the test. */
static Said said_by(const char *before, const char *arguments) {
  static Said said;
  char line[1024];
  snprintf(line, sizeof line, "cd '%s' && FOLDER=%s; %s %s/rlc %s 2>&1", RLC_ROOT, folder, before,
           RLC_BUILD, arguments);
  FILE *out = popen(line, "r");
  ck_assert_ptr_nonnull(out);
  said.text[fread(said.text, 1, TEXT - 1, out)] = '\0';
  int status = pclose(out);
  ck_assert_msg(WIFEXITED(status), "%s crashes", arguments);
  said.status = WEXITSTATUS(status);
  return said;
}

#define CARDS                                                                                      \
  "there are sm_80 (A100), sm_86 (RTX 30, A40), sm_89 (RTX 40, L4, L40), sm_90 (H100, H200), "     \
  "sm_100 (B100, B200), sm_120 (RTX 50)\n"
#define NO_DRIVER  "RLC_CUDA_DRIVER=/nonexistent/cuda"
#define NO_TOOLKIT "CUDA_PATH=/nonexistent"
#define MISSING                                                                                    \
  "error: there is no CUDA driver (/nonexistent/cuda: cannot open shared object file: No such "    \
  "file or directory), which code for a GPU needs: install NVIDIA's, or compile with --target "    \
  "native for the CPU\n"
#define NO_NVRTC                                                                                   \
  "error: there is no NVRTC where CUDA_PATH says (libnvrtc.so in /nonexistent/lib64 or "           \
  "/nonexistent/lib): set it to the folder of a CUDA Toolkit 12 or 13, or unset it to take the "   \
  "one that is installed\n"

/* The whole of what is said: nothing was compiled before, and nothing is said twice. */
static const struct {
  const char *before, *arguments, *text;
} refused[] = {
    {"", "compile " TOY "--march sm_50",
     "error: 'sm_50' is older than sm_80, the oldest that code is made for; " CARDS},
    {"", "emit specs/sac.yaml --stage cuda --march sm_103",
     "error: there is no 'sm_103': take sm_100, whose code it runs; " CARDS},
    {"", "compile " TOY "--march sm90",
     "error: there is no GPU architecture 'sm90'; did you mean 'sm_90'?; " CARDS},
    {"", "compile " TOY "--march x86-64-v3",
     "error: there is no GPU architecture 'x86-64-v3'; " CARDS},
    {"", "compile specs/sac.yaml --march sm_89",
     "error: 'sm_89' is a GPU's, and code is made for a CPU: add --target cuda\n"},
    {"FAKE_CARD=old", "compile " TOY,
     "error: the card here is of sm_50, older than sm_80, the oldest that code is made for; "
     "--march "
     "names the architecture of another\n"},
    {NO_TOOLKIT, "compile " TOY, NO_NVRTC},
    {NO_TOOLKIT, "train " TOY, NO_NVRTC},
    {NO_DRIVER, "train " TOY, MISSING},
    {NO_DRIVER, "bench " TOY, MISSING},
    {NO_DRIVER, "ablate specs/studies/remac_field.yaml --target cuda", MISSING},
    {NO_DRIVER, "ablate specs/studies/remac_field.yaml --target cuda --dry-run", MISSING},
};

START_TEST(what_is_missing_is_said_first) {
  Said said = said_by(refused[_i].before, refused[_i].arguments);
  ck_assert_str_eq(said.text, refused[_i].text);
  ck_assert_int_eq(said.status, 1);
}
END_TEST

/* With a card or without, code is for something, by something. */
static const struct {
  const char *before, *march, *text;
} made[] = {{"", "", " for sm_90 by NVRTC 13.0, "},
            {NO_DRIVER, "--march native", " for sm_90 (no card is here) by NVRTC 13.0, "},
            {NO_DRIVER, "--march sm_120", " for sm_120 by NVRTC 13.0, "},
            {"FAKE_CARD=old", "--march sm_80", " for sm_80 by NVRTC 13.0, "},
            {"CUDA_PATH=$FOLDER/wheel", "", " for sm_90 by NVRTC 13.0, "}};

START_TEST(compiling_says_for_what) {
  char arguments[128];
  snprintf(arguments, sizeof arguments, "compile " TOY "%s -o $FOLDER/toy", made[_i].march);
  Said said = said_by(made[_i].before, arguments);
  ck_assert_msg(said.status == 0 && strstr(said.text, made[_i].text), "%s", said.text);
}
END_TEST

/* What is there and is no library is not passed over for another one. */
START_TEST(a_library_that_is_damaged_is_named) {
  Said said = said_by("CUDA_PATH=$FOLDER/damaged", "compile " TOY);
  ck_assert_int_eq(said.status, 1);
  ck_assert_msg(strstr(said.text, "error: NVRTC cannot be loaded from where CUDA_PATH says: ") &&
                    strstr(said.text, "/damaged/lib64/libnvrtc.so: file too short"),
                "%s", said.text);
}
END_TEST

/* The order of a GPU's kernels can be looked at. */
START_TEST(stages_are_shown) {
  Said said = said_by("", "emit " TOY "width=8 batch_size=4 --stage kernels");
  ck_assert_msg(said.status == 0 && strstr(said.text, "\n stage 0\n") &&
                    strstr(said.text, "\n stage 1\n  | ") && strstr(said.text, ", one block"),
                "%s", said.text);
  said = said_by("", "emit specs/toy/bandit_dpg.yaml --stage kernels");
  ck_assert_msg(said.status == 0 && !strstr(said.text, "stage"), "%s", said.text);
  said = said_by("", "emit " TOY "--stage llvm");
  ck_assert_str_eq(said.text, "error: the stage llvm is of --target native, not of 'cuda'\n");
}
END_TEST

START_TEST(rates_are_of_a_card) {
  Said said = said_by("", "bench " TOY
                          "batch_size=4 width=8 warmup=4 replay.capacity=64 --seconds 0.05 --json");
  ck_assert_msg(said.status == 0, "%s", said.text);
  static const char *const parts[] = {
      "\"gpu\":\"a CPU that plays a card, sm_90, CUDA driver 13.0\"",
      "\"gpu_code\":\"sm_90 by NVRTC 13.0\"",
      "\"core_gflops\":null",
      "\"clock_ghz\":null",
      "\"share_of_peak\":null",
      "\"updates_per_second\":"};
  for (size_t i = 0; i < COUNTOF(parts); i++)
    ck_assert_msg(strstr(said.text, parts[i]), "%s is not in %s", parts[i], said.text);
  ck_assert(!strstr(said.text, "\"updates_per_second\":null"));
}
END_TEST

/* ---- studies ---- */

static const char study[] = "study: gpu\n"
                            "base: " RLC_ROOT "/specs/toy/bandit_dpg.yaml\n"
                            "steps: 12\n"
                            "seeds: 2\n"
                            "with: {width: 8, batch_size: 4, warmup: 4}\n";

/* A trainer that cannot begin leaves its run; the command that goes on is one that is taken. */
START_TEST(studies_go_on_with_the_same_target) {
  static const char again[] = "go on with: ";
  char command[1024];
  Path file = path_in(folder, "study.yaml");
  file_write(file.text, study, sizeof study - 1);
  Said said =
      said_by("RLC_CUDA_DRIVER=" DRIVER " FAKE_CARD=small",
              "ablate $FOLDER/study.yaml -o $FOLDER/st --target cuda --march sm_90 --jobs 1");
  char *at = strstr(said.text, again);
  ck_assert_msg(said.status == 1 && at, "%s", said.text);
  at += strlen(again) + strcspn(at + strlen(again), " "); /* rlc's own name */
  at[strcspn(at, "\n")] = '\0';
  ck_assert_msg(strstr(at, "--target cuda --march sm_90"), "%s", at);
  snprintf(command, sizeof command, "%s --jobs 1", at);
  said = said_by("", command);
  ck_assert_msg(said.status == 0 && strstr(said.text, "2 of 2 runs done"), "%s: %s", command,
                said.text);
  said = said_by("", "ablate $FOLDER/study.yaml -o $FOLDER/st");
  ck_assert_msg(said.status == 1 && strstr(said.text, "--target or --march has changed"), "%s",
                said.text);
}
END_TEST

__attribute__((format(printf, 1, 2))) static void shell(const char *format, ...) {
  char command[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  ck_assert_int_eq(system(command), 0);
}

/* What a driver refuses is not compiled again by itself; the note says what to remove. */
START_TEST(trainers_that_are_refused_can_be_made_anew) {
  static const char note[] = "not take them, remove ", again[] = "compiling 1 trainer\n";
  char command[1024];
  file_write(path_in(folder, "study.yaml").text, study, sizeof study - 1);
  Said said = said_by("RLC_CUDA_DRIVER=" DRIVER " FAKE_CARD=code:222:12040",
                      "ablate $FOLDER/study.yaml -o $FOLDER/refused --target cuda --jobs 1");
  char *at = strstr(said.text, note);
  ck_assert_msg(said.status == 1 && at && strstr(said.text, again), "%s", said.text);
  at += strlen(note);
  at[strcspn(at, ",")] = '\0';
  snprintf(command, sizeof command, "rm %s; ", at);
  said = said_by(command, "ablate $FOLDER/study.yaml -o $FOLDER/refused --target cuda --jobs 1");
  ck_assert_msg(said.status == 0 && strstr(said.text, again) &&
                    strstr(said.text, "2 of 2 runs done") && !strstr(said.text, note),
                "%s", said.text);
}
END_TEST

static void setup(void) {
  setenv("CUDA_PATH", TOOLKIT, 1);
  setenv("RLC_CUDA_DRIVER", DRIVER, 1);
  ck_assert_ptr_nonnull(mkdtemp(folder));
  shell("mkdir -p '%s/wheel/lib' '%s/damaged/lib64'", folder, folder);
  shell("ln -s " TOOLKIT "/lib64/libnvrtc.so '%s/wheel/lib/libnvrtc.so.13'", folder);
  shell("cp -r '%s/wheel/lib' '%s/damaged/' && : >'%s/damaged/lib64/libnvrtc.so'", folder, folder,
        folder);
}

static void teardown(void) { shell("rm -rf '%s'", folder); }

int main(void) {
  Suite *suite = suite_create("gpu command");
  TCase *tests = tcase_create("gpu command");
  tcase_set_timeout(tests, 120);
  tcase_add_unchecked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, what_is_missing_is_said_first, 0, COUNTOF(refused));
  tcase_add_loop_test(tests, compiling_says_for_what, 0, COUNTOF(made));
  tcase_add_test(tests, a_library_that_is_damaged_is_named);
  tcase_add_test(tests, stages_are_shown);
  tcase_add_test(tests, rates_are_of_a_card);
  tcase_add_test(tests, studies_go_on_with_the_same_target);
  tcase_add_test(tests, trainers_that_are_refused_can_be_made_anew);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
