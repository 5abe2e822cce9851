/* Rounding as LLVM IR, by integer arithmetic, and AVX512-BF16's instructions for pairs of bfloat16.
 */
#include "codegen/llvm/emit_llvm.h"

#include <math.h>

/* ---- rounding ---- */

static LLVMValueRef whole(LLVMTypeRef type, uint64_t value, uint32_t width) {
  if (width == 1) return LLVMConstInt(type, value, false);
  LLVMValueRef lanes[64];
  if (width > COUNTOF(lanes)) bug("a vector of %u elements", width);
  for (uint32_t i = 0; i < width; i++)
    lanes[i] = LLVMConstInt(LLVMGetElementType(type), value, false);
  return LLVMConstVector(lanes, width);
}

static LLVMValueRef real(Llvm *l, ValueType type, double value, uint32_t width) {
  return llvm_splat(l, LLVMConstReal(llvm_type(l, type, 1), value), width);
}

/* The bits as a sum that carries what is dropped upwards, cut off. */
static LLVMValueRef nearest(Llvm *l, LLVMValueRef bits, unsigned dropped, Ties ties,
                            uint32_t width) {
  LLVMBuilderRef b = l->builder;
  LLVMTypeRef type = LLVMTypeOf(bits);
  bool even = ties == TIES_TO_EVEN;
  uint64_t unit = UINT64_C(1) << dropped;
  LLVMValueRef near = LLVMBuildAdd(b, bits, whole(type, unit / 2 - even, width), "");
  if (even) {
    LLVMValueRef odd = LLVMBuildLShr(b, bits, whole(type, dropped, width), "");
    near = LLVMBuildAdd(b, near, LLVMBuildAnd(b, odd, whole(type, 1, width), ""), "");
  }
  return LLVMBuildAnd(b, near, whole(type, ~(unit - 1), width), "");
}

/* The same steps as format_round (ir/formats.c). */
Val llvm_round(Llvm *l, const FormatInfo *format, Val x) {
  LLVMBuilderRef b = l->builder;
  LLVMTypeRef type = LLVMTypeOf(x.value);
  bool single = x.width > 1 ? LLVMGetElementType(type) == LLVMFloatTypeInContext(l->context)
                            : type == LLVMFloatTypeInContext(l->context);
  ValueType of = single ? VALUE_F32 : VALUE_F64;
  LLVMTypeRef element = LLVMIntTypeInContext(l->context, single ? 32 : 64);
  LLVMTypeRef bits_type = x.width > 1 ? LLVMVectorType(element, x.width) : element;
  unsigned dropped = (unsigned)((single ? 24 : 53) - format->bits);
  LLVMValueRef bits = LLVMBuildBitCast(b, x.value, bits_type, "");
  LLVMValueRef near = nearest(l, bits, dropped, format->ties, x.width);
  near = LLVMBuildBitCast(b, near, type, "");
  LLVMValueRef size = llvm_intrinsic(l, "llvm.fabs", &type, 1, &x.value, 1);
  LLVMValueRef least = real(l, of, 0x1p-126, x.width), most = real(l, of, INFINITY, x.width);
  LLVMValueRef small = LLVMBuildFCmp(b, LLVMRealOLT, size, least, "");
  LLVMValueRef finite = LLVMBuildFCmp(b, LLVMRealOLT, size, most, "");
  near = LLVMBuildSelect(b, small, real(l, of, 0, x.width), near, "");
  if (!single) { /* beyond float's range */
    LLVMValueRef args[] = {most, x.value},
                 far = llvm_intrinsic(l, "llvm.copysign", &type, 1, args, 2);
    LLVMValueRef limit = real(l, of, format_limit(format), x.width);
    LLVMValueRef large = LLVMBuildFCmp(b, LLVMRealOGE, size, limit, "");
    near = LLVMBuildSelect(b, large, far, near, "");
  }
  return (Val){LLVMBuildSelect(b, finite, near, x.value, ""), x.width, 0};
}

/* ---- pairs ---- */

enum { LANES = 16 };

static LLVMTypeRef halves_type(Llvm *l) {
  return LLVMVectorType(LLVMBFloatTypeInContext(l->context), 2 * LANES);
}

/* One of x and one of y in turn, for what has all of x before all of y. */
static LLVMValueRef interleave(Llvm *l, LLVMValueRef halves) {
  LLVMValueRef lanes[2 * LANES];
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  for (uint32_t i = 0; i < COUNTOF(lanes); i++)
    lanes[i] = LLVMConstInt(narrow, i / 2 + i % 2 * LANES, false);
  return LLVMBuildShuffleVector(l->builder, halves, LLVMGetPoison(LLVMTypeOf(halves)),
                                LLVMConstVector(lanes, COUNTOF(lanes)), "");
}

Val llvm_pairs(Llvm *l, LLVMValueRef args[2], bool along) {
  LLVMValueRef swapped[] = {args[1], args[0]}; /* the instruction's second operand comes first */
  LLVMValueRef halves =
      llvm_intrinsic(l, "llvm.x86.avx512bf16.cvtne2ps2bf16.512", NULL, 0, swapped, 2);
  if (!along) halves = interleave(l, halves);
  return (Val){LLVMBuildBitCast(l->builder, halves, llvm_type(l, VALUE_PAIR, LANES), ""), LANES, 0};
}

Val llvm_dot(Llvm *l, LLVMValueRef args[3]) {
  LLVMValueRef in_order[] = {args[2], LLVMBuildBitCast(l->builder, args[0], halves_type(l), ""),
                             LLVMBuildBitCast(l->builder, args[1], halves_type(l), "")};
  return (Val){llvm_intrinsic(l, "llvm.x86.avx512bf16.dpbf16ps.512", NULL, 0, in_order, 3), LANES,
               0};
}
