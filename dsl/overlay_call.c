/* Calls as maps of their named arguments: adam(lr) overlaid by {eps: 0.1} is adam(lr, eps=0.1). The
 * new text is made of the canonical text of the arguments, each of which keeps the place where it
 * was written. */
#include "dsl/overlay.h"

#include <string.h>

#include "dsl/yaml.h"

/* A text under construction with the place of each byte. */
typedef struct Pieces {
  Arena *arena;
  char *bytes;
  Span *spans;
  size_t count, byte_capacity, span_capacity;
} Pieces;

static void pieces_add(Pieces *p, const char *text, Span span) {
  for (; *text; text++) {
    size_t count = p->count;
    PUSH(p->arena, p->bytes, p->count, p->byte_capacity, *text);
    PUSH(p->arena, p->spans, count, p->span_capacity, span);
  }
}

Expr *overlay_call(Arena *arena, const Tree *scalar) {
  Diag *quiet = diag_make(arena); /* what is not an expression is simply not a call */
  Expr *e = expr_read(arena, quiet, scalar->text);
  return e && e->kind == EXPR_NAME && e->called ? e : NULL;
}

/* The call as a scalar. */
static Tree *call_print(Arena *arena, const Expr *call) {
  Pieces p = {.arena = arena};
  Expr head = *call;
  head.called = false;
  head.arg_count = 0;
  pieces_add(&p, expr_text(arena, &head), call->name_span);
  pieces_add(&p, "(", call->name_span);
  for (uint32_t i = 0; i < call->arg_count; i++) {
    const ExprArg *arg = &call->args[i];
    if (i) pieces_add(&p, ", ", call->name_span);
    if (arg->name) pieces_add(&p, arg->name, arg->name_span);
    if (arg->name) pieces_add(&p, "=", arg->name_span);
    pieces_add(&p, expr_text(arena, arg->value), arg->value->span);
  }
  pieces_add(&p, ")", call->name_span);
  size_t length = p.count;
  pieces_add(&p, " ", call->name_span); /* the place behind the last byte */
  ExprText text = {.text = arena_copy(arena, p.bytes, length), .length = length};
  text.source = call->span.source;
  text.start = call->span;
  text.spans = p.spans;
  return tree_scalar(arena, text);
}

static ExprArg *argument_find(Expr *call, const char *name) {
  for (uint32_t i = 0; i < call->arg_count; i++)
    if (call->args[i].name && !strcmp(call->args[i].name, name)) return &call->args[i];
  return NULL;
}

static const char *argument_hint(Arena *arena, const Expr *call, const char *name) {
  const char **names = NEW_ARRAY(arena, const char *, call->arg_count + 1);
  size_t count = 0;
  for (uint32_t i = 0; i < call->arg_count; i++)
    if (call->args[i].name) names[count++] = call->args[i].name;
  return hint_nearest(arena, name, names, count);
}

static bool argument_remove(Arena *arena, Diag *diag, Expr *call, const TreeEntry *entry,
                            const char *path) {
  ExprArg *at = argument_find(call, entry->key);
  if (!at)
    return diag_error(diag, entry->key_span, argument_hint(arena, call, entry->key),
                      "there is no '%s' to remove", path);
  memmove(at, at + 1, sizeof *at * (size_t)(call->args + call->arg_count - at - 1));
  call->arg_count--;
  return true;
}

/* The new value of an argument as an expression. NULL after reporting. */
static Expr *argument_value(Arena *arena, Diag *diag, const ExprArg *old, const Tree *value,
                            const char *path) {
  if (value->kind == TREE_SCALAR) return expr_read(arena, diag, value->text);
  bool nested =
      value->kind == TREE_MAP && old && old->value->kind == EXPR_NAME && old->value->called;
  if (nested) {
    Tree *scalar = overlay_arguments(arena, diag, old->value, value, path);
    return scalar ? expr_read(arena, diag, scalar->text) : NULL;
  }
  diag_error(diag, value->span, "an argument is an expression",
             "expected an expression for '%s' but found %s", path,
             value->kind == TREE_LIST ? "a list" : "a map");
  return NULL;
}

static bool argument_lay(Arena *arena, Diag *diag, Expr *call, const TreeEntry *entry,
                         const char *outer) {
  const char *path = path_join(arena, outer, entry->key);
  if (entry->value->kind == TREE_NULL && entry->value->empty)
    return diag_error(diag, entry->key_span, "write a value, or null to remove it",
                      "'%s' has no value", path);
  if (entry->value->kind == TREE_NULL) return argument_remove(arena, diag, call, entry, path);
  if (strspn(entry->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") !=
      strlen(entry->key))
    return diag_error(diag, entry->key_span, "the keys here are the call's named arguments",
                      "'%s' cannot be the name of an argument", entry->key);
  ExprArg *old = argument_find(call, entry->key);
  Expr *value = argument_value(arena, diag, old, entry->value, path);
  if (!value) return false;
  if (!old) old = &call->args[call->arg_count++];
  *old = (ExprArg){.name = entry->key, .value = value, .name_span = entry->key_span};
  return true;
}

Tree *overlay_arguments(Arena *arena, Diag *diag, const Expr *call, const Tree *over,
                        const char *path) {
  Expr changed = *call;
  bool good = true;
  changed.args = NEW_ARRAY(arena, ExprArg, call->arg_count + over->entry_count + 1);
  for (uint32_t i = 0; i < call->arg_count; i++) changed.args[i] = call->args[i];
  for (size_t i = 0; i < over->entry_count; i++)
    good &= argument_lay(arena, diag, &changed, &over->entries[i], path);
  return good ? call_print(arena, &changed) : NULL;
}
