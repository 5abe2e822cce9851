/* Collecting: vector steps of the training environments into the replays and the rollout. Where
 * acting goes on beside learning, replays get their rows at the end of the pass. */
#include "runtime/training.h"

static void collect_episodes(Trainer *trainer) {
  const Pool *pool = trainer->explore.pool;
  for (uint32_t i = 0; i < pool->count; i++)
    if (pool->terminated[i] || pool->truncated[i])
      metrics_episode(&trainer->state, pool->episode_return[i], pool->episode_length[i]);
}

/* What replays and the rollout keep of slots. */
static void columns_fetch(const Trainer *trainer, const Side *side) {
  const RlcModule *module = trainer->module;
  for (uint32_t s = 0; s < module->source_count; s++)
    for (uint32_t c = 0; c < module->sources[s].column_count; c++)
      side_fetch(side, module->sources[s].columns[c].from_slot);
  for (uint32_t c = 0; c < module->rollout.column_count; c++)
    side_fetch(side, module->rollout.columns[c].from_slot);
}

/* All acting programs of a vector step draw by its number; their streams differ. */
bool collect_act(Trainer *trainer) {
  Actor *actor = &trainer->explore;
  uint64_t seed = trainer->options.seed, number = trainer->state.vector_steps;
  const Side *side = &trainer->acting;
  if (!actor_step(trainer, actor, side, seed, number)) return false;
  if (actor->acting->store != RLC_NONE &&
      !actor_run(trainer, actor, actor->acting->store, side, seed, number))
    return false;
  columns_fetch(trainer, side);
  ReplayStep step = {actor->pool, actor->before, actor->acted, side->memory};
  rollout_keep(&trainer->rollout, &step, side->memory, number);
  for (uint32_t i = 0; i < trainer->module->rollout.column_count; i++)
    side_store(side, trainer->module->rollout.columns[i].slot);
  trainer->state.vector_steps++;
  trainer->state.step += actor->pool->count;
  return true;
}

bool collect_steps(Trainer *trainer, uint64_t count) {
  Actor *actor = &trainer->explore;
  const Side *side = &trainer->acting;
  for (uint64_t i = 0; i < count; i++) {
    if (!collect_act(trainer)) return false;
    ReplayStep step = {actor->pool, actor->before, actor->acted, side->memory};
    for (uint32_t s = 0; s < trainer->module->source_count; s++)
      (trainer->overlap ? replay_stage : replay_append)(trainer->replay[s], &step);
    collect_episodes(trainer);
  }
  actor_observe(actor, side);
  return true;
}
