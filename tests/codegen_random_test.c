/* 200 seeded random graphs through the C back end, in double against the oracle; and in float32
 * with one, two and three threads, which must give equal bits. */
#include "tests/codegen_fixture.h"
#include "tests/graph_random.h"

#include "compiler/compiler.h"

enum {
  BATCHES = 10,
  GRAPHS = 20
}; /* graphs of a batch share a module: one run of the C compiler */

/* Starts a random graph inside `module`, with inputs of its own. */
static RandomGraph *start_in(Module *module, uint64_t seed) {
  RandomGraph *own = NEW(module->graph->arena, RandomGraph),
              *g = NEW(module->graph->arena, RandomGraph);
  random_start(own, module->graph->arena, seed);
  *g = (RandomGraph){.module = module, .graph = module->graph, .state = own->state};
  for (int i = 0; i < RANDOM_AXES; i++) {
    const Axis *axis = &own->graph->axes[own->axes[i]];
    g->axes[i] = graph_axis(g->graph, axis->label, axis->scope, axis->extent, axis->order, NOWHERE);
  }
  for (uint32_t i = 0; i < own->input_count; i++) {
    const char *name =
        arena_printf(g->graph->arena, "graph%llu.input%u", (unsigned long long)seed, i);
    random_add_input(g, name, own->graph->slots[own->inputs[i]->attr.key].type,
                     own->inputs[i]->axes);
  }
  return g;
}

static void add_graph(Module *module, uint64_t seed) {
  RandomGraph *g = start_in(module, seed);
  uint32_t size = 15 + (uint32_t)(seed % 40);
  while (g->count < size)
    random_add(g, random_below(&g->state, 3) ? random_elementwise(g) : random_shaped(g));
  size_t program = fixture_program(
      module, arena_printf(module->graph->arena, "seed%llu", (unsigned long long)seed));
  for (uint32_t i = 0; i < 4; i++) fixture_result(module, program, g->nodes[g->count - 1 - i]);
}

/* Half of the batches as they are, half after the pass that makes contractions. */
static Module *batch_module(Arena *arena, int batch) {
  Module *module = fixture_module(arena);
  for (int i = 0; i < GRAPHS; i++) add_graph(module, (uint64_t)(batch * GRAPHS + i + 1));
  if (batch % 2) pass_contract(module, arena);
  return module;
}

START_TEST(random_graphs_agree_in_double) {
  Arena *arena = arena_make();
  Built built = build_module(arena, batch_module(arena, _i), RLC_F64, 8);
  for (uint32_t p = 0; p < GRAPHS; p++) check_program(&built, p, 1, p + 1, 1e-10, "random graph");
  built_free(&built);
  arena_free(arena);
}
END_TEST

static double *slot_values(const Built *built) {
  size_t count = 0, capacity = 0;
  double *values = NULL;
  for (uint32_t s = 0; s < built->rlc->slot_count; s++)
    for (uint64_t i = 0; i < rlc_slot_elements(&built->rlc->slots[s]); i++)
      PUSH(built->arena, values, count, capacity,
           rlc_slot_get(&built->rlc->slots[s], built->memory, i));
  PUSH(built->arena, values, count, capacity, 0);
  return values;
}

START_TEST(random_graphs_do_not_depend_on_threads) {
  Arena *arena = arena_make();
  Built built = build_module(arena, batch_module(arena, 2 * _i + 1), RLC_F32, 16);
  double *first = NULL;
  for (uint32_t threads = 1; threads <= 3; threads++) {
    fill_slots(&built, NULL, 5);
    for (uint32_t p = 0; p < GRAPHS; p++) built_run(&built, p, threads, NULL);
    double *values = slot_values(&built);
    if (!first) first = values;
    for (uint32_t s = 0, at = 0; s < built.rlc->slot_count; s++)
      for (uint64_t i = 0; i < rlc_slot_elements(&built.rlc->slots[s]); i++, at++)
        ck_assert_msg(memcmp(&values[at], &first[at], sizeof *values) == 0,
                      "%u threads: slot '%s' element %llu: %.17g, with one thread %.17g", threads,
                      built.rlc->slots[s].name, (unsigned long long)i, values[at], first[at]);
  }
  built_free(&built);
  arena_free(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("codegen_random");
  TCase *tcase = tcase_create("random");
  tcase_set_timeout(tcase, 240);
  tcase_add_loop_test(tcase, random_graphs_agree_in_double, 0, BATCHES);
  tcase_add_loop_test(tcase, random_graphs_do_not_depend_on_threads, 0, 2);
  suite_add_tcase(suite, tcase);
  return fixture_run(suite);
}
