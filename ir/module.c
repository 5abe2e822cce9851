/* Reachability and bottom-up rewriting over the programs of a module. */
#include "ir/ir.h"

#include <string.h>

/* Arguments have smaller ids, so one sweep from the top marks everything below. */
static void mark_below(Node *const *nodes, size_t count, bool *seen) {
  for (size_t i = count; i-- > 0;)
    for (int k = 0; seen[i] && k < 3; k++)
      if (nodes[i]->src[k]) seen[nodes[i]->src[k]->id] = true;
}

size_t module_reach(const Module *module, const Program *program, Arena *arena, Node ***nodes) {
  const Graph *graph = module->graph;
  bool *seen = NEW_ARRAY(arena, bool, graph->node_count);
  for (size_t p = 0; p < module->program_count; p++) {
    const Program *each = &module->programs[p];
    if (program && each != program) continue;
    for (size_t i = 0; i < each->output_count; i++) seen[each->outputs[i].node->id] = true;
  }
  mark_below(graph->nodes, graph->node_count, seen);
  size_t count = 0;
  *nodes = NEW_ARRAY(arena, Node *, graph->node_count);
  for (size_t i = 0; i < graph->node_count; i++)
    if (seen[i]) (*nodes)[count++] = graph->nodes[i];
  return count;
}

bool module_rewrite(Module *module, Arena *scratch, RewriteFn fn, void *user) {
  Node **nodes;
  size_t count = module_reach(module, NULL, scratch, &nodes);
  Node **memo = NEW_ARRAY(scratch, Node *, module->graph->node_count);
  for (size_t i = 0; i < count; i++) {
    Node *src[3] = {NULL, NULL, NULL};
    for (int k = 0; k < 3; k++)
      if (nodes[i]->src[k]) src[k] = memo[nodes[i]->src[k]->id];
    Span former = graph_span(module->graph, nodes[i]->span);
    memo[nodes[i]->id] =
        fn(module->graph, node_with(module->graph, nodes[i], src[0], src[1], src[2]), user);
    graph_span(module->graph, former);
  }
  bool changed = false;
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++) {
      Output *output = &module->programs[p].outputs[i];
      changed = changed || memo[output->node->id] != output->node;
      output->node = memo[output->node->id];
    }
  return changed;
}

void module_note(Module *module, Note note) {
  PUSH(module->graph->arena, module->notes, module->note_count, module->note_capacity, note);
}

bool node_flows(const Node *node, int arg) {
  const OpInfo *info = op_of(node);
  if (!node->src[arg]) return false;
  if (node->op == OP_grad) return arg == 0; /* a derivative of a derivative */
  return info->shaped ? info->adjoint && (arg == 0 || info->both)
                      : strcmp(info->grad[arg], "0") != 0;
}

bool node_reaches(const Graph *graph, Arena *scratch, const Node *e, const Node *x) {
  if (x->id > e->id) return false;
  bool *reaches = NEW_ARRAY(scratch, bool, e->id + 1);
  for (uint32_t id = x->id; id <= e->id; id++) {
    const Node *node = graph->nodes[id];
    reaches[id] = node == x;
    for (int i = 0; i < 3; i++)
      if (node_flows(node, i) && node->src[i]->id >= x->id && reaches[node->src[i]->id])
        reaches[id] = true;
  }
  return reaches[e->id];
}
