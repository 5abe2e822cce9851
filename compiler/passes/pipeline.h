/* Runs passes.def over a module: the driver, and only the driver, verifies, dumps, times and stops.
 */
#ifndef RLC_COMPILER_PASSES_PIPELINE_H
#define RLC_COMPILER_PASSES_PIPELINE_H

#include "compiler/passes/passes.h"

typedef struct PipelineOptions {
  const char *dump; /* comma-separated pass names, or "all": print the IR after them */
  const char *stop; /* the last pass to run, or NULL; "elaborate": none */
  bool time;        /* print the seconds of each pass */
  FILE *out;        /* where dumps go */
} PipelineOptions;

/* True when `name` is a pass, or "elaborate". */
bool pipeline_knows(const char *name);
/* All names for messages and --help: returns how many. */
size_t pipeline_names(const char *const **names);

/* Whether --dump and --stop name passes; prints a message with the nearest name when not. */
bool pipeline_options_good(const PipelineOptions *options);

/* Runs all passes up to `stop`. A module that does not verify is a bug that names the pass. */
void pipeline_run(Module *module, const PipelineOptions *options);
/* Runs one pass alone. */
void pipeline_pass(Module *module, const char *name, const PipelineOptions *options);

#endif
