/* The rows of dsl/keys.def as data, for dsl/keys.c and dsl/keys_check.c; everybody else includes
 * dsl/tree.h. */
#ifndef RLC_DSL_KEYS_H
#define RLC_DSL_KEYS_H

#include "dsl/tree.h"

#define ROW_LIMIT 48 /* rows directly below one level */

/* What a value may be. */
enum {
  TEXT = 1,        /* any single value, taken as it is */
  EXPR = 2,        /* an expression */
  EXPRS = 4,       /* expressions with commas between them */
  NAMES = 8,       /* names with commas between them, or a list of names */
  BOOL = 16,       /* true or false */
  MAP = 32,        /* keys and values, which have rows of their own */
  LIST = 64,       /* a list of single values */
  VALUES = 1024,   /* a list of values of any kind */
  STEPS = 128,     /* a list of loop steps, which have a table of their own */
  ANY = 256,       /* checked by somebody else */
  NUMBER = 2048,   /* a number, which whoever reads it checks */
  SIGNATURE = 512, /* the key is name[axes](parameters) */
};

/* NEEDED: required, as REQUIRED, but whether it is missing depends on more than its own map;
 * whoever reads it says so. */
typedef enum Presence { OPTIONAL, REQUIRED, NEEDED, ONE, BODY } Presence;

/* The tables of dsl/keys.def. */
typedef enum Table { TABLE_spec, TABLE_step, TABLE_environment, TABLE_study } Table;

typedef struct Key {
  Table table;
  const char *path;
  int kinds;
  Presence presence;
  const char *doc, *example;
} Key;

/* Where a check stands: the rows directly below `pattern`, and the path as the user wrote it. */
typedef struct Level {
  Table table;
  const char *path;
  const Key *rows[ROW_LIMIT];
  const char *names[ROW_LIMIT]; /* the last part of each row's path; a `*` row is kept apart */
  size_t count;
  const Key *any; /* the row `*`, or NULL */
} Level;

Level level_open(Table table, const char *pattern, const char *path);

/* The row of a key by its own name, not by `*`; NULL if there is none. */
const Key *level_row(const Level *level, const char *name);

/* "the spec", "the study". */
const char *table_subject(Table table);

/* The table with this name; there must be one. */
Table table_find(const char *name);

/* "an expression or a map of keys". */
const char *kinds_text(Arena *arena, int kinds);

#endif
