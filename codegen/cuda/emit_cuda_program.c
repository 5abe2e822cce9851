/* CUDA C of a module: its bodies, and its programs as tables of calls.
 *
 * A body is one function, however many kernels have it; it gets its tensors as a row of addresses.
 * A program reads its calls from a table and goes through them in a loop, with one place in the
 * text for each of its bodies: written out, the calls of a large program took the compiler longer
 * than all bodies together. Tables lie in constant memory while they fit. */
#include "codegen/cuda/cuda.h"
#include "codegen/cuda/emit_cuda.h"
#include "codegen/loop/bodies.h"

enum { CONSTANT_BYTES = 60 * 1024, LINE = 64, RUN_BYTES = 40 /* of a Run, at most */ };

/* Loops go a step beyond their end: of 32, or of all warps that have a kernel's items. */
enum { MOST_POSITION = INT32_MAX - (1 << 20) };

/* Who meets before a kernel; see Run. */
typedef enum Meeting { MEET_NONE, MEET_BLOCK, MEET_ALL } Meeting;

/* A module while it is printed. */
typedef struct Printer {
  const Code *code;
  const Bodies *bodies;
  Arrays *arrays; /* by body */
  Arena *arena;
  FILE *out;
} Printer;

/* ---- bodies ---- */

static void emit_tensor(const Place *place, size_t number, FILE *out) {
  const char *type = value_type_name(place->buffer->type);
  const char *constant = place->writes ? "" : "const ";
  fprintf(out, "  %s%s *%s = (%s%s *)tensor(memory, work, at[%u]);\n", constant, type,
          place->buffer->name, constant, type, (unsigned)number);
}

/* A function of a warp's items and of where its tensors lie. */
static void emit_body(const Printer *p, size_t number) {
  const Body *body = &p->bodies->items[number];
  const Kernel *kernel = body->kernel;
  const char *item = kernel->item->name;
  Arrays arrays = p->arrays[number] = arrays_find(p->arena, kernel->body);
  uint32_t bytes = arrays.shared + arrays.bytes * (arrays.team ? BLOCK_WARPS : 1);
  if (bytes > CUDA_SHARED) bug("kernel %s needs %u bytes of shared memory", kernel->name, bytes);
  fprintf(p->out,
          "/* %s */\nBODY void %s(CALL *call, const uint32_t *at, int own, int me, Index %s, "
          "Index items, Index step) {\n",
          kernel->what, body->name, item);
  fputs("  ASSUME(me >= 0 && me < 32);\n", p->out);
  if (bytes) fputs("  SHARED_MEMORY(shared);\n", p->out);
  fputs("  char *memory = call->memory, *work = call->work;\n", p->out);
  for (size_t i = 0; i < kernel->place_count; i++) emit_tensor(&kernel->places[i], i, p->out);
  fprintf(p->out, "  ROLLED\n  for (; %s < items; %s += step) {\n", item, item);
  emit_cuda_block(p->code, &arrays, kernel->body, 2, p->out);
  fputs(bytes ? "    __syncwarp();\n  }\n}\n\n" : "  }\n}\n\n", p->out);
}

/* ---- tables ---- */

/* Where a tensor lies: the space in two bits, the line in the others. */
static uint32_t place_code(const Buffer *buffer) {
  uint32_t space = buffer->space == SPACE_SLOT ? 0 : buffer->space == SPACE_WORK ? 1 : 2;
  if (buffer->offset % LINE || buffer->offset / LINE >= UINT32_MAX / 4)
    bug("a tensor at %llu", (unsigned long long)buffer->offset);
  return space + 4 * (uint32_t)(buffer->offset / LINE);
}

/* The warps of a block that have room for their arrays; of a team, all. */
static uint32_t warps_with(const Arrays *arrays) {
  uint32_t most = arrays->bytes && !arrays->team ? CUDA_SHARED / arrays->bytes : BLOCK_WARPS;
  return most < BLOCK_WARPS ? most : BLOCK_WARPS;
}

static size_t place_total(const ProgramCode *program) {
  size_t count = 0;
  for (size_t k = 0; k < program->kernel_count; k++) count += program->kernels[k]->place_count;
  return count;
}

/* The memory in which tables are declared. */
static const char *table_memory(const Code *code) {
  size_t bytes = 0;
  for (size_t i = 0; i < code->program_count; i++)
    bytes += (code->programs[i].kernel_count + 1) * RUN_BYTES +
             (place_total(&code->programs[i]) + 1) * sizeof(uint32_t);
  return bytes <= CONSTANT_BYTES ? "__constant__" : "__device__";
}

static void emit_places(const Printer *p, size_t number) {
  const ProgramCode *program = &p->code->programs[number];
  fprintf(p->out, "static TABLE uint32_t places_%u[] = {", (unsigned)number);
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    fputs("\n ", p->out);
    for (size_t i = 0; i < kernel->place_count; i++)
      fprintf(p->out, " %uu,", place_code(kernel->places[i].buffer));
  }
  fputs(" 0};\n", p->out);
}

static bool arrays_share(const Arrays *arrays) { return arrays->bytes || arrays->shared; }

/* Kernels that write and read the same meet by plan. Others go on as soon as they can, and a warp's
 * arrays must not lie where another warp is still in those of the kernel before: where both
 * kernels divide a block's memory alike, they do not. `held`: of the last kernel with arrays since
 * warps met, if any. */
static Meeting meeting_before(const Kernel *kernel, const Arrays *own, const Arrays *held) {
  if (kernel->barrier_before) return MEET_ALL;
  if (kernel->joined) return MEET_BLOCK;
  if (!held || !arrays_share(own)) return MEET_NONE;
  bool alike = !own->team && !held->team && own->bytes == held->bytes;
  return alike ? MEET_NONE : MEET_BLOCK;
}

/* `bodies` has the program's bodies by the number of their case. */
static void emit_runs(const Printer *p, size_t number, const size_t *cases) {
  const ProgramCode *program = &p->code->programs[number];
  const Arrays *held = NULL;
  size_t at = 0;
  fprintf(p->out, "static TABLE Run runs_%u[] = {\n", (unsigned)number);
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    size_t body = p->bodies->of[number][k];
    const Arrays *arrays = &p->arrays[body];
    Meeting meeting = meeting_before(kernel, arrays, held);
    if (meeting != MEET_NONE) held = NULL;
    if (arrays_share(arrays)) held = arrays;
    uint32_t chunks = kernel->chunks ? kernel->chunks->count : kernel->alone;
    if (chunks && arrays->team) bug("kernel %s is a team's and has chunks", kernel->name);
    uint64_t items = chunks ? kernel->items / chunks : kernel->items;
    fprintf(p->out, "  {%u, %d, %d, %u, %u, %u, %u, %u, %llu}, /* %s", (unsigned)cases[body],
            meeting, arrays->team, chunks, warps_with(arrays), arrays->shared, arrays->bytes,
            (unsigned)at, (unsigned long long)items, kernel->name);
    if (kernel->flops > 0) fprintf(p->out, ", %.0f flops", kernel->flops);
    fputs(" */\n", p->out);
    at += kernel->place_count;
  }
  fputs("  {0}};\n", p->out);
}

/* Constants of the module, one behind the other as planned. */
static void emit_constants(const Code *code, FILE *out) {
  size_t size = value_type_size(code->real), done = 0;
  fprintf(out, "static __device__ const ALIGNED %s constants[] = {", value_type_name(code->real));
  for (size_t i = 0; i < code->module->graph->table_count; i++) {
    const Buffer *buffer = code->tables[i];
    const Table *table = &code->module->graph->tables[i];
    if (!buffer) continue;
    for (; done < buffer->offset / size; done++) fputs(" 0,", out);
    fputc('\n', out);
    Emit emit = {.out = out, .code = code};
    for (uint32_t v = 0; v < table->count; v++, done++) {
      fputs(v % 8 ? " " : "\n  ", out);
      emit_real(&emit, code->real, table->values[v]);
      fputc(',', out);
    }
    for (; done < (buffer->offset + buffer->bytes) / size; done++) fputs(" 0,", out);
  }
  fputs(" 0};\n\n", out);
}

/* ---- programs ---- */

/* Numbers the bodies of a program in the order of first use; returns how many there are. */
static size_t number_cases(const Printer *p, size_t number, size_t *cases, size_t *used) {
  size_t count = 0;
  for (size_t b = 0; b < p->bodies->count; b++) cases[b] = SIZE_MAX;
  for (size_t k = 0; k < p->code->programs[number].kernel_count; k++) {
    size_t body = p->bodies->of[number][k];
    if (cases[body] != SIZE_MAX) continue;
    cases[body] = count;
    used[count++] = body;
  }
  return count;
}

/* How a block finds its items of a call: without a division, which is a routine of many
 * instructions, for every warp does this for every call. Items go round the blocks first, so that
 * few of them fill many multiprocessors, from behind the block where those of the call before end;
 * where all warps have some, those of a block have neighbours, which read the same. A team's go to
 * blocks, and chunks of items in their order. */
static const char shares[] =
    "    Index warps = min_index(blockDim.x / 32, run.warps);\n"
    "    if (run.meets == 2) meet(&call), block = call.block;\n"
    "    else if (run.meets) __syncthreads();\n"
    "    Index first = warp * blocks + block, step = warps * blocks, end = run.items;\n"
    "    if (run.items >= step) first = block * warps + warp;\n"
    "    if (run.team) first = block, step = blocks;\n"
    "    if (run.chunks) {\n"
    "      first = (Index)(run.chunks * call.block * part >> 32) * run.items + warp;\n"
    "      end = (Index)(run.chunks * (call.block + 1) * part >> 32) * run.items;\n"
    "      step = warps;\n"
    "    } else if (run.items < blocks) {\n"
    "      block -= run.items;\n"
    "      if (block < 0) block += blocks;\n"
    "    }\n";

static void emit_program(const Printer *p, size_t number) {
  const ProgramCode *program = &p->code->programs[number];
  size_t *cases = NEW_ARRAY(p->arena, size_t, p->bodies->count + 1);
  size_t *used = NEW_ARRAY(p->arena, size_t, p->bodies->count + 1);
  size_t count = number_cases(p, number, cases, used);
  fprintf(p->out, "/* program \"%s\" */\n", program->program->name);
  emit_places(p, number);
  emit_runs(p, number, cases);
  fprintf(p->out,
          "PROGRAM " CUDA_PROGRAM "%u(LAUNCH launch) {\n"
          "  Call call = call_of(&launch);\n"
          "%s"
          "  int me = threadIdx.x %% 32, warp = threadIdx.x / 32;\n"
          "  Index blocks = call.blocks, block = call.block;\n"
          "  const uint64_t part = (0xffffffffu + (uint64_t)blocks) / blocks; /* of 2^32 */\n"
          "  ROLLED\n"
          "  for (int k = 0; k < %u; k++) {\n"
          "    const Run run = runs_%u[k];\n"
          "%s"
          "    reach(&launch, 0x%zxu + k);\n"
          "    if (warp < warps && first < end) switch (run.body) {\n",
          (unsigned)number, p->code->module->shell.source_count ? cuda_batches : "",
          (unsigned)program->kernel_count, (unsigned)number, shares, number << RLC_REACHED_BITS);
  for (size_t i = 0; i < count; i++)
    fprintf(p->out,
            "    case %u: %s(&call, places_%u + run.at, run.shared + warp * run.bytes, me, first, "
            "end, "
            "step); break;\n",
            (unsigned)i, p->bodies->items[used[i]].name, (unsigned)number);
  fputs("    }\n  }\n}\n\n", p->out);
}

/* Can positions be 32 bits wide? */
static bool positions_fit(const Code *code) {
  const Graph *graph = code->module->graph;
  for (size_t i = 0; i < graph->slot_count; i++)
    if (code->slots[i]->layout.elements > MOST_POSITION) return false;
  for (size_t i = 0; i < code->program_count; i++) {
    const ProgramCode *program = &code->programs[i];
    for (size_t b = 0; b < program->buffer_count; b++)
      if (program->buffers[b]->layout.elements > MOST_POSITION) return false;
    for (size_t k = 0; k < program->kernel_count; k++)
      if (program->kernels[k]->items > MOST_POSITION) return false;
  }
  return true;
}

void emit_cuda(const Code *code, FILE *out) {
  Arena *arena = arena_make();
  Printer printer = {.code = code, .bodies = bodies_find(code, arena), .arena = arena, .out = out};
  printer.arrays = NEW_ARRAY(arena, Arrays, printer.bodies->count + 1);
  emit_cuda_prologue(code, positions_fit(code) ? "int" : "long", table_memory(code), out);
  emit_cuda_gather(code, out);
  emit_constants(code, out);
  fputs(cuda_tensor, out);
  for (size_t i = 0; i < printer.bodies->count; i++) emit_body(&printer, i);
  for (size_t i = 0; i < code->program_count; i++) emit_program(&printer, i);
  bool whole = false;
  for (size_t i = 0; i < printer.bodies->count; i++) whole = whole || printer.arrays[i].whole;
  fprintf(out, "#define WARPS %d /* that a block must have; 0: any number */\n",
          whole ? BLOCK_WARPS : 0);
  arena_free(arena);
}

/* ---- on the CPU ---- */

/* What host and card both read has a type of each, which must lie alike. */
static const char layouts[] =
    "#define LIES(type, ours, host, theirs) \\\n"
    "  _Static_assert(offsetof(type, ours) == offsetof(host, theirs) && \\\n"
    "                     sizeof ((type *)0)->ours == sizeof ((host *)0)->theirs, \\\n"
    "                 #type \".\" #ours \" lies elsewhere than \" #host \".\" #theirs)\n"
    "_Static_assert(sizeof(Run) <= %d, \"a Run is larger than what is counted\");\n"
    "_Static_assert(sizeof(Member) == sizeof(RlcGpuRun), \"Member\");\n"
    "LIES(Member, memory, RlcGpuRun, memory);\n"
    "LIES(Member, seed, RlcGpuRun, seed);\n"
    "LIES(Member, step, RlcGpuRun, step);\n"
    "LIES(Member, batches, RlcGpuRun, batches);\n"
    "_Static_assert(sizeof(Launch) == sizeof(RlcGpuCall), \"Launch\");\n"
    "LIES(Launch, reached, RlcGpuCall, reached);\n"
    "LIES(Launch, work, RlcGpuCall, work);\n"
    "LIES(Launch, met, RlcGpuCall, met);\n"
    "LIES(Launch, count, RlcGpuCall, count);\n"
    "LIES(Launch, blocks, RlcGpuCall, blocks);\n"
    "LIES(Launch, members, RlcGpuCall, runs);\n";

static const char gather_layouts[] =
    "_Static_assert(sizeof(Column) == sizeof(RlcGatherColumn), \"Column\");\n"
    "LIES(Column, slot, RlcGatherColumn, slot);\n"
    "LIES(Column, row, RlcGatherColumn, row);\n"
    "LIES(Column, column, RlcGatherColumn, column);\n"
    "LIES(Column, width, RlcGatherColumn, width);\n"
    "LIES(Column, at, RlcGatherColumn, at);\n"
    "LIES(Column, after, RlcGatherColumn, after);\n"
    "LIES(Column, mask, RlcGatherColumn, mask);\n"
    "LIES(Column, type, RlcGatherColumn, type);\n"
    "_Static_assert(sizeof(Gather) == sizeof(RlcGather), \"Gather\");\n"
    "LIES(Gather, pool, RlcGather, pool);\n"
    "LIES(Gather, places, RlcGather, places);\n"
    "LIES(Gather, full, RlcGather, full);\n"
    "LIES(Gather, columns, RlcGather, columns);\n"
    "LIES(Gather, column_count, RlcGather, column_count);\n"
    "LIES(Gather, rows, RlcGather, rows);\n"
    "LIES(Gather, flags, RlcGather, flags);\n"
    "LIES(Gather, after, RlcGather, after);\n"
    "_Static_assert(sizeof(Scatter) == sizeof(RlcScatter), \"Scatter\");\n"
    "LIES(Scatter, pool, RlcScatter, pool);\n"
    "LIES(Scatter, places, RlcScatter, places);\n"
    "LIES(Scatter, values, RlcScatter, values);\n"
    "LIES(Scatter, count, RlcScatter, count);\n";

void emit_cuda_on_cpu(const Code *code, FILE *out) {
  fputs("#include <codegen/cuda/shim.h>\n", out);
  emit_cuda(code, out);
  fprintf(out, layouts, RUN_BYTES);
  if (code->module->shell.source_count) fputs(gather_layouts, out);
  for (size_t i = 0; i < code->program_count; i++)
    fprintf(out,
            "static void program_%u_warps(const void *launch) { %s%u(*(const Launch *)launch); }\n"
            "static void program_%u(const RlcCall *call) {\n"
            "  unsigned met = 0, reached;\n"
            "  Launch launch = {&reached, (uint64_t)call->work - (uint64_t)call->memory,\n"
            "                   (uint64_t)&met - (uint64_t)call->memory, 1, SHIM_BLOCKS,\n"
            "                   {{call->memory, call->seed, call->step}}};\n"
            "  if (call->thread == 0) shim_run(program_%u_warps, &launch, SHIM_BLOCKS);\n"
            "}\n",
            (unsigned)i, CUDA_PROGRAM, (unsigned)i, (unsigned)i, (unsigned)i);
  module_print(&code->module->shell, out);
}
