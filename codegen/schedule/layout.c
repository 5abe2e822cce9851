/* The one place that decides how tensors lie in memory. */
#include "codegen/schedule/kernel.h"

#include <ctype.h>
#include <string.h>

uint32_t panel_width(uint32_t extent, uint32_t lanes) {
  uint32_t one = lanes > 8 ? lanes : 8, two = 2 * lanes > 8 ? 2 * lanes : 8;
  if (extent < 4) return 0;
  if (extent > one) return two;
  return extent > 8 ? one : 8;
}

static uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

/* Storage order: leading copies, panels of the last axis, the other axes, lanes. */
static void layout_strides(Layout *layout) {
  int rank = layout->rank, last = rank - 1;
  uint64_t step = 1;
  if (layout->panel) {
    layout->stride[last] = 1;
    step = layout->panel;
    for (int i = last - 1; i >= layout->lead; i--) {
      layout->stride[i] = step;
      step *= layout->extent[i];
    }
    layout->block = step;
    step *= layout_blocks(layout);
    for (int i = layout->lead - 1; i >= 0; i--) {
      layout->stride[i] = step;
      step *= layout->extent[i];
    }
  } else {
    for (int i = last; i >= 0; i--) {
      layout->stride[i] = step;
      step *= layout->extent[i];
    }
  }
  layout->elements = step;
}

static Layout layout_of_order(const Graph *graph, const AxisId *order, int rank, int pairs,
                              uint32_t lanes) {
  Layout layout = {.rank = rank};
  if (rank > MAX_RANK) bug("a tensor with %d axes", rank);
  for (int i = 0; i < rank; i++) {
    layout.axis[i] = order[i];
    layout.extent[i] = graph->axes[order[i]].extent;
  }
  while (layout.lead < rank - 1 && graph->axes[order[layout.lead]].order == AXIS_COPY)
    layout.lead++;
  if (rank) layout.panel = panel_width(layout.extent[rank - 1], lanes);
  if (!layout.panel) layout.lead = 0;
  for (int i = 0; i < rank; i++)
    if ((int)order[i] == pairs) layout.pairs = i + 1;
  if (layout.pairs) layout.extent[layout.pairs - 1] = (layout.extent[layout.pairs - 1] + 1) / 2;
  if (layout.pairs && layout.pairs == rank) layout.panel /= 2;
  layout_strides(&layout);
  return layout;
}

Layout layout_make(const Graph *graph, Axes axes, uint32_t lanes) {
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, axes, order);
  return layout_of_order(graph, order, rank, -1, lanes);
}

Layout layout_with_last(const Graph *graph, Axes axes, AxisId last, uint32_t lanes) {
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, axes_minus(axes, axes_one(last)), order);
  order[rank] = last;
  return layout_of_order(graph, order, rank + 1, -1, lanes);
}

Layout layout_of_pairs(const Graph *graph, Axes axes, AxisId pairs, AxisId last, uint32_t lanes) {
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, axes_minus(axes, axes_one(last)), order);
  order[rank] = last;
  return layout_of_order(graph, order, rank + 1, (int)pairs, lanes);
}

int layout_paired(const Layout *layout) {
  return layout->pairs ? (int)layout->axis[layout->pairs - 1] : -1;
}

Layout layout_chunk(Layout layout, AxisId axis, uint32_t rows) {
  layout.extent[layout_find(&layout, axis)] = rows;
  layout.chunk = true;
  layout_strides(&layout);
  return layout;
}

int layout_find(const Layout *layout, AxisId axis) {
  for (int i = 0; i < layout->rank; i++)
    if (layout->axis[i] == axis) return i;
  return -1;
}

uint32_t layout_blocks(const Layout *layout) {
  if (!layout->panel) return 1;
  return (uint32_t)(round_up(layout->extent[layout->rank - 1], layout->panel) / layout->panel);
}

ValueType node_value_type(const Code *code, const Node *node) {
  if (node->integer) return VALUE_I32;
  return axes_empty(node->axes) ? VALUE_F64 : code->real;
}

uint32_t value_type_size(ValueType type) {
  switch (type) {
  case VALUE_F32:
  case VALUE_I32:
  case VALUE_PAIR:
    return 4;
  case VALUE_F64:
  case VALUE_INDEX:
    return 8;
  }
  return 0;
}

const char *name_identifier(Arena *arena, const char *text) {
  char *name = arena_copy(arena, text, strlen(text));
  for (char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c)) *c = '_';
  return isdigit((unsigned char)name[0]) ? arena_printf(arena, "n%s", name) : name;
}
