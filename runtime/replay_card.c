/* A replay whose rows lie on a card as well: every change goes there too, behind what the card was
 * told before, and batches are taken there. The host still draws: it knows priorities and ends. */
#include "runtime/ring.h"

#include <stdlib.h>

/* Where the parts begin in the pool, in floats. */
static uint64_t finals_from(const Replay *replay) {
  return replay->head.capacity * replay->head.stride;
}
static uint64_t latest_from(const Replay *replay) {
  return finals_from(replay) + (replay->finals ? replay->head.capacity * replay->obs_dim : 0);
}

static bool is_in(const float *at, const float *part, uint64_t floats) {
  return part && at >= part && at < part + floats;
}

/* The place in the pool of something in rows, finals or latest. */
static uint64_t place_of(const Replay *replay, const float *at) {
  uint64_t capacity = replay->head.capacity;
  if (is_in(at, replay->rows, capacity * replay->head.stride)) return (uint64_t)(at - replay->rows);
  if (is_in(at, replay->finals, capacity * replay->obs_dim))
    return finals_from(replay) + (uint64_t)(at - replay->finals);
  return latest_from(replay) + (uint64_t)(at - replay->latest);
}

void replay_changed(Replay *replay, const float *at, uint64_t count) {
  if (replay->gather) gather_put(replay->gather, place_of(replay, at), at, count);
}

void replay_filled(Replay *replay) {
  const ReplayHead *head = &replay->head;
  replay_changed(replay, replay->rows, (head->skip + head->stored) * head->stride);
  if (replay->next) replay_changed(replay, replay->finals, head->finals * replay->obs_dim);
  replay_changed(replay, replay->latest, head->envs * replay->obs_dim);
}

/* What the host has in these rows goes there, whether a row was drawn twice or is another by now.
 */
void replay_rewritten(Replay *replay, const ReplayWrite *write) {
  const GatherParts parts = {.rows = replay->rows,
                             .row = replay->drawn,
                             .count = replay->source->batch,
                             .stride = replay->head.stride,
                             .at = replay->columns[write->column].at,
                             .width = write->from.width};
  if (replay->gather) gather_put_parts(replay->gather, &parts);
}

static GatherColumn column_of(const Column *column) {
  return (GatherColumn){.rows = &column->batch,
                        .at = column->at,
                        .mask = column->kind == RLC_TERMINATED  ? ROW_TERMINATED
                                : column->kind == RLC_TRUNCATED ? ROW_TRUNCATED
                                                                : 0,
                        .after = column->kind == RLC_NEXT_OBS};
}

bool replay_on_card(Replay *replay, Mirror *mirror, RunError *error) {
  const RlcSource *source = replay->source;
  uint32_t rows = source->batch * replay->ahead, count = 0;
  uint64_t floats = latest_from(replay) + replay->head.envs * replay->obs_dim;
  GatherColumn *columns = run_take(source->column_count, sizeof *columns, error);
  for (uint32_t i = 0; columns && i < source->column_count; i++)
    if (replay->columns[i].batch.slot) columns[count++] = column_of(&replay->columns[i]);
  if (columns)
    replay->gather = gather_make(mirror, floats, columns, count, rows, replay->flags, error);
  free(columns);
  return replay->gather != NULL;
}

void replay_gather(Replay *replay) {
  uint32_t rows = replay->source->batch * replay->ahead;
  uint64_t *places = gather_begin(replay->gather);
  for (uint32_t i = 0; i < rows; i++) places[i] = place_of(replay, replay->row[i]);
  for (uint32_t i = 0; i < rows && replay->next; i++)
    places[rows + i] = place_of(replay, replay->after[i]);
  gather_end(replay->gather);
}
