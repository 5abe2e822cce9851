/* What every part of the compiler stands on: arenas, sources with positions, collected diagnostics.
 *
 * Memory comes from arenas and is never freed singly. A Source is a text with a name; a Span is a
 * place in it. Diagnostics are collected (at most 20 errors) and printed together; `bug` is for our
 * own mistakes and exits with 70. */
#ifndef RLC_IR_BASE_H
#define RLC_IR_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COUNTOF(a)        (sizeof(a) / sizeof((a)[0]))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* `bytes` rounded up to whole cache lines, at which tensors begin. */
static inline uint64_t bytes_in_lines(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

/* ---- arenas ---- */

typedef struct Arena Arena;
Arena *arena_make(void);
void arena_free(Arena *arena);
void *arena_alloc(Arena *arena,
                  size_t size); /* zeroed, aligned for any type; exits when memory is exhausted */
char *arena_copy(Arena *arena, const char *text, size_t length); /* NUL-terminated copy */
char *arena_printf(Arena *arena, const char *format, ...) PRINTF(2, 3);
char *arena_vprintf(Arena *arena, const char *format, va_list args) PRINTF(2, 0)
    __attribute__((nonnull));
void *arena_grow(Arena *arena, void *old, size_t old_size,
                 size_t new_size); /* a larger copy; the old one stays valid */

#define NEW(arena, Type)          ((Type *)arena_alloc((arena), sizeof(Type)))
#define NEW_ARRAY(arena, Type, n) ((Type *)arena_alloc((arena), sizeof(Type) * (size_t)(n)))

/* Appends to a growing array: `items`, `count` and `capacity` are lvalues. Elements move when it
 * grows. */
#define PUSH(arena, items, count, capacity, item)                                                  \
  do {                                                                                             \
    if ((count) == (capacity)) {                                                                   \
      size_t push_old = (capacity);                                                                \
      (capacity) = push_old ? 2 * push_old : 8;                                                    \
      (items) =                                                                                    \
          arena_grow((arena), (items), push_old * sizeof *(items), (capacity) * sizeof *(items));  \
    }                                                                                              \
    (items)[(count)++] = (item);                                                                   \
  } while (0)

/* ---- sources and places ---- */

typedef struct Source {
  const char *name; /* as the user wrote the path */
  const char *text; /* NUL-terminated */
  size_t size;
} Source;

/* A place: 1-based line and column (in bytes); length 0 where only the line is known; source NULL
 * where there is none. */
typedef struct Span {
  const Source *source;
  uint32_t line, column, length;
} Span;

/* Reads a whole file. NULL with a reason in *error ("is a directory", "No such file or directory",
 * "contains a NUL byte"). */
Source *source_read(Arena *arena, const char *path, const char **error);
/* All bytes of a file, NUL among them perhaps, and one more behind them; NULL with a reason. */
char *source_bytes(Arena *arena, const char *path, size_t *size, const char **error);
Source *source_from_text(Arena *arena, const char *name, const char *text);

/* ---- diagnostics ---- */

typedef struct Diag Diag;
Diag *diag_make(Arena *arena);

/* Records a message. `hint` (may be NULL) stands behind the caret ("did you mean 'advantage'?"). At
 * most 20 errors are kept; the same message at the same place is kept once. diag_error returns
 * false so that callers can `return diag_error(...)`. */
bool diag_error(Diag *diag, Span span, const char *hint, const char *format, ...) PRINTF(4, 5);
void diag_warning(Diag *diag, Span span, const char *hint, const char *format, ...) PRINTF(4, 5);
/* A note belonging to the message recorded last ("declared here"). */
void diag_note(Diag *diag, Span span, const char *format, ...) PRINTF(3, 4);

/* Records the messages of another collection, which was not printed, as if they had been given
 * here; its texts and sources are copied. A warning of several collections is said once, with their
 * number and what they are, as "points"; `noun` NULL: without. */
void diag_take(Diag *diag, const Diag *from, const char *noun);
/* From now on no warning is recorded: they have been said elsewhere. */
void diag_hush(Diag *diag);

size_t diag_errors(const Diag *diag);
size_t diag_warnings(const Diag *diag);

/* Prints all messages in the order of their places in the file (per source, sources in order of
 * first message), then forgets them (the counts stay): spec.yaml:14:22: error: unknown name
 * 'advantge' 14 |   minimize: -mean[batch](ratio * advantge) | ^~~~~~~~ did you mean 'advantage'?
 * The caret line takes tabs and UTF-8 in account; long lines are cut around the caret. */
void diag_print(Diag *diag, FILE *out);

/* The candidate nearest to `name` by edit distance (at most 2, or a third of the length; case
 * differences cost less), or NULL. */
const char *nearest_name(const char *name, const char *const *candidates, size_t count);
/* "did you mean 'x'?" or NULL, in the arena. */
const char *hint_nearest(Arena *arena, const char *name, const char *const *candidates,
                         size_t count);

/* Our mistake: prints file, line and message and exits with status 70. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) PRINTF(3, 4);

/* 64-bit FNV-1a, the hash of names and contents everywhere. Start with HASH_SEED. */
#define HASH_SEED 0xcbf29ce484222325u
uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size);
uint64_t hash_text(uint64_t hash, const char *text);

#endif
