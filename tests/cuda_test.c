/* CUDA C without a GPU: the same text on the CPU, whose results are the oracle's and do not change
 * with the order in which the lanes of a warp take their turns, and NVRTC's word that it compiles.
 * What every kind of kernel computes is in the codegen tests, which run with RLC_TARGET=cuda too
 * (`make cuda-cpu-check`). */
#include "codegen/cuda/cuda.h"
#include "codegen/cuda/emit_cuda.h"
#include "compiler/passes/pipeline.h"
#include "tests/codegen_fixture.h"

static Node *input_of(Graph *graph, const char *name, Axes axes) {
  return node_input(graph, graph_slot(graph, name, RLC_COLUMN, RLC_F32, axes, NOWHERE));
}

static Node *product(Graph *graph, Node *x, Node *y, Axes axes) {
  return node_make(graph, OP_contract, (Attr){.axes = axes}, x, y, NULL);
}

/* A head of a small network: products, an activation, draws, sums, an order. */
static Module *head_make(Arena *arena) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", 37, AXIS_ROW), in = axis_of(graph, "in", 45, AXIS_FEATURE);
  AxisId hidden = axis_of(graph, "hidden", 70, AXIS_FEATURE);
  AxisId out = axis_of(graph, "out", 5, AXIS_FEATURE), best = axis_of(graph, "best", 3, AXIS_DRAW);
  Node *x = input_of(graph, "x", AXES(batch, in)), *w = input_of(graph, "w", AXES(in, hidden));
  Node *v = input_of(graph, "v", AXES(hidden, out));
  Node *h = node1(graph, OP_tanh, product(graph, x, w, AXES(in)));
  Node *y = product(graph, h, v, AXES(hidden));
  y = node2(graph, OP_add, y, node_uniform(graph, 77, AXES(batch, out), 0));
  size_t program = fixture_program(module, "head");
  fixture_result(module, program, y);
  fixture_result(module, program, node_sum(graph, y, AXES(batch)));
  fixture_result(module, program, node_sum(graph, y, AXES(batch, out)));
  fixture_result(module, program, node_order(graph, y, out, best));
  return module;
}

static Built head_build(Arena *arena) {
  static const CodegenOptions options = {
      .real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  return build_with(arena, head_make(arena), &options);
}

/* Orders of rows of different lengths: kernels whose warps need arrays of different sizes, and that
 * have nothing to do with each other, so that no plan lets them meet. */
static Module *orders_make(Arena *arena) {
  static const uint32_t lengths[] = {3, 40, 90, 7, 70};
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", 37, AXIS_ROW);
  size_t program = fixture_program(module, "orders");
  for (size_t i = 0; i < COUNTOF(lengths); i++) {
    AxisId from = axis_of(graph, arena_printf(arena, "from%zu", i), lengths[i], AXIS_FEATURE);
    AxisId best = axis_of(graph, arena_printf(arena, "best%zu", i), 3, AXIS_DRAW);
    Node *x = input_of(graph, arena_printf(arena, "x%zu", i), AXES(batch, from));
    fixture_result(module, program, node_order(graph, x, from, best));
  }
  return module;
}

static void check_orders(Arena *arena, Module *module) {
  static const CodegenOptions options = {
      .real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  static const char *const orders[] = {"0", "1", "7", "29"};
  Built built = build_with(arena, module, &options);
  char *first = NULL;
  for (size_t i = 0; i < COUNTOF(orders); i++) {
    setenv("RLC_SHIM_ORDER", orders[i], 1);
    check_program(&built, 0, 1, 3, 3e-6, orders[i]);
    if (first) ck_assert_mem_eq(first, built.memory, built.rlc->memory_bytes);
    if (!first) first = arena_copy(arena, built.memory, built.rlc->memory_bytes);
  }
  unsetenv("RLC_SHIM_ORDER");
  built_free(&built);
}

START_TEST(any_order_of_lanes_gives_the_oracles_values) {
  Arena *arena = arena_make();
  check_orders(arena, head_make(arena));
  arena_free(arena);
}
END_TEST

START_TEST(any_order_of_warps_gives_the_oracles_values) {
  Arena *arena = arena_make();
  check_orders(arena, orders_make(arena));
  arena_free(arena);
}
END_TEST

/* ---- text ---- */

static Code *code_of(Arena *arena, Module *module) {
  static const CodegenOptions options = {
      .real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  return code_make(arena, module, &options);
}

static size_t count_of(const Code *code, const char *what) {
  char *text = NULL;
  size_t length = 0, count = 0;
  FILE *out = open_memstream(&text, &length);
  emit_cuda(code, out);
  fclose(out);
  for (const char *at = text; (at = strstr(at, what)); at++) count++;
  free(text);
  return count;
}

/* y = x w, and with `more` a second product like it. */
static Module *products_make(Arena *arena, uint32_t rows, bool more) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", rows, AXIS_ROW),
         in = axis_of(graph, "in", 256, AXIS_FEATURE);
  AxisId out = axis_of(graph, "out", 250, AXIS_FEATURE);
  size_t program = fixture_program(module, "products");
  for (int i = 0; i <= more; i++) {
    Node *x = input_of(graph, i ? "x1" : "x0", AXES(batch, in));
    Node *w = input_of(graph, i ? "w1" : "w0", AXES(in, out));
    fixture_result(module, program, product(graph, x, w, AXES(in)));
  }
  return module;
}

START_TEST(kernels_that_do_the_same_share_a_function) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, products_make(arena, 256, true));
  ck_assert_uint_eq(code->programs[0].kernel_count, 2);
  ck_assert_uint_eq(count_of(code, "BODY void contract_"), 1);
  ck_assert_uint_eq(count_of(code, ": contract_"), 1); /* one place in the program */
  arena_free(arena);
}
END_TEST

START_TEST(positions_are_wide_where_tensors_are_large) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, products_make(arena, 256, false));
  ck_assert_uint_eq(count_of(code, "typedef int Index"), 1);
  code = code_of(arena, products_make(arena, 1u << 24, false));
  ck_assert_uint_eq(count_of(code, "typedef long Index"), 1);
  code = code_of(arena, products_make(arena, 8380000, false)); /* a step less than all of int */
  ck_assert_uint_eq(count_of(code, "typedef int Index"), 1);
  code = code_of(arena, products_make(arena, 8388600, false));
  ck_assert_uint_eq(count_of(code, "typedef long Index"), 1);
  arena_free(arena);
}
END_TEST

/* Four panels of columns: many rows make high tiles of one warp each, few rows the same tiles of a
 * block each, whose warps take parts of the sum. */
START_TEST(products_keep_many_warps_busy) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, products_make(arena, 256, false));
  ck_assert_uint_eq(code->programs[0].kernels[0]->items, 4 * 256 / 16);
  ck_assert_uint_eq(count_of(code, "for (Index part = 0 + threadIdx.x / 32; part < 8;"), 1);
  ck_assert_uint_eq(count_of(code, "__syncthreads();"), 2 + 2 + 1); /* body, grid, program */
  code = code_of(arena, products_make(arena, 4096, false));
  ck_assert_uint_eq(code->programs[0].kernels[0]->items, 4 * 4096 / 16);
  ck_assert_uint_eq(count_of(code, "threadIdx.x / 32; part"), 0);
  arena_free(arena);
}
END_TEST

/* Sixteen rows by two vectors, four steps behind each other. */
START_TEST(steps_of_sums_stand_behind_each_other) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, products_make(arena, 256, false));
  ck_assert_uint_eq(count_of(code, " = fmaf("), 4 * 16 * 2);
  arena_free(arena);
}
END_TEST

/* ---- matrix instructions ---- */

/* A layer of odd extents, there and back, its operands rounded: rows and columns that fill no tile,
 * sums that fill no step, both operands with the summed axis innermost or neither. */
static Module *rounded_make(Arena *arena, NumberFormat format) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", 82, AXIS_ROW), in = axis_of(graph, "in", 68, AXIS_FEATURE);
  AxisId out = axis_of(graph, "out", 106, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(batch, in)), *w = input_of(graph, "w", AXES(in, out));
  Node *b = input_of(graph, "b", AXES(out)), *g = input_of(graph, "g", AXES(batch, out));
  size_t program = fixture_program(module, "layer");
  Node *y = node2(graph, OP_add, product(graph, x, w, AXES(in)), b);
  fixture_result(module, program, node2(graph, OP_max, node_const(graph, 0), y));
  fixture_result(module, program, product(graph, g, w, AXES(out)));
  fixture_result(module, program, product(graph, x, g, AXES(batch)));
  module->precision = format;
  pipeline_pass(module, "round", &(PipelineOptions){.out = stdout});
  return module;
}

START_TEST(matrix_instructions_give_the_oracles_values) {
  Arena *arena = arena_make();
  Code *code = code_of(arena, rounded_make(arena, (NumberFormat)_i));
  ck_assert_uint_gt(count_of(code, _i == FORMAT_bf16 ? "mma_bf16_16x8x16(&" : "mma_tf32_16x8x8(&"),
                    0);
  ck_assert_uint_eq(count_of(code, " = fmaf("), 0);
  ck_assert_uint_eq(code->programs[0].kernel_count, 3); /* what is rounded is nowhere */
  check_orders(arena, rounded_make(arena, (NumberFormat)_i));
  arena_free(arena);
}
END_TEST

/* Products with so many tiles that the warps of a block share columns: rows that fill no block,
 * sums that fill no step, in an odd number of steps; both operands with the summed axis innermost,
 * in panels that are apart, or neither; columns beyond the last; tiles of 32 rows. */
static const struct {
  uint32_t copies, rows, sum, columns;
  int place; /* of the summed axis in memory: before rows, between them and columns, innermost */
  int64_t height;
} teams[] = {{1, 4130, 36, 250, 1, 16},
             {1, 4130, 70, 200, 2, 16},
             {1, 4130, 40, 250, 0, 16},
             {128, 200, 48, 40, 1, 32},
             {1, 128 * 256, 32, 32, 2, 32}};

static Module *team_make(Arena *arena, NumberFormat format, size_t which) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId copy = axis_of(graph, "copy", teams[which].copies, AXIS_COPY), of[3];
  int place = teams[which].place, row_at = place == 0, column_at = place == 2 ? 1 : 2;
  for (int i = 0; i < 3; i++) {
    uint32_t extent = i == place    ? teams[which].sum
                      : i == row_at ? teams[which].rows
                                    : teams[which].columns;
    of[i] = axis_of(graph, arena_printf(arena, "axis%d", i), extent, AXIS_FEATURE);
  }
  AxisId sum = of[place], row = of[row_at], column = of[column_at];
  bool copies = teams[which].copies > 1;
  Node *x = input_of(graph, "x", copies ? AXES(copy, row, sum) : AXES(row, sum));
  Node *w = input_of(graph, "w", copies ? AXES(copy, sum, column) : AXES(sum, column));
  Node *b = input_of(graph, "b", AXES(column)), *y = product(graph, x, w, AXES(sum));
  size_t program = fixture_program(module, "layer");
  if (which != 1) y = node2(graph, OP_max, node_const(graph, 0), node2(graph, OP_add, y, b));
  fixture_result(module, program, y);
  module->precision = format;
  pipeline_pass(module, "round", &(PipelineOptions){.out = stdout});
  return module;
}

START_TEST(warps_share_columns) {
  NumberFormat format = _i % 2 ? FORMAT_tf32 : FORMAT_bf16;
  size_t which = (size_t)_i / 2;
  Arena *arena = arena_make();
  Code *code = code_of(arena, team_make(arena, format, which));
  const Kernel *kernel = code->programs[0].kernels[0];
  uint64_t rows = 8 * (uint64_t)teams[which].height, panels = (teams[which].columns + 63) / 64;
  ck_assert_uint_eq(code->programs[0].kernel_count, 1);
  ck_assert_uint_eq(kernel->items,
                    teams[which].copies * panels * ((teams[which].rows + rows - 1) / rows));
  ck_assert_uint_eq(count_of(code, "const Index warp = threadIdx.x / 32;"), 1);
  check_orders(arena, team_make(arena, format, which));
  arena_free(arena);
}
END_TEST

START_TEST(the_same_text_compiles_for_every_architecture) {
  static const char *const architectures[] = {"sm_80", "sm_90", "sm_120"};
  char error[4096];
  if (!nvrtc_version(error, sizeof error)) {
    printf("SKIP: %s\n", error);
    return;
  }
  Arena *arena = arena_make();
  Module *module = _i == FORMAT_float32 ? head_make(arena)
                   : _i < FORMAT_COUNT  ? rounded_make(arena, (NumberFormat)_i)
                                        : team_make(arena, (NumberFormat)(_i - FORMAT_COUNT), 3);
  const Code *code = code_of(arena, module);
  for (size_t i = 0; i < COUNTOF(architectures); i++) {
    CudaImage image;
    bool good = nvrtc_compile(code, architectures[i], &image, error, sizeof error);
    ck_assert_msg(good, "%s: %s", architectures[i], error);
    ck_assert_mem_eq(image.cubin, "\177ELF", 4);
    ck_assert_ptr_nonnull(strstr(image.ptx, ".entry " CUDA_PROGRAM "0"));
    ck_assert_ptr_nonnull(strstr(image.ptx, arena_printf(arena, ".target %s", architectures[i])));
    cuda_image_free(&image);
  }
  ck_assert(!nvrtc_compile(code, "sm_1", &(CudaImage){0}, error, sizeof error));
  ck_assert_msg(strstr(error, "sm_1") || strstr(error, "architecture"), "%s", error);
  arena_free(arena);
}
END_TEST

/* A trainer may be taken to where a card is, whatever CPU is there. */
START_TEST(little_is_asked_of_the_host) {
  Arena *arena = arena_make();
  Built built = head_build(arena);
  ck_assert_uint_le(code_cpu(built.code)->bytes, 16);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- where arrays lie ---- */

static Residence residence_of(const Registers *array, Block *body, Arena *arena) {
  Block *all = block_make(arena);
  declare_add(arena, all, array, NULL);
  for (size_t i = 0; i < body->count; i++) block_add(arena, all, body->items[i]);
  Arrays arrays = arrays_find(arena, all);
  return array_place(&arrays, array)->residence;
}

/* for (l in lanes from..64) array[l + shift] = 0 */
static Block *lanes_set(Arena *arena, const Registers *array, int64_t from, int64_t shift) {
  Block *block = block_make(arena);
  const Var *lane = var_make(arena, "l", VALUE_INDEX, 1);
  Block *body =
      loop_add(arena, block, LOOP_LANES, lane, term_int(arena, from), term_int(arena, 64));
  Term *at = term_add(arena, term_var(arena, lane), term_int(arena, shift));
  set_add(arena, body, array, at, NULL, term_real(arena, VALUE_F32, 0));
  return block;
}

START_TEST(arrays_are_shared_where_lanes_meet_in_them) {
  Arena *arena = arena_make();
  const Registers *array = registers_array(arena, "a", VALUE_F32, 96);
  ck_assert_int_eq(residence_of(array, lanes_set(arena, array, 0, 32), arena), IN_LANES);
  ck_assert_int_eq(residence_of(array, lanes_set(arena, array, 0, 16), arena), IN_WARP);
  ck_assert_int_eq(residence_of(array, lanes_set(arena, array, 8, 0), arena), IN_WARP);
  Block *alone = block_make(arena);
  set_add(arena, alone, array, term_int(arena, 3), NULL, term_real(arena, VALUE_F32, 0));
  ck_assert_int_eq(residence_of(array, alone, arena), IN_THREAD);
  Block *both = lanes_set(arena, array, 0, 0);
  block_add(arena, both, alone->items[0]);
  ck_assert_int_eq(residence_of(array, both, arena), IN_WARP);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cuda");
  TCase *tcase = tcase_create("cuda"), *matrix = tcase_create("matrix");
  tcase_set_timeout(tcase, 600);
  tcase_set_timeout(matrix, 600);
  tcase_add_test(tcase, little_is_asked_of_the_host);
  tcase_add_test(tcase, any_order_of_lanes_gives_the_oracles_values);
  tcase_add_test(tcase, any_order_of_warps_gives_the_oracles_values);
  tcase_add_loop_test(tcase, the_same_text_compiles_for_every_architecture, 0, 2 * FORMAT_COUNT);
  tcase_add_loop_test(matrix, matrix_instructions_give_the_oracles_values, FORMAT_bf16,
                      FORMAT_COUNT);
  tcase_add_loop_test(matrix, warps_share_columns, 0, 2 * COUNTOF(teams));
  tcase_add_test(tcase, kernels_that_do_the_same_share_a_function);
  tcase_add_test(tcase, positions_are_wide_where_tensors_are_large);
  tcase_add_test(tcase, products_keep_many_warps_busy);
  tcase_add_test(tcase, steps_of_sums_stand_behind_each_other);
  tcase_add_test(tcase, arrays_are_shared_where_lanes_meet_in_them);
  suite_add_tcase(suite, tcase);
  suite_add_tcase(suite, matrix);
  return suite_run(suite);
}
