/* Shuffled parts of the rollout: see rollout.h. */
#include "runtime/rng.h"
#include "runtime/rollout.h"

#include <stdlib.h>

/* Stream of the shuffles; those of programs and replays are hashes of their names. */
static const uint32_t SHUFFLE_STREAM = 0x73687566u;

enum { PARTS_SHARED = 8192 }; /* elements of a part from which on the whole team copies it */

bool parts_make(Parts *parts, const RlcModule *module, uint32_t view, RunError *error) {
  const RlcView *table = &module->views[view];
  uint32_t steps = module->rollout.steps, envs = module->explore.count;
  *parts = (Parts){.view = table, .total = steps * envs, .envs = envs};
  if ((uint64_t)steps * envs > UINT32_MAX)
    return run_fail(error, "a rollout of %u x %u rows is too long to be shuffled", steps, envs);
  parts->from = run_take(table->column_count, sizeof *parts->from, error);
  parts->to = run_take(table->column_count, sizeof *parts->to, error);
  parts->order = run_take(parts->total, sizeof *parts->order, error);
  if (!parts->from || !parts->to || !parts->order) return false;
  for (uint32_t i = 0; i < table->column_count; i++) {
    const RlcPair *pair = &table->columns[i];
    if (pair->from == RLC_NONE || pair->to == RLC_NONE)
      return run_fail(error, "column %u of the view '%s' lacks a slot", i, table->name);
    if (!whole_make(&parts->from[i], module, pair->from, steps, envs, error) ||
        !rows_make(&parts->to[i], module, pair->to, table->rows, parts->from[i].width, error))
      return false;
  }
  return true;
}

void parts_free(Parts *parts) {
  for (uint32_t i = 0; parts->to && i < parts->view->column_count; i++) rows_free(&parts->to[i]);
  for (uint32_t i = 0; parts->from && i < parts->view->column_count; i++)
    whole_free(&parts->from[i]);
  free(parts->from);
  free(parts->to);
  free(parts->order);
}

/* Fisher-Yates from the end; one draw of four words serves two places. */
void parts_shuffle(Parts *parts, uint64_t seed, uint64_t number) {
  RowAt *order = parts->order;
  Philox draw = {{0}};
  for (uint32_t t = 0, i = 0; i < parts->total; t++)
    for (uint32_t env = 0; env < parts->envs; env++) order[i++] = (RowAt){t, env};
  for (uint32_t i = 0; i + 1 < parts->total; i++) {
    if (i % 2 == 0) draw = philox(seed, SHUFFLE_STREAM, number, i / 2);
    const uint32_t *word = draw.word + 2 * (i % 2);
    uint32_t last = parts->total - 1 - i;
    uint32_t other = (uint32_t)rng_below((uint64_t)word[0] << 32 | word[1], (uint64_t)last + 1);
    RowAt kept = order[last];
    order[last] = order[other];
    order[other] = kept;
  }
}

typedef struct CopyJob {
  const Parts *parts;
  char *memory;
  const RowAt *order; /* of this part's rows */
} CopyJob;

static void copy_part(void *arg, uint32_t thread, uint32_t threads) {
  const CopyJob *job = arg;
  const Parts *parts = job->parts;
  uint64_t rows = parts->view->rows;
  uint32_t from = (uint32_t)(rows * thread / threads),
           to = (uint32_t)(rows * (thread + 1) / threads);
  for (uint32_t c = 0; c < parts->view->column_count; c++)
    whole_give(&parts->from[c], job->memory, job->order, &parts->to[c], from, to);
}

void parts_copy(Parts *parts, Team *team, char *memory, uint64_t part) {
  uint64_t elements = 0;
  for (uint32_t c = 0; c < parts->view->column_count; c++)
    elements += (uint64_t)parts->view->rows * parts->from[c].width;
  CopyJob job = {parts, memory, parts->order + part * parts->view->rows};
  if (elements < PARTS_SHARED)
    copy_part(&job, 0, 1);
  else
    team_run_paced(team, &parts->pace, copy_part, &job);
}
