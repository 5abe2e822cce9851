/* rlc explain: what every pass left of the graph, and what every kernel costs at the least. */
#include "compiler/session.h"

#include <string.h>

#include "codegen/codegen.h"
#include "compiler/build.h"
#include "compiler/peak.h"

static const double PEAK_SECONDS = 0.1;

/* What a pass left. */
typedef struct Stage {
  const char *pass;
  size_t made;         /* nodes ever made, needed or not */
  size_t needed;       /* nodes that a result depends on */
  size_t contractions; /* of these */
  double operations;   /* of one run of every program, see node_operations */
} Stage;

typedef struct Report {
  Session *session;
  Stage *stages;
  size_t stage_count;
  KernelInfo *kernels;
  size_t kernel_count;
  double peak; /* FLOP/s of one core */
} Report;

/* ---- gathering ---- */

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

static Stage stage_of(const Module *module, const char *pass) {
  Arena *scratch = arena_make();
  Node **nodes;
  Stage stage = {.pass = pass, .made = module->graph->node_count};
  stage.needed = module_reach(module, NULL, scratch, &nodes);
  for (size_t i = 0; i < stage.needed; i++) stage.contractions += nodes[i]->op == OP_contract;
  for (size_t i = 0; i < module->program_count; i++)
    stage.operations += program_operations(module, &module->programs[i], scratch);
  arena_free(scratch);
  return stage;
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
}

/* The least time of a kernel's contractions, in microseconds. */
static double limit_us(const Report *report, double flops) { return 1e6 * flops / report->peak; }

/* ---- text ---- */

static void print_stages(const Report *report) {
  printf("%-12s %12s %12s %14s %14s\n", "after", "nodes made", "needed", "contractions", "Mop");
  for (size_t i = 0; i < report->stage_count; i++) {
    const Stage *stage = &report->stages[i];
    printf("%-12s %12zu %12zu %14zu %14.3f\n", stage->pass, stage->made, stage->needed,
           stage->contractions, stage->operations / 1e6);
  }
}

static void print_kernel(const Report *report, const KernelInfo *kernel) {
  printf("  %-40s %-10s %10.3f %10.1f", kernel->name, kernel->what, kernel->flops / 1e6,
         kernel->bytes / 1e3);
  if (kernel->flops > 0)
    printf(" %8.1f %10.2f", kernel->bytes > 0 ? kernel->flops / kernel->bytes : 0,
           limit_us(report, kernel->flops));
  printf("\n");
}

static void print_program(const Report *report, size_t index) {
  const RlcProgram *program = &report->session->elaborated->module->shell.programs[index];
  double bytes = 0;
  size_t count = 0;
  printf("\nprogram %s\n  %-40s %-10s %10s %10s %8s %10s\n", program->name, "kernel", "what",
         "MFLOP", "kB", "FLOP/B", "us at peak");
  for (size_t i = 0; i < report->kernel_count; i++) {
    if (strcmp(report->kernels[i].program, program->name) != 0) continue;
    print_kernel(report, &report->kernels[i]);
    bytes += report->kernels[i].bytes;
    count++;
  }
  printf("  %zu kernels, %.1f kB read and written, %.1f kB of workspace\n", count, bytes / 1e3,
         (double)program->work_bytes / 1e3);
  printf("  executed %.3f MFLOP, %.2f us at peak; minimal %.3f MFLOP, %.2f us\n",
         program->flops / 1e6, limit_us(report, program->flops), program->minimal_flops / 1e6,
         limit_us(report, program->minimal_flops));
}

static void print_text(const Report *report) {
  const RlcModule *shell = &report->session->elaborated->module->shell;
  printf(
      "%s on %s; one core's peak, measured: %.1f GFLOP/s\n"
      "FLOPs are those of contractions; bytes count each tensor once per kernel. Mop: millions of\n"
      "operations on elements, all programs once, if every needed node ran as it stands; before\n"
      "`grad` without the gradients, which are requests until then.\n\n",
      shell->name, shell->env_id ? shell->env_id : "no environment", report->peak / 1e9);
  print_stages(report);
  for (size_t i = 0; i < shell->program_count; i++) print_program(report, i);
}

/* ---- JSON ---- */

static void json_program(const Report *report, size_t index) {
  const RlcProgram *program = &report->session->elaborated->module->shell.programs[index];
  bool first = true;
  printf("%s{\"name\":\"%s\",\"executed_flops\":%.17g,\"minimal_flops\":%.17g,\"work_bytes\":%lu,"
         "\"limit_us\":%.6g,",
         index ? "," : "", program->name, program->flops, program->minimal_flops,
         program->work_bytes, limit_us(report, program->flops));
  printf("\"kernels\":[");
  for (size_t i = 0; i < report->kernel_count; i++) {
    const KernelInfo *kernel = &report->kernels[i];
    if (strcmp(kernel->program, program->name) != 0) continue;
    printf("%s{\"name\":\"%s\",\"what\":\"%s\",\"flops\":%.17g,\"bytes\":%.17g,\"limit_us\":%.6g}",
           first ? "" : ",", kernel->name, kernel->what, kernel->flops, kernel->bytes,
           limit_us(report, kernel->flops));
    first = false;
  }
  printf("]}");
}

static void print_json(const Report *report) {
  const RlcModule *shell = &report->session->elaborated->module->shell;
  printf("{\"name\":\"%s\",\"env\":\"%s\",\"peak_gflops\":%.6g,\"passes\":[", shell->name,
         shell->env_id ? shell->env_id : "none", report->peak / 1e9);
  for (size_t i = 0; i < report->stage_count; i++) {
    const Stage *stage = &report->stages[i];
    printf("%s{\"after\":\"%s\",\"nodes_made\":%zu,\"nodes_needed\":%zu,\"contractions\":%zu,"
           "\"operations\":%.17g}",
           i ? "," : "", stage->pass, stage->made, stage->needed, stage->contractions,
           stage->operations);
  }
  printf("],\"programs\":[");
  for (size_t i = 0; i < shell->program_count; i++) json_program(report, i);
  printf("]}\n");
}

int command_explain(Session *session) {
  if (!session_elaborate(session)) return EXIT_USER;
  Report report = {.session = session};
  passes_run(&report);
  session->target = "native";
  Code *code = build_code(session);
  if (!code) return EXIT_USER;
  report.kernel_count = code_kernels(code, session->arena, &report.kernels);
  report.peak = peak_measure(PEAK_SECONDS).flops;
  (session->json ? print_json : print_text)(&report);
  return 0;
}
