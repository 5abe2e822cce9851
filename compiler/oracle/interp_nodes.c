/* Every operation but the sum of products, evaluated over dense arrays.
 *
 * Elementwise operations are loops generated from the expressions of ops.def; shaped ones are
 * written out. */
#include "compiler/oracle/interp_nodes.h"
#include "compiler/oracle/interp_walk.h"
#include "runtime/rng.h"

#include <math.h>
#include <string.h>

/* ---- elementwise operations ---- */

typedef struct Row {
  size_t count;
  double *out;
  const double *x, *y, *z;
  ptrdiff_t x_step, y_step, z_step;
} Row;

#define MAP(name, e)                                                                               \
  static void row_##name(Row row) {                                                                \
    for (size_t i = 0; i < row.count; i++) {                                                       \
      double x = row.x[(ptrdiff_t)i * row.x_step], y = row.y[(ptrdiff_t)i * row.y_step],           \
             z = row.z[(ptrdiff_t)i * row.z_step];                                                 \
      (void)y, (void)z;                                                                            \
      row.out[i] = e;                                                                              \
    }                                                                                              \
  }
#define OP1(name, e, ...) MAP(name, e)
#define OP2(name, e, ...) MAP(name, e)
#define OP3(name, e, ...) MAP(name, e)
#include "ir/ops.def"
#define FORMAT(name, ...) MAP(name, format_round(FORMAT_##name, x))
#include "ir/formats.def"

static void (*const row_table[OP_COUNT])(Row row) = {
#define OP1(name, ...) [OP_##name] = row_##name,
#define OP2(name, ...) [OP_##name] = row_##name,
#define OP3(name, ...) [OP_##name] = row_##name,
#include "ir/ops.def"
#define FORMAT(name, ...) [OP_##name] = row_##name,
#include "ir/formats.def"
};

/* Operand 0 is the result; arguments that an operation lacks read a zero. */
static void map_elements(const Graph *graph, const Node *node, double *out,
                         const double *const src[3]) {
  static const double nothing = 0;
  AxisId order[MAX_AXES];
  int count = axes_order(graph, node->axes, order);
  View views[4] = {view_dense(graph, node->axes)};
  const double *from[3];
  for (int k = 0; k < 3; k++) {
    views[k + 1] = view_dense(graph, node->src[k] ? node->src[k]->axes : axes_none());
    from[k] = node->src[k] ? src[k] : &nothing;
  }
  Walk walk = walk_make(graph, order, count, views, 4);
  do {
    row_table[node->op]((Row){walk.inner, out + walk.at[0], from[0] + walk.at[1],
                              from[1] + walk.at[2], from[2] + walk.at[3], walk.step[1],
                              walk.step[2], walk.step[3]});
  } while (walk_next(&walk));
}

/* ---- leaves, renaming ---- */

static void draw_uniform(const Graph *graph, const Node *node, Draws draws, double *out) {
  AxisId order[MAX_AXES], numbered[MAX_AXES];
  int count = axes_order(graph, node->axes, order);
  axes_draw_order(graph, node->axes, numbered);
  View views[2] = {view_dense(graph, node->axes), view_ordered(graph, numbered, count)};
  uint32_t stream = rng_stream(node->attr.key);
  Walk walk = walk_make(graph, order, count, views, 2);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      ptrdiff_t n = (ptrdiff_t)i;
      Philox bits =
          philox(draws.seed, stream, draws.step, (uint32_t)(walk.at[1] + n * walk.step[1]));
      out[walk.at[0] + n * walk.step[0]] = rng_uniform(bits.word[node->attr.word & 3]);
    }
  } while (walk_next(&walk));
}

static void copy_renamed(const Graph *graph, const Node *node, double *out, const double *x) {
  AxisId order[MAX_AXES];
  int count = axes_order(graph, node->axes, order);
  View views[2] = {view_dense(graph, node->axes), view_dense(graph, node->src[0]->axes)};
  views[1].step[node->attr.to] = views[1].step[node->attr.axis];
  Walk walk = walk_make(graph, order, count, views, 2);
  do {
    for (size_t i = 0; i < walk.inner; i++)
      out[walk.at[0] + (ptrdiff_t)i * walk.step[0]] = x[walk.at[1] + (ptrdiff_t)i * walk.step[1]];
  } while (walk_next(&walk));
}

/* ---- reductions ---- */

static void sum_elements(const Graph *graph, const Node *node, double *out, const double *x) {
  AxisId order[MAX_AXES];
  Axes all = node->src[0]->axes;
  int count = axes_order(graph, all, order);
  View views[2] = {view_dense(graph, node->axes), view_dense(graph, all)};
  memset(out, 0, axes_extent(graph, node->axes) * sizeof *out);
  Walk walk = walk_make(graph, order, count, views, 2);
  do {
    for (size_t i = 0; i < walk.inner; i++)
      out[walk.at[0] + (ptrdiff_t)i * walk.step[0]] += x[walk.at[1] + (ptrdiff_t)i * walk.step[1]];
  } while (walk_next(&walk));
}

/* ---- positions along an axis: fn(column, its length and step, result, its step) per remaining
 * element ---- */

typedef void ColumnFn(const double *x, uint32_t count, ptrdiff_t step, double *out,
                      uint32_t out_count, ptrdiff_t out_step);

static void column_argmin(const double *x, uint32_t count, ptrdiff_t step, double *out,
                          uint32_t out_count, ptrdiff_t out_step) {
  (void)out_count, (void)out_step;
  uint32_t best = 0;
  for (uint32_t i = 1; i < count; i++)
    if (x[i * step] < x[best * step]) best = i;
  *out = best;
}

static void column_argmax(const double *x, uint32_t count, ptrdiff_t step, double *out,
                          uint32_t out_count, ptrdiff_t out_step) {
  (void)out_count, (void)out_step;
  uint32_t best = 0;
  for (uint32_t i = 1; i < count; i++)
    if (x[i * step] > x[best * step]) best = i;
  *out = best;
}

/* The rank of an element counts those below it; among equals the higher position is below. */
static void column_order(const double *x, uint32_t count, ptrdiff_t step, double *out,
                         uint32_t out_count, ptrdiff_t out_step) {
  for (uint32_t i = 0; i < out_count; i++) out[i * out_step] = 0;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t rank = 0;
    for (uint32_t j = 0; j < count; j++)
      rank += x[j * step] < x[i * step] || (x[j * step] == x[i * step] && j > i);
    if (rank + out_count >= count) out[(rank + out_count - count) * out_step] = i;
  }
}

static void find_positions(const Graph *graph, const Node *node, double *out, const double *x,
                           ColumnFn *fn) {
  AxisId order[MAX_AXES], axis = node->attr.axis, to = node->attr.to;
  bool ranks = node->op == OP_order;
  Axes rest = axes_minus(node->src[0]->axes, axes_one(axis));
  int count = axes_order(graph, rest, order);
  View views[2] = {view_dense(graph, node->axes), view_dense(graph, node->src[0]->axes)};
  Walk walk = walk_make(graph, order, count, views, 2);
  do {
    for (size_t i = 0; i < walk.inner; i++)
      fn(x + walk.at[1] + (ptrdiff_t)i * walk.step[1], graph->axes[axis].extent,
         views[1].step[axis], out + walk.at[0] + (ptrdiff_t)i * walk.step[0],
         ranks ? graph->axes[to].extent : 1, ranks ? views[0].step[to] : 0);
  } while (walk_next(&walk));
}

/* ---- by position ---- */

static ptrdiff_t position_checked(const Graph *graph, const Node *node, double position) {
  const Axis *axis = &graph->axes[node->attr.axis];
  if (!(position >= 0 && position < axis->extent))
    bug("%s: position %g outside axis %s of extent %u", op_of(node)->name, position, axis->label,
        axis->extent);
  return (ptrdiff_t)position;
}

static void gather_elements(const Graph *graph, const Node *node, double *out, const double *value,
                            const double *index) {
  AxisId order[MAX_AXES];
  int count = axes_order(graph, node->axes, order);
  View views[3] = {view_dense(graph, node->axes), view_dense(graph, node->src[0]->axes),
                   view_dense(graph, node->src[1]->axes)};
  ptrdiff_t along = views[1].step[node->attr.axis];
  views[1].step[node->attr.axis] = 0;
  Walk walk = walk_make(graph, order, count, views, 3);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      ptrdiff_t n = (ptrdiff_t)i;
      double position = index[walk.at[2] + n * walk.step[2]];
      out[walk.at[0] + n * walk.step[0]] =
          value[walk.at[1] + n * walk.step[1] + along * position_checked(graph, node, position)];
    }
  } while (walk_next(&walk));
}

static void scatter_elements(const Graph *graph, const Node *node, double *out, const double *value,
                             const double *index) {
  AxisId order[MAX_AXES];
  Axes all = axes_union(node->src[0]->axes, node->src[1]->axes);
  int count = axes_order(graph, all, order);
  View views[3] = {view_dense(graph, node->axes), view_dense(graph, node->src[0]->axes),
                   view_dense(graph, node->src[1]->axes)};
  ptrdiff_t along = views[0].step[node->attr.axis];
  memset(out, 0, axes_extent(graph, node->axes) * sizeof *out);
  Walk walk = walk_make(graph, order, count, views, 3);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      ptrdiff_t n = (ptrdiff_t)i;
      double position = index[walk.at[2] + n * walk.step[2]];
      out[walk.at[0] + n * walk.step[0] + along * position_checked(graph, node, position)] +=
          value[walk.at[1] + n * walk.step[1]];
    }
  } while (walk_next(&walk));
}

/* ---- along an axis, one element after the other ---- */

static void scan_elements(const Graph *graph, const Node *node, double *out, const double *a,
                          const double *b) {
  AxisId order[MAX_AXES], axis = node->attr.axis;
  int count = axes_order(graph, axes_minus(node->axes, axes_one(axis)), order);
  View views[3] = {view_dense(graph, node->axes), view_dense(graph, node->src[0]->axes),
                   view_dense(graph, node->src[1]->axes)};
  uint32_t extent = graph->axes[axis].extent;
  Walk walk = walk_make(graph, order, count, views, 3);
  do {
    for (size_t i = 0; i < walk.inner; i++) {
      ptrdiff_t from[3];
      double running = 0;
      for (int k = 0; k < 3; k++) from[k] = walk.at[k] + (ptrdiff_t)i * walk.step[k];
      for (uint32_t step = 0; step < extent; step++) {
        ptrdiff_t t = node->attr.word ? extent - 1 - step : step;
        running =
            a[from[1] + t * views[1].step[axis]] * running + b[from[2] + t * views[2].step[axis]];
        out[from[0] + t * views[0].step[axis]] = running;
      }
    }
  } while (walk_next(&walk));
}

/* `rows` vectors of `columns` elements, in place: modified Gram-Schmidt, each vector twice. Of a
 * vector that depends on those before it only rounding is left, and it becomes 0. */
static void make_orthonormal(double *x, uint32_t rows, ptrdiff_t row, uint32_t columns,
                             ptrdiff_t column) {
  for (uint32_t i = 0; i < rows; i++) {
    double *own = x + i * row, before = 0, square = 0;
    for (uint32_t j = 0; j < columns; j++) before += own[j * column] * own[j * column];
    for (uint32_t pass = 0; pass < 2; pass++)
      for (uint32_t k = 0; k < i; k++) {
        const double *other = x + k * row;
        double dot = 0;
        for (uint32_t j = 0; j < columns; j++) dot += own[j * column] * other[j * column];
        for (uint32_t j = 0; j < columns; j++) own[j * column] -= dot * other[j * column];
      }
    for (uint32_t j = 0; j < columns; j++) square += own[j * column] * own[j * column];
    double length = sqrt(square);
    bool depends = !(1e-12 * before < square);
    for (uint32_t j = 0; j < columns; j++) own[j * column] = depends ? 0 : own[j * column] / length;
  }
}

static void orthonormal_vectors(const Graph *graph, const Node *node, double *out,
                                const double *x) {
  AxisId order[MAX_AXES], axis = node->attr.axis, to = node->attr.to;
  Axes vectors = axes_union(axes_one(axis), axes_one(to));
  int count = axes_order(graph, axes_minus(node->axes, vectors), order);
  View view = view_dense(graph, node->axes);
  memcpy(out, x, axes_extent(graph, node->axes) * sizeof *out);
  Walk walk = walk_make(graph, order, count, &view, 1);
  do {
    for (size_t i = 0; i < walk.inner; i++)
      make_orthonormal(out + walk.at[0] + (ptrdiff_t)i * walk.step[0], graph->axes[axis].extent,
                       view.step[axis], graph->axes[to].extent, view.step[to]);
  } while (walk_next(&walk));
}

void interp_node(const Graph *graph, const Node *node, Draws draws, double *out,
                 const double *const src[3]) {
  const Table *table;
  switch ((OpCode)node->op) {
  case OP_const:
    *out = node->attr.value;
    return;
  case OP_table:
    table = &graph->tables[node->attr.key];
    memcpy(out, table->values, table->count * sizeof *out);
    return;
  case OP_uniform:
    draw_uniform(graph, node, draws, out);
    return;
  case OP_sum:
    sum_elements(graph, node, out, src[0]);
    return;
  case OP_argmin:
    find_positions(graph, node, out, src[0], column_argmin);
    return;
  case OP_argmax:
    find_positions(graph, node, out, src[0], column_argmax);
    return;
  case OP_order:
    find_positions(graph, node, out, src[0], column_order);
    return;
  case OP_gather:
    gather_elements(graph, node, out, src[0], src[1]);
    return;
  case OP_scatter:
    scatter_elements(graph, node, out, src[0], src[1]);
    return;
  case OP_scan:
    scan_elements(graph, node, out, src[0], src[1]);
    return;
  case OP_orthonormal:
    orthonormal_vectors(graph, node, out, src[0]);
    return;
  case OP_rename:
    copy_renamed(graph, node, out, src[0]);
    return;
  default:
    if (!row_table[node->op]) bug("the oracle cannot evaluate %s", op_of(node)->name);
    map_elements(graph, node, out, src);
  }
}
