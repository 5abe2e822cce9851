/* Code, loading; trainers: the C compiler compiles emitted C or links LLVM's object with
 * the runtime. Nothing half-made is left in place of a good file. */
#include "gen/version.h"
#include "compiler/build.h"
#include "codegen/cuda/gpu.h"
#include "compiler/oracle/interp.h"
#include "runtime/team.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *compiler_name(void) {
  const char *chosen = getenv("CC");
  return chosen && *chosen ? chosen : "gcc";
}

static bool is_native(const CodegenOptions *options) {
  return strcmp(options->target, "native") == 0;
}

/* `march`: of a GPU. */
static CodegenOptions options_for(Arena *arena, const char *target, const Cpu *cpu,
                                  const char *march) {
  CodegenOptions options = {.real = RLC_F32,
                            .lanes = cpu->level->bytes / sizeof(float),
                            .target = target,
                            .cpu = cpu,
                            .threads = team_processors()};
  if (is_native(&options)) {
    options.compiler =
        arena_printf(arena, "rlc " RLC_VERSION "; %s for %s%s%s", native_compiler(arena),
                     cpu->level->name, cpu->tune ? " tuned for " : "", cpu->tune ? cpu->tune : "");
    return options;
  }
  if (target_is_device(target)) {
    options.arch = build_arch(arena, march);
    options.compiler = arena_printf(arena, "rlc " RLC_VERSION "; NVRTC for %s", options.arch);
    return options;
  }
  const char *flags = "";
  for (size_t i = 0; cpu->level->flags[i]; i++)
    flags = arena_printf(arena, "%s %s", flags, cpu->level->flags[i]);
  options.compiler = arena_printf(arena, "rlc " RLC_VERSION "; %s%s", compiler_name(), flags);
  return options;
}

CodegenOptions build_options(Arena *arena, const char *target) {
  return options_for(arena, target, cpu_find("native"), NULL);
}

/* The largest result of a contraction or reduction in a program: what its memory is mostly made of.
 */
static const Node *largest_node(Session *session, const Program *program) {
  const Module *module = session->elaborated->module;
  Node **nodes;
  size_t count = module_reach(module, program, session->arena, &nodes);
  const Node *largest = NULL;
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_contract && nodes[i]->op != OP_sum) continue;
    uint64_t extent = axes_extent(module->graph, nodes[i]->axes);
    if (!largest || extent > axes_extent(module->graph, largest->axes)) largest = nodes[i];
  }
  return largest;
}

static bool memory_fits(Session *session) {
  const Module *module = session->elaborated->module;
  for (size_t i = 0; i < module->program_count; i++) {
    double gib = (double)module->shell.programs[i].work_bytes / 0x1p30;
    if (gib < 8) continue; /* positions of elements have 32 bits in vectors */
    const Node *largest = largest_node(session, &module->programs[i]);
    diag_error(session->diag, largest ? largest->span : (Span){0}, "smaller axes",
               "the program '%s' would need %.0f GiB of memory, more than the 8 there may be; "
               "its largest tensor has %s",
               module->programs[i].name, gib,
               largest ? axes_text(module->graph, session->arena, largest->axes) : "no axes");
  }
  return session_report(session);
}

/* Native code multiplies bfloat16 by the machine's own instructions or not at all. */
static bool precision_fits(Session *session, const CodegenOptions *options) {
  const Module *module = session->elaborated->module;
  if (module->precision != FORMAT_bf16 || !is_native(options) || options->cpu->bf16) return true;
  const char *who = session->march ? arena_printf(session->arena, "--march %s", session->march)
                                   : "this machine's CPU";
  diag_error(session->diag, module->precision_span,
             "CPUs that have it are for instance --march znver4 and sapphirerapids; float32 runs "
             "everywhere, and `--target c` rounds as bf16 does, but slower than float32",
             "precision bf16 needs the instructions AVX512-BF16 (vdpbf16ps), which %s lacks", who);
  return session_report(session);
}

Code *build_code(Session *session) {
  const char *march = session->march,
             *cpu = march && !target_is_device(session->target) ? march : "native";
  CodegenOptions options = options_for(session->arena, session->target, cpu_find(cpu), march);
  if (!precision_fits(session, &options)) return NULL;
  options.marked = session->measure;
  Code *code = code_make(session->arena, session->elaborated->module, &options);
  return memory_fits(session) ? code : NULL;
}

bool build_find(Arena *arena, const char **include, const char **library) {
  const char *home = getenv("RLC_HOME");
  if (!home) {
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0)
      return fprintf(stderr, "error: cannot find out where rlc lies: set RLC_HOME to its folder\n"),
             false;
    path[length] = 0;
    *strrchr(path, '/') = 0;
    home = arena_copy(arena, path, strlen(path));
  }
  *library = arena_printf(arena, "%s/librlc_runtime.a", home);
  if (access(*library, R_OK) != 0)
    return fprintf(stderr, "error: the runtime is not there: '%s' (%s)\n", *library,
                   strerror(errno)),
           false;
  *include = arena_printf(arena, "%s/include", home);
  if (access(arena_printf(arena, "%s/runtime/rlc.h", *include), R_OK) != 0)
    *include = arena_printf(arena, "%s/..", home);
  return true;
}

/* Runs argv and waits; true for exit status 0. What failed has said so, or it is said here. */
static bool run(const char *const *argv) {
  pid_t child = fork(), ended = child;
  if (child == 0) {
    execvp(argv[0], (char *const *)argv);
    _exit(127);
  }
  int status = 0;
  if (child > 0) do
      ended = waitpid(child, &status, 0);
    while (ended < 0 && errno == EINTR);
  if (ended < 0)
    return fprintf(stderr, "error: cannot run '%s': %s\n", argv[0], strerror(errno)), false;
  if (WIFSIGNALED(status))
    fprintf(stderr, "error: '%s' ended by signal %d\n", argv[0], WTERMSIG(status));
  else if (WEXITSTATUS(status) == 127)
    fprintf(stderr, "error: there is no C compiler '%s'; install gcc or set CC\n", argv[0]);
  return status == 0;
}

/* `card`: where programs of a GPU run, on one or on this CPU. */
static Loaded *load(Arena *arena, const Code *code, bool card) {
  const char *include, *library;
  char error[4096] = "out of memory";
  Loaded *loaded = NULL;
  if (is_native(code_options(code)))
    loaded = load_native(code, error, sizeof error);
  else if (card && target_is_device(code_options(code)->target))
    loaded = load_gpu(code, error, sizeof error);
  else if (!build_find(arena, &include, &library))
    return NULL;
  else
    loaded = load_c(code, include, error, sizeof error);
  if (!loaded) fprintf(stderr, "error: %s\n", error);
  return loaded;
}

Loaded *build_load(Arena *arena, const Code *code) { return load(arena, code, true); }

Loaded *build_load_on_cpu(Arena *arena, const Code *code) { return load(arena, code, false); }

const RlcModule *build_session(Session *session, Loaded **loaded) {
  *loaded = NULL;
  if (!build_target(session, true) || !build_march(session, true) || !build_tools(session, true) ||
      !pipeline_options_good(&session->pipeline) || !session_elaborate(session))
    return NULL;
  Module *module = session->elaborated->module;
  bool oracle = strcmp(session->target, "oracle") == 0;
  if (oracle && module->precision == FORMAT_float32)
    session->pipeline.stop = "grad"; /* else round */
  pipeline_run(module, &session->pipeline);
  if (oracle) return oracle_module(session->arena, module);
  Code *code = build_code(session);
  *loaded = code ? build_load(session->arena, code) : NULL;
  return *loaded ? load_module(*loaded) : NULL;
}

/* Source or objects to an executable: the C compiler also knows how to link. */
static bool compile(Arena *arena, const Code *code, const char *source, const char *output,
                    const char *include, const char *library) {
  enum { OWN = 16 }; /* words besides the compiler's and the CPU's */
  const char *const *flags = code_cpu(code)->flags, *name = compiler_name();
  size_t flag_count = 0;
  while (flags[flag_count]) flag_count++;
  const char **argv = NEW_ARRAY(arena, const char *, strlen(name) + flag_count + OWN);
  size_t n = compiler_words(arena_copy(arena, name, strlen(name)), argv, strlen(name));
  if (!n) return fprintf(stderr, "error: CC names no C compiler: '%s'\n", name), false;
  argv[n++] = arena_printf(arena, "-I%s", include);
  argv[n++] = "-o";
  argv[n++] = output;
  if (is_native(code_options(code))) argv[n++] = "-Wl,--whole-archive";
  argv[n++] = source;
  if (is_native(code_options(code))) argv[n++] = "-Wl,--no-whole-archive";
  argv[n++] = library;
  for (size_t i = 0; i < flag_count; i++) argv[n++] = flags[i];
  argv[n++] = "-ldl";
  argv[n++] = "-lpthread";
  argv[n] = NULL;
  return run(argv);
}

static bool write_source(const Code *code, bool native, FILE *out) {
  char error[4096];
  bool cuda = target_is_device(code_options(code)->target);
  if (!native && !cuda) return emit_c(code, out), true;
  if ((cuda ? gpu_trainer : native_archive)(code, out, error, sizeof error)) return true;
  fprintf(stderr, "error: %s\n", error);
  return false;
}

bool build_trainer(Arena *arena, const Code *code, const char *output) {
  const char *include, *library;
  if (!build_find(arena, &include, &library)) return false;
  bool native = is_native(code_options(code));
  const char *source = arena_printf(arena, "%s.new.%s", output, native ? "a" : "c"),
             *made = arena_printf(arena, "%s.new", output);
  FILE *out = fopen(source, "w");
  if (!out)
    return fprintf(stderr, "error: cannot write '%s': %s\n", source, strerror(errno)), false;
  bool good = write_source(code, native, out);
  if (fclose(out) != 0 && good)
    good = (fprintf(stderr, "error: cannot write '%s': %s\n", source, strerror(errno)), false);
  good = good && compile(arena, code, source, made, include, library);
  if (good && rename(made, output) != 0)
    good = (fprintf(stderr, "error: cannot write '%s': %s\n", output, strerror(errno)), false);
  unlink(source);
  if (!good) unlink(made);
  return good;
}
