/* rlc emit: one stage of the compilation as text. rlc pass: one pass alone on a textual IR file. */
#include "codegen/cuda/cuda.h"
#include "compiler/commands/session.h"

#include <errno.h>
#include <string.h>

#include "codegen/codegen.h"
#include "compiler/build.h"
#include "compiler/notation/notation.h"

/* Stages, and the pass after which they are printed. */
static const struct {
  const char *name, *pass;
} ir_stages[] = {{"ir", "elaborate"}, {"grad", "grad"}, {"opt", NULL}};

static int write_archive(const Code *code, FILE *out) {
  char error[4096];
  if (native_archive(code, out, error, sizeof error)) return 0;
  fprintf(stderr, "error: %s\n", error);
  return EXIT_USER;
}

static int write_stage(Session *session, FILE *out) {
  Module *module = session->elaborated->module;
  const char *stage = session->stage ? session->stage : "opt";
  if (strcmp(stage, "spec") == 0) {
    tree_print(session->elaborated->spec, out);
    return 0;
  }
  if (strcmp(stage, "latex") == 0) {
    notation_latex(session->arena, session->elaborated->spec, out);
    return 0;
  }
  for (size_t i = 0; i < COUNTOF(ir_stages); i++)
    if (strcmp(stage, ir_stages[i].name) == 0) {
      if (ir_stages[i].pass) session->pipeline.stop = ir_stages[i].pass;
      pipeline_run(module, &session->pipeline);
      ir_print(module, out);
      return 0;
    }
  pipeline_run(module, &session->pipeline);
  Code *code = build_code(session);
  if (!code) return EXIT_USER;
  if (strcmp(stage, "kernels") == 0)
    code_print_kernels(code, out);
  else if (strcmp(stage, "loops") == 0)
    code_print_loops(code, out);
  else if (strcmp(stage, "llvm") == 0)
    native_print(code, out);
  else if (strcmp(stage, "object") == 0)
    return write_archive(code, out);
  else if (strcmp(stage, "cuda") == 0)
    emit_cuda(code, out);
  else
    emit_c(code, out);
  return 0;
}

static bool knows_stage(const char *stage) {
  static const char *const names[] = {"spec", "ir",   "grad",   "opt",  "kernels", "loops",
                                      "c",    "llvm", "object", "cuda", "latex"};
  for (size_t i = 0; stage && i < COUNTOF(names); i++)
    if (strcmp(names[i], stage) == 0) return true;
  if (!stage) return true;
  const char *near = nearest_name(stage, names, COUNTOF(names));
  fprintf(stderr,
          "error: there is no stage '%s'%s%s%s; there are spec ir grad opt kernels loops c llvm "
          "object cuda latex\n",
          stage, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
  return false;
}

/* Stages that are of one target. False after reporting that another was given. */
static bool stage_target(Session *session) {
  static const struct {
    const char *stage, *target;
  } of[] = {{"c", "c"}, {"cuda", "cuda"}, {"llvm", "native"}, {"object", "native"}};
  for (size_t i = 0; session->stage && i < COUNTOF(of); i++) {
    if (strcmp(session->stage, of[i].stage) != 0) continue;
    if (!session->target) session->target = of[i].target;
    if (strcmp(session->target, of[i].target) == 0) return true;
    return fprintf(stderr, "error: the stage %s is of --target %s, not of '%s'\n", of[i].stage,
                   of[i].target, session->target),
           false;
  }
  return build_target(session, false);
}

int command_emit(Session *session) {
  if (!knows_stage(session->stage) || !stage_target(session) || !build_march(session, false) ||
      !pipeline_options_good(&session->pipeline) || !session_elaborate(session))
    return EXIT_USER;
  if (!session->output) return write_stage(session, stdout);
  const char *temporary = arena_printf(session->arena, "%s.new", session->output);
  FILE *out = fopen(temporary, "w");
  if (!out)
    return fprintf(stderr, "error: cannot write '%s': %s\n", session->output, strerror(errno)),
           EXIT_USER;
  int status = write_stage(session, out);
  if (status) {
    fclose(out);
    remove(temporary);
    return status;
  }
  if (fclose(out) != 0 || rename(temporary, session->output) != 0) {
    fprintf(stderr, "error: cannot write '%s': %s\n", session->output, strerror(errno));
    remove(temporary);
    return EXIT_USER;
  }
  return status;
}

int command_pass(Session *session) {
  const char *error;
  if (!session->spec || !session->stage || !pipeline_knows(session->stage)) {
    const char *const *names;
    size_t count = pipeline_names(&names);
    fprintf(stderr, "error: write  rlc pass FILE.ir --stage PASS  with one of:");
    for (size_t i = 0; i < count; i++) fprintf(stderr, " %s", names[i]);
    fprintf(stderr, "\n");
    return EXIT_USER;
  }
  const Source *source = source_read(session->arena, session->spec, &error);
  if (!source)
    return fprintf(stderr, "error: cannot read '%s': %s\n", session->spec, error), EXIT_USER;
  Module *module = ir_read(session->arena, session->diag, source);
  if (!session_report(session) || !module) return EXIT_USER;
  pipeline_pass(module, session->stage, &session->pipeline);
  ir_print(module, stdout);
  return 0;
}
