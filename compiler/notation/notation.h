/* A spec's definitions and losses in mathematical notation: an expression becomes boxes (a
 * fraction, a sum with its axes below, a name with an index), and boxes become LaTeX or MathML.
 * How a name or a call looks is one row of notation.def. */
#ifndef RLC_COMPILER_NOTATION_H
#define RLC_COMPILER_NOTATION_H

#include <stdio.h>

#include "dsl/tree.h"

typedef enum BoxKind {
  BOX_NUMBER,   /* text */
  BOX_LETTER,   /* text, slanted; `latex` where LaTeX writes it otherwise */
  BOX_WORD,     /* text, upright */
  BOX_SIGN,     /* text: an operator or a relation between what stands beside it */
  BOX_ROW,      /* parts, one behind the other */
  BOX_FRACTION, /* parts[0] over parts[1] */
  BOX_ROOT,     /* of parts[0] */
  BOX_POWER,    /* parts[0] raised to parts[1] */
  BOX_INDEX,    /* parts[0] with parts[1] at its foot */
  BOX_UNDER,    /* the operator parts[0] over parts[1] */
  BOX_FENCE,    /* text: the opening and the closing sign; around parts[0] */
  BOX_CASES,    /* value, condition, value, ...: one line each; the last has no condition */
} BoxKind;

typedef struct Box Box;
struct Box {
  BoxKind kind;
  const char *text, *latex;
  Box *parts[4];
  size_t count;
};

/* Where boxes are made, and the names that a spec defines itself (its `define`, or NULL): they look
 * like any other name. */
typedef struct Notation {
  Arena *arena;
  const Tree *define;
} Notation;

/* The boxes of an expression. */
Box *notation_box(const Notation *notation, const Expr *expr);
/* The boxes of a name: Greek letters, "next_" as a prime, what follows "_" as an index. */
Box *notation_name(const Notation *notation, const char *name);

/* Plain text with the signs escaped that LaTeX or HTML would read as their own. */
void notation_latex_text(const char *text, FILE *out);
void notation_html_text(const char *text, FILE *out);

void notation_latex_box(const Box *box, FILE *out);
void notation_mathml_box(const Box *box, FILE *out);

/* What a resolved spec defines and optimises: one paragraph for its definitions and one a loss. As
 * a piece of LaTeX (package amsmath), and as HTML with MathML in it. */
void notation_latex(Arena *arena, const Tree *spec, FILE *out);
void notation_html(Arena *arena, const Tree *spec, FILE *out);
/* Of the same HTML the paragraphs that another spec does not have; returns how many they are. */
size_t notation_html_new(Arena *arena, const Tree *spec, const Tree *known, FILE *out);

#endif
