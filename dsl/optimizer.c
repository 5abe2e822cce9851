/* Optimisers: text in the prelude or the spec, applied to one parameter at a time. */
#include "dsl/scope.h"

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

/* The state tensors of (loss, parameter), declared at the first step. */
static bool declare_states(Elab *elab, Frame *frame, const Tree *map, const char *loss,
                           const Parameter *parameter) {
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    const char *name =
        arena_printf(elab->arena, "optimizer.%s.%s.%s", loss, parameter->name, entry->key);
    uint32_t slot = RLC_NONE;
    for (uint32_t s = 0; s < elab->graph->slot_count; s++)
      if (strcmp(elab->graph->slots[s].name, name) == 0) slot = s;
    if (slot == RLC_NONE) {
      Axes axes = parameter->axes;
      const Tree *init = entry->value;
      if (init->kind == TREE_MAP) {
        if (tree_get(init, "axes") && !declared_axes(elab, tree_get(init, "axes"), &axes))
          return false;
        init = tree_get(init, "init");
      }
      Node *value = init_value(elab, frame, init, "0", name, axes, 0, 0);
      if (!value) return false;
      slot = slot_declare(elab, name, RLC_OPTIMIZER, axes, value, entry->key_span);
    }
    Entry *added =
        frame_add(elab, frame, entry->key, "optimizer state", entry->key_span, (Value){0});
    added->state = ENTRY_SLOT;
    added->slot = slot;
  }
  return true;
}

/* All right sides of `set` see the state as it was before the step. */
static bool set_states(Elab *elab, Frame *frame, const Tree *map) {
  size_t count = map ? map->entry_count : 0;
  Node **values = NEW_ARRAY(elab->arena, Node *, count + 1);
  uint32_t *slots = NEW_ARRAY(elab->arena, uint32_t, count + 1);
  for (size_t i = 0; i < count; i++) {
    const Entry *entry = frame_find(frame, map->entries[i].key);
    if (!entry || entry->state != ENTRY_SLOT)
      return elab_error(elab, map->entries[i].key_span, NULL,
                        "'%s' is not a state of this optimizer", map->entries[i].key);
    slots[i] = entry->slot;
    if (!(values[i] = eval_tree_node(elab, frame, map->entries[i].value))) return false;
    if (!axes_within(values[i]->axes, elab->graph->slots[slots[i]].axes))
      return elab_error(elab, map->entries[i].value->span, NULL,
                        "the new value of '%s' has axes %s", map->entries[i].key,
                        axes_text(elab->graph, elab->arena, values[i]->axes));
  }
  for (size_t i = 0; i < count; i++) slot_assign(elab, slots[i], values[i]);
  return true;
}

/* The frame of the optimiser's arguments. NULL after reporting. */
static Frame *optimizer_frame(Elab *elab, const Tree *tree, Function **function) {
  const Expr *call = tree_expr(elab, tree);
  if (!call) return NULL;
  if (call->kind != EXPR_NAME || !call->called)
    return elab_error(elab, call->span, "as in adam(3e-4)", "an optimizer is a call"), NULL;
  *function = optimizer_function(elab, call);
  return *function ? call_frame(elab, *function, call, elab->globals) : NULL;
}

void optimizer_check(Elab *elab, const Tree *tree) {
  Function *function;
  elab->path = "optimizers";
  optimizer_frame(elab, tree, &function);
}

/* The new parameter and the new state, from the optimiser's text. NULL after reporting. */
static Node *apply(Elab *elab, Frame *frame, const Function *function, const char *loss,
                   const Parameter *parameter, Node *value, Node *gradient) {
  const Tree *body = function->body, *let = tree_get(body, "let");
  Span span = parameter->init ? parameter->init->span : (Span){0};
  if (!declare_states(elab, frame, tree_get(body, "state"), loss, parameter)) return NULL;
  frame_add(elab, frame, "parameter", "parameter", span, value_node(value));
  frame_add(elab, frame, "gradient", "parameter", span, value_node(gradient));
  for (size_t i = 0; let && i < let->entry_count; i++)
    frame_add_lazy(elab, frame, let->entries[i].key, "let", let->entries[i].key_span,
                   let->entries[i].value);
  Node *stepped = eval_tree_node(elab, frame, tree_get(body, "step"));
  if (!stepped || !set_states(elab, frame, tree_get(body, "set"))) return NULL;
  return stepped;
}

Node *optimizer_step(Elab *elab, const char *loss, const char *group, const Parameter *parameter,
                     Node *value, Node *gradient) {
  const Tree *tree = optimizer_tree(elab, loss, group);
  if (!tree) {
    const TreeEntry *entry = tree_entry(tree_get(elab->spec, "losses"), loss);
    elab_error(elab, entry ? entry->key_span : elab->spec->span,
               "as in  optimizers: {default: adam(3e-4)}", "no optimizer for the loss '%s'", loss);
    return NULL;
  }
  Function *function;
  Frame *frame = optimizer_frame(elab, tree, &function);
  if (!frame) return NULL;
  struct Site former = site_enter(elab, elab->globals, tree_expr(elab, tree));
  Node *stepped = apply(elab, frame, function, loss, parameter, value, gradient);
  if (stepped && !axes_within(stepped->axes, parameter->axes)) {
    elab_error(elab, tree->span, "it may have those of the parameter alone",
               "the optimizer's step for '%s' has axes %s", parameter->name,
               axes_text(elab->graph, elab->arena, stepped->axes));
    stepped = NULL;
  }
  elab->site = former;
  return stepped;
}
