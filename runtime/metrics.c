/* What is logged: metric slots averaged over the updates since the last line, returns of episodes,
 * rates.
 *
 * A metric belongs to whichever program writes it: all metric slots are marked before a program
 * runs, and those that no longer carry the mark were written. So a delayed actor's loss is averaged
 * over the actor's updates only. */
#include "runtime/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The fixed columns, ahead of the metrics. Those of wall time are time/fps, time/time_elapsed,
 * time/updates_per_second and charts/SPS. */
#define FIXED_COLUMNS(X)                                                                           \
  X(EPISODIC_RETURN, "charts/episodic_return")                                                     \
  X(EPISODIC_LENGTH, "charts/episodic_length")                                                     \
  X(REWARD_MEAN, "rollout/ep_rew_mean")                                                            \
  X(LENGTH_MEAN, "rollout/ep_len_mean")                                                            \
  X(TIMESTEPS, "time/total_timesteps")                                                             \
  X(ITERATIONS, "time/iterations")                                                                 \
  X(UPDATES, "train/n_updates")                                                                    \
  X(EPISODES, "charts/episodes")                                                                   \
  X(STORED, "charts/replay_stored")                                                                \
  X(SPS, "charts/SPS")                                                                             \
  X(FPS, "time/fps")                                                                               \
  X(UPS, "time/updates_per_second")                                                                \
  X(ELAPSED, "time/time_elapsed")

enum {
#define COLUMN_ENUM(id, name) COLUMN_##id,
  FIXED_COLUMNS(COLUMN_ENUM)
#undef COLUMN_ENUM
      COLUMN_COUNT
};

static const char *const fixed_names[] = {
#define COLUMN_NAME(id, name) name,
    FIXED_COLUMNS(COLUMN_NAME)
#undef COLUMN_NAME
};

static const char slot_prefix[] = "metric.", loss_prefix[] = "losses/";
enum { ALIAS_BYTES = 128 };

/* ---- making ---- */

static const char *metric_name(const RlcSlot *slot) {
  size_t length = sizeof slot_prefix - 1;
  return strncmp(slot->name, slot_prefix, length) ? slot->name : slot->name + length;
}

/* losses/critic is also train/critic_loss, the other family of names. */
static bool metric_is_loss(const RlcSlot *slot) {
  return !strncmp(metric_name(slot), loss_prefix, sizeof loss_prefix - 1);
}

static void metrics_name(Metrics *metrics) {
  size_t at = COLUMN_COUNT;
  memcpy(metrics->name, fixed_names, sizeof fixed_names);
  for (uint32_t i = 0; i < metrics->count; i++) metrics->name[at++] = metric_name(metrics->slot[i]);
  for (uint32_t i = 0; i < metrics->count; i++) {
    if (!metric_is_loss(metrics->slot[i])) continue;
    char *alias = metrics->alias + (size_t)i * ALIAS_BYTES;
    snprintf(alias, ALIAS_BYTES, "train/%s_loss",
             metric_name(metrics->slot[i]) + sizeof loss_prefix - 1);
    metrics->name[at++] = alias;
  }
  metrics->columns = at;
}

bool metrics_make(Metrics *metrics, const RlcModule *module, RunError *error) {
  *metrics = (Metrics){0};
  for (uint32_t i = 0; i < module->slot_count; i++)
    metrics->count += module->slots[i].kind == RLC_METRIC;
  size_t count = metrics->count, columns = COLUMN_COUNT + 2 * count;
  metrics->slot = run_take(count, sizeof *metrics->slot, error);
  metrics->average = run_take(count, sizeof *metrics->average, error);
  metrics->name = run_take(columns, sizeof *metrics->name, error);
  metrics->value = run_take(columns, sizeof *metrics->value, error);
  metrics->alias = run_take(count, ALIAS_BYTES, error);
  if (!metrics->slot || !metrics->average || !metrics->name || !metrics->value || !metrics->alias)
    return false;
  uint32_t at = 0;
  for (uint32_t i = 0; i < module->slot_count; i++) {
    const RlcSlot *slot = &module->slots[i];
    if (slot->kind != RLC_METRIC) continue;
    if (slot->type != RLC_F64 || slot->rank != 0)
      return run_fail(error, "metric '%s' is not a float64 scalar", slot->name);
    metrics->slot[at++] = slot;
  }
  metrics_name(metrics);
  return true;
}

bool metrics_notes(Metrics *metrics, Device *device, RunError *error) {
  size_t bytes = (size_t)METRIC_NOTES * metrics->count * SLOT_LINE;
  metrics->device = device;
  metrics->note = run_take(METRIC_NOTES, sizeof *metrics->note, error);
  metrics->written = run_take(metrics->count, sizeof *metrics->written, error);
  metrics->noted = device_host_take(device, bytes, error);
  return metrics->note && metrics->written && metrics->noted;
}

void metrics_free(Metrics *metrics) {
  if (metrics->device) device_host_free(metrics->device, metrics->noted);
  free(metrics->note);
  free(metrics->written);
  free(metrics->slot);
  free(metrics->average);
  free(metrics->name);
  free(metrics->value);
  free(metrics->alias);
}

/* ---- during training ---- */

static const uint64_t UNWRITTEN = 0x7ff8726c63000001u; /* a NaN that no arithmetic gives */

void metrics_clear(const Metrics *metrics, const Side *side) {
  if (side->mirror) return; /* tables say what programs on a card write */
  for (uint32_t i = 0; i < metrics->count; i++)
    memcpy(side->memory + metrics->slot[i]->offset, &UNWRITTEN, sizeof UNWRITTEN);
}

/* The first parameter with a value that is not finite, and where, or NULL. */
static const RlcSlot *parameter_fault(const Trainer *trainer, uint64_t *element) {
  for (uint32_t i = 0; i < trainer->module->slot_count; i++) {
    const RlcSlot *slot = &trainer->module->slots[i];
    if (slot->kind != RLC_PARAMETER) continue;
    side_fetch(&trainer->learning, i);
    *element = slot_fault(slot, trainer->memory);
    if (*element != UINT64_MAX) return slot;
  }
  return NULL;
}

static bool metric_fail(Trainer *trainer, const RlcSlot *slot, double value, uint64_t step,
                        uint64_t update) {
  uint64_t element = 0;
  const RlcSlot *bad = parameter_fault(trainer, &element);
  char where[256] = "every parameter is still finite", late[64] = "";
  if (update != trainer->state.updates) /* a card has gone on meanwhile */
    snprintf(late, sizeof late, ", seen at update %llu",
             (unsigned long long)trainer->state.updates);
  if (bad)
    snprintf(where, sizeof where, "parameter '%s' is not finite at element %llu%s", bad->name,
             (unsigned long long)element, late);
  trainer->diverged = true;
  return run_fail(&trainer->error, "metric '%s' is %s at step %llu, update %llu; %s",
                  metric_name(slot),
                  isnan(value) ? "nan"
                  : value > 0  ? "inf"
                               : "-inf",
                  (unsigned long long)step, (unsigned long long)update, where);
}

/* One value of metric number i, as a program wrote it at that step. */
static bool metric_add(Trainer *trainer, uint32_t i, const char *at, uint64_t step,
                       uint64_t update) {
  Metrics *metrics = &trainer->metrics;
  double value;
  memcpy(&value, at, sizeof value);
  if (!isfinite(value)) return metric_fail(trainer, metrics->slot[i], value, step, update);
  metrics->average[i].sum += value;
  metrics->average[i].count++;
  return true;
}

/* The metric slots that a program on a card writes, into metrics->written, and their numbers among
 * the metrics if `numbers`. Returns how many. */
static uint32_t program_metrics(const Trainer *trainer, uint32_t program, bool numbers) {
  const RlcLaunch *launch = &trainer->module->gpu->launches[program];
  const Metrics *metrics = &trainer->metrics;
  uint32_t count = 0;
  for (uint32_t i = 0; i < metrics->count; i++) {
    uint32_t slot = (uint32_t)(metrics->slot[i] - trainer->module->slots);
    for (uint32_t w = 0; w < launch->write_count; w++)
      if (launch->writes[w] == slot) metrics->written[count++] = numbers ? i : slot;
  }
  return count;
}

static char *note_place(const Metrics *metrics, uint32_t note) {
  return metrics->noted + (size_t)note * metrics->count * SLOT_LINE;
}

bool metrics_settle(Trainer *trainer) {
  Metrics *metrics = &trainer->metrics;
  if (!trainer->device || !metrics->note_count) return true;
  uint32_t notes = metrics->note_count;
  mirror_wait(trainer->learning.mirror);
  if (!device_good(trainer->device, &trainer->error)) return false;
  metrics->note_count = 0;
  for (uint32_t n = 0; n < notes; n++) {
    const MetricsNote *note = &metrics->note[n];
    uint32_t count = program_metrics(trainer, note->program, true);
    for (uint32_t i = 0; i < count; i++)
      if (!metric_add(trainer, metrics->written[i], note_place(metrics, n) + (size_t)i * SLOT_LINE,
                      note->step, note->update))
        return false;
  }
  return true;
}

/* Lets the card write down what the program gave; looked at when there are many of them, or
 * somebody wants to know. */
static bool metrics_note(Trainer *trainer, uint32_t program) {
  Metrics *metrics = &trainer->metrics;
  uint32_t count = program_metrics(trainer, program, false);
  if (!count) return true;
  if (metrics->note_count == METRIC_NOTES && !metrics_settle(trainer)) return false;
  count = program_metrics(trainer, program, false);
  uint32_t note = metrics->note_count++;
  metrics->note[note] = (MetricsNote){program, *trainer->learning.step, trainer->state.updates};
  mirror_note(trainer->learning.mirror, metrics->written, count, note_place(metrics, note));
  return true;
}

bool metrics_gather(Trainer *trainer, uint32_t program) {
  const Metrics *metrics = &trainer->metrics;
  if (trainer->device) return metrics_note(trainer, program);
  for (uint32_t i = 0; i < metrics->count; i++) {
    const char *at = trainer->memory + metrics->slot[i]->offset;
    if (memcmp(at, &UNWRITTEN, sizeof UNWRITTEN) &&
        !metric_add(trainer, i, at, *trainer->learning.step, trainer->state.updates))
      return false;
  }
  return true;
}

bool metrics_check_parameters(Trainer *trainer) {
  uint64_t element = 0;
  if (!metrics_settle(trainer)) return false; /* they came before */
  const RlcSlot *bad = parameter_fault(trainer, &element);
  if (!device_good(trainer->device, &trainer->error)) return false;
  if (!bad) return true;
  trainer->diverged = true;
  return run_fail(&trainer->error,
                  "parameter '%s' is not finite at element %llu, seen at step %llu, update %llu",
                  bad->name, (unsigned long long)element, (unsigned long long)trainer->state.step,
                  (unsigned long long)trainer->state.updates);
}

void metrics_episode(TrainState *state, double episode_return, uint32_t length) {
  uint64_t at = state->episodes++ % RECENT_EPISODES;
  state->recent_return[at] = episode_return;
  state->recent_length[at] = length;
  state->episode_return.sum += episode_return;
  state->episode_return.count++;
  state->episode_length.sum += length;
  state->episode_length.count++;
}

/* ---- lines ---- */

static double average_take(Average *average) {
  double mean = average->count ? average->sum / (double)average->count : NAN;
  *average = (Average){0, 0};
  return mean;
}

static double recent_mean(const double *values, uint64_t episodes) {
  uint64_t count = episodes < RECENT_EPISODES ? episodes : RECENT_EPISODES;
  double sum = 0;
  for (uint64_t i = 0; i < count; i++) sum += values[i];
  return count ? sum / (double)count : NAN;
}

static void fixed_fill(Trainer *trainer, double *value) {
  TrainState *state = &trainer->state;
  double seconds = run_clock() - trainer->started;
  double steps = (double)(state->step - trainer->progress.start_step);
  double updates = (double)(state->updates - trainer->progress.start_updates);
  value[COLUMN_EPISODIC_RETURN] = average_take(&state->episode_return);
  value[COLUMN_EPISODIC_LENGTH] = average_take(&state->episode_length);
  value[COLUMN_REWARD_MEAN] = recent_mean(state->recent_return, state->episodes);
  value[COLUMN_LENGTH_MEAN] = recent_mean(state->recent_length, state->episodes);
  value[COLUMN_TIMESTEPS] = (double)state->step;
  value[COLUMN_ITERATIONS] = (double)state->iteration;
  value[COLUMN_UPDATES] = (double)state->updates;
  value[COLUMN_EPISODES] = (double)state->episodes;
  value[COLUMN_STORED] =
      trainer->module->source_count ? (double)replay_stored(trainer->replay[0]) : NAN;
  value[COLUMN_SPS] = value[COLUMN_FPS] = seconds > 0 ? steps / seconds : NAN;
  value[COLUMN_UPS] = seconds > 0 ? updates / seconds : NAN;
  value[COLUMN_ELAPSED] = trainer->seconds_before + seconds;
}

bool metrics_line(Trainer *trainer) {
  Metrics *metrics = &trainer->metrics;
  if (!metrics_settle(trainer)) return false;
  fixed_fill(trainer, metrics->value);
  trainer->progress.episode_return = metrics->value[COLUMN_REWARD_MEAN];
  size_t alias = COLUMN_COUNT + metrics->count;
  for (uint32_t i = 0; i < metrics->count; i++) {
    double mean = average_take(&metrics->average[i]);
    metrics->value[COLUMN_COUNT + i] = mean;
    if (metric_is_loss(metrics->slot[i])) metrics->value[alias++] = mean;
  }
  trainer->saved_step = UINT64_MAX;
  trainer->state.logged_step = trainer->state.step;
  return log_line(trainer->log, trainer->state.step, metrics->value, &trainer->error);
}
