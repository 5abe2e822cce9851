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
  Axes axes = elab->block.rows;
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

size_t column_names(const Elab *elab, const char **names, bool readable) {
  bool acting = elab->block.columns && strcmp(elab->block.columns, "replay") != 0;
  size_t count = 0;
  if (readable && !elab->block.columns) return 0;
  for (size_t i = 0; i < COUNTOF(columns); i++)
    if (!readable || !acting || columns[i].kind == RLC_OBS) names[count++] = columns[i].name;
  names[count++] = "raw_obs";
  return count;
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
  return elab_error(elab, tree->span, NULL, "'%s' must have axes %s, but it has %s", what,
                    axes_text(elab->graph, elab->arena, wanted),
                    axes_text(elab->graph, elab->arena, action->axes)),
         NULL;
}

static const RlcActing no_acting = {
    .obs = RLC_NONE, .program = RLC_NONE, .action = RLC_NONE, .send = RLC_NONE, RLC_ACTION_ONLY};

/* One program that fills the action slot of `prefix`; `what` is the key under `act`. */
static bool acting_program(Elab *elab, const char *name, const char *prefix, const char *what,
                           uint32_t count, RlcActing *acting) {
  const Tree *act = tree_get(elab->spec, "act"), *tree = act ? tree_get(act, what) : NULL;
  *acting = no_acting;
  acting->count = count;
  AxisId row = axis_instance(elab, "env", count, AXIS_ROW, act ? act->span : elab->spec->span);
  elab->block = (Block){prefix, axes_one(row), true};
  Axes obs = column_axes(elab, COLUMN_OBS), action = column_axes(elab, COLUMN_ACT);
  acting->obs = column_slot(elab, prefix, "obs", RLC_COLUMN, obs);
  acting->action = acting->send = column_slot(elab, prefix, "action", RLC_RESULT, action);
  if (!tree) return true;
  Frame *frame = frame_make(elab, elab->globals, arena_printf(elab->arena, "act.%s", what));
  elab->path = frame->path;
  elab->occurrence = 0;
  program_open(elab, name);
  Node *node = action_node(elab, frame, tree, what);
  elab->program = node ? elab->program : NULL;
  if (!node) return false;
  program_output(elab, acting->action, node);
  const Tree *send = tree_get(act, "send");
  if (send) {
    Frame *sending = frame_make(elab, elab->globals, "act.send");
    frame_add(elab, sending, "action", "column", tree->span, value_node(node));
    node = action_node(elab, sending, send, "send");
    elab->program = node ? elab->program : NULL;
    if (!node) return false;
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
    shell->explore = shell->evaluate = shell->sample = no_acting;
    return !act || elab_error(elab, act->span, "as in  env: HalfCheetah-v5",
                              "the spec says how to act but names no environment");
  }
  if (!act || !tree_get(act, "explore"))
    return elab_error(elab, act ? act->span : elab->spec->span,
                      "as in  act: {explore: sample(policy(obs))}",
                      "the spec does not say how to act: 'act.explore' is missing");
  bool separate = tree_get(act, "evaluate") != NULL;
  bool good = acting_program(elab, "explore", "act", "explore", elab->env_count, &shell->explore);
  if (separate || good)
    good = acting_program(elab, "evaluate", "eval", separate ? "evaluate" : "explore",
                          EVALUATION_ENVIRONMENTS, &shell->evaluate) &&
           good;
  if (!good) return false; /* the last program is the first one in other environments */
  return acting_program(elab, "sample", "eval", "explore", EVALUATION_ENVIRONMENTS, &shell->sample);
}

/* ---- the replay ---- */

#define REPLAY_BYTES 1099511627776.0 /* 1 TiB: more is a mistake */

static double row_bytes(const Elab *elab) {
  return 4.0 * (2 * elab->env.obs_dim + elab->env.act_dim + 3);
}

/* Fills what it can, so that a batch has rows whatever else is wrong. */
static bool fill_source(Elab *elab, const Tree *replay, RlcSource *source) {
  uint64_t capacity = 1, batch = 1;
  bool good = true;
  const struct {
    const char *key, *what, *example;
    double high;
    uint64_t *count;
  } numbers[] = {{"capacity", "the replay's capacity", "as in  capacity: 1000000", 1e12, &capacity},
                 {"batch", "the batch", "as in  batch: 256", 1 << 24, &batch}};
  for (size_t i = 0; i < COUNTOF(numbers); i++) {
    const Tree *tree = tree_get(replay, numbers[i].key);
    if (!tree)
      good = elab_error(elab, replay->span, numbers[i].example, "the replay has no '%s'",
                        numbers[i].key);
    else
      good = eval_count(elab, elab->globals, tree, numbers[i].what, 1, numbers[i].high,
                        numbers[i].count) &&
             good;
  }
  *source =
      (RlcSource){.name = "replay", .capacity = capacity, .batch = (uint32_t)batch, RLC_UNIFORM};
  const Tree *rows = tree_get(replay, "capacity");
  if (!good) return false;
  if (capacity < elab->env_count)
    return number_error(elab, elab->globals, tree_expr(elab, rows), NULL,
                        "the replay's capacity must hold one row of each of the %u environments",
                        elab->env_count);
  return bytes_check(elab, elab->globals, rows, "the replay", (double)capacity * row_bytes(elab),
                     REPLAY_BYTES);
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
    return elab_error(elab, replay->span, "as in  env: HalfCheetah-v5",
                      "a replay needs an environment to fill it");
  RlcSource *source = NEW(elab->arena, RlcSource);
  bool good = fill_source(elab, replay, source);
  elab->module->shell.sources = source;
  elab->module->shell.source_count = 1;
  return good;
}

void sources_close(Elab *elab) {
  for (uint32_t i = 0; i < elab->module->shell.source_count; i++) {
    RlcSource *source = (RlcSource *)&elab->module->shell.sources[i];
    source->columns = source_columns(elab, &source->column_count);
  }
}
