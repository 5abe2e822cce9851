/* What the tests of generated code share: a module compiled and loaded, its slots filled, its
 * programs run by any number of threads and compared with the oracle. */
#ifndef RLC_TESTS_CODEGEN_FIXTURE_H
#define RLC_TESTS_CODEGEN_FIXTURE_H

#include "codegen/schedule/kernel.h"
#include "runtime/slot.h"
#include "tests/graph_fixture.h"

#include <pthread.h>
#include <string.h>

typedef struct Built {
  Arena *arena;
  Module *module;
  Code *code;
  Loaded *loaded;
  const RlcModule *rlc;
  char *memory, *work;
  const void *context; /* of the programs' calls */
} Built;

enum { GUARD = 4096, MOST_THREADS = 16 };

static inline char *guarded_alloc(size_t size, int fill) {
  char *memory = aligned_alloc(64, (size + GUARD + 63) / 64 * 64);
  ck_assert_ptr_nonnull(memory);
  memset(memory, fill, size);
  memset(memory + size, 0x5a, GUARD);
  return memory;
}

static inline bool guard_is_intact(const char *memory, size_t size) {
  for (size_t i = 0; i < GUARD; i++)
    if (memory[size + i] != 0x5a) return false;
  return true;
}

static inline size_t work_size(const RlcModule *rlc) {
  return 64 + rlc_work_bytes(rlc, MOST_THREADS);
}

/* The workspace starts as NaNs: whoever reads what nobody wrote shows. */
static inline void built_memory(Built *built) {
  built->memory = guarded_alloc(built->rlc->memory_bytes, 0xff);
  built->work = guarded_alloc(work_size(built->rlc), 0xff);
}

/* What generated code is tested with: RLC_TARGET, else the default of `rlc`. */
static inline const char *test_target(void) {
  const char *target = getenv("RLC_TARGET");
  return target ? target : "native";
}

/* Is the code for a GPU? Then a test of what only CPUs have says so and has nothing to do. */
static inline bool on_device(const char *what) {
  bool device = strcmp(test_target(), "cuda") == 0;
  if (device) printf("SKIP: %s\n", what);
  return device;
}

/* Code of either target as it runs here, or NULL with the reason in `error` [4096]. */
static inline Loaded *test_load(const Code *code, char *error) {
  bool native = strcmp(code_options(code)->target, "native") == 0;
  return native ? load_native(code, error, 4096) : load_c(code, RLC_ROOT, error, 4096);
}

/* NULL, or why there is no code; then nothing has to be freed. */
static inline const char *build_try(Built *built, Arena *arena, Module *module,
                                    const CodegenOptions *options) {
  *built = (Built){.arena = arena, .module = module};
  built->code = code_make(arena, module, options);
  const char *overlap = plan_check(built->code, arena);
  if (overlap) return overlap;
  char *error = arena_copy(arena, (char[4096]){0}, 4096);
  built->loaded = test_load(built->code, error);
  if (!built->loaded) return error;
  built->rlc = load_module(built->loaded);
  built_memory(built);
  return NULL;
}

static inline Built build_with(Arena *arena, Module *module, const CodegenOptions *options) {
  Built built;
  const char *error = build_try(&built, arena, module, options);
  ck_assert_msg(!error, "%s", error);
  return built;
}

static inline Built build_module(Arena *arena, Module *module, RlcType real, uint32_t lanes) {
  return build_with(
      arena, module,
      &(CodegenOptions){.real = real, .lanes = lanes, .target = test_target(), .compiler = "test"});
}

/* Whether nobody wrote behind the slots or the workspace. */
static inline bool built_stayed_inside(const Built *built) {
  return guard_is_intact(built->memory, built->rlc->memory_bytes) &&
         guard_is_intact(built->work, work_size(built->rlc));
}

static inline void built_close(Built *built) {
  free(built->memory);
  free(built->work);
  load_close(built->loaded);
}

static inline void built_free(Built *built) {
  ck_assert(built_stayed_inside(built));
  built_close(built);
}

/* ---- running ---- */

typedef struct TeamCall {
  RlcCall call;
  void (*run)(const RlcCall *call);
} TeamCall;

static inline void team_wait(void *team) { pthread_barrier_wait(team); }

static inline void *team_thread(void *argument) {
  const TeamCall *job = argument;
  job->run(&job->call);
  return NULL;
}

/* Runs a program on `threads` threads; `done` gets the work of each. */
static inline void built_run(const Built *built, uint32_t program, uint32_t threads,
                             uint64_t *done) {
  pthread_barrier_t barrier;
  pthread_t ids[16];
  TeamCall jobs[16];
  pthread_barrier_init(&barrier, NULL, threads);
  for (uint32_t t = 0; t < threads; t++) {
    RlcCall call = {.memory = built->memory,
                    .work = built->work,
                    .seed = 7,
                    .step = 3,
                    .thread = t,
                    .threads = threads,
                    .barrier = team_wait,
                    .team = &barrier,
                    .done = done,
                    .context =
                        built->context ? built->context : built->rlc->programs[program].context};
    jobs[t] = (TeamCall){call, built->rlc->programs[program].run};
    if (t) pthread_create(&ids[t], NULL, team_thread, &jobs[t]);
  }
  team_thread(&jobs[0]);
  for (uint32_t t = 1; t < threads; t++) pthread_join(ids[t], NULL);
  pthread_barrier_destroy(&barrier);
}

/* ---- values ---- */

static inline void built_set(const Built *built, uint32_t slot, const double *values) {
  const RlcSlot *row = &built->rlc->slots[slot];
  for (uint64_t i = 0; i < rlc_slot_elements(row); i++)
    rlc_slot_set(row, built->memory, i, values[i]);
}

/* Every slot gets seeded values, the oracle too: in [-2, 2), exact in float32; positions below 3.
 */
static inline void fill_slots(const Built *built, Interp *interp, uint64_t seed) {
  const Graph *graph = built->module->graph;
  for (uint32_t s = 0; s < graph->slot_count; s++) {
    uint64_t count = axes_extent(graph, graph->slots[s].axes), state = seed * 1000 + s;
    double *values = NEW_ARRAY(built->arena, double, count);
    for (uint64_t i = 0; i < count; i++)
      values[i] = graph->slots[s].type == RLC_I32 ? random_below(&state, 3)
                                                  : (float)random_between(&state, -2, 2);
    built_set(built, s, values);
    if (interp) interp_set(interp, s, values);
  }
}

/* Norm of the difference relative to the norm of the oracle's values (and 1). */
static inline double slot_error(const Built *built, const Interp *interp, uint32_t slot) {
  const Graph *graph = built->module->graph;
  uint64_t count = axes_extent(graph, graph->slots[slot].axes);
  double *expected = NEW_ARRAY(built->arena, double, count), error = 0, norm = 0;
  interp_get(interp, slot, expected);
  for (uint64_t i = 0; i < count; i++) {
    double value = rlc_slot_get(&built->rlc->slots[slot], built->memory, i);
    if (isnan(value) != isnan(expected[i]) || isinf(value) != isinf(expected[i])) return INFINITY;
    if (!isfinite(value)) continue;
    error += (value - expected[i]) * (value - expected[i]);
    norm += expected[i] * expected[i];
  }
  return sqrt(error) / fmax(sqrt(norm), 1);
}

/* Runs program `p` on the oracle and on generated code from equal slots; every slot agrees
 * afterwards. */
static inline void check_program(const Built *built, uint32_t p, uint32_t threads, uint64_t seed,
                                 double tolerance, const char *what) {
  Interp *interp = interp_make(built->arena, built->module, p, false);
  interp_draws(interp, 7, 3);
  fill_slots(built, interp, seed);
  interp_run(interp);
  interp_store(interp);
  uint64_t done[16] = {0};
  memset(built->work, 0xff, work_size(built->rlc));
  built_run(built, p, threads, done);
  for (uint32_t s = 0; s < built->rlc->slot_count; s++) {
    double error = slot_error(built, interp, s);
    ck_assert_msg(error <= tolerance, "%s: program '%s', slot '%s': error %.3g", what,
                  built->rlc->programs[p].name, built->rlc->slots[s].name, error);
  }
}

/* All programs, on one thread and on three. */
static inline void check_programs(const Built *built, double tolerance, const char *what) {
  for (uint32_t p = 0; p < built->module->program_count; p++)
    for (uint32_t threads = 1; threads <= 3; threads += 2)
      check_program(built, p, threads, p + 1, tolerance, what);
}

/* An axis by label and extent: the same one whenever both are equal. */
static inline AxisId axis_of(Graph *graph, const char *label, uint32_t extent, AxisClass order) {
  return graph_axis(graph, label, arena_printf(graph->arena, "x%u", extent), extent, order,
                    NOWHERE);
}

typedef struct Precision {
  const char *name;
  RlcType real;
  uint32_t lanes;
  double tolerance;
} Precision;

/* Lanes of AVX-512, of AVX2 and of no vectors at all: layouts depend on them, results do not. */
__attribute__((unused)) static const Precision precisions[] = {
    {"float32", RLC_F32, 16, 3e-6},
    {"float64", RLC_F64, 8, 1e-12},
    {"float32, 8 lanes", RLC_F32, 8, 3e-6},
    {"float64, 2 lanes", RLC_F64, 2, 1e-12}};

#endif
