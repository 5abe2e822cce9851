/* A kernel as a function of LLVM IR: it gets its call, the addresses of its tensors and the items
 * to do. */
#include "codegen/llvm/emit_llvm.h"

#define FOLLOWS(x, y)                                                                              \
  _Static_assert(offsetof(RlcCall, y) >= offsetof(RlcCall, x) + sizeof((RlcCall){0}.x),            \
                 "the fields of RlcCall stand in another order")
FOLLOWS(memory, work);
FOLLOWS(work, seed);
FOLLOWS(seed, step);
FOLLOWS(step, thread);
FOLLOWS(thread, threads);
FOLLOWS(threads, barrier);
FOLLOWS(barrier, team);
FOLLOWS(team, done);
FOLLOWS(done, context);

static void make_types(Llvm *l) {
  LLVMTypeRef pointer = LLVMPointerTypeInContext(l->context, 0);
  LLVMTypeRef wide = LLVMInt64TypeInContext(l->context);
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  LLVMTypeRef fields[CALL_FIELDS] = {pointer, pointer, wide,    wide,    narrow,
                                     narrow,  pointer, pointer, pointer, pointer};
  l->call_type = LLVMStructTypeInContext(l->context, fields, CALL_FIELDS, false);
  LLVMTypeRef arguments[] = {pointer, pointer, wide, wide};
  l->kernel_type =
      LLVMFunctionType(LLVMVoidTypeInContext(l->context), arguments, COUNTOF(arguments), false);
}

/* The builder in a new function, behind an entry that is left to what lies on the stack. */
static LLVMValueRef function_begin(Llvm *l, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMAddFunction(l->module, name, type);
  LLVMBasicBlockRef entry = LLVMAppendBasicBlockInContext(l->context, function, "");
  LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(l->context, function, "");
  LLVMPositionBuilderAtEnd(l->builder, entry);
  LLVMBuildBr(l->builder, body);
  LLVMPositionBuilderAtEnd(l->builder, body);
  l->function = function;
  l->call = LLVMGetParam(function, 0);
  return function;
}

LLVMValueRef llvm_call_field(Llvm *l, CallField field) {
  LLVMTypeRef type = LLVMStructGetTypeAtIndex(l->call_type, (unsigned)field);
  LLVMValueRef at = LLVMBuildStructGEP2(l->builder, l->call_type, l->call, (unsigned)field, "");
  return LLVMBuildLoad2(l->builder, type, at, "");
}

/* ---- kernels ---- */

/* The address of the kernel's tensor `number`. */
static void place_pointer(Llvm *l, const Place *place, size_t number) {
  LLVMTypeRef pointer = LLVMPointerTypeInContext(l->context, 0);
  LLVMValueRef index = llvm_index(l, (int64_t)number), at = LLVMGetParam(l->function, 1);
  at = LLVMBuildInBoundsGEP2(l->builder, pointer, at, &index, 1, "");
  at = LLVMBuildLoad2(l->builder, pointer, at, place->buffer->name);
  llvm_bind(l, place->buffer, (Val){at, 1, 0}, NULL);
}

void llvm_kernel(Llvm *l, const Kernel *kernel, const char *name) {
  LLVMValueRef function = function_begin(l, name, l->kernel_type);
  size_t count = l->count;
  l->kernel = kernel;
  for (size_t i = 0; i < kernel->place_count; i++) place_pointer(l, &kernel->places[i], i);
  LlvmLoop loop = llvm_loop_begin(l, LLVMGetParam(function, 2), LLVMGetParam(function, 3), 1);
  llvm_bind(l, kernel->item, (Val){loop.counter, 1, 0}, NULL);
  llvm_block(l, kernel->body);
  llvm_loop_end(l, &loop);
  LLVMBuildRetVoid(l->builder);
  l->count = count;
}

/* ---- modules ---- */

Llvm *llvm_begin(const Code *code, Arena *arena, LLVMContextRef context, const char *name) {
  Llvm *l = NEW(arena, Llvm);
  *l = (Llvm){.code = code, .arena = arena, .context = context, .lanes = 1};
  l->module = LLVMModuleCreateWithNameInContext(name, context);
  l->builder = LLVMCreateBuilderInContext(context);
  make_types(l);
  return l;
}

LLVMModuleRef llvm_end(Llvm *l) {
  LLVMDisposeBuilder(l->builder);
  return l->module;
}
