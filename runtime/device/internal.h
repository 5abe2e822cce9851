/* What device.c and mirror.c share. */
#ifndef RLC_RUNTIME_DEVICE_INTERNAL_H
#define RLC_RUNTIME_DEVICE_INTERNAL_H

#include "runtime/device/device.h"
#include "runtime/device/driver.h"

#include <pthread.h>

typedef struct Kernel {
  DriverKernel *driver;
  uint32_t blocks; /* that are on the card at once */
} Kernel;

struct Device {
  Driver driver;
  const RlcModule *module;
  int number, arch; /* 90: sm_90 */
  bool entered;     /* the context is to be given back */
  uint32_t version; /* of CUDA, the driver's */
  char name[160], words[224], code[64];
  DriverContext *context;
  DriverModule *image;
  DriverStream *stream;
  Kernel *kernels;            /* [program_count] */
  Kernel gather, scatter;     /* RLC_GATHER, RLC_SCATTER, where the module has replays */
  uint64_t work, met;         /* RlcGpuCall's */
  volatile uint32_t *reached; /* RlcGpuCall.reached */
  pthread_mutex_t lock;       /* of what follows */
  RunError failed;            /* the first failure, or empty */
};

/* For gather.c, of the mirror's card and in its stream: zeroed memory, and what is put there. */
bool mirror_take(Mirror *mirror, DevicePlace *place, uint64_t bytes, RunError *error);
void mirror_give_back(Mirror *mirror, DevicePlace place);
void mirror_put(Mirror *mirror, DevicePlace to, const void *from, uint64_t bytes);
Device *mirror_device(const Mirror *mirror);
/* The RlcGather there, which fills these slots, comes before whatever needs them next. */
void mirror_batch(Mirror *mirror, DevicePlace gather, const uint32_t *slots, uint32_t count);
/* Batches that nothing has needed yet are taken now. */
void mirror_take_batches(Mirror *mirror);
/* Memory that the card can reach, until the next wait; `bytes` are MIRROR_DESK at most. NULL when
 * the device has failed. */
enum { MIRROR_DESK = 1 << 18 };
char *mirror_desk(Mirror *mirror, uint64_t bytes);
/* Writes to the pool of a replay, behind all that was begun; `scatter` and what it names lie in
 * memory of mirror_desk. */
void mirror_scatter(Mirror *mirror, const RlcScatter *scatter);
/* Waits until the card has set `full` to zero, which something that was launched will do. */
void mirror_until_read(Mirror *mirror, volatile uint32_t *full);

/* Tells the driver that this thread uses the device, which it wants to know of every one. */
bool device_enter(Device *device);
/* Waits until nothing that was begun is under way, whoever began it and however it ends: comes
 * before memory that the card can reach is given back. */
void device_drain(Device *device);
/* Notes a failure of something that the driver was asked for; true when there was none. A kernel's
 * fault is told with where it was, whatever was being done when it showed. */
bool device_check(Device *device, const char *doing, int result);

#endif
