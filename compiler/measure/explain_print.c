/* The report of `rlc explain`, as text and as JSON. */
#include "compiler/measure/explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 10 };

static double us(double seconds) { return 1e6 * seconds; }

/* ---- passes ---- */

static void print_stages(const Report *report) {
  printf("%-12s %12s %12s %14s %12s %14s\n", "after", "nodes made", "needed", "contractions",
         "MFLOP", "Mop");
  for (size_t i = 0; i < report->stage_count; i++) {
    const Stage *stage = &report->stages[i];
    printf("%-12s %12zu %12zu %14zu %12.3f %14.3f\n", stage->pass, stage->made, stage->needed,
           stage->contractions, stage->flops / 1e6, stage->operations / 1e6);
  }
}

/* What passes decided, each with its place in the spec. */
static void print_notes(const Report *report) {
  const Module *module = report->session->elaborated->module;
  if (module->note_count) printf("\n");
  for (size_t i = 0; i < module->note_count; i++) {
    const Note *note = &module->notes[i];
    printf("%s: %s", note->pass, note->text);
    if (report->saved[i] > 0) printf(": %.3f MFLOP less", report->saved[i] / 1e6);
    if (note->span.source) printf("  (%s:%u)", note->span.source->name, note->span.line);
    printf("\n");
  }
}

/* ---- kernels ---- */

static void print_measured(const Report *report, const KernelRow *row) {
  if (isnan(row->seconds)) return;
  printf(" %9.2f %9.2f %8.2f", us(row->seconds), us(row->best), row->limit / row->best);
  if (row->info.flops > 0) printf(" %8.2f", row->info.flops / row->best / report->peak);
}

static void print_kernel(const Report *report, const KernelRow *row) {
  printf("  %-40s %-10s %10.3f %10.1f %10.2f %-6s", row->info.name, row->info.what,
         row->info.flops / 1e6, row->info.bytes / 1e3, us(row->limit), row->bound);
  print_measured(report, row);
  printf("\n");
}

typedef struct Totals {
  double bytes, limit;
  double best; /* of its kernels' fastest runs */
  size_t kernels;
} Totals;

static Totals totals_of(const Report *report, uint32_t program) {
  Totals totals = {0};
  for (size_t i = 0; i < report->kernel_count; i++) {
    const KernelRow *row = &report->kernels[i];
    if (row->program != program) continue;
    totals.bytes += row->info.bytes;
    totals.limit += row->limit;
    totals.best += row->best;
    totals.kernels++;
  }
  return totals;
}

static void print_program(const Report *report, uint32_t index) {
  const RlcProgram *program = &report->shell->programs[index];
  Totals totals = totals_of(report, index);
  printf("\nprogram %s\n  %-40s %-10s %10s %10s %10s %-6s", program->name, "kernel", "what",
         "MFLOP", "kB", "limit us", "by");
  if (report->measured) printf(" %9s %9s %8s %8s", "us", "best", "of limit", "of peak");
  printf("\n");
  for (size_t i = 0; i < report->kernel_count; i++)
    if (report->kernels[i].program == index) print_kernel(report, &report->kernels[i]);
  printf("  %zu kernels, %.1f kB read and written, %.1f kB of workspace\n", totals.kernels,
         totals.bytes / 1e3, (double)program->work_bytes / 1e3);
  printf("  executed %.3f MFLOP, %.2f us at peak; minimal %.3f MFLOP, %.2f us; limits of its "
         "kernels %.2f us\n",
         program->flops / 1e6, us(program->flops / report->peak), program->minimal_flops / 1e6,
         us(program->minimal_flops / report->peak), us(totals.limit));
  if (report->measured && !isnan(report->programs[index]))
    printf(
        "  measured %.2f us, its kernels at their best %.2f us: %.2f of peak, %.2f of the limits\n",
        us(report->programs[index]), us(totals.best), program->flops / report->peak / totals.best,
        totals.limit / totals.best);
}

/* ---- an update ---- */

/* What a kernel at its best takes of an update beyond its limit, in seconds. */
static double excess(const KernelRow *row) {
  return row->runs > 0 ? (row->best - row->limit) * row->runs : 0;
}

static int compare_excess(const void *a, const void *b) {
  double x = excess(*(const KernelRow *const *)a), y = excess(*(const KernelRow *const *)b);
  return (x < y) - (x > y);
}

/* The fastest runs of all kernels that updates run, in seconds of an update. */
static double kernels_best(const Report *report) {
  double seconds = 0;
  for (size_t i = 0; i < report->kernel_count; i++)
    if (report->kernels[i].runs > 0) seconds += report->kernels[i].best * report->kernels[i].runs;
  return seconds;
}

static void print_steps(const Report *report) {
  const Figures *figures = &report->figures;
  double update = 1 / figures->updates_per_second, known = 0, kernels = kernels_best(report);
  printf("\nan update: %.2f us, %.3f MFLOP executed, %.2f of peak; minimal %.3f MFLOP, %.2f\n",
         us(update), figures->executed_mflop, figures->executed_share_of_peak,
         figures->minimal_mflop, figures->share_of_peak);
  printf("its kernels at their best, without what interrupted them: %.2f us, %.2f of peak; minimal "
         "%.2f\n",
         us(kernels), 1e6 * figures->executed_mflop / report->peak / kernels,
         1e6 * figures->minimal_mflop / report->peak / kernels);
  printf("  %-40s %10s %10s %10s %8s\n", "step of the loop", "us", "runs", "us/update", "share");
  for (size_t i = 0; i < report->step_count; i++) {
    const StepRow *step = &report->steps[i];
    double part = step->seconds * step->runs;
    printf("  %-40s %10.2f %10.3f %10.2f %8.3f\n", step->what, us(step->seconds), step->runs,
           us(part), part / update);
    known += part;
  }
  printf("  %-40s %10s %10s %10.2f %8.3f\n", "the rest", "", "", us(update - known),
         1 - known / update);
}

/* One line for the kernels of a kind, at the first of them. */
static void print_kind(const Report *report, size_t first, double kernels) {
  const char *what = report->kernels[first].info.what;
  double seconds = 0, limit = 0;
  size_t count = 0;
  for (size_t i = 0; i < report->kernel_count; i++) {
    const KernelRow *row = &report->kernels[i];
    if (row->runs == 0 || strcmp(row->info.what, what) != 0) continue;
    if (i < first) return;
    seconds += row->best * row->runs;
    limit += row->limit * row->runs;
    count++;
  }
  printf("  %-40s %10zu %10.2f %10.2f %8.2f %8.3f\n", what, count, us(seconds), us(seconds - limit),
         limit / seconds, seconds / kernels);
}

static void print_kinds(const Report *report) {
  double kernels = kernels_best(report);
  printf("\n  %-40s %10s %10s %10s %8s %8s\n", "kind", "kernels", "us/update", "beyond", "of limit",
         "share");
  for (size_t i = 0; i < report->kernel_count; i++)
    if (report->kernels[i].runs > 0) print_kind(report, i, kernels);
}

/* The kernels that lose most of an update. */
static void print_top(const Report *report) {
  const KernelRow **sorted =
      NEW_ARRAY(report->session->arena, const KernelRow *, report->kernel_count + 1);
  double kernels = kernels_best(report);
  for (size_t i = 0; i < report->kernel_count; i++) sorted[i] = &report->kernels[i];
  qsort(sorted, report->kernel_count, sizeof *sorted, compare_excess);
  printf("\nfarthest from their limits at their best, of the kernels' %.2f us\n  %-40s %-10s %10s "
         "%10s %8s %8s\n",
         us(kernels), "kernel", "what", "us/update", "beyond", "of limit", "share");
  for (size_t i = 0; i < report->kernel_count && i < TOP && excess(sorted[i]) > 0; i++)
    printf("  %-40s %-10s %10.2f %10.2f %8.2f %8.3f\n", sorted[i]->info.name, sorted[i]->info.what,
           us(sorted[i]->best * sorted[i]->runs), us(excess(sorted[i])),
           sorted[i]->limit / sorted[i]->best, excess(sorted[i]) / kernels);
}

void explain_text(const Report *report) {
  const RlcModule *shell = report->shell;
  printf("%s on %s; one core: %.1f GFLOP/s", shell->name,
         shell->env_id ? shell->env_id : "no environment", report->peak / 1e9);
  for (int i = 0; i < MEMORY_LEVELS; i++)
    printf(", %s %.1f GB/s", report->memory.level[i].name, report->memory.level[i].rate / 1e9);
  printf(
      " of copies, all measured\n"
      "FLOPs are those of contractions; bytes count each tensor once per kernel; the limit is the\n"
      "slower of FLOPs at peak and bytes in the fastest memories they fit in. MFLOP and\n"
      "contractions of a pass are what `contract` would make there; Mop: millions of\n"
      "operations on elements, all programs once, if every needed node ran as it stands; before\n"
      "`grad` without the gradients, which are requests until then.\n\n");
  print_stages(report);
  print_notes(report);
  for (uint32_t i = 0; i < shell->program_count; i++) print_program(report, i);
  if (!report->measured) return;
  print_steps(report);
  print_kinds(report);
  print_top(report);
}

/* ---- JSON ---- */

static void json_number(const char *name, double value) {
  if (isfinite(value))
    printf(",\"%s\":%.6g", name, value);
  else
    printf(",\"%s\":null", name);
}

static void json_kernel(const Report *report, const KernelRow *row) {
  printf("{\"name\":\"%s\",\"what\":\"%s\",\"flops\":%.17g,\"bytes\":%.17g,\"limit_us\":%.6g,"
         "\"bound\":\"%s\"",
         row->info.name, row->info.what, row->info.flops, row->info.bytes, us(row->limit),
         row->bound);
  if (report->measured) {
    json_number("us", us(row->seconds));
    json_number("best_us", us(row->best));
    json_number("share_of_peak", row->info.flops / row->best / report->peak);
    json_number("runs_per_update", row->runs);
  }
  printf("}");
}

static void json_program(const Report *report, uint32_t index) {
  const RlcProgram *program = &report->shell->programs[index];
  bool first = true;
  printf("%s{\"name\":\"%s\",\"executed_flops\":%.17g,\"minimal_flops\":%.17g,\"work_bytes\":%lu,"
         "\"limit_us\":%.6g",
         index ? "," : "", program->name, program->flops, program->minimal_flops,
         program->work_bytes, us(totals_of(report, index).limit));
  if (report->measured) json_number("us", us(report->programs[index]));
  printf(",\"kernels\":[");
  for (size_t i = 0; i < report->kernel_count; i++) {
    if (report->kernels[i].program != index) continue;
    if (!first) printf(",");
    json_kernel(report, &report->kernels[i]);
    first = false;
  }
  printf("]}");
}

static void json_measured(const Report *report) {
  const Figures *figures = &report->figures;
  printf(",\"measured\":{\"update_us\":%.6g,\"kernels_us\":%.6g", 1e6 / figures->updates_per_second,
         us(kernels_best(report)));
  json_number("share_of_peak", figures->share_of_peak);
  json_number("executed_share_of_peak", figures->executed_share_of_peak);
  printf(",\"steps\":[");
  for (size_t i = 0; i < report->step_count; i++)
    printf("%s{\"what\":\"%s\",\"us\":%.6g,\"runs_per_update\":%.6g}", i ? "," : "",
           report->steps[i].what, us(report->steps[i].seconds), report->steps[i].runs);
  printf("]}");
}

static void json_notes(const Report *report) {
  const Module *module = report->session->elaborated->module;
  printf("],\"notes\":[");
  for (size_t i = 0; i < module->note_count; i++)
    printf("%s{\"pass\":\"%s\",\"text\":\"%s\",\"line\":%u,\"saved_flops\":%.17g}", i ? "," : "",
           module->notes[i].pass, module->notes[i].text, module->notes[i].span.line,
           report->saved[i]);
}

void explain_json(const Report *report) {
  const RlcModule *shell = report->shell;
  printf("{\"name\":\"%s\",\"env\":\"%s\",\"peak_gflops\":%.6g", shell->name,
         shell->env_id ? shell->env_id : "none", report->peak / 1e9);
  printf(",\"memories\":[");
  for (int i = 0; i < MEMORY_LEVELS; i++) {
    const Memory *level = &report->memory.level[i];
    printf("%s{\"name\":\"%s\"", i ? "," : "", level->name);
    json_number("bytes", level->bytes);
    json_number("gigabytes_per_second", level->rate / 1e9);
    printf("}");
  }
  printf("],\"passes\":[");
  for (size_t i = 0; i < report->stage_count; i++) {
    const Stage *stage = &report->stages[i];
    printf("%s{\"after\":\"%s\",\"nodes_made\":%zu,\"nodes_needed\":%zu,\"contractions\":%zu,"
           "\"flops\":%.17g,\"operations\":%.17g}",
           i ? "," : "", stage->pass, stage->made, stage->needed, stage->contractions, stage->flops,
           stage->operations);
  }
  json_notes(report);
  printf("],\"programs\":[");
  for (uint32_t i = 0; i < shell->program_count; i++) json_program(report, i);
  printf("]");
  if (report->measured) json_measured(report);
  printf("}\n");
}
