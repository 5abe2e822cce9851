/* orthonormal: what initialisers make orthogonal weights from. */
#include "dsl/scope.h"

/* The only axis of a set, or -1. */
static int only_axis(Axes axes) {
  AxisId x;
  unsigned cursor = 0;
  return axes_next(axes, &cursor, &x) && axes_equal(axes, axes_one(x)) ? (int)x : -1;
}

/* As many vectors as the smaller extent allows, along the larger one. */
static Node *vectors(Elab *elab, Node *x, AxisId a, AxisId b) {
  bool fewer = elab->graph->axes[a].extent <= elab->graph->axes[b].extent;
  return node_orthonormal(elab->graph, x, fewer ? a : b, fewer ? b : a);
}

/* A single vector of length 1. */
static Node *vector(Elab *elab, Node *x, AxisId axis) {
  Node *square = node_sum(elab->graph, node2(elab->graph, OP_mul, x, x), axes_one(axis));
  return node2(elab->graph, OP_div, x, node1(elab->graph, OP_sqrt, square));
}

/* In an initialiser, without brackets: between the inputs and the units of a block of weights. */
static Node *weights(Elab *elab, const Expr *expr, Node *x) {
  int row = only_axis(elab->fans.rows), column = only_axis(elab->fans.columns);
  bool single = axes_empty(elab->fans.columns);
  if (row < 0 || (column < 0 && !single))
    return elab_error(elab, expr->span, "use another initialiser there",
                      "orthogonal weights have one axis of inputs and at most one of units"),
           NULL;
  if (single) return vector(elab, x, (AxisId)row);
  return vectors(elab, x, (AxisId)row, (AxisId)column);
}

/* orthonormal[a, b](x), or orthonormal(x) in an initialiser. */
Value builtin_orthonormal(Elab *elab, Frame *frame, const Expr *expr) {
  bool inside = elab->fans.in > 0;
  if (expr->arg_count != 1 || expr->args[0].name || expr->axis_count != (expr->bracketed ? 2 : 0) ||
      (!expr->bracketed && !inside))
    return elab_error(elab, expr->span, "as in orthonormal[a, b](x)",
                      "'orthonormal' takes two axes in brackets and a value"),
           value_error();
  Node *x = eval_node(elab, frame, expr->args[0].value);
  if (!x) return value_error();
  if (!expr->bracketed) {
    Node *node = weights(elab, expr, x);
    return node ? value_node(node) : value_error();
  }
  int a = axis_of(elab, frame, &expr->axes[0], x->axes),
      b = axis_of(elab, frame, &expr->axes[1], x->axes);
  if (a < 0 || b < 0) return value_error();
  if (a == b)
    return elab_error(elab, expr->span, NULL, "the two axes of 'orthonormal' are the same"),
           value_error();
  return value_node(vectors(elab, x, (AxisId)a, (AxisId)b));
}
