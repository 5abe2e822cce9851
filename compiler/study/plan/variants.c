/* The base, the variants and the grid of a study, and what each key of the grid is to each variant.
 * Afterwards a variant's tree is NULL where something was wrong with it. */
#include "compiler/study/plan/plan.h"

#include <string.h>

#include "dsl/overlay.h"
#include "dsl/yaml.h"

/* ---- specifications ---- */

/* A study or an environment where a specification is wanted: one message in place of all that it
 * lacks. */
static bool is_spec(Plan *plan, const Tree *tree, const Tree *path) {
  bool other = tree_get(tree, "study") || tree_get(tree, "environment");
  if (!other || tree_get(tree, "losses")) return true;
  tree_check_keys(plan->arena, plan->diag, tree, "spec");
  diag_note(plan->diag, path->span, "the study names it here");
  return false;
}

static Tree *spec_load(Plan *plan, const Tree *path) {
  if (!plan_text(path)) return NULL;
  Tree *tree = tree_load_from(plan->arena, plan->diag, tree_file(plan->arena, path),
                              "a loss specification", path->span);
  return tree && is_spec(plan, tree, path) ? tree : NULL;
}

static Variant *variant_add(Plan *plan, Variant variant) {
  PUSH(plan->arena, plan->variants, plan->variant_count, plan->variant_capacity, variant);
  return &plan->variants[plan->variant_count - 1];
}

/* ---- overlays ---- */

/* `above` with the parts of a key behind it, which dots separate. */
static TreePath path_below(Arena *arena, const TreePath *above, const char *key) {
  TreePath path = {NULL, NULL, 0};
  size_t capacity = 0;
  for (size_t i = 0; i < above->count; i++)
    PUSH(arena, path.names, path.count, capacity, above->names[i]);
  bool dotted = !strpbrk(key, "[( ");
  for (const char *at = key; *at;) {
    size_t length = dotted ? strcspn(at, ".") : strlen(at);
    PUSH(arena, path.names, path.count, capacity, arena_copy(arena, at, length));
    at += length + (at[length] == '.');
  }
  return path;
}

/* Whether an overlay says what an entry below `above` says, or a part of it. */
static bool says_too(Arena *arena, const Tree *overlay, const TreePath *above,
                     const TreeEntry *entry) {
  TreePath path = path_below(arena, above, entry->key);
  const Tree *value = entry->value;
  if (value->kind != TREE_MAP) return tree_sets(arena, overlay, &path);
  for (size_t i = 0; i < value->entry_count; i++)
    if (says_too(arena, overlay, &path, &value->entries[i])) return true;
  return false;
}

/* Adds what no entry before it has said: of two the last would hold, and nobody would know. */
static void overlay_add(Plan *plan, Tree *overlay, TreeEntry entry) {
  for (size_t i = 0; i < overlay->entry_count; i++) {
    const TreeEntry *before = &overlay->entries[i];
    if (says_too(plan->arena, tree_map_of(plan->arena, before->key_span, *before),
                 &(TreePath){NULL, NULL, 0}, &entry))
      return (void)diag_error(plan->diag, entry.key_span, "leave one of them out",
                              "'%.*s' and '%.*s' set the same thing", (int)before->key_text.length,
                              before->key_text.text, (int)entry.key_text.length,
                              entry.key_text.text);
  }
  tree_put(plan->arena, overlay, entry);
}

/* What a variant says besides `spec`. */
static Tree *overlay_of(Plan *plan, const Tree *map, const Tree *bottom) {
  Tree *overlay = tree_map(plan->arena, map->span);
  for (size_t i = 0; i < map->entry_count; i++) {
    TreeEntry entry = map->entries[i];
    bool root = key_is_root(entry.key) && strcmp(entry.key, "extends");
    if (strcmp(entry.key, "spec") == 0) continue;
    if (bottom && !strchr(entry.key, '.') && !root) {
      TreePath path; /* a bare name is a constant, as in `key=value` */
      if (!tree_path(plan->arena, plan->diag, bottom, entry.key_text, &path)) continue;
      entry.key = arena_printf(plan->arena, "constants.%s", entry.key);
    }
    overlay_add(plan, overlay, entry);
  }
  return overlay->entry_count ? overlay : NULL;
}

/* ---- what is laid on all ---- */

/* The base with what `with` says laid on. */
static Tree *base_lay(Plan *plan, Tree *tree) {
  Study *study = plan->study;
  const Tree *common = tree_get(study->tree, "with");
  Tree *said = common ? tree_map(plan->arena, common->span) : NULL;
  size_t capacity = 0;
  for (size_t i = 0; common && i < common->entry_count && tree; i++) {
    const TreeEntry *entry = &common->entries[i];
    TreeEntry whole = *entry;
    TreePath path;
    if (!tree_path(plan->arena, plan->diag, tree, entry->key_text, &path)) continue;
    whole.key = path_text(plan->arena, &path);
    overlay_add(plan, said, whole);
    StudyChange change = {path_text(plan->arena, &path), value_at(plan->arena, tree, &path),
                          value_text(plan->arena, entry->value)};
    PUSH(plan->arena, study->with, study->with_count, capacity, change);
    tree = tree_assign(plan->arena, plan->diag, tree, &path, entry->value);
  }
  return tree;
}

/* The spec of a variant with what `with` says laid on, as far as it has a place for it. */
static Tree *variant_lay(Plan *plan, Variant *variant, Tree *tree) {
  const Tree *common = tree_get(plan->study->tree, "with");
  size_t capacity = 0;
  for (size_t i = 0; common && i < common->entry_count && tree; i++) {
    const TreeEntry *entry = &common->entries[i];
    TreePath path;
    if (tree_path(plan->arena, diag_make(plan->arena), tree, entry->key_text, &path) &&
        tree_takes(plan->arena, tree, plan->prelude, &path)) {
      tree = tree_assign(plan->arena, plan->diag, tree, &path, entry->value);
      continue;
    }
    StudyCrossed without = {entry->key,
                            arena_printf(plan->arena, "%s has no '%s'", variant->name, entry->key)};
    PUSH(plan->arena, variant->without, variant->without_count, capacity, without);
  }
  return tree;
}

static void base_add(Plan *plan) {
  const Tree *path = tree_get(plan->study->tree, "base");
  plan->study->base = plan_text(path);
  Variant base = {.tree = base_lay(plan, spec_load(plan, path)),
                  .span = path ? path->span : (Span){0}};
  const char *name = plan_text(tree_get(base.tree, "name"));
  base.name = name && *name ? name : "base";
  variant_add(plan, base);
}

/* The environment of a study with `envs` is not said a second time. */
static bool check_env(Plan *plan, const Tree *overlay) {
  for (size_t i = 0; plan->study->env_count && i < overlay->entry_count; i++) {
    const TreeEntry *entry = &overlay->entries[i];
    const Tree *id = strcmp(entry->key, "env") ? NULL : entry->value;
    if (id && id->kind == TREE_MAP) id = tree_get(id, "id");
    if (id || strcmp(entry->key, "env.id") == 0)
      return diag_error(plan->diag, entry->key_span, "leave 'envs' out where variants differ in it",
                        "a study with 'envs' runs in these");
  }
  return true;
}

static bool name_good(Plan *plan, const TreeEntry *entry) {
  if (!*entry->key) return diag_error(plan->diag, entry->key_span, NULL, "a variant has no name");
  if (!plan_one_line(entry->key))
    return diag_error(plan->diag, entry->key_span, "tables and messages have it in a line",
                      "the name of a variant holds a line break or another control character");
  return strcmp(entry->key, plan->variants[0].name) ||
         diag_error(plan->diag, entry->key_span, "choose another name",
                    "the base is called '%s' too", entry->key);
}

static void variant_read(Plan *plan, const TreeEntry *entry) {
  const Tree *map = entry->value, *spec = tree_get(map, "spec");
  if (map->kind != TREE_MAP) return;
  Variant variant = {.name = entry->key, .span = entry->key_span, .entry = entry};
  const Tree *bottom = plan->variants[0].tree;
  bool good = name_good(plan, entry);
  if (spec) bottom = variant_lay(plan, &variant, spec_load(plan, spec));
  variant.overlay = overlay_of(plan, map, bottom);
  if (map->entry_count == 0)
    good = diag_error(plan->diag, entry->key_span, "say what differs, or leave it out",
                      "the variant '%s' changes nothing", entry->key);
  if (spec && variant.overlay) {
    variant.below = plan->variant_count;
    variant_add(plan, (Variant){.name = entry->key,
                                .span = spec->span,
                                .entry = entry,
                                .hidden = true,
                                .tree = (Tree *)bottom});
  }
  variant.tree = (Tree *)bottom;
  if (variant.overlay) good = check_env(plan, variant.overlay) && good;
  if (bottom && variant.overlay)
    variant.tree = tree_overlay(plan->arena, plan->diag, bottom, variant.overlay);
  if (!good) variant.tree = NULL;
  variant_add(plan, variant);
}

/* ---- the grid ---- */

/* Whether `tail` is all of a path or its last parts. */
static bool ends_with(const char *path, const char *tail) {
  size_t n = strlen(path), m = strlen(tail);
  return m <= n && strcmp(path + n - m, tail) == 0 && (m == n || path[n - m - 1] == '.');
}

static const char *label_of(const Plan *plan, const char *path) {
  for (const char *tail = path + strlen(path); tail > path;) {
    while (tail > path && *--tail != '.') {
    }
    const char *label = *tail == '.' ? tail + 1 : tail;
    size_t others = 0;
    for (size_t i = 0; i < plan->grid_count; i++)
      others += ends_with(plan->grid[i].entry->key, label);
    if (*label && others == 1) return label;
  }
  return path;
}

/* Whether a value of the grid is one, and none of those before it. */
static bool value_good(Plan *plan, const GridKey *key, Tree *value) {
  const char *text = value_text(plan->arena, value);
  if (value->empty)
    return diag_error(plan->diag, value->span, "write null to remove what the spec has",
                      "a value of '%s' is missing", key->entry->key);
  for (size_t i = 0; i < key->count; i++)
    if (strcmp(text, value_text(plan->arena, key->values[i])) == 0)
      return diag_error(plan->diag, value->span, NULL, "the value %s stands there twice", text);
  return true;
}

static void key_read(Plan *plan, const TreeEntry *entry) {
  const Tree *list = entry->value;
  GridKey key = {.entry = entry};
  if (list->kind != TREE_LIST) return;
  if (list->item_count == 0)
    diag_error(plan->diag, list->span, "as in  K: [1, 2, 4]", "'%s' has no values", entry->key);
  key.values = NEW_ARRAY(plan->arena, Tree *, list->item_count + 1);
  for (size_t i = 0; i < list->item_count; i++)
    if (value_good(plan, &key, list->items[i])) key.values[key.count++] = list->items[i];
  if (key.count) plan->grid[plan->grid_count++] = key;
}

/* The grid for whoever reads the study. */
static void grid_tell(Plan *plan) {
  Study *study = plan->study;
  study->grid = NEW_ARRAY(plan->arena, StudyKey, plan->grid_count);
  for (; study->grid_count < plan->grid_count; study->grid_count++) {
    const GridKey *key = &plan->grid[study->grid_count];
    StudyKey *told = &study->grid[study->grid_count];
    *told = (StudyKey){key->entry->key, key->label, NULL, 0};
    told->values = NEW_ARRAY(plan->arena, const char *, key->count);
    for (; told->count < key->count; told->count++)
      told->values[told->count] = value_text(plan->arena, key->values[told->count]);
  }
}

static void grid_read(Plan *plan, const Tree *map) {
  if (!map || map->kind != TREE_MAP) return;
  plan->grid = NEW_ARRAY(plan->arena, GridKey, map->entry_count + 1);
  for (size_t i = 0; i < map->entry_count; i++) key_read(plan, &map->entries[i]);
  for (size_t i = 0; i < plan->grid_count; i++)
    plan->grid[i].label = label_of(plan, plan->grid[i].entry->key);
  grid_tell(plan);
}

/* ---- the grid and the variants ---- */

static GridUse use_of(Plan *plan, const Variant *variant, const GridKey *key) {
  GridUse use = {0};
  const char *name = variant->name, *path = key->entry->key;
  Diag *quiet = diag_make(plan->arena);
  bool there = tree_path(plan->arena, quiet, variant->tree, key->entry->key_text, &use.path);
  if (there && variant->overlay && tree_sets(plan->arena, variant->overlay, &use.path))
    use.why = arena_printf(plan->arena, "%s sets it itself", name);
  else if (!there || !tree_takes(plan->arena, variant->tree, plan->prelude, &use.path))
    use.why = arena_printf(plan->arena, "%s has no '%s'", name, path);
  use.crossed = use.why != NULL;
  return use;
}

/* A key that no variant has is a mistake: of the base it is said as of any override, here or when
 * the base is elaborated with it. */
static void check_used(Plan *plan, size_t k) {
  Variant *base = &plan->variants[0];
  for (size_t i = 0; i < plan->variant_count; i++) {
    const Variant *variant = &plan->variants[i];
    if (!variant->tree || (!variant->hidden && !variant->uses[k].crossed)) return;
  }
  const ExprText text = plan->grid[k].entry->key_text;
  GridUse use = {0};
  if (tree_path(plan->arena, plan->diag, base->tree, text, &use.path)) base->uses[k] = use;
}

static void check_grid_env(Plan *plan, const GridKey *key, const TreePath *path) {
  bool env =
      strcmp(path->names[0], "env") == 0 && (path->count == 1 || strcmp(path->names[1], "id") == 0);
  if (env && plan->study->env_count)
    diag_error(plan->diag, key->entry->key_span, "leave one of them out",
               "the environments are in 'envs' already");
}

/* Whether one path leads to the other, or through it. */
static bool overlap(const TreePath *a, const TreePath *b) {
  for (size_t i = 0; i < a->count && i < b->count; i++)
    if (strcmp(a->names[i], b->names[i])) return false;
  return true;
}

static void check_uses(Plan *plan, const Variant *variant) {
  for (size_t k = 0; k < plan->grid_count; k++) {
    if (variant->uses[k].crossed) continue;
    check_grid_env(plan, &plan->grid[k], &variant->uses[k].path);
    for (size_t j = 0; j < k; j++)
      if (!variant->uses[j].crossed && overlap(&variant->uses[j].path, &variant->uses[k].path))
        diag_error(plan->diag, plan->grid[k].entry->key_span, "leave one of them out",
                   "'%s' and '%s' set the same thing", plan->grid[j].entry->key,
                   plan->grid[k].entry->key);
  }
}

void plan_variants(Plan *plan) {
  const Tree *map = tree_get(plan->study->tree, "variants");
  base_add(plan);
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++)
    variant_read(plan, &map->entries[i]);
  grid_read(plan, tree_get(plan->study->tree, "grid"));
  for (size_t i = 0; i < plan->variant_count; i++) {
    Variant *variant = &plan->variants[i];
    variant->uses = NEW_ARRAY(plan->arena, GridUse, plan->grid_count + 1);
    for (size_t k = 0; variant->tree && k < plan->grid_count; k++)
      variant->uses[k] = use_of(plan, variant, &plan->grid[k]);
  }
  for (size_t k = 0; plan->variants[0].tree && k < plan->grid_count; k++) check_used(plan, k);
  for (size_t i = 0; i < plan->variant_count; i++)
    if (plan->variants[i].tree) check_uses(plan, &plan->variants[i]);
}
