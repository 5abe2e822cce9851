/* Updates alone: passes through the loop's table with everything in it but the environment. */
#include "compiler/measure/bench.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/device/device.h"

static const double GROUP_SECONDS = 4e-3; /* shorter ones are dominated by looking at the clock */
static const double CARD_SECONDS = 5e-2;  /* with a card, by filling and emptying its queue */
static const double PEAK_SECONDS = 2e-4;  /* of each of the PEAK_SLICES between two groups */
static const double WARM_SECONDS = 0.2;
enum { GROUP_UPDATES = 4, PEAK_SLICES = 3, IDLE_PASSES = 100000 };

/* ---- samples ---- */

bool samples_make(Samples *samples, RunError *error) {
  *samples = (Samples){.value = run_take(SAMPLES_MOST, sizeof(double), error)};
  return samples->value != NULL;
}

void samples_free(Samples *samples) { free(samples->value); }

void samples_add(Samples *samples, double value) {
  if (samples->count < SAMPLES_MOST) samples->value[samples->count++] = value;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double samples_median(Samples *samples) {
  size_t n = samples->count;
  if (n == 0) return NAN;
  qsort(samples->value, n, sizeof(double), compare);
  return (samples->value[(n - 1) / 2] + samples->value[n / 2]) / 2;
}

/* ---- a pass ---- */

typedef struct Work {
  double minimal, executed; /* FLOPs of the programs run so far */
  Watch *watch;             /* that takes each step's time, or NULL */
} Work;

static uint64_t counter_value(const Trainer *trainer, uint8_t counter) {
  const TrainState *state = &trainer->state;
  if (counter == RLC_ITERATION) return state->iteration;
  if (counter == RLC_UPDATES) return state->updates;
  if (counter == RLC_STORED && trainer->collects && trainer->module->source_count)
    return replay_stored(trainer->replay[0]);
  return counter == RLC_STEP ? state->step : 0;
}

static void work_add(const Trainer *trainer, uint32_t program, Work *work) {
  if (program == RLC_NONE) return;
  work->minimal += trainer->module->programs[program].minimal_flops;
  work->executed += trainer->module->programs[program].flops;
}

static bool run_steps(Trainer *trainer, uint32_t from, uint32_t to, Work *work);

/* How often the body of the step runs now; a step without one is done here. False on an error. */
static bool run_step(Trainer *trainer, uint32_t at, Work *work, uint64_t *times) {
  const RlcModule *module = trainer->module;
  const RlcStep *step = &module->steps[at];
  uint64_t passed;
  bool holds;
  switch ((RlcStepOp)step->op) {
  case RLC_DO_COLLECT: /* only its count: counters go on as in a run */
    trainer->state.step += step->count * module->explore.count;
    return true;
  case RLC_DO_ASIDE:
    *times = 1;
    return true;
  case RLC_DO_SAMPLE:
    return trainer_sample(trainer, step->index);
  case RLC_DO_RUN:
    work_add(trainer, step->index, work);
    return trainer_program(trainer, step->index, step->flags);
  case RLC_DO_WHEN:
    work_add(trainer, step->index, work);
    if (!trainer_holds(trainer, step, &holds)) return false;
    *times = holds;
    return true;
  case RLC_DO_EVERY:
    passed = counter_value(trainer, step->counter) / step->count;
    *times = passed != trainer->every[at];
    trainer->every[at] = passed;
    return true;
  case RLC_DO_REPEAT:
    *times = step->count;
    return true;
  case RLC_DO_UNTIL: /* once: how often it takes is the data's affair */
    *times = 1;
    return true;
  case RLC_DO_PARTS:
    parts_shuffle(&trainer->parts[step->index], trainer->options.seed, trainer->state.shuffles++);
    *times = step->count;
    return true;
  case RLC_DO_WRITE:
    return trainer_write(trainer, at);
  }
  return false;
}

/* What a step does itself, without its body. */
static bool run_step_watched(Trainer *trainer, uint32_t at, Work *work, uint64_t *times) {
  if (!work->watch) return run_step(trainer, at, work, times);
  uint64_t start = watch_now();
  bool good = run_step(trainer, at, work, times);
  watch_lap(&work->watch->steps[at], start);
  return good;
}

static void copy_part(Trainer *trainer, uint32_t at, uint64_t part, Work *work) {
  uint64_t start = work->watch ? watch_now() : 0;
  trainer_part(trainer, trainer->module->steps[at].index, part);
  if (work->watch) watch_lap(&work->watch->parts[at], start);
}

static bool run_steps(Trainer *trainer, uint32_t from, uint32_t to, Work *work) {
  for (uint32_t at = from; at < to; at += 1 + trainer->module->steps[at].body) {
    const RlcStep *step = &trainer->module->steps[at];
    uint64_t times = 0;
    if (!run_step_watched(trainer, at, work, &times)) return false;
    for (uint64_t i = 0; i < times; i++) {
      if (step->op == RLC_DO_PARTS) copy_part(trainer, at, i, work);
      if (!run_steps(trainer, at + 1, at + 1 + step->body, work)) return false;
    }
  }
  return true;
}

static bool run_pass(Trainer *trainer, Work *work) {
  if (!run_steps(trainer, 0, trainer->module->step_count, work)) return false;
  trainer->state.iteration++;
  trainer->state.step += !trainer->collects;
  if (!stop_signal(trainer->stop)) return true;
  return run_fail(&trainer->error, "interrupted");
}

/* ---- groups ---- */

typedef struct Group {
  double seconds, updates;
  Work work;
} Group;

/* What was put into a card's queue is done. Else it goes on while the clock is read. */
static bool card_wait(Trainer *trainer) {
  if (!trainer->device) return true;
  mirror_wait(trainer->learning.mirror);
  return device_good(trainer->device, &trainer->error) && metrics_settle(trainer);
}

/* Passes until there is enough to be timed. */
static bool run_group(Trainer *trainer, Watch *watch, Group *group) {
  uint64_t updates = trainer->state.updates;
  double start = run_clock(), least = trainer->device ? CARD_SECONDS : GROUP_SECONDS;
  *group = (Group){.work = {.watch = watch}};
  for (uint64_t passes = 0; group->seconds < least || group->updates < GROUP_UPDATES;) {
    if (!run_pass(trainer, &group->work)) return false;
    group->updates = (double)(trainer->state.updates - updates);
    group->seconds = run_clock() - start;
    if (++passes == IDLE_PASSES && group->updates == 0)
      return run_fail(&trainer->error, "%d passes through the loop made no update", IDLE_PASSES);
  }
  if (!card_wait(trainer)) return false;
  group->seconds = run_clock() - start;
  return true;
}

bool series_make(Series *series, RunError *error) {
  *series = (Series){.rate = {NULL, 0}};
  return samples_make(&series->rate, error) && samples_make(&series->share, error) &&
         samples_make(&series->executed, error) && samples_make(&series->peak, error);
}

void series_free(Series *series) {
  samples_free(&series->rate);
  samples_free(&series->share);
  samples_free(&series->executed);
  samples_free(&series->peak);
}

static void series_add(Series *series, const Group *group, double peak) {
  samples_add(&series->rate, group->updates / group->seconds);
  samples_add(&series->share, group->work.minimal / group->seconds / peak);
  samples_add(&series->executed, group->work.executed / group->seconds / peak);
  samples_add(&series->peak, peak);
  series->updates += group->updates;
  series->seconds += group->seconds;
  series->minimal += group->work.minimal;
  series->flops += group->work.executed;
}

/* The fastest slice: the clock is wanted, not who else had the core. Of a card it is not known. */
static double peak_now(Trainer *trainer) {
  double peak = 0;
  if (trainer->device) return NAN;
  for (int i = 0; i < PEAK_SLICES; i++) peak = fmax(peak, peak_team(trainer->team, PEAK_SECONDS));
  return peak;
}

bool series_warm(Trainer *trainer) {
  Group group;
  double start = run_clock();
  while (run_clock() - start < WARM_SECONDS)
    if (!run_group(trainer, NULL, &group)) return false;
  return true;
}

bool series_run(Trainer *trainer, double seconds, Watch *watch, Series *series) {
  Group group;
  double before = peak_now(trainer), start = run_clock();
  if (watch) watch_begin(watch);
  do {
    if (!run_group(trainer, watch, &group)) return false;
    double after = peak_now(trainer);
    series_add(series, &group, (before + after) / 2);
    before = after;
  } while (run_clock() - start < seconds);
  if (watch) watch_end(watch);
  return true;
}

void series_figures(Series *series, Figures *figures) {
  figures->updates = series->updates;
  figures->groups = (double)series->rate.count;
  figures->updates_per_second = samples_median(&series->rate); /* sorted now */
  figures->updates_per_second_best = series->rate.value[series->rate.count - 1];
  figures->peak_gflops = samples_median(&series->peak) / 1e9;
  figures->minimal_mflop = series->minimal / series->updates / 1e6;
  figures->executed_mflop = series->flops / series->updates / 1e6;
  figures->gflops = figures->minimal_mflop * figures->updates_per_second / 1e3;
  figures->share_of_peak = samples_median(&series->share);
  figures->executed_share_of_peak = samples_median(&series->executed);
}

bool bench_updates(Trainer *trainer, double seconds, Watch *watch, Figures *figures) {
  Series series;
  bool good = series_make(&series, &trainer->error) && series_warm(trainer) &&
              series_run(trainer, seconds, watch, &series);
  if (good) series_figures(&series, figures);
  series_free(&series);
  return good;
}
