/* Priorities of a replay's rows: a sum tree, from which rows are drawn in proportion to their
 * weights, and a tree of least values beside it. Every parent is computed anew from its children
 * whenever one of them changes, so that no error builds up and the trees follow from their leaves
 * alone. A leaf of 0 is never drawn and no least value. */
#ifndef RLC_RUNTIME_PRIORITY_H
#define RLC_RUNTIME_PRIORITY_H

#include "runtime/trainer.h"

typedef struct Priorities {
  uint64_t leaves; /* a power of two, at least 2; node i has the children 2i and 2i + 1 */
  double *sum;     /* [2 * leaves]: sum[1] is of all rows, sum[leaves + r] is row r's */
  double *least;   /* [leaves]: the least positive leaf below, infinity where there is none */
} Priorities;

/* Room for so many rows, all with 0. False, with a message, when memory is short. */
bool priorities_make(Priorities *priorities, uint64_t rows, RunError *error);
void priorities_free(Priorities *priorities);

static inline double *priorities_leaf(const Priorities *priorities, uint64_t row) {
  return priorities->sum + priorities->leaves + row;
}
static inline double priorities_total(const Priorities *priorities) { return priorities->sum[1]; }
static inline double priorities_least(const Priorities *priorities) { return priorities->least[1]; }

/* Gives one row a value: finite, not negative. */
void priorities_set(Priorities *priorities, uint64_t row, double value);
/* Brings the parents up to date after the leaves of rows from..to-1 were written directly. */
void priorities_mend(Priorities *priorities, uint64_t from, uint64_t to);

/* Row[i] is the row in whose share of the sum `mass`[i] lies, the shares lying one behind the other
 * in the order of the rows. 0 <= mass[i] <= total, which is positive; mass is used up. */
void priorities_find(const Priorities *priorities, double *mass, uint64_t *row, uint32_t count);

#endif
