/* The exploration specs on given numbers: intrinsic rewards and steps of REINFORCE on the hill car
 * (whose dynamics declared_env_test has), and on the grid world the draws that a density of future
 * places is fitted to, its intrinsic reward, the values and the steps of the policy. */
#include "tests/spec_fixture.h"

enum { SEED = 20261121 };

typedef struct Run {
  Spec spec;
  Interp *interp;
} Run;

/* A program with zeros in every slot. */
static Run run_open(const char *path, const char *overrides, const char *program) {
  Run r = {.spec = spec_open(path, overrides)};
  spec_passes(&r.spec, "grad");
  r.interp = spec_interp(&r.spec, program);
  for (uint32_t s = 0; s < r.spec.graph->slot_count; s++)
    interp_set(r.interp, s, NEW_ARRAY(r.spec.arena, double, spec_size(&r.spec, s) + 1));
  interp_draws(r.interp, SEED, 5);
  return r;
}

static void set(const Run *r, const char *slot, const double *values) {
  spec_set(&r->spec, r->interp, slot, values);
}
static void put(const Run *r, const char *slot, double value) { set(r, slot, &value); }

/* One element of a slot that is 0 elsewhere. */
static void put_at(const Run *r, const char *slot, uint32_t at, double value) {
  double *values = NEW_ARRAY(r->spec.arena, double, spec_size(&r->spec, spec_slot(&r->spec, slot)));
  values[at] = value;
  set(r, slot, values);
}

static double *got(const Run *r, const char *slot) { return spec_get(&r->spec, r->interp, slot); }
static double number(const Run *r, const char *slot) {
  return spec_scalar(&r->spec, r->interp, slot);
}

static void same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-11), "%s: %.17g, not %.17g", what, found, exact);
}

/* ---- the hill car ---- */

enum { STEPS = 3, CARS = 4, SEEN_CARS = STEPS * CARS, BINS = 20 };
#define HILL "cars=4 steps=3 K0=-0.5 sigma0=1.25 bonus_weight=0.3"

/* [time][car]; 0.5 is the edge between two bins; both ends of the world. */
static const double x_given[SEEN_CARS] = {-3, -3, -3, -3, -2.9, 0.5, 0.2, -4, 1, -3.0, 0.3, 5};
static const double a_given[SEEN_CARS] = {3, 2.5, 4, 9, 1, -2, 0, 3.5, 2, 3, 1.5, -1};
static const double r_given[SEEN_CARS] = {1, 0.5, 2, 1.5, 0.25, 1, -1, 0, 2, 0.75, 0, 1};
static const double next_given[SEEN_CARS] = {-2, -2.9, -3.1, 0.2, -4, 1, -3.0, 0.3, 5, 3, -3, 3.5};

static Run hill_open(const char *path, const char *overrides) {
  Run r = run_open(path, overrides, "update");
  put(&r, "K", -0.5);
  put(&r, "sigma", 1.25);
  set(&r, "rollout.obs", x_given);
  set(&r, "rollout.action", a_given);
  set(&r, "rollout.reward", r_given);
  set(&r, "rollout.next_obs", next_given);
  return r;
}

static double push_at(int i) { return -0.5 * (x_given[i] - 3); }
static double log_pi(int i) {
  double s2 = 1.25 * 1.25 + 1e-6;
  return -0.5 * pow(a_given[i] - push_at(i), 2) / s2 - 0.5 * log(2 * M_PI * s2);
}

static double action_bonus(int i) { return -log_pi(i); }

/* The sheet's: density over 20, floor 1e-4; `strict`: a bin has neither edge. */
static double state_bonus_as(int i, bool strict) {
  double mass[BINS] = {0}, all = 0;
  int bin[SEEN_CARS];
  for (int k = 0; k < SEEN_CARS; k++) {
    double place = (x_given[k] + 4) / 9 * BINS, w = pow(0.99, k / CARS + 1);
    bin[k] = place >= BINS ? BINS - 1 : (int)place;
    if (strict && place == floor(place)) bin[k] = -1;
    if (bin[k] < 0) continue;
    mass[bin[k]] += w;
    all += w;
  }
  return -log(1e-4 + (bin[i] < 0 ? 0 : mass[bin[i]] / all / 0.45 / 20));
}
static double state_bonus(int i) { return state_bonus_as(i, false); }
static double strict_bonus(int i) { return state_bonus_as(i, true); }
static double joint_bonus(int i) { return state_bonus(i) + action_bonus(i); }
static double no_bonus(int i) { return 0 * i; }
static double shaped_bonus(int i) {
  double x = next_given[i];
  return x < -3 || x > 3 ? r_given[i] : 1 + (x + 3) / 6;
}

typedef struct Bonus {
  const char *path;
  double (*bonus)(int i);
  double weight;
} Bonus;

static const Bonus bonuses[] = {
    {"specs/maxent_action.yaml", action_bonus, 0.3},
    {"specs/maxent_state.yaml", state_bonus, 0.3},
    {"specs/maxent/joint.yaml", joint_bonus, 0.3},
    {"specs/maxent/shaped.yaml", shaped_bonus, 0.3},
    {"specs/maxent/plain.yaml", no_bonus, 0},
    {"specs/maxent/as_coded.yaml", strict_bonus, 0.3},
};

/* Of each car: the discounted return with its bonuses. */
static void totals(const Bonus *b, double *total) {
  for (int c = 0; c < CARS; c++) total[c] = 0;
  for (int i = 0; i < SEEN_CARS; i++)
    total[i % CARS] += pow(0.99, i / CARS) * (r_given[i] + b->weight * b->bonus(i));
}

/* The gradient of the objective by K and sigma; sigma enters the score as `deviation`, and the
 * derivative of that by sigma is `inner`. */
static void hill_gradient(const Bonus *b, double deviation, double inner, double *by) {
  double total[CARS], mean = 0;
  totals(b, total);
  for (int c = 0; c < CARS; c++) mean += total[c] / CARS;
  by[0] = by[1] = 0;
  for (int i = 0; i < SEEN_CARS; i++) {
    double off = a_given[i] - push_at(i), gain = (total[i % CARS] - mean) / CARS;
    by[0] += gain * off / pow(deviation, 2) * (x_given[i] - 3);
    by[1] += gain * (pow(off, 2) / pow(deviation, 3) - 1 / deviation) * inner;
  }
}

START_TEST(bonuses_are_the_sheets) {
  const Bonus *b = &bonuses[_i];
  bool coded = b->bonus == strict_bonus, plain = b->bonus == no_bonus;
  Run r = hill_open(b->path, plain   ? "cars=4 steps=3 optimizers.default=sgd(1)"
                             : coded ? HILL
                                     : HILL " optimizers.default=sgd(1)");
  double bonus = 0, gain = 0, by[2];
  spec_run(r.interp);
  for (int i = 0; i < SEEN_CARS; i++) {
    bonus += pow(0.99, i / CARS) * (plain ? action_bonus(i) : b->bonus(i)) / CARS;
    gain += pow(0.99, i / CARS) * r_given[i] / CARS;
  }
  same(number(&r, "metric.policy/bonus"), bonus, "bonus");
  same(number(&r, "metric.policy/return"), gain, "return");
  same(number(&r, "metric.policy/arrived"), 3.0 / CARS, "arrived");
  double std = sqrt(1.25 * 1.25 + 1e-6);
  hill_gradient(b, coded ? 1.25 + 1e-6 : std, coded ? 1 : 1.25 / std, by);
  double length = hypot(by[0], by[1]), rate = coded ? 0.1 / fmax(length, 1) : 1;
  ck_assert_double_gt(length, 1); /* so that the limit is seen */
  same(number(&r, "K"), -0.5 + rate * by[0], "K");
  same(number(&r, "sigma"), fmax(1.25 + rate * by[1], 0), "sigma");
  spec_close(&r.spec);
}
END_TEST

/* What the sheet says of edges: the code gives them the largest bonus, 9.21; we give a bin one. */
START_TEST(edges_belong_to_bins) {
  same(-log(1e-4), 9.210340371976182, "largest bonus");
  for (int i = 0; i < SEEN_CARS; i++) {
    bool end = x_given[i] <= -4 || x_given[i] >= 5;
    ck_assert_int_eq(fabs(strict_bonus(i) + log(1e-4)) < 1e-12, end || i == 5);
    ck_assert_double_lt(state_bonus(i), 5);
  }
}
END_TEST

/* ---- the grid world ---- */

enum { SIDE = 7, PLACES = SIDE * SIDE, SEEN = 2 * SIDE, CHOICES = 5, AHEAD = 4, ROWS = 4000 };
#define GRID "hidden=2 horizon=3 ahead_steps=4 visits_gamma=0.7 optimizers.visits=sgd(1) "
#define G    0.7

static const int path[AHEAD] = {8, 16, 24, 10}; /* the places behind a window's steps */
enum { MARKED = 40 };

typedef struct Window {
  int known;       /* steps in it */
  bool terminated; /* with the last of them */
} Window;

static void show(double *obs, int place) { obs[place % SIDE] = obs[SIDE + place / SIDE] = 1; }

/* `rows` equal windows from place 0 with action 0; behind the end the last step is repeated. */
static void set_windows(const Run *r, int rows, const Window *w) {
  int steps = (int)(spec_size(&r->spec, spec_slot(&r->spec, "replay.valid")) / (uint64_t)rows);
  Arena *arena = r->spec.arena;
  double *obs = NEW_ARRAY(arena, double, rows *steps *SEEN),
         *next = NEW_ARRAY(arena, double, rows *steps *SEEN),
         *valid = NEW_ARRAY(arena, double, rows *steps),
         *end = NEW_ARRAY(arena, double, rows *steps);
  for (int i = 0; i < rows * steps; i++) {
    int k = i % steps, last = k < w->known ? k : w->known - 1;
    show(obs + i * SEEN, last ? path[last - 1] : 0);
    show(next + i * SEEN, path[last]);
    valid[i] = k < w->known;
    end[i] = w->terminated && k >= w->known - 1;
  }
  set(r, "replay.obs", obs);
  set(r, "replay.next_obs", next);
  set(r, "replay.valid", valid);
  set(r, "replay.terminated", end);
}

static void softmax_of(const double *z, double *p) {
  double all = 0;
  for (int i = 0; i < PLACES; i++) all += exp(z[i]);
  for (int i = 0; i < PLACES; i++) p[i] = exp(z[i]) / all;
}

/* With weights of 0 a density's logits are its last bias; after a step of plain gradient descent
 * the bias has moved by how often each place was drawn less its probability. */
static void shares(const Run *r, const double *logits, double *share) {
  double p[PLACES];
  spec_run(r->interp);
  const double *after = got(r, "visits.dense5.b");
  softmax_of(logits, p);
  for (int z = 0; z < PLACES; z++) share[z] = after[z] - logits[z] + p[z];
}

/* T^N d by its definition: the k-th place with (1 - gamma) gamma^(k-1); who ended stays; behind a
 * window that did not end, `guess`. */
static void mixture(const Window *w, const double *guess, double *p) {
  for (int z = 0; z < PLACES; z++) p[z] = w->terminated ? 0 : pow(G, w->known) * guess[z];
  for (int k = 1; k <= w->known; k++) p[path[k - 1]] += (1 - G) * pow(G, k - 1);
  if (w->terminated) p[path[w->known - 1]] += pow(G, w->known);
}

static void check_shares(const double *share, const double *p) {
  for (int z = 0; z < PLACES; z++) {
    double bound = 5 * sqrt(p[z] * (1 - p[z]) / ROWS) + 1e-9;
    ck_assert_msg(fabs(share[z] - p[z]) < bound, "place %d: %.4f, not %.4f", z, share[z], p[z]);
  }
}

/* Full, ended for good (in the middle, at the last step, at the first), cut by a time limit. The
 * released code puts the last place where the end comes after the chosen step (the third case would
 * give all draws within the window to it) and goes on behind an end (the second). */
static const Window windows[] = {{4, false}, {2, true},  {4, true},
                                 {1, true},  {2, false}, {1, false}};

START_TEST(futures_are_drawn_as_defined) {
  Run r = run_open("specs/visitation.yaml", GRID "batch_size=4000", "update");
  double logits[PLACES], guess[PLACES], share[PLACES], p[PLACES];
  for (int z = 0; z < PLACES; z++) logits[z] = 0.3 * (z % 5) - 0.1 * (z / 9);
  set(&r, "visits.dense5.b", logits);
  set_windows(&r, ROWS, &windows[_i]);
  shares(&r, logits, share);
  softmax_of(logits, guess);
  mixture(&windows[_i], guess, p);
  check_shares(share, p);
  spec_close(&r.spec);
}
END_TEST

/* A density that gives place MARKED where its first hidden unit is 1, and never where it is -1. */
static void mark(const Run *r, double bias) {
  const char *const layers[] = {"visits.dense2.w", "visits.dense3.w", "visits.dense4.w"};
  put_at(r, "visits.dense1.b", 0, bias);
  for (int i = 0; i < 3; i++) put_at(r, layers[i], 0, 5);
  put_at(r, "visits.dense5.w", MARKED, 30);
}

/* How often MARKED was drawn. Its logit at the window's start is -30. */
static double marked(const Run *r) {
  spec_run(r->interp);
  return got(r, "visits.dense5.b")[MARKED];
}

static double marked_when_at(const Window *w, int place) {
  Run r = run_open("specs/visitation.yaml", GRID "batch_size=4000", "update");
  double weights[SEEN * 2] = {0};
  weights[place % SIDE * 2] = weights[(SIDE + place / SIDE) * 2] = 20;
  set(&r, "visits.dense1.w.o", weights);
  mark(&r, -30);
  set_windows(&r, ROWS, w);
  double share = marked(&r);
  spec_close(&r.spec);
  return share;
}

START_TEST(the_density_goes_on_behind_the_last_step) {
  const Window *w = &windows[(int[]){0, 4, 5}[_i]];
  double p = pow(G, w->known), bound = 5 * sqrt(p * (1 - p) / ROWS);
  ck_assert_double_lt(fabs(marked_when_at(w, path[w->known - 1]) - p), bound);
  ck_assert_double_lt(fabs(marked_when_at(w, path[w->known % AHEAD])), 1e-6);
  ck_assert_double_lt(fabs(marked_when_at(w, 0) + 1), 1e-6); /* where it was near 1 before */
}
END_TEST

START_TEST(and_with_an_action_of_the_policy) {
  for (uint32_t wanted = 2; wanted < 4; wanted++) {
    Run r = run_open("specs/visitation.yaml", GRID "batch_size=4000", "update");
    put_at(&r, "actor.dense3.b", wanted, 50);
    put_at(&r, "visits.dense1.w.a", 3 * 2, 20); /* action 3, first unit */
    mark(&r, -10);
    set_windows(&r, ROWS, &windows[0]);
    double p = wanted == 3 ? pow(G, AHEAD) : 0;
    ck_assert_double_lt(fabs(marked(&r) - p), 5 * sqrt(p * (1 - p) / ROWS) + 1e-6);
    spec_close(&r.spec);
  }
}
END_TEST

/* ---- intrinsic rewards and values ---- */

typedef struct Ending {
  const char *path;
  double reward_weight, end_value;
} Ending;

/* A window that ends with its first step: the place is known. */
static const Ending endings[] = {
    {"specs/visitation.yaml", 0, -0.01 * 3.8918202981106265 / 0.02}, /* ln 49, for ever */
    {"specs/visitation/control.yaml", 1, 0},
};

START_TEST(rewards_are_log_ratios_cut_above) {
  const Ending *e = &endings[_i];
  const double logit[] = {0.5, -3, -30};
  for (int k = 0; k < 3; k++) {
    Run r = run_open(e->path, GRID "batch_size=4", "update2");
    double b[PLACES] = {0}, p[PLACES], reward[4 * AHEAD];
    b[path[0]] = logit[k];
    softmax_of(b, p);
    double rarity = -log(p[path[0]]), bonus = fmin(rarity - log(49), log(49000));
    ck_assert_int_eq(bonus == log(49000), k == 2);
    if (_i == 0)
      set(&r, "visits.dense5.b", b);
    else
      put_at(&r, "visits.column.dense1.b", (uint32_t)path[0] % SIDE, logit[k]);
    if (_i == 1) {
      double all = 6 + exp(logit[k]), row = log(7);
      bonus = fmin(-log(exp(logit[k]) / all) + row - log(49), log(49000));
    }
    for (int i = 0; i < 4 * AHEAD; i++) reward[i] = 2;
    if (e->reward_weight != 0) set(&r, "replay.reward", reward);
    set_windows(&r, 4, &windows[3]);
    put(&r, "critic.dense3.b", 0.7);
    put(&r, "slow.critic.dense3.b", 5); /* not seen behind an end */
    spec_run(r.interp);
    double y = e->reward_weight * 2 + 0.01 * bonus + 0.98 * e->end_value;
    same(number(&r, "metric.critic/intrinsic"), bonus, "intrinsic");
    same(number(&r, "metric.losses/critic"), pow(0.7 - y, 2), "critic");
    spec_close(&r.spec);
  }
}
END_TEST

/* An even density and policy: the intrinsic reward is 0 wherever, and a next action earns its
 * entropy. A time limit is no end. */
START_TEST(values_are_soft) {
  for (int i = 4; i < 6; i++) {
    Run r = run_open("specs/visitation.yaml", GRID "batch_size=4", "update2");
    set_windows(&r, 4, &windows[i]);
    put(&r, "critic.dense3.b", 0.7);
    put(&r, "slow.critic.dense3.b", 5);
    spec_run(r.interp);
    double y = 0.98 * (5 + 0.002 * log(CHOICES));
    same(number(&r, "metric.critic/intrinsic"), 0, "intrinsic");
    same(number(&r, "metric.losses/critic"), pow(0.7 - y, 2), "critic");
    spec_close(&r.spec);
  }
}
END_TEST

/* The policy's step: soft values, centred, later steps of an episode weigh less. With one action
 * that is nearly certain the draw is known. */
START_TEST(the_policy_gains_what_is_above_the_mean) {
  enum { N = 3 };
  const int place[N] = {1, 2, 5};
  const double since[N] = {4, 2, 7}, logit = 12, weight[3] = {0.4, -0.9, 0.3};
  Run r = run_open("specs/visitation.yaml", GRID "batch_size=3", "update3");
  double obs[N * AHEAD * SEEN] = {0}, age[N * AHEAD], by[SEEN * 2] = {0}, q[N], w[N], total = 0,
                         mean = 0, gain = 0;
  for (int i = 0; i < N * AHEAD; i++) {
    show(obs + i * SEEN, i % AHEAD ? 6 : place[i / AHEAD]);
    age[i] = since[i / AHEAD] + i % AHEAD;
  }
  for (int b = 0; b < N; b++) by[place[b] * 2] = weight[b];
  set(&r, "replay.obs", obs);
  set(&r, "replay.time", age);
  set(&r, "critic.dense1.w.o", by);
  put_at(&r, "critic.dense2.w", 0, 1.5);
  put_at(&r, "critic.dense3.w", 0, 2);
  put_at(&r, "actor.dense3.b", 1, logit);
  spec_run(r.interp);
  double log_p = -log1p(4 * exp(-logit));
  for (int b = 0; b < N; b++) {
    q[b] = 2 * tanh(1.5 * tanh(weight[b])) - 0.002 * log_p;
    w[b] = pow(G, since[b] - 2);
    total += w[b] / N;
    mean += q[b] / N;
  }
  for (int b = 0; b < N; b++) gain += w[b] / total * (q[b] - mean) / N;
  ck_assert_double_gt(fabs(gain), 0.01);
  same(number(&r, "metric.losses/actor"), gain * log_p, "actor");
  spec_close(&r.spec);
}
END_TEST

/* ---- the marginal density, and what is measured ---- */

START_TEST(marginal_densities_weigh_early_steps) {
  enum { N = 3 };
  const int place[N] = {1, 9, 1};
  const double since[N] = {0, 3, 1};
  for (int coded = 0; coded < 2; coded++) {
    Run r = run_open(coded ? "specs/visitation/marginal_as_coded.yaml"
                           : "specs/visitation/marginal.yaml",
                     "hidden=2 horizon=3 visits_gamma=0.7 batch_size=3", "update");
    double obs[N * SEEN] = {0}, b[PLACES] = {0}, p[PLACES], loss = 0, all = 0;
    b[9] = 1.5;
    softmax_of(b, p);
    for (int i = 0; i < N; i++) {
      double w = coded ? 1 : pow(G, since[i]);
      show(obs + i * SEEN, place[i]);
      loss -= w * log(p[place[i]]);
      all += w;
    }
    set(&r, "replay.obs", obs);
    if (!coded) set(&r, "replay.time", since);
    set(&r, "visits", b);
    spec_run(r.interp);
    same(number(&r, "metric.losses/visits"), loss / all / (coded ? N : 1), "visits");
    spec_close(&r.spec);
  }
}
END_TEST

/* Where an even policy is after `steps` steps, by walking the grid: 7 by 7, a wall at column 3 with
 * a door in row 3, the goal in the last corner. */
static double walked_entropy(int steps, double g) {
  static const int dx[CHOICES] = {0, 1, -1, 0, 0}, dy[CHOICES] = {0, 0, 0, 1, -1};
  double p[PLACES] = {1}, d[PLACES] = {0}, all = 0, entropy = 0;
  for (int t = 0; t < steps; t++) {
    double next[PLACES] = {0};
    for (int z = 0; z < PLACES; z++) d[z] += pow(g, t) * p[z];
    for (int z = 0; z < PLACES; z++)
      for (int a = 0; a < CHOICES; a++) {
        int x = z % SIDE + dx[a], y = z / SIDE + dy[a];
        bool out = x < 0 || y < 0 || x >= SIDE || y >= SIDE || (x == 3 && y != 3);
        next[out || z == PLACES - 1 ? z : y * SIDE + x] += p[z] / CHOICES;
      }
    memcpy(p, next, sizeof p);
  }
  for (int z = 0; z < PLACES; z++) all += d[z];
  for (int z = 0; z < PLACES; z++)
    if (d[z] > 0) entropy -= d[z] / all * log(d[z] / all);
  return entropy;
}

START_TEST(coverage_is_that_of_a_walk) {
  Run r = run_open("specs/visitation.yaml", "hidden=2 horizon=40", "update4");
  spec_run(r.interp);
  same(number(&r, "coverage"), walked_entropy(40, 0.98), "coverage");
  same(number(&r, "long_coverage"), walked_entropy(40, 1), "long coverage");
  spec_close(&r.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("maxent_spec");
  TCase *tests = tcase_create("maxent_spec");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, bonuses_are_the_sheets, 0, (int)COUNTOF(bonuses));
  tcase_add_test(tests, edges_belong_to_bins);
  tcase_add_loop_test(tests, futures_are_drawn_as_defined, 0, (int)COUNTOF(windows));
  tcase_add_loop_test(tests, the_density_goes_on_behind_the_last_step, 0, 3);
  tcase_add_test(tests, and_with_an_action_of_the_policy);
  tcase_add_loop_test(tests, rewards_are_log_ratios_cut_above, 0, (int)COUNTOF(endings));
  tcase_add_test(tests, values_are_soft);
  tcase_add_test(tests, the_policy_gains_what_is_above_the_mean);
  tcase_add_test(tests, marginal_densities_weigh_early_steps);
  tcase_add_test(tests, coverage_is_that_of_a_walk);
  return suite_run(suite);
}
