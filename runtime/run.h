/* One run of a trainer, from its making to result.json, and what the runs of a process share. */
#ifndef RLC_RUNTIME_RUN_H
#define RLC_RUNTIME_RUN_H

#include "runtime/training.h"

#include <pthread.h>

typedef struct Session {
  const RlcModule *module;
  RlcModule named; /* as directories and texts name it */
  uint32_t count;  /* of runs */
  uint32_t beside; /* of those that have memory at the same time */
  Stop *stop;
  Board *board;         /* NULL: one run, or --quiet */
  pthread_mutex_t lock; /* held while a trainer is made, since what environments load need not be
                           safe for threads; and of `began` */
  double began;         /* when the first run began to train; 0: none has */
} Session;

/* How a run ended. A stopped one has a checkpoint to go on from, and has not made all its steps. */
typedef enum RunEnd { RUN_WAITING, RUN_FAILED, RUN_STOPPED, RUN_FINISHED } RunEnd;

typedef struct Run {
  Session *session;
  uint32_t number;          /* among those of the session */
  char label[32];           /* before messages: "", or "seed 3: " where there are several runs */
  Options options;          /* its own seed, directory and threads */
  char directory[RUN_PATH]; /* once it is made; before that what options.out points to, or empty */
  RunEnd end;
  uint64_t step;
  EvaluationResult result[2]; /* the last evaluation; NAN where there was none */
  RunError error;
} Run;

/* Makes the run's trainer, trains until its steps, the time limit or a signal, and frees it. What
 * became of it is in `end` and below; an error has been told. For any number of runs at once. */
void run_go(Run *run);
/* Whether nothing more should begin: a signal came, or the time is over. */
bool session_over(Session *session, double minutes);

#endif
