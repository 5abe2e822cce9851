/* The replay: what next_obs is at episodes' borders and where the ring wraps around, how rows are
 * drawn, and that neither threads nor a checkpoint change what is drawn. */
#include "tests/replay_fixture.h"
#include "tests/suite.h"

START_TEST(replay_keeps_what_happened) {
  ReplayFixture f;
  RunError error;
  World world;
  replay_begin(&f, "replay", 30);
  world_begin(&world);
  Team *team = team_make(1, &error);
  Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error);
  ck_assert_uint_eq(replay_capacity(replay), 32);
  for (uint32_t step = 1; step <= 60; step++) {
    world_step(&world, replay);
    ck_assert_uint_eq(replay_stored(replay), step < 8 ? 4 * step : 32);
    replay_sample(replay, team, f.memory, 1, step);
    uint8_t seen[8 * WORLD_ENVS] = {0};
    for (uint32_t i = 0; i < WORLD_BATCH; i++) {
      check_row(&f, i);
      uint32_t age = step - 1 - (uint32_t)column(&f, R_REWARD, i);
      ck_assert_uint_lt(age, 8);
      seen[age * WORLD_ENVS + (uint32_t)column(&f, R_OBS, 3 * i)] = 1;
    }
    for (uint32_t r = 0; r < replay_stored(replay); r++)
      ck_assert_msg(seen[r], "every row is drawn, the newest too");
  }
  Blob blobs[REPLAY_BLOBS];
  replay_blobs(replay, true, blobs);
  ck_assert_msg(blobs[2].bytes <= 32 * 3 * sizeof(float), "final observations are given back");
  replay_free(replay);
  team_free(team);
  free(f.memory);
}
END_TEST

START_TEST(replay_draws_uniformly) {
  ReplayFixture f;
  RunError error;
  World world;
  replay_begin(&f, "replay", 28);
  world_begin(&world);
  Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error);
  for (int i = 0; i < 7; i++) world_step(&world, replay);
  uint32_t count[28] = {0}, draws = 280000, repeats = 0;
  for (uint32_t i = 0; i < draws; i++) count[replay_index(replay, 3, i / 1000, i % 1000)]++;
  double chi = 0;
  for (int i = 0; i < 28; i++) chi += pow(count[i] - draws / 28.0, 2) / (draws / 28.0);
  ck_assert_msg(chi > 10 && chi < 60, "chi squared of 27 degrees of freedom is %g", chi);
  for (uint32_t i = 0; i < 10000; i++)
    repeats += replay_index(replay, 3, 0, i) == replay_index(replay, 3, 1, i);
  ck_assert_msg(repeats > 260 && repeats < 460, "batches are independent: %u of 10000 agree",
                repeats);
  ReplayFixture other;
  replay_begin(&other, "second", 28);
  Replay *second = replay_make(&other.module, 0, WORLD_ENVS, &error);
  World again;
  world_begin(&again);
  for (int i = 0; i < 7; i++) world_step(&again, second);
  repeats = 0;
  for (uint32_t i = 0; i < 10000; i++)
    repeats += replay_index(replay, 3, 0, i) == replay_index(second, 3, 0, i);
  ck_assert_msg(repeats > 260 && repeats < 460, "sources are independent: %u of 10000 agree",
                repeats);
  replay_free(replay);
  replay_free(second);
  free(f.memory);
  free(other.memory);
}
END_TEST

START_TEST(replay_does_not_see_threads) {
  ReplayFixture one, three;
  RunError error;
  World world;
  replay_begin(&one, "replay", 400);
  replay_begin(&three, "replay", 400);
  world_begin(&world);
  Team *single = team_make(1, &error), *team = team_make(3, &error);
  Replay *replay = replay_make(&one.module, 0, WORLD_ENVS, &error);
  for (int i = 0; i < 150; i++) world_step(&world, replay);
  for (uint64_t number = 0; number < 20; number++) {
    replay_sample(replay, single, one.memory, 1, number);
    replay_sample(replay, team, three.memory, 1, number);
    ck_assert_mem_eq(one.memory, three.memory, one.sampled);
  }
  team_free(single);
  team_free(team);
  replay_free(replay);
  free(one.memory);
  free(three.memory);
}
END_TEST

/* A replay copied through its checkpoint's parts goes on like the one it was taken from. */
START_TEST(replay_survives_a_checkpoint) {
  for (uint32_t before = 1; before < 30; before += 4) {
    ReplayFixture f, g;
    RunError error;
    World world, copy;
    replay_begin(&f, "replay", 48);
    replay_begin(&g, "replay", 48);
    world_begin(&world);
    Team *team = team_make(1, &error);
    Replay *replay = replay_make(&f.module, 0, WORLD_ENVS, &error),
           *other = replay_make(&g.module, 0, WORLD_ENVS, &error);
    for (uint32_t i = 0; i < before; i++) world_step(&world, replay);
    Blob from[REPLAY_BLOBS], to[REPLAY_BLOBS];
    replay_blobs(replay, true, from);
    replay_blobs(other, false, to);
    for (int i = 0; i < REPLAY_BLOBS; i++) {
      ck_assert_uint_le(from[i].bytes, to[i].bytes);
      if (from[i].bytes) memcpy(to[i].data, from[i].data, from[i].bytes);
    }
    ck_assert(replay_resume(other, &error));
    world_begin(&copy);
    memcpy(copy.obs, world.obs, sizeof world.obs);
    copy.steps = world.steps;
    for (uint32_t i = 0; i < 30; i++) {
      replay_sample(replay, team, f.memory, 1, i);
      replay_sample(other, team, g.memory, 1, i);
      ck_assert_mem_eq(f.memory, g.memory, f.sampled);
      world_step(&world, replay);
      world_step(&copy, other);
    }
    replay_free(replay);
    replay_free(other);
    team_free(team);
    free(f.memory);
    free(g.memory);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay");
  TCase *tests = tcase_create("replay");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, replay_keeps_what_happened);
  tcase_add_test(tests, replay_draws_uniformly);
  tcase_add_test(tests, replay_does_not_see_threads);
  tcase_add_test(tests, replay_survives_a_checkpoint);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
