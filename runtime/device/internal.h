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
  char name[160], words[224];
  DriverContext *context;
  DriverModule *image;
  DriverStream *stream;
  Kernel *kernels;            /* [program_count] */
  Kernel gather;              /* RLC_GATHER, where the module has replays */
  volatile uint32_t *reached; /* RlcGpuCall.reached */
  pthread_mutex_t lock;       /* of what follows */
  RunError failed;            /* the first failure, or empty */
};

/* For gather.c, of the mirror's card and in its stream: zeroed memory, and what is put there. */
bool mirror_take(Mirror *mirror, DevicePlace *place, uint64_t bytes, RunError *error);
void mirror_give_back(Mirror *mirror, DevicePlace place);
void mirror_put(Mirror *mirror, DevicePlace to, const void *from, uint64_t bytes);
const RlcSlot *mirror_slots(const Mirror *mirror);
/* Runs RLC_GATHER with the tables there, which fills these slots. */
void mirror_gather(Mirror *mirror, DevicePlace tables, const uint32_t *slots, uint32_t count);

/* Notes a failure of something that the driver was asked for; true when there was none. */
bool device_check(Device *device, const char *doing, int result);

#endif
