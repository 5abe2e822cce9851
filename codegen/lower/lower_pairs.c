/* Rounding to pairs of bfloat16: vectors of the working precision in, vectors of pairs out.
 *
 * Pairs along the innermost axis are what two vectors hold one behind the other; pairs along
 * another axis are of two rows, lane by lane. Vectors run into the padding of panels on both sides.
 * Repacking with another axis innermost, where a contraction needs it, moves whole pairs. */
#include "codegen/lower/lower.h"

typedef struct Rounder {
  Lower lower;
  Nest nest;
  View from, to;
  AxisId paired, last;
  uint32_t width;
  int panels; /* dimension */
} Rounder;

/* One dimension per axis, in pairs where such stand; of the last axis one per panel, before the
 * rows that lie in it one behind the other. */
static void round_nest(Rounder *r, const Schedule *s, Kernel *kernel) {
  const Layout *to = &r->to.layout;
  Nest *nest = &r->nest;
  nest_start(nest, s->arena, s->code->module->graph, kernel->chunks);
  for (int i = 0; i < to->rank; i++) {
    if (i == to->rank - 2 || to->rank == 1) {
      r->panels = nest->dim_count;
      nest_dim(nest, r->last, layout_blocks(to), to->panel);
    }
    if (i == to->rank - 1) break;
    uint32_t extent = to->axis[i] == r->paired ? to->extent[i] : nest_extent(nest, to->axis[i]);
    nest_dim(nest, to->axis[i], extent, 1);
  }
  nest_loops(nest, 0, nest->dim_count);
}

/* Where the panel at the nest's coordinates begins; `scale`: elements for one along the paired
 * axis. */
static Term *panel_begin(Rounder *r, const View *view, int64_t scale) {
  const Layout *layout = &view->layout;
  const Nest *nest = &r->nest;
  Form form = {{0}};
  for (int i = 0; i < layout->rank - 1; i++) {
    Form coordinate = nest_coordinate(nest, layout->axis[i]);
    if (layout->chunk) coordinate.by[0] = 0;
    int64_t step = (int64_t)layout->stride[i];
    form_add(&form, &coordinate, layout->axis[i] == r->paired ? step * scale : step);
  }
  form.by[r->panels] += (int64_t)layout->block;
  return nest_term(&r->nest, &form);
}

static Term *vector_at(Rounder *r, Term *base, uint64_t offset) {
  Arena *arena = r->lower.arena;
  Term *index = term_add(arena, base, term_int(arena, (int64_t)offset));
  return term_load(arena, r->from.buffer, r->from.buffer->type, index, r->width);
}

void lower_pairs(const Schedule *s, Kernel *kernel) {
  Rounder *r = NEW(s->arena, Rounder);
  const Root *root = &kernel->roots[0];
  r->from = node_view(s, root->node->src[0]);
  r->to = (View){root->buffer, root->buffer->layout};
  const Layout *from = &r->from.layout, *to = &r->to.layout;
  r->paired = root->node->attr.axis;
  r->last = to->axis[to->rank - 1];
  r->width = s->code->options.lanes;
  round_nest(r, s, kernel);
  r->lower = lower_start(s, kernel, &r->nest);
  Lower *lower = &r->lower;
  int loops = r->nest.loop_count, items = shape_item_loops(&r->lower, loops);
  int level = loops - items; /* of the body */
  lower_restart(lower, level + 1);
  shape_levels(&r->nest, items, loops, 1);
  shape_items(lower, items, 1);
  place_add(lower, r->from.buffer, false);
  place_add(lower, r->to.buffer, true);
  bool along = r->paired == r->last;
  Term *in = lower_let(lower, "base_in", panel_begin(r, &r->from, 2), level);
  Term *out = lower_let(lower, "base_out", panel_begin(r, &r->to, 1), level);
  uint64_t second = along ? r->width : from->stride[layout_find(from, r->paired)];
  for (uint32_t at = 0; at < to->panel; at += r->width) {
    uint64_t first = along ? 2 * at : at;
    Term *x = vector_at(r, in, first), *y = vector_at(r, in, first + second);
    Term *index = term_add(s->arena, out, term_int(s->arena, (int64_t)at));
    store_add(s->arena, lower->blocks[level], r->to.buffer, index,
              term_pairs(s->arena, x, y, along));
  }
  shape_link(lower, items, loops);
  kernel->body = lower->blocks[0];
}
