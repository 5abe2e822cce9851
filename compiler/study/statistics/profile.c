/* Performance profiles: what share of runs is above a threshold. Agarwal et al. 2021, section 4.
 */
#include "compiler/study/statistics/bootstrap.h"

#include <string.h>

typedef struct Profile {
  const Strata *strata;
  const double *score; /* [run] */
  const double *tau;
  size_t taus;
  uint32_t *above; /* [run]: number of thresholds that its score is above */
  uint32_t *count; /* [taus + 1], to work with */
} Profile;

/* How many of rising thresholds a score is above. */
static size_t thresholds_below(const double *tau, size_t taus, double score) {
  size_t low = 0, high = taus;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (score > tau[middle])
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Shares of a task's runs, added to values. */
static void add_shares(const Profile *p, size_t task, const uint32_t *times, double *values) {
  const Strata *s = p->strata;
  memset(p->count, 0, (p->taus + 1) * sizeof *p->count);
  for (size_t i = s->first[task]; i < s->first[task + 1]; i++) p->count[p->above[i]] += times[i];
  uint32_t above = 0;
  for (size_t k = p->taus; k > 0; k--) {
    above += p->count[k];
    values[k - 1] += above / (double)s->runs[task];
  }
}

static void profile_runs(const void *what, const uint32_t *times, double *values) {
  const Profile *p = what;
  memset(values, 0, p->taus * sizeof *values);
  for (size_t task = 0; task < p->strata->tasks; task++) add_shares(p, task, times, values);
  for (size_t k = 0; k < p->taus; k++) values[k] /= (double)p->strata->tasks;
}

void stats_profile(const StatsScores *scores, const double *tau, size_t taus,
                   const StatsOptions *options, StatsEstimate *out) {
  Arena *arena = arena_make();
  Strata strata = strata_make(arena, scores, NULL);
  const char *missing = strata_missing(&strata, scores, NULL);
  for (size_t k = 0; k < taus; k++) {
    if (k > 0 && !(tau[k] > tau[k - 1])) bug("thresholds that do not rise");
    out[k] = estimate_missing(&strata, missing);
  }
  size_t runs = strata.first[strata.count];
  Profile p = {.strata = &strata, .tau = tau, .taus = taus};
  p.above = NEW_ARRAY(arena, uint32_t, runs);
  p.count = NEW_ARRAY(arena, uint32_t, taus + 1);
  if (!missing) {
    p.score = strata_scores(arena, &strata, scores, NULL);
    for (size_t i = 0; i < runs; i++)
      p.above[i] = (uint32_t)thresholds_below(tau, taus, p.score[i]);
    Statistic statistic = {"profile", &strata, taus, profile_runs, &p};
    bootstrap(&statistic, options, out);
  }
  arena_free(arena);
}
