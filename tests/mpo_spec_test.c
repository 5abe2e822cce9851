/* MPO and D4PG on tiny examples, against their equations computed here in plain loops. */
#include "tests/spec_network.h"

#include <math.h>

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

/* Windows that go on, end for good at each place, and are cut. */
static const int d4pg_last[D_BATCH] = {4, 0, 1, 2, 2, 4};
static const bool d4pg_ends[D_BATCH] = {false, true, true, true, false, true};

/* C51's projection as it is usually coded: each atom's mass to the two atoms around its place.
 * `clipped` counts what lies below and above the support. */
static void d4pg_target(const Point *p, int b, double *target, int clipped[2]) {
  const double *reward = point_at(p, p->before, "replay.reward") + b * D_AHEAD;
  double total = 0, discount = 1, later[NET_WIDTH], action[NET_WIDTH];
  for (int k = 0; k <= d4pg_last[b]; k++) {
    total += discount * reward[k];
    discount *= D_GAMMA;
  }
  if (d4pg_ends[b]) discount = 0;
  const double *next =
      point_at(p, p->before, "replay.next_obs") + (b * D_AHEAD + d4pg_last[b]) * D_OBS;
  elu_layers(p, "slow.actor", next, NULL, action);
  probabilities(p, "slow.critic", next, tanh(action[0]), later);
  for (int i = 0; i < D_ATOMS; i++) target[i] = 0;
  for (int i = 0; i < D_ATOMS; i++) {
    double value = total + discount * (D_LOW + i);
    clipped[0] += value < D_LOW;
    clipped[1] += value > D_HIGH;
    double place = fmin(fmax(value, D_LOW), D_HIGH) - D_LOW; /* atoms are 1 apart */
    int low = (int)floor(place), high = low + (low < D_ATOMS - 1);
    target[low] += later[i] * (1 - (place - low));
    target[high] += later[i] * (place - low);
  }
}

static double expected_value(const double *probability) {
  double value = 0;
  for (int i = 0; i < D_ATOMS; i++) value += probability[i] * (D_LOW + i);
  return value;
}

static Point d4pg_open(const char *path) {
  Point p = point_open(spec_open(path, d4pg_sizes), "update", 6);
  point_windows(&p, D_BATCH, D_AHEAD, d4pg_last, d4pg_ends);
  double *reward = point_at(&p, p.before, "replay.reward");
  for (int k = 0; k < D_AHEAD; k++) { /* beyond the support on either side */
    reward[k] = 2;
    reward[5 * D_AHEAD + k] = -2;
  }
  return p;
}

static const double *d4pg_first(const Point *p, int b) {
  return point_at(p, p->before, "replay.obs") + b * D_AHEAD * D_OBS;
}

/* What the critic says of a row's action, and its cross-entropy with the target. */
static double d4pg_fit(const Point *p, int b, double *predicted, int clipped[2]) {
  double target[D_ATOMS], mass = 0, fit = 0;
  d4pg_target(p, b, target, clipped);
  probabilities(p, "critic", d4pg_first(p, b), point_at(p, p->before, "replay.action")[b * D_AHEAD],
                predicted);
  for (int i = 0; i < D_ATOMS; i++) {
    mass += target[i];
    fit -= target[i] * log(predicted[i]);
  }
  same(mass, 1, "mass");
  return fit;
}

START_TEST(d4pg_is_its_equations) {
  Point p = d4pg_open("specs/d4pg.yaml");
  point_run(&p, 0);
  double loss = 0, value = 0, objective = 0;
  int clipped[2] = {0};
  for (int b = 0; b < D_BATCH; b++) {
    double predicted[NET_WIDTH], chosen[NET_WIDTH];
    loss += d4pg_fit(&p, b, predicted, clipped) / D_BATCH;
    value += expected_value(predicted) / D_BATCH;
    elu_layers(&p, "actor", d4pg_first(&p, b), NULL, chosen);
    probabilities(&p, "critic", d4pg_first(&p, b), tanh(chosen[0]), predicted);
    objective += expected_value(predicted) / D_BATCH;
  }
  ck_assert(clipped[0] > 0 && clipped[1] > 0);
  same(point_metric(&p, "losses/critic"), loss, "critic");
  same(point_metric(&p, "critic/value"), value, "value");
  same(point_metric(&p, "losses/actor"), objective, "actor");
  spec_close(&p.spec);
}
END_TEST

/* Rows count by their weights, and are drawn by how badly they fit from then on. */
START_TEST(d4pg_weighs_what_priorities_drew) {
  Point p = d4pg_open("specs/d4pg_priority.yaml");
  static const double weight[D_BATCH] = {1, 0.3, 0.75, 0.1, 0.9, 0.5};
  point_give(&p, "replay.weight", weight);
  point_run(&p, 0);
  double loss = 0, predicted[NET_WIDTH];
  int clipped[2];
  for (int b = 0; b < D_BATCH; b++) {
    double fit = d4pg_fit(&p, b, predicted, clipped);
    loss += weight[b] * fit / D_BATCH;
    same(point_at(&p, p.after, "write.critic.priority")[b], fit + 1e-6, "priority");
  }
  same(point_metric(&p, "losses/critic"), loss, "critic");
  spec_close(&p.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("MPO, D4PG");
  TCase *tcase = tcase_create("equations");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, mpo_is_its_equations);
  tcase_add_test(tcase, mpo_evaluates_the_copied_policy);
  tcase_add_test(tcase, d4pg_is_its_equations);
  tcase_add_test(tcase, d4pg_weighs_what_priorities_drew);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
