/* The lock-step pool: all arrays are allocated once, workers write their instances' rows in place,
 * and the only thing shared while stepping is a counter of instances handed out. */
#include "envs/pool.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/class.h"
#include "envs/random.h"

typedef struct PoolPrivate {
  Env **env;            /* [count] */
  uint64_t *key;        /* [count] of the instance's random stream */
  uint64_t *episode;    /* [count] number of the next episode */
  uint8_t *fault;       /* [count] set when the last reset or step went wrong */
  double *scratch;      /* [count][obs_dim] the observation before it is rounded to float32 */
  const float *actions; /* of the step in progress */
  uint32_t chunk;       /* instances handed out at once */
  atomic_uint_fast32_t next;
} PoolPrivate;

static bool pool_allocate(Pool *pool) {
  size_t count = pool->count, obs = count * pool->spec->obs_dim;
  PoolPrivate *own = pool->own;
  pool->obs = calloc(obs, sizeof *pool->obs);
  pool->final_obs = calloc(obs, sizeof *pool->final_obs);
  pool->reward = calloc(count, sizeof *pool->reward);
  pool->terminated = calloc(count, sizeof *pool->terminated);
  pool->truncated = calloc(count, sizeof *pool->truncated);
  pool->episode_return = calloc(count, sizeof *pool->episode_return);
  pool->episode_length = calloc(count, sizeof *pool->episode_length);
  own->env = calloc(count, sizeof *own->env);
  own->key = calloc(count, sizeof *own->key);
  own->episode = calloc(count, sizeof *own->episode);
  own->fault = calloc(count, sizeof *own->fault);
  own->scratch = calloc(obs, sizeof *own->scratch);
  return pool->obs && pool->final_obs && pool->reward && pool->terminated && pool->truncated &&
         pool->episode_return && pool->episode_length && own->env && own->key && own->episode &&
         own->fault && own->scratch;
}

static bool pool_fill(Pool *pool, uint64_t seed, uint32_t first, char *error, size_t size) {
  PoolPrivate *own = pool->own;
  for (uint32_t i = 0; i < pool->count; i++) {
    own->env[i] = i ? env_make_like(own->env[0], error, size) : env_make(pool->spec, error, size);
    if (!own->env[i]) return false;
    own->key[i] = random_key(seed, (uint64_t)first + i);
  }
  return true;
}

/* Few instances are handed out one by one, for balance; many light ones in chunks, to spare the
 * counter. */
static uint32_t pool_chunk(uint32_t count) {
  uint32_t chunk = count / 64;
  return chunk < 1 ? 1 : chunk > 16 ? 16 : chunk;
}

Pool *pool_make(const EnvSpec *spec, uint32_t count, uint64_t seed, uint32_t first, char *error,
                size_t size) {
  Pool *pool = calloc(1, sizeof *pool);
  PoolPrivate *own = calloc(1, sizeof *own);
  if (!pool || !own) {
    snprintf(error, size, "%s: out of memory", spec->id);
    free(pool);
    free(own);
    return NULL;
  }
  pool->spec = spec;
  pool->count = count;
  pool->own = own;
  own->chunk = pool_chunk(count);
  atomic_init(&own->next, count);
  snprintf(error, size, "%s: out of memory for %u instances", spec->id, count);
  if (!pool_allocate(pool) || !pool_fill(pool, seed, first, error, size)) {
    pool_free(pool);
    return NULL;
  }
  if (size) error[0] = '\0';
  return pool;
}

void pool_free(Pool *pool) {
  if (!pool) return;
  PoolPrivate *own = pool->own;
  for (uint32_t i = 0; own->env && i < pool->count; i++) env_free(own->env[i]);
  free(own->env);
  free(own->key);
  free(own->episode);
  free(own->fault);
  free(own->scratch);
  free(own);
  free(pool->obs);
  free(pool->final_obs);
  free(pool->reward);
  free(pool->terminated);
  free(pool->truncated);
  free(pool->episode_return);
  free(pool->episode_length);
  free(pool);
}

/* Rounds n doubles to float32; false when one of the results is not finite. */
static bool pool_round(const double *from, float *to, uint32_t n) {
  bool finite = true;
  for (uint32_t i = 0; i < n; i++) {
    to[i] = (float)from[i];
    finite &= isfinite(to[i]) != 0;
  }
  return finite;
}

/* Starts instance i's next episode; obs gets its first observation. */
static void pool_restart(Pool *pool, uint32_t i) {
  PoolPrivate *own = pool->own;
  uint32_t dim = pool->spec->obs_dim;
  double *scratch = own->scratch + (size_t)i * dim;
  env_reset(own->env[i], own->key[i], own->episode[i]++, scratch);
  bool finite = pool_round(scratch, pool->obs + (size_t)i * dim, dim);
  if (!finite || env_fault(own->env[i])) own->fault[i] = 1;
}

void pool_reset(Pool *pool) {
  for (uint32_t i = 0; i < pool->count; i++) {
    pool->own->fault[i] = 0;
    pool_restart(pool, i);
    pool->reward[i] = 0.0f;
    pool->terminated[i] = pool->truncated[i] = 0;
    pool->episode_return[i] = 0.0;
    pool->episode_length[i] = 0;
  }
  size_t row = pool->spec->obs_dim * sizeof *pool->obs;
  memcpy(pool->final_obs, pool->obs, pool->count * row);
}

static void pool_step_one(Pool *pool, uint32_t i) {
  PoolPrivate *own = pool->own;
  uint32_t dim = pool->spec->obs_dim;
  double *scratch = own->scratch + (size_t)i * dim;
  float *obs = pool->obs + (size_t)i * dim, *final_obs = pool->final_obs + (size_t)i * dim;
  if (pool->terminated[i] ||
      pool->truncated[i]) { /* the last step ended an episode: the sums start anew */
    pool->episode_return[i] = 0.0;
    pool->episode_length[i] = 0;
  }
  EnvStep step = env_step(own->env[i], own->actions + (size_t)i * pool->spec->act_dim, scratch);
  bool finite = pool_round(scratch, final_obs, dim);
  pool->reward[i] = (float)step.reward;
  pool->terminated[i] = step.terminated;
  pool->truncated[i] = step.truncated;
  pool->episode_return[i] += step.reward;
  pool->episode_length[i]++;
  own->fault[i] = !finite || !isfinite(pool->reward[i]) || env_fault(own->env[i]);
  if (step.terminated || step.truncated)
    pool_restart(pool, i);
  else
    memcpy(obs, final_obs, dim * sizeof *obs);
}

void pool_begin(Pool *pool, const float *actions) {
  pool->own->actions = actions;
  atomic_store(&pool->own->next, 0);
}

uint32_t pool_step_some(Pool *pool) {
  PoolPrivate *own = pool->own;
  uint32_t stepped = 0;
  for (;;) {
    uint32_t from = (uint32_t)atomic_fetch_add(&own->next, own->chunk);
    if (from >= pool->count) return stepped;
    uint32_t to = pool->count - from < own->chunk ? pool->count : from + own->chunk;
    for (uint32_t i = from; i < to; i++) pool_step_one(pool, i);
    stepped += to - from;
  }
}

int64_t pool_fault(const Pool *pool) {
  for (uint32_t i = 0; i < pool->count; i++)
    if (pool->own->fault[i]) return i;
  return -1;
}

/* One array of the pool as it lies in a checkpoint. */
typedef struct PoolPart {
  void *data;
  size_t bytes;
} PoolPart;

enum { POOL_PARTS = 10 };

static void pool_parts(const Pool *pool, PoolPart part[POOL_PARTS]) {
  size_t n = pool->count, row = pool->spec->obs_dim * sizeof *pool->obs;
  part[0] = (PoolPart){pool->obs, n * row};
  part[1] = (PoolPart){pool->final_obs, n * row};
  part[2] = (PoolPart){pool->reward, n * sizeof *pool->reward};
  part[3] = (PoolPart){pool->terminated, n * sizeof *pool->terminated};
  part[4] = (PoolPart){pool->truncated, n * sizeof *pool->truncated};
  part[5] = (PoolPart){pool->episode_return, n * sizeof *pool->episode_return};
  part[6] = (PoolPart){pool->episode_length, n * sizeof *pool->episode_length};
  part[7] = (PoolPart){pool->own->episode, n * sizeof *pool->own->episode};
  part[8] = (PoolPart){pool->own->key, n * sizeof *pool->own->key};
  part[9] = (PoolPart){pool->own->fault, n * sizeof *pool->own->fault};
}

size_t pool_state_size(const Pool *pool) {
  PoolPart part[POOL_PARTS];
  pool_parts(pool, part);
  size_t bytes = (size_t)pool->count * pool->spec->state_size * sizeof(double);
  for (int i = 0; i < POOL_PARTS; i++) bytes += part[i].bytes;
  return bytes;
}

/* The simulators' states come first, which keeps their doubles aligned when `state` is. */
void pool_get_state(const Pool *pool, void *state) {
  PoolPart part[POOL_PARTS];
  pool_parts(pool, part);
  uint32_t doubles = pool->spec->state_size;
  double buffer[doubles];
  char *to = state;
  for (uint32_t i = 0; i < pool->count; i++, to += sizeof buffer) {
    env_get_state(pool->own->env[i], buffer);
    memcpy(to, buffer, sizeof buffer);
  }
  for (int i = 0; i < POOL_PARTS; to += part[i++].bytes) memcpy(to, part[i].data, part[i].bytes);
}

void pool_set_state(Pool *pool, const void *state) {
  PoolPart part[POOL_PARTS];
  pool_parts(pool, part);
  uint32_t doubles = pool->spec->state_size;
  double buffer[doubles];
  const char *from = state;
  for (uint32_t i = 0; i < pool->count; i++, from += sizeof buffer) {
    memcpy(buffer, from, sizeof buffer);
    env_set_state(pool->own->env[i], buffer);
  }
  for (int i = 0; i < POOL_PARTS; from += part[i++].bytes)
    memcpy(part[i].data, from, part[i].bytes);
}

void pool_rewind(Pool *pool, uint64_t episodes) {
  for (uint32_t i = 0; i < pool->count; i++) pool->own->episode[i] -= episodes + 1;
  pool_reset(pool);
}

void pool_env_state(const Pool *pool, uint32_t i, double *state) {
  env_get_state(pool->own->env[i], state);
}
