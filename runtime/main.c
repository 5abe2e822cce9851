/* rlc_main: the main program of every trainer. Options, run directory, training, result; exit
 * status 0, 1 after an error, or 128 + the signal that stopped it. */
#include "runtime/training.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_NAME = 32 };

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
      {"eval/mean_reward", result[0].mean},
      {"eval/std_reward", result[0].std},
      {"eval_sample/mean_reward", result[1].mean},
      {"eval_sample/std_reward", result[1].std},
      {"seconds", trainer->seconds_before + run_clock() - trainer->started},
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

/* The module as directories and texts name it: a module without an environment has "none". */
static RlcModule module_named(const RlcModule *module) {
  RlcModule named = *module;
  if (!named.env_id) named.env_id = "none";
  return named;
}

/* Makes the trainer and, on resume, reads its checkpoint. The run's seed is in the checkpoint, but
 * the environments must be made with it: when --seed does not give it, a first reading finds it and
 * the trainer is made again. */
static bool checkpoint_resume(Trainer *trainer, const RlcModule *module, Options *options,
                              LogMark *mark) {
  uint64_t seed = 0;
  if (!save_read(trainer, mark, &seed)) return false;
  if (seed == options->seed) return true;
  if (options->seed_given)
    return run_fail(&trainer->error, "%s was started with --seed %llu, not %llu", options->resume,
                    (unsigned long long)seed, (unsigned long long)options->seed);
  char directory[RUN_PATH];
  memcpy(directory, trainer->directory, sizeof directory);
  trainer_free(trainer);
  options->seed = seed;
  if (!trainer_make(trainer, module, options)) return false;
  memcpy(trainer->directory, directory, sizeof directory);
  return save_read(trainer, mark, &seed);
}

/* Makes the trainer and its run directory; on resume the directory is there, and a provenance file
 * is added only when its checkpoint could be read. */
static bool run_make(Trainer *trainer, const RlcModule *module, Options *options, LogMark *mark) {
  RlcModule named = module_named(module);
  const EnvSpec *env = module->env_id ? env_find(module->env_id) : NULL;
  const char *simulator = env ? env_simulator(env) : NULL;
  const Fact fact = {"simulator", simulator ? simulator : "none"};
  if (options->resume) rundir_adopt(options);
  if (!trainer_make(trainer, module, options)) return false;
  Options told = *options;
  told.facts = &fact, told.fact_count = 1;
  if (!rundir_make(&told, &named, trainer->directory, sizeof trainer->directory, &trainer->error))
    return false;
  if (!options->resume) return true;
  if (!checkpoint_resume(trainer, module, options, mark)) return false;
  told.seed = options->seed;
  return rundir_resumed(&told, &named, &trainer->error);
}

/* Nothing is wrong, but nothing will happen either. */
static void note_finished(const Trainer *trainer) {
  if (trainer->resumed && trainer_finished(trainer))
    fprintf(stderr, "note: it is at step %llu already; more than --steps %llu goes on\n",
            (unsigned long long)trainer->state.step, (unsigned long long)trainer->options.steps);
}

static bool run_train(Trainer *trainer, const LogMark *mark) {
  const Metrics *metrics = &trainer->metrics;
  trainer->log = log_open(trainer->directory, metrics->name, metrics->columns, evaluation_columns,
                          EVALUATION_COLUMNS, trainer->resumed ? mark : NULL, &trainer->error);
  if (!trainer->log) return false;
  if (!trainer->options.quiet) fprintf(stderr, "run directory: %s\n", trainer->directory);
  note_finished(trainer);
  bool good = trainer_train(trainer);
  RunError closing = {{0}};
  bool closed = log_close(trainer->log, &closing);
  if (good && !closed) trainer->error = closing;
  return good && closed && result_write(trainer);
}

/* A run that was to learn and never did, as when a condition of its loop never held. */
static void idle_note(const Trainer *trainer) {
  const RlcModule *module = trainer->module;
  bool learns = false;
  for (uint32_t i = 0; i < module->step_count; i++)
    learns |= module->steps[i].op == RLC_DO_RUN && module->steps[i].flags & RLC_IS_UPDATE;
  if (learns && !trainer->state.updates)
    fprintf(stderr, "note: no update was made in %llu steps\n",
            (unsigned long long)trainer->state.step);
}

/* A word as a shell reads it. */
static void print_word(const char *word, const char *behind) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@";
  bool quoted = word[strspn(word, plain)] != '\0';
  if (quoted) fputc('\'', stderr);
  for (const char *at = word; *at; at++)
    if (*at == '\'')
      fputs("'\\''", stderr);
    else
      fputc(*at, stderr);
  fputs(behind, stderr);
  if (quoted) fputc('\'', stderr);
}

/* The command that resumes the run. */
static void print_again(const Options *options, const char *directory) {
  if (options->launcher) {
    fprintf(stderr, "%s ", options->launcher);
    print_word(directory, "/config.yaml");
    fputs(" --", stderr);
  } else {
    print_word(options->argv[0], "");
  }
  fputs(" --resume ", stderr);
  print_word(directory, "");
  fputc('\n', stderr);
}

/* What is allowed, but hardly meant. */
static void warn_threads(const Options *options) {
  uint32_t processors = team_processors();
  if (processors > 0 && options->threads > processors)
    fprintf(stderr, "warning: %u threads on %u processor%s: slower than %u\n", options->threads,
            processors, processors == 1 ? "" : "s", processors);
}

static int run_status(const Trainer *trainer, bool good) {
  if (!good) {
    fprintf(stderr, "error: %s\n", trainer->error.text);
    return 1;
  }
  int signal = trainer->stop ? stop_signal(trainer->stop) : 0;
  if (trainer_finished(trainer)) {
    idle_note(trainer);
    return 0;
  }
  fprintf(stderr, "stopped%s at step %llu; a checkpoint was written; resume with: ",
          signal == SIGINT    ? " by SIGINT"
          : signal == SIGTERM ? " by SIGTERM"
                              : "",
          (unsigned long long)trainer->state.step);
  print_again(&trainer->options, trainer->directory);
  return signal ? 128 + signal : 0;
}

int rlc_main(const RlcModule *module, int argc, char **argv) {
  return rlc_main_of(module, NULL, argc, argv);
}

int rlc_main_of(const RlcModule *module, const char *launcher, int argc, char **argv) {
  Options options = {0};
  RlcModule named = module_named(module);
  int status = options_read(&options, &named, argc, argv);
  if (status >= 0) return status;
  options.launcher = launcher;
  warn_threads(&options);
  Trainer *trainer = calloc(1, sizeof *trainer);
  if (!trainer) {
    fprintf(stderr, "error: out of memory\n");
    return 1;
  }
  LogMark mark = {{0}};
  bool good = run_make(trainer, module, &options, &mark) && run_train(trainer, &mark);
  status = run_status(trainer, good);
  trainer_free(trainer);
  free(trainer);
  return status;
}
