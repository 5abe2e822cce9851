/* The sums of a tile of 16 rows by matrix instructions, by one warp: of every step it loads what
 * the instructions take, rounds it, and multiplies (fragments.h). */
#include "codegen/lower/fragments.h"

enum { BESIDE = 4 }; /* columns of a lane: 16 bytes */

static void step(Fragments *f, Block *block, Term *first) {
  Product *p = f->p;
  Side *sides[] = {&f->a, &f->b};
  Term *i, *j, *e;
  side_declare(f, block, &f->a, "x");
  side_declare(f, block, &f->b, "y");
  sides_load(f, block, sides, 2, first);
  side_round(f, block, &f->a, "a");
  side_round(f, block, &f->b, "b");
  block = unrolled(p, block, "e", fragment_instructions(p), &e);
  block = unrolled(p, unrolled(p, block, "i", f->a.count / 2, &i), "j", f->b.count, &j);
  fragments_multiply(f, block, e, i, j, f->b.rounded, j);
}

int64_t matrix_rows(int64_t height) {
  return (height + MATRIX_ROWS - 1) / MATRIX_ROWS * MATRIX_ROWS;
}

void product_matrix(Product *p, Block *block, int64_t height, const Range *range,
                    const Registers *array, Term *offset) {
  Arena *arena = p->nest.arena;
  int64_t rows = matrix_rows(height);
  Fragments f = fragments_make(p, rows, BESIDE);
  Term *i, *first, *last = NULL;
  if (p->tile >= 0 && height < rows)
    last =
        term_add(arena, term_var(arena, p->nest.loops[p->tile].var), term_int(arena, height - 1));
  block = lanes_begin(&f, block);
  rows_begin(&f, block, last);
  columns_begin(&f, block, &f.b, term_int(arena, 0));
  f.sums = tile_of(p, block, "c", VALUE_F32, f.a.count / 2 * f.b.count, 4);
  Block *each = sequence_loop(p, block, &p->sequence, range, &first);
  step(&f, each, first);
  block = unrolled(p, block, "i", rows / MATRIX_ROWS, &i);
  sums_hand_over(&f, block, i, array, offset);
}
