/* The end of every test program. */
#ifndef RLC_TESTS_SUITE_H
#define RLC_TESTS_SUITE_H

#include <check.h>

/* Runs a suite: the exit status. */
static inline int suite_run(Suite *suite) {
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed > 0;
}

#endif
