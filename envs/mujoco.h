/* What differs between the MuJoCo tasks: one constant MujocoTask each, private to envs/. Positions
 * are m and rad, speeds m/s and rad/s. The functions are called after the simulation has moved or
 * been reset; those left NULL have nothing to add. */
#ifndef RLC_ENVS_MUJOCO_H
#define RLC_ENVS_MUJOCO_H

#include <stdint.h>

#include "envs/class.h"
#include "envs/mujoco_api.h"
#include "envs/random.h"

typedef struct MujocoTask {
  const char *model;   /* MJCF */
  uint32_t frame_skip; /* simulator steps per environment step */

  double position_noise; /* half width of the uniform noise on every initial position */
  double speed_noise;    /* likewise of speeds; their standard deviation when speed_normal */
  bool speed_normal;

  uint32_t hidden;    /* leading positions that are not observed */
  double speed_bound; /* observed speeds are clipped to it */

  double alive;      /* reward of a step that does not terminate */
  float effort_cost; /* per squared unit of action */

  void (*adjust)(mjData *data, RandomStream *stream); /* the initial state, after the noise */
  double (*forward)(const mjData *data);              /* the coordinate whose speed is rewarded */
  bool (*terminated)(const mjModel *model, const mjData *data);
  void (*observe)(const mjModel *model, const mjData *data, double *obs); /* past the speeds */
  bool only_observe; /* `observe` writes the whole observation */
  bool forces;       /* contact forces on bodies are read, so they have to be computed */
  double (*penalty)(const mjModel *model, const mjData *data); /* further cost */
} MujocoTask;

/* What an instance simulates, for drawing it: the functions, the shared model, its own data. */
typedef struct MujocoScene {
  const MujocoApi *api;
  mjModel *model;
  mjData *data;
} MujocoScene;
MujocoScene mujoco_scene(Env *env);

extern const MujocoTask mujoco_half_cheetah, mujoco_hopper, mujoco_walker2d, mujoco_ant,
    mujoco_swimmer, mujoco_reacher, mujoco_inverted_pendulum;

#endif
