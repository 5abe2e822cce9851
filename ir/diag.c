/* Collected diagnostics, their printing with the source line and a caret, and the nearest name.
 *
 * Columns are bytes; the caret line is laid out in display cells, so tabs, UTF-8 and wide
 * characters do not shift it. */
#include "ir/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ERROR_LIMIT 20
#define LINE_CELLS  92 /* what fits behind "   14 | " in 100 columns */

typedef enum Kind { KIND_ERROR, KIND_WARNING, KIND_NOTE } Kind;

typedef struct Message {
  Kind kind;
  Span span;
  const char *text, *hint;
  size_t order;     /* of recording; a note has that of its message */
  size_t source;    /* rank of its source: sources in order of first message */
  Span anchor;      /* the place to sort by; a note has that of its message */
  size_t takes;     /* a warning: in how many collections it was; 0: it was given here */
  const char *noun; /* what these are */
} Message;

struct Diag {
  Arena *arena;
  Message *messages;
  size_t count, capacity;
  const Source **sources;
  size_t source_count, source_capacity;
  size_t errors, warnings, dropped, order;
  bool hushed;
  bool last_kept; /* whether a note that follows has a message to belong to */
};

Diag *diag_make(Arena *arena) {
  Diag *diag = NEW(arena, Diag);
  diag->arena = arena;
  return diag;
}

size_t diag_errors(const Diag *diag) { return diag->errors; }
size_t diag_warnings(const Diag *diag) { return diag->warnings; }

/* ---- recording ---- */

/* One that was read twice is the same. */
static bool source_same(const Source *a, const Source *b) {
  if (a == b) return true;
  return a && b && a->size == b->size && !strcmp(a->name, b->name) &&
         !memcmp(a->text, b->text, a->size);
}

static size_t source_rank(Diag *diag, const Source *source) {
  for (size_t i = 0; i < diag->source_count; i++)
    if (source_same(diag->sources[i], source)) return i;
  PUSH(diag->arena, diag->sources, diag->source_count, diag->source_capacity, source);
  return diag->source_count - 1;
}

/* The same message, if it is there; else NULL. */
static Message *already_said(const Diag *diag, Kind kind, Span span, const char *text) {
  for (size_t i = 0; i < diag->count; i++) {
    Message *m = &diag->messages[i];
    if (m->kind == kind && source_same(m->span.source, span.source) && m->span.line == span.line &&
        m->span.column == span.column && !strcmp(m->text, text))
      return m;
  }
  return NULL;
}

/* Keeps a message, or counts it as dropped; a note stays with the message before it. */
static void record(Diag *diag, Kind kind, Span span, const char *hint, const char *text) {
  Message message = {.kind = kind, .span = span, .text = text};
  if (kind == KIND_NOTE) {
    if (!diag->last_kept) return;
    const Message *last = &diag->messages[diag->count - 1];
    message.order = last->order, message.source = last->source, message.anchor = last->anchor;
  } else {
    diag->last_kept = false;
    if (kind == KIND_WARNING && diag->hushed) return;
    if (already_said(diag, kind, span, text)) return;
    if (kind == KIND_ERROR && ++diag->errors > ERROR_LIMIT) return (void)diag->dropped++;
    if (kind == KIND_WARNING) diag->warnings++;
    diag->last_kept = true;
    message.order = diag->order++;
    message.source = source_rank(diag, span.source);
    message.anchor = span;
  }
  if (hint) message.hint = arena_copy(diag->arena, hint, strlen(hint));
  PUSH(diag->arena, diag->messages, diag->count, diag->capacity, message);
}

/* A copy of a source, or the one that is here already. */
static const Source *source_keep(Diag *diag, const Source *source) {
  if (!source) return NULL;
  for (size_t i = 0; i < diag->source_count; i++)
    if (source_same(diag->sources[i], source)) return diag->sources[i];
  return source_from_text(diag->arena, arena_copy(diag->arena, source->name, strlen(source->name)),
                          arena_copy(diag->arena, source->text, source->size));
}

void diag_take(Diag *diag, const Diag *from, const char *noun) {
  for (size_t i = 0; i < from->count; i++) {
    const Message *m = &from->messages[i];
    Span span = m->span;
    span.source = source_keep(diag, span.source);
    record(diag, m->kind, span, m->hint, arena_copy(diag->arena, m->text, strlen(m->text)));
    Message *kept =
        m->kind == KIND_WARNING && noun ? already_said(diag, m->kind, span, m->text) : NULL;
    if (kept) kept->takes++, kept->noun = noun;
  }
  diag->errors += from->dropped, diag->dropped += from->dropped;
}

void diag_hush(Diag *diag) { diag->hushed = true; }

#define RECORD(kind, hint)                                                                         \
  do {                                                                                             \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    record(diag, kind, span, hint, arena_vprintf(diag->arena, format, args));                      \
    va_end(args);                                                                                  \
  } while (0)

bool diag_error(Diag *diag, Span span, const char *hint, const char *format, ...) {
  RECORD(KIND_ERROR, hint);
  return false;
}

void diag_warning(Diag *diag, Span span, const char *hint, const char *format, ...) {
  RECORD(KIND_WARNING, hint);
}

void diag_note(Diag *diag, Span span, const char *format, ...) { RECORD(KIND_NOTE, NULL); }

/* ---- printing ---- */

/* Decodes one UTF-8 character; a malformed byte counts as one character. */
static size_t char_decode(const char *text, size_t left, uint32_t *code) {
  const unsigned char *s = (const unsigned char *)text;
  size_t length = s[0] < 0x80 ? 1 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 1;
  *code = s[0] < 0x80 ? s[0] : 0xfffd;
  if (length == 1 || length > left) return 1;
  uint32_t value = s[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 1;
    value = value << 6 | (s[i] & 0x3f);
  }
  *code = value;
  return length;
}

/* Cells a character takes on a terminal: 0 for combining marks, 2 for the wide blocks of East Asia
 * and emoji. */
static size_t char_cells(uint32_t code) {
  static const uint32_t wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xac00, 0xd7a3},
                                     {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff00, 0xff60},
                                     {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
  if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200f)) return 0;
  for (size_t i = 0; i < COUNTOF(wide); i++)
    if (code >= wide[i][0] && code <= wide[i][1]) return 2;
  return 1;
}

/* One line of source as cells: what to print, and the cell at which each byte starts. */
typedef struct Line {
  const char *text;
  size_t size;
  size_t *cell; /* size + 1 entries */
} Line;

static Line line_find(Arena *arena, const Source *source, uint32_t number) {
  const char *at = source->text, *end = source->text + source->size;
  for (uint32_t i = 1; i < number && at < end; i++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    at = newline ? newline + 1 : end;
  }
  const char *stop = memchr(at, '\n', (size_t)(end - at));
  if (!stop) stop = end;
  if (stop > at && stop[-1] == '\r') stop--;
  Line line = {at, (size_t)(stop - at), NEW_ARRAY(arena, size_t, stop - at + 1)};
  size_t cell = 0;
  for (size_t i = 0, step; i < line.size; i += step) {
    uint32_t code;
    step = char_decode(at + i, line.size - i, &code);
    for (size_t k = 0; k < step; k++) line.cell[i + k] = cell;
    cell = at[i] == '\t' ? (cell / 8 + 1) * 8 : cell + char_cells(code);
  }
  line.cell[line.size] = cell;
  return line;
}

/* Prints the bytes from..to of a line: tabs as spaces, and '?' for control characters and what is
 * not UTF-8, so that a terminal obeys nothing. */
static void line_print(const Line *line, size_t from, size_t to, FILE *out) {
  for (size_t i = from, step; i < to; i += step) {
    uint32_t code;
    step = char_decode(line->text + i, line->size - i, &code);
    bool odd = code < 0x20 || (code >= 0x7f && code < 0xa0) || (step == 1 && code == 0xfffd);
    if (code == '\t')
      fprintf(out, "%*s", (int)(line->cell[i + 1] - line->cell[i]), "");
    else if (odd)
      fputc('?', out);
    else
      fwrite(line->text + i, 1, step, out);
  }
}

/* The first byte at or after cell `cell`. */
static size_t line_byte(const Line *line, size_t cell) {
  size_t i = 0;
  while (i < line->size && line->cell[i] < cell) i++;
  return i;
}

/* The source line, cut around the caret where it is long, and the caret line with the hint. */
static void excerpt_print(Arena *arena, const Message *m, FILE *out) {
  Line line = line_find(arena, m->span.source, m->span.line);
  bool caret = m->span.column > 0;
  size_t from = caret ? m->span.column - 1 : 0;
  if (from > line.size) from = line.size;
  size_t to = m->span.length < line.size - from ? from + m->span.length : line.size;
  size_t first = 0, last = line.size;
  if (line.cell[line.size] > LINE_CELLS) {
    size_t start = line.cell[from] > LINE_CELLS / 2 ? line.cell[from] - LINE_CELLS / 2 : 0;
    first = line_byte(&line, start);
    last = line_byte(&line, start + LINE_CELLS - 6);
    if (to > last) to = last;
  }
  const char *cut = first ? "..." : "";
  fprintf(out, "%5u | %s", m->span.line, cut);
  line_print(&line, first, last, out);
  fprintf(out, "%s\n", last < line.size ? "..." : "");
  if (!caret && !m->hint) return;
  fprintf(out, "      | ");
  if (caret) {
    fprintf(out, "%*s^", (int)(line.cell[from] - line.cell[first] + strlen(cut)), "");
    for (size_t i = line.cell[from] + 1; i < line.cell[to]; i++) fputc('~', out);
  }
  if (m->hint) fprintf(out, "%s%s", caret ? " " : "", m->hint);
  fputc('\n', out);
}

static void message_print(Arena *arena, const Message *m, FILE *out) {
  static const char *const names[] = {"error", "warning", "note"};
  const Span *span = &m->span;
  if (!span->source)
    fprintf(out, "rlc: ");
  else if (!span->line)
    fprintf(out, "%s: ", span->source->name);
  else if (!span->column)
    fprintf(out, "%s:%u: ", span->source->name, span->line);
  else
    fprintf(out, "%s:%u:%u: ", span->source->name, span->line, span->column);
  fprintf(out, "%s: %s", names[m->kind], m->text);
  if (m->takes > 1) fprintf(out, " (%zu %s)", m->takes, m->noun);
  fputc('\n', out);
  if (span->source && span->line)
    excerpt_print(arena, m, out);
  else if (m->hint)
    fprintf(out, "      | %s\n", m->hint);
}

static int message_compare(const void *left, const void *right) {
  const Message *a = left, *b = right;
  if (a->source != b->source) return a->source < b->source ? -1 : 1;
  if (a->anchor.line != b->anchor.line) return a->anchor.line < b->anchor.line ? -1 : 1;
  if (a->anchor.column != b->anchor.column) return a->anchor.column < b->anchor.column ? -1 : 1;
  if (a->order != b->order) return a->order < b->order ? -1 : 1;
  return 0;
}

/* Stable (messages are few): notes must stay behind their message in the order given. */
static void messages_sort(Message *messages, size_t count) {
  for (size_t i = 1; i < count; i++) {
    Message message = messages[i];
    size_t k = i;
    for (; k > 0 && message_compare(&messages[k - 1], &message) > 0; k--)
      messages[k] = messages[k - 1];
    messages[k] = message;
  }
}

void diag_print(Diag *diag, FILE *out) {
  messages_sort(diag->messages, diag->count);
  for (size_t i = 0; i < diag->count; i++) message_print(diag->arena, &diag->messages[i], out);
  if (diag->dropped)
    fprintf(out, "rlc: %zu more error%s not shown\n", diag->dropped, diag->dropped > 1 ? "s" : "");
  diag->count = diag->dropped = diag->source_count = 0;
  diag->last_kept = false;
}

/* ---- nearest name ---- */

#define NAME_LIMIT 64 /* longer names have no neighbours */

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static size_t min3(size_t a, size_t b, size_t c) {
  return a < b ? (a < c ? a : c) : (b < c ? b : c);
}

/* Twice the edit distance with swapped neighbours as one edit; a difference in case alone costs
 * half an edit. */
static size_t edit_distance(const char *a, size_t n, const char *b, size_t m) {
  size_t rows[3][NAME_LIMIT + 1]; /* rows i-2, i-1 and i of the table, taken in turn */
  for (size_t j = 0; j <= m; j++) rows[0][j] = 2 * j;
  for (size_t i = 1; i <= n; i++) {
    size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
    row[0] = 2 * i;
    for (size_t j = 1; j <= m; j++) {
      size_t change = a[i - 1] == b[j - 1] ? 0 : lower(a[i - 1]) == lower(b[j - 1]) ? 1 : 2;
      row[j] = min3(above[j] + 2, row[j - 1] + 2, above[j - 1] + change);
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped && higher[j - 2] + 2 < row[j]) row[j] = higher[j - 2] + 2;
    }
  }
  return rows[n % 3][m];
}

const char *nearest_name(const char *name, const char *const *candidates, size_t count) {
  size_t length = strlen(name), best = SIZE_MAX;
  const char *nearest = NULL;
  if (length > NAME_LIMIT) return NULL;
  for (size_t i = 0; i < count; i++) {
    size_t other = strlen(candidates[i]), longer = other > length ? other : length;
    if (other > NAME_LIMIT) continue;
    size_t distance = 1; /* of names that differ in case alone, however many letters */
    if (strcasecmp(name, candidates[i]))
      distance = edit_distance(name, length, candidates[i], other);
    /* at most 2 edits or a third of the length, and at least half of the characters must stay */
    if (distance > 2 * (length / 3 > 2 ? length / 3 : 2) || distance > longer) continue;
    if (distance < best) best = distance, nearest = candidates[i];
  }
  return nearest;
}

const char *hint_nearest(Arena *arena, const char *name, const char *const *candidates,
                         size_t count) {
  const char *nearest = nearest_name(name, candidates, count);
  return nearest ? arena_printf(arena, "did you mean '%s'?", nearest) : NULL;
}
