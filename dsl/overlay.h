/* What the overlay's files share; everybody else includes dsl/tree.h. */
#ifndef RLC_DSL_OVERLAY_H
#define RLC_DSL_OVERLAY_H

#include "dsl/tree.h"

/* The entry of `map` that a written key means: the same text, or the same name before its brackets,
 * so that `policy` and `policy(obs)` both mean `policy(o)`. NULL if there is none. */
TreeEntry *overlay_entry(const Tree *map, const char *key);

/* "did you mean 'x'?" over the keys of a map, or NULL. */
const char *overlay_hint(Arena *arena, const Tree *map, const char *key);

/* A scalar that holds a call name(...), read as an expression; NULL (nothing reported) where it
 * holds something else. */
Expr *overlay_call(Arena *arena, const Tree *scalar);

/* A call with named arguments replaced, added (a value) or removed (null) by the map `over`. NULL
 * after reporting. */
Tree *overlay_arguments(Arena *arena, Diag *diag, const Expr *call, const Tree *over,
                        const char *path);

/* "losses.actor" and "over" make "losses.actor.over"; an empty path adds nothing. */
const char *path_join(Arena *arena, const char *path, const char *key);

/* The key that a value written short stands for: `env: NAME` is `env: {id: NAME}` (dsl/keys.def);
 * NULL if none. */
const char *key_shorthand(const char *path);

/* Whether a nested key belongs to the long form at `path`. */
bool key_known(const char *path, const char *key);

/* Whether a spec may have something at the path that is not there: a known key, and no name of the
 * user's own. */
bool tree_path_optional(const TreePath *path);

/* Whether a loss specification may have this key at its root, be it there or not. */
bool key_is_root(const char *key);

#endif
