/* A count of allocations, by standing before the C library's own; not under sanitizers, which do so
 * themselves. Include it once per program. */
#ifndef RLC_TESTS_ALLOCATIONS_H
#define RLC_TESTS_ALLOCATIONS_H

#include <check.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

static atomic_ullong allocation_count;

/* Those of all threads so far. */
__attribute__((unused)) static uint64_t allocations(void) { return allocation_count; }

#ifndef SANITIZED
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void __libc_free(void *memory);

void *malloc(size_t bytes) {
  allocation_count++;
  return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
  allocation_count++;
  return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
  allocation_count++;
  return __libc_realloc(memory, bytes);
}

void free(void *memory) { __libc_free(memory); }
#endif

/* False, after saying so, where allocations cannot be counted. */
__attribute__((unused)) static bool allocations_counted(void) {
#ifdef SANITIZED
  printf("SKIP: allocations are not counted under a sanitizer\n");
  return false;
#else
  uint64_t before = allocations();
  void *volatile memory = malloc(1);
  free(memory);
  ck_assert_uint_gt(allocations(), before);
  return true;
#endif
}

#endif
