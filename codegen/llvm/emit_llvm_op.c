/* Operations as LLVM IR. What an operation means stands once, as C text in ops.def; here
 * that text is read again: choices, comparisons, arithmetic, calls, x, y, z and whole numbers.
 * Vectors of mathematical functions are libmvec's on x86-64, else the scalar ones lane by lane. */
#include "codegen/approximation.h"
#include "codegen/llvm/emit_llvm.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Reader {
  Llvm *l;
  const char *text; /* what is left */
  const Val *args;
  bool fused; /* a product may be added without being rounded */
} Reader;

/* ---- types ---- */

static LLVMTypeRef element_type(LLVMValueRef value) {
  LLVMTypeRef type = LLVMTypeOf(value);
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

/* 0: a truth, 1: a whole number, 2: float, 3: double. */
static int rank_of(const Llvm *l, LLVMValueRef value) {
  LLVMTypeRef type = element_type(value);
  if (type == LLVMInt1TypeInContext(l->context)) return 0;
  if (type == LLVMInt32TypeInContext(l->context)) return 1;
  return type == LLVMFloatTypeInContext(l->context) ? 2 : 3;
}

static int rank_of_type(ValueType type) {
  if (type == VALUE_F32) return 2;
  return type == VALUE_F64 ? 3 : 1;
}

static LLVMTypeRef type_of_rank(Llvm *l, int rank, uint32_t width) {
  return llvm_type(l, rank == 3 ? VALUE_F64 : rank == 2 ? VALUE_F32 : VALUE_I32, width);
}

static LLVMValueRef convert_rank(Llvm *l, Val val, int to) {
  int from = rank_of(l, val.value);
  LLVMTypeRef type = type_of_rank(l, to, val.width);
  if (from == to) return val.value;
  if (from == 0 && to == 1) return LLVMBuildZExt(l->builder, val.value, type, "");
  if (from == 0) return LLVMBuildUIToFP(l->builder, val.value, type, "");
  if (from == 1) return LLVMBuildSIToFP(l->builder, val.value, type, "");
  if (to == 1) return LLVMBuildFPToSI(l->builder, val.value, type, "");
  return LLVMBuildFPCast(l->builder, val.value, type, "");
}

/* Both as wide as the wider, and of the larger type but at least `least`. */
static int unify(Llvm *l, Val *x, Val *y, int least) {
  int a = rank_of(l, x->value), b = rank_of(l, y->value), rank = a > b ? a : b;
  if (rank < least) rank = least;
  uint32_t width = x->width > y->width ? x->width : y->width;
  x->value = convert_rank(l, *x, rank);
  y->value = convert_rank(l, *y, rank);
  *x = (Val){llvm_widen(l, *x, width), width, 0};
  *y = (Val){llvm_widen(l, *y, width), width, 0};
  return rank;
}

/* ---- mathematics ---- */

/* Names that LLVM knows as instructions; the others are the C library's. */
static const char *const intrinsics[][2] = {
    {"fabs", "llvm.fabs"}, {"sqrt", "llvm.sqrt"}, {"floor", "llvm.floor"}};

static LLVMTypeRef function_type(LLVMTypeRef type, unsigned count) {
  LLVMTypeRef types[] = {type, type};
  return LLVMFunctionType(type, types, count, false);
}

static LLVMValueRef scalar_call(Llvm *l, const char *name, const LLVMValueRef *args, unsigned count,
                                bool single) {
  LLVMTypeRef type = function_type(llvm_type(l, single ? VALUE_F32 : VALUE_F64, 1), count);
  const char *full = arena_printf(l->arena, "%s%s", name, single ? "f" : "");
  LLVMValueRef function = llvm_declare(l, full, type), copy[2] = {args[0], args[1]};
  return LLVMBuildCall2(l->builder, type, function, copy, count, "");
}

/* Letter of the vector functions of that many bytes. */
static char vector_letter(uint32_t bytes) { return bytes == 64 ? 'e' : bytes == 32 ? 'd' : 'b'; }

/* Elements start .. start + count - 1, of which those beyond the end are anything. */
static LLVMValueRef piece(Llvm *l, LLVMValueRef value, uint32_t start, uint32_t count) {
  LLVMTypeRef type = LLVMTypeOf(value);
  uint32_t width = LLVMGetVectorSize(type);
  if (start == 0 && count == width) return value;
  LLVMValueRef lanes[64];
  LLVMTypeRef narrow = LLVMInt32TypeInContext(l->context);
  for (uint32_t i = 0; i < count; i++)
    lanes[i] = start + i < width ? LLVMConstInt(narrow, start + i, false) : LLVMGetPoison(narrow);
  return LLVMBuildShuffleVector(l->builder, value, LLVMGetPoison(type),
                                LLVMConstVector(lanes, count), "");
}

/* Puts pieces of `count` elements together to `width`. */
static LLVMValueRef join(Llvm *l, LLVMValueRef *pieces, uint32_t count, uint32_t width) {
  uint32_t number = (width + count - 1) / count;
  for (; number > 1; number /= 2, count *= 2)
    for (uint32_t i = 0; i < number / 2; i++)
      pieces[i] = LLVMBuildShuffleVector(l->builder, pieces[2 * i], pieces[2 * i + 1],
                                         llvm_iota(l, 2 * count), "");
  return piece(l, pieces[0], 0, width);
}

static LLVMValueRef vector_call(Llvm *l, const char *name, const LLVMValueRef *args, unsigned count,
                                bool single, uint32_t width) {
  const CodegenOptions *options = &l->code->options;
  uint32_t size = single ? 4 : 8, most = options->lanes * value_type_size(l->code->real);
  uint32_t bytes = width * size < 16 ? 16 : width * size > most ? most : width * size;
  uint32_t lanes = bytes / size;
  LLVMTypeRef vector = llvm_type(l, single ? VALUE_F32 : VALUE_F64, lanes);
  LLVMTypeRef type = function_type(vector, count);
  const char *full = arena_printf(l->arena, "_ZGV%cN%u%s_%s%s", vector_letter(bytes), lanes,
                                  count == 2 ? "vv" : "v", name, single ? "f" : "");
  LLVMValueRef function = llvm_declare(l, full, type), results[64];
  uint32_t number = 0;
  for (uint32_t start = 0; start < width; start += lanes) {
    LLVMValueRef parts[2];
    for (unsigned i = 0; i < count; i++) parts[i] = piece(l, args[i], start, lanes);
    results[number++] = LLVMBuildCall2(l->builder, type, function, parts, count, "");
  }
  return join(l, results, lanes, width);
}

static LLVMValueRef lane_calls(Llvm *l, const char *name, const LLVMValueRef *args, unsigned count,
                               bool single, uint32_t width) {
  LLVMValueRef result = LLVMGetPoison(LLVMTypeOf(args[0]));
  for (uint32_t i = 0; i < width; i++) {
    LLVMValueRef at = LLVMConstInt(LLVMInt32TypeInContext(l->context), i, false), lane[2] = {NULL};
    for (unsigned k = 0; k < count; k++)
      lane[k] = LLVMBuildExtractElement(l->builder, args[k], at, "");
    LLVMValueRef value = scalar_call(l, name, lane, count, single);
    result = LLVMBuildInsertElement(l->builder, result, value, at, "");
  }
  return result;
}

/* libmvec's functions among those that operations use. */
static bool has_vector_form(const Llvm *l, const char *name) {
  static const char *const known[] = {"exp", "log", "tanh", "sin", "cos", "erf", "pow"};
  for (size_t i = 0; i < COUNTOF(known); i++)
    if (strcmp(name, known[i]) == 0) return code_cpu(l->code)->vector_math;
  return false;
}

static Val read_choice(Reader *r);

static Val approximate(Llvm *l, const Approximation *approximation, Val x) {
  Val args[3] = {x, x, x};
  for (const Assignment *step = approximation->steps; step->text; step++) {
    Reader reader = {l, step->text, args, true};
    x = args[step->to - 'x'] = read_choice(&reader);
    if (*reader.text) bug("'%s' is left of %s", reader.text, approximation->name);
  }
  return x;
}

static Val call_function(Llvm *l, const char *name, const Val *args, unsigned count) {
  LLVMValueRef values[2] = {args[0].value, count > 1 ? args[1].value : NULL};
  LLVMTypeRef type = LLVMTypeOf(values[0]);
  uint32_t width = args[0].width;
  const Approximation *approximation = approximation_find(name);
  NumberFormat format = format_of(op_find(name));
  if (format != FORMAT_float32) return llvm_round(l, &format_table[format], args[0]);
  if (approximation && rank_of(l, values[0]) == 2) return approximate(l, approximation, args[0]);
  for (size_t i = 0; i < COUNTOF(intrinsics); i++)
    if (strcmp(name, intrinsics[i][0]) == 0)
      return (Val){llvm_intrinsic(l, intrinsics[i][1], &type, 1, values, count), width, 0};
  bool single = rank_of(l, values[0]) == 2;
  LLVMValueRef result = width == 1 ? scalar_call(l, name, values, count, single)
                        : has_vector_form(l, name)
                            ? vector_call(l, name, values, count, single, width)
                            : lane_calls(l, name, values, count, single, width);
  return (Val){result, width, 0};
}

/* ---- reading ---- */

static bool accept(Reader *r, const char *token) {
  while (*r->text == ' ') r->text++;
  size_t length = strlen(token);
  if (strncmp(r->text, token, length) != 0) return false;
  r->text += length;
  return true;
}

static void expect(Reader *r, const char *token) {
  if (!accept(r, token)) bug("'%s' is missing before '%s' in ops.def", token, r->text);
}

static Val read_call(Reader *r, const char *name) {
  Val args[2];
  unsigned count = 0;
  do {
    if (count == COUNTOF(args)) bug("too many arguments in ops.def");
    args[count] = read_choice(r);
    args[count].value =
        convert_rank(r->l, args[count],
                     rank_of(r->l, args[count].value) < 2 ? 3 : rank_of(r->l, args[count].value));
    count++;
  } while (accept(r, ","));
  expect(r, ")");
  if (count == 2) unify(r->l, &args[0], &args[1], 2);
  return call_function(r->l, name, args, count);
}

/* A whole number, or with an "f" behind it a float. */
static Val read_number(Reader *r) {
  LLVMTypeRef whole = LLVMInt32TypeInContext(r->l->context);
  LLVMTypeRef real = LLVMFloatTypeInContext(r->l->context);
  char *end;
  double number = strtod(r->text, &end);
  bool single = *end == 'f';
  r->text = end + single;
  if (single) return (Val){LLVMConstReal(real, number), 1, 0};
  return (Val){LLVMConstInt(whole, (uint64_t)(int64_t)number, true), 1, 0};
}

static Val read_primary(Reader *r) {
  if (accept(r, "(")) {
    Val inner = read_choice(r);
    expect(r, ")");
    return inner;
  }
  if (isdigit((unsigned char)*r->text)) return read_number(r);
  const char *start = r->text;
  while (isalnum((unsigned char)*r->text)) r->text++;
  size_t length = (size_t)(r->text - start);
  if (length == 1 && *start >= 'x' && *start <= 'z') return r->args[*start - 'x'];
  if (!length || !accept(r, "(")) bug("'%s' in ops.def", start);
  return read_call(r, arena_copy(r->l->arena, start, length));
}

static Val read_unary(Reader *r) {
  if (!accept(r, "-")) return read_primary(r);
  Val x = read_unary(r);
  x.value = rank_of(r->l, x.value) < 2 ? LLVMBuildNeg(r->l->builder, x.value, "")
                                       : LLVMBuildFNeg(r->l->builder, x.value, "");
  return x;
}

static Val arithmetic(Reader *r, char op, Val x, Val y) {
  LLVMBuilderRef builder = r->l->builder;
  bool whole = unify(r->l, &x, &y, 1) == 1;
  LLVMOpcode code = op == '+'   ? (whole ? LLVMAdd : LLVMFAdd)
                    : op == '-' ? (whole ? LLVMSub : LLVMFSub)
                    : op == '*' ? (whole ? LLVMMul : LLVMFMul)
                                : (whole ? LLVMSDiv : LLVMFDiv);
  LLVMValueRef value = LLVMBuildBinOp(builder, code, x.value, y.value, "");
  if (r->fused && LLVMIsAInstruction(value)) LLVMSetFastMathFlags(value, LLVMFastMathAllowContract);
  return (Val){value, x.width, 0};
}

static Val read_product(Reader *r) {
  Val x = read_unary(r);
  for (;;) {
    char op = accept(r, "*") ? '*' : accept(r, "/") ? '/' : 0;
    if (!op) return x;
    x = arithmetic(r, op, x, read_unary(r));
  }
}

static Val read_sum(Reader *r) {
  Val x = read_product(r);
  for (;;) {
    char op = accept(r, "+") ? '+' : accept(r, "-") ? '-' : 0;
    if (!op) return x;
    x = arithmetic(r, op, x, read_product(r));
  }
}

typedef struct Comparison {
  const char *text;
  LLVMRealPredicate real;
  LLVMIntPredicate whole;
} Comparison;

static const Comparison comparisons[] = {
    {"<=", LLVMRealOLE, LLVMIntSLE}, {">=", LLVMRealOGE, LLVMIntSGE},
    {"==", LLVMRealOEQ, LLVMIntEQ},  {"!=", LLVMRealUNE, LLVMIntNE},
    {"<", LLVMRealOLT, LLVMIntSLT},  {">", LLVMRealOGT, LLVMIntSGT}};

static Val read_comparison(Reader *r) {
  Val x = read_sum(r);
  for (size_t i = 0; i < COUNTOF(comparisons); i++) {
    const Comparison *c = &comparisons[i];
    if (!accept(r, c->text)) continue;
    Val y = read_sum(r);
    bool whole = unify(r->l, &x, &y, 1) == 1;
    LLVMValueRef truth = whole ? LLVMBuildICmp(r->l->builder, c->whole, x.value, y.value, "")
                               : LLVMBuildFCmp(r->l->builder, c->real, x.value, y.value, "");
    return (Val){truth, x.width, 0};
  }
  return x;
}

static Val read_choice(Reader *r) {
  Val truth = read_comparison(r);
  if (!accept(r, "?")) return truth;
  Val x = read_choice(r);
  expect(r, ":");
  Val y = read_choice(r);
  unify(r->l, &x, &y, 1);
  uint32_t width = truth.width > x.width ? truth.width : x.width;
  LLVMValueRef which = llvm_widen(r->l, truth, width), a = llvm_widen(r->l, x, width);
  return (Val){LLVMBuildSelect(r->l->builder, which, a, llvm_widen(r->l, y, width), ""), width, 0};
}

Val llvm_apply(Llvm *l, OpCode op, ValueType type, const Val *args) {
  Reader reader = {l, op_table[op].expr, args, false};
  Val result = read_choice(&reader);
  if (*reader.text) bug("'%s' is left in ops.def", reader.text);
  result.value = convert_rank(l, result, rank_of_type(type));
  return result;
}
