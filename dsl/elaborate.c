/* From a resolved spec to a module: facts of the environment, names, declarations, then the loop.
 */
#include "dsl/scope.h"

#include <stdlib.h>
#include <string.h>

/* ---- what the spec may not use yet ---- */

static const struct {
  const char *key, *inside;
} missing[] = {{"rollout", NULL},      {"store", NULL},     {"compute", NULL},
               {"overlap", NULL},      {"precision", NULL}, {"window", "replay"},
               {"priority", "replay"}, {"extra", "replay"}, {"from", "replay"},
               {"clip", "env"}};

static bool refuse_missing(Elab *elab) {
  bool good = true;
  for (size_t i = 0; i < COUNTOF(missing); i++) {
    const Tree *map = missing[i].inside ? tree_get(elab->spec, missing[i].inside) : elab->spec;
    const TreeEntry *entry = map && map->kind == TREE_MAP ? tree_entry(map, missing[i].key) : NULL;
    if (entry)
      good = diag_error(elab->diag, entry->key_span, NULL, "'%s' is not supported yet",
                        missing[i].key);
  }
  const Tree *networks = tree_get(elab->spec, "networks");
  for (size_t i = 0; networks && i < networks->entry_count; i++) {
    const TreeEntry *entry = tree_entry(networks->entries[i].value, "embed");
    if (entry) good = diag_error(elab->diag, entry->key_span, NULL, "'embed' is not supported yet");
  }
  return good;
}

/* ---- the environment ---- */

static bool lookup_env(Elab *elab, const Tree *id) {
  if (id->kind != TREE_SCALAR)
    return diag_error(elab->diag, id->span, "as in  env: HalfCheetah-v5",
                      "expected the name of an environment");
  if (elab->options->env_lookup(id->text.text, &elab->env)) return true;
  const char *const *names;
  size_t count = elab->options->env_names(&names);
  const char *hint = hint_nearest(elab->arena, id->text.text, names, count);
  return diag_error(elab->diag, id->span, hint ? hint : "`rlc envs` lists what there is",
                    "unknown environment '%s'", id->text.text);
}

static bool read_env_options(Elab *elab, const Tree *env) {
  const Tree *tree;
  uint64_t count = 1;
  if ((tree = tree_get(env, "count")) &&
      !eval_count(elab, elab->globals, tree, "the number of environments", 1, 65536, &count))
    return false;
  elab->env_count = (uint32_t)count;
  if ((tree = tree_get(env, "reward_scale")) &&
      !eval_number(elab, elab->globals, tree, "the reward scale", &elab->reward_scale))
    return false;
  if ((tree = tree_get(env, "normalize"))) {
    const char **names;
    Span *spans;
    size_t n;
    if (!tree_names(elab, tree, &names, &spans, &n)) return false;
    for (size_t i = 0; i < n; i++) {
      if (strcmp(names[i], "obs") != 0)
        return diag_error(elab->diag, spans[i], NULL, "normalising '%s' is not supported yet",
                          names[i]);
      elab->normalize_obs = true;
    }
  }
  if ((tree = tree_get(env, "action"))) {
    if (tree->kind != TREE_SCALAR || strcmp(tree->text.text, "rescale") != 0)
      return diag_error(elab->diag, tree->span, "did you mean 'rescale'?",
                        "unknown handling of actions");
    elab->env.low = -1, elab->env.high = 1;
    elab->module->shell.rescale = 1;
  }
  return true;
}

static bool read_env(Elab *elab) {
  const Tree *env = tree_get(elab->spec, "env");
  elab->reward_scale = 1;
  if (!env) return true; /* a spec without data: the loop is its own clock */
  const Tree *id = env->kind == TREE_MAP ? tree_get(env, "id") : env;
  if (!id)
    return diag_error(elab->diag, env->span, "as in  id: HalfCheetah-v5", "'env' has no 'id'");
  if (!lookup_env(elab, id)) return false;
  if (elab->env.choices)
    return diag_error(elab->diag, id->span, NULL,
                      "'%s' has discrete actions, which are not supported yet", elab->env.id);
  elab->env_count = 1;
  return true;
}

/* Axes and numbers that every spec sees. */
static void add_env_names(Elab *elab) {
  if (!elab->env_count) return;
  const struct {
    const char *name;
    double value;
  } facts[] = {{"obs_dim", elab->env.obs_dim},
               {"act_dim", elab->env.act_dim},
               {"max_episode_steps", elab->env.limit}};
  for (size_t i = 0; i < COUNTOF(facts); i++)
    frame_add(elab, elab->globals, facts[i].name, "property of the environment", (Span){0},
              value_node(node_const(elab->graph, facts[i].value)));
  elab->obs_axis = graph_axis(elab->graph, "obs", "", elab->env.obs_dim, AXIS_FEATURE, (Span){0});
  elab->act_axis = graph_axis(elab->graph, "act", "", elab->env.act_dim, AXIS_FEATURE, (Span){0});
}

/* ---- names ---- */

static bool add_prelude(Elab *elab) {
  const char *error = NULL;
  const Source *source = elab->options->prelude
                             ? source_read(elab->arena, elab->options->prelude, &error)
                             : source_from_text(elab->arena, "<prelude>", dsl_prelude);
  if (!source)
    return diag_error(elab->diag, (Span){0}, NULL, "cannot read the prelude '%s': %s",
                      elab->options->prelude, error);
  elab->prelude = tree_parse(elab->arena, elab->diag, source);
  if (!elab->prelude) return false;
  const Tree *define = tree_get(elab->prelude, "define");
  bool good = true;
  for (size_t i = 0; define && i < define->entry_count; i++)
    good = define_add(elab, elab->library, &define->entries[i]) && good;
  return good;
}

/* The names of the normaliser: its states, and normalized_obs(x). */
static bool add_normalizer(Elab *elab) {
  if (!elab->normalize_obs) return true;
  const Tree *obs = tree_get(tree_get(elab->prelude, "normalize"), "obs");
  if (!obs)
    return diag_error(elab->diag, elab->spec->span, NULL, "the prelude has no 'normalize.obs'");
  if (!states_declare(elab, tree_get(obs, "state"))) return false;
  const TreeEntry *apply = tree_entry(obs, "apply(x)");
  Function *function = NEW(elab->arena, Function);
  *function = (Function){.kind = FUNCTION_DEFINE,
                         .name = "normalized_obs",
                         .signature = key_signature(elab, apply),
                         .body = apply->value,
                         .scope = elab->globals};
  frame_add(elab, elab->globals, "normalized_obs", "define", apply->key_span,
            value_function(function));
  return true;
}

static bool add_defines(Elab *elab) {
  const Tree *define = tree_get(elab->spec, "define");
  bool good = true;
  for (size_t i = 0; define && i < define->entry_count; i++) {
    const TreeEntry *entry = &define->entries[i];
    const Expr *signature = key_signature(elab, entry);
    good = signature &&
           name_is_free(elab, elab->globals, signature->text, "define", entry->key_span) &&
           define_add(elab, elab->globals, entry) && good;
  }
  return good;
}

/* Constants are checked at once, used or not. */
static bool add_constants(Elab *elab) {
  const Tree *constants = tree_get(elab->spec, "constants");
  bool good = frame_add_map(elab, elab->globals, constants, "constant");
  for (size_t i = 0; good && constants && i < constants->entry_count; i++) {
    Entry *entry = frame_find(elab->globals, constants->entries[i].key);
    elab->path = "constants";
    Value value = eval_entry(elab, elab->globals, entry, entry->span);
    if (value.kind == VALUE_ERROR)
      good = false;
    else if (value.kind != VALUE_NODE || value.node->op != OP_const)
      good = diag_error(elab->diag, constants->entries[i].value->span, NULL,
                        "the constant '%s' is not a number", constants->entries[i].key);
  }
  return good;
}

/* ---- the whole ---- */

static void finish_shell(Elab *elab) {
  RlcModule *shell = &elab->module->shell;
  Module *module = elab->module;
  elab->init.name = "init";
  PUSH(elab->arena, module->programs, module->program_count, module->program_capacity, elab->init);
  const Tree *name = tree_get(elab->spec, "name");
  shell->abi = RLC_ABI;
  shell->name = name && name->kind == TREE_SCALAR ? name->text.text : "unnamed";
  shell->env_id = elab->env.id;
  shell->obs_dim = elab->env.obs_dim;
  shell->act_dim = elab->env.act_dim;
  shell->act_low = elab->env.low;
  shell->act_high = elab->env.high;
  shell->init = (uint32_t)module->program_count - 1;
  memcpy(shell->counters, elab->counters, sizeof shell->counters);
  sources_close(elab);
}

static bool declare_all(Elab *elab) {
  if (!add_prelude(elab) || !refuse_missing(elab) || !read_env(elab)) return false;
  add_env_names(elab);
  bool good = add_constants(elab);
  const Tree *env = tree_get(elab->spec, "env");
  if (!good || (env && env->kind == TREE_MAP && !read_env_options(elab, env))) return false;
  good = add_defines(elab);
  good = networks_declare(elab) && good;
  good = parameters_declare(elab) && good;
  good = good && targets_declare(elab);
  good = states_declare(elab, tree_get(elab->spec, "state")) && good;
  good = good && add_normalizer(elab);
  return sources_open(elab) && good;
}

/* The resolved spec as text, for the trainer to carry, and its hash. */
static void keep_text(Elab *elab) {
  char *text = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&text, &size);
  if (!memory) bug("no memory for the resolved spec");
  tree_print(elab->spec, memory);
  fclose(memory);
  elab->module->shell.spec = arena_copy(elab->arena, text, size);
  elab->module->shell.spec_hash = hash_bytes(HASH_SEED, text, size);
  free(text);
}

Elaborated *dsl_elaborate(Arena *arena, Diag *diag, Tree *spec, const DslOptions *options) {
  Elab *elab = NEW(arena, Elab);
  *elab = (Elab){.arena = arena,
                 .diag = diag,
                 .options = options,
                 .spec = spec,
                 .path = "",
                 .graph = graph_make(arena)};
  elab->module = NEW(arena, Module);
  elab->module->graph = elab->graph;
  elab->result = NEW(arena, Elaborated);
  elab->result->module = elab->module;
  elab->result->spec = spec;
  for (int i = 0; i < RLC_COUNTERS; i++) elab->counters[i] = RLC_NONE;
  elab->library = frame_make(elab, NULL, "prelude");
  elab->globals = frame_make(elab, elab->library, "spec");
  if (!declare_all(elab)) return NULL;
  bool good = acting_elaborate(elab);
  good = loop_elaborate(elab) && good;
  if (!good || diag_errors(diag)) return NULL;
  finish_shell(elab);
  keep_text(elab);
  return elab->result;
}
