/* Slots of a whole rollout, [time][env].. in whatever layout, seen as rows: row t * envs + e. Rows
 * are copied between them and slots of any layout without a change of value, which
 * floats could not promise for the other types. */
#ifndef RLC_RUNTIME_WHOLE_H
#define RLC_RUNTIME_WHOLE_H

#include "runtime/rows.h"

typedef struct Whole {
  const RlcSlot *slot; /* NULL: nobody reads it, whole_put and whole_keep do nothing */
  SlotShape shape;
  uint64_t rows;
  uint32_t width;
  uint64_t *column; /* [width] offset of a column from a row's first element */
  uint32_t *run;    /* [width] length of the contiguous run that starts at a column */
} Whole;

/* Prepares slot number `slot` (RLC_NONE allowed). False, with a message, when it does not begin
 * with [steps][envs]. */
bool whole_make(Whole *whole, const RlcModule *module, uint32_t slot, uint32_t steps, uint32_t envs,
                RunError *error);

void whole_free(Whole *whole);

/* Writes a row of `width` floats. */
void whole_put(const Whole *whole, char *memory, uint64_t row, const float *values);
/* Row `from_row` of a slot of the same memory becomes row `row`. */
void whole_keep(const Whole *whole, char *memory, uint64_t row, const Rows *from,
                uint32_t from_row);
/* The other way round: row `row` goes to row `to_row` of a slot. */
void whole_give(const Whole *whole, char *memory, uint64_t row, const Rows *to, uint32_t to_row);

#endif
