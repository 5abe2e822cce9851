/* --target and --march: whether there is such a thing, which architecture of a GPU code is made
 * for, and whether what makes and runs it is here. */
#include "codegen/cuda/gpu.h"
#include "compiler/build.h"
#include "runtime/device/device.h"

#include <stdlib.h>
#include <string.h>

static const char native[] = "native"; /* of --march: this machine's */

bool build_target(Session *session, bool oracle) {
  static const char *const targets[] = {"native", "c", "cuda", "oracle"};
  size_t count = oracle ? 4 : 3;
  if (!session->target) session->target = targets[0];
  for (size_t i = 0; i < count; i++)
    if (strcmp(session->target, targets[i]) == 0) return true;
  const char *near = nearest_name(session->target, targets, count);
  fprintf(stderr, "error: there is no target '%s'%s%s%s; there are native, c and cuda%s\n",
          session->target, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
          oracle ? ", and oracle" : "");
  return false;
}

/* The number in "sm_90"; 0 for all else. */
static int arch_number(const char *march) {
  char *end = NULL;
  long number = strncmp(march, "sm_", 3) == 0 ? strtol(march + 3, &end, 10) : 0;
  return end && !*end && number > 0 && number < 10000 ? (int)number : 0;
}

/* ---- CPUs ---- */

/* There is no `what` of this name. */
static void march_unknown(const char *what, const char *march, const char *const *names,
                          size_t count) {
  const char *near = nearest_name(march, names, count);
  fprintf(stderr, "error: there is no %s '%s'%s%s%s; there are", what, march,
          near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool cpu_march(const char *march, bool run) {
  const char *const *names;
  const Cpu *cpu = march ? cpu_find(march) : NULL;
  if (!march || (cpu && (!run || cpu_is_here(cpu->level)))) return true;
  if (cpu) {
    fprintf(
        stderr,
        "error: --march %s is for %s, which this machine is not: make IR or objects for it with "
        "`rlc emit --stage llvm` or `--stage object`, and link them there\n",
        march, cpu->level->name);
    return false;
  }
  if (arch_number(march))
    return fprintf(stderr,
                   "error: '%s' is a GPU's, and code is made for a CPU: add --target cuda\n",
                   march),
           false;
  size_t count = cpu_names(&names);
  march_unknown("CPU", march, names, count);
  for (size_t i = 0; i < count; i++) fprintf(stderr, " %s", names[i]);
  fprintf(stderr, "\n");
  return false;
}

/* ---- GPUs ---- */

static bool arch_unknown(const char *march) {
  enum { MOST = 64 };
  const GpuArch *archs;
  const char *names[MOST];
  int number = arch_number(march), wanted = device_arch_for(number);
  size_t count = gpu_archs(&archs);
  for (size_t i = 0; i < count && i < MOST; i++) names[i] = archs[i].name;
  if (number && wanted)
    fprintf(stderr, "error: there is no '%s': take sm_%d, whose code it runs; there are", march,
            wanted);
  else if (number)
    fprintf(stderr, "error: '%s' is older than %s, the oldest that code is made for; there are",
            march, names[0]);
  else
    march_unknown("GPU architecture", march, names, count);
  for (size_t i = 0; i < count; i++)
    fprintf(stderr, "%s %s (%s)", i ? "," : "", names[i], archs[i].cards);
  fprintf(stderr, "\n");
  return false;
}

/* The card here must be one that code is made for, if it decides. */
static bool gpu_march(const char *march) {
  const GpuArch *archs;
  size_t count = gpu_archs(&archs);
  int here = !march || strcmp(march, native) == 0 ? device_arch(NULL) : 0;
  if (here && !device_arch_for(here))
    return fprintf(stderr,
                   "error: the card here is of sm_%d, older than sm_%d, the oldest that code is "
                   "made for; --march names the architecture of another\n",
                   here, device_arch_oldest()),
           false;
  if (!march || strcmp(march, native) == 0) return true;
  for (size_t i = 0; i < count; i++)
    if (strcmp(march, archs[i].name) == 0) return true;
  return arch_unknown(march);
}

const char *build_arch(Arena *arena, const char *march) {
  enum { USUAL = 90 }; /* where no card says which */
  if (march && strcmp(march, native) != 0) return march;
  int wanted = device_arch_for(device_arch(NULL));
  return arena_printf(arena, "sm_%d", wanted ? wanted : USUAL);
}

/* ---- both ---- */

bool build_march(const Session *session, bool run) {
  return target_is_device(session->target) ? gpu_march(session->march)
                                           : cpu_march(session->march, run);
}

bool build_tools(const Session *session, bool run) {
  char text[4096];
  RunError error;
  if (!target_is_device(session->target)) return true;
  if (run && !device_arch(&error)) return fprintf(stderr, "error: %s\n", error.text), false;
  if (nvrtc_version(text, sizeof text)) return true;
  return fprintf(stderr, "error: %s\n", text), false;
}

const char *build_words(const Session *session, const Code *code) {
  const char *march = session->march;
  char text[4096];
  if (!target_is_device(session->target)) return "";
  bool guessed = (!march || strcmp(march, native) == 0) && !device_arch(NULL);
  uint32_t toolkit = nvrtc_version(text, sizeof text);
  return arena_printf(session->arena, " for %s%s by NVRTC %u.%u", code_options(code)->arch,
                      guessed ? " (no card is here)" : "", toolkit / 1000, toolkit % 1000 / 10);
}
