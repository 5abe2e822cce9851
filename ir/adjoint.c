/* Derivatives of the shaped operations as expressions over the same operations.
 *
 * Each returns the contribution of the incoming gradient g at node r to argument `arg`, and in
 * *nominal the axes it has as if nothing had been folded: g may lack axes of r (a missing axis
 * reads as broadcast), so the contribution's own axes are not enough to undo broadcasting. */
#include "ir/adjoint.h"

Node *adjoint_sum(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)graph, (void)arg;
  *nominal = axes_union(r->axes, r->attr.axes);
  return g;
}

/* The axes that a gather adds and its adjoint binds: those of the index that the value lacks. */
Node *adjoint_gather(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  if (arg != 0) return NULL;
  Axes bound = axes_minus(r->src[1]->axes, r->src[0]->axes);
  *nominal = axes_union(axes_minus(r->axes, bound), axes_one(r->attr.axis));
  return node_scatter(graph, g, r->src[1], r->attr.axis, bound);
}

Node *adjoint_scatter(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  if (arg != 0) return NULL;
  *nominal = axes_union(r->src[0]->axes, r->src[1]->axes);
  return node_gather(graph, g, r->src[1], r->attr.axis);
}

/* r[t] = a[t] r[t-1] + b[t]: what reaches b[t] is l[t] = g[t] + a[t+1] l[t+1], a scan the other
 * way, and a[t] gets l[t] r[t-1]. */
Node *adjoint_scan(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  AxisId axis = r->attr.axis;
  bool backward = r->attr.word != 0;
  *nominal = r->axes;
  Node *next = node_shift(graph, r->src[0], axis, backward ? -1 : 1);
  Node *reached = node_scan(graph, next, g, axis, !backward);
  if (arg == 1) return reached;
  uint32_t extent = graph->axes[axis].extent;
  double *inside = NEW_ARRAY(graph->arena, double, extent);
  for (uint32_t i = 0; i < extent; i++) inside[i] = i != (backward ? extent - 1 : 0);
  Node *before = node3(graph, OP_where, node_table(graph, axis, inside),
                       node_shift(graph, r, axis, backward ? 1 : -1), node_const(graph, 0));
  return node2(graph, OP_guard, reached, before);
}

Node *adjoint_rename(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)arg;
  *nominal = r->src[0]->axes;
  return axes_has(g->axes, r->attr.to) ? node_rename(graph, g, r->attr.to, r->attr.axis) : g;
}
