/* Parameters as values: grad, with and trees against numbers derived by hand and central
 * differences, on the oracle and on generated C; what `set` assigns, bit by bit. */
#include "compiler/oracle/gradcheck.h"
#include "tests/spec_code.h"

enum { SEED = 20261121 };

/* One scalar w = 2 and another u = 3; each loss is checked by its value and the step of sgd(1). */
static const char scalars[] =
    "name: scalars\n"
    "parameters: {w: 2.0, u: 3.0, v: {axes: [i=3], init: 'iota[i] + 1'}}\n"
    "state: {x: {axes: [i=3], init: '2 - iota[i]'}, n: 7}\n"
    "optimizers: {default: sgd(1.0)}\n";

typedef struct Ran {
  Spec spec;
  Interp *interp;
} Ran;

/* Runs init and then the first program of updates. */
static Ran ran_text(const char *text) {
  Ran ran = {.spec = spec_text(text, "")};
  spec_passes(&ran.spec, "grad");
  Interp *init = spec_interp(&ran.spec, "init");
  interp_draws(init, SEED, 0);
  spec_run(init);
  ran.interp = spec_interp(&ran.spec, "update");
  interp_draws(ran.interp, SEED, 1);
  const Program *p = &ran.spec.module->programs[spec_program(&ran.spec, "init")];
  for (size_t i = 0; i < p->output_count; i++) {
    double *values = NEW_ARRAY(ran.spec.arena, double, spec_size(&ran.spec, p->outputs[i].slot));
    interp_get(init, p->outputs[i].slot, values);
    interp_set(ran.interp, p->outputs[i].slot, values);
  }
  spec_run(ran.interp);
  return ran;
}

static double ran_value(const Ran *ran, const char *slot) {
  return spec_scalar(&ran->spec, ran->interp, slot);
}

static Ran ran_losses(const char *rest) {
  char text[4096];
  snprintf(text, sizeof text, "%s%s", scalars, rest);
  return ran_text(text);
}

START_TEST(numbers_by_hand) {
  static const struct {
    const char *lines; /* of the loss `a`, over w */
    double value, step;
  } cases[] = {
      /* d/dw (w - 1)^2 = 2, theta = 1.8; (theta - 3)^2 = 1.44, by w: 2 (theta - 3) (1 - 0.2) */
      {"    let:\n"
       "      l: square(w - 1)\n"
       "      theta: w - 0.1 * grad(l, w)\n"
       "    minimize: with(w = theta, square(w - 3))\n",
       1.44, -1.92},
      /* the third derivative of w^4 is 24 w */
      {"    minimize: grad(grad(grad(square(square(w)), w), w), w)\n", 48, 24},
      /* a let stands for another value inside `with` and for its own outside */
      {"    let: {l: w * w}\n    minimize: l + with(w = 3 * w, l)\n", 40, 40},
      /* a gradient inside is taken there too: grad of w^3 at 2 w is 3 (2 w)^2 */
      {"    minimize: with(w = 2 * w, grad(w * w * w, w))\n", 48, 48},
      /* two variables at once, and one by its name: grad(w^2 u) = (2 w u, w^2) */
      {"    let: {g: 'grad(w * w * u, w, u)'}\n    minimize: g.w + g.u\n", 16, 10},
      /* (2 w u, w^2) . (u, w) = 2 w u^2 + w^3, by w: 2 u^2 + 3 w^2 */
      {"    minimize: 'dot(grad(w * w * u, w, u), grad(w * u, w, u))'\n", 44, 30},
      /* norm((w, u)) = sqrt(13), by w: w / sqrt(13) */
      {"    minimize: 'norm(grad(0.5 * (w * w + u * u), w, u))'\n", 3.605551275463989,
       0.5547001962252291},
      {"    minimize: 'norm(grad(0.5 * (w - 2)^2 + 0 * u, w, u))'\n", 0, 0},
      /* an expression as the variable: d (w u)^2 / d (w u) = 2 w u */
      {"    let: {p: w * u}\n    minimize: grad(p * p, p)\n", 12, 6},
      /* what is stopped is not varied: d (p stop(p)) / dp = stop(p) */
      {"    let: {p: w * u}\n    minimize: w + grad(p * stop(p), p)\n", 8, 1}};
  for (size_t i = 0; i < COUNTOF(cases); i++) {
    char text[1024];
    snprintf(text, sizeof text, "losses:\n  a:\n    over: w\n%sloop: [{descend: a}]\n",
             cases[i].lines);
    Ran ran = ran_losses(text);
    double value = ran_value(&ran, "metric.losses/a"), step = 2 - ran_value(&ran, "w");
    ck_assert_msg(fixture_near(value, cases[i].value, 1e-12), "%s is %.15g", cases[i].lines, value);
    ck_assert_msg(fixture_near(step, cases[i].step, 1e-12), "%s steps %.15g", cases[i].lines, step);
    spec_close(&ran.spec);
  }
}
END_TEST

/* f = sum v x^2 has the slope 2 v x; (|slope| - 1)^2 by v: 2 (|slope| - 1) slope / |slope| 2 x. */
START_TEST(penalty_of_a_gradient) {
  Ran ran = ran_losses("losses:\n  a:\n    over: v\n    let:\n"
                       "      slope: grad(sum[i](v * x * x), x)\n"
                       "    minimize: square(norm[i](slope) - 1)\n"
                       "loop: [{descend: a}]\n");
  const double *v = spec_get(&ran.spec, ran.interp, "v");
  double slope[3], norm = 0, x[3] = {2, 1, 0};
  for (int i = 0; i < 3; i++) slope[i] = 2 * (i + 1) * x[i];
  for (int i = 0; i < 3; i++) norm += slope[i] * slope[i];
  norm = sqrt(norm);
  ck_assert(fixture_near(ran_value(&ran, "metric.losses/a"), (norm - 1) * (norm - 1), 1e-12));
  for (int i = 0; i < 3; i++) {
    double step = 2 * (norm - 1) * slope[i] / norm * 2 * x[i];
    ck_assert_msg(fixture_near(i + 1 - v[i], step, 1e-12), "v[%d] steps %g, not %g", i,
                  i + 1 - v[i], step);
  }
  spec_close(&ran.spec);
}
END_TEST

/* A copy that equals its original is another variable, and a step taken earlier in the program is a
 * value, not something to differentiate. */
START_TEST(variables_are_told_apart) {
  Ran ran = ran_losses("targets: {old: w}\nlosses:\n"
                       "  a: {over: u, minimize: 'u * grad(w * w * old, w)'}\n"
                       "  b: {over: w, minimize: square(w - n)}\n"
                       "  c: {over: v, minimize: 'sum[i](v) * grad(w * n, n)'}\n"
                       "loop:\n  - set: {old: w, n: 2 * u}\n  - descend: [a, b, c]\n");
  ck_assert(fixture_near(3 - ran_value(&ran, "u"), 2 * 2 * 2, 1e-12));
  /* n = 6; w = 2 - 2 (2 - 6) = 10, which depended on n */
  ck_assert(fixture_near(ran_value(&ran, "w"), 10, 1e-12));
  ck_assert(fixture_near(ran_value(&ran, "metric.losses/c"), 6 * 10, 1e-12));
  spec_close(&ran.spec);
}
END_TEST

START_TEST(draws_stay_the_same) {
  Ran ran = ran_losses("losses:\n  a:\n    over: w\n    let: {z: 'normal_noise[]'}\n"
                       "    minimize: with(w = w + 1, w * z) - w * z\n    log: {z: z}\n"
                       "loop: [{descend: a}]\n");
  double z = ran_value(&ran, "metric.a/z");
  ck_assert(z != 0 && fixture_near(ran_value(&ran, "metric.losses/a"), z, 1e-12));
  spec_close(&ran.spec);
}
END_TEST

/* ---- set ---- */

START_TEST(set_scalars) {
  Ran ran = ran_losses("targets: {old: w, both: [w, u]}\n"
                       "losses: {a: {over: v, minimize: 'sum[i](v)'}}\n"
                       "loop:\n  - set:\n      old: blend(old, online, 0.25) + 1\n"
                       "      u: max(u, 5)\n      both: [u, w]\n      n: n + old\n"
                       "      w: both.u + old\n"
                       "  - descend: a\n");
  static const double old = 3, u = 5, w = 8, n = 10;
  ck_assert(ran_value(&ran, "old.w") == old && ran_value(&ran, "u") == u);
  ck_assert(ran_value(&ran, "both.w") == 2 && ran_value(&ran, "both.u") == 5);
  ck_assert(ran_value(&ran, "n") == n && ran_value(&ran, "w") == w);
  spec_close(&ran.spec);
}
END_TEST

static const char networks[] =
    "name: networks\nenv: Pendulum-v1\n"
    "networks:\n"
    "  actor: {input: obs, layers: 'dense(5), tanh, dense[act]'}\n"
    "  other: {input: obs, layers: 'dense(5), tanh, dense[act]'}\n"
    "  critic: {copies: {twin: 2}, input: 'obs, action', layers: 'dense(6), tanh, dense()'}\n"
    "parameters: {log_std: {axes: act, init: -0.5}}\n"
    "targets: {slow: critic, old: [actor, log_std]}\n"
    "replay: {capacity: 100, batch: 4}\n"
    "act: {explore: sample(box), evaluate: 'actor(obs)'}\n"
    "optimizers: {default: sgd(0.1)}\n"
    "losses:\n"
    "  descent:\n"
    "    over: actor\n"
    "    let:\n"
    "      a: actor(obs)\n"
    "      g: grad(sum[batch, twin](critic(obs, a)), a)\n"
    "    minimize: -mean[batch](sum[act](stop(g) * a))\n"
    "  penalty:\n"
    "    over: critic\n"
    "    let: {g: 'grad(sum[batch, twin](critic(obs, action)), action)'}\n"
    "    minimize: mean[batch](square(norm[act](g) - 1))\n"
    "  meta:\n"
    "    over: actor, log_std\n"
    "    let:\n"
    "      n: normal_noise[act]\n"
    "      l: mean[batch](sum[act](square(actor(obs) + exp(log_std) * n - action)))\n"
    "      g: grad(l, actor, log_std)\n"
    "      m: mean[batch](sum[act](square(actor(next_obs) * exp(log_std) - action)))\n"
    "    minimize: with(actor = actor - 0.3 * g.actor, log_std = log_std - 0.3 * g.log_std, m)\n"
    "  flat:\n"
    "    over: critic\n"
    "    let:\n"
    "      l: mean[batch](sum[twin](square(critic(obs, action) - reward)))\n"
    "      g: grad(l, critic)\n"
    "    minimize: l + 0.5 * norm(g) + 0.1 * dot(g, critic - slow)\n"
    "  unrolled:\n"
    "    over: actor\n"
    "    let:\n"
    "      theta: 'unroll[j=2](t = actor, t - 0.2 * with(actor = t, grad(l, actor)))'\n"
    "      l: mean[batch](sum[act](square(actor(obs) - action)))\n"
    "      kept: mean[batch](sum[act](square(old.actor(obs) - old.log_std * actor(obs))))\n"
    "    minimize: with(actor = theta, l + kept) + 0.01 * dot(actor, actor)\n"
    "loop:\n  - collect: 1\n  - sample: replay\n";

static Spec networks_open(const char *steps, const char *stop) {
  char text[8192];
  snprintf(text, sizeof text, "%s%s", networks, steps);
  Spec spec = spec_text(text, "");
  spec_passes(&spec, stop);
  return spec;
}

static const char all[] = "  - descend: all\n"
                          "  - set:\n"
                          "      slow: blend(slow, critic, 0.25)\n"
                          "      actor: blend(actor, other, 0.5)\n"
                          "      old: [log_std, actor]\n"
                          "      log_std: max(log_std, -0.4)\n"
                          "      other: clip(-other, -0.1, 0.1)\n";

START_TEST(differences) {
  char text[8192];
  snprintf(text, sizeof text, "%s%s", networks, all);
  Spec spec = spec_text(text, "");
  const Elaborated *e = spec.session.elaborated;
  ck_assert_uint_eq(e->loss_count, 5);
  for (size_t i = 0; i < e->loss_count; i++) {
    const LossInfo *info = &e->losses[i];
    GradcheckLoss loss = {info->name, info->value, info->marks, info->slots, info->count};
    GradcheckOptions options = {.seed = SEED, .tolerance = 1e-6};
    GradcheckResult *results;
    ck_assert_uint_eq(gradcheck_run(spec.arena, spec.module, &loss, 1, &options, &results),
                      info->count);
    for (size_t k = 0; k < info->count; k++)
      ck_assert_msg(results[k].passed, "%s by %s at %s: %g, by differences %g", info->name,
                    results[k].parameter, results[k].where, results[k].analytic,
                    results[k].numeric);
  }
  spec_close(&spec);
}
END_TEST

/* Fills all slots of both from one plausible point. */
static void runners_fill(const Runner *a, const Runner *b) {
  double **point = gradcheck_point(a->spec.arena, a->spec.module, SEED);
  for (uint32_t s = 0; s < a->rlc->slot_count; s++) runner_set(a, s, point[s]);
  runner_copy(b, a);
  runner_copy(a, b);
}

START_TEST(code_agrees) {
  Runner oracle = runner_oracle(networks_open(all, "grad"));
  Runner code = runner_code(networks_open(all, NULL), RLC_F64);
  runners_fill(&oracle, &code);
  for (uint64_t step = 0; step < 5; step++) {
    const char *where;
    runner_run(&oracle, "update", SEED, step);
    runner_run(&code, "update", SEED, step);
    double worst = runner_disagreement(&code, &oracle, "update", true, &where);
    ck_assert_msg(worst <= 1e-10, "update %lu differs by %g in %s", step, worst, where);
  }
  runner_close(&oracle);
  runner_close(&code);
}
END_TEST

/* What a slot holds before the run. */
static double *point_of(const Runner *runner, const char *slot) {
  return runner_get(runner, spec_slot(&runner->spec, slot));
}

START_TEST(set_networks) {
  static const char steps[] = "  - set:\n"
                              "      actor: blend(actor, other, 0.5)\n"
                              "      old: [log_std, actor]\n"
                              "      other: -actor\n"
                              "      slow: critic\n"
                              "      critic: blend(critic, slow, 0.5)\n"
                              "  - repeat: 1\n    do: [{descend: all}]\n";
  static const char *const below[] = {"dense1.w", "dense1.b", "dense2.w", "dense2.b"};
  Runner runner = runner_oracle(networks_open(steps, "grad")), after;
  after = runner_oracle(networks_open(steps, "grad"));
  runners_fill(&runner, &after);
  runner_run(&after, "update", SEED, 1);
  for (size_t i = 0; i < COUNTOF(below); i++) {
    Arena *arena = runner.spec.arena;
    const char *actor = arena_printf(arena, "actor.%s", below[i]),
               *other = arena_printf(arena, "other.%s", below[i]),
               *old = arena_printf(arena, "old.actor.%s", below[i]);
    double *a = point_of(&runner, actor), *b = point_of(&runner, other);
    double *x = point_of(&after, actor), *y = point_of(&after, other), *z = point_of(&after, old);
    uint64_t size = spec_size(&runner.spec, spec_slot(&runner.spec, actor));
    for (uint64_t k = 0; k < size; k++) {
      ck_assert(x[k] == a[k] + 0.5 * (b[k] - a[k]));
      ck_assert(y[k] == -x[k] && z[k] == x[k]);
    }
    free(a), free(b), free(x), free(y), free(z);
  }
  static const char *const copied[][2] = {{"old.log_std", "log_std"},
                                          {"slow.critic.dense1.w.obs", "critic.dense1.w.obs"},
                                          {"critic.dense2.b", "critic.dense2.b"}};
  for (size_t i = 0; i < COUNTOF(copied); i++) {
    uint32_t slot = spec_slot(&runner.spec, copied[i][0]);
    double *x = runner_get(&after, slot), *from = point_of(&runner, copied[i][1]);
    ck_assert(memcmp(x, from, spec_size(&runner.spec, slot) * sizeof *x) == 0);
    free(x), free(from);
  }
  runner_close(&runner);
  runner_close(&after);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("trees");
  TCase *all_cases = tcase_create("all");
  tcase_set_timeout(all_cases, 120);
  tcase_add_test(all_cases, numbers_by_hand);
  tcase_add_test(all_cases, penalty_of_a_gradient);
  tcase_add_test(all_cases, variables_are_told_apart);
  tcase_add_test(all_cases, draws_stay_the_same);
  tcase_add_test(all_cases, set_scalars);
  tcase_add_test(all_cases, differences);
  tcase_add_test(all_cases, code_agrees);
  tcase_add_test(all_cases, set_networks);
  suite_add_tcase(suite, all_cases);
  return suite_run(suite);
}
