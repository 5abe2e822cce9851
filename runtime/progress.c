/* The progress line on standard error, of one run or of several: redrawn in place on a terminal,
 * else a line now and then. A failure to print it is nobody's error. */
#include "runtime/rows.h"
#include "runtime/trainer.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
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
static void line_write(const char *line, bool terminal, bool last) {
  char text[300];
  int length = terminal ? snprintf(text, sizeof text, "\r%s\033[K%s", line, last ? "\n" : "")
                        : snprintf(text, sizeof text, "%s\n", line);
  ssize_t written = write(STDERR_FILENO, text, (size_t)length);
  (void)written;
}

static void line_show(Progress *progress, const char *line, bool terminal, bool last) {
  progress->shown = progress->seconds;
  line_write(line, terminal, last);
}

static bool line_due(const Progress *progress, bool terminal) {
  double since = progress->seconds - progress->shown;
  return since >= (terminal ? TERMINAL_SECONDS : FILE_SECONDS);
}

/* ---- several runs ---- */

typedef struct Place {
  Progress progress;
  bool left, failed; /* nothing is left to do for its run; and why */
} Place;

struct Board {
  pthread_mutex_t lock;
  uint32_t count;
  double began, shown, limit; /* seconds; `shown` since `began` */
  bool open;                  /* a line without an end stands on the terminal */
  Place place[];
};

Board *board_make(uint32_t runs, double limit, RunError *error) {
  Board *board = run_take(1, sizeof *board + runs * sizeof(Place), error);
  if (!board) return NULL;
  pthread_mutex_init(&board->lock, NULL);
  board->count = runs;
  board->limit = limit;
  board->began = run_clock();
  for (uint32_t i = 0; i < runs; i++)
    board->place[i].progress.episode_return = board->place[i].progress.eval_return = NAN;
  return board;
}

void board_free(Board *board) {
  if (!board) return;
  pthread_mutex_destroy(&board->lock);
  free(board);
}

/* The values that are known, of a quantity of each run. */
typedef struct Spread {
  double sum, least, most;
  uint32_t count;
} Spread;

static void spread_add(Spread *spread, double value) {
  if (isnan(value)) return;
  spread->least = spread->count ? fmin(spread->least, value) : value;
  spread->most = spread->count ? fmax(spread->most, value) : value;
  spread->sum += value;
  spread->count++;
}

static size_t append_spread(char line[256], size_t used, const char *name, const Spread *spread) {
  if (!spread->count) return used;
  return append(line, used, "  %s %.4g (%.4g to %.4g)", name, spread->sum / spread->count,
                spread->least, spread->most);
}

/* What the line tells of all runs together. */
typedef struct Total {
  uint64_t step;
  double steps, updates; /* made by this process */
  double made;           /* of the whole: its share in steps */
  double share, before;  /* of the whole: over now, and when the process began */
  uint32_t left, failed; /* runs with nothing left to do; those of them that failed */
  Spread episodes, evaluations;
} Total;

static Total board_total(const Board *board) {
  Total total = {0};
  for (uint32_t i = 0; i < board->count; i++) {
    const Place *place = &board->place[i];
    const Progress *progress = &place->progress;
    double steps = progress->steps ? (double)progress->steps : 1;
    total.step += progress->step;
    total.steps += (double)(progress->step - progress->start_step);
    total.updates += (double)(progress->updates - progress->start_updates);
    double made = fmin((double)progress->step / steps, 1);
    total.made += place->left && !place->failed ? 1 : made;
    total.share += place->left ? 1 : made;
    total.before += fmin((double)progress->start_step / steps, 1);
    total.left += place->left;
    total.failed += place->failed;
    spread_add(&total.episodes, progress->episode_return);
    spread_add(&total.evaluations, progress->eval_return);
  }
  total.made /= board->count;
  total.share /= board->count;
  total.before /= board->count;
  return total;
}

static size_t write_board(const Board *board, double seconds, char line[256]) {
  Total total = board_total(board);
  double done = total.share - total.before, limit = board->limit;
  double left = done > 0 ? seconds * (1 - total.share) / done : INFINITY;
  if (limit > 0) left = fmin(left, fmax(limit - seconds, 0));
  bool over = total.left == board->count;
  double made = limit > 0 ? fmin(fmax(total.made, seconds / limit), 1) : total.made;
  size_t used = append(line, 0, "%u of %u seeds done", total.left - total.failed, board->count);
  if (total.failed) used = append(line, used, ", %u failed", total.failed);
  used = append(line, used, "  step %llu (%.1f %%)", (unsigned long long)total.step, 100 * made);
  used = append_spread(line, used, "return", &total.episodes);
  used = append_spread(line, used, "eval", &total.evaluations);
  used = append(line, used, "  %.0f steps/s  %.0f updates/s  %s ", total.steps / seconds,
                total.updates / seconds, over ? "took" : "left");
  return append_time(line, used, over ? seconds : left);
}

/* Shows the line when it is time; the caller holds the lock. */
static void board_draw(Board *board, bool last) {
  bool terminal = isatty(STDERR_FILENO);
  double seconds = fmax(run_clock() - board->began, 1e-9);
  if (!last && seconds - board->shown < (terminal ? TERMINAL_SECONDS : FILE_SECONDS)) return;
  char line[256];
  line[write_board(board, seconds, line)] = '\0';
  board->shown = seconds;
  board->open = terminal && !last;
  line_write(line, terminal, last);
}

static void board_show(Progress *progress, bool last) {
  Board *board = progress->board;
  if (!last && progress->seconds - progress->shown < TERMINAL_SECONDS) return;
  progress->shown = progress->seconds;
  pthread_mutex_lock(&board->lock);
  board->place[progress->run].progress = *progress;
  board_draw(board, false);
  pthread_mutex_unlock(&board->lock);
}

void board_leave(Board *board, uint32_t run, bool failed) {
  pthread_mutex_lock(&board->lock);
  board->place[run].left = true;
  board->place[run].failed = failed;
  pthread_mutex_unlock(&board->lock);
}

void board_close(Board *board) {
  pthread_mutex_lock(&board->lock);
  board_draw(board, true);
  pthread_mutex_unlock(&board->lock);
}

void board_say(Board *board, const char *format, ...) {
  va_list arguments;
  if (board) pthread_mutex_lock(&board->lock);
  if (board && board->open) fputs("\r\033[K", stderr);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (board) pthread_mutex_unlock(&board->lock);
}

/* ---- showing ---- */

void progress_show(Progress *progress, bool last) {
  if (progress->board) {
    board_show(progress, last);
    return;
  }
  bool terminal = isatty(STDERR_FILENO);
  if (!last && !line_due(progress, terminal)) return;
  char line[256];
  line[write_progress(progress, line)] = '\0';
  line_show(progress, line, terminal, last);
}

void progress_evaluating(Progress *progress, double began, uint64_t done, uint64_t most) {
  if (progress->board) {
    board_show(progress, false);
    return;
  }
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
