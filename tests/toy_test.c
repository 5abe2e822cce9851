/* Figure 1 of ReMAC in numbers: the Monte-Carlo gradient of the retry objective that generated code
 * gives for specs/toy/vector_field.yaml equals the exact one, found by quadrature, at every listed
 * point and retry budget. sgd(1) makes each update's step the gradient; the parameters are put back
 * before the next, until the standard error of every component is below 1e-3. */
#include "tests/spec_code.h"

#include <time.h>

enum { SIDE = 3, CELLS = SIDE * SIDE, POINTS = 6, TRIALS = 500, TRIES = 16, BUDGETS = 4 };
enum { SEED = 20261121 };
static const double target = 1e-3; /* for every standard error */

/* The exact value and gradient of one point under one budget. */
typedef struct Exact {
  double value, by_mu, by_sigma;
} Exact;

static const uint32_t budgets[BUDGETS] = {1, 2, 4, 8};

static const struct {
  double mu, sigma;
  Exact exact[BUDGETS];
} points[POINTS] = {
    {-2,
     0.1,
     {{-4.01000, 4.00000, -0.20000},
      {-3.78432, 3.88716, 2.05676},
      {-3.60376, 3.79412, 3.80724},
      {-3.45456, 3.71528, 5.21449}}},
    {-2,
     1.05,
     {{-5.10250, 4.00000, -2.10000},
      {-2.73100, 2.82357, 0.17633},
      {-1.37766, 1.87679, 0.95073},
      {-0.63448, 1.13123, 0.94619}}},
    {-1,
     0.5,
     {{-1.25000, 2.00000, -1.00000},
      {-0.68553, 1.43845, 0.13476},
      {-0.35707, 0.98316, 0.53802},
      {-0.17138, 0.61747, 0.54940}}},
    {1,
     1.0,
     {{-2.00000, -2.00000, -2.00000},
      {-0.81491, -1.04911, -0.58072},
      {-0.29627, -0.46494, -0.12759},
      {-0.09567, -0.17121, -0.02013}}},
    {0,
     1.0,
     {{-1.00000, 0, -2.00000},
      {-0.36338, 0, -0.72676},
      {-0.12070, 0, -0.24140},
      {-0.03680, 0, -0.07360}}},
    {0,
     2.0,
     {{-4.00000, 0, -4.00000},
      {-1.45352, 0, -1.45352},
      {-0.48281, 0, -0.48281},
      {-0.14720, 0, -0.14720}}},
};

/* Cells 6 to 8 of the grid repeat the points whose gradients are noisiest. */
static int point_of(int cell) {
  static const int extra[CELLS - POINTS] = {5, 5, 1};
  return cell < POINTS ? cell : extra[cell - POINTS];
}

/* ---- means with their standard errors, from repeats ---- */

typedef struct Mean {
  double sum, squares;
  uint64_t count;
} Mean;

static void mean_add(Mean *mean, double value) {
  mean->sum += value;
  mean->squares += value * value;
  mean->count++;
}

static double mean_value(const Mean *mean) { return mean->sum / (double)mean->count; }

static double mean_error(const Mean *mean) {
  double n = (double)mean->count, middle = mean->sum / n;
  return sqrt(fmax(mean->squares / n - middle * middle, 0) / (n - 1));
}

/* ---- the field ---- */

typedef struct Field {
  Built built;
  uint32_t mu, sigma, value, update;
  Mean by_mu[POINTS], by_sigma[POINTS], total;
} Field;

static Field field_open(Spec *spec) {
  Field field = {.built = build_module(spec->arena, spec->module, RLC_F32, 16)};
  field.mu = spec_slot(spec, "mu");
  field.sigma = spec_slot(spec, "sigma");
  field.value = spec_slot(spec, "metric.losses/field");
  field.update = (uint32_t)spec_program(spec, "update");
  return field;
}

/* One update from the listed points; its steps are gradients. */
static void field_step(Field *field, uint64_t step) {
  const RlcModule *rlc = field->built.rlc;
  double mu[CELLS], sigma[CELLS], after[CELLS];
  for (int i = 0; i < CELLS; i++) {
    mu[i] = points[point_of(i)].mu;
    sigma[i] = points[point_of(i)].sigma;
  }
  built_set(&field->built, field->mu, mu);
  built_set(&field->built, field->sigma, sigma);
  built_call(rlc, field->built.memory, field->built.work, field->update, SEED, step);
  rlc_slot_export(&rlc->slots[field->mu], field->built.memory, after);
  for (int i = 0; i < CELLS; i++) mean_add(&field->by_mu[point_of(i)], after[i] - (float)mu[i]);
  rlc_slot_export(&rlc->slots[field->sigma], field->built.memory, after);
  for (int i = 0; i < CELLS; i++)
    mean_add(&field->by_sigma[point_of(i)], after[i] - (float)sigma[i]);
  mean_add(&field->total, rlc_slot_get(&rlc->slots[field->value], field->built.memory, 0));
}

typedef struct Worst {
  double error, deviation; /* largest standard error, and distance in standard errors */
} Worst;

static void compare(Worst *worst, const Mean *mean, double exact, const char *what, int point,
                    uint32_t budget) {
  double error = mean_error(mean), distance = fabs(mean_value(mean) - exact) / error;
  worst->error = fmax(worst->error, error);
  worst->deviation = fmax(worst->deviation, distance);
  ck_assert_msg(distance <= 4, "K=%u at (%g, %g): %s is %.5f, exactly %.5f: %.1f standard errors",
                budget, points[point].mu, points[point].sigma, what, mean_value(mean), exact,
                distance);
}

static void compare_field(Worst *worst, const Field *field, int k) {
  double total = 0;
  for (int cell = 0; cell < CELLS; cell++) total += points[point_of(cell)].exact[k].value;
  for (int p = 0; p < POINTS; p++) {
    compare(worst, &field->by_mu[p], points[p].exact[k].by_mu, "d/dmu", p, budgets[k]);
    compare(worst, &field->by_sigma[p], points[p].exact[k].by_sigma, "d/dsigma", p, budgets[k]);
  }
  double distance = fabs(mean_value(&field->total) - total) / mean_error(&field->total);
  ck_assert_msg(distance <= 4, "K=%u: the objective is %.5f, exactly %.5f", budgets[k],
                mean_value(&field->total), total);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The largest standard error of the field's gradients so far. */
static double field_error(const Field *field) {
  double worst = 0;
  for (int p = 0; p < POINTS; p++)
    worst = fmax(worst, fmax(mean_error(&field->by_mu[p]), mean_error(&field->by_sigma[p])));
  return worst;
}

/* Updates until every standard error is below the target; at least 130, that is a million draws. */
static void field_measure(Field *field) {
  uint64_t step = 0;
  do {
    for (int i = 0; i < 130; i++) field_step(field, step++);
  } while (field_error(field) >= target && step < 100000);
}

START_TEST(gradients_are_exact_on_average) {
  double start = seconds(), draws = 0;
  Worst worst = {0};
  for (int k = 0; k < BUDGETS; k++) {
    char overrides[80];
    snprintf(overrides, sizeof overrides, "K=%u M=%d trials=%d points=%d", budgets[k], TRIES,
             TRIALS, SIDE);
    Spec spec = spec_open("specs/toy/vector_field.yaml", overrides);
    spec_passes(&spec, NULL);
    Field field = field_open(&spec);
    field_measure(&field);
    compare_field(&worst, &field, k);
    draws += 1e-6 * TRIES * TRIALS * (double)field.total.count;
    built_free(&field.built);
    spec_close(&spec);
  }
  printf(
      "seed %d: %.0f million draws a grid cell over %d budgets, worst standard error %.2e, worst "
      "deviation %.2f of them, %.1f s\n",
      SEED, draws, BUDGETS, worst.error, worst.deviation, seconds() - start);
  ck_assert_msg(worst.error < target, "the standard error is %g", worst.error);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("toy");
  TCase *tests = tcase_create("toy");
  suite_add_tcase(suite, tests);
  tcase_set_timeout(tests, 600);
  tcase_add_test(tests, gradients_are_exact_on_average);
  return suite_run(suite);
}
