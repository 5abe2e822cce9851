/* The loop: its steps as a table for the runtime; what stands between two data steps becomes one
 * program. */
#include "dsl/data.h"
#include "dsl/names.h"

#include <string.h>

typedef struct Loop {
  Elab *elab;
  RlcStep *steps;
  size_t count, capacity;
  uint32_t programs; /* updates so far, for names */
  size_t written;    /* values written back whose steps are in the table */
  uint32_t depth;    /* of bodies around the step */
  const Tree *aside; /* the `collect` that acts beside the others, or NULL */
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

void program_drop(Elab *elab) {
  forget_values(elab);
  elab->program = NULL;
  elab->module->program_count--;
}

static RlcStep *add_step(Loop *loop, RlcStep step) {
  PUSH(loop->elab->arena, loop->steps, loop->count, loop->capacity, step);
  return &loop->steps[loop->count - 1];
}

/* Closes the open program, if any, and adds the step that runs it, and those that write back what
 * its losses say. */
static void flush(Loop *loop, bool update) {
  Elab *elab = loop->elab;
  if (!elab->program) return;
  uint32_t index = program_close(elab);
  add_step(loop, (RlcStep){.op = RLC_DO_RUN,
                           .flags = update ? RLC_IS_UPDATE : 0,
                           .index = index,
                           .slot = RLC_NONE});
  for (; loop->written < elab->written_count; loop->written++) {
    struct Written *written = &elab->written[loop->written];
    written->step = loop->count;
    add_step(loop, (RlcStep){.op = RLC_DO_WRITE, .index = written->source, .slot = written->slot});
  }
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
  BlockKind kind = elab->block.kind;
  bool data = kind == BLOCK_REPLAY || kind == BLOCK_ROLLOUT || kind == BLOCK_PART;
  bool simulates = (elab->environment || elab->env_unknown) && !tree_get(elab->spec, "replay") &&
                   !elab->rollout_steps;
  if (simulates)
    elab->block = (Block){.draws = true}; /* its data are what env_step gives */
  else if (elab->env_count && !data)
    return elab_error(elab, tree->span,
                      elab->rollout_steps ? "put 'collect: rollout' before it"
                                          : "put 'sample: replay' before it",
                      elab->rollout_steps ? "nothing has been collected for this step to learn from"
                                          : "nothing has been sampled for this step to learn from");
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

static bool needs_rollout(Elab *elab, const char *what, Span span);

static bool compute(Loop *loop, const Tree *tree, bool *update) {
  bool possible = needs_rollout(loop->elab, "compute", tree->span);
  if (possible) ensure_program(loop, update);
  return compute_step(loop->elab, tree, possible);
}

static bool set(Loop *loop, const Tree *tree, bool *update) {
  ensure_program(loop, update);
  return set_step(loop->elab, tree);
}

/* ---- data ---- */

static bool has_normalizer(const Elab *elab) {
  return elab->normalize_obs || elab->normalize_reward;
}

/* Whether acting can be taken out of the loop here, to go on beside its other steps. */
static bool goes_aside(Loop *loop, const Tree *tree) {
  Elab *elab = loop->elab;
  if (loop->depth)
    return elab_error(elab, tree->span, "put it at the beginning of the loop",
                      "with 'overlap' a 'collect' stands in no other step");
  if (loop->aside) {
    elab_error(elab, tree->span, "one 'collect' may act several times, as in  collect: 4",
               "with 'overlap' a loop has one 'collect'");
    diag_note(elab->diag, loop->aside->span, "the first one is here");
    return false;
  }
  loop->aside = tree;
  return true;
}

/* `count` steps of all environments, the normalisers moving on after each. */
static bool collect_count(Loop *loop, uint64_t count) {
  Elab *elab = loop->elab;
  bool each = has_normalizer(elab) && count > 1, good = true;
  if (each)
    add_step(loop, (RlcStep){.op = RLC_DO_REPEAT, .count = count, .slot = RLC_NONE, .body = 2});
  add_step(loop, (RlcStep){.op = RLC_DO_COLLECT, .count = each ? 1 : count, .slot = RLC_NONE});
  elab->block = act_block(elab, BLOCK_STEP);
  if (!has_normalizer(elab)) return true;
  good = normalizers_update(elab);
  flush(loop, false);
  return good;
}

static bool collect(Loop *loop, const Tree *tree) {
  Elab *elab = loop->elab;
  uint64_t count = 1;
  if (!elab->env_count)
    return elab_error(elab, tree->span, "as in  env: HalfCheetah-v5",
                      "there is no environment to collect from");
  bool whole = tree->kind == TREE_SCALAR && strcmp(tree->text.text, "rollout") == 0;
  if (whole && !elab->rollout_steps)
    return elab_error(elab, tree->span, "as in  rollout: {steps: 128}",
                      "there is no rollout to collect");
  if (!whole && elab->rollout_steps)
    return elab_error(elab, tree->span, "as in  - collect: rollout",
                      "a spec with a rollout collects it as a whole");
  if (!whole && !eval_count(elab, elab->globals, tree, "collect", 1, 1e9, &count)) return false;
  if (elab->overlap && !goes_aside(loop, tree)) return false;
  size_t at = loop->count;
  if (elab->overlap) add_step(loop, (RlcStep){.op = RLC_DO_ASIDE, .slot = RLC_NONE});
  bool good = collect_count(loop, whole ? elab->rollout_steps : count);
  if (elab->overlap) loop->steps[at].body = (uint32_t)(loop->count - at - 1);
  if (!whole) return good;
  elab->block = (Block){.kind = BLOCK_ROLLOUT,
                        .columns = "rollout",
                        .rows = axes_union(axes_one(elab->time_axis), axes_one(elab->env_axis)),
                        .draws = true};
  return good;
}

/* A batch of one row, so that the rest of a spec without a replay is still checked. */
static bool sample_nothing(Elab *elab, const Tree *tree) {
  if (!tree_get(elab->spec, "replay"))
    elab_error(elab, tree->span, "declare  replay: {capacity: ..., batch: ...}",
               "there is no replay to sample from");
  const TreeEntry *gone = tree_removed(elab->spec, "replay");
  if (gone) diag_note(elab->diag, gone->key_span, "'replay' is removed here");
  elab->block = (Block){.kind = BLOCK_REPLAY,
                        .columns = "replay",
                        .rows = axes_one(axis_instance(elab, "batch", 1, AXIS_ROW, tree->span)),
                        .draws = true};
  return false;
}

/* The number of a source to sample from; RLC_NONE after reporting. */
static uint32_t sampled_source(Elab *elab, const char *name, Span span) {
  const char *names[64];
  uint32_t number = source_named(elab, name), count = elab->module->shell.source_count;
  if (number != RLC_NONE) return number;
  for (uint32_t i = 0; i < count && i < 64; i++) names[i] = elab->sources[i].name;
  const char *hint = hint_nearest(elab->arena, name, names, count < 64 ? count : 64);
  if (!hint) hint = arena_printf(elab->arena, "write  sample: %s", names[0]);
  elab_error(elab, span, hint, "there is no source '%s'", name);
  return RLC_NONE;
}

/* `sample: replay`, or the rows of several sources one after the other: `sample: [online, demos]`.
 */
static bool sample(Loop *loop, const Tree *tree) {
  Elab *elab = loop->elab;
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, tree, &names, &spans, &count)) return false;
  const RlcModule *shell = &elab->module->shell;
  if (!shell->source_count) return sample_nothing(elab, tree);
  if (count == 0 || count > SAMPLED_SOURCES)
    return elab_error(elab, tree->span, "as in  sample: replay", "a batch has 1 to %d sources",
                      SAMPLED_SOURCES);
  uint32_t *sources = NEW_ARRAY(elab->arena, uint32_t, count), rows = 0, window = 0;
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    uint32_t number = sampled_source(elab, names[i], spans[i]);
    good = good && number != RLC_NONE;
    sources[i] = number == RLC_NONE ? 0 : number;
    rows += shell->sources[sources[i]].batch;
    if (i && shell->sources[sources[i]].window != window)
      good = elab_error(elab, spans[i], "give them the same window",
                        "'%s' and '%s' have windows of different lengths", names[0], names[i]);
    window = shell->sources[sources[i]].window;
    add_step(loop,
             (RlcStep){.op = RLC_DO_SAMPLE, .index = sources[i], .count = 1, .slot = RLC_NONE});
  }
  elab->block = (Block){.kind = BLOCK_REPLAY,
                        .columns = names[0],
                        .rows = axes_one(axis_instance(elab, "batch", rows, AXIS_ROW, tree->span)),
                        .draws = true,
                        .sources = sources,
                        .source_count = count};
  return good;
}

/* ---- steps with a body ---- */

static bool steps(Loop *loop, const Tree *list);

/* The body of a step that has one, and its length in the table. */
static bool body(Loop *loop, const Tree *step, size_t at) {
  const Tree *list = tree_get(step, "do");
  if (!list)
    return elab_error(loop->elab, step->span, "give it a list of steps under 'do'",
                      "this step has no body");
  Block block = loop->elab->block;
  loop->depth++;
  bool good = steps(loop, list);
  loop->depth--;
  loop->elab->block = block;
  loop->steps[at].body = (uint32_t)(loop->count - at - 1);
  return good;
}

/* Warns where a condition waits for more rows than the first replay, which `stored` counts, ever
 * holds: whole rows of all environments. */
static void warn_stored(Elab *elab, const Node *condition, Span span) {
  const RlcModule *shell = &elab->module->shell;
  const Node *number = condition->src[0], *stored = condition->src[1];
  bool least = condition->op == OP_le;
  if (!shell->source_count || diag_errors(elab->diag)) return;
  if (condition->op != OP_lt && !least) return;
  if (number->op != OP_const || stored->op != OP_input ||
      stored->attr.key != elab->counters[RLC_STORED])
    return;
  uint64_t envs = elab->env_count, most = (shell->sources[0].capacity + envs - 1) / envs * envs;
  double wanted = number->attr.value;
  if (least ? wanted > (double)most : wanted >= (double)most)
    diag_warning(elab->diag, span, "make its 'capacity' larger, or wait for fewer",
                 "this never holds: '%s' holds %llu rows at most", shell->sources[0].name,
                 (unsigned long long)most);
}

static bool when(Loop *loop, const Tree *step, const Tree *condition) {
  Elab *elab = loop->elab;
  size_t at = loop->count;
  RlcStep *made = add_step(loop, (RlcStep){.op = RLC_DO_WHEN});
  const Node *node =
      condition_elaborate(elab, arena_printf(elab->arena, "when%zu", at), condition, true, made);
  if (node) warn_stored(elab, node, condition->span);
  return body(loop, step, at) && node;
}

static bool every(Loop *loop, const Tree *step, const Tree *unit) {
  Elab *elab = loop->elab;
  if (unit->kind != TREE_MAP || unit->entry_count != 1)
    return elab_error(elab, unit->span, "as in  every: {updates: 200}",
                      "'every' wants one counter");
  const char *names[RLC_COUNTERS], *all = "counters:";
  const TreeEntry *entry = &unit->entries[0];
  size_t known = counter_names(names);
  for (size_t i = 0; i < known; i++) {
    all = arena_printf(elab->arena, "%s%s %s", all, i ? "," : "", names[i]);
    if (strcmp(names[i], entry->key) != 0) continue;
    uint64_t count = 1;
    bool good = eval_count(elab, elab->globals, entry->value, "every", 1, 1e15, &count);
    size_t at = loop->count;
    uint8_t counter = (uint8_t)language_name(names[i])->value;
    add_step(loop,
             (RlcStep){.op = RLC_DO_EVERY, .counter = counter, .count = count, .slot = RLC_NONE});
    return body(loop, step, at) && good;
  }
  const char *hint = hint_nearest(elab->arena, entry->key, names, known);
  return elab_error(elab, entry->key_span, hint ? hint : all, "there is no counter '%s'",
                    entry->key);
}

#define UNTIL_LIMIT 1000000 /* of `until` alone: then something is wrong */

/* The condition after the steps of a body, which stand in the table already. */
static bool until_condition(Loop *loop, size_t at, const Tree *condition, bool holds) {
  Elab *elab = loop->elab;
  const Node *node = condition_elaborate(elab, arena_printf(elab->arena, "until%zu", at), condition,
                                         holds, &loop->steps[at]);
  if (node && holds && node_is_const(node, 0))
    return elab_error(elab, condition->span, "as in  until: stored >= 1000",
                      "the condition of 'until' never holds: it is 0 whatever the steps do");
  return node != NULL;
}

static bool until(Loop *loop, const Tree *step, const Tree *condition) {
  size_t at = loop->count;
  add_step(loop, (RlcStep){.op = RLC_DO_UNTIL, .count = UNTIL_LIMIT, .slot = RLC_NONE});
  bool good = body(loop, step, at);
  return until_condition(loop, at, condition, true) && good;
}

/* `repeat: n` and `epochs: n`, each ended early by `while`. */
static bool repeat(Loop *loop, const Tree *step, const Tree *times, const char *what) {
  uint64_t count = 1;
  const Tree *condition = tree_get(step, "while");
  bool good = eval_count(loop->elab, loop->elab->globals, times, what, 1, 1e9, &count);
  size_t at = loop->count;
  add_step(loop, (RlcStep){.op = condition ? RLC_DO_UNTIL : RLC_DO_REPEAT,
                           .flags = condition ? RLC_AT_MOST : 0,
                           .count = count,
                           .slot = RLC_NONE});
  good = body(loop, step, at) && good;
  return (!condition || until_condition(loop, at, condition, false)) && good;
}

/* Steps over data that only a rollout gives. */
static bool needs_rollout(Elab *elab, const char *what, Span span) {
  if (elab->block.kind == BLOCK_ROLLOUT) return true;
  if (elab->block.kind == BLOCK_PART)
    return elab_error(elab, span, "close the minibatches first",
                      "'%s' stands inside of minibatches", what);
  return elab_error(elab, span, "put 'collect: rollout' before it",
                    "there is no rollout for '%s' at this place", what);
}

static bool epochs(Loop *loop, const Tree *step, const Tree *times) {
  return needs_rollout(loop->elab, "epochs", times->span) && repeat(loop, step, times, "epochs");
}

static bool minibatches(Loop *loop, const Tree *step, const Tree *parts) {
  Elab *elab = loop->elab;
  uint64_t count = 1;
  if (!needs_rollout(elab, "minibatches", parts->span) ||
      !eval_count(elab, elab->globals, parts, "minibatches", 1, 1e9, &count))
    return false;
  uint64_t rows = (uint64_t)elab->rollout_steps * elab->env_count;
  if (elab->rollout_broken) count = 1;
  if (rows % count)
    return number_error(elab, elab->globals, tree_expr(elab, parts), NULL,
                        "%llu minibatches do not divide the rollout of %u x %u = %llu steps",
                        (unsigned long long)count, elab->rollout_steps, elab->env_count,
                        (unsigned long long)rows);
  Block block = elab->block;
  uint32_t view = view_open(elab, count, parts->span, &elab->block);
  size_t at = loop->count;
  add_step(loop, (RlcStep){.op = RLC_DO_PARTS, .index = view, .count = count, .slot = RLC_NONE});
  bool good = body(loop, step, at);
  elab->block = block;
  return good;
}

/* What adds to the open program. */
static bool statement(Loop *loop, const Tree *step, bool *update, bool *good) {
  const Tree *tree;
  if ((tree = tree_get(step, "descend")))
    *good = descend(loop, tree, false, update);
  else if ((tree = tree_get(step, "together")))
    *good = descend(loop, tree, true, update);
  else if ((tree = tree_get(step, "set")))
    *good = set(loop, tree, update);
  else if ((tree = tree_get(step, "compute")))
    *good = compute(loop, tree, update);
  return tree != NULL;
}

static bool one_step(Loop *loop, const Tree *step, bool *update) {
  Elab *elab = loop->elab;
  const Tree *tree;
  bool good;
  if (step->kind != TREE_MAP || step->entry_count == 0)
    return elab_error(elab, step->span, "as in  - collect: 1", "a step of the loop is a map");
  if (statement(loop, step, update, &good)) return good;
  flush(loop, *update);
  if ((tree = tree_get(step, "collect"))) return collect(loop, tree);
  if ((tree = tree_get(step, "sample"))) return sample(loop, tree);
  if ((tree = tree_get(step, "when"))) return when(loop, step, tree);
  if ((tree = tree_get(step, "every"))) return every(loop, step, tree);
  if ((tree = tree_get(step, "repeat"))) return repeat(loop, step, tree, "repeat");
  if ((tree = tree_get(step, "epochs"))) return epochs(loop, step, tree);
  if ((tree = tree_get(step, "minibatches"))) return minibatches(loop, step, tree);
  if ((tree = tree_get(step, "until"))) return until(loop, step, tree);
  bug("the loop step '%s' has no meaning", step->entries[0].key);
}

static bool steps(Loop *loop, const Tree *list) {
  bool update = false, good = true;
  for (size_t i = 0; i < list->item_count; i++)
    good = one_step(loop, list->items[i], &update) && good;
  flush(loop, update);
  return good;
}

/* `log:` of the spec: numbers of every iteration. */
static bool log_step(Loop *loop) {
  Elab *elab = loop->elab;
  const Tree *log = tree_get(elab->spec, "log");
  if (!log || log->entry_count == 0) return true;
  elab->block = (Block){0};
  elab->path = "log";
  program_open(elab, "log");
  bool good = logs_elaborate(elab, elab->globals, log, "log");
  flush(loop, false);
  return good;
}

/* Whether the loop gets data: by acting, or from a file. Declared environments can be learned from
 * without. */
static bool check_data(Elab *elab, const Loop *loop, Span span) {
  bool acts = false, collects = !elab->env_count || elab->environment;
  for (size_t i = 0; i < loop->count; i++) acts = acts || loop->steps[i].op == RLC_DO_COLLECT;
  const Tree *normalize = tree_get(tree_get(elab->spec, "env"), "normalize");
  if (normalize && has_normalizer(elab) && !acts)
    return elab_error(elab, normalize->span, "remove it, or act with  - collect: 1",
                      "the statistics of 'normalize' move only while acting, and no step collects");
  if (elab->overlap && !acts)
    return elab_error(elab, tree_entry(elab->spec, "overlap")->key_span,
                      "remove it, or act with  - collect: 1",
                      "'overlap' acts while the loop updates, but no step collects");
  collects = collects || acts;
  for (uint32_t i = 0; i < elab->module->shell.source_count; i++)
    collects = collects || elab->module->shell.sources[i].file;
  return collects ||
         elab_error(elab, span, "as in  - collect: 1", "the loop never acts: no step collects");
}

bool loop_elaborate(Elab *elab) {
  Loop loop = {.elab = elab};
  const Tree *list = tree_get(elab->spec, "loop");
  if (!list || list->kind != TREE_LIST)
    return elab_error(elab, list ? list->span : elab->spec->span, "as in  loop: [{collect: 1}]",
                      "the spec has no loop");
  if (list->item_count == 0)
    return elab_error(elab, list->span, "as in  loop: [{collect: 1}]", "the loop has no steps");
  elab->block = (Block){.draws = !elab->env_count || elab->environment};
  bool good = steps(&loop, list);
  good = log_step(&loop) && good;
  if (!good || !check_data(elab, &loop, list->span)) return false;
  elab->module->shell.steps = loop.steps;
  elab->module->shell.step_count = (uint32_t)loop.count;
  return !elab->overlap || overlap_check(elab);
}
