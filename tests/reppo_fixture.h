/* REPPO by hand: its networks, squeezed normals and critic's read-out in plain loops, from the
 * slots of a spec at a random point. Swimmer's sizes: 8 observations, 2 actions, a batch of 8 rows.
 */
#ifndef RLC_TESTS_REPPO_FIXTURE_H
#define RLC_TESTS_REPPO_FIXTURE_H

#include "tests/spec_network.h"

#include <math.h>

#define REPPO_SIZES                                                                                \
  "env.id=Swimmer-v5 env.normalize=null env.count=4 steps=4 minibatches=2 epochs=2 hidden=3 "      \
  "draws=3"
#define REPPO_BINS " bins=5 vmin=0 vmax=4"
/* What a tensor of the actor's loses is its gradient; the critic goes a small step of its own. */
#define PLAIN_STEPS " optimizers.default=sgd(1) optimizers.critic=sgd(1e-4)"

enum { SEED = 20261121, BATCH = 8, OBS = 8, ACT = 2, BINS = 5, DRAWS = 3, HIDDEN = 3 };

static inline void agree(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-10), "%s: %.17g, not %.17g", what, found, exact);
}

/* To the six places of the sheet. */
static inline void golden(double found, double exact, const char *what) {
  ck_assert_msg(fabs(found - exact) < 6e-7, "%s: %.8f, not %.6f", what, found, exact);
}

/* ---- a point ---- */

static inline double *before(const Point *p, const char *name) {
  return point_at(p, p->before, name);
}

static inline double *after(const Point *p, const char *name) {
  return point_at(p, p->after, name);
}

static inline double *row(const Point *p, const char *column, uint32_t width, int b) {
  return before(p, arena_printf(p->spec.arena, "parts8.%s", column)) + (uint32_t)b * width;
}

/* An update of a minibatch at a random point where all are of a size that tells them apart. */
static inline Point update_open(const char *path, const char *overrides) {
  Point p = point_open(spec_open(path, overrides), "update2", SEED);
  bool has_aux = strstr(path, "no_aux") == NULL;
  *before(&p, "log_alpha") = log(0.3);
  *before(&p, "log_beta") = log(0.7);
  for (int b = 0; b < BATCH; b++) {
    if (has_aux) *row(&p, "terminated", 1, b) = b % 4 == 1;
    *row(&p, "target", 1, b) = 0.3 + 0.45 * b;
  }
  return p;
}

static inline void set_all(Point *p, const char *name, double value) {
  uint32_t slot = spec_slot(&p->spec, name);
  for (uint64_t i = 0; i < spec_size(&p->spec, slot); i++) p->before[slot][i] = value;
}

/* The collecting policy is this one, with this bias moved by so much. */
static inline void old_is_moved(Point *p, const char *bias, double by) {
  for (size_t s = 0; s < p->spec.graph->slot_count; s++) {
    const char *name = p->spec.graph->slots[s].name;
    if (strncmp(name, "old.", 4) != 0) continue;
    memcpy(p->before[s], before(p, name + 4), spec_size(&p->spec, (uint32_t)s) * sizeof(double));
  }
  before(p, arena_printf(p->spec.arena, "old.%s", bias))[0] += by;
}

static const char *const mean_bias = "actor.mean.dense1.b";

/* ---- networks ---- */

typedef enum Norm { NORM_RMS, NORM_LAYER, NORM_NONE } Norm;

static inline void silu_all(double *x, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) x[i] /= 1 + exp(-x[i]);
}

static inline void norm_all(const Point *p, double **slots, Norm norm, const char *name, double *x,
                            uint32_t n) {
  if (norm == NORM_NONE) return;
  const char *kind = norm == NORM_RMS ? "rms" : "layer";
  Arena *arena = p->spec.arena;
  double *scale = point_at(p, slots, arena_printf(arena, "%s.%s_norm1.scale", name, kind));
  double mean = 0, square = 0;
  for (uint32_t i = 0; i < n && norm == NORM_LAYER; i++) mean += x[i] / n;
  for (uint32_t i = 0; i < n; i++) square += (x[i] - mean) * (x[i] - mean) / n;
  for (uint32_t i = 0; i < n; i++) x[i] = (x[i] - mean) / sqrt(square + 1e-6) * scale[i];
  if (norm != NORM_LAYER) return;
  double *shift = point_at(p, slots, arena_printf(arena, "%s.layer_norm1.shift", name));
  for (uint32_t i = 0; i < n; i++) x[i] += shift[i];
}

/* dense, norm, silu; `second` is the block of weights for a second input. */
static inline void block(const Point *p, double **slots, Norm norm, const char *network, int number,
                         const double *in, const double *action, double *out) {
  Arena *arena = p->spec.arena;
  const char *layer = arena_printf(arena, "%s.dense%d", network, number);
  uint32_t n = dense_two(p, slots, 0, layer, action ? ".obs" : "", in, action ? ".action" : NULL,
                         action, out);
  norm_all(p, slots, norm, arena_printf(arena, "%s.norm%d", network, number), out, n);
  silu_all(out, n);
}

typedef struct Normal {
  double mean[ACT], std[ACT];
} Normal;

/* `actor`: "actor" or "old.actor". */
static inline Normal policy_at(const Point *p, double **slots, Norm norm, const char *actor,
                               const double *obs) {
  Arena *arena = p->spec.arena;
  double h[NET_WIDTH], h2[NET_WIDTH];
  Normal out;
  block(p, slots, norm, actor, 1, obs, NULL, h);
  block(p, slots, norm, actor, 2, h, NULL, h2);
  dense_one(p, slots, 0, arena_printf(arena, "%s.mean.dense1", actor), h2, out.mean);
  dense_one(p, slots, 0, arena_printf(arena, "%s.log_std.dense1", actor), h2, out.std);
  for (int i = 0; i < ACT; i++) out.std[i] = exp(out.std[i]) + 0.1;
  return out;
}

typedef struct Judgement {
  double feature[NET_WIDTH], logits[NET_WIDTH], next[NET_WIDTH];
} Judgement;

static inline void head_at(const Point *p, double **slots, Norm norm, const char *head,
                           const double *feature, double *out) {
  double h[NET_WIDTH], h2[NET_WIDTH];
  memcpy(h, feature, sizeof h);
  silu_all(h, HIDDEN);
  block(p, slots, norm, head, 1, h, NULL, h2);
  dense_one(p, slots, 0, arena_printf(p->spec.arena, "%s.dense2", head), h2, out);
}

static inline void features_at(const Point *p, double **slots, Norm norm, const double *obs,
                               const double *action, double *feature) {
  double h[NET_WIDTH];
  block(p, slots, norm, "critic", 1, obs, action, h);
  dense_one(p, slots, 0, "critic.dense2", h, feature);
}

/* The histogram's critic; its logits have the trained first guess. */
static inline Judgement critic_at(const Point *p, double **slots, Norm norm, const double *obs,
                                  const double *action) {
  Judgement out;
  features_at(p, slots, norm, obs, action, out.feature);
  head_at(p, slots, norm, "critic.logits", out.feature, out.logits);
  head_at(p, slots, norm, "critic.next", out.feature, out.next);
  for (int j = 0; j < BINS; j++) out.logits[j] += 40 * point_at(p, slots, "zero")[j];
  return out;
}

static inline double log_total(const double *logits, int n) {
  double top = logits[0], sum = 0;
  for (int j = 0; j < n; j++) top = fmax(top, logits[j]);
  for (int j = 0; j < n; j++) sum += exp(logits[j] - top);
  return top + log(sum);
}

/* The mean of the histogram over 0, 1, .. 4. */
static inline double read_out(const double *logits) {
  double mean = 0, total = log_total(logits, BINS);
  for (int j = 0; j < BINS; j++) mean += j * exp(logits[j] - total);
  return mean;
}

static inline double q_at(const Point *p, double **slots, const double *obs, const double *action) {
  return read_out(critic_at(p, slots, NORM_RMS, obs, action).logits);
}

/* The bins' share of a normal around y over 0, 1, .. 4; its deviation is 0.75 bins. */
static inline double histogram(double y, int j) {
  double s = 0.75 * sqrt(2), c = fmin(fmax(y, 0), 4);
  return (erf((j + 0.5 - c) / s) - erf((j - 0.5 - c) / s)) /
         (erf((4.5 - c) / s) - erf((-0.5 - c) / s));
}

/* ---- squeezed normals ---- */

/* log p of tanh(u) for one action, u a normal's draw (sheet 1.2). */
static inline double log_squeezed(double u, double mean, double std) {
  double e = (u - mean) / std;
  return -0.5 * e * e - 0.5 * log(2 * M_PI) - log(std) - 2 * (log(2) - u - log1p(exp(-2 * u)));
}

/* The action of this noise and its log-probability. */
static inline double draw_at(const Normal *d, const double *noise, double *action) {
  double log_p = 0;
  for (int i = 0; i < ACT; i++) {
    double u = d->mean[i] + d->std[i] * noise[i];
    action[i] = tanh(u);
    log_p += log_squeezed(u, d->mean[i], d->std[i]);
  }
  return log_p;
}

static inline double log_of(const Normal *d, const double *action) {
  double log_p = 0;
  for (int i = 0; i < ACT; i++) {
    double inside = fmin(fmax(action[i], -1 + 1e-6), 1 - 1e-6);
    log_p += log_squeezed(atanh(inside), d->mean[i], d->std[i]);
  }
  return log_p;
}

/* ---- the actor's loss ---- */

/* What the losses of a row are made of. */
typedef struct Row {
  Normal now, old;
  double action[ACT], log_p, drift;
} Row;

/* With the program's own draws: of the collecting policy, unless `reverse`. */
static inline Row actor_row(const Point *p, Norm norm, int b, bool reverse) {
  const double *obs = row(p, "obs", OBS, b), *e = point_normals(p, "losses.actor.a");
  const double *ex = point_normals(p, "losses.actor.x");
  Row r = {.now = policy_at(p, p->before, norm, "actor", obs),
           .old = policy_at(p, p->before, norm, "old.actor", obs)};
  r.log_p = draw_at(&r.now, e + b * ACT, r.action);
  for (int k = 0; k < DRAWS; k++) {
    double x[ACT], sign = reverse ? -1 : 1;
    draw_at(reverse ? &r.now : &r.old, ex + (b * DRAWS + k) * ACT, x);
    r.drift += sign * (log_of(&r.old, x) - log_of(&r.now, x)) / DRAWS;
  }
  return r;
}

/* What both multipliers add to the loss of a row, at these prices. */
static inline double prices(const Point *p, double log_p, double drift) {
  double alpha = exp(*before(p, "log_alpha")), beta = exp(*before(p, "log_beta"));
  return alpha * (-log_p - -0.5 * ACT) - beta * (drift - 0.1);
}

#endif
