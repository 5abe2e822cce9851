/* Random graphs of the forms that programs are made of, added to those of graph_random.h:
 * contractions with axes of every kind and what follows them, networks with their gradients, ranks
 * with weights that begin with zeros, joins, and slots that are read and written. */
#ifndef RLC_TESTS_GRAPH_FORMS_H
#define RLC_TESTS_GRAPH_FORMS_H

#include "tests/graph_random.h"

/* A graph that is one program of a module. */
typedef struct Forms {
  RandomGraph *g;
  size_t program;
  AxisId in, out, hidden; /* of layers: more features */
  const char *name;
  uint32_t inputs;
} Forms;

static inline uint32_t forms_pick(Forms *f, const uint32_t *choices, uint32_t count) {
  return choices[random_below(&f->g->state, count)];
}
#define PICK(f, ...)                                                                               \
  forms_pick(f, (const uint32_t[]){__VA_ARGS__}, COUNTOF(((uint32_t[]){__VA_ARGS__})))

/* The extents of a module: its graphs share axes. Whole vectors, tails and less than a vector. */
static inline void forms_begin(Forms *f, Module *module, uint64_t shape, uint64_t seed,
                               const char *name) {
  RandomGraph sizes = {.state = shape};
  Forms draw = {.g = &sizes};
  uint32_t tries = PICK(&draw, 3, 4, 5, 8, 16), features = PICK(&draw, 3, 5, 8, 9, 16, 17, 24, 33);
  uint32_t extents[RANDOM_AXES] = {PICK(&draw, 2, 2, 3),
                                   PICK(&draw, 3, 8, 17, 31, 33, 64, 96, 120, 240),
                                   tries,
                                   features,
                                   1 + random_below(&sizes.state, tries),
                                   tries,
                                   features,
                                   PICK(&draw, 1, 2, 5, 6, 9, 20)};
  uint32_t in = PICK(&draw, 1, 2, 3, 6, 17, 23, 32, 47, 64);
  uint32_t out = PICK(&draw, 1, 4, 5, 8, 15, 16, 17, 31, 32, 33, 64, 70);
  uint32_t hidden = PICK(&draw, 2, 7, 16, 19, 32, 48);
  *f = (Forms){.g = NEW(module->graph->arena, RandomGraph), .name = name};
  const char *prefix = arena_printf(module->graph->arena, "%s.input", name);
  random_begin(f->g, module, seed, prefix, RLC_F32, extents);
  f->g->most = 6000;
  f->in = graph_axis(module->graph, "in", "test", in, AXIS_FEATURE, NOWHERE);
  f->out = graph_axis(module->graph, "out", "test", out, AXIS_FEATURE, NOWHERE);
  f->hidden = graph_axis(module->graph, "hidden", "test", hidden, AXIS_FEATURE, NOWHERE);
  f->program = fixture_program(module, name);
}

static inline bool forms_chance(Forms *f, uint32_t of) {
  return random_below(&f->g->state, of) == 0;
}

static inline double forms_number(Forms *f) { return random_between(&f->g->state, -1.5, 1.5); }

static inline Node *forms_input(Forms *f, Axes axes) {
  Graph *graph = f->g->graph;
  const char *name = arena_printf(graph->arena, "%s.%u", f->name, f->inputs++);
  RlcType type = forms_chance(f, 5) ? RLC_F64 : RLC_F32;
  return random_add(f->g, node_input(graph, fixture_slot(graph, name, type, axes)));
}

/* A value with exactly these axes: one that there is, or an input. */
static inline Node *forms_with(Forms *f, Axes axes) {
  RandomGraph *g = f->g;
  uint32_t start = random_below(&g->state, g->count);
  for (uint32_t i = 0; i < g->count && !forms_chance(f, 4); i++) {
    Node *node = g->nodes[(start + i) % g->count];
    if (!node->integer && axes_equal(node->axes, axes)) return node;
  }
  return forms_input(f, axes);
}

static inline void forms_result(Forms *f, Node *node) {
  fixture_result_of(f->g->module, f->program, node, forms_chance(f, 4) ? RLC_F64 : RLC_F32);
}

static inline Axes forms_some(Forms *f, Axes axes) {
  unsigned cursor = 0;
  Axes some = axes_none();
  for (AxisId axis; axes_next(axes, &cursor, &axis);)
    if (forms_chance(f, 2)) some = axes_union(some, axes_one(axis));
  return some;
}

/* ---- contractions ---- */

typedef struct Roles {
  Axes x, y, reduced;
} Roles;

/* Which operand has each axis, and whether it is summed: alone in one, kept in both, reduced in
 * both, reduced in one. */
static inline Roles forms_roles(Forms *f) {
  RandomGraph *g = f->g;
  AxisId all[] = {g->axes[0],         g->axes[1], g->axes[2], g->axes[3], g->axes[AXIS_RENAMED],
                  g->axes[AXIS_TIME], f->in,      f->out,     f->hidden};
  Roles roles = {axes_none(), axes_none(), axes_none()};
  for (size_t i = 0; i < COUNTOF(all); i++) {
    uint32_t role = random_below(&g->state, 10);
    Axes one = axes_one(all[i]);
    bool both = role == 1 || role == 2;
    if (both || role == 3 || role == 5) roles.x = axes_union(roles.x, one);
    if (both || role == 4) roles.y = axes_union(roles.y, one);
    if (role == 2 || role == 5) roles.reduced = axes_union(roles.reduced, one);
  }
  return roles;
}

static inline bool roles_fit(const Graph *graph, Roles roles) {
  return !axes_empty(axes_common(roles.reduced, axes_common(roles.x, roles.y))) &&
         axes_extent(graph, axes_union(roles.x, roles.y)) <= 300000 &&
         axes_extent(graph, roles.x) <= 12000 && axes_extent(graph, roles.y) <= 12000 &&
         axes_extent(graph, axes_minus(axes_union(roles.x, roles.y), roles.reduced)) <= 12000;
}

/* What reads a contraction: a bias, an activation or its mask, another factor. */
static inline Node *forms_after(Forms *f, Node *x) {
  Graph *graph = f->g->graph;
  Node *zero = node_const(graph, 0);
  switch (random_below(&f->g->state, 8)) {
  case 0:
    return node2(graph, OP_add, x, forms_with(f, forms_some(f, x->axes)));
  case 1:
    return node2(graph, OP_max, zero, x);
  case 2:
    return node1(graph, OP_tanh, node2(graph, OP_mul, node_const(graph, 0.1), x));
  case 3:
    return node3(graph, OP_where, node2(graph, OP_le, forms_with(f, x->axes), zero), zero, x);
  case 4:
    return node2(graph, OP_mul, x, forms_with(f, forms_some(f, x->axes)));
  case 5:
    return node2(graph, OP_guard, node2(graph, OP_lt, forms_with(f, x->axes), zero), x);
  case 6:
    return axes_empty(x->axes)
               ? x
               : node_sum(graph, x, axes_union(forms_some(f, x->axes), axes_none()));
  default:
    return node2(graph, OP_mul, node_const(graph, forms_number(f)), x);
  }
}

/* A product with the one of several weights that each row chooses. */
static inline Node *forms_chosen(Forms *f) {
  Graph *graph = f->g->graph;
  AxisId twin = f->g->axes[0], batch = f->g->axes[1];
  Axes rows = axes_one(batch), two = axes_union(axes_one(f->in), axes_one(f->out));
  if (forms_chance(f, 2)) rows = axes_union(rows, axes_one(f->g->axes[2]));
  Axes summed = axes_one(forms_chance(f, 2) ? f->in : f->out), all = axes_union(rows, two);
  if (axes_extent(graph, all) > 300000) return forms_input(f, axes_one(f->in));
  Axes by = axes_union(forms_some(f, rows), axes_one(batch));
  Node *q = forms_with(f, axes_union(by, axes_one(twin)));
  Node *which = random_add(f->g, node_argmin(graph, q, twin));
  Node *w = forms_with(f, axes_union(two, axes_one(twin)));
  Node *x = forms_with(f, axes_union(rows, summed));
  return node_sum(graph, node2(graph, OP_mul, node_gather(graph, w, which, twin), x), summed);
}

static inline Node *forms_contraction(Forms *f) {
  Graph *graph = f->g->graph;
  if (forms_chance(f, 6)) {
    Node *r = random_add(f->g, forms_chosen(f));
    return forms_chance(f, 2) ? r : random_add(f->g, forms_after(f, r));
  }
  Roles roles = forms_roles(f);
  for (int i = 0; i < 200 && !roles_fit(graph, roles); i++) roles = forms_roles(f);
  if (!roles_fit(graph, roles)) return forms_input(f, axes_one(f->in));
  Node *x = forms_with(f, roles.x), *y = forms_with(f, roles.y);
  if (forms_chance(f, 4)) x = node1(graph, OP_tanh, x);
  if (forms_chance(f, 6)) y = node2(graph, OP_mul, y, forms_with(f, forms_some(f, roles.y)));
  Node *r = node_sum(graph, node2(graph, OP_mul, x, y), roles.reduced);
  random_add(f->g, r);
  for (uint32_t n = random_below(&f->g->state, 4); n > 0; n--)
    r = random_add(f->g, forms_after(f, r));
  return r;
}

/* ---- networks ---- */

static inline Node *forms_activation(Forms *f, Node *x) {
  Graph *graph = f->g->graph;
  if (forms_chance(f, 3)) return node1(graph, OP_tanh, x);
  if (forms_chance(f, 4))
    return node3(graph, OP_where, node2(graph, OP_le, x, node_const(graph, 0)),
                 node2(graph, OP_mul, node_const(graph, 0.1), x), x);
  return node2(graph, OP_max, node_const(graph, 0), x);
}

/* sum[from](x w) + b as `to`, with or without copies. */
static inline Node *forms_dense(Forms *f, Node *x, Axes copy, AxisId from, AxisId to,
                                Node **marks) {
  Graph *graph = f->g->graph;
  Axes b = axes_union(copy, axes_one(to));
  marks[0] = node_mark(graph, forms_with(f, axes_union(b, axes_one(from))));
  marks[1] = node_mark(graph, forms_with(f, b));
  Node *w = node2(graph, OP_mul, node_const(graph, 0.3), marks[0]);
  return node2(graph, OP_add, node_sum(graph, node2(graph, OP_mul, x, w), axes_one(from)),
               marks[1]);
}

/* Weights of ranks: some zeros, then something. */
static inline Node *forms_weights(Forms *f) {
  AxisId ranks = f->g->axes[AXIS_RANKS];
  uint32_t n = f->g->graph->axes[ranks].extent, zeros = random_below(&f->g->state, n);
  double values[RANDOM_EXTENT];
  for (uint32_t i = 0; i < n; i++) values[i] = i < zeros ? 0 : forms_number(f);
  return node_table(f->g->graph, ranks, values);
}

/* The smaller or larger of the copies. */
static inline Node *forms_choose(Forms *f, Node *q) {
  Graph *graph = f->g->graph;
  AxisId twin = f->g->axes[0];
  if (!axes_has(q->axes, twin)) return q;
  Node *which = random_add(f->g, forms_chance(f, 3) ? node_argmax(graph, q, twin)
                                                    : node_argmin(graph, q, twin));
  return node_gather(graph, q, which, twin);
}

/* Sorted tries, weighted; or the best of them. */
static inline Node *forms_score(Forms *f, Node *q) {
  Graph *graph = f->g->graph;
  AxisId tries = f->g->axes[2], ranks = f->g->axes[AXIS_RANKS];
  if (!axes_has(q->axes, tries)) return q;
  if (forms_chance(f, 4)) return node_gather(graph, q, node_argmax(graph, q, tries), tries);
  Node *by = forms_chance(f, 4) ? node1(graph, OP_sin, q) : q;
  Node *order = random_add(f->g, node_order(graph, by, tries, ranks));
  Node *sorted = node_gather(graph, q, order, tries);
  if (forms_chance(f, 3)) sorted = node1(graph, OP_tanh, sorted);
  Node *weighted = node2(graph, OP_mul, forms_weights(f), sorted);
  if (forms_chance(f, 4))
    weighted = node2(graph, forms_chance(f, 2) ? OP_add : OP_sub, weighted,
                     node2(graph, OP_mul, forms_weights(f), node1(graph, OP_sin, sorted)));
  return node_sum(graph, weighted, axes_one(ranks));
}

/* What is updated in place, as an optimiser does, or a result of its own. */
static inline void forms_gradient(Forms *f, Node *loss, Node *mark) {
  Graph *graph = f->g->graph;
  Module *module = f->g->module;
  Node *source = mark->src[0], *gradient = node_grad(graph, loss, mark);
  if (source->op == OP_input && forms_chance(f, 2)) {
    for (size_t i = 0; i < module->programs[f->program].output_count; i++)
      if (module->programs[f->program].outputs[i].slot == source->attr.key) return;
    Node *step = node2(graph, OP_mul, node_const(graph, 0.01), gradient);
    fixture_output(module, f->program, (uint32_t)source->attr.key,
                   node2(graph, OP_sub, source, step));
  } else {
    forms_result(f, random_add(f->g, gradient));
  }
}

/* One or two layers over rows of tries, a score of it, and the gradients of the score. */
static inline Node *forms_network(Forms *f) {
  Graph *graph = f->g->graph;
  AxisId *axes = f->g->axes, last = f->out;
  Axes copy = forms_chance(f, 2) ? axes_one(axes[0]) : axes_none();
  Axes rows = axes_one(axes[forms_chance(f, 3) ? AXIS_TIME : 1]);
  if (!forms_chance(f, 3)) rows = axes_union(rows, axes_one(axes[2]));
  Node *marks[6], *x = node_mark(graph, forms_with(f, axes_union(rows, axes_one(f->in))));
  int count = 2;
  Node *h = forms_activation(f, random_add(f->g, forms_dense(f, x, copy, f->in, f->out, marks)));
  if (forms_chance(f, 2)) {
    h = forms_dense(f, h, copy, f->out, f->hidden, marks + count);
    h = forms_activation(f, random_add(f->g, h));
    last = f->hidden;
    count += 2;
  }
  marks[count] = node_mark(graph, forms_with(f, axes_union(copy, axes_one(last))));
  Node *q =
      node_sum(graph, node2(graph, OP_mul, random_add(f->g, h), marks[count++]), axes_one(last));
  Node *score = random_add(f->g, forms_score(f, forms_choose(f, random_add(f->g, q))));
  if (forms_chance(f, 3))
    score = node2(graph, OP_mul, score,
                  node2(graph, OP_sub, score, forms_with(f, forms_some(f, rows))));
  Node *loss = node_sum(graph, score, score->axes);
  if (forms_chance(f, 3))
    loss = node2(graph, OP_add, loss, node_sum(graph, node1(graph, OP_sin, q), q->axes));
  if (forms_chance(f, 2)) forms_gradient(f, loss, x);
  for (int i = 0; i < count; i++)
    if (!forms_chance(f, 3)) forms_gradient(f, loss, marks[i]);
  return random_add(f->g, loss);
}

/* ---- the rest ---- */

/* Two values one behind the other along a new axis. */
static inline Node *forms_join(Forms *f) {
  RandomGraph *g = f->g;
  Graph *graph = g->graph;
  AxisId a = g->axes[3], b = f->in;
  uint32_t first = graph->axes[a].extent, all = first + graph->axes[b].extent;
  if (all > RANDOM_EXTENT) return random_value(g);
  AxisId joined = graph_axis(graph, "joined", "test", all, AXIS_FEATURE, NOWHERE);
  Axes rows = forms_some(f, axes_union(axes_one(g->axes[1]), axes_one(g->axes[2])));
  double from[2][RANDOM_EXTENT], is_first[RANDOM_EXTENT];
  for (uint32_t i = 0; i < all; i++) {
    from[0][i] = i < first ? i : first - 1;
    from[1][i] = i < first ? 0 : i - first;
    is_first[i] = i < first;
  }
  Node *x = node_take(graph, forms_with(f, axes_union(rows, axes_one(a))), a, joined, from[0]);
  Node *y = node_take(graph, forms_with(f, axes_union(rows, axes_one(b))), b, joined, from[1]);
  return node3(graph, OP_where, node_table(graph, joined, is_first), x, y);
}

/* Arithmetic that must not leave the domain of its functions. */
static inline Node *forms_function(Forms *f) {
  Graph *graph = f->g->graph;
  Node *x = random_value(f->g), *square = node2(graph, OP_mul, x, x), *one = node_const(graph, 1);
  Node *above = node2(graph, OP_add, square, one);
  switch (random_below(&f->g->state, 4)) {
  case 0:
    return node1(graph, OP_log, above);
  case 1:
    return node1(graph, OP_sqrt, above);
  case 2:
    return node2(graph, OP_div, random_value(f->g), above);
  default:
    return node2(graph, OP_pow, above, node_const(graph, -forms_chance(f, 2) - 0.5));
  }
}

/* Whole numbers made of numbers, as positions; and numbers made of positions. */
static inline Node *forms_whole(Forms *f) {
  RandomGraph *g = f->g;
  Graph *graph = g->graph;
  AxisId axis = g->axes[1 + random_below(&g->state, 3)];
  double last = graph->axes[axis].extent - 1;
  Node *x = random_value(g);
  Node *part = node1(graph, OP_abs, node1(graph, OP_tanh, x));
  Node *at = node1(graph, OP_floor, node2(graph, OP_mul, part, node_const(graph, last)));
  if (axes_extent(graph, axes_union(x->axes, at->axes)) > g->most) return x;
  Node *value = forms_with(f, axes_union(axes_one(axis), forms_some(f, x->axes)));
  if (axes_has(at->axes, axis)) return node2(graph, OP_add, at, value);
  return node_gather(graph, value, random_add(g, at), axis);
}

static inline Node *forms_draws(Forms *f) {
  RandomGraph *g = f->g;
  Axes all = axes_union(axes_union(axes_one(g->axes[1]), axes_one(g->axes[2])), axes_one(f->out));
  Axes axes = forms_some(f, all);
  if (axes_empty(axes) || axes_extent(g->graph, axes) > g->most) axes = axes_one(f->out);
  return node_uniform(g->graph, random_bits(&g->state), axes, (int)random_below(&g->state, 4));
}

/* A slot that is read and written, another one, or a slot with more axes than the value. */
static inline void forms_output(Forms *f, Node *node) {
  Module *module = f->g->module;
  const Program *program = &module->programs[f->program];
  Graph *graph = module->graph;
  for (uint32_t i = 0; i < f->g->count && forms_chance(f, 3); i++) {
    const Node *input = f->g->nodes[i];
    bool fits = input->op == OP_input && input->integer == node->integer &&
                axes_equal(input->axes, node->axes);
    for (size_t k = 0; fits && k < program->output_count; k++)
      fits = program->outputs[k].slot != input->attr.key;
    if (fits) {
      fixture_output(module, f->program, (uint32_t)input->attr.key, node);
      return;
    }
  }
  forms_result(f, node);
  if (node->integer || !forms_chance(f, 4) || axes_has(node->axes, f->g->axes[1])) return;
  Axes more = axes_union(node->axes, axes_one(f->g->axes[1]));
  if (axes_extent(graph, more) > 12000) return;
  const char *name = arena_printf(graph->arena, "%s.spread%zu", f->name, graph->slot_count);
  fixture_output(module, f->program, fixture_slot(graph, name, RLC_F64, more), node);
}

/* Adds a random graph to the module as the program `name`; graphs of one `shape` share axes. */
static inline void forms_graph(Module *module, uint64_t shape, uint64_t seed, const char *name) {
  Forms forms, *f = &forms;
  forms_begin(f, module, shape, seed, name);
  uint32_t size = 14 + random_below(&f->g->state, 30);
  for (int i = 0; i < 60 && f->g->count < size; i++) {
    RandomGraph *g = f->g;
    switch (random_below(&g->state, 17)) {
    case 0:
    case 1:
    case 2:
      forms_contraction(f);
      break;
    case 3:
      if (i < 30) forms_network(f);
      break;
    case 4:
      random_add(g, forms_join(f));
      break;
    case 5:
      random_add(g, forms_function(f));
      break;
    case 6:
      random_add(g, forms_whole(f));
      break;
    case 7:
      random_add(g, forms_draws(f));
      break;
    case 8:
      random_add(g, forms_score(f, random_value(g)));
      break;
    case 9:
      random_add(g, forms_choose(f, random_value(g)));
      break;
    case 16:
      random_add(g, random_scan(g, random_value(g)));
      break;
    case 10:
    case 11:
    case 12:
      random_add(g, random_shaped(g));
      break;
    default:
      random_add(g, random_elementwise(g));
    }
  }
  for (uint32_t i = 0; i < 5 && i < f->g->count; i++)
    forms_output(f, f->g->nodes[f->g->count - 1 - i]);
}

#endif
