/* Optimisers: text in the prelude or the spec, applied to one parameter at a time. */
#include "dsl/scope.h"

#include <math.h>
#include <string.h>

/* The optimiser that `optimizers:` gives for a loss or a parameter group; the most specific name
 * wins. */
static const Tree *optimizer_tree(const Elab *elab, const char *loss, const char *group) {
  const Tree *map = tree_get(elab->spec, "optimizers");
  const char *names[] = {group, loss, "default"};
  for (size_t i = 0; map && i < COUNTOF(names); i++) {
    const Tree *tree = tree_get(map, names[i]);
    if (tree) return tree;
  }
  return NULL;
}

/* The define behind the call, which must say how to `step`; NULL after reporting. */
static Function *optimizer_function(Elab *elab, const Expr *call) {
  Frame *holder;
  Entry *entry = frame_lookup(elab->globals, call->text, &holder);
  if (!entry) {
    report_unknown(elab, elab->globals, call, "optimizer");
    return NULL;
  }
  Value value = eval_entry(elab, holder, entry, call->span);
  if (value.kind == VALUE_FUNCTION && value.function->kind == FUNCTION_DEFINE &&
      tree_get(value.function->body, "step"))
    return value.function;
  if (value.kind != VALUE_ERROR)
    elab_error(elab, call->span, "as in adam(3e-4)",
               "'%s' is not an optimizer: its define has no 'step'", call->text);
  return NULL;
}

/* The states of (loss, parameter), as names; those that something reads get a slot. */
static void add_states(Elab *elab, Frame *frame, const Tree *map) {
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    Entry *added =
        frame_add(elab, frame, entry->key, "optimizer state", entry->key_span, (Value){0});
    added->state = ENTRY_SLOT;
    added->slot = RLC_NONE;
  }
}

static uint32_t declare_state(Elab *elab, const char *full, const TreeEntry *entry) {
  const OptimizerStep *step = elab->optimizing;
  Axes axes = step->parameter->axes;
  const Tree *init = entry->value;
  if (init->kind == TREE_MAP) {
    if (tree_get(init, "axes") && !declared_axes(elab, tree_get(init, "axes"), &axes))
      return RLC_NONE;
    init = tree_get(init, "init");
  }
  if (!kept_check(elab, entry->key_span, arena_printf(elab->arena, "'%s'", full), axes))
    return RLC_NONE;
  Node *value = init_value(elab, step->frame, init, "0", full, axes, (Fans){0});
  return value ? slot_declare(elab, full, RLC_OPTIMIZER, axes, value, entry->key_span) : RLC_NONE;
}

uint32_t optimizer_state(Elab *elab, const char *name) {
  const OptimizerStep *step = elab->optimizing;
  const char *full =
      arena_printf(elab->arena, "optimizer.%s.%s.%s", step->loss, step->parameter->name, name);
  for (uint32_t s = 0; s < elab->graph->slot_count; s++)
    if (strcmp(elab->graph->slots[s].name, full) == 0) return s;
  return declare_state(elab, full, tree_entry(step->states, name));
}

/* The new value of one state. NULL after reporting. */
static Node *state_value(Elab *elab, Frame *frame, const TreeEntry *entry, uint32_t slot) {
  Node *value = eval_tree_node(elab, frame, entry->value);
  if (!value || axes_within(value->axes, elab->graph->slots[slot].axes)) return value;
  return elab_error(elab, entry->value->span, NULL, "the new value of '%s' has axes %s", entry->key,
                    axes_text(elab->graph, elab->arena, value->axes)),
         NULL;
}

static bool check_states(Elab *elab, const Frame *frame, const Tree *map) {
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const Entry *entry = frame_find(frame, map->entries[i].key);
    if (!entry || entry->state != ENTRY_SLOT)
      good = elab_error(elab, map->entries[i].key_span, "its states stand under 'state'",
                        "'%s' is not a state of this optimizer", map->entries[i].key);
  }
  return good;
}

/* All right sides of `set` see the state as it was before the step. The new value of one state may
 * be the first to read another. */
static bool set_states(Elab *elab, Frame *frame, const Tree *map) {
  size_t count = map ? map->entry_count : 0;
  Node **values = NEW_ARRAY(elab->arena, Node *, count + 1);
  uint32_t *slots = NEW_ARRAY(elab->arena, uint32_t, count + 1);
  if (!check_states(elab, frame, map)) return false;
  for (size_t i = 0, left = count; left; i = (i + 1) % count, left--) {
    slots[i] = frame_find(frame, map->entries[i].key)->slot;
    if (values[i] || slots[i] == RLC_NONE) continue;
    if (!(values[i] = state_value(elab, frame, &map->entries[i], slots[i]))) return false;
    left = count + 1;
  }
  for (size_t i = 0; i < count; i++)
    if (values[i]) slot_assign(elab, slots[i], values[i]);
  return true;
}

/* The place of a parameter among the call's arguments, or NULL where it was left out. */
static const Expr *argument_of(const Expr *call, const char *name, uint32_t place) {
  for (uint32_t i = 0; i < call->arg_count; i++) {
    const char *given = call->args[i].name;
    if (given ? strcmp(given, name) == 0 : i == place) return call->args[i].value;
  }
  return NULL;
}

/* Refuses numbers that would spoil every parameter at the first step. Infinite is what the define
 * itself leaves so: a bound. */
static bool arguments_finite(Elab *elab, Frame *frame, const Function *function, const Expr *call) {
  for (uint32_t i = 0; i < function->signature->arg_count; i++) {
    const ExprArg *parameter = &function->signature->args[i];
    const char *name = parameter->name ? parameter->name : parameter->value->text;
    const Value *value = &frame_find(frame, name)->value;
    const Expr *given = argument_of(call, name, i);
    bool constant = given && value->kind == VALUE_NODE && value->node->op == OP_const;
    if (!constant || isfinite(value->node->attr.value)) continue;
    if (parameter->name && eval_node(elab, frame, parameter->value) == value->node) continue;
    double number = value->node->attr.value;
    return number_error(elab, elab->globals, given, NULL, "'%s' of '%s' must be finite, not %s",
                        name, function->name,
                        isnan(number) ? "nan"
                        : number > 0  ? "inf"
                                      : "-inf");
  }
  return true;
}

/* The frame of the optimiser's arguments. NULL after reporting. */
static Frame *optimizer_frame(Elab *elab, const Tree *tree, Function **function) {
  const Expr *call = tree_expr(elab, tree);
  if (!call) return NULL;
  if (call->kind != EXPR_NAME || !call->called)
    return elab_error(elab, call->span, "as in adam(3e-4)", "an optimizer is a call"), NULL;
  *function = optimizer_function(elab, call);
  Frame *frame = *function ? call_frame(elab, *function, call, elab->globals) : NULL;
  return frame && arguments_finite(elab, frame, *function, call) ? frame : NULL;
}

void optimizer_check(Elab *elab, const Tree *tree) {
  Function *function;
  elab->path = "optimizers";
  optimizer_frame(elab, tree, &function);
}

/* The new parameter and the new state, from the optimiser's text. NULL after reporting. */
static Node *apply(Elab *elab, OptimizerStep *step, const Function *function) {
  const Tree *body = function->body, *let = tree_get(body, "let");
  Span span = step->parameter->init ? step->parameter->init->span : (Span){0};
  Frame *frame = step->frame;
  step->states = tree_get(body, "state");
  add_states(elab, frame, step->states);
  frame_add(elab, frame, "parameter", "parameter", span, value_node(step->value));
  frame_add(elab, frame, "gradient", "parameter", span, value_node(step->gradient));
  frame_add(elab, frame, "gradient_norm", "parameter", span, value_node(step->gradient_norm));
  for (size_t i = 0; let && i < let->entry_count; i++)
    frame_add_lazy(elab, frame, let->entries[i].key, "let", let->entries[i].key_span,
                   let->entries[i].value);
  const Tree *require = tree_get(body, "require");
  if (require && !requirement_holds(elab, frame, require, elab->site.call)) return NULL;
  Node *stepped = eval_tree_node(elab, frame, tree_get(body, "step"));
  if (!stepped || !set_states(elab, frame, tree_get(body, "set"))) return NULL;
  return stepped;
}

Node *optimizer_step(Elab *elab, OptimizerStep step) {
  const Tree *tree = optimizer_tree(elab, step.loss, step.group);
  if (!tree) {
    const TreeEntry *entry = tree_entry(tree_get(elab->spec, "losses"), step.loss);
    elab_error(elab, entry ? entry->key_span : elab->spec->span,
               "as in  optimizers: {default: adam(3e-4)}", "no optimizer for the loss '%s'",
               step.loss);
    return NULL;
  }
  Function *function;
  step.frame = optimizer_frame(elab, tree, &function);
  if (!step.frame) return NULL;
  Open open;
  scope_open(elab, &open, NULL, step.frame);
  struct Site former = site_enter(elab, elab->globals, tree_expr(elab, tree));
  elab->optimizing = &step;
  Node *stepped = apply(elab, &step, function);
  elab->optimizing = NULL;
  scope_close(elab);
  if (stepped && !axes_within(stepped->axes, step.parameter->axes)) {
    elab_error(elab, tree->span, "it may have those of the parameter alone",
               "the optimizer's step for '%s' has axes %s", step.parameter->name,
               axes_text(elab->graph, elab->arena, stepped->axes));
    stepped = NULL;
  }
  elab->site = former;
  return stepped;
}
