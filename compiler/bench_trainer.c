/* What is measured, and where: a trainer with data, on a thread that stays on its core. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "compiler/bench.h"

#include <stdlib.h>

static const uint64_t STEPS = 1000000000000; /* of the run that is measured: it never gets there */

Trainer *bench_trainer(const RlcModule *module, uint32_t threads) {
  const Options options = {.steps = STEPS,
                           .seed = 1,
                           .threads = threads,
                           .log_every = 1000,
                           .eval_episodes = 1,
                           .quiet = true,
                           .no_replay = true};
  Trainer *trainer = calloc(1, sizeof *trainer);
  if (!trainer) return fprintf(stderr, "error: out of memory\n"), NULL;
  if (trainer_make(trainer, module, &options) && bench_fill(trainer)) return trainer;
  fprintf(stderr, "error: %s\n", trainer->error.text);
  bench_trainer_free(trainer);
  return NULL;
}

void bench_trainer_free(Trainer *trainer) {
  if (trainer) trainer_free(trainer);
  free(trainer);
}

Place place_take(uint32_t threads) {
  Place place = {.core = -1};
  if (threads != 1 || sched_getaffinity(0, sizeof place.before, &place.before)) return place;
  int core = sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  if (core < 0 || core >= CPU_SETSIZE) return place;
  CPU_SET(core, &one);
  if (sched_setaffinity(0, sizeof one, &one) == 0) place.core = core;
  return place;
}

void place_leave(const Place *place) {
  if (place->core >= 0) sched_setaffinity(0, sizeof place->before, &place->before);
}
