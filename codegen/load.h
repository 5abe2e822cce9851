/* What every loader gives back. Internal to codegen/load*.c. */
#ifndef RLC_CODEGEN_LOAD_H
#define RLC_CODEGEN_LOAD_H

#include "codegen/codegen.h"

struct Loaded {
  const RlcModule *module;
  void *held; /* what the code lives in */
  void (*let_go)(void *held);
};

/* NULL without memory; then `held` is let go at once. */
Loaded *loaded_make(const RlcModule *module, void *held, void (*let_go)(void *held));

#endif
