/* Whether a specification has a place for a value: something stands there, a known key may stand
 * there, or the function that is called there takes an argument of that name. */
#include "dsl/overlay.h"

#include <string.h>

/* A function's own text of its parameters, from the spec or the prelude. */
static const TreeEntry *function_find(const Tree *spec, const Tree *prelude, const char *name) {
  const TreeEntry *entry = overlay_entry(tree_get(spec, "define"), name);
  return entry ? entry : overlay_entry(tree_get(prelude, "define"), name);
}

static bool call_names(const Expr *call, const char *name) {
  for (uint32_t i = 0; i < call->arg_count; i++)
    if (call->args[i].name && !strcmp(call->args[i].name, name)) return true;
  return false;
}

/* A function whose text is not in a file is taken to have the argument: elaboration decides. */
static bool call_takes(Arena *arena, const Tree *spec, const Tree *prelude, const Expr *call,
                       const char *name) {
  if (call_names(call, name)) return true;
  const TreeEntry *function = function_find(spec, prelude, call->text);
  const Expr *signature =
      function ? expr_read_signature(arena, diag_make(arena), function->key_text) : NULL;
  for (uint32_t i = 0; signature && i < signature->arg_count; i++) {
    const ExprArg *parameter = &signature->args[i];
    if (!strcmp(parameter->name ? parameter->name : parameter->value->text, name)) return true;
  }
  return !signature;
}

/* Walks as far as the spec goes: what stands at the first `*depth` parts of the path. */
static const Tree *walk(const Tree *spec, const TreePath *path, size_t *depth) {
  const Tree *at = spec;
  for (*depth = 0; *depth < path->count; ++*depth) {
    const TreeEntry *entry = overlay_entry(at, path->names[*depth]);
    if (!entry && *depth == 1 && !strcmp(path->names[0], "optimizers"))
      entry = tree_entry(at, "default"); /* which an optimizer of its own starts from */
    if (!entry) break;
    at = entry->value;
  }
  return at;
}

/* How many parts of a path a key as written stands for, dots and all: 0 where it is another one,
 * more than `count` where it goes on below the path. */
static size_t key_parts(const char *key, const char *const *names, size_t count) {
  bool dotted = !strpbrk(key, "[( ");
  size_t parts = 0;
  for (const char *at = key; *at; parts++) {
    size_t length = dotted ? strcspn(at, ".") : strcspn(at, "[( ");
    if (parts == count) return count + 1;
    if (strcspn(names[parts], "[( ") != length || strncmp(at, names[parts], length)) return 0;
    at = dotted ? at + length + (at[length] == '.') : "";
  }
  return parts;
}

static bool sets(Arena *arena, const Tree *overlay, const char *const *names, size_t count) {
  if (count == 0) return true;
  const Expr *call = overlay->kind == TREE_SCALAR ? overlay_call(arena, overlay) : NULL;
  if (call) return call_names(call, names[0]);
  for (size_t i = 0; overlay->kind == TREE_MAP && i < overlay->entry_count; i++) {
    const TreeEntry *entry = &overlay->entries[i];
    size_t parts = key_parts(entry->key, names, count);
    if (parts > count) return true;
    if (parts && sets(arena, entry->value, names + parts, count - parts)) return true;
  }
  return false;
}

bool tree_sets(Arena *arena, const Tree *overlay, const TreePath *path) {
  return sets(arena, overlay, path->names, path->count);
}

bool tree_takes(Arena *arena, const Tree *spec, const Tree *prelude, const TreePath *path) {
  size_t depth;
  const Tree *at = walk(spec, path, &depth);
  if (depth == path->count) return true;
  const Expr *call = at->kind == TREE_SCALAR ? overlay_call(arena, at) : NULL;
  if (call) return call_takes(arena, spec, prelude, call, path->names[depth]);
  return tree_path_optional(path);
}
