/* Running normalisers of `env: {normalize: [obs, reward]}`: text of the prelude's `normalize`, its
 * states declared once, its new values computed after each step of all environments. */
#include "dsl/data.h"

#include <string.h>

static const Tree *normalizer_text(const Elab *elab, const char *name) {
  return tree_get(tree_get(elab->prelude, "normalize"), name);
}

/* The names of one normaliser: its states, and normalized_NAME(x). */
static bool declare(Elab *elab, const char *name) {
  const Tree *text = normalizer_text(elab, name);
  const TreeEntry *apply = text ? tree_entry(text, "apply(x)") : NULL;
  const Expr *signature = apply ? key_signature(elab, apply) : NULL;
  if (!signature || !tree_get(text, "set"))
    return elab_error(elab, elab->spec->span, NULL,
                      "the prelude has no 'normalize.%s' with 'state', 'apply(x)' and 'set'", name);
  if (!states_declare(elab, tree_get(text, "state"))) return false;
  const char *called = arena_printf(elab->arena, "normalized_%s", name);
  Function *function = NEW(elab->arena, Function);
  *function = (Function){.kind = FUNCTION_DEFINE,
                         .name = called,
                         .signature = signature,
                         .body = apply->value,
                         .scope = elab->globals};
  frame_add(elab, elab->globals, called, "define", apply->key_span, value_function(function));
  return true;
}

bool normalizers_declare(Elab *elab) {
  if (elab->normalize_obs) elab->normalize_obs = declare(elab, "obs");
  if (elab->normalize_reward) elab->normalize_reward = declare(elab, "reward");
  return true;
}

/* One new value of a normaliser's state. */
static bool set_state(Elab *elab, Frame *frame, const TreeEntry *entry) {
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

static bool update(Elab *elab, const char *name) {
  const Tree *text = normalizer_text(elab, name), *let = tree_get(text, "let"),
             *updates = tree_get(text, "set");
  Frame *frame = frame_make(elab, elab->globals, "normalize");
  bool good = true;
  for (size_t i = 0; let && i < let->entry_count; i++)
    frame_add_lazy(elab, frame, let->entries[i].key, "let", let->entries[i].key_span,
                   let->entries[i].value);
  for (size_t i = 0; i < updates->entry_count; i++)
    good = set_state(elab, frame, &updates->entries[i]) && good;
  return good;
}

bool normalizers_update(Elab *elab) {
  bool good = true;
  const Tree *wish = tree_get(tree_get(elab->spec, "env"), "normalize");
  struct Site former = elab->site;
  if (wish) elab->site = (struct Site){wish->span, NULL, elab->globals};
  program_open(elab, "normalize");
  if (elab->normalize_obs) good = update(elab, "obs");
  if (elab->normalize_reward) good = update(elab, "reward") && good;
  elab->site = former;
  return good;
}
