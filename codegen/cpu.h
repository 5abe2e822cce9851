/* What CPU code is made for: the levels of the x86-64 psABI, one row each. A level, and not all
 * that this machine happens to have, so that what a trainer asks of another machine can be listed.
 */
#ifndef RLC_CODEGEN_CPU_H
#define RLC_CODEGEN_CPU_H

#include <stdint.h>

typedef struct CpuLevel {
  uint32_t bytes;    /* of a vector register */
  const char *march; /* the name that gcc, clang and LLVM have for it; NULL: the machine's own */
  const char *const *features; /* by /proc/cpuinfo's names, NULL-terminated */
  const char *const *flags;    /* of a C compiler */
} CpuLevel;

/* The highest level with vectors of at most so many bytes. */
const CpuLevel *cpu_level(uint32_t bytes);
/* Bytes of this machine's vector registers, as far as a level has them. */
uint32_t cpu_vector_bytes(void);

#endif
