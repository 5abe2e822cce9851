/* What a study says of figures beyond curves: `report.axes`, the scales of axes and what scores are
 * drawn over, and `report.arrows`, pictures of arrows between tensors that runs keep. Afterwards an
 * axis that is no logged number has at least two values among the points, and every point keeps
 * what arrows are between. */
#include "compiler/study/plan/plan.h"

#include <math.h>
#include <string.h>

#include "ir/lex.h"

/* ---- axes ---- */

static bool is_logged(const Study *study, const char *name) {
  for (size_t i = 0; i < study->curve_count; i++)
    if (strcmp(study->curves[i].name, name) == 0) return true;
  return strcmp(study->score.metric, name) == 0;
}

/* The nearest of what an axis may be: curves, the score's metric, constants of the base. */
static const char *axis_hint(const Plan *plan, const char *name) {
  const Study *study = plan->study;
  const Tree *constants = tree_get(plan->variants[0].tree, "constants");
  size_t most = study->curve_count + 1 + (constants ? constants->entry_count : 0), count = 0;
  const char **names = NEW_ARRAY(plan->arena, const char *, most);
  for (size_t i = 0; i < study->curve_count; i++) names[count++] = study->curves[i].name;
  names[count++] = study->score.metric;
  for (size_t i = 0; count < most; i++) names[count++] = constants->entries[i].key;
  const char *hint = hint_nearest(plan->arena, name, names, count);
  return hint ? hint : "it is a curve of the report, a constant or a dotted path";
}

static bool axis_scale(Plan *plan, const Tree *tree, bool *log) {
  const char *text = plan_text(tree);
  if (!text) return false;
  *log = strcmp(text, "log") == 0;
  return *log || strcmp(text, "linear") == 0 ||
         diag_error(plan->diag, tree->span, "log or linear", "there is no scale '%s'", text);
}

/* The label of the grid's key that sets what stands at a path of the base; NULL: none does. */
static const char *key_at(Plan *plan, const char *path) {
  const Variant *base = &plan->variants[0];
  for (size_t k = 0; k < plan->grid_count; k++)
    if (!base->uses[k].crossed && strcmp(path_text(plan->arena, &base->uses[k].path), path) == 0)
      return plan->grid[k].label;
  return NULL;
}

static void axis_add(Plan *plan, const TreeEntry *entry) {
  Study *study = plan->study;
  StudyAxis axis = {.name = entry->key};
  TreePath *path = &plan->axis_paths[study->axis_count];
  const Tree *base = plan->variants[0].tree;
  if (!axis_scale(plan, entry->value, &axis.log)) return;
  if (!base) return;
  if (!is_logged(study, entry->key) &&
      tree_path(plan->arena, diag_make(plan->arena), base, entry->key_text, path))
    axis.path = path_text(plan->arena, path), axis.key = key_at(plan, axis.path);
  study->axes[study->axis_count++] = axis;
}

void plan_axes(Plan *plan) {
  const Tree *map = tree_get(tree_get(plan->study->tree, "report"), "axes");
  if (!map || map->kind != TREE_MAP) return;
  plan->study->axes = NEW_ARRAY(plan->arena, StudyAxis, map->entry_count);
  plan->axis_paths = NEW_ARRAY(plan->arena, TreePath, map->entry_count);
  for (size_t i = 0; i < map->entry_count; i++) axis_add(plan, &map->entries[i]);
}

const double *axes_at(Plan *plan, const Tree *spec) {
  const Study *study = plan->study;
  double *at = NEW_ARRAY(plan->arena, double, study->axis_count + 1);
  for (size_t i = 0; i < study->axis_count; i++) {
    const char *text =
        spec && study->axes[i].path ? value_at(plan->arena, spec, &plan->axis_paths[i]) : NULL;
    if (!text || !number_read(text, strlen(text), &at[i]) || !isfinite(at[i])) at[i] = NAN;
  }
  return at;
}

/* Nothing of the base: then it is a logged number that is drawn, by another of its names perhaps,
 * and no other axis is of it. */
static void axis_column(Plan *plan, size_t axis, Span span, Place **places) {
  const Study *study = plan->study;
  StudyAxis *of = &study->axes[axis];
  const char *column = column_of(plan, places, of->name);
  bool drawn = column && strcmp(column, study->score.column) == 0;
  for (size_t i = 0; i < study->curve_count && column; i++)
    drawn = drawn || strcmp(study->curves[i].column, column) == 0;
  if (!drawn) {
    diag_error(plan->diag, span, axis_hint(plan, of->name),
               "'%s' is no curve of this study and nothing that its base has", of->name);
    return;
  }
  of->column = column;
  for (size_t i = 0; i < axis; i++)
    if (study->axes[i].column && strcmp(study->axes[i].column, column) == 0)
      diag_error(plan->diag, span, "leave one of them out", "'%s' and '%s' are one number",
                 study->axes[i].name, of->name);
}

/* What scores are drawn over has several values, and on a logarithmic axis no others than positive
 * ones. */
static void check_axis(Plan *plan, size_t axis, Span span) {
  const Study *study = plan->study;
  double low = INFINITY, high = -INFINITY;
  for (size_t i = 0; i < study->point_count; i++) {
    low = fmin(low, study->points[i].at[axis]);
    high = fmax(high, study->points[i].at[axis]);
  }
  if (!(low < high))
    diag_error(plan->diag, span, "vary it in 'grid' or 'variants', or leave it out",
               "no two points of this study have different numbers at '%s'",
               study->axes[axis].name);
  else if (study->axes[axis].log && low <= 0)
    diag_error(plan->diag, span, "write linear", "'%s' is %g at a point, which has no logarithm",
               study->axes[axis].name, low);
}

/* ---- arrows ---- */

static const Kept *kept_find(const Cell *cell, const char *name) {
  for (size_t i = 0; i < cell->kept_count; i++)
    if (strcmp(cell->kept[i].name, name) == 0) return &cell->kept[i];
  return NULL;
}

static const char *kept_hint(const Plan *plan, const Cell *cell, const char *name) {
  const char **names = NEW_ARRAY(plan->arena, const char *, cell->kept_count + 1);
  for (size_t i = 0; i < cell->kept_count; i++) names[i] = cell->kept[i].name;
  return hint_nearest(plan->arena, name, names, cell->kept_count);
}

/* Four tensors of one size, in every environment of a point. False after reporting. */
static bool check_kept(Plan *plan, const StudyArrows *arrows, Span span, const Place *place) {
  const char *names[] = {arrows->from[0], arrows->from[1], arrows->to[0], arrows->to[1]};
  for (size_t e = 0; e < cell_count(plan); e++) {
    const Cell *cell = &place->cells[e];
    const Kept *first = kept_find(cell, names[0]);
    for (size_t i = 0; i < COUNTOF(names); i++) {
      const Kept *kept = kept_find(cell, names[i]);
      if (!kept)
        return diag_error(plan->diag, span, kept_hint(plan, cell, names[i]),
                          "'%s' keeps no parameter, target or state '%s'", place->point.name,
                          names[i]);
      if (kept->size != first->size)
        return diag_error(plan->diag, span, "each arrow has a number of each",
                          "of '%s', '%s' has %lu numbers and '%s' %lu", place->point.name, names[i],
                          kept->size, names[0], first->size);
    }
  }
  return true;
}

/* Two names. False after reporting. */
static bool read_ends(Plan *plan, const Tree *map, const char *key, const char *ends[2]) {
  const TreeEntry *entry = tree_entry(map, key);
  const char **names;
  if (!entry) return false;
  size_t count = plan_names(plan, entry->value, "a tensor", &names, NULL);
  if (count != 2)
    return diag_error(plan->diag, entry->value->span, "as in  [x, y]",
                      "an arrow has two ends of two names each, and not %zu", count);
  ends[0] = names[0], ends[1] = names[1];
  return true;
}

static void arrows_add(Plan *plan, const TreeEntry *entry, Place **places, size_t count) {
  Study *study = plan->study;
  StudyArrows arrows = {.name = entry->key};
  bool good = read_ends(plan, entry->value, "from", arrows.from);
  good = read_ends(plan, entry->value, "to", arrows.to) && good;
  if (!good) return;
  study->arrows[study->arrow_count++] = arrows;
  for (size_t i = 0; i < count; i++)
    if (!check_kept(plan, &arrows, entry->key_span, places[i])) return;
}

/* ---- all ---- */

void plan_figures(Plan *plan) {
  Study *study = plan->study;
  const Tree *report = tree_get(study->tree, "report");
  const Tree *axes = tree_get(report, "axes"), *map = tree_get(report, "arrows");
  size_t count = 0;
  if (diag_errors(plan->diag)) return; /* what its points are is not known */
  Place **places = plan_places(plan, &count);
  for (size_t i = 0; i < study->axis_count; i++) {
    Span span = axes->entries[i].key_span;
    if (study->axes[i].path)
      check_axis(plan, i, span);
    else
      axis_column(plan, i, span, places);
  }
  if (!map || map->kind != TREE_MAP) return;
  study->arrows = NEW_ARRAY(plan->arena, StudyArrows, map->entry_count);
  for (size_t i = 0; i < map->entry_count; i++) arrows_add(plan, &map->entries[i], places, count);
}
