/* Two ways of training side by side: the probability of improvement (Agarwal et al. 2021, section
 * 4). */
#include "compiler/study/statistics/bootstrap.h"

typedef struct Versus {
  const Strata *strata;   /* those of x, then those of y */
  const double *score;    /* [run] */
  uint32_t *const *order; /* by task: the runs of x and y together, by rising score */
} Versus;

/* The pairs of a task in which x scores more, ties half: Mann and Whitney's U. */
static double task_wins(const Versus *v, size_t task, const uint32_t *times) {
  const Strata *s = v->strata;
  const uint32_t *order = v->order[task];
  size_t count = s->runs[task] + s->runs[s->tasks + task], of_y = s->first[s->tasks];
  double wins = 0, below = 0;
  for (size_t i = 0; i < count;) {
    double tied = v->score[order[i]], x = 0, y = 0;
    for (; i < count && v->score[order[i]] == tied; i++)
      *(order[i] < of_y ? &x : &y) += times[order[i]];
    wins += x * (below + 0.5 * y);
    below += y;
  }
  return wins;
}

static void versus_compute(const void *what, const uint32_t *times, double *values) {
  const Versus *v = what;
  const Strata *s = v->strata;
  double sum = 0;
  for (size_t task = 0; task < s->tasks; task++)
    sum += task_wins(v, task, times) / ((double)s->runs[task] * (double)s->runs[s->tasks + task]);
  values[0] = sum / (double)s->tasks;
}

/* The runs of both samples of a task by rising score. */
static uint32_t *versus_order(Arena *arena, const Strata *s, const double *score, size_t task) {
  size_t of[2] = {task, s->tasks + task}, count[2] = {s->runs[of[0]], s->runs[of[1]]};
  uint32_t *x = strata_order(arena, score, s->first[of[0]], count[0]);
  uint32_t *y = strata_order(arena, score, s->first[of[1]], count[1]);
  uint32_t *both = NEW_ARRAY(arena, uint32_t, count[0] + count[1]);
  for (size_t i = 0, k = 0; i + k < count[0] + count[1];) {
    bool take = k == count[1] || (i < count[0] && score[x[i]] <= score[y[k]]);
    both[i + k] = take ? x[i] : y[k];
    *(take ? &i : &k) += 1;
  }
  return both;
}

StatsEstimate stats_improvement(const StatsScores *x, const StatsScores *y,
                                const StatsOptions *options) {
  Arena *arena = arena_make();
  Strata strata = strata_make(arena, x, y);
  const char *missing = strata_missing(&strata, x, y);
  StatsEstimate out = estimate_missing(&strata, missing);
  if (!missing) {
    double *score = strata_scores(arena, &strata, x, y);
    uint32_t **order = NEW_ARRAY(arena, uint32_t *, strata.tasks);
    for (size_t i = 0; i < strata.tasks; i++) order[i] = versus_order(arena, &strata, score, i);
    Versus versus = {&strata, score, order};
    Statistic statistic = {"improvement", &strata, 1, versus_compute, &versus};
    bootstrap(&statistic, options, &out);
  }
  arena_free(arena);
  return out;
}
