/* The intermediate representation: immutable, hash-consed nodes over sets of named axes.
 *
 * Equal requests return the same node, so common subexpressions are shared by construction and
 * "nothing changed" is a pointer comparison. Ids count creation, hence every node's arguments have
 * smaller ids. A shape is a set of axes: elementwise operations take the union of their arguments'
 * axes, reductions name the axes they remove. A missing axis reads as broadcast. */
#ifndef RLC_IR_IR_H
#define RLC_IR_IR_H

#include "ir/base.h"
#include "runtime/rlc.h"

/* ---- axes ---- */

#define MAX_AXES 128
typedef struct Axes {
  uint64_t bits[2];
} Axes;
typedef uint8_t AxisId;

/* Where an axis stands in every layout, outermost first; within a class by creation. */
typedef enum AxisClass {
  AXIS_COPY,    /* copies of a network, seeds: outermost */
  AXIS_ROW,     /* time, env, batch */
  AXIS_DRAW,    /* minted by a draw `[try=8]`, concat, ranks of a sort */
  AXIS_FEATURE, /* minted by a layer, obs, act: innermost */
} AxisClass;

/* An axis instance. `label` is what the user writes; `scope` says who minted it ("actor.dense1",
 * "losses.actor"). */
typedef struct Axis {
  const char *label, *scope;
  uint32_t extent;
  AxisClass order;
  Span span;
} Axis;

Axes axes_none(void);
Axes axes_one(AxisId axis);
Axes axes_union(Axes a, Axes b);
Axes axes_minus(Axes a, Axes b);
Axes axes_common(Axes a, Axes b);
bool axes_has(Axes a, AxisId axis);
bool axes_equal(Axes a, Axes b);
bool axes_within(Axes part, Axes whole);
bool axes_empty(Axes a);
int axes_count(Axes a);
/* Iteration by id: for (AxisId x, next = 0; axes_next(a, &next, &x);) */
bool axes_next(Axes a, unsigned *cursor, AxisId *axis);

/* ---- nodes ---- */

typedef enum OpCode {
#define OP1(name, ...)    OP_##name,
#define OP2(name, ...)    OP_##name,
#define OP3(name, ...)    OP_##name,
#define SHAPED(name, ...) OP_##name,
#include "ir/ops.def"
  OP_COUNT
} OpCode;

/* What a row cannot say in arguments. Unused fields are zero; all of them are part of a node's
 * identity. */
typedef struct Attr {
  double value; /* const */
  uint64_t key; /* input: slot; table: table number; uniform: stream; mark, grad: serial number */
  Axes axes;    /* sum: removed axes; uniform: declared axes; scatter: T; contract: removed axes */
  AxisId axis;  /* table, argmin, argmax, order, gather, scatter, rename, scan, orthonormal,
                   roundings: axis x */
  AxisId to;    /* order, rename: the new axis; orthonormal: the axis along the vectors */
  uint8_t word; /* uniform: which of Philox's four words; scan: 1 for backward */
} Attr;

typedef struct Node Node;
struct Node {
  uint16_t op;
  bool integer; /* values are whole numbers of type int32: positions */
  uint32_t id;
  Axes axes;
  Attr attr;
  Node *src[3];
  Span span; /* who asked first; not part of identity */
};

typedef struct Graph Graph;

/* One row of ops.def. For elementwise ops `expr` is C in x, y, z (and the oracle compiles it in
 * double), and `grad[i]` is text in the language with x y z (arguments), r (result), g (incoming
 * gradient). "0" says that there is none. */
typedef struct OpInfo {
  const char *name, *doc;
  uint8_t arity;
  bool shaped;
  bool integer; /* result is int32 */
  bool both;    /* SHAPED: the adjoint serves both arguments, not the first alone */
  bool selects; /* where, min, max: below it, differentiation multiplies guarded */
  const char *expr;
  const char *grad[3];
  double at[4]; /* known point: x y z result */
  double (*eval)(double x, double y, double z);
  /* SHAPED: the contribution of gradient g at node r to argument `arg`, and its nominal axes
   *, as docs/design.md says; NULL result: none. */
  Node *(*adjoint)(Graph *graph, Node *r, Node *g, int arg, Axes *nominal);
} OpInfo;

/* What operands of large contractions are; everything else is float32. */
typedef enum NumberFormat {
  FORMAT_float32,
#define FORMAT(name, ...) FORMAT_##name,
#include "ir/formats.def"
  FORMAT_COUNT
} NumberFormat;

typedef enum Ties { TIES_TO_EVEN, TIES_AWAY } Ties;

/* One row of formats.def; float32 has no operation. */
typedef struct FormatInfo {
  const char *name;
  OpCode op;
  int bits; /* significant ones */
  Ties ties;
  uint32_t together;
} FormatInfo;

extern const FormatInfo format_table[FORMAT_COUNT];
/* What an operation rounds to; float32: it is no rounding. */
NumberFormat format_of(OpCode op);
/* The magnitude from which on numbers become infinite. */
double format_limit(const FormatInfo *format);
/* x as the nearest number of the format; magnitudes below 2^-126 become 0, those beyond its range
 * infinite. */
double format_round(NumberFormat format, double x);

extern const OpInfo op_table[OP_COUNT];
/* The op of that name, or OP_COUNT. */
OpCode op_find(const char *name);
static inline const OpInfo *op_of(const Node *node) { return &op_table[node->op]; }

/* ---- slots: tensors that outlive a program ---- */

typedef struct Slot {
  const char *name;
  RlcSlotKind kind;
  RlcType type; /* RLC_F32 is "the working precision": F64 in double builds */
  Axes axes;
  Span span;
  const char *doc;
} Slot;

typedef struct Table { /* a constant vector along one axis */
  const double *values;
  uint32_t count;
} Table;

struct Graph {
  Arena *arena;
  Axis axes[MAX_AXES];
  uint32_t axis_count;
  Slot *slots;
  size_t slot_count, slot_capacity;
  Table *tables;
  size_t table_count, table_capacity;
  Node **nodes; /* by id */
  size_t node_count, node_capacity;
  Node **hash; /* open addressing */
  size_t hash_size;
  uint64_t marks; /* serial numbers of mark and grad */
  Span span;      /* given to new nodes */
  bool keep_axes; /* elaboration: a constant vector keeps its axis though all values are equal */
};

Graph *graph_make(Arena *arena);
AxisId graph_axis(Graph *graph, const char *label, const char *scope, uint32_t extent,
                  AxisClass order, Span span);
uint32_t graph_slot(Graph *graph, const char *name, RlcSlotKind kind, RlcType type, Axes axes,
                    Span span);
/* Product of the extents. */
uint64_t axes_extent(const Graph *graph, Axes axes);
/* The axes in layout order (class, then creation), at most MAX_AXES; returns how many. */
int axes_order(const Graph *graph, Axes axes, AxisId *order);
/* The order in which the elements of a draw are numbered: draws before rows, so that another number
 * of tries leaves the first tries alone. */
int axes_draw_order(const Graph *graph, Axes axes, AxisId *order);
/* "{batch, try=8}" for messages and dumps: label=extent, with the scope where labels collide. */
const char *axes_text(const Graph *graph, Arena *arena, Axes axes);

/* ---- builders: hash-consing, constant folding, nothing else ---- */

/* Any node. Computes axes and checks arity and axis rules; a violation is a bug (callers check the
 * user's input before). */
Node *node_make(Graph *graph, OpCode op, Attr attr, Node *x, Node *y, Node *z);
/* The span given to new nodes from now on; returns the former one. */
Span graph_span(Graph *graph, Span span);

Node *node_const(Graph *graph, double value);
Node *node_input(Graph *graph, uint32_t slot);
/* Constant vector along `axis`, values[extent]; all equal folds to a constant unless the graph
 * keeps axes. */
Node *node_table(Graph *graph, AxisId axis, const double *values);
Node *node_uniform(Graph *graph, uint64_t stream, Axes axes, int word);
Node *node1(Graph *graph, OpCode op, Node *x);
Node *node2(Graph *graph, OpCode op, Node *x, Node *y);
Node *node3(Graph *graph, OpCode op, Node *x, Node *y, Node *z);
/* sum over `axes`; axes the argument lacks multiply by their extent (gradients are expanded
 * lazily). */
Node *node_sum(Graph *graph, Node *x, Axes axes);
Node *node_argmin(Graph *graph, Node *x, AxisId axis);
Node *node_argmax(Graph *graph, Node *x, AxisId axis);
/* Positions along `axis` of the extent(to) largest values, ascending; ties by index descending, so
 * that the top rank is argmax. */
Node *node_order(Graph *graph, Node *x, AxisId axis, AxisId to);
/* The index may have the axis itself: result[x=i] = value[x=index[i]]. */
Node *node_gather(Graph *graph, Node *value, Node *index, AxisId axis);
/* The values of x at constant positions along `from`, as the axis `to` (extent(to) of them, whole
 * numbers below extent(from)); `to` may be `from`. Missing axes read as broadcast,
 * so an x without `from` is returned as it is, and equal positions give a value without `to`. */
Node *node_take(Graph *graph, Node *x, AxisId from, AxisId to, const double *positions);
/* x one step along the axis: result[i] = x[i + step], the ends repeated. */
Node *node_shift(Graph *graph, Node *x, AxisId axis, int step);
/* sum over T of value * hot[axis](index); T within the index's axes. */
Node *node_scatter(Graph *graph, Node *value, Node *index, AxisId axis, Axes bound);
Node *node_rename(Graph *graph, Node *x, AxisId from, AxisId to);
/* r[t] = a[t] * r[t-1] + b[t] along the axis, with 0 before the first element; backward: r[t] =
 * a[t]
 * * r[t+1] + b[t], with 0 after the last. The result has the axes of both and `axis`. */
Node *node_scan(Graph *graph, Node *a, Node *b, AxisId axis, bool backward);
/* Vectors along `to`, one per index of `axis` (of which there are no more than components), made
 * orthonormal in order; a vector that depends on those before it becomes 0. No derivative. */
Node *node_orthonormal(Graph *graph, Node *x, AxisId axis, AxisId to);
/* x rounded to a format other than float32; it is to be multiplied and summed over `axis`. */
Node *node_round(Graph *graph, NumberFormat format, Node *x, AxisId axis);
/* A fresh mark(x): the leaf that grad binds. */
Node *node_mark(Graph *graph, Node *x);
/* d e / d x: a request that the grad pass expands. e has no axes. */
Node *node_grad(Graph *graph, Node *e, Node *x);

/* Whether a derivative flows from a node to its argument `arg`. */
bool node_flows(const Node *node, int arg);
/* True when a derivative of e with respect to x need not vanish: a path from e to x without stop or
 * selection of positions. */
bool node_reaches(const Graph *graph, Arena *scratch, const Node *e, const Node *x);

/* Whether the values are whole numbers, whatever their type. */
bool node_is_whole(const Graph *graph, const Node *node);
bool node_is_const(const Node *node, double value);

/* What positions come from: an order, argmin or argmax below gathers and renames; NULL for others.
 */
const Node *node_picker(const Node *positions);
/* The operand of a contraction that is a weight chosen by row, or -1: a gather of a value without
 * row axes at picked positions which belong to rows of the other operand. It owns the last axis of
 * the result, and never need exist as a value. */
int contract_chosen(const Graph *graph, const Node *contract);
/* The rows of such a contraction: what the other operand alone has. */
Axes contract_rows(const Node *contract, int chosen);

/* The same op and attributes over other arguments (the step of every rewriting pass). Returns
 * `node` when nothing changed. */
Node *node_with(Graph *graph, const Node *node, Node *x, Node *y, Node *z);

/* ---- programs and modules ---- */

typedef struct Output {
  uint32_t slot;
  Node *node;
} Output;

typedef struct Program {
  const char *name;
  Output *outputs;
  size_t output_count, output_capacity;
  double minimal_flops; /* after `contract`, before rewrites that skip work */
} Program;

/* What a pass decided, for people (`rlc explain`): passes append, nothing depends on it. */
typedef struct Note {
  const char *pass, *text;
  Span span;    /* where what it is about was written */
  double saved; /* FLOPs of contractions that need not run; NAN: those of contractions along `kept`,
                   which would be along `all` */
  Axes all, kept;
} Note;

/* Everything that a spec means: the graph with its programs, and the runtime's tables (filled by
 * elaboration; slots' layout and offsets, programs' code by codegen). `shell` has its slots and
 * programs arrays empty until then. */
typedef struct Module {
  Graph *graph;
  NumberFormat precision;
  Span precision_span; /* where it was asked for */
  bool device;         /* a GPU shall run it */
  Program *programs;
  size_t program_count, program_capacity;
  Note *notes;
  size_t note_count, note_capacity;
  RlcModule shell;
} Module;

/* Appends a note; what it points at lives as long as the module. */
void module_note(Module *module, Note note);

/* Every node reachable from the roots of `program` (all programs when NULL), in order of id. */
size_t module_reach(const Module *module, const Program *program, Arena *arena, Node ***nodes);
/* A memo by node id for bottom-up rewriting: rewrites all outputs of all programs with fn(graph,
 * node with rewritten arguments, user). */
typedef Node *(*RewriteFn)(Graph *graph, Node *node, void *user);
bool module_rewrite(Module *module, Arena *scratch, RewriteFn fn,
                    void *user); /* true when an output changed */

/* ---- text, verification ---- */

/* The module as text that ir_read reads back to an equal module (graph and programs; not the
 * runtime tables). */
void ir_print(const Module *module, FILE *out);
Module *ir_read(Arena *arena, Diag *diag, const Source *source);
/* Invariants of every stage; `stage` names what must hold in addition ("grad": no grad or mark
 * left, "contract": ...). NULL, or what is wrong. */
const char *ir_verify(const Module *module, Arena *arena, const char *stage);

#endif
