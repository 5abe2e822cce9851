/* What the files that make runs share; everybody else includes run.h. */
#ifndef RLC_COMPILER_STUDY_RUN_RUN_PARTS_H
#define RLC_COMPILER_STUDY_RUN_RUN_PARTS_H

#include "compiler/study/run/run.h"

#include <sys/types.h>

/* How many runs at once: --jobs, else the cores there are. */
size_t runner_jobs(const Runner *runner);

/* The words of a command line with which programs are the same, --target and --march and --prelude,
 * as far as they were given; returns how many. */
enum { PROGRAM_WORDS = 6 };
size_t program_words(const Session *session, const char *words[PROGRAM_WORDS]);
/* The command that goes on with the study. */
const char *study_again(const Runner *runner);

/* ---- trainers.c ---- */

/* The name of the executable of a job, as this build of rlc makes it: another build, whose code
 * generator or runtime may give other results, has others. */
const char *trainer_name(const Runner *runner, const StudyJob *job);
/* The record of a run that begins, or that goes on with the trainer that began it. */
bool record_begin(const Runner *runner, const StudyRun *run, bool anew, StudyRecord *record);
/* Says which runs another build began: done ones are kept, others go on with its trainers, and
 * begin anew where these are gone. */
void trainers_tell(const Runner *runner);
/* Compiles those that are not there, several at once. False after messages. */
bool trainers_build(const Runner *runner);
/* After runs that could not begin: how trainers that a card or its driver refuses are made anew,
 * since those that are there stay. Says nothing for a CPU. */
void trainers_refused_tell(const Runner *runner);

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
  bool refused;                /* some run could not begin */
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
