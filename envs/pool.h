/* Many instances of one environment stepped together. The pool has no threads of its own:
 * `pool_step_some` may be called by any number of workers at once between pool_begin and the
 * caller's barrier; they share a work counter, and the results do not depend on who steps which
 * instance. Autoreset is SAME_STEP: when an episode ends, obs holds the first observation of the
 * next one and final_obs the true last one. */
#ifndef RLC_ENVS_POOL_H
#define RLC_ENVS_POOL_H

#include "envs/env.h"

typedef struct Pool {
  const EnvSpec *spec;
  uint32_t count;
  float *obs;          /* [count][obs_dim] current observation (after autoreset) */
  float *final_obs;    /* [count][obs_dim] true observation after the last step, valid for every
                          instance */
  float *reward;       /* [count] */
  uint8_t *terminated; /* [count] */
  uint8_t *truncated;  /* [count] */
  double
      *episode_return; /* [count] of the episode that ended in this step, else of the running one */
  uint32_t *episode_length; /* [count] likewise */
  struct PoolPrivate *own;
} Pool;

/* A pool whose arrays are zero until pool_reset; NULL with a message in `error` (some 500 bytes
 * hold the longest, the places where a simulator was looked for). `seed` and `first` number the
 * instances' random streams: instance i draws from (seed, first + i, episode). */
Pool *pool_make(const EnvSpec *spec, uint32_t count, uint64_t seed, uint32_t first, char *error,
                size_t size);
void pool_free(Pool *pool);

/* Starts a new episode in every instance. */
void pool_reset(Pool *pool);

/* A step of the whole pool: pool_begin(actions[count][act_dim]); every worker calls pool_step_some
 * (returns how many instances it stepped); then the caller's barrier. `actions` must live until
 * then. */
void pool_begin(Pool *pool, const float *actions);
uint32_t pool_step_some(Pool *pool);

/* The index of an instance whose last observation or reward was not finite (or whose simulator
 * reported a bad state), or -1. */
int64_t pool_fault(const Pool *pool);

/* The state of the pool for checkpoints, obs, running returns and random streams included. It may
 * be set in any pool of as many instances of the same environment, whatever its seed. */
size_t pool_state_size(const Pool *pool); /* bytes */
void pool_get_state(const Pool *pool, void *state);
void pool_set_state(Pool *pool, const void *state);

/* Makes every instance start the episode again that it started `episodes` before its current one
 * (0: the current one). */
void pool_rewind(Pool *pool, uint64_t episodes);

/* The simulation state of one instance, as env_get_state writes it. */
void pool_env_state(const Pool *pool, uint32_t i, double *state);

#endif
