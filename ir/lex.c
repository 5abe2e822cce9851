/* Text to tokens: names, numbers by our own grammar, strings, and the signs of the expression
 * language. A character that belongs to another notation (`**`, `&&`, a typographic minus) is
 * refused with what to write instead. */
#include "ir/lex.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

Span text_span(const ExprText *text, size_t begin, size_t end) {
  Span span = text->start;
  span.source = text->source;
  if (!text->spans) {
    span.column += span.line ? (uint32_t)begin : 0;
    span.length = (uint32_t)(end - begin);
    return span;
  }
  span = text->spans[begin];
  uint32_t stop = span.column + (end > begin ? 1 : 0);
  for (size_t i = begin; i < end; i++) {
    const Span *byte = &text->spans[i];
    if (byte->line != span.line || byte->source != span.source) break;
    uint32_t width = byte->length ? byte->length : 1;
    if (byte->column + width > stop) stop = byte->column + width;
  }
  if (!span.source) span.source = text->source;
  span.length = stop - span.column;
  return span;
}

/* ---- numbers ---- */

static size_t digits_skip(const char *text, size_t length, size_t i) {
  while (i < length && is_digit(text[i])) i++;
  return i;
}

/* The end of the number that starts at `i`: digits [. digits] [e[+-]digits]; `i` itself where there
 * is none. */
static size_t number_skip(const char *text, size_t length, size_t i) {
  size_t at = digits_skip(text, length, i);
  if (at == i) return i;
  if (at + 1 < length && text[at] == '.' && is_digit(text[at + 1]))
    at = digits_skip(text, length, at + 1);
  if (at < length && (text[at] == 'e' || text[at] == 'E')) {
    size_t sign = at + 1;
    if (sign < length && (text[sign] == '+' || text[sign] == '-')) sign++;
    size_t end = digits_skip(text, length, sign);
    if (end > sign) at = end;
  }
  return at;
}

/* The value of a text that number_skip accepted (NUL-terminated or not). */
static double number_value(const char *text, size_t length) {
  char small[64], *copy = length < sizeof small ? small : malloc(length + 1);
  if (!copy) bug("no memory for a number of %zu digits", length);
  memcpy(copy, text, length);
  copy[length] = 0;
  double value = strtod(copy, NULL);
  if (copy != small) free(copy);
  return value;
}

bool number_read(const char *text, size_t length, double *value) {
  size_t sign = length > 0 && (text[0] == '+' || text[0] == '-');
  if (number_skip(text, length, sign) != length || length == sign) return false;
  double number = number_value(text + sign, length - sign);
  if (isinf(number)) return false;
  *value = text[0] == '-' ? -number : number;
  return true;
}

/* ---- what is not ours ---- */

/* Characters of other notations and what to write instead. */
static const struct Foreign {
  const char *text, *hint;
} foreign[] = {
    {"**", "a power is written x ^ y"},
    {"//", "write floor(x / y)"},
    {"&&", "write the product of the comparisons: (a < b) * (c < d)"},
    {"||", "write max(a < b, c < d)"},
    {"!=", NULL}, /* ours; keeps '!' below from matching */
    {"!", "write 1 - x for 'not x'"},
    {"&", "write the product of the comparisons: (a < b) * (c < d)"},
    {"|", "write abs(x) for an absolute value"},
    {"%", "write mod(x, y)"},
    {"@", "write sum[axis](x * y): a product over an axis"},
    {"?", "write where(condition, x, y)"},
    {"'", "text stands in double quotes"},
    {"{", "braces have no meaning in an expression"},
    {"}", "braces have no meaning in an expression"},
    {"\xe2\x88\x92", "write '-'"},  /* minus sign */
    {"\xe2\x80\x93", "write '-'"},  /* en dash */
    {"\xc3\x97", "write '*'"},      /* multiplication sign */
    {"\xc2\xb7", "write '*'"},      /* middle dot */
    {"\xe2\x89\xa4", "write '<='"}, /* less or equal */
    {"\xe2\x89\xa5", "write '>='"}, /* greater or equal */
    {"\xe2\x89\xa0", "write '!='"}, /* not equal */
    {"\xc2\xb2", "write ^2"},       /* superscript two */
    {"\xc2\xa0", "a no-break space; write an ordinary one"},
    {"\xe2\x80\x8b", "a space of no width: remove it"},
    {"\xe2\x80\x8c", "a character of no width: remove it"},
    {"\xe2\x80\x8d", "a character of no width: remove it"},
    {"\xe2\x81\xa0", "a character of no width: remove it"},
};

size_t character_read(const char *text, size_t left, uint32_t *code) {
  unsigned char c = (unsigned char)text[0];
  size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
  *code = length > 1 ? c & (0xffu >> (length + 1)) : c;
  if (length > left) return 1;
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xc0) != 0x80) return 1;
    *code = *code << 6 | (text[i] & 0x3f);
  }
  return length;
}

/* Reports the character at `i`, which starts no token. */
static void foreign_report(Diag *diag, const ExprText *text, size_t i) {
  const char *at = text->text + i, *hint = NULL;
  uint32_t code;
  size_t left = text->length - i, length = character_read(at, left, &code);
  for (size_t k = 0; k < COUNTOF(foreign) && !hint; k++) {
    size_t size = strlen(foreign[k].text);
    if (size > left || memcmp(at, foreign[k].text, size)) continue;
    hint = foreign[k].hint;
    length = size;
  }
  Span span = text_span(text, i, i + length);
  if (length == 1 && (unsigned char)*at >= 0x80)
    diag_error(diag, span, hint, "unexpected byte 0x%02x", (unsigned char)*at);
  else if ((unsigned char)*at < 0x20 || *at == 0x7f)
    diag_error(diag, span, hint, "unexpected control character 0x%02x", (unsigned char)*at);
  else if ((unsigned char)*at >= 0x80)
    diag_error(diag, span, hint ? hint : "names have the letters a to z and A to Z",
               "unexpected '%.*s' (U+%04X)", (int)length, at, code);
  else
    diag_error(diag, span, hint, "unexpected '%.*s'", (int)length, at);
}

/* ---- tokens ---- */

static const char *const signs[] = {"<=", ">=", "==", "!=", "+", "-", "*", "/", "^",
                                    "<",  ">",  "=",  ".",  ",", "(", ")", "[", "]"};

static bool is_foreign_pair(const char *text, size_t left) {
  return left > 1 && (!memcmp(text, "**", 2) || !memcmp(text, "//", 2));
}

static bool sign_lex(Diag *diag, const ExprText *text, Token *token) {
  const char *at = text->text + token->begin;
  size_t left = text->length - token->begin;
  for (size_t k = 0; k < COUNTOF(signs) && !is_foreign_pair(at, left); k++) {
    size_t size = strlen(signs[k]);
    if (size > left || memcmp(at, signs[k], size)) continue;
    token->kind = TOKEN_SIGN;
    token->text = signs[k];
    token->end = token->begin + size;
    return true;
  }
  foreign_report(diag, text, token->begin);
  return false;
}

static bool number_lex(Arena *arena, Diag *diag, const ExprText *text, Token *token) {
  const char *at = text->text;
  token->kind = TOKEN_NUMBER;
  token->end = number_skip(at, text->length, token->begin);
  size_t end = token->end;
  while (end < text->length && (is_letter(at[end]) || is_digit(at[end]))) end++;
  bool point =
      end < text->length && at[end] == '.' && (end + 1 == text->length || !is_letter(at[end + 1]));
  if (end > token->end || point) {
    const char *hint = "a name starts with a letter; a product is written with '*'";
    if (at[token->end] == 'e' || at[token->end] == 'E') hint = "digits follow the exponent: 1e-4";
    if (point) hint = "digits stand on both sides of the point: 1.0";
    end += point;
    return diag_error(diag, text_span(text, token->begin, end), hint, "'%.*s' is not a number",
                      (int)(end - token->begin), at + token->begin);
  }
  token->text = arena_copy(arena, at + token->begin, end - token->begin);
  token->value = number_value(token->text, end - token->begin);
  if (isinf(token->value))
    return diag_error(diag, text_span(text, token->begin, end), "the largest is about 1.8e308",
                      "'%s' is too large for a number", token->text);
  return true;
}

/* "text" with \" and \\ inside. */
static bool string_lex(Arena *arena, Diag *diag, const ExprText *text, Token *token) {
  const char *at = text->text;
  size_t i = token->begin + 1, count = 0;
  char *value = arena_alloc(arena, text->length - token->begin + 1);
  while (i < text->length && at[i] != '"') {
    bool escape = at[i] == '\\' && i + 1 < text->length && (at[i + 1] == '"' || at[i + 1] == '\\');
    i += escape;
    value[count++] = at[i++];
  }
  if (i >= text->length)
    return diag_error(diag, text_span(text, token->begin, token->begin + 1), NULL,
                      "text without its closing '\"'");
  token->kind = TOKEN_STRING;
  token->text = value;
  token->end = i + 1;
  return true;
}

static void name_lex(Arena *arena, const ExprText *text, Token *token) {
  size_t end = token->begin;
  while (end < text->length && (is_letter(text->text[end]) || is_digit(text->text[end]))) end++;
  token->kind = TOKEN_NAME;
  token->end = end;
  token->text = arena_copy(arena, text->text + token->begin, end - token->begin);
}

static bool token_lex(Arena *arena, Diag *diag, const ExprText *text, Token *token) {
  const char *at = text->text + token->begin;
  size_t left = text->length - token->begin;
  if (is_letter(*at)) return name_lex(arena, text, token), true;
  if (is_digit(*at)) return number_lex(arena, diag, text, token);
  if (*at == '"') return string_lex(arena, diag, text, token);
  bool bare = *at == '.' && left > 1 && is_digit(at[1]) &&
              (token->begin == 0 || is_blank(at[-1]) || strchr("+-*/^<>=,([", at[-1]));
  if (bare)
    return diag_error(diag, text_span(text, token->begin, token->begin + 1), "write 0 before it",
                      "a number starts with a digit");
  return sign_lex(diag, text, token);
}

Token *tokens_read(Arena *arena, Diag *diag, const ExprText *text) {
  Token *tokens = NULL;
  size_t count = 0, capacity = 0, i = 0;
  for (;;) {
    while (i < text->length && is_blank(text->text[i])) i++;
    Token token = {.kind = TOKEN_END, .begin = i, .end = i, .text = ""};
    if (i < text->length && !token_lex(arena, diag, text, &token)) return NULL;
    i = token.end;
    PUSH(arena, tokens, count, capacity, token);
    if (token.kind == TOKEN_END) return tokens;
  }
}
