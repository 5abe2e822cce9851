/* Making the runs of a study in its folder. The folder is the only state:
 *
 *   DIR/study.yaml, study.json        the study's file, and what it came to
 *   DIR/study.lock                    held while a command compares, writes and compiles
 *   DIR/trainers/HASH-BUILD           one executable for each distinct program and build of rlc
 *   DIR/runs/POINT/ENV/seed-N/        the trainer's own run directory
 *   DIR/runs/POINT/ENV/seed-N.json    what it was begun with, and how it failed
 *   DIR/runs/POINT/ENV/seed-N.log     what the trainer said
 *   DIR/runs/POINT/ENV/seed-N.lock    held by whoever makes the run, and by its trainer
 *
 * Any number of commands, on any number of machines, may work on one folder: who holds a run's lock
 * makes it. A lock goes with its holder, so nothing that was killed has to be cleaned up. */
#ifndef RLC_COMPILER_STUDY_RUN_RUN_H
#define RLC_COMPILER_STUDY_RUN_RUN_H

#include "compiler/study/study.h"

#include <sys/types.h>

/* What every part works on. */
typedef struct Runner {
  Session *session;
  Study *study;
  Arena *arena;
  const char *folder; /* of the study */
} Runner;

/* Makes every run of the study that is not done, by the session's --launcher, and shows how they
 * go. Returns the exit status: 0 when every run is done or has failed, which is said; 1 when
 * something stood in the way or runs are left; 128 + the signal that ended it. */
int study_run(Session *session, Study *study);

/* What `study_run` would say of the study's folder, if it is there, before it writes anything;
 * finds the runs that are dropped. False after messages: it would refuse. `say`: those too. */
bool study_check(Session *session, Study *study, bool say);

/* How many runs at once: --jobs, else the cores there are. */
size_t runner_jobs(const Runner *runner);

/* ---- folder.c ---- */

/* The folder of a study: --output, else studies/NAME. */
const char *folder_path(Session *session, const Study *study);
/* Makes a directory and those above it. False after a message. */
bool folder_make(const char *path);
/* Writes study.yaml and study.json, each as a whole or not at all. False after a message. */
bool folder_write(const Runner *runner);
/* Removes a directory with all that is in it, or a file; of a link the link alone, wherever it
 * leads. Others may remove it too meanwhile. False after a message. */
bool folder_remove(const char *path);

/* ---- record.c: what a run was begun with, and how it failed ---- */

typedef struct StudyRecord {
  bool found;
  const char *hash;     /* of its job */
  const char *options;  /* that decide its results, as on a command line */
  const char *trainer;  /* its file's name: what was begun by one build of rlc stays with it */
  const char *compiler; /* that made the trainer, with its version; NULL: not known */
  const char *failure;  /* what it said last; NULL: it has not failed */
  int status;           /* that it failed with; a signal counts 128 more */
} StudyRecord;

/* The options that every run of the study is made with, as a record has them. */
const char *record_options(const Runner *runner);
/* Reads the record of a run; one that cannot be read is an error, none is not. */
bool record_read(const Runner *runner, const StudyRun *run, StudyRecord *record);
/* The record of a run that begins, or that goes on with the trainer that began it. */
bool record_begin(const Runner *runner, const StudyRun *run, bool anew, StudyRecord *record);
bool record_write(const Runner *runner, const StudyRun *run, const StudyRecord *record);

/* ---- state.c ---- */

/* Sets state and failure of every run to what the folder says. False after a message: something
 * cannot be read. */
bool study_states(const Runner *runner);
/* The same of one run. `claimed`: the caller holds its lock. */
bool study_state(const Runner *runner, StudyRun *run, bool claimed);
/* Whether all that is there was made with the programs and options of this study; says of each
 * point for which it was not what to do. */
bool study_matches(const Runner *runner);
/* A number of a run's result.json; NAN when it is not there. */
double run_result(const Runner *runner, const StudyRun *run, const char *key);

/* ---- identity.c ---- */

/* How the directory of a run is another run than its record says, by its provenance.json: it was
 * moved there or edited by hand. NULL: it is not, or there is none. */
const char *run_foreign(const Runner *runner, const StudyRun *run, const StudyRecord *record);
/* False after a message: the folder is another study's, by its name. */
bool study_is_here(const Runner *runner);
/* Whether the study asks for the runs that study.json has, of the same programs with the same
 * options: workers may begin long after their study was prepared. False after a message. */
bool study_prepared(const Runner *runner);
/* Finds the runs in the folder that the study does not ask for, in order. */
void study_dropped(const Runner *runner);
/* Says them, on standard output. */
void study_dropped_say(const Runner *runner);

/* ---- claim.c ---- */

enum { CLAIM_TAKEN = -1, CLAIM_FAULT = -2 };
/* Takes the lock at `path` and returns its descriptor, closed on exec; CLAIM_TAKEN when someone
 * else has it and `wait` is false; CLAIM_FAULT after a message. */
int claim_take(const char *path, bool wait);
/* The path of a run's lock. */
const char *claim_path(const Runner *runner, const StudyRun *run);

/* ---- trainers.c ---- */

/* The name of the executable of a job, as this build of rlc makes it: another build, whose code
 * generator or runtime may give other results, has others. */
const char *trainer_name(const Runner *runner, const StudyJob *job);
const char *trainer_path(const Runner *runner, const char *name);
/* Says which runs another build began: done ones are kept, others go on with its trainers, and
 * begin anew where these are gone. */
void trainers_tell(const Runner *runner);
/* Compiles those that are not there, several at once. False after messages. */
bool trainers_build(const Runner *runner);

/* ---- progress.c ---- */

/* How far a run is, by its own files. */
typedef struct StudyProgress {
  uint64_t step;
  double value; /* the last of the study's metric; NAN: none yet */
} StudyProgress;
StudyProgress study_progress(const Runner *runner, const StudyRun *run);
/* The last value of a column of a CSV file, by its whole name; NAN where there is none. */
double csv_last(const char *path, const char *column);

/* ---- child.c ---- */

/* A trainer that runs. */
typedef struct StudyChild {
  pid_t pid;
  size_t run;
  int lock;
  long logged;       /* bytes of its log before it began */
  int sessions;      /* provenance files that the run had before */
  double began;      /* monotonic seconds */
  double first_seen; /* when its first step was seen, and which that was; 0: none yet */
  uint64_t first_step;
  StudyProgress progress; /* when it was last looked at */
  double rate;            /* steps a second; 0: not known yet */
} StudyChild;

typedef enum StudyEnd {
  END_DONE,
  END_FAILED,      /* by itself, and recorded */
  END_INTERRUPTED, /* by a signal, or by its own time limit */
  END_NOT_BEGUN,   /* it ended before the run began: the machine, not the run, is at fault */
  END_FULL,        /* no room on the disk */
  END_UNREADABLE,  /* its record cannot be read, which has been said */
} StudyEnd;

/* Starts the trainer of a run whose lock the caller holds, from its checkpoint if it has one. The
 * child holds the lock from then on. False after a message: no trainer can be started at all. */
bool child_start(const Runner *runner, StudyChild *child);
/* What its end means, after writing the record of a failure; `text` gets what it said last. */
StudyEnd child_end(const Runner *runner, const StudyChild *child, int status, char text[1024]);
/* Looks how far it is. */
void child_look(const Runner *runner, StudyChild *child);

/* ---- local.c ---- */

typedef struct StudyLocal {
  const Runner *runner;
  StudyChild *children;
  size_t count, limit;
  bool *tried;                 /* [run_count] begun by this process, so not again */
  int signal;                  /* that asked for an end; 0: none */
  bool broken;                 /* something stands in the way of all runs */
  size_t not_begun;            /* in a row */
  size_t others;               /* runs that others made at the last look, */
  double look_next, look_wait; /* and when the next one is due, and how long that was to wait */
  double busy;                 /* when there was last something to make, or to begin */
  struct StudyTable *table;
} StudyLocal;

/* Makes runs on this machine until none can be begun. Returns the exit status. */
int local_run(const Runner *runner);

/* ---- table.c ---- */

typedef struct StudyTable StudyTable;
StudyTable *table_make(const Runner *runner);
/* Something happened to a run: a line of its own, on a terminal only when it is `important`. */
void table_event(StudyTable *table, const StudyRun *run, bool important, const char *what);
/* A line of its own. */
void table_say(StudyTable *table, const char *what);
/* Shows all that runs, on a terminal in place of what it showed last. */
void table_show(StudyTable *table, const StudyLocal *local);
/* Takes the table from the terminal until it is shown again: before everything that may write to
 * standard error, for what stands below the table goes with it. */
void table_clear(StudyTable *table);

/* The last words: counts, failures, how to go on. Returns the exit status: 128 + `signal` if that
 * is not 0, 1 when runs are left, else 0. */
int study_sum_up(const Runner *runner, int signal);

/* ---- cluster.c ---- */

/* Hands the runs to Slurm's array jobs or to mpirun. Returns the exit status. */
int slurm_run(const Runner *runner);
int mpi_run(const Runner *runner);

#endif
