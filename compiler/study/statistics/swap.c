/* Whether the difference of a statistic of paired runs could be chance: the runs of a pair change
 * places. Every statistic has a p-value of its own this way, as the mean has by signs.
 *
 * A statistic that leaves runs out, as the interquartile mean does, is often the same for several
 * choices. Of these the ones count as less far from zero whose means differ less; otherwise
 * variants of which one always scores 1 and the other 0 could hardly be told apart. */
#include <math.h>

#include "compiler/study/statistics/bootstrap.h"
#include "runtime/rng.h"

/* The share of the largest score by which sums of the same scores may differ. */
#define SAME 1e-12

/* Both runs of every pair, one behind the other; of each pair one counts, and the other makes the
 * other sample. */
typedef struct Swaps {
  Sample sample;
  Aggregate *of, *mean;
  size_t pairs;
  double seen, seen_mean;     /* with every run in its place */
  double same;                /* differences that are less than this apart are equal */
  uint32_t *times, *opposite; /* [run] */
} Swaps;

static Swaps swaps_make(Arena *arena, StatsKind kind, const StatsScores *x, const StatsScores *y) {
  Strata *strata = NEW(arena, Strata);
  *strata = strata_make(arena, x, NULL);
  Swaps s = {.of = aggregate_function(kind),
             .mean = aggregate_function(STATS_MEAN),
             .pairs = strata->first[strata->count]};
  const double *of_x = strata_scores(arena, strata, x, NULL);
  const double *of_y = strata_scores(arena, strata, y, NULL);
  double *score = NEW_ARRAY(arena, double, 2 * s.pairs);
  for (size_t i = 0; i < s.pairs; i++) {
    score[2 * i] = of_x[i], score[2 * i + 1] = of_y[i];
    s.same = fmax(s.same, SAME * fmax(fabs(of_x[i]), fabs(of_y[i])));
  }
  for (size_t i = 0; i <= strata->count; i++) strata->first[i] *= 2;
  s.sample = sample_make(arena, strata, score);
  s.times = NEW_ARRAY(arena, uint32_t, 2 * s.pairs);
  s.opposite = NEW_ARRAY(arena, uint32_t, 2 * s.pairs);
  return s;
}

static void pair_set(const Swaps *s, size_t pair, bool swapped) {
  s->times[2 * pair] = s->opposite[2 * pair + 1] = !swapped;
  s->times[2 * pair + 1] = s->opposite[2 * pair] = swapped;
}

static double difference_of(const Swaps *s, Aggregate *of) {
  return of(&s->sample, s->times) - of(&s->sample, s->opposite);
}

/* Whether the choice that is set is as far from zero as what was seen. */
static bool reaches(const Swaps *s) {
  double more = fabs(difference_of(s, s->of)) - fabs(s->seen);
  if (fabs(more) > s->same) return more > 0;
  return fabs(difference_of(s, s->mean)) >= fabs(s->seen_mean) - s->same;
}

/* The share of all choices; with every choice goes its opposite, which differs as much. */
static double swapped_exact(const Swaps *s) {
  uint32_t count = 1u << (s->pairs - 1), reached = 0;
  for (uint32_t choice = 0; choice < count; choice++) {
    for (size_t i = 0; i + 1 < s->pairs; i++) pair_set(s, i + 1, choice >> i & 1);
    reached += reaches(s);
  }
  return reached / (double)count;
}

/* The share of random choices, with what was seen as one of them. */
static double swapped_random(const Swaps *s) {
  uint32_t stream = rng_stream(hash_text(HASH_SEED, "swaps")), reached = 1;
  for (uint32_t number = 0; number < STATS_SWAPS; number++) {
    Philox bits = {{0}};
    for (size_t i = 0; i < s->pairs; i++) {
      if (i % 128 == 0) bits = philox(STATS_SEED, stream, number, (uint32_t)(i / 128));
      pair_set(s, i, bits.word[i % 128 / 32] >> i % 32 & 1);
    }
    reached += reaches(s);
  }
  return reached / (STATS_SWAPS + 1.0);
}

static StatsSwap swap_other(StatsKind kind, const StatsScores *x, const StatsScores *y) {
  Arena *arena = arena_make();
  Swaps s = swaps_make(arena, kind, x, y);
  for (size_t i = 0; i < s.pairs; i++) pair_set(&s, i, false);
  s.seen = difference_of(&s, s.of);
  s.seen_mean = difference_of(&s, s.mean);
  double p = fabs(s.seen) <= s.same        ? 1
             : s.pairs <= STATS_SWAP_PAIRS ? swapped_exact(&s)
                                           : swapped_random(&s);
  arena_free(arena);
  return (StatsSwap){s.seen, p, s.pairs};
}

StatsSwap stats_swap(StatsKind kind, const StatsScores *x, const StatsScores *y) {
  StatsContrast contrast = stats_contrast(x, y, &(StatsOptions){0});
  if (kind != STATS_MEAN && !isnan(contrast.difference.value)) return swap_other(kind, x, y);
  return (StatsSwap){contrast.difference.value, contrast.p, contrast.difference.runs};
}
