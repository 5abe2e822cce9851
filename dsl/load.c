/* A file and what it extends, as one tree. The chain of files is followed to its root, then each is
 * laid on the one below. Afterwards no `extends` is left. */
#include "dsl/yaml.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHAIN_LIMIT 16 /* files that extend one another */

typedef struct Chain {
  const char *paths[CHAIN_LIMIT]; /* as written, for messages */
  char *real[CHAIN_LIMIT];        /* resolved, to know a file again; owned */
  size_t count;
} Chain;

/* ---- files ---- */

static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* "did you mean 'specs/ppo.yaml'?" from the names in the folder of `path`, or NULL. */
static const char *file_hint(Arena *arena, const char *path) {
  size_t folder = folder_length(path), count = 0, capacity = 0;
  const char **names = NULL, *base = path + folder;
  DIR *dir = opendir(folder ? arena_copy(arena, path, folder) : ".");
  if (!dir) return NULL;
  const char *nearest = NULL;
  for (struct dirent *entry; (entry = readdir(dir)) && count < 10000;) {
    const char *name = arena_copy(arena, entry->d_name, strlen(entry->d_name));
    if (name[0] == '.') continue;
    size_t length = strlen(base);
    if (!strncmp(name, base, length) && !strcmp(name + length, ".yaml")) nearest = name;
    PUSH(arena, names, count, capacity, name);
  }
  closedir(dir);
  if (!nearest) nearest = nearest_name(base, names, count);
  return nearest ? arena_printf(arena, "did you mean '%.*s%s'?", (int)folder, path, nearest) : NULL;
}

/* What is there and cannot be read as a file: a run's directory holds its specification. */
static const char *other_hint(Arena *arena, const char *path, const char *expected) {
  const char *config = arena_printf(arena, "%s/config.yaml", path);
  if (access(config, R_OK) == 0)
    return arena_printf(arena, "the specification of that run is '%s'", config);
  return arena_printf(arena, "expected the file of %s", expected);
}

Tree *tree_read(Arena *arena, Diag *diag, const char *path, const char *expected, Span from) {
  const char *error = NULL;
  Source *source = source_read(arena, path, &error);
  if (!source) {
    const char *hint =
        strstr(error, "No such file") ? file_hint(arena, path) : other_hint(arena, path, expected);
    diag_error(diag, from, hint, "cannot read '%s': %s", path, error);
    return NULL;
  }
  Tree *tree = yaml_read(arena, diag, source, 0);
  if (!tree) return NULL;
  const char *hint = arena_printf(arena, "expected %s", expected);
  if (tree->kind == TREE_MAP) return tree;
  if (tree->empty)
    diag_error(diag, (Span){.source = source}, hint, "the file is empty");
  else
    diag_error(diag, tree->span, hint, "a map of keys should start here");
  return NULL;
}

/* ---- the chain ---- */

static bool chain_enter(Arena *arena, Diag *diag, Chain *chain, const char *path, Span from) {
  char *real = realpath(path, NULL);
  size_t known = chain->count;
  for (size_t i = 0; real && i < chain->count; i++)
    if (chain->real[i] && !strcmp(chain->real[i], real)) known = i;
  if (known == chain->count && chain->count < CHAIN_LIMIT) {
    chain->paths[chain->count] = path;
    chain->real[chain->count++] = real;
    return true;
  }
  free(real);
  if (known == chain->count)
    return diag_error(diag, from, NULL, "more than %d files extend one another", CHAIN_LIMIT);
  const char *text = chain->paths[known];
  for (size_t i = known + 1; i < chain->count; i++)
    text = arena_printf(arena, "%s extends %s", text, chain->paths[i]);
  return diag_error(diag, from, "one of them must stand alone", "%s extends %s: a circle", text,
                    chain->paths[known]);
}

/* The path an `extends` means. NULL after reporting. */
static const char *extends_path(Arena *arena, Diag *diag, const TreeEntry *entry) {
  const Tree *value = entry->value;
  if (value->kind != TREE_SCALAR || value->text.length == 0) {
    diag_error(diag, value->empty ? entry->key_span : value->span, "as in extends: sac.yaml",
               "'extends' names one file");
    return NULL;
  }
  return tree_file(arena, value);
}

static Tree *without(Arena *arena, const Tree *map, const char *key) {
  Tree *result = NEW(arena, Tree);
  *result = *map;
  result->entries = NEW_ARRAY(arena, TreeEntry, map->entry_count + 1);
  result->entry_count = 0;
  for (size_t i = 0; i < map->entry_count; i++)
    if (strcmp(map->entries[i].key, key)) result->entries[result->entry_count++] = map->entries[i];
  return result;
}

static Tree *chain_load(Arena *arena, Diag *diag, Chain *chain, const char *path, Span from,
                        const char *expected) {
  if (!chain_enter(arena, diag, chain, path, from)) return NULL;
  Tree *tree = tree_read(arena, diag, path, expected, from);
  const TreeEntry *extends = tree_entry(tree, "extends");
  if (!extends) return tree;
  const char *below = extends_path(arena, diag, extends);
  if (!below) return NULL;
  Tree *base = chain_load(arena, diag, chain, below, extends->value->span, expected);
  return base ? tree_overlay(arena, diag, base, without(arena, tree, "extends")) : NULL;
}

Tree *tree_load_from(Arena *arena, Diag *diag, const char *path, const char *expected, Span from) {
  Chain chain = {.count = 0};
  Tree *tree = chain_load(arena, diag, &chain, path, from, expected);
  for (size_t i = 0; i < chain.count; i++) free(chain.real[i]);
  return tree;
}

Tree *tree_load(Arena *arena, Diag *diag, const char *path, const char *expected) {
  return tree_load_from(arena, diag, path, expected, (Span){0});
}
