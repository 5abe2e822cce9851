/* Loops over named axes for the oracle: strided views of dense arrays, walked row by row. */
#ifndef RLC_COMPILER_ORACLE_INTERP_WALK_H
#define RLC_COMPILER_ORACLE_INTERP_WALK_H

#include "ir/ir.h"

enum { WALK_RANK = 32, WALK_OPERANDS = 4 };

/* Where the elements of an array lie: by how many elements one step along each axis moves; 0 along
 * axes that the array lacks, which is broadcasting. */
typedef struct View {
  ptrdiff_t step[MAX_AXES];
} View;

/* A dense array over `order`, row-major. */
View view_ordered(const Graph *graph, const AxisId *order, int count);
/* A dense array over `axes` in axes_order: how the oracle stores every value. */
View view_dense(const Graph *graph, Axes axes);

/* A loop nest over some axes with up to four views moving along; neighbouring axes are fused where
 * all views allow it. The innermost loop is left to the caller: `inner` elements, `step` apart. */
typedef struct Walk {
  int rank; /* of the outer loops */
  size_t extent[WALK_RANK];
  ptrdiff_t move[WALK_RANK][WALK_OPERANDS];
  size_t inner;
  ptrdiff_t step[WALK_OPERANDS];
  size_t index[WALK_RANK];     /* of the current row */
  ptrdiff_t at[WALK_OPERANDS]; /* first element of the current row in each view */
} Walk;

/* A walk over `order`, outermost first, standing on its first row. */
Walk walk_make(const Graph *graph, const AxisId *order, int count, const View *views,
               int view_count);
/* Moves to the next row; false after the last one (there is always at least one row). */
bool walk_next(Walk *walk);

#endif
