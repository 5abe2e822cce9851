/* rlc play: a run's specification compiled in memory, its policy played by the runtime. */
#include "compiler/commands/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compiler/build.h"
#include "runtime/play.h"

/* The run's folder without slashes at its end; NULL after a message. */
static const char *run_folder(Session *session) {
  struct stat status;
  if (!session->spec) {
    fprintf(stderr, "error: which run? Give a run's directory, as in runs/NAME\n");
    return NULL;
  }
  size_t length = strlen(session->spec);
  while (length > 1 && session->spec[length - 1] == '/') length--;
  const char *run = arena_copy(session->arena, session->spec, length);
  const char *config = arena_printf(session->arena, "%s/config.yaml", run);
  if (stat(config, &status) == 0) return run;
  bool there = stat(run, &status) == 0;
  fprintf(stderr, "error: '%s' is no run directory: %s\n", run,
          !there                     ? "it is not there"
          : !S_ISDIR(status.st_mode) ? "it is a file"
                                     : "it has no config.yaml");
  return NULL;
}

static int play_module(Session *session, const RlcModule *module, const char *run) {
  char *argv[] = {"rlc play", "--seed", (char *)session->seed, NULL};
  const PlayRequest request = {.run = run,
                               .episodes = session->episodes,
                               .trajectory = session->trajectory,
                               .video = session->output,
                               .thumbnail = session->thumbnail,
                               .camera = session->camera,
                               .gl = session->gl,
                               .width = session->width,
                               .height = session->height,
                               .fps = session->fps};
  return rlc_play(module, &request, session->seed ? 3 : 1, argv);
}

int command_play(Session *session) {
  const char *run = run_folder(session);
  if (!run) return EXIT_USER;
  if (session->override_count) {
    fprintf(stderr, "error: a run is played as it was trained; '%s' cannot change it\n",
            session->overrides[0]);
    return EXIT_USER;
  }
  session->spec = arena_printf(session->arena, "%s/config.yaml", run);
  Loaded *loaded = NULL;
  const RlcModule *module = build_session(session, &loaded);
  if (!module) return EXIT_USER;
  int status = play_module(session, module, run);
  if (loaded) load_close(loaded);
  return status;
}
