/* Evaluation: whole episodes on environments of its own, undiscounted raw returns.
 *
 * It works on a copy of the slots, draws from a seed of its own, and its episodes are numbered by
 * evaluation and wave, never by how long earlier ones lasted. So it is a function of the
 * parameters, the seed and its number, and training cannot tell whether it ran. */
#include "runtime/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const evaluation_columns[] = {"eval/mean_reward",       "eval/std_reward",
                                          "eval/min_reward",        "eval/max_reward",
                                          "eval/mean_ep_length",    "eval_sample/mean_reward",
                                          "eval_sample/std_reward", "eval_sample/min_reward",
                                          "eval_sample/max_reward", "eval_sample/mean_ep_length"};

bool evaluator_make(Evaluator *evaluator, const RlcModule *module, const RlcActing *acting,
                    const Options *options, RunError *error) {
  *evaluator = (Evaluator){0};
  Actor *actor = &evaluator->actor;
  if (options->eval_episodes == 0) return true;
  if (!actor_make(actor, module, acting, "evaluation environment", options->seed ^ EVALUATION_SEED,
                  error))
    return false;
  if (!actor->acting) return true;
  if (!actor->declared) pool_reset(actor->pool);
  evaluator->start_bytes = actor->declared ? 0 : pool_state_size(actor->pool);
  evaluator->start = run_take(1, evaluator->start_bytes, error);
  evaluator->episode_return = run_take(options->eval_episodes, sizeof(double), error);
  evaluator->episode_length = run_take(options->eval_episodes, sizeof(double), error);
  evaluator->ended = run_take(acting->count, sizeof(bool), error);
  if (!evaluator->start || !evaluator->episode_return || !evaluator->episode_length ||
      !evaluator->ended)
    return false;
  if (!actor->declared) pool_get_state(actor->pool, evaluator->start);
  return true;
}

void evaluator_free(Evaluator *evaluator) {
  actor_free(&evaluator->actor);
  free(evaluator->start);
  free(evaluator->episode_return);
  free(evaluator->episode_length);
  free(evaluator->ended);
}

/* Notes the first episode of each of the first `wanted` environments as it ends; returns how many
 * ended in this step. */
static uint32_t wave_note(Evaluator *evaluator, uint32_t first, uint32_t wanted) {
  const Pool *pool = evaluator->actor.pool;
  uint32_t ended = 0;
  for (uint32_t i = 0; i < wanted; i++) {
    if (evaluator->ended[i] || !(pool->terminated[i] || pool->truncated[i])) continue;
    evaluator->ended[i] = true;
    evaluator->episode_return[first + i] = pool->episode_return[i];
    evaluator->episode_length[first + i] = pool->episode_length[i];
    ended++;
  }
  return ended;
}

/* Begins an episode everywhere. An instance that starts several episodes within a wave would shift
 * the numbers of later ones; so every wave of a pool starts from the noted state, which wave_end
 * moves on by one episode in every instance. Declared environments start by the wave's number. */
static bool wave_begin(Trainer *trainer, Evaluator *evaluator, uint64_t seed, uint64_t wave) {
  Actor *actor = &evaluator->actor;
  if (actor->declared) return actor_start(trainer, actor, trainer->evaluation_memory, seed, wave);
  pool_set_state(actor->pool, evaluator->start);
  return true;
}

static void wave_end(Evaluator *evaluator) {
  Pool *pool = evaluator->actor.pool;
  if (evaluator->actor.declared) return;
  pool_set_state(pool, evaluator->start);
  pool_reset(pool);
  pool_get_state(pool, evaluator->start);
}

static bool evaluator_run(Trainer *trainer, Evaluator *evaluator) {
  Actor *actor = &evaluator->actor;
  uint32_t episodes = trainer->options.eval_episodes, count = actor->pool->count;
  uint64_t seed = trainer->options.seed ^ EVALUATION_SEED, wave = trainer->state.evaluations << 32;
  uint64_t draw = wave;
  memcpy(trainer->evaluation_memory, trainer->memory, trainer->module->memory_bytes);
  for (uint32_t first = 0; first < episodes; first += count) {
    uint32_t wanted = episodes - first < count ? episodes - first : count;
    memset(evaluator->ended, 0, count * sizeof(bool));
    if (!wave_begin(trainer, evaluator, seed, wave++)) return false;
    for (uint32_t ended = 0; ended < wanted; ended += wave_note(evaluator, first, wanted))
      if (!actor_step(trainer, actor, trainer->evaluation_memory, seed, draw++)) return false;
    wave_end(evaluator);
  }
  return true;
}

static EvaluationResult evaluator_result(const Evaluator *evaluator, uint32_t episodes) {
  EvaluationResult result = {.min = INFINITY, .max = -INFINITY};
  for (uint32_t i = 0; i < episodes; i++) {
    double value = evaluator->episode_return[i];
    result.mean += value / episodes;
    result.length += evaluator->episode_length[i] / episodes;
    result.min = fmin(result.min, value);
    result.max = fmax(result.max, value);
  }
  for (uint32_t i = 0; i < episodes; i++) {
    double off = evaluator->episode_return[i] - result.mean;
    result.std += off * off / episodes;
  }
  result.std = sqrt(result.std);
  return result;
}

static void result_columns(const EvaluationResult *result, double *values) {
  values[0] = result->mean;
  values[1] = result->std;
  values[2] = result->min;
  values[3] = result->max;
  values[4] = result->length;
}

bool evaluate_run(Trainer *trainer) {
  double values[EVALUATION_COLUMNS];
  TrainState *state = &trainer->state;
  bool any = false;
  for (int i = 0; i < 2; i++) {
    Evaluator *evaluator = &trainer->evaluator[i];
    state->result[i] = (EvaluationResult){NAN, NAN, NAN, NAN, NAN};
    if (evaluator->actor.acting) {
      if (!evaluator_run(trainer, evaluator)) return false;
      state->result[i] = evaluator_result(evaluator, trainer->options.eval_episodes);
      any = true;
    }
    result_columns(&state->result[i], values + 5 * i);
  }
  state->evaluations++;
  state->evaluated_step = state->step;
  trainer->saved_step = UINT64_MAX;
  trainer->progress.eval_return = state->result[0].mean;
  return !any || log_evaluation(trainer->log, state->step, values, &trainer->error);
}
