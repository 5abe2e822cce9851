/* Differences of runs with the same seed: their mean, and whether their signs could be chance.
 *
 * If two ways of training are the same, a difference is as likely to be -d as d. The p-value is the
 * share of all choices of signs whose mean is at least as far from zero as what was seen (Fisher's
 * randomisation test for pairs). Nothing is assumed of how scores are distributed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/study/statistics/bootstrap.h"
#include "runtime/rng.h"

/* The share by which sums of the same terms may differ that were added in another order. */
#define SAME 1e-12

/* ---- every choice of signs ---- */

/* All sums of terms with either sign, rising, into sums[2^count]; `spare` has the same room. Each
 * term merges the sums without it, once lowered and once raised by it. */
static double *signed_sums(const double *term, size_t count, double *sums, double *spare) {
  sums[0] = 0;
  for (size_t i = 0, n = 1; i < count; i++, n *= 2) {
    double *to = spare, by = fabs(term[i]);
    for (size_t low = 0, high = 0; high < n;) {
      bool lowered = low < n && sums[low] - by <= sums[high] + by;
      *to++ = lowered ? sums[low++] - by : sums[high++] + by;
    }
    spare = sums;
    sums = to - 2 * n;
  }
  return sums;
}

/* The share of the choices of signs whose sum is at least `least`. */
static double share_exact(const double *term, size_t count, double least) {
  Arena *arena = arena_make();
  size_t left = count / 2, right = count - left, n = (size_t)1 << left, m = (size_t)1 << right;
  const double *a =
      signed_sums(term, left, NEW_ARRAY(arena, double, n), NEW_ARRAY(arena, double, n));
  const double *b =
      signed_sums(term + left, right, NEW_ARRAY(arena, double, m), NEW_ARRAY(arena, double, m));
  double reached = 0;
  for (size_t i = 0, k = m; i < n; i++) { /* as a rises, less of b is needed */
    while (k > 0 && a[i] + b[k - 1] >= least) k--;
    reached += (double)(m - k);
  }
  arena_free(arena);
  return reached / ((double)n * (double)m);
}

/* ---- random signs ---- */

static double random_sum(const double *term, size_t count, uint32_t stream, uint32_t flip) {
  Philox bits = {{0}};
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    if (i % 128 == 0) bits = philox(STATS_SEED, stream, flip, (uint32_t)(i / 128));
    bool minus = bits.word[i % 128 / 32] >> i % 32 & 1;
    sum += minus ? -term[i] : term[i];
  }
  return sum;
}

/* The same from random choices, with what was seen as one of them, so that it is never zero. */
static double share_random(const double *term, size_t count, double least) {
  uint32_t stream = rng_stream(hash_text(HASH_SEED, "signs")), reached = 1;
  for (uint32_t i = 0; i < STATS_FLIPS; i++)
    reached += fabs(random_sum(term, count, stream, i)) >= least;
  return reached / (STATS_FLIPS + 1.0);
}

/* The p-value of terms that sum to the mean difference. */
static double signs_p(const double *term, size_t count, bool *exact) {
  double sum = 0, size = 0;
  for (size_t i = 0; i < count; i++) sum += term[i], size += fabs(term[i]);
  double least = fabs(sum) - SAME * size;
  *exact = count <= STATS_EXACT_PAIRS;
  if (least <= 0) return 1;
  return *exact ? 2 * share_exact(term, count, least) : share_random(term, count, least);
}

/* ---- the contrast ---- */

/* x - y by task; the terms of their mean that are not zero go to `term`. */
static StatsScores differences(Arena *arena, const StatsScores *x, const StatsScores *y,
                               double *term, size_t *terms) {
  const double **by_task = NEW_ARRAY(arena, const double *, x->tasks);
  bool *assumed = NEW_ARRAY(arena, bool, x->tasks);
  for (size_t task = 0; task < x->tasks; task++) {
    size_t runs = x->runs[task];
    if (runs != y->runs[task]) bug("%zu runs paired with %zu", runs, y->runs[task]);
    double *d = NEW_ARRAY(arena, double, runs);
    for (size_t i = 0; i < runs; i++) {
      d[i] = x->score[task][i] - y->score[task][i];
      if (d[i] != 0) term[(*terms)++] = d[i] / (double)runs;
    }
    by_task[task] = d;
    assumed[task] = (x->assumed && x->assumed[task]) || (y->assumed && y->assumed[task]);
  }
  return (StatsScores){x->tasks, x->runs, by_task, assumed};
}

StatsContrast stats_contrast(const StatsScores *x, const StatsScores *y,
                             const StatsOptions *options) {
  if (x->tasks != y->tasks) bug("pairs of unlike scores");
  Arena *arena = arena_make();
  size_t runs = 0, terms = 0;
  for (size_t task = 0; task < x->tasks; task++) runs += x->runs[task];
  double *term = NEW_ARRAY(arena, double, runs);
  StatsScores difference = differences(arena, x, y, term, &terms);
  StatsContrast out = {.p = NAN};
  out.difference = stats_aggregate(STATS_MEAN, &difference, options);
  if (!isnan(out.difference.value)) out.p = signs_p(term, terms, &out.exact);
  arena_free(arena);
  return out;
}

double stats_least_p(size_t pairs) {
  if (pairs == 0) return NAN;
  return pairs <= STATS_EXACT_PAIRS ? ldexp(1, 1 - (int)pairs) : 1 / (STATS_FLIPS + 1.0);
}

/* ---- several comparisons ---- */

/* The smallest p is multiplied by the number of comparisons, the next by one less, and so on; none
 * comes out below that of a smaller p. Holm, "A simple sequentially rejective multiple test
 * procedure", Scand. J. Statistics 6, 1979. */
void stats_holm(const double *p, size_t count, double *adjusted) {
  size_t left = 0;
  for (size_t i = 0; i < count; i++) {
    adjusted[i] = NAN;
    left += !isnan(p[i]);
  }
  double least = 0;
  for (; left > 0; left--) {
    size_t next = count;
    for (size_t i = 0; i < count; i++)
      if (!isnan(p[i]) && isnan(adjusted[i]) && (next == count || p[i] < p[next])) next = i;
    least = fmax(least, fmin(1, (double)left * p[next]));
    adjusted[next] = least;
  }
}
