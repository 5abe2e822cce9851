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

/* ---- making ---- */

/* The element offset of a plain element number. */
static uint64_t whole_offset(const SlotShape *shape, uint64_t plain) {
  return slot_offset(shape, plain / shape->extent, plain % shape->extent);
}

static void whole_fill(Whole *whole) {
  SlotShape shape = slot_shape(whole->slot);
  uint32_t width = whole->width;
  for (uint32_t t = 0; t < whole->steps; t++)
    whole->time[t] = whole_offset(&shape, (uint64_t)t * whole->envs * width);
  for (uint32_t e = 0; e < whole->envs; e++)
    whole->env[e] = whole_offset(&shape, (uint64_t)e * width);
  for (uint32_t c = 0; c < width; c++) whole->column[c] = whole_offset(&shape, c);
  for (uint32_t c = width; c-- > 0;) {
    bool joined = c + 1 < width && whole->column[c + 1] == whole->column[c] + 1;
    whole->run[c] = joined ? whole->run[c + 1] + 1 : 1;
  }
}

/* The longest run of environments that every step is made of; 1 where there is none. */
static uint32_t whole_together(const Whole *whole) {
  uint32_t together = 0, width = whole->width;
  if (whole->run[0] != width) return 1;
  while (together < whole->envs && whole->env[together] == (uint64_t)together * width) together++;
  for (uint32_t e = 0; e < whole->envs; e++) {
    uint32_t first = e / together * together;
    if (whole->env[e] != whole->env[first] + (uint64_t)(e - first) * width) return 1;
  }
  return together;
}

bool whole_make(Whole *whole, const RlcModule *module, uint32_t slot, uint32_t steps, uint32_t envs,
                RunError *error) {
  *whole = (Whole){.steps = steps, .envs = envs};
  if (slot == RLC_NONE) return true;
  const RlcSlot *place = &module->slots[slot];
  if (place->rank < 2 || place->dims[0].extent != steps || place->dims[1].extent != envs)
    return run_fail(error, "slot '%s' does not begin with the rollout's [%u][%u]", place->name,
                    steps, envs);
  whole->slot = place;
  whole->width = (uint32_t)(rlc_slot_elements(place) / ((uint64_t)steps * envs));
  whole->time = run_take(steps, sizeof *whole->time, error);
  whole->env = run_take(envs, sizeof *whole->env, error);
  whole->column = run_take(whole->width, sizeof *whole->column, error);
  whole->run = run_take(whole->width, sizeof *whole->run, error);
  if (!whole->time || !whole->env || !whole->column || !whole->run) return false;
  whole_fill(whole);
  whole->together = whole_together(whole);
  return true;
}

void whole_free(Whole *whole) {
  free(whole->time);
  free(whole->env);
  free(whole->column);
  free(whole->run);
  *whole = (Whole){0};
}

/* ---- rows ---- */

/* One side of a copy: elements of a type at offsets from `base`. */
typedef struct Side {
  char *base;
  uint8_t type;
  const uint64_t *column;
  const uint32_t *run;
} Side;

static Side side_whole(const Whole *whole, char *memory) {
  return (Side){memory + whole->slot->offset, whole->slot->type, whole->column, whole->run};
}

static Side side_rows(const Rows *rows, char *memory) {
  return (Side){memory + rows->slot->offset, rows->slot->type, rows->column, rows->run};
}

static void row_copy(const Side *to, uint64_t to_row, const Side *from, uint64_t from_row,
                     uint32_t width) {
  for (uint32_t c = 0, n; c < width; c += n) {
    n = to->run[c] < from->run[c] ? to->run[c] : from->run[c];
    run_copy(to->base + (to_row + to->column[c]) * type_bytes(to->type), to->type,
             from->base + (from_row + from->column[c]) * type_bytes(from->type), from->type, n);
  }
}

/* Whether rows are words one behind the other on both sides: most are, and go without a call. */
static bool rows_are_words(const Side *to, const Side *from, uint32_t width) {
  return to->type == from->type && to->type != RLC_F64 && to->run[0] == width &&
         from->run[0] == width && width <= 32;
}

static inline void words_copy(char *to, const char *from, uint32_t width) {
  uint32_t c = 0;
  for (; c + 4 <= width; c += 4) memcpy(to + 4 * c, from + 4 * c, 16);
  for (; c < width; c++) memcpy(to + 4 * c, from + 4 * c, 4);
}

/* Floats into a slot of floats: as few pieces as the layout has. */
static void floats_put(const Whole *whole, float *step, const float *values) {
  uint32_t width = whole->width, together = whole->together;
  for (uint32_t e = 0; e < whole->envs; e += together) {
    uint32_t rows = whole->envs - e < together ? whole->envs - e : together;
    float *to = step + whole->env[e];
    const float *from = values + (size_t)e * width;
    if (rows * width > 8)
      memcpy(to, from, (size_t)rows * width * sizeof *to);
    else
      words_copy((char *)to, (const char *)from, rows * width);
  }
}

void whole_put(const Whole *whole, char *memory, uint32_t t, const float *values) {
  if (!whole->slot) return;
  uint32_t width = whole->width;
  uint8_t type = whole->slot->type;
  char *base = memory + whole->slot->offset;
  if (type == RLC_F32 && whole->run[0] == width) {
    floats_put(whole, (float *)base + whole->time[t], values);
    return;
  }
  for (uint32_t e = 0; e < whole->envs; e++, values += width)
    for (uint32_t c = 0; c < width; c += whole->run[c])
      run_copy(base + (whole->time[t] + whole->env[e] + whole->column[c]) * type_bytes(type), type,
               (const char *)(values + c), RLC_F32, whole->run[c]);
}

void whole_keep(const Whole *whole, char *memory, uint32_t t, const Rows *rows) {
  if (!whole->slot) return;
  Side to = side_whole(whole, memory), from = side_rows(rows, memory);
  bool words = rows_are_words(&to, &from, whole->width);
  for (uint32_t e = 0; e < whole->envs; e++) {
    uint64_t row = whole->time[t] + whole->env[e];
    if (words)
      words_copy(to.base + row * 4, from.base + rows->row[e] * 4, whole->width);
    else
      row_copy(&to, row, &from, rows->row[e], whole->width);
  }
}

void whole_give(const Whole *whole, char *memory, const RowAt *order, const Rows *rows,
                uint32_t first, uint32_t end) {
  Side to = side_rows(rows, memory), from = side_whole(whole, memory);
  bool words = rows_are_words(&to, &from, whole->width);
  for (uint32_t i = first; i < end; i++) {
    uint64_t row = whole->time[order[i].t] + whole->env[order[i].env];
    if (words)
      words_copy(to.base + rows->row[i] * 4, from.base + row * 4, whole->width);
    else
      row_copy(&to, rows->row[i], &from, row, whole->width);
  }
}
