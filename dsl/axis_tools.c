/* Axis tools: what moves, picks, orders and accumulates values along axes. Nearly all are gathers
 * at constant positions, so that one derivative rule serves them. */
#include "dsl/builtins.h"

#include <math.h>
#include <string.h>

#define EXTENT_LIMIT 16777216

/* The label that a name in brackets stands for. */
static const char *label_of(const Frame *frame, const char *name) {
  const AxisEntry *entry = frame_find_axis(frame, name);
  return entry ? entry->label : name;
}

/* The axis of that label among `axes`, or -1. */
static int axis_labelled(const Elab *elab, Axes axes, const char *label) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);)
    if (strcmp(elab->graph->axes[x].label, label) == 0) return x;
  return -1;
}

static Value wrong_form(Elab *elab, const Expr *expr, const char *form) {
  elab_error(elab, expr->span, NULL, "write %s", form);
  return value_error();
}

/* ---- constant positions ---- */

typedef struct Stride { /* element i is (i + offset) / step modulo period, kept within [0, most] */
  double offset, step, period, most;
} Stride;

static Node *positions(Elab *elab, AxisId axis, Stride stride) {
  uint32_t n = elab->graph->axes[axis].extent;
  double *values = NEW_ARRAY(elab->arena, double, n);
  for (uint32_t i = 0; i < n; i++)
    values[i] =
        fmin(fmax(fmod(floor((i + stride.offset) / stride.step), stride.period), 0), stride.most);
  return node_table(elab->graph, axis, values);
}

Node *count_along(Elab *elab, AxisId axis) {
  return positions(elab, axis, (Stride){0, 1, INFINITY, INFINITY});
}

/* Positions `first`, `first` + 1, ... below `count`, the nearest of these outside. */
static Node *clamped(Elab *elab, AxisId axis, double first, uint32_t count) {
  return positions(elab, axis, (Stride){first, 1, INFINITY, count - 1});
}

/* Positions 0 .. n-1 from element `begin` on, and around again elsewhere: few elements share one.
 */
static Node *around(Elab *elab, AxisId axis, double begin, uint32_t n) {
  double ahead = ceil(begin / n) * n - begin;
  return positions(elab, axis, (Stride){ahead, 1, n, n - 1});
}

static bool is_position(double value, uint32_t extent) {
  return value == floor(value) && value >= 0 && value < extent;
}

/* ", not 3": a number that cannot stand where another should. */
static const char *instead_text(Elab *elab, const Node *node) {
  return node->op == OP_const ? arena_printf(elab->arena, ", not %.10g", node->attr.value) : "";
}

/* The first of constant positions that is none along an axis of `extent`, or NULL. */
static const double *bad_position(const Elab *elab, const Node *at, uint32_t extent) {
  const double *values = &at->attr.value;
  uint32_t count = at->op == OP_const;
  if (at->op == OP_table)
    values = elab->graph->tables[at->attr.key].values,
    count = elab->graph->tables[at->attr.key].count;
  for (uint32_t i = 0; i < count; i++)
    if (!is_position(values[i], extent)) return &values[i];
  return NULL;
}

/* ---- gather and index ---- */

/* Whether the positions cannot leave the axis. */
static bool stays_within(const Elab *elab, const Node *at, AxisId axis) {
  const Graph *graph = elab->graph;
  uint32_t extent = graph->axes[axis].extent;
  switch ((OpCode)at->op) {
  case OP_const:
    return is_position(at->attr.value, extent);
  case OP_table:
    for (uint32_t i = 0; i < graph->tables[at->attr.key].count; i++)
      if (!is_position(graph->tables[at->attr.key].values[i], extent)) return false;
    return true;
  case OP_argmin:
  case OP_argmax:
  case OP_order:
    return graph->axes[at->attr.axis].extent <= extent;
  case OP_gather:
  case OP_rename:
  case OP_stop:
  case OP_mark:
    return stays_within(elab, at->src[0], axis);
  case OP_where:
    return stays_within(elab, at->src[1], axis) && stays_within(elab, at->src[2], axis);
  case OP_input: /* the runtime checks what the spec acts with */
    return elab->env.choices && axis == elab->choice_axis;
  default:
    return false;
  }
}

/* Positions from data or arithmetic end at the axis's ends. */
static Node *within(Elab *elab, Node *at, AxisId axis) {
  if (stays_within(elab, at, axis)) return at;
  Node *last = node_const(elab->graph, elab->graph->axes[axis].extent - 1.0);
  return node2(elab->graph, OP_min, node2(elab->graph, OP_max, at, node_const(elab->graph, 0)),
               last);
}

static bool positions_fit(Elab *elab, Frame *frame, const Expr *expr, Node *at, AxisId axis) {
  uint32_t extent = elab->graph->axes[axis].extent;
  const double *bad = bad_position(elab, at, extent);
  if (bad)
    return number_error(elab, frame, expr->args[1].value, NULL,
                        "a position along '%s' is a whole number from 0 to %u, not %.10g",
                        elab->graph->axes[axis].label, extent - 1, *bad);
  if (!node_is_whole(elab->graph, within(elab, at, axis)))
    return elab_error(elab, expr->args[1].value->span,
                      "as argmax and argmin give them; or floor(...) around it",
                      "positions must be whole numbers");
  bool found = at->op == OP_argmax || at->op == OP_argmin;
  if (found && is_rank_axis(elab, at->attr.axis) != is_rank_axis(elab, axis))
    return elab_error(
        elab, expr->args[1].value->span, "use values of one kind in both places",
        "positions among sorted values are ranks: they mean nothing among unsorted ones");
  if (axes_has(at->axes, axis))
    return elab_error(elab, expr->span, NULL, "the positions already have the axis '%s'",
                      elab->graph->axes[axis].label);
  return true;
}

static Value builtin_gather(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count != 2)
    return wrong_form(elab, expr, "gather[x](values, positions)");
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *at = eval_node(elab, frame, expr->args[1].value);
  int axis = x && at ? axis_of(elab, frame, &expr->axes[0], x->axes) : -1;
  if (axis < 0 || !positions_fit(elab, frame, expr, at, (AxisId)axis)) return value_error();
  Axes sets[] = {axes_minus(x->axes, axes_one((AxisId)axis)), at->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  return value_node(node_gather(elab->graph, x, within(elab, at, (AxisId)axis), (AxisId)axis));
}

/* The axes in brackets but the last, over which a bucket is filled; the values and the positions,
 * or the positions alone, have them. */
static bool bucket_rows(Elab *elab, Frame *frame, const Expr *expr, const Node *at, Axes *rows) {
  *rows = axes_none();
  for (uint32_t i = 0; i + 1 < expr->axis_count; i++) {
    int axis = axis_of(elab, frame, &expr->axes[i], at->axes);
    if (axis < 0) return false;
    *rows = axes_union(*rows, axes_one((AxisId)axis));
  }
  return true;
}

/* bucket[x, bin=n](e, i): along the new axis `bin` the sum over x of e where i is that position. */
static Value builtin_bucket(Elab *elab, Frame *frame, const Expr *expr) {
  bool form = expr->axis_count >= 2 && expr->arg_count == 2 && !expr->args[0].name &&
              expr->axes[expr->axis_count - 1].size;
  for (uint32_t i = 0; form && i + 1 < expr->axis_count; i++) form = !expr->axes[i].size;
  if (!form) return wrong_form(elab, expr, "bucket[x, bin=n](values, positions)");
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *at = eval_node(elab, frame, expr->args[1].value);
  Axes rows;
  if (!x || !at || !bucket_rows(elab, frame, expr, at, &rows)) return value_error();
  int to = axis_minted(elab, frame, &expr->axes[expr->axis_count - 1], AXIS_FEATURE);
  if (to < 0 || !positions_fit(elab, frame, expr, at, (AxisId)to)) return value_error();
  if (axes_has(x->axes, (AxisId)to))
    return elab_error(elab, expr->args[0].value->span, NULL,
                      "the values have the axis '%s' already",
                      expr->axes[expr->axis_count - 1].name),
           value_error();
  Axes sets[] = {x->axes, at->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  at = within(elab, at, (AxisId)to);
  return value_node(node_scatter(elab->graph, x, at, (AxisId)to, rows));
}

/* index[a=i](x): x at the constant position i along a. */
static Value builtin_index(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count != 1 || !expr->axes[0].size)
    return wrong_form(elab, expr, "index[a=i](x)");
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *at = eval_node(elab, frame, expr->axes[0].size);
  ExprAxis name = {expr->axes[0].name, NULL, expr->axes[0].span};
  int axis = x && at ? axis_of(elab, frame, &name, x->axes) : -1;
  if (axis < 0) return value_error();
  uint32_t extent = elab->graph->axes[axis].extent;
  if (at->op != OP_const || !is_position(at->attr.value, extent))
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "a position along '%s' is a whole number from 0 to %u%s", name.name,
                        extent - 1, instead_text(elab, at)),
           value_error();
  return value_node(node_gather(elab->graph, x, at, (AxisId)axis));
}

/* ---- order ---- */

/* sort[x](v): ascending values along the ranks of x; sort[x](v, by=key): v in the order of key. */
static Value builtin_sort(Elab *elab, Frame *frame, const Expr *expr) {
  static const char *const names[] = {"by", NULL};
  if (expr->axis_count != 1 || !arguments_fit(expr, 1, names))
    return wrong_form(elab, expr, "sort[x](values) or sort[x](values, by=keys)");
  const Expr *by = named_argument(expr, "by");
  Node *x = eval_node(elab, frame, expr->args[0].value), *key = by ? eval_node(elab, frame, by) : x;
  int axis = x && key ? axis_of(elab, frame, &expr->axes[0], key->axes) : -1;
  if (axis < 0) return value_error();
  if (is_rank_axis(elab, (AxisId)axis))
    return elab_error(elab, expr->span, "sort once", "this is sorted along '%s' already",
                      expr->axes[0].name),
           value_error();
  Axes sets[] = {x->axes, key->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  if (!axes_has(x->axes, (AxisId)axis)) return value_node(x);
  int ranks = rank_axis(elab, (AxisId)axis);
  if (ranks < 0) return value_error();
  Node *order = node_order(elab->graph, key, (AxisId)axis, (AxisId)ranks);
  return value_node(node_gather(elab->graph, x, order, (AxisId)axis));
}

/* rank[x](v): the place of each value in ascending order. The order of an order is its inverse. */
static Value builtin_rank(Elab *elab, Frame *frame, const Expr *expr) {
  Node *x;
  int axis = builtin_axis(elab, frame, expr, &x);
  if (axis < 0) return value_error();
  if (is_rank_axis(elab, (AxisId)axis))
    return elab_error(elab, expr->span, "ranks[x] counts along sorted values",
                      "this is sorted along '%s' already", expr->axes[0].name),
           value_error();
  int ranks = rank_axis(elab, (AxisId)axis);
  if (ranks < 0) return value_error();
  Node *order = node_order(elab->graph, x, (AxisId)axis, (AxisId)ranks);
  return value_node(node_order(elab->graph, order, (AxisId)ranks, (AxisId)axis));
}

/* ---- new instances of axes ---- */

/* take[k=n](x): the first n along k. */
static Value builtin_take(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 1 || expr->arg_count != 1 || !expr->axes[0].size || expr->args[0].name)
    return wrong_form(elab, expr, "take[k=n](x)");
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *size = eval_node(elab, frame, expr->axes[0].size);
  ExprAxis name = {expr->axes[0].name, NULL, expr->axes[0].span};
  int axis = x && size ? axis_of(elab, frame, &name, x->axes) : -1;
  if (axis < 0) return value_error();
  Axis old = elab->graph->axes[axis];
  if (size->op != OP_const || !is_position(size->attr.value - 1, old.extent))
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "what is taken along '%s' is a whole number from 1 to %u%s", name.name,
                        old.extent, instead_text(elab, size)),
           value_error();
  uint32_t n = (uint32_t)size->attr.value;
  if (n == old.extent) return value_node(x);
  int to = is_rank_axis(elab, (AxisId)axis)
               ? axis_fresh(elab, old.label, "rank", n, AXIS_DRAW, expr->axes[0].span)
               : axis_instance(elab, old.label, n, old.order, expr->axes[0].span);
  if (to < 0) return value_error();
  return value_node(node_gather(elab->graph, x, count_along(elab, (AxisId)to), (AxisId)axis));
}

/* Whether a new axis `label` may join what is left of x. */
static bool label_is_new(Elab *elab, const ExprAxis *axis, const char *label, Axes rest) {
  if (axis->size)
    return elab_error(elab, axis->span, "write the axis alone",
                      "no extent here: that of '%s' follows from the value", axis->name);
  if (axis_labelled(elab, rest, label) < 0) return true;
  return elab_error(elab, axis->span, "choose another name", "there is an axis '%s' already, in %s",
                    label, axes_text(elab->graph, elab->arena, rest));
}

/* rename[a, b](x): the axis a under the name b. */
static Value builtin_rename(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->axis_count != 2 || expr->arg_count != 1 || expr->args[0].name)
    return wrong_form(elab, expr, "rename[a, b](x)");
  Node *x = eval_node(elab, frame, expr->args[0].value);
  int from = x ? axis_of(elab, frame, &expr->axes[0], x->axes) : -1;
  if (from < 0) return value_error();
  const char *label = label_of(frame, expr->axes[1].name);
  Axes rest = axes_minus(x->axes, axes_one((AxisId)from));
  if (!label_is_new(elab, &expr->axes[1], label, rest)) return value_error();
  Axis old = elab->graph->axes[from];
  AxisId to = axis_instance(elab, label, old.extent, old.order, expr->axes[1].span);
  return value_node(to == from ? x : node_rename(elab->graph, x, (AxisId)from, to));
}

/* The axes that join[r](x, a, b, ...) names behind x; false after reporting. */
static bool joined_axes(Elab *elab, Frame *frame, const Expr *expr, const Node *x, AxisId *axes,
                        double *extent) {
  *extent = 1;
  for (uint32_t i = 1; i < expr->arg_count; i++) {
    const Expr *name = expr->args[i].value;
    ExprAxis axis = {name->text, NULL, name->span};
    int found = axis_of(elab, frame, &axis, x->axes);
    if (found < 0) return false;
    for (uint32_t k = 0; k + 1 < i; k++)
      if (axes[k] == found)
        return elab_error(elab, name->span, "write it once", "'%s' is joined twice", name->text);
    axes[i - 1] = (AxisId)found;
    *extent *= elab->graph->axes[found].extent;
  }
  if (*extent <= EXTENT_LIMIT) return true;
  return elab_error(elab, expr->span, NULL, "a joined axis of extent %.0f is too long", *extent);
}

static bool is_join(const Expr *expr) {
  bool good = expr->axis_count == 1 && expr->arg_count >= 2 && expr->arg_count <= MAX_AXES;
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    const Expr *value = expr->args[i].value;
    bool name = value->kind == EXPR_NAME && !value->called && !value->bracketed;
    good = good && !expr->args[i].name && (i == 0 || name);
  }
  return good;
}

/* join[r](x, a, b): the axes a and b as one, b running fastest. */
static Value builtin_join(Elab *elab, Frame *frame, const Expr *expr) {
  if (!is_join(expr)) return wrong_form(elab, expr, "join[r](x, a, b), a and b being axes of x");
  AxisId axes[MAX_AXES];
  double extent;
  Node *x = eval_node(elab, frame, expr->args[0].value);
  if (!x || !joined_axes(elab, frame, expr, x, axes, &extent)) return value_error();
  Axes rest = x->axes;
  uint32_t count = expr->arg_count - 1;
  for (uint32_t i = 0; i < count; i++) rest = axes_minus(rest, axes_one(axes[i]));
  const char *label = label_of(frame, expr->axes[0].name);
  if (!label_is_new(elab, &expr->axes[0], label, rest)) return value_error();
  Axis last = elab->graph->axes[axes[count - 1]];
  AxisId to = axis_instance(elab, label, (uint32_t)extent, last.order, expr->axes[0].span);
  if (count == 1) return value_node(axes[0] == to ? x : node_rename(elab->graph, x, axes[0], to));
  for (uint32_t i = 0; i < count; i++) {
    if (axes[i] == to) continue; /* all others have extent 1 */
    uint32_t n = elab->graph->axes[axes[i]].extent;
    extent /= n;
    x = node_gather(elab->graph, x, positions(elab, to, (Stride){0, extent, n, n - 1}), axes[i]);
  }
  return value_node(x);
}

/* ---- several values along one axis ---- */

/* x with an axis that it lacks. */
static Node *spread(Elab *elab, Node *x, AxisId axis) {
  if (axes_has(x->axes, axis)) return x;
  Node *always = node2(elab->graph, OP_le, node_const(elab->graph, 0), count_along(elab, axis));
  return node3(elab->graph, OP_where, always, x, x);
}

/* Whole numbers stay such where all of them are. */
static Node *choose_part(Elab *elab, AxisId axis, double end, Node *before, Node *after) {
  Node *first = node2(elab->graph, OP_lt, count_along(elab, axis), node_const(elab->graph, end));
  return node3(elab->graph, OP_where, first, before, after);
}

/* Evaluates the arguments by position; NULL after reporting. */
static Node **all_parts(Elab *elab, Frame *frame, const Expr *expr) {
  Node **parts = NEW_ARRAY(elab->arena, Node *, expr->arg_count);
  bool good = true;
  for (uint32_t i = 0; i < expr->arg_count; i++)
    good = (parts[i] = eval_node(elab, frame, expr->args[i].value)) && good;
  return good ? parts : NULL;
}

static bool is_series(const Expr *expr) {
  bool good = expr->axis_count == 1 && expr->arg_count > 0;
  for (uint32_t i = 0; i < expr->arg_count; i++) good = good && !expr->args[i].name;
  return good;
}

/* Values one behind the other along `to`, each along its own axis, or one element where that is -1.
 */
static Node *laid_out(Elab *elab, Node **parts, const int *axes, uint32_t count, AxisId to) {
  double ends[256], end = 0;
  for (uint32_t i = 0; i < count; i++)
    ends[i] = end += axes[i] < 0 ? 1 : elab->graph->axes[axes[i]].extent;
  Node *result = NULL;
  for (uint32_t i = count; i-- > 0;) {
    Node *part = parts[i];
    if (axes[i] >= 0 && axes[i] != to) {
      uint32_t n = elab->graph->axes[axes[i]].extent;
      Node *at = n == 1 ? node_const(elab->graph, 0) : around(elab, to, ends[i] - n, n);
      part = node_gather(elab->graph, part, at, (AxisId)axes[i]);
    }
    result = result ? choose_part(elab, to, ends[i], part, result) : part;
  }
  return spread(elab, result, to);
}

/* concat[x](a, b, ...): values one behind the other; one without x counts as one element. */
static Value builtin_concat(Elab *elab, Frame *frame, const Expr *expr) {
  int axes[256];
  Axes sets[256];
  if (!is_series(expr) || expr->axes[0].size || expr->arg_count > COUNTOF(axes))
    return wrong_form(elab, expr, "concat[x](a, b, ...)");
  const char *label = label_of(frame, expr->axes[0].name);
  Node **parts = all_parts(elab, frame, expr);
  double total = 0;
  if (!parts) return value_error();
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    axes[i] = axis_labelled(elab, parts[i]->axes, label);
    sets[i] = parts[i]->axes;
    if (axes[i] >= 0) sets[i] = axes_minus(sets[i], axes_one((AxisId)axes[i]));
    total += axes[i] < 0 ? 1 : elab->graph->axes[axes[i]].extent;
  }
  if (!axes_may_meet(elab, expr->span, sets, expr->arg_count)) return value_error();
  if (total > EXTENT_LIMIT)
    return elab_error(elab, expr->span, NULL, "an axis of extent %.0f is too long", total),
           value_error();
  AxisId to = axis_instance(elab, label, (uint32_t)total, AXIS_DRAW, expr->axes[0].span);
  return value_node(laid_out(elab, parts, axes, expr->arg_count, to));
}

/* stack[a](x, y, ...): values beside each other along a new axis. */
static Value builtin_stack(Elab *elab, Frame *frame, const Expr *expr) {
  int none[256];
  Axes sets[256];
  if (!is_series(expr) || expr->axes[0].size || expr->arg_count > COUNTOF(none))
    return wrong_form(elab, expr, "stack[a](x, y, ...)");
  const char *label = label_of(frame, expr->axes[0].name);
  Node **parts = all_parts(elab, frame, expr);
  if (!parts) return value_error();
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    none[i] = -1;
    sets[i] = parts[i]->axes;
    if (axis_labelled(elab, sets[i], label) < 0) continue;
    const char *hint =
        arena_printf(elab->arena, "concat[%s] lays them one behind the other", label);
    elab_error(elab, expr->args[i].value->span, hint,
               "what is stacked has the axis '%s' already: its axes are %s", label,
               axes_text(elab->graph, elab->arena, sets[i]));
    return value_error();
  }
  if (!axes_may_meet(elab, expr->span, sets, expr->arg_count)) return value_error();
  AxisId to = axis_instance(elab, label, expr->arg_count, AXIS_FEATURE, expr->axes[0].span);
  return value_node(laid_out(elab, parts, none, expr->arg_count, to));
}

/* ---- neighbours and running sums ---- */

/* shift[x=k](v, fill=0): the value k places before, `fill` where there is none. */
static Value builtin_shift(Elab *elab, Frame *frame, const Expr *expr) {
  static const char *const names[] = {"fill", NULL};
  if (expr->axis_count != 1 || !expr->axes[0].size || !arguments_fit(expr, 1, names))
    return wrong_form(elab, expr, "shift[x=k](values) or shift[x=k](values, fill=0)");
  const Expr *given = named_argument(expr, "fill");
  Node *x = eval_node(elab, frame, expr->args[0].value),
       *by = eval_node(elab, frame, expr->axes[0].size),
       *fill = given ? eval_node(elab, frame, given) : node_const(elab->graph, 0);
  ExprAxis name = {expr->axes[0].name, NULL, expr->axes[0].span};
  int axis = x && by && fill ? axis_of(elab, frame, &name, x->axes) : -1;
  if (axis < 0) return value_error();
  Axis a = elab->graph->axes[axis];
  double k = by->attr.value;
  if (by->op != OP_const || k != floor(k) || fabs(k) > EXTENT_LIMIT)
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "values are shifted by a whole number%s", instead_text(elab, by)),
           value_error();
  Axes sets[] = {x->axes, fill->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  Node *moved =
      node_gather(elab->graph, x, clamped(elab, (AxisId)axis, -k, a.extent), (AxisId)axis);
  return value_node(k >= 0 ? choose_part(elab, (AxisId)axis, k, fill, moved)
                           : choose_part(elab, (AxisId)axis, a.extent + k, moved, fill));
}

/* Of constant vectors a constant vector. */
static Node *scan_table(Elab *elab, const Node *a, const Node *b, AxisId axis, bool reverse) {
  const Graph *graph = elab->graph;
  uint32_t n = graph->axes[axis].extent;
  double *values = NEW_ARRAY(elab->arena, double, n), carry = 0;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t t = reverse ? n - 1 - i : i;
    double factor = a->op == OP_const ? a->attr.value : graph->tables[a->attr.key].values[t];
    double term = b->op == OP_const ? b->attr.value : graph->tables[b->attr.key].values[t];
    values[t] = carry = factor * carry + term;
  }
  return node_table(elab->graph, axis, values);
}

static bool is_vector(const Node *x, AxisId axis) {
  return x->op == OP_const || (x->op == OP_table && x->attr.axis == axis);
}

Node *scan_along(Elab *elab, Node *a, Node *b, AxisId axis, bool reverse) {
  if (is_vector(a, axis) && is_vector(b, axis)) return scan_table(elab, a, b, axis, reverse);
  return node_scan(elab->graph, a, b, axis, reverse);
}

/* cumsum[x](v, reverse=false): the sum of this and all before (behind, in reverse). */
static Value builtin_cumsum(Elab *elab, Frame *frame, const Expr *expr) {
  static const char *const names[] = {"reverse", NULL};
  bool reverse;
  if (expr->axis_count != 1 || !arguments_fit(expr, 1, names))
    return wrong_form(elab, expr, "cumsum[x](values) or cumsum[x](values, reverse=true)");
  Node *x = eval_node(elab, frame, expr->args[0].value);
  int axis = x ? axis_of(elab, frame, &expr->axes[0], x->axes) : -1;
  if (axis < 0 || !named_flag(elab, frame, expr, "reverse", false, &reverse)) return value_error();
  return value_node(scan_along(elab, node_const(elab->graph, 1), x, (AxisId)axis, reverse));
}

/* linear_scan[x](a, b, reverse=true): g = a * g_next + b along x, from 0. */
static Value builtin_linear_scan(Elab *elab, Frame *frame, const Expr *expr) {
  static const char *const names[] = {"reverse", NULL};
  bool reverse;
  if (expr->axis_count != 1 || !arguments_fit(expr, 2, names))
    return wrong_form(elab, expr, "linear_scan[x](a, b) or linear_scan[x](a, b, reverse=false)");
  Node *a = eval_node(elab, frame, expr->args[0].value),
       *b = eval_node(elab, frame, expr->args[1].value);
  if (!a || !b || !named_flag(elab, frame, expr, "reverse", true, &reverse)) return value_error();
  Axes sets[] = {a->axes, b->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  int axis = axis_of(elab, frame, &expr->axes[0], axes_union(a->axes, b->axes));
  return axis < 0 ? value_error() : value_node(scan_along(elab, a, b, (AxisId)axis, reverse));
}

const Builtin axis_builtins[] = {{"gather", builtin_gather},
                                 {"bucket", builtin_bucket},
                                 {"index", builtin_index},
                                 {"sort", builtin_sort},
                                 {"rank", builtin_rank},
                                 {"take", builtin_take},
                                 {"rename", builtin_rename},
                                 {"join", builtin_join},
                                 {"concat", builtin_concat},
                                 {"stack", builtin_stack},
                                 {"shift", builtin_shift},
                                 {"cumsum", builtin_cumsum},
                                 {"linear_scan", builtin_linear_scan},
                                 {NULL, NULL}};
