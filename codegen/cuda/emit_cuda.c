/* Prints the loop IR of a kernel as CUDA C.
 *
 * The lanes of a warp meet (__syncwarp) between a write that others may see and the next thing that
 * is not such a write: outside of loops over lanes, where all of them come by. */
#include "codegen/cuda/emit_cuda.h"

/* What a kernel is printed with; `emit` first, so that an Emit is one. */
typedef struct Warp {
  Emit emit;
  const Arrays *arrays;
  Arena *arena;
} Warp;

static const ArrayPlace *place_of(const Emit *e, const Registers *array) {
  return array_place(((const Warp *)e)->arrays, array);
}

/* ---- terms ---- */

/* name[index], or this lane's of a vector that begins there. What is a constant apart from a place
 * is said so: then compilers see what lies side by side. */
static void emit_element(Emit *e, const char *name, const Term *index, uint32_t width) {
  int64_t apart;
  if (width == 1 && index->kind == TERM_ADD && emit_constant(e, index->src[1], &apart)) {
    fprintf(e->out, "(%s + ", name);
    emit_operand(e, index->src[0]);
    fprintf(e->out, ")[%lld]", (long long)apart);
    return;
  }
  fprintf(e->out, "%s[", name);
  emit_term(e, index);
  fputs(width > 1 ? " + me]" : "]", e->out);
}

static void emit_load(Emit *e, const Term *term) {
  bool part = term->width > 1 && term->width < WARP_LANES;
  if (part) fprintf(e->out, "(me < %u ? ", term->width);
  emit_element(e, term->buffer->name, term->src[0], term->width);
  if (part) fputs(" : 0)", e->out);
}

static void emit_array(Emit *e, const Registers *array, const Term *index, uint32_t width) {
  if (place_of(e, array)->residence == IN_LANES) {
    fprintf(e->out, "%s[(", array->name);
    emit_term(e, index);
    fprintf(e->out, ") / %d]", WARP_LANES);
  } else {
    emit_element(e, array->name, index, width);
  }
}

static void emit_swap(Emit *e, const Term *term) {
  fprintf(e->out, "swap_%s(", value_type_name(term->type));
  emit_term(e, term->src[0]);
  fputs(", ", e->out);
  emit_term(e, term->src[1]);
  fprintf(e->out, ", %d, %d)", (int)term->value, term->high);
}

static void emit_call(Emit *e, const char *name, const Term *term, int count) {
  fputs(name, e->out);
  for (int i = 0; i < count; i++) {
    fputs(i ? ", " : "(", e->out);
    emit_term(e, term->src[i]);
  }
  fputc(')', e->out);
}

/* Positions are never negative: without saying so a division by a power of two is no shift, and the
 * compiler loses sight of what lies side by side. */
static void emit_quotient(Emit *e, const Term *term) {
  fputs("(Index)((Unsigned)", e->out);
  emit_operand(e, term->src[0]);
  fputs(term->kind == TERM_DIV ? " / " : " % ", e->out);
  emit_operand(e, term->src[1]);
  fputc(')', e->out);
}

static bool cuda_term(Emit *e, const Term *term) {
  switch (term->kind) {
  case TERM_LOAD:
    emit_load(e, term);
    return true;
  case TERM_READ:
    if (!term->registers->array) return false;
    emit_array(e, term->registers, term->src[0], term->width);
    return true;
  case TERM_SPLAT:
    emit_term(e, term->src[0]);
    return true;
  case TERM_FMA:
    emit_call(e, term->type == VALUE_F32 ? "fmaf" : "fma", term, 3);
    return true;
  case TERM_SWAP:
    emit_swap(e, term);
    return true;
  case TERM_DIV:
  case TERM_MOD:
    emit_quotient(e, term);
    return true;
  case TERM_PAIRS:
    emit_call(e, "pair_bf16", term, 2);
    return true;
  case TERM_APPLY:
    if (term->op != OP_tf32 || term->type != VALUE_F32) return false;
    emit_call(e, "round_tf32", term, 1);
    return true;
  default:
    return false;
  }
}

/* ---- statements ---- */

/* The lanes meet here if one of them wrote something. */
static void lanes_meet(Emit *e, int indent) {
  if (e->in_lanes || !e->written) return;
  emit_indent(e, indent);
  fputs("__syncwarp();\n", e->out);
  e->written = false;
}

static void always_meet(Emit *e, int indent) {
  e->written = true;
  lanes_meet(e, indent);
}

/* A part that may run or not: what it wrote is seen at its end. */
static void emit_part(Emit *e, const Block *block, int indent) {
  emit_block(e, block, indent);
  lanes_meet(e, indent);
}

static bool term_touches(const Term *term) {
  if (!term) return false;
  if (term->kind == TERM_LOAD || (term->kind == TERM_READ && term->registers->array)) return true;
  for (size_t i = 0; i < COUNTOF(term->src); i++)
    if (term_touches(term->src[i])) return true;
  return false;
}

static bool block_writes(const Emit *e, const Block *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bool set = stmt->kind == STMT_SET && stmt->registers->array &&
               array_is_shared(place_of(e, stmt->registers));
    if (set || stmt->kind == STMT_STORE) return true;
    if (stmt->body && block_writes(e, stmt->body)) return true;
    if (stmt->other && block_writes(e, stmt->other)) return true;
  }
  return false;
}

static bool term_owns(const Emit *e, const Term *term) {
  if (!term) return false;
  if (term->kind == TERM_READ && term->registers->array &&
      place_of(e, term->registers)->residence == IN_LANES)
    return true;
  for (size_t i = 0; i < COUNTOF(term->src); i++)
    if (term_owns(e, term->src[i])) return true;
  return false;
}

/* Does the block touch elements that are their lane's own? */
static bool block_owns(const Emit *e, const Block *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bool set = stmt->kind == STMT_SET && stmt->registers->array &&
               place_of(e, stmt->registers)->residence == IN_LANES;
    if (set || term_owns(e, stmt->value) || term_owns(e, stmt->index)) return true;
    if (stmt->body && block_owns(e, stmt->body)) return true;
    if (stmt->other && block_owns(e, stmt->other)) return true;
  }
  return false;
}

/* Registers have no subscripts at run time. */
static const char *dealt_unrolling(const Emit *e, const Stmt *stmt, int64_t rounds) {
  enum { MOST = 8 };
  return rounds <= MOST && block_owns(e, stmt->body) ? "UNROLLED" : "ROLLED";
}

/* The head of a loop whose iterations are dealt out: of one round, no loop. */
static void emit_deal(Emit *e, const Stmt *stmt, int indent) {
  enum { MANY = 1 << 20 };
  const char *name = stmt->var->name;
  int64_t lo, hi, count = MANY * (int64_t)WARP_LANES;
  if (emit_constant(e, stmt->lo, &lo) && emit_constant(e, stmt->hi, &hi)) count = hi - lo;
  int64_t rounds = (count + WARP_LANES - 1) / WARP_LANES;
  emit_indent(e, indent);
  if (rounds <= 1) {
    if (count < WARP_LANES) fprintf(e->out, "if (me < %d) ", (int)count);
    fputs("{\n", e->out);
    emit_indent(e, indent + 1);
    fprintf(e->out, "const Index %s = ", name);
    emit_operand(e, stmt->lo);
    fputs(" + me;\n", e->out);
    return;
  }
  fprintf(e->out, "%s\n", dealt_unrolling(e, stmt, rounds));
  emit_indent(e, indent);
  fprintf(e->out, "for (Index %s = ", name);
  emit_operand(e, stmt->lo);
  fprintf(e->out, " + me; %s < ", name);
  emit_operand(e, stmt->hi);
  fprintf(e->out, "; %s += %d) {\n", name, WARP_LANES);
}

static void emit_dealt(Emit *e, const Stmt *stmt, int indent) {
  lanes_meet(e, indent);
  emit_deal(e, stmt, indent);
  e->in_lanes = true;
  emit_block(e, stmt->body, indent + 1);
  e->in_lanes = false;
  emit_indent(e, indent);
  fputs("}\n", e->out);
  e->written = block_writes(e, stmt->body);
}

/* Steps of a sum: nothing but arithmetic in registers. */
static bool is_straight(const Block *block) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bool unrolled = stmt->kind == STMT_LOOP && stmt->loop == LOOP_UNROLLED;
    if (stmt->kind == STMT_MATRIX) continue;
    bool own = (stmt->kind == STMT_SET || stmt->kind == STMT_DECLARE) && !stmt->registers->array;
    if (unrolled ? !is_straight(stmt->body) : !own && stmt->kind != STMT_LET) return false;
  }
  return true;
}

/* Statements of a block, unrolled loops expanded. */
static int64_t block_size(const Block *block) {
  int64_t size = 0;
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bool unrolled = stmt->kind == STMT_LOOP && stmt->loop == LOOP_UNROLLED;
    size += unrolled ? (stmt->hi->value - stmt->lo->value) * block_size(stmt->body) : 1;
  }
  return size;
}

/* Two rounds of a small tile hide more of what loads take; of a large one they need registers that
 * a second block could have. */
static bool pays_twice(const Block *block) {
  enum { MOST = 64 };
  return is_straight(block) && block_size(block) <= MOST;
}

static void emit_repeated(Emit *e, const Stmt *stmt, int indent) {
  const char *name = stmt->var->name;
  lanes_meet(e, indent);
  emit_indent(e, indent);
  fputs(pays_twice(stmt->body) ? "STEPS\n" : "ROLLED\n", e->out);
  emit_indent(e, indent);
  fprintf(e->out, "for (Index %s = ", name);
  emit_term(e, stmt->lo);
  fprintf(e->out, "; %s < ", name);
  emit_operand(e, stmt->hi);
  fprintf(e->out, "; %s++) {\n", name);
  emit_part(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  fputs("}\n", e->out);
}

static void emit_choice(Emit *e, const Stmt *stmt, int indent) {
  lanes_meet(e, indent);
  emit_indent(e, indent);
  fputs("if (", e->out);
  emit_term(e, stmt->value);
  fputs(" < ", e->out);
  emit_operand(e, stmt->hi);
  fputs(") {\n", e->out);
  emit_part(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  if (stmt->other->count) {
    fputs("} else {\n", e->out);
    emit_part(e, stmt->other, indent + 1);
    emit_indent(e, indent);
  }
  fputs("}\n", e->out);
}

/* A write of one value by all lanes: by the first of them. Of a vector: each lane its own. */
static void emit_write(Emit *e, const Stmt *stmt, int indent) {
  uint32_t width = stmt->value->width;
  if (width == 1)
    always_meet(e, indent);
  else if (term_touches(stmt->value))
    lanes_meet(e, indent);
  emit_indent(e, indent);
  if (width < WARP_LANES) fprintf(e->out, "if (me < %u) ", width);
  if (stmt->kind == STMT_STORE)
    emit_element(e, stmt->buffer->name, stmt->index, width);
  else
    emit_array(e, stmt->registers, stmt->index, width);
  fputs(" = ", e->out);
  emit_term(e, stmt->value);
  fputs(";\n", e->out);
  e->written = true;
}

static bool writes_for_all(const Emit *e, const Stmt *stmt) {
  if (e->in_lanes) return false;
  if (stmt->kind == STMT_STORE) return true;
  return stmt->kind == STMT_SET && stmt->registers->array &&
         array_is_shared(place_of(e, stmt->registers));
}

/* Each lane sets what is its own. */
static void emit_own(Emit *e, const Stmt *stmt, int indent) {
  if (term_touches(stmt->value)) lanes_meet(e, indent);
  emit_indent(e, indent);
  emit_array(e, stmt->registers, stmt->index, stmt->value->width);
  fputs(" = ", e->out);
  emit_term(e, stmt->value);
  fputs(";\n", e->out);
}

static void emit_initial(Emit *e, const Stmt *stmt) {
  if (stmt->value)
    emit_term(e, stmt->value);
  else
    fputc('0', e->out);
}

static void emit_array_declared(Emit *e, const Stmt *stmt, int indent) {
  const Registers *r = stmt->registers;
  const ArrayPlace *place = place_of(e, r);
  const char *type = value_type_name(r->type);
  uint32_t count = r->rows;
  if (array_is_shared(place)) {
    always_meet(e, indent);
    emit_indent(e, indent);
    const char *from = place->residence == IN_WARP ? "own + " : "";
    fprintf(e->out, "%s *%s = (%s *)(shared + %s%u);\n", type, r->name, type, from, place->offset);
  } else {
    if (place->residence == IN_LANES) count = (count + WARP_LANES - 1) / WARP_LANES;
    emit_indent(e, indent);
    fprintf(e->out, "%s %s[%u];\n", type, r->name, count);
  }
  if (r->raw) return;
  if (place->residence == IN_BLOCK) bug("an array of a block begins as something");
  emit_indent(e, indent);
  bool warp = array_is_shared(place);
  fprintf(e->out, "for (int i = %s; i < %u; i%s) %s[i] = ", warp ? "me" : "0", count,
          warp ? " += 32" : "++", r->name);
  emit_initial(e, stmt);
  fputs(";\n", e->out);
  if (warp) e->written = true;
}

/* By the warps of the block in turns; what they wrote is seen by all of them behind the loop, and
 * nobody is left in it who reads what is written next. */
static void emit_shared_out(Emit *e, const Stmt *stmt, int indent) {
  const char *name = stmt->var->name;
  lanes_meet(e, indent);
  emit_indent(e, indent);
  fputs("ROLLED\n", e->out);
  emit_indent(e, indent);
  fprintf(e->out, "for (Index %s = ", name);
  emit_operand(e, stmt->lo);
  fprintf(e->out, " + threadIdx.x / %d; %s < ", WARP_LANES, name);
  emit_operand(e, stmt->hi);
  fprintf(e->out, "; %s += blockDim.x / %d) {\n", name, WARP_LANES);
  emit_part(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  fputs("}\n", e->out);
  emit_indent(e, indent);
  fputs("__syncthreads();\n", e->out);
  e->written = false;
}

/* By each warp of the block, side by side. */
static void emit_team(Emit *e, const Stmt *stmt, int indent) {
  lanes_meet(e, indent);
  emit_indent(e, indent);
  fputs("{\n", e->out);
  emit_indent(e, indent + 1);
  fprintf(e->out, "const Index %s = threadIdx.x / %d;\n", stmt->var->name, WARP_LANES);
  emit_part(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  fputs("}\n", e->out);
}

static void emit_meeting(Emit *e, int indent) {
  emit_indent(e, indent);
  fputs("__syncthreads();\n", e->out);
  e->written = false;
}

static bool emit_loop_stmt(Emit *e, const Stmt *stmt, int indent) {
  if (stmt->loop == LOOP_UNROLLED) return false;
  if (stmt->loop == LOOP_WARPS)
    emit_shared_out(e, stmt, indent);
  else if (stmt->loop == LOOP_TEAM)
    emit_team(e, stmt, indent);
  else if (stmt->loop == LOOP_LANES && !e->in_lanes)
    emit_dealt(e, stmt, indent);
  else
    emit_repeated(e, stmt, indent);
  return true;
}

/* Registers `rows` by `columns` from a read on. */
static void emit_fragment(Emit *e, const Term *read, int rows, int columns) {
  Arena *arena = ((const Warp *)e)->arena;
  for (int j = 0; j < columns; j++)
    for (int i = 0; i < rows; i++) {
      fputs(", ", e->out);
      emit_term(e,
                term_read(arena, read->registers, term_add(arena, read->src[0], term_int(arena, i)),
                          term_add(arena, read->src[1], term_int(arena, j))));
    }
}

static void emit_matrix(Emit *e, const Stmt *stmt, int indent) {
  Arena *arena = ((const Warp *)e)->arena;
  bool pairs = stmt->value->type == VALUE_PAIR;
  emit_indent(e, indent);
  fputs(pairs ? "mma_bf16_16x8x16(" : "mma_tf32_16x8x8(", e->out);
  for (int i = 0; i < 4; i++) {
    fputs(i ? ", &" : "&", e->out);
    emit_term(e, term_read(arena, stmt->registers, stmt->index, term_int(arena, i)));
  }
  emit_fragment(e, stmt->value, 2, 2);
  emit_fragment(e, stmt->column, 1, 2);
  fputs(");\n", e->out);
}

static bool cuda_stmt(Emit *e, const Stmt *stmt, int indent) {
  switch (stmt->kind) {
  case STMT_MATRIX:
    emit_matrix(e, stmt, indent);
    return true;
  case STMT_MEET:
    emit_meeting(e, indent);
    return true;
  case STMT_LOOP:
    return emit_loop_stmt(e, stmt, indent);
  case STMT_IF:
    if (e->in_lanes) return false;
    emit_choice(e, stmt, indent);
    return true;
  case STMT_DECLARE:
    if (!stmt->registers->array) return false;
    emit_array_declared(e, stmt, indent);
    return true;
  case STMT_STORE:
  case STMT_SET:
    if (writes_for_all(e, stmt)) {
      emit_write(e, stmt, indent);
      return true;
    }
    if (stmt->kind == STMT_STORE || !stmt->registers->array) {
      if (term_touches(stmt->value)) lanes_meet(e, indent);
      return false;
    }
    emit_own(e, stmt, indent);
    return true;
  case STMT_LET:
    if (term_touches(stmt->value)) lanes_meet(e, indent);
    return false;
  case STMT_PREFETCH:
    return true;
  default:
    return false;
  }
}

static const Dialect cuda = {true, "Index", cuda_term, cuda_stmt};

void emit_cuda_block(const Code *code, const Arrays *arrays, const Block *block, int indent,
                     FILE *out) {
  Arena *arena = arena_make();
  Warp warp = {
      .emit = {.out = out, .code = code, .dialect = &cuda}, .arrays = arrays, .arena = arena};
  emit_block(&warp.emit, block, indent);
  arena_free(arena);
}
