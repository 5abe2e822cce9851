/* What lies in memory as pairs of bfloat16.
 *
 * A rounded value does where the machine multiplies such pairs and all its readers are contractions
 * in register tiles whose other operand does too, with pairs along the same axis. Elsewhere it is
 * an operation like others: numbers of the working precision that happen to be bfloat16. */
#include "codegen/schedule/kernel.h"

/* Below renames and choices by row: the rounded value, and *axis, along which its pairs stand as
 * the reader names it. NULL: it is none. */
static const Node *rounded_under(const Schedule *s, const Node *node, AxisId *axis) {
  if (node->op == OP_bf16) return *axis = node->attr.axis, node;
  bool through = node->op == OP_rename || s->chosen[node->id];
  const Node *under = through ? rounded_under(s, node->src[0], axis) : NULL;
  if (under && node->op == OP_rename && node->attr.axis == *axis) *axis = node->attr.to;
  return under;
}

/* The argument lies in whole panels of the working precision, in the order that its axes have. */
static bool argument_fits(const Schedule *s, const Node *node) {
  const Graph *graph = s->code->module->graph;
  const Node *x = node->src[0];
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, node->axes, order);
  if (x->op == OP_const || x->op == OP_table || x->op == OP_rename || x->op == OP_bf16)
    return false;
  if (x->op == OP_input && s->code->slots[x->attr.key]->type != s->code->real) return false;
  return graph->axes[order[rank - 1]].extent > s->code->options.lanes &&
         graph->axes[node->attr.axis].extent % 2 == 0;
}

/* Does the contraction run in register tiles of whole vectors, on pairs? */
static bool takes_pairs(const Schedule *s, const Node *contract) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES], axis[2];
  int rank = axes_order(graph, contract->axes, order);
  const Node *under[2];
  for (int k = 0; k < 2; k++) {
    under[k] = rounded_under(s, contract->src[k], &axis[k]);
    if (!under[k] || !s->paired[under[k]->id]) return false;
  }
  bool alone = rank && axes_has(under[0]->axes, order[rank - 1]) !=
                           axes_has(under[1]->axes, order[rank - 1]);
  int vector = contract_vector(contract, order[rank ? rank - 1 : 0]);
  Axes rows = axes_minus(contract->src[1 - vector]->axes, contract->src[vector]->axes);
  return axis[0] == axis[1] && axes_has(contract->attr.axes, axis[0]) && alone &&
         graph->axes[order[rank - 1]].extent > s->code->options.lanes / 2 &&
         axes_extent(graph, axes_minus(rows, contract->attr.axes)) >= ROWS_WORTH_A_COPY;
}

static bool unpair(const Schedule *s, const Node *node) {
  AxisId axis;
  const Node *under = rounded_under(s, node, &axis);
  bool was = under && s->paired[under->id];
  if (was) s->paired[under->id] = false;
  return was;
}

/* Takes back what some reader cannot use; true when something changed. */
static bool readers_refuse(const Schedule *s) {
  bool changed = false;
  for (size_t i = 0; i < s->node_count; i++) {
    const Node *node = s->nodes[i];
    bool passes = node->op == OP_rename || s->chosen[node->id]; /* its readers are asked */
    if (passes || (node->op == OP_contract && takes_pairs(s, node))) continue;
    for (int k = 0; k < 3 && node->src[k]; k++) changed = unpair(s, node->src[k]) || changed;
  }
  return changed;
}

void find_paired(Schedule *s) {
  if (!s->code->pairs) return;
  for (size_t i = 0; i < s->node_count; i++)
    s->paired[s->nodes[i]->id] = s->nodes[i]->op == OP_bf16 && argument_fits(s, s->nodes[i]);
  for (size_t i = 0; i < s->out->program->output_count; i++)
    unpair(s, s->out->program->outputs[i].node);
  while (readers_refuse(s)) continue;
}

Layout paired_layout(const Schedule *s, const Node *node) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, node->axes, order);
  return layout_of_pairs(graph, node->axes, node->attr.axis, order[rank - 1],
                         s->code->options.lanes);
}
