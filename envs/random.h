/* Random streams of the environments, drawn from the runtime's Philox generator: a stream is (key,
 * episode), and its draws never depend on threads, on other streams, or on what ran before. */
#ifndef RLC_ENVS_RANDOM_H
#define RLC_ENVS_RANDOM_H

#include <math.h>
#include <stdint.h>

#include "runtime/rng.h"

typedef struct RandomStream {
  uint64_t key, episode;
  uint32_t block; /* blocks drawn */
  uint32_t used;  /* words drawn of the last one */
  Philox bits;
} RandomStream;

/* What the environments' keys are drawn under, apart from every other use of the same seed. */
enum { RANDOM_KEYS = 0x656e7673 };

/* The key of stream `index` among those of `seed`. */
static inline uint64_t random_key(uint64_t seed, uint64_t index) {
  Philox bits = philox(seed, RANDOM_KEYS, index, 0);
  return (uint64_t)bits.word[1] << 32 | bits.word[0];
}

static inline RandomStream random_start(uint64_t key, uint64_t episode) {
  return (RandomStream){.key = key, .episode = episode, .used = 4};
}

static inline uint32_t random_word(RandomStream *stream) {
  if (stream->used == 4) {
    stream->bits = philox(stream->key, 0, stream->episode, stream->block++);
    stream->used = 0;
  }
  return stream->bits.word[stream->used++];
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
