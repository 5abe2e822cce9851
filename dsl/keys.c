/* Checks a tree against the key tables of dsl/keys.def, and prints them. After a check without
 * errors every key is known, every required one is there, each value is of its kind, and every
 * expression in the tree reads. */
#include <string.h>

#include "dsl/overlay.h"
#include "dsl/yaml.h"
#include "ir/lex.h"

/* What a value may be. */
enum {
  TEXT = 1,        /* any single value, taken as it is */
  EXPR = 2,        /* an expression */
  EXPRS = 4,       /* expressions with commas between them */
  NAMES = 8,       /* names with commas between them, or a list of names */
  BOOL = 16,       /* true or false */
  MAP = 32,        /* keys and values, which have rows of their own */
  LIST = 64,       /* a list of single values */
  STEPS = 128,     /* a list of loop steps, which have a table of their own */
  ANY = 256,       /* checked by somebody else */
  SIGNATURE = 512, /* the key is name[axes](parameters) */
};

#define HINT_NAMES 15 /* more are no help */

typedef enum Presence { OPTIONAL, REQUIRED, ONE, BODY } Presence;

typedef struct Key {
  const char *table, *path;
  int kinds;
  Presence presence;
  const char *doc, *example;
} Key;

static const Key keys[] = {
#define KEY(table, path, kinds, presence, doc, example)                                            \
  {#table, path, kinds, presence, doc, example},
#define SHORT(path, key)
#include "dsl/keys.def"
};

static const struct Shorthand {
  const char *path, *key;
} shorthands[] = {
#define KEY(table, path, kinds, presence, doc, example)
#define SHORT(path, key) {path, key},
#include "dsl/keys.def"
};

typedef struct Check {
  Arena *arena;
  Diag *diag;
  bool failed;
} Check;

/* Where a check stands: the rows of `table` below `pattern`, and the path as the user wrote it. */
typedef struct Level {
  const char *table, *pattern, *path;
} Level;

/* ---- rows ---- */

/* The last part of a row's path if the row is directly below the level, or NULL. */
static const char *row_name(const Key *key, const Level *level) {
  size_t length = strlen(level->pattern);
  if (strcmp(key->table, level->table) || strncmp(key->path, level->pattern, length)) return NULL;
  const char *rest = key->path + length;
  if (length > 0 && *rest++ != '.') return NULL;
  return *rest && !strchr(rest, '.') ? rest : NULL;
}

static const Key *row_find(const Level *level, const char *name) {
  for (size_t i = 0; i < COUNTOF(keys); i++) {
    const char *row = row_name(&keys[i], level);
    if (row && !strcmp(row, name)) return &keys[i];
  }
  return NULL;
}

/* The names of the rows below a level that are no `*`. */
static size_t row_names(const Level *level, const char **names) {
  size_t count = 0;
  for (size_t i = 0; i < COUNTOF(keys); i++) {
    const char *row = row_name(&keys[i], level);
    if (row && strcmp(row, "*")) names[count++] = row;
  }
  return count;
}

/* Whether a path as written falls under a pattern, part by part. */
static bool path_matches(const char *path, const char *pattern) {
  while (*pattern == '*' || (*path && *path == *pattern)) {
    if (*pattern == '*') {
      size_t length = 0;
      for (int open = 0; path[length] && (open || path[length] != '.'); length++) {
        open += path[length] == '(' || path[length] == '[';
        open -= path[length] == ')' || path[length] == ']';
      }
      if (length == 0) return false;
      path += length;
    } else {
      path++;
    }
    pattern++;
  }
  return !*path && !*pattern;
}

const char *key_shorthand(const char *path) {
  for (size_t i = 0; i < COUNTOF(shorthands); i++)
    if (path_matches(path, shorthands[i].path)) return shorthands[i].key;
  return NULL;
}

bool key_known(const char *path, const char *key) {
  for (size_t i = 0; i < COUNTOF(shorthands); i++) {
    Level level = {"spec", shorthands[i].path, path};
    if (path_matches(path, shorthands[i].path)) return row_find(&level, key) != NULL;
  }
  return false;
}

/* ---- values ---- */

static const struct KindName {
  int kind;
  const char *name;
} kind_names[] = {
    {TEXT, "a text"}, {EXPR, "an expression"},    {EXPRS, "expressions"},
    {NAMES, "names"}, {BOOL, "true or false"},    {MAP, "a map of keys"},
    {LIST, "a list"}, {STEPS, "a list of steps"}, {ANY, "anything"},
};

/* "an expression or a map of keys". */
static const char *kinds_text(Arena *arena, int kinds) {
  const char *text = "";
  for (size_t i = 0; i < COUNTOF(kind_names); i++) {
    if (!(kinds & kind_names[i].kind)) continue;
    text = arena_printf(arena, "%s%s%s", text, *text ? " or " : "", kind_names[i].name);
  }
  return text;
}

static bool kinds_fit(int kinds, const Tree *value) {
  switch (value->kind) {
  case TREE_NULL:
    return kinds & ANY;
  case TREE_SCALAR:
    return kinds & (TEXT | EXPR | EXPRS | NAMES | BOOL | ANY);
  case TREE_LIST:
    return kinds & (NAMES | LIST | STEPS | ANY);
  case TREE_MAP:
    return kinds & (MAP | ANY);
  }
  return false;
}

static const char *tree_describe(const Tree *value) {
  switch (value->kind) {
  case TREE_NULL:
    return "null";
  case TREE_SCALAR:
    return "a single value";
  case TREE_LIST:
    return "a list";
  case TREE_MAP:
    return "a map of keys";
  }
  return "?";
}

static void fail(Check *c, Span span, const char *hint, const char *message) {
  diag_error(c->diag, span, hint, "%s", message);
  c->failed = true;
}

static const char *example_hint(Check *c, const Key *key) {
  return arena_printf(c->arena, "as in %s", key->example);
}

/* Names with commas between them: no blanks inside one, no operators. An axis may have its extent:
 * hid=64. */
static void names_check(Check *c, const Tree *value, const Key *key) {
  const char *text = value->text.text;
  size_t length = value->text.length;
  for (size_t i = 0; i <= length;) {
    size_t end = i, stop;
    while (end < length && text[end] != ',') end++;
    for (stop = end; stop > i && text[stop - 1] == ' '; stop--) {
    }
    while (i < stop && text[i] == ' ') i++;
    size_t name = i + strcspn(text + i, " ()[]{}*/+^<>");
    if (stop == i || name < stop) {
      const char *found = arena_copy(c->arena, text + i, stop - i);
      fail(c, text_span(&value->text, i, stop), example_hint(c, key),
           stop == i ? "a name is missing" : arena_printf(c->arena, "'%s' is not a name", found));
      return;
    }
    i = end + 1;
  }
}

static void expr_check(Check *c, const Tree *value, bool list) {
  Expr **items;
  size_t count;
  bool good = list ? expr_read_list(c->arena, c->diag, value->text, &items, &count)
                   : expr_read(c->arena, c->diag, value->text) != NULL;
  c->failed |= !good;
}

static void scalar_check(Check *c, const Tree *value, const Key *key) {
  const char *text = value->text.text;
  if (key->kinds & (TEXT | ANY)) return;
  if (key->kinds & BOOL) {
    if (strcmp(text, "true") && strcmp(text, "false"))
      fail(c, value->span, example_hint(c, key),
           arena_printf(c->arena, "expected true or false but found '%s'", text));
  } else if (key->kinds & EXPR) {
    expr_check(c, value, false);
  } else if (key->kinds & EXPRS) {
    expr_check(c, value, true);
  } else if (key->kinds & NAMES) {
    names_check(c, value, key);
  }
}

static void map_check(Check *c, const Tree *map, const Level *level);
static void steps_check(Check *c, const Tree *list, const char *path);

static void list_check(Check *c, const Tree *list, const Key *key, const char *path) {
  if (key->kinds & ANY) return;
  if (key->kinds & STEPS) return steps_check(c, list, path);
  for (size_t i = 0; i < list->item_count; i++) {
    const Tree *item = list->items[i];
    if (item->kind != TREE_SCALAR)
      fail(c, item->span, example_hint(c, key),
           arena_printf(c->arena, "the items of '%s' are single values, not %s", path,
                        item->kind == TREE_NULL && item->empty ? "empty" : tree_describe(item)));
    else if (key->kinds & NAMES)
      names_check(c, item, key);
    else if (key->kinds & EXPRS)
      expr_check(c, item, true);
  }
}

/* A value of the wrong kind, or none at all. */
static void kind_report(Check *c, const TreeEntry *entry, const Key *key, const char *path) {
  const Tree *value = entry->value;
  if (value->kind == TREE_NULL && value->empty)
    return fail(c, entry->key_span, example_hint(c, key),
                arena_printf(c->arena, "'%s' has no value", path));
  if (value->kind == TREE_NULL)
    return fail(c, value->span, "null removes a key of the spec that this one extends",
                arena_printf(c->arena, "there is no '%s' to remove", path));
  fail(c, value->span, example_hint(c, key),
       arena_printf(c->arena, "expected %s for '%s' but found %s", kinds_text(c->arena, key->kinds),
                    path, tree_describe(value)));
}

static void value_check(Check *c, const TreeEntry *entry, const Key *key, const char *path) {
  const Tree *value = entry->value;
  if (key->kinds & SIGNATURE) c->failed |= !expr_read_signature(c->arena, c->diag, entry->key_text);
  if (!kinds_fit(key->kinds, value)) return kind_report(c, entry, key, path);
  Level level = {key->table, key->path, path};
  if (value->kind == TREE_MAP && !(key->kinds & ANY)) map_check(c, value, &level);
  if (value->kind == TREE_LIST) list_check(c, value, key, path);
  if (value->kind == TREE_SCALAR) scalar_check(c, value, key);
}

/* ---- maps ---- */

static const char *level_describe(Check *c, const Level *level) {
  if (*level->path) return arena_printf(c->arena, "'%s'", level->path);
  return !strcmp(level->table, "spec")          ? "the spec"
         : !strcmp(level->table, "environment") ? "the environment"
                                                : "the study";
}

/* The nearest key, or all that are known where they are few. */
static const char *unknown_hint(Check *c, const Level *level, const char *name) {
  const char *names[COUNTOF(keys)];
  size_t count = row_names(level, names);
  const char *hint = hint_nearest(c->arena, name, names, count);
  if (hint || count == 0) return hint;
  if (count > HINT_NAMES) return "'rlc check --keys' lists all keys";
  for (size_t i = 0; i < count; i++)
    hint = arena_printf(c->arena, "%s%s",
                        hint ? arena_printf(c->arena, "%s, ", hint) : "known: ", names[i]);
  return hint;
}

/* Only the known keys at the top of this level are wanted; a typing error must not pass for a
 * user's own name. */
static const Key *entry_row(const Level *level, const TreeEntry *entry) {
  const Key *key = row_find(level, entry->key);
  if (key) return key;
  const char *names[COUNTOF(keys)];
  bool mixed = row_names(level, names) > 0;
  key = row_find(level, "*");
  return key && (!mixed || kinds_fit(key->kinds, entry->value)) ? key : NULL;
}

/* Whether a key that is missing was written, with a typing error (which was reported); NULL asks
 * for any unknown key. */
static bool is_mistyped(const Tree *map, const Level *level, const char *name) {
  for (size_t i = 0; i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    if (!entry_row(level, entry) && (!name || nearest_name(entry->key, &name, 1))) return true;
  }
  return false;
}

static void presence_check(Check *c, const Tree *map, const Level *level) {
  const TreeEntry *one = NULL;
  const char *choices = NULL;
  for (size_t i = 0; i < COUNTOF(keys); i++) {
    const char *name = row_name(&keys[i], level);
    if (!name) continue;
    const TreeEntry *entry = tree_entry(map, name);
    if (keys[i].presence == REQUIRED && !entry && !is_mistyped(map, level, name))
      fail(c, map->span, example_hint(c, &keys[i]),
           arena_printf(c->arena, "%s needs the key '%s'", level_describe(c, level), name));
    if (keys[i].presence < ONE) continue;
    choices = choices ? arena_printf(c->arena, "%s, %s", choices, name) : name;
    if (one && entry)
      fail(c, entry->key_span, NULL,
           arena_printf(c->arena, "'%s' and '%s' exclude each other in %s", one->key, name,
                        level_describe(c, level)));
    else if (entry)
      one = entry;
  }
  if (choices && !one && !is_mistyped(map, level, NULL))
    fail(c, map->span, arena_printf(c->arena, "one of: %s", choices),
         arena_printf(c->arena, "%s does nothing", level_describe(c, level)));
}

static void map_check(Check *c, const Tree *map, const Level *level) {
  for (size_t i = 0; i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    const Key *key = entry_row(level, entry);
    if (key)
      value_check(c, entry, key, path_join(c->arena, level->path, entry->key));
    else
      fail(c, entry->key_span, unknown_hint(c, level, entry->key),
           arena_printf(c->arena, "unknown key '%s' in %s", entry->key, level_describe(c, level)));
  }
  presence_check(c, map, level);
}

/* ---- steps ---- */

/* `do` belongs to the steps that repeat or choose, and to those alone. */
static void body_check(Check *c, const Tree *step) {
  const TreeEntry *body = tree_entry(step, "do");
  for (size_t i = 0; i < step->entry_count; i++) {
    const Key *key = row_find(&(Level){"step", "", ""}, step->entries[i].key);
    if (!key || key->presence < ONE) continue;
    const Span span = step->entries[i].key_span;
    if (key->presence == BODY && !body)
      fail(c, span, "as in do: [{descend: all}]",
           arena_printf(c->arena, "'%s' needs the key 'do'", step->entries[i].key));
    if (key->presence == ONE && body)
      fail(c, body->key_span, NULL,
           arena_printf(c->arena, "'%s' has no 'do'", step->entries[i].key));
    return;
  }
}

static void steps_check(Check *c, const Tree *list, const char *path) {
  for (size_t i = 0; i < list->item_count; i++) {
    const Tree *step = list->items[i];
    Level level = {"step", "", arena_printf(c->arena, "%s.%zu", path, i + 1)};
    if (step->kind != TREE_MAP) {
      fail(c, step->span, "as in - descend: all",
           arena_printf(c->arena, "step %zu of '%s' should be a map of keys but is %s", i + 1, path,
                        tree_describe(step)));
      continue;
    }
    map_check(c, step, &level);
    body_check(c, step);
  }
}

bool tree_check_keys(Arena *arena, Diag *diag, const Tree *tree, const char *table) {
  Check c = {.arena = arena, .diag = diag};
  Level level = {table, "", ""};
  if (tree->kind != TREE_MAP)
    fail(&c, tree->span, NULL,
         arena_printf(arena, "expected a map of keys but found %s", tree_describe(tree)));
  else
    map_check(&c, tree, &level);
  return !c.failed;
}

/* ---- the tables as text ---- */

static void row_print(FILE *out, const Key *key, bool markdown, Arena *arena) {
  static const char *const presence[] = {"", "required", "one of these", "one of these, with do"};
  const char *kinds = kinds_text(arena, key->kinds);
  if (markdown)
    fprintf(out, "| `%s` | %s | %s | %s | `%s` |\n", key->path, kinds, presence[key->presence],
            key->doc, key->example);
  else
    fprintf(out, "  %-32s %s%s%s: %s\n", key->path, kinds, key->presence ? ", " : "",
            presence[key->presence], key->doc);
}

void keys_print(FILE *out, bool markdown) {
  static const struct {
    const char *table, *title;
  } tables[] = {{"spec", "A loss specification"},
                {"step", "A step of the loop"},
                {"environment", "A declared environment"},
                {"study", "A study"}};
  Arena *arena = arena_make();
  for (size_t t = 0; t < COUNTOF(tables); t++) {
    fprintf(out, markdown ? "%s### %s\n\n" : "%s%s\n", t ? "\n" : "", tables[t].title);
    if (markdown) fprintf(out, "| key | value | | meaning | example |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNTOF(keys); i++)
      if (!strcmp(keys[i].table, tables[t].table)) row_print(out, &keys[i], markdown, arena);
  }
  arena_free(arena);
}
