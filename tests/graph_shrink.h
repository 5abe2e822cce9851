/* The smallest module that still fails: outputs are dropped, nodes replaced by inputs, numbers or
 * their own arguments, axes cut, as long as it goes on failing. */
#ifndef RLC_TESTS_GRAPH_SHRINK_H
#define RLC_TESTS_GRAPH_SHRINK_H

#include "ir/shape.h"
#include "tests/graph_trial.h"

#include <sys/wait.h>
#include <unistd.h>

/* One change of a module. */
typedef enum EditKind {
  EDIT_NOTHING,
  EDIT_OUTPUT,   /* drop output `at` */
  EDIT_ARGUMENT, /* node `at` becomes its argument `with` */
  EDIT_INPUT,    /* node `at` becomes an input */
  EDIT_ONE,      /* node `at` becomes the number 1 */
  EDIT_AXIS      /* axis `at` gets extent `with` */
} EditKind;

typedef struct Edit {
  EditKind kind;
  uint32_t at, with;
} Edit;

typedef struct Copy {
  const Module *from;
  Module *to;
  Edit edit;
  AxisId axis[MAX_AXES]; /* of the copy, by axis */
  bool has_axis[MAX_AXES];
  uint32_t *slot; /* of the copy + 1, by slot */
  Node **node;    /* of the copy, by id */
} Copy;

/* ---- copying ---- */

static inline void copy_axes(Copy *c, Axes used) {
  unsigned cursor = 0;
  Graph *to = c->to->graph;
  for (AxisId x; axes_next(used, &cursor, &x);) {
    Axis axis = c->from->graph->axes[x];
    if (c->edit.kind == EDIT_AXIS && c->edit.at == x) axis.extent = c->edit.with;
    c->axis[x] = (AxisId)to->axis_count;
    c->has_axis[x] = true;
    to->axes[to->axis_count++] = axis;
  }
}

static inline Axes copy_set(const Copy *c, Axes axes) {
  unsigned cursor = 0;
  Axes set = axes_none();
  for (AxisId x; axes_next(axes, &cursor, &x);) set = axes_union(set, axes_one(c->axis[x]));
  return set;
}

static inline uint32_t copy_slot(Copy *c, uint32_t slot) {
  Slot like = c->from->graph->slots[slot];
  if (!c->slot[slot])
    c->slot[slot] = 1 + graph_slot(c->to->graph, like.name, like.kind, like.type,
                                   copy_set(c, like.axes), NOWHERE);
  return c->slot[slot] - 1;
}

static inline Attr copy_attr(Copy *c, const Node *node) {
  unsigned fields = attr_fields((OpCode)node->op);
  Attr attr = node->attr;
  attr.axes = copy_set(c, attr.axes);
  if (fields & ATTR_AXIS) attr.axis = c->axis[attr.axis];
  if (fields & ATTR_TO) attr.to = c->axis[attr.to];
  return attr;
}

/* A constant vector on the axis as it is now; positions stay within what they had. */
static inline Node *copy_table(Copy *c, const Node *node) {
  AxisId axis = c->axis[node->attr.axis];
  const Table *table = &c->from->graph->tables[node->attr.key];
  uint32_t extent = c->to->graph->axes[axis].extent;
  double *values = NEW_ARRAY(c->to->graph->arena, double, extent);
  for (uint32_t i = 0; i < extent; i++) values[i] = table->values[i % table->count];
  return node_table(c->to->graph, axis, values);
}

static inline Node *copy_as_input(Copy *c, const Node *node) {
  Graph *to = c->to->graph;
  const char *name = arena_printf(to->arena, "cut%u", node->id);
  return node_input(to, graph_slot(to, name, RLC_COLUMN, node->integer ? RLC_I32 : RLC_F32,
                                   copy_set(c, node->axes), NOWHERE));
}

static inline Node *copy_node(Copy *c, const Node *node) {
  Graph *to = c->to->graph;
  Node *src[3] = {NULL, NULL, NULL};
  bool here = node->id == c->edit.at;
  for (int i = 0; i < 3 && node->src[i]; i++) src[i] = c->node[node->src[i]->id];
  if (here && c->edit.kind == EDIT_ARGUMENT) return src[c->edit.with];
  if (here && c->edit.kind == EDIT_INPUT) return copy_as_input(c, node);
  if (here && c->edit.kind == EDIT_ONE) return node_const(to, 1);
  if (node->op == OP_table) return copy_table(c, node);
  if (node->op == OP_input) return node_input(to, copy_slot(c, (uint32_t)node->attr.key));
  Node probe = {.op = node->op, .attr = copy_attr(c, node)};
  if (!node->src[0]) return node_make(to, (OpCode)node->op, probe.attr, NULL, NULL, NULL);
  return node_with(to, &probe, src[0], src[1], src[2]);
}

/* The axes that programs, their slots and nodes have. */
static inline Axes copy_used(const Module *from, Node *const *nodes, size_t count) {
  Axes used = axes_none();
  for (size_t i = 0; i < count; i++) {
    unsigned fields = attr_fields((OpCode)nodes[i]->op);
    used = axes_union(axes_union(used, nodes[i]->axes), nodes[i]->attr.axes);
    if (fields & ATTR_AXIS) used = axes_union(used, axes_one(nodes[i]->attr.axis));
    if (fields & ATTR_TO) used = axes_union(used, axes_one(nodes[i]->attr.to));
  }
  for (size_t p = 0; p < from->program_count; p++)
    for (size_t i = 0; i < from->programs[p].output_count; i++)
      used = axes_union(used, from->graph->slots[from->programs[p].outputs[i].slot].axes);
  return used;
}

/* The module after an edit, with nothing that it does not use. What cannot be is a bug of the
 * builders or does not verify: to be called where that does no harm. */
static inline Module *module_edit(Arena *arena, const Module *from, Edit edit) {
  Copy c = {.from = from, .to = fixture_module(arena), .edit = edit};
  Node **nodes;
  size_t count = module_reach(from, NULL, arena, &nodes);
  c.slot = NEW_ARRAY(arena, uint32_t, from->graph->slot_count + 1);
  c.node = NEW_ARRAY(arena, Node *, from->graph->node_count + 1);
  c.to->graph->marks = from->graph->marks;
  copy_axes(&c, copy_used(from, nodes, count));
  for (size_t i = 0; i < count; i++) c.node[nodes[i]->id] = copy_node(&c, nodes[i]);
  for (size_t p = 0; p < from->program_count; p++) {
    const Program *program = &from->programs[p];
    size_t made = fixture_program(c.to, program->name);
    for (size_t i = 0; i < program->output_count; i++)
      if (edit.kind != EDIT_OUTPUT || edit.at != i)
        fixture_output(c.to, made, copy_slot(&c, program->outputs[i].slot),
                       c.node[program->outputs[i].node->id]);
  }
  return c.to;
}

/* The module with one of its programs. */
static inline Module *module_program(Arena *arena, const Module *from, size_t p) {
  Module one = *from;
  one.programs = &from->programs[p];
  one.program_count = 1;
  return module_edit(arena, &one, (Edit){EDIT_NOTHING, 0, 0});
}

/* ---- trials in a process of their own ---- */

typedef enum TrialResult { TRIAL_AGREES, TRIAL_DIFFERS, TRIAL_CRASHES, TRIAL_IS_NONE } TrialResult;

typedef struct Trial {
  const Module *module;
  Edit edit;
  const Plan *plans;
  size_t count;
} Trial;

/* Runs in the child: its exit status. Before anything can go wrong that counts, a line says that
 * there is a module. */
static inline int trial_run(const Trial *trial) {
  Arena *arena = arena_make();
  Module *module = module_edit(arena, trial->module, trial->edit);
  const char *wrong = ir_verify(module, arena, NULL);
  Why why = {""};
  if (wrong) return TRIAL_IS_NONE;
  fprintf(stderr, "made\n");
  bool agrees = text_agrees(module_text(arena, module), trial->plans, trial->count, &why);
  if (!agrees) fprintf(stderr, "%s\n", why.text);
  return agrees ? TRIAL_AGREES : TRIAL_DIFFERS;
}

/* `why` gets what the child said. */
static inline TrialResult trial(const Trial *trial, Why *why) {
  int ends[2], status = 0;
  char said[4096];
  size_t length = 0;
  ck_assert_int_eq(pipe(ends), 0);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]), close(ends[1]);
    alarm(600); /* something hangs */
    _exit(trial_run(trial));
  }
  close(ends[1]);
  for (ssize_t n; (n = read(ends[0], said + length, sizeof said - 1 - length)) > 0;)
    length += (size_t)n;
  said[length] = 0;
  close(ends[0]);
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  if (strncmp(said, "made\n", 5) != 0) return TRIAL_IS_NONE;
  snprintf(why->text, sizeof why->text, "%.500s", said + 5);
  if (!WIFEXITED(status) || WEXITSTATUS(status) > TRIAL_IS_NONE) return TRIAL_CRASHES;
  return (TrialResult)WEXITSTATUS(status);
}

/* ---- shrinking ---- */

typedef struct Shrink {
  Arena *arena;
  Module *module; /* the smallest so far */
  const Plan *plans;
  size_t count;
  TrialResult result;
  Why why;
  uint32_t left; /* trials that may be made yet */
} Shrink;

/* Whether it still fails in the same way after the edit; it is then made. */
static inline bool shrink_by(Shrink *s, Edit edit) {
  Why why;
  Trial t = {s->module, edit, s->plans, s->count};
  if (s->left == 0) return false;
  s->left--;
  if (trial(&t, &why) != s->result) return false;
  s->module = module_edit(s->arena, s->module, edit);
  s->why = why;
  return true;
}

static inline bool shrink_outputs(Shrink *s) {
  bool changed = false;
  for (size_t i = s->module->programs[0].output_count; i-- > 0;)
    if (s->module->programs[0].output_count > 1)
      changed = shrink_by(s, (Edit){EDIT_OUTPUT, (uint32_t)i, 0}) || changed;
  return changed;
}

/* Tries to do without a node; every success makes another module, with other numbers. */
static inline bool shrink_node(Shrink *s, const Node *node) {
  if (node->op == OP_input || node->op == OP_const) return false;
  uint32_t id = node->id;
  for (uint32_t i = 0; i < 3 && node->src[i]; i++)
    if (node->src[i]->integer == node->integer && axes_within(node->src[i]->axes, node->axes) &&
        shrink_by(s, (Edit){EDIT_ARGUMENT, id, i}))
      return true;
  if (!node->integer && shrink_by(s, (Edit){EDIT_ONE, id, 0})) return true;
  return node->op != OP_mark && node->op != OP_table && shrink_by(s, (Edit){EDIT_INPUT, id, 0});
}

static inline bool shrink_nodes(Shrink *s) {
  bool changed = false;
  for (uint32_t id = (uint32_t)s->module->graph->node_count; id-- > 0;)
    if (id < s->module->graph->node_count)
      changed = shrink_node(s, s->module->graph->nodes[id]) || changed;
  return changed;
}

/* Whether positions along the axis may be what an input says: below 3. */
static inline bool axis_is_looked_up(const Module *module, AxisId axis) {
  for (size_t i = 0; i < module->graph->node_count; i++) {
    const Node *node = module->graph->nodes[i];
    bool picks = node->op == OP_gather || node->op == OP_scatter;
    if (picks && node->attr.axis == axis) return true;
  }
  return false;
}

static inline bool shrink_axes(Shrink *s) {
  bool changed = false;
  for (uint32_t x = 0; x < s->module->graph->axis_count; x++) {
    uint32_t least = axis_is_looked_up(s->module, (AxisId)x) ? 3 : 1;
    for (uint32_t extent = least; extent < s->module->graph->axes[x].extent;
         extent += 1 + extent / 2)
      if (shrink_by(s, (Edit){EDIT_AXIS, x, extent})) {
        changed = true;
        break;
      }
  }
  return changed;
}

/* The smallest failing module that `trials` attempts find; `why` is what it says. */
static inline Module *module_shrink(Arena *arena, Module *module, const Plan *plans, size_t count,
                                    uint32_t trials, TrialResult result, Why *why) {
  Shrink s = {arena, module, plans, count, result, *why, trials};
  for (bool changed = true; changed && s.left > 0;) {
    changed = shrink_outputs(&s);
    changed = shrink_nodes(&s) || changed;
    changed = shrink_axes(&s) || changed;
  }
  *why = s.why;
  return s.module;
}

#endif
