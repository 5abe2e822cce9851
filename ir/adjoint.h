/* Derivatives of the shaped operations, named in their rows of ops.def. */
#ifndef RLC_IR_ADJOINT_H
#define RLC_IR_ADJOINT_H

#include "ir/ir.h"

Node *adjoint_sum(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);
Node *adjoint_gather(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);
Node *adjoint_scatter(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);
Node *adjoint_scan(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);
Node *adjoint_rename(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);

#endif
