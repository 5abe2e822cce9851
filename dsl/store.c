/* Columns of the spec's own: `store` and `extra`, computed at each step, and `compute`, over the
 * whole rollout; and what losses write back to the rows they learned from. */
#include "dsl/data.h"

#include <string.h>

/* ---- at each step ---- */

enum { COLUMN_AXES = RLC_MAX_RANK - 2 }; /* beside its rows: two where they are of a window */

static bool column_fits(Elab *elab, Span span, const char *name, const Node *node) {
  int count = axes_count(axes_minus(node->axes, elab->block.rows));
  return count <= COLUMN_AXES ||
         elab_error(elab, span, "make one axis of several, as join[x](t, a, b) does",
                    "the column '%s' has %d axes beside its rows: at most %d are kept", name, count,
                    COLUMN_AXES);
}

/* The values of one map, each evaluated once, as columns whose slots are "PREFIX.NAME". */
static bool store_map(Elab *elab, const Tree *map, const char *path, const char *prefix,
                      ColumnOrigin origin, uint32_t source) {
  Frame *frame = frame_make(elab, elab->globals, path);
  bool good = true;
  Open open;
  scope_open(elab, &open, NULL, frame);
  for (size_t i = 0; map && i < map->entry_count; i++)
    if (!column_is_given(map->entries[i].key)) /* which was reported */
      frame_add_lazy(elab, frame, map->entries[i].key, "column", map->entries[i].key_span,
                     map->entries[i].value);
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    Entry *known = frame_find(frame, entry->key);
    if (!known) continue;
    Value value = eval_entry(elab, frame, known, entry->key_span);
    Node *node = value.kind == VALUE_ERROR ? NULL : value_tensor(elab, value, entry->value->span);
    if (node && !column_fits(elab, entry->value->span, entry->key, node)) node = NULL;
    Column *column = column_add(elab, entry->key, origin, node, elab->block.rows);
    column->source = source;
    good = good && node;
    if (!node) continue;
    Axes axes = axes_union(column->own, elab->block.rows);
    program_output(elab, column_slot(elab, prefix, entry->key, RLC_RESULT, axes, column->integer),
                   node);
  }
  scope_close(elab);
  return good;
}

/* A rollout keeps observations and rewards as they were normalised at their step, since the
 * statistics move on. */
static void keep_processed(Elab *elab) {
  static const char *const names[] = {"obs", "next_obs", "reward"};
  for (size_t i = 0; i < COUNTOF(names); i++) {
    bool reward = strcmp(names[i], "reward") == 0;
    if (!elab->rollout_steps || !(reward ? elab->normalize_reward : elab->normalize_obs)) continue;
    Node *node = column_value(elab, names[i]);
    Axes axes = axes_union(elab->block.rows, column_own(elab, names[i]));
    if (node)
      program_output(elab, column_slot(elab, "kept", names[i], RLC_RESULT, axes, false), node);
  }
}

/* Whether a column of that map is none that every step or batch has by itself. */
static bool is_further(Elab *elab, const TreeEntry *entry) {
  const char *name = entry->key;
  if (!name_check(elab, name, entry->key_span) || !name_unreserved(elab, name, entry->key_span))
    return false;
  return !column_is_given(name) ||
         elab_error(elab, entry->key_span, "choose another name",
                    "the column '%s' would hide the one that every step has", name);
}

/* The names of maps of columns are those of the spec's own space, and one name is one column:
 * `others` are the maps that were declared before this one. */
static bool declare_names(Elab *elab, const Tree *map, const char *const *others, size_t count) {
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    Frame *holder;
    const Entry *name = frame_lookup(elab->globals, entry->key, &holder);
    const char *what = name && holder != elab->library ? name->what : NULL;
    Span span = what ? name->span : (Span){0};
    good = is_further(elab, entry) && good;
    for (size_t k = 0; !what && k < count; k++) {
      const TreeEntry *other = tree_entry(tree_get(elab->spec, others[k]), entry->key);
      if (other)
        what = arena_printf(elab->arena, "column of '%s'", others[k]), span = other->key_span;
    }
    if (!what) continue;
    good = elab_error(elab, entry->key_span, "choose another name",
                      "the column '%s' would hide a %s of that name", entry->key, what);
    if (span.source) diag_note(elab->diag, span, "declared here");
  }
  return good;
}

bool store_elaborate(Elab *elab, RlcActing *explore) {
  const Tree *store = tree_get(elab->spec, "store");
  static const char *const maps[] = {"store", "compute"};
  bool good = declare_names(elab, store, NULL, 0);
  good = declare_names(elab, tree_get(elab->spec, "compute"), maps, 1) && good;
  elab->block = act_block(elab, BLOCK_STORE);
  program_open(elab, "store");
  good = store_map(elab, store, "store", "act", COLUMN_STORE, 0) && good;
  for (uint32_t i = 0; i < elab->module->shell.source_count; i++) {
    const char *name = elab->sources[i].name;
    const Tree *extra = source_extra(elab, i);
    const TreeEntry *priority = tree_entry(extra, "priority");
    good = declare_names(elab, extra, maps, COUNTOF(maps)) && good;
    if (priority && elab->module->shell.sources[i].prioritized)
      good = elab_error(elab, priority->key_span, "choose another name",
                        "the column 'priority' would hide the priorities of '%s'", name);
    good = store_map(elab, extra, arena_printf(elab->arena, "extra.%s", name),
                     arena_printf(elab->arena, "act.%s", name), COLUMN_EXTRA, i) &&
           good;
  }
  keep_processed(elab);
  bool any = elab->program->output_count > 0;
  if (any)
    explore->store = program_close(elab);
  else
    program_drop(elab);
  return good;
}

/* ---- over the rollout ---- */

static bool compute_one(Elab *elab, Frame *frame, const char *name, Span span) {
  Entry *entry = frame_find(frame, name);
  Value value = eval_entry(elab, frame, entry, span);
  Node *node = value.kind == VALUE_ERROR ? NULL : value_tensor(elab, value, entry->tree->span);
  if (node && !column_fits(elab, entry->tree->span, name, node)) node = NULL;
  Column *column = NULL;
  for (size_t i = 0; i < elab->column_count; i++)
    if (elab->columns[i].origin == COLUMN_COMPUTE && strcmp(elab->columns[i].name, name) == 0)
      column = &elab->columns[i];
  if (!column) column = column_add(elab, name, COLUMN_COMPUTE, node, elab->block.rows);
  if (!node) return false;
  Axes axes = axes_union(elab->block.rows, column->own);
  if (!axes_within(node->axes, axes))
    return elab_error(elab, span, NULL, "the column '%s' had axes %s before, and has %s here", name,
                      axes_text(elab->graph, elab->arena, axes),
                      axes_text(elab->graph, elab->arena, node->axes));
  slot_assign(elab, column_slot(elab, "rollout", name, RLC_RESULT, axes, column->integer), node);
  return true;
}

/* Columns that a step with a mistake should have filled: their uses are silent. */
static void compute_fail(Elab *elab) {
  const Tree *map = tree_get(elab->spec, "compute");
  for (size_t i = 0; map && i < map->entry_count; i++) {
    bool known = false;
    for (size_t c = 0; c < elab->column_count; c++)
      known = known || strcmp(elab->columns[c].name, map->entries[i].key) == 0;
    if (!known) column_add(elab, map->entries[i].key, COLUMN_COMPUTE, NULL, axes_none());
  }
}

static bool compute_all(Elab *elab, const Tree *tree) {
  const Tree *map = tree_get(elab->spec, "compute");
  const char **names, *known[COLUMN_NAMES];
  Span *spans;
  size_t count, all = 0;
  if (!tree_names(elab, tree, &names, &spans, &count)) return false;
  for (; map && all < map->entry_count && all < COLUMN_NAMES; all++)
    known[all] = map->entries[all].key;
  Frame *frame =
      frame_make(elab, elab->globals, path_enter(elab, arena_printf(elab->arena, "compute")));
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    const TreeEntry *entry = map ? tree_entry(map, names[i]) : NULL;
    if (entry)
      frame_add_lazy(elab, frame, entry->key, "column", entry->key_span, entry->value);
    else
      good = elab_error(elab, spans[i], hint_nearest(elab->arena, names[i], known, all),
                        "'compute' has no column '%s'", names[i]);
  }
  Open open;
  scope_open(elab, &open, NULL, frame);
  for (size_t i = 0; i < count; i++)
    if (frame_find(frame, names[i])) good = compute_one(elab, frame, names[i], spans[i]) && good;
  scope_close(elab);
  return good;
}

bool compute_step(Elab *elab, const Tree *tree, bool possible) {
  if (possible && compute_all(elab, tree)) return true;
  compute_fail(elab);
  return false;
}

/* ---- writing back ---- */

/* The number of the source whose column `name` a loss may write, RLC_NONE after reporting. */
static uint32_t written_source(Elab *elab, const TreeEntry *entry, const Column **column) {
  const char *names[COLUMN_NAMES + 1]; /* and "priority" */
  size_t count = 0;
  const Block *block = &elab->block;
  if (block->kind != BLOCK_REPLAY || block->source_count != 1) {
    elab_error(elab, entry->key_span, "sample one replay before it",
               "'%s' cannot be written: this loss does not learn from one replay", entry->key);
    return RLC_NONE;
  }
  uint32_t source = block->sources[0];
  bool prioritized = elab->module->shell.sources[source].prioritized;
  if (strcmp(entry->key, "priority") == 0 && prioritized) return source;
  for (size_t i = 0; i < elab->column_count; i++) {
    const Column *known = &elab->columns[i];
    if (known->origin != COLUMN_EXTRA || known->source != source) continue;
    if (strcmp(known->name, entry->key) == 0) return *column = known, source;
    if (count < COLUMN_NAMES) names[count++] = known->name;
  }
  if (prioritized) names[count++] = "priority";
  const char *hint = hint_nearest(elab->arena, entry->key, names, count);
  if (!hint) hint = "declare it under the replay's 'extra'";
  if (strcmp(entry->key, "priority") == 0) hint = "give the replay a 'priority'";
  elab_error(elab, entry->key_span, hint, "there is no column '%s' to write to", entry->key);
  return RLC_NONE;
}

static bool write_one(Elab *elab, Frame *frame, const char *loss, const TreeEntry *entry) {
  const Column *column = NULL;
  uint32_t source = written_source(elab, entry, &column);
  Node *node = eval_tree_node(elab, frame, entry->value);
  if (source == RLC_NONE || !node) return false;
  Axes axes = elab->block.rows;
  axes = axes_common(
      axes, axes_one(axis_instance(elab, "batch", elab->module->shell.sources[source].batch,
                                   AXIS_ROW, entry->key_span)));
  if (column) axes = axes_union(axes, column->own);
  if (!axes_within(node->axes, axes))
    return elab_error(
        elab, entry->value->span, NULL, "the column '%s' has axes %s, its new value %s", entry->key,
        axes_text(elab->graph, elab->arena, axes), axes_text(elab->graph, elab->arena, node->axes));
  uint32_t slot = column_slot(elab, arena_printf(elab->arena, "write.%s", loss), entry->key,
                              RLC_RESULT, axes, column && column->integer);
  slot_assign(elab, slot, node1(elab->graph, OP_stop, node));
  struct Written written = {loss, entry->key, slot, source, 0};
  PUSH(elab->arena, elab->written, elab->written_count, elab->written_capacity, written);
  return true;
}

bool writes_elaborate(Elab *elab, Frame *frame, const char *loss, const Tree *map) {
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++)
    good = write_one(elab, frame, loss, &map->entries[i]) && good;
  return good;
}
