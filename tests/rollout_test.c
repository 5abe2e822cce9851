/* Acting as its tables say, rollouts, shuffled parts, declared environments: contents row by row
 * against a reference from plain arrays, whole runs for any number of threads and over a resume,
 * and every error. */
#include "tests/rollout_world.h"

#include "compiler/measure/bench.h"
#include "tests/suite.h"

/* ---- trainers ---- */

typedef struct Held {
  Roll roll;
  Trainer trainer;
} Held;

static Options held_options(uint32_t threads) {
  return (Options){.steps = 1000, .seed = 5, .threads = threads, .eval_episodes = 3};
}

/* With `next_given` the true next observation comes from the environments and not from its slot. */
static Held *held_with(bool declared, uint32_t threads, bool next_given) {
  Held *held = calloc(1, sizeof *held);
  Options options = held_options(threads);
  roll_make(&held->roll, declared);
  if (next_given) held->roll.columns[3].from_slot = RLC_NONE;
  ck_assert_msg(trainer_make(&held->trainer, &held->roll.module, &options), "%s",
                held->trainer.error.text);
  return held;
}

static Held *held_make(bool declared, uint32_t threads) {
  return held_with(declared, threads, false);
}

static void held_free(Held *held) {
  trainer_free(&held->trainer);
  free(held);
}

static double held_get(const Held *held, uint32_t slot, uint64_t i) {
  return rlc_slot_get(&held->roll.slots[slot], held->trainer.memory, i);
}

/* ---- acting and the rollout's rows ---- */

static void check_row(const Held *held, const WorldRow *row, uint64_t i) {
  for (uint32_t o = 0; o < ROLL_OBS; o++) {
    ck_assert_double_eq(held_get(held, L_R_OBS, i * ROLL_OBS + o), row->obs[o]);
    ck_assert_double_eq(held_get(held, L_R_NEXT, i * ROLL_OBS + o), row->next[o]);
  }
  ck_assert_double_eq(held_get(held, L_R_ACTION, i), row->action);
  ck_assert_double_eq(held_get(held, L_R_REWARD, i), row->reward);
  ck_assert_double_eq(held_get(held, L_R_TERMINATED, i), row->terminated);
  ck_assert_double_eq(held_get(held, L_R_TRUNCATED, i), row->truncated);
  ck_assert_double_eq(held_get(held, L_R_FIRST, i), row->first);
  ck_assert_double_eq(held_get(held, L_R_PAIR, 2 * i), row->pair[0]);
  ck_assert_double_eq(held_get(held, L_R_PAIR, 2 * i + 1), row->pair[1]);
}

/* Collects `count` vector steps; every row of the rollout is that of the last step with its
 * number. */
static void check_collected(Held *held, World *world, uint32_t count) {
  uint32_t first = 0, ended = 0, terminated = 0;
  for (uint32_t t = 0; t < count; t++) {
    ck_assert_msg(collect_steps(&held->trainer, 1), "%s", held->trainer.error.text);
    world_step(world, t);
    for (uint32_t e = 0; e < ROLL_ENVS; e++) {
      check_row(held, &world->row[e], t % ROLL_TIME * ROLL_ENVS + e);
      first += world->row[e].first;
      ended += world->first[e];
      terminated += world->row[e].terminated;
      ck_assert_double_eq(held_get(held, L_ACT + G_FIRST, e), world->first[e]);
      ck_assert_double_eq(held_get(held, L_ACT + G_OBS, e * ROLL_OBS), world->obs[e][0]);
    }
  }
  ck_assert_uint_gt(ended, 2);
  ck_assert_uint_ge(first, ended);
  ck_assert(terminated > 0 || !world->declared);
  ck_assert_uint_eq(held->trainer.state.episodes, ended);
  ck_assert_uint_eq(held->trainer.state.step, count * ROLL_ENVS);
  ck_assert_uint_eq(replay_stored(held->trainer.replay[0]), 60); /* both work together */
}

START_TEST(rows_of_declared_environments) {
  Held *held = held_make(true, 2);
  World world = world_make(true, 5);
  check_collected(held, &world, 100);
  held_free(held);
}
END_TEST

START_TEST(rows_of_a_pool) {
  Held *held = held_with(false, 2, _i);
  World world = world_make(false, 5);
  check_collected(held, &world, 410); /* episodes of 200 steps */
  pool_free(world.pool);
  held_free(held);
}
END_TEST

/* The pool that a declared environment shows counts episodes as one of instances does. */
START_TEST(declared_episodes_are_counted) {
  Held *held = held_make(true, 1);
  World world = world_make(true, 5);
  const Pool *pool = held->trainer.explore.pool;
  double sum[ROLL_ENVS] = {0};
  uint32_t length[ROLL_ENVS] = {0};
  for (uint32_t t = 0; t < 60; t++) {
    ck_assert(collect_steps(&held->trainer, 1));
    for (uint32_t e = 0; e < ROLL_ENVS; e++)
      if (world.first[e]) sum[e] = 0, length[e] = 0;
    world_step(&world, t);
    for (uint32_t e = 0; e < ROLL_ENVS; e++) {
      sum[e] += (double)world.row[e].reward;
      ck_assert_double_eq(pool->episode_return[e], sum[e]);
      ck_assert_uint_eq(pool->episode_length[e], ++length[e]);
    }
  }
  held_free(held);
}
END_TEST

/* In evaluation the same slots of its own group are filled. */
START_TEST(evaluation_fills_its_slots) {
  Held *held = held_make(false, 1);
  Trainer *trainer = &held->trainer;
  Actor *actor = &trainer->evaluator[0].actor;
  const Pool *pool = actor->pool, *explore = trainer->explore.pool;
  /* Its episodes are not those that training begins with. */
  ck_assert_float_ne(explore->obs[0], 0);
  ck_assert_mem_ne(pool->obs, explore->obs, ROLL_OBS * sizeof *pool->obs);
  for (uint32_t step = 0; step < 201; step++) {
    bool first = step % 200 == 0;
    ck_assert(actor_step(trainer, actor, &trainer->learning, 1, step));
    for (uint32_t e = 0; e < ROLL_EVAL; e++) {
      ck_assert_double_eq(held_get(held, L_EVAL + G_FIRST, e), first);
      ck_assert_double_eq(held_get(held, L_EVAL + G_REWARD, e), pool->reward[e]);
      ck_assert_double_eq(held_get(held, L_EVAL + G_TERMINATED, e), 0);
      ck_assert_double_eq(held_get(held, L_EVAL + G_TRUNCATED, e), step == 199);
      ck_assert_double_eq(held_get(held, L_EVAL + G_NEXT, e * ROLL_OBS + 2),
                          pool->final_obs[e * ROLL_OBS + 2]);
    }
  }
  held_free(held);
}
END_TEST

/* ---- parts ---- */

static void check_permutation(const Parts *parts) {
  uint8_t seen[64] = {0};
  ck_assert_uint_le(parts->total, sizeof seen);
  for (uint32_t i = 0; i < parts->total; i++) {
    RowAt row = parts->order[i];
    ck_assert(row.env < parts->envs && row.t < parts->total / parts->envs);
    ck_assert_uint_eq(seen[row.t * parts->envs + row.env]++, 0);
  }
}

START_TEST(shuffles_are_permutations) {
  Held *held = held_make(true, 1);
  Parts *parts = &held->trainer.parts[0];
  uint32_t total = ROLL_TIME * ROLL_ENVS;
  RowAt kept[2][ROLL_TIME * ROLL_ENVS];
  ck_assert_uint_eq(parts->total, total);
  for (uint64_t number = 0; number < 20; number++) {
    memcpy(kept[0], parts->order, sizeof kept[0]);
    parts_shuffle(parts, 5, number);
    check_permutation(parts);
    ck_assert_int_ne(memcmp(kept[0], parts->order, sizeof kept[0]), 0);
  }
  memcpy(kept[0], parts->order, sizeof kept[0]);
  parts_shuffle(parts, 6, 19); /* another seed */
  memcpy(kept[1], parts->order, sizeof kept[1]);
  parts_shuffle(parts, 5, 19); /* the same again */
  ck_assert_mem_eq(kept[0], parts->order, sizeof kept[0]);
  ck_assert_int_ne(memcmp(kept[0], kept[1], sizeof kept[0]), 0);
  held_free(held);
}
END_TEST

/* Each of the 24 orders of four rows comes as often as any other: chi square with 23 degrees of
 * freedom lies below 58 but once in ten thousand seeds. */
START_TEST(shuffles_are_uniform) {
  enum { ORDERS = 24, EACH = 500 };
  uint32_t found[256] = {0}, orders = 0;
  RowAt order[4];
  Parts parts = {.order = order, .total = 4, .envs = 2};
  double chi = 0;
  for (uint64_t number = 0; number < ORDERS * EACH; number++) {
    parts_shuffle(&parts, 1, number);
    uint32_t number_of = 0;
    for (int i = 0; i < 4; i++) number_of = number_of << 2 | order[i].t << 1 | order[i].env;
    found[number_of]++;
  }
  for (uint32_t i = 0; i < 256; i++) {
    orders += found[i] > 0;
    if (found[i]) chi += pow((double)found[i] - EACH, 2) / EACH;
  }
  ck_assert_uint_eq(orders, ORDERS);
  ck_assert_msg(chi < 58, "chi square %g", chi);
}
END_TEST

static void check_part(const Held *held, uint32_t part) {
  static const uint32_t width[] = {ROLL_OBS, 1, 2, 1};
  const RowAt *order = held->trainer.parts[0].order + part * ROLL_ROWS;
  for (uint32_t i = 0; i < ROLL_ROWS; i++)
    for (uint32_t c = 0; c < 4; c++)
      for (uint32_t k = 0; k < width[c]; k++) {
        uint32_t row = order[i].t * ROLL_ENVS + order[i].env;
        double from = held_get(held, held->roll.pairs[c].from, row * width[c] + k);
        double to = held_get(held, held->roll.pairs[c].to, i * width[c] + k);
        ck_assert_double_eq(to, c == 3 ? (float)from : from); /* gain: float64 to float32 */
      }
}

START_TEST(parts_hold_their_rows) {
  Held *held = held_make(true, 1);
  Trainer *trainer = &held->trainer;
  ck_assert(collect_steps(trainer, ROLL_TIME));
  trainer_run(trainer, &trainer->learning, Q_COMPUTE, 5, 0, false);
  ck_assert_double_ne(held_get(held, L_R_GAIN, 0), held_get(held, L_R_REWARD, 0));
  for (uint64_t number = 0; number < 5; number++) {
    parts_shuffle(&trainer->parts[0], 5, number);
    for (uint32_t part = 0; part < 2; part++) {
      parts_copy(&trainer->parts[0], trainer->team, trainer->memory, part);
      check_part(held, part);
    }
  }
  held_free(held);
}
END_TEST

/* Every time the loop reaches them, the parts come in an order of the next number. */
START_TEST(epochs_are_shuffled_anew) {
  Held *held = held_make(true, 1);
  Parts *parts = &held->trainer.parts[0];
  uint32_t order[ROLL_TIME * ROLL_ENVS];
  for (uint64_t pass = 1; pass <= 3; pass++) {
    ck_assert_msg(trainer_pass(&held->trainer), "%s", held->trainer.error.text);
    ck_assert_uint_eq(held->trainer.state.shuffles, 2 * pass);
    memcpy(order, parts->order, sizeof order);
    parts_shuffle(parts, 5, 2 * pass - 1);
    ck_assert_mem_eq(order, parts->order, sizeof order);
    check_permutation(parts);
  }
  held_free(held);
}
END_TEST

/* Parts that are large enough for the whole team. */
START_TEST(large_parts_are_copied_by_all) {
  enum { TIME = 128, ENVS = 32, ROWS = TIME * ENVS / 2, WIDTH = 5 };
  RlcSlot slots[] = {
      {"whole", RLC_COLUMN, RLC_F32, D3("time", TIME, "env", ENVS, "obs", WIDTH)},
      {"part", RLC_COLUMN, RLC_F32, D2("batch", ROWS, "obs", WIDTH), PANEL},
  };
  const RlcPair pair = {0, 1};
  const RlcView view = {"part", ROWS, 1, &pair};
  RlcModule module = {.slot_count = 2,
                      .slots = slots,
                      .memory_bytes = fake_place(slots, 2),
                      .explore = {.count = ENVS},
                      .rollout = {.steps = TIME},
                      .view_count = 1,
                      .views = &view};
  char *memory = calloc(1, module.memory_bytes);
  Parts parts;
  RunError error;
  Team *team = team_make(3, &error);
  ck_assert(parts_make(&parts, &module, 0, &error));
  for (uint64_t i = 0; i < (uint64_t)TIME * ENVS * WIDTH; i++)
    rlc_slot_set(&slots[0], memory, i, (double)i);
  parts_shuffle(&parts, 1, 0);
  parts_copy(&parts, team, memory, 1);
  for (uint32_t i = 0; i < ROWS; i++)
    for (uint32_t k = 0; k < WIDTH; k++)
      ck_assert_double_eq(rlc_slot_get(&slots[1], memory, i * WIDTH + k),
                          (parts.order[ROWS + i].t * ENVS + parts.order[ROWS + i].env) * WIDTH + k);
  parts_free(&parts);
  team_free(team);
  free(memory);
}
END_TEST

/* ---- rlc bench ---- */

/* Of both kinds of environments (_i): real rows in the rollout, updates on its parts without
 * collecting, and the environment alone. */
START_TEST(bench_knows_rollouts) {
  Held *held = held_make(_i == 0, 1);
  World world = world_make(_i == 0, 5);
  Trainer *trainer = &held->trainer;
  Figures figures = {.bare_env_steps_per_second = NAN};
  ck_assert(bench_fill(trainer));
  uint64_t steps = trainer->state.vector_steps;
  ck_assert_uint_gt(steps, 1000);
  for (uint64_t t = 0; t < steps; t++) {
    world_step(&world, t);
    for (uint32_t e = 0; e < ROLL_ENVS && t + ROLL_TIME >= steps; e++)
      check_row(held, &world.row[e], t % ROLL_TIME * ROLL_ENVS + e);
  }
  ck_assert_msg(bench_updates(trainer, 0.05, NULL, &figures), "%s", trainer->error.text);
  ck_assert_uint_eq(trainer->state.updates, held->roll.updates);
  ck_assert_uint_eq(trainer->state.updates, 2 * trainer->state.shuffles); /* of two parts each */
  ck_assert_uint_eq(trainer->state.vector_steps, steps);
  ck_assert_double_eq(held_get(held, L_TICK, 0),
                      (double)trainer->state.iteration); /* until: once */
  ck_assert(figures.updates_per_second > 0);
  ck_assert(bench_rounds(trainer, BENCH_ENVIRONMENT, 0.05, &figures));
  ck_assert(figures.env_steps_per_second > 0);
  ck_assert_int_eq(isnan(figures.bare_env_steps_per_second), _i == 0);
  pool_free(world.pool);
  held_free(held);
}
END_TEST

/* ---- errors ---- */

START_TEST(bad_choices_are_named) {
  static const struct {
    double action;
    const char *message;
  } cases[] = {
      {3, "program 'explore' gave action 3 to environment 1 at step 15, where there are 0 to 2"},
      {-1, "program 'explore' gave action -1 to environment 1 at step 15, where there are 0 to 2"}};
  for (size_t i = 0; i < 2; i++) {
    Held *held = held_make(true, 1);
    held->roll.bad_at = 5;
    held->roll.bad_action = cases[i].action;
    ck_assert(collect_steps(&held->trainer, 5));
    ck_assert(!collect_steps(&held->trainer, 1));
    ck_assert_str_eq(held->trainer.error.text, cases[i].message);
    held_free(held);
  }
}
END_TEST

START_TEST(declared_faults_are_named) {
  Held *held = held_make(true, 1);
  held->roll.nan_at = 4;
  ck_assert(!collect_steps(&held->trainer, 9));
  ck_assert_str_eq(held->trainer.error.text,
                   "environment 2 returned a non-finite observation at step 12");
  held_free(held);
  held = calloc(1, sizeof *held);
  Options options = held_options(1);
  roll_make(&held->roll, true);
  held->roll.nan_at = START_DRAWS;
  ck_assert(!trainer_make(&held->trainer, &held->roll.module, &options));
  ck_assert_str_eq(held->trainer.error.text,
                   "environment 2 returned a non-finite observation at step 0");
  held_free(held);
  held = held_make(true, 1);
  held->roll.unclear_at = 4;
  ck_assert(!collect_steps(&held->trainer, 9));
  ck_assert_str_eq(held->trainer.error.text,
                   "environment 2 returned an end that is not a number (terminated or truncated) "
                   "at step 12");
  held_free(held);
}
END_TEST

typedef struct BadTable {
  bool pool; /* Pendulum-v1, not the declared environment */
  void (*spoil)(Roll *roll);
  const char *message;
} BadTable;

static void spoil_parts(Roll *roll) { roll->steps[3].count = 3; }
static void spoil_nested(Roll *roll) { roll->steps[4] = roll->steps[3], roll->steps[4].body = 0; }
static void spoil_view(Roll *roll) { roll->steps[3].index = 1; }
static void spoil_until(Roll *roll) { roll->steps[5].count = 0; }
static void spoil_condition(Roll *roll) { roll->steps[5].slot = ROLL_SLOTS; }
static void spoil_program(Roll *roll) { roll->steps[5].index = ROLL_PROGRAMS; }
static void spoil_operation(Roll *roll) { roll->steps[1].op = 99; }
static void spoil_body(Roll *roll) { roll->steps[5].body = 2; }
static void spoil_collect(Roll *roll) { roll->steps[0].op = RLC_DO_REPEAT; }
static void spoil_time(Roll *roll) { roll->slots[L_R_REWARD].dims[0].extent = 5; }
static void spoil_width(Roll *roll) { roll->slots[L_R_OBS].dims[2].extent = 2; }
static void spoil_reward(Roll *roll) { roll->columns[2].width = 2; }
static void spoil_source(Roll *roll) { roll->columns[7].from_slot = RLC_NONE; }
static void spoil_from(Roll *roll) { roll->columns[7].from_slot = L_W; }
static void spoil_pair(Roll *roll) { roll->pairs[2].to = RLC_NONE; }
static void spoil_batch(Roll *roll) { roll->slots[L_P_PAIR].dims[1].extent = 3; }
static void spoil_result(Roll *roll) { roll->module.explore.truncated = RLC_NONE; }
static void spoil_start(Roll *roll) { roll->module.evaluate.start = RLC_NONE; }
static void spoil_store(Roll *roll) { roll->module.explore.store = ROLL_PROGRAMS; }
static void spoil_choices(Roll *roll) { roll->module.choices = 4; }
static void spoil_first(Roll *roll) { roll->module.explore.first = L_PAIR; }

static const BadTable bad_tables[] = {
    {false, spoil_parts, "3 parts 'part' of 9 rows are not the rollout's 18 rows"},
    {false, spoil_nested, "parts 'part' are taken within parts 'part'"},
    {false, spoil_view, "step 3 of the loop's table makes no sense (operation 7)"},
    {false, spoil_until, "step 5 of the loop's table makes no sense (operation 6)"},
    {false, spoil_condition, "step 5 of the loop's table makes no sense (operation 6)"},
    {false, spoil_program, "step 5 of the loop's table makes no sense (operation 6)"},
    {false, spoil_operation, "step 1 of the loop's table makes no sense (operation 99)"},
    {false, spoil_body, "step 5 of the loop's table makes no sense (operation 6)"},
    {false, spoil_collect, "there is a rollout, but the loop collects nothing"},
    {false, spoil_time, "slot 'rollout.reward' does not begin with the rollout's [6][3]"},
    {false, spoil_width, "column 'obs' of the rollout needs 3 elements in a row, but has 2"},
    {false, spoil_reward, "column 'reward' of the rollout needs 1 elements in a row, but has 2"},
    {false, spoil_source, "column 'pair' of the rollout is kept from no slot"},
    {false, spoil_from, "slot 'actor.w' has not the shape [3][2] that its use needs"},
    {false, spoil_pair, "column 2 of the view 'part' lacks a slot"},
    {false, spoil_batch, "slot 'part.pair' has not the shape [9][2] that its use needs"},
    {false, spoil_result, "the environment 'Walk-v0' has no slot for 'truncated'"},
    {false, spoil_start, "the environment 'Walk-v0' needs programs that start and advance it"},
    {false, spoil_store, "the acting table names a program that is not there"},
    {true, spoil_choices,
     "Pendulum-v1 has 0 actions to choose from, but the trainer was compiled for 4"},
    {true, spoil_first, "slot 'store.pair' has not the shape [3][1] that its use needs"},
};

START_TEST(bad_tables_are_refused) {
  const BadTable *bad = &bad_tables[_i];
  Held *held = calloc(1, sizeof *held);
  Options options = held_options(1);
  roll_make(&held->roll, !bad->pool);
  bad->spoil(&held->roll);
  ck_assert(!trainer_make(&held->trainer, &held->roll.module, &options));
  ck_assert_str_eq(held->trainer.error.text, bad->message);
  held_free(held);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rollout");
  TCase *tests = tcase_create("rollout");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, rows_of_declared_environments);
  tcase_add_loop_test(tests, rows_of_a_pool, 0, 2);
  tcase_add_test(tests, declared_episodes_are_counted);
  tcase_add_test(tests, evaluation_fills_its_slots);
  tcase_add_test(tests, shuffles_are_permutations);
  tcase_add_test(tests, shuffles_are_uniform);
  tcase_add_test(tests, parts_hold_their_rows);
  tcase_add_test(tests, epochs_are_shuffled_anew);
  tcase_add_test(tests, large_parts_are_copied_by_all);
  tcase_add_loop_test(tests, bench_knows_rollouts, 0, 2);
  tcase_add_test(tests, bad_choices_are_named);
  tcase_add_test(tests, declared_faults_are_named);
  tcase_add_loop_test(tests, bad_tables_are_refused, 0,
                      (int)(sizeof bad_tables / sizeof *bad_tables));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
