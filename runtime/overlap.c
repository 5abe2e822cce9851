/* Acting beside learning, for loops with RLC_DO_ASIDE.
 *
 * Both sides begin a pass with the state before it. Acting has slots, scratch, counters and an
 * error of its own, and its rows wait outside of the replays; at the end of the pass what it wrote
 * is given to learning's slots, which are the run's. So between two passes there is one state,
 * which logs, evaluations and checkpoints see as they see that of any other loop, and what a pass
 * leaves does not depend on which side ran first or on how many threads.
 *
 * With more than one thread a pass runs in one of two ways, whichever was found to be faster: one
 * side after the other, each on all threads, or both at once, each on a part of the threads; those
 * of the side that is done first go over to the other. */
#include "runtime/slot.h"
#include "runtime/training.h"

#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

typedef struct Overlap {
  char *memory, *work;      /* of acting */
  uint64_t *done, *stepped; /* of acting in this pass */
  uint64_t step, updates;   /* before this pass */
  uint32_t from, to;        /* of the loop's table: the steps aside */
  bool good[2];             /* learning, acting: in this pass */
  RunError error;           /* of acting */
  Team *learners, *actors;
  Pace pace; /* of passes: one side after the other, or together */
} Overlap;

static uint64_t most(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Bytes of scratch that every program of acting can do with. */
static uint64_t acting_work(const RlcModule *module, const Overlap *overlap, uint32_t threads) {
  const RlcActing *explore = &module->explore;
  uint64_t bytes = rlc_program_bytes(module, explore->program, threads);
  bytes = most(bytes, rlc_program_bytes(module, explore->store, threads));
  bytes = most(bytes, rlc_program_bytes(module, explore->advance, threads));
  for (uint32_t i = overlap->from; i < overlap->to; i++)
    if (module->steps[i].op == RLC_DO_RUN)
      bytes = most(bytes, rlc_program_bytes(module, module->steps[i].index, threads));
  return bytes;
}

/* Vector steps of a pass. */
static uint64_t pass_vectors(const RlcModule *module, uint32_t from, uint32_t to) {
  uint64_t vectors = 0;
  for (uint32_t at = from; at < to; at += 1 + module->steps[at].body) {
    const RlcStep *step = &module->steps[at];
    if (step->op == RLC_DO_COLLECT) vectors += step->count;
    if (step->op == RLC_DO_REPEAT)
      vectors += step->count * pass_vectors(module, at + 1, at + 1 + step->body);
  }
  return vectors;
}

static bool overlap_take(Trainer *trainer, Overlap *overlap) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  uint32_t threads = team_size(trainer->team);
  uint64_t vectors = pass_vectors(module, overlap->from, overlap->to);
  overlap->memory = block_take(module->memory_bytes, error);
  overlap->work = block_take(acting_work(module, overlap, threads), error);
  overlap->done = run_take(threads + 1, sizeof(uint64_t), error);
  overlap->stepped = run_take(threads + 1, sizeof(uint64_t), error);
  overlap->learners = crew_make(trainer->team, error);
  overlap->actors = crew_make(trainer->team, error);
  for (uint32_t i = 0; i < module->source_count; i++)
    if (!replay_wait(trainer->replay[i], vectors, error)) return false;
  return overlap->memory && overlap->work && overlap->done && overlap->stepped &&
         overlap->learners && overlap->actors;
}

bool overlap_make(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  uint32_t at = 0;
  while (at < module->step_count && module->steps[at].op != RLC_DO_ASIDE) at++;
  if (at == module->step_count) return true;
  Overlap *overlap = trainer->overlap = run_take(1, sizeof *overlap, &trainer->error);
  if (!overlap) return false;
  overlap->from = at + 1;
  overlap->to = at + 1 + module->steps[at].body;
  if (!overlap_take(trainer, overlap)) return false;
  trainer->acting = (Side){.memory = overlap->memory,
                           .work = overlap->work,
                           .team = trainer->team,
                           .done = overlap->done,
                           .stepped = overlap->stepped,
                           .step = &trainer->state.step,
                           .updates = &overlap->updates,
                           .error = &overlap->error};
  trainer->learning.step = &overlap->step;
  if (!trainer->device) return true;
  trainer->acting.mirror = mirror_make(trainer->device, overlap->memory, &trainer->error);
  return trainer->acting.mirror != NULL;
}

void overlap_free(Trainer *trainer) {
  Overlap *overlap = trainer->overlap;
  if (!overlap) return;
  if (trainer->acting.mirror != trainer->learning.mirror) mirror_free(trainer->acting.mirror);
  free(overlap->memory);
  free(overlap->work);
  free(overlap->done);
  free(overlap->stepped);
  team_free(overlap->learners);
  team_free(overlap->actors);
  free(overlap);
}

/* ---- what the sides give each other ---- */

static void slots_give(const RlcModule *module, const uint32_t *slots, uint32_t count,
                       const Side *to, const Side *from) {
  if (to->mirror) {
    mirror_give(to->mirror, from->mirror, slots, count);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    const RlcSlot *slot = &module->slots[slots[i]];
    memcpy(to->memory + slot->offset, from->memory + slot->offset, slot->bytes);
  }
}

void overlap_begin(Trainer *trainer) {
  Overlap *overlap = trainer->overlap;
  if (!overlap) return;
  side_give_all(trainer, &trainer->acting, &trainer->learning);
  overlap->step = trainer->state.step;
  overlap->updates = trainer->state.updates;
}

void overlap_join(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  Overlap *overlap = trainer->overlap;
  if (!overlap) return;
  slots_give(module, module->aside.out, module->aside.out_count, &trainer->learning,
             &trainer->acting);
  for (uint32_t i = 0; i < module->source_count; i++) replay_join(trainer->replay[i]);
  overlap->step = trainer->state.step;
}

/* Thread i of acting's team is thread first + i of the run's. */
static void shares_add(Trainer *trainer, uint32_t first) {
  Overlap *overlap = trainer->overlap;
  uint32_t threads = team_size(trainer->team);
  for (uint32_t i = 0; i < threads; i++) {
    trainer->done[(first + i) % threads] += overlap->done[i];
    trainer->stepped[(first + i) % threads] += overlap->stepped[i];
    overlap->done[i] = overlap->stepped[i] = 0;
  }
}

/* ---- a pass ---- */

/* The draws of programs between vector steps count with those. */
static bool act_steps(Trainer *trainer, uint32_t from, uint32_t to) {
  for (uint32_t at = from; at < to; at += 1 + trainer->module->steps[at].body) {
    const RlcStep *step = &trainer->module->steps[at];
    if (step->op == RLC_DO_COLLECT && !collect_steps(trainer, step->count)) return false;
    if (step->op == RLC_DO_RUN &&
        !trainer_run(trainer, &trainer->acting, step->index, trainer->options.seed,
                     trainer->state.vector_steps, false))
      return false;
    for (uint64_t i = 0; step->op == RLC_DO_REPEAT && i < step->count; i++)
      if (!act_steps(trainer, at + 1, at + 1 + step->body)) return false;
  }
  return true;
}

static bool act(Trainer *trainer) {
  return act_steps(trainer, trainer->overlap->from, trainer->overlap->to);
}

/* The thread that leads acting; those before it learn. */
static uint32_t leader(uint32_t threads) { return (threads + 1) / 2; }

static void part_run(void *arg, uint32_t thread, uint32_t threads) {
  Trainer *trainer = arg;
  Overlap *overlap = trainer->overlap;
  bool acts = thread >= leader(threads);
  Team *own = acts ? overlap->actors : overlap->learners,
       *other = acts ? overlap->learners : overlap->actors;
  if (acts) thread -= leader(threads);
  if (thread > 0) {
    crew_serve(own, thread);
  } else {
    overlap->good[acts] = acts ? act(trainer) : trainer_learn(trainer);
    crew_close(own);
  }
  crew_join(other);
}

static void run_together(Trainer *trainer) {
  Overlap *overlap = trainer->overlap;
  uint32_t threads = team_size(trainer->team);
  crew_open(overlap->learners, leader(threads));
  crew_open(overlap->actors, threads - leader(threads));
  trainer->learning.team = overlap->learners;
  trainer->acting.team = overlap->actors;
  team_run(trainer->team, part_run, trainer);
  trainer->learning.team = trainer->acting.team = trainer->team;
  shares_add(trainer, leader(threads));
}

/* In the first pass there is nothing to learn from. */
static void run_in_turn(Trainer *trainer) {
  Overlap *overlap = trainer->overlap;
  overlap->good[1] = act(trainer);
  overlap->good[0] = trainer->state.iteration == 0 || trainer_learn(trainer);
  shares_add(trainer, 0);
}

bool overlap_pass(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  Overlap *overlap = trainer->overlap;
  /* A card runs what it gets one after the other. */
  bool choice = team_size(trainer->team) > 1 && !trainer->device && trainer->state.iteration > 0;
  double start = run_clock();
  overlap->updates = trainer->state.updates;
  slots_give(module, module->aside.in, module->aside.in_count, &trainer->acting,
             &trainer->learning);
  (choice && pace_second(&overlap->pace) ? run_together : run_in_turn)(trainer);
  overlap_join(trainer);
  if (choice) pace_note(&overlap->pace, run_clock() - start);
  if (!overlap->good[1]) trainer->error = overlap->error;
  return overlap->good[0] && overlap->good[1];
}

bool overlap_settled(const Trainer *trainer) {
  return !trainer->overlap || trainer->device || team_size(trainer->team) == 1 ||
         trainer->overlap->pace.settled;
}
