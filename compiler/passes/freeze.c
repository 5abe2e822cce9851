/* Builds the frozen form of a loss: stops and marked parameters become slots, decisions become
 * outputs. */
#include "compiler/passes/freeze.h"
#include "compiler/passes/passes.h"

#include <string.h>

typedef struct Freezer {
  Arena *arena;
  Graph *graph;
  Frozen *frozen;
  const char *name;
  Node **marks; /* by parameter, after expansion */
  Node **memo;  /* by id: the frozen form of a node */
  Node **gains; /* by id of the frozen form: what a node gains over the base point */
} Freezer;

static uint32_t own_slot(Freezer *f, const char *what, const Node *node, bool scalar) {
  const char *name =
      arena_printf(f->graph->arena, "gradcheck%zu.%s.%s", f->graph->slot_count, f->name, what);
  RlcType type = node->integer ? RLC_I32 : scalar ? RLC_F64 : RLC_F32;
  return graph_slot(f->graph, name, RLC_RESULT, type, node->axes, node->span);
}

static void add_output(Freezer *f, int program, uint32_t slot, Node *node) {
  Program *p = &f->frozen->module->programs[program];
  PUSH(f->arena, p->outputs, p->output_count, p->output_capacity, ((Output){slot, node}));
}

/* The gradient program; marks are outputs of the base program, so that expanding rewrites all
 * alike. */
static void add_gradients(Freezer *f, const GradcheckLoss *loss) {
  Frozen *frozen = f->frozen;
  frozen->loss = own_slot(f, "loss", loss->value, true);
  add_output(f, FROZEN_GRADIENT, frozen->loss, loss->value);
  for (size_t i = 0; i < loss->count; i++) {
    Node *mark = loss->marks[i];
    const char *name = f->graph->slots[loss->parameters[i]].name;
    frozen->gradients[i] = own_slot(f, arena_printf(f->arena, "gradient.%s", name), mark, false);
    frozen->points[i] = own_slot(f, arena_printf(f->arena, "point.%s", name), mark, false);
    add_output(f, FROZEN_GRADIENT, frozen->gradients[i], node_grad(f->graph, loss->value, mark));
    add_output(f, FROZEN_BASE, frozen->points[i], mark);
  }
}

/* ---- freezing ---- */

static size_t mark_index(const Freezer *f, const Node *node) {
  size_t i = 0;
  while (i < f->frozen->count && f->marks[i] != node) i++;
  return i;
}

static bool is_frozen(const Freezer *f, const Node *node) {
  return node->op == OP_stop || mark_index(f, node) < f->frozen->count;
}

static Node *freeze_node(Freezer *f, Node *node) {
  size_t mark = mark_index(f, node);
  if (mark < f->frozen->count) return f->frozen->inputs[mark];
  if (node->op == OP_stop) {
    uint32_t slot = own_slot(f, "stop", node, axes_empty(node->axes));
    add_output(f, FROZEN_BASE, slot, node->src[0]);
    return node_input(f->graph, slot);
  }
  Node *src[3] = {NULL, NULL, NULL};
  for (int k = 0; k < 3; k++)
    if (node->src[k]) src[k] = f->memo[node->src[k]->id];
  return node->op == OP_mark ? src[0] : node_with(f->graph, node, src[0], src[1], src[2]);
}

/* The frozen form of e: only what e reaches without passing through something frozen. */
static Node *freeze_below(Freezer *f, Node *e) {
  f->memo = NEW_ARRAY(f->arena, Node *, e->id + 1);
  bool *needed = NEW_ARRAY(f->arena, bool, e->id + 1);
  needed[e->id] = true;
  for (size_t id = e->id + 1; id-- > 0;) {
    Node *node = f->graph->nodes[id];
    for (int k = 0; k < 3 && needed[id] && !is_frozen(f, node); k++)
      if (node->src[k]) needed[node->src[k]->id] = true;
  }
  for (size_t id = 0; id <= e->id; id++)
    if (needed[id]) f->memo[id] = freeze_node(f, f->graph->nodes[id]);
  return f->memo[e->id];
}

/* ---- centring ---- */

enum { MAX_CENTERED = 1 << 20 }; /* elements of a term that is kept */

/* Which nodes up to e depend on a parameter's slot. */
static bool *find_moving(const Freezer *f, const Node *e) {
  bool *moves = NEW_ARRAY(f->arena, bool, e->id + 1);
  for (size_t i = 0; i < f->frozen->count; i++)
    if (f->frozen->inputs[i]->id <= e->id) moves[f->frozen->inputs[i]->id] = true;
  for (size_t id = 0; id <= e->id; id++)
    for (int k = 0; k < 3; k++) {
      const Node *x = f->graph->nodes[id]->src[k];
      if (x && moves[x->id]) moves[id] = true;
    }
  return moves;
}

static Node *center(Freezer *f, Node *node, const bool *moves);

static Node *center_node(Freezer *f, Node *node, const bool *moves) {
  Node *x = node->src[0], *y = node->src[1];
  if (!moves[node->id]) return node_const(f->graph, 0);
  switch ((OpCode)node->op) {
  case OP_neg:
    return node1(f->graph, OP_neg, center(f, x, moves));
  case OP_sum:
    return node_sum(f->graph, center(f, x, moves), node->attr.axes);
  case OP_add:
  case OP_sub:
    return node2(f->graph, node->op, center(f, x, moves), center(f, y, moves));
  case OP_mul:
    if (!moves[x->id]) return node2(f->graph, OP_mul, x, center(f, y, moves));
    if (!moves[y->id]) return node2(f->graph, OP_mul, center(f, x, moves), y);
    break;
  case OP_div:
    if (!moves[y->id]) return node2(f->graph, OP_div, center(f, x, moves), y);
    break;
  default:
    break;
  }
  if (axes_extent(f->graph, node->axes) > MAX_CENTERED || axes_count(node->axes) > RLC_MAX_RANK)
    return node;
  uint32_t slot = own_slot(f, "term", node, axes_empty(node->axes));
  add_output(f, FROZEN_CENTER, slot, node);
  return node2(f->graph, OP_sub, node, node_input(f->graph, slot));
}

/* What `node` gains over its value at the base point: taken term by term as far as it is linear. */
static Node *center(Freezer *f, Node *node, const bool *moves) {
  if (!f->gains[node->id]) f->gains[node->id] = center_node(f, node, moves);
  return f->gains[node->id];
}

/* ---- decisions ---- */

/* What must not change between two points for `node` to be smooth between them; NULL where it
 * always is. */
static Node *decision_of(Graph *graph, Node *node) {
  Node *x = node->src[0], *y = node->src[1], *zero = node_const(graph, 0);
  switch ((OpCode)node->op) {
  case OP_argmin:
  case OP_argmax:
  case OP_order:
  case OP_lt:
  case OP_le:
  case OP_eq:
  case OP_sign:
  case OP_floor:
    return node;
  case OP_abs:
    return node1(graph, OP_sign, x);
  case OP_min:
    return node2(graph, OP_le, x, y);
  case OP_max:
    return node2(graph, OP_le, y, x);
  case OP_where:
  case OP_guard:
    return node2(graph, OP_eq, x, zero);
  default:
    return NULL;
  }
}

static void add_kinks(Freezer *f, Node *value) {
  Frozen *frozen = f->frozen;
  size_t capacity = 0, before = f->graph->node_count;
  add_output(f, FROZEN_KINKS, frozen->value, value);
  Node **nodes;
  size_t count =
      module_reach(frozen->module, &frozen->module->programs[FROZEN_LOSS], f->arena, &nodes);
  bool *seen = NEW_ARRAY(f->arena, bool, before + 2 * count);
  for (size_t i = 0; i < count; i++) {
    Node *decision = decision_of(f->graph, nodes[i]);
    if (!decision || decision->op == OP_const || seen[decision->id]) continue;
    seen[decision->id] = true;
    PUSH(f->arena, frozen->kinks, frozen->kink_count, capacity, decision);
    add_output(f, FROZEN_KINKS, own_slot(f, "kink", decision, false), decision);
  }
}

Frozen *freeze_loss(Arena *arena, const Module *module, const GradcheckLoss *loss,
                    const OpInfo *table) {
  static const char *const names[] = {"gradient", "base", "center", "loss", "kinks"};
  Frozen *frozen = NEW(arena, Frozen);
  Freezer f = {.arena = arena, .graph = module->graph, .frozen = frozen, .name = loss->name};
  frozen->count = loss->count;
  frozen->gradients = NEW_ARRAY(arena, uint32_t, loss->count + 1);
  frozen->points = NEW_ARRAY(arena, uint32_t, loss->count + 1);
  frozen->inputs = NEW_ARRAY(arena, Node *, loss->count + 1);
  frozen->module = NEW(arena, Module);
  *frozen->module = (Module){.graph = module->graph, .shell = module->shell};
  for (int i = 0; i < FROZEN_PROGRAMS; i++)
    PUSH(arena, frozen->module->programs, frozen->module->program_count,
         frozen->module->program_capacity, ((Program){.name = names[i]}));
  add_gradients(&f, loss);
  grad_expand(frozen->module, arena, table);
  f.marks = NEW_ARRAY(arena, Node *, loss->count + 1);
  for (size_t i = 0; i < loss->count; i++) {
    f.marks[i] = frozen->module->programs[FROZEN_BASE].outputs[i].node;
    frozen->inputs[i] = node_input(f.graph, frozen->points[i]);
  }
  Node *value = freeze_below(&f, frozen->module->programs[FROZEN_GRADIENT].outputs[0].node);
  frozen->whole = own_slot(&f, "whole", value, true);
  add_output(&f, FROZEN_CENTER, frozen->whole, value);
  f.gains = NEW_ARRAY(arena, Node *, value->id + 1);
  value = center(&f, value, find_moving(&f, value));
  frozen->value = own_slot(&f, "gain", value, true);
  add_output(&f, FROZEN_LOSS, frozen->value, value);
  add_kinks(&f, value);
  return frozen;
}
