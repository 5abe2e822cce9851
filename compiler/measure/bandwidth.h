/* How fast this core copies memory, level by level. */
#ifndef RLC_COMPILER_MEASURE_BANDWIDTH_H
#define RLC_COMPILER_MEASURE_BANDWIDTH_H

#include <stddef.h>

enum { MEMORY_LEVELS = 4 };

typedef struct Memory {
  const char *name; /* "L1", "L2", "L3", "DRAM" */
  double bytes;     /* what fits in it; the last: infinite */
  double rate;      /* bytes read and bytes written in a second, of a copy within it */
} Memory;

typedef struct Memories {
  Memory level[MEMORY_LEVELS];
} Memories;

/* Measures all levels on the calling thread, of each the fastest copy in about `seconds`. Without
 * memory for a copy its rate is infinite. */
Memories memories_measure(double seconds);
/* The least seconds in which `bytes` are read or written, when as many of them as fit are in each
 * level; `slowest` is the last level that any are in. */
double memories_seconds(const Memories *memories, double bytes, const char **slowest);

#endif
