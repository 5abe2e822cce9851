/* From a study's file to its plan: points, jobs and runs. Errors of all its parts are collected, so
 * that one run tells of all independent mistakes. */
#include "compiler/study/plan/plan.h"

/* A specification where a study is wanted: one message in place of many. */
static bool is_study(Plan *plan, const Tree *tree) {
  const TreeEntry *losses = tree_get(tree, "study") ? NULL : tree_entry(tree, "losses");
  if (!losses) return true;
  return diag_error(plan->diag, losses->key_span, "`rlc train` runs one",
                    "this is a loss specification, and not a study of some");
}

static void plan_make(Plan *plan) {
  Study *study = plan->study;
  study->tree = tree_read(plan->arena, plan->diag, study->path, "a study", (Span){0});
  if (!study->tree || !is_study(plan, study->tree)) return;
  tree_check_keys(plan->arena, plan->diag, study->tree, "study");
  plan_read(plan);
  plan_variants(plan);
  plan_axes(plan);
  if (!plan_points(plan)) return;
  plan_compile(plan);
  plan_jobs(plan);
  plan_normalize(plan);
  plan_columns(plan);
  plan_figures(plan);
}

/* A prelude that cannot be read is said when a spec is elaborated with it. */
static Tree *prelude_read(const Session *session) {
  const char *error = NULL;
  const Source *source = session->prelude
                             ? source_read(session->arena, session->prelude, &error)
                             : source_from_text(session->arena, "<prelude>", dsl_prelude);
  return source ? tree_parse(session->arena, diag_make(session->arena), source) : NULL;
}

Study *plan_load(Session *session) {
  Plan plan = {.session = session, .arena = session->arena, .diag = session->diag};
  plan.study = NEW(session->arena, Study);
  plan.study->path = session->spec;
  plan.prelude = prelude_read(session);
  plan_make(&plan);
  return diag_errors(session->diag) ? NULL : plan.study;
}

Study *study_load(Session *session) {
  if (!session->spec)
    return fprintf(stderr, "error: which study? Give the path of its file, as in "
                           "specs/studies/NAME.yaml\n"),
           NULL;
  Study *study = plan_load(session);
  session_report(session);
  return study;
}
