/* Pendulum-v1 as Gymnasium defines it: torque on a hinged rod, semi-implicit Euler, cost of angle,
 * speed and torque. The angle is measured from upright and is not wrapped in the state. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "envs/class.h"
#include "envs/random.h"

typedef struct Pendulum {
  Env base;
  double angle; /* rad, 0 upright */
  double speed; /* rad/s */
} Pendulum;

static const double GRAVITY = 10.0; /* mass and length are 1 */
static const double MAX_SPEED = 8.0;

static double pendulum_clip(double x, double bound) {
  return x < -bound ? -bound : x > bound ? bound : x;
}

/* `angle` moved into [-pi, pi). */
static double pendulum_wrap(double angle) {
  double turned = fmod(angle + M_PI, 2.0 * M_PI);
  return (turned < 0.0 ? turned + 2.0 * M_PI : turned) - M_PI;
}

static void pendulum_observe(const Pendulum *pendulum, double *obs) {
  obs[0] = cos(pendulum->angle);
  obs[1] = sin(pendulum->angle);
  obs[2] = pendulum->speed;
}

static Env *pendulum_make(const EnvSpec *spec, const Env *like, char *error, size_t size) {
  (void)like;
  Pendulum *pendulum = calloc(1, sizeof *pendulum);
  if (!pendulum) {
    snprintf(error, size, "%s: out of memory", spec->id);
    return NULL;
  }
  pendulum->base.spec = spec;
  return &pendulum->base;
}

static void pendulum_free(Env *env) { free(env); }

static void pendulum_reset(Env *env, uint64_t seed, uint64_t episode, double *obs) {
  Pendulum *pendulum = (Pendulum *)env;
  RandomStream stream = random_start(seed, episode);
  pendulum->angle = random_uniform(&stream, -M_PI, M_PI);
  pendulum->speed = random_uniform(&stream, -1.0, 1.0);
  pendulum_observe(pendulum, obs);
}

static EnvStep pendulum_step(Env *env, const float *action, double *obs) {
  Pendulum *pendulum = (Pendulum *)env;
  /* The torque's products are float32, as numpy makes them of a float32 action. */
  float torque = (float)pendulum_clip(action[0], env->spec->act_high);
  float effort = 0.001f * (torque * torque);
  double angle = pendulum_wrap(pendulum->angle);
  double cost = angle * angle + 0.1 * (pendulum->speed * pendulum->speed) + (double)effort;

  double acceleration = 1.5 * GRAVITY * sin(pendulum->angle) + (double)(3.0f * torque);
  pendulum->speed = pendulum_clip(pendulum->speed + acceleration * env->spec->dt, MAX_SPEED);
  pendulum->angle += pendulum->speed * env->spec->dt;
  pendulum_observe(pendulum, obs);
  return (EnvStep){.reward = -cost};
}

static void pendulum_get_state(const Env *env, double *state) {
  const Pendulum *pendulum = (const Pendulum *)env;
  state[0] = pendulum->angle;
  state[1] = pendulum->speed;
}

static void pendulum_set_state(Env *env, const double *state) {
  Pendulum *pendulum = (Pendulum *)env;
  pendulum->angle = state[0];
  pendulum->speed = state[1];
}

static EnvLayout pendulum_layout(const Env *env) {
  (void)env;
  return (EnvLayout){.position = 0, .positions = 1, .speed = 1, .speeds = 1};
}

static const char *pendulum_fault(const Env *env) {
  (void)env;
  return NULL;
}

const EnvClass pendulum_class = {
    .make = pendulum_make,
    .free = pendulum_free,
    .reset = pendulum_reset,
    .step = pendulum_step,
    .get_state = pendulum_get_state,
    .set_state = pendulum_set_state,
    .layout = pendulum_layout,
    .fault = pendulum_fault,
};
