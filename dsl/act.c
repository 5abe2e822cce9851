/* Acting and data: programs that choose actions, columns that programs read. */
#include "dsl/scope.h"

#include <string.h>

uint32_t column_slot(Elab *elab, const char *prefix, const char *name, RlcSlotKind kind,
                     Axes axes) {
  const char *full = arena_printf(elab->arena, "%s.%s", prefix, name);
  for (uint32_t s = 0; s < elab->graph->slot_count; s++)
    if (strcmp(elab->graph->slots[s].name, full) == 0) return s;
  return graph_slot(elab->graph, full, kind, RLC_F32, axes, (Span){0});
}

/* The columns every source has: their kind and what axis they bring besides the rows. */
typedef enum ColumnAxis { COLUMN_SCALAR, COLUMN_OBS, COLUMN_ACT } ColumnAxis;
static const struct {
  const char *name;
  RlcColumnKind kind;
  ColumnAxis axis;
} columns[] = {{"obs", RLC_OBS, COLUMN_OBS},
               {"action", RLC_ACTION, COLUMN_ACT},
               {"reward", RLC_REWARD, COLUMN_SCALAR},
               {"next_obs", RLC_NEXT_OBS, COLUMN_OBS},
               {"terminated", RLC_TERMINATED, COLUMN_SCALAR},
               {"truncated", RLC_TRUNCATED, COLUMN_SCALAR}};

static Axes column_axes(const Elab *elab, ColumnAxis axis) {
  Axes axes = elab->block.has_row ? axes_one(elab->block.row) : axes_none();
  if (axis == COLUMN_OBS) axes = axes_union(axes, axes_one(elab->obs_axis));
  if (axis == COLUMN_ACT) axes = axes_union(axes, axes_one(elab->act_axis));
  return axes;
}

/* Observations through the running normaliser of the prelude. */
static Node *normalized(Elab *elab, Node *raw) {
  Expr site = {.kind = EXPR_NAME, .text = "normalized_obs", .called = true};
  Frame *holder;
  Entry *entry = frame_lookup(elab->globals, "normalized_obs", &holder);
  Value given = value_node(raw);
  Value value =
      call_function(elab, entry->value.function, &site, elab->globals, &given, 1, 0, false);
  return value.kind == VALUE_NODE ? value.node : NULL;
}

Node *column_value(Elab *elab, const char *name) {
  bool raw = strcmp(name, "raw_obs") == 0;
  const char *wanted = raw ? "obs" : name;
  if (!elab->block.columns) return NULL;
  bool acting = strcmp(elab->block.columns, "replay") != 0;
  for (size_t i = 0; i < COUNTOF(columns); i++) {
    if (strcmp(columns[i].name, wanted) != 0) continue;
    if (acting && columns[i].kind != RLC_OBS) return NULL;
    uint32_t slot = column_slot(elab, elab->block.columns, wanted, RLC_COLUMN,
                                column_axes(elab, columns[i].axis));
    Node *node = node_input(elab->graph, slot);
    if (columns[i].kind == RLC_REWARD && elab->reward_scale != 1)
      return node2(elab->graph, OP_mul, node_const(elab->graph, elab->reward_scale), node);
    return elab->normalize_obs && columns[i].axis == COLUMN_OBS && !raw ? normalized(elab, node)
                                                                        : node;
  }
  return NULL;
}

/* ---- acting programs ---- */

static Node *action_node(Elab *elab, Frame *frame, const Tree *tree, const char *what) {
  Node *action = eval_tree_node(elab, frame, tree);
  Axes wanted = column_axes(elab, COLUMN_ACT);
  if (!action || axes_within(action->axes, wanted)) return action;
  return diag_error(elab->diag, tree->span, NULL, "'%s' must have axes %s, but it has %s", what,
                    axes_text(elab->graph, elab->arena, wanted),
                    axes_text(elab->graph, elab->arena, action->axes)),
         NULL;
}

/* One program that fills the action slot of `prefix`; `what` is the key under `act`. */
static bool acting_program(Elab *elab, const char *name, const char *prefix, const char *what,
                           uint32_t count, RlcActing *acting) {
  const Tree *act = tree_get(elab->spec, "act"), *tree = act ? tree_get(act, what) : NULL;
  *acting = (RlcActing){
      .count = count, .program = RLC_NONE, .obs = RLC_NONE, .action = RLC_NONE, .send = RLC_NONE};
  AxisId row = axis_instance(elab, "env", count, AXIS_ROW, act ? act->span : elab->spec->span);
  elab->block = (Block){prefix, row, true, true};
  Axes obs = column_axes(elab, COLUMN_OBS), action = column_axes(elab, COLUMN_ACT);
  acting->obs = column_slot(elab, prefix, "obs", RLC_COLUMN, obs);
  acting->action = acting->send = column_slot(elab, prefix, "action", RLC_RESULT, action);
  if (!tree) return true;
  Frame *frame = frame_make(elab, elab->globals, arena_printf(elab->arena, "act.%s", what));
  elab->path = frame->path;
  elab->occurrence = 0;
  program_open(elab, name);
  Node *node = action_node(elab, frame, tree, what);
  if (!node) return false;
  program_output(elab, acting->action, node);
  const Tree *send = tree_get(act, "send");
  if (send) {
    Frame *sending = frame_make(elab, elab->globals, "act.send");
    frame_add(elab, sending, "action", "column", tree->span, value_node(node));
    if (!(node = action_node(elab, sending, send, "send"))) return false;
    acting->send = column_slot(elab, prefix, "send", RLC_RESULT, action);
    program_output(elab, acting->send, node);
  }
  acting->program = program_close(elab);
  return true;
}

enum { EVALUATION_ENVIRONMENTS = 10 };

bool acting_elaborate(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  const Tree *act = tree_get(elab->spec, "act");
  if (!elab->env_count) {
    shell->explore = shell->evaluate = shell->sample =
        (RlcActing){0, RLC_NONE, RLC_NONE, RLC_NONE, RLC_NONE};
    return !act || diag_error(elab->diag, act->span, "as in  env: HalfCheetah-v5",
                              "the spec says how to act but names no environment");
  }
  if (!act || !tree_get(act, "explore"))
    return diag_error(elab->diag, act ? act->span : elab->spec->span,
                      "as in  act: {explore: sample(policy(obs))}",
                      "the spec does not say how to act: 'act.explore' is missing");
  const char *deterministic = tree_get(act, "evaluate") ? "evaluate" : "explore";
  bool good = acting_program(elab, "explore", "act", "explore", elab->env_count, &shell->explore);
  good = acting_program(elab, "evaluate", "eval", deterministic, EVALUATION_ENVIRONMENTS,
                        &shell->evaluate) &&
         good;
  return acting_program(elab, "sample", "eval", "explore", EVALUATION_ENVIRONMENTS,
                        &shell->sample) &&
         good;
}

/* ---- the replay ---- */

static bool fill_source(Elab *elab, const Tree *replay, RlcSource *source) {
  uint64_t capacity, batch;
  const Tree *rows = tree_get(replay, "capacity"), *size = tree_get(replay, "batch");
  if (!rows || !size)
    return diag_error(elab->diag, replay->span, NULL, "the replay needs 'capacity' and 'batch'");
  if (!eval_count(elab, elab->globals, rows, "the replay's capacity", 1, 1e12, &capacity))
    return false;
  if (!eval_count(elab, elab->globals, size, "the batch", 1, 1 << 24, &batch)) return false;
  if (capacity < elab->env_count)
    return diag_error(elab->diag, rows->span, NULL,
                      "the replay's capacity must hold one row of each of the %u environments",
                      elab->env_count);
  *source = (RlcSource){.name = "replay", .capacity = capacity, .batch = (uint32_t)batch};
  return true;
}

/* The columns of the source, after all programs are known: those that a program reads have a batch
 * slot. */
static const RlcColumn *source_columns(Elab *elab, uint32_t *count) {
  RlcColumn *list = NEW_ARRAY(elab->arena, RlcColumn, COUNTOF(columns));
  for (size_t i = 0; i < COUNTOF(columns); i++) {
    Axes axes = column_axes(elab, columns[i].axis);
    uint32_t width = columns[i].axis == COLUMN_OBS   ? elab->env.obs_dim
                     : columns[i].axis == COLUMN_ACT ? elab->env.act_dim
                                                     : 1;
    list[i] = (RlcColumn){columns[i].name, (uint8_t)columns[i].kind, width, RLC_NONE, RLC_NONE};
    (void)axes;
    const char *name = arena_printf(elab->arena, "replay.%s", columns[i].name);
    for (uint32_t s = 0; s < elab->graph->slot_count; s++)
      if (strcmp(elab->graph->slots[s].name, name) == 0) list[i].slot = s;
  }
  *count = COUNTOF(columns);
  return list;
}

bool sources_open(Elab *elab) {
  const Tree *replay = tree_get(elab->spec, "replay");
  if (!replay) return true;
  if (!elab->env_count)
    return diag_error(elab->diag, replay->span, "as in  env: HalfCheetah-v5",
                      "a replay needs an environment to fill it");
  RlcSource *source = NEW(elab->arena, RlcSource);
  if (!fill_source(elab, replay, source)) return false;
  elab->module->shell.sources = source;
  elab->module->shell.source_count = 1;
  return true;
}

void sources_close(Elab *elab) {
  for (uint32_t i = 0; i < elab->module->shell.source_count; i++) {
    RlcSource *source = (RlcSource *)&elab->module->shell.sources[i];
    source->columns = source_columns(elab, &source->column_count);
  }
}
