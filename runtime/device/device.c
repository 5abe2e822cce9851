/* Finding a card, choosing the image for it, launching: see device.h. */
#include "runtime/device/internal.h"
#include "runtime/rows.h"

#include <stdlib.h>
#include <string.h>

/* CUDA's versions are numbers, 13010 for 13.1. */
#define VERSION_WORDS(number) (number) / 1000, (number) % 1000 / 10

/* ---- finding ---- */

static int fact(const Device *device, int attribute) {
  int value = 0;
  return device->driver.device_fact(&value, attribute, device->number) == 0 ? value : 0;
}

/* The number in "sm_90"; 0 for other names. */
static int arch_number(const char *arch) {
  return strncmp(arch, "sm_", 3) == 0 ? atoi(arch + 3) : 0;
}

static const char *const archs[] = {
#define ARCH(name, cards) name,
#include "runtime/device/archs.def"
#undef ARCH
};

int device_arch_for(int arch) {
  int best = 0;
  for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
    int one = arch_number(archs[i]);
    if (one <= arch && one > best) best = one;
  }
  return best;
}

int device_arch_oldest(void) { return arch_number(archs[0]); }

static const RlcImage *image_named(const RlcGpu *gpu, const char *arch) {
  for (uint32_t i = 0; i < gpu->image_count; i++)
    if (strcmp(gpu->images[i].arch, arch) == 0) return &gpu->images[i];
  return NULL;
}

/* The best machine code for the card: of its generation, and not for a later one of it. Else text,
 * which the driver compiles. */
static const RlcImage *image_for(const Device *device) {
  const RlcGpu *gpu = device->module->gpu;
  const RlcImage *best = NULL;
  for (uint32_t i = 0; i < gpu->image_count; i++) {
    int arch = arch_number(gpu->images[i].arch);
    if (!arch || arch / 10 != device->arch / 10 || arch > device->arch) continue;
    if (!best || arch > arch_number(best->arch)) best = &gpu->images[i];
  }
  return best ? best : image_named(gpu, "ptx");
}

static void images_list(const RlcGpu *gpu, char *text, size_t size) {
  size_t used = 0;
  text[0] = 0;
  for (uint32_t i = 0; i < gpu->image_count && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", gpu->images[i].arch);
}

static bool is_refusal(int result) {
  switch (result) {
  case DRIVER_BAD_IMAGE:
  case DRIVER_NO_BINARY:
  case DRIVER_BAD_TEXT:
  case DRIVER_NO_COMPILER:
  case DRIVER_NEWER_TEXT:
  case DRIVER_NO_COMPILING:
  case DRIVER_BAD_SOURCE:
    return true;
  default:
    return false;
  }
}

/* Is all code for later cards than this one? */
static bool code_is_later(const Device *device) {
  const RlcGpu *gpu = device->module->gpu;
  for (uint32_t i = 0; i < gpu->image_count; i++) {
    int arch = arch_number(gpu->images[i].arch);
    if (arch && arch <= device->arch) return false;
  }
  return true;
}

/* What to do about code that the driver does not take. What it says of an old driver, an old card
 * or no compiler of its own differs from one driver to the next, so what is known here counts. */
static void refusal_advice(const Device *device, int result, char *text, size_t size) {
  uint32_t toolkit = device->module->gpu->toolkit;
  bool older = device->version < toolkit;
  size_t used = 0;
  text[0] = 0;
  if (!is_refusal(result)) return;
  if (older)
    used = (size_t)snprintf(text, size,
                            "; the driver is older than that: install one of CUDA %u.%u or newer, "
                            "or compile the trainer by NVRTC of CUDA %u.%u or older (CUDA_PATH)",
                            VERSION_WORDS(toolkit), VERSION_WORDS(device->version));
  int wanted = device_arch_for(device->arch);
  char name[16];
  snprintf(name, sizeof name, "sm_%d", wanted);
  bool there = image_named(device->module->gpu, name) != NULL;
  if (used < size && wanted && there && !older)
    snprintf(
        text + used, size - used,
        "; this code was made for the card, so that the trainer must be damaged, or the driver "
        "no real one");
  else if (used < size && wanted && !there && (!older || code_is_later(device)))
    snprintf(text + used, size - used, "; compile it with --march %s", name);
  else if (used < size && !wanted)
    snprintf(text + used, size - used,
             "; the card is older than sm_%d, the oldest that rlc makes code for",
             device_arch_oldest());
}

static bool load_fail(const Device *device, const char *doing, int result, RunError *error) {
  const RlcGpu *gpu = device->module->gpu;
  RunError said = {0};
  char have[256], advice[256];
  images_list(gpu, have, sizeof have);
  refusal_advice(device, result, advice, sizeof advice);
  driver_fail(&device->driver, &said, doing, result);
  return run_fail(error, "%s cannot run this trainer, which has code for %s by NVRTC %u.%u: %s%s",
                  device->words, have, VERSION_WORDS(gpu->toolkit), said.text, advice);
}

static bool image_load(Device *device, RunError *error) {
  const RlcImage *image = image_for(device);
  int result = image ? device->driver.module_load(&device->image, image->bytes) : DRIVER_NO_BINARY;
  if (result != 0) return load_fail(device, "it does not load", result, error);
  snprintf(device->code, sizeof device->code, "%s by NVRTC %u.%u", image->arch,
           VERSION_WORDS(device->module->gpu->toolkit));
  return true;
}

/* The first card, and nothing of it taken. */
static bool card_choose(Device *device, RunError *error) {
  const Driver *driver = &device->driver;
  int count = 0, result = driver->init(0);
  if (result == 0) result = driver->device_count(&count);
  if (result == DRIVER_NO_DEVICE || (result == 0 && count == 0))
    return run_fail(error, "there is no GPU: the CUDA driver is here, but finds no card (look at "
                           "nvidia-smi and CUDA_VISIBLE_DEVICES)");
  if (result == 0) result = driver->device_get(&device->number, 0);
  return result == 0 || driver_fail(driver, error, "the GPU cannot be used", result);
}

static bool card_take(Device *device, RunError *error) {
  const Driver *driver = &device->driver;
  int result = driver->context_take(&device->context, device->number);
  if (result != 0) return driver_fail(driver, error, "the GPU cannot be used", result);
  device->entered = true;
  result = driver->context_enter(device->context);
  return result == 0 || driver_fail(driver, error, "the GPU cannot be used", result);
}

static void card_name(Device *device) {
  char card[128] = "a GPU";
  int version = 0;
  device->driver.device_name(card, sizeof card, device->number);
  device->driver.version(&version);
  device->version = (uint32_t)version;
  device->arch = 10 * fact(device, FACT_MAJOR) + fact(device, FACT_MINOR);
  snprintf(device->name, sizeof device->name, "%s", card);
  snprintf(device->words, sizeof device->words, "%s, sm_%d, CUDA driver %u.%u", card, device->arch,
           VERSION_WORDS(device->version));
}

/* ---- programs ---- */

/* All blocks of a program must be on the card at once: they wait for each other. */
static bool kernel_find(Device *device, Kernel *kernel, const char *name, RunError *error) {
  const RlcGpu *gpu = device->module->gpu;
  const Driver *driver = &device->driver;
  int blocks = 0, result = driver->kernel_find(&kernel->driver, device->image, name);
  if (result == 0)
    result = driver->kernel_blocks(&blocks, kernel->driver, (int)gpu->threads, gpu->shared_bytes);
  if (result != 0) return load_fail(device, name, result, error); /* drivers load code late */
  kernel->blocks = (uint32_t)(blocks * fact(device, FACT_MULTIPROCESSORS));
  return kernel->blocks > 0 ||
         run_fail(error, "%s has no room for a block of %s", device->name, name);
}

static bool programs_find(Device *device, RunError *error) {
  uint32_t count = device->module->program_count;
  if (!fact(device, FACT_COOPERATIVE))
    return run_fail(error, "%s has no cooperative kernels, which this trainer needs", device->name);
  device->kernels = run_take(count, sizeof *device->kernels, error);
  for (uint32_t i = 0; device->kernels && i < count; i++)
    if (!kernel_find(device, &device->kernels[i], device->module->gpu->launches[i].kernel, error))
      return false;
  if (!device->kernels) return false;
  if (device->module->source_count && (!kernel_find(device, &device->gather, RLC_GATHER, error) ||
                                       !kernel_find(device, &device->scatter, RLC_SCATTER, error)))
    return false;
  int result = device->driver.stream_make(&device->stream, STREAM_APART);
  return result == 0 || driver_fail(&device->driver, error, "no stream on the GPU", result);
}

static uint64_t work_most(const RlcModule *module) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < module->program_count; i++)
    if (module->programs[i].work_bytes > most) most = module->programs[i].work_bytes;
  return most;
}

static bool device_fill(Device *device, RunError *error) {
  if (!driver_open(&device->driver, error) || !card_choose(device, error)) return false;
  card_name(device);
  if (!card_take(device, error)) return false;
  device->work = (device->module->memory_bytes + SLOT_LINE - 1) / SLOT_LINE * SLOT_LINE;
  device->met = device->work + work_most(device->module);
  if (!image_load(device, error) || !programs_find(device, error)) return false;
  device->reached = device_host_take(device, sizeof *device->reached, error);
  return device->reached != NULL;
}

Device *device_open(const RlcModule *module, RunError *error) {
  Device *device = run_take(1, sizeof *device, error);
  if (!device) return NULL;
  device->module = module;
  pthread_mutex_init(&device->lock, NULL);
  if (device_fill(device, error)) return device;
  device_close(device);
  return NULL;
}

void device_close(Device *device) {
  if (!device) return;
  const Driver *driver = &device->driver;
  device_host_free(device, (void *)device->reached);
  if (device->stream) driver->stream_free(device->stream);
  if (device->image) driver->module_free(device->image);
  if (device->entered) {
    driver->context_enter(NULL);
    driver->context_free(device->number);
  }
  driver_close(&device->driver);
  pthread_mutex_destroy(&device->lock);
  free(device->kernels);
  free(device);
}

int device_arch(RunError *error) {
  RunError unheard;
  Device device = {0};
  if (!error) error = &unheard;
  if (driver_open(&device.driver, error) && card_choose(&device, error)) card_name(&device);
  driver_close(&device.driver);
  return device.arch;
}

const char *device_name(const Device *device) { return device->words; }
const char *device_code(const Device *device) { return device->code; }

/* ---- what goes wrong later ---- */

/* Where the card was when it failed: the first block tells, others may be a little further. */
static void doing_words(const Device *device, char *text, size_t size) {
  const RlcModule *module = device->module;
  uint32_t reached = *device->reached, program = reached >> RLC_REACHED_BITS;
  if (reached == RLC_REACHED_BATCH) {
    snprintf(text, size, "%s failed taking a batch from a replay", device->name);
    return;
  }
  if (reached == RLC_REACHED_WRITE) {
    snprintf(text, size, "%s failed writing to a replay", device->name);
    return;
  }
  uint32_t part = reached & ((1u << RLC_REACHED_BITS) - 1);
  const RlcLaunch *launch =
      program < module->program_count ? &module->gpu->launches[program] : NULL;
  if (launch && part < launch->part_count)
    snprintf(text, size, "%s failed in program '%s', at or near kernel %s", device->name,
             module->programs[program].name, launch->parts[part]);
  else
    snprintf(text, size, "%s failed", device->name);
}

/* What a kernel did, whichever call of the driver is the first to say so. */
static bool is_fault(int result) {
  return result == DRIVER_BAD_ADDRESS || result == DRIVER_TOOK_TOO_LONG ||
         result == DRIVER_ASSERTED || (result >= DRIVER_FAULTS && result < DRIVER_FAULTS_END);
}

bool device_check(Device *device, const char *doing, int result) {
  char words[512];
  if (result == 0) return true;
  if (is_fault(result)) {
    doing_words(device, words, sizeof words);
    doing = words;
  }
  pthread_mutex_lock(&device->lock);
  if (!device->failed.text[0]) driver_fail(&device->driver, &device->failed, doing, result);
  pthread_mutex_unlock(&device->lock);
  return false;
}

bool device_enter(Device *device) {
  return device_check(device, "the GPU", device->driver.context_enter(device->context));
}

bool device_good(Device *device, RunError *error) {
  if (!device) return true;
  pthread_mutex_lock(&device->lock);
  bool good = !device->failed.text[0];
  if (!good && error) *error = device->failed;
  pthread_mutex_unlock(&device->lock);
  return good;
}

void device_drain(Device *device) {
  const Driver *driver = &device->driver;
  if (device->stream && driver->context_enter(device->context) == 0)
    driver->stream_wait(device->stream);
}

void *device_host_take(Device *device, size_t bytes, RunError *error) {
  const Driver *driver = &device->driver;
  void *memory = NULL;
  int result = driver->context_enter(device->context);
  if (result == 0)
    result = driver->host_take(&memory, bytes ? bytes : 1, HOST_PORTABLE | HOST_MAPPED);
  if (result == 0) return memset(memory, 0, bytes);
  if (result == DRIVER_OUT_OF_MEMORY)
    run_fail_memory(error, "out of memory: %zu bytes that the GPU can reach are not there", bytes);
  else
    driver_fail(driver, error, "no memory that the GPU can reach", result);
  return NULL;
}

void device_host_free(Device *device, void *memory) {
  if (!memory) return;
  device_drain(device);
  if (device->driver.context_enter(device->context) == 0) device->driver.host_free(memory);
}
