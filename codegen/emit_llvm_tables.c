/* The RlcModule as a constant of the LLVM module.
 *
 * The tables stand ready in this process, laid out as the target has them: so a struct goes over as
 * its bytes, and its pointers, which the rows below name, as references to what they point to. */
#include "codegen/emit_llvm.h"

#include <string.h>

typedef enum PointerKind {
  TO_TEXT,    /* a string, or NULL */
  TO_ROWS,    /* an array of structs; `count` is the offset of their number */
  TO_TEXTS,   /* an array of strings with NULL at its end */
  TO_PROGRAM, /* the function of the program, by its place in the table */
} PointerKind;

typedef struct Shape Shape;
typedef struct Pointer {
  PointerKind kind;
  size_t offset, count;
  const Shape *rows;
} Pointer;

/* A struct of rlc.h: its size and where its pointers are, in order. */
struct Shape {
  const char *name;
  size_t size, pointer_count;
  const Pointer *pointers;
};

#define SHAPE(type, label)                                                                         \
  static const Shape label = {#label, sizeof(type), COUNTOF(label##_pointers), label##_pointers}
#define TEXT(type, field)                                                                          \
  { TO_TEXT, offsetof(type, field), 0, NULL }
#define ROWS(type, field, n, of)                                                                   \
  { TO_ROWS, offsetof(type, field), offsetof(type, n), &of }

static const Pointer slot_pointers[] = {
    TEXT(RlcSlot, name),         TEXT(RlcSlot, dims[0].axis), TEXT(RlcSlot, dims[1].axis),
    TEXT(RlcSlot, dims[2].axis), TEXT(RlcSlot, dims[3].axis), TEXT(RlcSlot, dims[4].axis),
    TEXT(RlcSlot, dims[5].axis), TEXT(RlcSlot, dims[6].axis), TEXT(RlcSlot, dims[7].axis)};
_Static_assert(RLC_MAX_RANK == 8, "a pointer for each dimension");
SHAPE(RlcSlot, slot);

static const Pointer program_pointers[] = {TEXT(RlcProgram, name),
                                           {TO_PROGRAM, offsetof(RlcProgram, run), 0, NULL}};
SHAPE(RlcProgram, program);

static const Pointer column_pointers[] = {TEXT(RlcColumn, name)};
SHAPE(RlcColumn, column);

static const Pointer source_pointers[] = {
    TEXT(RlcSource, name), ROWS(RlcSource, columns, column_count, column), TEXT(RlcSource, file)};
SHAPE(RlcSource, source);

static const Shape pair = {"pair", sizeof(RlcPair), 0, NULL};

static const Pointer view_pointers[] = {TEXT(RlcView, name),
                                        ROWS(RlcView, columns, column_count, pair)};
SHAPE(RlcView, view);

static const Shape step = {"step", sizeof(RlcStep), 0, NULL};

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
    ROWS(RlcModule, steps, step_count, step)};
SHAPE(RlcModule, module);

typedef struct Writer {
  Llvm *l;
  LLVMValueRef *programs;
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

static LLVMValueRef struct_value(Writer *w, const Shape *shape, const char *bytes, size_t number);

static LLVMValueRef rows(Writer *w, const Shape *shape, const char *first, uint32_t count) {
  if (!count || !first) return null_pointer(w);
  LLVMValueRef *items = NEW_ARRAY(w->l->arena, LLVMValueRef, count);
  for (uint32_t i = 0; i < count; i++)
    items[i] = struct_value(w, shape, first + i * shape->size, i);
  LLVMValueRef all = LLVMConstArray2(LLVMTypeOf(items[0]), items, count);
  return global(w, all, shape->name);
}

static LLVMValueRef pointer_value(Writer *w, const Pointer *p, const char *bytes, size_t number) {
  const char *to;
  memcpy(&to, bytes + p->offset, sizeof to);
  uint32_t count;
  switch (p->kind) {
  case TO_TEXT:
    return text(w, to);
  case TO_TEXTS:
    return texts(w, (const char *const *)(const void *)to);
  case TO_PROGRAM:
    return w->programs[number];
  case TO_ROWS:
    memcpy(&count, bytes + p->count, sizeof count);
    return rows(w, p->rows, to, count);
  }
  return NULL;
}

/* Struct `number` of its table: bytes, pointer, bytes, pointer .., packed. */
static LLVMValueRef struct_value(Writer *w, const Shape *shape, const char *bytes, size_t number) {
  LLVMValueRef fields[64];
  unsigned count = 0;
  size_t at = 0;
  for (size_t i = 0; i <= shape->pointer_count; i++) {
    size_t end = i < shape->pointer_count ? shape->pointers[i].offset : shape->size;
    fields[count++] =
        LLVMConstStringInContext(w->l->context, bytes + at, (unsigned)(end - at), true);
    if (i == shape->pointer_count) break;
    fields[count++] = pointer_value(w, &shape->pointers[i], bytes, number);
    at = end + sizeof(void *);
  }
  return LLVMConstStructInContext(w->l->context, fields, count, true);
}

void llvm_tables(Llvm *l, LLVMValueRef *programs) {
  Writer w = {l, programs};
  const char *bytes = (const char *)&l->code->module->shell;
  LLVMValueRef place = global(&w, struct_value(&w, &module, bytes, 0), "rlc_module");
  LLVMSetLinkage(place, LLVMExternalLinkage);
}
