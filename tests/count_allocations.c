/* A library that stands before the C library's allocator (LD_PRELOAD): it counts calls and writes
 * their number to the file $COUNT_ALLOCATIONS when the program ends. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void __libc_free(void *memory);

static atomic_ulong allocations, releases;

void *malloc(size_t bytes) {
  atomic_fetch_add(&allocations, 1);
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  atomic_fetch_add(&allocations, 1);
  return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
  atomic_fetch_add(&allocations, 1);
  return __libc_realloc(memory, bytes);
}

void free(void *memory) {
  if (memory) atomic_fetch_add(&releases, 1);
  __libc_free(memory);
}

__attribute__((destructor)) static void report(void) {
  unsigned long made = atomic_load(&allocations), freed = atomic_load(&releases);
  const char *path = getenv("COUNT_ALLOCATIONS");
  FILE *out = path ? fopen(path, "w") : NULL;
  if (!out) return;
  fprintf(out, "%lu %lu\n", made, freed);
  fclose(out);
}
