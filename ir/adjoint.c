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

Node *adjoint_rename(Graph *graph, Node *r, Node *g, int arg, Axes *nominal) {
  (void)arg;
  *nominal = r->src[0]->axes;
  return axes_has(g->axes, r->attr.to) ? node_rename(graph, g, r->attr.to, r->attr.axis) : g;
}
