/* `overlap: true`: the loop's two sides, acting and learning, run beside each other. Each slot
 * belongs to the side that writes it; here it is found out which one that is, and what each side
 * has to be given of the other's. */
#include "dsl/data.h"

/* Per slot. */
typedef struct Sides {
  bool *read, *acted; /* by acting */
  bool *learned;      /* written by the other steps of the loop */
} Sides;

static void mark_written(const Module *module, uint32_t program, bool *slots) {
  if (program == RLC_NONE) return;
  const Program *p = &module->programs[program];
  for (size_t i = 0; i < p->output_count; i++) slots[p->outputs[i].slot] = true;
}

static void mark_acting(Elab *elab, Sides *sides, uint32_t program) {
  if (program == RLC_NONE) return;
  Node **nodes;
  const Module *module = elab->module;
  size_t count = module_reach(module, &module->programs[program], elab->arena, &nodes);
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_input) sides->read[nodes[i]->attr.key] = true;
  mark_written(module, program, sides->acted);
}

/* What a step runs. */
static uint32_t step_program(const RlcStep *step) {
  bool runs = step->op == RLC_DO_RUN || step->op == RLC_DO_WHEN || step->op == RLC_DO_UNTIL;
  return runs ? step->index : RLC_NONE;
}

static Sides sides_of(Elab *elab) {
  const RlcModule *shell = &elab->module->shell;
  const RlcActing *explore = &shell->explore;
  size_t count = elab->graph->slot_count;
  Sides sides = {NEW_ARRAY(elab->arena, bool, count), NEW_ARRAY(elab->arena, bool, count),
                 NEW_ARRAY(elab->arena, bool, count)};
  mark_acting(elab, &sides, explore->program);
  mark_acting(elab, &sides, explore->store);
  mark_acting(elab, &sides, explore->start);
  mark_acting(elab, &sides, explore->advance);
  for (uint32_t i = 0, end = 0; i < shell->step_count; i++) {
    const RlcStep *step = &shell->steps[i];
    if (step->op == RLC_DO_ASIDE) end = i + 1 + step->body;
    if (i < end)
      mark_acting(elab, &sides, step_program(step));
    else
      mark_written(elab->module, step_program(step), sides.learned);
  }
  return sides;
}

bool overlap_check(Elab *elab) {
  Sides sides = sides_of(elab);
  bool good = true;
  for (size_t i = 0; i < elab->graph->slot_count; i++) {
    const Slot *slot = &elab->graph->slots[i];
    if (!sides.acted[i] || !sides.learned[i]) continue;
    good = elab_error(elab, tree_entry(elab->spec, "overlap")->key_span,
                      "let one of them set it, or leave 'overlap' out",
                      "with 'overlap' acting and the loop run at the same time, and both set '%s'",
                      slot->name);
    if (slot->span.source) diag_note(elab->diag, slot->span, "declared here");
  }
  return good;
}

/* ---- tables ---- */

static const uint32_t *listed(Elab *elab, const bool *slots, uint32_t *count) {
  uint32_t *list = NEW_ARRAY(elab->arena, uint32_t, elab->graph->slot_count + 1);
  for (uint32_t i = 0; i < elab->graph->slot_count; i++)
    if (slots[i]) list[(*count)++] = i;
  return list;
}

/* The runtime fills these while acting. */
static void mark_filled(const RlcModule *shell, bool *slots) {
  const RlcActing *explore = &shell->explore;
  const uint32_t filled[] = {explore->obs,      explore->first,      explore->reward,
                             explore->next_obs, explore->terminated, explore->truncated};
  for (size_t i = 0; i < COUNTOF(filled); i++)
    if (filled[i] != RLC_NONE) slots[filled[i]] = true;
  for (uint32_t i = 0; i < shell->rollout.column_count; i++)
    if (shell->rollout.columns[i].slot != RLC_NONE) slots[shell->rollout.columns[i].slot] = true;
}

void overlap_tables(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  Sides sides = sides_of(elab);
  for (size_t i = 0; i < elab->graph->slot_count; i++) sides.read[i] &= sides.learned[i];
  mark_filled(shell, sides.acted);
  shell->aside.in = listed(elab, sides.read, &shell->aside.in_count);
  shell->aside.out = listed(elab, sides.acted, &shell->aside.out_count);
}
