/* Making a replay, and its checkpoints. How the ring lies is told in ring.h; writing to it is in
 * replay_append.c, sampling in replay_sample.c. */
#include "runtime/ring.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a. */
static uint32_t name_hash(const char *name) {
  uint32_t hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
  return hash;
}

/* ---- making ---- */

/* Slots [batch].. or, with a window, [batch][ahead].. as batch * ahead rows. */
static bool batch_rows(const Replay *replay, Rows *rows, uint32_t slot, uint32_t width,
                       RunError *error) {
  const RlcSource *source = replay->source;
  const RlcSlot *place = slot == RLC_NONE ? NULL : &replay->module->slots[slot];
  if (place && source->window > 0 &&
      (place->rank < 2 || place->dims[0].extent != source->batch ||
       place->dims[1].extent != source->window))
    return run_fail(error, "slot '%s' does not begin with [%u][%u], batch and window", place->name,
                    source->batch, source->window);
  return rows_make(rows, replay->module, slot, source->batch * replay->ahead, width, error);
}

/* Gives every column its place in the row and its batch slot. */
static bool replay_layout(Replay *replay, RunError *error) {
  const RlcSource *source = replay->source;
  uint32_t at = replay->obs_dim + replay->act_dim + 1, envs = (uint32_t)replay->head.envs;
  replay->action = replay->obs_dim;
  replay->reward = replay->obs_dim + replay->act_dim;
  for (uint32_t i = 0; i < source->column_count; i++) {
    const RlcColumn *given = &source->columns[i];
    Column *column = &replay->columns[i];
    column->kind = given->kind;
    if (!batch_rows(replay, &column->batch, given->slot, given->width, error)) return false;
    if (given->kind == RLC_NEXT_OBS && given->slot != RLC_NONE) replay->next = true;
    if (given->kind == RLC_ACTION) column->at = replay->action;
    if (given->kind == RLC_REWARD) column->at = replay->reward;
    if (given->kind != RLC_EXTRA) continue;
    column->at = at;
    at += given->width;
    if (replay->appends &&
        !rows_make(&column->from, replay->module, given->from_slot, envs, given->width, error))
      return false;
  }
  replay->flags = at;
  replay->head.stride = at + 1;
  return batch_rows(replay, &replay->valid, source->valid, 1, error) &&
         rows_make(&replay->weight, replay->module, source->weight, source->batch, 1, error);
}

/* What one RLC_DO_WRITE of the loop writes. */
static bool write_make(Replay *replay, ReplayWrite *write, uint32_t at, RunError *error) {
  const RlcSource *source = replay->source;
  const RlcStep *step = &replay->module->steps[at];
  *write = (ReplayWrite){.step = at, .column = RLC_NONE};
  uint32_t width = 1;
  if (step->count != RLC_PRIORITY) {
    if (step->count >= source->column_count)
      return run_fail(error, "replay '%s': column %llu is written, but there are %u", source->name,
                      (unsigned long long)step->count, source->column_count);
    write->column = (uint32_t)step->count;
    const RlcColumn *column = &source->columns[write->column];
    if (column->kind != RLC_EXTRA)
      return run_fail(error, "replay '%s': column '%s' is what happened and cannot be written",
                      source->name, column->name);
    replay->columns[write->column].written = true;
    width = column->width;
  } else if (!source->prioritized) {
    return run_fail(error, "replay '%s': priorities are written, but it has none", source->name);
  }
  return rows_make(&write->from, replay->module, step->slot, source->batch, width, error);
}

static bool replay_writes(Replay *replay, RunError *error) {
  const RlcModule *module = replay->module;
  uint32_t number = (uint32_t)(replay->source - module->sources);
  replay->writes = run_take(module->step_count, sizeof *replay->writes, error);
  if (!replay->writes) return false;
  for (uint32_t i = 0; i < module->step_count; i++)
    if (module->steps[i].op == RLC_DO_WRITE && module->steps[i].index == number &&
        !write_make(replay, &replay->writes[replay->write_count++], i, error))
      return false;
  return true;
}

static bool replay_allocate(Replay *replay, RunError *error) {
  const ReplayHead *head = &replay->head;
  uint32_t obs = replay->obs_dim;
  size_t batch = replay->source->batch, all = batch * replay->ahead;
  if (head->capacity >= NO_FINAL)
    return run_fail(error, "replay '%s': a capacity of %llu rows is too large",
                    replay->source->name, (unsigned long long)head->capacity);
  if (replay->ahead > head->capacity / head->envs)
    return run_fail(error,
                    "replay '%s': windows of %u steps do not fit the %llu that it holds of each "
                    "environment",
                    replay->source->name, replay->ahead,
                    (unsigned long long)(head->capacity / head->envs));
  replay->rows = run_take(head->capacity, head->stride * sizeof(float), error);
  if (replay->rows) block_advise(replay->rows, head->capacity * head->stride * sizeof(float));
  replay->finals = replay->next ? run_take(head->capacity, obs * sizeof(float), error) : NULL;
  replay->latest = run_take(head->envs, obs * sizeof(float), error);
  replay->since = run_take(head->envs, sizeof *replay->since, error);
  replay->tail = run_take(head->envs + 1, sizeof *replay->tail, error);
  replay->drawn = run_take(batch, sizeof *replay->drawn, error);
  replay->mass = run_take(batch, sizeof *replay->mass, error);
  replay->row = run_take(all, sizeof *replay->row, error);
  replay->after = run_take(all, sizeof *replay->after, error);
  if (replay->source->prioritized && !priorities_make(&replay->priorities, head->capacity, error))
    return false;
  return replay->rows && (replay->finals || !replay->next) && replay->latest && replay->since &&
         replay->tail && replay->drawn && replay->mass && replay->row && replay->after;
}

/* Rows of all vector steps that hold the capacity. */
static uint64_t capacity_rounded(uint64_t capacity, uint64_t envs) {
  uint64_t vectors = (capacity + envs - 1) / envs;
  return (vectors ? vectors : 1) * envs;
}

static void replay_name(Replay *replay) {
  static const char *const part[REPLAY_BLOBS] = {"ring",   "rows",  "finals",
                                                 "latest", "drawn", "priorities"};
  for (int i = 0; i < REPLAY_BLOBS; i++)
    snprintf(replay->name[i], sizeof replay->name[i], "replay.%s.%s", replay->source->name,
             part[i]);
  replay->stream = name_hash(replay->source->name);
}

Replay *replay_make(const RlcModule *module, uint32_t source, uint32_t envs, RunError *error) {
  Replay *replay = run_take(1, sizeof *replay, error);
  if (!replay) return NULL;
  replay->module = module;
  replay->source = &module->sources[source];
  replay->appends = envs > 0;
  replay->obs_dim = module->obs_dim;
  replay->act_dim = module->act_dim;
  replay->ahead = replay->source->window ? replay->source->window : 1;
  replay_name(replay);
  if (envs == 0) envs = 1;
  replay->envs = envs;
  replay->head = (ReplayHead){.capacity = capacity_rounded(replay->source->capacity, envs),
                              .envs = envs,
                              .free = NO_FINAL,
                              .sampled = NEVER_SAMPLED,
                              .largest = 1};
  replay->columns = run_take(replay->source->column_count, sizeof *replay->columns, error);
  if (replay->columns && replay_layout(replay, error) && replay_writes(replay, error) &&
      replay_allocate(replay, error)) {
    window_restore(replay);
    return replay;
  }
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
  rows_free(&replay->valid);
  rows_free(&replay->weight);
  for (uint32_t i = 0; i < replay->write_count; i++) rows_free(&replay->writes[i].from);
  free(replay->writes);
  priorities_free(&replay->priorities);
  free(replay->stage.rows);
  free(replay->stage.finals);
  free(replay->stage.latest);
  free(replay->since);
  free(replay->tail);
  free(replay->drawn);
  free(replay->mass);
  free(replay->row);
  free(replay->after);
  gather_free(replay->gather);
  free(replay);
}

/* ---- looking ---- */

uint64_t replay_stored(const Replay *replay) { return replay->head.stored; }
uint64_t replay_capacity(const Replay *replay) { return replay->head.capacity; }

/* ---- checkpoints ---- */

void replay_blobs(Replay *replay, bool used, Blob *blobs) {
  const ReplayHead *head = &replay->head;
  uint64_t obs = replay->obs_dim * sizeof(float);
  uint64_t rows = used ? head->skip + head->stored : head->capacity,
           finals = used ? head->finals : head->capacity, leaves = rows;
  double *leaf = replay->priorities.sum ? priorities_leaf(&replay->priorities, 0) : NULL;
  if (!replay->next) finals = 0;
  if (!leaf) leaves = 0;
  blobs[0] = (Blob){replay->name[0], &replay->head, sizeof replay->head, true};
  blobs[1] = (Blob){replay->name[1], replay->rows, rows * head->stride * sizeof(float), true};
  blobs[2] = (Blob){replay->name[2], replay->finals, finals * obs, true};
  blobs[3] = (Blob){replay->name[3], replay->latest, head->envs * obs, true};
  blobs[4] =
      (Blob){replay->name[4], replay->drawn, replay->source->batch * sizeof *replay->drawn, true};
  blobs[5] = (Blob){replay->name[5], leaf, leaves * sizeof *leaf, true};
}

bool replay_resume(Replay *replay, RunError *error) {
  const ReplayHead *head = &replay->head;
  uint64_t envs = replay->envs;
  bool good = head->envs == envs && head->stride == replay->flags + 1u &&
              head->capacity == capacity_rounded(replay->source->capacity, envs) &&
              head->head < head->capacity;
  good = good && head->skip < envs && head->stored <= head->capacity - head->skip &&
         head->finals <= head->capacity && head->file_drawn <= head->file_end &&
         head->file_end <= head->capacity && file_rows(head) <= head->stored;
  for (uint32_t i = 0; good && i < replay->source->batch; i++)
    good = replay->drawn[i] < head->capacity;
  if (!good)
    return run_fail(error, "replay '%s': the checkpoint's is of another shape",
                    replay->source->name);
  window_restore(replay);
  replay_filled(replay);
  return head->stored > 0 || replay_read(replay, error);
}
