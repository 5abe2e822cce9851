/* rlc_main of the programs that `make gpu-bench-pack` links: in place of training, updates alone
 * are timed as `rlc bench` times them, and one line is printed for tools/gpu_bench.sh.
 *
 *   NAME CASE SECONDS
 *
 * Environments are stepped before anything is timed, to fill replay and rollout. Within a round
 * programs follow each other without the host waiting; each round ends when the card is done. */
#include <math.h>
#include <stdlib.h>

#include "compiler/measure/bench.h"
#include "runtime/device/device.h"

enum { TEAM = 8 }; /* threads that gather rows, where there are as many processors */

static void print_row(const Trainer *trainer, const char *name, const Figures *figures) {
  const char *where = trainer->device ? device_name(trainer->device) : "the CPU";
  printf("rlc\t%s\t%.6g\t%.0f\t%.0f\t%.6g\t%s\n", name, figures->updates_per_second,
         figures->updates, figures->groups, figures->minimal_mflop, where);
}

int rlc_main(const RlcModule *module, int argc, char **argv) {
  double seconds = argc == 3 ? atof(argv[2]) : 0;
  if (!(seconds > 0)) return fprintf(stderr, "usage: %s CASE SECONDS\n", argv[0]), 1;
  uint32_t processors = team_processors();
  Trainer *trainer = bench_trainer(module, processors && processors < TEAM ? processors : TEAM);
  if (!trainer) return 1;
  Figures figures = {.updates = NAN};
  bool good = bench_updates(trainer, seconds, NULL, &figures);
  if (good)
    print_row(trainer, argv[1], &figures);
  else
    bench_complain(trainer);
  bench_trainer_free(trainer);
  return good ? 0 : 1;
}
