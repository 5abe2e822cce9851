/* A team of threads that lives as long as the run. Thread 0 is the caller's own; with one thread
 * there are no others. */
#ifndef RLC_RUNTIME_TEAM_H
#define RLC_RUNTIME_TEAM_H

#include "runtime/trainer.h"

typedef struct Team Team;
typedef void (*TeamJob)(void *arg, uint32_t thread, uint32_t threads);

/* Processors that this process may use; 0 when nobody knows. */
uint32_t team_processors(void);
/* NULL, with a message, when a thread cannot be had. */
Team *team_make(uint32_t threads, RunError *error);
void team_free(Team *team);
uint32_t team_size(const Team *team);

/* Runs job(arg, thread, threads) on every thread and returns when all are done. What the caller
 * wrote before is seen by the team, and what the team wrote is seen by the caller. Not to be called
 * from within a job. */
void team_run(Team *team, TeamJob job, void *arg);

/* Inside a job: returns when every thread of the team has called it. `team` is a Team (the shape
 * RlcCall.barrier wants). */
void team_barrier(void *team);

#endif
