/* `overlap: true`: what each side of a pass sees of the other, in numbers; the same bits for any
 * number of threads and after a resume; generated code as the oracle has it. */
#include "tests/run_fixture.h"
#include "tests/spec_code.h"

#include "compiler/measure/bench.h"
#include "runtime/slot.h"

/* ---- a world on the oracle ---- */

typedef struct World {
  Spec spec;
  Loaded *loaded; /* NULL: the oracle */
  const RlcModule *module;
  Trainer *trainer;
} World;

static World world_open(const char *text, uint32_t threads, bool generated) {
  World world = {.spec = spec_text(text, ""), .trainer = calloc(1, sizeof(Trainer))};
  spec_passes(&world.spec, generated ? NULL : "grad");
  if (generated) {
    world.loaded = spec_load(&world.spec);
    world.module = load_module(world.loaded);
  } else {
    world.module = oracle_module(world.spec.arena, world.spec.module);
  }
  Options options = {
      .steps = 1000000, .seed = 3, .threads = threads, .eval_episodes = 1, .quiet = true};
  ck_assert_msg(trainer_make(world.trainer, world.module, &options), "%s",
                world.trainer->error.text);
  return world;
}

static void world_pass(World *world) {
  ck_assert_msg(trainer_pass(world->trainer), "%s", world->trainer->error.text);
  world->trainer->state.iteration++;
}

static void world_close(World *world) {
  trainer_free(world->trainer);
  free(world->trainer);
  if (world->loaded) load_close(world->loaded);
  spec_close(&world->spec);
}

static double value(const World *world, const char *name, uint64_t at) {
  uint32_t slot = rlc_slot_find(world->module, name);
  ck_assert_msg(slot != RLC_NONE, "no slot '%s'", name);
  return rlc_slot_get(&world->module->slots[slot], world->trainer->memory, at);
}

/* ---- what is computed with what ---- */

/* w counts the passes that learned and is what acting does; v, s and u are the mean action, `at`
 * and `done` of the data that learning saw. */
static const char rollout[] =
    "name: t\n"
    "env: {id: Pendulum-v1, count: 2, normalize: obs}\n"
    "overlap: true\n"
    "rollout: {steps: 3}\n"
    "act: {explore: w}\n"
    "store: {at: step, done: updates}\n"
    "parameters: {w: 0, v: 0, s: 0, u: 0, n: 0, m: 0}\n"
    "state: {mean_before: {axes: obs, init: 0}}\n"
    "losses:\n"
    "  fit:\n"
    "    over: v, s, u\n"
    "    minimize: mean[time, env, act](square(v - action) + square(s - at) + square(u - done))\n"
    "optimizers: {default: sgd(0.5)}\n"
    "loop:\n"
    "  - collect: rollout\n"
    "  - descend: fit\n"
    "  - set: {w: w + 1, n: step, m: obs_count, mean_before: obs_mean}\n";

START_TEST(a_rollout_is_learned_from_one_pass_later) {
  World world = world_open(rollout, (uint32_t)_i, false);
  for (int pass = 1; pass <= 20; pass++) {
    double before = value(&world, "obs_count", 0), mean = value(&world, "obs_mean", 1);
    world_pass(&world);
    double acted = fmax(0, pass - 2);   /* w as the pass before left it */
    double learned = fmax(0, pass - 3); /* what the pass before acted with */
    ck_assert_double_eq(value(&world, "w", 0), pass - 1);
    for (uint64_t i = 0; i < 6; i++) {
      ck_assert_double_eq(value(&world, "rollout.action", i), acted);
      /* a step's own counters: the steps of the pass are counted, its updates are not */
      ck_assert_double_eq(value(&world, "rollout.at", i), 6 * (pass - 1) + 2 * (i / 2));
      ck_assert_double_eq(value(&world, "rollout.done", i), acted);
    }
    ck_assert_uint_eq(world.trainer->state.updates, (uint64_t)pass - 1);
    if (pass == 1) { /* nothing to learn from */
      ck_assert_double_eq(value(&world, "v", 0), 0);
      ck_assert_double_eq(value(&world, "n", 0), 0);
      continue;
    }
    ck_assert_double_eq_tol(value(&world, "v", 0), learned, 1e-6);
    ck_assert_double_eq_tol(value(&world, "s", 0), 6 * (pass - 2) + 2, 1e-5);
    ck_assert_double_eq_tol(value(&world, "u", 0), learned, 1e-6);
    ck_assert_double_eq(value(&world, "n", 0), 6 * (pass - 1)); /* not those of this pass */
    /* The normaliser moves within the pass, and learning sees it as it was before. */
    ck_assert_double_eq_tol(value(&world, "m", 0), before, 1e-9);
    ck_assert_double_eq_tol(value(&world, "mean_before", 1), mean, 1e-9);
    ck_assert_double_eq_tol(value(&world, "obs_count", 0), before + 6, 1e-9);
  }
  world_close(&world);
}
END_TEST

static const char replay[] =
    "name: t\nenv: {id: Pendulum-v1, count: 2}\noverlap: true\n"
    "replay: {capacity: 8, batch: 64}\nact: {explore: w + 0 * stored}\n"
    "store: {at: step, done: updates, held: stored}\n"
    "parameters: {w: 0, low_: 0, high_: 0, held_: 0, n: 0}\n"
    "optimizers: {default: sgd(0.5)}\n"
    "losses: {fit: {over: 'low_, high_, held_', minimize: 'square(low_ - min[batch](at)) + "
    "square(high_ - max[batch](at)) + square(held_ - max[batch](held)) + 0 * mean[batch](done)'}}\n"
    "loop: [{sample: replay}, {descend: fit}, {collect: 2}, {set: {w: w + 1, n: stored}}]\n";

START_TEST(rows_join_the_replay_at_the_end_of_a_pass) {
  World world = world_open(replay, (uint32_t)_i, false);
  for (int pass = 1; pass <= 20; pass++) {
    world_pass(&world);
    double stored = fmin(8, 4 * (pass - 1)); /* before this pass */
    ck_assert_uint_eq(replay_stored(world.trainer->replay[0]), pass == 1 ? 4 : 8);
    if (pass == 1) continue;
    ck_assert_double_eq(value(&world, "n", 0), stored);
    /* 64 draws of at most 8 rows meet all: the last two passes' before this one */
    ck_assert_double_eq_tol(value(&world, "high_", 0), 4 * (pass - 2) + 2, 1e-5);
    ck_assert_double_eq_tol(value(&world, "low_", 0), 4 * fmax(0, pass - 3), 1e-5);
    /* while acting `stored` stands still: what it was before the pass that brought the rows */
    ck_assert_double_eq_tol(value(&world, "held_", 0), fmin(8, 4 * (pass - 2)), 1e-5);
  }
  world_close(&world);
}
END_TEST

/* ---- bits ---- */

#define NETWORKS                                                                                   \
  "networks:\n"                                                                                    \
  "  actor: {input: obs, layers: 'dense(16), tanh, dense[act], tanh'}\n"                           \
  "  critic: {input: 'obs, action', layers: 'dense(16), tanh, dense()'}\n"

static const char *const specs[] = {
    /* windows, priorities written back, an extra column, normalised observations */
    "name: t\nenv: {id: Pendulum-v1, count: 3, normalize: [obs, reward]}\noverlap: true\n"
    "constants: {gamma: 0.9}\n" NETWORKS "replay: {capacity: 60, batch: 16, window: 2, priority: "
    "{exponent: 0.6}, extra: {best: action}}\n"
    "targets: {slow: critic}\n"
    "act: {explore: 'clip(actor(obs) + 0.3 * normal_noise[act], low, high)'}\n"
    "losses:\n"
    "  critic:\n"
    "    over: critic\n"
    "    let:\n"
    "      y: stop(reward + gamma * slow(next_obs, actor(next_obs)))\n"
    "      td: valid * (critic(obs, action) - y)\n"
    "    minimize: mean[batch, ahead](square(td) + 0.01 * sum[act](square(best)))\n"
    "    write: {priority: 'mean[ahead](abs(td)) + 0.001', best: 'index[ahead=0](actor(obs))'}\n"
    "  actor: {over: actor, minimize: '-mean[batch, ahead](critic(obs, actor(obs)))'}\n"
    "optimizers: {default: adam(1e-2)}\n"
    "loop:\n"
    "  - collect: 2\n"
    "  - when: stored >= 12\n"
    "    do: [{repeat: 2, do: [{sample: replay}, {descend: [critic, actor]}]},\n"
    "         {set: {slow: 'blend(slow, critic, 0.05)'}}]\n",
    /* epochs over parts of a rollout, state while acting */
    "name: t\nenv: {id: Pendulum-v1, count: 2, normalize: [obs, reward]}\noverlap: true\n"
    "constants: {gamma: 0.9}\n" NETWORKS "rollout: {steps: 6}\n"
    "state: {scale: {axes: env, init: 0.1, reset: 'uniform_noise[]'}}\n"
    "act: {explore: 'clip(actor(obs) + scale * normal_noise[act], low, high)', set: {scale: "
    "0.9 * scale}}\n"
    "store: {value: 'critic(obs, action)'}\n"
    "compute: {target: 'linear_scan[time](gamma * (1 - terminated), reward)'}\n"
    "losses:\n"
    "  critic:\n"
    "    over: critic\n"
    "    minimize: mean[batch](square(critic(obs, action) - target) + 0.1 * square(value))\n"
    "  actor: {over: actor, minimize: '-mean[batch](critic(obs, actor(obs)))'}\n"
    "optimizers: {default: adam(1e-2)}\n"
    "loop: [{collect: rollout}, {compute: target}, {epochs: 2, do: [{minibatches: 3, do: "
    "[{descend: all}]}]}]\n",
    /* a declared environment: its programs run beside the updates */
    "name: t\nenv: {id: CartPole-v1, count: 4}\noverlap: true\n"
    "networks: {critic: {input: obs, layers: 'dense(16), tanh, dense[choice]'}}\n"
    "replay: {capacity: 100, batch: 16}\n"
    "act: {explore: 'where(uniform_noise[] < 0.2, floor(2 * uniform_noise[]), "
    "argmax[choice](critic(obs)))'}\n"
    "losses:\n"
    "  critic:\n"
    "    over: critic\n"
    "    let: {y: 'stop(reward + 0.9 * (1 - terminated) * max[choice](critic(next_obs)))'}\n"
    "    minimize: mean[batch](square(gather[choice](critic(obs), action) - y))\n"
    "optimizers: {default: adam(1e-2)}\n"
    "loop: [{collect: 1}, {when: stored >= 40, do: [{sample: replay}, {descend: critic}]}]\n",
};

/* Enough passes for both ways of running them to be tried. */
START_TEST(threads_do_not_matter) {
  World world[3];
  for (uint32_t i = 0; i < 3; i++) {
    world[i] = world_open(specs[_i], i + 1, true);
    for (int pass = 0; pass < 60; pass++) world_pass(&world[i]);
  }
  for (uint32_t i = 1; i < 3; i++)
    for (uint32_t s = 0; s < world[0].module->slot_count; s++) {
      const RlcSlot *slot = &world[0].module->slots[s];
      ck_assert_msg(memcmp(world[0].trainer->memory + slot->offset,
                           world[i].trainer->memory + slot->offset, slot->bytes) == 0,
                    "'%s' with %u threads", slot->name, i + 1);
    }
  ck_assert_uint_gt(world[0].trainer->state.updates, 40);
  for (uint32_t i = 0; i < 3; i++) world_close(&world[i]);
}
END_TEST

START_TEST(generated_code_is_as_the_oracle) {
  World native = world_open(specs[_i], 2, true), oracle = world_open(specs[_i], 1, false);
  for (int pass = 0; pass < 14; pass++) world_pass(&native), world_pass(&oracle);
  ck_assert_uint_gt(native.trainer->state.updates, 0);
  for (uint32_t s = 0; s < native.module->slot_count; s++) {
    const RlcSlot *slot = &oracle.module->slots[s];
    if (slot->kind != RLC_PARAMETER && slot->kind != RLC_STATE && slot->kind != RLC_TARGET)
      continue;
    double gap = 0, norm = 0;
    for (uint64_t i = 0; i < rlc_slot_elements(slot); i++) {
      double x = rlc_slot_get(&native.module->slots[s], native.trainer->memory, i);
      double y = rlc_slot_get(slot, oracle.trainer->memory, i);
      gap += (x - y) * (x - y), norm += y * y;
    }
    ck_assert_msg(sqrt(gap) <= 1e-4 * sqrt(norm) + 1e-12, "'%s' is off by %g", slot->name,
                  sqrt(gap / norm));
  }
  world_close(&native);
  world_close(&oracle);
}
END_TEST

/* ---- whole runs ---- */

static Run *world_run(const RlcModule *module) {
  Run *run = calloc(1, sizeof *run);
  run_begin(run);
  run->module = module;
  return run;
}

static void check_good(const Run *run) {
  ck_assert_msg(run->status == 0, "status %d: %s", run->status, run->text);
}

/* Two runs, the second in two parts and with other numbers of threads. */
START_TEST(resume_equals_unbroken) {
  World world = world_open(specs[_i], 1, true);
  Run *whole = world_run(world.module), *broken = world_run(world.module);
  run_new(whole, "--steps 3600 --eval-every 900");
  check_good(whole);
  run_new(broken, "--steps 1800 --eval-every 900 --threads 2");
  check_good(broken);
  run_resume(broken, "--steps 3600 --eval-every 900 --threads 3");
  check_good(broken);
  check_equal(whole, broken);
  run_end(whole), run_end(broken);
  free(whole), free(broken);
  world_close(&world);
}
END_TEST

START_TEST(evaluation_does_not_disturb) {
  World world = world_open(specs[_i], 1, true);
  Run *often = world_run(world.module), *seldom = world_run(world.module);
  run_new(often, "--steps 1200 --eval-every 60 --threads 2");
  run_new(seldom, "--steps 1200 --eval-every 0");
  check_good(often), check_good(seldom);
  check_csv(often, seldom, "progress.csv");
  check_checkpoint(often, seldom, ".safetensors");
  run_end(often), run_end(seldom);
  free(often), free(seldom);
  world_close(&world);
}
END_TEST

START_TEST(nothing_is_allocated) {
  if (!allocations_counted()) return;
  World world = world_open(specs[_i], 2, true);
  for (int pass = 0; pass < 10; pass++) world_pass(&world);
  uint64_t before = allocations();
  bool good = true; /* an assertion would allocate */
  for (int pass = 0; pass < 100; pass++) {
    good = good && trainer_pass(world.trainer);
    world.trainer->state.iteration++;
  }
  uint64_t after = allocations();
  ck_assert(good);
  ck_assert_uint_eq(after, before);
  world_close(&world);
}
END_TEST

/* Acting with rows in chunks: each of its threads has room for one. */
static const char wide[] =
    "name: wide\n"
    "env: {id: Pendulum-v1, count: 4096}\n"
    "overlap: true\n"
    "rollout: {steps: 1}\n"
    "networks: {actor: {input: obs, layers: 'dense(512), relu, dense(512), relu, dense[act]'}}\n"
    "act: {explore: 'clip(actor(obs), low, high)'}\n"
    "losses:\n"
    "  fit: {over: actor, minimize: 'mean[time, env, act](square(actor(obs) - action + reward))'}\n"
    "optimizers: {default: sgd(0.01)}\n"
    "loop: [{collect: rollout}, {descend: fit}]\n";

START_TEST(acting_in_chunks_has_room) {
  World one = world_open(wide, 1, true), three = world_open(wide, 3, true);
  uint32_t explore = one.module->explore.program;
  ck_assert_uint_gt(one.module->programs[explore].thread_bytes, 0);
  for (int pass = 0; pass < 3; pass++) world_pass(&one), world_pass(&three);
  ck_assert(memcmp(one.trainer->memory, three.trainer->memory, one.module->memory_bytes) == 0);
  world_close(&one);
  world_close(&three);
}
END_TEST

/* Acting's fault stops the run whatever learning did, with the same words in both ways. */
START_TEST(a_fault_while_acting_is_told) {
  static const char text[] =
      "name: t\nenv: {id: Pendulum-v1, count: 2}\noverlap: true\n"
      "replay: {capacity: 60, batch: 4}\nparameters: {w: 1, v: 1}\n"
      "act: {explore: 'where(step >= 40, sqrt(0 - v), w)'}\n"
      "losses: {fit: {over: w, minimize: 'square(w) * mean[batch, act](square(action))'}}\n"
      "optimizers: {default: sgd(1e-3)}\n"
      "loop: [{collect: 1}, {sample: replay}, {descend: fit}]\n";
  World world = world_open(text, (uint32_t)_i, true);
  for (int pass = 0; pass < 20; pass++) world_pass(&world);
  ck_assert(!trainer_pass(world.trainer));
  ck_assert_str_eq(world.trainer->error.text,
                   "program 'explore' gave a non-finite action to environment 0 at step 40");
  world_close(&world);
}
END_TEST

/* ---- rlc bench ---- */

/* No round counts before the trial of both ways is over, which takes six passes or more. */
START_TEST(bench_waits_for_the_trial) {
  Figures figures = {.rounds = 0};
  World world = world_open(specs[_i], 1, true);
  Trainer *trainer = bench_trainer(world.module, 2);
  ck_assert(trainer != NULL);
  ck_assert(!overlap_settled(trainer) && overlap_settled(world.trainer));
  uint64_t before = trainer->state.iteration;
  ck_assert_msg(bench_rounds(trainer, BENCH_LOOP, 1e-6, &figures), "%s", trainer->error.text);
  ck_assert_uint_ge(trainer->state.iteration, before + 1 + 6 + 1); /* the first is no trial */
  ck_assert(isnan(figures.end_to_end_limit) && figures.end_to_end_steps_per_second > 0);
  ck_assert_msg(bench_rounds(trainer, BENCH_ALL, 1e-3, &figures), "%s", trainer->error.text);
  ck_assert(figures.rounds >= 1 && figures.end_to_end_share_of_limit > 0);
  ck_assert(figures.end_to_end_limit > 0 && figures.env_steps_per_second > 0);
  ck_assert(isnan(figures.bare_env_steps_per_second) == (trainer->explore.declared != NULL));
  bench_trainer_free(trainer);
  world_close(&world);
}
END_TEST

/* Of an environment alone the same is tried, where there is a choice. */
START_TEST(bench_steps_a_pool_on_the_team_or_alone) {
  Stepping stepping;
  World world = world_open(rollout, (uint32_t)_i, true);
  ck_assert_msg(stepping_make(world.trainer, &stepping), "%s", world.trainer->error.text);
  ck_assert(stepping_settled(world.trainer, &stepping) == (_i == 1));
  do {
    ck_assert(stepping_run(world.trainer, &stepping, 0) > 0);
  } while (!stepping_settled(world.trainer, &stepping));
  ck_assert(_i == 1 || stepping.steps >= 6);
  uint64_t before = stepping.bare_steps;
  ck_assert(stepping_bare(&stepping, 0) > 0 && stepping.bare_steps > before);
  stepping_free(&stepping);
  world_close(&world);
}
END_TEST

int main(void) {
  enum { SPECS = sizeof specs / sizeof *specs };
  Suite *suite = suite_create("overlap");
  TCase *tcase = tcase_create("overlap");
  tcase_set_timeout(tcase, 240);
  tcase_add_loop_test(tcase, a_rollout_is_learned_from_one_pass_later, 1, 4);
  tcase_add_loop_test(tcase, rows_join_the_replay_at_the_end_of_a_pass, 1, 4);
  tcase_add_loop_test(tcase, threads_do_not_matter, 0, SPECS);
  tcase_add_loop_test(tcase, generated_code_is_as_the_oracle, 0, SPECS);
  tcase_add_loop_test(tcase, resume_equals_unbroken, 0, SPECS);
  tcase_add_loop_test(tcase, evaluation_does_not_disturb, 0, SPECS);
  tcase_add_loop_test(tcase, nothing_is_allocated, 0, SPECS);
  tcase_add_test(tcase, acting_in_chunks_has_room);
  tcase_add_loop_test(tcase, a_fault_while_acting_is_told, 1, 4);
  tcase_add_loop_test(tcase, bench_waits_for_the_trial, 0, SPECS);
  tcase_add_loop_test(tcase, bench_steps_a_pool_on_the_team_or_alone, 1, 3);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
