/* Where runs are, by what lies in the folder. A run belongs to the study only if its record names
 * the same program and the same options. */
#include "compiler/study/folder/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runtime/checkpoint.h"
#include "runtime/json.h"

static const char *run_path(const Runner *runner, const StudyRun *run) {
  return arena_printf(runner->arena, "%s/%s", runner->folder, run->folder);
}

double run_result(const Runner *runner, const StudyRun *run, const char *key) {
  const char *path = arena_printf(runner->arena, "%s/result.json", run_path(runner, run));
  const char *reason = NULL;
  char name[64];
  double value = NAN;
  Source *source = access(path, F_OK) == 0 ? source_read(runner->arena, path, &reason) : NULL;
  if (!source) return NAN;
  JsonReader json = json_reader(source->text, source->size);
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name))
    if (strcmp(name, key) == 0)
      value = json_read_double(&json);
    else
      json_skip(&json);
  return json_finish(&json) ? value : NAN;
}

/* Whether someone makes the run now. */
static bool is_held(const Runner *runner, const StudyRun *run) {
  int lock = open(claim_path(runner, run), O_RDONLY | O_CLOEXEC);
  if (lock < 0) return false;
  bool held = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(lock);
  return held;
}

/* `why` gets what it said last, or how it is another run. */
static StudyState state_of(const Runner *runner, const StudyRun *run, const StudyRecord *record,
                           bool claimed, const char **why) {
  bool done = run_result(runner, run, "finished") == 1;
  if (!done && !claimed && is_held(runner, run)) return STUDY_RUNNING;
  *why = run_foreign(runner, run, record);
  if (*why) return STUDY_FOREIGN;
  if (done) return STUDY_DONE;
  *why = record->failure;
  if (*why) return STUDY_FAILED;
  bool goes_on = record->trainer && access(trainer_path(runner, record->trainer), X_OK) == 0 &&
                 checkpoint_any(run_path(runner, run));
  return goes_on ? STUDY_PARTIAL : STUDY_WAITING;
}

/* It is asked again and again, so what it reads goes with it. */
bool study_state(const Runner *runner, StudyRun *run, bool claimed) {
  Runner scratch = *runner;
  StudyRecord record;
  scratch.arena = arena_make();
  bool good = record_read(&scratch, run, &record);
  const char *why = NULL;
  if (good) run->state = state_of(&scratch, run, &record, claimed, &why);
  if (!why)
    run->failure = NULL;
  else if (!run->failure || strcmp(run->failure, why) != 0)
    run->failure = arena_copy(runner->arena, why, strlen(why));
  arena_free(scratch.arena);
  return good;
}

bool study_states(const Runner *runner) {
  for (size_t i = 0; i < runner->study->run_count; i++)
    if (!study_state(runner, &runner->study->runs[i], false)) return false;
  return true;
}

/* Says that the runs of a job are of something else. */
static void report_other(const Runner *runner, const StudyRun *run, const StudyRecord *record,
                         const char *options) {
  const Study *study = runner->study;
  const StudyJob *job = &study->jobs[run->job];
  const char *point = study->points[job->point].name, *env = study->envs[job->env];
  if (strcmp(record->hash, job->hash) != 0)
    fprintf(stderr,
            "error: '%s' on %s is another program now (%s, its runs in '%s' were made with %s): "
            "the spec, %srlc, --target or --march has changed",
            point, env, job->hash, runner->folder, record->hash,
            study->file_count ? "a data file, " : "");
  else
    fprintf(stderr, "error: '%s' on %s has runs in '%s' that were made with '%s', not '%s'", point,
            env, runner->folder, record->options, options);
  fprintf(stderr,
          "; give the study another folder with -o, or remove '%s/%.*s' to make these runs anew\n",
          runner->folder, (int)(strrchr(run->folder, '/') - run->folder), run->folder);
}

/* Whether a run's record, if there is one, is of this study, and its directory of this run. */
static bool run_matches(const Runner *runner, const StudyRun *run, const char *options, bool say) {
  StudyRecord record;
  if (!record_read(runner, run, &record)) return false;
  const StudyJob *job = &runner->study->jobs[run->job];
  bool same = !record.found ||
              (strcmp(record.hash, job->hash) == 0 && strcmp(record.options, options) == 0);
  if (!same && say) report_other(runner, run, &record, options);
  const char *foreign = same ? run_foreign(runner, run, &record) : NULL;
  if (foreign)
    fprintf(stderr,
            "error: '%s/%s' is another run: %s; put back what was there, or move it away to make "
            "that run anew\n",
            runner->folder, run->folder, foreign);
  return same && !foreign;
}

bool study_matches(const Runner *runner) {
  const Study *study = runner->study;
  const char *options = record_options(runner);
  bool *said = NEW_ARRAY(runner->arena, bool, study->job_count), good = true;
  for (size_t i = 0; i < study->run_count; i++) {
    const StudyRun *run = &study->runs[i];
    if (run_matches(runner, run, options, !said[run->job])) continue;
    good = false;
    said[run->job] = true;
  }
  return good;
}
