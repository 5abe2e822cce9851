/* Which contractions have their lanes along the summed axis.
 *
 * Few columns fill no vector: a row of 6 wastes lanes, takes one load per multiplication and needs
 * a repacked copy of the operand with the columns. Where both operands have the longest summed axis
 * innermost, its elements may be the lanes instead: every row and column has a vector of partial
 * sums, and what is left at the end is to add up lanes, for as many rows at once as vectors of
 * results fill one vector (product_narrow.c). That pays where the axis is long. */
#include "codegen/schedule/kernel.h"

enum {
  CHAINS = 8,   /* sums that must be under way for one to be done by the time it is needed again */
  OF_A_STEP = 3 /* instructions of one step of adding up lanes */
};

/* Bytes of a vector register that are moved or multiplied at a time. */
static const double UNIT = 32;

uint32_t vector_registers(const Code *code) {
  return code->options.lanes * value_type_size(code->real) >= 64 ? 32 : 16;
}

uint32_t narrow_rows(const Code *code, uint32_t columns) {
  uint32_t rows = (vector_registers(code) - 1 - columns) / columns;
  return rows < 4 ? rows : 4;
}

/* Steps of adding up `width` vectors of which those beyond `columns` of every `panel` are 0. */
static uint32_t steps(uint32_t width, uint32_t panel, uint32_t columns) {
  uint32_t count = 0;
  for (uint32_t half = width / 2; half; half /= 2) {
    uint32_t in_panel = half < panel ? half : panel, left = columns < in_panel ? columns : in_panel;
    count += half >= panel ? half / panel * columns : left;
  }
  return count;
}

/* Is that less work for a row than columns in the lanes? Counted in instructions on UNIT bytes, the
 * slower of loads and multiplications each. */
static bool lanes_pay(const Code *code, uint32_t columns, uint32_t panel, double summed) {
  uint32_t lanes = code->options.lanes, rows = narrow_rows(code, columns);
  double size = value_type_size(code->real), vector = lanes * size / UNIT;
  double wide = panel * size / UNIT;
  double loads = 1 + (double)columns / rows, step = loads > columns ? loads : columns;
  double along = summed / lanes * step * vector +
                 OF_A_STEP * vector * steps(lanes, panel, columns) * panel / lanes;
  return along < summed * (wide > 1 ? wide : 1);
}

bool contract_is_narrow(const Schedule *s, const Node *contract, AxisId lane, const Layout *a,
                        const Layout *b) {
  const Graph *graph = s->code->module->graph;
  uint32_t lanes = s->code->options.lanes, columns = graph->axes[lane].extent;
  uint32_t panel = panel_width(columns, lanes);
  if (!a->rank || !b->rank || panel > lanes || columns > panel) return false;
  AxisId inner = a->axis[a->rank - 1];
  uint32_t extent = graph->axes[inner].extent;
  bool apart = layout_blocks(a) == 1 || a->block != a->panel;
  if (b->axis[b->rank - 1] != inner || !axes_has(contract->attr.axes, inner) || !apart)
    return false;
  if (extent % lanes || a->panel % lanes || !a->panel) return false;
  uint32_t registers = vector_registers(s->code);
  if (columns * 2 >= registers || narrow_rows(s->code, columns) * columns < CHAINS) return false;
  return lanes_pay(s->code, columns, panel, (double)axes_extent(graph, contract->attr.axes));
}
