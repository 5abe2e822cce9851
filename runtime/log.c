/* The logs of a run: progress.csv and metrics.jsonl (training lines), evaluations.csv, and one
 * TensorBoard event file with both. Every line reaches the kernel as a whole before log_line
 * returns, so that a killed run has whole lines only; log_mark brings them to the disk. The files
 * are equal for equal runs but for wall time: columns named time/..., and the events' own times. */
#include "runtime/json.h"
#include "runtime/tfevents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PROGRESS, METRICS, EVALUATIONS, EVENTS, FILES };
static const char event_prefix[] = "events.out.tfevents.";

typedef struct Names {
  const char **names; /* our own copies, in one block with their text */
  size_t count;
} Names;

struct Log {
  int lock; /* the directory, locked as long as the log is open */
  FileOutput files[FILES];
  Names train, eval;
};

static double wall_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- opening ---- */

static bool names_copy(Names *copy, const char *const *names, size_t count, RunError *error) {
  size_t text = 0;
  for (size_t i = 0; i < count; i++) {
    size_t length = strlen(names[i]);
    if (length == 0 || length >= TFEVENTS_TAG || strpbrk(names[i], ",\"\r\n"))
      return run_fail(error, "a column cannot be called '%.*s'", TFEVENTS_TAG, names[i]);
    text += length + 1;
  }
  copy->names = malloc(count * sizeof *copy->names + text + 1);
  if (!copy->names) return run_fail(error, "no memory for the names of %zu columns", count);
  char *at = (char *)(copy->names + count);
  for (size_t i = 0; i < count; i++) {
    copy->names[i] = at;
    at = stpcpy(at, names[i]) + 1;
  }
  copy->count = count;
  return true;
}

/* Room for one line of any file: the longest number takes 25 characters, a record's frame 64. */
static size_t line_room(const Names *names) {
  size_t room = 256;
  for (size_t i = 0; i < names->count; i++) room += strlen(names->names[i]) + 100;
  return room;
}

static void csv_header(FileOutput *out, const Names *names) {
  output_text(out, "step");
  for (size_t i = 0; i < names->count; i++) {
    output_text(out, ",");
    output_text(out, names->names[i]);
  }
  output_text(out, "\n");
}

/* A resumed run must go on with the columns it began with. */
static bool same_header(const char *path, const Names *names, RunError *error) {
  FileOutput expected;
  output_count(&expected, NULL, 0);
  csv_header(&expected, names);
  char *text = calloc(1, expected.bytes);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool good = text && fd >= 0 && read(fd, text, expected.bytes) == (ssize_t)expected.bytes;
  FileOutput found;
  output_count(&found, NULL, 0);
  if (good) output_put(&found, text, expected.bytes);
  if (fd >= 0) close(fd);
  free(text);
  if (good && found.crc == expected.crc) return true;
  return run_fail(error, "cannot go on with '%s': its columns are not those of this trainer", path);
}

/* The name of the directory's event file; a fresh one carries the time of its making. */
static bool event_path(const char *directory, bool resume, char path[OUTPUT_PATH],
                       RunError *error) {
  if (!resume)
    return path_make(path, error, "%s/%s%lld.rlc", directory, event_prefix, (long long)time(NULL));
  DIR *list = opendir(directory);
  if (!list) return run_fail(error, "cannot read '%s': %s", directory, strerror(errno));
  bool found = false, good = true;
  for (struct dirent *entry; good && !found && (entry = readdir(list));) {
    found = strncmp(entry->d_name, event_prefix, sizeof event_prefix - 1) == 0;
    if (found) good = path_make(path, error, "%s/%s", directory, entry->d_name);
  }
  closedir(list);
  if (found || !good) return good;
  return run_fail(error, "cannot go on in '%s': it has no file '%s*'", directory, event_prefix);
}

static bool log_paths(const char *directory, bool resume, char paths[FILES][OUTPUT_PATH],
                      RunError *error) {
  return path_make(paths[PROGRESS], error, "%s/progress.csv", directory) &&
         path_make(paths[METRICS], error, "%s/metrics.jsonl", directory) &&
         path_make(paths[EVALUATIONS], error, "%s/evaluations.csv", directory) &&
         event_path(directory, resume, paths[EVENTS], error);
}

/* Everything that may stand against going on is looked at before any file is cut. */
static bool check_resume(const Log *log, char paths[FILES][OUTPUT_PATH], const LogMark *mark,
                         RunError *error) {
  for (int file = 0; file < FILES; file++) {
    int fd = open(paths[file], O_WRONLY | O_CLOEXEC);
    off_t length = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    int reason = errno;
    if (fd >= 0) close(fd);
    if (length < 0)
      return run_fail(error, "cannot go on with '%s': %s", paths[file], strerror(reason));
    if ((uint64_t)length < mark->bytes[file])
      return run_fail(error, "cannot go on with '%s': it has %lld bytes, the checkpoint saw %llu",
                      paths[file], (long long)length, (unsigned long long)mark->bytes[file]);
  }
  return same_header(paths[PROGRESS], &log->train, error) &&
         same_header(paths[EVALUATIONS], &log->eval, error);
}

static bool open_files(Log *log, const char *directory, const LogMark *resume, RunError *error) {
  char paths[FILES][OUTPUT_PATH];
  if (!log_paths(directory, resume != NULL, paths, error)) return false;
  if (resume && !check_resume(log, paths, resume, error)) return false;
  size_t train = line_room(&log->train), eval = line_room(&log->eval);
  size_t room = train > eval ? train : eval;
  for (int file = 0; file < FILES; file++) {
    char *buffer = malloc(room);
    if (!buffer) return run_fail(error, "no memory for the buffers of the logs");
    bool good = output_open(&log->files[file], paths[file], resume ? resume->bytes[file] : 0,
                            buffer, room, error);
    if (!good) return false;
  }
  return true;
}

static bool flush_all(Log *log, RunError *error) {
  for (int file = 0; file < FILES; file++)
    if (!output_flush(&log->files[file], error)) return false;
  return true;
}

static bool start_files(Log *log, RunError *error) {
  csv_header(&log->files[PROGRESS], &log->train);
  csv_header(&log->files[EVALUATIONS], &log->eval);
  tfevents_version(&log->files[EVENTS], wall_seconds());
  return flush_all(log, error);
}

static void log_free(Log *log) {
  for (int file = 0; file < FILES; file++) {
    output_drop(&log->files[file]);
    free(log->files[file].buffer);
  }
  if (log->lock >= 0) close(log->lock);
  free(log->train.names);
  free(log->eval.names);
  free(log);
}

Log *log_open(const char *directory, const char *const *names, size_t count,
              const char *const *eval_names, size_t eval_count, const LogMark *resume,
              RunError *error) {
  Log *log = calloc(1, sizeof *log);
  if (!log) {
    run_fail(error, "no memory for the logs");
    return NULL;
  }
  log->lock = -1;
  for (int file = 0; file < FILES; file++) output_count(&log->files[file], NULL, 0);
  if (names_copy(&log->train, names, count, error) &&
      names_copy(&log->eval, eval_names, eval_count, error) &&
      rundir_lock(directory, &log->lock, error) && open_files(log, directory, resume, error) &&
      (resume || start_files(log, error)))
    return log;
  log_free(log);
  return NULL;
}

/* ---- lines ---- */

static void write_csv(FileOutput *out, const Names *names, uint64_t step, const double *values) {
  output_u64(out, step);
  for (size_t i = 0; i < names->count; i++) {
    output_text(out, ",");
    if (!isnan(values[i])) output_double(out, values[i]);
  }
  output_text(out, "\n");
}

static void write_json(FileOutput *out, const Names *names, uint64_t step, const double *values) {
  JsonWriter json = json_writer(out, 0);
  json_open(&json, '{');
  json_name(&json, "step");
  json_u64(&json, step);
  for (size_t i = 0; i < names->count; i++) {
    json_name(&json, names->names[i]);
    json_double(&json, values[i]);
  }
  json_close(&json);
  output_text(out, "\n");
}

static void write_events(FileOutput *out, const Names *names, uint64_t step, const double *values) {
  double now = wall_seconds();
  for (size_t i = 0; i < names->count; i++)
    if (!isnan(values[i])) tfevents_scalar(out, now, step, names->names[i], values[i]);
}

static bool write_line(Log *log, int csv, const Names *names, uint64_t step, const double *values,
                       RunError *error) {
  write_csv(&log->files[csv], names, step, values);
  write_json(&log->files[METRICS], names, step, values);
  write_events(&log->files[EVENTS], names, step, values);
  return flush_all(log, error);
}

bool log_line(Log *log, uint64_t step, const double *values, RunError *error) {
  return write_line(log, PROGRESS, &log->train, step, values, error);
}

bool log_evaluation(Log *log, uint64_t step, const double *values, RunError *error) {
  return write_line(log, EVALUATIONS, &log->eval, step, values, error);
}

bool log_mark(Log *log, LogMark *mark, RunError *error) {
  for (int file = 0; file < FILES; file++) {
    if (!output_sync(&log->files[file], error)) return false;
    mark->bytes[file] = log->files[file].bytes;
  }
  return true;
}

bool log_close(Log *log, RunError *error) {
  if (!log) return true;
  LogMark mark;
  bool good = log_mark(log, &mark, error);
  log_free(log);
  return good;
}
