/* The interface between environments and whoever steps them.
 *
 * An environment is one constant EnvSpec (a row of envs.def) and instances made from it. All
 * buffers belong to the caller; an instance owns its simulation state and its random stream and is
 * stepped by one thread at a time. Observations are computed in double and given as float32 by the
 * pool. */
#ifndef RLC_ENVS_ENV_H
#define RLC_ENVS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Env Env;

/* What is constant about an environment; `id` is Gymnasium's name with its version. */
typedef struct EnvSpec {
  const char *id;
  const char *doc;
  uint32_t obs_dim;
  uint32_t act_dim; /* continuous: entries of an action; discrete: 1 */
  uint32_t choices; /* 0: continuous; else number of discrete actions */
  double act_low;   /* bounds of every action entry (continuous) */
  double act_high;
  uint32_t limit;               /* steps after which an episode is truncated */
  double dt;                    /* seconds of simulated time per step */
  double threshold;             /* published "solved" return; NAN when there is none */
  uint32_t state_size;          /* doubles that env_get_state writes */
  const struct EnvClass *class; /* the functions below, private to envs/ */
  const void *task;             /* the class's own constants */
} EnvSpec;

/* One step's outcome. `terminated` and `truncated` may both be set. */
typedef struct EnvStep {
  double reward;
  bool terminated;
  bool truncated;
} EnvStep;

/* All known environments, in the order of envs.def. */
const EnvSpec *env_list(size_t *count);

/* The environment called `id`, or NULL. */
const EnvSpec *env_find(const char *id);

/* A new instance, or NULL with a message in `error` (capacity `size`). */
Env *env_make(const EnvSpec *spec, char *error, size_t size);
void env_free(Env *env);
const EnvSpec *env_spec(const Env *env);

/* The simulator behind the environment with its version, for provenance ("MuJoCo 3.3.7"); NULL when
 * it is our own code. */
const char *env_simulator(const EnvSpec *spec);

/* Starts an episode whose noise depends on (seed, episode) only; writes obs[obs_dim]. */
void env_reset(Env *env, uint64_t seed, uint64_t episode, double *obs);

/* Applies action[act_dim], not clipped here; writes obs[obs_dim]: the true observation after the
 * step, also when the episode ends. Returns the raw reward and the flags; truncation counts steps
 * since the reset. A state that is not finite shows as a non-finite observation or reward; the
 * caller decides. */
EnvStep env_step(Env *env, const float *action, double *obs);

/* The complete simulation state (elapsed steps included): after env_set_state the instance
 * continues bit for bit like the one it was taken from. `state` has spec->state_size doubles. */
void env_get_state(const Env *env, double *state);
void env_set_state(Env *env, const double *state);

/* Where generalised positions and speeds (m and rad, m/s and rad/s) lie in what env_get_state
 * writes. */
typedef struct EnvLayout {
  uint32_t position, positions; /* first, how many */
  uint32_t speed, speeds;
} EnvLayout;
EnvLayout env_layout(const Env *env);

#endif
