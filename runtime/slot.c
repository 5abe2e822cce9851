/* Elements of slots. Both layouts are one formula: a slot is `outer` rows of `extent` elements; the
 * row number splits into a leading and a middle part around the panels. Plain slots are the case of
 * a single panel as wide as the row. */
#include "runtime/slot.h"
#include "runtime/rows.h"

#include <string.h>

SlotShape slot_shape(const RlcSlot *slot) {
  SlotShape shape = {.outer = 1, .extent = 1, .panel = 1, .blocks = 1, .middle = 1};
  if (slot->rank == 0) return shape;
  uint32_t last = slot->rank - 1u, lead = slot->panel ? slot->lead : 0;
  shape.extent = slot->dims[last].extent;
  shape.panel = slot->panel ? slot->panel : shape.extent;
  shape.blocks = shape.panel ? (shape.extent + shape.panel - 1) / shape.panel : 1;
  for (uint32_t d = 0; d < last; d++) {
    shape.outer *= slot->dims[d].extent;
    if (d >= lead) shape.middle *= slot->dims[d].extent;
  }
  return shape;
}

uint64_t slot_offset(const SlotShape *shape, uint64_t row, uint64_t column) {
  uint64_t lead = row / shape->middle, middle = row % shape->middle;
  uint64_t block = column / shape->panel, lane = column % shape->panel;
  return ((lead * shape->blocks + block) * shape->middle + middle) * shape->panel + lane;
}

uint64_t rlc_slot_elements(const RlcSlot *slot) {
  uint64_t elements = 1;
  for (uint32_t d = 0; d < slot->rank; d++) elements *= slot->dims[d].extent;
  return elements;
}

uint64_t rlc_slot_index(const RlcSlot *slot, const uint32_t *coordinates) {
  if (slot->rank == 0) return 0;
  SlotShape shape = slot_shape(slot);
  uint64_t row = 0;
  for (uint32_t d = 0; d + 1 < slot->rank; d++) row = row * slot->dims[d].extent + coordinates[d];
  return slot_offset(&shape, row, coordinates[slot->rank - 1]);
}

static double element_get(uint8_t type, const char *base, uint64_t index) {
  switch ((RlcType)type) {
  case RLC_F32:
    return ((const float *)base)[index];
  case RLC_F64:
    return ((const double *)base)[index];
  case RLC_I32:
    return ((const int32_t *)base)[index];
  }
  return 0;
}

static void element_set(uint8_t type, char *base, uint64_t index, double value) {
  switch ((RlcType)type) {
  case RLC_F32:
    ((float *)base)[index] = (float)value;
    break;
  case RLC_F64:
    ((double *)base)[index] = value;
    break;
  case RLC_I32:
    ((int32_t *)base)[index] = (int32_t)value;
    break;
  }
}

double rlc_slot_get(const RlcSlot *slot, const char *memory, uint64_t plain) {
  SlotShape shape = slot_shape(slot);
  uint64_t index = slot_offset(&shape, plain / shape.extent, plain % shape.extent);
  return element_get(slot->type, memory + slot->offset, index);
}

void rlc_slot_set(const RlcSlot *slot, char *memory, uint64_t plain, double value) {
  SlotShape shape = slot_shape(slot);
  uint64_t index = slot_offset(&shape, plain / shape.extent, plain % shape.extent);
  element_set(slot->type, memory + slot->offset, index, value);
}

void rlc_slot_export(const RlcSlot *slot, const char *memory, double *plain) {
  SlotShape shape = slot_shape(slot);
  const char *base = memory + slot->offset;
  for (uint64_t row = 0; row < shape.outer; row++)
    for (uint64_t j = 0; j < shape.extent; j++)
      *plain++ = element_get(slot->type, base, slot_offset(&shape, row, j));
}

void rlc_slot_import(const RlcSlot *slot, char *memory, const double *plain) {
  SlotShape shape = slot_shape(slot);
  char *base = memory + slot->offset;
  for (uint64_t row = 0; row < shape.outer; row++)
    for (uint64_t j = 0; j < shape.extent; j++)
      element_set(slot->type, base, slot_offset(&shape, row, j), *plain++);
}

uint32_t rlc_slot_find(const RlcModule *module, const char *name) {
  for (uint32_t i = 0; i < module->slot_count; i++)
    if (!strcmp(module->slots[i].name, name)) return i;
  return RLC_NONE;
}
