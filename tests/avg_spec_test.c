/* AVG on tiny examples, against its equations computed here in plain loops. */
#include "tests/spec_network.h"

#include <math.h>

enum { AVG_HIDDEN = 3, AVG_OBS = 3, AVG_STEPS = 7 };
static const double AVG_GAMMA = 0.99, AVG_ALPHA = 0.3;
static const char *const avg_sizes = "env.id=Pendulum-v1 hidden=3 alpha=0.3 critic_lr=0.01 "
                                     "actor_lr=0.02";

/* Features of length 1 behind two layers of leaky units. */
static void avg_features(const Point *p, const char *network, const double *obs, const double *act,
                         double *phi) {
  char layer[NET_NAME];
  double h[NET_WIDTH], length = 0;
  snprintf(layer, sizeof layer, "%s.dense1", network);
  uint32_t n =
      dense_two(p, p->before, 0, layer, act ? ".obs" : "", obs, act ? ".action" : NULL, act, h);
  for (uint32_t i = 0; i < n; i++) h[i] *= h[i] > 0 ? 1 : 0.01;
  snprintf(layer, sizeof layer, "%s.dense2", network);
  dense_one(p, p->before, 0, layer, h, phi);
  for (uint32_t i = 0; i < n; i++) phi[i] *= phi[i] > 0 ? 1 : 0.01;
  for (uint32_t i = 0; i < n; i++) length += phi[i] * phi[i];
  for (uint32_t i = 0; i < n; i++) phi[i] /= sqrt(length);
}

static double avg_q(const Point *p, const double *obs, double action) {
  double phi[NET_WIDTH], q[NET_WIDTH];
  avg_features(p, "critic", obs, &action, phi);
  dense_one(p, p->before, 0, "critic.dense3", phi, q);
  return q[0];
}

/* The action at this noise and its log-probability: the second output is a log-variance. */
static double avg_policy(const Point *p, const double *obs, double noise, double *log_prob) {
  double phi[NET_WIDTH], mean[NET_WIDTH], ell[NET_WIDTH];
  avg_features(p, "actor", obs, NULL, phi);
  dense_one(p, p->before, 0, "actor.mean.dense1", phi, mean);
  dense_one(p, p->before, 0, "actor.log_var.dense1", phi, ell);
  double variance = exp(fmin(fmax(ell[0], -20), 2)), u = mean[0] + sqrt(variance) * noise;
  *log_prob = -0.5 * (u - mean[0]) * (u - mean[0]) / variance - 0.5 * log(2 * M_PI * variance) -
              2 * (log(2) - u - log1p(exp(-2 * u)));
  return tanh(u);
}

static double avg_actor_loss(const Point *p, const double *obs, double noise) {
  double log_prob, action = avg_policy(p, obs, noise, &log_prob);
  return AVG_ALPHA * log_prob - avg_q(p, obs, action);
}

/* The scale as its definition says: all values kept, variances in two passes. */
typedef struct AvgScale {
  double rewards[AVG_STEPS], discounts[AVG_STEPS], running, squares;
  int count, ends;
} AvgScale;

static double variance_of(const double *values, int count) {
  double mean = 0, variance = 0;
  for (int i = 0; i < count; i++) mean += values[i] / count;
  for (int i = 0; i < count; i++) variance += (values[i] - mean) * (values[i] - mean) / count;
  return variance;
}

static double avg_sigma(AvgScale *s, double soft_reward, bool terminated) {
  s->running += soft_reward;
  s->rewards[s->count] = soft_reward;
  s->discounts[s->count++] = terminated ? 0 : AVG_GAMMA;
  if (terminated) {
    s->squares += s->running * s->running;
    s->ends++;
    s->running = 0;
  }
  double mean_square = s->ends ? s->squares / s->ends : 0;
  double variance =
      variance_of(s->rewards, s->count) + variance_of(s->discounts, s->count) * mean_square;
  variance = fmax(variance, 1e-4);
  return !s->ends && variance <= 0.01 ? 1 : sqrt(variance);
}

typedef struct AvgStep {
  double obs[AVG_OBS], next[AVG_OBS], noise, reward;
  bool terminated, truncated;
} AvgStep;

/* A first reward without a variance, ends for good, a time limit, after which the return goes on.
 */
static AvgStep avg_step(int t) {
  AvgStep step = {.noise = 0.9 * cos(2.1 * t),
                  .reward = t == 0 ? 0.5 : -1 - 2 * sin(1.7 * t),
                  .terminated = t == 2 || t == 5,
                  .truncated = t == 3};
  for (int i = 0; i < AVG_OBS; i++) {
    step.obs[i] = sin(1.3 * t + i);
    step.next[i] = cos(0.7 * t + 2 * i);
  }
  return step;
}

static void avg_give(Point *p, const AvgStep *step, double action) {
  point_give(p, "rollout.obs", step->obs);
  point_give(p, "rollout.next_obs", step->next);
  point_give(p, "rollout.noise", &step->noise);
  point_give(p, "rollout.action", &action);
  point_give(p, "rollout.reward", &step->reward);
  point_give(p, "rollout.terminated", (double[]){step->terminated});
  for (uint32_t s = 0; s < p->spec.graph->slot_count; s++) /* the spec should not look at it */
    if (strcmp(p->spec.graph->slots[s].name, "rollout.truncated") == 0)
      *p->before[s] = step->truncated;
}

/* What Adam without momentum makes of a parameter with this gradient, in its n-th step. */
static double adam_step(double old, double gradient, double *second, int n, double lr) {
  *second = 0.999 * *second + 0.001 * gradient * gradient;
  return old - lr * gradient / (sqrt(*second / (1 - pow(0.999, n))) + 1e-8);
}

/* Errors, scale and both losses over steps with ends of both kinds. */
START_TEST(avg_is_its_equations) {
  Point p = point_open(spec_open("specs/avg.yaml", avg_sizes), "update", 3);
  AvgScale scale = {.count = 0};
  fresh_states(&p);
  for (int t = 0; t < AVG_STEPS; t++) {
    AvgStep step = avg_step(t);
    double log_prob, next_log_prob, action = avg_policy(&p, step.obs, step.noise, &log_prob);
    avg_give(&p, &step, action);
    point_run(&p, (uint64_t)t);
    double next =
        avg_policy(&p, step.next, *point_normals(&p, "losses.critic.next"), &next_log_prob);
    double sigma = avg_sigma(&scale, step.reward - AVG_ALPHA * log_prob, step.terminated);
    double v = avg_q(&p, step.next, next) - AVG_ALPHA * next_log_prob;
    double y = step.reward + AVG_GAMMA * !step.terminated * v;
    double delta = (y - avg_q(&p, step.obs, action)) / sigma;
    same(point_metric(&p, "critic/sigma"), sigma, "sigma");
    same(point_metric(&p, "critic/delta"), delta, "delta");
    same(point_metric(&p, "losses/critic"), delta * delta, "critic");
    same(point_metric(&p, "losses/actor"), avg_actor_loss(&p, step.obs, step.noise), "actor");
    if (t == 0) ck_assert(sigma == 1);
    point_go_on(&p);
  }
  ck_assert(scale.ends == 2 && scale.running != 0);
  spec_close(&p.spec);
}
END_TEST

/* Both steps are taken from gradients at the parameters that acted: the actor's by differences
 * under the old critic, the critic's in closed form for its last layer. */
START_TEST(avg_steps_at_the_old_parameters) {
  Point p = point_open(spec_open("specs/avg.yaml", avg_sizes), "update", 4);
  double second[AVG_HIDDEN] = {0}, second_bias = 0;
  fresh_states(&p);
  for (int t = 0; t < 3; t++) {
    AvgStep step = avg_step(t);
    double log_prob, phi[NET_WIDTH], action = avg_policy(&p, step.obs, step.noise, &log_prob);
    avg_give(&p, &step, action);
    point_run(&p, (uint64_t)t);
    avg_features(&p, "critic", step.obs, &action, phi);
    double push = -2 * point_metric(&p, "critic/delta") / point_metric(&p, "critic/sigma");
    for (int j = 0; j < AVG_HIDDEN; j++)
      same(point_at(&p, p.after, "critic.dense3.w")[j],
           adam_step(point_at(&p, p.before, "critic.dense3.w")[j], push * phi[j], &second[j], t + 1,
                     0.01),
           "critic's last layer");
    double *bias = point_at(&p, p.before, "actor.mean.dense1.b"), old = *bias, h = 1e-5;
    *bias = old + h;
    double above = avg_actor_loss(&p, step.obs, step.noise);
    *bias = old - h;
    double below = avg_actor_loss(&p, step.obs, step.noise);
    *bias = old;
    double exact = adam_step(old, (above - below) / (2 * h), &second_bias, t + 1, 0.02);
    double found = *point_at(&p, p.after, "actor.mean.dense1.b");
    ck_assert_msg(fabs(found - exact) < 1e-8, "actor's bias: %.17g, not %.17g", found, exact);
    point_go_on(&p);
  }
  spec_close(&p.spec);
}
END_TEST

/* The noise that acted is what the update gets, with the observation as it was normalised then;
 * otherwise the action would not be the policy's, nor its log-probability. */
START_TEST(avg_keeps_the_noise_that_acted) {
  Point p = point_open(spec_open("specs/avg.yaml", avg_sizes), "explore", 5);
  point_give(&p, "obs_var", (double[]){0.4, 2, 0.7});
  point_run(&p, 0);
  double noise = *point_normals(&p, "act.explore.a"), obs[AVG_OBS], log_prob;
  for (int i = 0; i < AVG_OBS; i++)
    obs[i] = (point_at(&p, p.before, "act.obs")[i] - point_at(&p, p.before, "obs_mean")[i]) /
             sqrt(point_at(&p, p.before, "obs_var")[i] + 1e-8);
  same(*point_at(&p, p.after, "act.action"), avg_policy(&p, obs, noise, &log_prob), "action");
  same(*point_at(&p, p.after, "drawn"), noise, "noise");
  Interp *store = interp_make(p.spec.arena, p.spec.module, spec_program(&p.spec, "store"), false);
  for (uint32_t s = 0; s < p.spec.graph->slot_count; s++) interp_set(store, s, p.after[s]);
  spec_run(store);
  same(*spec_get(&p.spec, store, "act.noise"), noise, "what is stored");
  spec_close(&p.spec);
}
END_TEST

/* Deviations are from exp(-10) to e; a bound that holds lets no gradient through. */
START_TEST(avg_bounds_the_deviation) {
  Point p = point_open(spec_open("specs/avg.yaml", avg_sizes), "update", 6);
  static const double pushed[] = {9, -60};
  for (int i = 0; i < 2; i++) {
    AvgStep step = avg_step(1);
    double log_prob;
    fresh_states(&p);
    point_give(&p, "actor.log_var.dense1.b", &pushed[i]);
    avg_give(&p, &step, avg_policy(&p, step.obs, step.noise, &log_prob));
    point_run(&p, 0);
    same(point_metric(&p, "losses/actor"), avg_actor_loss(&p, step.obs, step.noise), "actor");
    ck_assert(*point_at(&p, p.after, "actor.log_var.dense1.b") == pushed[i]);
    ck_assert(*point_at(&p, p.after, "actor.mean.dense1.b") !=
              *point_at(&p, p.before, "actor.mean.dense1.b"));
  }
  spec_close(&p.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("AVG");
  TCase *tcase = tcase_create("equations");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, avg_is_its_equations);
  tcase_add_test(tcase, avg_steps_at_the_old_parameters);
  tcase_add_test(tcase, avg_keeps_the_noise_that_acted);
  tcase_add_test(tcase, avg_bounds_the_deviation);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
