/* SIGINT and SIGTERM turned into a flag that the loop looks at between two passes. */
#ifndef RLC_RUNTIME_STOP_H
#define RLC_RUNTIME_STOP_H

#include "runtime/trainer.h"

typedef struct Stop Stop;

/* Blocks both signals in the calling thread (and so in threads made later) and waits for them in a
 * thread of its own; one that comes a second or more after the first ends the process at once with
 * status 128 + signal. SIGXFSZ is ignored meanwhile, so that a full quota is an error that can be
 * told. NULL after filling error.
 */
Stop *stop_make(RunError *error);
/* The signal that came, or 0; of NULL always 0. */
int stop_signal(const Stop *stop);
/* Restores what stop_make changed. */
void stop_free(Stop *stop);

#endif
