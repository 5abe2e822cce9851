/* rlc ablate: a study of variants of a loss. */
#include "compiler/commands/session.h"

#include <math.h>
#include <string.h>

#include "compiler/build.h"
#include "compiler/study/plan/print.h"
#include "compiler/study/report/report.h"
#include "compiler/study/run/run.h"

static int dry_run(Session *session, Study *study) {
  bool good = study_check(session, study, !session->json);
  StudyEstimate estimate = {.refused = true, .core_seconds = NAN, .wall_seconds = NAN};
  if (good) estimate = study_estimate(session, study);
  (session->json ? study_print_json : study_print)(study, &estimate);
  return good ? 0 : EXIT_USER;
}

/* Makes what is left and, when nothing is, the report. Slurm's runs are not made yet, and a worker
 * sums nothing up. */
static int make(Session *session, Study *study) {
  int status = study_run(session, study);
  bool later = session->launcher && strcmp(session->launcher, "slurm") == 0;
  if (status != 0 || session->worker || later) return status;
  const char *folder = folder_path(session, study);
  if (!report_make(session, folder, true)) return EXIT_USER;
  printf("%s/report/report.html\n", folder);
  return 0;
}

/* Whether runs are made by this process and not by tasks elsewhere. */
static bool is_local(const Session *session) {
  return !session->launcher || strcmp(session->launcher, "local") == 0;
}

/* Slurm and MPI are started with what stands behind `--`. */
static bool rest_taken(const Session *session) {
  if (!is_local(session) || !session->rest_count) return true;
  return fprintf(
             stderr,
             "error: '%s' behind `--` is for sbatch or mpirun, and there is no --launcher slurm "
             "or mpi; the trainer's options stand in the study's file, under `options:`\n",
             session->rest[0]),
         false;
}

int command_ablate(Session *session) {
  if (session->override_count)
    return fprintf(stderr,
                   "error: what a study runs is in its file: '%s' belongs under 'grid' or into a "
                   "variant\n",
                   session->overrides[0]),
           EXIT_USER;
  if (!rest_taken(session)) return EXIT_USER;
  if (!build_target(session, false) || !build_march(session, true) ||
      !build_tools(session, session->dry_run || is_local(session)))
    return EXIT_USER;
  Study *study = study_load(session);
  if (!study) return EXIT_USER;
  return session->dry_run ? dry_run(session, study) : make(session, study);
}
