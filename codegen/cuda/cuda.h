/* CUDA C from a module, and NVRTC. */
#ifndef RLC_CODEGEN_CUDA_CUDA_H
#define RLC_CODEGEN_CUDA_CUDA_H

#include "codegen/codegen.h"

/* Names of the kernels that are whole programs: this and the program's number. */
#define CUDA_PROGRAM "rlc_program_"

/* One translation unit for NVRTC: kernels and programs, no tables of the module. */
void emit_cuda(const Code *code, FILE *out);
/* The same text behind a shim that runs it on the CPU, with the module's tables: a C file for
 * load_c. */
void emit_cuda_on_cpu(const Code *code, FILE *out);

#endif
