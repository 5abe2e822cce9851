/* The on-policy specs on given numbers: advantages with ends of both kinds, the losses of PPO, its
 * variants, A2C and REINFORCE against their equations computed by hand here. */
#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { SEED = 20261121, HIDDEN = 3, BATCH = 8, MAX_OUT = 4 };

/* ---- one program with slots by name ---- */

typedef struct Tiny {
  Spec spec;
  Interp *interp;
  const char *rows; /* "parts8" or "rollout" */
  double **before;  /* by slot */
} Tiny;

/* A program of a spec at a plausible point, with parameters of some size. */
static Tiny tiny_open(const char *path, const char *overrides, const char *program,
                      const char *rows) {
  Tiny t = {.spec = spec_open(path, overrides), .rows = rows};
  spec_passes(&t.spec, "grad");
  t.before = gradcheck_point(t.spec.arena, t.spec.module, SEED);
  t.interp = spec_interp(&t.spec, program);
  for (uint32_t s = 0; s < t.spec.graph->slot_count; s++) interp_set(t.interp, s, t.before[s]);
  interp_draws(t.interp, SEED, 5);
  return t;
}

static double *before(const Tiny *t, const char *name) {
  return t->before[spec_slot(&t->spec, name)];
}

static double *column(const Tiny *t, const char *name) {
  return before(t, arena_printf(t->spec.arena, "%s.%s", t->rows, name));
}

static void set(Tiny *t, const char *name, const double *values) {
  uint32_t slot = spec_slot(&t->spec, arena_printf(t->spec.arena, "%s.%s", t->rows, name));
  memcpy(t->before[slot], values, spec_size(&t->spec, slot) * sizeof *values);
  interp_set(t->interp, slot, values);
}

static double metric(const Tiny *t, const char *name) {
  return spec_scalar(&t->spec, t->interp, arena_printf(t->spec.arena, "metric.%s", name));
}

static double *got(const Tiny *t, const char *name) {
  return spec_get(&t->spec, t->interp, arena_printf(t->spec.arena, "%s.%s", t->rows, name));
}

static void same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-12), "%s: %.17g, not %.17g", what, found, exact);
}

/* ---- networks by hand ---- */

static void dense(const double *in, uint32_t count, const double *w, const double *b, double *out) {
  for (uint32_t j = 0; j < HIDDEN; j++) {
    double z = b[j];
    for (uint32_t i = 0; i < count; i++) z += in[i] * w[i * HIDDEN + j];
    out[j] = tanh(z);
  }
}

/* Two hidden layers and an output of `units` (weights [unit][hidden]). */
static void network(const Tiny *t, const char *name, const double *obs, uint32_t units,
                    double *out) {
  Arena *arena = t->spec.arena;
  double h1[HIDDEN], h2[HIDDEN];
#define PART(part) before(t, arena_printf(arena, "%s." part, name))
  dense(obs, t->spec.module->shell.obs_dim, PART("dense1.w"), PART("dense1.b"), h1);
  dense(h1, HIDDEN, PART("dense2.w"), PART("dense2.b"), h2);
  for (uint32_t u = 0; u < units; u++) {
    out[u] = PART("dense3.b")[u];
    for (uint32_t j = 0; j < HIDDEN; j++) out[u] += h2[j] * PART("dense3.w")[u * HIDDEN + j];
  }
#undef PART
}

static double value_at(const Tiny *t, uint32_t row) {
  double v;
  network(t, "critic", column(t, "obs") + row * t->spec.module->shell.obs_dim, 1, &v);
  return v;
}

static double log_normal(double x, double m, double s) {
  return -0.5 * pow((x - m) / s, 2) - log(s * sqrt(2 * M_PI));
}

/* log p(action | obs) of a row of Pendulum (one action); `moved` is added to the mean. */
static double normal_at(const Tiny *t, uint32_t row, double moved) {
  double mean;
  network(t, "actor", column(t, "obs") + row * t->spec.module->shell.obs_dim, 1, &mean);
  return log_normal(column(t, "action")[row], mean + moved, exp(*before(t, "log_std")));
}

/* Log-probabilities of CartPole's two choices in a row, and their entropy. */
static double choices_at(const Tiny *t, uint32_t row, double *log_p) {
  double z[2];
  network(t, "actor", column(t, "obs") + row * t->spec.module->shell.obs_dim, 2, z);
  double total = log(exp(z[0]) + exp(z[1]));
  for (int c = 0; c < 2; c++) log_p[c] = z[c] - total;
  return -exp(log_p[0]) * log_p[0] - exp(log_p[1]) * log_p[1];
}

static double chosen_at(const Tiny *t, uint32_t row) {
  double log_p[2];
  choices_at(t, row, log_p);
  return log_p[column(t, "action")[row] > 0.5];
}

/* ---- advantages ---- */

#define PENDULUM "env.id=Pendulum-v1 steps=16 minibatches=2 epochs=2 hidden=3"

enum { STEPS = 6 };

typedef struct Ends {
  double terminated[STEPS], truncated[STEPS];
} Ends;

static const Ends ends[] = {
    {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}},
    {{0, 1, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0}},
    {{0, 0, 0, 0, 0, 0}, {0, 1, 0, 0, 0, 0}},
    {{0, 0, 0, 1, 0, 0}, {0, 0, 0, 1, 0, 0}}, /* both at once: nothing follows */
    {{0, 1, 0, 0, 0, 1}, {0, 0, 0, 1, 0, 0}},
    {{0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 1}},
};

/* The sum over k of (gamma lambda)^k delta[t + k] up to the end of the episode or of the rollout;
 * `limits_end`: a time limit is an end of the episode. */
static double advantage(const Ends *e, const double *r, const double *v, const double *next, int t,
                        bool limits_end) {
  double sum = 0, factor = 1;
  for (int k = t; k < STEPS; k++) {
    bool over = e->terminated[k] || (limits_end && e->truncated[k]);
    sum += factor * (r[k] + (over ? 0 : 0.99 * next[k]) - v[k]);
    if (e->terminated[k] || e->truncated[k]) break;
    factor *= 0.99 * 0.95;
  }
  return sum;
}

static const double rewards[STEPS] = {1, -2, 0.5, 3, -1, 2};
static const double values[STEPS] = {0.3, 0.7, -0.2, 1.5, 0.9, -0.4};
/* of the true next observations: behind an end, not the next row's value */
static const double next_values[STEPS] = {0.7, 5, -0.2 + 4, 2.5, -0.4, 8};

typedef struct Form {
  const char *path, *sizes;
  bool limits_end;
} Form;

static const Form forms[] = {
    {"specs/ppo.yaml", "env.id=Pendulum-v1", false},
    {"specs/ppo_discrete.yaml", "env.count=1", false},
    {"specs/ppo_cleanrl.yaml", "env.id=Pendulum-v1", true},
    {"specs/ppo_discrete_cleanrl.yaml", "env.count=1", true},
    {"specs/dpo_purejaxrl.yaml", "env.id=Pendulum-v1 env.count=1", true},
};

static Tiny advantages(const Form *form, const Ends *e) {
  char sizes[128];
  snprintf(sizes, sizeof sizes, "%s steps=6 minibatches=2 epochs=1 hidden=3", form->sizes);
  Tiny t = tiny_open(form->path, sizes, "update", "rollout");
  set(&t, "reward", rewards);
  set(&t, "value", values);
  set(&t, "next_value", next_values);
  set(&t, "terminated", e->terminated);
  set(&t, "truncated", e->truncated);
  spec_run(t.interp);
  return t;
}

START_TEST(advantages_end_where_episodes_do) {
  const Ends *e = &ends[_i % (int)COUNTOF(ends)];
  const Form *form = &forms[_i / (int)COUNTOF(ends)];
  Tiny t = advantages(form, e);
  for (int k = 0; k < STEPS; k++) {
    double a = advantage(e, rewards, values, next_values, k, form->limits_end);
    same(got(&t, "advantage")[k], a, "advantage");
    same(got(&t, "target")[k], a + values[k], "target");
  }
  spec_close(&t.spec);
}
END_TEST

/* The last row and the one before it, written out. */
START_TEST(time_limits_bootstrap_and_ends_do_not) {
  Ends none = ends[0], limit = ends[5], end = ends[0], both = ends[5];
  end.terminated[5] = both.terminated[5] = 1;
  const Ends *all[] = {&none, &limit, &end, &both};
  for (int i = 0; i < 4; i++) {
    Tiny t = advantages(&forms[0], all[i]);
    double last = i < 2 ? 2 + 0.99 * 8 + 0.4 : 2 + 0.4;
    same(got(&t, "advantage")[5], last, "last");
    same(got(&t, "advantage")[4], -1 + 0.99 * -0.4 - 0.9 + 0.99 * 0.95 * last, "before it");
    spec_close(&t.spec);
  }
}
END_TEST

/* ---- PPO's loss ---- */

static const double wanted_ratio[BATCH] = {1, 1.5, 0.5, 1.5, 0.5, 1.1, 0.9, 1.25};
static const double advantages_given[BATCH] = {0.5, 2, 1.5, -1, -2.5, 3, -0.5, 0.25};

/* Old densities such that the ratios are `ratio`. */
static void set_ratios(Tiny *t, const double *ratio, double (*log_prob)(const Tiny *, uint32_t)) {
  double old[BATCH];
  for (uint32_t b = 0; b < BATCH; b++) old[b] = log_prob(t, b) - log(ratio[b]);
  set(t, "old_log_prob", old);
}

static double unmoved_at(const Tiny *t, uint32_t row) { return normal_at(t, row, 0); }

static void standardized(const double *a, int taken_off, double *out) {
  double mean = 0, square = 0;
  for (int b = 0; b < BATCH; b++) mean += a[b] / BATCH;
  for (int b = 0; b < BATCH; b++) square += pow(a[b] - mean, 2);
  for (int b = 0; b < BATCH; b++)
    out[b] = (a[b] - mean) / (sqrt(square / (BATCH - taken_off)) + 1e-8);
}

/* What PPO gains by a row: as in the paper's figure 1, case by case. */
static double clipped_gain(double ratio, double a) {
  if (a >= 0) return ratio > 1.2 ? 1.2 * a : ratio * a;
  return ratio < 0.8 ? 0.8 * a : ratio * a;
}

static double ppo_loss(const Tiny *t, const double *ratio, const double *adv, bool clip_value) {
  double loss = 0;
  for (uint32_t b = 0; b < BATCH; b++) {
    double v = value_at(t, b), target = column(t, "target")[b], error = pow(v - target, 2);
    if (clip_value) {
      double old = column(t, "value")[b], near = fmin(fmax(v, old - 0.2), old + 0.2);
      error = fmax(error, pow(near - target, 2));
    }
    loss += (-clipped_gain(ratio[b], adv[b]) + 0.25 * error) / BATCH;
  }
  return loss;
}

START_TEST(ppo_is_its_equations) {
  Tiny t = tiny_open("specs/ppo.yaml", PENDULUM, "update2", "parts8");
  double adv[BATCH], kl = 0;
  set_ratios(&t, wanted_ratio, unmoved_at);
  set(&t, "advantage", advantages_given);
  spec_run(t.interp);
  standardized(advantages_given, 0, adv);
  ck_assert(adv[1] > 0 && adv[2] > 0 && adv[3] < 0 && adv[4] < 0); /* both signs, both sides */
  same(metric(&t, "losses/ppo"), ppo_loss(&t, wanted_ratio, adv, false), "loss");
  for (int b = 0; b < BATCH; b++) kl += (wanted_ratio[b] - 1 - log(wanted_ratio[b])) / BATCH;
  same(metric(&t, "ppo/approx_kl"), kl, "approx_kl");
  same(metric(&t, "ppo/clipped"), 5.0 / BATCH, "clipped");
  same(metric(&t, "ppo/entropy"), *before(&t, "log_std") + 0.5 * log(2 * M_PI * exp(1)), "entropy");
  spec_close(&t.spec);
}
END_TEST

static const char *const bonus[] = {PENDULUM, PENDULUM " entropy_weight=0.3"};

START_TEST(entropy_is_a_bonus) {
  double loss[2], entropy[2];
  for (int i = 0; i < 2; i++) {
    Tiny t = tiny_open("specs/ppo.yaml", bonus[i], "update2", "parts8");
    spec_run(t.interp);
    loss[i] = metric(&t, "losses/ppo");
    entropy[i] = metric(&t, "ppo/entropy");
    spec_close(&t.spec);
  }
  ck_assert_double_gt(fabs(entropy[0]), 0.1);
  same(loss[1], loss[0] - 0.3 * entropy[0], "loss with its bonus");
}
END_TEST

static bool moved(const Tiny *t, const char *name) {
  const double *now = spec_get(&t->spec, t->interp, name);
  uint64_t size = spec_size(&t->spec, spec_slot(&t->spec, name));
  return memcmp(now, before(t, name), size * sizeof *now) != 0;
}

/* Rows that went too far in the direction of their advantage pull no more; in the other one, they
 * do. The critic learns either way. */
START_TEST(clipped_rows_have_no_gradient) {
  for (int back = 0; back < 2; back++) {
    Tiny t = tiny_open("specs/ppo.yaml", PENDULUM, "update2", "parts8");
    double ratio[BATCH], a[BATCH];
    for (int b = 0; b < BATCH; b++) {
      a[b] = b % 2 ? 1 : -1;
      ratio[b] = (b % 2) != back ? 1.3 : 0.7;
    }
    set_ratios(&t, ratio, unmoved_at);
    set(&t, "advantage", a);
    interp_set(t.interp, spec_slot(&t.spec, "counter.progress"), &(double){0.5});
    spec_run(t.interp);
    ck_assert_int_eq(moved(&t, "actor.dense3.b"), back);
    ck_assert_int_eq(moved(&t, "actor.dense1.w"), back);
    ck_assert_int_eq(moved(&t, "log_std"), back);
    ck_assert(moved(&t, "critic.dense1.w"));
    spec_close(&t.spec);
  }
}
END_TEST

/* CleanRL's form: both sides of the value's clip matter, and the deviation is of a sample. */
static void clipped_values(Tiny *t, double (*log_prob)(const Tiny *, uint32_t), double bonus) {
  double adv[BATCH], old[BATCH], target[BATCH];
  const double away[BATCH] = {0.1, -0.1, 0.5, 0.5, -0.5, -0.5, 0.3, 0};
  const double aim[BATCH] = {1, 1, -2, 2, 2, -2, 0.1, 0};
  for (uint32_t b = 0; b < BATCH; b++) {
    old[b] = value_at(t, b) - away[b];
    target[b] = old[b] + aim[b];
  }
  set(t, "value", old);
  set(t, "target", target);
  set_ratios(t, wanted_ratio, log_prob);
  set(t, "advantage", advantages_given);
  spec_run(t->interp);
  standardized(advantages_given, 1, adv);
  double clipped = ppo_loss(t, wanted_ratio, adv, true);
  ck_assert_double_gt(clipped - ppo_loss(t, wanted_ratio, adv, false), 0.01);
  same(metric(t, "losses/ppo"), clipped - bonus * metric(t, "ppo/entropy"), "loss");
  spec_close(&t->spec);
}

START_TEST(the_code_clips_values) {
  Tiny t = tiny_open("specs/ppo_cleanrl.yaml", PENDULUM, "update2", "parts8");
  clipped_values(&t, unmoved_at, 0);
}
END_TEST

static bool ends_in(const char *name, const char *end) {
  return strlen(name) >= strlen(end) && strcmp(name + strlen(name) - strlen(end), end) == 0;
}

/* A limit on the length of the gradient over both networks and the deviation, not one on each entry
 * or on each network: with targets far off, exactly that length is what the moments take in. */
START_TEST(one_length_bounds_both_networks) {
  Tiny t = tiny_open("specs/ppo.yaml", PENDULUM, "update2", "parts8");
  const double far[BATCH] = {90, -80, 70, 60, -50, 40, 30, -20};
  const Slot *slots = t.spec.graph->slots;
  double square = 0;
  uint32_t count = (uint32_t)t.spec.graph->slot_count, tensors = 0;
  set(&t, "target", far);
  for (uint32_t s = 0; s < count; s++)
    if (ends_in(slots[s].name, ".first"))
      interp_set(t.interp, s, NEW_ARRAY(t.spec.arena, double, spec_size(&t.spec, s)));
  spec_run(t.interp);
  for (uint32_t s = 0; s < count; s++) {
    if (!ends_in(slots[s].name, ".first")) continue;
    const double *first = spec_get(&t.spec, t.interp, slots[s].name);
    for (uint64_t i = 0; i < spec_size(&t.spec, s); i++) square += pow(first[i] / (1 - 0.9), 2);
    tensors++;
  }
  ck_assert_uint_eq(tensors, 13); /* three layers of two networks, and log_std */
  same(sqrt(square), 0.5, "length");
  spec_close(&t.spec);
}
END_TEST

/* What a bias of the critic moves by at a point of the run; the paper's form counts no passes. */
static double moved_by(const char *path, double progress, double iteration) {
  Tiny t = tiny_open(path, PENDULUM, "update2", "parts8");
  interp_set(t.interp, spec_slot(&t.spec, "counter.progress"), &progress);
  if (iteration >= 0) interp_set(t.interp, spec_slot(&t.spec, "counter.iteration"), &iteration);
  spec_run(t.interp);
  double by = *spec_get(&t.spec, t.interp, "critic.dense3.b") - *before(&t, "critic.dense3.b");
  spec_close(&t.spec);
  return by;
}

/* The rate falls to 0 with what is done; in the code's form without the rollout in hand. */
START_TEST(rates_fall) {
  double whole = moved_by("specs/ppo.yaml", 0, -1);
  ck_assert_double_gt(fabs(whole), 1e-5);
  ck_assert_double_eq_tol(moved_by("specs/ppo.yaml", 0.25, -1) / whole, 0.75, 1e-9);
  ck_assert_double_eq(moved_by("specs/ppo.yaml", 1, -1), 0);
  whole = moved_by("specs/ppo_cleanrl.yaml", 0, 0);
  ck_assert_double_eq(moved_by("specs/ppo_cleanrl.yaml", 0.25, 0), whole);
  ck_assert_double_eq_tol(moved_by("specs/ppo_cleanrl.yaml", 1, 3) / whole, 0.25, 1e-9);
}
END_TEST

/* What acts: the draw is kept, the box is what the environment gets. */
START_TEST(actions_are_clipped_on_their_way) {
  Tiny t = tiny_open("specs/ppo.yaml", PENDULUM, "explore", "act");
  double far = 7, near = -9;
  uint32_t bias = spec_slot(&t.spec, "actor.dense3.b"), std = spec_slot(&t.spec, "log_std");
  interp_set(t.interp, bias, &far);
  interp_set(t.interp, std, &near); /* a deviation of e^-9 */
  spec_run(t.interp);
  ck_assert_double_gt(*got(&t, "action"), 5);
  ck_assert_double_eq(*got(&t, "send"), 2);
  spec_close(&t.spec);
}
END_TEST

/* ---- with choices ---- */

#define CARTPOLE "env.count=1 steps=16 minibatches=2 epochs=2 hidden=3"

static const double choices_given[BATCH] = {0, 1, 1, 0, 1, 0, 0, 1};

START_TEST(ppo_with_choices_is_its_equations) {
  Tiny t = tiny_open("specs/ppo_discrete.yaml", CARTPOLE, "update2", "parts8");
  double adv[BATCH], entropy = 0, log_p[2];
  set(&t, "action", choices_given);
  set_ratios(&t, wanted_ratio, chosen_at);
  set(&t, "advantage", advantages_given);
  spec_run(t.interp);
  standardized(advantages_given, 0, adv);
  for (uint32_t b = 0; b < BATCH; b++) entropy += choices_at(&t, b, log_p) / BATCH;
  same(metric(&t, "ppo/entropy"), entropy, "entropy");
  same(metric(&t, "losses/ppo"), ppo_loss(&t, wanted_ratio, adv, false) - 0.01 * entropy, "loss");
  spec_close(&t.spec);
}
END_TEST

START_TEST(the_code_clips_values_with_choices) {
  Tiny t = tiny_open("specs/ppo_discrete_cleanrl.yaml", CARTPOLE, "update2", "parts8");
  set(&t, "action", choices_given);
  clipped_values(&t, chosen_at, 0.01);
}
END_TEST

/* ---- RPO: the mean moves in updates, by one draw for each row ---- */

START_TEST(rpo_moves_the_mean) {
  Tiny t = tiny_open("specs/rpo.yaml", PENDULUM, "update2", "parts8");
  double adv[BATCH], ratio[BATCH];
  const double *words = NULL;
  Node **nodes;
  const Program *p = &t.spec.module->programs[spec_program(&t.spec, "update2")];
  size_t count = module_reach(t.spec.module, p, t.spec.arena, &nodes);
  t.interp = interp_make(t.spec.arena, t.spec.module, spec_program(&t.spec, "update2"), true);
  for (uint32_t s = 0; s < t.spec.graph->slot_count; s++) interp_set(t.interp, s, t.before[s]);
  interp_draws(t.interp, SEED, 5);
  set_ratios(&t, wanted_ratio, unmoved_at);
  set(&t, "advantage", advantages_given);
  spec_run(t.interp);
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->op != OP_uniform) continue;
    ck_assert_ptr_null(words); /* one draw */
    ck_assert_uint_eq(axes_extent(t.spec.graph, nodes[i]->axes), BATCH);
    words = interp_value(t.interp, nodes[i]);
  }
  ck_assert_ptr_nonnull(words);
  for (uint32_t b = 0; b < BATCH; b++) {
    double shift = 0.5 * (2 * words[b] - 1);
    ratio[b] = exp(normal_at(&t, b, shift) - column(&t, "old_log_prob")[b]);
  }
  standardized(advantages_given, 0, adv);
  same(metric(&t, "losses/ppo"), ppo_loss(&t, ratio, adv, false), "loss");
  spec_close(&t.spec);
}
END_TEST

/* ---- DPO's drift, in the loss ---- */

typedef struct Drift {
  double ratio, advantage, drift;
} Drift;

static const Drift drifts[] = {
    {1.5, 2, 0.075766}, {0.6, 2, 0}, {1.5, -2, 0}, {0.6, -2, 0.460200}, {3, 1, 0.476812},
};

/* Advantages of mean 0 and deviation 1, so that they are what they are after standardising: 2 and
 * -2 among zeros, or 1 and -1. */
START_TEST(dpo_takes_its_drift_off) {
  static const char *const both[] = {"specs/dpo.yaml", "specs/dpo_purejaxrl.yaml"};
  const Drift *d = &drifts[_i % (int)COUNTOF(drifts)];
  bool pure = _i >= (int)COUNTOF(drifts);
  Tiny t = tiny_open(both[pure], PENDULUM " env.count=1", "update2", "parts8");
  double ratio[BATCH] = {d->ratio, 1, 1, 1, 1, 1, 1, 1}, a[BATCH], gain = 0, fit = 0, old[BATCH];
  for (uint32_t b = 0; b < BATCH; b++) {
    double size = fabs(d->advantage) < 2 ? 1 : b < 2 ? 2 : 0;
    a[b] = (b % 2 ? -1 : 1) * (d->advantage > 0 ? size : -size);
    gain += ratio[b] * a[b] / BATCH;
    fit += 0.25 * pow(value_at(&t, b) - column(&t, "target")[b], 2) / BATCH;
    old[b] = value_at(&t, b); /* so that no value is clipped */
  }
  ck_assert_double_eq(a[0], d->advantage);
  if (pure) set(&t, "value", old);
  set_ratios(&t, ratio, unmoved_at);
  set(&t, "advantage", a);
  spec_run(t.interp);
  double drift = (metric(&t, "losses/ppo") + gain - fit) * BATCH;
  ck_assert_msg(fabs(drift - d->drift) < 1e-6, "drift %.8f, not %.6f", drift, d->drift);
  spec_close(&t.spec);
}
END_TEST

/* ---- A2C: rows are time and env ---- */

enum { A2C_STEPS = 3, A2C_ENVS = 2, A2C_ROWS = A2C_STEPS * A2C_ENVS };

START_TEST(a2c_is_its_equations) {
  Tiny t = tiny_open("specs/a2c.yaml", "env.count=2 steps=3 hidden=3 entropy_weight=0.1", "update",
                     "rollout");
  const double reward[A2C_ROWS] = {1, 2, 3, 4, 5, 6}, next[A2C_ROWS] = {0.3, 0.4, 8, 0, 7, 3};
  const double terminated[A2C_ROWS] = {0, 0, 0, 1, 0, 0}, truncated[A2C_ROWS] = {0, 0, 1, 0, 0, 0};
  const double value[A2C_ROWS] = {0.1, 0.2, 0.3, 0.4, 0.5, 0.6},
               choice[A2C_ROWS] = {0, 1, 1, 0, 0, 1};
  /* rewards up to the end of the episode or of the rollout, and the value behind it */
  const double g = 0.99;
  const double target[A2C_ROWS] = {1 + g * (3 + g * 8), 2 + g * 4, 3 + g * 8, 4,
                                   5 + g * 7,           6 + g * 3};
  double loss = 0, entropy = 0;
  set(&t, "reward", reward);
  set(&t, "value", value);
  set(&t, "next_value", next);
  set(&t, "terminated", terminated);
  set(&t, "truncated", truncated);
  set(&t, "action", choice);
  spec_run(t.interp);
  for (uint32_t i = 0; i < A2C_ROWS; i++) {
    double log_p[2];
    same(got(&t, "target")[i], target[i], "target");
    entropy += choices_at(&t, i, log_p) / A2C_ROWS;
    loss += 0.5 * pow(value_at(&t, i) - target[i], 2) / A2C_ROWS;
    loss -= (target[i] - value[i]) * log_p[choice[i] > 0.5] / A2C_ROWS;
  }
  same(metric(&t, "a2c/entropy"), entropy, "entropy");
  same(metric(&t, "losses/a2c"), loss - 0.1 * entropy, "loss");
  spec_close(&t.spec);
}
END_TEST

/* ---- REINFORCE ---- */

/* Two environments side by side; the second one's last episode has no end in the rollout. */
START_TEST(reinforce_is_its_equations) {
  enum { ROWS = 10 };
  const char *sizes[] = {"env.count=2 steps=5 hidden=3", "env.count=2 steps=5 hidden=3 baseline=0"};
  Tiny t = tiny_open("specs/reinforce.yaml", sizes[_i], "update", "rollout");
  const double reward[ROWS] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const double terminated[ROWS] = {0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
  const double truncated[ROWS] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 0};
  const double choice[ROWS] = {0, 1, 1, 0, 0, 1, 1, 1, 0, 0}, g = 0.99;
  const double to_go[ROWS] = {1 + g * (3 + g * 5),  2 + g * 4, 3 + g * 5,  4, 5,
                              6 + g * (8 + g * 10), 7 + g * 9, 8 + g * 10, 9, 10};
  const double whole[ROWS] = {1, 1, 1, 1, 1, 0, 1, 0, 1, 0};
  double average = 0, loss = 0;
  set(&t, "reward", reward);
  set(&t, "terminated", terminated);
  set(&t, "truncated", truncated);
  set(&t, "action", choice);
  spec_run(t.interp);
  for (int i = 0; i < ROWS; i++) {
    same(got(&t, "to_go")[i], to_go[i], "to_go");
    same(got(&t, "whole")[i], whole[i], "whole");
    average += whole[i] * to_go[i] / 7;
  }
  for (uint32_t i = 0; i < ROWS; i++)
    loss -= whole[i] * (to_go[i] - (_i ? 0 : average)) * chosen_at(&t, i) / 7;
  same(metric(&t, "policy/average"), average, "average");
  same(metric(&t, "losses/policy"), loss, "loss");
  spec_close(&t.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ppo_spec");
  TCase *tests = tcase_create("ppo_spec");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, advantages_end_where_episodes_do, 0,
                      (int)(COUNTOF(forms) * COUNTOF(ends)));
  tcase_add_test(tests, time_limits_bootstrap_and_ends_do_not);
  tcase_add_test(tests, ppo_is_its_equations);
  tcase_add_test(tests, entropy_is_a_bonus);
  tcase_add_test(tests, clipped_rows_have_no_gradient);
  tcase_add_test(tests, the_code_clips_values);
  tcase_add_test(tests, one_length_bounds_both_networks);
  tcase_add_test(tests, rates_fall);
  tcase_add_test(tests, actions_are_clipped_on_their_way);
  tcase_add_test(tests, ppo_with_choices_is_its_equations);
  tcase_add_test(tests, the_code_clips_values_with_choices);
  tcase_add_test(tests, rpo_moves_the_mean);
  tcase_add_loop_test(tests, dpo_takes_its_drift_off, 0, 2 * (int)COUNTOF(drifts));
  tcase_add_test(tests, a2c_is_its_equations);
  tcase_add_loop_test(tests, reinforce_is_its_equations, 0, 2);
  return suite_run(suite);
}
