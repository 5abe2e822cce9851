/* Messages of elaboration: each stands where the user can mend it, which is never in the prelude
 * and, for a number out of range, where the number is written. */
#include "dsl/data.h"
#include "dsl/names.h"

#include <string.h>

/* ---- places ---- */

/* Texts that the user did not write. */
static bool is_ours(const Elab *elab, const Source *source) {
  return source && (source == elab->prelude_source || strcmp(source->name, "<language>") == 0);
}

struct Site site_enter(Elab *elab, Frame *frame, const Expr *call) {
  struct Site former = elab->site;
  bool theirs = call->span.source && !is_ours(elab, call->span.source);
  if (theirs) elab->site = (struct Site){call->span, call, frame};
  return former;
}

bool elab_error(Elab *elab, Span span, const char *hint, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(elab->arena, format, args);
  va_end(args);
  bool inside = is_ours(elab, span.source) && elab->site.span.source;
  diag_error(elab->diag, inside ? elab->site.span : span, hint, "%s", text);
  if (inside && span.source == elab->prelude_source)
    diag_note(elab->diag, span, "here in the prelude");
  return false;
}

/* The constant that an expression is, or NULL. */
static const Entry *constant_of(Frame *frame, const Expr *expr) {
  if (!expr || expr->kind != EXPR_NAME || expr->called || expr->bracketed) return NULL;
  Frame *holder;
  const Entry *entry = frame_lookup(frame, expr->text, &holder);
  bool constant = entry && entry->tree && strcmp(entry->what, "constant") == 0;
  return constant && entry->tree->kind == TREE_SCALAR ? entry : NULL;
}

/* Where the number that an expression means is written: the constant's value where it is the name
 * of one. */
static Span number_span(Elab *elab, Frame *frame, const Expr *expr) {
  Span span = expr->span;
  const Entry *entry = constant_of(frame, expr);
  for (int i = 0; entry && i < 8; i++) { /* a constant that is another constant */
    span = entry->tree->span;
    entry = constant_of(frame, tree_expr(elab, entry->tree));
  }
  return span;
}

bool number_error(Elab *elab, Frame *frame, const Expr *expr, const char *hint, const char *format,
                  ...) {
  va_list args;
  va_start(args, format);
  const char *text = arena_vprintf(elab->arena, format, args);
  va_end(args);
  Span span = number_span(elab, frame, expr);
  elab_error(elab, span, hint, "%s", text);
  if (span.source != expr->span.source || span.line != expr->span.line)
    diag_note(elab->diag, expr->span, "used here");
  return false;
}

void note_constants(Elab *elab) {
  const Expr *call = elab->site.call;
  for (uint32_t i = 0; call && i < call->arg_count; i++) {
    const Expr *value = call->args[i].value;
    if (!constant_of(elab->site.frame, value)) continue;
    Span span = number_span(elab, elab->site.frame, value);
    diag_note(elab->diag, span, "'%s' is set here", value->text);
  }
}

/* ---- names ---- */

static bool is_builtin(const char *name) {
  const char *names[256];
  size_t count = builtin_names(names, COUNTOF(names));
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

/* The nearest of all names that could stand here, as a hint. */
static const char *hint_visible(Elab *elab, const Frame *frame, const char *name) {
  const char *names[1024];
  size_t count = 0;
  for (; frame; frame = frame->parent)
    for (size_t i = 0; i < frame->count && count < 800; i++)
      names[count++] = frame->entries[i].name;
  for (const LanguageName *row = language_names; row->name; row++)
    if (row->meaning != NAME_TRUTH && language_name_seen(elab, row)) names[count++] = row->name;
  count += column_names(elab, names + count, true);
  count += builtin_names(names + count, COUNTOF(names) - count);
  return hint_nearest(elab->arena, name, names, count);
}

const char *hint_known(Elab *elab, const char *name, const char *const *names, size_t count) {
  const char *hint = hint_nearest(elab->arena, name, names, count);
  if (hint || !count || count > 8) return hint;
  for (size_t i = 0; i < count; i++)
    hint = arena_printf(elab->arena, "%s%s",
                        i ? arena_printf(elab->arena, "%s, ", hint) : "there is ", names[i]);
  return hint;
}

/* The note that an overlay removed the name, if one did. */
void note_removed(Elab *elab, const char *name) {
  static const char *const maps[] = {"constants", "parameters", "networks", "targets",
                                     "define",    "losses",     "state"};
  for (size_t i = 0; i < COUNTOF(maps); i++) {
    const TreeEntry *gone = tree_removed(tree_get(elab->spec, maps[i]), name);
    const TreeEntry *all = tree_removed(elab->spec, maps[i]);
    if (!gone && all && tree_get(all->value, name)) gone = all;
    if (gone) return diag_note(elab->diag, gone->key_span, "'%s' is removed here", gone->key);
  }
}

static bool is_column(Elab *elab, const char *name) {
  const char *names[COLUMN_NAMES];
  size_t count = column_names(elab, names, false);
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

static bool report_column(Elab *elab, const Expr *expr) {
  if (!is_column(elab, expr->text)) return false;
  elab_error(elab, expr->name_span, column_hint(elab, expr->text),
             elab->env_count ? "the column '%s' cannot be read here"
                             : "the column '%s' needs an environment, and the spec names none",
             expr->text);
  return true;
}

/* A name that belongs to the other kind of actions. */
static bool report_other_actions(Elab *elab, const Expr *expr) {
  const LanguageName *row = language_name(expr->text);
  bool discrete = elab->env.choices > 0;
  NamePlace other = discrete ? PLACE_CONTINUOUS : PLACE_DISCRETE;
  if (!elab->env_count || !row || row->place != other) return false;
  return elab_error(elab, expr->name_span,
                    discrete ? "'choices' is how many there are, along the axis 'choice'"
                             : "'act_dim' is how many entries an action has, along the axis 'act'",
                    "'%s' belongs to %s actions, and those of '%s' are %s", expr->text,
                    discrete ? "continuous" : "discrete", elab->env.id,
                    discrete ? "discrete" : "continuous"),
         true;
}

/* What is meant by a name that is usual elsewhere, or NULL. */
static const char *foreign_hint(const char *name) {
  static const char *const rows[][2] = {
#define FOREIGN(foreign, hint) {foreign, hint},
#include "dsl/foreign.def"
#undef FOREIGN
  };
  for (size_t i = 0; i < COUNTOF(rows); i++)
    if (strcmp(rows[i][0], name) == 0) return rows[i][1];
  return NULL;
}

void report_unknown(Elab *elab, Frame *frame, const Expr *expr, const char *kind) {
  const char *name = expr->text;
  bool called = expr->called || expr->bracketed;
  const LanguageName *row = language_name(name);
  if (!called && strcmp(name, "losses") == 0) {
    elab_error(elab, expr->name_span, "as in losses.actor.a",
               "a value of a loss is written losses.NAME.LET");
    return;
  }
  if (report_other_actions(elab, expr)) return;
  bool value = !called && strcmp(kind, "name") == 0;
  if (value && is_builtin(name)) {
    elab_error(elab, expr->name_span, "give it arguments in round brackets",
               "'%s' is a function, not a value", name);
    return;
  }
  if (value && report_column(elab, expr)) return;
  bool fact = row && (row->place == PLACE_ENVIRONMENT || row->place == PLACE_CONTINUOUS ||
                      row->place == PLACE_DISCRETE);
  if (fact && !elab->env_count) {
    elab_error(elab, expr->name_span, "as in  env: HalfCheetah-v5",
               "'%s' is a property of the environment, and the spec names none", name);
    return;
  }
  static const char *const hints[][2] = {
      {"name", "nothing has this name: give it a value under 'constants', 'define' or 'let'"},
      {"function", "nothing has this name: write it under 'define'"},
      {"layer", "a layer is dense or a function of one tensor"},
      {"optimizer", "an optimizer is a define with a 'step', as adam and sgd are"}};
  const char *foreign = foreign_hint(name),
             *hint = foreign ? foreign : hint_visible(elab, frame, name);
  for (size_t i = 0; !hint && i < COUNTOF(hints); i++)
    if (strcmp(hints[i][0], kind) == 0) hint = hints[i][1];
  elab_error(elab, expr->name_span, hint, "unknown %s '%s'", kind, name);
  note_removed(elab, name);
}

/* ---- sizes ---- */

static const char *bytes_text(Elab *elab, double bytes) {
  static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < COUNTOF(units); unit++) bytes /= 1024;
  return arena_printf(elab->arena, "%.4g %s", bytes, units[unit]);
}

double axes_size(const Elab *elab, Axes axes) {
  double size = 1;
  unsigned cursor = 0;
  for (AxisId x; axes_next(axes, &cursor, &x);) size *= elab->graph->axes[x].extent;
  return size;
}

#define TENSOR_LIMIT                                                                               \
  2147483647.0 /* elements: positions in vectors of generated code have 32 bits */

bool size_check(Elab *elab, Span span, const char *what, Axes axes) {
  double size = axes_size(elab, axes);
  if (size <= TENSOR_LIMIT) return true;
  return elab_error(elab, span, "a tensor may have 8 GiB: make an axis smaller",
                    "%s with axes %s would need %s", what,
                    axes_text(elab->graph, elab->arena, axes), bytes_text(elab, 4 * size));
}

bool kept_check(Elab *elab, Span span, const char *what, Axes axes) {
  if (axes_count(axes) <= RLC_MAX_RANK) return size_check(elab, span, what, axes);
  return elab_error(elab, span, "make one axis of several, as join[x](t, a, b) does",
                    "%s has %d axes: a kept tensor has at most %d", what, axes_count(axes),
                    RLC_MAX_RANK);
}

bool bytes_check(Elab *elab, Frame *frame, const Tree *tree, const char *what, double bytes,
                 double limit) {
  if (bytes <= limit) return true;
  const Expr *expr = tree_expr(elab, tree);
  if (!expr) return false;
  return number_error(elab, frame, expr,
                      arena_printf(elab->arena, "it may have %s", bytes_text(elab, limit)),
                      "%s would need %s", what, bytes_text(elab, bytes));
}

/* ---- what was mistaken already ---- */

bool name_declare(Elab *elab, const char *name, const char *what, Span span) {
  if (name_is_free(elab, elab->globals, name, what, span)) return true;
  poison(elab, name, what, span); /* which of the two is meant is not known */
  return false;
}

void poison(Elab *elab, const char *name, const char *what, Span span) {
  Entry *entry = frame_find(elab->globals, name);
  if (!entry) entry = frame_add(elab, elab->globals, name, what, span, value_error());
  entry->state = ENTRY_DONE;
  entry->value = value_error();
}

bool is_poisoned(const Elab *elab, const char *name) {
  const Entry *entry = frame_find(elab->globals, name);
  return entry && entry->state == ENTRY_DONE && entry->value.kind == VALUE_ERROR;
}
