/* The pipeline of passes.def. */
#include "compiler/passes/pipeline.h"

#include <string.h>
#include <time.h>

typedef void (*PassFn)(Module *module, Arena *scratch);

static void run_grad(Module *module, Arena *scratch) { grad_expand(module, scratch, op_table); }

static const struct Pass {
  const char *name;
  PassFn run;
  const char *holds;
} passes[] = {
#define PASS(name, run, holds) {#name, run, holds},
#include "compiler/passes/passes.def"
};

static const char *const names[] = {
    "elaborate",
#define PASS(name, run, holds) #name,
#include "compiler/passes/passes.def"
};

size_t pipeline_names(const char *const **all) {
  *all = names;
  return COUNTOF(names);
}

bool pipeline_knows(const char *name) {
  for (size_t i = 0; i < COUNTOF(names); i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static bool check_name(const char *name, size_t length) {
  char text[64];
  snprintf(text, sizeof text, "%.*s", (int)length, name);
  if (pipeline_knows(text) || strcmp(text, "all") == 0) return true;
  const char *near = nearest_name(text, names, COUNTOF(names));
  fprintf(stderr, "error: there is no pass '%s'%s%s%s; there are", text,
          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  for (size_t i = 0; i < COUNTOF(names); i++) fprintf(stderr, " %s", names[i]);
  fprintf(stderr, "\n");
  return false;
}

bool pipeline_options_good(const PipelineOptions *options) {
  if (options->stop && !check_name(options->stop, strlen(options->stop))) return false;
  for (const char *at = options->dump; at && *at; at += strcspn(at, ","), at += *at == ',')
    if (!check_name(at, strcspn(at, ","))) return false;
  return true;
}

/* Whether the comma-separated list has the name. */
static bool listed(const char *list, const char *name) {
  if (!list) return false;
  if (strcmp(list, "all") == 0) return true;
  size_t length = strlen(name);
  for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
    if (strncmp(at, name, length) == 0 && (at[length] == 0 || at[length] == ',')) return true;
  return false;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void verify(const Module *module, const char *pass) {
  Arena *scratch = arena_make();
  const char *wrong = ir_verify(module, scratch, pass);
  if (wrong) bug("after the pass '%s': %s", pass, wrong);
  arena_free(scratch);
}

static void dump(const Module *module, const char *pass, const PipelineOptions *options) {
  if (!listed(options->dump, pass)) return;
  fprintf(options->out, "# after %s\n", pass);
  ir_print(module, options->out);
}

static void run(Module *module, const struct Pass *pass, const PipelineOptions *options) {
  Arena *scratch = arena_make();
  double start = seconds();
  pass->run(module, scratch);
  double taken = seconds() - start;
  if (options->time)
    fprintf(stderr, "%-10s %8.2f ms  (%s)\n", pass->name, 1e3 * taken, pass->holds);
  arena_free(scratch);
  verify(module, pass->name);
  dump(module, pass->name, options);
}

void pipeline_pass(Module *module, const char *name, const PipelineOptions *options) {
  for (size_t i = 0; i < COUNTOF(passes); i++)
    if (strcmp(passes[i].name, name) == 0) run(module, &passes[i], options);
}

void pipeline_run(Module *module, const PipelineOptions *options) {
  verify(module, "elaborate");
  dump(module, "elaborate", options);
  if (options->stop && strcmp(options->stop, "elaborate") == 0) return;
  for (size_t i = 0; i < COUNTOF(passes); i++) {
    run(module, &passes[i], options);
    if (options->stop && strcmp(options->stop, passes[i].name) == 0) return;
  }
}
