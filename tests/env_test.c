/* Environments and the pool: what the models compile to, how resets are drawn, that stepping does
 * not depend on who does it, that episodes end and restart as promised, that a saved state
 * continues bit for bit, and that what goes wrong is reported. Agreement with Gymnasium is
 * env_golden_test.c's. A task whose simulator is missing is skipped aloud and counted. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/class.h"
#include "envs/pool.h"
#include "envs/random.h"

static int skipped;

/* A pool that has been reset, or NULL after saying that the task is skipped. */
static Pool *test_pool(int task, uint32_t count, uint64_t seed, uint32_t first) {
  size_t known;
  char error[1024];
  const EnvSpec *spec = env_list(&known) + task;
  Pool *pool = pool_make(spec, count, seed, first, error, sizeof error);
  if (!pool) printf("SKIP %s: %s\n", spec->id, error);
  skipped += !pool;
  if (pool) pool_reset(pool);
  return pool;
}

/* Actions of every instance that depend on its number and the step only, within the bounds. */
static void test_act(const Pool *pool, uint32_t first, uint32_t step, float *actions) {
  uint32_t dim = pool->spec->act_dim;
  for (uint32_t i = 0; i < pool->count * dim; i++) {
    double phase = 1.7 * (first + i / dim) + 0.9 * (i % dim) + 0.37 * step;
    actions[i] = (float)(pool->spec->act_high * sin(phase));
  }
}

static void test_step(Pool *pool, uint32_t first, uint32_t step) {
  float actions[pool->count * pool->spec->act_dim];
  test_act(pool, first, step, actions);
  pool_begin(pool, actions);
  ck_assert_uint_eq(pool_step_some(pool), pool->count);
}

/* Bit for bit the same, checkpoint state included. */
static void test_same(const Pool *a, const Pool *b) {
  size_t bytes = pool_state_size(a);
  ck_assert_uint_eq(bytes, pool_state_size(b));
  void *one = calloc(1, bytes), *two = calloc(1, bytes);
  pool_get_state(a, one);
  pool_get_state(b, two);
  ck_assert_int_eq(memcmp(one, two, bytes), 0);
  ck_assert_int_eq(memcmp(a->obs, b->obs, a->count * a->spec->obs_dim * sizeof *a->obs), 0);
  ck_assert_int_eq(memcmp(a->reward, b->reward, a->count * sizeof *a->reward), 0);
  free(one);
  free(two);
}

/* ---- what needs no simulator ---- */

START_TEST(registry_finds_all) {
  size_t count;
  const EnvSpec *spec = env_list(&count);
  ck_assert_uint_eq(count, 8);
  for (size_t i = 0; i < count; i++) {
    ck_assert_ptr_eq(env_find(spec[i].id), &spec[i]);
    ck_assert(spec[i].obs_dim && spec[i].act_dim && spec[i].limit && spec[i].state_size);
    ck_assert(spec[i].act_low == -spec[i].act_high && spec[i].dt > 0.0);
  }
  ck_assert_ptr_null(env_find("HalfCheetah-v4"));
  ck_assert_ptr_null(env_find(""));
}
END_TEST

/* The known answers published with the generator. */
START_TEST(random_known_answers) {
  static const struct {
    uint32_t counter[4], key[2], word[4];
  } ANSWER[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (int i = 0; i < 3; i++) {
    const uint32_t *c = ANSWER[i].counter, *k = ANSWER[i].key;
    Philox bits = philox((uint64_t)k[1] << 32 | k[0], c[1], (uint64_t)c[3] << 32 | c[2], c[0]);
    for (int j = 0; j < 4; j++) ck_assert_uint_eq(bits.word[j], ANSWER[i].word[j]);
  }
}
END_TEST

START_TEST(random_moments) {
  enum { DRAWS = 200000 };
  RandomStream stream = random_start(random_key(7, 3), 11);
  double mean = 0.0, square = 0.0, fourth = 0.0, uniform = 0.0;
  for (int i = 0; i < DRAWS; i++) {
    double x = random_normal(&stream);
    mean += x / DRAWS, square += x * x / DRAWS, fourth += x * x * x * x / DRAWS;
    double u = random_uniform(&stream, 2.0, 4.0);
    ck_assert(u >= 2.0 && u < 4.0);
    uniform += u / DRAWS;
  }
  ck_assert_double_le(fabs(mean), 0.01); /* four standard errors and more */
  ck_assert_double_le(fabs(square - 1.0), 0.015);
  ck_assert_double_le(fabs(fourth - 3.0), 0.1);
  ck_assert_double_le(fabs(uniform - 3.0), 0.006);
}
END_TEST

/* From upright and at rest nothing moves without torque; a torque of 3 counts as 2. */
START_TEST(pendulum_by_hand) {
  char error[64];
  Env *env = env_make(env_find("Pendulum-v1"), error, sizeof error);
  double obs[3], upright[3] = {0.0, 0.0, 0.0};
  env_set_state(env, upright);
  EnvStep step = env_step(env, &(float){0.0f}, obs);
  ck_assert(step.reward == 0.0 && obs[0] == 1.0 && obs[1] == 0.0 && obs[2] == 0.0);
  step = env_step(env, &(float){3.0f}, obs);
  ck_assert_double_eq_tol(step.reward, -0.001 * 4.0, 1e-9);
  ck_assert_double_eq_tol(obs[2], 3.0 * 2.0 * 0.05, 1e-15);
  double fallen[3] = {0.0, 3.0 * M_PI, 7.9}; /* hanging, one turn on, and fast */
  env_set_state(env, fallen);
  step = env_step(env, &(float){2.0f}, obs);
  ck_assert_double_eq_tol(step.reward, -(M_PI * M_PI + 0.1 * 7.9 * 7.9 + 0.004), 1e-9);
  ck_assert_double_eq_tol(obs[2], 8.0, 1e-12);
  env_free(env);
}
END_TEST

/* ---- every task ---- */

START_TEST(same_seed_same_course) {
  Pool *a = test_pool(_i, 4, 5, 0), *b = test_pool(_i, 4, 5, 0), *c = test_pool(_i, 4, 6, 0);
  Pool *lone = test_pool(_i, 1, 5, 2);
  if (!a) return;
  uint32_t dim = a->spec->obs_dim;
  ck_assert_int_ne(memcmp(a->obs, c->obs, dim * sizeof *a->obs), 0);
  ck_assert_int_ne(memcmp(a->obs, a->obs + dim, dim * sizeof *a->obs), 0);
  for (uint32_t k = 0; k < 60; k++) {
    test_step(a, 0, k);
    test_step(b, 0, k);
    test_step(lone, 2, k);
    test_same(a, b);
    ck_assert_int_eq(memcmp(a->obs + 2 * dim, lone->obs, dim * sizeof *a->obs), 0);
    ck_assert(a->reward[2] == lone->reward[0]);
    ck_assert_int_eq(pool_fault(a), -1);
  }
  pool_free(a), pool_free(b), pool_free(c), pool_free(lone);
}
END_TEST

typedef struct Crew {
  Pool *pool;
  pthread_barrier_t start, end;
  uint32_t steps;
  uint64_t stepped; /* by all workers, in the end */
  pthread_mutex_t lock;
} Crew;

static void *crew_work(void *context) {
  Crew *crew = context;
  uint64_t stepped = 0;
  for (uint32_t k = 0; k < crew->steps; k++) {
    pthread_barrier_wait(&crew->start);
    stepped += pool_step_some(crew->pool);
    pthread_barrier_wait(&crew->end);
  }
  pthread_mutex_lock(&crew->lock);
  crew->stepped += stepped;
  pthread_mutex_unlock(&crew->lock);
  return NULL;
}

static void crew_run(Pool *pool, uint32_t workers, uint32_t steps) {
  Crew crew = {.pool = pool, .steps = steps};
  pthread_t thread[8];
  float actions[pool->count * pool->spec->act_dim];
  pthread_barrier_init(&crew.start, NULL, workers + 1);
  pthread_barrier_init(&crew.end, NULL, workers + 1);
  pthread_mutex_init(&crew.lock, NULL);
  for (uint32_t i = 0; i < workers; i++) pthread_create(&thread[i], NULL, crew_work, &crew);
  for (uint32_t k = 0; k < steps; k++) {
    test_act(pool, 0, k, actions);
    pool_begin(pool, actions);
    pthread_barrier_wait(&crew.start);
    pthread_barrier_wait(&crew.end);
  }
  for (uint32_t i = 0; i < workers; i++) pthread_join(thread[i], NULL);
  ck_assert_uint_eq(crew.stepped, (uint64_t)steps * pool->count);
  pthread_barrier_destroy(&crew.start);
  pthread_barrier_destroy(&crew.end);
  pthread_mutex_destroy(&crew.lock);
}

START_TEST(workers_do_not_matter) {
  enum { COUNT = 70, STEPS = 30 }; /* enough instances for several to be handed out at once */
  Pool *alone = test_pool(_i, COUNT, 9, 0);
  if (!alone) return;
  for (uint32_t k = 0; k < STEPS; k++) test_step(alone, 0, k);
  for (uint32_t workers = 1; workers <= 3; workers++) {
    Pool *pool = test_pool(_i, COUNT, 9, 0);
    crew_run(pool, workers, STEPS);
    test_same(alone, pool);
    pool_free(pool);
  }
  pool_free(alone);
}
END_TEST

/* Follows one instance by hand, through enough ends of episodes, and expects the pool to say the
 * same. */
START_TEST(episodes_restart) {
  char error[1024];
  Pool *pool = test_pool(_i, 2, 3, 10);
  if (!pool) return;
  const EnvSpec *spec = pool->spec;
  uint32_t dim = spec->obs_dim, length = 0, episode = 0;
  Env *env = env_make(spec, error, sizeof error);
  double obs[dim], sum = 0.0;
  env_reset(env, random_key(3, 11), episode++, obs);
  for (uint32_t k = 0; k < 2 * spec->limit + 1; k++) {
    float actions[2 * spec->act_dim];
    for (uint32_t i = 0; i < dim; i++) ck_assert(pool->obs[dim + i] == (float)obs[i]);
    test_act(pool, 10, k, actions);
    pool_begin(pool, actions);
    pool_step_some(pool);
    EnvStep step = env_step(env, actions + spec->act_dim, obs);
    sum += step.reward, length++;
    ck_assert(pool->terminated[1] == step.terminated && pool->truncated[1] == step.truncated);
    ck_assert(step.truncated == (length == spec->limit));
    ck_assert(pool->reward[1] == (float)step.reward);
    ck_assert(pool->episode_return[1] == sum && pool->episode_length[1] == length);
    for (uint32_t i = 0; i < dim; i++) ck_assert(pool->final_obs[dim + i] == (float)obs[i]);
    if (!step.terminated && !step.truncated) continue;
    env_reset(env, random_key(3, 11), episode++, obs);
    sum = 0.0, length = 0;
  }
  ck_assert_uint_ge(episode, 3);
  env_free(env);
  pool_free(pool);
}
END_TEST

START_TEST(state_continues) {
  Pool *pool = test_pool(_i, 3, 21, 0), *other = test_pool(_i, 3, 99, 0);
  if (!pool) return;
  for (uint32_t k = 0; k < 137; k++) test_step(pool, 0, k);
  for (uint32_t k = 0; k < 11; k++) test_step(other, 5, k); /* whatever it holds must not show */
  void *state = malloc(pool_state_size(pool));
  pool_get_state(pool, state);
  pool_set_state(other, state);
  test_same(pool, other);
  for (uint32_t k = 137; k < 300; k++) {
    test_step(pool, 0, k);
    test_step(other, 0, k);
    test_same(pool, other);
    size_t bytes = pool->count * pool->spec->obs_dim * sizeof *pool->obs;
    ck_assert_int_eq(memcmp(pool->final_obs, other->final_obs, bytes), 0);
  }
  free(state);
  pool_free(pool);
  pool_free(other);
}
END_TEST

START_TEST(bad_action_is_reported) {
  Pool *pool = test_pool(_i, 3, 1, 0);
  if (!pool) return;
  float actions[3 * pool->spec->act_dim];
  test_act(pool, 0, 0, actions);
  actions[2 * pool->spec->act_dim] = NAN;
  ck_assert_int_eq(pool_fault(pool), -1);
  pool_begin(pool, actions);
  pool_step_some(pool);
  ck_assert_int_eq(pool_fault(pool), 2);
  pool_reset(pool);
  ck_assert_int_eq(pool_fault(pool), -1);
  test_step(pool, 0, 0);
  ck_assert_int_eq(pool_fault(pool), -1);
  pool_free(pool);
}
END_TEST

/* The simulator quietly starts over from a state it finds too wild; we must hear of it. */
START_TEST(wild_state_is_reported) {
  size_t count;
  char error[1024];
  const EnvSpec *spec = env_list(&count) + _i;
  Env *env = env_make(spec, error, sizeof error);
  if (!env) printf("SKIP %s: %s\n", spec->id, error);
  skipped += !env;
  if (!env) return;
  double obs[spec->obs_dim], state[spec->state_size];
  float action[16] = {0};
  env_reset(env, 1, 0, obs);
  env_step(env, action, obs);
  ck_assert_ptr_null(env_fault(env));
  env_get_state(env, state);
  for (uint32_t i = 3; i < spec->state_size; i++) state[i] = 1e11;
  env_set_state(env, state);
  env_step(env, action, obs);
  ck_assert_ptr_nonnull(env_fault(env));
  ck_assert_ptr_nonnull(strstr(env_fault(env), "bad number"));
  env_reset(env, 1, 1, obs);
  ck_assert_ptr_null(env_fault(env));
  env_free(env);
}
END_TEST

/* ---- what resets are drawn from ---- */

typedef struct Noise {
  const char *id;
  uint32_t places, speeds; /* noisy entries of qpos and qvel, from the front */
  double place, speed;     /* half width; standard deviation of the speeds where normal */
  bool normal;
} Noise;

static const Noise NOISE[] = {
    {"HalfCheetah-v5", 9, 9, 0.1, 0.1, true},
    {"Hopper-v5", 6, 6, 0.005, 0.005, false},
    {"Walker2d-v5", 9, 9, 0.005, 0.005, false},
    {"Ant-v5", 15, 14, 0.1, 0.1, true},
    {"Swimmer-v5", 5, 5, 0.1, 0.1, false},
    {"Reacher-v5", 2, 2, 0.1, 0.005, false},
    {"InvertedPendulum-v5", 2, 2, 0.01, 0.01, false},
};

/* Where a MuJoCo task's noiseless positions are not zero. */
static double noise_centre(const char *id, uint32_t i) {
  if (strcmp(id, "Ant-v5") == 0) return i == 2 ? 0.75 : i == 3 ? 1.0 : 0.0;
  bool biped = strcmp(id, "Hopper-v5") == 0 || strcmp(id, "Walker2d-v5") == 0;
  return biped && i == 1 ? 1.25 : 0.0;
}

/* Largest and root mean square deviation over many resets. */
typedef struct Spread {
  double largest, square;
  uint32_t count;
} Spread;

static void spread_add(Spread *spread, double x) {
  spread->largest = fmax(spread->largest, fabs(x));
  spread->square += x * x;
  spread->count++;
}

static void spread_check(const Spread *spread, double scale, bool normal) {
  double deviation = sqrt(spread->square / spread->count);
  double want = normal ? scale : scale / sqrt(3.0);
  ck_assert_double_le(fabs(deviation / want - 1.0), 0.05);
  if (normal)
    ck_assert_double_ge(spread->largest, 2.5 * scale);
  else
    ck_assert(spread->largest <= scale && spread->largest > 0.98 * scale);
}

START_TEST(reset_noise) {
  const Noise *noise = &NOISE[_i];
  const EnvSpec *spec = env_find(noise->id);
  char error[1024];
  Env *env = env_make(spec, error, sizeof error);
  if (!env) printf("SKIP %s: %s\n", spec->id, error);
  skipped += !env;
  if (!env) return;
  uint32_t nv = noise->id[0] == 'R' ? 4 : noise->speeds, nq = spec->state_size - 3 - 2 * nv;
  double obs[spec->obs_dim], state[spec->state_size], radius = 0.0;
  Spread places = {0}, speeds = {0};
  for (uint64_t episode = 0; episode < 1000; episode++) {
    env_reset(env, 77, episode, obs);
    env_get_state(env, state);
    ck_assert(state[0] == 0.0 && state[1] == 0.0);
    for (uint32_t i = 0; i < noise->places; i++)
      spread_add(&places, state[3 + i] - noise_centre(noise->id, i));
    for (uint32_t i = 0; i < noise->speeds; i++) spread_add(&speeds, state[3 + nq + i]);
    if (noise->id[0] != 'R') continue;
    ck_assert(state[3 + nq + 2] == 0.0 && state[3 + nq + 3] == 0.0);
    ck_assert_double_lt(hypot(state[5], state[6]), 0.2);
    radius += hypot(state[5], state[6]) / 1000.0;
  }
  spread_check(&places, noise->place, false);
  spread_check(&speeds, noise->speed, noise->normal);
  if (noise->id[0] == 'R') ck_assert_double_le(fabs(radius - 0.2 * 2.0 / 3.0), 0.006);
  env_free(env);
}
END_TEST

static Suite *env_suite(void) {
  size_t count;
  env_list(&count);
  int tasks = (int)count;
  Suite *suite = suite_create("env");
  TCase *plain = tcase_create("plain");
  tcase_add_test(plain, registry_finds_all);
  tcase_add_test(plain, random_known_answers);
  tcase_add_test(plain, random_moments);
  tcase_add_test(plain, pendulum_by_hand);
  TCase *every = tcase_create("every task");
  tcase_set_timeout(every, 120);
  tcase_add_loop_test(every, same_seed_same_course, 0, tasks);
  tcase_add_loop_test(every, workers_do_not_matter, 0, tasks);
  tcase_add_loop_test(every, episodes_restart, 0, tasks);
  tcase_add_loop_test(every, state_continues, 0, tasks);
  tcase_add_loop_test(every, bad_action_is_reported, 0, tasks);
  tcase_add_loop_test(every, wild_state_is_reported, 1, tasks); /* all but the Pendulum */
  tcase_add_loop_test(every, reset_noise, 0, (int)(sizeof NOISE / sizeof NOISE[0]));
  suite_add_tcase(suite, plain);
  suite_add_tcase(suite, every);
  return suite;
}

int main(void) {
  SRunner *runner = srunner_create(env_suite());
  srunner_set_fork_status(runner, CK_NOFORK); /* the count of skips must survive */
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  if (skipped) printf("%d skipped\n", skipped);
  return failed > 0;
}
