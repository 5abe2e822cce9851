/* How far a run is, by the last lines of its CSV files, which hold whole lines only. */
#include "compiler/study/run/run_parts.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_ROOM = 16384 };

/* The column's number, or -1. */
static int column_find(const char *header, const char *column) {
  size_t length = strlen(column);
  for (int at = 0; *header && *header != '\n'; at++) {
    size_t cell = strcspn(header, ",\n");
    if (cell == length && strncmp(header, column, length) == 0) return at;
    header += cell + (header[cell] == ',');
  }
  return -1;
}

/* The number in a cell of a line; NAN where it is empty. */
static double cell_read(const char *line, int column) {
  for (; column > 0; column--) {
    line = strchr(line, ',');
    if (!line) return NAN;
    line++;
  }
  char *end;
  double value = strtod(line, &end);
  return end == line ? NAN : value;
}

/* The last line behind the header, as text in `room`; NULL when there is none. */
static const char *line_last(int file, char room[LINE_ROOM]) {
  off_t size = lseek(file, 0, SEEK_END), from = size > LINE_ROOM - 1 ? size - (LINE_ROOM - 1) : 0;
  ssize_t got = pread(file, room, LINE_ROOM - 1, from);
  if (got <= 0) return NULL;
  room[got] = '\0';
  char *end = strrchr(room, '\n');
  if (!end) return NULL;
  *end = '\0';
  char *before = strrchr(room, '\n');
  return before ? before + 1 : NULL;
}

double csv_last(const char *path, const char *column) {
  char header[LINE_ROOM], room[LINE_ROOM];
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return NAN;
  ssize_t got = pread(file, header, sizeof header - 1, 0);
  header[got > 0 ? got : 0] = '\0';
  int at = column_find(header, column);
  const char *line = at < 0 ? NULL : line_last(file, room);
  double value = line ? cell_read(line, at) : NAN;
  close(file);
  return value;
}

StudyProgress study_progress(const Runner *runner, const StudyRun *run) {
  const StudyScore *score = &runner->study->score;
  char progress[4096], evaluations[4096];
  snprintf(progress, sizeof progress, "%s/%s/progress.csv", runner->folder, run->folder);
  snprintf(evaluations, sizeof evaluations, "%s/%s/evaluations.csv", runner->folder, run->folder);
  double step = csv_last(progress, "step");
  StudyProgress found = {.step = step > 0 ? (uint64_t)step : 0};
  found.value = csv_last(evaluations, score->column);
  if (isnan(found.value)) found.value = csv_last(progress, score->column);
  /* before the first evaluation */
  if (isnan(found.value) && strcmp(score->metric, "return") == 0)
    found.value = csv_last(progress, "rollout/ep_rew_mean");
  return found;
}
