/* Expressions back to text, canonical: one space around operators, brackets only where the grammar
 * needs them. */
#include "ir/expr.h"

#include <string.h>

typedef struct Text {
  Arena *arena;
  char *bytes;
  size_t count, capacity;
} Text;

static void text_add(Text *text, const char *bytes) {
  size_t length = strlen(bytes);
  if (text->count + length > text->capacity) {
    size_t larger = 2 * (text->count + length) + 64;
    text->bytes = arena_grow(text->arena, text->bytes, text->count, larger);
    text->capacity = larger;
  }
  memcpy(text->bytes + text->count, bytes, length);
  text->count += length;
}

ExprLevel expr_level(const Expr *e) {
  if (e->kind == EXPR_UNARY || (e->kind == EXPR_NUMBER && e->value < 0)) return LEVEL_UNARY;
  if (e->kind != EXPR_BINARY) return LEVEL_PRIMARY;
  switch (e->text[0]) {
  case '+':
  case '-':
    return LEVEL_SUM;
  case '*':
  case '/':
    return LEVEL_TERM;
  case '^':
    return LEVEL_POWER;
  default:
    return LEVEL_COMPARE;
  }
}

/* The number as it was written, where that still is its value; otherwise the shortest digits that
 * read back. */
static void number_add(Text *text, const Expr *e) {
  double value;
  if (e->text && number_read(e->text, strlen(e->text), &value) && value == e->value)
    return text_add(text, e->text);
  for (int digits = 1; digits <= 17; digits++) {
    char *written = arena_printf(text->arena, "%.*g", digits, e->value);
    if (digits == 17 || (number_read(written, strlen(written), &value) && value == e->value))
      return text_add(text, written);
  }
}

static void string_add(Text *text, const char *value) {
  text_add(text, "\"");
  for (; *value; value++) {
    if (*value == '"' || *value == '\\') text_add(text, "\\");
    text_add(text, (char[]){*value, 0});
  }
  text_add(text, "\"");
}

static void expr_add(Text *text, const Expr *e, ExprLevel least);

/* Brackets and arguments behind a name or a field. */
static void suffix_add(Text *text, const Expr *e) {
  if (e->bracketed) text_add(text, "[");
  for (uint32_t i = 0; i < e->axis_count; i++) {
    if (i) text_add(text, ", ");
    text_add(text, e->axes[i].name);
    if (!e->axes[i].size) continue;
    text_add(text, "=");
    expr_add(text, e->axes[i].size, LEVEL_COMPARE);
  }
  if (e->bracketed) text_add(text, "]");
  if (e->called) text_add(text, "(");
  for (uint32_t i = 0; i < e->arg_count; i++) {
    if (i) text_add(text, ", ");
    if (e->args[i].name) text_add(text, e->args[i].name), text_add(text, "=");
    expr_add(text, e->args[i].value, LEVEL_COMPARE);
  }
  if (e->called) text_add(text, ")");
}

static void binary_add(Text *text, const Expr *e, ExprLevel level) {
  ExprLevel left = level, right = level + 1; /* + - * / are left associative */
  if (level == LEVEL_COMPARE) left = LEVEL_SUM;
  if (level == LEVEL_POWER) left = LEVEL_PRIMARY, right = LEVEL_UNARY;
  expr_add(text, e->args[0].value, left);
  text_add(text, level == LEVEL_POWER ? "" : " ");
  text_add(text, e->text);
  text_add(text, level == LEVEL_POWER ? "" : " ");
  expr_add(text, e->args[1].value, right);
}

/* The expression, in brackets where it binds less tightly than `least`. */
static void expr_add(Text *text, const Expr *e, ExprLevel least) {
  ExprLevel level = expr_level(e);
  if (level < least) text_add(text, "(");
  switch (e->kind) {
  case EXPR_NUMBER:
    number_add(text, e);
    break;
  case EXPR_STRING:
    string_add(text, e->text);
    break;
  case EXPR_FIELD:
    /* a number before a point would read as another number */
    expr_add(text, e->base, e->base->kind == EXPR_NUMBER ? LEVEL_PRIMARY + 1 : LEVEL_PRIMARY);
    text_add(text, ".");
    text_add(text, e->text);
    suffix_add(text, e);
    break;
  case EXPR_NAME:
    text_add(text, e->text);
    suffix_add(text, e);
    break;
  case EXPR_UNARY:
    text_add(text, "-");
    expr_add(text, e->args[0].value, LEVEL_UNARY);
    break;
  case EXPR_BINARY:
    binary_add(text, e, level);
    break;
  }
  if (level < least) text_add(text, ")");
}

const char *expr_text(Arena *arena, const Expr *expr) {
  Text text = {.arena = arena};
  expr_add(&text, expr, LEVEL_COMPARE);
  return arena_copy(arena, text.bytes, text.count);
}
