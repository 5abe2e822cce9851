/* A hand-written module with everything that surrounds a rollout: values stored after a step,
 * values computed over the whole, shuffled parts, a loop that goes on until a condition holds. Its
 * environment is either Pendulum-v1 or one that is declared: a walk of three actions, written as
 * programs. A World computes the same from plain arrays. */
#ifndef RLC_TESTS_ROLLOUT_FIXTURE_H
#define RLC_TESTS_ROLLOUT_FIXTURE_H

#include "tests/run_fixture.h"

enum {
  ROLL_ENVS = 3,
  ROLL_EVAL = 2,
  ROLL_OBS = 3,
  ROLL_TIME = 6,
  ROLL_ROWS = 9, /* of a part */
  ROLL_CHOICES = 3,
  ROLL_LIMIT = 7
};

/* Slots of one group of environments. */
typedef enum GroupSlot {
  G_OBS,
  G_FIRST,
  G_ACTION,
  G_REWARD,
  G_NEXT,
  G_TERMINATED,
  G_TRUNCATED,
  G_FRESH,
  G_POS,
  G_ELAPSED,
  GROUP
} GroupSlot;

typedef enum RollSlot {
  L_W,
  L_STEP,
  L_ACT,
  L_EVAL = L_ACT + GROUP,
  L_PAIR = L_EVAL + GROUP,
  L_R_OBS,
  L_R_ACTION,
  L_R_REWARD,
  L_R_NEXT,
  L_R_TERMINATED,
  L_R_TRUNCATED,
  L_R_FIRST,
  L_R_PAIR,
  L_R_GAIN,
  L_P_OBS,
  L_P_ACTION,
  L_P_PAIR,
  L_P_GAIN,
  L_TICK,
  L_ENOUGH,
  L_LOSS,
  ROLL_SLOTS
} RollSlot;

typedef enum RollProgram {
  Q_INIT,
  Q_EXPLORE,
  Q_EVALUATE,
  Q_START,
  Q_ADVANCE,
  Q_EVAL_START,
  Q_EVAL_ADVANCE,
  Q_STORE,
  Q_COMPUTE,
  Q_UPDATE,
  Q_TICK,
  Q_ENOUGH,
  ROLL_PROGRAMS
} RollProgram;

typedef struct Roll {
  RlcModule module;
  RlcProgram programs[ROLL_PROGRAMS];
  RlcSlot slots[ROLL_SLOTS];
  RlcColumn columns[8], kept[3];
  RlcStep steps[7];
  RlcView view;
  RlcPair pairs[4];
  RlcSource source;
  bool declared;
  uint64_t kill_at, updates; /* update that sends SIGTERM; how many there were */
  uint64_t bad_at;           /* vector step of which environment 1 gets bad_action */
  double bad_action;
  uint64_t
      unclear_at;  /* draw of `advance` that does not say whether environment 2's episode ended */
  uint64_t nan_at; /* draw of `start` or `advance` that makes environment 2's observation bad */
  char ticks[16];  /* the first passes: '|' of each, then the ticks of its `until` */
  uint64_t first_allocations, last_allocations; /* at the first and the last update */
} Roll;

/* ---- what programs and World share ---- */

static inline double roll_uniform(uint64_t seed, uint32_t stream, uint64_t step, uint32_t element) {
  return rng_uniform(philox(seed, stream, step, element).word[0]);
}

static inline double roll_policy(double w, double obs, double first, double draw, bool discrete) {
  double value = fmax(0, fmin(0.999, draw + 0.1 * sin(w * obs + first)));
  return discrete ? floor(value * ROLL_CHOICES) : (float)(2 * value - 1);
}

/* Starts and resets draw from one stream, as declared environments may. */
static inline double roll_fresh(uint64_t seed, uint64_t step, uint32_t env) {
  return roll_uniform(seed, 5, step, env) - 0.5;
}

static inline double roll_move(double pos, double action, uint64_t seed, uint64_t step,
                               uint32_t env) {
  return 0.8 * pos + 0.5 * (action - 1) + 0.1 * roll_uniform(seed, 6, step, env);
}

static inline double roll_reward(double pos) { return 1 - pos * pos; }
static inline bool roll_falls(double pos) { return fabs(pos) > 1.2; }

static inline double roll_seen(double pos, double elapsed, uint32_t o) {
  const double seen[ROLL_OBS] = {pos, elapsed, pos * elapsed};
  return seen[o];
}

/* ---- programs ---- */

static inline Roll *roll_of(const RlcCall *call) { return (Roll *)call->context; }

static inline double roll_get(const RlcCall *call, uint32_t slot, uint64_t i) {
  return rlc_slot_get(&roll_of(call)->slots[slot], call->memory, i);
}

static inline void roll_set(const RlcCall *call, uint32_t slot, uint64_t i, double value) {
  rlc_slot_set(&roll_of(call)->slots[slot], call->memory, i, value);
}

static inline void roll_init(const RlcCall *call) {
  if (call->thread) return;
  for (uint32_t i = 0; i < ROLL_OBS; i++)
    roll_set(call, L_W, i, roll_uniform(call->seed, 1, 0, i) + 1);
}

static inline void roll_act(const RlcCall *call, uint32_t group, uint32_t envs) {
  const Roll *roll = roll_of(call);
  uint32_t from, to;
  fake_share(call, envs, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double action = roll_policy(roll_get(call, L_W, 0), roll_get(call, group + G_OBS, e * ROLL_OBS),
                                roll_get(call, group + G_FIRST, e),
                                roll_uniform(call->seed, 2, call->step, e), roll->declared);
    if (group == L_ACT && call->step == roll->bad_at && e == 1) action = roll->bad_action;
    roll_set(call, group + G_ACTION, e, action);
  }
}

static inline void roll_explore(const RlcCall *call) { roll_act(call, L_ACT, ROLL_ENVS); }

/* Spoils what must never reach training. */
static inline void roll_evaluate(const RlcCall *call) {
  roll_act(call, L_EVAL, ROLL_EVAL);
  if (call->thread) return;
  roll_set(call, L_PAIR, 0, 1e3);
  roll_set(call, L_ACT + G_POS, 0, 1e3);
}

static inline void roll_observe(const RlcCall *call, uint32_t slot, uint32_t group, uint32_t env) {
  double pos = roll_get(call, group + G_POS, env), elapsed = roll_get(call, group + G_ELAPSED, env);
  for (uint32_t o = 0; o < ROLL_OBS; o++) {
    double value = roll_seen(pos, elapsed, o);
    if (call->step == roll_of(call)->nan_at && env == 2) value = NAN;
    roll_set(call, slot, env * ROLL_OBS + o, value);
  }
}

static inline void roll_restart(const RlcCall *call, uint32_t group, uint32_t env) {
  roll_set(call, group + G_POS, env, roll_fresh(call->seed, call->step, env));
  roll_set(call, group + G_ELAPSED, env, 0);
}

static inline void roll_start_group(const RlcCall *call, uint32_t group, uint32_t envs) {
  uint32_t from, to;
  fake_share(call, envs, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    roll_restart(call, group, e);
    roll_observe(call, group + G_FRESH, group, e);
  }
}

static inline void roll_advance_group(const RlcCall *call, uint32_t group, uint32_t envs) {
  uint32_t from, to;
  fake_share(call, envs, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double pos = roll_move(roll_get(call, group + G_POS, e), roll_get(call, group + G_ACTION, e),
                           call->seed, call->step, e);
    double elapsed = roll_get(call, group + G_ELAPSED, e) + 1;
    roll_set(call, group + G_POS, e, pos);
    roll_set(call, group + G_ELAPSED, e, elapsed);
    roll_set(call, group + G_REWARD, e, roll_reward(pos));
    bool unclear = call->step == roll_of(call)->unclear_at && e == 2;
    roll_set(call, group + G_TERMINATED, e, unclear ? NAN : roll_falls(pos));
    roll_set(call, group + G_TRUNCATED, e, elapsed >= ROLL_LIMIT);
    roll_observe(call, group + G_NEXT, group, e);
    if (roll_falls(pos) || elapsed >= ROLL_LIMIT) roll_restart(call, group, e);
    roll_observe(call, group + G_FRESH, group, e);
  }
}

static inline void roll_start(const RlcCall *call) { roll_start_group(call, L_ACT, ROLL_ENVS); }
static inline void roll_advance(const RlcCall *call) { roll_advance_group(call, L_ACT, ROLL_ENVS); }
static inline void roll_eval_start(const RlcCall *call) {
  roll_start_group(call, L_EVAL, ROLL_EVAL);
}
static inline void roll_eval_advance(const RlcCall *call) {
  roll_advance_group(call, L_EVAL, ROLL_EVAL);
}

/* The old observation and all that came of the step. */
static inline void roll_store(const RlcCall *call) {
  uint32_t from, to;
  fake_share(call, ROLL_ENVS, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double sum = roll_get(call, L_ACT + G_OBS, e * ROLL_OBS) +
                 10 * roll_get(call, L_ACT + G_REWARD, e) +
                 100 * roll_get(call, L_ACT + G_TERMINATED, e) +
                 1000 * roll_get(call, L_ACT + G_TRUNCATED, e);
    roll_set(call, L_PAIR, 2 * e, sum);
    roll_set(call, L_PAIR, 2 * e + 1,
             roll_get(call, L_ACT + G_NEXT, e * ROLL_OBS + 1) +
                 roll_uniform(call->seed, 3, call->step, e));
  }
}

static inline void roll_note(Roll *roll, char letter) {
  size_t length = strlen(roll->ticks);
  if (length + 1 < sizeof roll->ticks) roll->ticks[length] = letter;
}

static inline void roll_compute(const RlcCall *call) {
  uint32_t from, to;
  if (call->thread == 0) roll_note(roll_of(call), '|');
  fake_share(call, ROLL_ENVS, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double gain = 0;
    for (uint32_t t = ROLL_TIME; t-- > 0;) {
      uint32_t i = t * ROLL_ENVS + e;
      bool ended = roll_get(call, L_R_TERMINATED, i) || roll_get(call, L_R_TRUNCATED, i);
      gain = roll_get(call, L_R_REWARD, i) + (ended ? 0 : 0.9 * gain);
      roll_set(call, L_R_GAIN, i, gain);
    }
  }
}

static inline void roll_probe(Roll *roll) {
  roll->last_allocations = allocations();
  if (roll->updates == 0) roll->first_allocations = roll->last_allocations;
  if (roll->updates++ != roll->kill_at) return;
  fake_kill(SIGTERM);
  fake_killed();
}

static inline void roll_update(const RlcCall *call) {
  if (call->thread) return;
  double loss = 0;
  roll_probe(roll_of(call));
  for (uint32_t b = 0; b < ROLL_ROWS; b++) {
    double scale = roll_get(call, L_P_GAIN, b) + 1e-3 * roll_get(call, L_P_PAIR, 2 * b + 1) +
                   roll_get(call, L_P_ACTION, b);
    for (uint32_t o = 0; o < ROLL_OBS; o++)
      roll_set(call, L_W, o,
               0.99 * roll_get(call, L_W, o) +
                   1e-3 * (b + 1) * scale * roll_get(call, L_P_OBS, b * ROLL_OBS + o));
    loss += scale;
  }
  roll_set(call, L_LOSS, 0, loss);
}

static inline void roll_tick(const RlcCall *call) {
  if (call->thread) return;
  double tick = roll_get(call, L_TICK, 0) + 1;
  roll_set(call, L_TICK, 0, tick);
  roll_note(roll_of(call), (char)('0' + fmod(tick, 10)));
}

static inline void roll_enough(const RlcCall *call) {
  if (call->thread == 0) roll_set(call, L_ENOUGH, 0, fmod(roll_get(call, L_TICK, 0), 3) == 0);
}

/* ---- the module ---- */

#define D3(a, n, b, m, c, k) .rank = 3, .dims = {{a, n}, {b, m}, {c, k}}
#define WHOLE1               D2("time", ROLL_TIME, "env", ROLL_ENVS)
#define WHOLE2(a, n)         D3("time", ROLL_TIME, "env", ROLL_ENVS, a, n)

static const RlcSlot roll_group[GROUP] = {
    [G_OBS] = {"obs", RLC_COLUMN, RLC_F32, D2("env", 0, "obs", ROLL_OBS), PANEL},
    [G_FIRST] = {"first", RLC_COLUMN, RLC_F32, D1("env", 0)},
    [G_ACTION] = {"action", RLC_RESULT, RLC_I32, D1("env", 0)},
    [G_REWARD] = {"reward", RLC_COLUMN, RLC_F32, D1("env", 0)},
    [G_NEXT] = {"next_obs", RLC_COLUMN, RLC_F64, D2("env", 0, "obs", ROLL_OBS)},
    [G_TERMINATED] = {"terminated", RLC_COLUMN, RLC_F32, D1("env", 0)},
    [G_TRUNCATED] = {"truncated", RLC_COLUMN, RLC_I32, D1("env", 0)},
    [G_FRESH] = {"fresh", RLC_COLUMN, RLC_F32, D2("env", 0, "obs", ROLL_OBS)},
    [G_POS] = {"pos", RLC_STATE, RLC_F64, D1("env", 0)},
    [G_ELAPSED] = {"elapsed", RLC_STATE, RLC_I32, D1("env", 0)},
};

static const RlcSlot roll_layout[ROLL_SLOTS] = {
    [L_W] = {"actor.w", RLC_PARAMETER, RLC_F32, D1("obs", ROLL_OBS)},
    [L_STEP] = {"step", RLC_COUNTER, RLC_F64, .rank = 0},
    [L_PAIR] = {"store.pair", RLC_RESULT, RLC_F64, D2("env", ROLL_ENVS, "two", 2), PANEL},
    [L_R_OBS] = {"rollout.obs", RLC_COLUMN, RLC_F32, WHOLE2("obs", ROLL_OBS), PANEL},
    [L_R_ACTION] = {"rollout.action", RLC_COLUMN, RLC_I32, WHOLE1},
    [L_R_REWARD] = {"rollout.reward", RLC_COLUMN, RLC_F64, WHOLE1, PANEL},
    [L_R_NEXT] = {"rollout.next_obs", RLC_COLUMN, RLC_F32, WHOLE2("obs", ROLL_OBS)},
    [L_R_TERMINATED] = {"rollout.terminated", RLC_COLUMN, RLC_F32, WHOLE1},
    [L_R_TRUNCATED] = {"rollout.truncated", RLC_COLUMN, RLC_I32, WHOLE1},
    [L_R_FIRST] = {"rollout.is_first", RLC_COLUMN, RLC_F64, WHOLE1},
    [L_R_PAIR] = {"rollout.pair", RLC_COLUMN, RLC_F64, WHOLE2("two", 2), PANEL, .lead = 1},
    [L_R_GAIN] = {"rollout.gain", RLC_COLUMN, RLC_F64, WHOLE1},
    [L_P_OBS] = {"part.obs", RLC_COLUMN, RLC_F32, D2("batch", ROLL_ROWS, "obs", ROLL_OBS), PANEL},
    [L_P_ACTION] = {"part.action", RLC_COLUMN, RLC_I32, D1("batch", ROLL_ROWS)},
    [L_P_PAIR] = {"part.pair", RLC_COLUMN, RLC_F64, D2("batch", ROLL_ROWS, "two", 2)},
    [L_P_GAIN] = {"part.gain", RLC_COLUMN, RLC_F32, D1("batch", ROLL_ROWS), PANEL},
    [L_TICK] = {"tick", RLC_STATE, RLC_F64, .rank = 0},
    [L_ENOUGH] = {"enough", RLC_RESULT, RLC_F64, .rank = 0},
    [L_LOSS] = {"metric.losses/walk", RLC_METRIC, RLC_F64, .rank = 0},
};

/* The slots of a group; actions of Pendulum-v1 are float32 [env][act]. */
static inline void roll_slots(Roll *roll, uint32_t at, uint32_t envs) {
  for (uint32_t i = 0; i < GROUP; i++) {
    RlcSlot *slot = &roll->slots[at + i];
    *slot = roll_group[i];
    slot->dims[0].extent = envs;
    if (i != G_ACTION || roll->declared) continue;
    slot->type = RLC_F32;
    slot->rank = 2;
    slot->dims[1] = (RlcDim){"act", 1};
  }
}

static inline RlcActing roll_acting(const Roll *roll, uint32_t group, uint32_t envs) {
  bool training = group == L_ACT, own = roll->declared;
  return (RlcActing){.count = envs,
                     .obs = group + G_OBS,
                     .program = training ? Q_EXPLORE : Q_EVALUATE,
                     .action = group + G_ACTION,
                     .send = group + G_ACTION,
                     .first = group + G_FIRST,
                     .reward = group + G_REWARD,
                     .next_obs = group + G_NEXT,
                     .terminated = group + G_TERMINATED,
                     .truncated = group + G_TRUNCATED,
                     .store = training ? Q_STORE : RLC_NONE,
                     .start = !own       ? RLC_NONE
                              : training ? Q_START
                                         : Q_EVAL_START,
                     .advance = !own       ? RLC_NONE
                                : training ? Q_ADVANCE
                                           : Q_EVAL_ADVANCE,
                     .fresh = own ? group + G_FRESH : RLC_NONE};
}

static inline void roll_programs(Roll *roll) {
  static const struct {
    const char *name;
    void (*run)(const RlcCall *);
  } program[ROLL_PROGRAMS] = {{"init", roll_init},
                              {"explore", roll_explore},
                              {"evaluate", roll_evaluate},
                              {"start", roll_start},
                              {"advance", roll_advance},
                              {"start", roll_eval_start},
                              {"advance", roll_eval_advance},
                              {"store", roll_store},
                              {"compute", roll_compute},
                              {"update", roll_update},
                              {"tick", roll_tick},
                              {"enough", roll_enough}};
  for (int i = 0; i < ROLL_PROGRAMS; i++)
    roll->programs[i] =
        (RlcProgram){.name = program[i].name, .run = program[i].run, .flops = 1e9, .context = roll};
}

static inline void roll_tables(Roll *roll) {
  const RlcColumn columns[] = {{"obs", RLC_OBS, ROLL_OBS, L_R_OBS, RLC_NONE},
                               {"action", RLC_ACTION, 1, L_R_ACTION, RLC_NONE},
                               {"reward", RLC_REWARD, 1, L_R_REWARD, RLC_NONE},
                               {"next_obs", RLC_NEXT_OBS, ROLL_OBS, L_R_NEXT, L_ACT + G_NEXT},
                               {"terminated", RLC_TERMINATED, 1, L_R_TERMINATED, RLC_NONE},
                               {"truncated", RLC_TRUNCATED, 1, L_R_TRUNCATED, RLC_NONE},
                               {"is_first", RLC_EXTRA, 1, L_R_FIRST, L_ACT + G_FIRST},
                               {"pair", RLC_EXTRA, 2, L_R_PAIR, L_PAIR}};
  const RlcPair pairs[] = {
      {L_R_OBS, L_P_OBS}, {L_R_ACTION, L_P_ACTION}, {L_R_PAIR, L_P_PAIR}, {L_R_GAIN, L_P_GAIN}};
  const RlcStep steps[] = {{RLC_DO_COLLECT, .count = 4},
                           {RLC_DO_RUN, .index = Q_COMPUTE},
                           {RLC_DO_REPEAT, .count = 2, .body = 2},
                           {RLC_DO_PARTS, .index = 0, .count = 2, .body = 1},
                           {RLC_DO_RUN, .index = Q_UPDATE, .flags = RLC_IS_UPDATE},
                           {RLC_DO_UNTIL, .index = Q_ENOUGH, .slot = L_ENOUGH, 5, 1},
                           {RLC_DO_RUN, .index = Q_TICK}};
  memcpy(roll->columns, columns, sizeof columns);
  memcpy(roll->pairs, pairs, sizeof pairs);
  memcpy(roll->steps, steps, sizeof steps);
  roll->kept[0] = (RlcColumn){"obs", RLC_OBS, ROLL_OBS, RLC_NONE, RLC_NONE};
  roll->kept[1] = (RlcColumn){"pair", RLC_EXTRA, 2, RLC_NONE, L_PAIR};
  roll->view = (RlcView){"part", ROLL_ROWS, 4, roll->pairs};
  roll->source = (RlcSource){"replay", 60, 4, 2, roll->kept, .window = 0, RLC_UNIFORM};
}

/* Fills a module in place. */
static inline void roll_make(Roll *roll, bool declared) {
  static const char *const none[] = {NULL};
  *roll = (Roll){.declared = declared};
  roll->kill_at = roll->bad_at = roll->nan_at = roll->unclear_at = UINT64_MAX;
  memcpy(roll->slots, roll_layout, sizeof roll_layout);
  roll_slots(roll, L_ACT, ROLL_ENVS);
  roll_slots(roll, L_EVAL, ROLL_EVAL);
  if (!declared) roll->slots[L_R_ACTION].type = roll->slots[L_P_ACTION].type = RLC_F32;
  for (uint32_t i = 0; i < GROUP; i++) {
    static const char *const names[2][GROUP] = {
        {"act.obs", "act.is_first", "act.action", "act.reward", "act.next_obs", "act.terminated",
         "act.truncated", "act.fresh", "act.pos", "act.elapsed"},
        {"eval.obs", "eval.is_first", "eval.action", "eval.reward", "eval.next_obs",
         "eval.terminated", "eval.truncated", "eval.fresh", "eval.pos", "eval.elapsed"}};
    roll->slots[L_ACT + i].name = names[0][i];
    roll->slots[L_EVAL + i].name = names[1][i];
  }
  roll_programs(roll);
  roll_tables(roll);
  roll->module = (RlcModule){.abi = RLC_ABI,
                             .name = "roll",
                             .spec = "name: roll\n",
                             .spec_hash = 0xabc,
                             .compiler = "by hand",
                             .target = "c",
                             .cpu = none,
                             .env_id = declared ? "Walk-v0" : "Pendulum-v1",
                             .obs_dim = ROLL_OBS,
                             .act_dim = 1,
                             .choices = declared ? ROLL_CHOICES : 0,
                             .limit = ROLL_LIMIT,
                             .act_low = -1,
                             .act_high = 1,
                             .rescale = 1,
                             .slot_count = ROLL_SLOTS,
                             .slots = roll->slots,
                             .memory_bytes = fake_place(roll->slots, ROLL_SLOTS),
                             .program_count = ROLL_PROGRAMS,
                             .programs = roll->programs,
                             .source_count = 1,
                             .sources = &roll->source,
                             .rollout = {ROLL_TIME, 8, roll->columns},
                             .view_count = 1,
                             .views = &roll->view,
                             .counters = {L_STEP, RLC_NONE, RLC_NONE, RLC_NONE, RLC_NONE},
                             .init = Q_INIT,
                             .explore = roll_acting(roll, L_ACT, ROLL_ENVS),
                             .evaluate = roll_acting(roll, L_EVAL, ROLL_EVAL),
                             .sample = {.program = RLC_NONE},
                             .step_count = 7,
                             .steps = roll->steps};
}

#endif
