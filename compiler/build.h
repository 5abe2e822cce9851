/* From a module to something that runs: options of the code generator, the C compiler, where the
 * runtime lies. */
#ifndef RLC_COMPILER_BUILD_H
#define RLC_COMPILER_BUILD_H

#include "codegen/codegen.h"
#include "compiler/commands/session.h"

/* Takes --target, "native" when it is not given; "oracle" is one where a program runs at once.
 * False after a message. */
bool build_target(Session *session, bool oracle);

/* Whether there is the CPU that --march names, and with `run` whether it is of this machine's
 * architecture. False after a message. */
bool build_march(const Session *session, bool run);

/* Whether what makes code for the target is here, a GPU's NVRTC, and with `run` its card. So what
 * takes long is not begun for nothing. False after a message. */
bool build_tools(const Session *session, bool run);

/* The architecture that --march names for a GPU, of the card here where it names none or "native",
 * and sm_90 where there is no card. */
const char *build_arch(Arena *arena, const char *march);

/* What a GPU's code was made for and by, in words with a blank before them; "" for a CPU's. */
const char *build_words(const Session *session, const Code *code);

/* float32 for this machine's vectors, with the compiler and its flags named for provenance. */
CodegenOptions build_options(Arena *arena, const char *target);

/* The session's module, which has been through the passes, as code for this machine or what --march
 * names, with marks between the kernels when --measure was given. NULL after
 * reporting that a program would need more memory than 8 GiB, at the place of its largest tensor.
 */
Code *build_code(Session *session);

/* The folder with runtime/rlc.h, and the runtime's library: beside this executable (build/rlc) or
 * under $RLC_HOME. False after a message. */
bool build_find(Arena *arena, const char **include, const char **library);

/* The code in this process, for the target that it was made for. NULL after a message. */
Loaded *build_load(Arena *arena, const Code *code);
/* The same with programs that run here, whatever they are for: a GPU's are compiled by the C
 * compiler, with CUDA's built-ins played on one thread. */
Loaded *build_load_on_cpu(Arena *arena, const Code *code);

/* The session's spec in memory, ready to run, for what --target says. NULL after a message.
 * `loaded` is to be closed after use, unless it stays NULL, as it does for the oracle. */
const RlcModule *build_session(Session *session, Loaded **loaded);

/* Compiles the code to an executable trainer at `output`, through a temporary name. False after a
 * message. */
bool build_trainer(Arena *arena, const Code *code, const char *output);

#endif
