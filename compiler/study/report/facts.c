/* Where runs come from, by what each says of every time that it was begun or gone on with: what all
 * of them have in common is told once. */
#include "compiler/study/report/page.h"

#include <string.h>
#include <unistd.h>

#include "runtime/json.h"
#include "runtime/trainer.h"

enum { FACT_SIZE = 4096 };

static void word_add(Arena *arena, Words *words, const char *text) {
  for (size_t i = 0; i < words->count; i++)
    if (strcmp(words->text[i], text) == 0) return;
  const char *copy = arena_copy(arena, text, strlen(text));
  PUSH(arena, words->text, words->count, words->capacity, copy);
}

static void date_add(Arena *arena, Facts *facts, const char *date) {
  if (!facts->first || strcmp(date, facts->first) < 0)
    facts->first = arena_copy(arena, date, strlen(date));
  if (!facts->latest || strcmp(date, facts->latest) > 0)
    facts->latest = arena_copy(arena, date, strlen(date));
}

static void provenance_read(Arena *arena, const char *path, Facts *facts) {
  struct {
    const char *name;
    Words *words;
  } rows[] = {{"compiler", &facts->compilers},
              {"target", &facts->targets},
              {"cpu", &facts->cpus},
              {"gpu", &facts->gpus},
              {"gpu_code", &facts->gpu_codes},
              {"kernel", &facts->kernels},
              {"simulator", &facts->simulators}};
  const char *reason = NULL;
  char name[64], text[FACT_SIZE];
  Source *source = access(path, R_OK) == 0 ? source_read(arena, path, &reason) : NULL;
  if (!source) return;
  JsonReader json = json_reader(source->text, source->size);
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    Words *words = NULL;
    for (size_t i = 0; i < COUNTOF(rows); i++)
      if (strcmp(rows[i].name, name) == 0) words = rows[i].words;
    bool date = strcmp(name, "started") == 0;
    if (!words && !date) {
      json_skip(&json);
      continue;
    }
    json_read_string(&json, text, sizeof text);
    if (json.problem) return;
    date ? date_add(arena, facts, text) : word_add(arena, words, text);
  }
}

/* "2026-11-21T20:22:03Z" -> "20261121202203", as a PDF has it */
static const char *pdf_date(Arena *arena, const char *date) {
  char *digits = arena_printf(arena, "20000101000000"), *to = digits;
  for (; date && *date && to < digits + 14; date++)
    if (*date >= '0' && *date <= '9') *to++ = *date;
  return digits;
}

/* What resumed a run made it too. */
static void run_read(const Results *r, const StudyRun *run, Facts *facts) {
  const char *directory = arena_printf(r->arena, "%s/%s", r->folder, run->folder);
  char file[OUTPUT_PATH];
  RunError ignored;
  int sessions = rundir_sessions(directory);
  for (int i = 1; i <= sessions && rundir_provenance(file, directory, i, &ignored); i++)
    provenance_read(r->arena, file, facts);
}

Facts page_facts(const Results *r) {
  Facts facts = {0};
  for (size_t i = 0; i < r->study->run_count; i++)
    if (r->study->runs[i].state != STUDY_FOREIGN) run_read(r, &r->study->runs[i], &facts);
  facts.date = pdf_date(r->arena, facts.latest);
  return facts;
}
