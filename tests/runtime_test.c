/* The parts of the runtime one by one: layouts of slots, the team of threads, the loop's table,
 * acting and its faults. The replay is replay_test.c's, whole runs are training_test.c's. */
#include "tests/runtime_fixture.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ir/ir.h"
#include "runtime/training.h"
#include "tests/suite.h"

/* ---- slots ---- */

/* The element offset of coordinates, written out from the layout's definition in runtime/rlc.h. */
static uint64_t expected_index(const RlcSlot *slot, const uint32_t *at) {
  uint64_t index = 0;
  uint32_t last = slot->rank - 1u, p = slot->panel;
  if (!p) {
    for (uint32_t d = 0; d < slot->rank; d++) index = index * slot->dims[d].extent + at[d];
    return index;
  }
  for (uint32_t d = 0; d < slot->lead; d++) index = index * slot->dims[d].extent + at[d];
  index = index * ((slot->dims[last].extent + p - 1) / p) + at[last] / p;
  for (uint32_t d = slot->lead; d < last; d++) index = index * slot->dims[d].extent + at[d];
  return index * p + at[last] % p;
}

static uint32_t draw(uint64_t n, uint32_t number) {
  return (uint32_t)rng_below((uint64_t)philox(99, 1, 0, number).word[0] << 32, n);
}

static RlcSlot random_slot(uint32_t number) {
  static const uint32_t panels[] = {0, 8, 16, 32};
  RlcSlot slot = {.name = "x", .rank = (uint8_t)(1 + draw(4, 8 * number))};
  slot.type = (uint8_t)draw(3, 8 * number + 1);
  slot.panel = panels[draw(4, 8 * number + 2)];
  slot.lead = (uint8_t)draw(slot.rank, 8 * number + 3);
  for (uint32_t d = 0; d < slot.rank; d++)
    slot.dims[d] = (RlcDim){"a", 1 + draw(d + 1u == slot.rank ? 40 : 5, 8 * number + 4 + d)};
  fake_place(&slot, 1);
  return slot;
}

START_TEST(slots_have_their_layout) {
  for (uint32_t number = 0; number < 300; number++) {
    RlcSlot slot = random_slot(number);
    uint64_t elements = rlc_slot_elements(&slot),
             room = slot.bytes / (slot.type == RLC_F64 ? 8 : 4);
    char *memory = calloc(1, slot.bytes);
    double *plain = malloc(elements * sizeof *plain), *back = malloc(elements * sizeof *back);
    for (uint64_t i = 0; i < elements; i++) {
      uint32_t at[RLC_MAX_RANK];
      uint64_t rest = i;
      for (uint32_t d = slot.rank; d-- > 0; rest /= slot.dims[d].extent)
        at[d] = (uint32_t)(rest % slot.dims[d].extent);
      uint64_t index = rlc_slot_index(&slot, at);
      ck_assert_uint_eq(index, expected_index(&slot, at));
      ck_assert_uint_lt(index, room);
      rlc_slot_set(&slot, memory, i, (double)i + 1);
      plain[i] = 5 - (double)i;
    }
    for (uint64_t i = 0; i < elements; i++)
      ck_assert_double_eq(rlc_slot_get(&slot, memory, i), (double)i + 1);
    rlc_slot_import(&slot, memory, plain);
    rlc_slot_export(&slot, memory, back);
    ck_assert_mem_eq(plain, back, elements * sizeof *plain);
    free(memory);
    free(plain);
    free(back);
  }
}
END_TEST

START_TEST(rows_are_slots) {
  uint32_t compared = 0;
  for (uint32_t number = 0; number < 300; number++) {
    RlcSlot slot = random_slot(number);
    RlcModule module = {.slots = &slot, .slot_count = 1};
    uint32_t count = slot.dims[0].extent, width = (uint32_t)(rlc_slot_elements(&slot) / count);
    Rows rows;
    RunError error;
    ck_assert(rows_make(&rows, &module, 0, count, width, &error));
    char *memory = calloc(1, slot.bytes);
    float *values = malloc(width * sizeof *values), *back = malloc(width * sizeof *back);
    for (uint32_t r = 0; r < count; r++) {
      for (uint32_t c = 0; c < width; c++) values[c] = (float)(r * width + c + 1);
      rows_put(&rows, memory, r, values);
    }
    for (uint32_t i = 0; i < count * width; i++, compared++)
      ck_assert_double_eq(rlc_slot_get(&slot, memory, i), i + 1);
    for (uint32_t r = 0; r < count; r++) {
      rows_get(&rows, memory, r, back);
      for (uint32_t c = 0; c < width; c++) ck_assert_float_eq(back[c], (float)(r * width + c + 1));
    }
    rows_free(&rows);
    free(memory);
    free(values);
    free(back);
  }
  ck_assert_uint_gt(compared, 10000);
}
END_TEST

START_TEST(rows_refuse_other_shapes) {
  RlcSlot slot = fake_layout[S_B_OBS];
  RlcModule module = {.slots = &slot, .slot_count = 1};
  Rows rows;
  RunError error;
  ck_assert(!rows_make(&rows, &module, 0, FAKE_BATCH, 4, &error));
  ck_assert_str_eq(error.text, "slot 'replay.obs' has not the shape [32][4] that its use needs");
  ck_assert(rows_make(&rows, &module, RLC_NONE, 5, 4, &error));
  rows_put(&rows, NULL, 0, NULL);
}
END_TEST

START_TEST(padding_is_no_fault) {
  RlcSlot slot = {
      .name = "w", .type = RLC_F32, .rank = 2, .panel = 8, .dims = {{"i", 3}, {"j", 11}}};
  uint64_t bytes = fake_place(&slot, 1);
  float *memory = malloc(bytes);
  for (uint64_t i = 0; i < bytes / sizeof *memory; i++) memory[i] = NAN;
  for (uint64_t i = 0; i < 33; i++) rlc_slot_set(&slot, (char *)memory, i, 1);
  ck_assert_uint_eq(slot_fault(&slot, (char *)memory), UINT64_MAX);
  rlc_slot_set(&slot, (char *)memory, 31, INFINITY);
  ck_assert_uint_eq(slot_fault(&slot, (char *)memory), 31);
  free(memory);
}
END_TEST

/* ---- team ---- */

typedef struct TeamCheck {
  Team *team;
  uint32_t cell[4][2]; /* written by one thread, read by the next after a barrier */
  atomic_uint wrong, ran;
} TeamCheck;

static void team_phases(void *arg, uint32_t thread, uint32_t threads) {
  TeamCheck *check = arg;
  check->ran++;
  for (uint32_t phase = 0; phase < 300; phase++) {
    check->cell[thread][phase % 2] = 1000 * phase + thread;
    team_barrier(check->team);
    uint32_t next = (thread + 1) % threads;
    check->wrong += check->cell[next][phase % 2] != 1000 * phase + next;
  }
}

START_TEST(team_meets) {
  for (uint32_t threads = 1; threads <= 4; threads++) {
    RunError error;
    TeamCheck check = {.team = team_make(threads, &error)};
    ck_assert_ptr_nonnull(check.team);
    ck_assert_uint_eq(team_size(check.team), threads);
    for (uint32_t round = 0; round < 20; round++) {
      team_run(check.team, team_phases, &check);
      ck_assert_uint_eq(check.ran, (round + 1) * threads);
      if (round % 8 == 0) usleep(3000); /* long enough for the others to fall asleep */
    }
    ck_assert_uint_eq(check.wrong, 0);
    team_free(check.team);
  }
}
END_TEST

/* ---- the loop's table ---- */

typedef struct Trace {
  char text[128];
  uint64_t step[128]; /* draw counter of each entry */
  uint32_t count;
  const RlcSlot *slots;
} Trace;

static void trace_note(const RlcCall *call, char letter) {
  Trace *trace = (Trace *)call->context;
  if (call->thread) return;
  trace->step[trace->count] = call->step;
  trace->text[trace->count++] = letter;
}

static void trace_a(const RlcCall *call) { trace_note(call, 'a'); }
static void trace_b(const RlcCall *call) { trace_note(call, 'b'); }
static void trace_c(const RlcCall *call) { trace_note(call, 'c'); }
static void trace_d(const RlcCall *call) { trace_note(call, 'd'); }

/* Holds in passes of odd number. */
static void trace_odd(const RlcCall *call) {
  const Trace *trace = call->context;
  double iteration = rlc_slot_get(&trace->slots[0], call->memory, 0);
  if (call->thread == 0) rlc_slot_set(&trace->slots[1], call->memory, 0, fmod(iteration, 2));
  trace_note(call, '?');
}

/* The same as terms of the runtime's. */
static const RlcTerm odd_terms[] = {{.op = OP_input, .counter = RLC_ITERATION},
                                    {.op = OP_const, .value = 2},
                                    {.op = OP_div, .src = {0, 1}},
                                    {.op = OP_floor, .src = {2}},
                                    {.op = OP_mul, .src = {1, 3}},
                                    {.op = OP_sub, .src = {0, 4}}};

/* Updates ('a') share one draw counter, all other programs another, where terms count as well. */
static void trace_check(const Trace *trace, bool terms) {
  uint64_t updates = 0, others = 0;
  uint32_t at = 0;
  for (const char *c = "aa?d"
                       "aba?cd"
                       "aab?d"
                       "aa?cd";
       *c; c++) {
    uint64_t draw = *c == 'a' ? updates++ : others++;
    if (terms && *c == '?') continue;
    ck_assert_int_eq(trace->text[at], *c);
    ck_assert_uint_eq(trace->step[at++], draw);
  }
  ck_assert_uint_eq(at, trace->count);
  ck_assert_uint_eq(updates, 8);
}

/* With the condition as a program, then as terms: what programs run, and draw, is the same. */
START_TEST(loop_follows_its_table) {
  RlcStep steps[] = {
      {RLC_DO_REPEAT, .count = 2, .body = 3},
      {RLC_DO_RUN, .flags = RLC_IS_UPDATE, .index = 0},
      {RLC_DO_EVERY, .counter = RLC_UPDATES, .count = 3, .body = 1},
      {RLC_DO_RUN, .index = 1},
      {RLC_DO_WHEN, .index = 4, .slot = 1, .body = 1},
      {RLC_DO_RUN, .index = 2},
      {RLC_DO_RUN, .index = 3},
  };
  if (_i)
    steps[4] = (RlcStep){RLC_DO_WHEN,
                         .index = RLC_NONE,
                         .slot = 1,
                         .body = 1,
                         .term_count = COUNTOF(odd_terms),
                         .terms = odd_terms};
  RlcSlot slots[] = {{"iteration", RLC_COUNTER, RLC_F64, .rank = 0},
                     {"odd", RLC_RESULT, RLC_F64, .rank = 0}};
  Trace trace = {.slots = slots};
  const RlcProgram programs[] = {{"a", trace_a, .context = &trace},
                                 {"b", trace_b, .context = &trace},
                                 {"c", trace_c, .context = &trace},
                                 {"d", trace_d, .context = &trace},
                                 {"odd", trace_odd, .context = &trace}};
  const RlcModule module = {.abi = RLC_ABI,
                            .name = "trace",
                            .spec = "name: trace\n",
                            .compiler = "by hand",
                            .target = "c",
                            .env_id = NULL,
                            .slot_count = 2,
                            .slots = slots,
                            .memory_bytes = fake_place(slots, 2),
                            .program_count = 5,
                            .programs = programs,
                            .counters = {RLC_NONE, 0, RLC_NONE, RLC_NONE, RLC_NONE},
                            .init = RLC_NONE,
                            .explore = {.program = RLC_NONE},
                            .evaluate = {.program = RLC_NONE},
                            .sample = {.program = RLC_NONE},
                            .step_count = 7,
                            .steps = steps};
  char root[64], out[80], command[128];
  snprintf(root, sizeof root, "%s/rlc_loop_XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : P_tmpdir);
  ck_assert_ptr_nonnull(mkdtemp(root));
  snprintf(out, sizeof out, "%s/run", root);
  char *argv[] = {"trace", "--quiet", "--steps", "4", "--threads", "2", "--out", out, NULL};
  ck_assert_int_eq(rlc_main(&module, 8, argv), 0);
  trace_check(&trace, _i);
  snprintf(command, sizeof command, "rm -rf '%s'", root);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- environments ---- */

typedef struct Faulty {
  Fake fake;
  RlcSlot slots[FAKE_SLOTS];
  Trainer trainer;
} Faulty;

static Faulty *faulty_begin(void) {
  Faulty *faulty = calloc(1, sizeof *faulty);
  fake_make(&faulty->fake, faulty->slots);
  Options options = {.steps = 100, .seed = 1, .threads = 2, .eval_episodes = 3};
  ck_assert_msg(trainer_make(&faulty->trainer, &faulty->fake.module, &options), "%s",
                faulty->trainer.error.text);
  return faulty;
}

START_TEST(actions_are_rescaled) {
  Faulty *faulty = faulty_begin();
  ck_assert(collect_steps(&faulty->trainer, 5));
  const Actor *actor = &faulty->trainer.explore;
  for (uint32_t i = 0; i < FAKE_ENVS; i++) {
    ck_assert_float_ne(actor->acted[i], 0);
    ck_assert_float_eq(actor->actions[i], 2 * actor->acted[i]); /* [-1, 1] to [-2, 2] */
  }
  for (uint32_t i = 0; i < FAKE_ENVS * FAKE_OBS; i++)
    ck_assert_double_eq(rlc_slot_get(&faulty->slots[S_OBS], faulty->trainer.memory, i),
                        actor->pool->obs[i]);
  ck_assert_uint_eq(faulty->trainer.state.step, 5 * FAKE_ENVS);
  trainer_free(&faulty->trainer);
  free(faulty);
}
END_TEST

/* The first vector step as a sampled batch shows it: observations before and after it, and the
 * action as acted. */
START_TEST(steps_are_stored) {
  Faulty *faulty = faulty_begin();
  Trainer *trainer = &faulty->trainer;
  const Actor *actor = &trainer->explore;
  float first[FAKE_ENVS * FAKE_OBS];
  memcpy(first, actor->pool->obs, sizeof first);
  ck_assert(collect_steps(trainer, 1));
  replay_sample(trainer->replay[0], trainer->team, trainer->memory, 1, 0);
  for (uint32_t i = 0; i < FAKE_BATCH; i++) {
    uint32_t env = (uint32_t)replay_index(trainer->replay[0], 1, 0, i);
    for (uint32_t o = 0; o < FAKE_OBS; o++) {
      uint32_t from = env * FAKE_OBS + o, to = i * FAKE_OBS + o;
      ck_assert_double_eq(rlc_slot_get(&faulty->slots[S_B_OBS], trainer->memory, to), first[from]);
      ck_assert_double_eq(rlc_slot_get(&faulty->slots[S_B_NEXT], trainer->memory, to),
                          actor->pool->obs[from]);
    }
    ck_assert_double_eq(rlc_slot_get(&faulty->slots[S_B_ACTION], trainer->memory, i),
                        actor->acted[env]);
    ck_assert_double_eq(rlc_slot_get(&faulty->slots[S_B_REWARD], trainer->memory, i),
                        actor->pool->reward[env]);
  }
  trainer_free(trainer);
  free(faulty);
}
END_TEST

START_TEST(environment_faults_are_named) {
  Faulty *faulty = faulty_begin();
  Trainer *trainer = &faulty->trainer;
  Pool *pool = trainer->explore.pool;
  ck_assert(collect_steps(trainer, 7));
  double *state = calloc(1, pool_state_size(pool));
  pool_get_state(pool, state);
  state[pool->spec->state_size + 1] = NAN; /* in environment 1, behind the steps elapsed */
  pool_set_state(pool, state);
  ck_assert(!collect_steps(trainer, 1));
  ck_assert_str_eq(trainer->error.text,
                   "environment 1 returned a non-finite observation at step 21");
  free(state);
  trainer_free(trainer);
  free(faulty);
}
END_TEST

/* ---- memory ---- */

START_TEST(blocks_are_zero_and_large_ones_begin_a_page) {
  static const size_t sizes[] = {0, 1, 64, 4096, (1 << 20) - 1, 1 << 20, (2 << 20) + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    RunError error = {0};
    char *block = block_take(sizes[i], &error);
    ck_assert_ptr_nonnull(block);
    ck_assert_uint_eq((uintptr_t)block % (sizes[i] < 1 << 20 ? 64 : 2 << 20), 0);
    for (size_t at = 0; at < sizes[i]; at++) ck_assert_int_eq(block[at], 0);
    free(block);
  }
  RunError error = {0};
  ck_assert_ptr_null(block_take(SIZE_MAX, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "out of memory"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime");
  TCase *tests = tcase_create("parts");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, slots_have_their_layout);
  tcase_add_test(tests, rows_are_slots);
  tcase_add_test(tests, rows_refuse_other_shapes);
  tcase_add_test(tests, padding_is_no_fault);
  tcase_add_test(tests, team_meets);
  tcase_add_loop_test(tests, loop_follows_its_table, 0, 2);
  tcase_add_test(tests, actions_are_rescaled);
  tcase_add_test(tests, steps_are_stored);
  tcase_add_test(tests, environment_faults_are_named);
  tcase_add_test(tests, blocks_are_zero_and_large_ones_begin_a_page);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
