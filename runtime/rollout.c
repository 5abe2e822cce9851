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
  for (uint32_t i = 0; rollout->columns && i < module->rollout.column_count; i++)
    if (!column_make(&rollout->columns[i], module, &module->rollout.columns[i], error))
      return false;
  return rollout->columns != NULL;
}

void rollout_free(Rollout *rollout) {
  for (uint32_t i = 0; rollout->columns && i < rollout->table->column_count; i++)
    rows_free(&rollout->columns[i].from), whole_free(&rollout->columns[i].whole);
  free(rollout->columns);
}

/* What the environment gave one row of a column; `flag` is room for what is no float yet. */
static const float *column_given(const RolloutColumn *column, const ReplayStep *step, uint32_t env,
                                 float *flag) {
  const Pool *pool = step->pool;
  size_t width = column->whole.width;
  switch ((RlcColumnKind)column->kind) {
  case RLC_OBS:
    return step->obs + env * width;
  case RLC_ACTION:
    return step->action + env * width;
  case RLC_REWARD:
    return pool->reward + env;
  case RLC_NEXT_OBS:
    return pool->final_obs + env * width;
  case RLC_TERMINATED:
    *flag = pool->terminated[env];
    break;
  case RLC_TRUNCATED:
    *flag = pool->truncated[env];
    break;
  case RLC_EXTRA:
    break;
  }
  return flag;
}

static void column_keep(const RolloutColumn *column, const ReplayStep *step, char *memory,
                        uint64_t row, uint32_t env) {
  float flag = 0;
  if (column->from.slot)
    whole_keep(&column->whole, memory, row, &column->from, env);
  else
    whole_put(&column->whole, memory, row, column_given(column, step, env, &flag));
}

void rollout_keep(const Rollout *rollout, const ReplayStep *step, char *memory, uint64_t number) {
  if (!rollout->columns) return;
  uint64_t first = number % rollout->table->steps * rollout->envs;
  for (uint32_t i = 0; i < rollout->table->column_count; i++)
    for (uint32_t env = 0; env < rollout->envs; env++)
      column_keep(&rollout->columns[i], step, memory, first + env, env);
}
