/* Runs of a process that share a card and go through their programs together. Those that are at the
 * same program are one launch, in which each has blocks of its own: what it computes is, to the
 * bit, what it would alone. */
#ifndef RLC_RUNTIME_DEVICE_COHORT_H
#define RLC_RUNTIME_DEVICE_COHORT_H

#include "runtime/device/device.h"

typedef struct Cohort Cohort;

/* What a thread gives to others while it waits for a launch, and takes again behind it; functions
 * may be NULL. */
typedef struct Rest {
  void (*give)(void *arg);
  void (*take)(void *arg);
  void *arg;
} Rest;

/* A card for `members` runs, each numbered and with one thread that runs its programs. NULL, with
 * what is missing, as device_open. */
Cohort *cohort_make(const RlcModule *module, uint32_t members, Rest rest, RunError *error);
void cohort_free(Cohort *cohort);
Device *cohort_device(const Cohort *cohort);

/* Nothing is launched for those who have come until every member has come or left. What a member
 * runs before it comes is run at once. */
void cohort_come(Cohort *cohort, uint32_t member);
/* It runs no more; for members that never came, too. */
void cohort_leave(Cohort *cohort, uint32_t member);

/* Runs a program when all members wait: those that are furthest behind go first, so that runs that
 * got out of step, as in episodes of different lengths, find together again. `step` is where the
 * run is and never becomes less; at the same step those go first whose program is `aside`, as in an
 * evaluation. */
void cohort_run(Cohort *cohort, uint32_t member, const MirrorRun *run, uint64_t step, bool aside);

#endif
