/* What the runs of a study log, known before anything runs, under the names that logs.c finds in
 * their files. The score is a number that all of them log; a curve of the report is one that some
 * do, and points know which they lack. Afterwards both are columns by their full names, one for all
 * runs: a last part that means one column here and another there is an error. */
#include "compiler/study/plan/plan.h"
#include "compiler/study/plan/estimate.h"

#include <string.h>

#include "runtime/safetensors.h"
#include "runtime/training.h"

/* ---- the columns of a module ---- */

static void names_add(Arena *arena, LogTable *table, const char *const *names, size_t count) {
  table->names = NEW_ARRAY(arena, const char *, count + 1);
  table->columns = count;
  for (size_t i = 0; i < count; i++)
    table->names[i] = arena_copy(arena, names[i], strlen(names[i]));
}

/* The runtime's own list of the slots, which have no memory yet. */
static void progress_columns(Arena *arena, const Graph *graph, LogTable *table) {
  RlcSlot *slots = NEW_ARRAY(arena, RlcSlot, graph->slot_count + 1);
  for (uint32_t i = 0; i < graph->slot_count; i++) {
    const Slot *slot = &graph->slots[i];
    slots[i] = (RlcSlot){.name = slot->name, .kind = slot->kind, .type = slot->type};
  }
  RlcModule module = {.slots = slots, .slot_count = graph->slot_count};
  Metrics metrics;
  RunError error;
  if (!metrics_make(&metrics, &module, &error)) bug("%s", error.text);
  names_add(arena, table, metrics.name, metrics.columns);
  metrics_free(&metrics);
}

/* What a checkpoint of it holds. */
static void cell_kept(Cell *cell, const Graph *graph) {
  cell->kept = NEW_ARRAY(cell->arena, Kept, graph->slot_count + 1);
  for (uint32_t i = 0; i < graph->slot_count; i++) {
    const Slot *slot = &graph->slots[i];
    RlcSlot saved = {.name = slot->name, .kind = slot->kind, .type = slot->type};
    if (!safetensors_saves(&saved)) continue;
    cell->kept[cell->kept_count++] = (Kept){arena_copy(cell->arena, slot->name, strlen(slot->name)),
                                            axes_extent(graph, slot->axes)};
  }
}

void cell_columns(const Study *study, Cell *cell, const Module *module) {
  Options options;
  names_add(cell->arena, &cell->logs.evaluations, evaluation_columns, EVALUATION_COLUMNS);
  for (size_t i = 0; i < EVALUATION_COLUMNS; i++)
    cell->filled |= (uint64_t)evaluation_fills(&module->shell, i) << i;
  progress_columns(cell->arena, module->graph, &cell->logs.progress);
  cell_kept(cell, module->graph);
  if (study_run_options(cell->arena, study, &module->shell, &options) && options.eval_episodes)
    cell->evaluations = study_evaluations(study, &options);
}

void cell_columns_copy(Arena *arena, Cell *cell) {
  LogTable *tables[] = {&cell->logs.evaluations, &cell->logs.progress};
  for (size_t t = 0; t < COUNTOF(tables); t++)
    names_add(arena, tables[t], tables[t]->names, tables[t]->columns);
  const Kept *kept = cell->kept;
  cell->kept = NEW_ARRAY(arena, Kept, cell->kept_count + 1);
  for (size_t i = 0; i < cell->kept_count; i++)
    cell->kept[i] = (Kept){arena_copy(arena, kept[i].name, strlen(kept[i].name)), kept[i].size};
}

/* ---- what a study names ---- */

/* Whether the runs of a cell have values in a column. */
static bool is_filled(const Cell *cell, const char *column) {
  const LogTable *table = &cell->logs.evaluations;
  for (size_t i = 0; i < table->columns; i++)
    if (strcmp(table->names[i], column) == 0) return cell->filled >> i & 1;
  return true;
}

/* A name of the study, and how many of its points log it. */
typedef struct Wanted {
  const char *name;
  Span span;
  size_t found;
  size_t lacking;     /* the first point that does not */
  bool named;         /* as a column that stays empty */
  bool ambiguous;     /* which has been said */
  const char *column; /* its full name, */
  const char *of;     /* and the first point that logs it */
} Wanted;

/* Says that the name may be two columns: of one run, or of runs of two points. */
static void ambiguous_say(Plan *plan, Wanted *wanted, const char *column, const char *other,
                          const char *of) {
  bool differ = !other && wanted->column && strcmp(wanted->column, column) != 0;
  if ((!other && !differ) || wanted->ambiguous) return;
  wanted->ambiguous = true;
  if (other)
    diag_error(plan->diag, wanted->span, "write it whole", "'%s' may be '%s' or '%s'", wanted->name,
               column, other);
  else
    diag_error(plan->diag, wanted->span, "write it whole", "'%s' is '%s' of '%s' and '%s' of '%s'",
               wanted->name, wanted->column, wanted->of, column, of);
}

static bool cell_logs(Plan *plan, Wanted *wanted, const Place *place, const Cell *cell) {
  const char *other, *column = logs_find(&cell->logs, wanted->name, &other);
  if (!column) return false;
  ambiguous_say(plan, wanted, column, other, place->point.name);
  wanted->named = true;
  if (!wanted->column) wanted->column = column, wanted->of = place->point.name;
  return is_filled(cell, column);
}

static void look_for(Plan *plan, Wanted *wanted, Place **places, bool *logged) {
  wanted->lacking = SIZE_MAX;
  for (size_t i = 0; i < plan->study->point_count; i++) {
    logged[i] = true;
    for (size_t e = 0; e < cell_count(plan); e++)
      logged[i] = cell_logs(plan, wanted, places[i], &places[i]->cells[e]) && logged[i];
    wanted->found += logged[i];
    if (!logged[i] && wanted->lacking == SIZE_MAX) wanted->lacking = i;
  }
}

/* Every name that some point logs, without those of evaluations that nobody makes. */
static const char *hint_of(Plan *plan, const char *name, Place **places) {
  RunLogs all = {0};
  size_t capacity = 0;
  for (size_t i = 0; i < plan->study->point_count; i++) {
    const LogTable *table = &places[i]->cells[0].logs.progress;
    for (size_t k = 0; k < table->columns; k++)
      PUSH(plan->arena, all.progress.names, all.progress.columns, capacity, table->names[k]);
  }
  all.evaluations = places[0]->cells[0].logs.evaluations;
  return logs_hint(plan->arena, &all, name);
}

/* False after reporting. */
static bool check_wanted(Plan *plan, const Wanted *wanted, Place **places) {
  if (wanted->ambiguous) return false;
  if (wanted->found) return true;
  if (wanted->named)
    return diag_error(
        plan->diag, wanted->span, "what losses log is there, as in  score: {metric: losses/critic}",
        "'%s' is a number of evaluations, and no run of this study makes any", wanted->name);
  const char *hint = hint_of(plan, wanted->name, places);
  return diag_error(plan->diag, wanted->span,
                    hint ? hint : "it is `return` or a column of progress.csv or evaluations.csv",
                    "no run of this study logs '%s'", wanted->name);
}

/* The first evaluation is of what nothing was learnt by; a score of it is none. */
static void check_last(Plan *plan, const Cell *cell) {
  const StudyScore *score = &plan->study->score;
  const Tree *last = tree_get(tree_get(plan->study->tree, "score"), "last");
  const LogTable *table = &cell->logs.evaluations;
  uint64_t count = cell->evaluations;
  bool evaluated = false;
  for (size_t i = 0; i < table->columns; i++)
    evaluated = evaluated || strcmp(table->names[i], score->column) == 0;
  if (evaluated && last && count && score->last >= count)
    diag_error(plan->diag, last->span, "fewer of them, more 'steps', or a smaller 'eval-every'",
               "a run makes %lu evaluations, the first before it has learnt anything: its last %u "
               "are not there",
               count, score->last);
}

static void check_score(Plan *plan, Place **places, bool *logged) {
  Study *study = plan->study;
  const Tree *metric = tree_get(tree_get(study->tree, "score"), "metric");
  const TreeEntry *name = tree_entry(study->tree, "study");
  Wanted wanted = {.name = study->score.metric};
  wanted.span = metric ? metric->span : name ? name->key_span : (Span){0};
  look_for(plan, &wanted, places, logged);
  if (!check_wanted(plan, &wanted, places)) return;
  study->score.column = wanted.column;
  for (size_t i = 0; i < study->point_count; i++) check_last(plan, &places[i]->cells[0]);
  if (wanted.lacking == SIZE_MAX) return;
  diag_error(plan->diag, wanted.span, "the score is a number that all log",
             "'%s' does not log '%s'", study->points[wanted.lacking].name, wanted.name);
}

static void check_curve(Plan *plan, size_t curve, Span span, Place **places, bool *logged) {
  Study *study = plan->study;
  Wanted wanted = {.name = study->curves[curve].name, .span = span};
  look_for(plan, &wanted, places, logged);
  if (!check_wanted(plan, &wanted, places)) return;
  study->curves[curve].column = wanted.column;
  for (size_t i = 0; i < study->point_count; i++) {
    StudyPoint *point = &study->points[i];
    if (logged[i]) continue;
    if (!point->lacks) point->lacks = NEW_ARRAY(plan->arena, const char *, study->curve_count);
    point->lacks[point->lack_count++] = wanted.name;
  }
}

void plan_columns(Plan *plan) {
  Study *study = plan->study;
  size_t count = 0;
  Place **places = plan_places(plan, &count);
  for (size_t i = 0; i < count; i++)
    if (!places[i]->good) return; /* what it logs is not known */
  if (count == 0) return;
  bool *logged = NEW_ARRAY(plan->arena, bool, count);
  check_score(plan, places, logged);
  for (size_t i = 0; i < study->curve_count; i++) {
    if (plan->curve_names)
      check_curve(plan, i, plan->curve_names[i]->span, places, logged);
    else
      study->curves[i].column = study->score.column;
  }
}

const char *column_of(const Plan *plan, Place **places, const char *name) {
  for (size_t i = 0; i < plan->study->point_count; i++)
    for (size_t e = 0; e < cell_count(plan); e++) {
      const char *other, *column = logs_find(&places[i]->cells[e].logs, name, &other);
      if (column) return column;
    }
  return NULL;
}
