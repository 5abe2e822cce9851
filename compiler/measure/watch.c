/* Laps are taken by generated code itself (RlcMarks), so that kernels run in their order on data
 * that the kernels before them left in the caches. What a mark does is not part of any lap. */
#include "compiler/measure/watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/training.h"

/* ---- ticks ---- */

uint64_t watch_now(void) {
#if defined __x86_64__
  return __builtin_ia32_rdtsc();
#elif defined __aarch64__
  uint64_t now;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return (uint64_t)(run_clock() * 1e9);
#endif
}

static void lap_add(Laps *laps, uint64_t ticks) {
  laps->ticks[laps->count++ % LAPS_KEPT] = ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

void watch_lap(Laps *laps, uint64_t start) { lap_add(laps, watch_now() - start); }

/* ---- marks ---- */

/* Where one program keeps its laps. */
typedef struct ProgramLaps {
  Laps *kernels, *whole;
  size_t count;
  uint64_t *spent; /* [count] by kernel, in this run */
  uint64_t last;   /* the last mark */
} ProgramLaps;

typedef struct Marked {
  RlcMarks marks;
  ProgramLaps *laps;
} Marked;

static void laps_end(ProgramLaps *laps) {
  uint64_t sum = 0;
  for (size_t k = 0; k < laps->count; k++) {
    lap_add(&laps->kernels[k], laps->spent[k]);
    sum += laps->spent[k];
  }
  lap_add(laps->whole, sum);
}

static void mark(const RlcCall *call, uint32_t done) {
  uint64_t now = watch_now();
  ProgramLaps *laps = ((const Marked *)call->context)->laps;
  if (call->thread) return;
  if (done == 0)
    memset(laps->spent, 0, laps->count * sizeof *laps->spent);
  else if (done <= laps->count)
    laps->spent[done - 1] += now - laps->last;
  else
    laps_end(laps);
  laps->last = watch_now();
}

/* ---- making ---- */

static Laps *laps_make(Arena *arena, size_t count) {
  Laps *laps = NEW_ARRAY(arena, Laps, count + 1);
  for (size_t i = 0; i < count; i++) laps[i].ticks = NEW_ARRAY(arena, uint32_t, LAPS_KEPT);
  return laps;
}

Watch *watch_make(Arena *arena, const RlcModule *module, const size_t *kernels) {
  Watch *watch = NEW(arena, Watch);
  RlcProgram *programs = NEW_ARRAY(arena, RlcProgram, module->program_count + 1);
  *watch = (Watch){.module = *module};
  watch->kernels = NEW_ARRAY(arena, Laps *, module->program_count + 1);
  watch->programs = laps_make(arena, module->program_count);
  watch->steps = laps_make(arena, module->step_count);
  watch->parts = laps_make(arena, module->step_count);
  for (uint32_t p = 0; p < module->program_count; p++) {
    ProgramLaps *laps = NEW(arena, ProgramLaps);
    Marked *marked = NEW(arena, Marked);
    watch->kernels[p] = laps_make(arena, kernels[p]);
    uint64_t *spent = NEW_ARRAY(arena, uint64_t, kernels[p] + 1);
    *laps = (ProgramLaps){watch->kernels[p], &watch->programs[p], kernels[p], spent, 0};
    *marked = (Marked){{mark, module->programs[p].context}, laps};
    programs[p] = module->programs[p];
    programs[p].context = marked;
  }
  watch->module.programs = programs;
  return watch;
}

/* ---- results ---- */

void watch_begin(Watch *watch) {
  for (uint32_t p = 0; p < watch->module.program_count; p++)
    watch->programs[p].before = watch->programs[p].count;
  for (uint32_t s = 0; s < watch->module.step_count; s++)
    watch->steps[s].before = watch->steps[s].count, watch->parts[s].before = watch->parts[s].count;
  watch->began = watch_now();
  watch->began_seconds = run_clock();
}

void watch_end(Watch *watch) {
  watch->tick = (run_clock() - watch->began_seconds) / (double)(watch_now() - watch->began);
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

double watch_median(const Watch *watch, const Laps *laps) {
  uint32_t sorted[LAPS_KEPT];
  size_t count = laps->count < LAPS_KEPT ? (size_t)laps->count : LAPS_KEPT;
  if (count == 0) return NAN;
  memcpy(sorted, laps->ticks, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, compare);
  return watch->tick * ((double)sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

double watch_best(const Watch *watch, const Laps *laps) {
  uint32_t best = UINT32_MAX;
  for (size_t i = 0; i < LAPS_KEPT && i < laps->count; i++)
    if (laps->ticks[i] < best) best = laps->ticks[i];
  return laps->count ? watch->tick * best : NAN;
}

double watch_runs(const Laps *laps) { return (double)(laps->count - laps->before); }
