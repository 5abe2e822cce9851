/* Times a sample of a study's jobs in this process. */
#include "compiler/study/plan/estimate.h"

#include <math.h>

#include "compiler/measure/bench.h"
#include "compiler/build.h"
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
  char **argv = NEW_ARRAY(arena, char *, study->option_count + 2);
  argv[0] = (char *)module->name;
  for (size_t i = 0; i < study->option_count; i++) argv[i + 1] = (char *)study->options[i];
  if (!module->env_id || options_read(&options, module, (int)study->option_count + 1, argv) >= 0)
    return 0;
  double times = 2 + (options.eval_every ? floor((double)study->steps / options.eval_every) : 0);
  return 2 * times * options.eval_episodes * episode_length(module); /* with and without noise */
}

static double module_seconds(Arena *arena, const Study *study, const RlcModule *module) {
  Figures figures = {
#define FIGURE(name, ...) .name = NAN,
#include "compiler/measure/bench.def"
  };
  Trainer *trainer = bench_trainer(module, 1);
  if (!trainer) return NAN;
  bool good = bench_rounds(trainer, BENCH_ENVIRONMENT | BENCH_LOOP, PART_SECONDS, &figures);
  bench_trainer_free(trainer);
  if (!good) return NAN;
  double training = (double)study->steps / figures.end_to_end_steps_per_second;
  double evaluated = evaluation_steps(arena, study, module);
  return evaluated > 0 ? training + evaluated / figures.env_steps_per_second : training;
}

/* Seconds of one run; NAN where it cannot be had. */
static double job_seconds(const Session *session, const Study *study, const StudyJob *job) {
  Session own = {.arena = arena_make(), .program = session->program, .target = session->target};
  own.march = session->march, own.prelude = session->prelude;
  own.diag = diag_make(own.arena);
  diag_hush(own.diag); /* the plan has said them */
  own.pipeline.out = stdout;
  double seconds = NAN;
  if (session_elaborate_tree(&own, tree_copy(own.arena, job->spec))) {
    pipeline_run(own.elaborated->module, &own.pipeline);
    Code *code = build_code(&own);
    Loaded *loaded = code ? build_load(own.arena, code) : NULL;
    if (loaded) seconds = module_seconds(own.arena, study, load_module(loaded));
    if (loaded) load_close(loaded);
  }
  arena_free(own.arena);
  return seconds;
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

StudyEstimate study_estimate(const Session *session, const Study *study) {
  StudyEstimate estimate = {.cores = team_processors()};
  size_t count = study->job_count, step = stride(count);
  double *seconds = NEW_ARRAY(session->arena, double, count), began = run_clock(), longest = 0;
  for (size_t i = 0; i < count; i++) seconds[i] = NAN;
  for (size_t i = 0; i < count && (i == 0 || run_clock() - began < session->seconds); i++) {
    size_t job = i * step % count;
    seconds[job] = job_seconds(session, study, &study->jobs[job]);
    estimate.measured += !isnan(seconds[job]);
  }
  double all = mean_of(study, seconds, SIZE_MAX), sum = 0;
  for (size_t i = 0; i < count; i++) {
    double mean = mean_of(study, seconds, study->jobs[i].env);
    double of_job = !isnan(seconds[i]) ? seconds[i] : !isnan(mean) ? mean : all;
    sum += of_job;
    longest = fmax(longest, of_job);
  }
  estimate.core_seconds = sum * (double)study->seed_count;
  estimate.wall_seconds = fmax(estimate.core_seconds / estimate.cores, longest);
  if (isnan(sum)) estimate.wall_seconds = NAN;
  return estimate;
}
