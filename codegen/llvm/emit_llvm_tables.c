/* The RlcModule as a constant of the LLVM module.
 *
 * The tables stand ready in this process, laid out as the target has them: so the fields of a
 * struct go over as their bytes, and its pointers as references to what they point to; the rows
 * below name both. What lies between fields is zero: compilers leave it undefined, and it would
 * make objects differ that say the same. */
#include "codegen/llvm/emit_llvm.h"

#include <string.h>

typedef enum PointerKind {
  TO_TEXT,     /* a string, or NULL */
  TO_ROWS,     /* an array of structs; `count` is the offset of their number */
  TO_TEXTS,    /* an array of strings with NULL at its end */
  TO_ROW,      /* one struct, or NULL */
  TO_FUNCTION, /* a function, whose name stands there instead */
  TO_TABLES,   /* the constant tables of the graph */
} PointerKind;

typedef struct Shape Shape;
typedef struct Pointer {
  PointerKind kind;
  size_t offset, count;
  const Shape *rows;
} Pointer;

typedef struct Field {
  size_t offset, size;
} Field;

/* A struct of rlc.h: its size, and where its pointers and its other fields are, in order. */
struct Shape {
  const char *name;
  size_t size, pointer_count, field_count;
  const Pointer *pointers;
  const Field *fields;
};

#define SHAPE(type, label)                                                                         \
  static const Shape label = {.name = #label,                                                      \
                              .size = sizeof(type),                                                \
                              .pointer_count = COUNTOF(label##_pointers),                          \
                              .pointers = label##_pointers,                                        \
                              .field_count = COUNTOF(label##_fields),                              \
                              .fields = label##_fields}
/* One without pointers. */
#define PLAIN(type, label)                                                                         \
  static const Shape label = {.name = #label,                                                      \
                              .size = sizeof(type),                                                \
                              .field_count = COUNTOF(label##_fields),                              \
                              .fields = label##_fields}
#define TEXT(type, field)                                                                          \
  { TO_TEXT, offsetof(type, field), 0, NULL }
#define ROWS(type, field, n, of)                                                                   \
  { TO_ROWS, offsetof(type, field), offsetof(type, n), &of }
#define AT(type, field)                                                                            \
  { offsetof(type, field), sizeof(((type *)NULL)->field) }

static const Pointer slot_pointers[] = {
    TEXT(RlcSlot, name),         TEXT(RlcSlot, dims[0].axis), TEXT(RlcSlot, dims[1].axis),
    TEXT(RlcSlot, dims[2].axis), TEXT(RlcSlot, dims[3].axis), TEXT(RlcSlot, dims[4].axis),
    TEXT(RlcSlot, dims[5].axis), TEXT(RlcSlot, dims[6].axis), TEXT(RlcSlot, dims[7].axis)};
static const Field slot_fields[] = {
    AT(RlcSlot, kind),           AT(RlcSlot, type),           AT(RlcSlot, rank),
    AT(RlcSlot, lead),           AT(RlcSlot, panel),          AT(RlcSlot, dims[0].extent),
    AT(RlcSlot, dims[1].extent), AT(RlcSlot, dims[2].extent), AT(RlcSlot, dims[3].extent),
    AT(RlcSlot, dims[4].extent), AT(RlcSlot, dims[5].extent), AT(RlcSlot, dims[6].extent),
    AT(RlcSlot, dims[7].extent), AT(RlcSlot, offset),         AT(RlcSlot, bytes)};
_Static_assert(RLC_MAX_RANK == 8, "a row for each dimension");
SHAPE(RlcSlot, slot);

static const Field place_fields[] = {AT(RlcPlace, offset), AT(RlcPlace, space)};
PLAIN(RlcPlace, place);

static const Pointer kernel_pointers[] = {{TO_FUNCTION, offsetof(RlcKernel, run), 0, NULL},
                                          ROWS(RlcKernel, places, place_count, place)};
static const Field kernel_fields[] = {AT(RlcKernel, place_count), AT(RlcKernel, alone),
                                      AT(RlcKernel, barrier),     AT(RlcKernel, together),
                                      AT(RlcKernel, chunks),      AT(RlcKernel, items),
                                      AT(RlcKernel, weight)};
SHAPE(RlcKernel, kernel);

static const Pointer kernels_pointers[] = {ROWS(RlcKernels, kernels, count, kernel),
                                           {TO_TABLES, offsetof(RlcKernels, tables), 0, NULL}};
static const Field kernels_fields[] = {AT(RlcKernels, count), AT(RlcKernels, work_bytes),
                                       AT(RlcKernels, thread_bytes)};
SHAPE(RlcKernels, kernels);

static const Pointer program_pointers[] = {TEXT(RlcProgram, name),
                                           {TO_FUNCTION, offsetof(RlcProgram, run), 0, NULL},
                                           {TO_ROW, offsetof(RlcProgram, context), 0, &kernels}};
static const Field program_fields[] = {AT(RlcProgram, work_bytes), AT(RlcProgram, thread_bytes),
                                       AT(RlcProgram, flops), AT(RlcProgram, minimal_flops)};
SHAPE(RlcProgram, program);

static const Pointer column_pointers[] = {TEXT(RlcColumn, name)};
static const Field column_fields[] = {AT(RlcColumn, kind), AT(RlcColumn, width),
                                      AT(RlcColumn, slot), AT(RlcColumn, from_slot)};
SHAPE(RlcColumn, column);

static const Pointer source_pointers[] = {
    TEXT(RlcSource, name), ROWS(RlcSource, columns, column_count, column), TEXT(RlcSource, file)};
static const Field source_fields[] = {
    AT(RlcSource, capacity), AT(RlcSource, batch),           AT(RlcSource, column_count),
    AT(RlcSource, window),   AT(RlcSource, valid),           AT(RlcSource, prioritized),
    AT(RlcSource, exponent), AT(RlcSource, weight_exponent), AT(RlcSource, weight)};
SHAPE(RlcSource, source);

static const Field pair_fields[] = {AT(RlcPair, from), AT(RlcPair, to)};
PLAIN(RlcPair, pair);

static const Pointer view_pointers[] = {TEXT(RlcView, name),
                                        ROWS(RlcView, columns, column_count, pair)};
static const Field view_fields[] = {AT(RlcView, rows), AT(RlcView, column_count)};
SHAPE(RlcView, view);

static const Field term_fields[] = {AT(RlcTerm, op), AT(RlcTerm, counter), AT(RlcTerm, src),
                                    AT(RlcTerm, value)};
PLAIN(RlcTerm, term);

static const Pointer step_pointers[] = {ROWS(RlcStep, terms, term_count, term)};
static const Field step_fields[] = {
    AT(RlcStep, op),   AT(RlcStep, flags), AT(RlcStep, counter), AT(RlcStep, index),
    AT(RlcStep, slot), AT(RlcStep, count), AT(RlcStep, body),    AT(RlcStep, term_count)};
SHAPE(RlcStep, step);

static const Field number_fields[] = {{0, sizeof(uint32_t)}};
PLAIN(uint32_t, number);

static const Pointer module_pointers[] = {
    TEXT(RlcModule, name),
    TEXT(RlcModule, spec),
    TEXT(RlcModule, compiler),
    TEXT(RlcModule, target),
    {TO_TEXTS, offsetof(RlcModule, cpu), 0, NULL},
    TEXT(RlcModule, env_id),
    ROWS(RlcModule, slots, slot_count, slot),
    ROWS(RlcModule, programs, program_count, program),
    ROWS(RlcModule, sources, source_count, source),
    ROWS(RlcModule, rollout.columns, rollout.column_count, column),
    ROWS(RlcModule, views, view_count, view),
    ROWS(RlcModule, steps, step_count, step),
    ROWS(RlcModule, aside.in, aside.in_count, number),
    ROWS(RlcModule, aside.out, aside.out_count, number)};
static const Field module_fields[] = {AT(RlcModule, abi),
                                      AT(RlcModule, spec_hash),
                                      AT(RlcModule, obs_dim),
                                      AT(RlcModule, act_dim),
                                      AT(RlcModule, choices),
                                      AT(RlcModule, limit),
                                      AT(RlcModule, act_low),
                                      AT(RlcModule, act_high),
                                      AT(RlcModule, rescale),
                                      AT(RlcModule, slot_count),
                                      AT(RlcModule, memory_bytes),
                                      AT(RlcModule, program_count),
                                      AT(RlcModule, source_count),
                                      AT(RlcModule, rollout.steps),
                                      AT(RlcModule, rollout.column_count),
                                      AT(RlcModule, view_count),
                                      AT(RlcModule, eval_every),
                                      AT(RlcModule, eval_episodes),
                                      AT(RlcModule, counters),
                                      AT(RlcModule, init),
                                      AT(RlcModule, explore),
                                      AT(RlcModule, evaluate),
                                      AT(RlcModule, sample),
                                      AT(RlcModule, step_count),
                                      AT(RlcModule, aside.in_count),
                                      AT(RlcModule, aside.out_count)};
SHAPE(RlcModule, module);
_Static_assert(sizeof(RlcActing) == 14 * sizeof(uint32_t), "nothing lies between its fields");

typedef struct Writer {
  Llvm *l;
  LLVMValueRef tables;
} Writer;

static LLVMValueRef null_pointer(Writer *w) {
  return LLVMConstNull(LLVMPointerTypeInContext(w->l->context, 0));
}

static LLVMValueRef global(Writer *w, LLVMValueRef value, const char *name) {
  LLVMValueRef place = LLVMAddGlobal(w->l->module, LLVMTypeOf(value), name);
  LLVMSetInitializer(place, value);
  LLVMSetGlobalConstant(place, true);
  LLVMSetLinkage(place, LLVMInternalLinkage);
  LLVMSetAlignment(place, 8);
  return place;
}

static LLVMValueRef text(Writer *w, const char *value) {
  if (!value) return null_pointer(w);
  unsigned length = (unsigned)strlen(value);
  return global(w, LLVMConstStringInContext(w->l->context, value, length, false), "text");
}

static LLVMValueRef texts(Writer *w, const char *const *values) {
  LLVMValueRef items[64];
  unsigned count = 0;
  for (; values && values[count]; count++) {
    if (count == COUNTOF(items) - 1) bug("too many texts in a list");
    items[count] = text(w, values[count]);
  }
  items[count++] = null_pointer(w);
  LLVMTypeRef pointer = LLVMPointerTypeInContext(w->l->context, 0);
  return global(w, LLVMConstArray2(pointer, items, count), "texts");
}

static LLVMValueRef function(Writer *w, const char *name) {
  LLVMValueRef known = LLVMGetNamedFunction(w->l->module, name);
  LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(w->l->context), NULL, 0, false);
  return known ? known : LLVMAddFunction(w->l->module, name, type);
}

static LLVMValueRef struct_value(Writer *w, const Shape *shape, const char *bytes);

static LLVMValueRef rows(Writer *w, const Shape *shape, const char *first, uint32_t count) {
  if (!count || !first) return null_pointer(w);
  LLVMValueRef *items = NEW_ARRAY(w->l->arena, LLVMValueRef, count);
  for (uint32_t i = 0; i < count; i++) items[i] = struct_value(w, shape, first + i * shape->size);
  LLVMValueRef all = LLVMConstArray2(LLVMTypeOf(items[0]), items, count);
  return global(w, all, shape->name);
}

static LLVMValueRef pointer_value(Writer *w, const Pointer *p, const char *bytes) {
  const char *to;
  memcpy(&to, bytes + p->offset, sizeof to);
  uint32_t count;
  switch (p->kind) {
  case TO_TEXT:
    return text(w, to);
  case TO_TEXTS:
    return texts(w, (const char *const *)(const void *)to);
  case TO_ROW:
    return rows(w, p->rows, to, 1);
  case TO_FUNCTION:
    return function(w, to);
  case TO_TABLES:
    return w->tables;
  case TO_ROWS:
    memcpy(&count, bytes + p->count, sizeof count);
    return rows(w, p->rows, to, count);
  }
  return NULL;
}

/* The fields of a struct but its pointers; zero elsewhere. */
static char *fields_only(Writer *w, const Shape *shape, const char *bytes) {
  char *only = NEW_ARRAY(w->l->arena, char, shape->size);
  for (size_t i = 0; i < shape->field_count; i++)
    memcpy(only + shape->fields[i].offset, bytes + shape->fields[i].offset, shape->fields[i].size);
  return only;
}

/* Bytes, pointer, bytes, pointer .., packed. */
static LLVMValueRef struct_value(Writer *w, const Shape *shape, const char *bytes) {
  const char *plain = fields_only(w, shape, bytes);
  LLVMValueRef fields[64];
  unsigned count = 0;
  size_t at = 0;
  for (size_t i = 0; i <= shape->pointer_count; i++) {
    size_t end = i < shape->pointer_count ? shape->pointers[i].offset : shape->size;
    fields[count++] =
        LLVMConstStringInContext(w->l->context, plain + at, (unsigned)(end - at), true);
    if (i == shape->pointer_count) break;
    fields[count++] = pointer_value(w, &shape->pointers[i], bytes);
    at = end + sizeof(void *);
  }
  return LLVMConstStructInContext(w->l->context, fields, count, true);
}

/* ---- constant tables ---- */

static void table_write(char *bytes, const Buffer *buffer, const Table *table) {
  for (uint64_t i = 0; i < table->count; i++) {
    double value = table->values[i];
    float single = (float)value;
    int32_t whole = (int32_t)value;
    char *to = bytes + i * value_type_size(buffer->type);
    if (buffer->type == VALUE_I32)
      memcpy(to, &whole, sizeof whole);
    else if (buffer->type == VALUE_F32)
      memcpy(to, &single, sizeof single);
    else
      memcpy(to, &value, sizeof value);
  }
}

static LLVMValueRef tables_make(Writer *w) {
  const Code *code = w->l->code;
  if (!code->table_bytes) return null_pointer(w);
  char *bytes = NEW_ARRAY(w->l->arena, char, code->table_bytes);
  for (size_t i = 0; i < code->module->graph->table_count; i++)
    if (code->tables[i])
      table_write(bytes + code->tables[i]->offset, code->tables[i],
                  &code->module->graph->tables[i]);
  LLVMValueRef place =
      global(w, LLVMConstStringInContext(w->l->context, bytes, (unsigned)code->table_bytes, true),
             "tables");
  LLVMSetAlignment(place, 64);
  return place;
}

/* ---- programs ---- */

static RlcPlace *places_make(Arena *arena, const Kernel *kernel) {
  static const RlcSpace spaces[] = {[SPACE_SLOT] = RLC_IN_MEMORY,
                                    [SPACE_WORK] = RLC_IN_WORK,
                                    [SPACE_CHUNK] = RLC_IN_OWN,
                                    [SPACE_TABLE] = RLC_IN_TABLES};
  RlcPlace *places = NEW_ARRAY(arena, RlcPlace, kernel->place_count + 1);
  for (size_t i = 0; i < kernel->place_count; i++) {
    const Buffer *buffer = kernel->places[i].buffer;
    places[i].offset = buffer->offset;
    places[i].space = spaces[buffer->space];
  }
  return places;
}

/* Where a function is to stand, its name does. */
static void name_function(void *field, const char *name) { memcpy(field, &name, sizeof name); }

static RlcKernels *kernels_make(Arena *arena, const ProgramCode *program, const Bodies *bodies,
                                const size_t *body) {
  RlcKernels *list = NEW(arena, RlcKernels);
  RlcKernel *rows = NEW_ARRAY(arena, RlcKernel, program->kernel_count + 1);
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *from = program->kernels[k];
    name_function(&rows[k].run, bodies->items[body[k]].name);
    rows[k].places = places_make(arena, from);
    rows[k].place_count = (uint32_t)from->place_count;
    rows[k].alone = from->serial;
    rows[k].barrier = from->barrier_before;
    rows[k].together = (uint32_t)(chunks_end(program, k) - k);
    rows[k].chunks = from->chunks ? from->chunks->count : 0;
    rows[k].items = from->items;
    rows[k].weight = kernel_item_weight(from);
  }
  list->kernels = rows;
  list->count = (uint32_t)program->kernel_count;
  list->work_bytes = program->work_bytes;
  list->thread_bytes = program->thread_bytes;
  return list;
}

void llvm_tables(Llvm *l, const Bodies *bodies) {
  const Code *code = l->code;
  Writer w = {l, NULL};
  w.tables = tables_make(&w);
  RlcModule shell = code->module->shell;
  RlcProgram *programs = NEW_ARRAY(l->arena, RlcProgram, code->program_count + 1);
  for (size_t i = 0; i < code->program_count; i++) {
    programs[i] = shell.programs[i];
    programs[i].context = kernels_make(l->arena, &code->programs[i], bodies, bodies->of[i]);
    name_function(&programs[i].run,
                  code->options.marked ? "rlc_run_marked_kernels" : "rlc_run_kernels");
  }
  shell.programs = programs;
  LLVMValueRef place = global(&w, struct_value(&w, &module, (const char *)&shell), "rlc_module");
  LLVMSetLinkage(place, LLVMExternalLinkage);
}
