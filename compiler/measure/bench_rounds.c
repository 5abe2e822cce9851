/* Rounds: a slice of the environment alone, one of updates alone, one of the trainer's own loop.
 *
 * A host that is shared becomes slower and faster within seconds, so what is compared is measured
 * within one round. */
#include "compiler/measure/bench.h"

#include <math.h>

enum { SLICES = 16 };                  /* of each part, where its passes are short */
static const double BARE_SHARE = 0.25; /* of a slice: nothing is compared with it */

/* ---- samples of rounds ---- */

bool rounds_make(Rounds *rounds, RunError *error) {
  *rounds = (Rounds){.loop_steps = 0};
  return samples_make(&rounds->environment, error) && samples_make(&rounds->bare, error) &&
         samples_make(&rounds->updates, error) && samples_make(&rounds->loop, error);
}

void rounds_free(Rounds *rounds) {
  samples_free(&rounds->environment);
  samples_free(&rounds->bare);
  samples_free(&rounds->updates);
  samples_free(&rounds->loop);
}

/* Steps per second of each round where nothing but the slower part took time, and how much of that
 * its loop made. */
static void limits_add(const Rounds *rounds, Samples *limits, Samples *shares) {
  double steps = rounds->loop_steps / rounds->loop_updates; /* that go with an update */
  for (size_t i = 0; i < rounds->loop.count; i++) {
    double learning = rounds->updates.value[i] * steps;
    double limit = fmin(rounds->environment.value[i], learning); /* of which one may be NAN */
    samples_add(limits, limit);
    samples_add(shares, rounds->loop.value[i] / limit);
  }
}

static void loop_figures(Rounds *rounds, Samples *limits, Samples *shares, Figures *figures) {
  figures->rounds = (double)rounds->loop.count;
  figures->end_to_end_limit = samples_median(limits);
  figures->end_to_end_share_of_limit = samples_median(shares);
  figures->end_to_end_steps_per_second = samples_median(&rounds->loop);
  figures->end_to_end_updates_per_second =
      figures->end_to_end_steps_per_second / rounds->loop_steps * rounds->loop_updates;
  figures->end_to_end_share_of_peak =
      figures->end_to_end_updates_per_second * figures->minimal_mflop / 1e3 / figures->peak_gflops;
}

bool rounds_figures(Rounds *rounds, Figures *figures, RunError *error) {
  Samples limits = {0}, shares = {0};
  bool good = samples_make(&limits, error) && samples_make(&shares, error);
  if (good) {
    limits_add(rounds, &limits, &shares); /* before medians, which sort */
    loop_figures(rounds, &limits, &shares, figures);
    figures->env_steps_per_second = samples_median(&rounds->environment);
    figures->bare_env_steps_per_second = samples_median(&rounds->bare);
  }
  samples_free(&limits);
  samples_free(&shares);
  return good;
}

/* ---- measuring ---- */

/* All that is needed; of parts that are not asked for, nothing. */
typedef struct Bench {
  unsigned parts;
  double slice; /* seconds */
  Series series;
  Stepping stepping;
  Looping looping;
  Rounds rounds;
} Bench;

static bool bench_make(Trainer *trainer, Bench *bench) {
  RunError *error = &trainer->error;
  if (!rounds_make(&bench->rounds, error)) return false;
  if (bench->parts & BENCH_UPDATES && !series_make(&bench->series, error)) return false;
  if (bench->parts & BENCH_ENVIRONMENT && !stepping_make(trainer, &bench->stepping)) return false;
  return !(bench->parts & BENCH_LOOP) || looping_make(trainer, &bench->looping);
}

static bool bench_free(Trainer *trainer, Bench *bench, bool good) {
  good = looping_free(trainer, &bench->looping, good);
  stepping_free(&bench->stepping);
  series_free(&bench->series);
  rounds_free(&bench->rounds);
  return good;
}

static bool environment_warm(Trainer *trainer, Bench *bench) {
  do {
    if (stepping_run(trainer, &bench->stepping, bench->slice) == 0) return false;
  } while (!stepping_settled(trainer, &bench->stepping));
  return true;
}

static bool loop_warm(Trainer *trainer, const Bench *bench) {
  do {
    if (looping_run(trainer, bench->slice).seconds == 0) return false;
  } while (!overlap_settled(trainer));
  return true;
}

/* Memory is touched for the first time, and ways of running are tried: nothing of it counts. */
static bool bench_warm(Trainer *trainer, Bench *bench) {
  return (!(bench->parts & BENCH_ENVIRONMENT) || environment_warm(trainer, bench)) &&
         (!(bench->parts & BENCH_UPDATES) || series_warm(trainer)) &&
         (!(bench->parts & BENCH_LOOP) || loop_warm(trainer, bench));
}

static bool environment_slice(Trainer *trainer, Bench *bench) {
  double rate = NAN, bare = NAN;
  if (bench->parts & BENCH_ENVIRONMENT) {
    bare = stepping_bare(&bench->stepping, BARE_SHARE * bench->slice);
    rate = stepping_run(trainer, &bench->stepping, bench->slice);
  }
  samples_add(&bench->rounds.bare, bare);
  samples_add(&bench->rounds.environment, rate);
  return rate != 0;
}

static bool updates_slice(Trainer *trainer, Bench *bench) {
  Series *series = &bench->series;
  double updates = series->updates, seconds = series->seconds;
  bool good = !(bench->parts & BENCH_UPDATES) || series_run(trainer, bench->slice, NULL, series);
  samples_add(&bench->rounds.updates, (series->updates - updates) / (series->seconds - seconds));
  return good;
}

static bool loop_slice(Trainer *trainer, Bench *bench) {
  Looped looped = {NAN, NAN, NAN};
  if (bench->parts & BENCH_LOOP) looped = looping_run(trainer, bench->slice);
  bench->rounds.loop_steps += looped.steps;
  bench->rounds.loop_updates += looped.updates;
  samples_add(&bench->rounds.loop, looped.steps / looped.seconds);
  return looped.seconds != 0;
}

static bool rounds_run(Trainer *trainer, Bench *bench, double seconds) {
  double start = run_clock();
  do {
    if (!environment_slice(trainer, bench) || !updates_slice(trainer, bench) ||
        !loop_slice(trainer, bench))
      return false;
  } while (run_clock() - start < seconds);
  return true;
}

bool bench_rounds(Trainer *trainer, unsigned parts, double seconds, Figures *figures) {
  if (!trainer->collects) parts &= ~(unsigned)BENCH_ENVIRONMENT;
  Bench bench = {.parts = parts, .slice = seconds / SLICES};
  bool good = bench_make(trainer, &bench) && bench_warm(trainer, &bench) &&
              rounds_run(trainer, &bench, __builtin_popcount(parts) * seconds);
  if (good && parts & BENCH_UPDATES) series_figures(&bench.series, figures);
  good = good && rounds_figures(&bench.rounds, figures, &trainer->error);
  return bench_free(trainer, &bench, good);
}
