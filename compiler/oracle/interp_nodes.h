/* One node of the graph over dense arrays in double: the meaning of every operation, and nothing
 * about memory. */
#ifndef RLC_COMPILER_ORACLE_INTERP_NODES_H
#define RLC_COMPILER_ORACLE_INTERP_NODES_H

#include "ir/ir.h"

/* What draws depend on besides the node. */
typedef struct Draws {
  uint64_t seed, step;
} Draws;

/* Writes the value of `node` to out, from the values of its arguments; all dense in axes_order. Not
 * for contract, input and grad. */
void interp_node(const Graph *graph, const Node *node, Draws draws, double *out,
                 const double *const src[3]);

/* The factors of a sum of products, or of one that is written sum(mul(x, y)) or sum(guard(x, y)).
 */
typedef struct Product {
  const Node *x, *y;
  bool guarded; /* 0 * y is 0 even where y is not finite */
} Product;

/* True when `node` is a sum of products, with its factors in *product. */
bool product_of(const Node *node, Product *product);
/* Doubles of scratch that product_sum needs for `node`. */
size_t product_scratch(const Graph *graph, const Node *node, Product product);
/* The sum of products `node` without materialising the products. */
void product_sum(const Graph *graph, const Node *node, Product product, double *out,
                 const double *x, const double *y, double *scratch);

#endif
