/* The kernel that fills a batch's slots from a replay on the card: see RlcGather. */
#include "codegen/cuda/emit_cuda.h"

static const char gather[] =
    "typedef struct Column { /* RlcGatherColumn */\n"
    "  uint64_t slot;\n"
    "  const uint64_t *row, *column;\n"
    "  uint32_t width, at, after, mask, type, unused;\n"
    "} Column;\n"
    "typedef struct Gather { /* RlcGather */\n"
    "  const float *pool;\n"
    "  const uint64_t *from[2];\n"
    "  const Column *columns;\n"
    "  uint32_t column_count, rows, flags, unused;\n"
    "} Gather;\n"
    "DEVICE void gather_element(char *slot, const Gather *gather, const Column *column, uint32_t "
    "e) {\n"
    "  uint32_t r = e / column->width, c = e % column->width;\n"
    "  const float *from = gather->pool + gather->from[column->after][r];\n"
    "  const uint32_t *words = (const uint32_t *)from;\n"
    "  float x = column->mask ? (words[gather->flags] & column->mask) != 0 : from[column->at + "
    "c];\n"
    "  uint64_t to = column->row[r] + column->column[c];\n"
    "  if (column->type == 0) ((float *)slot)[to] = x;\n"
    "  if (column->type == 1) ((double *)slot)[to] = x;\n"
    "  if (column->type == 2) ((int32_t *)slot)[to] = (int32_t)x;\n"
    "}\n"
    "PROGRAM rlc_gather(LAUNCH launch) {\n"
    "  Call call = call_of(&launch);\n"
    "  const Gather *gather = (const Gather *)call.work;\n"
    "  uint32_t thread = call.block * blockDim.x + threadIdx.x, threads = call.blocks * "
    "blockDim.x;\n"
    "  for (uint32_t i = 0; i < gather->column_count; i++) {\n"
    "    const Column *column = &gather->columns[i];\n"
    "    for (uint32_t e = thread; e < gather->rows * column->width; e += threads)\n"
    "      gather_element(call.memory + column->slot, gather, column, e);\n"
    "  }\n"
    "}\n\n";

void emit_cuda_gather(const Code *code, FILE *out) {
  if (code->module->shell.source_count) fputs(gather, out);
}
