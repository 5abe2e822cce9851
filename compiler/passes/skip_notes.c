/* What pass_skip did, read off the graph that it left: which sorts go back through fewer ranks, and
 * which scatters of such ranks could not be moved on, with what stands in their way. */
#include "compiler/passes/passes.h"

#include <math.h>

/* Positions of fewer ranks than the axis has places. */
static const Node *short_order(const Graph *graph, const Node *index, AxisId axis) {
  const Node *order = node_picker(index);
  bool cut = order && order->op == OP_order &&
             graph->axes[order->attr.to].extent < graph->axes[axis].extent;
  return cut ? order : NULL;
}

static void note_order(Module *module, const Node *order) {
  const Graph *graph = module->graph;
  const Axis *all = &graph->axes[order->attr.axis], *kept = &graph->axes[order->attr.to];
  const char *text =
      arena_printf(graph->arena, "of a sort along %s the last %u of %u ranks go back", all->label,
                   kept->extent, all->extent);
  module_note(module, (Note){.pass = "skip",
                             .text = text,
                             .span = order->span,
                             .saved = NAN,
                             .all = axes_one(order->attr.axis),
                             .kept = axes_one(order->attr.to)});
}

/* Why the scatter stays below this reader. */
static const char *obstacle(const Graph *graph, const Node *scatter, const Node *reader) {
  Arena *arena = graph->arena;
  const Node *other = reader->src[0] == scatter ? reader->src[1] : reader->src[0];
  Axes ranks = scatter->attr.axes;
  switch ((OpCode)reader->op) {
  case OP_mul:
  case OP_guard:
    return axes_empty(axes_common(ranks, other->axes))
               ? "the sum over the product is one by segments: its places depend on these axes"
               : "the other factor has the ranks too";
  case OP_where:
    return "the other side of the choice is not 0 everywhere";
  case OP_add:
  case OP_sub:
    return other->op == OP_scatter ? "it is added to what lies at other places"
                                   : "it is added to values of all places";
  case OP_sum:
    return arena_printf(arena,
                        "the sum over %s is one by segments: its places depend on these axes",
                        axes_text(graph, arena, reader->attr.axes));
  case OP_scatter:
    return axes_empty(axes_common(ranks, reader->src[1]->axes)) ? "the scatter around it sums up"
                                                                : "another scatter has the ranks";
  default:
    return arena_printf(arena, "'%s' needs all places", op_of(reader)->name);
  }
}

static void note_scatter(Module *module, const Node *scatter, const Node *reader) {
  const Graph *graph = module->graph;
  const char *text =
      arena_printf(graph->arena, "a scatter of %u ranks to %u places stays: %s",
                   (unsigned)axes_extent(graph, scatter->attr.axes),
                   graph->axes[scatter->attr.axis].extent, obstacle(graph, scatter, reader));
  module_note(module, (Note){.pass = "skip", .text = text, .span = reader->span});
}

void skip_notes(Module *module, Arena *scratch, size_t before) {
  const Graph *graph = module->graph;
  Node **nodes;
  size_t count = module_reach(module, NULL, scratch, &nodes);
  for (size_t i = 0; i < count; i++) {
    const Node *node = nodes[i];
    bool cut = node->op == OP_order && short_order(graph, node, node->attr.axis);
    if (cut && node->id >= before) note_order(module, node);
    for (int k = 0; k < 3 && node->src[k]; k++) {
      const Node *x = node->src[k];
      if (x->op == OP_scatter && x->id >= before && short_order(graph, x->src[1], x->attr.axis))
        note_scatter(module, x, node);
    }
  }
}
