/* What elaboration did not come by: defines and losses that nothing uses, optimizers for nothing,
 * targets that nothing reads. Afterwards every name in the spec stands for something. */
#include "dsl/scope.h"

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
  static const char *const language[] = {"step",     "iteration", "updates", "stored",
                                         "progress", "pi_",       "inf",     "low",
                                         "high",     "fan_in",    "fan_out", "box"};
  const char *names[512];
  Frame *holder;
  if (has(bound, expr->text) || frame_lookup(elab->globals, expr->text, &holder)) return true;
  size_t count = 0;
  if (expr->called || expr->bracketed) {
    count = builtin_names(names, COUNTOF(names));
    const Tree *noise = tree_get(elab->prelude, "noise");
    if (tree_get(noise, expr->text)) return true;
  } else {
    count = column_names(elab, names, false);
    for (size_t i = 0; i < COUNTOF(language); i++) names[count++] = language[i];
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
  bool unrolled = expr->kind == EXPR_NAME && strcmp(expr->text, "unroll") == 0;
  for (uint32_t i = 0; i < expr->arg_count; i++) {
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

/* ---- defines and losses ---- */

static void check_define(Elab *elab, const TreeEntry *entry) {
  static const char *const given[] = {"noise", "action", "parameter", "gradient"};
  const Expr *signature = key_signature(elab, entry);
  if (!signature) return;
  const Entry *known = frame_find(elab->globals, signature->text);
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

void lint(Elab *elab) {
  const Tree *define = tree_get(elab->spec, "define"), *losses = tree_get(elab->spec, "losses"),
             *optimizers = tree_get(elab->spec, "optimizers");
  for (size_t i = 0; define && i < define->entry_count; i++)
    check_define(elab, &define->entries[i]);
  for (size_t i = 0; losses && i < losses->entry_count; i++) check_loss(elab, &losses->entries[i]);
  for (size_t i = 0; optimizers && i < optimizers->entry_count; i++)
    check_optimizer(elab, &optimizers->entries[i]);
  for (size_t i = 0; i < elab->target_count; i++) {
    const Entry *entry = frame_find(elab->globals, elab->targets[i].name);
    if (entry && !entry->used && !diag_errors(elab->diag))
      diag_warning(elab->diag, entry->span, "use it in a loss, or remove it with null",
                   "nothing reads the target '%s'", entry->name);
  }
}
