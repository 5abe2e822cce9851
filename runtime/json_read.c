/* The strict JSON reader of json.h: no comments, no trailing commas, no control characters in
 * strings. It never reads past the text's end, whatever the text is. */
#include "runtime/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

JsonReader json_reader(const char *text, size_t bytes) {
  return (JsonReader){.at = text, .end = text + bytes};
}

/* Remembers the first mistake and moves to the end, where nothing more is found. */
static void mistake(JsonReader *json, const char *problem) {
  if (!json->problem) json->problem = problem;
  json->at = json->end;
}

static void skip_space(JsonReader *json) {
  while (json->at < json->end && strchr(" \t\r\n", *json->at) && *json->at) json->at++;
}

/* Takes the character when it comes next. */
static bool take(JsonReader *json, char c) {
  skip_space(json);
  if (json->at == json->end || *json->at != c) return false;
  json->at++;
  return true;
}

void json_enter(JsonReader *json, char bracket) {
  if (!take(json, bracket))
    mistake(json, bracket == '{' ? "'{' expected" : "'[' expected");
  else if (json->depth == JSON_DEPTH)
    mistake(json, "nested too deeply");
  else
    json->filled[++json->depth] = false;
}

bool json_next(JsonReader *json, char *name, size_t size) {
  if (json->problem) return false;
  if (take(json, name ? '}' : ']')) {
    json->depth--;
    return false;
  }
  if (json->filled[json->depth] && !take(json, ',')) mistake(json, "',' expected");
  json->filled[json->depth] = true;
  if (name) {
    json_read_string(json, name, size);
    if (!json->problem && !take(json, ':')) mistake(json, "':' expected");
  }
  return !json->problem;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* The code unit after "\u", or -1. */
static int read_unit(JsonReader *json) {
  int unit = 0;
  if (json->end - json->at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(*json->at++);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/* The character after a backslash, as one byte: what our own writer escapes, and no more. */
static int read_escape(JsonReader *json) {
  static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  if (json->at == json->end) return -1;
  char c = *json->at++;
  for (const char *pair = letters; *pair; pair += 2)
    if (*pair == c) return pair[1];
  int unit = c == 'u' ? read_unit(json) : -1;
  return unit > 0 && unit < 0x80 ? unit : -1;
}

void json_read_string(JsonReader *json, char *text, size_t size) {
  size_t length = 0;
  text[0] = '\0';
  if (!take(json, '"')) return mistake(json, "a string expected");
  while (json->at < json->end && *json->at != '"') {
    int c = (unsigned char)*json->at++;
    if (c == '\\')
      c = read_escape(json);
    else if (c < 0x20)
      c = -1;
    if (c < 0) return mistake(json, "a character that does not belong into a string");
    if (length + 1 >= size) return mistake(json, "a string that is too long");
    text[length++] = (char)c;
    text[length] = '\0';
  }
  if (!take(json, '"')) mistake(json, "a string without end");
}

/* Copies the characters of a number; an empty text when there are none or too many. */
static void number_text(JsonReader *json, char text[40]) {
  size_t length = 0;
  skip_space(json);
  while (json->at < json->end && *json->at && strchr("+-.0123456789eE", *json->at) && length < 39)
    text[length++] = *json->at++;
  text[length] = '\0';
}

uint64_t json_read_u64(JsonReader *json) {
  char text[40];
  uint64_t value = 0;
  number_text(json, text);
  bool good = text[0] != '\0' && !(text[0] == '0' && text[1] != '\0');
  for (const char *at = text; *at && good; at++) {
    good = *at >= '0' && *at <= '9' && !__builtin_mul_overflow(value, 10, &value) &&
           !__builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
  }
  if (good) return value;
  mistake(json, "a whole number expected");
  return 0;
}

uint64_t json_read_hex(JsonReader *json) {
  char text[17];
  uint64_t value = 0;
  json_read_string(json, text, sizeof text);
  for (const char *at = text; *at; at++) {
    if (hex_digit(*at) < 0) mistake(json, "hexadecimal digits expected");
    value = value * 16 + (uint64_t)hex_digit(*at);
  }
  if (text[0] == '\0') mistake(json, "hexadecimal digits expected");
  return json->problem ? 0 : value;
}

static bool take_word(JsonReader *json, const char *word) {
  size_t length = strlen(word);
  skip_space(json);
  if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) return false;
  json->at += length;
  return true;
}

double json_read_double(JsonReader *json) {
  char text[40], *end;
  if (take_word(json, "null")) return NAN;
  number_text(json, text);
  double value = strtod(text, &end);
  if (end != text && *end == '\0' && text[0] != '+' && text[0] != '.') return value;
  mistake(json, "a number expected");
  return 0;
}

/* Skips a string of any length. */
static void skip_string(JsonReader *json) {
  take(json, '"');
  while (json->at < json->end && *json->at != '"') {
    if ((unsigned char)*json->at < 0x20) return mistake(json, "a control character in a string");
    json->at += *json->at == '\\' && json->end - json->at > 1 ? 2 : 1;
  }
  if (!take(json, '"')) mistake(json, "a string without end");
}

/* One value that holds no others, or the opening of one that does. */
static void skip_start(JsonReader *json, char *closers, uint32_t *open) {
  skip_space(json);
  char c = json->at < json->end ? *json->at : '\0';
  if (c == '{' || c == '[') {
    json_enter(json, c);
    if (!json->problem) closers[(*open)++] = c;
  } else if (c == '"') {
    skip_string(json);
  } else if (!take_word(json, "true") && !take_word(json, "false")) {
    json_read_double(json);
  }
}

void json_skip(JsonReader *json) {
  char closers[JSON_DEPTH + 1];
  uint32_t open = 0;
  char name[256];
  skip_start(json, closers, &open);
  while (open > 0 && !json->problem) {
    if (json_next(json, closers[open - 1] == '{' ? name : NULL, sizeof name))
      skip_start(json, closers, &open);
    else
      open--;
  }
}

bool json_finish(JsonReader *json) {
  skip_space(json);
  if (!json->problem && json->at != json->end) mistake(json, "text after the end");
  return !json->problem;
}
