/* The MuJoCo tasks as Gymnasium's -v5 generation defines them: their constants, and the few
 * functions that are a task's own. Quantities such as xpos belong to the last force evaluation
 * inside the last simulator step, one substep older than qpos; they are read as they are, since the
 * published rewards do the same. */
#if __has_include(<mujoco/mujoco.h>)

#include "envs/mujoco.h"

#include <math.h>

#include "envs/models/ant.xml.h"
#include "envs/models/half_cheetah.xml.h"
#include "envs/models/hopper.xml.h"
#include "envs/models/inverted_pendulum.xml.h"
#include "envs/models/reacher.xml.h"
#include "envs/models/swimmer.xml.h"
#include "envs/models/walker2d.xml.h"

static double root_forward(const mjData *data) { return data->qpos[0]; }

/* False also for what is not a number. */
static bool within(double x, double low, double high) { return low < x && x < high; }

const MujocoTask mujoco_half_cheetah = {
    .model = model_half_cheetah,
    .frame_skip = 5,
    .position_noise = 0.1,
    .speed_noise = 0.1,
    .speed_normal = true,
    .hidden = 1,
    .speed_bound = INFINITY,
    .effort_cost = 0.1f,
    .forward = root_forward,
};

static bool hopper_terminated(const mjModel *model, const mjData *data) {
  bool healthy = data->qpos[1] > 0.7 && within(data->qpos[2], -0.2, 0.2);
  for (int i = 2; i < model->nq; i++) healthy &= within(data->qpos[i], -100.0, 100.0);
  for (int i = 0; i < model->nv; i++) healthy &= within(data->qvel[i], -100.0, 100.0);
  return !healthy;
}

const MujocoTask mujoco_hopper = {
    .model = model_hopper,
    .frame_skip = 4,
    .position_noise = 0.005,
    .speed_noise = 0.005,
    .hidden = 1,
    .speed_bound = 10.0,
    .alive = 1.0,
    .effort_cost = 1e-3f,
    .forward = root_forward,
    .terminated = hopper_terminated,
};

static bool walker2d_terminated(const mjModel *model, const mjData *data) {
  (void)model;
  return !(within(data->qpos[1], 0.8, 2.0) && within(data->qpos[2], -1.0, 1.0));
}

const MujocoTask mujoco_walker2d = {
    .model = model_walker2d,
    .frame_skip = 4,
    .position_noise = 0.005,
    .speed_noise = 0.005,
    .hidden = 1,
    .speed_bound = 10.0,
    .alive = 1.0,
    .effort_cost = 1e-3f,
    .forward = root_forward,
    .terminated = walker2d_terminated,
};

static double ant_forward(const mjData *data) { return data->xpos[3]; /* the torso is body 1 */ }

static bool ant_terminated(const mjModel *model, const mjData *data) {
  bool healthy = data->qpos[2] >= 0.2 && data->qpos[2] <= 1.0;
  for (int i = 0; i < model->nq; i++) healthy &= isfinite(data->qpos[i]) != 0;
  for (int i = 0; i < model->nv; i++) healthy &= isfinite(data->qvel[i]) != 0;
  return !healthy;
}

static double ant_force(const mjData *data, int i) {
  return fmin(fmax(data->cfrc_ext[i], -1.0), 1.0);
}

/* Torque and force on every body but the world. */
static void ant_observe(const mjModel *model, const mjData *data, double *obs) {
  for (int i = 6; i < 6 * model->nbody; i++) *obs++ = ant_force(data, i);
}

static double ant_penalty(const mjModel *model, const mjData *data) {
  double sum = 0.0;
  for (int i = 0; i < 6 * model->nbody; i++) sum += ant_force(data, i) * ant_force(data, i);
  return 5e-4 * sum;
}

const MujocoTask mujoco_ant = {
    .model = model_ant,
    .frame_skip = 5,
    .position_noise = 0.1,
    .speed_noise = 0.1,
    .speed_normal = true,
    .hidden = 2,
    .speed_bound = INFINITY,
    .alive = 1.0,
    .effort_cost = 0.5f,
    .forward = ant_forward,
    .terminated = ant_terminated,
    .observe = ant_observe,
    .forces = true,
    .penalty = ant_penalty,
};

const MujocoTask mujoco_swimmer = {
    .model = model_swimmer,
    .frame_skip = 4,
    .position_noise = 0.1,
    .speed_noise = 0.1,
    .hidden = 2,
    .speed_bound = INFINITY,
    .effort_cost = 1e-4f,
    .forward = root_forward,
};

/* The target: uniform on a disc of radius 0.2, at rest. */
static void reacher_adjust(mjData *data, RandomStream *stream) {
  do {
    data->qpos[2] = random_uniform(stream, -0.2, 0.2);
    data->qpos[3] = random_uniform(stream, -0.2, 0.2);
  } while (hypot(data->qpos[2], data->qpos[3]) >= 0.2);
  data->qvel[2] = data->qvel[3] = 0.0;
}

enum { REACHER_FINGERTIP = 3, REACHER_TARGET = 4 };

static double reacher_gap(const mjData *data, int axis) {
  return data->xpos[3 * REACHER_FINGERTIP + axis] - data->xpos[3 * REACHER_TARGET + axis];
}

static void reacher_observe(const mjModel *model, const mjData *data, double *obs) {
  (void)model;
  for (int i = 0; i < 2; i++) {
    obs[i] = cos(data->qpos[i]);
    obs[2 + i] = sin(data->qpos[i]);
    obs[4 + i] = data->qpos[2 + i];
    obs[6 + i] = data->qvel[i];
    obs[8 + i] = reacher_gap(data, i);
  }
}

static double reacher_penalty(const mjModel *model, const mjData *data) {
  (void)model;
  double x = reacher_gap(data, 0), y = reacher_gap(data, 1), z = reacher_gap(data, 2);
  return sqrt(x * x + y * y + z * z);
}

const MujocoTask mujoco_reacher = {
    .model = model_reacher,
    .frame_skip = 2,
    .position_noise = 0.1,
    .speed_noise = 0.005,
    .effort_cost = 1.0f,
    .adjust = reacher_adjust,
    .observe = reacher_observe,
    .only_observe = true,
    .penalty = reacher_penalty,
};

static bool inverted_pendulum_terminated(const mjModel *model, const mjData *data) {
  (void)model;
  bool finite = isfinite(data->qpos[0]) && isfinite(data->qvel[0]) && isfinite(data->qvel[1]);
  return !(finite && fabs(data->qpos[1]) <= 0.2);
}

const MujocoTask mujoco_inverted_pendulum = {
    .model = model_inverted_pendulum,
    .frame_skip = 2,
    .position_noise = 0.01,
    .speed_noise = 0.01,
    .speed_bound = INFINITY,
    .alive = 1.0,
    .terminated = inverted_pendulum_terminated,
};

#endif
