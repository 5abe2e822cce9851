/* Threads that meet at gates. A gate is a number that grows by one each time it opens; whoever
 * waits for it looks a bounded number of times and then sleeps on a futex, so that a waiting team
 * costs nothing for long. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "runtime/team.h"
#include "runtime/rows.h"

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
  _Alignas(64) atomic_uint opened; /* how often, modulo 2^32 */
  atomic_uint sleepers;
} Gate;

struct Team {
  Gate start, finish, meet;
  _Alignas(64) atomic_uint arrived; /* at the barrier */
  _Alignas(64) atomic_uint working; /* threads but the caller's that have not finished the job */
  uint32_t threads, made, looks;
  bool quit;
  TeamJob job;
  void *arg;
  pthread_t *thread;
};

typedef struct Member { /* what a thread is told at its start; it frees this */
  Team *team;
  uint32_t number;
} Member;

static void gate_open(Gate *gate) {
  atomic_fetch_add(&gate->opened, 1);
  if (atomic_load(&gate->sleepers))
    syscall(SYS_futex, &gate->opened, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}

static inline void gate_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* Returns once the gate has opened more than `seen` times. The sleeper counts itself before the
 * kernel compares `opened`, and the opener raises `opened` before it looks at the sleepers, so no
 * wake-up is lost. */
static void gate_wait(Gate *gate, unsigned seen, uint32_t looks) {
  for (uint32_t i = 0; i < looks; i++, gate_pause())
    if (atomic_load(&gate->opened) != seen) return;
  atomic_fetch_add(&gate->sleepers, 1);
  while (atomic_load(&gate->opened) == seen)
    syscall(SYS_futex, &gate->opened, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
  atomic_fetch_sub(&gate->sleepers, 1);
}

static void *team_member(void *arg) {
  Member member = *(Member *)arg;
  Team *team = member.team;
  free(arg);
  for (unsigned seen = 0;; seen++) {
    gate_wait(&team->start, seen, team->looks);
    if (team->quit) return NULL;
    team->job(team->arg, member.number, team->threads);
    if (atomic_fetch_sub(&team->working, 1) == 1) gate_open(&team->finish);
  }
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
  return run_fail(error, "thread %u of %u cannot be made: %s", number + 1, team->threads,
                  strerror(fault));
}

Team *team_make(uint32_t threads, RunError *error) {
  Team *team = aligned_alloc(64, sizeof *team);
  if (!team) {
    run_fail(error, "out of memory for a team of threads");
    return NULL;
  }
  memset(team, 0, sizeof *team);
  team->threads = threads ? threads : 1;
  team->made = 1;
  team->looks = team_looks(team->threads);
  team->thread = run_take(team->threads, sizeof *team->thread, error);
  bool good = team->thread != NULL;
  for (; good && team->made < team->threads; team->made += good)
    good = team_start(team, team->made, error);
  if (good) return team;
  team_free(team);
  return NULL;
}

void team_free(Team *team) {
  if (!team) return;
  team->quit = true;
  gate_open(&team->start);
  for (uint32_t i = 1; i < team->made; i++) pthread_join(team->thread[i], NULL);
  free(team->thread);
  free(team);
}

uint32_t team_size(const Team *team) { return team->threads; }

void team_run(Team *team, TeamJob job, void *arg) {
  if (team->threads == 1) {
    job(arg, 0, 1);
    return;
  }
  unsigned seen = atomic_load(&team->finish.opened);
  team->job = job;
  team->arg = arg;
  atomic_store(&team->working, team->threads - 1);
  gate_open(&team->start);
  job(arg, 0, team->threads);
  gate_wait(&team->finish, seen, team->looks);
}

void team_barrier(void *arg) {
  Team *team = arg;
  if (team->threads == 1) return;
  unsigned seen = atomic_load(&team->meet.opened);
  if (atomic_fetch_add(&team->arrived, 1) + 1 < team->threads) {
    gate_wait(&team->meet, seen, team->looks);
    return;
  }
  atomic_store(&team->arrived, 0);
  gate_open(&team->meet);
}
