/* Drives codegen: schedule, lower and plan every program; then the tables of the module and
 * listings of what came out. */
#include "codegen/schedule/kernel.h"
#include "codegen/lower/lower.h"

#include <string.h>

enum { DEVICE_LANES = 32 };   /* of a warp */
enum { SERIAL_WORK = 16384 }; /* element operations below which a kernel is one thread's */

static ValueType slot_value_type(const Code *code, RlcType type) {
  switch (type) {
  case RLC_F32:
    return code->real;
  case RLC_F64:
    return VALUE_F64;
  case RLC_I32:
    return VALUE_I32;
  }
  return code->real;
}

static RlcType rlc_type(ValueType type) {
  if (type == VALUE_I32) return RLC_I32;
  return type == VALUE_F64 ? RLC_F64 : RLC_F32;
}

uint64_t kernel_item_weight(const Kernel *kernel) {
  double weight = kernel->items ? kernel->work / (double)kernel->items : 1;
  return weight < 1 ? 1 : (uint64_t)weight;
}

/* ---- slots ---- */

/* No other name in generated code begins with "s_". */
static const char *slot_identifier(Code *code, size_t slot) {
  const char *name = name_identifier(code->arena, code->module->graph->slots[slot].name);
  name = arena_printf(code->arena, "s_%s", name);
  for (size_t i = 0; i < slot; i++)
    if (strcmp(code->slots[i]->name, name) == 0)
      return arena_printf(code->arena, "%s__%u", name, (unsigned)slot);
  return name;
}

static void slots_make(Code *code) {
  const Graph *graph = code->module->graph;
  code->slots = NEW_ARRAY(code->arena, Buffer *, graph->slot_count + 1);
  for (size_t i = 0; i < graph->slot_count; i++) {
    const Slot *slot = &graph->slots[i];
    Buffer *buffer = code->slots[i] = NEW(code->arena, Buffer);
    buffer->space = SPACE_SLOT;
    buffer->type = slot_value_type(code, slot->type);
    buffer->layout = layout_make(graph, slot->axes, code->options.lanes);
    buffer->name = slot_identifier(code, i);
    buffer->spec = slot->name;
    buffer->key = i;
  }
}

static RlcSlot slot_row(const Code *code, size_t index) {
  const Graph *graph = code->module->graph;
  const Buffer *buffer = code->slots[index];
  const Layout *layout = &buffer->layout;
  if (layout->rank > RLC_MAX_RANK) bug("slot '%s' has %d axes", buffer->spec, layout->rank);
  RlcSlot row = {.name = buffer->spec,
                 .kind = (uint8_t)graph->slots[index].kind,
                 .type = (uint8_t)rlc_type(buffer->type),
                 .rank = (uint8_t)layout->rank,
                 .lead = (uint8_t)layout->lead,
                 .panel = layout->panel,
                 .offset = buffer->offset,
                 .bytes = buffer->bytes};
  for (int i = 0; i < layout->rank; i++)
    row.dims[i] = (RlcDim){graph->axes[layout->axis[i]].label, layout->extent[i]};
  return row;
}

/* ---- programs ---- */

static double place_bytes(const Kernel *kernel) {
  double bytes = 0;
  for (size_t i = 0; i < kernel->place_count; i++) {
    const Place *place = &kernel->places[i];
    double size = (double)(place->buffer->layout.elements * value_type_size(place->buffer->type));
    bytes += size * (place->reads + place->writes);
  }
  return bytes;
}

static double contraction_flops(const Code *code, const Kernel *kernel) {
  double flops = 0;
  for (size_t i = 0; i < kernel->root_count; i++) {
    const Node *node = kernel->roots[i].node;
    if (kernel->roots[i].copy || node->op != OP_contract) continue;
    Axes all = axes_union(node->src[0]->axes, node->src[1]->axes);
    flops += 2 * (double)axes_extent(code->module->graph, all);
  }
  return flops;
}

static void kernel_finish(const Schedule *s, Kernel *kernel) {
  if (!kernel->item) { /* nothing to compute */
    kernel->item = var_make(s->arena, "item", VALUE_INDEX, 1);
    kernel->body = block_make(s->arena);
  }
  const char *error = block_verify(kernel->body, kernel->item, s->arena);
  if (error) bug("kernel %s: %s", kernel->name, error);
  kernel->flops = contraction_flops(s->code, kernel);
  kernel->bytes = place_bytes(kernel);
  kernel->work = kernel->flops / 8 + lower_cost(s, kernel);
  kernel->serial =
      !kernel->chunks && !s->code->device && (kernel->items < 2 || kernel->work < SERIAL_WORK);
}

static void statement_add(Code *code, Block *block, Stmt stmt) {
  Stmt *added = NEW(code->arena, Stmt);
  *added = stmt;
  block_add(code->arena, block, added);
}

/* Calls of kernels that follow each other, each with its mark. */
static Block *calls_make(Code *code, ProgramCode *program, size_t first, size_t end) {
  Block *block = block_make(code->arena);
  for (size_t k = first; k < end; k++) {
    const char *name = program->kernels[k]->name;
    statement_add(code, block, (Stmt){.kind = STMT_CALL, .number = k, .note = name});
    if (code->options.marked)
      statement_add(code, block, (Stmt){.kind = STMT_MARK, .number = k + 1});
  }
  return block;
}

static void program_statements(Code *code, ProgramCode *program) {
  bool marked = code->options.marked;
  Block *body = program->body = block_make(code->arena);
  if (marked) statement_add(code, body, (Stmt){.kind = STMT_MARK});
  for (size_t k = 0, end; k < program->kernel_count; k = end) {
    const Kernel *kernel = program->kernels[k];
    if (kernel->barrier_before) statement_add(code, body, (Stmt){.kind = STMT_BARRIER});
    end = chunks_end(program, k);
    Block *calls = calls_make(code, program, k, end);
    if (kernel->chunks)
      statement_add(code, body,
                    (Stmt){.kind = STMT_CHUNKS, .number = kernel->chunks->count, .body = calls});
    else
      for (size_t i = 0; i < calls->count; i++) block_add(code->arena, body, calls->items[i]);
  }
  if (marked)
    statement_add(code, body, (Stmt){.kind = STMT_MARK, .number = program->kernel_count + 1});
}

static void program_make(Code *code, size_t index, Value *memo, uint32_t *stamp) {
  ProgramCode *out = &code->programs[index];
  out->program = &code->module->programs[index];
  Schedule s = {.code = code, .out = out, .arena = code->arena, .memo = memo, .stamp = stamp};
  schedule_program(&s);
  for (size_t k = 0; k < out->kernel_count; k++) {
    lower_kernel(&s, out->kernels[k]);
    kernel_finish(&s, out->kernels[k]);
    out->flops += out->kernels[k]->flops;
  }
  if (code->device) stages_order(code, out);
  plan_program(code, out);
  program_statements(code, out);
  code->program_table[index] = (RlcProgram){.name = out->program->name,
                                            .work_bytes = out->work_bytes,
                                            .thread_bytes = out->thread_bytes,
                                            .flops = out->flops,
                                            .minimal_flops = out->program->minimal_flops};
}

/* What values are rounded to. */
static void find_formats(Code *code) {
  Arena *scratch = arena_make();
  Node **nodes;
  size_t count = module_reach(code->module, NULL, scratch, &nodes);
  for (size_t i = 0; i < count; i++) {
    NumberFormat format = format_of(nodes[i]->op);
    if (format != FORMAT_float32) code->rounds |= 1u << format;
  }
  arena_free(scratch);
}

static const Cpu *options_cpu(const CodegenOptions *options) {
  return options->cpu ? options->cpu : cpu_find("native");
}

static bool has_pairs(const CodegenOptions *options) {
  const CpuLevel *level = options_cpu(options)->bf16;
  return level && strcmp(options->target, "native") == 0 && options->real == RLC_F32 &&
         options->lanes * sizeof(float) == level->bytes;
}

bool target_is_device(const char *target) { return target && strcmp(target, "cuda") == 0; }

Code *code_make(Arena *arena, Module *module, const CodegenOptions *options) {
  Code *code = NEW(arena, Code);
  const Graph *graph = module->graph;
  *code = (Code){.arena = arena, .module = module, .options = *options};
  code->real = options->real == RLC_F64 ? VALUE_F64 : VALUE_F32;
  code->device = target_is_device(options->target);
  if (code->device) code->options.lanes = DEVICE_LANES;
  find_formats(code);
  code->pairs = code_rounds(code, FORMAT_bf16) && has_pairs(options);
  code->program_count = module->program_count;
  code->programs = NEW_ARRAY(arena, ProgramCode, module->program_count + 1);
  code->program_table = NEW_ARRAY(arena, RlcProgram, module->program_count + 1);
  code->tables = NEW_ARRAY(arena, Buffer *, graph->table_count + 1);
  slots_make(code);
  RlcModule *shell = &module->shell;
  shell->memory_bytes = plan_slots(code);
  Value *memo = NEW_ARRAY(arena, Value, graph->node_count + 1);
  uint32_t stamp = 0;
  for (size_t i = 0; i < module->program_count; i++) program_make(code, i, memo, &stamp);
  code->table_bytes = plan_tables(code);
  const char *error = plan_check(code, arena);
  if (error) bug("memory plan: %s", error);
  code->slot_table = NEW_ARRAY(arena, RlcSlot, graph->slot_count + 1);
  for (size_t i = 0; i < graph->slot_count; i++) code->slot_table[i] = slot_row(code, i);
  shell->abi = RLC_ABI;
  shell->slots = code->slot_table;
  shell->slot_count = (uint32_t)graph->slot_count;
  shell->programs = code->program_table;
  shell->program_count = (uint32_t)module->program_count;
  shell->target = options->target;
  shell->compiler = options->compiler;
  if (!shell->cpu) shell->cpu = code_cpu(code)->features;
  return code;
}

bool code_rounds(const Code *code, NumberFormat format) { return code->rounds >> format & 1; }

uint64_t cache_bytes(const Code *code) {
  enum { USUAL = 1 << 20 };
  return code->options.cache ? code->options.cache : USUAL;
}

const CodegenOptions *code_options(const Code *code) { return &code->options; }

const CpuLevel *code_cpu(const Code *code) {
  const Cpu *cpu = code->options.cpu;
  if (code->device) return cpu_level(0); /* nothing of it runs there but the runtime */
  if (code->pairs) return options_cpu(&code->options)->bf16;
  return cpu ? cpu->level : cpu_level(code->options.lanes * value_type_size(code->real));
}

/* ---- listings ---- */

/* On a GPU: how many blocks, and whether their warps meet before. */
static void print_blocks(const Kernel *kernel, FILE *out) {
  if (kernel->alone) fputs(", one block", out);
  if (kernel->chunks) fprintf(out, ", %u chunks of rows", kernel->chunks->count);
  if (kernel->joined) fputs(", warps meet before", out);
}

static void print_kernel(const Code *code, const Kernel *kernel, FILE *out) {
  fprintf(out, "  %s%s: %s, %llu items%s", kernel->barrier_before ? "| " : "", kernel->name,
          kernel->what, (unsigned long long)kernel->items, kernel->serial ? ", one thread" : "");
  if (code->device) print_blocks(kernel, out);
  if (kernel->flops > 0) fprintf(out, ", %.0f flops", kernel->flops);
  fprintf(out, ", %.0f bytes\n", kernel->bytes);
  for (size_t i = 0; i < kernel->root_count; i++) {
    const Root *root = &kernel->roots[i];
    const char *to = root->buffer ? root->buffer->spec ? root->buffer->spec : root->buffer->name
                                  : "(kept inside)";
    fprintf(out, "      %s %%%u -> %s\n", op_of(root->node)->name, root->node->id, to);
  }
}

void code_print_kernels(const Code *code, FILE *out) {
  for (size_t i = 0; i < code->program_count; i++) {
    const ProgramCode *program = &code->programs[i];
    fprintf(out, "program %s: %llu bytes of workspace, %.0f flops\n", program->program->name,
            (unsigned long long)program->work_bytes, program->flops);
    for (size_t k = 0; k < program->kernel_count; k++) {
      const Kernel *kernel = program->kernels[k];
      if (code->device && (k == 0 || kernel->stage != program->kernels[k - 1]->stage))
        fprintf(out, " stage %d\n", kernel->stage);
      print_kernel(code, kernel, out);
    }
  }
}

void code_print_loops(const Code *code, FILE *out) {
  for (size_t i = 0; i < code->program_count; i++) {
    const ProgramCode *program = &code->programs[i];
    fprintf(out, "program %s\n", program->program->name);
    for (size_t k = 0; k < program->kernel_count; k++) {
      const Kernel *kernel = program->kernels[k];
      fprintf(out, "kernel %s: parallel item in 0..%llu\n", kernel->name,
              (unsigned long long)kernel->items);
      block_print(kernel->body, 1, out);
    }
    block_print(program->body, 1, out);
  }
}

size_t code_kernels(const Code *code, Arena *arena, KernelInfo **kernels) {
  size_t count = 0, capacity = 0;
  *kernels = NULL;
  for (size_t i = 0; i < code->program_count; i++)
    for (size_t k = 0; k < code->programs[i].kernel_count; k++) {
      const Kernel *kernel = code->programs[i].kernels[k];
      KernelInfo info = {code->programs[i].program->name, kernel->name, kernel->what, kernel->flops,
                         kernel->bytes};
      PUSH(arena, *kernels, count, capacity, info);
    }
  return count;
}
