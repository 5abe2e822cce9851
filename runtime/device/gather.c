/* A replay's rows on the card, and the kernel that takes batches of them: see gather.h. */
#include "runtime/device/gather.h"
#include "runtime/device/internal.h"

#include <stdlib.h>
#include <string.h>

struct Gather {
  Mirror *mirror;
  uint32_t rows, count;
  uint32_t *slots;                /* [count] that are filled */
  DevicePlace pool, tables, from; /* from: [2][rows] */
};

/* Places of the tables in one block, in bytes. */
typedef struct Layout {
  uint64_t columns, rows, bytes;
} Layout;

static Layout layout_of(const GatherColumn *columns, uint32_t count, uint32_t rows) {
  Layout layout = {.columns = sizeof(RlcGather)};
  layout.rows = layout.columns + count * sizeof(RlcGatherColumn);
  layout.bytes = layout.rows;
  for (uint32_t i = 0; i < count; i++)
    layout.bytes += (rows + columns[i].rows->width) * sizeof(uint64_t);
  return layout;
}

/* The tables as the card reads them. */
static void tables_fill(const Gather *gather, const GatherColumn *columns, uint32_t flags,
                        char *block) {
  Layout layout = layout_of(columns, gather->count, gather->rows);
  RlcGatherColumn *to = (RlcGatherColumn *)(void *)(block + layout.columns);
  uint64_t at = layout.rows, size = gather->rows * sizeof(uint64_t);
  *(RlcGather *)(void *)block = (RlcGather){.pool = gather->pool,
                                            .from = {gather->from, gather->from + size},
                                            .columns = gather->tables + layout.columns,
                                            .column_count = gather->count,
                                            .rows = gather->rows,
                                            .flags = flags};
  for (uint32_t i = 0; i < gather->count; i++) {
    const Rows *rows = columns[i].rows;
    to[i] = (RlcGatherColumn){.slot = rows->slot->offset,
                              .row = gather->tables + at,
                              .column = gather->tables + at + size,
                              .width = rows->width,
                              .at = columns[i].at,
                              .after = columns[i].after,
                              .mask = columns[i].mask,
                              .type = rows->slot->type};
    memcpy(block + at, rows->row, size);
    memcpy(block + at + size, rows->column, rows->width * sizeof(uint64_t));
    at += size + rows->width * sizeof(uint64_t);
  }
}

static bool tables_make(Gather *gather, const GatherColumn *columns, uint32_t flags,
                        RunError *error) {
  uint64_t bytes = layout_of(columns, gather->count, gather->rows).bytes;
  char *block = run_take(1, bytes, error);
  bool good = block && mirror_take(gather->mirror, &gather->tables, bytes, error);
  if (good) {
    tables_fill(gather, columns, flags, block);
    mirror_put(gather->mirror, gather->tables, block, bytes);
  }
  free(block);
  return good;
}

Gather *gather_make(Mirror *mirror, uint64_t floats, const GatherColumn *columns, uint32_t count,
                    uint32_t rows, uint32_t flags, RunError *error) {
  Gather *gather = run_take(1, sizeof *gather, error);
  if (!gather) return NULL;
  *gather = (Gather){.mirror = mirror, .rows = rows, .count = count};
  const RlcSlot *slots = mirror_slots(mirror);
  gather->slots = run_take(count, sizeof *gather->slots, error);
  for (uint32_t i = 0; gather->slots && i < count; i++)
    gather->slots[i] = (uint32_t)(columns[i].rows->slot - slots);
  if (gather->slots && mirror_take(mirror, &gather->pool, floats * sizeof(float), error) &&
      mirror_take(mirror, &gather->from, 2 * rows * sizeof(uint64_t), error) &&
      tables_make(gather, columns, flags, error))
    return gather;
  gather_free(gather);
  return NULL;
}

void gather_free(Gather *gather) {
  if (!gather) return;
  mirror_give_back(gather->mirror, gather->pool);
  mirror_give_back(gather->mirror, gather->from);
  mirror_give_back(gather->mirror, gather->tables);
  free(gather->slots);
  free(gather);
}

void gather_put(Gather *gather, uint64_t from, const float *values, uint64_t count) {
  mirror_put(gather->mirror, gather->pool + from * sizeof(float), values, count * sizeof(float));
}

void gather_run(Gather *gather, const uint64_t *row, const uint64_t *after) {
  uint64_t bytes = gather->rows * sizeof *row;
  mirror_put(gather->mirror, gather->from, row, bytes);
  if (after) mirror_put(gather->mirror, gather->from + bytes, after, bytes);
  mirror_gather(gather->mirror, gather->tables, gather->slots, gather->count);
}
