/* Large pieces of memory. A program walks through the panels of several tensors at once, each panel
 * far from the next, and a replay is read at random rows: with small pages most of the time that a
 * kernel waits is spent on looking up addresses. */
#define _GNU_SOURCE /* madvise */
#include "runtime/rows.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, LARGE_PAGE = 2 << 20 };

void block_advise(void *memory, size_t bytes) {
  size_t skip = (PAGE - (uintptr_t)memory % PAGE) % PAGE;
  if (bytes > 64 * PAGE)
    madvise((char *)memory + skip, (bytes - skip) / PAGE * PAGE, MADV_HUGEPAGE);
}

void *block_take(size_t bytes, RunError *error) {
  size_t unit = bytes >= LARGE_PAGE / 2 ? LARGE_PAGE : 64;
  size_t size = (bytes / unit + 1) * unit; /* never 0 */
  void *block = bytes < SIZE_MAX - 2 * unit ? aligned_alloc(unit, size) : NULL;
  if (!block) {
    run_fail_memory(error, "out of memory: %zu bytes are not there", bytes);
    return NULL;
  }
  block_advise(block, size);
  memset(block, 0, size);
  return block;
}
