/* Recording episodes: see recording.h. The pool starts the next episode within the step that ends
 * one, so the state behind an episode's last step is found by making that step again elsewhere. */
#include "runtime/recording.h"

#include <stdlib.h>
#include <string.h>

bool recording_make(Recording *recording, const Evaluator *evaluator, uint32_t count,
                    RunError *error) {
  const EnvSpec *spec = evaluator->actor.pool->spec;
  *recording = (Recording){.spec = spec, .count = count};
  if (!evaluator->actor.declared) {
    char why[512] = "";
    recording->env = env_make(spec, why, sizeof why);
    if (!recording->env) return run_fail(error, "%s", why);
    recording->layout = env_layout(recording->env);
    recording->state_size = spec->state_size;
  }
  recording->episode = run_take(count, sizeof *recording->episode, error);
  return recording->episode != NULL;
}

void recording_free(Recording *recording) {
  for (uint32_t i = 0; recording->episode && i < recording->count; i++) {
    Episode *episode = &recording->episode[i];
    free(episode->obs);
    free(episode->state);
    free(episode->action);
    free(episode->reward);
    free(episode->so_far);
  }
  free(recording->episode);
  env_free(recording->env);
  *recording = (Recording){0};
}

static bool grow(void *array, size_t count, size_t bytes) {
  void **at = array;
  void *more = realloc(*at, count * bytes + 1);
  if (more) *at = more;
  return more != NULL;
}

/* Room for one more step and what follows it. */
static bool episode_room(const Recording *recording, Episode *episode, RunError *error) {
  if (episode->steps < episode->room) return true;
  size_t room = episode->room ? 2 * (size_t)episode->room : 256;
  const EnvSpec *spec = recording->spec;
  if (!grow(&episode->obs, room + 1, spec->obs_dim * sizeof(float)) ||
      !grow(&episode->state, room + 1, recording->state_size * sizeof(double)) ||
      !grow(&episode->action, room, spec->act_dim * sizeof(float)) ||
      !grow(&episode->reward, room, sizeof(float)) || !grow(&episode->so_far, room, sizeof(double)))
    return run_fail(error, "out of memory for an episode of %u steps", episode->steps);
  episode->room = (uint32_t)room;
  return true;
}

static double *state_at(const Recording *recording, const Episode *episode) {
  return episode->state + (size_t)episode->steps * recording->state_size;
}

static void obs_put(const Recording *recording, Episode *episode, const float *obs) {
  size_t width = recording->spec->obs_dim;
  memcpy(episode->obs + episode->steps * width, obs, width * sizeof *obs);
}

bool recording_before(Recording *recording, const Evaluator *evaluator, uint32_t first,
                      uint32_t wanted, RunError *error) {
  const Pool *pool = evaluator->actor.pool;
  for (uint32_t i = 0; i < wanted; i++) {
    Episode *episode = &recording->episode[first + i];
    if (evaluator->ended[i]) continue;
    if (!episode_room(recording, episode, error)) return false;
    obs_put(recording, episode, pool->obs + (size_t)i * pool->spec->obs_dim);
    if (recording->env) pool_env_state(pool, i, state_at(recording, episode));
  }
  return true;
}

/* The last step once more, for the state behind it. */
static bool episode_end(Recording *recording, Episode *episode, RunError *error) {
  const EnvSpec *spec = recording->spec;
  if (!recording->env) return true;
  double *obs = run_take(spec->obs_dim, sizeof *obs, error);
  if (!obs) return false;
  env_set_state(recording->env, state_at(recording, episode) - recording->state_size);
  env_step(recording->env, episode->action + (size_t)(episode->steps - 1) * spec->act_dim, obs);
  env_get_state(recording->env, state_at(recording, episode));
  free(obs);
  return true;
}

bool recording_after(Recording *recording, const Evaluator *evaluator, uint32_t first,
                     uint32_t wanted, RunError *error) {
  const Pool *pool = evaluator->actor.pool;
  const float *actions = evaluator->actor.actions;
  size_t obs = pool->spec->obs_dim, act = pool->spec->act_dim;
  for (uint32_t i = 0; i < wanted; i++) {
    Episode *episode = &recording->episode[first + i];
    if (evaluator->ended[i]) continue;
    uint32_t step = episode->steps++;
    memcpy(episode->action + step * act, actions + i * act, act * sizeof *actions);
    episode->reward[step] = pool->reward[i];
    episode->so_far[step] = pool->episode_return[i];
    episode->terminated = pool->terminated[i], episode->truncated = pool->truncated[i];
    if (!episode->terminated && !episode->truncated) continue;
    obs_put(recording, episode, pool->final_obs + i * obs);
    if (!episode_end(recording, episode, error)) return false;
  }
  return true;
}
