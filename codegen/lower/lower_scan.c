/* Scans: the running value stays in registers, one per lane, while a serial loop goes along the
 * axis; every other axis is an item or a lane. */
#include "codegen/lower/lower.h"

static void scan_dry(Lower *lower) {
  const Root *root = &lower->kernel->roots[0];
  lower_value(lower, root->node->src[0]);
  lower_value(lower, root->node->src[1]);
  lower_index(lower, &(View){root->buffer, root->buffer->layout});
}

/* The loop along the axis; backward, its counter counts the steps and the coordinate follows. */
static void link_along(Lower *lower, const Node *node, const NestLoop *loop, Block *body) {
  Arena *arena = lower->arena;
  const Var *counter = node->attr.word ? var_make(arena, "step", VALUE_INDEX, 1) : loop->var;
  Term *extent = term_int(arena, (int64_t)loop->extent), *zero = term_int(arena, 0);
  Block *inside =
      loop_add(arena, lower->blocks[loop->level - 1], LOOP_SERIAL, counter, zero, extent);
  if (node->attr.word) {
    Term *last = term_int(arena, (int64_t)loop->extent - 1);
    let_add(arena, inside, loop->var,
            term_add(arena, last, term_mul(arena, term_var(arena, counter), -1)));
  }
  for (size_t i = 0; i < body->count; i++) block_add(arena, inside, body->items[i]);
}

static void scan_step(Lower *lower, const Registers *running, Term *index, int level) {
  Arena *arena = lower->arena;
  const Root *root = &lower->kernel->roots[0];
  Term *a = term_cast(arena, lower_value(lower, root->node->src[0]).term, running->type);
  Term *b = term_cast(arena, lower_value(lower, root->node->src[1]).term, running->type);
  Term *before = term_read(arena, running, index, NULL);
  Term *kept = term_apply(arena, OP_mul, running->type, a, before, NULL);
  Term *next = term_apply(arena, OP_add, running->type, kept, b, NULL);
  next = lower_let(lower, "next", next, level);
  set_add(arena, lower->blocks[level], running, index, NULL, next);
  lower_store(lower, root, next, level);
}

void lower_scan(const Schedule *s, Kernel *kernel) {
  const Root *root = &kernel->roots[0];
  Node *node = root->node;
  if (!root->buffer) return;
  Arena *arena = s->arena;
  Nest nest;
  nest_start(&nest, arena, s->code->module->graph, NULL);
  Lower lower = lower_start(s, kernel, &nest);
  Axes along = axes_one(node->attr.axis), others = axes_minus(kernel->iteration, along);
  AxisId order[MAX_AXES];
  int rank = axes_order(nest.graph, others, order);
  int preferred = rank ? order[rank - 1] : -1;
  int outer_dims = shape_nest(&lower, others, along, others, preferred, scan_dry);
  bool lanes = nest.lane >= 0;
  nest_merge(&nest, 0, outer_dims);
  int outer = nest.loop_count, items = shape_item_loops(&lower, outer), at = outer - items;
  nest_loops(&nest, outer_dims, nest.dim_count);
  shape_levels(&nest, items, nest.loop_count, 1);

  int deepest = nest.loop_count - items;
  lower_restart(&lower, deepest + 1);
  shape_items(&lower, items, 1);
  const NestLoop *lane = &nest.loops[nest.loop_count - 1];
  Term *zero = term_int(arena, 0), *index = lanes ? term_var(arena, lane->var) : zero;
  const Registers *running = registers_array(arena, "running", node_value_type(s->code, node),
                                             lanes ? (uint32_t)lane->extent : 1);
  declare_add(arena, lower.blocks[at], running, NULL);
  scan_step(&lower, running, index, deepest);
  if (lanes)
    loop_link(arena, lower.blocks[deepest - 1], LOOP_LANES, lane->var, zero,
              shape_lane_bound(&lower), lower.blocks[deepest]);
  link_along(&lower, node, &nest.loops[outer], lower.blocks[at + 1]);
  shape_link(&lower, items, outer);
  kernel->body = lower.blocks[0];
}
