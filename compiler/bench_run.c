/* The replay filled, the environment alone, and the trainer's own loop. */
#include "compiler/bench.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/rng.h"

enum {
  FILL_ROWS = 8192, /* real rows; a batch of 256 rarely holds one twice */
  ACTIONS = 251,    /* prepared vector steps, used in turn */
  ENV_GROUP = 64,   /* vector steps between two looks at the clock */
  SLICES = 16       /* of the loop, where its passes are short */
};

/* ---- filling ---- */

/* One vector step as the replay takes it. */
typedef struct Record {
  Pool pool; /* its arrays of what came of the step point into `data` */
  float *before, *acted;
} Record;

typedef struct Recording {
  Record *records;
  char *data;
  uint32_t steps;
} Recording;

/* Copies an array to the end of what is used, aligned for floats. */
static void *keep(char **at, const void *data, size_t bytes) {
  void *copy = memcpy(*at, data, bytes);
  *at += (bytes + 15) / 16 * 16;
  return copy;
}

static size_t record_bytes(const Pool *pool) {
  size_t n = pool->count;
  size_t floats = n * (3 * pool->spec->obs_dim + pool->spec->act_dim + 1);
  return (floats * sizeof(float) + 2 * n + 7 * 16) / 16 * 16; /* 7 arrays, each rounded up to 16 */
}

static Record record_make(const Actor *actor, char *at) {
  const Pool *pool = actor->pool;
  size_t n = pool->count, obs = n * pool->spec->obs_dim * sizeof(float);
  Record record = {.pool = *pool};
  record.before = keep(&at, actor->before, obs);
  record.acted = keep(&at, actor->acted, n * pool->spec->act_dim * sizeof(float));
  record.pool.obs = keep(&at, pool->obs, obs);
  record.pool.final_obs = keep(&at, pool->final_obs, obs);
  record.pool.reward = keep(&at, pool->reward, n * sizeof(float));
  record.pool.terminated = keep(&at, pool->terminated, n);
  record.pool.truncated = keep(&at, pool->truncated, n);
  return record;
}

static bool record_steps(Trainer *trainer, Recording *recording) {
  Actor *actor = &trainer->explore;
  size_t bytes = record_bytes(actor->pool);
  recording->steps = (FILL_ROWS + actor->pool->count - 1) / actor->pool->count;
  if (recording->steps < trainer->module->rollout.steps)
    recording->steps = trainer->module->rollout.steps;
  recording->records = run_take(recording->steps, sizeof(Record), &trainer->error);
  recording->data = run_take(recording->steps, bytes, &trainer->error);
  if (!recording->records || !recording->data) return false;
  for (uint32_t i = 0; i < recording->steps; i++) {
    if (!collect_act(trainer)) return false;
    recording->records[i] = record_make(actor, recording->data + i * bytes);
  }
  /* What follows the last step is the first one again, which is another episode. */
  memset(recording->records[recording->steps - 1].pool.truncated, 1, actor->pool->count);
  return true;
}

static void replay_fill(Trainer *trainer, Replay *replay, const Recording *recording) {
  uint64_t steps = replay_capacity(replay) / trainer->explore.pool->count;
  for (uint64_t i = 0; i < steps; i++) {
    const Record *record = &recording->records[i % recording->steps];
    ReplayStep step = {&record->pool, record->before, record->acted, trainer->memory};
    replay_append(replay, &step);
  }
  uint64_t stored = replay_stored(replay);
  if (trainer->state.step < stored) trainer->state.step = stored;
}

bool bench_fill(Trainer *trainer) {
  if (!trainer->collects) return true;
  Recording recording = {0};
  bool good = record_steps(trainer, &recording);
  for (uint32_t i = 0; good && i < trainer->module->source_count; i++)
    replay_fill(trainer, trainer->replay[i], &recording);
  if (good) overlap_join(trainer);
  free(recording.records);
  free(recording.data);
  return good;
}

/* ---- the environment alone ---- */

static float *actions_make(const EnvSpec *spec, uint32_t count, RunError *error) {
  size_t entries = (size_t)ACTIONS * count * spec->act_dim;
  float *actions = run_take(entries, sizeof *actions, error);
  for (size_t i = 0; actions && i < entries; i++) {
    double unit = philox(1, 0, i, 0).word[0] * 0x1p-32;
    actions[i] = (float)(spec->choices ? floor(unit * spec->choices)
                                       : spec->act_low + unit * (spec->act_high - spec->act_low));
  }
  return actions;
}

static bool pool_measure(Trainer *trainer, Pool *pool, const float *actions, double seconds,
                         Samples *samples) {
  size_t row = (size_t)pool->count * pool->spec->act_dim;
  Pace pace = {0};
  double start = run_clock(), before = start, now;
  for (uint64_t i = 0; before - start < seconds; before = now) {
    for (int k = 0; k < ENV_GROUP; k++, i++)
      actor_pool_step(pool, actions + i % ACTIONS * row, trainer->team, trainer->stepped, &pace);
    now = run_clock();
    samples_add(samples, ENV_GROUP * pool->count / (now - before));
    if (pool_fault(pool) >= 0) return run_fail(&trainer->error, "the environment got into a fault");
    if (stop_signal(trainer->stop)) return run_fail(&trainer->error, "interrupted");
  }
  return true;
}

static void bare_measure(Env *env, const float *actions, double *obs, double seconds,
                         Samples *samples) {
  uint32_t act = env_spec(env)->act_dim;
  uint64_t episode = 0;
  env_reset(env, 1, episode, obs);
  double start = run_clock(), before = start, now;
  for (uint64_t i = 0; before - start < seconds; before = now) {
    for (int k = 0; k < ENV_GROUP; k++, i++) {
      EnvStep step = env_step(env, actions + i % ACTIONS * act, obs);
      if (step.terminated || step.truncated) env_reset(env, 1, ++episode, obs);
    }
    now = run_clock();
    samples_add(samples, ENV_GROUP / (now - before));
  }
}

static bool environment_pool(Trainer *trainer, const float *actions, double seconds,
                             double *result) {
  const Pool *like = trainer->explore.pool;
  char why[512] = "";
  Samples samples = {0};
  Pool *pool = pool_make(like->spec, like->count, trainer->options.seed, 0, why, sizeof why);
  if (!pool) return run_fail(&trainer->error, "%s", why);
  pool_reset(pool);
  bool good = samples_make(&samples, &trainer->error) &&
              pool_measure(trainer, pool, actions, seconds, &samples);
  if (good) *result = samples_median(&samples);
  samples_free(&samples);
  pool_free(pool);
  return good;
}

static bool environment_bare(Trainer *trainer, const float *actions, double seconds,
                             double *result) {
  const EnvSpec *spec = trainer->explore.pool->spec;
  char why[512] = "";
  Samples samples = {0};
  Env *env = env_make(spec, why, sizeof why);
  if (!env) return run_fail(&trainer->error, "%s", why);
  double *obs = run_take(spec->obs_dim, sizeof *obs, &trainer->error);
  bool good = obs && samples_make(&samples, &trainer->error);
  if (good) {
    bare_measure(env, actions, obs, seconds, &samples);
    *result = samples_median(&samples);
  }
  samples_free(&samples);
  free(obs);
  env_free(env);
  return good;
}

/* A declared environment: its program, with the actions that were sent last. */
static bool environment_declared(Trainer *trainer, double seconds, double *result) {
  const Actor *actor = &trainer->explore;
  Samples samples = {0};
  if (!samples_make(&samples, &trainer->error)) return false;
  double start = run_clock(), before = start, now;
  for (uint64_t i = 0; before - start < seconds; before = now) {
    for (int k = 0; k < ENV_GROUP; k++, i++)
      actor_run(trainer, actor, actor->acting->advance, &trainer->acting, trainer->options.seed, i);
    now = run_clock();
    samples_add(&samples, ENV_GROUP * actor->pool->count / (now - before));
  }
  *result = samples_median(&samples);
  samples_free(&samples);
  return true;
}

bool bench_environment(Trainer *trainer, double seconds, Figures *figures) {
  if (!trainer->collects) return true;
  if (trainer->explore.declared)
    return environment_declared(trainer, seconds, &figures->env_steps_per_second);
  const Pool *pool = trainer->explore.pool;
  float *actions = actions_make(pool->spec, pool->count, &trainer->error);
  bool good = actions &&
              environment_pool(trainer, actions, seconds / 2, &figures->env_steps_per_second) &&
              environment_bare(trainer, actions, seconds / 2, &figures->bare_env_steps_per_second);
  free(actions);
  return good;
}

/* ---- end to end ---- */

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

/* Steps per second where nothing but the slower part took time, and `steps` go with `updates`. */
static double slower_part(const Figures *figures, double steps, double updates) {
  double learning = figures->updates_per_second * steps / updates;
  return fmin(figures->env_steps_per_second, learning); /* of which one may be NAN */
}

/* At least a pass, and `seconds`; returns what they took, or 0 after a message. */
static double slice_run(Trainer *trainer, double seconds) {
  double start = run_clock(), taken;
  do {
    if (!trainer_round(trainer)) return 0;
    taken = run_clock() - start;
    if (stop_signal(trainer->stop)) return run_fail(&trainer->error, "interrupted");
  } while (taken < seconds);
  return taken;
}

/* Steps per second of slices after the first one, in which memory is touched for the first time. */
static bool slices_run(Trainer *trainer, double seconds, Samples *rates) {
  const TrainState *state = &trainer->state;
  double start = run_clock(), taken = slice_run(trainer, seconds / SLICES);
  while (taken > 0 && (rates->count == 0 || run_clock() - start < seconds)) {
    uint64_t step = state->step;
    taken = slice_run(trainer, seconds / SLICES);
    if (taken > 0) samples_add(rates, (double)(state->step - step) / taken);
  }
  return taken > 0;
}

static void loop_figures(const Trainer *trainer, Samples *rates, Figures *figures) {
  const Progress *before = &trainer->progress;
  double steps = (double)(trainer->state.step - before->start_step);
  double made = (double)(trainer->state.updates - before->start_updates);
  figures->end_to_end_steps_per_second = samples_median(rates);
  figures->end_to_end_updates_per_second = figures->end_to_end_steps_per_second / steps * made;
  figures->end_to_end_limit = slower_part(figures, steps, made);
  figures->end_to_end_share_of_limit =
      figures->end_to_end_steps_per_second / figures->end_to_end_limit;
  figures->end_to_end_share_of_peak =
      figures->end_to_end_updates_per_second * figures->minimal_mflop / 1e3 / figures->peak_gflops;
}

/* Evaluations and checkpoints are off. */
static bool loop_measure(Trainer *trainer, double seconds, Figures *figures) {
  const Metrics *metrics = &trainer->metrics;
  Samples rates = {0};
  trainer->log = log_open(trainer->directory, metrics->name, metrics->columns, evaluation_columns,
                          EVALUATION_COLUMNS, NULL, &trainer->error);
  if (!trainer->log) return false;
  trainer_start(trainer);
  bool good = samples_make(&rates, &trainer->error) && slices_run(trainer, seconds, &rates);
  bool closed = log_close(trainer->log, good ? &trainer->error : &(RunError){{0}});
  if (good) loop_figures(trainer, &rates, figures);
  samples_free(&rates);
  return good && closed;
}

bool bench_end_to_end(Trainer *trainer, double seconds, Figures *figures) {
  const char *base = getenv("TMPDIR");
  RlcModule named = *trainer->module;
  if (!named.env_id) named.env_id = "none";
  char directory[RUN_PATH];
  snprintf(directory, sizeof directory, "%s/rlc-bench-XXXXXX", base && *base ? base : "/tmp");
  if (!mkdtemp(directory)) return run_fail(&trainer->error, "no temporary directory %s", directory);
  trainer->options.out = directory;
  bool good = rundir_make(&trainer->options, &named, trainer->directory, sizeof trainer->directory,
                          &trainer->error) &&
              loop_measure(trainer, seconds, figures);
  directory_remove(directory);
  return good;
}
