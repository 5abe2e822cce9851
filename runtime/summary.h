/* What several runs came to together. */
#ifndef RLC_RUNTIME_SUMMARY_H
#define RLC_RUNTIME_SUMMARY_H

#include "runtime/run.h"

/* How many ended so. */
uint32_t summary_count(const Run *runs, uint32_t count, RunEnd end);
/* How many ended how, and the last evaluations, on standard error. */
void summary_tell(const Run *runs, uint32_t count);
/* DIR/summary.json: the same, and each run by itself. */
bool summary_write(const char *directory, const Run *runs, uint32_t count, RunError *error);

#endif
