/* Kernels that do the same on other memory share one function, their body. Internal to codegen/.
 *
 * A body gets its tensors' addresses as arguments, so that neither they nor the number of items are
 * part of it; what is left is its loop IR. The hash of that is its name, here and in the cache. */
#ifndef RLC_CODEGEN_LOOP_BODIES_H
#define RLC_CODEGEN_LOOP_BODIES_H

#include "codegen/schedule/kernel.h"

typedef struct Body {
  const Kernel *kernel; /* the first one that has it */
  const char *name;     /* "contract_<hash>" */
  uint64_t hash[2];     /* of its loop IR and the types of its tensors */
  size_t size;          /* of that text, in bytes: about what it costs to compile */
  bool cheap;           /* only initialisation runs it, and not for long */
} Body;

typedef struct Bodies {
  Body *items; /* in the order of first use */
  size_t count;
  size_t **of; /* [program][kernel] */
} Bodies;

Bodies *bodies_find(const Code *code, Arena *arena);

#endif
