/* What other files need of the options table beyond runtime/trainer.h. */
#ifndef RLC_RUNTIME_OPTIONS_H
#define RLC_RUNTIME_OPTIONS_H

#include "runtime/json.h"

/* Writes all options as one JSON object, by the names of the command line; texts only when given.
 */
void options_put(JsonWriter *json, const Options *options);

#endif
