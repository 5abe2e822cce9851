/* A loss made ready for central differences: its frozen form, and the programs that fill in what
 * was frozen. */
#ifndef RLC_COMPILER_PASSES_FREEZE_H
#define RLC_COMPILER_PASSES_FREEZE_H

#include "compiler/oracle/gradcheck.h"

enum { FROZEN_GRADIENT, FROZEN_BASE, FROZEN_CENTER, FROZEN_LOSS, FROZEN_KINKS, FROZEN_PROGRAMS };

/* Five programs over the graph of the loss:
 *   gradient  the loss and its derivatives, as in the compiled update
 *   base      the values of the marked parameters and of every stop, into slots of their own
 *   center    the frozen loss, and the terms of its sums, into slots of their own
 *   loss      what the loss gains over the base point as a function of those slots, with nothing
 *             left to stop; sums add up differences of terms, so that little is lost to rounding
 *   kinks     the same, and every comparison, position and selection that it depends on */
typedef struct Frozen {
  Module *module;
  uint32_t loss;            /* slot of the gradient program's loss */
  uint32_t whole, value;    /* slots of the frozen loss, and of what it gains */
  uint32_t *gradients;      /* slots, by parameter */
  uint32_t *points;         /* slots of the marked parameters' values, by parameter */
  Node **inputs;            /* nodes that read those */
  Node **kinks;             /* the decisions, outputs of the kinks program */
  size_t count, kink_count; /* parameters, decisions */
} Frozen;

Frozen *freeze_loss(Arena *arena, const Module *module, const GradcheckLoss *loss,
                    const OpInfo *table);

#endif
