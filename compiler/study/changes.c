/* Two resolved specifications side by side: what a reader must be told to know one from the other.
 */
#include "compiler/study/plan.h"

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

static void change_add(Changes *c, const char *path, const Tree *before, const Tree *after) {
  StudyChange change = {path, before ? value_text(c->arena, before) : NULL,
                        after ? value_text(c->arena, after) : NULL};
  if (change.before && change.after && strcmp(change.before, change.after) == 0) return;
  PUSH(c->arena, c->items, c->count, c->capacity, change);
}

static bool says_nothing(const char *path) {
  return strcmp(path, "name") == 0 || strcmp(path, "doc") == 0 || strcmp(path, "cite") == 0;
}

/* Maps differ where their entries do; everything else differs as a whole. */
static void compare(Changes *c, const Tree *before, const Tree *after, const char *path) {
  if (before->kind != TREE_MAP || after->kind != TREE_MAP)
    return change_add(c, path, before, after);
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
    if (!tree_entry(before, entry->key) && !says_nothing(inner))
      change_add(c, inner, NULL, entry->value);
  }
}

size_t changes_find(Arena *arena, const Tree *before, const Tree *after, StudyChange **changes) {
  Changes c = {.arena = arena};
  compare(&c, before, after, "");
  *changes = c.items;
  return c.count;
}
