/* Calls: defines, networks, elementwise operations; fields of what they return. */
#include "dsl/data.h"

#include <string.h>

/* Evaluated arguments of a call site. */
typedef struct Arguments {
  Value *values;
  const ExprArg *site; /* the same order; NULL when given by the compiler */
  size_t count;
} Arguments;

static Axes value_axes(Value value) {
  if (value.kind == VALUE_NODE) return value.node->axes;
  if (value.kind == VALUE_RECORD && value.record->node) return value.record->node->axes;
  Axes axes = axes_none();
  for (size_t i = 0; value.kind == VALUE_RECORD && i < value.record->count; i++)
    axes = axes_union(axes, value_axes(value.record->values[i]));
  return axes;
}

static Axes all_axes(const Arguments *arguments) {
  Axes all = axes_none();
  for (size_t i = 0; i < arguments->count; i++)
    all = axes_union(all, value_axes(arguments->values[i]));
  return all;
}

/* Instance of `label` among the arguments, else what the caller's own parameter stands for, else
 * -1. */
static int known_instance(Elab *elab, Frame *caller, const ExprAxis *axis, const char *label,
                          Axes of) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(of, &cursor, &x);)
    if (strcmp(elab->graph->axes[x].label, label) == 0) return x;
  const AxisEntry *bound = frame_find_axis(caller, axis->name);
  return bound ? bound->axis : -1;
}

static const char *signature_hint(Elab *elab, const Function *function) {
  return arena_printf(elab->arena, "as in %s", expr_text(elab->arena, function->signature));
}

static bool bind_axes(Elab *elab, const Function *function, const Expr *site, Frame *caller,
                      Frame *frame, Axes of, AxisId feature, bool has_feature) {
  const Expr *signature = function->signature;
  if (has_feature && site->axis_count == 0 && signature->axis_count == 1) {
    frame_axis(elab, frame, signature->axes[0].name, elab->graph->axes[feature].label, feature);
    return true;
  }
  if (site->axis_count != signature->axis_count)
    return elab_error(elab, site->span, signature_hint(elab, function),
                      "'%s' takes %u ax%s in brackets, not %u", function->name,
                      signature->axis_count, signature->axis_count == 1 ? "is" : "es",
                      site->axis_count);
  for (uint32_t i = 0; i < site->axis_count; i++) {
    const ExprAxis *axis = &site->axes[i];
    const AxisEntry *outer = frame_find_axis(caller, axis->name);
    const char *label = outer ? outer->label : axis->name;
    AxisClass order = elab->layers ? AXIS_FEATURE : AXIS_DRAW;
    int instance = axis->size ? axis_minted(elab, caller, axis, order)
                              : known_instance(elab, caller, axis, label, of);
    if (instance < 0 && (axis->size || !axis_exists(elab, axis, label))) return false;
    frame_axis(elab, frame, signature->axes[i].name, label, instance);
  }
  return true;
}

/* The argument for parameter `name` at position `position`, marking it used; NULL when not given.
 */
static const Value *argument_for(const Arguments *arguments, const char *name, size_t position,
                                 bool *used) {
  size_t unnamed = 0;
  for (size_t i = 0; i < arguments->count; i++) {
    const char *given = arguments->site ? arguments->site[i].name : NULL;
    if (given ? strcmp(given, name) == 0 : unnamed++ == position) {
      used[i] = true;
      return &arguments->values[i];
    }
  }
  return NULL;
}

/* An overlay adds arguments by name, which does not replace those by position. */
static const char *hint_given_twice(Elab *elab, const Expr *site, const ExprArg *arg) {
  if (arg->name_span.source == site->name_span.source) return "leave one of the two out";
  return arena_printf(elab->arena, "the call gives it without its name: write it anew, as %s(%s)",
                      site->text, expr_text(elab->arena, arg->value));
}

static bool report_unused(Elab *elab, const Function *function, const Expr *site,
                          const Arguments *arguments, const bool *used) {
  const Expr *signature = function->signature;
  const char *names[64];
  for (uint32_t i = 0; i < signature->arg_count && i < 64; i++)
    names[i] = signature->args[i].name ? signature->args[i].name : signature->args[i].value->text;
  for (size_t i = 0; i < arguments->count; i++) {
    if (used[i]) continue;
    const ExprArg *arg = arguments->site ? &arguments->site[i] : NULL;
    if (arg && arg->name)
      for (uint32_t k = 0; k < signature->arg_count && k < 64; k++)
        if (strcmp(arg->name, names[k]) == 0)
          return elab_error(elab, arg->name_span, hint_given_twice(elab, site, arg),
                            "the parameter '%s' of '%s' is given twice", arg->name, function->name);
    const char *near =
        arg && arg->name ? hint_nearest(elab->arena, arg->name, names, signature->arg_count) : NULL;
    if (arg && arg->name)
      return elab_error(elab, arg->name_span, near ? near : signature_hint(elab, function),
                        "'%s' has no parameter '%s'", function->name, arg->name);
    return elab_error(elab, arg ? arg->value->span : site->span, signature_hint(elab, function),
                      "too many arguments: '%s' takes %u", function->name, signature->arg_count);
  }
  return true;
}

/* Arguments by names that no parameter has, where another mistake ends the call. */
static void report_misnamed(Elab *elab, const Function *function, const Arguments *arguments) {
  const Expr *signature = function->signature;
  for (size_t i = 0; arguments->site && i < arguments->count; i++) {
    const ExprArg *arg = &arguments->site[i];
    bool known = !arg->name;
    for (uint32_t k = 0; k < signature->arg_count && !known; k++) {
      const ExprArg *parameter = &signature->args[k];
      known = strcmp(arg->name, parameter->name ? parameter->name : parameter->value->text) == 0;
    }
    if (!known)
      elab_error(elab, arg->name_span, signature_hint(elab, function), "'%s' has no parameter '%s'",
                 function->name, arg->name);
  }
}

static bool bind_parameters(Elab *elab, const Function *function, const Expr *site, Frame *frame,
                            const Arguments *arguments) {
  bool used[64] = {false};
  if (arguments->count > 64) return elab_error(elab, site->span, NULL, "too many arguments");
  for (uint32_t i = 0; i < function->signature->arg_count; i++) {
    const ExprArg *parameter = &function->signature->args[i];
    const char *name = parameter->name ? parameter->name : parameter->value->text;
    const Value *given = argument_for(arguments, name, i, used);
    if (!given && !parameter->name) {
      report_misnamed(elab, function, arguments);
      return elab_error(elab, site->span, signature_hint(elab, function),
                        "'%s' needs a value for its parameter '%s'", function->name, name);
    }
    Value value = given ? *given : eval(elab, frame, parameter->value);
    if (value.kind == VALUE_ERROR) return false;
    frame_add(elab, frame, name, "parameter", site->span, value);
  }
  return report_unused(elab, function, site, arguments, used);
}

/* "K is 5, extent[x] is 4" for what a comparison compares. */
static const char *compared_text(Elab *elab, Frame *frame, const Expr *condition) {
  const char *text = "";
  for (uint32_t i = 0; condition->kind == EXPR_BINARY && i < 2; i++) {
    const Expr *side = condition->args[i].value;
    if (side->kind == EXPR_NUMBER) continue;
    Node *node = eval_node(elab, frame, side);
    if (node && node->op == OP_const)
      text = arena_printf(elab->arena, "%s%s%s is %.10g", text, *text ? ", " : "",
                          expr_text(elab->arena, side), node->attr.value);
  }
  return text;
}

/* `require: condition, "message"`, one or a list; reported at the caller's place. */
bool requirement_holds(Elab *elab, Frame *frame, const Tree *tree, const Expr *site) {
  Expr **items;
  size_t count;
  if (tree->kind == TREE_LIST) {
    for (size_t i = 0; i < tree->item_count; i++)
      if (!requirement_holds(elab, frame, tree->items[i], site)) return false;
    return true;
  }
  if (!expr_read_list(elab->arena, elab->diag, tree->text, &items, &count)) return false;
  if (count != 2 || items[1]->kind != EXPR_STRING)
    return elab_error(elab, tree->span, "as in  require: n <= 3, \"n is at most 3\"",
                      "a requirement is a condition and a text");
  Node *holds = eval_node(elab, frame, items[0]);
  if (!holds) return false;
  if (holds->op != OP_const)
    return elab_error(elab, items[0]->span, "compare constants and extents",
                      "what is required must be known at compile time");
  if (holds->attr.value != 0) return true;
  elab_error(elab, site->span, compared_text(elab, frame, items[0]), "%s", items[1]->text);
  note_constants(elab);
  return false;
}

/* The body of a define in a frame that has its parameters. */
static Value call_body(Elab *elab, Function *function, Frame *frame, const Expr *site) {
  const Tree *body = function->body;
  if (body->kind != TREE_MAP) return eval_tree(elab, frame, body);
  const Tree *require = tree_get(body, "require");
  if (require && !requirement_holds(elab, frame, require, site)) return value_error();
  if (!frame_add_map(elab, frame, tree_get(body, "let"), "let")) return value_error();
  if (tree_get(body, "draw")) {
    Function *distribution = NEW(elab->arena, Function);
    *distribution = (Function){
        .kind = FUNCTION_DISTRIBUTION, .name = function->name, .body = body, .arguments = frame};
    return value_function(distribution);
  }
  const Tree *value = tree_get(body, "value");
  if (value) return eval_tree(elab, frame, value);
  elab_error(elab, site->span, NULL, "'%s' has no value: it cannot be called in an expression",
             function->name);
  return value_error();
}

Frame *call_frame(Elab *elab, Function *function, const Expr *site, Frame *caller) {
  Value *values = NEW_ARRAY(elab->arena, Value, site->arg_count + 1);
  bool good = true;
  for (uint32_t i = 0; i < site->arg_count; i++)
    if ((values[i] = eval(elab, caller, site->args[i].value)).kind == VALUE_ERROR) good = false;
  if (!good) return NULL;
  Arguments arguments = {values, site->args, site->arg_count};
  Frame *frame = frame_make(elab, function->scope, NULL);
  return bind_parameters(elab, function, site, frame, &arguments) ? frame : NULL;
}

bool define_add(Elab *elab, Frame *frame, const TreeEntry *entry) {
  const Expr *signature = key_signature(elab, entry);
  if (!signature) return false;
  const char *what = "define";
  if (!signature->called && !signature->bracketed) {
    frame_add_lazy(elab, frame, signature->text, what, entry->key_span, entry->value)->state =
        ENTRY_MACRO;
    return true;
  }
  Function *function = NEW(elab->arena, Function);
  *function = (Function){.kind = FUNCTION_DEFINE,
                         .name = signature->text,
                         .signature = signature,
                         .body = entry->value,
                         .scope = elab->globals};
  frame_add(elab, frame, signature->text, what, entry->key_span, value_function(function));
  return true;
}

enum { NESTED = 64 }; /* calls of defines within one another */

static Value call_define(Elab *elab, Function *function, const Expr *site, Frame *caller,
                         const Arguments *arguments, AxisId feature, bool has_feature) {
  bool cyclic = is_open(elab, function);
  if (cyclic || elab->depth >= NESTED) {
    const char *hint = arena_printf(elab->arena, "at most %d defines call one another", NESTED);
    elab_error(elab, site->span,
               cyclic ? "a define cannot call itself: use unroll[j=n](...)" : hint,
               cyclic ? "'%s' is defined in terms of itself" : "calls nest too deeply, at '%s'",
               function->name);
    return value_error();
  }
  struct Site former = site_enter(elab, caller, site);
  Frame *frame = frame_make(
      elab, function->scope,
      arena_printf(elab->arena, "%s/%s%u", elab->path, function->name, elab->occurrence++));
  const char *prefix = layers_enter(elab, function->name);
  Value value = value_error();
  if (bind_axes(elab, function, site, caller, frame, all_axes(arguments), feature, has_feature) &&
      bind_parameters(elab, function, site, frame, arguments)) {
    Open open;
    elab->depth++;
    scope_open(elab, &open, function, frame);
    value = call_body(elab, function, frame, site);
    scope_close(elab);
    elab->depth--;
  }
  layers_leave(elab, prefix);
  elab->site = former;
  return value;
}

Value call_function(Elab *elab, Function *function, const Expr *site, Frame *frame, Value *given,
                    size_t given_count, AxisId feature, bool has_feature) {
  size_t count = given_count + site->arg_count;
  Value *values = NEW_ARRAY(elab->arena, Value, count + 1);
  ExprArg *args = NEW_ARRAY(elab->arena, ExprArg, count + 1);
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    values[i] = i < given_count ? given[i] : eval(elab, frame, site->args[i - given_count].value);
    good = good && values[i].kind != VALUE_ERROR;
    args[i] =
        i < given_count ? (ExprArg){NULL, (Expr *)site, site->span} : site->args[i - given_count];
  }
  if (!good) return value_error();
  if (function->kind == FUNCTION_NETWORK) return network_call(elab, function, site, values, count);
  if (function->kind == FUNCTION_DISTRIBUTION) {
    elab_error(elab, site->span, NULL,
               "a distribution is not called: draw from it with sample(...)");
    return value_error();
  }
  Arguments arguments = {values, args, count};
  return call_define(elab, function, site, frame, &arguments, feature, has_feature);
}

/* An elementwise op by its own name. */
static bool op_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  OpCode op = op_find(expr->text);
  if (op == OP_COUNT || op_table[op].shaped || op == OP_mark || op == OP_guard) return false;
  *result = value_error();
  if (expr->bracketed)
    return elab_error(elab, expr->span, "it works element by element",
                      "'%s' takes no axes in brackets", expr->text),
           true;
  if (expr->arg_count != op_table[op].arity)
    return elab_error(elab, expr->span,
                      op_table[op].arity == 1   ? "as in f(x)"
                      : op_table[op].arity == 2 ? "as in f(x, y)"
                                                : "as in f(x, y, z)",
                      "'%s' takes %u argument%s, not %u", expr->text, op_table[op].arity,
                      op_table[op].arity == 1 ? "" : "s", expr->arg_count),
           true;
  Value src[3];
  Span spans[3];
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    if (expr->args[i].name)
      return elab_error(elab, expr->args[i].name_span, NULL, "the arguments of '%s' have no names",
                        expr->text),
             true;
    src[i] = eval(elab, frame, expr->args[i].value);
    spans[i] = expr->args[i].value->span;
    bool decided = i == 0 && op == OP_where && src[0].kind == VALUE_NODE;
    if (decided && src[0].node->op == OP_const)
      return *result = eval(elab, frame, expr->args[src[0].node->attr.value != 0 ? 1 : 2].value),
             true;
  }
  *result = value_op(elab, expr->span, op, src, spans);
  return true;
}

Value eval_call(Elab *elab, Frame *frame, const Expr *expr) {
  Frame *holder;
  Entry *entry = frame_lookup(frame, expr->text, &holder);
  Value value;
  if (!entry) {
    if (builtin_call(elab, frame, expr, &value) || op_call(elab, frame, expr, &value)) return value;
    report_unknown(elab, frame, expr, "function");
    return value_error();
  }
  value = eval_entry(elab, holder, entry, expr->span);
  if (value.kind == VALUE_ERROR) return value;
  if (value.kind == VALUE_FUNCTION && !expr->called) {
    elab_error(elab, expr->span, "write the arguments in round brackets behind the axes",
               "'%s' is not called: its arguments are missing", expr->text);
    return value_error();
  }
  if (value.kind != VALUE_FUNCTION) {
    elab_error(elab, expr->span, NULL, "the %s '%s' cannot be called", entry->what, expr->text);
    return value_error();
  }
  return call_function(elab, value.function, expr, frame, NULL, 0, 0, false);
}

/* losses.NAME.LET: the value computed by an earlier loss of the same program, constant here. */
static bool loss_field(Elab *elab, const Expr *expr, Value *value) {
  const Expr *loss = expr->base;
  if (loss->kind != EXPR_FIELD || loss->base->kind != EXPR_NAME ||
      strcmp(loss->base->text, "losses") != 0)
    return false;
  *value = value_error();
  const char *names[64];
  size_t count = 0;
  for (size_t i = 0; i < elab->losses_count; i++) {
    if (count < 64) names[count++] = elab->losses[i].name;
    if (strcmp(elab->losses[i].name, loss->text) != 0) continue;
    Entry *entry = frame_find(elab->losses[i].frame, expr->text);
    if (entry) return *value = eval_entry(elab, elab->losses[i].frame, entry, expr->span), true;
    for (count = 0; count < elab->losses[i].frame->count && count < 64; count++)
      names[count] = elab->losses[i].frame->entries[count].name;
    const char *near = hint_nearest(elab->arena, expr->text, names, count);
    elab_error(elab, expr->name_span, near ? near : "write it under the 'let' of that loss",
               "the loss '%s' has no let '%s'", loss->text, expr->text);
    return true;
  }
  Node *logged = logged_value(elab, loss->text, expr->text);
  if (logged) return *value = value_node(logged), true;
  const Tree *losses = tree_get(elab->spec, "losses");
  const Tree *log = tree_get(tree_get(losses, loss->text), "log");
  bool computed =
      slot_named(elab, arena_printf(elab->arena, "metric.losses/%s", loss->text)) != RLC_NONE;
  if (computed && elab->block.kind == BLOCK_NONE) {
    for (count = 0; log && count < log->entry_count && count < 64; count++)
      names[count] = log->entries[count].key;
    const char *near = hint_nearest(elab->arena, expr->text, names, count);
    elab_error(elab, expr->name_span, near ? near : "write it under the 'log' of that loss",
               "the loss '%s' logs no '%s'", loss->text, expr->text);
    return true;
  }
  if (tree_get(losses, loss->text)) {
    elab_error(elab, loss->name_span, "step on it earlier in the same update",
               "the loss '%s' has not been computed before this one", loss->text);
    return true;
  }
  for (count = 0; losses && count < losses->entry_count && count < 64; count++)
    names[count] = losses->entries[count].key;
  elab_error(elab, loss->name_span, hint_nearest(elab->arena, loss->text, names, count),
             "there is no loss '%s'", loss->text);
  note_removed(elab, loss->text);
  return true;
}

/* The nearest field, or all there are. */
static const char *field_hint(Elab *elab, const Record *record, const char *name) {
  const char *hint = hint_nearest(elab->arena, name, record->names, record->count);
  for (size_t i = 0; i < record->count && i < 8 && (i || !hint); i++)
    hint = arena_printf(elab->arena, "%s%s",
                        i ? arena_printf(elab->arena, "%s, ", hint) : "it has ", record->names[i]);
  return hint;
}

Value eval_field(Elab *elab, Frame *frame, const Expr *expr) {
  Value value;
  if (loss_field(elab, expr, &value)) return value;
  Value base = eval(elab, frame, expr->base);
  if (base.kind == VALUE_ERROR) return base;
  if (base.kind == VALUE_BUNDLE && !expr->called) return bundle_field(elab, base.bundle, expr);
  if (base.kind == VALUE_FUNCTION && base.function->let) {
    report_not_drawn(elab, base.function, expr->base->span);
    return value_error();
  }
  if (base.kind != VALUE_RECORD) {
    elab_error(elab, expr->name_span, "fields belong to draws, networks with heads and targets",
               "'%s' has no fields", expr_text(elab->arena, expr->base));
    return value_error();
  }
  const Value *field = record_get(base.record, expr->text);
  if (!field) {
    elab_error(elab, expr->name_span, field_hint(elab, base.record, expr->text),
               "%s has no field '%s'", base.record->what, expr->text);
    return value_error();
  }
  if (field->kind == VALUE_SLOT && !expr->called) return value_node(slot_value(elab, field->slot));
  if (!expr->called) return *field;
  if (field->kind == VALUE_FUNCTION)
    return call_function(elab, field->function, expr, frame, NULL, 0, 0, false);
  elab_error(elab, expr->name_span, NULL, "the field '%s' cannot be called", expr->text);
  return value_error();
}
