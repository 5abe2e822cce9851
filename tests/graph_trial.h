/* Whether everything agrees on a module: the oracle before and after every pass, and generated code
 * with the oracle, with any number of threads bit for bit. Nothing here asserts, so that a trial
 * can run in a process of its own and be repeated on smaller graphs. */
#ifndef RLC_TESTS_GRAPH_TRIAL_H
#define RLC_TESTS_GRAPH_TRIAL_H

#include "compiler/passes/pipeline.h"
#include "tests/codegen_fixture.h"

/* Code that is tried. */
typedef struct Plan {
  RlcType real;
  uint32_t lanes;
  uint32_t cache; /* CodegenOptions.cache: small, so that kernels go over rows together; 0: usual */
  const char *target;
  const char *pass; /* after which code is made */
} Plan;

typedef struct Why {
  char text[512];
} Why;

/* ---- modules ---- */

static inline Module *module_read(Arena *arena, const char *text) {
  Diag *diag = diag_make(arena);
  Module *module = ir_read(arena, diag, source_from_text(arena, "graph", text));
  if (!module || diag_errors(diag)) {
    diag_print(diag, stderr);
    return NULL;
  }
  return module;
}

static inline char *module_text(Arena *arena, const Module *module) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  ir_print(module, out);
  fclose(out);
  char *copy = arena_copy(arena, text, size);
  free(text);
  return copy;
}

/* The module of a text, run through the passes up to `last`; NULL when it cannot be read. */
static inline Module *module_after(Arena *arena, const char *text, const char *last) {
  const PipelineOptions options = {.stop = last, .out = stdout};
  Module *module = module_read(arena, text);
  if (module) pipeline_run(module, &options);
  return module;
}

/* ---- values ---- */

/* What a program leaves in the slots that it writes, one behind the other. */
typedef struct Values {
  double *value;
  size_t *first; /* [outputs + 1] */
} Values;

static inline Values values_make(Arena *arena, const Module *module, const Program *program) {
  Values values = {.first = NEW_ARRAY(arena, size_t, program->output_count + 1)};
  for (size_t i = 0; i < program->output_count; i++) {
    const Slot *slot = &module->graph->slots[program->outputs[i].slot];
    values.first[i + 1] = values.first[i] + axes_extent(module->graph, slot->axes);
  }
  values.value = NEW_ARRAY(arena, double, values.first[program->output_count] + 1);
  return values;
}

/* Seeded contents of a slot, the same for equal names: in [-2, 2) and exact in float32, whole
 * numbers below 3 where it is integer; numbers moved by up to `apart` of themselves. */
static inline double *slot_contents(Arena *arena, const Graph *graph, uint32_t slot, double apart) {
  uint64_t count = axes_extent(graph, graph->slots[slot].axes);
  uint64_t state = hash_text(HASH_SEED, graph->slots[slot].name), move = state + 1;
  double *values = NEW_ARRAY(arena, double, count + 1);
  for (uint64_t i = 0; i < count; i++) {
    bool whole = graph->slots[slot].type == RLC_I32;
    values[i] = whole ? random_below(&state, 3) : (float)random_between(&state, -2, 2);
    if (!whole) values[i] *= 1 + apart * random_between(&move, -1, 1);
  }
  return values;
}

static inline Values oracle_values(Arena *arena, const Module *module, size_t p, double apart) {
  const Program *program = &module->programs[p];
  Values values = values_make(arena, module, program);
  Arena *scratch = arena_make();
  Interp *interp = interp_make(scratch, module, p, false);
  interp_draws(interp, 7, 3);
  for (uint32_t s = 0; s < module->graph->slot_count; s++)
    interp_set(interp, s, slot_contents(scratch, module->graph, s, apart));
  interp_run(interp);
  interp_store(interp);
  for (size_t i = 0; i < program->output_count; i++)
    interp_get(interp, program->outputs[i].slot, values.value + values.first[i]);
  arena_free(scratch);
  return values;
}

static inline double norm(const double *x, const double *y, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; i++) {
    double gap = x[i] - (y ? y[i] : 0);
    sum += gap * gap;
  }
  return sqrt(sum);
}

/* ---- the oracle of a module, with what rounding does to it ---- */

enum { MOVES = 4 }; /* two, and their opposites */

typedef struct Reference {
  Arena *arena;
  const char *text; /* as elaborated */
  Module *module;   /* after `grad` */
  Values *values;   /* [program] */
  Values *moved[2]; /* [double, float32][program * MOVES + move], made when asked for */
} Reference;

typedef struct Rounding {
  uint64_t state;
  double apart;
} Rounding;

/* Every result that is rounded is off by a part of itself. */
static inline Node *round_node(Graph *graph, Node *node, void *user) {
  Rounding *rounding = user;
  switch ((OpCode)node->op) {
  case OP_add:
  case OP_sub:
  case OP_mul:
  case OP_div:
  case OP_pow:
  case OP_guard:
  case OP_exp:
  case OP_log:
  case OP_sqrt:
  case OP_tanh:
  case OP_sin:
  case OP_cos:
  case OP_erf:
  case OP_sum:
  case OP_scan:
  case OP_scatter:
  case OP_uniform: {
    double off = rounding->apart * random_between(&rounding->state, -1, 1);
    return node2(graph, OP_mul, node, node_const(graph, 1 + off));
  }
  case OP_eq: { /* rounding makes equal what nearly is, as 1 and the tanh of 20 */
    Node *apart = node1(graph, OP_abs, node2(graph, OP_sub, node->src[0], node->src[1]));
    return node2(graph, OP_le, apart, node_const(graph, 8 * fabs(rounding->apart)));
  }
  default:
    return node;
  }
}

/* How far an output moves when everything that is read and every result on the way moves by some
 * units in the last place: what follows a comparison may move far. */
static inline double movement(const Reference *r, size_t p, size_t output, bool single) {
  static const double apart[2] = {2e-15, 5e-7};
  const Values *exact = &r->values[p];
  size_t first = exact->first[output], count = exact->first[output + 1] - first;
  double most = 0;
  for (size_t k = 0; k < MOVES; k++) {
    Values *moved = &r->moved[single][p * MOVES + k];
    if (!moved->value) {
      double by = k % 2 ? -apart[single] : apart[single];
      Rounding rounding = {k / 2, by};
      Module *module = module_after(r->arena, r->text, "grad");
      module_rewrite(module, r->arena, round_node, &rounding);
      *moved = oracle_values(r->arena, module, p, by);
    }
    most = fmax(most, norm(moved->value + first, exact->value + first, count));
  }
  return most;
}

/* Finite, and not close to where float32 overflows on the way. */
static inline bool all_comparable(const double *values, size_t count, bool single) {
  for (size_t i = 0; i < count; i++)
    if (!isfinite(values[i]) || (single && fabs(values[i]) > 1e30)) return false;
  return true;
}

/* Compares what `what` left with the reference. Values that are not finite are not compared: passes
 * may drop what would make them. */
static inline bool values_agree(const Reference *r, size_t p, const Values *found, bool single,
                                const char *what, Why *why) {
  const Program *program = &r->module->programs[p];
  for (size_t i = 0; i < program->output_count; i++) {
    const Values *exact = &r->values[p];
    size_t first = exact->first[i], count = exact->first[i + 1] - first;
    if (!all_comparable(exact->value + first, count, single)) continue;
    double gap = norm(found->value + first, exact->value + first, count);
    double size = norm(exact->value + first, NULL, count);
    double allowed = (single ? 1e-4 : 1e-10) * fmax(size, 1);
    if (gap <= allowed || gap <= allowed + 20 * movement(r, p, i, single)) continue;
    snprintf(why->text, sizeof why->text,
             "%s: program '%s', output %zu to slot '%s': %.3g apart, norm %.3g", what,
             program->name, i, r->module->graph->slots[program->outputs[i].slot].name, gap, size);
    return false;
  }
  return true;
}

static inline Reference reference_make(Arena *arena, const char *text) {
  Reference r = {.arena = arena, .text = text, .module = module_after(arena, text, "grad")};
  r.values = NEW_ARRAY(arena, Values, r.module->program_count + 1);
  for (int i = 0; i < 2; i++)
    r.moved[i] = NEW_ARRAY(arena, Values, MOVES * r.module->program_count + 1);
  for (size_t p = 0; p < r.module->program_count; p++)
    r.values[p] = oracle_values(arena, r.module, p, 0);
  return r;
}

/* ---- passes ---- */

/* The oracle before and after every pass behind `grad`. */
static inline bool passes_agree(const Reference *r, Why *why) {
  const PipelineOptions options = {.out = stdout};
  const char *const *names;
  size_t count = pipeline_names(&names);
  Module *module = module_after(r->arena, r->text, "elaborate");
  for (size_t i = 1; i < count; i++) {
    pipeline_pass(module, names[i], &options);
    for (size_t p = 0; p < module->program_count && strcmp(names[i], "grad") != 0; p++) {
      Values values = oracle_values(r->arena, module, p, 0);
      const char *what = arena_printf(r->arena, "the oracle after the pass '%s'", names[i]);
      if (!values_agree(r, p, &values, false, what, why)) return false;
    }
  }
  return true;
}

/* ---- code ---- */

static inline Values built_values(Arena *arena, const Built *built, size_t p, uint32_t threads) {
  const Module *module = built->module;
  const Program *program = &module->programs[p];
  Values values = values_make(arena, module, program);
  uint64_t done[16] = {0};
  Arena *scratch = arena_make();
  for (uint32_t s = 0; s < module->graph->slot_count; s++)
    built_set(built, s, slot_contents(scratch, module->graph, s, 0));
  arena_free(scratch);
  memset(built->work, 0xff, work_size(built->rlc));
  built_run(built, (uint32_t)p, threads, done);
  for (size_t i = 0; i < program->output_count; i++) {
    const RlcSlot *row = &built->rlc->slots[program->outputs[i].slot];
    for (size_t k = 0; k < values.first[i + 1] - values.first[i]; k++)
      values.value[values.first[i] + k] = rlc_slot_get(row, built->memory, k);
  }
  return values;
}

static inline bool program_agrees(Arena *arena, const Built *built, size_t p,
                                  const Reference *reference, const Plan *plan, Why *why) {
  const char *what = arena_printf(arena, "%s, %s, %u lanes, cache %u, after '%s'", plan->target,
                                  plan->real == RLC_F64 ? "double" : "float32", plan->lanes,
                                  plan->cache, plan->pass);
  Values one = built_values(arena, built, p, 1);
  size_t size = one.first[built->module->programs[p].output_count] * sizeof *one.value;
  for (uint32_t threads = 2; threads <= 3; threads++) {
    Values many = built_values(arena, built, p, threads);
    if (memcmp(one.value, many.value, size) == 0) continue;
    snprintf(why->text, sizeof why->text, "%s: program '%s': %u threads leave other bits than one",
             what, built->module->programs[p].name, threads);
    return false;
  }
  return values_agree(reference, p, &one, plan->real == RLC_F32, what, why);
}

static inline bool plan_agrees(const Reference *reference, const Plan *plan, Why *why) {
  Built built;
  Arena *arena = reference->arena;
  Module *module = module_after(arena, reference->text, plan->pass);
  CodegenOptions options = {.real = plan->real,
                            .lanes = plan->lanes,
                            .cache = plan->cache,
                            .target = plan->target,
                            .compiler = "test"};
  const char *error = build_try(&built, arena, module, &options);
  if (error) return snprintf(why->text, sizeof why->text, "%.400s", error), false;
  bool agrees = true;
  for (size_t p = 0; p < module->program_count && agrees; p++)
    agrees = program_agrees(arena, &built, p, reference, plan, why);
  bool inside = built_stayed_inside(&built);
  if (agrees && !inside) snprintf(why->text, sizeof why->text, "wrote behind its memory");
  built_close(&built);
  return agrees && inside;
}

/* Everything that must agree on the module of this text, as elaboration leaves it. */
static inline bool text_agrees(const char *text, const Plan *plans, size_t count, Why *why) {
  Arena *arena = arena_make();
  Reference reference = reference_make(arena, text);
  bool agrees = passes_agree(&reference, why);
  for (size_t i = 0; i < count && agrees; i++) agrees = plan_agrees(&reference, &plans[i], why);
  arena_free(arena);
  return agrees;
}

#endif
