/* What a resolved spec defines and optimises, as paragraphs of equations. A text that is no
 * expression is left out: the spec was checked before. */
#include "compiler/notation/notation.h"

#include <string.h>

typedef struct Equation {
  Box *left, *right;
  const char *relation, *latex;
} Equation;

typedef struct Paragraph {
  const char *title, *over; /* over: the parameters of a loss, or NULL */
  Equation *equations;
  size_t count, capacity;
} Paragraph;

/* How paragraphs are written down. */
typedef struct Writer {
  void (*box)(const Box *box, FILE *out);
  void (*text)(const char *text, FILE *out);
  const char *open, *title_end, *over, *over_end, *cell, *line_end, *close;
  bool latex;
} Writer;

static void add(const Notation *notation, Paragraph *paragraph, Box *left, const char *relation,
                const char *latex, Box *right) {
  PUSH(notation->arena, paragraph->equations, paragraph->count, paragraph->capacity,
       ((Equation){left, right, relation, latex}));
}

/* The expression of a scalar; its mistakes were reported when the spec was checked. */
static const Expr *read(const Notation *notation, const Tree *value) {
  return value && value->kind == TREE_SCALAR
             ? expr_read(notation->arena, diag_make(notation->arena), value->text)
             : NULL;
}

static Box *word(const Notation *notation, const char *text) {
  Box *box = NEW(notation->arena, Box);
  *box = (Box){.kind = BOX_WORD, .text = text};
  return box;
}

/* name: sample[axes](distribution) is a draw: name ~ distribution; all else is equal. */
static void add_binding(const Notation *notation, Paragraph *paragraph, const Expr *left,
                        const Expr *right) {
  bool draw = right->kind == EXPR_NAME && right->called && strcmp(right->text, "sample") == 0 &&
              right->arg_count == 1;
  if (!draw) {
    add(notation, paragraph, notation_box(notation, left), "=", "=", notation_box(notation, right));
    return;
  }
  Expr *named = NEW(notation->arena, Expr);
  *named = *left;
  named->axes = right->axes;
  named->axis_count = right->axis_count;
  add(notation, paragraph, notation_box(notation, named), "∼", "\\sim",
      notation_box(notation, right->args[0].value));
}

/* The entries of `define` or `let`. */
static void add_bindings(const Notation *notation, Paragraph *paragraph, const Tree *map) {
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const Expr *left =
        expr_read_signature(notation->arena, diag_make(notation->arena), map->entries[i].key_text);
    const Expr *right = read(notation, map->entries[i].value);
    if (left && right) add_binding(notation, paragraph, left, right);
  }
}

static Paragraph loss_paragraph(const Notation *notation, const TreeEntry *entry) {
  Paragraph paragraph = {.title = entry->key};
  const Tree *over = tree_get(entry->value, "over");
  static const char *const aims[] = {"minimize", "maximize"};
  if (over && over->kind == TREE_SCALAR) paragraph.over = over->text.text;
  for (size_t i = 0; i < COUNTOF(aims); i++) {
    const Expr *value = read(notation, tree_get(entry->value, aims[i]));
    if (value)
      add(notation, &paragraph, word(notation, aims[i]), "", "", notation_box(notation, value));
  }
  add_bindings(notation, &paragraph, tree_get(entry->value, "let"));
  return paragraph;
}

/* ---- writing ---- */

static void write_text(const Writer *writer, const char *before, const char *text,
                       const char *behind, FILE *out) {
  fputs(before, out);
  writer->text(text, out);
  fputs(behind, out);
}

static void write_paragraph(const Writer *writer, const Paragraph *paragraph, FILE *out) {
  if (!paragraph->count) return;
  write_text(writer, writer->open, paragraph->title, writer->title_end, out);
  if (paragraph->over) write_text(writer, writer->over, paragraph->over, writer->over_end, out);
  fputs(writer->latex ? "\\begin{align*}\n" : "<math display=\"block\"><mtable>\n", out);
  for (size_t i = 0; i < paragraph->count; i++) {
    const Equation *equation = &paragraph->equations[i];
    fputs(writer->latex ? "  " : "<mtr><mtd>", out);
    writer->box(equation->left, out);
    fputs(writer->cell, out);
    if (writer->latex)
      fprintf(out, "%s ", equation->latex);
    else if (equation->relation[0])
      fprintf(out, "<mo>%s</mo>", equation->relation);
    writer->box(equation->right, out);
    fputs(i + 1 < paragraph->count || !writer->latex ? writer->line_end : "\n", out);
  }
  fputs(writer->close, out);
}

static void write_spec(Arena *arena, const Tree *spec, const Writer *writer, FILE *out) {
  const Notation *notation = &(Notation){arena, tree_get(spec, "define")};
  const Tree *losses = tree_get(spec, "losses");
  Paragraph definitions = {.title = "Definitions"};
  add_bindings(notation, &definitions, notation->define);
  write_paragraph(writer, &definitions, out);
  for (size_t i = 0; losses && i < losses->entry_count; i++) {
    Paragraph loss = loss_paragraph(notation, &losses->entries[i]);
    write_paragraph(writer, &loss, out);
  }
}

void notation_latex(Arena *arena, const Tree *spec, FILE *out) {
  static const Writer latex = {.box = notation_latex_box,
                               .text = notation_latex_text,
                               .open = "\\paragraph{\\texttt{",
                               .title_end = "}}",
                               .over = " over \\texttt{",
                               .over_end = "}",
                               .cell = " &",
                               .line_end = " \\\\\n",
                               .close = "\\end{align*}\n\n",
                               .latex = true};
  fputs("% needs \\usepackage{amsmath,amssymb}\n", out);
  write_spec(arena, spec, &latex, out);
}

void notation_html(Arena *arena, const Tree *spec, FILE *out) {
  static const Writer html = {.box = notation_mathml_box,
                              .text = notation_html_text,
                              .open = "<div class=\"loss\"><h4><code>",
                              .title_end = "</code></h4>\n",
                              .over = "<p>over <code>",
                              .over_end = "</code></p>\n",
                              .cell = "</mtd><mtd>",
                              .line_end = "</mtd></mtr>\n",
                              .close = "</mtable></math></div>\n"};
  write_spec(arena, spec, &html, out);
}
