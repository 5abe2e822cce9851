/* What the parts of the runtime share: the trainer's state, and the services of logging,
 * checkpoints and run directories. trainer.c, actor.c, collect.c, evaluate.c, replay.c and team.c
 * work on it; log.c, tfevents.c, checkpoint.c, rundir.c and options.c serve it. */
#ifndef RLC_RUNTIME_TRAINER_H
#define RLC_RUNTIME_TRAINER_H

#include "runtime/rlc.h"
#include <stdbool.h>
#include <stdio.h>

/* ---- options.c ---- */

/* One more line of provenance.json that the caller knows, such as {"mujoco", "3.2.7"}. */
typedef struct Fact {
  const char *name, *value;
} Fact;

typedef struct Options {
  uint64_t steps;      /* --steps: environment steps over all environments (default 1,000,000) */
  uint64_t seed;       /* --seed (default 1) */
  uint32_t seeds;      /* --seeds (default 1): runs, whose seeds begin with `seed` */
  uint32_t threads;    /* --threads (default: 1) */
  const char *out;     /* --out: run directory; default runs/{env}__{name}__{seed}__{time} */
  const char *resume;  /* --resume DIR: go on from the directory's newest good checkpoint; implies
                          --out DIR */
  const char *data;    /* --data: folder of the files that fill replays, else as the spec says */
  uint64_t eval_every; /* --eval-every (default: the spec's, else 10,000; 0: only at the start and
                          the end) */
  uint32_t eval_episodes;    /* --eval-episodes (default: the spec's, else 10) */
  uint64_t checkpoint_every; /* --checkpoint-every (default 100,000; 0: only at the end) */
  double checkpoint_minutes; /* --checkpoint-minutes: wall time between checkpoints (default 0:
                                none); results do not depend on it */
  uint64_t log_every;        /* --log-every (default 1,000): steps between lines of progress.csv */
  bool quiet;                /* --quiet: no progress line */
  bool no_replay; /* --no-replay: checkpoints without the replay (smaller; resume then refills) */
  double stop_after; /* --minutes: wall-clock limit, 0 none: a clean stop with checkpoint */
  uint32_t given;    /* bit per row of options.def: on the command line */
  int argc;          /* the command line, for provenance.json */
  char **argv;
  const char *launcher; /* set by the caller: the command that compiles and runs, as "rlc train";
                           NULL in a trainer's own program */
  const Fact *facts;    /* set by the caller before rundir_make, or left empty */
  size_t fact_count;
  /* Set by the caller before rundir_make: the card that programs run on, and their code; or NULL */
  const char *gpu, *gpu_code;
  struct Cohort *cohort; /* set by the caller: the runs on a card with which this one goes together,
                          or NULL */
  uint32_t member;       /* its number among those */
} Options;

/* Reads the options; unknown ones are refused with the nearest name, values with what was expected.
 * Prints --help itself. Returns -1 to go on, else the exit status. */
int options_read(Options *options, const RlcModule *module, int argc, char **argv);

/* Whether there is an option that has such a value; a flag has "true" or "false". Fills `expected`
 * with what a value is when the option is there and the value is not good. */
typedef enum OptionAnswer { OPTION_GOOD, OPTION_UNKNOWN, OPTION_VALUE } OptionAnswer;
OptionAnswer option_check(const char *name, const char *value, char expected[80]);
/* Whether an option, which must be there, was on the command line. */
bool option_given(const Options *options, const char *name);
/* From now on it counts as if it had been: no run directory changes its value. */
void option_hold(Options *options, const char *name);
/* Whether there is such an option and it takes no value. */
bool option_is_flag(const char *name);

/* Monotonic seconds. */
double run_clock(void);

/* ---- errors ---- */

/* One error of a run: every fallible call fills it and returns false; main prints "error: ..." and
 * exits with 1. */
typedef struct RunError {
  char text[1024];
  bool memory; /* there was not enough of it */
} RunError;
bool run_fail(RunError *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for memory that is not there. */
bool run_fail_memory(RunError *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- log.c, tfevents.c: everything below writes into the run directory ---- */

typedef struct Log Log;

/* A value to be logged under a name like "losses/critic" or "charts/SPS". */
typedef struct LogValue {
  const char *name;
  double value;
} LogValue;

/* Lengths of the four files: progress.csv, metrics.jsonl, evaluations.csv, events. */
typedef struct LogMark {
  uint64_t bytes[4];
} LogMark;

/* Opens (or, with resumed_step > 0, truncates to the checkpoint's recorded lengths and reopens)
 * progress.csv, metrics.jsonl, evaluations.csv and the TensorBoard event file. Column names are
 * fixed here: `names` of training lines, `eval_names` of evaluation lines. All memory is taken
 * here. NULL after filling error. */
Log *log_open(const char *directory, const char *const *names, size_t count,
              const char *const *eval_names, size_t eval_count, const LogMark *resume,
              RunError *error);
/* One line of training values at an environment step (values[i] belongs to names[i]; NAN prints as
 * empty). False on a full disk etc. */
bool log_line(Log *log, uint64_t step, const double *values, RunError *error);
bool log_evaluation(Log *log, uint64_t step, const double *values, RunError *error);
/* Lengths of all files now, for the checkpoint, after flushing them. */
bool log_mark(Log *log, LogMark *mark, RunError *error);
bool log_close(Log *log, RunError *error);

/* The one-line progress display on standard error (a terminal: redrawn in place; else a line every
 * ~10 s): return, steps/s, updates/s, time left. */
typedef struct Progress {
  uint64_t step, steps, updates;
  double episode_return, eval_return; /* NAN until known */
  double seconds;                     /* wall clock of this process's training */
  uint64_t start_step, start_updates; /* where this process began (resume) */
  double shown; /* progress_show's own: `seconds` at its last print; keep one Progress for a whole
                   run */
  double limit_seconds; /* of --minutes; 0: none */
  struct Board *board;  /* where there are several runs: it shows all of them; else NULL */
  uint32_t run;         /* which of them this is */
} Progress;
/* Call it as often as wished: it prints at most 5 times a second on a terminal, every 10 s
 * elsewhere, and always when `last`. Its percentage is of the run: of its steps, or of its time
 * limit where that comes sooner. */
void progress_show(Progress *progress, bool last);
/* The same within an evaluation that began at `began`, once it takes over two seconds: `done` of at
 * most `most` vector steps, 0 where nobody knows. */
void progress_evaluating(Progress *progress, double began, uint64_t done, uint64_t most);

/* The progress of several runs in one line, which their Progress points to. Of as many as there
 * are, each may be shown by a thread of its own. */
typedef struct Board Board;
/* `limit`: seconds of --minutes, 0: none. */
Board *board_make(uint32_t runs, double limit, RunError *error);
/* Nothing is left to do for a run: it has finished, or failed. */
void board_leave(Board *board, uint32_t run, bool failed);
/* Shows the last line. */
void board_close(Board *board);
void board_free(Board *board);
/* A message on standard error that the line gives way to. `board` may be NULL. */
void board_say(Board *board, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- checkpoint.c: safetensors for tensors, JSON for the rest; written to a temporary name,
 * fsynced, renamed ---- */

/* Named blobs of bytes that make up the non-tensor state (replay, pool, evaluation, accumulators).
 */
typedef struct Blob {
  const char *name;
  void *data;
  uint64_t bytes; /* on loading: the capacity; the stored size must be equal unless `partial` */
  bool partial;
} Blob;

/* Counters and identity saved as JSON. */
typedef struct CheckpointInfo {
  uint64_t step, iteration, updates, seed,
      spec_hash;         /* spec_hash: checkpoint_save takes it from the module */
  uint64_t counters[16]; /* the trainer's own, to be read by people: vector steps, episodes,
                            evaluations, runs of the loop's programs, shuffles; the first and
                            the last two are draw counters */
  LogMark log;
  double seconds; /* training wall clock so far */
} CheckpointInfo;

/* Writes DIR/checkpoints/NAME.safetensors (all parameter, target, optimiser and state slots in
 * plain row-major order, F32, F64 or I32, dims' axis names in the metadata), NAME.blobs (unless no
 * blobs) and NAME.json, then DIR/checkpoints/latest.json pointing at it; keeps the two newest. A
 * crash at any moment leaves the previous checkpoint usable. Allocates nothing. */
bool checkpoint_save(const char *directory, const RlcModule *module, const char *memory,
                     const CheckpointInfo *info, const Blob *blobs, size_t blob_count,
                     RunError *error);
/* Loads the newest good checkpoint: verifies sizes, names, shapes, types, checksums and spec hash
 * before anything is copied, so nothing is half loaded. A damaged newest one is named in a warning
 * on standard error and the one before it is taken; when none is good, the error lists what is
 * wrong with each. A `partial` blob that the file lacks is left as it is (--no-replay). The seed
 * comes back in info->seed: the caller compares it with --seed, where that was given. */
bool checkpoint_load(const char *directory, const RlcModule *module, char *memory,
                     CheckpointInfo *info, const Blob *blobs, size_t blob_count, RunError *error);
/* The same for somebody who only looks, perhaps while the run goes on: changes nothing in the
 * directory, and leaves out blobs of the file that are not in the list. */
bool checkpoint_look(const char *directory, const RlcModule *module, char *memory,
                     CheckpointInfo *info, const Blob *blobs, size_t blob_count, RunError *error);

/* ---- rundir.c ---- */

/* The module as directories and texts name it: one without an environment has "none". */
RlcModule module_named(const RlcModule *module);
/* Creates the run directory (an existing non-empty one is refused unless resuming), writes
 * config.yaml (resolved spec), provenance.json (spec hash, compiler, flags, target, CPU model,
 * MuJoCo version, options, start time, host name left out). */
bool rundir_make(const Options *options, const RlcModule *module, char *directory, size_t size,
                 RunError *error);
/* How often a run was begun or gone on with: its provenance files. */
int rundir_sessions(const char *directory);
/* The path of the number-th of them, from 1: provenance.json, provenance-2.json ... `file` has
 * OUTPUT_PATH bytes. False with an error when that is too few. */
bool rundir_provenance(char *file, const char *directory, int number, RunError *error);
/* How many seeds' runs it was made for, and the first of them: 1 where it is one run's own, or
 * cannot be read. Those of several lie in it, each in a directory of its own. */
uint32_t rundir_seeds(const char *directory, uint64_t *first);
/* Two processes must not write into one run directory. `lock` is a descriptor that holds it until
 * it is closed, or -1; file systems without locks are let be. */
bool rundir_lock(const char *directory, int *lock, RunError *error);
/* Whether any directory can be read and holds nothing; *reason is errno when it cannot be read,
 * else 0. */
bool rundir_empty(const char *path, int *reason);
/* On resume: takes over from the newest provenance file what the command line leaves open. */
void rundir_adopt(Options *options);
/* On resume, before the next provenance file: a note to standard error where the compiler, the card
 * or its code is not what the last one says, so that results may not be the same to the bit. */
void rundir_compare(const Options *options, const RlcModule *module);
/* On resume, once the checkpoint has been read: the next provenance file. */
bool rundir_resumed(const Options *options, const RlcModule *module, RunError *error);
/* DIR/result.json: final step, updates, mean evaluation returns, seconds, each thread's share of
 * work items. */
bool rundir_result(const char *directory, const LogValue *values, size_t count, RunError *error);

#endif
