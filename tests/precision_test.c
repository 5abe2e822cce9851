/* precision: bf16. Rounding to the last bit, in every way that it is computed; products of pairs
 * against the oracle on the same rounded graph, bits for any number of threads; whole updates; what
 * is rounded; refusals.
 *
 * Where operands lie in slots, code and oracle round equal numbers and differ by the order of a
 * float32 sum alone. Where they are computed, one that is off by 1e-6 of itself rounds to the
 * other neighbour, 2^-8 away, once in some 4,000: about 6e-5 of a tensor's norm per layer. */
#include "tests/spec_code.h"

#include "codegen/cpu.h"
#include "compiler/build.h"

enum { SEED = 20261121, UPDATES = 20, SIZES = 5, SIZES_OF_A_CARD = 2 };

static bool has_pairs(void) { return cpu_find("native")->bf16 != NULL; }

/* ---- rounding ---- */

/* x, and what it is in each format. */
static const double rounded[][FORMAT_COUNT] = {
    {1, 1, 1},
    {1 + 0x1p-8, 1, 1 + 0x1p-8}, /* ties go to even */
    {1 + 0x3p-8, 1 + 0x1p-6, 1 + 0x3p-8},
    {-1 - 0x1p-8, -1, -1 - 0x1p-8},
    {1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7, 1 + 0x1p-8},
    {1 + 0x3p-8 - 0x1p-20, 1 + 0x1p-7, 1 + 0x3p-8},
    {1 + 0x1p-11, 1, 1 + 0x1p-10}, /* ties go away from 0 */
    {-1 - 0x1p-11, -1, -1 - 0x1p-10},
    {1 + 0x3p-11, 1, 1 + 0x1p-9},
    {1 + 0x1p-11 - 0x1p-23, 1, 1},
    {0x1.FFp0, 2, 0x1.FFp0},
    {0x1.FEp127, 0x1.FEp127, 0x1.FEp127},
    {0x1.FEFp127, 0x1.FEp127, 0x1.FFp127},
    {0x1.FFp127, INFINITY, 0x1.FFp127},
    {0x1.FFDFFEp127, INFINITY, 0x1.FFCp127},
    {0x1.FFEp127, INFINITY, INFINITY},
    {-0x1.FFFFp127, -INFINITY, -INFINITY},
    {INFINITY, INFINITY, INFINITY},
    {-INFINITY, -INFINITY, -INFINITY},
    {0x1p-126, 0x1p-126, 0x1p-126},
    {0x1.FEp-127, 0, 0},
    {-0x1p-140, 0, 0},
    {0, 0, 0},
};

START_TEST(numbers_round_to_the_nearest) {
  NumberFormat format = (NumberFormat)_i;
  double unit = ldexp(1, -format_table[format].bits);
  for (size_t i = 0; i < COUNTOF(rounded); i++) {
    double y = format_round(format, rounded[i][0]);
    ck_assert_msg(y == rounded[i][format], "%a: %a", rounded[i][0], y);
  }
  ck_assert(isnan(format_round(format, NAN)));
  uint64_t state = SEED;
  for (int i = 0; i < 10000; i++) {
    double x = random_between(&state, -2, 2), y = format_round(format, x);
    ck_assert(fabs(x - y) <= unit * fabs(x));
    ck_assert(format_round(format, y) == y);
  }
}
END_TEST

enum { COUNT = 96 };

/* The table, then numbers of many sizes; finite ones and no zeros of overflow when `finite`. */
static void numbers_fill(double *values, size_t count, bool finite) {
  uint64_t state = SEED;
  for (size_t i = 0; i < count; i++) {
    double x = i < COUNTOF(rounded) ? rounded[i][0]
                                    : ldexp(random_between(&state, -2, 2), (int)(i % 40) - 20);
    values[i] = finite && fabs(x) > 0x1p100 ? 3 : (float)x;
  }
}

static const struct {
  const char *name, *target;
  RlcType real;
  uint32_t lanes;
} codes[] = {{"native float32", "native", RLC_F32, 16},
             {"native, 8 lanes", "native", RLC_F32, 8},
             {"native float64", "native", RLC_F64, 8},
             {"C float32", "c", RLC_F32, 16},
             {"C float64", "c", RLC_F64, 8},
             {"CUDA float32", "cuda", RLC_F32, 32}};

static Built build(Arena *arena, Module *module, int c) {
  CodegenOptions options = {.real = codes[c].real,
                            .lanes = codes[c].lanes,
                            .target = codes[c].target,
                            .compiler = "test"};
  return build_with(arena, module, &options);
}

static void check_rounded(const Built *built, NumberFormat format, uint32_t from, uint32_t to,
                          const char *name) {
  for (uint64_t i = 0; i < rlc_slot_elements(&built->rlc->slots[from]); i++) {
    double x = rlc_slot_get(&built->rlc->slots[from], built->memory, i),
           y = format_round(format, x);
    double got = rlc_slot_get(&built->rlc->slots[to], built->memory, i);
    ck_assert_msg(got == y || (isnan(x) && isnan(got)), "%s, %s: %a became %a, not %a", name,
                  format_table[format].name, x, got, y);
  }
}

START_TEST(code_rounds_to_the_bit) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId f = axis_of(graph, "f", COUNT, AXIS_FEATURE);
  uint32_t x = fixture_slot(graph, "x", RLC_F32, AXES(f));
  size_t program = fixture_program(module, "round");
  uint32_t y[FORMAT_COUNT];
  for (int format = FORMAT_bf16; format < FORMAT_COUNT; format++)
    y[format] = fixture_result_of(
        module, program, node_round(graph, (NumberFormat)format, node_input(graph, x), f), RLC_F32);
  Built built = build(arena, module, _i);
  double values[COUNT];
  numbers_fill(values, COUNT, false);
  values[COUNT - 1] = NAN;
  built_set(&built, x, values);
  built_run(&built, 0, 1, NULL);
  for (int format = FORMAT_bf16; format < FORMAT_COUNT; format++)
    check_rounded(&built, (NumberFormat)format, x, y[format], codes[_i].name);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* Times the identity a rounded number is itself: the processor's own conversion, in both kinds of
 * pairs. */
START_TEST(pairs_round_to_the_bit) {
  if (!has_pairs()) {
    printf("SKIP: this machine has no AVX512-BF16: pairs are not rounded here\n");
    return;
  }
  enum { ROWS = 32 };
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", ROWS, AXIS_ROW), f = axis_of(graph, "f", COUNT, AXIS_FEATURE);
  AxisId g = axis_of(graph, "g", COUNT, AXIS_FEATURE), r = axis_of(graph, "r", ROWS, AXIS_ROW);
  uint32_t x = fixture_slot(graph, "x", RLC_F32, AXES(row, f));
  uint32_t one = fixture_slot(graph, "one", RLC_F32, AXES(f, g));
  uint32_t unit = fixture_slot(graph, "unit", RLC_F32, AXES(row, r));
  size_t program = fixture_program(module, "identity");
  Node *in = node_input(graph, x), *columns = node_input(graph, one);
  uint32_t out[2];
  for (int k = 0; k < 2; k++) {
    AxisId axis = k ? row : f;
    Node *other = node_round(graph, FORMAT_bf16, k ? node_input(graph, unit) : columns, axis);
    out[k] = fixture_result_of(module, program,
                               node_make(graph, OP_contract, (Attr){.axes = axes_one(axis)},
                                         node_round(graph, FORMAT_bf16, in, axis), other, NULL),
                               RLC_F32);
  }
  Built built = build(arena, module, 0);
  double values[ROWS * COUNT], eye[COUNT * COUNT] = {0};
  numbers_fill(values, COUNTOF(values), true);
  built_set(&built, x, values);
  for (int i = 0; i < COUNT; i++) eye[i * COUNT + i] = 1;
  built_set(&built, one, eye);
  memset(eye, 0, sizeof eye);
  for (int i = 0; i < ROWS; i++) eye[i * ROWS + i] = 1;
  built_set(&built, unit, eye);
  built_run(&built, 0, 1, NULL);
  for (int i = 0; i < ROWS; i++)
    for (int k = 0; k < COUNT; k++) {
      const RlcSlot *slots = built.rlc->slots;
      double expected = format_round(FORMAT_bf16, values[i * COUNT + k]);
      double forward =
          rlc_slot_get(&slots[out[0]], built.memory, (uint64_t)i * COUNT + (uint64_t)k);
      double back = rlc_slot_get(&slots[out[1]], built.memory, (uint64_t)i * COUNT + (uint64_t)k);
      ck_assert_msg(forward == expected && back == expected, "%a: %a along, %a across, not %a",
                    values[i * COUNT + k], forward, back, expected);
    }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- products ---- */

static Node *input_of(Graph *graph, const char *name, Axes axes) {
  name = arena_printf(graph->arena, "%s.%zu", name, graph->slot_count);
  return node_input(graph, graph_slot(graph, name, RLC_COLUMN, RLC_F32, axes, NOWHERE));
}

static Node *contract(Graph *graph, Axes axes, Node *a, Node *b) {
  return node_make(graph, OP_contract, (Attr){.axes = axes}, a, b, NULL);
}

static Node *relu(Graph *graph, Node *x) { return node2(graph, OP_max, node_const(graph, 0), x); }

/* A layer there and back, with epilogues, readers of a value in both precisions, and operands that
 * are exact in float32 though they are computed. */
static void layers(Module *module, size_t program, AxisId batch, AxisId in, AxisId out) {
  Graph *graph = module->graph;
  Node *x = relu(graph, input_of(graph, "x", AXES(batch, in)));
  Node *w = input_of(graph, "w", AXES(in, out)), *b = input_of(graph, "b", AXES(out));
  Node *g = node1(graph, OP_neg, input_of(graph, "g", AXES(batch, out)));
  Node *product = contract(graph, axes_one(in), x, w);
  fixture_result(module, program, product);
  fixture_result(module, program, relu(graph, node2(graph, OP_add, product, b)));
  fixture_result(module, program, x);
  fixture_result(
      module, program,
      node3(graph, OP_where, x, contract(graph, axes_one(out), g, w), node_const(graph, 0)));
  fixture_result(module, program, contract(graph, axes_one(batch), x, g));
  AxisId renamed = axis_of(graph, "renamed", graph->axes[in].extent, AXIS_FEATURE);
  Node *other = input_of(graph, "other", AXES(batch, renamed));
  fixture_result(module, program,
                 contract(graph, axes_one(renamed), other, node_rename(graph, w, in, renamed)));
}

/* Copies on one side and on both, two summed axes, rows of several axes, weights chosen by row. */
static void copies(Module *module, size_t program, AxisId batch, AxisId in, AxisId out) {
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY), try = axis_of(graph, "try", 3, AXIS_DRAW);
  Node *x = input_of(graph, "x", AXES(batch, in)), *w = input_of(graph, "w", AXES(twin, in, out));
  Node *xt = input_of(graph, "xt", AXES(twin, batch, in));
  Node *gt = input_of(graph, "gt", AXES(twin, batch, out));
  Node *draws = input_of(graph, "draws", AXES(batch, try, in));
  Node *pull = input_of(graph, "pull", AXES(batch, try, out));
  fixture_result(module, program, contract(graph, axes_one(in), x, w));
  fixture_result(module, program, contract(graph, axes_one(in), draws, w));
  fixture_result(module, program, contract(graph, axes_one(in), xt, w));
  fixture_result(module, program, contract(graph, AXES(twin, in), xt, w));
  fixture_result(module, program, contract(graph, axes_one(batch), xt, gt));
  fixture_result(module, program, contract(graph, axes_one(out), gt, w));
  fixture_result(module, program, contract(graph, AXES(batch, try), draws, pull));
  Node *which = node_argmax(graph, input_of(graph, "values", AXES(twin, batch)), twin);
  Node *chosen = node_gather(graph, w, which, twin);
  fixture_result(module, program, contract(graph, axes_one(in), draws, chosen));
  fixture_result(module, program, contract(graph, axes_one(out), pull, chosen));
}

static Module *products(Arena *arena, NumberFormat format, size_t count) {
  static const uint32_t sizes[][3] = {
      {70, 34, 33}, {33, 96, 130}, {64, 33, 40}, {256, 64, 64}, {32, 32, 32}};
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  for (size_t i = 0; i < count && i < COUNTOF(sizes); i++) {
    AxisId batch = axis_of(graph, "batch", sizes[i][0], AXIS_ROW);
    AxisId in = axis_of(graph, "in", sizes[i][1], AXIS_FEATURE);
    AxisId out = axis_of(graph, "out", sizes[i][2], AXIS_FEATURE);
    size_t program = fixture_program(module, arena_printf(arena, "products%zu", i));
    layers(module, program, batch, in, out);
    copies(module, program, batch, in, out);
  }
  PipelineOptions options = {.out = stdout};
  module->precision = format;
  pipeline_pass(module, "round", &options);
  return module;
}

/* Kernels that make a value rounded to a format, and those of them that make pairs. Repacking moves
 * what was made. */
static void rounded_count(const Code *code, const char *format, size_t *all, size_t *pairs) {
  char made[32];
  snprintf(made, sizeof made, "      %s %%", format);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  code_print_kernels(code, out);
  fclose(out);
  *all = *pairs = 0;
  for (const char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    *all += strstr(line, made) == line && !strstr(line, "_repacked");
    *pairs += strstr(line, ": pairs, ") != NULL;
  }
  free(text);
}

/* Contractions on matrix instructions. */
static size_t matrix_count(const Code *code) {
  size_t count = 0;
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t k = 0; k < code->programs[p].kernel_count; k++)
      count += code->programs[p].kernels[k]->matrix != FORMAT_float32;
  return count;
}

START_TEST(products_agree) {
  int c = _i / 2;
  NumberFormat format = _i % 2 ? FORMAT_tf32 : FORMAT_bf16;
  bool card = strcmp(codes[c].target, "cuda") == 0;
  Arena *arena = arena_make();
  Built built = build(arena, products(arena, format, card ? SIZES_OF_A_CARD : SIZES), c);
  size_t all, pairs, matrix = matrix_count(built.code);
  rounded_count(built.code, format_table[format].name, &all, &pairs);
  ck_assert_uint_eq(pairs, c == 0 && format == FORMAT_bf16 && has_pairs() ? all : 0);
  ck_assert_uint_ge(card ? matrix : all, card ? 15 : 60);
  if (!card) ck_assert_uint_eq(matrix, 0);
  double bar = codes[c].real == RLC_F64 ? 1e-12 : 3e-6;
  check_programs(&built, bar, codes[c].name);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* The elements of all slots, one behind the other. */
static double *slot_values(const Built *built, size_t *count) {
  size_t capacity = 0;
  double *values = NULL;
  *count = 0;
  for (uint32_t s = 0; s < built->rlc->slot_count; s++)
    for (uint64_t i = 0; i < rlc_slot_elements(&built->rlc->slots[s]); i++)
      PUSH(built->arena, values, *count, capacity,
           rlc_slot_get(&built->rlc->slots[s], built->memory, i));
  return values;
}

START_TEST(bits_do_not_depend_on_threads) {
  Arena *arena = arena_make();
  Built built = build(arena, products(arena, FORMAT_bf16, SIZES), 0);
  double *first = NULL;
  for (uint32_t threads = 1; threads <= 5; threads++) {
    uint64_t done[16] = {0};
    size_t count;
    fill_slots(&built, NULL, 1);
    for (uint32_t p = 0; p < built.module->program_count; p++) built_run(&built, p, threads, done);
    double *values = slot_values(&built, &count);
    if (!first) first = values;
    for (size_t i = 0; i < count; i++)
      ck_assert_msg(values[i] == first[i], "%u threads: %.9g, not %.9g", threads, values[i],
                    first[i]);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- whole updates ---- */

static const struct {
  const char *spec, *overrides, *format, *program;
} cases[] = {
    {"specs/sac.yaml", "env=HalfCheetah-v5 hidden=64 batch_size=64", "bf16", "update"},
    {"specs/remac.yaml", "env=HalfCheetah-v5 K=4 M=8 hidden=64 batch_size=48", "bf16", "update"},
    {"specs/remac.yaml", "env=HalfCheetah-v5 K=8 M=16 hidden=64 batch_size=48", "bf16", "update"},
    {"specs/ppo.yaml", "env=HalfCheetah-v5", "bf16", "update2"},
    {"specs/sac.yaml", "env=HalfCheetah-v5 hidden=63 batch_size=64", "tf32", "update"},
};

static Spec open_case(int c, bool rounds) {
  char overrides[256];
  snprintf(overrides, sizeof overrides, "%s precision=%s", cases[c].overrides,
           rounds ? cases[c].format : "float32");
  return spec_open(cases[c].spec, overrides);
}

static Runner open_oracle(int c, bool rounds) {
  Spec spec = open_case(c, rounds);
  spec_passes(&spec, rounds ? NULL : "grad");
  return runner_oracle(spec);
}

static Runner open_code(int c) {
  Spec spec = open_case(c, true);
  spec_passes(&spec, NULL);
  return runner_code(spec, RLC_F32);
}

/* What the data steps would bring. */
static void columns_fill(const Runner *runner, uint64_t seed) {
  for (uint32_t s = 0; s < runner->rlc->slot_count; s++) {
    const RlcSlot *slot = &runner->rlc->slots[s];
    if (slot->kind != RLC_COLUMN) continue;
    uint64_t count = rlc_slot_elements(slot), state = seed * 1000 + s;
    double *values = calloc(count, sizeof *values);
    for (uint64_t i = 0; i < count; i++)
      values[i] = slot->type == RLC_I32 ? 0 : (float)random_between(&state, -0.95, 0.95);
    runner_set(runner, s, values);
    free(values);
  }
}

/* From the state that generated code has reached one update of each: near the oracle of the same
 * rounded graph, and much nearer to it than to the oracle of float32's graph. Where two tries or
 * critics are nearly equal, or a rectifier nearly 0, one row may go another way: one update in
 * twenty. */
START_TEST(updates_agree) {
  Runner code = open_code(_i), oracle = open_oracle(_i, true), exact = open_oracle(_i, false);
  double worst = 0, apart = 0;
  int kinks = 0;
  const char *where, *at = "", *program = cases[_i].program;
  runner_run(&code, "init", SEED, 0);
  for (uint64_t step = 0; step < UPDATES; step++) {
    columns_fill(&code, step);
    runner_copy(&oracle, &code);
    runner_copy(&exact, &code);
    runner_run(&oracle, program, SEED, step);
    runner_run(&exact, program, SEED, step);
    runner_run(&code, program, SEED, step);
    double own = runner_disagreement(&code, &oracle, program, false, &where);
    kinks += own > 1e-3;
    if (own > worst && own <= 1e-3) worst = own, at = where;
    double other = runner_disagreement(&code, &exact, program, false, &where);
    if (other > apart) apart = other;
  }
  printf(
      "%s %s %s: %d updates at most %.2g from the rounded oracle, in %s; %d more crossed a kink; "
      "%.2g from the exact one\n",
      cases[_i].spec, cases[_i].overrides, cases[_i].format, UPDATES - kinks, worst, at, kinks,
      apart);
  ck_assert_msg(kinks <= 1, "%s: %d updates differ by more than 1e-3", cases[_i].spec, kinks);
  ck_assert_msg(apart > 5 * worst, "%s: %.3g from the exact graph", cases[_i].spec, apart);
  runner_close(&code);
  runner_close(&oracle);
  runner_close(&exact);
}
END_TEST

/* ---- what is rounded ---- */

START_TEST(large_contractions_run_on_pairs) {
  static const struct {
    const char *spec, *overrides, *format;
    size_t least;
  } specs[] = {{"specs/sac.yaml", "precision=bf16", "bf16", 9},
               {"specs/remac.yaml", "K=8 M=16 precision=bf16", "bf16", 9},
               {"specs/sac.yaml", "hidden=30 precision=bf16", "bf16", 0},
               {"specs/sac.yaml", "precision=tf32", "tf32", 9},
               {"specs/sac.yaml", "precision=float32", "bf16", 0}};
  Arena *arena = arena_make();
  for (size_t i = 0; i < COUNTOF(specs); i++) {
    Spec spec = spec_open(specs[i].spec, specs[i].overrides);
    spec_passes(&spec, NULL);
    Built built = build(spec.arena, spec.module, 0);
    size_t all, pairs;
    rounded_count(built.code, specs[i].format, &all, &pairs);
    ck_assert_msg(specs[i].least ? all >= specs[i].least : all == 0, "%s %s: %zu", specs[i].spec,
                  specs[i].overrides, all);
    ck_assert_uint_eq(pairs, has_pairs() && strcmp(specs[i].format, "bf16") == 0 ? all : 0);
    bool asks = false;
    for (const char *const *f = built.rlc->cpu; *f; f++)
      asks = asks || strcmp(*f, "avx512_bf16") == 0;
    ck_assert_int_eq(asks, pairs > 0);
    built_free(&built);
    spec_close(&spec);
  }
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("precision");
  TCase *numbers = tcase_create("numbers"), *products = tcase_create("products");
  TCase *updates = tcase_create("updates");
  tcase_add_loop_test(numbers, numbers_round_to_the_nearest, FORMAT_bf16, FORMAT_COUNT);
  tcase_add_loop_test(numbers, code_rounds_to_the_bit, 0, COUNTOF(codes));
  tcase_add_test(numbers, pairs_round_to_the_bit);
  tcase_add_loop_test(products, products_agree, 0, 2 * COUNTOF(codes));
  tcase_add_test(products, bits_do_not_depend_on_threads);
  tcase_add_loop_test(updates, updates_agree, 0, COUNTOF(cases));
  tcase_add_test(updates, large_contractions_run_on_pairs);
  TCase *cases_of[] = {numbers, products, updates};
  for (size_t i = 0; i < COUNTOF(cases_of); i++) {
    tcase_set_timeout(cases_of[i], 120);
    suite_add_tcase(suite, cases_of[i]);
  }
  return suite_run(suite);
}
