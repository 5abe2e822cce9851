/* No two threads of a GPU race: in whole algorithms and in products by blocks, every access to
 * slots, workspace and shared memory is in order with those that it must be in order with, by
 * meetings alone. And meetings that are left out are found, with kernel, tensor and both accesses.
 *
 * Code runs on the CPU, watched by tests/race_fixture.h, at the sizes for tests. The usual run
 * takes a few specs; RLC_LONG=1 all of them, RLC_SPECS=text those whose path contains it. */
#include "tests/spec_code.h"

#include "codegen/cuda/cuda.h"
#include "compiler/passes/pipeline.h"
#include "tests/files_support.h"
#include "tests/race_fixture.h"
#include "tests/spec_files.h"
#include "tests/suite.h"

#include <dlfcn.h>

static SpecFiles specs; /* set once by main */

/* A replay and twin critics; a rollout in parts and scans; rounded contractions. */
static const char *const few[] = {"specs/sac.yaml", "specs/ppo.yaml", "tests/data/sac_bf16.yaml"};

/* ---- code that is watched ---- */

typedef struct Watched {
  const Code *code;
  void *handle;
  const RlcModule *rlc;
  char *memory, *work;
} Watched;

/* Everywhere in a text. */
static char *replaced(Arena *arena, const char *text, const char *from, const char *to) {
  char *made = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&made, &length);
  for (const char *at; (at = strstr(text, from)); text = at + strlen(from))
    fprintf(out, "%.*s%s", (int)(at - text), text, to);
  fputs(text, out);
  fclose(out);
  char *kept = arena_copy(arena, made, length);
  free(made);
  return kept;
}

/* The text as it is, but that threads tell which kernel they begin and that meetings can be left
 * out while it is loaded. */
static char *watched_text(Arena *arena, const Code *code) {
  char *text = NULL;
  size_t length = 0;
  FILE *out = open_memstream(&text, &length);
  fputs("void race_kernel(unsigned);\n", out);
  emit_cuda_on_cpu(code, out);
  for (unsigned p = 0; p < code->program_count; p++)
    fprintf(out, "int *meeting_%u(int k) { return &runs_%u[k].meets; }\n", p, p);
  fclose(out);
  char *made = replaced(arena, text, "    reach(&launch, ", "    race_kernel(");
  free(text);
  return replaced(arena, made, "static TABLE Run runs_", "Run runs_");
}

static void watched_compile(const char *folder, const char *text) {
  char command[8192];
  FILE *out = fopen(path_in(folder, "code.c").text, "w");
  ck_assert_ptr_nonnull(out);
  fputs(text, out);
  ck_assert_int_eq(fclose(out), 0);
  snprintf(command, sizeof command,
           "cd '%s' && ${CC:-gcc} -std=gnu11 -O2 -march=native -w -fPIC -fsanitize=thread "
           "-DRLC_SHIM_RACES -I '%s' -c -o code.o code.c && "
           "${CC:-gcc} -shared -o code.so code.o -lm",
           folder, RLC_ROOT);
  ck_assert_msg(system(command) == 0, "%s", command);
}

static void watched_fill(const Watched *watched) {
  uint64_t state = 1;
  for (uint32_t s = 0; s < watched->rlc->slot_count; s++) {
    const RlcSlot *slot = &watched->rlc->slots[s];
    for (uint64_t i = 0; i < rlc_slot_elements(slot); i++)
      rlc_slot_set(slot, watched->memory, i,
                   slot->type == RLC_I32 ? 0 : random_between(&state, 0, 0.2));
  }
}

static Watched watched_text_open(const Code *code, const char *text) {
  char *folder = directory_make();
  watched_compile(folder, text);
  Watched watched = {.code = code,
                     .handle = dlopen(path_in(folder, "code.so").text, RTLD_NOW | RTLD_LOCAL)};
  ck_assert_msg(watched.handle != NULL, "%s", dlerror());
  directory_remove(folder);
  watched.rlc = dlsym(watched.handle, "rlc_module");
  ck_assert_ptr_nonnull(watched.rlc);
  watched.memory = guarded_alloc(watched.rlc->memory_bytes, 0);
  watched.work = guarded_alloc(work_size(watched.rlc), 0);
  watched_fill(&watched);
  race_watch(RACE_SLOTS, watched.memory, watched.rlc->memory_bytes);
  race_watch(RACE_WORK, watched.work, work_size(watched.rlc));
  return watched;
}

static Watched watched_open(const Code *code) {
  return watched_text_open(code, watched_text(code->arena, code));
}

static void watched_close(Watched *watched) {
  free(watched->memory);
  free(watched->work);
  dlclose(watched->handle);
}

static void watched_run(const Watched *watched, uint32_t program) {
  built_call(watched->rlc, watched->memory, watched->work, program, 7, 3);
  racing.running = -1;
}

/* Which meeting stands before a kernel: 0 none, 1 its block's, 2 all blocks'. */
static int *watched_meeting(const Watched *watched, uint32_t program, int kernel) {
  int *(*meeting)(int k);
  char name[32];
  snprintf(name, sizeof name, "meeting_%u", program);
  void *found = dlsym(watched->handle, name);
  ck_assert_ptr_nonnull(found);
  memcpy(&meeting, &found, sizeof meeting);
  return meeting(kernel);
}

/* ---- what was found, in words ---- */

static const Kernel *kernel_of(const Code *code, uint32_t number) {
  const ProgramCode *program = &code->programs[number >> RLC_REACHED_BITS];
  return program->kernels[number & ((1u << RLC_REACHED_BITS) - 1)];
}

/* The tensor of a kernel that lies there; NULL: it has none there. */
static const Place *place_of(const Kernel *kernel, const Race *race) {
  BufferSpace space = race->memory == RACE_SLOTS ? SPACE_SLOT : SPACE_WORK;
  for (size_t i = 0; i < kernel->place_count; i++) {
    const Buffer *buffer = kernel->places[i].buffer;
    if (buffer->space == space && race->byte >= buffer->offset &&
        race->byte < buffer->offset + buffer->bytes)
      return &kernel->places[i];
  }
  return NULL;
}

/* The tensor, and the byte in it or in a block's shared memory. */
static const char *tensor_of(const Code *code, const Race *race) {
  const Place *place = place_of(kernel_of(code, race->now.kernel), race);
  const char *name = "no tensor of the kernel's";
  uint64_t byte = race->byte;
  if (race->memory == RACE_SHARED) {
    name = "shared memory";
    byte %= racing.bytes[RACE_SHARED] / racing.blocks;
  } else if (place) {
    name = place->buffer->spec ? place->buffer->spec : place->buffer->name;
    byte -= place->buffer->offset;
  }
  return arena_printf(code->arena, "%s, byte %llu", name, (unsigned long long)byte);
}

static const char *access_text(const Code *code, const RaceAccess *access) {
  return arena_printf(code->arena, "%s %s it (block %d, warp %d, lane %d)",
                      kernel_of(code, access->kernel)->name, access->writes ? "writes" : "reads",
                      race_block_of(access), race_warp_of(access) % (racing.threads / RACE_LANES),
                      (access->thread - 1) % RACE_LANES);
}

static const char *race_text(const Code *code, const Race *race) {
  static const char *const apart[] = {"", "a warp's lanes", "a block's warps", "all blocks"};
  return arena_printf(code->arena, "%s: %s, %s, and no meeting of %s between",
                      tensor_of(code, race), access_text(code, &race->before),
                      access_text(code, &race->now), apart[race->gap]);
}

static void check_no_race(const Watched *watched, const char *what) {
  uint64_t accesses = 0;
  for (uint32_t p = 0; p < watched->rlc->program_count; p++) {
    race_clear();
    watched_run(watched, p);
    accesses += racing.accesses;
    ck_assert_msg(racing.kept == 0, "%s, program '%s': %llu races, such as %s", what,
                  watched->rlc->programs[p].name, (unsigned long long)racing.count,
                  race_text(watched->code, &racing.races[0]));
  }
  ck_assert_uint_gt(accesses, 1000);
  printf("%s: %u programs, %llu accesses, no race\n", what, watched->rlc->program_count,
         (unsigned long long)accesses);
}

/* ---- whole algorithms ---- */

/* A spec at its sizes for tests, after the passes for a GPU. */
static Spec spec_read(Arena *arena, const char *path) {
  setenv("RLC_TARGET", "cuda", 1);
  Spec spec = spec_open(path, spec_files_sizes(arena, path));
  spec_passes(&spec, NULL);
  return spec;
}

static Watched spec_watched(Spec *spec) {
  Code *code = build_code(&spec->session);
  ck_assert_ptr_nonnull(code);
  return watched_open(code);
}

START_TEST(algorithms_have_no_races) {
  Arena *arena = arena_make();
  Spec spec = spec_read(arena, specs.paths[_i]);
  Watched watched = spec_watched(&spec);
  check_no_race(&watched, specs.paths[_i]);
  watched_close(&watched);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* ---- meetings that are left out ---- */

/* The tensor is one of both kernels, one of which writes it, and the meeting before kernel `k`, of
 * that kind, is what would stand between them. */
static void check_told(const Code *code, const Race *race, int k, RaceGap gap) {
  const char *text = race_text(code, race);
  const RaceAccess *side[] = {&race->before, &race->now};
  int at[2];
  for (int i = 0; i < 2; i++) {
    const Kernel *kernel = kernel_of(code, side[i]->kernel);
    const Place *place = place_of(kernel, race);
    at[i] = (int)(side[i]->kernel & ((1u << RLC_REACHED_BITS) - 1));
    ck_assert_msg(strstr(text, kernel->name) && strstr(text, tensor_of(code, race)), "%s", text);
    if (race->memory == RACE_SHARED) continue;
    ck_assert_msg(place && (side[i]->writes ? place->writes : place->reads), "%s", text);
  }
  ck_assert_msg(race->before.writes || race->now.writes, "%s", text);
  ck_assert_msg((at[0] < k) != (at[1] < k), "%s", text);
  ck_assert_msg(race->gap == gap, "%s", text);
}

/* Whether a race shows where a kernel's meeting is less than planned. */
static bool shows_left_out(const Watched *watched, uint32_t program, int k, int planned) {
  int *meeting = watched_meeting(watched, program, k);
  ck_assert_int_eq(*meeting, planned);
  *meeting = planned - 1;
  race_clear();
  watched_run(watched, program);
  *meeting = planned;
  for (size_t i = 0; i < racing.kept; i++)
    check_told(watched->code, &racing.races[i], k, planned == 2 ? GAP_GRID : GAP_BLOCK);
  if (racing.kept) printf("%s\n", race_text(watched->code, &racing.races[0]));
  return racing.kept > 0;
}

/* One at a time. At these sizes a few kernels of one item fall to the block that also has what they
 * need, and one warp does all of many kernels that one block runs: nobody has to meet with itself,
 * so nearly all meetings of all blocks show, and some of a block's. */
START_TEST(meetings_that_are_left_out_show) {
  Arena *arena = arena_make();
  Spec spec = spec_read(arena, "specs/sac.yaml");
  Watched watched = spec_watched(&spec);
  size_t planned[3] = {0}, shown[3] = {0};
  for (uint32_t p = 0; p < watched.code->program_count; p++)
    for (size_t k = 0; k < watched.code->programs[p].kernel_count; k++) {
      const Kernel *kernel = watched.code->programs[p].kernels[k];
      int meeting = kernel->barrier_before ? 2 : kernel->joined;
      planned[meeting]++;
      if (meeting) shown[meeting] += shows_left_out(&watched, p, (int)k, meeting);
    }
  printf("left out and seen: %zu of %zu meetings of all blocks, %zu of %zu of a block\n", shown[2],
         planned[2], shown[1], planned[1]);
  ck_assert_uint_gt(planned[2], 20);
  ck_assert_uint_ge(8 * shown[2], 7 * planned[2]);
  ck_assert_uint_ge(shown[1], 5);
  watched_close(&watched);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* ---- meetings within a kernel ---- */

/* Graphs of one kernel: x w in few tiles, whose sums the warps of a block take in parts; in many
 * and rounded, whose columns they share; and a sum of everything, whose parts are a warp's lanes'.
 */
typedef enum Within { IN_PARTS, SHARED_COLUMNS, SUM, WITHIN } Within;

static const struct {
  const char *what, *meets;
  uint32_t rows, sum, columns;
  RaceGap gap;
  bool all; /* are needed: warps meet more often than they need to */
} within[WITHIN] = {{"sums in parts", "__syncthreads();", 100, 256, 70, GAP_BLOCK, true},
                    {"shared columns", "__syncthreads();", 4130, 36, 250, GAP_BLOCK, true},
                    {"sum", "__syncwarp();", 70, 40, 1, GAP_WARP, false}};

static const Code *within_code(Arena *arena, Within which) {
  static const CodegenOptions options = {
      .real = RLC_F32, .lanes = 32, .target = "cuda", .compiler = "test"};
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId row = axis_of(graph, "row", within[which].rows, AXIS_ROW);
  AxisId in = axis_of(graph, "in", within[which].sum, AXIS_FEATURE);
  AxisId out = axis_of(graph, "out", within[which].columns, AXIS_FEATURE);
  Node *x = node_input(graph, graph_slot(graph, "x", RLC_COLUMN, RLC_F32, AXES(row, in), NOWHERE));
  Node *w = node_input(graph, graph_slot(graph, "w", RLC_COLUMN, RLC_F32, AXES(in, out), NOWHERE));
  Node *y = which == SUM ? node_sum(graph, x, AXES(row, in))
                         : node_make(graph, OP_contract, (Attr){.axes = AXES(in)}, x, w, NULL);
  fixture_result(module, fixture_program(module, "one"), y);
  module->precision = which == SHARED_COLUMNS ? FORMAT_bf16 : FORMAT_float32;
  if (which == SHARED_COLUMNS) pipeline_pass(module, "round", &(PipelineOptions){.out = stdout});
  return code_make(arena, module, &options);
}

/* Blanks meeting number `which` of the only body; false: it has not so many. */
static bool meeting_blank(char *text, const char *meets, int which) {
  char *at = strstr(text, "\nBODY void "), *end = at ? strstr(at, "\n}\n") : NULL;
  ck_assert(at && end);
  for (int i = 0; i <= which; i++) {
    at = strstr(at + 1, meets);
    if (!at || at > end) return false;
  }
  memset(at, ' ', strlen(meets) - 1);
  return true;
}

START_TEST(meetings_left_out_of_a_kernel_show) {
  Arena *arena = arena_make();
  const Code *code = within_code(arena, (Within)_i);
  Watched watched = watched_open(code);
  check_no_race(&watched, within[_i].what);
  watched_close(&watched);
  char *text = watched_text(arena, code);
  int count = 0, shown = 0;
  for (; meeting_blank(text, within[_i].meets, count); text = watched_text(arena, code), count++) {
    watched = watched_text_open(code, text);
    race_clear();
    watched_run(&watched, 0);
    watched_close(&watched);
    if (!racing.kept) continue;
    printf("%s\n", race_text(code, &racing.races[0]));
    ck_assert_int_eq(racing.races[0].memory, RACE_SHARED);
    ck_assert_int_eq(racing.races[0].gap, within[_i].gap);
    shown++;
  }
  printf("%s: %d of %d meetings left out and seen\n", within[_i].what, shown, count);
  ck_assert_int_ge(shown, within[_i].all ? count : 1);
  ck_assert_int_gt(count, 0);
  arena_free(arena);
}
END_TEST

/* The shim is C, and hooks are the compiler's. NULL, or why nothing can be watched. */
static const char *unwatched(void) {
#ifdef SANITIZED
  return "under sanitizers: their hooks are its own";
#endif
  if (system("echo 'int x; int f(void) { return x; }' | ${CC:-gcc} -fsanitize=thread -fPIC -x c "
             "-c -o /dev/null - 2>/dev/null") != 0)
    return "there is no C compiler that knows -fsanitize=thread";
  return NULL;
}

static void find_specs(Arena *arena) {
  bool all = getenv("RLC_LONG") || getenv("RLC_SPECS");
  if (all)
    spec_files_find(&specs, arena, "specs", getenv("RLC_SPECS"));
  else
    for (size_t i = 0; i < COUNTOF(few); i++) specs.paths[specs.count++] = few[i];
  if (!all) printf("SKIP: races in every spec: RLC_LONG=1\n");
}

int main(void) {
  Arena *arena = arena_make();
  const char *why = unwatched();
  Suite *suite = suite_create("race");
  TCase *whole = tcase_create("whole"), *less = tcase_create("less");
  tcase_set_timeout(whole, 300);
  tcase_set_timeout(less, 300);
  if (why) {
    printf("SKIP: races of a GPU's threads: %s\n", why);
  } else {
    find_specs(arena);
    tcase_add_loop_test(whole, algorithms_have_no_races, 0, specs.count);
    tcase_add_test(less, meetings_that_are_left_out_show);
    tcase_add_loop_test(less, meetings_left_out_of_a_kernel_show, 0, WITHIN);
  }
  suite_add_tcase(suite, whole);
  suite_add_tcase(suite, less);
  int failed = suite_run(suite);
  arena_free(arena);
  return failed;
}
