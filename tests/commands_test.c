/* The command line of rlc: what it prints of itself, and what it refuses and how. */
#include "tests/spec_fixture.h"

enum { ROOM = 1 << 16 };

typedef struct Said {
  int status;
  char text[ROOM]; /* both streams */
} Said;

/* `first` begins the command. */
static Said *said_after(const char *first, const char *arguments) {
  Said *said = calloc(1, sizeof *said);
  char command[512];
  snprintf(command, sizeof command, "cd %s && %s %s/rlc %s 2>&1", RLC_ROOT, first, RLC_BUILD,
           arguments);
  FILE *pipe = popen(command, "r");
  ck_assert(said && pipe);
  said->text[fread(said->text, 1, ROOM - 1, pipe)] = 0;
  int status = pclose(pipe);
  ck_assert_msg(WIFEXITED(status), "rlc %s crashes", arguments);
  said->status = WEXITSTATUS(status);
  return said;
}

static Said *said_by(const char *arguments) { return said_after("", arguments); }

#define BEHIND "options of the trainer stand behind --, as in: rlc train SPEC -- --steps 1000\n"

static const struct {
  const char *arguments, *text;
} refused[] = {
    {"train specs/sac.yaml --steps 1000", "error: `rlc train` has no option '--steps'; " BEHIND},
    {"train specs/sac.yaml --eval-evry=5",
     "error: `rlc train` has no option '--eval-evry'; " BEHIND},
    {"train specs/sac.yaml --threads 2", "error: `rlc train` has no option '--threads'; " BEHIND},
    {"train specs/sac.yaml --targt c",
     "error: `rlc train` has no option '--targt'; did you mean '--target'?\n"},
    {"train specs/sac.yaml --frobnicate", "error: `rlc train` has no option '--frobnicate'\n"},
    {"train specs/sac.yaml -- --steps 100 --target cuda",
     "error: '--target' is an option of `rlc train` and not of the trainer: it stands before --\n"},
    {"train specs/sac.yaml -- --march=x86-64-v3",
     "error: '--march' is an option of `rlc train` and not of the trainer: it stands before --\n"},
    {"check specs/sac.yaml --steps 1000", "error: `rlc check` has no option '--steps'\n"},
    {"envs Hopper-v5", "error: `rlc envs` takes no arguments, but 'Hopper-v5' stands there\n"},
    {"ops K=8", "error: `rlc ops` takes no arguments, but 'K=8' stands there\n"},
    {"report x -- --steps",
     "error: `rlc report` takes nothing behind `--`, but '--steps' stands there\n"},
    {"report docs/studies/remac_eps/",
     "error: 'docs/studies/remac_eps' has no runs of its study, of which a report is made; it may "
     "be what was published of one\n"},
    {"keys -- --steps", "error: `rlc keys` takes no arguments, but '--steps' stands there\n"},
    {"keys --json", "error: `rlc keys` has no option '--json'\n"},
    {"chekc", "error: there is no command 'chekc'; did you mean 'check'?; `rlc help` lists them\n"},
};

START_TEST(refusals) {
  Said *said = said_by(refused[_i].arguments);
  ck_assert_str_eq(said->text, refused[_i].text);
  ck_assert_int_eq(said->status, EXIT_USER);
  free(said);
}
END_TEST

static void check_says(const char *arguments, const char *beginning) {
  Said *said = said_by(arguments);
  ck_assert_int_eq(said->status, 0);
  ck_assert_msg(!strncmp(said->text, beginning, strlen(beginning)), "rlc %s says\n%s", arguments,
                said->text);
  free(said);
}

START_TEST(every_command_has_its_help) {
  static const char *const names[] = {
#define COMMAND(name, ...) #name,
#include "compiler/commands/commands.def"
  };
  for (size_t i = 0; i < COUNTOF(names); i++) {
    char arguments[64], beginning[64];
    snprintf(arguments, sizeof arguments, "%s --help", names[i]);
    snprintf(beginning, sizeof beginning, "rlc %s", names[i]);
    check_says(arguments, beginning);
  }
  check_says("keys --help", "rlc keys\n  the keys of a spec, as a table\n  options: none\n");
  check_says("check specs/sac.yaml --help", "rlc check SPEC [key=value ...]\n  parse and ");
  check_says("--help", "rlc ");
}
END_TEST

/* Some launchers leave SIGCHLD ignored, which what they start inherits. */
START_TEST(children_are_waited_for) {
  char path[] = P_tmpdir "/rlc_commands_XXXXXX", arguments[128];
  ck_assert_int_ge(mkstemp(path), 0);
  snprintf(arguments, sizeof arguments, "compile specs/toy/vector_field.yaml -o %s", path);
#ifdef __SANITIZE_ADDRESS__ /* the runtime then needs it too */
  static const char before[] = "env --ignore-signal=CHLD 'CC=gcc -fsanitize=address,undefined'";
#else
  static const char before[] = "env --ignore-signal=CHLD";
#endif
  Said *said = said_after(before, arguments);
  unlink(path);
  ck_assert_msg(said->status == 0, "%d: %s", said->status, said->text);
  free(said);
}
END_TEST

START_TEST(the_version_is_told) {
  Said *said = said_by("--version");
  ck_assert_int_eq(said->status, 0);
  ck_assert_int_eq(strncmp(said->text, "rlc ", 4), 0);
  size_t length = strlen(said->text);
  ck_assert_uint_gt(length, strlen("rlc \n"));
  ck_assert_uint_eq(strcspn(said->text, "\n"), length - 1);
  free(said);
}
END_TEST

/* `rlc check` lists the constants, evaluated. */
START_TEST(constants_are_listed) {
  Said *said = said_by("check specs/sac.yaml gamma=\"1 - 1 / 64\"");
  ck_assert_int_eq(said->status, 0);
  const char *list = strstr(said->text, "\nconstants:\n");
  ck_assert_msg(list, "%s", said->text);
  ck_assert_ptr_nonnull(strstr(list, "\n  gamma                        0.984375\n"));
  ck_assert_ptr_nonnull(strstr(list, "\n  target_entropy               -6\n"));
  free(said);
}
END_TEST

static void check_has(const char *arguments, const char *const *parts, size_t count) {
  Said *said = said_by(arguments);
  ck_assert_msg(said->status == 0, "%s", said->text);
  for (size_t i = 0; i < count; i++)
    ck_assert_msg(strstr(said->text, parts[i]), "rlc %s lacks\n%s\nin\n%s", arguments, parts[i],
                  said->text);
  free(said);
}

/* Discrete actions are counted, and the lets of losses have their axes. */
START_TEST(values_have_axes) {
  static const char *const parts[] = {"4 observations, 2 choices, 1 environment\n",
                                      "\nvalues:\n  losses.q.bonus               {batch=128}\n",
                                      "\n  losses.q.next_q              {batch=128, choice=2}\n"};
  check_has("check specs/contrib/munchausen_dqn.yaml", parts, COUNTOF(parts));
}
END_TEST

/* The spec's hash, as `rlc check --json` tells it. */
static const char *hash_of(const char *spec, char hash[32]) {
  char arguments[256];
  snprintf(arguments, sizeof arguments, "check --json %s", spec);
  Said *said = said_by(arguments);
  const char *at = strstr(said->text, "\"spec_hash\":");
  ck_assert_msg(said->status == 0 && at, "%s", said->text);
  snprintf(hash, 32, "%.31s", at + strlen("\"spec_hash\":"));
  free(said);
  return hash;
}

/* A data file is meant by the resolved spec wherever that lies, and its place is no other spec. On
 * the command line it is seen from the working directory. */
START_TEST(data_files_have_their_place) {
  static const char file[] = "from: " RLC_ROOT "/specs/contrib/pendulum.safetensors\n";
  const char *parts[] = {file};
  char path[] = P_tmpdir "/rlc-resolved-XXXXXX", arguments[256], spec[64], hashes[2][32];
  check_has("emit specs/contrib/iql.yaml --stage spec", parts, 1);
  check_has("emit specs/contrib/iql.yaml --stage spec "
            "replay.from=specs/contrib/pendulum.safetensors",
            parts, 1);
  parts[0] = RLC_ROOT "/specs/envs/pendulum.yaml\n"; /* so has a declared environment */
  check_has("emit specs/sac.yaml --stage spec env=specs/envs/pendulum.yaml", parts, 1);
  ck_assert_int_ge(close(mkstemp(path)), 0);
  snprintf(arguments, sizeof arguments, "emit specs/contrib/iql.yaml --stage spec -o %s", path);
  check_has(arguments, NULL, 0);
  snprintf(arguments, sizeof arguments, "check %s", path);
  Said *said = said_by(arguments);
  ck_assert_msg(!strstr(said->text, "warning"), "%s", said->text);
  free(said);
  snprintf(spec, sizeof spec, "%s", path);
  ck_assert_str_eq(hash_of("specs/contrib/iql.yaml", hashes[0]), hash_of(spec, hashes[1]));
  unlink(path);
}
END_TEST

#define OFFLINE                                                                                    \
  "train specs/contrib/iql.yaml hidden=4 batch_size=4 replay.from=nowhere/pendulum.safetensors "   \
  "-- "                                                                                            \
  "--quiet --steps 2 --eval-episodes 1 --out "

/* A file that is not there is a warning, then an error that says where it was looked for; --data
 * names the folder that has it. */
START_TEST(data_files_in_another_folder) {
  char path[] = P_tmpdir "/rlc-offline-XXXXXX", arguments[512];
  ck_assert_ptr_nonnull(mkdtemp(path));
  snprintf(arguments, sizeof arguments, OFFLINE "%s/a", path);
  Said *said = said_by(arguments);
  ck_assert_int_eq(said->status, EXIT_USER);
  ck_assert_ptr_nonnull(strstr(said->text, "warning: the data file 'nowhere/pendulum.safetensors' "
                                           "cannot be read: No such file or directory\n"));
  ck_assert_ptr_nonnull(strstr(said->text, "'" RLC_ROOT "/nowhere/pendulum.safetensors' cannot be "
                                           "read: No such file or directory; --data DIR names "
                                           "another folder\n"));
  free(said);
  snprintf(arguments, sizeof arguments, OFFLINE "%s/b --data specs/contrib", path);
  said = said_by(arguments);
  ck_assert_msg(said->status == 0, "%s", said->text);
  free(said);
  snprintf(arguments, sizeof arguments, "rm -rf %s", path);
  ck_assert_int_eq(system(arguments), 0);
}
END_TEST

/* Tensors may have more axes than a kept one, and gradcheck keeps what `stop` holds. */
static const char wide[] =
    "name: wide\n"
    "parameters:\n"
    "  u: {axes: [a=2, b=2, c=2, d=2, e=2, f=2, g=2, h=2], init: 'normal_noise[]'}\n"
    "  v: {axes: [i=2, j=2, k=2, l=2, m=2, n=2, o=2, p=2], init: 'normal_noise[]'}\n"
    "losses:\n"
    "  fit:\n"
    "    over: [u, v]\n"
    "    minimize: mean[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p](exp(tanh(%s)))\n"
    "optimizers: {default: sgd(0.1)}\n"
    "loop:\n"
    "  - descend: fit\n";

static Said *gradcheck_wide(const char *inside) {
  char path[] = P_tmpdir "/rlc-wide-XXXXXX", spec[1024], arguments[128];
  snprintf(spec, sizeof spec, wide, inside);
  int file = mkstemp(path);
  ck_assert(file >= 0 && write(file, spec, strlen(spec)) > 0);
  close(file);
  snprintf(arguments, sizeof arguments, "gradcheck %s", path);
  Said *said = said_by(arguments);
  unlink(path);
  return said;
}

START_TEST(wide_tensors_are_checked) {
  Said *said = gradcheck_wide("u * v");
  ck_assert_msg(said->status == 0 && strstr(said->text, ": passed"), "%s", said->text);
  free(said);
  said = gradcheck_wide("u * v * stop(u + v)");
  ck_assert_int_eq(said->status, EXIT_USER);
  ck_assert_msg(strstr(said->text, "error: gradcheck cannot hold a tensor of 16 axes fixed"), "%s",
                said->text);
  free(said);
}
END_TEST

/* Code of every target is differenced here, a GPU's too, which needs no card for it. */
START_TEST(code_of_every_target_is_checked) {
  static const char *const targets[] = {"native", "c", "cuda"};
  char arguments[128], row[64];
  snprintf(arguments, sizeof arguments,
           "gradcheck specs/dqn.yaml batch_size=8 first_hidden=8 second_hidden=8 --target %s",
           targets[_i]);
  Said *said = said_by(arguments);
  snprintf(row, sizeof row, "\n%-6s critic       critic.dense3.w", targets[_i]);
  ck_assert_msg(said->status == 0 && strstr(said->text, row) && strstr(said->text, ": passed"),
                "%s", said->text);
  free(said);
}
END_TEST

/* What a stopped run prints is the command that goes on, with the resolved spec that the run keeps;
 * its directory has a blank, and another spec is told of that command too. */
START_TEST(the_command_that_resumes_is_printed) {
  char root[] = P_tmpdir "/rlc_again_XXXXXX", arguments[400], command[320], *again, *end;
  ck_assert_ptr_nonnull(mkdtemp(root));
  snprintf(arguments, sizeof arguments,
           "train specs/sac.yaml env=Pendulum-v1 hidden=8 batch_size=8 warmup=10 --target oracle "
           "-- --quiet --minutes 1e-7 --out '%s/a run'",
           root);
  Said *said = said_by(arguments);
  ck_assert_msg(said->status == 0 && strstr(said->text, "stopped at step 0;"), "%s", said->text);
  again = strstr(said->text, "; resume with: ");
  ck_assert_msg(again, "%s", said->text);
  again += strlen("; resume with: ");
  ck_assert_ptr_nonnull(end = strchr(again, '\n'));
  *end = 0;
  snprintf(command, sizeof command,
           "%s/rlc train --target oracle '%s/a run/config.yaml' -- --resume '%s/a run'", RLC_BUILD,
           root, root);
  ck_assert_str_eq(again, command);
  snprintf(arguments, sizeof arguments, "%s --quiet --steps 20 --eval-episodes 1",
           command + strlen(RLC_BUILD "/rlc "));
  Said *resumed = said_by(arguments);
  ck_assert_msg(resumed->status == 0 && !*resumed->text, "%s", resumed->text);
  snprintf(arguments, sizeof arguments,
           "train specs/sac.yaml env=Pendulum-v1 hidden=8 -- --resume '%s/a run'", root);
  Said *other = said_by(arguments);
  ck_assert_int_eq(other->status, 1);
  ck_assert_msg(strstr(other->text, "config.yaml -- --resume ") &&
                    strstr(other->text, "goes on with the spec of that run\n"),
                "%s", other->text);
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
  free(said);
  free(resumed);
  free(other);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("commands");
  TCase *tests = tcase_create("commands");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, refusals, 0, (int)COUNTOF(refused));
  tcase_add_test(tests, every_command_has_its_help);
  tcase_add_test(tests, children_are_waited_for);
  tcase_add_test(tests, the_version_is_told);
  tcase_add_test(tests, constants_are_listed);
  tcase_add_test(tests, values_have_axes);
  tcase_add_test(tests, data_files_have_their_place);
  tcase_add_test(tests, data_files_in_another_folder);
  tcase_add_test(tests, wide_tensors_are_checked);
  tcase_add_loop_test(tests, code_of_every_target_is_checked, 0, 3);
  tcase_add_test(tests, the_command_that_resumes_is_printed);
  return suite_run(suite);
}
