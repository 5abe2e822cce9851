/* Elements of slots: where a coordinate lies, and copying between a slot's layout and plain
 * row-major order. */
#ifndef RLC_RUNTIME_SLOT_H
#define RLC_RUNTIME_SLOT_H

#include "runtime/rlc.h"

uint64_t rlc_slot_elements(const RlcSlot *slot); /* real elements: the product of the extents */
uint64_t rlc_slot_index(const RlcSlot *slot,
                        const uint32_t *coordinates); /* element offset inside the slot */
double rlc_slot_get(const RlcSlot *slot, const char *memory,
                    uint64_t plain); /* `plain`: row-major number of the element */
void rlc_slot_set(const RlcSlot *slot, char *memory, uint64_t plain, double value);
/* Whole slots to and from plain row-major arrays; the fast paths of acting and sampling use
 * precomputed strides instead. */
void rlc_slot_export(const RlcSlot *slot, const char *memory, double *plain);
void rlc_slot_import(const RlcSlot *slot, char *memory, const double *plain);
/* First slot of that name or RLC_NONE. */
uint32_t rlc_slot_find(const RlcModule *module, const char *name);

/* Bytes of scratch of a program (RLC_NONE: none), and those that every program can do with. */
static inline uint64_t rlc_program_bytes(const RlcModule *module, uint32_t program,
                                         uint32_t threads) {
  if (program == RLC_NONE) return 0;
  return module->programs[program].work_bytes + threads * module->programs[program].thread_bytes;
}

static inline uint64_t rlc_work_bytes(const RlcModule *module, uint32_t threads) {
  uint64_t most = 0;
  for (uint32_t i = 0; i < module->program_count; i++) {
    uint64_t bytes = rlc_program_bytes(module, i, threads);
    if (bytes > most) most = bytes;
  }
  return most;
}

#endif
