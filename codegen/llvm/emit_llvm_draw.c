/* Draws as LLVM IR: Philox 4x32-10, a function of the module for each width. */
#include "codegen/llvm/emit_llvm.h"
#include "runtime/rng.h"

/* The words of a counter stand in numbers of 64 bits, of which the upper halves mean nothing: then
 * a product's words are the product itself and what is above it, and nothing moves between lanes. A
 * vector is two parts, of the even elements and of the odd ones. */
typedef struct Rounds {
  Llvm *l;
  LLVMTypeRef wide;             /* a part: a number where it has one element */
  uint32_t width, parts, lanes; /* elements, parts, elements of each */
  LLVMValueRef c[4][2], k[2];
} Rounds;

static LLVMTypeRef words(Llvm *l, uint32_t width) { return llvm_type(l, VALUE_I32, width); }

/* A number in every lane of a part; a scalar of one. */
static LLVMValueRef equal_lanes(const Rounds *p, uint64_t value) {
  LLVMValueRef lanes[64], one = LLVMConstInt(LLVMInt64TypeInContext(p->l->context), value, false);
  if (p->lanes == 1) return one;
  for (uint32_t i = 0; i < p->lanes; i++) lanes[i] = one;
  return LLVMConstVector(lanes, p->lanes);
}

static LLVMValueRef upper(const Rounds *p, LLVMValueRef x) {
  return LLVMBuildLShr(p->l->builder, x, equal_lanes(p, 32), "");
}

static LLVMValueRef lower(const Rounds *p, LLVMValueRef x) {
  return LLVMBuildAnd(p->l->builder, x, equal_lanes(p, UINT32_MAX), "");
}

/* 32 bits times 32 bits, for which the machines have an instruction. */
static LLVMValueRef multiply(const Rounds *p, LLVMValueRef x, uint32_t by) {
  return LLVMBuildMul(p->l->builder, lower(p, x), equal_lanes(p, by), "");
}

/* The word above a product, with another word and a key. */
static LLVMValueRef mix(const Rounds *p, LLVMValueRef product, LLVMValueRef word,
                        LLVMValueRef key) {
  LLVMBuilderRef builder = p->l->builder;
  return LLVMBuildXor(builder, LLVMBuildXor(builder, upper(p, product), word, ""), key, "");
}

static void philox_round(Rounds *p) {
  static const uint32_t steps[] = {0x9E3779B9u, 0xBB67AE85u};
  for (uint32_t i = 0; i < p->parts; i++) {
    LLVMValueRef first = multiply(p, p->c[0][i], 0xD2511F53u),
                 second = multiply(p, p->c[2][i], 0xCD9E8D57u);
    p->c[0][i] = mix(p, second, p->c[1][i], p->k[0]);
    p->c[2][i] = mix(p, first, p->c[3][i], p->k[1]);
    p->c[1][i] = second, p->c[3][i] = first;
  }
  for (uint32_t i = 0; i < 2; i++)
    p->k[i] = LLVMBuildAdd(p->l->builder, p->k[i], equal_lanes(p, steps[i]), "");
}

/* Ten rounds as a loop: each waits for the one before, so that expanding them all gains nothing and
 * costs several times as much to compile. */
static void philox_rounds(Rounds *p, LLVMValueRef function) {
  Llvm *l = p->l;
  LLVMValueRef round = llvm_index(l, 0), *values[11], phis[11];
  size_t count = 0;
  values[count++] = &round;
  for (int i = 0; i < 2; i++) values[count++] = &p->k[i];
  for (int i = 0; i < 4; i++)
    for (uint32_t part = 0; part < p->parts; part++) values[count++] = &p->c[i][part];
  LLVMBasicBlockRef entry = LLVMGetInsertBlock(l->builder),
                    body = LLVMAppendBasicBlockInContext(l->context, function, ""),
                    done = LLVMAppendBasicBlockInContext(l->context, function, "");
  LLVMBuildBr(l->builder, body);
  LLVMPositionBuilderAtEnd(l->builder, body);
  for (size_t i = 0; i < count; i++) {
    phis[i] = LLVMBuildPhi(l->builder, LLVMTypeOf(*values[i]), "");
    LLVMAddIncoming(phis[i], values[i], &entry, 1);
    *values[i] = phis[i];
  }
  philox_round(p);
  round = LLVMBuildAdd(l->builder, round, llvm_index(l, 1), "");
  for (size_t i = 0; i < count; i++) LLVMAddIncoming(phis[i], values[i], &body, 1);
  LLVMValueRef last = LLVMBuildICmp(l->builder, LLVMIntEQ, round, llvm_index(l, 10), "");
  LLVMBuildCondBr(l->builder, last, done, body);
  LLVMPositionBuilderAtEnd(l->builder, done);
}

/* The elements as parts. */
static void split(Rounds *p, LLVMValueRef element) {
  LLVMBuilderRef builder = p->l->builder;
  if (p->width == 1) {
    p->c[0][0] = LLVMBuildZExt(builder, element, p->wide, "");
    return;
  }
  p->c[0][0] = LLVMBuildBitCast(builder, element, p->wide, "");
  p->c[0][1] = upper(p, p->c[0][0]);
}

/* A word of the elements. */
static LLVMValueRef join(const Rounds *p, LLVMValueRef *parts) {
  LLVMBuilderRef builder = p->l->builder;
  LLVMTypeRef type = words(p->l, p->width);
  if (p->width == 1) return LLVMBuildTrunc(builder, parts[0], type, "");
  LLVMValueRef odd = LLVMBuildShl(builder, parts[1], equal_lanes(p, 32), "");
  return LLVMBuildBitCast(builder, LLVMBuildOr(builder, lower(p, parts[0]), odd, ""), type, "");
}

/* A word of the call in every lane of a part. */
static LLVMValueRef every_lane(const Rounds *p, LLVMValueRef word) {
  LLVMTypeRef number = LLVMInt64TypeInContext(p->l->context);
  return llvm_splat(p->l, LLVMBuildZExt(p->l->builder, word, number, ""), p->lanes);
}

static Rounds rounds_start(Llvm *l, uint32_t width) {
  uint32_t parts = width > 1 ? 2 : 1, lanes = width / parts;
  LLVMTypeRef wide = LLVMInt64TypeInContext(l->context);
  if (lanes > 1) wide = LLVMVectorType(wide, lanes);
  return (Rounds){.l = l, .wide = wide, .width = width, .parts = parts, .lanes = lanes};
}

/* philox(element, stream, step, step's high half, key, key): all four words. It has no effects, so
 * that several words of one element cost one call. */
static LLVMValueRef philox_function(Llvm *l, uint32_t width) {
  const char *name = arena_printf(l->arena, "philox_%u", width);
  LLVMTypeRef one = words(l, 1), many = words(l, width);
  LLVMTypeRef types[] = {many, one, one, one, one, one};
  LLVMTypeRef type = LLVMFunctionType(LLVMArrayType2(many, 4), types, 6, false);
  LLVMValueRef function = LLVMGetNamedFunction(l->module, name);
  if (function) return function;
  function = llvm_declare(l, name, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  LLVMBasicBlockRef here = LLVMGetInsertBlock(l->builder);
  LLVMPositionBuilderAtEnd(l->builder, LLVMAppendBasicBlockInContext(l->context, function, ""));
  Rounds p = rounds_start(l, width);
  split(&p, LLVMGetParam(function, 0));
  for (unsigned i = 1; i < 4; i++)
    p.c[i][0] = p.c[i][1] = every_lane(&p, LLVMGetParam(function, i));
  for (unsigned i = 0; i < 2; i++) p.k[i] = every_lane(&p, LLVMGetParam(function, 4 + i));
  philox_rounds(&p, function);
  LLVMValueRef result[4];
  for (unsigned i = 0; i < 4; i++) result[i] = join(&p, p.c[i]);
  LLVMBuildAggregateRet(l->builder, result, 4);
  LLVMPositionBuilderAtEnd(l->builder, here);
  return function;
}

/* A half of a 64-bit field of the call. */
static LLVMValueRef call_half(Llvm *l, CallField field, bool high) {
  LLVMValueRef value = llvm_call_field(l, field);
  if (high) value = LLVMBuildLShr(l->builder, value, llvm_index(l, 32), "");
  return LLVMBuildTrunc(l->builder, value, words(l, 1), "");
}

/* ((word >> 9) + 0.5) * 2^-23 */
static LLVMValueRef unit_interval(Llvm *l, LLVMValueRef word, ValueType type, uint32_t width) {
  LLVMBuilderRef builder = l->builder;
  LLVMTypeRef real = llvm_type(l, type, width), one = llvm_type(l, type, 1);
  LLVMValueRef nine = LLVMConstInt(words(l, 1), 9, false);
  LLVMValueRef bits = LLVMBuildLShr(builder, word, llvm_splat(l, nine, width), "");
  LLVMValueRef x = LLVMBuildSIToFP(builder, bits, real, "");
  x = LLVMBuildFAdd(builder, x, llvm_splat(l, LLVMConstReal(one, 0.5), width), "");
  return LLVMBuildFMul(builder, x, llvm_splat(l, LLVMConstReal(one, 0x1p-23), width), "");
}

Val llvm_uniform(Llvm *l, ValueType type, uint64_t stream, int word, Val element) {
  element = llvm_convert(l, element, VALUE_INDEX, VALUE_I32);
  uint32_t width = element.width;
  LLVMValueRef args[] = {element.value,
                         LLVMConstInt(words(l, 1), rng_stream(stream), false),
                         call_half(l, CALL_STEP, false),
                         call_half(l, CALL_STEP, true),
                         call_half(l, CALL_SEED, false),
                         call_half(l, CALL_SEED, true)};
  LLVMValueRef function = philox_function(l, width);
  LLVMTypeRef signature = LLVMGlobalGetValueType(function);
  LLVMValueRef all = LLVMBuildCall2(l->builder, signature, function, args, 6, "");
  LLVMValueRef bits = LLVMBuildExtractValue(l->builder, all, (unsigned)word, "");
  return (Val){unit_interval(l, bits, type, width), width, 0};
}
