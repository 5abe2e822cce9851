/* rlc envs, ops, keys: what there is, from the tables. */
#include "compiler/session.h"

#include <math.h>

#include "envs/env.h"

int command_envs(Session *session) {
  size_t count;
  const EnvSpec *specs = env_list(&count);
  if (session->json)
    printf("[");
  else
    printf("%-22s %5s %5s %14s %7s %8s %10s\n", "environment", "obs", "act", "range", "limit", "dt",
           "solved at");
  for (size_t i = 0; i < count; i++) {
    const EnvSpec *e = &specs[i];
    if (session->json)
      printf("%s{\"id\":\"%s\",\"obs_dim\":%u,\"act_dim\":%u,\"choices\":%u,\"low\":%g,\"high\":%g,"
             "\"limit\":%u,\"dt\":%g}",
             i ? "," : "", e->id, e->obs_dim, e->act_dim, e->choices, e->act_low, e->act_high,
             e->limit, e->dt);
    else
      printf("%-22s %5u %5u %6g .. %4g %7u %8g %10s\n", e->id, e->obs_dim, e->act_dim, e->act_low,
             e->act_high, e->limit, e->dt,
             isnan(e->threshold) ? "-" : arena_printf(session->arena, "%g", e->threshold));
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
