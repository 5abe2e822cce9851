/* What there is to train: points with equal programs are one, the rest are jobs in their
 * environments, and each job has a run for every seed. */
#include "compiler/study/plan/plan.h"

#include <string.h>

static bool place_same(const Place *a, const Place *b, size_t cells) {
  if (!a->good || !b->good) return false;
  for (size_t i = 0; i < cells; i++)
    if (a->cells[i].hash != b->cells[i].hash) return false;
  return true;
}

/* ---- overlays that change nothing ---- */

static size_t whole_count(const Plan *plan) {
  size_t count = 1;
  for (size_t k = 0; k < plan->grid_count; k++) count *= plan->grid[k].count;
  return count;
}

/* An overlay that leaves the programs as they are below it at every point of the grid was meant to
 * do something. */
static void check_changes(Plan *plan, const Variant *variant) {
  const Variant *below = &plan->variants[variant->below];
  size_t cells = cell_count(plan), wholes = whole_count(plan);
  if (!variant->overlay || !variant->tree || !below->tree) return;
  for (size_t i = 0; i < wholes; i++)
    if (!place_same(place_at(plan, variant, i), place_at(plan, below, i), cells)) return;
  const TreeEntry *first = &variant->overlay->entries[0];
  diag_error(plan->diag, first->key_span, "change something else, or leave the variant out",
             "'%s' changes nothing: its program is that of '%s'", variant->name,
             below->hidden ? plan_text(tree_get(variant->entry->value, "spec")) : below->name);
}

/* ---- environments ---- */

/* Where each spec has its own, they are those that occur. */
static void envs_collect(Plan *plan, Place **places, size_t count) {
  Study *study = plan->study;
  size_t capacity = 0;
  for (size_t i = 0; i < count; i++) {
    Cell *cell = &places[i]->cells[0];
    if (!cell->good) continue;
    cell->env = 0;
    while (cell->env < study->env_count && strcmp(study->envs[cell->env], cell->env_name))
      cell->env++;
    if (cell->env == study->env_count)
      PUSH(plan->arena, study->envs, study->env_count, capacity, cell->env_name);
  }
}

/* Two files may declare environments of one name, and a name may stand for one of them. */
static void check_env_folders(Plan *plan) {
  const Study *study = plan->study;
  for (size_t i = 0; i < study->env_count; i++)
    for (size_t k = 0; k < i; k++)
      if (strcmp(study_folder(plan->arena, study->envs[i]),
                 study_folder(plan->arena, study->envs[k])) == 0)
        diag_error(plan->diag, plan->env_names ? plan->env_names[i]->span : (Span){0}, NULL,
                   "the folders of '%s' and '%s' would be the same", study->envs[k],
                   study->envs[i]);
}

/* Whether some programs are good in two environments of the study, and all of them are the same in
 * both. */
static bool env_same(Place **places, size_t count, size_t a, size_t b) {
  bool some = false;
  for (size_t i = 0; i < count; i++) {
    const Cell *cells = places[i]->cells;
    if (!places[i]->good) continue;
    if (cells[a].hash != cells[b].hash) return false;
    some = true;
  }
  return some;
}

/* One environment under two names would count twice. */
static void check_envs(Plan *plan, Place **places, size_t count) {
  const Study *study = plan->study;
  for (size_t i = 0; plan->env_names && i < study->env_count; i++)
    for (size_t k = 0; k < i; k++)
      if (env_same(places, count, k, i)) {
        diag_error(plan->diag, plan->env_names[i]->span, "leave one of them out",
                   "'%s' and '%s' are the same environment", study->envs[k], study->envs[i]);
        break;
      }
}

/* ---- jobs and runs ---- */

static void jobs_make(Plan *plan, Place **places, size_t cells) {
  Study *study = plan->study;
  size_t capacity = 0;
  for (size_t i = 0; i < study->point_count; i++) {
    if (study->points[i].same_as != i) continue;
    for (size_t e = 0; e < cells; e++) {
      const Cell *cell = &places[i]->cells[e];
      StudyJob job = {.point = i, .env = cell->env, .spec = cell->tree};
      job.spec_hash = cell->spec_hash;
      job.hash = arena_printf(plan->arena, "%016lx", cell->hash);
      PUSH(plan->arena, study->jobs, study->job_count, capacity, job);
    }
  }
}

static void runs_make(Plan *plan) {
  Study *study = plan->study;
  study->runs = NEW_ARRAY(plan->arena, StudyRun, study->seed_count * study->job_count + 1);
  for (size_t s = 0; s < study->seed_count; s++)
    for (size_t j = 0; j < study->job_count; j++) {
      const StudyJob *job = &study->jobs[j];
      const char *folder =
          arena_printf(plan->arena, "runs/%s/%s/seed-%lu", study->points[job->point].folder,
                       study_folder(plan->arena, study->envs[job->env]), study->seeds[s]);
      study->runs[study->run_count++] = (StudyRun){j, study->seeds[s], folder, STUDY_WAITING, NULL};
    }
}

/* ---- all ---- */

/* The point of `baseline`, which goes from point `first` on, at the values of `place`, a point of
 * `variant`, for the keys that both have; the first where the baseline has more keys. */
static size_t against_of(const Plan *plan, const Variant *baseline, size_t first,
                         const Variant *variant, size_t place) {
  size_t whole = 0;
  for (size_t k = 0; k < plan->grid_count; k++) {
    size_t digit = variant->uses[k].crossed ? 0 : grid_digit(plan, variant, place, k);
    whole = whole * plan->grid[k].count + digit;
  }
  return first + (size_t)(place_at(plan, baseline, whole) - baseline->places);
}

static void compare_all(Study *study, size_t with) {
  study->compare = with;
  for (size_t i = 0; i < study->point_count; i++) study->points[i].against = with;
}

/* The base as it is, wherever the grid has its values; the first point where it has not. */
static size_t base_point(const Study *study) {
  for (size_t i = 0; i < study->point_count; i++)
    if (study->points[i].change_count == 0) return study->points[i].same_as;
  return 0;
}

/* Where a variant with several points is named, every other point has its own of them; with nothing
 * besides these they are compared with the base as it is, or with the first. */
static void compare_variant(Plan *plan) {
  Study *study = plan->study;
  const char *name = study->points[study->compare].variant;
  const Variant *baseline = plan->variants;
  while (baseline->hidden || strcmp(baseline->name, name)) baseline++;
  if (baseline->place_count == study->point_count) return compare_all(study, base_point(study));
  for (size_t v = 0, at = 0; v < plan->variant_count; v++) {
    const Variant *variant = &plan->variants[v];
    for (size_t i = 0; i < variant->place_count && !variant->hidden; i++, at++)
      study->points[at].against = against_of(plan, baseline, study->compare, variant, i);
  }
}

static void compare_read(Plan *plan) {
  Study *study = plan->study;
  const Tree *tree = tree_get(tree_get(study->tree, "report"), "compare");
  if (!plan_text(tree)) return compare_all(study, base_point(study));
  const char **names = NEW_ARRAY(plan->arena, const char *, 2 * study->point_count + 1);
  size_t count = 0;
  for (size_t i = 0; i < study->point_count; i++) names[count++] = study->points[i].name;
  for (size_t i = 0; i < study->point_count; i++) names[count++] = study->points[i].variant;
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], tree->text.text) == 0) {
      compare_all(study, i % study->point_count);
      if (i >= study->point_count && !diag_errors(plan->diag)) compare_variant(plan);
      return;
    }
  diag_error(plan->diag, tree->span, hint_nearest(plan->arena, tree->text.text, names, count),
             "the study has no variant or point '%s'", tree->text.text);
}

Place **plan_places(Plan *plan, size_t *count) {
  Place **places = NULL;
  size_t capacity = 0;
  for (size_t v = 0; v < plan->variant_count; v++)
    for (size_t i = 0; i < plan->variants[v].place_count && !plan->variants[v].hidden; i++) {
      Place *place = &plan->variants[v].places[i];
      PUSH(plan->arena, places, *count, capacity, place);
    }
  return places;
}

void plan_jobs(Plan *plan) {
  Study *study = plan->study;
  size_t cells = cell_count(plan);
  Place **places = plan_places(plan, &study->point_count);
  study->points = NEW_ARRAY(plan->arena, StudyPoint, study->point_count + 1);
  for (size_t i = 0; i < study->point_count; i++) {
    size_t same = 0;
    while (same < i && !place_same(places[same], places[i], cells)) same++;
    places[i]->point.same_as = same;
    study->points[i] = places[i]->point;
  }
  for (size_t v = 1; v < plan->variant_count; v++) check_changes(plan, &plan->variants[v]);
  if (!plan->env_names) envs_collect(plan, places, study->point_count);
  check_env_folders(plan);
  check_envs(plan, places, study->point_count);
  compare_read(plan);
  if (diag_errors(plan->diag)) return; /* a bad cell knows no environment */
  jobs_make(plan, places, cells);
  runs_make(plan);
}
