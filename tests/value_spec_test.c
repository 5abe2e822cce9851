/* Values of finitely many choices on given numbers: DQN and its variants, PQN's targets, discrete
 * SAC, against their equations computed by hand here and the sheet's vectors; and the faults of
 * reference codes that these specs do not have. */
#include "tests/offpolicy_fixture.h"

enum { BATCH = 8, OBS = 4, CHOICES = 2, TWINS = 2 };

static const double ends[BATCH] = {0, 1, 0, 0, 1, 0, 0, 0};
static const double actions[BATCH] = {0, 1, 1, 0, 0, 1, 0, 1};

static int best(const double *q) { return q[1] > q[0]; }

static const double *row(const Tiny *t, const char *column, int b) {
  return tiny_before(t, column) + b * OBS;
}

/* ---- DQN and its variants ---- */

#define TINY "first_hidden=6 second_hidden=5 batch_size=8 environments=1"

/* What network `name` ("critic" or "slow.critic") says of the choices. */
static void values(const Tiny *t, const char *name, const double *obs, bool dueling, double *q) {
  if (!dueling) {
    tiny_network(t, name, 0, 1, obs, NULL, q);
    return;
  }
  double value, mean;
  tiny_head(t, name, "value", 0, 1, obs, NULL, &value);
  tiny_head(t, name, "advantage", 0, 1, obs, NULL, q);
  mean = 0.5 * (q[0] + q[1]);
  for (int a = 0; a < CHOICES; a++) q[a] += value - mean;
}

static double huber(double x, double bound) {
  return fabs(x) <= bound ? 0.5 * x * x : bound * (fabs(x) - 0.5 * bound);
}

typedef struct Kind {
  const char *path;
  bool doubled, dueling;
} Kind;

static const Kind kinds[] = {{"specs/dqn.yaml", false, false},
                             {"specs/double_dqn.yaml", true, false},
                             {"specs/dueling_dqn.yaml", true, true}};

/* With bounds on the error that all, some and none of the rows meet. */
static const char *const bounds[] = {"0.01", "1", "100"};

/* Chooses by the copy itself, or (double) by the network that learns; `other` counts the rows in
 * which these differ; nothing follows the rows of `over`. */
static double q_loss(const Tiny *t, const Kind *kind, const double *over, double bound,
                     int *other) {
  double loss = 0;
  for (int b = 0; b < BATCH; b++) {
    double q[CHOICES], chooses[CHOICES], judges[CHOICES];
    values(t, "critic", row(t, "replay.obs", b), kind->dueling, q);
    values(t, "critic", row(t, "replay.next_obs", b), kind->dueling, chooses);
    values(t, "slow.critic", row(t, "replay.next_obs", b), kind->dueling, judges);
    *other += best(chooses) != best(judges);
    double next = judges[best(kind->doubled ? chooses : judges)];
    double y = tiny_before(t, "replay.reward")[b] + 0.99 * (1 - over[b]) * next;
    loss += huber(y - q[(int)actions[b]], bound) / BATCH;
  }
  return loss;
}

START_TEST(q_learning_follows_its_equation) {
  const Kind *kind = &kinds[_i / (int)COUNTOF(bounds)];
  const char *bound = bounds[_i % (int)COUNTOF(bounds)];
  Arena *arena = arena_make();
  int other = 0;
  Tiny t = tiny_open(kind->path, arena_printf(arena, TINY " error_bound=%s", bound), "update");
  tiny_set(&t, "replay.terminated", ends);
  tiny_set(&t, "replay.action", actions);
  /* a copy that likes the other choice */
  const char *bias = kind->dueling ? "slow.critic.advantage.dense1.b" : "slow.critic.dense3.b";
  double leaning[CHOICES] = {0.3, -0.3};
  tiny_set(&t, bias, leaning);
  spec_run(t.interp);
  tiny_same(tiny_metric(&t, "losses/critic"), q_loss(&t, kind, ends, atof(bound), &other),
            kind->path);
  ck_assert_int_gt(other, 0);
  ck_assert(!tiny_has(&t, "replay.truncated")); /* a time limit bootstraps */
  spec_close(&t.spec);
  arena_free(arena);
}
END_TEST

/* In rejax a time limit is an end; errors are squared. */
START_TEST(rejax_ends_at_a_time_limit) {
  static const Kind kind = {"rejax", true, true};
  static const char text[] = "name: rejax\nextends: " RLC_ROOT "/specs/dueling_dqn_rejax.yaml\n"
                             "networks:\n  critic:\n"
                             "    layers: dense(first_hidden), relu, dense(second_hidden), relu\n";
  static const double limits[BATCH] = {0, 0, 1, 0, 1, 0, 0, 1},
                      over[BATCH] = {0, 1, 1, 0, 1, 0, 0, 1};
  int other = 0;
  Tiny t = tiny_of(spec_text(text, TINY), "update");
  tiny_set(&t, "replay.terminated", ends);
  tiny_set(&t, "replay.truncated", limits);
  tiny_set(&t, "replay.action", actions);
  spec_run(t.interp);
  tiny_same(tiny_metric(&t, "losses/critic"), q_loss(&t, &kind, over, INFINITY, &other), "loss");
  spec_close(&t.spec);
}
END_TEST

/* The advantages' mean is taken off: a constant on all of them changes no value. */
START_TEST(dueling_values_ignore_a_common_advantage) {
  double loss[2];
  for (int i = 0; i < 2; i++) {
    Tiny t = tiny_open("specs/dueling_dqn.yaml", TINY, "update");
    double *bias = tiny_before(&t, "critic.advantage.dense1.b");
    for (int a = 0; a < CHOICES; a++) bias[a] += 3 * i;
    tiny_set(&t, "critic.advantage.dense1.b", bias);
    spec_run(t.interp);
    loss[i] = tiny_metric(&t, "losses/critic");
    spec_close(&t.spec);
  }
  tiny_same(loss[1], loss[0], "loss");
}
END_TEST

START_TEST(the_copy_is_hard) {
  Tiny t = tiny_open("specs/dqn.yaml", TINY, "update2");
  spec_run(t.interp);
  static const char *const tensors[] = {"critic.dense1.w", "critic.dense3.b"};
  for (size_t i = 0; i < COUNTOF(tensors); i++) {
    const char *slow = arena_printf(t.spec.arena, "slow.%s", tensors[i]);
    for (uint64_t k = 0; k < tiny_size(&t, slow); k++) {
      ck_assert(tiny_got(&t, slow)[k] == tiny_before(&t, tensors[i])[k]);
      ck_assert(tiny_got(&t, slow)[k] != tiny_before(&t, slow)[k]);
    }
  }
  spec_close(&t.spec);
}
END_TEST

/* How often an action is not the best, over 4,000 environments. */
static double strayed(const char *path, const char *overrides, double progress) {
  Tiny t = tiny_open(path, overrides, "explore");
  int count = 0;
  tiny_fill(&t, "counter.progress", progress);
  spec_run(t.interp);
  for (int e = 0; e < 4000; e++) {
    double q[CHOICES];
    tiny_network(&t, "critic", 0, 1, row(&t, "act.obs", e), NULL, q);
    count += (int)tiny_got(&t, "act.action")[e] != best(q);
  }
  spec_close(&t.spec);
  return count / 4000.0;
}

/* Epsilon falls linearly over a share of the run, and stays: of two choices, half of it strays. */
static const double epsilons[][2] = {{0, 1}, {0.125, 0.525}, {0.25, 0.05}, {0.9, 0.05}};

START_TEST(epsilon_falls) {
  double half = epsilons[_i][1] / 2;
  double found = strayed("specs/dqn.yaml", "environments=4000 first_hidden=4 second_hidden=4",
                         epsilons[_i][0]);
  ck_assert_msg(fabs(found - half) < 4 * sqrt(half * (1 - half) / 4000), "%g, not %g", found, half);
}
END_TEST

/* ---- PQN ---- */

enum { STEPS = 4 };

typedef struct Path {
  double reward[STEPS], terminated[STEPS], truncated[STEPS], behind[STEPS];
} Path;

/* The sheet's vector: values 3, 2.5, 2, 1.5 of the rows' own observations and 1 behind the last. */
static const Path golden = {{1, 0, 2, 0.5}, {0}, {0}, {2.5, 2, 1.5, 1}};

/* The targets of a rollout whose best values behind each step are `behind`. */
static double *targets(const char *path, const Path *p, Arena *arena) {
  const char *text = arena_printf(arena,
                                  "name: linear\nextends: %s/%s\n"
                                  "networks:\n  critic: {layers: 'dense[choice]'}\n",
                                  RLC_ROOT, path);
  Tiny t = tiny_of(spec_text(text, "env.reward_scale=1 environments=1 steps=4 parts=1 lambda=0.65"),
                   "update");
  const double weights[CHOICES][OBS] = {{1, 0, 0, 0}, {1, -1, 0, 0}};
  double *obs = tiny_before(&t, "rollout.next_obs");
  for (int k = 0; k < STEPS; k++) {
    obs[k * OBS] = p->behind[k];
    obs[k * OBS + 1] = 0.5 + k; /* the second choice is worse by this */
  }
  tiny_set(&t, "rollout.next_obs", obs);
  tiny_set(&t, "critic.dense1.w", &weights[0][0]);
  tiny_fill(&t, "critic.dense1.b", 0);
  tiny_set(&t, "rollout.reward", p->reward);
  tiny_set(&t, "rollout.terminated", p->terminated);
  tiny_set(&t, "rollout.truncated", p->truncated);
  spec_run(t.interp);
  double *found = NEW_ARRAY(arena, double, STEPS);
  memcpy(found, tiny_got(&t, "rollout.target"), STEPS * sizeof *found);
  spec_close(&t.spec);
  return found;
}

START_TEST(pqn_targets_are_the_sheets) {
  static const double exact[2][STEPS] = {{3.752642, 2.931457, 3.478565, 1.49},
                                         {3.680901, 2.819970, 3.305315, 1.49}};
  Arena *arena = arena_make();
  const double *found = targets(_i ? "specs/pqn_purejaxql.yaml" : "specs/pqn.yaml", &golden, arena);
  for (int k = 0; k < STEPS; k++)
    ck_assert_msg(fabs(found[k] - exact[_i][k]) < 5e-7, "row %d: %.7f", k, found[k]);
  arena_free(arena);
}
END_TEST

/* Q(lambda) written as its sum: lambda^n of every further step, (1 - lambda) of every bootstrap on
 * the way, all of it where the rollout or a time limit cuts. */
static double q_lambda(const Path *p, int k) {
  const double gamma = 0.99, lambda = 0.65;
  if (p->terminated[k]) return p->reward[k];
  double carried = p->behind[k];
  if (k < STEPS - 1 && !p->truncated[k])
    carried = lambda * q_lambda(p, k + 1) + (1 - lambda) * carried;
  return p->reward[k] + gamma * carried;
}

START_TEST(pqn_ends_where_episodes_do) {
  for (int pattern = 0; pattern < 1 << (2 * STEPS); pattern++) { /* of ends of two kinds */
    Arena *arena = arena_make();
    Path p = golden;
    for (int k = 0; k < STEPS; k++) {
      p.terminated[k] = (pattern >> k) & 1;
      p.truncated[k] = (pattern >> (STEPS + k)) & 1;
    }
    const double *found = targets("specs/pqn.yaml", &p, arena);
    for (int k = 0; k < STEPS; k++) tiny_same(found[k], q_lambda(&p, k), "target");
    arena_free(arena);
  }
}
END_TEST

/* A time limit in the authors' code ends what is to come; here its value counts. */
START_TEST(pqn_bootstraps_at_a_time_limit) {
  Arena *arena = arena_make();
  Path p = golden;
  p.truncated[3] = 1;
  tiny_same(targets("specs/pqn.yaml", &p, arena)[3], 0.5 + 0.99, "here");
  tiny_same(targets("specs/pqn_purejaxql.yaml", &p, arena)[3], 0.5, "there");
  arena_free(arena);
}
END_TEST

START_TEST(pqn_loss_is_half_the_square) {
  Tiny t = tiny_open("specs/pqn.yaml", "environments=2 steps=8 parts=2 hidden=6", "update2");
  double loss = 0;
  tiny_set(&t, "parts8.action", actions);
  spec_run(t.interp);
  for (int b = 0; b < BATCH; b++) {
    double q[CHOICES];
    tiny_network(&t, "critic", 0, 1, row(&t, "parts8.obs", b), NULL, q);
    double error = q[(int)actions[b]] - tiny_before(&t, "parts8.target")[b];
    loss += 0.5 * error * error / BATCH;
  }
  tiny_same(tiny_metric(&t, "losses/critic"), loss, "loss");
  spec_close(&t.spec);
}
END_TEST

/* ---- discrete SAC ---- */

#define SOFT "hidden=5 batch_size=8"

static double log_policy(const Tiny *t, const double *obs, double *log_p) {
  double z[CHOICES];
  tiny_network(t, "actor", 0, 1, obs, NULL, z);
  double total = log(exp(z[0]) + exp(z[1]));
  for (int a = 0; a < CHOICES; a++) log_p[a] = z[a] - total;
  return -exp(log_p[0]) * log_p[0] - exp(log_p[1]) * log_p[1];
}

static void twin_values(const Tiny *t, const char *name, const double *obs,
                        double q[TWINS][CHOICES], double *least) {
  for (uint32_t c = 0; c < TWINS; c++) tiny_network(t, name, c, TWINS, obs, NULL, q[c]);
  for (int a = 0; a < CHOICES; a++) least[a] = fmin(q[0][a], q[1][a]);
}

static Tiny soft_open(const char *overrides) {
  Tiny t = tiny_open("specs/sac_discrete.yaml", overrides, "update");
  tiny_set(&t, "replay.terminated", ends);
  tiny_set(&t, "replay.action", actions);
  tiny_fill(&t, "log_alpha", -0.7);
  spec_run(t.interp);
  return t;
}

/* Every expectation over the policy is a sum: no draw in the whole update. */
START_TEST(discrete_sac_critic) {
  Tiny t = soft_open(SOFT);
  double loss = 0, alpha = exp(-0.7);
  for (int b = 0; b < BATCH; b++) {
    double log_p[CHOICES], q[TWINS][CHOICES], least[CHOICES], v = 0;
    log_policy(&t, row(&t, "replay.next_obs", b), log_p);
    twin_values(&t, "slow.critic", row(&t, "replay.next_obs", b), q, least);
    for (int a = 0; a < CHOICES; a++) v += exp(log_p[a]) * (least[a] - alpha * log_p[a]);
    double y = tiny_before(&t, "replay.reward")[b] + 0.99 * (1 - ends[b]) * v;
    twin_values(&t, "critic", row(&t, "replay.obs", b), q, least);
    for (int c = 0; c < TWINS; c++) loss += 0.5 * pow(q[c][(int)actions[b]] - y, 2) / BATCH;
  }
  tiny_same(tiny_metric(&t, "losses/critic"), loss, "critic");
  ck_assert_ptr_null(tiny_normal(&t));
  ck_assert(!tiny_has(&t, "replay.truncated"));
  spec_close(&t.spec);
}
END_TEST

/* The actor's loss sees the critics behind their step; the temperature the policy before its own.
 */
START_TEST(discrete_sac_actor_and_temperature) {
  Tiny t = soft_open(SOFT);
  for (uint32_t s = 0; s < t.spec.graph->slot_count; s++)
    if (strncmp(t.spec.graph->slots[s].name, "critic.dense", 12) == 0)
      t.before[s] = tiny_got(&t, t.spec.graph->slots[s].name);
  double actor = 0, temperature = 0, entropy = 0, alpha = exp(-0.7), aim = 0.5 * log(CHOICES);
  for (int b = 0; b < BATCH; b++) {
    double log_p[CHOICES], q[TWINS][CHOICES], least[CHOICES];
    double h = log_policy(&t, row(&t, "replay.obs", b), log_p);
    twin_values(&t, "critic", row(&t, "replay.obs", b), q, least);
    for (int a = 0; a < CHOICES; a++)
      actor += exp(log_p[a]) * (alpha * log_p[a] - least[a]) / BATCH;
    temperature += alpha * (h - aim) / BATCH;
    entropy += h / BATCH;
  }
  tiny_same(tiny_metric(&t, "losses/actor"), actor, "actor");
  tiny_same(tiny_metric(&t, "actor/entropy"), entropy, "entropy");
  tiny_same(tiny_metric(&t, "losses/temperature"), temperature, "temperature");
  spec_close(&t.spec);
}
END_TEST

/* Adam's first step is a step of the rate against the sign: the temperature falls while the entropy
 * is above its aim, and rises below it. */
START_TEST(discrete_sac_steers_the_entropy) {
  Tiny t = soft_open(_i ? SOFT " target_entropy=0.01" : SOFT " target_entropy=0.69314");
  double moved = *tiny_got(&t, "log_alpha") + 0.7;
  ck_assert_msg(fabs(fabs(moved) - 3e-4) < 1e-6, "moved by %g", moved);
  ck_assert((moved < 0) == _i);
  spec_close(&t.spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("value_spec");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 60);
  tcase_add_loop_test(tcase, q_learning_follows_its_equation, 0,
                      (int)(COUNTOF(kinds) * COUNTOF(bounds)));
  tcase_add_test(tcase, rejax_ends_at_a_time_limit);
  tcase_add_test(tcase, dueling_values_ignore_a_common_advantage);
  tcase_add_test(tcase, the_copy_is_hard);
  tcase_add_loop_test(tcase, epsilon_falls, 0, (int)COUNTOF(epsilons));
  tcase_add_loop_test(tcase, pqn_targets_are_the_sheets, 0, 2);
  tcase_add_test(tcase, pqn_ends_where_episodes_do);
  tcase_add_test(tcase, pqn_bootstraps_at_a_time_limit);
  tcase_add_test(tcase, pqn_loss_is_half_the_square);
  tcase_add_test(tcase, discrete_sac_critic);
  tcase_add_test(tcase, discrete_sac_actor_and_temperature);
  tcase_add_loop_test(tcase, discrete_sac_steers_the_entropy, 0, 2);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
