/* What `rlc explain` finds out (cmd_explain.c) and prints (explain_print.c). */
#ifndef RLC_COMPILER_MEASURE_EXPLAIN_H
#define RLC_COMPILER_MEASURE_EXPLAIN_H

#include "codegen/codegen.h"
#include "compiler/measure/bandwidth.h"
#include "compiler/measure/bench.h"
#include "compiler/commands/session.h"

/* What a pass left. */
typedef struct Stage {
  const char *pass;
  size_t made;         /* nodes ever made, needed or not */
  size_t needed;       /* nodes that a result depends on */
  size_t contractions; /* that there are, or that `contract` would make of it here */
  double flops;        /* of these, one run of every program */
  double operations;   /* of one run of every program, see node_operations */
} Stage;

typedef struct KernelRow {
  KernelInfo info;
  uint32_t program;
  double limit;      /* seconds: the slower of its FLOPs at peak and its bytes at `bound` */
  const char *bound; /* "FLOPs", or the memory that its tensors fit in */
  double seconds;    /* measured median, NAN where it did not run */
  double best;       /* the fastest run: what nothing interrupted */
  double runs;       /* in an update, 0 where it is not part of updates */
} KernelRow;

/* A step of the loop, measured. */
typedef struct StepRow {
  const char *what;
  double seconds, runs; /* as above */
} StepRow;

typedef struct Report {
  Session *session;
  const RlcModule *shell;
  Stage *stages;
  size_t stage_count;
  double *saved;      /* [notes of the module] FLOPs, 0 where a note has none */
  KernelRow *kernels; /* program by program, in the order of each */
  size_t kernel_count;
  Peak machine;
  double peak; /* FLOP/s of one core */
  Memories memory;
  bool measured;
  Figures figures;  /* of the updates that were measured */
  double *programs; /* [program] measured median seconds, NAN where it did not run */
  StepRow *steps;
  size_t step_count;
} Report;

void explain_text(const Report *report);
void explain_json(const Report *report);

#endif
