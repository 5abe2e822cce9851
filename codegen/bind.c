/* Decides where the results of a program go, once its kernels stand.
 *
 * An output is written straight into its slot unless somebody still reads the slot's former value
 * afterwards, or at another element in the same kernel; then it is kept in the workspace and copied
 * at the very end. Values that only their own kernel reads get no memory. Afterwards every root has
 * its buffer and every kernel its name. */
#include "codegen/kernel.h"

#include <string.h>

/* ---- hazards ---- */

typedef struct Hazard {
  const Kernel *kernel; /* that is looked at */
  uint64_t slot;
  bool later; /* stands after the kernel that writes */
  bool found;
} Hazard;

static void hazard_read(void *user, Node *node, bool kept, bool same) {
  Hazard *hazard = user;
  if (kept || node->op != OP_input || node->attr.key != hazard->slot) return;
  bool once = !hazard->kernel->buckets; /* which computes some rows more than once */
  bool in_place =
      !hazard->later && same && once && axes_equal(node->axes, hazard->kernel->iteration);
  if (!in_place) hazard->found = true;
}

/* Is the former value of `slot` read after `writer` has begun to overwrite it? */
static bool slot_is_read_late(const Schedule *s, uint64_t slot, const Kernel *writer) {
  Hazard hazard = {.slot = slot};
  for (size_t i = (size_t)writer->position; i < s->out->kernel_count && !hazard.found; i++) {
    hazard.kernel = s->out->kernels[i];
    hazard.later = hazard.kernel != writer;
    kernel_reads(s, hazard.kernel, hazard_read, &hazard);
  }
  return hazard.found;
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
static bool bind_direct(Schedule *s, const Output *output, bool *needed) {
  Node *node = output->node;
  Kernel *kernel = s->kernel[node->id];
  Buffer *buffer = s->buffer[node->id];
  if (buffer->space == SPACE_SLOT || slot_is_read_late(s, output->slot, kernel)) {
    needed[node->id] = true;
    return true;
  }
  s->buffer[node->id] = root_of(kernel, node)->buffer = s->code->slots[output->slot];
  return false;
}

/* The same for a value that is converted or broadcast into its slot: the buffer to copy from, or
 * NULL. */
static Buffer *bind_converted(Schedule *s, const Output *output) {
  Buffer *slot = s->code->slots[output->slot];
  for (size_t i = 0; i < s->out->kernel_count; i++) {
    Kernel *kernel = s->out->kernels[i];
    for (size_t r = 0; r < kernel->root_count; r++) {
      Root *root = &kernel->roots[r];
      if (root->buffer != slot || !root->copy) continue;
      if (!slot_is_read_late(s, output->slot, kernel)) return NULL;
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
  size_t count = 0;
  for (size_t i = 0; i < program->output_count; i++) {
    const Output *output = &program->outputs[i];
    bool direct = output_is_direct(s, output);
    Buffer *from = direct ? NULL : bind_converted(s, output);
    if (direct ? bind_direct(s, output, needed) : from != NULL)
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
