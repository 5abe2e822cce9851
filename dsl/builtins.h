/* What the files of built-in functions share; private to dsl/. */
#ifndef RLC_DSL_BUILTINS_H
#define RLC_DSL_BUILTINS_H

#include "dsl/data.h"

/* A built-in function: evaluates a call, reports, returns its value. */
typedef Value (*BuiltinFn)(Elab *elab, Frame *frame, const Expr *expr);

typedef struct Builtin {
  const char *name;
  BuiltinFn fn;
} Builtin;

/* Tables that end with a NULL name. */
extern const Builtin axis_builtins[], control_builtins[];

/* ---- builtins.c ---- */

/* The only argument and the only axis in brackets, which it must have. -1 after reporting. */
int builtin_axis(Elab *elab, Frame *frame, const Expr *expr, Node **x);
/* Whether an axis holds ranks of a sort, and the axis of ranks along another one: same label, so
 * that sum[try] reads naturally, but another axis, so that sorted and unsorted values cannot be
 * mixed. */
bool is_rank_axis(const Elab *elab, AxisId axis);
int rank_axis(Elab *elab, AxisId axis);
/* An argument given by name, or NULL. */
const Expr *named_argument(const Expr *expr, const char *name);
/* Whether a call has `count` arguments by position, then only such as `names` (NULL-ended) has. */
bool arguments_fit(const Expr *expr, uint32_t count, const char *const *names);
/* What a call means at compile time: true where argument `name` holds, `otherwise` without it. */
bool named_flag(Elab *elab, Frame *frame, const Expr *expr, const char *name, bool otherwise,
                bool *value);

/* ---- axis_tools.c ---- */

/* g_t = a_t * g_before + b_t along `axis`, from the end when `reverse`, starting at 0. */
Node *scan_along(Elab *elab, Node *a, Node *b, AxisId axis, bool reverse);
/* Constant 0, 1, 2, ... along an axis. */
Node *count_along(Elab *elab, AxisId axis);

#endif
