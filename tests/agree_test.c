/* Generated C against the oracle on whole algorithms: 20 updates from one recorded buffer, single
 * updates from equal states, acting, initialising and draws; and that this notices mistakes in
 * derivatives and rules. RLC_LONG=1 takes a thousand single updates instead of a hundred. */
#include "tests/kinks.h"

#include "compiler/passes/passes.h"
#include "compiler/oracle/gradcheck.h"

enum { SEED = 20261121, UPDATES = 20, RECORDED = 2000 };

/* ---- a recorded buffer of transitions ---- */

/* Row `row` of a column: seeded, rounded to float32, the same whoever asks. */
static double recorded(const RlcModule *rlc, const char *column, uint32_t row, uint32_t element) {
  uint64_t state = hash_text(HASH_SEED + row * 1000u + element, column);
  if (strcmp(column, "terminated") == 0) return random_below(&state, 20) == 0;
  if (strcmp(column, "truncated") == 0) return random_below(&state, 50) == 0;
  if (strcmp(column, "action") == 0)
    return (float)random_between(&state, rlc->act_low, rlc->act_high);
  double sum = 0;
  for (int i = 0; i < 6; i++) sum += random_between(&state, -1, 1);
  return (float)(strcmp(column, "reward") == 0 ? 2 * sum - 1 : sum);
}

/* Fills the batch of update `step` from rows of the buffer, drawn anew for each update. */
static void batch_fill(const Runner *runner, uint64_t step) {
  for (uint32_t s = 0; s < runner->rlc->slot_count; s++) {
    const RlcSlot *slot = &runner->rlc->slots[s];
    if (strncmp(slot->name, "replay.", 7) != 0) continue;
    uint64_t count = rlc_slot_elements(slot), rows = slot->dims[0].extent, width = count / rows;
    uint64_t state = SEED + step;
    double *values = calloc(count, sizeof *values);
    for (uint64_t i = 0; i < rows; i++) {
      uint32_t row = random_below(&state, RECORDED);
      for (uint64_t k = 0; k < width; k++)
        values[i * width + k] = recorded(runner->rlc, slot->name + 7, row, (uint32_t)k);
    }
    runner_set(runner, s, values);
    free(values);
  }
}

/* Observations for acting, and the counters' values. */
static void acting_fill(const Runner *runner, double stored) {
  for (uint32_t s = 0; s < runner->rlc->slot_count; s++) {
    const RlcSlot *slot = &runner->rlc->slots[s];
    bool obs = strcmp(slot->name, "act.obs") == 0 || strcmp(slot->name, "eval.obs") == 0;
    if (!obs && slot->kind != RLC_COUNTER) continue;
    uint64_t count = rlc_slot_elements(slot);
    double *values = calloc(count, sizeof *values);
    for (uint64_t i = 0; i < count; i++)
      values[i] = obs ? recorded(runner->rlc, "obs", (uint32_t)i, 3) : stored;
    runner_set(runner, s, values);
    free(values);
  }
}

/* ---- algorithms at sizes ---- */

static const struct {
  const char *spec, *overrides;
} cases[] = {
    {"specs/sac.yaml", "env=Pendulum-v1 hidden=64 batch_size=64"},
    {"specs/sac.yaml", "env=HalfCheetah-v5 hidden=256 batch_size=32"},
    {"specs/remac.yaml", "env=HalfCheetah-v5 K=1 M=1 hidden=64 batch_size=48"},
    {"specs/remac.yaml", "env=HalfCheetah-v5 K=4 M=8 hidden=64 batch_size=48"},
    {"specs/remac.yaml", "env=HalfCheetah-v5 K=8 M=16 hidden=64 batch_size=48"},
};

static Spec open_oracle(int c) {
  Spec spec = spec_open(cases[c].spec, cases[c].overrides);
  spec_passes(&spec, "grad");
  return spec;
}

static Spec open_code(int c) {
  Spec spec = spec_open(cases[c].spec, cases[c].overrides);
  spec_passes(&spec, NULL);
  return spec;
}

#define REQUIRE_AGREEMENT(a, b, program, bar, c, what)                                             \
  do {                                                                                             \
    const char *where;                                                                             \
    double worst = runner_disagreement(a, b, program, true, &where);                               \
    ck_assert_msg(worst <= (bar), "%s %s, %s, %s: %s differs by %.3g", cases[c].spec,              \
                  cases[c].overrides, program, what, where, worst);                                \
  } while (0)

/* Both initialise and make 20 updates, each from its own state; the largest distance. */
static double twenty_updates(const Runner *a, const Runner *b, const char **where) {
  const Runner *both[2] = {a, b};
  for (int i = 0; i < 2; i++) {
    runner_run(both[i], "init", SEED, 0);
    for (uint64_t step = 0; step < UPDATES; step++) {
      batch_fill(both[i], step);
      runner_run(both[i], "update", SEED, step);
    }
  }
  return runner_disagreement(a, b, "update", true, where);
}

static void check_twenty(const Runner *code, const Runner *oracle, int c, const char *precision,
                         double bar) {
  const char *where;
  double worst = twenty_updates(code, oracle, &where);
  printf("seed %d, %s %s, %s: after %d updates at most %.2g apart, in %s\n", SEED, cases[c].spec,
         cases[c].overrides, precision, UPDATES, worst, where);
  ck_assert_msg(worst <= bar, "%s differs by %.3g", where, worst);
}

static void check_acting(const Runner *code, const Runner *oracle, int c) {
  static const char *const programs[] = {"explore", "evaluate", "sample"};
  for (uint64_t seed = SEED; seed < SEED + 3; seed++) {
    runner_run(oracle, "init", seed, 0);
    runner_run(code, "init", seed, 0);
    REQUIRE_AGREEMENT(code, oracle, "init", 1e-6, c, "new seed");
    runner_copy(oracle, code);
    for (uint64_t step = 0; step < 8; step++)
      for (size_t p = 0; p < COUNTOF(programs); p++) {
        acting_fill(code, step < 4 ? 100 : 1e6);
        acting_fill(oracle, step < 4 ? 100 : 1e6);
        runner_run(oracle, programs[p], seed, step);
        runner_run(code, programs[p], seed, step);
        REQUIRE_AGREEMENT(code, oracle, programs[p], 1e-5, c, "acting");
      }
  }
}

/* A tensor of one element, a metric or the gradient's mean of a single bias, may pass through zero,
 * where a relative error says nothing: its values over all updates are one tensor. */
typedef struct Series {
  double gap, norm;
} Series;

static void series_add(Series *series, const Runner *code, const Runner *oracle) {
  for (uint32_t s = 0; s < oracle->rlc->slot_count; s++) {
    if (rlc_slot_elements(&oracle->rlc->slots[s]) != 1) continue;
    double a = rlc_slot_get(&code->rlc->slots[s], code->memory, 0);
    double b = rlc_slot_get(&oracle->rlc->slots[s], oracle->memory, 0);
    series[s].gap += (a - b) * (a - b);
    series[s].norm += b * b;
  }
}

static void series_check(const Series *series, const Runner *oracle) {
  for (uint32_t s = 0; s < oracle->rlc->slot_count; s++)
    ck_assert_msg(!(sqrt(series[s].gap) > 1e-5 * sqrt(series[s].norm)), "%s differs by %.3g",
                  oracle->rlc->slots[s].name, sqrt(series[s].gap / series[s].norm));
}

/* From the state that generated code has reached, one update of each. */
static void check_single(const Runner *code, const Runner *oracle, int c) {
  bool whole = getenv("RLC_LONG") != NULL;
  uint64_t count = whole ? 1000 : 100, kinks = 0;
  double largest = 0;
  const char *where, *at = "";
  Interp *interp = kept_interp(oracle);
  Series *series = calloc(oracle->rlc->slot_count, sizeof *series);
  runner_run(code, "init", SEED, 0);
  for (uint64_t step = 0; step < count; step++) {
    batch_fill(code, step);
    runner_copy(oracle, code);
    interp_copy(interp, oracle);
    runner_run(oracle, "update", SEED, step);
    runner_run(code, "update", SEED, step);
    series_add(series, code, oracle);
    double worst = runner_disagreement(code, oracle, "update", false, &where);
    if (worst > 1e-5) {
      interp_draws(interp, SEED, step);
      interp_run(interp);
      double margin = smallest_margin(interp, oracle);
      printf("update %u: %s differs by %.3g, with a margin of %.3g\n", (unsigned)step, where, worst,
             margin);
      ck_assert_msg(margin < 1e-6, "update %u: %s differs by %.3g", (unsigned)step, where, worst);
      kinks++;
    } else if (worst > largest) {
      largest = worst, at = where;
    }
  }
  printf("seed %d, %s %s: %u single updates at most %.2g apart, in %s; %u more crossed a kink\n",
         SEED, cases[c].spec, cases[c].overrides, (unsigned)(count - kinks), largest, at,
         (unsigned)kinks);
  ck_assert_uint_le(kinks * 33, count);
  series_check(series, oracle);
  free(series);
  if (!whole && c == 0) printf("SKIP: single updates 101 to 1000 of every algorithm: RLC_LONG=1\n");
}

START_TEST(float_agrees) {
  Runner oracle = runner_oracle(open_oracle(_i)), code = runner_code(open_code(_i), RLC_F32);
  check_twenty(&code, &oracle, _i, "float", 1e-4);
  check_acting(&code, &oracle, _i);
  check_single(&code, &oracle, _i);
  runner_close(&code);
  runner_close(&oracle);
}
END_TEST

START_TEST(double_agrees) {
  Runner oracle = runner_oracle(open_oracle(_i)), code = runner_code(open_code(_i), RLC_F64);
  check_twenty(&code, &oracle, _i, "double", 1e-10);
  runner_close(&code);
  runner_close(&oracle);
}
END_TEST

/* ---- draws ---- */

static const char draws[] = "name: draws\n"
                            "parameters:\n"
                            "  u: {axes: [k=37, l=5], init: 0}\n"
                            "  v: {axes: [l=5], init: 0}\n"
                            "  w: {init: 0}\n"
                            "losses:\n"
                            "  none: {over: w, minimize: w * w}\n"
                            "optimizers: {default: sgd(1)}\n"
                            "loop:\n"
                            "  - descend: none\n"
                            "  - set:\n"
                            "      u: uniform_noise[k=37, l=5]\n"
                            "      v: uniform_noise[l=5]\n";

/* The uniform words are whole multiples of 2^-24, exact in float32: equal to the last bit. */
START_TEST(draws_are_equal_in_bits) {
  Spec first = spec_text(draws, ""), second = spec_text(draws, "");
  spec_passes(&first, "grad");
  spec_passes(&second, NULL);
  Runner oracle = runner_oracle(first), code = runner_code(second, RLC_F32);
  double before = -1;
  for (uint64_t i = 0; i < 200; i++) {
    uint64_t seed = i * 0x9E3779B97F4A7C15u, step = i << (i % 50);
    runner_run(&oracle, "update", seed, step);
    runner_run(&code, "update", seed, step);
    for (uint32_t s = 0; s < 2; s++) {
      double *a = runner_get(&code, s), *b = runner_get(&oracle, s);
      for (uint64_t k = 0; k < rlc_slot_elements(&oracle.rlc->slots[s]); k++) {
        ck_assert_msg(a[k] == b[k], "seed %lx, step %lu: %.17g instead of %.17g", seed, step, a[k],
                      b[k]);
        ck_assert(b[k] > 0 && b[k] < 1);
      }
      ck_assert(b[0] != before);
      before = b[0];
      free(a);
      free(b);
    }
  }
  runner_close(&code);
  runner_close(&oracle);
}
END_TEST

/* ---- positions ---- */

/* A result slot for every position that the update computes. */
static size_t show_positions(Spec *spec, Node **positions, size_t capacity) {
  Node **nodes;
  size_t program = spec_program(spec, "update"), shown = 0;
  size_t count = module_reach(spec->module, &spec->module->programs[program], spec->arena, &nodes);
  for (size_t i = 0; i < count && shown < capacity; i++)
    if (nodes[i]->integer && nodes[i]->op != OP_rename) {
      fixture_result(spec->module, program, nodes[i]);
      positions[shown++] = nodes[i];
    }
  return shown;
}

/* Equal, except where the oracle's values at both positions are within 1e-6. */
static void check_positions(const Runner *code, const Runner *oracle, const Interp *interp,
                            const Node *node, uint32_t slot, uint64_t *equal, uint64_t *close) {
  const double *values = interp_value(interp, node->src[0]);
  ck_assert_ptr_nonnull(values);
  double *a = runner_get(code, slot), *b = runner_get(oracle, slot);
  const Graph *graph = oracle->spec.graph;
  for (uint64_t i = 0; i < rlc_slot_elements(&oracle->rlc->slots[slot]); i++) {
    if (a[i] == b[i]) {
      ++*equal;
      continue;
    }
    uint32_t at[MAX_AXES] = {0};
    coordinates_of(graph, node->axes, i, at);
    at[node->attr.axis] = (uint32_t)a[i];
    double here = values[place_of(graph, node->src[0], at)];
    at[node->attr.axis] = (uint32_t)b[i];
    double margin = fabs(here - values[place_of(graph, node->src[0], at)]);
    ck_assert_msg(margin < 1e-6, "%s: position %g instead of %g with a margin of %g",
                  oracle->rlc->slots[slot].name, a[i], b[i], margin);
    ++*close;
  }
  free(a);
  free(b);
}

START_TEST(positions_are_equal) {
  enum { CASE = 3, CAPACITY = 32 };
  Spec first = spec_open(cases[CASE].spec, cases[CASE].overrides);
  Spec second = spec_open(cases[CASE].spec, cases[CASE].overrides);
  Node *positions[CAPACITY], *same[CAPACITY];
  uint32_t slots = (uint32_t)first.graph->slot_count;
  spec_passes(&first, "grad");
  spec_passes(&second, "grad");
  size_t count = show_positions(&first, positions, CAPACITY);
  ck_assert_uint_eq(show_positions(&second, same, CAPACITY), count);
  ck_assert(count >= 2);
  static const char *const rest[] = {"erase", "simplify", "contract"};
  for (size_t i = 0; i < COUNTOF(rest); i++)
    pipeline_pass(second.module, rest[i], &second.session.pipeline);
  Runner oracle = runner_oracle(first), code = runner_code(second, RLC_F32);
  Interp *interp = kept_interp(&oracle);
  uint64_t equal = 0, close = 0;
  runner_run(&code, "init", SEED, 0);
  for (uint64_t step = 0; step < 20; step++) {
    batch_fill(&code, step);
    runner_copy(&oracle, &code);
    interp_copy(interp, &oracle);
    interp_draws(interp, SEED, step);
    interp_run(interp);
    runner_run(&oracle, "update", SEED, step);
    runner_run(&code, "update", SEED, step);
    for (size_t i = 0; i < count; i++)
      check_positions(&code, &oracle, interp, positions[i], slots + (uint32_t)i, &equal, &close);
  }
  printf("seed %d: %lu positions of %zu kinds equal, %lu different within a margin of 1e-6\n", SEED,
         equal, count, close);
  ck_assert(close * 1000 < equal);
  runner_close(&code);
  runner_close(&oracle);
}
END_TEST

/* ---- mistakes are noticed ---- */

static const char small[] = "env=Pendulum-v1 hidden=6 batch_size=8";

/* Every kind of program of a finished module with a mistake in it, run by the oracle or generated
 * C, against the right one: the largest distance. The bar is that of single updates. */
static double mistaken_run(Spec wrong, bool generated) {
  Spec right = spec_open("specs/sac.yaml", small);
  spec_passes(&right, "grad");
  Runner oracle = runner_oracle(right);
  Runner code = generated ? runner_code(wrong, RLC_F32) : runner_oracle(wrong);
  const char *where;
  runner_run(&oracle, "init", SEED, 0);
  for (uint64_t step = 0; step < 3; step++) { /* away from the zeros of the start */
    batch_fill(&oracle, step);
    runner_run(&oracle, "update", SEED, step);
  }
  runner_copy(&code, &oracle);
  static const char *const programs[] = {"update", "explore", "evaluate", "sample", "init"};
  const Runner *both[] = {&code, &oracle};
  double worst = 0;
  for (size_t p = 0; p < COUNTOF(programs); p++) {
    for (int i = 0; i < 2; i++) {
      batch_fill(both[i], 3);
      acting_fill(both[i], 1e6);
      runner_run(both[i], programs[p], SEED, 3);
    }
    worst = fmax(worst, runner_disagreement(&code, &oracle, programs[p], true, &where));
    runner_copy(&code, &oracle);
  }
  runner_close(&code);
  runner_close(&oracle);
  return worst;
}

static Spec finished(const OpInfo *table, const Rule *rules) {
  Spec spec = spec_open("specs/sac.yaml", small);
  grad_expand(spec.module, spec.arena, table);
  pipeline_pass(spec.module, "erase", &spec.session.pipeline);
  simplify_with(spec.module, spec.arena, rules, rule_count);
  pipeline_pass(spec.module, "contract", &spec.session.pipeline);
  return spec;
}

static const struct {
  OpCode op;
  int argument;
  const char *wrong;
} column_mistakes[] = {{OP_mul, 1, "g * y"},
                       {OP_max, 1, "g"},
                       {OP_tanh, 0, "g"},
                       {OP_exp, 0, "g"},
                       {OP_log, 0, "g * x"},
                       {OP_sub, 1, "g"},
                       {OP_min, 0, "where(x <= y, 0, g)"},
                       {OP_abs, 0, "g"}};

/* How many of gradcheck's results fail with these derivatives. */
static size_t gradcheck_failures(const OpInfo *table) {
  Spec spec = spec_open("specs/sac.yaml", small);
  const Elaborated *e = spec.session.elaborated;
  GradcheckLoss *losses = NEW_ARRAY(spec.arena, GradcheckLoss, e->loss_count);
  for (size_t i = 0; i < e->loss_count; i++)
    losses[i] = (GradcheckLoss){e->losses[i].name, e->losses[i].value, e->losses[i].marks,
                                e->losses[i].slots, e->losses[i].count};
  GradcheckOptions options = {.seed = SEED, .table = table};
  GradcheckResult *results;
  size_t failures = 0;
  size_t count = gradcheck_run(spec.arena, spec.module, losses, e->loss_count, &options, &results);
  ck_assert_uint_ge(count, 16);
  for (size_t i = 0; i < count; i++) failures += !results[i].passed;
  spec_close(&spec);
  return failures;
}

/* Without a mistake the same path agrees, so that what follows shows mistakes. */
START_TEST(no_mistake_passes) {
  ck_assert_double_lt(mistaken_run(finished(op_table, rule_table), false), 1e-10);
  ck_assert_double_le(mistaken_run(finished(op_table, rule_table), true), 1e-5);
  ck_assert_uint_eq(gradcheck_failures(op_table), 0);
}
END_TEST

START_TEST(wrong_derivatives_are_noticed) {
  OpInfo table[OP_COUNT];
  memcpy(table, op_table, sizeof table);
  table[column_mistakes[_i].op].grad[column_mistakes[_i].argument] = column_mistakes[_i].wrong;
  bool generated = _i == 0;
  double worst = mistaken_run(finished(table, rule_table), generated);
  ck_assert_msg(worst > 1e-5, "d %s by argument %d = %s passes: %.3g",
                op_table[column_mistakes[_i].op].name, column_mistakes[_i].argument,
                column_mistakes[_i].wrong, worst);
  ck_assert_msg(gradcheck_failures(table) > 0, "gradcheck passes d %s by argument %d = %s",
                op_table[column_mistakes[_i].op].name, column_mistakes[_i].argument,
                column_mistakes[_i].wrong);
}
END_TEST

/* The finished module as text. */
static char *finished_text(const Rule *rules) {
  Spec spec = finished(op_table, rules);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ir_print(spec.module, out);
  fclose(out);
  spec_close(&spec);
  return text;
}

/* Whether the algorithm's graph depends on rule `r`: without it the result differs. */
static bool rule_matters(const Rule *rules, size_t r, const char *text) {
  Rule *others = calloc(rule_count, sizeof *others);
  memcpy(others, rules, rule_count * sizeof *others);
  others[r] = others[r == 0]; /* the table without it, at the same size */
  char *without = finished_text(others);
  bool matters = strcmp(text, without) != 0;
  free(without);
  free(others);
  return matters;
}

/* Every rule that matters for the algorithm, with a wrong result. */
START_TEST(wrong_rules_are_noticed) {
  char *text = finished_text(rule_table);
  size_t noticed = 0, matter = 0;
  for (size_t r = 0; r < rule_count; r++) {
    if (!rule_matters(rule_table, r, text)) continue;
    matter++;
    Rule *rules = calloc(rule_count, sizeof *rules);
    memcpy(rules, rule_table, rule_count * sizeof *rules);
    char wrong[200];
    snprintf(wrong, sizeof wrong, "(%s) + 0.5", rule_table[r].result);
    rules[r].result = wrong;
    double worst = mistaken_run(finished(op_table, rules), false);
    if (!(worst > 1e-5)) printf("%s -> %s passes: %.3g\n", rules[r].pattern, wrong, worst);
    noticed += worst > 1e-5;
    free(rules);
  }
  free(text);
  printf("%zu of the %zu rules that matter for sac, made wrong, are noticed\n", noticed, matter);
  ck_assert_uint_ge(matter, 8);
  ck_assert_uint_eq(noticed, matter);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0); /* what a failing test printed must show */
  Suite *suite = suite_create("agree");
  TCase *tests = tcase_create("agree");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 600);
  tcase_add_loop_test(tests, float_agrees, 0, (int)COUNTOF(cases));
  tcase_add_loop_test(tests, double_agrees, 0, (int)COUNTOF(cases));
  tcase_add_test(tests, draws_are_equal_in_bits);
  tcase_add_test(tests, positions_are_equal);
  tcase_add_test(tests, no_mistake_passes);
  tcase_add_loop_test(tests, wrong_derivatives_are_noticed, 0, (int)COUNTOF(column_mistakes));
  tcase_add_test(tests, wrong_rules_are_noticed);
  return suite_run(suite);
}
