/* Builders of loop IR. Index arithmetic folds as it is built, so that printed subscripts stay
 * readable. */
#include "codegen/loop/loop.h"

#include <math.h>

Var *var_make(Arena *arena, const char *name, ValueType type, uint32_t width) {
  Var *var = NEW(arena, Var);
  *var = (Var){name, type, width};
  return var;
}

Registers *registers_tile(Arena *arena, const char *name, ValueType type, uint32_t width,
                          uint32_t rows, uint32_t columns) {
  Registers *r = NEW(arena, Registers);
  *r = (Registers){.name = name, .type = type, .width = width, .rows = rows, .columns = columns};
  return r;
}

Registers *registers_array(Arena *arena, const char *name, ValueType type, uint32_t count) {
  Registers *r = NEW(arena, Registers);
  *r = (Registers){
      .name = name, .type = type, .width = 1, .rows = count, .columns = 1, .array = true};
  return r;
}

Registers *registers_raw(Arena *arena, const char *name, ValueType type, uint32_t count) {
  Registers *registers = registers_array(arena, name, type, count);
  registers->raw = true;
  return registers;
}

/* ---- terms ---- */

static Term *term_make(Arena *arena, TermKind kind, ValueType type, Term *x, Term *y, Term *z) {
  Term *term = NEW(arena, Term);
  *term = (Term){.kind = kind, .type = type, .width = 1, .src = {x, y, z}};
  return term;
}

Term *term_int(Arena *arena, int64_t value) {
  Term *term = term_make(arena, TERM_INT, VALUE_INDEX, NULL, NULL, NULL);
  term->value = value;
  return term;
}

Term *term_real(Arena *arena, ValueType type, double value) {
  Term *term = term_make(arena, TERM_REAL, type, NULL, NULL, NULL);
  term->real = value;
  return term;
}

Term *term_var(Arena *arena, const Var *var) {
  Term *term = term_make(arena, TERM_VAR, var->type, NULL, NULL, NULL);
  term->var = var;
  term->width = var->width;
  return term;
}

static bool term_is(const Term *x, int64_t value) {
  return x->kind == TERM_INT && x->value == value;
}

Term *term_add(Arena *arena, Term *x, Term *y) {
  if (term_is(x, 0)) return y;
  if (term_is(y, 0)) return x;
  if (x->kind == TERM_INT && y->kind == TERM_INT) return term_int(arena, x->value + y->value);
  return term_make(arena, TERM_ADD, VALUE_INDEX, x, y, NULL);
}

Term *term_mul(Arena *arena, Term *x, int64_t factor) {
  if (factor == 1) return x;
  if (factor == 0) return term_int(arena, 0);
  if (x->kind == TERM_INT) return term_int(arena, x->value * factor);
  return term_make(arena, TERM_MUL, VALUE_INDEX, x, term_int(arena, factor), NULL);
}

Term *term_div(Arena *arena, Term *x, int64_t by) {
  if (by == 1) return x;
  if (x->kind == TERM_INT) return term_int(arena, x->value / by);
  return term_make(arena, TERM_DIV, VALUE_INDEX, x, term_int(arena, by), NULL);
}

Term *term_mod(Arena *arena, Term *x, int64_t by) {
  if (by == 1) return term_int(arena, 0);
  if (x->kind == TERM_INT) return term_int(arena, x->value % by);
  return term_make(arena, TERM_MOD, VALUE_INDEX, x, term_int(arena, by), NULL);
}

Term *term_min(Arena *arena, Term *x, Term *y) {
  return term_make(arena, TERM_MIN, VALUE_INDEX, x, y, NULL);
}

Term *term_load(Arena *arena, Buffer *buffer, ValueType type, Term *index, uint32_t width) {
  Term *term = term_make(arena, TERM_LOAD, type, index, NULL, NULL);
  term->buffer = buffer;
  term->width = width;
  return term;
}

Term *term_read(Arena *arena, const Registers *registers, Term *row, Term *column) {
  Term *term = term_make(arena, TERM_READ, registers->type, row, column, NULL);
  term->registers = registers;
  term->width = registers->width;
  return term;
}

Term *term_apply(Arena *arena, OpCode op, ValueType type, Term *x, Term *y, Term *z) {
  Term *term = term_make(arena, TERM_APPLY, type, x, y, z);
  term->op = op;
  return term;
}

Term *term_cast(Arena *arena, Term *x, ValueType type) {
  if (x->type == type) return x;
  bool index = type == VALUE_INDEX;
  if (x->kind == TERM_REAL && index && fabs(x->real) <= 0x1p53)
    return term_int(arena, (int64_t)x->real);
  if (x->kind == TERM_REAL && !index) return term_real(arena, type, x->real);
  return term_make(arena, TERM_CAST, type, x, NULL, NULL);
}

Term *term_splat(Arena *arena, Term *x, uint32_t width) {
  Term *term = term_make(arena, TERM_SPLAT, x->type, x, NULL, NULL);
  term->width = width;
  return term;
}

Term *term_fma(Arena *arena, Term *x, Term *y, Term *z) {
  Term *term = term_make(arena, TERM_FMA, x->type, x, y, z);
  term->width = z->width;
  return term;
}

Term *term_dot(Arena *arena, Term *x, Term *y, Term *z) {
  Term *term = term_make(arena, TERM_DOT, z->type, x, y, z);
  term->width = z->width;
  return term;
}

Term *term_pairs(Arena *arena, Term *x, Term *y, bool along) {
  Term *term = term_make(arena, TERM_PAIRS, VALUE_PAIR, x, y, NULL);
  term->width = x->width;
  term->high = along;
  return term;
}

Term *term_swap(Arena *arena, Term *x, Term *y, uint32_t stage, bool high) {
  Term *term = term_make(arena, TERM_SWAP, x->type, x, y, NULL);
  term->width = x->width;
  term->value = stage;
  term->high = high;
  return term;
}

uint32_t term_swap_lane(const Term *swap, uint32_t lane) {
  uint32_t bit = (uint32_t)swap->value, width = swap->width;
  if (swap->high) return lane & bit ? width + lane : lane + bit;
  return lane & bit ? width + lane - bit : lane;
}

Term *term_uniform(Arena *arena, uint64_t stream, int word, Term *element, ValueType type) {
  Term *term = term_make(arena, TERM_UNIFORM, type, element, NULL, NULL);
  term->key = stream;
  term->value = word;
  return term;
}

/* ---- statements ---- */

Block *block_make(Arena *arena) { return NEW(arena, Block); }

void block_add(Arena *arena, Block *block, Stmt *stmt) {
  PUSH(arena, block->items, block->count, block->capacity, stmt);
}

static Stmt *stmt_add(Arena *arena, Block *block, StmtKind kind) {
  Stmt *stmt = NEW(arena, Stmt);
  stmt->kind = kind;
  block_add(arena, block, stmt);
  return stmt;
}

void loop_link(Arena *arena, Block *block, LoopKind kind, const Var *var, Term *lo, Term *hi,
               Block *body) {
  Stmt *stmt = stmt_add(arena, block, STMT_LOOP);
  stmt->loop = kind;
  stmt->var = var;
  stmt->lo = lo;
  stmt->hi = hi;
  stmt->body = body;
}

Block *loop_add(Arena *arena, Block *block, LoopKind kind, const Var *var, Term *lo, Term *hi) {
  Block *body = block_make(arena);
  loop_link(arena, block, kind, var, lo, hi, body);
  return body;
}

void let_add(Arena *arena, Block *block, const Var *var, Term *value) {
  Stmt *stmt = stmt_add(arena, block, STMT_LET);
  stmt->var = var;
  stmt->value = value;
}

void store_add(Arena *arena, Block *block, Buffer *buffer, Term *index, Term *value) {
  Stmt *stmt = stmt_add(arena, block, STMT_STORE);
  stmt->buffer = buffer;
  stmt->index = index;
  stmt->value = value;
}

void prefetch_add(Arena *arena, Block *block, Buffer *buffer, Term *index) {
  Stmt *stmt = stmt_add(arena, block, STMT_PREFETCH);
  stmt->buffer = buffer;
  stmt->index = index;
}

void declare_add(Arena *arena, Block *block, const Registers *registers, Term *initial) {
  Stmt *stmt = stmt_add(arena, block, STMT_DECLARE);
  stmt->registers = registers;
  stmt->value = initial;
}

void set_add(Arena *arena, Block *block, const Registers *registers, Term *row, Term *column,
             Term *value) {
  Stmt *stmt = stmt_add(arena, block, STMT_SET);
  stmt->registers = registers;
  stmt->index = row;
  stmt->column = column;
  stmt->value = value;
}

void matrix_add(Arena *arena, Block *block, const Registers *sums, Term *row, Term *x, Term *y) {
  Stmt *stmt = stmt_add(arena, block, STMT_MATRIX);
  stmt->registers = sums;
  stmt->index = row;
  stmt->value = x;
  stmt->column = y;
}

void meet_add(Arena *arena, Block *block) { stmt_add(arena, block, STMT_MEET); }

Stmt *if_add(Arena *arena, Block *block, Term *value, Term *bound) {
  Stmt *stmt = stmt_add(arena, block, STMT_IF);
  stmt->value = value;
  stmt->hi = bound;
  stmt->body = block_make(arena);
  stmt->other = block_make(arena);
  return stmt;
}

void note_add(Arena *arena, Block *block, const char *note) {
  stmt_add(arena, block, STMT_NOTE)->note = note;
}
