/* Loaded code, whoever made it. */
#include "codegen/load.h"

#include <stdlib.h>

Loaded *loaded_make(const RlcModule *module, void *held, void (*let_go)(void *held)) {
  Loaded *loaded = malloc(sizeof *loaded);
  if (loaded)
    *loaded = (Loaded){module, held, let_go};
  else
    let_go(held);
  return loaded;
}

const RlcModule *load_module(const Loaded *loaded) { return loaded->module; }

void load_close(Loaded *loaded) {
  if (!loaded) return;
  loaded->let_go(loaded->held);
  free(loaded);
}
