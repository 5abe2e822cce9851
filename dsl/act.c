/* Acting: the programs that choose actions, with the state that they keep between steps. */
#include "dsl/data.h"

#include <string.h>

enum { EVALUATION_ENVIRONMENTS = 10 };

Block act_block(const Elab *elab, BlockKind kind) {
  return (Block){.kind = kind, .columns = "act", .rows = axes_one(elab->env_axis), .draws = true};
}

static const RlcActing no_acting = {
    .obs = RLC_NONE, .program = RLC_NONE, .action = RLC_NONE, .send = RLC_NONE, RLC_ACTION_ONLY};

/* ---- state ---- */

/* The initial value among the keys of a state. */
static const Tree *state_init(const Tree *tree) {
  return tree->kind == TREE_MAP ? tree_get(tree, "init") : tree;
}

uint32_t block_slot(Elab *elab, uint32_t slot) {
  const Slot *state = &elab->graph->slots[slot];
  bool other = elab->block.columns && strcmp(elab->block.columns, "eval") == 0;
  if (!other || !elab->env_count || !axes_has(state->axes, elab->env_axis)) return slot;
  const char *name = arena_printf(elab->arena, "eval.%s", state->name);
  const Tree *declared = tree_get(tree_get(elab->spec, "state"), state->name);
  uint32_t known = slot_named(elab, name);
  if (known != RLC_NONE || !declared) return known != RLC_NONE ? known : slot;
  Axes axes = axes_union(axes_minus(state->axes, axes_one(elab->env_axis)), elab->block.rows);
  RlcSlotKind kind = state->kind;
  Span span = state->span;
  Node *init = init_value(elab, elab->globals, state_init(declared), "0", name, axes, (Fans){0});
  return init ? slot_declare(elab, name, kind, axes, init, span) : slot;
}

/* The entry of a state, or NULL. */
static const Entry *state_entry(Elab *elab, const char *name) {
  const Entry *entry = frame_find(elab->globals, name);
  return entry && entry->state == ENTRY_SLOT && tree_get(tree_get(elab->spec, "state"), name)
             ? entry
             : NULL;
}

static bool fits(Elab *elab, const char *name, uint32_t slot, const Node *node, Span span) {
  Axes axes = elab->graph->slots[slot].axes;
  return axes_within(node->axes, axes) ||
         elab_error(elab, span, NULL, "the new value of '%s' has axes %s, not %s", name,
                    axes_text(elab->graph, elab->arena, node->axes),
                    axes_text(elab->graph, elab->arena, axes));
}

/* One state at the start of a step: its `reset` where an episode starts. */
static bool reset_state(Elab *elab, const char *name, const Tree *reset) {
  const Entry *entry = state_entry(elab, name);
  if (!entry) return is_poisoned(elab, name);
  uint32_t slot = block_slot(elab, entry->slot);
  elab->path = arena_printf(elab->arena, "state.%s.reset", name);
  elab->occurrence = 0;
  Node *first = column_value(elab, "is_first"), *value = eval_tree_node(elab, elab->globals, reset);
  if (!value) return false;
  if (!axes_has(elab->graph->slots[entry->slot].axes, elab->env_axis))
    return elab_error(elab, reset->span, "as in  axes: [env, hid=64]",
                      "'%s' is reset at the end of episodes, so it needs the axis 'env'", name);
  if (!fits(elab, name, slot, value, reset->span)) return false;
  slot_assign(elab, slot, node3(elab->graph, OP_where, first, value, slot_value(elab, slot)));
  return true;
}

static bool reset_states(Elab *elab) {
  const Tree *map = tree_get(elab->spec, "state");
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const Tree *tree = map->entries[i].value;
    const Tree *reset = tree->kind == TREE_MAP ? tree_get(tree, "reset") : NULL;
    if (reset) good = reset_state(elab, map->entries[i].key, reset) && good;
  }
  return good;
}

/* `act.set`: all right sides see the state as it was. */
static bool set_states(Elab *elab, Frame *frame, const Tree *map) {
  size_t count = map ? map->entry_count : 0;
  Node **values = NEW_ARRAY(elab->arena, Node *, count + 1);
  uint32_t *slots = NEW_ARRAY(elab->arena, uint32_t, count + 1);
  bool good = true;
  for (size_t i = 0; i < count; i++) {
    const TreeEntry *set = &map->entries[i];
    const Entry *entry = state_entry(elab, set->key);
    if (!entry) {
      good = elab_error(elab, set->key_span, "declare it under 'state'",
                        "there is no state '%s' to set", set->key);
      continue;
    }
    slots[i] = block_slot(elab, entry->slot);
    elab->path = arena_printf(elab->arena, "act.set.%s", set->key);
    elab->occurrence = 0;
    values[i] = eval_tree_node(elab, frame, set->value);
    good = values[i] && fits(elab, set->key, slots[i], values[i], set->value->span) && good;
  }
  for (size_t i = 0; good && i < count; i++) slot_assign(elab, slots[i], values[i]);
  return good;
}

/* ---- actions ---- */

/* Whether the action numbers a choice where the environment has choices, and else does not. */
static bool action_counts(Elab *elab, const Node *action, Span span, const char *what) {
  const char *id = elab->env.id;
  uint32_t choices = elab->env.choices;
  bool constant = action->op == OP_const;
  double value = constant ? action->attr.value : 0;
  if (elab->env_unknown) return true;
  if (!choices && action->integer && !axes_has(action->axes, elab->act_axis))
    return elab_error(elab, span, "one number for each entry of 'act', as in sample(normal(...))",
                      "the environment's actions are continuous: '%s' is one whole number, the "
                      "same along 'act'",
                      what);
  if (choices && !node_is_whole(elab->graph, action))
    return elab_error(
        elab, span, "as argmax[choice](q) and draws of a categorical are; or floor(...) around it",
        "'%s' has discrete actions: '%s' must be whole numbers", id, what);
  return !choices || (value >= 0 && value < choices) ||
         elab_error(elab, span, NULL, "'%s' has the actions 0 to %u: '%s' is %.10g", id,
                    choices - 1, what, value);
}

static Node *action_node(Elab *elab, Frame *frame, const Tree *tree, const char *what) {
  Node *action = eval_tree_node(elab, frame, tree);
  Axes wanted = axes_union(elab->block.rows, column_own(elab, "action"));
  if (!action) return NULL;
  if (!axes_within(action->axes, wanted)) {
    const char *hint = elab->env.choices
                           ? arena_printf(elab->arena,
                                          "'%s' has discrete actions: one whole number "
                                          "for each environment",
                                          elab->env.id)
                           : NULL;
    return elab_error(elab, tree->span, hint, "'%s' must have axes %s, but it has %s", what,
                      axes_text(elab->graph, elab->arena, wanted),
                      axes_text(elab->graph, elab->arena, action->axes)),
           NULL;
  }
  return action_counts(elab, action, tree->span, what) ? action : NULL;
}

/* The bindings of `{let: ..., action: ...}` in a frame of their own; returns the expression. */
static const Tree *open_choice(Elab *elab, Frame *frame, const Tree *tree) {
  if (tree->kind != TREE_MAP) return tree;
  const Tree *action = tree_get(tree, "action");
  if (!action)
    return elab_error(elab, tree->span, "as in  action: sample(policy(z))",
                      "this block has no 'action'"),
           NULL;
  return frame_add_map(elab, frame, tree_get(tree, "let"), "let") ? action : NULL;
}

/* Evaluates action, `send` and `set` as outputs of the open program. */
static bool choose(Elab *elab, Frame *frame, const Tree *tree, const char *what, const char *prefix,
                   RlcActing *acting) {
  const Tree *act = tree_get(elab->spec, "act"), *send = tree_get(act, "send");
  if (!reset_states(elab)) return false;
  elab->path = frame->path;
  elab->occurrence = 0;
  const Tree *expression = open_choice(elab, frame, tree);
  Node *node = expression ? action_node(elab, frame, expression, what) : NULL;
  if (!node) return false;
  program_output(elab, acting->action, node);
  if (send) {
    Frame *sending = frame_make(elab, elab->globals, "act.send");
    elab->path = sending->path;
    elab->occurrence = 0;
    frame_add(elab, sending, "action", "column", tree->span, value_node(node));
    node = action_node(elab, sending, send, "send");
    if (!node) return false;
    Axes axes = axes_union(elab->block.rows, column_own(elab, "action"));
    acting->send = column_slot(elab, prefix, "send", RLC_RESULT, axes, elab->env.choices > 0);
    program_output(elab, acting->send, node);
  }
  return set_states(elab, frame, tree_get(act, "set"));
}

/* One program that fills the action slot of `prefix`; `what` is the key under `act`. */
static bool acting_program(Elab *elab, const char *name, const char *prefix, const char *what,
                           uint32_t count, RlcActing *acting) {
  const Tree *act = tree_get(elab->spec, "act"), *tree = act ? tree_get(act, what) : NULL;
  *acting = no_acting;
  acting->count = count;
  AxisId row = axis_instance(elab, "env", count, AXIS_ROW, act ? act->span : elab->spec->span);
  elab->block = (Block){.kind = BLOCK_ACT, .columns = prefix, .rows = axes_one(row), .draws = true};
  Axes obs = axes_union(elab->block.rows, column_own(elab, "obs")),
       action = axes_union(elab->block.rows, column_own(elab, "action"));
  acting->obs = column_slot(elab, prefix, "obs", RLC_COLUMN, obs, false);
  acting->action = acting->send =
      column_slot(elab, prefix, "action", RLC_RESULT, action, elab->env.choices > 0);
  if (!tree) return true;
  Frame *frame = frame_make(elab, elab->globals, arena_printf(elab->arena, "act.%s", what));
  Open open;
  program_open(elab, name);
  scope_open(elab, &open, NULL, frame);
  bool good = choose(elab, frame, tree, what, prefix, acting);
  scope_close(elab);
  if (good) {
    acting->program = program_close(elab);
    return true;
  }
  program_drop(elab);
  return false;
}

/* Without a program of its own, evaluation acts as training does. */
static bool evaluation_programs(Elab *elab, bool explored) {
  RlcModule *shell = &elab->module->shell;
  bool separate = tree_get(tree_get(elab->spec, "act"), "evaluate") != NULL, good = true;
  if (separate || explored)
    good = acting_program(elab, "evaluate", "eval", separate ? "evaluate" : "explore",
                          EVALUATION_ENVIRONMENTS, &shell->evaluate);
  if (!good || !explored) return good && explored; /* the last one is `explore` elsewhere */
  return acting_program(elab, "sample", "eval", "explore", EVALUATION_ENVIRONMENTS, &shell->sample);
}

/* Declared environments step by programs of their own, the same for both ways of evaluating. */
static bool declared_programs(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  if (!elab->environment) return true;
  bool good = environment_programs(elab, "act", elab->env_count, &shell->explore);
  good = environment_programs(elab, "eval", EVALUATION_ENVIRONMENTS, &shell->evaluate) && good;
  return environment_programs(elab, "eval", EVALUATION_ENVIRONMENTS, &shell->sample) && good;
}

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
  bool good = acting_program(elab, "explore", "act", "explore", elab->env_count, &shell->explore);
  good = evaluation_programs(elab, good) && good;
  good = good && declared_programs(elab); /* they read the action */
  return store_elaborate(elab, &shell->explore) && good;
}
