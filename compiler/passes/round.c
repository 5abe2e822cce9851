/* precision: bf16 or tf32. Operands of large contractions become numbers of that format; products
 * are summed in float32, and everything else stays float32.
 *
 * It stands in the graph, so that every target rounds the same values. Each operand is rounded
 * where it lies in memory: below renames, and below the gather of a weight that is chosen by row,
 * so that all readers share the rounded copy. */
#include "compiler/passes/passes.h"

/* Rows, columns and summed elements of a contraction that is worth it, each. A processor's
 * instruction for pairs of bfloat16 saves half of the multiplications, m n k / 2 of m n k, and the
 * operands' m k + n k elements are converted for that. */
enum { LEAST_SIDE = 32 };

/* The longest summed axis whose neighbours may stand together as the format has them; -1: none. */
static int longest_axis(const Graph *graph, NumberFormat format, Axes summed) {
  unsigned cursor = 0;
  int best = -1;
  for (AxisId axis; axes_next(summed, &cursor, &axis);) {
    uint32_t extent = graph->axes[axis].extent;
    bool whole = extent % format_table[format].together == 0;
    if (whole && (best < 0 || extent > graph->axes[best].extent)) best = (int)axis;
  }
  return best;
}

static bool is_large(const Graph *graph, const Node *contract) {
  const Node *x = contract->src[0], *y = contract->src[1];
  return axes_extent(graph, axes_minus(x->axes, y->axes)) >= LEAST_SIDE &&
         axes_extent(graph, axes_minus(y->axes, x->axes)) >= LEAST_SIDE &&
         axes_extent(graph, contract->attr.axes) >= LEAST_SIDE;
}

static Node *rounded(Graph *graph, NumberFormat format, Node *x, AxisId axis, bool chosen) {
  Node *from = x->src[0];
  if (x->op == OP_rename) {
    AxisId before = axis == x->attr.to ? x->attr.axis : axis;
    return node_with(graph, x, rounded(graph, format, from, before, false), NULL, NULL);
  }
  if (chosen && axes_has(from->axes, axis))
    return node_with(graph, x, rounded(graph, format, from, axis, false), x->src[1], NULL);
  return node_round(graph, format, x, axis);
}

static bool is_rounded(const Node *node) {
  while (node->op == OP_rename || node->op == OP_gather) node = node->src[0];
  return format_of(node->op) != FORMAT_float32;
}

static Node *round_node(Graph *graph, Node *node, void *user) {
  NumberFormat format = *(const NumberFormat *)user;
  if (node->op != OP_contract || is_rounded(node->src[0]) || !is_large(graph, node)) return node;
  int axis = longest_axis(graph, format, node->attr.axes), chosen = contract_chosen(graph, node);
  if (axis < 0 || node->src[0]->integer || node->src[1]->integer) return node;
  Node *x = rounded(graph, format, node->src[0], (AxisId)axis, chosen == 0);
  Node *y = rounded(graph, format, node->src[1], (AxisId)axis, chosen == 1);
  return node_with(graph, node, x, y, NULL);
}

/* How much of the work of all programs it is. */
static void note_rounding(Module *module, Arena *scratch) {
  const Graph *graph = module->graph;
  const FormatInfo *format = &format_table[module->precision];
  size_t all = 0, some = 0;
  double flops = 0, rounded_flops = 0;
  for (size_t p = 0; p < module->program_count; p++) {
    Node **nodes;
    size_t count = module_reach(module, &module->programs[p], scratch, &nodes);
    for (size_t i = 0; i < count; i++) {
      if (nodes[i]->op != OP_contract) continue;
      bool is = is_rounded(nodes[i]->src[0]);
      double own = contract_flops(graph, nodes[i]);
      all++, flops += own;
      some += is, rounded_flops += is ? own : 0;
    }
  }
  const char *text = arena_printf(
      graph->arena,
      "%zu of %zu contractions multiply %s, with %.1f %% of their FLOPs; the others have a side "
      "below %d%s",
      some, all, format->name, flops > 0 ? 100 * rounded_flops / flops : 0, LEAST_SIDE,
      format->together > 1 ? " or no summed axis of even length" : "");
  module_note(module, (Note){.pass = "round", .text = text, .span = module->precision_span});
}

void pass_round(Module *module, Arena *scratch) {
  if (module->precision == FORMAT_float32) return;
  for (int round = 0; module_rewrite(module, scratch, round_node, &module->precision); round++)
    if (round == 100) bug("rounding does not end");
  note_rounding(module, scratch);
}
