/* The cache of compiled objects: what is kept comes back, damage and closed folders are as good as
 * nothing, old files go; and code that was loaded from it computes the same. */
#include "tests/files_support.h"
#include "tests/spec_code.h"

#include "codegen/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

static char folder[64];

static void folder_open(void) {
  snprintf(folder, sizeof folder, P_tmpdir "/rlc-cache-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  setenv("RLC_CACHE", folder, 1);
}

static void folder_close(void) {
  char command[256];
  snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", folder, folder);
  ck_assert_int_eq(system(command), 0);
}

START_TEST(what_is_kept_comes_back) {
  size_t size = 0;
  char *data = cache_read("a.o", &size);
  ck_assert_ptr_null(data);
  cache_write("a.o", "one", 3);
  cache_write("a.o", "three", 5);
  data = cache_read("a.o", &size);
  ck_assert_ptr_nonnull(data);
  ck_assert_uint_eq(size, 5);
  ck_assert_mem_eq(data, "three", 5);
  ck_assert_uint_eq(directory_files(folder), 1);
  free(data);
}
END_TEST

START_TEST(damage_is_as_good_as_nothing) {
  char path[256];
  size_t size = 0;
  snprintf(path, sizeof path, "%s/a.o", folder);
  for (int cut = 0; cut < 13; cut++) { /* five bytes and their hash */
    cache_write("a.o", "three", 5);
    ck_assert_int_eq(truncate(path, cut), 0);
    ck_assert_ptr_null(cache_read("a.o", &size));
  }
  cache_write("a.o", "three", 5);
  FILE *file = fopen(path, "r+b");
  ck_assert(file && fwrite("T", 1, 1, file) == 1 && fclose(file) == 0);
  ck_assert_ptr_null(cache_read("a.o", &size));
}
END_TEST

START_TEST(no_folder_is_no_error) {
  size_t size = 0;
  setenv("RLC_CACHE", "off", 1);
  cache_write("a.o", "one", 3);
  ck_assert_ptr_null(cache_read("a.o", &size));
  setenv("RLC_CACHE", "/dev/null/none", 1);
  cache_write("a.o", "one", 3);
  ck_assert_ptr_null(cache_read("a.o", &size));
  ck_assert_uint_eq(directory_files(folder), 0);
}
END_TEST

/* Beyond the limit a quarter goes, used longest ago. */
START_TEST(old_files_go) {
  char name[32], path[256];
  size_t size;
  for (int i = 0; i <= CACHE_FILES; i++) {
    snprintf(name, sizeof name, "%d.o", i);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    struct timespec used[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};
    if (i == 0) used[0].tv_sec = used[1].tv_sec = 20000;
    ck_assert(file >= 0 && futimens(file, used) == 0 && close(file) == 0);
    if (i == CACHE_FILES - 8) cache_trim(); /* not yet */
  }
  cache_write("0.o", "x", 1);
  cache_write("1.o", "x", 1);
  ck_assert_uint_eq(directory_files(folder), CACHE_FILES + 1);
  cache_trim();
  ck_assert_uint_eq(directory_files(folder), CACHE_FILES + 1 - CACHE_FILES / 4);
  for (int i = 0; i < 2; i++) {
    snprintf(name, sizeof name, "%d.o", i);
    char *kept = cache_read(name, &size);
    ck_assert_ptr_nonnull(kept);
    free(kept);
  }
  snprintf(path, sizeof path, "%s/2.o", folder);
  ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

static const char text[] = "name: t\n"
                           "parameters: {w: {axes: [k=40], init: 'sin(iota[k=40])'}}\n"
                           "losses: {a: {over: w, minimize: 'sum[k](exp(w) * square(w))'}}\n"
                           "optimizers: {default: sgd(0.1)}\n"
                           "loop: [{descend: a}]\n";

static Runner updated(void) {
  Spec spec = spec_text(text, "");
  spec_passes(&spec, NULL);
  Runner runner = runner_code(spec, RLC_F32);
  runner_run(&runner, "init", 1, 0);
  runner_run(&runner, "update", 1, 0);
  return runner;
}

START_TEST(kept_code_computes_the_same) {
  unsetenv("RLC_TARGET");
  Runner first = updated();
  size_t made = directory_files(folder);
  ck_assert_uint_gt(made, 1);
  Runner second = updated();
  ck_assert_uint_eq(directory_files(folder), made);
  const char *where;
  ck_assert_double_eq(runner_disagreement(&first, &second, "update", true, &where), 0);
  runner_close(&first);
  runner_close(&second);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, folder_open, folder_close);
  tcase_add_test(tcase, what_is_kept_comes_back);
  tcase_add_test(tcase, damage_is_as_good_as_nothing);
  tcase_add_test(tcase, no_folder_is_no_error);
  tcase_add_test(tcase, old_files_go);
  tcase_add_test(tcase, kept_code_computes_the_same);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
