/* What a vector step leaves in the rollout: see rollout.h. */
#include "runtime/rollout.h"

#include <stdlib.h>

/* Elements in a row of what the environments give; 0: as many as the column says. */
static uint32_t kind_width(const RlcModule *module, uint8_t kind) {
  switch ((RlcColumnKind)kind) {
  case RLC_OBS:
  case RLC_NEXT_OBS:
    return module->obs_dim;
  case RLC_ACTION:
    return module->act_dim;
  case RLC_REWARD:
  case RLC_TERMINATED:
  case RLC_TRUNCATED:
    return 1;
  case RLC_EXTRA:
    break;
  }
  return 0;
}

static bool column_make(RolloutColumn *column, const RlcModule *module, const RlcColumn *given,
                        RunError *error) {
  uint32_t envs = module->explore.count;
  uint32_t own = given->from_slot == RLC_NONE ? kind_width(module, given->kind) : 0;
  column->kind = given->kind;
  if (given->kind == RLC_EXTRA && given->from_slot == RLC_NONE)
    return run_fail(error, "column '%s' of the rollout is kept from no slot", given->name);
  if (!whole_make(&column->whole, module, given->slot, module->rollout.steps, envs, error) ||
      !rows_make(&column->from, module, given->from_slot, envs, given->width, error))
    return false;
  uint32_t width = own ? own : given->width;
  if (!column->whole.slot || (column->whole.width == width && given->width == width)) return true;
  return run_fail(error, "column '%s' of the rollout needs %u elements in a row, but has %u",
                  given->name, width, given->width == width ? column->whole.width : given->width);
}

bool rollout_make(Rollout *rollout, const RlcModule *module, RunError *error) {
  *rollout = (Rollout){.table = &module->rollout, .envs = module->explore.count};
  if (module->rollout.steps == 0) return true;
  if (rollout->envs == 0) return run_fail(error, "a rollout needs environments");
  rollout->columns = run_take(module->rollout.column_count, sizeof *rollout->columns, error);
  rollout->flags = run_take(rollout->envs, sizeof *rollout->flags, error);
  for (uint32_t i = 0; rollout->columns && i < module->rollout.column_count; i++)
    if (!column_make(&rollout->columns[i], module, &module->rollout.columns[i], error))
      return false;
  return rollout->columns && rollout->flags;
}

void rollout_free(Rollout *rollout) {
  for (uint32_t i = 0; rollout->columns && i < rollout->table->column_count; i++)
    rows_free(&rollout->columns[i].from), whole_free(&rollout->columns[i].whole);
  free(rollout->columns);
  free(rollout->flags);
}

static const float *flags_as_numbers(const Rollout *rollout, const uint8_t *flags) {
  for (uint32_t i = 0; i < rollout->envs; i++) rollout->flags[i] = flags[i];
  return rollout->flags;
}

/* What the environments gave for a column: [env][width]. */
static const float *column_given(const Rollout *rollout, const RolloutColumn *column,
                                 const ReplayStep *step) {
  const Pool *pool = step->pool;
  switch ((RlcColumnKind)column->kind) {
  case RLC_OBS:
    return step->obs;
  case RLC_ACTION:
    return step->action;
  case RLC_REWARD:
    return pool->reward;
  case RLC_NEXT_OBS:
    return pool->final_obs;
  case RLC_TERMINATED:
    return flags_as_numbers(rollout, pool->terminated);
  case RLC_TRUNCATED:
    return flags_as_numbers(rollout, pool->truncated);
  case RLC_EXTRA: /* is kept from a slot: column_make */
    break;
  }
  return rollout->flags;
}

void rollout_keep(const Rollout *rollout, const ReplayStep *step, char *memory, uint64_t number) {
  if (!rollout->columns) return;
  uint32_t t = (uint32_t)(number % rollout->table->steps);
  for (uint32_t i = 0; i < rollout->table->column_count; i++) {
    const RolloutColumn *column = &rollout->columns[i];
    if (column->from.slot)
      whole_keep(&column->whole, memory, t, &column->from);
    else if (column->whole.slot)
      whole_put(&column->whole, memory, t, column_given(rollout, column, step));
  }
}
