/* The tables of CPU levels and of the names that --march takes. */
#include "codegen/cpu.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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
#if defined __GLIBC__
#define VECTOR_MATH true
#else
#define VECTOR_MATH false
#endif

#define X2      "cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"
#define X3      X2, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"
#define X4      X3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"
#define X4_BF16 X4, "avx512_bf16"
#define NAMES(...)                                                                                 \
  (const char *const[]) { __VA_ARGS__, NULL }

/* Of one architecture the highest first; behind them what code asks for only where it says so. */
typedef enum LevelName { V4, V3, V2, NEON, OTHER, V4_BF16 } LevelName;
static const CpuLevel levels[] = {
    [V4] = {"x86-64-v4", "x86_64", 64, "x86-64-v4", "", VECTOR_MATH, NAMES(X4),
            FLAGS("-march=x86-64-v4", "-mtune=native", "-mprefer-vector-width=512")},
    [V3] = {"x86-64-v3", "x86_64", 32, "x86-64-v3", "", VECTOR_MATH, NAMES(X3),
            FLAGS("-march=x86-64-v3", "-mtune=native")},
    [V2] = {"x86-64-v2", "x86_64", 16, "x86-64-v2", "", VECTOR_MATH, NAMES(X2),
            FLAGS("-march=x86-64-v2", "-mtune=native")},
    [NEON] = {"aarch64", "aarch64", 16, "generic", "", false, NAMES("fp", "asimd"),
              FLAGS("-march=armv8-a", "-mtune=native")},
    [OTHER] = {"this machine", NULL, 16, NULL, NULL, false, (const char *const[]){NULL},
               FLAGS("-march=native")},
    [V4_BF16] = {
        "x86-64-v4 with AVX512-BF16", "x86_64", 64, "x86-64-v4", "+avx512bf16", VECTOR_MATH,
        NAMES(X4_BF16),
        FLAGS("-march=x86-64-v4", "-mavx512bf16", "-mtune=native", "-mprefer-vector-width=512")}};

#if defined __x86_64__
enum { FIRST = V4, LAST = V2 };

uint32_t cpu_vector_bytes(void) {
  bool three = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (!three) return 16;
  bool four = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
  return four ? 64 : 32;
}

static bool has_bf16(void) { return __builtin_cpu_supports("avx512bf16"); }

#else
#if defined __aarch64__
enum { FIRST = NEON, LAST = NEON };
#else
enum { FIRST = OTHER, LAST = OTHER };
#endif

uint32_t cpu_vector_bytes(void) { return 16; }

static bool has_bf16(void) { return false; }

#endif

const CpuLevel *cpu_level(uint32_t bytes) {
  for (size_t i = FIRST; i < LAST; i++)
    if (levels[i].bytes <= bytes) return &levels[i];
  return &levels[LAST];
}

bool cpu_is_here(const CpuLevel *level) {
  return !level->arch || level->arch == levels[FIRST].arch;
}

/* ---- names ---- */

#define NONE NULL
#define BF16 &levels[V4_BF16]
static const Cpu cpus[] = {
#define CPU(name, level, bf16, tune) {name, &levels[level], tune, bf16},
#include "codegen/cpus.def"
#undef CPU
};

/* "native" by level. */
static const Cpu natives[] = {[V4] = {"native", &levels[V4], NULL, NONE},
                              [V3] = {"native", &levels[V3], NULL, NONE},
                              [V2] = {"native", &levels[V2], NULL, NONE},
                              [NEON] = {"native", &levels[NEON], NULL, NONE},
                              [OTHER] = {"native", &levels[OTHER], NULL, NONE},
                              [V4_BF16] = {"native", &levels[V4], NULL, BF16}};

static const char *const names[] = {
    "native",
#define CPU(name, level, bf16, tune) name,
#include "codegen/cpus.def"
#undef CPU
};

const Cpu *cpu_find(const char *name) {
  if (strcmp(name, natives[0].name) == 0) {
    size_t level = (size_t)(cpu_level(cpu_vector_bytes()) - levels);
    return &natives[level == V4 && has_bf16() ? V4_BF16 : level];
  }
  for (size_t i = 0; i < COUNT(cpus); i++)
    if (strcmp(name, cpus[i].name) == 0) return &cpus[i];
  return NULL;
}

size_t cpu_names(const char *const **all) {
  *all = names;
  return COUNT(names);
}
