/* Contractions as register tiles: `rows` x one panel of the result's last axis, accumulated over
 * the reduced axes.
 *
 * The operand with the last axis in its lanes is read as vectors (B), which must lie in the working
 * precision, the other one scalar by scalar (A), converted if need be. Items of the parallel loop
 * are (chunks, outer axes, panels, row tiles), row tiles innermost, so that a panel of B stays in
 * the nearest cache while rows stream past, and chunks outermost, so that rows that come by for
 * every panel come from the next nearest. Row tiles have heights that differ by one at most; where
 * the rows are A's panelled axis, no tile straddles two panels.
 *
 * Where rows choose B, a tile takes rows of one bucket from wherever they stand (lower_bucket.c):
 * the tile's base addresses in A and in the result are one per row, in registers.
 */
#include "codegen/lower/product.h"

#include <string.h>

/* ---- dimensions ---- */

/* Axes of the result; those of rows in buckets behind the others, for they become one loop. */
static int out_order(const Product *p, AxisId *order) {
  AxisId all[MAX_AXES];
  int rank = axes_order(p->nest.graph, p->kernel->iteration, all), count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < rank; i++) {
      bool late = axes_has(p->rows, all[i]) || i == rank - 1;
      if (late == (pass == 1)) order[count++] = all[i];
    }
  return rank;
}

static void add_out_dims(Product *p) {
  Nest *nest = &p->nest;
  AxisId order[MAX_AXES];
  int rank = out_order(p, order) - 1;
  uint32_t extent = nest->graph->axes[order[rank]].extent;
  nest->split = order[rank];
  nest->panel = p->out.layout.panel;
  for (int i = 0; i <= rank; i++) {
    bool copy =
        i < rank && nest->graph->axes[order[i]].order == AXIS_COPY && !axes_has(p->rows, order[i]);
    if (!copy && nest->block < 0 && extent > nest->panel)
      nest->block = nest_dim(nest, nest->split, layout_blocks(&p->out.layout), nest->panel);
    if (i < rank) nest_dim(nest, order[i], nest_extent(nest, order[i]), 1);
  }
}

uint32_t inner_extent(const Product *p, AxisId axis) {
  uint32_t extent = p->nest.graph->axes[axis].extent;
  return (int)axis == layout_paired(&p->a.layout) ? (extent + 1) / 2 : extent;
}

/* What one step along a reduced axis adds to its coordinate. */
static uint32_t inner_unit(const Product *p, AxisId axis) {
  const Layout *a = &p->a.layout;
  return p->kernel->narrow && axis == a->axis[a->rank - 1] ? p->width : 1;
}

/* Reduced axes; the one that matrix instructions go along is innermost. */
static int inner_order(const Product *p, AxisId *order) {
  const Kernel *kernel = p->kernel;
  if (!kernel->matrix) return axes_order(p->nest.graph, kernel->reduced, order);
  int rank = axes_order(p->nest.graph, axes_minus(kernel->reduced, axes_one(kernel->along)), order);
  order[rank] = kernel->along;
  return rank + 1;
}

static void add_inner_dims(Product *p) {
  Nest *nest = &p->nest;
  AxisId order[MAX_AXES];
  int rank = inner_order(p, order);
  p->first_inner = nest->dim_count;
  for (int i = 0; i < rank; i++) {
    uint32_t extent = inner_extent(p, order[i]), panel = p->a.layout.panel;
    uint32_t unit = inner_unit(p, order[i]);
    if (order[i] == p->apart) nest_dim(nest, order[i], (extent + panel - 1) / panel, panel);
    nest_dim(nest, order[i], (order[i] == p->apart ? panel : extent) / unit, unit);
  }
  nest->lane = nest_dim(nest, nest->split, nest->panel, 1);
}

/* Strides over the dimensions but for the axis `without` (-1: none); A's panels that are apart
 * appear only where they are reduced. */
static Form operand_form(const Product *p, const Layout *layout, int without) {
  const Nest *nest = &p->nest;
  Form form = {{0}};
  for (int i = 0; i < layout->rank; i++) {
    AxisId axis = layout->axis[i];
    bool last = i == layout->rank - 1, panels = last && layout->panel && layout_blocks(layout) > 1;
    if (axis == without) continue;
    if (panels && axis == nest->split) {
      form.by[nest->block] = (int64_t)layout->block;
      form.by[nest->lane] = 1;
    } else if (last && axis == p->apart) {
      for (int d = p->first_inner; d + 1 < nest->lane; d++)
        if (nest->dims[d].axis == axis && nest->dims[d + 1].axis == axis) {
          form.by[d] = (int64_t)layout->block;
          form.by[d + 1] = nest->dims[d + 1].unit;
        }
    } else {
      Form coordinate = nest_coordinate(nest, axis);
      form_add(&form, &coordinate, (int64_t)layout->stride[i]);
    }
  }
  if (layout->chunk) form.by[0] = 0;
  return form;
}

static bool is_row(const Product *p, int dim) {
  AxisId axis = p->nest.dims[dim].axis;
  return dim != p->nest.block && layout_find(&p->a.layout, axis) >= 0 &&
         layout_find(&p->b.layout, axis) < 0;
}

static bool rows_merge(const Product *p, int dim) {
  const Nest *nest = &p->nest;
  int64_t extent = nest->dims[dim + 1].extent;
  return nest->dims[dim].axis != p->apart && nest->dims[dim + 1].axis != p->apart &&
         p->from_a.by[dim] == p->from_a.by[dim + 1] * extent &&
         p->from_out.by[dim] == p->from_out.by[dim + 1] * extent;
}

/* The run of row dimensions with the most rows. */
static void choose_rows(Product *p, uint64_t enough) {
  uint64_t best = 0;
  p->first_row = 0, p->last_row = -1;
  if (p->kernel->buckets) {
    p->first_row = p->first_inner - axes_count(p->rows), p->last_row = p->first_inner - 1;
    return;
  }
  for (int first = p->nest.chunks ? 1 : 0; first < p->first_inner; first++) {
    if (!is_row(p, first)) continue;
    int last = first;
    uint64_t rows = p->nest.dims[first].extent;
    while (last + 1 < p->first_inner && is_row(p, last + 1) && rows_merge(p, last))
      rows *= p->nest.dims[++last].extent;
    if (rows > enough) rows = enough;
    if (rows >= best) {
      best = rows;
      p->first_row = first, p->last_row = last;
    }
    first = last;
  }
}

static void make_loops(Product *p) {
  Nest *nest = &p->nest;
  p->tile = -1;
  for (int d = 0; d < p->first_inner; d++) {
    if (d == p->first_row && p->last_row >= p->first_row) {
      p->tile = nest->loop_count;
      nest->form_count = 0; /* the run is known to be even where it matters */
      nest_merge(nest, d, p->last_row + 1);
      d = p->last_row;
    } else {
      nest_loops(nest, d, d + 1);
    }
  }
  p->first_inner_loop = nest->loop_count;
  nest->form_count = 0;
  PUSH(nest->arena, nest->forms, nest->form_count, nest->form_capacity, p->from_a);
  PUSH(nest->arena, nest->forms, nest->form_count, nest->form_capacity, p->from_b);
  if (p->kernel->matrix)
    nest_loops(nest, p->first_inner, nest->lane);
  else
    nest_merge(nest, p->first_inner, nest->lane);
  nest_loops(nest, nest->lane, nest->lane + 1);
}

/* ---- tiles ---- */

static void add_segments(Product *p, int64_t row, int64_t rows, int64_t highest) {
  if (!rows) return;
  int64_t tiles = (rows + highest - 1) / highest, low = rows / tiles, high = rows % tiles;
  if (high) p->segments[p->segment_count++] = (Segment){high, low + 1, row};
  row += high * (low + 1);
  p->segments[p->segment_count++] = (Segment){tiles - high, low, row};
}

static void make_segments(Product *p, int64_t highest) {
  const Nest *nest = &p->nest;
  if (p->tile < 0) {
    p->segments[p->segment_count++] = (Segment){1, 1, 0};
    return;
  }
  if (p->kernel->buckets) {
    int64_t tiles = (int64_t)bucket_tiles(
        p->lower.s->code, kernel_rows(p->lower.s->code, p->kernel, p->rows), p->kernel->picked);
    p->segments[p->segment_count++] = (Segment){tiles, highest, 0};
    return;
  }
  const NestLoop *loop = &nest->loops[p->tile];
  int64_t rows = (int64_t)loop->extent, panel = p->a.layout.panel;
  if (p->team) {
    int64_t each = BLOCK_WARPS * highest;
    p->segments[p->segment_count++] = (Segment){(rows + each - 1) / each, highest, 0};
    return;
  }
  if (nest->dims[loop->first].axis != p->apart) {
    add_segments(p, 0, rows, highest);
    return;
  }
  if (highest > panel) highest = panel;
  int64_t whole = rows / panel * panel;
  p->segments[p->segment_count++] = (Segment){whole / highest, highest, 0};
  add_segments(p, whole, rows - whole, highest);
}

/* 8 x 2 vectors on machines with 32 wide registers, half of it on others. */
static int64_t tile_height(const Product *p) {
  const Code *code = p->lower.s->code;
  if (p->kernel->buckets) return bucket_height(code);
  if (p->kernel->narrow) return narrow_rows(code, p->columns);
  if (p->kernel->matrix) return MATRIX_ROWS;
  return vector_registers(code) / 2 / p->columns;
}

/* Tiles of so many rows. */
static uint64_t tiles_of(const Product *p, int64_t height) {
  uint64_t tiles = 1, rows = p->tile < 0 ? 1 : p->nest.loops[p->tile].extent;
  for (int i = 0; i < p->first_inner_loop; i++)
    if (i != p->tile) tiles *= p->nest.loops[i].extent;
  return tiles * ((rows + (uint64_t)height - 1) / (uint64_t)height);
}

/* Are there tiles of that height for the warps of as many blocks as a large GPU has
 * multiprocessors, and at least for three quarters of the warps? */
static bool fills_teams(const Product *p, int64_t height) {
  enum { TEAMS = 128 };
  uint64_t teams = tiles_of(p, BLOCK_WARPS * height);
  return teams >= TEAMS && 4 * tiles_of(p, height) >= 3 * BLOCK_WARPS * teams;
}

/* The height of tiles with which the warps of a block share columns; 0: they do not. */
static int64_t team_height(const Product *p) {
  int64_t height = team_serves(p) ? 2 * MATRIX_ROWS : 0;
  while (height && !fills_teams(p, height)) height = height > MATRIX_ROWS ? height / 2 : 0;
  return height;
}

/* On a GPU tiles are high where there are many of them. Where they would not keep WARPS of them
 * busy the warps of a block sum one together, as long as each has some steps; if that is not
 * enough, or sums are short, tiles are lower. */
static int64_t device_height(Product *p) {
  enum { ACCUMULATORS = 32, LEAST = 4, WARPS = 512, TOGETHER = 4 };
  enum { PARTS = 8, LEAST_PARTS = 4, STEPS = 2 };
  enum { SHARED = 32 * 1024 }; /* bytes of a block that parts may take */
  bool matrix = p->kernel->matrix;
  int64_t height = matrix ? MATRIX_ROWS : ACCUMULATORS / p->columns;
  int64_t least = matrix ? height : LEAST / p->columns;
  p->sequence = sequence_make(p, matrix ? MATRIX_STEP : TOGETHER);
  int64_t together = team_height(p);
  p->team = together > 0;
  if (p->team) return together;
  bool few = tiles_of(p, height) < WARPS;
  int64_t bytes = height * p->nest.panel * value_type_size(p->lower.s->code->real);
  while (few && p->parts < PARTS && 2 * p->parts * bytes <= SHARED &&
         p->sequence.all >= 2 * p->parts * (matrix ? 1 : STEPS))
    p->parts *= 2;
  if (p->parts < LEAST_PARTS) p->parts = 1;
  while (height > least && tiles_of(p, height) * (uint64_t)p->parts < WARPS) height /= 2;
  return height;
}

/* ---- the kernel ---- */

/* if (tile < n0) first segment, else if (tile < n0 + n1) second ... */
static void choose_segment(Product *p, Block *block, Term *tile) {
  Arena *arena = p->nest.arena;
  int64_t before = 0;
  for (int i = 0; i < p->segment_count; i++) {
    const Segment *segment = &p->segments[i];
    Term *own = term_add(arena, tile, term_int(arena, -before));
    before += segment->tiles;
    if (i == p->segment_count - 1) {
      product_tile(p, block, segment, own);
      return;
    }
    Stmt *branch = if_add(arena, block, tile, term_int(arena, before));
    product_tile(p, branch->body, segment, own);
    block = branch->other;
  }
}

/* Counters of the outer loops from the item; row tiles innermost. */
static Term *decode_items(Product *p, Block *block) {
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  Kernel *kernel = p->kernel;
  kernel->item = var_make(arena, "item", VALUE_INDEX, 1);
  kernel->items = 0;
  for (int i = 0; i < p->segment_count; i++) kernel->items += (uint64_t)p->segments[i].tiles;
  Term *item = term_var(arena, kernel->item);
  uint64_t tiles = kernel->items, groups = 1;
  uint64_t row = axes_extent(nest->graph, kernel->reduced) * value_type_size(p->a.buffer->type);
  if (kernel->buckets && !kernel->chunks && nest->block >= 0)
    groups = bucket_groups(p->lower.s->code, tiles, row);
  kernel->items = tiles = (tiles + groups - 1) / groups;
  for (int i = p->first_inner_loop - 1; i >= 0; i--) {
    if (i == p->tile) continue;
    Term *value = term_div(arena, item, (int64_t)kernel->items);
    kernel->items *= nest->loops[i].extent;
    bool outermost = groups == 1 && (i == 0 || (i == 1 && p->tile == 0));
    if (!outermost) value = term_mod(arena, value, (int64_t)nest->loops[i].extent);
    let_add(arena, block, nest->loops[i].var, value);
  }
  Term *tile = kernel->items > tiles ? term_mod(arena, item, (int64_t)tiles) : item;
  if (p->tile < 0) return tile;
  if (groups > 1) {
    Term *group = term_div(arena, item, (int64_t)kernel->items);
    tile = term_add(arena, term_mul(arena, group, (int64_t)tiles), tile);
    kernel->items *= groups;
  }
  const Var *var = var_make(arena, "tile", VALUE_INDEX, 1);
  let_add(arena, block, var, tile);
  return term_var(arena, var);
}

/* Does the epilogue read something that has no padding in the lanes? Then its loops stop at the
 * last element. */
static void dry_epilogue(Product *p) {
  Nest *nest = &p->nest;
  int loops = nest->loop_count;
  size_t places = p->kernel->place_count;
  nest->loop_count = 0;
  lower_restart(&p->lower, 3);
  product_roots(p, term_real(nest->arena, p->lower.s->code->real, 0));
  nest->loop_count = loops;
  product_find_ahead(p, places);
  p->kernel->place_count = places;
  uint32_t extent = nest->graph->axes[nest->split].extent;
  if (!nest->unsafe || extent % nest->panel == 0) return;
  if (nest->block >= 0)
    nest->ragged = true;
  else
    nest->loops[loops - 1].extent = extent;
}

static void product_start(Product *p, const Schedule *s, Kernel *kernel) {
  const Graph *graph = s->code->module->graph;
  Node *node = kernel->contraction;
  int vector = contract_vector(node, kernel->lane_axis);
  memset(p, 0, sizeof *p);
  nest_start(&p->nest, s->arena, graph, kernel->chunks);
  p->kernel = kernel;
  p->lower = lower_start(s, kernel, &p->nest);
  Node *b = kernel->buckets ? node->src[vector]->src[0] : node->src[vector];
  if (kernel->buckets) p->rows = contract_rows(node, vector);
  p->a = node_view(s, node->src[1 - vector]);
  p->b = kernel->repacked ? (View){kernel->repacked, kernel->repacked->layout} : node_view(s, b);
  p->out.layout = layout_make(graph, node->axes, s->code->options.lanes);
  for (size_t i = 0; i < kernel->root_count; i++)
    if (kernel->roots[i].node == node && !kernel->roots[i].copy)
      p->out.buffer = kernel->roots[i].buffer;
  if (p->out.buffer) p->out.layout = p->out.buffer->layout;
  p->parts = 1;
  const Layout *a = &p->a.layout;
  bool apart = a->panel && layout_blocks(a) > 1 && a->block != a->panel;
  p->apart = apart ? a->axis[a->rank - 1] : -1;
}

void lower_contract(const Schedule *s, Kernel *kernel) {
  Product *p = NEW(s->arena, Product);
  product_start(p, s, kernel);
  uint32_t panel = p->out.layout.panel, lanes = s->code->options.lanes;
  p->width = panel < lanes && !kernel->narrow ? panel : lanes;
  p->columns =
      kernel->narrow ? s->code->module->graph->axes[kernel->lane_axis].extent : panel / p->width;
  add_out_dims(p);
  add_inner_dims(p);
  p->from_a = operand_form(p, &p->a.layout, -1);
  p->from_b = operand_form(p, &p->b.layout, kernel->buckets ? kernel->picked : -1);
  p->from_out = operand_form(p, &p->out.layout, -1);
  int64_t highest = tile_height(p);
  choose_rows(p, (uint64_t)highest);
  make_loops(p);
  if (s->code->device && !kernel->buckets && !kernel->narrow) highest = device_height(p);
  make_segments(p, highest);
  p->epilogue = kernel->root_count > 1 || kernel->narrow || kernel->matrix || p->parts > 1;
  if (p->epilogue) dry_epilogue(p);
  place_add(&p->lower, p->a.buffer, false);
  place_add(&p->lower, p->b.buffer, false);
  if (kernel->buckets) place_add(&p->lower, kernel->buckets, false);
  Block *body = block_make(s->arena);
  if (p->team)
    product_team_declare(p, body);
  else if (kernel->matrix || p->parts > 1)
    product_parts_declare(p, body);
  Term *tile = decode_items(p, body);
  choose_segment(p, body, tile);
  kernel->body = body;
}
