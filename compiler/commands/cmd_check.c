/* rlc check: what the spec means, in sizes. */
#include "compiler/commands/session.h"

#include <string.h>

static const char *kind_name(RlcSlotKind kind) {
  static const char *const names[] = {
      [RLC_PARAMETER] = "parameter", [RLC_TARGET] = "target", [RLC_OPTIMIZER] = "optimizer",
      [RLC_STATE] = "state",         [RLC_COLUMN] = "column", [RLC_COUNTER] = "counter",
      [RLC_METRIC] = "metric",       [RLC_RESULT] = "result"};
  return names[kind];
}

static uint64_t count_kind(const Graph *graph, RlcSlotKind kind) {
  uint64_t count = 0;
  for (size_t i = 0; i < graph->slot_count; i++)
    if (graph->slots[i].kind == kind) count += axes_extent(graph, graph->slots[i].axes);
  return count;
}

static void print_env(const Session *session, const RlcModule *shell) {
  if (!shell->env_id) {
    printf("%s, without an environment\n", shell->name);
    return;
  }
  const char *actions = shell->choices
                            ? arena_printf(session->arena, "%u choices", shell->choices)
                            : arena_printf(session->arena, "%u actions in [%g, %g]", shell->act_dim,
                                           shell->act_low, shell->act_high);
  printf("%s on %s: %u observations, %s, %u environment%s\n", shell->name, shell->env_id,
         shell->obs_dim, actions, shell->explore.count, shell->explore.count == 1 ? "" : "s");
}

static void print_text(Session *session) {
  const Elaborated *e = session->elaborated;
  const Graph *graph = e->module->graph;
  const RlcModule *shell = &e->module->shell;
  print_env(session, shell);
  if (e->constant_count) printf("constants:\n");
  for (size_t i = 0; i < e->constant_count; i++)
    printf("  %-28s %.12g\n", e->constants[i].name, e->constants[i].value);
  printf("parameters: %lu; with targets and optimiser state: %lu\n",
         count_kind(graph, RLC_PARAMETER),
         count_kind(graph, RLC_PARAMETER) + count_kind(graph, RLC_TARGET) +
             count_kind(graph, RLC_OPTIMIZER));
  for (size_t i = 0; i < graph->slot_count; i++)
    if (graph->slots[i].kind == RLC_PARAMETER || graph->slots[i].kind == RLC_STATE)
      printf("  %-10s %-28s %s\n", kind_name(graph->slots[i].kind), graph->slots[i].name,
             axes_text(graph, session->arena, graph->slots[i].axes));
  printf("draws:\n");
  for (size_t i = 0; i < e->draw_count; i++)
    printf("  %-28s %-14s %s\n", e->draws[i].path, e->draws[i].what,
           axes_text(graph, session->arena, e->draws[i].axes));
  if (e->let_count) printf("values:\n");
  for (size_t i = 0; i < e->let_count; i++)
    printf("  %-28s %s\n", e->lets[i].path, axes_text(graph, session->arena, e->lets[i].axes));
  printf("losses:\n");
  for (size_t i = 0; i < e->loss_count; i++)
    printf("  %-28s over %zu tensors\n", e->losses[i].name, e->losses[i].count);
}

static void print_json(Session *session) {
  const Elaborated *e = session->elaborated;
  const Graph *graph = e->module->graph;
  const RlcModule *shell = &e->module->shell;
  printf("{\"name\":\"%s\",\"env\":\"%s\",\"obs_dim\":%u,\"act_dim\":%u,\"environments\":%u,\"spec_"
         "hash\":\"%016lx\",\"parameters\":%lu,\"tensors\":[",
         shell->name, shell->env_id ? shell->env_id : "none", shell->obs_dim, shell->act_dim,
         shell->explore.count, shell->spec_hash, count_kind(graph, RLC_PARAMETER));
  bool first = true;
  for (size_t i = 0; i < graph->slot_count; i++) {
    if (graph->slots[i].kind != RLC_PARAMETER) continue;
    printf("%s{\"name\":\"%s\",\"elements\":%lu}", first ? "" : ",", graph->slots[i].name,
           axes_extent(graph, graph->slots[i].axes));
    first = false;
  }
  printf("],\"losses\":[");
  for (size_t i = 0; i < e->loss_count; i++) printf("%s\"%s\"", i ? "," : "", e->losses[i].name);
  printf("],\"draws\":%zu,\"warnings\":%zu}\n", e->draw_count, diag_warnings(session->diag));
}

int command_check(Session *session) {
  if (!session_elaborate(session)) return EXIT_USER;
  if (session->json)
    print_json(session);
  else
    print_text(session);
  return 0;
}
