/* Expressions to boxes. Afterwards brackets stand only where notation needs them: a fraction, a
 * root and an index enclose what is in them. */
#include "compiler/notation/notation.h"

#include <string.h>

/* What a call looks like. */
typedef enum Form {
  PLAIN,       /* name(arguments) */
  UPRIGHT,     /* sign(arguments) */
  OVER,        /* with axes: the sign, axes below, the argument; else as UPRIGHT */
  EXPECTATION, /* the same with the argument in square brackets */
  SQUARE,
  ROOT,
  EXPONENTIAL,
  FENCED,  /* between two signs */
  DENSITY, /* log_prob(p, x): log p(x) */
  CASES,
} Form;

typedef struct Look {
  const char *name;
  Form form;
  const char *latex, *text;
} Look;

static const Look letters[] = {
#define LETTER(name, latex, text) {name, PLAIN, latex, text},
#include "compiler/notation/notation.def"
};
static const Look calls[] = {
#define CALL(name, form, latex, text) {name, form, latex, text},
#include "compiler/notation/notation.def"
};

static const Look *look_up(const Look *table, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(table[i].name, name) == 0) return &table[i];
  return NULL;
}

/* How a call looks; NULL for names without a look and for those that the spec defines itself. */
static const Look *look_of(const Notation *notation, const Expr *e) {
  const Tree *own = notation->define;
  size_t length = strlen(e->text);
  if (!e->called) return NULL;
  for (size_t i = 0; own && i < own->entry_count; i++)
    if (strncmp(own->entries[i].key, e->text, length) == 0 &&
        (!own->entries[i].key[length] || strchr("[(", own->entries[i].key[length])))
      return NULL;
  return look_up(calls, COUNTOF(calls), e->text);
}

/* ---- boxes ---- */

static Box *box_text(const Notation *notation, BoxKind kind, const char *text, const char *latex) {
  Box *box = NEW(notation->arena, Box);
  *box = (Box){.kind = kind, .text = text, .latex = latex};
  return box;
}

static Box *box_of(const Notation *notation, BoxKind kind, Box *first, Box *second) {
  Box *box = NEW(notation->arena, Box);
  *box = (Box){.kind = kind, .parts = {first, second}, .count = second ? 2 : 1};
  return box;
}

static Box *sign(const Notation *notation, const char *text, const char *latex) {
  return box_text(notation, BOX_SIGN, text, latex);
}

static Box *fence(const Notation *notation, const char *signs, Box *inside) {
  Box *box = box_of(notation, BOX_FENCE, inside, NULL);
  box->text = signs;
  return box;
}

/* A row of up to four; longer ones are rows of rows. */
static Box *row(const Notation *notation, Box *a, Box *b, Box *c, Box *d) {
  Box *box = NEW(notation->arena, Box);
  *box = (Box){.kind = BOX_ROW, .parts = {a, b, c, d}, .count = d ? 4 : c ? 3 : b ? 2 : 1};
  return box;
}

/* A chain a, b, c of any length, with a sign between. */
static Box *chain(const Notation *notation, Box *before, const char *between, Box *next) {
  return before ? row(notation, before, sign(notation, between, NULL), next, NULL) : next;
}

/* log, with the space behind it that LaTeX makes by itself. */
static Box *log_sign(const Notation *notation) {
  return row(notation, box_text(notation, BOX_WORD, "log", "\\log"), sign(notation, "\u2009", ""),
             NULL, NULL);
}

/* ---- names ---- */

static Box *single(const Notation *notation, const char *name) {
  const Look *letter = look_up(letters, COUNTOF(letters), name);
  if (letter) return box_text(notation, BOX_LETTER, letter->text, letter->latex);
  if (name[strspn(name, "0123456789")] == '\0') return box_text(notation, BOX_NUMBER, name, NULL);
  return box_text(notation, name[0] && !name[1] ? BOX_LETTER : BOX_WORD, name, NULL);
}

static Box *primed(const Notation *notation, Box *box) {
  return box_of(notation, BOX_POWER, box, sign(notation, "′", "\\prime"));
}

Box *notation_name(const Notation *notation, const char *name) {
  const char *rest = strchr(name, '_');
  if (look_up(letters, COUNTOF(letters), name) || !rest || rest == name || !rest[1])
    return single(notation, name);
  const char *head = arena_copy(notation->arena, name, (size_t)(rest - name));
  if (strcmp(head, "next") == 0) return primed(notation, notation_name(notation, rest + 1));
  if (strcmp(head, "log") == 0)
    return row(notation, log_sign(notation), notation_name(notation, rest + 1), NULL, NULL);
  if (strcmp(head, "old") == 0)
    return box_of(notation, BOX_INDEX, notation_name(notation, rest + 1), single(notation, head));
  if (head[1] && !look_up(letters, COUNTOF(letters), head)) return single(notation, name);
  return box_of(notation, BOX_INDEX, single(notation, head), notation_name(notation, rest + 1));
}

/* ---- expressions ---- */

static Box *build(const Notation *notation, const Expr *e, ExprLevel least);

static Box *axes_box(const Notation *notation, const Expr *e) {
  Box *all = NULL;
  for (uint32_t i = 0; i < e->axis_count; i++) {
    Box *axis = single(notation, e->axes[i].name);
    if (e->axes[i].size)
      axis = row(notation, axis, sign(notation, "≤", "\\le"),
                 build(notation, e->axes[i].size, LEVEL_SUM), NULL);
    all = chain(notation, all, ",", axis);
  }
  return all;
}

static Box *arguments_box(const Notation *notation, const Expr *e) {
  Box *all = NULL;
  for (uint32_t i = 0; i < e->arg_count; i++) {
    Box *value = build(notation, e->args[i].value, LEVEL_COMPARE);
    if (e->args[i].name)
      value = row(notation, notation_name(notation, e->args[i].name), sign(notation, "=", NULL),
                  value, NULL);
    all = chain(notation, all, ",", value);
  }
  return all ? all : row(notation, NULL, NULL, NULL, NULL);
}

/* A head with the axes in brackets as index and the arguments behind it. */
static Box *applied(const Notation *notation, Box *head, const Expr *e) {
  if (e->axis_count) head = box_of(notation, BOX_INDEX, head, axes_box(notation, e));
  if (!e->called) return head;
  return row(notation, head, fence(notation, "()", arguments_box(notation, e)), NULL, NULL);
}

/* where(c, a, b), the else part of which may be another. */
static Box *cases(const Notation *notation, const Expr *e) {
  Box *box = NEW(notation->arena, Box);
  *box = (Box){.kind = BOX_CASES,
               .parts = {build(notation, e->args[1].value, LEVEL_COMPARE),
                         build(notation, e->args[0].value, LEVEL_COMPARE),
                         build(notation, e->args[2].value, LEVEL_COMPARE)},
               .count = 3};
  return box;
}

static Box *density(const Notation *notation, const Expr *e) {
  return row(notation, log_sign(notation), build(notation, e->args[0].value, LEVEL_PRIMARY),
             fence(notation, "()", build(notation, e->args[1].value, LEVEL_COMPARE)), NULL);
}

static Box *over_axes(const Notation *notation, const Look *look, const Expr *e) {
  Box *head = box_of(notation, BOX_UNDER, box_text(notation, BOX_WORD, look->text, look->latex),
                     axes_box(notation, e));
  Box *argument = look->form == EXPECTATION
                      ? fence(notation, "[]", build(notation, e->args[0].value, LEVEL_COMPARE))
                      : build(notation, e->args[0].value, LEVEL_TERM);
  return row(notation, head, look->form == EXPECTATION ? argument : sign(notation, "\u2009", ""),
             look->form == EXPECTATION ? NULL : argument, NULL);
}

static Box *power(const Notation *notation, const Expr *base, Box *exponent) {
  return box_of(notation, BOX_POWER, build(notation, base, LEVEL_PRIMARY), exponent);
}

/* A call with a look of its own; NULL where its arguments are not what the look is for. */
static Box *special(const Notation *notation, const Look *look, const Expr *e) {
  const Expr *first = e->arg_count ? e->args[0].value : NULL;
  if (!e->called || !first) return NULL;
  if (look->form == UPRIGHT ||
      ((look->form == OVER || look->form == EXPECTATION) && !e->axis_count))
    return applied(notation, box_text(notation, BOX_WORD, look->text, look->latex), e);
  if (look->form == DENSITY) return e->arg_count == 2 ? density(notation, e) : NULL;
  if (look->form == CASES) return e->arg_count == 3 ? cases(notation, e) : NULL;
  if (e->arg_count != 1) return NULL;
  switch (look->form) {
  case SQUARE:
    return power(notation, first, box_text(notation, BOX_NUMBER, "2", NULL));
  case ROOT:
    return box_of(notation, BOX_ROOT, build(notation, first, LEVEL_COMPARE), NULL);
  case EXPONENTIAL:
    return box_of(notation, BOX_POWER, box_text(notation, BOX_LETTER, look->text, look->latex),
                  build(notation, first, LEVEL_COMPARE));
  case FENCED:
    return fence(notation, look->text, build(notation, first, LEVEL_COMPARE));
  default:
    return over_axes(notation, look, e);
  }
}

/* A sign before a value, which needs brackets behind another sign. */
static bool is_signed(const Expr *e) {
  return e->kind == EXPR_UNARY || (e->kind == EXPR_NUMBER && e->value < 0);
}

/* How tightly the box of an expression binds. */
static ExprLevel level_of(const Notation *notation, const Expr *e) {
  if (e->kind == EXPR_NAME && e->called && e->arg_count == 1) {
    const Look *look = look_of(notation, e);
    if (look && (look->form == SQUARE || look->form == EXPONENTIAL)) return LEVEL_POWER;
    if (look && look->form == OVER && e->axis_count) return LEVEL_TERM;
  }
  if (e->kind == EXPR_BINARY && e->text[0] == '/') return LEVEL_POWER; /* a fraction's line */
  return expr_level(e);
}

static Box *field_box(const Notation *notation, const Expr *e) {
  Box *base;
  if (strcmp(e->text, "log_prob") == 0 && !e->called) {
    Box *head =
        row(notation, log_sign(notation), box_text(notation, BOX_LETTER, "p", NULL), NULL, NULL);
    return row(notation, head, fence(notation, "()", build(notation, e->base, LEVEL_COMPARE)), NULL,
               NULL);
  }
  if (e->base->kind == EXPR_FIELD && e->base->base->kind == EXPR_NAME &&
      strcmp(e->base->base->text, "losses") == 0) /* a value of another loss, by its own name */
    return applied(notation, notation_name(notation, e->text), e);
  base = build(notation, e->base, LEVEL_PRIMARY);
  Box *index = strncmp(e->text, "log_", 4) == 0 ? single(notation, e->text) /* a label, no log */
                                                : notation_name(notation, e->text);
  return applied(notation, box_of(notation, BOX_INDEX, base, index), e);
}

/* Whether what stands behind the expression in a product would be read as under its last sum,
 * minimum or maximum. */
static bool ends_open(const Notation *notation, const Expr *e) {
  const Look *look = e->kind == EXPR_NAME ? look_of(notation, e) : NULL;
  if (e->kind == EXPR_UNARY) return ends_open(notation, e->args[0].value);
  if (e->kind == EXPR_BINARY && e->text[0] == '*') return ends_open(notation, e->args[1].value);
  return look && look->form == OVER && e->axis_count && e->arg_count == 1;
}

/* Whether a product needs a point before or behind this: words and numbers would run together. */
static bool runs_together(const Box *box) {
  return box->kind == BOX_WORD || box->kind == BOX_NUMBER ||
         ((box->kind == BOX_ROW || box->kind == BOX_POWER || box->kind == BOX_INDEX ||
           box->kind == BOX_UNDER) &&
          box->count && runs_together(box->parts[0]));
}

static Box *binary_box(const Notation *notation, const Expr *e) {
  const Expr *left = e->args[0].value, *right = e->args[1].value;
  static const char *const signs[][3] = {{"-", "−", "-"},
                                         {"<=", "≤", "\\le"},
                                         {">=", "≥", "\\ge"},
                                         {"==", "=", "="},
                                         {"!=", "≠", "\\ne"}};
  ExprLevel level = level_of(notation, e);
  if (e->text[0] == '/')
    return box_of(notation, BOX_FRACTION, build(notation, left, LEVEL_COMPARE),
                  build(notation, right, LEVEL_COMPARE));
  if (e->text[0] == '^') return power(notation, left, build(notation, right, LEVEL_COMPARE));
  bool product = e->text[0] == '*';
  ExprLevel least = level == LEVEL_COMPARE ? LEVEL_SUM : is_signed(right) ? LEVEL_POWER : level + 1;
  Box *before = build(notation, left,
                      level == LEVEL_COMPARE                 ? LEVEL_SUM
                      : product && ends_open(notation, left) ? LEVEL_POWER
                                                             : level);
  Box *behind = build(notation, right, least);
  if (product)
    return runs_together(behind)
               ? row(notation, before, sign(notation, "·", "\\cdot"), behind, NULL)
               : row(notation, before, sign(notation, "\u2009", "\\,"), behind, NULL);
  Box *between = sign(notation, e->text, NULL);
  for (size_t i = 0; i < COUNTOF(signs); i++)
    if (strcmp(e->text, signs[i][0]) == 0) between = sign(notation, signs[i][1], signs[i][2]);
  return row(notation, before, between, behind, NULL);
}

static Box *name_box(const Notation *notation, const Expr *e) {
  const Look *look = look_of(notation, e);
  Box *box = look ? special(notation, look, e) : NULL;
  return box ? box : applied(notation, notation_name(notation, e->text), e);
}

static Box *build(const Notation *notation, const Expr *e, ExprLevel least) {
  Box *box = NULL;
  switch (e->kind) {
  case EXPR_NUMBER:
  case EXPR_STRING:
    box = box_text(notation, e->kind == EXPR_NUMBER ? BOX_NUMBER : BOX_WORD,
                   expr_text(notation->arena, e), NULL);
    break;
  case EXPR_FIELD:
    box = field_box(notation, e);
    break;
  case EXPR_NAME:
    box = name_box(notation, e);
    break;
  case EXPR_UNARY:
    box = row(
        notation, sign(notation, "−", "-"),
        build(notation, e->args[0].value, is_signed(e->args[0].value) ? LEVEL_POWER : LEVEL_TERM),
        NULL, NULL);
    break;
  case EXPR_BINARY:
    box = binary_box(notation, e);
    break;
  }
  return level_of(notation, e) < least ? fence(notation, "()", box) : box;
}

Box *notation_box(const Notation *notation, const Expr *expr) {
  return build(notation, expr, LEVEL_COMPARE);
}
