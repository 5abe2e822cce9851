/* The text form of a module: axes, tables, slots, nodes that programs reach, programs; one item a
 * line, `#` starts a comment.
 *
 *   axis 0 "batch" row 256 "replay"                      number, label, class, extent, scope
 *   table 0 0x1p+0 0x1.8p+1
 *   slot 3 "actor.w" parameter f32 {batch.0} "doc"
 *   %7 = sum[axes={batch.0}](%6) {}                      attributes in [ ], arguments in ( ), the
 * result's axes, `integer` program "update" 0x0p+0                              minimal flops; its
 * outputs follow output 3 %7
 *
 * Numbers are exact. An axis is label.number, of which the number counts. Nodes are numbered by
 * their order in the text, so that what is printed, read and printed again is the same text.
 * Reading trusts nothing: what the builders would call a bug is reported at its place. */
#include "ir/ir.h"
#include "ir/shape.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const char *const class_names[] = {"copy", "row", "draw", "feature"};
static const char *const kind_names[] = {"parameter", "target",  "optimizer", "state",
                                         "column",    "counter", "metric",    "result"};
static const char *const type_names[] = {"f32", "f64", "i32"};

/* ---- printing ---- */

static void print_string(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') fputc('\\', out);
    if (*text == '\n')
      fputs("\\n", out);
    else
      fputc(*text, out);
  }
  fputc('"', out);
}

static void print_axis(FILE *out, const Graph *graph, AxisId axis) {
  for (const char *c = graph->axes[axis].label; *c; c++)
    fputc(isalnum((unsigned char)*c) ? *c : '_', out);
  fprintf(out, ".%u", axis);
}

static void print_axes(FILE *out, const Graph *graph, Axes axes) {
  AxisId order[MAX_AXES];
  int count = axes_order(graph, axes, order);
  fputc('{', out);
  for (int i = 0; i < count; i++) {
    if (i) fputc(' ', out);
    print_axis(out, graph, order[i]);
  }
  fputc('}', out);
}

static void print_tables(FILE *out, const Graph *graph) {
  for (uint32_t i = 0; i < graph->axis_count; i++) {
    const Axis *axis = &graph->axes[i];
    fprintf(out, "axis %u ", i);
    print_string(out, axis->label);
    fprintf(out, " %s %u ", class_names[axis->order], axis->extent);
    print_string(out, axis->scope);
    fputc('\n', out);
  }
  for (size_t i = 0; i < graph->table_count; i++) {
    fprintf(out, "table %zu", i);
    for (uint32_t k = 0; k < graph->tables[i].count; k++)
      fprintf(out, " %a", graph->tables[i].values[k]);
    fputc('\n', out);
  }
  for (size_t i = 0; i < graph->slot_count; i++) {
    const Slot *slot = &graph->slots[i];
    fprintf(out, "slot %zu ", i);
    print_string(out, slot->name);
    fprintf(out, " %s %s ", kind_names[slot->kind], type_names[slot->type]);
    print_axes(out, graph, slot->axes);
    if (slot->doc) {
      fputc(' ', out);
      print_string(out, slot->doc);
    }
    fputc('\n', out);
  }
}

static void print_attr(FILE *out, const Graph *graph, const Node *node) {
  unsigned fields = attr_fields((OpCode)node->op);
  const char *before = "[";
  if (fields & ATTR_VALUE) fprintf(out, "%svalue=%a", before, node->attr.value), before = " ";
  if (fields & ATTR_KEY) fprintf(out, "%skey=%" PRIu64, before, node->attr.key), before = " ";
  if (fields & ATTR_WORD) fprintf(out, "%sword=%u", before, node->attr.word), before = " ";
  if (fields & ATTR_AXIS) {
    fprintf(out, "%saxis=", before), before = " ";
    print_axis(out, graph, node->attr.axis);
  }
  if (fields & ATTR_TO) {
    fprintf(out, "%sto=", before), before = " ";
    print_axis(out, graph, node->attr.to);
  }
  if (fields & ATTR_AXES) {
    fprintf(out, "%saxes=", before), before = " ";
    print_axes(out, graph, node->attr.axes);
  }
  if (fields) fputc(']', out);
}

static void print_node(FILE *out, const Graph *graph, const Node *node, const uint32_t *numbers) {
  fprintf(out, "%%%u = %s", numbers[node->id], op_of(node)->name);
  print_attr(out, graph, node);
  fputc('(', out);
  for (int i = 0; i < 3 && node->src[i]; i++)
    fprintf(out, "%s%%%u", i ? ", " : "", numbers[node->src[i]->id]);
  fputs(") ", out);
  print_axes(out, graph, node->axes);
  if (node->integer) fputs(" integer", out);
  if (node->op == OP_input) fprintf(out, "  # %s", graph->slots[node->attr.key].name);
  fputc('\n', out);
}

void ir_print(const Module *module, FILE *out) {
  const Graph *graph = module->graph;
  Arena *scratch = arena_make();
  Node **nodes;
  size_t count = module_reach(module, NULL, scratch, &nodes);
  uint32_t *numbers = NEW_ARRAY(scratch, uint32_t, graph->node_count + 1);
  print_tables(out, graph);
  for (size_t i = 0; i < count; i++) {
    numbers[nodes[i]->id] = (uint32_t)i;
    print_node(out, graph, nodes[i], numbers);
  }
  for (size_t p = 0; p < module->program_count; p++) {
    const Program *program = &module->programs[p];
    fputs("program ", out);
    print_string(out, program->name);
    fprintf(out, " %a\n", program->minimal_flops);
    for (size_t i = 0; i < program->output_count; i++) {
      Output output = program->outputs[i];
      fprintf(out, "output %u %%%u  # ", output.slot, numbers[output.node->id]);
      fprintf(out, "%s\n", graph->slots[output.slot].name);
    }
  }
  arena_free(scratch);
}

/* ---- reading: tokens ---- */

typedef struct Reader {
  Arena *arena;
  Diag *diag;
  const Source *source;
  const char *at;   /* the next character */
  const char *line; /* start of the current line */
  uint32_t line_number;
  bool failed;
  Module *module;
  Graph *graph;
  Node **nodes; /* by number in the text */
  size_t node_count, node_capacity;
} Reader;

static bool fail(Reader *r, const char *from, const char *message) {
  Span span = {r->source, r->line_number, (uint32_t)(from - r->line) + 1, 0};
  span.length = r->at > from ? (uint32_t)(r->at - from) : 1;
  if (!r->failed) diag_error(r->diag, span, NULL, "%s", message);
  r->failed = true;
  return false;
}

static void skip_blanks(Reader *r) {
  while (*r->at == ' ' || *r->at == '\t' || *r->at == '\r') r->at++;
  if (*r->at == '#')
    while (*r->at && *r->at != '\n') r->at++;
}

/* Past empty lines; false at the end of the text. */
static bool next_line(Reader *r) {
  for (skip_blanks(r); *r->at == '\n'; skip_blanks(r)) {
    r->line = ++r->at;
    r->line_number++;
  }
  return *r->at != 0;
}

static bool at_line_end(Reader *r) {
  skip_blanks(r);
  return *r->at == 0 || *r->at == '\n';
}

/* Takes `c` if it is next. */
static bool take(Reader *r, char c) {
  skip_blanks(r);
  if (*r->at != c) return false;
  r->at++;
  return true;
}

static bool expect(Reader *r, char c) {
  if (take(r, c)) return true;
  return fail(r, r->at, arena_printf(r->arena, "expected '%c'", c));
}

static bool is_word(char c) { return isalnum((unsigned char)c) || (c && strchr("_.+-", c)); }

/* A run of letters, digits and `_ . + -`; empty after reporting. */
static const char *read_word(Reader *r) {
  skip_blanks(r);
  const char *from = r->at;
  while (is_word(*r->at)) r->at++;
  if (r->at == from) fail(r, from, "expected a word");
  return arena_copy(r->arena, from, (size_t)(r->at - from));
}

static const char *read_string(Reader *r) {
  char *text = arena_alloc(r->arena, strcspn(r->at, "\n") + 1), *to = text;
  if (!expect(r, '"')) return "";
  for (; *r->at != '"'; r->at++) {
    if (*r->at == 0 || *r->at == '\n') {
      fail(r, r->at, "the text is not closed");
      return "";
    }
    if (*r->at == '\\' && r->at[1] && r->at[1] != '\n') r->at++;
    *to++ = r->at[-1] == '\\' && *r->at == 'n' ? '\n' : *r->at;
  }
  r->at++;
  return text;
}

static double read_double(Reader *r) {
  const char *word = read_word(r);
  char *end;
  double value = strtod(word, &end);
  if (*end || !*word) fail(r, r->at - strlen(word), "expected a number");
  return value;
}

static uint64_t read_count(Reader *r, uint64_t limit, const char *message) {
  const char *word = read_word(r);
  char *end;
  uint64_t value = strtoull(word, &end, 10);
  bool good = isdigit((unsigned char)*word) && !*end && value < limit;
  if (!good) fail(r, r->at - strlen(word), message);
  return good ? value : 0;
}

/* Items are numbered from 0 in the order of the text. */
static void read_next(Reader *r, uint64_t expected, const char *message) {
  uint64_t value = read_count(r, expected + 1, message);
  if (!r->failed && value != expected) fail(r, r->at - 1, message);
}

static uint32_t read_name(Reader *r, const char *const *names, size_t count) {
  const char *word = read_word(r);
  for (size_t i = 0; i < count; i++)
    if (strcmp(word, names[i]) == 0) return (uint32_t)i;
  fail(r, r->at - strlen(word), arena_printf(r->arena, "unknown word '%s'", word));
  return 0;
}

/* label.number */
static AxisId read_axis(Reader *r) {
  const char *word = read_word(r), *dot = strrchr(word, '.');
  char *end = NULL;
  unsigned long value = dot ? strtoul(dot + 1, &end, 10) : ULONG_MAX;
  if (!dot || *end || value >= r->graph->axis_count) {
    fail(r, r->at - strlen(word), arena_printf(r->arena, "unknown axis '%s'", word));
    return 0;
  }
  return (AxisId)value;
}

static Axes read_axes(Reader *r) {
  Axes axes = axes_none();
  if (!expect(r, '{')) return axes;
  while (!r->failed && !take(r, '}')) {
    AxisId axis = read_axis(r);
    if (!r->failed) axes = axes_union(axes, axes_one(axis));
  }
  return axes;
}

/* ---- reading: items ---- */

static void read_axis_line(Reader *r) {
  Graph *graph = r->graph;
  read_next(r, graph->axis_count, "axes are numbered in order");
  const char *label = read_string(r);
  AxisClass order = (AxisClass)read_name(r, class_names, COUNTOF(class_names));
  uint32_t extent = (uint32_t)read_count(r, UINT32_MAX, "expected an extent");
  const char *scope = read_string(r);
  if (r->failed) return;
  uint32_t count = graph->axis_count;
  if (extent == 0 || count == MAX_AXES)
    fail(r, r->line, "an axis without elements, or too many axes");
  else if (graph_axis(graph, label, scope, extent, order, (Span){0}) != count)
    fail(r, r->line, "the same axis twice");
}

static void read_table_line(Reader *r) {
  Graph *graph = r->graph;
  Table table = {NULL, 0};
  double *values = NULL;
  size_t count = 0, capacity = 0;
  read_next(r, graph->table_count, "tables are numbered in order");
  while (!r->failed && !at_line_end(r)) PUSH(r->arena, values, count, capacity, read_double(r));
  table.values = values;
  table.count = (uint32_t)count;
  if (!r->failed) PUSH(r->arena, graph->tables, graph->table_count, graph->table_capacity, table);
}

static void read_slot_line(Reader *r) {
  Graph *graph = r->graph;
  read_next(r, graph->slot_count, "slots are numbered in order");
  const char *name = read_string(r);
  RlcSlotKind kind = (RlcSlotKind)read_name(r, kind_names, COUNTOF(kind_names));
  RlcType type = (RlcType)read_name(r, type_names, COUNTOF(type_names));
  Axes axes = read_axes(r);
  const char *doc = at_line_end(r) ? NULL : read_string(r);
  if (r->failed) return;
  uint32_t slot = graph_slot(graph, name, kind, type, axes, (Span){0});
  graph->slots[slot].doc = doc;
}

static void read_attr(Reader *r, Attr *attr, unsigned fields) {
  static const char *const names[] = {"value", "key", "axes", "axis", "to", "word"};
  unsigned seen = 0;
  while (!r->failed && !take(r, ']')) {
    uint32_t field = read_name(r, names, COUNTOF(names));
    seen |= 1u << field;
    if (!expect(r, '=')) return;
    switch (1u << field) {
    case ATTR_VALUE:
      attr->value = read_double(r);
      break;
    case ATTR_KEY:
      attr->key = read_count(r, UINT64_MAX, "expected a number");
      break;
    case ATTR_AXES:
      attr->axes = read_axes(r);
      break;
    case ATTR_AXIS:
      attr->axis = read_axis(r);
      break;
    case ATTR_TO:
      attr->to = read_axis(r);
      break;
    case ATTR_WORD:
      attr->word = (uint8_t)read_count(r, 4, "expected a word from 0 to 3");
      break;
    }
  }
  if (seen != fields) fail(r, r->at - 1, "not the attributes of this operation");
}

static Node *read_node_number(Reader *r) {
  if (!expect(r, '%')) return NULL;
  uint64_t number = read_count(r, r->node_count, "unknown node");
  return r->failed ? NULL : r->nodes[number];
}

/* Builds the probe if the rules allow it; the result must have the axes and type that the text
 * says. */
static void build_node(Reader *r, const Node *probe, Axes axes, bool integer) {
  Axes true_axes;
  bool true_integer;
  const char *wrong = shape_check(r->graph, r->arena, probe, &true_axes, &true_integer);
  if (wrong) {
    fail(r, r->line, wrong);
    return;
  }
  if (!axes_equal(axes, true_axes) || integer != true_integer) {
    fail(r, r->line, "the result has other axes or another type");
    return;
  }
  size_t count = r->graph->node_count;
  Node *node = node_make(r->graph, (OpCode)probe->op, probe->attr, probe->src[0], probe->src[1],
                         probe->src[2]);
  if (r->graph->node_count != count + 1 || node->id != count || node->op != probe->op) {
    fail(r, r->line, "the same node twice, or one that folds to a constant");
    return;
  }
  if (node->op == OP_mark && node->attr.key > r->graph->marks) r->graph->marks = node->attr.key;
  PUSH(r->arena, r->nodes, r->node_count, r->node_capacity, node);
}

static void read_node_line(Reader *r) {
  Node probe = {0};
  read_next(r, r->node_count, "nodes are numbered in order");
  if (!expect(r, '=')) return;
  const char *name = read_word(r);
  OpCode op = op_find(name);
  if (op == OP_COUNT) {
    fail(r, r->at - strlen(name), arena_printf(r->arena, "unknown operation '%s'", name));
    return;
  }
  probe.op = (uint16_t)op;
  probe.id = (uint32_t)r->graph->node_count;
  if (attr_fields(op) && expect(r, '[')) read_attr(r, &probe.attr, attr_fields(op));
  if (!expect(r, '(')) return;
  for (int i = 0; i < 3 && !take(r, ')'); i++) {
    if (i && !expect(r, ',')) return;
    probe.src[i] = read_node_number(r);
    if (i == 2 && !expect(r, ')')) return;
  }
  Axes axes = read_axes(r);
  static const char *const words[] = {"integer"};
  bool integer = !r->failed && !at_line_end(r);
  if (integer) read_name(r, words, 1);
  if (!r->failed) build_node(r, &probe, axes, integer);
}

static void read_program_line(Reader *r) {
  Program program = {.name = read_string(r), .minimal_flops = read_double(r)};
  Module *m = r->module;
  PUSH(r->arena, m->programs, m->program_count, m->program_capacity, program);
}

static void read_output_line(Reader *r) {
  if (r->module->program_count == 0) {
    fail(r, r->line, "an output before the first program");
    return;
  }
  Program *program = &r->module->programs[r->module->program_count - 1];
  Output output = {(uint32_t)read_count(r, r->graph->slot_count, "unknown slot"),
                   read_node_number(r)};
  if (!r->failed)
    PUSH(r->arena, program->outputs, program->output_count, program->output_capacity, output);
}

static void read_line(Reader *r) {
  static const char *const items[] = {"axis", "table", "slot", "program", "output"};
  static void (*const readers[])(Reader *) = {read_axis_line, read_table_line, read_slot_line,
                                              read_program_line, read_output_line};
  if (take(r, '%'))
    read_node_line(r);
  else {
    uint32_t item = read_name(r, items, COUNTOF(items));
    if (!r->failed) readers[item](r);
  }
  if (!r->failed && !at_line_end(r)) fail(r, r->at, "expected the end of the line");
}

Module *ir_read(Arena *arena, Diag *diag, const Source *source) {
  Reader r = {.arena = arena, .diag = diag, .source = source, .at = source->text};
  r.line = source->text;
  r.line_number = 1;
  r.module = NEW(arena, Module);
  r.module->graph = r.graph = graph_make(arena);
  while (!r.failed && next_line(&r)) read_line(&r);
  if (r.failed) return NULL;
  const char *wrong = ir_verify(r.module, arena, NULL);
  if (!wrong) return r.module;
  diag_error(diag, (Span){source, 1, 0, 0}, NULL, "%s", wrong);
  return NULL;
}
