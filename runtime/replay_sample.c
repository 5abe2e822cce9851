/* Drawing a batch from the ring into the batch slots, and writing back into the rows drawn. */
#include "runtime/ring.h"
#include "runtime/rng.h"

#include <math.h>

enum { REPLAY_SHARED = 1024 }; /* batches of so many rows and more are copied by the whole team */

/* ---- which rows ---- */

static inline uint64_t draw_bits(const Replay *replay, uint64_t seed, uint64_t number,
                                 uint32_t element) {
  Philox draw = philox(seed, replay->stream, number, element);
  return (uint64_t)draw.word[0] << 32 | draw.word[1];
}

static double draw_mass(const Replay *replay, uint64_t seed, uint64_t number, uint32_t element) {
  double unit = (double)(draw_bits(replay, seed, number, element) >> 11) * 0x1p-53;
  return unit * priorities_total(&replay->priorities);
}

uint64_t replay_index(const Replay *replay, uint64_t seed, uint64_t number, uint32_t element) {
  if (replay->source->prioritized) {
    uint64_t row;
    double mass = draw_mass(replay, seed, number, element);
    priorities_find(&replay->priorities, &mass, &row, 1);
    return row;
  }
  return window_row(replay,
                    rng_below(draw_bits(replay, seed, number, element), window_rows(replay)));
}

bool replay_ready(const Replay *replay, uint64_t step, RunError *error) {
  const ReplayHead *head = &replay->head;
  const char *name = replay->source->name;
  unsigned long long at = step, have = head->stored / head->envs;
  if (head->stored == 0)
    return run_fail(error, "the loop samples from '%s' at step %llu, which holds no rows yet", name,
                    at);
  bool few = file_rows(head) == 0 && have < replay->ahead;
  if (few || window_rows(replay) == 0)
    return run_fail(error,
                    "the loop samples windows of %u steps from '%s' at step %llu, which holds %llu "
                    "of each environment",
                    replay->ahead, name, at, have);
  if (!replay->source->prioritized) return true;
  double total = priorities_total(&replay->priorities);
  if (total > 0 && isfinite(total)) return true;
  return run_fail(error, "the loop samples from '%s' at step %llu, whose priorities add up to %g",
                  name, at, total);
}

/* ---- copying ---- */

/* Where the next observation of row r lies. */
static const float *row_after(const Replay *replay, uint64_t r, const float *row) {
  const ReplayHead *head = &replay->head;
  uint32_t word = row_word(replay, row);
  if (word & ROW_NEXT) return replay->finals + (size_t)(word >> ROW_SHIFT) * replay->obs_dim;
  uint64_t newest = ring_vector(head, 0);
  if (r >= newest && r < newest + head->envs)
    return replay->latest + (r - newest) * replay->obs_dim;
  return row_at(replay, row_following(head, r));
}

typedef struct SampleJob {
  Replay *replay;
  char *memory;
  uint64_t seed, number;
} SampleJob;

static inline void row_prefetch(const float *row, uint64_t floats) {
  for (uint64_t i = 0; i < floats; i += 16) __builtin_prefetch(row + i);
}

/* Rows on their way into the cache: element i's, with the steps that follow where windows are. */
static void sample_prefetch(const Replay *replay, uint32_t i) {
  uint64_t r = replay->drawn[i];
  row_prefetch(row_at(replay, r), replay->head.stride);
  for (uint32_t k = 1; k < replay->ahead; k++)
    row_prefetch(row_at(replay, r = row_following(&replay->head, r)), replay->head.stride);
}

static void sample_draw(const SampleJob *job, uint32_t from, uint32_t to) {
  Replay *replay = job->replay;
  if (replay->source->prioritized) {
    for (uint32_t i = from; i < to; i++)
      replay->mass[i] = draw_mass(replay, job->seed, job->number, i);
    priorities_find(&replay->priorities, replay->mass + from, replay->drawn + from, to - from);
    for (uint32_t i = from; i < to; i++) sample_prefetch(replay, i);
    return;
  }
  uint64_t rows = window_rows(replay);
  for (uint32_t i = from; i < to; i++) {
    replay->drawn[i] =
        window_row(replay, rng_below(draw_bits(replay, job->seed, job->number, i), rows));
    sample_prefetch(replay, i);
  }
}

/* The steps of element i's window; behind the end of the episode the last one is repeated. */
static void window_find(const SampleJob *job, uint32_t i) {
  Replay *replay = job->replay;
  uint64_t r = replay->drawn[i];
  uint32_t at = i * replay->ahead, end = at + replay->ahead;
  float valid = 1;
  for (; at < end; at++) {
    replay->row[at] = row_at(replay, r);
    if (replay->next) {
      replay->after[at] = row_after(replay, r, replay->row[at]);
      row_prefetch(replay->after[at], replay->obs_dim);
    }
    rows_put(&replay->valid, job->memory, at, &valid);
    if (row_word(replay, replay->row[at]) & ROW_ENDED)
      valid = 0;
    else
      r = row_following(&replay->head, r);
  }
}

/* The next observations of single steps, while the rows are on their way. */
static void after_find(Replay *replay, uint32_t from, uint32_t to) {
  for (uint32_t i = from; i < to && replay->next; i++) {
    replay->after[i] = row_after(replay, replay->drawn[i], replay->row[i]);
    row_prefetch(replay->after[i], replay->obs_dim);
  }
}

/* Single steps, drawn uniformly: drawing the next ones hides the wait for memory. */
static void plain_find(const SampleJob *job, uint32_t from, uint32_t to) {
  Replay *replay = job->replay;
  uint64_t rows = replay->head.stored, skip = replay->head.skip;
  for (uint32_t i = from; i < to; i++) {
    uint64_t r = skip + rng_below(draw_bits(replay, job->seed, job->number, i), rows);
    replay->drawn[i] = r;
    replay->row[i] = row_at(replay, r);
    row_prefetch(replay->row[i], replay->head.stride);
  }
  after_find(replay, from, to);
}

/* Finds elements from..to of the batch: first all rows, then, while they are on their way, the
 * rows that follow and the next observations. */
static void sample_find(const SampleJob *job, uint32_t from, uint32_t to) {
  Replay *replay = job->replay;
  if (replay->source->window == 0 && !replay->source->prioritized) {
    plain_find(job, from, to);
    return;
  }
  sample_draw(job, from, to);
  for (uint32_t i = from; i < to && replay->source->window > 0; i++) window_find(job, i);
  if (replay->source->window > 0) return;
  for (uint32_t i = from; i < to; i++) replay->row[i] = row_at(replay, replay->drawn[i]);
  after_find(replay, from, to);
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

/* (1 / (rows * P)) ^ b over the largest of these: rows and the sum of the priorities cancel. */
static void weights_put(const Replay *replay, char *memory, uint32_t from, uint32_t to) {
  const Priorities *priorities = &replay->priorities;
  double least = priorities_least(priorities);
  for (uint32_t i = from; i < to; i++) {
    double ratio = least / *priorities_leaf(priorities, replay->drawn[i]);
    float weight = (float)pow(ratio, replay->source->weight_exponent);
    rows_put(&replay->weight, memory, i, &weight);
  }
}

static void sample_part(void *arg, uint32_t thread, uint32_t threads) {
  const SampleJob *job = arg;
  Replay *replay = job->replay;
  uint64_t batch = replay->source->batch;
  uint32_t from = (uint32_t)(batch * thread / threads),
           to = (uint32_t)(batch * (thread + 1) / threads);
  sample_find(job, from, to);
  if (replay->source->prioritized && replay->weight.slot)
    weights_put(replay, job->memory, from, to);
  if (replay->gather) return;
  from *= replay->ahead, to *= replay->ahead;
  for (uint32_t c = 0; c < replay->source->column_count; c++)
    if (replay->columns[c].batch.slot)
      column_copy(replay, &replay->columns[c], job->memory, from, to);
}

void replay_sample(Replay *replay, Team *team, char *memory, uint64_t seed, uint64_t number) {
  SampleJob job = {replay, memory, seed, number};
  replay->head.sampled = replay->head.vectors;
  if ((uint64_t)replay->source->batch * replay->ahead < REPLAY_SHARED)
    sample_part(&job, 0, 1);
  else
    team_run_paced(team, &replay->pace, sample_part, &job);
  if (replay->gather) replay_gather(replay);
}

/* ---- writing back ---- */

/* Whether another step was written over a row since it was drawn. */
static bool row_lost(const ReplayHead *head, uint64_t row) {
  uint64_t written = (head->vectors - head->sampled) * head->envs;
  uint64_t back = head->head > row ? head->head - row : head->head + head->capacity - row;
  return back <= written;
}

static bool priority_write(Replay *replay, const ReplayWrite *write, const char *memory, uint32_t i,
                           uint64_t step, RunError *error) {
  float raw;
  rows_get(&write->from, memory, i, &raw);
  double value = raw >= 0 && isfinite(raw) ? pow(raw, replay->source->exponent) : NAN;
  if (!isfinite(value))
    return run_fail(error, "row %u of the batch from '%s' got the priority %g at step %llu", i,
                    replay->source->name, raw, (unsigned long long)step);
  if (raw > replay->head.largest) replay->head.largest = raw;
  if (!row_lost(&replay->head, replay->drawn[i]))
    priorities_set(&replay->priorities, replay->drawn[i], value);
  return true;
}

bool replay_write(Replay *replay, uint32_t at, const char *memory, uint64_t step, RunError *error) {
  const ReplayWrite *write = replay->writes;
  while (write->step != at) write++;
  if (replay->head.sampled == NEVER_SAMPLED)
    return run_fail(error,
                    "the loop writes to '%s' at step %llu, before any of its rows were drawn",
                    replay->source->name, (unsigned long long)step);
  const Column *column = write->column == RLC_NONE ? NULL : &replay->columns[write->column];
  for (uint32_t i = 0; i < replay->source->batch; i++) {
    if (!column && !priority_write(replay, write, memory, i, step, error)) return false;
    if (column && !row_lost(&replay->head, replay->drawn[i]))
      rows_get(&write->from, memory, i, row_at(replay, replay->drawn[i]) + column->at);
  }
  if (column) replay_rewritten(replay, write);
  return true;
}
