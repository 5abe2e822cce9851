/* Tensors of layers: dense layers, as an item of a list or as an expression in a define, and what a
 * define learns by itself. */
#include "dsl/scope.h"

#include <string.h>

#define UNIT_LIMIT 1000000

/* ---- parameters ---- */

/* What a layer asks for: a tensor and how it starts. */
typedef struct Wanted {
  const char *name; /* below the walk's prefix */
  Axes axes, features;
  Frame *frame;     /* where `init` is evaluated */
  const Expr *init; /* NULL: `tree`, and without either `fallback` */
  const Tree *tree;
  const char *fallback;
  Fans fans;
} Wanted;

/* Initial values know nothing of what will flow. */
static bool depends_on_inputs(const Layers *layers, const Node *node) {
  const Elab *elab = layers->elab;
  for (size_t i = 0; i < layers->network->input_count; i++)
    if (node_reaches(elab->graph, elab->arena, node, layers->inputs[i])) return true;
  return false;
}

static const Parameter *mint(Layers *layers, const Wanted *wanted, const char *full) {
  Elab *elab = layers->elab;
  Network *network = layers->network;
  if (!kept_check(elab, layers->item->span, arena_printf(elab->arena, "'%s'", full), wanted->axes))
    return NULL;
  struct Site former = site_enter(elab, elab->globals, layers->item);
  Node *value = wanted->init ? init_expression(elab, wanted->frame, wanted->init, full,
                                               wanted->axes, wanted->fans)
                             : init_value(elab, elab->globals, wanted->tree, wanted->fallback, full,
                                          wanted->axes, wanted->fans);
  if (value && depends_on_inputs(layers, value)) {
    elab_error(elab, wanted->init ? wanted->init->span : layers->item->span,
               "initial values are made before there is data",
               "the initial value of '%s' depends on what flows through the layers", full);
    value = NULL;
  }
  elab->site = former;
  if (!value) return NULL;
  uint32_t slot = slot_declare(elab, full, RLC_PARAMETER, wanted->axes, value, layers->site->span);
  Parameter parameter = {full, wanted->axes, slot, value, wanted->features};
  PUSH(elab->arena, network->parameters, network->count, network->capacity, parameter);
  return &network->parameters[network->count - 1];
}

static const Parameter *known(const Network *network, const char *full) {
  for (size_t i = 0; i < network->count; i++)
    if (strcmp(network->parameters[i].name, full) == 0) return &network->parameters[i];
  return NULL;
}

/* The tensor in the copy that is walked through. */
static Node *value_of(const Layers *layers, const Parameter *parameter) {
  Elab *elab = layers->elab;
  if (!layers->copy) return slot_value(elab, parameter->slot);
  const char *copied = arena_printf(elab->arena, "%s.%s", layers->copy, parameter->name);
  for (size_t t = 0; t < elab->target_count; t++)
    for (size_t i = 0; i < elab->targets[t].copy_count; i++)
      if (strcmp(elab->targets[t].copies[i].name, copied) == 0)
        return slot_value(elab, elab->targets[t].copies[i].slot);
  bug("no copy of the parameter %s", copied);
}

/* The tensor of that name: minted while declaring. NULL after reporting. */
static Node *tensor(Layers *layers, const Wanted *wanted) {
  Elab *elab = layers->elab;
  const char *full = arena_printf(elab->arena, "%s.%s", layers->prefix, wanted->name);
  const Parameter *parameter = known(layers->network, full);
  if (layers->declaring && parameter)
    return elab_error(elab, layers->item->span, "give each its own name",
                      "the tensor '%s' is learned twice", full),
           NULL;
  if (layers->declaring) parameter = mint(layers, wanted, full);
  if (!parameter && !layers->declaring) bug("no parameter %s", full);
  return parameter ? value_of(layers, parameter) : NULL;
}

/* ---- units ---- */

/* dense(256): a fresh axis. */
static bool fresh_units(Layers *layers, const Expr *item, Axes *units) {
  Elab *elab = layers->elab;
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
  int axis = axis_fresh(elab, layers->prefix, layers->network->name, (uint32_t)n, AXIS_FEATURE,
                        item->span);
  if (axis < 0) return false;
  *units = axes_one((AxisId)axis);
  return true;
}

/* The axes of a dense layer's units: a fresh one for dense(256), named ones for dense[act] or
 * dense[bin=151], none for dense(). */
static bool dense_units(Layers *layers, Frame *frame, const Expr *item, Axes *units) {
  Elab *elab = layers->elab;
  *units = axes_none();
  if (!item->bracketed) return item->arg_count == 0 || fresh_units(layers, item, units);
  for (uint32_t i = 0; i < item->axis_count; i++) {
    int axis = axis_minted(elab, frame, &item->axes[i], AXIS_FEATURE);
    if (axis < 0) return false;
    *units = axes_union(*units, axes_one((AxisId)axis));
  }
  return true;
}

/* ---- dense layers ---- */

/* The initialiser of weights or of biases: the network's, else the spec's. NULL: the default. */
static const Tree *initialiser(const Layers *layers, const char *which) {
  const Tree *init = tree_get(layers->network->tree, "init");
  if (!init) init = tree_get(layers->elab->spec, "init");
  if (init && init->kind == TREE_MAP) return tree_get(init, which);
  return strcmp(which, "weight") == 0 ? init : NULL;
}

/* An input that has an axis of the units is summed over another axis in its place. */
static bool part_from_units(Layers *layers, Flow *flow, size_t i, Axes units, Span span) {
  Elab *elab = layers->elab;
  unsigned cursor = 0;
  for (AxisId x; axes_next(units, &cursor, &x);) {
    const Axis *axis = &elab->graph->axes[x];
    if (!axes_has(flow->values[i]->axes, x)) continue;
    if (!axes_has(flow->features[i], x))
      return elab_error(elab, span, "rename it first, as in rename[a, b](x)",
                        "this has the axis '%s' already, along which a layer of the network '%s' "
                        "has its units",
                        axis->label, layers->network->name);
    const char *label = arena_printf(elab->arena, "%s.%s", layers->prefix, axis->label);
    int other = axis_fresh(elab, label, layers->network->name, axis->extent, AXIS_FEATURE, span);
    if (other < 0) return false;
    flow->values[i] = node_rename(elab->graph, flow->values[i], x, (AxisId)other);
    flow->features[i] =
        axes_union(axes_minus(flow->features[i], axes_one(x)), axes_one((AxisId)other));
  }
  return true;
}

/* Checks the inputs and parts them from the units; the numbers that initialisers know. */
static bool dense_inputs(Layers *layers, Flow *flow, Axes units, Span span, Fans *fans) {
  Elab *elab = layers->elab;
  *fans = (Fans){
      .out = (double)axes_extent(elab->graph, units), .last = layers->last, .columns = units};
  for (size_t i = 0; i < flow->count; i++) {
    if (axes_empty(flow->features[i]))
      return elab_error(
          elab, span, NULL,
          "a dense layer needs an input with an axis of features, and this is a scalar");
    if (!part_from_units(layers, flow, i, units, layers->declaring ? span : layers->site->span))
      return false;
    fans->in += (double)axes_extent(elab->graph, flow->features[i]);
  }
  return true;
}

/* sum over inputs of sum[features](x * w) + b, in the scope of the layer. NULL after reporting. */
static Node *dense_sum(Layers *layers, const Flow *given, Axes units, Span span) {
  Elab *elab = layers->elab;
  Flow parted = *given, *flow = &parted;
  Fans fans;
  if (!dense_inputs(layers, flow, units, span, &fans)) return NULL;
  Axes own = axes_union(layers->network->copies, units);
  Wanted wanted = {.tree = initialiser(layers, "weight"), .fallback = "lecun_normal()"};
  Span at = layers->site->span;
  Node *sum = NULL;
  for (size_t i = 0; i < flow->count; i++) {
    wanted.fans = fans;
    wanted.fans.rows = flow->features[i];
    wanted.features = given->features[i];
    wanted.axes = axes_union(own, flow->features[i]);
    wanted.name = flow->count > 1 ? arena_printf(elab->arena, "w.%s", flow->names[i]) : "w";
    Node *w = tensor(layers, &wanted);
    Node *product = w ? eval_op(elab, at, OP_mul, flow->values[i], w, NULL) : NULL;
    if (!product) return NULL;
    product = node_sum(elab->graph, product, flow->features[i]);
    sum = sum ? eval_op(elab, at, OP_add, sum, product, NULL) : product;
    if (!sum) return NULL;
  }
  wanted = (Wanted){
      .name = "b", .axes = own, .tree = initialiser(layers, "bias"), .fallback = "0", .fans = fans};
  Node *b = tensor(layers, &wanted);
  return b ? node2(elab->graph, OP_add, sum, b) : NULL;
}

bool dense_layer(Layers *layers, Flow *flow, const Expr *item) {
  Elab *elab = layers->elab;
  if (item->bracketed && item->arg_count)
    return elab_error(elab, item->span, "as in dense[act]: its input is what flows",
                      "a dense layer in a list takes no values");
  const char *prefix = layers_enter(elab, "dense");
  Axes units;
  Node *sum = dense_units(layers, elab->globals, item, &units)
                  ? dense_sum(layers, flow, units, item->span)
                  : NULL;
  layers_leave(elab, prefix);
  *flow = (Flow){{sum}, {units}, {"x"}, 1};
  return sum != NULL;
}

/* ---- in expressions ---- */

/* The walk that a define is part of; NULL after reporting. */
static Layers *walk_of(Elab *elab, const Expr *expr) {
  if (!elab->layers)
    elab_error(elab, expr->span, "call it in the 'layers' of a network",
               "'%s' stands only in a define that is used as a layer", expr->text);
  return elab->layers;
}

/* The features of an argument: while declaring all its axes, later those it was declared with. */
static Axes features_of(const Layers *layers, const Flow *flow, size_t i) {
  if (layers->declaring) return axes_minus(flow->values[i]->axes, layers->network->copies);
  const char *name =
      flow->count > 1 ? arena_printf(layers->elab->arena, "%s.w.%s", layers->prefix, flow->names[i])
                      : arena_printf(layers->elab->arena, "%s.w", layers->prefix);
  const Parameter *weights = known(layers->network, name);
  if (!weights) bug("no weights %s", name);
  return weights->features;
}

/* Blocks of weights are named after arguments that are names, else after their positions. */
static const char *argument_name(Elab *elab, const Expr *expr, uint32_t i) {
  const Expr *value = expr->args[i].value;
  bool plain = value->kind == EXPR_NAME && !value->called && !value->bracketed;
  for (uint32_t k = 0; k < i && plain; k++)
    plain = !expr->args[k].value->text || strcmp(expr->args[k].value->text, value->text) != 0;
  return plain ? value->text : arena_printf(elab->arena, "%u", i + 1);
}

/* dense[x](v, w, ...): a dense layer of its arguments with units along x. */
Value builtin_dense(Elab *elab, Frame *frame, const Expr *expr) {
  Layers *layers = walk_of(elab, expr);
  if (!layers) return value_error();
  if (!expr->bracketed || expr->arg_count == 0 || expr->arg_count > COUNTOF(((Flow *)0)->values))
    return elab_error(elab, expr->span, "as in dense[x](v, w), or dense[](v) for one number",
                      "a dense layer in an expression has its units in brackets, then its inputs"),
           value_error();
  Flow flow = {.count = expr->arg_count};
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    if (expr->args[i].name)
      return elab_error(elab, expr->args[i].name_span, NULL,
                        "the arguments of 'dense' have no names"),
             value_error();
    if (!(flow.values[i] = eval_node(elab, frame, expr->args[i].value))) return value_error();
    flow.names[i] = argument_name(elab, expr, i);
  }
  Axes units;
  const char *prefix = layers_enter(elab, "dense");
  bool good = dense_units(layers, frame, expr, &units);
  for (size_t i = 0; good && i < flow.count; i++) flow.features[i] = features_of(layers, &flow, i);
  Node *node = good ? dense_sum(layers, &flow, units, expr->span) : NULL;
  layers_leave(elab, prefix);
  return node ? value_node(node) : value_error();
}

/* learned[x](name = first): a trained tensor of the layer. */
Value builtin_learned(Elab *elab, Frame *frame, const Expr *expr) {
  Layers *layers = walk_of(elab, expr);
  if (!layers) return value_error();
  if (expr->arg_count != 1 || !expr->args[0].name)
    return elab_error(elab, expr->span, "as in learned[x](scale = 1)",
                      "'learned' takes a name and the value it starts with"),
           value_error();
  Axes axes = layers->network->copies;
  for (uint32_t i = 0; i < expr->axis_count; i++) {
    int axis = axis_minted(elab, frame, &expr->axes[i], AXIS_FEATURE);
    if (axis < 0) return value_error();
    axes = axes_union(axes, axes_one((AxisId)axis));
  }
  Wanted wanted = {
      .name = expr->args[0].name, .axes = axes, .frame = frame, .init = expr->args[0].value};
  Node *node = tensor(layers, &wanted);
  return node ? value_node(node) : value_error();
}
