/* Collecting: vector steps of the training environments into the replays and the rollout. */
#include "runtime/training.h"

static void collect_episodes(Trainer *trainer) {
  const Pool *pool = trainer->explore.pool;
  for (uint32_t i = 0; i < pool->count; i++)
    if (pool->terminated[i] || pool->truncated[i])
      metrics_episode(&trainer->state, pool->episode_return[i], pool->episode_length[i]);
}

/* All acting programs of a vector step draw by its number; their streams differ. */
bool collect_act(Trainer *trainer) {
  Actor *actor = &trainer->explore;
  uint64_t seed = trainer->options.seed, number = trainer->state.vector_steps;
  if (!actor_step(trainer, actor, trainer->memory, seed, number)) return false;
  if (actor->acting->store != RLC_NONE)
    actor_run(trainer, actor, actor->acting->store, trainer->memory, seed, number);
  ReplayStep step = {actor->pool, actor->before, actor->acted, trainer->memory};
  rollout_keep(&trainer->rollout, &step, trainer->memory, number);
  trainer->state.vector_steps++;
  trainer->state.step += actor->pool->count;
  return true;
}

bool collect_steps(Trainer *trainer, uint64_t count) {
  Actor *actor = &trainer->explore;
  for (uint64_t i = 0; i < count; i++) {
    if (!collect_act(trainer)) return false;
    ReplayStep step = {actor->pool, actor->before, actor->acted, trainer->memory};
    for (uint32_t s = 0; s < trainer->module->source_count; s++)
      replay_append(trainer->replay[s], &step);
    collect_episodes(trainer);
  }
  actor_observe(actor, trainer->memory);
  return true;
}
