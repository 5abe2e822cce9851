/* Sets of axes, their extents and their order in layouts. */
#include "ir/ir.h"

#include <string.h>

Axes axes_none(void) { return (Axes){{0, 0}}; }

Axes axes_one(AxisId axis) {
  Axes a = axes_none();
  a.bits[axis >> 6] = UINT64_C(1) << (axis & 63);
  return a;
}

Axes axes_union(Axes a, Axes b) { return (Axes){{a.bits[0] | b.bits[0], a.bits[1] | b.bits[1]}}; }

Axes axes_minus(Axes a, Axes b) { return (Axes){{a.bits[0] & ~b.bits[0], a.bits[1] & ~b.bits[1]}}; }

Axes axes_common(Axes a, Axes b) { return (Axes){{a.bits[0] & b.bits[0], a.bits[1] & b.bits[1]}}; }

bool axes_has(Axes a, AxisId axis) { return a.bits[axis >> 6] >> (axis & 63) & 1; }

bool axes_equal(Axes a, Axes b) { return a.bits[0] == b.bits[0] && a.bits[1] == b.bits[1]; }

bool axes_within(Axes part, Axes whole) { return axes_equal(axes_common(part, whole), part); }

bool axes_empty(Axes a) { return !(a.bits[0] | a.bits[1]); }

int axes_count(Axes a) { return __builtin_popcountll(a.bits[0]) + __builtin_popcountll(a.bits[1]); }

bool axes_next(Axes a, unsigned *cursor, AxisId *axis) {
  while (*cursor < MAX_AXES) {
    uint64_t rest = a.bits[*cursor >> 6] >> (*cursor & 63);
    if (rest) {
      *cursor += (unsigned)__builtin_ctzll(rest);
      *axis = (AxisId)(*cursor)++;
      return true;
    }
    *cursor = (*cursor | 63) + 1;
  }
  return false;
}

uint64_t axes_extent(const Graph *graph, Axes axes) {
  uint64_t extent = 1;
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);) extent *= graph->axes[x].extent;
  return extent;
}

/* Collects the axes class by class in the order of `classes`; within a class by id. */
static int order_by(const Graph *graph, Axes axes, const AxisClass classes[4], AxisId *order) {
  int n = 0;
  for (int c = 0; c < 4; c++) {
    unsigned cursor = 0;
    for (AxisId x; axes_next(axes, &cursor, &x);)
      if (graph->axes[x].order == classes[c]) order[n++] = x;
  }
  return n;
}

int axes_order(const Graph *graph, Axes axes, AxisId *order) {
  static const AxisClass classes[] = {AXIS_COPY, AXIS_ROW, AXIS_DRAW, AXIS_FEATURE};
  return order_by(graph, axes, classes, order);
}

int axes_draw_order(const Graph *graph, Axes axes, AxisId *order) {
  static const AxisClass classes[] = {AXIS_COPY, AXIS_DRAW, AXIS_ROW, AXIS_FEATURE};
  return order_by(graph, axes, classes, order);
}

static bool label_is_shared(const Graph *graph, Axes axes, AxisId axis) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);)
    if (x != axis && strcmp(graph->axes[x].label, graph->axes[axis].label) == 0) return true;
  return false;
}

const char *axes_text(const Graph *graph, Arena *arena, Axes axes) {
  AxisId order[MAX_AXES];
  int n = axes_order(graph, axes, order);
  const char *text = "{";
  for (int i = 0; i < n; i++) {
    const Axis *axis = &graph->axes[order[i]];
    const char *comma = i ? ", " : "";
    text = label_is_shared(graph, axes, order[i])
               ? arena_printf(arena, "%s%s%s@%s=%u", text, comma, axis->label, axis->scope,
                              axis->extent)
               : arena_printf(arena, "%s%s%s=%u", text, comma, axis->label, axis->extent);
  }
  return arena_printf(arena, "%s}", text);
}
