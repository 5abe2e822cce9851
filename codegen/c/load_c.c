/* Generated C to callable code: a C compiler as a child process, then dlopen. */
#include "codegen/cuda/cuda.h"
#include "codegen/load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Job {
  const char *const *flags; /* of the C compiler */
  char folder[512], source[528], object[528], log[528];
  char *error;
  size_t size;
} Job;

static bool job_fail(Job *job, const char *what, const char *why) {
  snprintf(job->error, job->size, "%s: %s", what, why);
  return false;
}

static bool job_start(Job *job) {
  const char *parent = getenv("TMPDIR");
  snprintf(job->folder, sizeof job->folder, "%s/rlc-XXXXXX", parent && *parent ? parent : P_tmpdir);
  if (!mkdtemp(job->folder)) return job_fail(job, "no temporary folder", strerror(errno));
  snprintf(job->source, sizeof job->source, "%s/module.c", job->folder);
  snprintf(job->object, sizeof job->object, "%s/module.so", job->folder);
  snprintf(job->log, sizeof job->log, "%s/log", job->folder);
  return true;
}

static bool job_write(Job *job, const Code *code) {
  FILE *out = fopen(job->source, "w");
  if (!out) return job_fail(job, job->source, strerror(errno));
  (target_is_device(code_options(code)->target) ? emit_cuda_on_cpu : emit_c)(code, out);
  bool failed = ferror(out) != 0;
  if (fclose(out) || failed) return job_fail(job, job->source, "cannot be written");
  return true;
}

size_t compiler_words(char *command, const char **words, size_t limit) {
  size_t count = 0;
  char *rest = NULL;
  for (char *word = strtok_r(command, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
    if (count == limit) return 0;
    words[count++] = word;
  }
  return count;
}

/* In the child: becomes the compiler; its messages go to the log. */
static _Noreturn void compiler_exec(const Job *job, const char *compiler, const char *include) {
  enum { OWN = 9 }; /* words of ours before the flags, and NULL */
  size_t flags = 0, most = strlen(compiler) / 2 + 1;
  while (job->flags[flags]) flags++;
  const char *argv[most + OWN + flags];
  char *command = strdup(compiler);
  size_t count = command ? compiler_words(command, argv, most) : 0;
  if (!count) _exit(127);
  argv[count++] = "-shared";
  argv[count++] = "-fPIC";
  argv[count++] = "-w";
  argv[count++] = "-I";
  argv[count++] = include;
  argv[count++] = "-o";
  argv[count++] = job->object;
  argv[count++] = job->source;
  for (const char *const *flag = job->flags; *flag; flag++) argv[count++] = *flag;
  argv[count] = NULL;
  if (freopen(job->log, "w", stderr)) execvp(argv[0], (char *const *)argv);
  _exit(127);
}

/* Exit status of the compiler, 127 when it could not be started. */
static int compiler_run(const Job *job, const char *compiler, const char *include) {
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) return 127;
  if (child == 0) compiler_exec(job, compiler, include);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return 127;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void read_log(Job *job) {
  size_t used = strlen(job->error);
  FILE *in = fopen(job->log, "r");
  if (!in) return;
  size_t got = fread(job->error + used, 1, job->size - used - 1, in);
  job->error[used + got] = 0;
  fclose(in);
}

static bool job_compile(Job *job, const char *include) {
  const char *chosen = getenv("CC");
  const char *candidates[] = {chosen && *chosen ? chosen : "gcc",
                              chosen && *chosen ? NULL : "clang"};
  int status = 127;
  const char *used = candidates[0];
  for (size_t i = 0; i < COUNTOF(candidates) && candidates[i] && status == 127; i++) {
    used = candidates[i];
    status = compiler_run(job, used, include);
  }
  if (status == 0) return true;
  if (status == 127) return job_fail(job, used, "no C compiler could be started");
  snprintf(job->error, job->size, "%s failed on generated code:\n", used);
  read_log(job);
  return false;
}

static void close_handle(void *handle) { dlclose(handle); }

static Loaded *job_load(Job *job) {
  void *handle = dlopen(job->object, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    job_fail(job, "generated code does not load", dlerror());
    return NULL;
  }
  const RlcModule *module = dlsym(handle, "rlc_module");
  if (module) return loaded_make(module, handle, close_handle);
  job_fail(job, "generated code", "has no rlc_module");
  dlclose(handle);
  return NULL;
}

Loaded *load_c(const Code *code, const char *include, char *error, size_t size) {
  /* The shim is for checks, where compiling takes longer than running. */
  static const char *const quick[] = {"-std=gnu11", "-O2", "-march=native", "-lm", NULL};
  bool cuda = target_is_device(code_options(code)->target);
  Job job = {.flags = cuda ? quick : code_cpu(code)->flags, .error = error, .size = size};
  if (!job_start(&job)) return NULL;
  Loaded *loaded = NULL;
  if (job_write(&job, code) && job_compile(&job, include)) loaded = job_load(&job);
  unlink(job.source);
  unlink(job.object);
  unlink(job.log);
  rmdir(job.folder);
  return loaded;
}
