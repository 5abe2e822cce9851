/* A trainer's making and end, and how a program is run. Everything a run needs is allocated here,
 * before the first step. */
#include "runtime/training.h"

#include "runtime/device/cohort.h"
#include "runtime/slot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double run_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- programs ---- */

void trainer_counters(const Trainer *trainer, const Side *side, double value[RLC_COUNTERS]) {
  uint64_t step = *side->step, steps = trainer->options.steps;
  double progress = steps ? (double)step / (double)steps : 1;
  value[RLC_STEP] = (double)step;
  value[RLC_ITERATION] = (double)trainer->state.iteration;
  value[RLC_UPDATES] = (double)*side->updates;
  value[RLC_STORED] = trainer->module->source_count ? (double)replay_stored(trainer->replay[0]) : 0;
  value[RLC_PROGRESS] = progress < 1 ? progress : 1;
}

static void counters_write(const Trainer *trainer, const Side *side) {
  const RlcModule *module = trainer->module;
  double value[RLC_COUNTERS];
  trainer_counters(trainer, side, value);
  for (int i = 0; i < RLC_COUNTERS; i++) {
    if (module->counters[i] == RLC_NONE) continue;
    memcpy(side->memory + module->slots[module->counters[i]].offset, &value[i], sizeof value[i]);
    side_store(side, module->counters[i]);
  }
}

typedef struct RunJob {
  const RlcProgram *program;
  RlcCall call;
} RunJob;

static void run_part(void *arg, uint32_t thread, uint32_t threads) {
  const RunJob *job = arg;
  RlcCall call = job->call;
  call.thread = thread;
  call.threads = threads;
  job->program->run(&call);
}

static bool card_run(const Trainer *trainer, const Side *side, MirrorRun run) {
  const Options *options = &trainer->options;
  if (options->cohort)
    cohort_run(options->cohort, options->member, &run, trainer->state.step,
               side == &trainer->evaluating);
  else
    mirrors_run(&run, 1);
  return device_good(trainer->device, side->error);
}

bool trainer_run(const Trainer *trainer, const Side *side, uint32_t program, uint64_t seed,
                 uint64_t draw, bool alone) {
  const RlcProgram *run = &trainer->module->programs[program];
  counters_write(trainer, side);
  if (side->mirror) return card_run(trainer, side, (MirrorRun){side->mirror, program, seed, draw});
  RunJob job = {.program = run,
                .call = {.memory = side->memory,
                         .work = side->work,
                         .seed = seed,
                         .step = draw,
                         .barrier = team_barrier,
                         .team = side->team,
                         .done = side->done,
                         .context = run->context}};
  if (alone)
    run_part(&job, 0, 1);
  else
    team_run_paced(side->team, &trainer->pace[program], run_part, &job);
  return true;
}

/* ---- checks of the tables ---- */

static bool condition_check(const RlcModule *module, const RlcStep *step) {
  return step->slot < module->slot_count &&
         (step->index == RLC_NONE ? terms_check(step->terms, step->term_count)
                                  : step->index < module->program_count);
}

static bool step_makes_sense(const RlcModule *module, const RlcStep *step) {
  switch ((RlcStepOp)step->op) {
  case RLC_DO_COLLECT:
  case RLC_DO_REPEAT:
  case RLC_DO_ASIDE:
    return true;
  case RLC_DO_RUN:
    return step->index < module->program_count;
  case RLC_DO_WHEN:
    return condition_check(module, step);
  case RLC_DO_UNTIL:
    return condition_check(module, step) && step->count > 0;
  case RLC_DO_EVERY:
    return step->counter < RLC_COUNTERS && step->count > 0;
  case RLC_DO_SAMPLE:
    return step->index < module->source_count && step->count <= 1;
  case RLC_DO_PARTS:
    return step->index < module->view_count;
  case RLC_DO_WRITE:
    return step->index < module->source_count && step->slot < module->slot_count;
  }
  return false;
}

/* The parts must be the whole; and a view's slots hold one part at a time. */
static bool parts_check(const RlcModule *module, uint32_t at, RunError *error) {
  const RlcStep *step = &module->steps[at];
  const RlcView *view = &module->views[step->index];
  uint64_t rows, total = (uint64_t)module->rollout.steps * module->explore.count;
  if (__builtin_mul_overflow(view->rows, step->count, &rows) || rows != total || total == 0)
    return run_fail(error, "%llu parts '%s' of %u rows are not the rollout's %llu rows",
                    (unsigned long long)step->count, view->name, view->rows,
                    (unsigned long long)total);
  for (uint32_t i = at + 1; i <= at + step->body; i++)
    if (module->steps[i].op == RLC_DO_PARTS && module->steps[i].index == step->index)
      return run_fail(error, "parts '%s' are taken within parts '%s'", view->name, view->name);
  return true;
}

/* What acts aside stands by itself: its body only acts, and nothing else does. */
static bool aside_check(const RlcModule *module, RunError *error) {
  uint32_t end = 0, found = 0;
  for (uint32_t i = 0; i < module->step_count; i++) {
    const RlcStep *step = &module->steps[i];
    bool acts = step->op == RLC_DO_COLLECT, plain = acts || step->op == RLC_DO_REPEAT;
    if (i < end ? !plain && step->op != RLC_DO_RUN : acts && module->aside.out_count)
      return run_fail(error, "step %u of the loop's table is on the wrong side", i);
    if (step->op != RLC_DO_ASIDE) continue;
    end = i + 1 + step->body;
    if (found++) return run_fail(error, "the loop's table acts aside twice");
  }
  return true;
}

static bool step_check(const RlcModule *module, uint32_t at, RunError *error) {
  const RlcStep *step = &module->steps[at];
  if (step->body > module->step_count - at - 1 || !step_makes_sense(module, step))
    return run_fail(error, "step %u of the loop's table makes no sense (operation %u)", at,
                    step->op);
  return step->op != RLC_DO_PARTS || parts_check(module, at, error);
}

static bool module_check(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  if (module->abi != RLC_ABI)
    return run_fail(error, "the trainer was generated for interface %u of the runtime, this is %u",
                    module->abi, RLC_ABI);
  for (int i = 0; i < RLC_COUNTERS; i++) {
    const RlcSlot *slot =
        module->counters[i] == RLC_NONE ? NULL : &module->slots[module->counters[i]];
    if (slot && (slot->type != RLC_F64 || slot->rank))
      return run_fail(error, "counter '%s' is not a float64 scalar", slot->name);
  }
  for (uint32_t i = 0; i < module->step_count; i++) {
    if (!step_check(module, i, error)) return false;
    trainer->collects |= module->steps[i].op == RLC_DO_COLLECT;
  }
  if (!aside_check(module, error)) return false;
  if (module->rollout.steps && !trainer->collects)
    return run_fail(error, "there is a rollout, but the loop collects nothing");
  if (trainer->collects && (module->explore.program == RLC_NONE || module->explore.count == 0))
    return run_fail(error, "the loop collects, but no program says how to act");
  return cpu_check(module->cpu, error);
}

/* ---- sides ---- */

void side_give_all(const Trainer *trainer, const Side *to, const Side *from) {
  if (to->mirror)
    mirror_give_all(to->mirror, from->mirror);
  else
    memcpy(to->memory, from->memory, trainer->module->memory_bytes);
}

/* ---- making ---- */

/* The card, with learning's slots. */
static bool trainer_device(Trainer *trainer) {
  RunError *error = &trainer->error;
  Cohort *cohort = trainer->options.cohort;
  if (!trainer->module->gpu) return true;
  trainer->device = cohort ? cohort_device(cohort) : device_open(trainer->module, error);
  if (!trainer->device) return false;
  trainer->learning.mirror = mirror_make(trainer->device, trainer->memory, error);
  return trainer->learning.mirror != NULL;
}

static bool trainer_memory(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  trainer->memory = block_take(module->memory_bytes, error);
  trainer->evaluation_memory = block_take(module->memory_bytes, error);
  trainer->work = block_take(rlc_work_bytes(module, trainer->options.threads), error);
  trainer->done = run_take(trainer->options.threads + 1, sizeof(uint64_t), error);
  trainer->stepped = run_take(trainer->options.threads + 1, sizeof(uint64_t), error);
  trainer->pace = run_take(module->program_count, sizeof(Pace), error);
  trainer->every = run_take(module->step_count, sizeof(uint64_t), error);
  trainer->samples = run_take(module->source_count, sizeof(uint64_t), error);
  trainer->replay = run_take(module->source_count, sizeof(Replay *), error);
  trainer->parts = run_take(module->view_count, sizeof(Parts), error);
  trainer->learning = (Side){.memory = trainer->memory,
                             .work = trainer->work,
                             .team = trainer->team,
                             .done = trainer->done,
                             .stepped = trainer->stepped,
                             .step = &trainer->state.step,
                             .updates = &trainer->state.updates,
                             .error = error};
  if (!trainer->memory || !trainer->evaluation_memory || !trainer_device(trainer)) return false;
  trainer->acting = trainer->evaluating = trainer->learning;
  trainer->evaluating.memory = trainer->evaluation_memory;
  if (trainer->device && !(trainer->evaluating.mirror =
                               mirror_make(trainer->device, trainer->evaluation_memory, error)))
    return false;
  return trainer->memory && trainer->evaluation_memory && trainer->work && trainer->done &&
         trainer->stepped && trainer->pace && trainer->every && trainer->samples &&
         trainer->replay && trainer->parts;
}

/* Where rows are kept. A loop without environments may still sample what a file holds, which a
 * run that goes on finds in its checkpoint. */
static bool trainer_data(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  uint32_t envs = trainer->collects ? module->explore.count : 0;
  for (uint32_t i = 0; i < module->source_count; i++) {
    if (!(trainer->replay[i] = replay_make(module, i, envs, error))) return false;
    if (trainer->device && !replay_on_card(trainer->replay[i], trainer->learning.mirror, error))
      return false;
    replay_folder(trainer->replay[i], trainer->options.data);
    if (!trainer->options.resume && !replay_read(trainer->replay[i], error)) return false;
  }
  if (!rollout_make(&trainer->rollout, module, error)) return false;
  for (uint32_t i = 0; i < module->view_count; i++)
    if (!parts_make(&trainer->parts[i], module, i, error)) return false;
  return true;
}

static bool trainer_acting(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  const Options *options = &trainer->options;
  RunError *error = &trainer->error;
  Evaluator *evaluator = trainer->evaluator;
  if (trainer->collects &&
      !actor_make(&trainer->explore, module, &module->explore, "environment", options->seed, error))
    return false;
  return evaluator_make(&evaluator[0], module, &module->evaluate, options, error) &&
         evaluator_make(&evaluator[1], module, &module->sample, options, error);
}

/* The first state: what the module's init writes, then that of the environments. */
static bool trainer_begin(Trainer *trainer) {
  uint64_t seed = trainer->options.seed;
  if (trainer->module->init != RLC_NONE &&
      !trainer_run(trainer, &trainer->learning, trainer->module->init, seed, 0, false))
    return false;
  return !trainer->collects || actor_start(trainer, &trainer->explore, &trainer->learning, seed, 0);
}

bool trainer_make(Trainer *trainer, const RlcModule *module, const Options *options) {
  *trainer = (Trainer){.module = module, .options = *options};
  TrainState *state = &trainer->state;
  state->logged_step = state->evaluated_step = trainer->saved_step = UINT64_MAX;
  for (int i = 0; i < 2; i++) state->result[i] = (EvaluationResult){NAN, NAN, NAN, NAN, NAN};
  trainer->progress = (Progress){.episode_return = NAN, .eval_return = NAN};
  if (!module_check(trainer)) return false;
  if (!(trainer->team = team_make(options->threads, &trainer->error))) return false;
  if (!trainer_memory(trainer) || !trainer_acting(trainer) || !trainer_data(trainer)) return false;
  if (!metrics_make(&trainer->metrics, module, &trainer->error) || !save_make(trainer))
    return false;
  if (trainer->device && !metrics_notes(&trainer->metrics, trainer->device, &trainer->error))
    return false;
  if (!trainer_begin(trainer) || !overlap_make(trainer)) return false;
  overlap_begin(trainer);
  return true;
}

void trainer_free(Trainer *trainer) {
  overlap_free(trainer);
  team_free(trainer->team);
  actor_free(&trainer->explore);
  for (int i = 0; i < 2; i++) evaluator_free(&trainer->evaluator[i]);
  for (uint32_t i = 0; trainer->replay && i < trainer->module->source_count; i++)
    replay_free(trainer->replay[i]);
  rollout_free(&trainer->rollout);
  for (uint32_t i = 0; trainer->parts && i < trainer->module->view_count; i++)
    parts_free(&trainer->parts[i]);
  metrics_free(&trainer->metrics);
  save_free(trainer);
  mirror_free(trainer->learning.mirror);
  mirror_free(trainer->evaluating.mirror);
  if (!trainer->options.cohort) device_close(trainer->device);
  free(trainer->parts);
  free(trainer->replay);
  free(trainer->memory);
  free(trainer->evaluation_memory);
  free(trainer->work);
  free(trainer->done);
  free(trainer->stepped);
  free(trainer->pace);
  free(trainer->every);
  free(trainer->samples);
}
