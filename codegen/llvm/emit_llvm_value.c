/* Types, conversions and memory accesses of the LLVM emitter. */
#include "codegen/llvm/emit_llvm.h"

#include <string.h>

/* ---- types ---- */

LLVMTypeRef llvm_type(Llvm *l, ValueType type, uint32_t width) {
  LLVMTypeRef element = NULL;
  switch (type) {
  case VALUE_F32:
    element = LLVMFloatTypeInContext(l->context);
    break;
  case VALUE_F64:
    element = LLVMDoubleTypeInContext(l->context);
    break;
  case VALUE_I32:
  case VALUE_PAIR:
    element = LLVMInt32TypeInContext(l->context);
    break;
  case VALUE_INDEX:
    element = width > 1 ? LLVMInt32TypeInContext(l->context) : LLVMInt64TypeInContext(l->context);
    break;
  }
  return width > 1 ? LLVMVectorType(element, width) : element;
}

LLVMValueRef llvm_index(Llvm *l, int64_t value) {
  return LLVMConstInt(LLVMInt64TypeInContext(l->context), (uint64_t)value, true);
}

/* ---- vectors ---- */

LLVMValueRef llvm_splat(Llvm *l, LLVMValueRef scalar, uint32_t width) {
  if (width == 1) return scalar;
  LLVMTypeRef vector = LLVMVectorType(LLVMTypeOf(scalar), width);
  LLVMTypeRef positions = LLVMVectorType(LLVMInt32TypeInContext(l->context), width);
  LLVMValueRef first = LLVMConstInt(LLVMInt32TypeInContext(l->context), 0, false);
  LLVMValueRef one = LLVMBuildInsertElement(l->builder, LLVMGetPoison(vector), scalar, first, "");
  return LLVMBuildShuffleVector(l->builder, one, LLVMGetPoison(vector), LLVMConstNull(positions),
                                "");
}

LLVMValueRef llvm_iota(Llvm *l, uint32_t width) {
  LLVMValueRef lanes[64];
  if (width > COUNTOF(lanes)) bug("a vector of %u elements", width);
  for (uint32_t i = 0; i < width; i++)
    lanes[i] = LLVMConstInt(LLVMInt32TypeInContext(l->context), i, false);
  return LLVMConstVector(lanes, width);
}

/* An index as a vector of 32 bits: base + step * lane. */
static LLVMValueRef spread(Llvm *l, Val val, uint32_t width) {
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  LLVMValueRef base = llvm_splat(l, LLVMBuildTrunc(l->builder, val.value, narrow, ""), width);
  if (!val.step) return base;
  LLVMValueRef step = llvm_splat(l, LLVMConstInt(narrow, (uint64_t)val.step, true), width);
  LLVMValueRef lanes = LLVMBuildMul(l->builder, llvm_iota(l, width), step, "");
  return LLVMBuildAdd(l->builder, base, lanes, "");
}

LLVMValueRef llvm_widen(Llvm *l, Val val, uint32_t width) {
  if (val.width == width) return val.value;
  if (val.width != 1) bug("a vector of %u elements where %u are needed", val.width, width);
  bool wide = LLVMTypeOf(val.value) == LLVMInt64TypeInContext(l->context);
  return wide ? spread(l, val, width) : llvm_splat(l, val.value, width);
}

/* ---- conversions ---- */

/* An index as a number of 32 bits. */
static Val index_to_int(Llvm *l, Val val) {
  if (val.width > 1) return val;
  if (val.step) return (Val){spread(l, val, l->lanes), l->lanes, 0};
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  return (Val){LLVMBuildTrunc(l->builder, val.value, narrow, ""), 1, 0};
}

Val llvm_convert(Llvm *l, Val val, ValueType from, ValueType to) {
  if (from == to) return val;
  LLVMTypeRef type = llvm_type(l, to, val.width);
  if (to == VALUE_INDEX) {
    val = llvm_convert(l, val, from, VALUE_I32);
    if (val.width == 1) val.value = LLVMBuildSExt(l->builder, val.value, type, "");
    return val;
  }
  if (from == VALUE_INDEX) return llvm_convert(l, index_to_int(l, val), VALUE_I32, to);
  if (from == VALUE_I32)
    val.value = LLVMBuildSIToFP(l->builder, val.value, type, "");
  else if (to == VALUE_I32)
    val.value = LLVMBuildFPToSI(l->builder, val.value, type, "");
  else
    val.value = LLVMBuildFPCast(l->builder, val.value, type, "");
  return val;
}

/* ---- functions ---- */

LLVMValueRef llvm_intrinsic(Llvm *l, const char *name, LLVMTypeRef *types, unsigned type_count,
                            LLVMValueRef *args, unsigned arg_count) {
  unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  if (!id) bug("no intrinsic %s", name);
  LLVMValueRef function = LLVMGetIntrinsicDeclaration(l->module, id, types, type_count);
  LLVMTypeRef type = LLVMIntrinsicGetType(l->context, id, types, type_count);
  return LLVMBuildCall2(l->builder, type, function, args, arg_count, "");
}

static void add_attribute(Llvm *l, LLVMValueRef function, const char *name) {
  unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
  LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                          LLVMCreateEnumAttribute(l->context, kind, 0));
}

LLVMValueRef llvm_declare(Llvm *l, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMGetNamedFunction(l->module, name);
  if (function) return function;
  function = LLVMAddFunction(l->module, name, type);
  add_attribute(l, function, "nounwind");
  add_attribute(l, function, "willreturn");
  add_attribute(l, function, "memory"); /* its value 0 is "none" */
  return function;
}

/* ---- memory ---- */

LLVMValueRef llvm_address(Llvm *l, LLVMValueRef base, ValueType type, LLVMValueRef index) {
  return LLVMBuildInBoundsGEP2(l->builder, llvm_type(l, type, 1), base, &index, 1, "");
}

static LLVMValueRef all_lanes(Llvm *l, uint32_t width) {
  if (l->mask) return l->mask;
  return LLVMConstAllOnes(LLVMVectorType(LLVMInt1TypeInContext(l->context), width));
}

static LLVMValueRef alignment(Llvm *l, ValueType type) {
  return LLVMConstInt(LLVMInt32TypeInContext(l->context), value_type_size(type), false);
}

/* Lanes that do not exist read 0. */
static LLVMValueRef load_masked(Llvm *l, const char *name, LLVMValueRef from, LLVMTypeRef type,
                                ValueType element, uint32_t width) {
  LLVMTypeRef types[] = {type, LLVMTypeOf(from)};
  LLVMValueRef args[] = {from, alignment(l, element), all_lanes(l, width), LLVMConstNull(type)};
  return llvm_intrinsic(l, name, types, 2, args, 4);
}

/* Memory begins at multiples of 64 bytes, and vectors stand at multiples of their size. */
static unsigned vector_alignment(ValueType type, uint32_t width) {
  uint32_t bytes = value_type_size(type) * width;
  return bytes < 64 ? bytes : 64;
}

Val llvm_load(Llvm *l, LLVMValueRef base, ValueType type, Val index, uint32_t width) {
  bool lanes = index.width > 1 || index.step;
  if (!lanes) {
    LLVMValueRef load = LLVMBuildLoad2(l->builder, llvm_type(l, type, width),
                                       llvm_address(l, base, type, index.value), "");
    LLVMSetAlignment(load, vector_alignment(type, width));
    return (Val){load, width, 0};
  }
  if (width > 1) bug("a vector inside a lane loop");
  width = l->lanes;
  LLVMTypeRef vector = llvm_type(l, type, width);
  if (index.width > 1 || index.step != 1) {
    LLVMValueRef from = llvm_address(l, base, type, llvm_widen(l, index, width));
    return (Val){load_masked(l, "llvm.masked.gather", from, vector, type, width), width, 0};
  }
  LLVMValueRef from = llvm_address(l, base, type, index.value);
  if (l->mask)
    return (Val){load_masked(l, "llvm.masked.load", from, vector, type, width), width, 0};
  LLVMValueRef load = LLVMBuildLoad2(l->builder, vector, from, "");
  LLVMSetAlignment(load, value_type_size(type));
  return (Val){load, width, 0};
}

static void store_masked(Llvm *l, const char *name, LLVMValueRef value, LLVMValueRef to,
                         ValueType type, uint32_t width) {
  LLVMTypeRef types[] = {LLVMTypeOf(value), LLVMTypeOf(to)};
  LLVMValueRef args[] = {value, to, alignment(l, type), all_lanes(l, width)};
  llvm_intrinsic(l, name, types, 2, args, 4);
}

/* In a lane loop with one place for all lanes the last of them stays, as in the loop's order. */
void llvm_store(Llvm *l, LLVMValueRef base, ValueType type, Val index, Val value, uint32_t width) {
  if (l->lanes == 1) {
    LLVMValueRef store = LLVMBuildStore(l->builder, llvm_widen(l, value, width),
                                        llvm_address(l, base, type, index.value));
    LLVMSetAlignment(store, vector_alignment(type, width));
    return;
  }
  width = l->lanes;
  LLVMValueRef vector = llvm_widen(l, value, width);
  if (index.width > 1 || index.step != 1) {
    LLVMValueRef to = llvm_address(l, base, type, llvm_widen(l, index, width));
    store_masked(l, "llvm.masked.scatter", vector, to, type, width);
    return;
  }
  LLVMValueRef to = llvm_address(l, base, type, index.value);
  if (l->mask) {
    store_masked(l, "llvm.masked.store", vector, to, type, width);
    return;
  }
  LLVMSetAlignment(LLVMBuildStore(l->builder, vector, to), value_type_size(type));
}
