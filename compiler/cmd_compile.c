/* rlc compile: a trainer. rlc train: the same in memory, run at once. */
#include "compiler/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compiler/build.h"
#include "compiler/interp.h"

static const char *const targets[] = {"c", "oracle"};

static bool target_good(const Session *session, size_t allowed) {
  for (size_t i = 0; i < allowed; i++)
    if (!session->target || strcmp(session->target, targets[i]) == 0) return true;
  const char *near = nearest_name(session->target, targets, allowed);
  fprintf(stderr, "error: there is no target '%s'%s%s%s; there is 'c'\n", session->target,
          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return false;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int command_compile(Session *session) {
  double start = now();
  if (!target_good(session, 1) || !pipeline_options_good(&session->pipeline) ||
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
  printf("%s: %s on %s, %.2f s (%.3f s of it rlc, the rest the C compiler)\n", output, shell->name,
         shell->env_id ? shell->env_id : "no environment", now() - start, lowered - start);
  return 0;
}

/* The trainer's arguments: its name and what stands behind `--`. */
static int run_module(Session *session, const RlcModule *module) {
  char **argv = NEW_ARRAY(session->arena, char *, session->rest_count + 2);
  argv[0] = (char *)module->name;
  for (size_t i = 0; i < session->rest_count; i++) argv[i + 1] = (char *)session->rest[i];
  return rlc_main(module, (int)session->rest_count + 1, argv);
}

int command_train(Session *session) {
  if (!target_good(session, 2) || !pipeline_options_good(&session->pipeline) ||
      !session_elaborate(session))
    return EXIT_USER;
  Module *module = session->elaborated->module;
  if (session->target && strcmp(session->target, "oracle") == 0) {
    session->pipeline.stop = "grad";
    pipeline_run(module, &session->pipeline);
    return run_module(session, oracle_module(session->arena, module));
  }
  pipeline_run(module, &session->pipeline);
  Code *code = build_code(session);
  if (!code) return EXIT_USER;
  const char *include, *library;
  char error[4096];
  if (!build_find(session->arena, &include, &library)) return EXIT_USER;
  Loaded *loaded = load_c(code, include, error, sizeof error);
  if (!loaded) return fprintf(stderr, "error: %s\n", error), EXIT_USER;
  int status = run_module(session, load_module(loaded));
  load_close(loaded);
  return status;
}
