/* Dimensions, affine forms over them, and loops that merge dimensions. */
#include "codegen/lower/lower.h"

#include <string.h>

void nest_start(Nest *nest, Arena *arena, const Graph *graph, const Chunks *chunks) {
  memset(nest, 0, sizeof *nest);
  nest->arena = arena;
  nest->graph = graph;
  nest->chunks = chunks;
  nest->lane = nest->block = -1;
  if (chunks) nest_dim(nest, chunks->axis, chunks->count, chunks->rows);
}

uint32_t nest_extent(const Nest *nest, AxisId axis) {
  bool cut = nest->chunks && nest->chunks->axis == axis;
  return cut ? nest->chunks->rows : nest->graph->axes[axis].extent;
}

int nest_dim(Nest *nest, AxisId axis, uint32_t extent, uint32_t unit) {
  if (nest->dim_count == MAX_DIMS) bug("a kernel over more than %d axes", MAX_DIMS);
  nest->dims[nest->dim_count] = (Dim){axis, extent, unit};
  return nest->dim_count++;
}

Form nest_coordinate(const Nest *nest, AxisId axis) {
  Form form = {{0}};
  bool found = false;
  for (int d = 0; d < nest->dim_count; d++) {
    if (nest->dims[d].axis != axis) continue;
    form.by[d] = nest->dims[d].unit;
    found = true;
  }
  if (!found && nest->graph->axes[axis].extent != 1)
    bug("axis '%s' is not in the loops", nest->graph->axes[axis].label);
  return form;
}

void form_add(Form *form, const Form *other, int64_t factor) {
  for (int d = 0; d < MAX_DIMS; d++) form->by[d] += factor * other->by[d];
}

/* Does stepping through the pair (dim, dim + 1) as one counter change the form evenly? */
static bool form_is_even(const Nest *nest, const Form *form, int dim) {
  return form->by[dim] == form->by[dim + 1] * (int64_t)nest->dims[dim + 1].extent;
}

/* Chunks stay apart: they are what kernels share. */
static bool can_merge(const Nest *nest, int dim) {
  if (nest->chunks && dim == 0) return false;
  for (size_t i = 0; i < nest->form_count; i++)
    if (!form_is_even(nest, &nest->forms[i], dim)) return false;
  bool fills = nest->narrow && dim + 1 == nest->lane;
  for (size_t i = 0; i < nest->number_count && !fills; i++)
    if (!form_is_even(nest, &nest->numbers[i], dim)) return false;
  return true;
}

static const char *loop_name(const Nest *nest, int first, int last) {
  const char *name = "i";
  for (int d = first; d <= last; d++) {
    const Dim *dim = &nest->dims[d];
    if (d > first && dim->axis == nest->dims[d - 1].axis) continue;
    const char *label = name_identifier(nest->arena, nest->graph->axes[dim->axis].label);
    name = arena_printf(nest->arena, "%s_%s", name, label);
  }
  bool panel = first == last && first == nest->block && nest->panel;
  const char *part = nest->chunks && last == 0 ? "_chunk" : panel ? "_panel" : "";
  return arena_printf(nest->arena, "%s%s%d", name, part, nest->loop_count);
}

static void loop_append(Nest *nest, int first, int last) {
  NestLoop loop = {first, last, 1, 0, NULL};
  for (int d = first; d <= last; d++) loop.extent *= nest->dims[d].extent;
  loop.var = var_make(nest->arena, loop_name(nest, first, last), VALUE_INDEX, 1);
  nest->loops[nest->loop_count++] = loop;
}

void nest_merge(Nest *nest, int from, int to) {
  for (int first = from; first < to;) {
    int last = first;
    while (last + 1 < to && can_merge(nest, last)) last++;
    loop_append(nest, first, last);
    first = last + 1;
  }
}

void nest_loops(Nest *nest, int from, int to) {
  for (int d = from; d < to; d++) loop_append(nest, d, d);
}

/* A form within one loop: even steps, or the counter taken apart. */
static Term *loop_term(Nest *nest, const NestLoop *loop, const Form *form) {
  Arena *arena = nest->arena;
  Term *counter = term_var(arena, loop->var);
  bool even = true;
  for (int d = loop->first; d < loop->last; d++) even = even && form_is_even(nest, form, d);
  if (even) return term_mul(arena, counter, form->by[loop->last]);
  Term *sum = term_int(arena, 0);
  int64_t inner = 1;
  for (int d = loop->last; d >= loop->first; d--) {
    Term *part = term_div(arena, counter, inner);
    if (d > loop->first) part = term_mod(arena, part, nest->dims[d].extent);
    sum = term_add(arena, term_mul(arena, part, form->by[d]), sum);
    inner *= nest->dims[d].extent;
  }
  return sum;
}

static Term *form_term(Nest *nest, const Form *form) {
  Term *sum = term_int(nest->arena, 0);
  for (int i = 0; i < nest->loop_count; i++)
    sum = term_add(nest->arena, sum, loop_term(nest, &nest->loops[i], form));
  return sum;
}

Term *nest_term(Nest *nest, const Form *form) {
  if (!nest->loop_count)
    PUSH(nest->arena, nest->forms, nest->form_count, nest->form_capacity, *form);
  return form_term(nest, form);
}

Term *nest_number(Nest *nest, const Form *form) {
  if (!nest->loop_count)
    PUSH(nest->arena, nest->numbers, nest->number_count, nest->number_capacity, *form);
  return form_term(nest, form);
}

int nest_level(const Nest *nest, const Form *form) {
  int level = 0;
  for (int i = 0; i < nest->loop_count; i++)
    for (int d = nest->loops[i].first; d <= nest->loops[i].last; d++)
      if (form->by[d] && nest->loops[i].level > level) level = nest->loops[i].level;
  return level;
}
