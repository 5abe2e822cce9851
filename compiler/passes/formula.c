/* Builds nodes from small formulas. */
#include "compiler/passes/formula.h"

#include <math.h>
#include <string.h>

const Expr *formula_read(Arena *arena, const char *text) {
  Diag *diag = diag_make(arena);
  Source *source = source_from_text(arena, "<table>", text);
  ExprText whole = {text, strlen(text), source, {source, 1, 1, 0}, NULL};
  const Expr *expr = expr_read(arena, diag, whole);
  if (!expr) bug("cannot read the formula '%s'", text);
  return expr;
}

OpCode formula_op(const Expr *expr, bool *swapped) {
  static const struct {
    const char *sign;
    OpCode op;
    bool swapped;
  } signs[] = {{"+", OP_add, false}, {"-", OP_sub, false}, {"*", OP_mul, false},
               {"/", OP_div, false}, {"^", OP_pow, false}, {"<", OP_lt, false},
               {"<=", OP_le, false}, {">", OP_lt, true},   {">=", OP_le, true},
               {"==", OP_eq, false}};
  *swapped = false;
  if (expr->kind == EXPR_UNARY) return OP_neg;
  if (expr->kind == EXPR_NAME) return expr->called ? op_find(expr->text) : OP_COUNT;
  for (size_t i = 0; expr->kind == EXPR_BINARY && i < COUNTOF(signs); i++)
    if (strcmp(expr->text, signs[i].sign) == 0) {
      *swapped = signs[i].swapped;
      return signs[i].op;
    }
  return OP_COUNT;
}

static Node *lookup(Graph *graph, const char *name, const Binding *bindings, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(bindings[i].name, name) == 0) return bindings[i].node;
  if (strcmp(name, "pi_") == 0) return node_const(graph, M_PI);
  if (strcmp(name, "inf") == 0) return node_const(graph, INFINITY);
  bug("unknown name '%s' in a formula", name);
}

/* Whether the product's left end is g: `g * a * b` reads as (g * a) * b. */
static bool starts_with_g(const Expr *expr) {
  while (expr->kind == EXPR_BINARY && (expr->text[0] == '*' || expr->text[0] == '/'))
    expr = expr->args[0].value;
  return expr->kind == EXPR_NAME && !expr->called && strcmp(expr->text, "g") == 0;
}

static Node *build_guarded(Graph *graph, OpCode op, Node *x, Node *y) {
  if (op == OP_div) y = node2(graph, OP_div, node_const(graph, 1), y);
  return node2(graph, OP_guard, x, y);
}

Node *formula_build(Graph *graph, const Expr *expr, const Binding *bindings, size_t count,
                    bool guarded) {
  if (expr->kind == EXPR_NUMBER) return node_const(graph, expr->value);
  if (expr->kind == EXPR_NAME && !expr->called) return lookup(graph, expr->text, bindings, count);
  bool swapped;
  OpCode op = formula_op(expr, &swapped);
  if (op == OP_COUNT || expr->arg_count != op_table[op].arity)
    bug("cannot build '%s' in a formula", expr->text);
  Node *src[3] = {NULL, NULL, NULL};
  for (uint32_t i = 0; i < expr->arg_count; i++)
    src[swapped ? 1 - i : i] = formula_build(graph, expr->args[i].value, bindings, count, guarded);
  if (guarded && (op == OP_mul || op == OP_div) && starts_with_g(expr))
    return build_guarded(graph, op, src[0], src[1]);
  return node_make(graph, op, (Attr){0}, src[0], src[1], src[2]);
}
