/* Columns: what was kept of the steps, as tensors with the rows of the block that reads them.
 *
 * A column has one slot in each place where it can be read: "act.NAME" after a step, "rollout.NAME"
 * over time and env, "SOURCE.NAME" in a sampled batch, "parts64.NAME" in a part of the rollout. A
 * slot is minted when something reads it, so the runtime fills no others. */
#include "dsl/data.h"

#include <string.h>

/* The columns that every step has. */
static const struct {
  const char *name;
  RlcColumnKind kind;
} step_columns[] = {
    {"obs", RLC_OBS},           {"action", RLC_ACTION},         {"reward", RLC_REWARD},
    {"next_obs", RLC_NEXT_OBS}, {"terminated", RLC_TERMINATED}, {"truncated", RLC_TRUNCATED}};

uint32_t slot_named(const Elab *elab, const char *name) {
  for (uint32_t s = 0; s < elab->graph->slot_count; s++)
    if (strcmp(elab->graph->slots[s].name, name) == 0) return s;
  return RLC_NONE;
}

uint32_t column_slot(Elab *elab, const char *prefix, const char *name, RlcSlotKind kind, Axes axes,
                     bool integer) {
  const char *full = arena_printf(elab->arena, "%s.%s", prefix, name);
  uint32_t slot = slot_named(elab, full);
  if (slot != RLC_NONE) return slot;
  return graph_slot(elab->graph, full, kind, integer ? RLC_I32 : RLC_F32, axes, (Span){0});
}

/* ---- declaration ---- */

static Axes step_axes(const Elab *elab, RlcColumnKind kind) {
  if (kind == RLC_OBS || kind == RLC_NEXT_OBS) return axes_one(elab->obs_axis);
  if (kind == RLC_ACTION && !elab->env.choices) return axes_one(elab->act_axis);
  return axes_none();
}

Axes column_own(const Elab *elab, const char *name) {
  for (size_t i = 0; i < COUNTOF(step_columns); i++)
    if (strcmp(step_columns[i].name, name) == 0) return step_axes(elab, step_columns[i].kind);
  bug("no column '%s'", name);
}

bool column_is_given(const char *name) {
  if (strncmp(name, "raw_", 4) == 0) name += 4;
  for (size_t i = 0; i < COUNTOF(step_columns); i++)
    if (strcmp(step_columns[i].name, name) == 0) return true;
  return false;
}

void columns_declare(Elab *elab) {
  for (size_t i = 0; i < COUNTOF(step_columns); i++) {
    RlcColumnKind kind = step_columns[i].kind;
    Column column = {.name = step_columns[i].name,
                     .origin = COLUMN_STEP,
                     .kind = kind,
                     .own = step_axes(elab, kind),
                     .integer = kind == RLC_ACTION && elab->env.choices};
    PUSH(elab->arena, elab->columns, elab->column_count, elab->column_capacity, column);
  }
}

Column *column_add(Elab *elab, const char *name, ColumnOrigin origin, const Node *node, Axes rows) {
  Column column = {.name = name, .origin = origin, .kind = RLC_EXTRA, .broken = !node};
  if (node) {
    column.own = axes_minus(node->axes, rows);
    column.integer = node->integer;
  }
  PUSH(elab->arena, elab->columns, elab->column_count, elab->column_capacity, column);
  return &elab->columns[elab->column_count - 1];
}

/* ---- names ---- */

/* Where the names of a map's columns may be read. */
static bool origin_readable(BlockKind kind, ColumnOrigin origin) {
  switch (kind) {
  case BLOCK_NONE:
    return false;
  case BLOCK_ACT:
  case BLOCK_STEP:
    return false;
  case BLOCK_STORE:
    return origin == COLUMN_STEP || origin == COLUMN_STORE;
  case BLOCK_REPLAY:
    return origin != COLUMN_COMPUTE;
  case BLOCK_ROLLOUT:
  case BLOCK_PART:
    return origin != COLUMN_EXTRA;
  }
  return false;
}

static size_t add_keys(const Tree *map, const char **names, size_t count) {
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++)
    if (count < COLUMN_NAMES) names[count++] = map->entries[i].key;
  return count;
}

static bool step_readable(BlockKind kind, RlcColumnKind column) {
  if (kind == BLOCK_ACT) return column == RLC_OBS;
  if (kind == BLOCK_STEP)
    return column == RLC_OBS || (column != RLC_ACTION && column != RLC_NEXT_OBS);
  return kind != BLOCK_NONE;
}

/* Whether the sampled batch has the column `valid`, or else `weight`. */
static bool samples(const Elab *elab, bool valid) {
  const Block *block = &elab->block;
  if (block->kind != BLOCK_REPLAY || !block->source_count || (!valid && block->source_count > 1))
    return false;
  for (size_t i = 0; i < block->source_count; i++) {
    const RlcSource *source = &elab->module->shell.sources[block->sources[i]];
    if (valid ? source->window == 0 : !source->prioritized) return false;
  }
  return true;
}

size_t column_names(const Elab *elab, const char **names, bool readable) {
  BlockKind kind = elab->block.kind;
  size_t count = 0;
  for (size_t i = 0; i < COUNTOF(step_columns); i++)
    if (!readable || step_readable(kind, step_columns[i].kind))
      names[count++] = step_columns[i].name;
  if (!readable || kind != BLOCK_NONE) names[count++] = "raw_obs";
  if (!readable || kind == BLOCK_STEP || kind == BLOCK_STORE) names[count++] = "raw_reward";
  if (!readable || kind == BLOCK_ACT || kind == BLOCK_STORE) names[count++] = "is_first";
  if (!readable || samples(elab, true)) names[count++] = "valid";
  if (!readable || samples(elab, false)) names[count++] = "weight";
  if (!readable || origin_readable(kind, COLUMN_STORE))
    count = add_keys(tree_get(elab->spec, "store"), names, count);
  if (!readable || origin_readable(kind, COLUMN_COMPUTE))
    count = add_keys(tree_get(elab->spec, "compute"), names, count);
  for (uint32_t s = 0; s < elab->module->shell.source_count; s++)
    if (!readable || kind == BLOCK_REPLAY) count = add_keys(source_extra(elab, s), names, count);
  return count;
}

static bool is_key(const Tree *map, const char *name) { return map && tree_get(map, name); }

const char *column_hint(Elab *elab, const char *name) {
  if (!elab->env_count) return "as in  env: HalfCheetah-v5";
  if (strcmp(name, "weight") == 0) return "a replay with a 'priority' gives it to its batches";
  if (strcmp(name, "valid") == 0) return "a replay with a 'window' gives it to its batches";
  bool computed = is_key(tree_get(elab->spec, "compute"), name);
  bool kept = elab->block.kind == BLOCK_ROLLOUT || elab->block.kind == BLOCK_PART;
  if (computed && kept) return arena_printf(elab->arena, "put '- compute: %s' before it", name);
  if (computed) return "computed columns belong to the rollout";
  if (elab->block.kind == BLOCK_ACT)
    return "while acting, only 'obs' and 'is_first' are known; what a step gave is seen in 'store'";
  if (elab->block.kind == BLOCK_NONE && elab->rollout_steps)
    return "columns are read after 'collect: rollout', in 'store' and while acting";
  if (elab->block.kind == BLOCK_NONE)
    return "columns are read after 'sample: replay', in 'store' and while acting";
  return NULL;
}

/* ---- values ---- */

/* A value of the environment through the running normaliser of the prelude, within the bound of
 * `env: clip`. */
static Node *normalized(Elab *elab, Node *raw, const char *function) {
  Expr site = {.kind = EXPR_NAME, .text = function, .called = true};
  Frame *holder;
  Entry *entry = frame_lookup(elab->globals, function, &holder);
  Value given = value_node(raw);
  if (!entry || entry->value.kind != VALUE_FUNCTION) return NULL;
  Value value =
      call_function(elab, entry->value.function, &site, elab->globals, &given, 1, 0, false);
  if (value.kind != VALUE_NODE || elab->normal_clip == 0) return value.node;
  Node *bound = node_const(elab->graph, elab->normal_clip);
  Node *above = node2(elab->graph, OP_max, value.node, node1(elab->graph, OP_neg, bound));
  return node2(elab->graph, OP_min, above, bound);
}

/* What a program sees of a raw column. */
static Node *processed(Elab *elab, Node *node, RlcColumnKind kind) {
  bool obs = kind == RLC_OBS || kind == RLC_NEXT_OBS;
  if (kind == RLC_REWARD && elab->reward_scale != 1)
    node = node2(elab->graph, OP_mul, node_const(elab->graph, elab->reward_scale), node);
  if (obs && elab->normalize_obs) return normalized(elab, node, "normalized_obs");
  if (kind == RLC_REWARD && elab->normalize_reward)
    return normalized(elab, node, "normalized_reward");
  return node;
}

/* Whether the rollout keeps the column as it was processed at its step: statistics move on. */
static bool kept_processed(const Elab *elab, RlcColumnKind kind) {
  if (kind == RLC_REWARD) return elab->normalize_reward;
  return (kind == RLC_OBS || kind == RLC_NEXT_OBS) && elab->normalize_obs;
}

/* The column in the slots of one prefix. */
static Node *read_slot(Elab *elab, const char *prefix, const char *name, Axes rows, Axes own,
                       bool integer, RlcSlotKind kind) {
  return slot_value(elab, column_slot(elab, prefix, name, kind, axes_union(rows, own), integer));
}

/* The rows of several batches, one after the other: at each row, the part that has it. */
static Node *concat_rows(Elab *elab, Node **parts, size_t count) {
  Graph *graph = elab->graph;
  AxisId to = axis_instance(elab, "batch", (uint32_t)axes_extent(graph, elab->block.rows), AXIS_ROW,
                            (Span){0});
  uint32_t rows = graph->axes[to].extent, begin = 0;
  double *numbers = NEW_ARRAY(elab->arena, double, rows),
         *from = NEW_ARRAY(elab->arena, double, rows);
  for (uint32_t i = 0; i < rows; i++) numbers[i] = i;
  Node *iota = node_table(graph, to, numbers), *all = NULL;
  for (size_t p = 0; p < count; p++) {
    AxisId batch = 0;
    uint32_t size = elab->module->shell.sources[elab->block.sources[p]].batch;
    batch = axis_instance(elab, "batch", size, AXIS_ROW, (Span){0});
    for (uint32_t i = 0; i < rows; i++)
      from[i] = i < begin ? 0 : i - begin < size ? i - begin : size - 1;
    Node *part = node_take(graph, parts[p], batch, to, from);
    Node *before = node2(graph, OP_lt, iota, node_const(graph, begin));
    all = all ? node3(graph, OP_where, before, all, part) : part;
    begin += size;
  }
  return all;
}

/* The window's axis of a source, added to the rows. */
static Axes source_rows(Elab *elab, const RlcSource *source) {
  Axes rows = axes_one(axis_instance(elab, "batch", source->batch, AXIS_ROW, (Span){0}));
  if (!source->window) return rows;
  return axes_union(rows,
                    axes_one(axis_instance(elab, "ahead", source->window, AXIS_ROW, (Span){0})));
}

/* The rows of all sampled sources, one after the other. */
static Node *from_sources(Elab *elab, const char *name, Axes own, bool integer) {
  Node *parts[SAMPLED_SOURCES];
  const Block *block = &elab->block;
  for (size_t i = 0; i < block->source_count; i++) {
    const RlcSource *source = &elab->module->shell.sources[block->sources[i]];
    Axes rows = source_rows(elab, source);
    parts[i] = read_slot(elab, source->name, name, rows, own, integer, RLC_COLUMN);
  }
  return block->source_count == 1 ? parts[0] : concat_rows(elab, parts, block->source_count);
}

static Node *step_value(Elab *elab, const Column *column, bool raw) {
  BlockKind kind = elab->block.kind;
  const char *prefix = elab->block.columns;
  bool kept = kept_processed(elab, column->kind);
  if (kind == BLOCK_ROLLOUT || kind == BLOCK_PART) {
    Node *node = read_slot(elab, prefix, column->name, elab->block.rows, column->own,
                           column->integer, RLC_COLUMN);
    if (kept) return raw ? NULL : node;
    return raw ? node : processed(elab, node, column->kind);
  }
  Node *node = kind == BLOCK_REPLAY ? from_sources(elab, column->name, column->own, column->integer)
                                    : read_slot(elab, prefix, column->name, elab->block.rows,
                                                column->own, column->integer, RLC_COLUMN);
  return raw || !node ? node : processed(elab, node, column->kind);
}

/* What `store`, `extra` and `compute` name. */
static Node *further_value(Elab *elab, const Column *column) {
  const Block *block = &elab->block;
  if (block->kind == BLOCK_REPLAY)
    return from_sources(elab, column->name, column->own, column->integer);
  RlcSlotKind kind =
      column->origin == COLUMN_COMPUTE && block->kind == BLOCK_ROLLOUT ? RLC_RESULT : RLC_COLUMN;
  return read_slot(elab, block->columns, column->name, block->rows, column->own, column->integer,
                   kind);
}

/* What sampling itself adds to a batch. */
static Node *sampled_value(Elab *elab, const char *name) {
  const Block *block = &elab->block;
  bool valid = strcmp(name, "valid") == 0, weight = strcmp(name, "weight") == 0;
  if ((!valid && !weight) || !samples(elab, valid)) return NULL;
  if (valid) return from_sources(elab, name, axes_none(), false);
  const RlcSource *source = &elab->module->shell.sources[block->sources[0]];
  Axes rows = axes_one(axis_instance(elab, "batch", source->batch, AXIS_ROW, (Span){0}));
  return read_slot(elab, source->name, name, rows, axes_none(), false, RLC_COLUMN);
}

static const Column *column_here(const Elab *elab, const char *name) {
  const Block *block = &elab->block;
  for (size_t i = 0; i < elab->column_count; i++) {
    const Column *column = &elab->columns[i];
    if (strcmp(column->name, name) != 0) continue;
    if (column->origin == COLUMN_STEP && step_readable(block->kind, column->kind)) return column;
    if (column->origin == COLUMN_STEP || !origin_readable(block->kind, column->origin)) continue;
    bool has = column->origin != COLUMN_EXTRA;
    for (size_t s = 0; s < block->source_count; s++) has |= column->source == block->sources[s];
    if (has) return column;
  }
  return NULL;
}

Node *column_value(Elab *elab, const char *name) {
  const Block *block = &elab->block;
  if (block->kind == BLOCK_NONE) return NULL;
  if (block->kind == BLOCK_REPLAY && !block->source_count) return NULL;
  bool raw = strncmp(name, "raw_", 4) == 0;
  bool acting = block->kind == BLOCK_ACT || block->kind == BLOCK_STORE;
  if (acting && strcmp(name, "is_first") == 0)
    return read_slot(elab, block->columns, name, block->rows, axes_none(), false, RLC_COLUMN);
  Node *sampled = sampled_value(elab, name);
  if (sampled) return sampled;
  const Column *column = column_here(elab, raw ? name + 4 : name);
  if (!column || column->broken) return NULL;
  return column->origin == COLUMN_STEP ? step_value(elab, column, raw)
         : raw                         ? NULL
                                       : further_value(elab, column);
}

bool column_broken(const Elab *elab, const char *name) {
  const char *names[COLUMN_NAMES];
  bool nothing = elab->block.kind == BLOCK_REPLAY && !elab->block.source_count;
  size_t count = nothing ? column_names(elab, names, false) : 0;
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  for (size_t i = 0; i < elab->column_count; i++)
    if (elab->columns[i].broken && strcmp(elab->columns[i].name, name) == 0) return true;
  return false;
}
