/* What the parts of checkpointing share: the names of a checkpoint's files and what NAME.json
 * tells of them. The interface for trainers is in runtime/trainer.h. */
#ifndef RLC_RUNTIME_CHECKPOINT_H
#define RLC_RUNTIME_CHECKPOINT_H

#include "runtime/output.h"

#define CHECKPOINT_NAME 64   /* bytes of "000012-step-50000", with its end */
#define CHECKPOINT_JSON 4096 /* bytes of the longest NAME.json */

/* All that NAME.json holds: the trainer's own, and size and checksums of the other two files. */
typedef struct CheckpointFacts {
  CheckpointInfo info;
  uint64_t tensor_bytes;
  uint32_t tensor_header_crc, tensor_data_crc;
  uint64_t blob_bytes; /* 0: there is no blob file */
  uint32_t blob_header_crc;
} CheckpointFacts;

/* NAME.json ends with a checksum of the text before it. */
void checkpoint_put_facts(FileOutput *out, const CheckpointFacts *facts);
bool checkpoint_read_facts(CheckpointFacts *facts, const char *text, size_t bytes, RunError *error);

/* Calls `visit` with each file of DIR/checkpoints that belongs to a checkpoint: its number and
 * name, and what comes after the name (".json", ".json.tmp" ...). Allocates nothing. */
typedef void CheckpointVisit(void *context, uint64_t number, const char *name, const char *suffix);
bool checkpoint_list(const char *directory, CheckpointVisit *visit, void *context, RunError *error);
/* Whether the run directory DIR holds a checkpoint, good or not: a NAME.json. */
bool checkpoint_any(const char *directory);
/* What it says of a run directory without one. */
#define CHECKPOINT_NONE                                                                            \
  "no checkpoint was written yet in '%.400s'; remove it or choose another --out"

#endif
