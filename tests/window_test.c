/* Windows of a replay against a reference that keeps everything: which rows may be drawn, what
 * their windows hold at ends of episodes and where the ring wraps, with priorities and without. */
#include "tests/replay_fixture.h"
#include "tests/suite.h"

enum { ROWS = 30, VECTORS = 8, STEPS = 70 };

/* What happened, step by step: 1 where an episode ended. */
typedef struct History {
  uint8_t ended[STEPS][WORLD_ENVS];
  uint32_t steps;
} History;

static void history_step(History *history, World *world, Replay *replay) {
  world_step(world, replay);
  for (uint32_t e = 0; e < WORLD_ENVS; e++)
    history->ended[history->steps][e] = world->terminated[e] | world->truncated[e];
  history->steps++;
}

/* Steps of the window that begins at step `from`, up to an end; 0 when the window is not whole. */
static uint32_t window_length(const History *history, uint32_t env, uint32_t from,
                              uint32_t window) {
  for (uint32_t i = from; i < history->steps && i < from + window; i++)
    if (history->ended[i][env]) return i - from + 1;
  return from + window <= history->steps ? window : 0;
}

/* Marks the rows that may be drawn, by step % VECTORS and environment; returns how many. */
static uint32_t drawable(const History *history, uint32_t window,
                         uint8_t marks[VECTORS][WORLD_ENVS]) {
  uint32_t count = 0, oldest = history->steps > VECTORS ? history->steps - VECTORS : 0;
  memset(marks, 0, VECTORS * sizeof *marks);
  for (uint32_t t = oldest; t < history->steps; t++)
    for (uint32_t e = 0; e < WORLD_ENVS; e++)
      count += marks[t % VECTORS][e] = window_length(history, e, t, window) > 0;
  return count;
}

static bool window_is_right(const ReplayFixture *f, const History *history, uint32_t i) {
  uint32_t window = f->source.window, at = i * window;
  uint32_t env = (uint32_t)column(f, R_OBS, 3 * at), first = (uint32_t)column(f, R_REWARD, at);
  uint32_t length = window_length(history, env, first, window);
  bool right = length > 0 && history->steps - 1 - first < VECTORS;
  for (uint32_t k = 0; k < window; k++) {
    right = right && column(f, R_VALID, at + k) == (k < length);
    right = right && row_is_right(f, at + k); /* behind the end, too, a row that happened */
    if (k < length)
      right = right && column(f, R_OBS, 3 * (at + k)) == env &&
              column(f, R_REWARD, at + k) == first + k;
  }
  return right;
}

/* All of a batch against the reference; every row that may be drawn is. */
static void check_batch(const ReplayFixture *f, const History *history,
                        uint8_t marks[VECTORS][WORLD_ENVS], uint32_t count) {
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    uint32_t at = i * f->source.window, number = (uint32_t)column(f, R_REWARD, at);
    if (!window_is_right(f, history, i)) ck_abort_msg("window %u is not what happened", i);
    uint8_t *mark = &marks[number % VECTORS][(uint32_t)column(f, R_OBS, 3 * at)];
    count -= *mark;
    *mark = 0;
  }
  ck_assert_uint_eq(count, 0);
}

static const uint32_t windows[] = {1, 2, 3, 5, 8};

START_TEST(windows_are_what_happened) {
  ReplayFixture f;
  RunError error;
  World world;
  History history = {0};
  uint8_t marks[VECTORS][WORLD_ENVS];
  uint32_t window = windows[_i / 2], refused = 0;
  replay_begin(&f, "replay", ROWS);
  replay_windows(&f, window);
  if (_i % 2) replay_priorities(&f);
  world_begin(&world);
  Team *team = team_make(1, &error);
  Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error);
  ck_assert_msg(replay != NULL, "%s", error.text);
  while (history.steps < STEPS) {
    history_step(&history, &world, replay);
    uint32_t count = drawable(&history, window, marks);
    bool ready = history.steps >= window && count > 0;
    ck_assert(replay_ready(replay, 0, &error) == ready);
    refused += !ready;
    if (!ready) continue;
    replay_sample(replay, team, f.memory, 1, history.steps);
    check_batch(&f, &history, marks, count);
  }
  ck_assert_uint_ge(refused, window - 1);
  replay_free(replay);
  team_free(team);
  free(f.memory);
}
END_TEST

START_TEST(windows_are_drawn_uniformly) {
  ReplayFixture f;
  RunError error;
  World world;
  History history = {0};
  uint8_t marks[VECTORS][WORLD_ENVS];
  replay_begin(&f, "replay", ROWS);
  replay_windows(&f, 4);
  world_begin(&world);
  Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error);
  for (int i = 0; i < 29; i++) history_step(&history, &world, replay);
  uint32_t rows = drawable(&history, 4, marks), count[VECTORS * WORLD_ENVS] = {0}, draws = 200000;
  ck_assert_uint_lt(rows, VECTORS * WORLD_ENVS);
  for (uint32_t i = 0; i < draws; i++) count[replay_index(replay, 3, i / 1000, i % 1000)]++;
  double chi = 0, mean = (double)draws / rows;
  for (uint32_t r = 0; r < VECTORS * WORLD_ENVS; r++) {
    if (marks[r / WORLD_ENVS][r % WORLD_ENVS])
      chi += pow(count[r] - mean, 2) / mean;
    else
      ck_assert_uint_eq(count[r], 0);
  }
  ck_assert_msg(chi > rows * 0.3 && chi < rows * 2.2, "chi squared of %u rows is %g", rows, chi);
  replay_free(replay);
  free(f.memory);
}
END_TEST

START_TEST(messages_before_windows_are_there) {
  ReplayFixture f;
  RunError error;
  World world;
  replay_begin(&f, "replay", ROWS);
  replay_windows(&f, 3);
  world_begin(&world);
  Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error);
  ck_assert(!replay_ready(replay, 7, &error));
  ck_assert_str_eq(error.text, "the loop samples from 'replay' at step 7, which holds no rows yet");
  world_step(&world, replay);
  ck_assert(!replay_ready(replay, 8, &error));
  ck_assert_str_eq(error.text, "the loop samples windows of 3 steps from 'replay' at step 8, which "
                               "holds 1 of each environment");
  replay_free(replay);
  f.slots[R_REWARD].dims[1].extent = 4;
  ck_assert(!replay_make(&f.module, 0, WORLD_ENVS, &error));
  ck_assert_str_eq(error.text, "slot 'reward' does not begin with [1500][3], batch and window");
  free(f.memory);
  replay_begin(&f, "replay", ROWS);
  replay_windows(&f, 9);
  ck_assert(!replay_make(&f.module, 0, WORLD_ENVS, &error));
  ck_assert_str_eq(error.text, "replay 'replay': windows of 9 steps do not fit the 8 that it holds "
                               "of each environment");
  free(f.memory);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("window");
  TCase *tests = tcase_create("window");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, windows_are_what_happened, 0, 2 * sizeof windows / sizeof *windows);
  tcase_add_test(tests, windows_are_drawn_uniformly);
  tcase_add_test(tests, messages_before_windows_are_there);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
