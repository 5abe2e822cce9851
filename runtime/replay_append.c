/* Writing to a replay: vector steps that become its newest rows, at once or after having waited
 * apart for the moment when nobody samples. */
#include "runtime/ring.h"

#include <string.h>

/* ---- ends of episodes ---- */

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

uint32_t final_keep(Replay *replay, const float *obs) {
  uint32_t entry = final_take(replay), width = replay->obs_dim;
  memcpy(replay->finals + (size_t)entry * width, obs, width * sizeof(float));
  replay_changed(replay, replay->finals + (size_t)entry * width, width);
  return ROW_NEXT | entry << ROW_SHIFT;
}

/* Everything of a row but where the observation behind an end lies. */
static void row_write(const Replay *replay, float *row, const ReplayStep *step, uint32_t env) {
  uint32_t obs = replay->obs_dim, act = replay->act_dim;
  memcpy(row, step->obs + (size_t)env * obs, obs * sizeof *row);
  memcpy(row + replay->action, step->action + (size_t)env * act, act * sizeof *row);
  row[replay->reward] = step->pool->reward[env];
  for (uint32_t i = 0; i < replay->source->column_count; i++) {
    const Column *column = &replay->columns[i];
    if (column->from.slot)
      rows_get(&column->from, step->memory, env, row + column->at);
    else if (column->kind == RLC_EXTRA) /* until it is written */
      memset(row + column->at, 0, replay->source->columns[i].width * sizeof *row);
  }
  uint32_t word = step->pool->terminated[env] ? ROW_TERMINATED : 0;
  if (step->pool->truncated[env]) word |= ROW_TRUNCATED;
  memcpy(row + replay->flags, &word, sizeof word);
}

/* The row that is written next in the ring, for environment `env`; what was there is gone. */
static float *row_clear(Replay *replay, uint64_t env) {
  float *row = row_at(replay, replay->head.head + env);
  uint32_t old = row_word(replay, row);
  if (old & ROW_NEXT) final_give(replay, old >> ROW_SHIFT);
  return row;
}

/* The rest: `final` is the observation behind the row. */
static void row_end(Replay *replay, float *row, const float *final) {
  uint32_t word = row_word(replay, row);
  if (!replay->next || !(word & ROW_ENDED)) return;
  word |= final_keep(replay, final);
  memcpy(row + replay->flags, &word, sizeof word);
}

/* Moves past a vector step that was just written. */
static void head_advance(ReplayHead *head) {
  uint64_t limit = head->capacity - head->skip;
  if (head->head < head->skip) { /* the rows never written are no more */
    head->stored = head->capacity;
    head->skip = 0;
  } else if (head->stored < limit) {
    head->stored += head->envs;
  }
  bool over_file = head->head < head->file_end;
  head->head += head->envs;
  if (over_file && head->head >= head->file_end) head->file_end = head->file_drawn = 0;
  if (head->head == head->capacity) head->head = 0;
  head->vectors++;
}

/* Past a vector step whose rows are in place. */
static void append_end(Replay *replay, const float *latest) {
  ReplayHead *head = &replay->head;
  memcpy(replay->latest, latest, head->envs * replay->obs_dim * sizeof(float));
  replay_changed(replay, replay->latest, head->envs * replay->obs_dim);
  replay_changed(replay, row_at(replay, head->head), head->envs * head->stride);
  head_advance(head);
  window_append(replay);
}

void replay_append(Replay *replay, const ReplayStep *step) {
  for (uint32_t env = 0; env < replay->head.envs; env++) {
    float *row = row_clear(replay, env);
    row_write(replay, row, step, env);
    row_end(replay, row, step->pool->final_obs + (size_t)env * replay->obs_dim);
  }
  append_end(replay, step->pool->obs);
}

/* ---- waiting rows ---- */

bool replay_wait(Replay *replay, uint64_t vectors, RunError *error) {
  ReplayStage *stage = &replay->stage;
  uint64_t envs = replay->envs, rows = vectors * envs;
  stage->rows = run_take(rows, replay->head.stride * sizeof(float), error);
  stage->finals = run_take(rows, replay->obs_dim * sizeof(float), error);
  stage->latest = run_take(vectors, envs * replay->obs_dim * sizeof(float), error);
  return stage->rows && stage->finals && stage->latest;
}

void replay_stage(Replay *replay, const ReplayStep *step) {
  ReplayStage *stage = &replay->stage;
  uint64_t obs = replay->obs_dim, at = stage->vectors * replay->envs;
  for (uint32_t env = 0; env < replay->envs; env++, at++) {
    float *row = stage->rows + at * replay->head.stride;
    row_write(replay, row, step, env);
    if (row_word(replay, row) & ROW_ENDED)
      memcpy(stage->finals + at * obs, step->pool->final_obs + env * obs, obs * sizeof(float));
  }
  memcpy(stage->latest + stage->vectors++ * replay->envs * obs, step->pool->obs,
         replay->envs * obs * sizeof(float));
}

void replay_join(Replay *replay) {
  ReplayStage *stage = &replay->stage;
  uint64_t obs = replay->obs_dim, stride = replay->head.stride, at = 0;
  for (uint64_t v = 0; v < stage->vectors; v++) {
    for (uint32_t env = 0; env < replay->envs; env++, at++) {
      float *row = row_clear(replay, env);
      memcpy(row, stage->rows + at * stride, stride * sizeof(float));
      row_end(replay, row, stage->finals + at * obs);
    }
    append_end(replay, stage->latest + v * replay->envs * obs);
  }
  stage->vectors = 0;
}
