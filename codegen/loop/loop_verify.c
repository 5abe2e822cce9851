/* The verifier of loop IR. */
#include "codegen/schedule/kernel.h"

/* Whether a block's warps may meet here. */
typedef enum Company {
  ALONE,    /* an item is one warp's, or warps have different iterations */
  TOGETHER, /* all warps of a team come by, equally often */
  ASTRAY    /* in a team, but not all may come by */
} Company;

typedef struct Scope {
  Arena *arena;
  const void **names; /* variables and registers in scope */
  bool *unrolled;
  size_t count, capacity, unrolled_capacity;
  Company company;
  const char *error;
} Scope;

static void fail(Scope *scope, const char *what, const char *name) {
  if (!scope->error) scope->error = arena_printf(scope->arena, "%s '%s'", what, name);
}

static void scope_add(Scope *scope, const void *name, bool unrolled) {
  size_t count = scope->count;
  PUSH(scope->arena, scope->unrolled, count, scope->unrolled_capacity, unrolled);
  PUSH(scope->arena, scope->names, scope->count, scope->capacity, name);
}

static bool in_scope(const Scope *scope, const void *name, bool *unrolled) {
  for (size_t i = scope->count; i-- > 0;)
    if (scope->names[i] == name) {
      *unrolled = scope->unrolled[i];
      return true;
    }
  return false;
}

/* Constant once unrolled loops are expanded? */
static bool is_constant(const Scope *scope, const Term *term) {
  bool unrolled = false;
  if (term->kind == TERM_INT) return true;
  if (term->kind == TERM_VAR) return in_scope(scope, term->var, &unrolled) && unrolled;
  if (term->kind != TERM_ADD && term->kind != TERM_MUL) return false;
  return is_constant(scope, term->src[0]) && is_constant(scope, term->src[1]);
}

static void check_registers(Scope *scope, const Registers *registers, const Term *row,
                            const Term *column) {
  bool unused;
  if (!in_scope(scope, registers, &unused)) fail(scope, "registers out of scope", registers->name);
  if (row->type != VALUE_INDEX) fail(scope, "subscript is no index of", registers->name);
  if (registers->array) return;
  if (!column || !is_constant(scope, row) || !is_constant(scope, column))
    fail(scope, "subscript of a tile is not constant", registers->name);
}

static void check_term(Scope *scope, const Term *term) {
  bool unused;
  for (int i = 0; i < 3; i++)
    if (term->src[i]) check_term(scope, term->src[i]);
  if (term->kind == TERM_VAR && !in_scope(scope, term->var, &unused))
    fail(scope, "variable out of scope", term->var->name);
  if (term->kind == TERM_READ) check_registers(scope, term->registers, term->src[0], term->src[1]);
  if (term->kind == TERM_LOAD && term->src[0]->type != VALUE_INDEX)
    fail(scope, "load without an index from", term->buffer->name);
  if (term->kind >= TERM_ADD && term->kind <= TERM_MIN &&
      (term->src[0]->type != VALUE_INDEX || term->src[1]->type != VALUE_INDEX))
    fail(scope, "index arithmetic on", "other values");
  if (term->kind == TERM_SWAP &&
      (term->src[0]->width != term->width || term->src[1]->width != term->width))
    fail(scope, "widths differ in", "swap");
  if ((term->kind == TERM_DOT || term->kind == TERM_PAIRS) &&
      (term->src[0]->width != term->width || term->src[1]->width != term->width ||
       term->src[0]->type != term->src[1]->type))
    fail(scope, "operands differ in", "pairs");
  if (term->kind == TERM_FMA &&
      (term->src[0]->width != term->width || term->src[1]->width != term->width))
    fail(scope, "widths differ in", "fma");
}

static void check_block(Scope *scope, const Block *block);

static bool runs(const Stmt *loop, int64_t times) {
  return loop->lo->kind == TERM_INT && loop->hi->kind == TERM_INT && loop->lo->value == 0 &&
         loop->hi->value == times;
}

/* In the loop's body. */
static Company company_in(Scope *scope, const Stmt *loop) {
  bool constant = loop->lo->kind == TERM_INT && loop->hi->kind == TERM_INT;
  switch (loop->loop) {
  case LOOP_TEAM:
    if (scope->company != ALONE || !runs(loop, BLOCK_WARPS))
      fail(scope, "no loop for a block's warps", loop->var->name);
    return TOGETHER;
  case LOOP_WARPS:
    if (scope->company != ALONE) fail(scope, "loop over warps in another", loop->var->name);
    return ASTRAY;
  case LOOP_LANES:
    return scope->company == TOGETHER && !runs(loop, WARP_LANES) ? ASTRAY : scope->company;
  case LOOP_SERIAL:
  case LOOP_UNROLLED:
    break;
  }
  return scope->company == TOGETHER && !constant ? ASTRAY : scope->company;
}

static void check_loop(Scope *scope, const Stmt *stmt) {
  size_t count = scope->count;
  Company company = scope->company;
  check_term(scope, stmt->lo);
  check_term(scope, stmt->hi);
  bool unrolled = stmt->loop == LOOP_UNROLLED;
  if (unrolled && (stmt->lo->kind != TERM_INT || stmt->hi->kind != TERM_INT))
    fail(scope, "unrolled loop without constant bounds", stmt->var->name);
  scope_add(scope, stmt->var, unrolled);
  scope->company = company_in(scope, stmt);
  check_block(scope, stmt->body);
  scope->company = company;
  scope->count = count;
}

static void check_if(Scope *scope, const Stmt *stmt) {
  size_t count = scope->count;
  Company company = scope->company;
  check_term(scope, stmt->value);
  check_term(scope, stmt->hi);
  if (company == TOGETHER) scope->company = ASTRAY;
  check_block(scope, stmt->body);
  scope->count = count;
  check_block(scope, stmt->other);
  scope->count = count;
  scope->company = company;
}

static void check_store(Scope *scope, const Stmt *stmt) {
  check_term(scope, stmt->index);
  check_term(scope, stmt->value);
  if (stmt->index->type != VALUE_INDEX)
    fail(scope, "store without an index to", stmt->buffer->name);
  if (stmt->buffer->space == SPACE_TABLE) fail(scope, "store to a table", stmt->buffer->name);
  if (stmt->value->width > 1 && stmt->value->type != stmt->buffer->type)
    fail(scope, "vector store of another type to", stmt->buffer->name);
}

/* All subscripts are constant, and what goes along fits in size. */
static void check_matrix(Scope *scope, const Stmt *stmt) {
  const Registers *sums = stmt->registers;
  const Term *x = stmt->value, *y = stmt->column;
  check_registers(scope, sums, stmt->index, stmt->index);
  check_term(scope, x);
  check_term(scope, y);
  bool reads = x->kind == TERM_READ && y->kind == TERM_READ && x->type == y->type;
  bool single = x->type == VALUE_F32 || x->type == VALUE_PAIR;
  if (!reads || !single || sums->type != VALUE_F32 || sums->columns != 4)
    fail(scope, "operands differ in", "matrix");
}

static void check_stmt(Scope *scope, const Stmt *stmt) {
  switch (stmt->kind) {
  case STMT_LOOP:
    check_loop(scope, stmt);
    break;
  case STMT_IF:
    check_if(scope, stmt);
    break;
  case STMT_LET:
    check_term(scope, stmt->value);
    scope_add(scope, stmt->var, false);
    break;
  case STMT_STORE:
    check_store(scope, stmt);
    break;
  case STMT_PREFETCH:
    check_term(scope, stmt->index);
    break;
  case STMT_DECLARE:
    if (stmt->value) check_term(scope, stmt->value);
    scope_add(scope, stmt->registers, false);
    break;
  case STMT_SET:
    check_term(scope, stmt->index);
    if (stmt->column) check_term(scope, stmt->column);
    check_term(scope, stmt->value);
    check_registers(scope, stmt->registers, stmt->index, stmt->column);
    break;
  case STMT_MATRIX:
    check_matrix(scope, stmt);
    break;
  case STMT_MEET:
    if (scope->company != TOGETHER) fail(scope, "not all warps come to a meeting", "meet");
    break;
  case STMT_CALL:
  case STMT_BARRIER:
  case STMT_CHUNKS:
  case STMT_MARK:
  case STMT_NOTE:
    break;
  }
}

static void check_block(Scope *scope, const Block *block) {
  for (size_t i = 0; i < block->count && !scope->error; i++) check_stmt(scope, block->items[i]);
}

const char *block_verify(const Block *block, const Var *item, Arena *arena) {
  Scope scope = {.arena = arena};
  scope_add(&scope, item, false);
  check_block(&scope, block);
  return scope.error;
}
