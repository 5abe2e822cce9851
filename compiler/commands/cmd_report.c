/* rlc report: the report of a study from what its folder holds. */
#include "compiler/commands/session.h"

#include <string.h>

#include "compiler/study/report/report.h"

int command_report(Session *session) {
  if (!session->spec)
    return fprintf(stderr, "error: which study? Give its folder, as in studies/NAME\n"), EXIT_USER;
  size_t length = strlen(session->spec);
  while (length > 1 && session->spec[length - 1] == '/') length--;
  const char *folder = arena_copy(session->arena, session->spec, length);
  if (!report_make(session, folder, true)) return EXIT_USER;
  printf("%s/report/report.html\n", folder);
  return 0;
}
