/* Tensors that outlive a program: learned ones, their copies, declared state; and their initial
 * values. */
#include "dsl/scope.h"

#include <string.h>

Node *slot_value(Elab *elab, uint32_t slot) {
  if (slot < elab->current_size && elab->current[slot]) return elab->current[slot];
  return node_input(elab->graph, slot);
}

void slot_assign(Elab *elab, uint32_t slot, Node *node) {
  if (slot >= elab->current_size) {
    size_t size = elab->graph->slot_count + 64;
    elab->current = arena_grow(elab->arena, elab->current, elab->current_size * sizeof(Node *),
                               size * sizeof(Node *));
    elab->current_size = size;
  }
  elab->current[slot] = node;
}

uint32_t slot_declare(Elab *elab, const char *name, RlcSlotKind kind, Axes axes, Node *init,
                      Span span) {
  RlcType type = axes_empty(axes) ? RLC_F64 : RLC_F32;
  uint32_t slot = graph_slot(elab->graph, name, kind, type, axes, span);
  Output output = {slot, init};
  PUSH(elab->arena, elab->init.outputs, elab->init.output_count, elab->init.output_capacity,
       output);
  return slot;
}

static Expr *parse(Elab *elab, const char *text) {
  Source *source = source_from_text(elab->arena, "<language>", text);
  return expr_read(elab->arena, elab->diag,
                   (ExprText){text, strlen(text), source, {source, 1, 1, 0}, NULL});
}

/* Initial values are computed without data; the rows of their draws are the tensor's own axes. */
Node *init_expression(Elab *elab, Frame *frame, const Expr *expr, const char *name, Axes axes,
                      Fans fans) {
  Elab outer = *elab;
  elab->block = (Block){.draws = true};
  elab->init_axes = axes;
  elab->shared = false;
  elab->path = arena_printf(elab->arena, "init.%s", name);
  elab->occurrence = 0;
  elab->fans = fans;
  elab->layers = NULL;
  Open open;
  scope_open(elab, &open, NULL, NULL);
  open.apart = true;
  Node *node = eval_node(elab, frame, expr);
  scope_close(elab);
  elab->block = outer.block;
  elab->init_axes = outer.init_axes;
  elab->shared = outer.shared;
  elab->path = outer.path;
  elab->occurrence = outer.occurrence;
  elab->fans = outer.fans;
  elab->layers = outer.layers;
  if (node && !axes_within(node->axes, axes))
    return elab_error(elab, expr->span, NULL,
                      "the initial value of '%s' has axes %s, the tensor %s", name,
                      axes_text(elab->graph, elab->arena, node->axes),
                      axes_text(elab->graph, elab->arena, axes)),
           NULL;
  return node;
}

Node *init_value(Elab *elab, Frame *frame, const Tree *tree, const char *fallback, const char *name,
                 Axes axes, Fans fans) {
  const Expr *expr = tree ? tree_expr(elab, tree) : parse(elab, fallback);
  return expr ? init_expression(elab, frame, expr, name, axes, fans) : NULL;
}

static bool has_label(const Elab *elab, Axes axes, const char *label) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);)
    if (strcmp(elab->graph->axes[x].label, label) == 0) return true;
  return false;
}

/* One axis of a declaration: a known name, or a new axis with its extent, `grid=13`, read as
 * brackets. */
static int declared_axis(Elab *elab, const Tree *tree) {
  Span start = tree->span;
  start.column -= start.column > 2 ? 2 : 0;
  const char *text = arena_printf(elab->arena, "a[%.*s]", (int)tree->text.length, tree->text.text);
  const Expr *expr = expr_read(elab->arena, elab->diag,
                               (ExprText){text, strlen(text), tree->span.source, start, NULL});
  if (!expr) return -1;
  if (expr->axis_count == 1) return axis_minted(elab, elab->globals, &expr->axes[0], AXIS_FEATURE);
  elab_error(elab, tree->span, "write several axes as a list: [a, b]", "expected one axis");
  return -1;
}

bool declared_axes(Elab *elab, const Tree *tree, Axes *axes) {
  *axes = axes_none();
  if (!tree) return true;
  if (tree->kind == TREE_SCALAR && strcmp(tree->text.text, "none") == 0) return true;
  bool list = tree->kind == TREE_LIST;
  if (!list && tree->kind != TREE_SCALAR)
    return elab_error(elab, tree->span, "as in  axes: [env, hid=64]",
                      "expected an axis or a list of axes");
  for (size_t i = 0; i < (list ? tree->item_count : 1); i++) {
    const Tree *item = list ? tree->items[i] : tree;
    int axis = declared_axis(elab, item);
    if (axis < 0) return false;
    const char *label = elab->graph->axes[axis].label;
    if (has_label(elab, *axes, label))
      return elab_error(elab, item->span, "write each axis once", "'%s' is written twice", label);
    *axes = axes_union(*axes, axes_one((AxisId)axis));
  }
  return true;
}

static bool declare_tensor(Elab *elab, const TreeEntry *entry, const char *what, RlcSlotKind kind,
                           Parameter *parameter) {
  const Tree *tree = entry->value, *init = tree;
  Axes axes = axes_none();
  if (tree->kind == TREE_MAP) {
    init = tree_get(tree, "init");
    if (!declared_axes(elab, tree_get(tree, "axes"), &axes)) return false;
  }
  if (!name_declare(elab, entry->key, what, entry->key_span)) return false;
  if (!kept_check(elab, entry->key_span, arena_printf(elab->arena, "'%s'", entry->key), axes))
    return false;
  Node *value = init_value(elab, elab->globals, init, "0", entry->key, axes, (Fans){0});
  if (!value) return false;
  uint32_t slot = slot_declare(elab, entry->key, kind, axes, value, entry->key_span);
  Entry *added = frame_add(elab, elab->globals, entry->key, what, entry->key_span, (Value){0});
  added->state = ENTRY_SLOT;
  added->slot = slot;
  *parameter = (Parameter){entry->key, axes, slot, value, axes_none()};
  return true;
}

bool parameters_declare(Elab *elab) {
  const Tree *map = tree_get(elab->spec, "parameters");
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    Parameter parameter;
    const TreeEntry *entry = &map->entries[i];
    if (declare_tensor(elab, entry, "parameter", RLC_PARAMETER, &parameter)) {
      PUSH(elab->arena, elab->learned, elab->learned_count, elab->learned_capacity, parameter);
      continue;
    }
    good = false;
    if (!frame_find(elab->globals, entry->key))
      poison(elab, entry->key, "parameter", entry->key_span);
  }
  return good;
}

bool states_declare(Elab *elab, const Tree *map) {
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    Parameter parameter;
    const TreeEntry *entry = &map->entries[i];
    if (declare_tensor(elab, entry, "state", RLC_STATE, &parameter)) continue;
    good = false;
    if (!frame_find(elab->globals, entry->key)) poison(elab, entry->key, "state", entry->key_span);
  }
  return good;
}

/* ---- groups and targets ---- */

static size_t group_names(const Elab *elab, const char **names, size_t capacity) {
  size_t count = 0;
  for (size_t i = 0; i < elab->network_count && count < capacity; i++)
    names[count++] = elab->networks[i]->name;
  for (size_t i = 0; i < elab->learned_count && count < capacity; i++)
    names[count++] = elab->learned[i].name;
  return count;
}

bool parameter_group(Elab *elab, const char *name, Span span, Parameter **items, size_t *count) {
  for (size_t i = 0; i < elab->network_count; i++)
    if (strcmp(elab->networks[i]->name, name) == 0) {
      *items = elab->networks[i]->parameters;
      *count = elab->networks[i]->count;
      return true;
    }
  for (size_t i = 0; i < elab->learned_count; i++)
    if (strcmp(elab->learned[i].name, name) == 0) {
      *items = &elab->learned[i];
      *count = 1;
      return true;
    }
  if (is_poisoned(elab, name)) return false;
  const char *names[256];
  size_t known = group_names(elab, names, COUNTOF(names));
  const Entry *other = frame_find(elab->globals, name);
  if (other)
    return elab_error(elab, span, "name a network or a parameter",
                      "'%s' is a %s and cannot be trained or copied", name, other->what);
  elab_error(elab, span, hint_known(elab, name, names, known),
             "there is no network or parameter '%s'", name);
  note_removed(elab, name);
  return false;
}

static bool copy_member(Elab *elab, Target *target, const char *member, Span span, Record *record) {
  Parameter *items;
  size_t count;
  if (!parameter_group(elab, member, span, &items, &count)) return false;
  for (size_t i = 0; i < count; i++) {
    Parameter copy = items[i];
    copy.name = arena_printf(elab->arena, "%s.%s", target->name, items[i].name);
    copy.slot = slot_declare(elab, copy.name, RLC_TARGET, copy.axes, copy.init, span);
    size_t n = target->copy_count;
    PUSH(elab->arena, target->originals, n, target->original_capacity,
         (const Parameter *)&items[i]);
    PUSH(elab->arena, target->copies, target->copy_count, target->copy_capacity, copy);
  }
  for (size_t i = 0; i < elab->network_count; i++) {
    if (strcmp(elab->networks[i]->name, member) != 0) continue;
    Function *function = NEW(elab->arena, Function);
    *function = (Function){.kind = FUNCTION_NETWORK,
                           .name = member,
                           .network = elab->networks[i],
                           .copy = target->name};
    record_add(elab, record, member, value_function(function));
    return true;
  }
  Value value = {.kind = VALUE_SLOT, .slot = target->copies[target->copy_count - 1].slot};
  record_add(elab, record, member, value);
  return true;
}

/* The copies of a target and what its name means. NULL after reporting. */
static Record *target_record(Elab *elab, Target *target, const TreeEntry *entry) {
  Span *spans;
  if (!tree_names(elab, entry->value, &target->members, &spans, &target->count)) return NULL;
  if (target->count == 0) {
    elab_error(elab, entry->value->span, "as in  slow: critic", "the target '%s' copies nothing",
               entry->key);
    return NULL;
  }
  Record *record = record_make(elab, arena_printf(elab->arena, "the target '%s'", entry->key));
  for (size_t i = 0; i < target->count; i++)
    if (!copy_member(elab, target, target->members[i], spans[i], record)) return NULL;
  return record;
}

static bool declare_target(Elab *elab, const TreeEntry *entry) {
  Target target = {.name = entry->key};
  if (!name_declare(elab, entry->key, "target", entry->key_span)) return false;
  Record *record = target_record(elab, &target, entry);
  if (!record) {
    poison(elab, entry->key, "target", entry->key_span);
    return false;
  }
  target.single = entry->value->kind == TREE_SCALAR && target.count == 1;
  record->target = entry->key;
  Value value = target.single ? record->values[0] : value_record(record);
  PUSH(elab->arena, elab->targets, elab->target_count, elab->target_capacity, target);
  Entry *added = frame_add(elab, elab->globals, entry->key, "target", entry->key_span, value);
  if (value.kind == VALUE_SLOT) added->state = ENTRY_SLOT, added->slot = value.slot;
  return true;
}

bool targets_declare(Elab *elab) {
  const Tree *map = tree_get(elab->spec, "targets");
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++)
    if (!declare_target(elab, &map->entries[i])) good = false;
  return good;
}
