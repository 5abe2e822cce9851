/* How a batch's slots are filled from a replay on the card, and values written there: see RlcGather
 * and RlcScatter.
 *
 * The places of the rows lie on the host, so each is read once, and those of neighbours together:
 * a warp takes some rows, a lane knows where one of them lies, and tells the others. */
#include "codegen/cuda/emit_cuda.h"

static const char gather[] =
    "typedef struct Column { /* RlcGatherColumn */\n"
    "  uint64_t slot;\n"
    "  const uint64_t *row, *column;\n"
    "  uint32_t width, at, after, mask, type, unused;\n"
    "} Column;\n"
    "typedef struct Gather { /* RlcGather */\n"
    "  const float *pool;\n"
    "  const volatile uint64_t *places;\n"
    "  volatile unsigned *full;\n"
    "  const Column *columns;\n"
    "  uint32_t column_count, rows, flags, after;\n"
    "} Gather;\n"
    "DEVICE void gather_element(char *slot, const Gather *gather, const Column *column,\n"
    "                           const float *from, uint32_t r, uint32_t c) {\n"
    "  const uint32_t *words = (const uint32_t *)from;\n"
    "  float x = column->mask ? (words[gather->flags] & column->mask) != 0 : from[column->at + "
    "c];\n"
    "  uint64_t to = column->row[r] + column->column[c];\n"
    "  if (column->type == 0) ((float *)slot)[to] = x;\n"
    "  if (column->type == 1) ((double *)slot)[to] = x;\n"
    "  if (column->type == 2) ((int32_t *)slot)[to] = (int32_t)x;\n"
    "}\n"
    "/* The rows `first` .., `count` of them, at most 32, by a warp. */\n"
    "DEVICE void gather_rows(char *memory, const Gather *gather, uint32_t first, uint32_t count) "
    "{\n"
    "  uint32_t me = threadIdx.x %% 32;\n"
    "  uint64_t row = me < count ? gather->places[first + me] : 0, after = 0;\n"
    "  if (me < count && gather->after) after = gather->places[gather->rows + first + me];\n"
    "  ROLLED\n"
    "  for (uint32_t i = 0; i < gather->column_count; i++) {\n"
    "    const Column *column = &gather->columns[i];\n"
    "    uint32_t elements = count * column->width;\n"
    "    ROLLED\n"
    "    for (uint32_t from = 0; from < elements; from += 32) {\n"
    "      uint32_t r = (from + me) / column->width, c = (from + me) %% column->width;\n"
    "      uint64_t at = __shfl_sync(0xffffffffu, column->after ? after : row, r %% 32);\n"
    "      if (from + me < elements)\n"
    "        gather_element(memory + column->slot, gather, column, gather->pool + at, first + r, "
    "c);\n"
    "    }\n"
    "  }\n"
    "}\n"
    "/* Afterwards the slots of a member's batches are there for all of its blocks, and the host\n"
    " * may draw the next ones. */\n"
    "BODY void take_batches(const Launch *launch, CALL *call) {\n"
    "  uint32_t warp = threadIdx.x / 32 * call->blocks + call->block;\n"
    "  uint32_t warps = blockDim.x / 32 * call->blocks;\n"
    "  reach(launch, %uu);\n"
    "  ROLLED\n"
    "  for (int i = 0; i < %d && call->batches[i]; i++) {\n"
    "    const Gather *gather = call->batches[i];\n"
    "    uint32_t each = (gather->rows + warps - 1) / warps;\n"
    "    if (each > 32) each = 32;\n"
    "    ROLLED\n"
    "    for (uint32_t first = warp * each; first < gather->rows; first += warps * each)\n"
    "      gather_rows(call->memory, gather, first,\n"
    "                  each < gather->rows - first ? each : gather->rows - first);\n"
    "  }\n"
    "  meet(call);\n"
    "  if (call->block || threadIdx.x) return;\n"
    "  __threadfence_system(); /* the host writes what was read until here */\n"
    "  for (int i = 0; i < %d && call->batches[i]; i++) *call->batches[i]->full = 0;\n"
    "}\n"
    "PROGRAM rlc_gather(LAUNCH launch) {\n"
    "  Call call = call_of(&launch);\n"
    "  take_batches(&launch, &call);\n"
    "}\n\n";

static const char scatter[] =
    "typedef struct Scatter { /* RlcScatter */\n"
    "  float *pool;\n"
    "  const uint64_t *places;\n"
    "  const float *values;\n"
    "  uint64_t count;\n"
    "} Scatter;\n"
    "PROGRAM rlc_scatter(LAUNCH launch) {\n"
    "  const Scatter *scatter = (const Scatter *)launch.members->batches[0];\n"
    "  uint64_t count = scatter->count, step = launch.blocks * blockDim.x;\n"
    "  reach(&launch, %uu);\n"
    "  ROLLED\n"
    "  for (uint64_t i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step)\n"
    "    scatter->pool[scatter->places[i]] = scatter->values[i];\n"
    "}\n\n";

const char cuda_batches[] = "  if (call.batches[0]) take_batches(&launch, &call);\n";

void emit_cuda_gather(const Code *code, FILE *out) {
  if (!code->module->shell.source_count) return;
  fprintf(out, gather, RLC_REACHED_BATCH, RLC_GPU_BATCHES, RLC_GPU_BATCHES);
  fprintf(out, scatter, RLC_REACHED_WRITE);
}
