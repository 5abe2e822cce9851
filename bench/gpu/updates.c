/* rlc_main of the programs that `make gpu-bench-pack` links: in place of training, updates alone
 * are timed as `rlc bench` times them, and one line is printed for tools/gpu_bench.sh.
 *
 *   NAME CASE SECONDS SEEDS
 *
 * Environments are stepped before anything is timed, to fill replay and rollout. Within a round
 * programs follow each other without the host waiting; each round ends when the card is done.
 * Several seeds go together, a thread each; what is told are the updates of all of them. */
#include <math.h>
#include <stdlib.h>

#include "compiler/measure/bench.h"
#include "runtime/device/device.h"

enum { TEAM = 8 }; /* threads that gather rows, where there are as many processors */

typedef struct Measured {
  Trainer *trainer;
  Figures figures;
  bool good;
} Measured;

typedef struct Measuring {
  Cohort *cohort; /* NULL: one seed */
  double seconds;
  uint32_t seeds;
  Measured *each; /* [seeds] */
} Measuring;

static void print_row(const Measuring *all, const char *name) {
  const Measured *first = all->each;
  const Device *device = first->trainer->device;
  double rate = 0, updates = 0;
  for (uint32_t i = 0; i < all->seeds; i++) {
    rate += all->each[i].figures.updates_per_second;
    updates += all->each[i].figures.updates;
  }
  printf("rlc\t%s\t%.6g\t%.0f\t%.0f\t%.6g\t", name, rate, updates, first->figures.groups,
         first->figures.minimal_mflop);
  if (device)
    printf("%s; code of %s\n", device_name(device), device_code(device));
  else
    printf("the CPU\n");
}

/* What one of them does, as a job of a team. */
static void measure(void *arg, uint32_t member, uint32_t members) {
  const Measuring *all = arg;
  Measured *own = &all->each[member];
  (void)members;
  own->good = bench_fill(own->trainer);
  if (all->cohort) cohort_come(all->cohort, member);
  own->good = own->good && bench_updates(own->trainer, all->seconds, NULL, &own->figures);
  if (all->cohort) cohort_leave(all->cohort, member);
}

static bool measure_all(Measuring *all, const RlcModule *module) {
  uint32_t processors = team_processors();
  uint32_t threads = processors && processors < TEAM ? processors : TEAM;
  for (uint32_t i = 0; i < all->seeds; i++) {
    all->each[i].figures.updates = NAN;
    all->each[i].trainer = bench_trainer_make(module, all->seeds > 1 ? 1 : threads, all->cohort, i);
    if (!all->each[i].trainer) return false;
  }
  RunError error;
  Team *team = team_make(all->seeds, &error);
  if (!team) return fprintf(stderr, "error: %s\n", error.text), false;
  team_run(team, measure, all);
  team_free(team);
  for (uint32_t i = 0; i < all->seeds; i++)
    if (!all->each[i].good) return bench_complain(all->each[i].trainer), false;
  return true;
}

int rlc_main(const RlcModule *module, int argc, char **argv) {
  Measuring all = {.seconds = argc == 4 ? atof(argv[2]) : 0};
  if (argc == 4) all.seeds = (uint32_t)atoi(argv[3]);
  if (!(all.seconds > 0) || all.seeds == 0 || all.seeds > TEAM_MOST)
    return fprintf(stderr, "usage: %s CASE SECONDS SEEDS\n", argv[0]), 1;
  RunError error;
  bool together = all.seeds > 1 && module->gpu;
  if (together && !(all.cohort = cohort_make(module, all.seeds, (Rest){0}, &error)))
    return fprintf(stderr, "error: %s\n", error.text), 1;
  all.each = calloc(all.seeds, sizeof *all.each);
  bool good = all.each && measure_all(&all, module);
  if (good) print_row(&all, argv[1]);
  for (uint32_t i = 0; all.each && i < all.seeds; i++) bench_trainer_free(all.each[i].trainer);
  free(all.each);
  cohort_free(all.cohort);
  return good ? 0 : 1;
}
