/* Boxes as LaTeX and as MathML, by the same walk: a kind of box is one row of each table. */
#include "compiler/notation/notation.h"

#include <string.h>

/* ---- LaTeX ---- */

void notation_latex_text(const char *text, FILE *out) {
  static const char *const named[][2] = {{"\\", "\\textbackslash{}"}, {"^", "\\textasciicircum{}"},
                                         {"~", "\\textasciitilde{}"}, {"<", "\\textless{}"},
                                         {">", "\\textgreater{}"},    {"|", "\\textbar{}"}};
  for (; *text; text++) {
    size_t i = 0;
    while (i < COUNTOF(named) && named[i][0][0] != *text) i++;
    if (i < COUNTOF(named))
      fputs(named[i][1], out);
    else
      fprintf(out, strchr("_%&#${}", *text) ? "\\%c" : "%c", *text);
  }
}

/* A word as \mathrm{...} with what LaTeX would take for a command escaped; a command and the sign
 * of an operator as they are. */
static void latex_text(const Box *box, FILE *out) {
  if (box->latex) {
    if (box->latex[0]) fprintf(out, "%s ", box->latex);
    return;
  }
  if (box->kind == BOX_WORD) fprintf(out, "\\mathrm{");
  box->kind == BOX_SIGN ? (void)fputs(box->text, out) : notation_latex_text(box->text, out);
  if (box->kind == BOX_WORD) fprintf(out, "}");
}

static void latex_parts(const Box *box, FILE *out, const char *const *around) {
  for (size_t i = 0; i < box->count; i++) {
    fputs(around[i], out);
    if (box->parts[i]) notation_latex_box(box->parts[i], out);
  }
  fputs(around[box->count], out);
}

/* The signs around a fence: its text holds both. */
static void latex_fence(const Box *box, FILE *out) {
  static const char *const fences[][3] = {{"()", "\\left(", "\\right)"},
                                          {"[]", "\\left[", "\\right]"},
                                          {"||", "\\left|", "\\right|"},
                                          {"‖‖", "\\left\\|", "\\right\\|"},
                                          {"⌊⌋", "\\left\\lfloor ", "\\right\\rfloor "},
                                          {"⌈⌉", "\\left\\lceil ", "\\right\\rceil "}};
  for (size_t i = 0; i < COUNTOF(fences); i++)
    if (strcmp(fences[i][0], box->text) == 0)
      latex_parts(box, out, (const char *const[]){fences[i][1], fences[i][2]});
}

void notation_latex_box(const Box *box, FILE *out) {
  static const char *const around[][5] = {
      [BOX_ROW] = {"", "", "", "", ""},
      [BOX_FRACTION] = {"\\frac{", "}{", "}"},
      [BOX_ROOT] = {"\\sqrt{", "}"},
      [BOX_POWER] = {"{", "}^{", "}"},
      [BOX_INDEX] = {"{", "}_{", "}"},
      [BOX_UNDER] = {"", "_{", "}"},
      [BOX_CASES] = {"\\begin{cases}", "&\\text{if }", "\\\\", "&\\text{else}\\end{cases}"},
  };
  if (box->kind < BOX_ROW)
    latex_text(box, out);
  else if (box->kind == BOX_FENCE)
    latex_fence(box, out);
  else
    latex_parts(box, out,
                box->kind == BOX_ROW ? around[BOX_ROW] + 4 - box->count : around[box->kind]);
}

/* ---- MathML ---- */

void notation_html_text(const char *text, FILE *out) {
  for (; *text; text++)
    *text == '<'   ? fputs("&lt;", out)
    : *text == '>' ? fputs("&gt;", out)
    : *text == '&' ? fputs("&amp;", out)
                   : fputc(*text, out);
}

static void mathml_fence(const Box *box, FILE *out) {
  size_t half = strlen(box->text) / 2;
  fprintf(out, "<mrow><mo fence=\"true\">%.*s</mo>", (int)half, box->text);
  notation_mathml_box(box->parts[0], out);
  fprintf(out, "<mo fence=\"true\">%s</mo></mrow>", box->text + half);
}

/* Every line of a case is a row of a table; the last holds for all else. */
static void mathml_cases(const Box *box, FILE *out) {
  fputs("<mrow><mo fence=\"true\">{</mo><mtable columnalign=\"left\"><mtr><mtd>", out);
  notation_mathml_box(box->parts[0], out);
  fputs("</mtd><mtd><mtext>if </mtext>", out);
  notation_mathml_box(box->parts[1], out);
  fputs("</mtd></mtr><mtr><mtd>", out);
  notation_mathml_box(box->parts[2], out);
  fputs("</mtd><mtd><mtext>else</mtext></mtd></mtr></mtable></mrow>", out);
}

void notation_mathml_box(const Box *box, FILE *out) {
  static const char *const elements[] = {
      [BOX_NUMBER] = "mn",      [BOX_LETTER] = "mi",   [BOX_WORD] = "mi",    [BOX_SIGN] = "mo",
      [BOX_ROW] = "mrow",       [BOX_ROOT] = "msqrt",  [BOX_POWER] = "msup", [BOX_INDEX] = "msub",
      [BOX_FRACTION] = "mfrac", [BOX_UNDER] = "munder"};
  if (box->kind == BOX_FENCE) {
    mathml_fence(box, out);
    return;
  }
  if (box->kind == BOX_CASES) {
    mathml_cases(box, out);
    return;
  }
  if (box->kind == BOX_SIGN && strcmp(box->text, "\u2009") == 0) {
    fputs("<mspace width=\".17em\"></mspace>", out); /* an operator would have room beside it */
    return;
  }
  const char *element = elements[box->kind];
  fprintf(out, box->kind == BOX_WORD ? "<%s mathvariant=\"normal\">" : "<%s>", element);
  if (box->text) notation_html_text(box->text, out);
  for (size_t i = 0; i < box->count; i++)
    if (box->parts[i]) notation_mathml_box(box->parts[i], out);
  fprintf(out, "</%s>", element);
}
