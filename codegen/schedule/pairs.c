/* Where rounded values lie: as pairs of bfloat16, or nowhere.
 *
 * A rounded value does where the machine multiplies such pairs and all its readers are contractions
 * in register tiles whose other operand does too, with pairs along the same axis. Elsewhere it is
 * an operation like others: numbers of the working precision that happen to be bfloat16.
 *
 * A GPU's matrix instructions want operands in registers in an order of their own, whatever their
 * order in memory. So what only they read is rounded on the way there, and what it is rounded from
 * is read in place: no kernel makes the rounded value. */
#include "codegen/schedule/kernel.h"

/* Below renames and choices by row: the rounded value, and *axis, along which it is summed as the
 * reader names it. NULL: it is none. */
static const Node *rounded_under(const Schedule *s, const Node *node, AxisId *axis) {
  if (format_of(node->op) != FORMAT_float32) return *axis = node->attr.axis, node;
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
  if (x->op == OP_const || x->op == OP_table || x->op == OP_rename ||
      format_of(x->op) != FORMAT_float32)
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

NumberFormat contract_matrix(const Schedule *s, const Node *contract, AxisId *along) {
  enum { LEAST_STEPS = 16 };
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES], other;
  int rank = axes_order(graph, contract->axes, order);
  const Node *x = rounded_under(s, contract->src[0], along);
  const Node *y = rounded_under(s, contract->src[1], &other);
  if (!s->code->device || s->code->real != VALUE_F32 || !rank || !x || !y) return FORMAT_float32;
  if (x->op != y->op || *along != other || !axes_has(contract->attr.axes, *along) ||
      graph->axes[*along].extent < LEAST_STEPS)
    return FORMAT_float32;
  bool chosen = s->chosen[contract->src[0]->id] || s->chosen[contract->src[1]->id];
  AxisId last = order[rank - 1];
  bool alone = axes_has(contract->src[0]->axes, last) != axes_has(contract->src[1]->axes, last);
  bool panels = panel_width(graph->axes[last].extent, s->code->options.lanes) > 0;
  return alone && panels && !chosen ? format_of(x->op) : FORMAT_float32;
}

static bool takes_in_place(const Schedule *s, const Node *contract) {
  AxisId along;
  return contract_matrix(s, contract, &along) != FORMAT_float32;
}

/* ---- what all readers take ---- */

/* Marks by id, and the contractions that read what is marked as it lies. */
typedef struct Marks {
  const Schedule *s;
  bool *on;
  bool (*takes)(const Schedule *s, const Node *contract);
} Marks;

static bool mark_off(const Marks *marks, const Node *node) {
  AxisId axis;
  const Node *under = rounded_under(marks->s, node, &axis);
  bool was = under && marks->on[under->id];
  if (was) marks->on[under->id] = false;
  return was;
}

/* Takes back what some reader cannot use; true when something changed. */
static bool readers_refuse(const Marks *marks) {
  const Schedule *s = marks->s;
  bool changed = false;
  for (size_t i = 0; i < s->node_count; i++) {
    const Node *node = s->nodes[i];
    bool passes = node->op == OP_rename || s->chosen[node->id]; /* its readers are asked */
    if (passes || (node->op == OP_contract && marks->takes(s, node))) continue;
    for (int k = 0; k < 3 && node->src[k]; k++) changed = mark_off(marks, node->src[k]) || changed;
  }
  return changed;
}

static void marks_settle(const Marks *marks) {
  const Program *program = marks->s->out->program;
  for (size_t i = 0; i < program->output_count; i++) mark_off(marks, program->outputs[i].node);
  while (readers_refuse(marks)) continue;
}

void find_rounded(Schedule *s) {
  bool pairs = s->code->pairs, device = s->code->device;
  for (size_t i = 0; i < s->node_count && (pairs || device); i++) {
    const Node *node = s->nodes[i];
    s->paired[node->id] = pairs && node->op == OP_bf16 && argument_fits(s, node);
    s->in_place[node->id] = device && format_of(node->op) != FORMAT_float32;
  }
  if (pairs) marks_settle(&(Marks){s, s->paired, takes_pairs});
  if (device) marks_settle(&(Marks){s, s->in_place, takes_in_place});
}

Layout paired_layout(const Schedule *s, const Node *node) {
  const Graph *graph = s->code->module->graph;
  AxisId order[MAX_AXES];
  int rank = axes_order(graph, node->axes, order);
  return layout_of_pairs(graph, node->axes, node->attr.axis, order[rank - 1],
                         s->code->options.lanes);
}
