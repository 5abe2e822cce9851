/* What other files need of the options table beyond runtime/trainer.h. */
#ifndef RLC_RUNTIME_OPTIONS_H
#define RLC_RUNTIME_OPTIONS_H

#include "runtime/json.h"

/* Writes all options as one JSON object, by the names of the command line; texts only when given.
 */
void options_put(JsonWriter *json, const Options *options);

/* Takes over what the provenance file at `path` says of options that decide a run's results (steps,
 * seeds, evaluations, lines, checkpoints), where the command line says nothing. False when the file
 * cannot be read; then nothing changes that was not yet adopted. */
bool options_adopt(Options *options, const char *path);

#endif
