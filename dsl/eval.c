/* Expressions to values: names, operators, entries computed at first use. */
#include "dsl/data.h"
#include "dsl/names.h"

#include <math.h>
#include <string.h>

#define ELEMENT_LIMIT    1e15 /* of one operation */
#define EVALUATION_LIMIT 5000000

const Expr *tree_expr(Elab *elab, const Tree *tree) {
  if (tree->kind == TREE_SCALAR) return expr_read(elab->arena, elab->diag, tree->text);
  elab_error(elab, tree->span, "as in  x: 2 * y", "expected an expression here");
  return NULL;
}

const Expr *key_signature(Elab *elab, const TreeEntry *entry) {
  return expr_read_signature(elab->arena, elab->diag, entry->key_text);
}

bool tree_names(Elab *elab, const Tree *tree, const char ***names, Span **spans, size_t *count) {
  Expr **items = NULL;
  *count = 0;
  if (tree->kind == TREE_LIST) {
    items = NEW_ARRAY(elab->arena, Expr *, tree->item_count);
    for (*count = 0; *count < tree->item_count; (*count)++)
      if (!(items[*count] = (Expr *)tree_expr(elab, tree->items[*count]))) return false;
  } else if (tree->kind != TREE_SCALAR) {
    return elab_error(elab, tree->span, NULL, "expected a name or a list of names");
  } else if (!expr_read_list(elab->arena, elab->diag, tree->text, &items, count)) {
    return false;
  }
  *names = NEW_ARRAY(elab->arena, const char *, *count);
  *spans = NEW_ARRAY(elab->arena, Span, *count);
  for (size_t i = 0; i < *count; i++) {
    if (items[i]->kind != EXPR_NAME || items[i]->called || items[i]->bracketed)
      return elab_error(elab, items[i]->span, "a name stands alone, without operators or brackets",
                        "expected a name here");
    (*names)[i] = items[i]->text;
    (*spans)[i] = items[i]->span;
  }
  return true;
}

/* ---- tensors and axes that meet ---- */

void report_not_drawn(Elab *elab, Function *distribution, Span span) {
  if (distribution->reported) return;
  distribution->reported = true;
  if (!distribution->let) {
    elab_error(elab, span, NULL, "'%s' is not a tensor: draw from it with sample(...)",
               distribution->name);
    return;
  }
  const Entry *let = distribution->let;
  bool short_form = let->tree->kind == TREE_SCALAR;
  elab_error(elab, let->span,
             arena_printf(elab->arena, "write  %s: sample(%s)", let->name,
                          short_form ? let->tree->text.text : distribution->name),
             "'%s' is a distribution, and a value is needed of it", let->name);
  diag_note(elab->diag, span, "the value is used here");
}

Node *value_tensor(Elab *elab, Value value, Span span) {
  if (value.kind == VALUE_NODE) return value.node;
  if (value.kind == VALUE_RECORD && value.record->node) return value.record->node;
  if (value.kind == VALUE_RECORD) {
    const char *first = value.record->count ? value.record->names[0] : "?";
    elab_error(elab, span, arena_printf(elab->arena, "use one of its fields, as in '.%s'", first),
               "%s is not a tensor", value.record->what);
  }
  if (value.kind == VALUE_BUNDLE)
    elab_error(elab, span, "as in norm(t), or call the network with arguments",
               "this is not a tensor: it has the shape of %s", value.bundle->what);
  bool broken =
      value.kind == VALUE_FUNCTION && value.function->network && value.function->network->broken;
  if (value.kind != VALUE_FUNCTION || broken) return NULL;
  if (value.function->kind == FUNCTION_DISTRIBUTION)
    report_not_drawn(elab, value.function, span);
  else
    elab_error(elab, span, NULL, "'%s' is not a tensor: call it with arguments",
               value.function->name);
  return NULL;
}

static bool report_meeting(Elab *elab, Span span, AxisId a, AxisId b, const Axes *sets,
                           size_t count) {
  const Axis *x = &elab->graph->axes[a], *y = &elab->graph->axes[b];
  const char *shapes = "";
  for (size_t i = 0; i < count; i++)
    shapes = arena_printf(elab->arena, "%s%s%s", shapes, i ? " and " : "",
                          axes_text(elab->graph, elab->arena, sets[i]));
  if (x->extent == y->extent) {
    bool weights = false; /* along this axis alone */
    for (size_t i = 0; i < count; i++)
      weights =
          weights || (axes_count(sets[i]) == 1 && (axes_has(sets[i], a) || axes_has(sets[i], b)));
    const char *ranks =
        arena_printf(elab->arena,
                     "a weight by rank reads ranks[%s] in place of iota[%s], or goes "
                     "through order_value[%s, rank](...)",
                     x->label, x->label, x->label);
    elab_error(elab, span, weights ? ranks : "sort both, or sum the sorted one first",
               "axes cannot meet: along '%s' one value is sorted and another is not, in %s",
               x->label, shapes);
    return false;
  }
  elab_error(elab, span, "rename one of them, or give both the same extent",
             "axes cannot meet: '%s' has extent %u here and %u there, in %s", x->label, x->extent,
             y->extent, shapes);
  if (x->span.source)
    diag_note(elab->diag, x->span, "'%s=%u' comes from here", x->label, x->extent);
  if (y->span.source)
    diag_note(elab->diag, y->span, "'%s=%u' comes from here", y->label, y->extent);
  return false;
}

bool axes_may_meet(Elab *elab, Span span, const Axes *sets, size_t count) {
  Axes all = axes_none();
  for (size_t i = 0; i < count; i++) all = axes_union(all, sets[i]);
  unsigned outer = 0;
  for (AxisId a; axes_next(all, &outer, &a);) {
    unsigned inner = outer;
    for (AxisId b; axes_next(all, &inner, &b);)
      if (strcmp(elab->graph->axes[a].label, elab->graph->axes[b].label) == 0)
        return report_meeting(elab, span, a, b, sets, count);
  }
  return true;
}

Node *eval_op(Elab *elab, Span span, OpCode op, Node *x, Node *y, Node *z) {
  int arity = op_table[op].arity;
  if (!x || (arity > 1 && !y) || (arity > 2 && !z)) return NULL;
  Axes sets[3] = {x->axes, y ? y->axes : axes_none(), z ? z->axes : axes_none()};
  if (!axes_may_meet(elab, span, sets, (size_t)arity)) return NULL;
  Axes all = axes_union(axes_union(sets[0], sets[1]), sets[2]);
  if (axes_size(elab, all) > ELEMENT_LIMIT) {
    elab_error(elab, span, "make one of its axes smaller",
               "%g elements, with axes %s, are too many to compute", axes_size(elab, all),
               axes_text(elab->graph, elab->arena, all));
    return NULL;
  }
  Span former = graph_span(elab->graph, span);
  Node *node = node_make(elab->graph, op, (Attr){0}, x, y, z);
  graph_span(elab->graph, former);
  return node;
}

/* ---- names ---- */

static Node *counter_value(Elab *elab, const LanguageName *row) {
  uint32_t *slot = &elab->counters[(RlcCounter)row->value];
  if (*slot == RLC_NONE)
    *slot = graph_slot(elab->graph, arena_printf(elab->arena, "counter.%s", row->name), RLC_COUNTER,
                       RLC_F64, axes_none(), (Span){0});
  return node_input(elab->graph, *slot);
}

/* What a name of the language means here. False where it is none, or no value by itself. */
static bool language_number(const Elab *elab, const LanguageName *row, double *number) {
  switch (row->meaning) {
  case NAME_NUMBER:
  case NAME_TRUTH:
    return *number = row->value, true;
  case NAME_TRAINING:
    return *number = elab->training, true;
  case NAME_LOW:
    return *number = elab->env.low, true;
  case NAME_HIGH:
    return *number = elab->env.high, true;
  case NAME_FAN_IN:
    return *number = elab->fans.in, true;
  case NAME_FAN_OUT:
    return *number = elab->fans.out, true;
  case NAME_LAST_LAYER:
    return *number = elab->fans.last, true;
  case NAME_COUNTER:
  case NAME_BOX:
  case NAME_FACT:
  case NAME_COLUMN:
  case NAME_LOSSES:
    return false;
  }
  return false;
}

/* Numbers and draws' words that the language itself provides. */
static bool language_value(Elab *elab, const char *name, Value *value) {
  static const char *const words[] = {"u", "v", "w", "t"};
  for (int i = 0; i < 4; i++)
    if (elab->words[i] && strcmp(name, words[i]) == 0)
      return *value = value_node(elab->words[i]), true;
  const LanguageName *row = language_name(name);
  double number;
  if (!row || !language_name_seen(elab, row)) return false;
  if (row->meaning == NAME_COUNTER) return *value = value_node(counter_value(elab, row)), true;
  if (!language_number(elab, row, &number)) return false;
  return *value = value_node(node_const(elab->graph, number)), true;
}

static Value eval_name(Elab *elab, Frame *frame, const Expr *expr) {
  Frame *holder;
  Entry *entry = frame_lookup(frame, expr->text, &holder);
  if (entry) return eval_entry(elab, holder, entry, expr->span);
  Value value;
  if (language_value(elab, expr->text, &value)) return value;
  size_t errors = diag_errors(elab->diag);
  Node *column = column_value(elab, expr->text);
  if (column) return value_node(column);
  const LanguageName *row = language_name(expr->text);
  bool box = row && row->meaning == NAME_BOX && language_name_seen(elab, row);
  if (box && builtin_call(elab, frame, expr, &value)) return value;
  bool silent = errors < diag_errors(elab->diag) || column_broken(elab, expr->text);
  if (row && row->place == PLACE_INITIALISER)
    elab_error(elab, expr->span, "give the network an 'init'",
               "'%s' is known only in the initialisers of networks", expr->text);
  else if (!silent)
    report_unknown(elab, frame, expr, "name");
  return value_error();
}

/* The path of a frame: its own or the nearest one outside. */
static const char *frame_path(const Frame *frame) {
  for (; frame; frame = frame->parent)
    if (frame->path) return frame->path;
  return "";
}

static Value report_cycle(Elab *elab, const Entry *entry, Span user) {
  elab_error(elab, user, "break the cycle", "'%s' is defined in terms of itself", entry->name);
  if (entry->span.source) diag_note(elab->diag, entry->span, "the cycle goes through here");
  return value_error();
}

static Value expand_macro(Elab *elab, Frame *holder, Entry *entry, Span user) {
  Open open;
  if (is_open(elab, entry->tree)) return report_cycle(elab, entry, user);
  scope_open(elab, &open, entry->tree, NULL);
  Value value = eval_tree(elab, holder, entry->tree);
  scope_close(elab);
  return value;
}

Value eval_entry(Elab *elab, Frame *holder, Entry *entry, Span user) {
  entry->used = true;
  if (entry->state == ENTRY_DONE) return entry->value;
  if (entry->state == ENTRY_SLOT && entry->slot == RLC_NONE &&
      (entry->slot = optimizer_state(elab, entry->name)) == RLC_NONE)
    return value_error();
  if (entry->state == ENTRY_SLOT)
    return value_node(slot_value(elab, block_slot(elab, entry->slot)));
  if (entry->state == ENTRY_MACRO) return expand_macro(elab, holder, entry, user);
  if (entry->state == ENTRY_BUSY) return report_cycle(elab, entry, user);
  const char *path = elab->path;
  uint32_t occurrence = elab->occurrence;
  bool shared = elab->shared;
  size_t index = (size_t)(entry - holder->entries);
  elab->path = arena_printf(elab->arena, "%s.%s", frame_path(holder), entry->name);
  elab->occurrence = 0;
  elab->shared = holder->shared;
  entry->state = ENTRY_BUSY;
  Value value = eval_tree(elab, holder, entry->tree);
  elab->path = path;
  elab->occurrence = occurrence;
  elab->shared = shared;
  entry = &holder->entries[index]; /* entries move when a frame grows */
  entry->state = ENTRY_DONE;
  bool distribution = value.kind == VALUE_FUNCTION && value.function->kind == FUNCTION_DISTRIBUTION;
  if (distribution && !value.function->let && strcmp(entry->what, "let") == 0)
    value.function->let = memcpy(NEW(elab->arena, Entry), entry, sizeof *entry);
  bool tensor = value.kind == VALUE_NODE && entry->span.source;
  if (tensor && !size_check(elab, entry->span, arena_printf(elab->arena, "'%s'", entry->name),
                            value.node->axes))
    value = value_error();
  return entry->value = value;
}

/* ---- expressions ---- */

static Value eval_binary(Elab *elab, Frame *frame, const Expr *expr) {
  static const struct {
    const char *sign;
    OpCode op;
    bool swapped, negated;
  } signs[] = {
      {"+", OP_add, false, false}, {"-", OP_sub, false, false}, {"*", OP_mul, false, false},
      {"/", OP_div, false, false}, {"^", OP_pow, false, false}, {"<", OP_lt, false, false},
      {"<=", OP_le, false, false}, {">", OP_lt, true, false},   {">=", OP_le, true, false},
      {"==", OP_eq, false, false}, {"!=", OP_eq, false, true}};
  for (size_t i = 0; i < COUNTOF(signs); i++) {
    if (strcmp(expr->text, signs[i].sign) != 0) continue;
    Value args[2];
    Span spans[2];
    for (int k = 0; k < 2; k++) {
      int to = signs[i].swapped ? 1 - k : k;
      args[to] = eval(elab, frame, expr->args[k].value);
      spans[to] = expr->args[k].value->span;
    }
    Value value = value_op(elab, expr->span, signs[i].op, args, spans);
    if (!signs[i].negated || value.kind == VALUE_ERROR) return value;
    Value both[] = {value_node(node_const(elab->graph, 1)), value};
    return value_op(elab, expr->span, OP_sub, both, spans);
  }
  bug("unknown operator '%s'", expr->text);
}

/* Defines that expand in one another can be exponential in their text. */
static bool is_affordable(Elab *elab, const Expr *expr) {
  if (++elab->evaluations <= EVALUATION_LIMIT) return true;
  if (elab->evaluations == EVALUATION_LIMIT + 1)
    elab_error(elab, expr->span, "share parts with 'let'",
               "the spec expands to more than %d expressions", EVALUATION_LIMIT);
  return false;
}

static Value eval_kind(Elab *elab, Frame *frame, const Expr *expr) {
  switch (expr->kind) {
  case EXPR_NUMBER:
    return value_node(node_const(elab->graph, expr->value));
  case EXPR_STRING:
    elab_error(elab, expr->span, "a text stands only in 'require'", "a text cannot stand here");
    return value_error();
  case EXPR_UNARY: {
    Value x = eval(elab, frame, expr->args[0].value);
    return value_op(elab, expr->span, OP_neg, &x, &expr->args[0].value->span);
  }
  case EXPR_BINARY:
    return eval_binary(elab, frame, expr);
  case EXPR_FIELD:
    return eval_field(elab, frame, expr);
  case EXPR_NAME:
    break;
  }
  return expr->called || expr->bracketed ? eval_call(elab, frame, expr)
                                         : eval_name(elab, frame, expr);
}

#define TENSOR_AXES 16

Value eval(Elab *elab, Frame *frame, const Expr *expr) {
  if (!is_affordable(elab, expr)) return value_error();
  Value value = eval_kind(elab, frame, expr);
  int axes = value.kind == VALUE_NODE ? axes_count(value.node->axes) : 0;
  if (axes <= TENSOR_AXES) return value;
  elab_error(elab, expr->span, "reduce some of them before, or join[x](t, a, b)",
             "a tensor of %d axes: it may have %d", axes, TENSOR_AXES);
  return value_error();
}

Node *eval_node(Elab *elab, Frame *frame, const Expr *expr) {
  return value_tensor(elab, eval(elab, frame, expr), expr->span);
}

/* A map of `require`, `let` and `value` opens a frame of its own. */
static Value eval_block(Elab *elab, Frame *frame, const Tree *tree) {
  const Tree *value = tree_get(tree, "value");
  if (!value) value = tree_get(tree, "action");
  if (!value) {
    elab_error(elab, tree->span, NULL, "this block has no 'value'");
    return value_error();
  }
  Frame *inner = frame_make(elab, frame, elab->path);
  if (!frame_add_map(elab, inner, tree_get(tree, "let"), "let")) return value_error();
  Open open;
  scope_open(elab, &open, NULL, inner);
  Value result = eval_tree(elab, inner, value);
  scope_close(elab);
  return result;
}

Value eval_tree(Elab *elab, Frame *frame, const Tree *tree) {
  if (tree->kind == TREE_MAP) return eval_block(elab, frame, tree);
  const Expr *expr = tree_expr(elab, tree);
  return expr ? eval(elab, frame, expr) : value_error();
}

Node *eval_tree_node(Elab *elab, Frame *frame, const Tree *tree) {
  return value_tensor(elab, eval_tree(elab, frame, tree), tree->span);
}

bool eval_number(Elab *elab, Frame *frame, const Tree *tree, const char *what, double *number) {
  Node *node = eval_tree_node(elab, frame, tree);
  if (!node) return false;
  if (node->op != OP_const)
    return elab_error(elab, tree->span, "a number, or an expression of constants",
                      "%s must be a constant", what);
  *number = node->attr.value;
  if (!isnan(*number)) return true;
  return elab_error(elab, tree->span, NULL, "%s is not a number: it is 0/0 or the like", what);
}

bool eval_count(Elab *elab, Frame *frame, const Tree *tree, const char *what, double low,
                double high, uint64_t *count) {
  double number;
  if (!eval_number(elab, frame, tree, what, &number)) return false;
  if (number == floor(number) && number >= low && number <= high) {
    *count = (uint64_t)number;
    return true;
  }
  const Expr *expr = tree_expr(elab, tree);
  if (!expr) return false;
  return number_error(elab, frame, expr, NULL,
                      "%s must be a whole number from %.0f to %.0f, not %.10g", what, low, high,
                      number);
}
