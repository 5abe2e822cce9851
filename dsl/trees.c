/* Parameters as values: what a network's or a target's name means where no argument follows is a
 * tree, one tensor for each of its parameters. Elementwise operations work on trees tensor by
 * tensor; grad gives one, and with(actor = tree, e) evaluates there.
 *
 * Both rewrite the graph of an expression that is evaluated already, putting other nodes where the
 * variables stood: what a `let` keeps does not change, and draws stay the same draws. */
#include "dsl/scope.h"

#include <string.h>

/* ---- values to trees ---- */

static Bundle *bundle_make(Elab *elab, const char *what) {
  Bundle *bundle = NEW(elab->arena, Bundle);
  bundle->what = what;
  return bundle;
}

static void bundle_add(Elab *elab, Bundle *bundle, const Parameter *of, Node *node) {
  Leaf leaf = {of, node};
  PUSH(elab->arena, bundle->leaves, bundle->count, bundle->capacity, leaf);
}

static const Target *target_named(const Elab *elab, const char *name) {
  for (size_t i = 0; i < elab->target_count; i++)
    if (strcmp(elab->targets[i].name, name) == 0) return &elab->targets[i];
  bug("no target '%s'", name);
}

Bundle *bundle_of_target(Elab *elab, const Target *target) {
  Bundle *bundle = bundle_make(elab, arena_printf(elab->arena, "the target '%s'", target->name));
  for (size_t i = 0; i < target->copy_count; i++)
    bundle_add(elab, bundle, target->originals[i], slot_value(elab, target->copies[i].slot));
  return bundle;
}

Bundle *bundle_of_group(Elab *elab, const char *name, Span span) {
  Parameter *items;
  size_t count;
  if (!parameter_group(elab, name, span, &items, &count)) return NULL;
  Bundle *bundle = bundle_make(elab, arena_printf(elab->arena, "'%s'", name));
  for (size_t i = 0; i < count; i++)
    bundle_add(elab, bundle, &items[i], slot_value(elab, items[i].slot));
  return bundle;
}

void bundle_join(Elab *elab, Bundle *bundle, const Bundle *part) {
  for (size_t i = 0; i < part->count; i++)
    bundle_add(elab, bundle, part->leaves[i].of, part->leaves[i].node);
}

static Bundle *bundle_of_network(Elab *elab, const Function *function) {
  const Network *network = function->network;
  const Target *target = function->copy ? target_named(elab, function->copy) : NULL;
  Bundle *bundle =
      bundle_make(elab, target ? arena_printf(elab->arena, "the target '%s'", target->name)
                               : arena_printf(elab->arena, "the network '%s'", network->name));
  for (size_t i = 0; i < network->count; i++) {
    uint32_t slot = network->parameters[i].slot;
    for (size_t k = 0; target && k < target->copy_count; k++)
      if (target->originals[k] == &network->parameters[i]) slot = target->copies[k].slot;
    bundle_add(elab, bundle, &network->parameters[i], slot_value(elab, slot));
  }
  return bundle;
}

bool value_is_bundle(Value value) {
  if (value.kind == VALUE_FUNCTION)
    return value.function->kind == FUNCTION_NETWORK && !value.function->network->broken &&
           !value.function->network->declaring;
  return value.kind == VALUE_BUNDLE || (value.kind == VALUE_RECORD && value.record->target);
}

Bundle *value_bundle(Elab *elab, Value value) {
  if (value.kind == VALUE_BUNDLE) return value.bundle;
  if (value.kind == VALUE_FUNCTION) return bundle_of_network(elab, value.function);
  return bundle_of_target(elab, target_named(elab, value.record->target));
}

/* The name of what has the parameter: its network's, or its own. */
static const char *owner_of(const Elab *elab, const Parameter *parameter) {
  for (size_t i = 0; i < elab->network_count; i++) {
    const Network *network = elab->networks[i];
    if (parameter >= network->parameters && parameter < network->parameters + network->count)
      return network->name;
  }
  return parameter->name;
}

Value bundle_field(Elab *elab, const Bundle *bundle, const Expr *expr) {
  const char *names[64];
  size_t count = 0;
  Bundle *part = bundle_make(elab, arena_printf(elab->arena, "'%s'", expr->text));
  for (size_t i = 0; i < bundle->count; i++) {
    const Leaf *leaf = &bundle->leaves[i];
    const char *owner = owner_of(elab, leaf->of);
    if (count < COUNTOF(names) && (!count || strcmp(names[count - 1], owner) != 0))
      names[count++] = owner;
    if (strcmp(owner, expr->text) != 0) continue;
    if (strcmp(leaf->of->name, owner) == 0) return value_node(leaf->node);
    bundle_add(elab, part, leaf->of, leaf->node);
  }
  if (part->count) return value_tree(part);
  const char *near = hint_nearest(elab->arena, expr->text, names, count);
  elab_error(elab, expr->name_span,
             near ? near : arena_printf(elab->arena, "it has '%s'", count ? names[0] : ""),
             "%s has no '%s'", bundle->what, expr->text);
  return value_error();
}

/* ---- trees of one structure ---- */

/* What follows the name of the network: ".dense1.w". */
static const char *below(const char *name) {
  const char *dot = strchr(name, '.');
  return dot ? dot : "";
}

/* Gives the tensor of one network the axes that the same tensor of another has. */
static Node *leaf_rename(Elab *elab, const Leaf *leaf, const Parameter *to) {
  Node *node = leaf->node;
  Axes missing = axes_minus(to->axes, leaf->of->axes), spare = axes_minus(leaf->of->axes, to->axes);
  if (axes_count(missing) != axes_count(spare) || strcmp(below(leaf->of->name), below(to->name)))
    return NULL;
  unsigned outer = 0;
  for (AxisId a; axes_next(missing, &outer, &a);) {
    const Axis *x = &elab->graph->axes[a];
    bool found = false;
    unsigned inner = 0;
    for (AxisId b; !found && axes_next(spare, &inner, &b);) {
      const Axis *y = &elab->graph->axes[b];
      found = x->extent == y->extent && *below(x->label) &&
              strcmp(below(x->label), below(y->label)) == 0;
      if (found && axes_has(node->axes, b)) node = node_rename(elab->graph, node, b, a);
    }
    if (!found) return NULL;
  }
  return node;
}

static Node *leaf_for(Elab *elab, const Bundle *value, const Bundle *shape, size_t i) {
  const Parameter *to = shape->leaves[i].of;
  for (size_t k = 0; k < value->count; k++)
    if (value->leaves[k].of == to) return value->leaves[k].node;
  return leaf_rename(elab, &value->leaves[i], to);
}

Bundle *bundle_conform(Elab *elab, Span span, const Bundle *value, const Bundle *shape) {
  Bundle *result = bundle_make(elab, shape->what);
  for (size_t i = 0; i < shape->count && value->count == shape->count; i++) {
    Node *node = leaf_for(elab, value, shape, i);
    if (!node) break;
    bundle_add(elab, result, shape->leaves[i].of, node);
  }
  if (value->count == shape->count && result->count == shape->count) return result;
  elab_error(elab, span, "trees meet tensor by tensor: both need the same layers",
             "%s and %s have parameters of different structure", shape->what, value->what);
  size_t i = result->count;
  if (value->count != shape->count)
    diag_note(elab->diag, span, "%s has %zu tensors, %s %zu", shape->what, shape->count,
              value->what, value->count);
  else
    diag_note(elab->diag, span, "'%s' has axes %s, '%s' %s", shape->leaves[i].of->name,
              axes_text(elab->graph, elab->arena, shape->leaves[i].of->axes),
              value->leaves[i].of->name,
              axes_text(elab->graph, elab->arena, value->leaves[i].of->axes));
  return NULL;
}

/* A tensor beside a tree meets each of its tensors. */
static bool tensor_meets(Elab *elab, Span span, const Node *node, const Bundle *shape) {
  for (size_t i = 0; i < shape->count; i++)
    if (!axes_within(node->axes, shape->leaves[i].of->axes))
      return elab_error(elab, span, "call the network with arguments to get a tensor",
                        "%s stands for its parameters here: they meet scalars, and this has "
                        "axes %s",
                        shape->what, axes_text(elab->graph, elab->arena, node->axes));
  return true;
}

static Value tree_op(Elab *elab, Span span, OpCode op, const Value *args, const Span *spans) {
  const Bundle *parts[3] = {NULL}, *shape = NULL;
  Node *nodes[3] = {NULL};
  int arity = op_table[op].arity;
  for (int i = 0; i < arity; i++) {
    if (!value_is_bundle(args[i])) continue;
    parts[i] = value_bundle(elab, args[i]);
    if (!shape) shape = parts[i];
  }
  for (int i = 0; i < arity; i++) {
    if (parts[i]) {
      if (!(parts[i] = bundle_conform(elab, span, parts[i], shape))) return value_error();
    } else if (!(nodes[i] = value_tensor(elab, args[i], spans[i])) ||
               !tensor_meets(elab, spans[i], nodes[i], shape)) {
      return value_error();
    }
  }
  Bundle *result = bundle_make(elab, shape->what);
  for (size_t k = 0; k < shape->count; k++) {
    Node *src[3];
    for (int i = 0; i < 3; i++) src[i] = parts[i] ? parts[i]->leaves[k].node : nodes[i];
    Node *node = eval_op(elab, span, op, src[0], src[1], src[2]);
    if (!node) return value_error();
    bundle_add(elab, result, shape->leaves[k].of, node);
  }
  return value_tree(result);
}

/* Nothing is divided by the number 0: what came of it could vanish in a product with 0, and the
 * mistake with it. */
static bool may_divide(Elab *elab, OpCode op, const Value *args, const Span *spans) {
  if (op != OP_div || args[1].kind != VALUE_NODE || !node_is_const(args[1].node, 0)) return true;
  bool constant = args[0].kind == VALUE_NODE && args[0].node->op == OP_const;
  elab_error(elab, spans[1],
             constant ? "'inf' is infinity"
                      : "where(c, x, y) with a constant c evaluates one of x and y alone",
             "a division by 0");
  note_constants(elab);
  return false;
}

Value value_op(Elab *elab, Span span, OpCode op, const Value *args, const Span *spans) {
  Node *src[3] = {NULL};
  bool tree = false;
  for (int i = 0; i < op_table[op].arity; i++) {
    if (args[i].kind == VALUE_ERROR) return value_error();
    tree = tree || value_is_bundle(args[i]);
  }
  if (!may_divide(elab, op, args, spans)) return value_error();
  if (tree) return tree_op(elab, span, op, args, spans);
  for (int i = 0; i < op_table[op].arity; i++) src[i] = value_tensor(elab, args[i], spans[i]);
  Node *node = eval_op(elab, span, op, src[0], src[1], src[2]);
  return node ? value_node(node) : value_error();
}

/* ---- other nodes in place of variables ---- */

/* What a slot holds at this point of the program is a value, however it came about: nothing is
 * replaced below it, such as the parameter in another's step. */
static void keep_slots(const Elab *elab, Node **now, uint32_t count) {
  for (uint32_t s = 0; s < elab->current_size; s++) {
    Node *node = elab->current[s];
    if (!node || node->id >= count || now[node->id]) continue;
    RlcSlotKind kind = elab->graph->slots[s].kind;
    if (kind == RLC_PARAMETER || kind == RLC_TARGET || kind == RLC_STATE) now[node->id] = node;
  }
}

/* e with `to` in place of `from`; `any` becomes true where one of them stands in it. */
static Node *substitute(Elab *elab, Node *e, Node *const *from, Node *const *to, size_t count,
                        bool *any) {
  Graph *graph = elab->graph;
  Arena *scratch = arena_make();
  bool *needed = NEW_ARRAY(scratch, bool, e->id + 1);
  Node **now = NEW_ARRAY(scratch, Node *, e->id + 1);
  for (size_t i = 0; i < count; i++)
    if (from[i]->id <= e->id) now[from[i]->id] = to[i];
  keep_slots(elab, now, e->id + 1);
  needed[e->id] = true;
  for (size_t id = e->id + 1; id-- > 0;)
    for (int k = 0; k < 3 && needed[id] && !now[id]; k++)
      if (graph->nodes[id]->src[k]) needed[graph->nodes[id]->src[k]->id] = true;
  for (size_t id = 0; id <= e->id; id++) {
    if (!needed[id] || now[id]) continue;
    Node *node = graph->nodes[id], *src[3] = {NULL};
    for (int k = 0; k < 3; k++)
      if (node->src[k]) src[k] = now[node->src[k]->id];
    Span former = graph_span(graph, node->span);
    now[id] = node_with(graph, node, src[0], src[1], src[2]);
    graph_span(graph, former);
  }
  for (size_t i = 0; i < count; i++) *any = *any || (from[i]->id <= e->id && needed[from[i]->id]);
  Node *result = now[e->id];
  arena_free(scratch);
  return result;
}

static bool reaches(Elab *elab, const Node *e, const Node *x) {
  Arena *scratch = arena_make();
  bool any = node_reaches(elab->graph, scratch, e, x);
  arena_free(scratch);
  return any;
}

/* ---- grad(e, x) ---- */

/* One of several variables: a network, a copy of one, a learned parameter. NULL after reporting. */
static Bundle *group_argument(Elab *elab, Frame *frame, const Expr *expr) {
  Value value = eval(elab, frame, expr);
  if (value.kind == VALUE_ERROR) return NULL;
  if (value_is_bundle(value)) return value_bundle(elab, value);
  for (size_t i = 0; i < elab->learned_count; i++)
    if (expr->kind == EXPR_NAME && !expr->called && strcmp(elab->learned[i].name, expr->text) == 0)
      return bundle_of_group(elab, expr->text, expr->span);
  elab_error(elab, expr->span, "as in grad(e, actor, log_std)",
             "several variables of a gradient are networks and parameters");
  return NULL;
}

/* What is differentiated by: a tree, or one tensor as the only leaf of it, whose `of` is NULL. NULL
 * after reporting. */
static Bundle *grad_variable(Elab *elab, Frame *frame, const Expr *expr) {
  if (expr->arg_count > 2) {
    Bundle *all = bundle_make(elab, "a group of parameters");
    for (uint32_t i = 1; i < expr->arg_count; i++) {
      const Bundle *part = group_argument(elab, frame, expr->args[i].value);
      if (!part) return NULL;
      bundle_join(elab, all, part);
    }
    return all;
  }
  const Expr *x = expr->args[1].value;
  Value value = eval(elab, frame, x);
  if (value_is_bundle(value)) return value_bundle(elab, value);
  Node *node = value_tensor(elab, value, x->span);
  if (!node) return NULL;
  if (node->op == OP_const || node->integer)
    return elab_error(elab, x->span,
                      "a gradient is taken by a value that varies: a draw, what a network gives, a "
                      "parameter, a column",
                      "'%s' is %s", expr_text(elab->arena, x),
                      node->integer ? "a whole number" : "a constant"),
           NULL;
  Bundle *bundle = bundle_make(elab, expr_text(elab->arena, x));
  bundle_add(elab, bundle, NULL, node);
  return bundle;
}

static Node *grad_scalar(Elab *elab, Frame *frame, const Expr *expr) {
  Node *e = eval_node(elab, frame, expr);
  if (!e || axes_empty(e->axes)) return e;
  AxisId order[MAX_AXES];
  axes_order(elab->graph, e->axes, order);
  elab_error(
      elab, expr->span,
      arena_printf(elab->arena, "reduce it, as in sum[%s](...)", elab->graph->axes[order[0]].label),
      "a gradient is of a scalar, but this has axes %s",
      axes_text(elab->graph, elab->arena, e->axes));
  return NULL;
}

static Value builtin_grad(Elab *elab, Frame *frame, const Expr *expr) {
  Node *e = grad_scalar(elab, frame, expr->args[0].value);
  const Bundle *x = grad_variable(elab, frame, expr);
  if (!e || !x) return value_error();
  Node **from = NEW_ARRAY(elab->arena, Node *, x->count + 1);
  Node **marks = NEW_ARRAY(elab->arena, Node *, x->count + 1);
  for (size_t i = 0; i < x->count; i++) {
    from[i] = x->leaves[i].node;
    marks[i] = node_mark(elab->graph, from[i]);
  }
  bool any = false;
  Node *marked = substitute(elab, e, from, marks, x->count, &any);
  Bundle *result = bundle_make(elab, x->what);
  any = false;
  for (size_t i = 0; i < x->count; i++) {
    bool reached = reaches(elab, marked, marks[i]);
    any = any || reached;
    Node *gradient =
        reached ? node_grad(elab->graph, marked, marks[i]) : node_const(elab->graph, 0);
    bundle_add(elab, result, x->leaves[i].of, gradient);
  }
  if (!any) {
    elab_error(elab, expr->args[1].value->span,
               "name a value that stands in it, outside of stop(...)",
               "what is differentiated does not depend on '%s'",
               expr_text(elab->arena, expr->args[1].value));
    return value_error();
  }
  return x->leaves[0].of ? value_tree(result) : value_node(result->leaves[0].node);
}

/* ---- with(actor = tree, e) ---- */

/* What is replaced by what. */
typedef struct Swap {
  Node **from, **to;
  size_t count, from_capacity, to_capacity;
  bool any; /* something was replaced */
} Swap;

/* A tensor keeps its axes: a value that lacks some is spread over them. */
static void swap_add(Elab *elab, Swap *swap, Node *from, Node *to) {
  Graph *graph = elab->graph;
  if (!axes_equal(from->axes, to->axes))
    to = node2(graph, OP_add, to, node2(graph, OP_mul, node_const(graph, 0), from));
  size_t n = swap->count;
  PUSH(elab->arena, swap->from, n, swap->from_capacity, from);
  PUSH(elab->arena, swap->to, swap->count, swap->to_capacity, to);
}

static bool swap_tensor(Elab *elab, Swap *swap, const ExprArg *arg, Node *from, Value given) {
  Node *to = value_tensor(elab, given, arg->value->span);
  if (!to) return false;
  if (!axes_within(to->axes, from->axes))
    return elab_error(elab, arg->value->span, NULL, "'%s' has axes %s, its value here %s",
                      arg->name, axes_text(elab->graph, elab->arena, from->axes),
                      axes_text(elab->graph, elab->arena, to->axes));
  swap_add(elab, swap, from, to);
  return true;
}

static bool swap_read(Elab *elab, Frame *frame, const ExprArg *arg, Swap *swap) {
  Value given = eval(elab, frame, arg->value);
  Frame *holder;
  Entry *entry = frame_lookup(frame, arg->name, &holder);
  Value variable = entry ? eval_entry(elab, holder, entry, arg->name_span) : value_error();
  if (given.kind == VALUE_ERROR || (entry && variable.kind == VALUE_ERROR)) return false;
  if (entry && entry->state == ENTRY_SLOT)
    return swap_tensor(elab, swap, arg, variable.node, given);
  if (!entry || !value_is_bundle(variable) || variable.kind == VALUE_BUNDLE)
    return elab_error(elab, arg->name_span, "as in with(actor = theta, e)",
                      "'%s' is no network, target, parameter or state", arg->name);
  const Bundle *shape = value_bundle(elab, variable);
  if (!value_is_bundle(given))
    return elab_error(elab, arg->value->span, "as in with(actor = actor - 0.1 * g, e)",
                      "%s is replaced by a value of its shape, and this is none", shape->what);
  const Bundle *to = bundle_conform(elab, arg->value->span, value_bundle(elab, given), shape);
  for (size_t i = 0; to && i < shape->count; i++)
    swap_add(elab, swap, shape->leaves[i].node, to->leaves[i].node);
  return to != NULL;
}

static Node *swap_node(Elab *elab, Swap *swap, Node *node) {
  return substitute(elab, node, swap->from, swap->to, swap->count, &swap->any);
}

static Value swap_apply(Elab *elab, Swap *swap, Value value, Span span) {
  if (value.kind == VALUE_NODE) return value_node(swap_node(elab, swap, value.node));
  if (value_is_bundle(value)) {
    const Bundle *bundle = value_bundle(elab, value);
    Bundle *result = bundle_make(elab, bundle->what);
    for (size_t i = 0; i < bundle->count; i++)
      bundle_add(elab, result, bundle->leaves[i].of, swap_node(elab, swap, bundle->leaves[i].node));
    return value_tree(result);
  }
  if (value.kind == VALUE_RECORD) {
    Record *record = record_make(elab, value.record->what);
    if (value.record->node) record->node = swap_node(elab, swap, value.record->node);
    for (size_t i = 0; i < value.record->count; i++) {
      Value field = swap_apply(elab, swap, value.record->values[i], span);
      if (field.kind == VALUE_ERROR) return field;
      record_add(elab, record, value.record->names[i], field);
    }
    return value_record(record);
  }
  if (value.kind == VALUE_FUNCTION)
    elab_error(elab, span, "put 'with' around what is done with it",
               "'with' gives values, and '%s' is a function", value.function->name);
  return value_error();
}

static Value builtin_with(Elab *elab, Frame *frame, const Expr *expr) {
  Swap swap = {0};
  uint32_t last = expr->arg_count - 1;
  bool good = !expr->args[last].name;
  for (uint32_t i = 0; i < last && good; i++) good = expr->args[i].name != NULL;
  if (!good)
    return elab_error(elab, expr->span, NULL, "write with(actor = theta, e)"), value_error();
  for (uint32_t i = 0; i < last; i++) good = swap_read(elab, frame, &expr->args[i], &swap) && good;
  const Expr *e = expr->args[last].value;
  Value value = eval(elab, frame, e);
  if (!good || value.kind == VALUE_ERROR) return value_error();
  Value result = swap_apply(elab, &swap, value, e->span);
  if (result.kind == VALUE_ERROR || swap.any) return result;
  elab_error(elab, e->span, "name what it depends on",
             "this does not depend on '%s': nothing is replaced", expr->args[0].name);
  return value_error();
}

/* ---- dot(t, u), norm(t) ---- */

static Node *dot_trees(Elab *elab, Span span, const Bundle *t, const Bundle *u) {
  Graph *graph = elab->graph;
  Node *sum = NULL;
  if (t != u && !(u = bundle_conform(elab, span, u, t))) return NULL;
  for (size_t i = 0; i < t->count; i++) {
    Node *product = node2(graph, OP_mul, t->leaves[i].node, u->leaves[i].node);
    product = node_sum(graph, product, t->leaves[i].of->axes);
    sum = sum ? node2(graph, OP_add, sum, product) : product;
  }
  return sum;
}

/* Of tensors: over the axes in brackets. */
static Node *dot_tensors(Elab *elab, Frame *frame, const Expr *expr, Node *x, Node *y) {
  Node *product = eval_op(elab, expr->span, OP_mul, x, y, NULL);
  if (!product) return NULL;
  if (!expr->axis_count && !axes_empty(product->axes)) {
    AxisId order[MAX_AXES];
    int count = axes_order(elab->graph, product->axes, order);
    const char *label = elab->graph->axes[order[count - 1]].label;
    elab_error(elab, expr->span, arena_printf(elab->arena, "as in %s[%s](...)", expr->text, label),
               "'%s' of tensors needs axes in brackets: this has axes %s", expr->text,
               axes_text(elab->graph, elab->arena, product->axes));
    return NULL;
  }
  Axes axes = axes_none();
  for (uint32_t i = 0; i < expr->axis_count; i++) {
    int axis = axis_of(elab, frame, &expr->axes[i], product->axes);
    if (axis < 0) return NULL;
    axes = axes_union(axes, axes_one((AxisId)axis));
  }
  return node_sum(elab->graph, product, axes);
}

static Node *dot_values(Elab *elab, Frame *frame, const Expr *expr, Value t, Value u) {
  bool trees[] = {value_is_bundle(t), value_is_bundle(u)};
  const Expr *last = expr->args[expr->arg_count - 1].value;
  if (t.kind == VALUE_ERROR || u.kind == VALUE_ERROR) return NULL;
  if (trees[0] != trees[1])
    return elab_error(elab, expr->span, "as in dot(grad(e, actor), actor)",
                      "'dot' takes two trees or two tensors, not one of each"),
           NULL;
  if (!trees[0]) {
    Node *x = value_tensor(elab, t, expr->args[0].value->span);
    return dot_tensors(elab, frame, expr, x, value_tensor(elab, u, last->span));
  }
  if (expr->bracketed)
    return elab_error(elab, expr->span, "a tree is reduced whole",
                      "'%s' of a tree takes no axes in brackets", expr->text),
           NULL;
  Bundle *x = value_bundle(elab, t);
  return dot_trees(elab, expr->span, x, expr->arg_count == 1 ? x : value_bundle(elab, u));
}

static Value builtin_dot(Elab *elab, Frame *frame, const Expr *expr) {
  Value t = eval(elab, frame, expr->args[0].value), u = eval(elab, frame, expr->args[1].value);
  Node *node = dot_values(elab, frame, expr, t, u);
  return node ? value_node(node) : value_error();
}

/* Its derivative at 0 is 0. */
static Value builtin_norm(Elab *elab, Frame *frame, const Expr *expr) {
  Graph *graph = elab->graph;
  Value t = eval(elab, frame, expr->args[0].value);
  Node *square = dot_values(elab, frame, expr, t, t);
  if (!square) return value_error();
  Node *zero = node_const(graph, 0), *positive = node2(graph, OP_lt, zero, square);
  return value_node(node3(graph, OP_where, positive, node1(graph, OP_sqrt, square), zero));
}

static const struct {
  const char *name, *form;
  Value (*fn)(Elab *elab, Frame *frame, const Expr *expr);
  uint32_t least, most;
  bool axes, names;
} functions[] = {{"grad", "grad(e, x)", builtin_grad, 2, 64, false, false},
                 {"with", "with(actor = theta, e)", builtin_with, 2, 64, false, true},
                 {"dot", "dot(t, u)", builtin_dot, 2, 2, true, false},
                 {"norm", "norm(t)", builtin_norm, 1, 1, true, false}};

bool tree_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  for (size_t i = 0; i < COUNTOF(functions); i++) {
    if (strcmp(functions[i].name, expr->text) != 0) continue;
    bool good = expr->arg_count >= functions[i].least && expr->arg_count <= functions[i].most &&
                (functions[i].axes || !expr->bracketed);
    for (uint32_t k = 0; k < expr->arg_count && !functions[i].names; k++)
      good = good && !expr->args[k].name;
    *result = value_error();
    if (!good) return elab_error(elab, expr->span, NULL, "write %s", functions[i].form), true;
    Span former = graph_span(elab->graph, expr->span);
    *result = functions[i].fn(elab, frame, expr);
    graph_span(elab->graph, former);
    return true;
  }
  return false;
}

size_t tree_call_names(const char **names, size_t capacity) {
  size_t count = 0;
  for (; count < COUNTOF(functions) && count < capacity; count++)
    names[count] = functions[count].name;
  return count;
}
