/* Checkpoints under bad fortune: a crash before any system call that changes a file, a full disk, a
 * directory that cannot be written. The checkpoint before stays good and nothing half done stays.
 */
#include "tests/checkpoint_fixture.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- bad fortune at any moment: the calls that change files, before the C library's own ---- */

static long calls_left = -1;   /* calls until the bad one; -1: none is bad */
static bool dies = true;       /* the process ends before the bad call; else that call fails */
static volatile size_t traced; /* calls so far, and their first letters in order */
static char trace[256];

/* Whether this call must fail. */
static bool bad_call(char call) {
  if (traced < sizeof trace - 1) trace[traced++] = call;
  if (calls_left == 0 && dies) _exit(77);
  errno = EIO;
  return calls_left >= 0 && calls_left-- == 0;
}

ssize_t write(int fd, const void *data, size_t bytes) {
  return bad_call('w') ? -1 : syscall(SYS_write, fd, data, bytes);
}
int fsync(int fd) { return bad_call('f') ? -1 : (int)syscall(SYS_fsync, fd); }
int rename(const char *from, const char *to) {
  return bad_call('r') ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int unlink(const char *path) {
  return bad_call('u') ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* ---- crashes and full disks ---- */

/* Saves state 3 in a child that dies before its call number `calls`; whether it died. */
static bool save_and_die(const char *directory, long calls) {
  int status = -1;
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    RunError error;
    State *state = malloc(sizeof *state);
    state_fill(state, 3);
    calls_left = calls;
    bool good = save(directory, state, &error);
    calls_left = -1;
    _exit(good ? 0 : 1);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77));
  return WEXITSTATUS(status) == 77;
}

START_TEST(crash_anywhere) {
  bool died = true, new_seen = false;
  long calls = 0;
  for (; died; calls++) {
    char *directory = directory_make();
    RunError error;
    for (unsigned key = 1; key <= (unsigned)_i; key++) save_good(directory, key);
    died = save_and_die(directory, calls);
    int key = load_key(directory, &module, 9, &error);
    /* The old one until the moment of publication, the new one from then on. */
    ck_assert_msg(key == (new_seen ? 3 : _i) || key == 3, "call %ld: %d (%s)", calls, key,
                  error.text);
    new_seen = key == 3;
    save_good(directory, 4); /* and the next save is as good as ever */
    ck_assert_int_eq(load_key(directory, &module, 9, &error), 4);
    ck_assert_uint_eq(count_files(directory, ".tmp"), 0);
    directory_remove(directory);
  }
  ck_assert(new_seen);
  ck_assert_int_gt(calls, 15);
}
END_TEST

/* One call fails, and the process lives on: an error, unless it was the removal of an old file, and
 * either the old checkpoint with nothing left of the new one, or the whole new one. */
START_TEST(failure_anywhere) {
  dies = false;
  long calls = 0;
  for (bool failed = true; failed; calls++) {
    char *directory = directory_make();
    RunError error = {0};
    State *state = malloc(sizeof *state);
    state_fill(state, 3);
    save_good(directory, 1);
    save_good(directory, 2);
    traced = 0, calls_left = calls;
    bool good = save(directory, state, &error);
    failed = calls_left < 0;
    calls_left = -1;
    ck_assert_msg(good == (!failed || trace[calls] == 'u'), "call %ld", calls);
    ck_assert(good || strstr(error.text, "': Input/output error"));
    int key = load_key(directory, &module, 3, &error);
    ck_assert_msg(key == 3 || (key == 2 && !good), "call %ld: %d (%s)", calls, key, error.text);
    ck_assert_uint_eq(count_files(directory, ".tmp"), 0);
    ck_assert(key == 3 || count_files(directory, ".safetensors") == 2);
    ck_assert(key == 3 || count_files(directory, ".blobs") == 2);
    free(state);
    directory_remove(directory);
  }
  dies = true;
  ck_assert_int_eq(calls, 19);
}
END_TEST

/* Every file is on the disk before its name is, the other names before that of NAME.json, and old
 * checkpoints go last. */
START_TEST(durable_in_order) {
  char *directory = directory_make();
  RunError error;
  State *state = malloc(sizeof *state);
  for (unsigned key = 1; key <= 3; key++) {
    state_fill(state, key);
    traced = 0;
    bool good = save(directory, state, &error);
    trace[traced] = '\0';
    ck_assert_msg(good, "%s", error.text);
    ck_assert_str_eq(trace, key < 3 ? "wfwfwf"
                                      "rrfrf"
                                      "wfrf"
                                    : "wfwfwf"
                                      "rrfrf"
                                      "wfrf"
                                      "uuu");
  }
  free(state);
  directory_remove(directory);
}
END_TEST

/* In a child: saves under a limit on file sizes; 0 when that failed cleanly. */
static int save_to_limit(const char *directory, rlim_t bytes) {
  RunError error;
  State *state = malloc(sizeof *state);
  state_fill(state, 3);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &limit);
  if (save(directory, state, &error)) return 2;
  return strstr(error.text, "File too large") && strstr(error.text, "cannot write '") ? 0 : 3;
}

START_TEST(full_disk) {
  char *directory = directory_make();
  RunError error;
  save_good(directory, 1);
  save_good(directory, 2);
  static const rlim_t limits[] = {0, 100, 700, 2000, 3100};
  for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(save_to_limit(directory, limits[i]));
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "limit %d: status %d", (int)limits[i], status);
    ck_assert_int_eq(load_key(directory, &module, 9, &error), 2);
    ck_assert_uint_eq(count_files(directory, ".tmp"), 0);
    ck_assert_uint_eq(count_files(directory, ".safetensors"), 2);
  }
  assert_file(directory, "checkpoints/latest.json",
              "{\n  \"checkpoint\": \"000002-step-2000\"\n}\n");
  directory_remove(directory);
}
END_TEST

/* The disk fills up between the checkpoint and latest.json: an error, and the new one is there. */
START_TEST(device_full) {
  char *directory = directory_make(), expected[5000];
  RunError error;
  State *state = malloc(sizeof *state);
  save_good(directory, 1);
  Path latest = path_in(directory, "checkpoints/latest.json.tmp");
  ck_assert_int_eq(symlink("/dev/full", latest.text), 0);
  state_fill(state, 2);
  ck_assert(!save(directory, state, &error));
  snprintf(expected, sizeof expected,
           "cannot write '%s/checkpoints/latest.json': No space left on device", directory);
  ck_assert_str_eq(error.text, expected);
  ck_assert_int_eq(load_key(directory, &module, 2, &error), 2);
  assert_file(directory, "checkpoints/latest.json",
              "{\n  \"checkpoint\": \"000001-step-1000\"\n}\n");
  ck_assert_uint_eq(count_files(directory, ".tmp"), 0);
  free(state);
  directory_remove(directory);
}
END_TEST

START_TEST(no_directory) {
  char *directory = directory_make(), expected[5000];
  RunError error;
  State *state = malloc(sizeof *state);
  state_fill(state, 1);
  Path file = path_in(directory, "file");
  file_write(file.text, "x", 1);
  ck_assert(!save(file.text, state, &error));
  snprintf(expected, sizeof expected, "cannot make '%s/checkpoints': Not a directory", file.text);
  ck_assert_str_eq(error.text, expected);
  ck_assert(!save("/proc", state, &error));
  ck_assert_str_eq(error.text, "cannot make '/proc/checkpoints': No such file or directory");
  file_write(path_in(directory, "checkpoints").text, "x", 1);
  ck_assert(!save(directory, state, &error));
  snprintf(expected, sizeof expected, "cannot read '%s/checkpoints': Not a directory", directory);
  ck_assert_str_eq(error.text, expected);
  free(state);
  directory_remove(directory);
}
END_TEST

int main(void) {
  const TTest *const tests[] = {full_disk, device_full, no_directory, durable_in_order,
                                failure_anywhere};
  Suite *suite = suite_create("checkpoint_crash");
  TCase *cases = tcase_create("checkpoint_crash");
  tcase_set_timeout(cases, 120);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(cases, tests[i]);
  tcase_add_loop_test(cases, crash_anywhere, 0, 3);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
