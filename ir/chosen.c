/* Weights chosen by row: contractions one operand of which is a gather whose positions are rows of
 * the other. */
#include "ir/ir.h"

enum { MAX_BUCKETS = 1024 };

const Node *node_picker(const Node *positions) {
  while (positions->op == OP_gather || positions->op == OP_rename) positions = positions->src[0];
  bool picks =
      positions->op == OP_order || positions->op == OP_argmin || positions->op == OP_argmax;
  return picks ? positions : NULL;
}

static bool is_chosen(const Graph *graph, const Node *contract, int k) {
  const Node *gather = contract->src[k], *other = contract->src[1 - k];
  if (gather->op != OP_gather || !node_picker(gather->src[1])) return false;
  Axes positions = gather->src[1]->axes, weight = gather->src[0]->axes;
  bool rows = !axes_empty(positions) && axes_within(positions, other->axes) &&
              axes_within(positions, contract->axes) && axes_empty(axes_common(positions, weight));
  if (!rows || graph->axes[gather->attr.axis].extent > MAX_BUCKETS) return false;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, contract->axes, order);
  return axes_has(axes_minus(weight, other->axes), order[rank - 1]);
}

int contract_chosen(const Graph *graph, const Node *contract) {
  for (int k = 0; k < 2; k++)
    if (is_chosen(graph, contract, k)) return k;
  return -1;
}

Axes contract_rows(const Node *contract, int chosen) {
  Axes columns = axes_union(contract->src[chosen]->src[0]->axes, contract->attr.axes);
  return axes_minus(contract->src[1 - chosen]->axes, columns);
}
