/* What the jobs of a study take: their runs that are done say it, and a sample of the others is
 * timed in this process. */
#include "compiler/study/plan/estimate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "compiler/measure/bench.h"
#include "compiler/build.h"
#include "compiler/study/folder/folder.h"
#include "envs/env.h"
#include "runtime/team.h"

static const double PART_SECONDS = 0.15; /* the loop, and the environment alone */

/* ---- one job ---- */

static uint32_t episode_length(const RlcModule *module) {
  const EnvSpec *spec = module->env_id ? env_find(module->env_id) : NULL;
  return spec ? spec->limit : module->limit;
}

/* Environment steps of all evaluations of a run, were every episode as long as can be. */
static double evaluation_steps(Arena *arena, const Study *study, const RlcModule *module) {
  Options options;
  if (!module->env_id || !study_run_options(arena, study, module, &options)) return 0;
  double times = (double)study_evaluations(study, &options);
  return 2 * times * options.eval_episodes * episode_length(module); /* with and without noise */
}

/* Seconds that a run takes; NAN where they cannot be had. */
typedef struct Timed {
  double seconds;
  bool bound; /* it takes less */
} Timed;

/* The loop goes on beyond the steps of a run and may come to values that are not finite there. What
 * it did before is a bound: with its first passes, and evaluations at the price of training. */
static double bound_seconds(Trainer *trainer, double steps) {
  Looping looping;
  double began = run_clock(), taken = 0, made = 0;
  if (looping_make(trainer, &looping)) {
    trainer_start(trainer);
    while (made < steps && taken < PART_SECONDS && trainer_round(trainer)) {
      taken = run_clock() - began;
      made = (double)(trainer->state.step - trainer->progress.start_step);
    }
  }
  looping_free(trainer, &looping, false);
  return made > 0 ? taken * fmax(1, steps / made) : NAN;
}

static Timed module_seconds(Arena *arena, const Study *study, const RlcModule *module) {
  Figures figures = {
#define FIGURE(name, ...) .name = NAN,
#include "compiler/measure/bench.def"
  };
  Trainer *trainer = bench_trainer(module, 1);
  if (!trainer) return (Timed){NAN, false};
  double steps = (double)study->steps, evaluated = evaluation_steps(arena, study, module);
  bool good = bench_rounds(trainer, BENCH_ENVIRONMENT | BENCH_LOOP, PART_SECONDS, &figures);
  bench_trainer_free(trainer);
  double seconds = steps / figures.end_to_end_steps_per_second;
  if (evaluated > 0) seconds += evaluated / figures.env_steps_per_second;
  if (good && isfinite(seconds)) return (Timed){seconds, false};
  trainer = bench_trainer(module, 1);
  if (!trainer) return (Timed){NAN, false};
  seconds = bound_seconds(trainer, steps + evaluated);
  bench_trainer_free(trainer);
  return (Timed){seconds, true};
}

static Timed job_seconds(const Session *session, const Study *study, const StudyJob *job) {
  Session own = {.arena = arena_make(), .program = session->program, .target = session->target};
  own.march = session->march, own.prelude = session->prelude;
  own.diag = diag_make(own.arena);
  diag_hush(own.diag); /* the plan has said them */
  own.pipeline.out = stdout;
  Timed timed = {NAN, false};
  if (session_elaborate_tree(&own, tree_copy(own.arena, job->spec))) {
    pipeline_run(own.elaborated->module, &own.pipeline);
    Code *code = build_code(&own);
    Loaded *loaded = code ? build_load(own.arena, code) : NULL;
    if (loaded) timed = module_seconds(own.arena, study, load_module(loaded));
    if (loaded) load_close(loaded);
  }
  arena_free(own.arena);
  return timed;
}

/* ---- all ---- */

/* The mean of what was measured in an environment, or in all of them (SIZE_MAX); NAN: none. */
static double mean_of(const Study *study, const double *seconds, size_t env) {
  double sum = 0, count = 0;
  for (size_t i = 0; i < study->job_count; i++) {
    if (isnan(seconds[i]) || (env != SIZE_MAX && study->jobs[i].env != env)) continue;
    sum += seconds[i], count++;
  }
  return count > 0 ? sum / count : NAN;
}

static size_t common_divisor(size_t a, size_t b) { return b ? common_divisor(b, a % b) : a; }

/* A step with which all of `count` are visited, near ones far apart in time. */
static size_t stride(size_t count) {
  size_t step = (size_t)(0.618 * (double)count) + 1;
  while (common_divisor(step, count) != 1) step++;
  return step;
}

/* ---- what is finished ---- */

/* Whether a run that is done was made with this program and these options. */
static bool run_counts(const Runner *runner, const StudyRun *run, const char *options) {
  StudyRecord record;
  return run->state == STUDY_DONE && record_read(runner, run, &record) && record.found &&
         strcmp(record.hash, runner->study->jobs[run->job].hash) == 0 &&
         strcmp(record.options, options) == 0;
}

/* Where the study was begun: the mean time of each job's runs that are done. */
static void finished_read(Session *session, Study *study, double *seconds,
                          StudyEstimate *estimate) {
  Runner runner = {session, study, session->arena, folder_path(session, study)};
  const char *file = arena_printf(session->arena, "%s/study.json", runner.folder);
  if (access(file, F_OK) != 0 || !study_states(&runner)) return;
  const char *options = record_options(&runner);
  size_t *counts = NEW_ARRAY(session->arena, size_t, study->job_count);
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    double one = run_counts(&runner, run, options) ? run_result(&runner, run, "seconds") : NAN;
    if (isnan(one)) continue;
    double *of_job = &seconds[run->job];
    size_t before = counts[run->job]++;
    *of_job = before ? (*of_job * (double)before + one) / (double)(before + 1) : one;
    estimate->finished++;
  }
}

/* ---- the whole ---- */

static void jobs_time(const Session *session, const Study *study, double *seconds,
                      StudyEstimate *estimate) {
  size_t count = study->job_count, step = stride(count);
  double began = run_clock();
  bool any = estimate->finished > 0;
  for (size_t i = 0; i < count && (!any || run_clock() - began < session->seconds); i++) {
    size_t job = i * step % count;
    if (!isnan(seconds[job])) continue;
    Timed timed = job_seconds(session, study, &study->jobs[job]);
    seconds[job] = timed.seconds;
    estimate->measured += !isnan(timed.seconds);
    estimate->bounded += timed.bound && !isnan(timed.seconds);
    any = true;
  }
}

StudyEstimate study_estimate(Session *session, Study *study) {
  StudyEstimate estimate = {.cores = team_processors()};
  double *seconds = NEW_ARRAY(session->arena, double, study->job_count), sum = 0, longest = 0;
  for (size_t i = 0; i < study->job_count; i++) seconds[i] = NAN;
  finished_read(session, study, seconds, &estimate);
  jobs_time(session, study, seconds, &estimate);
  double all = mean_of(study, seconds, SIZE_MAX);
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    if (run->state == STUDY_DONE || run->state == STUDY_FAILED) continue;
    double own = seconds[run->job], mean = mean_of(study, seconds, study->jobs[run->job].env);
    double of_run = !isnan(own) ? own : !isnan(mean) ? mean : all;
    sum += of_run;
    longest = fmax(longest, of_run);
    estimate.left++;
  }
  estimate.core_seconds = sum;
  estimate.wall_seconds = isnan(sum) ? NAN : fmax(sum / estimate.cores, longest);
  return estimate;
}
