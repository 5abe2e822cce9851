/* Random graphs: every pass leaves their values alone, and generated code computes what the oracle
 * does, native and C, in double and float32, for every vector width and number of threads.
 *
 * A graph that fails is made as small as it goes on failing and printed as text. From a file the
 * text is tried again:  RLC_GRAPH=file.ir build/tests/random_test
 * RLC_LONG=1 takes thousands; RLC_SEED=N begins elsewhere. */
#include "tests/graph_forms.h"
#include "tests/graph_shrink.h"

enum { GRAPHS = 12, SHORT = 20, LONG = 250, C_EVERY = 10, TRIALS = 1500 };

static uint64_t seed_of(const char *name, uint64_t usual) {
  const char *text = getenv(name);
  return text ? strtoull(text, NULL, 10) : usual;
}

/* Graphs of a batch share axes, so that one module and one run of the C compiler hold them. */
static Module *batch_module(Arena *arena, uint64_t batch) {
  Module *module = fixture_module(arena);
  for (uint64_t i = 0; i < GRAPHS; i++)
    forms_graph(module, batch, batch * 1000 + i,
                arena_printf(arena, "g%llu", (unsigned long long)i));
  return module;
}

/* What a batch is compiled to: all combinations come by. Vectors of doubles are half as long, and
 * none is longer than this machine's. For a GPU: to that alone. */
static size_t batch_plans(uint64_t batch, Plan plans[2]) {
  uint32_t bytes = 16u << (batch / 2 % 3), most = cpu_vector_bytes();
  if (bytes > most) bytes = most;
  RlcType real = batch % 2 ? RLC_F64 : RLC_F32;
  uint32_t lanes = real == RLC_F64 && bytes > 16 ? bytes / 8 : bytes / 4;
  const char *pass = batch % 7 == 6 ? "erase" : "contract";
  static const uint32_t caches[] = {16 << 10, 32 << 10, 48 << 10, 0, 24 << 10};
  uint32_t cache = caches[batch % COUNTOF(caches)];
  bool native = strcmp(test_target(), "native") == 0;
  plans[0] = (Plan){real, lanes, cache, test_target(), pass};
  plans[1] = (Plan){real, lanes, cache, "c", pass};
  return native && batch % C_EVERY == 0 ? 2 : 1;
}

/* Fails with the smallest graph that does. */
static void report(Arena *arena, Module *module, const Plan *plans, size_t count,
                   TrialResult result, Why why, const char *what) {
  printf("%s: %s", what, why.text);
  module = module_shrink(arena, module, plans, count, TRIALS, result, &why);
  printf("# %s\n%s", why.text, module_text(arena, module));
  ck_abort_msg("%s: %.400s", what, why.text);
}

static void check_module(Arena *arena, Module *module, const Plan *plans, size_t count,
                         const char *what) {
  Why why = {""};
  Trial all = {module, {EDIT_NOTHING, 0, 0}, plans, count};
  TrialResult result = trial(&all, &why);
  if (result == TRIAL_AGREES) return;
  for (size_t p = 0; p < module->program_count; p++) {
    Module *one = module_program(arena, module, p);
    Why own = {""};
    Trial alone = {one, {EDIT_NOTHING, 0, 0}, plans, count};
    TrialResult how = trial(&alone, &own);
    if (how == TRIAL_AGREES) continue;
    report(arena, one, plans, count, how, own, arena_printf(arena, "%s, graph %zu", what, p));
  }
  ck_abort_msg("%s: only together: %.400s", what, why.text);
}

START_TEST(batches_agree) {
  Plan plans[2];
  Arena *arena = arena_make();
  uint64_t batch = seed_of("RLC_SEED", 0) + (uint64_t)_i;
  size_t count = batch_plans(batch, plans);
  check_module(arena, batch_module(arena, batch), plans, count,
               arena_printf(arena, "batch %llu", (unsigned long long)batch));
  arena_free(arena);
}
END_TEST

/* ---- what the graphs reach ---- */

typedef struct Reached {
  size_t kind[KERNEL_CONTRACT + 1], epilogues, repacked, shared, barriers, cut, stopped, in_place,
      chunks;
} Reached;

static void reach_kernels(Reached *reached, const ProgramCode *program) {
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    reached->kind[kernel->kind]++;
    reached->epilogues += kernel->kind == KERNEL_CONTRACT && kernel->root_count > 1;
    reached->chunks += kernel->chunks != NULL;
    reached->repacked += kernel->repacked != NULL;
    reached->shared += !kernel->serial;
    reached->barriers += kernel->barrier_before;
    for (size_t i = 0; i < kernel->place_count; i++)
      reached->in_place += kernel->places[i].reads && kernel->places[i].writes;
  }
}

/* Random graphs are worth what they come by. */
START_TEST(every_kind_of_work_comes_by) {
  Reached reached = {{0}, 0, 0, 0, 0, 0, 0, 0, 0};
  const PipelineOptions options = {.out = stdout};
  for (uint64_t batch = 0; batch < SHORT; batch++) {
    Arena *arena = arena_make();
    Module *module = batch_module(arena, batch);
    pipeline_run(module, &options);
    for (size_t i = 0; i < module->note_count; i++)
      *(strstr(module->notes[i].text, "stays") ? &reached.stopped : &reached.cut) += 1;
    Plan plans[2];
    batch_plans(batch, plans);
    CodegenOptions made = {.real = RLC_F32,
                           .lanes = 8,
                           .cache = plans[0].cache,
                           .target = "native",
                           .compiler = "test"};
    Code *code = code_make(arena, module, &made);
    for (size_t p = 0; p < code->program_count; p++) reach_kernels(&reached, &code->programs[p]);
    arena_free(arena);
  }
  /* initialisers have tests of their own, and so have roundings: these graphs are float32, most of
   * them too small to be rounded (orthonormal in native_test, pairs in precision_test) */
  for (int kind = 0; kind <= KERNEL_CONTRACT; kind++)
    ck_assert_msg(kind == KERNEL_ORTHONORMAL || kind == KERNEL_PAIRS || reached.kind[kind] >= 10,
                  "%zu kernels of kind %d", reached.kind[kind], kind);
  printf(
      "%zu contractions, %zu of them with epilogues, %zu repacked; %zu kernels for more than one "
      "thread, %zu barriers; %zu sorts cut, %zu scatters stopped; %zu tensors updated in place; "
      "%zu kernels in chunks\n",
      reached.kind[KERNEL_CONTRACT], reached.epilogues, reached.repacked, reached.shared,
      reached.barriers, reached.cut, reached.stopped, reached.in_place, reached.chunks);
  ck_assert(reached.kind[KERNEL_CONTRACT] >= 200 && reached.epilogues >= 100);
  ck_assert(reached.repacked >= 50 && reached.shared >= 100 && reached.barriers >= 100);
  ck_assert(reached.cut >= 20 && reached.stopped >= 10 && reached.in_place >= 20);
  ck_assert(reached.chunks >= 20);
}
END_TEST

/* And what only the order for a GPU has. */
START_TEST(rows_and_chains_of_a_gpu_come_by) {
  size_t rows = 0, across = 0, alone = 0, joined = 0;
  const PipelineOptions options = {.out = stdout};
  const CodegenOptions made = {.real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  for (uint64_t batch = 0; batch < SHORT; batch++) {
    Arena *arena = arena_make();
    Module *module = batch_module(arena, batch);
    pipeline_run(module, &options);
    Code *code = code_make(arena, module, &made);
    for (size_t p = 0; p < code->program_count; p++)
      for (size_t k = 0; k < code->programs[p].kernel_count; k++) {
        const Kernel *kernel = code->programs[p].kernels[k];
        rows += kernel->chunks != NULL;
        across += kernel->across_count > 0;
        alone += kernel->alone;
        joined += kernel->joined;
      }
    arena_free(arena);
  }
  printf("%zu kernels by rows, %zu of them read other rows; %zu of one block; %zu meetings\n", rows,
         across, alone, joined);
  ck_assert(rows >= 20 && alone >= 20 && joined >= 20);
}
END_TEST

START_TEST(a_text_agrees) {
  Arena *arena = arena_make();
  const char *error = NULL, *path = getenv("RLC_GRAPH");
  const Source *source = source_read(arena, path, &error);
  ck_assert_msg(source != NULL, "%s: %s", path, error);
  Module *module = module_read(arena, source->text);
  ck_assert_msg(module != NULL, "%s is no graph", path);
  for (uint64_t batch = 0; batch < 42; batch++) {
    Plan plans[2];
    batch_plans(batch, plans);
    check_module(arena, module, plans, 2, arena_printf(arena, "%s, plan %d", path, (int)batch));
  }
  arena_free(arena);
}
END_TEST

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  Suite *suite = suite_create("random");
  TCase *tcase = tcase_create("random");
  tcase_set_timeout(tcase, 900);
  if (getenv("RLC_GRAPH"))
    tcase_add_test(tcase, a_text_agrees);
  else {
    TCase *reach = tcase_create("reach");
    tcase_set_timeout(reach, 300);
    tcase_add_test(reach, every_kind_of_work_comes_by);
    tcase_add_test(reach, rows_and_chains_of_a_gpu_come_by);
    suite_add_tcase(suite, reach);
    if (!getenv("RLC_LONG"))
      printf("SKIP: random graphs %d to %d: RLC_LONG=1\n", GRAPHS * SHORT + 1, GRAPHS * LONG);
    tcase_add_loop_test(tcase, batches_agree, 0, getenv("RLC_LONG") ? LONG : SHORT);
  }
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
