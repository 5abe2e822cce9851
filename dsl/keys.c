/* The tables of dsl/keys.def: looking rows up, and printing them. */
#include "dsl/keys.h"

#include <string.h>

#include "dsl/overlay.h"

static const struct TableName {
  const char *name, *subject, *title;
} table_names[] = {
    [TABLE_spec] = {"spec", "the spec", "A loss specification"},
    [TABLE_step] = {"step", "the step", "A step of the loop"},
    [TABLE_environment] = {"environment", "the environment", "A declared environment"},
    [TABLE_study] = {"study", "the study", "A study"},
};

static const Key keys[] = {
#define KEY(table, path, kinds, presence, doc, example)                                            \
  {TABLE_##table, path, kinds, presence, doc, example},
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

/* ---- rows ---- */

/* The last part of a row's path if the row is directly below `pattern`, or NULL. */
static const char *row_name(const Key *key, const char *pattern) {
  size_t length = strlen(pattern);
  if (strncmp(key->path, pattern, length)) return NULL;
  const char *rest = key->path + length;
  if (length > 0 && *rest++ != '.') return NULL;
  return *rest && !strchr(rest, '.') ? rest : NULL;
}

Level level_open(Table table, const char *pattern, const char *path) {
  Level level = {.table = table, .path = path};
  for (size_t i = 0; i < COUNTOF(keys); i++) {
    const char *name = keys[i].table == table ? row_name(&keys[i], pattern) : NULL;
    if (!name) continue;
    if (!strcmp(name, "*")) {
      level.any = &keys[i];
      continue;
    }
    if (level.count == ROW_LIMIT) bug("more than %d keys below '%s'", ROW_LIMIT, pattern);
    level.rows[level.count] = &keys[i];
    level.names[level.count++] = name;
  }
  return level;
}

const Key *level_row(const Level *level, const char *name) {
  for (size_t i = 0; i < level->count; i++)
    if (!strcmp(level->names[i], name)) return level->rows[i];
  return NULL;
}

const char *table_subject(Table table) { return table_names[table].subject; }

Table table_find(const char *name) {
  for (size_t i = 0; i < COUNTOF(table_names); i++)
    if (!strcmp(table_names[i].name, name)) return (Table)i;
  bug("there is no table of keys '%s'", name);
}

/* ---- short forms ---- */

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
    if (!path_matches(path, shorthands[i].path)) continue;
    Level level = level_open(TABLE_spec, shorthands[i].path, path);
    return level_row(&level, key) != NULL;
  }
  return false;
}

bool tree_path_optional(const TreePath *path) {
  const char *pattern = "";
  for (size_t i = 0; i < path->count; i++) {
    Level level = level_open(TABLE_spec, pattern, "");
    const Key *key = level_row(&level, path->names[i]);
    if (!key && (!level.any || i + 1 == path->count)) return false;
    pattern = (key ? key : level.any)->path;
  }
  return true;
}

bool key_is_root(const char *key) {
  Level level = level_open(TABLE_spec, "", "");
  return level_row(&level, key) != NULL;
}

/* ---- the tables as text ---- */

static const struct KindName {
  int kind;
  const char *name;
} kind_names[] = {
    {TEXT, "a text"},           {EXPR, "an expression"}, {EXPRS, "expressions"}, {NAMES, "names"},
    {BOOL, "true or false"},    {MAP, "a map of keys"},  {LIST, "a list"},       {VALUES, "a list"},
    {STEPS, "a list of steps"}, {ANY, "anything"},       {NUMBER, "a number"},
};

const char *kinds_text(Arena *arena, int kinds) {
  const char *text = "";
  for (size_t i = 0; i < COUNTOF(kind_names); i++) {
    if (!(kinds & kind_names[i].kind)) continue;
    text = arena_printf(arena, "%s%s%s", text, *text ? " or " : "", kind_names[i].name);
  }
  return text;
}

static void row_print(FILE *out, const Key *key, bool markdown, Arena *arena) {
  static const char *const presence[] = {"", "required", "required", "one of these",
                                         "one of these, with do"};
  const char *kinds = kinds_text(arena, key->kinds);
  if (markdown)
    fprintf(out, "| `%s` | %s | %s | %s | `%s` |\n", key->path, kinds, presence[key->presence],
            key->doc, key->example);
  else
    fprintf(out, "  %-32s %s%s%s: %s\n", key->path, kinds, key->presence ? ", " : "",
            presence[key->presence], key->doc);
}

void keys_print(FILE *out, bool markdown) {
  Arena *arena = arena_make();
  for (size_t t = 0; t < COUNTOF(table_names); t++) {
    fprintf(out, markdown ? "%s### %s\n\n" : "%s%s\n", t ? "\n" : "", table_names[t].title);
    if (markdown) fprintf(out, "| key | value | | meaning | example |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < COUNTOF(keys); i++)
      if (keys[i].table == t) row_print(out, &keys[i], markdown, arena);
  }
  arena_free(arena);
}
