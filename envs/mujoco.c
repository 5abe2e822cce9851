/* Stepping, resetting and restoring of every MuJoCo task. An instance owns its mjData; the compiled
 * model is shared, read only, by all instances made alike. */
#include "envs/class.h"

#include <stdio.h>

#if __has_include(<mujoco/mujoco.h>)

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mujoco.h"

enum { FAULT_SIZE = 160 };

typedef struct MujocoShared {
  MujocoApi api;
  mjModel *model;
  const MujocoTask *task;
  atomic_uint users;
} MujocoShared;

typedef struct MujocoEnv {
  Env base;
  MujocoShared *shared;
  mjData *data;
  double forward; /* task->forward as last evaluated: for some tasks it cannot be computed from the
                     state */
  char fault[FAULT_SIZE];
} MujocoEnv;

/* ---- making ---- */

typedef struct MujocoBuild {
  MujocoEnv *env;
  char *error;
  size_t size;
} MujocoBuild;

/* The simulator's own choice of memory is some ten megabytes an instance, which old versions clear
 * at every reset. No task can have more than 25 contacts (the ant flat on the floor) of four
 * constraints each and eight joint limits; should it ever be too little, that is a fault and not a
 * wrong result. */
static void mujoco_limit(mjModel *model) {
#if mjVERSION_HEADER < 230
  model->njmax = 120;
  model->nconmax = 40;
  model->nstack = 80000;
#elif mjVERSION_HEADER >= 300
  model->narena = 1 << 20;
#else
  (void)model;
#endif
}

static void mujoco_build_model(void *context) {
  MujocoBuild *build = context;
  MujocoShared *shared = build->env->shared;
  shared->model = mujoco_api_compile(&shared->api, shared->task->model, build->error, build->size);
  if (!shared->model) return;
  mujoco_limit(shared->model);
}

static void mujoco_build_data(void *context) {
  MujocoBuild *build = context;
  MujocoShared *shared = build->env->shared;
  build->env->data = shared->api.mj_makeData(shared->model);
}

static void mujoco_release(MujocoShared *shared) {
  if (!shared || atomic_fetch_sub(&shared->users, 1) != 1) return;
  if (shared->model) shared->api.mj_deleteModel(shared->model);
  free(shared);
}

static void mujoco_free(Env *base) {
  MujocoEnv *env = (MujocoEnv *)base;
  if (env->data) env->shared->api.mj_deleteData(env->data);
  mujoco_release(env->shared);
  free(env);
}

/* The states' layout after the elapsed steps: time, forward, qpos, qvel, qacc_warmstart. */
static bool mujoco_fits(const EnvSpec *spec, const mjModel *model) {
  uint32_t state = 3 + (uint32_t)(model->nq + 2 * model->nv);
  return spec->state_size == state && spec->act_dim == (uint32_t)model->nu && model->na == 0;
}

static MujocoShared *mujoco_share(const EnvSpec *spec, const Env *like) {
  if (like) {
    MujocoShared *shared = ((const MujocoEnv *)like)->shared;
    atomic_fetch_add(&shared->users, 1);
    return shared;
  }
  MujocoShared *shared = calloc(1, sizeof *shared);
  if (!shared) return NULL;
  shared->task = spec->task;
  atomic_init(&shared->users, 1);
  return shared;
}

static bool mujoco_build(MujocoEnv *env, char *error, size_t size) {
  const EnvSpec *spec = env->base.spec;
  MujocoShared *shared = env->shared;
  MujocoBuild build = {env, error, size};
  if (!shared->model) {
    if (!mujoco_api_load(&shared->api, error, size)) return false;
    if (!mujoco_api_guard(mujoco_build_model, &build, error, size) || !shared->model) return false;
    if (!mujoco_fits(spec, shared->model)) {
      snprintf(error, size, "%s: envs.def does not match the model", spec->id);
      return false;
    }
  }
  snprintf(error, size, "%s: MuJoCo could not make an instance", spec->id);
  return mujoco_api_guard(mujoco_build_data, &build, error, size) && env->data;
}

static Env *mujoco_make(const EnvSpec *spec, const Env *like, char *error, size_t size) {
  MujocoEnv *env = calloc(1, sizeof *env);
  MujocoShared *shared = env ? mujoco_share(spec, like) : NULL;
  if (!shared) {
    snprintf(error, size, "%s: out of memory", spec->id);
    free(env);
    return NULL;
  }
  env->base.spec = spec;
  env->shared = shared;
  if (mujoco_build(env, error, size)) return &env->base;
  mujoco_free(&env->base);
  return NULL;
}

/* ---- faults ---- */

/* Notes the first complaint the simulator has counted. */
static void mujoco_check(MujocoEnv *env) {
  static const char *const WARNING[mjNWARNING] = {
      [mjWARN_INERTIA] = "singular inertia",
      [mjWARN_CONTACTFULL] = "too many contacts",
      [mjWARN_CNSTRFULL] = "too many constraints",
      [mjWARN_BADQPOS] = "bad number in a position",
      [mjWARN_BADQVEL] = "bad number in a speed",
      [mjWARN_BADQACC] = "bad number in an acceleration",
      [mjWARN_BADCTRL] = "bad number in an action",
  };
  for (int i = 0; i < mjNWARNING && !env->fault[0]; i++)
    if (env->data->warning[i].number && WARNING[i])
      snprintf(env->fault, FAULT_SIZE, "MuJoCo: %s", WARNING[i]);
}

static void mujoco_forget(MujocoEnv *env) {
  env->fault[0] = '\0';
  memset(env->data->warning, 0, sizeof env->data->warning);
}

static const char *mujoco_fault(const Env *base) {
  const MujocoEnv *env = (const MujocoEnv *)base;
  return env->fault[0] ? env->fault : NULL;
}

/* ---- observing ---- */

static void mujoco_observe(const MujocoEnv *env, double *obs) {
  const MujocoTask *task = env->shared->task;
  const mjModel *model = env->shared->model;
  const mjData *data = env->data;
  if (!task->only_observe) {
    for (int i = (int)task->hidden; i < model->nq; i++) *obs++ = data->qpos[i];
    for (int i = 0; i < model->nv; i++) {
      double speed = data->qvel[i]; /* comparisons, unlike fmin, let a NaN through */
      *obs++ = speed > task->speed_bound    ? task->speed_bound
               : speed < -task->speed_bound ? -task->speed_bound
                                            : speed;
    }
  }
  if (task->observe) task->observe(model, data, obs);
}

static double mujoco_forward_place(const MujocoEnv *env) {
  const MujocoTask *task = env->shared->task;
  return task->forward ? task->forward(env->data) : 0.0;
}

/* ---- resetting ---- */

static void mujoco_settle(void *context) {
  MujocoEnv *env = context;
  const mjModel *model = env->shared->model;
  mjtNum start[model->nq];
  memcpy(start, env->data->qpos, sizeof start);
  env->shared->api.mj_forward(model, env->data);
  /* Old versions normalise quaternions in place; the published first observation holds them as
   * drawn. */
  memcpy(env->data->qpos, start, sizeof start);
}

static void mujoco_reset(Env *base, uint64_t seed, uint64_t episode, double *obs) {
  MujocoEnv *env = (MujocoEnv *)base;
  const MujocoTask *task = env->shared->task;
  const mjModel *model = env->shared->model;
  mjData *data = env->data;
  RandomStream stream = random_start(seed, episode);
  env->shared->api.mj_resetData(model, data);
  mujoco_forget(env);
  for (int i = 0; i < model->nq; i++)
    data->qpos[i] += random_uniform(&stream, -task->position_noise, task->position_noise);
  for (int i = 0; i < model->nv; i++)
    data->qvel[i] = task->speed_normal
                        ? task->speed_noise * random_normal(&stream)
                        : random_uniform(&stream, -task->speed_noise, task->speed_noise);
  if (task->adjust) task->adjust(data, &stream);
  mujoco_api_guard(mujoco_settle, env, env->fault, FAULT_SIZE);
  mujoco_check(env);
  env->forward = mujoco_forward_place(env);
  mujoco_observe(env, obs);
}

/* ---- stepping ---- */

static void mujoco_advance(void *context) {
  MujocoEnv *env = context;
  const MujocoShared *shared = env->shared;
  for (uint32_t i = 0; i < shared->task->frame_skip; i++)
    shared->api.mj_step(shared->model, env->data);
  if (shared->task->forces) shared->api.mj_rnePostConstraint(shared->model, env->data);
}

/* The sum of squares in float32 and in numpy's order: the published control costs are formed so. */
static float mujoco_effort(const float *action, uint32_t n) {
  float sum = 0.0f;
  if (n == 8) { /* numpy adds eight entries pairwise */
    float a[8];
    for (int i = 0; i < 8; i++) a[i] = action[i] * action[i];
    return ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]));
  }
  for (uint32_t i = 0; i < n; i++) sum += action[i] * action[i];
  return sum;
}

static double mujoco_reward(const MujocoEnv *env, const float *action, double before,
                            bool terminated) {
  const MujocoTask *task = env->shared->task;
  double gain = task->forward ? (env->forward - before) / env->base.spec->dt : 0.0;
  double cost = (double)(task->effort_cost * mujoco_effort(action, env->base.spec->act_dim));
  if (!terminated) gain += task->alive;
  if (task->penalty) cost += task->penalty(env->shared->model, env->data);
  return gain - cost;
}

static EnvStep mujoco_step(Env *base, const float *action, double *obs) {
  MujocoEnv *env = (MujocoEnv *)base;
  const MujocoTask *task = env->shared->task;
  double before = env->forward;
  mujoco_forget(env);
  for (uint32_t i = 0; i < base->spec->act_dim; i++) env->data->ctrl[i] = action[i];
  mujoco_api_guard(mujoco_advance, env, env->fault, FAULT_SIZE);
  mujoco_check(env);
  env->forward = mujoco_forward_place(env);
  mujoco_observe(env, obs);
  bool terminated = task->terminated && task->terminated(env->shared->model, env->data);
  double reward = mujoco_reward(env, action, before, terminated);
  return (EnvStep){.reward = reward, .terminated = terminated};
}

/* ---- checkpoints ---- */

static void mujoco_get_state(const Env *base, double *state) {
  const MujocoEnv *env = (const MujocoEnv *)base;
  const mjModel *model = env->shared->model;
  size_t nq = (size_t)model->nq, nv = (size_t)model->nv;
  *state++ = env->data->time;
  *state++ = env->forward;
  memcpy(state, env->data->qpos, nq * sizeof *state);
  memcpy(state + nq, env->data->qvel, nv * sizeof *state);
  memcpy(state + nq + nv, env->data->qacc_warmstart, nv * sizeof *state);
}

static void mujoco_set_state(Env *base, const double *state) {
  MujocoEnv *env = (MujocoEnv *)base;
  const mjModel *model = env->shared->model;
  size_t nq = (size_t)model->nq, nv = (size_t)model->nv;
  env->shared->api.mj_resetData(model, env->data);
  mujoco_forget(env);
  env->data->time = *state++;
  env->forward = *state++;
  memcpy(env->data->qpos, state, nq * sizeof *state);
  memcpy(env->data->qvel, state + nq, nv * sizeof *state);
  memcpy(env->data->qacc_warmstart, state + nq + nv, nv * sizeof *state);
}

static EnvLayout mujoco_layout(const Env *base) {
  const mjModel *model = ((const MujocoEnv *)base)->shared->model;
  uint32_t nq = (uint32_t)model->nq, nv = (uint32_t)model->nv;
  return (EnvLayout){.position = 2, .positions = nq, .speed = 2 + nq, .speeds = nv};
}

/* ---- pictures ---- */

MujocoScene mujoco_scene(Env *base) {
  MujocoEnv *env = (MujocoEnv *)base;
  return (MujocoScene){&env->shared->api, env->shared->model, env->data};
}

#else

/* Built without MuJoCo's headers: its tasks are listed, and say so when one is asked for. */
static Env *mujoco_make(const EnvSpec *spec, const Env *like, char *error, size_t size) {
  (void)like;
  snprintf(
      error, size,
      "%s needs MuJoCo, and this program was built without it; run `make deps` and build again",
      spec->id);
  return NULL;
}

#define mujoco_free      NULL
#define mujoco_reset     NULL
#define mujoco_step      NULL
#define mujoco_get_state NULL
#define mujoco_set_state NULL
#define mujoco_layout    NULL
#define mujoco_fault     NULL

#endif

/* The library is refused unless its version is that of the headers, so this is what runs. */
#ifdef RLC_MUJOCO_VERSION
#define MUJOCO_NAME "MuJoCo " RLC_MUJOCO_VERSION
#else
#define MUJOCO_NAME "MuJoCo"
#endif

const EnvClass mujoco_class = {
    .simulator = MUJOCO_NAME,
    .make = mujoco_make,
    .free = mujoco_free,
    .reset = mujoco_reset,
    .step = mujoco_step,
    .get_state = mujoco_get_state,
    .set_state = mujoco_set_state,
    .layout = mujoco_layout,
    .fault = mujoco_fault,
};
