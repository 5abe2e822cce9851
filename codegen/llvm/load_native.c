/* Machine code made by LLVM: an archive for a linker, code in this process, or its IR as text. */
#include "codegen/load.h"
#include "codegen/llvm/native.h"

#include <llvm-c/LLJIT.h>
#include <stdlib.h>
#include <string.h>

const char *native_compiler(Arena *arena) {
  unsigned major, minor, patch;
  LLVMGetVersion(&major, &minor, &patch);
  return arena_printf(arena, "LLVM %u.%u.%u", major, minor, patch);
}

void native_print(const Code *code, FILE *out) {
  Arena *arena = arena_make();
  LLVMContextRef context = LLVMContextCreate();
  const char *name = code->module->shell.name;
  Llvm *l = llvm_begin(code, arena, context, name ? name : "module");
  const Bodies *bodies = bodies_find(code, arena);
  for (size_t i = 0; i < bodies->count; i++)
    llvm_kernel(l, bodies->items[i].kernel, bodies->items[i].name);
  llvm_tables(l, bodies);
  LLVMModuleRef module = llvm_end(l);
  char *text = LLVMPrintModuleToString(module);
  fputs(text, out);
  LLVMDisposeMessage(text);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  arena_free(arena);
}

/* ---- for a linker ---- */

/* A member of an ar archive: 60 bytes of text, the contents, and to an even length. */
static bool member_write(FILE *out, size_t number, const char *data, size_t size) {
  char name[32];
  snprintf(name, sizeof name, "%zu.o/", number);
  return fprintf(out, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 0, 0, 0, 0644, size) == 60 &&
         fwrite(data, 1, size, out) == size && (size % 2 == 0 || fputc('\n', out) != EOF);
}

static bool archive_write(const Objects *objects, FILE *out) {
  bool good = fputs("!<arch>\n", out) != EOF;
  for (size_t i = 0; good && i < objects->count; i++)
    good = member_write(out, i, LLVMGetBufferStart(objects->items[i]),
                        LLVMGetBufferSize(objects->items[i]));
  return good;
}

bool native_archive(const Code *code, FILE *out, char *error, size_t size) {
  Arena *arena = arena_make();
  Objects *objects = native_objects(code, arena, error, size);
  bool good = objects && (archive_write(objects, out) ||
                          native_fail(error, size, "the object files", "cannot be written"));
  if (objects) native_objects_free(objects);
  arena_free(arena);
  return good;
}

/* ---- in this process ---- */

static LLVMOrcCSymbolMapPair symbol(LLVMOrcLLJITRef jit, const char *name,
                                    void (*function)(const RlcCall *call)) {
  LLVMJITSymbolFlags flags = {LLVMJITSymbolGenericFlagsExported | LLVMJITSymbolGenericFlagsCallable,
                              0};
  LLVMOrcExecutorAddress address = (LLVMOrcExecutorAddress)(uintptr_t)function;
  return (LLVMOrcCSymbolMapPair){LLVMOrcLLJITMangleAndIntern(jit, name), {address, flags}};
}

/* What native code calls of the runtime. */
static LLVMErrorRef add_runtime(LLVMOrcLLJITRef jit, LLVMOrcJITDylibRef dylib) {
  LLVMOrcCSymbolMapPair pairs[] = {symbol(jit, "rlc_run_kernels", rlc_run_kernels),
                                   symbol(jit, "rlc_run_marked_kernels", rlc_run_marked_kernels)};
  LLVMOrcMaterializationUnitRef unit = LLVMOrcAbsoluteSymbols(pairs, COUNTOF(pairs));
  LLVMErrorRef failed = LLVMOrcJITDylibDefine(dylib, unit);
  if (failed) LLVMOrcDisposeMaterializationUnit(unit);
  return failed;
}

/* Symbols of this process, and where the C library has vector functions, those. */
static LLVMErrorRef add_libraries(LLVMOrcLLJITRef jit, LLVMOrcJITDylibRef dylib) {
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

/* Takes the objects. */
static LLVMErrorRef add_objects(LLVMOrcLLJITRef jit, Objects *objects) {
  LLVMOrcJITDylibRef dylib = LLVMOrcLLJITGetMainJITDylib(jit);
  LLVMErrorRef failed = add_runtime(jit, dylib);
  if (!failed) failed = add_libraries(jit, dylib);
  for (size_t i = 0; i < objects->count && !failed; i++) {
    failed = LLVMOrcLLJITAddObjectFile(jit, dylib, objects->items[i]);
    objects->items[i] = NULL;
  }
  return failed;
}

static Loaded *load_objects(Objects *objects, char *error, size_t size) {
  LLVMOrcLLJITRef jit = NULL;
  LLVMOrcExecutorAddress address = 0;
  LLVMErrorRef failed = LLVMOrcCreateLLJIT(&jit, NULL);
  if (!failed) failed = add_objects(jit, objects);
  if (!failed) failed = LLVMOrcLLJITLookup(jit, &address, "rlc_module");
  if (!failed) return loaded_make((const RlcModule *)address, jit, close_jit);
  native_fail_llvm(error, size, "generated code does not load", failed);
  if (jit) close_jit(jit);
  return NULL;
}

Loaded *load_native(const Code *code, char *error, size_t size) {
  Arena *arena = arena_make();
  Loaded *loaded = NULL;
  Objects *objects = native_objects(code, arena, error, size);
  if (objects) {
    loaded = load_objects(objects, error, size);
    native_objects_free(objects);
  }
  arena_free(arena);
  return loaded;
}
