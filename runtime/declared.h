/* Environments that are programs of the module: what they leave in slots after a step, shown as the
 * pool that everything else reads. Returns and lengths of episodes are counted here; the state of
 * the environments is in the module's own slots. */
#ifndef RLC_RUNTIME_DECLARED_H
#define RLC_RUNTIME_DECLARED_H

#include "envs/pool.h"
#include "runtime/rows.h"

typedef struct Declared {
  EnvSpec spec;
  Pool pool;   /* without instances: pool.h's functions do not take it */
  void *block; /* the pool's arrays */
  size_t bytes;
  int64_t unclear; /* an instance whose ends are no number after the last step, or -1 */
  Rows reward, next_obs, terminated, truncated, fresh;
  float *flags; /* [env] an end as the program gave it */
} Declared;

/* The acting tables of such environments name a program that steps them. */
static inline bool declared_is(const RlcActing *acting) { return acting->advance != RLC_NONE; }

/* NULL after filling error. */
Declared *declared_make(const RlcModule *module, const RlcActing *acting, RunError *error);
void declared_free(Declared *declared);

/* After the program `start`: an episode begins everywhere. */
void declared_started(Declared *declared, const char *memory);
/* After the program `advance`. */
void declared_advanced(Declared *declared, const char *memory);
/* As pool_fault: an instance that gave what is not finite or no number, or -1. */
int64_t declared_fault(const Declared *declared);

#endif
