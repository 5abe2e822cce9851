/* Which of two ways of doing the same work is faster, found out while it is done. A team is no gain
 * where the work is short or somebody else has its cores, and nobody can know that beforehand; the
 * ways must give the same results, since the clock decides. */
#ifndef RLC_RUNTIME_PACE_H
#define RLC_RUNTIME_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed is new. */
typedef struct Pace {
  bool settled, second; /* the trial is over; the second way was faster */
  uint32_t block;       /* of the trial */
  uint32_t runs;        /* in the block, or in the last look at the way taken */
  double seconds;       /* of these */
  double held;          /* seconds in looks since it settled */
  double trial;         /* seconds that the trial took */
  double best[2];       /* seconds of a run in the fastest block of a way; 0: none yet */
  double stay;          /* how many times as long as the trial its answer holds */
} Pace;

/* Whether the next run takes the second way. */
bool pace_second(const Pace *pace);
/* What that run took. */
void pace_note(Pace *pace, double seconds);

#endif
