/* A hand-written module for the runtime's tests: a linear "algorithm" on Pendulum-v1 whose programs
 * are C functions. It has a parameter in panels, a target, optimiser state, a replay with an extra
 * column in mixed layouts and types, and a loop with a condition and an interval. Its programs
 * share work among threads as generated code does: no sum is split. */
#ifndef RLC_TESTS_RUNTIME_FIXTURE_H
#define RLC_TESTS_RUNTIME_FIXTURE_H

#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/rng.h"
#include "runtime/slot.h"

enum { FAKE_ENVS = 3, FAKE_OBS = 3, FAKE_HID = 5, FAKE_BATCH = 32, FAKE_EVAL = 2, FAKE_FIRST = 64 };

typedef enum FakeSlot {
  S_W,
  S_SLOW,
  S_M,
  S_COUNT,
  S_STEP,
  S_ITERATION,
  S_UPDATES,
  S_STORED,
  S_PROGRESS,
  S_OBS,
  S_ACTION,
  S_SEND,
  S_NOISE,
  S_EVAL_OBS,
  S_EVAL_ACTION,
  S_READY,
  S_B_OBS,
  S_B_ACTION,
  S_B_REWARD,
  S_B_NEXT,
  S_B_TERMINATED,
  S_B_TRUNCATED,
  S_B_NOISE,
  S_LOSS,
  S_NORM,
  FAKE_SLOTS
} FakeSlot;

typedef enum FakeProgram {
  P_INIT,
  P_EXPLORE,
  P_EVALUATE,
  P_SAMPLE,
  P_READY,
  P_UPDATE,
  P_SLOW,
  FAKE_PROGRAMS
} FakeProgram;

/* What a test wants to happen, and what happened; programs reach it through their context. */
typedef struct Probe {
  const RlcModule *module;
  uint64_t kill_at, nan_at, weight_nan_at,
      action_nan_at;     /* run number, from 0, of update or explore; UINT64_MAX: never */
  uint64_t eval_kill_at; /* draw of the stochastic evaluation: its number << 32 | its step */
  int kill_signal, kills;
  useconds_t kill_pause; /* between them */
  useconds_t eval_pause; /* of every vector step of an evaluation */
  uint64_t (*allocations)(void);
  uint64_t first_allocations, last_allocations;
  _Atomic uint64_t updates; /* of all runs of the module */
  uint64_t bad_seed;        /* the run whose updates from bad_update on lose a weight; UINT64_MAX */
  uint64_t bad_update;
  _Atomic uint32_t active, most; /* runs within an update now, and at most */
} Probe;

typedef struct Fake {
  RlcModule module;
  RlcProgram programs[FAKE_PROGRAMS];
  Probe probe;
} Fake;

#define D1(a, n)       .rank = 1, .dims = {{a, n}}
#define D2(a, n, b, m) .rank = 2, .dims = {{a, n}, {b, m}}
#define PANEL          .panel = 8

static const RlcSlot fake_layout[FAKE_SLOTS] = {
    [S_W] = {"actor.w", RLC_PARAMETER, RLC_F32, D2("obs", FAKE_OBS, "hid", FAKE_HID), PANEL},
    [S_SLOW] = {"slow.actor.w", RLC_TARGET, RLC_F32, D2("obs", FAKE_OBS, "hid", FAKE_HID)},
    [S_M] = {"adam.m.actor.w", RLC_OPTIMIZER, RLC_F64, D2("obs", FAKE_OBS, "hid", FAKE_HID)},
    [S_COUNT] = {"adam.t", RLC_STATE, RLC_F64, .rank = 0},
    [S_STEP] = {"step", RLC_COUNTER, RLC_F64, .rank = 0},
    [S_ITERATION] = {"iteration", RLC_COUNTER, RLC_F64, .rank = 0},
    [S_UPDATES] = {"updates", RLC_COUNTER, RLC_F64, .rank = 0},
    [S_STORED] = {"stored", RLC_COUNTER, RLC_F64, .rank = 0},
    [S_PROGRESS] = {"progress", RLC_COUNTER, RLC_F64, .rank = 0},
    [S_OBS] = {"act.obs", RLC_COLUMN, RLC_F32, D2("env", FAKE_ENVS, "obs", FAKE_OBS), PANEL},
    [S_ACTION] = {"act.action", RLC_RESULT, RLC_F32, D2("env", FAKE_ENVS, "act", 1)},
    [S_SEND] = {"act.send", RLC_RESULT, RLC_F64, D2("env", FAKE_ENVS, "act", 1)},
    [S_NOISE] = {"act.noise", RLC_RESULT, RLC_F32, D1("env", FAKE_ENVS)},
    [S_EVAL_OBS] = {"eval.obs", RLC_COLUMN, RLC_F32, D2("env", FAKE_EVAL, "obs", FAKE_OBS)},
    [S_EVAL_ACTION] = {"eval.action", RLC_RESULT, RLC_F32, D2("env", FAKE_EVAL, "act", 1)},
    [S_READY] = {"ready", RLC_RESULT, RLC_F64, .rank = 0},
    [S_B_OBS] = {"replay.obs", RLC_COLUMN, RLC_F32, D2("batch", FAKE_BATCH, "obs", FAKE_OBS),
                 PANEL},
    [S_B_ACTION] = {"replay.action", RLC_COLUMN, RLC_F32, D2("batch", FAKE_BATCH, "act", 1)},
    [S_B_REWARD] = {"replay.reward", RLC_COLUMN, RLC_F32, D1("batch", FAKE_BATCH), PANEL},
    [S_B_NEXT] = {"replay.next_obs", RLC_COLUMN, RLC_F64, D2("batch", FAKE_BATCH, "obs", FAKE_OBS)},
    [S_B_TERMINATED] = {"replay.terminated", RLC_COLUMN, RLC_F32, D1("batch", FAKE_BATCH)},
    [S_B_TRUNCATED] = {"replay.truncated", RLC_COLUMN, RLC_I32, D1("batch", FAKE_BATCH)},
    [S_B_NOISE] = {"replay.noise", RLC_COLUMN, RLC_F32, D1("batch", FAKE_BATCH)},
    [S_LOSS] = {"metric.losses/linear", RLC_METRIC, RLC_F64, .rank = 0},
    [S_NORM] = {"metric.charts/slow_norm", RLC_METRIC, RLC_F64, .rank = 0},
};

static const RlcColumn fake_columns[] = {
    {"obs", RLC_OBS, FAKE_OBS, S_B_OBS, RLC_NONE},
    {"action", RLC_ACTION, 1, S_B_ACTION, RLC_NONE},
    {"reward", RLC_REWARD, 1, S_B_REWARD, RLC_NONE},
    {"next_obs", RLC_NEXT_OBS, FAKE_OBS, S_B_NEXT, RLC_NONE},
    {"terminated", RLC_TERMINATED, 1, S_B_TERMINATED, RLC_NONE},
    {"truncated", RLC_TRUNCATED, 1, S_B_TRUNCATED, RLC_NONE},
    {"noise", RLC_EXTRA, 1, S_B_NOISE, S_NOISE},
};

static const RlcSource fake_source = {"replay",     300,         FAKE_BATCH, 7,
                                      fake_columns, .window = 0, RLC_UNIFORM};

static const RlcStep fake_steps[] = {
    {RLC_DO_COLLECT, .count = 1},
    {RLC_DO_WHEN, .index = P_READY, .slot = S_READY, .body = 4},
    {RLC_DO_SAMPLE, .index = 0, .count = 1},
    {RLC_DO_RUN, .flags = RLC_IS_UPDATE, .index = P_UPDATE},
    {RLC_DO_EVERY, .counter = RLC_UPDATES, .count = 5, .body = 1},
    {RLC_DO_RUN, .index = P_SLOW},
};

/* Places every slot of a table; returns the bytes of memory. */
static inline uint64_t fake_place(RlcSlot *slots, uint32_t count) {
  uint64_t at = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint64_t elements = 1;
    for (uint32_t d = 0; d < slots[i].rank; d++) {
      uint64_t n = slots[i].dims[d].extent, p = slots[i].panel;
      elements *= p && d + 1u == slots[i].rank ? (n + p - 1) / p * p : n;
    }
    slots[i].offset = at;
    slots[i].bytes = elements * (slots[i].type == RLC_F64 ? 8 : 4);
    at += (slots[i].bytes + 63) / 64 * 64;
  }
  return at;
}

/* ---- programs ---- */

static inline Probe *fake_probe(const RlcCall *call) { return (Probe *)call->context; }

static inline double fake_get(const RlcCall *call, FakeSlot slot, uint64_t i) {
  return rlc_slot_get(&fake_probe(call)->module->slots[slot], call->memory, i);
}

static inline void fake_set(const RlcCall *call, FakeSlot slot, uint64_t i, double value) {
  rlc_slot_set(&fake_probe(call)->module->slots[slot], call->memory, i, value);
}

/* This thread's share of n items. */
static inline void fake_share(const RlcCall *call, uint32_t n, uint32_t *from, uint32_t *to) {
  *from = n * call->thread / call->threads;
  *to = n * (call->thread + 1) / call->threads;
  call->done[call->thread] += *to - *from;
}

static inline void fake_meet(const RlcCall *call) {
  if (call->threads > 1) call->barrier(call->team);
}

static inline double fake_uniform(const RlcCall *call, uint32_t stream, uint32_t element) {
  return rng_uniform(philox(call->seed, stream, call->step, element).word[0]);
}

static inline void fake_init(const RlcCall *call) {
  uint32_t from, to;
  fake_share(call, FAKE_OBS * FAKE_HID, &from, &to);
  for (uint32_t i = from; i < to; i++) {
    fake_set(call, S_W, i, fake_uniform(call, 1, i) - 0.5);
    fake_set(call, S_SLOW, i, fake_get(call, S_W, i));
    fake_set(call, S_M, i, 0);
  }
}

static inline double fake_policy(const RlcCall *call, FakeSlot obs, uint32_t row) {
  double sum = 0;
  for (uint32_t o = 0; o < FAKE_OBS; o++)
    sum += fake_get(call, obs, row * FAKE_OBS + o) * fake_get(call, S_W, o * FAKE_HID);
  return tanh(sum);
}

static inline void fake_explore(const RlcCall *call) {
  uint32_t from, to;
  Probe *probe = fake_probe(call);
  fake_share(call, FAKE_ENVS, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double noise = fake_uniform(call, 2, e) - 0.5;
    double action = fmax(-1, fmin(1, fake_policy(call, S_OBS, e) + noise));
    if (call->step == probe->action_nan_at && e == 1) action = NAN;
    fake_set(call, S_NOISE, e, noise);
    fake_set(call, S_ACTION, e, action);
    fake_set(call, S_SEND, e, action);
  }
}

static inline void fake_act(const RlcCall *call, double amount) {
  uint32_t from, to;
  if (call->thread == 0) fake_set(call, S_SLOW, 0, 1e3); /* must never reach training */
  if (call->thread == 0 && fake_probe(call)->eval_pause) usleep(fake_probe(call)->eval_pause);
  fake_share(call, FAKE_EVAL, &from, &to);
  for (uint32_t e = from; e < to; e++) {
    double noise = amount * (fake_uniform(call, 2, e) - 0.5);
    fake_set(call, S_EVAL_ACTION, e, fake_policy(call, S_EVAL_OBS, e) + noise);
  }
}

static inline void fake_evaluate(const RlcCall *call) { fake_act(call, 0); }

/* Sends a signal to this process, and waits until it has been taken by the thread that waits for
 * signals (runtime/stop.c), which blocked it here. */
static inline void fake_kill(int signal) {
  sigset_t pending;
  kill(getpid(), signal);
  while (sigpending(&pending) == 0 && sigismember(&pending, signal)) usleep(1000);
}

/* Time for the few instructions between taking a signal and telling the run. */
static inline void fake_killed(void) { usleep(50000); }

static inline void fake_sample(const RlcCall *call) {
  Probe *probe = fake_probe(call);
  if (call->thread == 0 && call->step == probe->eval_kill_at) {
    fake_kill(probe->kill_signal);
    fake_killed();
  }
  fake_act(call, 1);
}

static inline void fake_ready(const RlcCall *call) {
  if (call->thread == 0) fake_set(call, S_READY, 0, fake_get(call, S_STORED, 0) >= FAKE_FIRST);
}

/* The value that parameters `w` give the state `obs` of a row. */
static inline double fake_value(const RlcCall *call, FakeSlot w, FakeSlot obs, uint32_t row) {
  double sum = 0;
  for (uint32_t i = 0; i < FAKE_OBS * FAKE_HID; i++)
    sum += fake_get(call, obs, row * FAKE_OBS + i / FAKE_HID) * fake_get(call, w, i);
  return sum;
}

static inline void fake_probe_update(const RlcCall *call) {
  Probe *probe = fake_probe(call);
  uint64_t number = probe->updates++;
  if (probe->allocations) {
    probe->last_allocations = probe->allocations();
    if (number == 0) probe->first_allocations = probe->last_allocations;
  }
  if (call->seed == probe->bad_seed && call->step >= probe->bad_update) fake_set(call, S_W, 7, NAN);
  if (number == probe->weight_nan_at) fake_set(call, S_W, 7, NAN);
  if (number != probe->kill_at) return;
  for (int i = 0; i < probe->kills; i++) {
    fake_kill(probe->kill_signal);
    usleep(probe->kill_pause);
  }
  fake_killed();
}

static inline void fake_enter(Probe *probe) {
  uint32_t active = ++probe->active, most = probe->most;
  while (active > most && !atomic_compare_exchange_weak(&probe->most, &most, active)) continue;
}

static inline void fake_update(const RlcCall *call) {
  uint32_t from, to;
  double *off = (double *)call->work;
  if (call->thread == 0) {
    fake_probe_update(call);
    fake_enter(fake_probe(call));
  }
  fake_meet(call);
  fake_share(call, FAKE_BATCH, &from, &to);
  for (uint32_t b = from; b < to; b++) {
    double goes_on = 1 - fake_get(call, S_B_TERMINATED, b);
    double target = fake_get(call, S_B_REWARD, b) + fake_get(call, S_B_NOISE, b) +
                    0.9 * goes_on * fake_value(call, S_SLOW, S_B_NEXT, b);
    off[b] = fake_value(call, S_W, S_B_OBS, b) - target + fake_get(call, S_B_ACTION, b) +
             0.1 * fake_uniform(call, 3, b);
  }
  fake_meet(call);
  double loss = 0;
  for (uint32_t b = 0; b < FAKE_BATCH; b++) loss += off[b] * off[b] / FAKE_BATCH;
  fake_share(call, FAKE_OBS * FAKE_HID, &from, &to);
  for (uint32_t i = from; i < to; i++) {
    double slope = 0;
    for (uint32_t b = 0; b < FAKE_BATCH; b++)
      slope += off[b] * fake_get(call, S_B_OBS, b * FAKE_OBS + i / FAKE_HID) / FAKE_BATCH;
    double m = 0.9 * fake_get(call, S_M, i) + 0.1 * slope;
    fake_set(call, S_M, i, m);
    fake_set(call, S_W, i, fake_get(call, S_W, i) - 1e-3 * m);
  }
  if (call->thread) return;
  fake_probe(call)->active--;
  fake_set(call, S_LOSS, 0, fake_probe(call)->updates == fake_probe(call)->nan_at + 1 ? NAN : loss);
  fake_set(call, S_COUNT, 0, fake_get(call, S_COUNT, 0) + 1);
}

static inline void fake_slow(const RlcCall *call) {
  double norm = 0;
  if (call->thread) return;
  for (uint32_t i = 0; i < FAKE_OBS * FAKE_HID; i++) {
    double slow = 0.9 * fake_get(call, S_SLOW, i) + 0.1 * fake_get(call, S_W, i);
    fake_set(call, S_SLOW, i, slow);
    norm += slow * slow;
  }
  fake_set(call, S_NORM, 0, norm);
}

/* ---- the module ---- */

/* Fills a module in place; `slots` has FAKE_SLOTS entries. Programs are made to look heavy, so that
 * acting uses the team as well. */
static inline void fake_make(Fake *fake, RlcSlot *slots) {
  static const char *const none[] = {NULL};
  memcpy(slots, fake_layout, sizeof fake_layout);
  *fake = (Fake){.probe = {.module = &fake->module,
                           .kill_at = UINT64_MAX,
                           .eval_kill_at = UINT64_MAX,
                           .nan_at = UINT64_MAX,
                           .weight_nan_at = UINT64_MAX,
                           .action_nan_at = UINT64_MAX,
                           .bad_seed = UINT64_MAX}};
  static const struct {
    const char *name;
    void (*run)(const RlcCall *);
  } program[FAKE_PROGRAMS] = {{"init", fake_init},         {"explore", fake_explore},
                              {"evaluate", fake_evaluate}, {"sample", fake_sample},
                              {"ready", fake_ready},       {"update", fake_update},
                              {"slow", fake_slow}};
  for (int i = 0; i < FAKE_PROGRAMS; i++)
    fake->programs[i] = (RlcProgram){.name = program[i].name,
                                     .run = program[i].run,
                                     .work_bytes = FAKE_BATCH * sizeof(double),
                                     .flops = 1e9,
                                     .context = &fake->probe};
  fake->module = (RlcModule){
      .abi = RLC_ABI,
      .name = "fake",
      .spec = "name: fake\n",
      .spec_hash = 0x1234567890abcdef,
      .compiler = "by hand",
      .target = "c",
      .cpu = none,
      .env_id = "Pendulum-v1",
      .obs_dim = FAKE_OBS,
      .act_dim = 1,
      .act_low = -1,
      .act_high = 1,
      .rescale = 1,
      .slot_count = FAKE_SLOTS,
      .slots = slots,
      .memory_bytes = fake_place(slots, FAKE_SLOTS),
      .program_count = FAKE_PROGRAMS,
      .programs = fake->programs,
      .source_count = 1,
      .sources = &fake_source,
      .counters = {S_STEP, S_ITERATION, S_UPDATES, S_STORED, S_PROGRESS},
      .init = P_INIT,
      .explore = {FAKE_ENVS, S_OBS, P_EXPLORE, S_ACTION, S_SEND, RLC_ACTION_ONLY},
      .evaluate = {FAKE_EVAL, S_EVAL_OBS, P_EVALUATE, S_EVAL_ACTION, S_EVAL_ACTION,
                   RLC_ACTION_ONLY},
      .sample = {FAKE_EVAL, S_EVAL_OBS, P_SAMPLE, S_EVAL_ACTION, S_EVAL_ACTION, RLC_ACTION_ONLY},
      .step_count = sizeof fake_steps / sizeof *fake_steps,
      .steps = fake_steps};
}

#endif
