/* Reductions: sums (with scatters and products that are not tiled), argmin and argmax.
 *
 * Lanes over an axis of the result accumulate side by side. Lanes over a reduced axis accumulate
 * WIDTH partial sums, which are added at the end in one fixed order, halves onto halves; so a value
 * depends on nothing but the extents. */
#include "codegen/lower/lower.h"

#include <math.h>

enum { WIDTH = 32 };

/* One accumulator (two for arg reductions: the value and its position) per root. */
typedef struct Accumulator {
  const Registers *value, *position;
} Accumulator;

static bool is_pick(const Node *node) { return node->op == OP_argmin || node->op == OP_argmax; }

/* The value that one step adds or compares. */
static Value step_value(Lower *lower, Node *node) {
  if (node->op == OP_scatter) return lower_scatter(lower, node);
  Value x = lower_value(lower, node->src[0]);
  if (node->op != OP_contract) return x;
  Value y = lower_value(lower, node->src[1]);
  ValueType type = lower->s->code->real;
  Term *term = term_apply(lower->arena, OP_mul, type, term_cast(lower->arena, x.term, type),
                          term_cast(lower->arena, y.term, type), NULL);
  return (Value){term, x.level > y.level ? x.level : y.level, 0};
}

static void reduce_dry(Lower *lower) {
  for (size_t i = 0; i < lower->kernel->root_count; i++) {
    const Root *root = &lower->kernel->roots[i];
    Node *node = root->node;
    step_value(lower, node);
    if (root->buffer) lower_index(lower, &(View){root->buffer, root->buffer->layout});
    if (is_pick(node)) {
      Form position = nest_coordinate(lower->nest, node->attr.axis);
      nest_term(lower->nest, &position);
    }
  }
}

/* ---- accumulation ---- */

static Accumulator accumulator_make(Lower *lower, Node *node, uint32_t width, int level) {
  Arena *arena = lower->arena;
  ValueType type = is_pick(node) ? node_value_type(lower->s->code, node->src[0])
                                 : node_value_type(lower->s->code, node);
  Accumulator a = {registers_array(arena, arena_printf(arena, "acc%u", node->id), type, width),
                   NULL};
  Term *start = NULL;
  if (is_pick(node)) {
    start = term_real(arena, type, node->op == OP_argmin ? INFINITY : -INFINITY);
    if (type == VALUE_I32)
      start =
          term_cast(arena, term_int(arena, node->op == OP_argmin ? INT32_MAX : INT32_MIN), type);
    const char *name = arena_printf(arena, "at%u", node->id);
    a.position = registers_array(arena, name, VALUE_I32, width);
    declare_add(arena, lower->blocks[level], a.position, NULL);
  }
  declare_add(arena, lower->blocks[level], a.value, start);
  return a;
}

static void accumulate_pick(Lower *lower, Node *node, Accumulator a, Term *index, Term *x,
                            int level) {
  Arena *arena = lower->arena;
  Block *block = lower->blocks[level];
  Form form = nest_coordinate(lower->nest, node->attr.axis);
  Term *position = term_cast(arena, nest_term(lower->nest, &form), VALUE_I32);
  Term *best = term_read(arena, a.value, index, NULL),
       *at = term_read(arena, a.position, index, NULL);
  bool least = node->op == OP_argmin;
  Term *better = term_apply(arena, OP_lt, x->type, least ? x : best, least ? best : x, NULL);
  better = lower_let(lower, arena_printf(arena, "better%u", node->id),
                     term_cast(arena, better, VALUE_I32), level);
  set_add(arena, block, a.position, index, NULL,
          term_apply(arena, OP_where, VALUE_I32, better, position, at));
  set_add(arena, block, a.value, index, NULL,
          term_apply(arena, OP_where, x->type, better, x, best));
}

/* `filled`: lanes from there on are padding and add nothing; NULL: none. */
static void accumulate(Lower *lower, const Accumulator *all, Term *index, Term *filled, int level) {
  Arena *arena = lower->arena;
  Term *real = NULL;
  if (filled) {
    const NestLoop *lane = &lower->nest->loops[lower->nest->loop_count - 1];
    real =
        term_apply(arena, OP_lt, VALUE_I32, term_cast(arena, term_var(arena, lane->var), VALUE_I32),
                   term_cast(arena, filled, VALUE_I32), NULL);
    real = lower_let(lower, "real", real, level);
  }
  for (size_t i = 0; i < lower->kernel->root_count; i++) {
    Node *node = lower->kernel->roots[i].node;
    Term *x = term_cast(arena, step_value(lower, node).term, all[i].value->type);
    if (is_pick(node)) {
      accumulate_pick(lower, node, all[i], index, x, level);
      continue;
    }
    if (real) x = term_apply(arena, OP_where, x->type, real, x, term_real(arena, x->type, 0));
    Term *sum = term_read(arena, all[i].value, index, NULL);
    set_add(arena, lower->blocks[level], all[i].value, index, NULL,
            term_apply(arena, OP_add, sum->type, sum, x, NULL));
  }
}

static Accumulator *accumulators(Lower *lower, uint32_t width, int level) {
  Accumulator *all = NEW_ARRAY(lower->arena, Accumulator, lower->kernel->root_count);
  for (size_t i = 0; i < lower->kernel->root_count; i++)
    all[i] = accumulator_make(lower, lower->kernel->roots[i].node, width, level);
  return all;
}

static void store_results(Lower *lower, const Accumulator *all, Term *index, int level) {
  for (size_t i = 0; i < lower->kernel->root_count; i++) {
    const Registers *from = all[i].position ? all[i].position : all[i].value;
    lower_store(lower, &lower->kernel->roots[i], term_read(lower->arena, from, index, NULL), level);
  }
}

/* ---- lanes over the result, or none ---- */

static void reduce_beside(Lower *lower, int outer_dims) {
  Nest *nest = lower->nest;
  Arena *arena = lower->arena;
  int inner_end = nest->dim_count - (nest->lane >= 0);
  nest_merge(nest, 0, outer_dims);
  int outer = nest->loop_count, items = shape_item_loops(lower, outer);
  nest_merge(nest, outer_dims, inner_end);
  int inner = nest->loop_count;
  if (nest->lane >= 0) nest_loops(nest, nest->lane, nest->lane + 1);
  shape_levels(nest, items, nest->loop_count, 1);

  int at = outer - items, deepest = nest->loop_count - items, store = deepest;
  lower_restart(lower, deepest + 2);
  shape_items(lower, items, 1);
  const NestLoop *lane = &nest->loops[nest->loop_count - 1];
  Term *zero = term_int(arena, 0), *index = nest->lane >= 0 ? term_var(arena, lane->var) : zero;
  Accumulator *all = accumulators(lower, nest->lane >= 0 ? (uint32_t)lane->extent : 1, at);
  accumulate(lower, all, index, NULL, deepest);
  if (nest->lane >= 0)
    loop_link(arena, lower->blocks[deepest - 1], LOOP_LANES, lane->var, zero,
              shape_lane_bound(lower), lower->blocks[deepest]);
  shape_link(lower, outer, inner);
  if (nest->lane >= 0) {
    lower->blocks[store] = block_make(arena);
    store_results(lower, all, index, store);
    loop_link(arena, lower->blocks[at], LOOP_LANES, lane->var, zero, shape_lane_bound(lower),
              lower->blocks[store]);
  } else {
    store_results(lower, all, index, at);
  }
  shape_link(lower, items, outer);
  lower->kernel->body = lower->blocks[0];
}

/* ---- lanes over a reduced axis ---- */

void add_halves(Arena *arena, Block *block, const Registers *acc) {
  for (uint32_t half = acc->rows / 2; half; half /= 2) {
    const Var *var = var_make(arena, "half", VALUE_INDEX, 1);
    Term *i = term_var(arena, var);
    Block *body =
        loop_add(arena, block, LOOP_LANES, var, term_int(arena, 0), term_int(arena, half));
    Term *x = term_read(arena, acc, i, NULL);
    Term *y = term_read(arena, acc, term_add(arena, i, term_int(arena, half)), NULL);
    set_add(arena, body, acc, i, NULL, term_apply(arena, OP_add, acc->type, x, y, NULL));
  }
}

uint32_t partial_sums(uint64_t extent) {
  uint32_t p = 1;
  while (p < extent && p < WIDTH) p *= 2;
  return p;
}

void lanes_link(Arena *arena, Block *around, const Var *along, uint64_t extent, uint32_t width,
                const Var *place, const Block *body) {
  Term *zero = term_int(arena, 0);
  const Var *chunk = var_make(arena, "chunk", VALUE_INDEX, 1);
  Term *start = term_mul(arena, term_var(arena, chunk), width);
  Block *inside = block_make(arena);
  let_add(arena, inside, along, term_add(arena, start, term_var(arena, place)));
  for (size_t i = 0; i < body->count; i++) block_add(arena, inside, body->items[i]);
  int64_t pieces = (int64_t)(extent / width), rest = (int64_t)(extent % width);
  Block *whole = loop_add(arena, around, LOOP_SERIAL, chunk, zero, term_int(arena, pieces));
  loop_link(arena, whole, LOOP_LANES, place, zero, term_int(arena, width), inside);
  if (!rest) return;
  Block *tail = loop_add(arena, around, LOOP_SERIAL, chunk, term_int(arena, pieces),
                         term_int(arena, pieces + 1));
  loop_link(arena, tail, LOOP_LANES, place, zero, term_int(arena, rest), inside);
}

static void reduce_across(Lower *lower, int outer_dims) {
  Nest *nest = lower->nest;
  Arena *arena = lower->arena;
  nest_merge(nest, 0, outer_dims);
  int outer = nest->loop_count, items = shape_item_loops(lower, outer);
  bool alone = nest->panel && nest->graph->axes[nest->split].extent % nest->panel;
  nest_merge(nest, outer_dims, alone ? nest->lane : nest->dim_count);
  if (alone) nest_loops(nest, nest->lane, nest->lane + 1);
  shape_levels(nest, items, nest->loop_count, 1);

  int inner = nest->loop_count - 1, deepest = nest->loop_count - items, at = outer - items;
  NestLoop *lane = &nest->loops[inner];
  uint32_t width = nest->ragged ? nest->panel : partial_sums(lane->extent);
  bool cut = !nest->ragged && lane->extent > width;
  const Var *place = cut ? var_make(arena, "lane", VALUE_INDEX, 1) : lane->var;
  lower_restart(lower, deepest + 1);
  shape_items(lower, items, 1);
  Accumulator *all = accumulators(lower, width, at);
  accumulate(lower, all, term_var(arena, place), shape_filled(lower), deepest);
  if (cut)
    lanes_link(arena, lower->blocks[deepest - 1], lane->var, lane->extent, width, place,
               lower->blocks[deepest]);
  else
    loop_link(arena, lower->blocks[deepest - 1], LOOP_LANES, place, term_int(arena, 0),
              shape_lane_bound(lower), lower->blocks[deepest]);
  shape_link(lower, outer, inner);
  for (size_t i = 0; i < lower->kernel->root_count; i++)
    add_halves(arena, lower->blocks[at], all[i].value);
  store_results(lower, all, term_int(arena, 0), at);
  shape_link(lower, items, outer);
  lower->kernel->body = lower->blocks[0];
}

void lower_reduce(const Schedule *s, Kernel *kernel) {
  Nest nest;
  nest_start(&nest, s->arena, s->code->module->graph, kernel->chunks);
  Lower lower = lower_start(s, kernel, &nest);
  Axes outer = axes_minus(kernel->iteration, kernel->reduced);
  AxisId order[MAX_AXES];
  int rank = axes_order(nest.graph, outer, order);
  Axes lanes = is_pick(kernel->roots[0].node) ? outer : kernel->iteration;
  int preferred = rank ? order[rank - 1] : -1;
  int outer_dims = shape_nest(&lower, outer, kernel->reduced, lanes, preferred, reduce_dry);
  if (nest.lane >= 0 && axes_has(kernel->reduced, nest.dims[nest.lane].axis))
    reduce_across(&lower, outer_dims);
  else
    reduce_beside(&lower, outer_dims);
}
