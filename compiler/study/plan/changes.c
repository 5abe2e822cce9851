/* Two resolved specifications side by side: what a reader must be told to know one from the other.
 */
#include "compiler/study/plan/plan.h"

#include <string.h>

#include "dsl/overlay.h"

typedef struct Changes {
  Arena *arena;
  StudyChange *items;
  size_t count, capacity;
} Changes;

/* ---- values as text ---- */

/* With bytes that a line cannot hold as blanks. */
static const char *line_text(Arena *arena, const char *text, size_t length) {
  char *copy = arena_copy(arena, text, length);
  for (size_t i = 0; i < length; i++)
    if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f) copy[i] = ' ';
  return copy;
}

const char *value_text(Arena *arena, const Tree *value) {
  const char *text = "";
  if (value->kind == TREE_NULL) return "null";
  if (value->kind == TREE_SCALAR) return line_text(arena, value->text.text, value->text.length);
  for (size_t i = 0; i < value->item_count; i++)
    text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", value_text(arena, value->items[i]));
  if (value->kind == TREE_LIST) return arena_printf(arena, "[%s]", text);
  for (size_t i = 0; i < value->entry_count; i++)
    text = arena_printf(arena, "%s%s%s: %s", text, i ? ", " : "", value->entries[i].key,
                        value_text(arena, value->entries[i].value));
  return arena_printf(arena, "{%s}", text);
}

/* ---- differences ---- */

static void text_add(Changes *c, const char *path, const char *before, const char *after) {
  StudyChange change = {path, before, after};
  if (before && after && strcmp(before, after) == 0) return;
  PUSH(c->arena, c->items, c->count, c->capacity, change);
}

static void change_add(Changes *c, const char *path, const Tree *before, const Tree *after) {
  text_add(c, path, before ? value_text(c->arena, before) : NULL,
           after ? value_text(c->arena, after) : NULL);
}

/* ---- calls ---- */

/* The value of a named argument as text, or NULL. */
static const char *argument(Arena *arena, const Expr *call, const char *name) {
  for (uint32_t i = 0; i < call->arg_count; i++)
    if (call->args[i].name && strcmp(call->args[i].name, name) == 0)
      return expr_text(arena, call->args[i].value);
  return NULL;
}

/* The call without its named arguments. */
static const char *call_head(Arena *arena, const Expr *call) {
  Expr head = *call;
  head.args = NEW_ARRAY(arena, ExprArg, call->arg_count + 1);
  head.arg_count = 0;
  for (uint32_t i = 0; i < call->arg_count; i++)
    if (!call->args[i].name) head.args[head.arg_count++] = call->args[i];
  return expr_text(arena, &head);
}

/* Two calls that differ in named arguments alone differ in these. False where they are not. */
static bool compare_calls(Changes *c, const Tree *before, const Tree *after, const char *path) {
  bool scalars = before->kind == TREE_SCALAR && after->kind == TREE_SCALAR;
  const Expr *old = scalars ? overlay_call(c->arena, before) : NULL;
  const Expr *new = old ? overlay_call(c->arena, after) : NULL;
  if (!new || strcmp(call_head(c->arena, old), call_head(c->arena, new))) return false;
  for (uint32_t i = 0; i < old->arg_count; i++) {
    const char *name = old->args[i].name;
    if (name)
      text_add(c, path_join(c->arena, path, name), argument(c->arena, old, name),
               argument(c->arena, new, name));
  }
  for (uint32_t i = 0; i < new->arg_count; i++) {
    const char *name = new->args[i].name;
    if (name && !argument(c->arena, old, name))
      text_add(c, path_join(c->arena, path, name), NULL, argument(c->arena, new, name));
  }
  return true;
}

const char *path_text(Arena *arena, const TreePath *path) {
  const char *text = "";
  for (size_t i = 0; i < path->count; i++) text = path_join(arena, text, path->names[i]);
  return text;
}

/* Whether part `last` of a path is what a value before it says where it is written short, as
 * `env: NAME` says `env.id`. */
static bool is_short(Arena *arena, const TreePath *path, size_t last) {
  TreePath before = {path->names, path->spans, last};
  const char *key = key_shorthand(path_text(arena, &before));
  return key && strcmp(key, path->names[last]) == 0;
}

const char *value_at(Arena *arena, const Tree *spec, const TreePath *path) {
  for (size_t i = 0; i < path->count; i++) {
    const Tree *below = tree_get(spec, path->names[i]);
    if (!below && i + 1 == path->count && is_short(arena, path, i))
      return spec->kind == TREE_SCALAR ? value_text(arena, spec) : NULL;
    if (!below && i + 1 == path->count && spec->kind == TREE_SCALAR) {
      const Expr *call = overlay_call(arena, spec);
      return call ? argument(arena, call, path->names[i]) : NULL;
    }
    if (!below) return NULL;
    spec = below;
  }
  return spec->kind == TREE_NULL ? NULL : value_text(arena, spec);
}

/* ---- maps ---- */

static bool says_nothing(const char *path) {
  return strcmp(path, "name") == 0 || strcmp(path, "doc") == 0 || strcmp(path, "cite") == 0;
}

/* Maps differ where their entries do, calls where their named arguments do; everything else differs
 * as a whole. */
static void compare(Changes *c, const Tree *before, const Tree *after, const char *path) {
  if (before->kind != TREE_MAP || after->kind != TREE_MAP) {
    if (!compare_calls(c, before, after, path)) change_add(c, path, before, after);
    return;
  }
  /* an optimizer that the spec before has not was `default` there */
  const TreeEntry *standard = strcmp(path, "optimizers") ? NULL : tree_entry(before, "default");
  for (size_t i = 0; i < before->entry_count; i++) {
    const TreeEntry *entry = &before->entries[i], *other = tree_entry(after, entry->key);
    const char *inner = path_join(c->arena, path, entry->key);
    if (says_nothing(inner)) continue;
    if (other)
      compare(c, entry->value, other->value, inner);
    else
      change_add(c, inner, entry->value, NULL);
  }
  for (size_t i = 0; i < after->entry_count; i++) {
    const TreeEntry *entry = &after->entries[i];
    const char *inner = path_join(c->arena, path, entry->key);
    if (tree_entry(before, entry->key) || says_nothing(inner)) continue;
    if (standard)
      compare(c, standard->value, entry->value, inner);
    else
      change_add(c, inner, NULL, entry->value);
  }
}

size_t changes_find(Arena *arena, const Tree *before, const Tree *after, StudyChange **changes) {
  Changes c = {.arena = arena};
  compare(&c, before, after, "");
  *changes = c.items;
  return c.count;
}
