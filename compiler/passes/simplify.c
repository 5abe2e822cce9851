/* Applies rules.def, and the few rules of sums that text cannot say, bottom-up until nothing
 * changes. */
#include "compiler/passes/passes.h"
#include "compiler/passes/formula.h"

#include <math.h>
#include <string.h>

const Rule rule_table[] = {
#define RULE(pattern, result, condition) {pattern, result, condition},
#include "compiler/passes/rules.def"
};
const size_t rule_count = COUNTOF(rule_table);

/* A rule with its texts read. */
typedef struct ReadRule {
  const Expr *pattern, *result, *condition;
  OpCode op; /* of the pattern's root */
} ReadRule;

#define MAX_BINDINGS 6
typedef struct Match {
  Binding bindings[MAX_BINDINGS];
  size_t count;
} Match;

typedef struct Simplifier {
  Graph *graph;
  Ranges *ranges;
  ReadRule *rules;
  size_t count;
} Simplifier;

static ReadRule rule_read(Arena *arena, const Rule *rule) {
  ReadRule read = {.pattern = formula_read(arena, rule->pattern),
                   .result = formula_read(arena, rule->result)};
  if (rule->condition[0]) read.condition = formula_read(arena, rule->condition);
  bool swapped;
  read.op = formula_op(read.pattern, &swapped);
  return read;
}

static bool bind(Match *match, const char *name, Node *node) {
  for (size_t i = 0; i < match->count; i++)
    if (strcmp(match->bindings[i].name, name) == 0) return match->bindings[i].node == node;
  if (match->count == MAX_BINDINGS) bug("a rule with more than %d names", MAX_BINDINGS);
  match->bindings[match->count++] = (Binding){name, node};
  return true;
}

static bool names_a_number(const char *name) { return name[0] == 'c' || name[0] == 'd'; }

/* The number that a pattern like -1 writes. */
static bool literal(const Expr *pattern, double *value) {
  bool minus = pattern->kind == EXPR_UNARY && pattern->args[0].value->kind == EXPR_NUMBER;
  if (minus) *value = -pattern->args[0].value->value;
  if (pattern->kind == EXPR_NUMBER) *value = pattern->value;
  return minus || pattern->kind == EXPR_NUMBER;
}

static bool match_node(const Expr *pattern, Node *node, Match *match);

static bool match_arguments(const Expr *pattern, Node *const src[3], Match *match) {
  for (uint32_t i = 0; i < pattern->arg_count; i++)
    if (!match_node(pattern->args[i].value, src[i], match)) return false;
  return true;
}

static bool match_node(const Expr *pattern, Node *node, Match *match) {
  double value;
  if (literal(pattern, &value)) return node_is_const(node, value);
  bool swapped;
  OpCode op = formula_op(pattern, &swapped);
  if (op == OP_COUNT)
    return (!names_a_number(pattern->text) || node->op == OP_const) &&
           bind(match, pattern->text, node);
  if (node->op != op) return false;
  Match saved = *match;
  if (match_arguments(pattern, node->src, match)) return true;
  *match = saved;
  if (op != OP_add && op != OP_mul) return false;
  Node *exchanged[3] = {node->src[1], node->src[0], NULL};
  if (match_arguments(pattern, exchanged, match)) return true;
  *match = saved;
  return false;
}

/* A number whose reciprocal is exact. */
static bool is_power_of_two(const Node *node) {
  int exponent;
  return node->op == OP_const && fabs(frexp(node->attr.value, &exponent)) == 0.5 &&
         isfinite(1 / node->attr.value);
}

static bool condition_holds(const Expr *condition, const Match *match, Ranges *ranges) {
  if (!condition) return true;
  const char *name = condition->args[0].value->text;
  for (size_t i = 0; i < match->count; i++) {
    const Node *node = match->bindings[i].node;
    if (strcmp(match->bindings[i].name, name) != 0) continue;
    if (strcmp(condition->text, "finite") == 0) return range_of(ranges, node).finite;
    if (strcmp(condition->text, "exact") == 0) return is_power_of_two(node);
    if (strcmp(condition->text, "nonzero") == 0)
      return node->op == OP_const && node->attr.value != 0;
    if (strcmp(condition->text, "tensor") == 0) return node->op != OP_const;
  }
  bug("unknown condition '%s' in rules.def", condition->text);
}

static Node *rule_try(Graph *graph, Ranges *ranges, const ReadRule *rule, Node *node) {
  Match match = {.count = 0};
  if (node->op != rule->op || !match_node(rule->pattern, node, &match)) return NULL;
  if (!condition_holds(rule->condition, &match, ranges)) return NULL;
  return formula_build(graph, rule->result, match.bindings, match.count, false);
}

Node *rule_apply(Module *module, Arena *scratch, const Rule *rule, Node *node) {
  ReadRule read = rule_read(scratch, rule);
  return rule_try(module->graph, ranges_make(scratch, module), &read, node);
}

/* Numbers and signs leave sums. */
static Node *simplify_sum(Graph *graph, Node *node) {
  Node *x = node->src[0];
  Axes axes = node->attr.axes;
  if (x->op == OP_neg) return node1(graph, OP_neg, node_sum(graph, x->src[0], axes));
  if (x->op != OP_mul) return node;
  for (int i = 0; i < 2; i++)
    if (x->src[i]->op == OP_const)
      return node2(graph, OP_mul, x->src[i], node_sum(graph, x->src[1 - i], axes));
  return node;
}

/* The sum over x of values put at positions along x is the sum of the values. */
static Node *sum_of_scatter(Graph *graph, Node *node) {
  Node *x = node->src[0];
  if (x->op != OP_scatter || !axes_has(node->attr.axes, x->attr.axis)) return node;
  Node *inner = node_sum(graph, x->src[0], x->attr.axes);
  return node_sum(graph, inner, axes_minus(node->attr.axes, axes_one(x->attr.axis)));
}

/* A running value that forgets at once, or never gains anything. */
static Node *simplify_scan(Graph *graph, Node *node) {
  if (node_is_const(node->src[1], 0)) return node_const(graph, 0);
  return node_is_const(node->src[0], 0) ? node->src[1] : node;
}

static Node *simplify_node(Graph *graph, Node *node, void *user) {
  Simplifier *s = user;
  if (node->op == OP_table)
    return node_table(graph, node->attr.axis, graph->tables[node->attr.key].values);
  for (size_t i = 0; i < s->count; i++) {
    Node *result = rule_try(graph, s->ranges, &s->rules[i], node);
    if (result && result != node) return result;
  }
  if (node->op == OP_sum) node = simplify_sum(graph, node);
  if (node->op == OP_sum) node = sum_of_scatter(graph, node);
  if (node->op == OP_scan) node = simplify_scan(graph, node);
  return node;
}

void simplify_with(Module *module, Arena *scratch, const Rule *table, size_t count) {
  Simplifier s = {.graph = module->graph, .count = count};
  s.rules = NEW_ARRAY(scratch, ReadRule, count);
  for (size_t i = 0; i < count; i++) s.rules[i] = rule_read(scratch, &table[i]);
  for (int round = 0;; round++) {
    if (round == 100) bug("simplification does not end");
    s.ranges = ranges_make(scratch, module);
    if (!module_rewrite(module, scratch, simplify_node, &s)) break;
  }
}

void pass_simplify(Module *module, Arena *scratch) {
  simplify_with(module, scratch, rule_table, rule_count);
}
