/* Fetches ahead what an epilogue gathers: rows that stand anywhere come from far caches, and a tile
 * would end with waiting for them. */
#include "codegen/lower/lower.h"

enum { LINE = 64 }; /* bytes */

/* The lines of one panel of what a gather reads. */
static void fetch(Lower *lower, Node *gather, int level) {
  Arena *arena = lower->arena;
  View view;
  Term *index = lower_gathered(lower, gather, &view).term;
  index = lower_let(lower, arena_printf(arena, "ahead%u", gather->id), index, level);
  uint32_t step = LINE / value_type_size(view.buffer->type);
  for (uint32_t at = 0; at < lower->nest->panel; at += step)
    prefetch_add(arena, lower->blocks[level], view.buffer,
                 term_add(arena, index, term_int(arena, at)));
}

static void fetch_below(Lower *lower, Node *node, int level, bool *seen) {
  AxisId lane = lower->nest->dims[lower->nest->lane].axis;
  if (seen[node->id] || node_is_addressable(lower->s, node)) return;
  seen[node->id] = true;
  if (node->op != OP_gather) {
    for (int i = 0; i < 3 && node->src[i]; i++) fetch_below(lower, node->src[i], level, seen);
  } else if (axes_has(node->axes, lane) && !axes_has(node->src[1]->axes, lane)) {
    fetch(lower, node, level);
  }
}

void lower_prefetch(Lower *lower, int level) {
  if (lower->s->code->device) return; /* other warps run meanwhile */
  const Kernel *kernel = lower->kernel;
  bool *seen = NEW_ARRAY(lower->arena, bool, lower->s->code->module->graph->node_count);
  for (size_t r = 0; r < kernel->root_count; r++) {
    Node *node = kernel->roots[r].node;
    if (node == kernel->contraction || kernel->roots[r].from) continue;
    for (int i = 0; i < 3 && node->src[i]; i++) fetch_below(lower, node->src[i], level, seen);
  }
}
