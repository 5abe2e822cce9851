/* Axes, hash-consing, folding, the text form and the verifier. */
#include "compiler/passes/passes.h"
#include "ir/ir.h"
#include "tests/graph_random.h"

#include <string.h>

static Arena *arena;
static Module *module;
static Graph *graph;
static AxisId batch, feature, copies;

static void setup(void) {
  arena = arena_make();
  module = fixture_module(arena);
  graph = module->graph;
  feature = fixture_axis(graph, "f", 4, AXIS_FEATURE);
  batch = fixture_axis(graph, "batch", 3, AXIS_ROW);
  copies = fixture_axis(graph, "twin", 2, AXIS_COPY);
}

static void teardown(void) { arena_free(arena); }

/* ---- axes ---- */

START_TEST(axes_are_sets) {
  Axes low = axes_one(3), high = axes_one(127), both = axes_union(low, high);
  ck_assert_int_eq(axes_count(both), 2);
  ck_assert(axes_has(both, 3) && axes_has(both, 127) && !axes_has(both, 64));
  ck_assert(axes_equal(axes_minus(both, low), high));
  ck_assert(axes_equal(axes_common(both, low), low));
  ck_assert(axes_within(low, both) && !axes_within(both, low) && axes_within(axes_none(), low));
  ck_assert(axes_empty(axes_minus(both, both)));
  unsigned cursor = 0;
  AxisId x;
  ck_assert(axes_next(both, &cursor, &x) && x == 3);
  ck_assert(axes_next(both, &cursor, &x) && x == 127);
  ck_assert(!axes_next(both, &cursor, &x));
}
END_TEST

START_TEST(axes_have_one_order_for_layouts_and_one_for_draws) {
  AxisId try = fixture_axis(graph, "try", 5, AXIS_DRAW), order[MAX_AXES];
  Axes all = AXES(feature, batch, copies, try);
  ck_assert_int_eq(axes_order(graph, all, order), 4);
  ck_assert(order[0] == copies && order[1] == batch && order[2] == try && order[3] == feature);
  ck_assert_int_eq(axes_draw_order(graph, all, order), 4);
  ck_assert(order[0] == copies && order[1] == try && order[2] == batch && order[3] == feature);
  ck_assert_uint_eq(axes_extent(graph, all), 2 * 3 * 5 * 4);
  ck_assert_uint_eq(axes_extent(graph, axes_none()), 1);
  ck_assert_uint_eq(fixture_axis(graph, "try", 5, AXIS_DRAW), try);
  ck_assert_uint_ne(fixture_axis(graph, "try", 6, AXIS_DRAW), try);
  ck_assert_str_eq(axes_text(graph, arena, AXES(feature, batch)), "{batch=3, f=4}");
  AxisId other = graph_axis(graph, "f", "other", 4, AXIS_FEATURE, NOWHERE);
  ck_assert_str_eq(axes_text(graph, arena, AXES(feature, other)), "{f@test=4, f@other=4}");
}
END_TEST

/* ---- nodes ---- */

START_TEST(equal_requests_give_one_node) {
  Node *x = fixture_input(graph, "x", AXES(batch)), *y = fixture_input(graph, "y", AXES(feature));
  size_t before = graph->node_count;
  Node *xy = node2(graph, OP_mul, x, y);
  ck_assert_ptr_eq(xy, node2(graph, OP_mul, x, y));
  ck_assert_ptr_eq(xy, node2(graph, OP_mul, y, x));
  ck_assert_ptr_eq(node2(graph, OP_add, x, y), node2(graph, OP_add, y, x));
  ck_assert_ptr_ne(node2(graph, OP_min, x, y), node2(graph, OP_min, y, x));
  ck_assert_ptr_ne(node2(graph, OP_sub, x, y), node2(graph, OP_sub, y, x));
  ck_assert_ptr_ne(node_mark(graph, x), node_mark(graph, x));
  ck_assert_ptr_eq(node_sum(graph, xy, AXES(batch)), node_sum(graph, xy, AXES(batch)));
  ck_assert_ptr_ne(node_sum(graph, xy, AXES(batch)), node_sum(graph, xy, AXES(feature)));
  ck_assert_ptr_ne(node_uniform(graph, 1, AXES(batch), 0), node_uniform(graph, 1, AXES(batch), 1));
  ck_assert_ptr_ne(node_uniform(graph, 1, AXES(batch), 0), node_uniform(graph, 2, AXES(batch), 0));
  ck_assert_ptr_eq(node_const(graph, 0), node_const(graph, -0.0));
  ck_assert_uint_eq(graph->node_count - before, 14);
  for (uint32_t i = 0; i < graph->node_count; i++) ck_assert_uint_eq(graph->nodes[i]->id, i);
}
END_TEST

START_TEST(identity_survives_growth) {
  Node *nodes[5000];
  for (int i = 0; i < 5000; i++) nodes[i] = node_const(graph, i);
  for (int i = 0; i < 5000; i++) ck_assert_ptr_eq(nodes[i], node_const(graph, i));
}
END_TEST

START_TEST(constants_fold) {
  Node *two = node_const(graph, 2), *three = node_const(graph, 3);
  ck_assert(node_is_const(node2(graph, OP_mul, two, three), 6));
  ck_assert(node_is_const(node3(graph, OP_where, node_const(graph, 0), two, three), 3));
  static const double values[] = {1, 2, 3, 4}, same[] = {5, 5, 5, 5};
  Node *table = node_table(graph, feature, values);
  ck_assert(node_is_const(node_table(graph, feature, same), 5));
  ck_assert(node_is_const(node_sum(graph, table, AXES(feature)), 10));
  ck_assert(node_is_const(node_sum(graph, two, AXES(feature, batch)), 24));
  Node *scaled = node2(graph, OP_mul, table, two);
  ck_assert_uint_eq(scaled->op, OP_table);
  ck_assert_double_eq(graph->tables[scaled->attr.key].values[3], 8);
  ck_assert(node_is_const(node2(graph, OP_sub, table, table), 0));
  Node *mark = node_mark(graph, two);
  ck_assert_uint_eq(mark->op, OP_mark);
}
END_TEST

/* What positions may be: sums, differences and products of whole numbers are whole. */
START_TEST(whole_values_are_known) {
  uint32_t slot = graph_slot(graph, "c", RLC_COLUMN, RLC_I32, axes_one(batch), NOWHERE);
  Node *choice = node_input(graph, slot), *two = node_const(graph, 2),
       *half = node_const(graph, 0.5);
  Node *moved = node2(graph, OP_sub, node2(graph, OP_mul, two, choice), two);
  ck_assert(node_is_whole(graph, node2(graph, OP_add, choice, two)) && node_is_whole(graph, moved));
  ck_assert(node_is_whole(graph, node1(graph, OP_neg, moved)));
  ck_assert(!node_is_whole(graph, node2(graph, OP_add, choice, half)));
  ck_assert(!node_is_whole(graph, node2(graph, OP_mul, moved, half)));
  ck_assert(!node_is_whole(graph, node2(graph, OP_div, moved, two)));
  ck_assert(node_is_whole(graph, node1(graph, OP_floor, node2(graph, OP_div, moved, two))));
}
END_TEST

START_TEST(lacking_axes_are_forgiven_where_rewriting_needs_it) {
  Node *x = fixture_input(graph, "x", AXES(batch)), *i = node_argmin(graph, x, batch);
  ck_assert_ptr_eq(node_gather(graph, x, i, feature), x);
  Node *sum = node_sum(graph, x, AXES(feature));
  ck_assert_uint_eq(sum->op, OP_mul);
  Node *over = node_sum(graph, x, AXES(batch)), *five = node_const(graph, 5);
  ck_assert(node_is_const(node_with(graph, over, five, NULL, NULL), 15));
  ck_assert(node_is_const(node_with(graph, i, five, NULL, NULL), 0));
  ck_assert_ptr_eq(node_with(graph, over, x, NULL, NULL), over);
}
END_TEST

/* ---- the text form ---- */

static char *text_of(const Module *m) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ir_print(m, out);
  fclose(out);
  char *copy = arena_copy(arena, text, size);
  free(text);
  return copy;
}

/* The message for a text that cannot be read, as "line:column: message". */
static const char *read_error(const char *text) {
  Diag *diag = diag_make(arena);
  ck_assert_ptr_null(ir_read(arena, diag, source_from_text(arena, "t", text)));
  ck_assert_uint_eq(diag_errors(diag), 1);
  char *printed = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&printed, &size);
  diag_print(diag, out);
  fclose(out);
  char *copy = arena_copy(arena, printed, strcspn(printed, "\n"));
  free(printed);
  return copy;
}

START_TEST(text_is_readable) {
  size_t p = fixture_program(module, "up \"date\"");
  Node *x = fixture_input(graph, "x", AXES(batch, feature));
  Node *half = node_const(graph, 0.5);
  fixture_result(module, p, node_sum(graph, node2(graph, OP_mul, x, half), AXES(batch)));
  graph->slots[0].doc = "an input";
  ck_assert_str_eq(text_of(module), "axis 0 \"f\" feature 4 \"test\"\n"
                                    "axis 1 \"batch\" row 3 \"test\"\n"
                                    "axis 2 \"twin\" copy 2 \"test\"\n"
                                    "slot 0 \"x\" column f64 {batch.1 f.0} \"an input\"\n"
                                    "slot 1 \"result1\" result f64 {f.0}\n"
                                    "%0 = input[key=0]() {batch.1 f.0}  # x\n"
                                    "%1 = const[value=0x1p-1]() {}\n"
                                    "%2 = mul(%0, %1) {batch.1 f.0}\n"
                                    "%3 = sum[axes={batch.1}](%2) {f.0}\n"
                                    "program \"up \\\"date\\\"\" 0x0p+0\n"
                                    "output 1 %3  # result1\n");
}
END_TEST

/* Read back, the values are the same too. */
static void check_values(const Module *a, const Module *b, uint64_t seed) {
  Interp *one = interp_make(arena, a, 0, false), *other = interp_make(arena, b, 0, false);
  for (uint32_t s = 0; s < 5; s++) {
    uint64_t state = seed, again = seed;
    fixture_fill(one, a->graph, node_input((Graph *)a->graph, s), &state, -1, 1);
    fixture_fill(other, b->graph, node_input((Graph *)b->graph, s), &again, -1, 1);
  }
  interp_run(one);
  interp_run(other);
  for (size_t i = 0; i < a->programs[0].output_count; i++) {
    const Node *x = a->programs[0].outputs[i].node, *y = b->programs[0].outputs[i].node;
    ck_assert(axes_equal(x->axes, y->axes));
    ck_assert_mem_eq(interp_value(one, x), interp_value(other, y),
                     axes_extent(a->graph, x->axes) * sizeof(double));
  }
}

START_TEST(text_round_trips_over_random_graphs) {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    teardown();
    arena = arena_make();
    RandomGraph *g = random_graph(arena, seed, 20 + seed % 150, 4);
    const char *wrong = ir_verify(g->module, arena, "elaborate");
    ck_assert_msg(!wrong, "seed %u: %s", (unsigned)seed, wrong);
    char *text = text_of(g->module);
    Diag *diag = diag_make(arena);
    Module *back = ir_read(arena, diag, source_from_text(arena, "random", text));
    if (!back) diag_print(diag, stderr);
    ck_assert_ptr_nonnull(back);
    ck_assert_str_eq(text_of(back), text);
    check_values(g->module, back, seed);
  }
}
END_TEST

START_TEST(text_keeps_every_number) {
  static const double values[] = {0.1, -INFINITY, 1e-310, 3};
  size_t p = fixture_program(module, "p");
  module->programs[p].minimal_flops = 1.0 / 3;
  fixture_result(module, p, node_table(graph, feature, values));
  fixture_result(module, p, node_uniform(graph, UINT64_MAX - 1, AXES(batch), 3));
  Node *mark = node_mark(graph, fixture_input(graph, "i", axes_none()));
  fixture_result(module, p, mark);
  Module *back = ir_read(arena, diag_make(arena), source_from_text(arena, "t", text_of(module)));
  ck_assert_ptr_nonnull(back);
  ck_assert_mem_eq(back->graph->tables[0].values, values, sizeof values);
  ck_assert_double_eq(back->programs[0].minimal_flops, 1.0 / 3);
  ck_assert_uint_eq(back->programs[0].outputs[1].node->attr.key, UINT64_MAX - 1);
  ck_assert_uint_eq(back->graph->marks, graph->marks);
}
END_TEST

START_TEST(bad_text_is_refused_at_its_place) {
  static const struct {
    const char *text, *message;
  } cases[] = {
      {"axes", "t:1:1: error: unknown word 'axes'"},
      {"axis 1 \"b\" row 3 \"t\"", "t:1:6: error: axes are numbered in order"},
      {"axis 0 \"b\" now 3 \"t\"", "t:1:12: error: unknown word 'now'"},
      {"axis 0 \"b\" row 0 \"t\"", "t:1:1: error: an axis without elements, or too many axes"},
      {"axis 0 \"b", "t:1:10: error: the text is not closed"},
      {"%0 = nothing() {}", "t:1:6: error: unknown operation 'nothing'"},
      {"%0 = const[value=x]() {}", "t:1:18: error: expected a number"},
      {"%0 = const() {}", "t:1:11: error: expected '['"},
      {"%0 = const[value=1]() {}\n%1 = neg(%1) {}", "t:2:11: error: unknown node"},
      {"%0 = const[value=1]() {}\n%1 = add(%0) {}", "t:2:1: error: wrong number of arguments"},
      {"%0 = const[value=1]() {}\n%1 = neg(%0) {}",
       "t:2:1: error: the same node twice, or one that folds to a constant"},
      {"%0 = const[value=1]() {}\n%1 = const[value=1]() {}",
       "t:2:1: error: the same node twice, or one that folds to a constant"},
      {"%0 = const[value=1]() {} integer",
       "t:1:1: error: the result has other axes or another type"},
      {"%0 = const[value=1]() {b.0}", "t:1:24: error: unknown axis 'b.0'"},
      {"%0 = input[key=0]() {}", "t:1:1: error: slot does not exist"},
      {"%0 = const[value=1]() {} x", "t:1:26: error: unknown word 'x'"},
      {"output 0 %0", "t:1:1: error: an output before the first program"},
      {"slot 0 \"a\" result f64 {}\nslot 1 \"a\" result f64 {}",
       "t:1: error: two slots are called a"},
  };
  for (size_t i = 0; i < COUNTOF(cases); i++)
    ck_assert_str_eq(read_error(cases[i].text), cases[i].message);
}
END_TEST

/* Deleting or doubling a character never does worse than an error. */
START_TEST(damaged_text_is_no_danger) {
  RandomGraph *g = random_graph(arena, 5, 25, 2);
  const char *text = text_of(g->module);
  size_t length = strlen(text);
  for (size_t i = 0; i < 2 * length; i++) {
    Arena *own = arena_make();
    char *damaged = arena_alloc(own, length + 2);
    size_t at = i / 2;
    memcpy(damaged, text, at);
    strcpy(damaged + at + i % 2, text + at + (i + 1) % 2);
    if (i % 2) damaged[at] = text[at];
    Module *m = ir_read(own, diag_make(own), source_from_text(own, "damaged", damaged));
    if (m) ck_assert_ptr_null(ir_verify(m, own, NULL));
    arena_free(own);
  }
}
END_TEST

/* ---- the verifier ---- */

/* A module with something of everything, for the mistakes below. */
static Node *nodes_of_all[10];
static void make_sound(void) {
  size_t p = fixture_program(module, "p");
  Node *x = fixture_input(graph, "x", AXES(batch, feature));
  Node *mul = node2(graph, OP_mul, x, fixture_input(graph, "y", AXES(batch)));
  Node *sum = node_sum(graph, mul, AXES(batch)), *index = node_argmin(graph, x, feature);
  Node *picked = node_gather(graph, x, index, feature);
  Node *hot = node_scatter(graph, picked, index, feature, AXES(batch));
  Node *stop = node1(graph, OP_stop, hot);
  Node *scan = node_scan(graph, x, mul, batch, true);
  Node *unit = node_orthonormal(graph, x, batch, feature);
  Node *all[] = {x, mul, sum, index, picked, hot, stop, node_const(graph, 1), scan, unit};
  memcpy(nodes_of_all, all, sizeof all);
  fixture_result(module, p, sum);
  fixture_result(module, p, stop);
  fixture_result(module, p, index);
  ck_assert_ptr_null(ir_verify(module, arena, "grad"));
}

/* Each breaks one thing of the sound module. */
static void break_axes(void) { nodes_of_all[1]->axes = AXES(batch); }
static void break_integer(void) { nodes_of_all[3]->integer = false; }
static void break_id(void) { nodes_of_all[2]->id++; }
static void break_arity(void) { nodes_of_all[1]->src[1] = NULL; }
static void break_order(void) { nodes_of_all[1]->src[0] = nodes_of_all[6]; }
static void break_commuted(void) {
  Node *t = nodes_of_all[1]->src[0];
  nodes_of_all[1]->src[0] = nodes_of_all[1]->src[1], nodes_of_all[1]->src[1] = t;
}
static void break_sum(void) { nodes_of_all[2]->attr.axes = AXES(batch, copies); }
static void break_empty_sum(void) { nodes_of_all[2]->attr.axes = axes_none(); }
static void break_gather(void) { nodes_of_all[4]->attr.axis = batch; }
static void break_positions(void) { nodes_of_all[4]->src[1] = nodes_of_all[0]; }
static void break_scatter(void) { nodes_of_all[5]->attr.axes = AXES(copies); }
static void break_unused(void) { nodes_of_all[6]->attr.word = 1; }
static void break_slot(void) { nodes_of_all[0]->attr.key = 99; }
static void break_identity(void) {
  nodes_of_all[7]->op = OP_stop;
  nodes_of_all[7]->attr.value = 0;
  nodes_of_all[7]->src[0] = nodes_of_all[5];
  nodes_of_all[7]->axes = nodes_of_all[5]->axes;
}
static void break_extent(void) { graph->axes[copies].extent = 0; }
static void break_slot_name(void) { graph->slots[1].name = "x"; }
static void break_output_slot(void) { module->programs[0].outputs[0].slot = 99; }
static void break_output_axes(void) { module->programs[0].outputs[0].node = nodes_of_all[0]; }
static void break_output_twice(void) { module->programs[0].outputs[1].slot = 2; }
static void break_scan(void) { nodes_of_all[8]->attr.word = 2; }
static void break_vectors(void) { nodes_of_all[9]->attr.to = batch; }
static void break_vector_count(void) { graph->axes[batch].extent = 5; }
static void break_op(void) { nodes_of_all[6]->op = OP_COUNT; }

START_TEST(verifier_catches_each_violation) {
  static const struct {
    void (*fn)(void);
    const char *message;
  } cases[] = {
      {break_axes, "%2 mul: has axes {batch=3}, not {batch=3, f=4}"},
      {break_integer, "%4 argmin: should be integer"},
      {break_id, "%4 sum: the number is not the place in the list"},
      {break_arity, "%2 mul: wrong number of arguments"},
      {break_order, "%2 mul: an argument is not older than the node"},
      {break_commuted, "%2 mul: arguments are not in order"},
      {break_sum, "%3 sum: the argument lacks a summed axis"},
      {break_empty_sum, "%3 sum: no axes to sum over"},
      {break_gather, "%5 gather: the positions have the axis"},
      {break_positions, "%5 gather: the positions have the axis"},
      {break_scatter, "%6 scatter: the positions lack a bound axis"},
      {break_unused, "%7 stop: attribute 'word' is set but not used"},
      {break_slot, "%0 input: slot does not exist"},
      {break_identity, "%10 stop: is the same as %7"},
      {break_extent, "axis twin has no elements"},
      {break_slot_name, "two slots are called x"},
      {break_output_slot, "program p: an output goes to no slot"},
      {break_output_axes,
       "program p: the output to result2 has axes {batch=3, f=4}, the slot {f=4}"},
      {break_output_twice, "program p: slot result2 is written twice"},
      {break_scan, "%8 scan: direction is neither 0 nor 1"},
      {break_vectors, "%9 orthonormal: the vectors are numbered by their own axis"},
      {break_vector_count, "%9 orthonormal: more vectors than components"},
      {break_op, "%7: no such operation"},
  };
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    teardown();
    setup();
    make_sound();
    cases[i].fn();
    const char *wrong = ir_verify(module, arena, NULL);
    ck_assert_msg(wrong != NULL, "not caught: %s", cases[i].message);
    ck_assert_str_eq(wrong, cases[i].message);
  }
}
END_TEST

START_TEST(stages_have_their_own_facts) {
  size_t p = fixture_program(module, "p");
  AxisId n = fixture_axis(graph, "n", 2, AXIS_FEATURE);
  Node *x = node_mark(graph, fixture_input(graph, "x", AXES(batch, feature)));
  Node *w = fixture_input(graph, "w", AXES(feature, n));
  Node *product = node_sum(graph, node2(graph, OP_mul, x, w), AXES(feature));
  Node *loss = node_sum(graph, node2(graph, OP_mul, product, product), AXES(batch, n));
  fixture_result(module, p, node_grad(graph, loss, x));
  ck_assert_ptr_null(ir_verify(module, arena, "elaborate"));
  ck_assert_ptr_nonnull(strstr(ir_verify(module, arena, "grad"), "grad: not expanded"));
  grad_expand(module, arena, op_table);
  ck_assert_ptr_null(ir_verify(module, arena, "grad"));
  ck_assert_ptr_nonnull(strstr(ir_verify(module, arena, "erase"), "mark: not erased"));
  pass_erase(module, arena);
  ck_assert_ptr_null(ir_verify(module, arena, "erase"));
  pass_simplify(module, arena);
  ck_assert_ptr_null(ir_verify(module, arena, "simplify"));
  ck_assert_ptr_nonnull(
      strstr(ir_verify(module, arena, "contract"), "sum: should be a contraction"));
  pass_contract(module, arena);
  ck_assert_ptr_null(ir_verify(module, arena, "contract"));
  ck_assert_ptr_nonnull(strstr(ir_verify(module, arena, "simplify"), "before its pass"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir");
  TCase *tests = tcase_create("ir");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, axes_are_sets);
  tcase_add_test(tests, axes_have_one_order_for_layouts_and_one_for_draws);
  tcase_add_test(tests, equal_requests_give_one_node);
  tcase_add_test(tests, identity_survives_growth);
  tcase_add_test(tests, constants_fold);
  tcase_add_test(tests, whole_values_are_known);
  tcase_add_test(tests, lacking_axes_are_forgiven_where_rewriting_needs_it);
  tcase_add_test(tests, text_is_readable);
  tcase_add_test(tests, text_round_trips_over_random_graphs);
  tcase_add_test(tests, text_keeps_every_number);
  tcase_add_test(tests, bad_text_is_refused_at_its_place);
  tcase_add_test(tests, damaged_text_is_no_danger);
  tcase_add_test(tests, verifier_catches_each_violation);
  tcase_add_test(tests, stages_have_their_own_facts);
  return suite_run(suite);
}
