/* Every kernel of every spec, at the spec's own size, goes through NVRTC for every architecture.
 *
 * Kernels that do the same have one body, whose name says what it does; so a body that another spec
 * had is left out here, and every program and every other body is compiled. The usual run takes a
 * few specs; RLC_LONG=1 all of them, RLC_SPECS=text those whose path contains it. */
#include "tests/spec_code.h"

#include "codegen/cuda/cuda.h"
#include "tests/spec_files.h"
#include "tests/suite.h"

#include <stdlib.h>

static const char *const architectures[] = {"sm_80", "sm_90", "sm_120"};
/* Of the usual run: products, replay, draws and sorts; a small one. */
static const char *const few[] = {"specs/remac.yaml", "specs/toy/one_of_two.yaml"};

typedef struct Seen {
  Arena *arena;
  const char **names;
  size_t count, capacity, kernels;
} Seen;

static bool seen_before(Seen *seen, const char *name) {
  for (size_t i = 0; i < seen->count; i++)
    if (strcmp(seen->names[i], name) == 0) return true;
  PUSH(seen->arena, seen->names, seen->count, seen->capacity, name);
  return false;
}

/* Blanks what stands between a known body's braces. */
static void leave_out_known(Seen *seen, char *text) {
  static const char mark[] = "\nBODY void ";
  for (char *at = text; (at = strstr(at, mark));) {
    char *name = at + sizeof mark - 1, *open = strstr(name, "{\n"), *close = strstr(name, "\n}\n");
    ck_assert(open && close && open < close);
    seen->kernels++;
    if (seen_before(seen, arena_copy(seen->arena, name, strcspn(name, "("))))
      memset(open + 1, ' ', (size_t)(close - open - 1));
    at = close;
  }
}

static char *cuda_of(const char *path) {
  setenv("RLC_TARGET", "cuda", 1);
  Spec spec = spec_open(path, "");
  spec_passes(&spec, NULL);
  Code *code = build_code(&spec.session);
  ck_assert_ptr_nonnull(code);
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  emit_cuda(code, out);
  fclose(out);
  spec_close(&spec);
  return text;
}

static void check_compiles(Seen *seen, const char *path, const char *arch) {
  char error[4096];
  CudaImage image;
  char *text = cuda_of(path);
  leave_out_known(seen, text);
  bool good = nvrtc_compile_text(text, arch, &image, error, sizeof error);
  ck_assert_msg(good, "%s, %s: %s", path, arch, error);
  ck_assert_mem_eq(image.cubin, "\177ELF", 4);
  cuda_image_free(&image);
  free(text);
}

START_TEST(every_kernel_compiles) {
  char error[4096];
  if (!nvrtc_version(error, sizeof error)) {
    printf("SKIP: %s\n", error);
    return;
  }
  Seen seen = {.arena = arena_make()};
  SpecFiles specs = {.count = 0};
  bool all = getenv("RLC_LONG") || getenv("RLC_SPECS");
  if (all)
    spec_files_find(&specs, seen.arena, "specs", getenv("RLC_SPECS"));
  else
    for (size_t i = 0; i < COUNTOF(few); i++) specs.paths[specs.count++] = few[i];
  if (!all && _i == 0) printf("SKIP: the kernels of every spec through NVRTC: RLC_LONG=1\n");
  for (int i = 0; i < specs.count; i++) check_compiles(&seen, specs.paths[i], architectures[_i]);
  ck_assert_uint_gt(seen.count, 0);
  printf("%s: %lu bodies of %d specs, %lu of them different\n", architectures[_i], seen.kernels,
         specs.count, seen.count);
  arena_free(seen.arena);
}
END_TEST

/* Rows in the order of their choices are one warp's work (compiler/passes/choose.c). */
START_TEST(no_choice_puts_rows_in_order) {
  setenv("RLC_TARGET", "native", 1);
  Spec spec = spec_open("specs/sac.yaml", "");
  spec_passes(&spec, NULL);
  Code *code = build_code(&spec.session);
  size_t buckets = 0;
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t k = 0; k < code->programs[p].kernel_count; k++)
      buckets += code->programs[p].kernels[k]->kind == KERNEL_BUCKET;
  ck_assert_uint_gt(buckets, 0);
  spec_close(&spec);
  char *text = cuda_of("specs/sac.yaml");
  ck_assert_ptr_null(strstr(text, "BODY void bucket_"));
  free(text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cuda_specs");
  TCase *tcase = tcase_create("nvrtc");
  tcase_set_timeout(tcase, 3600);
  tcase_add_loop_test(tcase, every_kernel_compiles, 0, COUNTOF(architectures));
  tcase_add_test(tcase, no_choice_puts_rows_in_order);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
