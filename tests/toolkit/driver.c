/* Stands in for the CUDA driver where there is no card: memory of a card is memory of its own, and
 * a kernel is what tests/toolkit/nvrtc.c made, run on this CPU.
 *
 * It is as late as a card may be: what is put into a stream is done when somebody waits for the
 * stream, so that a runtime that reads too early reads old values. FAKE_CARD says what goes wrong:
 * "none" (no card), "old" (an architecture below all), "small" (16 KiB of memory), "fault:N" (the
 * launch number N), "soon:N" (the same on a card that is not late), "batch" (the first batch that
 * is taken), "code:R:V" (a driver of version V, whose result of loading code is R). A thread that
 * has not entered a context may do nothing, and after a fault every call says so. Who gives back
 * memory that something in a stream still needs is aborted. In the end it writes to the file
 * FAKE_CARD_TALLY how many launches there were, of how many runs, how many copies, and how many
 * pieces of memory nobody gave back. */
#define _GNU_SOURCE /* memfd_create */
#include "runtime/rlc.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
  OUT_OF_MEMORY = 2,
  NO_DEVICE = 100,
  NO_CONTEXT = 201,
  NO_BINARY = 209,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL = 700
};

static bool fails(const char *how) {
  const char *says = getenv("FAKE_CARD");
  return says && strncmp(says, how, strlen(how)) == 0;
}

/* A thread that has not entered a context may do nothing; and after a fault every call says so. */
static __thread void *entered;
static int fault;
static int refused(void) { return fault ? fault : entered ? 0 : NO_CONTEXT; }

/* ---- errors and the card ---- */

int cuInit(unsigned flags) { return (void)flags, 0; }
/* "code:R:V". */
static int code_result(void) { return fails("code:") ? atoi(getenv("FAKE_CARD") + 5) : 0; }
int cuDriverGetVersion(int *version) {
  *version = fails("code:") ? atoi(strrchr(getenv("FAKE_CARD"), ':') + 1) : 13000;
  return 0;
}

int cuGetErrorName(int error, const char **name) {
  *name = error == ILLEGAL ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_OF_THE_TEST";
  return 0;
}
int cuGetErrorString(int error, const char **text) {
  *text = error == ILLEGAL         ? "an illegal memory access was encountered"
          : error == NO_BINARY     ? "no kernel image is available for execution on the device"
          : error == OUT_OF_MEMORY ? "out of memory"
                                   : "something that the test asked for";
  return 0;
}

int cuDeviceGetCount(int *count) {
  *count = !fails("none");
  return fails("none") ? NO_DEVICE : 0;
}
int cuDeviceGet(int *device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char *name, int size, int device) {
  (void)device;
  return snprintf(name, (size_t)size, "a CPU that plays a card"), 0;
}
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  *value = attribute == 16 ? 2 : attribute == 75 ? (fails("old") ? 5 : 9) : attribute == 95;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  return (void)device, *context = (void *)1, 0;
}
int cuCtxSetCurrent(void *context) { return entered = context, 0; }

/* ---- code ---- */

int cuModuleLoadData(void **module, const void *image) {
  if (refused()) return refused();
  if (code_result()) return code_result();
  static const char elf[] = "\177ELF";
  if (memcmp(image, elf, 4) != 0) return NO_BINARY;
  uint64_t sections, size;
  uint16_t count, each;
  memcpy(&sections, (const char *)image + 40, 8); /* they stand at the end of the file */
  memcpy(&each, (const char *)image + 58, 2);
  memcpy(&count, (const char *)image + 60, 2);
  size = sections + (uint64_t)each * count;
  char path[64];
  int file = memfd_create("image", 0);
  if (file < 0 || write(file, image, size) != (ssize_t)size) return NO_BINARY;
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  close(file);
  return *module ? 0 : NO_BINARY;
}
int cuModuleUnload(void *module) { return dlclose(module); }

typedef struct Kernel {
  void (*launch)(void *program, const void *call, unsigned blocks);
  void *program;
} Kernel;

int cuModuleGetFunction(Kernel **kernel, void *module, const char *name) {
  Kernel *made = *kernel = calloc(1, sizeof *made); /* as long as the process lives */
  void *launch = dlsym(module, "shim_launch");
  if (!made || !launch || !(made->program = dlsym(module, name))) return NOT_FOUND;
  memcpy(&made->launch, &launch, sizeof launch);
  return 0;
}
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Kernel *kernel, int threads,
                                                size_t shared) {
  (void)kernel, (void)threads, (void)shared;
  return *blocks = 1, 0;
}

/* ---- streams and what waits in them ---- */

/* A copy, a setting or a launch that waits. The bytes of a copy from the host are taken at once, as
 * the driver does with memory that it does not know; of page-locked memory when the copy is made.
 */
typedef struct Job {
  struct Job *next;
  void *to;
  const void *from;
  size_t bytes;
  const Kernel *kernel; /* NULL: a copy */
  unsigned blocks;
  char kept[];
} Job;
typedef struct Stream {
  Job *first, **last;
  pthread_mutex_t lock; /* held also while jobs are done: the shim is for one at a time */
} Stream;

/* The one that there is; NULL: none. */
static Stream *the_stream;

static bool lies_in(uint64_t at, const char *block) {
  uint64_t from = (uint64_t)(uintptr_t)block;
  return at >= from && at < from + malloc_usable_size((void *)(uintptr_t)block);
}

/* Whether a job needs a block of memory, as far as it says so: what it finds in tables it does not.
 */
static bool job_needs(const Job *job, const char *block) {
  const RlcGpuCall *call = (const void *)job->kept;
  if (!job->kernel)
    return lies_in((uintptr_t)job->to, block) || lies_in((uintptr_t)job->from, block);
  bool needs = lies_in(call->reached, block);
  for (uint32_t i = 0; i < call->count; i++) {
    needs |= lies_in(call->runs[i].memory, block);
    for (uint32_t b = 0; b < RLC_GPU_BATCHES; b++)
      needs |= lies_in(call->runs[i].batches[b], block);
  }
  return needs;
}

/* Frees memory that no job needs. */
static void block_free(void *block) {
  bool needed = false;
  if (!block) return;
  if (the_stream) pthread_mutex_lock(&the_stream->lock);
  for (const Job *job = the_stream ? the_stream->first : NULL; job; job = job->next)
    needed |= job_needs(job, block);
  if (the_stream) pthread_mutex_unlock(&the_stream->lock);
  if (needed) {
    fputs("the card: memory is given back that something in the stream still needs\n", stderr);
    abort();
  }
  free(block);
}

/* ---- memory ---- */

static size_t taken;
static _Atomic int held; /* pieces of memory that nobody gave back, on the card or the host */
enum { SMALL = 1 << 14 };

int cuMemGetInfo_v2(size_t *left, size_t *total) {
  *total = fails("small") ? SMALL : (size_t)1 << 34;
  *left = *total - taken;
  return 0;
}
int cuMemAlloc_v2(uint64_t *place, size_t bytes) {
  if (refused()) return refused();
  if (fails("small") && taken + bytes > SMALL) return OUT_OF_MEMORY;
  char *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (!memory) return OUT_OF_MEMORY;
  memset(memory, 0xff, bytes);
  taken += bytes;
  held++;
  *place = (uint64_t)(uintptr_t)memory;
  return 0;
}
int cuMemFree_v2(uint64_t place) {
  if (refused()) return refused();
  held--;
  return block_free((void *)(uintptr_t)place), 0;
}

/* Page-locked memory. */
enum { LOCKED = 4096 };
static char *locked[LOCKED];
static size_t locked_bytes[LOCKED];
static pthread_mutex_t locking = PTHREAD_MUTEX_INITIALIZER;

/* Sets the entry of the memory that `at` lies in; NULL: a free one. False where there is none. */
static bool locked_find(const void *at, size_t *entry) {
  const char *from = at;
  for (*entry = 0; *entry < LOCKED; ++*entry) {
    const char *memory = locked[*entry];
    if (from ? memory && from >= memory && from < memory + locked_bytes[*entry] : !memory)
      return true;
  }
  return false;
}

int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  size_t entry;
  (void)flags;
  if (refused()) return refused();
  pthread_mutex_lock(&locking);
  bool free_one = locked_find(NULL, &entry);
  *memory = free_one ? malloc(bytes) : NULL;
  if (*memory) locked[entry] = *memory, locked_bytes[entry] = bytes, held++;
  pthread_mutex_unlock(&locking);
  return *memory ? 0 : OUT_OF_MEMORY;
}
int cuMemFreeHost(void *memory) {
  size_t entry;
  pthread_mutex_lock(&locking);
  if (locked_find(memory, &entry)) locked[entry] = NULL, held--;
  pthread_mutex_unlock(&locking);
  return block_free(memory), 0;
}
static bool is_locked(const void *at) {
  size_t entry;
  pthread_mutex_lock(&locking);
  bool found = locked_find(at, &entry);
  pthread_mutex_unlock(&locking);
  return found;
}

/* ---- what is put into a stream ---- */

int cuStreamCreate(Stream **stream, unsigned flags) {
  (void)flags;
  if (refused()) return refused();
  *stream = calloc(1, sizeof **stream);
  (*stream)->last = &(*stream)->first;
  pthread_mutex_init(&(*stream)->lock, NULL);
  the_stream = *stream;
  return 0;
}

static int job_do(Stream *stream);

/* A card that is not late has done it when the call returns, and says nothing yet of a fault. */
static int job_add(Stream *stream, Job *job) {
  if (refused()) return refused();
  pthread_mutex_lock(&stream->lock);
  *stream->last = job;
  stream->last = &job->next;
  while (fails("soon:") && stream->first) job_do(stream);
  pthread_mutex_unlock(&stream->lock);
  return 0;
}

static int kept_add(Stream *stream, uint64_t to, const void *from, int value, size_t bytes) {
  Job *job = calloc(1, sizeof *job + bytes);
  job->to = (void *)(uintptr_t)to;
  job->from = job->kept;
  job->bytes = bytes;
  if (from)
    memcpy(job->kept, from, bytes);
  else
    memset(job->kept, value, bytes);
  return job_add(stream, job);
}
int cuMemsetD8Async(uint64_t place, unsigned char value, size_t bytes, Stream *stream) {
  return kept_add(stream, place, NULL, value, bytes);
}
static int copy_add(Stream *stream, void *to, const void *from, size_t bytes) {
  Job *job = calloc(1, sizeof *job);
  job->to = to;
  job->from = from;
  job->bytes = bytes;
  return job_add(stream, job);
}
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Stream *stream) {
  if (is_locked(from)) return copy_add(stream, (void *)(uintptr_t)to, from, bytes);
  return kept_add(stream, to, from, 0, bytes);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Stream *stream) {
  return copy_add(stream, to, (const void *)(uintptr_t)from, bytes);
}
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream *stream) {
  return copy_add(stream, (void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
}

int cuLaunchCooperativeKernel(const Kernel *kernel, unsigned blocks, unsigned y, unsigned z,
                              unsigned threads, unsigned ty, unsigned tz, unsigned shared,
                              Stream *stream, void **arguments) {
  (void)y, (void)z, (void)threads, (void)ty, (void)tz, (void)shared;
  Job *job = calloc(1, sizeof *job + sizeof(RlcGpuCall));
  memcpy(job->kept, arguments[0], sizeof(RlcGpuCall));
  job->kernel = kernel;
  job->blocks = blocks;
  return job_add(stream, job);
}

static unsigned launches, runs, copies;

static bool launch_fails(const RlcGpuCall *call) {
  const char *says = getenv("FAKE_CARD");
  launches++;
  runs += call->count;
  if (fails("batch") && call->runs[0].batches[0]) {
    *(uint32_t *)(uintptr_t)call->reached = RLC_REACHED_BATCH;
    return true;
  }
  return (fails("fault:") || fails("soon:")) && launches > (unsigned)atoi(strchr(says, ':') + 1);
}

static void tally_write(void) {
  const char *path = getenv("FAKE_CARD_TALLY");
  FILE *out = path ? fopen(path, "w") : NULL;
  if (!out) return;
  fprintf(out, "%u %u %u %d\n", launches, runs, copies, held);
  fclose(out);
}

/* A program finds nothing of use where it keeps what outlives no program: each begins with scratch
 * of values that are no numbers. */
static void scratch_spoil(const RlcGpuCall *call) {
  for (uint32_t i = 0; i < call->count; i++) {
    char *memory = (char *)(uintptr_t)call->runs[i].memory;
    memset(memory + call->work, 0xff, call->met - call->work);
  }
}

static void launch_do(const Job *job) {
  scratch_spoil((const void *)job->kept);
  job->kernel->launch(job->kernel->program, job->kept, job->blocks);
}

/* Does the first job of a stream. */
static int job_do(Stream *stream) {
  Job *job = stream->first;
  if (!job) return fault;
  if (!(stream->first = job->next)) stream->last = &stream->first;
  if (job->kernel && launch_fails((const void *)job->kept)) fault = ILLEGAL;
  if (fault == 0 && job->kernel)
    launch_do(job);
  else if (fault == 0)
    memmove(job->to, job->from, job->bytes), copies++;
  free(job);
  return fault;
}

/* Whoever asks again and again sees one job done each time. */
int cuStreamQuery(Stream *stream) {
  pthread_mutex_lock(&stream->lock);
  int result = job_do(stream);
  if (result == 0 && stream->first) result = NOT_READY;
  pthread_mutex_unlock(&stream->lock);
  return result;
}
int cuStreamSynchronize(Stream *stream) {
  pthread_mutex_lock(&stream->lock);
  int result = job_do(stream);
  while (stream->first) result = job_do(stream);
  pthread_mutex_unlock(&stream->lock);
  return result;
}
int cuStreamDestroy_v2(Stream *stream) {
  cuStreamSynchronize(stream);
  the_stream = NULL;
  free(stream);
  return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, tally_write(), 0; }
