/* The rollout: the last `steps` vector steps in slots [time][env].., and shuffled parts of it. The
 * rows lie in slot memory, where programs read and write them too. */
#ifndef RLC_RUNTIME_ROLLOUT_H
#define RLC_RUNTIME_ROLLOUT_H

#include "runtime/replay.h"
#include "runtime/whole.h"

typedef struct RolloutColumn {
  uint8_t kind; /* RlcColumnKind */
  Whole whole;
  Rows from; /* the slot it is kept from, if any */
} RolloutColumn;

typedef struct Rollout {
  const RlcRollout *table;
  uint32_t envs;
  RolloutColumn *columns; /* [column_count] */
  float *flags;           /* [envs] terminated or truncated as numbers */
} Rollout;

/* Nothing is made for a module without a rollout. */
bool rollout_make(Rollout *rollout, const RlcModule *module, RunError *error);
void rollout_free(Rollout *rollout);
/* Keeps one vector step in row `number` % steps of every column. */
void rollout_keep(const Rollout *rollout, const ReplayStep *step, char *memory, uint64_t number);

/* ---- parts.c ---- */

/* One view of the module: the rollout's rows in a drawn order, cut in parts. */
typedef struct Parts {
  const RlcView *view;
  Whole *from;    /* [column_count] */
  Rows *to;       /* [column_count] */
  RowAt *order;   /* [total] of the last shuffle */
  uint32_t total; /* rows of the rollout */
  uint32_t envs;
  Pace pace; /* of copying: on the team, or alone */
} Parts;

bool parts_make(Parts *parts, const RlcModule *module, uint32_t view, RunError *error);
void parts_free(Parts *parts);
/* Order number `number`: a pure function of (seed, number) and how many rows there are. */
void parts_shuffle(Parts *parts, uint64_t seed, uint64_t number);
/* Copies part `part` of the last order to the view's slots. */
void parts_copy(Parts *parts, Team *team, char *memory, uint64_t part);

#endif
