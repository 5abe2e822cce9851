/* CRC32C over bytes in memory: with the SSE4.2 instruction where the processor has it, else by a
 * table. Both give the same number; replays of hundreds of megabytes are checked at memory speed.
 */
#include "runtime/crc32c.h"

#include <string.h>

/* The checksums of the sixteen values of four bits: two look-ups a byte, no table to build. */
static const uint32_t nibble_crc[16] = {
    0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
    0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75};

uint32_t crc32c_table(uint32_t crc, const void *data, size_t bytes) {
  const unsigned char *at = data;
  crc = ~crc;
  for (size_t i = 0; i < bytes; i++) {
    crc ^= at[i];
    crc = (crc >> 4) ^ nibble_crc[crc & 15];
    crc = (crc >> 4) ^ nibble_crc[crc & 15];
  }
  return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t bytes) {
  const unsigned char *at = data;
  uint64_t state = ~crc;
  for (; bytes >= 8; at += 8, bytes -= 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    state = __builtin_ia32_crc32di(state, word);
  }
  uint32_t tail = (uint32_t)state;
  for (; bytes > 0; at++, bytes--) tail = __builtin_ia32_crc32qi(tail, *at);
  return ~tail;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, bytes);
#endif
  return crc32c_table(crc, data, bytes);
}
