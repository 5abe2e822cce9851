/* Declared environments as a pool: see declared.h. */
#include "runtime/declared.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static size_t rounded(size_t bytes) { return (bytes + 15) / 16 * 16; }

/* One block holds all arrays, so that a checkpoint takes them as they lie. */
static bool declared_arrays(Declared *declared, RunError *error) {
  Pool *pool = &declared->pool;
  size_t n = pool->count, obs = rounded(n * declared->spec.obs_dim * sizeof(float));
  size_t doubles = rounded(n * sizeof(double)), words = rounded(n * sizeof(float)),
         bytes = rounded(n);
  declared->bytes = 2 * obs + doubles + 2 * words + 2 * bytes;
  char *at = declared->block = run_take(1, declared->bytes, error);
  if (!at) return false;
  pool->episode_return = (double *)at;
  pool->obs = (float *)(at += doubles);
  pool->final_obs = (float *)(at += obs);
  pool->reward = (float *)(at += obs);
  pool->episode_length = (uint32_t *)(at += words);
  pool->terminated = (uint8_t *)(at += words);
  pool->truncated = (uint8_t *)(at + bytes);
  return true;
}

static bool declared_check(const RlcModule *module, const RlcActing *acting, RunError *error) {
  if (acting->start >= module->program_count || acting->advance >= module->program_count)
    return run_fail(error, "the environment '%s' needs programs that start and advance it",
                    module->env_id);
  const uint32_t slot[] = {acting->reward, acting->next_obs, acting->terminated, acting->truncated,
                           acting->fresh};
  static const char *const name[] = {"reward", "next_obs", "terminated", "truncated", "fresh"};
  for (int i = 0; i < 5; i++)
    if (slot[i] == RLC_NONE)
      return run_fail(error, "the environment '%s' has no slot for '%s'", module->env_id, name[i]);
  return true;
}

static bool declared_fill(Declared *declared, const RlcModule *module, const RlcActing *acting,
                          RunError *error) {
  uint32_t n = acting->count, obs = module->obs_dim;
  declared->spec = (EnvSpec){.id = module->env_id,
                             .doc = "declared",
                             .obs_dim = obs,
                             .act_dim = module->act_dim,
                             .choices = module->choices,
                             .act_low = module->act_low,
                             .act_high = module->act_high,
                             .limit = module->limit,
                             .threshold = NAN};
  declared->pool = (Pool){.spec = &declared->spec, .count = n};
  return declared_check(module, acting, error) && declared_arrays(declared, error) &&
         rows_make(&declared->reward, module, acting->reward, n, 1, error) &&
         rows_make(&declared->next_obs, module, acting->next_obs, n, obs, error) &&
         rows_make(&declared->terminated, module, acting->terminated, n, 1, error) &&
         rows_make(&declared->truncated, module, acting->truncated, n, 1, error) &&
         rows_make(&declared->fresh, module, acting->fresh, n, obs, error);
}

Declared *declared_make(const RlcModule *module, const RlcActing *acting, RunError *error) {
  Declared *declared = run_take(1, sizeof *declared, error);
  if (declared && declared_fill(declared, module, acting, error)) return declared;
  declared_free(declared);
  return NULL;
}

void declared_free(Declared *declared) {
  if (!declared) return;
  rows_free(&declared->reward);
  rows_free(&declared->next_obs);
  rows_free(&declared->terminated);
  rows_free(&declared->truncated);
  rows_free(&declared->fresh);
  free(declared->block);
  free(declared);
}

/* ---- after the programs ---- */

static float *row(float *values, const Declared *declared, uint32_t env) {
  return values + (size_t)env * declared->spec.obs_dim;
}

void declared_started(Declared *declared, const char *memory) {
  Pool *pool = &declared->pool;
  memset(declared->block, 0, declared->bytes);
  declared->unclear = -1;
  for (uint32_t i = 0; i < pool->count; i++) {
    rows_get(&declared->fresh, memory, i, row(pool->obs, declared, i));
    rows_get(&declared->fresh, memory, i, row(pool->final_obs, declared, i));
  }
}

static bool flag_get(Declared *declared, const Rows *rows, const char *memory, uint32_t env) {
  float value;
  rows_get(rows, memory, env, &value);
  if (isnan(value)) declared->unclear = env;
  return value != 0;
}

void declared_advanced(Declared *declared, const char *memory) {
  Pool *pool = &declared->pool;
  declared->unclear = -1;
  for (uint32_t i = 0; i < pool->count; i++) {
    if (pool->terminated[i] || pool->truncated[i]) { /* the sums start anew */
      pool->episode_return[i] = 0;
      pool->episode_length[i] = 0;
    }
    rows_get(&declared->reward, memory, i, pool->reward + i);
    rows_get(&declared->next_obs, memory, i, row(pool->final_obs, declared, i));
    rows_get(&declared->fresh, memory, i, row(pool->obs, declared, i));
    pool->terminated[i] = flag_get(declared, &declared->terminated, memory, i);
    pool->truncated[i] = flag_get(declared, &declared->truncated, memory, i);
    pool->episode_return[i] += (double)pool->reward[i];
    pool->episode_length[i]++;
  }
}

int64_t declared_fault(const Declared *declared) {
  const Pool *pool = &declared->pool;
  uint32_t obs = declared->spec.obs_dim;
  for (uint32_t i = 0; i < pool->count; i++) {
    bool finite = isfinite(pool->reward[i]);
    for (size_t j = (size_t)i * obs; j < (size_t)(i + 1) * obs; j++)
      finite = finite && isfinite(pool->obs[j]) && isfinite(pool->final_obs[j]);
    if (!finite) return i;
  }
  return declared->unclear;
}
