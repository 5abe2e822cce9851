/* Arenas, sources, hashing, and the exit for our own mistakes.
 *
 * An arena is a list of zeroed blocks; an allocation larger than a block gets one of its own.
 * Nothing is freed singly. */
#include "ir/base.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- arenas ---- */

#define BLOCK_SIZE   ((size_t)64 << 10)
#define SOURCE_LIMIT ((size_t)16 << 20) /* no spec comes near it; /dev/zero would */

typedef struct Block {
  struct Block *next;
  max_align_t bytes[];
} Block;

struct Arena {
  Block *blocks;  /* every block, for arena_free */
  char *at, *end; /* the free part of the current block */
};

static _Noreturn void memory_exhausted(size_t size) {
  fprintf(stderr, "rlc: out of memory (asked for %zu bytes)\n", size);
  exit(70);
}

/* A zeroed block with room for `size` bytes, owned by the arena. */
static char *block_add(Arena *arena, size_t size) {
  Block *block = size < SIZE_MAX / 2 ? calloc(1, sizeof(Block) + size) : NULL;
  if (!block) memory_exhausted(size);
  block->next = arena->blocks;
  arena->blocks = block;
  return (char *)block->bytes;
}

Arena *arena_make(void) {
  Arena *arena = calloc(1, sizeof *arena);
  if (!arena) memory_exhausted(sizeof *arena);
  return arena;
}

void arena_free(Arena *arena) {
  if (!arena) return;
  for (Block *block = arena->blocks, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  free(arena);
}

void *arena_alloc(Arena *arena, size_t size) {
  if (size > SIZE_MAX / 2) memory_exhausted(size);
  size = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
  if (size > BLOCK_SIZE / 4) return block_add(arena, size);
  if (!arena->at || (size_t)(arena->end - arena->at) < size) { /* an empty array has a place too */
    arena->at = block_add(arena, BLOCK_SIZE);
    arena->end = arena->at + BLOCK_SIZE;
  }
  char *result = arena->at;
  arena->at += size;
  return result;
}

char *arena_copy(Arena *arena, const char *text, size_t length) {
  char *copy = arena_alloc(arena, length + 1);
  if (length) memcpy(copy, text, length);
  return copy;
}

char *arena_vprintf(Arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  if (length < 0) bug("bad format '%s'", format);
  char *text = arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *arena_printf(Arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

void *arena_grow(Arena *arena, void *old, size_t old_size, size_t new_size) {
  void *larger = arena_alloc(arena, new_size);
  if (old_size) memcpy(larger, old, old_size);
  return larger;
}

/* ---- sources ---- */

/* Reads all of `file` into a fresh NUL-terminated text; NULL with a reason. */
static char *stream_read(Arena *arena, FILE *file, size_t *size, const char **error) {
  size_t capacity = 4096, used = 0;
  char *text = arena_alloc(arena, capacity);
  for (;;) {
    size_t got = fread(text + used, 1, capacity - 1 - used, file);
    used += got;
    if (ferror(file)) return *error = arena_printf(arena, "%s", strerror(errno)), NULL;
    if (!got) break;
    if (used + 1 < capacity) continue;
    if (used > SOURCE_LIMIT) return *error = "is larger than 16 MiB", NULL;
    text = arena_grow(arena, text, capacity, 2 * capacity);
    capacity *= 2;
  }
  text[used] = 0;
  *size = used;
  return text;
}

char *source_bytes(Arena *arena, const char *path, size_t *size, const char **error) {
  struct stat status;
  FILE *file = fopen(path, "rb");
  if (!file) return *error = arena_printf(arena, "%s", strerror(errno)), NULL;
  char *text = NULL;
  if (fstat(fileno(file), &status) == 0 && S_ISDIR(status.st_mode))
    *error = "is a directory";
  else
    text = stream_read(arena, file, size, error);
  fclose(file);
  return text;
}

Source *source_read(Arena *arena, const char *path, const char **error) {
  size_t size = 0;
  char *text = source_bytes(arena, path, &size, error);
  if (!text) return NULL;
  if (memchr(text, 0, size)) return *error = "contains a NUL byte", NULL;
  Source *source = source_from_text(arena, path, "");
  source->text = text;
  source->size = size;
  return source;
}

Source *source_from_text(Arena *arena, const char *name, const char *text) {
  Source *source = NEW(arena, Source);
  source->name = arena_copy(arena, name, strlen(name));
  source->size = strlen(text);
  source->text = arena_copy(arena, text, source->size);
  return source;
}

/* ---- the rest ---- */

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
  return hash;
}

uint64_t hash_text(uint64_t hash, const char *text) { return hash_bytes(hash, text, strlen(text)); }

void bug_at(const char *file, int line, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "%s:%d: rlc made a mistake: ", file, line);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(70);
}
