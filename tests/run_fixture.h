/* Whole runs of hand-written modules through rlc_main, in directories of their own: what they said,
 * what they left behind, whether two of them left the same, and how often memory was taken. */
#ifndef RLC_TESTS_RUN_FIXTURE_H
#define RLC_TESTS_RUN_FIXTURE_H

#include "tests/runtime_fixture.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>

#include "runtime/training.h"
#include "tests/allocations.h"

/* ---- runs ---- */

typedef struct Run {
  const RlcModule *module; /* that of `fake`, unless a test sets another */
  Fake fake;
  RlcSlot slots[FAKE_SLOTS];
  char root[64], directory[80], messages[96];
  bool loud; /* without --quiet */
  int status;
  char text[4096]; /* what it said on standard error */
} Run;

static inline void run_begin(Run *run) {
  *run = (Run){0};
  fake_make(&run->fake, run->slots);
  run->module = &run->fake.module;
  char root[sizeof run->root];
  snprintf(root, sizeof root, "%s/rlc_training_XXXXXX",
           getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
  ck_assert_ptr_nonnull(mkdtemp(root));
  memcpy(run->root, root, sizeof root);
  snprintf(run->directory, sizeof run->directory, "%s/run", root);
  snprintf(run->messages, sizeof run->messages, "%s/messages", root);
}

static inline void run_end(Run *run) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", run->root);
  ck_assert_int_eq(system(command), 0);
}

/* Reads a whole file; the caller frees. NULL when there is none. */
static inline char *file_read(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  size_t room = 1 << 22;
  char *text = malloc(room);
  *size = fread(text, 1, room - 1, file);
  text[*size] = 0;
  fclose(file);
  return text;
}

/* Runs rlc_main with `options`, words separated by blanks, and keeps what it said. */
static inline void run_main(Run *run, const char *options) {
  char words[512], *argv[32] = {"fake", "--quiet"};
  int argc = run->loud ? 1 : 2;
  snprintf(words, sizeof words, "%s", options);
  for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
  fflush(stderr);
  int kept = dup(2), file = open(run->messages, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  dup2(file, 2);
  run->status = rlc_main(run->module, argc, argv);
  fflush(stderr);
  dup2(kept, 2);
  close(kept);
  close(file);
  size_t size = 0;
  char *text = file_read(run->messages, &size);
  snprintf(run->text, sizeof run->text, "%s", text);
  free(text);
}

/* A new run in its own directory. */
static inline void run_new(Run *run, const char *options) {
  char all[512];
  snprintf(all, sizeof all, "--out %s --log-every 300 --checkpoint-every 900 --eval-episodes 3 %s",
           run->directory, options);
  run_main(run, all);
}

static inline void run_resume(Run *run, const char *options) {
  char all[512];
  snprintf(all, sizeof all,
           "--resume %s --log-every 300 --checkpoint-every 900 --eval-episodes 3 %s",
           run->directory, options);
  run_main(run, all);
}

/* ---- comparing ---- */

static inline char *run_file(const Run *run, const char *name, size_t *size) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", run->directory, name);
  return file_read(path, size);
}

/* The newest checkpoint's file with that ending; names are numbers, and sort so. */
static inline char *run_checkpoint(const Run *run, const char *ending, size_t *size) {
  char path[256], newest[256] = "";
  snprintf(path, sizeof path, "%s/checkpoints", run->directory);
  DIR *list = opendir(path);
  if (!list) return NULL;
  for (struct dirent *entry; (entry = readdir(list));) {
    size_t length = strlen(entry->d_name), end = strlen(ending);
    if (entry->d_name[0] <= '9' && length > end && !strcmp(entry->d_name + length - end, ending) &&
        strcmp(entry->d_name, newest) > 0)
      snprintf(newest, sizeof newest, "%s", entry->d_name);
  }
  closedir(list);
  char name[300];
  snprintf(name, sizeof name, "checkpoints/%s", newest);
  return run_file(run, name, size);
}

static inline void check_checkpoint(const Run *a, const Run *b, const char *ending) {
  size_t n = 0, m = 0;
  char *x = run_checkpoint(a, ending, &n), *y = run_checkpoint(b, ending, &m);
  ck_assert_msg(x && y, "both runs have a checkpoint's %s", ending);
  ck_assert_uint_eq(n, m);
  ck_assert_msg(!memcmp(x, y, n), "%s is equal byte for byte", ending);
  free(x);
  free(y);
}

static inline bool column_is_wall_time(const char *name) {
  static const char *const wall[] = {"charts/SPS", "time/fps", "time/updates_per_second",
                                     "time/time_elapsed"};
  for (size_t i = 0; i < sizeof wall / sizeof *wall; i++)
    if (!strcmp(name, wall[i])) return true;
  return false;
}

/* Blanks the columns of wall time, so that the rest can be compared as text. */
static inline char *csv_timeless(const Run *run, const char *name) {
  size_t size = 0, column = 0, columns = 0;
  bool wall[64] = {false};
  char *text = run_file(run, name, &size), *head = text;
  ck_assert_ptr_nonnull(text);
  char *end = strchr(text, '\n');
  ck_assert_ptr_nonnull(end);
  while (head < end) {
    size_t length = strcspn(head, ",\n");
    char cell[128];
    snprintf(cell, sizeof cell, "%.*s", (int)length, head);
    wall[columns++] = column_is_wall_time(cell);
    head += length + 1;
  }
  for (char *at = end + 1; *at; at++) {
    if (*at == ',') column++;
    if (*at == '\n') column = 0;
    if (*at != ',' && *at != '\n' && wall[column]) *at = ' ';
  }
  return text;
}

/* Copies without blanks, as times have any number of digits. */
static inline void text_squeeze(char *text) {
  char *to = text;
  for (const char *at = text; *at; at++)
    if (*at != ' ') *to++ = *at;
  *to = 0;
}

static inline void check_csv(const Run *a, const Run *b, const char *name) {
  char *x = csv_timeless(a, name), *y = csv_timeless(b, name);
  text_squeeze(x);
  text_squeeze(y);
  ck_assert_str_eq(x, y);
  free(x);
  free(y);
}

static inline void check_equal(const Run *a, const Run *b) {
  check_csv(a, b, "progress.csv");
  check_csv(a, b, "evaluations.csv");
  check_checkpoint(a, b, ".safetensors");
  check_checkpoint(a, b, ".blobs");
}

static inline size_t csv_lines(const Run *run, const char *name) {
  size_t size = 0, lines = 0;
  char *text = run_file(run, name, &size);
  ck_assert_ptr_nonnull(text);
  for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
  free(text);
  return lines;
}

#endif
