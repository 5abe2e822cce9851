/* REPPO on given numbers: its sheet's golden vectors through the spec's own targets and losses, the
 * losses against their equations in plain loops, the switch and its two prices. Faults of the
 * reference code that this must not have are named where they are looked for. */
#include "tests/reppo_fixture.h"

static const char *const path = "specs/reppo.yaml";
static const char *const as_coded = "specs/reppo/as_coded.yaml";

/* ---- targets ---- */

enum { STEPS = 4 };

typedef struct Targets {
  const char *path;
  double terminated[STEPS], truncated[STEPS], target[STEPS];
} Targets;

/* The sheet's. The code bootstraps a true end in the last row (0.993) and not a time limit (0.5).
 */
static const Targets sheet[] = {
    {"specs/reppo.yaml", {0}, {0, 1, 0, 0}, {2.965892, 1.985, .783416, .993}},
    {"specs/reppo.yaml", {0, 1, 0, 1}, {0}, {1.56925, .5, .131650, .3}},
    {"specs/reppo/as_coded.yaml", {0}, {0, 1, 0, 0}, {2.98, .5, .783416, .993}},
    {"specs/reppo/as_coded.yaml", {0, 1, 0, 1}, {0}, {1.56925, .5, .783416, .993}},
};

static Point targets_of(const char *spec, const double *terminated, const double *truncated) {
  Point p = point_open(
      spec_open(spec, "env.id=Swimmer-v5 env.count=1 steps=4 minibatches=2 hidden=3 gamma=0.99"),
      "update", SEED);
  point_give(&p, "rollout.soft_reward", (const double[]){1, .5, -.2, .3});
  point_give(&p, "rollout.next_value", (const double[]){2, 1.5, 1, .7});
  point_give(&p, "rollout.terminated", terminated);
  point_give(&p, "rollout.truncated", truncated);
  point_run(&p, 1);
  return p;
}

START_TEST(targets_are_the_sheets) {
  const Targets *t = &sheet[_i];
  Point p = targets_of(t->path, t->terminated, t->truncated);
  for (int k = 0; k < STEPS; k++) golden(after(&p, "rollout.target")[k], t->target[k], "target");
  spec_close(&p.spec);
}
END_TEST

/* At an end of both kinds nothing follows; the row before either end sees no value behind it. */
START_TEST(ends_of_both_kinds) {
  const double end[STEPS] = {0, 1, 0, 0}, none[STEPS] = {0};
  Point both = targets_of(path, end, end), alone = targets_of(path, end, none);
  for (int k = 0; k < STEPS; k++)
    agree(after(&both, "rollout.target")[k], after(&alone, "rollout.target")[k], "target");
  spec_close(&both.spec);
  spec_close(&alone.spec);
}
END_TEST

/* The copy is made with the targets, once for all epochs; updates leave both alone. */
START_TEST(the_collecting_policy_is_copied_once) {
  const char *name = "old.actor.mean.dense1.w";
  const double none[STEPS] = {0};
  Point start = targets_of(path, none, none), step = update_open(path, REPPO_SIZES REPPO_BINS);
  uint64_t size = spec_size(&start.spec, spec_slot(&start.spec, name)) * sizeof(double);
  ck_assert_int_ne(memcmp(before(&start, name), before(&start, name + 4), size), 0);
  ck_assert_int_eq(memcmp(after(&start, name), before(&start, name + 4), size), 0);
  point_run(&step, 1);
  ck_assert_int_eq(memcmp(after(&step, name), before(&step, name), size), 0);
  ck_assert_int_ne(memcmp(after(&step, name + 4), before(&step, name + 4), size), 0);
  spec_close(&start.spec);
  spec_close(&step.spec);
}
END_TEST

/* ---- the histogram ---- */

/* All rows have this target and these logits, which then are the same for all inputs. */
static double fit_of(const char *sizes, double target, const double *logits, uint64_t bins) {
  Point p = update_open(path, sizes);
  for (int b = 0; b < BATCH; b++) *row(&p, "target", 1, b) = target;
  set_all(&p, "critic.logits.dense2.w", 0);
  set_all(&p, "zero", 0);
  ck_assert_uint_eq(spec_size(&p.spec, spec_slot(&p.spec, "critic.logits.dense2.b")), bins);
  point_give(&p, "critic.logits.dense2.b", logits);
  point_run(&p, 1);
  double fit = point_metric(&p, "critic/fit");
  spec_close(&p.spec);
  return fit;
}

/* The loss is log sum exp(logits) - p . logits, so logits of a unit give a bin's share. */
START_TEST(shares_of_bins_are_the_sheets) {
  const double y[] = {1.3, -7};
  const double exact[][BINS] = {{.135980, .465900, .342878, .053562, .001681},
                                {.662221, .307345, .029861, .000572, .000002}};
  for (int j = 0; j < BINS; j++) {
    double unit[BINS] = {0};
    unit[j] = 1;
    double share = log_total(unit, BINS) - fit_of(REPPO_SIZES REPPO_BINS, y[_i], unit, BINS);
    golden(share, exact[_i][j], "share");
    agree(share, histogram(y[_i], j), "share");
  }
}
END_TEST

typedef struct Decoded {
  const char *sizes;
  int low, bins;
  double width, target, mean;
} Decoded;

static const Decoded decoded[] = {
    {REPPO_SIZES " bins=5 vmin=0 vmax=4", 0, 5, 1, 1.3, 1.319064},
    {REPPO_SIZES " bins=151 vmin=0 vmax=150", 0, 151, 1, 0, .36879},
    {REPPO_SIZES " bins=151 vmin=0 vmax=150", 0, 151, 1, 1, 1.04700},
    {REPPO_SIZES " bins=151 vmin=0 vmax=150", 0, 151, 1, 75, 75},
    {REPPO_SIZES " bins=151 vmin=0 vmax=150", 0, 151, 1, 150, 149.63121},
    {REPPO_SIZES " bins=151 vmin=-10 vmax=10", -10, 151, 20. / 150, -10, -9.95083},
};

/* Logits that are the support itself give the mean of the shares. */
START_TEST(targets_decode_as_the_sheet_says) {
  const Decoded *d = &decoded[_i];
  double support[151] = {0};
  for (int j = 0; j < d->bins; j++) support[j] = d->low + d->width * j;
  double mean =
      log_total(support, d->bins) - fit_of(d->sizes, d->target, support, (uint64_t)d->bins);
  ck_assert_msg(fabs(mean - d->mean) < 6e-6, "%.8f, not %.6f", mean, d->mean);
}
END_TEST

/* The trained first guess: the histogram of 0, which at its sharpness gives a value near 0. */
START_TEST(the_first_guess_is_no_return) {
  const char *const sizes[] = {REPPO_SIZES " bins=151 vmin=0 vmax=150",
                               REPPO_SIZES " bins=151 vmin=-10 vmax=10"};
  const double first[] = {.662221, .307345, .029861}, around[] = {.495015, .229742, .029861};
  Point p = point_open(spec_open(path, sizes[_i]), "init", SEED);
  point_run(&p, 1);
  const double *zero = after(&p, "zero");
  for (int j = 0; j < 2 + !_i; j++) golden(zero[_i ? 75 + j : j], (_i ? around : first)[j], "zero");
  golden(zero[_i ? 74 : 1], _i ? .229742 : .307345, "zero");
  agree(*after(&p, "log_alpha"), log(0.01), "log_alpha");
  agree(*after(&p, "log_beta"), log(0.01), "log_beta");
  spec_close(&p.spec);
}
END_TEST

/* ---- acting and storing ---- */

START_TEST(densities_are_the_sheets) {
  golden(tanh(.3 + .5 * -.8), -.099668, "action");
  golden(log_squeezed(.3 + .5 * -.8, .3, .5), -.535808, "log p");
}
END_TEST

/* The price of entropy belongs to the next action, is discounted, and stands at ends too. The next
 * action has noise of its own (the code has the action's) and keeps its value at the edge. */
START_TEST(steps_keep_what_the_learner_needs) {
  Point act = point_open(spec_open(path, REPPO_SIZES REPPO_BINS), "explore", SEED);
  Point p = point_open(spec_open(path, REPPO_SIZES REPPO_BINS), "store", SEED);
  const double reward[] = {1, -2, 3, 0.5}, gamma = 0.99;
  set_all(&p, "zero", 0.01);
  *before(&p, "log_alpha") = log(0.3);
  before(&act, "actor.mean.dense1.b")[1] = before(&p, "actor.mean.dense1.b")[1] = 9;
  point_give(&p, "act.reward", reward);
  point_run(&act, 1);
  point_run(&p, 1);
  const double *noise = point_normals(&p, "store.next_action"),
               *own = point_normals(&act, "act.explore");
  for (int n = 0; n < 4; n++) {
    const double *obs = before(&p, "act.next_obs") + n * OBS;
    Normal d = policy_at(&p, p.before, NORM_RMS, "actor", obs);
    double action[ACT], log_p = draw_at(&d, noise + n * ACT, action);
    Judgement j = critic_at(&p, p.before, NORM_RMS, obs, action);
    agree(after(&p, "act.next_value")[n], read_out(j.logits), "next_value");
    agree(after(&p, "act.soft_reward")[n], 0.1 * reward[n] - gamma * 0.3 * log_p, "soft_reward");
    for (int i = 0; i < HIDDEN; i++)
      agree(after(&p, "act.next_feature")[n * HIDDEN + i], j.feature[i], "next_feature");
    ck_assert_double_gt(action[1], 0.999);
    d = policy_at(&act, act.before, NORM_RMS, "actor", before(&act, "act.obs") + n * OBS);
    draw_at(&d, own + n * ACT, action);
    agree(after(&act, "act.action")[n * ACT], fmin(fmax(action[0], -0.999), 0.999), "action");
    agree(after(&act, "act.action")[n * ACT + 1], 0.999, "action at the edge");
    ck_assert_double_ne(own[n * ACT], noise[n * ACT]);
  }
  spec_close(&act.spec);
  spec_close(&p.spec);
}
END_TEST

/* ---- the critic ---- */

/* The losses of one row: of its histogram, and of what it predicts to follow. */
static double fit_at(const Point *p, const Judgement *j, int b) {
  double fit = 0;
  for (int k = 0; k < BINS; k++)
    fit -= histogram(*row(p, "target", 1, b), k) * (j->logits[k] - log_total(j->logits, BINS));
  return fit;
}

START_TEST(critics_loss_is_its_equation) {
  static const char *const paths[] = {"specs/reppo.yaml", "specs/reppo/layer_norm.yaml",
                                      "specs/reppo/no_norm.yaml"};
  Norm norm = (Norm)_i;
  Point p = update_open(paths[_i], REPPO_SIZES REPPO_BINS " aux_weight=0.5");
  double fit = 0, aux = 0;
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    Judgement j = critic_at(&p, p.before, norm, row(&p, "obs", OBS, b), row(&p, "action", ACT, b));
    fit += fit_at(&p, &j, b) / BATCH;
    for (int i = 0; i < HIDDEN && b % 4 != 1; i++)
      aux += pow(j.next[i] - row(&p, "next_feature", HIDDEN, b)[i], 2) / HIDDEN / BATCH;
  }
  agree(point_metric(&p, "critic/fit"), fit, "fit");
  agree(point_metric(&p, "critic/aux"), aux, "aux");
  agree(point_metric(&p, "losses/critic"), fit + 0.5 * aux, "loss");
  spec_close(&p.spec);
}
END_TEST

/* The code's: rows cut by a time limit teach nothing, the reward is predicted with the features,
 * and the mean is over all rows. */
START_TEST(the_code_masks_and_predicts_rewards) {
  Point p = update_open(as_coded, REPPO_SIZES REPPO_BINS);
  double loss = 0;
  for (int b = 0; b < BATCH; b++) *row(&p, "truncated", 1, b) = b % 4 >= 2 ? b % 2 : b % 4 == 1;
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    Judgement j =
        critic_at(&p, p.before, NORM_RMS, row(&p, "obs", OBS, b), row(&p, "action", ACT, b));
    bool terminated = *row(&p, "terminated", 1, b) > 0, truncated = *row(&p, "truncated", 1, b) > 0;
    double aux = pow(j.next[0] - 0.1 * *row(&p, "reward", 1, b), 2) / (HIDDEN + 1);
    for (int i = 0; i < HIDDEN; i++)
      aux += pow(j.next[i + 1] - row(&p, "next_feature", HIDDEN, b)[i], 2) / (HIDDEN + 1);
    if (truncated && !terminated) continue;
    loss += (fit_at(&p, &j, b) + (terminated ? 0 : aux)) / BATCH;
  }
  agree(point_metric(&p, "losses/critic"), loss, "loss");
  spec_close(&p.spec);
}
END_TEST

/* ---- the actor ---- */

/* The critic's step stands before the actor's. Each row has its own switch: in the code's variant
 * without histograms all rows had the batch's share of it. */
START_TEST(actors_loss_is_its_equation) {
  Point p = update_open(path, REPPO_SIZES REPPO_BINS PLAIN_STEPS);
  double loss = 0, kl = 0, entropy = 0;
  int held = 0;
  set_all(&p, "zero", 0.01);
  old_is_moved(&p, mean_bias, 0.4);
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    Row r = actor_row(&p, NORM_RMS, b, false);
    double q = q_at(&p, p.after, row(&p, "obs", OBS, b), r.action);
    ck_assert_double_ne(q, q_at(&p, p.before, row(&p, "obs", OBS, b), r.action));
    held += r.drift >= 0.1;
    loss += (r.drift < 0.1 ? 0.3 * r.log_p - q : 0.7 * r.drift) / BATCH;
    loss += prices(&p, r.log_p, r.drift) / BATCH;
    kl += r.drift / BATCH;
    entropy -= r.log_p / BATCH;
  }
  ck_assert(held > 0 && held < BATCH);
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  agree(point_metric(&p, "actor/kl"), kl, "kl");
  agree(point_metric(&p, "actor/held"), held / (double)BATCH, "held");
  agree(point_metric(&p, "actor/entropy"), entropy, "entropy");
  /* The signs of the code, not those printed: the price of entropy falls where there is more than
   * the target -A/2, that of the KL rises above the bound. */
  agree(*before(&p, "log_alpha") - *after(&p, "log_alpha"), 0.3 * (entropy + 0.5 * ACT), "d alpha");
  agree(*before(&p, "log_beta") - *after(&p, "log_beta"), -0.7 * (kl - 0.1), "d beta");
  spec_close(&p.spec);
}
END_TEST

typedef struct Prices {
  double moved, spread, alpha, beta; /* the signs of their steps */
} Prices;

static const Prices price_steps[] = {
    {0, 0, -1, -1}, {2, 0, -1, 1}, {0, -9, 1, -1}, {0.8, -9, 1, 1}};

/* A first step of Adam is the learning rate long. */
START_TEST(prices_move_as_bounds_are_met) {
  const Prices *s = &price_steps[_i];
  Point p = update_open(path, REPPO_SIZES REPPO_BINS);
  for (size_t i = 0; i < p.spec.graph->slot_count; i++)
    if (!strncmp(p.spec.graph->slots[i].name, "optimizer", 9))
      set_all(&p, p.spec.graph->slots[i].name, 0);
  for (int i = 0; i < ACT; i++) {
    before(&p, "actor.mean.dense1.b")[i] = 0;
    before(&p, "actor.log_std.dense1.b")[i] = s->spread;
  }
  set_all(&p, "actor.mean.dense1.w", 0);
  set_all(&p, "actor.log_std.dense1.w", 0);
  old_is_moved(&p, mean_bias, s->moved);
  point_run(&p, 1);
  double alpha = *after(&p, "log_alpha") - log(0.3), beta = *after(&p, "log_beta") - log(0.7);
  ck_assert_msg(fabs(alpha - s->alpha * 3e-4) < 1e-8, "alpha by %g", alpha);
  ck_assert_msg(fabs(beta - s->beta * 3e-4) < 1e-8, "beta by %g", beta);
  spec_close(&p.spec);
}
END_TEST

/* One limit on the gradient for the actor's tensors and both prices together, another for the
 * critic's: Adam's first moments are a tenth of what is left of them. */
START_TEST(prices_share_the_actors_limit) {
  Point p = update_open(path, REPPO_SIZES REPPO_BINS);
  double square[2] = {0};
  *before(&p, "log_alpha") = log(3);
  for (size_t i = 0; i < p.spec.graph->slot_count; i++)
    if (!strncmp(p.spec.graph->slots[i].name, "optimizer", 9))
      set_all(&p, p.spec.graph->slots[i].name, 0);
  point_run(&p, 1);
  for (size_t i = 0; i < p.spec.graph->slot_count; i++) {
    const char *name = p.spec.graph->slots[i].name, *dot = strrchr(name, '.');
    if (strncmp(name, "optimizer.", 10) != 0 || strcmp(dot, ".first") != 0) continue;
    for (uint64_t e = 0; e < spec_size(&p.spec, (uint32_t)i); e++)
      square[name[10] == 'a'] += pow(10 * p.after[i][e], 2);
  }
  agree(sqrt(square[1]), 0.5, "the actor's and the prices' gradient");
  agree(sqrt(square[0]), 0.5, "the critic's gradient");
  ck_assert_double_ne(*after(&p, "optimizer.actor.log_alpha.first"), 0);
  spec_close(&p.spec);
}
END_TEST

/* ---- the switch ---- */

/* The actor's first layer after a step, with this changed by a bit. */
static void stepped(double moved, const char *name, double by, double *out) {
  Point p = update_open(path, REPPO_SIZES REPPO_BINS PLAIN_STEPS);
  old_is_moved(&p, mean_bias, moved);
  *before(&p, name) += by;
  point_run(&p, 1);
  memcpy(out, after(&p, "actor.dense1.w"), OBS * HIDDEN * sizeof *out);
  spec_close(&p.spec);
}

/* Inside the bound neither price of the KL nor its drift pulls; outside the critic does not. */
START_TEST(a_row_has_one_of_two_gradients) {
  const char *const changed[] = {"log_beta", "log_alpha", "critic.logits.dense1.w"};
  const bool counts[][3] = {{false, true, true}, {true, false, false}};
  for (int outside = 0; outside < 2; outside++) {
    double plain[OBS * HIDDEN], other[OBS * HIDDEN];
    stepped(outside ? 7 : 0, "log_beta", 0, plain);
    for (int i = 0; i < 3; i++) {
      stepped(outside ? 7 : 0, changed[i], 0.3, other);
      bool differs = memcmp(plain, other, sizeof plain) != 0;
      ck_assert_msg(differs == counts[outside][i], "%s %s", changed[i], outside ? "outside" : "in");
    }
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reppo_spec");
  TCase *tests = tcase_create("reppo_spec");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, targets_are_the_sheets, 0, (int)COUNTOF(sheet));
  tcase_add_test(tests, ends_of_both_kinds);
  tcase_add_test(tests, the_collecting_policy_is_copied_once);
  tcase_add_loop_test(tests, shares_of_bins_are_the_sheets, 0, 2);
  tcase_add_loop_test(tests, targets_decode_as_the_sheet_says, 0, (int)COUNTOF(decoded));
  tcase_add_loop_test(tests, the_first_guess_is_no_return, 0, 2);
  tcase_add_test(tests, densities_are_the_sheets);
  tcase_add_test(tests, steps_keep_what_the_learner_needs);
  tcase_add_loop_test(tests, critics_loss_is_its_equation, 0, 3);
  tcase_add_test(tests, the_code_masks_and_predicts_rewards);
  tcase_add_test(tests, actors_loss_is_its_equation);
  tcase_add_loop_test(tests, prices_move_as_bounds_are_met, 0, (int)COUNTOF(price_steps));
  tcase_add_test(tests, prices_share_the_actors_limit);
  tcase_add_test(tests, a_row_has_one_of_two_gradients);
  return suite_run(suite);
}
