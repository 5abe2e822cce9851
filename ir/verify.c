/* Invariants of graphs and programs, and what must hold after each stage. Reports the first
 * violation; changes nothing. */
#include "ir/ir.h"
#include "ir/shape.h"

#include <math.h>
#include <string.h>

/* ---- nodes ---- */

static const char *node_text(Arena *arena, const Node *node, const char *wrong) {
  return arena_printf(arena, "%%%u %s: %s", node->id, op_of(node)->name, wrong);
}

static const char *verify_arguments(const Graph *graph, const Node *node) {
  for (int i = 0; i < 3; i++) {
    const Node *x = node->src[i];
    if (!x) continue;
    if (x->id >= node->id) return "an argument is not older than the node";
    if (graph->nodes[x->id] != x) return "an argument belongs to another graph";
  }
  return NULL;
}

static const char *verify_node(const Graph *graph, Arena *arena, uint32_t id) {
  const Node *node = graph->nodes[id];
  if (node->op >= OP_COUNT) return arena_printf(arena, "%%%u: no such operation", id);
  if (node->id != id) return node_text(arena, node, "the number is not the place in the list");
  Axes axes;
  bool integer;
  const char *wrong = verify_arguments(graph, node);
  if (!wrong) wrong = shape_check(graph, arena, node, &axes, &integer);
  if (wrong) return node_text(arena, node, wrong);
  if (!axes_equal(axes, node->axes)) {
    wrong = arena_printf(arena, "has axes %s, not %s", axes_text(graph, arena, node->axes),
                         axes_text(graph, arena, axes));
    return node_text(arena, node, wrong);
  }
  if (integer == node->integer) return NULL;
  return node_text(arena, node, integer ? "should be integer" : "should not be integer");
}

/* ---- identity ---- */

static uint64_t identity_hash(const Node *n) {
  uint8_t small[3] = {n->attr.axis, n->attr.to, n->attr.word};
  uint64_t h = hash_bytes(HASH_SEED, &n->op, sizeof n->op);
  h = hash_bytes(h, &n->attr.value, sizeof n->attr.value);
  h = hash_bytes(h, &n->attr.key, sizeof n->attr.key);
  h = hash_bytes(h, &n->attr.axes, sizeof n->attr.axes);
  h = hash_bytes(h, small, sizeof small);
  return hash_bytes(h, n->src, sizeof n->src);
}

static bool identity_equal(const Node *a, const Node *b) {
  return a->op == b->op && memcmp(&a->attr.value, &b->attr.value, sizeof a->attr.value) == 0 &&
         a->attr.key == b->attr.key && axes_equal(a->attr.axes, b->attr.axes) &&
         a->attr.axis == b->attr.axis && a->attr.to == b->attr.to && a->attr.word == b->attr.word &&
         memcmp(a->src, b->src, sizeof a->src) == 0;
}

/* Equal requests must have given the same node. */
static const char *verify_identity(const Graph *graph, Arena *arena) {
  size_t size = 16;
  while (size < 2 * graph->node_count) size *= 2;
  const Node **table = NEW_ARRAY(arena, const Node *, size);
  for (size_t id = 0; id < graph->node_count; id++) {
    const Node *node = graph->nodes[id];
    size_t i = identity_hash(node) & (size - 1);
    for (; table[i]; i = (i + 1) & (size - 1))
      if (identity_equal(table[i], node))
        return node_text(arena, node, arena_printf(arena, "is the same as %%%u", table[i]->id));
    table[i] = node;
  }
  return NULL;
}

/* ---- graphs and programs ---- */

static const char *verify_axes(const Graph *graph, Arena *arena) {
  if (graph->axis_count > MAX_AXES) return "too many axes";
  for (uint32_t i = 0; i < graph->axis_count; i++) {
    if (graph->axes[i].extent == 0)
      return arena_printf(arena, "axis %s has no elements", graph->axes[i].label);
    if (graph->axes[i].order > AXIS_FEATURE)
      return arena_printf(arena, "axis %s has no class", graph->axes[i].label);
  }
  return NULL;
}

static const char *verify_slots(const Graph *graph, Arena *arena) {
  for (size_t i = 0; i < graph->slot_count; i++) {
    const Slot *slot = &graph->slots[i];
    unsigned cursor = 0;
    for (AxisId x; axes_next(slot->axes, &cursor, &x);)
      if (x >= graph->axis_count)
        return arena_printf(arena, "slot %s has an axis that does not exist", slot->name);
    for (size_t k = 0; k < i; k++)
      if (strcmp(slot->name, graph->slots[k].name) == 0)
        return arena_printf(arena, "two slots are called %s", slot->name);
  }
  return NULL;
}

static const char *verify_output(const Graph *graph, Arena *arena, Output output) {
  if (output.slot >= graph->slot_count) return "an output goes to no slot";
  const Slot *slot = &graph->slots[output.slot];
  const Node *node = output.node;
  if (!node || node->id >= graph->node_count || graph->nodes[node->id] != node)
    return arena_printf(arena, "the output to %s is no node of the graph", slot->name);
  if (!axes_within(node->axes, slot->axes))
    return arena_printf(arena, "the output to %s has axes %s, the slot %s", slot->name,
                        axes_text(graph, arena, node->axes), axes_text(graph, arena, slot->axes));
  return NULL;
}

static const char *verify_program(const Graph *graph, Arena *arena, const Program *program) {
  const char *wrong = NULL;
  for (size_t i = 0; i < program->output_count && !wrong; i++) {
    wrong = verify_output(graph, arena, program->outputs[i]);
    for (size_t k = 0; k < i && !wrong; k++)
      if (program->outputs[k].slot == program->outputs[i].slot)
        wrong = arena_printf(arena, "slot %s is written twice",
                             graph->slots[program->outputs[i].slot].name);
  }
  return wrong ? arena_printf(arena, "program %s: %s", program->name, wrong) : NULL;
}

/* ---- stages ---- */

/* Stages in the order of the passes; what one establishes the later ones keep. */
typedef enum Stage {
  STAGE_ELABORATE,
  STAGE_GRAD,
  STAGE_ERASE,
  STAGE_SIMPLIFY,
  STAGE_CONTRACT
} Stage;
static const char *const stage_names[] = {"elaborate", "grad", "erase", "simplify", "contract"};

/* A sum of two factors is a contraction when, apart from the summed axes of one factor only, one
 * has an axis of its own; without a summed axis in both it is simpler still. */
static bool should_contract(const Node *node) {
  if (node->op != OP_sum || node->src[0]->op != OP_mul) return false;
  const Node *x = node->src[0]->src[0], *y = node->src[0]->src[1];
  if (x->op == OP_mul || y->op == OP_mul) return false;
  Axes left = axes_minus(x->axes, axes_minus(node->attr.axes, y->axes));
  Axes right = axes_minus(y->axes, axes_minus(node->attr.axes, x->axes));
  bool shared = !axes_empty(axes_common(node->attr.axes, axes_common(left, right)));
  return !shared || !axes_equal(left, right);
}

static const char *verify_stage(const Node *node, Stage stage) {
  if (stage >= STAGE_GRAD && node->op == OP_grad) return "not expanded";
  if (stage >= STAGE_ERASE && (node->op == OP_mark || node->op == OP_stop)) return "not erased";
  if (stage < STAGE_CONTRACT && node->op == OP_contract) return "a contraction before its pass";
  if (stage >= STAGE_CONTRACT && should_contract(node)) return "should be a contraction";
  if (node->op == OP_contract && axes_equal(node->src[0]->axes, node->src[1]->axes))
    return "a contraction of operands with equal axes";
  return NULL;
}

static const char *verify_reach(const Module *module, Arena *arena, const char *stage) {
  size_t s = 0;
  while (s < COUNTOF(stage_names) && strcmp(stage_names[s], stage) != 0) s++;
  if (s == COUNTOF(stage_names)) return NULL;
  Node **nodes;
  size_t count = module_reach(module, NULL, arena, &nodes);
  for (size_t i = 0; i < count; i++) {
    const char *wrong = verify_stage(nodes[i], (Stage)s);
    if (wrong) return node_text(arena, nodes[i], wrong);
  }
  return NULL;
}

const char *ir_verify(const Module *module, Arena *arena, const char *stage) {
  const Graph *graph = module->graph;
  const char *wrong = verify_axes(graph, arena);
  if (!wrong) wrong = verify_slots(graph, arena);
  for (uint32_t id = 0; id < graph->node_count && !wrong; id++)
    wrong = verify_node(graph, arena, id);
  if (!wrong) wrong = verify_identity(graph, arena);
  for (size_t i = 0; i < module->program_count && !wrong; i++)
    wrong = verify_program(graph, arena, &module->programs[i]);
  return wrong || !stage ? wrong : verify_reach(module, arena, stage);
}
