/* Frames of names and records of values. */
#include "dsl/data.h"
#include "dsl/environment.h"
#include "dsl/names.h"
#include "ir/lex.h"

#include <string.h>

Frame *frame_make(Elab *elab, Frame *parent, const char *path) {
  Frame *frame = NEW(elab->arena, Frame);
  frame->parent = parent;
  frame->path = path;
  frame->shared = elab->shared;
  return frame;
}

Entry *frame_find(const Frame *frame, const char *name) {
  for (size_t i = 0; i < frame->count; i++)
    if (strcmp(frame->entries[i].name, name) == 0) return &frame->entries[i];
  return NULL;
}

Entry *frame_lookup(Frame *frame, const char *name, Frame **holder) {
  for (; frame; frame = frame->parent) {
    Entry *entry = frame_find(frame, name);
    if (entry) {
      *holder = frame;
      return entry;
    }
  }
  return NULL;
}

static Entry *add(Elab *elab, Frame *frame, Entry entry) {
  PUSH(elab->arena, frame->entries, frame->count, frame->capacity, entry);
  return &frame->entries[frame->count - 1];
}

Entry *frame_add(Elab *elab, Frame *frame, const char *name, const char *what, Span span,
                 Value value) {
  return add(
      elab, frame,
      (Entry){.name = name, .what = what, .span = span, .state = ENTRY_DONE, .value = value});
}

Entry *frame_add_lazy(Elab *elab, Frame *frame, const char *name, const char *what, Span span,
                      const Tree *tree) {
  return add(elab, frame, (Entry){.name = name, .what = what, .span = span, .tree = tree});
}

/* Letters, digits and '_', no digit first. */
static bool is_name(const char *name) {
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  return *name && !strchr("0123456789", *name) && strspn(name, letters) == strlen(name);
}

bool name_check(Elab *elab, const char *name, Span span) {
  if (is_name(name)) return true;
  const char *hint = "letters, digits and '_', a letter first", *at = name;
  while ((unsigned char)*at && (unsigned char)*at < 0x80) at++;
  uint32_t code;
  size_t length = character_read(at, strlen(at), &code);
  if (length > 1)
    hint = arena_printf(elab->arena, "%s; '%.*s' is U+%04X", hint, (int)length, at, code);
  return elab_error(elab, span, hint, "'%s' is not a name", name);
}

static bool is_column(const Elab *elab, const char *name) {
  const char *names[COLUMN_NAMES];
  size_t count = elab->env_count ? column_names(elab, names, false) : 0;
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i], name) == 0) return true;
  return false;
}

/* Whether a frame is of the declared environment, whose names and a spec's know nothing of each
 * other. */
static bool is_apart(const Elab *elab, const Frame *frame) {
  while (frame && !(elab->environment && frame == elab->environment->scope)) frame = frame->parent;
  return frame != NULL;
}

bool name_unreserved(Elab *elab, const char *name, Span span) {
  const LanguageName *row = language_name(name);
  return !row || !row->reserved ||
         elab_error(elab, span, "the language itself uses it; choose another",
                    "the name '%s' is reserved", name);
}

bool name_is_free(Elab *elab, Frame *frame, const char *name, const char *what, Span span) {
  if (!name_check(elab, name, span) || !name_unreserved(elab, name, span)) return false;
  if (!is_apart(elab, frame) && is_column(elab, name))
    return elab_error(elab, span, "choose another name",
                      "the %s '%s' would hide a column of that name", what, name);
  Frame *holder = NULL;
  const Entry *other = frame_lookup(frame, name, &holder);
  if (!other || holder == elab->library) return true;
  bool prelude = span.source && span.source == elab->prelude_source;
  if (prelude && holder != frame) return true; /* its names are no business of the user's */
  elab_error(elab, span, "choose another name", "the %s '%s' would hide a %s of that name", what,
             name, other->what);
  if (other->span.source) diag_note(elab->diag, other->span, "declared here");
  return false;
}

bool frame_add_map(Elab *elab, Frame *frame, const Tree *map, const char *what) {
  bool good = true;
  if (map && strcmp(what, "let") == 0)
    PUSH(elab->arena, elab->let_frames, elab->let_frame_count, elab->let_frame_capacity, frame);
  for (size_t i = 0; map && i < map->entry_count; i++) {
    const TreeEntry *entry = &map->entries[i];
    if (!name_is_free(elab, frame, entry->key, what, entry->key_span)) {
      if (strcmp(what, "let") == 0) /* its uses are silent */
        frame_add(elab, frame, entry->key, what, entry->key_span, value_error());
      good = false;
    } else
      frame_add_lazy(elab, frame, entry->key, what, entry->key_span, entry->value);
  }
  return good;
}

void frame_axis(Elab *elab, Frame *frame, const char *name, const char *label, int axis) {
  AxisEntry entry = {name, label, axis};
  PUSH(elab->arena, frame->axes, frame->axis_count, frame->axis_capacity, entry);
}

const AxisEntry *frame_find_axis(const Frame *frame, const char *name) {
  for (; frame; frame = frame->parent)
    for (size_t i = 0; i < frame->axis_count; i++)
      if (strcmp(frame->axes[i].name, name) == 0) return &frame->axes[i];
  return NULL;
}

/* ---- what is being evaluated ---- */

void scope_open(Elab *elab, Open *open, const void *what, Frame *lets) {
  *open = (Open){.what = what, .lets = lets, .layers = elab->layers, .outer = elab->open};
  elab->open = open;
}

void scope_close(Elab *elab) { elab->open = elab->open->outer; }

bool is_open(const Elab *elab, const void *what) {
  for (const Open *open = elab->open; open; open = open->outer)
    if (open->what == what) return true;
  return false;
}

static Entry *lazy_entry(const Frame *frame) {
  for (size_t i = 0; i < frame->count; i++)
    if (frame->entries[i].state == ENTRY_LAZY) return &frame->entries[i];
  return NULL;
}

bool scope_next_let(Elab *elab) {
  Open *inner = elab->open;
  Layers *layers = elab->layers;
  for (Open *open = inner; open && !open->apart; open = open->outer) {
    Entry *entry = open->lets ? lazy_entry(open->lets) : NULL;
    if (!entry) continue;
    elab->open = open; /* what stands further in is no part of the let */
    elab->layers = open->layers;
    eval_entry(elab, open->lets, entry, entry->span);
    elab->open = inner;
    elab->layers = layers;
    return true;
  }
  return false;
}

/* ---- records ---- */

Record *record_make(Elab *elab, const char *what) {
  Record *record = NEW(elab->arena, Record);
  record->what = what;
  return record;
}

void record_add(Elab *elab, Record *record, const char *name, Value value) {
  size_t count = record->count, capacity = record->capacity;
  PUSH(elab->arena, record->names, record->count, record->capacity, name);
  PUSH(elab->arena, record->values, count, capacity, value);
}

const Value *record_get(const Record *record, const char *name) {
  for (size_t i = 0; i < record->count; i++)
    if (strcmp(record->names[i], name) == 0) return &record->values[i];
  return NULL;
}
