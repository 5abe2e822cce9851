/* Environments declared as specs: their programs follow what Gymnasium did
 * (tests/golden/declared.txt) and an independent computation of the hill car, equal the environment
 * written in C step for step, and keep the rules of resets, ends and old values. */
#include "tests/spec_code.h"

#include "envs/env.h"
#include "tests/suite.h"

#include <math.h>

static const char spec_of[] = "name: x\n"
                              "env: {id: %s, count: %d}\n"
                              "parameters: {k: 1.0}\n"
                              "act: {explore: '%s'}\n"
                              "losses: {l: {over: k, minimize: k * k}}\n"
                              "optimizers: {default: sgd(0.1)}\n"
                              "loop: [{collect: 1}, {descend: all}]\n";

static Spec environment(const char *id, int count, bool discrete) {
  char text[1024];
  snprintf(text, sizeof text, spec_of, id, count, discrete ? "0 * k" : "k + 0 * iota[act]");
  if (discrete) snprintf(text, sizeof text, spec_of, id, count, "argmax[choice](k * iota[choice])");
  return spec_text(text, "");
}

static Runner oracle(const char *id, int count, bool discrete) {
  Spec spec = environment(id, count, discrete);
  spec_passes(&spec, "grad");
  return runner_oracle(spec);
}

static Runner code(const char *id, int count, bool discrete) {
  Spec spec = environment(id, count, discrete);
  spec_passes(&spec, NULL);
  return runner_code(spec, RLC_F32);
}

static void put(const Runner *r, const char *slot, const double *values) {
  runner_set(r, spec_slot(&r->spec, slot), values);
}

static void take(const Runner *r, const char *slot, double *values, size_t count) {
  double *all = runner_get(r, spec_slot(&r->spec, slot));
  memcpy(values, all, count * sizeof *values);
  free(all);
}

static double number(const Runner *r, const char *slot) {
  double value;
  take(r, slot, &value, 1);
  return value;
}

/* ---- what Gymnasium did ---- */

typedef struct Task {
  const char *id, *path;
  bool discrete;
  const char *states[5]; /* in Gymnasium's order; of one element, or all of Acrobot's two */
  uint32_t state_size, obs;
  double tolerance; /* of observations and rewards over whole episodes, in double */
} Task;

static const char pendulum_file[] = RLC_ROOT "/specs/envs/pendulum.yaml";
static const Task tasks[] = {
    {"CartPole-v1", "CartPole-v1", true, {"x", "v", "angle", "rate"}, 4, 4, 1e-6},
    /* Gymnasium keeps this state in float32 */
    {"MountainCarContinuous-v0", "MountainCarContinuous-v0", false, {"x", "v"}, 2, 2, 1e-4},
    {"Acrobot-v1", "Acrobot-v1", true, {"q", "w"}, 4, 6, 1e-5},
    {"Pendulum-v1", pendulum_file, false, {"angle", "speed"}, 2, 3, 2e-6}};

static void begin(const Runner *r, const Task *task, const double *state) {
  uint32_t each = strcmp(task->id, "Acrobot-v1") == 0 ? 2 : 1;
  for (uint32_t i = 0; task->states[i]; i++)
    put(r, arena_printf(r->spec.arena, "act.env.%s", task->states[i]), state + i * each);
  put(r, "act.env.elapsed", &(double){0});
}

static void near(const char *id, const char *what, uint32_t step, double a, double b, double gap) {
  ck_assert_msg(fabs(a - b) <= gap, "%s, step %u: the %s is %.9g and was %.9g", id, step, what, a,
                b);
}

/* Replays the episodes of a task; returns how many steps there were. */
static uint32_t replay(FILE *file, const Runner *r, const Task *task, uint32_t *ends) {
  char word[64];
  double values[8];
  uint32_t step = 0;
  long at = ftell(file);
  while (fscanf(file, "%63s", word) == 1 && strcmp(word, "env") != 0) {
    bool start = strcmp(word, "start") == 0, obs = strcmp(word, "obs") == 0;
    uint32_t count = start ? task->state_size : obs ? task->obs : 3;
    for (uint32_t i = 0; i < count; i++) ck_assert_int_eq(fscanf(file, "%lf", &values[i]), 1);
    at = ftell(file);
    if (start) {
      begin(r, task, values);
    } else if (obs) {
      double seen[8];
      take(r, "act.next_obs", seen, count);
      for (uint32_t i = 0; i < count; i++)
        near(task->id, "observation", step, seen[i], values[i], task->tolerance);
    } else {
      put(r, "act.action", values);
      runner_run(r, "act_advance", 1, step++);
      double flags = number(r, "act.terminated") + 2 * number(r, "act.truncated");
      near(task->id, "reward", step, number(r, "act.reward"), values[1], task->tolerance);
      ck_assert_msg(flags == values[2], "%s, step %u: ends %g, not %g", task->id, step, flags,
                    values[2]);
      ck_assert(number(r, "act.env.elapsed") > 0 || flags > 0);
      for (int k = 0; k < 2; k++) ends[k] += ((int)flags >> k) & 1;
    }
  }
  fseek(file, at, SEEK_SET);
  return step;
}

START_TEST(gymnasium) {
  const Task *task = &tasks[_i];
  FILE *file = fopen(RLC_ROOT "/tests/golden/declared.txt", "r");
  ck_assert(file != NULL);
  char word[64] = "", id[64] = "";
  while (strcmp(id, task->id) != 0) {
    ck_assert_int_eq(fscanf(file, "%63s", word), 1);
    if (strcmp(word, "env") == 0) ck_assert_int_eq(fscanf(file, "%63s", id), 1);
  }
  Runner r = oracle(task->path, 1, task->discrete);
  uint32_t ends[2] = {0}, steps = replay(file, &r, task, ends);
  printf("%s: %u steps, %u terminated, %u truncated\n", task->id, steps, ends[0], ends[1]);
  ck_assert_uint_ge(steps, 200);
  ck_assert_uint_gt(ends[1], 0);
  ck_assert(ends[0] > 0 || strcmp(task->id, "Pendulum-v1") == 0);
  runner_close(&r);
  fclose(file);
}
END_TEST

/* ---- the pendulum in C ---- */

START_TEST(equals_c) {
  enum { COUNT = 16, STEPS = 250 };
  Runner r = code(pendulum_file, COUNT, false);
  char error[256];
  Env *env = env_make(env_find("Pendulum-v1"), error, sizeof error);
  ck_assert(env != NULL);
  runner_run(&r, "act_start", 3, 0);
  uint32_t flips = 0;
  for (uint32_t t = 0; t < STEPS; t++) {
    double angle[COUNT], speed[COUNT], action[COUNT], obs[3 * COUNT], reward[COUNT], want[3];
    take(&r, "act.env.angle", angle, COUNT);
    take(&r, "act.env.speed", speed, COUNT);
    for (int i = 0; i < COUNT; i++) action[i] = 3 * sin(t + 2.0 * i);
    put(&r, "act.action", action);
    take(&r, "act.action", action, COUNT);
    runner_run(&r, "act_advance", 3, t);
    take(&r, "act.next_obs", obs, 3 * COUNT);
    take(&r, "act.reward", reward, COUNT);
    for (int i = 0; i < COUNT; i++) {
      env_set_state(env, (double[]){t % 200, angle[i], speed[i]});
      float sent = (float)action[i];
      EnvStep step = env_step(env, &sent, want);
      /* where the angle is within rounding of a half turn it wraps to the other side */
      flips += fabs(reward[i] - step.reward) > 1e-5;
      for (int k = 0; k < 3; k++) near("pendulum", "observation", t, obs[3 * i + k], want[k], 4e-6);
      ck_assert(step.truncated == (number(&r, "act.truncated") != 0));
    }
  }
  ck_assert_uint_eq(flips, 0);
  env_free(env);
  runner_close(&r);
}
END_TEST

/* ---- the hill car, computed otherwise ---- */

static double power(double x, int n) { return n ? x * power(x, n - 1) : 1; }
static double floor_at(double x, int derivative) {
  static const double c[] = {0, 0, 0, -5.0 / 108, -1.0 / 18, 1.0 / 324, 1.0 / 243};
  double sum = 0;
  for (int n = derivative; n < 7; n++) {
    double factor = c[n];
    for (int k = 0; k < derivative; k++) factor *= n - k;
    sum += factor * power(x, n - derivative);
  }
  return sum;
}

static void hill_step(double *x, double *v, double force) {
  for (int k = 0; k < 10; k++) {
    double p = *x, w = *v, h = floor_at(p, 1), b = floor_at(p, 2), s = 1 + h * h;
    double gain = force / (0.5 * s) - 9.81 * h / s - w * w * h * b / s - 0.65 * w;
    bool stuck = p <= -4 || p >= 5;
    *x = stuck ? p : fmin(fmax(p + 0.01 * w, -4), 5);
    *v = stuck ? 0 : w + 0.01 * gain;
  }
}

/* At the bounds of the force the noise is clipped away wherever it points outwards. */
START_TEST(hill_car) {
  Runner r = oracle("HillCar-v0", 1, false);
  ck_assert(fabs(floor_at(-3, 0) + 1) < 1e-12 && fabs(floor_at(3, 0) + 2) < 1e-12);
  runner_run(&r, "act_start", 1, 0);
  ck_assert(number(&r, "act.env.x") == -3 && number(&r, "act.env.v") == 0);
  double x = -3, v = 0;
  uint32_t frozen = 0;
  for (int t = 0; t < 300; t++) {
    double force = t < 150 ? (v >= 0 ? 40 : -40) : (t / 25 % 2 ? 40 : -40);
    if (t % 100 == 0) x = -3, v = 0;
    put(&r, "act.action", &force);
    runner_run(&r, "act_advance", 1, t);
    hill_step(&x, &v, force > 0 ? 10 : -10);
    frozen += x <= -4 || x >= 5;
    double seen = 0;
    take(&r, "act.next_obs", &seen, 1);
    near("hill car", "position", t, seen, x, 1e-9);
    near("hill car", "reward", t, number(&r, "act.reward"), -floor_at(x, 0), 1e-9);
    ck_assert(number(&r, "act.terminated") == 0);
    ck_assert(number(&r, "act.truncated") == (t % 100 == 99));
  }
  ck_assert_uint_gt(frozen, 0);
  runner_close(&r);
}
END_TEST

/* The noise on the action has deviation 1: seen through the change of speed at a stationary place.
 */
START_TEST(hill_car_noise) {
  enum { COUNT = 4096 };
  Runner r = oracle("HillCar-v0", COUNT, false);
  double *v = calloc(COUNT, sizeof *v), sum = 0, squares = 0, one = -3, w = 0;
  ck_assert(v != NULL);
  hill_step(&one, &w, 0.01);
  runner_run(&r, "act_start", 1, 0);
  put(&r, "act.action", v);
  runner_run(&r, "act_advance", 1, 0);
  take(&r, "act.env.v", v, COUNT);
  for (int i = 0; i < COUNT; i++) {
    double force = v[i] / w * 0.01; /* nearly linear there */
    sum += force, squares += force * force;
  }
  ck_assert(fabs(sum / COUNT) < 0.06);
  ck_assert(fabs(sqrt(squares / COUNT) - 1) < 0.06);
  free(v);
  runner_close(&r);
}
END_TEST

/* ---- the small ones ---- */

static void step_two(const Runner *r, double a, double b) {
  put(r, "act.action", (double[]){a, b});
  runner_run(r, "act_advance", 1, 0);
}

START_TEST(bandits) {
  static const double wanted[3][3] = {{11, -30, 0}, {-30, 7, 6}, {0, 0, 5}};
  Runner r = oracle("ClimbingGame-v0", 1, false);
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      step_two(&r, -0.9 + 0.9 * i, -1 + j);
      ck_assert_double_eq(number(&r, "act.reward"), wanted[i][j]);
      ck_assert_double_eq(number(&r, "act.terminated"), 1);
    }
  runner_close(&r);
  r = oracle("BimodalBandit-v0", 1, false);
  step_two(&r, -0.3, -0.3);
  near("bandit", "reward", 0, number(&r, "act.reward"), 0.7 + exp(-1.62 / 0.125), 1e-9);
  step_two(&r, 0.6, 0.6);
  near("bandit", "reward", 1, number(&r, "act.reward"), 1 + 0.7 * exp(-1.62 / 0.125), 1e-9);
  runner_close(&r);
}
END_TEST

static void move(const Runner *r, const char *moves) {
  for (; *moves; moves++) {
    put(r, "act.action", &(double){strchr("srlud", *moves) - "srlud"});
    runner_run(r, "act_advance", 1, 0);
  }
}

START_TEST(grid_world) {
  static const char there[] = "uuurrrrrruuu";
  Runner r = oracle("GridWorld-v0", 1, true);
  double obs[14];
  runner_run(&r, "act_start", 1, 0);
  move(&r, "ldrrrr"); /* two walls, then the one between the rooms */
  ck_assert(number(&r, "act.env.x") == 2 && number(&r, "act.env.y") == 0);
  take(&r, "act.fresh", obs, 14);
  for (int i = 0; i < 14; i++) ck_assert(obs[i] == (i == 2 || i == 7));
  runner_run(&r, "act_start", 1, 0);
  move(&r, "uuurrrrrruu");
  ck_assert(number(&r, "act.env.x") == 6 && number(&r, "act.env.y") == 5);
  ck_assert(number(&r, "act.reward") == 0 && number(&r, "act.terminated") == 0);
  move(&r, there + strlen(there) - 1);
  ck_assert(number(&r, "act.reward") == 1 && number(&r, "act.terminated") == 1);
  take(&r, "act.next_obs", obs, 14);
  for (int i = 0; i < 14; i++) ck_assert(obs[i] == (i == 6 || i == 13));
  ck_assert(number(&r, "act.env.x") == 0 && number(&r, "act.env.elapsed") == 0);
  runner_close(&r);
}
END_TEST

/* ---- rules ---- */

/* A file of this text for as long as `make` reads it. */
static Runner runner_of(const char *text, Runner (*make)(const char *, int, bool)) {
  char path[] = P_tmpdir "/rlc-env-XXXXXX.yaml";
  int file = mkstemps(path, 5);
  ck_assert(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  Runner r = make(path, 1, false);
  unlink(path);
  return r;
}

/* Right sides see old values, whatever their order; what is not set stays; a `reset` starts anew.
 */
START_TEST(old_values) {
  static const char text[] = "environment: Swap\nlimit: 3\nstate: {a: 1, b: 2, c: 7}\n"
                             "action: {size: 1, low: -1, high: 1}\nreset:\n  c: uniform(5, 6)\n"
                             "step: {a: b, b: a + 10, reward: a}\nobserve: a\n";
  Runner r = runner_of(text, oracle);
  runner_run(&r, "act_start", 1, 0);
  double c = number(&r, "act.env.c");
  ck_assert(c >= 5 && c <= 6);
  runner_run(&r, "act_advance", 1, 0);
  ck_assert(number(&r, "act.env.a") == 2 && number(&r, "act.env.b") == 11);
  ck_assert(number(&r, "act.reward") == 1 && number(&r, "act.env.c") == c);
  runner_run(&r, "act_advance", 1, 1);
  ck_assert(number(&r, "act.truncated") == 0);
  runner_run(&r, "act_advance", 1, 2);
  ck_assert(number(&r, "act.truncated") == 1 && number(&r, "act.env.a") == 1);
  ck_assert(number(&r, "act.env.c") != c && number(&r, "act.env.c") >= 5);
  runner_close(&r);
}
END_TEST

/* floor gives whole numbers too, which are actions as they are. */
START_TEST(floor_chooses) {
  char text[1024];
  snprintf(text, sizeof text, spec_of, "CartPole-v1", 64, "floor(choices * uniform_noise[]())");
  for (int made = 0; made < 2; made++) {
    Spec spec = spec_text(text, "");
    spec_passes(&spec, made ? NULL : "grad");
    Runner r = made ? runner_code(spec, RLC_F32) : runner_oracle(spec);
    double actions[64], right = 0;
    runner_run(&r, "explore", 1, 0);
    take(&r, "act.action", actions, 64);
    for (int e = 0; e < 64; e++) {
      ck_assert(actions[e] == 0 || actions[e] == 1);
      right += actions[e];
    }
    ck_assert(right > 16 && right < 48);
    runner_close(&r);
  }
}
END_TEST

/* Any number but 0 ends an episode; what is no number stays so, for the runtime to stop at, also
 * where a limit would end the episode too. */
START_TEST(ends) {
  static const char text[] = "environment: Ends\nlimit: 2\nstate: {a: 1}\n"
                             "action: {size: 1, low: -9, high: 9}\n"
                             "step: {a: a, reward: a, terminated: 'sum[act](action)',\n"
                             "       truncated: 'sqrt(sum[act](action))'}\nobserve: a\n";
  static const double cases[][3] = {
      {0, 0, 0}, {0.5, 1, 1}, {7, 1, 1}, {-0.25, 1, NAN}, {NAN, NAN, NAN}};
  for (size_t made = 0; made < 2; made++) {
    Runner r = runner_of(text, made ? code : oracle);
    for (size_t i = 0; i < 2 * COUNTOF(cases); i++) {
      const double *wanted = cases[i / 2];
      put(&r, "act.env.elapsed", &(double){i % 2});
      put(&r, "act.action", wanted);
      runner_run(&r, "act_advance", 1, i);
      double terminated = number(&r, "act.terminated"), truncated = number(&r, "act.truncated");
      double over = i % 2 && !isnan(wanted[2]) ? 1 : wanted[2];
      ck_assert_msg(isnan(wanted[1]) ? isnan(terminated) : terminated == wanted[1], "%g",
                    terminated);
      ck_assert_msg(isnan(over) ? isnan(truncated) : truncated == over, "%g", truncated);
    }
    runner_close(&r);
  }
}
END_TEST

/* env_step in a loss is the same motion as acting, and differentiated through it. */
START_TEST(in_a_loss) {
  char text[2048];
  snprintf(text, sizeof text,
           "name: x\nenv: %s\nparameters: {push: {axes: act, init: 0.3}}\nact: {explore: 'push'}\n"
           "losses:\n  l:\n    over: push\n    let:\n"
           "      start: env_reset[batch=32]()\n"
           "      one: env_step(start, push)\n"
           "      seen: env_observe(one)\n"
           "    minimize: mean[batch](one.speed)\n"
           "    log:\n      cosine: mean[batch](index[obs=0](seen) - cos(one.angle))\n"
           "optimizers: {default: sgd(1)}\nloop: [{collect: 1}, {descend: l}]\n",
           pendulum_file);
  Spec spec = spec_text(text, "");
  spec_passes(&spec, "grad");
  Runner r = runner_oracle(spec);
  put(&r, "push", &(double){0.3});
  runner_run(&r, "update", 1, 0);
  /* speed gains 3 u dt, and no speed is near the bound */
  near("loss", "parameter", 0, number(&r, "push"), 0.3 - 3 * 0.05, 1e-12);
  ck_assert_double_eq(number(&r, "metric.l/cosine"), 0);
  runner_close(&r);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("declared_env");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, gymnasium, 0, COUNTOF(tasks));
  tcase_add_test(tests, equals_c);
  tcase_add_test(tests, hill_car);
  tcase_add_test(tests, hill_car_noise);
  tcase_add_test(tests, bandits);
  tcase_add_test(tests, grid_world);
  tcase_add_test(tests, old_values);
  tcase_add_test(tests, floor_chooses);
  tcase_add_test(tests, ends);
  tcase_add_test(tests, in_a_loss);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
