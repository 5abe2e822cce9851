/* A detector of races in a GPU's code that runs on the CPU (codegen/cuda/shim.h, RLC_SHIM_RACES).
 *
 * The compiler's own instrumentation (-fsanitize=thread) calls a function before each load and
 * store; here those functions are ours, not a sanitizer's. Of each four bytes of the slots, of the
 * workspace and of shared memory it is kept who wrote them last and who read them since. Two
 * accesses by different threads, one of them a write, are a race unless a meeting stands between
 * them: of all blocks, of their block's warps (__syncthreads) or of their warp's lanes
 * (__syncwarp). So it does not matter in which order threads had their turns, nor whether a value
 * came out wrong. What it takes for granted is that a meeting of all blocks is one: the text of
 * `meet` itself is not looked at. Include it once per program. */
#ifndef RLC_TESTS_RACE_FIXTURE_H
#define RLC_TESTS_RACE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RACE_THREADS = 4096, RACE_LANES = 32, RACES_KEPT = 64 };

/* Who touched a word, and how many meetings there had been. */
typedef struct RaceAccess {
  uint32_t grid, block, warp; /* meetings of all, of the thread's block, of its warp */
  uint32_t kernel;            /* program << RLC_REACHED_BITS | kernel */
  uint16_t thread;            /* from 1; 0: nobody did */
  bool writes;
} RaceAccess;

/* The last write and two reads since then: the last one, and of those with which it stands in no
 * order, one that is as far from it as any. A write that no read kept stands against, none does. */
typedef struct RaceWord {
  RaceAccess write, read, other;
} RaceWord;

typedef enum RaceMemory { RACE_SLOTS, RACE_WORK, RACE_SHARED, RACE_MEMORIES } RaceMemory;

/* What is missing between two accesses. */
typedef enum RaceGap { GAP_NONE, GAP_WARP, GAP_BLOCK, GAP_GRID } RaceGap;

typedef struct Race {
  RaceAccess before, now;
  RaceMemory memory;
  uint64_t byte; /* in that memory */
  RaceGap gap;
} Race;

/* Instrumented code has no argument for it. */
static struct {
  const char *at[RACE_MEMORIES];
  size_t bytes[RACE_MEMORIES];
  RaceWord *words[RACE_MEMORIES];
  long running; /* -1: no thread of the grid */
  int threads;  /* of a block */
  unsigned blocks, arrived;
  uint32_t grid, block[RACE_THREADS], warp[RACE_THREADS], kernel[RACE_THREADS];
  uint64_t accesses, count;
  size_t kept;
  Race races[RACES_KEPT]; /* the first of each two kernels */
} racing = {.running = -1};

/* From now on `at` is this memory, and nobody has touched it. */
__attribute__((unused)) static void race_watch(RaceMemory memory, const void *at, size_t bytes) {
  free(racing.words[memory]);
  racing.words[memory] = calloc(bytes / 4 + 2, sizeof(RaceWord));
  if (!racing.words[memory]) abort();
  racing.at[memory] = at;
  racing.bytes[memory] = bytes;
}

/* Forgets what was found. */
__attribute__((unused)) static void race_clear(void) {
  racing.accesses = racing.count = racing.kept = 0;
}

/* ---- what shim.h tells ---- */

/* A launch: it begins behind all that was before. */
void race_begin(const char *shared, size_t bytes, int threads, unsigned blocks) {
  if (blocks * (size_t)threads > RACE_THREADS) abort();
  race_watch(RACE_SHARED, shared, bytes);
  racing.threads = threads;
  racing.blocks = blocks;
  racing.arrived = 0;
  racing.grid++;
}
void race_turn(long fibre) { racing.running = fibre; }
void race_warp(void) { racing.warp[racing.running]++; }
void race_block(void) { racing.block[racing.running]++; }
void race_grid(void) { racing.grid += ++racing.arrived % racing.blocks == 0; }
/* The kernel that the running thread begins. */
void race_kernel(uint32_t kernel) { racing.kernel[racing.running] = kernel; }

/* ---- accesses ---- */

static inline int race_block_of(const RaceAccess *access) {
  return (access->thread - 1) / racing.threads;
}
static inline int race_warp_of(const RaceAccess *access) {
  return (access->thread - 1) / RACE_LANES;
}

static RaceGap race_gap(const RaceAccess *before, const RaceAccess *now) {
  if (!before->thread || before->thread == now->thread || before->grid != now->grid)
    return GAP_NONE;
  if (race_block_of(before) != race_block_of(now)) return GAP_GRID;
  if (before->block != now->block) return GAP_NONE;
  if (race_warp_of(before) != race_warp_of(now)) return GAP_BLOCK;
  return before->warp == now->warp ? GAP_WARP : GAP_NONE;
}

/* Notes a race if the two are one. */
static bool race_between(const RaceAccess *before, const RaceAccess *now, RaceMemory memory,
                         uint64_t byte) {
  RaceGap gap = race_gap(before, now);
  if (gap == GAP_NONE) return false;
  racing.count++;
  for (size_t i = 0; i < racing.kept; i++)
    if (racing.races[i].before.kernel == before->kernel &&
        racing.races[i].now.kernel == now->kernel)
      return true;
  if (racing.kept < RACES_KEPT)
    racing.races[racing.kept++] = (Race){*before, *now, memory, byte, gap};
  return true;
}

static void race_word(RaceWord *word, const RaceAccess *now, RaceMemory memory, uint64_t byte) {
  bool found = race_between(&word->write, now, memory, byte);
  if (now->writes) {
    if (!found && !race_between(&word->read, now, memory, byte))
      race_between(&word->other, now, memory, byte);
    *word = (RaceWord){.write = *now};
    return;
  }
  RaceGap gap = race_gap(&word->read, now);
  if (gap != GAP_NONE && gap >= race_gap(&word->other, now)) word->other = word->read;
  word->read = *now;
}

static inline void race_touch(const char *at, size_t bytes, bool writes) {
  long me = racing.running;
  if (me < 0) return;
  for (RaceMemory m = 0; m < RACE_MEMORIES; m++) {
    if (at < racing.at[m] || at >= racing.at[m] + racing.bytes[m]) continue;
    uint64_t from = (uint64_t)(at - racing.at[m]);
    RaceAccess now = {racing.grid,       racing.block[me],   racing.warp[me],
                      racing.kernel[me], (uint16_t)(me + 1), writes};
    racing.accesses++;
    for (uint64_t w = from / 4; w <= (from + bytes - 1) / 4; w++)
      race_word(&racing.words[m][w], &now, m, 4 * w);
  }
}

/* The names are the compilers'; under a thread sanitizer they are its own. */
#ifndef SANITIZED
#define RACE_HOOK(bytes)                                                                           \
  void __tsan_read##bytes(const char *at) { race_touch(at, bytes, false); }                        \
  void __tsan_write##bytes(const char *at) { race_touch(at, bytes, true); }                        \
  void __tsan_unaligned_read##bytes(const char *at) { race_touch(at, bytes, false); }              \
  void __tsan_unaligned_write##bytes(const char *at) { race_touch(at, bytes, true); }
RACE_HOOK(1)
RACE_HOOK(2)
RACE_HOOK(4)
RACE_HOOK(8)
RACE_HOOK(16)
void __tsan_read_range(const char *at, size_t bytes) { race_touch(at, bytes, false); }
void __tsan_write_range(const char *at, size_t bytes) { race_touch(at, bytes, true); }
void *__tsan_memcpy(char *to, const char *from, size_t bytes) {
  if (bytes) race_touch(from, bytes, false), race_touch(to, bytes, true);
  return memcpy(to, from, bytes);
}
void *__tsan_memset(char *to, int value, size_t bytes) {
  if (bytes) race_touch(to, bytes, true);
  return memset(to, value, bytes);
}
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}
#endif

#endif
