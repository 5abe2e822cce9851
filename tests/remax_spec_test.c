/* ReMax with choices, through the specs' own programs on the oracle: the exact objective and its
 * slope against enumerated draws and closed forms, also for a number of tries that is not whole;
 * RePPO's advantages, loss and targets against its sheet's numbers and equations computed here.
 * Networks are constant: weights 0, outputs their last biases. GridWorld-v0 has five choices. */
#include "tests/order_fixture.h"

enum { A = 5, MOST_DRAWS = 4, ROWS = 8 };

/* ---- statistics of draws with replacement ---- */

static const double logits[A] = {0.3, -0.5, 1.1, 0, -1.4};
static const double values[A] = {0.4, 1.7, -0.3, 0.9, 1.2};

static void chances(const double *z, double *p) {
  double total = 0;
  for (int a = 0; a < A; a++) total += exp(z[a]);
  for (int a = 0; a < A; a++) p[a] = exp(z[a]) / total;
}

/* The mean of sum alpha_j X_(j) over all K draws, and its slope by the logits: the mean of the same
 * times how much oftener than usual each is drawn. */
static double enumerated(int K, const double *alpha, const double *q, const double *z,
                         double *slope) {
  double p[A], mean = 0;
  chances(z, p);
  memset(slope, 0, A * sizeof *slope);
  for (int tuple = 0; tuple < (int)pow(A, K); tuple++) {
    double x[MOST_DRAWS], chance = 1, statistic = 0;
    int counts[A] = {0}, left = tuple;
    for (int k = 0; k < K; k++, left /= A) {
      x[k] = q[left % A];
      chance *= p[left % A];
      counts[left % A]++;
    }
    qsort(x, (size_t)K, sizeof *x, by_value);
    for (int j = 0; j < K; j++) statistic += alpha[j] * x[j];
    mean += chance * statistic;
    for (int a = 0; a < A; a++) slope[a] += chance * statistic * (counts[a] - K * p[a]);
  }
  return mean;
}

/* ReMax in its ascending form: sum Q_(i) (F_i^n - F_{i-1}^n), for any n. */
static double ascending(double n, const double *q, const double *z) {
  double p[A], mean = 0;
  chances(z, p);
  for (int i = 0; i < A; i++) {
    double below = 0, up_to = 0;
    for (int j = 0; j < A; j++) {
      if (q[j] < q[i]) below += p[j];
      if (q[j] <= q[i]) up_to += p[j];
    }
    mean += q[i] * (pow(up_to, n) - pow(below, n));
  }
  return mean;
}

/* ---- the exact objective ---- */

#define DISCRETE                                                                                   \
  "env=GridWorld-v0 hidden=3 batch_size=2 optimizers.critic=sgd(0) optimizers.actor=sgd(1)"

/* The actor's step along the slope; the second critic stands above the first. */
static Run exact_step(Spec spec, const double *q, const double *z, double *step) {
  Run run = run_open(spec, "update");
  double twins[2][A];
  for (int a = 0; a < A; a++) {
    twins[0][a] = q[a];
    twins[1][a] = q[a] + 0.1 * (a + 1);
  }
  run_zero(&run, "actor");
  run_zero(&run, "critic");
  run_set(&run, "actor.dense3.b", z);
  run_set(&run, "critic.dense3.b", twins[0]);
  spec_run(run.interp);
  const double *after = run_get(&run, "actor.dense3.b");
  for (int a = 0; a < A; a++) step[a] = after[a] - z[a];
  return run;
}

static const char *const tries[] = {"0.8", "1", "1.2", "2", "3"};

START_TEST(the_best_of_n_is_exact) {
  static const char *const forms[] = {"specs/remax_discrete.yaml",
                                      "specs/remax_discrete/advantage.yaml"};
  bool advantage = _i % 2;
  double n = atof(tries[_i / 2]), step[A], value = ascending(n, values, logits);
  char overrides[200];
  snprintf(overrides, sizeof overrides, DISCRETE " n=%s", tries[_i / 2]);
  Run run = exact_step(spec_open(forms[advantage], overrides), values, logits, step);
  near(advantage ? logged(&run, "actor/best") : -logged(&run, "losses/actor"), value, 1e-12,
       "best");
  for (int a = 0; a < A; a++) {
    double up[A], down[A], h = 1e-4;
    memcpy(up, logits, sizeof up);
    memcpy(down, logits, sizeof down);
    up[a] += h;
    down[a] -= h;
    near(step[a], (ascending(n, values, up) - ascending(n, values, down)) / (2 * h), 1e-7, "slope");
  }
  if (n >= 2) { /* whole */
    const double top[2][MOST_DRAWS] = {{0, 1}, {0, 0, 1}};
    double slope[A];
    near(enumerated((int)n, top[(int)n - 2], values, logits, slope), value, 1e-12, "enumerated");
    for (int a = 0; a < A; a++) near(step[a], slope[a], 1e-12, "slope of the enumeration");
  }
  run_close(&run);
}
END_TEST

/* A fixed reward of 1 for one choice and 0 for the others: 1 - (1 - p)^n. */
START_TEST(one_choice_pays) {
  double p[A], step[A], pays[A] = {0, 0, 1, 0, 0};
  chances(logits, p);
  Run run =
      exact_step(spec_open("specs/remax_discrete.yaml", DISCRETE " n=2.5"), pays, logits, step);
  near(-logged(&run, "losses/actor"), 1 - pow(1 - p[2], 2.5), 1e-12, "objective");
  run_close(&run);
}
END_TEST

static const struct {
  const char *text;
  int K;
  double alpha[MOST_DRAWS];
} statistics[] = {
    {"top_rank[k](1)", 3, {0, 0, 1}},
    {"median[k]()", 4, {0, 0.5, 0.5, 0}},
    {"bottom_mean[k](2)", 3, {0.5, 0.5, 0}},
    {"mean_difference[k]()", 4, {-0.5, -1. / 6, 1. / 6, 0.5}},
    {"concat[k](0.7, -0.4)", 2, {0.7, -0.4}},
    {"top_mean[k](1)", 1, {1}},
};

START_TEST(any_statistic_is_exact) {
  static const char *const forms[] = {"ordergrad", "ordergrad_advantage"};
  int s = _i / 2;
  char text[512];
  snprintf(text, sizeof text,
           "extends: " RLC_ROOT "/specs/remax_discrete/%s.yaml\nconstants: {K: %d}\n"
           "define: {'statistic[k]()': '%s'}\n",
           forms[_i % 2], statistics[s].K, statistics[s].text);
  double step[A], slope[A];
  double value = enumerated(statistics[s].K, statistics[s].alpha, values, logits, slope);
  Run run = exact_step(spec_text(text, DISCRETE), values, logits, step);
  near(_i % 2 ? logged(&run, "actor/best") : -logged(&run, "losses/actor"), value, 1e-12, "value");
  for (int a = 0; a < A; a++) near(step[a], slope[a], 1e-12, statistics[s].text);
  run_close(&run);
}
END_TEST

/* reward + gamma * (the policy's mean of the lower slow critic), where the episode goes on. */
START_TEST(targets_are_means) {
  Run run = run_open(spec_open("specs/remax_discrete.yaml", DISCRETE), "update");
  double slow[2][A], q[2][A], p[A], mean = 0, loss = 0;
  const double reward[2] = {0.7, -0.2}, terminated[2] = {0, 1}, action[2] = {3, 1};
  for (int a = 0; a < A; a++) {
    slow[0][a] = values[a];
    slow[1][a] = values[A - 1 - a];
    q[0][a] = 0.2 * a;
    q[1][a] = 1 - 0.3 * a;
  }
  run_zero(&run, "actor");
  run_zero(&run, "critic");
  run_zero(&run, "slow.critic");
  run_set(&run, "actor.dense3.b", logits);
  run_set(&run, "critic.dense3.b", q[0]);
  run_set(&run, "slow.critic.dense3.b", slow[0]);
  run_set(&run, "replay.reward", reward);
  run_set(&run, "replay.terminated", terminated);
  run_set(&run, "replay.action", action);
  spec_run(run.interp);
  chances(logits, p);
  for (int a = 0; a < A; a++) mean += p[a] * fmin(slow[0][a], slow[1][a]);
  for (int b = 0; b < 2; b++)
    for (int c = 0; c < 2; c++) {
      double y = reward[b] + 0.99 * (1 - terminated[b]) * mean;
      loss += 0.5 * pow(q[c][(int)action[b]] - y, 2) / 2;
    }
  near(logged(&run, "losses/critic"), loss, 1e-12, "critic");
  run_close(&run);
}
END_TEST

/* ---- RePPO: the sheet's advantages ---- */

/* Its four choices; the fifth is never taken and stands between them. */
static const double sheet_q[A] = {0.1, 0.5, -0.2, 0.3, 0.2};
static const double sheet_p[A] = {0.4, 0.3, 0.2, 0.1, 0};

static const struct {
  const char *M;
  double action, target, advantage, digits;
} golden[] = {
    {"1", 0, 1, 0.82, 1e-12},
    {"1.2", 0, 1, 0.69194, 5e-6},
    {"2", 0, 1, 0.378, 1e-12},
    {"1", 0, -1, -1.18, 1e-12},
    {"1.2", 0, -1, -1.01083, 5e-6},
    {"2", 0, -1, -0.554, 1e-12},
    {"1", 0, 0.2, 0.02, 1e-12},
    {"1.2", 0, 0.2, -0.00501, 5e-6},
    {"2", 0, 0.2, -0.042, 1e-12},
    {"1", 2, 1, 0.82 - 0.2 * 0.3, 1e-12}, /* the worst action, improved: the mean moves, too */
};

START_TEST(advantages_are_the_sheets) {
  char text[400];
  snprintf(text, sizeof text,
           "extends: " RLC_ROOT "/specs/remax_ppo.yaml\nconstants: {M: %s, hidden: 3, steps: 1, "
           "minibatches: 1}\nenv: {id: GridWorld-v0, count: 1}\n"
           "losses: {ppo: {log: {advantage: 'mean[batch](gain - usual)'}}}\n",
           golden[_i].M);
  Run run = run_open(spec_text(text, ""), "update2");
  double z[A];
  for (int a = 0; a < A; a++) z[a] = a < 4 ? log(sheet_p[a]) : -900;
  run_zero(&run, "net");
  run_set(&run, "net.logits.dense3.b", z);
  run_set(&run, "parts1.old_q", sheet_q);
  run_set(&run, "parts1.target", &golden[_i].target);
  run_set(&run, "parts1.action", &golden[_i].action);
  spec_run(run.interp);
  near(logged(&run, "ppo/advantage"), golden[_i].advantage, golden[_i].digits, "advantage");
  run_close(&run);
}
END_TEST

/* ---- RePPO: the whole loss with two tries, where one further try is a plain mean ---- */

static const char *const variants[] = {"remax_ppo", "remax_ppo/old_policy", "remax_ppo/no_baseline",
                                       "remax_ppo/no_replacement", "remax_ppo/lower_replacement"};

typedef struct Batch {
  double action[ROWS], target[ROWS], old_log_prob[ROWS], old_q[ROWS][A], old_p[ROWS][A];
} Batch;

static double one_try(double x, const double *rivals, const double *p) {
  double gain = 0;
  for (int a = 0; a < A; a++) gain += p[a] * fmax(x - rivals[a], 0);
  return gain;
}

static double advantage_of(const Batch *b, int row, const char *variant, const double *now) {
  bool old = strstr(variant, "old_policy"), kept = strstr(variant, "no_replacement");
  bool lower = strstr(variant, "lower_replacement"), baseline = !strstr(variant, "no_baseline");
  const double *p = old ? b->old_p[row] : now;
  double rivals[A], usual = 0, g = b->target[row];
  int taken = (int)b->action[row];
  memcpy(rivals, b->old_q[row], sizeof rivals);
  if (!kept) rivals[taken] = lower ? fmin(g, rivals[taken]) : g;
  for (int a = 0; a < A; a++) usual += p[a] * one_try(b->old_q[row][a], rivals, p);
  return one_try(g, rivals, p) - (baseline ? usual : 0);
}

static Batch batch_make(void) {
  Batch b;
  for (int r = 0; r < ROWS; r++) {
    double z[A];
    b.action[r] = r % A;
    b.target[r] = 1.5 * sin(2.0 * r);
    for (int a = 0; a < A; a++) {
      b.old_q[r][a] = cos(1.0 + r + 2 * a);
      z[a] = 0.4 * sin(3.0 * r + a);
    }
    chances(z, b.old_p[r]);
    b.old_log_prob[r] = log(b.old_p[r][r % A]);
  }
  return b;
}

/* The clipped ratio and value, less the entropy, as the sheet has them. */
static double loss_of(const Batch *b, const char *variant, const double *p, const double *q) {
  double adv[ROWS], mean = 0, var = 0, loss = 0;
  for (int r = 0; r < ROWS; r++) mean += (adv[r] = advantage_of(b, r, variant, p)) / ROWS;
  for (int r = 0; r < ROWS; r++) var += pow(adv[r] - mean, 2) / ROWS;
  for (int r = 0; r < ROWS; r++) {
    int a = (int)b->action[r];
    double before = b->old_q[r][a], ratio = p[a] / exp(b->old_log_prob[r]);
    double scaled = (adv[r] - mean) / (sqrt(var) + 1e-8), entropy = 0;
    double near_q = before + fmin(fmax(q[a] - before, -0.2), 0.2);
    double fit = fmax(pow(q[a] - b->target[r], 2), pow(near_q - b->target[r], 2));
    for (int c = 0; c < A; c++) entropy -= p[c] * log(p[c]);
    loss +=
        -fmin(ratio * scaled, fmin(fmax(ratio, 0.8), 1.2) * scaled) + 0.25 * fit - 0.01 * entropy;
  }
  return loss / ROWS;
}

START_TEST(the_loss_is_its_equations) {
  Batch b = batch_make();
  char path[64];
  double p[A];
  snprintf(path, sizeof path, "specs/%s.yaml", variants[_i]);
  Run run = run_open(spec_open(path, "env.id=GridWorld-v0 env.count=1 hidden=3 steps=16 "
                                     "minibatches=2 M=2 entropy_weight=0.01"),
                     "update2");
  chances(logits, p);
  run_zero(&run, "net");
  run_set(&run, "net.logits.dense3.b", logits);
  run_set(&run, "net.q.dense3.b", values);
  run_set(&run, "parts8.action", b.action);
  run_set(&run, "parts8.target", b.target);
  run_set(&run, "parts8.old_log_prob", b.old_log_prob);
  run_set(&run, "parts8.old_q", b.old_q[0]);
  if (strstr(variants[_i], "old_policy")) run_set(&run, "parts8.old_p", b.old_p[0]);
  spec_run(run.interp);
  near(logged(&run, "losses/ppo"), loss_of(&b, variants[_i], p, values), 1e-12, variants[_i]);
  for (int v = 0; v < (int)COUNTOF(variants); v++) /* each is a loss of its own */
    if (v != _i)
      ck_assert_double_gt(
          fabs(loss_of(&b, variants[v], p, values) - loss_of(&b, variants[_i], p, values)), 1e-4);
  run_close(&run);
}
END_TEST

/* A state's value is the policy's mean of the action values, and targets are lambda-returns. */
START_TEST(values_are_means_and_targets_returns) {
  enum { T = 4 };
  static const char *const sizes = "env.id=GridWorld-v0 env.count=1 hidden=3 steps=4 minibatches=1";
  double p[A], mean = 0, sum = 0;
  Run run = run_open(spec_open("specs/remax_ppo.yaml", sizes), "store");
  run_zero(&run, "net");
  run_set(&run, "net.logits.dense3.b", logits);
  run_set(&run, "net.q.dense3.b", values);
  spec_run(run.interp);
  chances(logits, p);
  for (int a = 0; a < A; a++) mean += p[a] * values[a];
  near(*run_get(&run, "act.value"), mean, 1e-12, "value");
  near(*run_get(&run, "act.next_value"), mean, 1e-12, "next value");
  run_close(&run);

  const double reward[T] = {1, -1, 0.5, 2}, value[T] = {0.3, 0.8, -0.2, 0.4},
               next[T] = {0.8, 3, 0.4, 1}, cut[T] = {0, 1, 0, 0}, ended[T] = {0, 0, 0, 1};
  run = run_open(spec_open("specs/remax_ppo.yaml", sizes), "update");
  run_set(&run, "rollout.reward", reward);
  run_set(&run, "rollout.value", value);
  run_set(&run, "rollout.next_value", next);
  run_set(&run, "rollout.truncated", cut);
  run_set(&run, "rollout.terminated", ended);
  spec_run(run.interp);
  for (int t = T - 1; t >= 0; t--) {
    double delta = reward[t] + 0.99 * (1 - ended[t]) * next[t] - value[t];
    sum = delta + 0.99 * 0.95 * (1 - ended[t]) * (1 - cut[t]) * sum;
    near(run_get(&run, "rollout.target")[t], sum + value[t], 1e-12, "target");
  }
  run_close(&run);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("remax specs");
  TCase *tests = tcase_create("remax specs");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, the_best_of_n_is_exact, 0, 2 * (int)COUNTOF(tries));
  tcase_add_test(tests, one_choice_pays);
  tcase_add_loop_test(tests, any_statistic_is_exact, 0, 2 * (int)COUNTOF(statistics));
  tcase_add_test(tests, targets_are_means);
  tcase_add_loop_test(tests, advantages_are_the_sheets, 0, (int)COUNTOF(golden));
  tcase_add_loop_test(tests, the_loss_is_its_equations, 0, (int)COUNTOF(variants));
  tcase_add_test(tests, values_are_means_and_targets_returns);
  return suite_run(suite);
}
