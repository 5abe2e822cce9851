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
  if (!(declared->flags = run_take(n, sizeof *declared->flags, error))) return false;
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
  free(declared->flags);
  free(declared->block);
  free(declared);
}

/* ---- after the programs ---- */

void declared_started(Declared *declared, const char *memory) {
  Pool *pool = &declared->pool;
  memset(declared->block, 0, declared->bytes);
  declared->unclear = -1;
  rows_get_all(&declared->fresh, memory, pool->obs);
  rows_get_all(&declared->fresh, memory, pool->final_obs);
}

static void flags_get(Declared *declared, const Rows *rows, const char *memory, uint8_t *flags) {
  rows_get_all(rows, memory, declared->flags);
  for (uint32_t i = 0; i < declared->pool.count; i++) {
    if (isnan(declared->flags[i])) declared->unclear = i;
    flags[i] = declared->flags[i] != 0;
  }
}

void declared_advanced(Declared *declared, const char *memory) {
  Pool *pool = &declared->pool;
  declared->unclear = -1;
  rows_get_all(&declared->reward, memory, pool->reward);
  rows_get_all(&declared->next_obs, memory, pool->final_obs);
  rows_get_all(&declared->fresh, memory, pool->obs);
  for (uint32_t i = 0; i < pool->count; i++) {
    bool ended = pool->terminated[i] || pool->truncated[i]; /* before: the sums start anew */
    pool->episode_return[i] = (ended ? 0 : pool->episode_return[i]) + (double)pool->reward[i];
    pool->episode_length[i] = (ended ? 0 : pool->episode_length[i]) + 1;
  }
  flags_get(declared, &declared->terminated, memory, pool->terminated);
  flags_get(declared, &declared->truncated, memory, pool->truncated);
}

/* Without a branch for each: this looks at all that every step gives. */
static bool all_finite(const float *values, size_t count) {
  uint32_t bad = 0;
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, sizeof bits);
    bad |= (bits & 0x7f800000u) == 0x7f800000u;
  }
  return !bad;
}

int64_t declared_fault(const Declared *declared) {
  const Pool *pool = &declared->pool;
  size_t obs = declared->spec.obs_dim, n = pool->count;
  if (all_finite(pool->reward, n) && all_finite(pool->obs, n * obs) &&
      all_finite(pool->final_obs, n * obs))
    return declared->unclear;
  for (size_t i = 0; i < n; i++)
    if (!all_finite(pool->reward + i, 1) || !all_finite(pool->obs + i * obs, obs) ||
        !all_finite(pool->final_obs + i * obs, obs))
      return (int64_t)i;
  return declared->unclear;
}
