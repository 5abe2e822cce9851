/* Collecting: vector steps of the training environments into the replays and the rollout. Where
 * acting goes on beside learning, replays get their rows at the end of the pass. */
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
  const Side *side = &trainer->acting;
  if (!actor_step(trainer, actor, side, seed, number)) return false;
  if (actor->acting->store != RLC_NONE)
    actor_run(trainer, actor, actor->acting->store, side, seed, number);
  ReplayStep step = {actor->pool, actor->before, actor->acted, side->memory};
  rollout_keep(&trainer->rollout, &step, side->memory, number);
  trainer->state.vector_steps++;
  trainer->state.step += actor->pool->count;
  return true;
}

bool collect_steps(Trainer *trainer, uint64_t count) {
  Actor *actor = &trainer->explore;
  char *memory = trainer->acting.memory;
  for (uint64_t i = 0; i < count; i++) {
    if (!collect_act(trainer)) return false;
    ReplayStep step = {actor->pool, actor->before, actor->acted, memory};
    for (uint32_t s = 0; s < trainer->module->source_count; s++)
      (trainer->overlap ? replay_stage : replay_append)(trainer->replay[s], &step);
    collect_episodes(trainer);
  }
  actor_observe(actor, memory);
  return true;
}
