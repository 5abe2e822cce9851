/* What tests of studies' files share: a folder with specs that studies name, as the working
 * directory. */
#ifndef RLC_TESTS_STUDY_FILES_H
#define RLC_TESTS_STUDY_FILES_H

#include "tests/front.h"

#include <unistd.h>

static char folder[64];

static inline void file_write(const char *name, const char *text) {
  FILE *out = fopen(name, "w");
  ck_assert_ptr_nonnull(out);
  fputs(text, out);
  ck_assert_int_eq(fclose(out), 0);
}

static inline void file_copy(const char *from, const char *name) {
  Front f = front_open();
  file_write(name, front_file(&f, from)->text);
  front_close(&f);
}

static const char *const files[] = {"small.yaml", "other.yaml", "case.yaml",    "bandit.yaml",
                                    "remac.yaml", "sac.yaml",   "hill_car.yaml"};

/* A folder with the specs that the studies here name, and the working directory. */
static inline void folder_open(void) {
  strcpy(folder, P_tmpdir "/rlc_study_XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(chdir(folder), 0);
  file_copy(RLC_ROOT "/tests/diag/base/small.yaml", "small.yaml");
  file_copy(RLC_ROOT "/specs/toy/vector_field.yaml", "bandit.yaml");
  file_copy(RLC_ROOT "/specs/remac.yaml", "remac.yaml");
  file_copy(RLC_ROOT "/specs/sac.yaml", "sac.yaml");
  file_copy(RLC_ROOT "/specs/envs/hill_car.yaml", "hill_car.yaml");
  file_write("other.yaml", "name: other\nextends: small.yaml\nconstants: {K: 3}\n");
}

static inline void folder_close(void) {
  for (size_t i = 0; i < COUNTOF(files); i++) unlink(files[i]);
  ck_assert_int_eq(chdir(RLC_ROOT), 0);
  rmdir(folder);
}

#endif
