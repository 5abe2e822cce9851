/* A replay filled from a safetensors file: what it gives, what comes after it, every message. */
#include "tests/replay_fixture.h"
#include "tests/suite.h"

enum { FILE_ENV = 9, FILE_ROWS = 10, ARRAYS = 7 };

/* One array of the file to be written: `width` floats a row. */
typedef struct Array {
  const char *name;
  uint32_t width;
  float values[FILE_ROWS * 3];
  uint64_t rows;
  bool bytes; /* written as BOOL */
} Array;

/* What an environment that is not among the others' did, one step behind the other. */
static void arrays_fill(Array *arrays) {
  static const struct {
    const char *name;
    uint32_t width;
  } kinds[ARRAYS] = {{"obs", 3},        {"action", 1},    {"reward", 1}, {"next_obs", 3},
                     {"terminated", 1}, {"truncated", 1}, {"noise", 1}};
  uint32_t episode = 0, time = 0;
  for (int a = 0; a < ARRAYS; a++)
    arrays[a] = (Array){.name = kinds[a].name, .width = kinds[a].width, .rows = FILE_ROWS};
  for (uint32_t i = 0; i < FILE_ROWS; i++) {
    bool ends = time + 1 == world_length(FILE_ENV, episode);
    uint32_t ending = ends ? world_ending(FILE_ENV, episode) : 0;
    float name = (float)(1000 * FILE_ENV + i);
    float row[ARRAYS][3] = {{FILE_ENV, (float)episode, (float)time},
                            {name},
                            {(float)i},
                            {FILE_ENV, (float)episode, (float)time + 1},
                            {(float)(ending & 1)},
                            {(float)(ending >> 1)},
                            {-name}};
    for (int a = 0; a < ARRAYS; a++)
      memcpy(arrays[a].values + i * arrays[a].width, row[a], arrays[a].width * sizeof(float));
    episode += ends;
    time = ends ? 0 : time + 1;
  }
}

static uint64_t array_bytes(const Array *array) {
  return array->rows * array->width * (array->bytes ? 1 : sizeof(float));
}

static void array_write(const Array *array, FILE *file) {
  for (uint64_t i = 0; !array->bytes && i < array->rows * array->width; i++)
    ck_assert(fwrite(&array->values[i], sizeof(float), 1, file) == 1);
  for (uint64_t i = 0; array->bytes && i < array->rows * array->width; i++)
    ck_assert(fputc(array->values[i] != 0, file) != EOF);
}

/* Writes the arrays that have a name. */
static void arrays_write(const Array *arrays, const char *path) {
  char header[2048] = "{";
  uint64_t at = 0, bytes;
  for (int a = 0; a < ARRAYS; a++) {
    if (!arrays[a].name) continue;
    bytes = array_bytes(&arrays[a]);
    char width[24] = "";
    if (arrays[a].width > 1) snprintf(width, sizeof width, ",%u", arrays[a].width);
    snprintf(header + strlen(header), sizeof header - strlen(header),
             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%llu%s],\"data_offsets\":[%llu,%llu]}",
             header[1] ? "," : "", arrays[a].name, arrays[a].bytes ? "BOOL" : "F32",
             (unsigned long long)arrays[a].rows, width, (unsigned long long)at,
             (unsigned long long)(at + bytes));
    at += bytes;
  }
  strcat(header, "}");
  bytes = strlen(header);
  FILE *file = fopen(path, "wb");
  ck_assert(file && fwrite(&bytes, sizeof bytes, 1, file) == 1);
  ck_assert(fwrite(header, 1, bytes, file) == bytes);
  for (int a = 0; a < ARRAYS; a++)
    if (arrays[a].name) array_write(&arrays[a], file);
  ck_assert(fclose(file) == 0);
}

typedef struct Filled {
  ReplayFixture f;
  Array arrays[ARRAYS];
  char path[64];
  Replay *replay;
  Team *team;
  RunError error;
} Filled;

static void filled_begin(Filled *filled, uint32_t window, bool prioritized) {
  replay_begin(&filled->f, "replay", 32);
  if (window) replay_windows(&filled->f, window);
  if (prioritized) replay_priorities(&filled->f);
  strcpy(filled->path, P_tmpdir "/rlc-rows-XXXXXX");
  int file = mkstemp(filled->path);
  ck_assert(file >= 0 && close(file) == 0);
  filled->f.source.file = filled->path;
  arrays_fill(filled->arrays);
  arrays_write(filled->arrays, filled->path);
  filled->team = team_make(1, &filled->error);
  filled->replay = NULL;
}

static bool filled_read(Filled *filled, uint32_t envs) {
  replay_free(filled->replay);
  filled->replay = replay_make(&filled->f.module, 0, envs, &filled->error);
  ck_assert_msg(filled->replay != NULL, "%s", filled->error.text);
  return replay_read(filled->replay, &filled->error);
}

static void filled_end(Filled *filled) {
  replay_free(filled->replay);
  team_free(filled->team);
  unlink(filled->path);
  free(filled->f.memory);
}

/* Samples; all rows are right. Returns which first rows of the file's environment were seen. */
static uint32_t seen_rows(Filled *filled, uint64_t number) {
  const ReplayFixture *f = &filled->f;
  uint32_t seen = 0, window = f->source.window ? f->source.window : 1;
  ck_assert_msg(replay_ready(filled->replay, 0, &filled->error), "%s", filled->error.text);
  replay_sample(filled->replay, filled->team, filled->f.memory, 1, number);
  for (uint32_t i = 0; i < WORLD_BATCH * window; i++) {
    check_row(f, i);
    if (i % window == 0 && column(f, R_OBS, 3 * i) == FILE_ENV)
      seen |= 1u << (uint32_t)column(f, R_REWARD, i);
    if (f->source.window == 0 || i % window == 0 || column(f, R_VALID, i) == 0) continue;
    if (column(f, R_OBS, 3 * i) != column(f, R_OBS, 3 * i - 3) ||
        column(f, R_REWARD, i) != column(f, R_REWARD, i - 1) + 1)
      ck_abort_msg("row %u does not follow the one before", i);
  }
  return seen;
}

/* The rows of the file that start whole windows. */
static uint32_t whole_rows(const Filled *filled) {
  uint32_t rows = 0, window = filled->f.source.window ? filled->f.source.window : 1;
  for (uint32_t i = 0; i < FILE_ROWS; i++) {
    bool whole = i + window <= FILE_ROWS;
    for (uint32_t k = i; k < FILE_ROWS && k < i + window; k++)
      whole |= filled->arrays[4].values[k] != 0 || filled->arrays[5].values[k] != 0;
    rows |= (uint32_t)whole << i;
  }
  return rows;
}

/* A file alone, and with environments that write over it, the first rows first. */
START_TEST(rows_are_read_and_replaced) {
  Filled filled;
  World world;
  filled_begin(&filled, _i / 2 ? _i / 2 + 1 : 0, _i % 2);
  uint32_t whole = whole_rows(&filled);
  ck_assert_msg(filled_read(&filled, 0), "%s", filled.error.text);
  ck_assert_uint_eq(replay_stored(filled.replay), FILE_ROWS);
  ck_assert_uint_eq(seen_rows(&filled, 0), whole);
  ck_assert_msg(filled_read(&filled, WORLD_ENVS), "%s", filled.error.text);
  ck_assert_uint_eq(seen_rows(&filled, 0), whole);
  world_begin(&world);
  for (uint32_t n = 1; n < 20; n++) {
    world_step(&world, filled.replay);
    uint32_t seen = seen_rows(&filled, n), lost = n > 5 ? 4 * (n - 5) - 2 : 0;
    ck_assert_uint_eq(seen, lost < 32 ? whole >> lost << lost : 0);
    ck_assert_uint_eq(replay_stored(filled.replay), n < 6 ? FILE_ROWS + 4 * n : 32);
  }
  filled_end(&filled);
}
END_TEST

/* A checkpoint of a filled replay, and one that left the replay out. */
START_TEST(resuming_keeps_or_reads_the_file) {
  Filled a, b;
  Blob from[REPLAY_BLOBS], to[REPLAY_BLOBS];
  World world;
  filled_begin(&a, 3, _i);
  filled_begin(&b, 3, _i);
  ck_assert(filled_read(&a, WORLD_ENVS));
  b.replay = replay_make(&b.f.module, 0, WORLD_ENVS, &b.error);
  ck_assert(replay_resume(b.replay, &b.error));
  ck_assert_uint_eq(seen_rows(&b, 0), whole_rows(&b));
  replay_free(b.replay);
  b.replay = replay_make(&b.f.module, 0, WORLD_ENVS, &b.error);
  world_begin(&world);
  for (int i = 0; i < 6; i++) world_step(&world, a.replay);
  replay_blobs(a.replay, true, from);
  replay_blobs(b.replay, false, to);
  for (int i = 0; i < REPLAY_BLOBS; i++)
    if (from[i].bytes) memcpy(to[i].data, from[i].data, from[i].bytes);
  ck_assert(replay_resume(b.replay, &b.error));
  for (uint32_t n = 0; n < 10; n++) {
    World copy = world;
    copy.pool.obs = copy.obs, copy.pool.final_obs = copy.final_obs, copy.pool.reward = copy.reward;
    copy.pool.terminated = copy.terminated, copy.pool.truncated = copy.truncated;
    ck_assert_uint_eq(seen_rows(&a, n), seen_rows(&b, n));
    ck_assert_mem_eq(a.f.memory, b.f.memory, a.f.sampled);
    world_step(&world, a.replay);
    world_step(&copy, b.replay);
  }
  filled_end(&a);
  filled_end(&b);
}
END_TEST

/* Not needed: truncated, and what the loop writes. */
START_TEST(some_columns_may_be_missing) {
  Filled filled;
  filled_begin(&filled, 0, true);
  filled.arrays[5].name = filled.arrays[6].name = NULL;
  arrays_write(filled.arrays, filled.path);
  ck_assert_msg(filled_read(&filled, 0), "%s", filled.error.text);
  replay_sample(filled.replay, filled.team, filled.f.memory, 1, 0);
  for (uint32_t i = 0; i < 50; i++) {
    ck_assert_double_eq(column(&filled.f, R_TRUNCATED, i), 0);
    ck_assert_double_eq(column(&filled.f, R_NOISE, i), 0);
  }
  filled_end(&filled);
}
END_TEST

/* Flags may be BOOL, an odd number of bytes before other arrays. */
START_TEST(flags_may_be_bytes) {
  Filled filled;
  filled_begin(&filled, 3, false);
  filled.arrays[4].bytes = filled.arrays[5].bytes = true;
  arrays_write(filled.arrays, filled.path);
  ck_assert_msg(filled_read(&filled, 0), "%s", filled.error.text);
  ck_assert_uint_eq(seen_rows(&filled, 0), whole_rows(&filled));
  filled_end(&filled);
}
END_TEST

/* The file's name in another folder than the spec's. */
START_TEST(another_folder) {
  Filled filled;
  char wrong[96];
  filled_begin(&filled, 0, false);
  snprintf(wrong, sizeof wrong, "/nowhere%.60s", filled.path + strlen(P_tmpdir));
  filled.f.source.file = wrong;
  ck_assert(!filled_read(&filled, 0));
  replay_folder(filled.replay, P_tmpdir);
  ck_assert_msg(replay_read(filled.replay, &filled.error), "%s", filled.error.text);
  ck_assert_uint_eq(replay_stored(filled.replay), FILE_ROWS);
  filled_end(&filled);
}
END_TEST

static void check_message(Filled *filled, const char *message) {
  char text[256];
  ck_assert(!filled_read(filled, 0));
  snprintf(text, sizeof text, "replay 'replay': '%s' %s", filled->f.source.file, message);
  ck_assert_str_eq(filled->error.text, text);
}

static void check_arrays(Filled *filled, const char *message) {
  arrays_write(filled->arrays, filled->path);
  check_message(filled, message);
  arrays_fill(filled->arrays);
}

static void check_text(Filled *filled, const char *text, size_t bytes, const char *message) {
  FILE *file = fopen(filled->path, "wb");
  ck_assert(file && fwrite(text, 1, bytes, file) == bytes && fclose(file) == 0);
  check_message(filled, message);
}

START_TEST(messages_pinned) {
  Filled filled;
  filled_begin(&filled, 0, false);
  Array *arrays = filled.arrays;
  arrays[2].name = NULL;
  check_arrays(&filled, "has no 'reward', a column of the replay");
  arrays[6].name = NULL;
  check_arrays(&filled, "has no 'noise', a column of the replay");
  arrays[1].rows = 9;
  check_arrays(&filled, "has 'action' of the shape [9], not [10]");
  arrays[0].width = 2;
  check_arrays(&filled, "has 'obs' of the shape [10][2], not [10][3]");
  arrays[2].values[4] = NAN;
  check_arrays(&filled, "row 4 of 'reward' is not finite");
  filled.f.module.choices = 4;
  check_arrays(&filled, "row 0 of 'action' is 9000, not one of the choices 0 to 3");
  filled.f.module.choices = 0;
  for (int a = 0; a < ARRAYS; a++) arrays[a].rows = 0;
  check_arrays(&filled, "holds no rows");
  filled.f.source.capacity = 9;
  check_arrays(&filled, "has 10 rows, more than the replay's capacity of 9");
  filled.f.source.capacity = 32;
  check_text(&filled, "1234", 4, "is no safetensors file: it is too short");
  check_text(&filled, "123456789", 9,
             "is no safetensors file: the length of its header is not good");
  check_text(&filled, "\2\0\0\0\0\0\0\0{]", 10,
             "is no good safetensors file: its header is not good: a string expected");
  filled.f.source.file = "/nowhere/rows.safetensors";
  check_message(&filled,
                "cannot be read: No such file or directory; --data DIR names another folder");
  filled_end(&filled);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_file");
  TCase *tests = tcase_create("replay_file");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, rows_are_read_and_replaced, 0, 8);
  tcase_add_loop_test(tests, resuming_keeps_or_reads_the_file, 0, 2);
  tcase_add_test(tests, some_columns_may_be_missing);
  tcase_add_test(tests, flags_may_be_bytes);
  tcase_add_test(tests, another_folder);
  tcase_add_test(tests, messages_pinned);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
