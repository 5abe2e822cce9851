/* Every variant at every point of the grid that means something for it, in every environment: its
 * specification, its name and its differences to the base. */
#include "compiler/study/plan/plan.h"

#include <ctype.h>
#include <string.h>

#include "dsl/yaml.h"

/* ---- counting ---- */

size_t cell_count(const Plan *plan) { return plan->env_names ? plan->study->env_count : 1; }

size_t place_count_of(const Plan *plan, const Variant *variant) {
  size_t count = 1;
  for (size_t k = 0; k < plan->grid_count; k++)
    if (!variant->uses[k].crossed && count <= POINT_LIMIT) count *= plan->grid[k].count;
  return count;
}

size_t grid_digit(const Plan *plan, const Variant *variant, size_t number, size_t k) {
  for (size_t j = plan->grid_count; --j > k;)
    if (!variant || !variant->uses[j].crossed) number /= plan->grid[j].count;
  return number % plan->grid[k].count;
}

Place *place_at(const Plan *plan, const Variant *variant, size_t whole) {
  size_t number = 0;
  for (size_t k = 0; k < plan->grid_count; k++)
    if (!variant->uses[k].crossed)
      number = number * plan->grid[k].count + grid_digit(plan, NULL, whole, k);
  return &variant->places[number];
}

/* ---- one point ---- */

static void name_point(Plan *plan, const Variant *variant, size_t number, StudyPoint *point) {
  size_t capacity = 0, room = 0;
  for (size_t k = 0; k < plan->grid_count; k++) {
    const GridKey *key = &plan->grid[k];
    StudyCrossed crossed = {key->entry->key, variant->uses[k].why};
    if (crossed.why) PUSH(plan->arena, point->crossed, point->crossed_count, capacity, crossed);
    if (crossed.why) continue;
    Tree *tree = key->values[grid_digit(plan, variant, number, k)];
    StudyValue value = {key->label, value_text(plan->arena, tree)};
    PUSH(plan->arena, point->values, point->value_count, room, value);
  }
  for (size_t i = 0; i < variant->without_count; i++)
    PUSH(plan->arena, point->crossed, point->crossed_count, capacity, variant->without[i]);
  point->name = study_point_name(plan->arena, point, NULL);
  point->folder = study_folder(plan->arena, point->name);
}

/* The variant's specification with the values of the grid laid on it. NULL after reporting. */
static Tree *point_tree(Plan *plan, const Variant *variant, size_t number) {
  Tree *tree = variant->tree;
  for (size_t k = 0; tree && k < plan->grid_count; k++) {
    if (variant->uses[k].crossed) continue;
    Tree *value = plan->grid[k].values[grid_digit(plan, variant, number, k)];
    tree = tree_assign(plan->arena, plan->diag, tree, &variant->uses[k].path, value);
  }
  return tree;
}

static Tree *env_lay(Plan *plan, const Tree *tree, Tree *name) {
  const char *names[] = {"env", "id"};
  Span spans[] = {name->span, name->span};
  TreePath path = {names, spans, COUNTOF(names)};
  return tree_assign(plan->arena, plan->diag, tree, &path, name);
}

/* As it is run: where the study has environments it is no difference which one a spec names. */
static const Tree *in_env(Plan *plan, const Tree *tree) {
  return plan->study->env_count ? env_lay(plan, tree, plan->env_names[0]) : tree;
}

static void place_make(Plan *plan, const Variant *variant, size_t number, Place *place) {
  size_t cells = cell_count(plan);
  Tree *tree = point_tree(plan, variant, number);
  place->point.variant = variant->name;
  place->point.span = variant->span;
  name_point(plan, variant, number, &place->point);
  place->point.at = axes_at(plan, tree);
  place->point.at_count = plan->study->axis_count;
  place->cells = NEW_ARRAY(plan->arena, Cell, cells);
  for (size_t i = 0; tree && i < cells; i++)
    place->cells[i] =
        (Cell){.env = i, .tree = plan->env_names ? env_lay(plan, tree, plan->env_names[i]) : tree};
  if (tree && plan->variants[0].tree && !variant->hidden)
    place->point.change_count = changes_find(plan->arena, in_env(plan, plan->variants[0].tree),
                                             in_env(plan, tree), &place->point.changes);
}

/* ---- names ---- */

static void check_name(Plan *plan, const StudyPoint *point, const StudyPoint *other) {
  if (strcmp(point->name, other->name) == 0)
    diag_error(plan->diag, point->span, "choose another name", "two points are called '%s'",
               point->name);
  else if (strcmp(point->folder, other->folder) == 0)
    diag_error(plan->diag, point->span, "choose another name",
               "the folders of '%s' and '%s' would both be '%s'", other->name, point->name,
               point->folder);
}

/* Where the longest part of a point's name stands: the variant's, or a value of the grid. */
static Span long_part(Plan *plan, const Variant *variant, size_t number) {
  Span span = variant->span;
  size_t longest = strlen(variant->name);
  for (size_t k = 0; k < plan->grid_count; k++) {
    if (variant->uses[k].crossed) continue;
    const Tree *value = plan->grid[k].values[grid_digit(plan, variant, number, k)];
    size_t length = strlen(value_text(plan->arena, value));
    if (length > longest) longest = length, span = value->span;
  }
  return span;
}

/* Each point against those before it. */
static void check_names(Plan *plan) {
  const StudyPoint *seen[POINT_LIMIT];
  size_t count = 0;
  for (size_t v = 0; v < plan->variant_count; v++) {
    const Variant *variant = &plan->variants[v];
    for (size_t i = 0; i < variant->place_count && !variant->hidden; i++) {
      const StudyPoint *point = &variant->places[i].point;
      if (strlen(point->folder) > FOLDER_LIMIT)
        diag_error(plan->diag, long_part(plan, variant, i), "give it as a variant with a name",
                   "the name of a point has %zu bytes, at most %d", strlen(point->folder),
                   FOLDER_LIMIT);
      for (size_t k = 0; k < count; k++) check_name(plan, point, seen[k]);
      seen[count++] = point;
    }
  }
}

/* ---- all ---- */

/* Whether there are no more points than anybody meant. */
static bool check_count(Plan *plan) {
  const TreeEntry *grid = tree_entry(plan->study->tree, "grid"),
                  *variants = tree_entry(plan->study->tree, "variants");
  size_t count = 0;
  for (size_t v = 0; v < plan->variant_count; v++)
    if (!plan->variants[v].hidden) count += place_count_of(plan, &plan->variants[v]);
  if (count <= POINT_LIMIT) return true;
  const TreeEntry *entry = grid ? grid : variants;
  return diag_error(plan->diag, entry->key_span, "cut it into several studies",
                    "the study has more than %d points", POINT_LIMIT);
}

bool plan_points(Plan *plan) {
  if (!check_count(plan)) return false;
  for (size_t v = 0; v < plan->variant_count; v++) {
    Variant *variant = &plan->variants[v];
    if (!variant->tree) continue;
    variant->place_count = place_count_of(plan, variant);
    variant->places = NEW_ARRAY(plan->arena, Place, variant->place_count);
    for (size_t i = 0; i < variant->place_count; i++)
      place_make(plan, variant, i, &variant->places[i]);
  }
  check_names(plan);
  return true;
}
