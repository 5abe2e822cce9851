/* A declared environment after its file was read; private to dsl/environment*.c. */
#ifndef RLC_DSL_ENVIRONMENT_H
#define RLC_DSL_ENVIRONMENT_H

#include "dsl/data.h"

/* One value that an environment remembers. */
typedef struct EnvState {
  const char *name;
  Span span;
  Axes axes;                /* without rows */
  Node *init;               /* its first value where `reset` says nothing */
  const Tree *reset, *step; /* NULL: starts at `init`, keeps its value */
} EnvState;

struct Environment {
  const Tree *tree;
  Frame *scope; /* its constants, above the prelude: names of the spec do not reach into the file */
  EnvState *states;
  size_t count;
  double low, high;  /* of an action, whatever the spec rescales it to */
  RlcActing *groups; /* by prefix, made so far */
  const char **prefixes;
  size_t group_count, group_capacity, prefix_count, prefix_capacity;
};

/* What a step gives besides the new state. */
typedef enum EnvResult { ENV_REWARD, ENV_TERMINATED, ENV_TRUNCATED, ENV_RESULTS } EnvResult;
extern const char *const env_result_names[ENV_RESULTS];

/* The three texts, as nodes with the rows given; their draws are named after `path`. False / NULL
 * after reporting. `states` and `next` hold one node per state. */
bool environment_reset(Elab *elab, const char *path, Axes rows, Node **states);
bool environment_step(Elab *elab, const char *path, Axes rows, Node *const *states, Node *action,
                      Node **next, Node **results);
Node *environment_observe(Elab *elab, Node *const *states);

/* Where elaboration stands while it reads the environment's own text. */
typedef struct EnvScope {
  Frame *globals;
  Block block;
  Axes init_axes;
  bool shared;
  const char *path;
  uint32_t occurrence;
} EnvScope;
EnvScope environment_enter(Elab *elab, Axes rows, bool draws);
void environment_leave(Elab *elab, EnvScope former);

#endif
