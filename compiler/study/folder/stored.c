/* study.json: its table of fields, and names in place of the numbers that points, environments and
 * jobs have in memory. */
#include "gen/version.h"
#include "compiler/study/folder/fields.h"
#include "compiler/study/folder/stored.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/* ---- the file as it stands there ---- */

typedef struct StoredPoint {
  StudyPoint point;
  const char *same_as, *against;
} StoredPoint;

typedef struct StoredRun {
  const char *point, *env, *hash, *folder;
  uint64_t seed;
} StoredRun;

typedef struct Stored {
  uint64_t version;
  const char *compiler, *compare;
  Study study;
  NumberPair *normals;
  size_t normal_count;
  StoredPoint *points;
  size_t point_count;
  StoredRun *runs;
  size_t run_count;
} Stored;

#define AT(Type, field)           .at = offsetof(Type, field)
#define LIST(Type, field, count_) AT(Type, field), .count = offsetof(Type, count_)
#define SCHEMA(fields, Type)                                                                       \
  { fields, COUNTOF(fields), sizeof(Type) }

static const Field change_fields[] = {
    {"path", FIELD_TEXT, AT(StudyChange, path), .needed = true},
    {"before", FIELD_TEXT, AT(StudyChange, before)},
    {"after", FIELD_TEXT, AT(StudyChange, after)},
};
static const Schema change_schema = SCHEMA(change_fields, StudyChange);

static const Field crossed_fields[] = {
    {"path", FIELD_TEXT, AT(StudyCrossed, path), .needed = true},
    {"why", FIELD_TEXT, AT(StudyCrossed, why), .needed = true},
};
static const Schema crossed_schema = SCHEMA(crossed_fields, StudyCrossed);

static const Field key_fields[] = {
    {"path", FIELD_TEXT, AT(StudyKey, path), .needed = true},
    {"label", FIELD_TEXT, AT(StudyKey, label), .needed = true},
    {"values", FIELD_TEXTS, LIST(StudyKey, values, count)},
};
static const Schema key_schema = SCHEMA(key_fields, StudyKey);

static const Field value_fields[] = {
    {"key", FIELD_TEXT, AT(StudyValue, key), .needed = true},
    {"value", FIELD_TEXT, AT(StudyValue, value), .needed = true},
};
static const Schema value_schema = SCHEMA(value_fields, StudyValue);

static const Field curve_fields[] = {
    {"name", FIELD_TEXT, AT(StudyCurve, name), .needed = true},
    {"column", FIELD_TEXT, AT(StudyCurve, column)},
};
static const Schema curve_schema = SCHEMA(curve_fields, StudyCurve);

static const Field axis_fields[] = {
    {"name", FIELD_TEXT, AT(StudyAxis, name), .needed = true},
    {"path", FIELD_TEXT, AT(StudyAxis, path)},
    {"key", FIELD_TEXT, AT(StudyAxis, key)},
    {"column", FIELD_TEXT, AT(StudyAxis, column)},
    {"scale", FIELD_WORD, AT(StudyAxis, log), .words = {"linear", "log"}},
};
static const Schema axis_schema = SCHEMA(axis_fields, StudyAxis);

static const Field arrows_fields[] = {
    {"name", FIELD_TEXT, AT(StudyArrows, name), .needed = true},
    {"from", FIELD_TWO, AT(StudyArrows, from), .needed = true},
    {"to", FIELD_TWO, AT(StudyArrows, to), .needed = true},
};
static const Schema arrows_schema = SCHEMA(arrows_fields, StudyArrows);

static const Field point_fields[] = {
    {"name", FIELD_TEXT, AT(StoredPoint, point.name), .needed = true},
    {"folder", FIELD_TEXT, AT(StoredPoint, point.folder), .needed = true},
    {"variant", FIELD_TEXT, AT(StoredPoint, point.variant), .needed = true},
    {"values", FIELD_OBJECTS, LIST(StoredPoint, point.values, point.value_count),
     .of = &value_schema},
    {"same_as", FIELD_TEXT, AT(StoredPoint, same_as)},
    {"against", FIELD_TEXT, AT(StoredPoint, against)},
    {"changes", FIELD_OBJECTS, LIST(StoredPoint, point.changes, point.change_count),
     .of = &change_schema},
    {"crossed", FIELD_OBJECTS, LIST(StoredPoint, point.crossed, point.crossed_count),
     .of = &crossed_schema},
    {"lacks", FIELD_TEXTS, LIST(StoredPoint, point.lacks, point.lack_count)},
    {"at", FIELD_NUMBERS, LIST(StoredPoint, point.at, point.at_count)},
};
static const Schema point_schema = SCHEMA(point_fields, StoredPoint);

static const Field run_fields[] = {
    {"point", FIELD_TEXT, AT(StoredRun, point), .needed = true},
    {"env", FIELD_TEXT, AT(StoredRun, env), .needed = true},
    {"seed", FIELD_WHOLE, AT(StoredRun, seed)},
    {"hash", FIELD_TEXT, AT(StoredRun, hash), .needed = true},
    {"folder", FIELD_TEXT, AT(StoredRun, folder), .needed = true},
};
static const Schema run_schema = SCHEMA(run_fields, StoredRun);

static const Field score_fields[] = {
    {"metric", FIELD_TEXT, AT(Stored, study.score.metric), .needed = true},
    {"column", FIELD_TEXT, AT(Stored, study.score.column)},
    {"last", FIELD_WHOLE32, AT(Stored, study.score.last)},
    {"better", FIELD_WORD, AT(Stored, study.score.lower), .words = {"higher", "lower"}},
    {"failed", FIELD_EITHER, LIST(Stored, study.score.failed, study.score.failed_worst),
     .words = {"worst"}},
};
static const Schema score_schema = SCHEMA(score_fields, Stored);

static const Field report_fields[] = {
    {"curves", FIELD_OBJECTS, LIST(Stored, study.curves, study.curve_count), .of = &curve_schema},
    {"aggregate", FIELD_TEXTS, LIST(Stored, study.aggregates, study.aggregate_count)},
    {"ci", FIELD_NUMBER, AT(Stored, study.ci)},
    {"resamples", FIELD_WHOLE32, AT(Stored, study.resamples)},
    {"compare", FIELD_TEXT, AT(Stored, compare)},
    {"axes", FIELD_OBJECTS, LIST(Stored, study.axes, study.axis_count), .of = &axis_schema},
    {"arrows", FIELD_OBJECTS, LIST(Stored, study.arrows, study.arrow_count), .of = &arrows_schema},
};
static const Schema report_schema = SCHEMA(report_fields, Stored);

static const Field study_fields[] = {
    {"version", FIELD_WHOLE, AT(Stored, version)},
    {"study", FIELD_TEXT, AT(Stored, study.name), .needed = true},
    {"doc", FIELD_TEXT, AT(Stored, study.doc)},
    {"cite", FIELD_TEXT, AT(Stored, study.cite)},
    {"path", FIELD_TEXT, AT(Stored, study.path)},
    {"compiler", FIELD_TEXT, AT(Stored, compiler)},
    {"base", FIELD_TEXT, AT(Stored, study.base)},
    {"with", FIELD_OBJECTS, LIST(Stored, study.with, study.with_count), .of = &change_schema},
    {"grid", FIELD_OBJECTS, LIST(Stored, study.grid, study.grid_count), .of = &key_schema},
    {"steps", FIELD_WHOLE, AT(Stored, study.steps)},
    {"seeds", FIELD_WHOLES, LIST(Stored, study.seeds, study.seed_count), .needed = true},
    {"envs", FIELD_TEXTS, LIST(Stored, study.envs, study.env_count), .needed = true},
    {"options", FIELD_TEXTS, LIST(Stored, study.options, study.option_count)},
    {"score", FIELD_PART, .of = &score_schema},
    {"normalize", FIELD_PAIRS, LIST(Stored, normals, normal_count)},
    {"report", FIELD_PART, .of = &report_schema},
    {"points", FIELD_OBJECTS, LIST(Stored, points, point_count), .of = &point_schema,
     .needed = true},
    {"runs", FIELD_OBJECTS, LIST(Stored, runs, run_count), .of = &run_schema},
    {"dropped", FIELD_TEXTS, LIST(Stored, study.dropped, study.dropped_count)},
};
static const Schema study_schema = SCHEMA(study_fields, Stored);

/* ---- writing ---- */

static void normals_name(Arena *arena, Stored *stored) {
  const Study *study = &stored->study;
  stored->normals = NEW_ARRAY(arena, NumberPair, study->env_count);
  for (size_t i = 0; study->normal && i < study->env_count; i++)
    if (study->normal[i].given)
      stored->normals[stored->normal_count++] =
          (NumberPair){study->envs[i], study->normal[i].zero, study->normal[i].one};
}

/* Numbers become names. */
static Stored stored_of(Arena *arena, const Study *study) {
  Stored stored = {.version = STUDY_VERSION, .compiler = "rlc " RLC_VERSION, .study = *study};
  const StudyPoint *points = study->points;
  stored.compare = points[study->compare].name;
  normals_name(arena, &stored);
  stored.points = NEW_ARRAY(arena, StoredPoint, study->point_count);
  for (; stored.point_count < study->point_count; stored.point_count++) {
    const StudyPoint *point = &points[stored.point_count];
    stored.points[stored.point_count] =
        (StoredPoint){*point, points[point->same_as].name, points[point->against].name};
  }
  stored.runs = NEW_ARRAY(arena, StoredRun, study->run_count);
  for (; stored.run_count < study->run_count; stored.run_count++) {
    const StudyRun *run = &study->runs[stored.run_count];
    const StudyJob *job = &study->jobs[run->job];
    stored.runs[stored.run_count] = (StoredRun){points[job->point].name, study->envs[job->env],
                                                job->hash, run->folder, run->seed};
  }
  return stored;
}

bool study_store(Arena *arena, const Study *study, const char *path, RunError *error) {
  char buffer[4096];
  FileOutput out;
  Stored stored = stored_of(arena, study);
  if (!output_begin(&out, path, buffer, sizeof buffer, error)) return false;
  JsonWriter json = json_writer(&out, 3);
  fields_write(&json, &study_schema, &stored);
  output_text(&out, "\n");
  return output_finish(&out, error);
}

/* ---- reading ---- */

static size_t point_named(const Study *study, const char *name) {
  for (size_t i = 0; name && i < study->point_count; i++)
    if (strcmp(study->points[i].name, name) == 0) return i;
  return study->point_count;
}

static size_t env_named(const Study *study, const char *name) {
  for (size_t i = 0; i < study->env_count; i++)
    if (strcmp(study->envs[i], name) == 0) return i;
  return study->env_count;
}

/* The job of a point in an environment, which is new with its first run. */
static size_t job_of(Arena *arena, Study *study, StudyJob job, size_t *capacity) {
  for (size_t i = 0; i < study->job_count; i++)
    if (study->jobs[i].point == job.point && study->jobs[i].env == job.env) return i;
  PUSH(arena, study->jobs, study->job_count, *capacity, job);
  return study->job_count - 1;
}

/* A folder of a run lies below the study's. */
static bool is_below(const char *folder) {
  return strncmp(folder, "runs/", 5) == 0 && !strstr(folder, "..");
}

/* False: a run is of no point, no environment or no folder. */
static bool runs_resolve(Arena *arena, Stored *stored) {
  Study *study = &stored->study;
  size_t jobs = 0;
  study->runs = NEW_ARRAY(arena, StudyRun, stored->run_count);
  for (; study->run_count < stored->run_count; study->run_count++) {
    const StoredRun *from = &stored->runs[study->run_count];
    StudyJob job = {.point = point_named(study, from->point),
                    .env = env_named(study, from->env),
                    .hash = from->hash};
    if (job.point == study->point_count || job.env == study->env_count || !is_below(from->folder))
      return false;
    study->runs[study->run_count] = (StudyRun){
        .job = job_of(arena, study, job, &jobs), .seed = from->seed, .folder = from->folder};
  }
  return true;
}

/* Names become numbers. False: a run is of nothing. */
static bool resolve(Arena *arena, Stored *stored) {
  Study *study = &stored->study;
  study->points = NEW_ARRAY(arena, StudyPoint, stored->point_count);
  for (; study->point_count < stored->point_count; study->point_count++)
    study->points[study->point_count] = stored->points[study->point_count].point;
  study->compare = point_named(study, stored->compare);
  if (study->compare == study->point_count) study->compare = 0;
  for (size_t i = 0; i < study->point_count; i++) {
    size_t same = point_named(study, stored->points[i].same_as);
    size_t against = point_named(study, stored->points[i].against);
    study->points[i].same_as = same < study->point_count ? same : i;
    study->points[i].against = against < study->point_count ? against : study->compare;
  }
  study->normal = NEW_ARRAY(arena, StudyNormal, study->env_count);
  for (size_t i = 0; i < stored->normal_count; i++) {
    const NumberPair *pair = &stored->normals[i];
    size_t env = env_named(study, pair->name);
    if (env < study->env_count) study->normal[env] = (StudyNormal){true, pair->first, pair->second};
  }
  return runs_resolve(arena, stored);
}

/* Whether 1 is the better end of every scale: of a folder that an older rlc wrote it may not be. */
static bool check_normal(const Study *study, const char *path) {
  for (size_t i = 0; i < study->env_count; i++)
    if (study->normal[i].given && !normal_good(&study->normal[i], study->score.lower))
      return fprintf(stderr,
                     "error: '%s': what counts as 1 of '%s' is worse than what counts as 0: turn "
                     "the two numbers round under 'normalize' of the study's file and give `rlc "
                     "ablate` again\n",
                     path, study->envs[i]),
             false;
  return true;
}

/* Whether every number that is shown has its column. */
static bool columns_known(const Study *study) {
  bool known = study->score.column;
  for (size_t i = 0; i < study->curve_count; i++) known = known && study->curves[i].column;
  return known;
}

/* NULL, or what is wrong with the file. */
static const char *stored_read(Arena *arena, const Source *source, const char *folder,
                               Stored *stored) {
  const char *problem = fields_read(arena, source->text, source->size, &study_schema, stored);
  if (problem) return problem;
  const Study *study = &stored->study;
  if (!stored->point_count || !study->env_count || !study->seed_count) return "a part is missing";
  if (!resolve(arena, stored)) return "a run of no point, no environment or no folder";
  if (stored->version == 0) older_complete(arena, &stored->study, folder);
  return columns_known(study) ? NULL : "a column is missing";
}

Study *study_open(Session *session, const char *folder) {
  const char *path = arena_printf(session->arena, "%s/study.json", folder), *reason = NULL;
  if (access(path, F_OK) != 0)
    return fprintf(stderr,
                   "error: there is no study in '%s': it has no study.json; `rlc ablate "
                   "STUDY -o %s` makes one\n",
                   folder, folder),
           NULL;
  Source *source = source_read(session->arena, path, &reason);
  if (!source) return fprintf(stderr, "error: cannot read '%s': %s\n", path, reason), NULL;
  Stored *stored = NEW(session->arena, Stored);
  const char *problem = stored_read(session->arena, source, folder, stored);
  if (stored->version > STUDY_VERSION)
    return fprintf(stderr,
                   "error: '%s' is of version %" PRIu64 ", and this rlc reads %d: use the rlc that "
                   "wrote it (%s), or a newer one\n",
                   path, stored->version, STUDY_VERSION,
                   stored->compiler ? stored->compiler : "it does not say which"),
           NULL;
  if (problem)
    return fprintf(stderr, "error: '%s' is damaged (%s): `rlc ablate` writes it anew\n", path,
                   problem),
           NULL;
  return check_normal(&stored->study, path) ? &stored->study : NULL;
}
