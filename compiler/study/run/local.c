/* The runs of a study on this machine: as many trainers at once as there are jobs, in the order of
 * the study, one after the other until none is left that can be begun. */
#include "compiler/study/run/run_parts.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/trainer.h"

/* So many trainers in a row that end before they begin are no accident. */
enum { MOST_NOT_BEGUN = 3 };

#define LONGEST_WAIT 8.0 /* seconds between looks at the runs of others */

/* A worker that finds all runs taken waits so many seconds for one that is given back before it
 * leaves: those who were killed may still be writing checkpoints. */
#define WORKER_SECONDS 5.0

/* ---- beginning ---- */

static bool may_begin(const StudyLocal *local, size_t at) {
  const StudyRun *run = &local->runner->study->runs[at];
  if (local->tried[at]) return false;
  return run->state == STUDY_WAITING || run->state == STUDY_PARTIAL ||
         (run->state == STUDY_FAILED && local->runner->session->retry);
}

/* A failed run that is tried again goes on from its checkpoint, if it has one. False after a
 * message: its record cannot be replaced, and so nothing of the run may be touched. */
static bool forget_failure(const Runner *runner, StudyRun *run) {
  StudyRecord record;
  if (run->state != STUDY_FAILED) return true;
  return record_begin(runner, run, false, &record) && record_write(runner, run, &record) &&
         study_state(runner, run, true);
}

/* Whether the data files are what they were when the study was planned; programs go by what they
 * hold. One that was only touched is another here too: planning anew says which it is. */
static bool files_same(const Study *study) {
  for (size_t i = 0; i < study->file_count; i++) {
    const StudyFile *file = &study->files[i];
    struct stat now;
    if (stat(file->path, &now) == 0 && now.st_size == file->size &&
        now.st_mtim.tv_sec == file->changed.tv_sec && now.st_mtim.tv_nsec == file->changed.tv_nsec)
      continue;
    return fprintf(
               stderr,
               "error: the data file '%s' has changed since the study was read: no run is begun "
               "with it; the same command again says whether it is another one\n",
               file->path),
           false;
  }
  return true;
}

/* Begins a run if nobody else has it. */
static void run_begin(StudyLocal *local, size_t at) {
  const Runner *runner = local->runner;
  StudyRun *run = &runner->study->runs[at];
  table_clear(local->table);
  StudyChild child = {.run = at, .lock = claim_take(claim_path(runner, run), false)};
  if (child.lock == CLAIM_TAKEN) run->state = STUDY_RUNNING;
  if (child.lock == CLAIM_FAULT) local->broken = true;
  if (child.lock < 0) return;
  bool good = study_state(runner, run, true); /* another may have made it meanwhile */
  if (good && may_begin(local, at) && (good = files_same(runner->study))) {
    local->tried[at] = true;
    good = forget_failure(runner, run);
    bool anew = run->state == STUDY_WAITING;
    good = good && child_start(runner, &child);
    if (good) {
      run->state = STUDY_RUNNING;
      local->children[local->count++] = child;
      table_event(local->table, run, false, anew ? "begins" : "goes on");
      return;
    }
  }
  if (!good) local->broken = true;
  close(child.lock);
}

static void runs_begin(StudyLocal *local) {
  const Study *study = local->runner->study;
  for (size_t i = 0; i < study->run_count && local->count < local->limit && !local->broken; i++)
    if (may_begin(local, i)) run_begin(local, i);
}

/* ---- ending ---- */

static void child_remove(StudyLocal *local, size_t at) {
  close(local->children[at].lock);
  local->children[at] = local->children[--local->count];
}

static void run_end(StudyLocal *local, size_t at, int status) {
  const StudyChild *child = &local->children[at];
  const StudyRun *run = &local->runner->study->runs[child->run];
  char text[1024];
  table_clear(local->table);
  StudyEnd end = child_end(local->runner, child, status, text);
  local->not_begun = end == END_NOT_BEGUN ? local->not_begun + 1 : 0;
  local->refused |= end == END_NOT_BEGUN;
  if (end == END_FULL || end == END_UNREADABLE || local->not_begun >= MOST_NOT_BEGUN)
    local->broken = true;
  switch (end) {
  case END_DONE:
    table_event(local->table, run, false, "done");
    break;
  case END_FAILED:
    table_event(local->table, run, true, arena_printf(local->runner->arena, "failed: %s", text));
    break;
  case END_INTERRUPTED:
    table_event(local->table, run, !local->signal,
                arena_printf(local->runner->arena, "interrupted%s", text));
    break;
  case END_NOT_BEGUN:
    table_event(local->table, run, true,
                arena_printf(local->runner->arena, "could not begin: %s", text));
    break;
  case END_FULL:
    table_event(local->table, run, true,
                arena_printf(local->runner->arena, "interrupted, there is no room: %s", text));
    break;
  case END_UNREADABLE:
    table_event(local->table, run, true, "ended, but its record cannot be read");
    break;
  }
  child_remove(local, at);
}

static void runs_end(StudyLocal *local) {
  for (size_t i = 0; i < local->count;) {
    int status;
    pid_t ended = waitpid(local->children[i].pid, &status, WNOHANG);
    if (ended < 0) status = W_EXITCODE(128 + SIGTERM, 0); /* gone: its files say how far it came */
    if (ended != 0)
      run_end(local, i, status);
    else
      i++;
  }
}

/* ---- signals ---- */

static void watched(sigset_t *set) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGWINCH};
  sigemptyset(set);
  for (size_t i = 0; i < COUNTOF(signals); i++) sigaddset(set, signals[i]);
}

/* Trainers stop after their pass, with a checkpoint; asked once more, a second later, at once. */
static void stop_all(StudyLocal *local, int signal) {
  if (!local->signal) table_say(local->table, "stopping: trainers write their checkpoints");
  if (!local->signal) local->signal = signal;
  for (size_t i = 0; i < local->count; i++) kill(local->children[i].pid, SIGTERM);
}

/* Waits until something happens: a second at most, less where nothing runs that would end. */
static void wait_event(StudyLocal *local) {
  sigset_t set;
  watched(&set);
  struct timespec most = {.tv_sec = 1};
  if (!local->count) most = (struct timespec){.tv_nsec = 100000000};
  int signal = sigtimedwait(&set, NULL, &most);
  if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) stop_all(local, signal);
}

/* ---- until nothing is left ---- */

/* Whether a worker has found nothing to make for so long that it leaves, after a last look. */
static bool is_late(const StudyLocal *local) {
  return local->runner->session->worker && run_clock() - local->busy >= WORKER_SECONDS;
}

/* Looks again at runs that others make; returns how many they are. One whose record cannot be read
 * is nobody's, and stops the command. Each look opens files, perhaps over a network: those that
 * show nothing new become rarer, down to one in eight seconds. */
static size_t others_look(StudyLocal *local) {
  Study *study = local->runner->study;
  size_t others = 0, before = local->others;
  if (before && run_clock() < local->look_next) return before;
  table_clear(local->table);
  for (size_t i = 0; i < study->run_count; i++) {
    StudyRun *run = &study->runs[i];
    bool ours = false;
    for (size_t k = 0; k < local->count; k++) ours |= local->children[k].run == i;
    if (ours || run->state != STUDY_RUNNING) continue;
    if (!study_state(local->runner, run, false)) return local->broken = true, 0;
    bool given_back = run->state == STUDY_WAITING || run->state == STUDY_PARTIAL;
    if (given_back) local->busy = run_clock();
    others += given_back || run->state == STUDY_RUNNING;
  }
  local->look_wait = others != before ? 0 : fmin(local->look_wait + 0.5, LONGEST_WAIT);
  local->look_next = run_clock() + local->look_wait;
  return local->others = others;
}

static void runs_make(StudyLocal *local) {
  for (local->busy = run_clock();;) {
    if (!local->signal && !local->broken) runs_begin(local);
    if (local->count) local->busy = run_clock();
    bool stopping = local->signal || local->broken, late = is_late(local);
    if (late) local->look_next = 0;
    size_t others = local->count < local->limit && !stopping ? others_look(local) : 0;
    if (!local->count && (!others || (late && is_late(local)))) return;
    for (size_t i = 0; i < local->count; i++) child_look(local->runner, &local->children[i]);
    table_show(local->table, local);
    wait_event(local);
    runs_end(local);
  }
}

static double child_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* What was made of the cores: as much processor time of trainers as of the wall's, if all went
 * well.
 */
static void say_use(const StudyLocal *local, double wall, double spent) {
  size_t made = 0;
  for (size_t i = 0; i < local->runner->study->run_count; i++) made += local->tried[i];
  if (made)
    printf("%zu run%s in %.1f s, %zu at once: trainers used %.1f %% of the processor time of as "
           "many cores\n",
           made, made == 1 ? "" : "s", wall, local->limit,
           100 * spent / (wall * (double)local->limit));
}

int local_run(const Runner *runner) {
  StudyLocal local = {.runner = runner, .limit = runner_jobs(runner), .table = table_make(runner)};
  local.children = NEW_ARRAY(runner->arena, StudyChild, local.limit);
  local.tried = NEW_ARRAY(runner->arena, bool, runner->study->run_count);
  sigset_t set, before;
  watched(&set);
  sigprocmask(SIG_BLOCK, &set, &before);
  void (*pipe_before)(int) = signal(SIGPIPE, SIG_IGN);
  double began = run_clock(), spent = child_seconds();
  runs_make(&local);
  spent = child_seconds() - spent;
  signal(SIGPIPE, pipe_before);
  sigprocmask(SIG_SETMASK, &before, NULL);
  table_clear(local.table);
  if (!runner->session->worker) say_use(&local, run_clock() - began, spent);
  if (local.refused) trainers_refused_tell(runner);
  int summed = runner->session->worker ? 0 : study_sum_up(runner, local.signal);
  return local.signal ? 128 + local.signal : local.broken ? EXIT_USER : summed;
}
