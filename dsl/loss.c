/* Losses: their scalar, its gradients with respect to what they are over, and the steps taken with
 * them. */
#include "dsl/scope.h"

#include <string.h>

/* One loss between evaluation and step. */
typedef struct Evaluated {
  const char *name;
  LossInfo info;
  const char **groups; /* per tensor: the name in `over` it came from */
  const Parameter **tensors;
} Evaluated;

static bool add_over(Elab *elab, Evaluated *loss, const char *group, Span span, size_t *capacity) {
  Parameter *items;
  size_t count;
  if (!parameter_group(elab, group, span, &items, &count)) return false;
  for (size_t i = 0; i < count; i++) {
    size_t n = loss->info.count, c1 = *capacity, c2 = *capacity;
    PUSH(elab->arena, loss->groups, n, c1, group);
    n = loss->info.count;
    PUSH(elab->arena, loss->tensors, n, c2, &items[i]);
    *capacity = c1;
    loss->info.count = n;
  }
  return true;
}

static bool read_over(Elab *elab, const Tree *tree, Evaluated *loss) {
  const Tree *over = tree_get(tree, "over");
  const char **names;
  Span *spans;
  size_t count, capacity = 0;
  if (!over)
    return diag_error(elab->diag, tree->span, "as in  over: critic",
                      "the loss '%s' does not say what it is 'over'", loss->name);
  if (!tree_names(elab, over, &names, &spans, &count)) return false;
  for (size_t i = 0; i < count; i++)
    if (!add_over(elab, loss, names[i], spans[i], &capacity)) return false;
  return true;
}

static Node *scalar(Elab *elab, Frame *frame, const Tree *tree, const char *what) {
  Node *node = eval_tree_node(elab, frame, tree);
  if (!node) return NULL;
  if (axes_empty(node->axes)) return node;
  AxisId order[MAX_AXES];
  axes_order(elab->graph, node->axes, order);
  diag_error(elab->diag, tree->span,
             arena_printf(elab->arena, "reduce it, as in mean[%s](...)",
                          elab->graph->axes[order[0]].label),
             "%s is not a scalar: it has axes %s", what,
             axes_text(elab->graph, elab->arena, node->axes));
  return NULL;
}

void metric_output(Elab *elab, const char *name, Node *node) {
  const char *full = arena_printf(elab->arena, "metric.%s", name);
  uint32_t slot = RLC_NONE;
  for (uint32_t s = 0; s < elab->graph->slot_count; s++)
    if (strcmp(elab->graph->slots[s].name, full) == 0) slot = s;
  if (slot == RLC_NONE)
    slot = graph_slot(elab->graph, full, RLC_METRIC, RLC_F64, axes_none(), (Span){0});
  slot_assign(elab, slot, node);
}

/* Every group in `over` must matter to the loss; a single tensor that does not is reported as not
 * trained. */
static bool check_reached(Elab *elab, const Tree *tree, const Evaluated *loss) {
  const LossInfo *info = &loss->info;
  for (size_t i = 0; i < info->count;) {
    size_t end = i;
    bool any = false;
    for (; end < info->count && loss->groups[end] == loss->groups[i]; end++)
      any = any || node_reaches(elab->graph, elab->arena, info->value, info->marks[end]);
    const Tree *over = tree_get(tree, "over");
    if (!any)
      return diag_error(elab->diag, over->span, NULL,
                        "the loss '%s' is over '%s' but its value does not depend on it",
                        loss->name, loss->groups[i]);
    for (; i < end; i++)
      if (!node_reaches(elab->graph, elab->arena, info->value, info->marks[i]))
        diag_warning(elab->diag, over->span, NULL,
                     "'%s' is not trained by the loss '%s': its gradient vanishes",
                     loss->tensors[i]->name, loss->name);
  }
  return true;
}

static bool add_logs(Elab *elab, Frame *frame, const Tree *log, const char *prefix) {
  for (size_t i = 0; log && i < log->entry_count; i++) {
    const char *name = arena_printf(elab->arena, "%s/%s", prefix, log->entries[i].key);
    Node *node = scalar(elab, frame, log->entries[i].value,
                        arena_printf(elab->arena, "the logged value '%s'", log->entries[i].key));
    if (!node) return false;
    metric_output(elab, name, node);
  }
  return true;
}

/* The value and the gradient requests. The tensors in `over` are marked while the loss and its lets
 * are evaluated. */
static bool evaluate(Elab *elab, const Tree *tree, Evaluated *loss) {
  LossInfo *info = &loss->info;
  if (!read_over(elab, tree, loss)) return false;
  info->name = loss->name;
  info->marks = NEW_ARRAY(elab->arena, Node *, info->count);
  info->gradients = NEW_ARRAY(elab->arena, Node *, info->count);
  info->slots = NEW_ARRAY(elab->arena, uint32_t, info->count);
  Node **plain = NEW_ARRAY(elab->arena, Node *, info->count);
  for (size_t i = 0; i < info->count; i++) {
    info->slots[i] = loss->tensors[i]->slot;
    plain[i] = slot_value(elab, info->slots[i]);
    info->marks[i] = node_mark(elab->graph, plain[i]);
    slot_assign(elab, info->slots[i], info->marks[i]);
  }
  Frame *frame =
      frame_make(elab, elab->globals, arena_printf(elab->arena, "losses.%s", loss->name));
  elab->path = arena_printf(elab->arena, "losses.%s.minimize", loss->name);
  elab->occurrence = 0;
  const Tree *minimize = tree_get(tree, "minimize"), *maximize = tree_get(tree, "maximize");
  if (!minimize == !maximize)
    return diag_error(elab->diag, tree->span, NULL,
                      "the loss '%s' needs either 'minimize' or 'maximize'", loss->name);
  if (!frame_add_map(elab, frame, tree_get(tree, "let"), "let")) return false;
  Node *value = scalar(elab, frame, minimize ? minimize : maximize,
                       arena_printf(elab->arena, "the loss '%s'", loss->name));
  if (!value) return false;
  info->value = minimize ? value : node1(elab->graph, OP_neg, value);
  metric_output(elab, arena_printf(elab->arena, "losses/%s", loss->name), value);
  if (!add_logs(elab, frame, tree_get(tree, "log"), loss->name)) return false;
  for (size_t i = 0; i < info->count; i++) {
    slot_assign(elab, info->slots[i], plain[i]);
    info->gradients[i] = node_grad(elab->graph, info->value, info->marks[i]);
  }
  struct EvaluatedLoss done = {loss->name, frame};
  PUSH(elab->arena, elab->losses, elab->losses_count, elab->losses_capacity, done);
  return check_reached(elab, tree, loss);
}

static bool take_step(Elab *elab, const Evaluated *loss) {
  for (size_t i = 0; i < loss->info.count; i++) {
    const Parameter *parameter = loss->tensors[i];
    Node *value = slot_value(elab, parameter->slot);
    Node *stepped = optimizer_step(elab, loss->name, loss->groups[i], parameter, value,
                                   loss->info.gradients[i]);
    if (!stepped) return false;
    slot_assign(elab, parameter->slot, stepped);
  }
  return true;
}

static void remember(Elab *elab, const Evaluated *loss) {
  Elaborated *result = elab->result;
  for (size_t i = 0; i < result->loss_count; i++)
    if (strcmp(result->losses[i].name, loss->name) == 0) return;
  PUSH(elab->arena, result->losses, result->loss_count, result->loss_capacity, loss->info);
}

bool losses_step(Elab *elab, const char **names, const Span *spans, size_t count, bool together) {
  const Tree *losses = tree_get(elab->spec, "losses");
  Evaluated *done = NEW_ARRAY(elab->arena, Evaluated, count);
  for (size_t i = 0; i < count; i++) {
    const Tree *tree = losses ? tree_get(losses, names[i]) : NULL;
    if (!tree) {
      const char *known[64];
      size_t n = 0;
      for (; losses && n < losses->entry_count && n < 64; n++) known[n] = losses->entries[n].key;
      return diag_error(elab->diag, spans[i], hint_nearest(elab->arena, names[i], known, n),
                        "there is no loss '%s'", names[i]);
    }
    done[i] = (Evaluated){.name = names[i]};
    if (!evaluate(elab, tree, &done[i])) return false;
    remember(elab, &done[i]);
    if (!together && !take_step(elab, &done[i])) return false;
  }
  for (size_t i = 0; together && i < count; i++)
    if (!take_step(elab, &done[i])) return false;
  return true;
}
