/* rlc report: the report of a study from what its folder holds. */
#include "compiler/commands/session.h"

#include <string.h>
#include <unistd.h>

#include "compiler/study/report/report.h"

/* Of a study that was published there are tables and no runs: an empty report beside them is none.
 */
static bool is_published(Arena *arena, const char *folder) {
  return access(arena_printf(arena, "%s/study.json", folder), F_OK) == 0 &&
         access(arena_printf(arena, "%s/runs", folder), F_OK) != 0;
}

int command_report(Session *session) {
  if (!session->spec)
    return fprintf(stderr, "error: which study? Give its folder, as in studies/NAME\n"), EXIT_USER;
  size_t length = strlen(session->spec);
  while (length > 1 && session->spec[length - 1] == '/') length--;
  const char *folder = arena_copy(session->arena, session->spec, length);
  if (is_published(session->arena, folder))
    return fprintf(
               stderr,
               "error: '%s' has no runs of its study, of which a report is made; it may be what "
               "was published of one\n",
               folder),
           EXIT_USER;
  if (!report_make(session, folder, true)) return EXIT_USER;
  printf("%s/report/report.html\n", folder);
  return 0;
}
