/* The table of environments, made from envs.def, and the public functions, which dispatch on the
 * class. */
#include "envs/env.h"

#include <math.h>
#include <string.h>

#include "envs/class.h"

/* Without MuJoCo's headers its tasks have no constants; their class then refuses to make instances.
 */
#if __has_include(<mujoco/mujoco.h>)
#include "envs/mujoco.h"
#define ENV_TASK(task) task
#else
#define ENV_TASK(task) NULL
#endif

static const EnvSpec ENVS[] = {
#define ENV(id, doc, obs, act, choices, low, high, limit, dt, threshold, state, class, task)       \
  {id, doc, obs, act, choices, low, high, limit, dt, threshold, state, &class, ENV_TASK(task)},
#include "envs/envs.def"
#undef ENV
};

const EnvSpec *env_list(size_t *count) {
  *count = sizeof ENVS / sizeof ENVS[0];
  return ENVS;
}

const EnvSpec *env_find(const char *id) {
  for (size_t i = 0; i < sizeof ENVS / sizeof ENVS[0]; i++)
    if (strcmp(ENVS[i].id, id) == 0) return &ENVS[i];
  return NULL;
}

Env *env_make(const EnvSpec *spec, char *error, size_t size) {
  return spec->class->make(spec, NULL, error, size);
}

Env *env_make_like(const Env *like, char *error, size_t size) {
  return like->spec->class->make(like->spec, like, error, size);
}

void env_free(Env *env) {
  if (env) env->spec->class->free(env);
}

const EnvSpec *env_spec(const Env *env) { return env->spec; }

const char *env_simulator(const EnvSpec *spec) { return spec->class->simulator; }

void env_reset(Env *env, uint64_t seed, uint64_t episode, double *obs) {
  env->elapsed = 0;
  env->spec->class->reset(env, seed, episode, obs);
}

EnvStep env_step(Env *env, const float *action, double *obs) {
  EnvStep step = env->spec->class->step(env, action, obs);
  env->elapsed++;
  step.truncated = env->elapsed >= env->spec->limit;
  return step;
}

/* Elapsed steps come first, then what the class has to say. */
void env_get_state(const Env *env, double *state) {
  state[0] = env->elapsed;
  env->spec->class->get_state(env, state + 1);
}

void env_set_state(Env *env, const double *state) {
  env->elapsed = (uint32_t)state[0];
  env->spec->class->set_state(env, state + 1);
}

EnvLayout env_layout(const Env *env) {
  EnvLayout layout = env->spec->class->layout(env);
  layout.position++;
  layout.speed++;
  return layout;
}

const char *env_fault(const Env *env) { return env->spec->class->fault(env); }
