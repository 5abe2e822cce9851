/* Contractions with a weight chosen by row, in buckets: against the oracle at odd extents, in both
 * precisions and by several threads, which must give equal bits. */
#include "tests/codegen_fixture.h"

/* Extents of one program. */
typedef struct Size {
  uint32_t twin, batch, try, in, out;
} Size;

static const Size sizes[] = {{2, 33, 3, 70, 33},
                             {3, 70, 1, 17, 6},
                             {10, 9, 5, 32, 64},
                             {1, 5, 40, 3, 31},
                             {2, 600, 1, 128, 48}};

static Node *input_of(Graph *graph, const char *name, Axes axes) {
  name = arena_printf(graph->arena, "%s.%zu", name, graph->slot_count);
  return node_input(graph, graph_slot(graph, name, RLC_COLUMN, RLC_F32, axes, NOWHERE));
}

/* A contraction with the slice of `weight` at `positions` of `axis`. */
static Node *chosen(Graph *graph, Node *weight, Node *positions, AxisId axis, Axes axes, Node *x) {
  Node *contract = node_make(graph, OP_contract, (Attr){.axes = axes},
                             node_gather(graph, weight, positions, axis), x, NULL);
  ck_assert_int_eq(contract_chosen(graph, contract), 0);
  return contract;
}

/* Axes of one program, and the positions that choose. */
typedef struct Form {
  Module *module;
  Graph *graph;
  size_t program;
  AxisId twin, seed, batch, try, top, in, out;
  Node *by_try, *by_row;
  Node *w, *x, *each; /* weights, rows, rows of tries */
} Form;

static Form form_make(Module *module, const Size *size) {
  Graph *graph = module->graph;
  Form f = {.module = module,
            .graph = graph,
            .twin = axis_of(graph, "twin", size->twin, AXIS_COPY),
            .seed = axis_of(graph, "seed", 3, AXIS_COPY),
            .batch = axis_of(graph, "batch", size->batch, AXIS_ROW),
            .try = axis_of(graph, "try", size->try, AXIS_DRAW),
            .top = axis_of(graph, "top", (size->try + 1) / 2, AXIS_DRAW),
            .in = axis_of(graph, "in", size->in, AXIS_FEATURE),
            .out = axis_of(graph, "out", size->out, AXIS_FEATURE)};
  f.program = fixture_program(
      module, arena_printf(graph->arena, "chosen%zu_%u", module->program_count, size->twin));
  f.w = input_of(graph, "w", AXES(f.twin, f.in, f.out));
  f.x = input_of(graph, "x", AXES(f.batch, f.in));
  f.each = input_of(graph, "each", AXES(f.batch, f.try, f.in));
  f.by_row = node_argmax(graph, input_of(graph, "values", AXES(f.twin, f.batch)), f.twin);
  return f;
}

static void result(const Form *f, Node *node) { fixture_result(f->module, f->program, node); }

/* There and back, with what is made of it; rows that choose together; places that were picked
 * themselves. */
static void chosen_layers(Form *f) {
  Graph *graph = f->graph;
  Node *scores = input_of(graph, "scores", AXES(f->twin, f->batch, f->try));
  Node *g = input_of(graph, "g", AXES(f->batch, f->try, f->out)), *zero = node_const(graph, 0);
  Node *h = input_of(graph, "h", AXES(f->twin, f->batch, f->try, f->out));
  f->by_try = node_argmin(graph, node1(graph, OP_floor, scores), f->twin);
  Node *y = chosen(graph, f->w, f->by_try, f->twin, AXES(f->in), f->each);
  Node *mask = node2(graph, OP_le, node_gather(graph, h, f->by_try, f->twin), zero);
  result(f, y);
  result(f, node3(graph, OP_where, mask, zero, y));
  if (graph->axes[f->in].extent >= 4) {
    Node *back = chosen(graph, f->w, f->by_try, f->twin, AXES(f->out), g);
    result(f, node1(graph, OP_tanh, back));
  }
  result(f, chosen(graph, f->w, f->by_row, f->twin, AXES(f->in), f->each));
  result(f, chosen(graph, f->w, f->by_row, f->twin, AXES(f->in), f->x));
  Node *order = node_order(graph, node_gather(graph, scores, f->by_try, f->twin), f->try, f->top);
  Node *best = node_gather(graph, f->each, order, f->try);
  Node *of_best = node_gather(graph, f->by_try, order, f->try);
  result(f, chosen(graph, f->w, of_best, f->twin, AXES(f->in), best));
}

/* Copies that choose, copies that do not; rows along the panels of the other operand, and with an
 * axis of the weight between them. */
static void chosen_axes(Form *f) {
  Graph *graph = f->graph;
  Node *votes = input_of(graph, "votes", AXES(f->twin, f->seed, f->batch));
  Node *copies = input_of(graph, "copies", AXES(f->seed, f->batch, f->in));
  Node *own = input_of(graph, "own", AXES(f->twin, f->seed, f->in, f->out));
  Node *by_seed = node_argmin(graph, votes, f->twin);
  result(f, chosen(graph, f->w, by_seed, f->twin, AXES(f->in), copies));
  result(f, chosen(graph, own, f->by_row, f->twin, AXES(f->in), copies));
  result(f, chosen(graph, own, f->by_row, f->twin, AXES(f->seed, f->in), copies));
  Node *along = input_of(graph, "along", AXES(f->seed, f->batch, f->try));
  Node *flat = input_of(graph, "flat", AXES(f->twin, f->seed, f->out));
  result(f, chosen(graph, flat, f->by_try, f->twin, AXES(f->seed), along));
  AxisId atom = axis_of(graph, "atom", 3, AXIS_ROW);
  Node *wide = input_of(graph, "wide", AXES(f->twin, atom, f->in, f->out));
  result(f, chosen(graph, wide, f->by_try, f->twin, AXES(f->in), f->each));
}

/* A slot that is read and written: once, though a row is computed twice. A weight that is a value
 * itself. */
static void chosen_memory(Form *f) {
  Graph *graph = f->graph;
  if (graph->axes[f->in].extent >= 4) {
    Node *state = input_of(graph, "state", AXES(f->batch, f->in));
    Node *pull = input_of(graph, "pull", AXES(f->batch, f->out));
    Node *step = chosen(graph, f->w, f->by_row, f->twin, AXES(f->out), pull);
    fixture_output(f->module, f->program, (uint32_t)state->attr.key,
                   node2(graph, OP_sub, state, step));
  }
  Node *made = node1(graph, OP_tanh, f->w);
  result(f, chosen(graph, made, f->by_row, f->twin, AXES(f->in), f->x));
}

static void chosen_program(Module *module, const Size *size) {
  Form form = form_make(module, size);
  chosen_layers(&form);
  chosen_axes(&form);
  chosen_memory(&form);
}

static Built build_sizes(Arena *arena, const Precision *precision) {
  Module *module = fixture_module(arena);
  for (size_t i = 0; i < COUNTOF(sizes); i++) chosen_program(module, &sizes[i]);
  return build_module(arena, module, precision->real, precision->lanes);
}

START_TEST(chosen_weights_agree) {
  Arena *arena = arena_make();
  const Precision *precision = &precisions[_i];
  Built built = build_sizes(arena, precision);
  check_programs(&built, precision->tolerance, precision->name);
  built_free(&built);
  arena_free(arena);
}
END_TEST

static double *slot_values(const Built *built) {
  size_t count = 0, capacity = 0;
  double *values = NULL;
  for (uint32_t s = 0; s < built->rlc->slot_count; s++)
    for (uint64_t i = 0; i < rlc_slot_elements(&built->rlc->slots[s]); i++)
      PUSH(built->arena, values, count, capacity,
           rlc_slot_get(&built->rlc->slots[s], built->memory, i));
  return values;
}

/* Repeated rows are written by one thread, and with the same bits as alone. */
START_TEST(threads_give_equal_bits) {
  Arena *arena = arena_make();
  Built built = build_sizes(arena, &precisions[0]);
  double *first = NULL;
  for (uint32_t threads = 1; threads <= 4; threads++) {
    fill_slots(&built, NULL, 5);
    for (uint32_t p = 0; p < built.module->program_count; p++) built_run(&built, p, threads, NULL);
    double *values = slot_values(&built);
    if (!first) first = values;
    for (uint32_t s = 0, at = 0; s < built.rlc->slot_count; s++)
      for (uint64_t i = 0; i < rlc_slot_elements(&built.rlc->slots[s]); i++, at++)
        ck_assert_msg(memcmp(&values[at], &first[at], sizeof *values) == 0,
                      "%u threads: slot '%s' element %llu: %.17g, with one thread %.17g", threads,
                      built.rlc->slots[s].name, (unsigned long long)i, values[at], first[at]);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* More rows than the nearest caches hold: they come by in groups. */
START_TEST(groups_of_rows_agree) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY), in = axis_of(graph, "in", 128, AXIS_FEATURE);
  AxisId batch = axis_of(graph, "batch", 1300, AXIS_ROW);
  AxisId out = axis_of(graph, "out", 40, AXIS_FEATURE);
  Node *by_row = node_argmin(graph, input_of(graph, "s", AXES(twin, batch)), twin);
  Node *w = input_of(graph, "w", AXES(twin, in, out)), *x = input_of(graph, "x", AXES(batch, in));
  Node *h = node_gather(graph, input_of(graph, "h", AXES(twin, batch, out)), by_row, twin);
  Node *y = chosen(graph, w, by_row, twin, AXES(in), x);
  fixture_result(module, fixture_program(module, "groups"), node2(graph, OP_mul, h, y));
  Built built = build_module(arena, module, RLC_F32, 16);
  for (uint32_t threads = 1; threads <= 3; threads++)
    check_program(&built, 0, threads, threads, 3e-6, "groups");
  built_free(&built);
  arena_free(arena);
}
END_TEST

static size_t kernels_of(const ProgramCode *program, KernelKind kind) {
  size_t found = 0;
  for (size_t k = 0; k < program->kernel_count; k++) found += program->kernels[k]->kind == kind;
  return found;
}

/* The slices never lie in memory: nothing of a program is as large as all of them would be. */
START_TEST(slices_are_not_kept) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  const Size size = {2, 64, 4, 64, 64};
  chosen_program(module, &size);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  const Code *code = code_make(arena, module, &options);
  const ProgramCode *program = &code->programs[0];
  ck_assert_uint_ge(kernels_of(program, KERNEL_BUCKET), 5);
  for (size_t i = 0; i < program->buffer_count; i++)
    ck_assert_uint_le(program->buffers[i]->layout.elements, 64 * 64 * 4 * 3);
  arena_free(arena);
}
END_TEST

/* A slice that somebody else reads is a value like any other. */
START_TEST(slices_that_are_read_are_kept) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId twin = axis_of(graph, "twin", 2, AXIS_COPY), in = axis_of(graph, "in", 5, AXIS_FEATURE);
  AxisId batch = axis_of(graph, "batch", 9, AXIS_ROW), out = axis_of(graph, "out", 7, AXIS_FEATURE);
  Node *by_row = node_argmin(graph, input_of(graph, "s", AXES(twin, batch)), twin);
  Node *w = input_of(graph, "w", AXES(twin, in, out)), *x = input_of(graph, "x", AXES(batch, in));
  size_t program = fixture_program(module, "kept");
  fixture_result(module, program, chosen(graph, w, by_row, twin, AXES(in), x));
  fixture_result(module, program, node_gather(graph, w, by_row, twin));
  Built built = build_module(arena, module, RLC_F64, 8);
  ck_assert_uint_eq(kernels_of(&built.code->programs[0], KERNEL_BUCKET), 0);
  check_program(&built, 0, 1, 1, 1e-12, "kept");
  built_free(&built);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_chosen");
  TCase *tcase = tcase_create("chosen");
  tcase_set_timeout(tcase, 240);
  tcase_add_loop_test(tcase, chosen_weights_agree, 0, COUNTOF(precisions));
  tcase_add_test(tcase, threads_give_equal_bits);
  tcase_add_test(tcase, groups_of_rows_agree);
  tcase_add_test(tcase, slices_are_not_kept);
  tcase_add_test(tcase, slices_that_are_read_are_kept);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
