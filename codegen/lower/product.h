/* A contraction on its way to register tiles. Internal to lower_contract.c and product_*.c. */
#ifndef RLC_CODEGEN_LOWER_PRODUCT_H
#define RLC_CODEGEN_LOWER_PRODUCT_H

#include "codegen/lower/lower.h"

/* Row tiles of one height. */
typedef struct Segment {
  int64_t tiles, height, row; /* how many, how high, first row */
} Segment;

typedef struct Product {
  Lower lower;
  Nest nest;
  Kernel *kernel;
  View a, b, out;
  int apart;               /* axis of A whose panels are apart, or -1 */
  int first_row, last_row; /* dimensions that are rows of the tile; none when first > last */
  int tile;                /* that loop, or -1 */
  int first_inner, first_inner_loop;
  Form from_a, from_b, from_out;
  Axes rows;               /* that are in buckets */
  uint32_t width, columns; /* elements of a vector, vectors of B at a step: of a panel, or, where
                              lanes are along a reduced axis, of all columns */
  Segment segments[3];
  int segment_count;
  const Registers *row_a, *row_out; /* with buckets: where each row of the tile begins */
  Term *base_a, *base_b, *base_out;
  bool epilogue;
  Buffer *ahead[8]; /* read by the epilogue where the result lies, fetched during the sums */
  size_t ahead_count;
} Product;

/* ---- lower_contract.c ---- */

/* Elements along a reduced axis: pairs where the operands have such. */
uint32_t inner_extent(const Product *product, AxisId axis);

/* ---- product_tile.c ---- */

/* One tile of a segment: its sums, and what becomes of them. */
void product_tile(Product *product, Block *block, const Segment *segment, Term *tile);
/* A form without the dimensions of some loops. */
Form form_part(const Form *form, int from, int to);
/* What the next row of the tile adds to a form. */
int64_t product_step(const Product *product, const Form *form);
/* x + var * step */
Term *product_plus(Product *product, Term *x, const Var *var, int64_t step);
/* Where row i of the tile begins in A or in the result. */
Term *product_row(Product *product, const Form *form, Term *base, const Registers *rows,
                  const Var *i);
/* With buckets: the number of row i of the tile. */
Term *bucket_row(Product *product, Term *tile, Term *i);

/* ---- product_ahead.c ---- */

/* Finds what is fetched ahead among the kernel's places from `first` on, which are its epilogue's.
 */
void product_find_ahead(Product *product, size_t first);
/* The loop over the outermost reduced axis of a tile with so many rows, and beside it the fetches;
 * returns its body. */
Block *product_steps(Product *product, Block *block, const NestLoop *loop, int64_t extent,
                     int64_t rows);

/* ---- product_result.c, product_narrow.c ---- */

/* Stores a tile, to `array` where that is given, else to the result. */
void product_store(Product *product, const Registers *tile, const Registers *array);
/* The same for a tile of partial sums with lanes along a reduced axis, which are added up; `array`
 * has room for whole vectors of rows. */
void product_gather(Product *product, const Registers *tile, const Registers *array);
/* What the kernel's roots make of the results in `array`. */
void product_epilogue(Product *product, const Registers *array, int64_t height, Term *tile);
/* The roots' values and stores in level 2, for one element of the result. */
void product_roots(Product *product, Term *result);

#endif
