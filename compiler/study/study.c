/* What everybody says of a study in one way: folders, the names of points, options. */
#include "compiler/study/study.h"

#include <string.h>

#include "runtime/json.h"

static bool is_plain(unsigned char c) {
  return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c >= 0x80 ||
         (c && strchr("._=-+", c));
}

const char *study_folder(Arena *arena, const char *name) {
  char *folder = arena_copy(arena, *name ? name : "_", strlen(*name ? name : "_"));
  for (char *c = folder; *c; c++)
    if (!is_plain((unsigned char)*c) || (*c == '.' && c > folder && c[-1] == '.'))
      *c = '_'; /* ".." leads elsewhere */
  if (*folder == '.' || *folder == '-') *folder = '_';
  return folder;
}

const char *study_point_name(Arena *arena, const StudyPoint *point, const char *but) {
  const char *name = point->variant;
  for (size_t i = 0; i < point->value_count; i++) {
    const StudyValue *value = &point->values[i];
    if (but && strcmp(value->key, but) == 0) continue;
    name = arena_printf(arena, "%s %s=%s", name, value->key, value->value);
  }
  return name;
}

const char *study_point_value(const StudyPoint *point, const char *key) {
  for (size_t i = 0; i < point->value_count; i++)
    if (strcmp(point->values[i].key, key) == 0) return point->values[i].value;
  return NULL;
}

bool text_same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

void text_quote(const char *text, FILE *out) {
  fputc('"', out);
  for (char escape[JSON_ESCAPE]; *text; text++) {
    if (json_escape(*text, escape))
      fputs(escape, out);
    else
      fputc(*text, out);
  }
  fputc('"', out);
}

const char *study_options(Arena *arena, const Study *study) {
  const char *text =
      study->steps ? arena_printf(arena, "--steps %llu", (unsigned long long)study->steps) : "";
  for (size_t i = 0; i < study->option_count; i++)
    text = arena_printf(arena, "%s%s%s", text, *text ? " " : "", study->options[i]);
  return text;
}
