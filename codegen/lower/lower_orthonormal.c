/* Orthonormal vectors by modified Gram-Schmidt, in place in the result, sums in double. Copies of
 * the vectors are the items, components are in the lanes. */
#include "codegen/lower/lower.h"

typedef struct Vectors {
  Lower lower;
  Nest nest;
  View from, to; /* argument, result */
  AxisId axis;   /* numbers the vectors */
  const NestLoop *along;
} Vectors;

/* Component of vector `number`, at the counter of the loop along the vectors. */
static Term *component(Vectors *v, const View *view, Term *number) {
  Term *index = lower_index_at(&v->lower, view, v->axis, number, 0).term;
  Term *load = term_load(v->lower.arena, view->buffer, view->buffer->type, index, 1);
  return term_cast(v->lower.arena, load, VALUE_F64);
}

/* Every component of vector `number` becomes `value`. */
static void vector_set(Vectors *v, Block *block, Term *number, Term *value) {
  Arena *arena = v->lower.arena;
  Term *index = lower_index_at(&v->lower, &v->to, v->axis, number, 0).term;
  Block *each = loop_add(arena, block, LOOP_LANES, v->along->var, term_int(arena, 0),
                         term_int(arena, (int64_t)v->along->extent));
  store_add(arena, each, v->to.buffer, index, term_cast(arena, value, v->to.buffer->type));
}

static Term *apply(Vectors *v, OpCode op, Term *x, Term *y) {
  return term_apply(v->lower.arena, op, VALUE_F64, x, y, NULL);
}

/* The inner product of two vectors, as a register in `block`: partial sums in the lanes, added up
 * as those of a reduction are. */
static Term *inner_product(Vectors *v, Block *block, const char *name, Term *x, Term *y) {
  Arena *arena = v->lower.arena;
  uint64_t extent = v->along->extent;
  uint32_t width = partial_sums(extent);
  const Registers *sum = registers_array(arena, name, VALUE_F64, width);
  const Var *lane = var_make(arena, "lane", VALUE_INDEX, 1);
  declare_add(arena, block, sum, NULL);
  Block *each = block_make(arena);
  Term *term = apply(v, OP_mul, component(v, &v->to, x), component(v, &v->to, y));
  Term *read = term_read(arena, sum, term_var(arena, lane), NULL);
  set_add(arena, each, sum, term_var(arena, lane), NULL, apply(v, OP_add, read, term));
  lanes_link(arena, block, v->along->var, extent, width, lane, each);
  add_halves(arena, block, sum);
  return term_read(arena, sum, term_int(arena, 0), NULL);
}

/* Takes the parts along the former vectors away, twice: what rounding left goes the second time. */
static void subtract_former(Vectors *v, Block *block, Term *own) {
  Arena *arena = v->lower.arena;
  const Var *pass = var_make(arena, "pass", VALUE_INDEX, 1);
  const Var *former = var_make(arena, "former", VALUE_INDEX, 1);
  Term *zero = term_int(arena, 0), *other = term_var(arena, former);
  Block *passes = loop_add(arena, block, LOOP_SERIAL, pass, zero, term_int(arena, 2));
  Block *body = loop_add(arena, passes, LOOP_SERIAL, former, zero, own);
  Term *dot = inner_product(v, body, "dot", own, other);
  Term *part = apply(v, OP_mul, dot, component(v, &v->to, other));
  vector_set(v, body, own, apply(v, OP_sub, component(v, &v->to, own), part));
}

/* `before`: the square of the length that the vector had. Of one that depends on the former ones
 * only rounding is left. */
static void normalise(Vectors *v, Block *block, Term *own, Term *before) {
  Arena *arena = v->lower.arena;
  const Var *length = var_make(arena, "length", VALUE_F64, 1);
  Term *square = inner_product(v, block, "square", own, own);
  let_add(arena, block, length, apply(v, OP_sqrt, square, NULL));
  Term *unit = apply(v, OP_div, component(v, &v->to, own), term_var(arena, length));
  Term *rest = apply(v, OP_mul, term_real(arena, VALUE_F64, 1e-12), before);
  Term *zero = term_real(arena, VALUE_F64, 0);
  vector_set(v, block, own,
             term_apply(arena, OP_where, VALUE_F64, apply(v, OP_lt, rest, square), unit, zero));
}

void lower_orthonormal(const Schedule *s, Kernel *kernel) {
  const Root *root = &kernel->roots[0];
  const Node *node = root->node;
  if (!root->buffer) return;
  Arena *arena = s->arena;
  Vectors *v = NEW(arena, Vectors);
  nest_start(&v->nest, arena, s->code->module->graph, NULL);
  v->axis = node->attr.axis;
  Axes vectors = axes_union(axes_one(v->axis), axes_one(node->attr.to));
  AxisId order[MAX_AXES];
  int copies = axes_order(v->nest.graph, axes_minus(kernel->iteration, vectors), order);
  order[copies] = node->attr.to;
  for (int i = 0; i <= copies; i++)
    nest_dim(&v->nest, order[i], v->nest.graph->axes[order[i]].extent, 1);
  nest_loops(&v->nest, 0, v->nest.dim_count);
  v->along = &v->nest.loops[copies];
  v->lower = lower_start(s, kernel, &v->nest);
  v->from = node_view(s, node->src[0]);
  v->to = (View){root->buffer, root->buffer->layout};
  place_add(&v->lower, v->from.buffer, false);
  place_add(&v->lower, v->to.buffer, false);
  place_add(&v->lower, v->to.buffer, true);
  shape_items(&v->lower, copies, 1);

  const Var *number = var_make(arena, "vector", VALUE_INDEX, 1);
  uint32_t count = v->nest.graph->axes[v->axis].extent;
  Block *body = loop_add(arena, v->lower.blocks[0], LOOP_SERIAL, number, term_int(arena, 0),
                         term_int(arena, count));
  Term *own = term_var(arena, number);
  vector_set(v, body, own, component(v, &v->from, own));
  Term *before = inner_product(v, body, "before", own, own);
  subtract_former(v, body, own);
  normalise(v, body, own, before);
  kernel->body = v->lower.blocks[0];
}
