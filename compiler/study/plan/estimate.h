/* How long a study will take, from runs that are finished and a few seconds of real training. */
#ifndef RLC_COMPILER_STUDY_PLAN_ESTIMATE_H
#define RLC_COMPILER_STUDY_PLAN_ESTIMATE_H

#include "compiler/study/study.h"
#include "runtime/trainer.h"

typedef struct StudyEstimate {
  double core_seconds; /* of the runs that are left, one after another; NAN: nothing is known */
  double wall_seconds; /* with `cores` runs at once */
  unsigned cores;
  size_t finished; /* runs in the study's folder whose own times count */
  size_t left;     /* runs that are not finished */
  size_t measured; /* jobs that were timed now */
  bool refused;    /* the folder's runs are of something else: nothing was estimated */
  size_t bounded; /* of them those whose loop could not be timed: they take less than was counted */
} StudyEstimate;

/* Runs of this study that are done in its folder, as --output names it, say what their jobs take.
 * Of the other jobs, spread over the study, some are compiled in memory, and the trainer's own loop
 * is timed with its replays full, until session->seconds are over; each run evaluates episodes of
 * full length. A job of neither kind counts as the mean of those in its environment, or of all. */
StudyEstimate study_estimate(Session *session, Study *study);

/* options.c: what the trainer's command line makes of a study's options. False: they are none. */
bool study_run_options(Arena *arena, const Study *study, const RlcModule *module, Options *options);
/* How many evaluations a run makes at most: before its first step, when they are due, at the end.
 */
uint64_t study_evaluations(const Study *study, const Options *options);

#endif
