/* The end of every test program. */
#ifndef RLC_TESTS_SUITE_H
#define RLC_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

#include "compiler/build.h"

/* Runs a suite: the exit status, 1 too where RLC_TARGET names no target, which would be the usual
 * one. */
static inline int suite_run(Suite *suite) {
  Session session = {.target = getenv("RLC_TARGET")};
  if (!build_target(&session, true)) return 1;
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}

#endif
