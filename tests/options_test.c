/* The trainer's command line, every message in full, and the run directory made from it. */
#include "runtime/json.h"
#include "runtime/trainer.h"
#include "tests/files_support.h"
#include "tests/suite.h"

#include <limits.h>

static const char *const features[] = {"avx2", "fma", NULL};
static const RlcModule module = {.abi = RLC_ABI,
                                 .name = "remac",
                                 .spec = "name: remac\nconstants: {K: 4}\n",
                                 .spec_hash = 0xfeedu,
                                 .compiler = "rlc 0.1 -O3",
                                 .target = "native",
                                 .cpu = features,
                                 .env_id = "Pendulum-v1"};

enum { MOST_WORDS = 24 };

/* Another whose spec says how it is evaluated. */
static const RlcModule evaluated = {
    .name = "own", .env_id = "Pendulum-v1", .eval_every = 500, .eval_episodes = 7};

/* Reads options given as one line of words; what it printed goes to `text`. */
static int read_line(Options *options, const char *line, int stream, char text[4096]) {
  static char words[512];
  static char *argv[MOST_WORDS + 1];
  int argc = 0;
  snprintf(words, sizeof words, "%s", line);
  for (char *word = strtok(words, " "); word && argc < MOST_WORDS; word = strtok(NULL, " "))
    argv[argc++] = word;
  argv[argc] = NULL;
  Capture capture = capture_begin(stream);
  int status = options_read(options, &module, argc, argv);
  capture_end(&capture, text, 4096);
  return status;
}

static Options read_good(const char *line) {
  Options options;
  char text[4096];
  int status = read_line(&options, line, STDERR_FILENO, text);
  ck_assert_msg(status == -1, "%s: %s", line, text);
  ck_assert_str_eq(text, "");
  return options;
}

START_TEST(defaults) {
  Options options = read_good("./remac");
  ck_assert_uint_eq(options.steps, 1000000);
  ck_assert_uint_eq(options.seed, 1);
  ck_assert_uint_eq(options.threads, 1);
  ck_assert_ptr_null(options.out);
  ck_assert_ptr_null(options.resume);
  ck_assert_uint_eq(options.eval_every, 10000);
  ck_assert_uint_eq(options.eval_episodes, 10);
  ck_assert_uint_eq(options.checkpoint_every, 100000);
  ck_assert_uint_eq(options.log_every, 1000);
  ck_assert(options.stop_after == 0);
  ck_assert(!options.quiet && !options.no_replay && !option_given(&options, "seed"));
  ck_assert_int_eq(options.argc, 1);
}
END_TEST

START_TEST(defaults_of_the_spec) {
  Options options;
  char *argv[] = {"x", "--eval-every", "0", NULL}, text[4096];
  ck_assert_int_eq(options_read(&options, &evaluated, 1, argv), -1);
  ck_assert_uint_eq(options.eval_every, 500);
  ck_assert_uint_eq(options.eval_episodes, 7);
  ck_assert_uint_eq(options.steps, 1000000);
  ck_assert_int_eq(options_read(&options, &evaluated, 3, argv), -1);
  ck_assert_uint_eq(options.eval_every, 0);
  ck_assert_uint_eq(options.eval_episodes, 7);
  char *help[] = {"x", "--help", NULL};
  Capture capture = capture_begin(STDOUT_FILENO);
  ck_assert_int_eq(options_read(&options, &evaluated, 2, help), 0);
  capture_end(&capture, text, sizeof text);
  ck_assert_ptr_nonnull(
      strstr(text, "0: at the start and the end only (default 500, the spec's)\n"));
  ck_assert_ptr_nonnull(strstr(text, "episodes of an evaluation (default 7, the spec's)\n"));
  ck_assert_ptr_nonnull(strstr(text, "(default 1000)\n"));
  RlcModule wrong = evaluated;
  wrong.eval_episodes = 65536;
  capture = capture_begin(STDERR_FILENO);
  ck_assert_int_eq(options_read(&options, &wrong, 1, argv), 1);
  capture_end(&capture, text, sizeof text);
  ck_assert_str_eq(text,
                   "error: --eval-episodes wants a whole number from 1 to 65535, not '65536'\n");
}
END_TEST

/* On resume the directory says how the run was evaluated, whatever the spec's defaults are. */
START_TEST(resume_keeps_its_evaluations) {
  char *directory = directory_make();
  Options options = read_good("x --eval-every 40");
  char *argv[] = {"x", "--resume", directory, NULL}, made[4096];
  RunError error;
  options.out = directory;
  ck_assert(rundir_make(&options, &module, made, sizeof made, &error));
  ck_assert_int_eq(options_read(&options, &evaluated, 3, argv), -1);
  rundir_adopt(&options);
  ck_assert_uint_eq(options.eval_every, 40);
  ck_assert_uint_eq(options.eval_episodes, 10);
  directory_remove(directory);
}
END_TEST

START_TEST(everything_given) {
  Options options = read_good(
      "./remac --steps 5e4 --seed=0 --threads 2 --out runs/x --eval-every=0 --eval-episodes 3 "
      "--checkpoint-every 1.5e3 --log-every 1 --minutes 0.5 --quiet --no-replay");
  ck_assert_uint_eq(options.steps, 50000);
  ck_assert_uint_eq(options.seed, 0);
  ck_assert_uint_eq(options.threads, 2);
  ck_assert_str_eq(options.out, "runs/x");
  ck_assert_uint_eq(options.eval_every, 0);
  ck_assert_uint_eq(options.eval_episodes, 3);
  ck_assert_uint_eq(options.checkpoint_every, 1500);
  ck_assert_uint_eq(options.log_every, 1);
  ck_assert(options.stop_after == 0.5);
  ck_assert(options.quiet && options.no_replay && option_given(&options, "seed"));
}
END_TEST

START_TEST(resume_is_out) {
  Options options = read_good("x --resume runs/a");
  ck_assert_str_eq(options.out, "runs/a");
  options = read_good("x --out runs/a/ --resume runs/a");
  ck_assert_str_eq(options.out, "runs/a");
}
END_TEST

START_TEST(whole_numbers) {
  static const struct {
    const char *text;
    uint64_t value;
  } good[] = {{"1000000", 1000000},
              {"1e6", 1000000},
              {"1E6", 1000000},
              {"1e+6", 1000000},
              {"2.50e2", 250},
              {"10e-1", 1},
              {"0.5e1", 5},
              {"007", 7},
              {"3.0", 3},
              {"0e999", 0},
              {"18446744073709551615", UINT64_MAX},
              {"1e19", 10000000000000000000u}};
  static const char *const bad[] = {"-5",
                                    "+5",
                                    "1.5",
                                    "1e-1",
                                    "abc",
                                    "1_000_000",
                                    "1000x",
                                    "0x10",
                                    "1e",
                                    "e6",
                                    ".",
                                    "1e20",
                                    "18446744073709551616",
                                    "1.2.3",
                                    "nan",
                                    "inf",
                                    "1e1e1",
                                    "1e 3",
                                    "1e+",
                                    "1e99999999999999999999"};
  char line[128], text[4096], expected[160];
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    snprintf(line, sizeof line, "x --seed %s", good[i].text);
    ck_assert_uint_eq(read_good(line).seed, good[i].value);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    char *argv[] = {"x", "--seed", (char *)bad[i], NULL};
    Options options;
    Capture capture = capture_begin(STDERR_FILENO);
    int status = options_read(&options, &module, 3, argv);
    capture_end(&capture, text, sizeof text);
    snprintf(expected, sizeof expected,
             "error: --seed wants a whole number, at least 0, not '%s'\n", bad[i]);
    ck_assert_str_eq(text, expected);
    ck_assert_int_eq(status, 1);
  }
}
END_TEST

START_TEST(messages_pinned) {
  static const struct {
    const char *line, *message;
  } cases[] = {
      {"x --step 5", "error: unknown option '--step': did you mean '--steps'?\n"},
      {"x --sede=5", "error: unknown option '--sede': did you mean '--seed'?\n"},
      {"x --eval-evry 5", "error: unknown option '--eval-evry': did you mean '--eval-every'?\n"},
      {"x --episodes 5", "error: unknown option '--episodes'; --help lists them all\n"},
      {"x --eval_episodes 5",
       "error: unknown option '--eval_episodes': did you mean '--eval-episodes'?\n"},
      {"x --frobnicate", "error: unknown option '--frobnicate'; --help lists them all\n"},
      {"x --=3", "error: unknown option '--'; --help lists them all\n"},
      {"x --Seed 3", "error: unknown option '--Seed': did you mean '--seed'?\n"},
      {"x --steps", "error: --steps wants a whole number, at least 1\n"},
      {"x --steps=", "error: --steps wants a whole number, at least 1, not ''\n"},
      {"x --steps 0", "error: --steps wants a whole number, at least 1, not '0'\n"},
      {"x --steps --seed 1", "error: --steps wants a whole number, at least 1, not '--seed'\n"},
      {"x --threads 0", "error: --threads wants a whole number from 1 to 65535, not '0'\n"},
      {"x --threads 1e9", "error: --threads wants a whole number from 1 to 65535, not '1e9'\n"},
      {"x --out=", "error: --out wants a directory, not ''\n"},
      {"x --resume", "error: --resume wants a directory\n"},
      {"x --minutes -1", "error: --minutes wants a number of minutes, at least 0, not '-1'\n"},
      {"x --minutes 1h", "error: --minutes wants a number of minutes, at least 0, not '1h'\n"},
      {"x --minutes inf", "error: --minutes wants a number of minutes, at least 0, not 'inf'\n"},
      {"x --quiet=1", "error: --quiet takes no value, not '1'\n"},
      {"x --help=1", "error: --help takes no value, not '1'\n"},
      {"x steps", "error: unexpected argument 'steps': options begin with '--'\n"},
      {"x -h", "error: unexpected argument '-h': options begin with '--'\n"},
      {"x --", "error: unexpected argument '--': options begin with '--'\n"},
      {"x M=16", "error: unexpected argument 'M=16': options begin with '--' (key=value belongs to "
                 "the compiler)\n"},
      {"x --resume a --out b",
       "error: --resume a goes on in that directory: --out b cannot be given too\n"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    Options options;
    char text[4096];
    ck_assert_int_eq(read_line(&options, cases[i].line, STDERR_FILENO, text), 1);
    ck_assert_str_eq(text, cases[i].message);
  }
}
END_TEST

START_TEST(help_pinned) {
  Options options;
  char text[4096];
  ck_assert_int_eq(read_line(&options, "x --seed 3 --help --nonsense", STDOUT_FILENO, text), 0);
  ck_assert_str_eq(
      text,
      "usage: remac [options]    trains on Pendulum-v1\n"
      "\n"
      "  --steps N              environment steps, over all environments (default 1000000)\n"
      "  --seed N               of every random draw (default 1)\n"
      "  --seeds N              runs in one process: of --seed and of those after it (default 1)\n"
      "  --threads N            threads; results do not depend on it (default 1)\n"
      "  --out DIR              run directory (default runs/{env}__{name}__{seed}__{time})\n"
      "  --resume DIR           go on from the newest checkpoint of a run directory\n"
      "  --data DIR             folder of the spec's data files (default: where the spec says)\n"
      "  --eval-every N         steps between evaluations; 0: at the start and the end only "
      "(default 10000)\n"
      "  --eval-episodes N      episodes of an evaluation (default 10)\n"
      "  --checkpoint-every N   steps between checkpoints; 0: at the end only (default 100000)\n"
      "  --checkpoint-minutes X the same by the clock, more seldom where writing one takes long; "
      "0: "
      "none (default 0)\n"
      "  --log-every N          steps between lines of progress.csv (default 1000)\n"
      "  --minutes X            stop cleanly after so much wall time; 0: no limit (default 0)\n"
      "  --quiet                no progress line\n"
      "  --no-replay            checkpoints without the replay: smaller; a resumed run fills it "
      "anew\n"
      "  --help                 this list\n");
}
END_TEST

/* ---- run directories ---- */

static Path make_good(Options *options) {
  RunError error;
  Path made;
  ck_assert_msg(rundir_make(options, &module, made.text, sizeof made.text, &error), "%s",
                error.text);
  return made;
}

static void assert_refused(const Options *options, const char *format, const char *path) {
  RunError error;
  char made[4096], expected[9000];
  ck_assert(!rundir_make(options, &module, made, sizeof made, &error));
  snprintf(expected, sizeof expected, format, path, path);
  ck_assert_str_eq(error.text, expected);
}

/* The text of a key of provenance.json's outermost object. */
static void provenance_text(const Path *file, const char *key, char text[512]) {
  Bytes bytes = file_read(file->text);
  ck_assert_ptr_nonnull(bytes.data);
  JsonReader json = json_reader(bytes.data, bytes.size);
  char name[64];
  text[0] = '\0';
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    if (strcmp(name, key) == 0)
      json_read_string(&json, text, 512);
    else
      json_skip(&json);
  }
  ck_assert_msg(json_finish(&json), "%s", json.problem);
  free(bytes.data);
}

static void assert_provenance(const Path *file, const char *key, const char *expected) {
  char text[512];
  provenance_text(file, key, text);
  ck_assert_str_eq(text, expected);
}

START_TEST(fresh_directory) {
  char *directory = directory_make(), text[512];
  Path out = path_in(directory, "a/b/run");
  Options options = read_good("/some/where/remac --steps 1e4 --quiet");
  options.out = out.text;
  options.facts = &(Fact){"mujoco", "3.2.7"};
  options.fact_count = 1;
  ck_assert_str_eq(make_good(&options).text, out.text);
  assert_file(out.text, "config.yaml", module.spec);
  Path file = path_in(out.text, "provenance.json");
  assert_provenance(&file, "spec", "remac");
  assert_provenance(&file, "spec_hash", "000000000000feed");
  assert_provenance(&file, "environment", "Pendulum-v1");
  assert_provenance(&file, "compiler", "rlc 0.1 -O3");
  assert_provenance(&file, "target", "native");
  assert_provenance(&file, "mujoco", "3.2.7");
  provenance_text(&file, "cpu", text);
  ck_assert_uint_gt(strlen(text), 3);
  provenance_text(&file, "kernel", text);
  ck_assert_int_eq(strncmp(text, "Linux ", 6), 0);
  provenance_text(&file, "started", text);
  int year, month, day, hour, minute, second, length = 0;
  ck_assert_int_eq(sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute,
                          &second, &length),
                   6);
  ck_assert_int_eq(length, 20);
  directory_remove(directory);
}
END_TEST

START_TEST(provenance_tells_no_names) {
  char *directory = directory_make(), host[HOST_NAME_MAX + 1] = "";
  Path out = path_in(directory, "run");
  Options options = read_good("/some/where/remac --steps 1e4 --minutes 1.5 --quiet");
  options.out = "run";
  int here = open(".", O_RDONLY);
  ck_assert_int_eq(chdir(directory), 0);
  make_good(&options);
  ck_assert_int_eq(fchdir(here), 0);
  close(here);
  Bytes bytes = file_read(path_in(out.text, "provenance.json").text);
  ck_assert_ptr_nonnull(strstr(
      bytes.data, "\"options\": {\"steps\": 10000, \"seed\": 1, \"seeds\": 1, \"threads\": 1, "
                  "\"out\": \"run\", \"eval-every\": 10000, \"eval-episodes\": 10, "
                  "\"checkpoint-every\": 100000, \"checkpoint-minutes\": 0, "
                  "\"log-every\": 1000, \"minutes\": 1.5, "
                  "\"quiet\": true, \"no-replay\": false}"));
  ck_assert_ptr_nonnull(strstr(bytes.data, "\"command\": [\"remac\", \"--steps\", \"1e4\", "
                                           "\"--minutes\", \"1.5\", \"--quiet\"]"));
  ck_assert_ptr_nonnull(strstr(bytes.data, "\"cpu_features\": [\"avx2\", \"fma\"]"));
  ck_assert_ptr_null(strstr(bytes.data, directory));
  gethostname(host, sizeof host);
  if (strlen(host) > 5) ck_assert_ptr_null(strstr(bytes.data, host));
  free(bytes.data);
  directory_remove(directory);
}
END_TEST

START_TEST(default_directory) {
  char *directory = directory_make();
  int here = open(".", O_RDONLY);
  ck_assert_int_eq(chdir(directory), 0);
  Options options = read_good("remac --seed 7");
  Path first = make_good(&options), second = make_good(&options);
  ck_assert_int_eq(strncmp(first.text, "runs/Pendulum-v1__remac__7__1", 29), 0);
  ck_assert_str_ne(first.text, second.text);
  assert_file(second.text, "config.yaml", module.spec);
  ck_assert_int_eq(fchdir(here), 0);
  close(here);
  directory_remove(directory);
}
END_TEST

START_TEST(directory_refused) {
  char *directory = directory_make();
  Options options = read_good("remac");
  options.out = directory; /* empty: taken */
  make_good(&options);
  assert_refused(&options,
                 "no checkpoint was written yet in '%s'; remove it or choose another --out",
                 directory);
  Path checkpoints = path_in(directory, "checkpoints");
  ck_assert_int_eq(mkdir(checkpoints.text, 0777), 0);
  file_write(path_in(checkpoints.text, "000001-step-9.json").text, "{}", 2);
  assert_refused(&options,
                 "the run directory '%s' exists and is not empty: choose another with --out, or go "
                 "on from its checkpoint with --resume %s",
                 directory);
  Path file = path_in(directory, "config.yaml"), below = path_in(file.text, "run");
  options.out = checkpoints.text;
  assert_refused(&options, "the directory '%s' is not empty and no run: choose another --out",
                 checkpoints.text);
  options.out = file.text;
  assert_refused(&options, "cannot use the run directory '%s': Not a directory", file.text);
  options.out = below.text;
  assert_refused(&options, "cannot make the run directory '%s': Not a directory", below.text);
  options.out = "/proc/run";
  assert_refused(&options, "cannot make the run directory '%s': No such file or directory",
                 "/proc/run");
  directory_remove(directory);
}
END_TEST

START_TEST(resumed_directory) {
  char *directory = directory_make();
  Options options = read_good("remac --steps 10");
  options.out = directory;
  make_good(&options);
  Bytes before = file_read(path_in(directory, "provenance.json").text);
  RunError error;
  options = read_good("remac --log-every 20");
  options.out = options.resume = directory;
  make_good(&options);
  rundir_adopt(&options); /* what the command line leaves open is as it was */
  ck_assert_uint_eq(options.steps, 10);
  ck_assert_uint_eq(options.log_every, 20);
  ck_assert(rundir_resumed(&options, &module, &error));
  options = read_good("remac --threads 2 --steps 30");
  options.out = options.resume = directory;
  rundir_adopt(&options); /* the newest counts */
  ck_assert_uint_eq(options.steps, 30);
  ck_assert_uint_eq(options.log_every, 20);
  ck_assert(rundir_resumed(&options, &module, &error));
  Path third = path_in(directory, "provenance-3.json");
  assert_provenance(&third, "spec", "remac");
  assert_file(directory, "provenance.json", before.data);
  free(before.data);
  Path missing = path_in(directory, "missing");
  Path other = path_in(directory, "other");
  ck_assert_int_eq(mkdir(other.text, 0777), 0);
  options.resume = other.text;
  assert_refused(&options, "cannot resume from '%s': it is no run directory", other.text);
  options.resume = missing.text;
  assert_refused(&options, "cannot resume from '%s': No such file or directory", missing.text);
  directory_remove(directory);
}
END_TEST

START_TEST(result_pinned) {
  char *directory = directory_make(), expected[5000];
  RunError error;
  const LogValue values[] = {{"step", 50000}, {"eval/mean_reward", -150.25}, {"none", 0.0 / 0.0}};
  ck_assert(rundir_result(directory, values, 3, &error));
  assert_file(directory, "result.json",
              "{\n  \"step\": 50000,\n  \"eval/mean_reward\": -150.25,\n  \"none\": null\n}\n");
  /* A full disk leaves the good one. */
  ck_assert_int_eq(symlink("/dev/full", path_in(directory, "result.json.tmp").text), 0);
  ck_assert(!rundir_result(directory, values, 1, &error));
  snprintf(expected, sizeof expected, "cannot write '%s/result.json': No space left on device",
           directory);
  ck_assert_str_eq(error.text, expected);
  assert_file(directory, "result.json",
              "{\n  \"step\": 50000,\n  \"eval/mean_reward\": -150.25,\n  \"none\": null\n}\n");
  ck_assert_str_eq(file_find(directory, "result.json", ".tmp").text, "");
  directory_remove(directory);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {defaults_of_the_spec,
                                resume_keeps_its_evaluations,
                                defaults,
                                everything_given,
                                resume_is_out,
                                whole_numbers,
                                messages_pinned,
                                help_pinned,
                                fresh_directory,
                                provenance_tells_no_names,
                                default_directory,
                                directory_refused,
                                resumed_directory,
                                result_pinned};
  Suite *suite = suite_create("options");
  TCase *cases = tcase_create("options");
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(cases, tests[i]);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
