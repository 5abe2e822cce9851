/* Copies within each level of the memory. Sizes are the system's; where it does not say, those of a
 * usual machine. */
#include "compiler/measure/bandwidth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/training.h"

static const double LARGEST = 256e6; /* bytes of a copy that no cache is to hold */

/* A line of the kernel's description of the first core's caches. */
static bool cache_line(int index, const char *what, char *line, int size) {
  char path[96];
  snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, what);
  FILE *file = fopen(path, "r");
  if (!file) return false;
  bool good = fgets(line, size, file) != NULL;
  fclose(file);
  return good;
}

/* The data cache of a level: sysconf takes what a virtual machine's host says for the third. */
static double cache_size(int level, double usual) {
  char line[64];
  for (int i = 0; cache_line(i, "level", line, sizeof line); i++) {
    if (atoi(line) != level || !cache_line(i, "type", line, sizeof line)) continue;
    if (strncmp(line, "Instruction", 11) == 0) continue;
    if (!cache_line(i, "size", line, sizeof line) || atof(line) <= 0) continue;
    return atof(line) * (strchr(line, 'M') ? 1 << 20 : strchr(line, 'K') ? 1 << 10 : 1);
  }
  return usual;
}

/* The fastest copy of half of the `bytes` to the other half. */
static double copy_rate(double bytes, double seconds) {
  size_t half = (size_t)bytes / 2 / 64 * 64;
  char *memory = aligned_alloc(64, 2 * half);
  double best = INFINITY, start = run_clock();
  size_t times = half < (1 << 20) ? (1 << 20) / half : 1; /* microseconds between two looks */
  if (!memory) return INFINITY;
  memset(memory, 0, 2 * half);
  do {
    double before = run_clock();
    for (size_t i = 0; i < times; i++) {
      memcpy(memory + half, memory, half);
      __asm__ volatile("" : : "r"(memory) : "memory");
    }
    best = fmin(best, run_clock() - before);
  } while (run_clock() - start < seconds);
  free(memory);
  return 2 * (double)half * (double)times / best;
}

Memories memories_measure(double seconds) {
  double second = cache_size(2, 1 << 20), third = cache_size(3, 16 << 20);
  if (third < 2 * second) third = 2 * second; /* there is none */
  Memories memories = {{{"L1", cache_size(1, 32 << 10), 0},
                        {"L2", second, 0},
                        {"L3", third, 0},
                        {"DRAM", INFINITY, 0}}};
  /* The third is shared with others: a copy that only the second is too small for. */
  double copied[MEMORY_LEVELS] = {memories.level[0].bytes / 2, second / 2,
                                  fmin(4 * second, third / 2), fmin(4 * third, LARGEST)};
  for (int i = 0; i < MEMORY_LEVELS; i++) memories.level[i].rate = copy_rate(copied[i], seconds);
  return memories;
}

double memories_seconds(const Memories *memories, double bytes, const char **slowest) {
  double seconds = 0, below = 0;
  for (int i = 0; i < MEMORY_LEVELS; i++) {
    const Memory *level = &memories->level[i];
    if (i > 0 && bytes <= below) break;
    seconds += (fmin(bytes, level->bytes) - below) / level->rate;
    below = level->bytes;
    *slowest = level->name;
  }
  return seconds;
}
