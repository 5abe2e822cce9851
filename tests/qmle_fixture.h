/* QMLE's networks and candidate sets by hand, beside one program of the spec on the oracle: what
 * the tests of its specs compare with. */
#ifndef RLC_TESTS_QMLE_FIXTURE_H
#define RLC_TESTS_QMLE_FIXTURE_H

#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { SEED = 20261121, WIDTH = 3, MAX_ACT = 6, LEVELS = 3, MAX_TRIES = 32 };

/* ---- one program, with every value kept ---- */

typedef struct Run {
  Spec spec;
  Interp *interp;
  double **before; /* by slot */
  Node **nodes;    /* of the program */
  size_t count;
  uint32_t obs_dim, act_dim;
  double low, high;
} Run;

static inline Run run_open(const char *path, const char *overrides, const char *program) {
  Run r = {.spec = spec_open(path, overrides)};
  spec_passes(&r.spec, "grad");
  Module *module = r.spec.module;
  size_t index = spec_program(&r.spec, program);
  r.before = gradcheck_point(r.spec.arena, module, SEED);
  r.interp = interp_make(r.spec.arena, module, index, true);
  for (uint32_t s = 0; s < r.spec.graph->slot_count; s++) interp_set(r.interp, s, r.before[s]);
  interp_draws(r.interp, SEED, 5);
  r.count = module_reach(module, &module->programs[index], r.spec.arena, &r.nodes);
  r.obs_dim = module->shell.obs_dim, r.act_dim = module->shell.act_dim;
  r.low = module->shell.act_low, r.high = module->shell.act_high;
  return r;
}

static inline double *run_before(const Run *r, const char *name) {
  return r->before[spec_slot(&r->spec, name)];
}

static inline void run_set(Run *r, const char *name, const double *values) {
  uint32_t slot = spec_slot(&r->spec, name);
  memcpy(r->before[slot], values, spec_size(&r->spec, slot) * sizeof *values);
  interp_set(r->interp, slot, values);
}

/* The same number everywhere. */
static inline void run_fill(Run *r, const char *name, double value) {
  uint32_t slot = spec_slot(&r->spec, name);
  for (uint64_t i = 0; i < spec_size(&r->spec, slot); i++) r->before[slot][i] = value;
  interp_set(r->interp, slot, r->before[slot]);
}

static inline double *run_get(const Run *r, const char *name) {
  return spec_get(&r->spec, r->interp, name);
}

static inline double run_metric(const Run *r, const char *name) {
  return *run_get(r, arena_printf(r->spec.arena, "metric.%s", name));
}

static inline void near_by(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-11), "%s: %.17g, not %.17g", what, found, exact);
}

static inline double *block(const Run *r, const char *who, const char *name) {
  return run_before(r, arena_printf(r->spec.arena, "%s%s", who, name));
}

/* ---- draws ---- */

/* Whether an axis of that label is among them, of `extent` unless that is 0. */
static inline bool has_axis(const Run *r, Axes axes, const char *label, uint32_t extent) {
  AxisId x;
  for (unsigned next = 0; axes_next(axes, &next, &x);) {
    const Axis *axis = &r->spec.graph->axes[x];
    if (!strcmp(axis->label, label) && (!extent || axis->extent == extent)) return true;
  }
  return false;
}

/* Whether it is half of a normal number: its stream has a second word. */
static inline bool is_normal(const Run *r, const Node *n) {
  for (size_t i = 0; i < r->count; i++) {
    const Node *other = r->nodes[i];
    if (other->op == OP_uniform && other->attr.key == n->attr.key && other->attr.word == 1)
      return true;
  }
  return false;
}

typedef enum DrawKind { DRAW_PLAIN, DRAW_LEVELS, DRAW_NORMAL } DrawKind;

static inline bool is_draw(const Run *r, const Node *n, uint32_t tries, DrawKind kind, int word) {
  return n->op == OP_uniform && n->attr.word == word && has_axis(r, n->axes, "try", tries) &&
         has_axis(r, n->axes, "level", 0) == (kind == DRAW_LEVELS) &&
         is_normal(r, n) == (kind == DRAW_NORMAL);
}

/* The bits behind a block of `tries` candidates, [row][try][act], or with levels [..][level]. */
static inline const double *draw_find(const Run *r, uint32_t tries, DrawKind kind, int word) {
  const Node *found = NULL;
  for (size_t i = 0; i < r->count; i++) {
    if (!is_draw(r, r->nodes[i], tries, kind, word)) continue;
    ck_assert_msg(!found, "two draws of %u candidates", tries);
    found = r->nodes[i];
  }
  ck_assert_msg(found != NULL, "no draw of %u candidates", tries);
  return interp_value(r->interp, found);
}

/* ---- networks ---- */

static inline void dense(const double *x, uint32_t n, const double *w, const double *b, uint32_t m,
                         double *out) {
  for (uint32_t j = 0; j < m; j++) {
    out[j] = b[j];
    for (uint32_t i = 0; i < n; i++) out[j] += x[i] * w[i * m + j];
  }
}

static inline void relu(double *x, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) x[i] = fmax(x[i], 0);
}

static inline void norm_elu(double *x, uint32_t n, const double *scale, const double *shift) {
  double mean = 0, square = 0;
  for (uint32_t i = 0; i < n; i++) mean += x[i] / n;
  for (uint32_t i = 0; i < n; i++) square += pow(x[i] - mean, 2) / n;
  for (uint32_t i = 0; i < n; i++) {
    double y = (x[i] - mean) / sqrt(square + 1e-5) * scale[i] + shift[i];
    x[i] = y > 0 ? y : expm1(y);
  }
}

#define PART(part) block(r, who, part)

static inline void features(const Run *r, const char *who, const double *obs, double *z) {
  double h[WIDTH], more[WIDTH];
  dense(obs, r->obs_dim, PART("encoder.dense1.w"), PART("encoder.dense1.b"), WIDTH, z);
  dense(z, WIDTH, PART("encoder.dense2.w"), PART("encoder.dense2.b"), WIDTH, h);
  relu(h, WIDTH);
  dense(h, WIDTH, PART("encoder.dense3.w"), PART("encoder.dense3.b"), WIDTH, more);
  for (int i = 0; i < WIDTH; i++) z[i] += more[i];
  norm_elu(z, WIDTH, PART("encoder.layer_norm1.scale"), PART("encoder.layer_norm1.shift"));
}

static inline double value_of(const Run *r, const char *who, const double *z,
                              const double *action) {
  enum { JOINT = 2 * WIDTH };
  double u[JOINT], h[JOINT], more[JOINT], q;
  memcpy(u, z, WIDTH * sizeof *z);
  dense(action, r->act_dim, PART("critic.embed.action.dense1.w"),
        PART("critic.embed.action.dense1.b"), WIDTH, u + WIDTH);
  norm_elu(u + WIDTH, WIDTH, PART("critic.embed.action.layer_norm1.scale"),
           PART("critic.embed.action.layer_norm1.shift"));
  dense(u, JOINT, PART("critic.dense1.w"), PART("critic.dense1.b"), JOINT, h);
  relu(h, JOINT);
  dense(h, JOINT, PART("critic.dense2.w"), PART("critic.dense2.b"), JOINT, more);
  for (int i = 0; i < JOINT; i++) u[i] += more[i];
  norm_elu(u, JOINT, PART("critic.layer_norm1.scale"), PART("critic.layer_norm1.shift"));
  dense(u, JOINT, PART("critic.dense3.w"), PART("critic.dense3.b"), 1, &q);
  return q;
}

/* The predicted action, in [-1, 1]. Weights of the last layer lie [act][unit]. */
static inline void predicted(const Run *r, const char *who, const double *z, double *mean) {
  double h[WIDTH];
  dense(z, WIDTH, PART("delta.dense1.w"), PART("delta.dense1.b"), WIDTH, h);
  relu(h, WIDTH);
  for (uint32_t a = 0; a < r->act_dim; a++) {
    mean[a] = PART("delta.dense2.b")[a];
    for (int i = 0; i < WIDTH; i++) mean[a] += h[i] * PART("delta.dense2.w")[a * WIDTH + i];
    mean[a] = tanh(mean[a]);
  }
}

/* Logits [act][level]; weights [act][unit][level]. */
static inline void logits_of(const Run *r, const char *who, const double *z, double *logits) {
  double h[WIDTH];
  dense(z, WIDTH, PART("classes.dense1.w"), PART("classes.dense1.b"), WIDTH, h);
  relu(h, WIDTH);
  for (uint32_t a = 0; a < r->act_dim; a++)
    dense(h, WIDTH, PART("classes.dense2.w") + a * WIDTH * LEVELS,
          PART("classes.dense2.b") + a * LEVELS, LEVELS, logits + a * LEVELS);
}
#undef PART

/* ---- candidates ---- */

/* How many of each kind, in the order in which they are listed. */
typedef struct Blocks {
  uint32_t anywhere, corners, picks, around;
} Blocks;

typedef struct Candidates {
  double action[MAX_TRIES][MAX_ACT];
  uint32_t count;
} Candidates;

static inline uint32_t best_level(const double *score) {
  uint32_t best = 0;
  for (uint32_t l = 1; l < LEVELS; l++)
    if (score[l] > score[best]) best = l;
  return best;
}

static inline double level_action(const Run *r, uint32_t level) {
  return r->low + level * (r->high - r->low) / 2;
}

/* Of one row. `one_noise`: all rows share the noise near the prediction. */
static inline void candidates_of(const Run *r, const Blocks *blocks, const char *who, uint32_t row,
                                 const double *z, bool one_noise, Candidates *set) {
  double mean[MAX_ACT], logits[MAX_ACT * LEVELS], score[LEVELS];
  uint32_t dim = r->act_dim, k;
  set->count = 0;
  if (blocks->around) predicted(r, who, z, mean);
  if (blocks->picks) logits_of(r, who, z, logits);
  for (k = 0; k < blocks->anywhere; k++, set->count++)
    for (uint32_t a = 0; a < dim; a++) {
      double u =
          draw_find(r, blocks->anywhere, DRAW_PLAIN, 0)[(row * blocks->anywhere + k) * dim + a];
      set->action[set->count][a] = r->low + (r->high - r->low) * u;
    }
  for (k = 0; k < blocks->corners; k++, set->count++)
    for (uint32_t a = 0; a < dim; a++) {
      const double *u = draw_find(r, blocks->corners, DRAW_LEVELS, 0);
      uint32_t at = ((row * blocks->corners + k) * dim + a) * LEVELS;
      set->action[set->count][a] = level_action(r, best_level(u + at));
    }
  for (k = 0; k < blocks->picks; k++, set->count++)
    for (uint32_t a = 0; a < dim; a++) {
      const double *u = draw_find(r, blocks->picks, DRAW_LEVELS, 0);
      for (uint32_t l = 0; l < LEVELS; l++)
        score[l] = logits[a * LEVELS + l] -
                   log(-log(u[((row * blocks->picks + k) * dim + a) * LEVELS + l]));
      set->action[set->count][a] = level_action(r, best_level(score));
    }
  for (k = 0; k < blocks->around; k++, set->count++)
    for (uint32_t a = 0; a < dim; a++) {
      uint32_t at = ((one_noise ? 0 : row) * blocks->around + k) * dim + a;
      double noise = 0; /* the first is what is predicted */
      if (k > 0)
        noise = sqrt(-2 * log(draw_find(r, blocks->around, DRAW_NORMAL, 0)[at])) *
                cos(2 * M_PI * draw_find(r, blocks->around, DRAW_NORMAL, 1)[at]);
      double moved = 0.5 * (r->high + r->low) + 0.5 * (r->high - r->low) * (mean[a] + 0.1 * noise);
      set->action[set->count][a] = fmin(fmax(moved, r->low), r->high);
    }
}

/* The first of the best; its value in *q. */
static inline const double *candidates_best(const Run *r, const char *who, const double *z,
                                            const Candidates *set, double *q) {
  uint32_t best = 0;
  *q = -INFINITY;
  for (uint32_t k = 0; k < set->count; k++) {
    double value = value_of(r, who, z, set->action[k]);
    if (value > *q) *q = value, best = k;
  }
  return set->action[best];
}

#endif
