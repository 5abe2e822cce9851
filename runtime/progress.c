/* The progress line on standard error: redrawn in place on a terminal, else a line now and then. A
 * failure to print it is nobody's error. */
#include "runtime/trainer.h"

#include <math.h>
#include <stdarg.h>
#include <unistd.h>

#define TERMINAL_SECONDS   0.2
#define FILE_SECONDS       10.0
#define EVALUATION_SECONDS 2.0 /* a shorter evaluation passes unsaid */

/* Appends like printf, cutting what does not fit. */
__attribute__((format(printf, 3, 4))) static size_t append(char line[256], size_t used,
                                                           const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line + used, 256 - used, format, arguments);
  va_end(arguments);
  return length < 0 ? used : used + (size_t)length < 255 ? used + (size_t)length : 255;
}

/* 75 -> "1:15", 3700 -> "1:01:40" */
static size_t append_time(char line[256], size_t used, double seconds) {
  if (!(seconds < 3.6e8)) return append(line, used, "?");
  unsigned long whole = (unsigned long)(seconds + 0.5);
  if (whole >= 3600)
    used = append(line, used, "%lu:%02lu", whole / 3600, whole / 60 % 60);
  else
    used = append(line, used, "%lu", whole / 60);
  return append(line, used, ":%02lu", whole % 60);
}

/* How much of the run is over, 0 to 1: by its steps or by its time limit, whichever ends it sooner.
 */
static double share_over(const Progress *progress) {
  double steps = progress->steps > 0 ? (double)progress->step / (double)progress->steps : 1;
  double limit = progress->limit_seconds;
  return fmin(fmax(steps, limit > 0 ? progress->seconds / limit : 0), 1);
}

/* Seconds to the end at this rate, which the time limit may bring sooner. */
static double seconds_left(const Progress *progress, double step_rate) {
  double steps = (double)progress->steps - (double)progress->step;
  double left = step_rate > 0 ? steps / step_rate : INFINITY;
  double limit = progress->limit_seconds;
  return limit > 0 ? fmin(left, limit - progress->seconds) : left;
}

static size_t write_progress(const Progress *progress, char line[256]) {
  double seconds = progress->seconds > 1e-9 ? progress->seconds : 1e-9;
  double step_rate = (double)(progress->step - progress->start_step) / seconds;
  double update_rate = (double)(progress->updates - progress->start_updates) / seconds;
  double share = share_over(progress);
  size_t used =
      append(line, 0, "step %llu (%.1f %%)", (unsigned long long)progress->step, 100 * share);
  if (!isnan(progress->episode_return))
    used = append(line, used, "  return %.6g", progress->episode_return);
  if (!isnan(progress->eval_return))
    used = append(line, used, "  eval %.6g", progress->eval_return);
  used = append(line, used, "  %.0f steps/s  %.0f updates/s", step_rate, update_rate);
  used = append(line, used, share < 1 ? "  left " : "  took ");
  return append_time(line, used, share < 1 ? seconds_left(progress, step_rate) : progress->seconds);
}

/* Prints a line in the place of the last one. */
static void line_show(Progress *progress, const char *line, bool terminal, bool last) {
  char text[300];
  progress->shown = progress->seconds;
  int length = terminal ? snprintf(text, sizeof text, "\r%s\033[K%s", line, last ? "\n" : "")
                        : snprintf(text, sizeof text, "%s\n", line);
  ssize_t written = write(STDERR_FILENO, text, (size_t)length);
  (void)written;
}

static bool line_due(const Progress *progress, bool terminal) {
  double since = progress->seconds - progress->shown;
  return since >= (terminal ? TERMINAL_SECONDS : FILE_SECONDS);
}

void progress_show(Progress *progress, bool last) {
  bool terminal = isatty(STDERR_FILENO);
  if (!last && !line_due(progress, terminal)) return;
  char line[256];
  line[write_progress(progress, line)] = '\0';
  line_show(progress, line, terminal, last);
}

void progress_evaluating(Progress *progress, double began, uint64_t done, uint64_t most) {
  if (progress->seconds - began < EVALUATION_SECONDS) return;
  bool terminal = isatty(STDERR_FILENO), first = progress->shown <= began;
  if (!first && !line_due(progress, terminal)) return;
  char line[256];
  size_t used = append(line, 0, "evaluating at step %llu: %llu ",
                       (unsigned long long)progress->step, (unsigned long long)done);
  if (most > 0) used = append(line, used, "of %llu ", (unsigned long long)most);
  line[append(line, used, "steps")] = '\0';
  line_show(progress, line, terminal, false);
}
