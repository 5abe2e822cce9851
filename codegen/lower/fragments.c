/* Fragments: where the rows and columns of a lane begin, loading and rounding them, and what
 * becomes of the sums. */
#include "codegen/lower/fragments.h"

Fragments fragments_make(Product *p, int64_t rows, int64_t beside) {
  int64_t columns = p->nest.panel / GROUPS;
  if (beside > columns) beside = columns;
  return (Fragments){
      .p = p,
      .a = {"at_a", p->a.buffer, &p->from_a, .count = rows / GROUPS, .beside = ROWS_BESIDE},
      .b = {"at_b", p->b.buffer, &p->from_b, .count = columns, .beside = beside}};
}

Block *lanes_begin(Fragments *f, Block *block) {
  Arena *arena = f->p->nest.arena;
  const Var *l = var_make(arena, "l", VALUE_INDEX, 1), *g = var_make(arena, "g", VALUE_INDEX, 1);
  const Var *t = var_make(arena, "t", VALUE_INDEX, 1);
  f->lane = term_var(arena, l);
  f->group = term_var(arena, g);
  f->part = term_var(arena, t);
  block = loop_add(arena, block, LOOP_LANES, l, term_int(arena, 0), term_int(arena, WARP_LANES));
  let_add(arena, block, g, term_div(arena, f->lane, PARTS));
  let_add(arena, block, t, term_mod(arena, f->lane, PARTS));
  return block;
}

Block *unrolled(Product *p, Block *block, const char *name, int64_t count, Term **at) {
  const Var *var = var_make(p->nest.arena, name, VALUE_INDEX, 1);
  *at = term_var(p->nest.arena, var);
  return loop_add(p->nest.arena, block, LOOP_UNROLLED, var, term_int(p->nest.arena, 0),
                  term_int(p->nest.arena, count));
}

const Registers *tile_of(Product *p, Block *block, const char *name, ValueType type, int64_t rows,
                         int64_t columns) {
  const Registers *tile =
      registers_tile(p->nest.arena, name, type, 1, (uint32_t)rows, (uint32_t)columns);
  declare_add(p->nest.arena, block, tile, NULL);
  return tile;
}

/* ---- where rows and columns begin ---- */

/* Each of the first `count` rows or columns of a lane: its number, and how far it is from the first
 * one. */
static Block *each_of(Fragments *f, Block *block, const Side *side, int64_t count, Term **i,
                      Term **apart) {
  Arena *arena = f->p->nest.arena;
  int64_t beside = side->beside < count ? side->beside : count;
  Term *u, *v;
  block = unrolled(f->p, unrolled(f->p, block, "u", count / beside, &u), "v", beside, &v);
  *i = term_add(arena, term_mul(arena, u, beside), v);
  *apart = term_add(arena, term_mul(arena, u, beside * GROUPS), v);
  return block;
}

/* A lane's first. */
static Term *side_first(const Fragments *f, const Side *side) {
  return term_mul(f->p->nest.arena, f->group, side->beside);
}

void rows_begin(Fragments *f, Block *block, Term *last) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Side *a = &f->a;
  NestLoop *loop = p->tile >= 0 ? &p->nest.loops[p->tile] : NULL;
  const Var *first = loop ? loop->var : NULL, *row = var_make(arena, "row", VALUE_INDEX, 1);
  bool whole = loop && !last;
  Term *i, *apart;
  a->step = whole ? product_step(p, &p->from_a) : 0;
  a->base = tile_of(p, block, "row_a", VALUE_INDEX, whole ? 1 : a->count, 1);
  block = each_of(f, block, a, a->base->rows, &i, &apart);
  if (loop) {
    Term *own = term_add(arena, side_first(f, a), apart);
    own = term_add(arena, term_var(arena, first), own);
    let_add(arena, block, row, last ? term_min(arena, own, last) : own);
    loop->var = row;
  }
  set_add(arena, block, a->base, i, term_int(arena, 0), product_begin_a(p));
  if (loop) loop->var = first;
}

void columns_begin(Fragments *f, Block *block, Side *side, Term *skipped) {
  Product *p = f->p;
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  const Layout *layout = &p->b.layout;
  bool whole = layout->axis[layout->rank - 1] == nest->split ||
               nest->graph->axes[nest->split].extent % nest->panel == 0;
  int64_t step = p->from_b.by[nest->lane];
  Term *j, *apart;
  side->step = whole ? step : 0;
  side->base = tile_of(p, block, "column_b", VALUE_INDEX, whole ? 1 : side->count, 1);
  block = each_of(f, block, side, side->base->rows, &j, &apart);
  Term *at;
  if (whole) {
    at = term_mul(arena, f->group, f->b.beside * step);
    at = term_add(arena, p->base_b, term_add(arena, at, term_mul(arena, skipped, step)));
  } else {
    Term *left = term_add(arena, shape_elements_left(&p->lower), term_int(arena, -1));
    Term *column = term_add(arena, term_add(arena, side_first(f, &f->b), skipped), apart);
    column = term_min(arena, column, left);
    at = term_add(arena, p->base_b, term_mul(arena, column, step));
  }
  set_add(arena, block, side->base, j, term_int(arena, 0), at);
}

/* ---- loads ---- */

void side_declare(Fragments *f, Block *block, Side *side, const char *name) {
  side->loaded = tile_of(f->p, block, name, VALUE_F32, side->count, OWN);
}

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
static void side_whole(Fragments *f, Block *block, const Side *side) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Form inner = form_part(side->from, p->first_inner, p->nest.lane);
  int64_t step = side->from->by[p->nest.loops[p->sequence.last].last];
  const Var *at = var_make(arena, side->name, VALUE_INDEX, 1);
  Term *i, *apart, *q, *zero = term_int(arena, 0);
  if (side->step)
    let_add(arena, block, at, term_add(arena, side_at(f, side, zero), nest_term(&p->nest, &inner)));
  block = each_of(f, block, side, side->count, &i, &apart);
  if (!side->step)
    let_add(arena, block, at, term_add(arena, side_at(f, side, i), nest_term(&p->nest, &inner)));
  block = unrolled(p, block, "q", OWN, &q);
  Term *distance = term_add(arena, term_mul(arena, apart, side->step), term_mul(arena, q, step));
  set_add(arena, block, side->loaded, i, q,
          side_load(f, side, term_add(arena, term_var(arena, at), distance)));
}

/* Element q of it, at the counters of the reduced loops, or 0 where it does not exist. */
static void side_rest(Fragments *f, Block *block, const Side *side, Term *q, Term *exists) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Form inner = form_part(side->from, p->first_inner, p->nest.lane);
  Term *i, *apart;
  block = each_of(f, block, side, side->count, &i, &apart);
  Term *at = term_add(arena, side_at(f, side, i), term_mul(arena, apart, side->step));
  Term *value = side_load(f, side, term_add(arena, at, nest_term(&p->nest, &inner)));
  set_add(arena, block, side->loaded, i, q,
          term_apply(arena, OP_where, VALUE_F32, exists, value, term_real(arena, VALUE_F32, 0)));
}

static void load_whole(Fragments *f, Block *block, Side *const *sides, int count, Term *first) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Sequence *steps = &p->sequence;
  Term *own = term_mul(arena, f->part, OWN);
  let_add(arena, block, p->nest.loops[steps->last].var,
          term_add(arena, sequence_panel(p, block, steps, first), own));
  for (int i = 0; i < count; i++) side_whole(f, block, sides[i]);
}

/* A step of which not all elements exist. */
static void load_rest(Fragments *f, Block *block, Side *const *sides, int count, Term *first) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Sequence *steps = &p->sequence;
  const Var *k = var_make(arena, "k", VALUE_INDEX, 1);
  Term *q, *at = term_var(arena, k);
  block = unrolled(p, block, "q", OWN, &q);
  let_add(arena, block, k,
          term_add(arena, term_add(arena, first, term_mul(arena, f->part, OWN)), q));
  Term *exists = term_apply(arena, OP_lt, VALUE_I32, term_cast(arena, at, VALUE_I32),
                            term_real(arena, VALUE_I32, (double)steps->extent), NULL);
  at = sequence_panel(p, block, steps, term_min(arena, at, term_int(arena, steps->extent - 1)));
  let_add(arena, block, p->nest.loops[steps->last].var, at);
  for (int i = 0; i < count; i++) side_rest(f, block, sides[i], q, exists);
}

void sides_load(Fragments *f, Block *block, Side *const *sides, int count, Term *first) {
  const Sequence *steps = &f->p->sequence;
  if (steps->extent % steps->unit == 0) {
    load_whole(f, block, sides, count, first);
    return;
  }
  Arena *arena = f->p->nest.arena;
  Stmt *whole = if_add(arena, block, first, term_int(arena, steps->extent - steps->unit + 1));
  load_whole(f, whole->body, sides, count, first);
  load_rest(f, whole->other, sides, count, first);
}

/* ---- rounding, multiplying ---- */

int64_t fragment_elements(const Product *p) {
  return OWN / (int64_t)format_table[p->kernel->matrix].together;
}

ValueType fragment_type(const Product *p) {
  return format_table[p->kernel->matrix].together == 2 ? VALUE_PAIR : VALUE_F32;
}

int64_t fragment_instructions(const Product *p) { return fragment_elements(p) / 2; }

void side_round(Fragments *f, Block *block, Side *side, const char *name) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  const Registers *from = side->loaded;
  const Registers *to = side->rounded =
      tile_of(p, block, name, fragment_type(p), side->count, fragment_elements(p));
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

void fragments_multiply(Fragments *f, Block *block, Term *e, Term *i, Term *j, const Registers *b,
                        Term *column) {
  Arena *arena = f->p->nest.arena;
  Term *sums = term_add(arena, term_mul(arena, i, f->b.count), j), *two = term_mul(arena, e, 2);
  matrix_add(arena, block, f->sums, sums,
             term_read(arena, f->a.rounded, term_mul(arena, i, 2), two),
             term_read(arena, b, column, two));
}

void sums_hand_over(Fragments *f, Block *block, Term *i, const Registers *array, Term *offset) {
  Product *p = f->p;
  Arena *arena = p->nest.arena;
  Term *h, *j, *e, *apart;
  block = unrolled(p, unrolled(p, block, "h", 2, &h), "e", 2, &e);
  block = each_of(f, block, &f->b, f->b.count, &j, &apart);
  Term *row = term_add(arena, side_first(f, &f->a), h);
  Term *group = term_add(arena, term_mul(arena, f->part, 2), e);
  Term *column = term_add(arena, term_mul(arena, group, f->b.beside), apart);
  Term *at = term_add(arena, term_add(arena, offset, term_mul(arena, row, p->nest.panel)), column);
  Term *sums = term_add(arena, term_mul(arena, i, f->b.count), j);
  Term *within = term_add(arena, term_mul(arena, h, 2), e);
  Term *own = term_mul(arena, term_add(arena, term_mul(arena, sums, 4), within), WARP_LANES);
  set_add(arena, block, array, at, NULL,
          f->sums->array ? term_read(arena, f->sums, term_add(arena, own, f->lane), NULL)
                         : term_read(arena, f->sums, sums, within));
}
