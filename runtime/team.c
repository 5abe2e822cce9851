/* Threads that meet at gates. A gate is a number that changes each time it opens; whoever waits for
 * it looks a bounded number of times and then sleeps on a futex, so that a waiting team costs
 * nothing for long.
 *
 * The number of the gate behind which jobs start also says how many threads take part. So a thread
 * that joins a crew while a job is under way sees that it is not among them, and waits for the next
 * one, which nobody starts without having counted it. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "runtime/team.h"
#include "runtime/rows.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  TEAM_LOOKS = 4000
}; /* some tens of microseconds: longer than a barrier, shorter than an environment's step */

typedef struct Gate {
  _Alignas(64) atomic_uint opened; /* a number that changes with each opening */
  atomic_uint sleepers;
} Gate;

struct Team {
  Gate start;                       /* jobs started << JOB_SHIFT | threads of the last; CLOSED */
  Gate finish, meet;                /* how often, modulo 2^32 */
  _Alignas(64) atomic_uint arrived; /* at the barrier */
  _Alignas(64) atomic_uint working; /* threads but the caller's that have not finished the job */
  atomic_uint members;              /* threads that the next job has */
  uint32_t width;                   /* that this one has */
  uint32_t made, looks;
  TeamJob job;
  void *arg;
  pthread_t *thread; /* NULL in a crew */
};

enum { JOB_SHIFT = 16 };
static const unsigned CLOSED = UINT_MAX; /* more threads than there can be */

typedef struct Member { /* what a thread is told at its start; it frees this */
  Team *team;
  uint32_t number;
} Member;

static void gate_set(Gate *gate, unsigned number) {
  atomic_store(&gate->opened, number);
  if (atomic_load(&gate->sleepers))
    syscall(SYS_futex, &gate->opened, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

/* By one thread at a time. */
static void gate_open(Gate *gate) { gate_set(gate, atomic_load(&gate->opened) + 1); }

static inline void gate_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Returns once the gate's number is not `seen`. The sleeper counts itself before the kernel
 * compares `opened`, and the opener changes `opened` before it looks at the sleepers, so no wake-up
 * is lost. */
static void gate_wait(Gate *gate, unsigned seen, uint32_t looks) {
  for (uint32_t i = 0; i < looks; i++, gate_pause())
    if (atomic_load(&gate->opened) != seen) return;
  atomic_fetch_add(&gate->sleepers, 1);
  while (atomic_load(&gate->opened) == seen)
    syscall(SYS_futex, &gate->opened, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&gate->sleepers, 1);
}

/* All jobs after the one that `seen` tells of. */
static void team_serve(Team *team, uint32_t thread, unsigned seen) {
  while (seen != CLOSED) {
    gate_wait(&team->start, seen, team->looks);
    seen = atomic_load(&team->start.opened);
    uint32_t width = seen & ((1u << JOB_SHIFT) - 1);
    if (seen == CLOSED || thread >= width) continue;
    team->job(team->arg, thread, width);
    if (atomic_fetch_sub(&team->working, 1) == 1) gate_open(&team->finish);
  }
}

static void *team_member(void *arg) {
  Member member = *(Member *)arg;
  free(arg);
  team_serve(member.team, member.number, 0);
  return NULL;
}

uint32_t team_processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 0 : (uint32_t)CPU_COUNT(&set);
}

/* Looking is only worth while when every thread has a core of its own. */
static uint32_t team_looks(uint32_t threads) {
  uint32_t processors = team_processors();
  return processors == 0 || threads <= processors ? TEAM_LOOKS : 0;
}

static bool team_start(Team *team, uint32_t number, RunError *error) {
  Member *member = run_take(1, sizeof *member, error);
  if (!member) return false;
  *member = (Member){team, number};
  int fault = pthread_create(&team->thread[number], NULL, team_member, member);
  if (!fault) return true;
  free(member);
  return run_fail(error, "thread %u cannot be made: %s", number + 1, strerror(fault));
}

static Team *team_take(uint32_t threads, uint32_t looks, RunError *error) {
  Team *team = aligned_alloc(64, sizeof *team);
  if (!team) {
    run_fail(error, "out of memory for a team of threads");
    return NULL;
  }
  memset(team, 0, sizeof *team);
  team->members = threads;
  team->made = 1;
  team->looks = looks;
  return team;
}

Team *team_make(uint32_t threads, RunError *error) {
  if (threads < 1) threads = 1;
  if (threads > TEAM_MOST) {
    run_fail(error, "%u threads are more than the %d there can be", threads, TEAM_MOST);
    return NULL;
  }
  Team *team = team_take(threads, team_looks(threads), error);
  if (!team) return NULL;
  team->thread = run_take(threads, sizeof *team->thread, error);
  bool good = team->thread != NULL;
  for (; good && team->made < threads; team->made += good)
    good = team_start(team, team->made, error);
  if (good) return team;
  team_free(team);
  return NULL;
}

Team *crew_make(const Team *team, RunError *error) { return team_take(1, team->looks, error); }

void team_free(Team *team) {
  if (!team) return;
  crew_close(team);
  for (uint32_t i = 1; i < team->made; i++) pthread_join(team->thread[i], NULL);
  free(team->thread);
  free(team);
}

uint32_t team_size(const Team *team) { return atomic_load(&team->members); }

void team_run(Team *team, TeamJob job, void *arg) {
  uint32_t width = team_size(team);
  team->width = width;
  if (width == 1) {
    job(arg, 0, 1);
    return;
  }
  unsigned finished = atomic_load(&team->finish.opened);
  unsigned number = atomic_load(&team->start.opened) >> JOB_SHIFT;
  team->job = job;
  team->arg = arg;
  atomic_store(&team->working, width - 1);
  gate_set(&team->start, (number + 1) << JOB_SHIFT | width);
  job(arg, 0, width);
  gate_wait(&team->finish, finished, team->looks);
}

void team_run_paced(Team *team, Pace *pace, TeamJob job, void *arg) {
  if (team_size(team) == 1) {
    job(arg, 0, 1);
    return;
  }
  double start = run_clock();
  if (pace_second(pace))
    job(arg, 0, 1);
  else
    team_run(team, job, arg);
  pace_note(pace, run_clock() - start);
}

void team_barrier(void *arg) {
  Team *team = arg;
  unsigned seen = atomic_load(&team->meet.opened);
  if (atomic_fetch_add(&team->arrived, 1) + 1 < team->width) {
    gate_wait(&team->meet, seen, team->looks);
    return;
  }
  atomic_store(&team->arrived, 0);
  gate_open(&team->meet);
}

/* ---- crews ---- */

void crew_open(Team *crew, uint32_t threads) {
  atomic_store(&crew->members, threads);
  atomic_store(&crew->start.opened, 0);
}

void crew_serve(Team *crew, uint32_t thread) { team_serve(crew, thread, 0); }

void crew_join(Team *crew) {
  unsigned seen = atomic_load(&crew->start.opened); /* before it can be counted */
  team_serve(crew, atomic_fetch_add(&crew->members, 1), seen);
}

void crew_close(Team *crew) { gate_set(&crew->start, CLOSED); }
