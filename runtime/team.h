/* A team of threads that lives as long as the run, and crews: teams for a while, made of threads of
 * a team that is running a job. Thread 0 is the caller's own; with one thread there are no others.
 */
#ifndef RLC_RUNTIME_TEAM_H
#define RLC_RUNTIME_TEAM_H

#include "runtime/pace.h"
#include "runtime/trainer.h"

typedef struct Team Team;
typedef void (*TeamJob)(void *arg, uint32_t thread, uint32_t threads);

/* Threads that a team can have. */
enum { TEAM_MOST = 4096 };

/* Processors that this process may use; 0 when nobody knows. */
uint32_t team_processors(void);
/* NULL, with a message, when a thread cannot be had. */
Team *team_make(uint32_t threads, RunError *error);
/* A team without threads of its own, to be opened, led and served within a job of `team`. */
Team *crew_make(const Team *team, RunError *error);
void team_free(Team *team);
/* How many threads it has now: of a crew, those that have come so far. */
uint32_t team_size(const Team *team);

/* Runs job(arg, thread, threads) on every thread and returns when all are done. What the caller
 * wrote before is seen by the team, and what the team wrote is seen by the caller. Not to be called
 * from within a job of the same team. */
void team_run(Team *team, TeamJob job, void *arg);

/* The same, or job(arg, 0, 1) where that is found to be faster. */
void team_run_paced(Team *team, Pace *pace, TeamJob job, void *arg);

/* Inside a job: returns when every thread of the team has called it. `team` is a Team (the shape
 * RlcCall.barrier wants). */
void team_barrier(void *team);

/* A crew of `threads`: the caller of team_run (0) and those who serve as 1 .. threads - 1. To be
 * called when nobody serves it any more. */
void crew_open(Team *crew, uint32_t threads);
/* Takes part in all jobs of the crew until it is closed. */
void crew_serve(Team *crew, uint32_t thread);
/* The same as one thread more, from the next job on. */
void crew_join(Team *crew);
/* By its leader: nothing more will be run. */
void crew_close(Team *crew);

#endif
