/* A trainer's making and end, and how a program is run. Everything a run needs is allocated here,
 * before the first step. */
#include "runtime/training.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double run_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- programs ---- */

static void counters_write(const Trainer *trainer, char *memory) {
  const RlcModule *module = trainer->module;
  const TrainState *state = &trainer->state;
  double progress =
      trainer->options.steps ? (double)state->step / (double)trainer->options.steps : 1;
  const double value[RLC_COUNTERS] = {
      [RLC_STEP] = (double)state->step,
      [RLC_ITERATION] = (double)state->iteration,
      [RLC_UPDATES] = (double)state->updates,
      [RLC_STORED] = module->source_count ? (double)replay_stored(trainer->replay[0]) : 0,
      [RLC_PROGRESS] = progress < 1 ? progress : 1};
  for (int i = 0; i < RLC_COUNTERS; i++)
    if (module->counters[i] != RLC_NONE)
      memcpy(memory + module->slots[module->counters[i]].offset, &value[i], sizeof value[i]);
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

void trainer_run(Trainer *trainer, uint32_t program, char *memory, uint64_t seed, uint64_t draw,
                 bool alone) {
  const RlcProgram *run = &trainer->module->programs[program];
  counters_write(trainer, memory);
  RunJob job = {.program = run,
                .call = {.memory = memory,
                         .work = trainer->work,
                         .seed = seed,
                         .step = draw,
                         .barrier = team_barrier,
                         .team = trainer->team,
                         .done = trainer->done,
                         .context = run->context}};
  if (alone)
    run_part(&job, 0, 1);
  else
    team_run(trainer->team, run_part, &job);
}

/* ---- checks of the tables ---- */

static bool step_check(const RlcModule *module, uint32_t at, RunError *error) {
  const RlcStep *step = &module->steps[at];
  bool bad = step->body > module->step_count - at - 1;
  bool runs = step->op == RLC_DO_RUN || (step->op == RLC_DO_WHEN && step->index != RLC_NONE);
  bad = bad || step->op > RLC_DO_REPEAT || (runs && step->index >= module->program_count);
  bad = bad || (step->op == RLC_DO_WHEN && step->slot >= module->slot_count);
  bad = bad || (step->op == RLC_DO_EVERY && (step->counter >= RLC_COUNTERS || step->count == 0));
  bad = bad ||
        (step->op == RLC_DO_SAMPLE && (step->index >= module->source_count || step->count > 1));
  if (bad)
    return run_fail(error, "step %u of the loop's table makes no sense (operation %u)", at,
                    step->op);
  return true;
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
  if (trainer->collects && (module->explore.program == RLC_NONE || module->explore.count == 0))
    return run_fail(error, "the loop collects, but no program says how to act");
  return cpu_check(module->cpu, error);
}

/* ---- making ---- */

static void *block_take(uint64_t bytes, RunError *error) {
  size_t size = (bytes + 127) / 64 * 64; /* never 0 */
  void *block = aligned_alloc(64, size);
  if (block)
    memset(block, 0, size);
  else
    run_fail(error, "out of memory: %llu bytes are not there", (unsigned long long)bytes);
  return block;
}

static bool trainer_memory(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  uint64_t work = 0;
  for (uint32_t i = 0; i < module->program_count; i++)
    if (module->programs[i].work_bytes > work) work = module->programs[i].work_bytes;
  trainer->memory = block_take(module->memory_bytes, error);
  trainer->evaluation_memory = block_take(module->memory_bytes, error);
  trainer->work = block_take(work, error);
  trainer->done = run_take(trainer->options.threads + 1, sizeof(uint64_t), error);
  trainer->stepped = run_take(trainer->options.threads + 1, sizeof(uint64_t), error);
  trainer->every = run_take(module->step_count, sizeof(uint64_t), error);
  trainer->samples = run_take(module->source_count, sizeof(uint64_t), error);
  trainer->replay = run_take(module->source_count, sizeof(Replay *), error);
  return trainer->memory && trainer->evaluation_memory && trainer->work && trainer->done &&
         trainer->stepped && trainer->every && trainer->samples && trainer->replay;
}

static bool trainer_acting(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  const Options *options = &trainer->options;
  RunError *error = &trainer->error;
  Evaluator *evaluator = trainer->evaluator;
  if (trainer->collects) {
    if (!actor_make(&trainer->explore, module, &module->explore, "environment", options->seed,
                    error))
      return false;
    pool_reset(trainer->explore.pool);
  }
  for (uint32_t i = 0; trainer->collects && i < module->source_count; i++) {
    trainer->replay[i] = replay_make(module, i, module->explore.count, error);
    if (!trainer->replay[i]) return false;
  }
  return evaluator_make(&evaluator[0], module, &module->evaluate, options, error) &&
         evaluator_make(&evaluator[1], module, &module->sample, options, error);
}

bool trainer_make(Trainer *trainer, const RlcModule *module, const Options *options) {
  *trainer = (Trainer){.module = module, .options = *options};
  TrainState *state = &trainer->state;
  state->logged_step = state->evaluated_step = trainer->saved_step = UINT64_MAX;
  trainer->progress =
      (Progress){.episode_return = __builtin_nan(""), .eval_return = __builtin_nan("")};
  if (!module_check(trainer)) return false;
  if (!(trainer->stop = stop_make(&trainer->error))) return false;
  if (!(trainer->team = team_make(options->threads, &trainer->error))) return false;
  if (!trainer_memory(trainer) || !trainer_acting(trainer)) return false;
  if (!metrics_make(&trainer->metrics, module, &trainer->error) || !save_make(trainer))
    return false;
  if (module->init != RLC_NONE)
    trainer_run(trainer, module->init, trainer->memory, options->seed, 0, false);
  return true;
}

void trainer_free(Trainer *trainer) {
  team_free(trainer->team);
  stop_free(trainer->stop);
  actor_free(&trainer->explore);
  for (int i = 0; i < 2; i++) evaluator_free(&trainer->evaluator[i]);
  for (uint32_t i = 0; trainer->replay && i < trainer->module->source_count; i++)
    replay_free(trainer->replay[i]);
  metrics_free(&trainer->metrics);
  save_free(trainer);
  free(trainer->replay);
  free(trainer->memory);
  free(trainer->evaluation_memory);
  free(trainer->work);
  free(trainer->done);
  free(trainer->stepped);
  free(trainer->every);
  free(trainer->samples);
}
