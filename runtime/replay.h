/* A replay: a ring of rows, each observation stored once, sampled with replacement into the batch
 * slots: single steps or windows of consecutive ones, uniformly or in proportion to priorities. */
#ifndef RLC_RUNTIME_REPLAY_H
#define RLC_RUNTIME_REPLAY_H

#include "envs/pool.h"
#include "runtime/device/device.h"
#include "runtime/team.h"

typedef struct Replay Replay;

/* One vector step of all environments, right after it: `pool` holds what came of it. */
typedef struct ReplayStep {
  const Pool *pool;
  const float *obs;    /* [env][obs_dim] before the step */
  const float *action; /* [env][act_dim] as the column `action` stores it */
  const char *memory;  /* the slots, for columns with from_slot */
} ReplayStep;

/* A replay for source number `source` of the module, with `envs` rows per vector step; its capacity
 * is rounded up to a multiple of that. With 0 nothing is ever appended: its rows are its file's.
 * NULL after filling error. */
Replay *replay_make(const RlcModule *module, uint32_t source, uint32_t envs, RunError *error);
void replay_free(Replay *replay);

/* Keeps the rows on a card as well, where batches are then taken: `mirror` has their slots. To be
 * called before there are any. */
bool replay_on_card(Replay *replay, Mirror *mirror, RunError *error);

/* The folder that holds the source's file, whatever the spec says; NULL: what the spec says. */
void replay_folder(Replay *replay, const char *folder);
/* Reads the source's file, if it has one, into the empty replay. */
bool replay_read(Replay *replay, RunError *error);

void replay_append(Replay *replay, const ReplayStep *step);
/* The same in two parts, so that rows can come while others are sampled: replay_stage keeps a
 * vector step apart, replay_join appends all that were. replay_wait makes room for so many at most;
 * checkpoints are taken when none wait. */
bool replay_wait(Replay *replay, uint64_t vectors, RunError *error);
void replay_stage(Replay *replay, const ReplayStep *step);
void replay_join(Replay *replay);
uint64_t replay_stored(const Replay *replay);   /* rows */
uint64_t replay_capacity(const Replay *replay); /* rows */

/* Whether a batch can be drawn; else says what is missing, at step `step` of the run. */
bool replay_ready(const Replay *replay, uint64_t step, RunError *error);
/* Draws batch number `number` into the batch slots: a pure function of (seed, the source's name,
 * number) and the rows. The replay must be ready. */
void replay_sample(Replay *replay, Team *team, char *memory, uint64_t seed, uint64_t number);
/* The row that element `element` of batch `number` takes. */
uint64_t replay_index(const Replay *replay, uint64_t seed, uint64_t number, uint32_t element);
/* Runs step `at` of the loop's table, an RLC_DO_WRITE to this replay: new values for the rows of
 * the last sample, of windows for their first rows. Rows that newer ones have replaced since are
 * left alone. */
bool replay_write(Replay *replay, uint32_t at, const char *memory, uint64_t step, RunError *error);

enum { REPLAY_BLOBS = 6 };
/* The replay as named parts for a checkpoint: with `used` only what holds rows (to be saved), else
 * whole (to be loaded into). Writes REPLAY_BLOBS entries; all are partial, as a checkpoint may
 * leave the replay out. */
void replay_blobs(Replay *replay, bool used, Blob *blobs);
/* After the parts were loaded: completes what follows from them, or reads the file when the
 * checkpoint left the replay out. False, with a message, when they are not of a replay of this
 * shape. */
bool replay_resume(Replay *replay, RunError *error);

#endif
