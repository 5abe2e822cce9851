/* Machine code through LLVM, from loop IR to objects. Internal to codegen/native*.c and
 * load_native.c. */
#ifndef RLC_CODEGEN_LLVM_NATIVE_H
#define RLC_CODEGEN_LLVM_NATIVE_H

#include "codegen/llvm/emit_llvm.h"

#include <llvm-c/Error.h>
#include <llvm-c/TargetMachine.h>

/* ---- native_machine.c: a module to an object ---- */

/* What code is made for, by LLVM's names. */
typedef struct NativeTarget {
  const char *triple, *cpu, *features;
  const char *tune; /* the CPU that instructions are put in order for */
} NativeTarget;

/* One thread's means to make code for a target. */
typedef struct Machine {
  const NativeTarget *target;
  LLVMTargetMachineRef machine[2]; /* with care; without, for what hardly runs. Made when needed */
} Machine;

/* Once, before any other thread starts. */
NativeTarget *native_target(const Code *code, Arena *arena);
void machine_free(Machine *machine);
/* Takes the module. NULL with a reason in error. */
LLVMMemoryBufferRef machine_object(Machine *machine, LLVMModuleRef module, bool cheap, char *error,
                                   size_t size);
bool native_fail(char *error, size_t size, const char *what, const char *why);
/* Takes the error. */
bool native_fail_llvm(char *error, size_t size, const char *what, LLVMErrorRef reason);

/* ---- native_objects.c: a program to objects ---- */

/* Objects with all bodies, and behind them the one with `rlc_module`. */
typedef struct Objects {
  LLVMMemoryBufferRef *items; /* each is NULL when it was given away */
  size_t count;
  Bodies *bodies;
} Objects;

/* Made by all processors that the options allow, or taken from the cache: the same objects
 * whichever. NULL with a reason in error. */
Objects *native_objects(const Code *code, Arena *arena, char *error, size_t size);
void native_objects_free(Objects *objects);

#endif
