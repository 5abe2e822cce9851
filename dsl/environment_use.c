/* What a declared environment becomes: the programs that start and advance a group of them, and the
 * functions that a spec may call. */
#include "dsl/environment.h"

#include <string.h>

/* ---- its texts with values for its names ---- */

/* One value of `reset` or `step`; `own` are axes that its draws have besides the rows. */
static Node *value_of(Elab *elab, Frame *frame, const char *name, const Tree *tree, Axes own) {
  elab->path = arena_printf(elab->arena, "%s.%s", frame->path, name);
  elab->occurrence = 0;
  elab->init_axes = own;
  Node *node = eval_tree_node(elab, frame, tree);
  elab->init_axes = axes_none();
  return node;
}

static void add_states(Elab *elab, Frame *frame, Node *const *states) {
  const Environment *env = elab->environment;
  for (size_t i = 0; i < env->count; i++)
    frame_add(elab, frame, env->states[i].name, "state", env->states[i].span,
              value_node(states[i]));
}

bool environment_reset(Elab *elab, const char *path, Axes rows, Node **states) {
  const Environment *env = elab->environment;
  EnvScope former = environment_enter(elab, rows, elab->block.draws);
  Frame *frame = frame_make(elab, env->scope, arena_printf(elab->arena, "%s.reset", path));
  bool good = true;
  for (size_t i = 0; i < env->count; i++) {
    const EnvState *state = &env->states[i];
    states[i] =
        state->reset ? value_of(elab, frame, state->name, state->reset, state->axes) : state->init;
    good = good && states[i];
  }
  environment_leave(elab, former);
  return good;
}

/* Whether it can only be 0 or 1: comparisons and what joins them. */
static bool is_truth(const Node *node, int depth) {
  if (node->op == OP_const) return node->attr.value == 0 || node->attr.value == 1;
  if (node->op == OP_lt || node->op == OP_le || node->op == OP_eq) return true;
  bool joins = node->op == OP_min || node->op == OP_max || node->op == OP_mul;
  return joins && depth && is_truth(node->src[0], depth - 1) && is_truth(node->src[1], depth - 1);
}

/* 1 where it is not 0, and not a number where it is none, so that the run can stop: the order of
 * the arguments of min decides that. */
static Node *truth(Elab *elab, Node *node) {
  Graph *graph = elab->graph;
  if (is_truth(node, 8)) return node;
  Node *below = node1(graph, OP_neg, node1(graph, OP_abs, node));
  Node *above = node1(graph, OP_neg, node1(graph, OP_floor, below));
  return node2(graph, OP_min, node_const(graph, 1), above);
}

static bool step_results(Elab *elab, Frame *frame, const Tree *step, Node **results) {
  bool good = true;
  for (size_t i = 0; i < ENV_RESULTS; i++) {
    const Tree *tree = tree_get(step, env_result_names[i]);
    results[i] = tree ? value_of(elab, frame, env_result_names[i], tree, axes_none())
                      : node_const(elab->graph, 0);
    good = good && results[i];
    if (results[i] && i != ENV_REWARD) results[i] = truth(elab, results[i]);
  }
  return good;
}

bool environment_step(Elab *elab, const char *path, Axes rows, Node *const *states, Node *action,
                      Node **next, Node **results) {
  const Environment *env = elab->environment;
  const Tree *step = tree_get(env->tree, "step");
  EnvScope former = environment_enter(elab, rows, elab->block.draws);
  Frame *frame = frame_make(elab, env->scope, arena_printf(elab->arena, "%s.step", path));
  add_states(elab, frame, states);
  frame_add(elab, frame, "action", "action", (Span){0}, value_node(action));
  Open open;
  scope_open(elab, &open, NULL, frame);
  bool good = frame_add_map(elab, frame, tree_get(step, "let"), "let");
  for (size_t i = 0; good && i < env->count; i++) {
    const EnvState *state = &env->states[i];
    next[i] =
        state->step ? value_of(elab, frame, state->name, state->step, axes_none()) : states[i];
    good = next[i] != NULL;
  }
  good = good && step_results(elab, frame, step, results);
  scope_close(elab);
  environment_leave(elab, former);
  return good;
}

Node *environment_observe(Elab *elab, Node *const *states) {
  const Environment *env = elab->environment;
  EnvScope former = environment_enter(elab, axes_none(), false);
  Frame *frame = frame_make(elab, env->scope, NULL);
  add_states(elab, frame, states);
  elab->path = "env.observe";
  Node *node = eval_tree_node(elab, frame, tree_get(env->tree, "observe"));
  environment_leave(elab, former);
  return node;
}

/* ---- programs ---- */

/* The slots of one group of environments. */
typedef struct Group {
  const char *path; /* of its draws */
  Axes rows;
  uint32_t *states, elapsed;
  const RlcActing *acting;
} Group;

static Group group_declare(Elab *elab, const char *prefix, uint32_t count, RlcActing *acting) {
  const Environment *env = elab->environment;
  Span span = tree_get(elab->spec, "env")->span;
  Group group = {.acting = acting};
  group.path = strcmp(prefix, "act") == 0 ? "env" : arena_printf(elab->arena, "%s.env", prefix);
  group.rows = axes_one(axis_instance(elab, "env", count, AXIS_ROW, span));
  group.states = NEW_ARRAY(elab->arena, uint32_t, env->count + 1);
  for (size_t i = 0; i < env->count; i++)
    group.states[i] = slot_declare(
        elab, arena_printf(elab->arena, "%s.env.%s", prefix, env->states[i].name), RLC_STATE,
        axes_union(group.rows, env->states[i].axes), env->states[i].init, env->states[i].span);
  group.elapsed = slot_declare(elab, arena_printf(elab->arena, "%s.env.elapsed", prefix), RLC_STATE,
                               group.rows, node_const(elab->graph, 0), span);
  Axes obs = axes_union(group.rows, axes_one(elab->obs_axis));
  acting->fresh = column_slot(elab, prefix, "fresh", RLC_RESULT, obs, false);
  acting->next_obs = column_slot(elab, prefix, "next_obs", RLC_RESULT, obs, false);
  acting->reward = column_slot(elab, prefix, "reward", RLC_RESULT, group.rows, false);
  acting->terminated = column_slot(elab, prefix, "terminated", RLC_RESULT, group.rows, false);
  acting->truncated = column_slot(elab, prefix, "truncated", RLC_RESULT, group.rows, false);
  return group;
}

static bool output_state(Elab *elab, const Group *group, Node *const *states, Node *elapsed) {
  Node *fresh = environment_observe(elab, states);
  if (!fresh) return false;
  for (size_t i = 0; i < elab->environment->count; i++)
    program_output(elab, group->states[i], states[i]);
  program_output(elab, group->elapsed, elapsed);
  program_output(elab, group->acting->fresh, fresh);
  return true;
}

/* An episode starts everywhere. Its draws are other ones than those of later episodes, which are
 * counted alike. */
static bool start_build(Elab *elab, const Group *group) {
  Node **states = NEW_ARRAY(elab->arena, Node *, elab->environment->count + 1);
  const char *path = arena_printf(elab->arena, "%s.start", group->path);
  return environment_reset(elab, path, group->rows, states) &&
         output_state(elab, group, states, node_const(elab->graph, 0));
}

/* The action as the environment means it. */
static Node *action_sent(Elab *elab, uint32_t send) {
  const Environment *env = elab->environment;
  Graph *graph = elab->graph;
  Node *action = node_input(graph, send);
  if (!elab->module->shell.rescale) return action;
  Node *centre = node_const(graph, 0.5 * (env->high + env->low)),
       *half = node_const(graph, 0.5 * (env->high - env->low));
  return node2(graph, OP_add, centre, node2(graph, OP_mul, half, action));
}

static bool advance_build(Elab *elab, const Group *group) {
  const Environment *env = elab->environment;
  Graph *graph = elab->graph;
  Node **old = NEW_ARRAY(elab->arena, Node *, env->count + 1),
       **next = NEW_ARRAY(elab->arena, Node *, env->count + 1), *results[ENV_RESULTS];
  for (size_t i = 0; i < env->count; i++) old[i] = node_input(graph, group->states[i]);
  if (!environment_step(elab, group->path, group->rows, old, action_sent(elab, group->acting->send),
                        next, results))
    return false;
  Node *elapsed = node2(graph, OP_add, node_input(graph, group->elapsed), node_const(graph, 1));
  if (elab->env.limit) {
    Node *over = node2(graph, OP_le, node_const(graph, elab->env.limit), elapsed);
    results[ENV_TRUNCATED] = node2(graph, OP_max, over, results[ENV_TRUNCATED]);
  }
  Node *ended = node2(graph, OP_max, results[ENV_TERMINATED], results[ENV_TRUNCATED]);
  Node *next_obs = environment_observe(elab, next);
  if (!next_obs || !environment_reset(elab, group->path, group->rows, old)) return false;
  for (size_t i = 0; i < env->count; i++) next[i] = node3(graph, OP_where, ended, old[i], next[i]);
  program_output(elab, group->acting->next_obs, next_obs);
  program_output(elab, group->acting->reward, results[ENV_REWARD]);
  program_output(elab, group->acting->terminated, results[ENV_TERMINATED]);
  program_output(elab, group->acting->truncated, results[ENV_TRUNCATED]);
  return output_state(elab, group, next,
                      node3(graph, OP_where, ended, node_const(graph, 0), elapsed));
}

/* Opens, builds and closes one program. False after reporting. */
static bool build(Elab *elab, const char *prefix, const char *name, const Group *group,
                  bool (*fill)(Elab *, const Group *), uint32_t *program) {
  Block block = elab->block;
  elab->block = (Block){.rows = group->rows, .draws = true};
  program_open(elab, arena_printf(elab->arena, "%s_%s", prefix, name));
  bool good = fill(elab, group);
  *program = program_close(elab);
  elab->block = block;
  return good;
}

bool environment_programs(Elab *elab, const char *prefix, uint32_t count, RlcActing *acting) {
  Environment *env = elab->environment;
  for (size_t i = 0; i < env->group_count; i++) {
    if (strcmp(env->prefixes[i], prefix) != 0) continue;
    const RlcActing *made = &env->groups[i];
    acting->start = made->start, acting->advance = made->advance, acting->fresh = made->fresh;
    acting->reward = made->reward, acting->next_obs = made->next_obs;
    acting->terminated = made->terminated, acting->truncated = made->truncated;
    return true;
  }
  Group group = group_declare(elab, prefix, count, acting);
  if (!build(elab, prefix, "start", &group, start_build, &acting->start) ||
      !build(elab, prefix, "advance", &group, advance_build, &acting->advance))
    return false;
  PUSH(elab->arena, env->groups, env->group_count, env->group_capacity, *acting);
  PUSH(elab->arena, env->prefixes, env->prefix_count, env->prefix_capacity, prefix);
  return true;
}

/* ---- functions of a spec ---- */

/* The path of a call's draws. */
static const char *call_path(Elab *elab, const Expr *expr) {
  return arena_printf(elab->arena, "%s/%s%u", elab->path, expr->text, elab->occurrence++);
}

static Record *state_record(Elab *elab, const char *what, Node *const *states) {
  Record *record = record_make(elab, arena_printf(elab->arena, "%s of '%s'", what, elab->env.id));
  for (size_t i = 0; i < elab->environment->count; i++)
    record_add(elab, record, elab->environment->states[i].name, value_node(states[i]));
  return record;
}

/* Adds the axes in brackets: further rows of the call's draws. */
static bool bracket_rows(Elab *elab, Frame *frame, const Expr *expr, Axes *rows) {
  for (uint32_t i = 0; i < expr->axis_count; i++) {
    int axis = axis_minted(elab, frame, &expr->axes[i], AXIS_ROW);
    if (axis < 0) return false;
    *rows = axes_union(*rows, axes_one((AxisId)axis));
  }
  return axes_may_meet(elab, expr->span, rows, 1);
}

static Value call_reset(Elab *elab, Frame *frame, const Expr *expr) {
  Axes rows = elab->shared ? axes_none() : elab->block.rows;
  Node **states = NEW_ARRAY(elab->arena, Node *, elab->environment->count + 1);
  if (!bracket_rows(elab, frame, expr, &rows) ||
      !environment_reset(elab, call_path(elab, expr), rows, states))
    return value_error();
  return value_record(state_record(elab, "a fresh state", states));
}

/* The fields of the record that the first argument means. NULL after reporting. */
static Node **states_given(Elab *elab, Frame *frame, const Expr *expr) {
  const Environment *env = elab->environment;
  const Expr *argument = expr->args[0].value;
  Value value = eval(elab, frame, argument);
  if (value.kind == VALUE_ERROR) return NULL;
  const char *hint = arena_printf(elab->arena, "as env_reset() and env_step(...) give it");
  if (value.kind != VALUE_RECORD)
    return elab_error(elab, argument->span, hint, "'%s' wants a state here, which is a record",
                      expr->text),
           NULL;
  Node **states = NEW_ARRAY(elab->arena, Node *, env->count + 1);
  for (size_t i = 0; i < env->count; i++) {
    const Value *field = record_get(value.record, env->states[i].name);
    if (!field)
      return elab_error(elab, argument->span, hint,
                        "%s has no field '%s', which is a state of '%s'", value.record->what,
                        env->states[i].name, elab->env.id),
             NULL;
    if (!(states[i] = value_tensor(elab, *field, argument->span))) return NULL;
  }
  return states;
}

static bool check_action(Elab *elab, const Expr *argument, const Node *action) {
  if (elab->env.choices) {
    if (node_is_whole(elab->graph, action)) return true;
    return elab_error(elab, argument->span,
                      "as argmax[choice](...) and sample(...) give it; or floor(...) around it",
                      "'%s' has %u actions to choose from: an action is a whole number",
                      elab->env.id, elab->env.choices);
  }
  if (axes_has(action->axes, elab->act_axis)) return true;
  return elab_error(elab, argument->span, "an action has the axis 'act'",
                    "this action has axes %s, without 'act'",
                    axes_text(elab->graph, elab->arena, action->axes));
}

/* Draws of a step have the block's rows and what the state and the action have besides their own
 * axes. */
static Axes step_rows(const Elab *elab, Node *const *states, const Node *action) {
  const Environment *env = elab->environment;
  Axes rows = elab->shared ? action->axes : axes_union(elab->block.rows, action->axes);
  if (!elab->env.choices) rows = axes_minus(rows, axes_one(elab->act_axis));
  for (size_t i = 0; i < env->count; i++)
    rows = axes_union(rows, axes_minus(states[i]->axes, env->states[i].axes));
  return rows;
}

static Value call_step(Elab *elab, Frame *frame, const Expr *expr) {
  Node **states = states_given(elab, frame, expr);
  const Expr *argument = expr->args[1].value;
  Node *action = eval_node(elab, frame, argument);
  if (!states || !action || !check_action(elab, argument, action)) return value_error();
  Axes rows = step_rows(elab, states, action);
  Node **next = NEW_ARRAY(elab->arena, Node *, elab->environment->count + 1), *results[ENV_RESULTS];
  if (!bracket_rows(elab, frame, expr, &rows) ||
      !environment_step(elab, call_path(elab, expr), rows, states, action, next, results))
    return value_error();
  Record *record = state_record(elab, "a step", next);
  for (size_t i = 0; i < ENV_RESULTS; i++)
    record_add(elab, record, env_result_names[i], value_node(results[i]));
  return value_record(record);
}

static Value call_observe(Elab *elab, Frame *frame, const Expr *expr) {
  Node **states = states_given(elab, frame, expr);
  Node *node = states ? environment_observe(elab, states) : NULL;
  return node ? value_node(node) : value_error();
}

static const struct {
  const char *name, *example;
  uint32_t arity;
  bool brackets;
  Value (*call)(Elab *elab, Frame *frame, const Expr *expr);
} calls[] = {{"env_reset", "as in  env_reset[batch=64]()", 0, true, call_reset},
             {"env_step", "as in  env_step(state, action)", 2, true, call_step},
             {"env_observe", "as in  env_observe(state)", 1, false, call_observe}};

bool environment_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  for (size_t i = 0; i < COUNTOF(calls); i++) {
    if (strcmp(calls[i].name, expr->text) != 0) continue;
    *result = value_error();
    bool form = expr->called && expr->arg_count == calls[i].arity &&
                (!expr->bracketed || calls[i].brackets);
    for (uint32_t k = 0; k < expr->arg_count; k++) form = form && !expr->args[k].name;
    if (elab->env_unknown) return true;
    if (!elab->environment)
      elab_error(elab, expr->span, "as in  env: CartPole-v1; `rlc envs` tells which are declared",
                 "'%s' needs an environment that is declared in the language", expr->text);
    else if (!form)
      elab_error(elab, expr->span, calls[i].example, "'%s' is not called like this", expr->text);
    else
      *result = calls[i].call(elab, frame, expr);
    return true;
  }
  return false;
}
