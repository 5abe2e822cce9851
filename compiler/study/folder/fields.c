/* Writes and reads structs by their tables of fields. */
#include "compiler/study/folder/fields.h"

#include <string.h>

/* ---- writing ---- */

static void write_value(JsonWriter *json, const Field *field, const char *from);

static const void *place(const char *from, size_t at) { return from + at; }

static size_t count_of(const Field *field, const char *from) {
  return *(const size_t *)place(from, field->count);
}

static bool is_empty(const Field *field, const char *from) {
  if (field->kind == FIELD_TEXT) return !*(const char *const *)place(from, field->at);
  bool list = field->kind == FIELD_TEXTS || field->kind == FIELD_WHOLES ||
              field->kind == FIELD_NUMBERS || field->kind == FIELD_PAIRS ||
              field->kind == FIELD_OBJECTS;
  return list && count_of(field, from) == 0;
}

static void write_fields(JsonWriter *json, const Schema *schema, const char *from) {
  json_open(json, '{');
  for (size_t i = 0; i < schema->count; i++) {
    const Field *field = &schema->fields[i];
    if (is_empty(field, from)) continue;
    json_name(json, field->name);
    write_value(json, field, from);
  }
  json_close(json);
}

static void write_pairs(JsonWriter *json, const NumberPair *pairs, size_t count) {
  json_open(json, '{');
  for (size_t i = 0; i < count; i++) {
    json_name(json, pairs[i].name);
    json_open(json, '[');
    json_double(json, pairs[i].first);
    json_double(json, pairs[i].second);
    json_close(json);
  }
  json_close(json);
}

static void write_list(JsonWriter *json, const Field *field, const char *from) {
  const void *items = *(const void *const *)place(from, field->at);
  json_open(json, '[');
  for (size_t i = 0; i < count_of(field, from); i++) switch (field->kind) {
    case FIELD_TEXTS:
      json_string(json, ((const char *const *)items)[i]);
      break;
    case FIELD_WHOLES:
      json_u64(json, ((const uint64_t *)items)[i]);
      break;
    case FIELD_NUMBERS:
      json_double(json, ((const double *)items)[i]);
      break;
    default:
      write_fields(json, field->of, (const char *)items + i * field->of->size);
    }
  json_close(json);
}

static void write_value(JsonWriter *json, const Field *field, const char *from) {
  const void *at = place(from, field->at);
  switch (field->kind) {
  case FIELD_TEXT:
    json_string(json, *(const char *const *)at);
    break;
  case FIELD_WHOLE:
    json_u64(json, *(const uint64_t *)at);
    break;
  case FIELD_WHOLE32:
    json_u64(json, *(const uint32_t *)at);
    break;
  case FIELD_NUMBER:
    json_double(json, *(const double *)at);
    break;
  case FIELD_WORD:
    json_string(json, field->words[*(const bool *)at]);
    break;
  case FIELD_EITHER:
    if (*(const bool *)place(from, field->count))
      json_string(json, field->words[0]);
    else
      json_double(json, *(const double *)at);
    break;
  case FIELD_TWO:
    json_open(json, '[');
    for (int i = 0; i < 2; i++) json_string(json, ((const char *const *)at)[i]);
    json_close(json);
    break;
  case FIELD_PAIRS:
    write_pairs(json, *(NumberPair *const *)at, count_of(field, from));
    break;
  case FIELD_PART:
    write_fields(json, field->of, from);
    break;
  default:
    write_list(json, field, from);
  }
}

void fields_write(JsonWriter *json, const Schema *schema, const void *from) {
  write_fields(json, schema, from);
}

/* ---- reading ---- */

enum { NAME_SIZE = 256 };

typedef struct Reading {
  Arena *arena;
  JsonReader json;
  char *spare; /* as long as the text: any string of it fits */
  size_t size;
} Reading;

static void read_value(Reading *r, const Field *field, char *to);

static const char *read_text(Reading *r) {
  *r->spare = '\0';
  json_read_string(&r->json, r->spare, r->size);
  return arena_copy(r->arena, r->spare, strlen(r->spare));
}

/* Whether the value that comes next is a text. */
static bool is_text(const Reading *r) { return r->json.at[strspn(r->json.at, " \t\r\n")] == '"'; }

/* What must be there is, in parts too. */
static void check_needed(Reading *r, const Schema *schema, const char *to) {
  for (size_t i = 0; i < schema->count && !r->json.problem; i++) {
    const Field *field = &schema->fields[i];
    if (field->kind == FIELD_PART)
      check_needed(r, field->of, to);
    else if (field->needed && !*(const void *const *)place(to, field->at))
      r->json.problem = arena_printf(r->arena, "it lacks '%s'", field->name);
  }
}

static void read_fields(Reading *r, const Schema *schema, char *to) {
  char name[NAME_SIZE];
  json_enter(&r->json, '{');
  while (json_next(&r->json, name, sizeof name)) {
    size_t i = 0;
    while (i < schema->count && strcmp(schema->fields[i].name, name)) i++;
    if (i < schema->count)
      read_value(r, &schema->fields[i], to);
    else
      json_skip(&r->json);
  }
}

/* How many values the array that comes next has. */
static size_t count_values(const Reading *r) {
  JsonReader json = r->json;
  size_t count = 0;
  json_enter(&json, '[');
  for (; json_next(&json, NULL, 0); count++) json_skip(&json);
  return count;
}

static void read_item(Reading *r, const Field *field, char *items, size_t i) {
  switch (field->kind) {
  case FIELD_TEXTS:
    ((const char **)(void *)items)[i] = read_text(r);
    return;
  case FIELD_WHOLES:
    ((uint64_t *)(void *)items)[i] = json_read_u64(&r->json);
    return;
  case FIELD_NUMBERS:
    ((double *)(void *)items)[i] = json_read_double(&r->json);
    return;
  default:
    break;
  }
  char *item = items + i * field->of->size;
  if (is_text(r))
    *(const char **)(void *)(item + field->of->fields[0].at) = read_text(r);
  else
    read_fields(r, field->of, item);
  check_needed(r, field->of, item);
}

static void read_list(Reading *r, const Field *field, char *to) {
  bool alone = field->kind == FIELD_TEXTS && is_text(r);
  size_t size = field->kind == FIELD_TEXTS     ? sizeof(char *)
                : field->kind == FIELD_WHOLES  ? sizeof(uint64_t)
                : field->kind == FIELD_NUMBERS ? sizeof(double)
                                               : field->of->size;
  size_t count = alone ? 1 : count_values(r), at = 0;
  char *items = arena_alloc(r->arena, (count + 1) * size);
  if (alone) read_item(r, field, items, at++);
  if (!alone) json_enter(&r->json, '[');
  for (; !alone && json_next(&r->json, NULL, 0) && at < count; at++) read_item(r, field, items, at);
  *(void **)(void *)(to + field->at) = items;
  *(size_t *)(void *)(to + field->count) = at;
}

static void read_pairs(Reading *r, const Field *field, char *to) {
  NumberPair *pairs = NULL;
  size_t count = 0, capacity = 0;
  char name[NAME_SIZE];
  json_enter(&r->json, '{');
  while (json_next(&r->json, name, sizeof name)) {
    NumberPair pair = {.name = arena_copy(r->arena, name, strlen(name))};
    json_enter(&r->json, '[');
    for (size_t i = 0; json_next(&r->json, NULL, 0); i++) {
      double value = json_read_double(&r->json);
      *(i ? &pair.second : &pair.first) = value;
    }
    PUSH(r->arena, pairs, count, capacity, pair);
  }
  *(NumberPair **)(void *)(to + field->at) = pairs;
  *(size_t *)(void *)(to + field->count) = count;
}

static void read_two(Reading *r, const char **to) {
  size_t count = count_values(r);
  if (count != 2 && !r->json.problem) r->json.problem = "two texts expected";
  json_enter(&r->json, '[');
  for (size_t i = 0; i < 2 && json_next(&r->json, NULL, 0); i++) to[i] = read_text(r);
  json_next(&r->json, NULL, 0);
}

static void read_value(Reading *r, const Field *field, char *to) {
  void *at = to + field->at;
  bool word = is_text(r);
  switch (field->kind) {
  case FIELD_TEXT:
    *(const char **)at = read_text(r);
    break;
  case FIELD_WHOLE:
    *(uint64_t *)at = json_read_u64(&r->json);
    break;
  case FIELD_WHOLE32:
    *(uint32_t *)at = (uint32_t)json_read_u64(&r->json);
    break;
  case FIELD_NUMBER:
    *(double *)at = json_read_double(&r->json);
    break;
  case FIELD_WORD:
    *(bool *)at = strcmp(read_text(r), field->words[1]) == 0;
    break;
  case FIELD_EITHER:
    *(bool *)(void *)(to + field->count) = word;
    if (word)
      read_text(r);
    else
      *(double *)at = json_read_double(&r->json);
    break;
  case FIELD_TWO:
    read_two(r, at);
    break;
  case FIELD_PAIRS:
    read_pairs(r, field, to);
    break;
  case FIELD_PART:
    read_fields(r, field->of, to);
    break;
  default:
    read_list(r, field, to);
  }
}

const char *fields_read(Arena *arena, const char *text, size_t size, const Schema *schema,
                        void *to) {
  Reading r = {.arena = arena, .json = json_reader(text, size), .size = size + 1};
  r.spare = arena_alloc(arena, r.size);
  read_fields(&r, schema, to);
  check_needed(&r, schema, to);
  return json_finish(&r.json) ? NULL : r.json.problem ? r.json.problem : "it goes on at its end";
}
