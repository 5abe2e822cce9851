/* Loops that keep every multiply-add unit busy, and a loop that counts cycles.
 *
 * The instructions are written out, because the flags of this file must run everywhere and forbid
 * contraction, while the loop has to use the widest registers that the machine has. */
#include "compiler/measure/peak.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/training.h"

enum {
  TRIPS = 512, /* of a loop between two looks at the clock: microseconds */
  ADDS = 64,   /* dependent adds written out in one trip */
};

/* ---- multiply-adds ---- */

/* Runs some register-wide multiply-adds and returns how many. */
typedef uint32_t FmaLoop(void);

typedef struct Vector {
  const char *name;
  FmaLoop *loop;
  uint32_t lanes;
} Vector;

/* Independent sums: latency x ports, 4 x 2 at most, is less than either count. */
#define FOUR(step, a) step(a##0) step(a##1) step(a##2) step(a##3)
#define TWELVE(step)  FOUR(step, a) FOUR(step, b) FOUR(step, c)
#define SIXTEEN(step) TWELVE(step) FOUR(step, d)
#define ZERO(c)       Wide c = {0};

#if defined __x86_64__
#define FMA(c) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+v"(c) : "v"(x));

__attribute__((target("avx512f"))) static uint32_t fma_512(void) {
  typedef float Wide __attribute__((vector_size(64)));
  Wide x = {0};
  SIXTEEN(ZERO)
  for (int i = 0; i < TRIPS; i++) {
    SIXTEEN(FMA)
  }
  return 16 * TRIPS;
}

/* There are 16 registers: twelve sums leave room for the factor. */
__attribute__((target("avx2,fma"))) static uint32_t fma_256(void) {
  typedef float Wide __attribute__((vector_size(32)));
  Wide x = {0};
  TWELVE(ZERO)
  for (int i = 0; i < TRIPS; i++) {
    TWELVE(FMA)
  }
  return 12 * TRIPS;
}
#endif

#if defined __aarch64__
#define FMA_128(c) __asm__ volatile("fmla %0.4s, %1.4s, %1.4s" : "+w"(c) : "w"(x));
#else
#define FMA_128(c) c += x * x;
#endif

/* Everywhere else: four lanes, and where no instruction is named a product and a sum. */
static uint32_t fma_128(void) {
  typedef float Wide __attribute__((vector_size(16)));
  Wide x = {0};
  TWELVE(ZERO)
  for (int i = 0; i < TRIPS; i++) {
    TWELVE(FMA_128)
  }
  Wide sum = a0 + a1 + a2 + a3 + b0 + b1 + b2 + b3 + c0 + c1 + c2 + c3;
  __asm__ volatile("" : : "m"(sum));
  return 12 * TRIPS;
}

static Vector vector_widest(void) {
#if defined __x86_64__
  if (__builtin_cpu_supports("avx512f")) return (Vector){"AVX-512", fma_512, 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return (Vector){"AVX2", fma_256, 8};
#endif
  return (Vector){"128-bit vectors", fma_128, 4};
}

double peak_rate(double seconds) {
  Vector vector = vector_widest();
  double start = run_clock(), end = start, count = 0;
  while (end - start < seconds || end == start) {
    count += vector.loop();
    end = run_clock();
  }
  return 2 * vector.lanes * count / (end - start);
}

/* ---- the clock ---- */

#if defined __x86_64__
#define ADD "add %1, %0\n"
#elif defined __aarch64__
#define ADD "add %0, %0, %1\n"
#endif

/* The addend is a register: adding a constant costs some CPUs no cycle at all. */
double peak_clock(double seconds) {
#if defined ADD
  double start = run_clock(), end = start, count = 0;
  uint64_t sum = 0, one = 1;
  while (end - start < seconds || end == start) {
    for (int i = 0; i < TRIPS; i++)
      __asm__ volatile(".rept 64\n" ADD ".endr" : "+r"(sum) : "r"(one) : "cc");
    count += TRIPS * ADDS;
    end = run_clock();
  }
  return count / (end - start);
#else
  (void)seconds;
  return 0;
#endif
}

/* ---- both ---- */

Peak peak_measure(double seconds) {
  static const double slice = 2e-4; /* short, so that some are not interrupted */
  Vector vector = vector_widest();
  Peak peak = {.lanes = vector.lanes, .vector = vector.name};
  double start = run_clock();
  do {
    peak.clock = fmax(peak.clock, peak_clock(slice));
    peak.flops = fmax(peak.flops, peak_rate(slice));
  } while (run_clock() - start < seconds);
  if (peak.clock == 0) return peak;
  peak.per_cycle = peak.flops / (2 * peak.clock * peak.lanes);
  peak.ports = peak.per_cycle < 1 ? 1 : (uint32_t)lround(peak.per_cycle);
  peak.limit = 2 * peak.clock * peak.lanes * peak.ports;
  return peak;
}

typedef struct TeamRate {
  double seconds;
  double *rate; /* [threads] */
} TeamRate;

static void rate_part(void *arg, uint32_t thread, uint32_t threads) {
  (void)threads;
  TeamRate *job = arg;
  job->rate[thread] = peak_rate(job->seconds);
}

double peak_team(Team *team, double seconds) {
  uint32_t threads = team_size(team);
  if (threads == 1) return peak_rate(seconds);
  TeamRate job = {seconds, calloc(threads, sizeof(double))};
  if (!job.rate) return 0;
  team_run(team, rate_part, &job);
  double sum = 0;
  for (uint32_t i = 0; i < threads; i++) sum += job.rate[i];
  free(job.rate);
  return sum;
}
