/* TD3, DDPG and FastTD3 on given numbers: targets with smoothed actions, the losses, what moves
 * when, returns over windows and the projection onto a support, against their equations computed by
 * hand here; and the faults of reference codes that these specs do not have. */
#include "tests/offpolicy_fixture.h"
#include "tests/spec_code.h"

#include "runtime/training.h"

enum { BATCH = 8, OBS = 3, TWINS = 2, MOST_AHEAD = 3, MOST_ATOMS = 16 };

static const double HALF = 2; /* of Pendulum's box around 0 */

static const double ends[BATCH] = {0, 1, 0, 0, 1, 0, 0, 0};

/* ---- TD3 and DDPG ---- */

#define TINY "env=Pendulum-v1 hidden=5 batch_size=8 warmup=2"

static double q_value(const Tiny *t, const char *name, uint32_t copy, uint32_t copies,
                      const double *obs, double action) {
  double q;
  ck_assert_uint_eq(tiny_network(t, name, copy, copies, obs, &action, &q), 1);
  return q;
}

static double action_of(const Tiny *t, const char *name, const double *obs) {
  double raw;
  tiny_network(t, name, 0, 1, obs, NULL, &raw);
  return HALF * tanh(raw);
}

/* The mean over the batch of the squared errors, summed over `copies` critics; `nudge` of the
 * target's action per row. `bounded` counts the rows whose action was cut at the box. */
static double critic_loss(const Tiny *t, uint32_t copies, const double *nudge, int *bounded) {
  double loss = 0;
  for (int b = 0; b < BATCH; b++) {
    const double *next_obs = tiny_before(t, "replay.next_obs") + b * OBS;
    double wanted = action_of(t, "slow.actor", next_obs) + (nudge ? nudge[b] : 0);
    double next = clamp(wanted, -HALF, HALF), least = INFINITY;
    *bounded += next != wanted;
    for (uint32_t c = 0; c < copies; c++)
      least = fmin(least, q_value(t, "slow.critic", c, copies, next_obs, next));
    double y = tiny_before(t, "replay.reward")[b] + 0.99 * (1 - ends[b]) * least;
    for (uint32_t c = 0; c < copies; c++)
      loss += pow(q_value(t, "critic", c, copies, tiny_before(t, "replay.obs") + b * OBS,
                          tiny_before(t, "replay.action")[b]) -
                      y,
                  2) /
              BATCH;
  }
  return loss;
}

/* The mean value of the actor's own actions under critic `copy`. */
static double actor_value(const Tiny *t, uint32_t copy, uint32_t copies) {
  double value = 0;
  for (int b = 0; b < BATCH; b++) {
    const double *obs = tiny_before(t, "replay.obs") + b * OBS;
    value += q_value(t, "critic", copy, copies, obs, action_of(t, "actor", obs)) / BATCH;
  }
  return value;
}

/* With the spec's deviation, and with one so large that most noises meet the bound. */
START_TEST(td3_smooths_the_targets_action) {
  double smoothing = _i ? 2 : 0.2;
  Tiny t = tiny_open("specs/td3.yaml", _i ? TINY " smoothing=2" : TINY, "update");
  double *pull = tiny_before(&t, "slow.actor.dense3.b"), nudge[BATCH];
  pull[0] += 0.7; /* towards the box's edge */
  tiny_set(&t, "slow.actor.dense3.b", pull);
  tiny_set(&t, "replay.terminated", ends);
  spec_run(t.interp);
  const double *noise = tiny_normal(&t);
  int at_bound = 0, at_box = 0;
  for (int b = 0; b < BATCH; b++) {
    at_bound += fabs(smoothing * noise[b]) > 0.5;
    nudge[b] = HALF * clamp(smoothing * noise[b], -0.5, 0.5);
  }
  tiny_same(tiny_metric(&t, "losses/critic"), critic_loss(&t, TWINS, nudge, &at_box), "critic");
  ck_assert_int_eq(at_bound > 0, _i);
  if (_i) ck_assert_int_gt(at_box, 0);
  spec_close(&t.spec);
}
END_TEST

/* The actor climbs the first critic alone, whether the second is above or below; the copies follow
 * by tau. */
START_TEST(td3_climbs_the_first_critic) {
  Tiny t = tiny_open("specs/td3.yaml", TINY, "update2");
  double *second = tiny_before(&t, "critic.dense3.b");
  second[1] += _i ? 5 : -5;
  tiny_set(&t, "critic.dense3.b", second);
  spec_run(t.interp);
  tiny_same(tiny_metric(&t, "losses/actor"), actor_value(&t, 0, TWINS), "actor");
  static const char *const tensors[] = {"actor.dense1.w", "actor.dense3.b", "critic.dense2.w"};
  for (size_t i = 0; i < COUNTOF(tensors); i++) {
    const char *slow = arena_printf(t.spec.arena, "slow.%s", tensors[i]);
    for (uint64_t k = 0; k < tiny_size(&t, slow); k++) {
      double old = tiny_before(&t, slow)[k], now = tiny_got(&t, tensors[i])[k];
      tiny_same(tiny_got(&t, slow)[k], old + 0.005 * (now - old), slow);
    }
  }
  spec_close(&t.spec);
}
END_TEST

START_TEST(ddpg_has_one_critic_and_no_smoothing) {
  Tiny t = tiny_open("specs/ddpg.yaml", TINY, "update");
  int at_box = 0;
  tiny_set(&t, "replay.terminated", ends);
  spec_run(t.interp);
  ck_assert_ptr_null(tiny_normal(&t));
  tiny_same(tiny_metric(&t, "losses/critic"), critic_loss(&t, 1, NULL, &at_box), "critic");
  spec_close(&t.spec);
  t = tiny_open("specs/ddpg.yaml", TINY, "update2");
  spec_run(t.interp);
  tiny_same(tiny_metric(&t, "losses/actor"), actor_value(&t, 0, 1), "actor");
  spec_close(&t.spec);
}
END_TEST

/* Uniform while the replay fills; then the actor's action and a noise in halves of the box. */
START_TEST(td3_explores_in_the_box) {
  for (int exploring = 0; exploring < 2; exploring++) {
    Tiny t = tiny_open("specs/td3.yaml", TINY " exploration=0.4", "explore");
    tiny_fill(&t, "counter.stored", exploring ? 2 : 1);
    spec_run(t.interp);
    double action = *tiny_got(&t, "act.action");
    double noisy =
        action_of(&t, "actor", tiny_before(&t, "act.obs")) + 0.4 * HALF * *tiny_normal(&t);
    ck_assert(fabs(noisy) < HALF && fabs(action) <= HALF);
    if (exploring) tiny_same(action, noisy, "action");
    if (!exploring) ck_assert(fabs(action - noisy) > 1e-3);
    spec_close(&t.spec);
  }
}
END_TEST

/* A time limit is no end: no loss reads `truncated`, so that it bootstraps. */
START_TEST(time_limits_bootstrap) {
  static const char *const paths[] = {"specs/td3.yaml", "specs/ddpg.yaml", "specs/fasttd3.yaml"};
  Spec spec = spec_open(paths[_i], "");
  for (size_t i = 0; i < spec.graph->slot_count; i++)
    ck_assert_str_ne(spec.graph->slots[i].name, "replay.truncated");
  spec_close(&spec);
}
END_TEST

/* ---- what moves when ---- */

static Trainer *train(const RlcModule *module) {
  Trainer *trainer = calloc(1, sizeof *trainer);
  static const Options options = {
      .steps = 1000000, .seed = 7, .threads = 1, .eval_episodes = 1, .quiet = true};
  ck_assert_msg(trainer_make(trainer, module, &options), "%s", trainer->error.text);
  return trainer;
}

static void pass(Trainer *trainer) {
  ck_assert_msg(trainer_pass(trainer), "%s", trainer->error.text);
  trainer->state.iteration++;
}

static double first_of(const Trainer *trainer, const Spec *spec, const char *name) {
  return rlc_slot_get(&trainer->module->slots[spec_slot(spec, name)], trainer->memory, 0);
}

/* Critics learn in every pass, the actor and the copies in every second one (DDPG: in every one).
 */
START_TEST(the_actor_is_delayed) {
  Spec spec = spec_open(_i ? "specs/ddpg.yaml" : "specs/td3.yaml", TINY);
  spec_passes(&spec, "grad");
  Trainer *trainer = train(oracle_module(spec.arena, spec.module));
  static const char *const names[] = {"critic.dense3.b", "actor.dense3.b", "slow.critic.dense3.b",
                                      "slow.actor.dense3.b"};
  int moved[4] = {0};
  for (int i = 0; i < 9; i++) {
    double before[4], updates = (double)trainer->state.updates;
    for (int n = 0; n < 4; n++) before[n] = first_of(trainer, &spec, names[n]);
    pass(trainer);
    if ((double)trainer->state.updates == updates) continue;
    for (int n = 0; n < 4; n++) moved[n] += first_of(trainer, &spec, names[n]) != before[n];
    ck_assert((moved[1] == moved[2] && moved[2] == moved[3]) || !"the copies follow the actor");
  }
  ck_assert_int_eq(moved[0], 8);
  ck_assert_int_eq(moved[1], _i ? 8 : 4);
  trainer_free(trainer);
  free(trainer);
  spec_close(&spec);
}
END_TEST

/* ---- FastTD3 ---- */

#define FAST "env.id=Pendulum-v1 environments=2 hidden=8 actor_hidden=8"

/* Mass p at `values`, each shared between the two atoms around it. */
static void project(const double *p, const double *values, int atoms, double low, double high,
                    double *out) {
  for (int i = 0; i < atoms; i++) out[i] = 0;
  for (int j = 0; j < atoms; j++) {
    double place = (clamp(values[j], low, high) - low) / (high - low) * (atoms - 1);
    int below = (int)floor(place), above = below + (below < atoms - 1);
    double share = place - below;
    out[below] += p[j] * (1 - share);
    out[above] += p[j] * share;
  }
}

static void softmax(const double *logits, int count, double *p) {
  double total = 0;
  for (int i = 0; i < count; i++) total += p[i] = exp(logits[i]);
  for (int i = 0; i < count; i++) p[i] /= total;
}

static double value_of(const double *p, int atoms, double low, double high) {
  double value = 0;
  for (int i = 0; i < atoms; i++) value += p[i] * (low + (high - low) * i / (atoms - 1));
  return value;
}

/* What both critics learn in one row without neighbours, read off the gradient of their last
 * biases: the probabilities less the target's. */
static void learned_target(double reward, double end, double *target) {
  static const double p[5] = {0.1, 0.2, 0.4, 0.2, 0.1};
  Tiny t = tiny_open("specs/fasttd3.yaml",
                     FAST " atoms=5 vmin=-2 vmax=2 batch_size=1 ahead_steps=1 gamma=0.9", "update");
  double logits[2 * 5];
  for (int i = 0; i < 10; i++) logits[i] = log(p[i % 5]);
  tiny_fill(&t, "slow.critic.dense4.w", 0);
  tiny_fill(&t, "critic.dense4.w", 0);
  tiny_set(&t, "slow.critic.dense4.b", logits);
  tiny_fill(&t, "critic.dense4.b", 0);
  tiny_fill(&t, "optimizer.critic.critic.dense4.b.first", 0);
  tiny_fill(&t, "replay.reward", reward);
  tiny_fill(&t, "replay.terminated", end);
  tiny_fill(&t, "replay.valid", 1);
  spec_run(t.interp);
  const double *first = tiny_got(&t, "optimizer.critic.critic.dense4.b.first");
  for (int i = 0; i < 5; i++) {
    target[i] = 0.2 - first[i] / 0.1; /* adam keeps a tenth of a first gradient */
    tiny_same(first[5 + i], first[i], "both critics learn the same");
  }
  spec_close(&t.spec);
}

START_TEST(fasttd3_projects_as_the_sheet_has_it) {
  static const double exact[2][5] = {{0.03, 0.15, 0.32, 0.32, 0.18}, {0, 0, 0, 0, 1}};
  double target[5];
  learned_target(_i ? 2 : 0.5, _i, target);
  for (int i = 0; i < 5; i++) tiny_same(target[i], exact[_i][i], "projection");
}
END_TEST

/* Windows of three steps: whole, cut by an end in the second step or in the last, cut by a time
 * limit after one step or two. Rewards behind a cut are there and count for nothing. */
enum { WINDOWS = 5 };
static const double valids[WINDOWS][3] = {{1, 1, 1}, {1, 1, 0}, {1, 1, 1}, {1, 0, 0}, {1, 1, 0}};
static const double terminations[WINDOWS][3] = {
    {0, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 0, 0}, {0, 0, 0}};

typedef struct Windows {
  Tiny tiny;
  int atoms;
  double low, high;
} Windows;

static Windows windows_open(const char *program) {
  Windows w = {tiny_open("specs/fasttd3.yaml",
                         FAST " atoms=7 vmin=-6 vmax=6 batch_size=5 ahead_steps=3 smoothing=0.4",
                         program),
               7, -6, 6};
  tiny_set(&w.tiny, "replay.valid", &valids[0][0]);
  tiny_set(&w.tiny, "replay.terminated", &terminations[0][0]);
  return w;
}

/* (obs - mean) / deviation of row b, step k. */
static void normalised(const Tiny *t, const char *column, int b, int k, double *out) {
  for (int i = 0; i < OBS; i++)
    out[i] = (tiny_before(t, column)[(b * 3 + k) * OBS + i] - tiny_before(t, "obs_mean")[i]) /
             sqrt(tiny_before(t, "obs_var")[i] + 1e-8);
}

/* What row b's critics should become: the projected distribution of the smaller value. */
static void wanted(const Windows *w, int b, double nudge, double *target) {
  const Tiny *t = &w->tiny;
  int last = 0;
  double total = 0, obs[OBS], values[MOST_ATOMS], smallest = INFINITY;
  for (int k = 0; k < 3 && valids[b][k]; k++) {
    total += pow(0.97, k) * tiny_before(t, "replay.reward")[b * 3 + k];
    last = k;
  }
  double discount = terminations[b][last] ? 0 : pow(0.97, last + 1);
  normalised(t, "replay.next_obs", b, last, obs);
  double next = clamp(action_of(t, "actor", obs) + nudge, -HALF, HALF); /* the actor that learns */
  for (uint32_t c = 0; c < TWINS; c++) {
    double logits[MOST_ATOMS], p[MOST_ATOMS], moved[MOST_ATOMS];
    tiny_network(t, "slow.critic", c, TWINS, obs, &next, logits);
    softmax(logits, w->atoms, p);
    for (int i = 0; i < w->atoms; i++)
      values[i] = total + discount * (w->low + (w->high - w->low) * i / (w->atoms - 1));
    project(p, values, w->atoms, w->low, w->high, moved);
    if (value_of(moved, w->atoms, w->low, w->high) >= smallest) continue;
    smallest = value_of(moved, w->atoms, w->low, w->high);
    memcpy(target, moved, sizeof moved);
  }
}

START_TEST(fasttd3_learns_the_smaller_distribution) {
  Windows w = windows_open("update");
  Tiny *t = &w.tiny;
  spec_run(t->interp);
  const double *noise = tiny_normal(t);
  double loss = 0, logged = 0;
  for (int b = 0; b < WINDOWS; b++) {
    double target[MOST_ATOMS], obs[OBS], logits[MOST_ATOMS], p[MOST_ATOMS];
    wanted(&w, b, HALF * clamp(0.4 * noise[b], -0.5, 0.5), target);
    logged += value_of(target, w.atoms, w.low, w.high) / WINDOWS;
    normalised(t, "replay.obs", b, 0, obs);
    for (uint32_t c = 0; c < TWINS; c++) {
      tiny_network(t, "critic", c, TWINS, obs, &tiny_before(t, "replay.action")[b * 3], logits);
      softmax(logits, w.atoms, p);
      for (int i = 0; i < w.atoms; i++) loss -= target[i] * log(p[i]) / WINDOWS;
    }
  }
  tiny_same(tiny_metric(t, "losses/critic"), loss, "critic");
  tiny_same(tiny_metric(t, "critic/target"), logged, "target");
  ck_assert(!tiny_has(t, "slow.actor.dense1.w"));
  spec_close(&t->spec);
}
END_TEST

/* As the reference does not: what stands behind a time limit inside the window changes nothing. */
START_TEST(fasttd3_sums_no_reward_behind_a_time_limit) {
  double loss[2];
  for (int i = 0; i < 2; i++) {
    Windows w = windows_open("update");
    double *reward = tiny_before(&w.tiny, "replay.reward");
    for (int b = 0; b < WINDOWS; b++)
      for (int k = 0; k < 3; k++)
        if (!valids[b][k]) reward[b * 3 + k] += 3 * i;
    tiny_set(&w.tiny, "replay.reward", reward);
    spec_run(w.tiny.interp);
    loss[i] = tiny_metric(&w.tiny, "losses/critic");
    spec_close(&w.tiny.spec);
  }
  ck_assert(loss[0] == loss[1]);
}
END_TEST

START_TEST(fasttd3_climbs_the_smaller_value) {
  Windows w = windows_open("update2");
  Tiny *t = &w.tiny;
  spec_run(t->interp);
  /* the actor's step comes behind the critics': their new tensors */
  for (uint32_t s = 0; s < t->spec.graph->slot_count; s++)
    if (strncmp(t->spec.graph->slots[s].name, "critic.dense", 12) == 0)
      t->before[s] = tiny_got(t, t->spec.graph->slots[s].name);
  double value = 0;
  for (int b = 0; b < WINDOWS; b++) {
    double obs[OBS], least = INFINITY;
    normalised(t, "replay.obs", b, 0, obs);
    double action = action_of(t, "actor", obs);
    for (uint32_t c = 0; c < TWINS; c++) {
      double logits[MOST_ATOMS], p[MOST_ATOMS];
      tiny_network(t, "critic", c, TWINS, obs, &action, logits);
      softmax(logits, w.atoms, p);
      least = fmin(least, value_of(p, w.atoms, w.low, w.high));
    }
    value += least / WINDOWS;
  }
  tiny_same(tiny_metric(t, "losses/actor"), value, "actor");
  spec_close(&t->spec);
}
END_TEST

/* Every environment keeps its noise for an episode of 200 steps, and gets another with the next;
 * the replay keeps the action as drawn, the environment gets it in the box. */
START_TEST(fasttd3_noise_lasts_an_episode) {
  Spec spec = spec_open("specs/fasttd3.yaml",
                        FAST " atoms=3 batch_size=4 warmup=100000 least_noise=2 most_noise=3");
  spec_passes(&spec, "grad");
  Trainer *trainer = train(oracle_module(spec.arena, spec.module));
  const RlcSlot *noise = &trainer->module->slots[spec_slot(&spec, "noise")];
  const RlcSlot *action = &trainer->module->slots[spec_slot(&spec, "act.action")];
  const RlcSlot *sent = &trainer->module->slots[spec_slot(&spec, "act.send")];
  double held[2] = {0};
  bool outside = false;
  for (int step = 0; step < 402; step++) {
    pass(trainer);
    for (uint64_t e = 0; e < 2; e++) {
      double now = rlc_slot_get(noise, trainer->memory, e);
      double drawn = rlc_slot_get(action, trainer->memory, e);
      bool begins = step % 200 == 0;
      ck_assert_msg((now != held[e]) == begins, "step %d: %g after %g", step, now, held[e]);
      ck_assert(now > 2 && now < 3);
      ck_assert_double_eq(rlc_slot_get(sent, trainer->memory, e), clamp(drawn, -HALF, HALF));
      outside = outside || fabs(drawn) > HALF;
      held[e] = now;
    }
  }
  ck_assert(outside);
  trainer_free(trainer);
  free(trainer);
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("offpolicy_spec");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 60);
  tcase_add_loop_test(tcase, td3_smooths_the_targets_action, 0, 2);
  tcase_add_loop_test(tcase, td3_climbs_the_first_critic, 0, 2);
  tcase_add_test(tcase, ddpg_has_one_critic_and_no_smoothing);
  tcase_add_test(tcase, td3_explores_in_the_box);
  tcase_add_loop_test(tcase, time_limits_bootstrap, 0, 3);
  tcase_add_loop_test(tcase, the_actor_is_delayed, 0, 2);
  tcase_add_loop_test(tcase, fasttd3_projects_as_the_sheet_has_it, 0, 2);
  tcase_add_test(tcase, fasttd3_learns_the_smaller_distribution);
  tcase_add_test(tcase, fasttd3_sums_no_reward_behind_a_time_limit);
  tcase_add_test(tcase, fasttd3_climbs_the_smaller_value);
  tcase_add_test(tcase, fasttd3_noise_lasts_an_episode);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
