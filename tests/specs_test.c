/* Every spec under specs/: it checks without a word, its derivatives are right, and generated code
 * and the oracle make whole passes of its loop alike: acting, rollouts, replays, priorities, epochs
 * and minibatches included.
 *
 * A line `# test: key=value ...` in a spec gives sizes at which this takes a second or two. A spec
 * without one fails. RLC_SPECS=text takes only the files whose path contains it. RLC_LONG=1 adds
 * code in single precision.
 *
 * As specs_test@cuda it is a GPU's code, run on the CPU by codegen/cuda/shim.h, whose passes are
 * compared: of a few specs, or of those that RLC_SPECS says. */
#include "tests/spec_code.h"

#include "compiler/oracle/gradcheck.h"
#include "runtime/slot.h"
#include "runtime/training.h"
#include "tests/spec_files.h"
#include "tests/suite.h"

enum { PASSES = 3, GRADCHECK_COMPONENTS = 12 };

static SpecFiles specs; /* set once by main */

/* For a GPU: a replay and sorted draws; a rollout in parts and scans; windows, priorities that are
 * written back; rounded contractions. */
static const char *const few[] = {"specs/remac.yaml", "specs/ppo.yaml", "specs/d4pg_priority.yaml",
                                  "tests/data/sac_bf16.yaml"};

/* ---- checks ---- */

START_TEST(checks_at_its_own_size) {
  Spec spec = spec_open(specs.paths[_i], "");
  const char *error = ir_verify(spec.module, spec.arena, "elaborate");
  ck_assert_msg(!error, "%s: %s", specs.paths[_i], error);
  ck_assert_msg(diag_warnings(spec.session.diag) == 0, "%s has warnings", specs.paths[_i]);
  spec_close(&spec);
}
END_TEST

START_TEST(derivatives_are_right) {
  Arena *arena = arena_make();
  Spec spec = spec_open(specs.paths[_i], spec_files_sizes(arena, specs.paths[_i]));
  const Elaborated *e = spec.session.elaborated;
  GradcheckLoss *losses = NEW_ARRAY(arena, GradcheckLoss, e->loss_count + 1);
  for (size_t i = 0; i < e->loss_count; i++)
    losses[i] = (GradcheckLoss){e->losses[i].name, e->losses[i].value, e->losses[i].marks,
                                e->losses[i].slots, e->losses[i].count};
  GradcheckOptions options = {.components = GRADCHECK_COMPONENTS, .tolerance = 1e-6};
  GradcheckResult *results;
  size_t count = gradcheck_run(arena, spec.module, losses, e->loss_count, &options, &results);
  ck_assert_msg(count > 0, "%s: nothing was checked", specs.paths[_i]);
  double worst = 0;
  for (size_t i = 0; i < count; i++) {
    const GradcheckResult *r = &results[i];
    ck_assert_msg(r->passed, "%s: loss %s, %s %s: error %.3g, %llu of %llu skipped",
                  specs.paths[_i], r->loss, r->parameter, r->where, r->worst,
                  (unsigned long long)r->skipped, (unsigned long long)r->components);
    if (r->worst > worst) worst = r->worst;
  }
  printf("%s: gradients within %.2g\n", specs.paths[_i], worst);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* ---- whole passes ---- */

/* A trainer in this process, without files. */
static Trainer *train(const RlcModule *module, int passes, const char *path) {
  Trainer *trainer = calloc(1, sizeof *trainer);
  Options options = {.steps = 1000000, .seed = 7, .threads = 1, .eval_episodes = 1, .quiet = true};
  ck_assert_msg(trainer_make(trainer, module, &options), "%s: %s", path, trainer->error.text);
  for (int i = 0; i < passes; i++) {
    ck_assert_msg(trainer_pass(trainer), "%s: %s", path, trainer->error.text);
    trainer->state.iteration++;
    trainer->state.step += !trainer->collects;
  }
  return trainer;
}

static bool is_compared(const RlcSlot *slot) {
  return slot->kind != RLC_COUNTER && slot->kind != RLC_METRIC && rlc_slot_elements(slot) > 0;
}

static double distance(const Trainer *a, const Trainer *b, uint32_t slot) {
  uint64_t count = rlc_slot_elements(&b->module->slots[slot]);
  double gap = 0, norm = 0;
  for (uint64_t i = 0; i < count; i++) {
    double x = rlc_slot_get(&a->module->slots[slot], a->memory, i);
    double y = rlc_slot_get(&b->module->slots[slot], b->memory, i);
    if (isnan(x) && isnan(y)) continue;
    gap += (x - y) * (x - y);
    norm += y * y;
  }
  if (!isfinite(gap)) return INFINITY;
  return gap == 0 ? 0 : sqrt(gap / norm);
}

static void compare(const Trainer *code, const Trainer *oracle, const char *path, double bar,
                    const char *precision) {
  double worst = 0;
  const char *where = "";
  ck_assert_uint_eq(code->state.updates, oracle->state.updates);
  ck_assert_uint_eq(code->state.step, oracle->state.step);
  for (uint32_t s = 0; s < oracle->module->slot_count; s++) {
    if (!is_compared(&oracle->module->slots[s])) continue;
    double d = distance(code, oracle, s);
    if (d <= worst) continue;
    worst = d;
    where = oracle->module->slots[s].name;
  }
  printf("%s, %s: %llu updates in %d passes, at most %.2g apart %s\n", path, precision,
         (unsigned long long)oracle->state.updates, PASSES, worst, where);
  ck_assert_msg(worst <= bar, "%s, %s: %s differs by %.3g", path, precision, where, worst);
}

static void check_code(const char *path, const char *overrides, const Trainer *oracle, RlcType real,
                       double bar) {
  Runner runner = {.spec = spec_open(path, overrides), .generated = true};
  spec_passes(&runner.spec, NULL);
  runner.built =
      build_module(runner.spec.arena, runner.spec.module, real, real == RLC_F64 ? 8 : 16);
  Trainer *code = train(runner.built.rlc, PASSES, path);
  compare(code, oracle, path, bar, real == RLC_F64 ? "double" : "single");
  trainer_free(code);
  free(code);
  built_free(&runner.built);
  spec_close(&runner.spec);
}

START_TEST(passes_agree_with_the_oracle) {
  Arena *arena = arena_make();
  const char *path = specs.paths[_i], *overrides = spec_files_sizes(arena, path);
  Spec spec = spec_open(path, overrides);
  spec_passes(&spec, spec.module->precision == FORMAT_float32 ? "grad" : NULL);
  Trainer *oracle = train(oracle_module(spec.arena, spec.module), PASSES, path);
  ck_assert_msg(oracle->state.updates > 0, "%s: no update in %d passes", path, PASSES);
  check_code(path, overrides, oracle, RLC_F64, 1e-7);
  if (getenv("RLC_LONG"))
    check_code(path, overrides, oracle, RLC_F32, 1e-2);
  else if (_i == 0)
    printf("SKIP: every spec in float32: RLC_LONG=1\n");
  trainer_free(oracle);
  free(oracle);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* The shim is C. */
static bool compiler_is_here(void) {
  return system("${CC:-gcc} --version >/dev/null 2>&1 || clang --version >/dev/null 2>&1") == 0;
}

static void find_specs(Arena *arena, bool device) {
  const char *only = getenv("RLC_SPECS");
  if (!device || only) {
    spec_files_find(&specs, arena, "specs", only);
    return;
  }
  printf("SKIP: every spec as a GPU's code on the CPU: make cuda-cpu-check\n");
  if (!compiler_is_here())
    printf("SKIP: a few specs as a GPU's code on the CPU: there is no C compiler\n");
  else
    for (size_t i = 0; i < COUNTOF(few); i++) specs.paths[specs.count++] = few[i];
}

int main(void) {
  Arena *arena = arena_make();
  bool device = target_is_device(test_target());
  find_specs(arena, device);
  Suite *suite = suite_create("specs");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 300);
  if (!device) {
    tcase_add_loop_test(tcase, checks_at_its_own_size, 0, specs.count);
    tcase_add_loop_test(tcase, derivatives_are_right, 0, specs.count);
  }
  tcase_add_loop_test(tcase, passes_agree_with_the_oracle, 0, specs.count);
  suite_add_tcase(suite, tcase);
  int failed = suite_run(suite);
  arena_free(arena);
  return failed;
}
