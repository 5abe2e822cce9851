/* What every kind of environment implements, private to envs/. A class is a constant table of
 * functions; the instance's own struct starts with Env, so that a class casts the Env it is given
 * to its own type. */
#ifndef RLC_ENVS_CLASS_H
#define RLC_ENVS_CLASS_H

#include "envs/env.h"

struct Env {
  const EnvSpec *spec;
  uint32_t elapsed; /* steps since the reset */
};

typedef struct EnvClass {
  const char *simulator; /* with its version, or NULL */
  /* A new instance; `like` is an existing one of the same spec whose constant parts may be shared,
   * or NULL. On failure NULL, with a message in `error`. */
  Env *(*make)(const EnvSpec *spec, const Env *like, char *error, size_t size);
  void (*free)(Env *env);
  void (*reset)(Env *env, uint64_t seed, uint64_t episode, double *obs);
  EnvStep (*step)(Env *env, const float *action, double *obs);
  void (*get_state)(const Env *env, double *state);
  void (*set_state)(Env *env, const double *state);
  EnvLayout (*layout)(const Env *env); /* within what get_state writes */
  /* The simulator's own complaint about the last step, or NULL when there is none (or no
   * simulator). */
  const char *(*fault)(const Env *env);
} EnvClass;

extern const EnvClass pendulum_class, mujoco_class;

/* As env_make, sharing with `like` what is constant. The shared parts outlive whichever is freed
 * first. */
Env *env_make_like(const Env *like, char *error, size_t size);

/* What the simulator reported as wrong in the last reset or step, or NULL. */
const char *env_fault(const Env *env);

#endif
