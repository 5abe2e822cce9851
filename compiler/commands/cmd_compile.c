/* rlc compile: a trainer. rlc train: the same in memory, run at once. */
#include "compiler/commands/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/build.h"

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int command_compile(Session *session) {
  double start = now();
  if (!build_target(session, false) || !build_march(session, true) ||
      !build_tools(session, false) || !pipeline_options_good(&session->pipeline) ||
      !session_elaborate(session))
    return EXIT_USER;
  pipeline_run(session->elaborated->module, &session->pipeline);
  if (session->pipeline.stop) return 0;
  Code *code = build_code(session);
  if (!code) return EXIT_USER;
  const RlcModule *shell = &session->elaborated->module->shell;
  const char *output = session->output ? session->output : shell->name;
  double lowered = now();
  if (!build_trainer(session->arena, code, output)) return EXIT_USER;
  printf("%s: %s on %s%s, %.2f s (%.3f s of it the front end)\n", output, shell->name,
         shell->env_id ? shell->env_id : "no environment", build_words(session, code),
         now() - start, lowered - start);
  return 0;
}

/* The command without its spec and overrides, which a run's config.yaml replaces. */
static const char *launcher_make(const Session *session) {
  bool target = strcmp(session->target, "native") != 0;
  return arena_printf(session->arena, "%s train%s%s%s%s", session->program,
                      target ? " --target " : "", target ? session->target : "",
                      session->prelude ? " --prelude " : "",
                      session->prelude ? session->prelude : "");
}

/* The trainer's arguments: its name and what stands behind `--`. */
static int run_module(Session *session, const RlcModule *module) {
  char **argv = NEW_ARRAY(session->arena, char *, session->rest_count + 2);
  argv[0] = (char *)module->name;
  for (size_t i = 0; i < session->rest_count; i++) argv[i + 1] = (char *)session->rest[i];
  return rlc_main_of(module, launcher_make(session), (int)session->rest_count + 1, argv);
}

int command_train(Session *session) {
  Loaded *loaded = NULL;
  const RlcModule *module = build_session(session, &loaded);
  if (!module) return EXIT_USER;
  int status = run_module(session, module);
  if (loaded) load_close(loaded);
  return status;
}
