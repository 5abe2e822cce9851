/* The contract between generated code and the runtime: constant tables and entry points, nothing
 * else.
 *
 * A compiled algorithm is one RlcModule. Every tensor that outlives an entry point is a slot: a
 * place in one block of memory, with a name, an element type, named dimensions and a layout. Entry
 * points ("programs") read and write slots; the loop table says when the runtime runs them. The
 * runtime knows no algorithm: all meaning is in these tables. */
#ifndef RLC_RUNTIME_RLC_H
#define RLC_RUNTIME_RLC_H

#include <stddef.h>
#include <stdint.h>

#define RLC_ABI      7
#define RLC_MAX_RANK 8
#define RLC_NONE     UINT32_MAX /* "no slot", "no program" */

typedef enum RlcType { RLC_F32, RLC_F64, RLC_I32 } RlcType;

typedef enum RlcSlotKind {
  RLC_PARAMETER, /* trained */
  RLC_TARGET,    /* a copy of parameters set by the loop */
  RLC_OPTIMIZER, /* optimiser state */
  RLC_STATE,     /* declared state: normalisers and the like */
  RLC_COLUMN,    /* data given by the runtime: observations, actions, a sampled batch */
  RLC_COUNTER,   /* scalar F64 written by the runtime before each program: see RlcCounter */
  RLC_METRIC,    /* scalar F64 result to be logged: its mean over the updates since the last line */
  RLC_RESULT /* any other result: actions, conditions, values handed from one program to a later one
              */
} RlcSlotKind;

typedef struct RlcDim {
  const char *axis;
  uint32_t extent;
} RlcDim;

/* Layout: with panel == 0 plain row-major over all dims. With panel == P > 0 the last dim is cut in
 * blocks of P, the last block padded: storage order is [dims 0 .. lead-1][block of last dim][dims
 * lead .. rank-2][P]. Padding holds zeros or garbage that never reaches a real element.
 * rlc_slot_index (runtime/slot.h) maps coordinates to elements. */
typedef struct RlcSlot {
  const char *name; /* "actor.dense1.w", "slow.critic.dense1.w", "replay.obs",
                       "metric.losses/critic" ... unique */
  uint8_t kind;     /* RlcSlotKind */
  uint8_t type;     /* RlcType */
  uint8_t rank;
  uint8_t lead;
  uint32_t panel;
  RlcDim dims[RLC_MAX_RANK];
  uint64_t offset; /* bytes from the start of the slot memory, a multiple of 64 */
  uint64_t bytes;
} RlcSlot;

/* What a program gets. The same call is made by every thread of a team with its own `thread`;
 * programs meet at `barrier`. With threads == 1 barrier is never called. */
typedef struct RlcCall {
  char *memory; /* the slots */
  char *work;   /* scratch, 64-byte aligned, contents undefined: RlcProgram.work_bytes shared by the
                   team, then RlcProgram.thread_bytes for each thread */
  uint64_t seed; /* of the run */
  uint64_t step; /* draw counter. There are four, one for each kind of program: acting, where all
                    programs of a vector step share its number (starts of declared environments
                    count from 2^63); evaluating, likewise; all updates, which share one so that
                    two of them never draw the same; the loop's other programs */
  uint32_t thread, threads;
  void (*barrier)(void *team);
  void *team;
  uint64_t *done; /* [threads] work items done by each thread, for the balance test; each adds only
                     to its own */
  /* RlcProgram.context of the program that runs; the runtime copies it there before each call. C
   * code needs none unless it was made to be measured (RlcMarks); the oracle finds its graph
   * through it, native code its kernels. */
  const void *context;
} RlcCall;

/* What the context of a program begins with that was generated to be measured: every thread calls
 * mark(call, 0) when the program begins, mark(call, k + 1) behind kernel k, or each chunk of it,
 * and, of n kernels, mark(call, n + 1) at the end. */
typedef struct RlcMarks {
  void (*mark)(const RlcCall *call, uint32_t done);
  const void *context; /* the program's own */
} RlcMarks;

typedef struct RlcProgram {
  const char *name;
  void (*run)(const RlcCall *call);
  uint64_t work_bytes, thread_bytes; /* multiples of 64 */
  double flops; /* floating-point operations of the contractions in one run, after rewrites */
  double minimal_flops; /* of the same program before rewrites that skip work */
  const void *context;  /* handed to `run` as RlcCall.context: RlcKernels where that is
                           rlc_run_kernels, NULL (left out) in generated C; RlcMarks put there to
                           measure it */
} RlcProgram;

/* A program as a list of kernels. Kernels that do the same on other memory are one function. */
typedef enum RlcSpace {
  RLC_IN_MEMORY,
  RLC_IN_WORK,
  RLC_IN_OWN, /* the thread's own part of the workspace */
  RLC_IN_TABLES,
  RLC_SPACES
} RlcSpace;
typedef struct RlcPlace { /* where a tensor lies */
  uint64_t offset;        /* bytes from the beginning of its space */
  uint32_t space;         /* RlcSpace */
} RlcPlace;
/* Items lo .. hi - 1; at[i] is the address of the i-th tensor. */
typedef void RlcKernelFn(const RlcCall *call, char *const *at, int64_t lo, int64_t hi);
typedef struct RlcKernel {
  RlcKernelFn *run;
  const RlcPlace *places;
  uint32_t place_count;
  uint8_t alone;     /* one thread does all items */
  uint8_t barrier;   /* all threads meet before it */
  uint32_t together; /* kernels from here on that run chunk by chunk: each thread takes its share of
                        the chunks, and each chunk through all of them; else 1 */
  uint32_t chunks;   /* the items of a chunk stand together; 0: no chunks */
  uint64_t items;
  uint64_t weight; /* what an item counts in RlcCall.done */
} RlcKernel;
typedef struct RlcKernels {
  const RlcKernel *kernels;
  uint32_t count;
  uint64_t work_bytes, thread_bytes; /* the program's */
  const void *tables;                /* constants, aligned to 64 bytes */
} RlcKernels;
/* Runs the RlcKernels at call->context: each thread takes its contiguous share of the items. */
void rlc_run_kernels(const RlcCall *call);
/* The same for RlcMarks with the RlcKernels as the program's own context. */
void rlc_run_marked_kernels(const RlcCall *call);

/* Counters the runtime keeps; each has an F64 slot (or RLC_NONE when the spec never reads it). */
typedef enum RlcCounter {
  RLC_STEP,      /* environment steps over all environments */
  RLC_ITERATION, /* passes through the loop */
  RLC_UPDATES,   /* programs with RLC_IS_UPDATE run */
  RLC_STORED,    /* rows in the replay (of the first source) */
  RLC_PROGRESS,  /* 0 to 1 of --steps */
  RLC_COUNTERS
} RlcCounter;

/* One column of a source or of the rollout: what is kept of every step, and where programs read it.
 */
typedef enum RlcColumnKind {
  RLC_OBS,
  RLC_ACTION,
  RLC_REWARD,
  RLC_NEXT_OBS,
  RLC_TERMINATED,
  RLC_TRUNCATED,
  RLC_EXTRA
} RlcColumnKind;
typedef struct RlcColumn {
  const char *name;
  uint8_t kind;   /* RlcColumnKind */
  uint32_t width; /* elements per row */
  /* A replay: slot of the sampled batch, [batch] or [batch][ahead] (with a window), then the
   * column's own axes. A rollout: slot of the whole, [time][env], then the column's own axes.
   * RLC_NONE when no program reads it. */
  uint32_t slot;
  uint32_t from_slot; /* RLC_EXTRA: slot with the value to keep, [env] and the column's own axes;
                         else RLC_NONE. On the other kinds of a rollout, too, a slot here is kept
                         instead of what the environment gave (normalised observations) */
} RlcColumn;

typedef struct RlcSource { /* a replay */
  const char *name;
  uint64_t capacity; /* rows */
  uint32_t batch;    /* rows per sample */
  uint32_t column_count;
  const RlcColumn *columns;
  uint32_t window; /* consecutive steps per row; 0: no axis `ahead`, one step */
  uint32_t valid;  /* slot [batch][ahead]: 0 past the end of the first step's episode; RLC_NONE */
  uint8_t prioritized;    /* rows are drawn with probability ~ priority ^ exponent */
  double exponent;        /* new rows get the largest priority so far, 1 at first */
  double weight_exponent; /* weight = (1 / (rows * probability)) ^ this, over the largest of all */
  uint32_t weight;        /* slot [batch] or RLC_NONE */
  const char *file;       /* a safetensors file that fills it before training; NULL: none */
} RlcSource;

/* What `collect: rollout` fills, in one or more vector steps: row (t, env) of every column. */
typedef struct RlcRollout {
  uint32_t steps; /* the extent of time; 0: the spec has no rollout */
  uint32_t column_count;
  const RlcColumn *columns;
} RlcRollout;

/* A shuffled part of the rollout: each column is copied row by row from its whole, [time][env]..,
 * to the part, [batch]... Computed columns are among them. */
typedef struct RlcPair {
  uint32_t from, to; /* slots */
} RlcPair;
typedef struct RlcView {
  const char *name;
  uint32_t rows; /* of one part */
  uint32_t column_count;
  const RlcPair *columns;
} RlcView;

/* Acting: the runtime writes observations, runs a program, reads the action to send. All
 * [env][obs_dim] and [env][act_dim]; [env] and of type RLC_I32 where actions are discrete. After
 * the step it fills those of the result slots that exist, runs `store`, and keeps the row. */
typedef struct RlcActing {
  uint32_t count;   /* environments */
  uint32_t obs;     /* slot: current observations, raw */
  uint32_t program; /* RLC_NONE when not given */
  uint32_t action;  /* slot: the action as stored in the column `action` */
  uint32_t send;    /* slot: what the environment gets (== action unless the spec says `send`) */
  uint32_t first;   /* slot [env]: 1 where obs is the first of an episode; RLC_NONE */
  /* slots of what the last step gave; next_obs is the true final observation. RLC_NONE when no
   * program reads them (never in declared environments, whose `advance` writes them) */
  uint32_t reward, next_obs, terminated, truncated;
  uint32_t store; /* program run after each step, which still reads the old obs; RLC_NONE */
  /* Declared environments (all RLC_NONE otherwise): `start` starts an episode everywhere and writes
   * `fresh`; `advance` reads `send`, writes the four results and `fresh`, [env][obs_dim]: the
   * observation to act on next, after the reset where the episode ended. Their state is in slots of
   * kind RLC_STATE. */
  uint32_t start, advance, fresh;
} RlcActing;

/* In an initialiser of an RlcActing: nothing but the action itself. */
#define RLC_ACTION_ONLY                                                                            \
  .first = RLC_NONE, .reward = RLC_NONE, .next_obs = RLC_NONE, .terminated = RLC_NONE,             \
  .truncated = RLC_NONE, .store = RLC_NONE, .start = RLC_NONE, .advance = RLC_NONE,                \
  .fresh = RLC_NONE

typedef enum RlcStepOp {
  RLC_DO_COLLECT, /* count: vector steps of all environments, each appended to all sources and kept
                     in the next row of the rollout */
  RLC_DO_SAMPLE,  /* index: source; count: how many times the batch (1) */
  RLC_DO_RUN,     /* index: program */
  RLC_DO_WHEN,    /* a condition, see RlcTerm; the body runs when slot != 0 */
  RLC_DO_EVERY,   /* counter, count: the body runs when the counter has crossed a multiple of count
                     since the last look */
  RLC_DO_REPEAT,  /* count: times the body */
  RLC_DO_UNTIL,   /* a condition; the body runs until slot != 0, which is looked at after it; after
                     `count` times the run fails */
  RLC_DO_PARTS,   /* index: view; count: parts. The rollout's rows in an order drawn anew each time
                     the step is reached; the body runs once on each part */
  RLC_DO_ASIDE, /* the body acts beside the rest of the pass; see RlcAside. It stands once and in no
                   other body, and holds RLC_DO_COLLECT, RLC_DO_REPEAT and RLC_DO_RUN */
  RLC_DO_WRITE  /* index: source; slot: new values, [batch] and the column's own axes, of the rows
                   of the last sample; count: the column, or RLC_PRIORITY. A row sampled twice keeps
                   the last value */
} RlcStepOp;

/* In an initialiser of an RlcSource: single steps, drawn uniformly. */
#define RLC_UNIFORM .valid = RLC_NONE, .weight = RLC_NONE

#define RLC_PRIORITY UINT64_MAX
enum {
  RLC_IS_UPDATE = 1,
  RLC_AT_MOST = 2 /* RLC_DO_UNTIL: `count` bodies are enough, and no failure */
};

/* A condition is worked out into the step's scalar slot: by the program `index`; or, where that is
 * RLC_NONE, by the runtime from `terms`, since it depends on nothing but counters. Each term is a
 * row of ir/ops.def, of values of earlier terms; the last one's is the condition's. */
enum { RLC_TERMS = 64 }; /* at most */
typedef struct RlcTerm {
  uint8_t op;      /* its row in ir/ops.def, from 0: elementwise, or const or input */
  uint8_t counter; /* input: RlcCounter */
  uint8_t src[3];  /* numbers of the terms that it is applied to */
  double value;    /* const */
} RlcTerm;

/* The loop body, flattened: a step with a body is followed by its `body` steps. */
typedef struct RlcStep {
  uint8_t op;      /* RlcStepOp */
  uint8_t flags;   /* RLC_IS_UPDATE on RLC_DO_RUN: counts as one update; RLC_AT_MOST */
  uint8_t counter; /* RLC_DO_EVERY */
  uint32_t index;
  uint32_t slot;
  uint64_t count;
  uint32_t body;
  uint32_t term_count;
  const RlcTerm *terms;
} RlcStep;

/* A loop with RLC_DO_ASIDE has two sides, acting and learning (the rest). Both begin a pass with
 * the state before it, and neither sees what the other does in it: acting has slots of its own,
 * gets `in` from learning's at the start of a pass and gives `out` to them at its end. There rows
 * join the replays too. In the first pass there is nothing to learn from, and only acting runs. */
typedef struct RlcAside {
  uint32_t in_count; /* slots that acting reads and learning writes */
  const uint32_t *in;
  uint32_t
      out_count; /* slots that acting writes, by programs or the runtime; learning never does */
  const uint32_t *out;
} RlcAside;

/* Programs that run on a GPU: each is one cooperative kernel, launched with an RlcGpuCall for as
 * many runs as there are in it, of which each has blocks of its own. */
typedef struct RlcImage {
  const char *arch;  /* "sm_90": machine code for cards of that kind; "ptx": text for later ones */
  const void *bytes; /* ends with a zero, which is not counted */
  uint64_t size;
} RlcImage;
typedef struct RlcLaunch {        /* of one program */
  const char *kernel;             /* its name in the images */
  const uint32_t *reads, *writes; /* slots; a slot that is written is written as a whole */
  uint32_t read_count, write_count;
  const char *const *parts; /* its kernels in words, with their places in the specification */
  uint32_t part_count;
} RlcLaunch;
typedef struct RlcGpu {
  uint32_t image_count;
  const RlcImage *images;
  const RlcLaunch *launches; /* [program_count] */
  uint32_t threads;          /* of a block */
  uint32_t shared_bytes;     /* of a block */
  uint32_t toolkit;          /* CUDA's version of what made the images: 13000 for 13.0 */
} RlcGpu;
/* Of a replay on the card: how a batch comes into its slots. The launch of the next program of its
 * run does it first; where something else needs those slots before, the kernel RLC_GATHER does it
 * alone. Addresses are the card's; `places` and `full` lie on the host. */
#define RLC_GATHER "rlc_gather"
typedef struct RlcGatherColumn {
  uint64_t slot;        /* its offset */
  uint64_t row, column; /* [rows], [width]: element (r, c) of the slot lies at row[r] + column[c] */
  uint32_t width, at;   /* elements; the first one's place in a row of the replay */
  uint32_t after;       /* 0: of the row; 1: of what follows it */
  uint32_t mask;        /* not 0: whether the row's word of flags has one of these bits */
  uint32_t type;        /* RlcType of the slot */
  uint32_t unused;
} RlcGatherColumn;
typedef struct RlcGather {
  uint64_t pool;    /* floats */
  uint64_t places;  /* [2][rows] uint64_t: of the rows in the pool, and of what follows them */
  uint64_t full;    /* a uint32_t, set to zero when `places` has been read */
  uint64_t columns; /* [column_count] RlcGatherColumn */
  uint32_t column_count, rows;
  uint32_t flags; /* place of the word of flags in a row */
  uint32_t after; /* whether a column is of what follows */
} RlcGather;
/* New values in a replay on the card: the kernel RLC_SCATTER puts them there, in no order, so that
 * a place that stands there twice has the same value twice. Its call has one of these in place of a
 * batch; all but the pool lies on the host. */
#define RLC_SCATTER "rlc_scatter"
typedef struct RlcScatter {
  uint64_t pool;           /* floats */
  uint64_t places, values; /* [count] uint64_t in the pool; [count] float */
  uint64_t count;
} RlcScatter;
enum { RLC_REACHED_BITS = 16 };
#define RLC_REACHED_BATCH UINT32_MAX
#define RLC_REACHED_WRITE (UINT32_MAX - 1)
enum { RLC_GPU_RUNS = 100, RLC_GPU_BATCHES = 2 };
typedef struct RlcGpuRun {
  uint64_t memory;                   /* on the card: the slots */
  uint64_t seed, step;               /* as in RlcCall */
  uint64_t batches[RLC_GPU_BATCHES]; /* on the card: RlcGather to be done first; zero behind the
                                        last */
} RlcGpuRun;
typedef struct RlcGpuCall {
  /* a uint32_t on the host: program << RLC_REACHED_BITS | kernel begun last, or one of
   * RLC_REACHED_BATCH, RLC_REACHED_WRITE */
  uint64_t reached;
  /* bytes from a run's slots to RlcProgram.work_bytes of scratch, and to a uint32_t for its
   * barriers, zero at first */
  uint64_t work, met;
  uint32_t count, blocks; /* runs; blocks of each, one run's behind the other's */
  RlcGpuRun runs[RLC_GPU_RUNS];
} RlcGpuCall;
_Static_assert(sizeof(RlcGpuCall) <= 4096, "more arguments than a kernel of CUDA 12.0 has");

typedef struct RlcModule {
  uint32_t abi;     /* RLC_ABI */
  const char *name; /* of the spec */
  const char *spec; /* the resolved specification, YAML text */
  uint64_t spec_hash;
  const char *compiler;   /* version and flags, for provenance */
  const char *target;     /* "c", "native", "cuda", "oracle" */
  const char *const *cpu; /* CPU features the code needs, by /proc/cpuinfo names, NULL-terminated */
  const char *env_id;     /* NULL: no environment; every pass through the loop counts as one step,
                             nothing is evaluated */
  uint32_t obs_dim, act_dim; /* act_dim is 1 where actions are discrete */
  uint32_t choices;          /* 0: continuous actions; else how many there are to choose from */
  uint32_t limit;            /* of an episode, for a declared environment */
  double act_low, act_high;  /* after `env: action:` handling; the runtime maps to the environment's
                                own bounds when rescale is set */
  uint8_t rescale;
  uint32_t slot_count;
  const RlcSlot *slots;
  uint64_t memory_bytes;
  uint32_t program_count;
  const RlcProgram *programs;
  uint32_t source_count;
  const RlcSource *sources;
  RlcRollout rollout;
  uint32_t view_count;
  const RlcView *views;
  uint64_t eval_every; /* the spec's own defaults of --eval-every and --eval-episodes; 0: none */
  uint32_t eval_episodes;
  uint32_t counters[RLC_COUNTERS]; /* slots or RLC_NONE */
  uint32_t init; /* program that writes every parameter, target, optimiser state and state from the
                    seed */
  RlcActing explore;  /* training environments */
  RlcActing evaluate; /* deterministic evaluation; same slots shape with its own count */
  RlcActing
      sample; /* stochastic evaluation (the explore expression on the evaluation environments) */
  uint32_t step_count;
  const RlcStep *steps;
  RlcAside aside;    /* empty in a loop without RLC_DO_ASIDE */
  const RlcGpu *gpu; /* NULL: the programs run on the CPU; else they have no `run` */
} RlcModule;

/* The runtime's main program: options, run directory, training, evaluation. Returns the exit
 * status. */
int rlc_main(const RlcModule *module, int argc, char **argv);
/* The same for a module in memory: `launcher` is the command that takes a specification and gets
 * the options behind `--`, as "rlc train". */
int rlc_main_of(const RlcModule *module, const char *launcher, int argc, char **argv);

#endif
