/* Statements and terms of loop IR as LLVM IR. Unrolled loops are expanded, tiles become values on
 * the stack that LLVM lifts into registers, loops over lanes become vectors. */
#include "codegen/llvm/emit_llvm.h"

#include <string.h>

/* ---- bindings ---- */

void llvm_bind(Llvm *l, const void *of, Val val, LLVMValueRef *cells) {
  Binding binding = {of, val, cells};
  PUSH(l->arena, l->bindings, l->count, l->capacity, binding);
}

static const Binding *bound(const Llvm *l, const void *of) {
  for (size_t i = l->count; i-- > 0;)
    if (l->bindings[i].of == of) return &l->bindings[i];
  bug("a name of the loop IR that is not in scope");
}

static Val scalar(LLVMValueRef value) { return (Val){value, 1, 0}; }

/* ---- index arithmetic ---- */

static Val term_val(Llvm *l, const Term *term);

static bool is_uniform(Val val) { return val.width == 1 && !val.step; }

static Val index_op(Llvm *l, LLVMOpcode op, Val x, Val y, int64_t step) {
  if (x.width == 1 && y.width == 1)
    return (Val){LLVMBuildBinOp(l->builder, op, x.value, y.value, ""), 1, step};
  LLVMValueRef a = llvm_widen(l, x, l->lanes), b = llvm_widen(l, y, l->lanes);
  return (Val){LLVMBuildBinOp(l->builder, op, a, b, ""), l->lanes, 0};
}

/* An even index as a vector, where what follows is not even. */
static Val uneven(Llvm *l, Val val) {
  return val.step ? (Val){llvm_widen(l, val, l->lanes), l->lanes, 0} : val;
}

static Val index_term(Llvm *l, const Term *term) {
  Val x = term_val(l, term->src[0]), y = term_val(l, term->src[1]);
  switch (term->kind) {
  case TERM_ADD:
    return index_op(l, LLVMAdd, x, y, x.step + y.step);
  case TERM_MUL:
    if (!LLVMIsAConstantInt(y.value) || y.step) bug("a product of indices");
    return index_op(l, LLVMMul, x, y, x.step * LLVMConstIntGetSExtValue(y.value));
  case TERM_DIV:
    return index_op(l, LLVMSDiv, uneven(l, x), y, 0);
  case TERM_MOD:
    return index_op(l, LLVMSRem, uneven(l, x), y, 0);
  default:
    break;
  }
  uint32_t width = is_uniform(x) && is_uniform(y) ? 1 : l->lanes;
  LLVMValueRef a = llvm_widen(l, x, width), b = llvm_widen(l, y, width);
  LLVMValueRef less = LLVMBuildICmp(l->builder, LLVMIntSLT, a, b, "");
  return (Val){LLVMBuildSelect(l->builder, less, a, b, ""), width, 0};
}

/* ---- registers ---- */

static LLVMValueRef tile_cell(Llvm *l, const Registers *r, const Term *row, const Term *column) {
  LLVMValueRef i = term_val(l, row).value, j = term_val(l, column).value;
  if (!LLVMIsAConstantInt(i) || !LLVMIsAConstantInt(j)) bug("subscript of a tile");
  int64_t at = LLVMConstIntGetSExtValue(i) * r->columns + LLVMConstIntGetSExtValue(j);
  return bound(l, r)->cells[at];
}

static Val registers_read(Llvm *l, const Term *term) {
  const Registers *r = term->registers;
  if (r->array) return llvm_load(l, bound(l, r)->val.value, r->type, term_val(l, term->src[0]), 1);
  LLVMTypeRef type = llvm_type(l, r->type, r->width);
  LLVMValueRef cell = tile_cell(l, r, term->src[0], term->src[1]);
  return (Val){LLVMBuildLoad2(l->builder, type, cell, ""), r->width, 0};
}

static void registers_set(Llvm *l, const Stmt *stmt) {
  const Registers *r = stmt->registers;
  Val value = llvm_convert(l, term_val(l, stmt->value), stmt->value->type, r->type);
  if (r->array) {
    Val index = term_val(l, stmt->index);
    llvm_store(l, bound(l, r)->val.value, r->type, index, value, stmt->value->width);
    return;
  }
  LLVMBuildStore(l->builder, llvm_widen(l, value, r->width),
                 tile_cell(l, r, stmt->index, stmt->column));
}

/* Room on the stack is made once, at the beginning of the function. */
static LLVMValueRef stack(Llvm *l, LLVMTypeRef type, unsigned align) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(l->builder);
  LLVMBasicBlockRef entry = LLVMGetEntryBasicBlock(l->function);
  LLVMPositionBuilderBefore(l->builder, LLVMGetFirstInstruction(entry));
  LLVMValueRef place = LLVMBuildAlloca(l->builder, type, "");
  if (align) LLVMSetAlignment(place, align);
  LLVMPositionBuilderAtEnd(l->builder, here);
  return place;
}

/* All elements of an array equal to `value`, by vectors and what is left. */
static void array_fill(Llvm *l, LLVMValueRef array, const Registers *r, Val value) {
  uint32_t lanes = l->code->options.lanes, whole = r->rows / lanes * lanes;
  LLVMValueRef vector = llvm_widen(l, value, lanes);
  if (whole > 8 * lanes) {
    LlvmLoop loop = llvm_loop_begin(l, llvm_index(l, 0), llvm_index(l, whole), lanes);
    llvm_store(l, array, r->type, scalar(loop.counter), (Val){vector, lanes, 0}, lanes);
    llvm_loop_end(l, &loop);
  } else {
    for (uint32_t i = 0; i < whole; i += lanes)
      llvm_store(l, array, r->type, scalar(llvm_index(l, i)), (Val){vector, lanes, 0}, lanes);
  }
  for (uint32_t i = whole; i < r->rows; i++)
    llvm_store(l, array, r->type, scalar(llvm_index(l, i)), value, 1);
}

static void declare(Llvm *l, const Stmt *stmt) {
  const Registers *r = stmt->registers;
  LLVMTypeRef type = llvm_type(l, r->type, r->width);
  if (r->array) {
    LLVMValueRef array = stack(l, LLVMArrayType2(type, r->rows), 64);
    Val value = scalar(LLVMConstNull(type));
    llvm_bind(l, r, scalar(array), NULL);
    if (r->raw) return;
    if (stmt->value) value = llvm_convert(l, term_val(l, stmt->value), stmt->value->type, r->type);
    array_fill(l, array, r, value);
    return;
  }
  LLVMValueRef *cells = NEW_ARRAY(l->arena, LLVMValueRef, (size_t)r->rows * r->columns);
  for (uint32_t i = 0; i < r->rows * r->columns; i++) {
    cells[i] = stack(l, type, 0);
    LLVMBuildStore(l->builder, LLVMConstNull(type), cells[i]);
  }
  llvm_bind(l, r, scalar(NULL), cells);
}

/* ---- terms ---- */

static Val swap_term(Llvm *l, const Term *term) {
  uint32_t width = term->width;
  LLVMValueRef lanes[64];
  for (uint32_t i = 0; i < width; i++)
    lanes[i] = LLVMConstInt(LLVMInt32TypeInContext(l->context), term_swap_lane(term, i), false);
  LLVMValueRef x = term_val(l, term->src[0]).value, y = term_val(l, term->src[1]).value;
  LLVMValueRef mask = LLVMConstVector(lanes, width);
  return (Val){LLVMBuildShuffleVector(l->builder, x, y, mask, ""), width, 0};
}

/* Fused where the target has it; a library call would be a disaster elsewhere. */
static Val fma_term(Llvm *l, const Term *term) {
  LLVMValueRef args[3];
  for (int i = 0; i < 3; i++) args[i] = llvm_widen(l, term_val(l, term->src[i]), term->width);
  LLVMTypeRef type = LLVMTypeOf(args[0]);
  return (Val){llvm_intrinsic(l, "llvm.fmuladd", &type, 1, args, 3), term->width, 0};
}

static Val apply_term(Llvm *l, const Term *term) {
  Val args[3];
  for (int i = 0; i < 3 && term->src[i]; i++) {
    args[i] = term_val(l, term->src[i]);
    if (term->src[i]->type == VALUE_INDEX)
      args[i] = llvm_convert(l, args[i], VALUE_INDEX, VALUE_I32);
  }
  return llvm_apply(l, term->op, term->type, args);
}

static bool is_written(const Kernel *kernel, const Buffer *buffer) {
  for (size_t i = 0; i < kernel->place_count; i++)
    if (kernel->places[i].buffer == buffer) return kernel->places[i].writes;
  bug("a tensor that is not among the kernel's places");
}

/* What the kernel does not write stays as it is: stores between two loads of it mean nothing. */
static Val load_term(Llvm *l, const Term *term) {
  static const char kind[] = "invariant.load";
  const Buffer *buffer = term->buffer;
  Val val = llvm_load(l, bound(l, buffer)->val.value, buffer->type, term_val(l, term->src[0]),
                      term->width);
  if (!LLVMIsALoadInst(val.value) || is_written(l->kernel, buffer)) return val;
  LLVMMetadataRef none = LLVMMDNodeInContext2(l->context, NULL, 0);
  LLVMSetMetadata(val.value, LLVMGetMDKindIDInContext(l->context, kind, sizeof kind - 1),
                  LLVMMetadataAsValue(l->context, none));
  return val;
}

static Val term_val(Llvm *l, const Term *term) {
  LLVMTypeRef type = llvm_type(l, term->type, 1);
  LLVMValueRef args[3];
  switch (term->kind) {
  case TERM_INT:
    return scalar(llvm_index(l, term->value));
  case TERM_REAL:
    if (term->type == VALUE_I32) return scalar(LLVMConstInt(type, (uint64_t)(int)term->real, true));
    return scalar(LLVMConstReal(type, term->real));
  case TERM_VAR:
    return bound(l, term->var)->val;
  case TERM_ADD:
  case TERM_MUL:
  case TERM_DIV:
  case TERM_MOD:
  case TERM_MIN:
    return index_term(l, term);
  case TERM_LOAD:
    return load_term(l, term);
  case TERM_READ:
    return registers_read(l, term);
  case TERM_APPLY:
    return apply_term(l, term);
  case TERM_CAST:
    return llvm_convert(l, term_val(l, term->src[0]), term->src[0]->type, term->type);
  case TERM_SPLAT:
    return (Val){llvm_splat(l, term_val(l, term->src[0]).value, term->width), term->width, 0};
  case TERM_FMA:
    return fma_term(l, term);
  case TERM_DOT:
    for (int i = 0; i < 3; i++) args[i] = term_val(l, term->src[i]).value;
    return llvm_dot(l, args);
  case TERM_PAIRS:
    for (int i = 0; i < 2; i++) args[i] = term_val(l, term->src[i]).value;
    return llvm_pairs(l, args, term->high);
  case TERM_SWAP:
    return swap_term(l, term);
  case TERM_UNIFORM:
    return llvm_uniform(l, term->type, term->key, (int)term->value, term_val(l, term->src[0]));
  }
  bug("a term of no kind");
}

/* ---- loops ---- */

LlvmLoop llvm_loop_begin(Llvm *l, LLVMValueRef lo, LLVMValueRef hi, int64_t step) {
  LlvmLoop loop = {.hi = hi, .step = step};
  LLVMBasicBlockRef before = LLVMGetInsertBlock(l->builder);
  loop.body = LLVMAppendBasicBlockInContext(l->context, l->function, "");
  loop.done = LLVMAppendBasicBlockInContext(l->context, l->function, "");
  LLVMValueRef any = LLVMBuildICmp(l->builder, LLVMIntSLT, lo, hi, "");
  LLVMBuildCondBr(l->builder, any, loop.body, loop.done);
  LLVMPositionBuilderAtEnd(l->builder, loop.body);
  loop.counter = LLVMBuildPhi(l->builder, LLVMInt64TypeInContext(l->context), "");
  LLVMAddIncoming(loop.counter, &lo, &before, 1);
  return loop;
}

void llvm_loop_end(Llvm *l, LlvmLoop *loop) {
  LLVMValueRef next = LLVMBuildNSWAdd(l->builder, loop->counter, llvm_index(l, loop->step), "");
  LLVMValueRef more = LLVMBuildICmp(l->builder, LLVMIntSLT, next, loop->hi, "");
  LLVMBasicBlockRef last = LLVMGetInsertBlock(l->builder);
  LLVMBuildCondBr(l->builder, more, loop->body, loop->done);
  LLVMAddIncoming(loop->counter, &next, &last, 1);
  LLVMPositionBuilderAtEnd(l->builder, loop->done);
}

static void unrolled_loop(Llvm *l, const Stmt *stmt) {
  for (int64_t i = stmt->lo->value; i < stmt->hi->value; i++) {
    size_t count = l->count;
    llvm_bind(l, stmt->var, scalar(llvm_index(l, i)), NULL);
    llvm_block(l, stmt->body);
    l->count = count;
  }
}

static void serial_loop(Llvm *l, const Stmt *stmt) {
  size_t count = l->count;
  LLVMValueRef lo = term_val(l, stmt->lo).value, hi = term_val(l, stmt->hi).value;
  LlvmLoop loop = llvm_loop_begin(l, lo, hi, 1);
  llvm_bind(l, stmt->var, scalar(loop.counter), NULL);
  llvm_block(l, stmt->body);
  llvm_loop_end(l, &loop);
  l->count = count;
}

/* ---- lanes ---- */

/* The body for lanes base .. base + width - 1. */
static void lanes_body(Llvm *l, const Stmt *stmt, LLVMValueRef base, uint32_t width,
                       LLVMValueRef mask) {
  size_t count = l->count;
  l->lanes = width;
  l->mask = mask;
  llvm_bind(l, stmt->var, (Val){base, 1, width > 1}, NULL);
  llvm_block(l, stmt->body);
  l->lanes = 1;
  l->mask = NULL;
  l->count = count;
}

/* Iterations where that is known: both ends are, or one is so many after the other. */
static bool lanes_known(const Stmt *stmt, int64_t *extent) {
  const Term *lo = stmt->lo, *hi = stmt->hi;
  if (lo->kind == TERM_INT && hi->kind == TERM_INT) {
    *extent = hi->value - lo->value;
    return true;
  }
  bool after = hi->kind == TERM_ADD && hi->src[0] == lo && hi->src[1]->kind == TERM_INT;
  if (after) *extent = hi->src[1]->value;
  return after;
}

static uint32_t lanes_for(const Llvm *l, int64_t extent) {
  uint32_t width = 1;
  while (width < extent && width < l->code->options.lanes) width *= 2;
  return width;
}

/* <base + 0, base + 1, ..> < hi */
static LLVMValueRef lanes_mask(Llvm *l, LLVMValueRef base, LLVMValueRef hi, uint32_t width) {
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  LLVMValueRef rest = LLVMBuildSub(l->builder, hi, base, "");
  rest = llvm_splat(l, LLVMBuildTrunc(l->builder, rest, narrow, ""), width);
  return LLVMBuildICmp(l->builder, LLVMIntSLT, llvm_iota(l, width), rest, "");
}

static LLVMValueRef lane_base(Llvm *l, LLVMValueRef lo, int64_t offset) {
  return LLVMBuildAdd(l->builder, lo, llvm_index(l, offset), "");
}

static void lanes_known_loop(Llvm *l, const Stmt *stmt, LLVMValueRef lo, int64_t extent) {
  enum { EXPANDED = 4 }; /* vectors; arrays on the stack that these alone touch become registers */
  uint32_t width = lanes_for(l, extent);
  int64_t whole = extent / width * width;
  if (whole <= EXPANDED * width) {
    for (int64_t i = 0; i < whole; i += width)
      lanes_body(l, stmt, lane_base(l, lo, i), width, NULL);
  } else {
    LlvmLoop loop = llvm_loop_begin(l, lo, lane_base(l, lo, whole), width);
    lanes_body(l, stmt, loop.counter, width, NULL);
    llvm_loop_end(l, &loop);
  }
  if (whole == extent) return;
  LLVMValueRef base = lane_base(l, lo, whole);
  width = lanes_for(l, extent - whole);
  bool full = extent - whole == width;
  lanes_body(l, stmt, base, width,
             full ? NULL : lanes_mask(l, base, lane_base(l, lo, extent), width));
}

static void lanes_open_loop(Llvm *l, const Stmt *stmt, LLVMValueRef lo, LLVMValueRef hi) {
  uint32_t width = l->code->options.lanes;
  LLVMValueRef extent = LLVMBuildSub(l->builder, hi, lo, "");
  LLVMValueRef rest = LLVMBuildSRem(l->builder, extent, llvm_index(l, width), "");
  LLVMValueRef end = LLVMBuildSub(l->builder, hi, rest, "");
  LlvmLoop loop = llvm_loop_begin(l, lo, end, width);
  lanes_body(l, stmt, loop.counter, width, NULL);
  llvm_loop_end(l, &loop);
  LlvmLoop tail = llvm_loop_begin(l, end, hi, width);
  lanes_body(l, stmt, tail.counter, width, lanes_mask(l, tail.counter, hi, width));
  llvm_loop_end(l, &tail);
}

/* Loops within and branches stay as they are: then lanes are done one after the other. */
static bool is_straight(const Block *block) {
  for (size_t i = 0; i < block->count; i++) {
    StmtKind kind = block->items[i]->kind;
    if (kind != STMT_LET && kind != STMT_STORE && kind != STMT_SET && kind != STMT_NOTE)
      return false;
  }
  return true;
}

static void lanes_loop(Llvm *l, const Stmt *stmt) {
  int64_t extent;
  if (!is_straight(stmt->body) || l->code->options.lanes == 1) {
    serial_loop(l, stmt);
    return;
  }
  LLVMValueRef lo = term_val(l, stmt->lo).value;
  if (lanes_known(stmt, &extent))
    lanes_known_loop(l, stmt, lo, extent);
  else
    lanes_open_loop(l, stmt, lo, term_val(l, stmt->hi).value);
}

/* ---- statements ---- */

static void branch(Llvm *l, const Stmt *stmt) {
  LLVMBasicBlockRef blocks[3];
  for (int i = 0; i < 3; i++)
    blocks[i] = LLVMAppendBasicBlockInContext(l->context, l->function, "");
  LLVMValueRef x = term_val(l, stmt->value).value, y = term_val(l, stmt->hi).value;
  LLVMValueRef less = LLVMBuildICmp(l->builder, LLVMIntSLT, x, y, "");
  LLVMBuildCondBr(l->builder, less, blocks[0], blocks[1]);
  for (int i = 0; i < 2; i++) {
    size_t count = l->count;
    LLVMPositionBuilderAtEnd(l->builder, blocks[i]);
    llvm_block(l, i ? stmt->other : stmt->body);
    LLVMBuildBr(l->builder, blocks[2]);
    l->count = count;
  }
  LLVMPositionBuilderAtEnd(l->builder, blocks[2]);
}

static void store(Llvm *l, const Stmt *stmt) {
  const Buffer *buffer = stmt->buffer;
  Val value = llvm_convert(l, term_val(l, stmt->value), stmt->value->type, buffer->type);
  llvm_store(l, bound(l, buffer)->val.value, buffer->type, term_val(l, stmt->index), value,
             stmt->value->width);
}

static void prefetch(Llvm *l, const Stmt *stmt) {
  LLVMTypeRef number = LLVMInt32TypeInContext(l->context);
  LLVMValueRef from = llvm_address(l, bound(l, stmt->buffer)->val.value, stmt->buffer->type,
                                   term_val(l, stmt->index).value);
  LLVMTypeRef type = LLVMTypeOf(from);
  LLVMValueRef args[] = {from, LLVMConstInt(number, 0, false), LLVMConstInt(number, 3, false),
                         LLVMConstInt(number, 1, false)}; /* to be read, kept near, data */
  llvm_intrinsic(l, "llvm.prefetch", &type, 1, args, 4);
}

static void let(Llvm *l, const Stmt *stmt) {
  Val value = llvm_convert(l, term_val(l, stmt->value), stmt->value->type, stmt->var->type);
  llvm_bind(l, stmt->var, value, NULL);
}

static void loop_stmt(Llvm *l, const Stmt *stmt) {
  if (stmt->loop == LOOP_UNROLLED)
    unrolled_loop(l, stmt);
  else if (stmt->loop == LOOP_LANES)
    lanes_loop(l, stmt);
  else
    serial_loop(l, stmt);
}

void llvm_block(Llvm *l, const Block *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    switch (stmt->kind) {
    case STMT_LOOP:
      loop_stmt(l, stmt);
      break;
    case STMT_LET:
      let(l, stmt);
      break;
    case STMT_STORE:
      store(l, stmt);
      break;
    case STMT_PREFETCH:
      prefetch(l, stmt);
      break;
    case STMT_DECLARE:
      declare(l, stmt);
      break;
    case STMT_SET:
      registers_set(l, stmt);
      break;
    case STMT_IF:
      branch(l, stmt);
      break;
    case STMT_MATRIX:
    case STMT_MEET:
      bug("a statement of GPUs on a CPU");
    case STMT_CALL:
    case STMT_BARRIER:
    case STMT_CHUNKS:
    case STMT_MARK:
    case STMT_NOTE:
      break;
    }
  }
}
