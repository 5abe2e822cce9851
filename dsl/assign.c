/* The loop step `set`: new values of targets, states and parameters. */
#include "dsl/scope.h"

#include <string.h>

/* `slow: blend(slow, critic, tau)`: a function of parameters, applied tensor by tensor. */
static bool set_target(Elab *elab, const Target *target, const TreeEntry *entry) {
  Frame *frame = frame_make(elab, elab->globals, NULL);
  if (entry->value->kind != TREE_SCALAR)
    return elab_error(elab, entry->value->span, "as in  slow: blend(slow, critic, tau)",
                      "setting '%s' from a list of networks is not supported yet", entry->key);
  for (size_t i = 0; i < target->copy_count; i++) {
    frame->count = 0;
    const char *original = target->copies[i].name + strlen(target->name) + 1;
    for (size_t k = 0; k < target->count; k++) {
      const char *member = target->members[k];
      Parameter *items;
      size_t count;
      if (!parameter_group(elab, member, entry->key_span, &items, &count)) return false;
      for (size_t p = 0; p < count; p++)
        if (strcmp(items[p].name, original) == 0)
          frame_add(elab, frame, member, "network", entry->key_span,
                    value_node(slot_value(elab, items[p].slot)));
    }
    frame_add(elab, frame, target->name, "target", entry->key_span,
              value_node(slot_value(elab, target->copies[i].slot)));
    Node *node = eval_tree_node(elab, frame, entry->value);
    if (!node) return false;
    if (!axes_within(node->axes, target->copies[i].axes))
      return elab_error(elab, entry->value->span, NULL,
                        "the new value of '%s' has other axes than the target", entry->key);
    slot_assign(elab, target->copies[i].slot, node);
  }
  return true;
}

static bool set_tensor(Elab *elab, const TreeEntry *entry) {
  Frame *holder;
  const Entry *named = frame_lookup(elab->globals, entry->key, &holder);
  if (!named || named->state != ENTRY_SLOT) {
    const char *names[256];
    size_t count = 0;
    for (size_t i = 0; i < elab->target_count && count < 256; i++)
      names[count++] = elab->targets[i].name;
    for (size_t i = 0; i < elab->globals->count && count < 256; i++)
      if (elab->globals->entries[i].state == ENTRY_SLOT)
        names[count++] = elab->globals->entries[i].name;
    const char *hint = hint_nearest(elab->arena, entry->key, names, count);
    if (!hint) hint = "only targets, states and parameters are set";
    elab_error(elab, entry->key_span, hint, "there is no target, state or parameter '%s' to set",
               entry->key);
    note_removed(elab, entry->key);
    return false;
  }
  uint32_t slot = named->slot;
  Node *node = eval_tree_node(elab, elab->globals, entry->value);
  if (!node) return false;
  if (!axes_within(node->axes, elab->graph->slots[slot].axes))
    return elab_error(elab, entry->value->span, NULL, "the new value of '%s' has axes %s, not %s",
                      entry->key, axes_text(elab->graph, elab->arena, node->axes),
                      axes_text(elab->graph, elab->arena, elab->graph->slots[slot].axes));
  slot_assign(elab, slot, node);
  return true;
}

bool set_step(Elab *elab, const Tree *tree) {
  bool good = true;
  for (size_t i = 0; i < tree->entry_count; i++) {
    const TreeEntry *entry = &tree->entries[i];
    elab->path = path_enter(elab, arena_printf(elab->arena, "loop.set.%s", entry->key));
    elab->occurrence = 0;
    const Target *target = NULL;
    for (size_t t = 0; t < elab->target_count; t++)
      if (strcmp(elab->targets[t].name, entry->key) == 0) target = &elab->targets[t];
    if (is_poisoned(elab, entry->key)) continue;
    good = (target ? set_target(elab, target, entry) : set_tensor(elab, entry)) && good;
  }
  return good;
}
