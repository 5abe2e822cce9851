/* What contractions become: results that stay in registers up to the stores, and loads that stores
 * do not stand in the way of. */
#include "tests/codegen_fixture.h"

typedef struct Made {
  Arena *arena;
  Code *code;
} Made;

/* relu(x w + b), or with `dear` tanh(exp(x w + b)), in a program "update" that also halves w. */
static Made made(bool dear) {
  Arena *arena = arena_make();
  Module *module = fixture_module(arena);
  Graph *graph = module->graph;
  AxisId batch = fixture_axis(graph, "batch", 40, AXIS_ROW),
         in = fixture_axis(graph, "in", 24, AXIS_FEATURE),
         out = fixture_axis(graph, "out", 32, AXIS_FEATURE);
  uint32_t slot = graph_slot(graph, "w", RLC_PARAMETER, RLC_F32, AXES(in, out), NOWHERE);
  Node *x = node_input(graph, fixture_slot(graph, "x", RLC_F32, AXES(batch, in)));
  Node *w = node_input(graph, slot),
       *b = node_input(graph, fixture_slot(graph, "b", RLC_F32, AXES(out)));
  Node *product = node_make(graph, OP_contract, (Attr){.axes = AXES(in)}, x, w, NULL);
  Node *sum = node2(graph, OP_add, product, b);
  size_t program = fixture_program(module, "update");
  fixture_result(module, program,
                 dear ? node1(graph, OP_tanh, node1(graph, OP_exp, sum))
                      : node2(graph, OP_max, node_const(graph, 0), sum));
  fixture_output(module, program, slot, node2(graph, OP_mul, node_const(graph, 0.5), w));
  CodegenOptions options = {.real = RLC_F32, .lanes = 16, .target = "native", .compiler = "test"};
  return (Made){arena, code_make(arena, module, &options)};
}

static const Kernel *kernel_of(const Code *code, KernelKind kind) {
  const ProgramCode *program = &code->programs[0];
  for (size_t i = 0; i < program->kernel_count; i++)
    if (program->kernels[i]->kind == kind) return program->kernels[i];
  ck_abort_msg("no such kernel");
}

/* The loop over rows whose body has a loop over lanes: NULL where there is none. */
static const Stmt *epilogue_of(const Block *block) {
  for (size_t i = 0; block && i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    if (stmt->kind == STMT_LOOP)
      for (size_t k = 0; k < stmt->body->count; k++)
        if (stmt->body->items[k]->kind == STMT_LOOP && stmt->body->items[k]->loop == LOOP_LANES)
          return stmt;
    const Stmt *inner = epilogue_of(stmt->body);
    if (!inner) inner = epilogue_of(stmt->other);
    if (inner) return inner;
  }
  return NULL;
}

START_TEST(short_epilogues_are_expanded) {
  for (int dear = 0; dear < 2; dear++) {
    Made m = made(dear);
    const Stmt *rows = epilogue_of(kernel_of(m.code, KERNEL_CONTRACT)->body);
    ck_assert_ptr_nonnull(rows);
    ck_assert_int_eq(rows->loop, dear ? LOOP_SERIAL : LOOP_UNROLLED);
    arena_free(m.arena);
  }
}
END_TEST

/* Lines of the text with `what` and `also`. */
static size_t count(Arena *arena, const char *text, const char *what, const char *also) {
  size_t found = 0;
  char *copy = arena_copy(arena, text, strlen(text));
  for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
    found += strstr(line, what) && strstr(line, also);
  return found;
}

/* The text of the function that the kernel became. */
static char *function_text(Arena *arena, const Code *code, const char *kind) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  native_print(code, out);
  fclose(out);
  char *name = arena_printf(arena, "define void @%s_", kind);
  const char *from = strstr(text, name), *to = from ? strstr(from, "\n}") : NULL;
  ck_assert_ptr_nonnull(to);
  char *copy = arena_copy(arena, from, (size_t)(to - from));
  free(text);
  return copy;
}

/* Vectors that are loaded, and those of them that no store changes. */
START_TEST(what_is_only_read_is_known_to_stay) {
  Made m = made(false);
  const char *product = function_text(m.arena, m.code, "contract");
  ck_assert_uint_ge(count(m.arena, product, "= load", "invariant.load"),
                    8 + 2 + 2); /* A, B, the bias */
  const char *halved = function_text(m.arena, m.code, "map");
  ck_assert_uint_ge(count(m.arena, halved, "= load <16 x float>", ""), 1);
  ck_assert_uint_eq(count(m.arena, halved, "= load <16 x float>", "invariant.load"), 0);
  arena_free(m.arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("product");
  TCase *tests = tcase_create("all");
  tcase_add_test(tests, short_epilogues_are_expanded);
  tcase_add_test(tests, what_is_only_read_is_known_to_stay);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
