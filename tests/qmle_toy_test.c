/* QMLE's smaller studies on given numbers: actions at the critic's output, an action space that
 * grows, the bandit's three arms and the climbing game's two. */
#include "tests/qmle_fixture.h"

enum { ROWS = 6, UNITS = 4 };

/* ---- actions at the output: DQN over all combinations of levels ---- */

#define OUT "env=Reacher-v5 width=3 batch_size=6"
enum { CELLS = 9, OUT_UNITS = 2 * WIDTH };

/* The value of each combination. */
static void cells_of(const Run *r, const char *who, const double *obs, double *q) {
  double z[WIDTH], h[OUT_UNITS], more[WIDTH];
#define PART(part) block(r, who, part)
  features(r, who, obs, z);
  dense(z, WIDTH, PART("critic.dense1.w"), PART("critic.dense1.b"), OUT_UNITS, h);
  relu(h, OUT_UNITS);
  for (int i = 0; i < WIDTH; i++) { /* weights lie [output][unit] here */
    more[i] = PART("critic.dense2.b")[i];
    for (int j = 0; j < OUT_UNITS; j++)
      more[i] += h[j] * PART("critic.dense2.w")[i * OUT_UNITS + j];
  }
  for (int i = 0; i < WIDTH; i++) z[i] += more[i];
  norm_elu(z, WIDTH, PART("critic.layer_norm1.scale"), PART("critic.layer_norm1.shift"));
  dense(z, WIDTH, PART("critic.dense3.w"), PART("critic.dense3.b"), CELLS, q);
#undef PART
}

static int best_of(const double *value, int count) {
  int best = 0;
  for (int i = 1; i < count; i++)
    if (value[i] > value[best]) best = i;
  return best;
}

START_TEST(every_combination_has_an_output) {
  Run r = run_open("specs/qmle/action_out.yaml", OUT, "update");
  double action[2 * ROWS], q[CELLS], next[CELLS], loss = 0;
  for (int b = 0; b < ROWS; b++) { /* all levels of the first, some of the second coordinate */
    action[2 * b] = b % 3 - 1;
    action[2 * b + 1] = b % 2 ? 1 : -1;
  }
  run_set(&r, "replay.action", action);
  run_set(&r, "replay.terminated", (double[]){0, 1, 0, 0, 0, 1});
  spec_run(r.interp);
  for (int b = 0; b < ROWS; b++) {
    int cell = (int)(action[2 * b] + 1) + 3 * (int)(action[2 * b + 1] + 1);
    cells_of(&r, "", run_before(&r, "replay.obs") + b * r.obs_dim, q);
    cells_of(&r, "slow.", run_before(&r, "replay.next_obs") + b * r.obs_dim, next);
    double td = q[cell] - run_before(&r, "replay.reward")[b];
    if (!run_before(&r, "replay.terminated")[b]) td -= 0.99 * next[best_of(next, CELLS)];
    near_by(run_get(&r, "write.qmle.priority")[b], fabs(td) + 1e-6, "priority");
    loss += run_before(&r, "replay.weight")[b] * td * td / ROWS;
  }
  near_by(run_metric(&r, "losses/qmle"), loss, "loss");
  spec_close(&r.spec);
}
END_TEST

START_TEST(the_best_combination_is_done) {
  Run r = run_open("specs/qmle/action_out.yaml", OUT, "evaluate");
  double q[CELLS];
  bool seen[CELLS] = {false};
  uint64_t state = SEED;
  int distinct = 0;
  for (int i = 0; i < 40; i++) {
    double bias[CELLS];
    for (int c = 0; c < CELLS; c++) bias[c] = random_between(&state, -1, 1);
    run_set(&r, "critic.dense3.b", bias);
    spec_run(r.interp);
    cells_of(&r, "", run_before(&r, "eval.obs"), q);
    int best = best_of(q, CELLS);
    const double *action = run_get(&r, "eval.action");
    ck_assert_double_eq(action[0], best % 3 - 1);
    ck_assert_double_eq(action[1], best / 3 - 1);
    distinct += !seen[best];
    seen[best] = true;
  }
  ck_assert_int_ge(distinct, 5);
  spec_close(&r.spec);
}
END_TEST

/* ---- growing: candidates of three levels until the step, of any value from it on ---- */

static bool on_level(double action) { return action == -2 || action == 0 || action == 2; }

static int on_levels(Run *r, double step, const char *slot, int rows) {
  int count = 0;
  interp_set(r->interp, spec_slot(&r->spec, "counter.step"), &step);
  spec_run(r->interp);
  for (int b = 0; b < rows; b++) count += on_level(run_get(r, slot)[b]);
  return count;
}

START_TEST(the_action_space_grows) {
  const char *sizes = "width=3 batch_size=6 m_target=20 m_greedy=20 grown=50 epsilon=0.5";
  Run r = run_open("specs/toy/growing_actions.yaml", sizes, "update");
  run_fill(&r, "replay.best_action", 0); /* the action remembered is on the grid, too */
  ck_assert_int_eq(on_levels(&r, 49, "write.qmle.best_action", ROWS), ROWS);
  ck_assert_int_lt(on_levels(&r, 50, "write.qmle.best_action", ROWS), ROWS);
  spec_close(&r.spec);
  r = run_open("specs/toy/growing_actions.yaml", sizes, "explore");
  int before = 0, after = 0;
  for (uint64_t i = 0; i < 20; i++) { /* searched or random */
    interp_draws(r.interp, SEED, i);
    before += on_levels(&r, 49, "act.action", 1);
    after += on_levels(&r, 50, "act.action", 1);
  }
  ck_assert_int_eq(before, 20);
  ck_assert_int_lt(after, 5);
  spec_close(&r.spec);
}
END_TEST

/* ---- the bandit ---- */

#define GAME "width=4 batch_size=6 m=5"

/* The critic of the bandit and of the game, with the parameters that an update left. */
static double after_value(const Run *r, const double *action) {
  double h1[UNITS], h2[UNITS], q;
  dense(action, 2, run_get(r, "critic.dense1.w"), run_get(r, "critic.dense1.b"), UNITS, h1);
  relu(h1, UNITS);
  dense(h1, UNITS, run_get(r, "critic.dense2.w"), run_get(r, "critic.dense2.b"), UNITS, h2);
  relu(h2, UNITS);
  dense(h2, UNITS, run_get(r, "critic.dense3.w"), run_get(r, "critic.dense3.b"), 1, &q);
  return q;
}

static Run bandit_open(const char *path, const char *sizes, const double *mu) {
  Run r = run_open(path, sizes, "update");
  run_set(&r, "mu", mu);
  for (uint32_t s = 0; s < r.spec.graph->slot_count; s++)
    if (strncmp(r.spec.graph->slots[s].name, "optimizer.", 10) == 0)
      run_fill(&r, r.spec.graph->slots[s].name, 0);
  spec_run(r.interp);
  return r;
}

/* The gradient that the actor's step took: adam's first moment is a tenth of it. */
static double taken(const Run *r, int a) { return 10 * run_get(r, "optimizer.actor.mu.first")[a]; }

START_TEST(dpg_follows_the_slope) {
  const double mu[] = {0.3, -0.2}, h = 1e-6;
  Run r = bandit_open("specs/toy/bandit_dpg.yaml", "width=4 batch_size=6", mu);
  for (int a = 0; a < 2; a++) {
    double up[] = {mu[0], mu[1]}, down[] = {mu[0], mu[1]};
    up[a] += h, down[a] -= h;
    double slope = (after_value(&r, up) - after_value(&r, down)) / (2 * h);
    ck_assert_double_gt(fabs(slope), 1e-3);
    ck_assert_double_eq_tol(taken(&r, a), -slope, 1e-7);
  }
  spec_close(&r.spec);
}
END_TEST

/* The best of five near mu and, in the global arm, five anywhere; one set for the whole update. */
static void bandit_best(const Run *r, const double *mu, bool anywhere, double *best) {
  double most = -INFINITY;
  for (int k = 0; k < (anywhere ? 10 : 5); k++) {
    double action[2];
    for (int a = 0; a < 2; a++) {
      int at = (k % 5) * 2 + a;
      if (k < 5) {
        double u = draw_find(r, 5, DRAW_NORMAL, 0)[at], v = draw_find(r, 5, DRAW_NORMAL, 1)[at];
        action[a] = mu[a] + 0.001 * sqrt(-2 * log(u)) * cos(2 * M_PI * v);
        action[a] = fmin(fmax(action[a], -1), 1);
      } else {
        action[a] = 2 * draw_find(r, 5, DRAW_PLAIN, 0)[at] - 1;
      }
    }
    double q = after_value(r, action);
    if (q > most) most = q, memcpy(best, action, sizeof action);
  }
}

START_TEST(qmle_moves_to_the_best_candidate) {
  const char *paths[] = {"specs/toy/bandit_qmle_local.yaml", "specs/toy/bandit_qmle_global.yaml"};
  const double mu[] = {0.3, -0.9995}; /* where some candidates are clipped */
  Run r = bandit_open(paths[_i], GAME, mu);
  double best[2], loss = 0;
  bandit_best(&r, mu, _i == 1, best);
  double far = hypot(best[0] - mu[0], best[1] - mu[1]);
  if (_i == 0)
    ck_assert_double_lt(far, 0.01);
  else
    ck_assert_double_gt(far, 0.05);
  for (int a = 0; a < 2; a++) {
    ck_assert_double_eq_tol(taken(&r, a), 2 * (mu[a] - best[a]), 1e-11);
    loss += pow(mu[a] - best[a], 2);
  }
  near_by(run_metric(&r, "losses/actor"), loss, "loss");
  spec_close(&r.spec);
}
END_TEST

/* ---- the climbing game ---- */

/* One agent's network of one hidden layer, as the update found it: weights [agent][in][unit]. */
static double agent(const Run *r, int a, const double *obs) {
  double h[UNITS], out = run_before(r, "predictor.dense2.b")[a];
  dense(obs, 1, run_before(r, "predictor.dense1.w") + a * UNITS,
        run_before(r, "predictor.dense1.b") + a * UNITS, UNITS, h);
  relu(h, UNITS);
  for (int j = 0; j < UNITS; j++) out += h[j] * run_before(r, "predictor.dense2.w")[a * UNITS + j];
  return tanh(out);
}

/* Each agent learns its own coordinate of the best joint action. */
START_TEST(agents_learn_their_part_of_the_best) {
  Run r = run_open("specs/toy/climbing_game_qmle.yaml", GAME, "update");
  spec_run(r.interp);
  double loss = 0;
  for (int b = 0; b < ROWS; b++) {
    const double *obs = run_before(&r, "replay.obs") + b;
    double own[] = {agent(&r, 0, obs), agent(&r, 1, obs)}, best[2], most = -INFINITY;
    for (int k = 0; k < 10; k++) {
      double action[2];
      for (int a = 0; a < 2; a++) {
        int at = ((b * 5) + k % 5) * 2 + a;
        if (k < 5) {
          double u = draw_find(&r, 5, DRAW_NORMAL, 0)[at], v = draw_find(&r, 5, DRAW_NORMAL, 1)[at];
          action[a] = own[a] + 0.1 * sqrt(-2 * log(u)) * cos(2 * M_PI * v);
          action[a] = fmin(fmax(action[a], -1), 1);
        } else {
          action[a] = 2 * draw_find(&r, 5, DRAW_PLAIN, 0)[at] - 1;
        }
      }
      double q = after_value(&r, action);
      if (q > most) most = q, memcpy(best, action, sizeof action);
    }
    for (int a = 0; a < 2; a++) loss += pow(own[a] - best[a], 2) / ROWS;
  }
  near_by(run_metric(&r, "losses/predictor"), loss, "loss");
  spec_close(&r.spec);
}
END_TEST

/* What an agent makes of its own coordinate: weights of all layers lie [agent][in][unit]. */
static double utility(const Run *r, int a, double own) {
  double h1[UNITS], h2[UNITS], u;
  dense(&own, 1, run_before(r, "utility.dense1.w") + a * UNITS,
        run_before(r, "utility.dense1.b") + a * UNITS, UNITS, h1);
  relu(h1, UNITS);
  dense(h1, UNITS, run_before(r, "utility.dense2.w") + a * UNITS * UNITS,
        run_before(r, "utility.dense2.b") + a * UNITS, UNITS, h2);
  relu(h2, UNITS);
  dense(h2, UNITS, run_before(r, "utility.dense3.w") + a * UNITS,
        run_before(r, "utility.dense3.b") + a, 1, &u);
  return u;
}

START_TEST(utilities_add_up_to_the_reward) {
  Run r = run_open("specs/toy/climbing_game_sum.yaml", GAME, "update");
  const double *action = run_before(&r, "replay.action");
  double loss = 0;
  spec_run(r.interp);
  for (int b = 0; b < ROWS; b++) {
    double sum = utility(&r, 0, action[2 * b]) + utility(&r, 1, action[2 * b + 1]);
    loss += pow(sum - run_before(&r, "replay.reward")[b], 2) / ROWS;
  }
  near_by(run_metric(&r, "losses/utility"), loss, "loss");
  spec_close(&r.spec);
}
END_TEST

/* Each by itself, so that the two coordinates need not come from one candidate. */
START_TEST(each_agent_takes_what_its_own_utility_likes) {
  Run r = run_open("specs/toy/climbing_game_sum.yaml", GAME, "evaluate");
  int from[2], apart = 0;
  for (uint64_t step = 0; step < 5; step++) {
    interp_draws(r.interp, SEED, step);
    spec_run(r.interp);
    for (int a = 0; a < 2; a++) {
      double value[5], own[5];
      for (int k = 0; k < 5; k++) {
        own[k] = 2 * draw_find(&r, 5, DRAW_PLAIN, 0)[2 * k + a] - 1;
        value[k] = utility(&r, a, own[k]);
      }
      from[a] = best_of(value, 5);
      near_by(run_get(&r, "eval.action")[a], own[from[a]], "action");
    }
    apart += from[0] != from[1];
  }
  ck_assert_int_gt(apart, 0);
  spec_close(&r.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("qmle_toy");
  TCase *tests = tcase_create("qmle_toy");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, every_combination_has_an_output);
  tcase_add_test(tests, the_best_combination_is_done);
  tcase_add_test(tests, the_action_space_grows);
  tcase_add_test(tests, dpg_follows_the_slope);
  tcase_add_loop_test(tests, qmle_moves_to_the_best_candidate, 0, 2);
  tcase_add_test(tests, agents_learn_their_part_of_the_best);
  tcase_add_test(tests, utilities_add_up_to_the_reward);
  tcase_add_test(tests, each_agent_takes_what_its_own_utility_likes);
  return suite_run(suite);
}
