/* Kernels: groups of nodes that become one loop nest; layouts; buffers. Internal to codegen/.
 *
 * code_make runs, per program: schedule (which nodes are kept, which kernel computes them, where
 * results go), lower (loop IR per kernel), plan (offsets, barriers). Everything here is read only
 * for emitters. */
#ifndef RLC_CODEGEN_SCHEDULE_KERNEL_H
#define RLC_CODEGEN_SCHEDULE_KERNEL_H

#include "codegen/codegen.h"
#include "codegen/loop/loop.h"

#define MAX_RANK 16

/* How a tensor lies in memory (rlc.h describes panels). Strides are in elements; `stride` of the
 * panelled last axis is 1 inside a panel and `block` is the step from panel to panel. */
typedef struct Layout {
  int rank, lead;
  AxisId axis[MAX_RANK];
  uint32_t extent[MAX_RANK];
  uint64_t stride[MAX_RANK];
  uint32_t panel; /* 0: plain */
  uint64_t block;
  uint64_t elements; /* with padding */
  int pairs;  /* 1 + the axis, by position, of which two neighbours are one element; 0: none */
  bool chunk; /* one chunk of rows alone lies there: its axis has only their extent */
} Layout;

/* The panel width of an axis of that extent when it is last: 0 (plain) below 4. `lanes`: elements
 * per vector register. */
uint32_t panel_width(uint32_t extent, uint32_t lanes);
Layout layout_make(const Graph *graph, Axes axes, uint32_t lanes);
/* The same tensor with room for `rows` along `axis`. */
Layout layout_chunk(Layout layout, AxisId axis, uint32_t rows);
/* The same with `last` innermost instead: the copies that contractions read. */
Layout layout_with_last(const Graph *graph, Axes axes, AxisId last, uint32_t lanes);
/* The same with `last` innermost and pairs of neighbours along `pairs` as elements; a last axis
 * that pairs stand along has half as many in a panel. */
Layout layout_of_pairs(const Graph *graph, Axes axes, AxisId pairs, AxisId last, uint32_t lanes);
/* The axis that a layout has pairs of, or -1. */
int layout_paired(const Layout *layout);
/* Position of an axis in the layout, or -1. */
int layout_find(const Layout *layout, AxisId axis);
/* Number of panels of the last axis (1 when plain). */
uint32_t layout_blocks(const Layout *layout);

typedef enum BufferSpace {
  SPACE_SLOT,
  SPACE_WORK,  /* a program's own */
  SPACE_CHUNK, /* a thread's own, for one chunk of rows */
  SPACE_TABLE
} BufferSpace;

/* One tensor in memory. A slot is one buffer, whoever reads or writes it. */
struct Buffer {
  BufferSpace space;
  ValueType type;
  Layout layout;
  const char *name; /* C identifier, unique within a program */
  const char *spec; /* the spec's name, for comments */
  uint64_t key;     /* slot or table number */
  uint64_t offset, bytes;
  int first, last; /* kernels (positions) that write it first and touch it last */
};

/* A buffer seen through renames: the same memory with other axes. */
typedef struct View {
  Buffer *buffer;
  Layout layout;
} View;

typedef enum KernelKind {
  KERNEL_MAP,
  KERNEL_REPACK, /* a map that only copies into the layout which a contraction needs */
  KERNEL_PAIRS,  /* rounds its root's argument to pairs of bfloat16 (lower_pairs.c) */
  KERNEL_REDUCE,
  KERNEL_ORDER,
  KERNEL_SCAN,
  KERNEL_ORTHONORMAL,
  KERNEL_BUCKET, /* rows in the order of the weights that they choose (lower_bucket.c) */
  KERNEL_CONTRACT
} KernelKind;

/* A value that a kernel computes; `buffer` is NULL when only the kernel itself reads it. With
 * `copy` the kernel is not the node's own: it stores the node's value, or what lies in `from`, in
 * another layout or type. */
typedef struct Root {
  Node *node;
  Buffer *buffer, *from;
  bool copy;
} Root;

/* Kernels that stand behind each other and go over their rows together, chunk by chunk, each chunk
 * through all of them while it lies in the cache: what one reads of another is of the same rows. */
typedef struct Chunks {
  AxisId axis;
  uint32_t count, rows; /* count * rows is the axis's extent */
  bool dealt; /* on a GPU: kernel by kernel instead, of each the same chunks to the same block */
} Chunks;

/* A buffer that a kernel touches. */
typedef struct Place {
  Buffer *buffer;
  bool reads, writes;
} Place;

typedef struct Kernel {
  KernelKind kind;
  const char *name, *what;
  int position;
  Axes
      iteration; /* map: of every root; contract: of the result; reduce: of the summed expression */
  Axes reduced;
  Root *roots;
  size_t root_count, root_capacity;
  Node *contraction;   /* KERNEL_CONTRACT: roots are its result and what the epilogue makes of it */
  AxisId lane_axis;    /* KERNEL_CONTRACT: the result's last axis, in the vectors unless narrow */
  bool narrow;         /* KERNEL_CONTRACT: both operands' last axis is in the vectors (narrow.c) */
  NumberFormat matrix; /* KERNEL_CONTRACT: of operands of matrix instructions; float32: none */
  AxisId along;        /* and the summed axis that those go along */
  Buffer *repacked;    /* KERNEL_CONTRACT: the copy of the vector operand in the layout and type it
                          needs, or NULL */
  Buffer *buckets; /* KERNEL_CONTRACT: the order of the rows where they choose the vector operand,
                      or NULL */
  AxisId picked;   /* of that operand; KERNEL_BUCKET too */
  const Chunks *chunks; /* items of one chunk stand together, chunks outermost; NULL: whole */
  /* lowered */
  Block *body;
  const Var *item; /* counter of the parallel loop that `body` is the inside of */
  uint64_t items;
  Place *places;
  size_t place_count, place_capacity;
  double flops, bytes, work; /* work: rough number of vector operations' elements, decides serial */
  bool serial, barrier_before;
  /* on a GPU (stages.c) */
  int stage;   /* kernels of a stage stand behind each other */
  bool alone;  /* one block runs it, the same for all of a stage */
  bool joined; /* whose warps meet before; those of all blocks that have chunks of rows */
  /* and with chunks (rows.c): */
  bool follows, followed; /* it reads, or is read by, a kernel with the same chunks */
  struct Kernel **across; /* of which it reads other rows than its own */
  size_t across_count, across_capacity;
} Kernel;

typedef struct ProgramCode {
  const Program *program;
  Kernel **kernels;
  size_t kernel_count, kernel_capacity;
  Buffer **buffers; /* workspace */
  size_t buffer_count, buffer_capacity;
  Block *body; /* calls and barriers */
  uint64_t work_bytes, thread_bytes;
  double flops;
} ProgramCode;

struct Code {
  Arena *arena;
  Module *module;
  CodegenOptions options;
  ValueType real;
  uint32_t rounds; /* bits by format: something is rounded to it */
  bool device;     /* warps of a GPU run it, 32 lanes each */
  bool pairs;      /* and the machine multiplies pairs of such */
  Buffer **slots;  /* by slot */
  Buffer **tables; /* by table; NULL when unused */
  uint64_t table_bytes;
  RlcSlot *slot_table;
  RlcProgram *program_table;
  ProgramCode *programs;
  size_t program_count;
};

/* Is something rounded to that format? */
bool code_rounds(const Code *code, NumberFormat format);
/* Bytes of the cache near a core that rows shall fit in. */
uint64_t cache_bytes(const Code *code);
/* Type of a node's values: int32, double without axes, else the working precision. */
ValueType node_value_type(const Code *code, const Node *node);
uint32_t value_type_size(ValueType type);
/* ---- rows.c, stages.c ---- */

/* Have both the same chunks, and does `kernel` read no others of `of`? */
bool rows_are_own(const Kernel *kernel, const Kernel *of);

/* Is what a kernel needs of one before it, within a stage, the same block's work? */
bool one_block_runs(const Kernel *before, const Kernel *kernel);
/* Orders a GPU's kernels in stages, once it is known what they touch and before memory is planned.
 */
void stages_order(const Code *code, ProgramCode *program);

/* Position behind the last kernel that goes over rows together with kernel `k`. */
size_t chunks_end(const ProgramCode *program, size_t k);
/* What one item counts in a thread's share of the work. */
uint64_t kernel_item_weight(const Kernel *kernel);
/* A C identifier made of `text`. */
const char *name_identifier(Arena *arena, const char *text);

/* ---- schedule.c: the kernels of one program ---- */

typedef struct Schedule {
  Code *code;
  ProgramCode *out;
  Arena *arena;
  Node **nodes; /* reachable, by id */
  size_t node_count;
  bool *kept;        /* by id: has a kernel of its own computing it */
  bool *paired;      /* by id: lies in memory as pairs of bfloat16 */
  bool *in_place;    /* by id: a rounded value that is nowhere: its readers round its argument */
  bool *plain;       /* by id: a contraction whose epilogue shall change no state */
  bool *chosen;      /* by id: a weight chosen by row, which contractions read in place */
  Kernel **kernel;   /* by id: which */
  Buffer **buffer;   /* by id: where the result lies; NULL while unknown or when it stays inside its
                        kernel */
  uint32_t *visited; /* by 2 * id + same: the last walk over reads that came by */
  uint32_t *walk;    /* number of walks */
  struct Value *memo; /* by id: lowered values (lower.h), valid for one stamp */
  uint32_t *stamp;
} Schedule;

void schedule_program(Schedule *schedule);
/* A function of mathematics: dearer than reading its value again. */
bool op_is_expensive(OpCode op);
/* Is stored straight into its slot when nothing forbids it: otherwise a copy converts or broadcasts
 * it. */
bool output_is_direct(const Schedule *schedule, const Output *output);
/* Can be read at any coordinate: a slot, a table, a kept value, or a rename of one. */
bool node_is_addressable(const Schedule *schedule, const Node *node);
View node_view(const Schedule *schedule, const Node *node);
/* Which operand of a contraction brings the lanes: 0 or 1. */
int contract_vector(const Node *contract, AxisId lane);
/* Are its sums long enough to fetch ahead, beside them, what its epilogue reads where the result
 * lies? */
bool contract_fetches_ahead(const Schedule *schedule, const Kernel *kernel);
/* From so many rows on, copying an operand into the order that tiles read costs less than it
 * saves. */
enum { ROWS_WORTH_A_COPY = 4 };

/* A read of `node`: a kept value, or with kept == false a slot or table. `same`: at the very
 * element that is computed, as far as the path from the reader goes; the reader still has to
 * compare axes. */
typedef void ReadFn(void *user, Node *node, bool kept, bool same);
/* Calls fn for everything that the inlined expression of `node` reads; for `node` itself when it is
 * kept. */
void walk_reads(const Schedule *schedule, Node *node, bool same, ReadFn *fn, void *user);
/* The same for all roots of a kernel. */
void kernel_reads(const Schedule *schedule, const Kernel *kernel, ReadFn *fn, void *user);
/* The same where `same` says no more than that the coordinate along `axis` is the reader's. */
void kernel_reads_along(const Schedule *schedule, const Kernel *kernel, AxisId axis, ReadFn *fn,
                        void *user);

/* ---- pairs.c: where rounded values lie ---- */

/* Marks those that contractions alone read: as pairs, or in place of what they are rounded from. */
void find_rounded(Schedule *schedule);
/* What the operands of a contraction are rounded to, along which axis, where it runs on matrix
 * instructions; float32: it does not. */
NumberFormat contract_matrix(const Schedule *schedule, const Node *contract, AxisId *along);
/* The layout of such a value as its kernel makes it. */
Layout paired_layout(const Schedule *schedule, const Node *node);

/* ---- narrow.c: contractions to few columns ---- */

/* Wide registers of the machine. */
uint32_t vector_registers(const Code *code);
/* Rows of a tile that has its lanes along the summed axis. */
uint32_t narrow_rows(const Code *code, uint32_t columns);
/* Shall a contraction have its lanes along the axis that its operands, whose layouts these are,
 * have last? `lane`: the result's last axis, which `b` has. */
bool contract_is_narrow(const Schedule *schedule, const Node *contract, AxisId lane,
                        const Layout *a, const Layout *b);

/* ---- chunks.c: what goes over its rows together ---- */

/* Puts kernels behind each other that shall, and gives them their chunks. */
void schedule_chunks(Schedule *schedule);
/* The same for a GPU: rows.c. */
void schedule_rows(Schedule *schedule);
/* Is the kernel one that rows along `axis` pass through each by itself, as far as its own reads are
 * not looked at? */
bool kernel_is_by_rows(const Schedule *schedule, const Kernel *kernel, AxisId axis);
/* Gives values that never leave the chunk that they are made in room for one chunk only. */
void chunks_shrink(Schedule *schedule);

/* ---- bind.c: where results go ---- */

/* Marks contractions as plain that write a slot too early: somebody still reads what it was. Were
 * there any? */
bool bind_late(Schedule *schedule);
void schedule_bind(Schedule *schedule);
Kernel *kernel_add(Schedule *schedule, KernelKind kind, const char *what, Axes iteration);
void root_add(Schedule *schedule, Kernel *kernel, Root root);
Buffer *buffer_make(Schedule *schedule, Layout layout, ValueType type, const char *name,
                    const char *spec);

/* ---- lower*.c ---- */

/* Rows of a tile, and the most tiles that `rows` need when they are sorted by their positions along
 * `picked`. */
uint32_t bucket_height(const Code *code);
uint64_t bucket_tiles(const Code *code, uint64_t rows, AxisId picked);
/* In how many groups so many tiles come by, each of all panels, so that rows of so many bytes stay
 * in the second cache. */
uint64_t bucket_groups(const Code *code, uint64_t tiles, uint64_t row_bytes);
/* Those axes' rows together: of one chunk where the kernel goes chunk by chunk. */
uint64_t kernel_rows(const Code *code, const Kernel *kernel, Axes rows);
/* Elements of its buffer. */
uint64_t bucket_elements(const Code *code, const Kernel *kernel);
/* For the bucket of every tile and, behind them, the rows of every tile. */
Buffer *bucket_buffer(Schedule *schedule, const Kernel *kernel);

void lower_kernel(const Schedule *schedule, Kernel *kernel);

/* ---- plan.c ---- */

/* Offsets of slots in their block; returns its size in bytes. */
uint64_t plan_slots(Code *code);
/* Offsets of constant tables in theirs; its size in bytes. */
uint64_t plan_tables(Code *code);
/* Lifetimes to offsets in one workspace; barriers. */
void plan_program(Code *code, ProgramCode *program);
/* NULL, or which two live buffers overlap or which dependency lacks a barrier. */
const char *plan_check(const Code *code, Arena *arena);

#endif
