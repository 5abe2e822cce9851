/* Rows of whole rollouts: see whole.h. Runs of elements that lie one behind the other on both sides
 * go as bytes when the types are equal, anything else element by element. */
#include "runtime/whole.h"
#include "runtime/slot.h"

#include <stdlib.h>
#include <string.h>

static size_t type_bytes(uint8_t type) { return type == RLC_F64 ? 8 : 4; }

static double element_get(uint8_t type, const char *at) {
  float single;
  double value = 0;
  int32_t whole;
  switch ((RlcType)type) {
  case RLC_F32:
    memcpy(&single, at, sizeof single);
    return single;
  case RLC_F64:
    memcpy(&value, at, sizeof value);
    return value;
  case RLC_I32:
    memcpy(&whole, at, sizeof whole);
    return whole;
  }
  return value;
}

static void element_set(uint8_t type, char *at, double value) {
  float single = (float)value;
  int32_t whole;
  switch ((RlcType)type) {
  case RLC_F32:
    memcpy(at, &single, sizeof single);
    break;
  case RLC_F64:
    memcpy(at, &value, sizeof value);
    break;
  case RLC_I32:
    whole = (int32_t)value;
    memcpy(at, &whole, sizeof whole);
    break;
  }
}

static void run_copy(char *to, uint8_t to_type, const char *from, uint8_t from_type,
                     uint32_t count) {
  if (to_type == from_type) {
    if (count == 1 && to_type != RLC_F64) /* shorter than the call for any length */
      memcpy(to, from, 4);
    else
      memcpy(to, from, count * type_bytes(to_type));
    return;
  }
  for (uint32_t i = 0; i < count; i++)
    element_set(to_type, to + i * type_bytes(to_type),
                element_get(from_type, from + i * type_bytes(from_type)));
}

/* The element offset of a plain element number. */
static uint64_t whole_offset(const Whole *whole, uint64_t plain) {
  return slot_offset(&whole->shape, plain / whole->shape.extent, plain % whole->shape.extent);
}

bool whole_make(Whole *whole, const RlcModule *module, uint32_t slot, uint32_t steps, uint32_t envs,
                RunError *error) {
  *whole = (Whole){.rows = (uint64_t)steps * envs};
  if (slot == RLC_NONE) return true;
  const RlcSlot *place = &module->slots[slot];
  if (place->rank < 2 || place->dims[0].extent != steps || place->dims[1].extent != envs)
    return run_fail(error, "slot '%s' does not begin with the rollout's [%u][%u]", place->name,
                    steps, envs);
  whole->slot = place;
  whole->shape = slot_shape(place);
  whole->width = (uint32_t)(rlc_slot_elements(place) / whole->rows);
  whole->column = run_take(whole->width, sizeof *whole->column, error);
  whole->run = run_take(whole->width, sizeof *whole->run, error);
  if (!whole->column || !whole->run) return false;
  for (uint32_t c = 0; c < whole->width; c++) whole->column[c] = whole_offset(whole, c);
  for (uint32_t c = whole->width; c-- > 0;) {
    bool joined = c + 1 < whole->width && whole->column[c + 1] == whole->column[c] + 1;
    whole->run[c] = joined ? whole->run[c + 1] + 1 : 1;
  }
  return true;
}

void whole_free(Whole *whole) {
  free(whole->column);
  free(whole->run);
  *whole = (Whole){0};
}

static char *whole_row(const Whole *whole, char *memory, uint64_t row) {
  return memory + whole->slot->offset +
         whole_offset(whole, row * whole->width) * type_bytes(whole->slot->type);
}

/* Elements from column c on that lie together on both sides. */
static uint32_t both_runs(const Whole *whole, const Rows *rows, uint32_t c) {
  return whole->run[c] < rows->run[c] ? whole->run[c] : rows->run[c];
}

void whole_put(const Whole *whole, char *memory, uint64_t row, const float *values) {
  if (!whole->slot) return;
  uint8_t type = whole->slot->type;
  char *base = whole_row(whole, memory, row);
  for (uint32_t c = 0; c < whole->width; c += whole->run[c])
    run_copy(base + whole->column[c] * type_bytes(type), type, (const char *)(values + c), RLC_F32,
             whole->run[c]);
}

void whole_keep(const Whole *whole, char *memory, uint64_t row, const Rows *from,
                uint32_t from_row) {
  if (!whole->slot) return;
  uint8_t to_type = whole->slot->type, from_type = from->slot->type;
  char *to = whole_row(whole, memory, row);
  const char *base = memory + from->slot->offset;
  for (uint32_t c = 0; c < whole->width; c += both_runs(whole, from, c))
    run_copy(to + whole->column[c] * type_bytes(to_type), to_type,
             base + (from->row[from_row] + from->column[c]) * type_bytes(from_type), from_type,
             both_runs(whole, from, c));
}

void whole_give(const Whole *whole, char *memory, uint64_t row, const Rows *to, uint32_t to_row) {
  uint8_t to_type = to->slot->type, from_type = whole->slot->type;
  const char *from = whole_row(whole, memory, row);
  char *base = memory + to->slot->offset;
  for (uint32_t c = 0; c < whole->width; c += both_runs(whole, to, c))
    run_copy(base + (to->row[to_row] + to->column[c]) * type_bytes(to_type), to_type,
             from + whole->column[c] * type_bytes(from_type), from_type, both_runs(whole, to, c));
}
