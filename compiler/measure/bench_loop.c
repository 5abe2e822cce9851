/* The trainer's own loop, slice by slice: evaluations and checkpoints are off, logs go to a
 * temporary directory. */
#include "compiler/measure/bench.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- where its logs go ---- */

/* A directory with all that is in it; links are not followed. */
static void directory_remove(const char *path) {
  DIR *list = opendir(path);
  for (struct dirent *entry; list && (entry = readdir(list));) {
    char below[RUN_PATH];
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= (int)sizeof below) continue;
    if (unlink(below)) directory_remove(below);
  }
  if (list) closedir(list);
  rmdir(path);
}

bool looping_make(Trainer *trainer, Looping *looping) {
  const char *base = getenv("TMPDIR");
  const Metrics *metrics = &trainer->metrics;
  const RlcModule named = module_named(trainer->module);
  *looping = (Looping){0};
  snprintf(looping->directory, RUN_PATH, "%s/rlc-bench-XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(looping->directory)) {
    run_fail(&trainer->error, "no temporary directory %s", looping->directory);
    *looping->directory = '\0';
    return false;
  }
  trainer->options.out = looping->directory;
  if (!rundir_make(&trainer->options, &named, trainer->directory, sizeof trainer->directory,
                   &trainer->error))
    return false;
  trainer->log = log_open(trainer->directory, metrics->name, metrics->columns, evaluation_columns,
                          EVALUATION_COLUMNS, NULL, &trainer->error);
  return trainer->log != NULL;
}

bool looping_free(Trainer *trainer, Looping *looping, bool good) {
  RunError later; /* the first message stays */
  if (trainer->log && !log_close(trainer->log, good ? &trainer->error : &later)) good = false;
  trainer->log = NULL;
  if (*looping->directory) directory_remove(looping->directory);
  return good;
}

/* ---- a slice ---- */

Looped looping_run(Trainer *trainer, double seconds) {
  Looped looped = {0};
  trainer_start(trainer); /* others may have written slots and counters since the last slice */
  double start = run_clock(), taken;
  do {
    if (!trainer_round(trainer)) return looped;
    taken = run_clock() - start;
    if (stop_signal(trainer->stop)) return run_fail(&trainer->error, "interrupted"), looped;
  } while (taken < seconds);
  looped.steps = (double)(trainer->state.step - trainer->progress.start_step);
  looped.updates = (double)(trainer->state.updates - trainer->progress.start_updates);
  looped.seconds = taken;
  return looped;
}
