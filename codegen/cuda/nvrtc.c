/* NVRTC, found at run time: neither its header nor its library is needed to build rlc, nor a GPU to
 * compile. What it says about the source is an error of ours; where it is missing, that is said. */
#include "codegen/cuda/cuda.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct NvrtcProgram NvrtcProgram;

/* The functions used, as the CUDA Toolkit documents them; 0 is success. */
typedef struct Nvrtc {
  void *library;
  int (*create)(NvrtcProgram **program, const char *source, const char *name, int headers,
                const char *const *texts, const char *const *names);
  int (*compile)(NvrtcProgram *program, int count, const char *const *options);
  int (*destroy)(NvrtcProgram **program);
  int (*log_size)(NvrtcProgram *program, size_t *size);
  int (*log)(NvrtcProgram *program, char *text);
  int (*cubin_size)(NvrtcProgram *program, size_t *size);
  int (*cubin)(NvrtcProgram *program, char *bytes);
  int (*ptx_size)(NvrtcProgram *program, size_t *size);
  int (*ptx)(NvrtcProgram *program, char *text);
  int (*version)(int *major, int *minor);
} Nvrtc;

/* It stays when it is closed: what it keeps for itself would be lost. */
#define HOW (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

/* The loader's, the usual place's. */
static void *library_find(void) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so",
                                      "/usr/local/cuda/lib64/libnvrtc.so"};
  void *library = NULL;
  for (size_t i = 0; i < COUNTOF(names) && !library; i++) library = dlopen(names[i], HOW);
  return library;
}

/* That of a toolkit's folder, or of a Python wheel's, which has no lib64 and no name without a
 * version. NULL with a reason: who names a toolkit wants no other. */
static void *library_of(const char *home, char *error, size_t size) {
  static const char *const names[] = {"lib64/libnvrtc.so",    "lib64/libnvrtc.so.13",
                                      "lib64/libnvrtc.so.12", "lib/libnvrtc.so",
                                      "lib/libnvrtc.so.13",   "lib/libnvrtc.so.12"};
  char path[4096];
  for (size_t i = 0; i < COUNTOF(names); i++) {
    if (snprintf(path, sizeof path, "%s/%s", home, names[i]) >= (int)sizeof path)
      return snprintf(error, size, "CUDA_PATH is too long"), NULL;
    void *library = dlopen(path, HOW);
    if (library) return library;
    if (access(path, F_OK) == 0)
      return snprintf(error, size, "NVRTC cannot be loaded from where CUDA_PATH says: %s",
                      dlerror()),
             NULL;
  }
  snprintf(error, size,
           "there is no NVRTC where CUDA_PATH says (libnvrtc.so in %s/lib64 or %s/lib): set it to "
           "the folder of a CUDA Toolkit 12 or 13, or unset it to take the one that is installed",
           home, home);
  return NULL;
}

static bool functions_find(Nvrtc *n) {
  struct {
    const char *name;
    void *at;
  } wanted[] = {{"nvrtcCreateProgram", &n->create},
                {"nvrtcCompileProgram", &n->compile},
                {"nvrtcDestroyProgram", &n->destroy},
                {"nvrtcGetProgramLogSize", &n->log_size},
                {"nvrtcGetProgramLog", &n->log},
                {"nvrtcGetCUBINSize", &n->cubin_size},
                {"nvrtcGetCUBIN", &n->cubin},
                {"nvrtcGetPTXSize", &n->ptx_size},
                {"nvrtcGetPTX", &n->ptx},
                {"nvrtcVersion", &n->version}};
  for (size_t i = 0; i < COUNTOF(wanted); i++) {
    void *symbol = dlsym(n->library, wanted[i].name);
    if (!symbol) return false;
    memcpy(wanted[i].at, &symbol, sizeof symbol);
  }
  return true;
}

static bool nvrtc_open(Nvrtc *n, char *error, size_t size) {
  const char *home = getenv("CUDA_PATH");
  bool chosen = home && *home;
  n->library = chosen ? library_of(home, error, size) : library_find();
  if (chosen && !n->library) return false;
  if (n->library && functions_find(n)) return true;
  snprintf(error, size,
           "NVRTC, which compiles CUDA C, is not here: install the CUDA Toolkit 12 or 13, or set "
           "CUDA_PATH to where it lies (%s)",
           n->library ? "the library lacks functions" : "there is no libnvrtc.so");
  if (n->library) dlclose(n->library);
  return false;
}

static uint32_t version_of(const Nvrtc *n) {
  int major = 0, minor = 0;
  return n->version(&major, &minor) == 0 ? (uint32_t)(1000 * major + 10 * minor) : 0;
}

uint32_t nvrtc_version(char *error, size_t size) {
  Nvrtc n;
  if (!nvrtc_open(&n, error, size)) return 0;
  uint32_t version = version_of(&n);
  if (!version) snprintf(error, size, "NVRTC does not tell its version");
  dlclose(n.library);
  return version;
}

static char *text_of(const Code *code, size_t *length) {
  char *text = NULL;
  FILE *out = open_memstream(&text, length);
  if (!out) return NULL;
  emit_cuda(code, out);
  if (fclose(out) != 0) return free(text), NULL;
  return text;
}

static void log_read(const Nvrtc *n, NvrtcProgram *program, char *error, size_t size) {
  size_t length = 0;
  char *log = NULL;
  if (n->log_size(program, &length) == 0 && length) log = malloc(length);
  bool good = log && n->log(program, log) == 0;
  snprintf(error, size, "NVRTC failed on generated code: %s", good ? log : "it does not say why");
  free(log);
}

static char *part_read(NvrtcProgram *program, int (*measure)(NvrtcProgram *, size_t *),
                       int (*read)(NvrtcProgram *, char *), size_t *length) {
  char *bytes = measure(program, length) == 0 ? malloc(*length + 1) : NULL;
  if (bytes && read(program, bytes) == 0) return bytes;
  free(bytes);
  return NULL;
}

/* Compiles for one architecture and takes out what there is for it. */
static bool compile(const Nvrtc *n, const char *text, const char *arch, CudaImage *image,
                    char *error, size_t size) {
  char option[64];
  snprintf(option, sizeof option, "--gpu-architecture=%s", arch);
  /* Without it each program has its own copy of each body, and the assembler takes four times as
   * long for no better loops. Older ones do not know it. */
  image->toolkit = version_of(n);
  bool knows = image->toolkit >= 13000;
  const char *const options[] = {option, "-w", "--ptxas-options=-Ofc=min"};
  NvrtcProgram *program = NULL;
  if (n->create(&program, text, "rlc.cu", 0, NULL, NULL) != 0)
    return snprintf(error, size, "NVRTC takes no program"), false;
  bool good = n->compile(program, COUNTOF(options) - !knows, options) == 0;
  if (!good) log_read(n, program, error, size);
  if (good) {
    image->cubin = part_read(program, n->cubin_size, n->cubin, &image->cubin_bytes);
    image->ptx = part_read(program, n->ptx_size, n->ptx, &image->ptx_bytes);
    good = image->cubin && image->ptx;
    if (!good) snprintf(error, size, "NVRTC gives no code for %s", arch);
  }
  n->destroy(&program);
  return good;
}

bool nvrtc_compile_text(const char *text, const char *arch, CudaImage *image, char *error,
                        size_t size) {
  Nvrtc n;
  *image = (CudaImage){0};
  if (!nvrtc_open(&n, error, size)) return false;
  bool good = compile(&n, text, arch, image, error, size);
  if (!good) cuda_image_free(image);
  dlclose(n.library);
  return good;
}

bool nvrtc_compile(const Code *code, const char *arch, CudaImage *image, char *error, size_t size) {
  size_t length = 0;
  char *text = text_of(code, &length);
  if (!text) return snprintf(error, size, "out of memory"), false;
  bool good = nvrtc_compile_text(text, arch, image, error, size);
  free(text);
  return good;
}

void cuda_image_free(CudaImage *image) {
  free(image->cubin);
  free(image->ptx);
  *image = (CudaImage){0};
}
