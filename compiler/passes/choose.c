/* Which choices are gone back through at the chosen places alone: those where it costs less.
 *
 * All are tried together, and then without each: scatters pushed, gathers sunk, contractions made,
 * the cost of the whole counted, the outputs put back. A scatter that reaches no
 * sum over its axis, one with no contraction under it and one of too few rows for buckets are
 * refused by the same number. */
#include "compiler/passes/skip.h"

#include <string.h>

/* FLOPs of contractions that take as long as one element of any other value, which comes from
 * memory; rows of a tile; and what it takes to put one row into its bucket. */
enum { ELEMENT_COST = 16, TILE_ROWS = 8, ROW_COST = 512 };

/* Elements of contractions, those of buckets with the padding to be expected. */
static double contract_cost(const Graph *graph, const Node *node) {
  double flops = contract_flops(graph, node);
  int chosen = contract_chosen(graph, node);
  if (chosen < 0) return flops;
  double rows = (double)axes_extent(graph, contract_rows(node, chosen));
  double buckets = graph->axes[node->src[chosen]->attr.axis].extent;
  return flops * (1 + buckets * (TILE_ROWS - 1) / (2 * rows)) + ROW_COST * rows;
}

/* Elements of everything else, at the size at which it is computed. */
static double node_cost(const Graph *graph, const Node *node) {
  if (node->op == OP_contract) return contract_cost(graph, node);
  if (op_of(node)->arity == 0) return 0;
  Axes axes = node->axes;
  for (int i = 0; i < 3 && node->src[i] && node->op != OP_gather; i++)
    axes = axes_union(axes, node->src[i]->axes);
  return ELEMENT_COST * (double)axes_extent(graph, axes);
}

/* Marks, by id, gathers that somebody reads as a value, not as a weight chosen by row. */
static void mark_values(const Graph *graph, Node *const *nodes, size_t count, bool *value) {
  for (size_t i = 0; i < count; i++) {
    int chosen = nodes[i]->op == OP_contract ? contract_chosen(graph, nodes[i]) : -1;
    for (int k = 0; k < 3 && nodes[i]->src[k]; k++)
      if (k != chosen) value[nodes[i]->src[k]->id] = true;
  }
}

/* What all programs would take. */
typedef struct Cost {
  double flops; /* of contractions */
  double time;  /* in FLOPs of contractions */
} Cost;

static Cost nodes_cost(const Skip *skip) {
  const Graph *graph = skip->module->graph;
  Node **nodes;
  size_t count = module_reach(skip->module, NULL, skip->scratch, &nodes);
  bool *value = NEW_ARRAY(skip->scratch, bool, graph->node_count);
  mark_values(graph, nodes, count, value);
  Cost cost = {0, 0};
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op == OP_gather && !value[nodes[i]->id]) continue;
    if (nodes[i]->op == OP_contract) cost.flops += contract_flops(graph, nodes[i]);
    cost.time += node_cost(graph, nodes[i]);
  }
  return cost;
}

/* Pushes, contracts, counts and puts the outputs back. */
static Cost cost_of(const Skip *skip) {
  Output **before = outputs_copy(skip->module, skip->scratch);
  skip_push(skip);
  pass_contract(skip->module, skip->scratch);
  Cost cost = nodes_cost(skip);
  outputs_restore(skip->module, before);
  return cost;
}

/* Marks, by id, the choices at which a single place is put; returns how many. */
static size_t mark_choices(const Skip *skip, bool *choice) {
  Node **nodes;
  size_t count = module_reach(skip->module, NULL, skip->scratch, &nodes);
  size_t marked = 0;
  for (size_t i = 0; i < count; i++) {
    bool single = nodes[i]->op == OP_scatter && axes_empty(nodes[i]->attr.axes);
    const Node *picker = single ? node_picker(nodes[i]->src[1]) : NULL;
    if (!picker || picker->op == OP_order || choice[picker->id]) continue;
    choice[picker->id] = true;
    marked++;
  }
  return marked;
}

/* The cost without a choice that is taken. */
static Cost cost_without(Skip *skip, size_t id) {
  skip->taken[id] = false;
  Cost cost = cost_of(skip);
  skip->taken[id] = true;
  return cost;
}

static bool same_outputs(const Module *module, Output *const *outputs) {
  for (size_t p = 0; p < module->program_count; p++) {
    const Program *program = &module->programs[p];
    if (memcmp(program->outputs, outputs[p], program->output_count * sizeof *outputs[p]) != 0)
      return false;
  }
  return true;
}

/* FLOPs that a choice which is taken saves, beside the others. Counted with all ranks, so that it
 * adds up with what cutting ranks saves. */
static double saved(Skip *skip, size_t id, Output *const *uncut, Cost chosen, Cost whole) {
  if (same_outputs(skip->module, uncut)) return whole.flops - chosen.flops;
  Output **cut = outputs_copy(skip->module, skip->scratch);
  outputs_restore(skip->module, uncut);
  double less = cost_without(skip, id).flops - cost_of(skip).flops;
  outputs_restore(skip->module, cut);
  return less;
}

static void note_choice(Skip *skip, size_t id, Output *const *uncut, Cost chosen, Cost whole) {
  const Graph *graph = skip->module->graph;
  const Node *node = graph->nodes[id];
  const Axis *axis = &graph->axes[node->attr.axis];
  bool taken = skip->taken[id];
  const char *text = arena_printf(
      graph->arena, "of a choice along %s of %u %s (%.3f against %.3f Mop)", axis->label,
      axis->extent, taken ? "the chosen one alone goes back" : "all go back",
      (taken ? chosen : whole).time / 1e6, (taken ? whole : chosen).time / 1e6);
  module_note(skip->module, (Note){.pass = "skip",
                                   .text = text,
                                   .span = node->span,
                                   .saved = taken ? saved(skip, id, uncut, chosen, whole) : 0});
}

/* All are taken at first, for one may pay only beside another; then those that do not pay are
 * dropped, one by one. */
void skip_choose(Skip *skip, Output **uncut) {
  bool *choice = NEW_ARRAY(skip->scratch, bool, skip->size);
  Cost *without = NEW_ARRAY(skip->scratch, Cost, skip->size);
  size_t left = mark_choices(skip, choice), kept = 0;
  if (!left || skip->module->device) return; /* one warp puts the rows in order: see design.md */
  memcpy(skip->taken, choice, skip->size * sizeof *choice);
  Cost chosen = cost_of(skip);
  for (size_t id = 0; kept < left; id = (id + 1) % skip->size) {
    if (!skip->taken[id]) continue;
    without[id] = cost_without(skip, id);
    kept++;
    if (chosen.time < without[id].time) continue;
    skip->taken[id] = false;
    note_choice(skip, id, uncut, chosen, without[id]);
    chosen = without[id];
    left--;
    kept = 0;
  }
  for (size_t id = 0; id < skip->size; id++)
    if (skip->taken[id]) note_choice(skip, id, uncut, chosen, without[id]);
}
