/* Modules for a GPU: images and the tables that go with them. */
#ifndef RLC_CODEGEN_CUDA_GPU_H
#define RLC_CODEGEN_CUDA_GPU_H

#include "codegen/cuda/cuda.h"

/* An architecture of archs.def, "sm_90", and cards that have it. */
typedef struct GpuArch {
  const char *name, *cards;
} GpuArch;
/* All of them, the oldest first. */
size_t gpu_archs(const GpuArch **archs);

/* A trainer as one C file: code for the options' `arch` and PTX as bytes, and the module's tables.
 * False with a reason in `error`. */
bool gpu_trainer(const Code *code, FILE *out, char *error, size_t size);
/* The same module in this process; what the code was made from must live as long. */
Loaded *load_gpu(const Code *code, char *error, size_t size);

#endif
