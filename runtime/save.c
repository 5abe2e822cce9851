/* Checkpoints of a run: trained tensors go by name; everything else goes as named parts. After
 * save_read the run goes on bit for bit as if it had never stopped. Results and data columns are
 * kept too, since a program of the next pass may read them before they are written again; they are
 * stored in plain order, so that a trainer with other layouts reads them as well. */
#include "runtime/slot.h"
#include "runtime/training.h"

#include <stdlib.h>
#include <string.h>

enum { FIXED_BLOBS = 9 };

static bool slot_is_carried(const RlcSlot *slot) {
  return slot->kind == RLC_RESULT || slot->kind == RLC_COLUMN;
}

bool save_make(Trainer *trainer) {
  const RlcModule *module = trainer->module;
  RunError *error = &trainer->error;
  for (uint32_t i = 0; i < module->slot_count; i++)
    if (slot_is_carried(&module->slots[i]))
      trainer->carried_count += rlc_slot_elements(&module->slots[i]);
  size_t pool = actor_state_size(&trainer->explore);
  size_t blobs = FIXED_BLOBS + (size_t)REPLAY_BLOBS * module->source_count;
  trainer->carried = run_take(trainer->carried_count, sizeof *trainer->carried, error);
  trainer->pool_state = run_take(1, pool, error);
  trainer->blobs = run_take(blobs, sizeof *trainer->blobs, error);
  return trainer->carried && trainer->pool_state && trainer->blobs;
}

void save_free(Trainer *trainer) {
  free(trainer->carried);
  free(trainer->pool_state);
  free(trainer->blobs);
}

static void blob_add(Trainer *trainer, const char *name, void *data, uint64_t bytes) {
  if (bytes) trainer->blobs[trainer->blob_count++] = (Blob){name, data, bytes, false};
}

/* Lists the parts. `used`: only what holds something, for writing. */
static void blobs_list(Trainer *trainer, bool used, bool replay) {
  const RlcModule *module = trainer->module;
  Evaluator *evaluator = trainer->evaluator;
  size_t pool = actor_state_size(&trainer->explore);
  trainer->blob_count = 0;
  blob_add(trainer, "trainer.state", &trainer->state, sizeof trainer->state);
  blob_add(trainer, "trainer.every", trainer->every, module->step_count * sizeof(uint64_t));
  blob_add(trainer, "trainer.samples", trainer->samples, module->source_count * sizeof(uint64_t));
  blob_add(trainer, "trainer.metrics", trainer->metrics.average,
           trainer->metrics.count * sizeof(Average));
  blob_add(trainer, "trainer.carried", trainer->carried, trainer->carried_count * sizeof(double));
  blob_add(trainer, "environments", trainer->pool_state, pool);
  blob_add(trainer, "evaluation", evaluator[0].start, evaluator[0].start_bytes);
  blob_add(trainer, "evaluation.sample", evaluator[1].start, evaluator[1].start_bytes);
  for (uint32_t i = 0; replay && i < module->source_count; i++) {
    replay_blobs(trainer->replay[i], used, trainer->blobs + trainer->blob_count);
    trainer->blob_count += REPLAY_BLOBS;
  }
}

/* Carried slots to or from their plain copy. */
static void carried_move(Trainer *trainer, bool out) {
  double *plain = trainer->carried;
  for (uint32_t i = 0; i < trainer->module->slot_count; i++) {
    const RlcSlot *slot = &trainer->module->slots[i];
    if (!slot_is_carried(slot)) continue;
    if (out)
      rlc_slot_export(slot, trainer->memory, plain);
    else
      rlc_slot_import(slot, trainer->memory, plain);
    plain += rlc_slot_elements(slot);
  }
}

/* Brings everything from the card, if there is one. */
static bool slots_home(Trainer *trainer) {
  if (!trainer->device) return true;
  mirror_fetch_all(trainer->learning.mirror);
  return device_good(trainer->device, &trainer->error);
}

bool save_write(Trainer *trainer) {
  const TrainState *state = &trainer->state;
  CheckpointInfo info = {.step = state->step,
                         .iteration = state->iteration,
                         .updates = state->updates,
                         .seed = trainer->options.seed,
                         .spec_hash = trainer->module->spec_hash,
                         .counters = {state->vector_steps, state->episodes, state->evaluations,
                                      state->runs, state->shuffles},
                         .seconds = trainer->seconds_before + run_clock() - trainer->started};
  double began = run_clock();
  if (!slots_home(trainer) || !metrics_settle(trainer)) return false;
  if (!log_mark(trainer->log, &info.log, &trainer->error)) return false;
  carried_move(trainer, true);
  actor_get_state(&trainer->explore, trainer->pool_state);
  blobs_list(trainer, true, !trainer->options.no_replay);
  trainer->saved_step = state->step;
  if (!checkpoint_save(trainer->directory, trainer->module, trainer->memory, &info, trainer->blobs,
                       trainer->blob_count, &trainer->error))
    return false;
  trainer->saved = run_clock();
  trainer->saving = trainer->saved - began;
  return true;
}

/* What was read into the parts becomes the trainer's. */
static bool save_apply(Trainer *trainer, bool replay) {
  for (uint32_t i = 0; replay && i < trainer->module->source_count; i++)
    if (!replay_resume(trainer->replay[i], &trainer->error)) return false;
  carried_move(trainer, false);
  if (trainer->device) mirror_store_all(trainer->learning.mirror);
  actor_set_state(&trainer->explore, trainer->pool_state);
  trainer->saved_step = trainer->state.step;
  return true;
}

bool save_read(Trainer *trainer, LogMark *mark, uint64_t *seed) {
  CheckpointInfo info;
  blobs_list(trainer, false, true);
  if (!checkpoint_load(trainer->directory, trainer->module, trainer->memory, &info, trainer->blobs,
                       trainer->blob_count, &trainer->error) ||
      !save_apply(trainer, true))
    return false;
  *mark = info.log;
  *seed = info.seed;
  trainer->seconds_before = info.seconds;
  trainer->resumed = true;
  return true;
}

/* Programs can tell how much a replay holds, but not what, until it is sampled. */
bool save_look(Trainer *trainer, uint64_t *seed) {
  CheckpointInfo info;
  bool replay = trainer->module->counters[RLC_STORED] != RLC_NONE;
  blobs_list(trainer, false, replay);
  if (!checkpoint_look(trainer->directory, trainer->module, trainer->memory, &info, trainer->blobs,
                       trainer->blob_count, &trainer->error))
    return false;
  *seed = info.seed;
  return save_apply(trainer, replay);
}
