/* Finds kernels with the same body: their loop IR is written out with variables, registers and
 * tensors numbered in the order of appearance, and compared byte for byte.
 *
 * Everything of a term and a statement that a kernel has is written, whether its kind uses it or
 * not. */
#include "codegen/loop/bodies.h"

#include <string.h>

typedef struct Number {
  const void *of;
  uint32_t number;
} Number;

typedef struct Text {
  Arena *arena;
  const Kernel *kernel;
  uint8_t *bytes;
  size_t count, capacity;
  Number *numbers; /* open addressing over `slots`, a power of two */
  size_t slots, used;
} Text;

/* ---- numbers of what has a name ---- */

static Number *number_slot(const Text *t, const void *of) {
  size_t at = (size_t)((uint64_t)(uintptr_t)of * 0x9E3779B97F4A7C15u >> 32);
  while (t->numbers[at & (t->slots - 1)].of && t->numbers[at & (t->slots - 1)].of != of) at++;
  return &t->numbers[at & (t->slots - 1)];
}

static void numbers_grow(Text *t) {
  Number *old = t->numbers;
  size_t slots = t->slots;
  t->slots = slots ? 2 * slots : 64;
  t->numbers = NEW_ARRAY(t->arena, Number, t->slots);
  for (size_t i = 0; i < slots; i++)
    if (old[i].of) *number_slot(t, old[i].of) = old[i];
}

/* From 1 on, in the order of first mention; 0 is nothing. */
static uint32_t number_of(Text *t, const void *of) {
  if (!of) return 0;
  if (2 * t->used >= t->slots) numbers_grow(t);
  Number *slot = number_slot(t, of);
  if (!slot->of) *slot = (Number){of, (uint32_t)++t->used};
  return slot->number;
}

/* ---- text ---- */

/* A field that is new to loop IR has to be written below. Without it here the compiler stops: these
 * name every field, in order (-Wmissing-field-initializers). Not written are `number` and `note` of
 * statements, which only programs and comments have. */
__attribute__((unused)) static const struct {
  Var var;
  Registers registers;
  Term term;
  Stmt stmt;
} written = {
    {NULL, 0, 0},
    {NULL, 0, 0, 0, 0, false, false},
    {0, 0, 0, 0, 0, 0, false, 0.0, NULL, NULL, NULL, {NULL, NULL, NULL}},
    {0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL},
};

/* Seven bits a byte, low ones first. */
static void put(Text *t, uint64_t value) {
  for (; value > 127; value >>= 7)
    PUSH(t->arena, t->bytes, t->count, t->capacity, (uint8_t)(value | 128));
  PUSH(t->arena, t->bytes, t->count, t->capacity, (uint8_t)value);
}

static void put_var(Text *t, const Var *var) {
  put(t, number_of(t, var));
  if (!var) return;
  put(t, var->type);
  put(t, var->width);
}

static void put_registers(Text *t, const Registers *r) {
  put(t, number_of(t, r));
  if (!r) return;
  put(t, r->type);
  put(t, r->width);
  put(t, r->rows);
  put(t, r->columns);
  put(t, r->array);
  put(t, r->raw);
}

static void put_term(Text *t, const Term *term) {
  put(t, term != NULL);
  if (!term) return;
  uint64_t real;
  memcpy(&real, &term->real, sizeof real);
  put(t, term->kind);
  put(t, term->type);
  put(t, term->width);
  put(t, term->op);
  put(t, (uint64_t)term->value);
  put(t, term->key);
  put(t, term->high);
  put(t, real);
  put_var(t, term->var);
  put(t, number_of(t, term->buffer));
  put_registers(t, term->registers);
  for (size_t i = 0; i < COUNTOF(term->src); i++) put_term(t, term->src[i]);
}

static void put_block(Text *t, const Block *block) {
  put(t, block ? block->count + 1 : 0);
  for (size_t i = 0; block && i < block->count; i++) {
    const Stmt *stmt = block->items[i];
    put(t, stmt->kind);
    put(t, stmt->loop);
    put_var(t, stmt->var);
    put_term(t, stmt->lo);
    put_term(t, stmt->hi);
    put_term(t, stmt->value);
    put_term(t, stmt->index);
    put_term(t, stmt->column);
    put(t, number_of(t, stmt->buffer));
    put_registers(t, stmt->registers);
    put_block(t, stmt->body);
    put_block(t, stmt->other);
  }
}

/* Tensors come first and have the numbers of their places. */
static void put_kernel(Text *t, const Kernel *kernel) {
  t->count = t->used = 0;
  if (t->slots) memset(t->numbers, 0, t->slots * sizeof *t->numbers);
  for (const char *at = kernel->what; *at; at++) put(t, (uint8_t)*at);
  put(t, 0);
  put(t, kernel->place_count);
  for (size_t i = 0; i < kernel->place_count; i++) {
    put(t, number_of(t, kernel->places[i].buffer));
    put(t, kernel->places[i].buffer->type);
  }
  put_var(t, kernel->item);
  put_block(t, kernel->body);
}

/* ---- bodies ---- */

/* What a body's text is, and the next one of its chain, from 1 on. */
typedef struct Known {
  const uint8_t *text;
  size_t size, next;
} Known;

enum {
  CHAINS = 1024,
  CHEAP = 1 << 20 /* element operations of initialisation: milliseconds at worst */
};

typedef struct Finder {
  Arena *arena;
  Bodies *bodies;
  size_t capacity;
  Known *known; /* by body */
  size_t known_count, known_capacity;
  size_t first[CHAINS]; /* by the low bits of the hash */
} Finder;

static size_t body_add(Finder *f, const Text *t, const Kernel *kernel, uint64_t hash) {
  Body body = {.kernel = kernel, .size = t->count, .cheap = true};
  body.hash[0] = hash;
  body.hash[1] = hash_bytes(~HASH_SEED, t->bytes, t->count);
  body.name = arena_printf(f->arena, "%s_%016llx%016llx", name_identifier(f->arena, kernel->what),
                           (unsigned long long)body.hash[0], (unsigned long long)body.hash[1]);
  uint8_t *text = NEW_ARRAY(f->arena, uint8_t, t->count);
  memcpy(text, t->bytes, t->count);
  Known known = {text, t->count, f->first[hash % CHAINS]};
  PUSH(f->arena, f->bodies->items, f->bodies->count, f->capacity, body);
  PUSH(f->arena, f->known, f->known_count, f->known_capacity, known);
  f->first[hash % CHAINS] = f->known_count;
  return f->known_count - 1;
}

static size_t body_of(Finder *f, Text *t, const Kernel *kernel) {
  put_kernel(t, kernel);
  uint64_t hash = hash_bytes(HASH_SEED, t->bytes, t->count);
  for (size_t at = f->first[hash % CHAINS]; at; at = f->known[at - 1].next) {
    const Known *known = &f->known[at - 1];
    if (known->size == t->count && memcmp(known->text, t->bytes, t->count) == 0) return at - 1;
  }
  return body_add(f, t, kernel, hash);
}

Bodies *bodies_find(const Code *code, Arena *arena) {
  Bodies *bodies = NEW(arena, Bodies);
  Text text = {.arena = arena};
  Finder *finder = NEW(arena, Finder);
  finder->arena = arena;
  finder->bodies = bodies;
  bodies->of = NEW_ARRAY(arena, size_t *, code->program_count + 1);
  for (size_t p = 0; p < code->program_count; p++) {
    const ProgramCode *program = &code->programs[p];
    bodies->of[p] = NEW_ARRAY(arena, size_t, program->kernel_count + 1);
    for (size_t k = 0; k < program->kernel_count; k++) {
      size_t index = body_of(finder, &text, program->kernels[k]);
      bodies->of[p][k] = index;
      bool cheap = p == code->module->shell.init && program->kernels[k]->work < CHEAP;
      if (!cheap) bodies->items[index].cheap = false;
    }
  }
  return bodies;
}
