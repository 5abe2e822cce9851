/* Kernels that share a function: which do, that no field of loop IR is forgotten in telling them
 * apart, and that objects are the same whoever makes them and are kept one by one. */
#include "codegen/loop/bodies.h"
#include "tests/files_support.h"
#include "tests/spec_code.h"

/* ---- what tells bodies apart ---- */

typedef struct Pair {
  Arena *arena;
  Buffer *x, *y; /* the tensors of the kernel */
  Registers *tile;
  Term *load, *term, *read;
  Stmt *loop, *store, *declare;
  Kernel *kernel;
} Pair;

static Buffer *buffer(Arena *arena, uint64_t offset) {
  Buffer *made = NEW(arena, Buffer);
  *made = (Buffer){.space = SPACE_WORK, .type = VALUE_F32, .name = "b", .offset = offset};
  return made;
}

static void place(Pair *p, Buffer *of) {
  PUSH(p->arena, p->kernel->places, p->kernel->place_count, p->kernel->place_capacity,
       ((Place){of, true, true}));
}

/* for i: y[i] = uniform(..) + x[i] + tile[0][0] */
static void pair_make(Pair *p, Arena *arena, uint64_t offset) {
  *p = (Pair){.arena = arena, .x = buffer(arena, offset), .y = buffer(arena, 2 * offset)};
  p->kernel = NEW(arena, Kernel);
  p->kernel->name = p->kernel->what = "map";
  p->kernel->item = var_make(arena, "item", VALUE_INDEX, 1);
  p->kernel->items = offset;
  place(p, p->x);
  place(p, p->y);
  Block *block = p->kernel->body = block_make(arena);
  p->tile = registers_tile(arena, "t", VALUE_F32, 1, 2, 2);
  declare_add(arena, block, p->tile, NULL);
  p->declare = block->items[0];
  const Var *i = var_make(arena, "i", VALUE_INDEX, 1);
  Block *body = loop_add(arena, block, LOOP_SERIAL, i, term_int(arena, 1), term_int(arena, 9));
  p->loop = block->items[1];
  p->load = term_load(arena, p->x, VALUE_F32, term_var(arena, i), 1);
  p->read = term_read(arena, p->tile, term_int(arena, 1), term_int(arena, 1));
  p->term = term_apply(arena, OP_add, VALUE_F32, p->load, p->read, NULL);
  store_add(arena, body, p->y, term_var(arena, i), p->term);
  p->store = body->items[0];
}

/* Bodies of the two kernels as one program, the second after `change`. */
static size_t bodies_after(void (*change)(Pair *p)) {
  Arena *arena = arena_make();
  Pair one, two;
  pair_make(&one, arena, 64);
  pair_make(&two, arena, 640);
  if (change) change(&two);
  Kernel *kernels[] = {one.kernel, two.kernel};
  ProgramCode program = {.kernels = kernels, .kernel_count = 2};
  Module module = {.shell = {.init = RLC_NONE}};
  Code code = {.arena = arena, .module = &module, .programs = &program, .program_count = 1};
  size_t count = bodies_find(&code, arena)->count;
  arena_free(arena);
  return count;
}

static void term_kind(Pair *p) { p->load->kind = TERM_CAST; }
static void term_type(Pair *p) { p->load->type = VALUE_F64; }
static void term_width(Pair *p) { p->load->width = 2; }
static void term_op(Pair *p) { p->term->op = OP_sub; }
static void term_value(Pair *p) { p->term->value = 1; }
static void term_key(Pair *p) { p->term->key = 1; }
static void term_high(Pair *p) { p->term->high = true; }
static void term_real_(Pair *p) { p->term->real = -0.0; }
static void term_variable(Pair *p) { p->load->src[0]->var = p->kernel->item; }
static void term_buffer(Pair *p) { p->load->buffer = p->y; }
static void term_registers(Pair *p) { p->read->registers = NULL; }
static void term_source(Pair *p) { p->term->src[1] = p->load; }
static void term_third(Pair *p) { p->term->src[2] = p->load; }
static void stmt_kind(Pair *p) { p->store->kind = STMT_NOTE; }
static void stmt_loop(Pair *p) { p->loop->loop = LOOP_LANES; }
static void stmt_lo(Pair *p) { p->loop->lo = term_int(p->arena, 2); }
static void stmt_hi(Pair *p) { p->loop->hi = term_int(p->arena, 8); }
static void stmt_value(Pair *p) { p->store->value = p->load; }
static void stmt_index(Pair *p) { p->store->index = term_int(p->arena, 0); }
static void stmt_column(Pair *p) { p->store->column = term_int(p->arena, 0); }
static void stmt_buffer(Pair *p) { p->store->buffer = p->x; }
static void stmt_registers(Pair *p) { p->declare->registers = NULL; }
static void stmt_body(Pair *p) { p->loop->body = block_make(p->arena); }
static void stmt_other(Pair *p) { p->loop->other = block_make(p->arena); }
static void registers_rows(Pair *p) { p->tile->rows = 3; }
static void registers_columns(Pair *p) { p->tile->columns = 3; }
static void registers_type(Pair *p) { p->tile->type = VALUE_F64; }
static void registers_width(Pair *p) { p->tile->width = 4; }
static void registers_is_array(Pair *p) { p->tile->array = true; }
static void registers_is_raw(Pair *p) { p->tile->raw = true; }
static void buffer_type(Pair *p) { p->x->type = VALUE_I32; }
static void more_places(Pair *p) { place(p, buffer(p->arena, 0)); }

static void (*const changes[])(Pair *) = {term_kind,
                                          term_type,
                                          term_width,
                                          term_op,
                                          term_value,
                                          term_key,
                                          term_high,
                                          term_real_,
                                          term_variable,
                                          term_buffer,
                                          term_registers,
                                          term_source,
                                          term_third,
                                          stmt_kind,
                                          stmt_loop,
                                          stmt_lo,
                                          stmt_hi,
                                          stmt_value,
                                          stmt_index,
                                          stmt_column,
                                          stmt_buffer,
                                          stmt_registers,
                                          stmt_body,
                                          stmt_other,
                                          registers_rows,
                                          registers_columns,
                                          registers_type,
                                          registers_width,
                                          registers_is_array,
                                          registers_is_raw,
                                          buffer_type,
                                          more_places};

START_TEST(place_and_number_of_items_are_no_part_of_a_body) {
  ck_assert_uint_eq(bodies_after(NULL), 1);
}
END_TEST

START_TEST(all_else_is) { ck_assert_uint_eq(bodies_after(changes[_i]), 2); }
END_TEST

START_TEST(layers_of_one_shape_share) {
  Spec spec = spec_open("specs/analytic_pendulum.yaml", "");
  spec_passes(&spec, NULL);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "native"};
  Code *code = code_make(spec.arena, spec.module, &options);
  KernelInfo *kernels;
  size_t count = code_kernels(code, spec.arena, &kernels);
  ck_assert_uint_lt(4 * bodies_find(code, spec.arena)->count, count);
  spec_close(&spec);
}
END_TEST

/* Of many losses on one parameter no kernel grows with their number. */
START_TEST(maps_stay_small) {
  enum { LOSSES = 60 };
  Arena *arena = arena_make();
  const char *losses = "", *loop = "";
  for (int i = 0; i < LOSSES; i++) {
    losses = arena_printf(arena, "%s  l%d: {over: w, minimize: 'sum[k](exp(%d * w) * w)'}\n",
                          losses, i, i + 1);
    loop = arena_printf(arena, "%s  - descend: l%d\n", loop, i);
  }
  Spec spec = spec_text(arena_printf(arena,
                                     "name: t\n"
                                     "parameters: {w: {axes: [k=40], init: 'sin(iota[k=40])'}}\n"
                                     "losses:\n%soptimizers: {default: adam(0.1)}\nloop:\n%s",
                                     losses, loop),
                        "");
  spec_passes(&spec, NULL);
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "native"};
  Code *code = code_make(spec.arena, spec.module, &options);
  size_t most = 0;
  for (size_t p = 0; p < code->program_count; p++)
    for (size_t k = 0; k < code->programs[p].kernel_count; k++) {
      const Kernel *kernel = code->programs[p].kernels[k];
      if (kernel->root_count > most) most = kernel->root_count;
    }
  ck_assert_uint_gt(most, LOSSES);
  ck_assert_uint_le(most, 128);
  spec_close(&spec);
  arena_free(arena);
}
END_TEST

/* ---- objects ---- */

/* The archive of a spec made by so many threads; its size in *size. */
static char *archive(const char *overrides, uint32_t threads, size_t *size) {
  Spec spec = spec_open("specs/sac.yaml", overrides);
  spec_passes(&spec, NULL);
  CodegenOptions options = {
      .real = RLC_F32, .lanes = 16, .target = "native", .compiler = "test", .threads = threads};
  char *bytes, error[512];
  FILE *out = open_memstream(&bytes, size);
  Code *code = code_make(spec.arena, spec.module, &options);
  ck_assert_msg(native_archive(code, out, error, sizeof error), "%s", error);
  ck_assert_int_eq(fclose(out), 0);
  spec_close(&spec);
  return bytes;
}

START_TEST(objects_are_the_same_for_any_number_of_threads) {
  size_t first_size, size;
  setenv("RLC_CACHE", "off", 1);
  char *first = archive("hidden=32", 1, &first_size);
  for (uint32_t threads = 2; threads < 6; threads += 3) {
    char *again = archive("hidden=32", threads, &size);
    ck_assert_uint_eq(size, first_size);
    ck_assert_mem_eq(again, first, size);
    free(again);
  }
  free(first);
}
END_TEST

START_TEST(what_did_not_change_is_not_made_again) {
  char folder[] = P_tmpdir "/rlc-bodies-XXXXXX", command[128];
  size_t size;
  ck_assert_ptr_nonnull(mkdtemp(folder));
  setenv("RLC_CACHE", folder, 1);
  free(archive("hidden=32", 2, &size));
  size_t all = directory_files(folder);
  ck_assert_uint_gt(all, 40);
  free(archive("hidden=32", 1, &size));
  ck_assert_uint_eq(directory_files(folder), all);
  free(archive("hidden=32 gamma=0.9", 2, &size));
  ck_assert_uint_lt(directory_files(folder) - all, 6); /* the targets' kernel and the tables */
  snprintf(command, sizeof command, "rm -rf %s", folder);
  ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("bodies");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_test(tcase, place_and_number_of_items_are_no_part_of_a_body);
  tcase_add_loop_test(tcase, all_else_is, 0, (int)COUNTOF(changes));
  tcase_add_test(tcase, layers_of_one_shape_share);
  tcase_add_test(tcase, maps_stay_small);
  tcase_add_test(tcase, objects_are_the_same_for_any_number_of_threads);
  tcase_add_test(tcase, what_did_not_change_is_not_made_again);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
