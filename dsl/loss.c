/* Losses: their scalar, its gradients with respect to what they are over, and the steps taken with
 * them. */
#include "dsl/data.h"

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
  bool good = true;
  if (!over)
    return elab_error(elab, tree->span, "as in  over: critic",
                      "the loss '%s' does not say what it is 'over'", loss->name);
  if (!tree_names(elab, over, &names, &spans, &count)) return false;
  if (count == 0)
    return elab_error(elab, over->span, "as in  over: critic", "the loss '%s' is over nothing",
                      loss->name);
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < i; k++)
      if (strcmp(names[i], names[k]) == 0)
        good = elab_error(elab, spans[i], "write it once", "'%s' stands in 'over' twice", names[i]);
    good = add_over(elab, loss, names[i], spans[i], &capacity) && good;
  }
  return good;
}

static const Tree *loss_value(const Tree *tree) {
  const Tree *minimize = tree_get(tree, "minimize");
  return minimize ? minimize : tree_get(tree, "maximize");
}

/* Notes where the axis entered a value: what has it, of parts that have not, or of a parameter. */
static void note_axis(Elab *elab, const Node *node, AxisId axis, Span whole) {
  Span span = {0};
  for (const Node *next = node; next;) {
    node = next;
    next = NULL;
    bool inner = node->span.line != whole.line || node->span.column != whole.column;
    if (node->span.source && node->span.source != elab->prelude_source && inner) span = node->span;
    for (int i = 0; i < op_of(node)->arity && !next; i++)
      if (axes_has(node->src[i]->axes, axis)) next = node->src[i];
  }
  if (span.source)
    diag_note(elab->diag, span, "the axis '%s' comes from here", elab->graph->axes[axis].label);
}

static Node *scalar(Elab *elab, Frame *frame, const Tree *tree, const char *what) {
  Node *node = eval_tree_node(elab, frame, tree);
  if (!node) return NULL;
  if (axes_empty(node->axes)) return node;
  AxisId order[MAX_AXES];
  int count = axes_order(elab->graph, node->axes, order);
  AxisId last = order[count - 1]; /* the innermost: of features, if there is one */
  bool feature = elab->graph->axes[last].order == AXIS_FEATURE;
  const char *label = elab->graph->axes[feature ? last : order[0]].label;
  const char *hint = "reduce it, as in mean[%s](...)";
  if (feature) hint = "reduce it, as in sum[%s](...)";
  if (feature && strcmp(label, "choice") == 0)
    hint = "the value of one choice is gather[%s](..., action)";
  elab_error(elab, tree->span, arena_printf(elab->arena, hint, label),
             "%s is not a scalar: it has axes %s", what,
             axes_text(elab->graph, elab->arena, node->axes));
  if (feature) note_axis(elab, node, last, tree->span);
  return NULL;
}

/* Adds an output metric. */
static void metric_output(Elab *elab, const char *name, Node *node) {
  const char *full = arena_printf(elab->arena, "metric.%s", name);
  uint32_t slot = RLC_NONE;
  for (uint32_t s = 0; s < elab->graph->slot_count; s++)
    if (strcmp(elab->graph->slots[s].name, full) == 0) slot = s;
  if (slot == RLC_NONE)
    slot = graph_slot(elab->graph, full, RLC_METRIC, RLC_F64, axes_none(), (Span){0});
  slot_assign(elab, slot, node);
}

Node *logged_value(Elab *elab, const char *loss, const char *name) {
  uint32_t metric = slot_named(elab, arena_printf(elab->arena, "metric.%s/%s", loss, name));
  const char *kept = arena_printf(elab->arena, "value.%s.%s", loss, name);
  uint32_t slot = slot_named(elab, kept);
  if (slot != RLC_NONE) return node_input(elab->graph, slot);
  for (size_t p = 0; metric != RLC_NONE && p < elab->module->program_count; p++) {
    Program *program = &elab->module->programs[p];
    if (program == elab->program) continue;
    for (size_t i = 0; i < program->output_count; i++) {
      if (program->outputs[i].slot != metric) continue;
      slot = graph_slot(elab->graph, kept, RLC_RESULT, RLC_F64, axes_none(), (Span){0});
      Output output = {slot, program->outputs[i].node};
      PUSH(elab->arena, program->outputs, program->output_count, program->output_capacity, output);
      return node_input(elab->graph, slot);
    }
  }
  return NULL;
}

/* Where a group stands in `over`. */
static Span over_span(Elab *elab, const Tree *over, const char *group) {
  const char **names;
  Span *spans;
  size_t count;
  if (tree_names(elab, over, &names, &spans, &count))
    for (size_t i = 0; i < count; i++)
      if (strcmp(names[i], group) == 0) return spans[i];
  return over->span;
}

/* Whether a derivative by argument `arg` is 0 as a factor of it is the number 0. */
static bool is_cancelled(const Node *node, int arg) {
  if (node->op == OP_mul) return node_is_const(node->src[1 - arg], 0);
  return node->op == OP_div && arg == 1 && node_is_const(node->src[0], 0);
}

/* Whether the derivative of the loss by a marked tensor is more than products with the number 0. */
static bool is_trained(Elab *elab, const Node *value, const Node *mark) {
  bool *reached = NEW_ARRAY(elab->arena, bool, value->id + 1);
  if (mark->id > value->id) return false;
  reached[value->id] = true;
  for (uint32_t id = value->id + 1; id-- > mark->id;) {
    const Node *node = elab->graph->nodes[id];
    for (int i = 0; reached[id] && i < 3; i++)
      if (node_flows(node, i) && !is_cancelled(node, i)) reached[node->src[i]->id] = true;
  }
  return reached[mark->id];
}

/* Every group in `over` must matter to the loss; a single tensor that does not, or that a factor 0
 * takes out, is reported as not trained. */
static bool check_reached(Elab *elab, const Tree *tree, const Evaluated *loss) {
  const LossInfo *info = &loss->info;
  const Tree *over = tree_get(tree, "over");
  bool good = true;
  for (size_t i = 0; i < info->count;) {
    size_t begin = i;
    bool any = false;
    Span span = over_span(elab, over, loss->groups[begin]);
    for (; i < info->count && loss->groups[i] == loss->groups[begin]; i++)
      any = node_reaches(elab->graph, elab->arena, info->value, info->marks[i]) || any;
    if (!any) {
      good = elab_error(elab, span, "remove it, or use it outside of stop(...)",
                        "the loss '%s' is over '%s' but its value does not depend on it",
                        loss->name, loss->groups[begin]);
      diag_note(elab->diag, loss_value(tree)->span, "the value");
      continue;
    }
    for (size_t k = begin; k < i; k++)
      if (!is_trained(elab, info->value, info->marks[k]))
        diag_warning(elab->diag, span, NULL,
                     "'%s' is not trained by the loss '%s': its gradient vanishes",
                     loss->tensors[k]->name, loss->name);
  }
  return good;
}

bool logs_elaborate(Elab *elab, Frame *frame, const Tree *log, const char *prefix) {
  bool good = true;
  for (size_t i = 0; log && i < log->entry_count; i++) {
    const char *name = arena_printf(elab->arena, "%s/%s", prefix, log->entries[i].key);
    Node *node = scalar(elab, frame, log->entries[i].value,
                        arena_printf(elab->arena, "the logged value '%s'", log->entries[i].key));
    if (node)
      metric_output(elab, name, node);
    else
      good = false;
  }
  return good;
}

/* Marks the tensors in `over`, so that the loss is differentiated with respect to them; `plain`
 * keeps what they are without. */
static void mark_tensors(Elab *elab, Evaluated *loss, Node **plain) {
  LossInfo *info = &loss->info;
  info->marks = NEW_ARRAY(elab->arena, Node *, info->count);
  info->gradients = NEW_ARRAY(elab->arena, Node *, info->count);
  info->slots = NEW_ARRAY(elab->arena, uint32_t, info->count);
  for (size_t i = 0; i < info->count; i++) {
    info->slots[i] = loss->tensors[i]->slot;
    plain[i] = slot_value(elab, info->slots[i]);
    info->marks[i] = node_mark(elab->graph, plain[i]);
    slot_assign(elab, info->slots[i], info->marks[i]);
  }
}

/* The lets that are tensors; draws are known already. */
static void lets_remember(Elab *elab, const Frame *frame) {
  Elaborated *result = elab->result;
  for (size_t i = 0; i < frame->count; i++) {
    const Entry *entry = &frame->entries[i];
    if (entry->value.kind != VALUE_NODE || !entry->value.node) continue;
    LetInfo info = {arena_printf(elab->arena, "%s.%s", frame->path, entry->name),
                    entry->value.node->axes};
    bool known = false; /* the loss is descended elsewhere, too */
    for (size_t k = 0; k < result->let_count && !known; k++)
      known = strcmp(result->lets[k].path, info.path) == 0;
    if (!known) PUSH(elab->arena, result->lets, result->let_count, result->let_capacity, info);
  }
}

/* The loss's scalar and what it logs, in a frame of its lets, all of which are evaluated: a later
 * loss may ask for them, and a mistake in one that nothing uses is a mistake. NULL after reporting.
 */
static Node *evaluate_value(Elab *elab, Frame *frame, const Tree *tree, const Evaluated *loss) {
  const Tree *minimize = tree_get(tree, "minimize"), *maximize = tree_get(tree, "maximize");
  if (!minimize == !maximize) {
    elab_error(elab, tree->span, NULL, "the loss '%s' needs either 'minimize' or 'maximize'",
               loss->name);
    return NULL;
  }
  Open open;
  scope_open(elab, &open, NULL, frame);
  bool good = frame_add_map(elab, frame, tree_get(tree, "let"), "let");
  Node *value = scalar(elab, frame, minimize ? minimize : maximize,
                       arena_printf(elab->arena, "the loss '%s'", loss->name));
  if (value) metric_output(elab, arena_printf(elab->arena, "losses/%s", loss->name), value);
  good = logs_elaborate(elab, frame, tree_get(tree, "log"), loss->name) && good;
  for (size_t i = 0; i < frame->count; i++) {
    Entry *entry = &frame->entries[i];
    bool used = entry->used; /* this is no use */
    good = eval_entry(elab, frame, entry, entry->span).kind != VALUE_ERROR && good;
    frame->entries[i].used = used;
  }
  lets_remember(elab, frame);
  good = writes_elaborate(elab, frame, loss->name, tree_get(tree, "write")) && good;
  scope_close(elab);
  if (!good || !value) return NULL;
  return minimize ? value : node1(elab->graph, OP_neg, value);
}

/* The value and the gradient requests. */
static bool evaluate(Elab *elab, const Tree *tree, Evaluated *loss) {
  LossInfo *info = &loss->info;
  bool good = read_over(elab, tree, loss);
  Node **plain = NEW_ARRAY(elab->arena, Node *, info->count + 1);
  info->name = loss->name;
  mark_tensors(elab, loss, plain);
  const char *path = path_enter(elab, arena_printf(elab->arena, "losses.%s", loss->name));
  Frame *frame = frame_make(elab, elab->globals, path);
  elab->path = arena_printf(elab->arena, "%s.minimize", path);
  elab->occurrence = 0;
  elab->training = true;
  info->value = evaluate_value(elab, frame, tree, loss);
  elab->training = false;
  for (size_t i = 0; i < info->count; i++) slot_assign(elab, info->slots[i], plain[i]);
  struct EvaluatedLoss done = {loss->name, frame};
  PUSH(elab->arena, elab->losses, elab->losses_count, elab->losses_capacity, done);
  if (!info->value || !good) return false;
  for (size_t i = 0; i < info->count; i++)
    info->gradients[i] = node_grad(elab->graph, info->value, info->marks[i]);
  lint_score(elab, info, loss_value(tree)->span);
  return check_reached(elab, tree, loss);
}

/* The length of all gradients of a descent as one vector. */
static Node *gradient_norm(Elab *elab, const Evaluated *losses, size_t count) {
  Graph *graph = elab->graph;
  Node *sum = node_const(graph, 0);
  for (size_t k = 0; k < count; k++)
    for (size_t i = 0; i < losses[k].info.count; i++) {
      Node *g = losses[k].info.gradients[i];
      sum = node2(graph, OP_add, sum, node_sum(graph, node2(graph, OP_mul, g, g), g->axes));
    }
  return node1(graph, OP_sqrt, sum);
}

/* Steps with the gradients of `count` losses that were taken at once. */
static bool take_steps(Elab *elab, const Evaluated *losses, size_t count) {
  Node *norm = gradient_norm(elab, losses, count);
  for (size_t k = 0; k < count; k++)
    for (size_t i = 0; i < losses[k].info.count; i++) {
      const Evaluated *loss = &losses[k];
      const Parameter *parameter = loss->tensors[i];
      OptimizerStep step = {.loss = loss->name,
                            .group = loss->groups[i],
                            .parameter = parameter,
                            .value = slot_value(elab, parameter->slot),
                            .gradient = loss->info.gradients[i],
                            .gradient_norm = norm};
      Node *stepped = optimizer_step(elab, step);
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

static bool loss_unknown(Elab *elab, const Tree *losses, const char *name, Span span) {
  const char *known[64];
  size_t count = 0;
  for (; losses && count < losses->entry_count && count < 64; count++)
    known[count] = losses->entries[count].key;
  elab_error(elab, span, hint_known(elab, name, known, count), "there is no loss '%s'", name);
  note_removed(elab, name);
  return false;
}

bool losses_step(Elab *elab, const char **names, const Span *spans, size_t count, bool together) {
  const Tree *losses = tree_get(elab->spec, "losses");
  Evaluated *done = NEW_ARRAY(elab->arena, Evaluated, count);
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    const Tree *tree = losses ? tree_get(losses, names[i]) : NULL;
    done[i] = (Evaluated){.name = names[i]};
    if (!tree) {
      good = loss_unknown(elab, losses, names[i], spans[i]);
      continue;
    }
    bool evaluated = evaluate(elab, tree, &done[i]);
    if (!evaluated) done[i].info.count = 0; /* nothing to step on */
    good = evaluated && good;
    remember(elab, &done[i]);
    if (!together) good = take_steps(elab, &done[i], 1) && good;
  }
  if (together) good = take_steps(elab, done, count) && good;
  return good;
}
