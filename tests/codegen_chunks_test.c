/* Kernels that go over their rows together: which do, in how much memory, and that no value depends
 * on it. */
#include "tests/codegen_fixture.h"

typedef struct Shape {
  uint32_t batch, tries; /* tries 0: no such axis, and values of a row stand beside each other */
  bool shown; /* the result of the way back is an output: its kernel, and the order of rows, stay
                 out */
} Shape;

/* Chunks of several lengths, also such that tiles have a rest; with panels along the rows. */
static const Shape shapes[] = {
    {96, 4, false}, {90, 5, true}, {240, 3, false}, {320, 0, true}, {512, 0, false}};

static Node *contract(Graph *graph, Axes axes, Node *a, Node *b) {
  return node_make(graph, OP_contract, (Attr){.axes = axes}, a, b, NULL);
}

static Node *relu(Graph *graph, Node *x) { return node2(graph, OP_max, node_const(graph, 0), x); }

/* The way there and back of an actor's gradient through the smaller of two critics: rows choose the
 * weights on the way back. */
static Module *critic_module(Arena *arena, Shape shape) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId twin = fixture_axis(graph, "twin", 2, AXIS_COPY);
  AxisId batch = fixture_axis(graph, "batch", shape.batch, AXIS_ROW);
  AxisId in = fixture_axis(graph, "in", 6, AXIS_FEATURE);
  AxisId h = fixture_axis(graph, "h", 40, AXIS_FEATURE),
         g = fixture_axis(graph, "g", 70, AXIS_FEATURE);
  Axes rows = AXES(batch);
  if (shape.tries) rows = AXES(batch, fixture_axis(graph, "try", shape.tries, AXIS_DRAW));
  Node *x = fixture_input(graph, "x", axes_union(rows, axes_one(in)));
  Node *w1 = fixture_input(graph, "w1", AXES(twin, in, h));
  Node *w2 = fixture_input(graph, "w2", AXES(twin, h, g)),
       *w3 = fixture_input(graph, "w3", AXES(twin, g));
  Node *shared = fixture_input(graph, "shared", AXES(twin, batch, h));
  Node *h1 = relu(graph, node2(graph, OP_add, contract(graph, axes_one(in), x, w1), shared));
  Node *h2 = relu(graph, contract(graph, axes_one(h), h1, w2));
  Node *q = contract(graph, axes_one(g), h2, w3);
  Node *least = node_argmin(graph, q, twin);
  Node *dq = node2(graph, OP_mul, node_gather(graph, q, least, twin), node_const(graph, 0.1));
  Node *taken = node_gather(graph, w3, least, twin);
  Node *d2 = node3(graph, OP_where, node_gather(graph, h2, least, twin),
                   node2(graph, OP_mul, dq, taken), node_const(graph, 0));
  Node *d1 = contract(graph, axes_one(g), d2, node_gather(graph, w2, least, twin));
  Node *dx = contract(graph, axes_one(h), d1, node_gather(graph, w1, least, twin));
  size_t program = fixture_program(module, "update");
  fixture_result(module, program, node_sum(graph, dx, rows));
  if (shape.shown) fixture_result(module, program, dx);
  fixture_result(module, program, node_sum(graph, q, axes_union(rows, axes_one(twin))));
  fixture_result(module, program, contract(graph, rows, x, dx));
  return module;
}

static Built critic_build(Arena *arena, Shape shape, RlcType real, uint32_t lanes, uint32_t cache) {
  CodegenOptions options = {
      .real = real, .lanes = lanes, .cache = cache, .target = test_target(), .compiler = "test"};
  return build_with(arena, critic_module(arena, shape), &options);
}

enum { SMALL = 100 << 10 };

static const struct {
  RlcType real;
  uint32_t lanes;
  double tolerance;
} widths[] = {{RLC_F32, 16, 2e-5}, {RLC_F32, 8, 2e-5}, {RLC_F32, 4, 2e-5}, {RLC_F64, 8, 1e-12}};

START_TEST(chunks_agree_with_the_oracle) {
  for (size_t i = 0; i < COUNTOF(widths); i++) {
    Arena *arena = arena_make();
    Built built = critic_build(arena, shapes[_i], widths[i].real, widths[i].lanes, SMALL);
    for (uint32_t threads = 1; threads <= 3; threads++)
      check_program(&built, 0, threads, threads, widths[i].tolerance, "chunks");
    built_free(&built);
    arena_free(arena);
  }
}
END_TEST

/* Values of all slots after a run on `threads` threads. */
static double *critic_run(const Built *built, uint32_t threads, size_t *count) {
  double *values = NULL;
  size_t capacity = 0;
  *count = 0;
  memset(built->work, 0xff, work_size(built->rlc));
  fill_slots(built, NULL, 4);
  built_run(built, 0, threads, NULL);
  for (uint32_t s = 0; s < built->rlc->slot_count; s++)
    for (uint64_t i = 0; i < rlc_slot_elements(&built->rlc->slots[s]); i++)
      PUSH(built->arena, values, *count, capacity,
           rlc_slot_get(&built->rlc->slots[s], built->memory, i));
  return values;
}

START_TEST(threads_change_no_bit) {
  Arena *arena = arena_make();
  size_t count;
  Built built = critic_build(arena, shapes[_i], RLC_F32, 16, SMALL);
  const double *expected = critic_run(&built, 1, &count);
  for (uint32_t threads = 2; threads <= 5; threads++)
    ck_assert_mem_eq(expected, critic_run(&built, threads, &count), count * sizeof *expected);
  if (shapes[_i].tries) { /* without tries sums go along the rows, or not */
    Built whole = critic_build(arena, shapes[_i], RLC_F32, 16, 0);
    ck_assert_mem_eq(expected, critic_run(&whole, 1, &count), count * sizeof *expected);
    built_free(&whole);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

static size_t together(const ProgramCode *program, size_t *first) {
  size_t count = 0;
  for (size_t k = program->kernel_count; k-- > 0;)
    if (program->kernels[k]->chunks) *first = k, count++;
  return count;
}

/* From the first layer to the gradient of the input, no barrier between, and what the layers hand
 * each other has room for one chunk. */
START_TEST(layers_go_together) {
  Arena *arena = arena_make();
  Built built = critic_build(arena, shapes[_i], RLC_F32, 16, SMALL);
  const ProgramCode *program = &built.code->programs[0];
  size_t first = 0, count = together(program, &first), own = 0;
  ck_assert_uint_ge(count, 4);
  ck_assert_uint_eq(chunks_end(program, first), first + count);
  for (size_t k = first + 1; k < first + count; k++)
    ck_assert(!program->kernels[k]->barrier_before);
  size_t chosen = 0;
  for (size_t k = first; k < first + count; k++) chosen += program->kernels[k]->buckets != NULL;
  ck_assert(shapes[_i].shown ? chosen == 0 : chosen >= 1);
  for (size_t i = 0; i < program->buffer_count; i++)
    own += program->buffers[i]->space == SPACE_CHUNK;
  ck_assert_uint_ge(own, shapes[_i].shown ? 1 : 3);
  Built whole = critic_build(arena, shapes[_i], RLC_F32, 16, 0);
  ck_assert_uint_eq(together(&whole.code->programs[0], &first), 0);
  ck_assert_uint_eq(whole.code->programs[0].thread_bytes, 0);
  ck_assert_uint_lt(program->work_bytes, whole.code->programs[0].work_bytes);
  built_free(&whole);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* The checker knows barriers amid chunks and values that nobody wrote. */
START_TEST(the_plan_of_chunks_is_checked) {
  Arena *arena = arena_make();
  Built built = critic_build(arena, shapes[0], RLC_F32, 16, SMALL);
  ProgramCode *program = &built.code->programs[0];
  size_t first = 0;
  together(program, &first);
  program->kernels[first + 1]->barrier_before = true;
  ck_assert_ptr_nonnull(strstr(plan_check(built.code, arena), "amid chunks"));
  program->kernels[first + 1]->barrier_before = false;
  for (size_t i = 0; i < program->kernels[first]->place_count; i++)
    program->kernels[first]->places[i].writes = false;
  ck_assert_ptr_nonnull(strstr(plan_check(built.code, arena), "before it is written"));
  built_free(&built);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_chunks");
  TCase *tcase = tcase_create("chunks");
  tcase_set_timeout(tcase, 240);
  tcase_add_loop_test(tcase, chunks_agree_with_the_oracle, 0, COUNTOF(shapes));
  tcase_add_loop_test(tcase, threads_change_no_bit, 0, COUNTOF(shapes));
  tcase_add_loop_test(tcase, layers_go_together, 0, COUNTOF(shapes));
  tcase_add_test(tcase, the_plan_of_chunks_is_checked);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
