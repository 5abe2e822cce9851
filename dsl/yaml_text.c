/* Where the bytes of a YAML file stand: lines and columns, libyaml's character counts turned into
 * bytes, and for each byte of a folded, quoted or literal scalar the place it came from. */
#include "dsl/yaml.h"
#include "ir/lex.h"

#include <string.h>

/* ---- the text as a whole ---- */

/* The length of the well-formed UTF-8 character at `s`, its code in *code; 0 where it is malformed.
 */
static size_t utf8_read(const unsigned char *s, size_t left, uint32_t *code) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = s[0] < 0x80   ? 1
                  : s[0] < 0xc2 ? 0
                  : s[0] < 0xe0 ? 2
                  : s[0] < 0xf0 ? 3
                  : s[0] < 0xf5 ? 4
                                : 0;
  if (length == 0 || length > left) return 0;
  uint32_t value = length == 1 ? s[0] : s[0] & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    value = value << 6 | (s[i] & 0x3f);
  }
  if (length > 1 && value < least[length]) return 0;
  if ((value >= 0xd800 && value < 0xe000) || value > 0x10ffff) return 0;
  *code = value;
  return length;
}

/* What is wrong with a character, or NULL. YAML counts more characters as line ends than editors
 * do: those are refused, so that everybody agrees on line numbers. */
static const char *character_fault(uint32_t code, uint32_t following) {
  if (code == '\t' || code == '\n') return NULL;
  if (code == '\r') return following == '\n' ? NULL : "a carriage return without a line feed";
  if (code == 0x85 || code == 0x2028 || code == 0x2029) return "a Unicode line separator";
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return "a control character";
  if (code == 0xfeff) return "a byte order mark inside the text";
  if (code == 0xfffe || code == 0xffff) return "not a Unicode character";
  return NULL;
}

/* Fills lines and characters, checking every character. False after reporting the first fault. */
static bool places_fill(Arena *arena, Diag *diag, Places *p) {
  const unsigned char *text = (const unsigned char *)p->source->text;
  size_t size = p->source->size, lines = 0, characters = 0;
  PUSH(arena, p->lines, p->line_count, lines, 0);
  for (size_t i = 0, step; i < size; i += step) {
    uint32_t code = 0;
    step = utf8_read(text + i, size - i, &code);
    if (step == 0)
      return diag_error(diag, places_span(p, i, i + 1), "save the file as UTF-8",
                        "the byte 0x%02x is not UTF-8 text", text[i]);
    const char *fault = i < p->from ? NULL : character_fault(code, text[i + step]);
    if (fault)
      return diag_error(diag, places_span(p, i, i + step), NULL, "%s (U+%04X)", fault, code);
    if (i >= p->from) PUSH(arena, p->characters, p->character_count, characters, (uint32_t)i);
    if (code == '\n') PUSH(arena, p->lines, p->line_count, lines, (uint32_t)(i + 1));
  }
  if (p->character_count == size - p->from) p->characters = NULL;
  return true;
}

bool places_make(Arena *arena, Diag *diag, const Source *source, size_t from, Places *places) {
  *places = (Places){.source = source, .from = from};
  if (from == 0 && source->size >= 3 && !memcmp(source->text, "\xef\xbb\xbf", 3)) places->from = 3;
  return places_fill(arena, diag, places);
}

size_t places_offset(const Places *places, size_t index) {
  if (!places->characters)
    index += places->from;
  else if (index < places->character_count)
    return places->characters[index];
  return index < places->source->size && !places->characters ? index : places->source->size;
}

/* ---- spans ---- */

Span places_span(const Places *p, size_t begin, size_t end) {
  size_t low = 0, high = p->line_count; /* the line of `begin` is in low..high */
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (p->lines[middle] <= begin)
      low = middle;
    else
      high = middle;
  }
  const char *text = p->source->text;
  const char *stop = end > begin ? memchr(text + begin, '\n', end - begin) : NULL;
  if (stop) end = (size_t)(stop - text);
  while (end > begin && text[end - 1] == '\r') end--;
  return (Span){p->source, (uint32_t)(low + 1), (uint32_t)(begin - p->lines[low] + 1),
                (uint32_t)(end - begin)};
}

/* ---- scalars ---- */

typedef struct Walk {
  const Places *places;
  const char *text;
  size_t at, end; /* in the source */
  const char *value;
  size_t done, length; /* in the value */
  Span *spans;
} Walk;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* The next `count` bytes of the value come from the source bytes begin..end. */
static void walk_map(Walk *w, size_t count, size_t begin, size_t end) {
  Span span = places_span(w->places, begin, end);
  for (size_t i = 0; i < count && w->done < w->length; i++) w->spans[w->done++] = span;
}

/* A run of blanks: within a line one to one; over line ends the value's blanks all stand where the
 * run starts. */
static void walk_blanks(Walk *w) {
  size_t begin = w->at, lines = 0;
  while (w->at < w->end && is_blank(w->text[w->at])) lines += w->text[w->at++] == '\n';
  for (size_t i = begin; w->done < w->length && is_blank(w->value[w->done]); i++) {
    if (lines)
      walk_map(w, 1, begin, begin);
    else if (i < w->at)
      walk_map(w, 1, i, i + 1);
    else
      break;
  }
}

/* A backslash escape in double quotes; each stands for one character of the value, or none at a
 * line's end. */
static void walk_escape(Walk *w) {
  size_t begin = w->at, count = 1;
  char letter = begin + 1 < w->end ? w->text[begin + 1] : 0;
  w->at += 2;
  if (letter == '\n' || letter == '\r') {
    while (w->at < w->end && is_blank(w->text[w->at])) w->at++;
    return;
  }
  w->at += letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
  while (w->done + count < w->length && (w->value[w->done + count] & 0xc0) == 0x80) count++;
  if (w->at > w->end) w->at = w->end;
  walk_map(w, count, begin, w->at);
}

static void walk_scalar(Walk *w, yaml_scalar_style_t style) {
  while (w->done < w->length && w->at < w->end) {
    char c = w->text[w->at];
    if (style == YAML_DOUBLE_QUOTED_SCALAR_STYLE && c == '\\') {
      walk_escape(w);
    } else if (is_blank(c)) {
      walk_blanks(w);
    } else if (c == w->value[w->done]) {
      bool twice = style == YAML_SINGLE_QUOTED_SCALAR_STYLE && c == '\'';
      walk_map(w, 1, w->at, w->at + 1);
      w->at += twice ? 2 : 1;
    } else {
      break;
    }
  }
  if (w->at > w->end) w->at = w->end;
  while (w->done < w->length) walk_map(w, 1, w->at, w->at);
  w->spans[w->done] = places_span(w->places, w->at, w->at);
}

/* Skips what stands before the value: a quote, or the header line of a block scalar. */
static size_t value_start(const char *text, yaml_scalar_style_t style, size_t begin, size_t end) {
  bool quoted =
      style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  if (quoted) return begin + 1 < end ? begin + 1 : end;
  if (style == YAML_PLAIN_SCALAR_STYLE) return begin;
  const char *newline = end > begin ? memchr(text + begin, '\n', end - begin) : NULL;
  return newline ? (size_t)(newline - text) + 1 : end;
}

ExprText scalar_text(Arena *arena, const Places *places, yaml_scalar_style_t style, size_t begin,
                     size_t end, const char *value, size_t length) {
  const char *text = places->source->text;
  ExprText result = {.text = arena_copy(arena, value, length), .length = length};
  result.source = places->source;
  size_t start = value_start(text, style, begin, end);
  result.start = places_span(places, start, start);
  bool same = start + length <= places->source->size && !memcmp(text + start, value, length) &&
              !memchr(value, '\n', length);
  if (same) return result;
  Walk walk = {places,      text, start,  end,
               result.text, 0,    length, NEW_ARRAY(arena, Span, length + 1)};
  walk_scalar(&walk, style);
  result.spans = walk.spans;
  return result;
}
