/* Small formulas over ops in the language of specs: derivative columns of ops.def, patterns and
 * results of rules.def. A formula's names are its variables; calls and operators are elementwise
 * ops. */
#ifndef RLC_COMPILER_PASSES_FORMULA_H
#define RLC_COMPILER_PASSES_FORMULA_H

#include "ir/expr.h"
#include "ir/ir.h"

/* A name and the node it stands for. */
typedef struct Binding {
  const char *name;
  Node *node;
} Binding;

/* Reads a formula; a mistake in our own tables is a bug. */
const Expr *formula_read(Arena *arena, const char *text);

/* The op that an operator or a called name stands for: "+" is add, "a > b" is lt with its arguments
 * exchanged (*swapped). */
OpCode formula_op(const Expr *expr, bool *swapped);

/* Builds the formula. With `guarded`, products and quotients whose left operand is the variable g
 * multiply guarded. */
Node *formula_build(Graph *graph, const Expr *expr, const Binding *bindings, size_t count,
                    bool guarded);

#endif
