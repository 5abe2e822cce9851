/* A contraction on its way to register tiles. Internal to lower_contract.c and product_*.c. */
#ifndef RLC_CODEGEN_LOWER_PRODUCT_H
#define RLC_CODEGEN_LOWER_PRODUCT_H

#include "codegen/lower/lower.h"

/* Row tiles of one height. */
typedef struct Segment {
  int64_t tiles, height, row; /* how many, how high, first row */
} Segment;

/* The reduced loops of a tile as one sequence of steps: along the last loop, or the axis of the
 * last two where that lies in panels, of `extent` elements, `unit` at a step. */
typedef struct Sequence {
  int64_t unit, extent, each, all; /* steps along that axis, and in all */
  int last, panels;                /* loops; panels: -1 where there are none */
} Sequence;

/* Rows of a tile: the first of them in it, and how many. */
typedef struct Rows {
  Term *first, *count;
} Rows;

/* Some of the steps. */
typedef struct Range {
  Term *from, *to;
} Range;

/* A tile's sums, of which rows from..to-1 are added to, and the step's vectors of B. */
typedef struct Sums {
  const Registers *c, *b;
  int64_t from, to;
} Sums;

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
  Sequence sequence;        /* of product_parts.c */
  int64_t parts, part_size; /* that a tile is summed in; elements of each in `result` */
  const Registers *result;
  bool team;              /* BLOCK_WARPS tiles are a block's, whose warps share B: product_team.c */
  Term *warp;             /* which of them it is */
  const Registers *stage; /* where B lies for them */
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
/* c[i][j] += a[i] * b[j] for one step of the innermost reduced axis. */
void tile_step(Product *product, Block *block, const Sums *sums);
/* Where A begins, at the counters of the outer loops. */
Term *product_begin_a(Product *product);
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

/* ---- product_parts.c, product_matrix.c ---- */

enum { MATRIX_ROWS = 16, MATRIX_STEP = 16 }; /* of a matrix instruction, in numbers */

Sequence sequence_make(const Product *product, int64_t unit);
/* Sets the counters of the reduced loops but the last to step `step`; *first: its first element. */
void sequence_at(Product *product, Block *block, const Sequence *sequence, Term *step,
                 Term **first);
/* A loop over steps. Returns its body. */
Block *sequence_loop(Product *product, Block *block, const Sequence *sequence, const Range *range,
                     Term **first);
/* Sets the counter of panels for the element at `at`; returns its place in the panel. */
Term *sequence_panel(Product *product, Block *block, const Sequence *sequence, Term *at);
/* Declares `result`, which all segments use. */
void product_parts_declare(Product *product, Block *block);
/* A tile whose sums are a sequence, of matrix instructions or in parts, and its epilogue. */
void product_parts(Product *product, Block *block, int64_t height, Term *tile);
/* The tile's sums over a range of steps by matrix instructions, to `array` from `offset` on, rows
 * of whole panels one behind the other: as many as matrix_rows of the height. */
void product_matrix(Product *product, Block *block, int64_t height, const Range *range,
                    const Registers *array, Term *offset);
int64_t matrix_rows(int64_t height);

/* ---- product_team.c ---- */

/* Can tiles be a block's together? */
bool team_serves(const Product *product);
/* Declares what all of them use. */
void product_team_declare(Product *product, Block *block);
/* The tile of one warp, of 16 or 32 rows, and its epilogue. */
void product_team(Product *product, Block *block, int64_t height, Term *tile);

/* ---- product_ahead.c ---- */

/* Finds what is fetched ahead among the kernel's places from `first` on, which are its epilogue's.
 */
void product_find_ahead(Product *product, size_t first);
/* The loop over the outermost reduced axis of a tile with so many rows, and beside it the fetches;
 * returns its body. */
Block *product_steps(Product *product, Block *block, const NestLoop *loop, int64_t extent,
                     int64_t rows);

/* ---- product_result.c, product_narrow.c ---- */

/* Stores a tile, to `array` from `offset` on where that is given, else to the result. */
void product_store(Product *product, Block *block, const Registers *tile, const Registers *array,
                   Term *offset);
/* The same for a tile of partial sums with lanes along a reduced axis, which are added up; `array`
 * has room for whole vectors of rows. */
void product_gather(Product *product, const Registers *tile, const Registers *array);
/* What the kernel's roots make of the results of some rows in `array`: of the sums of its parts,
 * `size` elements each. */
void product_epilogue(Product *product, const Registers *array, int64_t size, const Rows *rows,
                      Term *tile);
/* The roots' values and stores in level 2, for one element of the result. */
void product_roots(Product *product, Term *result);

#endif
