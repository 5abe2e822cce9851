/* Derivatives against central differences in double precision.
 *
 * At a base point every stop, target, state and draw of a loss is frozen; the marked parameters
 * alone move. A component whose difference crosses a kink (a comparison, selection, position or
 * rank changes) is tried again with a tenth of the step, twice, and else skipped and counted. The
 * error of a component is |a - f| / max(|a|, |f|, 1e-3 * the largest component of its tensor), and
 * 0 where both sides are below one rounding of the loss. Differences are taken term by term of the
 * loss's outer sums, so that rounding stays far below the tolerance. */
#ifndef RLC_COMPILER_ORACLE_GRADCHECK_H
#define RLC_COMPILER_ORACLE_GRADCHECK_H

#include "ir/ir.h"

/* A loss as elaboration leaves it: before its gradients are expanded. */
typedef struct GradcheckLoss {
  const char *name;
  Node *value;                /* without axes, over the marks */
  Node *const *marks;         /* what is differentiated */
  const uint32_t *parameters; /* their slots, for names */
  size_t count;
} GradcheckLoss;

/* Generated code to check instead of the oracle: builds a finished module (contractions recognised)
 * in double and moves values in and out of its slots. The driver fills this from codegen and the
 * runtime's slot functions. */
typedef struct GradcheckTarget {
  void *user;
  const RlcModule *(*build)(void *user, Module *module); /* NULL after reporting */
  void (*set)(const RlcSlot *slot, char *memory, const double *plain);
  void (*get)(const RlcSlot *slot, const char *memory, double *plain);
} GradcheckTarget;

/* Zero means the default in brackets. */
typedef struct GradcheckOptions {
  uint64_t seed;                 /* of the base point, the draws and the choice of components */
  uint32_t components;           /* tried per tensor [24]; all when the tensor has no more */
  double tolerance;              /* largest error that passes [1e-5] */
  const OpInfo *table;           /* whose derivatives [op_table] */
  const GradcheckTarget *target; /* [the oracle] */
} GradcheckOptions;

typedef struct GradcheckResult {
  const char *loss, *parameter;
  uint64_t size;                /* of the tensor */
  uint64_t components, skipped; /* tried, and of those skipped at kinks */
  double worst;                 /* largest error; NaN when something was not finite */
  const char *where;            /* coordinates of the worst component: "[in=3 out=5]"; never NULL */
  double analytic, numeric;     /* there */
  bool passed; /* worst <= tolerance, and at most 1 % of the loss's components skipped */
} GradcheckResult;

/* Checks each loss; one result per marked parameter, in order. `module` is not changed, but its
 * graph grows. Returns how many results, or 0 when the target could not be built. */
size_t gradcheck_run(Arena *arena, const Module *module, const GradcheckLoss *losses, size_t count,
                     const GradcheckOptions *options, GradcheckResult **results);

/* Plausible values for every slot of a module, row-major, by slot: the init program's for what it
 * writes (parameters and targets moved a little, so that nothing is exactly zero or equal), seeded
 * numbers in their ranges for data. */
double **gradcheck_point(Arena *arena, const Module *module, uint64_t seed);

#endif
