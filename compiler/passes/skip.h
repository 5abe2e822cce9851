/* The rewrites behind pass_skip. Internal to skip.c, push.c and choose.c. */
#ifndef RLC_COMPILER_PASSES_SKIP_H
#define RLC_COMPILER_PASSES_SKIP_H

#include "compiler/passes/passes.h"

/* What leaves places out: ranks that were cut, always, and choices (argmin, argmax) where that
 * pays. */
typedef struct Skip {
  Module *module;
  Arena *scratch;
  bool *taken; /* by id of an argmin or argmax: only the chosen place is gone back through */
  size_t size; /* of `taken` */
} Skip;

/* Moves scatters to places that are picked towards the sums over their axis, then gathers at such
 * places towards what is there anyhow. */
void skip_push(const Skip *skip);
/* Fills `taken`, one choice after the other, and says so in notes of the module. `uncut`: the
 * outputs with all ranks, of which the notes count what is saved. */
void skip_choose(Skip *skip, Output **uncut);

#endif
