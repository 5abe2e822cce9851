/* Adding up the lanes of a tile whose lanes are along a reduced axis.
 *
 * A vector of results is the sums of as many vectors as it has lanes: column j of row r stands at
 * lane r * panel + j, for as many rows as panels fill a vector. Step s takes vectors i and i + s,
 * swaps halves of each 2 s lanes, so that lanes with bit s are of the second, and adds. Lanes of
 * columns that do not exist are 0. */
#include "codegen/lower/product.h"

/* The vectors that are left to add up; NULL: zero. */
typedef struct Lanes {
  Product *p;
  Block *block;
  ValueType type;
  uint32_t count; /* of sums */
  Term *vector[64];
} Lanes;

/* Lane l: the sum of lanes l and l ^ stage of x, or where l has bit `stage` of y. */
static Term *add_pairs(Lanes *lanes, Term *x, Term *y, uint32_t stage) {
  Arena *arena = lanes->p->nest.arena;
  uint32_t width = lanes->p->width;
  if (!x && !y) return NULL;
  Term *zero = term_splat(arena, term_real(arena, lanes->type, 0), width);
  if (!x) x = zero;
  if (!y) y = zero;
  Term *sum = term_apply(arena, OP_add, lanes->type, term_swap(arena, x, y, stage, false),
                         term_swap(arena, x, y, stage, true), NULL);
  const char *name = arena_printf(arena, "sum%u", lanes->count++);
  const Var *var = var_make(arena, name, lanes->type, width);
  let_add(arena, lanes->block, var, sum);
  return term_var(arena, var);
}

void product_gather(Product *p, const Registers *tile, const Registers *array) {
  Arena *arena = p->nest.arena;
  Lanes lanes = {.p = p, .block = p->lower.blocks[0], .type = tile->type};
  uint32_t panel = p->nest.panel, together = p->width / panel;
  for (uint32_t first = 0; first < tile->rows; first += together) {
    for (uint32_t i = 0; i < p->width; i++) {
      uint32_t row = first + i / panel, column = i % panel;
      bool exists = row < tile->rows && column < p->columns;
      lanes.vector[i] =
          exists ? term_read(arena, tile, term_int(arena, row), term_int(arena, column)) : NULL;
    }
    for (uint32_t stage = p->width / 2; stage; stage /= 2)
      for (uint32_t i = 0; i < stage; i++)
        lanes.vector[i] = add_pairs(&lanes, lanes.vector[i], lanes.vector[i + stage], stage);
    Term *at = term_int(arena, (int64_t)first * panel);
    set_add(arena, lanes.block, array, at, NULL, lanes.vector[0]);
  }
}
