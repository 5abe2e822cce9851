/* The table of CPU levels. */
#include "codegen/cpu.h"

#include <stdbool.h>
#include <stddef.h>

/* They follow the source file on the command line, so that libraries stand where a linker wants
 * them. No option lets the compiler change the order of sums. A sine and a cosine of one angle must
 * not become sincos, which has no vector form. */
#define FLAGS(...)                                                                                 \
  (const char *const[]) {                                                                          \
    "-std=gnu11", "-O3", __VA_ARGS__, "-fno-math-errno", "-fno-trapping-math", "-fno-builtin-sin", \
        "-fno-builtin-cos", "-fno-builtin-sinf", "-fno-builtin-cosf", LIBRARIES, NULL              \
  }
#if defined __x86_64__ && defined __GLIBC__
#define LIBRARIES "-lmvec", "-lm"
#else
#define LIBRARIES "-lm"
#endif

#if defined __x86_64__

#define V2 "cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"
#define V3 V2, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"
#define V4 V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"
#define NAMES(...)                                                                                 \
  (const char *const[]) { __VA_ARGS__, NULL }

static const CpuLevel levels[] = {
    {64, "x86-64-v4", NAMES(V4),
     FLAGS("-march=x86-64-v4", "-mtune=native", "-mprefer-vector-width=512")},
    {32, "x86-64-v3", NAMES(V3), FLAGS("-march=x86-64-v3", "-mtune=native")},
    {16, "x86-64-v2", NAMES(V2), FLAGS("-march=x86-64-v2", "-mtune=native")}};

uint32_t cpu_vector_bytes(void) {
  bool three = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (!three) return 16;
  bool four = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
  return four ? 64 : 32;
}

#else

static const CpuLevel levels[] = {{16, NULL, (const char *const[]){NULL}, FLAGS("-march=native")}};

uint32_t cpu_vector_bytes(void) { return 16; }

#endif

const CpuLevel *cpu_level(uint32_t bytes) {
  size_t last = sizeof levels / sizeof levels[0] - 1;
  for (size_t i = 0; i < last; i++)
    if (levels[i].bytes <= bytes) return &levels[i];
  return &levels[last];
}
