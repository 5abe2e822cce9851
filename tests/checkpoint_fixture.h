/* A module with all kinds of slots and layouts, and states of it to be saved and loaded. Include it
 * once per program. */
#ifndef RLC_TESTS_CHECKPOINT_FIXTURE_H
#define RLC_TESTS_CHECKPOINT_FIXTURE_H

#include "runtime/rlc.h"
#include "runtime/slot.h"
#include "runtime/trainer.h"
#include "tests/files_support.h"
#include "tests/suite.h"

enum { MEMORY = 16384, SLOTS = 11 };

#define SLOT(name, kind, type, rank, lead, panel, offset, bytes, ...)                              \
  { name, kind, type, rank, lead, panel, {__VA_ARGS__}, offset, bytes }

static const RlcSlot slots[SLOTS] = {
    SLOT("actor.w", RLC_PARAMETER, RLC_F32, 2, 0, 8, 0, 480, {"in", 5}, {"out", 19}),
    SLOT("norm.mean", RLC_STATE, RLC_F64, 1, 0, 4, 512, 64, {"obs", 7}),
    SLOT("batch.obs", RLC_COLUMN, RLC_F32, 2, 0, 0, 1024, 112, {"batch", 4}, {"obs", 7}),
    SLOT("critic.w", RLC_PARAMETER, RLC_F32, 3, 1, 4, 2048, 288, {"twin", 2}, {"in", 3},
         {"hid", 10}),
    SLOT("critic.b", RLC_PARAMETER, RLC_F32, 2, 0, 0, 3072, 80, {"twin", 2}, {"hid", 10}),
    SLOT("slow.critic.w", RLC_TARGET, RLC_F32, 3, 0, 4, 4096, 288, {"twin", 2}, {"in", 3},
         {"hid", 10}),
    SLOT("adam.t", RLC_OPTIMIZER, RLC_F64, 0, 0, 0, 5120, 8, {0}),
    SLOT("adam.m.actor.w", RLC_OPTIMIZER, RLC_F32, 2, 1, 16, 6144, 640, {"in", 5}, {"out", 19}),
    SLOT("visits", RLC_STATE, RLC_I32, 1, 0, 0, 7168, 24, {"choice", 6}),
    SLOT("metric.losses/critic", RLC_METRIC, RLC_F64, 0, 0, 0, 8192, 8, {0}),
    SLOT("none", RLC_PARAMETER, RLC_F32, 2, 0, 0, 8256, 0, {"empty", 0}, {"out", 19}),
};

static const RlcModule module = {.abi = RLC_ABI,
                                 .name = "fixture",
                                 .spec_hash = 0x0123456789abcdefu,
                                 .slot_count = SLOTS,
                                 .slots = slots,
                                 .memory_bytes = MEMORY};

static bool saved(const RlcSlot *slot) {
  return slot->kind <= RLC_STATE && slot->kind != RLC_COLUMN;
}

/* Memory, blobs and counters of a trainer that is to be saved or filled. */
typedef struct State {
  _Alignas(64) char memory[MEMORY];
  char replay[3000], pool[77];
  CheckpointInfo info;
} State;

/* Bytes that differ for every `key`. */
static void state_fill(State *state, unsigned key) {
  unsigned char *bytes = (unsigned char *)state;
  for (size_t i = 0; i < sizeof *state; i++)
    bytes[i] = (unsigned char)((i * 2654435761u + key * 40503u) >> 11);
  state->info.spec_hash = module.spec_hash;
  state->info.seconds = 12.0625 + key;
  state->info.step = 1000 * key;
}

typedef struct Blobs {
  Blob list[2];
} Blobs;

static Blobs blobs_of(const State *state) {
  State *mutable = (State *)state; /* blobs are read when saving */
  return (Blobs){{{"replay", mutable->replay, sizeof state->replay, true},
                  {"environments", mutable->pool, sizeof state->pool, false}}};
}

static bool save(const char *directory, const State *state, RunError *error) {
  return checkpoint_save(directory, &module, state->memory, &state->info, blobs_of(state).list, 2,
                         error);
}

static bool load(const char *directory, const RlcModule *as, State *state, RunError *error) {
  return checkpoint_load(directory, as, state->memory, &state->info, blobs_of(state).list, 2,
                         error);
}

__attribute__((unused)) static void save_good(const char *directory, unsigned key) {
  RunError error;
  State *state = malloc(sizeof *state);
  state_fill(state, key);
  ck_assert_msg(save(directory, state, &error), "%s", error.text);
  free(state);
}

/* Whether `found` holds what was saved of `state`, and is untouched (bytes 0xAA) elsewhere. */
static bool same_saved(const State *state, const State *found) {
  State *expected = malloc(sizeof *expected);
  memset(expected, 0xAA, sizeof *expected);
  for (size_t i = 0; i < SLOTS; i++) {
    const RlcSlot *slot = &slots[i];
    size_t width = slot->type == RLC_F64 ? 8 : 4;
    for (uint64_t at = 0; saved(slot) && at < rlc_slot_elements(slot); at++) {
      uint32_t coordinates[RLC_MAX_RANK] = {0};
      uint64_t rest = at;
      for (int axis = slot->rank - 1; axis >= 0; rest /= slot->dims[axis].extent, axis--)
        coordinates[axis] = (uint32_t)(rest % slot->dims[axis].extent);
      uint64_t byte = slot->offset + width * rlc_slot_index(slot, coordinates);
      memcpy(expected->memory + byte, state->memory + byte, width);
    }
  }
  memcpy(expected->replay, state->replay, sizeof state->replay);
  memcpy(expected->pool, state->pool, sizeof state->pool);
  expected->info = state->info;
  bool same = memcmp(expected->memory, found->memory, MEMORY) == 0 &&
              memcmp(expected->replay, found->replay, sizeof found->replay) == 0 &&
              memcmp(expected->pool, found->pool, sizeof found->pool) == 0 &&
              memcmp(&expected->info, &found->info, sizeof found->info) == 0;
  free(expected);
  return same;
}

static bool untouched(const State *state) {
  const unsigned char *bytes = (const unsigned char *)state;
  for (size_t i = 0; i < sizeof *state; i++)
    if (bytes[i] != 0xAA) return false;
  return true;
}

/* Loads into fresh memory: the key whose state came, 0 when it was refused with nothing changed,
 * and -1 for anything else. */
__attribute__((unused)) static int load_key(const char *directory, const RlcModule *as, int most,
                                            RunError *error) {
  State *found = malloc(sizeof *found), *expected = malloc(sizeof *expected);
  memset(found, 0xAA, sizeof *found);
  int key = -1;
  if (!load(directory, as, found, error)) {
    key = untouched(found) ? 0 : -1;
  } else {
    for (int candidate = 1; candidate <= most && key < 0; candidate++) {
      state_fill(expected, (unsigned)candidate);
      if (same_saved(expected, found)) key = candidate;
    }
  }
  free(found);
  free(expected);
  return key;
}

__attribute__((unused)) static Path part_path(const char *directory, const char *end) {
  Path checkpoints = path_in(directory, "checkpoints");
  return file_find(checkpoints.text, "0", end);
}

__attribute__((unused)) static size_t count_files(const char *directory, const char *end) {
  Path path = path_in(directory, "checkpoints");
  size_t count = 0;
  DIR *list = opendir(path.text);
  for (struct dirent *entry; list && (entry = readdir(list));) {
    size_t length = strlen(entry->d_name), tail = strlen(end);
    count += length > tail && strcmp(entry->d_name + length - tail, end) == 0;
  }
  if (list) closedir(list);
  return count;
}

#endif
