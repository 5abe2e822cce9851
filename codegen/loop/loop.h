/* Loop IR: what every kernel is lowered to and every emitter prints.
 *
 * Tiling, packing, vector width and unrolling are decided before; an emitter only spells. A Term is
 * a value: index arithmetic on longs, scalars, or vectors of `width` elements. A Stmt does
 * something. Unrolled loops are expanded by the emitter, so that subscripts of register tiles
 * become constants there. */
#ifndef RLC_CODEGEN_LOOP_LOOP_H
#define RLC_CODEGEN_LOOP_LOOP_H

#include "ir/ir.h"

/* VALUE_PAIR: two neighbours in bfloat16, the first in the low half. */
typedef enum ValueType { VALUE_F32, VALUE_F64, VALUE_I32, VALUE_INDEX, VALUE_PAIR } ValueType;

typedef struct Buffer Buffer; /* codegen/schedule/kernel.h */

/* A named value: a loop counter or a let. */
typedef struct Var {
  const char *name;
  ValueType type;
  uint32_t width; /* 1: scalar */
} Var;

/* Values close to the core: a register tile (every subscript is constant once unrolled loops are
 * expanded; each element is a local of its own) or a local array, which loops over lanes subscript.
 */
typedef struct Registers {
  const char *name;
  ValueType type;
  uint32_t width; /* of one element; arrays have scalar elements but may be read and written as
                     vectors */
  uint32_t rows, columns;
  bool array;
  bool raw; /* an array that begins as anything: all of it is set before it is read */
} Registers;

typedef enum TermKind {
  TERM_INT,  /* value: an index */
  TERM_REAL, /* real, of `type` */
  TERM_VAR,  /* var */
  TERM_ADD,  /* index arithmetic: src[0], src[1] */
  TERM_MUL,
  TERM_DIV,
  TERM_MOD,
  TERM_MIN,
  TERM_LOAD,    /* buffer[src[0]], `width` elements */
  TERM_READ,    /* registers[src[0]][src[1]]; an array: element src[0] */
  TERM_APPLY,   /* op of ops.def over src, in `type` */
  TERM_CAST,    /* src[0] as `type` */
  TERM_SPLAT,   /* src[0] in every lane */
  TERM_FMA,     /* src[0] * src[1] + src[2] on vectors */
  TERM_SWAP,    /* one step of a transpose of src[0] and src[1]: see term_swap */
  TERM_UNIFORM, /* uniform draw: key = stream, value = word, src[0] = element */
  TERM_DOT,     /* src[2] plus the two products of the pairs src[0] and src[1] */
  TERM_PAIRS,   /* src[0] and src[1] rounded to bfloat16, in pairs: see term_pairs */
} TermKind;

typedef struct Term Term;
struct Term {
  TermKind kind;
  ValueType type;
  uint32_t width;
  OpCode op;
  int64_t value;
  uint64_t key;
  bool high;
  double real;
  const Var *var;
  Buffer *buffer;
  const Registers *registers;
  Term *src[3];
};

enum { WARP_LANES = 32, BLOCK_WARPS = 8 }; /* of a GPU */

typedef enum StmtKind {
  STMT_LOOP,     /* var from lo to hi, body */
  STMT_LET,      /* var = value */
  STMT_STORE,    /* buffer[index] = value (cast to the buffer's type) */
  STMT_DECLARE,  /* registers come into being, all equal to `value`; zero when that is NULL, unless
                    they are raw */
  STMT_SET,      /* registers[index][column] = value */
  STMT_MATRIX,   /* registers += what begins at the reads value and column: see matrix_add */
  STMT_PREFETCH, /* the line of buffer[index] will be read soon */
  STMT_IF,       /* value < hi ? body : other */
  STMT_MEET,     /* the warps of a LOOP_TEAM meet: what any of them wrote, all see afterwards */
  STMT_CALL,     /* programs: run kernel `number` */
  STMT_CHUNKS,   /* programs: body for each of a thread's share of `number` chunks of rows */
  STMT_BARRIER,  /* programs: all threads meet */
  STMT_MARK, /* programs: tells RlcMarks what is done: kernel `number` - 1, everything behind the
              * last
              */
  STMT_NOTE, /* a comment */
} StmtKind;

typedef enum LoopKind {
  LOOP_SERIAL,
  LOOP_UNROLLED, /* constant bounds; expanded by the emitter */
  LOOP_LANES,    /* iterations are independent: vector instructions */
  LOOP_WARPS,    /* iterations are independent: shared out among a block's warps, which meet behind
                    it; GPUs alone */
  LOOP_TEAM      /* BLOCK_WARPS iterations, one for each warp of a block, side by side: they meet
                    where the body says, and nowhere else; GPUs alone */
} LoopKind;

typedef struct Stmt Stmt;
typedef struct Block {
  Stmt **items;
  size_t count, capacity;
} Block;

struct Stmt {
  StmtKind kind;
  LoopKind loop;
  const Var *var;
  Term *lo, *hi, *value, *index, *column;
  Buffer *buffer;
  const Registers *registers;
  Block *body, *other;
  size_t number;
  const char *note;
};

/* ---- builders ---- */

Var *var_make(Arena *arena, const char *name, ValueType type, uint32_t width);
Registers *registers_tile(Arena *arena, const char *name, ValueType type, uint32_t width,
                          uint32_t rows, uint32_t columns);
Registers *registers_array(Arena *arena, const char *name, ValueType type, uint32_t count);
Registers *registers_raw(Arena *arena, const char *name, ValueType type, uint32_t count);

Term *term_int(Arena *arena, int64_t value);
Term *term_real(Arena *arena, ValueType type, double value);
Term *term_var(Arena *arena, const Var *var);
/* Index arithmetic; folds constants, x + 0, x * 1, x * 0, x / 1, x % 1. */
Term *term_add(Arena *arena, Term *x, Term *y);
Term *term_mul(Arena *arena, Term *x, int64_t factor);
Term *term_div(Arena *arena, Term *x, int64_t by);
Term *term_mod(Arena *arena, Term *x, int64_t by);
Term *term_min(Arena *arena, Term *x, Term *y);
Term *term_load(Arena *arena, Buffer *buffer, ValueType type, Term *index, uint32_t width);
Term *term_read(Arena *arena, const Registers *registers, Term *row, Term *column);
Term *term_apply(Arena *arena, OpCode op, ValueType type, Term *x, Term *y, Term *z);
Term *term_cast(Arena *arena, Term *x, ValueType type);
Term *term_splat(Arena *arena, Term *x, uint32_t width);
Term *term_fma(Arena *arena, Term *x, Term *y, Term *z);
Term *term_dot(Arena *arena, Term *x, Term *y, Term *z);
/* As many pairs as x and y have lanes: with `along` of neighbouring lanes, those of x first; else
 * lane by lane one of x and one of y. */
Term *term_pairs(Arena *arena, Term *x, Term *y, bool along);
/* One step of a transpose. Low: lane l is lane l of x, or where l has bit `stage` lane l - stage of
 * y. High: lane l is lane l of y, or where l lacks the bit lane l + stage of x. */
Term *term_swap(Arena *arena, Term *x, Term *y, uint32_t stage, bool high);
/* The lane of x and y, one behind the other, that lane `lane` of a swap is. */
uint32_t term_swap_lane(const Term *swap, uint32_t lane);
Term *term_uniform(Arena *arena, uint64_t stream, int word, Term *element, ValueType type);

Block *block_make(Arena *arena);
void block_add(Arena *arena, Block *block, Stmt *stmt);
/* Each appends to `block`. loop_add returns the new loop's body. */
Block *loop_add(Arena *arena, Block *block, LoopKind kind, const Var *var, Term *lo, Term *hi);
/* The same with a body made before. */
void loop_link(Arena *arena, Block *block, LoopKind kind, const Var *var, Term *lo, Term *hi,
               Block *body);
void let_add(Arena *arena, Block *block, const Var *var, Term *value);
void store_add(Arena *arena, Block *block, Buffer *buffer, Term *index, Term *value);
void prefetch_add(Arena *arena, Block *block, Buffer *buffer, Term *index);
void declare_add(Arena *arena, Block *block, const Registers *registers, Term *initial);
void set_add(Arena *arena, Block *block, const Registers *registers, Term *row, Term *column,
             Term *value);
/* One matrix instruction of a warp, on what its 32 lanes hold: a product of 16 rows and 8 columns,
 * of 8 steps of single elements or of pairs. Lane l, with g = l / 4 and t = l % 4, has row g and g
 * + 8 of x at the steps t and t + 4 in registers [row, column], [row + 1, column], [row, column +
 * 1], [row + 1, column + 1] of the read x; column g of y at those steps in two registers of a row;
 * and of the sums, in the four of row `row`, those of row g and columns 2 t, 2 t + 1, then of row g
 * + 8.
 */
void matrix_add(Arena *arena, Block *block, const Registers *sums, Term *row, Term *x, Term *y);
/* Where all warps of a team come by, equally often: in a LOOP_TEAM, under loops with constant
 * bounds and a loop over the lanes of a warp alone. */
void meet_add(Arena *arena, Block *block);
/* if (value < bound) body else other; `other` may stay empty. */
Stmt *if_add(Arena *arena, Block *block, Term *value, Term *bound);
void note_add(Arena *arena, Block *block, const char *note);

/* ---- text and checks ---- */

const char *value_type_name(ValueType type); /* C's name: float, double, int32_t, long */
void block_print(const Block *block, int indent, FILE *out);
/* Invariants: every variable and register is defined before it is used and in scope, unrolled loops
 * and tile subscripts have constant bounds, index terms are indices, stores fit their buffers in
 * width, and warps meet where all of them come by. `item` is defined outside. NULL, or what is
 * wrong. */
const char *block_verify(const Block *block, const Var *item, Arena *arena);

#endif
