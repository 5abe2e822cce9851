/* What the language has by itself: the table of built-in functions, reductions, counting, and how
 * their arguments are read. Axis tools are in axis_tools.c, what repeats in control.c. */
#include "dsl/builtins.h"

#include <string.h>

/* The only argument as a tensor, `axes` names in brackets (0: not checked); NULL after reporting.
 */
static Node *single_argument(Elab *elab, Frame *frame, const Expr *expr, uint32_t axes) {
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

const Expr *named_argument(const Expr *expr, const char *name) {
  for (uint32_t i = 0; i < expr->arg_count; i++)
    if (expr->args[i].name && strcmp(expr->args[i].name, name) == 0) return expr->args[i].value;
  return NULL;
}

bool arguments_fit(const Expr *expr, uint32_t count, const char *const *names) {
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    const char *given = expr->args[i].name;
    bool known = false;
    if (!given != (i < count)) return false;
    for (const char *const *name = names; given && *name; name++)
      known = known || strcmp(*name, given) == 0;
    if (given && !known) return false;
  }
  return expr->arg_count >= count;
}

bool named_flag(Elab *elab, Frame *frame, const Expr *expr, const char *name, bool otherwise,
                bool *value) {
  const Expr *given = named_argument(expr, name);
  *value = otherwise;
  if (!given) return true;
  Node *node = eval_node(elab, frame, given);
  if (!node) return false;
  if (node->op != OP_const || (node->attr.value != 0 && node->attr.value != 1))
    return elab_error(elab, given->span, arena_printf(elab->arena, "as in %s=true", name),
                      "'%s' is true or false", name);
  *value = node->attr.value != 0;
  return true;
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
    if (x->op == OP_const)
      return elab_error(elab, expr->axes[i].span,
                        arena_printf(elab->arena, "as in extent[%s] * x", expr->axes[i].name),
                        "a number has no axis '%s'", expr->axes[i].name);
    int axis = axis_of(elab, frame, &expr->axes[i], x->axes);
    if (axis < 0) return false;
    *axes = axes_union(*axes, axes_one((AxisId)axis));
  }
  return true;
}

static Value builtin_sum(Elab *elab, Frame *frame, const Expr *expr) {
  Axes axes;
  Node *x = single_argument(elab, frame, expr, 0);
  if (!x || !bracket_axes(elab, frame, expr, x, false, &axes)) return value_error();
  return value_node(node_sum(elab->graph, x, axes));
}

static Value builtin_mean(Elab *elab, Frame *frame, const Expr *expr) {
  Axes axes;
  Node *x = single_argument(elab, frame, expr, 0);
  if (!x || !bracket_axes(elab, frame, expr, x, true, &axes)) return value_error();
  if (axes_empty(axes)) return value_node(x);
  Node *scale = node_const(elab->graph, 1.0 / (double)axes_extent(elab->graph, axes));
  return value_node(node2(elab->graph, OP_mul, scale, node_sum(elab->graph, x, axes)));
}

int builtin_axis(Elab *elab, Frame *frame, const Expr *expr, Node **x) {
  *x = single_argument(elab, frame, expr, 1);
  return *x ? axis_of(elab, frame, &expr->axes[0], (*x)->axes) : -1;
}

static Value builtin_argmin(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = builtin_axis(elab, frame, expr, &x);
  return axis < 0 ? value_error() : value_node(node_argmin(elab->graph, x, (AxisId)axis));
}

static Value builtin_argmax(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = builtin_axis(elab, frame, expr, &x);
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
  int axis = builtin_axis(elab, frame, expr, &x);
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

bool is_rank_axis(const Elab *elab, AxisId axis) {
  return strcmp(elab->graph->axes[axis].scope, "rank") == 0;
}

int rank_axis(Elab *elab, AxisId axis) {
  const Axis *a = &elab->graph->axes[axis];
  if (is_rank_axis(elab, axis)) return axis;
  return axis_fresh(elab, a->label, "rank", a->extent, AXIS_DRAW, a->span);
}

/* 0, 1, ... along an axis; along its ranks for `ranks`. */
static Value counting(Elab *elab, Frame *frame, const Expr *expr, bool ranks) {
  if (expr->axis_count != 1 || expr->arg_count)
    return elab_error(elab, expr->span, NULL, "write %s[x]", expr->text), value_error();
  int axis = axis_minted(elab, frame, &expr->axes[0], AXIS_DRAW);
  if (axis < 0) return value_error();
  int to = ranks ? rank_axis(elab, (AxisId)axis) : axis;
  if (to < 0) return value_error();
  return value_node(count_along(elab, (AxisId)to));
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

/* shared(draw): the draws inside have no row axes. */
static Value builtin_shared(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->arg_count != 1 || expr->bracketed || expr->args[0].name)
    return elab_error(elab, expr->span, NULL, "write shared(sample(...))"), value_error();
  bool outer = elab->shared;
  elab->shared = true;
  Value value = eval(elab, frame, expr->args[0].value);
  elab->shared = outer;
  return value;
}

/* The uniform distribution over the action box. */
static Value builtin_box(Elab *elab, Frame *frame, const Expr *expr) {
  if (elab->env.choices) return report_unknown(elab, frame, expr, "function"), value_error();
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

static const Builtin own_builtins[] = {{"sum", builtin_sum},
                                       {"mean", builtin_mean},
                                       {"min", builtin_min},
                                       {"max", builtin_max},
                                       {"argmin", builtin_argmin},
                                       {"argmax", builtin_argmax},
                                       {"iota", builtin_iota},
                                       {"ranks", builtin_ranks},
                                       {"extent", builtin_extent},
                                       {"shared", builtin_shared},
                                       {"box", builtin_box},
                                       {"dense", builtin_dense},
                                       {"learned", builtin_learned},
                                       {"orthonormal", builtin_orthonormal},
                                       {NULL, NULL}};

static const Builtin *const tables[] = {own_builtins, axis_builtins, control_builtins};

static const Builtin *find(const char *name) {
  for (size_t t = 0; t < COUNTOF(tables); t++)
    for (const Builtin *b = tables[t]; b->name; b++)
      if (strcmp(b->name, name) == 0) return b;
  return NULL;
}

static const char *const other_names[] = {"sample", "log_prob",  "mode",     "entropy",
                                          "kl",     "env_reset", "env_step", "env_observe"};

bool builtin_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  const Builtin *builtin = find(expr->text);
  if (!builtin)
    return tree_call(elab, frame, expr, result) || draw_call(elab, frame, expr, result) ||
           distribution_call(elab, frame, expr, result) ||
           environment_call(elab, frame, expr, result);
  Span former = graph_span(elab->graph, expr->span);
  *result = builtin->fn(elab, frame, expr);
  graph_span(elab->graph, former);
  return true;
}

size_t builtin_names(const char **names, size_t capacity) {
  size_t count = 0;
  for (size_t t = 0; t < COUNTOF(tables); t++)
    for (const Builtin *b = tables[t]; b->name && count < capacity; b++) names[count++] = b->name;
  for (size_t i = 0; i < COUNTOF(other_names) && count < capacity; i++)
    names[count++] = other_names[i];
  count += tree_call_names(names + count, capacity - count);
  for (int op = 0; op < OP_COUNT && count < capacity; op++)
    if (!op_table[op].shaped && op != OP_mark && op != OP_guard) names[count++] = op_table[op].name;
  return count;
}
