/* Row access to slots: the offset of element (row, column) is row[r] + column[c], because a layout
 * never mixes the first dimensions with the last. */
#include "runtime/rows.h"
#include "runtime/slot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void *run_take(size_t count, size_t bytes, RunError *error) {
  void *memory = calloc(count ? count : 1, bytes ? bytes : 1);
  if (!memory) run_fail_memory(error, "out of memory: %zu x %zu bytes are not there", count, bytes);
  return memory;
}

uint64_t slot_fault(const RlcSlot *slot, const char *memory) {
  if (slot->type == RLC_I32) return UINT64_MAX;
  SlotShape shape = slot_shape(slot);
  const char *base = memory + slot->offset;
  for (uint64_t row = 0; row < shape.outer; row++)
    for (uint64_t from = 0; from < shape.extent; from += shape.panel) {
      uint64_t left = shape.extent - from, n = left < shape.panel ? left : shape.panel;
      uint64_t at = slot_offset(&shape, row, from);
      for (uint64_t j = 0; j < n; j++) {
        double value =
            slot->type == RLC_F32 ? ((const float *)base)[at + j] : ((const double *)base)[at + j];
        if (!isfinite(value)) return row * shape.extent + from + j;
      }
    }
  return UINT64_MAX;
}

/* The element offset of row r, column c, where columns number all dims but the first. */
static uint64_t rows_offset(const RlcSlot *slot, uint32_t r, uint32_t c, uint32_t width) {
  SlotShape shape = slot_shape(slot);
  uint64_t plain = (uint64_t)r * width + c;
  return slot_offset(&shape, plain / shape.extent, plain % shape.extent);
}

static void rows_fill(Rows *rows) {
  for (uint32_t r = 0; r < rows->count; r++)
    rows->row[r] = rows_offset(rows->slot, r, 0, rows->width);
  for (uint32_t c = 0; c < rows->width; c++)
    rows->column[c] = rows_offset(rows->slot, 0, c, rows->width) - rows->row[0];
  for (uint32_t c = rows->width; c-- > 0;) {
    bool joined = c + 1 < rows->width && rows->column[c + 1] == rows->column[c] + 1;
    rows->run[c] = joined ? rows->run[c + 1] + 1 : 1;
  }
  rows->plain = rows->slot->type == RLC_F32 && rows->run[0] == rows->width;
  for (uint32_t r = 0; r < rows->count && rows->plain; r++)
    rows->plain = rows->row[r] == (uint64_t)r * rows->width;
}

/* Whether the first dims number so many rows. */
static bool rows_lead(const RlcSlot *slot, uint32_t count) {
  uint64_t rows = 1;
  for (uint32_t i = 0; i < slot->rank; i++)
    if ((rows *= slot->dims[i].extent) == count) return true;
  return false;
}

bool rows_make(Rows *rows, const RlcModule *module, uint32_t slot, uint32_t count, uint32_t width,
               RunError *error) {
  *rows = (Rows){.count = count, .width = width};
  if (slot == RLC_NONE) return true;
  const RlcSlot *place = &module->slots[slot];
  if (!rows_lead(place, count) || rlc_slot_elements(place) != (uint64_t)count * width)
    return run_fail(error, "slot '%s' has not the shape [%u][%u] that its use needs", place->name,
                    count, width);
  rows->slot = place;
  rows->row = run_take(count, sizeof *rows->row, error);
  rows->column = run_take(width, sizeof *rows->column, error);
  rows->run = run_take(width, sizeof *rows->run, error);
  if (!rows->row || !rows->column || !rows->run) return false;
  rows_fill(rows);
  return true;
}

void rows_free(Rows *rows) {
  free(rows->row);
  free(rows->column);
  free(rows->run);
  *rows = (Rows){0};
}

void rows_put(const Rows *rows, char *memory, uint32_t row, const float *values) {
  if (!rows->slot) return;
  char *base = memory + rows->slot->offset;
  uint64_t at = rows->row[row];
  switch ((RlcType)rows->slot->type) {
  case RLC_F32:
    for (uint32_t c = 0; c < rows->width; c += rows->run[c])
      memcpy((float *)base + at + rows->column[c], values + c, rows->run[c] * sizeof *values);
    break;
  case RLC_F64:
    for (uint32_t c = 0; c < rows->width; c++) ((double *)base)[at + rows->column[c]] = values[c];
    break;
  case RLC_I32:
    for (uint32_t c = 0; c < rows->width; c++)
      ((int32_t *)base)[at + rows->column[c]] = (int32_t)values[c];
    break;
  }
}

void rows_get(const Rows *rows, const char *memory, uint32_t row, float *values) {
  const char *base = memory + rows->slot->offset;
  uint64_t at = rows->row[row];
  for (uint32_t c = 0; c < rows->width; c++) {
    uint64_t i = at + rows->column[c];
    switch ((RlcType)rows->slot->type) {
    case RLC_F32:
      values[c] = ((const float *)base)[i];
      break;
    case RLC_F64:
      values[c] = (float)((const double *)base)[i];
      break;
    case RLC_I32:
      values[c] = (float)((const int32_t *)base)[i];
      break;
    }
  }
}

void rows_put_all(const Rows *rows, char *memory, const float *values) {
  if (!rows->slot) return;
  size_t count = rows->count, width = rows->width;
  if (rows->plain)
    memcpy(memory + rows->slot->offset, values, count * width * sizeof *values);
  else
    for (size_t i = 0; i < count; i++) rows_put(rows, memory, (uint32_t)i, values + i * width);
}

void rows_get_all(const Rows *rows, const char *memory, float *values) {
  if (!rows->slot) return;
  size_t count = rows->count, width = rows->width;
  if (rows->plain)
    memcpy(values, memory + rows->slot->offset, count * width * sizeof *values);
  else
    for (size_t i = 0; i < count; i++) rows_get(rows, memory, (uint32_t)i, values + i * width);
}

void rows_gather(const Rows *rows, char *memory, uint32_t from, uint32_t to,
                 const float *const *source, uint32_t at) {
  if (!rows->slot) return;
  float *base = (float *)(memory + rows->slot->offset);
  uint32_t width = rows->width;
  bool direct = rows->slot->type == RLC_F32 && rows->run[0] == width;
  if (direct && width == 1) {
    for (uint32_t i = from; i < to; i++) base[rows->row[i]] = source[i][at];
  } else if (direct && width <= 32) { /* shorter than the call of memcpy */
    for (uint32_t i = from; i < to; i++) {
      float *row = base + rows->row[i];
      const float *values = source[i] + at;
      for (uint32_t c = 0; c < width; c++) row[c] = values[c];
    }
  } else {
    for (uint32_t i = from; i < to; i++) rows_put(rows, memory, i, source[i] + at);
  }
}
