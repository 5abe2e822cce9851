/* Lists of layers: every layer but a dense one is a function of what flows. */
#include "dsl/scope.h"

#include <string.h>

/* ---- names of tensors ---- */

const char *layers_enter(Elab *elab, const char *name) {
  Layers *layers = elab->layers;
  if (!layers) return NULL;
  const char *former = layers->prefix, *scope = arena_printf(elab->arena, "%s.%s", former, name);
  unsigned count = 1;
  for (size_t i = 0; i < layers->scope_count; i++) count += strcmp(layers->scopes[i], scope) == 0;
  PUSH(elab->arena, layers->scopes, layers->scope_count, layers->scope_capacity, scope);
  layers->prefix = arena_printf(elab->arena, "%s%u", scope, count);
  return former;
}

void layers_leave(Elab *elab, const char *prefix) {
  if (elab->layers) elab->layers->prefix = prefix;
}

/* ---- functions of what flows ---- */

/* The features behind a layer: those that are left, and new axes. */
static Axes features_after(const Layers *layers, const Flow *flow, const Node *node) {
  const Graph *graph = layers->elab->graph;
  Axes in = layers->network->copies, features = axes_none();
  for (size_t i = 0; i < flow->count; i++) {
    in = axes_union(in, flow->values[i]->axes);
    features = axes_union(features, flow->features[i]);
  }
  Axes out = axes_minus(node->axes, axes_minus(in, features)), kept = axes_none();
  unsigned cursor = 0;
  for (AxisId x; axes_next(out, &cursor, &x);)
    if (graph->axes[x].order >= AXIS_DRAW) kept = axes_union(kept, axes_one(x));
  return kept;
}

/* Parameters that a call must give. */
static uint32_t needed(const Function *function) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < function->signature->arg_count; i++)
    count += !function->signature->args[i].name;
  return count;
}

static bool is_join(const Function *function, size_t count) {
  if (count == 1) return true;
  if (function->kind == FUNCTION_NETWORK) return function->network->input_count == count;
  return function->kind == FUNCTION_DEFINE && needed(function) >= count;
}

static bool report_join(Elab *elab, const Expr *item) {
  return elab_error(elab, item->span, "a dense layer joins them",
                    "the first layer of a network with several inputs must be dense");
}

/* A define or a network, given what flows as its first arguments. NULL after reporting. */
static Node *call_layer(Layers *layers, const Flow *flow, const Expr *item, Function *function) {
  Elab *elab = layers->elab;
  Value given[COUNTOF(flow->values)];
  if (!is_join(function, flow->count)) return report_join(elab, item), NULL;
  for (size_t i = 0; i < flow->count; i++) given[i] = value_node(flow->values[i]);
  AxisId first = 0;
  unsigned cursor = 0;
  bool has = flow->count == 1 && axes_next(flow->features[0], &cursor, &first) &&
             axes_equal(flow->features[0], axes_one(first));
  Value value = call_function(elab, function, item, elab->globals, given, flow->count, first, has);
  return value_tensor(elab, value, item->span);
}

/* An elementwise operation by its name. NULL after reporting. */
static Node *operation_layer(Layers *layers, const Flow *flow, const Expr *item) {
  Elab *elab = layers->elab;
  OpCode op = op_find(item->text);
  bool single = op != OP_COUNT && !op_table[op].shaped && op_table[op].arity == 1;
  if (!single) return report_unknown(elab, elab->globals, item, "layer"), NULL;
  if (item->arg_count || item->bracketed)
    return elab_error(elab, item->span, "write the name alone", "the layer '%s' takes no arguments",
                      item->text),
           NULL;
  if (flow->count != 1) return report_join(elab, item), NULL;
  return eval_op(elab, item->span, op, flow->values[0], NULL, NULL);
}

/* Any function of what flows. */
static bool function_layer(Layers *layers, Flow *flow, const Expr *item) {
  Elab *elab = layers->elab;
  Frame *holder;
  Entry *entry = frame_lookup(elab->globals, item->text, &holder);
  Value value = entry ? eval_entry(elab, holder, entry, item->span) : value_error();
  Node *node = NULL;
  if (!entry)
    node = operation_layer(layers, flow, item);
  else if (value.kind == VALUE_FUNCTION)
    node = call_layer(layers, flow, item, value.function);
  else if (value.kind != VALUE_ERROR)
    elab_error(elab, item->span, "as in dense(64), relu", "the %s '%s' is not a layer", entry->what,
               item->text);
  if (!node) return false;
  *flow = (Flow){{node}, {features_after(layers, flow, node)}, {"x"}, 1};
  return true;
}

/* ---- lists ---- */

static bool has_dense(const Expr *item) {
  if (item->kind != EXPR_NAME) return false;
  if (strcmp(item->text, "dense") == 0) return true;
  bool any = false;
  for (uint32_t i = 0; strcmp(item->text, "residual") == 0 && i < item->arg_count; i++)
    any = any || has_dense(item->args[i].value);
  return any;
}

static bool apply(Layers *layers, Flow *flow, const Expr *item, bool last);

/* Applies the items; the last that is or holds a dense layer is the last one if the list is. */
static bool apply_all(Layers *layers, Flow *flow, Expr *const *items, size_t count, bool ends) {
  size_t last = 0;
  for (size_t i = 0; i < count; i++)
    if (has_dense(items[i])) last = i;
  for (size_t i = 0; i < count; i++)
    if (!apply(layers, flow, items[i], ends && i == last)) return false;
  return true;
}

/* What the layers of a residual give, along the axis of its input. NULL after reporting. */
static Node *aligned(Layers *layers, const Flow *flow, const Flow *inner, const Expr *item) {
  Elab *elab = layers->elab;
  Axes from = inner->features[0], to = flow->features[0];
  AxisId x, y;
  unsigned a = 0, b = 0;
  if (axes_equal(from, to)) return inner->values[0];
  bool fits = axes_extent(elab->graph, from) == axes_extent(elab->graph, to) &&
              axes_next(from, &a, &x) && axes_next(to, &b, &y) && axes_equal(from, axes_one(x)) &&
              axes_equal(to, axes_one(y));
  if (fits) return node_rename(elab->graph, inner->values[0], x, y);
  elab_error(elab, item->span, "end it with a dense layer of as many units as flow in",
             "a residual adds to its input: that has %s, and its layers give %s",
             axes_text(elab->graph, elab->arena, to), axes_text(elab->graph, elab->arena, from));
  return NULL;
}

/* residual(layers...): adds what they give to what flows. */
static bool residual(Layers *layers, Flow *flow, const Expr *item, bool last) {
  Elab *elab = layers->elab;
  if (flow->count != 1) return report_join(elab, item);
  if (item->bracketed || item->arg_count == 0)
    return elab_error(elab, item->span, "as in residual(relu, dense(256))",
                      "a residual takes the layers around which its input is added");
  Expr **items = NEW_ARRAY(elab->arena, Expr *, item->arg_count);
  for (uint32_t i = 0; i < item->arg_count; i++) {
    items[i] = item->args[i].value;
    if (item->args[i].name)
      return elab_error(elab, item->args[i].name_span, NULL, "layers have no names");
  }
  Flow inner = *flow;
  if (!apply_all(layers, &inner, items, item->arg_count, last)) return false;
  Node *change = aligned(layers, flow, &inner, item);
  flow->values[0] = eval_op(elab, item->span, OP_add, flow->values[0], change, NULL);
  return flow->values[0] != NULL;
}

static bool apply(Layers *layers, Flow *flow, const Expr *item, bool last) {
  if (item->kind != EXPR_NAME)
    return elab_error(layers->elab, item->span, "as in dense(256), relu",
                      "a layer is a name or a call");
  layers->item = item;
  layers->last = last;
  if (strcmp(item->text, "dense") == 0) return dense_layer(layers, flow, item);
  if (strcmp(item->text, "residual") == 0) return residual(layers, flow, item, last);
  return function_layer(layers, flow, item);
}

static bool layer_list(Elab *elab, const Tree *tree, Expr ***items, size_t *count) {
  if (tree->kind == TREE_SCALAR)
    return expr_read_list(elab->arena, elab->diag, tree->text, items, count);
  if (tree->kind != TREE_LIST)
    return elab_error(elab, tree->span, NULL, "expected a list of layers");
  *items = NEW_ARRAY(elab->arena, Expr *, tree->item_count);
  for (*count = 0; *count < tree->item_count; (*count)++)
    if (!((*items)[*count] = (Expr *)tree_expr(elab, tree->items[*count]))) return false;
  return true;
}

bool layers_apply(Layers *layers, Flow *flow, const Tree *tree, bool ends) {
  Expr **items;
  size_t count;
  return layer_list(layers->elab, tree, &items, &count) &&
         apply_all(layers, flow, items, count, ends);
}
