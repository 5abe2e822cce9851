/* Measuring a loaded module: what cmd_bench.c prints and bench_*.c find out. */
#ifndef RLC_COMPILER_MEASURE_BENCH_H
#define RLC_COMPILER_MEASURE_BENCH_H

#include <sched.h>

#include "compiler/measure/peak.h"
#include "compiler/measure/watch.h"
#include "runtime/device/cohort.h"
#include "runtime/training.h"

/* The figures of bench.def. */
typedef struct Figures {
#define FIGURE(name, ...) double name;
#include "compiler/measure/bench.def"
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
/* The same with replays empty; as a member of a cohort, which may be NULL, with a seed of its own.
 */
Trainer *bench_trainer_make(const RlcModule *module, uint32_t threads, Cohort *cohort,
                            uint32_t member);
void bench_trainer_free(Trainer *trainer);

/* Prints why measuring ended; of values that are no longer finite, what can be done. */
void bench_complain(const Trainer *trainer);

/* NULL, or why shares of peak say little: a loop of multiply-adds that is more than 5 % away from
 * clock x lanes x ports, alone or around the updates, had not the core to itself. */
const char *bench_doubt(Arena *arena, const Figures *figures, uint32_t threads);

/* NULL, or that more wanted to run than there are processors when measuring began. */
const char *bench_crowd(Arena *arena, const Figures *figures, long processors);

/* Where it is measured: one thread stays on the core where it is, a team is left to the system. */
typedef struct Pinning {
  cpu_set_t before; /* where this thread was allowed to run */
  int core;         /* the one it is pinned to, or -1 */
} Pinning;
Pinning pinning_take(uint32_t threads);
void pinning_leave(const Pinning *pinning);

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

/* ---- bench_updates.c ---- */

/* Groups of updates: what each gave, against the peak around it; and all of them together. */
typedef struct Series {
  Samples rate, share, executed, peak;
  double updates, seconds, minimal, flops;
} Series;

bool series_make(Series *series, RunError *error);
void series_free(Series *series);
/* Updates that do not count, for long enough that each program knows how many threads it takes. */
bool series_warm(Trainer *trainer);
/* Passes through the loop without its collects, for `seconds` and at least a group: a `when` or
 * `every` holds when it would in a run, an `until` at once. `watch`, which may be NULL, gets the
 * time of each step. False when no pass updates, or trainer->error. */
bool series_run(Trainer *trainer, double seconds, Watch *watch, Series *series);
/* FLOPs, rates and shares of peak, of at least one group. */
void series_figures(Series *series, Figures *figures);

/* All of that: updates alone, for `seconds`. */
bool bench_updates(Trainer *trainer, double seconds, Watch *watch, Figures *figures);

/* ---- bench_environment.c ---- */

/* The environment alone: a pool as the trainer's and one instance with nothing around it, both with
 * prepared actions, uniform within bounds. A declared environment has neither: its program runs. */
typedef struct Stepping {
  Pool *pool;
  Env *bare;
  float *actions; /* [vector step][env][act_dim] */
  double *obs;    /* [obs_dim] of the one instance */
  Pace pace;
  uint64_t steps, bare_steps, episode;
} Stepping;

/* Nothing to do without an environment. False: trainer->error, and stepping_free is due. */
bool stepping_make(Trainer *trainer, Stepping *stepping);
void stepping_free(Stepping *stepping);
/* Steps per second of all instances as the trainer steps them, on its team. 0: trainer->error. */
double stepping_run(Trainer *trainer, Stepping *stepping, double seconds);
/* Steps per second of env_step on one thread; NAN of a declared environment. */
double stepping_bare(Stepping *stepping, double seconds);
/* Whether it is known if the team is a gain. */
bool stepping_settled(const Trainer *trainer, const Stepping *stepping);

/* ---- bench_loop.c ---- */

/* The trainer's own loop, which writes its logs to a temporary directory. */
typedef struct Looping {
  char directory[RUN_PATH]; /* removed in the end */
} Looping;

/* What some passes of it made. */
typedef struct Looped {
  double steps, updates, seconds;
} Looped;

/* `looping` must live as long as the trainer's options are used. False: trainer->error, and
 * looping_free is due. */
bool looping_make(Trainer *trainer, Looping *looping);
/* Whether all is `good` up to the last byte of the logs; else trainer->error. */
bool looping_free(Trainer *trainer, Looping *looping, bool good);
/* Whole passes, for `seconds` and at least one. No seconds: trainer->error. */
Looped looping_run(Trainer *trainer, double seconds);

/* ---- bench_rounds.c ---- */

/* What rounds are made of. */
enum { BENCH_UPDATES = 1, BENCH_ENVIRONMENT = 2, BENCH_LOOP = 4, BENCH_ALL = 7 };

/* What the slices of a round gave, a sample of each for a round: steps, updates and steps a second,
 * NAN where that part is not measured; and what the loop made in all rounds together. */
typedef struct Rounds {
  Samples environment, bare, updates, loop;
  double loop_steps, loop_updates;
} Rounds;

bool rounds_make(Rounds *rounds, RunError *error);
void rounds_free(Rounds *rounds);
/* Medians over rounds; the limit and the share of it are those of each round by itself, so that a
 * machine that is slower for some rounds does not tell. Needs series_figures of the same updates.
 * False: `error`. */
bool rounds_figures(Rounds *rounds, Figures *figures, RunError *error);

/* `parts` in turn, for `seconds` a part, after as much of each as it takes to know which ways of
 * running it are faster. */
bool bench_rounds(Trainer *trainer, unsigned parts, double seconds, Figures *figures);

#endif
