/* rlc watch: a study's report in a browser while its runs go on. */
#include "compiler/commands/session.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "compiler/study/report/serve.h"

/* Until a signal asks for the end; looks at the runs every two seconds. */
static void watch_until(Server *server, const sigset_t *ends) {
  const struct timespec pause = {.tv_sec = 2};
  while (sigtimedwait(ends, NULL, &pause) < 0) server_look(server);
}

int command_watch(Session *session) {
  static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
  sigset_t ends, before;
  if (!session->spec)
    return fprintf(stderr, "error: which study? Give its folder, as in studies/NAME\n"), EXIT_USER;
  if (session->port > UINT16_MAX)
    return fprintf(stderr, "error: there is no port %u\n", session->port), EXIT_USER;
  sigemptyset(&ends);
  for (size_t i = 0; i < COUNTOF(signals); i++) sigaddset(&ends, signals[i]);
  sigprocmask(SIG_BLOCK, &ends, &before);
  signal(SIGPIPE, SIG_IGN);
  Server *server = server_start(session, session->spec, (uint16_t)session->port);
  if (server) {
    printf("http://127.0.0.1:%u/ shows %s; ^C ends it\n", server_port(server), session->spec);
    fflush(stdout);
    watch_until(server, &ends);
    server_stop(server);
  }
  sigprocmask(SIG_SETMASK, &before, NULL);
  return server ? 0 : EXIT_USER;
}
