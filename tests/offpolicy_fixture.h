/* What the tests of off-policy specs share: one program of a spec on the oracle at a plausible
 * point, its slots by name, its networks computed by hand, and its normal draws. */
#ifndef RLC_TESTS_OFFPOLICY_FIXTURE_H
#define RLC_TESTS_OFFPOLICY_FIXTURE_H

#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { TINY_SEED = 20261121, TINY_WIDTH = 32 };

typedef struct Tiny {
  Spec spec;
  Interp *interp;
  size_t program;
  double **before; /* by slot */
} Tiny;

/* Not run yet, so that slots can be set. */
static inline Tiny tiny_of(Spec spec, const char *program) {
  Tiny t = {.spec = spec};
  spec_passes(&t.spec, "grad");
  t.program = spec_program(&t.spec, program);
  t.before = gradcheck_point(t.spec.arena, t.spec.module, TINY_SEED);
  t.interp = interp_make(t.spec.arena, t.spec.module, t.program, true);
  for (uint32_t s = 0; s < t.spec.graph->slot_count; s++) interp_set(t.interp, s, t.before[s]);
  interp_draws(t.interp, TINY_SEED, 5);
  return t;
}

static inline Tiny tiny_open(const char *path, const char *overrides, const char *program) {
  return tiny_of(spec_open(path, overrides), program);
}

static inline bool tiny_has(const Tiny *t, const char *name) {
  for (size_t i = 0; i < t->spec.graph->slot_count; i++)
    if (strcmp(t->spec.graph->slots[i].name, name) == 0) return true;
  return false;
}

static inline double *tiny_before(const Tiny *t, const char *name) {
  return t->before[spec_slot(&t->spec, name)];
}

static inline uint64_t tiny_size(const Tiny *t, const char *name) {
  return spec_size(&t->spec, spec_slot(&t->spec, name));
}

static inline void tiny_set(Tiny *t, const char *name, const double *values) {
  uint32_t slot = spec_slot(&t->spec, name);
  memcpy(t->before[slot], values, spec_size(&t->spec, slot) * sizeof *values);
  interp_set(t->interp, slot, values);
}

static inline void tiny_fill(Tiny *t, const char *name, double value) {
  double *values = tiny_before(t, name);
  for (uint64_t i = 0; i < tiny_size(t, name); i++) values[i] = value;
  tiny_set(t, name, values);
}

static inline double *tiny_got(const Tiny *t, const char *name) {
  return spec_get(&t->spec, t->interp, name);
}

static inline double tiny_metric(const Tiny *t, const char *name) {
  return *tiny_got(t, arena_printf(t->spec.arena, "metric.%s", name));
}

static inline void tiny_same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-11), "%s: %.17g, not %.17g", what, found, exact);
}

/* ---- networks by hand: dense layers with relu between them ---- */

/* Whether weights are [in][out]: the layer's units come last. */
static inline bool units_last(const Tiny *t, const char *weights, const char *bias) {
  const Graph *graph = t->spec.graph;
  AxisId w[MAX_AXES], b[MAX_AXES];
  int rank = axes_order(graph, graph->slots[spec_slot(&t->spec, weights)].axes, w);
  int units = axes_order(graph, graph->slots[spec_slot(&t->spec, bias)].axes, b);
  return units > 0 && w[rank - 1] == b[units - 1];
}

/* Adds what `count` inputs give to `units` outputs; one copy of `copies`. */
static inline void weigh(const Tiny *t, const char *weights, const char *bias, uint32_t copy,
                         uint32_t count, uint32_t units, const double *in, double *out) {
  const double *w = tiny_before(t, weights) + (size_t)copy * count * units;
  bool last = units_last(t, weights, bias);
  for (uint32_t u = 0; u < units; u++)
    for (uint32_t i = 0; i < count; i++) out[u] += in[i] * w[last ? i * units + u : u * count + i];
}

/* (x - mean) / sqrt(variance + 1e-6), scaled and shifted, where the spec has this layer. */
static inline void normalise(const Tiny *t, const char *name, int layer, uint32_t count,
                             double *x) {
  const char *slot = arena_printf(t->spec.arena, "%s.layer_norm%d", name, layer);
  const char *scale = arena_printf(t->spec.arena, "%s.scale", slot);
  if (!tiny_has(t, scale)) return;
  const double *shift = tiny_before(t, arena_printf(t->spec.arena, "%s.shift", slot));
  double mean = 0, square = 0;
  for (uint32_t i = 0; i < count; i++) mean += x[i] / count;
  for (uint32_t i = 0; i < count; i++) square += (x[i] - mean) * (x[i] - mean) / count;
  for (uint32_t i = 0; i < count; i++)
    x[i] = (x[i] - mean) / sqrt(square + 1e-6) * tiny_before(t, scale)[i] + shift[i];
}

/* One copy of network `name` (in slots "name.dense1.w" ..) on one row; `action` may be NULL.
 * `heads` comes behind the last hidden layer: "" for dense layers alone. */
static inline uint32_t tiny_head(const Tiny *t, const char *name, const char *head, uint32_t copy,
                                 uint32_t copies, const double *obs, const double *action,
                                 double *out) {
  Arena *arena = t->spec.arena;
  double x[TINY_WIDTH], y[TINY_WIDTH];
  uint32_t count = t->spec.module->shell.obs_dim;
  for (int layer = 1;; layer++) {
    const char *dense = arena_printf(arena, "%s.dense%d", name, layer);
    bool past = !tiny_has(t, arena_printf(arena, "%s.b", dense));
    if (past) dense = arena_printf(arena, "%s.%s.dense1", name, head);
    const char *bias = arena_printf(arena, "%s.b", dense), *w = arena_printf(arena, "%s.w", dense);
    uint32_t units = (uint32_t)(tiny_size(t, bias) / copies);
    bool last =
        past || !(*head || tiny_has(t, arena_printf(arena, "%s.dense%d.b", name, layer + 1)));
    ck_assert_uint_le(units, TINY_WIDTH);
    for (uint32_t u = 0; u < units; u++) y[u] = tiny_before(t, bias)[copy * units + u];
    if (layer == 1 && action) {
      const char *of_obs = arena_printf(arena, "%s.obs", w);
      const char *of_action = arena_printf(arena, "%s.action", w);
      uint32_t actions = t->spec.module->shell.act_dim;
      weigh(t, of_obs, bias, copy, count, units, obs, y);
      weigh(t, of_action, bias, copy, actions, units, action, y);
    } else {
      weigh(t, w, bias, copy, count, units, layer == 1 ? obs : x, y);
    }
    if (last) {
      memcpy(out, y, units * sizeof *y);
      return units;
    }
    normalise(t, name, layer, units, y);
    for (uint32_t u = 0; u < units; u++) x[u] = fmax(y[u], 0);
    count = units;
  }
}

static inline uint32_t tiny_network(const Tiny *t, const char *name, uint32_t copy, uint32_t copies,
                                    const double *obs, const double *action, double *out) {
  return tiny_head(t, name, "", copy, copies, obs, action, out);
}

/* ---- draws ---- */

/* Normal draws of the program that ran, by Box and Muller from its uniform words; NULL when it
 * draws none. There must be one such tensor. */
static inline double *tiny_normal(const Tiny *t) {
  Node **nodes;
  Module *module = t->spec.module;
  const Node *u = NULL, *v = NULL;
  size_t count = module_reach(module, &module->programs[t->program], t->spec.arena, &nodes);
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_uniform || nodes[i]->attr.word != 1) continue;
    ck_assert_msg(!v, "several draws");
    v = nodes[i];
  }
  if (!v) return NULL;
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_uniform && nodes[i]->attr.word == 0 && nodes[i]->attr.key == v->attr.key)
      u = nodes[i];
  ck_assert_ptr_nonnull(u);
  uint64_t size = axes_extent(t->spec.graph, u->axes);
  double *normal = NEW_ARRAY(t->spec.arena, double, size);
  for (uint64_t i = 0; i < size; i++)
    normal[i] = sqrt(-2 * log(interp_value(t->interp, u)[i])) *
                cos(2 * M_PI * interp_value(t->interp, v)[i]);
  return normal;
}

static inline double clamp(double x, double low, double high) {
  return x < low ? low : x > high ? high : x;
}

#endif
