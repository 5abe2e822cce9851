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

/* What NVRTC makes: machine code of one architecture, and PTX that later ones take. */
typedef struct CudaImage {
  char *cubin, *ptx;
  size_t cubin_bytes, ptx_bytes;
  uint32_t toolkit; /* CUDA's version of NVRTC, 13000 for 13.0 */
} CudaImage;

/* CUDA's version of the NVRTC that is here, 13000 for 13.0; 0 where none can be loaded, with the
 * reason in `error`. */
uint32_t nvrtc_version(char *error, size_t size);
/* Compiles the module for an architecture, "sm_90"; no GPU is needed. False with a reason in
 * `error`; else cuda_image_free lets the image go. */
bool nvrtc_compile(const Code *code, const char *arch, CudaImage *image, char *error, size_t size);
/* The same from text that emit_cuda printed. */
bool nvrtc_compile_text(const char *text, const char *arch, CudaImage *image, char *error,
                        size_t size);
void cuda_image_free(CudaImage *image);

#endif
