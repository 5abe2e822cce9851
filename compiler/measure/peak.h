/* What this machine can do at most: its clock and the rate of fused multiply-adds that never leave
 * the registers. The clock of a shared host drifts, so measurements are bracketed by these. */
#ifndef RLC_COMPILER_MEASURE_PEAK_H
#define RLC_COMPILER_MEASURE_PEAK_H

#include "runtime/team.h"

/* One thread at its limit. */
typedef struct Peak {
  double clock;       /* Hz, from a chain of dependent adds (one a cycle); 0: not known here */
  double flops;       /* FLOP/s measured; a multiply-add counts as two */
  uint32_t lanes;     /* float32 in a register of the widest kind there is */
  double per_cycle;   /* full registers multiplied and added in a cycle, measured; 0: no clock */
  uint32_t ports;     /* the same as the whole number next to it, at least 1; 0: no clock */
  double limit;       /* FLOP/s = 2 x clock x lanes x ports; 0: no clock */
  const char *vector; /* "AVX-512", "AVX2", ... */
} Peak;

/* FLOP/s of the calling thread over about `seconds`. */
double peak_rate(double seconds);
/* Hz over about `seconds`, or 0 where nobody wrote the chain of adds. */
double peak_clock(double seconds);
/* Everything, on the calling thread: clock and multiply-adds in turn in short slices, of each the
 * fastest, because whoever else uses the core can only slow one down. */
Peak peak_measure(double seconds);
/* FLOP/s of a whole team at once, over about `seconds`: the sum of its threads' rates. */
double peak_team(Team *team, double seconds);

#endif
