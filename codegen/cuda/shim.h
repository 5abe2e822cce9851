/* CUDA's built-ins for a C compiler: generated CUDA C runs on the CPU, for tests and gradcheck.
 *
 * A thread is a fibre. One runs until it waits; so what it wrote without meeting those that read it
 * shows when fibres take their turns in another order (RLC_SHIM_ORDER: 0 forwards, 1 backwards,
 * more: shuffled by that number). A warp has the turn until it waits for others; in a shuffled
 * order for any number of steps, so that some warps are kernels ahead of others where nothing holds
 * them. A grid has at most SHIM_BLOCKS blocks, of SHIM_WARPS warps or of as many as the text counts
 * on, which ends with `#define WARPS` (0: any). A warp whose lanes wait in different places, or
 * threads that wait for ever, end the process with a message. Included by generated files only.
 *
 * With RLC_SHIM_RACES the process has a detector of races (tests/race_fixture.h), which is told who
 * goes on, who meets, and where shared memory lies. */
#ifndef RLC_CODEGEN_CUDA_SHIM_H
#define RLC_CODEGEN_CUDA_SHIM_H

#include "runtime/rlc.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
#ifdef RLC_SHIM_RACES /* as many warps as on a card, and blocks between others */
  SHIM_BLOCKS = 5,
  SHIM_WARPS = 8,
#else
  SHIM_BLOCKS = 2,
  SHIM_WARPS = 2,
#endif
  SHIM_MOST_WARPS = 8,
  SHIM_LANES = 32,
  SHIM_STACK = 64 * 1024,
  SHIM_SHARED = 48 * 1024
};
enum { SHIM_ALL_WARPS = SHIM_BLOCKS * SHIM_MOST_WARPS, SHIM_FIBRES = SHIM_ALL_WARPS * SHIM_LANES };

typedef enum ShimState { SHIM_READY, SHIM_AT_WARP, SHIM_AT_BLOCK, SHIM_SPINS, SHIM_DONE } ShimState;

typedef struct ShimIndex {
  unsigned x;
} ShimIndex;

typedef struct ShimFibre {
  ShimState state;
  ShimIndex thread, block;
  union {
    float f;
    double d;
    uint64_t u;
    uint32_t bits[6];
  } handed; /* in a shuffle, or to a matrix instruction: four of the rows', two of the columns' */
  jmp_buf place;
  int begun;
  char *stack;
} ShimFibre;

typedef struct Shim {
  ShimFibre fibre[SHIM_FIBRES];
  char shared[SHIM_BLOCKS][SHIM_SHARED] __attribute__((aligned(64)));
  ShimFibre *running;
  unsigned blocks; /* of this grid */
  int threads;     /* of a block */
  jmp_buf scheduler;
  ucontext_t start;
  void (*kernel)(const void *call);
  const void *call;
  int lanes[SHIM_LANES], warps[SHIM_ALL_WARPS]; /* in the order of their turns */
  unsigned chance;                              /* of shuffled orders; else zero */
} Shim;

static Shim *shim;

#define __device__
#define __forceinline__ inline
#define DEVICE          static __attribute__((unused))
#define INLINE          static inline __attribute__((always_inline, unused))
#ifndef PROGRAM
#define PROGRAM static void
#endif
#define LAUNCH const Launch
#define BODY   static __attribute__((noinline, unused))
#define __constant__
#define ROLLED
#define STEPS
#define UNROLLED
#define ASSUME(what)         ((void)0)
#define ALIGNED              __attribute__((aligned(64)))
#define IN_GLOBAL_MEMORY(at) ((void)0)
#define MATH
#define fmaf                   __builtin_fmaf
#define fma                    __builtin_fma
#define SHARED_MEMORY(name)    char *name = shim->shared[blockIdx.x]
#define threadIdx              (shim->running->thread)
#define blockIdx               (shim->running->block)
#define gridDim                ((ShimIndex){shim->blocks})
#define blockDim               ((ShimIndex){(unsigned)shim->threads})
#define __syncwarp()           (race_warp(), shim_wait(SHIM_AT_WARP))
#define __syncthreads()        (race_block(), shim_wait(SHIM_AT_BLOCK))
#define __threadfence_system() ((void)0)
#define PAUSE()                shim_wait(SHIM_SPINS)

#ifdef RLC_SHIM_RACES
void race_begin(const char *shared, size_t bytes, int threads, unsigned blocks);
void race_turn(long fibre);
void race_warp(void);
void race_block(void);
void race_grid(void); /* a block has come to a meeting of all */
#else
#define race_begin(shared, bytes, threads, blocks) ((void)0)
#define race_turn(fibre)                           ((void)0)
#define race_warp()                                ((void)0)
#define race_block()                               ((void)0)
#define race_grid()                                ((void)0)
#endif

/* Back to the scheduler until it says to go on. Others run meanwhile, read and write. Nothing may
 * be concluded from what this function does; even so gcc 12 -O1 gives wrong results for some
 * programs, which -O0, -O2 and clang do not (why was not found out): so generated code is compiled
 * with -O2. */
__attribute__((noinline)) static void shim_wait(ShimState state) {
  shim->running->state = state;
  if (!_setjmp(shim->running->place)) _longjmp(shim->scheduler, 1);
}

static inline unsigned add_release(unsigned *at, unsigned more) {
  unsigned before = *at;
  *at = before + more;
  race_grid();
  return before;
}

static inline unsigned load_acquire(const volatile unsigned *at) { return *at; }
static inline unsigned load_relaxed(const volatile unsigned *at) { return *at; }

/* What lanes wait for in a shuffle or a matrix instruction puts no accesses to memory in order. */
#define SHIM_SHUFFLE(type, part)                                                                   \
  static inline type shim_shuffle_##type(type x, long from) {                                      \
    shim->running->handed.part = x;                                                                \
    shim_wait(SHIM_AT_WARP);                                                                       \
    x = shim->fibre[from].handed.part;                                                             \
    shim_wait(SHIM_AT_WARP);                                                                       \
    return x;                                                                                      \
  }
SHIM_SHUFFLE(float, f)
SHIM_SHUFFLE(double, d)
SHIM_SHUFFLE(uint64_t, u)
#define SHIM_ME (shim->running - shim->fibre)
#define __shfl_xor_sync(mask, x, across)                                                           \
  _Generic((x), float : shim_shuffle_float, double : shim_shuffle_double)(x, SHIM_ME ^ (across))
#define __shfl_sync(mask, x, lane)                                                                 \
  shim_shuffle_uint64_t(x, SHIM_ME / SHIM_LANES * SHIM_LANES + (lane))

/* ---- matrix instructions ---- */

typedef uint32_t pair; /* of bfloat16, the first in the low half */

static inline uint32_t shim_bits(float x) {
  union {
    float real;
    uint32_t bits;
  } same = {x};
  return same.bits;
}

static inline float shim_real(uint32_t bits) {
  union {
    uint32_t bits;
    float real;
  } same = {bits};
  return same.real;
}

#define round_tf32(x)   tf32_float(x)
#define pair_bf16(x, y) (shim_bits(bf16_float(x)) >> 16 | (shim_bits(bf16_float(y)) & 0xFFFF0000u))

__attribute__((unused)) static float shim_dot_tf32(uint32_t x, uint32_t y, float sum) {
  return __builtin_fmaf(shim_real(x & 0xFFFFE000u), shim_real(y & 0xFFFFE000u), sum);
}

__attribute__((unused)) static float shim_dot_bf16(pair x, pair y, float sum) {
  sum = __builtin_fmaf(shim_real(x << 16), shim_real(y << 16), sum);
  return __builtin_fmaf(shim_real(x & 0xFFFF0000u), shim_real(y & 0xFFFF0000u), sum);
}

/* PTX's layouts of m16n8k8 for tf32 and of m16n8k16 for bf16 are the same in registers: element k
 * of a row is lane k % 4's of the row's group, in the later register for k >= 4. */
__attribute__((unused, noinline)) static void shim_mma(float *const c[4], const uint32_t own[6],
                                                       float (*dot)(uint32_t x, uint32_t y,
                                                                    float sum)) {
  ShimFibre *self = shim->running;
  int lane = (int)((self - shim->fibre) % SHIM_LANES), group = lane / 4, part = lane % 4;
  const ShimFibre *warp = self - lane;
  memcpy(self->handed.bits, own, sizeof self->handed.bits);
  shim_wait(SHIM_AT_WARP);
  for (int i = 0; i < 4; i++) {
    int below = i / 2, column = 2 * part + i % 2;
    for (int k = 0; k < 8; k++) {
      const uint32_t *row = warp[4 * group + k % 4].handed.bits;
      const uint32_t *other = warp[4 * column + k % 4].handed.bits;
      *c[i] = dot(row[k / 4 * 2 + below], other[4 + k / 4], *c[i]);
    }
  }
  shim_wait(SHIM_AT_WARP);
}
#define mma_tf32_16x8x8(c0, c1, c2, c3, a0, a1, a2, a3, b0, b1)                                    \
  shim_mma((float *const[]){c0, c1, c2, c3},                                                       \
           (uint32_t[]){shim_bits(a0), shim_bits(a1), shim_bits(a2), shim_bits(a3), shim_bits(b0), \
                        shim_bits(b1)},                                                            \
           shim_dot_tf32)
#define mma_bf16_16x8x16(c0, c1, c2, c3, a0, a1, a2, a3, b0, b1)                                   \
  shim_mma((float *const[]){c0, c1, c2, c3}, (uint32_t[]){a0, a1, a2, a3, b0, b1}, shim_dot_bf16)

/* ---- the scheduler ---- */

static void shim_fail(const char *what) {
  fprintf(stderr, "CUDA on the CPU: %s\n", what);
  abort();
}

static void shim_begin(void) {
  shim->kernel(shim->call);
  shim->running->state = SHIM_DONE;
  _longjmp(shim->scheduler, 1);
}

static void shim_resume(ShimFibre *fibre) {
  shim->running = fibre;
  race_turn(fibre - shim->fibre);
  if (_setjmp(shim->scheduler)) return;
  if (fibre->begun) _longjmp(fibre->place, 1);
  fibre->begun = 1;
  getcontext(&shim->start);
  shim->start.uc_stack.ss_sp = fibre->stack;
  shim->start.uc_stack.ss_size = SHIM_STACK;
  makecontext(&shim->start, shim_begin, 0);
  setcontext(&shim->start);
}

/* All lanes that can, go on; true while the warp as a whole can. */
static int shim_step(ShimFibre *warp) {
  int waiting = 0;
  for (int i = 0; i < SHIM_LANES; i++) {
    ShimFibre *fibre = &warp[shim->lanes[i]];
    if (fibre->state == SHIM_READY) shim_resume(fibre);
  }
  for (int l = 0; l < SHIM_LANES; l++) waiting += warp[l].state == SHIM_AT_WARP;
  if (waiting && waiting < SHIM_LANES) shim_fail("lanes of a warp wait in different places");
  if (waiting)
    for (int l = 0; l < SHIM_LANES; l++) warp[l].state = SHIM_READY;
  return waiting;
}

static unsigned shim_chance(void) {
  shim->chance = shim->chance * 1664525u + 1013904223u;
  return shim->chance >> 8;
}

/* A warp's turn: of 1 to 256 steps where orders are shuffled. */
static int shim_turn(ShimFibre *warp) {
  unsigned steps = shim->chance ? 1u << shim_chance() % 9 : UINT32_MAX;
  int moved = 0;
  while (steps-- && shim_step(warp)) moved = 1;
  return moved;
}

static int shim_block_meets(ShimFibre *block) {
  for (int i = 0; i < shim->threads; i++)
    if (block[i].state != SHIM_AT_BLOCK) return 0;
  for (int i = 0; i < shim->threads; i++) block[i].state = SHIM_READY;
  return 1;
}

/* The numbers up to `count`, forwards, backwards or shuffled. */
static void shim_line_up(int *order, int count, int backwards) {
  for (int i = 0; i < count; i++) order[i] = backwards ? count - 1 - i : i;
  for (int i = count - 1; i > 0 && shim->chance; i--) {
    int j = (int)(shim_chance() % (unsigned)(i + 1)), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

/* One round over all warps. Returns how many threads are not done. */
static int shim_round(int *moved) {
  int left = 0, fibres = SHIM_BLOCKS * shim->threads;
  for (int i = 0; i < fibres / SHIM_LANES; i++)
    *moved |= shim_turn(&shim->fibre[shim->warps[i] * SHIM_LANES]);
  for (int b = 0; b < SHIM_BLOCKS; b++) *moved |= shim_block_meets(&shim->fibre[b * shim->threads]);
  for (int i = 0; i < fibres; i++) {
    if (shim->fibre[i].state == SHIM_SPINS) shim->fibre[i].state = SHIM_READY;
    left += shim->fibre[i].state != SHIM_DONE;
  }
  return left;
}

static void shim_order(void) {
  const char *text = getenv("RLC_SHIM_ORDER");
  unsigned order = text ? (unsigned)atoi(text) : 0;
  shim->chance = order > 1 ? order : 0;
  shim_line_up(shim->lanes, SHIM_LANES, order == 1);
  shim_line_up(shim->warps, SHIM_BLOCKS * shim->threads / SHIM_LANES, order == 1);
}

/* With so many warps in a block; 0: with any. */
static void shim_run_warps(void (*kernel)(const void *call), const void *call, unsigned blocks,
                           int warps) {
  if (blocks == 0 || blocks > SHIM_BLOCKS) shim_fail("the grid has a strange number of blocks");
  shim = aligned_alloc(64, (sizeof *shim + 63) / 64 * 64);
  size_t threads = (warps ? (size_t)warps : SHIM_WARPS) * SHIM_LANES;
  /* No more than are used: what is larger than malloc keeps costs a page fault for each page, each
   * time. */
  char *stacks = malloc(SHIM_BLOCKS * threads * SHIM_STACK);
  if (!shim || !stacks) shim_fail("out of memory");
  memset(shim, 0xff, sizeof *shim);
  shim->kernel = kernel;
  shim->call = call;
  shim->blocks = blocks;
  shim->threads = (int)threads;
  race_begin(shim->shared[0], sizeof shim->shared, shim->threads, blocks);
  shim_order();
  for (int i = 0; i < SHIM_BLOCKS * shim->threads; i++) {
    ShimFibre *fibre = &shim->fibre[i];
    fibre->state = i / shim->threads < (int)blocks ? SHIM_READY : SHIM_DONE;
    fibre->begun = 0;
    fibre->thread.x = (unsigned)(i % shim->threads);
    fibre->block.x = (unsigned)(i / shim->threads);
    fibre->stack = stacks + (size_t)i * SHIM_STACK;
  }
  for (int still = 0, moved = 0; shim_round(&moved); moved = 0) {
    still = moved ? 0 : still + 1;
    if (still > 1000) shim_fail("threads wait for ever");
  }
  free(stacks);
  free(shim);
}
#define shim_run(kernel, call, blocks) shim_run_warps(kernel, call, blocks, WARPS)

#endif
