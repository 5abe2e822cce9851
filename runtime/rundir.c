/* The run directory: made once, with config.yaml (the resolved specification) and provenance.json
 * (what made the results); result.json comes at the end. A resumed run adds provenance-2.json and
 * so on and changes nothing else. No file tells the machine's or the user's name. */
#include "runtime/checkpoint.h"
#include "runtime/options.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

RlcModule module_named(const RlcModule *module) {
  RlcModule named = *module;
  if (!named.env_id) named.env_id = "none";
  return named;
}

/* ---- the directory ---- */

bool rundir_empty(const char *path, int *reason) {
  DIR *list = opendir(path);
  size_t entries = 0;
  *reason = list ? 0 : errno;
  if (!list) return false;
  for (struct dirent *entry; (entry = readdir(list));)
    entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(list);
  return entries == 0;
}

/* Whether a run was begun there. */
static bool is_run(const char *path) {
  char file[OUTPUT_PATH];
  RunError ignored;
  return path_make(file, &ignored, "%s/provenance.json", path) && access(file, F_OK) == 0;
}

static bool fail_taken(const char *path, RunError *error) {
  uint64_t first = 0;
  uint32_t seeds = rundir_seeds(path, &first);
  if (seeds > 1)
    return run_fail(error,
                    "'%s' holds the runs of %u seeds: choose another with --out, or go on with "
                    "them with --resume %s",
                    path, seeds, path);
  if (checkpoint_any(path))
    return run_fail(error,
                    "the run directory '%s' exists and is not empty: choose another with --out, or "
                    "go on from its checkpoint with --resume %s",
                    path, path);
  if (is_run(path)) return run_fail(error, CHECKPOINT_NONE, path);
  return run_fail(error, "the directory '%s' is not empty and no run: choose another --out", path);
}

static bool make_named(const char *path, RunError *error) {
  int reason = 0;
  if (!directories_above(path, error)) return false;
  if (mkdir(path, 0777) == 0) return true;
  if (errno != EEXIST)
    return run_fail(error, "cannot make the run directory '%s': %s", path, strerror(errno));
  if (rundir_empty(path, &reason)) return true;
  if (reason != 0)
    return run_fail(error, "cannot use the run directory '%s': %s", path, strerror(reason));
  return fail_taken(path, error);
}

/* runs/{env}__{name}__{seed}__{time}, with a number behind it when runs start in one second;
 * several seeds as FIRST-LAST. */
static bool make_default(const Options *options, const RlcModule *module, char path[OUTPUT_PATH],
                         RunError *error) {
  long long now = (long long)time(NULL);
  char last[24] = "";
  if (options->seeds > 1)
    snprintf(last, sizeof last, "-%llu", (unsigned long long)options->seed + options->seeds - 1);
  for (int attempt = 1; attempt < 1000; attempt++) {
    char more[16] = "";
    if (attempt > 1) snprintf(more, sizeof more, "-%d", attempt);
    if (!path_make(path, error, "runs/%s__%s__%llu%s__%lld%s", module->env_id, module->name,
                   (unsigned long long)options->seed, last, now, more) ||
        !directories_above(path, error))
      return false;
    if (mkdir(path, 0777) == 0) return true;
    if (errno != EEXIST) break;
  }
  return run_fail(error, "cannot make the run directory '%s': %s", path, strerror(errno));
}

/* ---- provenance ---- */

/* The processor's name as the kernel tells it, or "unknown". */
static void cpu_model(char text[128]) {
  char line[512];
  FILE *file = fopen("/proc/cpuinfo", "re");
  snprintf(text, 128, "unknown");
  while (file && fgets(line, sizeof line, file)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    snprintf(text, 128, "%.*s", (int)strcspn(colon + 1 + (colon[1] == ' '), "\n"),
             colon + 1 + (colon[1] == ' '));
    break;
  }
  if (file) fclose(file);
}

static void put_machine(JsonWriter *json, const Options *options) {
  struct utsname system;
  char text[512];
  time_t now = time(NULL);
  struct tm utc;
  cpu_model(text);
  json_text(json, "cpu", text);
  if (options->gpu) json_text(json, "gpu", options->gpu);
  if (options->gpu_code) json_text(json, "gpu_code", options->gpu_code);
  if (uname(&system) == 0) {
    snprintf(text, sizeof text, "%.120s %.120s %.120s", system.sysname, system.release,
             system.machine);
    json_text(json, "kernel", text);
  }
  gmtime_r(&now, &utc);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  json_text(json, "started", text);
}

static void put_module(JsonWriter *json, const RlcModule *module) {
  json_text(json, "spec", module->name);
  json_name(json, "spec_hash");
  json_hex(json, module->spec_hash, 16);
  json_text(json, "environment", module->env_id);
  json_text(json, "compiler", module->compiler);
  json_text(json, "target", module->target);
  json_name(json, "cpu_features");
  json_open(json, '[');
  for (const char *const *feature = module->cpu; feature && *feature; feature++)
    json_string(json, *feature);
  json_close(json);
}

/* As typed, but for the program's directory, which says more about the machine than the run. */
static void put_command(JsonWriter *json, const Options *options) {
  json_name(json, "command");
  json_open(json, '[');
  for (int i = 0; i < options->argc; i++) {
    const char *slash = i == 0 ? strrchr(options->argv[i], '/') : NULL;
    json_string(json, slash ? slash + 1 : options->argv[i]);
  }
  json_close(json);
}

static bool write_provenance(const Options *options, const RlcModule *module, const char *path,
                             RunError *error) {
  char buffer[4096];
  FileOutput out;
  if (!output_begin(&out, path, buffer, sizeof buffer, error)) return false;
  JsonWriter json = json_writer(&out, 2);
  json_open(&json, '{');
  put_module(&json, module);
  put_machine(&json, options);
  for (size_t i = 0; i < options->fact_count; i++)
    json_text(&json, options->facts[i].name, options->facts[i].value);
  json_name(&json, "options");
  options_put(&json, options);
  put_command(&json, options);
  json_close(&json);
  output_text(&out, "\n");
  return output_finish(&out, error);
}

static bool write_config(const RlcModule *module, const char *directory, RunError *error) {
  char buffer[4096], path[OUTPUT_PATH];
  FileOutput out;
  if (!path_make(path, error, "%s/config.yaml", directory) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  output_text(&out, module->spec);
  return output_finish(&out, error);
}

static bool make_fresh(const Options *options, const RlcModule *module, char path[OUTPUT_PATH],
                       RunError *error) {
  char file[OUTPUT_PATH];
  bool made = options->out ? path_make(path, error, "%s", options->out) && make_named(path, error)
                           : make_default(options, module, path, error);
  return made && write_config(module, path, error) &&
         path_make(file, error, "%s/provenance.json", path) &&
         write_provenance(options, module, file, error);
}

static bool make_resumed(const Options *options, char path[OUTPUT_PATH], RunError *error) {
  int reason = 0;
  if (!path_make(path, error, "%s", options->resume)) return false;
  (void)rundir_empty(path, &reason);
  if (reason != 0) return run_fail(error, "cannot resume from '%s': %s", path, strerror(reason));
  return is_run(path) || checkpoint_any(path) ||
         run_fail(error, "cannot resume from '%s': it is no run directory", path);
}

bool rundir_provenance(char *file, const char *path, int number, RunError *error) {
  return number == 1 ? path_make(file, error, "%s/provenance.json", path)
                     : path_make(file, error, "%s/provenance-%d.json", path, number);
}

int rundir_sessions(const char *path) {
  char file[OUTPUT_PATH];
  RunError ignored;
  int count = 0;
  while (rundir_provenance(file, path, count + 1, &ignored) && access(file, F_OK) == 0) count++;
  return count;
}

void rundir_adopt(Options *options) {
  char file[OUTPUT_PATH];
  RunError ignored;
  int last = rundir_sessions(options->resume);
  if (last > 0 && rundir_provenance(file, options->resume, last, &ignored))
    options_adopt(options, file);
}

uint32_t rundir_seeds(const char *path, uint64_t *first) {
  Options told = {.seeds = 1, .resume = path};
  rundir_adopt(&told);
  *first = told.seed;
  return told.seeds;
}

bool rundir_lock(const char *path, int *lock, RunError *error) {
  *lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*lock < 0)
    return run_fail(error, "cannot open the run directory '%s': %s", path, strerror(errno));
  if (flock(*lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return true;
  return run_fail(error, "the run directory '%s' is in use by another process", path);
}

/* ---- what made it so far ---- */

/* Facts of a provenance file with which results may be others. */
enum { FACT_COMPILER, FACT_GPU, FACT_CODE, FACT_COUNT, FACT_SIZE = 512 };
static const char *const fact_names[FACT_COUNT] = {"compiler", "gpu", "gpu_code"};
static const char *const fact_words[FACT_COUNT] = {"the compiler", "the card", "the card's code"};

static bool facts_read(const char *path, char facts[FACT_COUNT][FACT_SIZE]) {
  char text[16384], name[64];
  FILE *file = fopen(path, "re");
  size_t size = file ? fread(text, 1, sizeof text, file) : 0;
  if (file) fclose(file);
  JsonReader json = json_reader(text, size);
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    int fact = 0;
    while (fact < FACT_COUNT && strcmp(name, fact_names[fact]) != 0) fact++;
    if (fact < FACT_COUNT)
      json_read_string(&json, facts[fact], FACT_SIZE);
    else
      json_skip(&json);
  }
  return json_finish(&json);
}

void rundir_compare(const Options *options, const RlcModule *module) {
  char file[OUTPUT_PATH], before[FACT_COUNT][FACT_SIZE] = {{0}};
  const char *now[FACT_COUNT] = {module->compiler, options->gpu, options->gpu_code};
  RunError ignored;
  int last = rundir_sessions(options->resume);
  if (last == 0 || !rundir_provenance(file, options->resume, last, &ignored) ||
      !facts_read(file, before))
    return;
  for (int i = 0; i < FACT_COUNT; i++) {
    const char *is = now[i] ? now[i] : "", *was = before[i];
    if (strcmp(is, was) == 0) continue;
    fprintf(stderr,
            "note: %s was '%s' and is '%s': from here on results may equal those of a run that was "
            "never interrupted to rounding alone, not to the bit\n",
            fact_words[i], *was ? was : "none", *is ? is : "none");
    return;
  }
}

bool rundir_resumed(const Options *options, const RlcModule *module, RunError *error) {
  char file[OUTPUT_PATH];
  int next = rundir_sessions(options->resume) + 1;
  return rundir_provenance(file, options->resume, next, error) &&
         write_provenance(options, module, file, error);
}

bool rundir_make(const Options *options, const RlcModule *module, char *directory, size_t size,
                 RunError *error) {
  char path[OUTPUT_PATH];
  if (options->resume ? !make_resumed(options, path, error)
                      : !make_fresh(options, module, path, error))
    return false;
  if (strlen(path) >= size) return run_fail(error, "the run directory '%s' is too long", path);
  memcpy(directory, path, strlen(path) + 1);
  return true;
}

bool rundir_result(const char *directory, const LogValue *values, size_t count, RunError *error) {
  char buffer[4096], path[OUTPUT_PATH];
  FileOutput out;
  if (!path_make(path, error, "%s/result.json", directory) ||
      !output_begin(&out, path, buffer, sizeof buffer, error))
    return false;
  JsonWriter json = json_writer(&out, 2);
  json_open(&json, '{');
  for (size_t i = 0; i < count; i++) {
    json_name(&json, values[i].name);
    json_double(&json, values[i].value);
  }
  json_close(&json);
  output_text(&out, "\n");
  return output_finish(&out, error);
}
