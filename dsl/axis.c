/* What a name in brackets means: an axis of an operand, a bound parameter, or a new axis with its
 * extent. */
#include "dsl/scope.h"

#include <math.h>
#include <string.h>

/* The user's label: a parameter of the enclosing define stands for the label it was called with. */
static const char *label_of(const Frame *frame, const char *name) {
  const AxisEntry *entry = frame_find_axis(frame, name);
  return entry ? entry->label : name;
}

static int find_label(const Graph *graph, Axes axes, const char *label) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);)
    if (strcmp(graph->axes[x].label, label) == 0) return x;
  return -1;
}

static const char *hint_axes(Elab *elab, const char *label, Axes axes) {
  const char *names[MAX_AXES];
  size_t count = 0;
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);) names[count++] = elab->graph->axes[x].label;
  return hint_nearest(elab->arena, label, names, count);
}

/* What stands here in place of rows of another kind, or of other actions, or NULL. */
static const char *hint_instead(const Elab *elab, const char *label) {
  BlockKind kind = elab->block.kind;
  if (elab->env.choices && strcmp(label, "act") == 0)
    return "the environment's actions are discrete: along 'choice'";
  if (elab->env_count && !elab->env.choices && strcmp(label, "choice") == 0)
    return "the environment's actions are continuous: along 'act'";
  bool batch = strcmp(label, "batch") == 0;
  bool whole = strcmp(label, "time") == 0 || strcmp(label, "env") == 0;
  if (batch && kind == BLOCK_ROLLOUT)
    return "here a loss sees the rollout, with the axes time and env: mean[time, env](...)";
  if (whole && kind == BLOCK_PART)
    return "inside of minibatches a loss sees rows along batch: mean[batch](...)";
  return whole && kind == BLOCK_REPLAY ? "sampled rows are along batch: mean[batch](...)" : NULL;
}

int axis_of(Elab *elab, Frame *frame, const ExprAxis *axis, Axes of) {
  if (axis->size) {
    elab_error(elab, axis->span, "write the axis alone",
               "no extent here: the axis '%s' is there already", axis->name);
    return -1;
  }
  const AxisEntry *bound = frame_find_axis(frame, axis->name);
  if (bound && bound->axis >= 0 && axes_has(of, (AxisId)bound->axis)) return bound->axis;
  const char *label = label_of(frame, axis->name);
  int found = find_label(elab->graph, of, label);
  const char *hint = found < 0 ? hint_instead(elab, label) : NULL;
  if (found < 0)
    elab_error(elab, axis->span, hint ? hint : hint_axes(elab, label, of),
               "there is no axis '%s' in %s", label, axes_text(elab->graph, elab->arena, of));
  return found;
}

/* Ranks of a sort, and what a tool puts aside: not what a label alone stands for. */
static bool is_aside(const Axis *axis) {
  size_t length = strlen(axis->scope);
  return strcmp(axis->scope, "rank") == 0 || (length && axis->scope[length - 1] == '\'');
}

/* All instances of a label minted so far; -2 when there are several. */
static int only_instance(const Graph *graph, const char *label) {
  int found = -1;
  for (uint32_t i = 0; i < graph->axis_count; i++)
    if (strcmp(graph->axes[i].label, label) == 0 && !is_aside(&graph->axes[i]))
      found = found == -1 ? (int)i : -2;
  return found;
}

/* Whether the label is one of any axis, or a let that nothing has asked for makes it. */
static bool label_exists(Elab *elab, const char *label) {
  const Graph *graph = elab->graph;
  uint32_t seen = 0;
  do {
    for (; seen < graph->axis_count; seen++)
      if (strcmp(graph->axes[seen].label, label) == 0 && !is_aside(&graph->axes[seen])) return true;
  } while (scope_next_let(elab));
  return false;
}

/* Whether an axis would tell which kind of actions an environment has that cannot be had. */
static bool is_unknown(const Elab *elab, const char *label) {
  return elab->env_unknown && (strcmp(label, "act") == 0 || strcmp(label, "choice") == 0);
}

bool axis_exists(Elab *elab, const ExprAxis *axis, const char *label) {
  size_t errors = diag_errors(elab->diag);
  if (label_exists(elab, label)) return true;
  if (errors < diag_errors(elab->diag)) return false; /* the let that failed may be what makes it */
  if (is_unknown(elab, label)) return false;          /* which was reported */
  Axes all = axes_none();
  for (uint32_t i = 0; i < elab->graph->axis_count; i++) all = axes_union(all, axes_one((AxisId)i));
  const char *near = hint_instead(elab, label);
  if (!near) near = hint_axes(elab, label, all);
  return elab_error(elab, axis->span,
                    near ? near : "a new axis is written with its extent: [hid=64]",
                    "unknown axis '%s'", label);
}

int axis_named(Elab *elab, Frame *frame, const ExprAxis *axis) {
  const AxisEntry *bound = frame_find_axis(frame, axis->name);
  if (bound && bound->axis >= 0) return bound->axis;
  const char *label = label_of(frame, axis->name);
  int row = find_label(elab->graph, elab->block.rows, label);
  if (row >= 0) return row;
  if (!axis_exists(elab, axis, label)) return -1;
  int found = only_instance(elab->graph, label);
  const char *rows = hint_instead(elab, label);
  if (found == -2)
    elab_error(elab, axis->span,
               rows ? rows
                    : arena_printf(elab->arena, "write it with its extent: [%s=...]", axis->name),
               "there are several axes '%s'", label);
  return found < 0 ? -1 : found;
}

int axis_fresh(Elab *elab, const char *label, const char *scope, uint32_t extent, AxisClass order,
               Span span) {
  uint32_t count = elab->graph->axis_count;
  for (uint32_t i = 0; count == MAX_AXES && i < count; i++) {
    const Axis *axis = &elab->graph->axes[i];
    if (axis->extent == extent && axis->order == order && strcmp(axis->label, label) == 0 &&
        strcmp(axis->scope, scope) == 0)
      return (int)i;
  }
  if (count < MAX_AXES) return graph_axis(elab->graph, label, scope, extent, order, span);
  elab_error(elab, span, "give layers of equal width one axis: dense[hid=64]",
             "more than %d axes in one specification", MAX_AXES);
  return -1;
}

/* The instance of (label, extent), minted at need. -1 after reporting. */
static int instance(Elab *elab, const char *label, uint32_t extent, AxisClass order, Span span) {
  for (uint32_t i = 0; i < elab->graph->axis_count; i++) {
    const Axis *axis = &elab->graph->axes[i];
    if (axis->extent == extent && strcmp(axis->label, label) == 0 && !is_aside(axis)) return (int)i;
  }
  return axis_fresh(elab, label, "", extent, order, span);
}

AxisId axis_instance(Elab *elab, const char *label, uint32_t extent, AxisClass order, Span span) {
  int axis = instance(elab, label, extent, order, span);
  return axis < 0 ? 0 : (AxisId)axis;
}

#define EXTENT_LIMIT 16777216

int axis_minted(Elab *elab, Frame *frame, const ExprAxis *axis, AxisClass order) {
  if (!axis->size) return axis_named(elab, frame, axis);
  Node *size = eval_node(elab, frame, axis->size);
  if (!size) return -1;
  const char *label = label_of(frame, axis->name);
  double n = size->op == OP_const ? size->attr.value : 0;
  if (size->op != OP_const) {
    elab_error(elab, axis->size->span, "a number, or an expression of constants",
               "the extent of axis '%s' must be a constant", label);
    return -1;
  }
  if (n >= 1 && n <= EXTENT_LIMIT && n == floor(n))
    return instance(elab, label, (uint32_t)n, order, axis->span);
  number_error(elab, frame, axis->size, NULL,
               "the extent of axis '%s' must be a whole number from 1 to %d, not %.10g", label,
               EXTENT_LIMIT, n);
  return -1;
}
