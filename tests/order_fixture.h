/* What the tests of the specs of order statistics share: a spec's program run on the oracle at a
 * plausible point, slots and metrics by name. */
#ifndef RLC_TESTS_ORDER_FIXTURE_H
#define RLC_TESTS_ORDER_FIXTURE_H

#include "compiler/oracle/gradcheck.h"
#include "tests/spec_fixture.h"

enum { ORDER_SEED = 20261121 };

typedef struct Run {
  Spec spec;
  Interp *interp;
} Run;

static inline Run run_open(Spec spec, const char *program) {
  Run run = {.spec = spec};
  ck_assert_uint_eq(diag_warnings(spec.session.diag), 0);
  spec_passes(&run.spec, "grad");
  double **point = gradcheck_point(run.spec.arena, run.spec.module, ORDER_SEED);
  run.interp = spec_interp(&run.spec, program);
  for (uint32_t s = 0; s < run.spec.graph->slot_count; s++) interp_set(run.interp, s, point[s]);
  interp_draws(run.interp, ORDER_SEED, 5);
  return run;
}

static inline void run_close(Run *run) { spec_close(&run->spec); }

/* Gives every parameter of a network 0. */
static inline void run_zero(const Run *run, const char *network) {
  size_t length = strlen(network);
  for (uint32_t s = 0; s < run->spec.graph->slot_count; s++) {
    const char *name = run->spec.graph->slots[s].name;
    if (strncmp(name, network, length) != 0 || name[length] != '.') continue;
    interp_set(run->interp, s, NEW_ARRAY(run->spec.arena, double, spec_size(&run->spec, s)));
  }
}

static inline void run_set(const Run *run, const char *slot, const double *values) {
  spec_set(&run->spec, run->interp, slot, values);
}

static inline const double *run_get(const Run *run, const char *slot) {
  return spec_get(&run->spec, run->interp, slot);
}

__attribute__((format(printf, 2, 3))) static inline double logged(const Run *run,
                                                                  const char *format, ...) {
  char name[64];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(name, sizeof name, format, arguments);
  va_end(arguments);
  return spec_scalar(&run->spec, run->interp, arena_printf(run->spec.arena, "metric.%s", name));
}

static inline void near(double found, double exact, double tolerance, const char *what) {
  ck_assert_msg(fixture_near(found, exact, tolerance), "%s: %.17g, not %.17g", what, found, exact);
}

static inline int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

#endif
