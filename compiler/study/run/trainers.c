/* Trainers: each distinct program is compiled once, in a process of its own, as many at once as
 * there are jobs. What is there is not made again, so that all runs of a program come from one
 * executable whatever becomes of rlc. */
#include "gen/engine.h"
#include "gen/version.h"
#include "compiler/study/run/run_parts.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/codegen.h"
#include "compiler/build.h"
#include "runtime/trainer.h"

const char *trainer_name(const Runner *runner, const StudyJob *job) {
  return arena_printf(runner->arena, "%s-" RLC_ENGINE, job->hash);
}

bool record_begin(const Runner *runner, const StudyRun *run, bool anew, StudyRecord *record) {
  const StudyJob *job = &runner->study->jobs[run->job];
  StudyRecord before;
  if (!record_read(runner, run, &before)) return false;
  *record = (StudyRecord){.hash = job->hash,
                          .options = record_options(runner),
                          .trainer = trainer_name(runner, job),
                          .compiler = "rlc " RLC_VERSION};
  if (anew || !before.found) return true;
  record->trainer = before.trainer;
  record->compiler = before.compiler;
  return true;
}

static const char *path_of(const Runner *runner, const StudyJob *job) {
  return trainer_path(runner, trainer_name(runner, job));
}

/* In a process of its own: from the resolved spec to the executable. */
static int compile(const Runner *runner, const StudyJob *job) {
  Session session = *runner->session;
  session.diag = diag_make(session.arena);
  diag_hush(session.diag); /* the plan has said them */
  session.pipeline = (PipelineOptions){.out = stdout};
  session.measure = false;
  bool elaborated = session_elaborate_tree(&session, job->spec);
  if (!session_report(&session) || !elaborated) return EXIT_USER;
  pipeline_run(session.elaborated->module, &session.pipeline);
  Code *code = build_code(&session);
  return code && build_trainer(session.arena, code, path_of(runner, job)) ? 0 : EXIT_USER;
}

static pid_t compile_start(const Runner *runner, const StudyJob *job) {
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) fprintf(stderr, "error: cannot start a process: %s\n", strerror(errno));
  if (child != 0) return child;
  int status = compile(runner, job);
  fflush(NULL);
  _exit(status);
}

/* The jobs whose trainers have to be made, each program once. */
static size_t jobs_missing(const Runner *runner, const StudyJob **missing) {
  const Study *study = runner->study;
  size_t count = 0;
  for (size_t i = 0; i < study->job_count; i++) {
    const StudyJob *job = &study->jobs[i];
    bool there = access(path_of(runner, job), X_OK) == 0;
    for (size_t k = 0; k < count && !there; k++) there = !strcmp(missing[k]->hash, job->hash);
    if (!there) missing[count++] = job;
  }
  return count;
}

/* Which of `children` ended, and whether well; `count` after a message when none can be waited for.
 */
static size_t wait_any(const pid_t *children, size_t count, bool *good) {
  for (;;) {
    int status;
    pid_t ended = waitpid(-1, &status, 0);
    if (ended < 0 && errno == EINTR) continue;
    if (ended < 0)
      return fprintf(stderr, "error: cannot wait for a compilation: %s\n", strerror(errno)), count;
    *good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    for (size_t i = 0; i < count; i++)
      if (children[i] == ended) return i;
  }
}

static void report_failed(const Runner *runner, const StudyJob *job) {
  const Study *study = runner->study;
  fprintf(stderr, "error: no trainer of '%s' on %s could be made\n", study->points[job->point].name,
          study->envs[job->env]);
}

static bool compile_all(const Runner *runner, const StudyJob **missing, size_t count, size_t jobs) {
  pid_t *children = NEW_ARRAY(runner->arena, pid_t, count);
  size_t begun = 0, ended = 0;
  bool all = true;
  while (ended < count) {
    while (all && begun < count && begun - ended < jobs) {
      children[begun] = compile_start(runner, missing[begun]);
      if (children[begun] < 0) all = false;
      if (all) begun++;
    }
    if (begun == ended) break;
    bool good = false;
    size_t which = wait_any(children, begun, &good);
    if (which == begun) return false;
    if (!good) report_failed(runner, missing[which]);
    all = all && good;
    ended++;
  }
  return all;
}

bool trainers_build(const Runner *runner) {
  const StudyJob **missing = NEW_ARRAY(runner->arena, const StudyJob *, runner->study->job_count);
  if (!folder_make(arena_printf(runner->arena, "%s/trainers", runner->folder))) return false;
  size_t count = jobs_missing(runner, missing);
  if (count == 0) return true;
  double began = run_clock();
  printf("compiling %zu trainer%s\n", count, count == 1 ? "" : "s");
  if (!compile_all(runner, missing, count, runner_jobs(runner))) return false;
  printf("compiled in %.1f s\n", run_clock() - began);
  return true;
}

void trainers_refused_tell(const Runner *runner) {
  if (!target_is_device(runner->session->target)) return;
  fflush(stdout);
  fprintf(stderr,
          "note: trainers that are there are not compiled again: where the card or its driver does "
          "not take them, remove %s/trainers/*-" RLC_ENGINE
          ", and they are made by the NVRTC that is found then\n",
          runner->folder);
}

/* ---- other builds ---- */

/* The compilers of `others`, each once, with commas. */
static const char *compilers_text(const Runner *runner, const StudyRecord *others, size_t count) {
  const char *text = "";
  for (size_t i = 0; i < count; i++) {
    const char *name = others[i].compiler ? others[i].compiler : "of unknown version";
    if (strstr(text, name)) continue;
    text = arena_printf(runner->arena, "%s%s%s", text, *text ? ", " : "", name);
  }
  return text;
}

void trainers_tell(const Runner *runner) {
  const Study *study = runner->study;
  StudyRecord *others = NEW_ARRAY(runner->arena, StudyRecord, study->run_count + 1);
  size_t count = 0, gone = 0;
  for (size_t i = 0; i < study->run_count; i++) {
    StudyRun *run = &study->runs[i];
    StudyRecord *record = &others[count];
    if (!record_read(runner, run, record) || !record->found) continue;
    if (!strcmp(record->trainer, trainer_name(runner, &study->jobs[run->job]))) continue;
    count++;
    gone += run->state == STUDY_WAITING;
  }
  if (count == 0) return;
  printf("note: %zu of %zu runs were begun by another build of rlc (%s): what is done stays, the "
         "rest goes on with its trainers",
         count, study->run_count, compilers_text(runner, others, count));
  if (gone) printf("; %zu of them begin anew, without a checkpoint or that trainer", gone);
  printf("\n");
}
