/* The expression reader: recursive descent over the tokens of one text, one function per line of
 * the grammar in ir/expr.h. Every node knows its place. No tree it returns is deeper than
 * DEPTH_LIMIT, so recursion over one is safe. */
#include "ir/lex.h"

#include <string.h>

#define NEST_LIMIT  200  /* brackets, unary minus, powers */
#define DEPTH_LIMIT 1000 /* a chain a + b + c + ... is as deep as it is long */

/* A node with what only the reader needs: its bytes (with brackets around it, which leave no other
 * trace) and depth. */
typedef struct Made {
  Expr expr;
  size_t begin, end;
  uint32_t depth;
} Made;

typedef struct Reader {
  Arena *arena;
  Diag *diag;
  const ExprText *text;
  const Token *at;
  uint32_t nest;
} Reader;

static Made *expr_parse(Reader *r);

/* ---- helpers ---- */

static bool is_sign(const Token *token, const char *sign) {
  return token->kind == TOKEN_SIGN && !strcmp(token->text, sign);
}

static bool sign_take(Reader *r, const char *sign) {
  if (!is_sign(r->at, sign)) return false;
  r->at++;
  return true;
}

static Span token_span(const Reader *r, const Token *token) {
  return text_span(r->text, token->begin, token->end);
}

static const char *token_describe(const Reader *r, const Token *token) {
  if (token->kind == TOKEN_END) return "the end";
  return arena_printf(r->arena, "'%.*s'", (int)(token->end - token->begin),
                      r->text->text + token->begin);
}

static Made *fail(Reader *r, const Token *token, const char *hint, const char *message) {
  diag_error(r->diag, token_span(r, token), hint, "%s", message);
  return NULL;
}

static Made *node_make(Reader *r, ExprKind kind, const Token *token) {
  Made *node = NEW(r->arena, Made);
  node->expr.kind = kind;
  node->expr.text = token->text;
  node->expr.name_span = token_span(r, token);
  node->begin = token->begin;
  node->end = token->end;
  node->depth = 1;
  return node;
}

/* Fixes the bytes and the depth of a node that now has `child` below it. NULL (reported) where it
 * is too deep. */
static Made *node_adopt(Reader *r, Made *node, const Made *child) {
  if (child->begin < node->begin) node->begin = child->begin;
  if (child->end > node->end) node->end = child->end;
  if (child->depth >= node->depth) node->depth = child->depth + 1;
  if (node->depth <= DEPTH_LIMIT) return node;
  diag_error(r->diag, node->expr.name_span, "give a part of it a name with 'let' or 'define'",
             "expression of more than %d steps", DEPTH_LIMIT);
  return NULL;
}

static Made *node_close(Reader *r, Made *node) {
  node->expr.span = text_span(r->text, node->begin, node->end);
  return node;
}

static Made *binary_make(Reader *r, const Token *sign, Made *left, Made *right) {
  Made *node = node_make(r, EXPR_BINARY, sign);
  if (!node_adopt(r, node, left) || !node_adopt(r, node, right)) return NULL;
  node->expr.args = NEW_ARRAY(r->arena, ExprArg, 2);
  node->expr.args[0].value = &left->expr;
  node->expr.args[1].value = &right->expr;
  node->expr.arg_count = 2;
  return node_close(r, node);
}

/* ---- primaries ---- */

/* Takes the bracket that closes `open`; otherwise says what stands there instead. */
static bool bracket_close(Reader *r, const Token *open) {
  const char *close = is_sign(open, "(") ? ")" : "]";
  if (sign_take(r, close)) return true;
  const Token *t = r->at;
  bool operand = t->kind == TOKEN_NAME || t->kind == TOKEN_NUMBER || t->kind == TOKEN_STRING ||
                 is_sign(t, "(");
  const char *hint = operand ? "a ',' or an operator is missing before it" : NULL;
  if (is_sign(t, "=") && open[0].text[0] == '(') hint = "a comparison is written '=='";
  diag_error(r->diag, token_span(r, t), hint, "expected '%s' but found %s", close,
             token_describe(r, t));
  diag_note(r->diag, token_span(r, open), "the '%s' is opened here", open->text);
  return false;
}

static bool axis_repeats(Reader *r, const Expr *e, size_t count, const Token *name) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(e->axes[i].name, name->text)) continue;
    diag_error(r->diag, token_span(r, name), "write each axis once", "'%s' is written twice",
               name->text);
    return true;
  }
  return false;
}

/* '[' [name ['=' expr] (',' ...)*] ']' behind a name. */
static bool axes_parse(Reader *r, Made *node) {
  const Token *open = r->at++;
  Expr *e = &node->expr;
  size_t count = 0, capacity = 0;
  e->bracketed = true;
  while (!is_sign(r->at, "]") || count > 0) {
    if (r->at->kind != TOKEN_NAME)
      return fail(r, r->at, "brackets hold axes: mean[batch](x), sample[try=M](p)",
                  arena_printf(r->arena, "expected the name of an axis but found %s",
                               token_describe(r, r->at)));
    const Token *name = r->at++;
    if (axis_repeats(r, e, count, name)) return false;
    ExprAxis axis = {.name = name->text};
    Made *size = NULL;
    if (sign_take(r, "=")) {
      if (!(size = expr_parse(r)) || !node_adopt(r, node, size)) return false;
      axis.size = &size->expr;
    }
    axis.span = text_span(r->text, name->begin, size ? size->end : name->end);
    PUSH(r->arena, e->axes, count, capacity, axis);
    if (!sign_take(r, ",")) break;
  }
  e->axis_count = (uint32_t)count;
  node->end = r->at->end;
  return bracket_close(r, open);
}

static bool argument_repeats(Reader *r, const Expr *e, size_t count, const Token *name) {
  for (size_t i = 0; i < count; i++) {
    if (!e->args[i].name || strcmp(e->args[i].name, name->text)) continue;
    diag_error(r->diag, token_span(r, name), NULL, "argument '%s' is given twice", name->text);
    diag_note(r->diag, e->args[i].name_span, "first here");
    return true;
  }
  return false;
}

/* '(' [[name '='] expr (',' ...)*] ')' behind a name. */
static bool args_parse(Reader *r, Made *node) {
  const Token *open = r->at++;
  Expr *e = &node->expr;
  size_t count = 0, capacity = 0;
  e->called = true;
  while (!is_sign(r->at, ")") || count > 0) {
    ExprArg arg = {0};
    if (r->at->kind == TOKEN_NAME && is_sign(r->at + 1, "=")) {
      if (argument_repeats(r, e, count, r->at)) return false;
      arg.name = r->at->text;
      arg.name_span = token_span(r, r->at);
      r->at += 2;
    }
    Made *value = expr_parse(r);
    if (!value || !node_adopt(r, node, value)) return false;
    arg.value = &value->expr;
    PUSH(r->arena, e->args, count, capacity, arg);
    if (!sign_take(r, ",")) break;
  }
  e->arg_count = (uint32_t)count;
  node->end = r->at->end;
  return bracket_close(r, open);
}

/* What `f(x)[i]` may mean: axes in the wrong place, or, where i is a position, one entry. */
static const char *subscript_hint(Reader *r, const Made *node) {
  const Token *position = r->at + 1;
  bool number = position->kind == TOKEN_NUMBER;
  if ((!number && position->kind != TOKEN_NAME) || !is_sign(position + 1, "]"))
    return "write name[axes](arguments)";
  const char *value = expr_text(r->arena, &node->expr), *at = position->text;
  if (number) return arena_printf(r->arena, "one entry of it is index[axis=%s](%s)", at, value);
  if (strcmp(at, "action") == 0)
    return arena_printf(r->arena, "one entry of it is gather[choice](%s, %s)", value, at);
  return arena_printf(r->arena, "write name[axes](arguments); one entry is gather[axis](%s, %s)",
                      value, at);
}

/* The axes and arguments that may follow a name or a field. */
static Made *suffix_parse(Reader *r, Made *node) {
  if (is_sign(r->at, "[") && !axes_parse(r, node)) return NULL;
  if (is_sign(r->at, "(") && !args_parse(r, node)) return NULL;
  if (is_sign(r->at, "["))
    return fail(r, r->at, subscript_hint(r, node), "axes stand before the arguments");
  return node_close(r, node);
}

static Made *group_parse(Reader *r) {
  const Token *open = r->at++;
  Made *inner = expr_parse(r);
  if (!inner) return NULL;
  const Token *close = r->at;
  if (!bracket_close(r, open)) return NULL;
  inner->begin = open->begin;
  inner->end = close->end;
  return node_close(r, inner);
}

/* Nothing that starts an expression stands here. */
static Made *operand_missing(Reader *r) {
  const Token *t = r->at;
  const char *hint = NULL;
  if (is_sign(t, "[")) hint = "axes follow a name: mean[batch](x)";
  if (is_sign(t, "+")) hint = "there is no unary '+'";
  if (is_sign(t, "=")) hint = "a comparison is written '=='";
  return fail(r, t, hint,
              arena_printf(r->arena, "expected an expression but found %s", token_describe(r, t)));
}

static Made *primary_parse(Reader *r) {
  const Token *t = r->at;
  if (is_sign(t, "(")) return group_parse(r);
  if (t->kind == TOKEN_END || t->kind == TOKEN_SIGN) return operand_missing(r);
  r->at++;
  if (t->kind == TOKEN_NAME) return suffix_parse(r, node_make(r, EXPR_NAME, t));
  Made *node = node_make(r, t->kind == TOKEN_NUMBER ? EXPR_NUMBER : EXPR_STRING, t);
  node->expr.value = t->value;
  return node_close(r, node);
}

static Made *postfix_parse(Reader *r) {
  Made *base = primary_parse(r);
  while (base && sign_take(r, ".")) {
    if (r->at->kind != TOKEN_NAME)
      return fail(r, r->at, NULL,
                  arena_printf(r->arena, "expected the name of a field but found %s",
                               token_describe(r, r->at)));
    Made *field = node_make(r, EXPR_FIELD, r->at++);
    field->expr.base = &base->expr;
    if (!node_adopt(r, field, base)) return NULL;
    base = suffix_parse(r, field);
  }
  return base;
}

/* ---- operators ---- */

static Made *unary_parse(Reader *r);

static Made *power_parse(Reader *r) {
  Made *base = postfix_parse(r);
  const Token *sign = r->at;
  if (!base || !sign_take(r, "^")) return base;
  Made *exponent = unary_parse(r);
  return exponent ? binary_make(r, sign, base, exponent) : NULL;
}

/* Counts the nesting here, because every way down passes here. */
static Made *unary_parse(Reader *r) {
  const Token *sign = r->at;
  if (r->nest == NEST_LIMIT)
    return fail(r, sign, "give a part of it a name with 'let' or 'define'",
                arena_printf(r->arena, "expression nested more than %d deep", NEST_LIMIT));
  r->nest++;
  Made *result;
  if (sign_take(r, "-")) {
    Made *operand = unary_parse(r);
    result = operand ? node_make(r, EXPR_UNARY, sign) : NULL;
    if (result) result = node_adopt(r, result, operand);
    if (result) {
      result->expr.args = NEW_ARRAY(r->arena, ExprArg, 1);
      result->expr.args[0].value = &operand->expr;
      result->expr.arg_count = 1;
      node_close(r, result);
    }
  } else {
    result = power_parse(r);
  }
  r->nest--;
  return result;
}

static Made *term_parse(Reader *r) {
  Made *left = unary_parse(r);
  while (left && (is_sign(r->at, "*") || is_sign(r->at, "/"))) {
    const Token *sign = r->at++;
    Made *right = unary_parse(r);
    left = right ? binary_make(r, sign, left, right) : NULL;
  }
  return left;
}

static Made *sum_parse(Reader *r) {
  Made *left = term_parse(r);
  while (left && (is_sign(r->at, "+") || is_sign(r->at, "-"))) {
    const Token *sign = r->at++;
    Made *right = term_parse(r);
    left = right ? binary_make(r, sign, left, right) : NULL;
  }
  return left;
}

static bool is_comparison(const Token *token) {
  static const char *const names[] = {"<", "<=", ">", ">=", "==", "!="};
  for (size_t i = 0; i < COUNTOF(names); i++)
    if (is_sign(token, names[i])) return true;
  return false;
}

static Made *expr_parse(Reader *r) {
  Made *left = sum_parse(r);
  const Token *sign = r->at;
  if (!left || !is_comparison(sign)) return left;
  r->at++;
  Made *right = sum_parse(r);
  if (right && is_comparison(r->at))
    return fail(r, r->at, "write (a < b) * (b < c)", "comparisons do not chain");
  return right ? binary_make(r, sign, left, right) : NULL;
}

/* ---- whole texts ---- */

/* Something stands behind a complete expression. */
static bool rest_report(Reader *r) {
  const Token *t = r->at;
  const char *hint = NULL, *found = token_describe(r, t);
  if (is_sign(t, ")") || is_sign(t, "]"))
    return fail(r, t, NULL, arena_printf(r->arena, "%s closes nothing", found));
  if (is_sign(t, ",")) hint = "one expression stands here, not a list";
  if (is_sign(t, "=")) hint = "a comparison is written '=='";
  if (is_sign(t, "[")) hint = "axes follow a name: mean[batch](x)";
  if (t->kind != TOKEN_SIGN || is_sign(t, "("))
    hint = "an operator is missing before it, such as '*'";
  return fail(r, t, hint,
              arena_printf(r->arena, "unexpected %s after a complete expression", found));
}

static bool reader_open(Reader *r, Arena *arena, Diag *diag, const ExprText *text) {
  *r = (Reader){.arena = arena, .diag = diag, .text = text};
  const Token *tokens = tokens_read(arena, diag, text);
  r->at = tokens;
  if (!tokens) return false;
  if (tokens->kind != TOKEN_END) return true;
  return diag_error(diag, token_span(r, tokens), NULL, "an expression is missing here");
}

Expr *expr_read(Arena *arena, Diag *diag, ExprText text) {
  Reader r;
  if (!reader_open(&r, arena, diag, &text)) return NULL;
  Made *made = expr_parse(&r);
  if (!made) return NULL;
  if (r.at->kind != TOKEN_END) return rest_report(&r), NULL;
  return &made->expr;
}

bool expr_read_list(Arena *arena, Diag *diag, ExprText text, Expr ***items, size_t *count) {
  Reader r;
  size_t capacity = 0;
  *items = NULL;
  *count = 0;
  if (!reader_open(&r, arena, diag, &text)) return false;
  do {
    Made *made = expr_parse(&r);
    if (!made) return false;
    PUSH(arena, *items, *count, capacity, &made->expr);
  } while (sign_take(&r, ","));
  return r.at->kind == TOKEN_END || rest_report(&r);
}

/* A parameter is a plain name, or name=default; no name twice. */
static bool parameter_check(Diag *diag, const Expr *e, uint32_t i) {
  const ExprArg *arg = &e->args[i];
  const Expr *value = arg->value;
  bool plain = value->kind == EXPR_NAME && !value->bracketed && !value->called;
  if (!arg->name && !plain)
    return diag_error(diag, value->span, "parameters are names: policy(o), scaled(x, by=2)",
                      "expected the name of a parameter");
  const char *name = arg->name ? arg->name : value->text;
  for (uint32_t k = 0; k < i; k++) {
    const char *other = e->args[k].name ? e->args[k].name : e->args[k].value->text;
    if (!strcmp(name, other))
      return diag_error(diag, arg->name ? arg->name_span : value->span, NULL,
                        "parameter '%s' is declared twice", name);
  }
  return true;
}

Expr *expr_read_signature(Arena *arena, Diag *diag, ExprText text) {
  Expr *e = expr_read(arena, diag, text);
  if (!e) return NULL;
  if (e->kind != EXPR_NAME) {
    diag_error(diag, e->span, "as in policy(o) or picks[x](logits)",
               "expected a name with its axes and parameters");
    return NULL;
  }
  for (uint32_t i = 0; i < e->arg_count; i++)
    if (!parameter_check(diag, e, i)) return NULL;
  return e;
}
