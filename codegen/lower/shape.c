/* The shape of map and reduction nests: which axis runs in the lanes, which loops merge, which
 * become items for threads. */
#include "codegen/lower/lower.h"

/* ---- dimensions ---- */

typedef struct Choice {
  int axis; /* in the lanes; -1: none */
  bool split;
} Choice;

/* Dimensions of `axes` without the lane; a cut lane axis leaves its panels behind the leading
 * copies. */
static void add_dims(Nest *nest, Axes axes, Choice choice) {
  AxisId order[MAX_AXES];
  int rank = axes_order(nest->graph, axes, order);
  bool here = choice.axis >= 0 && axes_has(axes, (AxisId)choice.axis);
  uint32_t extent = here ? nest_extent(nest, (AxisId)choice.axis) : 0;
  bool panels = here && choice.split && extent > nest->panel;
  for (int i = 0; i <= rank; i++) {
    bool copy = i < rank && nest->graph->axes[order[i]].order == AXIS_COPY;
    if (panels && !copy) {
      uint32_t count = (extent + nest->panel - 1) / nest->panel;
      nest->block = nest_dim(nest, (AxisId)choice.axis, count, nest->panel);
      panels = false;
    }
    if (i < rank && order[i] != choice.axis)
      nest_dim(nest, order[i], nest_extent(nest, order[i]), 1);
  }
}

static void add_lane(Nest *nest, Choice choice, bool padded) {
  if (choice.axis < 0) return;
  uint32_t extent = nest_extent(nest, (AxisId)choice.axis);
  if (choice.split && (padded || extent % nest->panel == 0 || extent > nest->panel)) {
    nest->ragged = !padded && extent % nest->panel != 0;
    extent = nest->panel;
  }
  nest->lane = nest_dim(nest, (AxisId)choice.axis, extent, 1);
}

static int make_dims(Lower *lower, Axes outer, Axes inner, Choice choice, bool padded) {
  Nest *nest = lower->nest;
  nest_start(nest, lower->arena, lower->s->code->module->graph, lower->kernel->chunks);
  if (choice.split) {
    nest->split = (AxisId)choice.axis;
    nest->panel = panel_width(nest->graph->axes[choice.axis].extent, lower->s->code->options.lanes);
  }
  add_dims(nest, outer, choice);
  int outer_dims = nest->dim_count;
  add_dims(nest, inner, choice);
  add_lane(nest, choice, padded);
  nest->narrow = nest->lane >= 0 && nest->dims[nest->lane].extent < lower->s->code->options.lanes;
  return outer_dims;
}

/* ---- choice of the lanes ---- */

/* Strided accesses cost most, then bounds that vary, then unpadded loops, then not being preferred.
 */
static int dry_run(Lower *lower, Axes outer, Axes inner, Choice choice, int preferred, DryFn *dry,
                   bool *padded) {
  make_dims(lower, outer, inner, choice, true);
  lower_restart(lower, 1);
  dry(lower);
  Nest *nest = lower->nest;
  *padded = choice.split && !nest->unsafe;
  int cost = 10 * nest->strided + (choice.axis != preferred);
  if (choice.axis < 0) return cost + 1000;
  uint32_t extent = nest->graph->axes[choice.axis].extent;
  if (!choice.split) return cost + 2;
  return cost + (!*padded && extent % nest->panel && extent > nest->panel ? 4 : 0);
}

static void consider(Lower *lower, Axes outer, Axes inner, Choice choice, int preferred, DryFn *dry,
                     Choice *best, int *best_cost, bool *best_padded) {
  bool padded = false;
  int cost = dry_run(lower, outer, inner, choice, preferred, dry, &padded);
  if (*best_cost >= 0 && cost >= *best_cost) return;
  *best = choice;
  *best_cost = cost;
  *best_padded = padded;
}

/* Sums beside each other lie on the stack, as long as the lanes: at most 64 KiB of them. */
static bool stack_fits(const Lower *lower, Axes outer, Choice choice) {
  if (choice.split || !axes_has(outer, (AxisId)choice.axis)) return true;
  if (lower->kernel->kind != KERNEL_REDUCE && lower->kernel->kind != KERNEL_SCAN) return true;
  uint64_t each = lower->kernel->root_count * (sizeof(double) + sizeof(int32_t));
  return lower->nest->graph->axes[choice.axis].extent * each <= 65536;
}

/* Can the axis be cut in panels, where it is cut in chunks already? */
static bool panels_fit(const Lower *lower, Choice choice) {
  const Chunks *chunks = lower->kernel->chunks;
  if (!choice.split || !chunks || (int)chunks->axis != choice.axis) return true;
  const Graph *graph = lower->s->code->module->graph;
  return chunks->rows %
             panel_width(graph->axes[choice.axis].extent, lower->s->code->options.lanes) ==
         0;
}

int shape_nest(Lower *lower, Axes outer, Axes inner, Axes lanes, int preferred, DryFn *dry) {
  const Graph *graph = lower->s->code->module->graph;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, lanes, order), cost = -1;
  size_t places = lower->kernel->place_count;
  Choice best = {-1, false};
  bool padded = false;
  for (int i = rank - 1; i >= 0; i--) {
    if (!panel_width(graph->axes[order[i]].extent, lower->s->code->options.lanes)) continue;
    for (int split = 1; split >= 0; split--) {
      Choice choice = {order[i], split};
      if (!stack_fits(lower, outer, choice) || !panels_fit(lower, choice)) continue;
      consider(lower, outer, inner, choice, preferred, dry, &best, &cost, &padded);
    }
  }
  int outer_dims = make_dims(lower, outer, inner, best, padded);
  lower_restart(lower, 1);
  dry(lower);
  lower->kernel->place_count = places;
  return outer_dims;
}

Term *shape_elements_left(const Lower *lower) {
  Nest *nest = lower->nest;
  Term *all = term_int(lower->arena, nest->graph->axes[nest->split].extent);
  if (nest->block < 0) return all;
  Form before = {{0}};
  before.by[nest->block] = -(int64_t)nest->panel;
  return term_add(lower->arena, all, nest_term(nest, &before));
}

Term *shape_lane_bound(const Lower *lower) {
  const Nest *nest = lower->nest;
  const NestLoop *lane = &nest->loops[nest->loop_count - 1];
  if (!nest->ragged) return term_int(lower->arena, (int64_t)lane->extent);
  return term_min(lower->arena, term_int(lower->arena, nest->panel), shape_elements_left(lower));
}

Term *shape_filled(const Lower *lower) {
  const Nest *nest = lower->nest;
  bool padded = nest->panel && !nest->ragged && nest->dims[nest->lane].extent == nest->panel &&
                nest->graph->axes[nest->split].extent % nest->panel != 0;
  return padded ? shape_elements_left(lower) : NULL;
}

/* ---- items and levels ---- */

/* Enough for some threads each, or for some warps on every multiprocessor of a large GPU. */
enum { ITEMS = 8, ITEMS_ON_DEVICE = 1024 };

int shape_item_loops(const Lower *lower, int loops) {
  const Nest *nest = lower->nest;
  uint64_t items = 1, enough = lower->s->code->device ? ITEMS_ON_DEVICE : ITEMS;
  int count = 0;
  while (count < loops && items < enough) items *= nest->loops[count++].extent;
  return count;
}

Term *shape_items(Lower *lower, int loops, uint64_t chunks) {
  Nest *nest = lower->nest;
  Arena *arena = lower->arena;
  Kernel *kernel = lower->kernel;
  kernel->item = var_make(arena, "item", VALUE_INDEX, 1);
  kernel->items = chunks;
  Term *item = term_var(arena, kernel->item);
  Term *chunk = term_int(arena, 0);
  if (chunks > 1) {
    for (int i = 0; i < loops; i++) kernel->items *= nest->loops[i].extent;
    Term *value = kernel->items > chunks ? term_mod(arena, item, (int64_t)chunks) : item;
    chunk = lower_let(lower, "chunk", value, 0);
    kernel->items = chunks;
  }
  for (int i = loops - 1; i >= 0; i--) {
    NestLoop *loop = &nest->loops[i];
    loop->level = 0;
    Term *value = term_div(arena, item, (int64_t)kernel->items);
    kernel->items *= loop->extent;
    if (i > 0) value = term_mod(arena, value, (int64_t)loop->extent);
    let_add(arena, lower->blocks[0], loop->var, value);
  }
  return chunk;
}

void shape_levels(Nest *nest, int from, int to, int level) {
  for (int i = from; i < to; i++) nest->loops[i].level = level++;
}

void shape_link(Lower *lower, int from, int to) {
  for (int i = to - 1; i >= from; i--) {
    const NestLoop *loop = &lower->nest->loops[i];
    loop_link(lower->arena, lower->blocks[loop->level - 1], LOOP_SERIAL, loop->var,
              term_int(lower->arena, 0), term_int(lower->arena, (int64_t)loop->extent),
              lower->blocks[loop->level]);
  }
}
