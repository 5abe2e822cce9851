/* The expression language as a tree. One reader serves specs, the prelude, ops.def derivatives and
 * rules.def.
 *
 *   expr    := or-free comparison chain of sums:  a < b, a <= b, a > b, a >= b, a == b, a != b (not
 * associative) sum     := term (('+' | '-') term)* term    := unary (('*' | '/') unary)* unary   :=
 * '-' unary | power power   := postfix ('^' unary)?                  right associative, binds
 * tighter than unary minus: -x^2 = -(x^2) postfix := primary ('.' name)* primary := number | '"'
 * text '"' | name ['[' axes ']'] ['(' args ')'] | '(' expr ')' axes    := [axis (',' axis)*] axis
 * := name ['=' expr]     ('[]' is allowed: no axes, but brackets written) args    := [arg (','
 * arg)*]       arg  := [name '='] expr
 *
 * A postfix field may be called: slow.critic(obs, action), out.mean, losses.actor.a.log_prob;
 * brackets may follow a field. Every node has the span of its text in the YAML file, so that a
 * caret can point at a token of a multi-line scalar. */
#ifndef RLC_IR_EXPR_H
#define RLC_IR_EXPR_H

#include "ir/base.h"

typedef enum ExprKind {
  EXPR_NUMBER, /* value */
  EXPR_STRING, /* text */
  EXPR_NAME,   /* text; brackets and call as below */
  EXPR_FIELD,  /* base `.` text; brackets and call as below */
  EXPR_UNARY,  /* text = "-"; args[0] */
  EXPR_BINARY, /* text = "+", "-", "*", "/", "^", "<", ... ; args[0], args[1] */
} ExprKind;

typedef struct Expr Expr;

/* `try=M` in brackets: size is NULL when only the name is written. */
typedef struct ExprAxis {
  const char *name;
  Expr *size;
  Span span;
} ExprAxis;

typedef struct ExprArg {
  const char *name; /* NULL for a positional argument */
  Expr *value;
  Span name_span;
} ExprArg;

struct Expr {
  ExprKind kind;
  const char *text;
  double value;
  Expr *base; /* EXPR_FIELD */
  bool bracketed, called;
  ExprAxis *axes;
  uint32_t axis_count;
  ExprArg *args; /* operands of unary and binary nodes too */
  uint32_t arg_count;
  Span span;      /* the whole expression */
  Span name_span; /* the name, number or operator alone */
};

/* Where the characters of a scalar stand in its file: YAML folds and unquotes, so position i of the
 * value is not start + i. `spans` gives line and column of each byte of `text` (text[length]
 * included); NULL means consecutive from `start`. */
typedef struct ExprText {
  const char *text;
  size_t length;
  const Source *source;
  Span start;
  const Span *spans;
} ExprText;

/* Reads one expression that must take the whole text. NULL after reporting. Nesting deeper than 200
 * is refused with a message. */
Expr *expr_read(Arena *arena, Diag *diag, ExprText text);
/* A comma-separated list (layers, `input: obs, action`, `over: actor, critic`): count items in
 * *items. False after reporting. */
bool expr_read_list(Arena *arena, Diag *diag, ExprText text, Expr ***items, size_t *count);
/* The signature of a define: name[axes](parameter, parameter=default, ...). As an EXPR_NAME whose
 * args are names (args[i].value is an EXPR_NAME without name=, or args[i].name is set and value is
 * the default). */
Expr *expr_read_signature(Arena *arena, Diag *diag, ExprText text);

/* The expression as text in canonical form (fully spaced, minimal brackets), readable by expr_read
 * again. */
const char *expr_text(Arena *arena, const Expr *expr);

/* How tightly an expression binds: the grammar above from the outside in. */
typedef enum ExprLevel {
  LEVEL_COMPARE,
  LEVEL_SUM,
  LEVEL_TERM,
  LEVEL_UNARY,
  LEVEL_POWER,
  LEVEL_PRIMARY
} ExprLevel;
ExprLevel expr_level(const Expr *expr);

/* A number by our own grammar: [+-] digits [. digits] [e[+-]digits]. False if the whole text is not
 * one. */
bool number_read(const char *text, size_t length, double *value);

#endif
