/* Batches of a replay that lies on a card: the host draws which rows, the card copies them. */
#ifndef RLC_RUNTIME_DEVICE_GATHER_H
#define RLC_RUNTIME_DEVICE_GATHER_H

#include "runtime/device/device.h"
#include "runtime/rows.h"

typedef struct Gather Gather;

/* A column of the batch: `rows` says where its slot's elements lie. */
typedef struct GatherColumn {
  const Rows *rows;
  uint32_t at;   /* its first element in a row of the pool */
  uint32_t mask; /* of the row's word of flags: the column is whether one of these is set; or 0 */
  bool after;    /* taken from what follows the row */
} GatherColumn;

/* A pool of `floats` values on the card, zero at first, and the batches of `rows` rows that are
 * taken from it; `flags` is the place of the word of flags in a row. NULL after filling error. */
Gather *gather_make(Mirror *mirror, uint64_t floats, const GatherColumn *columns, uint32_t count,
                    uint32_t rows, uint32_t flags, RunError *error);
void gather_free(Gather *gather);
/* Values `from` .. of the pool are these now. */
void gather_put(Gather *gather, uint64_t from, const float *values, uint64_t count);
/* Parts of some rows: floats `at` .. of a row. */
typedef struct GatherParts {
  const float *rows;   /* [][stride], as the pool begins */
  const uint64_t *row; /* [count]; one may stand there twice */
  uint64_t count, stride;
  uint32_t at, width;
} GatherParts;
/* These parts of the pool are as on the host now, by a launch for many of them. */
void gather_put_parts(Gather *gather, const GatherParts *parts);
/* A batch: the caller writes [2][rows] where gather_begin says, the places in the pool of its rows
 * and of what follows them. From gather_end on the columns' slots count as written by the card. */
uint64_t *gather_begin(Gather *gather);
void gather_end(Gather *gather);

#endif
