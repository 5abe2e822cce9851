/* The loop step `set`: new values of targets, networks, parameters and states.
 *
 * What is assigned goes through a mark of its own: a copy that equals its original until the next
 * step is still another variable, for `grad` and `with`. */
#include "dsl/scope.h"

#include <string.h>

static void assign(Elab *elab, uint32_t slot, Node *node) {
  slot_assign(elab, slot, node_mark(elab->graph, node));
}

/* `both: [actor, critic]`: the networks and parameters of that list. NULL after reporting. */
static Bundle *listed_group(Elab *elab, const Tree *tree) {
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, tree, &names, &spans, &count)) return NULL;
  Bundle *all = NULL;
  for (size_t i = 0; i < count; i++) {
    Bundle *part = bundle_of_group(elab, names[i], spans[i]);
    if (!part) return NULL;
    if (all) bundle_join(elab, all, part);
    all = all ? all : part;
  }
  if (all && count > 1) all->what = "the list";
  if (!all)
    elab_error(elab, tree->span, "as in  both: [actor, critic]", "the list names no network");
  return all;
}

/* The new value in the structure of `shape`. NULL after reporting. */
static Bundle *new_tree(Elab *elab, Frame *frame, const TreeEntry *entry, const Bundle *shape) {
  const Tree *tree = entry->value;
  Bundle *group = tree->kind == TREE_LIST ? listed_group(elab, tree) : NULL;
  if (tree->kind == TREE_LIST && !group) return NULL;
  Value value = group ? value_tree(group) : eval_tree(elab, frame, tree);
  if (value.kind == VALUE_ERROR) return NULL;
  if (!value_is_bundle(value))
    return elab_error(elab, tree->span,
                      arena_printf(elab->arena, "as in  %s: blend(%s, other, 0.5)", entry->key,
                                   entry->key),
                      "the new value of '%s' is not of the shape of %s", entry->key, shape->what),
           NULL;
  return bundle_conform(elab, tree->span, value_bundle(elab, value), shape);
}

static bool leaf_fits(Elab *elab, const TreeEntry *entry, const Leaf *leaf) {
  if (axes_within(leaf->node->axes, leaf->of->axes)) return true;
  return elab_error(elab, entry->value->span, NULL, "the new value of '%s' has axes %s, not %s",
                    leaf->of->name, axes_text(elab->graph, elab->arena, leaf->node->axes),
                    axes_text(elab->graph, elab->arena, leaf->of->axes));
}

/* `slow: blend(slow, online, tau)`: in it the copy's name means the copy's tensors, `online` those
 * that it copies. */
static bool set_target(Elab *elab, const Target *target, const TreeEntry *entry) {
  Frame *frame = frame_make(elab, elab->globals, NULL);
  Bundle *shape = bundle_of_target(elab, target), *online = NULL;
  for (size_t i = 0; i < target->count; i++) {
    Bundle *part = bundle_of_group(elab, target->members[i], entry->key_span);
    if (!part) return false;
    if (online) bundle_join(elab, online, part);
    online = online ? online : part;
  }
  frame_add(elab, frame, target->name, "target", entry->key_span, value_tree(shape));
  frame_add(elab, frame, "online", "network", entry->key_span, value_tree(online));
  const Bundle *value = new_tree(elab, frame, entry, shape);
  for (size_t i = 0; value && i < target->copy_count; i++) {
    if (!leaf_fits(elab, entry, &value->leaves[i])) return false;
    assign(elab, target->copies[i].slot, value->leaves[i].node);
  }
  return value != NULL;
}

/* `actor: blend(actor, other, 0.5)`: the trained parameters themselves. */
static bool set_network(Elab *elab, const TreeEntry *entry) {
  const Bundle *shape = bundle_of_group(elab, entry->key, entry->key_span);
  const Bundle *value = shape ? new_tree(elab, elab->globals, entry, shape) : NULL;
  for (size_t i = 0; value && i < value->count; i++) {
    if (!leaf_fits(elab, entry, &value->leaves[i])) return false;
    assign(elab, value->leaves[i].of->slot, value->leaves[i].node);
  }
  return value != NULL;
}

static bool set_unknown(Elab *elab, const TreeEntry *entry) {
  const char *names[256];
  size_t count = 0;
  for (size_t i = 0; i < elab->target_count && count < 256; i++)
    names[count++] = elab->targets[i].name;
  for (size_t i = 0; i < elab->network_count && count < 256; i++)
    names[count++] = elab->networks[i]->name;
  for (size_t i = 0; i < elab->globals->count && count < 256; i++)
    if (elab->globals->entries[i].state == ENTRY_SLOT)
      names[count++] = elab->globals->entries[i].name;
  const char *hint = hint_nearest(elab->arena, entry->key, names, count);
  if (!hint) hint = "only targets, networks, parameters and states are set";
  elab_error(elab, entry->key_span, hint,
             "there is no target, network, state or parameter '%s' to set", entry->key);
  note_removed(elab, entry->key);
  return false;
}

/* A parameter, a state, or the copy of one parameter; `target` or NULL. */
static bool set_tensor(Elab *elab, uint32_t slot, const Target *target, const TreeEntry *entry) {
  Frame *frame = frame_make(elab, elab->globals, NULL);
  Axes axes = elab->graph->slots[slot].axes;
  if (target) {
    frame_add(elab, frame, target->name, "target", entry->key_span,
              value_node(slot_value(elab, slot)));
    frame_add(elab, frame, "online", "parameter", entry->key_span,
              value_node(slot_value(elab, target->originals[0]->slot)));
  }
  Node *node = eval_tree_node(elab, frame, entry->value);
  if (!node) return false;
  if (!axes_within(node->axes, axes))
    return elab_error(elab, entry->value->span, NULL, "the new value of '%s' has axes %s, not %s",
                      entry->key, axes_text(elab->graph, elab->arena, node->axes),
                      axes_text(elab->graph, elab->arena, axes));
  assign(elab, slot, node);
  return true;
}

static bool set_one(Elab *elab, const TreeEntry *entry) {
  const Target *target = NULL;
  for (size_t t = 0; t < elab->target_count; t++)
    if (strcmp(elab->targets[t].name, entry->key) == 0) {
      target = &elab->targets[t];
      elab->targets[t].set = true;
    }
  const Entry *named = frame_find(elab->globals, entry->key);
  if (named && named->state == ENTRY_SLOT) return set_tensor(elab, named->slot, target, entry);
  if (target) return set_target(elab, target, entry);
  for (size_t i = 0; i < elab->network_count; i++)
    if (strcmp(elab->networks[i]->name, entry->key) == 0)
      return elab->networks[i]->broken || set_network(elab, entry);
  return set_unknown(elab, entry);
}

bool set_step(Elab *elab, const Tree *tree) {
  bool good = true;
  for (size_t i = 0; i < tree->entry_count; i++) {
    const TreeEntry *entry = &tree->entries[i];
    elab->path = path_enter(elab, arena_printf(elab->arena, "loop.set.%s", entry->key));
    elab->occurrence = 0;
    if (!is_poisoned(elab, entry->key)) good = set_one(elab, entry) && good;
  }
  return good;
}
