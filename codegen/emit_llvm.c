/* A module as LLVM IR: constant tables, a function per kernel, a function per program, and the
 * RlcModule. */
#include "codegen/emit_llvm.h"

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
  LLVMTypeRef arguments[] = {pointer, wide, wide};
  l->kernel_type =
      LLVMFunctionType(LLVMVoidTypeInContext(l->context), arguments, COUNTOF(arguments), false);
}

/* The builder in a new function, behind an entry that is left to what lies on the stack. */
static LLVMValueRef function_begin(Llvm *l, const char *name, LLVMTypeRef type) {
  LLVMValueRef function = LLVMAddFunction(l->module, name, type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
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

/* ---- tables ---- */

static LLVMValueRef table_make(Llvm *l, const Buffer *buffer, const Table *table) {
  uint64_t count = buffer->layout.elements;
  LLVMTypeRef type = llvm_type(l, buffer->type, 1);
  LLVMValueRef *values = NEW_ARRAY(l->arena, LLVMValueRef, count + 1);
  for (uint64_t i = 0; i < count; i++) {
    double value = i < table->count ? table->values[i] : 0;
    values[i] = buffer->type == VALUE_I32
                    ? LLVMConstInt(type, (uint64_t)(int64_t)value, true)
                    : LLVMConstReal(type, buffer->type == VALUE_F32 ? (float)value : value);
  }
  LLVMValueRef array = LLVMConstArray2(type, values, count);
  LLVMValueRef global = LLVMAddGlobal(l->module, LLVMTypeOf(array), buffer->name);
  LLVMSetInitializer(global, array);
  LLVMSetGlobalConstant(global, true);
  LLVMSetLinkage(global, LLVMInternalLinkage);
  LLVMSetAlignment(global, 64);
  return global;
}

static void tables_make(Llvm *l) {
  const Code *code = l->code;
  for (size_t i = 0; i < code->module->graph->table_count; i++) {
    if (!code->tables[i]) continue;
    LLVMValueRef global = table_make(l, code->tables[i], &code->module->graph->tables[i]);
    llvm_bind(l, code->tables[i], (Val){global, 1, 0}, NULL);
  }
}

/* ---- kernels ---- */

static void place_pointer(Llvm *l, const Buffer *buffer) {
  if (buffer->space == SPACE_TABLE) return;
  LLVMValueRef base = llvm_call_field(l, buffer->space == SPACE_SLOT ? CALL_MEMORY : CALL_WORK);
  LLVMValueRef offset = llvm_index(l, (int64_t)buffer->offset);
  LLVMTypeRef byte = LLVMInt8TypeInContext(l->context);
  LLVMValueRef at = LLVMBuildInBoundsGEP2(l->builder, byte, base, &offset, 1, buffer->name);
  llvm_bind(l, buffer, (Val){at, 1, 0}, NULL);
}

static LLVMValueRef emit_kernel(Llvm *l, size_t program, const Kernel *kernel) {
  const char *name = arena_printf(l->arena, "p%u_%s", (unsigned)program, kernel->name);
  LLVMValueRef function = function_begin(l, name, l->kernel_type);
  size_t count = l->count;
  for (size_t i = 0; i < kernel->place_count; i++) place_pointer(l, kernel->places[i].buffer);
  LlvmLoop loop = llvm_loop_begin(l, LLVMGetParam(function, 1), LLVMGetParam(function, 2), 1);
  llvm_bind(l, kernel->item, (Val){loop.counter, 1, 0}, NULL);
  llvm_block(l, kernel->body);
  llvm_loop_end(l, &loop);
  LLVMBuildRetVoid(l->builder);
  l->count = count;
  return function;
}

/* ---- programs ---- */

static LLVMBasicBlockRef new_block(Llvm *l) {
  return LLVMAppendBasicBlockInContext(l->context, l->function, "");
}

/* if (call->done) call->done[call->thread] += (hi - lo) * weight; */
static void count_items(Llvm *l, LLVMValueRef lo, LLVMValueRef hi, uint64_t weight) {
  LLVMTypeRef wide = LLVMInt64TypeInContext(l->context);
  LLVMValueRef done = llvm_call_field(l, CALL_DONE);
  LLVMBasicBlockRef counted = new_block(l), after = new_block(l);
  LLVMBuildCondBr(l->builder, LLVMBuildIsNotNull(l->builder, done, ""), counted, after);
  LLVMPositionBuilderAtEnd(l->builder, counted);
  LLVMValueRef thread = llvm_call_field(l, CALL_THREAD);
  LLVMValueRef place = LLVMBuildInBoundsGEP2(l->builder, wide, done, &thread, 1, "");
  LLVMValueRef items = LLVMBuildSub(l->builder, hi, lo, "");
  items = LLVMBuildMul(l->builder, items, llvm_index(l, (int64_t)weight), "");
  LLVMValueRef sum = LLVMBuildLoad2(l->builder, wide, place, "");
  LLVMBuildStore(l->builder, LLVMBuildAdd(l->builder, sum, items, ""), place);
  LLVMBuildBr(l->builder, after);
  LLVMPositionBuilderAtEnd(l->builder, after);
}

static void run_items(Llvm *l, LLVMValueRef function, LLVMValueRef lo, LLVMValueRef hi,
                      uint64_t weight) {
  LLVMValueRef args[] = {l->call, lo, hi};
  LLVMBuildCall2(l->builder, l->kernel_type, function, args, 3, "");
  count_items(l, lo, hi, weight);
}

/* Item at which the share of thread `thread` begins. */
static LLVMValueRef share(Llvm *l, LLVMValueRef thread, LLVMValueRef threads, uint64_t items) {
  LLVMValueRef all = LLVMBuildMul(l->builder, thread, llvm_index(l, (int64_t)items), "");
  return LLVMBuildUDiv(l->builder, all, threads, "");
}

/* Each thread takes its contiguous share of the items; what is too small is one thread's. */
static void run_kernel(Llvm *l, const Kernel *kernel, LLVMValueRef function) {
  LLVMTypeRef wide = LLVMInt64TypeInContext(l->context);
  uint64_t weight = kernel_item_weight(kernel);
  LLVMValueRef thread = LLVMBuildZExt(l->builder, llvm_call_field(l, CALL_THREAD), wide, "");
  if (!kernel->serial) {
    LLVMValueRef threads = LLVMBuildZExt(l->builder, llvm_call_field(l, CALL_THREADS), wide, "");
    LLVMValueRef next = LLVMBuildAdd(l->builder, thread, llvm_index(l, 1), "");
    run_items(l, function, share(l, thread, threads, kernel->items),
              share(l, next, threads, kernel->items), weight);
    return;
  }
  LLVMBasicBlockRef alone = new_block(l), after = new_block(l);
  LLVMValueRef first = LLVMBuildICmp(l->builder, LLVMIntEQ, thread, llvm_index(l, 0), "");
  LLVMBuildCondBr(l->builder, first, alone, after);
  LLVMPositionBuilderAtEnd(l->builder, alone);
  run_items(l, function, llvm_index(l, 0), llvm_index(l, (int64_t)kernel->items), weight);
  LLVMBuildBr(l->builder, after);
  LLVMPositionBuilderAtEnd(l->builder, after);
}

/* if (call->threads > 1) call->barrier(call->team); */
static void meet(Llvm *l) {
  LLVMTypeRef pointer = LLVMPointerTypeInContext(l->context, 0);
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(l->context), &pointer, 1, false);
  LLVMBasicBlockRef together = new_block(l), after = new_block(l);
  LLVMValueRef one = LLVMConstInt(LLVMInt32TypeInContext(l->context), 1, false);
  LLVMValueRef many =
      LLVMBuildICmp(l->builder, LLVMIntUGT, llvm_call_field(l, CALL_THREADS), one, "");
  LLVMBuildCondBr(l->builder, many, together, after);
  LLVMPositionBuilderAtEnd(l->builder, together);
  LLVMValueRef team = llvm_call_field(l, CALL_TEAM);
  LLVMBuildCall2(l->builder, type, llvm_call_field(l, CALL_BARRIER), &team, 1, "");
  LLVMBuildBr(l->builder, after);
  LLVMPositionBuilderAtEnd(l->builder, after);
}

/* ((const RlcMarks *)call->context)->mark(call, done); */
static void mark(Llvm *l, size_t done) {
  LLVMTypeRef pointer = LLVMPointerTypeInContext(l->context, 0);
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context), arguments[] = {pointer, narrow};
  LLVMTypeRef type =
      LLVMFunctionType(LLVMVoidTypeInContext(l->context), arguments, COUNTOF(arguments), false);
  LLVMValueRef function = LLVMBuildLoad2(l->builder, pointer, llvm_call_field(l, CALL_CONTEXT), "");
  LLVMValueRef values[] = {l->call, LLVMConstInt(narrow, done, false)};
  LLVMBuildCall2(l->builder, type, function, values, COUNTOF(values), "");
}

static LLVMValueRef emit_program(Llvm *l, size_t number, LLVMValueRef *kernels) {
  const ProgramCode *program = &l->code->programs[number];
  LLVMTypeRef pointer = LLVMPointerTypeInContext(l->context, 0);
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(l->context), &pointer, 1, false);
  const char *name = arena_printf(l->arena, "program_%u", (unsigned)number);
  LLVMValueRef function = function_begin(l, name, type);
  for (size_t i = 0; i < program->body->count; i++) {
    const Stmt *stmt = program->body->items[i];
    if (stmt->kind == STMT_BARRIER)
      meet(l);
    else if (stmt->kind == STMT_MARK)
      mark(l, stmt->number);
    else
      run_kernel(l, program->kernels[stmt->number], kernels[stmt->number]);
  }
  LLVMBuildRetVoid(l->builder);
  return function;
}

LLVMModuleRef emit_llvm(const Code *code, Arena *arena, LLVMContextRef context) {
  Llvm *l = NEW(arena, Llvm);
  *l = (Llvm){.code = code, .arena = arena, .context = context, .lanes = 1};
  const char *name = code->module->shell.name ? code->module->shell.name : "module";
  l->module = LLVMModuleCreateWithNameInContext(name, context);
  l->builder = LLVMCreateBuilderInContext(context);
  make_types(l);
  tables_make(l);
  LLVMValueRef *programs = NEW_ARRAY(arena, LLVMValueRef, code->program_count + 1);
  for (size_t i = 0; i < code->program_count; i++) {
    const ProgramCode *program = &code->programs[i];
    LLVMValueRef *kernels = NEW_ARRAY(arena, LLVMValueRef, program->kernel_count + 1);
    for (size_t k = 0; k < program->kernel_count; k++)
      kernels[k] = emit_kernel(l, i, program->kernels[k]);
    programs[i] = emit_program(l, i, kernels);
  }
  llvm_tables(l, programs);
  LLVMDisposeBuilder(l->builder);
  return l->module;
}
