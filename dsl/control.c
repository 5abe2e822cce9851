/* What repeats: unroll, scan over an affine body, and the records they carry. */
#include "dsl/builtins.h"

#include <math.h>
#include <string.h>

/* record(a = x, b = y): values under names. */
static Value builtin_record(Elab *elab, Frame *frame, const Expr *expr) {
  Record *record = record_make(elab, "the record");
  if (expr->bracketed || expr->arg_count == 0)
    return elab_error(elab, expr->span, NULL, "write record(a = x, b = y)"), value_error();
  bool good = true;
  for (uint32_t i = 0; i < expr->arg_count; i++) {
    const ExprArg *arg = &expr->args[i];
    if (!arg->name)
      return elab_error(elab, arg->value->span, "as in record(a = x)",
                        "every value of a record has a name"),
             value_error();
    Value value = eval(elab, frame, arg->value);
    good = good && value.kind != VALUE_ERROR;
    record_add(elab, record, arg->name, value);
  }
  return good ? value_record(record) : value_error();
}

/* ---- unroll ---- */

/* What a carry stays, round after round. A network's name and a target's are trees of parameters.
 */
static const char *carry_kind(Value value) {
  if (value_is_bundle(value)) return "a tree of parameters";
  if (value.kind == VALUE_FUNCTION) return "a function";
  return value.kind == VALUE_RECORD && !value.record->node ? "a record" : "a tensor";
}

/* Whether a round's result may be the next round's carry: of the same kind, and a record keeps its
 * fields. */
static bool carry_fits(Elab *elab, const Expr *expr, Value before, Value after) {
  const Expr *body = expr->args[1].value;
  bool fields = before.kind == VALUE_RECORD && after.kind == VALUE_RECORD && !before.record->node;
  for (size_t i = 0; fields && i < before.record->count; i++)
    if (!record_get(after.record, before.record->names[i]))
      return elab_error(elab, body->span, "the next round has what this one leaves",
                        "the carry '%s' loses its field '%s'", expr->args[0].name,
                        before.record->names[i]);
  if (strcmp(carry_kind(before), carry_kind(after)) == 0) return true;
  return elab_error(elab, body->span, "the next round has what this one leaves",
                    "the carry '%s' is %s and becomes %s", expr->args[0].name, carry_kind(before),
                    carry_kind(after));
}

/* unroll[j=n](carry = init, body): body evaluated n times with j = 0 .. n-1; n may be 0. */
static Value builtin_unroll(Elab *elab, Frame *frame, const Expr *expr) {
  bool form = expr->axis_count == 1 && expr->axes[0].size && expr->arg_count == 2 &&
              expr->args[0].name && !expr->args[1].name;
  if (!form)
    return elab_error(elab, expr->span, NULL, "write unroll[j=n](carry = first, next)"),
           value_error();
  Node *times = eval_node(elab, frame, expr->axes[0].size);
  if (!times) return value_error();
  if (times->op != OP_const || times->attr.value != floor(times->attr.value) ||
      times->attr.value < 0 || times->attr.value > 4096)
    return number_error(elab, frame, expr->axes[0].size, NULL,
                        "the count of an unroll is a whole number from 0 to 4096"),
           value_error();
  Value carry = eval(elab, frame, expr->args[0].value);
  for (int j = 0; j < (int)times->attr.value && carry.kind != VALUE_ERROR; j++) {
    Frame *inner = frame_make(elab, frame, NULL);
    frame_add(elab, inner, expr->axes[0].name, "loop position", expr->span,
              value_node(node_const(elab->graph, j)));
    frame_add(elab, inner, expr->args[0].name, "carry", expr->span, carry);
    Value next = eval(elab, inner, expr->args[1].value);
    if (next.kind != VALUE_ERROR && !carry_fits(elab, expr, carry, next)) next = value_error();
    carry = next;
  }
  return carry;
}

/* ---- scan ---- */

/* A node as factor * carry + term; NULL stands for 0. */
typedef struct Affine {
  Node *factor, *term;
} Affine;

typedef struct AffineReader {
  Graph *graph;
  const Node *carry; /* the mark that stands for it */
  bool *depends;     /* by id: whether the carry is below */
  Affine *known;     /* by id, once read */
  bool *read;
  const Node *wrong; /* what is not affine */
} AffineReader;

static Node *plus(Graph *graph, OpCode op, Node *x, Node *y) {
  if (!y) return x;
  if (!x) return op == OP_sub ? node1(graph, OP_neg, y) : y;
  return node2(graph, op, x, y);
}

static Node *times(Graph *graph, OpCode op, Node *x, Node *y) {
  return x ? node2(graph, op, x, y) : NULL;
}

static Affine affine_read(AffineReader *reader, Node *node);

/* A choice between two, by a condition that is known without the carry. */
static Affine affine_where(AffineReader *reader, const Node *node) {
  Affine y = affine_read(reader, node->src[1]), z = affine_read(reader, node->src[2]);
  Node *zero = node_const(reader->graph, 0), *when = node->src[0];
  return (Affine){
      node3(reader->graph, OP_where, when, y.factor ? y.factor : zero, z.factor ? z.factor : zero),
      node3(reader->graph, OP_where, when, y.term ? y.term : zero, z.term ? z.term : zero)};
}

/* A node above the carry, from its arguments. */
static Affine affine_of(AffineReader *reader, Node *node) {
  Graph *graph = reader->graph;
  bool depends[3] = {false};
  for (int i = 0; i < 3; i++) depends[i] = node->src[i] && reader->depends[node->src[i]->id];
  OpCode op = (OpCode)node->op;
  if (op == OP_neg) {
    Affine x = affine_read(reader, node->src[0]);
    return (Affine){plus(graph, OP_sub, NULL, x.factor), plus(graph, OP_sub, NULL, x.term)};
  }
  if (op == OP_add || op == OP_sub) {
    Affine x = affine_read(reader, node->src[0]), y = affine_read(reader, node->src[1]);
    return (Affine){plus(graph, op, x.factor, y.factor), plus(graph, op, x.term, y.term)};
  }
  if ((op == OP_mul && depends[0] != depends[1]) || (op == OP_div && !depends[1])) {
    Affine x = affine_read(reader, node->src[depends[1]]);
    Node *by = node->src[!depends[1]];
    return (Affine){times(graph, op, x.factor, by), times(graph, op, x.term, by)};
  }
  if (op == OP_where && !depends[0]) return affine_where(reader, node);
  if (!reader->wrong) reader->wrong = node;
  return (Affine){NULL, NULL};
}

static Affine affine_read(AffineReader *reader, Node *node) {
  if (node == reader->carry) return (Affine){node_const(reader->graph, 1), NULL};
  if (!reader->depends[node->id]) return (Affine){NULL, node};
  if (!reader->read[node->id]) {
    reader->known[node->id] = affine_of(reader, node);
    reader->read[node->id] = true;
  }
  return reader->known[node->id];
}

/* The body as factor * carry + term. The test is of its structure: what passes is affine for all
 * values. False with `reader->wrong`. */
static bool affine_body(Elab *elab, AffineReader *reader, Node *body, Affine *affine) {
  size_t count = elab->graph->node_count;
  reader->graph = elab->graph;
  reader->depends = NEW_ARRAY(elab->arena, bool, count);
  reader->read = NEW_ARRAY(elab->arena, bool, count);
  reader->known = NEW_ARRAY(elab->arena, Affine, count);
  for (size_t id = 0; id < count; id++) {
    const Node *node = elab->graph->nodes[id];
    bool depends = node == reader->carry;
    for (int i = 0; i < 3; i++)
      depends = depends || (node->src[i] && reader->depends[node->src[i]->id]);
    reader->depends[id] = depends;
  }
  *affine = affine_read(reader, body);
  return !reader->wrong;
}

/* Why a body is not what scan takes. */
static Value report_body(Elab *elab, const Expr *expr, const Node *wrong) {
  const char *name = expr->args[0].name;
  bool moves = op_of(wrong)->shaped;
  const Expr *body = expr->args[1].value;
  if (moves)
    elab_error(elab, body->span, "reduce what does not depend on it, or write an unroll",
               "the carry '%s' changes its axes: '%s' of it stands in the body", name,
               op_of(wrong)->name);
  else
    elab_error(elab, body->span,
               arena_printf(elab->arena, "as in a * %s + b; anything else is an unroll", name),
               "the body of a scan is affine in its carry: '%s' of '%s' is not", op_of(wrong)->name,
               name);
  return value_error();
}

/* The first value of the carry becomes part of the first term. */
static Node *with_first(Elab *elab, Affine affine, Node *first, AxisId axis, bool reverse) {
  Graph *graph = elab->graph;
  if (!affine.factor || node_is_const(first, 0)) return affine.term;
  Node *edge = node_const(graph, reverse ? graph->axes[axis].extent - 1 : 0);
  Node *at_edge = node2(graph, OP_eq, count_along(elab, axis), edge);
  Node *start = node3(graph, OP_where, at_edge, node2(graph, OP_mul, affine.factor, first),
                      node_const(graph, 0));
  return plus(graph, OP_add, affine.term, start);
}

/* The body with the carry as a mark of its own; NULL after reporting. */
static Node *scan_body(Elab *elab, Frame *frame, const Expr *expr, Node **carry) {
  *carry = node_mark(elab->graph, node_const(elab->graph, 0));
  Frame *inner = frame_make(elab, frame, NULL);
  frame_add(elab, inner, expr->args[0].name, "carry", expr->span, value_node(*carry));
  return eval_node(elab, inner, expr->args[1].value);
}

/* scan[x](g = first, body, reverse=true): g over x, from the end unless reverse=false, where the
 * body is affine in the value before. */
static Value builtin_scan(Elab *elab, Frame *frame, const Expr *expr) {
  bool form =
      expr->axis_count == 1 && expr->arg_count >= 2 && expr->arg_count <= 3 && expr->args[0].name &&
      !expr->args[1].name &&
      (expr->arg_count == 2 || (expr->args[2].name && strcmp(expr->args[2].name, "reverse") == 0));
  if (!form)
    return elab_error(elab, expr->span, NULL,
                      "write scan[x](g = first, body) or scan[x](g = first, "
                      "body, reverse=false)"),
           value_error();
  bool reverse;
  AffineReader reader = {0};
  Affine affine;
  Node *first = eval_node(elab, frame, expr->args[0].value), *carry;
  if (!first || !named_flag(elab, frame, expr, "reverse", true, &reverse)) return value_error();
  Node *body = scan_body(elab, frame, expr, &carry);
  int axis = body ? axis_of(elab, frame, &expr->axes[0], body->axes) : -1;
  if (axis < 0) return value_error();
  reader.carry = carry;
  if (!affine_body(elab, &reader, body, &affine)) return report_body(elab, expr, reader.wrong);
  if (axes_has(first->axes, (AxisId)axis))
    return elab_error(elab, expr->args[0].value->span, "it is one value before all others",
                      "the first value of '%s' has the axis '%s' itself", expr->args[0].name,
                      expr->axes[0].name),
           value_error();
  Axes sets[] = {body->axes, first->axes};
  if (!axes_may_meet(elab, expr->span, sets, 2)) return value_error();
  Node *term = with_first(elab, affine, first, (AxisId)axis, reverse);
  Node *zero = node_const(elab->graph, 0);
  return value_node(scan_along(elab, affine.factor ? affine.factor : zero, term ? term : zero,
                               (AxisId)axis, reverse));
}

const Builtin control_builtins[] = {
    {"record", builtin_record}, {"unroll", builtin_unroll}, {"scan", builtin_scan}, {NULL, NULL}};
