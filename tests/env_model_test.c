/* What the MuJoCo models compile to, against the published tasks' figures, and what becomes of a
 * simulator that fails. Skipped aloud, and counted, where there is no MuJoCo. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "envs/env.h"

static int skipped;

#if __has_include(<mujoco/mujoco.h>)

#include <math.h>

#include "envs/mujoco.h"

/* Figures of one task; lists end with 0. */
typedef struct Figures {
  const char *id;
  double timestep;
  int integrator;
  int nq, nv, nbody;
  double mass[16]; /* of every body but the world */
  double gear[8];
  double range[9][2];  /* of the limited joints, in order */
  double armature[16]; /* of every degree of freedom, as far as it is not 0 */
  double damping[16];
} Figures;

#define RAD(degrees) ((degrees)*M_PI / 180.0)

static const Figures FIGURES[] = {
    {"HalfCheetah-v5",
     0.01,
     mjINT_EULER,
     9,
     9,
     8,
     {6.25021, 1.54351, 1.58745, 1.09540, 1.43808, 1.20084, 0.88452},
     {120, 90, 60, 120, 60, 30},
     {{-0.52, 1.05}, {-0.785, 0.785}, {-0.4, 0.785}, {-1, 0.7}, {-1.2, 0.87}, {-0.5, 0.5}},
     {0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1},
     {0, 0, 0, 6, 4.5, 3, 4.5, 3, 1.5}},
    {"Hopper-v5",
     0.002,
     mjINT_RK4,
     6,
     6,
     5,
     {3.66519, 4.05789, 2.78136, 5.31557},
     {200, 200, 200},
     {{RAD(-150), 0}, {RAD(-150), 0}, {RAD(-45), RAD(45)}},
     {0, 0, 0, 1, 1, 1},
     {0, 0, 0, 1, 1, 1}},
    {"Walker2d-v5",
     0.002,
     mjINT_RK4,
     9,
     9,
     8,
     {3.66519, 4.05789, 2.78136, 3.16673, 4.05789, 2.78136, 3.16673},
     {100, 100, 100, 100, 100, 100},
     {{RAD(-150), 0},
      {RAD(-150), 0},
      {RAD(-45), RAD(45)},
      {RAD(-150), 0},
      {RAD(-150), 0},
      {RAD(-45), RAD(45)}},
     {0, 0, 0, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01},
     {0, 0, 0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}},
    {"Ant-v5",
     0.01,
     mjINT_RK4,
     15,
     14,
     14,
     {0.32725, 0.03916, 0.03916, 0.06759, 0.03916, 0.03916, 0.06759, 0.03916, 0.03916, 0.06759,
      0.03916, 0.03916, 0.06759},
     {150, 150, 150, 150, 150, 150, 150, 150},
     {{RAD(-30), RAD(30)},
      {RAD(30), RAD(70)},
      {RAD(-30), RAD(30)},
      {RAD(-70), RAD(-30)},
      {RAD(-30), RAD(30)},
      {RAD(-70), RAD(-30)},
      {RAD(-30), RAD(30)},
      {RAD(30), RAD(70)}},
     {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
     {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}},
    {"Swimmer-v5",
     0.01,
     mjINT_RK4,
     5,
     5,
     4,
     {35.60472, 35.60472, 35.60472},
     {150, 150},
     {{RAD(-100), RAD(100)}, {RAD(-100), RAD(100)}},
     {0.1, 0.1, 0.1, 0.1, 0.1},
     {0}},
    {"Reacher-v5",
     0.01,
     mjINT_RK4,
     4,
     4,
     5,
     {0.03560, 0.03560, 0.00419, 0.00305},
     {200, 200},
     {{-3, 3}, {-0.27, 0.27}, {-0.27, 0.27}},
     {1, 1, 0, 0},
     {1, 1, 0, 0}},
    {"InvertedPendulum-v5",
     0.02,
     mjINT_RK4,
     2,
     2,
     3,
     {10.47198, 5.01859},
     {100},
     {{-1, 1}, {RAD(-90), RAD(90)}},
     {0},
     {1, 1}},
};

enum { TASKS = sizeof FIGURES / sizeof FIGURES[0] };

/* Actuators of the ant drive the fourth leg first. */
static const int ANT_DRIVEN[8] = {13, 14, 7, 8, 9, 10, 11, 12};

typedef struct Built {
  MujocoApi api;
  mjModel *model;
  mjData *data;
  const char *text;
  char error[1024];
} Built;

static void built_compile(void *context) {
  Built *built = context;
  built->model = mujoco_api_compile(&built->api, built->text, built->error, sizeof built->error);
}

/* False after saying that the test is skipped. */
static bool built_load(Built *built, const char *text) {
  if (!mujoco_api_load(&built->api, built->error, sizeof built->error)) {
    printf("SKIP: %s\n", built->error);
    skipped++;
    return false;
  }
  built->text = text;
  bool sound = mujoco_api_guard(built_compile, built, built->error, sizeof built->error);
  ck_assert_msg(sound && built->model, "%s", built->error);
  return true;
}

static void figures_options(const Figures *figures, const EnvSpec *spec, const mjModel *model) {
  const MujocoTask *task = spec->task;
  ck_assert(model->nq == figures->nq && model->nv == figures->nv && model->nbody == figures->nbody);
  ck_assert(model->opt.integrator == figures->integrator);
  ck_assert(model->opt.solver == mjSOL_NEWTON && model->opt.cone == mjCONE_PYRAMIDAL);
  ck_assert(model->opt.iterations == 100 && model->opt.tolerance == 1e-8);
  ck_assert(model->opt.gravity[0] == 0.0 && model->opt.gravity[2] == -9.81);
  ck_assert_double_eq(model->opt.timestep, figures->timestep);
  ck_assert_double_eq_tol(spec->dt, figures->timestep * task->frame_skip, 1e-15);
}

START_TEST(model_has_figures) {
  const Figures *figures = &FIGURES[_i];
  const EnvSpec *spec = env_find(figures->id);
  Built built = {0};
  if (!built_load(&built, ((const MujocoTask *)spec->task)->model)) return;
  const mjModel *model = built.model;
  figures_options(figures, spec, model);
  for (int i = 1; i < model->nbody; i++)
    ck_assert_double_eq_tol(model->body_mass[i], figures->mass[i - 1], 5e-6);
  for (int i = 0; i < model->nv; i++) {
    ck_assert_double_eq(model->dof_armature[i], figures->armature[i]);
    ck_assert_double_eq(model->dof_damping[i], figures->damping[i]);
  }
  int limited = 0;
  for (int i = 0; i < model->njnt; i++) {
    if (!model->jnt_limited[i]) continue;
    ck_assert_double_eq_tol(model->jnt_range[2 * i], figures->range[limited][0], 1e-12);
    ck_assert_double_eq_tol(model->jnt_range[2 * i + 1], figures->range[limited][1], 1e-12);
    limited++;
  }
  ck_assert(figures->range[limited][0] == 0.0 && figures->range[limited][1] == 0.0);
  ck_assert_int_eq(model->nu, (int)spec->act_dim);
  for (int i = 0; i < model->nu; i++) {
    ck_assert_double_eq(model->actuator_gear[6 * i], figures->gear[i]);
    ck_assert_int_eq(model->actuator_ctrllimited[i], 1);
    ck_assert_double_eq(model->actuator_ctrlrange[2 * i], spec->act_low);
    ck_assert_double_eq(model->actuator_ctrlrange[2 * i + 1], spec->act_high);
    if (strcmp(spec->id, "Ant-v5") != 0) continue;
    int joint = model->actuator_trnid[2 * i];
    ck_assert_int_eq(model->jnt_qposadr[joint], ANT_DRIVEN[i]);
  }
  built.api.mj_deleteModel(built.model);
}
END_TEST

/* Where the hopper stands, its foot and the floor touch with the published friction and margin. */
static void hopper_stand(void *context) {
  Built *built = context;
  built->data = built->api.mj_makeData(built->model);
  for (int i = 0; i < 50; i++) built->api.mj_step(built->model, built->data);
}

START_TEST(hopper_touches_floor) {
  Built built = {0};
  if (!built_load(&built, mujoco_hopper.model)) return;
  ck_assert(mujoco_api_guard(hopper_stand, &built, built.error, sizeof built.error));
  ck_assert_int_gt(built.data->ncon, 0);
  const mjContact *contact = &built.data->contact[0];
  ck_assert_int_eq(contact->dim, 3);
  ck_assert_double_eq(contact->friction[0], 2.0);
  /* MuJoCo adds the margins of foot and floor since 3.5; before, the larger one counted. */
  ck_assert_double_eq(contact->includemargin, mjVERSION_HEADER >= 350 ? 0.002 : 0.001);
  built.api.mj_deleteData(built.data);
  built.api.mj_deleteModel(built.model);
}
END_TEST

/* Too little memory to step with is a fatal error in every version. */
static void starved_step(void *context) {
  Built *built = context;
#if mjVERSION_HEADER < 230
  built->model->nstack = 8;
#else
  built->model->narena = 256;
#endif
  built->data = built->api.mj_makeData(built->model);
  built->api.mj_step(built->model, built->data);
}

START_TEST(fatal_error_comes_back) {
  Built built = {0};
  if (!built_load(&built, mujoco_ant.model)) return;
  ck_assert(!mujoco_api_guard(starved_step, &built, built.error, sizeof built.error));
  ck_assert_msg(strncmp(built.error, "MuJoCo: fatal error: ", 21) == 0, "%s", built.error);
  printf("as wanted: %s\n", built.error);
  ck_assert_ptr_nonnull(built.data);
  built.api.mj_deleteData(built.data);
  built.api.mj_deleteModel(built.model);
}
END_TEST

static void model_tests(TCase *tests) {
  tcase_add_loop_test(tests, model_has_figures, 0, TASKS);
  tcase_add_test(tests, hopper_touches_floor);
  tcase_add_test(tests, fatal_error_comes_back);
}

#else

/* Without the headers a MuJoCo task is listed, and asking for it fails with an explanation. */
START_TEST(absence_is_explained) {
  char error[256] = "";
  ck_assert_ptr_null(env_make(env_find("Ant-v5"), error, sizeof error));
  ck_assert_ptr_nonnull(strstr(error, "make deps"));
  printf("SKIP models: %s\n", error);
  skipped++;
}
END_TEST

static void model_tests(TCase *tests) { tcase_add_test(tests, absence_is_explained); }

#endif

int main(void) {
  Suite *suite = suite_create("env_model");
  TCase *tests = tcase_create("models");
  model_tests(tests);
  suite_add_tcase(suite, tests);
  SRunner *runner = srunner_create(suite);
  srunner_set_fork_status(runner, CK_NOFORK); /* the count of skips must survive */
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  if (skipped) printf("%d skipped\n", skipped);
  return failed > 0;
}
