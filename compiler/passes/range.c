/* Bounds and finiteness of values, for the rules that need them: guarded products become plain ones
 * where the factor is provably finite. Leaves are finite by the language's promise, and so is what
 * a program leaves in a slot: it is a leaf of the next one, and a run whose parameters stop being
 * finite ends there. Overflow of sums and products is not considered. */
#include "compiler/passes/passes.h"

#include <math.h>

struct Ranges {
  Arena *arena;
  const Graph *graph;
  bool *promised; /* by id: values that slots will hold, finite by the language's promise */
  size_t promised_size;
  Range *memo;
  bool *known;
  size_t size;
};

static bool lasting(RlcSlotKind kind) {
  return kind == RLC_PARAMETER || kind == RLC_TARGET || kind == RLC_OPTIMIZER || kind == RLC_STATE;
}

Ranges *ranges_make(Arena *arena, const Module *module) {
  Ranges *ranges = NEW(arena, Ranges);
  *ranges =
      (Ranges){.arena = arena, .graph = module->graph, .promised_size = module->graph->node_count};
  ranges->promised = NEW_ARRAY(arena, bool, ranges->promised_size);
  for (size_t p = 0; p < module->program_count; p++)
    for (size_t i = 0; i < module->programs[p].output_count; i++) {
      const Output *output = &module->programs[p].outputs[i];
      if (lasting(module->graph->slots[output->slot].kind))
        ranges->promised[output->node->id] = true;
    }
  return ranges;
}

static Range bounds(double low, double high, bool finite) { return (Range){low, high, finite}; }

static const Range whole_line = {-INFINITY, INFINITY, true};

static Range table_range(const Table *table) {
  Range r = {INFINITY, -INFINITY, true};
  for (uint32_t i = 0; i < table->count; i++) {
    r.low = fmin(r.low, table->values[i]);
    r.high = fmax(r.high, table->values[i]);
    r.finite = r.finite && isfinite(table->values[i]);
  }
  return r;
}

/* NaN arises from inf * 0 and inf - inf only; then nothing is known. */
static Range tidy(Range r) {
  return isnan(r.low) || isnan(r.high) ? bounds(-INFINITY, INFINITY, r.finite) : r;
}

static Range product(Range x, Range y, bool same) {
  double a = x.low * y.low, b = x.low * y.high, c = x.high * y.low, d = x.high * y.high;
  Range r =
      bounds(fmin(fmin(a, b), fmin(c, d)), fmax(fmax(a, b), fmax(c, d)), x.finite && y.finite);
  if (isnan(a + b + c + d)) r = bounds(-INFINITY, INFINITY, r.finite);
  if (same) r.low = fmax(r.low, 0);
  return r;
}

static bool away_from_zero(Range r) { return r.low > 1e-30 || r.high < -1e-30; }

static Range quotient(Range x, Range y) {
  bool safe = away_from_zero(y);
  if (!safe) return bounds(-INFINITY, INFINITY, false);
  return product(x, bounds(1 / y.high, 1 / y.low, y.finite), false);
}

static Range exponential(Range x) {
  return bounds(exp(x.low), exp(x.high), x.finite && x.high < 80);
}

static Range logarithm(Range x) {
  bool safe = x.low > 1e-30;
  return bounds(safe ? log(x.low) : -INFINITY, x.high > 0 ? log(x.high) : INFINITY,
                safe && x.finite);
}

static Range either(Range x, Range y) {
  return bounds(fmin(x.low, y.low), fmax(x.high, y.high), x.finite && y.finite);
}

/* Numbers, constant vectors and draws; of anything else nothing is known but that leaves are
 * finite. */
static Range leaf(const Ranges *ranges, const Node *node) {
  if (node->op == OP_const)
    return bounds(node->attr.value, node->attr.value, isfinite(node->attr.value));
  if (node->op == OP_table) return table_range(&ranges->graph->tables[node->attr.key]);
  if (node->op == OP_uniform) return bounds(0x1p-24, 1 - 0x1p-24, true);
  return whole_line;
}

static Range compute(const Ranges *ranges, const Node *node, Range x, Range y, Range z) {
  bool both = x.finite && y.finite;
  switch ((OpCode)node->op) {
  case OP_neg:
    return bounds(-x.high, -x.low, x.finite);
  case OP_abs:
    return bounds(0, fmax(fabs(x.low), fabs(x.high)), x.finite);
  case OP_exp:
    return exponential(x);
  case OP_log:
    return logarithm(x);
  case OP_sqrt:
    return bounds(sqrt(fmax(x.low, 0)), sqrt(fmax(x.high, 0)), x.finite && x.low >= 0);
  case OP_tanh:
  case OP_erf:
  case OP_sin:
  case OP_cos:
  case OP_sign:
  case OP_orthonormal:
    return bounds(-1, 1,
                  x.finite || node->op == OP_tanh || node->op == OP_erf || node->op == OP_sign);
  case OP_lt:
  case OP_le:
  case OP_eq:
    return bounds(0, 1, true);
  case OP_stop:
  case OP_mark:
  case OP_gather:
  case OP_rename:
    return x;
  case OP_floor:
    return bounds(floor(x.low), floor(x.high), x.finite);
  case OP_add:
    return bounds(x.low + y.low, x.high + y.high, both);
  case OP_sub:
    return bounds(x.low - y.high, x.high - y.low, both);
  case OP_mul:
  case OP_guard:
    return product(x, y, node->src[0] == node->src[1]);
  case OP_div:
    return quotient(x, y);
  case OP_min:
    return bounds(fmin(x.low, y.low), fmin(x.high, y.high), both);
  case OP_max:
    return bounds(fmax(x.low, y.low), fmax(x.high, y.high), both);
  case OP_where:
    return either(y, z);
  case OP_pow:
    return bounds(-INFINITY, INFINITY, false);
  case OP_scan:
    return bounds(x.low >= 0 && y.low >= 0 ? 0 : -INFINITY, INFINITY, both);
  case OP_sum:
  case OP_scatter:
  case OP_contract:
    return bounds(x.low >= 0 && node->op == OP_sum ? 0 : -INFINITY, INFINITY,
                  x.finite && (y.finite || !node->src[1]));
  default:
    return leaf(ranges, node);
  }
}

static void memo_grow(Ranges *ranges) {
  size_t size = ranges->graph->node_count + 256;
  ranges->memo =
      arena_grow(ranges->arena, ranges->memo, ranges->size * sizeof(Range), size * sizeof(Range));
  ranges->known =
      arena_grow(ranges->arena, ranges->known, ranges->size * sizeof(bool), size * sizeof(bool));
  ranges->size = size;
}

Range range_of(Ranges *ranges, const Node *node) {
  if (node->id >= ranges->size) memo_grow(ranges);
  if (ranges->known[node->id]) return ranges->memo[node->id];
  Range src[3] = {whole_line, whole_line, whole_line};
  for (int i = 0; i < 3; i++)
    if (node->src[i]) src[i] = range_of(ranges, node->src[i]);
  Range r = tidy(compute(ranges, node, src[0], src[1], src[2]));
  if (node->id < ranges->promised_size && ranges->promised[node->id]) r.finite = true;
  ranges->known[node->id] = true;
  return ranges->memo[node->id] = r;
}
