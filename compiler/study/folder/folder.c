/* The folder of a study: its place, its two files about the study itself, and directories made and
 * removed. */
#define _GNU_SOURCE
#include "compiler/study/folder/stored.h"
#include "compiler/study/folder/folder.h"

#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- directories ---- */

const char *folder_path(Session *session, const Study *study) {
  if (!session->output) return arena_printf(session->arena, "studies/%s", study->folder);
  size_t length = strlen(session->output);
  while (length > 1 && session->output[length - 1] == '/') length--;
  return arena_copy(session->arena, session->output, length);
}

const char *trainer_path(const Runner *runner, const char *name) {
  return arena_printf(runner->arena, "%s/trainers/%s", runner->folder, name);
}

bool folder_make(const char *path) {
  RunError error;
  return directories_make(path, &error) || (fprintf(stderr, "error: %s\n", error.text), false);
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)status, (void)type, (void)place;
  if (remove(path) == 0 || errno == ENOENT) return 0;
  return fprintf(stderr, "error: cannot remove '%s': %s\n", path, strerror(errno)), 1;
}

/* What a link leads to belongs to somebody else: the link alone goes. What somebody else removes
 * meanwhile is gone all the same. */
bool folder_remove(const char *path) {
  enum { OPEN_AT_ONCE = 16 };
  int status = nftw(path, entry_remove, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS);
  if (status < 0 && errno == ENOENT) status = 0;
  if (status < 0) fprintf(stderr, "error: cannot remove '%s': %s\n", path, strerror(errno));
  return status == 0;
}

/* ---- the two files ---- */

static bool write_json(const Runner *runner, RunError *error) {
  char path[OUTPUT_PATH];
  return path_make(path, error, "%s/study.json", runner->folder) &&
         study_store(runner->arena, runner->study, path, error);
}

/* The study's file as it was given, with its comments. */
static bool write_yaml(const Runner *runner, RunError *error) {
  char path[OUTPUT_PATH], buffer[4096];
  const char *reason = NULL;
  Source *source = source_read(runner->arena, runner->study->path, &reason);
  FileOutput out;
  if (!source) return run_fail(error, "cannot read '%s': %s", runner->study->path, reason);
  if (!path_make(path, error, "%s/study.yaml", runner->folder) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  output_put(&out, source->text, source->size);
  return output_finish(&out, error);
}

bool folder_write(const Runner *runner) {
  RunError error;
  if (write_yaml(runner, &error) && write_json(runner, &error)) return true;
  return fprintf(stderr, "error: %s\n", error.text), false;
}
