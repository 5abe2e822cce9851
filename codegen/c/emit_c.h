/* The pieces of the C emitter. Internal to codegen/emit_c*.c. */
#ifndef RLC_CODEGEN_C_EMIT_C_H
#define RLC_CODEGEN_C_EMIT_C_H

#include "codegen/schedule/kernel.h"

/* Output and the values of the unrolled loops' counters that are being expanded. */
typedef struct Emit {
  FILE *out;
  const Code *code;
  const Var *vars[16];
  int64_t values[16];
  int count;
} Emit;

/* Everything that generated code needs before the first kernel: types, mathematics, randomness,
 * work sharing. */
void emit_prologue(const Code *code, FILE *out);
void emit_block(Emit *emit, const Block *block, int indent);
/* Name of the vector type of `width` elements, or of the scalar. */
void emit_type(Emit *emit, ValueType type, uint32_t width);

#endif
