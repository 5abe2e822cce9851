/* `make gpu-check` from end to end with the driver and NVRTC of tests/toolkit and a stand-in for
 * compute-sanitizer: trainers are packed, run and told in a table, and whatever is wrong with a
 * card, a run or a result shows there and in the exit status. */
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

/* Columns of a table stand apart by one blank. */
static void squeeze(char *text) {
  char *to = text;
  for (const char *from = text; *from; from++)
    if (*from != ' ' || from[1] != ' ') *to++ = *from;
  *to = '\0';
}

/* Runs a command of the shell in rlc's own folder. The exit status; `text`, of TEXT bytes, gets
 * what it prints, squeezed. */
static int said(const char *command, char *text) {
  char line[4096];
  snprintf(line, sizeof line, "cd '%s' && { %s; } 2>&1", RLC_ROOT, command);
  FILE *out = popen(line, "r");
  ck_assert_ptr_nonnull(out);
  text[fread(text, 1, TEXT - 1, out)] = '\0';
  squeeze(text);
  int status = pclose(out);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void good(const char *command) {
  char text[TEXT];
  ck_assert_msg(said(command, text) == 0, "%s: %s", command, text);
}

/* Runs the checks of a pack, with what is set in `how`: they must end with `status` and say all of
 * `words`. */
static void checks(const char *how, const char *pack, int status, const char *const *words,
                   char *text) {
  char command[1024];
  snprintf(command, sizeof command, "cd / && %s sh \"$PACKS/both/gpu_check.sh\" run \"$PACKS/%s\"",
           how, pack);
  int ended = said(command, text);
  ck_assert_msg(ended == status, "%s: status %d: %s", how, ended, text);
  for (; *words; words++)
    ck_assert_msg(strstr(text, *words), "%s: '%s' is not in: %s", how, *words, text);
}
#define CHECKS(how, pack, status, ...)                                                             \
  do {                                                                                             \
    char text_[TEXT];                                                                              \
    checks(how, pack, status, (const char *const[]){__VA_ARGS__, NULL}, text_);                    \
  } while (0)

START_TEST(a_card_is_checked) {
  char text[TEXT];
  double apart;
  int losses;
  static const char *const words[] = {
      "gpu: a CPU that plays a card, sm_90, CUDA driver 13.0",
      "gpu_code: sm_90 by NVRTC 13.0",
      "commit: ",
      "; for the card where it was made, or sm_90\nneeds: a driver of CUDA >= 13.0\n",
      " ok ok clean clean clean\n",
      "\nreinforce ok ",
      " 1 - ok - - clean\n2 specs: 9 checks good, 0 failed, 0 left out",
      NULL};
  checks("", "both", 0, words, text);
  const char *row = strstr(text, "\nppo ok ");
  ck_assert_msg(row && sscanf(row, "\nppo ok %lg %d", &apart, &losses) == 2, "%s", text);
  ck_assert(apart > 0 && apart < 1e-4 && losses >= 3);
}
END_TEST

START_TEST(the_checker_is_heard) {
  CHECKS("FINDS=racecheck", "ppo", 1, "ppo, racecheck: status 9", "a hazard of the test",
         "ok FAILED clean clean", "1 failed");
  CHECKS("FINDS=memcheck", "ppo", 1, "ppo, memcheck: status 9", "clean clean FAILED");
  CHECKS("WARNS=racecheck", "ppo", 1, "ppo, racecheck: status 0", "1 warning", "1 failed");
  CHECKS("SILENT=synccheck", "ppo", 1, "ppo, synccheck: status 0", "clean FAILED clean");
  CHECKS("NOTHING=memcheck", "ppo", 1, "ppo, memcheck: the run computed nothing", "1 failed");
  CHECKS("PATH=\"$PLAIN\"", "ppo", 0, "SKIP: compute-sanitizer is not here", "ok - - -");
}
END_TEST

START_TEST(runs_that_differ_are_seen) {
  CHECKS("RUN=again FILE=progress.csv", "changed", 1, "ppo, twice: two runs of a seed differ",
         "ok FAILED clean");
  CHECKS("RUN=again FILE=checkpoints/*.safetensors", "changed", 1, "ppo, twice:");
  CHECKS("RUN=seeds FILE=seed-3/progress.csv", "changed", 1, "ppo, seeds: seed 3 of three");
  CHECKS("RUN=seeds FILE=seed-5/checkpoints/*.safetensors", "changed", 1,
         "ppo, seeds: seed 5 of three", "FAILED ok clean");
  CHECKS("RUN=first FILE=progress.csv", "changed", 1,
         "ppo, oracle: ", "1.0e+00 apart, of 3 losses");
}
END_TEST

START_TEST(a_card_that_fails_is_told) {
  CHECKS("FAKE_CARD=none", "both", 1, "there is no GPU", "Nothing was checked (commit: ");
  CHECKS("FAKE_CARD=old", "both", 1, "cannot run this trainer", "make gpu-pack MARCH=sm_NN");
  CHECKS("FAKE_CARD=fault:3", "ppo", 1, "ppo, oracle: status 1", "illegal memory access",
         "program '", "FAILED - - - - - - -");
}
END_TEST

START_TEST(time_that_is_short_is_told) {
  CHECKS("MOST=20", "both", 0, "2 checks good, 0 failed, 7 left out for want of time", "skipped");
  CHECKS("MOST=2 SLEEPS=60", "changed", 1, "no time", "0 failed, 1 left out");
}
END_TEST

START_TEST(packs_of_nothing_are_refused) {
  char text[TEXT];
  ck_assert_int_eq(said("tools/gpu_check.sh pack \"$PACKS/none\" ppo.yaml sacc", text), 1);
  ck_assert_msg(strstr(text, "error: no spec that can be packed has 'sacc' in its path"), "%s",
                text);
  ck_assert_int_ne(access(path_in(folder, "none").text, F_OK), 0);
  good("cp -r \"$PACKS/ppo\" \"$PACKS/empty\" && : >\"$PACKS/empty/specs\"");
  CHECKS("", "empty", 1, "is not what", "it has no specs");
}
END_TEST

/* Nothing is lost: neither a folder of something else, nor the pack before one that fails. */
START_TEST(folders_are_kept) {
  char text[TEXT];
  good("mkdir \"$PACKS/mine\" && echo x >\"$PACKS/mine/specs\" && cp -r \"$PACKS/ppo\" "
       "\"$PACKS/old\"");
  ck_assert_int_eq(said("tools/gpu_check.sh pack \"$PACKS/mine\" ppo.yaml", text), 1);
  ck_assert_msg(strstr(text, "/mine is not what"), "%s", text);
  ck_assert_int_ne(said("MARCH=bogus tools/gpu_check.sh pack \"$PACKS/old/\" ppo.yaml", text), 0);
  ck_assert_msg(strstr(text, "there is no GPU architecture 'bogus'"), "%s", text);
  good(
      "cd \"$PACKS\" && [ -f mine/specs ] && cmp old/made ppo/made && [ \"$(ls -d old*)\" = old ]");
}
END_TEST

START_TEST(kinds_of_packs_are_told_apart) {
  good("mkdir \"$PACKS/bench\" && echo 'kind: bench' >\"$PACKS/bench/made\"");
  CHECKS("", "bench", 1, "/bench is a pack of kind 'bench', not what '");
  CHECKS("", "bin", 1, "/bin is not what '");
  char text[TEXT];
  ck_assert_int_eq(said("tools/gpu_bench.sh \"$PACKS/ppo\"", text), 1);
  ck_assert_msg(strstr(text, "/ppo is a pack of kind 'check', not what"), "%s", text);
}
END_TEST

/* Stands in for NVIDIA's checker: runs the program, and says what the test asks for. */
static const char checker[] =
    "#!/bin/sh\n"
    "kind=ERROR what='0 errors'\n"
    "while :; do\n"
    "  case $1 in\n"
    "  --tool) tool=$2 && shift 2 ;;\n"
    "  --error-exitcode) code=$2 && shift 2 ;;\n"
    "  --leak-check) [ \"$tool $2\" = 'memcheck full' ] && shift 2 ;;\n"
    "  *) break ;;\n"
    "  esac\n"
    "done\n"
    "[ \"$tool\" != racecheck ] || kind=RACECHECK what='0 hazards displayed (0 errors, 0 "
    "warnings)'\n"
    "echo ========= COMPUTE-SANITIZER\n"
    "\"$@\" || exit 1\n"
    "[ \"$tool\" != \"${NOTHING:-}\" ] || for last; do [ ! -d \"$last\" ] || rm -r "
    "\"$last\"; done\n"
    "[ \"$tool\" != \"${SILENT:-}\" ] || exit 0\n"
    "[ \"$tool\" != \"${WARNS:-}\" ] || what='1 hazard displayed (0 errors, 1 warning)'\n"
    "[ \"$tool\" != \"${FINDS:-}\" ] || { echo '========= a hazard of the test'; echo \"========= "
    "$kind SUMMARY: 1\"; exit \"$code\"; }\n"
    "echo \"========= $kind SUMMARY: $what\"\n";

/* A trainer in whose run $RUN the file $FILE is another one afterwards. */
static const char changes[] =
    "#!/bin/sh\n"
    "[ -z \"${SLEEPS:-}\" ] || exec sleep \"$SLEEPS\"\n"
    "\"$PACKS/ppo/real\" \"$@\" || exit\n"
    "for word; do case $word in */ppo.\"${RUN:-}\")\n"
    "  for file in \"$word\"/$FILE; do\n"
    "    case $file in *.csv) sed -i '2,$s/,/,1e9/4g' \"$file\" ;; *) echo x >>\"$file\" ;; esac\n"
    "  done ;;\n"
    "esac; done\n";

static void script_write(const char *name, const char *text) {
  Path path = path_in(folder, name);
  file_write(path.text, text, strlen(text));
  ck_assert_int_eq(chmod(path.text, 0755), 0);
}

static void setup(void) {
  char path[4096];
  folder = directory_make();
  setenv("CUDA_PATH", RLC_BUILD "/tests/toolkit", 1);
  setenv("RLC_CUDA_DRIVER", TOOLKIT "libcuda.so.1", 1);
  setenv("RLC", RLC_BUILD "/rlc", 1);
  setenv("PACKS", folder, 1);
  setenv("PLAIN", getenv("PATH"), 1);
  snprintf(path, sizeof path, "%s/bin:%s", folder, getenv("PATH"));
  setenv("PATH", path, 1);
  good("mkdir \"$PACKS/bin\"");
  script_write("bin/compute-sanitizer", checker);
  script_write("changes", changes);
  good("tools/gpu_check.sh pack \"$PACKS/both\" specs/ppo.yaml specs/reinforce.yaml");
  good(
      "cd \"$PACKS\" && cp -r both ppo && sed -i 1q ppo/specs && gunzip -c ppo/ppo.gz >ppo/real && "
      "chmod +x ppo/real && gunzip -c ppo/libmujoco*.gz >ppo/$(basename ppo/libmujoco*.gz .gz)");
  good("cd \"$PACKS\" && cp -r ppo changed && gzip -c changes >changed/ppo.gz");
}

static void teardown(void) { directory_remove(folder); }

int main(void) {
  Suite *suite = suite_create("gpu_check");
  TCase *tests = tcase_create("gpu_check");
  tcase_set_timeout(tests, 600);
  if (instrumented) {
    printf("SKIP: packed trainers are not instrumented\n");
  } else {
    tcase_add_unchecked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_card_is_checked);
    tcase_add_test(tests, the_checker_is_heard);
    tcase_add_test(tests, runs_that_differ_are_seen);
    tcase_add_test(tests, a_card_that_fails_is_told);
    tcase_add_test(tests, time_that_is_short_is_told);
    tcase_add_test(tests, packs_of_nothing_are_refused);
    tcase_add_test(tests, folders_are_kept);
    tcase_add_test(tests, kinds_of_packs_are_told_apart);
  }
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
