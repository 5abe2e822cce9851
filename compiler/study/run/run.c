/* From a study to its runs: the folder is compared with the study, written and given trainers under
 * a lock, so that two commands on one folder do no harm; then runs are made. */
#include "compiler/study/run/run_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "compiler/build.h"
#include "runtime/team.h"
#include "runtime/trainer.h"

size_t runner_jobs(const Runner *runner) {
  uint32_t cores = team_processors();
  return runner->session->jobs ? runner->session->jobs : cores ? cores : 1;
}

size_t program_words(const Session *session, const char *words[PROGRAM_WORDS]) {
  bool native = !session->target || strcmp(session->target, "native") == 0;
  size_t count = 0;
  if (!native) words[count++] = "--target", words[count++] = session->target;
  if (session->march) words[count++] = "--march", words[count++] = session->march;
  if (session->prelude) words[count++] = "--prelude", words[count++] = session->prelude;
  return count;
}

const char *study_again(const Runner *runner) {
  const char *words[PROGRAM_WORDS], *text;
  size_t count = program_words(runner->session, words);
  text = arena_printf(runner->arena, "%s ablate %s -o %s", runner->session->program,
                      runner->study->path, runner->folder);
  for (size_t i = 0; i < count; i++) text = arena_printf(runner->arena, "%s %s", text, words[i]);
  return text;
}

/* The folders that runs lie in, which hold their locks. */
static bool make_places(const Runner *runner) {
  const Study *study = runner->study;
  for (size_t i = 0; i < study->run_count; i++) {
    const char *folder = study->runs[i].folder;
    int length = (int)(strrchr(folder, '/') - folder);
    if (!folder_make(arena_printf(runner->arena, "%s/%.*s", runner->folder, length, folder)))
      return false;
  }
  return true;
}

/* A folder that is not empty and no study's is not ours to write into. */
static bool is_ours(const Runner *runner) {
  static const char *const files[] = {"study.json", "study.lock"};
  if (access(runner->folder, F_OK) != 0) return true;
  for (size_t i = 0; i < COUNTOF(files); i++)
    if (access(arena_printf(runner->arena, "%s/%s", runner->folder, files[i]), F_OK) == 0)
      return true;
  int reason;
  if (rundir_empty(runner->folder, &reason)) return true;
  const char *why = reason == ENOTDIR ? "is a file, and a study needs a folder"
                    : reason          ? "cannot be read"
                                      : "is not empty and no study's folder";
  return fprintf(stderr, "error: '%s' %s: choose another with -o\n", runner->folder, why), false;
}

static bool prepare_locked(const Runner *runner) {
  if (!study_is_here(runner) || !study_matches(runner)) return false;
  study_dropped(runner);
  study_dropped_say(runner);
  return make_places(runner) && folder_write(runner) && trainers_build(runner);
}

/* Everything that must be there before the first run. */
static bool prepare(const Runner *runner) {
  if (!is_ours(runner) || !folder_make(runner->folder)) return false;
  const char *path = arena_printf(runner->arena, "%s/study.lock", runner->folder);
  int lock = claim_take(path, false);
  if (lock == CLAIM_TAKEN) {
    printf("another command prepares '%s': waiting for it\n", runner->folder);
    fflush(stdout);
    lock = claim_take(path, true);
  }
  if (lock < 0) return false;
  bool good = prepare_locked(runner);
  close(lock);
  return good;
}

/* A worker finds everything prepared by who started it. */
static bool is_prepared(const Runner *runner) {
  if (access(arena_printf(runner->arena, "%s/study.json", runner->folder), F_OK) == 0)
    return study_is_here(runner) && study_prepared(runner) && study_matches(runner);
  return fprintf(stderr,
                 "error: there is no study in '%s' for a worker: start `rlc ablate` without "
                 "--worker\n",
                 runner->folder),
         false;
}

typedef struct Launcher {
  const char *name;
  int (*run)(const Runner *runner);
} Launcher;

static const Launcher launchers[] = {{"local", local_run}, {"slurm", slurm_run}, {"mpi", mpi_run}};

static const Launcher *launcher_find(const char *name) {
  const char *names[COUNTOF(launchers)];
  if (!name) return &launchers[0];
  for (size_t i = 0; i < COUNTOF(launchers); i++) {
    names[i] = launchers[i].name;
    if (strcmp(names[i], name) == 0) return &launchers[i];
  }
  const char *near = nearest_name(name, names, COUNTOF(launchers));
  fprintf(stderr, "error: there is no launcher '%s'%s%s%s; there are local, slurm and mpi\n", name,
          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return NULL;
}

bool study_check(Session *session, Study *study, bool say) {
  const Runner runner = {session, study, session->arena, folder_path(session, study)};
  if (access(arena_printf(runner.arena, "%s/study.json", runner.folder), F_OK) != 0) return true;
  if (!study_is_here(&runner) || !study_matches(&runner)) return false;
  study_dropped(&runner);
  if (say) study_dropped_say(&runner);
  return true;
}

int study_run(Session *session, Study *study) {
  Runner runner = {.session = session,
                   .study = study,
                   .arena = session->arena,
                   .folder = folder_path(session, study)};
  const Launcher *launcher = launcher_find(session->launcher);
  if (!launcher || !build_target(session, false) || !build_march(session, true)) return EXIT_USER;
  if (session->worker ? !is_prepared(&runner) : !prepare(&runner)) return EXIT_USER;
  if (!study_states(&runner)) return EXIT_USER;
  if (!session->worker) trainers_tell(&runner);
  fflush(stdout);
  return launcher->run(&runner);
}
