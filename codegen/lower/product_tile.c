/* The tile of a contraction: where it begins, its sums over the reduced axes, and, where rows
 * choose B, the rows that it takes. Afterwards the sums are in registers and handed to
 * product_result.c. */
#include "codegen/lower/product.h"

Form form_part(const Form *form, int from, int to) {
  Form part = {{0}};
  for (int d = from; d < to; d++) part.by[d] = form->by[d];
  return part;
}

Term *product_plus(Product *p, Term *x, const Var *var, int64_t step) {
  Arena *arena = p->nest.arena;
  return term_add(arena, x, term_mul(arena, term_var(arena, var), step));
}

int64_t product_step(const Product *p, const Form *form) {
  if (p->tile < 0) return 0;
  int dim = p->nest.loops[p->tile].last;
  if (form == &p->from_a && p->nest.dims[dim].axis == p->apart) return 1;
  return form->by[dim];
}

Term *product_begin_a(Product *p) {
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  Form a = form_part(&p->from_a, 0, p->first_inner);
  Term *base = nest_term(nest, &a);
  if (p->apart < 0 || axes_has(p->kernel->reduced, (AxisId)p->apart)) return base;
  Form form = nest_coordinate(nest, (AxisId)p->apart);
  Term *at = nest_term(nest, &form);
  const Layout *layout = &p->a.layout;
  Term *panel = term_div(arena, at, layout->panel);
  base = term_add(arena, base, term_mul(arena, panel, (int64_t)layout->block));
  return term_add(arena, base, term_mod(arena, at, layout->panel));
}

static Term *begin_out(Product *p) {
  Form out = form_part(&p->from_out, 0, p->first_inner);
  return nest_term(&p->nest, &out);
}

Term *bucket_row(Product *p, Term *tile, Term *i) {
  Arena *arena = p->nest.arena;
  int64_t tiles = p->segments[0].tiles, height = p->segments[0].height;
  Term *at = term_add(arena, term_mul(arena, tile, height), term_int(arena, tiles));
  Term *row = term_load(arena, p->kernel->buckets, VALUE_I32, term_add(arena, at, i), 1);
  return term_cast(arena, row, VALUE_INDEX);
}

/* Rows that stand anywhere: where each begins. */
static void bucket_bases(Product *p, Block *block, int64_t height, Term *tile) {
  Arena *arena = p->nest.arena;
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1);
  Term *at = term_var(arena, i), *zero = term_int(arena, 0);
  p->row_a = registers_tile(arena, "row_a", VALUE_INDEX, 1, (uint32_t)height, 1);
  p->row_out = registers_tile(arena, "row_out", VALUE_INDEX, 1, (uint32_t)height, 1);
  declare_add(arena, block, p->row_a, NULL);
  declare_add(arena, block, p->row_out, NULL);
  Block *each = loop_add(arena, block, LOOP_UNROLLED, i, zero, term_int(arena, height));
  let_add(arena, each, p->nest.loops[p->tile].var, bucket_row(p, tile, at));
  set_add(arena, each, p->row_a, at, zero, product_begin_a(p));
  set_add(arena, each, p->row_out, at, zero, begin_out(p));
}

/* What the epilogue gathers for these rows. */
static void bucket_ahead(Product *p, Block *block, int64_t height, Term *tile) {
  Arena *arena = p->nest.arena;
  NestLoop *rows = &p->nest.loops[p->tile], *lane = &p->nest.loops[p->nest.loop_count - 1];
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1);
  lower_restart(&p->lower, 1);
  p->lower.blocks[0] = block;
  Block *each =
      loop_add(arena, block, LOOP_UNROLLED, i, term_int(arena, 0), term_int(arena, height));
  p->lower.blocks[1] = each;
  let_add(arena, each, rows->var, bucket_row(p, tile, term_var(arena, i)));
  let_add(arena, each, lane->var, term_int(arena, 0));
  rows->level = lane->level = 1;
  lower_prefetch(&p->lower, 1);
  rows->level = 0;
}

static void tile_bases(Product *p, Term *bucket) {
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  Form b = form_part(&p->from_b, 0, p->first_inner);
  Term *base_b = nest_term(nest, &b);
  if (bucket) {
    const Layout *layout = &p->b.layout;
    int64_t step = (int64_t)layout->stride[layout_find(layout, p->kernel->picked)];
    base_b = term_add(arena, base_b, term_mul(arena, bucket, step));
  } else {
    p->base_a = lower_let(&p->lower, "base_a", product_begin_a(p), 0);
    if (!p->epilogue || p->ahead_count)
      p->base_out = lower_let(&p->lower, "base_out", begin_out(p), 0);
  }
  p->base_b = lower_let(&p->lower, "base_b", base_b, 0);
}

Term *product_row(Product *p, const Form *form, Term *base, const Registers *rows, const Var *i) {
  Arena *arena = p->nest.arena;
  if (p->kernel->buckets) return term_read(arena, rows, term_var(arena, i), term_int(arena, 0));
  return product_plus(p, base, i, product_step(p, form));
}

/* What a row multiplies at one step: its element in all lanes, or as many elements as lanes. */
static Term *row_value(Product *p, const Var *i, const Form *inner, ValueType type) {
  Arena *arena = p->nest.arena;
  Term *index = product_row(p, &p->from_a, p->base_a, p->row_a, i);
  index = term_add(arena, index, nest_term(&p->nest, inner));
  uint32_t width = p->kernel->narrow ? p->width : 1;
  Term *value =
      term_cast(arena, term_load(arena, p->a.buffer, p->a.buffer->type, index, width), type);
  return width > 1 ? value : term_splat(arena, value, p->width);
}

/* Of pairs it is two products. */
void tile_step(Product *p, Block *block, const Sums *sums) {
  const Registers *c = sums->c, *b = sums->b;
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  Form inner_a = form_part(&p->from_a, p->first_inner, nest->lane);
  Form inner_b = form_part(&p->from_b, p->first_inner, nest->lane);
  Term *at_b = term_add(arena, p->base_b, nest_term(nest, &inner_b));
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1), *j = var_make(arena, "j", VALUE_INDEX, 1);
  Term *zero = term_int(arena, 0), *row = term_var(arena, i), *column = term_var(arena, j);
  int64_t step = p->kernel->narrow ? p->from_b.by[nest->lane] : p->width;
  declare_add(arena, block, b, NULL);
  Block *load = loop_add(arena, block, LOOP_UNROLLED, j, zero, term_int(arena, p->columns));
  set_add(arena, load, b, zero, column,
          term_load(arena, p->b.buffer, b->type, product_plus(p, at_b, j, step), p->width));
  Block *rows = loop_add(arena, block, LOOP_UNROLLED, i, term_int(arena, sums->from),
                         term_int(arena, sums->to));
  const Var *a = var_make(arena, "a", b->type, p->width);
  let_add(arena, rows, a, row_value(p, i, &inner_a, b->type));
  Block *columns = loop_add(arena, rows, LOOP_UNROLLED, j, zero, term_int(arena, p->columns));
  Term *x = term_var(arena, a), *y = term_read(arena, b, zero, column);
  Term *sum = term_read(arena, c, row, column);
  set_add(arena, columns, c, row, column,
          b->type == VALUE_PAIR ? term_dot(arena, x, y, sum) : term_fma(arena, x, y, sum));
}

/* On a GPU the innermost loop takes several steps at a time, behind each other in the text: then a
 * compiler reads a row's elements, which lie side by side, with one instruction. */
static void tile_steps(Product *p, Block *block, const NestLoop *loop, int64_t extent,
                       const Sums *sums) {
  enum { TOGETHER = 4 };
  Arena *arena = p->nest.arena;
  const Var *part = var_make(arena, "part", VALUE_INDEX, 1);
  const Var *step = var_make(arena, "step", VALUE_INDEX, 1);
  int64_t parts = extent / TOGETHER;
  Term *zero = term_int(arena, 0), *first = term_mul(arena, term_var(arena, part), TOGETHER);
  Block *body = loop_add(arena, block, LOOP_SERIAL, part, zero, term_int(arena, parts));
  body = loop_add(arena, body, LOOP_UNROLLED, step, zero, term_int(arena, TOGETHER));
  let_add(arena, body, loop->var, term_add(arena, first, term_var(arena, step)));
  tile_step(p, body, sums);
  if (extent % TOGETHER == 0) return;
  tile_step(p,
            loop_add(arena, block, LOOP_SERIAL, loop->var, term_int(arena, parts * TOGETHER),
                     term_int(arena, extent)),
            sums);
}

/* Nested loops over the reduced axes; the last panel of A's reduced axis may be short. */
static void tile_loops(Product *p, Block *block, int loop, int64_t bound, const Sums *sums) {
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  if (loop == nest->loop_count - 1) {
    tile_step(p, block, sums);
    return;
  }
  const NestLoop *at = &nest->loops[loop];
  int64_t extent = bound ? bound : (int64_t)at->extent, rest = 0;
  const Dim *dim = &nest->dims[at->first];
  bool panels = at->first == at->last && dim->axis == p->apart && dim->unit > 1;
  if (panels) rest = inner_extent(p, dim->axis) % dim->unit / dim[1].unit;
  if (rest) extent--;
  if (p->lower.s->code->device && loop == nest->loop_count - 2 && !rest) {
    tile_steps(p, block, at, extent, sums);
    return;
  }
  Block *body = loop == p->first_inner_loop ? product_steps(p, block, at, extent, sums->c->rows)
                                            : loop_add(arena, block, LOOP_SERIAL, at->var,
                                                       term_int(arena, 0), term_int(arena, extent));
  tile_loops(p, body, loop + 1, 0, sums);
  if (!rest) return;
  body = loop_add(arena, block, LOOP_SERIAL, at->var, term_int(arena, extent),
                  term_int(arena, extent + 1));
  tile_loops(p, body, loop + 1, rest, sums);
}

/* ---- tiles ---- */

/* The bucket of a tile, and a block for the tile if it is needed. */
static Block *bucket_tile(Product *p, Block *block, Term *tile, Term **bucket) {
  Arena *arena = p->nest.arena;
  block = if_add(arena, block, tile, term_int(arena, p->segments[0].tiles))->body;
  const Var *var = var_make(arena, "bucket", VALUE_INDEX, 1);
  Term *number = term_load(arena, p->kernel->buckets, VALUE_I32, tile, 1);
  let_add(arena, block, var, term_cast(arena, number, VALUE_INDEX));
  *bucket = term_var(arena, var);
  int64_t buckets = p->nest.graph->axes[p->kernel->picked].extent;
  return if_add(arena, block, *bucket, term_int(arena, buckets))->body;
}

/* All rows at once, or as many as there are registers for. */
static void tile_sums(Product *p, Block *block, const Registers *c) {
  Arena *arena = p->nest.arena;
  ValueType each = p->b.layout.pairs ? VALUE_PAIR : c->type;
  int64_t height = c->rows, most = height;
  if (p->kernel->narrow) most = narrow_rows(p->lower.s->code, p->columns);
  declare_add(arena, block, c, NULL);
  for (int64_t from = 0; from < height; from += most) {
    const Registers *b = registers_tile(arena, "b", each, p->width, 1, p->columns);
    Sums sums = {c, b, from, from + most < height ? from + most : height};
    tile_loops(p, block, p->first_inner_loop, 0, &sums);
  }
}

static void tile_rows(Product *p, Block *block, const Segment *segment, int64_t height, Term *tile,
                      Term *bucket) {
  Arena *arena = p->nest.arena;
  ValueType type = p->lower.s->code->real;
  lower_restart(&p->lower, 1);
  p->lower.blocks[0] = block;
  if (bucket) {
    bucket_bases(p, block, height, tile);
  } else if (p->tile >= 0) {
    Term *row =
        term_add(arena, term_mul(arena, tile, segment->height), term_int(arena, segment->row));
    let_add(arena, block, p->nest.loops[p->tile].var, row);
  }
  tile_bases(p, bucket);
  if (p->team) {
    product_team(p, block, height, tile);
    return;
  }
  if (p->kernel->matrix || p->parts > 1) {
    product_parts(p, block, height, tile);
    return;
  }
  const Registers *c = registers_tile(arena, "c", type, p->width, (uint32_t)height, p->columns);
  tile_sums(p, block, c);
  if (!p->epilogue) {
    product_store(p, block, c, NULL, NULL);
    return;
  }
  uint32_t results = ((uint32_t)height * p->nest.panel + p->width - 1) / p->width * p->width;
  const Registers *array = registers_raw(arena, "result", type, results);
  declare_add(arena, block, array, NULL);
  if (p->kernel->narrow)
    product_gather(p, c, array);
  else
    product_store(p, block, c, array, term_int(arena, 0));
  product_epilogue(p, array, results, &(Rows){term_int(arena, 0), term_int(arena, height)}, tile);
}

static Term *bucket_row_let(Product *p, Block *block, const char *name, Term *tile, int64_t i) {
  Arena *arena = p->nest.arena;
  const Var *var = var_make(arena, name, VALUE_INDEX, 1);
  let_add(arena, block, var, bucket_row(p, tile, term_int(arena, i)));
  return term_var(arena, var);
}

/* Rows of a bucket are in order and the last one fills its tile: where it is in the middle already,
 * half a tile is enough. */
void product_tile(Product *p, Block *block, const Segment *segment, Term *tile) {
  int64_t height = segment->height, half = height / 2;
  if (p->team) {
    Arena *arena = p->nest.arena;
    const Var *warp = var_make(arena, "warp", VALUE_INDEX, 1);
    p->warp = term_var(arena, warp);
    block =
        loop_add(arena, block, LOOP_TEAM, warp, term_int(arena, 0), term_int(arena, BLOCK_WARPS));
    tile = term_add(arena, term_mul(arena, tile, BLOCK_WARPS), p->warp);
  }
  if (!p->kernel->buckets) {
    tile_rows(p, block, segment, height, tile, NULL);
    return;
  }
  Term *bucket;
  block = bucket_tile(p, block, tile, &bucket);
  if (p->epilogue) bucket_ahead(p, block, height, tile);
  Term *middle = bucket_row_let(p, block, "middle", tile, half - 1);
  Term *last = bucket_row_let(p, block, "last", tile, height - 1);
  Stmt *filled = if_add(p->nest.arena, block, middle, last);
  tile_rows(p, filled->body, segment, height, tile, bucket);
  tile_rows(p, filled->other, segment, half, tile, bucket);
}
