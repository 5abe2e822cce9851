/* From a finished graph to code: kernels, layouts, loop IR, memory plan, emitters and loaders. */
#ifndef RLC_CODEGEN_CODEGEN_H
#define RLC_CODEGEN_CODEGEN_H

#include "codegen/cpu.h"
#include "ir/ir.h"

typedef struct CodegenOptions {
  RlcType real; /* RLC_F32, or RLC_F64 for gradcheck and agreement in double */
  uint32_t
      lanes; /* elements of `real` in one vector register of the target (16 for AVX-512 float32) */
  uint32_t cache;       /* bytes of the cache near a core that rows shall fit in; 0: 1 MB */
  const char *target;   /* "c", "native", "cuda" */
  const char *compiler; /* provenance text */
  const Cpu *cpu;       /* what CPU it is made for; NULL: this machine's level of these vectors */
  const char *arch;     /* for "cuda": the GPU's, of archs.def (runtime/device) */
  bool marked;          /* programs call the RlcMarks that their context begins with (rlc.h) */
  uint32_t threads;     /* that may make native code; 0: one. The code is the same for any number */
} CodegenOptions;

/* A module made ready for emitting: kernels in order per program, loop IR, offsets. */
typedef struct Code Code;

/* Is code for this target run by a GPU? */
bool target_is_device(const char *target);

/* Schedules, lowers and plans every program; fills module->shell: slots with layout and offsets,
 * memory_bytes, programs' work_bytes and flops (run pointers stay NULL). */
Code *code_make(Arena *arena, Module *module, const CodegenOptions *options);
const CodegenOptions *code_options(const Code *code);
/* What CPU it is made for. */
const CpuLevel *code_cpu(const Code *code);

/* What is in it, for `rlc emit --stage kernels|loops` and `rlc explain`. */
void code_print_kernels(const Code *code, FILE *out);
void code_print_loops(const Code *code, FILE *out);

typedef struct KernelInfo {          /* one kernel, for `rlc explain` */
  const char *program, *name, *what; /* "contract", "map", "reduce", "order", ... */
  double flops;                      /* of one run */
  double bytes;                      /* read and written, each tensor once */
} KernelInfo;
size_t code_kernels(const Code *code, Arena *arena, KernelInfo **kernels);

/* One self-contained C11 file (GNU vector extensions): kernels, programs, tables and `const
 * RlcModule rlc_module`. It includes only "runtime/rlc.h" and standard headers. */
void emit_c(const Code *code, FILE *out);

/* The tables that make up an RlcModule as C, as emit_c does at the end: all that a trainer is
 * besides its programs, or where they run on a GPU besides `gpu`. */
void module_print(const RlcModule *module, FILE *out);

/* A C string literal, in pieces of a line; "" for NULL. */
void emit_string(const char *text, FILE *out);

/* Code in this process. */
typedef struct Loaded Loaded;
const RlcModule *load_module(const Loaded *loaded);
void load_close(Loaded *loaded);

/* Compiles the text with the C compiler (CC or gcc, else clang) as a shared object in a private
 * temporary folder and loads it; the module lives until load_close. NULL with a reason in error.
 * `include` is the folder that holds runtime/rlc.h. */
Loaded *load_c(const Code *code, const char *include, char *error, size_t size);

/* The same through LLVM, in memory: no file, no C compiler. */
Loaded *load_native(const Code *code, char *error, size_t size);
/* The objects that load_native would load, as an archive without an index, for a linker that takes
 * all of it: it defines `rlc_module`. */
bool native_archive(const Code *code, FILE *out, char *error, size_t size);
/* Version and CPU, for provenance. */
const char *native_compiler(Arena *arena);
/* Its LLVM IR as text, before LLVM has touched it. */
void native_print(const Code *code, FILE *out);

/* Splits CC ("ccache gcc -m64") at blanks, in place. Returns the number of words; 0 when there are
 * none or more than `limit`. */
size_t compiler_words(char *command, const char **words, size_t limit);

#endif
