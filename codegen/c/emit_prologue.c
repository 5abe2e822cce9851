/* The fixed beginning of generated C. Only names of functions and types depend on nothing; no
 * kernel's arithmetic is here. What it includes is rlc's own: with quotes a compiler would look
 * beside the file first, which stands where the user wants the trainer. */
#include "codegen/approximation.h"
#include "codegen/c/emit_c.h"

static const char types[] =
    "#include <runtime/rlc.h>\n"
    "#define CALL const RlcCall\n"
    "\n"
    "/* Iterations are independent. Short loops must not be unrolled before they become vectors. "
    "*/\n"
    "#if defined __clang__\n"
    "#define LANES _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#define LANES_SHORT LANES\n"
    "#pragma clang diagnostic ignored \"-Wpass-failed\"\n"
    "#else\n"
    "#define LANES _Pragma(\"GCC ivdep\")\n"
    "#define LANES_SHORT _Pragma(\"GCC ivdep\") _Pragma(\"GCC unroll 1\")\n"
    "#endif\n"
    "#if defined __x86_64__ && !defined __clang__\n"
    "#define MATH __attribute__((simd(\"notinbranch\"))) /* libmvec has the vector forms */\n"
    "#else\n"
    "#define MATH\n"
    "#endif\n"
    "\n"
    "#define INLINE static inline __attribute__((always_inline, unused))\n"
    "#define VECTORS(n) \\\n"
    "  typedef float v##n##_float __attribute__((vector_size(4 * n), may_alias)); \\\n"
    "  typedef double v##n##_double __attribute__((vector_size(8 * n), may_alias));\n"
    "VECTORS(2)\nVECTORS(4)\nVECTORS(8)\nVECTORS(16)\nVECTORS(32)\n"
    "\n";

/* The functions of libm that operations use. */
static const char *const functions[] = {"fabs", "exp", "log", "sqrt", "tanh",
                                        "sin",  "cos", "erf", "floor"};

const char emit_randomness[] =
    "/* Philox 4x32-10: a draw is a function of (seed, stream, step, element). */\n"
    "INLINE uint32_t draw(CALL *call, uint32_t stream, "
    "uint32_t element, int word) {\n"
    "  uint32_t c0 = element, c1 = stream, c2 = (uint32_t)call->step, c3 = (uint32_t)(call->step "
    ">> 32);\n"
    "  uint32_t k0 = (uint32_t)call->seed, k1 = (uint32_t)(call->seed >> 32);\n"
    "  for (int round = 0; round < 10; round++) {\n"
    "    uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;\n"
    "    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;\n"
    "    c1 = (uint32_t)p1, c3 = (uint32_t)p0, c0 = n0, c2 = n2;\n"
    "    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;\n"
    "  }\n"
    "  return word == 0 ? c0 : word == 1 ? c1 : word == 2 ? c2 : c3;\n"
    "}\n"
    "INLINE float uniform_float(CALL *call, uint32_t stream, "
    "uint32_t element, int word) {\n"
    "  return ((float)(int32_t)(draw(call, stream, element, word) >> 9) + 0.5f) * 0x1p-23f;\n"
    "}\n"
    "INLINE double uniform_double(CALL *call, uint32_t stream, "
    "uint32_t element, int word) {\n"
    "  return ((double)(int32_t)(draw(call, stream, element, word) >> 9) + 0.5) * 0x1p-23;\n"
    "}\n"
    "\n";

/* The same steps as format_round (ir/formats.c). */
static void emit_format(const FormatInfo *format, FILE *out) {
  const char *name = format->name;
  int single = 24 - format->bits, twice = 53 - format->bits;
  bool even = format->ties == TIES_TO_EVEN;
  unsigned long long one = 1ull << single, unit = 1ull << twice;
  fprintf(out,
          "INLINE float %s_float(float x) {\n"
          "  union { float real; uint32_t bits; } near = {x};\n"
          "  near.bits = (near.bits + 0x%llXu",
          name, one / 2 - even);
  if (even) fprintf(out, " + (near.bits >> %d & 1)", single);
  fprintf(out,
          ") & 0x%llXu;\n"
          "  float size = x < 0 ? -x : x;\n"
          "  return !(size < __builtin_inff()) ? x : size < 0x1p-126f ? 0 : near.real;\n"
          "}\n"
          "INLINE double %s_double(double x) {\n"
          "  union { double real; uint64_t bits; } near = {x};\n"
          "  near.bits += 0x%llXull",
          0x100000000ull - one, name, unit / 2 - even);
  if (even) fprintf(out, " + (near.bits >> %d & 1)", twice);
  fprintf(out,
          ";\n"
          "  near.bits &= 0x%llXull;\n"
          "  double size = x < 0 ? -x : x;\n"
          "  if (size >= %a) return x < 0 ? -__builtin_inf() : __builtin_inf();\n"
          "  return x != x ? x : size < 0x1p-126 ? 0 : near.real;\n"
          "}\n",
          -unit, format_limit(format));
}

void emit_rounding(const Code *code, FILE *out) {
  for (int format = 0; format < FORMAT_COUNT; format++)
    if (code_rounds(code, (NumberFormat)format)) emit_format(&format_table[format], out);
  fputc('\n', out);
}

static const char sharing[] =
    "INLINE long min_index(long x, long y) { return x < y ? x : y; }\n"
    "\n"
    "typedef void Kernel(const RlcCall *call, long lo, long hi);\n"
    "INLINE void run_counted(const RlcCall *call, Kernel *kernel, long lo, long hi, uint64_t "
    "weight) {\n"
    "  kernel(call, lo, hi);\n"
    "  if (call->done) call->done[call->thread] += (uint64_t)(hi - lo) * weight;\n"
    "}\n"
    "/* Each thread takes its contiguous share: where that of the one `next` threads on begins. "
    "*/\n"
    "INLINE long share(const RlcCall *call, long items, long next) {\n"
    "  return items * ((long)call->thread + next) / (long)call->threads;\n"
    "}\n"
    "INLINE void run_shared(const RlcCall *call, Kernel *kernel, long items, uint64_t weight) {\n"
    "  run_counted(call, kernel, share(call, items, 0), share(call, items, 1), weight);\n"
    "}\n"
    "/* One chunk of rows, in so many items. */\n"
    "INLINE void run_chunk(const RlcCall *call, Kernel *kernel, long chunk, long items, uint64_t "
    "weight) {\n"
    "  run_counted(call, kernel, chunk * items, (chunk + 1) * items, weight);\n"
    "}\n"
    "/* Too small to share. */\n"
    "INLINE void run_alone(const RlcCall *call, Kernel *kernel, long items, uint64_t weight) {\n"
    "  if (call->thread == 0) run_counted(call, kernel, 0, items, weight);\n"
    "}\n"
    "INLINE void meet(const RlcCall *call) {\n"
    "  if (call->threads > 1) call->barrier(call->team);\n"
    "}\n"
    "\n";

void emit_approximations(FILE *out) {
  for (size_t i = 0; i < APPROXIMATIONS; i++) {
    fprintf(out, "INLINE float %s_float(float x) {\n  float y = x, z = x;\n",
            approximations[i].name);
    char last = 'x';
    for (const Assignment *step = approximations[i].steps; step->text; last = step++->to)
      fprintf(out, "  %c = %s;\n", step->to, step->text);
    fprintf(out, "  return %c;\n}\n", last);
  }
}

void emit_functions(FILE *out) {
  for (size_t i = 0; i < COUNTOF(functions); i++) {
    const char *f = functions[i], *single = approximation_find(f) ? "_float" : "f";
    fprintf(out, "extern MATH double %s(double) __attribute__((const));\n", f);
    if (!approximation_find(f))
      fprintf(out, "extern MATH float %sf(float) __attribute__((const));\n", f);
    fprintf(out, "#define %s(x) _Generic((x), float: %s%s, default: %s)(x)\n", f, f, single, f);
  }
  fputs("extern MATH double pow(double, double) __attribute__((const));\n"
        "extern MATH float powf(float, float) __attribute__((const));\n"
        "#define pow(x, y) _Generic((x), float: powf, default: pow)(x, y)\n",
        out);
  for (int format = FORMAT_float32 + 1; format < FORMAT_COUNT; format++) {
    const char *f = format_table[format].name;
    fprintf(out, "#define %s(x) _Generic((x), float: %s_float, default: %s_double)(x)\n", f, f, f);
  }
  fputc('\n', out);
}

void emit_prologue(const Code *code, FILE *out) {
  fprintf(out, "/* %s: generated by rlc. One function per kernel, one per program. */\n",
          code->module->shell.name ? code->module->shell.name : "module");
  fputs(types, out);
  emit_approximations(out);
  emit_functions(out);
  fputs(emit_randomness, out);
  emit_rounding(code, out);
  fputs(sharing, out);
}
