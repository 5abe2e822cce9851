/* The loop: its steps as a table for the runtime; what stands between two data steps becomes one
 * program. */
#include "dsl/scope.h"

#include <string.h>

typedef struct Loop {
  Elab *elab;
  RlcStep *steps;
  size_t count, capacity;
  uint32_t programs; /* updates so far, for names */
} Loop;

/* ---- programs ---- */

/* From here on slots are read from memory. */
static void forget_values(Elab *elab) {
  for (size_t i = 0; i < elab->current_size; i++) elab->current[i] = NULL;
}

void program_open(Elab *elab, const char *name) {
  Module *module = elab->module;
  PUSH(elab->arena, module->programs, module->program_count, module->program_capacity,
       (Program){.name = name});
  elab->program = &module->programs[module->program_count - 1];
  elab->losses_count = 0;
  elab->entered_count = 0;
  forget_values(elab);
}

void program_output(Elab *elab, uint32_t slot, Node *node) {
  Output output = {slot, node};
  PUSH(elab->arena, elab->program->outputs, elab->program->output_count,
       elab->program->output_capacity, output);
}

uint32_t program_close(Elab *elab) {
  for (uint32_t slot = 0; slot < elab->current_size; slot++)
    if (elab->current[slot]) program_output(elab, slot, elab->current[slot]);
  forget_values(elab);
  elab->program = NULL;
  return (uint32_t)elab->module->program_count - 1;
}

static RlcStep *add_step(Loop *loop, RlcStep step) {
  PUSH(loop->elab->arena, loop->steps, loop->count, loop->capacity, step);
  return &loop->steps[loop->count - 1];
}

/* Closes the open program, if any, and adds the step that runs it. */
static void flush(Loop *loop, bool update) {
  if (!loop->elab->program) return;
  uint32_t index = program_close(loop->elab);
  add_step(loop, (RlcStep){.op = RLC_DO_RUN,
                           .flags = update ? RLC_IS_UPDATE : 0,
                           .index = index,
                           .slot = RLC_NONE});
}

/* ---- statements of a program ---- */

static void ensure_program(Loop *loop, bool *update) {
  Elab *elab = loop->elab;
  if (elab->program) return;
  *update = false;
  uint32_t n = loop->programs++;
  program_open(elab, n ? arena_printf(elab->arena, "update%u", n + 1) : "update");
}

static bool all_losses(Elab *elab, const char ***names, Span **spans, size_t *count, Span span) {
  const Tree *losses = tree_get(elab->spec, "losses");
  *count = losses ? losses->entry_count : 0;
  *names = NEW_ARRAY(elab->arena, const char *, *count);
  *spans = NEW_ARRAY(elab->arena, Span, *count);
  for (size_t i = 0; i < *count; i++) (*names)[i] = losses->entries[i].key, (*spans)[i] = span;
  return *count || elab_error(elab, span, NULL, "there are no losses");
}

static bool descend(Loop *loop, const Tree *tree, bool together, bool *update) {
  Elab *elab = loop->elab;
  const char **names;
  Span *spans;
  size_t count;
  const char *columns = elab->block.columns;
  if (elab->env_count && (!columns || strcmp(columns, "replay") != 0))
    return elab_error(elab, tree->span, "put 'sample: replay' before it",
                      "nothing has been sampled for this step to learn from");
  if (!tree_names(elab, tree, &names, &spans, &count)) return false;
  if (count == 0)
    return elab_error(elab, tree->span, "as in  descend: all", "this step names no loss");
  if (count == 1 && strcmp(names[0], "all") == 0 &&
      !all_losses(elab, &names, &spans, &count, tree->span))
    return false;
  ensure_program(loop, update);
  *update = true;
  return losses_step(elab, names, spans, count, together);
}

static bool set(Loop *loop, const Tree *tree, bool *update) {
  ensure_program(loop, update);
  return set_step(loop->elab, tree);
}

/* ---- steps ---- */

/* One new value of the normaliser's state. */
static bool normalizer_set(Elab *elab, Frame *frame, const TreeEntry *entry) {
  const Entry *state = frame_find(elab->globals, entry->key);
  if (!state || state->state != ENTRY_SLOT)
    return elab_error(elab, entry->key_span, NULL, "the normaliser has no state '%s'", entry->key);
  Node *node = eval_tree_node(elab, frame, entry->value);
  if (!node) return false;
  Axes axes = elab->graph->slots[state->slot].axes;
  if (!axes_within(node->axes, axes))
    return elab_error(elab, entry->value->span, NULL, "the new value of '%s' has axes %s, not %s",
                      entry->key, axes_text(elab->graph, elab->arena, node->axes),
                      axes_text(elab->graph, elab->arena, axes));
  program_output(elab, state->slot, node);
  return true;
}

/* The running normaliser of `env: {normalize: obs}` sees the observations after each step of all
 * environments. */
static bool update_normalizer(Loop *loop) {
  Elab *elab = loop->elab;
  const Tree *obs = tree_get(tree_get(elab->prelude, "normalize"), "obs"),
             *updates = tree_get(obs, "set"), *let = tree_get(obs, "let");
  Frame *frame = frame_make(elab, elab->globals, "normalize");
  for (size_t i = 0; let && i < let->entry_count; i++)
    frame_add_lazy(elab, frame, let->entries[i].key, "let", let->entries[i].key_span,
                   let->entries[i].value);
  program_open(elab, "normalize");
  bool good = true;
  for (size_t i = 0; i < updates->entry_count; i++)
    good = normalizer_set(elab, frame, &updates->entries[i]) && good;
  flush(loop, false);
  return good;
}

static bool collect(Loop *loop, const Tree *tree) {
  Elab *elab = loop->elab;
  uint64_t count = 1;
  if (!elab->env_count)
    return elab_error(elab, tree->span, "as in  env: HalfCheetah-v5",
                      "there is no environment to collect from");
  bool good = eval_count(elab, elab->globals, tree, "collect", 1, 1e9, &count);
  elab->block = (Block){
      "act", axes_one(axis_instance(elab, "env", elab->env_count, AXIS_ROW, tree->span)), true};
  bool each = elab->normalize_obs && count > 1;
  if (each)
    add_step(loop, (RlcStep){.op = RLC_DO_REPEAT, .count = count, .slot = RLC_NONE, .body = 2});
  add_step(loop, (RlcStep){.op = RLC_DO_COLLECT, .count = each ? 1 : count, .slot = RLC_NONE});
  return (!elab->normalize_obs || update_normalizer(loop)) && good;
}

static bool sample(Loop *loop, const Tree *tree) {
  Elab *elab = loop->elab;
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, tree, &names, &spans, &count)) return false;
  const RlcModule *shell = &elab->module->shell;
  if (!shell->source_count) {
    if (!tree_get(elab->spec, "replay"))
      elab_error(elab, tree->span, "declare  replay: {capacity: ..., batch: ...}",
                 "there is no replay to sample from");
    const TreeEntry *gone = tree_removed(elab->spec, "replay");
    if (gone) diag_note(elab->diag, gone->key_span, "'replay' is removed here");
    elab->block =
        (Block){"replay", axes_one(axis_instance(elab, "batch", 1, AXIS_ROW, tree->span)), true};
    return false;
  }
  bool known = count == 1 && strcmp(names[0], "replay") == 0;
  if (!known)
    elab_error(elab, tree->span, "write  sample: replay", "there is no source '%s'",
               count ? names[0] : "");
  AxisId batch = axis_instance(elab, "batch", shell->sources[0].batch, AXIS_ROW, tree->span);
  elab->block = (Block){"replay", axes_one(batch), true};
  add_step(loop, (RlcStep){.op = RLC_DO_SAMPLE, .index = 0, .count = 1, .slot = RLC_NONE});
  return known;
}

static bool steps(Loop *loop, const Tree *list);

/* The body of a step that has one, and its length in the table. */
static bool body(Loop *loop, const Tree *step, size_t at) {
  const Tree *list = tree_get(step, "do");
  if (!list)
    return elab_error(loop->elab, step->span, "give it a list of steps under 'do'",
                      "this step has no body");
  Block block = loop->elab->block;
  bool good = steps(loop, list);
  loop->elab->block = block;
  loop->steps[at].body = (uint32_t)(loop->count - at - 1);
  return good;
}

/* The program that computes a condition, and its slot. False after reporting. */
static bool condition_program(Elab *elab, const char *name, const Tree *condition,
                              uint32_t *program, uint32_t *slot) {
  elab->path = arena_printf(elab->arena, "loop.%s", name);
  program_open(elab, name);
  Node *node = eval_tree_node(elab, elab->globals, condition);
  if (node && !axes_empty(node->axes)) {
    elab_error(elab, condition->span, "reduce it, as in mean[...](...)",
               "a condition is a scalar, but this has axes %s",
               axes_text(elab->graph, elab->arena, node->axes));
    node = NULL;
  }
  *slot = graph_slot(elab->graph, arena_printf(elab->arena, "condition.%s", name), RLC_RESULT,
                     RLC_F64, axes_none(), condition->span);
  if (node) program_output(elab, *slot, node);
  *program = program_close(elab);
  return node != NULL;
}

static bool when(Loop *loop, const Tree *step, const Tree *condition) {
  Elab *elab = loop->elab;
  Block block = elab->block;
  uint32_t program, slot;
  elab->block = (Block){0};
  const char *name = arena_printf(elab->arena, "when%zu", loop->count);
  bool good = condition_program(elab, name, condition, &program, &slot);
  elab->block = block;
  size_t at = loop->count;
  add_step(loop, (RlcStep){.op = RLC_DO_WHEN, .index = program, .slot = slot});
  return body(loop, step, at) && good;
}

static bool every(Loop *loop, const Tree *step, const Tree *unit) {
  static const char *const names[] = {"step", "iteration", "updates", "stored"};
  Elab *elab = loop->elab;
  if (unit->kind != TREE_MAP || unit->entry_count != 1)
    return elab_error(elab, unit->span, "as in  every: {updates: 200}",
                      "'every' wants one counter");
  for (size_t i = 0; i < COUNTOF(names); i++) {
    if (strcmp(names[i], unit->entries[0].key) != 0) continue;
    uint64_t count = 1;
    bool good = eval_count(elab, elab->globals, unit->entries[0].value, "every", 1, 1e15, &count);
    size_t at = loop->count;
    add_step(
        loop,
        (RlcStep){.op = RLC_DO_EVERY, .counter = (uint8_t)i, .count = count, .slot = RLC_NONE});
    return body(loop, step, at) && good;
  }
  const char *hint = hint_nearest(elab->arena, unit->entries[0].key, names, COUNTOF(names));
  return elab_error(elab, unit->entries[0].key_span,
                    hint ? hint : "counters: step, iteration, updates, stored",
                    "there is no counter '%s'", unit->entries[0].key);
}

static bool repeat(Loop *loop, const Tree *step, const Tree *times) {
  uint64_t count = 1;
  bool good = eval_count(loop->elab, loop->elab->globals, times, "repeat", 1, 1e9, &count);
  size_t at = loop->count;
  add_step(loop, (RlcStep){.op = RLC_DO_REPEAT, .count = count, .slot = RLC_NONE});
  return body(loop, step, at) && good;
}

static bool one_step(Loop *loop, const Tree *step, bool *update) {
  Elab *elab = loop->elab;
  const Tree *tree;
  if (step->kind != TREE_MAP || step->entry_count == 0)
    return elab_error(elab, step->span, "as in  - collect: 1", "a step of the loop is a map");
  if ((tree = tree_get(step, "descend"))) return descend(loop, tree, false, update);
  if ((tree = tree_get(step, "together"))) return descend(loop, tree, true, update);
  if ((tree = tree_get(step, "set"))) return set(loop, tree, update);
  flush(loop, *update);
  if ((tree = tree_get(step, "collect"))) return collect(loop, tree);
  if ((tree = tree_get(step, "sample"))) {
    const TreeEntry *from = tree_entry(step, "from");
    if (from) elab_error(elab, from->key_span, NULL, "'from' is not supported yet");
    return sample(loop, tree) && !from;
  }
  if ((tree = tree_get(step, "when"))) return when(loop, step, tree);
  if ((tree = tree_get(step, "every"))) return every(loop, step, tree);
  if ((tree = tree_get(step, "repeat"))) return repeat(loop, step, tree);
  return elab_error(elab, step->entries[0].key_span, NULL,
                    "the loop step '%s' is not supported yet", step->entries[0].key);
}

static bool steps(Loop *loop, const Tree *list) {
  bool update = false, good = true;
  for (size_t i = 0; i < list->item_count; i++)
    good = one_step(loop, list->items[i], &update) && good;
  flush(loop, update);
  return good;
}

bool loop_elaborate(Elab *elab) {
  Loop loop = {.elab = elab};
  const Tree *list = tree_get(elab->spec, "loop");
  if (!list || list->kind != TREE_LIST)
    return elab_error(elab, list ? list->span : elab->spec->span, "as in  loop: [{collect: 1}]",
                      "the spec has no loop");
  elab->block = (Block){.draws = !elab->env_count};
  bool good = steps(&loop, list), collects = false;
  for (size_t i = 0; i < loop.count; i++) collects = collects || loop.steps[i].op == RLC_DO_COLLECT;
  if (list->item_count == 0)
    good = elab_error(elab, list->span, "as in  loop: [{collect: 1}]", "the loop has no steps");
  else if (good && elab->env_count && !collects)
    good = elab_error(elab, list->span, "as in  - collect: 1",
                      "the loop never acts: no step collects");
  if (!good) return false;
  elab->module->shell.steps = loop.steps;
  elab->module->shell.step_count = (uint32_t)loop.count;
  return true;
}
