/* Checkpoints: every bit comes back through every layout; every flipped byte, cut file and other
 * module is refused with nothing changed. With the arguments "write DIR" it writes a checkpoint for
 * tests/oracles/read_checkpoint.py instead. */
#include "tests/checkpoint_fixture.h"

/* ---- coming back ---- */

START_TEST(round_trip) {
  char *directory = directory_make();
  RunError error;
  save_good(directory, 1);
  ck_assert_int_eq(load_key(directory, &module, 9, &error), 1);
  assert_file(directory, "checkpoints/latest.json",
              "{\n  \"checkpoint\": \"000001-step-1000\"\n}\n");
  directory_remove(directory);
}
END_TEST

START_TEST(keeps_two) {
  char *directory = directory_make();
  RunError error;
  for (unsigned key = 1; key <= 4; key++) {
    save_good(directory, key);
    ck_assert_int_eq(load_key(directory, &module, 9, &error), (int)key);
    ck_assert_uint_eq(count_files(directory, ".json"), key < 2 ? 2 : 3); /* with latest.json */
    ck_assert_uint_eq(count_files(directory, ".safetensors"), key < 2 ? 1 : 2);
    ck_assert_uint_eq(count_files(directory, ".blobs"), key < 2 ? 1 : 2);
  }
  assert_file(directory, "checkpoints/latest.json",
              "{\n  \"checkpoint\": \"000004-step-4000\"\n}\n");
  directory_remove(directory);
}
END_TEST

START_TEST(saving_allocates_nothing) {
  if (!allocations_counted()) return;
  char *directory = directory_make();
  State *state = malloc(sizeof *state);
  RunError error;
  state_fill(state, 3);
  uint64_t before = allocations();
  for (int i = 0; i < 4; i++)
    if (!save(directory, state, &error)) break;
  ck_assert_uint_eq(allocations(), before);
  ck_assert_int_eq(load_key(directory, &module, 3, &error), 3);
  free(state);
  directory_remove(directory);
}
END_TEST

START_TEST(without_blobs) {
  char *directory = directory_make();
  State *state = malloc(sizeof *state);
  RunError error;
  state_fill(state, 1);
  ck_assert(checkpoint_save(directory, &module, state->memory, &state->info, NULL, 0, &error));
  ck_assert_uint_eq(count_files(directory, ".blobs"), 0);
  ck_assert_int_eq(load_key(directory, &module, 1, &error), 0);
  ck_assert_ptr_nonnull(strstr(error.text, "blob 'environments' is missing"));
  /* Only the replay may be missing; it is left as it is. */
  Blobs blobs = blobs_of(state);
  ck_assert(
      checkpoint_save(directory, &module, state->memory, &state->info, blobs.list + 1, 1, &error));
  State *found = malloc(sizeof *found);
  memset(found, 0xAA, sizeof *found);
  memset(state->replay, 0xAA, sizeof state->replay);
  ck_assert_msg(load(directory, &module, found, &error), "%s", error.text);
  ck_assert(same_saved(state, found));
  free(found);
  free(state);
  directory_remove(directory);
}
END_TEST

START_TEST(partial_and_other_sizes) {
  char *directory = directory_make();
  State *state = malloc(sizeof *state);
  RunError error;
  state_fill(state, 1);
  Blobs blobs = blobs_of(state);
  blobs.list[0].bytes = 100; /* the used part of the replay */
  ck_assert(
      checkpoint_save(directory, &module, state->memory, &state->info, blobs.list, 2, &error));
  State *found = malloc(sizeof *found);
  memset(found, 0xAA, sizeof *found);
  memset(state->replay + 100, 0xAA, sizeof state->replay - 100);
  ck_assert_msg(load(directory, &module, found, &error), "%s", error.text);
  ck_assert(same_saved(state, found));

  static const struct {
    uint64_t replay, pool;
    const char *message;
  } cases[] = {{99, 77, "blob 'replay' has 100 bytes, this trainer wants at most 99"},
               {3000, 78, "blob 'environments' has 77 bytes, this trainer wants 78"},
               {3000, 76, "blob 'environments' has 77 bytes, this trainer wants 76"}};
  for (size_t i = 0; i < 3; i++) {
    memset(found, 0xAA, sizeof *found);
    blobs = blobs_of(found);
    blobs.list[0].bytes = cases[i].replay, blobs.list[1].bytes = cases[i].pool;
    ck_assert(
        !checkpoint_load(directory, &module, found->memory, &found->info, blobs.list, 2, &error));
    ck_assert_msg(strstr(error.text, cases[i].message) != NULL, "%s", error.text);
    ck_assert(untouched(found));
  }
  blobs.list[1].name = "pool";
  ck_assert(
      !checkpoint_load(directory, &module, found->memory, &found->info, blobs.list, 2, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "blob 'environments' is unknown to this trainer"));
  ck_assert(untouched(found));
  free(found);
  free(state);
  directory_remove(directory);
}
END_TEST

/* ---- damage ---- */

static const char *const parts[] = {".json", ".safetensors", ".blobs"};

START_TEST(every_byte_flipped) {
  char *directory = directory_make();
  save_good(directory, 1);
  Path path = part_path(directory, parts[_i]);
  Bytes bytes = file_read(path.text);
  ck_assert_uint_gt(bytes.size, 100);
  for (size_t at = 0; at < bytes.size; at++) {
    RunError error;
    bytes.data[at] ^= (char)(1 << at % 8);
    file_write(path.text, bytes.data, bytes.size);
    bytes.data[at] ^= (char)(1 << at % 8);
    ck_assert_msg(load_key(directory, &module, 1, &error) == 0, "%s: byte %zu", path.text, at);
    ck_assert_msg(strstr(error.text, strrchr(path.text, '/') + 1) != NULL, "%s", error.text);
  }
  file_write(path.text, bytes.data, bytes.size);
  RunError error;
  ck_assert_int_eq(load_key(directory, &module, 1, &error), 1);
  free(bytes.data);
  directory_remove(directory);
}
END_TEST

START_TEST(every_length_cut) {
  char *directory = directory_make();
  save_good(directory, 1);
  Path path = part_path(directory, parts[_i]);
  Bytes bytes = file_read(path.text);
  for (size_t length = 0; length <= bytes.size + 5; length++) {
    RunError error;
    int expected = length == bytes.size;
    char *text = calloc(1, length + 1);
    memcpy(text, bytes.data, length < bytes.size ? length : bytes.size);
    file_write(path.text, text, length);
    free(text);
    ck_assert_msg(load_key(directory, &module, 1, &error) == expected, "%s: %zu", path.text,
                  length);
  }
  free(bytes.data);
  directory_remove(directory);
}
END_TEST

static void assert_load_refused(const char *directory, const RlcModule *as, const char *format) {
  RunError error;
  char expected[2048];
  snprintf(expected, sizeof expected, format, directory, directory, directory);
  ck_assert_int_eq(load_key(directory, as, 9, &error), 0);
  ck_assert_str_eq(error.text, expected);
}

#define NONE_YET "no checkpoint was written yet in '%s'; remove it or choose another --out"

START_TEST(part_missing) {
  char *directory = directory_make();
  assert_load_refused(directory, &module, NONE_YET);
  save_good(directory, 1);
  unlink(part_path(directory, ".blobs").text);
  assert_load_refused(directory, &module,
                      "no good checkpoint in '%s/checkpoints': 000001-step-1000.blobs: "
                      "No such file or directory");
  unlink(part_path(directory, ".safetensors").text);
  assert_load_refused(directory, &module,
                      "no good checkpoint in '%s/checkpoints': 000001-step-1000.safetensors: "
                      "No such file or directory");
  unlink(part_path(directory, ".json").text);
  assert_load_refused(directory, &module, NONE_YET);
  directory_remove(directory);
}
END_TEST

START_TEST(messages_pinned) {
  char *directory = directory_make();
  save_good(directory, 1);
  Path path = part_path(directory, ".safetensors");
  Bytes bytes = file_read(path.text);
  file_write(path.text, bytes.data, 500);
  char expected[512];
  snprintf(expected, sizeof expected,
           "no good checkpoint in '%%s/checkpoints': 000001-step-1000.safetensors: "
           "it has 500 bytes, %zu were written",
           bytes.size);
  assert_load_refused(directory, &module, expected);
  bytes.data[bytes.size - 1] ^= 1;
  file_write(path.text, bytes.data, bytes.size);
  assert_load_refused(directory, &module,
                      "no good checkpoint in '%s/checkpoints': 000001-step-1000.safetensors: "
                      "the checksum of its data differs");
  bytes.data[bytes.size - 1] ^= 1;
  file_write(path.text, bytes.data, bytes.size);
  free(bytes.data);
  path = part_path(directory, ".blobs");
  bytes = file_read(path.text);
  bytes.data[bytes.size - 78] ^= 1; /* the last byte of the replay */
  file_write(path.text, bytes.data, bytes.size);
  assert_load_refused(directory, &module,
                      "no good checkpoint in '%s/checkpoints': 000001-step-1000.blobs: "
                      "the checksum of blob 'replay' differs");
  free(bytes.data);
  directory_remove(directory);
}
END_TEST

/* The module with one slot changed, or its last slots left out. */
static RlcModule changed(RlcSlot copy[SLOTS], uint32_t slot, RlcSlot with) {
  RlcModule other = module;
  memcpy(copy, slots, sizeof slots);
  if (slot < SLOTS) copy[slot] = with;
  other.slots = copy;
  return other;
}

START_TEST(other_modules) {
  char *directory = directory_make();
  RlcSlot copy[SLOTS], slot;
  save_good(directory, 1);
#define IN "no good checkpoint in '%s/checkpoints': 000001-step-1000"
  RlcModule other = module;
  other.spec_hash = 1;
  assert_load_refused(directory, &other,
                      IN
                      ".json: it is of another spec (hash 0123456789abcdef, this trainer has "
                      "0000000000000001); `rlc train %s/config.yaml -- --resume %s` goes on with "
                      "the spec of that run");
  slot = slots[0], slot.dims[1].extent = 18;
  other = changed(copy, 0, slot);
  assert_load_refused(directory, &other,
                      IN ".safetensors: tensor 'actor.w' is F32[5, 19] there, F32[5, 18] in this "
                         "trainer");
  slot = slots[8], slot.type = RLC_F32;
  other = changed(copy, 8, slot);
  assert_load_refused(directory, &other,
                      IN ".safetensors: tensor 'visits' is I32[6] there, F32[6] in this trainer");
  slot = slots[4], slot.rank = 1;
  other = changed(copy, 4, slot);
  assert_load_refused(directory, &other,
                      IN ".safetensors: tensor 'critic.b' is F32[2, 10] there, F32[2] in this "
                         "trainer");
  slot = slots[4], slot.name = "critic.bias";
  other = changed(copy, 4, slot);
  assert_load_refused(directory, &other, IN ".safetensors: tensor 'critic.bias' is missing");
  slot = slots[4], slot.kind = RLC_RESULT;
  other = changed(copy, 4, slot);
  assert_load_refused(directory, &other,
                      IN ".safetensors: tensor 'critic.b' is unknown to this trainer");
  slot = slots[9], slot.kind = RLC_STATE;
  other = changed(copy, 9, slot);
  assert_load_refused(directory, &other,
                      IN ".safetensors: tensor 'metric.losses/critic' is missing");
  directory_remove(directory);
}
END_TEST

/* Files in one layout are read by a trainer with another: the plain order is what is stored. */
START_TEST(other_layout) {
  char *directory = directory_make();
  RlcSlot copy[SLOTS], slot = slots[3];
  RunError error;
  save_good(directory, 1);
  slot.panel = 0, slot.lead = 0;
  RlcModule other = changed(copy, 3, slot);
  State *state = malloc(sizeof *state), *found = malloc(sizeof *found);
  state_fill(state, 1);
  ck_assert_msg(load(directory, &other, found, &error), "%s", error.text);
  for (uint32_t at = 0; at < 60; at++) {
    uint32_t coordinates[] = {at / 30, at / 10 % 3, at % 10};
    ck_assert(memcmp(found->memory + slot.offset + 4 * at,
                     state->memory + slot.offset + 4 * rlc_slot_index(&slots[3], coordinates),
                     4) == 0);
  }
  free(state);
  free(found);
  directory_remove(directory);
}
END_TEST

/* ---- the one before ---- */

START_TEST(falls_back) {
  char *directory = directory_make(), text[2048], expected[1024];
  RunError error;
  save_good(directory, 1);
  save_good(directory, 2);
  Path path = path_in(directory, "checkpoints/000002-step-2000.safetensors");
  ck_assert_int_eq(truncate(path.text, 500), 0);
  Capture capture = capture_begin(STDERR_FILENO);
  int key = load_key(directory, &module, 9, &error);
  capture_end(&capture, text, sizeof text);
  ck_assert_int_eq(key, 1);
  snprintf(expected, sizeof expected,
           "warning: in '%s/checkpoints' 000002-step-2000.safetensors: ", directory);
  ck_assert_int_eq(strncmp(text, expected, strlen(expected)), 0);
  ck_assert_ptr_nonnull(strstr(text, "it has 500 bytes, "));
  ck_assert_ptr_nonnull(strstr(text, " were written; going on from 000001-step-1000\n"));

  /* The damaged one does not count among the two that are kept. */
  save_good(directory, 3);
  unlink(path_in(directory, "checkpoints/000003-step-3000.blobs").text);
  capture = capture_begin(STDERR_FILENO);
  key = load_key(directory, &module, 9, &error);
  capture_end(&capture, text, sizeof text);
  ck_assert_int_eq(key, 1);
  directory_remove(directory);
}
END_TEST

START_TEST(none_good) {
  char *directory = directory_make();
  save_good(directory, 1);
  save_good(directory, 2);
  unlink(path_in(directory, "checkpoints/000002-step-2000.blobs").text);
  unlink(path_in(directory, "checkpoints/000001-step-1000.safetensors").text);
  assert_load_refused(directory, &module,
                      "no good checkpoint in '%s/checkpoints': "
                      "000002-step-2000.blobs: No such file or directory; "
                      "000001-step-1000.safetensors: No such file or directory");
  directory_remove(directory);
}
END_TEST

/* ---- for the Python reader ---- */

/* Element number n of slot number s holds 1000 s + n, or so many halves where it is a float. */
static int write_fixture(const char *directory) {
  RunError error;
  State *state = calloc(1, sizeof *state);
  state->info.step = 42, state->info.spec_hash = module.spec_hash;
  for (uint32_t i = 0; i < SLOTS; i++)
    for (uint64_t at = 0; at < rlc_slot_elements(&slots[i]); at++)
      rlc_slot_set(&slots[i], state->memory, at,
                   (1000 * i + (double)at) * (slots[i].type == RLC_I32 ? 1 : 0.5));
  mkdir(directory, 0777);
  bool good = save(directory, state, &error);
  if (!good) fprintf(stderr, "error: %s\n", error.text);
  free(state);
  return !good;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "write") == 0) return write_fixture(argv[2]);
  const TTest *const tests[] = {round_trip,      keeps_two,     saving_allocates_nothing,
                                without_blobs,   part_missing,  partial_and_other_sizes,
                                messages_pinned, other_modules, other_layout,
                                falls_back,      none_good};
  Suite *suite = suite_create("checkpoint");
  TCase *cases = tcase_create("checkpoint");
  tcase_set_timeout(cases, 120);
  for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) tcase_add_test(cases, tests[i]);
  tcase_add_loop_test(cases, every_byte_flipped, 0, 3);
  tcase_add_loop_test(cases, every_length_cut, 0, 3);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
