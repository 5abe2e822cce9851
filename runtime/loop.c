/* The interpreter of the loop's table, and what surrounds its passes: log lines, evaluations,
 * checkpoints, stopping.
 *
 * All of these happen between two passes only, so a checkpoint never has to say where in a pass it
 * was taken. */
#include "runtime/slot.h"
#include "runtime/training.h"

#include <math.h>

/* ---- one pass ---- */

static uint64_t counter_value(const Trainer *trainer, uint8_t counter) {
  const TrainState *state = &trainer->state;
  switch ((RlcCounter)counter) {
  case RLC_STEP:
    return *trainer->learning.step;
  case RLC_ITERATION:
    return state->iteration;
  case RLC_UPDATES:
    return state->updates;
  case RLC_STORED:
    return trainer->module->source_count ? replay_stored(trainer->replay[0]) : 0;
  case RLC_PROGRESS:
    return *trainer->learning.step >= trainer->options.steps;
  case RLC_COUNTERS:
    break;
  }
  return 0;
}

/* Moves the mark to the last multiple of `count` that `value` has passed; true when it moved. */
static bool mark_move(uint64_t *mark, uint64_t value, uint64_t count) {
  if (count == 0 || value / count == *mark) return false;
  *mark = value / count;
  return true;
}

/* All updates share one draw counter: the same loss in two programs of a pass is two evaluations,
 * and draws anew. Other programs (conditions, normalisers) count apart, so that a variant with one
 * more of them draws the same in its updates. */
bool trainer_program(Trainer *trainer, uint32_t program, uint8_t flags) {
  TrainState *state = &trainer->state;
  uint64_t *counter = flags & RLC_IS_UPDATE ? &state->updates : &state->runs;
  metrics_clear(&trainer->metrics, &trainer->learning);
  if (!trainer_run(trainer, &trainer->learning, program, trainer->options.seed, *counter, false))
    return false;
  ++*counter;
  return metrics_gather(trainer, program);
}

/* What of a batch the host wrote: where there is a card, the columns were taken there. */
static void sample_stored(const Side *side, const RlcSource *source) {
  side_store(side, source->valid);
  side_store(side, source->weight);
}

bool trainer_sample(Trainer *trainer, uint32_t source) {
  Replay *replay = trainer->replay[source];
  if (!replay_ready(replay, *trainer->learning.step, &trainer->error)) return false;
  replay_sample(replay, trainer->learning.team, trainer->memory, trainer->options.seed,
                trainer->samples[source]++);
  sample_stored(&trainer->learning, &trainer->module->sources[source]);
  return true;
}

/* What the runtime works out counts as the program would that it stands for: what others draw does
 * not depend on which of the two it is. */
static void condition_count(Trainer *trainer, const RlcStep *step) {
  const Side *side = &trainer->learning;
  double counters[RLC_COUNTERS];
  trainer_counters(trainer, side, counters);
  rlc_slot_set(&trainer->module->slots[step->slot], side->memory, 0,
               terms_value(step->terms, step->term_count, counters));
  side_store(side, step->slot);
  trainer->state.runs++;
}

bool trainer_holds(Trainer *trainer, const RlcStep *step, bool *holds) {
  if (step->index == RLC_NONE)
    condition_count(trainer, step);
  else if (!trainer_program(trainer, step->index, 0))
    return false;
  side_fetch(&trainer->learning, step->slot);
  *holds = rlc_slot_get(&trainer->module->slots[step->slot], trainer->memory, 0) != 0;
  return device_good(trainer->device, &trainer->error);
}

static bool loop_steps(Trainer *trainer, uint32_t from, uint32_t to);

/* The body until the condition holds, which is looked at after it. */
static bool loop_until(Trainer *trainer, const RlcStep *step, uint32_t body, uint32_t end) {
  bool holds = false;
  for (uint64_t i = 0; i < step->count && !holds; i++)
    if (!loop_steps(trainer, body, end) || !trainer_holds(trainer, step, &holds)) return false;
  return holds || (step->flags & RLC_AT_MOST) ||
         run_fail(&trainer->error,
                  "the condition '%s' of the loop does not hold after %llu times at step %llu",
                  trainer->module->slots[step->slot].name, (unsigned long long)step->count,
                  (unsigned long long)*trainer->learning.step);
}

void trainer_part(Trainer *trainer, uint32_t index, uint64_t part) {
  const RlcView *view = &trainer->module->views[index];
  const Side *side = &trainer->learning;
  for (uint32_t i = 0; i < view->column_count; i++) side_fetch(side, view->columns[i].from);
  parts_copy(&trainer->parts[index], side->team, side->memory, part);
  for (uint32_t i = 0; i < view->column_count; i++) side_store(side, view->columns[i].to);
}

/* The body once on each part of the rollout, in an order drawn now. */
static bool loop_parts(Trainer *trainer, const RlcStep *step, uint32_t body, uint32_t end) {
  Parts *parts = &trainer->parts[step->index];
  parts_shuffle(parts, trainer->options.seed, trainer->state.shuffles++);
  for (uint64_t i = 0; i < step->count; i++) {
    trainer_part(trainer, step->index, i);
    if (!loop_steps(trainer, body, end)) return false;
  }
  return true;
}

bool trainer_write(Trainer *trainer, uint32_t at) {
  const RlcStep *step = &trainer->module->steps[at];
  side_fetch(&trainer->learning, step->slot);
  return replay_write(trainer->replay[step->index], at, trainer->memory, *trainer->learning.step,
                      &trainer->error);
}

/* One step with its body. */
static bool loop_step(Trainer *trainer, uint32_t at) {
  const RlcStep *step = &trainer->module->steps[at];
  uint32_t body = at + 1, end = body + step->body;
  bool holds = false;
  switch ((RlcStepOp)step->op) {
  case RLC_DO_COLLECT:
    return collect_steps(trainer, step->count);
  case RLC_DO_ASIDE:
    return true;
  case RLC_DO_SAMPLE:
    return trainer_sample(trainer, step->index);
  case RLC_DO_RUN:
    return trainer_program(trainer, step->index, step->flags);
  case RLC_DO_WHEN:
    if (!trainer_holds(trainer, step, &holds)) return false;
    return !holds || loop_steps(trainer, body, end);
  case RLC_DO_EVERY:
    if (!mark_move(&trainer->every[at], counter_value(trainer, step->counter), step->count))
      return true;
    return loop_steps(trainer, body, end);
  case RLC_DO_REPEAT:
    for (uint64_t i = 0; i < step->count; i++)
      if (!loop_steps(trainer, body, end)) return false;
    return true;
  case RLC_DO_UNTIL:
    return loop_until(trainer, step, body, end);
  case RLC_DO_PARTS:
    return loop_parts(trainer, step, body, end);
  case RLC_DO_WRITE:
    return trainer_write(trainer, at);
  }
  return false;
}

static bool loop_steps(Trainer *trainer, uint32_t from, uint32_t to) {
  for (uint32_t at = from; at < to; at += 1 + trainer->module->steps[at].body)
    if (!loop_step(trainer, at)) return false;
  return true;
}

bool trainer_learn(Trainer *trainer) { return loop_steps(trainer, 0, trainer->module->step_count); }

bool trainer_pass(Trainer *trainer) {
  return trainer->overlap ? overlap_pass(trainer) : trainer_learn(trainer);
}

/* ---- between passes ---- */

static void loop_progress(Trainer *trainer, bool last) {
  Progress *progress = &trainer->progress;
  progress->step = trainer->state.step;
  progress->steps = trainer->options.steps;
  progress->updates = trainer->state.updates;
  double now = run_clock();
  progress->seconds = now - trainer->started;
  if (!last) trainer->passed = now;
  double limit = 60 * trainer->options.stop_after, passed = trainer->started - trainer->limited;
  progress->limit_seconds = limit > 0 ? fmax(limit - passed, 1e-9) : 0;
  if (!trainer->options.quiet) progress_show(progress, last);
}

static bool line_due(Trainer *trainer) {
  return metrics_check_parameters(trainer) && metrics_line(trainer);
}

/* A checkpoint by the clock. Where one takes long, on a slow disk or with a large replay, they come
 * less often, so that a run spends at least 99 % of its time in training. */
static bool checkpoint_due(const Trainer *trainer) {
  double interval = 60 * trainer->options.checkpoint_minutes, least = 99 * trainer->saving;
  return interval > 0 && trainer->passed - trainer->saved >= (interval > least ? interval : least);
}

static bool loop_between(Trainer *trainer) {
  TrainState *state = &trainer->state;
  const Options *options = &trainer->options;
  bool line = mark_move(&state->log_mark, state->step, options->log_every);
  bool evaluation = mark_move(&state->eval_mark, state->step, options->eval_every);
  bool checkpoint = mark_move(&state->checkpoint_mark, state->step, options->checkpoint_every) ||
                    checkpoint_due(trainer);
  if (line && !line_due(trainer)) return false;
  if (evaluation && !evaluate_run(trainer, true)) return false;
  if (checkpoint && !(metrics_check_parameters(trainer) && save_write(trainer))) return false;
  loop_progress(trainer, false);
  return true;
}

bool trainer_late(const Trainer *trainer) {
  double limit = trainer->options.stop_after;
  return limit > 0 && run_clock() - trainer->limited >= 60 * limit;
}

static bool loop_there(const Trainer *trainer) {
  return trainer->state.step >= trainer->options.steps;
}

bool trainer_finished(const Trainer *trainer) {
  return loop_there(trainer) && trainer->state.eval_mark != EVALUATION_OWED;
}

static bool loop_stopped(const Trainer *trainer) {
  return stop_signal(trainer->stop) || trainer_late(trainer);
}

/* The end: a run that reached its last step closes its books; a stopped one only keeps what it
 * needs to go on, so that its logs will be those of an unbroken run. */
static bool loop_finish(Trainer *trainer) {
  TrainState *state = &trainer->state;
  bool there = loop_there(trainer);
  if (there && state->logged_step != state->step && !line_due(trainer)) return false;
  if (there && state->evaluated_step != state->step && !evaluate_run(trainer, true)) return false;
  if (!metrics_check_parameters(trainer)) return false;
  if (trainer->saved_step != state->step && !save_write(trainer)) return false;
  /* The time limit is an end too: its evaluation is told, but lies behind the checkpoint's mark, so
   * that a resumed run cuts it off. A signal is in a hurry, and so is a limit that has just cut an
   * evaluation off. */
  bool timed = !there && !stop_signal(trainer->stop) && state->eval_mark != EVALUATION_OWED;
  if (timed && state->evaluated_step != state->step && !evaluate_run(trainer, false)) return false;
  loop_progress(trainer, true);
  return true;
}

void trainer_start(Trainer *trainer) {
  trainer->started = trainer->passed = trainer->saved = run_clock();
  if (trainer->limited == 0) trainer->limited = trainer->started;
  trainer->progress.start_step = trainer->state.step;
  trainer->progress.start_updates = trainer->state.updates;
  if (trainer->collects) actor_observe(&trainer->explore, &trainer->learning);
  overlap_begin(trainer);
}

static bool loop_round(Trainer *trainer) {
  if (!trainer_pass(trainer)) return false;
  trainer->state.iteration++;
  trainer->state.step += !trainer->collects;
  return loop_between(trainer);
}

/* What goes wrong may come of a value that a card noted before: that is told in its place, as it
 * would have been on a CPU. */
bool trainer_round(Trainer *trainer) {
  if (loop_round(trainer)) return true;
  metrics_settle(trainer);
  return false;
}

bool trainer_train(Trainer *trainer) {
  TrainState *state = &trainer->state;
  trainer_start(trainer);
  if (trainer->resumed) trainer->progress.eval_return = state->result[0].mean;
  bool owed = !trainer->resumed || state->eval_mark == EVALUATION_OWED;
  if (owed && !evaluate_run(trainer, true)) return false;
  while (!loop_there(trainer) && !loop_stopped(trainer))
    if (!trainer_round(trainer)) return false;
  return loop_finish(trainer);
}
