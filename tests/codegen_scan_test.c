/* Scans, values taken at positions, orthonormal vectors and whole-number outputs through the C back
 * end, over layouts with two row axes; and that vectors and joins take no more steps than they
 * must. */
#include "tests/codegen_fixture.h"

#include "compiler/passes/passes.h"

static Arena *arena;
static Module *module;
static Graph *graph;
static size_t program;

static void setup(void) {
  arena = arena_make();
  module = fixture_module(arena);
  graph = module->graph;
  program = fixture_program(module, "test");
}

static void teardown(void) { arena_free(arena); }

/* An output to a slot in the working precision: what columns are. */
static uint32_t result(Node *node, const char *name, RlcType type) {
  uint32_t slot = graph_slot(graph, name, RLC_RESULT, type, node->axes, NOWHERE);
  fixture_output(module, program, slot, node);
  return slot;
}

static Node *column(const char *name, RlcType type, Axes axes) {
  return node_input(graph, fixture_slot(graph, name, type, axes));
}

/* ---- scans over rows ---- */

static void check_scan(uint32_t times, uint32_t envs, uint32_t features, bool backward) {
  setup();
  AxisId time = fixture_axis(graph, "time", times, AXIS_ROW);
  AxisId env = fixture_axis(graph, "env", envs, AXIS_ROW);
  AxisId f = fixture_axis(graph, "f", features, AXIS_FEATURE);
  Node *a = node1(graph, OP_tanh, column("a", RLC_F32, AXES(time, env)));
  Node *b = column("b", RLC_F32, AXES(time, env)), *c = column("c", RLC_F32, AXES(env, f));
  result(node_scan(graph, a, node2(graph, OP_sub, b, a), time, backward), "rows", RLC_F32);
  result(node_scan(graph, a, c, time, backward), "features", RLC_F32);
  result(node_scan(graph, a, b, env, backward), "envs", RLC_F32);
  result(node_scan(graph, node_const(graph, 1), c, f, backward), "cumulated", RLC_F32);
  Built built = build_module(arena, module, RLC_F64, 8);
  for (uint32_t threads = 1; threads <= 3; threads += 2)
    check_program(&built, 0, threads, 5, 1e-12, "scan");
  built_free(&built);
  teardown();
}

START_TEST(scans_over_two_row_axes) {
  static const uint32_t shapes[][3] = {{7, 5, 3}, {1, 1, 1}, {64, 1, 4}, {3, 33, 1}, {5, 18, 20}};
  for (size_t i = 0; i < COUNTOF(shapes); i++)
    check_scan(shapes[i][0], shapes[i][1], shapes[i][2], i % 2 == 0);
  check_scan(6, 40, 35, false);
}
END_TEST

/* ---- reductions, positions and products over rows ---- */

static void check_rows(uint32_t times, uint32_t envs) {
  setup();
  AxisId time = fixture_axis(graph, "time", times, AXIS_ROW);
  AxisId env = fixture_axis(graph, "env", envs, AXIS_ROW);
  AxisId f = fixture_axis(graph, "f", 6, AXIS_FEATURE);
  AxisId hid = fixture_axis(graph, "hid", 20, AXIS_FEATURE);
  AxisId ranks = fixture_axis(graph, "ranks", 6, AXIS_DRAW);
  Axes rows = AXES(time, env);
  Node *x = column("x", RLC_F32, AXES(time, env, f)), *w = column("w", RLC_F32, AXES(f, hid));
  Node *i = column("i", RLC_I32, rows), *one = column("one", RLC_F32, AXES(env));
  Node *y = node_sum(graph, node2(graph, OP_mul, x, w), AXES(f));
  Node *h = node1(graph, OP_tanh, y);
  Node *mean = node2(graph, OP_div, node_sum(graph, h, rows), node_const(graph, times * envs));
  result(h, "h", RLC_F32);
  result(node_sum(graph, node2(graph, OP_mul, x, h), rows), "gradient", RLC_F32);
  result(node_sum(graph, node2(graph, OP_sub, h, mean), AXES(time)), "centred", RLC_F32);
  result(node_argmax(graph, x, f), "best", RLC_I32);
  result(node_argmin(graph, node_sum(graph, x, AXES(f)), env), "least", RLC_I32);
  result(node_gather(graph, x, node_order(graph, x, f, ranks), f), "sorted", RLC_F32);
  result(node_gather(graph, x, i, f), "chosen", RLC_F32);
  result(node_scatter(graph, node_gather(graph, x, i, f), i, f, rows), "counted", RLC_F32);
  result(node_sum(graph, one, AXES(env)), "total", RLC_F64);
  result(node2(graph, OP_sub, node_shift(graph, h, time, 1), h), "change", RLC_F32);
  result(node_gather(graph, h, node_argmax(graph, node_sum(graph, x, AXES(f)), time), time),
         "at_best", RLC_F32);
  pass_contract(module, arena);
  Built built = build_module(arena, module, RLC_F64, 8);
  for (uint32_t threads = 1; threads <= 3; threads += 2)
    check_program(&built, 0, threads, 9, 1e-10, "rows");
  built_free(&built);
  teardown();
}

START_TEST(rows_of_two_axes) {
  static const uint32_t shapes[][2] = {{5, 4}, {1, 33}, {40, 1}, {9, 17}, {1, 1}};
  for (size_t i = 0; i < COUNTOF(shapes); i++) check_rows(shapes[i][0], shapes[i][1]);
}
END_TEST

/* ---- work ---- */

/* The only kernel of the node's program. */
static const Kernel *only_kernel(Node *node) {
  result(node, "r", node->integer ? RLC_I32 : RLC_F32);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  Code *code = code_make(arena, module, &options);
  ck_assert_uint_eq(code->programs[0].kernel_count, 1);
  return code->programs[0].kernels[0];
}

/* Counters of the loops around a place, and the most that each comes to. */
typedef struct Around {
  const struct Around *outer;
  const Var *var;
  int64_t most;
} Around;

/* The most that an index of constants and counters comes to. */
static int64_t most_of(const Term *term, const Around *around) {
  switch (term->kind) {
  case TERM_INT:
    return term->value;
  case TERM_VAR:
    while (around && around->var != term->var) around = around->outer;
    ck_assert_msg(around != NULL, "no loop counts %s", term->var->name);
    return around->most;
  case TERM_ADD:
    return most_of(term->src[0], around) + most_of(term->src[1], around);
  case TERM_MUL:
    return most_of(term->src[0], around) * most_of(term->src[1], around);
  case TERM_MIN: {
    int64_t x = most_of(term->src[0], around), y = most_of(term->src[1], around);
    return x < y ? x : y;
  }
  default:
    ck_abort_msg("a bound of kind %d", term->kind);
  }
}

/* Stores and settings of registers that run at most, those of a vector as one. */
static uint64_t steps_around(const Block *block, uint32_t lanes, const Around *around) {
  uint64_t steps = 0;
  for (size_t i = 0; block && i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    steps += stmt->kind == STMT_STORE || stmt->kind == STMT_SET;
    if (stmt->kind == STMT_IF)
      steps += steps_around(stmt->body, lanes, around) + steps_around(stmt->other, lanes, around);
    if (stmt->kind != STMT_LOOP) continue;
    int64_t high = most_of(stmt->hi, around);
    uint64_t times = (uint64_t)high;
    if (stmt->loop == LOOP_LANES) times = (times + lanes - 1) / lanes;
    const Around inside = {around, stmt->var, high - 1};
    steps += times * steps_around(stmt->body, lanes, &inside);
  }
  return steps;
}

static uint64_t steps_of(const Block *block, uint32_t lanes) {
  return steps_around(block, lanes, NULL);
}

/* ---- parallel items ---- */

START_TEST(rows_share_work_over_their_product) {
  static const uint32_t shapes[][2] = {{2048, 1}, {5, 1024}, {128, 8}};
  for (size_t i = 0; i < COUNTOF(shapes); i++)
    for (int kind = 0; kind < 4; kind++) {
      teardown();
      setup();
      AxisId time = fixture_axis(graph, "time", shapes[i][0], AXIS_ROW);
      AxisId env = fixture_axis(graph, "env", shapes[i][1], AXIS_ROW);
      AxisId f = fixture_axis(graph, "f", 24, AXIS_FEATURE);
      Node *x = column("x", RLC_F32, AXES(time, env, f));
      Node *nodes[] = {node1(graph, OP_tanh, x), node_sum(graph, x, AXES(f)),
                       node_argmax(graph, x, f), node_argmax(graph, x, f)};
      if (kind == 3) nodes[3] = node_order(graph, x, f, fixture_axis(graph, "r", 2, AXIS_DRAW));
      uint64_t items = only_kernel(nodes[kind])->items;
      ck_assert_msg(items >= 16, "%ux%u, kind %d: %u items", shapes[i][0], shapes[i][1], kind,
                    (unsigned)items);
    }
}
END_TEST

/* ---- orthonormal vectors ---- */

/* The largest difference of the inner products from those of unit vectors. */
static double orthonormal_error(Built *built, uint32_t slot, uint32_t copies, uint32_t n,
                                uint32_t m, bool across) {
  double worst = 0;
  for (uint32_t c = 0; c < copies; c++)
    for (uint32_t i = 0; i < n; i++)
      for (uint32_t k = 0; k <= i; k++) {
        double dot = 0;
        for (uint32_t j = 0; j < m; j++) {
          uint64_t own = across ? (uint64_t)j * n + i : (uint64_t)i * m + j;
          uint64_t other = across ? (uint64_t)j * n + k : (uint64_t)k * m + j;
          uint64_t base = (uint64_t)c * n * m;
          dot += rlc_slot_get(&built->rlc->slots[slot], built->memory, base + own) *
                 rlc_slot_get(&built->rlc->slots[slot], built->memory, base + other);
        }
        worst = fmax(worst, fabs(dot - (i == k)));
      }
  return worst;
}

/* `across`: the vectors' components are the outer axis, so vectors are columns in memory. */
static void check_orthonormal(uint32_t n, uint32_t m, bool across, RlcType real) {
  setup();
  AxisId twin = fixture_axis(graph, "twin", 2, AXIS_COPY);
  AxisId first = fixture_axis(graph, "first", across ? m : n, AXIS_FEATURE);
  AxisId second = fixture_axis(graph, "second", across ? n : m, AXIS_FEATURE);
  Node *x = column("x", RLC_F32, AXES(twin, first, second));
  AxisId axis = across ? second : first, to = across ? first : second;
  uint32_t slot = result(node_orthonormal(graph, x, axis, to), "q", RLC_F32);
  Built built = build_module(arena, module, real, 8);
  if (n <= 64 && real == RLC_F64) check_program(&built, 0, 2, 4, 1e-10, "orthonormal");
  fill_slots(&built, NULL, 4);
  built_run(&built, 0, 1, NULL);
  double error = orthonormal_error(&built, slot, 2, n, m, across);
  ck_assert_msg(error < (real == RLC_F64 ? 1e-12 : 1e-5), "%ux%u: %g", n, m, error);
  built_free(&built);
  teardown();
}

START_TEST(vectors_become_orthonormal) {
  check_orthonormal(7, 7, false, RLC_F64);
  check_orthonormal(1, 5, false, RLC_F64);
  check_orthonormal(40, 64, true, RLC_F64);
  check_orthonormal(33, 50, false, RLC_F32);
  check_orthonormal(512, 512, true, RLC_F32);
}
END_TEST

/* Each pair of vectors meets twice, in an inner product and a subtraction, of m components each. */
START_TEST(orthonormal_takes_the_steps_it_must) {
  static const uint32_t sizes[][2] = {{40, 64}, {512, 512}};
  for (size_t i = 0; i < COUNTOF(sizes); i++) {
    uint64_t n = sizes[i][0], m = sizes[i][1];
    teardown();
    setup();
    AxisId twin = fixture_axis(graph, "twin", 2, AXIS_COPY);
    AxisId axis = fixture_axis(graph, "axis", (uint32_t)n, AXIS_FEATURE);
    AxisId to = fixture_axis(graph, "to", (uint32_t)m, AXIS_FEATURE);
    Node *x = column("x", RLC_F32, AXES(twin, axis, to));
    const Kernel *kernel = only_kernel(node_orthonormal(graph, x, axis, to));
    ck_assert_uint_eq(kernel->items, 2);
    uint64_t steps = steps_of(kernel->body, 1), products = 4 * n * n * m;
    uint64_t halves = 2 * n * (n + 1) * 31; /* 32 partial sums of every inner product */
    ck_assert_msg(steps >= products && steps <= products + 8 * n * (n + m) + halves,
                  "%llu steps for %llu products", (unsigned long long)steps,
                  (unsigned long long)products);
  }
}
END_TEST

/* The first vector keeps its direction; what depends on it becomes 0. */
START_TEST(orthonormal_vectors_in_order) {
  AxisId axis = fixture_axis(graph, "axis", 3, AXIS_FEATURE);
  AxisId to = fixture_axis(graph, "to", 3, AXIS_FEATURE);
  Node *x = column("x", RLC_F32, AXES(axis, to));
  uint32_t slot = result(node_orthonormal(graph, x, axis, to), "q", RLC_F32);
  Built built = build_module(arena, module, RLC_F64, 8);
  built_set(&built, 0, (double[]){3, 0, 4, 6, 0, 8, 0, -2, 0});
  built_run(&built, 0, 1, NULL);
  static const double expected[] = {0.6, 0, 0.8, 0, 0, 0, 0, -1, 0};
  for (int i = 0; i < 9; i++)
    ck_assert_double_eq_tol(rlc_slot_get(&built.rlc->slots[slot], built.memory, (uint64_t)i),
                            expected[i], 1e-15);
  built_free(&built);
}
END_TEST

/* ---- whole numbers ---- */

START_TEST(whole_outputs_are_rounded) {
  static const double values[] = {-1.5, -0.5, -0.49, 0.5, 1.499, 2.5, 8388609, -3};
  static const double expected[] = {-1, 0, 0, 1, 1, 3, 8388609, -3};
  for (int real = 0; real < 2; real++) {
    teardown();
    setup();
    AxisId env = fixture_axis(graph, "env", 8, AXIS_ROW);
    Node *x = column("x", RLC_F32, AXES(env));
    uint32_t slot = result(x, "rounded", RLC_I32);
    uint32_t sum = result(node2(graph, OP_add, x, node_const(graph, 0.25)), "moved", RLC_I32);
    uint32_t one = result(node_const(graph, 3), "constant", RLC_I32);
    Built built = build_module(arena, module, real ? RLC_F64 : RLC_F32, 8);
    Interp *interp = interp_make(arena, module, 0, false);
    interp_set(interp, 0, values);
    interp_run(interp);
    interp_store(interp);
    built_set(&built, 0, values);
    built_run(&built, 0, 1, NULL);
    double oracle[8];
    interp_get(interp, slot, oracle);
    for (uint64_t i = 0; i < 8; i++) {
      ck_assert_double_eq(rlc_slot_get(&built.rlc->slots[slot], built.memory, i), expected[i]);
      ck_assert_double_eq(oracle[i], expected[i]);
    }
    ck_assert_double_eq(rlc_slot_get(&built.rlc->slots[sum], built.memory, 4), 2);
    ck_assert_double_eq(rlc_slot_get(&built.rlc->slots[one], built.memory, 0), 3);
    built_free(&built);
  }
}
END_TEST

/* A choice between whole numbers is whole, whatever asks for it. */
START_TEST(choices_of_whole_numbers) {
  AxisId env = fixture_axis(graph, "env", 37, AXIS_ROW);
  AxisId choice = fixture_axis(graph, "choice", 5, AXIS_FEATURE);
  Node *i = column("i", RLC_I32, AXES(env)), *k = column("k", RLC_I32, AXES(env));
  Node *half = node2(graph, OP_mul, column("x", RLC_F32, AXES(env)), node_const(graph, 0.25));
  Node *q = column("q", RLC_F32, AXES(env, choice));
  Node *either = node3(graph, OP_where, half, i, k);
  Node *bounded = node2(graph, OP_min, i, node_const(graph, 1));
  ck_assert(either->integer && bounded->integer && node_mark(graph, i)->integer);
  ck_assert(!node3(graph, OP_where, half, i, q)->integer);
  ck_assert(!node2(graph, OP_max, i, node_const(graph, 0.5))->integer);
  result(either, "either", RLC_I32);
  result(bounded, "bounded", RLC_I32);
  result(node_gather(graph, q, either, choice), "taken", RLC_F32);
  Built built = build_module(arena, module, RLC_F64, 8);
  check_program(&built, 0, 2, 3, 1e-15, "choices");
  built_free(&built);
}
END_TEST

/* ---- takes ---- */

/* where(i < n, take(a), take(b)): `n` rows of a, then those of b. */
static Node *concat(Node *a, AxisId from_a, Node *b, AxisId from_b, AxisId all) {
  uint32_t n = graph->axes[from_a].extent, total = graph->axes[all].extent;
  double *first = NEW_ARRAY(arena, double, total), *rest = NEW_ARRAY(arena, double, total);
  double *is_first = NEW_ARRAY(arena, double, total);
  for (uint32_t i = 0; i < total; i++) {
    is_first[i] = i < n;
    first[i] = i < n ? i : n - 1;
    rest[i] = i < n ? 0 : i - n;
  }
  return node3(graph, OP_where, node_table(graph, all, is_first),
               node_take(graph, a, from_a, all, first), node_take(graph, b, from_b, all, rest));
}

/* A joined input of a layer: one kernel joins, in vectors. */
START_TEST(joins_are_one_kernel_of_vectors) {
  AxisId batch = fixture_axis(graph, "batch", 1000, AXIS_ROW);
  AxisId obs = fixture_axis(graph, "obs", 17, AXIS_FEATURE);
  AxisId act = fixture_axis(graph, "act", 6, AXIS_FEATURE);
  AxisId all = fixture_axis(graph, "all", 23, AXIS_FEATURE);
  Node *x = concat(column("obs", RLC_F32, AXES(batch, obs)), obs,
                   column("act", RLC_F32, AXES(batch, act)), act, all);
  result(node2(graph, OP_mul, x, node_const(graph, 0.5)), "joined", RLC_F32);
  Built built = build_module(arena, module, RLC_F32, 16);
  ck_assert_uint_eq(built.code->programs[0].kernel_count, 1);
  check_program(&built, 0, 1, 3, 1e-6, "join");
  const Kernel *kernel = built.code->programs[0].kernels[0];
  uint64_t steps = kernel->items * steps_of(kernel->body, 16);
  ck_assert_msg(steps <= 2 * 1000, "%llu steps", (unsigned long long)steps);
  built_free(&built);
}
END_TEST

/* The gradient of a shift along time is another shift, not a product of all pairs. */
START_TEST(gradients_of_takes_are_takes) {
  AxisId time = fixture_axis(graph, "time", 2048, AXIS_ROW);
  AxisId env = fixture_axis(graph, "env", 16, AXIS_ROW);
  Node *x = node_mark(graph, column("x", RLC_F32, AXES(time, env)));
  Node *y = node_shift(graph, x, time, 1);
  Node *loss = node_sum(graph, node2(graph, OP_mul, y, node2(graph, OP_mul, y, x)), x->axes);
  result(node_grad(graph, loss, x), "g", RLC_F32);
  grad_expand(module, arena, op_table);
  Node **nodes;
  size_t count = module_reach(module, NULL, arena, &nodes);
  for (size_t i = 0; i < count; i++) ck_assert_int_ne(nodes[i]->op, OP_scatter);
  pass_erase(module, arena);
  pass_simplify(module, arena);
  Built built = build_module(arena, module, RLC_F64, 8);
  check_program(&built, 0, 2, 3, 1e-12, "shift");
  built_free(&built);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_scan");
  TCase *tcase = tcase_create("scan");
  tcase_set_timeout(tcase, 240);
  tcase_add_test(tcase, scans_over_two_row_axes);
  tcase_add_test(tcase, rows_of_two_axes);
  tcase_add_test(tcase, vectors_become_orthonormal);
  suite_add_tcase(suite, tcase);
  TCase *small = tcase_create("small");
  tcase_set_timeout(small, 60);
  tcase_add_checked_fixture(small, setup, teardown);
  tcase_add_test(small, rows_share_work_over_their_product);
  tcase_add_test(small, orthonormal_takes_the_steps_it_must);
  tcase_add_test(small, orthonormal_vectors_in_order);
  tcase_add_test(small, whole_outputs_are_rounded);
  tcase_add_test(small, choices_of_whole_numbers);
  tcase_add_test(small, joins_are_one_kernel_of_vectors);
  tcase_add_test(small, gradients_of_takes_are_takes);
  suite_add_tcase(suite, small);
  return suite_run(suite);
}
