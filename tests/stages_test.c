/* The order of a GPU's kernels: as few barriers as the longest chain needs, none of them missing,
 * and small kernels one block's. That results do not change with it: specs_test@cuda. */
#include "tests/spec_code.h"

#include "tests/suite.h"

static const char *const specs[] = {"specs/sac.yaml", "specs/ppo.yaml", "specs/remac.yaml",
                                    "specs/dqn.yaml", "specs/reppo.yaml"};

static Code *code_for(Spec *spec, const char *target) {
  setenv("RLC_TARGET", target, 1);
  spec->session.target = test_target();
  Code *code = build_code(&spec->session);
  ck_assert_ptr_nonnull(code);
  return code;
}

static Spec spec_read(const char *path) {
  Spec spec = spec_open(path, "");
  spec_passes(&spec, NULL);
  return spec;
}

/* One of them writes what the other touches. */
static bool touch(const Kernel *a, const Kernel *b) {
  for (size_t i = 0; i < a->place_count; i++)
    for (size_t k = 0; k < b->place_count; k++)
      if (a->places[i].buffer == b->places[k].buffer &&
          (a->places[i].writes || b->places[k].writes))
        return true;
  return false;
}

static size_t barriers_of(const ProgramCode *program) {
  size_t count = 0;
  for (size_t k = 0; k < program->kernel_count; k++) count += program->kernels[k]->barrier_before;
  return count;
}

/* Some kernel of the stage before is why this one is not in it, or what holds that one back in its
 * own stage. */
static void check_reason(const ProgramCode *program, size_t k) {
  const Kernel *kernel = program->kernels[k];
  bool found = false;
  for (size_t i = 0; i < k && !found; i++) {
    const Kernel *before = program->kernels[i];
    int stage = kernel->stage - !one_block_runs(before, kernel);
    found = before->stage == stage && touch(before, kernel);
  }
  ck_assert_msg(found, "%s stands in stage %d for nothing", kernel->name, kernel->stage);
}

static void check_stages(const ProgramCode *program) {
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k], *before = k ? program->kernels[k - 1] : NULL;
    int stage = before ? before->stage : 0;
    ck_assert_int_ge(kernel->stage, stage);
    ck_assert_int_eq(kernel->barrier_before, kernel->stage > stage);
    if (kernel->stage > 0) check_reason(program, k);
  }
}

START_TEST(a_stage_begins_where_a_chain_needs_it) {
  Spec spec = spec_read(specs[_i]);
  Code *code = code_for(&spec, "cuda");
  for (size_t p = 0; p < code->program_count; p++) check_stages(&code->programs[p]);
  spec_close(&spec);
}
END_TEST

START_TEST(stages_are_fewer_than_barriers_were) {
  Spec spec = spec_read("specs/sac.yaml");
  const ProgramCode *update = NULL;
  Code *code = code_for(&spec, "cuda");
  for (size_t p = 0; p < code->program_count; p++)
    if (!update || code->programs[p].kernel_count > update->kernel_count)
      update = &code->programs[p];
  size_t alone = 0, rows = 0, joined = 0;
  for (size_t k = 0; k < update->kernel_count; k++) {
    alone += update->kernels[k]->alone;
    rows += update->kernels[k]->chunks != NULL;
    joined += update->kernels[k]->joined;
  }
  ck_assert_uint_gt(alone, 8);
  ck_assert_uint_gt(rows, 8);
  ck_assert_uint_gt(joined, 2);
  ck_assert_uint_lt(3 * barriers_of(update), update->kernel_count);
  spec_close(&spec);
}
END_TEST

static size_t check_needed(const Code *code, Kernel *kernel, bool *meeting, const char *words) {
  if (!*meeting) return 0;
  *meeting = false;
  const char *error = plan_check(code, code->arena);
  ck_assert_msg(error && strstr(error, words), "%s: %s", kernel->name, error ? error : "nothing");
  *meeting = true;
  return 1;
}

START_TEST(the_checker_finds_missing_meetings) {
  Spec spec = spec_read("specs/sac.yaml");
  Code *code = code_for(&spec, "cuda");
  size_t barriers = 0, joined = 0;
  ck_assert_ptr_null(plan_check(code, code->arena));
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t k = 0; k < code->programs[p].kernel_count; k++) {
      Kernel *kernel = code->programs[p].kernels[k];
      barriers += check_needed(code, kernel, &kernel->barrier_before, "no barrier between");
      joined += check_needed(code, kernel, &kernel->joined, "no meeting between");
    }
  ck_assert_uint_gt(barriers, 20);
  ck_assert_uint_gt(joined, 2);
  spec_close(&spec);
}
END_TEST

/* Rows of which each reads others: z[i] = tanh(x)[where[i]] - tanh(x)[i], summed along the row. */
static Module *others_make(Arena *arena, bool others) {
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = axis_of(graph, "batch", 128, AXIS_ROW), f = axis_of(graph, "f", 40, AXIS_FEATURE);
  uint32_t slot = graph_slot(graph, "x", RLC_COLUMN, RLC_F32, AXES(batch, f), NOWHERE);
  uint32_t where = graph_slot(graph, "where", RLC_COLUMN, RLC_I32, AXES(batch), NOWHERE);
  Node *y = node_sum(graph, node1(graph, OP_tanh, node_input(graph, slot)), AXES(f));
  Node *z = y;
  if (others) z = node_gather(graph, y, node_input(graph, where), batch);
  z = node_sum(graph, node2(graph, OP_mul, node2(graph, OP_sub, z, y), node_input(graph, slot)),
               AXES(f));
  fixture_result(module, fixture_program(module, "others"), node_sum(graph, z, AXES(batch)));
  return module;
}

static size_t others_barriers(bool others) {
  static const CodegenOptions options = {
      .real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  static const char *const orders[] = {"0", "1", "29"};
  Arena *arena = arena_make();
  Built built = build_with(arena, others_make(arena, others), &options);
  for (size_t i = 0; i < COUNTOF(orders); i++) {
    setenv("RLC_SHIM_ORDER", orders[i], 1);
    check_program(&built, 0, 1, 3, 3e-6, orders[i]);
  }
  unsetenv("RLC_SHIM_ORDER");
  size_t barriers = barriers_of(&built.code->programs[0]);
  built_free(&built);
  arena_free(arena);
  return barriers;
}

START_TEST(other_rows_are_waited_for) {
  ck_assert_uint_eq(others_barriers(true), others_barriers(false) + 1);
}
END_TEST

/* A CPU keeps the order of the graph. */
START_TEST(other_targets_have_no_stages) {
  Spec spec = spec_read("specs/sac.yaml");
  Code *code = code_for(&spec, "native");
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t k = 0; k < code->programs[p].kernel_count; k++) {
      const Kernel *kernel = code->programs[p].kernels[k];
      ck_assert(kernel->stage == 0 && !kernel->alone && !kernel->joined);
    }
  spec_close(&spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stages");
  TCase *tcase = tcase_create("stages");
  tcase_set_timeout(tcase, 300);
  tcase_add_loop_test(tcase, a_stage_begins_where_a_chain_needs_it, 0, COUNTOF(specs));
  tcase_add_test(tcase, stages_are_fewer_than_barriers_were);
  tcase_add_test(tcase, the_checker_finds_missing_meetings);
  tcase_add_test(tcase, other_rows_are_waited_for);
  tcase_add_test(tcase, other_targets_have_no_stages);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
