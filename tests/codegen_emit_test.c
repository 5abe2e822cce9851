/* The text that comes out: silent under strict compilers, readable, with the module's strings
 * intact; what the loader says when there is no compiler; the verifier of loop IR. */
#include "tests/codegen_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- a module with a little of everything ---- */

static void emit_module_make(Module *module) {
  Graph *graph = module->graph;
  AxisId batch = fixture_axis(graph, "batch", 40, AXIS_ROW),
         in = fixture_axis(graph, "in", 37, AXIS_FEATURE);
  AxisId out = fixture_axis(graph, "out", 33, AXIS_FEATURE),
         try = fixture_axis(graph, "try", 6, AXIS_DRAW);
  AxisId top = fixture_axis(graph, "top", 3, AXIS_DRAW);
  Axes weights = AXES(in, out);
  Node *x = node_input(graph, fixture_slot(graph, "replay.obs", RLC_F32, AXES(batch, in)));
  uint32_t slot = graph_slot(graph, "actor.dense1.w", RLC_PARAMETER, RLC_F32, weights, NOWHERE);
  Node *w = node_input(graph, slot),
       *q = node_input(graph, fixture_slot(graph, "q", RLC_F32, AXES(batch, try)));
  double values[6] = {0, 1, 2, 3, 4, 5};
  Node *product = node_make(graph, OP_contract, (Attr){.axes = AXES(in)}, x, w, NULL);
  Node *order =
      node_order(graph, node2(graph, OP_add, q, node_table(graph, try, values)), try, top);
  size_t program = fixture_program(module, "update");
  fixture_result(module, program, node1(graph, OP_tanh, product));
  fixture_result(module, program, node_gather(graph, q, order, try));
  fixture_result(module, program, node_sum(graph, node1(graph, OP_exp, q), AXES(batch, try)));
  fixture_result(module, program, node_uniform(graph, 3, AXES(batch), 1));
  fixture_result(module, program, node_uniform(graph, 3, axes_none(), 1));
  fixture_output(module, program, slot, node2(graph, OP_mul, node_const(graph, 0.5), w));
  static const OpCode ops[] = {OP_exp, OP_log, OP_tanh, OP_sin, OP_cos, OP_erf};
  program = fixture_program(module, "functions");
  for (size_t i = 0; i < COUNTOF(ops); i++)
    fixture_result(module, program, node1(graph, ops[i], w));
}

static char *emitted_text(Arena *arena, Module *module, RlcType real, uint32_t lanes) {
  CodegenOptions options = {.real = real, .lanes = lanes, .target = "c", .compiler = "test"};
  Code *code = code_make(arena, module, &options);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  emit_c(code, out);
  fclose(out);
  char *copy = arena_copy(arena, text, size);
  free(text);
  return copy;
}

/* Exit status of `compiler` on the text, 127 when there is none. */
static int compile_text(const char *compiler, const char *flags, const char *text) {
  char command[1024];
  snprintf(command, sizeof command, "command -v %s >/dev/null || exit 127; %s %s -I%s -x c -",
           compiler, compiler, flags, RLC_ROOT);
  FILE *pipe = popen(command, "w");
  ck_assert_ptr_nonnull(pipe);
  fputs(text, pipe);
  return WEXITSTATUS(pclose(pipe));
}

START_TEST(strict_compilers_are_silent) {
  static const char *const compilers[] = {"gcc", "clang"};
  static const char flags[] = "-std=gnu11 -Wall -Wextra -Werror -O2 -c -o /dev/null";
  for (int i = 0; i < 4; i++) {
    Arena *arena = arena_make();
    Module *module = fixture_module(arena);
    emit_module_make(module);
    char *text = emitted_text(arena, module, i & 1 ? RLC_F64 : RLC_F32, i & 1 ? 8 : 16);
    int status = compile_text(compilers[i / 2], flags, text);
    if (status == 127)
      printf("SKIP: %s on generated C: there is none\n", compilers[i / 2]);
    else
      ck_assert_int_eq(status, 0);
    arena_free(arena);
  }
}
END_TEST

static void assert_has(const char *text, const char *part) {
  ck_assert_msg(strstr(text, part) != NULL, "generated text lacks: %s", part);
}

START_TEST(tensors_and_kernels_have_the_names_of_the_spec) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  emit_module_make(module);
  char *text = emitted_text(arena, module, RLC_F32, 16);
  assert_has(text, "_contract_actor_dense1_w(const RlcCall *call, long lo, long hi)");
  assert_has(text, "s_actor_dense1_w = ");
  assert_has(text, "/* actor.dense1.w */");
  assert_has(text, "/* program \"update\" */");
  assert_has(text, "i_batch");
  ck_assert_ptr_null(strstr(text, "ffast"));
  arena_free(arena);
}
END_TEST

/* exp, log, sin, cos and erf of a tensor are calls of vector functions, none of scalar ones; tanh
 * is computed in line. */
START_TEST(functions_are_vectorised) {
#if defined __x86_64__ && defined __GLIBC__ && !defined __clang__
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  emit_module_make(module);
  char *text = emitted_text(arena, module, RLC_F32, 16);
  char path[] = P_tmpdir "/rlc-vectorXXXXXX";
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  char flags[512] = "";
  for (const char *const *f = cpu_level(64)->flags; *f; f++) {
    if (strncmp(*f, "-l", 2) == 0) continue;
    strcat(strcat(flags, " "), *f);
  }
  ck_assert_int_eq(compile_text("gcc", arena_printf(arena, "%s -S -o %s", flags, path), text), 0);
  const char *error;
  Source *assembly = source_read(arena, path, &error);
  unlink(path);
  ck_assert_ptr_nonnull(assembly);
  static const char *const names[] = {"exp", "log", "sin", "cos", "erf"};
  for (size_t i = 0; i < COUNTOF(names); i++) {
    ck_assert_msg(strstr(assembly->text, arena_printf(arena, "v_%sf", names[i])) != NULL,
                  "%s is not vectorised", names[i]);
    ck_assert_msg(strstr(assembly->text, arena_printf(arena, "call\t%sf", names[i])) == NULL,
                  "a scalar %s is left", names[i]);
  }
  arena_free(arena);
#else
  printf("SKIP: vector functions in generated C: no libmvec on this machine\n");
#endif
}
END_TEST

enum { ARGUMENTS = 4099 };

/* Of both signs, from where tanh x is x to where it is 1; then what is not finite. */
static float argument_at(uint64_t i) {
  static const float special[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 1e-42f, 3e38f};
  if (i < COUNTOF(special)) return special[i];
  double x = exp2(-24 + 28.0 * (double)i / ARGUMENTS);
  return (float)(i % 2 ? x : -x);
}

/* What is computed in line: near, within its bounds, the same side of 0, no number where x is none;
 * alone and in lanes. */
START_TEST(approximations_are_near) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId n = fixture_axis(graph, "n", ARGUMENTS, AXIS_ROW),
         one = fixture_axis(graph, "one", 1, AXIS_ROW);
  uint32_t many = fixture_slot(graph, "x", RLC_F32, AXES(n)),
           single = fixture_slot(graph, "s", RLC_F32, AXES(one));
  size_t program = fixture_program(module, "functions");
  uint32_t result = fixture_result(module, program, node1(graph, OP_tanh, node_input(graph, many)));
  uint32_t alone =
      fixture_result(module, program, node1(graph, OP_tanh, node_input(graph, single)));
  Built built = build_module(arena, module, RLC_F32, cpu_vector_bytes() / 4);
  const RlcSlot *slots = built.rlc->slots;
  for (uint64_t i = 0; i < ARGUMENTS; i++)
    rlc_slot_set(&slots[many], built.memory, i, (double)argument_at(i));
  for (uint64_t i = 0; i < ARGUMENTS; i++) {
    double x = (double)argument_at(i), exact = tanh(x);
    rlc_slot_set(&slots[single], built.memory, 0, x);
    if (i < 64 || i % 64 == 0) built_run(&built, 0, 1, NULL);
    double y = rlc_slot_get(&slots[result], built.memory, i);
    double z = rlc_slot_get(&slots[alone], built.memory, 0);
    if (i < 64 || i % 64 == 0) ck_assert(fabs(y - z) <= 4e-7 * fabs(y) || (isnan(y) && isnan(z)));
    ck_assert_msg(isnan(x) ? isnan(y) : fabs(y - exact) <= 4e-7 * fabs(exact), "tanh(%g) = %g", x,
                  y);
    ck_assert(isnan(y) ||
              (fabs(y) <= 1 && (fabs(y) == 1 || fabs(x) < 9.5) && !signbit(y) == !signbit(x)));
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

/* ---- tables ---- */

/* What the runtime keeps and learns from. */
static void data_tables_check(const RlcModule *m) {
  ck_assert_uint_eq(m->sources[0].capacity, 1000000);
  ck_assert_str_eq(m->sources[0].columns[1].name, "extra");
  ck_assert_uint_eq(m->sources[0].columns[0].from_slot, RLC_NONE);
  ck_assert_uint_eq(m->sources[1].column_count, 0);
  ck_assert_uint_eq(m->sources[1].window, 3);
  ck_assert(m->sources[1].prioritized && m->sources[1].exponent == 0.6);
  ck_assert(m->sources[1].weight == 2 && m->sources[1].valid == 1);
  ck_assert(m->sources[1].weight_exponent == 0.4 && !m->sources[0].file);
  ck_assert_str_eq(m->sources[1].file, "a \"b\".safetensors");
  ck_assert(m->choices == 3 && m->limit == 500 && m->eval_every == 5000 && m->eval_episodes == 7);
  ck_assert(m->rollout.steps == 32 && m->rollout.column_count == 2);
  ck_assert_str_eq(m->rollout.columns[0].name, "obs");
  ck_assert(m->view_count == 2 && !m->views[0].column_count && m->views[1].rows == 16);
  ck_assert(m->views[1].columns[1].from == 3 && m->views[1].columns[1].to == 0);
}

/* Names, numbers and how to act. */
static void facts_check(const RlcModule *m, const RlcModule *shell, const char *spec) {
  ck_assert_str_eq(m->name, "na\"me");
  ck_assert_str_eq(m->spec, spec);
  ck_assert_str_eq(m->env_id, "Pendulum-v1");
  ck_assert_str_eq(m->target, test_target());
  ck_assert_uint_eq(m->abi, RLC_ABI);
  ck_assert(m->spec_hash == shell->spec_hash && m->init == 1 && m->rescale == 1);
  ck_assert(m->act_low == -2 && m->act_high == 0.1);
  ck_assert_mem_eq(m->counters, shell->counters, sizeof m->counters);
  ck_assert_mem_eq(&m->explore, &shell->explore, sizeof m->explore);
  ck_assert_mem_eq(&m->evaluate, &shell->evaluate, sizeof m->evaluate);
}

static const char odd_text[] = "name: \"x\"\n  a\\b: 1 # \xc3\xa9 ?\?/ 'q'\n\ttab\n\n";
static const RlcColumn odd_columns[] = {{"obs", RLC_OBS, 3, 1, RLC_NONE},
                                        {"extra", RLC_EXTRA, 1, RLC_NONE, 2}};
static const RlcSource odd_sources[] = {{.name = "replay",
                                         .capacity = 1000000,
                                         .batch = 256,
                                         .column_count = 2,
                                         .columns = odd_columns},
                                        {.name = "empty",
                                         .capacity = 5,
                                         .batch = 1,
                                         .window = 3,
                                         .valid = 1,
                                         .prioritized = 1,
                                         .exponent = 0.6,
                                         .weight_exponent = 0.4,
                                         .weight = 2,
                                         .file = "a \"b\".safetensors"}};

static void terms_check_equal(const RlcStep *a, const RlcStep *b) {
  ck_assert_uint_eq(a->index, RLC_NONE);
  ck_assert_uint_eq(a->term_count, b->term_count);
  for (uint32_t i = 0; i < b->term_count; i++) {
    ck_assert(a->terms[i].op == b->terms[i].op && a->terms[i].counter == b->terms[i].counter);
    ck_assert(a->terms[i].value == b->terms[i].value);
    ck_assert_mem_eq(a->terms[i].src, b->terms[i].src, sizeof b->terms[i].src);
  }
}

START_TEST(strings_and_tables_survive) {
  static const RlcPair pairs[] = {{1, 2}, {3, 0}};
  static const RlcView views[] = {{"whole", 64, 0, NULL}, {"parts", 16, 2, pairs}};
  static const RlcTerm terms[] = {{.op = OP_input, .counter = RLC_STORED},
                                  {.op = OP_const, .value = 1e-300},
                                  {.op = OP_const, .value = -INFINITY},
                                  {.op = OP_where, .src = {0, 2, 1}}};
  static const RlcStep steps[] = {
      {RLC_DO_EVERY, .counter = RLC_UPDATES, .slot = RLC_NONE, .count = 200, .body = 1},
      {RLC_DO_RUN, .flags = RLC_IS_UPDATE, .index = 1},
      {RLC_DO_WHEN, .index = RLC_NONE, .slot = 3, .term_count = COUNTOF(terms), .terms = terms}};
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  emit_module_make(module);
  RlcModule *shell = &module->shell;
  *shell = (RlcModule){.name = "na\"me",
                       .spec = odd_text,
                       .spec_hash = 0xfedcba9876543210u,
                       .env_id = "Pendulum-v1",
                       .obs_dim = 3,
                       .act_dim = 1,
                       .act_low = -2,
                       .act_high = 0.1,
                       .rescale = 1,
                       .source_count = 2,
                       .sources = odd_sources,
                       .choices = 3,
                       .limit = 500,
                       .rollout = {32, 2, odd_columns},
                       .view_count = 2,
                       .views = views,
                       .eval_every = 5000,
                       .eval_episodes = 7,
                       .counters = {1, 2, RLC_NONE, 4, 5},
                       .init = 1,
                       .explore = {8, 1, 0, 2, 3, RLC_ACTION_ONLY},
                       .evaluate = {10, 1, RLC_NONE, 2, 3, RLC_ACTION_ONLY},
                       .step_count = 3,
                       .steps = steps};
  module->programs[0].minimal_flops = 12345;
  Built built = build_module(arena, module, RLC_F32, 16);
  const RlcModule *m = built.rlc;
  facts_check(m, shell, odd_text);
  data_tables_check(m);
  ck_assert_uint_eq(m->steps[0].count, 200);
  ck_assert_uint_eq(m->steps[1].flags, RLC_IS_UPDATE);
  terms_check_equal(&m->steps[2], &steps[2]);
  ck_assert_double_eq(m->programs[0].minimal_flops, 12345);
  ck_assert_double_eq(m->programs[0].flops, 2.0 * 40 * 37 * 33);
  ck_assert_str_eq(m->slots[1].name, "actor.dense1.w");
  ck_assert_str_eq(m->slots[1].dims[0].axis, "in");
  ck_assert_uint_eq(m->slots[1].panel, 32);
  ck_assert_uint_eq(m->slots[1].kind, RLC_PARAMETER);
  built_free(&built);
  arena_free(arena);
}
END_TEST

START_TEST(the_loader_says_what_is_wrong) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  emit_module_make(module);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  Code *code = code_make(arena, module, &options);
  char error[256];
  setenv("CC", "no-such-compiler", 1);
  ck_assert_ptr_null(load_c(code, RLC_ROOT, error, sizeof error));
  ck_assert_str_eq(error, "no-such-compiler: no C compiler could be started");
  unsetenv("CC");
  ck_assert_ptr_null(load_c(code, "/nonexistent", error, sizeof error));
  ck_assert_ptr_nonnull(strstr(error, "failed on generated code:\n"));
  ck_assert_ptr_nonnull(strstr(error, "runtime/rlc.h"));
  arena_free(arena);
}
END_TEST

/* ---- listings ---- */

START_TEST(listings_name_every_kernel) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  emit_module_make(module);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "c", .compiler = "test"};
  Code *code = code_make(arena, module, &options);
  KernelInfo *kernels;
  size_t count = code_kernels(code, arena, &kernels), size = 0;
  ck_assert_uint_gt(count, 5);
  char *text = NULL;
  FILE *out = open_memstream(&text, &size);
  code_print_kernels(code, out);
  code_print_loops(code, out);
  fclose(out);
  double flops = 0;
  for (size_t i = 0; i < count; i++) {
    assert_has(text, arena_printf(arena, "%s: %s", kernels[i].name, kernels[i].what));
    assert_has(text, arena_printf(arena, "kernel %s: parallel item", kernels[i].name));
    ck_assert(kernels[i].bytes > 0);
    flops += kernels[i].flops;
  }
  ck_assert_double_eq(flops, 2.0 * 40 * 37 * 33);
  free(text);
  arena_free(arena);
}
END_TEST

/* ---- the verifier of loop IR ---- */

START_TEST(loop_verifier_finds_seeded_mistakes) {
  Arena *a = arena_make();
  const Var *item = var_make(a, "item", VALUE_INDEX, 1), *i = var_make(a, "i", VALUE_INDEX, 1);
  const Var *lost = var_make(a, "lost", VALUE_F32, 1), *real = var_make(a, "real", VALUE_F32, 1);
  const Registers *tile = registers_tile(a, "tile", VALUE_F32, 16, 4, 1);
  Term *zero = term_int(a, 0), *four = term_int(a, 4), *one = term_real(a, VALUE_F32, 1);
  const struct {
    LoopKind loop;
    Term *hi, *row, *value;
    bool declared;
    const char *error;
  } cases[] = {
      {LOOP_UNROLLED, four, term_var(a, i), one, true, NULL},
      {LOOP_UNROLLED, four, term_var(a, i), term_var(a, lost), true,
       "variable out of scope 'lost'"},
      {LOOP_UNROLLED, four, term_var(a, i), one, false, "registers out of scope 'tile'"},
      {LOOP_SERIAL, four, term_var(a, i), one, true, "subscript of a tile is not constant 'tile'"},
      {LOOP_UNROLLED, term_var(a, item), term_var(a, i), one, true,
       "unrolled loop without constant bounds 'i'"},
      {LOOP_UNROLLED, four, one, one, true, "subscript is no index of 'tile'"},
      {LOOP_UNROLLED, four, term_var(a, i), term_fma(a, one, one, term_splat(a, one, 16)), true,
       "widths differ in 'fma'"},
      {LOOP_UNROLLED, four, term_var(a, i), term_add(a, term_var(a, real), four), true,
       "index arithmetic on 'other values'"},
  };
  for (size_t k = 0; k < COUNTOF(cases); k++) {
    Block *block = block_make(a);
    let_add(a, block, real, one);
    if (cases[k].declared) declare_add(a, block, tile, NULL);
    Block *body = loop_add(a, block, cases[k].loop, i, zero, cases[k].hi);
    set_add(a, body, tile, cases[k].row, zero, cases[k].value);
    const char *error = block_verify(block, item, a);
    if (cases[k].error)
      ck_assert_str_eq(error ? error : "(nothing)", cases[k].error);
    else
      ck_assert_ptr_null(error);
  }
  arena_free(a);
}
END_TEST

/* A meeting under up to three loops, and under a choice or not. */
START_TEST(warps_meet_where_all_of_them_come_by) {
  Arena *a = arena_make();
  const Var *item = var_make(a, "item", VALUE_INDEX, 1);
  const char *wrong = "not all warps come to a meeting 'meet'";
  struct {
    struct {
      LoopKind kind;
      int64_t times; /* 0: no loop, -1: as many as the item's number */
    } loops[3];
    bool choice;
    const char *error;
  } cases[] = {
      {{{LOOP_TEAM, 8}}, false, NULL},
      {{{LOOP_TEAM, 8}, {LOOP_LANES, 32}, {LOOP_SERIAL, 5}}, false, NULL},
      {{{LOOP_SERIAL, -1}, {LOOP_TEAM, 8}, {LOOP_UNROLLED, 2}}, false, NULL},
      {{{LOOP_SERIAL, 2}}, false, wrong},
      {{{LOOP_WARPS, 8}}, false, wrong},
      {{{LOOP_TEAM, 8}}, true, wrong},
      {{{LOOP_TEAM, 8}, {LOOP_LANES, 16}}, false, wrong},
      {{{LOOP_TEAM, 8}, {LOOP_LANES, 64}, {LOOP_SERIAL, 2}}, false, wrong},
      {{{LOOP_TEAM, 8}, {LOOP_SERIAL, -1}}, false, wrong},
      {{{LOOP_TEAM, 4}}, false, "no loop for a block's warps 'i0'"},
      {{{LOOP_TEAM, 8}, {LOOP_TEAM, 8}}, false, "no loop for a block's warps 'i1'"},
      {{{LOOP_TEAM, 8}, {LOOP_WARPS, 4}}, false, "loop over warps in another 'i1'"},
  };
  for (size_t k = 0; k < COUNTOF(cases); k++) {
    Block *block = block_make(a), *body = block;
    for (int i = 0; i < 3 && cases[k].loops[i].times; i++) {
      int64_t times = cases[k].loops[i].times;
      const Var *var = var_make(a, arena_printf(a, "i%d", i), VALUE_INDEX, 1);
      body = loop_add(a, body, cases[k].loops[i].kind, var, term_int(a, 0),
                      times < 0 ? term_var(a, item) : term_int(a, times));
    }
    if (cases[k].choice) body = if_add(a, body, term_var(a, item), term_int(a, 3))->body;
    meet_add(a, body);
    const char *error = block_verify(block, item, a);
    ck_assert_msg(cases[k].error ? error && strcmp(error, cases[k].error) == 0 : !error,
                  "case %zu: %s", k, error ? error : "(nothing)");
  }
  arena_free(a);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_emit");
  TCase *tcase = tcase_create("emit");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, strict_compilers_are_silent);
  tcase_add_test(tcase, tensors_and_kernels_have_the_names_of_the_spec);
  tcase_add_test(tcase, functions_are_vectorised);
  tcase_add_test(tcase, approximations_are_near);
  tcase_add_test(tcase, strings_and_tables_survive);
  tcase_add_test(tcase, the_loader_says_what_is_wrong);
  tcase_add_test(tcase, listings_name_every_kernel);
  tcase_add_test(tcase, loop_verifier_finds_seeded_mistakes);
  tcase_add_test(tcase, warps_meet_where_all_of_them_come_by);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
