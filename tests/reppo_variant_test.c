/* REPPO's ablations and its form for discrete actions on given numbers, against their equations in
 * plain loops; among them two faults of the reference code: rows that meet columns, and a density's
 * weight that is no score function. */
#include "tests/reppo_fixture.h"

#define SIZES REPPO_SIZES REPPO_BINS PLAIN_STEPS

static Point variant_open(const char *path, const char *sizes) {
  Point p = update_open(path, sizes);
  set_all(&p, "zero", 0.01);
  old_is_moved(&p, mean_bias, 0.6);
  return p;
}

/* ---- the bound ---- */

static double with_switch(double improve, double drift) {
  return drift < 0.1 ? improve : 0.7 * drift;
}
static double without_bound(double improve, double drift) { return improve + 0 * drift; }
static double with_penalty(double improve, double drift) { return improve + 0.7 * drift; }

typedef struct Bound {
  const char *path;
  double (*loss)(double improve, double drift);
  Norm norm;
  bool reverse;
} Bound;

static const Bound bounds[] = {
    {"specs/reppo/no_kl.yaml", without_bound, NORM_RMS, false},
    {"specs/reppo/kl_always.yaml", with_penalty, NORM_RMS, false},
    {"specs/reppo/kl_reverse.yaml", with_switch, NORM_RMS, true},
    {"specs/reppo/no_aux.yaml", with_switch, NORM_RMS, false},
    {"specs/reppo/no_norm.yaml", with_switch, NORM_NONE, false},
    {"specs/reppo/layer_norm.yaml", with_switch, NORM_LAYER, false},
};

START_TEST(bounds_are_their_equations) {
  const Bound *v = &bounds[_i];
  Point p = variant_open(v->path, SIZES);
  double loss = 0;
  int held = 0;
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    Row r = actor_row(&p, v->norm, b, v->reverse);
    double logits[NET_WIDTH], feature[NET_WIDTH];
    features_at(&p, p.after, v->norm, row(&p, "obs", OBS, b), r.action, feature);
    head_at(&p, p.after, v->norm, "critic.logits", feature, logits);
    for (int j = 0; j < BINS; j++) logits[j] += 40 * after(&p, "zero")[j];
    loss += v->loss(0.3 * r.log_p - read_out(logits), r.drift) / BATCH;
    loss += prices(&p, r.log_p, r.drift) / BATCH;
    held += r.drift >= 0.1;
  }
  ck_assert(held > 0 && held < BATCH);
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  spec_close(&p.spec);
}
END_TEST

/* Of normals in front of tanh, which maps one to one. */
START_TEST(the_exact_kl_is_the_normals) {
  Point p = variant_open("specs/reppo/kl_exact.yaml",
                         "env.id=Swimmer-v5 env.normalize=null env.count=4 steps=4 minibatches=2 "
                         "epochs=2 hidden=3" REPPO_BINS PLAIN_STEPS);
  double kl = 0;
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    const double *obs = row(&p, "obs", OBS, b);
    Normal now = policy_at(&p, p.before, NORM_RMS, "actor", obs),
           old = policy_at(&p, p.before, NORM_RMS, "old.actor", obs);
    for (int i = 0; i < ACT; i++)
      kl += (log(now.std[i] / old.std[i]) +
             (pow(old.std[i], 2) + pow(old.mean[i] - now.mean[i], 2)) / (2 * pow(now.std[i], 2)) -
             0.5) /
            BATCH;
  }
  agree(point_metric(&p, "actor/kl"), kl, "kl");
  spec_close(&p.spec);
}
END_TEST

/* ---- a critic of one number ---- */

static double value_of(const Point *p, double **slots, int b, const double *action) {
  double feature[NET_WIDTH], out[NET_WIDTH];
  features_at(p, slots, NORM_RMS, row(p, "obs", OBS, b), action, feature);
  head_at(p, slots, NORM_RMS, "critic.value", feature, out);
  return out[0];
}

/* In the code errors stood in a column and masks in a row, so that each met all the others; and an
 * actor's row had the batch's share of rows inside the bound for its switch. */
START_TEST(rows_keep_to_themselves) {
  Point p = update_open("specs/reppo/mse_critic.yaml", REPPO_SIZES PLAIN_STEPS);
  double fit = 0, loss = 0;
  int held = 0;
  old_is_moved(&p, mean_bias, 0.6);
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    Row r = actor_row(&p, NORM_RMS, b, false);
    double v = value_of(&p, p.before, b, row(&p, "action", ACT, b));
    double q = value_of(&p, p.after, b, r.action);
    fit += pow(v - *row(&p, "target", 1, b), 2) / BATCH; /* without a half */
    loss += (with_switch(0.3 * r.log_p - q, r.drift) + prices(&p, r.log_p, r.drift)) / BATCH;
    held += r.drift >= 0.1;
  }
  ck_assert(held > 0 && held < BATCH);
  agree(point_metric(&p, "critic/fit"), fit, "fit");
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  spec_close(&p.spec);
}
END_TEST

/* ---- score functions ---- */

enum { TRIES = 4 };

/* The gradient at the means' bias: the score (u - mean) / std^2 by what a draw has over the other
 * draws of its state, and the price of entropy through the draw. In the code the draw moved under
 * its density, which left 2 tanh(u) of the score. */
START_TEST(weights_of_densities_are_scores) {
  Point p = update_open("specs/reppo/score_q.yaml", SIZES);
  double gradient[ACT] = {0}, loss = 0, q[TRIES], action[TRIES][ACT], log_p[TRIES];
  set_all(&p, "zero", 0.01);
  old_is_moved(&p, mean_bias, 0);
  point_run(&p, 1);
  const double *noise = point_normals(&p, "losses.actor.a");
  for (int b = 0; b < BATCH; b++) {
    double sum = 0, entropy = 0;
    Normal d = policy_at(&p, p.before, NORM_RMS, "actor", row(&p, "obs", OBS, b));
    for (int k = 0; k < TRIES; k++) {
      log_p[k] = draw_at(&d, noise + (b * TRIES + k) * ACT, action[k]);
      sum += q[k] = q_at(&p, p.after, row(&p, "obs", OBS, b), action[k]);
      entropy -= log_p[k] / TRIES;
    }
    for (int k = 0; k < TRIES; k++) {
      double advantage = q[k] - (sum - q[k]) / (TRIES - 1);
      ck_assert_double_gt(fabs(advantage), 1e-3);
      loss += (0.3 * log_p[k] - log_of(&d, action[k]) * advantage) / TRIES / BATCH;
      for (int i = 0; i < ACT; i++) {
        double u = atanh(action[k][i]), score = (u - d.mean[i]) / (d.std[i] * d.std[i]);
        gradient[i] += (0.3 * 2 * tanh(u) - score * advantage) / TRIES / BATCH;
      }
    }
    loss += prices(&p, -entropy, 0) / BATCH;
  }
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  for (int i = 0; i < ACT; i++)
    agree(before(&p, mean_bias)[i] - after(&p, mean_bias)[i], gradient[i], "gradient");
  spec_close(&p.spec);
}
END_TEST

enum { STEPS = 4 };

/* Soft rewards, and values behind time limits; the code's rows there had an advantage of their own.
 */
START_TEST(advantages_are_of_soft_rewards) {
  const double soft[STEPS] = {1, .5, -.2, .3}, v[STEPS] = {2, 1.5, 1, .7},
               next[STEPS] = {1.5, 4, .7, -1}, terminated[STEPS] = {0, 0, 1, 0},
               truncated[STEPS] = {0, 1, 0, 0};
  Point p = point_open(spec_open("specs/reppo/score_gae.yaml",
                                 "env.id=Swimmer-v5 env.count=1 steps=4 minibatches=2 hidden=3"),
                       "update", SEED);
  point_give(&p, "rollout.soft_reward", soft);
  point_give(&p, "rollout.state_value", v);
  point_give(&p, "rollout.next_state_value", next);
  point_give(&p, "rollout.terminated", terminated);
  point_give(&p, "rollout.truncated", truncated);
  point_run(&p, 1);
  const double *a = after(&p, "rollout.advantage");
  agree(a[3], .3 + .99 * -1 - .7, "last");
  agree(a[2], -.2 - 1, "at its end");
  agree(a[1], .5 + .99 * 4 - 1.5, "at a time limit");
  agree(a[0], 1 + .99 * 1.5 - 2 + .99 * .95 * a[1], "before it");
  spec_close(&p.spec);
}
END_TEST

START_TEST(clipped_ratios_stand_in_the_switch) {
  Point p = variant_open("specs/reppo/score_gae.yaml", SIZES);
  double mean = 0, square = 0, loss = 0;
  int clipped = 0;
  for (int b = 0; b < BATCH; b++) *row(&p, "advantage", 1, b) = 2 * sin(b);
  for (int b = 0; b < BATCH; b++) mean += *row(&p, "advantage", 1, b) / BATCH;
  for (int b = 0; b < BATCH; b++) square += pow(*row(&p, "advantage", 1, b) - mean, 2) / BATCH;
  point_run(&p, 1);
  const double *noise = point_normals(&p, "losses.actor.y");
  for (int b = 0; b < BATCH; b++) {
    Row r = actor_row(&p, NORM_RMS, b, false);
    const double *action = row(&p, "action", ACT, b);
    double gain = (*row(&p, "advantage", 1, b) - mean) / (sqrt(square) + 1e-8);
    double ratio = exp(log_of(&r.now, action) - log_of(&r.old, action)), price = 0, y[ACT];
    for (int k = 0; k < DRAWS; k++)
      price += 0.3 * draw_at(&r.now, noise + (b * DRAWS + k) * ACT, y) / DRAWS;
    clipped += ratio > 1.2 || ratio < 0.8;
    double least = fmin(ratio * gain, fmin(fmax(ratio, 0.8), 1.2) * gain);
    loss += (with_switch(price - least, r.drift) + prices(&p, r.log_p, r.drift)) / BATCH;
  }
  ck_assert_int_gt(clipped, 0);
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  spec_close(&p.spec);
}
END_TEST

/* ---- discrete actions: CartPole's 4 observations and 2 choices ---- */

enum { CHOICES = 2, CART = 4 };
static const char *const discrete = "specs/reppo_discrete.yaml";
static const char *const discrete_sizes =
    "env.normalize=null env.reward_scale=0.1 env.count=4 steps=4 minibatches=2 epochs=2 hidden=3 "
    "gamma=0.98 kl_bound=0.1" REPPO_BINS PLAIN_STEPS;

static void choices_at(const Point *p, const char *actor, const double *obs, double *log_p) {
  Arena *arena = p->spec.arena;
  double h[NET_WIDTH], h2[NET_WIDTH], z[NET_WIDTH];
  block(p, p->before, NORM_RMS, actor, 1, obs, NULL, h);
  block(p, p->before, NORM_RMS, actor, 2, h, NULL, h2);
  dense_one(p, p->before, 0, arena_printf(arena, "%s.dense3", actor), h2, z);
  for (int c = 0; c < CHOICES; c++) log_p[c] = z[c] - log_total(z, CHOICES);
}

/* A histogram for each choice, with the same first guess. */
static void histograms_at(const Point *p, double **slots, const double *obs, double *feature,
                          double (*logits)[BINS]) {
  double flat[NET_WIDTH];
  features_at(p, slots, NORM_RMS, obs, NULL, feature);
  head_at(p, slots, NORM_RMS, "critic.logits", feature, flat);
  for (int c = 0; c < CHOICES; c++)
    for (int j = 0; j < BINS; j++)
      logits[c][j] = flat[c * BINS + j] + 40 * point_at(p, slots, "zero")[j];
}

static Point discrete_open(double moved) {
  Point p = update_open(discrete, discrete_sizes);
  set_all(&p, "zero", 0.01);
  old_is_moved(&p, "actor.dense3.b", moved);
  for (int b = 0; b < BATCH; b++) *row(&p, "action", 1, b) = b % 3 == 0;
  return p;
}

START_TEST(only_the_action_taken_is_fitted) {
  Point p = discrete_open(0);
  double fit = 0, logits[CHOICES][BINS], feature[NET_WIDTH];
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    histograms_at(&p, p.before, row(&p, "obs", CART, b), feature, logits);
    const double *z = logits[b % 3 == 0];
    for (int j = 0; j < BINS; j++)
      fit -= histogram(*row(&p, "target", 1, b), j) * (z[j] - log_total(z, BINS)) / BATCH;
  }
  agree(point_metric(&p, "critic/fit"), fit, "fit");
  spec_close(&p.spec);
}
END_TEST

/* Entropy is a gain and the KL weighs by the collecting policy; as printed, neither. Half of the
 * largest entropy is the target, not -0.5, which any entropy exceeds. */
START_TEST(choices_have_exact_expectations) {
  Point p = discrete_open(0.95);
  double loss = 0, kl = 0, entropy = 0, logits[CHOICES][BINS], feature[NET_WIDTH];
  int held = 0;
  point_run(&p, 1);
  for (int b = 0; b < BATCH; b++) {
    const double *obs = row(&p, "obs", CART, b);
    double now[CHOICES], old[CHOICES], drift = 0, improve = 0, h = 0;
    choices_at(&p, "actor", obs, now);
    choices_at(&p, "old.actor", obs, old);
    histograms_at(&p, p.after, obs, feature, logits);
    for (int c = 0; c < CHOICES; c++) {
      improve += exp(now[c]) * (0.3 * now[c] - read_out(logits[c]));
      drift += exp(old[c]) * (old[c] - now[c]);
      h -= exp(now[c]) * now[c];
    }
    held += drift >= 0.1;
    loss += (with_switch(improve, drift) + 0.3 * (h - 0.5 * log(2)) - 0.7 * (drift - 0.1)) / BATCH;
    kl += drift / BATCH;
    entropy += h / BATCH;
  }
  ck_assert(held > 0 && held < BATCH);
  agree(point_metric(&p, "losses/actor"), loss, "loss");
  agree(point_metric(&p, "actor/kl"), kl, "kl");
  agree(point_metric(&p, "actor/entropy"), entropy, "entropy");
  agree(*before(&p, "log_alpha") - *after(&p, "log_alpha"), 0.3 * (entropy - 0.5 * log(2)),
        "d alpha");
  agree(*before(&p, "log_beta") - *after(&p, "log_beta"), -0.7 * (kl - 0.1), "d beta");
  spec_close(&p.spec);
}
END_TEST

/* A sharp policy has too little entropy: its price rises. */
START_TEST(the_price_of_entropy_can_rise) {
  Point p = discrete_open(0);
  before(&p, "actor.dense3.b")[0] += 30;
  point_run(&p, 1);
  ck_assert_double_gt(*after(&p, "log_alpha"), *before(&p, "log_alpha"));
  spec_close(&p.spec);
}
END_TEST

/* The value and the entropy are of one draw, which nobody keeps: found again by its value. */
START_TEST(choices_keep_what_the_learner_needs) {
  Point p = point_open(spec_open(discrete, discrete_sizes), "store", SEED);
  double logits[CHOICES][BINS], feature[NET_WIDTH], log_p[CHOICES];
  const double reward[] = {1, -2, 3, 0.5};
  bool both[CHOICES] = {false};
  set_all(&p, "zero", 0.01);
  *before(&p, "log_alpha") = log(0.3);
  point_give(&p, "act.reward", reward);
  for (uint64_t step = 1; step <= 4; step++) {
    point_run(&p, step);
    for (int n = 0; n < 4; n++) {
      const double *obs = before(&p, "act.next_obs") + n * CART;
      double value = after(&p, "act.next_value")[n];
      choices_at(&p, "actor", obs, log_p);
      histograms_at(&p, p.before, obs, feature, logits);
      int choice = fabs(read_out(logits[1]) - value) < fabs(read_out(logits[0]) - value);
      both[choice] = true;
      agree(value, read_out(logits[choice]), "next_value");
      agree(after(&p, "act.soft_reward")[n], 0.1 * reward[n] - 0.98 * 0.3 * log_p[choice],
            "soft_reward");
      agree(after(&p, "act.next_feature")[n * HIDDEN], feature[0], "next_feature");
    }
  }
  ck_assert(both[0] && both[1]);
  spec_close(&p.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("reppo_variant");
  TCase *tests = tcase_create("reppo_variant");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, bounds_are_their_equations, 0, (int)COUNTOF(bounds));
  tcase_add_test(tests, the_exact_kl_is_the_normals);
  tcase_add_test(tests, rows_keep_to_themselves);
  tcase_add_test(tests, weights_of_densities_are_scores);
  tcase_add_test(tests, advantages_are_of_soft_rewards);
  tcase_add_test(tests, clipped_ratios_stand_in_the_switch);
  tcase_add_test(tests, only_the_action_taken_is_fitted);
  tcase_add_test(tests, choices_have_exact_expectations);
  tcase_add_test(tests, the_price_of_entropy_can_rise);
  tcase_add_test(tests, choices_keep_what_the_learner_needs);
  return suite_run(suite);
}
