/* The memory plan: slots in one block, values of a program in one workspace, barriers between
 * kernels.
 *
 * A workspace buffer lives from the kernel that writes it to the last one that touches it; buffers
 * that live at the same time do not overlap. A barrier stands before a kernel that touches memory
 * which a kernel since the last barrier wrote (or will overwrite), unless one thread runs both.
 * Kernels that go over their rows together (Chunks) count as one: none of their buffers ends before
 * the last of them, and no barrier is between them; what each thread has for one chunk alone
 * (SPACE_CHUNK) lies behind all that is shared, and follows the order of the kernels. Those of a
 * stage of a GPU (stages.c) count as one in the same way. */
#include "codegen/schedule/kernel.h"

uint64_t plan_slots(Code *code) {
  uint64_t offset = 0;
  for (size_t i = 0; i < code->module->graph->slot_count; i++) {
    Buffer *buffer = code->slots[i];
    buffer->offset = offset;
    buffer->bytes = buffer->layout.elements * value_type_size(buffer->type);
    offset += bytes_in_lines(buffer->bytes);
  }
  return offset;
}

uint64_t plan_tables(Code *code) {
  uint64_t offset = 0;
  for (size_t i = 0; i < code->module->graph->table_count; i++) {
    Buffer *buffer = code->tables[i];
    if (!buffer) continue;
    buffer->offset = offset;
    buffer->bytes = buffer->layout.elements * value_type_size(buffer->type);
    offset += bytes_in_lines(buffer->bytes);
  }
  return offset;
}

/* ---- lifetimes and offsets ---- */

size_t chunks_end(const ProgramCode *program, size_t k) {
  size_t end = k + 1;
  const Chunks *chunks = program->kernels[k]->chunks;
  while (chunks && !chunks->dealt && end < program->kernel_count &&
         program->kernels[end]->chunks == chunks)
    end++;
  return end;
}

/* Position behind the last kernel that counts as one with kernel k. */
static size_t together_end(const Code *code, const ProgramCode *program, size_t k) {
  if (!code->device) return chunks_end(program, k);
  size_t end = k + 1;
  while (end < program->kernel_count && program->kernels[end]->stage == program->kernels[k]->stage)
    end++;
  return end;
}

/* Kernel k, one of those from `first` to `last` that count as one, touches its buffers. */
static void touch_buffers(const ProgramCode *program, size_t k, size_t first, size_t last) {
  const Kernel *kernel = program->kernels[k];
  for (size_t i = 0; i < kernel->place_count; i++) {
    Buffer *buffer = kernel->places[i].buffer;
    bool chunk = buffer->space == SPACE_CHUNK;
    if (!chunk && buffer->space != SPACE_WORK) continue;
    if (buffer->first < 0) buffer->first = (int)(chunk ? k : first);
    buffer->last = (int)(chunk ? k : last);
  }
}

static void find_lifetimes(const Code *code, ProgramCode *program) {
  for (size_t first = 0, end; first < program->kernel_count; first = end) {
    end = together_end(code, program, first);
    for (size_t k = first; k < end; k++) touch_buffers(program, k, first, end - 1);
  }
}

static bool live_together(const Buffer *a, const Buffer *b) {
  return a->space == b->space && a->first <= b->last && b->first <= a->last;
}

static bool ranges_overlap(const Buffer *a, const Buffer *b) {
  return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* The lowest offset at which `buffer` meets none of the first `count` buffers. */
static uint64_t first_fit(Buffer *buffer, Buffer *const *placed, size_t count) {
  buffer->offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (size_t i = 0; i < count; i++) {
      if (!live_together(buffer, placed[i]) || !ranges_overlap(buffer, placed[i])) continue;
      buffer->offset = placed[i]->offset + placed[i]->bytes;
      moved = true;
    }
  }
  return buffer->offset;
}

static void plan_offsets(Code *code, ProgramCode *program) {
  Buffer **placed = NEW_ARRAY(code->arena, Buffer *, program->buffer_count + 1);
  size_t count = 0;
  for (size_t i = 0; i < program->buffer_count; i++) {
    Buffer *buffer = program->buffers[i];
    if (buffer->first < 0) continue;
    uint64_t end = first_fit(buffer, placed, count) + buffer->bytes;
    placed[count++] = buffer;
    uint64_t *bytes = buffer->space == SPACE_CHUNK ? &program->thread_bytes : &program->work_bytes;
    if (end > *bytes) *bytes = end;
  }
}

/* ---- barriers ---- */

static bool same_memory(const Buffer *a, const Buffer *b) {
  if (a->space != b->space || a->space == SPACE_TABLE || a->space == SPACE_CHUNK) return false;
  return a->space == SPACE_SLOT ? a == b : ranges_overlap(a, b);
}

static bool memory_conflicts(const Kernel *a, const Kernel *b) {
  for (size_t i = 0; i < a->place_count; i++)
    for (size_t j = 0; j < b->place_count; j++)
      if ((a->places[i].writes || b->places[j].writes) &&
          same_memory(a->places[i].buffer, b->places[j].buffer))
        return true;
  return false;
}

/* Unless one thread, or one block, runs of both what conflicts; a is before b. */
static bool kernels_conflict(const Kernel *a, const Kernel *b) {
  bool together = (a->serial && b->serial) || one_block_runs(a, b);
  return !together && memory_conflicts(a, b);
}

/* The first kernel from `since` on that needs the warps of each block to meet before k; k: none. */
static size_t apart_from(const ProgramCode *program, size_t since, size_t k) {
  const Kernel *kernel = program->kernels[k];
  for (size_t i = since; i < k; i++)
    if (one_block_runs(program->kernels[i], kernel) &&
        memory_conflicts(program->kernels[i], kernel))
      return i;
  return k;
}

/* Where the warps of a block meet, and blocks need not. */
static void plan_meetings(ProgramCode *program) {
  size_t since = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    Kernel *kernel = program->kernels[k];
    kernel->joined = !kernel->barrier_before && apart_from(program, since, k) < k;
    if (kernel->barrier_before || kernel->joined) since = k;
  }
}

static void plan_barriers(const Code *code, ProgramCode *program) {
  size_t since = 0;
  for (size_t first = 0, end; first < program->kernel_count; first = end) {
    bool *needed = &program->kernels[first]->barrier_before;
    end = together_end(code, program, first);
    for (size_t k = first; k < end; k++)
      for (size_t i = since; i < first && !*needed; i++)
        *needed = kernels_conflict(program->kernels[i], program->kernels[k]);
    if (*needed) since = first;
  }
}

void plan_program(Code *code, ProgramCode *program) {
  find_lifetimes(code, program);
  plan_offsets(code, program);
  plan_barriers(code, program);
  plan_meetings(program);
}

/* ---- the checker ---- */

static const char *check_buffers(const ProgramCode *program, Arena *arena) {
  for (size_t i = 0; i < program->buffer_count; i++)
    for (size_t j = 0; j < i; j++) {
      const Buffer *a = program->buffers[i], *b = program->buffers[j];
      if (a->first < 0 || b->first < 0) continue;
      if (live_together(a, b) && ranges_overlap(a, b))
        return arena_printf(arena, "program '%s': live buffers '%s' and '%s' overlap",
                            program->program->name, a->name, b->name);
    }
  return NULL;
}

static bool is_written(const ProgramCode *program, size_t until, const Buffer *buffer) {
  for (size_t k = 0; k <= until; k++)
    for (size_t i = 0; i < program->kernels[k]->place_count; i++) {
      const Place *place = &program->kernels[k]->places[i];
      if (place->buffer == buffer && place->writes) return true;
    }
  return false;
}

/* Every value is written before it is read. */
static const char *check_written(const ProgramCode *program, Arena *arena) {
  for (size_t k = 0; k < program->kernel_count; k++)
    for (size_t i = 0; i < program->kernels[k]->place_count; i++) {
      const Buffer *buffer = program->kernels[k]->places[i].buffer;
      bool made = buffer->space == SPACE_WORK || buffer->space == SPACE_CHUNK;
      if (made && !is_written(program, k, buffer))
        return arena_printf(arena, "'%s' reads '%s' before it is written",
                            program->kernels[k]->name, buffer->name);
    }
  return NULL;
}

static const char *check_meetings(const ProgramCode *program, Arena *arena) {
  size_t since = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    if (program->kernels[k]->barrier_before || program->kernels[k]->joined) since = k;
    size_t apart = apart_from(program, since, k);
    if (apart < k)
      return arena_printf(arena, "no meeting between '%s' and '%s'", program->kernels[apart]->name,
                          program->kernels[k]->name);
  }
  return NULL;
}

/* No conflict lies between two barriers, and none at all amid chunks. */
static const char *check_order(const ProgramCode *program, Arena *arena) {
  size_t since = 0, first = 0;
  for (size_t k = 0; k < program->kernel_count; k++) {
    const Kernel *kernel = program->kernels[k];
    if (chunks_end(program, first) <= k) first = k;
    if (kernel->barrier_before && first < k)
      return arena_printf(arena, "a barrier before '%s', amid chunks", kernel->name);
    if (kernel->barrier_before) since = k;
    for (size_t i = since; i < first; i++)
      if (kernels_conflict(program->kernels[i], kernel))
        return arena_printf(arena, "no barrier between '%s' and '%s'", program->kernels[i]->name,
                            kernel->name);
    const Kernel *before =
        k ? program->kernels[k - 1] : kernel; /* memory is used again behind it */
    if (kernel->stage != before->stage && !kernel->barrier_before)
      return arena_printf(arena, "no barrier between '%s' and '%s', which begins a stage",
                          before->name, kernel->name);
  }
  return NULL;
}

const char *plan_check(const Code *code, Arena *arena) {
  for (size_t i = 0; i < code->program_count; i++) {
    const char *error = check_buffers(&code->programs[i], arena);
    if (!error) error = check_written(&code->programs[i], arena);
    if (!error) error = check_order(&code->programs[i], arena);
    if (!error) error = check_meetings(&code->programs[i], arena);
    if (error) return error;
  }
  return NULL;
}
