/* Evaluation: whole episodes on environments of its own, undiscounted raw returns.
 *
 * It works on a copy of the slots, draws from a seed of its own, and its episodes are numbered by
 * evaluation and wave, never by how long earlier ones lasted. So it is a function of the
 * parameters, the seed and its number, and training cannot tell whether it ran. One that is cut
 * off leaves nothing behind but the note that it is owed; so it is made again after resuming. */
#include "runtime/recording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const evaluation_columns[] = {"eval/mean_reward",       "eval/std_reward",
                                          "eval/min_reward",        "eval/max_reward",
                                          "eval/mean_ep_length",    "eval_sample/mean_reward",
                                          "eval_sample/std_reward", "eval_sample/min_reward",
                                          "eval_sample/max_reward", "eval_sample/mean_ep_length"};

bool evaluation_fills(const RlcModule *module, size_t column) {
  return acting_any(column < EVALUATION_COLUMNS / 2 ? &module->evaluate : &module->sample);
}

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
  evaluator->start_before = run_take(1, evaluator->start_bytes, error);
  evaluator->episode_return = run_take(options->eval_episodes, sizeof(double), error);
  evaluator->episode_length = run_take(options->eval_episodes, sizeof(double), error);
  evaluator->ended = run_take(acting->count, sizeof(bool), error);
  if (!evaluator->start || !evaluator->start_before || !evaluator->episode_return ||
      !evaluator->episode_length || !evaluator->ended)
    return false;
  if (!actor->declared) pool_get_state(actor->pool, evaluator->start);
  return true;
}

void evaluator_free(Evaluator *evaluator) {
  actor_free(&evaluator->actor);
  free(evaluator->start);
  free(evaluator->start_before);
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
  if (actor->declared) return actor_start(trainer, actor, &trainer->evaluating, seed, wave);
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

/* How far the evaluations of a moment have come. */
typedef struct Course {
  bool limited;        /* by --minutes too */
  bool cut;            /* it was told to stop */
  double began;        /* as Progress counts seconds */
  uint64_t done, most; /* vector steps; a wave that ended early counts whole */
} Course;

static uint32_t evaluator_limit(const Evaluator *evaluator) {
  return evaluator->actor.pool->spec->limit;
}

static Course course_make(const Trainer *trainer, bool limited) {
  Course course = {.limited = limited, .began = run_clock() - trainer->started};
  for (int i = 0; i < 2; i++) {
    const Evaluator *evaluator = &trainer->evaluator[i];
    if (!evaluator->actor.acting) continue;
    uint32_t count = evaluator->actor.pool->count;
    uint32_t waves = (trainer->options.eval_episodes + count - 1) / count;
    course.most += (uint64_t)waves * evaluator_limit(evaluator);
  }
  return course;
}

/* Between two vector steps: shows the way so far; false when the evaluation must end here. */
static bool course_goes_on(Trainer *trainer, Course *course) {
  course->cut = stop_signal(trainer->stop) || (course->limited && trainer_late(trainer));
  if (!course->cut && !trainer->options.quiet) {
    trainer->progress.step = trainer->state.step;
    trainer->progress.seconds = run_clock() - trainer->started;
    progress_evaluating(&trainer->progress, course->began, course->done, course->most);
  }
  return !course->cut;
}

static bool wave_step(Trainer *trainer, Evaluator *evaluator, uint64_t seed, uint64_t draw,
                      uint32_t first, uint32_t wanted) {
  Recording *recording = evaluator->recording;
  if (recording && !recording_before(recording, evaluator, first, wanted, &trainer->error))
    return false;
  if (!actor_step(trainer, &evaluator->actor, &trainer->evaluating, seed, draw)) return false;
  return !recording || recording_after(recording, evaluator, first, wanted, &trainer->error);
}

/* False on a fault; true also when it was cut off. */
static bool evaluator_run(Trainer *trainer, Evaluator *evaluator, Course *course) {
  uint32_t episodes = trainer->options.eval_episodes, count = evaluator->actor.pool->count;
  uint64_t seed = trainer->options.seed ^ EVALUATION_SEED, wave = trainer->state.evaluations << 32;
  uint64_t draw = wave;
  side_give_all(trainer, &trainer->evaluating, &trainer->learning);
  for (uint32_t first = 0; first < episodes; first += count) {
    uint32_t wanted = episodes - first < count ? episodes - first : count;
    memset(evaluator->ended, 0, count * sizeof(bool));
    if (!wave_begin(trainer, evaluator, seed, wave++)) return false;
    uint64_t whole = course->done + evaluator_limit(evaluator);
    for (uint32_t ended = 0; ended < wanted; ended += wave_note(evaluator, first, wanted)) {
      if (!course_goes_on(trainer, course)) return true;
      if (!wave_step(trainer, evaluator, seed, draw++, first, wanted)) return false;
      course->done++;
    }
    wave_end(evaluator);
    course->done = whole;
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

/* Runs both evaluators, unless they are cut off: then each is as it was before. */
static bool evaluators_run(Trainer *trainer, Course *course) {
  Evaluator *evaluator = trainer->evaluator;
  for (int i = 0; i < 2; i++)
    if (evaluator[i].start)
      memcpy(evaluator[i].start_before, evaluator[i].start, evaluator[i].start_bytes);
  for (int i = 0; i < 2 && !course->cut; i++)
    if (evaluator[i].actor.acting && !evaluator_run(trainer, &evaluator[i], course)) return false;
  for (int i = 0; i < 2 && course->cut; i++)
    if (evaluator[i].start)
      memcpy(evaluator[i].start, evaluator[i].start_before, evaluator[i].start_bytes);
  return true;
}

/* Counts an evaluation that was made; one that was owed is not any more. */
static void evaluation_count(Trainer *trainer) {
  TrainState *state = &trainer->state;
  uint64_t every = trainer->options.eval_every;
  if (state->eval_mark == EVALUATION_OWED) state->eval_mark = every ? state->step / every : 0;
  state->evaluations++;
  state->evaluated_step = state->step;
  trainer->saved_step = UINT64_MAX;
  trainer->progress.eval_return = state->result[0].mean;
}

bool evaluate_run(Trainer *trainer, bool limited) {
  double values[EVALUATION_COLUMNS];
  TrainState *state = &trainer->state;
  Course course = course_make(trainer, limited);
  bool any = false;
  if (!evaluators_run(trainer, &course)) return false;
  if (course.cut) {
    state->eval_mark = EVALUATION_OWED;
    return true;
  }
  for (int i = 0; i < 2; i++) {
    const Evaluator *evaluator = &trainer->evaluator[i];
    if (evaluator->actor.acting) {
      state->result[i] = evaluator_result(evaluator, trainer->options.eval_episodes);
      any = true;
    }
    result_columns(&state->result[i], values + 5 * i);
  }
  evaluation_count(trainer);
  return !any || log_evaluation(trainer->log, state->step, values, &trainer->error);
}

/* ---- playing back ---- */

void evaluator_rewind(Trainer *trainer, Evaluator *evaluator, uint32_t episodes) {
  TrainState *state = &trainer->state;
  Pool *pool = evaluator->actor.pool;
  if (state->evaluations == 0 || state->evaluated_step != state->step) return;
  state->evaluations--;
  if (evaluator->actor.declared) return;
  pool_set_state(pool, evaluator->start);
  pool_rewind(pool, (episodes + pool->count - 1) / pool->count);
  pool_get_state(pool, evaluator->start);
}

bool evaluator_play(Trainer *trainer, Evaluator *evaluator, bool *cut) {
  Course course = course_make(trainer, false);
  bool good = evaluator_run(trainer, evaluator, &course);
  *cut = course.cut;
  return good;
}
