/* The pool against MuJoCo alone: mj_step in a loop with prepared actions, nothing observed or
 * rewarded, in turn with the pool, on one thread, by that thread's CPU time, so that other work on
 * the machine spoils neither.
 *   cc -O2 -I. -Ibuild/mujoco/include bench/bare_mj.c build/librlc_runtime.a \
 *      build/mujoco/lib/libmujoco.so.* -Wl,-rpath,$PWD/build/mujoco/lib -ldl -lm -o build/bare_mj
 *   build/bare_mj Ant-v5 ant 5 0.2 1.0 1 1 8 20
 * that is: task, model, mj_steps in a step, the height that ends an episode below and above,
 * whether contact forces are read, instances of MuJoCo and of the pool, seconds. One instance stays
 * in the cache; as many as the pool's show what the pool itself adds. */
#include <mujoco/mujoco.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "envs/pool.h"

enum { ACTIONS = 251, MOST = 256, SLICE = 256 };

typedef struct Bare {
  mjModel *model;
  mjData *data[MOST];
  int skip, forces, height, age[MOST], n;
  double low, high;
} Bare;

static float action[ACTIONS][MOST * 32];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void bare_reset(Bare *bare, int i) {
  mj_resetData(bare->model, bare->data[i]);
  for (int j = 0; j < bare->model->nv; j++)
    bare->data[i]->qvel[j] = 0.1 * (2.0 * rand() / RAND_MAX - 1);
  mj_forward(bare->model, bare->data[i]);
  bare->age[i] = 0;
}

static void bare_step(Bare *bare, const float *actions) {
  for (int i = 0; i < bare->n; i++) {
    mjData *d = bare->data[i];
    for (int j = 0; j < bare->model->nu; j++) d->ctrl[j] = actions[i * bare->model->nu + j];
    for (int f = 0; f < bare->skip; f++) mj_step(bare->model, d);
    if (bare->forces) mj_rnePostConstraint(bare->model, d);
    double z = d->qpos[bare->height];
    if (++bare->age[i] >= 1000 || !(z > bare->low && z < bare->high)) bare_reset(bare, i);
  }
}

static int descending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x < y) - (x > y);
}

int main(int argc, char **argv) {
  char why[512] = "", path[256];
  if (argc != 10) return fprintf(stderr, "TASK MODEL SKIP LOW HIGH FORCES BARE POOL SECONDS\n"), 1;
  int count = atoi(argv[8]);
  snprintf(path, sizeof path, "envs/models/%s.xml", argv[2]);
  Bare bare = {.model = mj_loadXML(path, NULL, why, sizeof why),
               .skip = atoi(argv[3]),
               .low = atof(argv[4]),
               .high = atof(argv[5]),
               .forces = atoi(argv[6]),
               .n = atoi(argv[7])};
  const EnvSpec *spec = env_find(argv[1]);
  Pool *pool = spec ? pool_make(spec, (uint32_t)count, 1, 0, why, sizeof why) : NULL;
  if (!bare.model || !pool) return fprintf(stderr, "%s\n", why), 1;
  bare.height = bare.model->jnt_type[0] == mjJNT_FREE ? 2 : 1;
  bare.model->narena = 1 << 20;
  for (int i = 0; i < ACTIONS; i++)
    for (int j = 0; j < MOST * 32; j++) action[i][j] = (float)(2.0 * rand() / RAND_MAX - 1);
  for (int i = 0; i < bare.n; i++) bare.data[i] = mj_makeData(bare.model), bare_reset(&bare, i);
  pool_reset(pool);
  static double ratio[1 << 20], rate[2][1 << 20];
  int slices = 0, slice[2] = {(SLICE + bare.n - 1) / bare.n, (SLICE + count - 1) / count};
  for (double start = now(), seconds = atof(argv[9]); now() - start < seconds; slices++) {
    double at[3] = {now()};
    for (int k = 0; k < slice[0]; k++) bare_step(&bare, action[(slices * slice[0] + k) % ACTIONS]);
    at[1] = now();
    for (int k = 0; k < slice[1]; k++) {
      pool_begin(pool, action[(slices * slice[1] + k) % ACTIONS]);
      pool_step_some(pool);
    }
    at[2] = now();
    for (int k = 0; k < 2; k++)
      rate[k][slices] = slice[k] * (k ? count : bare.n) / (at[k + 1] - at[k]);
    ratio[slices] = rate[1][slices] / rate[0][slices];
  }
  qsort(ratio, (size_t)slices, sizeof *ratio, descending);
  for (int k = 0; k < 2; k++) qsort(rate[k], (size_t)slices, sizeof *rate[k], descending);
  printf("%s: %d bare instance%s %.0f steps/s, pool of %d %.0f (medians); pool / bare %.3f (median "
         "of %d "
         "pairs), %.3f at the 90th percentiles\n",
         argv[1], bare.n, bare.n == 1 ? "" : "s", rate[0][slices / 2], count, rate[1][slices / 2],
         ratio[slices / 2], slices, rate[1][slices / 10] / rate[0][slices / 10]);
}
