/* What becomes of a tile's sums: they are stored, or go through the kernel's epilogue, the
 * elementwise values that are computed beside the result. */
#include "codegen/lower/product.h"

void product_store(Product *p, Block *block, const Registers *c, const Registers *array,
                   Term *offset) {
  Arena *arena = p->nest.arena;
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1), *j = var_make(arena, "j", VALUE_INDEX, 1);
  Term *zero = term_int(arena, 0);
  Block *rows = loop_add(arena, block, LOOP_UNROLLED, i, zero, term_int(arena, c->rows));
  Block *columns = loop_add(arena, rows, LOOP_UNROLLED, j, zero, term_int(arena, p->columns));
  Term *value = term_read(arena, c, term_var(arena, i), term_var(arena, j));
  if (array) {
    Term *index = term_add(arena, offset, term_mul(arena, term_var(arena, i), p->nest.panel));
    set_add(arena, columns, array, product_plus(p, index, j, p->width), NULL, value);
    return;
  }
  Term *index = product_row(p, &p->from_out, p->base_out, p->row_out, i);
  place_add(&p->lower, p->out.buffer, true);
  store_add(arena, columns, p->out.buffer, product_plus(p, index, j, p->width), value);
}

void product_roots(Product *p, Term *result) {
  Lower *lower = &p->lower;
  const Kernel *kernel = p->kernel;
  Term **terms = NEW_ARRAY(lower->arena, Term *, kernel->root_count);
  lower_remember(lower, kernel->contraction, result, 2);
  for (size_t i = 0; i < kernel->root_count; i++)
    terms[i] = lower_root(lower, &kernel->roots[i]).term;
  for (size_t i = 0; i < kernel->root_count; i++)
    lower_store(lower, &kernel->roots[i], terms[i], 2);
}

static bool term_is_cheap(const Term *term) {
  if (!term) return true;
  if (term->kind == TERM_UNIFORM || (term->kind == TERM_APPLY && op_is_expensive(term->op)))
    return false;
  for (size_t i = 0; i < COUNTOF(term->src); i++)
    if (!term_is_cheap(term->src[i])) return false;
  return true;
}

/* Do all rows of the epilogue stand behind each other, so that results never leave their registers?
 * Not where that is much code: a call puts all registers on the stack anyway, and where there is
 * much to do per element the way there and back is little. */
static LoopKind epilogue_rows(const Lower *lower) {
  enum { MOST = 12 }; /* statements of a row */
  size_t count = 0;
  for (int level = 1; level <= 2; level++)
    for (size_t i = 0; i < lower->blocks[level]->count; i++) {
      const Stmt *stmt = lower->blocks[level]->items[i];
      if (stmt->kind != STMT_LOOP && (!term_is_cheap(stmt->value) || ++count > MOST))
        return LOOP_SERIAL;
    }
  return LOOP_UNROLLED;
}

/* The element at `at`, of all parts. */
static Term *parts_read(const Product *p, const Registers *array, int64_t size, Term *at) {
  Arena *arena = p->nest.arena;
  Term *sum = term_read(arena, array, at, NULL);
  for (int64_t part = 1; part < p->parts; part++) {
    Term *next = term_read(arena, array, term_add(arena, at, term_int(arena, part * size)), NULL);
    sum = term_apply(arena, OP_add, array->type, sum, next, NULL);
  }
  return sum;
}

void product_epilogue(Product *p, const Registers *array, int64_t size, const Rows *rows,
                      Term *tile) {
  Lower *lower = &p->lower;
  Nest *nest = &p->nest;
  Arena *arena = nest->arena;
  NestLoop *lane = &nest->loops[nest->loop_count - 1];
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1);
  const Var *first = p->tile >= 0 ? nest->loops[p->tile].var : NULL;
  Term *start = term_mul(arena, term_var(arena, i), nest->panel);
  Term *read = parts_read(p, array, size, term_add(arena, start, term_var(arena, lane->var)));
  lower->blocks[1] = block_make(arena);
  lower->blocks[2] = block_make(arena);
  if (first) {
    Var *row = var_make(arena, "row", VALUE_INDEX, 1);
    Term *at = term_var(arena, i);
    let_add(arena, lower->blocks[1], row,
            p->kernel->buckets
                ? bucket_row(p, tile, at)
                : term_add(arena, term_var(arena, first), term_add(arena, rows->first, at)));
    nest->loops[p->tile].var = row;
    nest->loops[p->tile].level = 1;
  }
  lane->level = 2;
  product_roots(p,
                lower_let(lower, arena_printf(arena, "v%u", p->kernel->contraction->id), read, 2));
  loop_link(arena, lower->blocks[1], LOOP_LANES, lane->var, term_int(arena, 0),
            shape_lane_bound(lower), lower->blocks[2]);
  LoopKind kind = p->parts > 1 ? LOOP_WARPS : epilogue_rows(lower);
  if (kind == LOOP_UNROLLED && rows->count->kind != TERM_INT) kind = LOOP_SERIAL;
  loop_link(arena, lower->blocks[0], kind, i, term_int(arena, 0), rows->count, lower->blocks[1]);
  if (first) {
    nest->loops[p->tile].var = first;
    nest->loops[p->tile].level = 0;
  }
}
