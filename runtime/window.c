/* Which rows may be drawn: those whose window is stored as a whole or cut short by an episode's
 * end. Of the vector steps all but the newest ahead - 1 are; in these it depends on where an
 * environment's last episode ended, which is kept up to date at O(envs) for a vector step and
 * follows from the rows. With single steps every row may be drawn. */
#include "runtime/ring.h"

#include <math.h>

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Rows of the file that start whole windows. */
static uint64_t file_drawable(const ReplayHead *head) {
  uint64_t first = file_first(head);
  return head->file_drawn > first && file_rows(head) ? head->file_drawn - first : 0;
}

/* Vector steps of which every row may be drawn. */
static uint64_t old_vectors(const Replay *replay) {
  uint64_t vectors = ring_vectors(&replay->head), young = replay->ahead - 1;
  return vectors > young ? vectors - young : 0;
}

uint64_t window_rows(const Replay *replay) {
  const ReplayHead *head = &replay->head;
  if (replay->ahead == 1) return head->stored;
  return file_drawable(head) + old_vectors(replay) * head->envs + replay->tail[head->envs];
}

/* The k-th row of the newest vector steps: environment by environment, the oldest first. */
static uint64_t tail_row(const Replay *replay, uint64_t k) {
  const ReplayHead *head = &replay->head;
  uint64_t low = 0, high = head->envs;
  while (high - low > 1) {
    uint64_t middle = (low + high) / 2;
    if (replay->tail[middle] <= k)
      low = middle;
    else
      high = middle;
  }
  uint64_t oldest = least(ring_vectors(head), replay->ahead - 1) - 1;
  return ring_vector(head, oldest - (k - replay->tail[low])) + low;
}

uint64_t window_row(const Replay *replay, uint64_t k) {
  const ReplayHead *head = &replay->head;
  if (replay->ahead == 1) return head->skip + k;
  uint64_t file = file_drawable(head), old = old_vectors(replay) * head->envs;
  if (k < file) return file_first(head) + k;
  k -= file;
  if (k >= old) return tail_row(replay, k - old);
  uint64_t row = ring_vector(head, ring_vectors(head) - 1) + k;
  return row >= head->capacity ? row - head->capacity : row;
}

/* ---- vector steps ---- */

/* Sums up, from `since`, the rows of the newest vector steps that may be drawn. */
static void tail_sum(Replay *replay) {
  const ReplayHead *head = &replay->head;
  uint64_t young = least(ring_vectors(head), replay->ahead - 1);
  for (uint64_t e = 0; e < head->envs; e++)
    replay->tail[e + 1] = replay->tail[e] + young - least(young, replay->since[e]);
}

/* The age of the oldest row of an environment that the newest step made drawable, and of the
 * youngest. An end makes it all rows of its episode that were not; else at most one row got its
 * last step. */
static bool newly_drawable(const Replay *replay, uint64_t env, uint64_t *oldest,
                           uint64_t *youngest) {
  uint64_t young = replay->ahead - 1, vectors = ring_vectors(&replay->head);
  uint32_t before = replay->since[env]; /* of the step before */
  bool ended = row_word(replay, row_at(replay, ring_vector(&replay->head, 0) + env)) & ROW_ENDED;
  *youngest = ended ? 0 : young;
  *oldest = least(least(young, before), vectors - 1);
  return *oldest >= *youngest;
}

static void priorities_append(Replay *replay) {
  const ReplayHead *head = &replay->head;
  Priorities *priorities = &replay->priorities;
  uint64_t newest = ring_vector(head, 0), oldest, youngest;
  double value = pow(head->largest, replay->source->exponent);
  for (uint64_t e = 0; e < head->envs; e++) {
    bool any = newly_drawable(replay, e, &oldest, &youngest);
    *priorities_leaf(priorities, newest + e) = any && youngest == 0 ? value : 0;
  }
  priorities_mend(priorities, newest, newest + head->envs);
  for (uint64_t e = 0; e < head->envs && replay->ahead > 1; e++)
    if (newly_drawable(replay, e, &oldest, &youngest))
      for (uint64_t age = youngest > 0 ? youngest : 1; age <= oldest; age++)
        priorities_set(priorities, ring_vector(head, age) + e, value);
}

void window_append(Replay *replay) {
  const ReplayHead *head = &replay->head;
  if (replay->source->prioritized) priorities_append(replay);
  if (replay->ahead == 1) return;
  uint64_t newest = ring_vector(head, 0);
  for (uint64_t e = 0; e < head->envs; e++) {
    bool ended = row_word(replay, row_at(replay, newest + e)) & ROW_ENDED;
    replay->since[e] = ended ? 0 : (uint32_t)least(replay->since[e] + 1u, replay->ahead);
  }
  tail_sum(replay);
}

void window_restore(Replay *replay) {
  const ReplayHead *head = &replay->head;
  uint64_t vectors = least(ring_vectors(head), replay->ahead);
  for (uint64_t e = 0; e < head->envs; e++) {
    uint32_t age = 0;
    while (age < vectors &&
           !(row_word(replay, row_at(replay, ring_vector(head, age) + e)) & ROW_ENDED))
      age++;
    replay->since[e] = age < vectors ? age : replay->ahead;
  }
  tail_sum(replay);
  if (replay->source->prioritized) priorities_mend(&replay->priorities, 0, head->capacity);
}

/* ---- files ---- */

void window_file(Replay *replay) {
  ReplayHead *head = &replay->head;
  uint64_t cut = replay->ahead - 1; /* rows at the end whose windows are not whole */
  head->file_drawn = head->file_end;
  while (cut > 0 && head->file_drawn > head->skip &&
         !(row_word(replay, row_at(replay, head->file_drawn - 1)) & ROW_ENDED))
    head->file_drawn--, cut--;
  if (!replay->source->prioritized) return;
  double value = pow(head->largest, replay->source->exponent);
  for (uint64_t r = head->skip; r < head->file_drawn; r++)
    *priorities_leaf(&replay->priorities, r) = value;
  priorities_mend(&replay->priorities, 0, head->file_end);
}
