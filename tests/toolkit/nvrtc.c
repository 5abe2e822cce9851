/* Stands in for NVRTC where there is no card: what it makes of CUDA C is a shared object for this
 * CPU, by the C compiler and codegen/cuda/shim.h. The driver of this folder runs it; together they
 * let tests go the whole way of a trainer with --target cuda. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Program {
  char *text, *object, log[4096];
  size_t size;
} Program;

/* Programs are found by name, and run by what the shim offers. */
static const char before[] = "#define PROGRAM void\n#include <codegen/cuda/shim.h>\n";
static const char after[] =
    "\nstatic void (*shim_program)(Launch launch);\n"
    "static void shim_once(const void *launch) { shim_program(*(const Launch *)launch); }\n"
    "void shim_launch(void (*program)(Launch launch), const void *launch, unsigned blocks) {\n"
    "  shim_program = program;\n"
    "  shim_run(shim_once, launch, blocks);\n"
    "}\n";

int nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, 0; }

int nvrtcCreateProgram(Program **program, const char *text, const char *name, int headers,
                       const char *const *texts, const char *const *names) {
  (void)name, (void)headers, (void)texts, (void)names;
  *program = calloc(1, sizeof **program);
  return !*program || !((*program)->text = strdup(text));
}

static int file_write(const char *path, const char *text) {
  FILE *out = fopen(path, "w");
  if (!out) return -1;
  fprintf(out, "%s%s%s", before, text, after);
  return fclose(out);
}

static char *file_read(const char *path, size_t *size) {
  FILE *in = fopen(path, "rb");
  struct stat facts;
  if (!in || fstat(fileno(in), &facts) != 0) return NULL;
  char *data = malloc((size_t)facts.st_size + 1);
  *size = data ? fread(data, 1, (size_t)facts.st_size, in) : 0;
  fclose(in);
  return data;
}

int nvrtcCompileProgram(Program *program, int count, const char *const *options) {
  char folder[] = "/tmp/rlc-toolkit-XXXXXX", source[64], object[64], command[1024];
  for (int i = 0; i < count; i++) /* an architecture that NVRTC would not know */
    if (strstr(options[i], "sm_1") && !strstr(options[i], "sm_10") && !strstr(options[i], "sm_12"))
      return 5;
  if (!mkdtemp(folder)) return 1;
  snprintf(source, sizeof source, "%s/module.c", folder);
  snprintf(object, sizeof object, "%s/module.so", folder);
  const char *compiler = getenv("CC");
  snprintf(command, sizeof command,
           "%s -std=gnu11 -O2 -march=native -shared -fPIC -w -I '%s' -o %s %s -lm >&2",
           compiler && *compiler ? compiler : "gcc", RLC_ROOT, object, source);
  int good = file_write(source, program->text) == 0 && system(command) == 0;
  if (good) program->object = file_read(object, &program->size);
  unlink(source);
  unlink(object);
  rmdir(folder);
  snprintf(program->log, sizeof program->log, "the C compiler failed");
  return !program->object;
}

int nvrtcDestroyProgram(Program **program) {
  free((*program)->text);
  free((*program)->object);
  free(*program);
  *program = NULL;
  return 0;
}

int nvrtcGetProgramLogSize(Program *program, size_t *size) {
  return *size = strlen(program->log) + 1, 0;
}
int nvrtcGetProgramLog(Program *program, char *text) { return strcpy(text, program->log), 0; }
int nvrtcGetCUBINSize(Program *program, size_t *size) { return *size = program->size, 0; }
int nvrtcGetCUBIN(Program *program, char *bytes) {
  return memcpy(bytes, program->object, program->size), 0;
}
int nvrtcGetPTXSize(Program *program, size_t *size) { return (void)program, *size = 1, 0; }
int nvrtcGetPTX(Program *program, char *text) { return (void)program, *text = 0, 0; }
