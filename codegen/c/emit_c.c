/* Prints loop IR as C11 with GNU vectors. No mathematics and no scheduling: operations print the
 * text of ops.def. */
#include "codegen/c/emit_c.h"
#include "runtime/rng.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* ---- terms ---- */

bool emit_constant(const Emit *e, const Term *term, int64_t *value) {
  int64_t x = 0, y = 0;
  switch (term->kind) {
  case TERM_INT:
    *value = term->value;
    return true;
  case TERM_VAR:
    for (int i = e->count - 1; i >= 0; i--)
      if (e->vars[i] == term->var) {
        *value = e->values[i];
        return true;
      }
    return false;
  case TERM_ADD:
  case TERM_MUL:
    if (!emit_constant(e, term->src[0], &x) || !emit_constant(e, term->src[1], &y)) return false;
    *value = term->kind == TERM_ADD ? x + y : x * y;
    return true;
  default:
    return false;
  }
}

void emit_type(Emit *e, ValueType type, uint32_t width) {
  if (width > 1 && !(e->dialect && e->dialect->by_lane)) fprintf(e->out, "v%u_", width);
  fputs(type == VALUE_INDEX && e->dialect ? e->dialect->index : value_type_name(type), e->out);
}

void emit_real(Emit *e, ValueType type, double value) {
  bool single = type == VALUE_F32;
  if (single) value = (float)value; /* may be infinite only then */
  if (type == VALUE_I32) {
    fprintf(e->out, "%d", (int)value);
  } else if (isnan(value)) {
    fprintf(e->out, "__builtin_nan%s(\"\")", single ? "f" : "");
  } else if (isinf(value)) {
    fprintf(e->out, "%s__builtin_inf%s()", value < 0 ? "-" : "", single ? "f" : "");
  } else {
    char text[64];
    snprintf(text, sizeof text, single ? "%.9g" : "%.17g", value);
    bool point = strpbrk(text, ".e") != NULL;
    fprintf(e->out, "%s%s%s", text, point ? "" : ".0", single ? "f" : "");
  }
}

void emit_operand(Emit *e, const Term *term) {
  int64_t value;
  bool simple = term->kind == TERM_VAR || term->kind == TERM_READ || term->kind == TERM_LOAD ||
                (emit_constant(e, term, &value) && value >= 0) ||
                (term->kind == TERM_REAL && term->real >= 0);
  if (!simple) fputc('(', e->out);
  emit_term(e, term);
  if (!simple) fputc(')', e->out);
}

static void emit_index(Emit *e, const Term *term, const char *op) {
  int64_t zero;
  if (term->kind == TERM_ADD)
    for (int i = 0; i < 2; i++)
      if (emit_constant(e, term->src[i], &zero) && zero == 0) {
        emit_term(e, term->src[1 - i]);
        return;
      }
  bool sum = term->kind == TERM_ADD;
  (sum ? emit_term : emit_operand)(e, term->src[0]);
  fprintf(e->out, " %s ", op);
  bool chain = sum && term->src[1]->kind == TERM_MUL;
  (chain ? emit_term : emit_operand)(e, term->src[1]);
}

/* The text of ops.def with x, y, z replaced. */
static void emit_apply(Emit *e, const Term *term) {
  const char *text = op_table[term->op].expr;
  while (*text) {
    const char *end = text;
    while (isalnum((unsigned char)*end) || *end == '_') end++;
    size_t length = (size_t)(end - text);
    if (length == 1 && *text >= 'x' && *text <= 'z')
      emit_operand(e, term->src[*text - 'x']);
    else
      fwrite(text, 1, length ? length : 1, e->out);
    text = length ? end : text + 1;
  }
}

static void emit_registers(Emit *e, const Registers *r, const Term *row, const Term *column,
                           uint32_t width) {
  int64_t i = 0, j = 0;
  if (!r->array) {
    if (!emit_constant(e, row, &i) || !emit_constant(e, column, &j)) bug("subscript of a tile");
    fprintf(e->out, "%s_%lld_%lld", r->name, (long long)i, (long long)j);
    return;
  }
  if (width > 1) {
    fputs("*(", e->out);
    emit_type(e, r->type, width);
    fputs(" *)&", e->out);
  }
  fprintf(e->out, "%s[", r->name);
  emit_term(e, row);
  fputc(']', e->out);
}

static void emit_memory(Emit *e, const Buffer *buffer, const Term *index, uint32_t width,
                        bool store) {
  if (width > 1) {
    fprintf(e->out, "*(%s", store ? "" : "const ");
    emit_type(e, buffer->type, width);
    fputs(" *)&", e->out);
  }
  fprintf(e->out, "%s[", buffer->name);
  emit_term(e, index);
  fputc(']', e->out);
}

static void emit_uniform(Emit *e, const Term *term) {
  fprintf(e->out, "uniform_%s(call, %uu, (uint32_t)", value_type_name(term->type),
          rng_stream(term->key));
  emit_operand(e, term->src[0]);
  fprintf(e->out, ", %d)", (int)term->value);
}

static void emit_swap(Emit *e, const Term *term) {
  fputs("__builtin_shufflevector(", e->out);
  emit_term(e, term->src[0]);
  fputs(", ", e->out);
  emit_term(e, term->src[1]);
  for (uint32_t l = 0; l < term->width; l++) fprintf(e->out, ", %u", term_swap_lane(term, l));
  fputc(')', e->out);
}

static void emit_min(Emit *e, const Term *term) {
  fputs("min_index(", e->out);
  emit_term(e, term->src[0]);
  fputs(", ", e->out);
  emit_term(e, term->src[1]);
  fputc(')', e->out);
}

/* A scalar minus a vector of zeros is the scalar in every lane, to the sign of zero. */
static void emit_splat(Emit *e, const Term *term) {
  emit_term(e, term->src[0]);
  fputs(" - (", e->out);
  emit_type(e, term->type, term->width);
  fputs("){0}", e->out);
}

static void emit_fma(Emit *e, const Term *term) {
  emit_operand(e, term->src[0]);
  fputs(" * ", e->out);
  emit_operand(e, term->src[1]);
  fputs(" + ", e->out);
  emit_operand(e, term->src[2]);
}

static void emit_plain(Emit *e, const Term *term) {
  switch (term->kind) {
  case TERM_INT:
    break;
  case TERM_REAL:
    emit_real(e, term->type, term->real);
    break;
  case TERM_VAR:
    fputs(term->var->name, e->out);
    break;
  case TERM_ADD:
    emit_index(e, term, "+");
    break;
  case TERM_MUL:
    emit_index(e, term, "*");
    break;
  case TERM_DIV:
    emit_index(e, term, "/");
    break;
  case TERM_MOD:
    emit_index(e, term, "%");
    break;
  case TERM_MIN:
    emit_min(e, term);
    break;
  case TERM_LOAD:
    emit_memory(e, term->buffer, term->src[0], term->width, false);
    break;
  case TERM_READ:
    emit_registers(e, term->registers, term->src[0], term->src[1], 1);
    break;
  case TERM_APPLY:
    emit_apply(e, term);
    break;
  case TERM_CAST:
    fputc('(', e->out);
    emit_type(e, term->type, 1);
    fputc(')', e->out);
    emit_operand(e, term->src[0]);
    break;
  case TERM_SPLAT:
    emit_splat(e, term);
    break;
  case TERM_FMA:
    emit_fma(e, term);
    break;
  case TERM_DOT:
  case TERM_PAIRS:
    bug("pairs of bfloat16 in C");
  case TERM_SWAP:
    emit_swap(e, term);
    break;
  case TERM_UNIFORM:
    emit_uniform(e, term);
    break;
  }
}

void emit_term(Emit *e, const Term *term) {
  int64_t value;
  if (emit_constant(e, term, &value))
    fprintf(e->out, "%lld", (long long)value);
  else if (!e->dialect || !e->dialect->term(e, term))
    emit_plain(e, term);
}

/* ---- statements ---- */

void emit_indent(Emit *e, int indent) { fprintf(e->out, "%*s", 2 * indent, ""); }

/* A loop with one iteration whose counter is not read needs no braces, but keeps them: scopes stay
 * as in the loop IR. */
static void emit_unrolled(Emit *e, const Stmt *stmt, int indent) {
  int slot = e->count++;
  if (slot == (int)COUNTOF(e->vars)) bug("unrolled loops nest too deep");
  e->vars[slot] = stmt->var;
  bool scoped = stmt->body->count > 1;
  for (int64_t i = stmt->lo->value; i < stmt->hi->value; i++) {
    e->values[slot] = i;
    if (scoped) {
      emit_indent(e, indent);
      fputs("{\n", e->out);
    }
    emit_block(e, stmt->body, scoped ? indent + 1 : indent);
    if (scoped) {
      emit_indent(e, indent);
      fputs("}\n", e->out);
    }
  }
  e->count--;
}

static void emit_loop(Emit *e, const Stmt *stmt, int indent) {
  if (stmt->loop == LOOP_UNROLLED) {
    emit_unrolled(e, stmt, indent);
    return;
  }
  if (stmt->loop == LOOP_LANES) {
    int64_t lanes = stmt->hi->kind == TERM_INT ? stmt->hi->value : INT64_MAX;
    emit_indent(e, indent);
    fputs(lanes <= 16 ? "LANES_SHORT\n" : "LANES\n", e->out);
  }
  const char *name = stmt->var->name;
  emit_indent(e, indent);
  fputs("for (", e->out);
  emit_type(e, VALUE_INDEX, 1);
  fprintf(e->out, " %s = ", name);
  emit_term(e, stmt->lo);
  if (stmt->hi->kind == TERM_MIN) {
    fprintf(e->out, ", end_%s = ", name);
    emit_term(e, stmt->hi);
    fprintf(e->out, "; %s < end_%s; %s++) {\n", name, name, name);
  } else {
    fprintf(e->out, "; %s < ", name);
    emit_term(e, stmt->hi);
    fprintf(e->out, "; %s++) {\n", name);
  }
  emit_block(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  fputs("}\n", e->out);
}

static void emit_if(Emit *e, const Stmt *stmt, int indent) {
  fputs("if (", e->out);
  emit_term(e, stmt->value);
  fputs(" < ", e->out);
  emit_term(e, stmt->hi);
  fputs(") {\n", e->out);
  emit_block(e, stmt->body, indent + 1);
  emit_indent(e, indent);
  if (stmt->other->count) {
    fputs("} else {\n", e->out);
    emit_block(e, stmt->other, indent + 1);
    emit_indent(e, indent);
  }
  fputs("}\n", e->out);
}

static void emit_array(Emit *e, const Stmt *stmt, int indent) {
  const Registers *r = stmt->registers;
  fprintf(e->out, "_Alignas(64) %s %s[%u]%s;\n", value_type_name(r->type), r->name, r->rows,
          stmt->value || r->raw ? "" : " = {0}");
  if (!stmt->value) return;
  emit_indent(e, indent);
  fprintf(e->out, "for (long i = 0; i < %u; i++) %s[i] = ", r->rows, r->name);
  emit_term(e, stmt->value);
  fputs(";\n", e->out);
}

static void emit_declare(Emit *e, const Stmt *stmt, int indent) {
  const Registers *r = stmt->registers;
  if (r->array) {
    emit_array(e, stmt, indent);
    return;
  }
  emit_type(e, r->type, r->width);
  for (uint32_t i = 0; i < r->rows; i++)
    for (uint32_t j = 0; j < r->columns; j++)
      fprintf(e->out, "%s %s_%u_%u = {0}", i + j ? "," : "", r->name, i, j);
  fputs(";\n", e->out);
}

static void emit_stmt(Emit *e, const Stmt *stmt, int indent) {
  if (e->dialect && e->dialect->stmt(e, stmt, indent)) return;
  if (stmt->kind == STMT_LOOP) {
    emit_loop(e, stmt, indent);
    return;
  }
  emit_indent(e, indent);
  switch (stmt->kind) {
  case STMT_MATRIX:
  case STMT_MEET:
    bug("a statement of GPUs in C");
  case STMT_LOOP:
  case STMT_CALL:
  case STMT_BARRIER:
  case STMT_CHUNKS:
  case STMT_MARK:
    break;
  case STMT_IF:
    emit_if(e, stmt, indent);
    return;
  case STMT_DECLARE:
    emit_declare(e, stmt, indent);
    return;
  case STMT_PREFETCH:
    fputs("__builtin_prefetch(&", e->out);
    emit_memory(e, stmt->buffer, stmt->index, 1, false);
    fputs(");\n", e->out);
    return;
  case STMT_NOTE:
    fprintf(e->out, "/* %s */\n", stmt->note);
    return;
  case STMT_LET:
    fputs("const ", e->out);
    emit_type(e, stmt->var->type, stmt->var->width);
    fprintf(e->out, " %s", stmt->var->name);
    break;
  case STMT_STORE:
    emit_memory(e, stmt->buffer, stmt->index, stmt->value->width, true);
    break;
  case STMT_SET:
    emit_registers(e, stmt->registers, stmt->index, stmt->column, stmt->value->width);
    break;
  }
  fputs(" = ", e->out);
  emit_term(e, stmt->value);
  fputs(";\n", e->out);
}

void emit_block(Emit *e, const Block *block, int indent) {
  for (size_t i = 0; i < block->count; i++) emit_stmt(e, block->items[i], indent);
}

/* ---- kernels and programs ---- */

static void emit_pointer(Emit *e, const ProgramCode *program, const Place *place) {
  const Buffer *buffer = place->buffer;
  if (buffer->space == SPACE_TABLE) return;
  const char *type = value_type_name(buffer->type), *constant = place->writes ? "" : "const ";
  unsigned long long offset = buffer->offset, each = program->thread_bytes;
  if (buffer->space == SPACE_CHUNK) offset += program->work_bytes;
  fprintf(e->out, "  %s%s *restrict %s = (%s%s *)__builtin_assume_aligned(call->%s + %llu",
          constant, type, buffer->name, constant, type,
          buffer->space == SPACE_SLOT ? "memory" : "work", offset);
  if (buffer->space == SPACE_CHUNK) fprintf(e->out, " + call->thread * %lluull", each);
  fputs(", 64);", e->out);
  if (buffer->spec) fprintf(e->out, " /* %s */", buffer->spec);
  fputc('\n', e->out);
}

static void emit_kernel(const Code *code, size_t program, const Kernel *kernel, FILE *out) {
  Emit e = {.out = out, .code = code};
  fprintf(out, "/* %s: %llu items", kernel->what, (unsigned long long)kernel->items);
  if (kernel->flops > 0) fprintf(out, ", %.0f flops", kernel->flops);
  fprintf(out, " */\nstatic void p%u_%s(const RlcCall *call, long lo, long hi) {\n",
          (unsigned)program, kernel->name);
  fputs("  (void)call;\n", out);
  for (size_t i = 0; i < kernel->place_count; i++)
    emit_pointer(&e, &code->programs[program], &kernel->places[i]);
  fprintf(out, "  for (long %s = lo; %s < hi; %s++) {\n", kernel->item->name, kernel->item->name,
          kernel->item->name);
  emit_block(&e, kernel->body, 2);
  fputs("  }\n}\n\n", out);
}

static void emit_run(const Kernel *kernel, size_t program, bool chunked, FILE *out) {
  unsigned long long items = kernel->items, weight = kernel_item_weight(kernel);
  if (chunked) items /= kernel->chunks->count;
  fprintf(out, "run_%s(call, p%u_%s, %s%llu, %llu);\n",
          chunked          ? "chunk"
          : kernel->serial ? "alone"
                           : "shared",
          (unsigned)program, kernel->name, chunked ? "chunk, " : "", items, weight);
}

static void emit_calls(const ProgramCode *program, size_t number, const Block *block, bool chunked,
                       FILE *out) {
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    fputs(chunked ? "    " : "  ", out);
    if (stmt->kind == STMT_BARRIER) {
      fputs("meet(call);\n", out);
    } else if (stmt->kind == STMT_MARK) {
      fprintf(out, "((const RlcMarks *)call->context)->mark(call, %zu);\n", stmt->number);
    } else if (stmt->kind == STMT_CHUNKS) {
      fprintf(out,
              "for (long chunk = share(call, %zu, 0); chunk < share(call, %zu, 1); chunk++) {\n",
              stmt->number, stmt->number);
      emit_calls(program, number, stmt->body, true, out);
      fputs("  }\n", out);
    } else {
      emit_run(program->kernels[stmt->number], number, chunked, out);
    }
  }
}

static void emit_program(const ProgramCode *program, size_t number, FILE *out) {
  fprintf(out, "/* program \"%s\" */\nstatic void program_%u(const RlcCall *call) {\n",
          program->program->name, (unsigned)number);
  fputs("  (void)call;\n", out);
  emit_calls(program, number, program->body, false, out);
  fputs("}\n\n", out);
}

void emit_table(const Code *code, const char *words, size_t number, FILE *out) {
  Emit e = {.out = out, .code = code};
  const Buffer *buffer = code->tables[number];
  const Table *table = &code->module->graph->tables[number];
  fprintf(out, "%s %s %s[%llu] = {", words, value_type_name(buffer->type), buffer->name,
          (unsigned long long)buffer->layout.elements);
  for (uint32_t i = 0; i < table->count; i++) {
    fputs(i ? i % 8 ? ", " : ",\n  " : "\n  ", out);
    emit_real(&e, buffer->type, table->values[i]);
  }
  fputs("};\n\n", out);
}

void emit_c(const Code *code, FILE *out) {
  emit_prologue(code, out);
  for (size_t i = 0; i < code->module->graph->table_count; i++)
    if (code->tables[i]) emit_table(code, "static const _Alignas(64)", i, out);
  for (size_t i = 0; i < code->program_count; i++) {
    const ProgramCode *program = &code->programs[i];
    for (size_t k = 0; k < program->kernel_count; k++)
      emit_kernel(code, i, program->kernels[k], out);
    emit_program(program, i, out);
  }
  module_print(&code->module->shell, out);
}
