/* Every rule of rules.def, from its own text: it fires on its pattern, keeps the value at random
 * points, minds its condition; and simplification ends where no rule applies. */
#include "compiler/passes/passes.h"
#include "compiler/passes/formula.h"
#include "tests/graph_random.h"

#include <string.h>

static Arena *arena;
static Module *module;
static Graph *graph;
static AxisId axes[3];
static uint64_t state;

static void setup(void) {
  arena = arena_make();
  module = fixture_module(arena);
  graph = module->graph;
  axes[0] = fixture_axis(graph, "batch", 3, AXIS_ROW);
  axes[1] = fixture_axis(graph, "try", 2, AXIS_DRAW);
  axes[2] = fixture_axis(graph, "f", 4, AXIS_FEATURE);
  fixture_program(module, "rules");
  state = 11;
}

static void teardown(void) { arena_free(arena); }

/* ---- instances of patterns ---- */

enum { MAX_NAMES = 8 };
typedef struct Instance {
  Binding bindings[MAX_NAMES];
  size_t count;
} Instance;

static bool is_number_name(const char *name) { return name[0] == 'c' || name[0] == 'd'; }

static Node *random_input(const char *name) {
  Axes some = axes_none();
  for (int i = 0; i < 3; i++)
    if (random_below(&state, 2)) some = axes_union(some, axes_one(axes[i]));
  return fixture_input(graph, name, some);
}

/* Gives every name of the pattern a value: numbers away from 0 and 1 (powers of two where the rule
 * wants exact ones), inputs over random axes. */
static void collect_names(const Expr *expr, Instance *instance, bool exact) {
  for (uint32_t i = 0; i < expr->arg_count; i++)
    collect_names(expr->args[i].value, instance, exact);
  if (expr->kind != EXPR_NAME || expr->called) return;
  for (size_t i = 0; i < instance->count; i++)
    if (strcmp(instance->bindings[i].name, expr->text) == 0) return;
  double number = random_between(&state, 1.2, 3) * (random_below(&state, 2) ? 1 : -1);
  if (exact) number = number > 0 ? 4 : -0.5;
  Node *node = is_number_name(expr->text) ? node_const(graph, number) : random_input(expr->text);
  instance->bindings[instance->count++] = (Binding){expr->text, node};
}

static Node *pattern_node(const Rule *rule, Instance *instance) {
  const Expr *pattern = formula_read(arena, rule->pattern);
  instance->count = 0;
  collect_names(pattern, instance, strncmp(rule->condition, "exact", 5) == 0);
  return formula_build(graph, pattern, instance->bindings, instance->count, false);
}

/* ---- values ---- */

/* Both nodes over the axes of the first, at a random point. */
static void check_equal(const Rule *rule, Node *before, Node *after) {
  module->programs[0].output_count = 0;
  ck_assert_msg(axes_within(after->axes, before->axes), "%s gains axes", rule->pattern);
  uint32_t slots[2];
  Node *nodes[2] = {before, after};
  for (int i = 0; i < 2; i++) {
    slots[i] = fixture_slot(graph, arena_printf(arena, "out%zu", graph->slot_count), RLC_F64,
                            before->axes);
    fixture_output(module, 0, slots[i], nodes[i]);
  }
  Interp *interp = interp_make(arena, module, 0, false);
  for (uint32_t s = 0; s < slots[0]; s++) {
    uint64_t count = axes_extent(graph, graph->slots[s].axes);
    double *values = NEW_ARRAY(arena, double, count);
    for (uint64_t i = 0; i < count; i++) values[i] = random_between(&state, 0.3, 2);
    interp_set(interp, s, values);
  }
  interp_run(interp);
  interp_store(interp);
  uint64_t count = axes_extent(graph, before->axes);
  double *values[2];
  for (int i = 0; i < 2; i++) {
    values[i] = NEW_ARRAY(arena, double, count);
    interp_get(interp, slots[i], values[i]);
  }
  for (uint64_t i = 0; i < count; i++)
    ck_assert_msg(fixture_near(values[0][i], values[1][i], 1e-14), "%s -> %s: %.17g becomes %.17g",
                  rule->pattern, rule->result, values[0][i], values[1][i]);
}

START_TEST(rules_fire_and_keep_values) {
  const Rule *rule = &rule_table[_i];
  for (int round = 0; round < 20; round++) {
    Instance instance;
    Node *before = pattern_node(rule, &instance);
    Node *after = rule_apply(module, arena, rule, before);
    ck_assert_msg(after != NULL, "%s does not fire on itself", rule->pattern);
    ck_assert_msg(after != before, "%s changes nothing", rule->pattern);
    check_equal(rule, before, after);
  }
}
END_TEST

/* A rule with finite(x) must not fire where x may be infinite; one with nonzero(c) not at 0; one
 * with tensor(y) not at numbers; one with exact(c) not where the reciprocal is rounded. */
START_TEST(rules_mind_their_conditions) {
  const Rule *rule = &rule_table[_i];
  if (!rule->condition[0]) return;
  const Expr *condition = formula_read(arena, rule->condition);
  const char *name = condition->args[0].value->text;
  Node *bad = NULL;
  if (strcmp(condition->text, "finite") == 0)
    bad = is_number_name(name)
              ? node_const(graph, INFINITY)
              : node1(graph, OP_log, fixture_input(graph, "bad", axes_one(axes[0])));
  if (strcmp(condition->text, "nonzero") == 0) bad = node_const(graph, 0);
  if (strcmp(condition->text, "exact") == 0) bad = node_const(graph, 49); /* 49 * (1 / 49) < 1 */
  if (strcmp(condition->text, "tensor") == 0) bad = node_const(graph, 5);
  ck_assert_msg(bad != NULL, "%s: no counterexample for the condition %s", rule->pattern,
                condition->text);
  Instance instance;
  pattern_node(rule, &instance);
  for (size_t i = 0; i < instance.count; i++)
    if (strcmp(instance.bindings[i].name, name) == 0) instance.bindings[i].node = bad;
  Node *before = formula_build(graph, formula_read(arena, rule->pattern), instance.bindings,
                               instance.count, false);
  if (before->op == OP_const || before->op == OP_table) return; /* folded before any rule */
  ck_assert_msg(rule_apply(module, arena, rule, before) == NULL, "%s fires although not %s",
                rule->pattern, rule->condition);
}
END_TEST

/* ---- rules that text cannot say ---- */

START_TEST(scans_of_nothing_disappear) {
  Node *x = fixture_input(graph, "x", axes_one(axes[0]));
  Node *zero = node2(graph, OP_sub, x, x);
  fixture_result(module, 0, node_scan(graph, zero, x, axes[0], true));
  fixture_result(module, 0, node_scan(graph, x, zero, axes[0], false));
  fixture_result(module, 0, node_scan(graph, x, x, axes[0], false));
  pass_simplify(module, arena);
  ck_assert_ptr_eq(module->programs[0].outputs[0].node, x);
  ck_assert(node_is_const(module->programs[0].outputs[1].node, 0));
  ck_assert_int_eq(module->programs[0].outputs[2].node->op, OP_scan);
}
END_TEST

/* ---- simplification as a whole ---- */

START_TEST(simplification_ends_where_no_rule_applies) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    teardown();
    setup();
    RandomGraph *g = random_graph(arena, seed, 40 + seed, 3);
    pass_erase(g->module, arena);
    pass_simplify(g->module, arena);
    Node *outputs[3];
    for (int i = 0; i < 3; i++) outputs[i] = g->module->programs[0].outputs[i].node;
    pass_simplify(g->module, arena);
    for (int i = 0; i < 3; i++)
      ck_assert_ptr_eq(outputs[i], g->module->programs[0].outputs[i].node);
    Node **nodes;
    size_t count = module_reach(g->module, NULL, arena, &nodes);
    for (size_t i = 0; i < count; i++)
      for (size_t r = 0; r < rule_count; r++) {
        Node *after = rule_apply(g->module, arena, &rule_table[r], nodes[i]);
        ck_assert_msg(!after || after == nodes[i], "seed %u: %s still applies", (unsigned)seed,
                      rule_table[r].pattern);
      }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("rules");
  TCase *tests = tcase_create("rules");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_loop_test(tests, rules_fire_and_keep_values, 0, (int)rule_count);
  tcase_add_loop_test(tests, rules_mind_their_conditions, 0, (int)rule_count);
  tcase_add_test(tests, scans_of_nothing_disappear);
  tcase_add_test(tests, simplification_ends_where_no_rule_applies);
  return suite_run(suite);
}
