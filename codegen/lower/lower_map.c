/* Maps: elementwise values over common axes, each stored at its element. Also copies and repacking.
 */
#include "codegen/lower/lower.h"

/* Lanes per item where everything merges into one long loop: a divisor of the length if there is
 * one, so that bounds stay constant. */
static uint64_t chunk_length(const Schedule *s, uint64_t length) {
  uint64_t most = s->code->device ? 128 : 2048;
  if (length <= most) return length;
  for (uint64_t chunk = most; chunk >= most / 4; chunk -= 32)
    if (length % chunk == 0) return chunk;
  return most / 2;
}

static void map_dry(Lower *lower) {
  for (size_t i = 0; i < lower->kernel->root_count; i++) {
    const Root *root = &lower->kernel->roots[i];
    Value value = lower_root(lower, root);
    lower_store(lower, root, value.term, 0);
  }
}

/* All values, then all stores: an element of a slot may be read and overwritten in one go. */
static void map_body(Lower *lower, int level) {
  const Kernel *kernel = lower->kernel;
  Term **terms = NEW_ARRAY(lower->arena, Term *, kernel->root_count);
  for (size_t i = 0; i < kernel->root_count; i++) {
    Value value = lower_root(lower, &kernel->roots[i]);
    const char *name = arena_printf(lower->arena, "result%u", (unsigned)i);
    terms[i] = lower_let(lower, name, value.term, value.level);
  }
  for (size_t i = 0; i < kernel->root_count; i++)
    lower_store(lower, &kernel->roots[i], terms[i], level);
}

/* The lane loop, in chunks where it is long. */
static void map_lanes(Lower *lower, Term *chunk, uint64_t length) {
  Arena *arena = lower->arena;
  const NestLoop *lane = &lower->nest->loops[lower->nest->loop_count - 1];
  Term *lo = term_int(arena, 0), *hi = shape_lane_bound(lower);
  if (length < lane->extent) {
    lo = term_mul(arena, chunk, (int64_t)length);
    Term *end = term_add(arena, lo, term_int(arena, (int64_t)length));
    hi = lane->extent % length ? term_min(arena, hi, end) : end;
  }
  loop_link(arena, lower->blocks[lane->level - 1], LOOP_LANES, lane->var, lo, hi,
            lower->blocks[lane->level]);
}

void lower_map(const Schedule *s, Kernel *kernel) {
  if (kernel->kind == KERNEL_REPACK && lower_repack(s, kernel)) return;
  Nest nest;
  nest_start(&nest, s->arena, s->code->module->graph, kernel->chunks);
  Lower lower = lower_start(s, kernel, &nest);
  AxisId order[MAX_AXES];
  int rank = axes_order(nest.graph, kernel->iteration, order);
  int preferred = rank ? order[rank - 1] : -1;
  if (kernel->kind == KERNEL_REPACK)
    preferred = kernel->roots[0].buffer->layout.axis[kernel->roots[0].buffer->layout.rank - 1];
  shape_nest(&lower, kernel->iteration, axes_none(), kernel->iteration, preferred, map_dry);
  nest_merge(&nest, 0, nest.ragged ? nest.dim_count - 1 : nest.dim_count);
  if (nest.ragged) nest_loops(&nest, nest.dim_count - 1, nest.dim_count);

  int outer = nest.loop_count - (nest.lane >= 0), items = shape_item_loops(&lower, outer);
  uint64_t length = nest.lane >= 0 ? nest.loops[outer].extent : 1;
  uint64_t chunk_lanes = chunk_length(s, length), chunks = (length + chunk_lanes - 1) / chunk_lanes;
  shape_levels(&nest, items, nest.loop_count, 1);
  int levels = nest.loop_count - items;
  lower_restart(&lower, levels + 1);
  Term *chunk = shape_items(&lower, items, chunks);
  map_body(&lower, levels);
  if (nest.lane >= 0) map_lanes(&lower, chunk, chunk_lanes);
  shape_link(&lower, items, outer);
  kernel->body = lower.blocks[0];
}
