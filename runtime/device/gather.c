/* A replay's rows on the card, and batches of them: see gather.h. */
#include "runtime/device/gather.h"
#include "runtime/device/internal.h"

#include <stdlib.h>
#include <string.h>

/* The card reads where a batch's rows lie from memory of the host. There are two such posts, so
 * that the host can fill one while a launch has yet to read the other. */
enum { POSTS = 2 };

struct Gather {
  Mirror *mirror;
  uint32_t rows, count;
  uint32_t *slots; /* [count] that are filled */
  DevicePlace pool, tables;
  uint64_t *posts; /* [POSTS]: a word that is zero when the post has been read, and [2][rows] */
  uint64_t begun;  /* batches */
};

static uint64_t post_words(const Gather *gather) { return 1 + 2 * (uint64_t)gather->rows; }

static uint64_t *post_of(const Gather *gather, uint64_t number) {
  return gather->posts + number % POSTS * post_words(gather);
}

/* ---- making ---- */

/* Places of the tables in one block, in bytes; an RlcGather for each post comes first. */
typedef struct Layout {
  uint64_t columns, rows, bytes;
} Layout;

static Layout layout_of(const GatherColumn *columns, uint32_t count, uint32_t rows) {
  Layout layout = {.columns = POSTS * sizeof(RlcGather)};
  layout.rows = layout.columns + count * sizeof(RlcGatherColumn);
  layout.bytes = layout.rows;
  for (uint32_t i = 0; i < count; i++)
    layout.bytes += (rows + columns[i].rows->width) * sizeof(uint64_t);
  return layout;
}

static bool any_after(const GatherColumn *columns, uint32_t count) {
  bool any = false;
  for (uint32_t i = 0; i < count; i++) any |= columns[i].after;
  return any;
}

static void columns_fill(const Gather *gather, const GatherColumn *columns, char *block) {
  Layout layout = layout_of(columns, gather->count, gather->rows);
  RlcGatherColumn *to = (RlcGatherColumn *)(void *)(block + layout.columns);
  uint64_t at = layout.rows, size = gather->rows * sizeof(uint64_t);
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

/* The tables as the card reads them. */
static void tables_fill(const Gather *gather, const GatherColumn *columns, uint32_t flags,
                        char *block) {
  RlcGather *to = (RlcGather *)(void *)block;
  for (uint64_t i = 0; i < POSTS; i++) {
    uint64_t *post = post_of(gather, i);
    to[i] = (RlcGather){.pool = gather->pool,
                        .places = (uint64_t)(uintptr_t)(post + 1),
                        .full = (uint64_t)(uintptr_t)post,
                        .columns = gather->tables +
                                   layout_of(columns, gather->count, gather->rows).columns,
                        .column_count = gather->count,
                        .rows = gather->rows,
                        .flags = flags,
                        .after = any_after(columns, gather->count)};
  }
  columns_fill(gather, columns, block);
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
  Device *device = mirror_device(mirror);
  gather->slots = run_take(count, sizeof *gather->slots, error);
  for (uint32_t i = 0; gather->slots && i < count; i++)
    gather->slots[i] = (uint32_t)(columns[i].rows->slot - device->module->slots);
  gather->posts = device_host_take(device, POSTS * post_words(gather) * sizeof(uint64_t), error);
  if (gather->slots && gather->posts &&
      mirror_take(mirror, &gather->pool, floats * sizeof(float), error) &&
      tables_make(gather, columns, flags, error))
    return gather;
  gather_free(gather);
  return NULL;
}

void gather_free(Gather *gather) {
  if (!gather) return;
  mirror_take_batches(gather->mirror);
  mirror_give_back(gather->mirror, gather->pool);
  mirror_give_back(gather->mirror, gather->tables);
  device_host_free(mirror_device(gather->mirror), gather->posts);
  free(gather->slots);
  free(gather);
}

/* ---- rows and batches ---- */

void gather_put(Gather *gather, uint64_t from, const float *values, uint64_t count) {
  mirror_put(gather->mirror, gather->pool + from * sizeof(float), values, count * sizeof(float));
}

/* A scatter of some elements of parts, beginning with number `from`. */
static void parts_fill(const Gather *gather, const GatherParts *parts, uint64_t from,
                       RlcScatter *scatter, uint64_t count) {
  uint64_t *places = (uint64_t *)(scatter + 1);
  float *values = (float *)(places + count);
  for (uint64_t i = 0; i < count; i++) {
    uint64_t row = (from + i) / parts->width, column = (from + i) % parts->width;
    places[i] = parts->row[row] * parts->stride + parts->at + column;
    values[i] = parts->rows[places[i]];
  }
  *scatter = (RlcScatter){gather->pool, (uintptr_t)places, (uintptr_t)values, count};
}

void gather_put_parts(Gather *gather, const GatherParts *parts) {
  enum { EACH = sizeof(uint64_t) + sizeof(float), HEAD = sizeof(RlcScatter) };
  uint64_t all = parts->count * parts->width, most = (MIRROR_DESK - HEAD) / EACH;
  for (uint64_t from = 0, count; from < all; from += count) {
    count = all - from < most ? all - from : most;
    RlcScatter *scatter = (void *)mirror_desk(gather->mirror, HEAD + count * EACH);
    if (!scatter) return;
    parts_fill(gather, parts, from, scatter, count);
    mirror_scatter(gather->mirror, scatter);
  }
}

uint64_t *gather_begin(Gather *gather) {
  uint64_t *post = post_of(gather, gather->begun);
  uint32_t *full = (uint32_t *)(void *)post;
  mirror_until_read(gather->mirror, full);
  (void)__atomic_load_n(full, __ATOMIC_ACQUIRE); /* what is written now, the card does not read */
  return post + 1;
}

void gather_end(Gather *gather) {
  if (!gather->count) return; /* nobody reads them */
  uint64_t number = gather->begun++;
  __atomic_store_n((uint32_t *)(void *)post_of(gather, number), 1, __ATOMIC_RELEASE);
  mirror_batch(gather->mirror, gather->tables + number % POSTS * sizeof(RlcGather), gather->slots,
               gather->count);
}
