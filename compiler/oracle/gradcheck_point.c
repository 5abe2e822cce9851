/* A base point for checks: values for every slot that look like those of a run.
 *
 * What the init program writes comes from it; parameters and targets then move a little. Data is
 * seeded: observations and rewards like standard normals, actions inside their box, flags 0 or 1,
 * whole numbers within the axes that they index. */
#include "compiler/oracle/gradcheck.h"
#include "compiler/oracle/interp.h"
#include "runtime/rng.h"

#include <math.h>
#include <string.h>

/* Streams of the checks' own draws, apart from those of specs by their high half. */
enum { STREAM_POINT = 0x70 };

typedef struct Point {
  const Module *module;
  const Graph *graph;
  uint64_t seed;
  uint32_t *limits; /* by slot: whole numbers stay below; 0 where nothing indexes with it */
} Point;

static double uniform_at(const Point *point, uint32_t slot, uint64_t i, int word) {
  return rng_uniform(
      philox(point->seed, STREAM_POINT, (uint64_t)slot << 32 | i >> 32, (uint32_t)i).word[word]);
}

static double normal_at(const Point *point, uint32_t slot, uint64_t i) {
  double u = uniform_at(point, slot, i, 0), v = uniform_at(point, slot, i, 1);
  return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* The input slots whose numbers reach `index` unchanged stay below `extent`. */
static void limit_slots(Point *point, const Node *index, uint32_t extent) {
  switch ((OpCode)index->op) {
  case OP_gather:
  case OP_rename:
  case OP_stop:
  case OP_mark:
    limit_slots(point, index->src[0], extent);
    break;
  case OP_min:
  case OP_max:
  case OP_where:
    for (int i = index->op == OP_where; i < op_of(index)->arity; i++)
      if (index->src[i]->integer) limit_slots(point, index->src[i], extent);
    break;
  case OP_input: {
    uint32_t *limit = &point->limits[index->attr.key];
    if (*limit == 0 || extent < *limit) *limit = extent;
    break;
  }
  default:
    break;
  }
}

static void find_limits(Arena *arena, Point *point) {
  point->limits = NEW_ARRAY(arena, uint32_t, point->graph->slot_count + 1);
  for (size_t id = 0; id < point->graph->node_count; id++) {
    const Node *node = point->graph->nodes[id];
    if (node->op != OP_gather && node->op != OP_scatter) continue;
    limit_slots(point, node->src[1], point->graph->axes[node->attr.axis].extent);
  }
}

/* What the runtime would put into a slot, or RLC_EXTRA when it is no column of a source. */
static RlcColumnKind column_kind(const RlcModule *shell, uint32_t slot) {
  for (uint32_t s = 0; s < shell->source_count; s++)
    for (uint32_t c = 0; c < shell->sources[s].column_count; c++)
      if (shell->sources[s].columns[c].slot == slot)
        return (RlcColumnKind)shell->sources[s].columns[c].kind;
  return RLC_EXTRA;
}

static double data_at(const Point *point, uint32_t slot, uint64_t i) {
  const RlcModule *shell = &point->module->shell;
  double u = uniform_at(point, slot, i, 2);
  uint32_t limit = point->limits[slot];
  if (limit > 0) return floor(u * limit);
  if (point->graph->slots[slot].type == RLC_I32) return u < 0.5;
  switch (column_kind(shell, slot)) {
  case RLC_TERMINATED:
  case RLC_TRUNCATED:
    return u < 0.2;
  case RLC_ACTION:
    if (shell->act_high > shell->act_low)
      return shell->act_low + (0.05 + 0.9 * u) * (shell->act_high - shell->act_low);
    return 2 * u - 1;
  case RLC_OBS:
  case RLC_NEXT_OBS:
  case RLC_REWARD:
    return normal_at(point, slot, i);
  case RLC_EXTRA:
    return 2 * u - 1;
  }
  return 0;
}

/* Values at the start of a run, moved where symmetry or zeros would hide mistakes. */
static double value_at(const Point *point, uint32_t slot, uint64_t i, bool written, double value) {
  switch (point->graph->slots[slot].kind) {
  case RLC_PARAMETER:
  case RLC_TARGET:
    return value + 0.02 * normal_at(point, slot, i);
  case RLC_OPTIMIZER:
  case RLC_STATE:
    return value;
  case RLC_COUNTER:
    return 1;
  case RLC_COLUMN:
  case RLC_METRIC:
  case RLC_RESULT:
    return written ? value : data_at(point, slot, i);
  }
  return value;
}

/* Runs the init program, if there is one, and reads what it writes. */
static void run_init(Arena *arena, const Point *point, double **values, bool *written) {
  uint32_t init = point->module->shell.init;
  if (init >= point->module->program_count) return;
  Interp *interp = interp_make(arena, point->module, init, false);
  interp_draws(interp, point->seed, 0);
  interp_run(interp);
  interp_store(interp);
  const Program *program = &point->module->programs[init];
  for (size_t i = 0; i < program->output_count; i++) {
    interp_get(interp, program->outputs[i].slot, values[program->outputs[i].slot]);
    written[program->outputs[i].slot] = true;
  }
}

double **gradcheck_point(Arena *arena, const Module *module, uint64_t seed) {
  const Graph *graph = module->graph;
  Point point = {.module = module, .graph = graph, .seed = seed};
  find_limits(arena, &point);
  double **values = NEW_ARRAY(arena, double *, graph->slot_count + 1);
  bool *written = NEW_ARRAY(arena, bool, graph->slot_count + 1);
  for (size_t s = 0; s < graph->slot_count; s++)
    values[s] = NEW_ARRAY(arena, double, axes_extent(graph, graph->slots[s].axes));
  run_init(arena, &point, values, written);
  for (uint32_t s = 0; s < graph->slot_count; s++) {
    uint64_t count = axes_extent(graph, graph->slots[s].axes);
    for (uint64_t i = 0; i < count; i++)
      values[s][i] = value_at(&point, s, i, written[s], values[s][i]);
  }
  return values;
}
