/* Compiles every cell of a plan up to the optimised IR, on all cores, each in memory of its own.
 * What a program is, is what it does: the hash is of the IR, the runtime's tables and the target,
 * and no name or comment of the specification is in them. */
#include "compiler/study/plan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codegen/codegen.h"

/* ---- the hash ---- */

static const char *file_name(const char *path) {
  const char *slash = path ? strrchr(path, '/') : NULL;
  return slash ? slash + 1 : path;
}

/* The tables without what does not change a run: names, texts, provenance, folders. */
static RlcModule tables_of(Arena *arena, const RlcModule *shell) {
  RlcModule tables = *shell;
  RlcSource *sources = NEW_ARRAY(arena, RlcSource, shell->source_count + 1);
  for (uint32_t i = 0; i < shell->source_count; i++) {
    sources[i] = shell->sources[i];
    sources[i].file = file_name(sources[i].file);
  }
  tables.sources = sources;
  tables.name = tables.spec = tables.compiler = tables.target = "";
  tables.cpu = NULL;
  tables.spec_hash = 0;
  return tables;
}

static uint64_t module_hash(const Session *session, Arena *arena, const Module *module) {
  RlcModule tables = tables_of(arena, &module->shell);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) bug("no memory for the text of a program");
  fprintf(out, "%s %s\n", session->target ? session->target : "native",
          session->march ? session->march : "native");
  ir_print(module, out);
  module_print(&tables, out);
  fclose(out);
  uint64_t hash = hash_bytes(HASH_SEED, text, size);
  free(text);
  return hash;
}

/* ---- cells ---- */

static void cell_compile(const Plan *plan, Cell *cell) {
  Arena *arena = arena_make();
  cell->arena = arena_make();
  Diag *diag = diag_make(arena);
  Session session = {.arena = arena, .diag = diag, .prelude = plan->session->prelude};
  PipelineOptions pipeline = {.out = stdout};
  Tree *spec = tree_copy(arena, cell->tree); /* elaboration writes paths into it */
  if (tree_check_keys(arena, diag, spec, "spec") && session_elaborate_tree(&session, spec)) {
    Module *module = session.elaborated->module;
    const RlcModule *shell = &module->shell;
    pipeline_run(module, &pipeline);
    cell->hash = module_hash(plan->session, arena, module);
    cell->spec_hash = shell->spec_hash;
    cell->env_name = arena_printf(cell->arena, "%s", shell->env_id ? shell->env_id : "-");
    cell_columns(cell, module);
    cell->good = true;
  }
  cell->diag = diag_make(cell->arena);
  diag_take(cell->diag, diag);
  arena_free(arena);
}

/* ---- all ---- */

typedef struct Work {
  const Plan *plan;
  Cell **cells;
  size_t count;
  atomic_size_t next;
} Work;

static void *work(void *user) {
  Work *w = user;
  for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;)
    cell_compile(w->plan, w->cells[i]);
  return NULL;
}

static void run_on_cores(Work *w) {
  enum { THREADS = 64 };
  pthread_t threads[THREADS];
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  size_t count = 0, wanted = cores > 1 ? (size_t)cores - 1 : 0;
  if (wanted > THREADS) wanted = THREADS;
  while (count < wanted && count + 1 < w->count &&
         pthread_create(&threads[count], NULL, work, w) == 0)
    count++;
  work(w);
  for (size_t i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

/* What was said about a cell, and where the point stands that it is of. */
static void cell_collect(Plan *plan, const StudyPoint *point, Cell *cell) {
  size_t errors = diag_errors(plan->diag);
  diag_take(plan->diag, cell->diag);
  if (diag_errors(plan->diag) > errors && point->span.source)
    diag_note(plan->diag, point->span, "of '%s', a point of this study", point->name);
  if (cell->env_name)
    cell->env_name = arena_copy(plan->arena, cell->env_name, strlen(cell->env_name));
  cell_columns_copy(plan->arena, &cell->logs);
  arena_free(cell->arena);
  cell->arena = NULL, cell->diag = NULL;
}

static void places_collect(const Plan *plan, const Variant *variant, Work *w, size_t *capacity) {
  size_t envs = plan->study->env_count ? plan->study->env_count : 1;
  for (size_t i = 0; i < variant->place_count; i++)
    for (size_t e = 0; e < envs; e++) {
      Cell *cell = &variant->places[i].cells[e];
      if (!cell->tree) continue;
      PUSH(plan->arena, w->cells, w->count, *capacity, cell);
    }
}

void plan_compile(Plan *plan) {
  size_t envs = plan->study->env_count ? plan->study->env_count : 1, capacity = 0;
  Work w = {.plan = plan};
  for (size_t v = 0; v < plan->variant_count; v++)
    places_collect(plan, &plan->variants[v], &w, &capacity);
  run_on_cores(&w);
  for (size_t v = 0; v < plan->variant_count; v++)
    for (size_t i = 0; i < plan->variants[v].place_count; i++) {
      Place *place = &plan->variants[v].places[i];
      place->good = true;
      for (size_t e = 0; e < envs; e++) {
        place->good = place->good && place->cells[e].good;
        if (place->cells[e].tree) cell_collect(plan, &place->point, &place->cells[e]);
      }
    }
}
