/* Conditions of the loop's steps: what depends on counters alone becomes terms for the runtime, all
 * else a program. */
#include "dsl/data.h"

/* The counter that a slot stands for, or RLC_COUNTERS. */
static uint8_t counter_of(const Elab *elab, uint64_t slot) {
  uint8_t counter = 0;
  while (counter < RLC_COUNTERS && elab->counters[counter] != slot) counter++;
  return counter;
}

/* A term without its arguments. False where the node is none. */
static bool term_of(const Elab *elab, const Node *node, RlcTerm *term) {
  *term = (RlcTerm){.op = (uint8_t)node->op, .value = node->attr.value};
  if (node->op == OP_input) term->counter = counter_of(elab, node->attr.key);
  if (node->op == OP_input) return term->counter < RLC_COUNTERS;
  return node->op == OP_const || !op_of(node)->shaped;
}

/* The open program as terms; false where it cannot be. */
static bool terms_take(Elab *elab, RlcStep *step) {
  Node **nodes;
  size_t count = module_reach(elab->module, elab->program, elab->arena, &nodes);
  if (count > RLC_TERMS) return false;
  RlcTerm *terms = NEW_ARRAY(elab->arena, RlcTerm, count);
  uint8_t *number = NEW_ARRAY(elab->arena, uint8_t, elab->graph->node_count);
  for (size_t i = 0; i < count; i++) {
    if (!term_of(elab, nodes[i], &terms[i])) return false;
    number[nodes[i]->id] = (uint8_t)i;
    for (int k = 0; k < 3; k++)
      if (nodes[i]->src[k]) terms[i].src[k] = number[nodes[i]->src[k]->id];
  }
  step->terms = terms;
  step->term_count = (uint32_t)count;
  return true;
}

/* Its value, in the open program. NULL after reporting. */
static Node *condition_value(Elab *elab, const Tree *condition, bool holds) {
  Node *node = eval_tree_node(elab, elab->globals, condition);
  if (node && !axes_empty(node->axes)) {
    elab_error(elab, condition->span, "reduce it, as in mean[...](...)",
               "a condition is a scalar, but this has axes %s",
               axes_text(elab->graph, elab->arena, node->axes));
    return NULL;
  }
  return node && !holds ? node2(elab->graph, OP_eq, node, node_const(elab->graph, 0)) : node;
}

Node *condition_elaborate(Elab *elab, const char *name, const Tree *condition, bool holds,
                          RlcStep *step) {
  Block block = elab->block;
  elab->block = (Block){0};
  elab->path = arena_printf(elab->arena, "loop.%s", name);
  program_open(elab, name);
  Node *node = condition_value(elab, condition, holds);
  step->slot = graph_slot(elab->graph, arena_printf(elab->arena, "condition.%s", name), RLC_RESULT,
                          RLC_F64, axes_none(), condition->span);
  step->index = RLC_NONE;
  if (node) program_output(elab, step->slot, node);
  if (node && terms_take(elab, step))
    program_drop(elab);
  else
    step->index = program_close(elab);
  elab->block = block;
  return node;
}
