/* Lowering of kernels to loop IR: nests of loops over axes, and values inlined into them. Internal
 * to codegen/lower*.c, nest.c.
 *
 * A nest starts with one dimension per axis (two for an axis that is cut in panels). Every index
 * that the kernel needs is an affine form over these dimensions, recorded in a first dry run;
 * neighbouring dimensions that all forms step through evenly are then merged into one loop, and the
 * second run builds the code. */
#ifndef RLC_CODEGEN_LOWER_LOWER_H
#define RLC_CODEGEN_LOWER_LOWER_H

#include "codegen/schedule/kernel.h"

#define MAX_DIMS 24

/* An affine form over the dimensions of a nest. */
typedef struct Form {
  int64_t by[MAX_DIMS];
} Form;

typedef struct Dim {
  AxisId axis;
  uint32_t extent;
  uint32_t unit; /* what one step adds to the axis's coordinate */
} Dim;

/* Neighbouring dimensions first..last as one loop. */
typedef struct NestLoop {
  int first, last;
  uint64_t extent;
  int level; /* index of the block in which `var` is known */
  const Var *var;
} NestLoop;

typedef struct Nest {
  Arena *arena;
  const Graph *graph;
  const Chunks *chunks; /* dimension 0 counts them, and their axis is as long as one; NULL: none */
  Dim dims[MAX_DIMS];
  int dim_count;
  NestLoop loops[MAX_DIMS];
  int loop_count;
  int lane;       /* dimension in the lanes, or -1 */
  AxisId split;   /* axis cut in panels of `panel` between dimensions block and lane (block -1: one
                     panel) */
  uint32_t panel; /* 0: none */
  int block;
  Form *forms; /* recorded */
  size_t form_count, form_capacity;
  Form *numbers; /* the same of values that are computed from their coordinates, not loaded */
  size_t number_count, number_capacity;
  bool narrow; /* the lanes fill no vector register */
  int strided; /* recorded accesses that are not unit or constant in the lanes */
  bool unsafe; /* some access may not run over the padding of the last panel */
  bool ragged; /* the lane loop's bound depends on the panel: nothing merges with it */
} Nest;

void nest_start(Nest *nest, Arena *arena, const Graph *graph, const Chunks *chunks);
/* Length of an axis in the nest: of one chunk where it goes chunk by chunk. */
uint32_t nest_extent(const Nest *nest, AxisId axis);
int nest_dim(Nest *nest, AxisId axis, uint32_t extent, uint32_t unit);
Form nest_coordinate(const Nest *nest, AxisId axis);
void form_add(Form *form, const Form *other, int64_t factor);
/* Merges what can be merged of dimensions from..to-1 into loops, appended. Counters are named after
 * the axes. */
void nest_merge(Nest *nest, int from, int to);
/* One loop for each of these dimensions. */
void nest_loops(Nest *nest, int from, int to);
/* The form as index arithmetic on the loops' counters; before there are loops it is only recorded.
 */
Term *nest_term(Nest *nest, const Form *form);
/* The same for a number that addresses nothing: narrow lanes may merge with the dimension before
 * them though it is uneven then, since taking the counter apart costs less than empty lanes. */
Term *nest_number(Nest *nest, const Form *form);
int nest_level(const Nest *nest, const Form *form);

/* A lowered value and the block in which it is known. */
typedef struct Value {
  Term *term;
  int level;
  uint32_t stamp;
} Value;

typedef struct Lower {
  const Schedule *s;
  Arena *arena;
  Kernel *kernel;
  Nest *nest;
  Block *blocks[MAX_DIMS + 2]; /* by level */
  uint32_t stamp;              /* memo entries of other runs are void */
} Lower;

Lower lower_start(const Schedule *s, Kernel *kernel, Nest *nest);
/* Forgets all values and empties the blocks: the next run builds anew. */
void lower_restart(Lower *lower, int levels);
void lower_remember(Lower *lower, const Node *node, Term *term, int level);
/* The value of a node at the nest's coordinates, in the type of the node: a constant or a variable.
 */
Value lower_value(Lower *lower, Node *node);
/* The same, computing the node itself even when it is kept (its kernel does). */
Value lower_compute(Lower *lower, Node *node);
/* Appends a let at the given level and returns the variable. */
Term *lower_let(Lower *lower, const char *name, Term *value, int level);
/* Index of the nest's coordinates in a view. */
Value lower_index(Lower *lower, const View *view);
Value lower_load(Lower *lower, const View *view);
/* The same index with the coordinate `term` along `axis`, which the nest need not have. */
Value lower_index_at(Lower *lower, const View *view, AxisId axis, Term *term, int level);
/* Where the element lies that a gather reads at the nest's coordinates, through a gather that is
 * not kept; *view is the memory. */
Value lower_gathered(Lower *lower, Node *gather, View *view);
/* Fetches ahead, at `level`, what the kernel's roots but its contraction gather at the nest's
 * coordinates; the lanes' counter is at the first of a panel. */
void lower_prefetch(Lower *lower, int level);
/* One-hot times value of a scatter, without the sum over its bound axes. */
Value lower_scatter(Lower *lower, Node *node);
/* Stores to the root's buffer at the level of `block`, if it has one. */
void lower_store(Lower *lower, const Root *root, Term *value, int level);
void place_add(Lower *lower, Buffer *buffer, bool writes);

/* Value of a root: what it copies, or what its kernel computes. */
Value lower_root(Lower *lower, const Root *root);

/* Repacking by transposes; false when the extents do not allow it. */
bool lower_repack(const Schedule *s, Kernel *kernel);
/* Pairs of bfloat16 from a value of the working precision that has the same axis innermost. */
void lower_pairs(const Schedule *s, Kernel *kernel);
void lower_map(const Schedule *s, Kernel *kernel);
void lower_reduce(const Schedule *s, Kernel *kernel);
/* So many partial sums stand in the lanes while an axis of that extent is summed. */
uint32_t partial_sums(uint64_t extent);
/* A loop over an axis in pieces of `width` lanes: `body`, which reads the lane `place` and the
 * coordinate `along`. */
void lanes_link(Arena *arena, Block *around, const Var *along, uint64_t extent, uint32_t width,
                const Var *place, const Block *body);
/* acc[0] becomes the sum of all of acc, halves onto halves. */
void add_halves(Arena *arena, Block *block, const Registers *acc);
void lower_order(const Schedule *s, Kernel *kernel);
void lower_scan(const Schedule *s, Kernel *kernel);
void lower_orthonormal(const Schedule *s, Kernel *kernel);
void lower_bucket(const Schedule *s, Kernel *kernel);
void lower_contract(const Schedule *s, Kernel *kernel);

/* Counts of work: decides which kernels are too small for threads. */
double lower_cost(const Schedule *s, const Kernel *kernel);

/* ---- shape.c: the nest of a map or reduction ---- */

/* Lowers the kernel's values once, for the indices it meets; what it builds is thrown away. */
typedef void DryFn(Lower *lower);

/* Chooses the axis in the lanes among `lanes` and makes the dimensions: `outer` axes first, then
 * `inner` ones, lanes last; `preferred`
 * (-1: none) wins ties. Lanes may run into padding (shape_filled). Returns the number of dimensions
 * before the inner ones. */
int shape_nest(Lower *lower, Axes outer, Axes inner, Axes lanes, int preferred, DryFn *dry);
/* Elements of the axis cut in panels, from the current panel on. */
Term *shape_elements_left(const Lower *lower);
/* Number of lane iterations where the panel is known: constant, or what is left in the last panel.
 */
Term *shape_lane_bound(const Lower *lower);
/* Where lanes run into padding: how many of them hold elements in this panel; NULL where all do. */
Term *shape_filled(const Lower *lower);
/* Makes the first `loops` loops of the nest items of the parallel loop: decodes their counters in
 * block 0. `chunks` is one more, innermost dimension; returns its counter. */
Term *shape_items(Lower *lower, int loops, uint64_t chunks);
/* How many of the first `loops` loops should be items. */
int shape_item_loops(const Lower *lower, int loops);
/* Gives loops from..to-1 the levels from `level` on. */
void shape_levels(Nest *nest, int from, int to, int level);
/* Links the blocks of loops from..to-1, innermost first, into each other as serial loops. */
void shape_link(Lower *lower, int from, int to);

#endif
