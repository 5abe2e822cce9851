/* Finding the CUDA driver and its words for what went wrong: see driver.h. */
#include "runtime/device/driver.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static bool functions_find(Driver *driver, const char **missing) {
  const struct {
    const char *symbol;
    void *at;
  } wanted[] = {
#define FUNCTION(field, symbol, parameters) {#symbol, &driver->field},
#include "runtime/device/driver.def"
#undef FUNCTION
  };
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    void *found = dlsym(driver->library, *missing = wanted[i].symbol);
    if (!found) return false;
    memcpy(wanted[i].at, &found, sizeof found);
  }
  return true;
}

bool driver_open(Driver *driver, RunError *error) {
  const char *chosen = getenv("RLC_CUDA_DRIVER"), *missing = NULL;
  const char *name = chosen && *chosen ? chosen : "libcuda.so.1";
  /* It stays when it is closed: it has threads of its own. */
  *driver = (Driver){.library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)};
  if (!driver->library)
    return run_fail(error,
                    "there is no CUDA driver (%s), which code for a GPU needs: install NVIDIA's, "
                    "or compile with --target native for the CPU",
                    dlerror());
  if (functions_find(driver, &missing)) return true;
  driver_close(driver);
  return run_fail(
      error, "the CUDA driver '%s' is too old: it has no %s; one of CUDA 12 or newer is needed",
      name, missing);
}

void driver_close(Driver *driver) {
  if (driver->library) dlclose(driver->library);
  driver->library = NULL;
}

bool driver_fail(const Driver *driver, RunError *error, const char *doing, int result) {
  const char *name = NULL, *text = NULL;
  if (driver->error_name(result, &name) != 0 || !name) name = "an unknown error";
  if (driver->error_text(result, &text) != 0 || !text) text = "the driver does not say more";
  return run_fail(error, "%s: %s (%s)", doing, text, name);
}
