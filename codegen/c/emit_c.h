/* The pieces of the C emitter, which the CUDA emitter builds on. Internal to codegen/c/ and
 * codegen/cuda/. */
#ifndef RLC_CODEGEN_C_EMIT_C_H
#define RLC_CODEGEN_C_EMIT_C_H

#include "codegen/schedule/kernel.h"

typedef struct Emit Emit;

/* What another language than C says otherwise: each function prints the term or statement and is
 * true, or prints nothing and is false, and then it is printed as C. */
typedef struct Dialect {
  bool by_lane;      /* a value is that of one lane, however wide its term */
  const char *index; /* the type of positions */
  bool (*term)(Emit *emit, const Term *term);
  bool (*stmt)(Emit *emit, const Stmt *stmt, int indent);
} Dialect;

/* Output and the values of the unrolled loops' counters that are being expanded. */
struct Emit {
  FILE *out;
  const Code *code;
  const Dialect *dialect; /* NULL: C */
  const Var *vars[16];
  int64_t values[16];
  int count;
  bool in_lanes; /* CUDA: inside of a loop over lanes */
  bool written;  /* CUDA: something that other lanes may read, since they last met */
};

/* Everything that generated code needs before the first kernel: types, mathematics, randomness,
 * work sharing. */
void emit_prologue(const Code *code, FILE *out);
/* Is an index term a number, once the counters of unrolled loops are known? */
bool emit_constant(const Emit *emit, const Term *term, int64_t *value);
void emit_block(Emit *emit, const Block *block, int indent);
void emit_indent(Emit *emit, int indent);
void emit_term(Emit *emit, const Term *term);
/* The same, in parentheses unless it is a name or a number. */
void emit_operand(Emit *emit, const Term *term);
/* What operations call, in C: a name for both types. The approximations stand before. */
void emit_functions(FILE *out);
/* The functions that are computed in line; their names end in _float. */
void emit_approximations(FILE *out);
/* Draws, for either language: INLINE and CALL are defined before. */
extern const char emit_randomness[];
/* The same for rounding to what the module rounds to: functions whose names end in the type. */
void emit_rounding(const Code *code, FILE *out);
void emit_real(Emit *emit, ValueType type, double value);
/* A constant table, behind `words`. */
void emit_table(const Code *code, const char *words, size_t number, FILE *out);
/* Name of the vector type of `width` elements, or of the scalar. */
void emit_type(Emit *emit, ValueType type, uint32_t width);

#endif
