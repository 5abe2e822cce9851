/* A small world for tests of the replay: environments whose observations tell where they come from,
 * so that all a sampled row must hold follows from its observation and its number. */
#ifndef RLC_TESTS_REPLAY_FIXTURE_H
#define RLC_TESTS_REPLAY_FIXTURE_H

#include "tests/runtime_fixture.h"

#include <check.h>
#include <stdlib.h>

#include "runtime/replay.h"

enum { WORLD_ENVS = 4, WORLD_BATCH = 1500 };

/* A pool whose observations tell where they come from: (environment, episode, time). */
typedef struct World {
  Pool pool;
  float obs[WORLD_ENVS * 3], final_obs[WORLD_ENVS * 3], reward[WORLD_ENVS], before[WORLD_ENVS * 3];
  float acted[WORLD_ENVS], noise[WORLD_ENVS];
  uint8_t terminated[WORLD_ENVS], truncated[WORLD_ENVS];
  uint32_t steps;
} World;

static inline uint32_t world_length(uint32_t env, uint32_t episode) {
  return 1 + philox(5, env, episode, 0).word[0] % 6;
}

/* 1: terminated, 2: truncated, 3: both. */
static inline uint32_t world_ending(uint32_t env, uint32_t episode) {
  return 1 + philox(5, env, episode, 1).word[0] % 3;
}

static inline void world_begin(World *world) {
  *world = (World){0};
  world->pool = (Pool){.count = WORLD_ENVS,
                       .obs = world->obs,
                       .final_obs = world->final_obs,
                       .reward = world->reward,
                       .terminated = world->terminated,
                       .truncated = world->truncated};
  for (uint32_t e = 0; e < WORLD_ENVS; e++) world->obs[3 * e] = (float)e;
}

static inline void world_step_one(World *world, uint32_t e) {
  float *obs = world->obs + 3 * e, *last = world->final_obs + 3 * e;
  memcpy(last, obs, 3 * sizeof *obs);
  last[2] += 1;
  uint32_t episode = (uint32_t)obs[1], ending = 0;
  if (last[2] == (float)world_length(e, episode)) ending = world_ending(e, episode);
  obs[1] += ending != 0;
  obs[2] = ending ? 0 : last[2];
  world->terminated[e] = ending & 1;
  world->truncated[e] = (ending & 2) != 0;
  world->reward[e] = (float)world->steps;
  world->acted[e] = world->noise[e] = 0;
}

/* One vector step into the replay; reward, action and extra column carry its number. */
static inline void world_step(World *world, Replay *replay) {
  memcpy(world->before, world->obs, sizeof world->obs);
  for (uint32_t e = 0; e < WORLD_ENVS; e++) {
    world_step_one(world, e);
    world->acted[e] = (float)(1000 * e + world->steps);
    world->noise[e] = -(float)(1000 * e + world->steps);
  }
  world->steps++;
  ReplayStep step = {&world->pool, world->before, world->acted, (const char *)world->noise};
  replay_append(replay, &step);
}

enum {
  R_OBS,
  R_ACTION,
  R_REWARD,
  R_NEXT,
  R_TERMINATED,
  R_TRUNCATED,
  R_NOISE,
  R_VALID,
  R_WEIGHT,
  R_SAMPLED, /* slots of the batch */
  R_NEW_PRIORITY = R_SAMPLED,
  R_NEW_NOISE,
  R_FROM,
  R_SLOTS
};

typedef struct ReplayFixture {
  RlcSlot slots[R_SLOTS];
  RlcColumn columns[7];
  RlcSource source;
  RlcModule module;
  char *memory;
  uint64_t sampled; /* bytes of the slots of the batch */
} ReplayFixture;

static inline void replay_place(ReplayFixture *f) {
  free(f->memory);
  f->memory = calloc(1, fake_place(f->slots, R_FROM));
  f->sampled = f->slots[R_SAMPLED].offset;
  f->slots[R_FROM].offset = 0; /* in the world's own memory */
}

static inline void replay_begin(ReplayFixture *f, const char *name, uint64_t capacity) {
  *f =
      (ReplayFixture){.slots = {{"obs", .type = RLC_F32, D2("batch", WORLD_BATCH, "obs", 3), PANEL},
                                {"action", .type = RLC_F32, D1("batch", WORLD_BATCH), PANEL},
                                {"reward", .type = RLC_F64, D1("batch", WORLD_BATCH)},
                                {"next_obs", .type = RLC_F64, D2("batch", WORLD_BATCH, "obs", 3)},
                                {"terminated", .type = RLC_F32, D1("batch", WORLD_BATCH)},
                                {"truncated", .type = RLC_I32, D1("batch", WORLD_BATCH)},
                                {"noise", .type = RLC_F32, D2("batch", WORLD_BATCH, "one", 1)},
                                {"valid", .type = RLC_F32, D1("batch", WORLD_BATCH)},
                                {"weight", .type = RLC_F64, D1("batch", WORLD_BATCH), PANEL},
                                {"write.priority", .type = RLC_F32, D1("batch", WORLD_BATCH)},
                                {"write.noise", .type = RLC_F64, D1("batch", WORLD_BATCH)},
                                {"from", .type = RLC_F32, D1("env", WORLD_ENVS)}},
                      .columns = {{"obs", RLC_OBS, 3, R_OBS, RLC_NONE},
                                  {"action", RLC_ACTION, 1, R_ACTION, RLC_NONE},
                                  {"reward", RLC_REWARD, 1, R_REWARD, RLC_NONE},
                                  {"next_obs", RLC_NEXT_OBS, 3, R_NEXT, RLC_NONE},
                                  {"terminated", RLC_TERMINATED, 1, R_TERMINATED, RLC_NONE},
                                  {"truncated", RLC_TRUNCATED, 1, R_TRUNCATED, RLC_NONE},
                                  {"noise", RLC_EXTRA, 1, R_NOISE, R_FROM}}};
  replay_place(f);
  f->source = (RlcSource){name, capacity, WORLD_BATCH, 7, f->columns, .window = 0, RLC_UNIFORM};
  f->module = (RlcModule){.obs_dim = 3,
                          .act_dim = 1,
                          .slots = f->slots,
                          .slot_count = R_SLOTS,
                          .sources = &f->source,
                          .source_count = 1};
}

/* The same with windows of so many steps: the batch's columns get an axis `ahead`. */
static inline void replay_windows(ReplayFixture *f, uint32_t window) {
  for (int s = 0; s < R_WEIGHT; s++) {
    RlcSlot *slot = &f->slots[s];
    for (int d = slot->rank++; d > 1; d--) slot->dims[d] = slot->dims[d - 1];
    slot->dims[1] = (RlcDim){"ahead", window};
  }
  f->source.window = window;
  f->source.valid = R_VALID;
  replay_place(f);
}

enum { WRITE_PRIORITY, WRITE_NOISE, WRITES };

/* The same with priorities, and steps of the loop that write them and the noise. */
static inline void replay_priorities(ReplayFixture *f) {
  static const RlcStep steps[WRITES] = {
      {.op = RLC_DO_WRITE, .slot = R_NEW_PRIORITY, .count = RLC_PRIORITY},
      {.op = RLC_DO_WRITE, .slot = R_NEW_NOISE, .count = 6}};
  f->source.prioritized = 1;
  f->source.exponent = 0.6;
  f->source.weight_exponent = 0.4;
  f->source.weight = R_WEIGHT;
  f->module.steps = steps;
  f->module.step_count = WRITES;
}

static inline double column(const ReplayFixture *f, int slot, uint32_t i) {
  return rlc_slot_get(&f->slots[slot], f->memory, i);
}

/* Everything in a sampled row follows from its observation and its number. (Check is slow when it
 * is asked once for every number.) */
static inline bool row_is_right(const ReplayFixture *f, uint32_t i) {
  uint32_t env = (uint32_t)column(f, R_OBS, 3 * i), episode = (uint32_t)column(f, R_OBS, 3 * i + 1);
  double time = column(f, R_OBS, 3 * i + 2), number = column(f, R_REWARD, i);
  uint32_t ending = time + 1 == world_length(env, episode) ? world_ending(env, episode) : 0;
  return column(f, R_NEXT, 3 * i) == env && column(f, R_NEXT, 3 * i + 1) == episode &&
         column(f, R_NEXT, 3 * i + 2) == time + 1 && column(f, R_TERMINATED, i) == (ending & 1) &&
         column(f, R_TRUNCATED, i) == ((ending & 2) != 0) &&
         column(f, R_ACTION, i) == 1000 * env + number &&
         column(f, R_NOISE, i) == -(1000 * env + number);
}

static inline void check_row(const ReplayFixture *f, uint32_t i) {
  if (!row_is_right(f, i)) ck_abort_msg("row %u of the batch is not what happened", i);
}

#endif
