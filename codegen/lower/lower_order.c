/* order: the rank of every element is the number of elements before it (smaller, or equal with a
 * larger index); the positions of the n last ranks are stored. All pairs are compared, with the
 * ranked elements in the lanes; a long axis is ranked piece by piece, for ranks lie on the stack.
 */
#include "codegen/lower/lower.h"

enum { PIECE = 8192 };

/* Elements start..start+count-1 of the axis, ranked among all `extent`. */
typedef struct Piece {
  const View *view;
  AxisId axis;
  uint32_t extent, count;
  Term *start;
  const Registers *rank;
} Piece;

static Term *compare(Lower *lower, OpCode op, Term *x, Term *y) {
  return term_cast(lower->arena, term_apply(lower->arena, op, x->type, x, y, NULL), VALUE_I32);
}

/* rank[i] += before(j, start + i), for all i in lanes and one j. */
static void count_before(Lower *lower, const Piece *piece, int level) {
  Arena *arena = lower->arena;
  const View *view = piece->view;
  AxisId axis = piece->axis;
  const Var *other = var_make(arena, "other", VALUE_INDEX, 1);
  const Var *lane = var_make(arena, "lane", VALUE_INDEX, 1);
  Term *zero = term_int(arena, 0), *all = term_int(arena, piece->extent);
  Block *outside = loop_add(arena, lower->blocks[level], LOOP_SERIAL, other, zero, all);
  lower->blocks[level + 1] = outside;
  Term *index = lower_index_at(lower, view, axis, term_var(arena, other), level + 1).term;
  ValueType type = view->buffer->type;
  Term *y = lower_let(lower, "y", term_load(arena, view->buffer, type, index, 1), level + 1);

  Block *inside = loop_add(arena, outside, LOOP_LANES, lane, zero, term_int(arena, piece->count));
  lower->blocks[level + 2] = inside;
  Term *ranked = term_var(arena, lane), *i = term_add(arena, piece->start, ranked);
  index = lower_index_at(lower, view, axis, i, level + 2).term;
  Term *x = lower_let(lower, "x", term_load(arena, view->buffer, type, index, 1), level + 2);
  Term *less = lower_let(lower, "less", compare(lower, OP_lt, y, x), level + 2);
  Term *equal = lower_let(lower, "equal", compare(lower, OP_eq, y, x), level + 2);
  Term *behind = compare(lower, OP_lt, term_cast(arena, i, VALUE_I32),
                         term_cast(arena, term_var(arena, other), VALUE_I32));
  behind = lower_let(lower, "behind", behind, level + 2);
  Term *tie = term_apply(arena, OP_mul, VALUE_I32, equal, behind, NULL);
  Term *before =
      lower_let(lower, "before", term_apply(arena, OP_add, VALUE_I32, less, tie, NULL), level + 2);
  Term *rank = term_read(arena, piece->rank, ranked, NULL);
  set_add(arena, inside, piece->rank, ranked, NULL,
          term_apply(arena, OP_add, VALUE_I32, rank, before, NULL));
}

/* Position 0 everywhere first: values that are not numbers may share a rank, and what is read as a
 * position must be one. */
static void store_zeros(Lower *lower, const Root *root, AxisId to, int level) {
  Arena *arena = lower->arena;
  const Var *var = var_make(arena, "top", VALUE_INDEX, 1);
  Term *top = term_var(arena, var);
  Block *body = loop_add(arena, lower->blocks[level], LOOP_SERIAL, var, term_int(arena, 0),
                         term_int(arena, lower->nest->graph->axes[to].extent));
  View view = {root->buffer, root->buffer->layout};
  Term *index = lower_index_at(lower, &view, to, top, level + 1).term;
  store_add(arena, body, root->buffer, index, term_cast(arena, term_int(arena, 0), VALUE_I32));
}

static void store_positions(Lower *lower, const Root *root, AxisId to, const Piece *piece,
                            int level) {
  Arena *arena = lower->arena;
  uint32_t kept = lower->nest->graph->axes[to].extent;
  const Var *var = var_make(arena, "at", VALUE_INDEX, 1);
  Term *at = term_var(arena, var);
  Block *body = loop_add(arena, lower->blocks[level], LOOP_SERIAL, var, term_int(arena, 0),
                         term_int(arena, piece->count));
  lower->blocks[level + 1] = body;
  Term *rank = term_cast(arena, term_read(arena, piece->rank, at, NULL), VALUE_INDEX);
  Term *place = term_add(arena, rank, term_int(arena, (int64_t)kept - (int64_t)piece->extent));
  place = lower_let(lower, "place", place, level + 1);
  Block *store = if_add(arena, body, term_int(arena, -1), place)->body;
  View view = {root->buffer, root->buffer->layout};
  Term *index = lower_index_at(lower, &view, to, place, level + 1).term;
  place_add(lower, root->buffer, true);
  Term *position = term_add(arena, piece->start, at);
  store_add(arena, store, root->buffer, index, term_cast(arena, position, VALUE_I32));
}

static void order_piece(Lower *lower, const Root *root, Piece piece, int level) {
  piece.rank = registers_array(lower->arena, "rank", VALUE_I32, piece.count);
  declare_add(lower->arena, lower->blocks[level], piece.rank, NULL);
  count_before(lower, &piece, level);
  store_positions(lower, root, root->node->attr.to, &piece, level);
}

static void order_pieces(Lower *lower, const Root *root, Piece piece, int level) {
  Arena *arena = lower->arena;
  const Var *var = var_make(arena, "piece", VALUE_INDEX, 1);
  piece.start = term_mul(arena, term_var(arena, var), PIECE);
  uint32_t whole = piece.extent / PIECE, rest = piece.extent % PIECE;
  for (int last = 0; last < 2; last++) {
    piece.count = last ? rest : PIECE;
    if (!piece.count) continue;
    lower->blocks[level + 1] =
        loop_add(arena, lower->blocks[level], LOOP_SERIAL, var, term_int(arena, last ? whole : 0),
                 term_int(arena, whole + (uint32_t)last));
    order_piece(lower, root, piece, level + 1);
  }
}

void lower_order(const Schedule *s, Kernel *kernel) {
  const Root *root = &kernel->roots[0];
  Node *node = root->node;
  if (!root->buffer) return;
  Nest nest;
  nest_start(&nest, s->arena, s->code->module->graph, kernel->chunks);
  AxisId order[MAX_AXES];
  Axes rows = axes_minus(kernel->iteration, axes_one(node->attr.axis));
  int rank_count = axes_order(nest.graph, rows, order);
  for (int i = 0; i < rank_count; i++) nest_dim(&nest, order[i], nest_extent(&nest, order[i]), 1);
  nest_loops(&nest, 0, nest.dim_count);

  Lower lower = lower_start(s, kernel, &nest);
  int items = shape_item_loops(&lower, nest.loop_count), level = nest.loop_count - items;
  shape_levels(&nest, items, nest.loop_count, 1);
  lower_restart(&lower, level + 4);
  shape_items(&lower, items, 1);
  uint32_t extent = nest.graph->axes[node->attr.axis].extent;
  View view = node_view(s, node->src[0]);
  place_add(&lower, view.buffer, false);
  Piece piece = {&view, node->attr.axis, extent, extent, term_int(s->arena, 0), NULL};
  store_zeros(&lower, root, node->attr.to, level);
  if (extent > PIECE)
    order_pieces(&lower, root, piece, level);
  else
    order_piece(&lower, root, piece, level);
  shape_link(&lower, items, nest.loop_count);
  kernel->body = lower.blocks[0];
}
