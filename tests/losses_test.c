/* The losses of SAC and ReMAC on a tiny example, against their equations computed by hand here, in
 * the order of their steps: what each loss sees of the one before. */
#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { SEED = 20261121 };

static double choose(int n, int k) {
  double c = n < k ? 0 : 1;
  for (int i = 1; i <= k && n >= k; i++) c = c * (n - k + i) / i; /* whole at every step */
  return c;
}

/* log(1 - tanh(x)^2) = -2 log cosh x, from exponentials of both signs. */
static double log_slope(double x) {
  double a = fabs(x);
  return -2 * (a + log1p(exp(-2 * a)) - log(2));
}

static double log_normal(double x, double m, double s) {
  return -0.5 * pow((x - m) / s, 2) - log(s * sqrt(2 * M_PI));
}

enum { HIDDEN = 3, BATCH = 4, MAX_ACT = 2, MAX_OBS = 8, MAX_DRAWS = 8 };

/* One update: slots before and after it, and the noise it drew. */
typedef struct Tiny {
  Spec spec;
  double **before, **after; /* by slot */
  double *noise[2]; /* [batch][try][act] of the loss that descends first and of the second */
  uint32_t obs, act;
  double half; /* of the action box, around 0 */
} Tiny;

static double *values_of(const Tiny *t, double **slots, const char *name) {
  return slots[spec_slot(&t->spec, name)];
}

/* Normal draws from the uniform words of the update, draws in the order in which losses descend. */
static void tiny_noise(Tiny *t, Interp *interp) {
  Node **nodes;
  Module *module = t->spec.module;
  size_t program = spec_program(&t->spec, "update"), found = 0;
  size_t count = module_reach(module, &module->programs[program], t->spec.arena, &nodes);
  const Node *words[4] = {NULL};
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_uniform) {
      ck_assert_uint_lt(found, 4);
      words[found++] = nodes[i];
    }
  ck_assert_uint_eq(found, 4);
  for (int d = 0; d < 2; d++) {
    uint64_t size = axes_extent(t->spec.graph, words[2 * d]->axes);
    const double *u = interp_value(interp, words[2 * d]);
    const double *v = interp_value(interp, words[2 * d + 1]);
    ck_assert_int_eq(words[2 * d]->attr.word, 0);
    ck_assert(words[2 * d]->attr.key == words[2 * d + 1]->attr.key);
    t->noise[d] = NEW_ARRAY(t->spec.arena, double, size);
    for (uint64_t i = 0; i < size; i++)
      t->noise[d][i] = sqrt(-2 * log(u[i])) * cos(2 * M_PI * v[i]);
  }
}

static Tiny tiny_open(Spec spec) {
  Tiny t = {.spec = spec};
  const RlcModule *shell = &t.spec.module->shell;
  t.obs = shell->obs_dim, t.act = shell->act_dim, t.half = shell->act_high;
  spec_passes(&t.spec, "grad");
  Graph *graph = t.spec.graph;
  t.before = gradcheck_point(t.spec.arena, t.spec.module, SEED);
  t.after = NEW_ARRAY(t.spec.arena, double *, graph->slot_count);
  Interp *interp = interp_make(t.spec.arena, t.spec.module, spec_program(&t.spec, "update"), true);
  for (uint32_t s = 0; s < graph->slot_count; s++) interp_set(interp, s, t.before[s]);
  interp_draws(interp, SEED, 5);
  spec_run(interp);
  for (uint32_t s = 0; s < graph->slot_count; s++)
    t.after[s] = spec_get(&t.spec, interp, graph->slots[s].name);
  tiny_noise(&t, interp);
  return t;
}

/* out[j] = relu(bias[j] + sum_i in[i] w[i][j]) */
static void layer(const double *in, uint32_t count, const double *w, const double *b, double *out) {
  for (int j = 0; j < HIDDEN; j++) {
    double z = b[j];
    for (uint32_t i = 0; i < count; i++) z += in[i] * w[i * HIDDEN + (uint32_t)j];
    out[j] = fmax(z, 0);
  }
}

/* Draws an action at `obs` with this noise; returns its log-probability. */
static double policy(const Tiny *t, double **slots, const double *obs, const double *noise,
                     double *action) {
  double h1[HIDDEN], h2[HIDDEN], log_prob = 0;
  layer(obs, t->obs, values_of(t, slots, "actor.dense1.w"), values_of(t, slots, "actor.dense1.b"),
        h1);
  layer(h1, HIDDEN, values_of(t, slots, "actor.dense2.w"), values_of(t, slots, "actor.dense2.b"),
        h2);
  for (uint32_t d = 0; d < t->act; d++) {
    double mean = values_of(t, slots, "actor.mean.dense1.b")[d];
    double l = values_of(t, slots, "actor.log_std.dense1.b")[d];
    for (uint32_t j = 0; j < HIDDEN; j++) {
      mean += h2[j] * values_of(t, slots, "actor.mean.dense1.w")[d * HIDDEN + j];
      l += h2[j] * values_of(t, slots, "actor.log_std.dense1.w")[d * HIDDEN + j];
    }
    double std = exp(fmin(fmax(l, -5), 2)), x = mean + std * noise[d];
    action[d] = t->half * tanh(x);
    log_prob += log_normal(x, mean, std) - log_slope(x) - log(t->half);
  }
  return log_prob;
}

/* Q of one twin; `prefix` is "critic" or "slow.critic". */
static double critic(const Tiny *t, double **slots, const char *prefix, uint32_t twin,
                     const double *obs, const double *action) {
  char name[64];
#define PART(part) (snprintf(name, sizeof name, "%s." part, prefix), values_of(t, slots, name))
  double h1[HIDDEN], h2[HIDDEN], with_action[HIDDEN];
  for (uint32_t j = 0; j < HIDDEN; j++) {
    with_action[j] = PART("dense1.b")[twin * HIDDEN + j];
    for (uint32_t d = 0; d < t->act; d++)
      with_action[j] += action[d] * PART("dense1.w.action")[(twin * t->act + d) * HIDDEN + j];
  }
  layer(obs, t->obs, PART("dense1.w.obs") + twin * t->obs * HIDDEN, with_action, h1);
  layer(h1, HIDDEN, PART("dense2.w") + twin * HIDDEN * HIDDEN, PART("dense2.b") + twin * HIDDEN,
        h2);
  double q = PART("dense3.b")[twin];
  for (uint32_t j = 0; j < HIDDEN; j++) q += h2[j] * PART("dense3.w")[twin * HIDDEN + j];
#undef PART
  return q;
}

static double smaller_critic(const Tiny *t, double **slots, const char *prefix, const double *obs,
                             const double *action) {
  return fmin(critic(t, slots, prefix, 0, obs, action), critic(t, slots, prefix, 1, obs, action));
}

/* The critic's loss with targets from `actor` at the next observations. */
static double critic_loss(const Tiny *t, double **actor, const double *noise, double alpha) {
  const double *obs = values_of(t, t->before, "replay.obs");
  const double *next = values_of(t, t->before, "replay.next_obs");
  double loss = 0, action[MAX_ACT];
  for (uint32_t b = 0; b < BATCH; b++) {
    double log_prob = policy(t, actor, next + b * t->obs, noise + b * t->act, action);
    double v = smaller_critic(t, t->before, "slow.critic", next + b * t->obs, action);
    double y =
        values_of(t, t->before, "replay.reward")[b] +
        0.99 * (1 - values_of(t, t->before, "replay.terminated")[b]) * (v - alpha * log_prob);
    for (uint32_t twin = 0; twin < 2; twin++) {
      double q = critic(t, t->before, "critic", twin, obs + b * t->obs,
                        values_of(t, t->before, "replay.action") + b * t->act);
      loss += 0.5 * (q - y) * (q - y) / BATCH;
    }
  }
  return loss;
}

static double metric(const Tiny *t, const char *name) {
  char slot[64];
  snprintf(slot, sizeof slot, "metric.%s", name);
  return *values_of(t, t->after, slot);
}

static void same(double found, double exact, const char *what) {
  ck_assert_msg(fixture_near(found, exact, 1e-12), "%s: %.17g, not %.17g", what, found, exact);
}

static const char *const tiny_sac[] = {
    "env=Pendulum-v1 hidden=3 batch_size=4 lr=0.01 target_entropy=-1",
    "env=Swimmer-v5 hidden=3 batch_size=4 lr=0.01 target_entropy=-2"};

/* The actor's loss sees the critic after its step, the temperature's the actor's values from before
 * its own; both use alpha from before its step; the target moves last, towards the new critic. */
START_TEST(sac_is_its_equations_in_order) {
  Tiny t = tiny_open(spec_open("specs/sac.yaml", tiny_sac[_i]));
  double alpha = exp(*values_of(&t, t.before, "log_alpha")), actor = 0, stale = 0, entropy = 0;
  same(metric(&t, "losses/critic"), critic_loss(&t, t.before, t.noise[0], alpha), "critic");
  for (uint32_t b = 0; b < BATCH; b++) {
    const double *obs = values_of(&t, t.before, "replay.obs") + b * t.obs;
    double a[MAX_ACT], log_prob = policy(&t, t.before, obs, t.noise[1] + b * t.act, a);
    actor += (alpha * log_prob - smaller_critic(&t, t.after, "critic", obs, a)) / BATCH;
    stale += (alpha * log_prob - smaller_critic(&t, t.before, "critic", obs, a)) / BATCH;
    entropy -= log_prob / BATCH;
  }
  same(metric(&t, "losses/actor"), actor, "actor");
  ck_assert_msg(fabs(actor - stale) > 1e-6, "the critic's step does not show");
  same(metric(&t, "actor/entropy"), entropy, "entropy");
  same(metric(&t, "losses/temperature"), -alpha * (-entropy - (double)t.act), "temperature");
  const double *w = values_of(&t, t.after, "critic.dense2.w");
  for (int i = 0; i < 2 * HIDDEN * HIDDEN; i++) {
    double old = values_of(&t, t.before, "slow.critic.dense2.w")[i];
    same(values_of(&t, t.after, "slow.critic.dense2.w")[i], old + 0.005 * (w[i] - old), "slow");
  }
  spec_close(&t.spec);
}
END_TEST

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* ReMAC's losses; with `actor_first`, as its paper orders them, the critic's target is from the
 * actor after its step and the actor sees the critic from before. */
static void check_remac(Tiny *t, bool actor_first, int k, int m) {
  double **seen_actor = actor_first ? t->after : t->before;
  double **seen_critic = actor_first ? t->before : t->after, loss = 0;
  const double *critics = t->noise[actor_first], *actors = t->noise[!actor_first];
  same(metric(t, "losses/critic"), critic_loss(t, seen_actor, critics, 0), "critic");
  for (uint32_t b = 0; b < BATCH; b++) {
    const double *obs = values_of(t, t->before, "replay.obs") + b * t->obs;
    double q[MAX_DRAWS], a[MAX_ACT];
    for (int i = 0; i < m; i++) {
      policy(t, t->before, obs, actors + (b * (uint32_t)m + (uint32_t)i) * t->act, a);
      q[i] = smaller_critic(t, seen_critic, "critic", obs, a);
    }
    qsort(q, (size_t)m, sizeof *q, ascending);
    for (int i = 0; i < m; i++) loss -= choose(i, k - 1) / choose(m, k) * q[i] / BATCH;
  }
  same(metric(t, "losses/actor"), loss, "actor");
}

START_TEST(remac_is_its_equations_in_order) {
  Tiny t = tiny_open(
      spec_open("specs/remac.yaml", "env=Swimmer-v5 hidden=3 batch_size=4 lr=0.01 K=3 M=6"));
  check_remac(&t, false, 3, 6);
  spec_close(&t.spec);
}
END_TEST

/* `descend: [actor, critic]`, as the paper orders them: the actor's loss sees the critic from
 * before, the critic's target the actor after its step. */
START_TEST(the_order_of_descend_is_the_order_of_steps) {
  Tiny t = tiny_open(spec_text("extends: " RLC_ROOT "/specs/remac.yaml\n"
                               "env: Swimmer-v5\n"
                               "constants: {hidden: 3, batch_size: 4, lr: 0.01, K: 2, M: 5}\n"
                               "loop:\n"
                               "  - collect: 1\n"
                               "  - sample: replay\n"
                               "  - descend: [actor, critic]\n"
                               "  - set: {slow: \"blend(slow, critic, tau)\"}\n",
                               ""));
  check_remac(&t, true, 2, 5);
  spec_close(&t.spec);
}
END_TEST

/* ---- each evaluation draws anew ---- */

/* The streams of a program's draws, each once; returns how many. */
static size_t streams_of(const Spec *spec, const char *name, uint64_t *streams, size_t limit) {
  Node **nodes;
  size_t found = 0, program = spec_program(spec, name);
  size_t count = module_reach(spec->module, &spec->module->programs[program], spec->arena, &nodes);
  for (size_t i = 0; i < count; i++) {
    bool known = nodes[i]->op != OP_uniform;
    for (size_t k = 0; k < found; k++) known = known || streams[k] == nodes[i]->attr.key;
    if (known) continue;
    ck_assert_uint_lt(found, limit);
    streams[found++] = nodes[i]->attr.key;
  }
  return found;
}

static size_t streams_with(const char *loop, uint64_t *streams, size_t limit) {
  char text[512];
  snprintf(text, sizeof text,
           "extends: " RLC_ROOT "/specs/sac.yaml\n"
           "env: Swimmer-v5\n"
           "constants: {hidden: 3, batch_size: 4}\n"
           "loop:\n"
           "  - collect: 1\n"
           "  - sample: replay\n"
           "%s",
           loop);
  Spec spec = spec_text(text, "");
  size_t count = streams_of(&spec, "update", streams, limit);
  spec_close(&spec);
  return count;
}

/* A loss descended twice in one program draws twice; the first time as if it stood alone. A target
 * set twice does the same. */
START_TEST(a_second_evaluation_draws_anew) {
  uint64_t once[8], twice[8], sets[8];
  ck_assert_uint_eq(streams_with("  - descend: all\n", once, 8), 2);
  ck_assert_uint_eq(streams_with("  - descend: all\n  - descend: critic\n", twice, 8), 3);
  for (int i = 0; i < 2; i++) {
    bool kept = false;
    for (int k = 0; k < 3; k++) kept = kept || twice[k] == once[i];
    ck_assert_msg(kept, "the draws of a first descent are those without a second");
  }
  ck_assert_uint_eq(
      streams_with("  - set: {log_alpha: \"log_alpha + mean[batch](normal_noise[])\"}\n"
                   "  - set: {log_alpha: \"log_alpha + mean[batch](normal_noise[])\"}\n"
                   "  - descend: all\n",
                   sets, 8),
      4);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("losses");
  TCase *tests = tcase_create("losses");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, sac_is_its_equations_in_order, 0, (int)COUNTOF(tiny_sac));
  tcase_add_test(tests, remac_is_its_equations_in_order);
  tcase_add_test(tests, the_order_of_descend_is_the_order_of_steps);
  tcase_add_test(tests, a_second_evaluation_draws_anew);
  return suite_run(suite);
}
