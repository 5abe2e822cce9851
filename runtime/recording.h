/* Episodes as an evaluation sees them: what was observed, done and got at every step, and the
 * simulation's state, from which pictures can be made later. */
#ifndef RLC_RUNTIME_RECORDING_H
#define RLC_RUNTIME_RECORDING_H

#include "runtime/training.h"

/* An episode of `steps` steps. Step t begins in state t with observation t; what follows the last
 * step is there too. */
typedef struct Episode {
  uint32_t steps, room;
  float *obs;     /* [steps + 1][obs_dim] */
  double *state;  /* [steps + 1][state_size], as env_get_state writes it */
  float *action;  /* [steps][act_dim] as the environment got it */
  float *reward;  /* [steps] */
  double *so_far; /* [steps] the undiscounted return up to and with this step */
  bool terminated, truncated;
} Episode;

typedef struct Recording {
  const EnvSpec *spec;
  uint32_t state_size; /* 0: an environment that is programs */
  EnvLayout layout;    /* of a state; all 0 without */
  Env *env;            /* an instance to try things in; NULL without */
  uint32_t count;
  Episode *episode; /* [count] */
} Recording;

/* A recording of the evaluator's next `count` episodes, which it makes as long as it is in
 * evaluator->recording. On false recording_free is due all the same. */
bool recording_make(Recording *recording, const Evaluator *evaluator, uint32_t count,
                    RunError *error);
void recording_free(Recording *recording);

/* Before and after a step of all environments, of which the first `wanted` play the episodes from
 * number `first` on. */
bool recording_before(Recording *recording, const Evaluator *evaluator, uint32_t first,
                      uint32_t wanted, RunError *error);
bool recording_after(Recording *recording, const Evaluator *evaluator, uint32_t first,
                     uint32_t wanted, RunError *error);

/* ---- trajectory.c ---- */

/* Whether a path's ending names a format: .csv or .jsonl. */
bool trajectory_format(const char *path, RunError *error);
/* All episodes, one line a step; the columns are told in docs/commands.md. The file appears only
 * when it is complete. */
bool trajectory_write(const Recording *recording, const char *path, RunError *error);

#endif
