/* A YAML document as a tree with places, and everything that happens to it before meaning: the
 * accepted subset, overlays, `extends`, command-line overrides, printing. Scalars stay text; who
 * reads one decides what it is. After tree_load: no aliases, anchors, tags, merge keys or duplicate
 * keys; nesting at most 64; every node has a span. */
#ifndef RLC_DSL_TREE_H
#define RLC_DSL_TREE_H

#include "ir/expr.h"

typedef enum TreeKind { TREE_NULL, TREE_SCALAR, TREE_LIST, TREE_MAP } TreeKind;

typedef struct Tree Tree;
typedef struct TreeEntry {
  const char *key;
  Span key_span;
  ExprText key_text; /* keys of `define` are signatures, so they are read as expressions too */
  Tree *value;
} TreeEntry;

struct Tree {
  TreeKind kind;
  Span span;
  bool quoted;   /* scalar in quotes */
  bool empty;    /* `key:` with nothing behind it (kind TREE_NULL); written-out null/~ has empty ==
                    false */
  ExprText text; /* TREE_SCALAR: its value and where each character stands */
  TreeEntry *entries; /* TREE_MAP, in the order of the file */
  size_t entry_count;
  TreeEntry *removed; /* what an overlay removed: the base's entry with the place of the null */
  size_t removed_count;
  Tree **items; /* TREE_LIST */
  size_t item_count;
};

/* Parses one YAML document. NULL after reporting: not YAML, empty, several documents, an alias,
 * anchor, tag or `<<`, a duplicate key, nesting over 64 deep, a non-scalar key, not UTF-8. A plain
 * scalar with unbalanced brackets, and one that is followed by ` #` inside open brackets, get their
 * own messages. */
Tree *tree_parse(Arena *arena, Diag *diag, const Source *source);

/* Reads `path`, follows `extends:` (relative to the extending file; a cycle is an error that names
 * the chain) and merges. `expected` names what the file should be for messages ("a loss
 * specification"). NULL after reporting. */
Tree *tree_load(Arena *arena, Diag *diag, const char *path, const char *expected);
/* The same for a path that stands at `from`. */
Tree *tree_load_from(Arena *arena, Diag *diag, const char *path, const char *expected, Span from);

/* Reads the one file at `path`, which stands at `from` (none: the command line), and follows
 * nothing. NULL after reporting, also where it holds no map. */
Tree *tree_read(Arena *arena, Diag *diag, const char *path, const char *expected, Span from);

/* base with `over` laid on it: maps merge and keep the base's order (new keys at the end), lists
 * and scalars replace, a written-out null deletes, an empty value is an error, deleting what is not
 * there is an error with the nearest name. A scalar that is a call, overlaid by a map, has its
 * named arguments replaced: adam(lr) with {eps: 0.1} -> adam(lr, eps=0.1). Neither input is
 * changed. NULL after reporting. */
Tree *tree_overlay(Arena *arena, Diag *diag, const Tree *base, const Tree *over);

/* Command-line overrides "a.b.c=value": an overlay; a bare name means constants.NAME. The value is
 * parsed as YAML flow text. A path whose parent does not exist is an error with the nearest name (a
 * new leaf under an existing map is allowed). Spans point into a source named "<command line>". */
Tree *tree_override(Arena *arena, Diag *diag, const Tree *base, const char *const *assignments,
                    size_t count);

/* A dotted path as it is meant in a spec: a bare name is a constant, parts have the spec's own
 * spelling. */
typedef struct TreePath {
  const char **names;
  Span *spans;
  size_t count;
} TreePath;

/* Reads a path that may be assigned to in `base`: the same rules and messages as tree_override's,
 * at the places of `text`. False after reporting. */
bool tree_path(Arena *arena, Diag *diag, const Tree *base, ExprText text, TreePath *path);
/* base with `value` at the path (a written-out null removes). NULL after reporting. */
Tree *tree_assign(Arena *arena, Diag *diag, const Tree *base, const TreePath *path, Tree *value);

/* Whether an overlay, with dotted keys or without, says what stands at the path or in it. */
bool tree_sets(Arena *arena, const Tree *overlay, const TreePath *path);
/* Whether a value at the path would mean something: one stands there, a key may stand there, or
 * the function that is called there, of the spec or the prelude, takes such an argument. */
bool tree_takes(Arena *arena, const Tree *spec, const Tree *prelude, const TreePath *path);

/* A copy that shares no node; texts and sources are shared. */
Tree *tree_copy(Arena *arena, const Tree *tree);

/* The path of the file that a scalar names, seen from the folder of the file that says it. */
const char *tree_file(Arena *arena, const Tree *name);

/* The value behind a key, or NULL. */
Tree *tree_get(const Tree *map, const char *key);
const TreeEntry *tree_entry(const Tree *map, const char *key);

/* What an overlay removed from this map under that key, or NULL. */
const TreeEntry *tree_removed(const Tree *map, const char *key);

/* The resolved document as YAML text that parses back to an equal tree. */
void tree_print(const Tree *tree, FILE *out);

/* Checks the keys of a loss specification (or an environment, or a study: `table` is the name of
 * its root row group in keys.def) against dsl/keys.def: unknown keys with the nearest name, wrong
 * kinds of value, missing required keys. False after reporting. */
bool tree_check_keys(Arena *arena, Diag *diag, const Tree *tree, const char *table);

/* Prints the tables of dsl/keys.def: for `rlc keys`, or as Markdown tables for the language
 * reference. */
void keys_print(FILE *out, bool markdown);

#endif
