/* The shape rules of all operations, operation by operation. */
#include "ir/shape.h"

#include <math.h>
#include <string.h>

unsigned attr_fields(OpCode op) {
  switch (op) {
  case OP_const:
    return ATTR_VALUE;
  case OP_table:
    return ATTR_KEY | ATTR_AXIS;
  case OP_input:
  case OP_mark:
    return ATTR_KEY;
  case OP_uniform:
    return ATTR_KEY | ATTR_AXES | ATTR_WORD;
  case OP_sum:
  case OP_contract:
    return ATTR_AXES;
  case OP_argmin:
  case OP_argmax:
  case OP_gather:
  case OP_bf16:
  case OP_tf32:
    return ATTR_AXIS;
  case OP_order:
  case OP_rename:
  case OP_orthonormal:
    return ATTR_AXIS | ATTR_TO;
  case OP_scan:
    return ATTR_AXIS | ATTR_WORD;
  case OP_scatter:
    return ATTR_AXIS | ATTR_AXES;
  default:
    return 0;
  }
}

/* ---- attributes ---- */

static const char *check_unused(const Node *node, Arena *arena) {
  unsigned used = attr_fields((OpCode)node->op);
  const Attr *a = &node->attr;
  const char *field = NULL;
  if (!(used & ATTR_VALUE) && a->value != 0) field = "value";
  if (!(used & ATTR_KEY) && a->key) field = "key";
  if (!(used & ATTR_AXES) && !axes_empty(a->axes)) field = "axes";
  if (!(used & ATTR_AXIS) && a->axis) field = "axis";
  if (!(used & ATTR_TO) && a->to) field = "to";
  if (!(used & ATTR_WORD) && a->word) field = "word";
  return field ? arena_printf(arena, "attribute '%s' is set but not used", field) : NULL;
}

static const char *check_attr(const Graph *graph, Arena *arena, const Node *node) {
  unsigned used = attr_fields((OpCode)node->op);
  const Attr *a = &node->attr;
  if (used & ATTR_AXIS && a->axis >= graph->axis_count) return "axis does not exist";
  if (used & ATTR_TO && a->to >= graph->axis_count) return "new axis does not exist";
  if (used & ATTR_WORD && a->word > 3) return "word is not one of four";
  if (node->op == OP_scan && a->word > 1) return "direction is neither 0 nor 1";
  unsigned cursor = 0;
  for (AxisId x; axes_next(a->axes, &cursor, &x);)
    if (x >= graph->axis_count) return "an axis of the set does not exist";
  if (node->op == OP_input && a->key >= graph->slot_count) return "slot does not exist";
  if (node->op == OP_table) {
    if (a->key >= graph->table_count) return "table does not exist";
    if (graph->tables[a->key].count != graph->axes[a->axis].extent)
      return "table and axis differ in length";
  }
  return check_unused(node, arena);
}

/* ---- arguments ---- */

/* Whether the values are positions: whole, and constants below `extent`. */
static const char *check_positions(const Graph *graph, const Node *index, uint32_t extent) {
  if (index->integer) return NULL;
  const double *values = &index->attr.value;
  uint32_t count = 1;
  if (index->op == OP_table) {
    values = graph->tables[index->attr.key].values;
    count = graph->tables[index->attr.key].count;
  } else if (index->op != OP_const) {
    return node_is_whole(graph, index) ? NULL : "positions are not integer";
  }
  for (uint32_t i = 0; i < count; i++)
    if (!(values[i] >= 0 && values[i] < extent && values[i] == floor(values[i])))
      return "a constant position lies outside the axis";
  return NULL;
}

static const char *check_arity(const Node *node) {
  for (int i = 0; i < 3; i++)
    if ((node->src[i] != NULL) != (i < op_of(node)->arity)) return "wrong number of arguments";
  return NULL;
}

static Axes axes_of(const Node *node) { return node ? node->axes : axes_none(); }

static const char *check_moved_axis(const Graph *graph, const Node *node, Axes x) {
  const Attr *a = &node->attr;
  if (!axes_has(x, a->axis)) return "the argument lacks the axis";
  if (axes_has(x, a->to)) return "the argument has the new axis already";
  uint32_t from = graph->axes[a->axis].extent, to = graph->axes[a->to].extent;
  if (node->op == OP_rename && from != to) return "axes of different extents";
  if (node->op == OP_order && to > from) return "more ranks than positions";
  return NULL;
}

static const char *check_vectors(const Graph *graph, const Node *node, Axes x) {
  const Attr *a = &node->attr;
  if (a->axis == a->to) return "the vectors are numbered by their own axis";
  if (!axes_has(x, a->axis) || !axes_has(x, a->to)) return "the argument lacks the axis";
  bool fits = graph->axes[a->axis].extent <= graph->axes[a->to].extent;
  return fits ? NULL : "more vectors than components";
}

static const char *check_arguments(const Graph *graph, const Node *node) {
  const Attr *a = &node->attr;
  Axes x = axes_of(node->src[0]), y = axes_of(node->src[1]);
  switch ((OpCode)node->op) {
  case OP_add:
  case OP_mul:
    return node->src[0]->id > node->src[1]->id ? "arguments are not in order" : NULL;
  case OP_sum:
    if (axes_empty(a->axes)) return "no axes to sum over";
    return axes_within(a->axes, x) ? NULL : "the argument lacks a summed axis";
  case OP_contract:
    if (axes_empty(a->axes)) return "no axes to sum over";
    return axes_within(a->axes, axes_common(x, y)) ? NULL : "an operand lacks a summed axis";
  case OP_bf16:
  case OP_tf32:
    if (node->src[0]->integer) return "positions are not rounded";
    return axes_has(x, a->axis) ? NULL : "the argument lacks the axis";
  case OP_argmin:
  case OP_argmax:
    return axes_has(x, a->axis) ? NULL : "the argument lacks the axis";
  case OP_order:
  case OP_rename:
    return check_moved_axis(graph, node, x);
  case OP_orthonormal:
    return check_vectors(graph, node, x);
  case OP_gather:
    if (!axes_has(x, a->axis)) return "the value lacks the axis";
    if (axes_has(y, a->axis)) return "the positions have the axis";
    return check_positions(graph, node->src[1], graph->axes[a->axis].extent);
  case OP_scatter:
    if (axes_has(axes_union(x, y), a->axis)) return "an argument has the new axis already";
    if (!axes_within(a->axes, y)) return "the positions lack a bound axis";
    return check_positions(graph, node->src[1], graph->axes[a->axis].extent);
  case OP_grad:
    if (node->src[1]->op != OP_mark) return "the variable is not a mark";
    return axes_empty(x) ? NULL : "the differentiated value has axes";
  default:
    return NULL;
  }
}

/* ---- results ---- */

static Axes shape_axes(const Graph *graph, const Node *node) {
  const Attr *a = &node->attr;
  Axes x = axes_of(node->src[0]), y = axes_of(node->src[1]);
  switch ((OpCode)node->op) {
  case OP_table:
    return axes_one(a->axis);
  case OP_input:
    return graph->slots[a->key].axes;
  case OP_uniform:
    return a->axes;
  case OP_sum:
    return axes_minus(x, a->axes);
  case OP_contract:
    return axes_minus(axes_union(x, y), a->axes);
  case OP_argmin:
  case OP_argmax:
    return axes_minus(x, axes_one(a->axis));
  case OP_order:
  case OP_rename:
    return axes_union(axes_minus(x, axes_one(a->axis)), axes_one(a->to));
  case OP_gather:
    return axes_union(axes_minus(x, axes_one(a->axis)), y);
  case OP_scatter:
    return axes_union(axes_minus(axes_union(x, y), a->axes), axes_one(a->axis));
  case OP_scan:
    return axes_union(axes_union(x, y), axes_one(a->axis));
  case OP_grad:
    return y;
  default:
    return axes_union(axes_union(x, y), axes_of(node->src[2]));
  }
}

/* At least one is integer, and so is the other or it is a whole constant. */
static bool both_whole(const Graph *graph, const Node *x, const Node *y) {
  if (!x->integer && !y->integer) return false;
  bool constants = x->op == OP_const || x->op == OP_table || y->op == OP_const || y->op == OP_table;
  if (x->integer && y->integer) return true;
  return constants && node_is_whole(graph, x) && node_is_whole(graph, y);
}

static bool shape_integer(const Graph *graph, const Node *node) {
  switch ((OpCode)node->op) {
  case OP_input:
    return graph->slots[node->attr.key].type == RLC_I32;
  case OP_argmin:
  case OP_argmax:
  case OP_order:
    return true;
  case OP_stop:
  case OP_mark:
  case OP_gather:
  case OP_rename:
    return node->src[0]->integer;
  case OP_min:
  case OP_max:
    return both_whole(graph, node->src[0], node->src[1]);
  case OP_where:
    return both_whole(graph, node->src[1], node->src[2]);
  default:
    return false;
  }
}

const char *shape_check(const Graph *graph, Arena *arena, const Node *node, Axes *axes,
                        bool *integer) {
  const char *wrong = check_attr(graph, arena, node);
  if (!wrong) wrong = check_arity(node);
  if (!wrong) wrong = check_arguments(graph, node);
  if (wrong) return wrong;
  *axes = shape_axes(graph, node);
  *integer = shape_integer(graph, node);
  return NULL;
}
