/* Gradcheck on small losses: it passes what is right, fails what is wrong, freezes stops, steps
 * around kinks and counts the rest. */
#include "compiler/oracle/gradcheck.h"
#include "compiler/passes/passes.h"
#include "tests/graph_fixture.h"

#include <string.h>

static Arena *arena;
static Module *module;
static Graph *graph;
static AxisId batch, in, hidden;

static void setup(void) {
  arena = arena_make();
  module = fixture_module(arena);
  graph = module->graph;
  batch = fixture_axis(graph, "batch", 8, AXIS_ROW);
  in = fixture_axis(graph, "in", 5, AXIS_FEATURE);
  hidden = fixture_axis(graph, "hidden", 6, AXIS_FEATURE);
  module->shell.init = RLC_NONE;
}

static void teardown(void) { arena_free(arena); }

enum { MAX_PARAMETERS = 4 };
typedef struct Losses {
  GradcheckLoss loss;
  Node *marks[MAX_PARAMETERS];
  uint32_t slots[MAX_PARAMETERS];
} Losses;

static Node *parameter(Losses *l, const char *name, Axes axes) {
  size_t i = l->loss.count++;
  l->slots[i] = graph_slot(graph, name, RLC_PARAMETER, RLC_F32, axes, NOWHERE);
  l->marks[i] = node_mark(graph, node_input(graph, l->slots[i]));
  l->loss.name = "critic";
  l->loss.marks = l->marks;
  l->loss.parameters = l->slots;
  return l->marks[i];
}

static Node *data(const char *name, Axes axes) {
  return node_input(graph, graph_slot(graph, name, RLC_COLUMN, RLC_F32, axes, NOWHERE));
}

static Node *times(Node *x, Node *y) { return node2(graph, OP_mul, x, y); }
static Node *plus(Node *x, Node *y) { return node2(graph, OP_add, x, y); }

/* A squared error of a network with one layer of relu. */
static void make_network(Losses *l) {
  memset(l, 0, sizeof *l);
  Node *w = parameter(l, "w", AXES(in, hidden)), *b = parameter(l, "b", AXES(hidden));
  Node *v = parameter(l, "v", AXES(hidden)), *bias = parameter(l, "bias", axes_none());
  Node *x = data("x", AXES(batch, in)), *y = data("y", AXES(batch));
  Node *h = plus(node_sum(graph, times(x, w), AXES(in)), b);
  h = node2(graph, OP_max, node_const(graph, 0), h);
  Node *q = plus(node_sum(graph, times(h, v), AXES(hidden)), bias);
  Node *gap = node2(graph, OP_sub, q, y);
  l->loss.value = times(node_const(graph, 1.0 / 8), node_sum(graph, times(gap, gap), AXES(batch)));
}

/* ---- generated code, played by the oracle ---- */

static const RlcModule *build(void *user, Module *m) {
  ck_assert_ptr_null(ir_verify(m, arena, "contract"));
  ++*(int *)user;
  return oracle_module(arena, m);
}

static void set_slot(const RlcSlot *slot, char *memory, const double *plain) {
  for (uint64_t i = 0; i < slot->bytes / (slot->type == RLC_I32 ? 4 : 8); i++)
    if (slot->type == RLC_I32)
      ((int32_t *)(void *)(memory + slot->offset))[i] = (int32_t)plain[i];
    else
      ((double *)(void *)(memory + slot->offset))[i] = plain[i];
}

static void get_slot(const RlcSlot *slot, const char *memory, double *plain) {
  memcpy(plain, memory + slot->offset, slot->bytes);
}

/* ---- tests ---- */

START_TEST(right_gradients_pass) {
  Losses l;
  make_network(&l);
  GradcheckOptions options = {.seed = 1};
  GradcheckResult *results;
  ck_assert_uint_eq(gradcheck_run(arena, module, &l.loss, 1, &options, &results), 4);
  static const uint64_t sizes[] = {30, 6, 6, 1}, tried[] = {24, 6, 6, 1};
  for (int i = 0; i < 4; i++) {
    ck_assert_msg(results[i].passed, "%s %s: %g, by differences %g", results[i].parameter,
                  results[i].where, results[i].analytic, results[i].numeric);
    ck_assert_uint_eq(results[i].size, sizes[i]);
    ck_assert_uint_eq(results[i].components, tried[i]);
    ck_assert_uint_eq(results[i].skipped, 0);
    ck_assert(results[i].worst < 1e-6 && results[i].where);
  }
  ck_assert_str_eq(results[0].loss, "critic");
  ck_assert_str_eq(results[0].parameter, "w");
  ck_assert_str_eq(results[3].where, "[]");
  ck_assert_ptr_nonnull(strstr(results[0].where, "[in="));
}
END_TEST

START_TEST(wrong_gradients_fail) {
  static const struct {
    OpCode op;
    int argument;
    const char *wrong;
  } mistakes[] = {{OP_mul, 0, "g * x"}, {OP_max, 1, "g"}, {OP_sub, 0, "-g"}, {OP_add, 1, "2 * g"}};
  for (size_t i = 0; i < COUNTOF(mistakes); i++) {
    OpInfo table[OP_COUNT];
    memcpy(table, op_table, sizeof table);
    table[mistakes[i].op].grad[mistakes[i].argument] = mistakes[i].wrong;
    Losses l;
    teardown();
    setup();
    make_network(&l);
    GradcheckOptions options = {.seed = 1, .table = table};
    GradcheckResult *results;
    size_t count = gradcheck_run(arena, module, &l.loss, 1, &options, &results), failed = 0;
    for (size_t k = 0; k < count; k++) failed += !results[k].passed;
    ck_assert_msg(failed > 0, "mistake %zu passes", i);
  }
}
END_TEST

/* What is stopped, and a target that is another slot, stay where they are while the parameter
 * moves. */
START_TEST(stops_are_frozen) {
  Losses l = {0};
  Node *w = parameter(&l, "w", AXES(in));
  Node *weight = node1(graph, OP_stop, node1(graph, OP_exp, node1(graph, OP_stop, w)));
  Node *choice = node1(graph, OP_stop, node_argmax(graph, times(w, w), in));
  Node *picked = node_gather(graph, w, choice, in);
  l.loss.value = plus(node_sum(graph, times(weight, times(w, w)), AXES(in)), picked);
  GradcheckOptions options = {.seed = 2};
  GradcheckResult *results;
  ck_assert_uint_eq(gradcheck_run(arena, module, &l.loss, 1, &options, &results), 1);
  ck_assert(results[0].passed);
  ck_assert_uint_eq(results[0].skipped, 0);
}
END_TEST

/* The parameter also occurs unmarked: there it is a constant. */
START_TEST(only_marked_parameters_move) {
  Losses l = {0};
  Node *w = parameter(&l, "w", AXES(in)), *plain = node_input(graph, l.slots[0]);
  l.loss.value = node_sum(graph, times(times(plain, plain), w), AXES(in));
  GradcheckOptions options = {.seed = 2};
  GradcheckResult *results;
  gradcheck_run(arena, module, &l.loss, 1, &options, &results);
  ck_assert(results[0].passed);
}
END_TEST

/* A loss that differentiates inside itself. */
START_TEST(inner_gradients_are_checked_too) {
  Losses l;
  make_network(&l);
  Node *x = node_mark(graph, data("point", AXES(batch, in)));
  Node *h = node1(graph, OP_tanh, node_sum(graph, times(x, l.marks[0]), AXES(in)));
  Node *q = node_sum(graph, times(h, l.marks[2]), AXES(batch, hidden));
  Node *g = node_grad(graph, q, x);
  l.loss.value = plus(l.loss.value, node_sum(graph, times(g, g), AXES(batch, in)));
  GradcheckOptions options = {.seed = 3};
  GradcheckResult *results;
  ck_assert_uint_eq(gradcheck_run(arena, module, &l.loss, 1, &options, &results), 4);
  for (int i = 0; i < 4; i++) ck_assert(results[i].passed);
}
END_TEST

/* |w - w0| at w = w0 has a kink at the base point itself: every step crosses it. */
START_TEST(kinks_are_skipped_counted_and_fail) {
  Losses l = {0};
  Node *w = parameter(&l, "w", AXES(in));
  Node *gap = node2(graph, OP_sub, w, node1(graph, OP_stop, w));
  l.loss.value = node_sum(graph, plus(node1(graph, OP_abs, gap), w), AXES(in));
  GradcheckOptions options = {.seed = 2};
  GradcheckResult *results;
  gradcheck_run(arena, module, &l.loss, 1, &options, &results);
  ck_assert_uint_eq(results[0].components, 5);
  ck_assert_uint_eq(results[0].skipped, 5);
  ck_assert(!results[0].passed);
}
END_TEST

/* A kink at 3e-6 from the base point: the second step avoids it. */
START_TEST(a_smaller_step_avoids_a_near_kink) {
  Losses l = {0};
  Node *w = parameter(&l, "w", AXES(in));
  Node *gap = node2(graph, OP_sub, w, node1(graph, OP_stop, w));
  l.loss.value =
      node_sum(graph, node1(graph, OP_abs, plus(gap, node_const(graph, 3e-6))), AXES(in));
  GradcheckOptions options = {.seed = 2};
  GradcheckResult *results;
  gradcheck_run(arena, module, &l.loss, 1, &options, &results);
  ck_assert_uint_eq(results[0].skipped, 0);
  ck_assert(results[0].passed);
}
END_TEST

START_TEST(what_is_not_finite_fails) {
  Losses l = {0};
  Node *w = parameter(&l, "w", AXES(in));
  l.loss.value = node_sum(
      graph, node1(graph, OP_log, node2(graph, OP_sub, w, node_const(graph, 9))), AXES(in));
  GradcheckOptions options = {.seed = 2};
  GradcheckResult *results;
  gradcheck_run(arena, module, &l.loss, 1, &options, &results);
  ck_assert(!results[0].passed);
  ck_assert_double_nan(results[0].worst);
}
END_TEST

START_TEST(targets_are_built_and_checked) {
  Losses l;
  make_network(&l);
  int builds = 0;
  GradcheckTarget target = {&builds, build, set_slot, get_slot};
  GradcheckOptions options = {.seed = 1, .target = &target};
  GradcheckResult *results;
  ck_assert_uint_eq(gradcheck_run(arena, module, &l.loss, 1, &options, &results), 4);
  for (int i = 0; i < 4; i++) ck_assert(results[i].passed && results[i].worst < 1e-6);
  ck_assert_int_eq(builds, 1);
}
END_TEST

/* ---- the base point ---- */

START_TEST(points_look_like_runs) {
  uint32_t w = graph_slot(graph, "w", RLC_PARAMETER, RLC_F32, AXES(in), NOWHERE);
  uint32_t slow = graph_slot(graph, "slow.w", RLC_TARGET, RLC_F32, AXES(in), NOWHERE);
  uint32_t v = graph_slot(graph, "adam.v", RLC_OPTIMIZER, RLC_F32, AXES(in), NOWHERE);
  uint32_t flag = graph_slot(graph, "replay.terminated", RLC_COLUMN, RLC_F32, AXES(batch), NOWHERE);
  uint32_t action = graph_slot(graph, "replay.action", RLC_COLUMN, RLC_F32, AXES(batch), NOWHERE);
  uint32_t choice = graph_slot(graph, "replay.choice", RLC_COLUMN, RLC_I32, AXES(batch), NOWHERE);
  size_t init = fixture_program(module, "init");
  fixture_output(module, init, w, node_const(graph, 3));
  fixture_output(module, init, slow, node_const(graph, 3));
  fixture_output(module, init, v, node_const(graph, 0));
  node_gather(graph, node_input(graph, w), node_input(graph, choice), in);
  RlcColumn columns[] = {{"terminated", RLC_TERMINATED, 1, flag, RLC_NONE},
                         {"action", RLC_ACTION, 1, action, RLC_NONE}};
  RlcSource source = {.name = "replay", .column_count = 2, .columns = columns};
  module->shell.init = (uint32_t)init;
  module->shell.source_count = 1;
  module->shell.sources = &source;
  module->shell.act_low = 5, module->shell.act_high = 6;
  double **a = gradcheck_point(arena, module, 1), **b = gradcheck_point(arena, module, 1);
  for (int i = 0; i < 5; i++) {
    ck_assert(fabs(a[w][i] - 3) < 0.2 && a[w][i] != 3 && a[w][i] != a[slow][i]);
    ck_assert_double_eq(a[v][i], 0);
    ck_assert_double_eq(a[w][i], b[w][i]);
  }
  for (int i = 0; i < 8; i++) {
    ck_assert(a[flag][i] == 0 || a[flag][i] == 1);
    ck_assert(a[action][i] > 5 && a[action][i] < 6);
    ck_assert(a[choice][i] >= 0 && a[choice][i] < 5 && a[choice][i] == floor(a[choice][i]));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("gradcheck");
  TCase *tests = tcase_create("gradcheck");
  suite_add_tcase(suite, tests);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, right_gradients_pass);
  tcase_add_test(tests, wrong_gradients_fail);
  tcase_add_test(tests, stops_are_frozen);
  tcase_add_test(tests, only_marked_parameters_move);
  tcase_add_test(tests, inner_gradients_are_checked_too);
  tcase_add_test(tests, kinks_are_skipped_counted_and_fail);
  tcase_add_test(tests, a_smaller_step_avoids_a_near_kink);
  tcase_add_test(tests, what_is_not_finite_fails);
  tcase_add_test(tests, targets_are_built_and_checked);
  tcase_add_test(tests, points_look_like_runs);
  return suite_run(suite);
}
