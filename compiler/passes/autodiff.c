/* Reverse mode as a graph-to-graph pass: accumulation and undoing of broadcasts, no knowledge of
 * any op.
 *
 * Derivatives of elementwise ops are the texts of their rows, those of shaped ops the functions
 * named there. A contribution is summed over the axes that the argument lacks at each use, before
 * accumulation. Afterwards no grad request is left. */
#include "compiler/passes/passes.h"
#include "compiler/passes/formula.h"

#include <string.h>

typedef struct Grad {
  Graph *graph;
  Arena *scratch;
  const OpInfo *table;
  const Expr *columns[OP_COUNT][3]; /* derivative texts, read once; NULL for none */
} Grad;

static void read_columns(Grad *grad) {
  for (int op = 0; op < OP_COUNT; op++)
    for (int i = 0; i < grad->table[op].arity && !grad->table[op].shaped; i++)
      if (strcmp(grad->table[op].grad[i], "0") != 0)
        grad->columns[op][i] = formula_read(grad->scratch, grad->table[op].grad[i]);
}

/* Whether anything can flow from result to argument `arg`. */
static bool flows(const Grad *grad, const Node *node, int arg) {
  if (!node->src[arg]) return false;
  const OpInfo *info = &grad->table[node->op];
  return info->shaped ? info->adjoint && (arg == 0 || info->both)
                      : grad->columns[node->op][arg] != NULL;
}

static Node *contribution(Grad *grad, Node *r, Node *g, int arg, bool guarded, Axes *nominal) {
  const OpInfo *info = &grad->table[r->op];
  if (info->shaped) return info->adjoint(grad->graph, r, g, arg, nominal);
  Binding bindings[] = {{"x", r->src[0]}, {"y", r->src[1]}, {"z", r->src[2]}, {"r", r}, {"g", g}};
  *nominal = r->axes;
  return formula_build(grad->graph, grad->columns[r->op][arg], bindings, COUNTOF(bindings),
                       guarded);
}

/* Marks the nodes below e through which x is reached. */
static void find_paths(const Grad *grad, const Node *e, const Node *x, bool *depends) {
  for (uint32_t id = x->id; id <= e->id; id++) {
    const Node *node = grad->graph->nodes[id];
    depends[id] = node == x;
    for (int i = 0; i < 3; i++)
      if (flows(grad, node, i) && node->src[i]->id >= x->id && depends[node->src[i]->id])
        depends[id] = true;
  }
}

/* Adds node r's contributions to its arguments. `below` says whether a selecting op lies between e
 * and a node. */
static void push_down(Grad *grad, Node *r, Node **adjoint, bool *below, const bool *depends) {
  bool selects = below[r->id] || grad->table[r->op].selects;
  for (int i = 0; i < 3; i++) {
    if (!flows(grad, r, i) || !depends[r->src[i]->id]) continue;
    uint32_t to = r->src[i]->id;
    Axes nominal;
    Node *c = contribution(grad, r, adjoint[r->id], i, below[r->id], &nominal);
    c = node_sum(grad->graph, c, axes_minus(nominal, r->src[i]->axes));
    adjoint[to] = adjoint[to] ? node2(grad->graph, OP_add, adjoint[to], c) : c;
    below[to] = below[to] || selects;
  }
}

static Node *differentiate(Grad *grad, Node *e, Node *x) {
  Graph *graph = grad->graph;
  if (x->id > e->id) return node_const(graph, 0);
  bool *depends = NEW_ARRAY(grad->scratch, bool, e->id + 1);
  bool *below = NEW_ARRAY(grad->scratch, bool, e->id + 1);
  Node **adjoint = NEW_ARRAY(grad->scratch, Node *, e->id + 1);
  find_paths(grad, e, x, depends);
  adjoint[e->id] = node_const(graph, 1);
  for (uint32_t id = e->id; id > x->id; id--) {
    Node *r = graph->nodes[id];
    if (!depends[id] || !adjoint[id]) continue;
    Span former = graph_span(graph, r->span);
    push_down(grad, r, adjoint, below, depends);
    graph_span(graph, former);
  }
  return adjoint[x->id] ? adjoint[x->id] : node_const(graph, 0);
}

static Node *expand(Graph *graph, Node *node, void *user) {
  (void)graph;
  return node->op == OP_grad ? differentiate(user, node->src[0], node->src[1]) : node;
}

void grad_expand(Module *module, Arena *scratch, const OpInfo *table) {
  Grad grad = {.graph = module->graph, .scratch = scratch, .table = table};
  read_columns(&grad);
  module_rewrite(module, scratch, expand, &grad);
}

static Node *erase(Graph *graph, Node *node, void *user) {
  (void)graph, (void)user;
  return node->op == OP_mark || node->op == OP_stop ? node->src[0] : node;
}

void pass_erase(Module *module, Arena *scratch) { module_rewrite(module, scratch, erase, NULL); }
