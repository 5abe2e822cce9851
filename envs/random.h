/* Random streams of the environments: Philox 4x32 with 10 rounds (Salmon et al., 2011), a
 * counter-based generator. A stream is (key, episode); draw n of it never depends on threads, on
 * other streams, or on what ran before. */
#ifndef RLC_ENVS_RANDOM_H
#define RLC_ENVS_RANDOM_H

#include <math.h>
#include <stdint.h>

typedef struct RandomStream {
  uint32_t key[2];
  uint32_t counter[4]; /* block number, purpose, episode (low, high) */
  uint32_t word[4];    /* the current block */
  uint32_t used;       /* words of it already drawn */
} RandomStream;

/* Enciphers `counter` under `key` into `word`. */
static inline void random_block(const uint32_t key[2], const uint32_t counter[4],
                                uint32_t word[4]) {
  uint32_t k0 = key[0], k1 = key[1];
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c0;
    uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
    uint32_t next0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    uint32_t next2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = next0;
    c2 = next2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  word[0] = c0, word[1] = c1, word[2] = c2, word[3] = c3;
}

/* The key of stream `index` among those of `seed`. */
static inline uint64_t random_key(uint64_t seed, uint64_t index) {
  const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
  const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 1};
  uint32_t word[4];
  random_block(key, counter, word);
  return (uint64_t)word[1] << 32 | word[0];
}

static inline RandomStream random_start(uint64_t key, uint64_t episode) {
  return (RandomStream){
      .key = {(uint32_t)key, (uint32_t)(key >> 32)},
      .counter = {0, 0, (uint32_t)episode, (uint32_t)(episode >> 32)},
      .used = 4,
  };
}

static inline uint32_t random_word(RandomStream *stream) {
  if (stream->used == 4) {
    random_block(stream->key, stream->counter, stream->word);
    stream->counter[0]++;
    stream->used = 0;
  }
  return stream->word[stream->used++];
}

/* Uniform on [low, high), 53 random bits. */
static inline double random_uniform(RandomStream *stream, double low, double high) {
  uint64_t bits = (uint64_t)random_word(stream) << 32;
  bits |= random_word(stream);
  return low + (high - low) * ((double)(bits >> 11) * 0x1p-53);
}

/* Standard normal, by Box and Muller's transform; the sine half is thrown away, so that a draw has
 * no memory. */
static inline double random_normal(RandomStream *stream) {
  double radius = sqrt(-2.0 * log1p(-random_uniform(stream, 0.0, 1.0)));
  return radius * cos(random_uniform(stream, 0.0, 2.0 * M_PI));
}

#endif
