/* One tree laid on another. The result shares nodes with both inputs and
 * changes neither; every node keeps the place where it was written. */
#include "dsl/overlay.h"

#include <string.h>

#include "dsl/yaml.h"
#include "ir/lex.h"

typedef struct Overlay {
  Arena *arena;
  Diag *diag;
  bool failed; /* something was reported; the rest is still checked */
} Overlay;

static Tree *overlay_value(Overlay *o, const Tree *base, const Tree *over, const char *path);

/* ---- keys ---- */

static size_t name_length(const char *key) { return strcspn(key, "[( "); }

TreeEntry *overlay_entry(const Tree *map, const char *key) {
  TreeEntry *same = (TreeEntry *)tree_entry(map, key);
  size_t length = name_length(key);
  for (size_t i = 0; !same && map && i < map->entry_count; i++) {
    const char *other = map->entries[i].key;
    if (length == name_length(other) && !strncmp(key, other, length)) same = &map->entries[i];
  }
  return same;
}

const char *overlay_hint(Arena *arena, const Tree *map, const char *key) {
  const char **names = NEW_ARRAY(arena, const char *, map->entry_count + 1);
  for (size_t i = 0; i < map->entry_count; i++) {
    const char *other = map->entries[i].key;
    names[i] = arena_copy(arena, other, name_length(other));
  }
  return hint_nearest(arena, arena_copy(arena, key, name_length(key)), names, map->entry_count);
}

const char *path_join(Arena *arena, const char *path, const char *key) {
  return *path ? arena_printf(arena, "%s.%s", path, key) : key;
}

static bool overlay_fail(Overlay *o, Span span, const char *hint, const char *message) {
  o->failed = true;
  return diag_error(o->diag, span, hint, "%s", message);
}

/* ---- maps ---- */

static ExprText text_slice(ExprText text, size_t begin, size_t end) {
  text.text += begin;
  text.length = end - begin;
  if (text.spans)
    text.spans += begin;
  else
    text.start.column += (uint32_t)begin;
  return text;
}

/* `a.b.c: value` means `a: {b: {c: value}}`, as in the variants of a study. */
static TreeEntry entry_nest(Overlay *o, TreeEntry entry) {
  const char *dot = strchr(entry.key, '.');
  if (!dot || dot == entry.key || !dot[1] || strpbrk(entry.key, "[( ")) return entry;
  size_t first = (size_t)(dot - entry.key), length = strlen(entry.key);
  TreeEntry inner = entry;
  inner.key = dot + 1;
  entry.key = arena_copy(o->arena, entry.key, first);
  if (entry.key_text.length == length) {
    inner.key_text = text_slice(entry.key_text, first + 1, length);
    entry.key_text = text_slice(entry.key_text, 0, first);
    inner.key_span = text_span(&inner.key_text, 0, length - first - 1);
    entry.key_span = text_span(&entry.key_text, 0, first);
  }
  entry.value = tree_map_of(o->arena, inner.key_span, inner);
  return entry;
}

/* null, written out: removes what the base has. */
static void entry_remove(Overlay *o, Tree *result, const TreeEntry *entry, const char *path) {
  TreeEntry *at = overlay_entry(result, entry->key);
  if (!at) {
    overlay_fail(o, entry->key_span, overlay_hint(o->arena, result, entry->key),
                 arena_printf(o->arena, "there is no '%s' to remove", path));
    return;
  }
  size_t size = sizeof *result->removed, count = result->removed_count;
  result->removed = arena_grow(o->arena, result->removed, count * size, (count + 1) * size);
  result->removed[result->removed_count++] =
      (TreeEntry){at->key, entry->key_span, at->key_text, at->value};
  size_t behind = result->entry_count - (size_t)(at - result->entries) - 1;
  memmove(at, at + 1, behind * sizeof *at);
  result->entry_count--;
}

/* What a map at `path` changes: the entry's value, or for an optimizer that the base lacks the
 * `default` one. NULL: nothing is there; after reporting where that cannot be. */
static const Tree *entry_base(Overlay *o, const Tree *result, const TreeEntry *at,
                              const TreeEntry *entry, const char *outer) {
  if (at) return at->value;
  if (strcmp(outer, "optimizers") || entry->value->kind != TREE_MAP) return NULL;
  const Tree *base = tree_get(result, "default");
  if (!base)
    overlay_fail(o, entry->key_span,
                 arena_printf(o->arena, "give it in full, as in  %s: adam(3e-4)", entry->key),
                 arena_printf(o->arena, "there is no '%s' in 'optimizers' to change%s", entry->key,
                              strcmp(entry->key, "default") ? ", and no 'default'" : ""));
  return base;
}

static void entry_lay(Overlay *o, Tree *result, const TreeEntry *written, const char *outer) {
  TreeEntry entry = entry_nest(o, *written);
  const char *path = path_join(o->arena, outer, entry.key);
  if (entry.value->kind == TREE_NULL && entry.value->empty) {
    overlay_fail(o, entry.key_span, "write a value, or null to remove it",
                 arena_printf(o->arena, "'%s' has no value", path));
    return;
  }
  if (entry.value->kind == TREE_NULL) return entry_remove(o, result, &entry, path);
  TreeEntry *at = overlay_entry(result, entry.key);
  Tree *value = overlay_value(o, entry_base(o, result, at, &entry, outer), entry.value, path);
  if (!value) return;
  entry.value = value;
  if (at)
    *at = entry;
  else
    tree_put(o->arena, result, entry);
}

/* `base` may be NULL: then nothing is there yet, and nothing can be removed. */
static Tree *overlay_map(Overlay *o, const Tree *base, const Tree *over, const char *path) {
  Tree *result = tree_map(o->arena, base ? base->span : over->span);
  for (size_t i = 0; base && i < base->entry_count; i++)
    tree_put(o->arena, result, base->entries[i]);
  if (base) result->removed = base->removed, result->removed_count = base->removed_count;
  /* An optimizer that starts from `default` starts from what this overlay makes of it. */
  const TreeEntry *first = strcmp(path, "optimizers") ? NULL : tree_entry(over, "default");
  if (first) entry_lay(o, result, first, path);
  for (size_t i = 0; i < over->entry_count; i++)
    if (&over->entries[i] != first) entry_lay(o, result, &over->entries[i], path);
  return result;
}

/* ---- values ---- */

/* Whether `over` is for the long form of what is written short at `path`: it holds only keys of it,
 * or what is there has no arguments that it could be for. */
static bool is_long_form(Arena *arena, const Tree *base, const Tree *over, const char *path) {
  if (!key_shorthand(path)) return false;
  if (!overlay_call(arena, base)) return true;
  for (size_t i = 0; i < over->entry_count; i++)
    if (!key_known(path, over->entries[i].key)) return false;
  return over->entry_count > 0;
}

/* The value that lies at `path` once `over` is laid on `base` (NULL: nothing there). NULL after
 * reporting. */
static Tree *overlay_value(Overlay *o, const Tree *base, const Tree *over, const char *path) {
  if (over->kind != TREE_MAP) return (Tree *)over;
  if (base && base->kind == TREE_MAP) return overlay_map(o, base, over, path);
  if (base && base->kind == TREE_SCALAR) {
    if (is_long_form(o->arena, base, over, path)) {
      TreeEntry entry = {.key = key_shorthand(path), .key_span = base->span};
      entry.value = (Tree *)base;
      return overlay_map(o, tree_map_of(o->arena, base->span, entry), over, path);
    }
    Expr *call = overlay_call(o->arena, base);
    if (call) {
      Tree *result = overlay_arguments(o->arena, o->diag, call, over, path);
      o->failed |= !result;
      return result;
    }
  }
  return overlay_map(o, NULL, over, path);
}

Tree *tree_overlay(Arena *arena, Diag *diag, const Tree *base, const Tree *over) {
  Overlay o = {.arena = arena, .diag = diag};
  if (over->kind != TREE_MAP) {
    diag_error(diag, over->span, NULL, "an overlay is a map of keys");
    return NULL;
  }
  Tree *result = overlay_value(&o, base, over, "");
  return o.failed ? NULL : result;
}
