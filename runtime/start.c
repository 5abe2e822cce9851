/* The entry of a trainer: generated code brings the module, this brings main. In a program that has
 * its own main a linker leaves this out of the library. */
#include "runtime/rlc.h"

extern const RlcModule rlc_module;

int main(int argc, char **argv) { return rlc_main(&rlc_module, argc, argv); }
