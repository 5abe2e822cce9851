/* A module of LLVM IR to an object.
 *
 * Kernels come as vectors and tiles already, so that LLVM's pipeline has nothing to find: tiles are
 * lifted from the stack, common address arithmetic is joined, and code is generated. */
#include "codegen/llvm/native.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <string.h>

bool native_fail(char *error, size_t size, const char *what, const char *why) {
  snprintf(error, size, "%s: %s", what, why);
  return false;
}

bool native_fail_llvm(char *error, size_t size, const char *what, LLVMErrorRef reason) {
  char *text = LLVMGetErrorMessage(reason);
  native_fail(error, size, what, text);
  LLVMDisposeErrorMessage(text);
  return false;
}

/* ---- targets ---- */

/* Takes the message. */
static const char *keep(Arena *arena, char *message) {
  const char *kept = arena_copy(arena, message, strlen(message));
  LLVMDisposeMessage(message);
  return kept;
}

static void initialise(bool here) {
  if (here) {
    LLVMInitializeNativeTarget();
    LLVMInitializeNativeAsmPrinter();
    return;
  }
  LLVMInitializeAllTargetInfos();
  LLVMInitializeAllTargets();
  LLVMInitializeAllTargetMCs();
  LLVMInitializeAllAsmPrinters();
}

NativeTarget *native_target(const Code *code, Arena *arena) {
  const CpuLevel *level = code_cpu(code);
  const Cpu *cpu = code->options.cpu;
  NativeTarget *target = NEW(arena, NativeTarget);
  bool here = cpu_is_here(level);
  initialise(here);
  target->triple = here ? keep(arena, LLVMGetDefaultTargetTriple())
                        : arena_printf(arena, "%s-unknown-linux-gnu", level->arch);
  target->tune = here ? keep(arena, LLVMGetHostCPUName()) : level->march;
  if (cpu && cpu->tune) target->tune = cpu->tune;
  target->cpu = level->march ? level->march : target->tune;
  target->features = level->march ? level->more : keep(arena, LLVMGetHostCPUFeatures());
  return target;
}

/* ---- machines ---- */

static bool machine_open(Machine *m, bool cheap, char *error, size_t size) {
  const NativeTarget *t = m->target;
  LLVMTargetRef target;
  char *reason = NULL;
  if (m->machine[cheap]) return true;
  if (LLVMGetTargetFromTriple(t->triple, &target, &reason)) {
    native_fail(error, size, t->triple, reason);
    LLVMDisposeMessage(reason);
    return false;
  }
  m->machine[cheap] = LLVMCreateTargetMachine(
      target, t->triple, t->cpu, t->features,
      cheap ? LLVMCodeGenLevelNone : LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
  return m->machine[cheap] ||
         native_fail(error, size, t->triple, "no code can be made for this CPU");
}

void machine_free(Machine *m) {
  for (size_t i = 0; i < COUNTOF(m->machine); i++)
    if (m->machine[i]) LLVMDisposeTargetMachine(m->machine[i]);
}

/* ---- objects ---- */

/* Instructions are chosen from the level and put in order for this machine. */
static void tune(const NativeTarget *target, LLVMModuleRef module) {
  static const char name[] = "tune-cpu";
  LLVMAttributeRef here =
      LLVMCreateStringAttribute(LLVMGetModuleContext(module), name, sizeof name - 1, target->tune,
                                (unsigned)strlen(target->tune));
  for (LLVMValueRef f = LLVMGetFirstFunction(module); f; f = LLVMGetNextFunction(f))
    if (!LLVMIsDeclaration(f))
      LLVMAddAttributeAtIndex(f, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, here);
}

static void set_target(const Machine *m, LLVMTargetMachineRef machine, LLVMModuleRef module) {
  LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
  LLVMSetTarget(module, m->target->triple);
  LLVMSetModuleDataLayout(module, layout);
  LLVMDisposeTargetData(layout);
}

static bool optimise(LLVMTargetMachineRef machine, LLVMModuleRef module, char *error, size_t size) {
  LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
  LLVMErrorRef failed = LLVMRunPasses(module, "function(sroa,early-cse)", machine, options);
  LLVMDisposePassBuilderOptions(options);
  return !failed || native_fail_llvm(error, size, "LLVM's passes", failed);
}

static LLVMMemoryBufferRef generate(LLVMTargetMachineRef machine, LLVMModuleRef module, char *error,
                                    size_t size) {
  LLVMMemoryBufferRef object = NULL;
  char *reason = NULL;
  if (LLVMVerifyModule(module, LLVMReturnStatusAction, &reason))
    bug("the LLVM module is wrong: %s", reason);
  LLVMDisposeMessage(reason);
  if (!optimise(machine, module, error, size)) return NULL;
  reason = NULL;
  if (!LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &reason, &object))
    return object;
  native_fail(error, size, "LLVM's code generator", reason ? reason : "failed");
  LLVMDisposeMessage(reason);
  return NULL;
}

LLVMMemoryBufferRef machine_object(Machine *m, LLVMModuleRef module, bool cheap, char *error,
                                   size_t size) {
  LLVMMemoryBufferRef object = NULL;
  if (machine_open(m, cheap, error, size)) {
    set_target(m, m->machine[cheap], module);
    tune(m->target, module);
    object = generate(m->machine[cheap], module, error, size);
  }
  LLVMDisposeModule(module);
  return object;
}
