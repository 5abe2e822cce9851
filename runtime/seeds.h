/* The runs of a process: one, or those of --seeds. */
#ifndef RLC_RUNTIME_SEEDS_H
#define RLC_RUNTIME_SEEDS_H

#include "runtime/trainer.h"

/* Trains what the options ask for: options.seeds runs of the seeds from options.seed on, each as if
 * it were alone, or those of options.resume. Tells errors and how it ended on standard error.
 * Returns the exit status: 0, 1 when a run failed, or 128 + the signal that stopped it. */
int seeds_run(const RlcModule *module, const Options *options);

#endif
