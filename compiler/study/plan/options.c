/* `options:` of a study, checked against the trainer's table and written as its command line. */
#include "compiler/study/plan/plan.h"
#include "compiler/study/plan/estimate.h"

#include <string.h>
#include <unistd.h>

#include "runtime/trainer.h"

static const char *const known[] = {
#define OPTION(name, ...) name,
#include "runtime/options.def"
#undef OPTION
};

/* What the study sets itself, and where it does; and what would make results depend on the clock
 * or on interruptions. */
static const struct Refused {
  const char *name, *why, *hint;
} refused[] = {
#define OWN "a study sets '%s' itself"
    {"steps", OWN, "write it beside 'options', as in  steps: 300000"},
    {"seed", OWN, "write it beside 'options', as in  seeds: 10"},
    {"seeds", OWN, "write it beside 'options', as in  seeds: 10"},
    {"out", OWN, "each run has a folder of its own, below that of -o"},
    {"resume", OWN, "what was interrupted goes on by itself"},
    {"threads", OWN, "each run has one; --jobs says how many runs there are at once"},
#undef OWN
#define PROGRAM "'%s' is no option of the trainer: it says what the trainers are compiled for"
    {"target", PROGRAM, "it stands on the command line, as in  rlc ablate STUDY --target cuda"},
    {"march", PROGRAM, "it stands on the command line, as in  rlc ablate STUDY --march x86-64-v3"},
#undef PROGRAM
    {"minutes", "with '%s' the clock would say how far a run gets",
     "'steps' beside 'options' bounds every run alike; a study may be interrupted at any time"},
    {"no-replay", "with '%s' a run that was interrupted would become another",
     "leave it out; checkpoint-minutes says how often it is written"},
};

static const struct Refused *refused_find(const char *name, const char *value) {
  for (size_t i = 0; i < COUNTOF(refused); i++)
    if (strcmp(refused[i].name, name) == 0)
      return option_is_flag(name) && strcmp(value, "false") == 0 ? NULL : &refused[i];
  return NULL;
}

/* Whether the trainer has the option and it may have this value. False after reporting. */
static bool option_good(Plan *plan, const TreeEntry *entry) {
  const char *value = plan_text(entry->value), *hint;
  char expected[80];
  if (!value) return false;
  const struct Refused *no = refused_find(entry->key, value);
  if (no)
    return diag_error(plan->diag, entry->key_span, no->hint, "%s",
                      arena_printf(plan->arena, no->why, entry->key));
  switch (option_check(entry->key, value, expected)) {
  case OPTION_GOOD:
    return true;
  case OPTION_UNKNOWN:
    hint = hint_nearest(plan->arena, entry->key, known, COUNTOF(known));
    return diag_error(plan->diag, entry->key_span, hint ? hint : "a trainer's --help lists them",
                      "the trainer has no option '%s'", entry->key);
  case OPTION_VALUE:
    return diag_error(plan->diag, entry->value->span, NULL, "'%s' wants %s, not '%s'", entry->key,
                      expected, value);
  }
  return false;
}

/* A folder is seen from the study's, and means the same from everywhere. */
static const char *folder_value(Plan *plan, const Tree *value) {
  char here[4096];
  const char *path = tree_file(plan->arena, value);
  if (path[0] == '/' || !getcwd(here, sizeof here)) return path;
  return arena_printf(plan->arena, "%s/%s", here, path);
}

bool study_run_options(Arena *arena, const Study *study, const RlcModule *module,
                       Options *options) {
  char **argv = NEW_ARRAY(arena, char *, study->option_count + 2);
  argv[0] = (char *)module->name;
  for (size_t i = 0; i < study->option_count; i++) argv[i + 1] = (char *)study->options[i];
  return options_read(options, module, (int)study->option_count + 1, argv) < 0;
}

uint64_t study_evaluations(const Study *study, const Options *options) {
  uint64_t every = options->eval_every;
  return every ? 1 + study->steps / every + (study->steps % every != 0) : 2;
}

void plan_options(Plan *plan, const Tree *map) {
  Study *study = plan->study;
  size_t capacity = 0;
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    if (!option_good(plan, entry)) continue;
    const char *name = arena_printf(plan->arena, "--%s", entry->key),
               *value = entry->value->text.text;
    if (option_is_flag(entry->key) && strcmp(value, "true")) continue;
    PUSH(plan->arena, study->options, study->option_count, capacity, name);
    if (option_is_flag(entry->key)) continue;
    if (strcmp(entry->key, "data") == 0) value = folder_value(plan, entry->value);
    PUSH(plan->arena, study->options, study->option_count, capacity, value);
  }
}
