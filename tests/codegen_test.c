/* Generated C against the oracle: every operation, contraction and layout at odd extents, in both
 * precisions. */
#include "tests/codegen_fixture.h"

static const uint32_t extents[] = {1, 3, 6, 17, 31, 33, 70};

static void check_module(Arena *arena, Module *module, const Precision *precision) {
  Built built = build_module(arena, module, precision->real, precision->lanes);
  for (uint32_t p = 0; p < module->program_count; p++)
    check_program(&built, p, 1, p + 1, precision->tolerance, precision->name);
  built_free(&built);
}

typedef void ModuleFn(Module *module);

static void check_precisions(ModuleFn *fn, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    Arena *arena = arena_make();
    Module *module = fixture_module(arena);
    fn(module);
    check_module(arena, module, &precisions[i]);
    arena_free(arena);
  }
}

static Node *input_of(Graph *graph, const char *name, Axes axes) {
  name = arena_printf(graph->arena, "%s.%zu", name, graph->slot_count);
  return node_input(graph, graph_slot(graph, name, RLC_COLUMN, RLC_F32, axes, NOWHERE));
}

/* ---- elementwise operations ---- */

static bool needs_positive(OpCode op) { return op == OP_log || op == OP_sqrt || op == OP_pow; }

/* Every operation over x{row, f}, y{f}, z{row}; each kept by its own output. */
static void elementwise_program(Module *module, uint32_t extent) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 5, AXIS_ROW), f = axis_of(graph, "f", extent, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(row, f)), *y = input_of(graph, "y", AXES(f));
  Node *z = input_of(graph, "z", AXES(row));
  Node *positive = node2(graph, OP_add, node1(graph, OP_abs, x), node_const(graph, 0.5));
  size_t program = fixture_program(module, arena_printf(graph->arena, "elementwise%u", extent));
  for (int op = 0; op < OP_COUNT; op++) {
    const OpInfo *info = &op_table[op];
    if (info->shaped || op == OP_mark) continue;
    Node *first = needs_positive((OpCode)op) ? positive : x;
    Node *node = node_make(graph, (OpCode)op, (Attr){0}, first, info->arity > 1 ? y : NULL,
                           info->arity > 2 ? z : NULL);
    fixture_result(module, program, node);
  }
}

static void elementwise_module(Module *module) {
  for (size_t i = 0; i < COUNTOF(extents); i++) elementwise_program(module, extents[i]);
}

START_TEST(elementwise_operations_agree_at_odd_extents) {
  check_precisions(elementwise_module, 0, 2);
}
END_TEST

/* Scalars are double whatever the working precision: 1 + 2^-40 survives. */
START_TEST(values_without_axes_are_double) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId f = axis_of(graph, "f", 1000, AXIS_FEATURE);
  uint32_t s = graph_slot(graph, "s", RLC_COLUMN, RLC_F64, axes_none(), NOWHERE);
  Node *sum = node_sum(graph, input_of(graph, "x", AXES(f)), AXES(f));
  size_t program = fixture_program(module, "scalars");
  uint32_t out = fixture_result(module, program, node2(graph, OP_add, node_input(graph, s), sum));
  Built built = build_module(arena, module, RLC_F32, 16);
  double tiny = 0x1p-40, x[1000] = {1};
  x[999] = 0x1p-30;
  built_set(&built, s, &tiny);
  built_set(&built, s + 1, x);
  built_run(&built, 0, 1, NULL);
  double result = rlc_slot_get(&built.rlc->slots[out], built.memory, 0);
  ck_assert_double_eq(result, 1 + 0x1p-30 + 0x1p-40);
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- contractions ---- */

static Node *contract(Graph *graph, Axes axes, Node *a, Node *b) {
  return node_make(graph, OP_contract, (Attr){.axes = axes}, a, b, NULL);
}

static Node *relu(Graph *graph, Node *x) { return node2(graph, OP_max, node_const(graph, 0), x); }

/* What reverse mode makes of a layer: products, gradients by both operands, matrix times vector. */
static void layer_products(Module *module, size_t program, AxisId batch, AxisId in, AxisId out) {
  Graph *graph = module->graph;
  Node *x = input_of(graph, "x", AXES(batch, in)), *w = input_of(graph, "w", AXES(in, out));
  Node *g = input_of(graph, "g", AXES(batch, out)), *v = input_of(graph, "v", AXES(in));
  Node *b = input_of(graph, "b", AXES(out)), *d = input_of(graph, "d", AXES(batch));
  Node *product = contract(graph, axes_one(in), x, w);
  Node *hidden = relu(graph, node2(graph, OP_add, product, b));
  Node *back = contract(graph, axes_one(out), g, w);
  fixture_result(module, program, product);
  fixture_result(module, program, hidden);
  fixture_result(module, program, node1(graph, OP_tanh, hidden));
  fixture_result(module, program, node3(graph, OP_where, x, back, node_const(graph, 0)));
  fixture_result(module, program, contract(graph, axes_one(batch), x, g));
  fixture_result(module, program, contract(graph, axes_one(in), x, v));
  fixture_result(module, program, contract(graph, axes_one(batch), d, hidden));
}

/* With copies on one side and on both, summed over copies, over draws, and with a shared state
 * term. */
static void batched_products(Module *module, size_t program, AxisId batch, AxisId in, AxisId out) {
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY), try = axis_of(graph, "try", 5, AXIS_DRAW);
  Node *x = input_of(graph, "x", AXES(batch, in)), *w = input_of(graph, "w", AXES(twin, in, out));
  Node *xt = input_of(graph, "xt", AXES(twin, batch, in));
  Node *gt = input_of(graph, "gt", AXES(twin, batch, out));
  Node *draws = input_of(graph, "draws", AXES(batch, try, in));
  Node *pull = input_of(graph, "pull", AXES(batch, try, out));
  Node *weight = input_of(graph, "weight", AXES(batch, try));
  Node *shared = contract(graph, axes_one(in), x, w);
  Node *own = contract(graph, axes_one(in), draws, w);
  fixture_result(module, program, shared);
  fixture_result(module, program, relu(graph, node2(graph, OP_add, own, shared)));
  fixture_result(module, program, contract(graph, axes_one(in), xt, w));
  fixture_result(module, program, contract(graph, AXES(twin, in), xt, w));
  fixture_result(module, program, contract(graph, axes_one(batch), xt, gt));
  fixture_result(module, program, contract(graph, axes_one(out), gt, w));
  fixture_result(module, program, contract(graph, AXES(batch, try), draws, pull));
  fixture_result(module, program, contract(graph, axes_one(try), weight, pull));
  fixture_result(module, program, contract(graph, axes_one(in), draws, x));
  fixture_result(module, program, contract(graph, axes_one(batch), weight, x));
}

static void products_program(Module *module, uint32_t m, uint32_t k, uint32_t n) {
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", m, AXIS_ROW), in = axis_of(graph, "in", k, AXIS_FEATURE);
  AxisId out = axis_of(graph, "out", n, AXIS_FEATURE);
  const char *name = arena_printf(graph->arena, "products%ux%ux%u", m, k, n);
  size_t program = fixture_program(module, name);
  layer_products(module, program, batch, in, out);
  batched_products(module, program, batch, in, out);
}

static void products_module(Module *module) {
  static const uint32_t sizes[][3] = {{1, 1, 1},   {70, 3, 33},  {17, 33, 31},
                                      {33, 70, 6}, {9, 300, 40}, {20, 32, 48}};
  for (size_t i = 0; i < COUNTOF(sizes); i++)
    products_program(module, sizes[i][0], sizes[i][1], sizes[i][2]);
}

/* A weight whose input axis is older than its output axis and one where it is younger, as the heads
 * have. */
static void heads_module(Module *module) {
  for (size_t i = 0; i < COUNTOF(extents); i++) {
    Graph *graph = module->graph;
    AxisId act = axis_of(graph, "act", extents[i], AXIS_FEATURE);
    AxisId h = axis_of(graph, arena_printf(graph->arena, "h%u", extents[i]), 37, AXIS_FEATURE);
    AxisId batch = axis_of(graph, "batch", 21, AXIS_ROW);
    Node *x = input_of(graph, "x", AXES(batch, h)), *w = input_of(graph, "w", AXES(act, h));
    Node *g = input_of(graph, "g", AXES(batch, act));
    size_t program = fixture_program(module, arena_printf(graph->arena, "head%u", extents[i]));
    fixture_result(module, program, node1(graph, OP_exp, contract(graph, axes_one(h), x, w)));
    fixture_result(module, program, contract(graph, axes_one(act), g, w));
    fixture_result(module, program, contract(graph, axes_one(batch), g, x));
  }
}

START_TEST(contractions_agree_at_odd_extents) { check_precisions(products_module, 0, 2); }
END_TEST

START_TEST(heads_of_any_width_agree) { check_precisions(heads_module, 0, 2); }
END_TEST

START_TEST(contractions_count_their_flops) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  products_program(module, 3, 6, 17);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  Code *code = code_make(arena, module, &options);
  /* One layer: forward, dX and dW; both vectors. Copies: see batched_products, term by term. */
  double one = 2 * 3 * 6 * 17, copies = 2, tries = 5;
  double layer = 3 * one + 2 * 3 * 6 + 2 * 3 * 17;
  double batched = 6 * copies * one + copies * tries * one - copies * one + tries * one;
  batched += 2 * 3 * tries * 17 + 2 * 3 * tries * 6 + 2 * 3 * tries * 6;
  ck_assert_double_eq(code->programs[0].flops, layer + batched);
  ck_assert_double_eq(module->shell.programs[0].flops, layer + batched);
  arena_free(arena);
}
END_TEST

/* ---- reductions, gathers, scatters, orders ---- */

static void reductions_program(Module *module, uint32_t extent) {
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY), row = axis_of(graph, "row", 7, AXIS_ROW);
  AxisId f = axis_of(graph, "f", extent, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(twin, row, f)), *y = input_of(graph, "y", AXES(row));
  Node *product = node2(graph, OP_mul, x, y);
  size_t program = fixture_program(module, arena_printf(graph->arena, "reductions%u", extent));
  const Axes sets[] = {AXES(twin),    AXES(row),    AXES(f),           AXES(twin, row),
                       AXES(twin, f), AXES(row, f), AXES(twin, row, f)};
  for (size_t i = 0; i < COUNTOF(sets); i++) {
    fixture_result(module, program, node_sum(graph, product, sets[i]));
    fixture_result(module, program, node_sum(graph, node1(graph, OP_exp, x), sets[i]));
  }
  const AxisId axes[] = {twin, row, f};
  for (size_t i = 0; i < COUNTOF(axes); i++) {
    fixture_result(module, program, node_argmin(graph, x, axes[i]));
    fixture_result(module, program, node_argmax(graph, product, axes[i]));
  }
}

static void reductions_module(Module *module) {
  for (size_t i = 0; i < COUNTOF(extents); i++) reductions_program(module, extents[i]);
}

START_TEST(reductions_agree_at_odd_extents) { check_precisions(reductions_module, 0, 2); }
END_TEST

/* Values that repeat: every order has ties. */
static Node *with_ties(Graph *graph, Node *x) { return node1(graph, OP_floor, x); }

static void positions_program(Module *module, uint32_t extent) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 9, AXIS_ROW), f = axis_of(graph, "f", 6, AXIS_FEATURE);
  AxisId try = axis_of(graph, "try", extent, AXIS_DRAW);
  AxisId all = axis_of(graph, "all", extent, AXIS_DRAW);
  AxisId top = axis_of(graph, "top", (extent + 1) / 2, AXIS_DRAW);
  Node *q = with_ties(graph, input_of(graph, "q", AXES(row, try)));
  Node *h = input_of(graph, "h", AXES(row, try, f)), *u = input_of(graph, "u", AXES(row, f));
  Node *order = node_order(graph, q, try, all), *best = node_order(graph, q, try, top);
  Node *least = node_argmin(graph, q, try);
  size_t program = fixture_program(module, arena_printf(graph->arena, "positions%u", extent));
  fixture_result(module, program, order);
  fixture_result(module, program, best);
  fixture_result(module, program, node_gather(graph, q, order, try));
  fixture_result(module, program, node_gather(graph, h, best, try));
  fixture_result(module, program, node_gather(graph, h, least, try));
  Node *g = node_gather(graph, h, best, try);
  fixture_result(module, program, node_scatter(graph, g, best, try, AXES(top)));
  fixture_result(module, program, node_scatter(graph, u, least, try, axes_none()));
  fixture_result(module, program, node_scatter(graph, u, least, try, AXES(row)));
  fixture_result(module, program, node_gather(graph, node1(graph, OP_tanh, q), least, try));
}

static void positions_module(Module *module) {
  for (size_t i = 0; i < COUNTOF(extents); i++) positions_program(module, extents[i]);
}

START_TEST(gather_scatter_and_order_agree_with_ties) { check_precisions(positions_module, 0, 2); }
END_TEST

/* Positions multiplied and summed, as either operand: they are converted. */
static void counts_program(Module *module, uint32_t rows) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", rows, AXIS_ROW), k = axis_of(graph, "k", 32, AXIS_FEATURE);
  AxisId f = axis_of(graph, "f", 18, AXIS_FEATURE), try = axis_of(graph, "try", 5, AXIS_DRAW);
  Node *w = input_of(graph, "w", AXES(row, k)), *v = input_of(graph, "v", AXES(k, f));
  Node *of_k = node_argmax(graph, input_of(graph, "q", AXES(try, k)), try);
  Node *of_rows = node_argmin(graph, input_of(graph, "r", AXES(row, k, try)), try);
  Node *of_f = node_argmax(graph, input_of(graph, "s", AXES(k, f, try)), try);
  Node *whole = node_input(graph, graph_slot(graph, arena_printf(graph->arena, "whole%u", rows),
                                             RLC_COLUMN, RLC_I32, AXES(k, f), NOWHERE));
  Node *const operands[][2] = {{of_k, v},       {of_k, w},        {of_rows, v}, {w, of_f},
                               {of_rows, of_f}, {of_rows, whole}, {w, whole},   {of_k, of_f}};
  size_t program = fixture_program(module, arena_printf(graph->arena, "counts%u", rows));
  for (size_t i = 0; i < COUNTOF(operands); i++) {
    Node *product = contract(graph, axes_one(k), operands[i][0], operands[i][1]);
    fixture_result(module, program, product);
    fixture_result(module, program, relu(graph, node2(graph, OP_mul, product, product)));
  }
  fixture_result(module, program, contract(graph, axes_one(f), v, of_f));
  Node *picked = node_gather(graph, of_f, node_argmax(graph, w, k), k); /* {row, f} */
  fixture_result(module, program, contract(graph, axes_one(row), w, picked));
  fixture_result(module, program, contract(graph, axes_one(f), picked, v));
}

static void counts_module(Module *module) {
  counts_program(module, 2);
  counts_program(module, 21);
}

START_TEST(positions_are_operands_of_products) { check_precisions(counts_module, 0, 2); }
END_TEST

/* Constant positions, and constants that float32 does not hold. */
static void constants_module(Module *module) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 7, AXIS_ROW), f = axis_of(graph, "f", 18, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(row, f)), *three = node_const(graph, 3);
  Node *huge = node_const(graph, 1e39), *least = node_const(graph, -1e39);
  size_t program = fixture_program(module, "constants");
  fixture_result(module, program, node_gather(graph, x, three, f));
  fixture_result(module, program, node_gather(graph, node1(graph, OP_exp, x), three, row));
  fixture_result(module, program, node2(graph, OP_min, x, huge));
  fixture_result(module, program, node2(graph, OP_max, x, least));
  fixture_result(module, program, node2(graph, OP_div, x, huge));
}

START_TEST(constants_are_positions_and_infinities) { check_precisions(constants_module, 0, 2); }
END_TEST

/* ---- the stack ---- */

static uint64_t block_stack(const Block *block) {
  uint64_t bytes = 0;
  for (size_t i = 0; block && i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    if (stmt->kind == STMT_DECLARE)
      bytes += (uint64_t)stmt->registers->rows * stmt->registers->columns * stmt->registers->width *
               value_type_size(stmt->registers->type);
    bytes += block_stack(stmt->body) + block_stack(stmt->other);
  }
  return bytes;
}

/* Long axes, ranked in pieces (the last one short), and summed beside each other. */
static void long_module(Module *module) {
  Graph *graph = module->graph;
  AxisId f = axis_of(graph, "f", 17000, AXIS_FEATURE), row = axis_of(graph, "row", 20000, AXIS_ROW);
  AxisId top = graph_axis(graph, "f", "top", 3, AXIS_FEATURE, NOWHERE);
  AxisId g = axis_of(graph, "g", 3, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(f)), *y = input_of(graph, "y", AXES(row, g));
  size_t program = fixture_program(module, "long");
  fixture_result(module, program, node_order(graph, x, f, top));
  fixture_result(module, program, node_argmax(graph, y, g));
  fixture_result(module, program, node_sum(graph, y, AXES(g)));
}

START_TEST(long_axes_need_little_stack) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  long_module(module);
  Built built = build_module(arena, module, RLC_F32, 16);
  const ProgramCode *code = &built.code->programs[0];
  for (size_t k = 0; k < code->kernel_count; k++)
    ck_assert_uint_le(block_stack(code->kernels[k]->body), 65536);
  check_program(&built, 0, 2, 1, 1e-6, "long");
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- the compiler's command ---- */

START_TEST(compilers_may_be_commands_of_several_words) {
  const char *words[3];
  char command[] = " ccache \tgcc  -m64 ", blank[] = "  ", many[] = "a b c d";
  ck_assert_uint_eq(compiler_words(command, words, 3), 3);
  ck_assert_str_eq(words[0], "ccache");
  ck_assert_str_eq(words[1], "gcc");
  ck_assert_str_eq(words[2], "-m64");
  ck_assert_uint_eq(compiler_words(blank, words, 3), 0);
  ck_assert_uint_eq(compiler_words(many, words, 3), 0);
  char *before = getenv("CC") ? strdup(getenv("CC")) : NULL;
  setenv("CC", "env gcc", 1);
  check_precisions(constants_module, 0, 1);
  if (before)
    setenv("CC", before, 1);
  else
    unsetenv("CC");
  free(before);
}
END_TEST

/* ---- layouts, renames, draws, conversions ---- */

/* Copies and transforms over every subset of four classes of axes. */
static void layouts_program(Module *module, uint32_t extent) {
  Graph *graph = module->graph;
  AxisId axes[] = {axis_of(graph, "twin", 2, AXIS_COPY), axis_of(graph, "batch", 5, AXIS_ROW),
                   axis_of(graph, "try", 19, AXIS_DRAW), axis_of(graph, "f", extent, AXIS_FEATURE)};
  size_t program = fixture_program(module, arena_printf(graph->arena, "layouts%u", extent));
  for (int set = 0; set < 16; set++) {
    Axes some = axes_none();
    for (int i = 0; i < 4; i++)
      if (set >> i & 1) some = axes_union(some, axes_one(axes[i]));
    Node *x = input_of(graph, "x", some),
         *y = input_of(graph, "y", axes_minus(some, AXES(axes[3])));
    fixture_result(module, program, x);
    fixture_result(module, program, node2(graph, OP_mul, x, y));
    fixture_result(module, program, node_uniform(graph, 99 + (uint64_t)set, some, set & 3));
  }
}

static void layouts_module(Module *module) {
  for (size_t i = 0; i < COUNTOF(extents); i += 3) layouts_program(module, extents[i]);
}

START_TEST(every_layout_and_draw_agrees) { check_precisions(layouts_module, 0, 2); }
END_TEST

static void renames_module(Module *module) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 7, AXIS_ROW), f = axis_of(graph, "f", 33, AXIS_FEATURE);
  AxisId g = graph_axis(graph, "g", "other", 33, AXIS_FEATURE, NOWHERE);
  AxisId t = graph_axis(graph, "t", "other", 33, AXIS_ROW, NOWHERE);
  Node *x = input_of(graph, "x", AXES(row, f)), *y = node1(graph, OP_exp, x);
  Node *w = input_of(graph, "w", AXES(row, g));
  size_t program = fixture_program(module, "renames");
  fixture_result(module, program, node_rename(graph, x, f, g));
  fixture_result(module, program, node_rename(graph, y, f, t));
  fixture_result(module, program, node2(graph, OP_sub, node_rename(graph, y, f, g), w));
  fixture_result(module, program, node2(graph, OP_sub, node_rename(graph, y, f, t), x));
  fixture_result(module, program, contract(graph, axes_one(row), x, node_rename(graph, x, f, g)));
  fixture_result(module, program, contract(graph, axes_one(row), y, node_rename(graph, y, f, t)));
  fixture_result(module, program,
                 node_sum(graph, node_rename(graph, node_rename(graph, y, f, t), t, g), AXES(g)));
}

START_TEST(renames_are_the_same_values_elsewhere) { check_precisions(renames_module, 0, 4); }
END_TEST

/* Slots of every type and of more axes than the value. */
static void conversions_module(Module *module) {
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", 5, AXIS_ROW), f = axis_of(graph, "f", 18, AXIS_FEATURE);
  Node *x = input_of(graph, "x", AXES(row, f)), *y = input_of(graph, "y", AXES(f));
  Node *wide = node_input(graph, graph_slot(graph, "wide", RLC_STATE, RLC_F64, AXES(f), NOWHERE));
  Node *whole =
      node_input(graph, graph_slot(graph, "whole", RLC_COLUMN, RLC_I32, AXES(row), NOWHERE));
  static const RlcType types[] = {RLC_F32, RLC_F64};
  size_t program = fixture_program(module, "conversions");
  Node *const values[] = {x,
                          y,
                          wide,
                          whole,
                          node_const(graph, 2.5),
                          node1(graph, OP_exp, y),
                          node_sum(graph, x, AXES(f)),
                          node_sum(graph, y, AXES(f))};
  for (size_t t = 0; t < COUNTOF(types); t++)
    for (size_t i = 0; i < COUNTOF(values); i++) {
      const char *name = arena_printf(graph->arena, "to%zu.%zu", t, i);
      uint32_t slot = graph_slot(graph, name, RLC_RESULT, types[t], AXES(row, f), NOWHERE);
      fixture_output(module, program, slot, values[i]);
    }
  fixture_result(module, program, contract(graph, axes_one(f), x, wide));
  fixture_result(module, program, node_gather(graph, x, whole, f));
}

START_TEST(slots_convert_and_broadcast) { check_precisions(conversions_module, 0, 4); }
END_TEST

/* A little of everything for the vector widths of other machines. */
static void widths_module(Module *module) {
  elementwise_program(module, 17);
  products_program(module, 17, 33, 31);
  products_program(module, 5, 16, 6);
  reductions_program(module, 33);
  positions_program(module, 6);
  layouts_program(module, 9);
}

START_TEST(other_vector_widths_agree) { check_precisions(widths_module, 2, 4); }
END_TEST

static Suite *codegen_suite(void) {
  const struct {
    const char *name;
    const TTest *test;
  } tests[] = {{"elementwise", elementwise_operations_agree_at_odd_extents},
               {"scalars", values_without_axes_are_double},
               {"contractions", contractions_agree_at_odd_extents},
               {"heads", heads_of_any_width_agree},
               {"flops", contractions_count_their_flops},
               {"reductions", reductions_agree_at_odd_extents},
               {"positions", gather_scatter_and_order_agree_with_ties},
               {"counts", positions_are_operands_of_products},
               {"constants", constants_are_positions_and_infinities},
               {"stack", long_axes_need_little_stack},
               {"command", compilers_may_be_commands_of_several_words},
               {"layouts", every_layout_and_draw_agrees},
               {"renames", renames_are_the_same_values_elsewhere},
               {"conversions", slots_convert_and_broadcast},
               {"widths", other_vector_widths_agree}};
  Suite *suite = suite_create("codegen");
  for (size_t i = 0; i < COUNTOF(tests); i++) {
    TCase *tcase = tcase_create(tests[i].name);
    tcase_set_timeout(tcase, 240);
    tcase_add_test(tcase, tests[i].test);
    suite_add_tcase(suite, tcase);
  }
  return suite;
}

int main(void) { return suite_run(codegen_suite()); }
