/* rlc gradcheck: every loss against finite differences in double, on the oracle and on generated
 * code. A GPU's code needs no card for it: it runs on the CPU. */
#include "compiler/commands/session.h"

#include <math.h>

#include "compiler/build.h"
#include "compiler/oracle/gradcheck.h"
#include "runtime/slot.h"

/* The bar that our own specs are held to. */
static const double tolerance = 1e-6;

/* Generated code in double: modules loaded so far, closed at the end. */
typedef struct Generated {
  Session *session;
  Loaded *loaded[64];
  size_t count;
} Generated;

static const RlcModule *generate(void *user, Module *module) {
  Generated *generated = user;
  CodegenOptions options = build_options(generated->session->arena, generated->session->target);
  options.real = RLC_F64;
  options.lanes /= 2;
  if (generated->count == COUNTOF(generated->loaded)) return NULL;
  Arena *arena = generated->session->arena;
  Loaded *loaded = build_load_on_cpu(arena, code_make(arena, module, &options));
  if (!loaded) return NULL;
  generated->loaded[generated->count++] = loaded;
  return load_module(loaded);
}

static void print_row(const char *target, const GradcheckResult *r, bool json, bool first) {
  if (json)
    printf("%s{\"target\":\"%s\",\"loss\":\"%s\",\"parameter\":\"%s\",\"components\":%lu,"
           "\"skipped\":%lu,\"worst\":%.3g,\"passed\":%s}",
           first ? "" : ",", target, r->loss, r->parameter, r->components, r->skipped,
           isnan(r->worst) ? -1 : r->worst, r->passed ? "true" : "false");
  else
    printf("%-6s %-12s %-28s %4lu of %-7lu %3lu skipped  %8.1e %s%s\n", target, r->loss,
           r->parameter, r->components, r->size, r->skipped, r->worst,
           r->passed ? "" : "FAILED at ", r->passed ? "" : r->where);
}

/* One target over all losses. False when a loss failed or could not be built. */
static bool check(Session *session, const char *name, const GradcheckTarget *target, double *worst,
                  bool *first) {
  const Elaborated *e = session->elaborated;
  GradcheckLoss *losses = NEW_ARRAY(session->arena, GradcheckLoss, e->loss_count);
  for (size_t i = 0; i < e->loss_count; i++)
    losses[i] = (GradcheckLoss){e->losses[i].name, e->losses[i].value, e->losses[i].marks,
                                e->losses[i].slots, e->losses[i].count};
  GradcheckOptions options = {
      .components = session->components, .tolerance = tolerance, .target = target};
  GradcheckResult *results;
  size_t count =
      gradcheck_run(session->arena, e->module, losses, e->loss_count, &options, &results);
  bool good = count > 0;
  for (size_t i = 0; i < count; i++) {
    print_row(name, &results[i], session->json, *first);
    *first = false;
    good = good && results[i].passed;
    *worst = isnan(results[i].worst) ? INFINITY : fmax(*worst, results[i].worst);
  }
  return good;
}

/* What `stop` holds is kept for the differences, and a kept tensor has RLC_MAX_RANK axes at most.
 * False after reporting. */
static bool can_hold(Session *session) {
  const Graph *graph = session->elaborated->module->graph;
  for (size_t i = 0; i < graph->node_count; i++) {
    const Node *node = graph->nodes[i];
    if (node->op != OP_stop || axes_count(node->axes) <= RLC_MAX_RANK) continue;
    diag_error(session->diag, node->span, "reduce it before 'stop'",
               "gradcheck cannot hold a tensor of %d axes fixed: it keeps %d",
               axes_count(node->axes), RLC_MAX_RANK);
  }
  return diag_errors(session->diag) == 0 || session_report(session);
}

int command_gradcheck(Session *session) {
  if (!build_target(session, false)) return EXIT_USER;
  if (!session_elaborate(session) || !can_hold(session)) return EXIT_USER;
  if (session->elaborated->loss_count == 0)
    return fprintf(stderr, "error: the spec has no losses to check\n"), EXIT_USER;
  Generated generated = {.session = session};
  GradcheckTarget target = {&generated, generate, rlc_slot_import, rlc_slot_export};
  double worst = 0;
  bool first = true;
  if (session->json) printf("{\"tolerance\":%g,\"results\":[", tolerance);
  bool good = check(session, "oracle", NULL, &worst, &first);
  good = check(session, session->target, &target, &worst, &first) && good;
  for (size_t i = 0; i < generated.count; i++) load_close(generated.loaded[i]);
  if (session->json)
    printf("],\"worst\":%.3g,\"passed\":%s}\n", isinf(worst) ? -1 : worst, good ? "true" : "false");
  else
    printf("worst %.1e, tolerance %g: %s\n", worst, tolerance, good ? "passed" : "FAILED");
  return good ? 0 : EXIT_USER;
}
