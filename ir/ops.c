/* Expands ops.def into the table of operations. The oracle's scalar functions are the very
 * expressions that emitters print. */
#include "ir/ir.h"
#include "ir/adjoint.h"

#include <math.h>
#include <string.h>

#define OP1(name, e, gx, p, ...)                                                                   \
  static double eval_##name(double x, double y, double z) {                                        \
    (void)y, (void)z;                                                                              \
    return e;                                                                                      \
  }
#define OP2(name, e, gx, gy, p, ...)                                                               \
  static double eval_##name(double x, double y, double z) {                                        \
    (void)z;                                                                                       \
    return e;                                                                                      \
  }
#define OP3(name, e, gx, gy, gz, p, ...)                                                           \
  static double eval_##name(double x, double y, double z) { return e; }
#include "ir/ops.def"

#define OP1(n, e, gx, p, ...)                                                                      \
  [OP_##n] = {.name = #n,                                                                          \
              .arity = 1,                                                                          \
              .expr = #e,                                                                          \
              .grad = {gx},                                                                        \
              .at = p,                                                                             \
              .eval = eval_##n,                                                                    \
              .doc = __VA_ARGS__},
#define OP2(n, e, gx, gy, p, ...)                                                                  \
  [OP_##n] = {.name = #n,                                                                          \
              .arity = 2,                                                                          \
              .expr = #e,                                                                          \
              .grad = {gx, gy},                                                                    \
              .at = p,                                                                             \
              .eval = eval_##n,                                                                    \
              .doc = __VA_ARGS__},
#define OP3(n, e, gx, gy, gz, p, ...)                                                              \
  [OP_##n] = {.name = #n,                                                                          \
              .arity = 3,                                                                          \
              .expr = #e,                                                                          \
              .grad = {gx, gy, gz},                                                                \
              .at = p,                                                                             \
              .eval = eval_##n,                                                                    \
              .doc = __VA_ARGS__},
#define SHAPED(n, a, adj, ...)                                                                     \
  [OP_##n] = {.name = #n, .arity = a, .shaped = true, .adjoint = adj, .doc = __VA_ARGS__},

const OpInfo op_table[OP_COUNT] = {
#include "ir/ops.def"
};

OpCode op_find(const char *name) {
  for (int op = 0; op < OP_COUNT; op++)
    if (strcmp(op_table[op].name, name) == 0) return (OpCode)op;
  return OP_COUNT;
}
