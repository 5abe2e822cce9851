/* Fetches ahead what a tile's epilogue reads where its result lies: an optimiser's state, the
 * values that a mask is read off.
 *
 * They come from far caches, and a tile would end with waiting for them. So the sums are cut in as
 * many parts as the tile has rows, and before each part a row's lines are asked for: all at once
 * would be more than can be under way. */
#include "codegen/lower/product.h"

#include <string.h>

enum { LINE = 64 }; /* bytes */

static bool lies_alike(const Layout *a, const Layout *b) {
  size_t rank = (size_t)a->rank;
  return a->rank == b->rank && a->panel == b->panel && a->block == b->block &&
         a->chunk == b->chunk && memcmp(a->axis, b->axis, rank * sizeof *a->axis) == 0 &&
         memcmp(a->stride, b->stride, rank * sizeof *a->stride) == 0;
}

void product_find_ahead(Product *p, size_t first) {
  const Kernel *kernel = p->kernel;
  if (p->lower.s->code->device || !contract_fetches_ahead(p->lower.s, kernel)) return;
  for (size_t i = first; i < kernel->place_count; i++) {
    Buffer *buffer = kernel->places[i].buffer;
    bool room = p->ahead_count < COUNTOF(p->ahead);
    if (room && kernel->places[i].reads && lies_alike(&buffer->layout, &p->out.layout))
      p->ahead[p->ahead_count++] = buffer;
  }
}

static void fetch_row(Product *p, Block *block, Term *row) {
  Arena *arena = p->nest.arena;
  Term *index = term_add(arena, p->base_out, term_mul(arena, row, product_step(p, &p->from_out)));
  for (size_t k = 0; k < p->ahead_count; k++) {
    uint32_t step = LINE / value_type_size(p->ahead[k]->type);
    for (uint32_t at = 0; at < p->nest.panel; at += step)
      prefetch_add(arena, block, p->ahead[k], term_add(arena, index, term_int(arena, at)));
  }
}

Block *product_steps(Product *p, Block *block, const NestLoop *loop, int64_t extent, int64_t rows) {
  Arena *arena = p->nest.arena;
  Term *zero = term_int(arena, 0), *end = term_int(arena, extent);
  if (!p->ahead_count) return loop_add(arena, block, LOOP_SERIAL, loop->var, zero, end);
  int64_t parts = extent < rows ? extent : rows, each = (rows + parts - 1) / parts;
  int64_t steps = (extent + parts - 1) / parts;
  const Var *part = steps == 1 ? loop->var : var_make(arena, "part", VALUE_INDEX, 1);
  Term *at = term_var(arena, part);
  block = loop_add(arena, block, LOOP_SERIAL, part, zero, term_int(arena, parts));
  for (int64_t i = 0; i < each; i++)
    fetch_row(p, block, term_add(arena, term_mul(arena, at, each), term_int(arena, i)));
  if (steps == 1) return block;
  Term *from = term_mul(arena, at, steps), *to = term_add(arena, from, term_int(arena, steps));
  if (extent % parts) from = term_min(arena, from, end), to = term_min(arena, to, end);
  return loop_add(arena, block, LOOP_SERIAL, loop->var, from, to);
}
