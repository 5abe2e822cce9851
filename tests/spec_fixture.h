/* What the tests of whole specs share: a spec file or text brought to a module, its slots by name,
 * its programs run on the oracle. Memory belongs to the spec and lasts until spec_close. */
#ifndef RLC_TESTS_SPEC_FIXTURE_H
#define RLC_TESTS_SPEC_FIXTURE_H

#include "compiler/commands/session.h"
#include "tests/graph_fixture.h"

#include <string.h>
#include <unistd.h>

typedef struct Spec {
  Session session;
  Arena *arena;
  Module *module;
  Graph *graph;
} Spec;

/* Elaborates `path` (relative to the repository, or absolute) with overrides "key=value", blank
 * separated. */
static inline Spec spec_open(const char *path, const char *overrides) {
  Spec spec = {.arena = arena_make()};
  Session *s = &spec.session;
  s->arena = spec.arena;
  s->diag = diag_make(spec.arena);
  s->pipeline.out = stdout;
  s->target = getenv("RLC_TARGET");
  s->spec = path[0] == '/' ? path : arena_printf(spec.arena, "%s/%s", RLC_ROOT, path);
  char *words = arena_copy(spec.arena, overrides, strlen(overrides)), *rest = NULL;
  for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
    PUSH(spec.arena, s->overrides, s->override_count, s->override_capacity, (const char *)word);
  ck_assert_msg(session_elaborate(s), "%s %s does not elaborate", path, overrides);
  spec.module = s->elaborated->module;
  spec.graph = spec.module->graph;
  return spec;
}

/* The same for a text; `extends:` in it must name an absolute path. */
static inline Spec spec_text(const char *text, const char *overrides) {
  char path[] = P_tmpdir "/rlc-spec-XXXXXX";
  int file = mkstemp(path);
  ck_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  Spec spec = spec_open(path, overrides);
  unlink(path);
  return spec;
}

static inline void spec_close(Spec *spec) { arena_free(spec->arena); }

/* Runs the pipeline up to pass `stop`; NULL: all of it. */
static inline void spec_passes(Spec *spec, const char *stop) {
  spec->session.pipeline.stop = stop;
  pipeline_run(spec->module, &spec->session.pipeline);
}

static inline uint32_t spec_slot(const Spec *spec, const char *name) {
  for (size_t i = 0; i < spec->graph->slot_count; i++)
    if (strcmp(spec->graph->slots[i].name, name) == 0) return (uint32_t)i;
  ck_abort_msg("no slot '%s'", name);
}

static inline size_t spec_program(const Spec *spec, const char *name) {
  for (size_t i = 0; i < spec->module->program_count; i++)
    if (strcmp(spec->module->programs[i].name, name) == 0) return i;
  ck_abort_msg("no program '%s'", name);
}

static inline uint64_t spec_size(const Spec *spec, uint32_t slot) {
  return axes_extent(spec->graph, spec->graph->slots[slot].axes);
}

/* ---- one program on the oracle, slots by name ---- */

static inline Interp *spec_interp(Spec *spec, const char *program) {
  return interp_make(spec->arena, spec->module, spec_program(spec, program), false);
}

static inline void spec_set(const Spec *spec, Interp *interp, const char *slot,
                            const double *values) {
  interp_set(interp, spec_slot(spec, slot), values);
}

static inline double *spec_get(const Spec *spec, const Interp *interp, const char *slot) {
  uint32_t number = spec_slot(spec, slot);
  double *values = NEW_ARRAY(spec->arena, double, spec_size(spec, number));
  interp_get(interp, number, values);
  return values;
}

/* A slot without axes. */
static inline double spec_scalar(const Spec *spec, const Interp *interp, const char *slot) {
  return *spec_get(spec, interp, slot);
}

static inline void spec_run(Interp *interp) {
  interp_run(interp);
  interp_store(interp);
}

#endif
