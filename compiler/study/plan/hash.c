/* Compiles every cell of a plan up to the optimised IR, on all cores, each in memory of its own.
 * What a program is, is what it does: the hash is of the IR, the runtime's tables, the target and
 * the contents of the data files, and no name or comment of the specification is in them. */
#include "compiler/study/plan/plan.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/codegen.h"

/* What a data file holds. */
typedef struct Contents {
  const char *path;
  uint64_t hash;
  StudyFile file;
  int reason; /* it cannot be read: errno; else 0 */
  struct Contents *next;
} Contents;

typedef struct Work {
  const Plan *plan;
  Cell **cells;
  size_t count;
  atomic_size_t next;
  pthread_mutex_t lock; /* of what stands below, and of the plan's arena meanwhile */
  Contents *contents;
} Work;

/* ---- data files ---- */

/* The hash of all its bytes; errno, or 0. */
static int file_hash(const char *path, uint64_t *hash, StudyFile *kept) {
  enum { BLOCK = 1 << 16 };
  char block[BLOCK];
  struct stat status;
  FILE *file = fopen(path, "rb");
  if (!file) return errno;
  if (fstat(fileno(file), &status) == 0)
    *kept = (StudyFile){path, (long)status.st_size, status.st_mtim};
  *hash = HASH_SEED;
  setvbuf(file, NULL, _IONBF, 0);
  for (size_t got; (got = fread(block, 1, BLOCK, file)) > 0;) *hash = hash_bytes(*hash, block, got);
  int reason = ferror(file) ? errno : 0;
  fclose(file);
  return reason;
}

/* A file is read once, however many cells name it. */
static Contents contents_of(Work *w, const char *path) {
  pthread_mutex_lock(&w->lock);
  Contents *at = w->contents;
  while (at && strcmp(at->path, path) != 0) at = at->next;
  if (!at) {
    at = NEW(w->plan->arena, Contents);
    at->path = arena_copy(w->plan->arena, path, strlen(path));
    at->reason = file_hash(at->path, &at->hash, &at->file);
    at->next = w->contents;
    w->contents = at;
  }
  Contents found = *at;
  pthread_mutex_unlock(&w->lock);
  return found;
}

/* Where the trainers look for a file: below --data, if the study's options name it. */
static const char *data_path(const Study *study, Arena *arena, const char *file) {
  for (size_t i = 0; i + 1 < study->option_count; i++)
    if (strcmp(study->options[i], "--data") == 0)
      return arena_printf(arena, "%s/%s", study->options[i + 1], strrchr(file, '/') + 1);
  return file;
}

/* Where a specification names the file of a source. */
static Span file_span(const Tree *spec, const char *source) {
  const Tree *replay = tree_get(spec, "replay"), *one = replay ? tree_get(replay, source) : NULL;
  const Tree *from = replay ? tree_get(one ? one : replay, "from") : NULL;
  return from ? from->span : spec->span;
}

/* The contents of all data files; false after reporting that one cannot be read. */
static bool contents_hash(Work *w, Session *session, const Tree *spec, uint64_t *hash) {
  const RlcModule *shell = &session->elaborated->module->shell;
  for (uint32_t i = 0; i < shell->source_count; i++) {
    const RlcSource *source = &shell->sources[i];
    if (!source->file) continue;
    Contents contents = contents_of(w, data_path(w->plan->study, session->arena, source->file));
    if (contents.reason)
      return diag_error(session->diag, file_span(spec, source->name),
                        "with 'data' under options: it is looked for in another folder",
                        "a study must know what is in its data files, and '%s' cannot be read: %s",
                        contents.path, strerror(contents.reason));
    *hash = hash_bytes(*hash, &contents.hash, sizeof contents.hash);
  }
  return true;
}

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

static void cell_compile(Work *w, Cell *cell) {
  const Plan *plan = w->plan;
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
    cell_columns(plan->study, cell, module);
    cell->good = contents_hash(w, &session, spec, &cell->hash);
  }
  cell->diag = diag_make(cell->arena);
  diag_take(cell->diag, diag, NULL);
  arena_free(arena);
}

/* ---- all ---- */

static void *work(void *user) {
  Work *w = user;
  for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;) cell_compile(w, w->cells[i]);
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
static void cell_collect(Plan *plan, const StudyPoint *point, Cell *cell, Diag *said) {
  size_t errors = diag_errors(said);
  diag_take(said, cell->diag, NULL);
  if (diag_errors(said) > errors && point->span.source)
    diag_note(said, point->span, "of '%s', a point of this study", point->name);
  if (cell->env_name)
    cell->env_name = arena_copy(plan->arena, cell->env_name, strlen(cell->env_name));
  cell_columns_copy(plan->arena, cell);
  arena_free(cell->arena);
  cell->arena = NULL, cell->diag = NULL;
}

static void places_collect(const Plan *plan, const Variant *variant, Work *w, size_t *capacity) {
  size_t cells = cell_count(plan);
  for (size_t i = 0; i < variant->place_count; i++)
    for (size_t e = 0; e < cells; e++) {
      Cell *cell = &variant->places[i].cells[e];
      if (!cell->tree) continue;
      PUSH(plan->arena, w->cells, w->count, *capacity, cell);
    }
}

/* What became of a point, and what was said about it in all of its environments. */
static void place_collect(Plan *plan, Place *place, bool hidden) {
  Diag *said = diag_make(plan->arena);
  place->good = true;
  for (size_t e = 0; e < cell_count(plan); e++) {
    place->good = place->good && place->cells[e].good;
    if (place->cells[e].tree) cell_collect(plan, &place->point, &place->cells[e], said);
  }
  diag_take(plan->diag, said, hidden ? NULL : "points");
}

void plan_compile(Plan *plan) {
  size_t capacity = 0;
  Work w = {.plan = plan, .lock = PTHREAD_MUTEX_INITIALIZER};
  for (size_t v = 0; v < plan->variant_count; v++)
    places_collect(plan, &plan->variants[v], &w, &capacity);
  run_on_cores(&w);
  size_t room = 0;
  for (const Contents *at = w.contents; at; at = at->next)
    PUSH(plan->arena, plan->study->files, plan->study->file_count, room, at->file);
  for (size_t v = 0; v < plan->variant_count; v++)
    for (size_t i = 0; i < plan->variants[v].place_count; i++)
      place_collect(plan, &plan->variants[v].places[i], plan->variants[v].hidden);
}
