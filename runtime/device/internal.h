/* What device.c and mirror.c share. */
#ifndef RLC_RUNTIME_DEVICE_INTERNAL_H
#define RLC_RUNTIME_DEVICE_INTERNAL_H

#include "runtime/device/device.h"
#include "runtime/device/driver.h"

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
  Kernel *kernels; /* [program_count] */
  RunError failed; /* the first failure, or empty */
};

/* Notes a failure of something that the driver was asked for; true when there was none. */
bool device_check(Device *device, const char *doing, int result);

#endif
