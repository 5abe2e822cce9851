/* Whose a run is, by what lies in the folder. A trainer writes into provenance.json with which
 * words it was begun; the record beside the run's directory says with which it should have been. A
 * directory that was moved, copied or edited by hand is another run, and one that the study does
 * not ask for any more is left alone: neither is mixed with the study's, and none is removed. */
#include "compiler/study/folder/stored.h"
#include "compiler/study/folder/folder.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/json.h"

static const char *text_read(Arena *arena, JsonReader *json, const Source *source) {
  char *text = arena_alloc(arena, source->size + 1);
  *text = '\0';
  json_read_string(json, text, source->size + 1);
  return text;
}

/* A file that may not be there; NULL then, and where it cannot be read. */
static Source *source_there(Arena *arena, const char *path) {
  const char *reason = NULL;
  return access(path, F_OK) == 0 ? source_read(arena, path, &reason) : NULL;
}

/* ---- another run ---- */

/* What a trainer was begun with. */
typedef struct Begun {
  const char *trainer; /* its file's name, which has the hash of its program; NULL: not told */
  const char *options; /* of the study, as a record has them */
  uint64_t seed;
} Begun;

/* The study's own options stand between the seed and the folder (child.c). */
static void read_command(Arena *arena, JsonReader *json, const Source *source, Begun *begun) {
  const char *before = "";
  bool own = false;
  begun->options = "";
  json_enter(json, '[');
  for (size_t at = 0; json_next(json, NULL, 0); at++) {
    const char *word = text_read(arena, json, source);
    if (at == 0) begun->trainer = word;
    if (strcmp(word, "--out") == 0 || strcmp(word, "--resume") == 0) own = false;
    if (own)
      begun->options =
          arena_printf(arena, "%s%s%s", begun->options, *begun->options ? " " : "", word);
    own = own || strcmp(before, "--seed") == 0;
    before = word;
  }
}

static void read_seed(JsonReader *json, Begun *begun) {
  char name[64];
  json_enter(json, '{');
  while (json_next(json, name, sizeof name))
    if (strcmp(name, "seed") == 0)
      begun->seed = json_read_u64(json);
    else
      json_skip(json);
}

static const char *differs(const Runner *runner, const StudyRun *run, const StudyRecord *record) {
  const char *path =
      arena_printf(runner->arena, "%s/%s/provenance.json", runner->folder, run->folder);
  const Source *source = record->found ? source_there(runner->arena, path) : NULL;
  if (!source) return NULL;
  Begun begun = {.seed = run->seed};
  JsonReader json = json_reader(source->text, source->size);
  char name[64];
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    if (strcmp(name, "command") == 0)
      read_command(runner->arena, &json, source, &begun);
    else if (strcmp(name, "options") == 0)
      read_seed(&json, &begun);
    else
      json_skip(&json);
  }
  if (!json_finish(&json)) return "its provenance.json is damaged";
  if (begun.seed != run->seed)
    return arena_printf(runner->arena, "its provenance.json is of seed %lu", begun.seed);
  if (!begun.trainer) return NULL; /* made by hand */
  if (strcmp(begun.trainer, record->trainer) != 0)
    return arena_printf(runner->arena, "its provenance.json is of the program %s, its record of %s",
                        begun.trainer, record->trainer);
  if (strcmp(begun.options, record->options) == 0) return NULL;
  return arena_printf(runner->arena, "its provenance.json has the options '%s', its record '%s'",
                      begun.options, record->options);
}

/* The run may be begun anew meanwhile, and then its record has changed since it was read. */
const char *run_foreign(const Runner *runner, const StudyRun *run, const StudyRecord *record) {
  const char *how = differs(runner, run, record);
  StudyRecord now;
  if (!how || !record_read(runner, run, &now) || !now.found) return how;
  return differs(runner, run, &now);
}

/* ---- another study ---- */

bool study_is_here(const Runner *runner) {
  const char *name = NULL;
  Source *source =
      source_there(runner->arena, arena_printf(runner->arena, "%s/study.json", runner->folder));
  if (!source) return true;
  JsonReader json = json_reader(source->text, source->size);
  char key[64];
  json_enter(&json, '{');
  while (json_next(&json, key, sizeof key))
    if (strcmp(key, "study") == 0)
      name = text_read(runner->arena, &json, source);
    else
      json_skip(&json);
  if (!json_finish(&json) || !name || strcmp(name, runner->study->name) == 0) return true;
  return fprintf(stderr,
                 "error: '%s' is the folder of the study '%s', and '%s' is called '%s': give it "
                 "another folder with -o; if it is the same study, give it back its name, under "
                 "`study:`\n",
                 runner->folder, name, runner->study->path, runner->study->name),
         false;
}

/* ---- what was prepared ---- */

/* How the study asks for other runs than `prepared` does, or NULL. */
static const char *asks_otherwise(const Runner *runner, const Study *prepared) {
  const Study *study = runner->study;
  const char *options = record_options(runner);
  const char *before = study_options(runner->arena, prepared);
  if (strcmp(options, before) != 0)
    return arena_printf(runner->arena, "its runs have the options '%s', and had '%s'", options,
                        before);
  if (study->run_count != prepared->run_count)
    return arena_printf(runner->arena, "it asks for %zu runs, and asked for %zu", study->run_count,
                        prepared->run_count);
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i], *was = &prepared->runs[i];
    if (strcmp(run->folder, was->folder) != 0 || run->seed != was->seed)
      return arena_printf(runner->arena,
                          "it asks for '%s' with seed %lu, and asked for '%s' with "
                          "seed %lu",
                          run->folder, run->seed, was->folder, was->seed);
    if (strcmp(study->jobs[run->job].hash, prepared->jobs[was->job].hash) != 0)
      return arena_printf(runner->arena, "'%s' is another program", run->folder);
  }
  return NULL;
}

bool study_prepared(const Runner *runner) {
  const Study *prepared = study_open(runner->session, runner->folder);
  const char *how = prepared ? asks_otherwise(runner, prepared) : NULL;
  if (!how) return prepared != NULL;
  return fprintf(
             stderr,
             "error: '%s' is not what '%s' was prepared for: %s; nothing is begun: put it back, "
             "or give `rlc ablate` without --worker, which prepares what it asks for now\n",
             runner->study->path, runner->folder, how),
         false;
}

/* ---- runs that are not asked for ---- */

static bool is_asked(const Study *study, const char *folder) {
  for (size_t i = 0; i < study->run_count; i++)
    if (strcmp(study->runs[i].folder, folder) == 0) return true;
  return false;
}

/* `below` is DIR/runs and up to two names more; a run is known by its record. */
static void dropped_find(const Runner *runner, const char *below, int depth, size_t *capacity) {
  Study *study = runner->study;
  DIR *list = opendir(arena_printf(runner->arena, "%s/%s", runner->folder, below));
  if (!list) return;
  for (struct dirent *entry; (entry = readdir(list));) {
    const char *name = arena_printf(runner->arena, "%s/%s", below, entry->d_name);
    size_t length = strlen(name);
    if (entry->d_name[0] == '.') continue;
    if (depth < 2) {
      dropped_find(runner, name, depth + 1, capacity);
    } else if (length > 5 && strcmp(name + length - 5, ".json") == 0) {
      const char *folder = arena_copy(runner->arena, name, length - 5);
      if (!is_asked(study, folder))
        PUSH(runner->arena, study->dropped, study->dropped_count, *capacity, folder);
    }
  }
  closedir(list);
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void study_dropped(const Runner *runner) {
  Study *study = runner->study;
  size_t capacity = 0;
  study->dropped = NULL, study->dropped_count = 0;
  dropped_find(runner, "runs", 0, &capacity);
  if (study->dropped_count)
    qsort(study->dropped, study->dropped_count, sizeof *study->dropped, compare_names);
}

void study_dropped_say(const Runner *runner) {
  enum { SHOWN = 10 };
  const Study *study = runner->study;
  if (!study->dropped_count) return;
  bool one = study->dropped_count == 1;
  printf("note: the study does not ask for %zu run%s that lie%s in '%s': %s stay%s there, and the "
         "report leaves %s out\n",
         study->dropped_count, one ? "" : "s", one ? "s" : "", runner->folder, one ? "it" : "they",
         one ? "s" : "", one ? "it" : "them");
  for (size_t i = 0; i < study->dropped_count && i < SHOWN; i++)
    printf("  %s\n", study->dropped[i]);
  if (study->dropped_count > SHOWN) printf("  and %zu more\n", study->dropped_count - SHOWN);
}
