/* Reads the tables that a trainer writes (runtime/log.c) and makes series and scores of them. */
#include "compiler/study/folder/logs.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETURN "eval/mean_reward"

/* ---- tables ---- */

/* A text's place while it is read. */
typedef struct Reader {
  Arena *arena;
  const char *path, *at;
  size_t line;
  const char **error;
} Reader;

static bool unreadable(Reader *r, const char *what) {
  *r->error = arena_printf(r->arena, "%s:%zu: %s", r->path, r->line, what);
  return false;
}

/* The next field, up to a comma or the line's end, which is left; its length. */
static size_t field_length(const Reader *r) { return strcspn(r->at, ",\n"); }

static bool read_header(Reader *r, LogTable *table) {
  size_t capacity = 0;
  if (strncmp(r->at, "step", 4) != 0 || field_length(r) != 4)
    return unreadable(r, "the first column is not 'step'");
  for (r->at += 4; *r->at == ','; r->at += field_length(r)) {
    r->at++;
    const char *name = arena_copy(r->arena, r->at, field_length(r));
    PUSH(r->arena, table->names, table->columns, capacity, name);
  }
  r->at++;
  return true;
}

/* A number, or nothing, which is NAN; no trainer writes "nan". */
static bool read_field(Reader *r, double *value) {
  size_t length = field_length(r);
  char *end = (char *)r->at;
  *value = length ? strtod(r->at, &end) : NAN;
  if (end != r->at + length || (length && isnan(*value)))
    return unreadable(r, "what is not a number");
  r->at += length;
  return true;
}

static bool read_row(Reader *r, LogTable *table) {
  double *values = table->values + table->rows * table->columns;
  if (!read_field(r, &table->step[table->rows])) return false;
  if (!isfinite(table->step[table->rows])) return unreadable(r, "a line without a step");
  for (size_t i = 0; i < table->columns; i++) {
    if (*r->at != ',') return unreadable(r, "fewer values than columns");
    r->at++;
    if (!read_field(r, &values[i])) return false;
  }
  if (*r->at != '\n') return unreadable(r, "more values than columns");
  r->at++;
  table->rows++;
  return true;
}

static bool read_table(Arena *arena, const char *folder, const char *name, LogTable *table,
                       const char **cut, const char **error) {
  const char *path = arena_printf(arena, "%s/%s", folder, name);
  *table = (LogTable){0};
  if (access(path, F_OK) != 0 && errno == ENOENT) return true;
  const char *reason = NULL;
  const Source *source = source_read(arena, path, &reason);
  if (!source) {
    *error = arena_printf(arena, "cannot read '%s': %s", path, reason);
    return false;
  }
  size_t lines = 0;
  for (size_t i = 0; i < source->size; i++) lines += source->text[i] == '\n';
  if (source->size && source->text[source->size - 1] != '\n') *cut = name;
  if (lines == 0) return true;
  Reader reader = {arena, path, source->text, 1, error};
  if (!read_header(&reader, table)) return false;
  table->step = NEW_ARRAY(arena, double, lines);
  table->values = NEW_ARRAY(arena, double, lines * table->columns);
  for (reader.line = 2; reader.line <= lines; reader.line++)
    if (!read_row(&reader, table)) return false;
  return true;
}

bool logs_read(Arena *arena, const char *folder, RunLogs *logs, const char **error) {
  logs->cut = NULL;
  return read_table(arena, folder, "evaluations.csv", &logs->evaluations, &logs->cut, error) &&
         read_table(arena, folder, "progress.csv", &logs->progress, &logs->cut, error);
}

/* ---- columns ---- */

static const LogTable *table_of(const RunLogs *logs, const char *column, size_t *place) {
  const LogTable *tables[] = {&logs->evaluations, &logs->progress};
  for (size_t t = 0; t < COUNTOF(tables); t++)
    for (*place = 0; *place < tables[t]->columns; ++*place)
      if (strcmp(tables[t]->names[*place], column) == 0) return tables[t];
  return NULL;
}

static const char *tail_of(const char *column) {
  const char *slash = strrchr(column, '/');
  return slash ? slash + 1 : column;
}

const char *logs_hint(Arena *arena, const RunLogs *logs, const char *name) {
  const LogTable *tables[] = {&logs->evaluations, &logs->progress};
  const char **names =
      NEW_ARRAY(arena, const char *, 2 * (logs->evaluations.columns + logs->progress.columns) + 1);
  size_t count = 0;
  names[count++] = "return";
  for (size_t t = 0; t < COUNTOF(tables); t++)
    for (size_t i = 0; i < tables[t]->columns; i++) {
      names[count++] = tables[t]->names[i];
      names[count++] = tail_of(tables[t]->names[i]);
    }
  return hint_nearest(arena, name, names, count);
}

/* The first column whose tail is the name, of places `from` on. */
static const char *tail_find(const RunLogs *logs, const char *name, size_t *from) {
  size_t first = logs->evaluations.columns;
  for (size_t i = *from; i < first + logs->progress.columns; i++) {
    const char *full = i < first ? logs->evaluations.names[i] : logs->progress.names[i - first];
    *from = i + 1;
    if (strcmp(tail_of(full), name) == 0) return full;
  }
  return NULL;
}

const char *logs_find(const RunLogs *logs, const char *name, const char **other) {
  size_t at = 0;
  *other = NULL;
  if (strcmp(name, "return") == 0) name = RETURN;
  if (table_of(logs, name, &at)) return name;
  at = 0;
  const char *found = tail_find(logs, name, &at);
  if (found) *other = tail_find(logs, name, &at);
  return found;
}

bool logs_have(const RunLogs *logs, const char *column) {
  size_t place;
  return table_of(logs, column, &place) != NULL;
}

Series logs_series(Arena *arena, const RunLogs *logs, const char *column) {
  size_t place;
  const LogTable *table = table_of(logs, column, &place);
  Series series = {0};
  if (!table) return series;
  series.step = NEW_ARRAY(arena, double, table->rows);
  series.value = NEW_ARRAY(arena, double, table->rows);
  for (size_t row = 0; row < table->rows; row++) {
    double value = table->values[row * table->columns + place];
    if (isnan(value)) continue;
    series.step[series.count] = table->step[row];
    series.value[series.count++] = value;
  }
  return series;
}

/* ---- scores ---- */

double series_score(const Series *series, uint32_t last) {
  size_t count = last < series->count ? last : series->count;
  double sum = 0;
  for (size_t i = series->count - count; i < series->count; i++) sum += series->value[i];
  return count ? sum / (double)count : NAN;
}

/* The worse of two scores, or the one that is there. */
static double worse(const StudyScore *rule, double a, double b) {
  return rule->lower ? fmax(a, b) : fmin(a, b);
}

void scores_failed(const StudyScore *rule, const bool *failed, const double *own, size_t count,
                   double *score) {
  double as = rule->failed_worst ? NAN : rule->failed;
  for (size_t i = 0; rule->failed_worst && i < count; i++)
    if (!failed[i]) as = worse(rule, as, score[i]);
  for (size_t i = 0; i < count; i++)
    if (failed[i]) score[i] = isfinite(own[i]) && !isnan(as) ? worse(rule, as, own[i]) : as;
}
