/* Layers: dense ones mint parameters, every other layer is a function of what flows. */
#include "dsl/scope.h"

#include <string.h>

#define UNIT_LIMIT 1000000

Node *layers_parameter(Layers *layers, const char *name, Axes axes, double fan_in, double fan_out,
                       const Tree *init) {
  Elab *elab = layers->elab;
  Network *network = layers->network;
  if (layers->declaring) {
    const char *full = arena_printf(elab->arena, "%s.%s", layers->prefix, name);
    if (!size_check(elab, layers->item->span, arena_printf(elab->arena, "'%s'", full), axes))
      return NULL;
    struct Site former = site_enter(elab, elab->globals, layers->item);
    Node *value = init_value(elab, elab->globals, init, fan_in ? "lecun_normal()" : "0", full, axes,
                             fan_in, fan_out);
    elab->site = former;
    if (!value) return NULL;
    uint32_t slot = slot_declare(elab, full, RLC_PARAMETER, axes, value, layers->site->span);
    Parameter parameter = {full, axes, slot, value};
    PUSH(elab->arena, network->parameters, network->count, network->capacity, parameter);
  }
  const Parameter *parameter = &network->parameters[layers->next++];
  if (!layers->copy) return slot_value(elab, parameter->slot);
  const char *copied = arena_printf(elab->arena, "%s.%s", layers->copy, parameter->name);
  for (size_t t = 0; t < elab->target_count; t++)
    for (size_t i = 0; i < elab->targets[t].copy_count; i++)
      if (strcmp(elab->targets[t].copies[i].name, copied) == 0)
        return slot_value(elab, elab->targets[t].copies[i].slot);
  bug("no copy of the parameter %s", copied);
}

/* The axes of a dense layer's units: a fresh one for dense(256), named ones for dense[act] or
 * dense[bin=151], none for dense(). */
static bool dense_units(Layers *layers, const Expr *item, Axes *units) {
  Elab *elab = layers->elab;
  *units = axes_none();
  if (item->bracketed) {
    for (uint32_t i = 0; i < item->axis_count; i++) {
      int axis = axis_minted(elab, elab->globals, &item->axes[i], AXIS_FEATURE);
      if (axis < 0) return false;
      *units = axes_union(*units, axes_one((AxisId)axis));
    }
    return true;
  }
  if (item->arg_count == 0) return true;
  Node *size = eval_node(elab, elab->globals, item->args[0].value);
  if (!size) return false;
  const Expr *given = item->args[0].value;
  if (item->arg_count != 1 || item->args[0].name)
    return elab_error(elab, item->span, "as in dense(256), or dense[act]",
                      "a dense layer takes its number of units");
  if (size->op != OP_const)
    return elab_error(elab, given->span, "a number, or an expression of constants",
                      "the number of units must be a constant");
  double n = size->attr.value;
  if (!(n >= 1 && n <= UNIT_LIMIT && n == (double)(uint32_t)n))
    return number_error(elab, elab->globals, given, NULL,
                        "the number of units must be a whole number from 1 to %d, not %.10g",
                        UNIT_LIMIT, n);
  const char *label = arena_printf(elab->arena, "%s.dense%u", layers->prefix, layers->dense);
  int axis = axis_fresh(elab, label, layers->network->name, (uint32_t)n, AXIS_FEATURE, item->span);
  if (axis < 0) return false;
  *units = axes_one((AxisId)axis);
  return true;
}

/* sum over inputs of sum[feature](x * w) + b. */
static bool dense(Layers *layers, Flow *flow, const Expr *item) {
  Elab *elab = layers->elab;
  layers->dense++;
  Axes units;
  if (!dense_units(layers, item, &units)) return false;
  double fan_in = 0;
  for (size_t i = 0; i < flow->count; i++) {
    if (flow->features[i] < 0)
      return elab_error(
          elab, item->span, NULL,
          "a dense layer needs an input with an axis of features, and this is a scalar");
    if (axes_has(units, (AxisId)flow->features[i]))
      return elab_error(elab, item->span, "give the layer an axis of its own",
                        "the layer's input already has the axis '%s'",
                        elab->graph->axes[flow->features[i]].label);
    fan_in += elab->graph->axes[flow->features[i]].extent;
  }
  const Tree *init = tree_get(layers->network->tree, "init");
  const char *layer = arena_printf(elab->arena, "dense%u", layers->dense);
  Axes own = axes_union(layers->network->copies, units);
  Node *sum = NULL;
  for (size_t i = 0; i < flow->count; i++) {
    AxisId feature = (AxisId)flow->features[i];
    const char *name =
        arena_printf(elab->arena, flow->count > 1 ? "%s.w.%s" : "%s.w", layer, flow->names[i]);
    Node *w = layers_parameter(layers, name, axes_union(own, axes_one(feature)), fan_in,
                               (double)axes_extent(elab->graph, units), init);
    Node *product = w ? eval_op(elab, layers->site->span, OP_mul, flow->values[i], w, NULL) : NULL;
    if (!product) return false;
    product = node_sum(elab->graph, product, axes_one(feature));
    sum = sum ? eval_op(elab, layers->site->span, OP_add, sum, product, NULL) : product;
    if (!sum) return false;
  }
  Node *b = layers_parameter(layers, arena_printf(elab->arena, "%s.b", layer), own, 0, 0, NULL);
  if (!b) return false;
  unsigned cursor = 0;
  AxisId unit;
  bool has_unit = axes_next(units, &cursor, &unit);
  *flow = (Flow){{node2(elab->graph, OP_add, sum, b)}, {has_unit ? unit : -1}, {"x"}, 1};
  return true;
}

/* Any function of one tensor: a define (given the flow as its first argument) or an elementwise op.
 */
static bool function_layer(Layers *layers, Flow *flow, const Expr *item) {
  Elab *elab = layers->elab;
  if (flow->count != 1)
    return elab_error(elab, item->span, "a dense layer joins them",
                      "the first layer of a network with several inputs must be dense");
  Frame *holder;
  Entry *entry = frame_lookup(elab->globals, item->text, &holder);
  Value value = entry ? eval_entry(elab, holder, entry, item->span) : value_error();
  Node *node = NULL;
  if (entry && value.kind == VALUE_FUNCTION) {
    Value given = value_node(flow->values[0]);
    value = call_function(elab, value.function, item, elab->globals, &given, 1,
                          (AxisId)flow->features[0], flow->features[0] >= 0);
    node = value_tensor(elab, value, item->span);
  } else if (entry) {
    return value.kind != VALUE_ERROR &&
           elab_error(elab, item->span, "as in dense(64), relu", "the %s '%s' is not a layer",
                      entry->what, item->text);
  } else {
    OpCode op = op_find(item->text);
    bool single = op != OP_COUNT && !op_table[op].shaped && op_table[op].arity == 1;
    if (single && (item->arg_count || item->bracketed))
      return elab_error(elab, item->span, "write the name alone",
                        "the layer '%s' takes no arguments", item->text);
    if (op == OP_COUNT || op_table[op].shaped || op_table[op].arity != 1 || item->arg_count)
      return report_unknown(elab, elab->globals, item, "layer"), false;
    node = eval_op(elab, item->span, op, flow->values[0], NULL, NULL);
  }
  flow->values[0] = node;
  return node != NULL;
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

bool layers_apply(Layers *layers, Flow *flow, const Tree *tree) {
  Expr **items;
  size_t count;
  if (!layer_list(layers->elab, tree, &items, &count)) return false;
  for (size_t i = 0; i < count; i++) {
    if (items[i]->kind != EXPR_NAME)
      return elab_error(layers->elab, items[i]->span, "as in dense(256), relu",
                        "a layer is a name or a call");
    layers->item = items[i];
    bool good = strcmp(items[i]->text, "dense") == 0 ? dense(layers, flow, items[i])
                                                     : function_layer(layers, flow, items[i]);
    if (!good) return false;
  }
  return true;
}
