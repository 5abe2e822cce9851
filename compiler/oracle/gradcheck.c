/* Compares derivatives with central differences, component by component, on the oracle or on
 * generated code.
 *
 * The oracle always chooses the step, since it alone knows the decisions; generated code is then
 * differenced at the same points. */
#include "compiler/oracle/gradcheck.h"
#include "compiler/passes/passes.h"
#include "compiler/passes/freeze.h"
#include "compiler/oracle/interp.h"
#include "runtime/rng.h"
#include "runtime/slot.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_COMPONENTS = 24, STEP_TRIES = 3, STREAM_CHOICE = 0x71 };
static const double FIRST_STEP = 1e-5, DEFAULT_TOLERANCE = 1e-5, SKIPPED_SHARE = 0.01;

/* Generated code with its memory. */
typedef struct Machine {
  const GradcheckTarget *target;
  const RlcModule *module;
  char *memory, *work;
  uint32_t gradient, loss; /* programs */
} Machine;

typedef struct Check {
  Arena *arena;
  const GradcheckOptions *options;
  const GradcheckLoss *loss;
  const Graph *graph;
  Frozen *frozen;
  double **values;    /* of every slot at the base point */
  Interp *kinks;      /* the frozen loss with its decisions */
  double **decisions; /* at the base point */
  Machine *machine;   /* NULL for the oracle */
} Check;

/* ---- the base point ---- */

static void set_inputs(Interp *interp, const Module *module, size_t program,
                       double *const *values) {
  Arena *scratch = arena_make();
  Node **nodes;
  size_t count = module_reach(module, &module->programs[program], scratch, &nodes);
  for (size_t i = 0; i < count; i++)
    if (nodes[i]->op == OP_input)
      interp_set(interp, (uint32_t)nodes[i]->attr.key, values[nodes[i]->attr.key]);
  arena_free(scratch);
}

/* Runs a program on the oracle; its outputs join the values. */
static void run_base(Check *check, Arena *scratch, size_t program) {
  const Module *module = check->frozen->module;
  Interp *interp = interp_make(scratch, module, program, false);
  interp_draws(interp, check->options->seed, 1);
  set_inputs(interp, module, program, check->values);
  interp_run(interp);
  interp_store(interp);
  const Program *p = &module->programs[program];
  for (size_t i = 0; i < p->output_count; i++)
    interp_get(interp, p->outputs[i].slot, check->values[p->outputs[i].slot]);
}

static uint64_t node_extent(const Check *check, const Node *node) {
  return axes_extent(check->graph, node->axes);
}

/* Gradients, parameters, stops and decisions at the base point. */
static void prepare(Check *check, double *const *point, size_t point_count, Arena *scratch) {
  const Graph *graph = check->graph;
  check->values = NEW_ARRAY(check->arena, double *, graph->slot_count);
  for (size_t s = 0; s < graph->slot_count; s++)
    check->values[s] =
        s < point_count ? point[s]
                        : NEW_ARRAY(check->arena, double, axes_extent(graph, graph->slots[s].axes));
  run_base(check, scratch, FROZEN_GRADIENT);
  run_base(check, scratch, FROZEN_BASE);
  run_base(check, scratch, FROZEN_CENTER);
  Frozen *frozen = check->frozen;
  check->kinks = interp_make(scratch, frozen->module, FROZEN_KINKS, true);
  interp_draws(check->kinks, check->options->seed, 1);
  set_inputs(check->kinks, frozen->module, FROZEN_KINKS, check->values);
  interp_run(check->kinks);
  check->decisions = NEW_ARRAY(scratch, double *, frozen->kink_count + 1);
  for (size_t i = 0; i < frozen->kink_count; i++) {
    uint64_t extent = node_extent(check, frozen->kinks[i]);
    check->decisions[i] = NEW_ARRAY(scratch, double, extent);
    memcpy(check->decisions[i], interp_value(check->kinks, frozen->kinks[i]),
           extent * sizeof(double));
  }
}

/* What the frozen loss gains over the base point, as evaluated last. */
static double frozen_value(const Check *check) {
  const Program *program = &check->frozen->module->programs[FROZEN_KINKS];
  return *interp_value(check->kinks, program->outputs[0].node);
}

/* ---- generated code ---- */

static char *alloc_aligned(Arena *arena, uint64_t size) {
  return (char *)bytes_in_lines((uintptr_t)arena_alloc(arena, size + 64));
}

static void machine_run(Machine *machine, uint32_t program, uint64_t seed) {
  uint64_t done = 0;
  const RlcProgram *p = &machine->module->programs[program];
  RlcCall call = {.memory = machine->memory, .work = machine->work, .seed = seed, .step = 1};
  call.threads = 1;
  call.done = &done;
  call.context = p->context;
  p->run(&call);
}

/* Builds the gradient and the frozen loss through all passes, and fills the slots. False after
 * reporting. */
static bool machine_start(Check *check, Arena *scratch) {
  const Module *frozen = check->frozen->module;
  Module *module = NEW(check->arena, Module);
  *module = (Module){.graph = frozen->graph, .shell = frozen->shell};
  static const int programs[] = {FROZEN_GRADIENT, FROZEN_LOSS};
  for (size_t i = 0; i < COUNTOF(programs); i++) {
    Program copy = frozen->programs[programs[i]];
    copy.outputs = NEW_ARRAY(check->arena, Output, copy.output_count + 1);
    memcpy(copy.outputs, frozen->programs[programs[i]].outputs, copy.output_count * sizeof(Output));
    copy.output_capacity = copy.output_count;
    PUSH(check->arena, module->programs, module->program_count, module->program_capacity, copy);
  }
  pass_erase(module, scratch);
  pass_simplify(module, scratch);
  pass_contract(module, scratch);
  Machine *machine = check->machine = NEW(check->arena, Machine);
  machine->target = check->options->target;
  machine->module = machine->target->build(machine->target->user, module);
  if (!machine->module) return false;
  machine->loss = 1;
  machine->work = alloc_aligned(scratch, rlc_work_bytes(machine->module, 1));
  machine->memory = alloc_aligned(scratch, machine->module->memory_bytes);
  for (uint32_t s = 0; s < machine->module->slot_count; s++)
    machine->target->set(&machine->module->slots[s], machine->memory, check->values[s]);
  machine_run(machine, machine->gradient, check->options->seed);
  for (size_t i = 0; i < check->frozen->count; i++) {
    uint32_t slot = check->frozen->gradients[i];
    machine->target->get(&machine->module->slots[slot], machine->memory, check->values[slot]);
  }
  return true;
}

static double machine_value(Check *check, uint32_t slot) {
  Machine *machine = check->machine;
  double value;
  machine->target->set(&machine->module->slots[slot], machine->memory, check->values[slot]);
  machine_run(machine, machine->loss, check->options->seed);
  uint32_t result = check->frozen->value;
  machine->target->get(&machine->module->slots[result], machine->memory, &value);
  return value;
}

/* ---- differences ---- */

static bool same_decisions(const Check *check) {
  for (size_t i = 0; i < check->frozen->kink_count; i++) {
    const Node *kink = check->frozen->kinks[i];
    if (memcmp(check->decisions[i], interp_value(check->kinks, kink),
               node_extent(check, kink) * sizeof(double)) != 0)
      return false;
  }
  return true;
}

/* The loss with component `at` of a parameter moved by h; false when a decision changed on the way.
 */
static bool value_at(Check *check, size_t parameter, uint64_t at, double h, double *value) {
  uint32_t slot = check->frozen->points[parameter];
  double *values = check->values[slot], base = values[at];
  values[at] = base + h;
  interp_set(check->kinks, slot, values);
  interp_rerun(check->kinks, check->frozen->inputs[parameter]);
  bool smooth = same_decisions(check);
  *value = smooth && check->machine ? machine_value(check, slot) : frozen_value(check);
  values[at] = base;
  return smooth;
}

typedef struct Difference {
  bool smooth;
  double slope, noise; /* noise: what one rounding of the loss adds to the slope */
} Difference;

static Difference difference_at(Check *check, size_t parameter, uint64_t at) {
  Difference d = {false, 0, 0};
  double base = check->values[check->frozen->points[parameter]][at];
  double loss = *check->values[check->frozen->whole], h = FIRST_STEP * fmax(1, fabs(base));
  for (int try = 0; try < STEP_TRIES && !d.smooth; try++, h /= 10) {
    double above, below;
    d.smooth = value_at(check, parameter, at, h, &above);
    d.smooth = value_at(check, parameter, at, -h, &below) && d.smooth;
    double width = (base + h) - (base - h);
    d.slope = (above - below) / width;
    d.noise = 0x1p-52 * fabs(loss) / h;
  }
  return d;
}

/* ---- components ---- */

static double largest_of(const double *x, uint64_t count) {
  double largest = 0;
  for (uint64_t i = 0; i < count; i++)
    if (!(fabs(x[i]) <= largest)) largest = fabs(x[i]);
  return largest;
}

/* The i-th of n components of a tensor: one from each of n equal parts. */
static uint64_t choose_component(uint64_t seed, size_t parameter, uint64_t i, uint64_t n,
                                 uint64_t size) {
  if (n == size) return i;
  uint64_t from = i * size / n, to = (i + 1) * size / n;
  Philox bits = philox(seed, STREAM_CHOICE, parameter, (uint32_t)i);
  return from + rng_below((uint64_t)bits.word[0] << 32 | bits.word[1], to - from);
}

static const char *coordinates_text(const Check *check, const Node *node, uint64_t at) {
  AxisId order[MAX_AXES];
  int count = axes_order(check->graph, node->axes, order);
  const char *text = "]";
  for (int i = count; i-- > 0;) {
    const Axis *axis = &check->graph->axes[order[i]];
    text = arena_printf(check->arena, "%s%s=%u%s", i ? " " : "", axis->label,
                        (uint32_t)(at % axis->extent), text);
    at /= axis->extent;
  }
  return arena_printf(check->arena, "[%s", text);
}

static void check_component(Check *check, size_t parameter, uint64_t at, double largest,
                            GradcheckResult *result) {
  double a = check->values[check->frozen->gradients[parameter]][at];
  Difference d = difference_at(check, parameter, at);
  result->components++;
  if (!d.smooth) {
    result->skipped++;
    return;
  }
  double scale = fmax(fmax(fabs(a), fabs(d.slope)), 1e-3 * largest);
  double gap = fabs(a - d.slope);
  bool both_zero = fabs(a) <= d.noise && fabs(d.slope) <= d.noise;
  double error = both_zero ? 0 : gap / scale;
  bool worse = !result->where || isnan(error) || error > result->worst;
  if (!worse || isnan(result->worst)) return;
  result->worst = error;
  result->analytic = a;
  result->numeric = d.slope;
  result->where = coordinates_text(check, check->frozen->inputs[parameter], at);
}

static void check_parameter(Check *check, size_t parameter, GradcheckResult *result) {
  const GradcheckOptions *options = check->options;
  uint32_t slot = check->frozen->gradients[parameter];
  uint64_t size = axes_extent(check->graph, check->graph->slots[slot].axes);
  uint64_t n = options->components ? options->components : DEFAULT_COMPONENTS;
  if (n > size) n = size;
  *result = (GradcheckResult){.loss = check->loss->name, .size = size};
  result->parameter = check->graph->slots[check->loss->parameters[parameter]].name;
  double largest = largest_of(check->values[slot], size);
  for (uint64_t i = 0; i < n; i++) {
    uint64_t at = choose_component(options->seed, parameter, i, n, size);
    check_component(check, parameter, at, largest, result);
  }
  if (!result->where) result->where = "nowhere: all components are skipped";
  uint32_t point = check->frozen->points[parameter];
  interp_set(check->kinks, point, check->values[point]);
  interp_rerun(check->kinks, check->frozen->inputs[parameter]);
  if (check->machine) machine_value(check, point);
}

static void judge(const GradcheckOptions *options, GradcheckResult *results, size_t count) {
  double tolerance = options->tolerance > 0 ? options->tolerance : DEFAULT_TOLERANCE;
  uint64_t components = 0, skipped = 0;
  for (size_t i = 0; i < count; i++) {
    components += results[i].components;
    skipped += results[i].skipped;
  }
  bool enough = (double)skipped <= SKIPPED_SHARE * (double)components;
  for (size_t i = 0; i < count; i++) results[i].passed = enough && results[i].worst <= tolerance;
}

static bool check_loss(Check *check, double *const *point, size_t point_count,
                       GradcheckResult *results) {
  Arena *scratch = arena_make();
  prepare(check, point, point_count, scratch);
  double loss = *check->values[check->frozen->loss];
  double frozen = *check->values[check->frozen->whole];
  if (isfinite(loss) && !(fabs(loss - frozen) <= 1e-9 * fmax(1, fabs(loss))))
    bug("freezing changed the loss %s from %g to %g", check->loss->name, loss, frozen);
  bool good = !check->options->target || machine_start(check, scratch);
  for (size_t i = 0; i < check->loss->count && good; i++) check_parameter(check, i, &results[i]);
  if (good) judge(check->options, results, check->loss->count);
  arena_free(scratch);
  return good;
}

size_t gradcheck_run(Arena *arena, const Module *module, const GradcheckLoss *losses, size_t count,
                     const GradcheckOptions *options, GradcheckResult **results) {
  size_t total = 0, at = 0, slots = module->graph->slot_count;
  for (size_t i = 0; i < count; i++) total += losses[i].count;
  *results = NEW_ARRAY(arena, GradcheckResult, total + 1);
  double **point = gradcheck_point(arena, module, options->seed);
  for (size_t i = 0; i < count; i++) {
    Check check = {.arena = arena, .options = options, .loss = &losses[i], .graph = module->graph};
    check.frozen =
        freeze_loss(arena, module, &losses[i], options->table ? options->table : op_table);
    if (!check_loss(&check, point, slots, *results + at)) return 0;
    at += losses[i].count;
  }
  return total;
}
