/* The CUDA driver, found at run time: nothing of CUDA is needed to build a trainer or rlc. */
#ifndef RLC_RUNTIME_DEVICE_DRIVER_H
#define RLC_RUNTIME_DEVICE_DRIVER_H

#include "runtime/trainer.h"

typedef struct DriverContext DriverContext;
typedef struct DriverModule DriverModule;
typedef struct DriverKernel DriverKernel;
typedef struct DriverStream DriverStream;
typedef uint64_t DevicePlace; /* an address on the card */

/* Numbers of the driver API: results, facts about a card, flags. */
enum {
  DRIVER_OUT_OF_MEMORY = 2,
  DRIVER_NO_DEVICE = 100,
  DRIVER_BAD_IMAGE = 200, /* this and the next ones: code that it cannot take */
  DRIVER_NO_BINARY = 209,
  DRIVER_BAD_TEXT = 218,
  DRIVER_NO_COMPILER = 221, /* of PTX */
  DRIVER_NEWER_TEXT = 222,  /* PTX of a toolkit that the driver is too old for */
  DRIVER_NO_COMPILING = 223,
  DRIVER_BAD_SOURCE = 300,
  DRIVER_NOT_READY = 600,
  DRIVER_BAD_ADDRESS = 700, /* from here to DRIVER_FAULTS_END: what a kernel did */
  DRIVER_TOOK_TOO_LONG = 702,
  DRIVER_ASSERTED = 710,
  DRIVER_FAULTS = 714, /* a stack, an instruction, an address .. */
  DRIVER_FAULTS_END = 720,
  FACT_MULTIPROCESSORS = 16,
  FACT_MAJOR = 75,
  FACT_MINOR = 76,
  FACT_COOPERATIVE = 95,
  HOST_PORTABLE = 1,
  HOST_MAPPED = 2,
  STREAM_APART = 1 /* waits for no other stream */
};

typedef struct Driver {
  void *library;
#define FUNCTION(field, symbol, parameters) int(*field) parameters;
#include "runtime/device/driver.def"
#undef FUNCTION
} Driver;

/* Loads the library: what RLC_CUDA_DRIVER names, else the system's. False, with what to do, where
 * there is none or it lacks functions. */
bool driver_open(Driver *driver, RunError *error);
void driver_close(Driver *driver);
/* Fills `error` with "DOING: what the driver says of RESULT"; returns false. */
bool driver_fail(const Driver *driver, RunError *error, const char *doing, int result);

#endif
