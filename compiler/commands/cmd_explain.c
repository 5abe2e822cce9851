/* rlc explain: what every pass left of the graph, what every kernel costs at the least, and with
 * --measure what it takes inside of real updates. */
#include "compiler/measure/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/build.h"

static const double PEAK_SECONDS = 0.1, COPY_SECONDS = 0.05;

/* ---- the graph ---- */

/* Arithmetic on elements, if the node were computed as it stands: 2 for a product that is added up,
 * whether or not a contraction was made of it, so that graphs before and after `contract` compare.
 * Moving elements about (gathers, renames, orders) counts nothing. */
static double node_operations(const Graph *graph, const Node *node) {
  if (node->op == OP_contract) return contract_flops(graph, node);
  if (node->op == OP_sum) return (double)axes_extent(graph, node->src[0]->axes);
  bool arithmetic = !op_of(node)->shaped && op_of(node)->arity > 0;
  return arithmetic ? (double)axes_extent(graph, node->axes) : 0;
}

static double program_operations(const Module *module, const Program *program, Arena *scratch) {
  Node **nodes;
  double operations = 0;
  size_t count = module_reach(module, program, scratch, &nodes);
  for (size_t i = 0; i < count; i++) operations += node_operations(module->graph, nodes[i]);
  return operations;
}

/* The graph alone, so that what is tried on it leaves no trace. */
static Module *module_copy(Arena *arena, const Module *module) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (!out) bug("out of memory");
  ir_print(module, out);
  fclose(out);
  Diag *diag = diag_make(arena);
  Module *copy = ir_read(arena, diag, source_from_text(arena, "a copy", text));
  free(text);
  if (!copy) bug("what is printed of a module cannot be read");
  return copy;
}

static void contractions_count(const Module *module, Arena *scratch, Stage *stage) {
  for (size_t p = 0; p < module->program_count; p++) {
    Node **nodes;
    size_t count = module_reach(module, &module->programs[p], scratch, &nodes);
    for (size_t i = 0; i < count; i++) {
      if (nodes[i]->op != OP_contract) continue;
      stage->contractions++;
      stage->flops += contract_flops(module->graph, nodes[i]);
    }
  }
}

static Stage stage_of(const Module *module, const char *pass) {
  Arena *scratch = arena_make();
  Node **nodes;
  Stage stage = {.pass = pass, .made = module->graph->node_count};
  stage.needed = module_reach(module, NULL, scratch, &nodes);
  for (size_t i = 0; i < module->program_count; i++)
    stage.operations += program_operations(module, &module->programs[i], scratch);
  Module *copy = module_copy(scratch, module);
  pass_contract(copy, scratch);
  contractions_count(copy, scratch, &stage);
  arena_free(scratch);
  return stage;
}

/* What the decisions of passes saved, now that contractions are made. */
static void notes_value(Report *report) {
  const Module *module = report->session->elaborated->module;
  Arena *arena = report->session->arena;
  Node **nodes;
  size_t count = module_reach(module, NULL, arena, &nodes);
  report->saved = NEW_ARRAY(arena, double, module->note_count + 1);
  for (size_t n = 0; n < module->note_count; n++) {
    const Note *note = &module->notes[n];
    double more = (double)axes_extent(module->graph, note->all) /
                      (double)axes_extent(module->graph, note->kept) -
                  1;
    report->saved[n] = isnan(note->saved) ? 0 : note->saved;
    for (size_t i = 0; isnan(note->saved) && i < count; i++) {
      if (nodes[i]->op != OP_contract) continue;
      Axes axes = axes_union(nodes[i]->src[0]->axes, nodes[i]->src[1]->axes);
      if (axes_within(note->kept, axes))
        report->saved[n] += more * contract_flops(module->graph, nodes[i]);
    }
  }
}

/* Runs the passes one by one and looks after each. */
static void passes_run(Report *report) {
  Session *session = report->session;
  Module *module = session->elaborated->module;
  const char *const *names;
  size_t count = pipeline_names(&names);
  report->stages = NEW_ARRAY(session->arena, Stage, count);
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], "elaborate") != 0) pipeline_pass(module, names[i], &session->pipeline);
    report->stages[report->stage_count++] = stage_of(module, names[i]);
  }
  notes_value(report);
}

/* ---- kernels ---- */

static uint32_t program_number(const Report *report, const char *name) {
  uint32_t i = 0;
  while (strcmp(report->shell->programs[i].name, name) != 0) i++;
  return i;
}

static void kernels_list(Report *report, const Code *code) {
  KernelInfo *infos;
  Arena *arena = report->session->arena;
  report->kernel_count = code_kernels(code, arena, &infos);
  report->kernels = NEW_ARRAY(arena, KernelRow, report->kernel_count + 1);
  for (size_t i = 0; i < report->kernel_count; i++)
    report->kernels[i] = (KernelRow){.info = infos[i],
                                     .program = program_number(report, infos[i].program),
                                     .seconds = NAN,
                                     .best = NAN};
}

/* The least time of every kernel: the slower of arithmetic and memory, which overlap. */
static void limits_find(Report *report) {
  for (size_t i = 0; i < report->kernel_count; i++) {
    KernelRow *row = &report->kernels[i];
    double arithmetic = row->info.flops / report->peak;
    double moving = memories_seconds(&report->memory, row->info.bytes, &row->bound);
    row->limit = fmax(arithmetic, moving);
    if (arithmetic > moving) row->bound = "FLOPs";
  }
}

static void machine_measure(Report *report) {
  report->machine = peak_measure(PEAK_SECONDS);
  report->peak = report->machine.flops;
  report->memory = memories_measure(COPY_SECONDS);
}

/* ---- measuring ---- */

static const char *step_name(const Report *report, const RlcStep *step) {
  Arena *arena = report->session->arena;
  switch ((RlcStepOp)step->op) {
  case RLC_DO_SAMPLE:
    return "sample a batch";
  case RLC_DO_RUN:
    return arena_printf(arena, "run %s", report->shell->programs[step->index].name);
  case RLC_DO_WRITE:
    return "write to the replay";
  case RLC_DO_PARTS:
    return "shuffle rows";
  case RLC_DO_WHEN:
    if (step->index == RLC_NONE) return NULL;
    return arena_printf(arena, "when %s", report->shell->programs[step->index].name);
  default:
    return NULL; /* counting */
  }
}

static void step_add(Report *report, const Watch *watch, const char *what, const Laps *laps) {
  double seconds = watch_median(watch, laps), updates = report->figures.updates;
  if (what && !isnan(seconds))
    report->steps[report->step_count++] = (StepRow){what, seconds, watch_runs(laps) / updates};
}

static void measured_take(Report *report, const Watch *watch) {
  const RlcModule *shell = report->shell;
  Arena *arena = report->session->arena;
  size_t first = 0;
  report->programs = NEW_ARRAY(arena, double, shell->program_count + 1);
  report->steps = NEW_ARRAY(arena, StepRow, 2 * shell->step_count + 1);
  for (uint32_t p = 0; p < shell->program_count; p++) {
    report->programs[p] = watch_median(watch, &watch->programs[p]);
    double runs = watch_runs(&watch->programs[p]) / report->figures.updates;
    for (size_t k = 0; first + k < report->kernel_count; k++) {
      KernelRow *row = &report->kernels[first + k];
      if (row->program != p) break;
      row->seconds = watch_median(watch, &watch->kernels[p][k]);
      row->best = watch_best(watch, &watch->kernels[p][k]);
      row->runs = runs;
    }
    while (first < report->kernel_count && report->kernels[first].program == p) first++;
  }
  for (uint32_t s = 0; s < shell->step_count; s++) {
    step_add(report, watch, step_name(report, &shell->steps[s]), &watch->steps[s]);
    step_add(report, watch, "copy rows of a minibatch", &watch->parts[s]);
  }
}

static bool updates_measure(Report *report, const RlcModule *module) {
  Session *session = report->session;
  size_t *kernels = NEW_ARRAY(session->arena, size_t, module->program_count + 1);
  for (size_t i = 0; i < report->kernel_count; i++) kernels[report->kernels[i].program]++;
  Watch *watch = watch_make(session->arena, module, kernels);
  Trainer *trainer = bench_trainer(&watch->module, 1);
  if (!trainer) return false;
  bool good = bench_updates(trainer, session->seconds, watch, &report->figures);
  if (!good) bench_complain(trainer);
  bench_trainer_free(trainer);
  if (!good) return false;
  report->peak = report->figures.peak_gflops * 1e9;
  report->measured = true;
  measured_take(report, watch);
  return true;
}

static bool code_measure(Report *report, const Code *code) {
  Loaded *loaded = build_load(report->session->arena, code);
  if (!loaded) return false;
  bool good = updates_measure(report, load_module(loaded));
  load_close(loaded);
  return good;
}

int command_explain(Session *session) {
  if (!session_elaborate(session)) return EXIT_USER;
  Report report = {.session = session, .shell = &session->elaborated->module->shell};
  passes_run(&report);
  session->target = "native";
  Code *code = build_code(session);
  if (!code) return EXIT_USER;
  kernels_list(&report, code);
  Pinning pinning = pinning_take(1);
  machine_measure(&report);
  bool good = !session->measure || code_measure(&report, code);
  pinning_leave(&pinning);
  if (!good) return EXIT_USER;
  limits_find(&report);
  (session->json ? explain_json : explain_text)(&report);
  return 0;
}
