/* What a resolved spec defines and optimises, as paragraphs of equations. A text that is no
 * expression is left out: the spec was checked before. */
#include "compiler/notation/notation.h"

#include <stdlib.h>
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
      fprintf(out, "<mo form=\"infix\">%s</mo>", equation->relation);
    writer->box(equation->right, out);
    fputs(i + 1 < paragraph->count || !writer->latex ? writer->line_end : "\n", out);
  }
  fputs(writer->close, out);
}

/* The paragraphs of a spec: its definitions, then a loss each. */
static Paragraph *paragraphs_of(Arena *arena, const Tree *spec, size_t *count) {
  const Notation *notation = &(Notation){arena, tree_get(spec, "define")};
  const Tree *losses = tree_get(spec, "losses");
  size_t most = 1 + (losses ? losses->entry_count : 0);
  Paragraph *paragraphs = NEW_ARRAY(arena, Paragraph, most);
  paragraphs[0].title = "Definitions";
  add_bindings(notation, &paragraphs[0], notation->define);
  for (*count = 1; *count < most; ++*count)
    paragraphs[*count] = loss_paragraph(notation, &losses->entries[*count - 1]);
  return paragraphs;
}

static void write_spec(Arena *arena, const Tree *spec, const Writer *writer, FILE *out) {
  size_t count;
  const Paragraph *paragraphs = paragraphs_of(arena, spec, &count);
  for (size_t i = 0; i < count; i++) write_paragraph(writer, &paragraphs[i], out);
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

static const Writer html = {.box = notation_mathml_box,
                            .text = notation_html_text,
                            .open = "<div class=\"loss\"><h4><code>",
                            .title_end = "</code></h4>\n",
                            .over = "<p>over <code>",
                            .over_end = "</code></p>\n",
                            .cell = "</mtd><mtd>",
                            .line_end = "</mtd></mtr>\n",
                            .close = "</mtable></math></div>\n"};

void notation_html(Arena *arena, const Tree *spec, FILE *out) {
  write_spec(arena, spec, &html, out);
}

static const char *paragraph_text(Arena *arena, const Paragraph *paragraph) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) bug("no memory for a text");
  write_paragraph(&html, paragraph, out);
  fclose(out);
  const char *kept = arena_copy(arena, text, size);
  free(text);
  return kept;
}

size_t notation_html_new(Arena *arena, const Tree *spec, const Tree *known, FILE *out) {
  size_t count, known_count, written = 0;
  const Paragraph *paragraphs = paragraphs_of(arena, spec, &count);
  const Paragraph *others = paragraphs_of(arena, known, &known_count);
  for (size_t i = 0; i < count; i++) {
    const char *text = paragraph_text(arena, &paragraphs[i]);
    bool is_known = !*text;
    for (size_t k = 0; k < known_count && !is_known; k++)
      is_known = strcmp(text, paragraph_text(arena, &others[k])) == 0;
    if (!is_known) fputs(text, out), written++;
  }
  return written;
}
