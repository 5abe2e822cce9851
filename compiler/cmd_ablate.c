/* rlc ablate: a study of variants of a loss. */
#include "compiler/session.h"

#include "compiler/study/run.h"

static void point_print(const Study *study, size_t index) {
  const StudyPoint *point = &study->points[index];
  printf("  %s\n", point->name);
  if (point->same_as != index) printf("      is %s\n", study->points[point->same_as].name);
  for (size_t i = 0; i < point->change_count; i++) {
    const StudyChange *change = &point->changes[i];
    printf("      %s: %s -> %s\n", change->path, change->before ? change->before : "(nothing)",
           change->after ? change->after : "(nothing)");
  }
  for (size_t i = 0; i < point->crossed_count; i++)
    printf("      without %s: %s\n", point->crossed[i].path, point->crossed[i].why);
}

int command_ablate(Session *session) {
  if (session->override_count)
    return fprintf(
               stderr,
               "error: what a study runs is in its file, where '%s' belongs under 'grid' or in a "
               "variant\n",
               session->overrides[0]),
           EXIT_USER;
  Study *study = study_load(session);
  if (!study) return EXIT_USER;
  if (!session->dry_run) return study_run(session, study);
  printf("%s: %zu points, %zu jobs, %zu runs\n", study->name, study->point_count, study->job_count,
         study->run_count);
  for (size_t i = 0; i < study->point_count; i++) point_print(study, i);
  return 0;
}
