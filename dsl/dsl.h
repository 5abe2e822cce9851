/* What the driver may call: from a spec file to a module. */
#ifndef RLC_DSL_DSL_H
#define RLC_DSL_DSL_H

#include "dsl/tree.h"
#include "ir/ir.h"

/* What elaboration must know about the environment; filled by the driver from envs/. */
typedef struct EnvFacts {
  const char *id;
  uint32_t obs_dim, act_dim, choices, limit;
  double low, high;
  double threshold; /* the return that counts as solved; NAN */
} EnvFacts;
typedef bool (*EnvLookup)(const char *id, EnvFacts *facts);
/* All ids, for messages: returns how many, the ids in *ids. */
typedef size_t (*EnvNames)(const char *const **ids);

typedef struct DslOptions {
  EnvLookup env_lookup;
  EnvNames env_names;
  const char *prelude; /* path of another prelude, or NULL for the built-in text */
} DslOptions;

/* A loss as gradcheck wants it: its scalar before differentiation, and what it is over. */
typedef struct LossInfo {
  const char *name;
  Node *value;      /* scalar, with marks */
  Node **marks;     /* the marked parameters */
  Node **gradients; /* grad requests, one per mark */
  uint32_t *slots;  /* parameter slots */
  size_t count;
} LossInfo;

/* A draw, for `rlc check`. */
typedef struct DrawInfo {
  const char *path, *what;
  Axes axes;
  Span span;
} DrawInfo;

/* A tensor that a loss names, for `rlc check`. */
typedef struct LetInfo {
  const char *path;
  Axes axes;
} LetInfo;

typedef struct ConstantInfo {
  const char *name;
  double value;
} ConstantInfo;

typedef struct Elaborated {
  Module *module;
  Tree *spec; /* resolved */
  LossInfo *losses;
  size_t loss_count, loss_capacity;
  DrawInfo *draws;
  size_t draw_count, draw_capacity;
  LetInfo *lets;
  size_t let_count, let_capacity;
  ConstantInfo *constants; /* in the order of the file */
  size_t constant_count, constant_capacity;
} Elaborated;

/* Elaborates a resolved spec whose keys were checked. NULL after reporting. */
Elaborated *dsl_elaborate(Arena *arena, Diag *diag, Tree *spec, const DslOptions *options);

/* The built-in prelude's text. */
extern const char dsl_prelude[];

/* The declared environments that rlc has by itself (specs/envs), the last one without an id. */
typedef struct DeclaredFile {
  const char *id, *path, *text;
} DeclaredFile;
extern const DeclaredFile dsl_environments[];

/* The facts of a declared environment, by id or path. False after reporting. */
bool dsl_environment(Arena *arena, Diag *diag, const char *id, EnvFacts *facts);

#endif
