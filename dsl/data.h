/* Acting, data and the loop: programs, columns, sources, declared environments; private to dsl/. */
#ifndef RLC_DSL_DATA_H
#define RLC_DSL_DATA_H

#include "dsl/scope.h"

/* ---- act.c, loop.c ---- */

bool loop_elaborate(Elab *elab);
bool acting_elaborate(Elab *elab);
/* The program that the next statements belong to, opened at need; closing writes what was assigned
 * to slots as its outputs. */
void program_open(Elab *elab, const char *name);
uint32_t program_close(Elab *elab);
/* Forgets the open program, which failed or has nothing to do. */
void program_drop(Elab *elab);
void program_output(Elab *elab, uint32_t slot, Node *node);
/* The slot that stands for a state in this block: evaluation has its own environments. */
uint32_t block_slot(Elab *elab, uint32_t slot);
/* The acting block of the training environments. */
Block act_block(const Elab *elab, BlockKind kind);

/* ---- condition.c ---- */

/* Whether a condition holds (or does not), as the step's terms or program. Returns its value, or
 * NULL after reporting. */
Node *condition_elaborate(Elab *elab, const char *name, const Tree *condition, bool holds,
                          RlcStep *step);

/* ---- normalizer.c ---- */

bool normalizers_declare(Elab *elab);
/* Opens the program of their new values after a step. */
bool normalizers_update(Elab *elab);

/* ---- column.c ---- */

enum { COLUMN_NAMES = 128 };
/* Of one batch, at most. */
enum { SAMPLED_SOURCES = 8 };
/* The names of all columns, or of those that can be read in this block. At most COLUMN_NAMES. */
size_t column_names(const Elab *elab, const char **names, bool readable);
/* Whether every step has the column by itself, maybe as `raw_...`. */
bool column_is_given(const char *name);
/* The columns that every step has. */
void columns_declare(Elab *elab);
/* A further column whose values are those of `node`, in a block with rows `rows`. */
Column *column_add(Elab *elab, const char *name, ColumnOrigin origin, const Node *node, Axes rows);
/* The value of a column in the current block; NULL, maybe after reporting, if none of that name can
 * be read. */
Node *column_value(Elab *elab, const char *name);
/* Whether a column of that name failed, or there is nothing to read it from, which was reported. */
bool column_broken(const Elab *elab, const char *name);
/* Why a column of that name cannot be read here, as a hint. */
const char *column_hint(Elab *elab, const char *name);
/* The slot "PREFIX.NAME", minted at first use; RLC_I32 for an integer column. */
uint32_t column_slot(Elab *elab, const char *prefix, const char *name, RlcSlotKind kind, Axes axes,
                     bool integer);
/* The slot of that name, or RLC_NONE. */
uint32_t slot_named(const Elab *elab, const char *name);
/* The axes of the column `name` of a step, besides the rows: of `obs`, `action`, `reward`. */
Axes column_own(const Elab *elab, const char *name);

/* ---- overlap.c ---- */

/* Whether the two sides of the finished loop write different slots; else reports. */
bool overlap_check(Elab *elab);
/* Fills the module's `aside`: which slots the sides give each other. After sources_close. */
void overlap_tables(Elab *elab);

/* ---- source.c ---- */

bool rows_open(Elab *elab);     /* reads `rollout`; time and env become axes */
bool sources_open(Elab *elab);  /* reads `replay` */
void sources_close(Elab *elab); /* gives columns that programs read their slots */
/* The number of the source called `name`, or RLC_NONE. */
uint32_t source_named(const Elab *elab, const char *name);
/* The `extra` map of a source, or NULL. */
const Tree *source_extra(const Elab *elab, uint32_t source);
/* The part of `count` of the rollout, as a block; minted at first use. */
uint32_t view_open(Elab *elab, uint64_t count, Span span, Block *block);

/* ---- store.c ---- */

/* The program that computes what `store` and `extra` name, after each step. */
bool store_elaborate(Elab *elab, RlcActing *explore);
/* The statement `compute: [names]` in the open program; where it is not `possible`, which was
 * reported, the uses of its columns are silent. */
bool compute_step(Elab *elab, const Tree *names, bool possible);
/* The values that a loss writes back, as outputs of the open program. */
bool writes_elaborate(Elab *elab, Frame *frame, const char *loss, const Tree *map);

/* ---- environment.c ---- */

/* Reads the declared environment that the value of `env` (or its `id`) names: a built-in one, or a
 * file. Fills elab->env, elab->environment and the axes of observations and actions. False where
 * there is none of that name, and after reporting; elab->env then has what could be read. */
bool environment_read(Elab *elab, const Tree *id);
/* Its file. */
const Tree *environment_tree(const Elab *elab);
/* All environments there are, declared ones too. */
size_t environment_names(const Elab *elab, const char **names, size_t capacity);
/* The programs `start` and `advance` of `count` environments whose slots are "PREFIX.NAME", and
 * what they read and write: fills those fields of `acting`, whose `send` is known. Once for each
 * prefix. False after reporting. */
bool environment_programs(Elab *elab, const char *prefix, uint32_t count, RlcActing *acting);
/* env_reset[rows=n](), env_step(state, action), env_observe(state). */
bool environment_call(Elab *elab, Frame *frame, const Expr *expr, Value *result);

#endif
