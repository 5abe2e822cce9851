/* What the language has by itself: reductions and axis tools, draws, and a few forms that do not
 * evaluate their arguments first. */
#include "dsl/scope.h"

#include <math.h>
#include <string.h>

typedef Value (*BuiltinFn)(Elab *elab, Frame *frame, const Expr *expr);

/* The only argument as a tensor, or NULL after reporting. */
static Node *single(Elab *elab, Frame *frame, const Expr *expr, uint32_t axes) {
  if (expr->arg_count != 1 || expr->args[0].name)
    return elab_error(elab, expr->span, arena_printf(elab->arena, "as in %s[batch](x)", expr->text),
                      "'%s' takes one argument", expr->text),
           NULL;
  if (axes && expr->axis_count != axes)
    return elab_error(elab, expr->span, arena_printf(elab->arena, "as in %s[batch](x)", expr->text),
                      "'%s' takes one axis in brackets", expr->text),
           NULL;
  return eval_node(elab, frame, expr->args[0].value);
}

/* The axes in brackets, all of which x must have unless `lenient`. */
static bool bracket_axes(Elab *elab, Frame *frame, const Expr *expr, const Node *x, bool lenient,
                         Axes *axes) {
  *axes = axes_none();
  if (expr->axis_count == 0)
    return elab_error(elab, expr->span, arena_printf(elab->arena, "as in %s[batch](x)", expr->text),
                      "'%s' needs axes in brackets", expr->text);
  for (uint32_t i = 0; i < expr->axis_count; i++) {
    if (expr->axes[i].size)
      return elab_error(elab, expr->axes[i].span, "write the axis alone",
                        "no extent here: '%s' removes an axis", expr->text);
    if (lenient) {
      const AxisEntry *bound = frame_find_axis(frame, expr->axes[i].name);
      const char *label = bound ? bound->label : expr->axes[i].name;
      bool has = false;
      unsigned cursor = 0;
      for (AxisId a; axes_next(x->axes, &cursor, &a);)
        has = has || strcmp(elab->graph->axes[a].label, label) == 0;
      if (!has && axis_named(elab, frame, &expr->axes[i]) < 0) return false;
      if (!has) continue;
    }
    int axis = axis_of(elab, frame, &expr->axes[i], x->axes);
    if (axis < 0) return false;
    *axes = axes_union(*axes, axes_one((AxisId)axis));
  }
  return true;
}

static Value builtin_sum(Elab *elab, Frame *frame, const Expr *expr) {
  Axes axes;
  Node *x = single(elab, frame, expr, 0);
  if (!x || !bracket_axes(elab, frame, expr, x, false, &axes)) return value_error();
  return value_node(node_sum(elab->graph, x, axes));
}

static Value builtin_mean(Elab *elab, Frame *frame, const Expr *expr) {
  Axes axes;
  Node *x = single(elab, frame, expr, 0);
  if (!x || !bracket_axes(elab, frame, expr, x, true, &axes)) return value_error();
  if (axes_empty(axes)) return value_node(x);
  Node *scale = node_const(elab->graph, 1.0 / (double)axes_extent(elab->graph, axes));
  return value_node(node2(elab->graph, OP_mul, scale, node_sum(elab->graph, x, axes)));
}

static int single_axis(Elab *elab, Frame *frame, const Expr *expr, Node **x) {
  *x = single(elab, frame, expr, 1);
  return *x ? axis_of(elab, frame, &expr->axes[0], (*x)->axes) : -1;
}

static Value builtin_argmin(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = single_axis(elab, frame, expr, &x);
  return axis < 0 ? value_error() : value_node(node_argmin(elab->graph, x, (AxisId)axis));
}

static Value builtin_argmax(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = single_axis(elab, frame, expr, &x);
  return axis < 0 ? value_error() : value_node(node_argmax(elab->graph, x, (AxisId)axis));
}

/* min[x](q) is q at its argmin: the gradient goes to that entry. */
static Value extremum(Elab *elab, Frame *frame, const Expr *expr, bool largest) {
  if (!expr->bracketed) {
    if (expr->arg_count != 2 || expr->args[0].name || expr->args[1].name)
      return elab_error(elab, expr->span, NULL,
                        "'%s' takes two arguments, or one and an axis: %s[x](q)", expr->text,
                        expr->text),
             value_error();
    Value args[] = {eval(elab, frame, expr->args[0].value), eval(elab, frame, expr->args[1].value)};
    Span spans[] = {expr->args[0].value->span, expr->args[1].value->span};
    return value_op(elab, expr->span, largest ? OP_max : OP_min, args, spans);
  }
  Node *x;
  int axis = single_axis(elab, frame, expr, &x);
  if (axis < 0) return value_error();
  Node *at = largest ? node_argmax(elab->graph, x, (AxisId)axis)
                     : node_argmin(elab->graph, x, (AxisId)axis);
  return value_node(node_gather(elab->graph, x, at, (AxisId)axis));
}

static Value builtin_min(Elab *elab, Frame *frame, const Expr *expr) {
  return extremum(elab, frame, expr, false);
}

static Value builtin_max(Elab *elab, Frame *frame, const Expr *expr) {
  return extremum(elab, frame, expr, true);
}

/* The axis of ranks along `axis`: same label, so that sum[try] reads naturally, but another axis,
 * so that sorted and unsorted values cannot be mixed. */
static bool is_rank_axis(const Elab *elab, AxisId axis) {
  return strcmp(elab->graph->axes[axis].scope, "rank") == 0;
}

static int rank_axis(Elab *elab, AxisId axis) {
  const Axis *a = &elab->graph->axes[axis];
  if (is_rank_axis(elab, axis)) return axis;
  return axis_fresh(elab, a->label, "rank", a->extent, AXIS_DRAW, a->span);
}

static Value builtin_sort(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = single_axis(elab, frame, expr, &x);
  if (axis < 0) return value_error();
  if (is_rank_axis(elab, (AxisId)axis))
    return elab_error(elab, expr->span, "sort once", "this is sorted along '%s' already",
                      expr->axes[0].name),
           value_error();
  int ranks = rank_axis(elab, (AxisId)axis);
  if (ranks < 0) return value_error();
  Node *order = node_order(elab->graph, x, (AxisId)axis, (AxisId)ranks);
  return value_node(node_gather(elab->graph, x, order, (AxisId)axis));
}

static bool is_position(const Node *at, uint32_t extent) {
  double i = at->attr.value;
  return at->op == OP_const && i == floor(i) && i >= 0 && i < extent;
}

static Value builtin_gather(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count != 2)
    return elab_error(elab, expr->span, NULL, "write gather[x](values, positions)"), value_error();
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *i = eval_node(elab, frame, expr->args[1].value);
  int axis = x && i ? axis_of(elab, frame, &expr->axes[0], x->axes) : -1;
  if (axis < 0) return value_error();
  uint32_t extent = elab->graph->axes[axis].extent;
  if (i->op == OP_const && !is_position(i, extent))
    return number_error(elab, frame, expr->args[1].value, NULL,
                        "a position along '%s' is a whole number from 0 to %u, not %.10g",
                        expr->axes[0].name, extent - 1, i->attr.value),
           value_error();
  if (!i->integer && i->op != OP_const)
    return elab_error(elab, expr->args[1].value->span, "as argmax and argmin give them",
                      "positions must be whole numbers"),
           value_error();
  bool found = i->op == OP_argmax || i->op == OP_argmin;
  if (found && is_rank_axis(elab, i->attr.axis) != is_rank_axis(elab, (AxisId)axis))
    return elab_error(
               elab, expr->args[1].value->span, "use values of one kind in both places",
               "positions among sorted values are ranks: they mean nothing among unsorted ones"),
           value_error();
  if (axes_has(i->axes, (AxisId)axis))
    return elab_error(elab, expr->span, NULL, "the positions already have the axis '%s'",
                      expr->axes[0].name),
           value_error();
  Axes sets[] = {axes_minus(x->axes, axes_one((AxisId)axis)), i->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  return value_node(node_gather(elab->graph, x, i, (AxisId)axis));
}

/* 0, 1, ... along an axis; along its ranks for `ranks`. */
static Value counting(Elab *elab, Frame *frame, const Expr *expr, bool ranks) {
  if (expr->axis_count != 1 || expr->arg_count)
    return elab_error(elab, expr->span, NULL, "write %s[x]", expr->text), value_error();
  int axis = axis_minted(elab, frame, &expr->axes[0], AXIS_DRAW);
  if (axis < 0) return value_error();
  int to = ranks ? rank_axis(elab, (AxisId)axis) : axis;
  if (to < 0) return value_error();
  uint32_t n = elab->graph->axes[to].extent;
  double *values = NEW_ARRAY(elab->arena, double, n);
  for (uint32_t i = 0; i < n; i++) values[i] = i;
  return value_node(node_table(elab->graph, (AxisId)to, values));
}

static Value builtin_iota(Elab *elab, Frame *frame, const Expr *expr) {
  return counting(elab, frame, expr, false);
}

static Value builtin_ranks(Elab *elab, Frame *frame, const Expr *expr) {
  return counting(elab, frame, expr, true);
}

static Value builtin_extent(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count)
    return elab_error(elab, expr->span, NULL, "write extent[x]"), value_error();
  int axis = axis_named(elab, frame, &expr->axes[0]);
  return axis < 0 ? value_error()
                  : value_node(node_const(elab->graph, elab->graph->axes[axis].extent));
}

/* index[a=i](x): x at the constant position i along a. */
static Value builtin_index(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count != 1 || !expr->axes[0].size)
    return elab_error(elab, expr->span, NULL, "write index[a=i](x)"), value_error();
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *at = eval_node(elab, frame, expr->axes[0].size);
  ExprAxis name = {expr->axes[0].name, NULL, expr->axes[0].span};
  int axis = x && at ? axis_of(elab, frame, &name, x->axes) : -1;
  if (axis < 0) return value_error();
  uint32_t extent = elab->graph->axes[axis].extent;
  if (!is_position(at, extent))
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "a position along '%s' is a whole number from 0 to %u", name.name,
                        extent - 1),
           value_error();
  return value_node(node_gather(elab->graph, x, at, (AxisId)axis));
}

/* unroll[j=n](carry = init, body): body evaluated n times with j = 0 .. n-1; n may be 0. */
static Value builtin_unroll(Elab *elab, Frame *frame, const Expr *expr) {
  bool form = expr->axis_count == 1 && expr->axes[0].size && expr->arg_count == 2 &&
              expr->args[0].name && !expr->args[1].name;
  if (!form)
    return elab_error(elab, expr->span, NULL, "write unroll[j=n](carry = first, next)"),
           value_error();
  Node *times = eval_node(elab, frame, expr->axes[0].size);
  if (!times) return value_error();
  if (times->op != OP_const || times->attr.value != floor(times->attr.value) ||
      times->attr.value < 0 || times->attr.value > 4096)
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "the count of an unroll is a whole number from 0 to 4096"),
           value_error();
  Value carry = eval(elab, frame, expr->args[0].value);
  for (int j = 0; j < (int)times->attr.value && carry.kind != VALUE_ERROR; j++) {
    Frame *inner = frame_make(elab, frame, NULL);
    frame_add(elab, inner, expr->axes[0].name, "loop position", expr->span,
              value_node(node_const(elab->graph, j)));
    frame_add(elab, inner, expr->args[0].name, "carry", expr->span, carry);
    carry = eval(elab, inner, expr->args[1].value);
  }
  return carry;
}

/* shared(draw): the draws inside have no row axes. */
static Value builtin_shared(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->arg_count != 1 || expr->bracketed || expr->args[0].name)
    return elab_error(elab, expr->span, NULL, "write shared(sample(...))"), value_error();
  Axes rows = elab->block.rows;
  elab->block.rows = axes_none();
  Value value = eval(elab, frame, expr->args[0].value);
  elab->block.rows = rows;
  return value;
}

/* The uniform distribution over the action box. */
static Value builtin_box(Elab *elab, Frame *frame, const Expr *expr) {
  if (!elab->env_count) return report_unknown(elab, frame, expr, "name"), value_error();
  if (expr->called || expr->bracketed)
    return elab_error(elab, expr->span, "as in sample(box)", "'box' takes no arguments"),
           value_error();
  Source *source = source_from_text(elab->arena, "<language>", "uniform[act](low, high)");
  ExprText text = {source->text, source->size, source, {source, 1, 1, 0}, NULL};
  Expr *call = expr_read(elab->arena, elab->diag, text);
  call->span = expr->span;
  return eval(elab, elab->globals, call);
}

static const struct {
  const char *name;
  BuiltinFn fn;
} builtins[] = {
    {"sum", builtin_sum},       {"mean", builtin_mean},       {"min", builtin_min},
    {"max", builtin_max},       {"argmin", builtin_argmin},   {"argmax", builtin_argmax},
    {"sort", builtin_sort},     {"gather", builtin_gather},   {"iota", builtin_iota},
    {"ranks", builtin_ranks},   {"extent", builtin_extent},   {"index", builtin_index},
    {"unroll", builtin_unroll}, {"shared", builtin_shared},   {"box", builtin_box},
    {"dense", builtin_dense},   {"learned", builtin_learned}, {"orthonormal", builtin_orthonormal}};

static const char *const other_names[] = {"sample", "log_prob",  "mode",     "entropy",
                                          "kl",     "env_reset", "env_step", "env_observe"};

bool builtin_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  for (size_t i = 0; i < COUNTOF(builtins); i++)
    if (strcmp(builtins[i].name, expr->text) == 0) {
      Span former = graph_span(elab->graph, expr->span);
      *result = builtins[i].fn(elab, frame, expr);
      graph_span(elab->graph, former);
      return true;
    }
  return tree_call(elab, frame, expr, result) || draw_call(elab, frame, expr, result) ||
         distribution_call(elab, frame, expr, result) ||
         environment_call(elab, frame, expr, result);
}

size_t builtin_names(const char **names, size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < COUNTOF(builtins) && count < capacity; i++)
    names[count++] = builtins[i].name;
  for (size_t i = 0; i < COUNTOF(other_names) && count < capacity; i++)
    names[count++] = other_names[i];
  count += tree_call_names(names + count, capacity - count);
  for (int op = 0; op < OP_COUNT && count < capacity; op++)
    if (!op_table[op].shaped && op != OP_mark && op != OP_guard) names[count++] = op_table[op].name;
  return count;
}
