/* The sums of a tile in parts, and the steps that they are made of.
 *
 * All reduced loops of a tile are one sequence of steps, several elements each. Where there are too
 * few tiles to fill a GPU, the warps of a block take a tile together: each sums a range of the
 * steps, and puts what it has into shared memory; then each takes rows of the tile, adds up the
 * parts in the order of the ranges, and goes on with the epilogue. No element of an operand is
 * loaded by two warps. In how many parts depends on the extents alone. */
#include "codegen/lower/product.h"

/* ---- sequences ---- */

Sequence sequence_make(const Product *p, int64_t unit) {
  const Nest *nest = &p->nest;
  int last = nest->loop_count - 2;
  const NestLoop *within = &nest->loops[last];
  const Dim *dim = &nest->dims[within->first];
  Sequence s = {.unit = unit, .extent = (int64_t)within->extent, .last = last, .panels = -1};
  const NestLoop *before = &nest->loops[last > p->first_inner_loop ? last - 1 : last];
  bool apart = (int)dim->axis == p->apart && before != within && before->first == before->last &&
               nest->dims[before->first].axis == dim->axis;
  if (apart) {
    s.panels = last - 1;
    s.extent = inner_extent(p, dim->axis);
  }
  s.each = s.all = (s.extent + unit - 1) / unit;
  for (int i = p->first_inner_loop; i < (apart ? last - 1 : last); i++)
    s.all *= (int64_t)nest->loops[i].extent;
  return s;
}

void sequence_at(Product *p, Block *block, const Sequence *s, Term *step, Term **first) {
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  const Var *k = var_make(arena, "first", VALUE_INDEX, 1);
  Term *rest = term_div(arena, step, s->each);
  for (int i = (s->panels < 0 ? s->last : s->panels) - 1; i >= p->first_inner_loop; i--) {
    int64_t extent = (int64_t)nest->loops[i].extent;
    bool outermost = i == p->first_inner_loop;
    let_add(arena, block, nest->loops[i].var, outermost ? rest : term_mod(arena, rest, extent));
    rest = term_div(arena, rest, extent);
  }
  Term *own = s->all > s->each ? term_mod(arena, step, s->each) : step;
  let_add(arena, block, k, term_mul(arena, own, s->unit));
  *first = term_var(arena, k);
}

Block *sequence_loop(Product *p, Block *block, const Sequence *s, const Range *range,
                     Term **first) {
  Arena *arena = p->nest.arena;
  const Var *n = var_make(arena, "n", VALUE_INDEX, 1);
  block = loop_add(arena, block, LOOP_SERIAL, n, range->from, range->to);
  sequence_at(p, block, s, term_var(arena, n), first);
  return block;
}

Term *sequence_panel(Product *p, Block *block, const Sequence *s, Term *at) {
  if (s->panels < 0) return at;
  Arena *arena = p->nest.arena;
  int64_t panel = (int64_t)p->nest.loops[s->last].extent;
  let_add(arena, block, p->nest.loops[s->panels].var, term_div(arena, at, panel));
  return term_mod(arena, at, panel);
}

/* ---- vectors ---- */

/* Steps of a tile whose lanes are columns, as product_tile.c makes them. */
static void vectors_sum(Product *p, Block *block, const Registers *c, const Range *range) {
  Arena *arena = p->nest.arena;
  const Sequence *s = &p->sequence;
  const Var *within = p->nest.loops[s->last].var;
  const Registers *b = registers_tile(arena, "b", c->type, p->width, 1, p->columns);
  Sums sums = {c, b, 0, c->rows};
  Term *first, *zero = term_int(arena, 0);
  block = sequence_loop(p, block, s, range, &first);
  const Var *begin = var_make(arena, "begin", VALUE_INDEX, 1);
  let_add(arena, block, begin, sequence_panel(p, block, s, first));
  const Var *u = var_make(arena, "u", VALUE_INDEX, 1);
  Term *at = term_add(arena, term_var(arena, begin), term_var(arena, u));
  int64_t rest = s->extent % s->unit;
  Stmt *whole = rest ? if_add(arena, block, first, term_int(arena, s->extent - s->unit + 1)) : NULL;
  Block *body = loop_add(arena, whole ? whole->body : block, LOOP_UNROLLED, u, zero,
                         term_int(arena, s->unit));
  let_add(arena, body, within, at);
  tile_step(p, body, &sums);
  if (!whole) return;
  body = loop_add(arena, whole->other, LOOP_SERIAL, u, zero, term_int(arena, rest));
  let_add(arena, body, within, at);
  tile_step(p, body, &sums);
}

/* ---- parts ---- */

static void part_sum(Product *p, Block *block, int64_t height, const Range *range,
                     const Registers *array, Term *offset) {
  Arena *arena = p->nest.arena;
  if (p->kernel->matrix) {
    product_matrix(p, block, height, range, array, offset);
    return;
  }
  const Registers *c =
      registers_tile(arena, "c", p->lower.s->code->real, p->width, (uint32_t)height, p->columns);
  declare_add(arena, block, c, NULL);
  vectors_sum(p, block, c, range);
  product_store(p, block, c, array, offset);
}

void product_parts_declare(Product *p, Block *block) {
  int64_t most = 0;
  for (int i = 0; i < p->segment_count; i++)
    if (p->segments[i].height > most) most = p->segments[i].height;
  p->part_size = (p->kernel->matrix ? matrix_rows(most) : most) * p->nest.panel;
  p->result = registers_raw(p->nest.arena, "result", p->lower.s->code->real,
                            (uint32_t)(p->part_size * p->parts));
  declare_add(p->nest.arena, block, p->result, NULL);
}

void product_parts(Product *p, Block *block, int64_t height, Term *tile) {
  Arena *arena = p->nest.arena;
  const Sequence *s = &p->sequence;
  Range range = {term_int(arena, 0), term_int(arena, s->all)};
  Term *zero = term_int(arena, 0), *offset = zero;
  Block *around = block;
  if (p->parts > 1) {
    int64_t each = (s->all + p->parts - 1) / p->parts;
    const Var *part = var_make(arena, "part", VALUE_INDEX, 1);
    around = loop_add(arena, block, LOOP_WARPS, part, zero, term_int(arena, p->parts));
    range.from = term_mul(arena, term_var(arena, part), each);
    range.to = term_add(arena, range.from, term_int(arena, each));
    if (s->all % p->parts) range.to = term_min(arena, range.to, term_int(arena, s->all));
    offset = term_mul(arena, term_var(arena, part), p->part_size);
  }
  part_sum(p, around, height, &range, p->result, offset);
  product_epilogue(p, p->result, p->part_size, &(Rows){zero, term_int(arena, height)}, tile);
}
