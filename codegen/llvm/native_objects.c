/* All objects of a program: a body is a module of its own, or one with a few other small ones, made
 * on any thread or read from the cache.
 *
 * An object depends on nothing but its bodies, the emitter and the target, and that is what its
 * name in the cache is a hash of; so a changed loss makes the kernels anew that changed, and
 * specifications share the others. */
#include "gen/emitter.h"
#include "codegen/cache.h"
#include "codegen/llvm/native.h"

#include <llvm-c/BitWriter.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
  THREADS = 64,
  ERROR_SIZE = 512,
  SMALL = 1500 /* bytes of text, about 100 of LLVM's lines */
};

/* Bodies that one object has. */
typedef struct Unit {
  size_t *bodies;
  size_t count, capacity;
  size_t size; /* of their texts */
} Unit;

typedef struct Work {
  const Code *code;
  const NativeTarget *target;
  uint64_t seed[2]; /* hash of what all objects depend on */
  Objects *objects;
  Unit *units; /* by object */
  size_t unit_count, unit_capacity;
  size_t *order; /* objects by what they cost to make, the dearest first */
  atomic_size_t next;
  atomic_bool failed, kept;
} Work;

typedef struct Worker {
  Work *work;
  Machine machine;
  pthread_t thread;
  bool started;
  char error[ERROR_SIZE]; /* empty: none */
} Worker;

/* ---- one object ---- */

static LLVMMemoryBufferRef cached(const char *name) {
  size_t size;
  char *kept = cache_read(name, &size);
  if (!kept) return NULL;
  LLVMMemoryBufferRef object = LLVMCreateMemoryBufferWithMemoryRangeCopy(kept, size, name);
  free(kept);
  return object;
}

static const char *object_name(Arena *arena, const uint64_t *hash) {
  return arena_printf(arena, "%016llx%016llx.o", (unsigned long long)hash[0],
                      (unsigned long long)hash[1]);
}

/* Takes the module. */
static LLVMMemoryBufferRef make(Worker *worker, LLVMModuleRef module, bool cheap,
                                const char *name) {
  LLVMMemoryBufferRef object =
      machine_object(&worker->machine, module, cheap, worker->error, ERROR_SIZE);
  if (!object) return NULL;
  cache_write(name, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
  worker->work->kept = true;
  return object;
}

static LLVMMemoryBufferRef unit_object(Worker *worker, Arena *arena, LLVMContextRef context,
                                       const Unit *unit) {
  const Work *work = worker->work;
  const Body *bodies = work->objects->bodies->items, *first = &bodies[unit->bodies[0]];
  uint64_t hash[2];
  for (int i = 0; i < 2; i++) {
    hash[i] = hash_bytes(work->seed[i], &first->cheap, sizeof first->cheap);
    for (size_t k = 0; k < unit->count; k++)
      hash[i] = hash_bytes(hash[i], bodies[unit->bodies[k]].hash, sizeof first->hash);
  }
  const char *name = object_name(arena, hash);
  LLVMMemoryBufferRef object = cached(name);
  if (object) return object;
  Llvm *l = llvm_begin(work->code, arena, context, first->name);
  for (size_t k = 0; k < unit->count; k++)
    llvm_kernel(l, bodies[unit->bodies[k]].kernel, bodies[unit->bodies[k]].name);
  return make(worker, llvm_end(l), first->cheap, name);
}

/* The tables are no function of little: their bitcode stands for them. */
static LLVMMemoryBufferRef tables_object(Worker *worker, Arena *arena, LLVMContextRef context) {
  const Work *work = worker->work;
  Llvm *l = llvm_begin(work->code, arena, context, "rlc_module");
  llvm_tables(l, work->objects->bodies);
  LLVMModuleRef module = llvm_end(l);
  LLVMMemoryBufferRef bitcode = LLVMWriteBitcodeToMemoryBuffer(module), object;
  uint64_t hash[2];
  for (int i = 0; i < 2; i++)
    hash[i] = hash_bytes(work->seed[i], LLVMGetBufferStart(bitcode), LLVMGetBufferSize(bitcode));
  LLVMDisposeMemoryBuffer(bitcode);
  const char *name = object_name(arena, hash);
  if (!(object = cached(name))) return make(worker, module, true, name);
  LLVMDisposeModule(module);
  return object;
}

/* ---- all of them ---- */

static void *worker_run(void *argument) {
  Worker *worker = argument;
  Work *work = worker->work;
  for (size_t i; !work->failed && (i = work->next++) < work->objects->count;) {
    size_t at = work->order[i];
    Arena *arena = arena_make();
    LLVMContextRef context = LLVMContextCreate(); /* fresh: no object knows of another */
    LLVMMemoryBufferRef object = at < work->unit_count
                                     ? unit_object(worker, arena, context, &work->units[at])
                                     : tables_object(worker, arena, context);
    LLVMContextDispose(context);
    arena_free(arena);
    work->objects->items[at] = object;
    if (!object) work->failed = true;
  }
  machine_free(&worker->machine);
  return NULL;
}

static void workers_run(Work *work, Worker *workers, size_t count) {
  for (size_t i = 0; i < count; i++)
    workers[i] = (Worker){work, {.target = work->target}, 0, 0, ""};
  for (size_t i = 1; i < count; i++)
    workers[i].started = !pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
  worker_run(&workers[0]);
  for (size_t i = 1; i < count; i++)
    if (workers[i].started) pthread_join(workers[i].thread, NULL);
}

/* A module costs about as much as a small body by itself. Where a unit ends is decided by what is
 * in it, so that a body more or less moves no end but its own unit's. */
static void units_find(Work *work, Arena *arena) {
  const Bodies *bodies = work->objects->bodies;
  size_t open[2] = {SIZE_MAX, SIZE_MAX}; /* units of small bodies, by `cheap` */
  for (size_t i = 0; i < bodies->count; i++) {
    const Body *body = &bodies->items[i];
    bool small = body->size < SMALL;
    size_t at = small ? open[body->cheap] : SIZE_MAX;
    if (at == SIZE_MAX) {
      at = work->unit_count;
      PUSH(arena, work->units, work->unit_count, work->unit_capacity, (Unit){0});
    }
    Unit *unit = &work->units[at];
    PUSH(arena, unit->bodies, unit->count, unit->capacity, i);
    unit->size += body->size;
    bool full = unit->size >= 2 * SMALL || body->hash[0] % 4 == 0;
    if (small) open[body->cheap] = full ? SIZE_MAX : at;
  }
}

/* The tables first, which every program has anew; then units by the length of their text. */
static void order_make(Work *work, Arena *arena) {
  size_t count = work->objects->count;
  work->order = NEW_ARRAY(arena, size_t, count);
  work->order[0] = work->unit_count;
  for (size_t i = 0; i < work->unit_count; i++) {
    size_t at = i + 1;
    for (; at > 1 && work->units[work->order[at - 1]].size < work->units[i].size; at--)
      work->order[at] = work->order[at - 1];
    work->order[at] = i;
  }
}

static void seed_make(Work *work, Arena *arena) {
  const NativeTarget *t = work->target;
  const char *text = arena_printf(arena, "%s %s %s %s %s %s %u %d", RLC_EMITTER,
                                  native_compiler(arena), t->triple, t->cpu, t->features, t->tune,
                                  (unsigned)work->code->options.lanes, (int)work->code->real);
  work->seed[0] = hash_text(HASH_SEED, text);
  work->seed[1] = hash_text(~HASH_SEED, text);
}

Objects *native_objects(const Code *code, Arena *arena, char *error, size_t size) {
  Objects *objects = NEW(arena, Objects);
  objects->bodies = bodies_find(code, arena);
  Work work = {.code = code, .target = native_target(code, arena), .objects = objects};
  units_find(&work, arena);
  objects->count = work.unit_count + 1;
  objects->items = NEW_ARRAY(arena, LLVMMemoryBufferRef, objects->count);
  seed_make(&work, arena);
  order_make(&work, arena);
  uint32_t threads = code->options.threads ? code->options.threads : 1;
  if (threads > THREADS) threads = THREADS;
  Worker *workers = NEW_ARRAY(arena, Worker, threads);
  workers_run(&work, workers, threads);
  if (work.kept) cache_trim();
  if (!work.failed) return objects;
  for (uint32_t i = 0; i < threads; i++)
    if (*workers[i].error) snprintf(error, size, "%s", workers[i].error);
  native_objects_free(objects);
  return NULL;
}

void native_objects_free(Objects *objects) {
  for (size_t i = 0; i < objects->count; i++)
    if (objects->items[i]) LLVMDisposeMemoryBuffer(objects->items[i]);
}
