/* Slots seen as rows: [batch][width] or [env][width] in whatever layout, reached through offsets
 * worked out beforehand. The fast path of acting and sampling. */
#ifndef RLC_RUNTIME_ROWS_H
#define RLC_RUNTIME_ROWS_H

#include "runtime/trainer.h"

/* The layout of a slot in numbers: element (row, column) of the slot seen as `outer` rows of
 * `extent` elements lies at
 * ((row / middle * blocks + column / panel) * middle + row % middle) * panel + column % panel. */
typedef struct SlotShape {
  uint64_t outer, extent, panel, blocks, middle;
} SlotShape;

SlotShape slot_shape(const RlcSlot *slot);
uint64_t slot_offset(const SlotShape *shape, uint64_t row, uint64_t column);

/* The plain number of the first element that is not finite, or UINT64_MAX. Padding is not looked
 * at. */
uint64_t slot_fault(const RlcSlot *slot, const char *memory);

typedef struct Rows {
  const RlcSlot *slot; /* NULL: nobody reads it, rows_put does nothing */
  uint32_t count, width;
  uint64_t *row;    /* [count] element offset of a row's first column */
  uint64_t *column; /* [width] offset of a column from there */
  uint32_t *run;    /* [width] length of the contiguous run that starts at a column */
  bool plain;       /* floats as they lie in an array [count][width] */
} Rows;

/* Prepares slot number `slot` (RLC_NONE allowed: slot stays NULL) with dims [count] (width 1) or
 * [count][...width...], where the first dim or the first ones together are `count`. False, with a
 * message, when the slot has another shape or memory is short.
 */
bool rows_make(Rows *rows, const RlcModule *module, uint32_t slot, uint32_t count, uint32_t width,
               RunError *error);
void rows_free(Rows *rows);

/* Copies one row of `width` floats into or out of the slot. */
void rows_put(const Rows *rows, char *memory, uint32_t row, const float *values);
void rows_get(const Rows *rows, const char *memory, uint32_t row, float *values);
/* The same for all rows, an array [count][width]. rows_get_all does nothing without a slot. */
void rows_put_all(const Rows *rows, char *memory, const float *values);
void rows_get_all(const Rows *rows, const char *memory, float *values);
/* Copies rows from..to-1, row i from source[i] + at: rows_put for many, with the slot's kind looked
 * at once. */
void rows_gather(const Rows *rows, char *memory, uint32_t from, uint32_t to,
                 const float *const *source, uint32_t at);

/* Zeroed memory, or NULL after filling error. */
void *run_take(size_t count, size_t bytes, RunError *error);

/* ---- block.c ---- */

/* Zeroed memory for slots or a workspace, at a multiple of 64 bytes, in large pages where it is
 * large; for free(). NULL after filling error. */
void *block_take(size_t bytes, RunError *error);
/* Asks for large pages; only advice, it may fail. */
void block_advise(void *memory, size_t bytes);

#endif
