/* How long a study will take, from a few seconds of real training. */
#ifndef RLC_COMPILER_STUDY_PLAN_ESTIMATE_H
#define RLC_COMPILER_STUDY_PLAN_ESTIMATE_H

#include "compiler/study/study.h"

typedef struct StudyEstimate {
  double core_seconds; /* of all runs, one after another; NAN: nothing could be measured */
  double wall_seconds; /* with `cores` runs at once */
  unsigned cores;
  size_t measured; /* jobs */
} StudyEstimate;

/* Compiles jobs in memory, spread over the study, and times the trainer's own loop on each with its
 * replays full, until session->seconds are over; each run evaluates episodes of full length. A job
 * that was not measured counts as the mean of those in its environment, or of all. */
StudyEstimate study_estimate(const Session *session, const Study *study);

#endif
