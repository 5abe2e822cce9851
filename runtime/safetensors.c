/* Slots to and from safetensors; see safetensors.h. Tensors stand in the order of the module's
 * slots, those of eight-byte elements first, so that every tensor is aligned to its elements. */
#include "runtime/safetensors.h"

#include "runtime/json.h"
#include "runtime/slot.h"
#include <stdlib.h>
#include <string.h>

/* The element types by the names that the format gives them; the last one is read alone. */
static const struct {
  const char *name;
  uint32_t bytes;
} types[] = {[RLC_F32] = {"F32", 4},
             [RLC_F64] = {"F64", 8},
             [RLC_I32] = {"I32", 4},
             [SAFETENSORS_BOOL] = {"BOOL", 1}};
enum { TYPES = sizeof types / sizeof types[0] };

bool safetensors_saves(const RlcSlot *slot) {
  return slot->kind == RLC_PARAMETER || slot->kind == RLC_TARGET || slot->kind == RLC_OPTIMIZER ||
         slot->kind == RLC_STATE;
}

static uint64_t plain_bytes(const RlcSlot *slot) {
  return rlc_slot_elements(slot) * types[slot->type].bytes;
}

/* The saved slot after `slot` in the order of the file; NULL at the end. Start with NULL. */
static const RlcSlot *next_saved(const RlcModule *module, const RlcSlot *slot) {
  uint32_t width = slot ? types[slot->type].bytes : 8;
  uint32_t at = slot ? (uint32_t)(slot - module->slots) + 1 : 0;
  for (; width >= 4; width -= 4, at = 0)
    for (; at < module->slot_count; at++)
      if (safetensors_saves(&module->slots[at]) && types[module->slots[at].type].bytes == width)
        return &module->slots[at];
  return NULL;
}

/* ---- a slot's elements in plain order ---- */

/* Goes through a slot in plain row-major order, in runs that lie together in its layout. */
typedef struct Runs {
  const RlcSlot *slot;
  uint32_t at[RLC_MAX_RANK];
  uint64_t first, count; /* the run: elements of the slot's storage */
  bool begun;
} Runs;

/* Moves `at` to the start of the next run; false behind the last element. */
static bool runs_advance(Runs *runs) {
  const RlcSlot *slot = runs->slot;
  if (slot->rank == 0) return false;
  uint32_t axis = slot->rank - 1u;
  runs->at[axis] += (uint32_t)runs->count;
  while (runs->at[axis] >= slot->dims[axis].extent) {
    runs->at[axis] = 0;
    if (axis == 0) return false;
    runs->at[--axis]++;
  }
  return true;
}

static bool runs_next(Runs *runs) {
  const RlcSlot *slot = runs->slot;
  if (!runs->begun && rlc_slot_elements(slot) == 0) return false;
  if (runs->begun && !runs_advance(runs)) return false;
  runs->begun = true;
  runs->count = 1;
  if (slot->rank > 0) {
    uint32_t extent = slot->dims[slot->rank - 1].extent, column = runs->at[slot->rank - 1];
    runs->count = extent - column;
    if (slot->panel > 0 && runs->count > slot->panel) runs->count = slot->panel;
  }
  runs->first = rlc_slot_index(slot, runs->at);
  return true;
}

void safetensors_put_data(FileOutput *out, const RlcModule *module, const char *memory) {
  for (const RlcSlot *slot = NULL; (slot = next_saved(module, slot));) {
    uint32_t width = types[slot->type].bytes;
    for (Runs runs = {.slot = slot}; runs_next(&runs);)
      output_put(out, memory + slot->offset + runs.first * width, runs.count * width);
  }
}

static void import_slot(const RlcSlot *slot, char *memory, const char *data) {
  uint32_t width = types[slot->type].bytes;
  for (Runs runs = {.slot = slot}; runs_next(&runs); data += runs.count * width)
    memcpy(memory + slot->offset + runs.first * width, data, runs.count * width);
}

/* ---- writing the header ---- */

static void put_metadata(JsonWriter *json, const RlcModule *module) {
  json_name(json, "__metadata__");
  json_open(json, '{');
  json_name(json, "format");
  json_string(json, "rlc 1");
  for (const RlcSlot *slot = NULL; (slot = next_saved(module, slot));) {
    char name[SAFETENSORS_NAME + 8], axes[512] = "";
    size_t used = 0;
    snprintf(name, sizeof name, "axes.%s", slot->name);
    for (uint32_t i = 0; i < slot->rank && used < sizeof axes; i++)
      used += (size_t)snprintf(axes + used, sizeof axes - used, "%s%s", i > 0 ? "," : "",
                               slot->dims[i].axis);
    json_name(json, name);
    json_string(json, axes);
  }
  json_close(json);
}

static void put_entry(JsonWriter *json, const RlcSlot *slot, uint64_t begin) {
  json_name(json, slot->name);
  json_open(json, '{');
  json_name(json, "dtype");
  json_string(json, types[slot->type].name);
  json_name(json, "shape");
  json_open(json, '[');
  for (uint32_t i = 0; i < slot->rank; i++) json_u64(json, slot->dims[i].extent);
  json_close(json);
  json_name(json, "data_offsets");
  json_open(json, '[');
  json_u64(json, begin);
  json_u64(json, begin + plain_bytes(slot));
  json_close(json);
  json_close(json);
}

static void put_json(FileOutput *out, const RlcModule *module) {
  JsonWriter json = json_writer(out, 0);
  uint64_t begin = 0;
  json_open(&json, '{');
  put_metadata(&json, module);
  for (const RlcSlot *slot = NULL; (slot = next_saved(module, slot));) {
    put_entry(&json, slot, begin);
    begin += plain_bytes(slot);
  }
  json_close(&json);
}

void safetensors_put_header(FileOutput *out, const RlcModule *module) {
  FileOutput count;
  output_count(&count, NULL, 0);
  put_json(&count, module);
  uint64_t padding = -count.bytes & 7, bytes = count.bytes + padding;
  output_put(out, &bytes, sizeof bytes);
  put_json(out, module);
  output_put(out, "        ", padding);
}

/* ---- reading the header ---- */

static void parse_type(JsonReader *json, SafeTensor *tensor) {
  char name[16];
  json_read_string(json, name, sizeof name);
  for (tensor->type = 0; tensor->type < TYPES; tensor->type++)
    if (strcmp(name, types[tensor->type].name) == 0) return;
  if (!json->problem) json->problem = "an element type that is not F32, F64, I32 or BOOL";
}

static void parse_shape(JsonReader *json, SafeTensor *tensor) {
  tensor->rank = 0;
  json_enter(json, '[');
  while (json_next(json, NULL, 0)) {
    uint64_t extent = json_read_u64(json);
    if (tensor->rank < RLC_MAX_RANK)
      tensor->shape[tensor->rank++] = extent;
    else
      json->problem = "a tensor of too many axes";
  }
}

static void parse_offsets(JsonReader *json, SafeTensor *tensor) {
  json_enter(json, '[');
  if (json_next(json, NULL, 0)) tensor->begin = json_read_u64(json);
  if (json_next(json, NULL, 0)) tensor->end = json_read_u64(json);
  if (json_next(json, NULL, 0)) json->problem = "more than two offsets";
}

/* Whether the offsets are those of so many elements, inside the data. */
static bool right_size(const SafeTensor *tensor, uint64_t data_bytes) {
  uint64_t bytes = types[tensor->type].bytes;
  for (uint32_t i = 0; i < tensor->rank; i++)
    if (__builtin_mul_overflow(bytes, tensor->shape[i], &bytes)) return false;
  return tensor->begin <= tensor->end && tensor->end <= data_bytes &&
         tensor->end - tensor->begin == bytes;
}

static void parse_tensor(JsonReader *json, SafeTensor *tensor, uint64_t data_bytes) {
  char key[32];
  int found = 0;
  json_enter(json, '{');
  while (json_next(json, key, sizeof key)) {
    if (strcmp(key, "dtype") == 0)
      parse_type(json, tensor), found |= 1;
    else if (strcmp(key, "shape") == 0)
      parse_shape(json, tensor), found |= 2;
    else if (strcmp(key, "data_offsets") == 0)
      parse_offsets(json, tensor), found |= 4;
    else
      json->problem = "a tensor with an unknown key";
  }
  if (json->problem) return;
  if (found != 7)
    json->problem = "a tensor without dtype, shape or data_offsets";
  else if (!right_size(tensor, data_bytes))
    json->problem = "offsets that do not fit the shape";
}

/* A fresh element at the end of the list; NULL when memory is short. */
static SafeTensor *append_tensor(SafeTensors *file) {
  if ((file->count & (file->count - 1)) == 0) { /* full at 0, 1, 2, 4, 8 ... */
    size_t room = file->count > 0 ? 2 * file->count : 1;
    SafeTensor *larger = realloc(file->tensors, room * sizeof *larger);
    if (!larger) return NULL;
    file->tensors = larger;
  }
  SafeTensor *tensor = &file->tensors[file->count++];
  memset(tensor, 0, sizeof *tensor);
  return tensor;
}

static int by_begin(const void *left, const void *right) {
  const SafeTensor *a = left, *b = right;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

/* Puts the tensors in the order of their data; false when they do not cover it exactly. */
static bool covers_data(SafeTensors *file, uint64_t data_bytes) {
  uint64_t at = 0;
  if (file->count > 0) qsort(file->tensors, file->count, sizeof *file->tensors, by_begin);
  for (size_t i = 0; i < file->count; i++) {
    if (file->tensors[i].begin != at) return false;
    at = file->tensors[i].end;
  }
  return at == data_bytes;
}

bool safetensors_parse(SafeTensors *file, const char *header, size_t bytes, uint64_t data_bytes,
                       RunError *error) {
  char name[SAFETENSORS_NAME];
  JsonReader json = json_reader(header, bytes);
  *file = (SafeTensors){0};
  json_enter(&json, '{');
  while (json_next(&json, name, sizeof name)) {
    if (strcmp(name, "__metadata__") == 0) {
      json_skip(&json);
      continue;
    }
    SafeTensor *tensor = append_tensor(file);
    if (!tensor) return run_fail(error, "no memory for the list of tensors");
    memcpy(tensor->name, name, sizeof name);
    parse_tensor(&json, tensor, data_bytes);
    if (json.problem) return run_fail(error, "tensor '%.64s': %s", name, json.problem);
  }
  if (!json_finish(&json)) return run_fail(error, "its header is not good: %s", json.problem);
  if (!covers_data(file, data_bytes)) return run_fail(error, "its tensors do not fill its data");
  return true;
}

void safetensors_free(SafeTensors *file) {
  free(file->tensors);
  *file = (SafeTensors){0};
}

/* ---- a file against a module ---- */

static const SafeTensor *find_tensor(const SafeTensors *file, const char *name) {
  for (size_t i = 0; i < file->count; i++)
    if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
  return NULL;
}

static bool same_shape(const SafeTensor *tensor, const RlcSlot *slot) {
  bool same = tensor->type == slot->type && tensor->rank == slot->rank;
  for (uint32_t i = 0; same && i < slot->rank; i++) same = tensor->shape[i] == slot->dims[i].extent;
  return same;
}

/* "F32[3, 4]" */
static void describe(char text[128], uint8_t type, uint32_t rank, const uint64_t *shape) {
  size_t used = (size_t)snprintf(text, 128, "%s[", types[type].name);
  for (uint32_t i = 0; i < rank && used < 128; i++)
    used += (size_t)snprintf(text + used, 128 - used, "%s%llu", i > 0 ? ", " : "",
                             (unsigned long long)shape[i]);
  if (used < 128) snprintf(text + used, 128 - used, "]");
}

static bool report_shape(const SafeTensor *tensor, const RlcSlot *slot, RunError *error) {
  uint64_t shape[RLC_MAX_RANK];
  char theirs[128], ours[128];
  for (uint32_t i = 0; i < slot->rank; i++) shape[i] = slot->dims[i].extent;
  describe(theirs, tensor->type, tensor->rank, tensor->shape);
  describe(ours, slot->type, slot->rank, shape);
  return run_fail(error, "tensor '%s' is %s there, %s in this trainer", slot->name, theirs, ours);
}

bool safetensors_match(const SafeTensors *file, const RlcModule *module, RunError *error) {
  size_t saved = 0;
  for (const RlcSlot *slot = NULL; (slot = next_saved(module, slot)); saved++) {
    const SafeTensor *tensor = find_tensor(file, slot->name);
    if (!tensor) return run_fail(error, "tensor '%s' is missing", slot->name);
    if (!same_shape(tensor, slot)) return report_shape(tensor, slot, error);
  }
  for (size_t i = 0; i < file->count; i++) {
    uint32_t slot = rlc_slot_find(module, file->tensors[i].name);
    if (slot == RLC_NONE || !safetensors_saves(&module->slots[slot]))
      return run_fail(error, "tensor '%.64s' is unknown to this trainer", file->tensors[i].name);
  }
  if (file->count == saved) return true;
  return run_fail(error, "it has %zu tensors, this trainer %zu", file->count, saved);
}

void safetensors_import(const SafeTensors *file, const RlcModule *module, char *memory,
                        const char *data) {
  for (const RlcSlot *slot = NULL; (slot = next_saved(module, slot));)
    import_slot(slot, memory, data + find_tensor(file, slot->name)->begin);
}
