/* What is measured, and where: a trainer with data, on a thread that stays on its core. */
#define _GNU_SOURCE /* sched_setaffinity */
#include "compiler/measure/bench.h"

#include <math.h>
#include <stdlib.h>

static const uint64_t STEPS = 1000000000000; /* of the run that is measured: it never gets there */

Trainer *bench_trainer_make(const RlcModule *module, uint32_t threads, Cohort *cohort,
                            uint32_t member) {
  const Options options = {.steps = STEPS,
                           .seed = 1 + member,
                           .threads = threads,
                           .cohort = cohort,
                           .member = member,
                           .log_every = 1000,
                           .eval_episodes = 1,
                           .quiet = true,
                           .no_replay = true};
  Trainer *trainer = calloc(1, sizeof *trainer);
  if (!trainer) return fprintf(stderr, "error: out of memory\n"), NULL;
  Stop *stop = stop_make(&trainer->error);
  bool good = stop && trainer_make(trainer, module, &options);
  trainer->stop = stop;
  if (good) return trainer;
  bench_complain(trainer);
  bench_trainer_free(trainer);
  return NULL;
}

Trainer *bench_trainer(const RlcModule *module, uint32_t threads) {
  Trainer *trainer = bench_trainer_make(module, threads, NULL, 0);
  if (!trainer || bench_fill(trainer)) return trainer;
  bench_complain(trainer);
  bench_trainer_free(trainer);
  return NULL;
}

void bench_complain(const Trainer *trainer) {
  fprintf(stderr, "error: %s\n", trainer->error.text);
  if (!trainer->diverged) return;
  fprintf(
      stderr,
      "  that is the specification's own course: measuring makes more updates than a short study, "
      "and needs values that stay finite; lower rates take the same time\n");
}

void bench_trainer_free(Trainer *trainer) {
  if (!trainer) return;
  Stop *stop = trainer->stop;
  trainer_free(trainer);
  stop_free(stop);
  free(trainer);
}

const char *bench_doubt(Arena *arena, const Figures *figures, uint32_t threads) {
  static const double apart = 0.05;
  double alone = figures->core_gflops / figures->limit_gflops - 1;
  double around = figures->peak_gflops / (threads * figures->limit_gflops) - 1;
  if (fabs(alone) > apart)
    return arena_printf(arena,
                        "one core does %.1f GFLOP/s of multiply-adds, where its clock x lanes x "
                        "ports are %.1f",
                        figures->core_gflops, figures->limit_gflops);
  if (fabs(around) > apart)
    return arena_printf(arena,
                        "around the updates %u thread%s did %.1f GFLOP/s of multiply-adds, where "
                        "clock x lanes x ports are %.1f",
                        threads, threads == 1 ? "" : "s", figures->peak_gflops,
                        threads * figures->limit_gflops);
  return NULL;
}

const char *bench_crowd(Arena *arena, const Figures *figures, long processors) {
  if (!(figures->load_average > (double)processors)) return NULL;
  return arena_printf(arena, "the load was %.1f on %ld processor%s before measuring",
                      figures->load_average, processors, processors == 1 ? "" : "s");
}

Pinning pinning_take(uint32_t threads) {
  Pinning pinning = {.core = -1};
  if (threads != 1 || sched_getaffinity(0, sizeof pinning.before, &pinning.before)) return pinning;
  int core = sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  if (core < 0 || core >= CPU_SETSIZE) return pinning;
  CPU_SET(core, &one);
  if (sched_setaffinity(0, sizeof one, &one) == 0) pinning.core = core;
  return pinning;
}

void pinning_leave(const Pinning *pinning) {
  if (pinning->core >= 0) sched_setaffinity(0, sizeof pinning->before, &pinning->before);
}
