/* The environment alone, slice by slice. */
#include "compiler/measure/bench.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/rng.h"

enum {
  ACTIONS = 251, /* prepared vector steps, used in turn */
  ENV_GROUP = 16 /* vector steps between two looks at the clock */
};

/* ---- making ---- */

static float *actions_make(const EnvSpec *spec, uint32_t count, RunError *error) {
  size_t entries = (size_t)ACTIONS * count * spec->act_dim;
  float *actions = run_take(entries, sizeof *actions, error);
  for (size_t i = 0; actions && i < entries; i++) {
    double unit = philox(1, 0, i, 0).word[0] * 0x1p-32;
    actions[i] = (float)(spec->choices ? floor(unit * spec->choices)
                                       : spec->act_low + unit * (spec->act_high - spec->act_low));
  }
  return actions;
}

bool stepping_make(Trainer *trainer, Stepping *stepping) {
  *stepping = (Stepping){0};
  if (!trainer->collects || trainer->explore.declared) return true;
  const Pool *like = trainer->explore.pool;
  const EnvSpec *spec = like->spec;
  char why[512] = "";
  stepping->pool = pool_make(spec, like->count, trainer->options.seed, 0, why, sizeof why);
  if (!stepping->pool) return run_fail(&trainer->error, "%s", why);
  stepping->bare = env_make(spec, why, sizeof why);
  if (!stepping->bare) return run_fail(&trainer->error, "%s", why);
  stepping->actions = actions_make(spec, like->count, &trainer->error);
  stepping->obs = run_take(spec->obs_dim, sizeof *stepping->obs, &trainer->error);
  if (!stepping->actions || !stepping->obs) return false;
  pool_reset(stepping->pool);
  env_reset(stepping->bare, 1, 0, stepping->obs);
  return true;
}

void stepping_free(Stepping *stepping) {
  if (stepping->pool) pool_free(stepping->pool);
  if (stepping->bare) env_free(stepping->bare);
  free(stepping->actions);
  free(stepping->obs);
}

/* ---- a slice ---- */

/* A vector step of the pool; of a declared environment, its program with the actions that were
 * sent last. */
static void step_all(Trainer *trainer, Stepping *stepping) {
  uint64_t i = stepping->steps++;
  const Actor *actor = &trainer->explore;
  if (actor->declared) {
    actor_run(trainer, actor, actor->acting->advance, &trainer->acting, trainer->options.seed, i);
    return;
  }
  Pool *pool = stepping->pool;
  size_t row = (size_t)pool->count * pool->spec->act_dim;
  actor_pool_step(pool, stepping->actions + i % ACTIONS * row, trainer->team, trainer->stepped,
                  &stepping->pace);
}

double stepping_run(Trainer *trainer, Stepping *stepping, double seconds) {
  double start = run_clock(), taken;
  uint64_t before = stepping->steps;
  do {
    for (int k = 0; k < ENV_GROUP; k++) step_all(trainer, stepping);
    taken = run_clock() - start;
    if (stepping->pool && pool_fault(stepping->pool) >= 0)
      return run_fail(&trainer->error, "the environment got into a fault");
    if (stop_signal(trainer->stop)) return run_fail(&trainer->error, "interrupted");
  } while (taken < seconds);
  return (double)((stepping->steps - before) * trainer->explore.pool->count) / taken;
}

static void step_bare(Stepping *stepping) {
  Env *env = stepping->bare;
  const float *action =
      stepping->actions + stepping->bare_steps++ % ACTIONS * env_spec(env)->act_dim;
  EnvStep step = env_step(env, action, stepping->obs);
  if (step.terminated || step.truncated) env_reset(env, 1, ++stepping->episode, stepping->obs);
}

double stepping_bare(Stepping *stepping, double seconds) {
  if (!stepping->bare) return NAN;
  double start = run_clock(), taken;
  uint64_t before = stepping->bare_steps;
  do {
    for (int k = 0; k < ENV_GROUP; k++) step_bare(stepping);
    taken = run_clock() - start;
  } while (taken < seconds);
  return (double)(stepping->bare_steps - before) / taken;
}

bool stepping_settled(const Trainer *trainer, const Stepping *stepping) {
  bool choice = stepping->pool && stepping->pool->count > 1 && team_size(trainer->team) > 1;
  return !choice || stepping->pace.settled;
}
