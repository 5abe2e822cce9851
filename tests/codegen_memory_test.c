/* Where results go and who waits for whom: outputs in place, former values, threads, the memory
 * plan and its checker. */
#include "tests/codegen_fixture.h"

static uint32_t state_of(Graph *graph, const char *name, Axes axes) {
  return graph_slot(graph, name, RLC_PARAMETER, RLC_F32, axes, NOWHERE);
}

static Node *scaled(Graph *graph, double factor, Node *x) {
  return node2(graph, OP_mul, node_const(graph, factor), x);
}

/* ---- outputs over their own inputs ---- */

/* m, v and p of Adam, each from the former ones. */
static void adam_module(Module *module) {
  Graph *graph = module->graph;
  Axes axes = AXES(axis_of(graph, "in", 37, AXIS_FEATURE), axis_of(graph, "out", 45, AXIS_FEATURE));
  uint32_t slots[3] = {state_of(graph, "m", axes), state_of(graph, "v", axes),
                       state_of(graph, "p", axes)};
  Node *m = node_input(graph, slots[0]), *v = node_input(graph, slots[1]);
  Node *p = node_input(graph, slots[2]), *g = node_input(graph, state_of(graph, "g", axes));
  Node *m1 = node2(graph, OP_add, scaled(graph, 0.9, m), scaled(graph, 0.1, g));
  Node *v1 =
      node2(graph, OP_add, scaled(graph, 0.99, v), scaled(graph, 0.01, node2(graph, OP_mul, g, g)));
  Node *root = node1(graph, OP_sqrt, node1(graph, OP_abs, v1));
  Node *step = node2(graph, OP_div, m1, node2(graph, OP_add, root, node_const(graph, 1e-3)));
  size_t program = fixture_program(module, "adam");
  fixture_output(module, program, slots[0], m1);
  fixture_output(module, program, slots[1], v1);
  fixture_output(module, program, slots[2], node2(graph, OP_sub, p, scaled(graph, 0.01, step)));
}

START_TEST(an_optimiser_is_one_loop_in_place) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  adam_module(module);
  Built built = build_module(arena, module, RLC_F32, 16);
  ck_assert_uint_eq(built.code->programs[0].kernel_count, 1);
  ck_assert_uint_eq(built.code->programs[0].work_bytes, 0);
  check_program(&built, 0, 1, 1, 1e-6, "adam");
  check_program(&built, 0, 3, 2, 1e-6, "adam");
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Slots that swap, rotate, are read after being written, sum themselves away, or get a rename of
 * themselves. */
static void hazards_module(Module *module) {
  Graph *graph = module->graph;
  AxisId f = axis_of(graph, "f", 40, AXIS_FEATURE);
  AxisId g = graph_axis(graph, "g", "other", 40, AXIS_FEATURE, NOWHERE);
  Axes axes = AXES(f);
  uint32_t a = state_of(graph, "a", axes), b = state_of(graph, "b", axes),
           c = state_of(graph, "c", axes);
  uint32_t square = state_of(graph, "square", AXES(f, g)),
           total = state_of(graph, "total", axes_none());
  Node *na = node_input(graph, a), *nb = node_input(graph, b), *nc = node_input(graph, c);
  Node *ns = node_input(graph, square), *nt = node_input(graph, total);
  size_t swap = fixture_program(module, "swap");
  fixture_output(module, swap, a, nb);
  fixture_output(module, swap, b, na);
  size_t rotate = fixture_program(module, "rotate");
  fixture_output(module, rotate, a, node2(graph, OP_add, nb, nc));
  fixture_output(module, rotate, b, node2(graph, OP_mul, nc, na));
  fixture_output(module, rotate, c, node2(graph, OP_sub, na, nb));
  size_t late = fixture_program(module, "late");
  Node *next = node2(graph, OP_add, na, node_const(graph, 1));
  fixture_output(module, late, a, next);
  fixture_output(module, late, total,
                 node_sum(graph, node2(graph, OP_mul, na, node_sum(graph, next, axes)), axes));
  size_t mean = fixture_program(module, "mean");
  fixture_output(module, mean, a, node2(graph, OP_sub, na, node_sum(graph, na, axes)));
  fixture_output(module, mean, total, node2(graph, OP_add, nt, node_const(graph, 1)));
  size_t twice = fixture_program(module, "twice");
  fixture_output(module, twice, a, node1(graph, OP_exp, nc));
  fixture_output(module, twice, b, node1(graph, OP_exp, nc));
  size_t product = fixture_program(module, "product");
  Node *other = node_rename(graph, na, f, g);
  Node *p = node_make(graph, OP_contract, (Attr){.axes = AXES(f)}, ns, na, NULL);
  fixture_output(module, product, a, node_rename(graph, p, g, f));
  fixture_output(module, product, square, node2(graph, OP_mul, ns, other));
  size_t both =
      fixture_program(module, "both"); /* one value for two slots, one of them read late */
  Node *top = node_gather(graph, na, node_argmax(graph, nb, f), f);
  Node *gathered = node2(graph, OP_mul, scaled(graph, 0.1, nb), top);
  fixture_output(module, both, a, gathered);
  fixture_output(module, both, b, gathered);
  fixture_output(module, both, c, gathered);
  size_t broadcast = fixture_program(module, "broadcast");
  fixture_output(module, broadcast, a, nt);
  fixture_output(module, broadcast, total, node_sum(graph, na, axes));
}

START_TEST(former_values_survive_until_they_are_read) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  hazards_module(module);
  Built built = build_module(arena, module, RLC_F32, 16);
  for (uint32_t p = 0; p < module->program_count; p++)
    for (uint32_t threads = 1; threads <= 3; threads++)
      check_program(&built, p, threads, 10 * p + threads, 1e-6, "hazards");
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- threads ---- */

/* Two layers forward and back with an optimiser step: kernels of every kind, large enough to be
 * shared. */
static void network_module(Module *module) {
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", 130, AXIS_ROW),
         obs = axis_of(graph, "obs", 17, AXIS_FEATURE);
  AxisId h = axis_of(graph, "h", 75, AXIS_FEATURE), out = axis_of(graph, "out", 70, AXIS_FEATURE);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(batch, obs)));
  uint32_t s1 = state_of(graph, "net.dense1.w", AXES(obs, h)),
           s2 = state_of(graph, "net.dense2.w", AXES(h, out));
  uint32_t sb = state_of(graph, "net.dense1.b", AXES(h));
  Node *w1 = node_input(graph, s1), *w2 = node_input(graph, s2), *b1 = node_input(graph, sb);
  Node *zero = node_const(graph, 0);
  Node *c1 = node_make(graph, OP_contract, (Attr){.axes = AXES(obs)}, x, w1, NULL);
  Node *h1 = node2(graph, OP_max, zero, node2(graph, OP_add, c1, b1));
  Node *y = node_make(graph, OP_contract, (Attr){.axes = AXES(h)}, h1, w2, NULL);
  Node *noise = node_uniform(graph, 5, AXES(batch, out), 2);
  Node *dy = scaled(graph, 0.01, node2(graph, OP_sub, node1(graph, OP_tanh, y), noise));
  Node *dw2 = node_make(graph, OP_contract, (Attr){.axes = AXES(batch)}, h1, dy, NULL);
  Node *back = node_make(graph, OP_contract, (Attr){.axes = AXES(out)}, dy, w2, NULL);
  Node *dh = node3(graph, OP_where, h1, back, zero);
  Node *dw1 = node_make(graph, OP_contract, (Attr){.axes = AXES(batch)}, x, dh, NULL);
  size_t program = fixture_program(module, "update");
  fixture_output(module, program, s1, node2(graph, OP_sub, w1, scaled(graph, 0.1, dw1)));
  fixture_output(module, program, s2, node2(graph, OP_sub, w2, scaled(graph, 0.1, dw2)));
  fixture_output(module, program, sb, node2(graph, OP_sub, b1, node_sum(graph, dh, AXES(batch))));
  fixture_result(module, program, node_sum(graph, node2(graph, OP_mul, dy, dy), AXES(batch, out)));
  fixture_result(module, program, node_argmax(graph, y, out));
}

START_TEST(threads_share_the_work_and_change_no_bit) {
  if (on_device("a GPU's threads are not the team's")) return;
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  network_module(module);
  Built built = build_module(arena, module, RLC_F32, 16);
  check_program(&built, 0, 1, 1, 1e-5, "network");
  size_t size = built.rlc->memory_bytes;
  char *first = guarded_alloc(size, 0);
  uint64_t all = 0;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    uint64_t done[3] = {0}, sum = 0;
    memset(built.memory, 0, size);
    fill_slots(&built, NULL, 9);
    for (int i = 0; i < 5; i++) built_run(&built, 0, threads, done);
    if (threads == 1) memcpy(first, built.memory, size);
    ck_assert_mem_eq(first, built.memory, size);
    for (uint32_t t = 0; t < threads; t++) {
      sum += done[t];
      ck_assert_msg(threads == 1 || done[t] * threads < 3 * all / 2,
                    "thread %u of %u did %llu of %llu", t, threads, (unsigned long long)done[t],
                    (unsigned long long)all);
    }
    if (threads == 1) all = sum;
    ck_assert_uint_eq(sum, all);
  }
  free(first);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- the plan ---- */

static Code *network_code(Arena *arena) {
  Module *module = fixture_module(arena);
  network_module(module);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  return code_make(arena, module, &options);
}

START_TEST(buffers_share_memory_once_they_are_dead) {
  Arena *arena = arena_make();
  Code *code = network_code(arena);
  const ProgramCode *program = &code->programs[0];
  uint64_t sum = 0;
  for (size_t i = 0; i < program->buffer_count; i++) {
    sum += program->buffers[i]->bytes;
    ck_assert_uint_eq(program->buffers[i]->offset % 64, 0);
    ck_assert_uint_le(program->buffers[i]->offset + program->buffers[i]->bytes,
                      program->work_bytes);
  }
  ck_assert_uint_lt(program->work_bytes, sum);
  for (size_t i = 1; i < code->module->graph->slot_count; i++)
    ck_assert_uint_ge(code->slots[i]->offset,
                      code->slots[i - 1]->offset + code->slots[i - 1]->bytes);
  arena_free(arena);
}
END_TEST

START_TEST(the_checker_finds_overlaps) {
  Arena *arena = arena_make();
  Code *code = network_code(arena);
  ck_assert_ptr_null(plan_check(code, arena));
  ProgramCode *program = &code->programs[0];
  int found = 0;
  for (size_t i = 0; i < program->buffer_count; i++)
    for (size_t j = 0; j < i; j++) {
      Buffer *a = program->buffers[i], *b = program->buffers[j];
      if (a->first > b->last || b->first > a->last) continue;
      uint64_t offset = a->offset;
      a->offset = b->offset;
      const char *error = plan_check(code, arena);
      ck_assert_ptr_nonnull(error);
      ck_assert_ptr_nonnull(strstr(error, "overlap"));
      a->offset = offset;
      found++;
    }
  ck_assert_int_gt(found, 2);
  arena_free(arena);
}
END_TEST

START_TEST(the_checker_finds_missing_barriers) {
  Arena *arena = arena_make();
  Code *code = network_code(arena);
  ProgramCode *program = &code->programs[0];
  int found = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    if (!program->kernels[k]->barrier_before) continue;
    program->kernels[k]->barrier_before = false;
    const char *error = plan_check(code, arena);
    ck_assert_ptr_nonnull(error);
    ck_assert_ptr_nonnull(strstr(error, "no barrier between"));
    program->kernels[k]->barrier_before = true;
    found++;
  }
  ck_assert_int_gt(found, 2);
  ck_assert_ptr_null(plan_check(code, arena));
  arena_free(arena);
}
END_TEST

/* ---- what shares a kernel ---- */

static const Kernel *kernel_of_slot(const Code *code, const char *slot) {
  const ProgramCode *program = &code->programs[0];
  for (size_t k = 0; k < program->kernel_count; k++)
    for (size_t i = 0; i < program->kernels[k]->root_count; i++) {
      const Buffer *buffer = program->kernels[k]->roots[i].buffer;
      if (buffer && buffer->spec && strcmp(buffer->spec, slot) == 0) return program->kernels[k];
    }
  return NULL;
}

START_TEST(products_take_their_epilogues) {
  Arena *arena = arena_make();
  Code *code = network_code(arena);
  const ProgramCode *program = &code->programs[0];
  size_t products = 0, with_epilogue = 0, repacks = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    repacks += kernel->kind == KERNEL_REPACK;
    if (kernel->kind != KERNEL_CONTRACT) continue;
    products++;
    with_epilogue += kernel->root_count > 1;
    ck_assert_ptr_eq(kernel->roots[0].node, kernel->contraction);
  }
  ck_assert_uint_eq(products, 5);
  ck_assert_uint_eq(with_epilogue, 4); /* relu; tanh and loss; mask; a step of the first weight */
  ck_assert_uint_eq(repacks,
                    1); /* the second weight with its inputs innermost, for the backward product */
  ck_assert_int_eq(kernel_of_slot(code, "net.dense1.w")->kind, KERNEL_CONTRACT);
  /* whose gradient comes before the backward product that reads what it was */
  ck_assert_int_eq(kernel_of_slot(code, "net.dense2.w")->kind, KERNEL_MAP);
  arena_free(arena);
}
END_TEST

/* exp over {f} read by a value over {row, f} is computed once per f; two readers of one tanh share
 * it. */
START_TEST(nothing_expensive_is_computed_twice) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 50, AXIS_ROW), f = axis_of(graph, "f", 20, AXIS_FEATURE);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(row, f)));
  Node *y = node_input(graph, fixture_slot(graph, "y", RLC_F32, AXES(f)));
  Node *scale = node1(graph, OP_exp, y), *bent = node1(graph, OP_tanh, x);
  size_t program = fixture_program(module, "shared");
  fixture_result(module, program, node2(graph, OP_mul, x, scale));
  fixture_result(module, program, node_sum(graph, bent, AXES(row)));
  fixture_result(module, program, node_sum(graph, bent, AXES(f)));
  Built built = build_module(arena, module, RLC_F32, 16);
  const ProgramCode *code = &built.code->programs[0];
  size_t exps = 0, tanhs = 0;
  for (size_t k = 0; k < code->kernel_count; k++)
    for (size_t i = 0; i < code->kernels[k]->root_count; i++) {
      const Node *node = code->kernels[k]->roots[i].node;
      exps += node == scale;
      tanhs += node == bent;
    }
  ck_assert_uint_eq(exps, 1);
  ck_assert_uint_eq(tanhs, 1);
  check_program(&built, 0, 1, 3, 3e-6, "shared");
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Expressions whose parts are shared have exponentially many paths; none may be walked path by
 * path. */
START_TEST(sharing_within_an_expression_costs_nothing) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId f = axis_of(graph, "f", 20, AXIS_FEATURE);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(f))), *y = x;
  for (int i = 0; i < 60; i++)
    y = node2(graph, OP_sub, y, scaled(graph, 0.5, node1(graph, OP_abs, y)));
  size_t program = fixture_program(module, "deep");
  fixture_result(module, program, y);
  fixture_result(module, program, node_sum(graph, y, AXES(f)));
  Built built = build_module(arena, module, RLC_F32, 16);
  check_program(&built, 0, 1, 1, 1e-6, "deep");
  built_free(&built);
  arena_free(arena);
}
END_TEST

static int64_t longest_lanes(const Block *block) {
  int64_t longest = 0;
  for (size_t i = 0; i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    if (stmt->kind != STMT_LOOP) continue;
    bool lanes = stmt->loop == LOOP_LANES && stmt->hi->kind == TERM_INT;
    int64_t length = lanes ? stmt->hi->value : longest_lanes(stmt->body);
    if (length > longest) longest = length;
  }
  return longest;
}

/* Draws over six actions fill vectors of 16 with those of the next rows; a value that is the same
 * along the actions stays where it is loaded once for all of them. */
START_TEST(narrow_draws_fill_registers) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 9, AXIS_ROW), act = axis_of(graph, "act", 6, AXIS_FEATURE);
  AxisId draw = axis_of(graph, "draw", 5, AXIS_DRAW);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(row, draw)));
  Node *noise = node_uniform(graph, 5, AXES(row, draw, act), 2);
  size_t alone = fixture_program(module, "alone"), beside = fixture_program(module, "beside");
  fixture_result(module, alone, scaled(graph, 2, noise));
  fixture_result(module, beside, node2(graph, OP_mul, noise, x));
  Built built = build_module(arena, module, RLC_F32, 16);
  ck_assert_int_ge(longest_lanes(built.code->programs[0].kernels[0]->body), 40);
  ck_assert_int_eq(longest_lanes(built.code->programs[1].kernels[0]->body), 8);
  for (uint32_t p = 0; p < 2; p++) check_program(&built, p, 1 + p, 3, 1e-6, "draws");
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Copies of any extents are transposes in registers, at the ends of the axes too. */
START_TEST(copies_of_odd_extents_are_transposes) {
  if (on_device("transposes in registers are a CPU's")) return;
  static const uint32_t extents[][2] = {{20, 6}, {6, 20}, {33, 17}, {84, 120}, {5, 5}, {31, 8}};
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 40, AXIS_ROW);
  for (size_t i = 0; i < COUNTOF(extents); i++) {
    const char *names[] = {arena_printf(arena, "in%zu", i), arena_printf(arena, "out%zu", i)};
    AxisId in = axis_of(graph, names[0], extents[i][0], AXIS_FEATURE);
    AxisId out = axis_of(graph, names[1], extents[i][1], AXIS_FEATURE);
    Node *w = node_input(
        graph, fixture_slot(graph, arena_printf(arena, "w%zu", i), RLC_F32, AXES(in, out)));
    Node *g = node_input(
        graph, fixture_slot(graph, arena_printf(arena, "g%zu", i), RLC_F32, AXES(row, out)));
    size_t program = fixture_program(module, names[0]);
    fixture_result(module, program,
                   node_make(graph, OP_contract, (Attr){.axes = AXES(out)}, g, w, NULL));
  }
  Built built = build_module(arena, module, RLC_F32, 16);
  for (uint32_t p = 0; p < COUNTOF(extents); p++) {
    const ProgramCode *program = &built.code->programs[p];
    ck_assert_int_eq(program->kernels[0]->kind, KERNEL_REPACK);
    ck_assert_int_eq(longest_lanes(program->kernels[0]->body), 0);
    check_program(&built, p, 1 + p % 3, 5, 1e-6, "odd copies");
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_memory");
  TCase *tcase = tcase_create("memory");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, an_optimiser_is_one_loop_in_place);
  tcase_add_test(tcase, former_values_survive_until_they_are_read);
  tcase_add_test(tcase, threads_share_the_work_and_change_no_bit);
  tcase_add_test(tcase, buffers_share_memory_once_they_are_dead);
  tcase_add_test(tcase, the_checker_finds_overlaps);
  tcase_add_test(tcase, the_checker_finds_missing_barriers);
  tcase_add_test(tcase, products_take_their_epilogues);
  tcase_add_test(tcase, nothing_expensive_is_computed_twice);
  tcase_add_test(tcase, sharing_within_an_expression_costs_nothing);
  tcase_add_test(tcase, narrow_draws_fill_registers);
  tcase_add_test(tcase, copies_of_odd_extents_are_transposes);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
