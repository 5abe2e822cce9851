/* Is this the CPU that the code was compiled for? Asked of /proc/cpuinfo, whose names the module
 * uses. */
#include "runtime/training.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { CPUINFO_BYTES = 16384 }; /* the first processor's entry is far shorter */

/* The line of features of the first processor, or NULL. */
static char *cpu_features(char *text) {
  char *line = strstr(text, "\nflags");
  if (!line) line = strstr(text, "\nFeatures");
  if (!line || !(line = strchr(line, ':'))) return NULL;
  char *end = strchr(line, '\n');
  if (end) *end = 0;
  return line + 1;
}

static bool features_have(const char *list, const char *name) {
  size_t length = strlen(name);
  for (const char *at = list; (at = strstr(at, name)); at += length)
    if ((at == list || at[-1] == ' ') && (at[length] == ' ' || !at[length])) return true;
  return false;
}

static ssize_t cpuinfo_read(char *text, size_t size) {
  int file = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
  if (file < 0) return -1;
  size_t used = 0;
  for (ssize_t got; used + 1 < size && (got = read(file, text + used, size - 1 - used)) > 0;)
    used += (size_t)got;
  close(file);
  text[used] = 0;
  return (ssize_t)used;
}

bool cpu_check(const char *const *features, RunError *error) {
  if (!features || !*features) return true;
  char text[CPUINFO_BYTES];
  char *list = cpuinfo_read(text, sizeof text) > 0 ? cpu_features(text) : NULL;
  if (!list)
    return run_fail(error,
                    "/proc/cpuinfo does not tell this CPU's features, and this trainer needs '%s'",
                    *features);
  for (; *features; features++)
    if (!features_have(list, *features))
      return run_fail(
          error,
          "this CPU has no '%s', which this trainer was compiled for; compile it again on "
          "or for this machine",
          *features);
  return true;
}
