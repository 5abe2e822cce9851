/* Where the arrays of a kernel lie on a GPU, by who touches what.
 *
 * An array that no loop over lanes touches is every lane's own, with equal contents. One of which
 * every lane only touches the elements that have its number modulo 32 stays in that lane's
 * registers. Anything else is shared memory of the warp; of the block where the array is declared
 * outside of the loops over warps that touch it. */
#include "codegen/cuda/emit_cuda.h"

/* The loop over lanes that is being looked through, if any. */
typedef struct Walk {
  Arrays *arrays;
  const Stmt *lanes;
  bool in_warps; /* or in a loop over warps */
} Walk;

static ArrayPlace *find(const Arrays *arrays, const Registers *array) {
  for (size_t i = 0; i < arrays->count; i++)
    if (arrays->items[i].array == array) return &arrays->items[i];
  return NULL;
}

bool array_is_shared(const ArrayPlace *place) {
  return place->residence == IN_WARP || place->residence == IN_BLOCK;
}

const ArrayPlace *array_place(const Arrays *arrays, const Registers *array) {
  return find(arrays, array);
}

static bool is_multiple(const Term *term) {
  switch (term->kind) {
  case TERM_INT:
    return term->value % WARP_LANES == 0;
  case TERM_ADD:
    return is_multiple(term->src[0]) && is_multiple(term->src[1]);
  case TERM_MUL:
    return is_multiple(term->src[0]) || is_multiple(term->src[1]);
  default:
    return false;
  }
}

/* Is the subscript, modulo 32, the number of the lane that evaluates it? */
static bool is_own(const Walk *walk, const Term *index) {
  if (index->kind == TERM_ADD)
    return (is_own(walk, index->src[0]) && is_multiple(index->src[1])) ||
           (is_multiple(index->src[0]) && is_own(walk, index->src[1]));
  return walk->lanes && index->kind == TERM_VAR && index->var == walk->lanes->var &&
         is_multiple(walk->lanes->lo);
}

/* Where an array could lie if nothing touched it but this access of `width` elements. */
static Residence residence_for(const Walk *walk, const Term *index, uint32_t width) {
  bool own = width > 1 ? width == WARP_LANES && is_multiple(index) : is_own(walk, index);
  if (own) return IN_LANES;
  return walk->lanes || width > 1 ? IN_WARP : IN_THREAD;
}

static void access(const Walk *walk, const Registers *array, const Term *index, uint32_t width) {
  if (!array->array) return;
  ArrayPlace *place = find(walk->arrays, array);
  if (!place) bug("an array that nothing declares");
  Residence residence = residence_for(walk, index, width);
  bool agree = !place->touched || place->residence == residence;
  if (place->residence != IN_BLOCK) place->residence = agree ? residence : IN_WARP;
  if (walk->in_warps && !place->in_warps) place->residence = IN_BLOCK;
  place->touched = true;
}

static void walk_term(const Walk *walk, const Term *term) {
  if (!term) return;
  if (term->kind == TERM_READ) access(walk, term->registers, term->src[0], term->width);
  for (size_t i = 0; i < COUNTOF(term->src); i++) walk_term(walk, term->src[i]);
}

static void walk_block(Walk walk, const Block *block);

static void walk_stmt(Walk walk, const Stmt *stmt) {
  if (stmt->kind == STMT_DECLARE && stmt->registers->array && !find(walk.arrays, stmt->registers)) {
    ArrayPlace place = {
        .array = stmt->registers, .residence = IN_THREAD, .in_warps = walk.in_warps};
    PUSH(walk.arrays->arena, walk.arrays->items, walk.arrays->count, walk.arrays->capacity, place);
  }
  walk_term(&walk, stmt->value);
  walk_term(&walk, stmt->index);
  walk_term(&walk, stmt->lo);
  walk_term(&walk, stmt->hi);
  if (stmt->kind == STMT_SET) access(&walk, stmt->registers, stmt->index, stmt->value->width);
  if (stmt->kind == STMT_LOOP && stmt->loop == LOOP_LANES) walk.lanes = stmt;
  bool warps = stmt->kind == STMT_LOOP && (stmt->loop == LOOP_WARPS || stmt->loop == LOOP_TEAM);
  if (warps) walk.in_warps = walk.arrays->team = true;
  if (warps && stmt->loop == LOOP_TEAM) walk.arrays->whole = true;
  if (stmt->body) walk_block(walk, stmt->body);
  if (stmt->other) walk_block(walk, stmt->other);
}

static void walk_block(Walk walk, const Block *block) {
  for (size_t i = 0; i < block->count; i++) walk_stmt(walk, block->items[i]);
}

Arrays arrays_find(Arena *arena, const Block *body) {
  Arrays arrays = {.arena = arena};
  walk_block((Walk){&arrays, NULL, false}, body);
  for (size_t i = 0; i < arrays.count; i++) {
    ArrayPlace *place = &arrays.items[i];
    if (!array_is_shared(place)) continue;
    uint32_t *bytes = place->residence == IN_WARP ? &arrays.bytes : &arrays.shared;
    place->offset = *bytes;
    *bytes += (place->array->rows * value_type_size(place->array->type) + 15) / 16 * 16;
  }
  return arrays;
}
