/* Marks of generated code: in order, one behind every kernel and one at the end, from every thread;
 * and what the stopwatch makes of them. */
#include "compiler/measure/watch.h"
#include "tests/codegen_fixture.h"

enum { MARKS_MOST = 64 };

typedef struct Recorder {
  RlcMarks marks;
  uint32_t *done, *count; /* [thread][MARKS_MOST], [thread] */
} Recorder;

static void record(const RlcCall *call, uint32_t done) {
  const Recorder *recorder = call->context;
  uint32_t *count = &recorder->count[call->thread];
  if (*count < MARKS_MOST) recorder->done[call->thread * MARKS_MOST + (*count)++] = done;
}

/* A sum of products large enough for two threads, and something that reads it. */
static Module *module_make(Arena *arena) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = fixture_axis(graph, "row", 300, AXIS_ROW),
         in = fixture_axis(graph, "in", 40, AXIS_FEATURE);
  AxisId out = fixture_axis(graph, "out", 33, AXIS_FEATURE);
  Node *x = fixture_input(graph, "x", AXES(row, in)), *w = fixture_input(graph, "w", AXES(in, out));
  Node *y = node_make(graph, OP_contract, (Attr){.axes = AXES(in)}, x, w, NULL);
  size_t program = fixture_program(module, "update");
  fixture_result(module, program, y);
  fixture_result(module, program, node_sum(graph, node1(graph, OP_tanh, y), AXES(out)));
  return module;
}

static Built marked_module(Arena *arena, bool marked) {
  CodegenOptions options = {
      .real = RLC_F32, .lanes = 8, .target = test_target(), .compiler = "test", .marked = marked};
  Built built = build_with(arena, module_make(arena), &options);
  fill_slots(&built, NULL, 1);
  return built;
}

START_TEST(every_kernel_is_marked) {
  Arena *arena = arena_make();
  uint32_t done[2 * MARKS_MOST], count[2] = {0};
  Built built = marked_module(arena, true);
  Recorder recorder = {{record, built.rlc->programs[0].context}, done, count};
  KernelInfo *kernels;
  size_t kernel_count = code_kernels(built.code, arena, &kernels);
  ck_assert_uint_ge(kernel_count, 2);
  built.context = &recorder;
  built_run(&built, 0, 2, (uint64_t[2]){0});
  for (uint32_t t = 0; t < 2; t++) {
    ck_assert_uint_eq(count[t], kernel_count + 2);
    for (uint32_t i = 0; i < count[t]; i++) ck_assert_uint_eq(done[t * MARKS_MOST + i], i);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Unless asked for there are none: a program runs whose context has no marks. */
START_TEST(unmarked_code_calls_nobody) {
  Arena *arena = arena_make();
  Built built = marked_module(arena, false);
  built_run(&built, 0, 1, (uint64_t[1]){0});
  built_free(&built);
  arena_free(arena);
}
END_TEST

START_TEST(laps_are_kept) {
  Arena *arena = arena_make();
  Built built = marked_module(arena, true);
  KernelInfo *infos;
  size_t kernels[1] = {code_kernels(built.code, arena, &infos)};
  Watch *watch = watch_make(arena, built.rlc, kernels);
  built.context = watch->module.programs[0].context;
  ck_assert(isnan(watch_median(watch, &watch->programs[0])));
  for (int i = 0; i < 3; i++) built_run(&built, 0, 1, (uint64_t[1]){0});
  watch_begin(watch);
  ck_assert_double_eq(watch_runs(&watch->programs[0]), 0);
  for (int i = 0; i < LAPS_KEPT + 5; i++) built_run(&built, 0, 1, (uint64_t[1]){0});
  watch_end(watch);
  ck_assert_double_eq(watch_runs(&watch->programs[0]), LAPS_KEPT + 5);
  double whole = watch_median(watch, &watch->programs[0]);
  for (size_t k = 0; k < kernels[0]; k++) {
    double seconds = watch_median(watch, &watch->kernels[0][k]);
    ck_assert_msg(seconds > 0 && seconds <= whole, "kernel %zu: %g s of %g s", k, seconds, whole);
    ck_assert(watch_best(watch, &watch->kernels[0][k]) <= seconds);
  }
  ck_assert_msg(whole > 1e-7 && whole < 1, "%g s", whole);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* A lap counts from its start; the middle of those that are kept is taken. */
START_TEST(median_of_laps) {
  uint32_t ticks[LAPS_KEPT] = {5, 1, 4, 2};
  Laps laps = {ticks, 3, 0};
  Watch watch = {.tick = 2};
  ck_assert_double_eq(watch_median(&watch, &laps), 8);
  laps.count = 4;
  ck_assert_double_eq(watch_median(&watch, &laps), 6);
  ck_assert_double_eq(watch_best(&watch, &laps), 2);
  watch_lap(&laps, watch_now() - 1000);
  ck_assert_uint_eq(laps.count, 5);
  ck_assert_uint_ge(ticks[4], 1000);
  watch_lap(&laps, watch_now() - (UINT64_C(1) << 40));
  ck_assert_uint_eq(ticks[5], UINT32_MAX);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("marks");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, every_kernel_is_marked);
  tcase_add_test(tcase, unmarked_code_calls_nobody);
  tcase_add_test(tcase, laps_are_kept);
  tcase_add_test(tcase, median_of_laps);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
