/* The command line of rlc: what it prints of itself, and what it refuses and how. */
#include "tests/spec_fixture.h"

enum { ROOM = 1 << 16 };

typedef struct Said {
  int status;
  char text[ROOM]; /* both streams */
} Said;

static Said *said_by(const char *arguments) {
  Said *said = calloc(1, sizeof *said);
  char command[512];
  snprintf(command, sizeof command, "cd %s && %s/rlc %s 2>&1", RLC_ROOT, RLC_BUILD, arguments);
  FILE *pipe = popen(command, "r");
  ck_assert(said && pipe);
  said->text[fread(said->text, 1, ROOM - 1, pipe)] = 0;
  int status = pclose(pipe);
  ck_assert_msg(WIFEXITED(status), "rlc %s crashes", arguments);
  said->status = WEXITSTATUS(status);
  return said;
}

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
    {"check specs/sac.yaml --steps 1000", "error: `rlc check` has no option '--steps'\n"},
    {"envs Hopper-v5", "error: `rlc envs` takes no arguments, but 'Hopper-v5' stands there\n"},
    {"ops K=8", "error: `rlc ops` takes no arguments, but 'K=8' stands there\n"},
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
#include "compiler/commands.def"
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

int main(void) {
  Suite *suite = suite_create("commands");
  TCase *tests = tcase_create("commands");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, refusals, 0, (int)COUNTOF(refused));
  tcase_add_test(tests, every_command_has_its_help);
  tcase_add_test(tests, the_version_is_told);
  tcase_add_test(tests, constants_are_listed);
  return fixture_run(suite);
}
