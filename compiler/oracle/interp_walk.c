/* Builds fused loop nests over named axes and steps through their rows. */
#include "compiler/oracle/interp_walk.h"

#include <string.h>

View view_ordered(const Graph *graph, const AxisId *order, int count) {
  View view;
  memset(&view, 0, sizeof view);
  ptrdiff_t step = 1;
  for (int i = count; i-- > 0;) {
    view.step[order[i]] = step;
    step *= graph->axes[order[i]].extent;
  }
  return view;
}

View view_dense(const Graph *graph, Axes axes) {
  AxisId order[MAX_AXES];
  int count = axes_order(graph, axes, order);
  return view_ordered(graph, order, count);
}

/* The new outer axis continues the loop inside it in every view. */
static bool can_fuse(const ptrdiff_t *outer, const ptrdiff_t *inner, size_t extent) {
  for (int k = 0; k < WALK_OPERANDS; k++)
    if (outer[k] != inner[k] * (ptrdiff_t)extent) return false;
  return true;
}

Walk walk_make(const Graph *graph, const AxisId *order, int count, const View *views,
               int view_count) {
  Walk walk;
  memset(&walk, 0, sizeof walk);
  walk.inner = 1;
  bool begun = false;
  for (int i = count; i-- > 0;) {
    size_t extent = graph->axes[order[i]].extent;
    ptrdiff_t step[WALK_OPERANDS] = {0};
    for (int k = 0; k < view_count; k++) step[k] = views[k].step[order[i]];
    if (extent == 1) continue;
    bool outer = walk.rank > 0;
    size_t *last = outer ? &walk.extent[walk.rank - 1] : &walk.inner;
    ptrdiff_t *move = outer ? walk.move[walk.rank - 1] : walk.step;
    if (!begun) {
      walk.inner = extent;
      memcpy(walk.step, step, sizeof step);
      begun = true;
    } else if (can_fuse(step, move, *last)) {
      *last *= extent;
    } else {
      if (walk.rank == WALK_RANK) bug("a value with more than %d axes", WALK_RANK);
      walk.extent[walk.rank] = extent;
      memcpy(walk.move[walk.rank++], step, sizeof step);
    }
  }
  return walk;
}

/* Outer loops are stored innermost first, so counting up starts at 0. */
bool walk_next(Walk *walk) {
  for (int i = 0; i < walk->rank; i++) {
    bool wraps = ++walk->index[i] == walk->extent[i];
    ptrdiff_t times = wraps ? 1 - (ptrdiff_t)walk->extent[i] : 1;
    for (int k = 0; k < WALK_OPERANDS; k++) walk->at[k] += times * walk->move[i][k];
    if (!wraps) return true;
    walk->index[i] = 0;
  }
  return false;
}
