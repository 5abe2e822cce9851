/* The CUDA emitter: loop IR as CUDA C, in the part of the language that is C as well.
 *
 * A warp is a core with vectors of 32 lanes. An item of a kernel is a warp's; what the loop IR says
 * once, every lane says, with the same result; a vector is one value in each lane, and the
 * iterations of a loop over lanes are dealt out. A program is one cooperative kernel: all its
 * warps go through the calls, and meet at the barriers of the plan. */
#ifndef RLC_CODEGEN_CUDA_EMIT_CUDA_H
#define RLC_CODEGEN_CUDA_EMIT_CUDA_H

#include "codegen/c/emit_c.h"

enum { CUDA_SHARED = 48 * 1024 }; /* bytes that a block may have without asking */

/* Where an array of the loop IR lies. */
typedef enum Residence {
  IN_THREAD, /* each lane has all of it, with the same values */
  IN_LANES,  /* element i is lane i % 32's, which alone touches it */
  IN_WARP,   /* shared memory */
  IN_BLOCK   /* the same, of all warps of the block */
} Residence;

typedef struct ArrayPlace {
  const Registers *array;
  Residence residence;
  bool touched; /* by what was looked through so far */
  uint32_t
      offset; /* IN_WARP: bytes from the beginning of the warp's part; IN_BLOCK: of the block's */
  bool in_warps; /* declared in a loop over warps */
} ArrayPlace;

/* The arrays of a kernel, and the bytes of shared memory that a warp needs for them. A body with
 * loops over warps is a team's: all warps of a block go through an item together; their parts lie
 * behind what they share. */
typedef struct Arrays {
  Arena *arena;
  ArrayPlace *items;
  size_t count, capacity;
  uint32_t bytes, shared; /* of each warp, of the block */
  bool team, whole;       /* whole: it counts on BLOCK_WARPS warps */
} Arrays;

/* Finds them in a lowered kernel. */
Arrays arrays_find(Arena *arena, const Block *body);
const ArrayPlace *array_place(const Arrays *arrays, const Registers *array);
/* Do lanes meet in it? */
bool array_is_shared(const ArrayPlace *place);

/* Everything that generated CUDA C needs before the first kernel. `index`: the type of positions.
 * `memory`: where the tables of calls lie. */
void emit_cuda_prologue(const Code *code, const char *index, const char *memory, FILE *out);
/* Behind the module's constants: where a tensor of a table of calls lies. */
extern const char cuda_tensor[];
/* The statements of a body, its arrays found before. */
void emit_cuda_block(const Code *code, const Arrays *arrays, const Block *block, int indent,
                     FILE *out);
/* Taking batches from replays, where the module has any, with the kernel that does nothing else;
 * behind the prologue. */
void emit_cuda_gather(const Code *code, FILE *out);
/* What a program of such a module begins with. */
extern const char cuda_batches[];

#endif
