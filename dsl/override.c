/* Assignments of one value to a dotted path, each an overlay of one leaf: the command line's
 * "path=value", whose places are in a source named "<command line>" that holds the assignment, and
 * a study's grid, whose places are in its file. */
#include "dsl/overlay.h"

#include <string.h>

#include "dsl/yaml.h"
#include "ir/lex.h"

typedef struct Override {
  Arena *arena;
  Diag *diag;
  const char **names; /* the parts of its path */
  Span *spans;
  size_t count;
} Override;

/* Splits a path at its dots. False after reporting. */
static bool path_split(Override *o, ExprText path) {
  const char *text = path.text;
  size_t names = 0, spans = 0, count = 0;
  for (size_t i = 0; i <= path.length;) {
    size_t end = i;
    while (end < path.length && text[end] != '.') end++;
    if (end == i)
      return diag_error(o->diag, text_span(&path, i, i), "as in losses.actor.minimize",
                        "a name is missing in the path");
    Span span = text_span(&path, i, end);
    PUSH(o->arena, o->names, o->count, names, arena_copy(o->arena, text + i, end - i));
    PUSH(o->arena, o->spans, count, spans, span);
    i = end + 1;
  }
  return true;
}

/* The files that a spec extends are laid on one another before anything is assigned. */
static bool is_resolved(Override *o) {
  if (strcmp(o->names[0], "extends") != 0) return true;
  return diag_error(o->diag, o->spans[0], "write it in a file, and give that file",
                    "'extends' cannot be given here");
}

/* A bare name is a constant; where no constant has it, a root key. */
static bool constant_resolve(Override *o, const Tree *base) {
  const char *name = o->names[0];
  const Tree *constants = tree_get(base, "constants");
  if (o->count > 1) return true;
  if (!tree_entry(constants, name)) {
    if (tree_entry(base, name) || key_is_root(name)) return true;
    const char *hint =
        constants && constants->kind == TREE_MAP ? overlay_hint(o->arena, constants, name) : NULL;
    if (!hint) hint = overlay_hint(o->arena, base, name);
    return diag_error(o->diag, o->spans[0], hint, "there is no constant '%s'", name);
  }
  o->names = NEW_ARRAY(o->arena, const char *, 2);
  o->names[0] = "constants";
  o->names[1] = name;
  Span span = o->spans[0];
  o->spans = NEW_ARRAY(o->arena, Span, 2);
  o->spans[0] = o->spans[1] = span;
  o->count = 2;
  return true;
}

static const char *kind_name(const Tree *tree) {
  switch (tree->kind) {
  case TREE_NULL:
    return "nothing";
  case TREE_SCALAR:
    return "a single value";
  case TREE_LIST:
    return "a list";
  case TREE_MAP:
    return "a map";
  }
  return "?";
}

/* What an optimizer may be for: losses, networks, parameters. */
static const Tree *optimized(Override *o, const Tree *base) {
  static const char *const roots[] = {"losses", "networks", "parameters"};
  Tree *all = tree_map(o->arena, base->span);
  for (size_t i = 0; i < COUNTOF(roots); i++) {
    const Tree *map = tree_get(base, roots[i]);
    for (size_t k = 0; map && map->kind == TREE_MAP && k < map->entry_count; k++)
      if (!tree_entry(all, map->entries[k].key)) tree_put(o->arena, all, map->entries[k]);
  }
  return all;
}

/* Whether part i of the path may be missing in the base: a root key, or in `optimizers` the name of
 * what it is for, which starts from `default`. */
static bool part_may_miss(Override *o, const Tree *base, size_t i) {
  if (i == 0) return key_is_root(o->names[0]);
  return i == 1 && !strcmp(o->names[0], "optimizers") &&
         tree_entry(optimized(o, base), o->names[1]);
}

static bool part_missing(Override *o, const Tree *base, const Tree *at, const char *path,
                         size_t i) {
  const char *hint = overlay_hint(o->arena, at, o->names[i]);
  if (!hint && i == 1 && !strcmp(o->names[0], "optimizers"))
    hint = overlay_hint(o->arena, optimized(o, base), o->names[1]);
  return diag_error(o->diag, o->spans[i], hint, "there is no '%s' in this spec", path);
}

/* Walks to the parent of the leaf; every part but the last must be there or may be missing, and
 * each part takes the base's spelling of it. */
static bool path_resolve(Override *o, const Tree *base) {
  const Tree *at = base;
  const char *path = "";
  for (size_t i = 0; i < o->count; i++) {
    TreeEntry *entry = overlay_entry(at, o->names[i]);
    if (entry) o->names[i] = entry->key;
    path = path_join(o->arena, path, o->names[i]);
    if (i + 1 == o->count) return true;
    if (!entry) return part_may_miss(o, base, i) || part_missing(o, base, at, path, i);
    at = entry->value;
    if (at->kind == TREE_MAP) continue;
    /* below this the overlay itself decides: arguments of a call, the long form of a value written
     * short */
    if (at->kind == TREE_SCALAR && (overlay_call(o->arena, at) || key_shorthand(path))) return true;
    return diag_error(o->diag, o->spans[i + 1],
                      arena_printf(o->arena, "replace all of it: %s=...", path),
                      "'%s' is %s, so nothing in it has a name", path, kind_name(at));
  }
  return true;
}

bool tree_path(Arena *arena, Diag *diag, const Tree *base, ExprText text, TreePath *path) {
  Override o = {.arena = arena, .diag = diag};
  if (!path_split(&o, text) || !is_resolved(&o) || !constant_resolve(&o, base) ||
      !path_resolve(&o, base))
    return false;
  *path = (TreePath){o.names, o.spans, o.count};
  return true;
}

Tree *tree_assign(Arena *arena, Diag *diag, const Tree *base, const TreePath *path, Tree *value) {
  for (size_t i = path->count; i-- > 0;) {
    TreeEntry entry = {.key = path->names[i], .key_span = path->spans[i], .value = value};
    entry.key_text =
        (ExprText){entry.key, strlen(entry.key), path->spans[i].source, path->spans[i], NULL};
    value = tree_map_of(arena, path->spans[i], entry);
  }
  return tree_overlay(arena, diag, base, value);
}

/* A name where the base has a map says one key of it, and the others go: told, since `env=NAME`
 * looks like another environment and nothing else. */
static void warn_of_dropped(Arena *arena, Diag *diag, const Tree *base, const TreePath *path,
                            const Tree *value) {
  const char *whole = "", *dropped = "";
  for (size_t i = 0; i < path->count; i++) {
    const TreeEntry *entry = overlay_entry(base, path->names[i]);
    if (!entry) return;
    base = entry->value, whole = path_join(arena, whole, path->names[i]);
  }
  const char *key = key_shorthand(whole);
  if (!key || base->kind != TREE_MAP || value->kind != TREE_SCALAR) return;
  for (size_t i = 0; i < base->entry_count; i++)
    if (strcmp(base->entries[i].key, key) != 0)
      dropped =
          arena_printf(arena, "%s%s'%s'", dropped, *dropped ? ", " : "", base->entries[i].key);
  if (*dropped)
    diag_warning(diag, path->spans[path->count - 1],
                 arena_printf(arena, "%s.%s=%.*s keeps them", whole, key, (int)value->text.length,
                              value->text.text),
                 "this replaces all of '%s': %s no longer hold", whole, dropped);
}

/* `base` with one assignment of the command line. NULL after reporting. */
static Tree *override_lay(Arena *arena, Diag *diag, const Tree *base, const char *assignment) {
  const Source *source = source_from_text(arena, "<command line>", assignment);
  const char *equals = strchr(assignment, '=');
  size_t length = equals ? (size_t)(equals - assignment) : source->size;
  ExprText text = {source->text, length, source, {source, 1, 1, 0}, NULL};
  TreePath path;
  if (!equals) {
    diag_error(diag, text_span(&text, 0, length), "as in lr=1e-3 or losses.actor.over=actor",
               "expected name=value");
    return NULL;
  }
  if (!tree_path(arena, diag, base, text, &path)) return NULL;
  Tree *value = yaml_read(arena, diag, source, length + 1);
  if (!value) return NULL;
  if (value->empty) {
    diag_error(diag, text_span(&text, length, length + 1), "write null to remove it",
               "no value behind '='");
    return NULL;
  }
  warn_of_dropped(arena, diag, base, &path, value);
  return tree_assign(arena, diag, base, &path, value);
}

Tree *tree_override(Arena *arena, Diag *diag, const Tree *base, const char *const *assignments,
                    size_t count) {
  Tree *result = (Tree *)base;
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    Tree *laid = override_lay(arena, diag, result, assignments[i]);
    good &= laid != NULL;
    if (laid) result = laid;
  }
  return good ? result : NULL;
}
