/* The safetensors file format: eight bytes of header length, a JSON header, tensors in plain
 * row-major order. Slots that must survive the process are written to it and read from it. */
#ifndef RLC_RUNTIME_SAFETENSORS_H
#define RLC_RUNTIME_SAFETENSORS_H

#include "runtime/output.h"

#define SAFETENSORS_BOOL (RLC_I32 + 1) /* the type of bytes that are 0 or 1, in data files */
#define SAFETENSORS_NAME 256           /* bytes of the longest tensor name, with its end */

/* One tensor of a file, as its header tells. */
typedef struct SafeTensor {
  char name[SAFETENSORS_NAME];
  uint8_t type; /* RlcType, or SAFETENSORS_BOOL */
  uint32_t rank;
  uint64_t shape[RLC_MAX_RANK];
  uint64_t begin, end; /* bytes, from the start of the data */
} SafeTensor;

typedef struct SafeTensors {
  SafeTensor *tensors; /* in the order of their data, which they cover without gap or overlap */
  size_t count;
} SafeTensors;

/* Whether a slot is saved: parameters, targets, optimiser state and declared state. */
bool safetensors_saves(const RlcSlot *slot);

/* Writes the header (with its length before it, padded so that the data is aligned) and the data
 * of all saved slots. Axis names go to "__metadata__": "axes.NAME" is "in,hid" or so. */
void safetensors_put_header(FileOutput *out, const RlcModule *module);
void safetensors_put_data(FileOutput *out, const RlcModule *module, const char *memory);

/* Reads the JSON header of a file whose data has `data_bytes` bytes. Any text is answered by a
 * good list or by a message; free the list with safetensors_free either way. */
bool safetensors_parse(SafeTensors *file, const char *header, size_t bytes, uint64_t data_bytes,
                       RunError *error);
void safetensors_free(SafeTensors *file);

/* Whether a file holds exactly the saved slots of a module: names, types and shapes. */
bool safetensors_match(const SafeTensors *file, const RlcModule *module, RunError *error);

/* Copies the data of a file that matches into the slots, each in its own layout. */
void safetensors_import(const SafeTensors *file, const RlcModule *module, char *memory,
                        const char *data);

#endif
