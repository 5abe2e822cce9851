/* Draws: noise by streams, distributions from their text in the prelude or the spec. */
#include "dsl/scope.h"

#include <string.h>

const char *path_enter(Elab *elab, const char *path) {
  size_t before = 0;
  for (size_t i = 0; i < elab->entered_count; i++) before += strcmp(elab->entered[i], path) == 0;
  PUSH(elab->arena, elab->entered, elab->entered_count, elab->entered_capacity, path);
  return before ? arena_printf(elab->arena, "%s@%zu", path, before + 1) : path;
}

/* What code draws from: the halves of a stream, folded. */
static uint32_t stream_fold(uint64_t stream) { return (uint32_t)stream ^ (uint32_t)(stream >> 32); }

/* Refuses a stream that draws the same as another one would. */
static bool stream_add(Elab *elab, struct Stream stream, Span span) {
  for (size_t i = 0; i < elab->streams_count; i++) {
    const struct Stream *other = &elab->streams[i];
    if (stream_fold(other->number) != stream_fold(stream.number)) continue;
    if (strcmp(other->name, stream.name) == 0) return true;
    return elab_error(elab, span, "nobody's mistake: rename the 'let' or the loss it stands in",
                      "the draws '%s' and '%s' would be equal, as their names hash alike",
                      other->name, stream.name);
  }
  PUSH(elab->arena, elab->streams, elab->streams_count, elab->streams_capacity, stream);
  return true;
}

/* Streams are named after the binding they stand in, never after a position in the file. */
static bool stream_of(Elab *elab, Span span, uint64_t *number) {
  const char *name = arena_printf(elab->arena, "%s#%u", elab->path, elab->occurrence++);
  *number = hash_text(HASH_SEED, name);
  return stream_add(elab, (struct Stream){*number, name}, span);
}

static Axes row_axes(const Elab *elab) {
  return elab->shared ? elab->init_axes : axes_union(elab->init_axes, elab->block.rows);
}

static void record_draw(Elab *elab, const char *what, Axes axes, Span span) {
  Elaborated *result = elab->result;
  DrawInfo info = {elab->path, what, axes, span};
  PUSH(elab->arena, result->draws, result->draw_count, result->draw_capacity, info);
}

/* The noise `name` over `axes`: the formula in the prelude over the words of one block of random
 * bits. NULL after reporting. */
static Node *make_noise(Elab *elab, const char *name, Axes axes, Span span) {
  if (!elab->block.draws)
    return elab_error(elab, span, "draws stand in losses, actions and initial values",
                      "draws are not possible here"),
           NULL;
  const Tree *formula = tree_get(tree_get(elab->prelude, "noise"), name);
  if (!formula) bug("unknown noise '%s'", name);
  if (!size_check(elab, span, "a draw", axes)) return NULL;
  record_draw(elab, name, axes, span);
  uint64_t stream;
  if (!stream_of(elab, span, &stream)) return NULL;
  Node *words[4];
  memcpy(words, elab->words, sizeof words);
  for (int i = 0; i < 4; i++) elab->words[i] = node_uniform(elab->graph, stream, axes, i);
  Node *noise = eval_tree_node(elab, elab->library, formula);
  memcpy(elab->words, words, sizeof words);
  return noise;
}

/* The name of the noise that a draw from the distribution consumes. NULL after reporting. */
static const char *noise_name(Elab *elab, const Function *d, Span span) {
  const Tree *kind = tree_get(d->body, "noise"), *known = tree_get(elab->prelude, "noise");
  if (!kind) {
    elab_error(elab, span, "give its define a 'noise', as in  noise: normal_noise",
               "the distribution '%s' cannot be drawn from", d->name);
    return NULL;
  }
  if (kind->kind == TREE_SCALAR && tree_get(known, kind->text.text)) return kind->text.text;
  const char *names[16], *given = kind->kind == TREE_SCALAR ? kind->text.text : "";
  size_t count = 0;
  for (; known && count < known->entry_count && count < COUNTOF(names) - 1; count++)
    names[count] = known->entries[count].key;
  names[count++] = "none";
  elab_error(elab, kind->span, hint_nearest(elab->arena, given, names, count), "unknown noise '%s'",
             given);
  return NULL;
}

/* normal_noise[x, act]: the axes in brackets and the rows. */
static bool noise_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  if (!tree_get(tree_get(elab->prelude, "noise"), expr->text)) return false;
  *result = value_error();
  Axes axes = row_axes(elab);
  for (uint32_t i = 0; i < expr->axis_count; i++) {
    int axis = axis_minted(elab, frame, &expr->axes[i], AXIS_DRAW);
    if (axis < 0) return true;
    axes = axes_union(axes, axes_one((AxisId)axis));
  }
  Node *noise = make_noise(elab, expr->text, axes, expr->span);
  if (noise) *result = value_node(noise);
  return true;
}

/* ---- distributions ---- */

/* The distribution an argument means; NULL after reporting. */
static Function *distribution_of(Elab *elab, Frame *frame, const Expr *expr) {
  Value value = eval(elab, frame, expr);
  if (value.kind == VALUE_FUNCTION && value.function->kind == FUNCTION_DISTRIBUTION)
    return value.function;
  if (value.kind != VALUE_ERROR)
    elab_error(elab, expr->span, "such as tanh_normal[act](mean, std)",
               "expected a distribution here");
  return NULL;
}

/* What to do without one of the texts that a distribution may have. */
static const char *missing_hint(Elab *elab, const Function *d, const char *key) {
  bool density = tree_get(d->body, "log_prob") != NULL;
  if (density && strcmp(key, "entropy") == 0)
    return "estimate it from a draw, as in -log_prob(p, sample(p))";
  if (density && strcmp(key, "kl") == 0)
    return "estimate it from a draw x of p, as in log_prob(p, x) - log_prob(q, x)";
  return arena_printf(elab->arena, "give its define the key '%s'", key);
}

/* One of a distribution's texts, with `name` (noise, action, other) bound. NULL after reporting, or
 * silently when `optional` and absent. */
static Node *distribution_text(Elab *elab, Function *d, const char *key, const char *name,
                               Value bound, Span span, bool optional) {
  const Tree *text = tree_get(d->body, key);
  if (!text) {
    if (!optional)
      elab_error(elab, span, missing_hint(elab, d, key), "the distribution '%s' has no '%s'",
                 d->name, key);
    return NULL;
  }
  /* Lets are evaluated anew in each frame: some of them speak of the noise, some of the action. */
  Frame *inner = frame_make(elab, d->arguments->parent, d->arguments->path);
  inner->axes = d->arguments->axes, inner->axis_count = d->arguments->axis_count,
  inner->axis_capacity = 0;
  for (size_t i = 0; i < d->arguments->count; i++) {
    const Entry *entry = &d->arguments->entries[i];
    if (entry->tree)
      frame_add_lazy(elab, inner, entry->name, entry->what, entry->span, entry->tree);
    else
      frame_add(elab, inner, entry->name, entry->what, entry->span, entry->value);
  }
  if (bound.kind != VALUE_ERROR) frame_add(elab, inner, name, "parameter", span, bound);
  Open open;
  elab->depth++;
  scope_open(elab, &open, NULL, inner);
  Node *node = eval_tree_node(elab, inner, text);
  scope_close(elab);
  elab->depth--;
  return node;
}

static bool has_label(const Elab *elab, Axes axes, const char *label) {
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);)
    if (strcmp(elab->graph->axes[x].label, label) == 0) return true;
  return false;
}

/* Adds the axes of one event. */
static bool event_axes(Elab *elab, const Function *d, const Tree *event, Axes *axes) {
  const char **names;
  Span *spans;
  size_t count;
  if (!tree_names(elab, event, &names, &spans, &count)) return false;
  for (size_t i = 0; i < count; i++) {
    ExprAxis axis = {names[i], NULL, spans[i]};
    int id = axis_named(elab, d->arguments, &axis);
    if (id < 0) return false;
    *axes = axes_union(*axes, axes_one((AxisId)id));
  }
  return true;
}

/* The axes of one draw: of the event, of the arguments, of the rows, and those in brackets. */
static bool draw_axes(Elab *elab, Frame *frame, Function *d, const Expr *site, Axes *axes) {
  *axes = row_axes(elab);
  for (size_t i = 0; i < d->arguments->count; i++) {
    const Entry *entry = &d->arguments->entries[i];
    if (!entry->tree && entry->value.kind == VALUE_NODE)
      *axes = axes_union(*axes, entry->value.node->axes);
  }
  const Tree *event = tree_get(d->body, "event");
  if (event && !event_axes(elab, d, event, axes)) return false;
  for (uint32_t i = 0; i < site->axis_count; i++) {
    int id = axis_minted(elab, frame, &site->axes[i], AXIS_DRAW);
    if (id < 0) return false;
    if (has_label(elab, *axes, elab->graph->axes[id].label))
      return elab_error(elab, site->axes[i].span, "name a new axis",
                        "the draw already has an axis '%s': its axes are %s", site->axes[i].name,
                        axes_text(elab->graph, elab->arena, *axes));
    *axes = axes_union(*axes, axes_one((AxisId)id));
  }
  return axes_may_meet(elab, site->span, axes, 1);
}

static Node *given_noise(Elab *elab, Frame *frame, const Expr *site, bool *good) {
  *good = true;
  for (uint32_t i = 1; i < site->arg_count; i++) {
    if (site->args[i].name && strcmp(site->args[i].name, "noise") == 0) {
      Node *noise = eval_node(elab, frame, site->args[i].value);
      *good = noise != NULL;
      return noise;
    }
    *good = elab_error(elab, site->args[i].value->span, NULL,
                       "sample takes a distribution and, by name, noise=");
  }
  return NULL;
}

static bool is_noiseless(const Function *d) {
  const Tree *noise = tree_get(d->body, "noise");
  return noise && noise->kind == TREE_SCALAR && strcmp(noise->text.text, "none") == 0;
}

/* The noise that the draw consumes: given, or made; NULL for none. False after reporting. */
static bool sample_noise(Elab *elab, Frame *frame, Function *d, const Expr *site, Node **noise) {
  bool good;
  Axes axes;
  *noise = given_noise(elab, frame, site, &good);
  if (!good) return false;
  if (is_noiseless(d) && (*noise || site->axis_count))
    return elab_error(elab, site->span, "as in sample(p)",
                      "a draw from '%s' consumes no noise, so that all are equal", d->name);
  if (is_noiseless(d)) return true;
  if (!draw_axes(elab, frame, d, site, &axes)) return false;
  const char *kind = *noise ? NULL : noise_name(elab, d, site->span);
  if (kind) *noise = make_noise(elab, kind, axes, site->span);
  return *noise != NULL;
}

/* The log density of a draw. False after reporting; NULL without a density. */
static bool draw_density(Elab *elab, Function *d, Node *noise, Node *value, Span span,
                         Node **log_prob) {
  bool direct = tree_get(d->body, "draw_log_prob"), given = tree_get(d->body, "log_prob");
  *log_prob = NULL;
  if (!direct && !given) return true;
  *log_prob =
      direct ? distribution_text(elab, d, "draw_log_prob", "noise", value_node(noise), span, true)
             : distribution_text(elab, d, "log_prob", "action", value_node(value), span, true);
  return *log_prob != NULL;
}

static Value sample(Elab *elab, Frame *frame, const Expr *site) {
  Node *noise, *log_prob;
  if (site->arg_count < 1)
    return elab_error(elab, site->span, "as in sample(policy(obs))", "sample needs a distribution"),
           value_error();
  Function *d = distribution_of(elab, frame, site->args[0].value);
  if (!d || !sample_noise(elab, frame, d, site, &noise)) return value_error();
  Value bound = noise ? value_node(noise) : value_error();
  Node *value = distribution_text(elab, d, "draw", "noise", bound, site->span, false);
  if (!value || !draw_density(elab, d, noise, value, site->span, &log_prob)) return value_error();
  Record *record = record_make(elab, arena_printf(elab->arena, "a draw from '%s'", d->name));
  record->node = value;
  if (log_prob) {
    record_add(elab, record, "log_prob", value_node(log_prob));
    density_note(elab, value, log_prob, noise);
  }
  if (noise) record_add(elab, record, "noise", value_node(noise));
  return value_record(record);
}

bool draw_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  if (noise_call(elab, frame, expr, result)) return true;
  if (strcmp(expr->text, "sample") != 0) return false;
  struct Site former = site_enter(elab, frame, expr);
  *result = sample(elab, frame, expr);
  elab->site = former;
  return true;
}

/* The parameters of the other distribution of a divergence, which must be of the same kind. Nothing
 * after reporting. */
static Value other_of(Elab *elab, Frame *frame, const Function *d, const Expr *expr) {
  const Function *other = distribution_of(elab, frame, expr);
  if (!other) return value_error();
  if (other->body != d->body)
    return elab_error(elab, expr->span, "estimate it from a draw of the first",
                      "the divergence of '%s' from '%s' is not known", d->name, other->name),
           value_error();
  Record *record =
      record_make(elab, arena_printf(elab->arena, "the other distribution '%s'", other->name));
  for (size_t i = 0; i < other->arguments->count; i++)
    if (!other->arguments->entries[i].tree)
      record_add(elab, record, other->arguments->entries[i].name,
                 other->arguments->entries[i].value);
  return value_record(record);
}

/* What the text with this key is called with, besides the distribution. */
static const struct {
  const char *key, *bound;
} calls[] = {{"log_prob", "action"}, {"mode", NULL}, {"entropy", NULL}, {"kl", "other"}};

static bool check_call(Elab *elab, const Expr *expr, uint32_t arity) {
  if (expr->bracketed)
    return elab_error(elab, expr->span, "the distribution knows its axis",
                      "'%s' takes no axes in brackets", expr->text);
  if (expr->arg_count != arity)
    return elab_error(elab, expr->span, NULL, "'%s' takes %u argument%s, not %u", expr->text, arity,
                      arity == 1 ? "" : "s", expr->arg_count);
  for (uint32_t i = 0; i < arity; i++)
    if (expr->args[i].name)
      return elab_error(elab, expr->args[i].name_span, NULL, "the arguments of '%s' have no names",
                        expr->text);
  return true;
}

static Value call_text(Elab *elab, Frame *frame, const Expr *expr, const char *name) {
  Value bound = value_error();
  if (!check_call(elab, expr, name ? 2 : 1)) return bound;
  Function *d = distribution_of(elab, frame, expr->args[0].value);
  if (!d) return bound;
  struct Site former = site_enter(elab, frame, expr);
  if (name && strcmp(name, "other") == 0) {
    bound = other_of(elab, frame, d, expr->args[1].value);
  } else if (name) {
    Node *action = eval_node(elab, frame, expr->args[1].value);
    bound = action ? value_node(action) : bound;
  }
  Node *node = name && bound.kind == VALUE_ERROR
                   ? NULL
                   : distribution_text(elab, d, expr->text, name, bound, expr->span, false);
  elab->site = former;
  bool density = node && name && strcmp(name, "action") == 0;
  if (density) density_note(elab, bound.node, node, NULL);
  return node ? value_node(node) : value_error();
}

/* log_prob(p, action), mode(p), entropy(p), kl(p, q): the texts of the distribution. */
bool distribution_call(Elab *elab, Frame *frame, const Expr *expr, Value *result) {
  for (size_t i = 0; i < COUNTOF(calls); i++)
    if (strcmp(expr->text, calls[i].key) == 0)
      return *result = call_text(elab, frame, expr, calls[i].bound), true;
  return false;
}
