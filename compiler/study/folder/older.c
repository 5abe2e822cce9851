/* What study.json of an rlc that wrote no version into it does not tell: the values of points,
 * which stand in their names, and columns, which stand in what runs logged. `rlc ablate` writes
 * such a file anew, so this is for folders that are only looked at. */
#include "compiler/study/folder/stored.h"
#include "compiler/study/folder/logs.h"

#include <string.h>

/* ---- options ---- */

/* Steps and options were one text. */
static void options_split(Arena *arena, Study *study) {
  if (study->option_count != 1) return;
  const char *at = study->options[0];
  size_t capacity = 0;
  study->options = NULL, study->option_count = 0;
  if (strncmp(at, "--steps ", 8) == 0) at += 8, at += strcspn(at, " ");
  for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
    size_t length = strcspn(at, " ");
    const char *word = arena_copy(arena, at, length);
    PUSH(arena, study->options, study->option_count, capacity, word);
    at += length;
  }
}

/* ---- values ---- */

/* Whether " key=" begins here, and how long the key is. */
static bool is_key(const char *at, size_t *length) {
  *length = *at == ' ' ? strcspn(at + 1, " =") : 0;
  return *length && at[1 + *length] == '=';
}

/* " key=value" behind the variant's name, where a value goes up to the next key. */
static void values_read(Arena *arena, StudyPoint *point) {
  size_t variant = strlen(point->variant), capacity = 0, length;
  if (strncmp(point->name, point->variant, variant) != 0) return;
  const char *at = point->name + variant;
  while (is_key(at, &length)) {
    const char *value = at + length + 2, *end = value;
    for (size_t next; *end && !is_key(end, &next);) end++;
    StudyValue read = {arena_copy(arena, at + 1, length),
                       arena_copy(arena, value, (size_t)(end - value))};
    PUSH(arena, point->values, point->value_count, capacity, read);
    at = end;
  }
}

/* The label of the grid that a path ends with. */
static const char *key_of(const Study *study, const char *path) {
  for (size_t i = 0; i < study->point_count; i++)
    for (size_t k = 0; k < study->points[i].value_count; k++) {
      const char *key = study->points[i].values[k].key;
      size_t whole = strlen(path), length = strlen(key);
      if (length <= whole && strcmp(path + whole - length, key) == 0 &&
          (length == whole || path[whole - length - 1] == '.'))
        return key;
    }
  return NULL;
}

/* ---- columns ---- */

/* What a name is in the first run that logs it; without one it is its own. */
static const char *column_find(Arena *arena, const Study *study, const char *folder,
                               const char *name) {
  const char *problem, *other, *column = NULL;
  for (size_t i = 0; i < study->run_count && !column; i++) {
    RunLogs logs;
    const char *path = arena_printf(arena, "%s/%s", folder, study->runs[i].folder);
    if (logs_read(arena, path, &logs, &problem)) column = logs_find(&logs, name, &other);
  }
  return column ? column : name;
}

void older_complete(Arena *arena, Study *study, const char *folder) {
  options_split(arena, study);
  for (size_t i = 0; i < study->point_count; i++) values_read(arena, &study->points[i]);
  study->score.column = column_find(arena, study, folder, study->score.metric);
  for (size_t i = 0; i < study->curve_count; i++)
    study->curves[i].column = column_find(arena, study, folder, study->curves[i].name);
  for (size_t i = 0; i < study->axis_count; i++) {
    StudyAxis *axis = &study->axes[i];
    if (axis->path)
      axis->key = key_of(study, axis->path);
    else
      axis->column = column_find(arena, study, folder, axis->name);
  }
}
