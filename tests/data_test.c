/* What programs see of the data: stored, computed, kept and sampled columns, state while acting,
 * and the steps of the loop around them, on the oracle, against sums made here. */
#include "tests/spec_code.h"

#include "runtime/slot.h"
#include "runtime/training.h"

typedef struct World {
  Spec spec;
  Trainer *trainer;
} World;

static World world_open(const char *text, int passes) {
  World world = {.spec = spec_text(text, ""), .trainer = calloc(1, sizeof(Trainer))};
  spec_passes(&world.spec, "grad");
  Options options = {.steps = 1000000, .seed = 3, .threads = 1, .eval_episodes = 1, .quiet = true};
  const RlcModule *module = oracle_module(world.spec.arena, world.spec.module);
  ck_assert_msg(trainer_make(world.trainer, module, &options), "%s", world.trainer->error.text);
  for (int i = 0; i < passes; i++)
    ck_assert_msg(trainer_pass(world.trainer), "%s", world.trainer->error.text);
  return world;
}

static void world_close(World *world) {
  trainer_free(world->trainer);
  free(world->trainer);
  spec_close(&world->spec);
}

/* Element `at` (row-major) of the slot of that name. */
static double value(const World *world, const char *name, uint64_t at) {
  const RlcModule *module = world->trainer->module;
  uint32_t slot = rlc_slot_find(module, name);
  ck_assert_msg(slot != RLC_NONE, "no slot '%s'", name);
  ck_assert_uint_lt(at, rlc_slot_elements(&module->slots[slot]));
  return rlc_slot_get(&module->slots[slot], world->trainer->memory, at);
}

static bool has_slot(const World *world, const char *name) {
  return rlc_slot_find(world->trainer->module, name) != RLC_NONE;
}

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-6 * (1 + fabs((double)(b))))

/* What the specs below share: a trained scalar that does nothing. */
#define NOTHING                                                                                    \
  "parameters: {w: 0.5}\n"                                                                         \
  "optimizers: {default: sgd(0)}\n"

/* ---- rollouts ---- */

static const char rollout[] =
    "name: t\nenv: {id: Pendulum-v1, count: 2}\n" NOTHING "rollout: {steps: 450}\n"
    "act: {explore: sample(box)}\n"
    "state: {steps: {axes: env, init: 5, reset: 0}}\n"
    "define: {doubled: 2 * reward}\n"
    "store: {twice: doubled, first: is_first, sum: twice + 100 * truncated, unread: 3 * reward}\n"
    "compute: {later: 'shift[time=-1](reward)', both: later + twice}\n"
    "losses:\n"
    "  a:\n"
    "    over: w\n"
    "    minimize: square(w) * mean[time, env](both + sum + first + next_obs_mean + obs_mean)\n"
    "    let: {next_obs_mean: 'mean[obs](next_obs)', obs_mean: 'mean[obs](obs)'}\n"
    "loop: [{collect: rollout}, {compute: [later, both]}, {descend: a}]\n";

START_TEST(a_rollout_holds_what_its_steps_gave) {
  World world = world_open(rollout, 1);
  double total = 0;
  for (uint64_t t = 0; t < 450; t++)
    for (uint64_t e = 0; e < 2; e++) {
      uint64_t at = 2 * t + e;
      bool ended = t % 200 == 199;
      double reward = value(&world, "rollout.reward", at), next = 0, obs = 0;
      NEAR(value(&world, "rollout.twice", at), 2 * reward);
      NEAR(value(&world, "rollout.sum", at), 2 * reward + 100 * ended);
      ck_assert(value(&world, "rollout.first", at) == (t % 200 == 0));
      if (t + 1 < 450)
        NEAR(value(&world, "rollout.later", at), value(&world, "rollout.reward", at + 2));
      for (uint64_t k = 0; k < 3; k++) {
        next += value(&world, "rollout.next_obs", 3 * at + k) / 3;
        obs += value(&world, "rollout.obs", 3 * at + k) / 3;
        if (t + 1 < 450 && !ended)
          NEAR(value(&world, "rollout.next_obs", 3 * at + k),
               value(&world, "rollout.obs", 3 * (at + 2) + k));
      }
      total += (value(&world, "rollout.both", at) + 2 * reward + 100 * ended + (t % 200 == 0) +
                next + obs) /
               900;
    }
  NEAR(value(&world, "metric.losses/a", 0), 0.25 * total);
  ck_assert(!has_slot(&world, "rollout.unread") && !has_slot(&world, "rollout.terminated"));
  world_close(&world);
}
END_TEST

static const char counting[] =
    "name: t\nenv: {id: Pendulum-v1, count: 2}\n" NOTHING "rollout: {steps: 450}\n"
    "state: {steps: {axes: env, init: 5, reset: 0}}\n"
    "act: {explore: sample(box) + 0 * steps, set: {steps: steps + 1}}\n"
    "store: {seen: steps}\n"
    "losses: {a: {over: w, minimize: 'w * mean[time, env](seen)'}}\n"
    "loop: [{collect: rollout}, {descend: a}]\n";

/* The state is reset where an episode starts, the first one included, and set in `act`. */
START_TEST(state_counts_the_steps_of_an_episode) {
  World world = world_open(counting, 1);
  for (uint64_t at = 0; at < 900; at++)
    ck_assert_double_eq(value(&world, "rollout.seen", at), at / 2 % 200 + 1);
  ck_assert(has_slot(&world, "eval.steps"));
  world_close(&world);
}
END_TEST

static const char normalised[] =
    "name: t\nenv: {id: Pendulum-v1, count: 3, normalize: [obs, reward], clip: 1.5}\n"
    "constants: {gamma: 0.9}\n" NOTHING "rollout: {steps: 20}\n"
    "act: {explore: sample(box)}\n"
    "store: {raw: raw_obs, plain: raw_reward}\n"
    "losses:\n"
    "  a: {over: w, minimize: 'w * mean[time, env](mean[obs](obs + raw) + reward + plain)'}\n"
    "loop: [{collect: rollout}, {descend: a}]\n";

static double clipped(double x) { return fmin(fmax(x, -1.5), 1.5); }

/* The statistics of both normalisers, moved on as their text in the prelude says. */
typedef struct Running {
  double mean, var, count;
} Running;

static void running_add(Running *r, const double *values, int n) {
  double mean = 0, var = 0, total = r->count + n;
  for (int i = 0; i < n; i++) mean += values[i] / n;
  for (int i = 0; i < n; i++) var += (values[i] - mean) * (values[i] - mean) / n;
  double delta = mean - r->mean;
  r->var = (r->var * r->count + var * n + delta * delta * r->count * n / total) / total;
  r->mean += delta * n / total;
  r->count = total;
}

START_TEST(a_rollout_keeps_what_was_normalised_at_its_step) {
  World world = world_open(normalised, 1);
  Running obs[3] = {{0, 1, 1e-4}, {0, 1, 1e-4}, {0, 1, 1e-4}}, reward = {0, 1, 1e-4};
  double returns[3] = {0};
  for (uint64_t t = 0; t < 20; t++) {
    for (uint64_t e = 0; e < 3; e++) {
      double plain = value(&world, "rollout.plain", 3 * t + e);
      NEAR(value(&world, "rollout.reward", 3 * t + e), clipped(plain / sqrt(reward.var + 1e-8)));
      returns[e] = 0.9 * returns[e] + plain;
    }
    for (uint64_t k = 0; k < 3; k++) {
      double fresh[3];
      for (uint64_t e = 0; e < 3; e++) {
        double raw = value(&world, "rollout.raw", 3 * (3 * t + e) + k);
        NEAR(value(&world, "rollout.obs", 3 * (3 * t + e) + k),
             clipped((raw - obs[k].mean) / sqrt(obs[k].var + 1e-8)));
        if (t + 1 < 20) fresh[e] = value(&world, "rollout.raw", 3 * (3 * (t + 1) + e) + k);
      }
      if (t + 1 < 20) running_add(&obs[k], fresh, 3);
    }
    running_add(&reward, returns, 3);
  }
  NEAR(value(&world, "reward_var", 0), reward.var);
  world_close(&world);
}
END_TEST

/* ---- replays ---- */

static const char joined[] =
    "name: t\nenv: {id: CartPole-v1, count: 2}\n" NOTHING
    "replay: {few: {capacity: 100, batch: 3}, many: {capacity: 100, batch: 5}}\n"
    "act: {explore: 'sample(categorical[choice](0 * iota[choice]))'}\n"
    "losses:\n"
    "  a:\n"
    "    over: w\n"
    "    minimize: 'w * mean[batch](obs_sum + 10 * action)'\n"
    "    let: {obs_sum: 'sum[obs](obs)'}\n"
    "loop: [{collect: 6}, {sample: [few, many]}, {descend: a}]\n";

START_TEST(a_batch_of_two_replays_has_the_rows_of_both) {
  World world = world_open(joined, 2);
  double total = 0;
  static const char *const names[] = {"few", "many"};
  for (int s = 0; s < 2; s++)
    for (uint64_t i = 0; i < (s ? 5 : 3); i++) {
      const char *obs = arena_printf(world.spec.arena, "%s.obs", names[s]);
      double action = value(&world, arena_printf(world.spec.arena, "%s.action", names[s]), i);
      ck_assert(action == 0 || action == 1);
      total += 10 * action;
      for (uint64_t k = 0; k < 4; k++) total += value(&world, obs, 4 * i + k);
    }
  NEAR(value(&world, "metric.losses/a", 0), 0.5 * total / 8);
  world_close(&world);
}
END_TEST

/* ---- the loop ---- */

static const char early[] =
    "name: t\nenv: {id: Pendulum-v1, count: 1}\n"
    "parameters: {w: 1}\noptimizers: {default: sgd(1)}\n"
    "rollout: {steps: 4}\nact: {explore: sample(box)}\n"
    "state: {rounds: 0}\n"
    "losses:\n"
    "  a: {over: w, minimize: 'w + 0 * mean[batch](reward)', log: {size: w}}\n"
    "log: {twice: 2 * rounds}\n"
    "loop:\n"
    "  - collect: rollout\n"
    "  - epochs: 10\n"
    "    while: losses.a.size > -1.5\n"
    "    do: [{minibatches: 2, do: [{descend: a}]}]\n"
    "  - until: rounds >= 3\n"
    "    do: [{set: {rounds: rounds + 1}}]\n";

/* Each epoch takes 2 from w, and the loss logs w before each step: 1, 0, then -1, -2. */
START_TEST(epochs_end_early_and_until_goes_on) {
  World world = world_open(early, 1);
  ck_assert_uint_eq(world.trainer->state.updates, 4);
  NEAR(value(&world, "w", 0), -3);
  NEAR(value(&world, "rounds", 0), 3);
  NEAR(value(&world, "metric.log/twice", 0), 6);
  world_close(&world);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("data");
  TCase *tcase = tcase_create("all");
  tcase_add_test(tcase, a_rollout_holds_what_its_steps_gave);
  tcase_add_test(tcase, state_counts_the_steps_of_an_episode);
  tcase_add_test(tcase, a_rollout_keeps_what_was_normalised_at_its_step);
  tcase_add_test(tcase, a_batch_of_two_replays_has_the_rows_of_both);
  tcase_add_test(tcase, epochs_end_early_and_until_goes_on);
  tcase_set_timeout(tcase, 60);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
