/* From a resolved spec to a module: facts of the environment, names, declarations, then the loop.
 */
#include "dsl/data.h"
#include "dsl/yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the spec may not use yet ---- */

/* Paths of dsl/keys.def that are planned and not there; `*` is any name. */
static const char *const missing[] = {"define.*.state.*.reset"};

/* Refuses what lies at `pattern` below the map. */
static bool refuse(Elab *elab, const Tree *map, const char *pattern) {
  size_t length = strcspn(pattern, ".");
  bool good = true;
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    bool same = strlen(entry->key) == length && strncmp(entry->key, pattern, length) == 0;
    if (!same && *pattern != '*') continue;
    if (pattern[length])
      good = refuse(elab, entry->value, pattern + length + 1) && good;
    else
      good = elab_error(elab, entry->key_span, NULL, "'%s' is not supported yet", entry->key);
  }
  return good;
}

#define NAME_LIMIT 128

/* The name of a spec is that of its trainer and of folders of runs. */
static void check_spec_name(Elab *elab) {
  const Tree *name = tree_get(elab->spec, "name");
  if (!name || name->kind != TREE_SCALAR) return;
  if (strchr(name->text.text, '/'))
    elab_error(elab, name->span, "the trainer and its folders are called so; as in  name: sac",
               "the name of a spec has no '/'");
  if (strlen(name->text.text) > NAME_LIMIT)
    elab_error(elab, name->span, "the trainer and its folders are called so; as in  name: sac",
               "the name of a spec has at most %d bytes", NAME_LIMIT);
}

static void refuse_missing(Elab *elab) {
  for (size_t i = 0; i < COUNTOF(missing); i++) refuse(elab, elab->spec, missing[i]);
}

/* ---- precision ---- */

static void read_precision(Elab *elab) {
  const Tree *tree = tree_get(elab->spec, "precision");
  if (!tree || tree->kind != TREE_SCALAR) return;
  const char *text = tree->text.text;
  elab->module->precision_span = tree->span;
  const char *known[FORMAT_COUNT];
  for (int format = 0; format < FORMAT_COUNT; format++) {
    known[format] = format_table[format].name;
    if (strcmp(text, known[format]) != 0) continue;
    elab->module->precision = (NumberFormat)format;
    return;
  }
  if (strcmp(text, "float64") == 0)
    elab_error(elab, tree->span,
               "float32 is the default; `--target oracle` interprets in double precision, slowly",
               "trainers compute in float32, not in float64");
  else
    elab_error(elab, tree->span, hint_nearest(elab->arena, text, known, FORMAT_COUNT),
               "there is no precision '%s'; there are float32, bf16 and tf32", text);
}

/* ---- the environment ---- */

/* A name that lacks its version, as Pendulum of Pendulum-v1. */
static const char *hint_version(Arena *arena, const char *name, const char *const *names,
                                size_t count) {
  size_t length = strlen(name);
  for (size_t i = 0; i < count; i++)
    if (strncmp(names[i], name, length) == 0 && names[i][length] == '-')
      return arena_printf(arena, "did you mean '%s'?", names[i]);
  return NULL;
}

static bool lookup_env(Elab *elab, const Tree *id) {
  if (id->kind != TREE_SCALAR)
    return elab_error(elab, id->span, "as in  env: HalfCheetah-v5",
                      "expected the name of an environment");
  if (elab->options->env_lookup(id->text.text, &elab->env)) return true;
  size_t errors = diag_errors(elab->diag);
  if (environment_read(elab, id)) return true;
  if (diag_errors(elab->diag) > errors) return false;
  const char *names[64];
  size_t count = environment_names(elab, names, COUNTOF(names));
  const char *hint = hint_nearest(elab->arena, id->text.text, names, count);
  if (!hint) hint = hint_version(elab->arena, id->text.text, names, count);
  return elab_error(elab, id->span, hint ? hint : "`rlc envs` lists what there is",
                    "unknown environment '%s'", id->text.text);
}

static void read_normalize(Elab *elab, const Tree *tree) {
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, tree, &names, &spans, &count)) return;
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], "obs") == 0)
      elab->normalize_obs = true;
    else if (strcmp(names[i], "reward") == 0)
      elab->normalize_reward = true;
    else
      elab_error(elab, spans[i], "as in  normalize: [obs, reward]",
                 "'%s' is not a column that can be normalised", names[i]);
  }
}

static void read_env_options(Elab *elab, const Tree *env) {
  const Tree *count = tree_get(env, "count"), *scale = tree_get(env, "reward_scale"),
             *normalize = tree_get(env, "normalize"), *action = tree_get(env, "action"),
             *clip = tree_get(env, "clip");
  uint64_t environments = 1;
  if (count)
    eval_count(elab, elab->globals, count, "the number of environments", 1, 65536, &environments);
  elab->env_count = (uint32_t)environments;
  if (scale) eval_number(elab, elab->globals, scale, "the reward scale", &elab->reward_scale);
  if (normalize) read_normalize(elab, normalize);
  if (clip && eval_number(elab, elab->globals, clip, "the bound", &elab->normal_clip) &&
      elab->normal_clip <= 0)
    elab_error(elab, clip->span, "as in  clip: 10", "the bound must be positive");
  if (clip && !normalize)
    elab_error(elab, clip->span, "as in  normalize: obs", "'clip' bounds what is normalised");
  if (!action) return;
  if (action->kind != TREE_SCALAR || strcmp(action->text.text, "rescale") != 0)
    elab_error(elab, action->span,
               "'rescale' maps [-1, 1] to the box; without the key nothing is done",
               "unknown handling of actions");
  elab->env.low = -1, elab->env.high = 1;
  elab->module->shell.rescale = 1;
}

/* Stands in for an environment that cannot be had, so that the rest of the spec is still checked:
 * with the actions of a file that is wrong behind them. */
static bool env_stand_in(Elab *elab) {
  EnvFacts read = elab->env;
  elab->env =
      (EnvFacts){.id = "unknown", .obs_dim = 1, .act_dim = 1, .limit = 1, .low = -1, .high = 1};
  if (read.act_dim > 0) elab->env.act_dim = read.act_dim;
  elab->env.choices = read.choices;
  elab->env_count = 1;
  elab->env_unknown = true;
  return false;
}

static bool read_env(Elab *elab) {
  const Tree *env = tree_get(elab->spec, "env");
  elab->reward_scale = 1;
  if (!env) return true; /* a spec without data: the loop is its own clock */
  const Tree *id = env->kind == TREE_MAP ? tree_get(env, "id") : env;
  if (!id)
    return elab_error(elab, env->span, "as in  id: HalfCheetah-v5", "'env' has no 'id'"),
           env_stand_in(elab);
  if (!lookup_env(elab, id)) return env_stand_in(elab);
  elab->env_count = 1;
  return true;
}

/* Axes and numbers that every spec sees. */
static void add_env_names(Elab *elab) {
  if (!elab->env_count) return;
  bool discrete = elab->env.choices > 0;
  const struct {
    const char *name;
    double value;
  } facts[] = {
      {"obs_dim", elab->env.obs_dim},
      {"max_episode_steps", elab->env.limit},
      {discrete ? "choices" : "act_dim", discrete ? elab->env.choices : elab->env.act_dim}};
  for (size_t i = 0; i < COUNTOF(facts); i++)
    frame_add(elab, elab->globals, facts[i].name, "property of the environment", (Span){0},
              value_node(node_const(elab->graph, facts[i].value)));
  elab->obs_axis = axis_instance(elab, "obs", elab->env.obs_dim, AXIS_FEATURE, (Span){0});
  if (discrete)
    elab->choice_axis = axis_instance(elab, "choice", elab->env.choices, AXIS_FEATURE, (Span){0});
  else
    elab->act_axis = axis_instance(elab, "act", elab->env.act_dim, AXIS_FEATURE, (Span){0});
}

/* ---- names ---- */

/* The defines of a prelude have the keys of a spec's. */
static bool check_prelude(Elab *elab) {
  const TreeEntry *define = tree_entry(elab->prelude, "define");
  if (!define) return true;
  Tree *spec = tree_map(elab->arena, define->key_span);
  ExprText name = {"prelude", strlen("prelude"), elab->prelude_source, define->key_span, NULL};
  tree_put(elab->arena, spec, (TreeEntry){.key = "name", .value = tree_scalar(elab->arena, name)});
  tree_put(elab->arena, spec,
           (TreeEntry){.key = "losses", .value = tree_map(elab->arena, define->key_span)});
  tree_put(elab->arena, spec, *define);
  return tree_check_keys(elab->arena, elab->diag, spec, "spec");
}

static bool add_prelude(Elab *elab) {
  const char *error = NULL;
  const Source *source = elab->options->prelude
                             ? source_read(elab->arena, elab->options->prelude, &error)
                             : source_from_text(elab->arena, "<prelude>", dsl_prelude);
  if (!source)
    return elab_error(elab, (Span){0}, NULL, "cannot read the prelude '%s': %s",
                      elab->options->prelude, error);
  elab->prelude_source = source;
  elab->prelude = tree_parse(elab->arena, elab->diag, source);
  if (!elab->prelude || !check_prelude(elab)) return false;
  const Tree *define = tree_get(elab->prelude, "define");
  bool good = true;
  for (size_t i = 0; define && i < define->entry_count; i++)
    good = define_add(elab, elab->library, &define->entries[i]) && good;
  return good;
}

static bool add_defines(Elab *elab) {
  const Tree *define = tree_get(elab->spec, "define");
  bool good = true;
  for (size_t i = 0; define && i < define->entry_count; i++) {
    const TreeEntry *entry = &define->entries[i];
    const Expr *signature = key_signature(elab, entry);
    good = signature && name_declare(elab, signature->text, "define", entry->key_span) &&
           define_add(elab, elab->globals, entry) && good;
  }
  return good;
}

static void keep_constant(Elab *elab, const char *name, double value) {
  Elaborated *result = elab->result;
  ConstantInfo info = {name, value};
  PUSH(elab->arena, result->constants, result->constant_count, result->constant_capacity, info);
}

/* Constants are checked at once, used or not. */
static void add_constants(Elab *elab) {
  const Tree *constants = tree_get(elab->spec, "constants");
  frame_add_map(elab, elab->globals, constants, "constant");
  for (size_t i = 0; constants && i < constants->entry_count; i++) {
    const Tree *tree = constants->entries[i].value;
    Entry *entry = frame_find(elab->globals, constants->entries[i].key);
    if (!entry) continue;
    elab->path = "constants";
    bool used = entry->used; /* by another constant */
    Value value = eval_entry(elab, elab->globals, entry, entry->span);
    entry->used = used;
    bool number = value.kind == VALUE_NODE && value.node->op == OP_const;
    if (number && !isnan(value.node->attr.value)) {
      keep_constant(elab, entry->name, value.node->attr.value);
      continue;
    }
    if (value.kind != VALUE_ERROR)
      elab_error(elab, tree->span, "as in  gamma: 0.99", "the constant '%s' is not a number",
                 entry->name);
    poison(elab, constants->entries[i].key, "constant", entry->span);
  }
}

/* ---- the whole ---- */

/* The counters that programs read. What conditions read is the runtime's own affair. */
static void counters_close(Elab *elab) {
  Node **nodes;
  uint32_t *counters = elab->module->shell.counters;
  size_t count = module_reach(elab->module, NULL, elab->arena, &nodes);
  for (int c = 0; c < RLC_COUNTERS; c++) {
    counters[c] = RLC_NONE;
    for (size_t i = 0; i < count; i++)
      if (nodes[i]->op == OP_input && nodes[i]->attr.key == elab->counters[c])
        counters[c] = elab->counters[c];
  }
}

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
  shell->choices = elab->env.choices;
  shell->limit = elab->env.limit;
  shell->act_low = elab->env.low;
  shell->act_high = elab->env.high;
  shell->init = (uint32_t)module->program_count - 1;
  counters_close(elab);
  sources_close(elab);
  if (elab->overlap) overlap_tables(elab);
}

/* `evaluate:` of the spec: what the trainer's options are when not given. */
static void read_evaluation(Elab *elab) {
  const Tree *map = tree_get(elab->spec, "evaluate");
  const Tree *every = tree_get(map, "every"), *episodes = tree_get(map, "episodes");
  uint64_t count = 0;
  if (every && eval_count(elab, elab->globals, every, "'every'", 1, 1e15, &count))
    elab->module->shell.eval_every = count;
  if (episodes && eval_count(elab, elab->globals, episodes, "'episodes'", 1, 1e6, &count))
    elab->module->shell.eval_episodes = (uint32_t)count;
}

/* Everything before acting and the loop. What failed has no value, and its uses are silent, so that
 * one run tells of all independent mistakes. False without a prelude: then nothing more can be
 * said. */
static bool declare_all(Elab *elab) {
  if (!add_prelude(elab)) return false;
  refuse_missing(elab);
  check_spec_name(elab);
  read_precision(elab);
  read_env(elab);
  add_env_names(elab);
  add_constants(elab);
  const Tree *env = tree_get(elab->spec, "env");
  if (elab->env_count && env->kind == TREE_MAP) read_env_options(elab, env);
  const Tree *overlap = tree_get(elab->spec, "overlap");
  elab->overlap = overlap && strcmp(overlap->text.text, "true") == 0;
  rows_open(elab);
  if (elab->env_count) columns_declare(elab);
  read_evaluation(elab);
  add_defines(elab);
  networks_declare(elab);
  parameters_declare(elab);
  targets_declare(elab);
  states_declare(elab, tree_get(elab->spec, "state"));
  normalizers_declare(elab);
  sources_open(elab);
  return true;
}

static char *text_of(const Tree *tree, size_t *size) {
  char *text = NULL;
  FILE *memory = open_memstream(&text, size);
  if (!memory) bug("no memory for the resolved spec");
  tree_print(tree, memory);
  fclose(memory);
  return text;
}

/* The resolved spec as text, for the trainer to carry, and its hash, which is also of the declared
 * environment: another one is another spec. */
static void keep_text(Elab *elab) {
  size_t size = 0;
  files_rename(elab, false);
  char *text = text_of(elab->spec, &size);
  elab->module->shell.spec_hash = hash_bytes(HASH_SEED, text, size);
  free(text);
  files_rename(elab, true);
  text = text_of(elab->spec, &size);
  elab->module->shell.spec = arena_copy(elab->arena, text, size);
  free(text);
  if (!elab->environment) return;
  text = text_of(environment_tree(elab), &size);
  elab->module->shell.spec_hash = hash_bytes(elab->module->shell.spec_hash, text, size);
  free(text);
}

static Elab *elab_make(Arena *arena, Diag *diag, Tree *spec, const DslOptions *options) {
  Elab *elab = NEW(arena, Elab);
  *elab = (Elab){.arena = arena,
                 .diag = diag,
                 .options = options,
                 .spec = spec,
                 .path = "",
                 .graph = graph_make(arena)};
  elab->graph->keep_axes = true;
  elab->module = NEW(arena, Module);
  elab->module->graph = elab->graph;
  elab->result = NEW(arena, Elaborated);
  elab->result->module = elab->module;
  elab->result->spec = spec;
  for (int i = 0; i < RLC_COUNTERS; i++) elab->counters[i] = RLC_NONE;
  elab->library = frame_make(elab, NULL, "prelude");
  elab->globals = frame_make(elab, elab->library, "spec");
  return elab;
}

bool dsl_environment(Arena *arena, Diag *diag, const char *id, EnvFacts *facts) {
  const DslOptions options = {0};
  Elab *elab = elab_make(arena, diag, tree_map(arena, (Span){0}), &options);
  ExprText text = {id, strlen(id), NULL, {0}, NULL};
  if (!add_prelude(elab) || !environment_read(elab, tree_scalar(arena, text))) return false;
  *facts = elab->env;
  return true;
}

Elaborated *dsl_elaborate(Arena *arena, Diag *diag, Tree *spec, const DslOptions *options) {
  Elab *elab = elab_make(arena, diag, spec, options);
  if (!declare_all(elab)) return NULL;
  bool good = acting_elaborate(elab);
  good = loop_elaborate(elab) && good;
  lint(elab);
  if (!good && !diag_errors(diag)) bug("a mistake that was not reported");
  if (diag_errors(diag)) return NULL;
  finish_shell(elab);
  elab->graph->keep_axes = false;
  keep_text(elab);
  return elab->result;
}
