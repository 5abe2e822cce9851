/* Where the arrays of a kernel lie on a GPU, by who touches what.
 *
 * An array that no loop over lanes touches is every lane's own, with equal contents. One of which
 * every lane only touches the elements that have its number modulo 32 stays in that lane's
 * registers. Anything else is shared memory of the warp. */
#include "codegen/cuda/emit_cuda.h"

/* The loop over lanes that is being looked through, if any. */
typedef struct Walk {
  Arrays *arrays;
  const Stmt *lanes;
} Walk;

static Place32 *find(const Arrays *arrays, const Registers *array) {
  for (size_t i = 0; i < arrays->count; i++)
    if (arrays->items[i].array == array) return &arrays->items[i];
  return NULL;
}

const Place32 *array_place(const Arrays *arrays, const Registers *array) {
  return find(arrays, array);
}

static bool is_multiple(const Term *term) {
  switch (term->kind) {
  case TERM_INT:
    return term->value % CUDA_LANES == 0;
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

/* One access: `width` elements from the subscript on. */
static void touch(const Walk *walk, const Registers *array, const Term *index, uint32_t width) {
  if (!array->array) return;
  Place32 *place = find(walk->arrays, array);
  if (!place) bug("an array that nothing declares");
  bool own = width > 1 ? width == CUDA_LANES && is_multiple(index) : is_own(walk, index);
  if (own && place->residence == IN_LANES) return;
  bool alone = !walk->lanes && width == 1;
  if (alone && place->residence == IN_THREAD) return;
  place->residence = IN_WARP;
}

/* The first access decides between the two kinds that are no shared memory. */
static void meet_first(const Walk *walk, const Registers *array, const Term *index,
                       uint32_t width) {
  Place32 *place = array->array ? find(walk->arrays, array) : NULL;
  if (!place || place->offset) return;
  place->offset = 1;
  place->residence = walk->lanes || width > 1 ? IN_LANES : IN_THREAD;
  (void)index;
}

static void access(const Walk *walk, const Registers *array, const Term *index, uint32_t width) {
  meet_first(walk, array, index, width);
  touch(walk, array, index, width);
}

static void walk_term(const Walk *walk, const Term *term) {
  if (!term) return;
  if (term->kind == TERM_READ) access(walk, term->registers, term->src[0], term->width);
  for (size_t i = 0; i < COUNTOF(term->src); i++) walk_term(walk, term->src[i]);
}

static void walk_block(Walk walk, const Block *block);

static void walk_stmt(Walk walk, const Stmt *stmt) {
  if (stmt->kind == STMT_DECLARE && stmt->registers->array && !find(walk.arrays, stmt->registers)) {
    Place32 place = {stmt->registers, IN_THREAD, 0};
    PUSH(walk.arrays->arena, walk.arrays->items, walk.arrays->count, walk.arrays->capacity, place);
  }
  walk_term(&walk, stmt->value);
  walk_term(&walk, stmt->index);
  walk_term(&walk, stmt->lo);
  walk_term(&walk, stmt->hi);
  if (stmt->kind == STMT_SET) access(&walk, stmt->registers, stmt->index, stmt->value->width);
  if (stmt->kind == STMT_LOOP && stmt->loop == LOOP_LANES) walk.lanes = stmt;
  if (stmt->body) walk_block(walk, stmt->body);
  if (stmt->other) walk_block(walk, stmt->other);
}

static void walk_block(Walk walk, const Block *block) {
  for (size_t i = 0; i < block->count; i++) walk_stmt(walk, block->items[i]);
}

Arrays arrays_find(Arena *arena, const Block *body) {
  Arrays arrays = {.arena = arena};
  walk_block((Walk){&arrays, NULL}, body);
  for (size_t i = 0; i < arrays.count; i++) {
    Place32 *place = &arrays.items[i];
    place->offset = arrays.bytes;
    if (place->residence != IN_WARP) continue;
    arrays.bytes += (place->array->rows * value_type_size(place->array->type) + 15) / 16 * 16;
  }
  return arrays;
}
