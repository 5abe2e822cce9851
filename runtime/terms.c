/* Conditions that depend on counters alone: see RlcTerm. What an operation means stands in
 * ir/ops.def, once for generated code, the oracle and this. */
#include "runtime/training.h"

#include <math.h>

/* The rows in their order, as the compiler numbers them. */
enum {
#define OP1(name, ...)    OP_##name,
#define OP2(name, ...)    OP_##name,
#define OP3(name, ...)    OP_##name,
#define SHAPED(name, ...) OP_##name,
#include "ir/ops.def"
  OP_COUNT
};

/* How many earlier terms an operation is applied to; -1: none that has a meaning here. */
static int op_arity(uint8_t op) {
  switch (op) {
  case OP_const:
  case OP_input:
    return 0;
#define OP1(name, ...)                                                                             \
  case OP_##name:                                                                                  \
    return 1;
#define OP2(name, ...)                                                                             \
  case OP_##name:                                                                                  \
    return 2;
#define OP3(name, ...)                                                                             \
  case OP_##name:                                                                                  \
    return 3;
#include "ir/ops.def"
  }
  return -1;
}

static double op_value(uint8_t op, double x, double y, double z) {
  switch (op) {
#define OP(name, expression, ...)                                                                  \
  case OP_##name:                                                                                  \
    return expression;
#define OP1 OP
#define OP2 OP
#define OP3 OP
#include "ir/ops.def"
#undef OP
  }
  return NAN;
}

bool terms_check(const RlcTerm *terms, uint32_t count) {
  if (count == 0 || count > RLC_TERMS) return false;
  for (uint32_t i = 0; i < count; i++) {
    int arity = op_arity(terms[i].op);
    if (arity < 0 || (terms[i].op == OP_input && terms[i].counter >= RLC_COUNTERS)) return false;
    for (int k = 0; k < arity; k++)
      if (terms[i].src[k] >= i) return false;
  }
  return true;
}

double terms_value(const RlcTerm *terms, uint32_t count, const double counters[RLC_COUNTERS]) {
  double value[RLC_TERMS] = {0};
  for (uint32_t i = 0; i < count; i++) {
    const RlcTerm *term = &terms[i];
    const uint8_t *src = term->src;
    value[i] = term->op == OP_const ? term->value
               : term->op == OP_input
                   ? counters[term->counter]
                   : op_value(term->op, value[src[0]], value[src[1]], value[src[2]]);
  }
  return value[count - 1];
}
