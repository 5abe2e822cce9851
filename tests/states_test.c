/* Optimisers in the epilogues of the products that make their gradients: states change in place to
 * what the oracle makes of them, and their lines are fetched beside the sums. */
#include "tests/codegen_fixture.h"

typedef struct Sizes {
  uint32_t batch, in, out;
} Sizes;

static Node *scaled(Graph *graph, double factor, Node *x) {
  return node2(graph, OP_mul, node_const(graph, factor), x);
}

static uint32_t state_of(Graph *graph, const char *program, const char *name, Axes axes) {
  name = arena_printf(graph->arena, "%s.%s", program, name);
  return graph_slot(graph, name, RLC_OPTIMIZER, RLC_F32, axes, NOWHERE);
}

/* dW of a layer, Adam, and a target that follows, in a program of its own. */
static void adam_program(Module *module, Sizes sizes) {
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", sizes.batch, AXIS_ROW),
         in = axis_of(graph, "in", sizes.in, AXIS_FEATURE),
         out = axis_of(graph, "out", sizes.out, AXIS_FEATURE);
  const char *name = arena_printf(graph->arena, "adam%ux%ux%u", sizes.batch, sizes.in, sizes.out);
  size_t program = fixture_program(module, name);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(batch, in)));
  Node *dy = node_input(graph, fixture_slot(graph, "dy", RLC_F32, AXES(batch, out)));
  Axes axes = AXES(in, out);
  Node *g =
      scaled(graph, 0.02, node_make(graph, OP_contract, (Attr){.axes = AXES(batch)}, x, dy, NULL));
  uint32_t slots[4] = {state_of(graph, name, "m", axes), state_of(graph, name, "v", axes),
                       state_of(graph, name, "w", axes), state_of(graph, name, "slow", axes)};
  Node *old[4];
  for (int i = 0; i < 4; i++) old[i] = node_input(graph, slots[i]);
  Node *m = node2(graph, OP_add, scaled(graph, 0.9, old[0]), scaled(graph, 0.1, g));
  Node *v = node2(graph, OP_add, scaled(graph, 0.99, old[1]),
                  scaled(graph, 0.01, node2(graph, OP_mul, g, g)));
  Node *root =
      node2(graph, OP_add, node1(graph, OP_sqrt, node1(graph, OP_abs, v)), node_const(graph, 0.3));
  Node *w = node2(graph, OP_sub, old[2], scaled(graph, 0.1, node2(graph, OP_div, m, root)));
  Node *slow = node2(graph, OP_add, old[3], scaled(graph, 0.2, node2(graph, OP_sub, w, old[3])));
  Node *made[4] = {m, v, w, slow};
  for (int i = 0; i < 4; i++) fixture_output(module, program, slots[i], made[i]);
}

/* Sums that the rows of a tile divide and such that they do not, rows and columns with rests. */
static const Sizes all[] = {{32, 24, 32}, {33, 17, 40}, {35, 9, 70},  {100, 1, 6},
                            {64, 37, 33}, {61, 8, 20},  {256, 40, 96}};

static void check_target(const char *target, const Precision *precision) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  for (size_t i = 0; i < COUNTOF(all); i++) adam_program(module, all[i]);
  const CodegenOptions options = {
      .real = precision->real, .lanes = precision->lanes, .target = target, .compiler = "test"};
  Built built = build_with(arena, module, &options);
  for (uint32_t p = 0; p < COUNTOF(all); p++)
    for (uint32_t threads = 1; threads <= 3; threads++)
      check_program(&built, p, threads, 10 * p + threads, 2 * precision->tolerance,
                    precision->name);
  built_free(&built);
  arena_free(arena);
}

START_TEST(states_change_to_what_the_oracle_makes_of_them) {
  for (size_t i = 0; i < COUNTOF(precisions); i++) check_target("native", &precisions[i]);
  check_target("c", &precisions[0]);
}
END_TEST

/* ---- where it is done ---- */

static Code *code_of(Arena *arena, Sizes sizes) {
  Module *module = fixture_module(arena);
  adam_program(module, sizes);
  const CodegenOptions options = {
      .real = RLC_F32, .lanes = 16, .target = "native", .compiler = "test"};
  return code_make(arena, module, &options);
}

/* Fetches of a block and of how many runs of it. */
typedef struct Fetches {
  size_t lines, parts;
} Fetches;

static void find_fetches(const Block *block, size_t parts, Fetches *found) {
  for (size_t i = 0; block && i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    bool loop = stmt->kind == STMT_LOOP && stmt->hi->kind == TERM_INT;
    if (stmt->kind == STMT_PREFETCH) found->lines++, found->parts = parts;
    find_fetches(stmt->body, loop ? (size_t)stmt->hi->value : parts, found);
    find_fetches(stmt->other, parts, found);
  }
}

START_TEST(lines_of_all_states_are_fetched_beside_the_sums) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, (Sizes){64, 32, 64});
  const ProgramCode *program = &code->programs[0];
  ck_assert_uint_eq(program->kernel_count, 1);
  ck_assert_int_eq(program->kernels[0]->kind, KERNEL_CONTRACT);
  ck_assert_uint_eq(program->work_bytes, 0);
  Fetches found = {0, 0};
  find_fetches(program->kernels[0]->body, 0, &found);
  ck_assert_uint_eq(found.lines, 4 * 2); /* four states, two lines of a row in a panel */
  ck_assert_uint_eq(found.parts, 8);     /* rows of a tile */
  arena_free(arena);
}
END_TEST

/* A product that is done before its states could come leaves them to a loop of their own. */
START_TEST(short_sums_change_no_states) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, (Sizes){31, 32, 64});
  const ProgramCode *program = &code->programs[0];
  ck_assert_uint_eq(program->kernel_count, 2);
  ck_assert_int_eq(program->kernels[0]->kind, KERNEL_CONTRACT);
  ck_assert_int_eq(program->kernels[1]->kind, KERNEL_MAP);
  Fetches found = {0, 0};
  find_fetches(program->kernels[0]->body, 0, &found);
  ck_assert_uint_eq(found.lines, 0);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("states");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, states_change_to_what_the_oracle_makes_of_them);
  tcase_add_test(tests, lines_of_all_states_are_fetched_beside_the_sums);
  tcase_add_test(tests, short_sums_change_no_states);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
