/* Which side a rectifier took is read off its result: max(c, x) <= c where x <= c does, and the
 * result is kept for the next layer anyway, so that its argument need not be. */
#include "compiler/passes/passes.h"

typedef struct Rectified {
  Node **by; /* by id of x: max(c, x) */
  size_t size;
} Rectified;

static Node *mask_node(Graph *graph, Node *node, void *user) {
  const Rectified *rectified = user;
  if (node->op != OP_le || node->src[1]->op != OP_const) return node;
  const Node *x = node->src[0];
  Node *result = x->id < rectified->size ? rectified->by[x->id] : NULL;
  if (!result || result->src[0] != node->src[1]) return node;
  return node2(graph, OP_le, result, node->src[1]);
}

static bool mask_round(Module *module, Arena *scratch) {
  Node **nodes;
  size_t count = module_reach(module, NULL, scratch, &nodes);
  Rectified rectified = {.size = module->graph->node_count};
  rectified.by = NEW_ARRAY(scratch, Node *, rectified.size);
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_max && nodes[i]->src[0]->op == OP_const)
      rectified.by[nodes[i]->src[1]->id] = nodes[i];
  return module_rewrite(module, scratch, mask_node, &rectified);
}

/* What lies above a changed mask, as parameters after a step do, is seen in the next round. */
void pass_mask(Module *module, Arena *scratch) {
  for (int round = 0; mask_round(module, scratch); round++)
    if (round == 100) bug("masking does not end");
}
