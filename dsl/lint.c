/* What elaboration did not come by: losses that nothing uses, optimizers for nothing, constants,
 * lets, defines and targets that nothing reads, targets that nothing sets; and defines in place of
 * the prelude's. Afterwards every name in the spec stands for something. */
#include "dsl/data.h"
#include "dsl/names.h"

#include <string.h>

/* Names that are bound where an expression stands: parameters, lets, what a distribution or an
 * optimiser is given. */
typedef struct Names {
  const char **names;
  size_t count, capacity;
} Names;

static void add(Elab *elab, Names *names, const char *name) {
  PUSH(elab->arena, names->names, names->count, names->capacity, name);
}

static void add_keys(Elab *elab, Names *names, const Tree *map) {
  for (size_t i = 0; map && map->kind == TREE_MAP && i < map->entry_count; i++)
    add(elab, names, map->entries[i].key);
}

static bool has(const Names *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->names[i], name) == 0) return true;
  return false;
}

/* ---- expressions ---- */

static bool is_known(Elab *elab, const Names *bound, const Expr *expr) {
  const char *names[512];
  Frame *holder;
  if (has(bound, expr->text) || frame_lookup(elab->globals, expr->text, &holder)) return true;
  size_t count = 0;
  if (expr->called || expr->bracketed) {
    count = builtin_names(names, COUNTOF(names));
    const Tree *noise = tree_get(elab->prelude, "noise");
    if (tree_get(noise, expr->text)) return true;
  } else {
    const LanguageName *row = language_name(expr->text);
    if (row && language_name_readable(row)) return true;
    count = column_names(elab, names, false);
  }
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], expr->text) == 0) return true;
  return false;
}

static void check_expr(Elab *elab, Names *bound, const Expr *expr) {
  if (expr->kind == EXPR_FIELD) {
    const Expr *loss = expr->base;
    bool of_loss = loss->kind == EXPR_FIELD && loss->base->kind == EXPR_NAME &&
                   strcmp(loss->base->text, "losses") == 0;
    if (!of_loss) check_expr(elab, bound, expr->base);
  }
  if (expr->kind == EXPR_NAME && !is_known(elab, bound, expr))
    report_unknown(elab, elab->globals, expr,
                   expr->called || expr->bracketed ? "function" : "name");
  size_t before = bound->count;
  for (uint32_t i = 0; i < expr->axis_count; i++)
    if (expr->axes[i].size) check_expr(elab, bound, expr->axes[i].size);
  bool named = expr->kind == EXPR_NAME;
  bool unrolled = named && (strcmp(expr->text, "unroll") == 0 || strcmp(expr->text, "scan") == 0);
  bool joins = named && strcmp(expr->text, "join") == 0; /* behind the value stand axes */
  for (uint32_t i = 0; i < (joins ? expr->arg_count > 0 : expr->arg_count); i++) {
    check_expr(elab, bound, expr->args[i].value);
    if (unrolled && expr->args[i].name) add(elab, bound, expr->args[i].name);
    for (uint32_t k = 0; unrolled && k < expr->axis_count; k++)
      add(elab, bound, expr->axes[k].name);
  }
  bound->count = before;
}

/* All expressions in a tree, save those under keys that hold none. */
static void check_tree(Elab *elab, Names *bound, const Tree *tree) {
  static const char *const others[] = {"doc", "cite", "noise", "event", "over", "axes"};
  if (tree->kind == TREE_SCALAR) {
    Expr **items;
    size_t count;
    if (!expr_read_list(elab->arena, elab->diag, tree->text, &items, &count)) return;
    for (size_t i = 0; i < count; i++)
      if (items[i]->kind != EXPR_STRING) check_expr(elab, bound, items[i]);
  }
  for (size_t i = 0; tree->kind == TREE_LIST && i < tree->item_count; i++)
    check_tree(elab, bound, tree->items[i]);
  for (size_t i = 0; tree->kind == TREE_MAP && i < tree->entry_count; i++) {
    bool other = false;
    for (size_t k = 0; k < COUNTOF(others); k++)
      other = other || strcmp(others[k], tree->entries[i].key) == 0;
    if (!other) check_tree(elab, bound, tree->entries[i].value);
  }
}

/* ---- what nothing reads ---- */

/* Whether something in a spec comes from another file than its root; the command line is none. */
static bool is_extended(const Tree *tree, const Source *root) {
  const Source *source = tree->span.source;
  if (source && source != root && source->name[0] != '<') return true;
  for (size_t i = 0; i < tree->entry_count; i++)
    if (is_extended(tree->entries[i].value, root)) return true;
  for (size_t i = 0; i < tree->item_count; i++)
    if (is_extended(tree->items[i], root)) return true;
  return false;
}

/* What is in the file that others extend may be read by itself and by other extensions. */
static bool is_inherited(const Elab *elab, Span span) {
  const Source *root = elab->spec->span.source;
  return root && span.source == root && is_extended(elab->spec, root);
}

static void say_unread(Elab *elab, Span span, const char *name, const char *what,
                       const char *hint) {
  if (is_inherited(elab, span))
    hint = arena_printf(elab->arena,
                        "`%s: null` in the file that extends this one removes it there", name);
  if (!diag_errors(elab->diag))
    diag_warning(elab->diag, span, hint, "nothing reads the %s '%s'", what, name);
}

/* A name of the spec that nothing evaluated. */
static void check_read(Elab *elab, const char *name, const char *what, const char *hint) {
  const Entry *entry = frame_find(elab->globals, name);
  if (entry && !entry->used) say_unread(elab, entry->span, name, what, hint);
}

/* Of a define some lets may be for what a distribution is asked for elsewhere. */
static bool is_of_define(const Elab *elab, const Entry *let) {
  const Tree *define = tree_get(elab->spec, "define");
  for (size_t i = 0; define && i < define->entry_count; i++) {
    const Tree *body = define->entries[i].value;
    const Tree *map = body->kind == TREE_MAP ? tree_get(body, "let") : NULL;
    for (size_t k = 0; map && map->kind == TREE_MAP && k < map->entry_count; k++)
      if (map->entries[k].value == let->tree) return true;
  }
  return false;
}

/* A block may be evaluated more than once, as where a loss is descended by two steps. */
static bool let_is_used(const Elab *elab, const Entry *let) {
  for (size_t i = 0; i < elab->let_frame_count; i++) {
    const Entry *entry = frame_find(elab->let_frames[i], let->name);
    if (entry && entry->tree == let->tree && entry->used) return true;
  }
  return false;
}

static void check_lets(Elab *elab) {
  for (size_t i = 0; i < elab->let_frame_count; i++)
    for (size_t k = 0; k < elab->let_frames[i]->count; k++) {
      const Entry *let = &elab->let_frames[i]->entries[k];
      if (let->used || strcmp(let->what, "let") || let->span.source == elab->prelude_source)
        continue;
      if (!is_of_define(elab, let) && !let_is_used(elab, let))
        say_unread(elab, let->span, let->name, "let", "remove it, or mend its name");
    }
}

/* ---- defines and losses ---- */

/* The prelude's own defines read the new one too. */
static void check_prelude(Elab *elab, const char *name, Span span) {
  if (frame_find(elab->library, name))
    diag_warning(elab->diag, span, "the prelude's defines read it too; to keep both, rename it",
                 "'%s' takes the place of the prelude's", name);
}

static void check_define(Elab *elab, const TreeEntry *entry) {
  static const char *const given[] = {"noise", "action", "parameter", "gradient"};
  const Expr *signature = key_signature(elab, entry);
  if (!signature) return;
  const Entry *known = frame_find(elab->globals, signature->text);
  check_prelude(elab, signature->text, entry->key_span);
  if (known && known->used) return; /* evaluated, so its mistakes are known */
  Names bound = {0};
  for (uint32_t i = 0; i < signature->arg_count; i++)
    add(elab, &bound,
        signature->args[i].name ? signature->args[i].name : signature->args[i].value->text);
  add_keys(elab, &bound, tree_get(entry->value, "let"));
  add_keys(elab, &bound, tree_get(entry->value, "state"));
  for (size_t i = 0; entry->value->kind == TREE_MAP && i < COUNTOF(given); i++)
    add(elab, &bound, given[i]);
  check_tree(elab, &bound, entry->value);
  check_read(elab, signature->text, "define", "use it, or remove it with null");
}

static void check_loss(Elab *elab, const TreeEntry *entry) {
  for (size_t i = 0; i < elab->result->loss_count; i++)
    if (strcmp(elab->result->losses[i].name, entry->key) == 0) return;
  if (!diag_errors(elab->diag))
    diag_warning(elab->diag, entry->key_span, "add it to a 'descend', or remove it with null",
                 "no step of the loop descends the loss '%s'", entry->key);
  Names bound = {0};
  add_keys(elab, &bound, tree_get(entry->value, "let"));
  check_tree(elab, &bound, entry->value);
  const char **names;
  Span *spans;
  size_t count;
  const Tree *over = tree_get(entry->value, "over");
  if (!over || !tree_names(elab, over, &names, &spans, &count)) return;
  for (size_t i = 0; i < count; i++) {
    Parameter *items;
    size_t tensors;
    parameter_group(elab, names[i], spans[i], &items, &tensors);
  }
}

/* ---- optimizers and targets ---- */

static void check_optimizer(Elab *elab, const TreeEntry *entry) {
  const Tree *losses = tree_get(elab->spec, "losses");
  const char *names[256];
  size_t count = 0;
  names[count++] = "default";
  for (size_t i = 0; losses && i < losses->entry_count && count < 100; i++)
    names[count++] = losses->entries[i].key;
  for (size_t i = 0; i < elab->network_count && count < 150; i++)
    names[count++] = elab->networks[i]->name;
  for (size_t i = 0; i < elab->learned_count && count < 250; i++)
    names[count++] = elab->learned[i].name;
  bool known = is_poisoned(elab, entry->key);
  for (size_t i = 0; i < count; i++) known = known || strcmp(names[i], entry->key) == 0;
  if (!known)
    elab_error(elab, entry->key_span, hint_nearest(elab->arena, entry->key, names, count),
               "the optimizer '%s' is for no loss, network or parameter", entry->key);
  if (!known) note_removed(elab, entry->key);
  optimizer_check(elab, entry->value);
}

/* ---- the score function ---- */

void density_note(Elab *elab, Node *value, Node *log_prob, Node *noise) {
  struct Density density = {value, log_prob, noise};
  PUSH(elab->arena, elab->densities, elab->densities_count, elab->densities_capacity, density);
}

static bool reaches_marks(Elab *elab, const LossInfo *info, const Node *node) {
  for (size_t i = 0; i < info->count; i++)
    if (node_reaches(elab->graph, elab->arena, node, info->marks[i])) return true;
  return false;
}

/* Whether the derivative of the loss comes to `value` otherwise than by `density`. */
static bool reaches_beside(Elab *elab, const Node *loss, const Node *value, const Node *density) {
  bool *reached = NEW_ARRAY(elab->arena, bool, loss->id + 1);
  reached[loss->id] = true;
  for (uint32_t id = loss->id + 1; id-- > value->id;) {
    const Node *node = elab->graph->nodes[id];
    if (!reached[id] || node == density) continue;
    for (int i = 0; i < 3; i++)
      if (node_flows(node, i)) reached[node->src[i]->id] = true;
  }
  return reached[value->id];
}

/* By id up to `last`: what is computed from `noise`, differentiably or not. */
static bool *depending(Elab *elab, const Node *noise, uint32_t last) {
  bool *depends = NEW_ARRAY(elab->arena, bool, last + 1);
  for (uint32_t id = noise->id; id <= last; id++) {
    const Node *node = elab->graph->nodes[id];
    depends[id] = node == noise;
    for (int i = 0; i < 3; i++)
      depends[id] = depends[id] || (node->src[i] && depends[node->src[i]->id]);
  }
  return depends;
}

/* A product in the loss of the density and a constant weight that depends on the draw, or NULL. */
static const Node *weighted(Elab *elab, const LossInfo *info, const Node *density,
                            const Node *noise) {
  const bool *depends = depending(elab, noise, info->value->id);
  for (uint32_t id = density->id; id <= info->value->id; id++) {
    const Node *node = elab->graph->nodes[id];
    if (node->op != OP_mul && node->op != OP_div) continue;
    for (int i = 0; i < 2; i++) {
      const Node *weight = node->src[i], *other = node->src[1 - i];
      if (depends[weight->id] && node_flows(node, 1 - i) &&
          node_reaches(elab->graph, elab->arena, other, density) &&
          !reaches_marks(elab, info, weight) &&
          node_reaches(elab->graph, elab->arena, info->value, node))
        return node;
    }
  }
  return NULL;
}

/* stop(w) * a.log_prob, a being a draw that is differentiated through: the derivative of the log
 * density along the path, which is no score function, and the loss has no other use for the path.
 */
void lint_score(Elab *elab, const LossInfo *info, Span where) {
  for (size_t i = 0; i < elab->densities_count; i++) {
    const struct Density *density = &elab->densities[i];
    const Node *log_prob = density->log_prob, *value = density->value;
    if (!node_reaches(elab->graph, elab->arena, info->value, log_prob) ||
        !reaches_marks(elab, info, value))
      continue;
    for (size_t k = 0; k < elab->densities_count; k++) {
      const struct Density *draw = &elab->densities[k];
      if (!draw->noise || !node_reaches(elab->graph, elab->arena, value, draw->value)) continue;
      if (reaches_beside(elab, info->value, draw->value, log_prob)) continue;
      const Node *product = weighted(elab, info, log_prob, draw->noise);
      if (!product) continue;
      bool theirs = product->span.source && product->span.source != elab->prelude_source;
      diag_warning(elab->diag, theirs ? product->span : where,
                   "log_prob(p, stop(a)) of the draw a holds it fixed",
                   "not the score function: this log_prob is differentiated through its draw too");
      return;
    }
  }
}

static void check_target(Elab *elab, const Target *target) {
  const Entry *entry = frame_find(elab->globals, target->name);
  const char *hint =
      arena_printf(elab->arena, "as in  set: {%s: blend(%s, %s, 0.005)}", target->name,
                   target->name, target->single ? target->members[0] : "online");
  check_read(elab, target->name, "target", "use it in a loss, or remove it with null");
  if (entry && entry->used && !target->set && !diag_errors(elab->diag))
    diag_warning(elab->diag, entry->span, hint,
                 "no step of the loop sets the target '%s', which stays as it began", target->name);
}

void lint(Elab *elab) {
  const Tree *define = tree_get(elab->spec, "define"), *losses = tree_get(elab->spec, "losses"),
             *optimizers = tree_get(elab->spec, "optimizers");
  for (size_t i = 0; define && i < define->entry_count; i++)
    check_define(elab, &define->entries[i]);
  for (size_t i = 0; losses && i < losses->entry_count; i++) check_loss(elab, &losses->entries[i]);
  for (size_t i = 0; optimizers && i < optimizers->entry_count; i++)
    check_optimizer(elab, &optimizers->entries[i]);
  const Tree *constants = tree_get(elab->spec, "constants");
  for (size_t i = 0; constants && i < constants->entry_count; i++)
    check_read(elab, constants->entries[i].key, "constant", "remove it, or mend its name");
  for (size_t i = 0; i < elab->target_count; i++) check_target(elab, &elab->targets[i]);
  check_lets(elab);
}
