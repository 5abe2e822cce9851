/* What the test of compiled trainers shares: trainers built into a folder of the test's own, runs
 * of them with their status and messages, and the checkpoints they leave. */
#ifndef RLC_TESTS_TRAINER_FIXTURE_H
#define RLC_TESTS_TRAINER_FIXTURE_H

#include "tests/files_support.h"
#include "tests/spec_fixture.h"

#include "compiler/build.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_ARGUMENTS = 40 };

/* How a run ended: its exit status, or 128 + the signal; and what it said on standard error. */
typedef struct Ended {
  int status;
  char said[4096];
} Ended;

/* A folder that build_find takes for rlc's own, whatever folder the objects were built in. */
static inline void bench_home(const char *folder) {
  Path home = path_in(folder, "home"), include = path_in(home.text, "include");
  Path library = path_in(home.text, "librlc_runtime.a");
  ck_assert_int_eq(mkdir(home.text, 0777), 0);
  ck_assert_int_eq(symlink(RLC_ROOT, include.text), 0);
  ck_assert_int_eq(symlink(RLC_BUILD "/librlc_runtime.a", library.text), 0);
  setenv("RLC_HOME", home.text, 1);
#ifdef SANITIZED
  Path compiler = path_in(home.text, "cc");
  static const char script[] = "#!/bin/sh\nexec gcc -fsanitize=address,undefined \"$@\"\n";
  file_write(compiler.text, script, sizeof script - 1);
  chmod(compiler.text, 0755);
  setenv("CC", compiler.text, 1);
#endif
}

/* `rlc compile spec overrides -o folder/name`. */
static inline void trainer_build(const char *folder, const char *name, const char *spec_path,
                                 const char *overrides) {
  Spec spec = spec_open(spec_path, overrides);
  spec_passes(&spec, NULL);
  CodegenOptions options =
      build_options(spec.arena, getenv("RLC_TARGET") ? getenv("RLC_TARGET") : "native");
  Code *code = code_make(spec.arena, spec.module, &options);
  ck_assert_msg(build_trainer(spec.arena, code, path_in(folder, name).text), "%s: no trainer",
                name);
  spec_close(&spec);
}

/* Starts folder/`command`: blank-separated words, the first of them the trainer. */
static inline pid_t trainer_start(const char *folder, const char *command) {
  char words[2048], *argv[MAX_ARGUMENTS], *rest = NULL;
  int count = 0;
  snprintf(words, sizeof words, "%s", command);
  for (char *word = strtok_r(words, " ", &rest); word && count < MAX_ARGUMENTS - 1;
       word = strtok_r(NULL, " ", &rest))
    argv[count++] = word;
  argv[count] = NULL;
  fflush(NULL);
  pid_t child = fork();
  if (child != 0) return child;
  if (chdir(folder) != 0) _exit(126);
  if (!freopen("said", "w", stderr) || !freopen("/dev/null", "w", stdout)) _exit(126);
  char program[256];
  snprintf(program, sizeof program, "./%s", argv[0]);
  execv(program, argv);
  _exit(127);
}

static inline Ended trainer_wait(const char *folder, pid_t child) {
  Ended ended = {0};
  int status = -1;
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  Bytes said = file_read(path_in(folder, "said").text);
  snprintf(ended.said, sizeof ended.said, "%s", said.data ? said.data : "");
  free(said.data);
  return ended;
}

static inline Ended trainer_run(const char *folder, const char *command) {
  return trainer_wait(folder, trainer_start(folder, command));
}

/* A run that must end well. */
static inline void trainer_good(const char *folder, const char *command) {
  Ended ended = trainer_run(folder, command);
  ck_assert_msg(ended.status == 0, "%s: status %d: %s", command, ended.status, ended.said);
}

static inline void sleep_ms(unsigned ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&t, NULL);
}

enum { WAITS_MOST = 120 }; /* seconds, against waiting for ever */

/* Sleeps for a moment; false when what is waited for must be given up. */
static inline bool wait_more(int *times) {
  sleep_ms(5);
  return ++*times < WAITS_MOST * 200;
}

/* Waits until a file has a text; an empty one: until it is there. */
static inline void wait_text(Path path, const char *part) {
  for (int times = 0;;) {
    Bytes file = file_read(path.text);
    bool there = file.data && strstr(file.data, part);
    free(file.data);
    if (there) return;
    ck_assert_msg(wait_more(&times), "'%s' does not appear in %s", part, path.text);
  }
}

/* The last checkpoint's parameters, targets and optimiser states. */
static inline Bytes final_tensors(const char *folder, const char *run, unsigned step) {
  char end[64];
  snprintf(end, sizeof end, "-step-%u.safetensors", step);
  Path checkpoints = path_in(path_in(folder, run).text, "checkpoints");
  Path file = file_find(checkpoints.text, "", end);
  ck_assert_msg(file.text[0], "%s has no checkpoint of step %u", run, step);
  return file_read(file.text);
}

/* Both runs ended with the same bits. */
static inline void same_end(const char *folder, const char *a, const char *b, unsigned step) {
  Bytes x = final_tensors(folder, a, step), y = final_tensors(folder, b, step);
  ck_assert_msg(x.size == y.size && x.size > 0 && memcmp(x.data, y.data, x.size) == 0,
                "%s and %s end differently", a, b);
  free(x.data);
  free(y.data);
}

/* A number of result.json. */
static inline double result_number(const char *folder, const char *run, const char *name) {
  Bytes text = file_read(path_in(path_in(folder, run).text, "result.json").text);
  char quoted[80];
  snprintf(quoted, sizeof quoted, "\"%s\":", name);
  const char *at = text.data ? strstr(text.data, quoted) : NULL;
  ck_assert_msg(at != NULL, "%s/result.json has no %s", run, name);
  double value = strtod(at + strlen(quoted), NULL);
  free(text.data);
  return value;
}

#endif
