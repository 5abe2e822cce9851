/* A study read back from its folder. study.json is what folder.c wrote. */
#include "compiler/study/report/report.h"

#include <string.h>
#include <unistd.h>

#include "runtime/json.h"

typedef struct Opening {
  Arena *arena;
  Study *study;
  JsonReader json;
  char *spare; /* as long as the file: any text fits */
  size_t size;
  const char *compare;
  const char **same_as; /* by point: the name, or NULL */
  const char **against; /* likewise */
  const char **envs_of; /* of normalize */
  StudyNormal *normals;
  size_t normal_count;
} Opening;

static const char *read_text(Opening *o) {
  json_read_string(&o->json, o->spare, o->size);
  return arena_copy(o->arena, o->spare, strlen(o->spare));
}

static const char **read_texts(Opening *o, size_t *count) {
  const char **texts = NULL;
  size_t capacity = 0;
  *count = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0)) PUSH(o->arena, texts, *count, capacity, read_text(o));
  return texts;
}

static const double *read_numbers(Opening *o, size_t *count) {
  double *numbers = NULL;
  size_t capacity = 0;
  *count = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0))
    PUSH(o->arena, numbers, *count, capacity, json_read_double(&o->json));
  return numbers;
}

/* ---- parts ---- */

static void read_seeds(Opening *o) {
  size_t capacity = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0))
    PUSH(o->arena, o->study->seeds, o->study->seed_count, capacity, json_read_u64(&o->json));
}

/* Whether the value that comes next is a text. */
static bool is_text(const JsonReader *json) { return json->at[strspn(json->at, " \t\r\n")] == '"'; }

static void read_score(Opening *o) {
  StudyScore *score = &o->study->score;
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "metric") == 0)
      score->metric = read_text(o);
    else if (strcmp(name, "last") == 0)
      score->last = (uint32_t)json_read_u64(&o->json);
    else if (strcmp(name, "better") == 0)
      score->lower = strcmp(read_text(o), "lower") == 0;
    else if (strcmp(name, "failed") == 0 && is_text(&o->json))
      score->failed_worst = strcmp(read_text(o), "worst") == 0;
    else if (strcmp(name, "failed") == 0)
      score->failed = json_read_double(&o->json);
    else
      json_skip(&o->json);
  }
}

static void read_normal(Opening *o) {
  size_t capacity = 0, envs = 0, env_capacity = 0;
  char name[256];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    double ends[2] = {0};
    json_enter(&o->json, '[');
    for (size_t i = 0; json_next(&o->json, NULL, 0); i++)
      i < 2 ? (void)(ends[i] = json_read_double(&o->json)) : json_skip(&o->json);
    StudyNormal normal = {true, ends[0], ends[1]};
    PUSH(o->arena, o->normals, o->normal_count, capacity, normal);
    const char *env = arena_copy(o->arena, name, strlen(name));
    PUSH(o->arena, o->envs_of, envs, env_capacity, env);
  }
}

static StudyChange read_change(Opening *o) {
  StudyChange change = {0};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    const char *text = read_text(o);
    if (strcmp(name, "path") == 0) change.path = text;
    if (strcmp(name, "before") == 0) change.before = text;
    if (strcmp(name, "after") == 0) change.after = text;
  }
  if (!change.path) change.path = "";
  return change;
}

static StudyCrossed read_crossed(Opening *o) {
  StudyCrossed crossed = {"", ""};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    const char *text = read_text(o);
    if (strcmp(name, "path") == 0) crossed.path = text;
    if (strcmp(name, "why") == 0) crossed.why = text;
  }
  return crossed;
}

static StudyChange *read_changes(Opening *o, size_t *count) {
  StudyChange *changes = NULL;
  size_t capacity = 0;
  *count = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0)) PUSH(o->arena, changes, *count, capacity, read_change(o));
  return changes;
}

static StudyKey read_key(Opening *o) {
  StudyKey key = {.path = "", .label = ""};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "path") == 0)
      key.path = read_text(o);
    else if (strcmp(name, "label") == 0)
      key.label = read_text(o);
    else if (strcmp(name, "values") == 0)
      key.values = read_texts(o, &key.count);
    else
      json_skip(&o->json);
  }
  return key;
}

static void read_grid(Opening *o) {
  size_t capacity = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0))
    PUSH(o->arena, o->study->grid, o->study->grid_count, capacity, read_key(o));
}

static StudyAxis read_axis(Opening *o) {
  StudyAxis axis = {.name = ""};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    const char *text = read_text(o);
    if (strcmp(name, "name") == 0) axis.name = text;
    if (strcmp(name, "path") == 0) axis.path = text;
    if (strcmp(name, "scale") == 0) axis.log = strcmp(text, "log") == 0;
  }
  return axis;
}

static void read_axes(Opening *o) {
  size_t capacity = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0))
    PUSH(o->arena, o->study->axes, o->study->axis_count, capacity, read_axis(o));
}

static void read_ends(Opening *o, const char *ends[2]) {
  size_t count;
  const char **texts = read_texts(o, &count);
  for (size_t i = 0; i < 2 && i < count; i++) ends[i] = texts[i];
}

static StudyArrows read_arrow(Opening *o) {
  StudyArrows arrows = {"", {"", ""}, {"", ""}};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "name") == 0)
      arrows.name = read_text(o);
    else if (strcmp(name, "from") == 0)
      read_ends(o, arrows.from);
    else if (strcmp(name, "to") == 0)
      read_ends(o, arrows.to);
    else
      json_skip(&o->json);
  }
  return arrows;
}

static void read_arrows(Opening *o) {
  size_t capacity = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0))
    PUSH(o->arena, o->study->arrows, o->study->arrow_count, capacity, read_arrow(o));
}

static void read_report(Opening *o) {
  Study *study = o->study;
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "curves") == 0)
      study->curves = read_texts(o, &study->curve_count);
    else if (strcmp(name, "aggregate") == 0)
      study->aggregates = read_texts(o, &study->aggregate_count);
    else if (strcmp(name, "ci") == 0)
      study->ci = json_read_double(&o->json);
    else if (strcmp(name, "resamples") == 0)
      study->resamples = (uint32_t)json_read_u64(&o->json);
    else if (strcmp(name, "compare") == 0)
      o->compare = read_text(o);
    else if (strcmp(name, "axes") == 0)
      read_axes(o);
    else if (strcmp(name, "arrows") == 0)
      read_arrows(o);
    else
      json_skip(&o->json);
  }
}

static StudyPoint read_point(Opening *o, const char **same_as, const char **against) {
  StudyPoint point = {.name = "", .folder = "", .variant = ""};
  size_t crossed = 0;
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "name") == 0)
      point.name = read_text(o);
    else if (strcmp(name, "folder") == 0)
      point.folder = read_text(o);
    else if (strcmp(name, "variant") == 0)
      point.variant = read_text(o);
    else if (strcmp(name, "same_as") == 0)
      *same_as = read_text(o);
    else if (strcmp(name, "against") == 0)
      *against = read_text(o);
    else if (strcmp(name, "changes") == 0)
      point.changes = read_changes(o, &point.change_count);
    else if (strcmp(name, "at") == 0)
      point.at = read_numbers(o, &point.at_count);
    else if (strcmp(name, "crossed") == 0) {
      json_enter(&o->json, '[');
      while (json_next(&o->json, NULL, 0))
        PUSH(o->arena, point.crossed, point.crossed_count, crossed, read_crossed(o));
    } else if (strcmp(name, "lacks") == 0)
      point.lacks = read_texts(o, &point.lack_count);
    else
      json_skip(&o->json);
  }
  return point;
}

static void read_points(Opening *o) {
  Study *study = o->study;
  size_t capacity = 0, names = 0, name_capacity = 0, others = 0, other_capacity = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0)) {
    const char *same_as = NULL, *against = NULL;
    StudyPoint point = read_point(o, &same_as, &against);
    point.same_as = study->point_count;
    PUSH(o->arena, study->points, study->point_count, capacity, point);
    PUSH(o->arena, o->same_as, names, name_capacity, same_as);
    PUSH(o->arena, o->against, others, other_capacity, against);
  }
}

/* ---- runs and their jobs ---- */

typedef struct RunText {
  const char *point, *env, *hash, *folder;
  uint64_t seed;
} RunText;

static RunText read_run(Opening *o) {
  RunText run = {"", "", "", "", 0};
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "point") == 0)
      run.point = read_text(o);
    else if (strcmp(name, "env") == 0)
      run.env = read_text(o);
    else if (strcmp(name, "hash") == 0)
      run.hash = read_text(o);
    else if (strcmp(name, "folder") == 0)
      run.folder = read_text(o);
    else if (strcmp(name, "seed") == 0)
      run.seed = json_read_u64(&o->json);
    else
      json_skip(&o->json);
  }
  return run;
}

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
static size_t job_of(Opening *o, size_t point, size_t env, const char *hash, size_t *capacity) {
  Study *study = o->study;
  for (size_t i = 0; i < study->job_count; i++)
    if (study->jobs[i].point == point && study->jobs[i].env == env) return i;
  StudyJob job = {.point = point, .env = env, .hash = hash};
  PUSH(o->arena, study->jobs, study->job_count, *capacity, job);
  return study->job_count - 1;
}

/* A folder of a run lies below the study's. */
static bool is_below(const char *folder) {
  return strncmp(folder, "runs/", 5) == 0 && !strstr(folder, "..");
}

static void read_runs(Opening *o) {
  Study *study = o->study;
  size_t runs = 0, jobs = 0;
  json_enter(&o->json, '[');
  while (json_next(&o->json, NULL, 0)) {
    RunText text = read_run(o);
    size_t point = point_named(study, text.point), env = env_named(study, text.env);
    if (point == study->point_count || env == study->env_count || !is_below(text.folder)) {
      if (!o->json.problem) o->json.problem = "a run of no point, no environment or no folder";
      return;
    }
    StudyRun run = {.seed = text.seed, .folder = text.folder};
    run.job = job_of(o, point, env, text.hash, &jobs);
    PUSH(o->arena, study->runs, study->run_count, runs, run);
  }
}

/* ---- the whole ---- */

static void read_study(Opening *o) {
  Study *study = o->study;
  char name[32];
  json_enter(&o->json, '{');
  while (json_next(&o->json, name, sizeof name)) {
    if (strcmp(name, "study") == 0)
      study->name = read_text(o);
    else if (strcmp(name, "doc") == 0)
      study->doc = read_text(o);
    else if (strcmp(name, "cite") == 0)
      study->cite = read_text(o);
    else if (strcmp(name, "path") == 0)
      study->path = read_text(o);
    else if (strcmp(name, "base") == 0)
      study->base = read_text(o);
    else if (strcmp(name, "with") == 0)
      study->with = read_changes(o, &study->with_count);
    else if (strcmp(name, "grid") == 0)
      read_grid(o);
    else if (strcmp(name, "steps") == 0)
      study->steps = json_read_u64(&o->json);
    else if (strcmp(name, "seeds") == 0)
      read_seeds(o);
    else if (strcmp(name, "envs") == 0)
      study->envs = read_texts(o, &study->env_count);
    else if (strcmp(name, "options") == 0) {
      study->options = NEW_ARRAY(o->arena, const char *, 1);
      study->options[study->option_count++] = read_text(o);
    } else if (strcmp(name, "score") == 0)
      read_score(o);
    else if (strcmp(name, "normalize") == 0)
      read_normal(o);
    else if (strcmp(name, "report") == 0)
      read_report(o);
    else if (strcmp(name, "points") == 0)
      read_points(o);
    else if (strcmp(name, "runs") == 0)
      read_runs(o);
    else if (strcmp(name, "dropped") == 0)
      study->dropped = read_texts(o, &study->dropped_count);
    else
      json_skip(&o->json);
  }
}

/* Names become numbers. */
static void resolve(Opening *o) {
  Study *study = o->study;
  study->compare = point_named(study, o->compare);
  if (study->compare == study->point_count) study->compare = 0;
  for (size_t i = 0; i < study->point_count; i++) {
    size_t same = point_named(study, o->same_as[i]);
    if (same < study->point_count) study->points[i].same_as = same;
    size_t against = point_named(study, o->against[i]);
    study->points[i].against = against < study->point_count ? against : study->compare;
  }
  study->normal = NEW_ARRAY(o->arena, StudyNormal, study->env_count);
  for (size_t i = 0; i < o->normal_count; i++) {
    size_t env = env_named(study, o->envs_of[i]);
    if (env < study->env_count) study->normal[env] = o->normals[i];
  }
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
  Opening o = {.arena = session->arena, .study = NEW(session->arena, Study)};
  o.json = json_reader(source->text, source->size);
  o.size = source->size + 1;
  o.spare = arena_alloc(session->arena, o.size);
  read_study(&o);
  const Study *study = o.study;
  bool good = json_finish(&o.json) && study->name && study->point_count && study->env_count &&
              study->seed_count && study->score.metric;
  if (!good)
    return fprintf(stderr, "error: '%s' is damaged (%s): `rlc ablate` writes it anew\n", path,
                   o.json.problem ? o.json.problem : "a part is missing"),
           NULL;
  resolve(&o);
  return check_normal(o.study, path) ? o.study : NULL;
}
