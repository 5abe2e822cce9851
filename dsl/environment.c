/* Reads the file of a declared environment: finds it, takes its declarations and checks every text
 * of it once, so that what programs and losses build from it later cannot fail. */
#include "dsl/environment.h"
#include "dsl/yaml.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

const char *const env_result_names[ENV_RESULTS] = {"reward", "terminated", "truncated"};

EnvScope environment_enter(Elab *elab, Axes rows, bool draws) {
  EnvScope former = {elab->globals, elab->block, elab->init_axes,
                     elab->shared,  elab->path,  elab->occurrence};
  elab->globals = elab->environment->scope;
  elab->block = (Block){.rows = rows, .draws = draws};
  elab->init_axes = axes_none();
  elab->shared = false; /* `rows` says it */
  Open *open = NEW(elab->arena, Open);
  scope_open(elab, open, NULL, NULL);
  open->apart = true;
  return former;
}

void environment_leave(Elab *elab, EnvScope former) {
  scope_close(elab);
  elab->globals = former.globals;
  elab->block = former.block;
  elab->init_axes = former.init_axes;
  elab->shared = former.shared;
  elab->path = former.path;
  elab->occurrence = former.occurrence;
}

/* ---- finding it ---- */

static bool is_path(const char *name) {
  size_t length = strlen(name);
  return length > 5 && strcmp(name + length - 5, ".yaml") == 0;
}

/* Where no file of that path is, one of rlc's own may have it below its folder of specs. */
static Tree *load(Elab *elab, const Tree *id) {
  const char *name = id->text.text, *path = tree_file(elab->arena, id);
  bool is_file = is_path(name), there = is_file && access(path, F_OK) == 0;
  for (const DeclaredFile *file = dsl_environments; file->id && !there; file++)
    if (strcmp(is_file ? file->path + strlen("specs/") : file->id, name) == 0)
      return tree_parse(elab->arena, elab->diag,
                        source_from_text(elab->arena, file->path, file->text));
  if (!is_file) return NULL;
  file_named(elab, id);
  return tree_load_from(elab->arena, elab->diag, path, "an environment", id->span);
}

size_t environment_names(const Elab *elab, const char **names, size_t capacity) {
  const char *const *ids;
  size_t count = 0, compiled = elab->options->env_names(&ids);
  for (size_t i = 0; i < compiled && count < capacity; i++) names[count++] = ids[i];
  for (const DeclaredFile *file = dsl_environments; file->id && count < capacity; file++)
    names[count++] = file->id;
  return count;
}

/* ---- declarations ---- */

/* A name of the file: not one that results of a step or the action have. */
static bool name_is_good(Elab *elab, const char *name, const char *what, Span span) {
  static const char *const taken[] = {"action", "let",        "elapsed",
                                      "reward", "terminated", "truncated"};
  for (size_t i = 0; i < COUNTOF(taken); i++)
    if (strcmp(taken[i], name) == 0)
      return elab_error(elab, span, "choose another name",
                        "the name '%s' has a meaning of its own in an environment", name);
  return name_is_free(elab, elab->environment->scope, name, what, span);
}

static bool read_constants(Elab *elab, const Tree *map) {
  Frame *scope = elab->environment->scope;
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    if (name_is_good(elab, entry->key, "constant", entry->key_span))
      frame_add_lazy(elab, scope, entry->key, "constant", entry->key_span, entry->value);
    else
      good = false;
  }
  for (size_t i = 0; good && i < scope->count; i++) {
    if (!scope->entries[i].tree) continue;
    const char *name = scope->entries[i].name;
    Span span = scope->entries[i].tree->span;
    Value value = eval_entry(elab, scope, &scope->entries[i], span);
    bool number = value.kind == VALUE_NODE && value.node->op == OP_const;
    if (number && !isnan(value.node->attr.value)) continue;
    good = false;
    if (value.kind != VALUE_ERROR)
      elab_error(elab, span, "as in  dt: 0.05", "the constant '%s' is not a number", name);
  }
  return good;
}

static bool check_axes(Elab *elab, const Tree *tree, const char *what, const char *name,
                       const Node *node, Axes wanted) {
  if (!tree || axes_within(node->axes, wanted)) return true;
  return elab_error(elab, tree->span, axes_empty(wanted) ? "one number in each environment" : NULL,
                    "the %s '%s' has axes %s, not %s", what, name,
                    axes_text(elab->graph, elab->arena, node->axes),
                    axes_text(elab->graph, elab->arena, wanted));
}

static bool read_state(Elab *elab, const TreeEntry *entry, EnvState *state) {
  const Tree *tree = entry->value, *init = tree;
  *state = (EnvState){.name = entry->key, .span = entry->key_span};
  if (!name_is_good(elab, entry->key, "state", entry->key_span)) return false;
  if (tree->kind == TREE_MAP) {
    init = tree_get(tree, "init");
    if (!declared_axes(elab, tree_get(tree, "axes"), &state->axes)) return false;
  }
  if (axes_count(state->axes) >= RLC_MAX_RANK)
    return elab_error(elab, entry->key_span, "make one axis of several, as join[x](t, a, b) does",
                      "'%s' has %d axes: a state of an environment has at most %d", entry->key,
                      axes_count(state->axes), RLC_MAX_RANK - 1);
  elab->block.draws = false;
  state->init = init ? eval_tree_node(elab, elab->globals, init) : NULL;
  elab->block.draws = true;
  return state->init &&
         check_axes(elab, init, "first value of", entry->key, state->init, state->axes);
}

static bool read_states(Elab *elab) {
  Environment *env = elab->environment;
  const Tree *map = tree_get(env->tree, "state"), *reset = tree_get(env->tree, "reset"),
             *step = tree_get(env->tree, "step");
  size_t count = map ? map->entry_count : 0;
  env->states = NEW_ARRAY(elab->arena, EnvState, count + 1);
  for (size_t i = 0; i < count; i++) {
    EnvState *state = &env->states[i];
    if (!read_state(elab, &map->entries[i], state)) return false;
    state->reset = reset ? tree_get(reset, state->name) : NULL;
    state->step = tree_get(step, state->name);
  }
  env->count = count;
  return true;
}

/* Whether every key of `reset` or `step` is a state, or one of `others`. */
static bool keys_are_states(Elab *elab, const char *where, const char *const *others,
                            size_t other_count) {
  const Environment *env = elab->environment;
  const Tree *map = tree_get(env->tree, where);
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const char *key = map->entries[i].key, *names[80];
    size_t count = 0;
    bool known = false;
    for (size_t k = 0; k < other_count; k++) names[count++] = others[k];
    for (size_t k = 0; k < env->count && count < COUNTOF(names); k++)
      names[count++] = env->states[k].name;
    for (size_t k = 0; k < count; k++) known = known || strcmp(names[k], key) == 0;
    if (known) continue;
    const char *near = hint_nearest(elab->arena, key, names, count);
    good = elab_error(elab, map->entries[i].key_span,
                      near ? near : "declare it under 'state', with the value it starts with",
                      "the environment has no state '%s'", key);
  }
  return good;
}

static bool read_box(Elab *elab, const Tree *action, double *low, double *high) {
  const struct {
    const char *key;
    double *number;
  } bounds[] = {{"low", low}, {"high", high}};
  for (size_t i = 0; i < COUNTOF(bounds); i++) {
    const Tree *tree = tree_get(action, bounds[i].key);
    if (!tree)
      return elab_error(elab, action->span, "as in  action: {size: 1, low: -2, high: 2}",
                        "the action has no '%s'", bounds[i].key);
    if (!eval_number(elab, elab->globals, tree, "a bound of the action", bounds[i].number))
      return false;
  }
  if (*low < *high && isfinite(*low) && isfinite(*high)) return true;
  return elab_error(elab, tree_get(action, "low")->span, "as in  low: -1  and  high: 1",
                    "the bounds of the action are %g and %g", *low, *high);
}

static bool read_action(Elab *elab, EnvFacts *facts) {
  const Tree *action = tree_get(elab->environment->tree, "action");
  const Tree *size = tree_get(action, "size"), *choices = tree_get(action, "choices"),
             *axes = tree_get(action, "axes");
  uint64_t count = 0;
  if (!size == !choices)
    return elab_error(elab, action->span, "as in  {size: 1, low: -2, high: 2}  or  {choices: 3}",
                      "an action has either a 'size' or 'choices'");
  if (axes && (axes->kind != TREE_SCALAR || strcmp(axes->text.text, "act") != 0 || choices))
    return elab_error(elab, axes->span, "leave it out",
                      choices ? "an action with choices has no axis"
                              : "the axis of an action is 'act'");
  if (choices) {
    static const char *const bounds[] = {"low", "high"};
    for (size_t i = 0; i < COUNTOF(bounds); i++)
      if (tree_get(action, bounds[i]))
        return elab_error(elab, tree_get(action, bounds[i])->span, "leave it out",
                          "an action with choices has no bounds");
    facts->act_dim = 1;
    bool good = eval_count(elab, elab->globals, choices, "choices", 2, 65536, &count);
    facts->choices = (uint32_t)count;
    return good;
  }
  if (!eval_count(elab, elab->globals, size, "the size of the action", 1, 65536, &count))
    return false;
  facts->act_dim = (uint32_t)count;
  return read_box(elab, action, &facts->low, &facts->high);
}

static bool read_numbers(Elab *elab, EnvFacts *facts) {
  const Tree *tree = elab->environment->tree, *limit = tree_get(tree, "limit"),
             *threshold = tree_get(tree, "threshold"), *step = tree_get(tree, "step");
  uint64_t count = 0;
  if (limit && !eval_count(elab, elab->globals, limit, "the limit", 1, 1 << 24, &count))
    return false;
  if (threshold && !eval_number(elab, elab->globals, threshold, "the threshold", &facts->threshold))
    return false;
  facts->limit = (uint32_t)count;
  if (limit || tree_get(step, "terminated") || tree_get(step, "truncated")) return true;
  return elab_error(elab, step->span, "give it a 'limit', or 'terminated' in its step",
                    "an episode of this environment never ends");
}

/* ---- checking ---- */

/* A value that stands for anything with these axes. */
static Node *anything(Elab *elab, const char *name, Axes axes) {
  return node_uniform(elab->graph, hash_text(HASH_SEED, name), axes, 0);
}

static Node *any_action(Elab *elab, const EnvFacts *facts) {
  AxisId axis = facts->choices
                    ? axis_instance(elab, "choice", facts->choices, AXIS_FEATURE, (Span){0})
                    : axis_instance(elab, "act", facts->act_dim, AXIS_FEATURE, (Span){0});
  Node *node = anything(elab, "action", axes_one(axis));
  return facts->choices ? node_argmax(elab->graph, node, axis) : node;
}

static bool check_motion(Elab *elab, const EnvFacts *facts) {
  const Environment *env = elab->environment;
  Node **states = NEW_ARRAY(elab->arena, Node *, env->count + 1),
       **next = NEW_ARRAY(elab->arena, Node *, env->count + 1), *results[ENV_RESULTS];
  const Tree *step = tree_get(env->tree, "step");
  bool good = environment_reset(elab, "env", axes_none(), next);
  for (size_t i = 0; good && i < env->count; i++)
    good = check_axes(elab, env->states[i].reset, "reset of", env->states[i].name, next[i],
                      env->states[i].axes);
  for (size_t i = 0; i < env->count; i++)
    states[i] = anything(elab, env->states[i].name, env->states[i].axes);
  if (!environment_step(elab, "env", axes_none(), states, any_action(elab, facts), next, results))
    return false;
  for (size_t i = 0; i < env->count; i++)
    good = check_axes(elab, env->states[i].step, "new value of", env->states[i].name, next[i],
                      env->states[i].axes) &&
           good;
  for (size_t i = 0; i < ENV_RESULTS; i++)
    good = check_axes(elab, tree_get(step, env_result_names[i]), "value of", env_result_names[i],
                      results[i], axes_none()) &&
           good;
  return good;
}

/* Every observation has the axis `obs` and no other. */
static bool check_observe(Elab *elab, EnvFacts *facts) {
  const Environment *env = elab->environment;
  Node **states = NEW_ARRAY(elab->arena, Node *, env->count + 1);
  for (size_t i = 0; i < env->count; i++)
    states[i] = anything(elab, env->states[i].name, env->states[i].axes);
  Node *node = environment_observe(elab, states);
  if (!node) return false;
  facts->obs_dim = 1;
  if (axes_empty(node->axes)) return true; /* one number: an axis of extent 1 may be left out */
  unsigned cursor = 0;
  AxisId axis;
  bool one = axes_count(node->axes) == 1 && axes_next(node->axes, &cursor, &axis) &&
             strcmp(elab->graph->axes[axis].label, "obs") == 0;
  if (!one)
    return elab_error(elab, tree_get(env->tree, "observe")->span,
                      "as in  observe: stack[obs](x, y)",
                      "an observation has one axis, 'obs', but this has axes %s",
                      axes_text(elab->graph, elab->arena, node->axes));
  elab->graph->axes[axis].order = AXIS_FEATURE;
  facts->obs_dim = elab->graph->axes[axis].extent;
  return true;
}

/* Nothing that only checks may leave draws behind. */
static bool check_texts(Elab *elab, EnvFacts *facts) {
  size_t draws = elab->result->draw_count, streams = elab->streams_count;
  bool good = check_motion(elab, facts);
  good = check_observe(elab, facts) && good;
  elab->result->draw_count = draws;
  elab->streams_count = streams;
  return good;
}

/* ---- the whole ---- */

/* What the prelude has for environments alone: draws that are values. */
static void add_draws(Elab *elab) {
  const Tree *draws = tree_get(elab->prelude, "environment");
  for (size_t i = 0; draws && i < draws->entry_count; i++)
    define_add(elab, elab->environment->scope, &draws->entries[i]);
}

static void add_bounds(Elab *elab, const EnvFacts *facts) {
  Environment *env = elab->environment;
  env->low = facts->low, env->high = facts->high;
  if (facts->choices) return;
  Graph *graph = elab->graph;
  frame_add(elab, env->scope, "low", "bound", (Span){0}, value_node(node_const(graph, env->low)));
  frame_add(elab, env->scope, "high", "bound", (Span){0}, value_node(node_const(graph, env->high)));
}

static bool read_defines(Elab *elab, const Tree *map) {
  Frame *scope = elab->environment->scope;
  bool good = true;
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    const Expr *signature = key_signature(elab, entry);
    good = signature && name_is_good(elab, signature->text, "define", entry->key_span) &&
           define_add(elab, scope, entry) && good;
  }
  return good;
}

static bool read_all(Elab *elab, EnvFacts *facts) {
  static const char *const others[] = {"let", "reward", "terminated", "truncated"};
  const Tree *tree = elab->environment->tree;
  add_draws(elab);
  if (!read_constants(elab, tree_get(tree, "constants"))) return false;
  bool good = read_numbers(elab, facts) && read_action(elab, facts);
  if (!good) return false;
  add_bounds(elab, facts);
  if (!read_defines(elab, tree_get(tree, "define")) || !read_states(elab)) return false;
  good = keys_are_states(elab, "reset", NULL, 0);
  good = keys_are_states(elab, "step", others, COUNTOF(others)) && good;
  return good && check_texts(elab, facts);
}

const Tree *environment_tree(const Elab *elab) { return elab->environment->tree; }

bool environment_read(Elab *elab, const Tree *id) {
  Tree *tree = load(elab, id);
  if (!tree || !tree_check_keys(elab->arena, elab->diag, tree, "environment")) return false;
  Environment *env = NEW(elab->arena, Environment);
  *env = (Environment){.tree = tree, .scope = frame_make(elab, elab->library, "env")};
  elab->environment = env;
  EnvFacts facts = {.id = tree_get(tree, "environment")->text.text, .threshold = NAN};
  EnvScope former = environment_enter(elab, axes_none(), true);
  bool good = read_all(elab, &facts);
  environment_leave(elab, former);
  elab->env = facts; /* as far as they could be read */
  if (!good) elab->environment = NULL;
  return good;
}
