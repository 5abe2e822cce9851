/* Decides where the results of a program go, once its kernels stand.
 *
 * An output is written straight into its slot unless somebody still reads the slot's former value
 * afterwards, or at another element in the same kernel; then it is kept in the workspace and copied
 * at the very end. Values that only their own kernel reads get no memory. Afterwards every root has
 * its buffer and every kernel its name. */
#include "codegen/schedule/kernel.h"

#include <string.h>

/* ---- hazards ---- */

/* Who reads a slot's former value. */
typedef struct Readers {
  int last;   /* position of the last kernel that does; -1: none */
  int *apart; /* positions of those that read it at other elements than they compute, rising */
  size_t count, capacity;
} Readers;

typedef struct Hazards {
  Schedule *s;
  Readers *slots;
  const Kernel *kernel; /* that is looked at */
} Hazards;

static void hazard_read(void *user, Node *node, bool kept, bool same) {
  Hazards *hazards = user;
  const Kernel *kernel = hazards->kernel;
  if (kept || node->op != OP_input) return;
  Readers *readers = &hazards->slots[node->attr.key];
  bool once = !kernel->buckets; /* which computes some rows more than once */
  readers->last = kernel->position;
  if (same && once && axes_equal(node->axes, kernel->iteration)) return;
  if (readers->count && readers->apart[readers->count - 1] == kernel->position) return;
  PUSH(hazards->s->arena, readers->apart, readers->count, readers->capacity, kernel->position);
}

/* By slot. One walk over all kernels: an output each would be cubic in the number of losses. */
static Readers *find_readers(Schedule *s) {
  size_t count = s->code->module->graph->slot_count;
  Hazards hazards = {.s = s, .slots = NEW_ARRAY(s->arena, Readers, count + 1)};
  for (size_t i = 0; i < count; i++) hazards.slots[i].last = -1;
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    hazards.kernel = s->out->kernels[i];
    kernel_reads(s, hazards.kernel, hazard_read, &hazards);
  }
  return hazards.slots;
}

/* Is the former value of the slot read after `writer` has begun to overwrite it? */
static bool slot_is_read_late(const Readers *readers, const Kernel *writer) {
  if (readers->last > writer->position) return true;
  for (size_t i = 0; i < readers->count; i++)
    if (readers->apart[i] == writer->position) return true;
  return false;
}

bool bind_late(Schedule *s) {
  const Readers *readers = find_readers(s);
  bool found = false;
  for (size_t i = 0; i < s->out->program->output_count; i++) {
    const Output *output = &s->out->program->outputs[i];
    if (!output_is_direct(s, output)) continue;
    const Kernel *kernel = s->kernel[output->node->id];
    if (kernel->kind != KERNEL_CONTRACT || s->plain[kernel->contraction->id]) continue;
    if (slot_is_read_late(&readers[output->slot], kernel))
      s->plain[kernel->contraction->id] = found = true;
  }
  return found;
}

/* ---- outputs ---- */

/* What a slot gets at the end. `from` is NULL for a kept node: a later output may still move it out
 * of the workspace into a slot of its own. */
typedef struct Copy {
  uint32_t slot;
  Node *node;
  Buffer *from;
} Copy;

static Root *root_of(Kernel *kernel, const Node *node) {
  for (size_t i = 0; i < kernel->root_count; i++)
    if (kernel->roots[i].node == node && !kernel->roots[i].copy) return &kernel->roots[i];
  bug("a kept node is not in its kernel");
}

/* Does the slot get its value from a copy at the end? Otherwise the kernel writes it. */
static bool bind_direct(Schedule *s, const Output *output, const Readers *readers, bool *needed) {
  Node *node = output->node;
  Kernel *kernel = s->kernel[node->id];
  Buffer *buffer = s->buffer[node->id];
  if (buffer->space == SPACE_SLOT || slot_is_read_late(readers, kernel)) {
    needed[node->id] = true;
    return true;
  }
  s->buffer[node->id] = root_of(kernel, node)->buffer = s->code->slots[output->slot];
  return false;
}

/* The same for a value that is converted or broadcast into its slot: the buffer to copy from, or
 * NULL. */
static Buffer *bind_converted(Schedule *s, const Output *output, const Readers *readers) {
  Buffer *slot = s->code->slots[output->slot];
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    Kernel *kernel = s->out->kernels[i];
    for (size_t r = 0; r < kernel->root_count; r++) {
      Root *root = &kernel->roots[r];
      if (root->buffer != slot || !root->copy) continue;
      if (!slot_is_read_late(readers, kernel)) return NULL;
      const char *name = arena_printf(s->arena, "%s_next", slot->name);
      return root->buffer = buffer_make(s, slot->layout, slot->type, name, slot->spec);
    }
  }
  bug("an output is computed nowhere");
}

/* One kernel for all copies of the same axes. */
static Kernel *copy_kernel(Schedule *s, size_t first, Axes axes) {
  for (size_t k = first; k < s->out->kernel_count; k++)
    if (axes_equal(s->out->kernels[k]->iteration, axes)) return s->out->kernels[k];
  return kernel_add(s, KERNEL_MAP, "copy", axes);
}

static void copies_add(Schedule *s, const Copy *copies, size_t count) {
  size_t first = s->out->kernel_count;
  for (size_t i = 0; i < count; i++) {
    Axes axes = s->code->module->graph->slots[copies[i].slot].axes;
    Kernel *kernel = copy_kernel(s, first, axes);
    Buffer *from = copies[i].from ? copies[i].from : s->buffer[copies[i].node->id];
    root_add(s, kernel, (Root){copies[i].node, s->code->slots[copies[i].slot], from, true});
  }
}

static void bind_outputs(Schedule *s, bool *needed) {
  const Program *program = s->out->program;
  Copy *copies = NEW_ARRAY(s->arena, Copy, program->output_count + 1);
  const Readers *all = find_readers(s);
  size_t count = 0;
  for (size_t i = 0; i < program->output_count; i++) {
    const Output *output = &program->outputs[i];
    const Readers *readers = &all[output->slot];
    bool direct = output_is_direct(s, output);
    Buffer *from = direct ? NULL : bind_converted(s, output, readers);
    if (direct ? bind_direct(s, output, readers, needed) : from != NULL)
      copies[count++] = (Copy){output->slot, output->node, from};
  }
  copies_add(s, copies, count);
}

/* ---- what needs memory ---- */

typedef struct Needs {
  const Schedule *s;
  const Kernel *kernel;
  bool *needed;
} Needs;

static void need_read(void *user, Node *node, bool kept, bool same) {
  Needs *needs = user;
  (void)same;
  if (kept && needs->s->kernel[node->id] != needs->kernel) needs->needed[node->id] = true;
}

static void find_needed(const Schedule *s, bool *needed) {
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    Needs needs = {s, s->out->kernels[i], needed};
    kernel_reads(s, needs.kernel, need_read, &needs);
  }
}

static void collect_buffers(Schedule *s, const bool *needed) {
  ProgramCode *out = s->out;
  for (size_t i = 0; i < out->kernel_count; i++) {
    Kernel *kernel = out->kernels[i];
    for (size_t r = 0; r < kernel->root_count; r++) {
      Root *root = &kernel->roots[r];
      if (root->buffer->space == SPACE_SLOT) continue;
      if (!root->copy && !needed[root->node->id])
        root->buffer = s->buffer[root->node->id] = NULL;
      else
        PUSH(s->arena, out->buffers, out->buffer_count, out->buffer_capacity, root->buffer);
    }
  }
}

/* ---- names ---- */

typedef struct Namer {
  const Schedule *s;
  const char *parameter, *slot;
} Namer;

static void namer_read(void *user, Node *node, bool kept, bool same) {
  Namer *namer = user;
  (void)same;
  if (kept || node->op != OP_input) return;
  const Slot *slot = &namer->s->code->module->graph->slots[node->attr.key];
  const char **name =
      slot->kind == RLC_PARAMETER || slot->kind == RLC_TARGET ? &namer->parameter : &namer->slot;
  if (!*name) *name = slot->name;
}

/* "k12_contract_critic_dense2_w": number, kind, the parameter or else the slot that it is about. */
static void name_kernel(const Schedule *s, Kernel *kernel) {
  Namer namer = {s, NULL, NULL};
  kernel_reads(s, kernel, namer_read, &namer);
  const char *about = namer.parameter;
  for (size_t i = 0; i < kernel->root_count && !about; i++)
    if (kernel->roots[i].buffer && kernel->roots[i].buffer->space == SPACE_SLOT)
      about = kernel->roots[i].buffer->spec;
  if (!about) about = namer.slot;
  kernel->name = arena_printf(s->arena, "k%d_%s%s%s", kernel->position, kernel->what,
                              about ? "_" : "", about ? name_identifier(s->arena, about) : "");
}

void schedule_bind(Schedule *s) {
  bool *needed = NEW_ARRAY(s->arena, bool, s->code->module->graph->node_count);
  find_needed(s, needed);
  bind_outputs(s, needed);
  collect_buffers(s, needed);
  chunks_shrink(s);
  for (size_t i = 0; i < s->out->kernel_count; i++) name_kernel(s, s->out->kernels[i]);
}
