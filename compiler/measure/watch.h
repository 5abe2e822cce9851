/* A stopwatch for generated code: how long each kernel, each program and each step of the loop
 * takes inside of real runs, on the calling thread. */
#ifndef RLC_COMPILER_MEASURE_WATCH_H
#define RLC_COMPILER_MEASURE_WATCH_H

#include <stdbool.h>

#include "ir/base.h"
#include "runtime/rlc.h"

/* Times of one thing: the last LAPS_KEPT, in ticks. */
enum { LAPS_KEPT = 2048 };
typedef struct Laps {
  uint32_t *ticks; /* [LAPS_KEPT], a ring */
  uint64_t count;  /* since the stopwatch was made */
  uint64_t before; /* of these before watch_begin */
} Laps;

typedef struct Watch {
  RlcModule module; /* the measured one: its programs keep their laps here */
  Laps **kernels;   /* [program][kernel] */
  Laps *programs;   /* [program]: from the first kernel to the last */
  Laps *steps;      /* [step of the loop]: what it does itself, without its body */
  Laps *parts;      /* [step of the loop]: copying of one part of the rollout's rows */
  double tick;      /* seconds, known after watch_end */
  uint64_t began;   /* ticks, and the same moment of run_clock */
  double began_seconds;
} Watch;

/* For a module that was compiled with CodegenOptions.marked; kernels[p] is how many program p has.
 */
Watch *watch_make(Arena *arena, const RlcModule *module, const size_t *kernels);
/* From now on runs are counted; laps of before are kept, as acting has them that fills a replay. */
void watch_begin(Watch *watch);
/* Finds out how long a tick is. */
void watch_end(Watch *watch);

/* Now, in ticks of whatever this CPU counts cheapest. */
uint64_t watch_now(void);
/* Adds a lap that began at `start`. */
void watch_lap(Laps *laps, uint64_t start);
/* Median in seconds of the laps kept, NAN without any; to be called after watch_end. */
double watch_median(const Watch *watch, const Laps *laps);
/* The shortest of them, likewise. */
double watch_best(const Watch *watch, const Laps *laps);
/* Laps between watch_begin and watch_end. */
double watch_runs(const Laps *laps);

#endif
