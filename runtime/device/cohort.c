/* Runs that go through their programs together: see cohort.h. */
#include "runtime/device/cohort.h"
#include "runtime/rows.h"

#include <pthread.h>
#include <stdlib.h>

typedef enum Standing { COMING, GOING, WAITING, GONE } Standing;

typedef struct Member {
  Standing standing;
  uint64_t step; /* where it is */
  bool aside;    /* what it waits with is aside */
  MirrorRun run; /* what it waits with */
} Member;

struct Cohort {
  Device *device;
  Rest rest;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t launched;
  uint32_t count, busy; /* members; those for whom the others wait */
  Member *members;
  MirrorRun *together; /* [count] of one launch, for a moment */
};

Cohort *cohort_make(const RlcModule *module, uint32_t members, Rest rest, RunError *error) {
  Cohort *cohort = run_take(1, sizeof *cohort, error);
  if (!cohort) return NULL;
  *cohort = (Cohort){.rest = rest, .count = members, .busy = members};
  pthread_mutex_init(&cohort->lock, NULL);
  pthread_cond_init(&cohort->launched, NULL);
  cohort->members = run_take(members, sizeof *cohort->members, error);
  cohort->together = run_take(members, sizeof *cohort->together, error);
  if (cohort->members && cohort->together && (cohort->device = device_open(module, error)))
    return cohort;
  cohort_free(cohort);
  return NULL;
}

void cohort_free(Cohort *cohort) {
  if (!cohort) return;
  device_close(cohort->device);
  pthread_mutex_destroy(&cohort->lock);
  pthread_cond_destroy(&cohort->launched);
  free(cohort->members);
  free(cohort->together);
  free(cohort);
}

Device *cohort_device(const Cohort *cohort) { return cohort->device; }

/* ---- launching ---- */

/* Negative: a's turn is before b's. At the same step what is aside goes first; so of the others
 * none runs a program there more than another that is there. */
static int order(const Member *a, const Member *b) {
  if (a->step != b->step) return a->step < b->step ? -1 : 1;
  return b->aside - a->aside;
}

static const Member *furthest_behind(const Cohort *cohort) {
  const Member *best = NULL;
  for (uint32_t i = 0; i < cohort->count; i++) {
    const Member *member = &cohort->members[i];
    if (member->standing == WAITING && (!best || order(member, best) < 0)) best = member;
  }
  return best;
}

/* Whether a member waits at that place with that program. */
static bool waits_with(const Member *member, const Member *place, uint32_t program) {
  return member->standing == WAITING && order(member, place) == 0 && member->run.program == program;
}

/* Launches a program for all that wait with it at a place. */
static void launch_program(Cohort *cohort, const Member *place, uint32_t program) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < cohort->count; i++) {
    Member *member = &cohort->members[i];
    if (!waits_with(member, place, program)) continue;
    cohort->together[count++] = member->run;
    member->standing = GOING;
  }
  cohort->busy += count;
  mirrors_run(cohort->together, count);
}

/* All wait: launches what the furthest behind of them wait with. */
static void cohort_launch(Cohort *cohort) {
  const Member *behind = furthest_behind(cohort);
  if (!behind) return;
  const Member place = *behind;
  for (uint32_t i = 0; i < cohort->count; i++) {
    uint32_t program = cohort->members[i].run.program;
    if (waits_with(&cohort->members[i], &place, program)) launch_program(cohort, &place, program);
  }
  pthread_cond_broadcast(&cohort->launched);
}

/* One whom the others wait for waits himself, or is gone. */
static void cohort_rests(Cohort *cohort) {
  if (--cohort->busy == 0) cohort_launch(cohort);
}

/* ---- members ---- */

void cohort_come(Cohort *cohort, uint32_t member) {
  pthread_mutex_lock(&cohort->lock);
  cohort->members[member].standing = GOING;
  pthread_mutex_unlock(&cohort->lock);
}

void cohort_leave(Cohort *cohort, uint32_t member) {
  pthread_mutex_lock(&cohort->lock);
  cohort->members[member].standing = GONE;
  cohort_rests(cohort);
  pthread_mutex_unlock(&cohort->lock);
}

/* Notes what a member waits with, and where it is. */
static void member_waits(Member *member, const MirrorRun *run, uint64_t step, bool aside) {
  member->step = step;
  member->aside = aside;
  member->run = *run;
  member->standing = WAITING;
}

void cohort_run(Cohort *cohort, uint32_t number, const MirrorRun *run, uint64_t step, bool aside) {
  Member *member = &cohort->members[number];
  if (member->standing == COMING) {
    mirrors_run(run, 1);
    return;
  }
  mirror_bring(run); /* may wait for the card, and so must not hold up the others */
  pthread_mutex_lock(&cohort->lock);
  member_waits(member, run, step, aside);
  cohort_rests(cohort);
  bool rests = member->standing == WAITING && cohort->rest.give;
  if (rests) cohort->rest.give(cohort->rest.arg);
  while (member->standing == WAITING) pthread_cond_wait(&cohort->launched, &cohort->lock);
  pthread_mutex_unlock(&cohort->lock);
  if (rests) cohort->rest.take(cohort->rest.arg);
}
