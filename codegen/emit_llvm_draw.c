/* Draws as LLVM IR: Philox 4x32-10, a function of the module for each width. */
#include "codegen/emit_llvm.h"
#include "runtime/rng.h"

typedef struct Rounds {
  Llvm *l;
  LLVMTypeRef type; /* a word for each element */
  uint32_t width;
  LLVMValueRef c[4], k[2];
} Rounds;

static LLVMTypeRef words(Llvm *l, uint32_t width) { return llvm_type(l, VALUE_I32, width); }

/* A vector of equal numbers, of one element too. */
static LLVMValueRef equal_lanes(LLVMTypeRef element, uint64_t value, uint32_t width) {
  LLVMValueRef lanes[64];
  for (uint32_t i = 0; i < width; i++) lanes[i] = LLVMConstInt(element, value, false);
  return LLVMConstVector(lanes, width);
}

/* A word in every lane; a scalar of one. */
static LLVMValueRef word_constant(Llvm *l, uint32_t value, uint32_t width) {
  LLVMTypeRef one = words(l, 1);
  return width > 1 ? equal_lanes(one, value, width) : LLVMConstInt(one, value, false);
}

static void multiply_scalar(const Rounds *p, LLVMValueRef x, uint32_t by, LLVMValueRef *high,
                            LLVMValueRef *low) {
  LLVMBuilderRef builder = p->l->builder;
  LLVMTypeRef wide = LLVMInt64TypeInContext(p->l->context);
  LLVMValueRef product =
      LLVMBuildMul(builder, LLVMBuildZExt(builder, x, wide, ""), LLVMConstInt(wide, by, false), "");
  *low = LLVMBuildTrunc(builder, product, p->type, "");
  product = LLVMBuildLShr(builder, product, LLVMConstInt(wide, 32, false), "");
  *high = LLVMBuildTrunc(builder, product, p->type, "");
}

/* Words `half`, `half` + 2, .. of the first operand and of the second, in turn. */
static LLVMValueRef interleave(const Rounds *p, LLVMValueRef even, LLVMValueRef odd,
                               uint32_t half) {
  LLVMValueRef lanes[64];
  LLVMTypeRef narrow = words(p->l, 1);
  for (uint32_t i = 0; i < p->width; i++)
    lanes[i] = LLVMConstInt(narrow, i / 2 * 2 + half + (i % 2 ? p->width : 0), false);
  return LLVMBuildShuffleVector(p->l->builder, LLVMBuildBitCast(p->l->builder, even, p->type, ""),
                                LLVMBuildBitCast(p->l->builder, odd, p->type, ""),
                                LLVMConstVector(lanes, p->width), "");
}

/* Both halves of products of 32-bit numbers: of the even lanes, then of the odd ones, for which the
 * machines have an instruction. */
static void multiply(const Rounds *p, LLVMValueRef x, uint32_t by, LLVMValueRef *high,
                     LLVMValueRef *low) {
  if (p->width == 1) {
    multiply_scalar(p, x, by, high, low);
    return;
  }
  LLVMBuilderRef builder = p->l->builder;
  LLVMTypeRef wide = LLVMInt64TypeInContext(p->l->context);
  uint32_t pairs = p->width / 2;
  LLVMValueRef both = LLVMBuildBitCast(builder, x, LLVMVectorType(wide, pairs), "");
  LLVMValueRef factor = equal_lanes(wide, by, pairs);
  LLVMValueRef even = LLVMBuildAnd(builder, both, equal_lanes(wide, UINT32_MAX, pairs), "");
  LLVMValueRef odd = LLVMBuildLShr(builder, both, equal_lanes(wide, 32, pairs), "");
  even = LLVMBuildMul(builder, even, factor, "");
  odd = LLVMBuildMul(builder, odd, factor, "");
  *low = interleave(p, even, odd, 0);
  *high = interleave(p, even, odd, 1);
}

static void philox_round(Rounds *p) {
  LLVMBuilderRef builder = p->l->builder;
  LLVMValueRef high0, low0, high1, low1;
  multiply(p, p->c[0], 0xD2511F53u, &high0, &low0);
  multiply(p, p->c[2], 0xCD9E8D57u, &high1, &low1);
  LLVMValueRef n0 = LLVMBuildXor(builder, LLVMBuildXor(builder, high1, p->c[1], ""), p->k[0], "");
  LLVMValueRef n2 = LLVMBuildXor(builder, LLVMBuildXor(builder, high0, p->c[3], ""), p->k[1], "");
  p->c[1] = low1, p->c[3] = low0, p->c[0] = n0, p->c[2] = n2;
  p->k[0] = LLVMBuildAdd(builder, p->k[0], word_constant(p->l, 0x9E3779B9u, p->width), "");
  p->k[1] = LLVMBuildAdd(builder, p->k[1], word_constant(p->l, 0xBB67AE85u, p->width), "");
}

/* Ten rounds as a loop of two at once: each waits for the one before, so that expanding them all
 * gains nothing and costs several times as much to compile. */
static void philox_rounds(Rounds *p, LLVMValueRef function) {
  Llvm *l = p->l;
  LLVMValueRef round = word_constant(l, 0, 1), last = word_constant(l, 5, 1);
  LLVMValueRef *values[] = {&p->c[0], &p->c[1], &p->c[2], &p->c[3], &p->k[0], &p->k[1], &round};
  LLVMValueRef phis[COUNTOF(values)];
  LLVMBasicBlockRef entry = LLVMGetInsertBlock(l->builder),
                    body = LLVMAppendBasicBlockInContext(l->context, function, ""),
                    done = LLVMAppendBasicBlockInContext(l->context, function, "");
  LLVMBuildBr(l->builder, body);
  LLVMPositionBuilderAtEnd(l->builder, body);
  for (size_t i = 0; i < COUNTOF(values); i++) {
    phis[i] = LLVMBuildPhi(l->builder, LLVMTypeOf(*values[i]), "");
    LLVMAddIncoming(phis[i], values[i], &entry, 1);
    *values[i] = phis[i];
  }
  for (int i = 0; i < 2; i++) philox_round(p);
  round = LLVMBuildAdd(l->builder, round, word_constant(l, 1, 1), "");
  for (size_t i = 0; i < COUNTOF(values); i++) LLVMAddIncoming(phis[i], values[i], &body, 1);
  LLVMBuildCondBr(l->builder, LLVMBuildICmp(l->builder, LLVMIntEQ, round, last, ""), done, body);
  LLVMPositionBuilderAtEnd(l->builder, done);
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
  Rounds p = {.l = l, .type = many, .width = width, .c = {LLVMGetParam(function, 0)}};
  for (unsigned i = 1; i < 4; i++) p.c[i] = llvm_splat(l, LLVMGetParam(function, i), width);
  for (unsigned i = 0; i < 2; i++) p.k[i] = llvm_splat(l, LLVMGetParam(function, 4 + i), width);
  philox_rounds(&p, function);
  LLVMBuildAggregateRet(l->builder, p.c, 4);
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
  LLVMValueRef bits = LLVMBuildLShr(builder, word, word_constant(l, 9, width), "");
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
