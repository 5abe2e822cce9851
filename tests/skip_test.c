/* Skipping of ranks without weight: that values stay (choice_test.c has what it saves); masks that
 * read results. */
#include "tests/spec_code.h"

#include "compiler/passes/passes.h"

/* ---- that values stay ---- */

/* Scores of six tries in three rows by two small networks, and what is made of them. */
#define SCORES                                                                                     \
  "name: t\n"                                                                                      \
  "parameters:\n"                                                                                  \
  "  x: {axes: [row=3, try=6, in=2], init: 'sin(iota[row=3] + 2 * iota[try=6] + 5 * "              \
  "iota[in=2])'}\n"                                                                                \
  "  a: {axes: [twin=2, in=2, h=5], init: 'cos(iota[twin=2] + 3 * iota[in=2] * iota[h=5])'}\n"     \
  "  b: {axes: [twin=2, h=5], init: 'sin(iota[twin=2] - iota[h=5])'}\n"                            \
  "optimizers: {default: sgd(0.1)}\n"                                                              \
  "loop: [{descend: fit}]\n"                                                                       \
  "losses:\n"                                                                                      \
  "  fit:\n"                                                                                       \
  "    over: [x, a, b]\n"                                                                          \
  "    let:\n"                                                                                     \
  "      q: 'sum[h](relu(sum[in](x * a)) * b)'\n"                                                  \
  "      w: 'where(ranks[try] < 2, 0, 1 + ranks[try])'\n"                                          \
  "    minimize: "

static const char *const minimized[] = {
    "'sum[row, try](w * sort[try](min[twin](q)))'",
    "'sum[row, twin, try](w * sort[try](q))'",
    "'sum[row, try](w * sort[try](min[twin](q)) + where(ranks[try] < 4, 0, 2) * "
    "sort[try](min[twin](q)))'",
    "'sum[row, try](w * sort[try](min[twin](q))) + sum[row, try, twin](square(q))'",
    "'sum[row, try](w * square(sort[try](min[twin](q)))) * sum[row, try, in](square(x))'",
    "'sum[row](max[try](min[twin](q))) + sum[row, twin, try](w * sort[try](tanh(q - floor(q)), "
    "by=min[twin](q)))'",
    "'sum[row, try](where(ranks[try] < 5, 0, exp(sort[try](min[twin](q)))))'",
    "'sum[row, try](w * sort[try](sum[in](x) + max[twin](q), by=floor(sum[in](x))))'",
    "'sum[row](square(sum[try](w * sort[try](sum[twin](tanh(q))))))'"};

static Runner after(const char *text, const char *pass) {
  Spec spec = spec_text(text, "");
  spec_passes(&spec, pass);
  Runner runner = runner_oracle(spec);
  runner_run(&runner, "init", 1, 0);
  runner_run(&runner, "update", 1, 0);
  return runner;
}

static size_t short_orders(const Spec *spec) {
  Node **nodes;
  size_t found = 0, count = module_reach(spec->module, NULL, spec->arena, &nodes);
  for (size_t i = 0; i < count; i++)
    found += nodes[i]->op == OP_order && spec->graph->axes[nodes[i]->attr.to].extent < 6;
  return found;
}

START_TEST(values_stay) {
  Arena *arena = arena_make();
  const char *text = arena_printf(arena, "%s%s\n", SCORES, minimized[_i]), *where;
  Runner whole = after(text, "grad"), skipped = after(text, "skip");
  ck_assert_msg(short_orders(&skipped.spec) > 0, "nothing was skipped in %s", minimized[_i]);
  ck_assert_uint_eq(short_orders(&whole.spec), 0);
  double apart = runner_disagreement(&skipped, &whole, "update", true, &where);
  ck_assert_msg(apart < 1e-13, "%s: %s differs by %.2g", minimized[_i], where, apart);
  runner_close(&whole);
  runner_close(&skipped);
  arena_free(arena);
}
END_TEST

/* What is said of it: the sort that was cut, and what stopped the scatter of its ranks. */
static const struct Said {
  int minimized;
  const char *cut, *stays;
} said[] = {
    {0, "of a sort along try the last 4 of 6 ranks go back", "added to values of all places"},
    {1, "the last 4 of 6 ranks", "the sum over the product is one by segments"},
    {5, "the last 4 of 6 ranks", "added to what lies at other places"},
    {6, "the last 1 of 6 ranks", "added to values of all places"}};

static bool is_said(const Module *module, const char *text) {
  for (size_t i = 0; i < module->note_count; i++)
    if (strcmp(module->notes[i].pass, "skip") == 0 && strstr(module->notes[i].text, text))
      return true;
  return false;
}

START_TEST(decisions_are_told) {
  Arena *arena = arena_make();
  Spec spec = spec_text(arena_printf(arena, "%s%s\n", SCORES, minimized[said[_i].minimized]), "");
  spec_passes(&spec, "mask");
  ck_assert_uint_eq(spec.module->note_count, 0);
  pass_skip(spec.module, arena);
  ck_assert_msg(is_said(spec.module, said[_i].cut), "not said: %s", said[_i].cut);
  ck_assert_msg(is_said(spec.module, said[_i].stays), "not said: %s", said[_i].stays);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* Values that are read twice again and again: each is looked at once. */
START_TEST(shared_values_are_looked_at_once) {
  Arena *arena = arena_make();
  const char *text = "name: t\n"
                     "parameters: {x: {axes: [row=3, try=6], init: 'iota[try=6]'}}\n"
                     "optimizers: {default: sgd(0.1)}\n"
                     "loop: [{descend: fit}]\n"
                     "losses:\n"
                     "  fit:\n"
                     "    over: x\n"
                     "    let:\n"
                     "      r0: sort[try](x)\n"
                     "      q0: tanh(x)\n";
  for (int i = 0; i < 30; i++)
    text = arena_printf(arena, "%s      r%d: r%d * r%d * 0.1 - r%d\n      q%d: q%d * q%d - q%d\n",
                        text, i + 1, i, i, i, i + 1, i, i, i);
  text = arena_printf(arena,
                      "%s    minimize: 'sum[row, try](where(ranks[try] < 2, 0, 1) * (r30 + "
                      "sort[try](q30, by=q0)))'\n",
                      text);
  Spec spec = spec_text(text, "");
  spec_passes(&spec, NULL);
  ck_assert_uint_gt(short_orders(&spec), 0);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* ---- masks ---- */

/* No comparison is left that reads the argument of a rectifier beside it. */
START_TEST(masks_read_results) {
  Spec spec = spec_open("specs/sac.yaml", "");
  spec_passes(&spec, NULL);
  Node **nodes;
  size_t count = module_reach(spec.module, NULL, spec.arena, &nodes), masks = 0;
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_le || nodes[i]->src[1]->op != OP_const) continue;
    const Node *x = nodes[i]->src[0], *c = nodes[i]->src[1];
    if (x->op == OP_gather) x = x->src[0];
    masks += x->op == OP_max && x->src[0] == c;
    for (size_t k = 0; k < count; k++)
      ck_assert(nodes[k]->op != OP_max || nodes[k]->src[0] != c || nodes[k]->src[1] != x);
  }
  ck_assert_uint_ge(
      masks,
      6); /* two layers each of the critic, of the critic under the policy, and of the actor */
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("skip");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_loop_test(tcase, values_stay, 0, COUNTOF(minimized));
  tcase_add_loop_test(tcase, decisions_are_told, 0, COUNTOF(said));
  tcase_add_test(tcase, shared_values_are_looked_at_once);
  tcase_add_test(tcase, masks_read_results);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
