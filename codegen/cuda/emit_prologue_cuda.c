/* The fixed beginning of generated CUDA C: types, mathematics, lanes, barriers. No kernel's
 * arithmetic is here. What NVRTC lacks is defined; for a C compiler shim.h comes before. */
#include "codegen/approximation.h"
#include "codegen/cuda/emit_cuda.h"

static const char compiled_by_nvrtc[] =
    "#ifdef __CUDACC_RTC__\n"
    "typedef int int32_t;\n"
    "typedef unsigned int uint32_t;\n"
    "typedef unsigned long long uint64_t;\n"
    "typedef uint32_t pair; /* of bfloat16, the first in the low half */\n"
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
    "/* Whoever loads the sum sees what was written before it was added to. */\n"
    "INLINE unsigned add_release(unsigned *at, unsigned more) {\n"
    "  unsigned before;\n"
    "  asm volatile(\"atom.add.release.gpu.u32 %0, [%1], %2;\" : \"=r\"(before) : \"l\"(at), "
    "\"r\"(more) : \"memory\");\n"
    "  return before;\n"
    "}\n"
    "INLINE unsigned load_acquire(const unsigned *at) {\n"
    "  unsigned x;\n"
    "  asm volatile(\"ld.acquire.gpu.u32 %0, [%1];\" : \"=r\"(x) : \"l\"(at) : \"memory\");\n"
    "  return x;\n"
    "}\n"
    "INLINE unsigned load_relaxed(const unsigned *at) {\n"
    "  unsigned x;\n"
    "  asm volatile(\"ld.relaxed.gpu.u32 %0, [%1];\" : \"=r\"(x) : \"l\"(at) : \"memory\");\n"
    "  return x;\n"
    "}\n"
    "#define PAUSE() ((void)0)\n"
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
    "/* A call of a body. */\n"
    "typedef struct Run {\n"
    "  int body, meets /* before: 1: the warps of each block, 2: all blocks */;\n"
    "  int team /* all warps of a block take an item together */;\n"
    "  unsigned chunks /* of items, which go to the blocks in their order; 0: items do */;\n"
    "  int warps /* at most, of a block */, shared, bytes /* of shared memory, of a warp */;\n"
    "  int at; /* its first tensor */\n"
    "  Index items; /* of a chunk, if there are such */\n"
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
    "    const unsigned turn = 0x80000000u;\n"
    "    unsigned *met = call->met;\n"
    "    unsigned before = add_release(met, call->block ? 1u : turn - (call->blocks - 1));\n"
    "    while (!((load_relaxed(met) ^ before) & turn)) PAUSE();\n"
    "    load_acquire(met); /* each of these empties the first cache, which other blocks use */\n"
    "  }\n"
    "  __syncthreads();\n"
    "}\n"
    "\n";

/* The only ways to matrix instructions: operands rounded on their way into registers, and products
 * of 16 rows and 8 columns. Which lane has what is PTX's layout; in shim.h the same is plain C. */
static const char matrix_instructions[] =
    "#ifdef __CUDACC_RTC__\n"
    "INLINE float flushed(float x) { asm(\"mul.ftz.f32 %0, %1, 0f3F800000;\" : \"=f\"(x) : "
    "\"f\"(x)); return x; }\n"
    "INLINE float round_tf32(float x) {\n"
    "  uint32_t bits;\n"
    "  asm(\"cvt.rna.tf32.f32 %0, %1;\" : \"=r\"(bits) : \"f\"(flushed(x)));\n"
    "  return __uint_as_float(bits);\n"
    "}\n"
    "INLINE pair pair_bf16(float x, float y) {\n"
    "  pair both;\n"
    "  asm(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(both) : \"f\"(flushed(y)), "
    "\"f\"(flushed(x)));\n"
    "  return both;\n"
    "}\n"
    "#define MMA(name, element, bits, shape)                                                      "
    "\\\n"
    "  INLINE void name(float *c0, float *c1, float *c2, float *c3, element a0, element a1,       "
    "\\\n"
    "                   element a2, element a3, element b0, element b1) {                         "
    "\\\n"
    "    asm volatile(\"mma.sync.aligned.\" shape                                                 "
    "\\\n"
    "                 \" {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\"        "
    "\\\n"
    "                 : \"+f\"(*c0), \"+f\"(*c1), \"+f\"(*c2), \"+f\"(*c3)                         "
    "\\\n"
    "                 : \"r\"(bits(a0)), \"r\"(bits(a1)), \"r\"(bits(a2)), \"r\"(bits(a3)),        "
    "  "
    "\\\n"
    "                   \"r\"(bits(b0)), \"r\"(bits(b1)));                                        "
    "\\\n"
    "  }\n"
    "MMA(mma_tf32_16x8x8, float, __float_as_uint, \"m16n8k8.row.col.f32.tf32.tf32.f32\")\n"
    "MMA(mma_bf16_16x8x16, pair, pair, \"m16n8k16.row.col.f32.bf16.bf16.f32\")\n"
    "#endif\n";

const char cuda_tensor[] =
    "INLINE char *tensor(char *memory, char *work, uint32_t place) {\n"
    "  uint32_t space = place & 3;\n"
    "  char *from = space == 0 ? memory : space == 1 ? work : (char *)constants;\n"
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
          "typedef unsigned %s Unsigned;\n"
          "#define TABLE %s const\n",
          code->module->shell.name ? code->module->shell.name : "module", index, index, memory);
  fputs(compiled_by_nvrtc, out);
  fprintf(out, calls, RLC_GPU_BATCHES, RLC_GPU_RUNS);
  emit_rounding(code, out);
  emit_approximations(out);
  emit_overloads(code, out);
  fputs(emit_randomness, out);
  fputs(together, out);
  if (code->rounds) fputs(matrix_instructions, out);
}
