/* Repacking as transposes in registers: tiles of W x W elements, W elements a vector.
 *
 * Stage s swaps, between vectors i and i + s, the lanes whose numbers differ in bit s; after all
 * stages vector i holds what was in lane i. Only for extents that are multiples of W; other copies
 * go through the general map. */
#include "codegen/lower.h"

typedef struct Repack {
  Lower lower;
  Nest nest;
  View from, to;
  AxisId row, lane; /* innermost in the target and in the source */
  uint32_t width;
} Repack;

static bool repack_start(Repack *r, const Schedule *s, Kernel *kernel) {
  const Graph *graph = s->code->module->graph;
  const Root *root = &kernel->roots[0];
  r->from = node_view(s, root->node);
  r->to = (View){root->buffer, root->buffer->layout};
  const Layout *from = &r->from.layout, *to = &r->to.layout;
  r->width = s->code->options.lanes;
  r->lane = from->axis[from->rank - 1];
  r->row = to->axis[to->rank - 1];
  if (r->width < 2 || r->width > 16 || !from->panel || !to->panel || r->lane == r->row)
    return false;
  if (r->from.buffer->type != r->to.buffer->type || r->to.buffer->type != s->code->real)
    return false;
  if (from->panel % r->width || to->panel % r->width) return false;
  return graph->axes[r->lane].extent % r->width == 0 && graph->axes[r->row].extent % r->width == 0;
}

static void repack_nest(Repack *r, const Schedule *s, Kernel *kernel) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  Axes others = axes_minus(kernel->iteration, axes_union(axes_one(r->row), axes_one(r->lane)));
  int rank = axes_order(graph, others, order);
  nest_start(&r->nest, s->arena, graph, NULL);
  for (int i = 0; i < rank; i++) nest_dim(&r->nest, order[i], graph->axes[order[i]].extent, 1);
  nest_dim(&r->nest, r->row, graph->axes[r->row].extent / r->width, r->width);
  nest_dim(&r->nest, r->lane, graph->axes[r->lane].extent / r->width, r->width);
  nest_loops(&r->nest, 0, r->nest.dim_count);
}

/* Vector i of a tile: at the tile's base, i steps along `axis`. */
static Term *vector_index(Repack *r, Term *base, const Layout *layout, AxisId axis, uint32_t i) {
  uint64_t step = layout->stride[layout_find(layout, axis)];
  return term_add(r->lower.arena, base, term_int(r->lower.arena, (int64_t)(i * step)));
}

static const Registers *stage_tile(Repack *r, uint32_t stage) {
  Arena *arena = r->lower.arena;
  const Registers *tile = registers_tile(arena, arena_printf(arena, "x%u", stage),
                                         r->to.buffer->type, r->width, r->width, 1);
  declare_add(arena, r->lower.blocks[0], tile, NULL);
  return tile;
}

static Term *tile_at(Repack *r, const Registers *tile, uint32_t i) {
  Arena *arena = r->lower.arena;
  return term_read(arena, tile, term_int(arena, i), term_int(arena, 0));
}

static void tile_set(Repack *r, const Registers *tile, uint32_t i, Term *value) {
  Arena *arena = r->lower.arena;
  set_add(arena, r->lower.blocks[0], tile, term_int(arena, i), term_int(arena, 0), value);
}

static const Registers *swap_stage(Repack *r, const Registers *tile, uint32_t stage) {
  Arena *arena = r->lower.arena;
  const Registers *next = stage_tile(r, stage);
  for (uint32_t i = 0; i < r->width; i++) {
    if (i & stage) continue;
    Term *x = tile_at(r, tile, i), *y = tile_at(r, tile, i + stage);
    tile_set(r, next, i, term_swap(arena, x, y, stage, false));
    tile_set(r, next, i + stage, term_swap(arena, x, y, stage, true));
  }
  return next;
}

bool lower_repack(const Schedule *s, Kernel *kernel) {
  Repack *r = NEW(s->arena, Repack);
  if (!repack_start(r, s, kernel)) return false;
  repack_nest(r, s, kernel);
  r->lower = lower_start(s, kernel, &r->nest);
  Lower *lower = &r->lower;
  Arena *arena = s->arena;
  shape_items(lower, r->nest.loop_count, 1);
  place_add(lower, r->from.buffer, false);
  place_add(lower, r->to.buffer, true);
  Term *in = lower_let(lower, "base_in", lower_index(lower, &r->from).term, 0);
  Term *out = lower_let(lower, "base_out", lower_index(lower, &r->to).term, 0);
  const Registers *tile = stage_tile(r, 0);
  for (uint32_t i = 0; i < r->width; i++) {
    Term *index = vector_index(r, in, &r->from.layout, r->row, i);
    tile_set(r, tile, i, term_load(arena, r->from.buffer, tile->type, index, r->width));
  }
  for (uint32_t stage = 1; stage < r->width; stage *= 2) tile = swap_stage(r, tile, stage);
  for (uint32_t i = 0; i < r->width; i++) {
    Term *index = vector_index(r, out, &r->to.layout, r->lane, i);
    store_add(arena, lower->blocks[0], r->to.buffer, index, tile_at(r, tile, i));
  }
  kernel->body = lower->blocks[0];
  return true;
}
