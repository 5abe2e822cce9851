/* What CPU code is made for: the levels of the x86-64 psABI and 64-bit ARM's common ground, one row
 * each. A level, and not all that a machine happens to have, so that what a trainer asks of another
 * machine can be listed. */
#ifndef RLC_CODEGEN_CPU_H
#define RLC_CODEGEN_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct CpuLevel {
  const char *name;            /* what it asks of a machine, for messages */
  const char *arch;            /* as LLVM's triples begin; NULL: this machine's */
  uint32_t bytes;              /* of a vector register */
  const char *march;           /* LLVM's name for it; NULL: the machine's own */
  const char *more;            /* LLVM's features beyond it */
  bool vector_math;            /* the C library has functions of its vectors (libmvec) */
  const char *const *features; /* by /proc/cpuinfo's names, NULL-terminated */
  const char *const *flags;    /* of a C compiler */
} CpuLevel;

/* What --march names. */
typedef struct Cpu {
  const char *name;
  const CpuLevel *level;
  const char *tune; /* the CPU that instructions are put in order for, by LLVM's name; NULL: this
                       machine where it is of the level's architecture, else no one in particular */
  const CpuLevel *bf16; /* its level with products of pairs of bfloat16; NULL: it has none */
} Cpu;

/* "native" or a name of cpus.def; NULL where there is none. */
const Cpu *cpu_find(const char *name);
size_t cpu_names(const char *const **names);
/* Can this machine run it, as far as its architecture tells? Features are asked of when it runs. */
bool cpu_is_here(const CpuLevel *level);

/* This machine's highest level with vectors of at most so many bytes. */
const CpuLevel *cpu_level(uint32_t bytes);
/* Bytes of this machine's vector registers, as far as a level has them. */
uint32_t cpu_vector_bytes(void);

#endif
