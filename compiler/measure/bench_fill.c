/* Replays and the rollout filled from some thousand real steps. */
#include "compiler/measure/bench.h"

#include <stdlib.h>
#include <string.h>

enum { FILL_ROWS = 8192 }; /* real rows; a batch of 256 rarely holds one twice */

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
