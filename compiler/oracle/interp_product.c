/* Sums of products without the products: gather the operands into matrices, multiply by blocks.
 *
 * Axes of the result in both operands number independent products; axes of one operand are the rows
 * or columns; removed axes are the inner dimension (an operand that lacks one of them repeats).
 * Small products take plain loops. */
#include "compiler/oracle/interp_nodes.h"
#include "compiler/oracle/interp_walk.h"

#include <math.h>
#include <string.h>

enum { TILE_ROWS = 4, INNER_BLOCK = 256, SMALL = 16 };

bool product_of(const Node *node, Product *product) {
  const Node *of = node->op == OP_sum ? node->src[0] : node;
  bool is =
      node->op == OP_contract || (node->op == OP_sum && (of->op == OP_mul || of->op == OP_guard));
  if (is) *product = (Product){of->src[0], of->src[1], of->op == OP_guard};
  return is;
}

/* How the axes of a product fall: [batch][rows][columns] = sum over inner of [batch][rows][inner] *
 * [batch][inner][columns]. */
typedef struct Parts {
  Axes batch, rows, columns, inner;
  size_t batches, m, n, k;
} Parts;

static Parts parts_of(const Graph *graph, const Node *node, Product p) {
  Parts parts;
  parts.inner = node->attr.axes;
  Axes x = axes_minus(p.x->axes, parts.inner), y = axes_minus(p.y->axes, parts.inner);
  parts.batch = axes_common(x, y);
  parts.rows = axes_minus(x, parts.batch);
  parts.columns = axes_minus(y, parts.batch);
  parts.batches = axes_extent(graph, parts.batch);
  parts.m = axes_extent(graph, parts.rows);
  parts.n = axes_extent(graph, parts.columns);
  parts.k = axes_extent(graph, parts.inner);
  return parts;
}

size_t product_scratch(const Graph *graph, const Node *node, Product product) {
  Parts p = parts_of(graph, node, product);
  if (p.m * p.n < SMALL) return 0;
  return p.batches * (p.m * p.k + p.k * p.n + p.m * p.n);
}

/* Copies between the dense form of `axes` and a dense array over the three groups of axes in turn
 * (repeating along axes that are missing in `axes`). */
static void regroup(const Graph *graph, Axes axes, const Axes groups[3], double *grouped,
                    double *dense, bool to_dense) {
  AxisId order[MAX_AXES];
  int count = 0;
  for (int i = 0; i < 3; i++) count += axes_order(graph, groups[i], order + count);
  View views[2] = {view_ordered(graph, order, count), view_dense(graph, axes)};
  Walk walk = walk_make(graph, order, count, views, 2);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      double *g = grouped + walk.at[0] + (ptrdiff_t)i * walk.step[0];
      double *d = dense + walk.at[1] + (ptrdiff_t)i * walk.step[1];
      *(to_dense ? d : g) = *(to_dense ? g : d);
    }
  } while (walk_next(&walk));
}

/* ---- matrices ---- */

typedef struct Matrices {
  double *out;
  const double *x, *y;
  size_t n, k; /* columns of y and out, columns of x */
} Matrices;

/* Adds x[.., from..to) y[from..to, ..) to a tile of out at row i, column j. */
typedef void TileFn(Matrices m, size_t i, size_t j, size_t from, size_t to);

/* A tile of TILE_ROWS rows and two vectors, held in registers. Every width adds in the same order,
 * so results do not depend on the processor. */
#define TILE(name, lanes, attributes)                                                              \
  attributes static void name(Matrices m, size_t i, size_t j, size_t from, size_t to) {            \
    typedef double V                                                                               \
        __attribute__((vector_size((lanes) * sizeof(double)), aligned(8), may_alias));             \
    V sum[TILE_ROWS][2];                                                                           \
    double *out = m.out + i * m.n + j;                                                             \
    for (size_t r = 0; r < TILE_ROWS; r++)                                                         \
      for (size_t v = 0; v < 2; v++) sum[r][v] = *(V *)(out + r * m.n + v * (lanes));              \
    for (size_t k = from; k < to; k++) {                                                           \
      V left = *(const V *)(m.y + k * m.n + j);                                                    \
      V right = *(const V *)(m.y + k * m.n + j + (lanes));                                         \
      for (size_t r = 0; r < TILE_ROWS; r++) {                                                     \
        double x = m.x[(i + r) * m.k + k];                                                         \
        sum[r][0] += x * left;                                                                     \
        sum[r][1] += x * right;                                                                    \
      }                                                                                            \
    }                                                                                              \
    for (size_t r = 0; r < TILE_ROWS; r++)                                                         \
      for (size_t v = 0; v < 2; v++) *(V *)(out + r * m.n + v * (lanes)) = sum[r][v];              \
  }

TILE(tile_narrow, 2, )
#ifdef __x86_64__
TILE(tile_wide, 8, __attribute__((target("avx512f"))))
#endif

/* The same for the ragged edges: rows [i, i_end), columns [j, j_end). */
static void edge_add(Matrices m, size_t i, size_t i_end, size_t j, size_t j_end, size_t from,
                     size_t to) {
  for (; i < i_end; i++)
    for (size_t k = from; k < to; k++) {
      double x = m.x[i * m.k + k];
      for (size_t c = j; c < j_end; c++) m.out[i * m.n + c] += x * m.y[k * m.n + c];
    }
}

/* The widest tile of the processor, and its columns. */
static TileFn *tile_choose(size_t columns, size_t *width) {
#ifdef __x86_64__
  *width = 16;
  if (columns >= *width && __builtin_cpu_supports("avx512f")) return tile_wide;
#endif
  (void)columns;
  *width = 4;
  return tile_narrow;
}

static void multiply(Matrices m, size_t rows) {
  memset(m.out, 0, rows * m.n * sizeof *m.out);
  size_t width, i_end = rows / TILE_ROWS * TILE_ROWS;
  TileFn *tile = tile_choose(m.n, &width);
  size_t j_end = m.n / width * width;
  for (size_t from = 0; from < m.k; from += INNER_BLOCK) {
    size_t to = from + INNER_BLOCK < m.k ? from + INNER_BLOCK : m.k;
    for (size_t j = 0; j < j_end; j += width)
      for (size_t i = 0; i < i_end; i += TILE_ROWS) tile(m, i, j, from, to);
    edge_add(m, 0, i_end, j_end, m.n, from, to);
    edge_add(m, i_end, rows, 0, m.n, from, to);
  }
}

static void product_by_matrices(const Graph *graph, const Node *node, Product product, double *out,
                                const double *x, const double *y, double *scratch) {
  Parts p = parts_of(graph, node, product);
  double *left = scratch, *right = left + p.batches * p.m * p.k;
  double *result = right + p.batches * p.k * p.n;
  regroup(graph, product.x->axes, (Axes[]){p.batch, p.rows, p.inner}, left, (double *)x, false);
  regroup(graph, product.y->axes, (Axes[]){p.batch, p.inner, p.columns}, right, (double *)y, false);
  for (size_t b = 0; b < p.batches; b++)
    multiply(
        (Matrices){result + b * p.m * p.n, left + b * p.m * p.k, right + b * p.k * p.n, p.n, p.k},
        p.m);
  regroup(graph, node->axes, (Axes[]){p.batch, p.rows, p.columns}, result, out, true);
}

/* ---- plain loops ---- */

static void product_by_loops(const Graph *graph, const Node *node, Product product, double *out,
                             const double *x, const double *y) {
  AxisId order[MAX_AXES];
  int count = axes_order(graph, node->axes, order);
  count += axes_order(graph, node->attr.axes, order + count);
  View views[3] = {view_dense(graph, node->axes), view_dense(graph, product.x->axes),
                   view_dense(graph, product.y->axes)};
  memset(out, 0, axes_extent(graph, node->axes) * sizeof *out);
  Walk walk = walk_make(graph, order, count, views, 3);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      ptrdiff_t n = (ptrdiff_t)i;
      double a = x[walk.at[1] + n * walk.step[1]], b = y[walk.at[2] + n * walk.step[2]];
      out[walk.at[0] + n * walk.step[0]] += product.guarded && a == 0 ? 0 : a * b;
    }
  } while (walk_next(&walk));
}

static bool all_finite(const double *x, uint64_t count) {
  for (uint64_t i = 0; i < count; i++)
    if (!isfinite(x[i])) return false;
  return true;
}

void product_sum(const Graph *graph, const Node *node, Product product, double *out,
                 const double *x, const double *y, double *scratch) {
  bool plain = !product.guarded || all_finite(y, axes_extent(graph, product.y->axes));
  if (plain && product_scratch(graph, node, product) > 0)
    product_by_matrices(graph, node, product, out, x, y, scratch);
  else
    product_by_loops(graph, node, product, out, x, y);
}
