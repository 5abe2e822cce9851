/* Algorithms of one step and of steps ahead on tiny examples, against their equations computed here
 * in plain loops: AVG, MPO and D4PG. MR.Q has a test of its own. */
#include "tests/spec_network.h"

#include <math.h>

static void same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-9), "%s: %.17g, not %.17g", what, found, exact);
}

/* ---- AVG ---- */

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
}

/* What Adam without momentum makes of a parameter with this gradient, in its n-th step. */
static double adam_step(double old, double gradient, double *second, int n, double lr) {
  *second = 0.999 * *second + 0.001 * gradient * gradient;
  return old - lr * gradient / (sqrt(*second / (1 - pow(0.999, n))) + 1e-8);
}

static void fresh_states(Point *p) {
  for (uint32_t s = 0; s < p->spec.graph->slot_count; s++)
    if (p->spec.graph->slots[s].kind == RLC_OPTIMIZER || p->spec.graph->slots[s].kind == RLC_STATE)
      memset(p->before[s], 0, spec_size(&p->spec, s) * sizeof(double));
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

/* ---- MPO ---- */

enum { MPO_BATCH = 4, MPO_TRIES = 5, MPO_OBS = 3 };
static const char *const mpo_sizes = "env.id=Pendulum-v1 hidden=3 batch_size=4 tries=5 epsilon=0.2 "
                                     "lr=0.01 mean_bound=0.05 std_bound=0.02";

static double softplus_of(double x) { return log1p(exp(x)); }

static void norm_tanh_elu(const Point *p, double **slots, const char *network, const double *obs,
                          const double *act, double *out) {
  char layer[NET_NAME];
  double h[NET_WIDTH];
  snprintf(layer, sizeof layer, "%s.dense1", network);
  uint32_t n =
      dense_two(p, slots, 0, layer, act ? ".obs" : "", obs, act ? ".action" : NULL, act, h);
  layer_norm_of(h, n);
  char scale[NET_NAME], shift[NET_NAME];
  snprintf(scale, sizeof scale, "%s.layer_norm1.scale", network);
  snprintf(shift, sizeof shift, "%s.layer_norm1.shift", network);
  for (uint32_t i = 0; i < n; i++)
    h[i] = tanh(h[i] * point_at(p, slots, scale)[i] + point_at(p, slots, shift)[i]);
  snprintf(layer, sizeof layer, "%s.dense2", network);
  n = dense_one(p, slots, 0, layer, h, out);
  elu_all(out, n);
}

static void mpo_policy(const Point *p, double **slots, const char *prefix, const double *obs,
                       double *mean, double *std) {
  char name[NET_NAME];
  double h[NET_WIDTH], out[NET_WIDTH];
  snprintf(name, sizeof name, "%sactor", prefix);
  norm_tanh_elu(p, slots, name, obs, NULL, h);
  snprintf(name, sizeof name, "%sactor.mean.dense1", prefix);
  dense_one(p, slots, 0, name, h, out);
  *mean = tanh(out[0]);
  snprintf(name, sizeof name, "%sactor.std.dense1", prefix);
  dense_one(p, slots, 0, name, h, out);
  *std = 0.5 * softplus_of(out[0]) / log(2) + 1e-4;
}

static double mpo_q(const Point *p, double **slots, const char *prefix, const double *obs,
                    double action) {
  char name[NET_NAME];
  double h[NET_WIDTH], q[NET_WIDTH], clipped = fmin(fmax(action, -1), 1);
  snprintf(name, sizeof name, "%scritic", prefix);
  norm_tanh_elu(p, slots, name, obs, &clipped, h);
  snprintf(name, sizeof name, "%scritic.dense3", prefix);
  dense_one(p, slots, 0, name, h, q);
  return q[0];
}

static double log_normal(double x, double m, double s) {
  return -0.5 * (x - m) * (x - m) / (s * s) - log(s * sqrt(2 * M_PI));
}

/* Of one batch: actions of the old policy and what the copied critic says of them. */
typedef struct Tries {
  double a[MPO_BATCH][MPO_TRIES], q[MPO_BATCH][MPO_TRIES];
} Tries;

static Tries mpo_tries(const Point *p, const double *noise) {
  Tries t;
  for (int b = 0; b < MPO_BATCH; b++) {
    const double *obs = point_at(p, p->before, "replay.obs") + b * MPO_OBS;
    double mean, std;
    mpo_policy(p, p->before, "slow.", obs, &mean, &std);
    for (int k = 0; k < MPO_TRIES; k++) {
      t.a[b][k] = mean + std * noise[b * MPO_TRIES + k];
      t.q[b][k] = mpo_q(p, p->before, "slow.", obs, t.a[b][k]);
    }
  }
  return t;
}

static double mpo_dual(const Tries *t, double temperature, double epsilon) {
  double dual = temperature * epsilon;
  for (int b = 0; b < MPO_BATCH; b++) {
    double mean = 0;
    for (int k = 0; k < MPO_TRIES; k++) mean += exp(t->q[b][k] / temperature) / MPO_TRIES;
    dual += temperature * log(mean) / MPO_BATCH;
  }
  return dual;
}

static double mpo_weight(const Tries *t, int b, int k, double temperature) {
  double total = 0;
  for (int j = 0; j < MPO_TRIES; j++) total += exp(t->q[b][j] / temperature);
  return exp(t->q[b][k] / temperature) / total;
}

/* The derivative of the dual by the temperature: epsilon less the divergence of the weighted
 * actions from even ones. */
static double mpo_dual_slope(const Tries *t, double temperature, double epsilon) {
  double slope = epsilon;
  for (int b = 0; b < MPO_BATCH; b++)
    for (int k = 0; k < MPO_TRIES; k++) {
      double w = mpo_weight(t, b, k, temperature);
      slope -= w * log(w * MPO_TRIES) / MPO_BATCH;
    }
  return slope;
}

/* Adam's first moment after one step from nothing tells the gradient. */
static double gradient_of(const Point *p, const char *loss, const char *parameter) {
  const char *name = arena_printf(p->spec.arena, "optimizer.%s.%s.first", loss, parameter);
  return *point_at(p, p->after, name) / 0.1;
}

static Point mpo_open(void) {
  Point p = point_open(spec_open("specs/mpo.yaml", mpo_sizes), "update", 5);
  fresh_states(&p);
  point_give(&p, "raw_temperature", (double[]){-0.7});
  point_give(&p, "raw_mean_price", (double[]){0.3});
  point_give(&p, "raw_std_price", (double[]){1.4});
  return p;
}

/* The E-step's dual, its slope, and the M-step's fit and bounds, apart for mean and deviation. */
START_TEST(mpo_is_its_equations) {
  Point p = mpo_open();
  point_run(&p, 0);
  Tries t = mpo_tries(&p, point_normals(&p, "losses.temperature.a"));
  double temperature = softplus_of(-0.7) + 1e-8, fit = 0, mean_kl = 0, std_kl = 0;
  same(point_metric(&p, "losses/temperature"), mpo_dual(&t, temperature, 0.2), "dual");
  double slope = 1 / (1 + exp(0.7)); /* of softplus */
  same(gradient_of(&p, "temperature", "raw_temperature"),
       slope * mpo_dual_slope(&t, temperature, 0.2), "slope of the dual");
  for (int b = 0; b < MPO_BATCH; b++) {
    const double *obs = point_at(&p, p.before, "replay.obs") + b * MPO_OBS;
    double m, s, old_m, old_s;
    mpo_policy(&p, p.before, "", obs, &m, &s);
    mpo_policy(&p, p.before, "slow.", obs, &old_m, &old_s);
    for (int k = 0; k < MPO_TRIES; k++)
      fit += mpo_weight(&t, b, k, temperature) / MPO_BATCH *
             (log_normal(t.a[b][k], m, old_s) + log_normal(t.a[b][k], old_m, s));
    mean_kl += 0.5 * (m - old_m) * (m - old_m) / (old_s * old_s) / MPO_BATCH;
    std_kl += 0.5 * (old_s * old_s / (s * s) - 1 + 2 * log(s / old_s)) / MPO_BATCH;
  }
  double mean_price = softplus_of(0.3), std_price = softplus_of(1.4);
  same(point_metric(&p, "policy/mean_kl"), mean_kl, "divergence of the mean");
  same(point_metric(&p, "policy/std_kl"), std_kl, "divergence of the deviation");
  same(point_metric(&p, "losses/policy"), -fit + mean_price * mean_kl + std_price * std_kl, "fit");
  same(gradient_of(&p, "prices", "raw_mean_price"), (0.05 - mean_kl) / (1 + exp(-0.3)),
       "price of the mean");
  same(gradient_of(&p, "prices", "raw_std_price"), (0.02 - std_kl) / (1 + exp(-1.4)),
       "price of the deviation");
  ck_assert(mean_kl > 1e-6 && std_kl > 1e-9);
  spec_close(&p.spec);
}
END_TEST

/* The target is the mean over actions of the copied policy at the next observation. */
START_TEST(mpo_evaluates_the_copied_policy) {
  Point p = mpo_open();
  point_run(&p, 0);
  const double *noise = point_normals(&p, "losses.critic.next");
  double loss = 0;
  for (int b = 0; b < MPO_BATCH; b++) {
    const double *next = point_at(&p, p.before, "replay.next_obs") + b * MPO_OBS;
    double mean, std, v = 0;
    mpo_policy(&p, p.before, "slow.", next, &mean, &std);
    for (int k = 0; k < MPO_TRIES; k++)
      v += mpo_q(&p, p.before, "slow.", next, mean + std * noise[b * MPO_TRIES + k]) / MPO_TRIES;
    double y = point_at(&p, p.before, "replay.reward")[b] +
               0.99 * (1 - point_at(&p, p.before, "replay.terminated")[b]) * v;
    double q = mpo_q(&p, p.before, "", point_at(&p, p.before, "replay.obs") + b * MPO_OBS,
                     point_at(&p, p.before, "replay.action")[b]);
    loss += (q - y) * (q - y) / MPO_BATCH;
  }
  same(point_metric(&p, "losses/critic"), loss, "critic");
  spec_close(&p.spec);
}
END_TEST

/* ---- D4PG ---- */

enum { D_BATCH = 6, D_AHEAD = 5, D_ATOMS = 11, D_OBS = 3 };
static const double D_LOW = -6, D_HIGH = 4, D_GAMMA = 0.9;
static const char *const d4pg_sizes = "env.id=Pendulum-v1 hidden=3 batch_size=6 atoms=11 lowest=-6 "
                                      "highest=4 gamma=0.9";

static void elu_layers(const Point *p, const char *network, const double *obs, const double *act,
                       double *out) {
  char layer[NET_NAME];
  double h[NET_WIDTH], g[NET_WIDTH];
  snprintf(layer, sizeof layer, "%s.dense1", network);
  elu_all(
      h, dense_two(p, p->before, 0, layer, act ? ".obs" : "", obs, act ? ".action" : NULL, act, h));
  snprintf(layer, sizeof layer, "%s.dense2", network);
  elu_all(g, dense_one(p, p->before, 0, layer, h, g));
  snprintf(layer, sizeof layer, "%s.dense3", network);
  dense_one(p, p->before, 0, layer, g, out);
}

static void probabilities(const Point *p, const char *network, const double *obs, double action,
                          double *out) {
  double total = 0;
  elu_layers(p, network, obs, &action, out);
  for (int i = 0; i < D_ATOMS; i++) total += out[i] = exp(out[i]);
  for (int i = 0; i < D_ATOMS; i++) out[i] /= total;
}

/* Rows of windows that go on, end for good at each place, and are cut. */
static void d4pg_windows(Point *p) {
  double valid[D_BATCH * D_AHEAD], ended[D_BATCH * D_AHEAD] = {0}, reward[D_BATCH * D_AHEAD];
  static const int last[D_BATCH] = {4, 0, 1, 2, 2, 4};
  static const bool ends[D_BATCH] = {false, true, true, true, false, true};
  for (int b = 0; b < D_BATCH; b++)
    for (int k = 0; k < D_AHEAD; k++) {
      int i = b * D_AHEAD + k;
      valid[i] = k <= last[b];
      ended[i] = (k == last[b] && ends[b]) || k > last[b]; /* behind the end stands another story */
      reward[i] = k > last[b] ? 100 : 2 * sin(3.1 * i) - (b == 5 ? 2 : 0);
    }
  point_give(p, "replay.valid", valid);
  point_give(p, "replay.terminated", ended);
  point_give(p, "replay.reward", reward);
}

/* C51's projection as it is usually coded: each atom's mass to the two atoms around its place. */
static void d4pg_target(const Point *p, int b, double *target) {
  const double *valid = point_at(p, p->before, "replay.valid") + b * D_AHEAD;
  const double *reward = point_at(p, p->before, "replay.reward") + b * D_AHEAD;
  double total = 0, discount = 1, later[NET_WIDTH], action[NET_WIDTH];
  int last = 0;
  for (int k = 0; k < D_AHEAD && valid[k] != 0; k++) {
    total += discount * reward[k];
    discount *= D_GAMMA;
    last = b * D_AHEAD + k;
  }
  if (point_at(p, p->before, "replay.terminated")[last] != 0) discount = 0;
  const double *next = point_at(p, p->before, "replay.next_obs") + last * D_OBS;
  elu_layers(p, "slow.actor", next, NULL, action);
  probabilities(p, "slow.critic", next, tanh(action[0]), later);
  for (int i = 0; i < D_ATOMS; i++) target[i] = 0;
  for (int i = 0; i < D_ATOMS; i++) {
    double place = fmin(fmax(total + discount * (D_LOW + i), D_LOW), D_HIGH) - D_LOW; /* width 1 */
    int low = (int)floor(place), high = low + (low < D_ATOMS - 1);
    target[low] += later[i] * (1 - (place - low));
    target[high] += later[i] * (place - low);
  }
}

START_TEST(d4pg_is_its_equations) {
  Point p = point_open(spec_open("specs/d4pg.yaml", d4pg_sizes), "update", 6);
  d4pg_windows(&p);
  point_run(&p, 0);
  double loss = 0, value = 0, objective = 0;
  for (int b = 0; b < D_BATCH; b++) {
    const double *obs = point_at(&p, p.before, "replay.obs") + b * D_AHEAD * D_OBS;
    double target[D_ATOMS], predicted[NET_WIDTH], chosen[NET_WIDTH], mass = 0;
    d4pg_target(&p, b, target);
    probabilities(&p, "critic", obs, point_at(&p, p.before, "replay.action")[b * D_AHEAD],
                  predicted);
    for (int i = 0; i < D_ATOMS; i++) {
      mass += target[i];
      loss -= target[i] * log(predicted[i]) / D_BATCH;
      value += predicted[i] * (D_LOW + i) / D_BATCH;
    }
    same(mass, 1, "mass");
    elu_layers(&p, "actor", obs, NULL, chosen);
    probabilities(&p, "critic", obs, tanh(chosen[0]), predicted);
    for (int i = 0; i < D_ATOMS; i++) objective += predicted[i] * (D_LOW + i) / D_BATCH;
  }
  same(point_metric(&p, "losses/critic"), loss, "critic");
  same(point_metric(&p, "critic/value"), value, "value");
  same(fabs(point_metric(&p, "losses/actor")), fabs(objective), "actor");
  spec_close(&p.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("AVG, MPO, D4PG");
  TCase *tcase = tcase_create("equations");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, avg_is_its_equations);
  tcase_add_test(tcase, avg_steps_at_the_old_parameters);
  tcase_add_test(tcase, mpo_is_its_equations);
  tcase_add_test(tcase, mpo_evaluates_the_copied_policy);
  tcase_add_test(tcase, d4pg_is_its_equations);
  suite_add_tcase(suite, tcase);
  return fixture_run(suite);
}
