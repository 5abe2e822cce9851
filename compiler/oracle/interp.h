/* The oracle: programs interpreted in double precision, node by node, straight from the graph.
 *
 * It is the meaning of the intermediate representation that back ends and derivatives are compared
 * with. As an Interp it evaluates one program under the caller's control; as a target it is an
 * RlcModule like any other, for the same runtime. Values are dense arrays over a node's own axes in
 * axes_order, positions included. stop and mark are the identity; a grad must be expanded before.
 */
#ifndef RLC_COMPILER_ORACLE_INTERP_H
#define RLC_COMPILER_ORACLE_INTERP_H

#include "ir/ir.h"

typedef struct Interp Interp;

/* Prepares programs[program]. All slots are zero. With `keep` every value lasts until the next run,
 * so that interp_value and interp_rerun work on any node; without, values are dropped after their
 * last use. */
Interp *interp_make(Arena *arena, const Module *module, size_t program, bool keep);

/* The values of a slot, row-major over its axes in axes_order. */
void interp_set(Interp *interp, uint32_t slot, const double *values);
void interp_get(const Interp *interp, uint32_t slot, double *values);

/* What draws depend on; both 0 at first. */
void interp_draws(Interp *interp, uint64_t seed, uint64_t step);

/* From now on `node` has these values (axes_extent of its axes) instead of its own; NULL ends that.
 * The array is read at each run.
 */
void interp_hold(Interp *interp, const Node *node, const double *values);

/* Evaluates the program; slots keep their values. */
void interp_run(Interp *interp);
/* Evaluates again what depends on `node`, the only one whose held values (or end of being held)
 * changed since the last run. Needs `keep`. */
void interp_rerun(Interp *interp, const Node *node);

/* The value of a node after a run; NULL when it was dropped, or never needed by itself (a product
 * inside a sum). */
const double *interp_value(const Interp *interp, const Node *node);

/* Writes the outputs of the last run into their slots. */
void interp_store(Interp *interp);

/* The module for the runtime: all slots plain, in double (whole numbers in int32), every program
 * interpreted by the calling team's first thread. Slot and program numbers are those of `module`,
 * which must outlive it and not change. */
const RlcModule *oracle_module(Arena *arena, const Module *module);

#endif
