/* CRC32C (Castagnoli, polynomial 0x1EDC6F41 reflected), the checksum of TensorBoard records and of
 * checkpoints. */
#ifndef RLC_RUNTIME_CRC32C_H
#define RLC_RUNTIME_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` already covers followed by `bytes` of data; start with 0. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same by table look-up, on any machine: the reference for tests. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t bytes);

/* TensorBoard's disguise of a checksum that is itself stored among checksummed data. */
static inline uint32_t crc32c_mask(uint32_t crc) {
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

#endif
