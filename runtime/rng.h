/* Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), the only
 * source of randomness. A draw is a pure function of (seed, stream, step, element): the same on
 * every back end and for any number of threads. */
#ifndef RLC_RUNTIME_RNG_H
#define RLC_RUNTIME_RNG_H

#include <stdint.h>

typedef struct Philox {
  uint32_t word[4];
} Philox;

/* The 32 bits of a stream's 64-bit name that number it. */
static inline uint32_t rng_stream(uint64_t name) { return (uint32_t)name ^ (uint32_t)(name >> 32); }

/* counter = element, stream, step low, step high; key = seed low, seed high. */
static inline Philox philox(uint64_t seed, uint32_t stream, uint64_t step, uint32_t element) {
  uint32_t c0 = element, c1 = stream, c2 = (uint32_t)step, c3 = (uint32_t)(step >> 32);
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1, c3 = (uint32_t)p0, c0 = n0, c2 = n2;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return (Philox){{c0, c1, c2, c3}};
}

/* Bits to a uniform strictly inside (0, 1), exact in float32: (k + 1/2) 2^-23 for k of 23 bits. */
static inline double rng_uniform(uint32_t bits) { return ((double)(bits >> 9) + 0.5) * 0x1p-23; }

/* A whole number below n from 64 bits, by multiplication (bias below n / 2^64). */
static inline uint64_t rng_below(uint64_t bits, uint64_t n) {
  return (uint64_t)(((unsigned __int128)bits * n) >> 64);
}

#endif
