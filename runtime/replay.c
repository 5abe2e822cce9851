/* The ring of rows. A row is obs, action, reward, extra columns and one word of flags, contiguous,
 * so that sampling it touches one or two cache lines. Row r belongs to environment r % envs; its
 * next_obs is obs of row r + envs, except where the episode ended (the true final observation then
 * lies in `finals`) and for the newest vector step (whose next observations lie in `latest`).
 *
 * `finals` is as long as the ring, for the worst case, but untouched memory costs nothing: entries
 * are taken from a list of free ones, then from the lowest never used, so only as much is touched
 * as was ever in use at once. */
#define _GNU_SOURCE /* madvise */
#include "runtime/replay.h"
#include "runtime/rng.h"
#include "runtime/rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ROW_TERMINATED = 1, ROW_TRUNCATED = 2, ROW_ENDED = 3, ROW_SHIFT = 2 };
enum { REPLAY_SHARED = 1024 }; /* batches from this size on are copied by the whole team */
static const uint32_t NO_FINAL = UINT32_MAX >> ROW_SHIFT;

typedef struct Column {
  uint8_t kind;
  uint32_t at; /* its place in a row, in floats */
  Rows batch;  /* where a sample goes */
  Rows from;   /* RLC_EXTRA: the slot it is stored from */
} Column;

typedef struct ReplayHead { /* what a checkpoint keeps beside the rows */
  uint64_t capacity, envs, stride, head, stored, finals, free;
} ReplayHead;

struct Replay {
  const RlcSource *source;
  ReplayHead head; /* head.head: row that is written next; finals: entries ever used; free: first of
                      the free list */
  uint32_t obs_dim, act_dim, action, reward, flags; /* places in a row */
  bool next;                                        /* some program reads next_obs */
  char name[REPLAY_BLOBS][96];
  uint32_t stream;
  float *rows;   /* [capacity][stride] */
  float *finals; /* [capacity][obs_dim] */
  float *latest; /* [env][obs_dim] */
  Column *columns;
  const float **row,
      **after; /* [batch] rows of the sample in progress and their next observations */
};

/* FNV-1a. */
static uint32_t name_hash(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
  return hash;
}

static uint32_t row_word(const Replay *replay, const float *row) {
  uint32_t word;
  memcpy(&word, row + replay->flags, sizeof word);
  return word;
}

static float *row_at(const Replay *replay, uint64_t row) {
  return replay->rows + row * replay->head.stride;
}

/* ---- making ---- */

/* Gives every column its place in the row and its batch slot. */
static bool replay_layout(Replay *replay, const RlcModule *module, RunError *error) {
  const RlcSource *source = replay->source;
  uint32_t at = replay->obs_dim + replay->act_dim + 1, envs = (uint32_t)replay->head.envs;
  replay->action = replay->obs_dim;
  replay->reward = replay->obs_dim + replay->act_dim;
  for (uint32_t i = 0; i < source->column_count; i++) {
    const RlcColumn *given = &source->columns[i];
    Column *column = &replay->columns[i];
    column->kind = given->kind;
    if (!rows_make(&column->batch, module, given->slot, source->batch, given->width, error))
      return false;
    if (given->kind == RLC_NEXT_OBS && given->slot != RLC_NONE) replay->next = true;
    if (given->kind == RLC_ACTION) column->at = replay->action;
    if (given->kind == RLC_REWARD) column->at = replay->reward;
    if (given->kind != RLC_EXTRA) continue;
    column->at = at;
    at += given->width;
    if (!rows_make(&column->from, module, given->from_slot, envs, given->width, error))
      return false;
  }
  replay->flags = at;
  replay->head.stride = at + 1;
  return true;
}

/* Rows are drawn from all over a large block: large pages spare most misses of the address cache.
 * Only advice, it may fail. */
static void rows_advise(void *rows, uint64_t bytes) {
  uint64_t page = 4096, skip = (page - (uintptr_t)rows % page) % page;
  if (bytes > 64 * page) madvise((char *)rows + skip, (bytes - skip) / page * page, MADV_HUGEPAGE);
}

static bool replay_allocate(Replay *replay, RunError *error) {
  const ReplayHead *head = &replay->head;
  uint32_t obs = replay->obs_dim, batch = replay->source->batch;
  if (head->capacity >= NO_FINAL)
    return run_fail(error, "replay '%s': a capacity of %llu rows is too large",
                    replay->source->name, (unsigned long long)head->capacity);
  replay->rows = run_take(head->capacity, head->stride * sizeof(float), error);
  if (replay->rows) rows_advise(replay->rows, head->capacity * head->stride * sizeof(float));
  replay->finals = replay->next ? run_take(head->capacity, obs * sizeof(float), error) : NULL;
  replay->latest = run_take(head->envs, obs * sizeof(float), error);
  replay->row = run_take(batch, sizeof *replay->row, error);
  replay->after = run_take(batch, sizeof *replay->after, error);
  return replay->rows && (replay->finals || !replay->next) && replay->latest && replay->row &&
         replay->after;
}

Replay *replay_make(const RlcModule *module, uint32_t source, uint32_t envs, RunError *error) {
  Replay *replay = run_take(1, sizeof *replay, error);
  if (!replay) return NULL;
  const char *part[REPLAY_BLOBS] = {"head", "rows", "finals", "latest"};
  replay->source = &module->sources[source];
  for (int i = 0; i < REPLAY_BLOBS; i++)
    snprintf(replay->name[i], sizeof replay->name[i], "replay.%s.%s", replay->source->name,
             part[i]);
  replay->stream = name_hash(replay->source->name);
  replay->obs_dim = module->obs_dim;
  replay->act_dim = module->act_dim;
  uint64_t vectors = (replay->source->capacity + envs - 1) / envs;
  replay->head =
      (ReplayHead){.capacity = (vectors ? vectors : 1) * envs, .envs = envs, .free = NO_FINAL};
  replay->columns = run_take(replay->source->column_count, sizeof *replay->columns, error);
  if (replay->columns && replay_layout(replay, module, error) && replay_allocate(replay, error))
    return replay;
  replay_free(replay);
  return NULL;
}

void replay_free(Replay *replay) {
  if (!replay) return;
  for (uint32_t i = 0; replay->columns && i < replay->source->column_count; i++) {
    rows_free(&replay->columns[i].batch);
    rows_free(&replay->columns[i].from);
  }
  free(replay->columns);
  free(replay->rows);
  free(replay->finals);
  free(replay->latest);
  free(replay->row);
  free(replay->after);
  free(replay);
}

/* ---- writing ---- */

/* An entry of `finals` for one episode's end. A free entry's first float holds the number of the
 * next free one. */
static uint32_t final_take(Replay *replay) {
  ReplayHead *head = &replay->head;
  if (head->free == NO_FINAL) return (uint32_t)head->finals++;
  uint32_t taken = (uint32_t)head->free, next;
  memcpy(&next, replay->finals + (size_t)taken * replay->obs_dim, sizeof next);
  head->free = next;
  return taken;
}

static void final_give(Replay *replay, uint32_t entry) {
  uint32_t next = (uint32_t)replay->head.free;
  memcpy(replay->finals + (size_t)entry * replay->obs_dim, &next, sizeof next);
  replay->head.free = entry;
}

static uint32_t row_flags(Replay *replay, const Pool *pool, uint32_t env) {
  uint32_t word = pool->terminated[env] ? ROW_TERMINATED : 0;
  if (pool->truncated[env]) word |= ROW_TRUNCATED;
  if (!replay->next || !word) return word;
  uint32_t entry = final_take(replay), obs = replay->obs_dim;
  memcpy(replay->finals + (size_t)entry * obs, pool->final_obs + (size_t)env * obs,
         obs * sizeof(float));
  return word | entry << ROW_SHIFT;
}

static void row_write(Replay *replay, float *row, const ReplayStep *step, uint32_t env) {
  uint32_t obs = replay->obs_dim, act = replay->act_dim;
  memcpy(row, step->obs + (size_t)env * obs, obs * sizeof *row);
  memcpy(row + replay->action, step->action + (size_t)env * act, act * sizeof *row);
  row[replay->reward] = step->pool->reward[env];
  for (uint32_t i = 0; i < replay->source->column_count; i++) {
    const Column *column = &replay->columns[i];
    if (column->from.slot) rows_get(&column->from, step->memory, env, row + column->at);
  }
  uint32_t word = row_flags(replay, step->pool, env);
  memcpy(row + replay->flags, &word, sizeof word);
}

void replay_append(Replay *replay, const ReplayStep *step) {
  ReplayHead *head = &replay->head;
  bool full = head->stored == head->capacity;
  for (uint32_t env = 0; env < head->envs; env++) {
    float *row = row_at(replay, head->head + env);
    uint32_t old = row_word(replay, row);
    if (full && replay->next && (old & ROW_ENDED)) final_give(replay, old >> ROW_SHIFT);
    row_write(replay, row, step, env);
  }
  memcpy(replay->latest, step->pool->obs, head->envs * replay->obs_dim * sizeof(float));
  head->head = (head->head + head->envs) % head->capacity;
  if (!full) head->stored += head->envs;
}

uint64_t replay_stored(const Replay *replay) { return replay->head.stored; }
uint64_t replay_capacity(const Replay *replay) { return replay->head.capacity; }

/* ---- sampling ---- */

uint64_t replay_index(const Replay *replay, uint64_t seed, uint64_t number, uint32_t element) {
  Philox draw = philox(seed, replay->stream, number, element);
  return rng_below((uint64_t)draw.word[0] << 32 | draw.word[1], replay->head.stored);
}

/* Where the next observation of row r lies. */
static const float *row_after(const Replay *replay, uint64_t r, const float *row) {
  const ReplayHead *head = &replay->head;
  uint32_t word = row_word(replay, row);
  if (word & ROW_ENDED) return replay->finals + (size_t)(word >> ROW_SHIFT) * replay->obs_dim;
  uint64_t newest = (head->head + head->capacity - head->envs) % head->capacity;
  if (r >= newest && r < newest + head->envs)
    return replay->latest + (r - newest) * replay->obs_dim;
  return row_at(replay, (r + head->envs) % head->capacity);
}

typedef struct SampleJob {
  Replay *replay;
  char *memory;
  uint64_t seed, number;
} SampleJob;

static void row_prefetch(const float *row, uint64_t floats) {
  for (uint64_t i = 0; i < floats; i += 16) __builtin_prefetch(row + i);
}

/* Finds elements from..to of the batch: first all rows, then, while they are on their way, their
 * next observations. */
static void sample_find(const SampleJob *job, uint32_t from, uint32_t to) {
  Replay *replay = job->replay;
  for (uint32_t i = from; i < to; i++) {
    replay->row[i] = row_at(replay, replay_index(replay, job->seed, job->number, i));
    row_prefetch(replay->row[i], replay->head.stride);
  }
  for (uint32_t i = from; i < to && replay->next; i++) {
    uint64_t r = (uint64_t)(replay->row[i] - replay->rows) / replay->head.stride;
    replay->after[i] = row_after(replay, r, replay->row[i]);
    row_prefetch(replay->after[i], replay->obs_dim);
  }
}

/* Flags are bits of the rows' last words, so they go one by one. */
static void column_flags(const Replay *replay, const Column *column, char *memory, uint32_t from,
                         uint32_t to) {
  uint32_t mask = column->kind == RLC_TERMINATED ? ROW_TERMINATED : ROW_TRUNCATED;
  for (uint32_t i = from; i < to; i++) {
    float flag = (row_word(replay, replay->row[i]) & mask) != 0;
    rows_put(&column->batch, memory, i, &flag);
  }
}

static void column_copy(const Replay *replay, const Column *column, char *memory, uint32_t from,
                        uint32_t to) {
  switch ((RlcColumnKind)column->kind) {
  case RLC_NEXT_OBS:
    rows_gather(&column->batch, memory, from, to, replay->after, 0);
    break;
  case RLC_TERMINATED:
  case RLC_TRUNCATED:
    column_flags(replay, column, memory, from, to);
    break;
  case RLC_OBS:
  case RLC_ACTION:
  case RLC_REWARD:
  case RLC_EXTRA:
    rows_gather(&column->batch, memory, from, to, replay->row, column->at);
    break;
  }
}

static void sample_part(void *arg, uint32_t thread, uint32_t threads) {
  const SampleJob *job = arg;
  Replay *replay = job->replay;
  uint64_t batch = replay->source->batch;
  uint32_t from = (uint32_t)(batch * thread / threads),
           to = (uint32_t)(batch * (thread + 1) / threads);
  sample_find(job, from, to);
  for (uint32_t c = 0; c < replay->source->column_count; c++)
    if (replay->columns[c].batch.slot)
      column_copy(replay, &replay->columns[c], job->memory, from, to);
}

void replay_sample(Replay *replay, Team *team, char *memory, uint64_t seed, uint64_t number) {
  SampleJob job = {replay, memory, seed, number};
  if (replay->source->batch < REPLAY_SHARED)
    sample_part(&job, 0, 1);
  else
    team_run(team, sample_part, &job);
}

/* ---- checkpoints ---- */

void replay_blobs(Replay *replay, bool used, Blob *blobs) {
  const ReplayHead *head = &replay->head;
  uint64_t obs = replay->obs_dim * sizeof(float);
  uint64_t rows = used ? head->stored : head->capacity,
           finals = used ? head->finals : head->capacity;
  if (!replay->next) finals = 0;
  blobs[0] = (Blob){replay->name[0], &replay->head, sizeof replay->head, true};
  blobs[1] = (Blob){replay->name[1], replay->rows, rows * head->stride * sizeof(float), true};
  blobs[2] = (Blob){replay->name[2], replay->finals, finals * obs, true};
  blobs[3] = (Blob){replay->name[3], replay->latest, head->envs * obs, true};
}

bool replay_check(const Replay *replay, RunError *error) {
  const ReplayHead *head = &replay->head;
  uint64_t vectors = (replay->source->capacity + head->envs - 1) / (head->envs ? head->envs : 1);
  bool good =
      head->capacity == (vectors ? vectors : 1) * head->envs && head->stride == replay->flags + 1u;
  good = good && head->stored <= head->capacity && head->head < head->capacity &&
         head->finals <= head->capacity;
  if (good) return true;
  return run_fail(error, "replay '%s': the checkpoint's is of another shape", replay->source->name);
}
