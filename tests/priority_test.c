/* Priorities: the sums from which rows are drawn, how often each is, their weights, and values that
 * the loop writes back. */
#include "tests/replay_fixture.h"

#include "runtime/priority.h"
#include "tests/suite.h"

enum { VECTORS = 8, ROWS = VECTORS * WORLD_ENVS };

static double uniform(uint32_t stream, uint32_t i) {
  return rng_uniform(philox(11, stream, i, 0).word[0]);
}

/* Whether frequencies agree with probabilities; those of 0 are never drawn. */
static void check_frequencies(const uint32_t *count, const double *probability, uint32_t rows,
                              uint32_t draws) {
  double chi = 0;
  uint32_t possible = 0;
  for (uint32_t r = 0; r < rows; r++) {
    double mean = probability[r] * draws;
    if (mean == 0) ck_assert_uint_eq(count[r], 0);
    if (mean == 0) continue;
    ck_assert_double_gt(mean, 20);
    chi += pow(count[r] - mean, 2) / mean;
    possible++;
  }
  double freedom = possible - 1, spread = sqrt(2 * freedom);
  ck_assert_msg(fabs(chi - freedom) < 4 * spread, "chi squared of %g degrees of freedom is %g",
                freedom, chi);
}

/* ---- the sums ---- */

enum { LEAVES = 100 };

START_TEST(rows_are_found_by_their_share) {
  Priorities p;
  RunError error;
  double probability[LEAVES], total = 0;
  uint32_t count[LEAVES] = {0}, draws = 400000;
  ck_assert(priorities_make(&p, LEAVES, &error));
  for (uint32_t r = 0; r < LEAVES; r++) {
    probability[r] = r % 7 == 3 ? 0 : 0.05 + uniform(1, r);
    priorities_set(&p, r, probability[r]);
    total += probability[r];
  }
  ck_assert_double_eq_tol(priorities_total(&p), total, 1e-12);
  for (uint32_t r = 0; r < LEAVES; r++) probability[r] /= total;
  for (uint32_t i = 0; i < draws; i++) {
    double mass = uniform(2, i) * priorities_total(&p);
    uint64_t row;
    priorities_find(&p, &mass, &row, 1);
    count[row]++;
  }
  check_frequencies(count, probability, LEAVES, draws);
  double mass[2] = {0, priorities_total(&p)};
  uint64_t row[2];
  priorities_find(&p, mass, row, 2);
  ck_assert_uint_eq(row[0], 0);
  ck_assert_uint_eq(row[1], LEAVES - 1);
  priorities_free(&p);
}
END_TEST

/* However often leaves change, the sums are those of the leaves. */
START_TEST(updates_leave_no_error) {
  Priorities p, fresh;
  RunError error;
  ck_assert(priorities_make(&p, LEAVES, &error) && priorities_make(&fresh, LEAVES, &error));
  for (uint32_t i = 0; i < 200000; i++) {
    uint32_t row = philox(11, 3, i, 1).word[0] % LEAVES;
    priorities_set(&p, row, i % 5 ? exp(40 * uniform(3, i) - 20) : 0);
  }
  double least = INFINITY;
  for (uint32_t r = 0; r < LEAVES; r++) {
    double value = *priorities_leaf(&fresh, r) = *priorities_leaf(&p, r);
    if (value > 0 && value < least) least = value;
  }
  priorities_mend(&fresh, 0, LEAVES);
  ck_assert_mem_eq(p.sum + 1, fresh.sum + 1, (2 * p.leaves - 1) * sizeof *p.sum);
  ck_assert_mem_eq(p.least + 1, fresh.least + 1, (p.leaves - 1) * sizeof *p.least);
  ck_assert_double_eq(priorities_least(&p), least);
  for (uint32_t r = 0; r < LEAVES; r++) priorities_set(&p, r, 0);
  ck_assert_double_eq(priorities_total(&p), 0);
  ck_assert(isinf(priorities_least(&p)));
  priorities_free(&p);
  priorities_free(&fresh);
}
END_TEST

/* ---- a replay with priorities ---- */

typedef struct Bench {
  ReplayFixture f;
  World world;
  Team *team;
  Replay *replay;
  RunError error;
} Bench;

static void bench_begin(Bench *b, uint32_t threads) {
  replay_begin(&b->f, "replay", ROWS);
  replay_priorities(&b->f);
  world_begin(&b->world);
  b->team = team_make(threads, &b->error);
  b->replay = replay_make(&b->f.module, 0, WORLD_ENVS, &b->error);
  ck_assert_msg(b->replay != NULL, "%s", b->error.text);
  for (int i = 0; i < VECTORS; i++) world_step(&b->world, b->replay);
}

static void bench_end(Bench *b) {
  replay_free(b->replay);
  team_free(b->team);
  free(b->f.memory);
}

static void sample(Bench *b, uint64_t number) {
  ck_assert_msg(replay_ready(b->replay, 0, &b->error), "%s", b->error.text);
  replay_sample(b->replay, b->team, b->f.memory, 1, number);
}

/* The ring's row of element i, before the ring wraps a second time. */
static uint32_t row_of(const Bench *b, uint32_t i) {
  return (uint32_t)column(&b->f, R_REWARD, i) % VECTORS * WORLD_ENVS +
         (uint32_t)column(&b->f, R_OBS, 3 * i);
}

static void set(Bench *b, int slot, uint32_t i, double value) {
  rlc_slot_set(&b->f.slots[slot], b->f.memory, i, value);
}

static bool write_step(Bench *b, uint32_t step) {
  return replay_write(b->replay, step, b->f.memory, 5, &b->error);
}

static double priority_of(uint32_t row) { return row % 5 == 2 ? 0 : 0.2 + (row * 7 % ROWS) / 8.0; }

/* Writes priority_of to all rows. */
static void write_all(Bench *b) {
  sample(b, 1000);
  uint8_t seen[ROWS] = {0};
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    uint32_t row = row_of(b, i);
    set(b, R_NEW_PRIORITY, i, priority_of(row));
    seen[row] = 1;
  }
  for (int r = 0; r < ROWS; r++) ck_assert(seen[r]);
  ck_assert_msg(write_step(b, WRITE_PRIORITY), "%s", b->error.text);
}

/* Frequencies and weights of 100 batches, the priorities being these. */
static void check_drawing(Bench *b, const double *priority) {
  double probability[ROWS], total = 0, largest = 0;
  uint32_t count[ROWS] = {0}, batches = 100;
  for (int r = 0; r < ROWS; r++) total += probability[r] = pow((float)priority[r], 0.6);
  for (int r = 0; r < ROWS; r++) {
    probability[r] /= total;
    if (probability[r] > 0) largest = fmax(largest, pow(1 / (ROWS * probability[r]), 0.4));
  }
  for (uint32_t n = 0; n < batches; n++) {
    sample(b, n);
    for (uint32_t i = 0; i < WORLD_BATCH; i++) {
      uint32_t row = row_of(b, i);
      count[row]++;
      ck_assert_double_eq_tol(column(&b->f, R_WEIGHT, i),
                              pow(1 / (ROWS * probability[row]), 0.4) / largest, 1e-6);
    }
  }
  check_frequencies(count, probability, ROWS, batches * WORLD_BATCH);
}

START_TEST(rows_are_drawn_by_priority) {
  Bench b;
  double priority[ROWS], largest = 1;
  bench_begin(&b, 1);
  for (int r = 0; r < ROWS; r++) priority[r] = 1;
  check_drawing(&b, priority);
  write_all(&b);
  for (uint32_t r = 0; r < ROWS; r++) {
    priority[r] = priority_of(r);
    largest = fmax(largest, priority[r]);
  }
  check_drawing(&b, priority);
  world_step(&b.world, b.replay); /* over the oldest rows, with the largest priority so far */
  for (int r = 0; r < WORLD_ENVS; r++) priority[r] = largest;
  check_drawing(&b, priority);
  bench_end(&b);
}
END_TEST

/* A row that a batch has twice keeps what stands last. */
START_TEST(the_last_value_of_a_row_counts) {
  Bench b;
  uint32_t last[ROWS], only = 13;
  bench_begin(&b, 1);
  sample(&b, 0);
  for (uint32_t i = 0; i < WORLD_BATCH; i++) last[row_of(&b, i)] = i;
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    bool kept = last[row_of(&b, i)] == i, chosen = row_of(&b, i) == only;
    set(&b, R_NEW_PRIORITY, i, kept == chosen);
    set(&b, R_NEW_NOISE, i, i);
  }
  ck_assert(write_step(&b, WRITE_NOISE));
  sample(&b, 0);
  for (uint32_t i = 0; i < WORLD_BATCH; i++)
    ck_assert_double_eq(column(&b.f, R_NOISE, i), last[row_of(&b, i)]);
  ck_assert(write_step(&b, WRITE_PRIORITY));
  sample(&b, 1);
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    ck_assert_uint_eq(row_of(&b, i), only);
    ck_assert_double_eq(column(&b.f, R_WEIGHT, i), 1);
  }
  bench_end(&b);
}
END_TEST

/* Steps taken between the sample and the write: the rows they replaced are not written. */
START_TEST(replaced_rows_are_left_alone) {
  Bench b;
  bench_begin(&b, 1);
  sample(&b, 0);
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    set(&b, R_NEW_PRIORITY, i, 0);
    set(&b, R_NEW_NOISE, i, 5);
  }
  for (int i = 0; i < 3; i++) world_step(&b.world, b.replay);
  ck_assert(write_step(&b, WRITE_NOISE) && write_step(&b, WRITE_PRIORITY));
  sample(&b, 1);
  uint8_t seen[ROWS] = {0};
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    check_row(&b.f, i);
    seen[row_of(&b, i)] = 1;
  }
  for (uint32_t r = 0; r < ROWS; r++) ck_assert_uint_eq(seen[r], r < 3 * WORLD_ENVS);
  for (int i = 0; i < VECTORS; i++) world_step(&b.world, b.replay);
  ck_assert(write_step(&b, WRITE_PRIORITY));
  ck_assert(replay_ready(b.replay, 0, &b.error));
  bench_end(&b);
}
END_TEST

START_TEST(bad_values_are_errors) {
  Bench b;
  bench_begin(&b, 1);
  ck_assert(!write_step(&b, WRITE_PRIORITY));
  ck_assert_str_eq(b.error.text, "the loop writes to 'replay' at step 5, before any of its rows "
                                 "were drawn");
  static const struct {
    double value;
    const char *text;
  } bad[] = {{-0.5, "-0.5"}, {NAN, "nan"}, {INFINITY, "inf"}};
  sample(&b, 0);
  for (int k = 0; k < 3; k++) {
    char text[128];
    snprintf(text, sizeof text, "row 3 of the batch from 'replay' got the priority %s at step 5",
             bad[k].text);
    set(&b, R_NEW_PRIORITY, 3, bad[k].value);
    ck_assert(!write_step(&b, WRITE_PRIORITY));
    ck_assert_str_eq(b.error.text, text);
  }
  for (uint32_t i = 0; i < WORLD_BATCH; i++) set(&b, R_NEW_PRIORITY, i, 0);
  ck_assert(write_step(&b, WRITE_PRIORITY) && !replay_ready(b.replay, 9, &b.error));
  ck_assert_str_eq(b.error.text,
                   "the loop samples from 'replay' at step 9, whose priorities add up to 0");
  bench_end(&b);
}
END_TEST

START_TEST(tables_are_checked) {
  Bench b;
  RlcStep steps[] = {{.op = RLC_DO_WRITE, .slot = R_NEW_PRIORITY, .count = RLC_PRIORITY}};
  bench_begin(&b, 1);
  b.f.module.steps = steps;
  b.f.module.step_count = 1;
  b.f.source.prioritized = 0;
  ck_assert(!replay_make(&b.f.module, 0, WORLD_ENVS, &b.error));
  ck_assert_str_eq(b.error.text, "replay 'replay': priorities are written, but it has none");
  steps[0].count = 2;
  ck_assert(!replay_make(&b.f.module, 0, WORLD_ENVS, &b.error));
  ck_assert_str_eq(b.error.text,
                   "replay 'replay': column 'reward' is what happened and cannot be written");
  steps[0].count = 7;
  ck_assert(!replay_make(&b.f.module, 0, WORLD_ENVS, &b.error));
  ck_assert_str_eq(b.error.text, "replay 'replay': column 7 is written, but there are 7");
  bench_end(&b);
}
END_TEST

/* ---- threads and checkpoints ---- */

static void copy_checkpoint(Replay *from, Replay *to) {
  Blob source[REPLAY_BLOBS], target[REPLAY_BLOBS];
  RunError error;
  replay_blobs(from, true, source);
  replay_blobs(to, false, target);
  for (int i = 0; i < REPLAY_BLOBS; i++) {
    ck_assert_uint_le(source[i].bytes, target[i].bytes);
    if (source[i].bytes) memcpy(target[i].data, source[i].data, source[i].bytes);
  }
  ck_assert_msg(replay_resume(to, &error), "%s", error.text);
}

/* New values for the rows drawn, as a loss might give them. */
static void write_some(Bench *b, uint64_t number) {
  for (uint32_t i = 0; i < WORLD_BATCH; i++) {
    set(b, R_NEW_PRIORITY, i, uniform(9, (uint32_t)number * WORLD_BATCH + i));
    set(b, R_NEW_NOISE, i, (double)number * WORLD_BATCH + i);
  }
  ck_assert(write_step(b, WRITE_PRIORITY) && write_step(b, WRITE_NOISE));
}

/* Windows with priorities, written back, on one thread and on three, the second taken from a
 * checkpoint between a sample and its write. */
START_TEST(threads_and_checkpoints_change_nothing) {
  Bench a, b;
  Bench *both[] = {&a, &b};
  for (int k = 0; k < 2; k++) {
    replay_begin(&both[k]->f, "replay", ROWS);
    replay_windows(&both[k]->f, 3);
    replay_priorities(&both[k]->f);
    world_begin(&both[k]->world);
    both[k]->team = team_make(k ? 3 : 1, &both[k]->error);
    both[k]->replay = replay_make(&both[k]->f.module, 0, WORLD_ENVS, &both[k]->error);
  }
  for (uint32_t n = 0; n < 40; n++) {
    world_step(&a.world, a.replay);
    if (n > 2) sample(&a, n);
    if (n == 3 + (uint32_t)_i) {
      copy_checkpoint(a.replay, b.replay);
      memcpy(b.world.obs, a.world.obs, sizeof a.world.obs);
      b.world.steps = a.world.steps;
    } else if (n > 3 + (uint32_t)_i) {
      world_step(&b.world, b.replay);
      sample(&b, n);
      ck_assert_mem_eq(a.f.memory, b.f.memory, a.f.sampled);
    }
    if (n > 2) write_some(&a, n);
    if (n >= 3 + (uint32_t)_i) write_some(&b, n);
  }
  bench_end(&a);
  bench_end(&b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("priority");
  TCase *tests = tcase_create("priority");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, rows_are_found_by_their_share);
  tcase_add_test(tests, updates_leave_no_error);
  tcase_add_test(tests, rows_are_drawn_by_priority);
  tcase_add_test(tests, the_last_value_of_a_row_counts);
  tcase_add_test(tests, replaced_rows_are_left_alone);
  tcase_add_test(tests, bad_values_are_errors);
  tcase_add_test(tests, tables_are_checked);
  tcase_add_loop_test(tests, threads_and_checkpoints_change_nothing, 0, 12);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
