/* rlc_main: the main program of every trainer. Options, then the runs they ask for; exit status 0,
 * 1 after an error, or 128 + the signal that stopped it. */
#include "runtime/seeds.h"
#include "runtime/team.h"

/* What is allowed, but hardly meant. */
static void warn_threads(const Options *options) {
  uint32_t processors = team_processors();
  if (processors > 0 && options->threads > processors)
    fprintf(stderr, "warning: %u threads on %u processor%s: slower than %u\n", options->threads,
            processors, processors == 1 ? "" : "s", processors);
}

int rlc_main(const RlcModule *module, int argc, char **argv) {
  return rlc_main_of(module, NULL, argc, argv);
}

int rlc_main_of(const RlcModule *module, const char *launcher, int argc, char **argv) {
  Options options = {0};
  RlcModule named = module_named(module);
  int status = options_read(&options, &named, argc, argv);
  if (status >= 0) return status;
  options.launcher = launcher;
  warn_threads(&options);
  return seeds_run(module, &options);
}
