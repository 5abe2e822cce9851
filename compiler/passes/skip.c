/* Work that zeros make needless: ranks of a sort whose weight is zero are never gone back through,
 * and of what a minimum chooses from only what it chose.
 *
 * The gradient of a weighted sum over sorted values is a scatter: values of n ranks put at their
 * places along the sorted axis. The gradient of a minimum or maximum is one too: one value put at
 * the chosen place. Three rewrites make use of it, on the finished gradient:
 *   1. ranks below the first weight that is not zero are left out (here);
 *   2. what is computed from such a scatter is computed from its values before they are put at
 *      their places, until a sum over the axis takes the scatter away (push.c);
 *   3. what is gathered at these places is computed there alone, unless all of it is needed
 *      anyhow (push.c).
 * Scatters along as many ranks as the axis has places are not pushed: they would only permute.
 * Choices are pushed where that costs less (choose.c). Values change by rounding: sums have fewer
 * terms. They must be finite, for zeros are no longer multiplied. */
#include "compiler/passes/skip.h"

#include <string.h>

typedef struct Shorten {
  Graph *graph;
  AxisId from, to; /* all ranks; those that are left */
  uint32_t skipped;
  uint32_t *zeros; /* by id: leading zeros + 1, once known */
  Node **by;       /* by id: the same value for the last ranks, once made */
  bool failed;
} Shorten;

static uint32_t smaller(uint32_t x, uint32_t y) { return x < y ? x : y; }

static uint32_t zeros(Shorten *s, const Node *node);

static uint32_t zeros_new(Shorten *s, const Node *node) {
  const Graph *graph = s->graph;
  AxisId axis = s->from;
  uint32_t all = graph->axes[axis].extent, n = 0, x, y;
  switch ((OpCode)node->op) {
  case OP_const:
    return node->attr.value == 0 ? all : 0;
  case OP_table:
    if (node->attr.axis != axis) return 0;
    while (n < all && graph->tables[node->attr.key].values[n] == 0) n++;
    return n;
  case OP_neg:
    return zeros(s, node->src[0]);
  case OP_mul:
  case OP_guard:
    x = zeros(s, node->src[0]), y = zeros(s, node->src[1]);
    return x > y ? x : y;
  case OP_add:
  case OP_sub:
    return smaller(zeros(s, node->src[0]), zeros(s, node->src[1]));
  case OP_where:
    return smaller(zeros(s, node->src[1]), zeros(s, node->src[2]));
  case OP_sum:
    return axes_has(node->attr.axes, axis) ? 0 : zeros(s, node->src[0]);
  default:
    return 0;
  }
}

/* How many of the first elements along the ranks are zero whatever the data. */
static uint32_t zeros(Shorten *s, const Node *node) {
  if (!s->zeros[node->id]) s->zeros[node->id] = zeros_new(s, node) + 1;
  return s->zeros[node->id] - 1;
}

static Node *shortened(Shorten *s, Node *node);

static Node *shortened_leaf(Shorten *s, Node *node) {
  Graph *graph = s->graph;
  if (node->op == OP_order && node->attr.to == s->from)
    return node_order(graph, node->src[0], node->attr.axis, s->to);
  if (node->op == OP_table)
    return node_table(graph, s->to, graph->tables[node->attr.key].values + s->skipped);
  s->failed = true;
  return node;
}

/* The same value for the last ranks. Only what has the ranks changes; what would bind or make them
 * in between is left alone. A gather by number of the ranks themselves is never asked for: it has
 * them no longer (node_make), so all of them stay there for it to choose from. */
static Node *shortened_new(Shorten *s, Node *node) {
  const OpInfo *info = op_of(node);
  bool leaf = info->arity == 0 || (node->op == OP_order && node->attr.to == s->from);
  if (leaf) return shortened_leaf(s, node);
  bool plain = !info->shaped || node->op == OP_sum || node->op == OP_gather ||
               (node->op == OP_scatter && node->attr.axis != s->from);
  if (!plain) {
    s->failed = true;
    return node;
  }
  Node *src[3] = {NULL, NULL, NULL};
  for (int i = 0; i < 3 && node->src[i]; i++) src[i] = shortened(s, node->src[i]);
  return node_with(s->graph, node, src[0], src[1], src[2]);
}

static Node *shortened(Shorten *s, Node *node) {
  if (!axes_has(node->axes, s->from) || s->failed) return node;
  if (!s->by[node->id]) s->by[node->id] = shortened_new(s, node);
  return s->by[node->id];
}

/* Another axis for the last ranks, the same one whenever so many are left. */
static AxisId last_ranks(Graph *graph, AxisId axis, uint32_t left) {
  Axis ranks = graph->axes[axis];
  const char *scope = arena_printf(graph->arena, "last %u of %s", left, ranks.scope);
  return graph_axis(graph, ranks.label, scope, left, ranks.order, ranks.span);
}

/* A sum or scatter over all ranks as one over the last. */
static Node *shorten_over(Graph *graph, Arena *scratch, Node *node, AxisId axis) {
  uint32_t all = graph->axes[axis].extent;
  Shorten s = {.graph = graph, .from = axis};
  s.zeros = NEW_ARRAY(scratch, uint32_t, graph->node_count);
  s.skipped = zeros(&s, node->src[0]);
  if (s.skipped == 0 || s.skipped >= all) return node;
  s.to = last_ranks(graph, axis, all - s.skipped);
  s.by = NEW_ARRAY(scratch, Node *, graph->node_count);
  Node *value = shortened(&s, node->src[0]);
  Node *index = node->src[1] ? shortened(&s, node->src[1]) : NULL;
  if (s.failed) return node;
  Attr attr = node->attr;
  attr.axes = axes_union(axes_minus(attr.axes, axes_one(axis)), axes_one(s.to));
  if (node->op == OP_sum) return node_sum(graph, value, attr.axes);
  return node_scatter(graph, value, index, attr.axis, attr.axes);
}

static Node *shorten_node(Graph *graph, Node *node, void *user) {
  if (node->op != OP_sum && node->op != OP_scatter) return node;
  unsigned cursor = 0;
  for (AxisId axis; axes_next(node->attr.axes, &cursor, &axis);)
    if (strcmp(graph->axes[axis].scope, "rank") == 0) {
      Node *result = shorten_over(graph, user, node, axis);
      if (result != node) return result;
    }
  return node;
}

void pass_skip(Module *module, Arena *scratch) {
  size_t before = module->graph->node_count;
  Output **uncut = outputs_copy(module, scratch);
  module_rewrite(module, scratch, shorten_node, scratch);
  Skip skip = {.module = module, .scratch = scratch, .size = module->graph->node_count};
  skip.taken = NEW_ARRAY(scratch, bool, skip.size);
  skip_choose(&skip, uncut);
  skip_push(&skip);
  skip_notes(module, scratch, before);
}
