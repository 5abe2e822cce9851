/* What a study's file says besides its points: steps, seeds, environments, score, normalisation and
 * report. Values of a wrong kind were reported by tree_check_keys and are passed over here. */
#include "compiler/study/plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/study/statistics/stats.h"
#include "ir/lex.h"

const char *plan_text(const Tree *tree) {
  return tree && tree->kind == TREE_SCALAR ? tree->text.text : NULL;
}

bool plan_one_line(const char *name) {
  while (*name && (unsigned char)*name >= 0x20 && *name != 0x7f) name++;
  return !*name;
}

/* ---- numbers ---- */

/* False after reporting, and without a word where there is no scalar. */
static bool read_number(Plan *plan, const Tree *tree, const char *what, double *number) {
  const char *text = plan_text(tree);
  if (!text) return false;
  if (number_read(text, tree->text.length, number) && isfinite(*number)) return true;
  return diag_error(plan->diag, tree->span, NULL, "%s is a number, not '%s'", what, text);
}

static bool read_whole(Plan *plan, const Tree *tree, const char *what, double low, double high,
                       uint64_t *whole) {
  double number;
  if (!read_number(plan, tree, what, &number)) return false;
  bool good = number >= low && number <= high && number == floor(number);
  if (good) *whole = (uint64_t)number;
  return good || diag_error(plan->diag, tree->span,
                            arena_printf(plan->arena, "from %.0f to %.15g", low, high),
                            "%s is a whole number, not %s", what, tree->text.text);
}

/* ---- lists ---- */

/* One part of a scalar with commas. */
static Tree *scalar_part(Arena *arena, const Tree *tree, size_t begin, size_t end) {
  const char *text = tree->text.text;
  while (begin < end && text[begin] == ' ') begin++;
  while (end > begin && text[end - 1] == ' ') end--;
  Tree *part = NEW(arena, Tree);
  *part = *tree;
  part->text.text = arena_copy(arena, text + begin, end - begin);
  part->text.length = end - begin;
  part->span = text_span(&tree->text, begin, end);
  return part;
}

size_t plan_items(Plan *plan, const Tree *tree, Tree ***items) {
  size_t count = 0, capacity = 0;
  Tree **list = NULL;
  if (tree && tree->kind == TREE_LIST) {
    for (size_t i = 0; i < tree->item_count; i++)
      if (plan_text(tree->items[i])) PUSH(plan->arena, list, count, capacity, tree->items[i]);
  } else if (plan_text(tree)) {
    for (size_t i = 0, end; i <= tree->text.length; i = end + 1) {
      end = i + strcspn(tree->text.text + i, ",");
      Tree *part = scalar_part(plan->arena, tree, i, end);
      PUSH(plan->arena, list, count, capacity, part);
    }
  }
  *items = list;
  return count;
}

size_t plan_names(Plan *plan, const Tree *tree, const char *what, const char ***names,
                  Tree ***written) {
  Tree **items;
  size_t count = plan_items(plan, tree, &items), kept = 0;
  *names = NEW_ARRAY(plan->arena, const char *, count + 1);
  for (size_t i = 0; i < count; i++) {
    const char *name = items[i]->text.text;
    bool twice = false;
    for (size_t k = 0; k < kept; k++) twice = twice || strcmp((*names)[k], name) == 0;
    if (!*name)
      diag_error(plan->diag, items[i]->span, NULL, "the name of %s is missing", what);
    else if (twice)
      diag_error(plan->diag, items[i]->span, NULL, "'%s' stands there twice", name);
    else
      items[kept] = items[i], (*names)[kept++] = name;
  }
  if (written) *written = items;
  return kept;
}

/* ---- what is run ---- */

/* The trainer's default. */
static uint64_t default_steps(void) {
  static const char *const rows[][2] = {
#define OPTION(name, kind, field, standard, ...) {name, standard},
#include "runtime/options.def"
#undef OPTION
  };
  for (size_t i = 0; i < COUNTOF(rows); i++)
    if (strcmp(rows[i][0], "steps") == 0) return strtoull(rows[i][1], NULL, 10);
  return 0;
}

static void read_seed_list(Plan *plan, const Tree *tree) {
  Study *study = plan->study;
  study->seeds = NEW_ARRAY(plan->arena, uint64_t, tree->item_count + 1);
  for (size_t i = 0; i < tree->item_count; i++) {
    uint64_t seed;
    if (!read_whole(plan, tree->items[i], "a seed", 0, 1e15, &seed)) continue;
    for (size_t k = 0; k < study->seed_count; k++)
      if (study->seeds[k] == seed)
        diag_error(plan->diag, tree->items[i]->span, NULL, "the seed %lu stands there twice", seed);
    study->seeds[study->seed_count++] = seed;
  }
  if (tree->item_count == 0)
    diag_error(plan->diag, tree->span, "as in  seeds: 10  or  seeds: [1, 2, 3]",
               "the list of seeds is empty");
  if (study->seed_count > SEED_LIMIT)
    diag_error(plan->diag, tree->span, NULL, "more than %d seeds", SEED_LIMIT);
}

static void read_seeds(Plan *plan, const Tree *tree) {
  Study *study = plan->study;
  uint64_t count = 5;
  if (tree && tree->kind == TREE_LIST) return read_seed_list(plan, tree);
  if (tree && !read_whole(plan, tree, "the number of seeds", 1, SEED_LIMIT, &count)) return;
  study->seeds = NEW_ARRAY(plan->arena, uint64_t, count);
  for (uint64_t i = 0; i < count; i++) study->seeds[i] = i + 1;
  study->seed_count = count;
}

static void read_envs(Plan *plan, const TreeEntry *entry) {
  if (!entry) return;
  size_t count =
      plan_names(plan, entry->value, "an environment", &plan->study->envs, &plan->env_names);
  plan->study->env_count = count;
  if (count == 0) plan->env_names = NULL;
  if (entry->value->kind == TREE_LIST && entry->value->item_count == 0)
    diag_error(plan->diag, entry->value->span, "without 'envs' each spec runs in its own",
               "the list of environments is empty");
}

/* ---- what is counted ---- */

static void read_better(Plan *plan, const Tree *tree) {
  const char *text = plan_text(tree);
  if (!text) return;
  plan->study->score.lower = strcmp(text, "lower") == 0;
  if (!plan->study->score.lower && strcmp(text, "higher"))
    diag_error(plan->diag, tree->span, "higher or lower", "what is better is not '%s'", text);
}

static void read_score(Plan *plan, const Tree *map) {
  StudyScore *score = &plan->study->score;
  const char *metric = plan_text(tree_get(map, "metric"));
  const Tree *failed = tree_get(map, "failed");
  uint64_t last = 1;
  *score = (StudyScore){.metric = metric ? metric : "return", .failed_worst = true};
  read_whole(plan, tree_get(map, "last"), "how many values count", 1, 1e6, &last);
  score->last = (uint32_t)last;
  read_better(plan, tree_get(map, "better"));
  if (!plan_text(failed) || strcmp(failed->text.text, "worst") == 0) return;
  score->failed_worst =
      !read_number(plan, failed, "what a failed run counts as, if not 'worst',", &score->failed);
}

/* The environment that an entry of `normalize` is about; reports one that the study has not. Where
 * each spec has its own, which ones there are is known later. */
static bool read_scale(Plan *plan, const TreeEntry *entry, StudyNormal *normal) {
  const Tree *list = entry->value;
  if (list->kind != TREE_LIST) return false;
  if (list->item_count != 2)
    return diag_error(plan->diag, list->span, "as in  Hopper-v5: [18, 3234]",
                      "the returns that count as 0 and as 1 are two numbers, not %zu",
                      list->item_count);
  if (!read_number(plan, list->items[0], "a return", &normal->zero) ||
      !read_number(plan, list->items[1], "a return", &normal->one))
    return false;
  bool lower = plan->study->score.lower;
  if (normal->zero == normal->one)
    return diag_error(plan->diag, list->span, NULL, "what counts as 0 and as 1 is the same");
  normal->given = normal_good(normal, lower);
  return normal->given ||
         diag_error(plan->diag, list->span,
                    arena_printf(plan->arena, "write [%s, %s]", list->items[1]->text.text,
                                 list->items[0]->text.text),
                    "what counts as 1 must be better than what counts as 0, and with 'better: %s' "
                    "%s is worse than %s",
                    lower ? "lower" : "higher", list->items[1]->text.text,
                    list->items[0]->text.text);
}

void plan_normalize(Plan *plan) {
  Study *study = plan->study;
  const Tree *map = tree_get(study->tree, "normalize");
  study->normal = NEW_ARRAY(plan->arena, StudyNormal, study->env_count + 1);
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    StudyNormal normal = {0};
    size_t env = 0;
    while (env < study->env_count && strcmp(study->envs[env], entry->key)) env++;
    if (env == study->env_count)
      diag_error(plan->diag, entry->key_span,
                 hint_nearest(plan->arena, entry->key, study->envs, study->env_count),
                 "the study has no environment '%s'", entry->key);
    else if (read_scale(plan, entry, &normal))
      study->normal[env] = normal;
  }
}

/* ---- what is shown ---- */

static void read_aggregates(Plan *plan, const Tree *tree) {
  static const char *const standard[] = {"iqm", "mean"};
  Study *study = plan->study;
  Tree **items;
  size_t count = plan_items(plan, tree, &items);
  for (size_t i = 0; i < count; i++) {
    bool known = false;
    for (size_t k = 0; k < STATS_KINDS; k++)
      known = known || strcmp(stats_names[k], items[i]->text.text) == 0;
    const char *hint = hint_nearest(plan->arena, items[i]->text.text, stats_names, STATS_KINDS);
    if (!known)
      diag_error(plan->diag, items[i]->span, hint ? hint : "iqm, mean, median or optimality_gap",
                 "there is no statistic '%s'", items[i]->text.text);
  }
  study->aggregate_count = plan_names(plan, tree, "a statistic", &study->aggregates, NULL);
  if (tree) return;
  study->aggregates = (const char **)standard;
  study->aggregate_count = COUNTOF(standard);
}

/* The score's metric where none are named. */
static void read_curves(Plan *plan, const Tree *tree) {
  Study *study = plan->study;
  const char *standard[] = {study->score.metric}, **names = standard;
  study->curve_count =
      tree ? plan_names(plan, tree, "a logged number", &names, &plan->curve_names) : 1;
  study->curves = NEW_ARRAY(plan->arena, StudyCurve, study->curve_count + 1);
  for (size_t i = 0; i < study->curve_count; i++) study->curves[i].name = names[i];
}

static void read_report(Plan *plan, const Tree *map) {
  Study *study = plan->study;
  const Tree *ci = tree_get(map, "ci");
  uint64_t resamples = 2000;
  read_curves(plan, tree_get(map, "curves"));
  read_aggregates(plan, tree_get(map, "aggregate"));
  study->ci = 0.95;
  if (read_number(plan, ci, "the level of the intervals", &study->ci) &&
      !(study->ci > 0 && study->ci < 1))
    diag_error(plan->diag, ci->span, "as in  ci: 0.95",
               "the level of the intervals is between 0 and 1, not %s", ci->text.text);
  read_whole(plan, tree_get(map, "resamples"), "how often is resampled", 10, 1e7, &resamples);
  study->resamples = (uint32_t)resamples;
}

void plan_read(Plan *plan) {
  Study *study = plan->study;
  const Tree *tree = study->tree, *name = tree_get(tree, "study"), *steps = tree_get(tree, "steps");
  study->name = plan_text(name) ? plan_text(name) : "study";
  study->folder = study_folder(plan->arena, study->name);
  if (plan_text(name) && (!*study->name || strlen(study->name) > FOLDER_LIMIT))
    diag_error(plan->diag, name->span, "its folder is called so",
               "the name of a study has 1 to %d bytes", FOLDER_LIMIT);
  if (!plan_one_line(study->name))
    diag_error(plan->diag, name->span, "tables and messages have it in a line",
               "the name of a study holds a line break or another control character");
  study->doc = plan_text(tree_get(tree, "doc"));
  study->cite = plan_text(tree_get(tree, "cite"));
  study->path = plan->session->spec;
  study->steps = default_steps();
  read_whole(plan, steps, "the number of steps", 1, 1e15, &study->steps);
  read_seeds(plan, tree_get(tree, "seeds"));
  read_envs(plan, tree_entry(tree, "envs"));
  plan_options(plan, tree_get(tree, "options"));
  read_score(plan, tree_get(tree, "score"));
  read_report(plan, tree_get(tree, "report"));
}
