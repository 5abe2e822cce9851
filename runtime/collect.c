/* Acting: observations into the slot, the program, its action to the environments, one step of all
 * of them. */
#include "runtime/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Programs of fewer operations than this act on one thread: waking the others would take longer. */
static const double ALONE_FLOPS = 1e6;

/* ---- making ---- */

static bool actor_pool(Actor *actor, const RlcModule *module, uint64_t seed, RunError *error) {
  const EnvSpec *spec = module->env_id ? env_find(module->env_id) : NULL;
  if (!spec)
    return run_fail(error, "there is no environment '%s'", module->env_id ? module->env_id : "");
  if (spec->obs_dim != module->obs_dim || spec->act_dim != module->act_dim)
    return run_fail(
        error, "%s has %u observations and %u actions, but the trainer was compiled for %u and %u",
        spec->id, spec->obs_dim, spec->act_dim, module->obs_dim, module->act_dim);
  char why[512] = "";
  actor->pool = pool_make(spec, actor->acting->count, seed, 0, why, sizeof why);
  if (!actor->pool) return run_fail(error, "%s", why);
  actor->scale = 1;
  if (module->rescale && !spec->choices) {
    actor->scale = (spec->act_high - spec->act_low) / (module->act_high - module->act_low);
    actor->shift = spec->act_low - actor->scale * module->act_low;
  }
  return true;
}

bool actor_make(Actor *actor, const RlcModule *module, const RlcActing *acting, const char *label,
                uint64_t seed, RunError *error) {
  *actor = (Actor){.label = label};
  if (acting->program == RLC_NONE || acting->count == 0) return true;
  actor->acting = acting;
  uint32_t count = acting->count, obs = module->obs_dim, act = module->act_dim;
  uint32_t send = acting->send == RLC_NONE ? acting->action : acting->send;
  if (send == RLC_NONE) return run_fail(error, "the acting program gives no action");
  if (!actor_pool(actor, module, seed, error)) return false;
  actor->before = run_take((size_t)count * obs, sizeof(float), error);
  actor->acted = run_take((size_t)count * act, sizeof(float), error);
  actor->actions = run_take((size_t)count * act, sizeof(float), error);
  return actor->before && actor->acted && actor->actions &&
         rows_make(&actor->obs, module, acting->obs, count, obs, error) &&
         rows_make(&actor->action, module, acting->action, count, act, error) &&
         rows_make(&actor->send, module, send, count, act, error);
}

void actor_free(Actor *actor) {
  pool_free(actor->pool);
  rows_free(&actor->obs);
  rows_free(&actor->action);
  rows_free(&actor->send);
  free(actor->before);
  free(actor->acted);
  free(actor->actions);
}

/* ---- one step ---- */

void actor_observe(const Actor *actor, char *memory) {
  uint32_t obs = actor->pool->spec->obs_dim;
  for (uint32_t i = 0; i < actor->pool->count; i++)
    rows_put(&actor->obs, memory, i, actor->pool->obs + (size_t)i * obs);
}

/* From the slots to what the environments get. A bad action is caught here, where its origin is
 * still known. */
static bool actor_send(Trainer *trainer, Actor *actor, const char *memory) {
  const EnvSpec *spec = actor->pool->spec;
  bool rescale = actor->scale != 1 || actor->shift != 0;
  for (uint32_t i = 0; i < actor->pool->count; i++) {
    float *to = actor->actions + (size_t)i * spec->act_dim;
    if (actor->action.slot)
      rows_get(&actor->action, memory, i, actor->acted + (size_t)i * spec->act_dim);
    rows_get(&actor->send, memory, i, to);
    for (uint32_t j = 0; j < spec->act_dim; j++) {
      if (!isfinite(to[j]))
        return run_fail(&trainer->error,
                        "program '%s' gave a non-finite action to %s %u at step %llu",
                        trainer->module->programs[actor->acting->program].name, actor->label, i,
                        (unsigned long long)trainer->state.step);
      if (rescale) to[j] = (float)(actor->shift + actor->scale * to[j]);
    }
  }
  return true;
}

typedef struct StepJob {
  Pool *pool;
  uint64_t *stepped;
} StepJob;

static void step_part(void *arg, uint32_t thread, uint32_t threads) {
  (void)threads;
  StepJob *job = arg;
  job->stepped[thread] += pool_step_some(job->pool);
}

static bool actor_fault(Trainer *trainer, const Actor *actor, int64_t env) {
  const Pool *pool = actor->pool;
  uint32_t obs = pool->spec->obs_dim;
  const char *what = isfinite(pool->reward[env]) ? "got its simulator into a bad state"
                                                 : "returned a non-finite reward";
  for (uint32_t j = 0; j < obs; j++)
    if (!isfinite(pool->final_obs[(size_t)env * obs + j]) ||
        !isfinite(pool->obs[(size_t)env * obs + j]))
      what = "returned a non-finite observation";
  return run_fail(&trainer->error, "%s %lld %s at step %llu", actor->label, (long long)env, what,
                  (unsigned long long)trainer->state.step);
}

bool actor_step(Trainer *trainer, Actor *actor, char *memory, uint64_t seed, uint64_t draw) {
  Pool *pool = actor->pool;
  uint32_t program = actor->acting->program;
  size_t row = pool->spec->obs_dim * sizeof(float);
  actor_observe(actor, memory);
  trainer_run(trainer, program, memory, seed, draw,
              trainer->module->programs[program].flops < ALONE_FLOPS);
  if (!actor_send(trainer, actor, memory)) return false;
  memcpy(actor->before, pool->obs, pool->count * row);
  pool_begin(pool, actor->actions);
  StepJob job = {pool, trainer->stepped};
  if (pool->count == 1)
    step_part(&job, 0, 1);
  else
    team_run(trainer->team, step_part, &job);
  int64_t fault = pool_fault(pool);
  return fault < 0 || actor_fault(trainer, actor, fault);
}

/* ---- training ---- */

static void collect_episodes(Trainer *trainer) {
  const Pool *pool = trainer->explore.pool;
  for (uint32_t i = 0; i < pool->count; i++)
    if (pool->terminated[i] || pool->truncated[i])
      metrics_episode(&trainer->state, pool->episode_return[i], pool->episode_length[i]);
}

bool collect_steps(Trainer *trainer, uint64_t count) {
  Actor *actor = &trainer->explore;
  TrainState *state = &trainer->state;
  for (uint64_t i = 0; i < count; i++) {
    if (!actor_step(trainer, actor, trainer->memory, trainer->options.seed, state->vector_steps))
      return false;
    ReplayStep step = {actor->pool, actor->before, actor->acted, trainer->memory};
    for (uint32_t s = 0; s < trainer->module->source_count; s++)
      replay_append(trainer->replay[s], &step);
    collect_episodes(trainer);
    state->vector_steps++;
    state->step += actor->pool->count;
  }
  actor_observe(actor, trainer->memory);
  return true;
}
