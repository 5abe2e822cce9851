/* Acting: observations into the slots, the program, its action to the environments, one step of all
 * of them, and what came of it into the slots. The environments are instances of a pool or programs
 * of the module; both show what they did as a Pool. */
#include "runtime/declared.h"
#include "runtime/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Programs of fewer operations than this act on one thread: waking the others would take longer.
 * Only contractions are counted, so many environments are a reason too. */
static const double ALONE_FLOPS = 1e6;
enum { ALONE_ENVS = 512 };

/* ---- making ---- */

static bool pool_fits(const EnvSpec *spec, const RlcModule *module, RunError *error) {
  if (spec->obs_dim != module->obs_dim || spec->act_dim != module->act_dim)
    return run_fail(
        error, "%s has %u observations and %u actions, but the trainer was compiled for %u and %u",
        spec->id, spec->obs_dim, spec->act_dim, module->obs_dim, module->act_dim);
  if (spec->choices != module->choices)
    return run_fail(error, "%s has %u actions to choose from, but the trainer was compiled for %u",
                    spec->id, spec->choices, module->choices);
  return true;
}

static bool actor_pool(Actor *actor, const RlcModule *module, uint64_t seed, RunError *error) {
  const EnvSpec *spec = module->env_id ? env_find(module->env_id) : NULL;
  if (!spec)
    return run_fail(error, "there is no environment '%s'", module->env_id ? module->env_id : "");
  if (!pool_fits(spec, module, error)) return false;
  char why[512] = "";
  actor->pool = pool_make(spec, actor->acting->count, seed, 0, why, sizeof why);
  if (!actor->pool) return run_fail(error, "%s", why);
  if (module->rescale && !spec->choices) {
    actor->scale = (spec->act_high - spec->act_low) / (module->act_high - module->act_low);
    actor->shift = spec->act_low - actor->scale * module->act_low;
  }
  return true;
}

static bool actor_environments(Actor *actor, const RlcModule *module, uint64_t seed,
                               RunError *error) {
  actor->scale = 1;
  if (!declared_is(actor->acting)) return actor_pool(actor, module, seed, error);
  if (!(actor->declared = declared_make(module, actor->acting, error))) return false;
  actor->pool = &actor->declared->pool;
  return true;
}

/* The slots that the runtime fills. A declared environment writes its results itself. */
static bool actor_slots(Actor *actor, const RlcModule *module, RunError *error) {
  const RlcActing *acting = actor->acting;
  bool given = !actor->declared;
  uint32_t count = acting->count, obs = module->obs_dim, act = module->act_dim;
  uint32_t send = acting->send == RLC_NONE ? acting->action : acting->send;
  if (send == RLC_NONE) return run_fail(error, "the acting program gives no action");
  return rows_make(&actor->obs, module, acting->obs, count, obs, error) &&
         rows_make(&actor->action, module, acting->action, count, act, error) &&
         rows_make(&actor->send, module, send, count, act, error) &&
         rows_make(&actor->first, module, acting->first, count, 1, error) &&
         rows_make(&actor->reward, module, given ? acting->reward : RLC_NONE, count, 1, error) &&
         rows_make(&actor->next_obs, module, given ? acting->next_obs : RLC_NONE, count, obs,
                   error) &&
         rows_make(&actor->terminated, module, given ? acting->terminated : RLC_NONE, count, 1,
                   error) &&
         rows_make(&actor->truncated, module, given ? acting->truncated : RLC_NONE, count, 1,
                   error);
}

bool actor_make(Actor *actor, const RlcModule *module, const RlcActing *acting, const char *label,
                uint64_t seed, RunError *error) {
  *actor = (Actor){.label = label};
  if (!acting_any(acting)) return true;
  if (acting->program >= module->program_count ||
      (acting->store != RLC_NONE && acting->store >= module->program_count))
    return run_fail(error, "the acting table names a program that is not there");
  actor->acting = acting;
  size_t count = acting->count;
  if (!actor_environments(actor, module, seed, error)) return false;
  actor->before = run_take(count * module->obs_dim, sizeof(float), error);
  actor->acted = run_take(count * module->act_dim, sizeof(float), error);
  actor->actions = run_take(count * module->act_dim, sizeof(float), error);
  actor->flags = run_take(count, sizeof(float), error);
  return actor->before && actor->acted && actor->actions && actor->flags &&
         actor_slots(actor, module, error);
}

void actor_free(Actor *actor) {
  if (actor->declared)
    declared_free(actor->declared);
  else
    pool_free(actor->pool);
  rows_free(&actor->obs);
  rows_free(&actor->action);
  rows_free(&actor->send);
  rows_free(&actor->first);
  rows_free(&actor->reward);
  rows_free(&actor->next_obs);
  rows_free(&actor->terminated);
  rows_free(&actor->truncated);
  free(actor->before);
  free(actor->acted);
  free(actor->actions);
  free(actor->flags);
}

/* ---- state ---- */

size_t actor_state_size(const Actor *actor) {
  if (!actor->acting) return 0;
  return actor->declared ? actor->declared->bytes : pool_state_size(actor->pool);
}

void actor_get_state(const Actor *actor, void *state) {
  if (!actor->acting) return;
  if (actor->declared)
    memcpy(state, actor->declared->block, actor->declared->bytes);
  else
    pool_get_state(actor->pool, state);
}

void actor_set_state(const Actor *actor, const void *state) {
  if (!actor->acting) return;
  if (actor->declared)
    memcpy(actor->declared->block, state, actor->declared->bytes);
  else
    pool_set_state(actor->pool, state);
}

/* ---- one step ---- */

/* Whether the instance's current observation is the first of its episode. */
static bool pool_first(const Pool *pool, uint32_t env) {
  return pool->episode_length[env] == 0 || pool->terminated[env] || pool->truncated[env];
}

void actor_observe(const Actor *actor, const Side *side) {
  const Pool *pool = actor->pool;
  char *memory = side->memory;
  for (uint32_t i = 0; i < pool->count; i++) actor->flags[i] = pool_first(pool, i);
  rows_put_all(&actor->obs, memory, pool->obs);
  rows_put_all(&actor->first, memory, actor->flags);
  side_store(side, actor->acting->obs);
  side_store(side, actor->acting->first);
}

static void flags_put(const Actor *actor, const Rows *rows, char *memory, const uint8_t *flags) {
  for (uint32_t i = 0; i < actor->pool->count; i++) actor->flags[i] = flags[i];
  rows_put_all(rows, memory, actor->flags);
}

/* What the step gave, for programs that read it. */
static void actor_results(const Actor *actor, const Side *side) {
  const Pool *pool = actor->pool;
  const RlcActing *acting = actor->acting;
  const uint32_t stored[] = {acting->reward, acting->next_obs, acting->terminated,
                             acting->truncated};
  char *memory = side->memory;
  rows_put_all(&actor->reward, memory, pool->reward);
  rows_put_all(&actor->next_obs, memory, pool->final_obs);
  flags_put(actor, &actor->terminated, memory, pool->terminated);
  flags_put(actor, &actor->truncated, memory, pool->truncated);
  for (int i = 0; i < 4; i++) side_store(side, stored[i]);
}

/* A bad action is caught here, where its origin is still known. */
static inline bool action_check(const Trainer *trainer, const Side *side, const Actor *actor,
                                uint32_t env, float action) {
  uint32_t choices = actor->pool->spec->choices;
  if (isfinite(action) && !choices) return true;
  const char *program = trainer->module->programs[actor->acting->program].name;
  unsigned long long step = *side->step;
  if (!isfinite(action))
    return run_fail(side->error, "program '%s' gave a non-finite action to %s %u at step %llu",
                    program, actor->label, env, step);
  if (choices && !(action >= 0 && action < (float)choices && action == floorf(action)))
    return run_fail(side->error,
                    "program '%s' gave action %g to %s %u at step %llu, where there are 0 to %u",
                    program, action, actor->label, env, step, choices - 1);
  return true;
}

/* From the slots to what the environments get. */
static bool actor_send(const Trainer *trainer, const Side *side, Actor *actor) {
  uint32_t act = actor->pool->spec->act_dim;
  bool rescale = actor->scale != 1 || actor->shift != 0;
  side_fetch(side, actor->acting->action);
  side_fetch(side, actor->acting->send);
  if (!device_good(trainer->device, side->error)) return false;
  rows_get_all(&actor->action, side->memory, actor->acted);
  rows_get_all(&actor->send, side->memory, actor->actions);
  for (uint32_t i = 0; i < actor->pool->count; i++)
    for (uint32_t j = 0; j < act; j++) {
      float *action = &actor->actions[(size_t)i * act + j];
      if (!action_check(trainer, side, actor, i, *action)) return false;
      if (rescale) *action = (float)(actor->shift + actor->scale * *action);
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

void actor_pool_step(Pool *pool, const float *actions, Team *team, uint64_t *stepped, Pace *pace) {
  StepJob job = {pool, stepped};
  pool_begin(pool, actions);
  if (pool->count == 1)
    step_part(&job, 0, 1);
  else
    team_run_paced(team, pace, step_part, &job);
}

/* Whether the environments are well; else fills the side's error. */
static bool actor_well(const Actor *actor, const Side *side) {
  const Pool *pool = actor->pool;
  int64_t env = actor->declared ? declared_fault(actor->declared) : pool_fault(pool);
  if (env < 0) return true;
  uint32_t obs = pool->spec->obs_dim;
  const char *what = isfinite(pool->reward[env]) ? "got its simulator into a bad state"
                                                 : "returned a non-finite reward";
  if (actor->declared && actor->declared->unclear == env)
    what = "returned an end that is not a number (terminated or truncated)";
  for (uint32_t j = 0; j < obs; j++)
    if (!isfinite(pool->final_obs[(size_t)env * obs + j]) ||
        !isfinite(pool->obs[(size_t)env * obs + j]))
      what = "returned a non-finite observation";
  return run_fail(side->error, "%s %lld %s at step %llu", actor->label, (long long)env, what,
                  (unsigned long long)*side->step);
}

bool actor_run(const Trainer *trainer, const Actor *actor, uint32_t program, const Side *side,
               uint64_t seed, uint64_t draw) {
  bool light = trainer->module->programs[program].flops < ALONE_FLOPS;
  return trainer_run(trainer, side, program, seed, draw,
                     light && actor->acting->count < ALONE_ENVS);
}

bool actor_start(const Trainer *trainer, Actor *actor, const Side *side, uint64_t seed,
                 uint64_t draw) {
  if (!actor->declared) {
    pool_reset(actor->pool);
    return true;
  }
  if (!actor_run(trainer, actor, actor->acting->start, side, seed, START_DRAWS | draw))
    return false;
  side_fetch(side, actor->acting->fresh);
  declared_started(actor->declared, side->memory);
  return actor_well(actor, side);
}

/* What a declared environment's step gave. */
static void advanced_fetch(const RlcActing *acting, const Side *side) {
  const uint32_t slots[] = {acting->reward, acting->next_obs, acting->terminated, acting->truncated,
                            acting->fresh};
  for (int i = 0; i < 5; i++) side_fetch(side, slots[i]);
}

bool actor_step(const Trainer *trainer, Actor *actor, const Side *side, uint64_t seed,
                uint64_t draw) {
  Pool *pool = actor->pool;
  actor_observe(actor, side);
  if (!actor_run(trainer, actor, actor->acting->program, side, seed, draw) ||
      !actor_send(trainer, side, actor))
    return false;
  memcpy(actor->before, pool->obs, pool->count * pool->spec->obs_dim * sizeof(float));
  if (actor->declared) {
    if (!actor_run(trainer, actor, actor->acting->advance, side, seed, draw)) return false;
    advanced_fetch(actor->acting, side);
    declared_advanced(actor->declared, side->memory);
  } else {
    actor_pool_step(pool, actor->actions, side->team, side->stepped, &actor->pace);
    actor_results(actor, side);
  }
  return actor_well(actor, side);
}
