/* Text of loop IR for dumps. */
#include "codegen/schedule/kernel.h"

static void term_print(const Term *term, FILE *out);

static void binary_print(const Term *term, const char *op, FILE *out) {
  fputc('(', out);
  term_print(term->src[0], out);
  fprintf(out, " %s ", op);
  term_print(term->src[1], out);
  fputc(')', out);
}

static void call_print(const char *name, const Term *term, FILE *out) {
  fprintf(out, "%s(", name);
  for (int i = 0; i < 3 && term->src[i]; i++) {
    if (i) fputs(", ", out);
    term_print(term->src[i], out);
  }
  fputc(')', out);
}

static void read_print(const Registers *registers, const Term *row, const Term *column, FILE *out) {
  fprintf(out, "%s[", registers->name);
  term_print(row, out);
  if (column) {
    fputs(", ", out);
    term_print(column, out);
  }
  fputc(']', out);
}

static void load_print(const Buffer *buffer, const Term *index, uint32_t width, FILE *out) {
  fprintf(out, "%s[", buffer->name);
  term_print(index, out);
  if (width > 1) fprintf(out, " : %u", width);
  fputc(']', out);
}

const char *value_type_name(ValueType type) {
  switch (type) {
  case VALUE_F32:
    return "float";
  case VALUE_F64:
    return "double";
  case VALUE_I32:
    return "int32_t";
  case VALUE_PAIR:
    return "pair";
  case VALUE_INDEX:
    return "long";
  }
  return "?";
}

static void term_print(const Term *term, FILE *out) {
  switch (term->kind) {
  case TERM_INT:
    fprintf(out, "%lld", (long long)term->value);
    break;
  case TERM_REAL:
    fprintf(out, "%.9g", term->real);
    break;
  case TERM_VAR:
    fputs(term->var->name, out);
    break;
  case TERM_ADD:
    binary_print(term, "+", out);
    break;
  case TERM_MUL:
    binary_print(term, "*", out);
    break;
  case TERM_DIV:
    binary_print(term, "/", out);
    break;
  case TERM_MOD:
    binary_print(term, "%", out);
    break;
  case TERM_MIN:
    call_print("min", term, out);
    break;
  case TERM_LOAD:
    load_print(term->buffer, term->src[0], term->width, out);
    break;
  case TERM_READ:
    read_print(term->registers, term->src[0], term->src[1], out);
    break;
  case TERM_APPLY:
    call_print(op_table[term->op].name, term, out);
    break;
  case TERM_CAST:
    call_print(value_type_name(term->type), term, out);
    break;
  case TERM_SPLAT:
    call_print("splat", term, out);
    break;
  case TERM_FMA:
    call_print("fma", term, out);
    break;
  case TERM_DOT:
    call_print("dot", term, out);
    break;
  case TERM_PAIRS:
    call_print(term->high ? "pairs_along" : "pairs", term, out);
    break;
  case TERM_SWAP:
    fprintf(out, "swap%lld%s", (long long)term->value, term->high ? "high" : "low");
    call_print("", term, out);
    break;
  case TERM_UNIFORM:
    fprintf(out, "uniform<%016llx.%d>", (unsigned long long)term->key, (int)term->value);
    call_print("", term, out);
    break;
  }
}

static void stmt_print(const Stmt *stmt, int indent, FILE *out);

void block_print(const Block *block, int indent, FILE *out) {
  for (size_t i = 0; i < block->count; i++) stmt_print(block->items[i], indent, out);
}

static void loop_print(const Stmt *stmt, int indent, FILE *out) {
  static const char *const kinds[] = {"serial", "unrolled", "lanes", "warps", "team"};
  fprintf(out, "%s %s in ", kinds[stmt->loop], stmt->var->name);
  term_print(stmt->lo, out);
  fputs(" .. ", out);
  term_print(stmt->hi, out);
  fputs(":\n", out);
  block_print(stmt->body, indent + 1, out);
}

static void if_print(const Stmt *stmt, int indent, FILE *out) {
  fputs("if ", out);
  term_print(stmt->value, out);
  fputs(" < ", out);
  term_print(stmt->hi, out);
  fputs(":\n", out);
  block_print(stmt->body, indent + 1, out);
  if (!stmt->other->count) return;
  fprintf(out, "%*selse:\n", 2 * indent, "");
  block_print(stmt->other, indent + 1, out);
}

static void declare_print(const Stmt *stmt, FILE *out) {
  const Registers *r = stmt->registers;
  fprintf(out, "%s %s[%u, %u] of %u = ", r->array ? "array" : "tile", r->name, r->rows, r->columns,
          r->width);
  if (stmt->value)
    term_print(stmt->value, out);
  else
    fputc('0', out);
}

static void assign_print(const Stmt *stmt, FILE *out) {
  if (stmt->kind == STMT_LET) fprintf(out, "let %s", stmt->var->name);
  if (stmt->kind == STMT_STORE) load_print(stmt->buffer, stmt->index, stmt->value->width, out);
  if (stmt->kind == STMT_SET) read_print(stmt->registers, stmt->index, stmt->column, out);
  fputs(" = ", out);
  term_print(stmt->value, out);
}

static void stmt_print(const Stmt *stmt, int indent, FILE *out) {
  fprintf(out, "%*s", 2 * indent, "");
  switch (stmt->kind) {
  case STMT_LOOP:
    loop_print(stmt, indent, out);
    return;
  case STMT_IF:
    if_print(stmt, indent, out);
    return;
  case STMT_LET:
  case STMT_STORE:
  case STMT_SET:
    assign_print(stmt, out);
    break;
  case STMT_MATRIX:
    read_print(stmt->registers, stmt->index, NULL, out);
    fputs(" += ", out);
    term_print(stmt->value, out);
    fputs(" x ", out);
    term_print(stmt->column, out);
    break;
  case STMT_PREFETCH:
    fputs("prefetch ", out);
    load_print(stmt->buffer, stmt->index, 1, out);
    break;
  case STMT_DECLARE:
    declare_print(stmt, out);
    break;
  case STMT_CALL:
    fprintf(out, "call %s", stmt->note);
    break;
  case STMT_CHUNKS:
    fprintf(out, "parallel chunk in 0..%zu\n", stmt->number);
    block_print(stmt->body, indent + 1, out);
    return;
  case STMT_BARRIER:
    fputs("barrier", out);
    break;
  case STMT_MEET:
    fputs("meet", out);
    break;
  case STMT_MARK:
    fprintf(out, "mark %zu", stmt->number);
    break;
  case STMT_NOTE:
    fprintf(out, "# %s", stmt->note);
    break;
  }
  fputc('\n', out);
}
