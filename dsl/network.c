/* Networks: declared once, called with any parameters. A first walk through the layers mints the
 * parameters. */
#include "dsl/scope.h"

#include <string.h>

/* Which axes an input brings: those written behind its name, else the column's own for obs and
 * action. */
static bool input_axes(Elab *elab, const char *name, const Tree *axes, Span span, Axes *result) {
  static const char *const columns[] = {"obs", "next_obs", "action"};
  if (axes) return declared_axes(elab, axes, result);
  bool obs = strcmp(name, "obs") == 0 || strcmp(name, "next_obs") == 0;
  bool action = strcmp(name, "action") == 0;
  if ((obs || action) && !elab->env_count)
    return elab_error(elab, span, "as in  env: HalfCheetah-v5",
                      "the input '%s' is a column of an environment, and the spec names none",
                      name);
  if (action && elab->env.choices)
    return elab_error(
        elab, span, "as in  input: {obs: obs, action: choice}, called with one_hot[choice](action)",
        "an action of '%s' is a whole number, without an axis of features", elab->env.id);
  if (obs || action) {
    *result = axes_one(obs ? elab->obs_axis : elab->act_axis);
    return true;
  }
  const char *hint = hint_nearest(elab->arena, name, columns, COUNTOF(columns));
  if (!hint) hint = "name its axis, as in  input: {features: hid}";
  return elab_error(elab, span, hint, "the axis of input '%s' is not known", name);
}

static bool add_input(Elab *elab, Network *network, const char *name, const Tree *axes_tree,
                      Span span) {
  Axes axes;
  if (!input_axes(elab, name, axes_tree, span, &axes)) return false;
  if (network->input_count == 8)
    return elab_error(elab, span, NULL, "a network has at most 8 inputs");
  for (size_t i = 0; i < network->input_count; i++)
    if (strcmp(network->inputs[i], name) == 0)
      return elab_error(elab, span, "write it once", "'%s' stands in 'input' twice", name);
  network->inputs[network->input_count] = name;
  network->input_axes[network->input_count++] = axes;
  return true;
}

static bool read_inputs(Elab *elab, Network *network, const Tree *tree) {
  network->inputs = NEW_ARRAY(elab->arena, const char *, 8);
  network->input_axes = NEW_ARRAY(elab->arena, Axes, 8);
  if (tree->kind == TREE_MAP) {
    for (size_t i = 0; i < tree->entry_count; i++)
      if (!name_check(elab, tree->entries[i].key, tree->entries[i].key_span) ||
          !add_input(elab, network, tree->entries[i].key, tree->entries[i].value,
                     tree->entries[i].key_span))
        return false;
    return true;
  }
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, tree, &names, &spans, &count)) return false;
  for (size_t i = 0; i < count; i++)
    if (!add_input(elab, network, names[i], NULL, spans[i])) return false;
  return true;
}

static bool read_copies(Elab *elab, Network *network, const Tree *tree) {
  network->copies = axes_none();
  for (size_t i = 0; tree && i < tree->entry_count; i++) {
    uint64_t count;
    if (!name_check(elab, tree->entries[i].key, tree->entries[i].key_span)) return false;
    if (!eval_count(elab, elab->globals, tree->entries[i].value, "the number of copies", 1, 65536,
                    &count))
      return false;
    AxisId axis = axis_instance(elab, tree->entries[i].key, (uint32_t)count, AXIS_COPY,
                                tree->entries[i].key_span);
    network->copies = axes_union(network->copies, axes_one(axis));
  }
  return true;
}

/* ---- calls ---- */

/* "as in critic(obs, action)". */
static const char *inputs_hint(Elab *elab, const Network *network) {
  const char *text = arena_printf(elab->arena, "as in %s(", network->name);
  for (size_t i = 0; i < network->input_count; i++)
    text = arena_printf(elab->arena, "%s%s%s", text, i ? ", " : "", network->inputs[i]);
  return arena_printf(elab->arena, "%s)", text);
}

/* The argument for one input, which must have its axes. */
static Node *check_input(Elab *elab, const Network *network, size_t i, Value arg, Span span,
                         Flow *flow) {
  Node *node = value_tensor(elab, arg, span);
  unsigned cursor = 0;
  Axes lacking = node ? axes_minus(network->input_axes[i], node->axes) : axes_none();
  for (AxisId x; axes_next(lacking, &cursor, &x);)
    if (elab->graph->axes[x].extent > 1) /* along one of extent 1 a number is the same without it */
      return elab_error(elab, span, inputs_hint(elab, network),
                        "the input '%s' of network '%s' needs the axis '%s', but this has %s",
                        network->inputs[i], network->name, elab->graph->axes[x].label,
                        axes_text(elab->graph, elab->arena, node->axes)),
             NULL;
  flow->values[i] = node;
  flow->features[i] = network->input_axes[i];
  flow->names[i] = network->inputs[i];
  return node;
}

static bool check_inputs(Elab *elab, const Network *network, const Expr *site, Value *args,
                         size_t count, Flow *flow) {
  if (count != network->input_count)
    return elab_error(elab, site->span, inputs_hint(elab, network),
                      "the network '%s' takes %zu input%s, not %zu", network->name,
                      network->input_count, network->input_count == 1 ? "" : "s", count);
  for (uint32_t i = 0; i < site->arg_count; i++)
    if (site->args[i].name)
      return elab_error(elab, site->args[i].name_span, "give them in order, without names",
                        "the inputs of the network '%s' have no names", network->name);
  for (size_t i = 0; i < count; i++) {
    Span span = site->args && i < site->arg_count ? site->args[i].value->span : site->span;
    if (!check_input(elab, network, i, args[i], span, flow)) return false;
  }
  flow->count = count;
  return true;
}

/* ---- walks ---- */

/* The layers that an input passes before the inputs join. */
static bool embed(Layers *layers, Flow *flow, const Tree *map) {
  Elab *elab = layers->elab;
  const Network *network = layers->network;
  for (size_t k = 0; map && k < map->entry_count; k++) {
    const TreeEntry *entry = &map->entries[k];
    size_t i = 0;
    while (i < flow->count && strcmp(flow->names[i], entry->key) != 0) i++;
    if (i == flow->count)
      return elab_error(elab, entry->key_span,
                        hint_nearest(elab->arena, entry->key, flow->names, flow->count),
                        "the network '%s' has no input '%s'", network->name, entry->key);
    Flow branch = {{flow->values[i]}, {flow->features[i]}, {"x"}, 1};
    layers->prefix = arena_printf(elab->arena, "%s.embed.%s", network->name, entry->key);
    if (!layers_apply(layers, &branch, entry->value, false)) return false;
    flow->values[i] = branch.values[0];
    flow->features[i] = branch.features[0];
  }
  layers->prefix = network->name;
  return true;
}

/* One head on top of what flows. */
static bool head(Layers *layers, const Flow *flow, const TreeEntry *entry, Record *record) {
  Elab *elab = layers->elab;
  Flow branch = *flow;
  layers->prefix = arena_printf(elab->arena, "%s.%s", layers->network->name, entry->key);
  if (layers->declaring && !name_check(elab, entry->key, entry->key_span)) return false;
  if (!layers_apply(layers, &branch, entry->value, true)) return false;
  if (branch.count != 1)
    return elab_error(elab, entry->key_span, "give it a dense layer",
                      "the head '%s' does not join its inputs", entry->key);
  record_add(elab, record, entry->key, value_node(branch.values[0]));
  return true;
}

static Value walk_heads(Layers *layers, const Flow *flow, const Tree *heads) {
  Elab *elab = layers->elab;
  Record *record =
      record_make(elab, arena_printf(elab->arena, "the network '%s'", layers->network->name));
  bool good = true;
  for (size_t i = 0; i < heads->entry_count && (good || layers->declaring); i++)
    good = head(layers, flow, &heads->entries[i], record) && good;
  if (heads->entry_count == 0)
    good = elab_error(elab, heads->span, "as in  heads: {mean: dense[act]}",
                      "the network '%s' has no heads", layers->network->name);
  return good ? value_record(record) : value_error();
}

static Value walk_layers(Layers *layers, Flow *flow) {
  const Tree *tree = layers->network->tree, *body = tree_get(tree, "layers"),
             *heads = tree_get(tree, "heads");
  if (!embed(layers, flow, tree_get(tree, "embed"))) return value_error();
  if (body && !layers_apply(layers, flow, body, !heads)) return value_error();
  if (heads) return walk_heads(layers, flow, heads);
  if (flow->count == 1) return value_node(flow->values[0]);
  elab_error(layers->elab, tree->span, "as in  layers: dense(64), relu, dense[act]",
             "the network '%s' has no layers", layers->network->name);
  return value_error();
}

static Value walk(Layers *layers, Flow *flow) {
  Layers *former = layers->elab->layers;
  layers->elab->layers = layers;
  Value value = walk_layers(layers, flow);
  layers->elab->layers = former;
  return value;
}

Value network_call(Elab *elab, Function *function, const Expr *site, Value *args, size_t count) {
  if (function->network->declaring)
    elab_error(elab, site->span, NULL, "the network '%s' is called by its own layers",
               function->name);
  if (function->network->declaring || function->network->broken) return value_error();
  Layers layers = {.elab = elab,
                   .network = function->network,
                   .copy = function->copy,
                   .site = site,
                   .prefix = function->network->name};
  Flow flow = {.count = 0};
  if (!check_inputs(elab, function->network, site, args, count, &flow)) return value_error();
  return walk(&layers, &flow);
}

/* ---- declaration ---- */

/* The first walk through the layers, which mints the parameters. */
static bool declare_layers(Elab *elab, Network *network, const TreeEntry *entry) {
  const Tree *input = tree_get(entry->value, "input");
  if (!input)
    return elab_error(elab, entry->key_span, "as in  input: obs", "the network '%s' has no 'input'",
                      entry->key);
  if (!read_inputs(elab, network, input) ||
      !read_copies(elab, network, tree_get(entry->value, "copies")))
    return false;
  if (network->input_count == 0)
    return elab_error(elab, input->span, "as in  input: obs", "the network '%s' has no inputs",
                      entry->key);
  Expr *site = NEW(elab->arena, Expr);
  *site = (Expr){.kind = EXPR_NAME, .text = entry->key, .span = entry->key_span};
  Flow flow = {.count = network->input_count};
  Node *inputs[COUNTOF(flow.values)];
  Layers layers = {.elab = elab,
                   .network = network,
                   .site = site,
                   .declaring = true,
                   .inputs = inputs,
                   .prefix = network->name};
  for (size_t i = 0; i < network->input_count; i++) {
    flow.values[i] = inputs[i] = node_uniform(elab->graph, i, network->input_axes[i], 0);
    flow.features[i] = network->input_axes[i];
    flow.names[i] = network->inputs[i];
  }
  return walk(&layers, &flow).kind != VALUE_ERROR;
}

static bool declare(Elab *elab, const TreeEntry *entry) {
  if (!name_declare(elab, entry->key, "network", entry->key_span)) return false;
  Network *network = NEW(elab->arena, Network);
  *network = (Network){.name = entry->key, .tree = entry->value};
  Function *function = NEW(elab->arena, Function);
  *function = (Function){.kind = FUNCTION_NETWORK, .name = entry->key, .network = network};
  frame_add(elab, elab->globals, entry->key, "network", entry->key_span, value_function(function));
  network->declaring = true;
  network->broken = !declare_layers(elab, network, entry);
  network->declaring = false;
  PUSH(elab->arena, elab->networks, elab->network_count, elab->network_capacity, network);
  return !network->broken;
}

bool networks_declare(Elab *elab) {
  const Tree *networks = tree_get(elab->spec, "networks");
  bool good = true;
  for (size_t i = 0; networks && i < networks->entry_count; i++)
    if (!declare(elab, &networks->entries[i])) good = false;
  return good;
}
