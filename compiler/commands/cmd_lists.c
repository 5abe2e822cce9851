/* rlc envs, ops, keys: what there is, from the tables. */
#include "compiler/commands/session.h"

#include <math.h>

#include "envs/env.h"

/* One line of `rlc envs`; `dt` is NAN for a declared environment, which has no time of its own. */
static void print_env(Session *session, const EnvFacts *e, double dt, bool first) {
  Arena *arena = session->arena;
  if (session->json) {
    printf("%s{\"id\":\"%s\",\"obs_dim\":%u,\"act_dim\":%u,\"choices\":%u,\"low\":%g,\"high\":%g,"
           "\"limit\":%u,\"dt\":%s,\"declared\":%s}",
           first ? "" : ",", e->id, e->obs_dim, e->act_dim, e->choices, e->low, e->high, e->limit,
           isnan(dt) ? "null" : arena_printf(arena, "%g", dt), isnan(dt) ? "true" : "false");
    return;
  }
  const char *range = e->choices ? arena_printf(arena, "%u choices", e->choices)
                                 : arena_printf(arena, "%6g .. %4g", e->low, e->high);
  printf("%-26s %5u %5u %14s %7u %8s %10s\n", e->id, e->obs_dim, e->act_dim, range, e->limit,
         isnan(dt) ? "declared" : arena_printf(arena, "%g", dt),
         isnan(e->threshold) ? "-" : arena_printf(arena, "%g", e->threshold));
}

int command_envs(Session *session) {
  size_t count;
  const EnvSpec *specs = env_list(&count);
  if (session->json)
    printf("[");
  else
    printf("%-26s %5s %5s %14s %7s %8s %10s\n", "environment", "obs", "act", "range", "limit", "dt",
           "solved at");
  for (size_t i = 0; i < count; i++) {
    const EnvSpec *e = &specs[i];
    EnvFacts facts = {e->id,    e->obs_dim, e->act_dim,  e->choices,
                      e->limit, e->act_low, e->act_high, e->threshold};
    print_env(session, &facts, e->dt, i == 0);
  }
  for (const DeclaredFile *file = dsl_environments; file->id; file++) {
    EnvFacts facts;
    if (env_find(file->id)) continue; /* its name means the one in C */
    if (!dsl_environment(session->arena, session->diag, file->id, &facts))
      return session_report(session), EXIT_BUG;
    print_env(session, &facts, NAN, false);
  }
  if (session->json) printf("]\n");
  return 0;
}

int command_ops(Session *session) {
  if (session->json) printf("[");
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &op_table[op];
    if (session->json)
      printf("%s{\"name\":\"%s\",\"arity\":%u,\"doc\":\"%s\"}", op ? "," : "", info->name,
             info->arity, info->doc);
    else
      printf("%-9s %s\n%9s = %-28s d: %s%s%s%s%s\n", info->name, info->doc, "",
             info->expr ? info->expr : "(shaped)", info->grad[0] ? info->grad[0] : "-",
             info->grad[1] ? " | " : "", info->grad[1] ? info->grad[1] : "",
             info->grad[2] ? " | " : "", info->grad[2] ? info->grad[2] : "");
  }
  if (session->json) printf("]\n");
  return 0;
}

int command_keys(Session *session) {
  (void)session;
  keys_print(stdout, true);
  return 0;
}
