/* What is kept of a step and hangs on nothing that came of it is computed where the action is:
 * a log-probability of the action shares the network's pass with the draw.
 *
 * Both programs draw by the number of the vector step, and between them the runtime writes what the
 * environments gave and nothing else; so a value that reads none of that, and nothing that acting
 * itself leaves in slots but the action, is the same in both. */
#include "compiler/passes/passes.h"

typedef struct Early {
  Module *module;
  Program *act;
  Arena *scratch;
  bool *late; /* by slot: other than it was before the action was sent */
} Early;

static void late_outputs(Early *early, uint32_t program) {
  if (program == RLC_NONE) return;
  const Program *of = &early->module->programs[program];
  for (size_t i = 0; i < of->output_count; i++) early->late[of->outputs[i].slot] = true;
}

static void find_late(Early *early, const RlcActing *acting) {
  const uint32_t given[] = {acting->reward, acting->next_obs, acting->terminated, acting->truncated,
                            acting->fresh};
  late_outputs(early, acting->program);
  late_outputs(early, acting->advance);
  for (size_t i = 0; i < COUNTOF(given); i++)
    if (given[i] != RLC_NONE) early->late[given[i]] = true;
}

/* The value of a slot that acting writes as a kept action; NULL for other nodes. */
static Node *sent_value(const Early *early, const Node *node) {
  const RlcActing *acting = &early->module->shell.explore;
  if (node->op != OP_input) return NULL;
  if (node->attr.key != acting->action && node->attr.key != acting->send) return NULL;
  for (size_t i = 0; i < early->act->output_count; i++)
    if (early->act->outputs[i].slot == node->attr.key) return early->act->outputs[i].node;
  return NULL;
}

/* Marks what `node` is made of, itself included. */
static bool *reach(const Early *early, const Node *node) {
  Node *const *nodes = early->module->graph->nodes;
  bool *seen = NEW_ARRAY(early->scratch, bool, node->id + 1);
  seen[node->id] = true;
  for (uint32_t id = node->id + 1; id-- > 0;)
    for (int k = 0; seen[id] && k < 3; k++)
      if (nodes[id]->src[k]) seen[nodes[id]->src[k]->id] = true;
  return seen;
}

/* The same value before the step, or NULL when it needs what comes later. */
static Node *before_step(const Early *early, const Node *node) {
  Graph *graph = early->module->graph;
  const bool *seen = reach(early, node);
  Node **memo = NEW_ARRAY(early->scratch, Node *, node->id + 1);
  for (uint32_t id = 0; id <= node->id; id++) {
    const Node *at = graph->nodes[id];
    Node *src[3] = {NULL, NULL, NULL};
    if (!seen[id]) continue;
    for (int k = 0; k < 3; k++)
      if (at->src[k]) src[k] = memo[at->src[k]->id];
    memo[id] = sent_value(early, at);
    if (memo[id]) continue;
    if (at->op == OP_input && early->late[at->attr.key]) return NULL;
    memo[id] = node_with(graph, at, src[0], src[1], src[2]);
  }
  return memo[node->id];
}

void pass_early(Module *module, Arena *scratch) {
  RlcActing *acting = &module->shell.explore;
  if (!module->shell.env_id || acting->program == RLC_NONE || acting->store == RLC_NONE) return;
  Early early = {module, &module->programs[acting->program], scratch,
                 NEW_ARRAY(scratch, bool, module->graph->slot_count + 1)};
  Program *store = &module->programs[acting->store];
  find_late(&early, acting);
  size_t left = 0;
  for (size_t i = 0; i < store->output_count; i++) {
    Output output = store->outputs[i];
    Node *value = early.late[output.slot] ? NULL : before_step(&early, output.node);
    if (value)
      PUSH(module->graph->arena, early.act->outputs, early.act->output_count,
           early.act->output_capacity, ((Output){output.slot, value}));
    else
      store->outputs[left++] = output;
  }
  store->output_count = left;
  if (!left) acting->store = RLC_NONE;
}
