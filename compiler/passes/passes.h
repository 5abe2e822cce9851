/* The passes between a spec and code, and the driver that runs them. */
#ifndef RLC_COMPILER_PASSES_PASSES_H
#define RLC_COMPILER_PASSES_PASSES_H

#include "ir/ir.h"

/* ---- passes: each leaves the module in a state that ir_verify can check; none prints anything
 * ---- */

/* Expands every grad request, innermost first, with the derivative columns of `table` (op_table, or
 * a mutated copy in self-tests). */
void grad_expand(Module *module, Arena *scratch, const OpInfo *table);
/* Turns mark and stop into their argument: their work is done after the last gradient. */
void pass_erase(Module *module, Arena *scratch);
/* Moves outputs of the acting table's `store` that need no result of the step into its `program`.
 */
void pass_early(Module *module, Arena *scratch);
/* Reads optimiser states without axes that always hold the same, such as counts, as one. */
void pass_same(Module *module, Arena *scratch);
/* Applies rules.def and the rules of sums bottom-up until nothing changes. */
void pass_simplify(Module *module, Arena *scratch);
/* Fills every program's minimal_flops: of its contractions as they stand here. */
void pass_measure(Module *module, Arena *scratch);
/* Derivatives of rectifiers read their results instead of their arguments. */
void pass_mask(Module *module, Arena *scratch);
/* Leaves out what is multiplied by zero whatever the data: ranks of a sort without weight. */
void pass_skip(Module *module, Arena *scratch);
/* What pass_skip did, as notes of the module: sorts whose ranks it cut among the nodes from
 * `before` on, and where their scatters stopped. */
void skip_notes(Module *module, Arena *scratch, size_t before);
/* Sums of products become contractions. */
void pass_contract(Module *module, Arena *scratch);

/* Operands of large contractions are rounded when the module's precision says so; a
 * note tells how many. */
void pass_round(Module *module, Arena *scratch);

/* Floating-point operations of one contraction: 2 x the product of all extents it touches. */
double contract_flops(const Graph *graph, const Node *contract);

/* What the programs put out, to try a pass and put it back. */
Output **outputs_copy(const Module *module, Arena *scratch);
void outputs_restore(Module *module, Output *const *outputs);

/* ---- what is known about values (range.c) ---- */

typedef struct Range {
  double low, high;
  bool finite; /* finite whenever the leaves are, arithmetic overflow apart */
} Range;

/* A memo over node ids; valid while the graph only grows. */
typedef struct Ranges Ranges;
Ranges *ranges_make(Arena *arena, const Module *module);
Range range_of(Ranges *ranges, const Node *node);

/* ---- rules (simplify.c) ---- */

typedef struct Rule {
  const char *pattern, *result, *condition; /* condition: "" or "finite(x)", "nonzero(c)" */
} Rule;
extern const Rule rule_table[];
extern const size_t rule_count;
/* pass_simplify with other rules: mutated copies in self-tests. */
void simplify_with(Module *module, Arena *scratch, const Rule *table, size_t count);
/* One application of a rule at the root of `node`, or NULL when it does not match. */
Node *rule_apply(Module *module, Arena *scratch, const Rule *rule, Node *node);

#endif
