/* The pieces of the LLVM emitter. Internal to codegen/emit_llvm*.c and native*.c.
 *
 * Loop IR has scalar code inside loops over lanes; here such a loop becomes vectors of `width`
 * elements at once. A value in it is either the same for all lanes (a scalar), an index that grows
 * evenly from lane to lane (a scalar with a step), or a vector. */
#ifndef RLC_CODEGEN_LLVM_EMIT_LLVM_H
#define RLC_CODEGEN_LLVM_EMIT_LLVM_H

#include "codegen/loop/bodies.h"

#include <llvm-c/Core.h>

typedef struct Val {
  LLVMValueRef value;
  uint32_t width; /* elements; 1: a scalar */
  int64_t step;   /* an index that is no vector: what each lane adds to it */
} Val;

/* What a variable, a buffer or registers of the loop IR are here. */
typedef struct Binding {
  const void *of;
  Val val;
  LLVMValueRef *cells; /* registers of a tile: one place on the stack each */
} Binding;

typedef struct Llvm {
  const Code *code;
  Arena *arena;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTypeRef call_type, kernel_type; /* RlcCall, Kernel */
  LLVMValueRef function, call;        /* that are being emitted */
  const Kernel *kernel;
  Binding *bindings;
  size_t count, capacity;
  uint32_t lanes;    /* in a lane loop: elements at once; else 1 */
  LLVMValueRef mask; /* which of them exist; NULL: all */
} Llvm;

/* ---- emit_llvm_value.c: types, conversions, memory ---- */

LLVMTypeRef llvm_type(Llvm *l, ValueType type, uint32_t width);
/* Indices are 64 bits wide, vectors of them 32. */
LLVMValueRef llvm_index(Llvm *l, int64_t value);
LLVMValueRef llvm_splat(Llvm *l, LLVMValueRef scalar, uint32_t width);
/* <0, 1, 2, ..> of 32 bits. */
LLVMValueRef llvm_iota(Llvm *l, uint32_t width);
/* As `width` elements: splats a scalar, spreads an even index. */
LLVMValueRef llvm_widen(Llvm *l, Val val, uint32_t width);
Val llvm_convert(Llvm *l, Val val, ValueType from, ValueType to);
/* Calls an intrinsic overloaded over `types`. */
LLVMValueRef llvm_intrinsic(Llvm *l, const char *name, LLVMTypeRef *types, unsigned type_count,
                            LLVMValueRef *args, unsigned arg_count);
/* A mathematical function outside, declared when first asked for: it has no effects. */
LLVMValueRef llvm_declare(Llvm *l, const char *name, LLVMTypeRef type);
/* Element(s) at `index` of memory that begins at `base`: all lanes of a lane loop, or the
 * `width` elements of an explicit vector. */
LLVMValueRef llvm_address(Llvm *l, LLVMValueRef base, ValueType type, LLVMValueRef index);
Val llvm_load(Llvm *l, LLVMValueRef base, ValueType type, Val index, uint32_t width);
void llvm_store(Llvm *l, LLVMValueRef base, ValueType type, Val index, Val value, uint32_t width);

/* ---- emit_llvm_op.c ---- */

/* An operation of ops.def: its text, read as an expression over x, y, z. */
Val llvm_apply(Llvm *l, OpCode op, ValueType type, const Val *args);

/* ---- emit_llvm_pairs.c ---- */

/* Rounded to the format, in its own type. */
Val llvm_round(Llvm *l, const FormatInfo *format, Val x);
/* TERM_PAIRS and TERM_DOT, of 16 lanes. */
Val llvm_pairs(Llvm *l, LLVMValueRef args[2], bool along);
Val llvm_dot(Llvm *l, LLVMValueRef args[3]);

/* ---- emit_llvm_draw.c ---- */

/* Uniform draws in (0, 1) for these elements of a stream. */
Val llvm_uniform(Llvm *l, ValueType type, uint64_t stream, int word, Val element);

/* ---- emit_llvm_block.c ---- */

void llvm_bind(Llvm *l, const void *of, Val val, LLVMValueRef *cells);
void llvm_block(Llvm *l, const Block *block);

/* A counted loop: body_begin leaves the builder inside, loop_end after it. */
typedef struct LlvmLoop {
  LLVMBasicBlockRef body, done;
  LLVMValueRef counter, hi;
  int64_t step;
} LlvmLoop;
LlvmLoop llvm_loop_begin(Llvm *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step);
void llvm_loop_end(Llvm *l, LlvmLoop *loop);

/* ---- emit_llvm.c ---- */

/* Fields of RlcCall, in the order of rlc.h. */
typedef enum CallField {
  CALL_MEMORY,
  CALL_WORK,
  CALL_SEED,
  CALL_STEP,
  CALL_THREAD,
  CALL_THREADS,
  CALL_BARRIER,
  CALL_TEAM,
  CALL_DONE,
  CALL_CONTEXT,
  CALL_FIELDS
} CallField;

LLVMValueRef llvm_call_field(Llvm *l, CallField field);

/* A module to emit into, which lives in `context`; llvm_end gives it back. */
Llvm *llvm_begin(const Code *code, Arena *arena, LLVMContextRef context, const char *name);
LLVMModuleRef llvm_end(Llvm *l);
/* The kernel as an RlcKernelFn of that name. */
void llvm_kernel(Llvm *l, const Kernel *kernel, const char *name);

/* ---- emit_llvm_tables.c ---- */

/* The RlcModule `rlc_module` as a constant, with its programs' lists of kernels, which call the
 * bodies by name. */
void llvm_tables(Llvm *l, const Bodies *bodies);

#endif
