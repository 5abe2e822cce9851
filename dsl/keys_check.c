/* Checks a tree against the rows of dsl/keys.def. Afterwards, without errors, every key is known,
 * every required one is there, each value is of its kind, and every expression in the tree reads.
 */
#include <string.h>

#include "dsl/keys.h"
#include "dsl/overlay.h"
#include "ir/lex.h"

#define HINT_NAMES 15 /* more are no help */

typedef struct Check {
  Arena *arena;
  Diag *diag;
  bool failed;
} Check;

/* ---- values ---- */

static bool kinds_fit(int kinds, const Tree *value) {
  switch (value->kind) {
  case TREE_NULL:
    return kinds & ANY;
  case TREE_SCALAR:
    return kinds & (TEXT | NUMBER | EXPR | EXPRS | NAMES | BOOL | ANY);
  case TREE_LIST:
    return kinds & (NAMES | LIST | VALUES | STEPS | ANY);
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
  if (key->kinds & (TEXT | NUMBER | ANY)) return;
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
  if (key->kinds & (ANY | VALUES)) return;
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
  if (value->kind == TREE_MAP && !(key->kinds & ANY)) {
    Level level = level_open(key->table, key->path, path);
    map_check(c, value, &level);
  }
  if (value->kind == TREE_LIST) list_check(c, value, key, path);
  if (value->kind == TREE_SCALAR) scalar_check(c, value, key);
}

/* ---- maps ---- */

static const char *level_describe(Check *c, const Level *level) {
  if (*level->path) return arena_printf(c->arena, "'%s'", level->path);
  return table_subject(level->table);
}

/* The nearest key, or all that are known where they are few. */
static const char *unknown_hint(Check *c, const Level *level, const char *name) {
  const char *hint = hint_nearest(c->arena, name, level->names, level->count);
  if (hint || level->count == 0) return hint;
  if (level->count > HINT_NAMES) return "`rlc keys` lists all keys";
  for (size_t i = 0; i < level->count; i++)
    hint = arena_printf(c->arena, "%s%s",
                        hint ? arena_printf(c->arena, "%s, ", hint) : "known: ", level->names[i]);
  return hint;
}

/* The row of an entry, or NULL. Where names of the user's own stand beside known keys, they need a
 * value of their kind: a typing error must not pass for such a name. */
static const Key *entry_row(const Level *level, const TreeEntry *entry) {
  const Key *key = level_row(level, entry->key), *any = level->any;
  if (key) return key;
  return any && (level->count == 0 || kinds_fit(any->kinds, entry->value)) ? any : NULL;
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

/* Of the keys of which there is exactly one: `choices` lists them all. */
static void choice_check(Check *c, const Tree *map, const Level *level) {
  const TreeEntry *one = NULL;
  const char *choices = NULL;
  for (size_t i = 0; i < level->count; i++) {
    if (level->rows[i]->presence < ONE) continue;
    const char *name = level->names[i];
    const TreeEntry *entry = tree_entry(map, name);
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

static void required_check(Check *c, const Tree *map, const Level *level) {
  for (size_t i = 0; i < level->count; i++) {
    const Key *key = level->rows[i];
    const char *name = level->names[i];
    bool missing = key->presence == REQUIRED && !tree_entry(map, name);
    if (missing && !is_mistyped(map, level, name))
      fail(c, map->span, example_hint(c, key),
           arena_printf(c->arena, "%s needs the key '%s'", level_describe(c, level), name));
  }
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
  required_check(c, map, level);
  choice_check(c, map, level);
}

/* ---- steps ---- */

/* `do` belongs to the steps that repeat or choose, and to those alone. */
static void body_check(Check *c, const Tree *step, const Level *level) {
  const TreeEntry *body = tree_entry(step, "do");
  for (size_t i = 0; i < step->entry_count; i++) {
    const Key *key = level_row(level, step->entries[i].key);
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
    Level level = level_open(TABLE_step, "", arena_printf(c->arena, "%s.%zu", path, i + 1));
    if (step->kind != TREE_MAP) {
      fail(c, step->span, "as in - descend: all",
           arena_printf(c->arena, "step %zu of '%s' should be a map of keys but is %s", i + 1, path,
                        tree_describe(step)));
      continue;
    }
    map_check(c, step, &level);
    body_check(c, step, &level);
  }
}

/* A declared environment or a study where a loss specification is wanted: one message in place of
 * many, and what it is for. */
static bool other_reported(Check *c, const Tree *tree) {
  static const char *const others[][3] = {
      {"environment", "a declared environment", "it goes under 'env' of one, as in  env: %s"},
      {"study", "a study", "`rlc ablate %s` runs it"}};
  for (size_t i = 0; i < COUNTOF(others) && !tree_get(tree, "losses"); i++) {
    const TreeEntry *entry = tree_entry(tree, others[i][0]);
    if (!entry) continue;
    const Source *source = entry->key_span.source;
    fail(c, entry->key_span, arena_printf(c->arena, others[i][2], source ? source->name : "FILE"),
         arena_printf(c->arena, "this is %s, and not a loss specification", others[i][1]));
    return true;
  }
  return false;
}

bool tree_check_keys(Arena *arena, Diag *diag, const Tree *tree, const char *table) {
  Check c = {.arena = arena, .diag = diag};
  Level level = level_open(table_find(table), "", "");
  if (level.table == TABLE_spec && other_reported(&c, tree)) return false;
  if (tree->kind != TREE_MAP)
    fail(&c, tree->span, NULL,
         arena_printf(arena, "expected a map of keys but found %s", tree_describe(tree)));
  else
    map_check(&c, tree, &level);
  return !c.failed;
}
