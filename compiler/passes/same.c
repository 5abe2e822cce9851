/* Optimiser states that always hold the same are read as one: the counts of a loss's parameters
 * begin at 0 and grow together, so their powers are computed once.
 *
 * By induction over runs of programs: states are the same when every program, the first one
 * included, gives them the same new value or leaves them alone, provided that what it reads is the
 * same. The widest such partition is found by splitting until nothing splits. Each state keeps its
 * slot and is written as before. */
#include "compiler/passes/passes.h"

typedef struct Same {
  Module *module;
  uint32_t *leader; /* by slot: the first of those that hold the same */
} Same;

static bool is_candidate(const Slot *slot) {
  return slot->kind == RLC_OPTIMIZER && axes_empty(slot->axes);
}

static Node *lead(Graph *graph, Node *node, void *user) {
  const Same *same = user;
  if (node->op != OP_input || same->leader[node->attr.key] == node->attr.key) return node;
  return node_input(graph, same->leader[node->attr.key]);
}

/* By id: what becomes of a node when states are read as their leaders. */
static Node **led(Same *same, Arena *scratch) {
  Graph *graph = same->module->graph;
  Node **nodes, **memo = NEW_ARRAY(scratch, Node *, graph->node_count);
  size_t count = module_reach(same->module, NULL, scratch, &nodes);
  for (size_t i = 0; i < count; i++) {
    Node *src[3] = {NULL, NULL, NULL};
    for (int k = 0; k < 3; k++)
      if (nodes[i]->src[k]) src[k] = memo[nodes[i]->src[k]->id];
    memo[nodes[i]->id] = lead(graph, node_with(graph, nodes[i], src[0], src[1], src[2]), same);
  }
  return memo;
}

/* [program][slot]: what a program leaves there, by that memo; NULL: what was there. */
static const Node **new_values(const Module *module, Node *const *memo, Arena *scratch) {
  size_t slots = module->graph->slot_count;
  const Node **values = NEW_ARRAY(scratch, const Node *, module->program_count *slots + 1);
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++) {
      const Output *output = &module->programs[p].outputs[i];
      values[p * slots + output->slot] = memo[output->node->id];
    }
  return values;
}

static bool alike(const Module *module, const Node *const *values, uint32_t a, uint32_t b) {
  const Graph *graph = module->graph;
  if (graph->slots[a].type != graph->slots[b].type) return false;
  for (size_t p = 0; p < module->program_count; p++, values += graph->slot_count)
    if (values[a] != values[b]) return false;
  return true;
}

/* Splits where programs tell states of one class apart; false when none does. */
static bool split(Same *same, Arena *scratch) {
  const Graph *graph = same->module->graph;
  const Node **values = new_values(same->module, led(same, scratch), scratch);
  uint32_t *finer = NEW_ARRAY(scratch, uint32_t, graph->slot_count + 1);
  bool changed = false;
  for (uint32_t s = 0; s < graph->slot_count; s++) {
    finer[s] = s;
    if (!is_candidate(&graph->slots[s])) continue;
    for (uint32_t k = same->leader[s]; k < s && finer[s] == s; k++)
      if (finer[k] == k && same->leader[k] == same->leader[s] && alike(same->module, values, k, s))
        finer[s] = k;
    changed = changed || finer[s] != same->leader[s];
  }
  same->leader = finer;
  return changed;
}

void pass_same(Module *module, Arena *scratch) {
  const Graph *graph = module->graph;
  Same same = {module, NEW_ARRAY(scratch, uint32_t, graph->slot_count + 1)};
  uint32_t first = RLC_NONE;
  for (uint32_t s = 0; s < graph->slot_count; s++) {
    same.leader[s] = s;
    if (!is_candidate(&graph->slots[s])) continue;
    if (first == RLC_NONE) first = s;
    same.leader[s] = first;
  }
  while (split(&same, scratch)) continue;
  module_rewrite(module, scratch, lead, &same);
}
