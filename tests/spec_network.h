/* What tests of whole losses share: a program of a spec run once at a random point on the oracle,
 * its slots before and after, its draws, and networks evaluated from their slots in plain loops. */
#ifndef RLC_TESTS_SPEC_NETWORK_H
#define RLC_TESTS_SPEC_NETWORK_H

#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { NET_WIDTH = 128, NET_NAME = 96 };

typedef struct Point {
  Spec spec;
  const char *program;
  double **before, **after; /* by slot */
  Interp *interp;
} Point;

/* Values for every slot; tests overwrite those that matter before point_run. */
static inline Point point_open(Spec spec, const char *program, uint64_t seed) {
  Point p = {.spec = spec, .program = program};
  spec_passes(&p.spec, "grad");
  p.before = gradcheck_point(p.spec.arena, p.spec.module, seed);
  p.after = NEW_ARRAY(p.spec.arena, double *, p.spec.graph->slot_count);
  p.interp = interp_make(p.spec.arena, p.spec.module, spec_program(&p.spec, program), true);
  return p;
}

static inline void point_run(Point *p, uint64_t step) {
  const Graph *graph = p->spec.graph;
  for (uint32_t s = 0; s < graph->slot_count; s++) interp_set(p->interp, s, p->before[s]);
  interp_draws(p->interp, 7, step);
  spec_run(p->interp);
  for (uint32_t s = 0; s < graph->slot_count; s++)
    p->after[s] = spec_get(&p->spec, p->interp, graph->slots[s].name);
}

/* The next run starts where the last one ended. */
static inline void point_go_on(Point *p) {
  for (uint32_t s = 0; s < p->spec.graph->slot_count; s++) p->before[s] = p->after[s];
}

static inline double *point_at(const Point *p, double **slots, const char *name) {
  return slots[spec_slot(&p->spec, name)];
}

static inline void point_give(Point *p, const char *name, const double *values) {
  uint32_t slot = spec_slot(&p->spec, name);
  memcpy(p->before[slot], values, spec_size(&p->spec, slot) * sizeof *values);
}

static inline double point_metric(const Point *p, const char *name) {
  return *point_at(p, p->after, arena_printf(p->spec.arena, "metric.%s", name));
}

/* Whether the stream is one of this binding: draws and calls in a binding are counted together. */
static inline bool is_stream_of(const Point *p, uint64_t stream, const char *binding) {
  for (int i = 0; i < 64; i++)
    if (hash_text(HASH_SEED, arena_printf(p->spec.arena, "%s#%d", binding, i)) == stream)
      return true;
  return false;
}

/* The normal draw that stood in this binding, in the last run: made of two uniform words each. */
static inline double *point_normals(const Point *p, const char *binding) {
  Node **nodes;
  Module *module = p->spec.module;
  const Program *program = &module->programs[spec_program(&p->spec, p->program)];
  size_t count = module_reach(module, program, p->spec.arena, &nodes);
  const Node *words[4] = {NULL};
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_uniform || !is_stream_of(p, nodes[i]->attr.key, binding)) continue;
    ck_assert_msg(!words[nodes[i]->attr.word], "two draws in '%s'", binding);
    words[nodes[i]->attr.word] = nodes[i];
  }
  ck_assert_msg(words[0] && words[1], "no normal draw in '%s'", binding);
  uint64_t size = axes_extent(p->spec.graph, words[0]->axes);
  const double *u = interp_value(p->interp, words[0]), *v = interp_value(p->interp, words[1]);
  double *normals = NEW_ARRAY(p->spec.arena, double, size);
  for (uint64_t i = 0; i < size; i++) normals[i] = sqrt(-2 * log(u[i])) * cos(2 * M_PI * v[i]);
  return normals;
}

static inline void same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-9), "%s: %.17g, not %.17g", what, found, exact);
}

/* Optimisers and states as they start. */
static inline void fresh_states(Point *p) {
  for (uint32_t s = 0; s < p->spec.graph->slot_count; s++)
    if (p->spec.graph->slots[s].kind == RLC_OPTIMIZER || p->spec.graph->slots[s].kind == RLC_STATE)
      memset(p->before[s], 0, spec_size(&p->spec, s) * sizeof(double));
}

/* Adam's first moment after one step from nothing tells the gradient. */
static inline double gradient_of(const Point *p, const char *loss, const char *parameter) {
  const char *name = arena_printf(p->spec.arena, "optimizer.%s.%s.first", loss, parameter);
  return *point_at(p, p->after, name) / 0.1;
}

/* Windows of a replay that count up to and with step last[b], which ended for good where ends[b];
 * behind it stands another story. */
static inline void point_windows(Point *p, int batch, int ahead, const int *last,
                                 const bool *ends) {
  double *valid = point_at(p, p->before, "replay.valid");
  double *terminated = point_at(p, p->before, "replay.terminated");
  double *reward = point_at(p, p->before, "replay.reward");
  for (int b = 0; b < batch; b++)
    for (int k = 0; k < ahead; k++) {
      int i = b * ahead + k;
      valid[i] = k <= last[b];
      terminated[i] = (k == last[b] && ends[b]) || k > last[b];
      reward[i] = k > last[b] ? 100 : 4 * sin(1.3 * i);
    }
}

/* ---- networks ---- */

static inline bool is_copies(const Point *p, AxisId axis) {
  return strcmp(p->spec.graph->axes[axis].label, "twin") == 0;
}

/* out += in * w for one block of weights; the axes of `bias` are those of the units. */
static inline void dense_add(const Point *p, double **slots, uint32_t twin, const char *bias,
                             const char *weight, const double *in, double *out) {
  const Graph *graph = p->spec.graph;
  uint32_t slot = spec_slot(&p->spec, weight);
  Axes units = graph->slots[spec_slot(&p->spec, bias)].axes;
  AxisId order[8];
  int count = axes_order(graph, graph->slots[slot].axes, order);
  const double *w = slots[slot];
  for (uint64_t e = 0; e < spec_size(&p->spec, slot); e++) {
    uint64_t rest = e, from = 0, to = 0, from_size = 1, to_size = 1;
    bool other = false;
    for (int a = count - 1; a >= 0; a--) {
      uint64_t extent = graph->axes[order[a]].extent, at = rest % extent;
      rest /= extent;
      if (is_copies(p, order[a])) {
        other = other || at != twin;
      } else if (axes_has(units, order[a])) {
        to += at * to_size;
        to_size *= extent;
      } else {
        from += at * from_size;
        from_size *= extent;
      }
    }
    if (!other) out[to] += in[from] * w[e];
  }
}

/* A dense layer of one or two inputs, whose weight blocks are "w" or "w.NAME"; returns its units.
 */
static inline uint32_t dense_two(const Point *p, double **slots, uint32_t twin, const char *layer,
                                 const char *first, const double *in, const char *second,
                                 const double *in2, double *out) {
  char bias[NET_NAME], weight[NET_NAME];
  snprintf(bias, sizeof bias, "%s.b", layer);
  uint32_t slot = spec_slot(&p->spec, bias);
  uint64_t units = spec_size(&p->spec, slot);
  Axes axes = p->spec.graph->slots[slot].axes;
  AxisId axis;
  for (unsigned next = 0; axes_next(axes, &next, &axis);)
    if (is_copies(p, axis)) units /= p->spec.graph->axes[axis].extent;
  ck_assert_uint_le(units, NET_WIDTH);
  for (uint64_t j = 0; j < units; j++) out[j] = slots[slot][twin * units + j];
  snprintf(weight, sizeof weight, "%s.w%s", layer, first);
  dense_add(p, slots, twin, bias, weight, in, out);
  if (second) {
    snprintf(weight, sizeof weight, "%s.w%s", layer, second);
    dense_add(p, slots, twin, bias, weight, in2, out);
  }
  return (uint32_t)units;
}

static inline uint32_t dense_one(const Point *p, double **slots, uint32_t twin, const char *layer,
                                 const double *in, double *out) {
  return dense_two(p, slots, twin, layer, "", in, NULL, NULL, out);
}

static inline void layer_norm_of(double *x, uint32_t n) {
  double mean = 0, var = 0;
  for (uint32_t i = 0; i < n; i++) mean += x[i] / n;
  for (uint32_t i = 0; i < n; i++) var += (x[i] - mean) * (x[i] - mean) / n;
  for (uint32_t i = 0; i < n; i++) x[i] = (x[i] - mean) / sqrt(var + 1e-5);
}

static inline double elu_of(double x) { return x > 0 ? x : expm1(x); }

static inline void elu_all(double *x, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) x[i] = elu_of(x[i]);
}

#endif
