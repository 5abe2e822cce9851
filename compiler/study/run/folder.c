/* The folder of a study: its place, its two files about the study itself, and directories made and
 * removed. study.json holds everything that a report needs, so that a folder can be moved away from
 * the specs it was made from. */
#define _GNU_SOURCE
#include "gen/version.h"
#include "compiler/study/run/run.h"

#include <errno.h>
#include <ftw.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/json.h"

/* ---- directories ---- */

const char *folder_path(Session *session, const Study *study) {
  if (!session->output) return arena_printf(session->arena, "studies/%s", study->folder);
  size_t length = strlen(session->output);
  while (length > 1 && session->output[length - 1] == '/') length--;
  return arena_copy(session->arena, session->output, length);
}

bool folder_make(const char *path) {
  RunError error;
  return directories_make(path, &error) || (fprintf(stderr, "error: %s\n", error.text), false);
}

static int entry_remove(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)status, (void)type, (void)place;
  if (remove(path) == 0) return 0;
  return fprintf(stderr, "error: cannot remove '%s': %s\n", path, strerror(errno)), 1;
}

/* What a link leads to belongs to somebody else: the link alone goes. */
bool folder_remove(const char *path) {
  enum { OPEN_AT_ONCE = 16 };
  int status = nftw(path, entry_remove, OPEN_AT_ONCE, FTW_DEPTH | FTW_PHYS);
  if (status < 0) fprintf(stderr, "error: cannot remove '%s': %s\n", path, strerror(errno));
  return status == 0;
}

/* ---- study.json ---- */

static void put_number(JsonWriter *json, const char *name, double value) {
  json_name(json, name);
  json_double(json, value);
}

static void put_whole(JsonWriter *json, const char *name, uint64_t value) {
  json_name(json, name);
  json_u64(json, value);
}

static void put_texts(JsonWriter *json, const char *name, const char *const *texts, size_t count) {
  json_name(json, name);
  json_open(json, '[');
  for (size_t i = 0; i < count; i++) json_string(json, texts[i]);
  json_close(json);
}

static void put_score(JsonWriter *json, const StudyScore *score) {
  json_name(json, "score");
  json_open(json, '{');
  json_text(json, "metric", score->metric);
  put_whole(json, "last", score->last);
  json_text(json, "better", score->lower ? "lower" : "higher");
  if (score->failed_worst)
    json_text(json, "failed", "worst");
  else
    put_number(json, "failed", score->failed);
  json_close(json);
}

static void put_normal(JsonWriter *json, const Study *study) {
  json_name(json, "normalize");
  json_open(json, '{');
  for (size_t i = 0; study->normal && i < study->env_count; i++) {
    if (!study->normal[i].given) continue;
    json_name(json, study->envs[i]);
    json_open(json, '[');
    json_double(json, study->normal[i].zero);
    json_double(json, study->normal[i].one);
    json_close(json);
  }
  json_close(json);
}

static void put_changes(JsonWriter *json, const char *name, const StudyChange *changes,
                        size_t count) {
  json_name(json, name);
  json_open(json, '[');
  for (size_t i = 0; i < count; i++) {
    json_open(json, '{');
    json_text(json, "path", changes[i].path);
    json_text(json, "before", changes[i].before);
    json_text(json, "after", changes[i].after);
    json_close(json);
  }
  json_close(json);
}

static void put_grid(JsonWriter *json, const Study *study) {
  json_name(json, "grid");
  json_open(json, '[');
  for (size_t i = 0; i < study->grid_count; i++) {
    json_open(json, '{');
    json_text(json, "path", study->grid[i].path);
    json_text(json, "label", study->grid[i].label);
    put_texts(json, "values", study->grid[i].values, study->grid[i].count);
    json_close(json);
  }
  json_close(json);
}

static void put_axes(JsonWriter *json, const Study *study) {
  json_name(json, "axes");
  json_open(json, '[');
  for (size_t i = 0; i < study->axis_count; i++) {
    json_open(json, '{');
    json_text(json, "name", study->axes[i].name);
    json_text(json, "path", study->axes[i].path);
    json_text(json, "scale", study->axes[i].log ? "log" : "linear");
    json_close(json);
  }
  json_close(json);
}

static void put_arrows(JsonWriter *json, const Study *study) {
  json_name(json, "arrows");
  json_open(json, '[');
  for (size_t i = 0; i < study->arrow_count; i++) {
    json_open(json, '{');
    json_text(json, "name", study->arrows[i].name);
    put_texts(json, "from", study->arrows[i].from, 2);
    put_texts(json, "to", study->arrows[i].to, 2);
    json_close(json);
  }
  json_close(json);
}

static void put_report(JsonWriter *json, const Study *study) {
  json_name(json, "report");
  json_open(json, '{');
  put_texts(json, "curves", study->curves, study->curve_count);
  put_texts(json, "aggregate", study->aggregates, study->aggregate_count);
  put_number(json, "ci", study->ci);
  put_whole(json, "resamples", study->resamples);
  json_text(json, "compare", study->points[study->compare].name);
  put_axes(json, study);
  put_arrows(json, study);
  json_close(json);
}

static void put_at(JsonWriter *json, const double *at, size_t count) {
  json_name(json, "at");
  json_open(json, '[');
  for (size_t i = 0; i < count; i++) json_double(json, at[i]);
  json_close(json);
}

static void put_point(JsonWriter *json, const Study *study, size_t at) {
  const StudyPoint *point = &study->points[at];
  json_open(json, '{');
  json_text(json, "name", point->name);
  json_text(json, "folder", point->folder);
  json_text(json, "variant", point->variant);
  if (point->same_as != at) json_text(json, "same_as", study->points[point->same_as].name);
  json_text(json, "against", study->points[point->against].name);
  put_changes(json, "changes", point->changes, point->change_count);
  json_name(json, "crossed");
  json_open(json, '[');
  for (size_t i = 0; i < point->crossed_count; i++) {
    json_open(json, '{');
    json_text(json, "path", point->crossed[i].path);
    json_text(json, "why", point->crossed[i].why);
    json_close(json);
  }
  json_close(json);
  if (point->lack_count) put_texts(json, "lacks", point->lacks, point->lack_count);
  if (point->at_count) put_at(json, point->at, point->at_count);
  json_close(json);
}

static void put_run(JsonWriter *json, const Study *study, const StudyRun *run) {
  const StudyJob *job = &study->jobs[run->job];
  json_open(json, '{');
  json_text(json, "point", study->points[job->point].name);
  json_text(json, "env", study->envs[job->env]);
  put_whole(json, "seed", run->seed);
  json_text(json, "hash", job->hash);
  json_text(json, "folder", run->folder);
  json_close(json);
}

static void put_study(JsonWriter *json, const Runner *runner) {
  const Study *study = runner->study;
  json_open(json, '{');
  json_text(json, "study", study->name);
  json_text(json, "doc", study->doc);
  json_text(json, "cite", study->cite);
  json_text(json, "path", study->path);
  json_text(json, "compiler", "rlc " RLC_VERSION);
  json_text(json, "base", study->base);
  put_changes(json, "with", study->with, study->with_count);
  put_grid(json, study);
  put_whole(json, "steps", study->steps);
  json_name(json, "seeds");
  json_open(json, '[');
  for (size_t i = 0; i < study->seed_count; i++) json_u64(json, study->seeds[i]);
  json_close(json);
  put_texts(json, "envs", study->envs, study->env_count);
  json_text(json, "options", record_options(runner));
  put_score(json, &study->score);
  put_normal(json, study);
  put_report(json, study);
  json_name(json, "points");
  json_open(json, '[');
  for (size_t i = 0; i < study->point_count; i++) put_point(json, study, i);
  json_close(json);
  json_name(json, "runs");
  json_open(json, '[');
  for (size_t i = 0; i < study->run_count; i++) put_run(json, study, &study->runs[i]);
  json_close(json);
  if (study->dropped_count) put_texts(json, "dropped", study->dropped, study->dropped_count);
  json_close(json);
}

/* ---- the two files ---- */

static bool write_json(const Runner *runner, RunError *error) {
  char path[OUTPUT_PATH], buffer[4096];
  FileOutput out;
  if (!path_make(path, error, "%s/study.json", runner->folder) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  JsonWriter json = json_writer(&out, 3);
  put_study(&json, runner);
  output_text(&out, "\n");
  return output_finish(&out, error);
}

/* The study's file as it was given, with its comments. */
static bool write_yaml(const Runner *runner, RunError *error) {
  char path[OUTPUT_PATH], buffer[4096];
  const char *reason = NULL;
  Source *source = source_read(runner->arena, runner->study->path, &reason);
  FileOutput out;
  if (!source) return run_fail(error, "cannot read '%s': %s", runner->study->path, reason);
  if (!path_make(path, error, "%s/study.yaml", runner->folder) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  output_put(&out, source->text, source->size);
  return output_finish(&out, error);
}

bool folder_write(const Runner *runner) {
  RunError error;
  if (write_yaml(runner, &error) && write_json(runner, &error)) return true;
  return fprintf(stderr, "error: %s\n", error.text), false;
}
