/* Measuring a loaded module: what cmd_bench.c prints and bench_*.c find out. */
#ifndef RLC_COMPILER_BENCH_H
#define RLC_COMPILER_BENCH_H

#include <sched.h>

#include "compiler/peak.h"
#include "compiler/watch.h"
#include "runtime/training.h"

/* The figures of bench.def. */
typedef struct Figures {
#define FIGURE(name, ...) double name;
#include "compiler/bench.def"
} Figures;

/* Times of groups of work, room for SAMPLES_MOST. */
enum { SAMPLES_MOST = 65536 };
typedef struct Samples {
  double *value;
  size_t count;
} Samples;

/* A trainer of the module with its replays filled, or NULL after a message; free it with
 * bench_trainer_free. */
Trainer *bench_trainer(const RlcModule *module, uint32_t threads);
void bench_trainer_free(Trainer *trainer);

/* Prints why measuring ended; of values that are no longer finite, what can be done. */
void bench_complain(const Trainer *trainer);

/* NULL, or why shares of peak say little: a loop of multiply-adds that is more than 5 % away from
 * clock x lanes x ports, alone or around the updates, had not the core to itself. */
const char *bench_doubt(Arena *arena, const Figures *figures, uint32_t threads);

/* Where it is measured: one thread stays on the core where it is, a team is left to the system. */
typedef struct Place {
  cpu_set_t before; /* where this thread was allowed to run */
  int core;         /* the one it is pinned to, or -1 */
} Place;
Place place_take(uint32_t threads);
void place_leave(const Place *place);

bool samples_make(Samples *samples, RunError *error);
void samples_free(Samples *samples);
/* Drops what does not fit. */
void samples_add(Samples *samples, double value);
/* Sorts them. NAN when there are none. */
double samples_median(Samples *samples);

/* Fills every replay up to its capacity: some thousand real steps of the training environments with
 * the actions that the spec explores with, then these again and again; and the rollout with the
 * last of them. The counter `step` stands behind them. Nothing to do without an environment. False:
 * trainer->error. */
bool bench_fill(Trainer *trainer);

/* Passes through the loop without its collects, for `seconds`: updates, FLOPs, share of peak. A
 * `when` or `every` holds when it would in a run, an `until` at once. `watch`, which may be NULL,
 * gets the time of each step. False when no pass updates, or trainer->error. */
bool bench_updates(Trainer *trainer, double seconds, Watch *watch, Figures *figures);

/* The environment in a pool as the trainer steps it, on the trainer's team, and one instance by
 * env_step alone; actions are prepared, uniform within bounds. Of a declared environment, its
 * program. */
bool bench_environment(Trainer *trainer, double seconds, Figures *figures);

/* The trainer's own loop for `seconds`, writing its logs to a temporary directory that is removed.
 * To be called after bench_updates, whose counts of FLOPs it uses. */
bool bench_end_to_end(Trainer *trainer, double seconds, Figures *figures);

#endif
