/* Slots of a whole rollout, [time][env].. in whatever layout, seen as rows: row t * envs + e. Rows
 * are copied between them and slots of any layout without a change of value, which
 * floats could not promise for the other types. */
#ifndef RLC_RUNTIME_WHOLE_H
#define RLC_RUNTIME_WHOLE_H

#include "runtime/rows.h"

typedef struct Whole {
  const RlcSlot *slot; /* NULL: nobody reads it, whole_put and whole_keep do nothing */
  uint32_t steps, envs, width;
  uint64_t *time, *env; /* [steps], [envs] element offset of row (t, e) is time[t] + env[e] */
  uint64_t *column;     /* [width] offset of a column from a row's first element */
  uint32_t *run;        /* [width] length of the contiguous run that starts at a column */
  uint32_t together;    /* rows of so many environments lie one behind the other */
} Whole;

/* A row of the rollout. */
typedef struct RowAt {
  uint32_t t, env;
} RowAt;

/* Prepares slot number `slot` (RLC_NONE allowed). False, with a message, when it does not begin
 * with [steps][envs]. */
bool whole_make(Whole *whole, const RlcModule *module, uint32_t slot, uint32_t steps, uint32_t envs,
                RunError *error);

void whole_free(Whole *whole);

/* Writes the rows of step `t`: `width` floats each from `values` on. */
void whole_put(const Whole *whole, char *memory, uint32_t t, const float *values);
/* The rows of a slot of the same memory, one for each environment, become those of step `t`. */
void whole_keep(const Whole *whole, char *memory, uint32_t t, const Rows *from);
/* The other way round: rows first..end-1 of a slot become rows order[first]..order[end-1]. */
void whole_give(const Whole *whole, char *memory, const RowAt *order, const Rows *rows,
                uint32_t first, uint32_t end);

#endif
