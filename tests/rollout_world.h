/* What the module of rollout_fixture.h must do, computed from plain arrays: the reference of its
 * acting, storing and environments. */
#ifndef RLC_TESTS_ROLLOUT_WORLD_H
#define RLC_TESTS_ROLLOUT_WORLD_H

#include "tests/rollout_fixture.h"

typedef struct WorldRow {
  float obs[ROLL_OBS], next[ROLL_OBS], reward;
  double action, pair[2];
  bool first, terminated, truncated;
} WorldRow;

typedef struct World {
  bool declared;
  uint64_t seed;
  uint32_t envs;
  double w;
  Pool *pool; /* of Pendulum-v1 */
  double pos[ROLL_ENVS], elapsed[ROLL_ENVS];
  float obs[ROLL_ENVS][ROLL_OBS];
  bool first[ROLL_ENVS];
  WorldRow row[ROLL_ENVS]; /* of the last step */
} World;

static inline void world_fresh(World *world, uint64_t draw, uint32_t e) {
  world->pos[e] = roll_fresh(world->seed, draw, e);
  world->elapsed[e] = 0;
  for (uint32_t o = 0; o < ROLL_OBS; o++) world->obs[e][o] = (float)roll_seen(world->pos[e], 0, o);
}

static inline void world_start(World *world, uint64_t draw) {
  for (uint32_t e = 0; e < world->envs; e++) {
    world->first[e] = true;
    if (world->declared)
      world_fresh(world, draw, e);
    else
      memcpy(world->obs[e], world->pool->obs + e * ROLL_OBS, sizeof world->obs[e]);
  }
}

static inline World world_make(bool declared, uint64_t seed) {
  World world = {.declared = declared, .seed = seed, .envs = ROLL_ENVS};
  world.w = (float)(roll_uniform(seed, 1, 0, 0) + 1);
  if (!declared) {
    char why[512];
    world.pool = pool_make(env_find("Pendulum-v1"), ROLL_ENVS, seed, 0, why, sizeof why);
    ck_assert_ptr_nonnull(world.pool);
    pool_reset(world.pool);
  }
  world_start(&world, UINT64_C(1) << 63);
  return world;
}

static inline void world_walk(World *world, uint64_t draw, uint32_t e) {
  WorldRow *row = &world->row[e];
  double pos = roll_move(world->pos[e], row->action, world->seed, draw, e);
  world->pos[e] = pos;
  world->elapsed[e]++;
  row->reward = (float)roll_reward(pos);
  row->terminated = roll_falls(pos);
  row->truncated = world->elapsed[e] >= ROLL_LIMIT;
  for (uint32_t o = 0; o < ROLL_OBS; o++)
    world->obs[e][o] = row->next[o] = (float)roll_seen(pos, world->elapsed[e], o);
  /* The slot of the true next observation is float64. */
  row->pair[1] = world->elapsed[e];
  if (row->terminated || row->truncated) world_fresh(world, draw, e);
}

static inline void world_swing(World *world) {
  Pool *pool = world->pool;
  float actions[ROLL_ENVS];
  for (uint32_t e = 0; e < ROLL_ENVS; e++) actions[e] = (float)(2 * world->row[e].action);
  pool_begin(pool, actions);
  pool_step_some(pool);
  for (uint32_t e = 0; e < ROLL_ENVS; e++) {
    WorldRow *row = &world->row[e];
    memcpy(row->next, pool->final_obs + e * ROLL_OBS, sizeof row->next);
    memcpy(world->obs[e], pool->obs + e * ROLL_OBS, sizeof row->next);
    row->reward = pool->reward[e];
    row->terminated = pool->terminated[e];
    row->truncated = pool->truncated[e];
    row->pair[1] = row->next[1];
  }
}

/* One vector step, all of whose programs draw by number `draw`. */
static inline void world_step(World *world, uint64_t draw) {
  for (uint32_t e = 0; e < world->envs; e++) {
    WorldRow *row = &world->row[e];
    memcpy(row->obs, world->obs[e], sizeof row->obs);
    row->first = world->first[e];
    row->action = roll_policy(world->w, row->obs[0], row->first,
                              roll_uniform(world->seed, 2, draw, e), world->declared);
    if (world->declared) world_walk(world, draw, e);
  }
  if (!world->declared) world_swing(world);
  for (uint32_t e = 0; e < world->envs; e++) {
    WorldRow *row = &world->row[e];
    row->pair[0] = (double)row->obs[0] + 10 * (double)row->reward + 100 * row->terminated +
                   1000 * row->truncated;
    row->pair[1] += roll_uniform(world->seed, 3, draw, e);
    world->first[e] = row->terminated || row->truncated;
  }
}

#endif
