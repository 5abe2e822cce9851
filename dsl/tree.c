/* Looking things up in a tree, and printing it as YAML text that parses back to an equal tree. */
#include "dsl/tree.h"

#include <string.h>

const TreeEntry *tree_entry(const Tree *map, const char *key) {
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++)
    if (!strcmp(map->entries[i].key, key)) return &map->entries[i];
  return NULL;
}

const TreeEntry *tree_removed(const Tree *map, const char *key) {
  size_t length = strlen(key);
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->removed_count; i++) {
    const char *other = map->removed[i].key; /* of a define, the name before its parameters */
    if (strcspn(other, "[( ") == length && !strncmp(other, key, length)) return &map->removed[i];
  }
  return NULL;
}

Tree *tree_get(const Tree *map, const char *key) {
  const TreeEntry *entry = tree_entry(map, key);
  return entry ? entry->value : NULL;
}

Tree *tree_copy(Arena *arena, const Tree *tree) {
  Tree *copy = NEW(arena, Tree);
  *copy = *tree;
  copy->entries = NEW_ARRAY(arena, TreeEntry, tree->entry_count + 1);
  for (size_t i = 0; i < tree->entry_count; i++) {
    copy->entries[i] = tree->entries[i];
    copy->entries[i].value = tree_copy(arena, tree->entries[i].value);
  }
  copy->items = NEW_ARRAY(arena, Tree *, tree->item_count + 1);
  for (size_t i = 0; i < tree->item_count; i++) copy->items[i] = tree_copy(arena, tree->items[i]);
  return copy;
}

const char *tree_file(Arena *arena, const Tree *name) {
  const char *path = name->text.text, *from = name->span.source ? name->span.source->name : "";
  const char *slash = strrchr(from, '/');
  if (path[0] == '/') return path;
  while (!strncmp(path, "./", 2)) path += 2;
  if (!slash) return path;
  return arena_printf(arena, "%.*s%s", (int)(slash - from) + 1, from, path);
}

/* ---- what may stand without quotes ---- */

/* A text that a plain scalar in block style holds: one line, no start, middle or end that means
 * something to YAML. */
static bool is_plain(const char *text, size_t length) {
  if (length == 0 || !strcmp(text, "~") || !strcmp(text, "null")) return false;
  if (strchr(",[]{}#&*!|>'\"%@` \t", text[0]) || text[length - 1] == ' ') return false;
  if (strchr("-?:", text[0]) && (length == 1 || strchr(" \t", text[1]))) return false;
  if (!strncmp(text, "---", 3) || !strncmp(text, "...", 3)) return false;
  if (text[length - 1] == ':') return false;
  for (size_t i = 0; i < length; i++) {
    if (strchr("\n\t\r", text[i]) || (unsigned char)text[i] < 0x20) return false;
    if (text[i] == ':' && text[i + 1] == ' ') return false;
    if (text[i] == '#' && text[i - 1] == ' ') return false;
  }
  return true;
}

/* A plain text that stays one inside [ ] too: names and numbers. */
static bool is_word(const Tree *tree) {
  if (tree->kind != TREE_SCALAR || tree->quoted || !is_plain(tree->text.text, tree->text.length))
    return false;
  return !strpbrk(tree->text.text, ",[]{}():?#\"'");
}

/* ---- printing ---- */

static void indent_print(int indent, FILE *out) { fprintf(out, "%*s", indent, ""); }

static void quoted_print(const char *text, size_t length, FILE *out) {
  fputc('"', out);
  for (size_t i = 0; i < length; i++) {
    const unsigned char *c = (const unsigned char *)text + i;
    bool line = c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0xa8 || c[2] == 0xa9);
    bool mark = c[0] == 0xef && ((c[1] == 0xbb && c[2] == 0xbf) || (c[1] == 0xbf && c[2] >= 0xbe));
    if (*c == '"' || *c == '\\')
      fprintf(out, "\\%c", *c);
    else if (*c == '\n')
      fputs("\\n", out);
    else if (*c < 0x20 || *c == 0x7f)
      fprintf(out, "\\x%02x", *c);
    else if (*c == 0xc2 && c[1] < 0xa0)
      fprintf(out, "\\x%02x", c[1]), i++;
    else if (line || mark)
      fprintf(out, "\\u%04x", (c[0] & 15u) << 12 | (c[1] & 63u) << 6 | (c[2] & 63u)), i += 2;
    else
      fputc(*c, out);
  }
  fputc('"', out);
}

/* A literal block below `indent`, with its indentation and its end written out. */
static void literal_print(const char *text, size_t length, int indent, FILE *out) {
  bool ends = length > 0 && text[length - 1] == '\n';
  fprintf(out, "|2%s\n", ends ? "+" : "-");
  for (size_t i = 0; i < length; i++) {
    if (i == 0 || text[i - 1] == '\n')
      if (text[i] != '\n') indent_print(indent, out);
    fputc(text[i], out);
  }
  if (!ends && length > 0) fputc('\n', out);
}

static void node_print(const Tree *tree, int indent, FILE *out);

static void scalar_print(const Tree *tree, int indent, FILE *out) {
  const char *text = tree->text.text;
  size_t length = tree->text.length;
  if (tree->quoted)
    quoted_print(text, length, out);
  else if (is_plain(text, length))
    fputs(text, out);
  else
    return literal_print(text, length, indent, out);
  fputc('\n', out);
}

/* Whether a list prints as [a, b, c] on one line. */
static bool is_words(const Tree *tree) {
  size_t width = 0;
  for (size_t i = 0; i < tree->item_count; i++) {
    if (!is_word(tree->items[i])) return false;
    width += tree->items[i]->text.length + 2;
  }
  return width <= 90;
}

static void words_print(const Tree *tree, FILE *out) {
  fputc('[', out);
  for (size_t i = 0; i < tree->item_count; i++)
    fprintf(out, "%s%s", i ? ", " : "", tree->items[i]->text.text);
  fputs("]\n", out);
}

static void map_print(const Tree *tree, int indent, FILE *out) {
  for (size_t i = 0; i < tree->entry_count; i++) {
    const TreeEntry *entry = &tree->entries[i];
    if (i) indent_print(indent, out);
    size_t length = strlen(entry->key);
    if (is_plain(entry->key, length) || !strcmp(entry->key, "null") || !strcmp(entry->key, "~"))
      fputs(entry->key, out);
    else
      quoted_print(entry->key, length, out);
    fputc(':', out);
    node_print(entry->value, indent + 2, out);
  }
}

static void list_print(const Tree *tree, int indent, FILE *out) {
  for (size_t i = 0; i < tree->item_count; i++) {
    const Tree *item = tree->items[i];
    if (i) indent_print(indent, out);
    fputc('-', out);
    bool map = item->kind == TREE_MAP && item->entry_count;
    bool list = item->kind == TREE_LIST && !is_words(item);
    if (map || list) fputc(' ', out);
    if (map)
      map_print(item, indent + 2, out);
    else if (list)
      list_print(item, indent + 2, out);
    else
      node_print(item, indent + 2, out);
  }
}

/* What stands behind `key:` or `-`, with its blank or line end; `indent` is where nested lines
 * start. */
static void node_print(const Tree *tree, int indent, FILE *out) {
  bool empty_map = tree->kind == TREE_MAP && tree->entry_count == 0;
  if (tree->kind == TREE_NULL) {
    fputs(tree->empty ? "\n" : " null\n", out);
  } else if (empty_map) {
    fputs(" {}\n", out);
  } else if (tree->kind == TREE_SCALAR) {
    fputc(' ', out);
    scalar_print(tree, indent, out);
  } else if (tree->kind == TREE_MAP) {
    fputc('\n', out);
    indent_print(indent, out);
    map_print(tree, indent, out);
  } else {
    if (is_words(tree)) return fputc(' ', out), words_print(tree, out);
    fputc('\n', out);
    indent_print(indent, out);
    list_print(tree, indent, out);
  }
}

void tree_print(const Tree *tree, FILE *out) {
  switch (tree->kind) {
  case TREE_NULL:
    node_print(tree, 0, out);
    break;
  case TREE_SCALAR:
    scalar_print(tree, 2, out);
    break;
  case TREE_LIST:
    if (is_words(tree))
      words_print(tree, out);
    else
      list_print(tree, 0, out);
    break;
  case TREE_MAP:
    if (tree->entry_count)
      map_print(tree, 0, out);
    else
      fputs("{}\n", out);
    break;
  }
}
