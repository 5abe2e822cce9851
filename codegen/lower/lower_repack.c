/* Repacking as transposes in registers: tiles of W x W elements, W elements a vector.
 *
 * Stage s swaps, between vectors i and i + s, the lanes whose numbers differ in bit s; after all
 * stages vector i holds what was in lane i. Vectors run into the padding of panels; at the end of
 * an axis a tile loads fewer of them (the others are 0) or stores fewer. Copies of what has no
 * panels go through the general map. */
#include "codegen/lower/lower.h"

typedef struct Repack {
  Lower lower;
  Nest nest;
  View from, to;
  AxisId row, lane; /* innermost in the target and in the source */
  uint32_t width;
  Block *block; /* of the tile that is built */
  Term *in, *out;
} Repack;

static uint32_t least(uint32_t x, uint32_t y) { return x < y ? x : y; }

static bool repack_start(Repack *r, const Schedule *s, Kernel *kernel) {
  const Root *root = &kernel->roots[0];
  r->from = node_view(s, root->node);
  r->to = (View){root->buffer, root->buffer->layout};
  const Layout *from = &r->from.layout, *to = &r->to.layout;
  r->lane = from->axis[from->rank - 1];
  r->row = to->axis[to->rank - 1];
  r->width = least(s->code->options.lanes, least(from->panel, to->panel));
  if (r->width < 2 || r->width > 16 || r->lane == r->row) return false;
  ValueType type = r->to.buffer->type;
  if (r->from.buffer->type != type || (type != s->code->real && type != VALUE_PAIR)) return false;
  return from->panel % r->width == 0 && to->panel % r->width == 0;
}

static uint32_t tiles(const Repack *r, uint32_t extent) {
  return (extent + r->width - 1) / r->width;
}

/* Elements along an axis: pairs where they are. */
static uint32_t extent_of(const Repack *r, AxisId axis) {
  return r->to.layout.extent[layout_find(&r->to.layout, axis)];
}

static void repack_nest(Repack *r, const Schedule *s, Kernel *kernel) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  Axes others = axes_minus(kernel->iteration, axes_union(axes_one(r->row), axes_one(r->lane)));
  int rank = axes_order(graph, others, order);
  nest_start(&r->nest, s->arena, graph, NULL);
  for (int i = 0; i < rank; i++) nest_dim(&r->nest, order[i], extent_of(r, order[i]), 1);
  nest_dim(&r->nest, r->row, tiles(r, extent_of(r, r->row)), r->width);
  nest_dim(&r->nest, r->lane, tiles(r, extent_of(r, r->lane)), r->width);
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
  declare_add(arena, r->block, tile, NULL);
  return tile;
}

static Term *tile_at(Repack *r, const Registers *tile, uint32_t i) {
  Arena *arena = r->lower.arena;
  return term_read(arena, tile, term_int(arena, i), term_int(arena, 0));
}

static void tile_set(Repack *r, const Registers *tile, uint32_t i, Term *value) {
  Arena *arena = r->lower.arena;
  set_add(arena, r->block, tile, term_int(arena, i), term_int(arena, 0), value);
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

/* A tile with that many rows and lanes that exist. */
static void tile_body(Repack *r, Block *block, uint32_t rows, uint32_t lanes) {
  Arena *arena = r->lower.arena;
  r->block = block;
  const Registers *tile = stage_tile(r, 0);
  for (uint32_t i = 0; i < rows; i++) {
    Term *index = vector_index(r, r->in, &r->from.layout, r->row, i);
    tile_set(r, tile, i, term_load(arena, r->from.buffer, tile->type, index, r->width));
  }
  for (uint32_t stage = 1; stage < r->width; stage *= 2) tile = swap_stage(r, tile, stage);
  for (uint32_t i = 0; i < lanes; i++) {
    Term *index = vector_index(r, r->out, &r->to.layout, r->lane, i);
    store_add(arena, block, r->to.buffer, index, tile_at(r, tile, i));
  }
}

/* if (tile number < whole tiles) W of them exist, else `rest`; one case where there is one. */
typedef struct Case {
  Block *block;
  uint32_t exist;
} Case;

static int tile_cases(Repack *r, Block *block, const NestLoop *loop, uint32_t extent, Case *cases) {
  Arena *arena = r->lower.arena;
  uint32_t whole = extent / r->width, rest = extent % r->width;
  if (!whole || !rest) {
    cases[0] = (Case){block, whole ? r->width : rest};
    return 1;
  }
  Stmt *branch = if_add(arena, block, term_var(arena, loop->var), term_int(arena, whole));
  cases[0] = (Case){branch->body, r->width};
  cases[1] = (Case){branch->other, rest};
  return 2;
}

bool lower_repack(const Schedule *s, Kernel *kernel) {
  Repack *r = NEW(s->arena, Repack);
  if (!repack_start(r, s, kernel)) return false;
  repack_nest(r, s, kernel);
  r->lower = lower_start(s, kernel, &r->nest);
  Lower *lower = &r->lower;
  const NestLoop *last = &r->nest.loops[r->nest.loop_count - 1];
  shape_items(lower, r->nest.loop_count, 1);
  place_add(lower, r->from.buffer, false);
  place_add(lower, r->to.buffer, true);
  r->in = lower_let(lower, "base_in", lower_index(lower, &r->from).term, 0);
  r->out = lower_let(lower, "base_out", lower_index(lower, &r->to).term, 0);
  Case rows[2], lanes[2];
  int row_cases = tile_cases(r, lower->blocks[0], last - 1, extent_of(r, r->row), rows);
  for (int i = 0; i < row_cases; i++) {
    int lane_cases = tile_cases(r, rows[i].block, last, extent_of(r, r->lane), lanes);
    for (int k = 0; k < lane_cases; k++)
      tile_body(r, lanes[k].block, rows[i].exist, lanes[k].exist);
  }
  kernel->body = lower->blocks[0];
  return true;
}
