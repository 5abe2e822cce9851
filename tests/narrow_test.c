/* Contractions to few columns: lanes along the summed axis agree with the oracle whatever stands
 * beside them, are taken where the axis is long, and need no repacked weight. */
#include "tests/codegen_fixture.h"

enum { MOST = 12 }; /* columns */

static Node *contract(Graph *graph, Axes axes, Node *a, Node *b) {
  return node_make(graph, OP_contract, (Attr){.axes = axes}, a, b, NULL);
}

static Node *input_of(Graph *graph, const char *name, Axes axes) {
  name = arena_printf(graph->arena, "%s.%zu", name, graph->slot_count);
  return node_input(graph, fixture_slot(graph, name, RLC_F32, axes));
}

/* A row takes what it multiplies from one of two weights, its choice, or from both; an epilogue;
 * two summed axes. */
static void narrow_program(Module *module, uint32_t rows, uint32_t columns, uint32_t summed) {
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY),
         batch = axis_of(graph, "batch", rows, AXIS_ROW);
  AxisId part = axis_of(graph, "part", 3, AXIS_ROW);
  AxisId act = axis_of(graph, arena_printf(graph->arena, "act%u", summed), columns, AXIS_FEATURE);
  AxisId h = axis_of(graph, arena_printf(graph->arena, "h%u", columns), summed, AXIS_FEATURE);
  const char *name = arena_printf(graph->arena, "narrow%ux%ux%u", rows, columns, summed);
  size_t program = fixture_program(module, name);
  Node *x = input_of(graph, "x", AXES(batch, h)), *w = input_of(graph, "w", AXES(act, h));
  Node *pair = input_of(graph, "pair", AXES(twin, act, h)), *bias = input_of(graph, "b", AXES(act));
  Node *choice = node_argmin(graph, input_of(graph, "votes", AXES(twin, batch)), twin);
  Node *xs = input_of(graph, "xs", AXES(part, batch, h));
  Node *ws = input_of(graph, "ws", AXES(part, act, h));
  fixture_result(module, program, contract(graph, axes_one(h), x, w));
  Node *sum =
      node2(graph, OP_add,
            contract(graph, axes_one(h), node2(graph, OP_max, node_const(graph, 0), x), w), bias);
  fixture_result(module, program, node1(graph, OP_tanh, sum));
  fixture_result(module, program, contract(graph, axes_one(h), x, pair));
  fixture_result(module, program,
                 contract(graph, axes_one(h), node_gather(graph, pair, choice, twin), x));
  fixture_result(module, program, contract(graph, AXES(part, h), xs, ws));
}

/* Whole panels, and one half full; rows that fill no tile. */
static void narrow_module(Module *module) {
  for (uint32_t columns = 4; columns <= MOST; columns++) narrow_program(module, 21, columns, 512);
  narrow_program(module, 6, 6, 528);
  narrow_program(module, 32, 6, 528);
  narrow_program(module, 1, 6, 512);
}

static Built build_narrow(Arena *arena, const Precision *precision) {
  Module *module = fixture_module(arena);
  narrow_module(module);
  return build_module(arena, module, precision->real, precision->lanes);
}

START_TEST(few_columns_agree) {
  Arena *arena = arena_make();
  const Precision *precision = &precisions[_i];
  Built built = build_narrow(arena, precision);
  check_programs(&built, precision->tolerance, precision->name);
  built_free(&built);
  arena_free(arena);
}
END_TEST

START_TEST(threads_change_no_bit) {
  Arena *arena = arena_make();
  Built built = build_narrow(arena, &precisions[0]);
  char *first = arena_alloc(arena, built.rlc->memory_bytes);
  for (uint32_t threads = 1; threads <= 4; threads++) {
    memset(built.memory, 0, built.rlc->memory_bytes);
    fill_slots(&built, NULL, 5);
    for (uint32_t p = 0; p < built.module->program_count; p++) built_run(&built, p, threads, NULL);
    if (threads == 1) memcpy(first, built.memory, built.rlc->memory_bytes);
    ck_assert_mem_eq(first, built.memory, built.rlc->memory_bytes);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Contractions of a program over so many rows, columns and summed elements that are narrow; no copy
 * of a weight is made for them. */
static size_t narrow_of(uint32_t columns, uint32_t summed, uint32_t lanes) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  narrow_program(module, 64, columns, summed);
  CodegenOptions options = {
      .real = RLC_F32, .lanes = lanes, .target = "native", .compiler = "test"};
  const ProgramCode *program = &code_make(arena, module, &options)->programs[0];
  size_t narrow = 0, repacked = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    narrow += program->kernels[k]->narrow;
    repacked += program->kernels[k]->kind == KERNEL_REPACK;
  }
  ck_assert(!narrow || !repacked);
  arena_free(arena);
  return narrow;
}

START_TEST(long_sums_take_lanes_along_them) {
  ck_assert_uint_eq(narrow_of(6, 256, 16), 5);
  ck_assert_uint_eq(narrow_of(4, 512, 16), 5);
  ck_assert_uint_eq(narrow_of(9, 512, 16), 5);
  ck_assert_uint_eq(narrow_of(6, 32, 16), 0);  /* adding up lanes costs more */
  ck_assert_uint_eq(narrow_of(6, 250, 16), 0); /* the last vector would run into padding */
  ck_assert_uint_eq(narrow_of(8, 256, 16), 0); /* no lanes are wasted */
  ck_assert_uint_eq(narrow_of(32, 256, 16), 0);
  ck_assert_uint_eq(narrow_of(6, 256, 8), 0); /* too few registers */
}
END_TEST

int main(void) {
  Suite *suite = suite_create("narrow");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, few_columns_agree, 0, COUNTOF(precisions));
  tcase_add_test(tests, threads_change_no_bit);
  tcase_add_test(tests, long_sums_take_lanes_along_them);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
