/* The record beside a run's directory: what it was begun with, so that results of different
 * programs or options are never mixed, and how it failed. */
#include "compiler/study/folder/folder.h"

#include <string.h>
#include <unistd.h>

#include "runtime/json.h"

enum { RECORD_SIZE = 16384 };

const char *record_options(const Runner *runner) {
  return study_options(runner->arena, runner->study);
}

static const char *record_path(const Runner *runner, const StudyRun *run) {
  return arena_printf(runner->arena, "%s/%s.json", runner->folder, run->folder);
}

static const char *read_text(const Runner *runner, JsonReader *json) {
  char text[RECORD_SIZE] = "";
  json_read_string(json, text, sizeof text);
  return arena_copy(runner->arena, text, strlen(text));
}

static void read_fields(const Runner *runner, JsonReader *json, StudyRecord *record) {
  char name[32];
  json_enter(json, '{');
  while (json_next(json, name, sizeof name)) {
    if (strcmp(name, "hash") == 0)
      record->hash = read_text(runner, json);
    else if (strcmp(name, "options") == 0)
      record->options = read_text(runner, json);
    else if (strcmp(name, "trainer") == 0)
      record->trainer = read_text(runner, json);
    else if (strcmp(name, "compiler") == 0)
      record->compiler = read_text(runner, json);
    else if (strcmp(name, "failure") == 0)
      record->failure = read_text(runner, json);
    else if (strcmp(name, "status") == 0)
      record->status = (int)json_read_u64(json);
    else
      json_skip(json);
  }
}

bool record_read(const Runner *runner, const StudyRun *run, StudyRecord *record) {
  const char *path = record_path(runner, run), *reason = NULL;
  *record = (StudyRecord){0};
  if (access(path, F_OK) != 0) return true;
  Source *source = source_read(runner->arena, path, &reason);
  if (!source) return fprintf(stderr, "error: cannot read '%s': %s\n", path, reason), false;
  JsonReader json = json_reader(source->text, source->size);
  read_fields(runner, &json, record);
  record->found = json_finish(&json) && record->hash && record->options;
  if (record->found && !record->trainer) record->trainer = record->hash; /* as it once was */
  if (record->found) return true;
  return fprintf(stderr,
                 "error: '%s' is damaged (%s): remove it together with '%s/%s' to make that run "
                 "anew\n",
                 path, json.problem ? json.problem : "it lacks hash or options", runner->folder,
                 run->folder),
         false;
}

bool record_write(const Runner *runner, const StudyRun *run, const StudyRecord *record) {
  char buffer[4096];
  RunError error;
  FileOutput out;
  if (!output_begin(&out, record_path(runner, run), buffer, sizeof buffer, &error))
    return fprintf(stderr, "error: %s\n", error.text), false;
  JsonWriter json = json_writer(&out, 2);
  json_open(&json, '{');
  json_text(&json, "hash", record->hash);
  json_text(&json, "options", record->options);
  json_text(&json, "trainer", record->trainer);
  json_text(&json, "compiler", record->compiler);
  if (record->failure) {
    json_name(&json, "status");
    json_u64(&json, (uint64_t)record->status);
  }
  json_text(&json, "failure", record->failure);
  json_close(&json);
  output_text(&out, "\n");
  if (output_finish(&out, &error)) return true;
  return fprintf(stderr, "error: %s\n", error.text), false;
}
