/* One run: its trainer, its directory or the checkpoint it goes on from, training, its result. All
 * memory of a run is taken when it begins and given back when it ends. */
#include "runtime/run.h"
#include "runtime/device/cohort.h"

#include <fcntl.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/crc32c.h"
#include "runtime/output.h"

enum { RESULT_NAME = 32 };

/* ---- result.json ---- */

/* Each thread's part of `counts`, under PREFIX/0, PREFIX/1 ... */
static size_t shares_list(LogValue *values, char (*names)[RESULT_NAME], const char *prefix,
                          const uint64_t *counts, uint32_t threads) {
  double total = 0;
  for (uint32_t i = 0; i < threads; i++) total += (double)counts[i];
  for (uint32_t i = 0; i < threads; i++) {
    snprintf(names[i], RESULT_NAME, "%s/%u", prefix, i);
    values[i] = (LogValue){names[i], total > 0 ? (double)counts[i] / total : 0};
  }
  return threads;
}

/* The checksum of a table as it was left, so that one that was damaged since is known; NAN: it
 * cannot be read. */
static double table_checksum(const Trainer *trainer, const char *name) {
  char path[OUTPUT_PATH], block[4096];
  RunError error;
  uint32_t sum = 0;
  if (!path_make(path, &error, "%s/%s", trainer->directory, name)) return NAN;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : 1;
  while (got > 0 && (got = read(file, block, sizeof block)) > 0)
    sum = crc32c(sum, block, (size_t)got);
  if (file >= 0) close(file);
  return got < 0 ? (double)NAN : (double)sum;
}

/* Whether a run was to learn and never did, as when a condition of its loop never held. */
static bool is_idle(const Trainer *trainer) {
  const RlcModule *module = trainer->module;
  bool learns = false;
  for (uint32_t i = 0; i < module->step_count; i++)
    learns |= module->steps[i].op == RLC_DO_RUN && module->steps[i].flags & RLC_IS_UPDATE;
  return learns && !trainer->state.updates;
}

static bool result_write(Trainer *trainer) {
  const TrainState *state = &trainer->state;
  const EvaluationResult *result = state->result;
  uint32_t threads = team_size(trainer->team);
  const LogValue fixed[] = {
      {"step", (double)state->step},
      {"updates", (double)state->updates},
      {"iterations", (double)state->iteration},
      {"episodes", (double)state->episodes},
      {"finished", trainer_finished(trainer)},
      {"idle", is_idle(trainer)},
      {"eval/mean_reward", result[0].mean},
      {"eval/std_reward", result[0].std},
      {"eval_sample/mean_reward", result[1].mean},
      {"eval_sample/std_reward", result[1].std},
      {"seconds", trainer->seconds_before + run_clock() - trainer->started},
      {"crc32c/progress.csv", table_checksum(trainer, "progress.csv")},
      {"crc32c/evaluations.csv", table_checksum(trainer, "evaluations.csv")},
  };
  enum { FIXED = sizeof fixed / sizeof *fixed };
  LogValue *values = run_take(FIXED + 2 * threads, sizeof *values, &trainer->error);
  char(*names)[RESULT_NAME] = run_take(2 * threads, RESULT_NAME, &trainer->error);
  bool good = values && names;
  if (good) {
    memcpy(values, fixed, sizeof fixed);
    size_t count = FIXED;
    count += shares_list(values + count, names, "work_share", trainer->done, threads);
    count += shares_list(values + count, names + threads, "env_share", trainer->stepped, threads);
    good = rundir_result(trainer->directory, values, count, &trainer->error);
  }
  free(values);
  free(names);
  return good;
}

/* ---- making ---- */

static bool make_trainer(Run *run, Trainer *trainer) {
  Session *session = run->session;
  pthread_mutex_lock(&session->lock);
  bool good = trainer_make(trainer, session->module, &run->options);
  pthread_mutex_unlock(&session->lock);
  run->options.gpu = trainer->device ? device_name(trainer->device) : NULL;
  run->options.gpu_code = trainer->device ? device_code(trainer->device) : NULL;
  trainer->stop = session->stop;
  trainer->progress.board = session->board;
  trainer->progress.run = run->number;
  return good;
}

/* Reads the checkpoint. The run's seed is in it, and the environments must be made with that one:
 * when neither --seed nor the run directory gave it, a first reading finds it and the trainer is
 * made again. */
static bool checkpoint_resume(Run *run, Trainer *trainer, LogMark *mark) {
  uint64_t seed = 0;
  Options *options = &run->options;
  if (!save_read(trainer, mark, &seed)) return false;
  if (seed == options->seed) return true;
  if (option_given(options, "seed"))
    return run_fail(&trainer->error, "%s was started with --seed %llu, not %llu", options->resume,
                    (unsigned long long)seed, (unsigned long long)options->seed);
  char directory[RUN_PATH];
  memcpy(directory, trainer->directory, sizeof directory);
  trainer_free(trainer);
  options->seed = seed;
  if (!make_trainer(run, trainer)) return false;
  memcpy(trainer->directory, directory, sizeof directory);
  return save_read(trainer, mark, &seed);
}

/* Makes the trainer and its run directory; on resume the directory is there. */
static bool run_make(Run *run, Trainer *trainer, LogMark *mark) {
  Options *options = &run->options;
  const RlcModule *named = &run->session->named;
  if (options->resume) rundir_adopt(options);
  if (!make_trainer(run, trainer)) return false;
  if (!rundir_make(options, named, trainer->directory, sizeof trainer->directory, &trainer->error))
    return false;
  return !options->resume || checkpoint_resume(run, trainer, mark);
}

/* ---- training ---- */

/* When the time of --minutes began: with the first run that trains. */
static double session_begin(Session *session) {
  pthread_mutex_lock(&session->lock);
  if (session->began == 0) session->began = run_clock();
  double began = session->began;
  pthread_mutex_unlock(&session->lock);
  return began;
}

bool session_over(Session *session, double minutes) {
  pthread_mutex_lock(&session->lock);
  double began = session->began;
  pthread_mutex_unlock(&session->lock);
  bool late = minutes > 0 && began > 0 && run_clock() - began >= 60 * minutes;
  return late || stop_signal(session->stop);
}

/* Nothing is wrong, but nothing will happen either; among several runs that is nothing special. */
static void note_finished(const Trainer *trainer) {
  if (trainer->resumed && trainer_finished(trainer))
    fprintf(stderr, "note: it is at step %llu already; more than --steps %llu goes on\n",
            (unsigned long long)trainer->state.step, (unsigned long long)trainer->options.steps);
}

/* A run that goes on gets a provenance file only when its checkpoint and its tables let it. */
static bool logs_begin(Run *run, Trainer *trainer, const LogMark *mark) {
  const Metrics *metrics = &trainer->metrics;
  RunError closing;
  trainer->log = log_open(trainer->directory, metrics->name, metrics->columns, evaluation_columns,
                          EVALUATION_COLUMNS, trainer->resumed ? mark : NULL, &trainer->error);
  if (!trainer->log) return false;
  if (!trainer->resumed || rundir_resumed(&run->options, &run->session->named, &trainer->error))
    return true;
  log_close(trainer->log, &closing);
  return false;
}

static bool run_train(Run *run, Trainer *trainer, const LogMark *mark) {
  bool only = run->session->count == 1;
  if (only && trainer->resumed) rundir_compare(&run->options, &run->session->named);
  if (!logs_begin(run, trainer, mark)) return false;
  if (only && !trainer->options.quiet) fprintf(stderr, "run directory: %s\n", trainer->directory);
  if (only) note_finished(trainer);
  trainer->limited = session_begin(run->session);
  if (run->options.cohort) cohort_come(run->options.cohort, run->options.member);
  bool good = trainer_train(trainer);
  RunError closing = {0};
  bool closed = log_close(trainer->log, &closing);
  if (good && !closed) trainer->error = closing;
  return good && closed && result_write(trainer);
}

static void idle_note(const Run *run, const Trainer *trainer) {
  if (is_idle(trainer))
    board_say(run->session->board, "note: %sno update was made in %llu steps\n", run->label,
              (unsigned long long)trainer->state.step);
}

/* What became of it, for when the trainer is gone. */
static void run_note(Run *run, const Trainer *trainer, bool good) {
  run->end = !good ? RUN_FAILED : trainer_finished(trainer) ? RUN_FINISHED : RUN_STOPPED;
  run->step = trainer->state.step;
  memcpy(run->result, trainer->state.result, sizeof run->result);
  memcpy(run->directory, trainer->directory, sizeof run->directory);
  run->error = trainer->error;
  if (run->end == RUN_FINISHED) idle_note(run, trainer);
}

/* Runs that go on at the same time leave each other less memory. */
static void memory_advise(Run *run) {
  const Session *session = run->session;
  RunError *error = &run->error;
  size_t used = strlen(error->text);
  if (error->memory && session->beside > 1)
    snprintf(error->text + used, sizeof error->text - used,
             "; %u seeds go on at once: fewer need less (%s)", session->beside,
             session->module->gpu ? "--seeds" : "--threads");
}

void run_go(Run *run) {
  LogMark mark = {{0}};
  Trainer *trainer = run_take(1, sizeof *trainer, &run->error);
  run->end = RUN_FAILED;
  if (trainer) {
    run_note(run, trainer, run_make(run, trainer, &mark) && run_train(run, trainer, &mark));
    trainer_free(trainer);
  }
  free(trainer);
  malloc_trim(0); /* else the C library keeps it for this thread, and the next run has another */
  bool failed = run->end == RUN_FAILED;
  if (failed) memory_advise(run);
  if (failed) board_say(run->session->board, "error: %s%s\n", run->label, run->error.text);
  if (run->session->board && run->end != RUN_STOPPED)
    board_leave(run->session->board, run->number, failed);
}
