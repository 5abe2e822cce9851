/* How a study goes, on standard error: on a terminal a table that is drawn anew each second, as
 * wide as the terminal; elsewhere a line for each run that begins or ends, and one of counts now
 * and then. */
#include "compiler/study/run/run_parts.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "runtime/trainer.h"

enum { WIDEST = 240, NARROWEST = 40, BAR = 20 };
#define LINE_SECONDS 60.0 /* between lines of counts where there is no terminal */

/* What runs took, in seconds. */
typedef struct Taken {
  double sum;
  size_t count;
} Taken;

struct StudyTable {
  const Runner *runner;
  bool terminal;
  size_t lines;                  /* that the last drawing took */
  double shown;                  /* when counts were shown last */
  bool *counted;                 /* [run_count] is in the three below */
  Taken *of_jobs, *of_envs, all; /* of done runs: by job, by environment */
};

/* ---- words ---- */

/* Appends like printf, cutting what does not fit. */
static void add(char text[WIDEST], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(char text[WIDEST], const char *format, ...) {
  size_t used = strlen(text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + used, WIDEST - used, format, arguments);
  va_end(arguments);
}

/* "remac K=4, Hopper-v5, seed 3" */
static void run_name(const Runner *runner, const StudyRun *run, char text[WIDEST]) {
  const Study *study = runner->study;
  const StudyJob *job = &study->jobs[run->job];
  snprintf(text, WIDEST, "%s, %s, seed %llu", study->points[job->point].name, study->envs[job->env],
           (unsigned long long)run->seed);
}

/* 75 -> "1:15", 3700 -> "1:01:40"; "?" when nobody knows */
static void time_text(double seconds, char text[24]) {
  if (!(seconds >= 0 && seconds < 3.6e8)) {
    strcpy(text, "?");
    return;
  }
  unsigned long whole = (unsigned long)(seconds + 0.5);
  if (whole >= 3600)
    snprintf(text, 24, "%lu:%02lu:%02lu", whole / 3600, whole / 60 % 60, whole % 60);
  else
    snprintf(text, 24, "%lu:%02lu", whole / 60, whole % 60);
}

/* ---- time left ---- */

static double child_left(const Study *study, const StudyChild *child) {
  if (!study->steps || child->rate <= 0) return NAN;
  if (child->progress.step >= study->steps) return 0;
  return (double)(study->steps - child->progress.step) / child->rate;
}

/* What a run takes: the mean of those done of its job, else of its environment, else of all. */
static double run_seconds(const StudyTable *table, const StudyRun *run) {
  const StudyJob *job = &table->runner->study->jobs[run->job];
  const Taken *taken[] = {&table->of_jobs[run->job], &table->of_envs[job->env], &table->all};
  for (size_t i = 0; i < COUNTOF(taken); i++)
    if (taken[i]->count) return taken[i]->sum / (double)taken[i]->count;
  return NAN;
}

static void taken_add(Taken *taken, double seconds) {
  taken->sum += seconds;
  taken->count++;
}

/* Counts what was done since the last time. */
static void seconds_read(StudyTable *table) {
  const Study *study = table->runner->study;
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    if (run->state != STUDY_DONE || table->counted[i]) continue;
    Runner scratch = *table->runner;
    scratch.arena = arena_make();
    double seconds = run_result(&scratch, run, "seconds");
    arena_free(scratch.arena);
    table->counted[i] = true;
    if (isnan(seconds)) continue;
    taken_add(&table->of_jobs[run->job], seconds);
    taken_add(&table->of_envs[study->jobs[run->job].env], seconds);
    taken_add(&table->all, seconds);
  }
}

/* Work that is left, spread over all jobs; before the first run is done it is known from those that
 * run. */
static double study_left(StudyTable *table, const StudyLocal *local) {
  const Study *study = table->runner->study;
  double left = 0, known = 0, taken = 0;
  seconds_read(table);
  for (size_t i = 0; i < local->count; i++) {
    double one = child_left(study, &local->children[i]);
    if (isnan(one)) continue;
    left += one, known++;
    taken += one + run_clock() - local->children[i].began;
  }
  if (known == 0 && local->count > 0) return NAN;
  for (size_t i = 0; i < study->run_count; i++) {
    if (study->runs[i].state != STUDY_WAITING && study->runs[i].state != STUDY_PARTIAL) continue;
    double seconds = run_seconds(table, &study->runs[i]);
    left += isnan(seconds) ? taken / known : seconds;
  }
  return left / (double)(local->limit ? local->limit : 1);
}

/* ---- lines ---- */

static void counts_text(StudyTable *table, const StudyLocal *local, char text[WIDEST]) {
  const Study *study = table->runner->study;
  size_t of[STUDY_FAILED + 1] = {0};
  char left[24];
  for (size_t i = 0; i < study->run_count; i++) of[study->runs[i].state]++;
  time_text(study_left(table, local), left);
  size_t elsewhere = of[STUDY_RUNNING] - local->count;
  text[0] = '\0';
  add(text, "%zu of %zu runs done", of[STUDY_DONE], study->run_count);
  if (of[STUDY_FAILED]) add(text, ", %zu failed", of[STUDY_FAILED]);
  add(text, ", %zu running", local->count);
  if (elsewhere) add(text, ", %zu by others", elsewhere);
  add(text, ", %zu waiting", of[STUDY_WAITING] + of[STUDY_PARTIAL]);
  if (local->signal)
    add(text, "; stopping, again to quit at once");
  else
    add(text, "; %s left", left);
}

/* A name in `room` columns. What tells runs apart stands at its end, so the beginning is cut. */
static void add_name(char text[WIDEST], const char *name, size_t room) {
  size_t length = strlen(name);
  bool cut = length > room && room > 2;
  add(text, "%s%-*.*s", cut ? ".." : "", (int)(cut ? room - 2 : room), (int)room,
      cut ? name + length - (room - 2) : name);
}

/* One run, in `width` columns: its name, cut or filled; a bar where there is room; numbers. */
static void child_text(const StudyTable *table, const StudyChild *child, size_t width,
                       char text[WIDEST]) {
  static const char full[] = "####################", empty[] = "--------------------";
  const Study *study = table->runner->study;
  char name[WIDEST], numbers[WIDEST] = "", left[24], value[32] = "";
  double share = study->steps ? (double)child->progress.step / (double)study->steps : 0;
  if (share > 1) share = 1;
  time_text(child_left(study, child), left);
  if (!isnan(child->progress.value)) snprintf(value, sizeof value, "%.5g", child->progress.value);
  run_name(table->runner, &study->runs[child->run], name);
  add(numbers, " %3.0f %%  %9s  %7.0f steps/s  %8s", 100 * share, value, child->rate, left);
  size_t rest = width > strlen(numbers) ? width - strlen(numbers) : 0;
  bool wide = rest >= BAR + 2 + 24;
  int room = (int)(rest - (wide ? BAR + 2 : 0)), done = (int)(share * BAR + 0.5);
  text[0] = '\0';
  add_name(text, name, (size_t)room);
  if (wide) add(text, "[%.*s%.*s]", done, full, BAR - done, empty);
  add(text, "%s", numbers);
}

/* ---- drawing ---- */

typedef struct Window {
  size_t rows, columns;
} Window;

static Window window_size(void) {
  struct winsize size;
  Window window = {24, 80};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col)
    window = (Window){size.ws_row, size.ws_col};
  if (window.columns > WIDEST - 1) window.columns = WIDEST - 1;
  if (window.columns < NARROWEST) window.columns = NARROWEST;
  return window;
}

static void put(FILE *out, const char *text, size_t width) {
  fprintf(out, "%.*s\n", (int)width, text);
}

/* Everything in one write, so that it does not flicker. */
static void flush_text(char *text, size_t size) {
  ssize_t written = write(STDERR_FILENO, text, size);
  (void)written;
  free(text);
}

/* Takes the last drawing away. */
static void erase(StudyTable *table, FILE *out) {
  if (table->lines) fprintf(out, "\033[%zuA\r\033[J", table->lines);
  table->lines = 0;
}

static void draw(StudyTable *table, const StudyLocal *local) {
  Window window = window_size();
  char *text = NULL, line[WIDEST];
  size_t size = 0, room = window.rows > 4 ? window.rows - 3 : 1;
  FILE *out = open_memstream(&text, &size);
  if (!out) return;
  erase(table, out);
  size_t shown = local->count <= room ? local->count : room - 1;
  for (size_t i = 0; i < shown; i++) {
    child_text(table, &local->children[i], window.columns - 1, line);
    put(out, line, window.columns - 1);
  }
  if (shown < local->count) {
    snprintf(line, sizeof line, "and %zu more", local->count - shown);
    put(out, line, window.columns - 1);
  }
  counts_text(table, local, line);
  put(out, line, window.columns - 1);
  table->lines = shown + (shown < local->count) + 1;
  fclose(out);
  flush_text(text, size);
}

StudyTable *table_make(const Runner *runner) {
  StudyTable *table = NEW(runner->arena, StudyTable);
  const Study *study = runner->study;
  *table = (StudyTable){.runner = runner,
                        .terminal = isatty(STDERR_FILENO),
                        .shown = run_clock(),
                        .counted = NEW_ARRAY(runner->arena, bool, study->run_count),
                        .of_jobs = NEW_ARRAY(runner->arena, Taken, study->job_count),
                        .of_envs = NEW_ARRAY(runner->arena, Taken, study->env_count)};
  return table;
}

void table_say(StudyTable *table, const char *what) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return;
  erase(table, out);
  fprintf(out, "%s\n", what);
  fclose(out);
  flush_text(text, size);
}

void table_event(StudyTable *table, const StudyRun *run, bool important, const char *what) {
  char name[WIDEST];
  if (table->terminal && !important) return;
  run_name(table->runner, run, name);
  table_say(table, arena_printf(table->runner->arena, "%s: %s", name, what));
}

void table_show(StudyTable *table, const StudyLocal *local) {
  if (table->terminal) {
    draw(table, local);
    return;
  }
  double now = run_clock();
  if (now - table->shown < LINE_SECONDS) return;
  char text[WIDEST];
  table->shown = now;
  counts_text(table, local, text);
  fprintf(stderr, "%s\n", text);
}

void table_clear(StudyTable *table) {
  if (!table->lines) return;
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) return;
  erase(table, out);
  fclose(out);
  flush_text(text, size);
}

/* ---- the last words ---- */

static void say_failures(const Runner *runner) {
  const Study *study = runner->study;
  char name[WIDEST];
  bool any = false;
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    if (run->state != STUDY_FAILED) continue;
    run_name(runner, run, name);
    printf("failed: %s: %s (%s/%s.log)\n", name, run->failure, runner->folder, run->folder);
    any = true;
  }
  if (any) printf("failed runs are tried again with --retry, when their cause is gone\n");
}

/* A condition of the loop that never held, as of a warm-up longer than the run, looks like a
 * result.
 */
static void say_idle(const Runner *runner) {
  const Study *study = runner->study;
  char name[WIDEST], first[WIDEST];
  size_t idle = 0;
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    if (run->state != STUDY_DONE || run_result(runner, run, "idle") != 1) continue;
    run_name(runner, run, name);
    if (idle++ == 0) memcpy(first, name, sizeof name);
  }
  if (idle)
    fprintf(stderr,
            "warning: %zu of %zu runs made no update in %llu steps, as %s: their scores are of "
            "what nothing was learnt by\n",
            idle, study->run_count, (unsigned long long)study->steps, first);
}

static void say_stopped(int signal) {
  fprintf(stderr, "stopped by %s: what ran has written checkpoints\n",
          signal == SIGINT    ? "SIGINT"
          : signal == SIGTERM ? "SIGTERM"
                              : "SIGHUP");
}

int study_sum_up(const Runner *runner, int signal) {
  const Study *study = runner->study;
  size_t of[STUDY_FAILED + 1] = {0};
  for (size_t i = 0; i < study->run_count; i++) of[study->runs[i].state]++;
  size_t left = study->run_count - of[STUDY_DONE] - of[STUDY_FAILED];
  printf("%s: %zu of %zu runs done, %zu failed\n", runner->folder, of[STUDY_DONE], study->run_count,
         of[STUDY_FAILED]);
  say_failures(runner);
  fflush(stdout);
  say_idle(runner);
  if (signal) say_stopped(signal);
  if (left)
    fprintf(stderr, "%zu run%s left; go on with: %s\n", left, left == 1 ? " is" : "s are",
            study_again(runner));
  return signal ? 128 + signal : left ? EXIT_USER : 0;
}
