/* Machine code through LLVM: an object file for a linker, or code in this process.
 *
 * Kernels come as vectors and tiles already, so that LLVM's pipeline has nothing to find: tiles are
 * lifted from the stack, common address arithmetic is joined, and code is generated. */
#include "codegen/cache.h"
#include "codegen/emit_llvm.h"
#include "codegen/load.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdlib.h>
#include <string.h>

typedef struct Machine {
  LLVMTargetMachineRef machine;
  char *triple, *cpu, *features;
} Machine;

static bool fail(char *error, size_t size, const char *what, const char *why) {
  snprintf(error, size, "%s: %s", what, why);
  return false;
}

/* Takes the error. */
static bool fail_llvm(char *error, size_t size, const char *what, LLVMErrorRef reason) {
  char *text = LLVMGetErrorMessage(reason);
  fail(error, size, what, text);
  LLVMDisposeErrorMessage(text);
  return false;
}

/* ---- the target ---- */

static void machine_free(Machine *m) {
  if (m->machine) LLVMDisposeTargetMachine(m->machine);
  LLVMDisposeMessage(m->triple);
  LLVMDisposeMessage(m->cpu);
  LLVMDisposeMessage(m->features);
}

static bool machine_make(Machine *m, const char *march, char *error, size_t size) {
  LLVMInitializeNativeTarget();
  LLVMInitializeNativeAsmPrinter();
  LLVMTargetRef target;
  char *reason = NULL;
  m->triple = LLVMGetDefaultTargetTriple();
  m->cpu = march ? LLVMCreateMessage(march) : LLVMGetHostCPUName();
  m->features = march ? LLVMCreateMessage("") : LLVMGetHostCPUFeatures();
  if (LLVMGetTargetFromTriple(m->triple, &target, &reason)) {
    fail(error, size, m->triple, reason);
    LLVMDisposeMessage(reason);
    return false;
  }
  m->machine = LLVMCreateTargetMachine(target, m->triple, m->cpu, m->features,
                                       LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
  return m->machine != NULL || fail(error, size, m->triple, "no code can be made for this CPU");
}

/* ---- objects ---- */

static bool optimise(const Machine *m, LLVMModuleRef module, char *error, size_t size) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef failed = LLVMRunPasses(module, "function(sroa,early-cse)", m->machine, options);
  LLVMDisposePassBuilderOptions(options);
  return !failed || fail_llvm(error, size, "LLVM's passes", failed);
}

/* Instructions are chosen from the level and put in order for this machine. */
static void tune(LLVMModuleRef module) {
  static const char name[] = "tune-cpu";
  char *host = LLVMGetHostCPUName();
  LLVMContextRef context = LLVMGetModuleContext(module);
  LLVMAttributeRef here =
      LLVMCreateStringAttribute(context, name, sizeof name - 1, host, (unsigned)strlen(host));
  for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
    if (!LLVMIsDeclaration(f))
      LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, here);
  LLVMDisposeMessage(host);
}

static void set_target(const Machine *m, LLVMModuleRef module) {
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine);
  LLVMSetTarget(module, m->triple);
  LLVMSetModuleDataLayout(module, layout);
  LLVMDisposeTargetData(layout);
}

static LLVMMemoryBufferRef object_make(const Machine *m, LLVMModuleRef module, char *error,
                                       size_t size) {
  LLVMMemoryBufferRef object = NULL;
  char *reason = NULL;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &reason))
    bug("the LLVM module is wrong: %s", reason);
  LLVMDisposeMessage(reason);
  if (!optimise(m, module, error, size)) return NULL;
  reason = NULL;
  if (!LLVMTargetMachineEmitToMemoryBuffer(m->machine, module, LLVMObjectFile, &reason, &object))
    return object;
  fail(error, size, "LLVM's code generator", reason ? reason : "failed");
  LLVMDisposeMessage(reason);
  return NULL;
}

/* The object of a module that was compiled before, or a new one. The name is a hash of all that
 * decides the code: the module's bitcode, LLVM's version, the CPU and its features. */
static LLVMMemoryBufferRef object_find(const Machine *m, Arena *arena, LLVMModuleRef module,
                                       char *error, size_t error_size) {
  LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(module);
  const char *target = arena_printf(arena, "%s %s %s", native_compiler(arena), m->cpu, m->features);
  uint64_t hash[2] = {HASH_SEED, ~HASH_SEED};
  for (int i = 0; i < 2; i++) {
    hash[i] = hash_bytes(hash[i], target, strlen(target));
    hash[i] = hash_bytes(hash[i], LLVMGetBufferStart(bitcode), LLVMGetBufferSize(bitcode));
  }
  LLVMDisposeMemoryBuffer(bitcode);
  const char *name = arena_printf(arena, "%016llx%016llx.o", (unsigned long long)hash[0],
                                  (unsigned long long)hash[1]);
  size_t size;
  char *kept = cache_read(name, &size);
  if (kept) {
    LLVMMemoryBufferRef object = LLVMCreateMemoryBufferWithMemoryRangeCopy(kept, size, name);
    free(kept);
    return object;
  }
  LLVMMemoryBufferRef object = object_make(m, module, error, error_size);
  if (object) cache_write(name, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
  return object;
}

static LLVMMemoryBufferRef code_object(const Code *code, char *error, size_t size) {
  Machine m = {0};
  LLVMMemoryBufferRef object = NULL;
  if (machine_make(&m, code_cpu(code)->march, error, size)) {
    Arena *arena = arena_make();
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = emit_llvm(code, arena, context);
    set_target(&m, module);
    tune(module);
    object = object_find(&m, arena, module, error, size);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    arena_free(arena);
  }
  machine_free(&m);
  return object;
}

bool native_object(const Code *code, FILE *out, char *error, size_t size) {
  LLVMMemoryBufferRef object = code_object(code, error, size);
  if (!object) return false;
  size_t bytes = LLVMGetBufferSize(object);
  bool good = fwrite(LLVMGetBufferStart(object), 1, bytes, out) == bytes;
  LLVMDisposeMemoryBuffer(object);
  return good || fail(error, size, "the object file", "cannot be written");
}

const char *native_compiler(Arena *arena) {
  unsigned major, minor, patch;
  LLVMGetVersion(&major, &minor, &patch);
  return arena_printf(arena, "LLVM %u.%u.%u", major, minor, patch);
}

void native_print(const Code *code, FILE *out) {
  Arena *arena = arena_make();
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = emit_llvm(code, arena, context);
  char *text = LLVMPrintModuleToString(module);
  fputs(text, out);
  LLVMDisposeMessage(text);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  arena_free(arena);
}

/* ---- in this process ---- */

/* Symbols of this process, and where the C library has vector functions, those. */
static LLVMErrorRef add_libraries(LLVMOrcLLJITRef jit) {
  LLVMOrcJITDylibRef dylib = LLVMOrcLLJITGetMainJITDylib(jit);
  char prefix = LLVMOrcLLJITGetGlobalPrefix(jit);
  LLVMOrcDefinitionGeneratorRef generator;
  LLVMErrorRef failed =
      LLVMOrcCreateDynamicLibrarySearchGeneratorForProcess(&generator, prefix, NULL, NULL);
  if (failed) return failed;
  LLVMOrcJITDylibAddGenerator(dylib, generator);
#if defined __x86_64__ && defined __GLIBC__
  failed = LLVMOrcCreateDynamicLibrarySearchGeneratorForPath(&generator, "libmvec.so.1", prefix,
                                                             NULL, NULL);
  if (failed) return failed;
  LLVMOrcJITDylibAddGenerator(dylib, generator);
#endif
  return NULL;
}

static void close_jit(void *jit) { LLVMConsumeError(LLVMOrcDisposeLLJIT(jit)); }

/* Takes the object. */
static LLVMErrorRef object_add(LLVMOrcLLJITRef jit, LLVMMemoryBufferRef object) {
  LLVMErrorRef failed = add_libraries(jit);
  if (!failed) return LLVMOrcLLJITAddObjectFile(jit, LLVMOrcLLJITGetMainJITDylib(jit), object);
  LLVMDisposeMemoryBuffer(object);
  return failed;
}

Loaded *load_native(const Code *code, char *error, size_t size) {
  LLVMMemoryBufferRef object = code_object(code, error, size);
  LLVMOrcLLJITRef jit = NULL;
  LLVMOrcExecutorAddress address = 0;
  if (!object) return NULL;
  LLVMErrorRef failed = LLVMOrcCreateLLJIT(&jit, NULL);
  if (failed)
    LLVMDisposeMemoryBuffer(object);
  else
    failed = object_add(jit, object);
  if (!failed) failed = LLVMOrcLLJITLookup(jit, &address, "rlc_module");
  if (!failed) return loaded_make((const RlcModule *)address, jit, close_jit);
  fail_llvm(error, size, "generated code does not load", failed);
  if (jit) close_jit(jit);
  return NULL;
}
