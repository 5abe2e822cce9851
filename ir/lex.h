/* Tokens of the expression language, for ir/expr.c, and the places of texts, for whoever reads
 * them. After tokens_read every character belongs to a token or is blank, and the last token is
 * TOKEN_END. */
#ifndef RLC_IR_LEX_H
#define RLC_IR_LEX_H

#include "ir/expr.h"

typedef enum TokenKind { TOKEN_END, TOKEN_NUMBER, TOKEN_STRING, TOKEN_NAME, TOKEN_SIGN } TokenKind;

typedef struct Token {
  TokenKind kind;
  size_t begin, end; /* bytes of the text */
  const char *text;  /* a name, a sign, the digits of a number, or a string without its quotes */
  double value;      /* TOKEN_NUMBER */
} Token;

/* All tokens of a text; NULL after reporting. */
Token *tokens_read(Arena *arena, Diag *diag, const ExprText *text);

/* The bytes of the UTF-8 character at `text` and its code; 1 where there is none. */
size_t character_read(const char *text, size_t left, uint32_t *code);

/* The place of the bytes begin..end of the text; what runs over several lines is cut to its first.
 */
Span text_span(const ExprText *text, size_t begin, size_t end);

#endif
