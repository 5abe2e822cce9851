/* The sums of a tile by matrix instructions.
 *
 * A tile is 16 rows and a panel of columns. Of 16 summed elements at a time lane l, with g = l / 4
 * and t = l % 4, loads the four from 4 t on, of two rows from 2 g on and of as many columns as the
 * panel has instructions, side by side from the g-th such part on. So what a lane loads is side by
 * side in memory whichever axis is innermost there, and comes by loads of 16 bytes. Which of the
 * summed elements an instruction calls the first is all the same as long as both operands agree,
 * and columns go back to their places when the sums are handed over. */
#include "codegen/lower/product.h"

enum { GROUPS = 8, PARTS = 4, OWN = 4 /* summed elements of a lane at a step */ };

/* One operand: where a lane's rows or columns begin, all of them, or where they are not evenly
 * apart each; what it loaded, and that rounded. */
typedef struct Side {
  const char *name;
  const Buffer *buffer;
  const Form *from;
  const Registers *base;
  int64_t count, step; /* rows or columns of a lane; from one to the next, 0: `base` has each */
  const Registers *loaded, *rounded;
} Side;

/* What the lanes hold; made for one tile. */
typedef struct Fragments {
  Product *p;
  Term *group, *part;
  int64_t height;
  Side a, b;
  const Registers *sums;
} Fragments;

static const Registers *tile_of(Product *p, Block *block, const char *name, ValueType type,
                                int64_t rows, int64_t columns) {
  const Registers *tile =
      registers_tile(p->nest.arena, name, type, 1, (uint32_t)rows, (uint32_t)columns);
  declare_add(p->nest.arena, block, tile, NULL);
  return tile;
}

static Block *unrolled(Product *p, Block *block, const char *name, int64_t count, Term **at) {
  const Var *var = var_make(p->nest.arena, name, VALUE_INDEX, 1);
  *at = term_var(p->nest.arena, var);
  return loop_add(p->nest.arena, block, LOOP_UNROLLED, var, term_int(p->nest.arena, 0),
                  term_int(p->nest.arena, count));
}

/* ---- where rows and columns begin ---- */

/* A whole tile's rows are evenly apart; rows below another's last are that one again. */
static void rows_begin(Fragments *f, Block *block) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Side *a = &f->a;
  NestLoop *loop = p->tile >= 0 ? &p->nest.loops[p->tile] : NULL;
  const Var *first = loop ? loop->var : NULL, *row = var_make(arena, "row", VALUE_INDEX, 1);
  bool whole = loop && f->height == a->count * GROUPS;
  Term *i, *own = term_mul(arena, f->group, a->count);
  a->step = whole ? product_step(p, &p->from_a) : 0;
  a->base = tile_of(p, block, "row_a", VALUE_INDEX, whole ? 1 : a->count, 1);
  block = unrolled(p, block, "i", a->base->rows, &i);
  if (!whole) own = term_min(arena, term_add(arena, own, i), term_int(arena, f->height - 1));
  if (loop) {
    let_add(arena, block, row, term_add(arena, term_var(arena, first), own));
    loop->var = row;
  }
  set_add(arena, block, a->base, i, term_int(arena, 0), product_begin_a(p));
  if (loop) loop->var = first;
}

/* Columns beyond the last are in the padding, or that one again. */
static void columns_begin(Fragments *f, Block *block) {
  Product *p = f->p;
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  Side *b = &f->b;
  const Layout *layout = &p->b.layout;
  bool whole = layout->axis[layout->rank - 1] == nest->split ||
               nest->graph->axes[nest->split].extent % nest->panel == 0;
  int64_t step = p->from_b.by[nest->lane];
  Term *j, *column = term_mul(arena, f->group, b->count);
  b->step = whole ? step : 0;
  b->base = tile_of(p, block, "column_b", VALUE_INDEX, whole ? 1 : b->count, 1);
  block = unrolled(p, block, "i", b->base->rows, &j);
  if (!whole)
    column = term_min(arena, term_add(arena, column, j),
                      term_add(arena, shape_elements_left(&p->lower), term_int(arena, -1)));
  set_add(arena, block, b->base, j, term_int(arena, 0),
          term_add(arena, p->base_b, term_mul(arena, column, step)));
}

/* ---- steps ---- */

/* Where row or column i begins. */
static Term *side_at(Fragments *f, const Side *side, Term *i) {
  Arena *arena = f->p->nest.arena;
  Term *zero = term_int(arena, 0);
  return term_read(arena, side->base, side->step ? zero : i, zero);
}

static Term *side_load(Fragments *f, const Side *side, Term *at) {
  Arena *arena = f->p->nest.arena;
  Term *value = term_load(arena, (Buffer *)side->buffer, side->buffer->type, at, 1);
  return term_cast(arena, value, VALUE_F32);
}

/* All that a lane has of an operand at a step, in constant distances of one place, so that a
 * compiler sees what is side by side. */
static void side_whole(Fragments *f, Block *block, const Sequence *steps, const Side *side) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Form inner = form_part(side->from, p->first_inner, p->nest.lane);
  int64_t step = side->from->by[p->nest.loops[steps->last].last];
  const Var *at = var_make(arena, side->name, VALUE_INDEX, 1);
  Term *i, *q, *zero = term_int(arena, 0);
  if (side->step)
    let_add(arena, block, at, term_add(arena, side_at(f, side, zero), nest_term(&p->nest, &inner)));
  block = unrolled(p, block, "i", side->count, &i);
  if (!side->step)
    let_add(arena, block, at, term_add(arena, side_at(f, side, i), nest_term(&p->nest, &inner)));
  block = unrolled(p, block, "q", OWN, &q);
  Term *apart = term_add(arena, term_mul(arena, i, side->step), term_mul(arena, q, step));
  set_add(arena, block, side->loaded, i, q,
          side_load(f, side, term_add(arena, term_var(arena, at), apart)));
}

/* Element q of it, at the counters of the reduced loops, or 0 where it does not exist. */
static void side_rest(Fragments *f, Block *block, const Side *side, Term *q, Term *exists) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Form inner = form_part(side->from, p->first_inner, p->nest.lane);
  Term *i;
  block = unrolled(p, block, "i", side->count, &i);
  Term *at = term_add(arena, side_at(f, side, i), term_mul(arena, i, side->step));
  Term *value = side_load(f, side, term_add(arena, at, nest_term(&p->nest, &inner)));
  set_add(arena, block, side->loaded, i, q,
          term_apply(arena, OP_where, VALUE_F32, exists, value, term_real(arena, VALUE_F32, 0)));
}

static void step_whole(Fragments *f, Block *block, const Sequence *steps, Term *first) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *own = term_mul(arena, f->part, OWN);
  let_add(arena, block, p->nest.loops[steps->last].var,
          term_add(arena, sequence_panel(p, block, steps, first), own));
  side_whole(f, block, steps, &f->a);
  side_whole(f, block, steps, &f->b);
}

/* A step of which not all elements exist. */
static void step_rest(Fragments *f, Block *block, const Sequence *steps, Term *first) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Var *k = var_make(arena, "k", VALUE_INDEX, 1);
  Term *q, *at = term_var(arena, k);
  block = unrolled(p, block, "q", OWN, &q);
  let_add(arena, block, k,
          term_add(arena, term_add(arena, first, term_mul(arena, f->part, OWN)), q));
  Term *exists = term_apply(arena, OP_lt, VALUE_I32, term_cast(arena, at, VALUE_I32),
                            term_real(arena, VALUE_I32, (double)steps->extent), NULL);
  at = sequence_panel(p, block, steps, term_min(arena, at, term_int(arena, steps->extent - 1)));
  let_add(arena, block, p->nest.loops[steps->last].var, at);
  side_rest(f, block, &f->a, q, exists);
  side_rest(f, block, &f->b, q, exists);
}

/* What was loaded, rounded: as many registers of a row as elements or pairs. */
static void side_round(Fragments *f, Block *block, const Side *side) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Registers *from = side->loaded, *to = side->rounded;
  Term *i, *e, *value;
  block = unrolled(p, unrolled(p, block, "i", to->rows, &i), "e", to->columns, &e);
  if (to->type == VALUE_PAIR) {
    Term *at = term_mul(arena, e, 2), *next = term_add(arena, at, term_int(arena, 1));
    value =
        term_pairs(arena, term_read(arena, from, i, at), term_read(arena, from, i, next), false);
  } else {
    value = term_apply(arena, format_table[p->kernel->matrix].op, VALUE_F32,
                       term_read(arena, from, i, e), NULL, NULL);
  }
  set_add(arena, block, to, i, e, value);
}

static void step_multiply(Fragments *f, Block *block) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Registers *a = f->a.rounded, *b = f->b.rounded;
  Term *i, *j, *e;
  block = unrolled(p, block, "e", a->columns / 2, &e);
  block = unrolled(p, block, "i", f->a.count / 2, &i);
  block = unrolled(p, block, "j", f->b.count, &j);
  Term *sums = term_add(arena, term_mul(arena, i, f->b.count), j), *two = term_mul(arena, e, 2);
  matrix_add(arena, block, f->sums, sums, term_read(arena, a, term_mul(arena, i, 2), two),
             term_read(arena, b, j, two));
}

static void step(Fragments *f, Block *block, const Sequence *steps, Term *first, bool whole) {
  Product *p = f->p;
  Side *sides[] = {&f->a, &f->b};
  uint32_t together = format_table[p->kernel->matrix].together;
  for (int i = 0; i < 2; i++)
    sides[i]->loaded = tile_of(p, block, i ? "y" : "x", VALUE_F32, sides[i]->count, OWN);
  (whole ? step_whole : step_rest)(f, block, steps, first);
  for (int i = 0; i < 2; i++) {
    sides[i]->rounded = tile_of(p, block, i ? "b" : "a", together == 2 ? VALUE_PAIR : VALUE_F32,
                                sides[i]->count, OWN / together);
    side_round(f, block, sides[i]);
  }
  step_multiply(f, block);
}

/* ---- the tile ---- */

/* Sums go to the rows and columns that they are of. */
static void sums_hand_over(Fragments *f, Block *block, const Registers *array, Term *offset) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *i, *h, *j, *e;
  block = unrolled(p, block, "i", f->a.count / 2, &i);
  block = unrolled(p, block, "h", 2, &h);
  block = unrolled(p, block, "e", 2, &e);
  block = unrolled(p, block, "j", f->b.count, &j);
  Term *row = term_add(arena, term_mul(arena, f->group, f->a.count),
                       term_add(arena, term_mul(arena, i, 2), h));
  Term *part = term_add(arena, term_mul(arena, f->part, 2), e);
  Term *column = term_add(arena, term_mul(arena, part, f->b.count), j);
  Term *at = term_add(arena, term_add(arena, offset, term_mul(arena, row, p->nest.panel)), column);
  Term *sums = term_add(arena, term_mul(arena, i, f->b.count), j);
  set_add(arena, block, array, at, NULL,
          term_read(arena, f->sums, sums, term_add(arena, term_mul(arena, h, 2), e)));
}

int64_t matrix_rows(int64_t height) {
  return (height + MATRIX_ROWS - 1) / MATRIX_ROWS * MATRIX_ROWS;
}

void product_matrix(Product *p, Block *block, int64_t height, const Range *range,
                    const Registers *array, Term *offset) {
  Arena *arena = p->nest.arena;
  const Var *l = var_make(arena, "l", VALUE_INDEX, 1), *g = var_make(arena, "g", VALUE_INDEX, 1);
  const Var *t = var_make(arena, "t", VALUE_INDEX, 1);
  Term *lane = term_var(arena, l);
  block =
      loop_add(arena, block, LOOP_LANES, l, term_int(arena, 0), term_int(arena, GROUPS * PARTS));
  let_add(arena, block, g, term_div(arena, lane, PARTS));
  let_add(arena, block, t, term_mod(arena, lane, PARTS));
  Fragments f = {.p = p,
                 .group = term_var(arena, g),
                 .part = term_var(arena, t),
                 .height = height,
                 .a = {"at_a", p->a.buffer, &p->from_a, .count = matrix_rows(height) / GROUPS},
                 .b = {"at_b", p->b.buffer, &p->from_b, .count = p->nest.panel / GROUPS}};
  rows_begin(&f, block);
  columns_begin(&f, block);
  f.sums = tile_of(p, block, "c", VALUE_F32, f.a.count / 2 * f.b.count, 4);
  const Sequence *steps = &p->sequence;
  Term *first;
  Block *each = sequence_loop(p, block, steps, range, &first);
  if (steps->extent % steps->unit == 0) {
    step(&f, each, steps, first, true);
  } else {
    Stmt *whole = if_add(arena, each, first, term_int(arena, steps->extent - steps->unit + 1));
    step(&f, whole->body, steps, first, true);
    step(&f, whole->other, steps, first, false);
  }
  sums_hand_over(&f, block, array, offset);
}
