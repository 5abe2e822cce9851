/* The fixed beginning of generated CUDA C: types, mathematics, lanes, barriers. No kernel's
 * arithmetic is here. What NVRTC lacks is defined; for a C compiler shim.h comes before. */
#include "codegen/approximation.h"
#include "codegen/cuda/emit_cuda.h"

static const char compiled_by_nvrtc[] =
    "#ifdef __CUDACC_RTC__\n"
    "typedef int int32_t;\n"
    "typedef unsigned int uint32_t;\n"
    "typedef unsigned long long uint64_t;\n"
    "#define __builtin_inff() __int_as_float(0x7f800000)\n"
    "#define __builtin_inf() __longlong_as_double(0x7ff0000000000000LL)\n"
    "#define __builtin_nanf(text) __int_as_float(0x7fc00000)\n"
    "#define __builtin_nan(text) __longlong_as_double(0x7ff8000000000000LL)\n"
    "#define DEVICE static __device__\n"
    "#define INLINE static __device__ __forceinline__\n"
    "#define BODY static __device__ __noinline__\n"
    "#define ROLLED _Pragma(\"unroll 1\")\n"
    "#define STEPS _Pragma(\"unroll 2\")\n"
    "#define UNROLLED _Pragma(\"unroll\")\n"
    "#define ASSUME(what) __builtin_assume(what)\n"
    "#define ALIGNED __align__(64)\n"
    "#define IN_GLOBAL_MEMORY(at) __builtin_assume(__isGlobal(at))\n"
    "#define PROGRAM extern \"C\" __global__ void __launch_bounds__(256, 2)\n"
    "#define LAUNCH const __grid_constant__ Launch\n"
    "#define SHARED_MEMORY(name) extern __shared__ __align__(64) char name[]\n"
    "#define PAUSE() __nanosleep(20)\n"
    "#endif\n"
    "#define CALL const Call\n"
    "\n";

static const char calls[] =
    "typedef struct Member { /* RlcGpuRun */\n"
    "  char *memory; /* slots */\n"
    "  uint64_t seed, step;\n"
    "  const struct Gather *batches[%d]; /* to be taken first */\n"
    "} Member;\n"
    "typedef struct Launch { /* RlcGpuCall */\n"
    "  volatile unsigned *reached; /* the kernel that was begun last */\n"
    "  uint64_t work, met; /* bytes behind the slots: the workspace; of barriers */\n"
    "  unsigned count, blocks;\n"
    "  Member members[%d];\n"
    "} Launch;\n"
    "typedef struct Call { /* a block's: its member, and its place among the member's blocks */\n"
    "  char *memory, *work;\n"
    "  uint64_t seed, step;\n"
    "  unsigned *met, block, blocks;\n"
    "  const struct Gather *const *batches;\n"
    "} Call;\n"
    "/* A call of a body, and whether all blocks meet before. */\n"
    "typedef struct Run {\n"
    "  int body, meets, warps /* at most, of a block */, bytes /* of shared memory, of a warp */;\n"
    "  int at; /* its first tensor */\n"
    "  Index items;\n"
    "} Run;\n"
    "\n";

static const char together[] =
    "INLINE Index min_index(Index x, Index y) { return x < y ? x : y; }\n"
    "/* Lane l's value where the bit of `stage` in l is `high`, else that of the lane across. */\n"
    "#define SWAP(type) \\\n"
    "  INLINE type swap_##type(type x, type y, int stage, int high) { \\\n"
    "    int lane = threadIdx.x & 31; \\\n"
    "    type from = __shfl_xor_sync(0xffffffffu, high ? x : y, stage); \\\n"
    "    return ((lane & stage) != 0) == (high != 0) ? (high ? y : x) : from; \\\n"
    "  }\n"
    "SWAP(float)\n"
    "SWAP(double)\n"
    "INLINE Call call_of(const Launch *launch) {\n"
    "  const Member *own = &launch->members[blockIdx.x / launch->blocks];\n"
    "  Call call = {own->memory, own->memory + launch->work, own->seed, own->step,\n"
    "               (unsigned *)(own->memory + launch->met), blockIdx.x % launch->blocks,\n"
    "               launch->blocks, own->batches};\n"
    "  return call;\n"
    "}\n"
    "/* To the host, by a thread whose writes no barrier waits for. */\n"
    "INLINE void reach(const Launch *launch, unsigned kernel) {\n"
    "  if (blockIdx.x == 0 && threadIdx.x == blockDim.x - 1) *launch->reached = kernel;\n"
    "}\n"
    "/* All blocks of a member meet; what any of them wrote before, all see afterwards. The first "
    "of\n"
    " * them adds what turns the highest bit over when the others have added one each: so the "
    "counter\n"
    " * serves any number of blocks, and the bits below are zero again. */\n"
    "DEVICE void meet(CALL *call) {\n"
    "  __syncthreads();\n"
    "  if (threadIdx.x == 0) {\n"
    "    __threadfence();\n"
    "    const unsigned turn = 0x80000000u;\n"
    "    unsigned before = atomicAdd(call->met, call->block ? 1u : turn - (call->blocks - 1));\n"
    "    while (!((*(volatile unsigned *)call->met ^ before) & turn)) PAUSE();\n"
    "    __threadfence();\n"
    "  }\n"
    "  __syncthreads();\n"
    "}\n"
    "\n";

const char cuda_tensor[] =
    "INLINE char *tensor(CALL *call, uint32_t place) {\n"
    "  uint32_t space = place & 3;\n"
    "  char *from = space == 0 ? call->memory : space == 1 ? call->work : (char *)constants;\n"
    "  from += (uint64_t)(place >> 2) * 64;\n"
    "  IN_GLOBAL_MEMORY(from);\n"
    "  return (char *)__builtin_assume_aligned(from, 64);\n"
    "}\n"
    "\n";

/* In C++ a function is chosen by its arguments' types. */
static void emit_overloads(const Code *code, FILE *out) {
  fputs("#ifdef __CUDACC_RTC__\n", out);
  for (size_t i = 0; i < APPROXIMATIONS; i++) {
    const char *f = approximations[i].name;
    fprintf(out,
            "INLINE float near_%s(float x) { return %s_float(x); }\n"
            "INLINE double near_%s(double x) { return %s(x); }\n"
            "#define %s near_%s\n",
            f, f, f, f, f, f);
  }
  for (int format = 0; format < FORMAT_COUNT; format++) {
    const char *f = format_table[format].name;
    if (code_rounds(code, (NumberFormat)format))
      fprintf(out,
              "INLINE float %s(float x) { return %s_float(x); }\n"
              "INLINE double %s(double x) { return %s_double(x); }\n",
              f, f, f, f);
  }
  fputs("#else\n", out);
  emit_functions(out);
  fputs("#endif\n\n", out);
}

void emit_cuda_prologue(const Code *code, const char *index, const char *memory, FILE *out) {
  fprintf(out,
          "/* %s: generated by rlc. One function per body, one cooperative kernel per program. */\n"
          "typedef %s Index;\n"
          "#define TABLE %s const\n",
          code->module->shell.name ? code->module->shell.name : "module", index, memory);
  fputs(compiled_by_nvrtc, out);
  fprintf(out, calls, RLC_GPU_BATCHES, RLC_GPU_RUNS);
  emit_rounding(code, out);
  emit_approximations(out);
  emit_overloads(code, out);
  fputs(emit_randomness, out);
  fputs(together, out);
}
