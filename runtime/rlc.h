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

#define RLC_ABI      1
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
  char *memory;  /* the slots */
  char *work;    /* RlcProgram.work_bytes of scratch, 64-byte aligned, shared by the team, contents
                    undefined */
  uint64_t seed; /* of the run */
  uint64_t step; /* draw counter: how many programs of this block have run before. There are four
                    blocks, each with a counter of its own: acting; evaluating; all updates, which
                    share one so that two of them never draw the same; the loop's other programs */
  uint32_t thread, threads;
  void (*barrier)(void *team);
  void *team;
  uint64_t *done; /* [threads] work items done by each thread, for the balance test; each adds only
                     to its own */
  /* RlcProgram.context of the program that runs; the runtime copies it there before each call. NULL
   * for generated code, which needs none; the oracle finds its graph through it. */
  const void *context;
} RlcCall;

typedef struct RlcProgram {
  const char *name;
  void (*run)(const RlcCall *call);
  uint64_t work_bytes;
  double flops; /* floating-point operations of the contractions in one run, after rewrites */
  double minimal_flops; /* of the same program before rewrites that skip work */
  const void *context;  /* handed to `run` as RlcCall.context; NULL (left out) in generated code */
} RlcProgram;

/* Counters the runtime keeps; each has an F64 slot (or RLC_NONE when the spec never reads it). */
typedef enum RlcCounter {
  RLC_STEP,      /* environment steps over all environments */
  RLC_ITERATION, /* passes through the loop */
  RLC_UPDATES,   /* programs with RLC_IS_UPDATE run */
  RLC_STORED,    /* rows in the replay (of the first source) */
  RLC_PROGRESS,  /* 0 to 1 of --steps */
  RLC_COUNTERS
} RlcCounter;

/* One column of a source: what the runtime stores per row and where a sampled batch goes. */
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
  uint32_t
      slot; /* batch slot with dims [batch] or [batch][width]; RLC_NONE when no program reads it */
  uint32_t
      from_slot; /* RLC_EXTRA: slot with the value to store, [env] or [env][width]; else RLC_NONE */
} RlcColumn;

typedef struct RlcSource { /* a replay */
  const char *name;
  uint64_t capacity; /* rows */
  uint32_t batch;    /* rows per sample */
  uint32_t column_count;
  const RlcColumn *columns;
} RlcSource;

/* Acting: the runtime writes observations, runs a program, reads the action to send. All
 * [env][obs_dim] and [env][act_dim]. */
typedef struct RlcActing {
  uint32_t count;   /* environments */
  uint32_t obs;     /* slot: current observations, raw */
  uint32_t program; /* RLC_NONE when not given */
  uint32_t action;  /* slot: the action as stored in the column `action` */
  uint32_t send;    /* slot: what the environment gets (== action unless the spec says `send`) */
} RlcActing;

typedef enum RlcStepOp {
  RLC_DO_COLLECT, /* count: vector steps of all environments, each appended to all sources */
  RLC_DO_SAMPLE,  /* index: source; count: how many times the batch (1) */
  RLC_DO_RUN,     /* index: program */
  RLC_DO_WHEN,    /* index: program that writes the scalar slot; the body runs when slot != 0 */
  RLC_DO_EVERY,   /* counter, count: the body runs when the counter has crossed a multiple of count
                     since the last look */
  RLC_DO_REPEAT   /* count: times the body */
} RlcStepOp;

enum { RLC_IS_UPDATE = 1 };

/* The loop body, flattened: a step with a body is followed by its `body` steps. */
typedef struct RlcStep {
  uint8_t op;      /* RlcStepOp */
  uint8_t flags;   /* RLC_IS_UPDATE on RLC_DO_RUN: counts as one update */
  uint8_t counter; /* RLC_DO_EVERY */
  uint32_t index;
  uint32_t slot;
  uint64_t count;
  uint32_t body;
} RlcStep;

typedef struct RlcModule {
  uint32_t abi;     /* RLC_ABI */
  const char *name; /* of the spec */
  const char *spec; /* the resolved specification, YAML text */
  uint64_t spec_hash;
  const char *compiler;   /* version and flags, for provenance */
  const char *target;     /* "c", "native", "oracle" */
  const char *const *cpu; /* CPU features the code needs, by /proc/cpuinfo names, NULL-terminated */
  const char *env_id;     /* NULL: no environment; every pass through the loop counts as one step,
                             nothing is evaluated */
  uint32_t obs_dim, act_dim;
  double act_low, act_high; /* after `env: action:` handling; the runtime maps to the environment's
                               own bounds when rescale is set */
  uint8_t rescale;
  uint32_t slot_count;
  const RlcSlot *slots;
  uint64_t memory_bytes;
  uint32_t program_count;
  const RlcProgram *programs;
  uint32_t source_count;
  const RlcSource *sources;
  uint32_t counters[RLC_COUNTERS]; /* slots or RLC_NONE */
  uint32_t init; /* program that writes every parameter, target, optimiser state and state from the
                    seed */
  RlcActing explore;  /* training environments */
  RlcActing evaluate; /* deterministic evaluation; same slots shape with its own count */
  RlcActing
      sample; /* stochastic evaluation (the explore expression on the evaluation environments) */
  uint32_t step_count;
  const RlcStep *steps;
} RlcModule;

/* The runtime's main program: options, run directory, training, evaluation. Returns the exit
 * status. */
int rlc_main(const RlcModule *module, int argc, char **argv);

#endif
