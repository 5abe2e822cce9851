/* Recognises contractions: sums over named axes of products in which some axis belongs to one
 * factor only.
 *
 * Afterwards such a sum is contract[A](a, b) with A within the axes of both operands; axes of the
 * result in both are batch axes, and at least one axis is owned by one operand. Axes reduced in one
 * operand only are summed there first. With more than two factors the one that owns an axis is an
 * operand and the product of the rest is the other. Never re-associates beyond that. */
#include "compiler/passes/passes.h"

#include <string.h>

#define MAX_FACTORS 16

typedef struct Contractor {
  uint32_t *uses; /* readers of each node before the pass, by id */
  size_t size;
} Contractor;

/* The factors of a product; what would not fit with those still to come stays one factor. */
static size_t flatten(Node *node, Node **factors, size_t count, size_t pending) {
  if (node->op != OP_mul || count + pending + 2 > MAX_FACTORS) {
    factors[count] = node;
    return count + 1;
  }
  count = flatten(node->src[0], factors, count, pending + 1);
  return flatten(node->src[1], factors, count, pending);
}

static Node *product(Graph *graph, Node **factors, size_t count, size_t skip) {
  Node *p = NULL;
  for (size_t i = 0; i < count; i++)
    if (i != skip) p = p ? node2(graph, OP_mul, p, factors[i]) : factors[i];
  return p;
}

/* The factor that owns an axis which no other factor has; `count` when there is none. Of several
 * the one with most elements. */
static size_t owner(const Graph *graph, Node **factors, size_t count) {
  size_t best = count;
  uint64_t most = 0;
  for (size_t i = 0; i < count; i++) {
    Axes others = axes_none();
    for (size_t k = 0; k < count; k++)
      if (k != i) others = axes_union(others, factors[k]->axes);
    bool owns = !axes_empty(axes_minus(factors[i]->axes, others));
    uint64_t extent = axes_extent(graph, factors[i]->axes);
    if (owns && extent > most) best = i, most = extent;
  }
  return best;
}

static Node *sum_some(Graph *graph, Node *x, Axes axes) {
  return axes_empty(axes) ? x : node_sum(graph, x, axes);
}

/* sum[axes](p * q) with axes of one operand summed there first: a contraction, or a plain sum when
 * nothing is then left that one operand alone has. */
static Node *contract(Graph *graph, Node *p, Node *q, Axes axes) {
  p = sum_some(graph, p, axes_minus(axes_common(axes, p->axes), q->axes));
  q = sum_some(graph, q, axes_minus(axes_common(axes, q->axes), p->axes));
  Axes inner = axes_common(axes, axes_common(p->axes, q->axes));
  if (axes_empty(inner)) return node2(graph, OP_mul, p, q);
  if (axes_equal(p->axes, q->axes)) return node_sum(graph, node2(graph, OP_mul, p, q), inner);
  return node_make(graph, OP_contract, (Attr){.axes = inner}, p, q, NULL);
}

/* A sum of a contraction that nobody else reads is a longer contraction. Readers are known for
 * nodes older than the round only. */
static Node *merge(Graph *graph, Node *node, const Contractor *c) {
  Node *x = node->src[0];
  bool alone = x->id < c->size && c->uses[x->id] <= 1;
  if (!alone || !axes_within(node->attr.axes, axes_common(x->src[0]->axes, x->src[1]->axes)))
    return node;
  Axes axes = axes_union(node->attr.axes, x->attr.axes);
  if (axes_equal(x->src[0]->axes, x->src[1]->axes)) return node;
  return node_make(graph, OP_contract, (Attr){.axes = axes}, x->src[0], x->src[1], NULL);
}

static Node *contract_node(Graph *graph, Node *node, void *user) {
  if (node->op != OP_sum) return node;
  if (node->src[0]->op == OP_contract) return merge(graph, node, user);
  Node *factors[MAX_FACTORS];
  size_t count = flatten(node->src[0], factors, 0, 0);
  if (count < 2) return node;
  size_t own = owner(graph, factors, count);
  if (own == count) return node;
  return contract(graph, factors[own], product(graph, factors, count, own), node->attr.axes);
}

double contract_flops(const Graph *graph, const Node *contract) {
  return 2.0 *
         (double)axes_extent(graph, axes_union(contract->src[0]->axes, contract->src[1]->axes));
}

static void count_uses(const Module *module, Arena *scratch, Contractor *c) {
  Node **nodes;
  size_t count = module_reach(module, NULL, scratch, &nodes);
  c->size = module->graph->node_count;
  c->uses = NEW_ARRAY(scratch, uint32_t, c->size);
  for (size_t i = 0; i < count; i++)
    for (int k = 0; k < 3; k++)
      if (nodes[i]->src[k]) c->uses[nodes[i]->src[k]->id]++;
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++)
      c->uses[module->programs[p].outputs[i].node->id]++;
}

static void contract_all(Module *module, Arena *scratch) {
  bool changed = true;
  for (int round = 0; changed; round++) {
    if (round == 20) bug("contraction does not end");
    Contractor c;
    count_uses(module, scratch, &c);
    changed = module_rewrite(module, scratch, contract_node, &c);
  }
}

void pass_contract(Module *module, Arena *scratch) { contract_all(module, scratch); }

/* What the contractions would be is found by making them and putting the outputs back. */
Output **outputs_copy(const Module *module, Arena *scratch) {
  Output **outputs = NEW_ARRAY(scratch, Output *, module->program_count + 1);
  for (size_t p = 0; p < module->program_count; p++) {
    const Program *program = &module->programs[p];
    outputs[p] = NEW_ARRAY(scratch, Output, program->output_count + 1);
    memcpy(outputs[p], program->outputs, program->output_count * sizeof *outputs[p]);
  }
  return outputs;
}

void outputs_restore(Module *module, Output *const *outputs) {
  for (size_t p = 0; p < module->program_count; p++)
    memcpy(module->programs[p].outputs, outputs[p],
           module->programs[p].output_count * sizeof *outputs[p]);
}

void pass_measure(Module *module, Arena *scratch) {
  Output **before = outputs_copy(module, scratch);
  contract_all(module, scratch);
  for (size_t p = 0; p < module->program_count; p++) {
    Node **nodes;
    size_t count = module_reach(module, &module->programs[p], scratch, &nodes);
    module->programs[p].minimal_flops = 0;
    for (size_t i = 0; i < count; i++)
      if (nodes[i]->op == OP_contract)
        module->programs[p].minimal_flops += contract_flops(module->graph, nodes[i]);
  }
  outputs_restore(module, before);
}
