/* Values inside a nest: every inlined node becomes one variable, at the outermost block where it is
 * known. */
#include "codegen/lower/lower.h"

#include <string.h>

Lower lower_start(const Schedule *s, Kernel *kernel, Nest *nest) {
  Lower lower = {.s = s, .arena = s->arena, .kernel = kernel, .nest = nest};
  lower_restart(&lower, 1);
  return lower;
}

void lower_restart(Lower *lower, int levels) {
  lower->stamp = ++*lower->s->stamp;
  for (int i = 0; i < levels; i++) lower->blocks[i] = block_make(lower->arena);
}

void lower_remember(Lower *lower, const Node *node, Term *term, int level) {
  lower->s->memo[node->id] = (Value){term, level, lower->stamp};
}

Term *lower_let(Lower *lower, const char *name, Term *value, int level) {
  if (value->kind == TERM_VAR || value->kind == TERM_REAL || value->kind == TERM_INT) return value;
  const Var *var = var_make(lower->arena, name, value->type, value->width);
  let_add(lower->arena, lower->blocks[level], var, value);
  return term_var(lower->arena, var);
}

void place_add(Lower *lower, Buffer *buffer, bool writes) {
  Kernel *kernel = lower->kernel;
  size_t i = 0;
  while (i < kernel->place_count && kernel->places[i].buffer != buffer) i++;
  if (i == kernel->place_count) {
    Place place = {buffer, false, false};
    PUSH(lower->arena, kernel->places, kernel->place_count, kernel->place_capacity, place);
  }
  if (writes)
    kernel->places[i].writes = true;
  else
    kernel->places[i].reads = true;
}

/* ---- indices ---- */

/* A coordinate other than the nest's: the position that a gather reads. */
typedef struct Moved {
  AxisId axis;
  Term *term;
  int level;
  bool in_lanes; /* each lane has a position of its own */
} Moved;

/* What a gather of a gather reads has two such coordinates. */
typedef struct Moves {
  Moved at[2];
  int count;
} Moves;

static const Moved *move_along(const Moves *moves, AxisId axis) {
  for (int i = 0; i < moves->count; i++)
    if (moves->at[i].axis == axis) return &moves->at[i];
  return NULL;
}

static int max_int(int a, int b) { return a > b ? a : b; }

static bool form_in_lanes(const Nest *nest, const Form *form) {
  return nest->lane >= 0 && form->by[nest->lane] != 0;
}

static Term *panel_term(Arena *arena, Term *coordinate, const Layout *layout) {
  Term *panel = term_div(arena, coordinate, layout->panel);
  Term *lane = term_mod(arena, coordinate, layout->panel);
  return term_add(arena, term_mul(arena, panel, (int64_t)layout->block), lane);
}

/* The coordinate along an axis of a layout: within the chunk where only that lies there. */
static Form coordinate_in(const Nest *nest, const Layout *layout, AxisId axis) {
  Form form = nest_coordinate(nest, axis);
  if (layout->chunk) form.by[0] = 0;
  return form;
}

/* Are the panels of the last axis apart from each other, so that a coordinate must be taken apart?
 */
static bool panels_apart(const Layout *layout) {
  return layout->panel && layout_blocks(layout) > 1 && layout->block != layout->panel;
}

/* Adds the last axis of a layout with separate panels to an index. Returns the level. */
static int index_panel(Lower *lower, const Layout *layout, Form *form, Term **rest) {
  Nest *nest = lower->nest;
  AxisId axis = layout->axis[layout->rank - 1];
  bool chunks = nest->chunks && nest->chunks->axis == axis;
  if (nest->panel == layout->panel && nest->split == axis && (nest->block >= 0 || chunks)) {
    if (chunks && !layout->chunk)
      form->by[0] += (int64_t)(layout->block * (nest->chunks->rows / nest->panel));
    if (nest->block >= 0) form->by[nest->block] += (int64_t)layout->block;
    form->by[nest->lane] += 1;
    return 0;
  }
  Form coordinate = coordinate_in(nest, layout, axis);
  Term *term = nest_term(nest, &coordinate);
  if (form_in_lanes(nest, &coordinate)) {
    nest->strided++;
    nest->unsafe = true;
  }
  *rest = term_add(lower->arena, *rest, panel_term(lower->arena, term, layout));
  return nest_level(nest, &coordinate);
}

/* Only the last, panelled axis of a layout may run into the padding, in panels of equal width. */
static void check_lanes(Nest *nest, const Layout *layout, const Form *form) {
  if (!form_in_lanes(nest, form)) return;
  if (form->by[nest->lane] != 1) nest->strided++;
  bool padded = layout->panel && nest->panel == layout->panel &&
                layout->axis[layout->rank - 1] == nest->split && form->by[nest->lane] == 1;
  if (!padded) nest->unsafe = true;
}

static Value index_of(Lower *lower, const Layout *layout, const Moves *moves) {
  Arena *arena = lower->arena;
  Nest *nest = lower->nest;
  Form form = {{0}};
  Term *rest = term_int(arena, 0);
  int level = 0;
  for (int i = 0; i < layout->rank; i++) {
    bool last = i == layout->rank - 1, apart = last && panels_apart(layout);
    const Moved *moved = move_along(moves, layout->axis[i]);
    if (moved) {
      Term *term = apart ? panel_term(arena, moved->term, layout)
                         : term_mul(arena, moved->term, (int64_t)layout->stride[i]);
      rest = term_add(arena, rest, term);
      level = max_int(level, moved->level);
      nest->strided += moved->in_lanes;
      nest->unsafe = nest->unsafe || moved->in_lanes;
    } else if (apart) {
      level = max_int(level, index_panel(lower, layout, &form, &rest));
    } else {
      Form coordinate = coordinate_in(nest, layout, layout->axis[i]);
      form_add(&form, &coordinate, (int64_t)layout->stride[i]);
    }
  }
  check_lanes(nest, layout, &form);
  level = max_int(level, nest_level(nest, &form));
  return (Value){term_add(arena, nest_term(nest, &form), rest), level, 0};
}

Value lower_index(Lower *lower, const View *view) {
  return index_of(lower, &view->layout, &(Moves){.count = 0});
}

Value lower_index_at(Lower *lower, const View *view, AxisId axis, Term *term, int level) {
  return index_of(lower, &view->layout, &(Moves){{{axis, term, level, true}}, 1});
}

static Value load_at(Lower *lower, const View *view, Value index) {
  place_add(lower, view->buffer, false);
  index.term = term_load(lower->arena, view->buffer, view->buffer->type, index.term, 1);
  return index;
}

Value lower_load(Lower *lower, const View *view) {
  return load_at(lower, view, lower_index(lower, view));
}

/* ---- values ---- */

static Moved moved_by(Lower *lower, const Node *gather) {
  const Nest *nest = lower->nest;
  Node *positions = gather->src[1];
  Value index = lower_value(lower, positions);
  bool in_lanes = nest->lane >= 0 && axes_has(positions->axes, nest->dims[nest->lane].axis);
  return (Moved){gather->attr.axis, term_cast(lower->arena, index.term, VALUE_INDEX), index.level,
                 in_lanes};
}

Value lower_gathered(Lower *lower, Node *node, View *view) {
  Moves moves = {{moved_by(lower, node)}, 1};
  Node *from = node->src[0];
  if (!node_is_addressable(lower->s, from)) {
    moves.at[moves.count++] = moved_by(lower, from);
    from = from->src[0];
  }
  *view = node_view(lower->s, from);
  return index_of(lower, &view->layout, &moves);
}

static Value value_gather(Lower *lower, Node *node) {
  View view;
  Value index = lower_gathered(lower, node, &view);
  return load_at(lower, &view, index);
}

/* One-hot times value: the sum over bound axes, if any, is the kernel's. */
Value lower_scatter(Lower *lower, Node *node) {
  Arena *arena = lower->arena;
  Value value = lower_value(lower, node->src[0]), index = lower_value(lower, node->src[1]);
  Form here = nest_coordinate(lower->nest, node->attr.axis);
  Term *position = term_cast(arena, nest_term(lower->nest, &here), VALUE_I32);
  Term *hit =
      term_apply(arena, OP_eq, VALUE_I32, term_cast(arena, index.term, VALUE_I32), position, NULL);
  int level = max_int(index.level, nest_level(lower->nest, &here));
  hit = lower_let(lower, arena_printf(arena, "hit%u", node->id), hit, level);
  ValueType type = node_value_type(lower->s->code, node);
  Term *term = term_apply(arena, OP_where, type, hit, term_cast(arena, value.term, type),
                          term_real(arena, type, 0));
  return (Value){term, max_int(level, value.level), 0};
}

static Value value_uniform(Lower *lower, Node *node) {
  AxisId order[MAX_AXES];
  const Graph *graph = lower->nest->graph;
  int rank = axes_draw_order(graph, node->attr.axes, order);
  Form element = {{0}};
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    Form coordinate = nest_coordinate(lower->nest, order[i]);
    form_add(&element, &coordinate, stride);
    stride *= graph->axes[order[i]].extent;
  }
  Term *term = nest_number(lower->nest, &element);
  return (Value){term_uniform(lower->arena, node->attr.key, node->attr.word, term,
                              node_value_type(lower->s->code, node)),
                 nest_level(lower->nest, &element), 0};
}

/* 1 where x is not 0: what a choice between whole numbers asks, for which x need not be whole. */
static Term *truth(Lower *lower, Term *x) {
  if (x->type == VALUE_I32) return x;
  Arena *arena = lower->arena;
  Term *none = term_apply(arena, OP_eq, x->type, x, term_real(arena, x->type, 0), NULL);
  Term *one = term_real(arena, VALUE_I32, 1);
  return term_apply(arena, OP_sub, VALUE_I32, one, term_cast(arena, none, VALUE_I32), NULL);
}

static Value value_elementwise(Lower *lower, Node *node) {
  ValueType type = node_value_type(lower->s->code, node);
  Term *src[3] = {NULL, NULL, NULL};
  int level = 0;
  for (int i = 0; i < 3 && node->src[i]; i++) {
    Value argument = lower_value(lower, node->src[i]);
    bool asks = node->op == OP_where && i == 0 && type == VALUE_I32;
    src[i] = asks ? truth(lower, argument.term) : term_cast(lower->arena, argument.term, type);
    level = max_int(level, argument.level);
  }
  return (Value){term_apply(lower->arena, (OpCode)node->op, type, src[0], src[1], src[2]), level,
                 0};
}

static Value value_fresh(Lower *lower, Node *node) {
  switch ((OpCode)node->op) {
  case OP_const:
    return (Value){term_real(lower->arena, VALUE_F64, node->attr.value), 0, 0};
  case OP_gather:
    return value_gather(lower, node);
  case OP_scatter:
    return lower_scatter(lower, node);
  case OP_uniform:
    return value_uniform(lower, node);
  case OP_bf16:
  case OP_tf32:
    return value_elementwise(lower, node);
  case OP_input: {
    Buffer *buffer = lower->s->code->slots[node->attr.key];
    return lower_load(lower, &(View){buffer, buffer->layout});
  }
  default:
    if (op_of(node)->shaped) bug("%s stands inside an expression", op_of(node)->name);
    return value_elementwise(lower, node);
  }
}

static Value finish(Lower *lower, Node *node, Value value) {
  if (node->op != OP_const) {
    Term *term = term_cast(lower->arena, value.term, node_value_type(lower->s->code, node));
    value.term = lower_let(lower, arena_printf(lower->arena, "v%u", node->id), term, value.level);
  }
  lower_remember(lower, node, value.term, value.level);
  return value;
}

/* A kept table is read as what it is. */
static Value load_table(Lower *lower, Node *node) {
  bool kept = lower->s->kept[node->id];
  lower->s->kept[node->id] = false;
  View view = node_view(lower->s, node);
  lower->s->kept[node->id] = kept;
  return lower_load(lower, &view);
}

Value lower_compute(Lower *lower, Node *node) {
  const Value *memo = &lower->s->memo[node->id];
  if (memo->stamp == lower->stamp) return *memo;
  if (node->op == OP_table) return finish(lower, node, load_table(lower, node));
  if (node->op == OP_rename) {
    View view = node_view(lower->s, node->src[0]);
    view.layout.axis[layout_find(&view.layout, node->attr.axis)] = node->attr.to;
    return finish(lower, node, lower_load(lower, &view));
  }
  return finish(lower, node, value_fresh(lower, node));
}

Value lower_value(Lower *lower, Node *node) {
  const Value *memo = &lower->s->memo[node->id];
  if (memo->stamp == lower->stamp) return *memo;
  bool own = lower->s->kept[node->id] && lower->s->kernel[node->id] == lower->kernel;
  if (own || !node_is_addressable(lower->s, node)) return lower_compute(lower, node);
  View view = node_view(lower->s, node);
  return finish(lower, node, lower_load(lower, &view));
}

Value lower_root(Lower *lower, const Root *root) {
  if (root->from) return lower_load(lower, &(View){root->from, root->from->layout});
  return root->copy ? lower_value(lower, root->node) : lower_compute(lower, root->node);
}

/* A number as the nearest whole one, halves upwards. */
static Term *rounded(Lower *lower, const char *name, Term *x, int level) {
  Arena *arena = lower->arena;
  x = lower_let(lower, arena_printf(arena, "exact_%s", name), x, level);
  Term *floor = term_apply(arena, OP_floor, x->type, x, NULL, NULL);
  floor = lower_let(lower, arena_printf(arena, "floor_%s", name), floor, level);
  Term *rest = term_apply(arena, OP_sub, x->type, x, floor, NULL);
  Term *half = term_real(arena, x->type, 0.5);
  Term *up = term_cast(arena, term_apply(arena, OP_le, x->type, half, rest, NULL), VALUE_I32);
  return term_apply(arena, OP_add, VALUE_I32, term_cast(arena, floor, VALUE_I32), up, NULL);
}

void lower_store(Lower *lower, const Root *root, Term *value, int level) {
  if (!root->buffer) return;
  Value index = lower_index(lower, &(View){root->buffer, root->buffer->layout});
  bool rounds = root->buffer->type == VALUE_I32 &&
                (value->type == VALUE_F32 || value->type == VALUE_F64) && value->kind != TERM_REAL;
  if (rounds) value = rounded(lower, root->buffer->name, value, level);
  place_add(lower, root->buffer, true);
  store_add(lower->arena, lower->blocks[level], root->buffer, index.term,
            term_cast(lower->arena, value, root->buffer->type));
}

double lower_cost(const Schedule *s, const Kernel *kernel) {
  double elements = (double)axes_extent(s->code->module->graph, kernel->iteration);
  return elements * (double)(kernel->root_count + kernel->place_count);
}

void lower_kernel(const Schedule *s, Kernel *kernel) {
  switch (kernel->kind) {
  case KERNEL_MAP:
  case KERNEL_REPACK:
    lower_map(s, kernel);
    break;
  case KERNEL_PAIRS:
    lower_pairs(s, kernel);
    break;
  case KERNEL_REDUCE:
    lower_reduce(s, kernel);
    break;
  case KERNEL_ORDER:
    lower_order(s, kernel);
    break;
  case KERNEL_SCAN:
    lower_scan(s, kernel);
    break;
  case KERNEL_ORTHONORMAL:
    lower_orthonormal(s, kernel);
    break;
  case KERNEL_BUCKET:
    lower_bucket(s, kernel);
    break;
  case KERNEL_CONTRACT:
    lower_contract(s, kernel);
    break;
  }
}
